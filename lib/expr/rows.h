/* Chosen fields of delimited rows, found by vectors of delimiters where the processor has them. For lib/expr and its
 * tests. */
#ifndef EXPR_ROWS_H
#define EXPR_ROWS_H

#include "base/budget.h"
#include "spec/plan.h"

/* Which fields are wanted. Field c lies behind delimiter c-1 and before delimiter c (or the row's end), counted from 0.
 */
typedef struct row_fields {
    uint8_t delimiter, quote, escape;
    uint32_t count;
    const uint32_t *columns;           /* ascending */
    uint32_t delimiters;               /* to be found */
    const uint32_t *delimiter_numbers; /* ascending */
    const uint32_t *before, *behind;   /* per field: which of those; before column 0: ROW_START */
} row_fields;

#define ROW_START UINT32_MAX

typedef enum row_state {
    ROW_OK = 0,
    ROW_SHORT = 1,    /* the row has fewer fields */
    ROW_UNCLOSED = 2, /* a quote that does not end */
    ROW_BEHIND = 3    /* text behind a quote */
} row_state;

/* columns: ascending, borrowed. Memory from the arena. */
int row_fields_new(row_fields *f, const plan_format *format, const uint32_t *columns, size_t count, arena *memory);

/* A way to find delimiters: at[i] = where delimiter number i of f lies, or row->size if there is none. False: there is
 * a quote on the way, so that delimiters may not be what they seem. Never reads outside of the row. */
typedef struct row_ops {
    const char *name;
    bool (*find)(const row_fields *f, const uint8_t *data, size_t size, size_t *at);
} row_ops;
const row_ops *row_ops_best(void);
const row_ops *
row_ops_form(size_t i); /* form i that this processor can run, or NULL: for tests. 0 is the portable one */

/* The wanted fields of a row, quotes undone (in `text` where that takes a copy); values[i] and states[i] of those that
 * are not ROW_OK mean nothing else. `at` has room for f->delimiters. SDF_OK or SDF_E_NO_MEMORY. */
int row_extract(const row_fields *f, const row_ops *ops, const sdf_slice *row, size_t *at, arena *text,
                sdf_slice *values, row_state *states);

#endif
