/* Lines of a split: read into one buffer, found by masks, pushed as views of it. Records have no key.
 *
 * A line belongs to the split in which it begins. A split that does not begin at the file's start therefore passes over
 * what is left of the line that its first byte lies in; it looks at the byte before, so that a line that begins exactly
 * there stays. The buffer grows only for a line that is longer than it. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "exec/range.h"
#include "exec/scan.h"
#include "store/input.h"

#define READ_PAST (16u << 10) /* bytes read behind the split's end to finish its last line */
#define SCAN_MOST ((size_t)64 << 20)

typedef struct text {
    leg leg;
    op *first;
    input *in;
    const scan_ops *scan;
    uint64_t max_line;
    uint64_t stop; /* of the stretch that is being read */
    uint8_t *bytes;
    size_t capacity;
    size_t begin, end; /* bytes[begin..end) is what was read and not yet pushed */
    size_t seen;       /* of it without a newline */
    uint64_t at;       /* file offset of bytes[begin] */
    sdf_slice lines[SDF_BATCH_MAX];
    size_t ends[SDF_BATCH_MAX];
} text;

static uint64_t text_read_to(const text *t)
{
    return t->at + (t->end - t->begin);
}

static bool text_at_end(const text *t)
{
    return text_read_to(t) >= t->leg.split->file_size;
}

static int line_too_long(const text *t, sdf_error **err)
{
    error_set(err, SDF_E_LIMIT, "\"%s\": the line at byte %llu is longer than max_line, %llu bytes", t->leg.split->path,
              (unsigned long long)t->at, (unsigned long long)t->max_line);
    error_hint(err, "raise max_line in the options of sdf_text_file, or look whether this is a text file at all");
    return SDF_E_LIMIT;
}

static int line_too_large(const text *t, size_t wanted, sdf_error **err)
{
    error_set(err, SDF_E_NO_MEMORY,
              "\"%s\": the line at byte %llu is longer than %zu bytes, and a buffer of %zu does not fit "
              "in the %llu bytes of memory of this task",
              t->leg.split->path, (unsigned long long)t->at, t->capacity, wanted,
              (unsigned long long)t->leg.env->budget->limit);
    error_hint(err, "raise the memory budget (setting \"memory\", option --memory), or set max_line to fail early");
    return SDF_E_NO_MEMORY;
}

/* Charges and resizes the buffer; what is in it stays. */
static int text_resize(text *t, size_t capacity, sdf_error **err)
{
    budget *b = t->leg.env->budget;
    sdf_error *why = NULL;
    if (budget_take(b, capacity - t->capacity, NULL, &why)) {
        if (t->capacity && sdf_error_code(why) == SDF_E_NO_MEMORY) {
            sdf_error_free(why);
            return line_too_large(t, capacity, err);
        }
        return error_move(err, &why);
    }
    uint8_t *bytes = realloc(t->bytes, capacity);
    if (!bytes) {
        budget_give(b, capacity - t->capacity);
        return error_no_memory(err);
    }
    t->bytes = bytes;
    t->capacity = capacity;
    return SDF_OK;
}

/* A line fills the buffer: twice as much, or all that the budget has left if that is less. */
static int text_grow(text *t, sdf_error **err)
{
    uint64_t more = t->capacity, left = budget_left(t->leg.env->budget);
    if (t->max_line && t->capacity - 2 > t->max_line)
        return line_too_long(t, err);
    if (more > left && left >= SOURCE_BYTES)
        more = left;
    return text_resize(t, t->capacity + more, err);
}

/* Reads on, to a little behind the stretch's end (further if the line at hand is long). There is more of the file when
 * this is called. */
static int text_fill(text *t, sdf_error **err)
{
    size_t held = t->end - t->begin, got;
    if (t->begin) {
        memmove(t->bytes, t->bytes + t->begin, held);
        t->begin = 0;
        t->end = held;
    }
    if (held == t->capacity) {
        int rc = text_grow(t, err);
        if (rc)
            return rc;
    }
    uint64_t from = text_read_to(t), want = t->capacity - held;
    uint64_t past = held > READ_PAST ? held : READ_PAST, useful = (from < t->stop ? t->stop - from : 0) + past,
             left = t->leg.split->file_size - from;
    want = want > useful ? useful : want;
    want = want > left ? left : want;
    int rc = input_read(t->in, t->bytes + held, want, from, &got, err);
    if (rc)
        return rc;
    if (!got)
        return error_set(err, SDF_E_CORRUPT, "\"%s\" ends at byte %llu, it had %llu bytes when the job was planned",
                         t->leg.split->path, (unsigned long long)from, (unsigned long long)t->leg.split->file_size);
    t->leg.env->metrics.bytes_read += got;
    t->end += got;
    return SDF_OK;
}

/* Goes to an offset; what is buffered is forgotten. */
static void text_seek(text *t, uint64_t at)
{
    t->begin = t->end = t->seen = 0;
    t->at = at;
}

/* Passes over everything to behind the next newline, or to the stretch's end. */
static int text_skip_line(text *t, sdf_error **err)
{
    while (t->at < t->stop) {
        const uint8_t *from = t->bytes + t->begin, *nl = memchr(from, '\n', t->end - t->begin);
        size_t passed = nl ? (size_t)(nl - from) + 1 : t->end - t->begin;
        t->at += passed;
        t->begin += passed;
        if (nl || t->at >= t->leg.split->file_size)
            return SDF_OK;
        int rc = text_fill(t, err);
        if (rc)
            return rc;
    }
    return SDF_OK;
}

