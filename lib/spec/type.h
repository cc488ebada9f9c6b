/* Types of keys and values: parsing, comparing, how values lie in memory. */
#ifndef SPEC_TYPE_H
#define SPEC_TYPE_H

#include <stdbool.h>

#include <sdf/record.h>

/* Append only: these numbers stand in shuffle objects and splitters. */
typedef enum type_kind {
    TYPE_BYTES = 0,
    TYPE_I64 = 1,
    TYPE_F64 = 2,
    TYPE_NULL = 3,
    TYPE_TUPLE = 4,
    TYPE_OPTIONAL = 5,
    TYPE_ANY = 6
} type_kind;

#define TYPE_TEXT_MAX  1024
#define TYPE_DEPTH_MAX 32

/* Checks and writes the canonical text (no blanks), malloc'd. NULL text means "bytes". */
int type_parse(const char *text, char **canonical, sdf_error **err);
type_kind type_of(const char *canonical);
bool type_equal(const char *a, const char *b); /* canonical both; NULL: bytes */

/* i64 and f64 lie as 8 bytes, null as none, everything else as slices. */
static inline bool type_is_number(type_kind k)
{
    return k == TYPE_I64 || k == TYPE_F64;
}

/* The first 8 bytes of a key's order as a number: a < b in order implies prefix(a) <= prefix(b). For numbers and
 * null it decides; otherwise ties are broken by memcmp of the rest, then length. */
uint64_t type_order_prefix(type_kind k, const void *raw, size_t size);
/* Total order of raw keys: <0, 0, >0. -0 equals 0; NaNs are equal and last. */
int type_compare(type_kind k, const sdf_slice *a, const sdf_slice *b);
/* Equality of keys as grouping sees it: f64 keys are made canonical where they enter a shuffle or a table. */
uint64_t type_canonical_f64(uint64_t bits);

/* The type of a record's element: the value's where the key is null, the key's where the value is null, else
 * "tuple(K,V)". malloc'd; NULL: no memory. SDF_E_LIMIT and the like can't be: a type that grows too long is refused by
 * type_parse where it is used. */
char *type_element(const char *key, const char *value);

#endif
