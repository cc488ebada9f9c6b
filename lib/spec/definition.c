/* Checks and copies the definition of a function. */
#include "spec/definition.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/versioned.h"
#include "spec/type.h"

void sdf_function_init(sdf_function *def)
{
    if (def)
        *def = (sdf_function){.struct_size = sizeof *def};
}

void sdf_aggregator_init(sdf_aggregator *aggregator)
{
    if (aggregator)
        *aggregator = (sdf_aggregator){.struct_size = sizeof *aggregator};
}

static int check_name(const char *name, bool builtin, sdf_error **err)
{
    size_t size = name ? strnlen(name, FUNCTION_NAME_MAX + 1) : 0;
    int rc = SDF_OK;
    if (!size)
        return error_set(err, SDF_E_INVALID, "a function without a name can't be registered");
    if (size > FUNCTION_NAME_MAX)
        return error_set(err, SDF_E_LIMIT, "the function name \"%.40s...\" has more than %d bytes", name,
                         FUNCTION_NAME_MAX);
    for (size_t i = 0; i < size; i++) {
        char c = name[i];
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("_.-", c))
            continue;
        rc = error_set(err, SDF_E_INVALID, "the function name \"%s\" is wrong at byte %zu", name, i + 1);
        error_hint(err, "letters, digits, '_', '.' and '-' may be in it");
        return rc;
    }
    if (builtin != !strncmp(name, "sdf.", 4)) {
        rc = error_set(err, SDF_E_INVALID, "the function name \"%s\" can't be used here", name);
        error_hint(err, "names that begin with \"sdf.\" are the library's own");
    }
    return rc;
}

/* Replaces a borrowed type by its canonical copy; NULL stays NULL. */
static int own_type(const char **type, const char *name, const char *field, sdf_error **err)
{
    const char *text = *type;
    char *canonical;
    *type = NULL;
    if (!text)
        return SDF_OK;
    int rc = type_parse(text, &canonical, err);
    if (rc)
        error_prefix(err, "function \"%s\", %s", name, field);
    else
        *type = canonical;
    return rc;
}

static int wrong(const char *name, const char *what, sdf_error **err)
{
    return error_set(err, SDF_E_INVALID, "function \"%s\": %s", name, what);
}

static int check_kind(function *fn, sdf_error **err)
{
    const sdf_function *d = &fn->def;
    const struct {
        bool set;
        function_kind kind;
    } ways[] = {{d->map, FUNCTION_MAP},        {d->filter, FUNCTION_FILTER}, {d->batch, FUNCTION_BATCH},
                {d->group, FUNCTION_GROUP},    {d->reduce, FUNCTION_REDUCE}, {d->aggregator, FUNCTION_AGGREGATOR},
                {d->cogroup, FUNCTION_COGROUP}};
    unsigned set = 0;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        if (ways[i].set) {
            fn->kind = ways[i].kind;
            set++;
        }
    if (set == 1)
        return SDF_OK;
    int rc = wrong(d->name, set ? "more than one way to call it is set" : "no way to call it is set", err);
    error_hint(err, "set exactly one of map, filter, batch, group, cogroup, reduce and aggregator");
    return rc;
}

static int check_state(const char *name, const sdf_aggregator *a, sdf_error **err)
{
    type_kind kind = type_of(a->state_type);
    if (!a->state_size || a->state_size > STATE_BYTES_MAX)
        return wrong(name, "the aggregator's state_size is not from 1 to 4096", err);
    if (a->variable > 1)
        return wrong(name, "the aggregator's `variable` is neither 0 nor 1", err);
    if (!a->update || !a->merge)
        return wrong(name, "the aggregator has no update or no merge", err);
    if (a->variable && !a->encode)
        return wrong(name, "the aggregator's state is variable but it has no encode", err);
    if (a->variable && a->update_many)
        return wrong(name, "update_many is not for aggregators with a variable state", err);
    /* A fixed state is shuffled as its bytes, so these must be a raw value of its type. */
    if (!a->variable && (kind == TYPE_NULL || (type_is_number(kind) && a->state_size != 8)))
        return wrong(name, "the aggregator's state_size doesn't fit its state_type", err);
    return SDF_OK;
}

