/* Output folders, the driver's side. See output.h for the protocol. */
#include "store/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/path.h"
#include "store/local.h"
#include "store/store.h"

#define REMOVE_TRIES 3 /* a worker that has not heard of the end may put a file into a folder under removal */

typedef struct part {
    char *name;
    uint64_t bytes, records;
    size_t order; /* of publishing */
} part;

struct output {
    char *path, *temporary;
    part *parts;
    size_t count, capacity;
};

static void output_free(output *out)
{
    for (size_t i = 0; i < out->count; i++)
        free(out->parts[i].name);
    free(out->parts);
    free(out->path);
    free(out->temporary);
    free(out);
}

/* ---- begin ---- */

static int already_there(const char *path, sdf_error **err)
{
    char *temporary = path_join(path, "_temporary"), *success = path_join(path, "_SUCCESS");
    int unfinished = temporary != NULL && success != NULL && access(temporary, F_OK) == 0 && access(success, F_OK) != 0;
    free(temporary);
    free(success);
    error_set(err, SDF_E_EXISTS, "the output \"%s\" exists already", path);
    if (unfinished)
        error_hint(err, "a job that is running, or was killed, left it unfinished; remove it, or name another folder");
    else
        error_hint(err, "name a folder that does not exist yet, or remove this one");
    return SDF_E_EXISTS;
}

static int make_folders(const output *out, sdf_error **err)
{
    struct stat st;
    if (lstat(out->path, &st) == 0)
        return already_there(out->path, err);
    int rc = path_make_parent(out->path, err);
    if (rc != SDF_OK) {
        error_prefix(err, "can't make the output \"%s\"", out->path);
        return rc;
    }
    if (mkdir(out->path, 0777) != 0)
        return errno == EEXIST ? already_there(out->path, err)
                               : local_error(err, errno, "can't make the output folder \"%s\"", out->path);
    if (mkdir(out->temporary, 0777) == 0)
        return SDF_OK;
    rc = local_error(err, errno, "can't make the folder \"%s\"", out->temporary);
    rmdir(out->path);
    return rc;
}

int output_absolute(const char *uri, char **absolute, sdf_error **err)
{
    return local_path(uri, absolute, err);
}

int output_begin(const char *uri, const char *token, output **out, sdf_error **err)
{
    if (strchr(token, '/') != NULL || store_check_name(token, NULL) != SDF_OK)
        return error_set(err, SDF_E_INVALID, "\"%.100s\" can't name an output job", token);
    output *o = calloc(1, sizeof *o);
    if (o == NULL)
        return error_no_memory(err);
    int rc = local_path(uri, &o->path, err);
    if (rc == SDF_OK && (o->temporary = path_join(o->path, "_temporary")) == NULL)
        rc = error_no_memory(err);
    if (rc == SDF_OK)
        rc = make_folders(o, err);
    if (rc != SDF_OK) {
        output_free(o);
        return rc;
    }
    *out = o;
    return SDF_OK;
}

/* ---- publish ---- */

static int check_names(const char *temp, const char *final, sdf_error **err)
{
    const char *file = strncmp(temp, "_temporary/", 11) == 0 ? temp + 11 : "/";
    if (strchr(file, '/') != NULL || store_check_name(temp, NULL) != SDF_OK)
        return error_set(err, SDF_E_INVALID, "\"%.100s\" can't be a temporary file of an output", temp);
    if (*final == '_' || strchr(final, '/') != NULL || store_check_name(final, NULL) != SDF_OK)
        return error_set(err, SDF_E_INVALID, "\"%.100s\" can't be a part of an output", final);
    return SDF_OK;
}

/* The size of a regular file; opened for it, since NFS answers from a cache otherwise. 0, or an errno. */
static int file_size(const char *path, uint64_t *size)
{
    int fd = local_open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
    if (fd < 0)
        return errno;
    struct stat st;
    int number = fstat(fd, &st) != 0 ? errno : S_ISREG(st.st_mode) ? 0 : EINVAL;
    *size = number == 0 ? (uint64_t)st.st_size : 0;
    close(fd);
    return number;
}

static int wrong_size(const char *path, uint64_t size, uint64_t bytes, sdf_error **err)
{
    return error_set(err, SDF_E_CORRUPT, "the output file \"%s\" has %llu bytes, its writer reported %llu", path,
                     (unsigned long long)size, (unsigned long long)bytes);
}

/* Renames, or finds that it is done: the temporary name is gone, and the file of that size has its final one. */
static int give_name(const char *from, const char *to, uint64_t bytes, sdf_error **err)
{
    uint64_t size;
    int number = file_size(from, &size);
    if (number == 0 && size != bytes)
        return wrong_size(from, size, bytes, err);
    if (number == 0 && rename(from, to) != 0)
        number = errno;
    if (number == 0)
        return SDF_OK;
    if (number == ENOENT && file_size(to, &size) == 0)
        return size == bytes ? SDF_OK : wrong_size(to, size, bytes, err);
    int rc = local_error(err, number, "can't publish the output file \"%s\" as \"%s\"", from, to);
    if (number == ENOENT)
        error_hint(err, "the driver and all workers must see the same output folder");
    return rc;
}

