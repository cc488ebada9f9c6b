/* The bound form of expressions: what they read and their trees, as bytes in a plan (docs/formats.md). */
#ifndef EXPR_BOUND_H
#define EXPR_BOUND_H

#include "expr/check.h"

#define BOUND_VERSION     1
#define BOUND_OUTPUTS_MAX 64
#define BOUND_NODES_MAX   (4 * EXPR_NODES_MAX) /* of all outputs */

typedef struct bound {
    char *key_type, *value_type;
    plan_format format; /* its kind TEXT: the value is no row */
    expr **outputs;
    size_t count;
} bound;

/* Hostile bytes give SDF_E_CORRUPT, another version SDF_E_VERSION; types are not checked yet. On failure nothing is
 * held. */
int bound_decode(const sdf_slice *bytes, bound *b, sdf_error **err);
void bound_release(bound *b);
expr_input bound_input(const bound *b);

#endif
