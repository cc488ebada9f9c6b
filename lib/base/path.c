/* File-system paths. Removing a tree is in remove_tree.c. */
#include "base/path.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

char *path_join(const char *a, const char *b)
{
    size_t na = strlen(a), nb = strlen(b);
    while (na && *b == '/') {
        b++;
        nb--;
    }
    int slash = na && a[na - 1] != '/';
    char *path = malloc(na + (size_t)slash + nb + 1);
    if (!path)
        return NULL;
    memcpy(path, a, na);
    if (slash)
        path[na] = '/';
    memcpy(path + na + slash, b, nb + 1);
    return path;
}

/* One folder whose parent should be there: 0 (also if it was there already), or an errno. */
static int make_dir(const char *path)
{
    if (!mkdir(path, 0777))
        return 0;
    int number = errno;
    struct stat st;
    /* "Exists", but also "read-only file system" and the like are said of a folder that is there. */
    if (number != ENOENT && !stat(path, &st))
        return S_ISDIR(st.st_mode) ? 0 : ENOTDIR;
    return number;
}

/* Makes path[0..size) and what is above it. `path` is changed on the way and restored. */
static int make_dirs(char *path, size_t size)
{
    while (size > 1 && path[size - 1] == '/')
        size--;
    char cut = path[size];
    path[size] = '\0';
    int number = make_dir(path);
    if (number == ENOENT) {
        /* Usually only the last folder is missing, so it is tried first; then from the top. */
        for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
            *slash = '\0';
            number = make_dir(path);
            *slash = '/';
            if (number)
                break;
        }
        if (number == ENOENT || !number)
            number = make_dir(path);
    }
    path[size] = cut;
    return number;
}

static int make_dirs_of(const char *path, size_t size, sdf_error **err)
{
    char *copy = strndup(path, size);
    if (!copy)
        return error_no_memory(err);
    int number = size ? make_dirs(copy, size) : 0;
    free(copy);
    if (!number)
        return SDF_OK;
    int rc = error_errno(err, number, "can't make the folder \"%.*s\"", (int)size, path);
    error_hint(err, "check that the folder above it is there and may be written to");
    return rc;
}

int path_make_dirs(const char *path, sdf_error **err)
{
    return make_dirs_of(path, strlen(path), err);
}

int path_make_parent(const char *path, sdf_error **err)
{
    const char *slash = strrchr(path, '/');
    return slash ? make_dirs_of(path, (size_t)(slash - path), err) : SDF_OK;
}

int path_write_all(int fd, const void *data, size_t size)
{
    const uint8_t *p = data;
    while (size) {
        ssize_t n = write(fd, p, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno;
        p += n;
        size -= (size_t)n;
    }
    return 0;
}

int path_read_at(int fd, void *data, size_t size, uint64_t offset, size_t *got)
{
    *got = 0;
    if (offset > INT64_MAX || size > INT64_MAX - offset)
        return EOVERFLOW;
    while (*got < size) {
        ssize_t n = pread(fd, (uint8_t *)data + *got, size - *got, (off_t)(offset + *got));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno;
        if (!n)
            break;
        *got += (size_t)n;
    }
    return 0;
}
