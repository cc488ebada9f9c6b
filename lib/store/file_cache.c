/* Open descriptors of the "file:" store. See file_cache.h. */
#include "store/file_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/timebase.h"
#include "store/local.h"

/* A descriptor keeps the space of a removed file. Idle ones go after so long, at the next opening. */
#define IDLE_US INT64_C(10000000)

void file_cache_init(file_cache *c)
{
    memset(c, 0, sizeof *c);
    pthread_mutex_init(&c->lock, NULL);
}

static void handle_free(open_file *h)
{
    if (h->fd >= 0)
        close(h->fd);
    free(h->path);
    free(h);
}

/* Takes entry i out; closes it if nobody uses it. Locks: held. */
static void unlist(file_cache *c, size_t i)
{
    open_file *h = c->handles[i];
    c->handles[i] = c->handles[--c->count];
    h->listed = 0;
    if (h->users == 0)
        handle_free(h);
}

void file_cache_drop(file_cache *c, const char *path)
{
    pthread_mutex_lock(&c->lock);
    for (size_t i = c->count; i-- > 0;)
        if (path == NULL ? c->handles[i]->users == 0 : strcmp(c->handles[i]->path, path) == 0)
            unlist(c, i);
    pthread_mutex_unlock(&c->lock);
}

void file_cache_free(file_cache *c)
{
    file_cache_drop(c, NULL);
    pthread_mutex_destroy(&c->lock);
}

void file_cache_release(file_cache *c, open_file *h)
{
    pthread_mutex_lock(&c->lock);
    h->users--;
    h->used_us = timebase_monotonic_us();
    if (h->users == 0 && !h->listed)
        handle_free(h);
    pthread_mutex_unlock(&c->lock);
}

/* A listed handle of the path with one more user, or NULL. */
static open_file *find(file_cache *c, const char *path)
{
    open_file *found = NULL;
    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < c->count && found == NULL; i++)
        if (strcmp(c->handles[i]->path, path) == 0)
            found = c->handles[i];
    if (found != NULL)
        found->users++;
    pthread_mutex_unlock(&c->lock);
    return found;
}

/* Makes room and lists the handle; if all listed ones are in use, it stays unlisted. */
static void list_handle(file_cache *c, open_file *h)
{
    int64_t now = timebase_monotonic_us();
    size_t oldest = FILE_CACHE_MAX;
    pthread_mutex_lock(&c->lock);
    for (size_t i = c->count; i-- > 0;)
        if (c->handles[i]->users == 0 && now - c->handles[i]->used_us > IDLE_US)
            unlist(c, i);
    for (size_t i = 0; i < c->count && c->count == FILE_CACHE_MAX; i++)
        if (c->handles[i]->users == 0 &&
            (oldest == FILE_CACHE_MAX || c->handles[i]->used_us < c->handles[oldest]->used_us))
            oldest = i;
    if (oldest < FILE_CACHE_MAX)
        unlist(c, oldest);
    if (c->count < FILE_CACHE_MAX) {
        c->handles[c->count++] = h;
        h->listed = 1;
    }
    pthread_mutex_unlock(&c->lock);
}

/* O_NONBLOCK: whatever lies there (a FIFO), opening it must not hang. */
static int handle_open(file_cache *c, const char *path, open_file *h)
{
    h->fd = local_open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
    if (h->fd < 0 && (errno == EMFILE || errno == ENFILE)) {
        file_cache_drop(c, NULL);
        h->fd = local_open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
    }
    struct stat st;
    if (h->fd < 0 || fstat(h->fd, &st) != 0)
        return errno == ENOTDIR || errno == ELOOP || errno == ENXIO ? ENOENT : errno;
    h->size = (uint64_t)st.st_size;
    return S_ISREG(st.st_mode) ? 0 : ENOENT;
}

int file_cache_acquire(file_cache *c, const char *path, open_file **handle)
{
    open_file *h = find(c, path);
    struct stat st;
    if (h != NULL) {
        /* Removed or replaced since, perhaps by another process? Then it has no name any more. */
        if (fstat(h->fd, &st) == 0 && st.st_nlink > 0) {
            *handle = h;
            return 0;
        }
        file_cache_drop(c, path);
        file_cache_release(c, h);
    }
    h = calloc(1, sizeof *h);
    if (h == NULL)
        return ENOMEM;
    h->fd = -1;
    h->users = 1;
    h->path = strdup(path);
    int number = h->path != NULL ? handle_open(c, path, h) : ENOMEM;
    if (number != 0) {
        handle_free(h);
        return number;
    }
    list_handle(c, h);
    *handle = h;
    return 0;
}
