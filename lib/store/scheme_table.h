/* Tables of schemes that hosts add to: of stores, sources and sinks. Entries are added and never removed, so that
 * readers may keep pointers to them. What an entry holds besides its name is its owner's business. */
#ifndef STORE_SCHEME_TABLE_H
#define STORE_SCHEME_TABLE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include <sdf/base.h>

#define SCHEME_NAME_MAX 32
#define SCHEMES_MAX     72 /* built-in ones included */

/* The beginning of an entry. Two of one name are the same registration if the rest of it is equal too. */
typedef struct scheme_entry {
    char name[SCHEME_NAME_MAX + 1];
    const void *given; /* the host's table of ops */
    void (*open)(void);
    void *user;
} scheme_entry;

typedef struct scheme_table {
    const char *what; /* "store", for messages */
    const char *hint; /* what to do about an unknown scheme without a near name */
    pthread_mutex_t lock;
    scheme_entry *entries[SCHEMES_MAX];
    size_t count;
} scheme_table;

/* NULL: there is none. */
scheme_entry *scheme_table_find(scheme_table *t, const char *name, size_t size);
/* Takes the entry, made by malloc, and gives it the (checked) name; frees it if it can't be added or is there already.
 * SDF_E_EXISTS: another one has the name; SDF_E_LIMIT: the table is full. */
int scheme_table_add(scheme_table *t, scheme_entry *entry, const char *name, sdf_error **err);
int scheme_check_name(const char *name, sdf_error **err);
/* SDF_E_INVALID with the nearest name. */
int scheme_table_unknown(scheme_table *t, const char *name, size_t size, sdf_error **err);

/* A host's table of ops: copied into `known` (`size` bytes; what comes after the first `least` may be missing) and
 * checked for version, and for a NULL among the pointers to ops from `first_op` up to `least`; `names` are theirs. */
int scheme_check_ops(const char *what, const char *scheme, const void *given, void *known, size_t size, size_t least,
                     unsigned version, size_t first_op, const char *const *names, sdf_error **err);

#endif
