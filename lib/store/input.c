/* Reading ranges of input files, whatever their source. Finding them is in input_list.c, decompressing in
 * input_stream.c. */
#include "store/input.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "store/source.h"

struct input {
    source *from;
    void *file;
    uint64_t size; /* as planned */
};

int input_open(const task_split *split, input **in, sdf_error **err)
{
    sdf_source_info expected = {
        .struct_size = sizeof expected,
        .name = split->path,
        .size = split->file_size,
        .modified_ns = split->file_mtime_ns,
        .version = split->version != NULL && *split->version != 0 ? split->version : NULL,
    };
    input *i = malloc(sizeof *i);
    if (i == NULL)
        return error_no_memory(err);
    i->from = source_of(split->path);
    i->size = split->file_size;
    int rc = service_enter(&i->from->base, err);
    if (rc == SDF_OK) {
        rc = i->from->ops.open(i->from->base.self, split->path, &expected, &i->file, err);
        if (rc != SDF_OK)
            service_leave(&i->from->base);
    }
    if (rc != SDF_OK) {
        free(i);
        return rc;
    }
    *in = i;
    return SDF_OK;
}

int input_read(input *in, void *data, size_t size, uint64_t offset, size_t *got, sdf_error **err)
{
    *got = 0;
    if (offset >= in->size || size == 0)
        return SDF_OK;
    if (size > in->size - offset)
        size = (size_t)(in->size - offset);
    int rc = in->from->ops.read(in->from->base.self, in->file, data, size, offset, err);
    if (rc == SDF_OK)
        *got = size;
    return rc;
}

void input_close(input *in)
{
    if (in == NULL)
        return;
    in->from->ops.close(in->from->base.self, in->file);
    service_leave(&in->from->base);
    free(in);
}
