/* Fields of JSON documents by path, on demand: only what leads to the paths is looked at. For lib/expr and its tests.
 */
#ifndef EXPR_JSON_H
#define EXPR_JSON_H

#include "base/budget.h"

#define JSON_STEPS_MAX 32 /* of a path */

/* A path is steps joined by '.': keys of objects, or, where there is an array, numbers of items from 0. A dot or
 * backslash within a step has a backslash before it ("a\.b"). */
int json_path_check(const char *path, size_t size, sdf_error **err);

typedef enum json_state { JSON_FOUND = 0, JSON_MISSING = 1, JSON_BROKEN = 2 } json_state; /* as expr_state */

/* Several paths, looked for together. One thread's. */
typedef struct json_paths json_paths;
/* Paths have been checked. Memory from the arena. */
int json_paths_new(json_paths **p, arena *memory, const sdf_slice *paths, size_t count, sdf_error **err);

/* What there is of each path in a document: text of strings (without quotes and escapes, valid UTF-8), numbers, true,
 * false, objects and arrays as they stand; missing or null: JSON_MISSING; where the document breaks its grammar before
 * the path is found: JSON_BROKEN. Of members of one name the first counts. Values point into the row or into `text`.
 * SDF_OK or SDF_E_NO_MEMORY. */
int json_extract(json_paths *p, const sdf_slice *row, arena *text, sdf_slice *values, uint8_t *states);
/* What is broken in a row that gave JSON_BROKEN, and at which byte. */
const char *json_explain(json_paths *p, const sdf_slice *row, arena *text, size_t *at);

#endif
