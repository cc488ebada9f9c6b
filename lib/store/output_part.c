/* Output folders, the worker's side: one temporary file. */
#include "store/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/path.h"
#include "store/local.h"
#include "store/store.h"

/* Written bytes are handed to the disk in such steps, so that the sync at the end has little left to wait for. */
#define WRITEBACK_BYTES (UINT64_C(8) << 20)

struct output_part {
    char *path;
    int fd;
    int number;            /* errno of the first failed write: the file can't be closed well any more */
    uint64_t size, handed; /* to the disk */
};

static void part_free(output_part *p)
{
    if (p->fd >= 0)
        close(p->fd);
    free(p->path);
    free(p);
}

static int open_error(const char *path, int number, sdf_error **err)
{
    int rc = local_error(err, number, "can't make the output file \"%s\"", path);
    if (number == ENOENT)
        error_hint(err, "the job's output folder is gone, or this machine does not see the driver's");
    return rc;
}

/* Folders are never made here: an attempt that outlives its job must not bring them back. */
int output_part_open(const char *uri, const char *temp, output_part **part, sdf_error **err)
{
    if (strncmp(temp, "_temporary/", 11) != 0 || strchr(temp + 11, '/') != NULL ||
        store_check_name(temp, NULL) != SDF_OK)
        return error_set(err, SDF_E_INVALID, "\"%.100s\" can't be a temporary file of an output", temp);
    char *folder;
    int rc = local_path(uri, &folder, err);
    if (rc != SDF_OK)
        return rc;
    output_part *p = calloc(1, sizeof *p);
    char *path = path_join(folder, temp);
    free(folder);
    if (p == NULL || path == NULL) {
        free(p);
        free(path);
        return error_no_memory(err);
    }
    p->path = path;
    p->fd = local_open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0666);
    if (p->fd < 0) {
        rc = open_error(path, errno, err);
        part_free(p);
        return rc;
    }
    *part = p;
    return SDF_OK;
}

int output_part_write(output_part *part, const void *data, size_t size, sdf_error **err)
{
    if (part->number == 0)
        part->number = path_write_all(part->fd, data, size);
    if (part->number != 0)
        return local_error(err, part->number, "can't write the output file \"%s\"", part->path);
    part->size += size;
    if (part->size - part->handed >= WRITEBACK_BYTES) {
        /* Only a wish: what fails here is told by the sync at the end. */
        sync_file_range(part->fd, (off_t)part->handed, (off_t)(part->size - part->handed), SYNC_FILE_RANGE_WRITE);
        part->handed = part->size;
    }
    return SDF_OK;
}

int output_part_close(output_part *part, sdf_error **err)
{
    int number = part->number;
    if (number == 0 && fdatasync(part->fd) != 0)
        number = errno;
    if (close(part->fd) != 0 && number == 0)
        number = errno;
    part->fd = -1;
    int rc = SDF_OK;
    if (number != 0) {
        rc = local_error(err, number, "can't write the output file \"%s\"", part->path);
        unlink(part->path);
    }
    part_free(part);
    return rc;
}

void output_part_abort(output_part *part)
{
    if (part == NULL)
        return;
    unlink(part->path);
    part_free(part);
}
