/* Registers the library's own functions and aggregators. */
#include "exec/builtins.h"

int exec_register_builtins(sdf_error **err)
{
    static const builtin_table *const tables[] = {
        &builtin_functions, &builtin_numbers,   &builtin_moments,   &builtin_values,   &builtin_lists,
        &builtin_tops,      &builtin_distincts, &builtin_quantiles, &builtin_sketches, &builtin_eaches,
    };
    int rc = SDF_OK;
    for (size_t i = 0; i < sizeof tables / sizeof *tables && !rc; i++)
        rc = registry_add_builtins(tables[i]->functions, tables[i]->count, err);
    return rc;
}
