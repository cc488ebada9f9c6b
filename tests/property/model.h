/* A collection as a plain array of records, and every operator on it in the most naive way: what the library's answers
 * are compared with. Serial, unpartitioned, all in memory. Not here: anything of the library but the ordered encoding of
 * tuples (sdf/key.h), whose bytes have tests of their own. */
#ifndef PROPERTY_MODEL_H
#define PROPERTY_MODEL_H

#include <sdf/sdf.h>

/* Types by a letter: n null, i i64, f f64, b bytes. */
const char *type_name(char letter);

typedef struct row {
    sdf_slice key, value;
} row;

typedef struct rows {
    row *at;
    size_t count, room;
    char key, value; /* types */
} rows;

/* Memory of one case; everything goes at once. */
void *case_alloc(size_t size);
void case_free(void);

void rows_add(rows *r, sdf_slice key, sdf_slice value);
sdf_slice slice_i64(int64_t v);
sdf_slice slice_copy(const void *data, size_t size);
uint64_t hash_slices(const sdf_slice *a, const sdf_slice *b); /* FNV-1a over both with lengths; b may be NULL */
int compare_slices(char type, const sdf_slice *a, const sdf_slice *b); /* the order of values of a type */
int compare_bytes(const sdf_slice *a, const sdf_slice *b);

/* The functions that both sides compute with. */
sdf_slice model_turn(char type, sdf_slice value); /* another value of the same type */
int64_t model_digest(const sdf_slice *value);      /* small and never negative */
sdf_slice model_tuple(char left_type, const sdf_slice *left, char right_type, const sdf_slice *right); /* NULL: null */

typedef enum join_how { JOIN_INNER, JOIN_LEFT, JOIN_RIGHT, JOIN_FULL } join_how;

rows model_map_values(const rows *in);
rows model_digest_values(const rows *in);
rows model_filter(const rows *in, unsigned drop);
rows model_times(const rows *in);
rows model_key_by(const rows *in);
rows model_only(const rows *in, int keys);
rows model_union(const rows *a, const rows *b);
rows model_distinct(const rows *in);
rows model_reduce(const rows *in, char what); /* s sum, m min, M max; values i64 */
rows model_count(const rows *in);
rows model_groups(const rows *a, const rows *b); /* b NULL: map_groups */
rows model_join(const rows *a, const rows *b, join_how how); /* values digested */
size_t model_join_size(const rows *a, const rows *b);
rows model_subtract(const rows *a, const rows *b);
rows model_intersection(const rows *a, const rows *b);
rows model_arithmetic(const rows *in); /* value * 2 + 1 */
rows model_divisible(const rows *in);  /* value % 3 != 1 */
void model_sort(rows *r, int by_value_too, int descending);

#endif
