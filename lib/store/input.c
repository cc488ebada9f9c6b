/* Reading ranges of input files. Finding them is in input_list.c. */
#include "store/input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/path.h"
#include "store/local.h"

struct input {
    int fd;
    uint64_t size; /* as planned */
    char path[];
};

static int changed(const char *path, sdf_error **err)
{
    error_set(err, SDF_E_CORRUPT, "the input file \"%s\" has changed since the job was planned", path);
    error_hint(err, "run the job again, on files that nobody writes to");
    return SDF_E_CORRUPT;
}

static int check_planned(int fd, const char *path, uint64_t size, int64_t mtime_ns, sdf_error **err)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return local_error(err, errno, "can't look at the input file \"%s\"", path);
    if (!S_ISREG(st.st_mode))
        return error_set(err, SDF_E_INVALID, "the input \"%s\" is not a regular file", path);
    if ((uint64_t)st.st_size != size || (mtime_ns != 0 && mtime_ns != local_mtime_ns(&st)))
        return changed(path, err);
    return SDF_OK;
}

int input_open(const char *path, uint64_t size, int64_t mtime_ns, input **in, sdf_error **err)
{
    /* O_NONBLOCK: the file may have become a FIFO. */
    int fd = local_open(path, O_RDONLY | O_NONBLOCK, 0);
    if (fd < 0)
        return local_error(err, errno, "can't read the input file \"%s\"", path);
    int rc = check_planned(fd, path, size, mtime_ns, err);
    input *i = rc == SDF_OK ? malloc(sizeof *i + strlen(path) + 1) : NULL;
    if (i == NULL) {
        close(fd);
        return rc != SDF_OK ? rc : error_no_memory(err);
    }
    i->fd = fd;
    i->size = size;
    strcpy(i->path, path);
    *in = i;
    return SDF_OK;
}

int input_read(input *in, void *data, size_t size, uint64_t offset, size_t *got, sdf_error **err)
{
    *got = 0;
    if (offset >= in->size)
        return SDF_OK;
    if (size > in->size - offset)
        size = (size_t)(in->size - offset);
    int number = path_read_at(in->fd, data, size, offset, got);
    if (number != 0)
        return local_error(err, number, "can't read the input file \"%s\" at %llu", in->path,
                           (unsigned long long)offset);
    return *got == size ? SDF_OK : changed(in->path, err);
}

void input_close(input *in)
{
    if (in == NULL)
        return;
    close(in->fd);
    free(in);
}
