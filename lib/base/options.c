/* Options inside URIs. See options.h. */
#include "base/options.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/num.h"

#define KEY_MAX   64 /* longer keys and values are no option of ours; shown cut off */
#define VALUE_MAX 64

int options_split(const char *text, const char *what, size_t *size, const char **rest, sdf_error **err)
{
    const char *colon = strchr(text, ':');
    if (colon == NULL || colon[1] == 0) {
        error_set(err, SDF_E_INVALID, "%s has no URI to wrap in \"%.200s\"", what, text);
        error_hint(err, "write %skey=value,key=value:URI", what);
        return SDF_E_INVALID;
    }
    *size = (size_t)(colon - text);
    *rest = colon + 1;
    return SDF_OK;
}

/* The index of value in "a|b|c", or -1. */
static int choice_index(const char *choices, const char *value)
{
    size_t size = strlen(value);
    int i = 0;
    for (const char *at = choices; at != NULL; i++) {
        const char *bar = strchr(at, '|');
        size_t n = bar ? (size_t)(bar - at) : strlen(at);
        if (n == size && memcmp(at, value, n) == 0)
            return i;
        at = bar ? bar + 1 : NULL;
    }
    return -1;
}

/* Stores the value, or says what it should have been (NULL: it fits). */
static const char *option_store(const option_spec *spec, const char *value, void *target)
{
    char *field = (char *)target + spec->offset;
    if (spec->kind == OPTION_U64) {
        int64_t v;
        if (!num_parse_i64(value, strlen(value), &v) || v < 0)
            return "a whole number, 0 or more";
        *(uint64_t *)field = (uint64_t)v;
    } else if (spec->kind == OPTION_SIZE) {
        uint64_t v;
        if (!num_parse_size(value, &v))
            return "a size such as 512M or 2G";
        *(uint64_t *)field = v;
    } else if (spec->kind == OPTION_UNIT) {
        double v;
        if (!num_parse_f64(value, strlen(value), &v) || !(v >= 0 && v <= 1))
            return "a probability from 0 to 1";
        *(double *)field = v;
    } else {
        int v = choice_index(spec->choices, value);
        if (v < 0)
            return spec->choices;
        *(int *)field = v;
    }
    return NULL;
}

static int unknown_key(const char *key, const char *what, const option_spec *specs, size_t count, sdf_error **err)
{
    const char *names[OPTIONS_MAX];
    char all[OPTIONS_MAX * 16] = "";
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        names[i] = specs[i].name;
        int n = snprintf(all + used, sizeof all - used, "%s%s", i ? ", " : "", specs[i].name);
        used = n > 0 && used + (size_t)n < sizeof all ? used + (size_t)n : used;
    }
    all[used] = 0;
    const char *near = error_nearest(key, names, count);
    error_set(err, SDF_E_INVALID, "%s has no option \"%s\"", what, key);
    if (near != NULL)
        error_hint(err, "did you mean \"%s\"? (there are: %s)", near, all);
    else
        error_hint(err, "its options are: %s", all);
    return SDF_E_INVALID;
}

static int option_read(const char *text, size_t size, const char *what, const option_spec *specs, size_t count,
                       uint64_t *seen, void *target, sdf_error **err)
{
    const char *equals = memchr(text, '=', size);
    size_t key_size = equals ? (size_t)(equals - text) : 0;
    size_t value_size = equals ? size - key_size - 1 : 0;
    if (equals == NULL || key_size == 0 || key_size >= KEY_MAX || value_size >= VALUE_MAX) {
        error_set(err, SDF_E_INVALID, "%s can't read its option \"%.*s\"", what, size > 200 ? 200 : (int)size, text);
        error_hint(err, "an option is key=value");
        return SDF_E_INVALID;
    }
    char key[KEY_MAX], value[VALUE_MAX];
    memcpy(key, text, key_size);
    key[key_size] = 0;
    memcpy(value, equals + 1, value_size);
    value[value_size] = 0;

    size_t i = 0;
    while (i < count && strcmp(specs[i].name, key) != 0)
        i++;
    if (i == count)
        return unknown_key(key, what, specs, count, err);
    if (*seen & UINT64_C(1) << i)
        return error_set(err, SDF_E_INVALID, "%s has the option \"%s\" twice", what, key);
    *seen |= UINT64_C(1) << i;
    const char *wanted = option_store(&specs[i], value, target);
    if (wanted == NULL)
        return SDF_OK;
    error_set(err, SDF_E_INVALID, "%s can't use the value in \"%s=%s\"", what, key, value);
    error_hint(err, "%s takes %s", key, wanted);
    return SDF_E_INVALID;
}

int options_read(const char *text, size_t size, char separator, const char *what, const option_spec *specs,
                 size_t count, void *target, sdf_error **err)
{
    uint64_t seen = 0;
    const char *end = text + size;
    while (size > 0) {
        const char *cut = memchr(text, separator, size);
        size_t n = cut ? (size_t)(cut - text) : size;
        int rc = option_read(text, n, what, specs, count, &seen, target, err);
        if (rc != SDF_OK)
            return rc;
        text += cut ? n + 1 : n;
        size = (size_t)(end - text);
    }
    return SDF_OK;
}