static int note_part(output *out, const char *name, uint64_t bytes, uint64_t records, sdf_error **err)
{
    if (out->count == out->capacity) {
        size_t capacity = out->capacity ? out->capacity * 2 : 64;
        part *parts = realloc(out->parts, capacity * sizeof *parts);
        if (parts == NULL)
            return error_no_memory(err);
        out->parts = parts;
        out->capacity = capacity;
    }
    char *copy = strdup(name);
    if (copy == NULL)
        return error_no_memory(err);
    out->parts[out->count] = (part){copy, bytes, records, out->count};
    out->count++;
    return SDF_OK;
}

int output_publish(output *out, const char *temp, const char *final, uint64_t bytes, uint64_t records, sdf_error **err)
{
    int rc = check_names(temp, final, err);
    if (rc != SDF_OK)
        return rc;
    /* Noted first, so that abort removes it whatever happens in between. */
    rc = note_part(out, final, bytes, records, err);
    if (rc != SDF_OK)
        return rc;
    char *from = path_join(out->path, temp), *to = path_join(out->path, final);
    rc = from != NULL && to != NULL ? give_name(from, to, bytes, err) : error_no_memory(err);
    free(from);
    free(to);
    return rc;
}

/* ---- finish ---- */

static int by_name(const void *a, const void *b)
{
    const part *p = a, *q = b;
    int order = strcmp(p->name, q->name);
    return order != 0 ? order : p->order < q->order ? -1 : 1;
}

/* Parts by name; of one published twice, what came last. */
static int manifest_text(output *out, buf *text)
{
    int rc = buf_text(text, "{\"format\":\"sdf-manifest\",\"version\":1,\"parts\":[");
    const char *separator = "\n";
    if (out->count > 0)
        qsort(out->parts, out->count, sizeof *out->parts, by_name);
    for (size_t i = 0; i < out->count && rc == SDF_OK; i++) {
        const part *p = &out->parts[i];
        if (i + 1 < out->count && strcmp(p->name, out->parts[i + 1].name) == 0)
            continue;
        rc = buf_printf(text, "%s{\"name\":", separator);
        if (rc == SDF_OK)
            rc = buf_json_string(text, p->name, strlen(p->name));
        if (rc == SDF_OK)
            rc = buf_printf(text, ",\"bytes\":%llu,\"records\":%llu}", (unsigned long long)p->bytes,
                            (unsigned long long)p->records);
        separator = ",\n";
    }
    return rc == SDF_OK ? buf_text(text, "]}\n") : rc;
}

/* 0, or an errno. */
static int write_synced(const char *path, const buf *text)
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

static int sync_parent(const char *path)
{
    char *parent = strdup(path);
    if (parent == NULL)
        return ENOMEM;
    char *slash = strrchr(parent, '/');
    slash[slash == parent] = 0;
    int number = local_sync_folder(parent);
    free(parent);
    return number == EACCES ? 0 : number; /* one may make folders where one may not read */
}

static int write_success(output *out, const buf *manifest, sdf_error **err)
{
    char *temp = path_join(out->path, "._SUCCESS"), *success = path_join(out->path, "_SUCCESS");
    int number = temp != NULL && success != NULL ? write_synced(temp, manifest) : ENOMEM;
    if (number == 0)
        number = local_sync_folder(out->path);
    if (number == 0 && rename(temp, success) != 0)
        number = errno;
    if (number == 0)
        number = local_sync_folder(out->path);
    if (number == 0)
        number = sync_parent(out->path);
    free(temp);
    free(success);
    return number == 0 ? SDF_OK : local_error(err, number, "can't finish the output \"%s\"", out->path);
}

static int remove_temporary(const output *out, sdf_error **err)
{
    int rc = path_remove_tree(out->temporary, NULL);
    for (int tries = 1; rc != SDF_OK && tries < REMOVE_TRIES; tries++)
        rc = path_remove_tree(out->temporary, tries + 1 == REMOVE_TRIES ? err : NULL);
    return rc;
}

int output_finish(output *out, sdf_error **err)
{
    buf manifest = BUF_EMPTY;
    int rc = manifest_text(out, &manifest);
    if (rc != SDF_OK)
        error_no_memory(err);
    else
        rc = remove_temporary(out, err);
    if (rc == SDF_OK)
        rc = write_success(out, &manifest, err);
    buf_free(&manifest);
    if (rc == SDF_OK)
        output_free(out);
    else
        output_abort(out);
    return rc;
}

/* ---- abort ---- */

static void remove_in(const output *out, const char *name)
{
    char *path = path_join(out->path, name);
    if (path != NULL)
        unlink(path);
    free(path);
}

void output_abort(output *out)
{
    if (out == NULL)
        return;
    remove_in(out, "_SUCCESS"); /* first: what follows is no output any more */
    remove_in(out, "._SUCCESS");
    for (size_t i = 0; i < out->count; i++)
        remove_in(out, out->parts[i].name);
    remove_temporary(out, NULL);
    rmdir(out->path);
    output_free(out);
}