static int own_aggregator(function *fn, sdf_error **err)
{
    const sdf_aggregator *from = fn->def.aggregator;
    fn->def.aggregator = NULL;
    if (!from)
        return SDF_OK;
    int rc = versioned_copy(&fn->aggregator, sizeof fn->aggregator, 0, from, "an aggregator", err);
    if (rc) {
        fn->aggregator = (sdf_aggregator){0};
        error_prefix(err, "function \"%s\"", fn->def.name);
        return rc;
    }
    rc = own_type(&fn->aggregator.state_type, fn->def.name, "state_type", err);
    if (!rc)
        rc = check_state(fn->def.name, &fn->aggregator, err);
    fn->def.aggregator = &fn->aggregator;
    return rc;
}

/* Makes every string of the copy its own. Runs to the end, so that none is left that isn't. */
static int own_strings(function *fn, sdf_error **err)
{
    sdf_function *d = &fn->def;
    const struct {
        const char **type;
        const char *field;
    } types[] = {
        {&d->in_key, "in_key"}, {&d->in_value, "in_value"}, {&d->out_key, "out_key"}, {&d->out_value, "out_value"}};
    const char *borrowed = d->name;
    int rc = SDF_OK;
    d->name = strdup(borrowed);
    if (!d->name)
        rc = error_no_memory(err);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (rc)
            *types[i].type = NULL;
        else
            rc = own_type(types[i].type, borrowed, types[i].field, err);
    }
    return rc;
}

int definition_copy(const sdf_function *def, bool builtin, function **out, sdf_error **err)
{
    if (!def)
        return error_set(err, SDF_E_INVALID, "no function to register");
    function *fn = calloc(1, sizeof *fn);
    if (!fn)
        return error_no_memory(err);
    int rc = versioned_copy(&fn->def, sizeof fn->def, 0, def, "a function's definition", err);
    if (!rc)
        rc = check_name(fn->def.name, builtin, err);
    if (!rc)
        rc = check_kind(fn, err);
    if (rc) {
        free(fn); /* its strings are still the caller's */
        return rc;
    }
    fn->builtin = builtin;
    rc = own_strings(fn, err);
    if (rc)
        fn->def.aggregator = NULL;
    else
        rc = own_aggregator(fn, err);
    if (rc) {
        definition_free(fn);
        return rc;
    }
    *out = fn;
    return SDF_OK;
}

void definition_free(function *fn)
{
    free((void *)fn->def.name);
    free((void *)fn->def.in_key);
    free((void *)fn->def.in_value);
    free((void *)fn->def.out_key);
    free((void *)fn->def.out_value);
    free((void *)fn->aggregator.state_type);
    free(fn);
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && !strcmp(a, b));
}

static bool same_aggregator(const sdf_aggregator *a, const sdf_aggregator *b)
{
    return same_text(a->state_type, b->state_type) && a->state_size == b->state_size && a->variable == b->variable &&
           a->init == b->init && a->update == b->update && a->merge == b->merge && a->encode == b->encode &&
           a->finish == b->finish && a->update_many == b->update_many;
}

bool definition_equal(const function *a, const function *b)
{
    const sdf_function *x = &a->def, *y = &b->def;
    return a->kind == b->kind && x->version == y->version && same_text(x->in_key, y->in_key) &&
           same_text(x->in_value, y->in_value) && same_text(x->out_key, y->out_key) &&
           same_text(x->out_value, y->out_value) && x->map == y->map && x->filter == y->filter &&
           x->batch == y->batch && x->group == y->group && x->cogroup == y->cogroup && x->reduce == y->reduce &&
           x->open == y->open && x->close == y->close && same_aggregator(&a->aggregator, &b->aggregator);
}
