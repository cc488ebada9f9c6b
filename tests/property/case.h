/* One case: a pool of collections, each as a handle of the library and as the model's rows, grown by random operators
 * from a seed. */
#ifndef PROPERTY_CASE_H
#define PROPERTY_CASE_H

#include "model.h"

#define POOL_MAX  12
#define TRAIL_MAX 8192

typedef struct member {
    sdf_rdd *rdd;
    rows rows;
    int order; /* 1: sorted by key, -1: descending; 0: none */
} member;

typedef struct test_case {
    uint64_t rng;
    sdf_context *context;
    const char *folder; /* for files of this case */
    unsigned files;
    member pool[POOL_MAX];
    size_t count;
    char trail[TRAIL_MAX]; /* what was done, for the one who reads a failure */
    size_t trail_size;
} test_case;

uint64_t pick(test_case *t, uint64_t n); /* 0 .. n-1 */
void trail(test_case *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- grow.c ---- */
void grow_source(test_case *t);
void grow(test_case *t); /* one operator on what is there; sometimes none fits */

/* ---- verify.c ---- */
/* Runs an action on a random member and compares. 0, or 1 after saying what differs. */
int verify(test_case *t);

#endif
