/* Paths of this machine. See local.h. */
#include "store/local.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/path.h"

#define STALE_TRIES 4

static int make_absolute(const char *given, char **path, sdf_error **err)
{
    if (*given == 0)
        return error_set(err, SDF_E_INVALID, "a path is empty");
    char *full;
    if (*given == '/') {
        full = strdup(given);
    } else {
        char *folder = getcwd(NULL, 0);
        if (folder == NULL)
            return error_errno(err, errno, "can't make \"%.200s\" absolute: the working folder has no name", given);
        full = path_join(folder, given);
        free(folder);
    }
    if (full == NULL)
        return error_no_memory(err);
    for (size_t n = strlen(full); n > 1 && full[n - 1] == '/'; n--)
        full[n - 1] = 0;
    *path = full;
    return SDF_OK;
}

int local_file_path(const char *rest, char **path, sdf_error **err)
{
    if (strncmp(rest, "//", 2) == 0 && rest[2] != '/') {
        error_set(err, SDF_E_INVALID, "\"file:%.200s\" names a host", rest);
        error_hint(err, "write \"file:PATH\", or \"file:///PATH\"");
        return SDF_E_INVALID;
    }
    return make_absolute(rest[0] == '/' && rest[1] == '/' ? rest + 2 : rest, path, err);
}

/* The size of "scheme" when uri begins with "scheme://", else 0. */
static size_t scheme_size(const char *uri)
{
    size_t n = 0;
    while ((uri[n] >= 'a' && uri[n] <= 'z') || (n > 0 && ((uri[n] >= '0' && uri[n] <= '9') || uri[n] == '-')))
        n++;
    return n > 0 && strncmp(uri + n, "://", 3) == 0 ? n : 0;
}

int local_path(const char *uri, char **path, sdf_error **err)
{
    if (strncmp(uri, "file:", 5) == 0)
        return local_file_path(uri + 5, path, err);
    size_t scheme = scheme_size(uri);
    if (scheme == 0)
        return make_absolute(uri, path, err);
    error_set(err, SDF_E_UNSUPPORTED, "\"%.200s\": files of the scheme \"%.*s:\" can't be read or written", uri,
              scheme > 32 ? 32 : (int)scheme, uri);
    error_hint(err, "name a path of this machine, or a file: URI, or register that scheme in the program");
    return SDF_E_UNSUPPORTED;
}

int local_error(sdf_error **err, int number, const char *format, ...)
{
    buf what = BUF_EMPTY;
    va_list args;
    va_start(args, format);
    int rc = buf_vprintf(&what, format, args);
    va_end(args);
    char *text = rc == SDF_OK ? buf_take_text(&what) : NULL;
    buf_free(&what);
    if (text == NULL)
        return error_no_memory(err);
    rc = error_errno(err, number, "%s", text);
    free(text);
    if (number == ENOSPC || number == EDQUOT)
        error_hint(err, "free some space there, or choose a folder on another disk");
    else if (number == EFBIG)
        error_hint(err, "raise the limit on file sizes (ulimit -f)");
    else if (number == EMFILE || number == ENFILE)
        error_hint(err, "raise the limit on open files (ulimit -n), or lower the concurrency");
    else if (number == EACCES || number == EPERM || number == EROFS)
        error_hint(err, "check the owner and mode of the file and of the folders above it");
    return rc;
}

int64_t local_mtime_ns(const struct stat *st)
{
    return (int64_t)((uint64_t)st->st_mtim.tv_sec * 1000000000 + (uint64_t)st->st_mtim.tv_nsec);
}

int local_open(const char *path, int flags, unsigned mode)
{
    int stale = 0;
    for (;;) {
        int fd = open(path, flags | O_CLOEXEC | O_NOCTTY, (mode_t)mode);
        if (fd >= 0 || (errno != EINTR && (errno != ESTALE || ++stale == STALE_TRIES)))
            return fd;
    }
}

int local_entries(const char *path, buf *entries)
{
    DIR *folder = opendir(path);
    if (folder == NULL)
        return errno;
    int number = 0;
    struct dirent *d;
    while (number == 0 && (errno = 0, d = readdir(folder)) != NULL) {
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
            continue;
        if (buf_append(entries, &d->d_type, 1) != SDF_OK ||
            buf_append(entries, d->d_name, strlen(d->d_name) + 1) != SDF_OK)
            number = ENOMEM;
    }
    if (number == 0)
        number = errno;
    closedir(folder);
    return number;
}

bool local_same_file(const char *path, const struct stat *file)
{
    struct stat st;
    return lstat(path, &st) == 0 && st.st_ino == file->st_ino && st.st_dev == file->st_dev;
}

/* As local_name_new; ENOSYS: it can't be done this way here. */
static int name_by_rename(const char *from, const char *to, const struct stat *file)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return 0;
    int number = errno;
    if (local_same_file(to, file))
        return 0;
    return number == EINVAL || number == ENOTSUP ? ENOSYS : number;
}

static int name_by_link(const char *from, const char *to, const struct stat *file)
{
    int number = link(from, to) == 0 ? 0 : errno;
    struct stat st;
    if (number != 0 && ((lstat(from, &st) == 0 && st.st_nlink == 2) || local_same_file(to, file)))
        number = 0;
    if (number == 0)
        unlink(from); /* if that fails, it goes with what is left over */
    return number;
}

int local_name_new(const char *from, const char *to, const struct stat *file, int *no_flags)
{
    if (!__atomic_load_n(no_flags, __ATOMIC_RELAXED)) {
        int number = name_by_rename(from, to, file);
        if (number != ENOSYS)
            return number;
        __atomic_store_n(no_flags, 1, __ATOMIC_RELAXED);
    }
    return name_by_link(from, to, file);
}

int local_sync_folder(const char *path)
{
    int fd = local_open(path, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return errno;
    int number = fsync(fd) == 0 || errno == EINVAL || errno == ENOTSUP ? 0 : errno;
    close(fd);
    return number;
}

int local_sync_parent(const char *path)
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
