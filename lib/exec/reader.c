/* See reader.h. The buffer is no larger than the split needs, since many small files are common; it grows only for a
 * unit that is longer than it. */
#include "exec/reader.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "exec/range.h"

#define READ_PAST    (16u << 10) /* bytes read behind the stretch's end to finish its last unit */
#define BUFFER_LEAST 4096u

int reader_too_long(const reader *r, const char *unit, uint64_t most, sdf_error **err)
{
    error_set(err, SDF_E_LIMIT, "\"%s\": the %s at byte %llu is longer than max_%s, %llu bytes", r->split->path, unit,
              (unsigned long long)r->at, unit, (unsigned long long)most);
    error_hint(err, "raise max_%s in the options of the source, or look whether this is such a file at all", unit);
    return SDF_E_LIMIT;
}

static int too_large(const reader *r, const char *unit, size_t wanted, sdf_error **err)
{
    error_set(err, SDF_E_NO_MEMORY,
              "\"%s\": the %s at byte %llu is longer than %zu bytes, and a buffer of %zu does not fit "
              "in the %llu bytes of memory of this task",
              r->split->path, unit, (unsigned long long)r->at, r->capacity, wanted,
              (unsigned long long)r->env->budget->limit);
    error_hint(err, "raise the memory budget (setting \"memory\", option --memory)");
    return SDF_E_NO_MEMORY;
}

/* Charges and resizes the buffer; what is in it stays. */
static int reader_resize(reader *r, const char *unit, size_t capacity, sdf_error **err)
{
    budget *b = r->env->budget;
    sdf_error *why = NULL;
    if (budget_take(b, capacity - r->capacity, NULL, &why)) {
        if (r->capacity && sdf_error_code(why) == SDF_E_NO_MEMORY) {
            sdf_error_free(why);
            return too_large(r, unit, capacity, err);
        }
        return error_move(err, &why);
    }
    uint8_t *bytes = realloc(r->bytes, capacity);
    if (!bytes) {
        budget_give(b, capacity - r->capacity);
        return error_no_memory(err);
    }
    r->bytes = bytes;
    r->capacity = capacity;
    return SDF_OK;
}

/* A unit fills the buffer: twice as much, or what the longest one needs, or what the budget has left. */
static int reader_grow(reader *r, const char *unit, uint64_t most, sdf_error **err)
{
    uint64_t more = r->capacity, left = budget_left(r->env->budget);
    if (most && r->capacity - 2 > most)
        return reader_too_long(r, unit, most, err);
    if (most && most < UINT64_MAX / 2 && r->capacity + more > most + READ_PAST)
        more = most + READ_PAST - r->capacity; /* enough to tell that it is too long */
    if (more > left && left >= SOURCE_BYTES)
        more = left;
    return reader_resize(r, unit, r->capacity + more, err);
}

int reader_open(reader *r, task_env *env, uint64_t want, sdf_error **err)
{
    const task_split *s = &env->piece->split;
    uint64_t eighth = env->budget->limit / 8, past = want < UINT64_MAX - READ_PAST ? want + READ_PAST : want;
    *r = (reader){.env = env, .split = s};
    int rc = s->codec ? SDF_OK : input_open(s, &r->file, err);
    if (rc)
        return rc;
    uint64_t size = past < SOURCE_BYTES ? past : SOURCE_BYTES;
    size = size < eighth ? size : eighth;
    return reader_resize(r, "", size < BUFFER_LEAST ? BUFFER_LEAST : size, err);
}

void reader_close(reader *r)
{
    input_close(r->file);
    input_stream_close(r->stream);
    free(r->bytes);
    if (r->env)
        budget_give(r->env->budget, r->capacity);
    memset(r, 0, sizeof *r);
}

int reader_seek(reader *r, uint64_t at, sdf_error **err)
{
    r->begin = r->end = 0;
    r->at = at;
    if (r->file) {
        r->ended = at >= r->split->file_size;
        return SDF_OK;
    }
    input_stream_close(r->stream);
    r->stream = NULL;
    r->counted = 0;
    r->ended = false;
    return input_stream_open(r->split, at, r->env->budget, &r->stream, err);
}

static int fill_plain(reader *r, sdf_error **err)
{
    size_t held = reader_held(r), got;
    uint64_t from = r->at + held, want = r->capacity - held,
             past = r->exact           ? 0
                    : held > READ_PAST ? held
                                       : READ_PAST,
             rest = from < r->stop ? r->stop - from : 0, left = r->split->file_size - from;
    if (rest < UINT64_MAX - past && want > rest + past) /* stop may be as far as numbers go */
        want = rest + past;
    want = want > left ? left : want;
    int rc = input_read(r->file, r->bytes + r->end, want, from, &got, err);
    if (rc)
        return rc;
    if (!got)
        return error_set(err, SDF_E_CORRUPT, "\"%s\" ends at byte %llu, it had %llu bytes when the job was planned",
                         r->split->path, (unsigned long long)from, (unsigned long long)r->split->file_size);
    r->env->metrics.bytes_read += got;
    r->end += got;
    r->ended = got == left;
    return SDF_OK;
}

static int fill_stream(reader *r, sdf_error **err)
{
    size_t got = 0;
    int rc = input_stream_read(r->stream, r->bytes + r->end, r->capacity - r->end, &got, err);
    uint64_t stored = input_stream_stored(r->stream);
    r->env->metrics.bytes_read += stored - r->counted;
    r->counted = stored;
    if (rc < 0)
        return rc;
    r->ended = rc == SDF_END;
    r->end += got;
    return SDF_OK;
}

int reader_fill(reader *r, const char *unit, uint64_t most, sdf_error **err)
{
    size_t held = reader_held(r);
    if (r->ended)
        return SDF_OK;
    if (r->begin) {
        memmove(r->bytes, r->bytes + r->begin, held);
        r->begin = 0;
        r->end = held;
    }
    if (held == r->capacity) {
        int rc = reader_grow(r, unit, most, err);
        if (rc)
            return rc;
    }
    return r->file ? fill_plain(r, err) : fill_stream(r, err);
}
