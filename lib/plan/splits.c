/* Files into the pieces of tasks: which files there are now, and which byte ranges of them each task reads. Large files
 * are cut in parts: text anywhere (the reader takes the lines that begin in its range), binary at records. What can't
 * be cut (a compressed file, a file that is one record, rows of several lines) is one part. Small parts that follow one
 * another share a task. */
#include <stdlib.h>
#include <string.h>

#include <sdf/sys/store.h>

#include "base/error.h"
#include "codec/codec.h"
#include "plan/planner.h"
#include "store/input.h"

#define PACK_BYTES_MIN   (UINT64_C(4) << 20) /* a task's share of small files, if there are so many bytes */
#define PACK_ROUNDS      2                   /* tasks for each that runs at once, so that they end together */
#define COMPRESSED_TIMES 4                   /* what a compressed byte is taken to be worth of work */

typedef struct splitter {
    const node *source;
    uint64_t split; /* bytes of a part */
    uint64_t share; /* bytes of a task */
    plan_piece *pieces;
    uint32_t *first;
    uint32_t piece_count, piece_room;
    uint32_t tasks, task_room;
    uint64_t held; /* bytes of the last task so far */
} splitter;

static bool is_whole(const node *source, codec_kind codec)
{
    const plan_format *f = &source->format;
    return codec != CODEC_NONE || f->kind == PLAN_FORMAT_WHOLE || (f->kind == PLAN_FORMAT_DELIMITED && f->multiline);
}

static int check_records(const node *source, const input_file *file, sdf_error **err)
{
    uint32_t record = source->format.record_bytes;
    if (source->format.kind != PLAN_FORMAT_BINARY || codec_of_path(file->name) != CODEC_NONE ||
        file->size % record == 0)
        return SDF_OK;
    error_set(err, SDF_E_CORRUPT,
              "%s has %llu bytes, which is no whole number of %u-byte records (%llu bytes are over)", file->name,
              (unsigned long long)file->size, record, (unsigned long long)(file->size % record));
    error_hint(err, "the file may be cut short, or record_bytes may be wrong");
    return SDF_E_CORRUPT;
}

static uint64_t split_size(const node *source, uint64_t default_bytes)
{
    uint64_t split = source->split_bytes ? source->split_bytes : default_bytes;
    if (source->format.kind == PLAN_FORMAT_BINARY) {
        split -= split % source->format.record_bytes;
        split = split ? split : source->format.record_bytes;
    }
    return split ? split : 1;
}

/* What a task is given of small files: enough to be worth its while, and so that all processors have some. */
static uint64_t share_size(const planner_config *config, uint64_t split, const input_file *files, size_t count)
{
    uint64_t total = 0, tasks = (uint64_t)PACK_ROUNDS * (config->concurrency ? config->concurrency : 1);
    for (size_t i = 0; i < count; i++) {
        uint64_t times = codec_of_path(files[i].name) == CODEC_NONE ? 1 : COMPRESSED_TIMES, weight;
        if (__builtin_mul_overflow(files[i].size, times, &weight) || __builtin_add_overflow(total, weight, &total))
            total = UINT64_MAX;
    }
    uint64_t share = total / tasks < PACK_BYTES_MIN ? PACK_BYTES_MIN : total / tasks;
    return share < split ? share : split;
}

/* A remainder below a tenth of a split goes with the split before it: a task of its own would not pay. */
static uint64_t splits_of(uint64_t size, uint64_t split)
{
    uint64_t whole = size / split, rest = size % split;
    return whole && rest < split / 10 ? whole : whole + (rest > 0);
}

/* ---- pieces and tasks ---- */

static int refuse(const splitter *s, sdf_error **err)
{
    error_set(err, SDF_E_LIMIT, "splits of %llu bytes make more than %u tasks", (unsigned long long)s->split,
              PLAN_TASKS_MAX);
    error_hint(err, "raise split_bytes");
    return SDF_E_LIMIT;
}

static int grow(splitter *s)
{
    if (s->piece_count == s->piece_room) {
        uint32_t room = s->piece_room ? s->piece_room * 2 : 16;
        plan_piece *pieces = realloc(s->pieces, room * sizeof *pieces);
        if (!pieces)
            return SDF_E_NO_MEMORY;
        s->pieces = pieces;
        s->piece_room = room;
    }
    if (s->tasks + 1 >= s->task_room) { /* one more than tasks */
        uint32_t room = s->task_room ? s->task_room * 2 : 16;
        uint32_t *first = realloc(s->first, room * sizeof *first);
        if (!first)
            return SDF_E_NO_MEMORY;
        s->first = first;
        s->task_room = room;
    }
    return SDF_OK;
}