/* Lines that are complete in the buffer and begin before the stretch's end, at most `room`. */
static int text_find(text *t, size_t room, size_t *count, sdf_error **err)
{
    const uint8_t *from = t->bytes + t->begin;
    size_t held = t->end - t->begin, window = held - t->seen, start = 0, n = 0;
    window = window > SCAN_MOST ? SCAN_MOST : window;
    size_t found = t->scan->newlines(from + t->seen, window, t->ends, room);
    for (; n < found && t->at + start < t->stop; n++) {
        size_t end = t->ends[n] + t->seen, size = end - start;
        if (size && from[end - 1] == '\r')
            size--;
        if (t->max_line && size > t->max_line) {
            t->at += start;
            return line_too_long(t, err);
        }
        t->lines[n] = (sdf_slice){from + start, size};
        start = end + 1;
    }
    t->at += start;
    t->begin += start;
    t->seen = found ? 0 : t->seen + window;
    *count = n;
    return SDF_OK;
}

/* The file's last line, when no newline ends it. */
static int text_last(text *t, size_t *count, sdf_error **err)
{
    size_t size = t->end - t->begin;
    if (t->max_line && size > t->max_line)
        return line_too_long(t, err);
    t->lines[0] = (sdf_slice){t->bytes + t->begin, size};
    t->at += size;
    t->begin = t->end;
    *count = 1;
    return SDF_OK;
}

/* The lines were handed on: their bytes are behind `begin`. */
static int text_push(text *t, size_t count, sdf_error **err)
{
    sdf_batch batch = {.count = count};
    column_set_null(&batch.key);
    column_set_slices(&batch.value, t->lines);
    int rc = op_push(t->first, &batch, err);
    const uint8_t *from = t->lines[0].data;
    poison(t->bytes + (from - t->bytes), (size_t)(t->bytes + t->begin - from));
    return rc;
}

/* Lines that begin in [at, stop): SDF_OK at the end, OP_STOP after a cut or when nobody wants more (*wanted false). */
static int text_stretch(text *t, bool *wanted, sdf_error **err)
{
    while (t->at < t->stop) {
        size_t count = 0;
        int rc = text_find(t, leg_room(&t->leg), &count, err);
        if (rc)
            return rc;
        if (!count) {
            if (t->seen < t->end - t->begin)
                continue;
            if (!text_at_end(t)) {
                if ((rc = text_fill(t, err)))
                    return rc;
                continue;
            }
            if ((rc = text_last(t, &count, err)))
                return rc;
        }
        rc = text_push(t, count, err);
        if (rc) {
            *wanted = rc != OP_STOP;
            return rc;
        }
        if ((rc = leg_step(&t->leg, count, t->at, err)))
            return rc;
    }
    return SDF_OK;
}

/* Moves to the first line that begins at or behind `start`. */
static int text_align(text *t, uint64_t start, bool aligned, sdf_error **err)
{
    if (aligned || !start) {
        text_seek(t, start);
        return SDF_OK;
    }
    text_seek(t, start - 1);
    return text_skip_line(t, err);
}

/* A few stretches spread over the split stand for all of it. */
static int text_sample(text *t, scan_share *share, sdf_error **err)
{
    bool wanted = true;
    share->total = t->leg.stop - t->leg.start;
    t->leg.may_cut = false;
    for (unsigned i = 0; i < SAMPLE_CHUNKS && wanted; i++) {
        uint64_t start = leg_chunk(&t->leg, i);
        t->stop = start + SAMPLE_CHUNK_BYTES;
        int rc = text_align(t, start, false, err);
        uint64_t from = t->at;
        if (!rc)
            rc = text_stretch(t, &wanted, err);
        if (rc && rc != OP_STOP)
            return rc;
        share->seen += t->at - from;
    }
    return SDF_OK;
}

static int text_whole(text *t, buf *cut, sdf_error **err)
{
    bool wanted = true;
    t->stop = t->leg.stop;
    int rc = text_align(t, t->leg.start, t->leg.resumed, err);
    if (!rc)
        rc = text_stretch(t, &wanted, err);
    if (rc && rc != OP_STOP)
        return rc;
    return wanted ? leg_close(&t->leg, t->at, cut, err) : SDF_OK;
}

static void text_close(text *t)
{
    input_close(t->in);
    free(t->bytes);
    budget_give(t->leg.env->budget, t->capacity);
    free(t);
}

/* No larger than the split needs: many small files are common. */
static size_t text_buffer_size(const text *t)
{
    uint64_t bytes = t->leg.stop - t->leg.start + READ_PAST, eighth = t->leg.env->budget->limit / 8;
    bytes = bytes < SOURCE_BYTES ? bytes : SOURCE_BYTES;
    bytes = bytes < eighth ? bytes : eighth;
    return bytes < 4096 ? 4096 : bytes;
}

static int text_open(text *t, task_env *env, sdf_error **err)
{
    int rc = leg_open(&t->leg, env, err);
    if (rc)
        return rc;
    const task_split *s = t->leg.split;
    rc = input_open(s->path, s->file_size, s->file_mtime_ns, &t->in, err);
    if (rc)
        return rc;
    t->scan = scan_best();
    t->max_line = env->stage->input.max_line;
    return text_resize(t, text_buffer_size(t), err);
}

int text_source_run(task_env *env, op *first, scan_share *share, buf *cut, sdf_error **err)
{
    text *t = calloc(1, sizeof *t);
    if (!t)
        return error_no_memory(err);
    t->leg.env = env;
    t->first = first;
    int rc = text_open(t, env, err);
    if (!rc)
        rc = share && leg_sampled(&t->leg) ? text_sample(t, share, err) : text_whole(t, cut, err);
    if (!rc)
        rc = op_finish(first, err);
    leg_blame(env, rc, err);
    text_close(t);
    return rc;
}
