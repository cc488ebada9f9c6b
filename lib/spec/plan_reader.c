/* Fields of a plan's JSON, one after another. See plan_reader.h. */
#include "spec/plan_reader.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/error.h"
#include "spec/type.h"

size_t plan_enter(plan_reader *r, const char *name, int64_t index)
{
    size_t before = r->place_size, room = PLAN_PLACE_MAX - before;
    const char *dot = before ? "." : "";
    int n = index < 0 ? snprintf(r->place + before, room, "%s%s", dot, name)
                      : snprintf(r->place + before, room, "%s%s[%lld]", dot, name, (long long)index);
    r->place_size = before + ((size_t)n < room ? (size_t)n : room - 1);
    return before;
}

void plan_leave(plan_reader *r, size_t before)
{
    r->place_size = before;
    r->place[before] = '\0';
}

/* "the plan is wrong at PLACE: why"; only the first refusal counts. */
void plan_refuse(plan_reader *r, int code, const char *name, const char *format, ...)
{
    if (r->rc)
        return;
    buf why = BUF_EMPTY;
    va_list args;
    va_start(args, format);
    int bad = buf_vprintf(&why, format, args);
    va_end(args);
    r->rc = error_set(r->err, code, "the plan is wrong at %s%s%.64s: %.*s", r->place, r->place_size && *name ? "." : "",
                      name, bad ? 0 : (int)why.size, bad ? "" : (const char *)why.data);
    buf_free(&why);
}

void plan_no_memory(plan_reader *r)
{
    if (!r->rc)
        r->rc = error_no_memory(r->err);
}

void plan_only_fields(plan_reader *r, const cJSON *object, const char *names)
{
    if (!r->rc && !cJSON_IsObject(object))
        plan_refuse(r, SDF_E_CORRUPT, "", "an object expected");
    if (r->rc)
        return;
    uint64_t seen = 0;
    for (const cJSON *item = object->child; item; item = item->next) {
        size_t size = strlen(item->string);
        const char *at = names;
        unsigned i = 0;
        while (*at && !(strcspn(at, " ") == size && !memcmp(at, item->string, size))) {
            at += strcspn(at, " ");
            at += *at == ' ';
            i++;
        }
        if (!*at)
            plan_refuse(r, SDF_E_CORRUPT, item->string, "there is no such field here");
        else if (seen >> i & 1)
            plan_refuse(r, SDF_E_CORRUPT, item->string, "the field is there twice");
        if (r->rc)
            return;
        seen |= UINT64_C(1) << i;
    }
}

const cJSON *plan_field(plan_reader *r, const cJSON *object, const char *name)
{
    return r->rc ? NULL : cJSON_GetObjectItemCaseSensitive(object, name);
}

bool plan_number_of(const cJSON *item, uint64_t *v)
{
    if (cJSON_IsNumber(item)) {
        double d = item->valuedouble;
        if (!(d >= 0 && d <= 0x1p53) || d != (double)(uint64_t)d)
            return false;
        *v = (uint64_t)d;
        return true;
    }
    if (!cJSON_IsString(item) || item->valuestring[0] == '0')
        return false;
    *v = 0;
    for (const char *p = item->valuestring; *p; p++) {
        unsigned digit = (unsigned)((unsigned char)*p - '0');
        if (digit > 9 || *v > (UINT64_MAX - digit) / 10)
            return false;
        *v = *v * 10 + digit;
    }
    return *v > UINT64_C(1) << 53;
}

uint64_t plan_get_u64(plan_reader *r, const cJSON *object, const char *name, uint64_t least, uint64_t most)
{
    uint64_t v = 0;
    const cJSON *item = plan_field(r, object, name);
    if (!r->rc && (!plan_number_of(item, &v) || v < least || v > most))
        plan_refuse(r, SDF_E_CORRUPT, name, "a whole number from %llu to %llu expected", (unsigned long long)least,
                    (unsigned long long)most);
    return r->rc ? 0 : v;
}

uint32_t plan_get_u32(plan_reader *r, const cJSON *object, const char *name, uint32_t least, uint32_t most)
{
    return (uint32_t)plan_get_u64(r, object, name, least, most);
}

bool plan_get_bool(plan_reader *r, const cJSON *object, const char *name)
{
    const cJSON *item = plan_field(r, object, name);
    if (!r->rc && !cJSON_IsBool(item))
        plan_refuse(r, SDF_E_CORRUPT, name, "true or false expected");
    return !r->rc && cJSON_IsTrue(item);
}

