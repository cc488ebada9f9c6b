/* The process-wide table of registered functions: adding, finding, freezing. Checking a definition is in
 * definition.c, describing the table in describe.c.
 *
 * Locks: one mutex over the table. Functions are never moved or freed, so what a search returns stays good without it.
 */
#include "spec/registry.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "spec/definition.h"
#include "spec/type.h"

/* Ids that were handed out stay as they were, though the table grew: one for each state of it that was asked for. */
typedef struct program_id {
    struct program_id *before;
    char text[33];
} program_id;

static struct {
    pthread_mutex_t lock;
    function **functions; /* sorted by name */
    size_t count, capacity;
    char *application; /* version; NULL: none */
    sdf_error *remembered;
    bool frozen;
    bool id_known; /* `id` is of the table as it is */
    program_id *id;
} table = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Where `name` is, or where it belongs. */
static size_t position(const char *name, bool *found)
{
    size_t low = 0, high = table.count;
    *found = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int c = strcmp(table.functions[middle]->def.name, name);
        if (!c) {
            *found = true;
            return middle;
        }
        if (c < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static function *look_up(const char *name)
{
    bool found;
    size_t i = position(name, &found);
    return found ? table.functions[i] : NULL;
}

static int reserve(sdf_error **err)
{
    if (table.count < table.capacity)
        return SDF_OK;
    size_t capacity = table.capacity ? table.capacity * 2 : 64;
    function **functions = realloc(table.functions, capacity * sizeof *functions);
    if (!functions)
        return error_no_memory(err);
    table.functions = functions;
    table.capacity = capacity;
    return SDF_OK;
}

/* Adds a checked definition, or frees it: it is there already, or can't be added. */
static int add(function *fn, sdf_error **err)
{
    bool found;
    size_t i = position(fn->def.name, &found);
    int rc = SDF_OK;
    if (found) {
        if (!definition_equal(table.functions[i], fn)) {
            rc = error_set(err, SDF_E_EXISTS, "a function named \"%s\" is registered already, with another definition",
                           fn->def.name);
            error_hint(err, "give one of the two another name");
        }
        definition_free(fn);
        return rc;
    }
    if (table.frozen && !fn->builtin) {
        rc = error_set(err, SDF_E_BUSY, "\"%s\" can't be registered any more: a context or a worker was opened already",
                       fn->def.name);
        error_hint(err, "register all functions at the start of main");
    }
    if (!rc)
        rc = reserve(err);
    if (rc) {
        definition_free(fn);
        return rc;
    }
    memmove(table.functions + i + 1, table.functions + i, (table.count - i) * sizeof *table.functions);
    table.functions[i] = fn;
    table.count++;
    table.id_known = table.id_known && fn->builtin;
    return SDF_OK;
}

static int register_one(const sdf_function *def, bool builtin, sdf_error **err)
{
    function *fn;
    int rc = definition_copy(def, builtin, &fn, err);
    if (rc)
        return rc;
    pthread_mutex_lock(&table.lock);
    rc = add(fn, err);
    pthread_mutex_unlock(&table.lock);
    return rc;
}

int sdf_register(const sdf_function *def, sdf_error **err)
{
    return register_one(def, false, err);
}

void sdf_register_or_remember(const sdf_function *def)
{
    sdf_error *why = NULL;
    if (!sdf_register(def, &why))
        return;
    pthread_mutex_lock(&table.lock);
    if (!table.remembered) {
        table.remembered = why;
        why = NULL;
    }
    pthread_mutex_unlock(&table.lock);
    sdf_error_free(why);
}

int registry_add_builtins(const sdf_function *functions, size_t count, sdf_error **err)
{
    for (size_t i = 0; i < count; i++) {
        int rc = register_one(&functions[i], true, err);
        if (rc)
            return rc;
    }
    return SDF_OK;
}

static const char *const type_suffixes[] = {
    [TYPE_BYTES] = "bytes", [TYPE_I64] = "i64",           [TYPE_F64] = "f64", [TYPE_NULL] = "null",
    [TYPE_TUPLE] = "tuple", [TYPE_OPTIONAL] = "optional", [TYPE_ANY] = "any",
};

/* The name that a host would write: of the library's own without the type behind it. */
static void name_for_hosts(const function *fn, char name[FUNCTION_NAME_MAX + 1])
{
    snprintf(name, FUNCTION_NAME_MAX + 1, "%s", fn->def.name);
    char *last = strrchr(name, '.');
    for (size_t i = 0; fn->builtin && last && i < sizeof type_suffixes / sizeof *type_suffixes; i++)
        if (!strcmp(last + 1, type_suffixes[i]))
            *last = 0;
}

/* Lock held. Without memory for the list of names there is just no suggestion. */
static void suggest(const char *name, sdf_error **err)
{
    if (!err)
        return;
    const char **names = malloc((table.count + 1) * sizeof *names);
    char(*texts)[FUNCTION_NAME_MAX + 1] = malloc((table.count + 1) * sizeof *texts);
    const char *near = NULL;
    for (size_t i = 0; names && texts && i < table.count; i++) {
        name_for_hosts(table.functions[i], texts[i]);
        names[i] = texts[i];
    }
    if (names && texts)
        near = error_nearest(name, names, table.count);
    if (near)
        error_hint(err, "did you mean \"%s\"?", near);
    else
        error_hint(err, "register it at the start of main, in the driver and in the worker alike");
    free(texts);
    free(names);
}

/* Lock held. "sdf.sum" over bytes, where there are "sdf.sum.f64" and "sdf.sum.i64": says so. */
static bool refuse_type(const char *name, const char *value_type, sdf_error **err)
{
    bool found;
    size_t size = strlen(name), first = position(name, &found), last = first;
    while (last < table.count && !strncmp(table.functions[last]->def.name, name, size) &&
           table.functions[last]->def.name[size] == '.')
        last++;
    if (first == last || !value_type)
        return false;
    error_set(err, SDF_E_TYPE, "\"%s\" can't be used on values of type %s", name, value_type);
    buf names = BUF_EMPTY;
    int rc = SDF_OK;
    for (size_t i = first; i < last && names.size < 200 && !rc; i++)
        rc = buf_printf(&names, "%s%s", i > first ? ", " : "", table.functions[i]->def.name);
    if (!rc)
        error_hint(err, "there are %.*s", (int)names.size, (const char *)names.data);
    buf_free(&names);
    return true;
}

const function *registry_find(const char *name, const char *value_type, sdf_error **err)
{
    char typed[FUNCTION_NAME_MAX + 16];
    const function *fn = NULL;
    if (!name || !*name) {
        error_set(err, SDF_E_INVALID, "a function's name is missing");
        return NULL;
    }
    pthread_mutex_lock(&table.lock);
    fn = look_up(name);
    size_t size = strlen(name);
    if (!fn && value_type && size <= FUNCTION_NAME_MAX) {
        memcpy(typed, name, size);
        typed[size] = '.';
        strcpy(typed + size + 1, type_suffixes[type_of(value_type)]);
        fn = look_up(typed);
    }
    if (!fn && !refuse_type(name, value_type, err)) {
        error_set(err, SDF_E_NOT_FOUND, "no function named \"%.200s\" is registered", name);
        suggest(name, err);
    }
    pthread_mutex_unlock(&table.lock);
    return fn;
}

int registry_freeze(sdf_error **err)
{
    pthread_mutex_lock(&table.lock);
    table.frozen = true;
    sdf_error *why = error_copy(table.remembered);
    pthread_mutex_unlock(&table.lock);
    return error_move(err, &why);
}

int sdf_set_program_version(const char *version, sdf_error **err)
{
    const char *text = version ? version : "";
    size_t size = strnlen(text, FUNCTION_NAME_MAX + 1);
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return error_set(err, SDF_E_INVALID, "the program's version has a control character");
    if (size > FUNCTION_NAME_MAX)
        return error_set(err, SDF_E_LIMIT, "the program's version has more than %d bytes", FUNCTION_NAME_MAX);
    char *copy = strdup(text);
    if (!copy)
        return error_no_memory(err);
    int rc = SDF_OK;
    pthread_mutex_lock(&table.lock);
    if (table.frozen && strcmp(text, table.application ? table.application : "")) {
        rc =
            error_set(err, SDF_E_BUSY, "the program's version can't change any more: a context or a worker was opened");
        error_hint(err, "set it at the start of main");
        free(copy);
    } else {
        free(table.application);
        table.application = copy;
        table.id_known = false;
    }
    pthread_mutex_unlock(&table.lock);
    return rc;
}

static int describe(buf *out)
{
    return definition_describe(table.application, table.functions, table.count, out);
}

char *registry_describe(void)
{
    buf out = BUF_EMPTY;
    pthread_mutex_lock(&table.lock);
    char *text = describe(&out) ? NULL : buf_take_text(&out);
    pthread_mutex_unlock(&table.lock);
    buf_free(&out);
    return text;
}

/* Lock held. */
static void renew_id(void)
{
    buf text = BUF_EMPTY;
    program_id *id = describe(&text) ? NULL : malloc(sizeof *id);
    if (id) {
        hash_hex128(text.data, text.size, id->text);
        id->before = table.id;
        table.id = id;
        table.id_known = true;
    }
    buf_free(&text);
}

const char *sdf_program_id(void)
{
    pthread_mutex_lock(&table.lock);
    if (!table.id_known)
        renew_id();
    const char *id = table.id_known ? table.id->text : ""; /* no memory: an id that fits no program */
    pthread_mutex_unlock(&table.lock);
    return id;
}
