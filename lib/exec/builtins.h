/* The library's own functions and aggregators: what their files share, and what the planner asks about them.
 * A file builtin_*.c is one family and ends with its table; builtins.c registers them all. docs/aggregators.md says
 * what each does, what it holds, and what its error is.
 *
 * Aggregators here never call the system for memory: a state is fixed, or lies in the task's accounted memory. Merging
 * is deterministic in the order of producers, and refuses shuffled bytes that no encode can have made. */
#ifndef EXEC_BUILTINS_H
#define EXEC_BUILTINS_H

#include <stdlib.h>

#include <sdf/key.h>

#include "base/wire.h"
#include "exec/aggregate.h"
#include "exec/item.h"

/* ---- raw values; what has not 8 bytes can't be a number, and is 0 ---- */
static inline int64_t read_i64(const sdf_slice *value)
{
    return value->size == 8 ? (int64_t)load_u64(value->data) : 0;
}
static inline double read_f64(const sdf_slice *value)
{
    double d = 0;
    if (value->size == 8)
        memcpy(&d, value->data, 8);
    return d;
}
/* The order of keys: -0 is 0, NaN is the largest. */
static inline bool f64_below(double a, double b)
{
    return a == a && (b != b || a < b);
}

/* ---- builtin_grown.c: bytes that grow in accounted memory; a state of its own, or part of one ---- */
typedef struct grown {
    uint8_t *data; /* NULL: nothing yet */
    size_t size, capacity;
} grown;
/* Room for `more` bytes behind what is there. SDF_E_NO_MEMORY: unchanged. */
int grown_reserve(grown *g, size_t more, sdf_memory *memory);
/* The bytes as they are: encode, and finish where they are the result. */
int grown_encode(const void *state, sdf_out *out, void *user);

/* One whole item of the ordered encoding at the front of *rest; moves past it. */
bool item_skip(sdf_slice *rest);
/* The bytes are one such item, and nothing else. */
bool item_is(sdf_slice bytes);

/* ---- builtin_args.c: arguments as text ---- */
/* A whole number; an empty argument means `otherwise` (below least: there is no default). */
int arg_count(const char *what, const sdf_slice *arg, uint64_t least, uint64_t most, uint64_t otherwise,
              uint64_t *count, sdf_error **err);

#define QUANTILES_MAX 64
typedef struct quantiles {
    uint32_t count;
    uint32_t k; /* of a sketch */
    double at[QUANTILES_MAX];
    uint8_t by_size[QUANTILES_MAX]; /* their numbers, in ascending order */
} quantiles;
/* "0.5,0.9" with commas or blanks; where `sketch`, also "k=2000". */
int arg_quantiles(const sdf_slice *arg, bool sketch, quantiles *q, sdf_error **err);
int quantiles_open(const sdf_task *task, const sdf_slice *arg, void **state, sdf_error **err);
int quantiles_open_sketch(const sdf_task *task, const sdf_slice *arg, void **state, sdf_error **err);
/* Emits the results in the order they were asked for: f64 for one, else the tuple. */
int quantiles_emit(const quantiles *q, const double *results, sdf_out *out);

/* ---- builtin_each.c ---- */
/* An aggregator for each field of a tuple type: the function whose state has the right size, its argument, the type of
 * the result (malloc'd). */
int each_bind(const char *value_type, const sdf_slice *arg, const char **name, buf *bound, char **result,
              sdf_error **err);

/* ---- the tables ---- */
#define AGGREGATOR_ROW(full_name, in, out, which)                                                                      \
    {                                                                                                                  \
        .struct_size = sizeof(sdf_function), .name = full_name, .version = 1, .in_value = in, .out_value = out,        \
        .aggregator = &which                                                                                           \
    }
#define AGGREGATOR_ROW_ARG(full_name, in, out, which, opener)                                                          \
    {                                                                                                                  \
        .struct_size = sizeof(sdf_function), .name = full_name, .version = 1, .in_value = in, .out_value = out,        \
        .aggregator = &which, .open = opener, .close = free                                                            \
    }

typedef struct builtin_table {
    const sdf_function *functions;
    size_t count;
} builtin_table;
extern const builtin_table builtin_functions, builtin_numbers, builtin_moments, builtin_values, builtin_lists,
    builtin_tops, builtin_distincts, builtin_quantiles, builtin_sketches, builtin_eaches;

#define BUILTIN_TABLE(rows)                                                                                            \
    {                                                                                                                  \
        rows, sizeof rows / sizeof *rows                                                                               \
    }

#endif
