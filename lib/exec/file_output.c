/* The end of a chain that writes a part of an output: records in a format, through a part_writer. Nothing here makes
 * anything visible. */
#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/error.h"
#include "exec/chain.h"
#include "exec/format.h"

typedef struct file_output {
    op base;
    record_format *format;
    part_writer writer;
    part_place place;
    task_reply *reply;
    uint64_t records;
} file_output;

static int file_push(op *self, const sdf_batch *batch, sdf_error **err)
{
    file_output *f = (file_output *)self;
    f->records += batch->count;
    return f->format->write(f->format, &f->writer, batch, err);
}

static int file_finish(op *self, sdf_error **err)
{
    file_output *f = (file_output *)self;
    task_reply *r = f->reply;
    uint64_t digest;
    r->file_final = strdup(f->place.final);
    int rc = r->file_final ? part_writer_finish(&f->writer, &r->file_temp, &digest, err) : error_no_memory(err);
    if (rc)
        return rc;
    uint64_t whole[2] = {digest, f->records};
    r->fingerprint = XXH3_64bits(whole, sizeof whole);
    r->records = f->records;
    r->file_bytes = f->writer.bytes;
    self->env->metrics.records_out += f->records;
    self->env->metrics.bytes_written += f->writer.bytes;
    return SDF_OK;
}

static void file_close(op *self)
{
    file_output *f = (file_output *)self;
    if (f->format)
        f->format->close(f->format);
    part_writer_close(&f->writer);
    free(f);
}

static int make_format(task_env *env, const plan_output *spec, record_format **format, sdf_error **err)
{
    switch (spec->format.kind) {
    case PLAN_FORMAT_TEXT:
        return text_format_new(env, spec, format, err);
    case PLAN_FORMAT_BINARY:
        return binary_format_new(env, spec, format, err);
    case PLAN_FORMAT_DELIMITED:
        return delimited_format_new(env, spec, format, err);
    case PLAN_FORMAT_JSON:
        return json_format_new(env, spec, format, err);
    default:
        return error_set(err, SDF_E_INVALID, "the plan's output has no format that can be written");
    }
}

static int file_open(file_output *f, task_env *env, const plan_output *spec, sdf_error **err)
{
    f->place.uri = spec->uri;
    f->place.single = spec->single;
    f->place.codec = (codec_kind)spec->codec;
    part_place_names(&f->place, env, "", "");
    if (spec->single)
        f->place.final[0] = 0;
    int rc = make_format(env, spec, &f->format, err);
    if (!rc)
        rc = part_writer_open(&f->writer, env, &f->place, err);
    if (!rc && f->format->begin)
        rc = f->format->begin(f->format, &f->writer, err);
    return rc;
}

int file_output_new(task_env *env, const plan_output *spec, task_reply *reply, op **out, sdf_error **err)
{
    if (!spec->uri || !*spec->uri)
        return error_set(err, SDF_E_INVALID, "the plan names no output");
    file_output *f = calloc(1, sizeof *f);
    if (!f)
        return error_no_memory(err);
    f->base = (op){.push = file_push, .finish = file_finish, .close = file_close, .env = env};
    f->reply = reply;
    int rc = file_open(f, env, spec, err);
    if (rc) {
        file_close(&f->base);
        return rc;
    }
    *out = &f->base;
    return SDF_OK;
}
