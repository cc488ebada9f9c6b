/* Writing of the "file:" store: a temporary file beside the object, given the object's name when it is whole.
 *
 * How a name is given. Replacing: rename(2). If absent: local_name_new. On NFS an answer can be lost and the call sent
 * again, which then fails although the first one did it; so after a failure the file is looked at: it is committed if
 * the object's name leads to it. */
#include "store/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/path.h"
#include "store/local.h"

#define BUFFER_BYTES 65536 /* small appends are collected to so much; larger ones go straight to the file */
#define OPEN_TRIES   100   /* a sweep may remove the folder between making it and making the file in it */

typedef struct file_writer {
    char *name, *path, *temp;
    uint8_t *buffer; /* NULL until something small comes */
    size_t buffered;
    uint64_t size; /* that the file must have at commit */
    int fd;
    int if_absent;
    int number; /* errno of the first failure; nothing is committed after it */
} file_writer;

/* ---- opening ---- */

static void writer_free(file_writer *w)
{
    if (w->fd >= 0)
        close(w->fd);
    free(w->buffer);
    free(w->name);
    free(w->path);
    free(w->temp);
    free(w);
}

/* A new temporary name beside w->path. */
static int choose_temp(file_store *fs, file_writer *w)
{
    uint64_t count = __atomic_add_fetch(&fs->counter, 1, __ATOMIC_RELAXED);
    uint64_t random = hash_mix(fs->seed, count) ^ fs->seed;
    const char *part = strrchr(w->path, '/') + 1;
    free(w->temp);
    if (asprintf(&w->temp, "%.*s" FILE_TEMP_PREFIX "%ld-%016llx-%s", (int)(part - w->path), w->path, (long)getpid(),
                 (unsigned long long)random, part) < 0)
        w->temp = NULL;
    return w->temp != NULL ? 0 : ENOMEM;
}

/* A name that is also a folder's, or whose folder is an object. */
static int name_clash(const file_store *fs, const file_writer *w, sdf_error **err)
{
    error_set(err, SDF_E_INVALID,
              "\"%s\" can't be an object in the store file:%s: it is the folder of others, or a "
              "folder in it is an object",
              w->name, fs->root);
    error_hint(err, "choose names of which none is the folder of another");
    return SDF_E_INVALID;
}

/* Makes the temporary file, and its folder if that is missing. */
static int writer_create(file_store *fs, file_writer *w, sdf_error **err)
{
    int number = ENOENT;
    for (int tries = 0; tries < OPEN_TRIES && (number == ENOENT || number == EEXIST); tries++) {
        if ((number = choose_temp(fs, w)) != 0)
            break;
        w->fd = local_open(w->temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0666);
        number = w->fd >= 0 ? 0 : errno;
        if (number == EMFILE || number == ENFILE) {
            file_cache_drop(&fs->cache, NULL);
            w->fd = local_open(w->temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0666);
            number = w->fd >= 0 ? 0 : errno;
        }
        if (number != ENOENT)
            continue;
        int rc = path_make_parent(w->path, err);
        if (rc != SDF_OK && rc != SDF_E_NOT_FOUND) {
            error_prefix(err, "the store file:%s can't write the object \"%s\"", fs->root, w->name);
            return rc;
        }
        if (rc != SDF_OK && err != NULL) { /* the folder above went at the same moment */
            sdf_error_free(*err);
            *err = NULL;
        }
    }
    if (number == 0)
        return SDF_OK;
    if (number == ENOTDIR)
        return name_clash(fs, w, err);
    return local_error(err, number, "the store file:%s can't write the object \"%s\"", fs->root, w->name);
}

int file_writer_open(void *self, const char *name, int if_absent, void **writer, sdf_error **err)
{
    file_store *fs = self;
    char *path;
    int rc = file_path(fs, name, &path, err);
    if (rc != SDF_OK)
        return rc;
    file_writer *w = calloc(1, sizeof *w);
    if (w == NULL) {
        free(path);
        return error_no_memory(err);
    }
    w->fd = -1;
    w->path = path;
    w->if_absent = if_absent != 0;
    w->name = strdup(name);
    rc = w->name != NULL ? writer_create(fs, w, err) : error_no_memory(err);
    if (rc != SDF_OK) {
        writer_free(w);
        return rc;
    }
    *writer = w;
    return SDF_OK;
}

/* ---- appending ---- */

static int writer_flush(file_writer *w)
{
    int number = w->buffered > 0 ? path_write_all(w->fd, w->buffer, w->buffered) : 0;
    w->buffered = 0;
    return number;
}

