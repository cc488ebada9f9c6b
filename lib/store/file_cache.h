/* A few open descriptors, so that many ranged reads of one object don't open it again each time.
 * Threads: any. Locks: its own, never held during I/O on the objects. */
#ifndef STORE_FILE_CACHE_H
#define STORE_FILE_CACHE_H

#include <pthread.h>
#include <stdint.h>

#define FILE_CACHE_MAX 64

typedef struct open_file {
    char *path;
    int fd;
    uint64_t size; /* when it was opened */
    uint32_t users;
    int listed;      /* in the cache: it stays open without users */
    int64_t used_us; /* monotonic, when it was last given back */
} open_file;

typedef struct file_cache {
    pthread_mutex_t lock;
    open_file *handles[FILE_CACHE_MAX];
    size_t count;
} file_cache;

void file_cache_init(file_cache *c);
void file_cache_free(file_cache *c);

/* The object open for reading: 0, or an errno (ENOENT also for what is no regular file). */
int file_cache_acquire(file_cache *c, const char *path, open_file **handle);
void file_cache_release(file_cache *c, open_file *handle);
/* Forgets the path: the next acquire opens anew. NULL: forgets all that nobody uses. */
void file_cache_drop(file_cache *c, const char *path);

#endif
