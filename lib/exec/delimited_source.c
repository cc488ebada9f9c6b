/* Rows of delimited text, as they stand: where they end, which quotes stay open, and the header. Empty lines are left
 * out. Not here: fields (expr/expr.h). */
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "exec/header.h"
#include "exec/lines.h"
#include "exec/sources.h"

#define ROW_MOST (16u << 20) /* bytes of a row over several lines, unless the options say otherwise */
#define ODD_ROWS 16          /* looked at byte by byte where the fast scan gave up */

typedef struct delimited {
    lines lines; /* first: it is handed to functions as this */
    const plan_format *format;
    row_marks marks;
    uint8_t escape;
    uint64_t quoted_most;  /* bytes in which a quote has to end, with multiline */
    size_t scanned;        /* of what is buffered, when there was last no row's end in it */
    uint64_t clean, mixed; /* what is buffered has no quote up to the one position, or some up to the other */
} delimited;

/* ---- one row, byte by byte ---- */

/* Behind the quote that ends a field whose first byte is at `i`; SIZE_MAX: there is none. */
static size_t quote_end(const delimited *d, const uint8_t *p, size_t size, size_t i)
{
    uint8_t quote = d->marks.quote;
    for (i++; i < size;) {
        if (d->escape && p[i] == d->escape) {
            i += 2;
            continue;
        }
        if (p[i++] != quote)
            continue;
        if (d->escape || i >= size || p[i] != quote)
            return i;
        i++;
    }
    return SIZE_MAX;
}

/* The newline that ends the row that begins at p, SIZE_MAX: it is not in these bytes. *open: where the quote stands
 * that does not end in them; SIZE_MAX: none. */
static size_t row_end(const delimited *d, const uint8_t *p, size_t size, size_t *open)
{
    *open = SIZE_MAX;
    for (size_t i = 0; i < size; i++) {
        if (p[i] == d->marks.quote) {
            size_t end = quote_end(d, p, size, i);
            if (end == SIZE_MAX) {
                *open = i;
                return SIZE_MAX;
            }
            i = end;
        }
        while (i < size && p[i] != d->marks.delimiter && p[i] != '\n')
            i++;
        if (i < size && p[i] == '\n')
            return i;
    }
    return SIZE_MAX;
}

/* ---- quotes that stay open ---- */

/* Counts the lines of the file before a position, for a message. 0: they could not be read again. */
static uint64_t line_of(const delimited *d, uint64_t position)
{
    input_stream *s;
    uint8_t bytes[16384];
    uint64_t line = 1;
    size_t got;
    if (input_stream_open(d->lines.reader.split, 0, d->lines.reader.env->budget, &s, NULL))
        return 0;
    for (uint64_t left = position; left; left -= got) {
        if (input_stream_read(s, bytes, left < sizeof bytes ? left : sizeof bytes, &got, NULL)) {
            line = 0;
            break;
        }
        for (size_t i = 0; i < got; i++)
            line += bytes[i] == '\n';
    }
    input_stream_close(s);
    return line;
}

/* The first line of the row at hand has a quote that does not end where it should. What follows is looked at afresh,
 * from the next line on. size: of that line. */
static int row_open(delimited *d, size_t size, size_t open, sdf_error **err)
{
    lines *l = &d->lines;
    reader *r = &l->reader;
    sdf_slice line = {r->bytes + r->begin, size};
    uint64_t begins = r->at, quote = r->at + open, number = 0;
    char reason[192], where[32] = "";
    if (l->in->errors == PLAN_ERRORS_FAIL && d->marks.multiline && (number = line_of(d, begins)))
        snprintf(where, sizeof where, "line %llu, ", (unsigned long long)number);
    if (!d->marks.multiline)
        snprintf(reason, sizeof reason, "the quote at byte %llu does not end on its line", (unsigned long long)quote);
    else if (r->ended)
        snprintf(reason, sizeof reason, "the quote at %sbyte %llu does not end before the file does", where,
                 (unsigned long long)quote);
    else
        snprintf(reason, sizeof reason, "the quote at %sbyte %llu does not end within %llu bytes", where,
                 (unsigned long long)quote, (unsigned long long)d->quoted_most);
    if (size && ((const uint8_t *)line.data)[size - 1] == '\r')
        line.size--;
    int rc = record_error(r->env, l->in->errors, l->in->label, begins, &line, reason, err);
    reader_skip(r, size + (size < reader_held(r)));
    return rc;
}

