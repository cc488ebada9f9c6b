/* Registers the library's own functions and aggregators; their tables are in builtin_functions.c and
 * builtin_aggregators.c. */
#include "exec/op.h"

int exec_register_builtins(sdf_error **err)
{
    int rc = registry_add_builtins(builtin_functions, builtin_function_count, err);
    return rc ? rc : registry_add_builtins(builtin_aggregators, builtin_aggregator_count, err);
}
