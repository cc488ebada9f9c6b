/* The table of registered functions, and the program id that digests it. Process-wide. */
#ifndef SPEC_REGISTRY_H
#define SPEC_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>

#include <sdf/function.h>

typedef enum function_kind {
    FUNCTION_MAP,
    FUNCTION_FILTER,
    FUNCTION_BATCH,
    FUNCTION_GROUP,
    FUNCTION_REDUCE,
    FUNCTION_AGGREGATOR,
    FUNCTION_COGROUP
} function_kind;

/* Never freed or moved once registered. Types are canonical or NULL. */
typedef struct function {
    sdf_function def;
    sdf_aggregator aggregator; /* if kind is FUNCTION_AGGREGATOR */
    function_kind kind;
    bool builtin;
} function;

/* Adds the library's own functions (names begin with "sdf."); idempotent per name. */
int registry_add_builtins(const sdf_function *table, size_t count, sdf_error **err);

/* By exact name, or, if that is none, by name and "." and the kind of value_type ("sdf.sum" over "i64" finds
 * "sdf.sum.i64"). If there is none, NULL and *err: SDF_E_TYPE if only one of this kind is missing, else
 * SDF_E_NOT_FOUND with the nearest name. value_type may be NULL. */
const function *registry_find(const char *name, const char *value_type, sdf_error **err);

/* No registration from now on (builtins may still come). Returns the first remembered failure of
 * sdf_register_or_remember, at every call once there is one. */
int registry_freeze(sdf_error **err);

/* What differs between two programs, and what the program id is the hash of: a line '# plan V, wire V, application
 * "V"', then one line for each function of the host, "name version in_key in_value out_key out_value kind" (types that
 * are NULL as '-'; an aggregator's kind as "aggregator of STATE_TYPE"), sorted by name. malloc'd; NULL: no memory. */
char *registry_describe(void);
/* Says which lines differ between two descriptions, a line each, bounded ("" : none). malloc'd; NULL: no memory. */
char *registry_difference(const char *ours, const char *theirs);

#endif
