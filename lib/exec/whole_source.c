/* A file as one record: its name as key, its bytes as value. */
#include "base/error.h"
#include "exec/range.h"
#include "exec/reader.h"
#include "exec/sources.h"

static int whole_push(const reader *r, op *first, sdf_error **err)
{
    static const uint64_t offset = 0;
    sdf_slice name = {r->split->path, strlen(r->split->path)}, bytes = {r->bytes + r->begin, reader_held(r)};
    sdf_batch batch = {.count = 1, .offsets = &offset};
    column_set_slices(&batch.key, &name);
    column_set_slices(&batch.value, &bytes);
    return op_push(first, &batch, err);
}

static int whole_read(reader *r, uint64_t most, sdf_error **err)
{
    int rc = reader_seek(r, 0, err);
    while (!rc && !r->ended && (!most || reader_held(r) <= most))
        rc = reader_fill(r, "file", 0, err);
    if (rc || !most || reader_held(r) <= most)
        return rc;
    error_set(err, SDF_E_LIMIT, "\"%s\" is longer than max_line, %llu bytes", r->split->path, (unsigned long long)most);
    error_hint(err, "raise max_line in the options of sdf_whole_files, or leave the file out");
    return SDF_E_LIMIT;
}

int whole_source_run(task_env *env, const plan_input *in, op *first, sdf_error **err)
{
    const task_split *s = &env->piece->split;
    range part;
    reader r = {0};
    int rc = range_open(&part, env, reader_file_end(s), true, err);
    if (rc || !part.chunks)
        return rc;
    if (part.start || part.bounded)
        return error_set(err, SDF_E_INVALID, "the request for \"%s\" can't be: a file that is one record is read whole",
                         s->path);
    rc = reader_open(&r, env, s->codec ? SOURCE_BYTES : s->file_size, err);
    r.stop = UINT64_MAX;
    if (!rc)
        rc = whole_read(&r, in->format.max_record, err);
    if (!rc)
        rc = whole_push(&r, first, err);
    reader_close(&r);
    if (rc)
        return rc;
    range_seen(&part, s->file_size);
    return range_step(&part, 1, part.stop, err);
}
