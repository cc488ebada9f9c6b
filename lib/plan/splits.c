/* Sources into splits: which files there are now, and which byte range of them each task reads. Text ranges are cut
 * anywhere (the reader takes the lines that begin in its range); binary ranges at records. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "plan/planner.h"
#include "store/input.h"

void splits_free(task_split *splits, uint32_t count)
{
    for (uint32_t i = 0; splits && i < count; i++)
        free(splits[i].path);
    free(splits);
}

static int check_records(const node *source, const input_file *file, sdf_error **err)
{
    if (source->kind != NODE_BINARY || file->size % source->record_bytes == 0)
        return SDF_OK;
    error_set(err, SDF_E_CORRUPT,
              "%s has %llu bytes, which is no whole number of %u-byte records (%llu bytes are over)", file->path,
              (unsigned long long)file->size, source->record_bytes,
              (unsigned long long)(file->size % source->record_bytes));
    error_hint(err, "the file may be cut short, or record_bytes may be wrong");
    return SDF_E_CORRUPT;
}

/* A remainder below a tenth of a split goes with the split before it: a task of its own would not pay. */
static uint64_t splits_of(uint64_t size, uint64_t split)
{
    uint64_t whole = size / split, rest = size % split;
    return whole && rest < split / 10 ? whole : whole + (rest > 0);
}

static uint64_t split_size(const node *source, uint64_t default_bytes)
{
    uint64_t split = source->split_bytes ? source->split_bytes : default_bytes;
    if (source->kind == NODE_BINARY)
        split -= split % source->record_bytes;
    if (!split)
        split = source->kind == NODE_BINARY ? source->record_bytes : 1;
    return split;
}

static int split_fill(task_split *s, const input_file *file, uint64_t offset, uint64_t length, sdf_error **err)
{
    s->path = strdup(file->path);
    if (!s->path)
        return error_no_memory(err);
    s->offset = offset;
    s->length = length;
    s->file_size = file->size;
    s->file_mtime_ns = file->mtime_ns;
    return SDF_OK;
}

static int split_files(uint64_t split, const input_file *files, size_t file_count, task_split *splits, sdf_error **err)
{
    task_split *at = splits;
    for (size_t f = 0; f < file_count; f++) {
        uint64_t parts = splits_of(files[f].size, split);
        for (uint64_t i = 0; i < parts; i++) {
            uint64_t offset = i * split, end = i + 1 == parts ? files[f].size : offset + split;
            int rc = split_fill(at++, &files[f], offset, end - offset, err);
            if (rc)
                return rc;
        }
    }
    return at == splits ? split_fill(at, &files[0], 0, 0, err)
                        : SDF_OK; /* no data: one empty split, so that outputs exist */
}

static int count_splits(const node *source, uint64_t split, const input_file *files, size_t file_count, uint32_t *count,
                        sdf_error **err)
{
    uint64_t total = 0;
    for (size_t f = 0; f < file_count; f++) {
        int rc = check_records(source, &files[f], err);
        if (rc)
            return rc;
        total += splits_of(files[f].size, split);
        if (total > PLAN_TASKS_MAX) {
            error_set(err, SDF_E_LIMIT, "splits of %llu bytes make more than %u tasks", (unsigned long long)split,
                      PLAN_TASKS_MAX);
            error_hint(err, "raise split_bytes");
            return SDF_E_LIMIT;
        }
    }
    *count = total ? (uint32_t)total : 1;
    return SDF_OK;
}

int splits_make(const node *source, uint64_t default_split_bytes, task_split **splits, uint32_t *count, sdf_error **err)
{
    input_file *files = NULL;
    size_t file_count = 0;
    int rc = input_list(source->uris, &files, &file_count, err);
    if (rc)
        return rc;
    uint64_t split = split_size(source, default_split_bytes);
    *splits = NULL;
    rc = count_splits(source, split, files, file_count, count, err);
    if (!rc && !(*splits = calloc(*count, sizeof **splits)))
        rc = error_no_memory(err);
    if (!rc)
        rc = split_files(split, files, file_count, *splits, err);
    input_list_free(files, file_count);
    if (rc) {
        splits_free(*splits, *count);
        *splits = NULL;
    }
    return rc;
}