/* A part of a file, for the task before it or a new one. */
static int add_part(splitter *s, const input_file *file, uint64_t offset, uint64_t length, uint64_t weight,
                    sdf_error **err)
{
    if (s->piece_count == PLAN_TASKS_MAX)
        return refuse(s, err);
    if (grow(s))
        return error_no_memory(err);
    plan_piece *p = &s->pieces[s->piece_count];
    *p = (plan_piece){.partition = s->piece_count};
    p->split = (task_split){.offset = offset,
                            .length = length,
                            .file_size = file->size,
                            .file_mtime_ns = file->mtime_ns,
                            .codec = (uint8_t)codec_of_path(file->name)};
    s->piece_count++;
    if (!s->tasks || s->held > s->share || weight > s->share - s->held) {
        s->first[s->tasks++] = s->piece_count - 1;
        s->held = 0;
    }
    s->first[s->tasks] = s->piece_count;
    if (__builtin_add_overflow(s->held, weight, &s->held))
        s->held = UINT64_MAX;
    if (!(p->split.path = strdup(file->name)) || (file->version && !(p->split.version = strdup(file->version))))
        return error_no_memory(err);
    return SDF_OK;
}

static int add_file(splitter *s, const input_file *file, sdf_error **err)
{
    codec_kind codec = codec_of_path(file->name);
    int rc = check_records(s->source, file, err);
    if (rc)
        return rc;
    if (codec != CODEC_NONE) {
        uint64_t weight;
        if (__builtin_mul_overflow(file->size, (uint64_t)COMPRESSED_TIMES, &weight))
            weight = UINT64_MAX;
        return add_part(s, file, 0, UINT64_MAX, weight, err);
    }
    if (is_whole(s->source, codec)) /* an empty one, too: a whole file is a record even so */
        return add_part(s, file, 0, file->size, file->size, err);
    uint64_t parts = splits_of(file->size, s->split);
    if (parts > PLAN_TASKS_MAX)
        return refuse(s, err);
    for (uint64_t i = 0; i < parts && !rc; i++) {
        uint64_t offset = i * s->split, end = i + 1 == parts ? file->size : offset + s->split;
        rc = add_part(s, file, offset, end - offset, end - offset, err);
    }
    return rc;
}

/* ---- the whole ---- */

static int check_scope(const node *source, const planner_config *config, uint32_t scope, sdf_error **err)
{
    if (!config->scope || scope >= config->scope)
        return SDF_OK;
    error_set(err, SDF_E_SCOPE, "%s reads what only %s can read, and the transport's workers are not there",
              source->label, scope == SDF_SCOPE_PROCESS ? "this process" : "this machine");
    error_hint(err, "put the files where every worker can read them, or use a transport whose workers are %s",
               scope == SDF_SCOPE_PROCESS ? "in this process (threads:)" : "on this machine (threads:, process:)");
    return SDF_E_SCOPE;
}

int splits_make(const node *source, const planner_config *config, stage_pieces *pieces, uint32_t *tasks,
                sdf_error **err)
{
    input_file *files = NULL;
    size_t count = 0;
    uint32_t scope = SDF_SCOPE_NETWORK;
    *pieces = (stage_pieces){NULL, NULL};
    *tasks = 0;
    int rc = input_list(source->uris, &files, &count, &scope, err);
    if (rc)
        return rc;
    splitter s = {.source = source, .split = split_size(source, config->split_bytes)};
    s.share = share_size(config, s.split, files, count);
    rc = check_scope(source, config, scope, err);
    for (size_t i = 0; i < count && !rc; i++)
        rc = add_file(&s, &files[i], err);
    if (!rc && !s.tasks) /* no data: one empty part, so that outputs exist */
        rc = count ? add_part(&s, &files[0], 0, 0, 0, err)
                   : error_set(err, SDF_E_NOT_FOUND, "%s names no file", source->label);
    input_list_free(files, count);
    *pieces = (stage_pieces){s.pieces, s.first};
    *tasks = s.tasks;
    if (!rc)
        return SDF_OK;
    if (s.first)
        stage_pieces_clear(pieces, s.tasks);
    else
        free(s.pieces); /* none was filled in yet */
    *pieces = (stage_pieces){NULL, NULL};
    *tasks = 0;
    return rc;
}
