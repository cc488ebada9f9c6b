/* Sources and sinks: what is read and written, and how records lie in it.
 *
 * Names of input (`uris`): one, or several separated by '\n'. Each is a path, a file: URI or a URI of a scheme that a
 * host has registered (sdf/sys/source.h); a glob (* ? [ ], and ** for folders of any depth); a folder, which stands for
 * its files (not recursive; names starting with '.' or '_' are left out); or "manifest:NAME", a text file with a name
 * per line (relative ones: to its folder; '#' starts a comment line). Order: by name, then position.
 * Files ending in .gz .zst .lz4 .bz2 are decompressed (each is one split); small files share tasks.
 * Files are looked at when a job is planned.
 *
 * Ownership: handles are the context's. Threads: as sdf_context_open says. Since: 0.1, and 0.2 where it says so. */
#ifndef SDF_IO_H
#define SDF_IO_H

#include <sdf/rdd.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- sources ---- */

/* `count` records from memory, copied now; partition i gets records [i*count/partitions, (i+1)*count/partitions).
 * Column NULL: type must be "null". Types NULL: "bytes" ("null" where the column is NULL). partitions 0: default. */
SDF_API sdf_rdd *sdf_parallelize(sdf_context *context, const char *key_type, const char *value_type,
                                 const sdf_column *keys, const sdf_column *values, uint64_t count, uint32_t partitions);

/* Values (i64, key null) start, start+step, ... before end; step not 0. Since: 0.2 */
SDF_API sdf_rdd *sdf_range(sdf_context *context, int64_t start, int64_t end, int64_t step, uint32_t partitions);

typedef struct sdf_text_options {
    size_t struct_size;
    uint64_t split_bytes; /* 0: the setting "split_bytes" */
    uint64_t max_line;    /* bytes; 0: as much as a task's memory holds */
} sdf_text_options;
/* Sets the defaults and struct_size. */
SDF_API void sdf_text_options_init(sdf_text_options *options);
/* Lines. Key null, value bytes without its "\n" or "\r\n". options NULL: defaults. */
SDF_API sdf_rdd *sdf_text_file(sdf_context *context, const char *uris, const sdf_text_options *options);

typedef struct sdf_binary_options {
    size_t struct_size;
    uint64_t split_bytes;  /* 0: the setting; rounded down to whole records */
    uint32_t record_bytes; /* mandatory */
    uint32_t key_bytes;    /* the first so many bytes are the key, the rest the value; 0: key null */
} sdf_binary_options;
/* Sets the defaults and struct_size. */
SDF_API void sdf_binary_options_init(sdf_binary_options *options);
/* Fixed-length records of binary files. A file that is no whole number of records is SDF_E_CORRUPT. */
SDF_API sdf_rdd *sdf_binary_file(sdf_context *context, const char *uris, const sdf_binary_options *options);

/* Each file is one record: key its name, value its (decompressed) bytes, which must fit a task's memory. options: only
 * split_bytes (small files share tasks up to it) and max_line (bytes of a file). Since: 0.2 */
SDF_API sdf_rdd *sdf_whole_files(sdf_context *context, const char *uris, const sdf_text_options *options);

/* Delimited text (RFC 4180 and its relatives). */
typedef struct sdf_delimited_options {
    size_t struct_size;
    uint64_t split_bytes; /* 0: the setting */
    uint64_t max_row;     /* bytes; 0: as much as a task's memory holds, but 16 MB at most with multiline */
    const char *columns;  /* names, separated by commas; NULL: from the header, or, without one, "1", "2", ... */
    uint32_t header;      /* 1 (default): the first row of each file names the columns, and must be the same in all */
    uint32_t delimiter;   /* one byte, default ','; '\t' for TSV */
    uint32_t quote;       /* one byte, default '"'; 0: quotes mean nothing */
    uint32_t escape;      /* 0 (default): a quote within quotes is doubled; else the byte that goes before it */
    uint32_t multiline;   /* 1: rows may have newlines within quotes; each file is then one split. Default 0: a quote
                           * that does not end on its line is a record error */
} sdf_delimited_options;
/* Sets the defaults and struct_size. Since: 0.2 */
SDF_API void sdf_delimited_options_init(sdf_delimited_options *options);
/* Key null, value the row as it stands (bytes): expressions take fields by name, $tip_amount. Headers are no records;
 * empty lines are left out. Record errors: rows with an unclosed quote. Since: 0.2 */
SDF_API sdf_rdd *sdf_delimited_file(sdf_context *context, const char *uris, const sdf_delimited_options *options);

/* A JSON document per line: key null, value the line as it stands (bytes); expressions take fields by path, $user.name.
 * Only what an expression asks for is looked at. Empty lines are left out. Since: 0.2 */
SDF_API sdf_rdd *sdf_json_file(sdf_context *context, const char *uris, const sdf_text_options *options);

/* ---- sinks ---- */

/* Output appears all or nothing. A folder must not exist yet; it gets part-NNNNN files and, last, _SUCCESS with the
 * manifest. A single file must not exist either; it appears whole.
 *   "text"       key TAB value, a line per record (a null side and its tab are left out; tuples: tabs between fields)
 *   "binary"     key bytes, then value bytes, without separators
 *   "delimited"  the fields of key and value (tuples: one field each), quoted where they must be; rows by RFC 4180
 *   "json"       an object per line, fields named by `columns`; bytes as strings (invalid UTF-8 is a record error,
 *                which fails the task) */
typedef struct sdf_save_options {
    size_t struct_size;
    const char *format; /* NULL: "text" */
    const char
        *compression;    /* "none", "gzip", "zstd", "lz4", "bzip2"; NULL: by the end of the uri (.gz .zst .lz4 .bz2) */
    const char *columns; /* delimited: names for a header, separated by commas, NULL: no header. JSON: names of the
                          * fields, NULL: "key" and "value", fields of tuples "key_1", "value_2" */
    uint32_t single;     /* 1: one file, named uri, instead of a folder; records in order of partitions */
    uint32_t delimiter;  /* delimited: default ',' */
    uint32_t quote;      /* delimited: default '"' */
} sdf_save_options;
/* Sets the defaults and struct_size. Since: 0.2 */
SDF_API void sdf_save_options_init(sdf_save_options *options);

#ifdef __cplusplus
}
#endif
#endif