/* The encoder's forms again: from -2^53 a number, below that a string of digits with a sign. */
static bool signed_of(const cJSON *item, int64_t *v)
{
    uint64_t u;
    if (plan_number_of(item, &u)) {
        *v = (int64_t)u;
        return u <= INT64_MAX;
    }
    if (cJSON_IsNumber(item)) {
        double d = item->valuedouble;
        if (!(d >= -0x1p53 && d < 0) || d != (double)(int64_t)d)
            return false;
        *v = (int64_t)d;
        return true;
    }
    const char *text = cJSON_IsString(item) ? item->valuestring : "";
    if (text[0] != '-' || text[1] == '0')
        return false;
    u = 0;
    for (const char *p = text + 1; *p; p++) {
        unsigned digit = (unsigned)((unsigned char)*p - '0');
        if (digit > 9 || u > ((UINT64_C(1) << 63) - digit) / 10)
            return false;
        u = u * 10 + digit;
    }
    *v = (int64_t)(0 - u);
    return u > UINT64_C(1) << 53;
}

int64_t plan_get_i64(plan_reader *r, const cJSON *object, const char *name)
{
    int64_t v = 0;
    const cJSON *item = plan_field(r, object, name);
    if (!r->rc && !signed_of(item, &v))
        plan_refuse(r, SDF_E_CORRUPT, name, "a whole number of 64 bits expected");
    return r->rc ? 0 : v;
}

/* The string as it lies in the JSON tree; NULL once something was wrong. */
static const char *get_string(plan_reader *r, const cJSON *object, const char *name, size_t limit)
{
    const cJSON *item = plan_field(r, object, name);
    if (r->rc)
        return NULL;
    if (!cJSON_IsString(item))
        plan_refuse(r, SDF_E_CORRUPT, name, "a string expected");
    else if (strlen(item->valuestring) > limit)
        plan_refuse(r, SDF_E_LIMIT, name, "more than %zu bytes", limit);
    return r->rc ? NULL : item->valuestring;
}

char *plan_get_text(plan_reader *r, const cJSON *object, const char *name, size_t limit)
{
    const char *text = get_string(r, object, name, limit);
    char *copy = text ? strdup(text) : NULL;
    if (text && !copy)
        plan_no_memory(r);
    return copy;
}

char *plan_get_type(plan_reader *r, const cJSON *object, const char *name)
{
    const char *text = get_string(r, object, name, TYPE_TEXT_MAX);
    char *canonical = NULL;
    sdf_error *why = NULL;
    if (!text)
        return NULL;
    int rc = type_parse(text, &canonical, &why);
    if (rc == SDF_E_NO_MEMORY)
        plan_no_memory(r);
    else if (rc)
        plan_refuse(r, SDF_E_CORRUPT, name, "%s", sdf_error_message(why));
    sdf_error_free(why);
    return canonical;
}

unsigned plan_get_enum(plan_reader *r, const cJSON *object, const char *name, const plan_names *names)
{
    const char *text = get_string(r, object, name, SIZE_MAX);
    for (unsigned i = 0; text && i < names->count; i++)
        if (names->names[i] && !strcmp(text, names->names[i]))
            return i;
    plan_refuse(r, SDF_E_CORRUPT, name, "\"%.40s\" is none of its values", text ? text : "");
    return 0;
}

void plan_get_base64(plan_reader *r, const cJSON *object, const char *name, size_t limit, buf *out)
{
    const char *text = get_string(r, object, name, (limit + 2) / 3 * 4);
    int rc = text ? base64_decode(out, text, strlen(text)) : SDF_OK;
    if (rc == SDF_E_NO_MEMORY)
        plan_no_memory(r);
    else if (rc)
        plan_refuse(r, SDF_E_CORRUPT, name, "not base64");
    else if (out->size > limit)
        plan_refuse(r, SDF_E_LIMIT, name, "more than %zu bytes", limit);
}

char *plan_get_bytes(plan_reader *r, const cJSON *object, const char *name, const char *base64_name, size_t limit)
{
    if (!plan_field(r, object, base64_name))
        return plan_get_text(r, object, name, limit);
    buf bytes = BUF_EMPTY;
    char *text = NULL;
    plan_get_base64(r, object, base64_name, limit, &bytes);
    if (plan_field(r, object, name))
        plan_refuse(r, SDF_E_CORRUPT, name, "given twice");
    if (bytes.size && memchr(bytes.data, 0, bytes.size))
        plan_refuse(r, SDF_E_CORRUPT, base64_name, "a NUL byte in it");
    if (!r->rc && !(text = buf_take_text(&bytes)))
        plan_no_memory(r);
    buf_free(&bytes);
    return text;
}

const cJSON *plan_get_list(plan_reader *r, const cJSON *object, const char *name, uint32_t most)
{
    const cJSON *list = plan_field(r, object, name);
    uint32_t count = 0;
    if (!r->rc && !cJSON_IsArray(list))
        plan_refuse(r, SDF_E_CORRUPT, name, "a list expected");
    if (r->rc)
        return NULL;
    for (const cJSON *item = list->child; item; item = item->next)
        if (count++ == most) {
            plan_refuse(r, SDF_E_LIMIT, name, "more than %u of them", most);
            return NULL;
        }
    return list->child;
}
