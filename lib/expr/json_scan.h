/* A cursor over a JSON document by masks of 64 bytes: where strings begin and end, and what is structure outside of
 * them. For json.c and tests. */
#ifndef EXPR_JSON_SCAN_H
#define EXPR_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_BLOCK 64

/* Bit i says that byte i is one. */
typedef struct json_masks {
    uint64_t quotes, backslashes;
    uint64_t opens, closes; /* { [ and } ] */
    uint64_t separators;    /* , and : */
} json_masks;

/* How a block of `left` bytes (1 to 64) is classified; never reads outside of it. */
typedef struct json_ops {
    const char *name;
    void (*classify)(const uint8_t *block, size_t left, json_masks *m);
} json_ops;
const json_ops *json_ops_best(void);
const json_ops *json_ops_form(size_t i); /* form i that this processor can run, or NULL. 0 is the portable one */

typedef struct json_scan {
    const json_ops *ops;
    const uint8_t *data;
    size_t size, block;                /* offset of the block that the masks are of */
    uint64_t quotes;                   /* that begin or end a string */
    uint64_t opens, closes, structure; /* outside of strings; structure: all of them with , and : */
    uint64_t inside;                   /* all ones: the block ends within a string */
    uint64_t escaped;                  /* 1: the block ends with a backslash that takes the next byte */
    bool backslashes;                  /* there was one so far */
} json_scan;

void json_scan_begin(json_scan *s, const json_ops *ops, const uint8_t *data, size_t size);
void json_scan_block(json_scan *s, size_t block);

/* The first quote or structure at or behind `at` (never before where the scan is), or `size`. */
static inline size_t json_next(json_scan *s, size_t at, bool quote)
{
    while (at < s->size) {
        while (s->block + JSON_BLOCK <= at)
            json_scan_block(s, s->block + JSON_BLOCK);
        uint64_t m = (quote ? s->quotes : s->structure) & (~UINT64_C(0) << (at - s->block));
        if (m)
            return s->block + (size_t)__builtin_ctzll(m);
        at = s->block + JSON_BLOCK;
    }
    return s->size;
}

/* Behind the bracket that closes the `depth` ones that are open at `at`; size + 1: there is none. */
size_t json_skip_nested(json_scan *s, size_t at, size_t depth);

#endif
