/* One function's definition, as the registry keeps it: checked, copied, compared, described. */
#ifndef SPEC_DEFINITION_H
#define SPEC_DEFINITION_H

#include "base/buf.h"
#include "spec/registry.h"

#define FUNCTION_NAME_MAX 127
#define STATE_BYTES_MAX   4096

/* Checks `def` and copies it with all its strings. Free it with definition_free as long as it isn't in the table. */
int definition_copy(const sdf_function *def, bool builtin, function **fn, sdf_error **err);
void definition_free(function *fn);
bool definition_equal(const function *a, const function *b);
/* What registry_describe says of `count` functions in order of name, the library's own left out. */
int definition_describe(const char *application, function *const *functions, size_t count, buf *out);

#endif
