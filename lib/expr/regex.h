/* Regular expressions over bytes: PCRE2 with limits, so that no pattern can hang a task. */
#ifndef EXPR_REGEX_H
#define EXPR_REGEX_H

#include "expr/tree.h"

#define REGEX_PATTERN_MAX 4096

/* One thread's. */
typedef struct regex regex;
int regex_new(regex **r, const void *pattern, size_t size, sdf_error **err);
void regex_free(regex *r);
/* 1: found, in *match the first group, or the whole match if there is none (a group that took no part: data NULL). 0:
 * not found. SDF_E_LIMIT: given up. SDF_E_NO_MEMORY. */
int regex_search(regex *r, const sdf_slice *text, sdf_slice *match);

/* Can the pattern of the call `e` be used? */
int regex_check(const expr *e, const void *pattern, size_t size, sdf_error **err);

#endif