static int write_part(file_writer *w, const void *data, size_t size)
{
    int number = 0;
    if (size > BUFFER_BYTES - w->buffered)
        number = writer_flush(w);
    if (number != 0 || size == 0)
        return number;
    if (size >= BUFFER_BYTES)
        return path_write_all(w->fd, data, size);
    if (w->buffer == NULL && (w->buffer = malloc(BUFFER_BYTES)) == NULL)
        return ENOMEM;
    memcpy(w->buffer + w->buffered, data, size);
    w->buffered += size;
    return 0;
}

int file_writer_append(void *self, void *writer, const sdf_slice *parts, size_t count, sdf_error **err)
{
    file_store *fs = self;
    file_writer *w = writer;
    for (size_t i = 0; i < count && w->number == 0; i++) {
        w->number = write_part(w, parts[i].data, parts[i].size);
        w->size += parts[i].size;
    }
    return w->number == 0 ? SDF_OK : file_error(fs, w->number, "write", w->name, err);
}

/* ---- committing ---- */

static int publish_replacing(const file_writer *w, const struct stat *file)
{
    if (rename(w->temp, w->path) == 0)
        return 0;
    int number = errno;
    return local_same_file(w->path, file) ? 0 : number;
}

static int publish(file_store *fs, const file_writer *w, const struct stat *file)
{
    return w->if_absent ? local_name_new(w->temp, w->path, file, &fs->no_rename_flags) : publish_replacing(w, file);
}

/* Syncs the folders from the object's up to the root: any of them may be new. */
static int sync_folders(const file_store *fs, const char *path)
{
    char *folder = strdup(path);
    if (folder == NULL)
        return ENOMEM;
    int number = 0;
    size_t root = strlen(fs->root);
    for (char *slash; number == 0 && (slash = strrchr(folder, '/')) != NULL && (size_t)(slash - folder) >= root;) {
        *slash = 0;
        number = local_sync_folder(*folder ? folder : "/");
    }
    free(folder);
    return number;
}

/* Writes out and closes the temporary file; *st is what it is. */
static int writer_seal(const file_store *fs, file_writer *w, struct stat *st)
{
    int number = w->number != 0 ? w->number : writer_flush(w);
    if (number == 0 && fs->sync && fdatasync(w->fd) != 0)
        number = errno;
    if (number == 0 && fstat(w->fd, st) != 0)
        number = errno;
    if (number == 0 && (uint64_t)st->st_size != w->size)
        number = EIO; /* somebody else wrote to it, or cut it */
    if (close(w->fd) != 0 && number == 0)
        number = errno; /* NFS tells only now what the server could not write */
    w->fd = -1;
    return number;
}

static int commit_error(const file_store *fs, const file_writer *w, int number, sdf_error **err)
{
    if (number == EEXIST)
        return error_set(err, SDF_E_EXISTS, "the store file:%s has an object \"%s\" already", fs->root, w->name);
    if (number == EISDIR || number == ENOTDIR || number == ENOTEMPTY)
        return name_clash(fs, w, err);
    if (number == ENOENT) {
        error_set(err, SDF_E_IO, "object \"%s\" in the store file:%s lost its temporary file before commit", w->name,
                  fs->root);
        error_hint(err, "a cleanup removed it, as leftovers of a job that is over; it may also have been by hand");
        return SDF_E_IO;
    }
    if (number == ENOSYS || number == EPERM) {
        error_set(err, SDF_E_UNSUPPORTED,
                  "the file system under file:%s can neither link files nor rename without "
                  "replacing",
                  fs->root);
        error_hint(err, "choose a folder on another file system");
        return SDF_E_UNSUPPORTED;
    }
    return file_error(fs, number, "commit", w->name, err);
}

int file_writer_commit(void *self, void *writer, sdf_error **err)
{
    file_store *fs = self;
    file_writer *w = writer;
    struct stat st;
    int rc = SDF_OK, number = writer_seal(fs, w, &st);
    if (number != 0)
        rc = file_error(fs, number, "write", w->name, err);
    else if ((number = publish(fs, w, &st)) != 0)
        rc = commit_error(fs, w, number, err);
    if (rc != SDF_OK) {
        unlink(w->temp);
    } else {
        file_cache_drop(&fs->cache, w->path);
        if (fs->sync && (number = sync_folders(fs, w->path)) != 0)
            rc = file_error(fs, number, "sync the folder of", w->name, err);
    }
    writer_free(w);
    return rc;
}

void file_writer_abort(void *self, void *writer)
{
    file_writer *w = writer;
    unlink(w->temp);
    writer_free(w);
}
