/* The names of columns that sinks are given. */
#include <string.h>

#include "base/error.h"
#include "exec/format.h"

sdf_slice format_next_column(const char **at)
{
    if (!*at)
        return (sdf_slice){NULL, 0};
    sdf_slice name = {*at, strcspn(*at, "\n")};
    *at = (*at)[name.size] ? *at + name.size + 1 : NULL;
    return name;
}

int format_check_columns(const char *columns, uint32_t fields, sdf_error **err)
{
    if (!columns)
        return SDF_OK;
    uint32_t names = 0;
    for (const char *at = columns; at; names++)
        format_next_column(&at);
    if (names == fields)
        return SDF_OK;
    error_set(err, SDF_E_INVALID, "the output's records have %u fields, and %u columns are named", fields, names);
    error_hint(err, "name one column for each field of key and value; a tuple has several, a null none");
    return SDF_E_INVALID;
}
