/* "file:DIR" keeps every object as a file below DIR: "file:DIR[?fsync=none|data&shared=0|1]".
 *
 *   fsync   none (default): shuffle data is not forced to the disk. A machine that loses power has lost its workers
 *           too, and a torn object fails its checksums.
 *           data: the object, then its folder, is synced before commit returns.
 *   shared  1: DIR is a mount that the workers of all machines have (NFS, EFS). Default 0: this machine only.
 *
 * DIR is taken as it stands (no percent-decoding; it can't contain '?') and made absolute when the store is opened.
 * Right on NFS too: a commit is one link or rename whose outcome is looked at, not believed; a stale handle is
 * reopened; errors of close count; nothing is mapped. Not here: writing (file_write.c), walking folders (file_list.c).
 */
#include "store/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/options.h"
#include "base/path.h"
#include "base/timebase.h"
#include "store/local.h"
#include "store/scheme.h"
#include "store/store.h"

#define STALE_TRIES 4    /* reads of one range that start over on ESTALE */
#define ROOT_MAX    3400 /* bytes: with the longest name and a temporary one, a path stays below PATH_MAX */

int file_path(const file_store *fs, const char *name, char **path, sdf_error **err)
{
    int rc = store_check_name(name, err);
    if (rc != SDF_OK)
        return rc;
    *path = path_join(fs->root, name);
    return *path != NULL ? SDF_OK : error_no_memory(err);
}

int file_error(const file_store *fs, int number, const char *verb, const char *name, sdf_error **err)
{
    if (number == ENOMEM)
        return error_no_memory(err);
    if (number == ENOENT || number == ENOTDIR)
        return error_set(err, SDF_E_NOT_FOUND, "the store file:%s has no object \"%s\"", fs->root, name);
    return local_error(err, number, "the store file:%s can't %s the object \"%s\"", fs->root, verb, name);
}

/* ---- reading ---- */

/* Reads the range of an open object into `buffer`: 0, or an errno; the end of the file is ENODATA. */
static int read_range(const open_file *h, const sdf_read *r, void *buffer)
{
    size_t got;
    int number = path_read_at(h->fd, buffer, (size_t)r->length, r->offset, &got);
    return number != 0 ? number : got < r->length ? ENODATA : 0;
}

static int too_short(const file_store *fs, const sdf_read *r, uint64_t size, sdf_error **err)
{
    return error_set(
        err, SDF_E_CORRUPT, "object \"%s\" in the store file:%s has %llu bytes, too few for the %llu asked for at %llu",
        r->name, fs->root, (unsigned long long)size, (unsigned long long)r->length, (unsigned long long)r->offset);
}

static int read_open(file_store *fs, open_file *h, sdf_read *r, int *number)
{
    *number = 0;
    if (r->offset > h->size || r->length > h->size - r->offset)
        return too_short(fs, r, h->size, &r->err);
    void *buffer = r->buffer;
    if (buffer == NULL && r->length > 0 && (buffer = malloc(r->length)) == NULL)
        return error_no_memory(&r->err);
    *number = r->length > 0 ? read_range(h, r, buffer) : 0;
    if (*number == 0) {
        int ours = buffer != r->buffer;
        r->view = (sdf_view){buffer, r->length, ours ? free : NULL, ours ? buffer : NULL};
        return SDF_OK;
    }
    if (buffer != r->buffer)
        free(buffer);
    if (*number == ENODATA)
        return too_short(fs, r, h->size, &r->err);
    return file_error(fs, *number, "read", r->name, &r->err);
}

/* *h is the object open from the read before, or NULL; it stays with the caller. */
static int read_one(file_store *fs, sdf_read *r, open_file **h)
{
    char *path;
    int number = 0, rc = file_path(fs, r->name, &path, &r->err);
    if (rc != SDF_OK)
        return rc;
    for (int tries = 0; tries < STALE_TRIES; tries++) {
        if (number == ESTALE) {
            sdf_error_free(r->err);
            r->err = NULL;
            file_cache_drop(&fs->cache, path);
        }
        if (*h != NULL && (number == ESTALE || strcmp((*h)->path, path) != 0)) {
            file_cache_release(&fs->cache, *h);
            *h = NULL;
        }
        number = *h == NULL ? file_cache_acquire(&fs->cache, path, h) : 0;
        if (number != 0) {
            *h = NULL;
            rc = file_error(fs, number, "open", r->name, &r->err);
        } else {
            rc = read_open(fs, *h, r, &number);
        }
        if (number != ESTALE)
            break;
    }
    free(path);
    return rc;
}

static int file_read(void *self, sdf_read *const *reads, size_t count, sdf_error **err)
{
    file_store *fs = self;
    open_file *h = NULL;
    for (size_t i = 0; i < count; i++)
        reads[i]->status = read_one(fs, reads[i], &h);
    if (h != NULL)
        file_cache_release(&fs->cache, h);
    return SDF_OK;
}

static int file_head(void *self, const char *name, uint64_t *size, sdf_error **err)
{
    file_store *fs = self;
    char *path;
    int rc = file_path(fs, name, &path, err);
    if (rc != SDF_OK)
        return rc;
    struct stat st;
    int number = lstat(path, &st) == 0 ? 0 : errno;
    free(path);
    if (number == 0 && !S_ISREG(st.st_mode))
        number = ENOENT;
    if (number != 0)
        return file_error(fs, number, "look at", name, err);
    *size = (uint64_t)st.st_size;
    return SDF_OK;
}