static int row_open_at_hand(delimited *d, size_t open, sdf_error **err)
{
    const reader *r = &d->lines.reader;
    const uint8_t *from = r->bytes + r->begin, *nl = memchr(from, '\n', reader_held(r));
    return row_open(d, nl ? (size_t)(nl - from) : reader_held(r), open, err);
}

/* ---- finding rows ---- */

/* Row i of what is found: what begins at the reader's place and ends `size` bytes further. */
static int row_take(delimited *d, size_t i, size_t size, sdf_error **err)
{
    reader *r = &d->lines.reader;
    const uint8_t *from = r->bytes + r->begin;
    size_t kept = size && from[size - 1] == '\r' ? size - 1 : size;
    if (d->lines.most && kept > d->lines.most)
        return reader_too_long(r, d->lines.unit, d->lines.most, err);
    d->lines.found[i] = (sdf_slice){from, kept};
    reader_skip(r, size + 1);
    return SDF_OK;
}

/* There is no row's end in what is buffered. A row that is too long for its quote is no use reading on. */
static int rows_none(delimited *d, sdf_error **err)
{
    lines *l = &d->lines;
    reader *r = &l->reader;
    size_t held = reader_held(r), open;
    l->seen = d->scanned = held;
    if (!d->marks.multiline || !held || (!r->ended && held <= d->quoted_most))
        return SDF_OK;
    row_end(d, r->bytes + r->begin, held, &open);
    if (open == SIZE_MAX)
        return SDF_OK;
    l->seen = d->scanned = 0;
    return row_open_at_hand(d, open, err);
}

/* The next few rows, each on its own. */
static int rows_slowly(delimited *d, size_t room, size_t *count, sdf_error **err)
{
    reader *r = &d->lines.reader;
    int rc = SDF_OK;
    for (size_t tried = 0; tried < room && r->at < r->stop && !rc; tried++) {
        const uint8_t *from = r->bytes + r->begin, *nl = memchr(from, '\n', reader_held(r));
        size_t open = SIZE_MAX, end = nl ? (size_t)(nl - from) : SIZE_MAX;
        if (!nl)
            return tried ? SDF_OK : rows_none(d, err);
        if (memchr(from, d->marks.quote, end)) {
            if (d->marks.multiline)
                end = row_end(d, from, reader_held(r), &open);
            else
                row_end(d, from, end, &open);
        }
        if (end == SIZE_MAX)
            return tried ? SDF_OK : rows_none(d, err);
        rc = open == SIZE_MAX ? row_take(d, (*count)++, end, err) : row_open(d, end, open, err);
    }
    return rc;
}

/* Whether there is no quote in what is buffered: then rows are lines. Each byte is asked about once. */
static bool has_no_quote(delimited *d)
{
    const reader *r = &d->lines.reader;
    size_t held = reader_held(r);
    uint64_t end = r->at + held, known = d->clean > r->at ? d->clean - r->at : 0;
    if (d->clean >= end)
        return true;
    if (d->mixed > r->at)
        return false;
    if (memchr(r->bytes + r->begin + known, d->marks.quote, held - known)) {
        d->mixed = end;
        return false;
    }
    d->clean = end;
    return true;
}

