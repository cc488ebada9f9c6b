/* The file sink, the driver's side. See output.h for what lies where.
 *
 * A folder's parts get their names one by one, and count when _SUCCESS is there. A single file's one part is only
 * looked at when it is published; it gets its name in `finish`, which replaces nobody's file. */
#include "store/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/path.h"
#include "store/local.h"

#define REMOVE_TRIES 3 /* a worker that has not heard of the end may put a file into a folder under removal */

typedef struct file_sink {
    char *path, *temporary, *token;
    int single;
    char **finals; /* names given, or about to be; single: the ticket chosen */
    size_t count, capacity;
    bool named; /* single: the file has its name, from us */
} file_sink;

static void sink_free(file_sink *s)
{
    for (size_t i = 0; i < s->count; i++)
        free(s->finals[i]);
    free(s->finals);
    free(s->path);
    free(s->temporary);
    free(s->token);
    free(s);
}

/* ---- begin ---- */

static bool has_entry(const file_sink *s, const char *name)
{
    char *path = path_join(s->path, name);
    bool has = path != NULL && access(path, F_OK) == 0;
    free(path);
    return has;
}

static int already_there(const file_sink *s, sdf_error **err)
{
    if (!s->single && !has_entry(s, "_SUCCESS") && (has_entry(s, "_temporary") || has_entry(s, "._SUCCESS"))) {
        error_set(err, SDF_E_EXISTS,
                  "the output \"%s\" is in use by another job, or was left unfinished by one that was killed", s->path);
        error_hint(err, "wait for that job, or remove the folder; or name another one");
    } else {
        error_set(err, SDF_E_EXISTS, "the output \"%s\" exists already", s->path);
        error_hint(err, "name %s that does not exist yet, or remove this one", s->single ? "a file" : "a folder");
    }
    return SDF_E_EXISTS;
}

static int make_folders(const file_sink *s, sdf_error **err)
{
    struct stat st;
    if (lstat(s->path, &st) == 0)
        return already_there(s, err);
    int rc = path_make_parent(s->path, err);
    if (rc != SDF_OK) {
        error_prefix(err, "can't make the output \"%s\"", s->path);
        return rc;
    }
    if (!s->single && mkdir(s->path, 0777) != 0)
        return errno == EEXIST ? already_there(s, err)
                               : local_error(err, errno, "can't make the output folder \"%s\"", s->path);
    if (mkdir(s->temporary, 0777) == 0)
        return SDF_OK;
    rc = local_error(err, errno, "can't make the folder \"%s\"", s->temporary);
    if (!s->single)
        rmdir(s->path);
    return rc;
}

static int sink_begin(void *self, const char *name, const char *token, int single, void **output, sdf_error **err)
{
    file_sink *s = calloc(1, sizeof *s);
    if (s == NULL)
        return error_no_memory(err);
    s->single = single;
    int rc = local_path(name, &s->path, err);
    if (rc == SDF_OK && strcmp(s->path, "/") == 0) {
        rc = already_there(s, err);
    } else if (rc == SDF_OK) {
        s->token = strdup(token);
        s->temporary = file_temporary(s->path, token, single);
        rc = s->token != NULL && s->temporary != NULL ? make_folders(s, err) : error_no_memory(err);
    }
    if (rc != SDF_OK) {
        sink_free(s);
        return rc;
    }
    *output = s;
    return SDF_OK;
}

/* ---- publish ---- */

/* "TOKEN-ATTEMPT", and nothing that leads elsewhere. */
static int check_ticket(const file_sink *s, const char *ticket, sdf_error **err)
{
    size_t size = strlen(s->token);
    if (strncmp(ticket, s->token, size) == 0 && ticket[size] == '-' && ticket[size + 1] != 0 &&
        strchr(ticket, '/') == NULL)
        return SDF_OK;
    return error_set(err, SDF_E_INVALID, "\"%.100s\" can't be a temporary file of the output \"%s\"", ticket, s->path);
}

/* The status of a regular file; opened for it, since NFS answers from a cache otherwise. 0, or an errno. */
static int file_status(const char *path, struct stat *st)
{
    int fd = local_open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
    if (fd < 0)
        return errno;
    int number = fstat(fd, st) != 0 ? errno : S_ISREG(st->st_mode) ? 0 : EINVAL;
    close(fd);
    return number;
}

static int wrong_size(const char *path, uint64_t size, uint64_t bytes, sdf_error **err)
{
    return error_set(err, SDF_E_CORRUPT, "the output file \"%s\" has %llu bytes, its writer reported %llu", path,
                     (unsigned long long)size, (unsigned long long)bytes);
}

