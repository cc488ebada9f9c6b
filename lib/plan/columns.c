/* The names of columns of delimited text, when the host did not give them: the header of the first file that has
 * anything in it. Read when a job is planned, and no more than that row. Files without a header have no names; their
 * columns are "1", "2" ... to expressions. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "codec/codec.h"
#include "expr/expr.h"
#include "plan/planner.h"
#include "store/input.h"

#define CHUNK_BYTES   (UINT64_C(64) << 10)
#define ROW_BYTES_MAX (UINT64_C(16) << 20)
#define COLUMNS_MAX   65536
#define DECODER_BYTES (UINT64_C(1) << 30) /* a decoder may have as much; it says itself what is too much */

/* The end of the first row in text[0..size), or size: not there yet. Quotes matter only where rows may be of several
 * lines. */
static size_t row_end(const plan_format *f, const uint8_t *text, size_t size)
{
    bool quoted = false;
    if (!f->multiline || !f->quote) {
        const uint8_t *end = size ? memchr(text, '\n', size) : NULL;
        return end ? (size_t)(end - text) : size;
    }
    for (size_t i = 0; i < size; i++) {
        if (quoted && f->escape && f->escape != f->quote && text[i] == f->escape)
            i++;
        else if (text[i] == f->quote)
            quoted = !quoted;
        else if (text[i] == '\n' && !quoted)
            return i;
    }
    return size;
}

/* Takes away what the source leaves out before the first row: the mark of UTF-8 that some programs write, and empty
 * lines. */
static void drop_before_row(buf *text)
{
    const uint8_t *p = text->data, *end = p + text->size;
    if (text->size >= 3 && !memcmp(p, "\xef\xbb\xbf", 3))
        p += 3;
    while (p < end && (*p == '\n' || (*p == '\r' && p + 1 < end && p[1] == '\n')))
        p += *p == '\r' ? 2 : 1;
    text->size = (size_t)(end - p);
    memmove(text->data, p, text->size);
}

/* The first row of a file, without its end; *row is empty if the file has none. */
static int read_row(const plan_format *f, input_stream *s, const char *name, buf *row, sdf_error **err)
{
    size_t got = 0, end = 0;
    int rc = SDF_OK;
    for (;;) {
        if (row->size > ROW_BYTES_MAX) {
            error_set(err, SDF_E_LIMIT, "%s: the first row has more than %llu bytes", name,
                      (unsigned long long)ROW_BYTES_MAX);
            error_hint(err, "is it delimited text? Give the names of its columns in the options if it is");
            return SDF_E_LIMIT;
        }
        if (buf_reserve(row, CHUNK_BYTES))
            return error_no_memory(err);
        rc = input_stream_read(s, row->data + row->size, CHUNK_BYTES, &got, err);
        if (rc == SDF_END)
            break;
        if (rc)
            return rc;
        row->size += got;
        drop_before_row(row);
        end = row_end(f, row->data, row->size);
        if (end < row->size)
            break;
    }
    if (rc == SDF_END)
        end = row->size;
    row->size = end && row->data[end - 1] == '\r' ? end - 1 : end;
    return SDF_OK;
}

/* Of the first file that is not empty. */
static int first_row(const node *source, buf *row, const char **name, input_file *files, size_t count, sdf_error **err)
{
    const plan_format *f = &source->format;
    int rc = SDF_OK;
    for (size_t i = 0; i < count && !rc && !row->size; i++) {
        task_split split = {.path = files[i].name,
                            .length = UINT64_MAX,
                            .file_size = files[i].size,
                            .file_mtime_ns = files[i].mtime_ns,
                            .version = files[i].version,
                            .codec = (uint8_t)codec_of_path(files[i].name)};
        budget b;
        input_stream *s = NULL;
        if (!files[i].size)
            continue;
        *name = files[i].name;
        budget_init(&b, DECODER_BYTES);
        rc = input_stream_open(&split, 0, &b, &s, err);
        rc = rc ? rc : read_row(f, s, files[i].name, row, err);
        input_stream_close(s);
    }
    return rc;
}

/* The fields of the header, joined by '\n'. */
static int join(const plan_format *f, const char *file, const sdf_slice *fields, int64_t count, uint8_t *scratch,
                buf *names, sdf_error **err)
{
    for (int64_t i = 0; i < count; i++) {
        sdf_slice name = row_unquote(f, &fields[i], scratch);
        if (name.size && memchr(name.data, '\n', name.size))
            return error_set(err, SDF_E_INVALID, "%s: the name of column %lld has a newline in it", file,
                             (long long)i + 1);
        if ((i && buf_append(names, "\n", 1)) || buf_append(names, name.data, name.size))
            return error_no_memory(err);
    }
    return SDF_OK;
}

static int parse_row(const plan_format *f, sdf_slice row, const char *file, char **columns, sdf_error **err)
{
    size_t room = 1;
    for (size_t i = 0; i < row.size; i++)
        room += ((const uint8_t *)row.data)[i] == f->delimiter;
    if (room > COLUMNS_MAX)
        return error_set(err, SDF_E_LIMIT, "%s: the first row has more than %u fields", file, COLUMNS_MAX);
    sdf_slice *fields = malloc(room * sizeof *fields);
    uint8_t *scratch = malloc(row.size + 1);
    buf names = BUF_EMPTY;
    int rc = fields && scratch ? SDF_OK : error_no_memory(err);
    int64_t count = rc ? 0 : row_split(f, &row, fields, room);
    if (count < 0)
        rc = error_set(err, SDF_E_CORRUPT, "%s: the first row has a quote that does not end, or text behind one", file);
    rc = rc ? rc : join(f, file, fields, count < (int64_t)room ? count : (int64_t)room, scratch, &names, err);
    if (!rc && !(*columns = buf_take_text(&names)))
        rc = error_no_memory(err);
    free(fields);
    free(scratch);
    buf_free(&names);
    return rc;
}

int splits_columns(const node *source, char **columns, sdf_error **err)
{
    const plan_format *f = &source->format;
    *columns = NULL;
    if (f->kind != PLAN_FORMAT_DELIMITED)
        return SDF_OK;
    if (f->columns)
        return (*columns = strdup(f->columns)) ? SDF_OK : error_no_memory(err);
    if (!f->header)
        return SDF_OK;
    input_file *files = NULL;
    size_t count = 0;
    const char *name = NULL;
    buf row = BUF_EMPTY;
    int rc = input_list(source->uris, &files, &count, NULL, err);
    if (!rc)
        rc = first_row(source, &row, &name, files, count, err);
    if (!rc && row.size)
        rc = parse_row(f, (sdf_slice){row.data, row.size}, name, columns, err);
    buf_free(&row);
    input_list_free(files, count);
    return rc;
}
