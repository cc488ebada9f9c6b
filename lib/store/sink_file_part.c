/* The file sink, the worker's side: one temporary file. Folders are never made here: an attempt that outlives its job
 * must not bring them back. */
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

/* Written bytes are handed to the disk in such steps, so that the sync at the end has little left to wait for. */
#define WRITEBACK_BYTES (UINT64_C(8) << 20)

typedef struct file_part {
    char *path;
    const char *ticket; /* its last part */
    int fd;
    int number;            /* errno of the first failed write: the file can't be closed well any more */
    uint64_t size, handed; /* to the disk */
} file_part;

char *file_temporary(const char *path, const char *token, int single)
{
    if (!single)
        return path_join(path, "_temporary");
    const char *slash = strrchr(path, '/');
    size_t folder = (size_t)(slash - path) + 1, size = strlen(path) + strlen(token) + sizeof "..._temporary";
    char *full = malloc(size);
    if (full != NULL)
        snprintf(full, size, "%.*s.%s.%s._temporary", (int)folder, path, slash + 1, token);
    return full;
}

static void part_free(file_part *p)
{
    if (p->fd >= 0)
        close(p->fd);
    free(p->path);
    free(p);
}

/* TEMPORARY/TOKEN-ATTEMPT: attempts of a job whose folder was replaced by another's stay apart from that one's. */
static char *part_path(const char *name, const char *token, int single, const char *attempt, sdf_error **err)
{
    char *path;
    if (local_path(name, &path, err) != SDF_OK)
        return NULL;
    char *temporary = file_temporary(path, token, single);
    size_t size = (temporary != NULL ? strlen(temporary) : 0) + strlen(token) + strlen(attempt) + 3;
    char *full = temporary != NULL ? malloc(size) : NULL;
    if (full != NULL)
        snprintf(full, size, "%s/%s-%s", temporary, token, attempt);
    else
        error_no_memory(err);
    free(temporary);
    free(path);
    return full;
}

int file_part_open(void *self, const char *name, const char *token, int single, const char *attempt, const char *final,
                   void **part, sdf_error **err)
{
    sdf_error *cause = NULL;
    file_part *p = calloc(1, sizeof *p);
    char *path = p != NULL ? part_path(name, token, single, attempt, &cause) : NULL;
    if (path == NULL) {
        free(p);
        return cause != NULL ? error_move(err, &cause) : error_no_memory(err);
    }
    p->path = path;
    p->ticket = strrchr(path, '/') + 1;
    p->fd = local_open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0666);
    if (p->fd < 0) {
        int number = errno, rc = local_error(err, number, "can't make the output file \"%s\"", path);
        if (number == ENOENT)
            error_hint(err, "the job's output folder is gone, or this machine does not see the driver's");
        part_free(p);
        return rc;
    }
    *part = p;
    return SDF_OK;
}

int file_part_write(void *self, void *part, const void *data, size_t size, sdf_error **err)
{
    file_part *p = part;
    if (p->number == 0)
        p->number = path_write_all(p->fd, data, size);
    if (p->number != 0)
        return local_error(err, p->number, "can't write the output file \"%s\"", p->path);
    p->size += size;
    if (p->size - p->handed >= WRITEBACK_BYTES) {
        /* Only a wish: what fails here is told by the sync at the end. */
        sync_file_range(p->fd, (off_t)p->handed, (off_t)(p->size - p->handed), SYNC_FILE_RANGE_WRITE);
        p->handed = p->size;
    }
    return SDF_OK;
}

int file_part_close(void *self, void *part, char *ticket, size_t capacity, sdf_error **err)
{
    file_part *p = part;
    int number = p->number;
    if (number == 0 && fdatasync(p->fd) != 0)
        number = errno;
    if (close(p->fd) != 0 && number == 0)
        number = errno;
    p->fd = -1;
    int rc = SDF_OK;
    if (number == 0 && strlen(p->ticket) >= capacity)
        number = ENAMETOOLONG;
    if (number != 0) {
        rc = local_error(err, number, "can't write the output file \"%s\"", p->path);
        unlink(p->path);
    } else {
        strcpy(ticket, p->ticket);
    }
    part_free(p);
    return rc;
}

void file_part_abort(void *self, void *part)
{
    file_part *p = part;
    unlink(p->path);
    part_free(p);
}
