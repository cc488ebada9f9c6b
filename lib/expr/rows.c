/* Rows of delimited text: their fields, and quotes undone. A row without quotes is split by row_find.c; this file has
 * the careful way. A field is quoted if it begins with the quote; quotes elsewhere are text. */
#include "expr/rows.h"

#include <string.h>

#include "expr/expr.h"

/* Where the quoted field that begins at p ends: behind its closing quote. NULL: nowhere. */
static const uint8_t *quoted_end(uint8_t quote, uint8_t escape, const uint8_t *p, const uint8_t *end)
{
    for (p++; p < end;) {
        if (escape && escape != quote) {
            if (*p == escape && p + 1 < end) {
                p += 2;
                continue;
            }
            if (*p++ == quote)
                return p;
            continue;
        }
        p = memchr(p, quote, (size_t)(end - p));
        if (!p)
            return NULL;
        if (p + 1 == end || p[1] != quote)
            return p + 1;
        p += 2;
    }
    return NULL;
}

/* The field that begins at p; *next: its delimiter, or the row's end. */
static row_state field_at(uint8_t delimiter, uint8_t quote, uint8_t escape, const uint8_t *p, const uint8_t *end,
                          sdf_slice *field, const uint8_t **next)
{
    const uint8_t *stop;
    row_state state = ROW_OK;
    if (quote && p < end && *p == quote) {
        stop = quoted_end(quote, escape, p, end);
        if (!stop)
            return ROW_UNCLOSED;
        state = stop == end || *stop == delimiter ? ROW_OK : ROW_BEHIND;
    } else {
        stop = p < end ? memchr(p, delimiter, (size_t)(end - p)) : NULL;
        stop = stop ? stop : end;
    }
    *field = (sdf_slice){p, (size_t)(stop - p)};
    *next = stop;
    return state;
}

int64_t row_split(const plan_format *f, const sdf_slice *row, sdf_slice *fields, size_t room)
{
    const uint8_t *p = row->data, *end = p + row->size;
    for (size_t n = 0;; n++, p++) {
        sdf_slice field;
        if (field_at(f->delimiter, f->quote, f->escape, p, end, &field, &p) != ROW_OK)
            return SDF_E_CORRUPT;
        if (n < room)
            fields[n] = field;
        if (p == end)
            return (int64_t)n + 1;
    }
}

static bool is_quoted(uint8_t quote, const sdf_slice *field)
{
    return quote && field->size >= 2 && *(const uint8_t *)field->data == quote;
}

static sdf_slice unquote(uint8_t quote, uint8_t escape, const sdf_slice *field, uint8_t *scratch)
{
    const uint8_t *p = (const uint8_t *)field->data + 1, *end = p + field->size - 2;
    uint8_t mark = escape ? escape : quote, *to = scratch;
    while (p < end) {
        if (*p == mark && p + 1 < end)
            p++;
        *to++ = *p++;
    }
    return (sdf_slice){scratch, (size_t)(to - scratch)};
}

/* What is between the quotes, if that takes no copy. */
static bool unquote_view(uint8_t quote, uint8_t escape, const sdf_slice *field, sdf_slice *view)
{
    *view = *field;
    if (!is_quoted(quote, field))
        return true;
    *view = (sdf_slice){(const uint8_t *)field->data + 1, field->size - 2};
    return !view->size || !memchr(view->data, escape ? escape : quote, view->size);
}

sdf_slice row_unquote(const plan_format *f, const sdf_slice *field, uint8_t *scratch)
{
    sdf_slice view;
    return unquote_view(f->quote, f->escape, field, &view) ? view : unquote(f->quote, f->escape, field, scratch);
}

/* ---- chosen fields ---- */

/* The number of delimiter `number` in the list, put there if it is not the last one. */
static uint32_t note_delimiter(uint32_t *list, uint32_t *count, uint32_t number)
{
    if (!*count || list[*count - 1] != number)
        list[(*count)++] = number;
    return *count - 1;
}

int row_fields_new(row_fields *f, const plan_format *format, const uint32_t *columns, size_t count, arena *memory)
{
    uint32_t *numbers = arena_alloc(memory, count * 4 * sizeof *numbers);
    if (!numbers)
        return SDF_E_NO_MEMORY;
    uint32_t *before = numbers + 2 * count, *behind = before + count;
    *f = (row_fields){.delimiter = format->delimiter,
                      .quote = format->quote,
                      .escape = format->escape,
                      .count = (uint32_t)count,
                      .columns = columns,
                      .delimiter_numbers = numbers,
                      .before = before,
                      .behind = behind};
    for (size_t i = 0; i < count; i++) {
        before[i] = columns[i] ? note_delimiter(numbers, &f->delimiters, columns[i] - 1) : ROW_START;
        behind[i] = note_delimiter(numbers, &f->delimiters, columns[i]);
    }
    return SDF_OK;
}

static int unquote_into(const row_fields *f, const sdf_slice *field, arena *text, sdf_slice *value)
{
    if (unquote_view(f->quote, f->escape, field, value))
        return SDF_OK;
    uint8_t *scratch = arena_alloc(text, field->size);
    if (!scratch)
        return SDF_E_NO_MEMORY;
    *value = unquote(f->quote, f->escape, field, scratch);
    return SDF_OK;
}

/* A row with quotes: field by field up to the last one wanted. What is behind a broken field is broken too. */
static int extract_carefully(const row_fields *f, const sdf_slice *row, arena *text, sdf_slice *values,
                             row_state *states)
{
    const uint8_t *p = row->data, *end = p + row->size;
    row_state state = ROW_OK;
    uint32_t i = 0;
    for (uint32_t column = 0; i < f->count; column++, p++) {
        sdf_slice field;
        state = field_at(f->delimiter, f->quote, f->escape, p, end, &field, &p);
        if (state != ROW_OK)
            break;
        if (column == f->columns[i]) {
            states[i] = ROW_OK;
            if (unquote_into(f, &field, text, &values[i++]))
                return SDF_E_NO_MEMORY;
        }
        if (p == end) {
            state = ROW_SHORT;
            break;
        }
    }
    for (; i < f->count; i++)
        states[i] = state;
    return SDF_OK;
}

int row_extract(const row_fields *f, const row_ops *ops, const sdf_slice *row, size_t *at, arena *text,
                sdf_slice *values, row_state *states)
{
    const uint8_t *data = row->data;
    if (!ops->find(f, data, row->size, at))
        return extract_carefully(f, row, text, values, states);
    for (uint32_t i = 0; i < f->count; i++) {
        size_t start = f->before[i] == ROW_START ? 0 : at[f->before[i]] + 1, end = at[f->behind[i]];
        bool there = start <= row->size;
        states[i] = there ? ROW_OK : ROW_SHORT;
        values[i] = there ? (sdf_slice){data + start, end - start} : (sdf_slice){NULL, 0};
    }
    return SDF_OK;
}