/* ---- removing ---- */

static int remove_one(file_store *fs, const char *name, sdf_error **err)
{
    char *path;
    int rc = file_path(fs, name, &path, err);
    if (rc != SDF_OK)
        return rc;
    file_cache_drop(&fs->cache, path);
    int number = unlink(path) == 0 ? 0 : errno;
    struct stat st;
    if ((number == EISDIR || number == EPERM) && lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
        number = 0; /* a folder is no object */
    free(path);
    if (number == 0 || number == ENOENT || number == ENOTDIR || number == ESTALE)
        return SDF_OK;
    return file_error(fs, number, "remove", name, err);
}

static int file_remove(void *self, const char *const *names, size_t count, sdf_error **err)
{
    int first = SDF_OK;
    for (size_t i = 0; i < count; i++) {
        int rc = remove_one(self, names[i], first == SDF_OK ? err : NULL);
        first = first == SDF_OK ? rc : first;
    }
    return first;
}

/* ---- opening ---- */

typedef struct file_options {
    int sync, shared;
} file_options;

/* Splits "DIR?options"; *folder is malloc'd. */
static int parse_rest(const char *rest, char **folder, file_options *options, sdf_error **err)
{
    static const option_spec specs[] = {
        {"fsync", OPTION_CHOICE, offsetof(file_options, sync), "none|data"},
        {"shared", OPTION_CHOICE, offsetof(file_options, shared), "0|1"},
    };
    const char *query = strchr(rest, '?');
    if (query != NULL) {
        int rc = options_read(query + 1, strlen(query + 1), '&', "file:", specs, 2, options, err);
        if (rc != SDF_OK)
            return rc;
    }
    char *given = query != NULL ? strndup(rest, (size_t)(query - rest)) : strdup(rest);
    if (given == NULL)
        return error_no_memory(err);
    int rc = SDF_OK;
    if (*given == 0) {
        rc = error_set(err, SDF_E_INVALID, "the store \"file:\" names no folder");
        error_hint(err, "write \"file:DIR\"");
    } else {
        rc = local_file_path(given, folder, err);
    }
    free(given);
    return rc;
}

int file_store_absolute(const char *rest, char **out, sdf_error **err)
{
    file_options options = {0, 0};
    char *folder;
    int rc = parse_rest(rest, &folder, &options, err);
    if (rc != SDF_OK)
        return rc;
    buf text = BUF_EMPTY;
    const char *query = strchr(rest, '?');
    rc = buf_printf(&text, "%s%s", folder, query != NULL ? query : "");
    free(folder);
    *out = rc == SDF_OK ? buf_take_text(&text) : NULL;
    buf_free(&text);
    return *out != NULL ? SDF_OK : error_no_memory(err);
}

static int prepare_folder(const char *root, sdf_error **err)
{
    if (strlen(root) > ROOT_MAX)
        return error_set(err, SDF_E_LIMIT, "the folder of a store has a path longer than %d bytes", ROOT_MAX);
    int rc = path_make_dirs(root, err);
    if (rc != SDF_OK) {
        error_prefix(err, "the store file:%s can't be opened", root);
        return rc;
    }
    if (faccessat(AT_FDCWD, root, R_OK | W_OK | X_OK, AT_EACCESS) != 0)
        return local_error(err, errno, "the store file:%s can't be opened: its folder may not be read and written",
                           root);
    return SDF_OK;
}

int file_store_open(const char *rest, void *user, void **self, sdf_error **err)
{
    file_options options = {0, 0};
    char *root;
    int rc = parse_rest(rest, &root, &options, err);
    if (rc != SDF_OK)
        return rc;
    rc = prepare_folder(root, err);
    file_store *fs = rc == SDF_OK ? calloc(1, sizeof *fs) : NULL;
    if (fs == NULL) {
        free(root);
        return rc != SDF_OK ? rc : error_no_memory(err);
    }
    fs->root = root;
    fs->sync = options.sync;
    fs->shared = options.shared;
    fs->seed = rng_seed();
    file_cache_init(&fs->cache);
    *self = fs;
    return SDF_OK;
}

static void file_destroy(void *self)
{
    file_store *fs = self;
    file_cache_free(&fs->cache);
    free(fs->root);
    free(fs);
}

static uint32_t file_scope(void *self)
{
    return ((file_store *)self)->shared ? SDF_SCOPE_NETWORK : SDF_SCOPE_HOST;
}

const sdf_store_ops file_store_ops = {
    .struct_size = sizeof(sdf_store_ops),
    .version = SDF_STORE_VERSION,
    .scope = SDF_SCOPE_HOST,
    .writer_open = file_writer_open,
    .writer_append = file_writer_append,
    .writer_commit = file_writer_commit,
    .writer_abort = file_writer_abort,
    .read = file_read,
    .head = file_head,
    .list = file_list,
    .remove = file_remove,
    .destroy = file_destroy,
    .get_scope = file_scope,
    .sweep = file_sweep,
};