static int rows_find(lines *l, size_t room, size_t *count, sdf_error **err)
{
    delimited *d = (delimited *)l;
    reader *r = &l->reader;
    size_t held = reader_held(r), odd, start = 0;
    if (has_no_quote(d))
        return lines_find(l, room, count, err);
    *count = 0;
    /* A row that grows piece by piece is not looked through again for each of them. */
    if (d->scanned && !r->ended && held < r->capacity && held / 2 < d->scanned) {
        l->seen = held;
        return SDF_OK;
    }
    d->scanned = l->seen = 0;
    if (d->escape)
        return rows_slowly(d, room, count, err);
    size_t found = l->scan->rows(r->bytes + r->begin, held, &d->marks, l->ends, room, &odd);
    if (!found)
        return odd == SIZE_MAX ? rows_none(d, err) : rows_slowly(d, room < ODD_ROWS ? room : ODD_ROWS, count, err);
    for (size_t i = 0; i < found && r->at < r->stop; i++) {
        size_t end = l->ends[i];
        int rc = row_take(d, (*count)++, end - start, err);
        if (rc)
            return rc;
        start = end + 1;
    }
    return SDF_OK;
}

static int rows_last(lines *l, size_t *count, sdf_error **err)
{
    delimited *d = (delimited *)l;
    reader *r = &l->reader;
    size_t held = reader_held(r), open = SIZE_MAX;
    d->scanned = 0;
    if (d->marks.quote)
        row_end(d, r->bytes + r->begin, held, &open);
    if (open != SIZE_MAX)
        return row_open(d, held, open, err);
    int rc = lines_last(l, count, err);
    sdf_slice *row = &l->found[0];
    if (!rc && row->size && ((const uint8_t *)row->data)[row->size - 1] == '\r')
        row->size--;
    return rc;
}

static int rows_sift(lines *l, size_t *count, sdf_error **err)
{
    size_t n = 0;
    while (n < *count && l->found[n].size)
        n++;
    for (size_t i = n; i < *count; i++) {
        l->found[n] = l->found[i];
        n += l->found[i].size > 0;
    }
    *count = n;
    return SDF_OK;
}

/* ---- the file's beginning ---- */

/* Finds the first row that is not empty. *count 0: there is none. */
static int first_row(lines *l, size_t *count, sdf_error **err)
{
    reader *r = &l->reader;
    int rc = SDF_OK;
    *count = 0;
    while (!rc && r->at < r->stop) {
        uint64_t at = r->at;
        rc = l->find(l, 1, count, err);
        if (rc || (*count && l->found[0].size))
            return rc;
        *count = 0;
        if (r->at > at)
            continue;
        if (r->ended) {
            l->seen = 0;
            return reader_held(r) ? l->last(l, count, err) : SDF_OK;
        }
        rc = reader_fill(r, l->unit, l->most, err);
    }
    return rc;
}

static int rows_head(lines *l, sdf_error **err)
{
    delimited *d = (delimited *)l;
    size_t count;
    int rc = lines_skip_mark(l, err);
    if (rc || !d->format->header || (rc = first_row(l, &count, err)) || !count)
        return rc;
    return d->format->columns ? header_check(d->format, &l->found[0], l->reader.split->path, err) : SDF_OK;
}

int delimited_source_run(task_env *env, const plan_input *in, op *first, sdf_error **err)
{
    const plan_format *f = &in->format;
    delimited *d = calloc(1, sizeof *d);
    if (!d)
        return error_no_memory(err);
    d->format = f;
    d->marks = (row_marks){f->quote, f->delimiter, f->multiline && f->quote};
    d->escape = f->escape != f->quote ? f->escape : 0;
    d->lines.unit = "row";
    d->lines.most = f->max_record || !f->multiline ? f->max_record : ROW_MOST;
    /* Half of the memory, so that it is the quote that is blamed and not a buffer that can't grow. */
    uint64_t half = env->budget->limit / 2 - 1;
    d->quoted_most = d->lines.most < half ? d->lines.most : half;
    d->lines.find = f->quote ? rows_find : lines_find;
    d->lines.last = rows_last;
    d->lines.head = rows_head;
    d->lines.sift = rows_sift;
    int rc = lines_run(&d->lines, env, in, first, f->multiline, err);
    free(d);
    return rc;
}
