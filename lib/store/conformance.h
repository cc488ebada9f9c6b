/* What the cases of the store conformance suite share. They use a store as any host could: through its ops. */
#ifndef STORE_CONFORMANCE_H
#define STORE_CONFORMANCE_H

#include <stddef.h>
#include <stdint.h>

#include "store/store.h"
#include "store/verdict.h"

#define CONFORMANCE_PREFIX "sdf-conformance/"

typedef struct suite {
    store *a; /* under test */
    store *b; /* the same URI opened again; NULL when the store's scope is the process */
    verdict verdict;
} suite;

/* A case returns 0, or 1 after suite_fail or EXPECT. */
typedef struct suite_case {
    const char *name;
    int (*run)(suite *s);
} suite_case;

extern const suite_case conformance_basic[], conformance_naming[], conformance_threads[]; /* end with a NULL name */

/* One object of suite_fill bytes, appended in `pieces`; the call's own status must be `expected`. */
int suite_put(suite *s, store *to, const char *name, size_t size, uint64_t seed, size_t pieces, int if_absent,
              int expected);
/* Reads a range, expects the status, and for SDF_OK the bytes of suite_fill. */
int suite_get(suite *s, store *from, const char *name, uint64_t offset, uint64_t length, uint64_t seed, int expected);
int suite_head(suite *s, store *from, const char *name, uint64_t size, int expected);
/* Expects so many objects under the prefix. */
int suite_count(suite *s, store *from, const char *prefix, size_t expected);
int suite_remove(suite *s, const char *name);

#endif
