/* What sources of lines and rows have in common: finding them in the bytes of a piece and pushing them as views of the
 * buffer. What ends a record, and which ones count, differs: `find` and `sift`.
 *
 * A line belongs to the range in which it begins. A range that does not begin at the file's start therefore passes over
 * what is left of the line that its first byte lies in; it looks at the byte before, so that a line that begins exactly
 * there stays. */
#ifndef EXEC_LINES_H
#define EXEC_LINES_H

#include "exec/range.h"
#include "exec/reader.h"
#include "exec/scan.h"

typedef struct lines lines;
struct lines {
    range range;
    reader reader;
    const plan_input *in;
    op *first;
    const scan_ops *scan;
    const char *unit; /* "line", "row" */
    uint64_t most;    /* bytes of one; 0: as many as memory holds */
    size_t seen;      /* of what is buffered, without an end */
    /* The records that are complete in the buffer and begin before reader.stop, at most `room`; the reader moves on
     * behind them. None and no step forward: there is no end in what is buffered, and `seen` says so. */
    int (*find)(lines *l, size_t room, size_t *count, sdf_error **err);
    /* What is left at the end of the file, when no newline ends it. */
    int (*last)(lines *l, size_t *count, sdf_error **err);
    /* At the beginning of the file, before anything is found; NULL: nothing is special about it. */
    int (*head)(lines *l, sdf_error **err);
    /* Leaves out what is no record; *count: of those that stay. NULL: all are. */
    int (*sift)(lines *l, size_t *count, sdf_error **err);
    sdf_slice found[SDF_BATCH_MAX];
    size_t ends[SDF_BATCH_MAX];
    uint64_t offsets[SDF_BATCH_MAX];
};

/* Lines as such: `find` and `last` of text. */
int lines_find(lines *l, size_t room, size_t *count, sdf_error **err);
int lines_last(lines *l, size_t *count, sdf_error **err);
/* Skips the three bytes that some programs put in front of UTF-8. */
int lines_skip_mark(lines *l, sdf_error **err);
/* Position of a byte in the buffer, in the file. */
static inline uint64_t lines_offset(const lines *l, const void *p)
{
    return l->reader.at - (uint64_t)(l->reader.bytes + l->reader.begin - (const uint8_t *)p);
}
/* Runs a zeroed l whose functions, unit and most are set. whole: the file can't be read in parts. */
int lines_run(lines *l, task_env *env, const plan_input *in, op *first, bool whole, sdf_error **err);

#endif