static int cannot_publish(const char *from, const char *to, int number, sdf_error **err)
{
    int rc = local_error(err, number, "can't publish the output file \"%s\" as \"%s\"", from, to);
    if (number == ENOENT)
        error_hint(err, "the driver and all workers must see the same output folder");
    return rc;
}

/* Renames, or finds that it is done: the temporary name is gone, and the file of that size has its final one. */
static int give_name(const char *from, const char *to, uint64_t bytes, sdf_error **err)
{
    struct stat st;
    int number = file_status(from, &st);
    if (number == 0 && (uint64_t)st.st_size != bytes)
        return wrong_size(from, (uint64_t)st.st_size, bytes, err);
    if (number == 0 && rename(from, to) != 0)
        number = errno;
    if (number == 0)
        return SDF_OK;
    if (number == ENOENT && file_status(to, &st) == 0)
        return (uint64_t)st.st_size == bytes ? SDF_OK : wrong_size(to, (uint64_t)st.st_size, bytes, err);
    return cannot_publish(from, to, number, err);
}

static int note_final(file_sink *s, const char *name, sdf_error **err)
{
    if (s->count == s->capacity) {
        size_t capacity = s->capacity ? s->capacity * 2 : 64;
        char **finals = realloc(s->finals, capacity * sizeof *finals);
        if (finals == NULL)
            return error_no_memory(err);
        s->finals = finals;
        s->capacity = capacity;
    }
    char *copy = strdup(name);
    if (copy == NULL)
        return error_no_memory(err);
    s->finals[s->count++] = copy;
    return SDF_OK;
}

/* The one file is looked at; the last one published is meant. */
static int choose(file_sink *s, const char *from, const char *ticket, uint64_t bytes, sdf_error **err)
{
    struct stat st;
    int number = file_status(from, &st);
    if (number != 0)
        return cannot_publish(from, s->path, number, err);
    if ((uint64_t)st.st_size != bytes)
        return wrong_size(from, (uint64_t)st.st_size, bytes, err);
    int rc = note_final(s, ticket, err);
    if (rc == SDF_OK && s->count > 1) {
        free(s->finals[0]);
        s->finals[0] = s->finals[--s->count];
    }
    return rc;
}

static int publish_in_folder(file_sink *s, const char *from, const char *final, uint64_t bytes, sdf_error **err)
{
    char *to = path_join(s->path, final);
    if (to == NULL)
        return error_no_memory(err);
    /* Noted first, so that abort removes it whatever happens in between. */
    int rc = note_final(s, final, err);
    if (rc == SDF_OK && strchr(final, '/') != NULL)
        rc = path_make_parent(to, err);
    if (rc == SDF_OK)
        rc = give_name(from, to, bytes, err);
    free(to);
    return rc;
}

static int sink_publish(void *self, void *output, const char *ticket, const char *final, uint64_t bytes,
                        sdf_error **err)
{
    file_sink *s = output;
    int rc = check_ticket(s, ticket, err);
    if (rc != SDF_OK)
        return rc;
    char *from = path_join(s->temporary, ticket);
    if (from == NULL)
        return error_no_memory(err);
    rc = s->single ? choose(s, from, ticket, bytes, err) : publish_in_folder(s, from, final, bytes, err);
    free(from);
    return rc;
}

/* ---- finish ---- */

/* 0, or an errno. */
static int write_synced(const char *path, const sdf_slice *text)
{
    int fd = local_open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0666);
    if (fd < 0)
        return errno;
    int number = path_write_all(fd, text->data, text->size);
    if (number == 0 && fsync(fd) != 0)
        number = errno;
    if (close(fd) != 0 && number == 0)
        number = errno;
    return number;
}

/* Syncs the folders in the output that parts lie in; the parts of one folder mostly come one after another. */
static int sync_nested(const file_sink *s)
{
    int number = 0;
    const char *last = "";
    for (size_t i = 0; i < s->count && number == 0; i++) {
        const char *slash = strrchr(s->finals[i], '/');
        size_t size = slash != NULL ? (size_t)(slash - s->finals[i]) : 0;
        if (size == 0 || (strncmp(s->finals[i], last, size) == 0 && last[size] == '/' && !strchr(last + size + 1, '/')))
            continue;
        last = s->finals[i];
        char *path = path_join(s->path, last);
        number = path != NULL ? local_sync_parent(path) : ENOMEM;
        free(path);
    }
    return number;
}

