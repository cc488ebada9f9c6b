/* Strings, numbers and words of JSON. For json.c. */
#ifndef EXPR_JSON_TEXT_H
#define EXPR_JSON_TEXT_H

#include <sdf/base.h>

#include <stdbool.h>

/* Is it a number by JSON's grammar? */
bool json_is_number(const uint8_t *p, size_t size);
/* Undoes the escapes of a string's inside; `out` has room for `size` bytes. What is wrong with it, or NULL. */
const char *json_unescape(const uint8_t *p, size_t size, uint8_t *out, size_t *written);
/* What is wrong with a string's inside without escapes, or NULL. */
const char *json_check_plain(const uint8_t *p, size_t size);

#endif
