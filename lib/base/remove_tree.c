/* Removing a folder and all in it, relative to open folders, so that a link put in its place is never followed. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/path.h"

#define DEPTH_MAX  64 /* one open folder a level */
#define PASSES_MAX 8  /* over a folder that others still write to, or whose listing skips names while it shrinks */

static int remove_at(int parent, const char *name, int depth);

static int remove_entries(int folder, int depth)
{
    int copy = dup(folder);
    DIR *dir = copy < 0 ? NULL : fdopendir(copy);
    if (!dir) {
        int number = errno;
        if (copy >= 0)
            close(copy);
        return number;
    }
    rewinddir(dir);
    int number = 0;
    for (;;) {
        errno = 0;
        struct dirent *e = readdir(dir);
        if (!e) {
            number = errno;
            break;
        }
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
            continue;
        number = remove_at(folder, e->d_name, depth + 1);
        if (number)
            break;
    }
    closedir(dir);
    return number;
}

static int remove_folder(int parent, const char *name, int depth)
{
    if (depth > DEPTH_MAX)
        return ELOOP;
    int folder = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0)
        return errno == ENOENT ? 0 : errno;
    int number = 0;
    for (int pass = 0; pass < PASSES_MAX; pass++) {
        number = remove_entries(folder, depth);
        if (number)
            break;
        number = unlinkat(parent, name, AT_REMOVEDIR) ? errno : 0;
        if (number != ENOTEMPTY && number != EEXIST)
            break;
    }
    close(folder);
    return number == ENOENT ? 0 : number;
}

/* 0, or an errno; what is gone already is fine. */
static int remove_at(int parent, const char *name, int depth)
{
    if (!unlinkat(parent, name, 0) || errno == ENOENT)
        return 0;
    int number = errno;
    if (number != EISDIR && number != EPERM) /* Linux and POSIX, for a folder */
        return number;
    int rc = remove_folder(parent, name, depth);
    return rc == ENOTDIR ? number : rc;
}

int path_remove_tree(const char *path, sdf_error **err)
{
    size_t size = strlen(path);
    while (size > 1 && path[size - 1] == '/') /* "link/" would be the folder behind the link */
        size--;
    char *name = strndup(path, size);
    if (!name)
        return error_no_memory(err);
    int number = remove_at(AT_FDCWD, name, 0);
    free(name);
    if (!number || number == ENOTDIR)
        return SDF_OK;
    int rc = error_errno(err, number, "can't remove \"%s\"", path);
    error_hint(err, "remove it by hand once nobody uses it");
    return rc;
}
