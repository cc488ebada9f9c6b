/* Types, records, columns, batches, and how a function of the host emits.
 *
 * A collection has a key type and a value type, written as text:
 *   "bytes"  raw bytes (the default)        "i64"   signed 64-bit integer
 *   "f64"    IEEE 754 double                "null"  no value: zero bytes
 *   "tuple(T,...)" "optional(T)" "any"      bytes in the ordered encoding of sdf/key.h
 * Raw form of a value: the bytes themselves; i64 and f64 as 8 bytes in the
 * machine's order (little-endian on every platform supported); null as nothing.
 *
 * Where nothing else is said - Ownership: what is given back is borrowed from the batch. Threads: that of the function
 * called, or that reads the result. Since: 0.1 */
#ifndef SDF_RECORD_H
#define SDF_RECORD_H

#include <sdf/base.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SDF_BYTES "bytes"
#define SDF_I64   "i64"
#define SDF_F64   "f64"
#define SDF_NULL  "null"
#define SDF_ANY   "any"

/* One record as a function sees it. Both slices point into the input batch and
 * live until the function returns. Read-only; the library may append fields. */
typedef struct sdf_record {
    sdf_slice key;
    sdf_slice value;
} sdf_record;

/* Reads a raw i64 or f64 (0 if the slice is not 8 bytes). Threads: any. Since: 0.1 */
SDF_API int64_t sdf_slice_i64(const sdf_slice *raw);
SDF_API double sdf_slice_f64(const sdf_slice *raw);

/* How a column of `count` values lies in memory. */
typedef enum sdf_layout {
    SDF_LAYOUT_CONST = 0,  /* every value is data[0..size) */
    SDF_LAYOUT_FIXED = 1,  /* value i is data[i*width .. (i+1)*width) */
    SDF_LAYOUT_SLICES = 2, /* value i is slices[i] */
    SDF_LAYOUT_OFFSETS = 3 /* value i is data[offsets[i] .. offsets[i+1]); count+1 offsets */
} sdf_layout;

typedef struct sdf_column {
    size_t struct_size;      /* sizeof(sdf_column) of the one who fills it in; zero the rest first */
    uint32_t layout;         /* an sdf_layout */
    uint32_t width;          /* FIXED: bytes per value */
    const void *data;        /* CONST, FIXED, OFFSETS */
    size_t size;             /* CONST: bytes of the value */
    const sdf_slice *slices; /* SLICES */
    const uint32_t *offsets; /* OFFSETS */
} sdf_column;

/* Records that travel together (at most SDF_BATCH_MAX inside the library).
 * Lifetime: an input batch is valid until the function returns or pulls the next. */
typedef struct sdf_batch sdf_batch;
#define SDF_BATCH_MAX 128

typedef enum sdf_side { SDF_KEY = 0, SDF_VALUE = 1 } sdf_side;

/* How many records it has. */
SDF_API size_t sdf_batch_count(const sdf_batch *batch);
/* The column as it lies; borrowed from the batch. */
SDF_API const sdf_column *sdf_batch_column(const sdf_batch *batch, int side);
/* Value i of a side; *out is empty when i is out of range. */
SDF_API void sdf_batch_get(const sdf_batch *batch, int side, size_t i, sdf_slice *out);

/* Where a function puts its records. Given to it for one call; not to be kept.
 * Each returns SDF_OK, or an error that the function must hand on at once. */
typedef struct sdf_out sdf_out;

/* Emits a record; copies key and value. NULL: no bytes. */
SDF_API int sdf_emit(sdf_out *out, const sdf_slice *key, const sdf_slice *value);
/* Emits a record and copies nothing: the slices must point into the input batch or static data.
 * Memory of the calling thread's stack is recognised and refused. */
SDF_API int sdf_emit_view(sdf_out *out, const sdf_slice *key, const sdf_slice *value);
/* Emits a record; copies the key; the value is a number (value type i64 or f64). */
SDF_API int sdf_emit_i64(sdf_out *out, const sdf_slice *key, int64_t value);
SDF_API int sdf_emit_f64(sdf_out *out, const sdf_slice *key, double value);
/* Emits `count` records at once, copied; NULL column: null. For batch functions. */
SDF_API int sdf_emit_columns(sdf_out *out, size_t count, const sdf_column *keys, const sdf_column *values);
/* Says why the function fails; returns SDF_E_USER, to be returned by it. `message` is copied. */
SDF_API int sdf_fail(sdf_out *out, const char *message);

/* The values of one key, streamed: they may be more than memory holds. */
typedef struct sdf_values sdf_values;
/* The next value: SDF_OK, SDF_END, or an error. *value lives until the next call. */
SDF_API int sdf_values_next(sdf_values *values, sdf_slice *value);

/* Writes a raw value of `type` as text, as the text sinks do, NUL-terminated:
 * bytes as they are, numbers in the C locale (f64 in its shortest form that reads
 * back the same), the fields of a tuple with tabs between them, a tuple within one as
 * (a,b), null as nothing, any by what it is. Returns the bytes that the text has without
 * its NUL (call again with more room if >= capacity), SDF_E_TYPE (no such type),
 * SDF_E_CORRUPT (no value of this type) or SDF_E_NO_MEMORY. `type` NULL is bytes, `raw` NULL is
 * no bytes; `text` may be NULL if capacity is 0. Threads: any. Since: 0.1 */
SDF_API int64_t sdf_format(const char *type, const sdf_slice *raw, char *text, size_t capacity);

#ifdef __cplusplus
}
#endif
#endif
