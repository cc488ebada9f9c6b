/* Options that sources and sinks have in common, from the host's form to the plan's. What a format makes of them is
 * checked where the lineage is made. */
#include "api/internal.h"

int option_byte(const char *what, uint32_t value, uint8_t *byte, sdf_error **err)
{
    if (value > UINT8_MAX) {
        error_set(err, SDF_E_INVALID, "the %s %u is no byte", what, value);
        error_hint(err, "it is one byte, such as ',' or '\\t', not a character of another alphabet");
        return SDF_E_INVALID;
    }
    *byte = (uint8_t)value;
    return SDF_OK;
}

/* Copies one name without the blanks around it; returns where it ended. */
static char *put_name(char *to, const char *from, size_t size)
{
    while (size && (*from == ' ' || *from == '\t')) {
        from++;
        size--;
    }
    while (size && (from[size - 1] == ' ' || from[size - 1] == '\t'))
        size--;
    memcpy(to, from, size);
    return to + size;
}

int option_columns(const char *text, char **columns, sdf_error **err)
{
    *columns = NULL;
    if (!text)
        return SDF_OK;
    if (strpbrk(text, "\r\n"))
        return error_set(err, SDF_E_INVALID, "the names of columns have the end of a line in them");
    char *names = malloc(strlen(text) + 1), *to = names;
    if (!names)
        return error_no_memory(err);
    for (const char *at = text;; at++) {
        size_t size = strcspn(at, ",");
        to = put_name(to, at, size);
        at += size;
        if (!*at)
            break;
        *to++ = '\n';
    }
    *to = 0;
    *columns = names;
    return SDF_OK;
}
