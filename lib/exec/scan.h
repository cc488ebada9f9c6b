/* Finding newlines, rows and words in bytes, 64 at a time: a vector form where the processor has one, and a portable
 * twin. Never reads outside of the bytes it is given. */
#ifndef EXEC_SCAN_H
#define EXEC_SCAN_H

#include <stdbool.h>

#include <sdf/base.h>

/* Where a scan for words stands within one span of bytes; begin with scan_words_begin. */
typedef struct word_scan {
    const uint8_t *at, *end;
    const uint8_t *start; /* of the word that is open, if `inside` */
    bool inside;
} word_scan;

static inline word_scan scan_words_begin(const void *data, size_t size)
{
    const uint8_t *p = (const uint8_t *)data;
    return (word_scan){p, size ? p + size : p, NULL, false};
}

#define SCAN_WORDS_ROOM 34 /* places that a step may need: 32 words in 64 bytes, and the last one */

/* What means something in a row. Quotes within quotes are doubled. */
typedef struct row_marks {
    uint8_t quote, delimiter;
    bool multiline; /* newlines in quotes belong to the row */
} row_marks;

typedef struct scan_ops {
    const char *name;
    /* Offsets of the first newlines, at most `most`; returns how many. */
    size_t (*newlines)(const uint8_t *data, size_t size, size_t *at, size_t most);
    /* Offsets of the newlines that end rows of delimited text, at most `most`; returns how many. data begins where a
     * row does. *odd: where the scan gave up (behind all rows that it found) because quotes are not used plainly there:
     * one stands within a field, or a row ends within quotes and `multiline` is not set; SIZE_MAX: it did not. */
    size_t (*rows)(const uint8_t *data, size_t size, const row_marks *marks, size_t *at, size_t most, size_t *odd);
    /* The next words (runs of bytes other than blank, \t, \n, \v, \f, \r), at most `room` (>= SCAN_WORDS_ROOM); returns
     * how many. The span is done when at == end and it returned; 0 may come before that only if there is no word left.
     */
    size_t (*words)(word_scan *scan, sdf_slice *words, size_t room);
} scan_ops;

/* The fastest on this processor. */
const scan_ops *scan_best(void);
/* Form i that this processor can run, or NULL: for tests. 0 is the portable one. */
const scan_ops *scan_form(size_t i);

#endif
