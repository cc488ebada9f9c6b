/* The ordered encoding of tuples, optionals and `any`, and the frozen partition hash.
 *
 * The encoding, byte by byte (docs/formats.md; vectors in tests/vectors/): comparing
 * two encodings with memcmp compares the values, and equal values have equal bytes.
 *   null    10
 *   number  20, 8 bytes, 2 bytes      one class for i64 and f64: the largest double not
 *                                     above the value (big-endian; sign bit flipped if
 *                                     positive, all bits if negative), then what is left
 *                                     (0 for a double; at most 1023 for an i64), big-endian. -0 is 0;
 *                                     every NaN is 7ff8000000000000 and sorts after +inf.
 *                                     So i64 3 and f64 3.0 are equal and have equal bytes.
 *   bytes   30, the bytes with 00 written as 00 ff, 00
 *   tuple   40, its items, 00         tuple(T,...); an optional(T) is a null or a T
 * Order over classes: null < numbers < bytes < tuples; a tuple that is a prefix of
 * another comes first. A nested depth of 32 is the limit. A raw value of these types is
 * one item, with nothing behind it.
 *
 * Threads: any. Since: 0.1 */
#ifndef SDF_KEY_H
#define SDF_KEY_H

#include <sdf/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Writers: each appends one item to `buffer[*length..capacity)` and moves *length on.
 * When there is no room, *length still moves on by what was needed, nothing past
 * capacity is written, and SDF_E_LIMIT is returned (so a first pass may measure).
 * Threads: any. Since: 0.1 */
SDF_API int sdf_key_put_null(void *buffer, size_t capacity, size_t *length);
SDF_API int sdf_key_put_i64(void *buffer, size_t capacity, size_t *length, int64_t value);
SDF_API int sdf_key_put_f64(void *buffer, size_t capacity, size_t *length, double value);
SDF_API int sdf_key_put_bytes(void *buffer, size_t capacity, size_t *length, const sdf_slice *value);
SDF_API int sdf_key_begin_tuple(void *buffer, size_t capacity, size_t *length);
SDF_API int sdf_key_end_tuple(void *buffer, size_t capacity, size_t *length);

typedef enum sdf_item {
    SDF_ITEM_NULL = 0x10,
    SDF_ITEM_NUMBER = 0x20,
    SDF_ITEM_BYTES = 0x30,
    SDF_ITEM_TUPLE = 0x40,
    SDF_ITEM_TUPLE_END = 0x00
} sdf_item;

/* Reads the item at the front of *rest, moves *rest past it (for a tuple: past its
 * first byte, so its items and SDF_ITEM_TUPLE_END come next) and returns its kind,
 * SDF_ITEM_END at the end of *rest, or SDF_E_CORRUPT (*rest stays): unknown, cut short,
 * or not the one form that the writers give a value. How items nest is the caller's to follow.
 *   number: *f64 is the value as the nearest double; *exact is 1 if it is a whole number in
 *           the range of i64, and *i64 is that number (else 0)
 *   bytes:  *bytes is the still escaped content; sdf_key_unescape gives it back
 * Output pointers may be NULL. Ownership: *bytes points into *rest. Threads: any. Since: 0.1 */
#define SDF_ITEM_END 257
SDF_API int sdf_key_next(sdf_slice *rest, int64_t *i64, double *f64, int *exact, sdf_slice *bytes);

/* Undoes the escape; `out` has room for escaped->size bytes and may be escaped->data
 * itself. Returns the size. Threads: any. Since: 0.1 */
SDF_API size_t sdf_key_unescape(const sdf_slice *escaped, void *out);

/* The hash that places a key: XXH3-64 with seed 0 (xxHash 0.8) of the raw key; an f64 is
 * hashed with -0 as 0 and every NaN as 7ff8000000000000. Frozen: it never changes.
 * `type` NULL means "bytes", `key` NULL no bytes. Threads: any. Since: 0.1 */
SDF_API uint64_t sdf_partition_hash(const char *type, const sdf_slice *key);

/* The partition, 0 .. partitions-1: ((hash >> 32) * partitions) >> 32. Frozen. */
SDF_API uint32_t sdf_partition_of(uint64_t hash, uint32_t partitions);

#ifdef __cplusplus
}
#endif
#endif