static int remove_temporary(const file_sink *s, sdf_error **err)
{
    int rc = path_remove_tree(s->temporary, NULL);
    for (int tries = 1; rc != SDF_OK && tries < REMOVE_TRIES; tries++)
        rc = path_remove_tree(s->temporary, tries + 1 == REMOVE_TRIES ? err : NULL);
    return rc;
}

/* What lies in the folder is on the disk before the name that makes it count. 0, or an errno. */
static int publish_success(const file_sink *s, const char *temp, const char *success)
{
    int number = sync_nested(s);
    if (number == 0)
        number = local_sync_folder(s->path);
    if (number == 0 && rename(temp, success) != 0)
        number = errno;
    if (number == 0)
        number = local_sync_folder(s->path);
    return number == 0 ? local_sync_parent(s->path) : number;
}

/* At any moment a dead job's folder has _temporary or ._SUCCESS, from which the next one sees what it is. */
static int write_success(const file_sink *s, const sdf_slice *manifest, sdf_error **err)
{
    char *temp = path_join(s->path, "._SUCCESS"), *success = path_join(s->path, "_SUCCESS");
    int rc = SDF_OK, number = temp != NULL && success != NULL ? write_synced(temp, manifest) : ENOMEM;
    if (number == 0)
        rc = remove_temporary(s, err);
    if (number == 0 && rc == SDF_OK)
        number = publish_success(s, temp, success);
    free(temp);
    free(success);
    return number == 0 ? rc : local_error(err, number, "can't finish the output \"%s\"", s->path);
}

static int name_single(file_sink *s, sdf_error **err)
{
    if (s->count == 0)
        return error_set(err, SDF_E_INTERNAL, "nothing was published for the output \"%s\"", s->path);
    char *from = path_join(s->temporary, s->finals[0]);
    struct stat st;
    int no_flags = 0, number = from == NULL ? ENOMEM : lstat(from, &st) != 0 ? errno : 0;
    if (number == 0)
        number = local_name_new(from, s->path, &st, &no_flags);
    free(from);
    if (number == EEXIST) {
        error_set(err, SDF_E_EXISTS, "the output \"%s\" has come to exist while the job ran", s->path);
        error_hint(err, "another job may have written it; name a file that does not exist yet");
        return SDF_E_EXISTS;
    }
    s->named = number == 0;
    if (number == 0)
        number = local_sync_parent(s->path);
    return number == 0 ? SDF_OK : local_error(err, number, "can't finish the output \"%s\"", s->path);
}

static void sink_abort(void *self, void *output);

static int sink_finish(void *self, void *output, const sdf_slice *manifest, sdf_error **err)
{
    file_sink *s = output;
    int rc;
    if (s->single) {
        rc = name_single(s, err);
        if (rc == SDF_OK)
            remove_temporary(s, NULL); /* the output is whole; what can't be removed is hidden */
    } else {
        rc = write_success(s, manifest, err);
    }
    if (rc == SDF_OK)
        sink_free(s);
    else
        sink_abort(self, s);
    return rc;
}

/* ---- abort ---- */

/* A file of the output, and the folders that it lies in there, if they are empty. */
static void remove_in(const file_sink *s, const char *name)
{
    char *path = path_join(s->path, name);
    if (path == NULL)
        return;
    unlink(path);
    for (char *slash; (slash = strrchr(path, '/')) != NULL && (size_t)(slash - path) > strlen(s->path);) {
        *slash = 0;
        if (rmdir(path) != 0)
            break;
    }
    free(path);
}

static void sink_abort(void *self, void *output)
{
    file_sink *s = output;
    if (s->single) {
        if (s->named)
            unlink(s->path);
    } else {
        remove_in(s, "_SUCCESS"); /* first: what follows is no output any more */
        remove_in(s, "._SUCCESS");
        for (size_t i = 0; i < s->count; i++)
            remove_in(s, s->finals[i]);
    }
    remove_temporary(s, NULL);
    if (!s->single)
        rmdir(s->path);
    sink_free(s);
}

static void sink_destroy(void *self)
{
}

const sdf_sink_ops file_sink_ops = {
    .struct_size = sizeof file_sink_ops,
    .version = SDF_SINK_VERSION,
    .scope = SDF_SCOPE_HOST,
    .begin = sink_begin,
    .publish = sink_publish,
    .finish = sink_finish,
    .abort = sink_abort,
    .part_open = file_part_open,
    .part_write = file_part_write,
    .part_close = file_part_close,
    .part_abort = file_part_abort,
    .destroy = sink_destroy,
};
