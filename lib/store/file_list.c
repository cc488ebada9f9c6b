/* Listing and sweeping of the "file:" store: walks over its folders.
 * A folder is read to its end and closed before anything in it is looked at, so that neither depth nor a slow callback
 * holds descriptors, and removal under way disturbs nobody. What vanishes meanwhile was not there. */
#include "store/file.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/path.h"
#include "store/local.h"
#include "store/store.h"

typedef struct walk {
    file_store *fs;
    const char *prefix;
    sdf_list_fn callback; /* NULL: sweep */
    void *user;
    sdf_error **err;
} walk;

static int gone(int number)
{
    return number == ENOENT || number == ENOTDIR || number == ESTALE;
}

/* A folder that is not there has no entries. */
static int read_entries(walk *w, const char *path, buf *entries)
{
    int number = local_entries(path, entries);
    if (number == ENOMEM)
        return error_no_memory(w->err);
    return number == 0 || gone(number)
               ? SDF_OK
               : local_error(w->err, number, "the store file:%s can't list \"%s\"", w->fs->root, path);
}

static int has_prefix(const walk *w, const char *name)
{
    return strncmp(name, w->prefix, strlen(w->prefix)) == 0;
}

/* Hands a file over, if it is still there and one of ours. */
static int show(walk *w, const char *path, const char *name)
{
    struct stat st;
    if (lstat(path, &st) != 0) /* unreadable ones are shown by what reads them */
        return gone(errno)
                   ? SDF_OK
                   : local_error(w->err, errno, "the store file:%s can't look at the object \"%s\"", w->fs->root, name);
    if (!S_ISREG(st.st_mode) || store_check_name(name, NULL) != SDF_OK)
        return SDF_OK;
    sdf_object_info info = {
        .struct_size = sizeof info,
        .name = name,
        .size = (uint64_t)st.st_size,
        .modified_ms = local_mtime_ns(&st) / 1000000,
    };
    return w->callback(&info, w->user);
}

/* Removes a temporary file if the object it was for is under the prefix. `folder` is "" or ends with '/'. */
static int sweep_temp(walk *w, const char *path, const char *folder, const char *entry)
{
    const char *dash = strchr(entry + strlen(FILE_TEMP_PREFIX), '-');
    const char *part = dash != NULL ? strchr(dash + 1, '-') : NULL;
    char *name = part != NULL ? path_join(folder, part + 1) : NULL;
    int ours = name != NULL && has_prefix(w, name);
    free(name);
    if (!ours || unlink(path) == 0 || gone(errno))
        return SDF_OK;
    return local_error(w->err, errno, "the store file:%s can't remove the leftover \"%s\"", w->fs->root, path);
}

static int walk_folder(walk *w, const char *path, const char *name);

/* `folder` is the name of the folder with '/', or "". */
static int walk_entry(walk *w, const char *parent, const char *folder, unsigned char type, const char *entry)
{
    char *path = path_join(parent, entry);
    char *name = path_join(folder, entry);
    int rc = SDF_OK;
    struct stat st;
    if (path == NULL || name == NULL)
        rc = error_no_memory(w->err);
    else if (strncmp(entry, FILE_TEMP_PREFIX, strlen(FILE_TEMP_PREFIX)) == 0)
        rc = w->callback == NULL ? sweep_temp(w, path, folder, entry) : SDF_OK;
    else if (has_prefix(w, name) && store_check_prefix(name, NULL) == SDF_OK) {
        if (type == DT_UNKNOWN && lstat(path, &st) == 0)
            type = S_ISDIR(st.st_mode) ? DT_DIR : DT_REG;
        if (type == DT_DIR)
            rc = walk_folder(w, path, name);
        else if (type == DT_REG && w->callback != NULL)
            rc = show(w, path, name);
    }
    free(path);
    free(name);
    return rc;
}

/* Depth is bounded: a name is at most 512 bytes. */
static int walk_folder(walk *w, const char *path, const char *name)
{
    buf entries = BUF_EMPTY;
    char *folder = *name ? path_join(name, "/") : strdup("");
    int rc = folder != NULL ? read_entries(w, path, &entries) : error_no_memory(w->err);
    for (size_t at = 0; rc == SDF_OK && at < entries.size;) {
        const char *entry = (const char *)entries.data + at + 1;
        rc = walk_entry(w, path, folder, entries.data[at], entry);
        at += strlen(entry) + 2;
    }
    buf_free(&entries);
    free(folder);
    if (rc == SDF_OK && w->callback == NULL && *name != 0 && rmdir(path) != 0 && !gone(errno) && errno != ENOTEMPTY &&
        errno != EEXIST && errno != EBUSY)
        rc = local_error(w->err, errno, "the store file:%s can't remove the folder \"%s\"", w->fs->root, path);
    return rc;
}

/* Starts in the folder that the prefix lies in: "a/b" looks through "a", "a/b/" through "a/b". */
static int walk_prefix(walk *w)
{
    int rc = store_check_prefix(w->prefix, w->err);
    if (rc != SDF_OK)
        return rc;
    const char *slash = strrchr(w->prefix, '/');
    char *name = strndup(w->prefix, slash != NULL ? (size_t)(slash - w->prefix) : 0);
    char *path = name == NULL ? NULL : *name ? path_join(w->fs->root, name) : strdup(w->fs->root);
    rc = path != NULL ? walk_folder(w, path, name) : error_no_memory(w->err);
    free(path);
    free(name);
    return rc;
}

int file_list(void *self, const char *prefix, sdf_list_fn callback, void *user, sdf_error **err)
{
    walk w = {self, prefix, callback, user, err};
    return walk_prefix(&w);
}

int file_sweep(void *self, const char *prefix, sdf_error **err)
{
    walk w = {self, prefix, NULL, NULL, err};
    return walk_prefix(&w);
}
