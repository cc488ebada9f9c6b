/* The source of files of this machine: opening them as they were planned, and reading ranges. Finding them is in
 * file_find.c. Read with pread: a file cut short under a mapping would kill the host. */
#include "store/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/path.h"
#include "store/local.h"

typedef struct source_file {
    int fd;
    char path[];
} source_file;

static int changed(const char *path, sdf_error **err)
{
    error_set(err, SDF_E_CORRUPT, "the input file \"%s\" has changed since the job was planned", path);
    error_hint(err, "run the job again, on files that nobody writes to");
    return SDF_E_CORRUPT;
}

static int check_planned(int fd, const char *path, const sdf_source_info *expected, sdf_error **err)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return local_error(err, errno, "can't look at the input file \"%s\"", path);
    if (!S_ISREG(st.st_mode))
        return error_set(err, SDF_E_INVALID, "the input \"%s\" is not a regular file", path);
    if ((expected->size != 0 && expected->size != (uint64_t)st.st_size) ||
        (expected->modified_ns != 0 && expected->modified_ns != local_mtime_ns(&st)))
        return changed(path, err);
    return SDF_OK;
}

static int file_open(void *self, const char *name, const sdf_source_info *expected, void **file, sdf_error **err)
{
    char *path;
    int rc = local_path(name, &path, err);
    if (rc != SDF_OK)
        return rc;
    source_file *f = malloc(sizeof *f + strlen(path) + 1);
    if (f == NULL) {
        free(path);
        return error_no_memory(err);
    }
    strcpy(f->path, path);
    free(path);
    /* O_NONBLOCK: the file may have become a FIFO. */
    f->fd = local_open(f->path, O_RDONLY | O_NONBLOCK, 0);
    rc = f->fd < 0 ? local_error(err, errno, "can't read the input file \"%s\"", f->path)
                   : check_planned(f->fd, f->path, expected, err);
    if (rc != SDF_OK) {
        if (f->fd >= 0)
            close(f->fd);
        free(f);
        return rc;
    }
    *file = f;
    return SDF_OK;
}

static int file_read(void *self, void *file, void *data, size_t size, uint64_t offset, sdf_error **err)
{
    source_file *f = file;
    size_t got;
    int number = path_read_at(f->fd, data, size, offset, &got);
    if (number != 0)
        return local_error(err, number, "can't read the input file \"%s\" at %llu", f->path,
                           (unsigned long long)offset);
    return got == size ? SDF_OK : changed(f->path, err);
}

static void file_close(void *self, void *file)
{
    source_file *f = file;
    close(f->fd);
    free(f);
}

static void file_destroy(void *self)
{
}

const sdf_source_ops file_source_ops = {
    .struct_size = sizeof file_source_ops,
    .version = SDF_SOURCE_VERSION,
    .scope = SDF_SCOPE_HOST,
    .list = file_find,
    .open = file_open,
    .read = file_read,
    .close = file_close,
    .destroy = file_destroy,
};
