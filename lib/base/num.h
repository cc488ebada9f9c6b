/* Numbers as text, whatever the locale says; sizes and times with units. */
#ifndef BASE_NUM_H
#define BASE_NUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NUM_TEXT 32 /* room for any number's text and a NUL */

size_t num_i64(char text[NUM_TEXT], int64_t v);
size_t num_f64(char text[NUM_TEXT], double v);                 /* shortest that reads back the same; nan, inf, -inf */
bool num_parse_i64(const char *text, size_t size, int64_t *v); /* the whole text, decimal, optional sign */
bool num_parse_f64(const char *text, size_t size, double *v);
bool num_parse_size(const char *text, uint64_t *bytes); /* 64, 64K, 64M, 64MiB, 1.5G, 64KB (all powers of 1024) */
bool num_parse_ms(const char *text, int64_t *ms);       /* 250ms, 2s, 1.5m, 1h; a bare number is seconds */

#endif
