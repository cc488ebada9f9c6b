/* Spills: what does not fit into memory goes to a nameless file in the scratch folder (nothing is left of it however
 * the process ends), and on into an object in the store from where the disk is full, or at once where there is no disk.
 * One file's offsets run through both parts. */
#include "shuffle/run_source.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/path.h"
#include "shuffle/charge.h"
#include "shuffle/stream.h"

#define SPILL_BLOCK_BYTES (64u << 10)
#define SPILL_BLOCK_MIN   (4u << 10) /* when the budget has hardly anything left */

struct spill_file {
    task_env *env;
    int fd;           /* -1: none */
    uint64_t in_file; /* bytes in the scratch file; the object holds those behind */
    uint64_t in_object;
    bool object; /* there is one */
    char name[TASK_NAME_MAX];
};

struct spill_writer {
    task_env *env;
    stream stream;
    spill_file *file;
    void *store_writer;
};

/* ---- the scratch file ---- */

/* A file that has no name from the start, or loses it at once. -1: there is no scratch disk to write to. */
static int scratch_open(const char *dir)
{
    if (!dir || !*dir)
        return -1;
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0)
        return fd;
    char *path = path_join(dir, "sdf-spill-XXXXXX");
    if (!path)
        return -1;
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        unlink(path);
    free(path);
    return fd;
}

static bool is_full(int number)
{
    return number == ENOSPC || number == EDQUOT || number == EFBIG;
}

/* All parts at the end of the file, or none. 0 or an errno. */
static int scratch_append(spill_file *f, const sdf_slice *parts, size_t count)
{
    uint64_t at = f->in_file;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *p = parts[i].data;
        for (size_t left = parts[i].size; left;) {
            ssize_t n = pwrite(f->fd, p, left, (off_t)at);
            if (n < 0 && errno == EINTR)
                continue;
            if (n <= 0) {
                int number = n < 0 ? errno : ENOSPC;
                if (ftruncate(f->fd, (off_t)f->in_file) != 0 && !is_full(number))
                    number = errno;
                return number;
            }
            at += (uint64_t)n;
            p += n;
            left -= (size_t)n;
        }
    }
    f->in_file = at;
    return 0;
}

/* ---- writing ---- */

static int object_failed(spill_writer *w, int rc, sdf_error **err)
{
    if (rc == SDF_E_THROTTLED)
        w->env->metrics.store_throttled++;
    error_prefix(err, "spilling to the store as %s", w->file->name);
    return rc;
}

static int object_begin(spill_writer *w, sdf_error **err)
{
    const task_request *q = w->env->request;
    spill_file *f = w->file;
    store *s = w->env->store;
    if (!s || !q) {
        int rc = error_set(err, SDF_E_NO_SPACE, "there is no room on scratch disk to spill to, and no store");
        error_hint(err, "give the task more memory, or a scratch folder with more room");
        return rc;
    }
    char what[32];
    snprintf(what, sizeof what, "spill%" PRIu64, w->env->next_scratch++);
    task_name_side(f->name, q->context, q->stage, q->task, q->leg, q->attempt, what);
    int rc = s->ops->writer_open(s->self, f->name, 0, &w->store_writer, err);
    if (rc == SDF_OK)
        return rc;
    w->store_writer = NULL;
    return object_failed(w, rc, err);
}

static int spill_write(void *self, const sdf_slice *parts, size_t count, sdf_error **err)
{
    spill_writer *w = self;
    spill_file *f = w->file;
    int rc = task_env_check(w->env, err);
    if (rc != SDF_OK)
        return rc;
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += parts[i].size;
    if (f->fd >= 0 && !w->store_writer) {
        int number = scratch_append(f, parts, count);
        if (number == 0) {
            w->env->metrics.spilled_bytes += size;
            return SDF_OK;
        }
        if (!is_full(number))
            return error_errno(err, number, "writing to a scratch file in %s", w->env->scratch_dir);
    }
    if (!w->store_writer)
        rc = object_begin(w, err);
    if (rc != SDF_OK)
        return rc;
    rc = w->env->store->ops->writer_append(w->env->store->self, w->store_writer, parts, count, err);
    if (rc != SDF_OK)
        return object_failed(w, rc, err);
    f->in_object += size;
    w->env->metrics.spilled_bytes += size;
    return SDF_OK;
}

/* Spilling is how memory is given back, so it must not fail for want of a little: blocks get smaller as the budget runs
 * out, and the smallest ones (some 30 KiB in all) are charged even past the limit. */
static int stream_begin(spill_writer *w, type_kind key, type_kind value, sdf_error **err)
{
    budget *b = w->env->budget;
    size_t bytes = SPILL_BLOCK_BYTES;
    while (b && bytes > SPILL_BLOCK_MIN && stream_cost(key, value, bytes) > budget_left(b) / 2)
        bytes /= 2;
    uint64_t cost = stream_cost(key, value, bytes), limit = b ? b->limit : 0;
    if (b && cost > budget_left(b))
        b->limit = b->used + cost;
    int rc = stream_open(&w->stream, b, key, value, bytes, BLOCK_LZ4, spill_write, w, err);
    if (b)
        b->limit = limit;
    return rc;
}

int spill_open(spill_writer **out, task_env *env, type_kind key, type_kind value, sdf_error **err)
{
    spill_writer *w = calloc(1, sizeof *w);
    spill_file *f = calloc(1, sizeof *f);
    if (!w || !f) {
        free(w);
        free(f);
        return error_no_memory(err);
    }
    w->env = f->env = env;
    w->file = f;
    int rc = stream_begin(w, key, value, err);
    if (rc != SDF_OK) {
        free(w);
        free(f);
        return rc;
    }
    f->fd = scratch_open(env->scratch_dir);
    *out = w;
    return SDF_OK;
}

int spill_add(spill_writer *w, const sdf_column *keys, const sdf_column *values, size_t first, size_t count,
              sdf_error **err)
{
    return stream_add(&w->stream, keys, values, first, count, err);
}

int spill_add_one(spill_writer *w, const sdf_slice *key, const sdf_slice *value, sdf_error **err)
{
    return stream_add_one(&w->stream, key, value, err);
}

int spill_end_run(spill_writer *w, spill_extent *x, sdf_error **err)
{
    index_extent done;
    uint64_t digest;
    int rc = stream_end_extent(&w->stream, &done, &digest, err);
    if (rc != SDF_OK)
        return rc;
    *x = (spill_extent){done.offset, done.stored, done.raw, done.records, done.max_raw};
    w->env->metrics.spills += done.records > 0;
    return SDF_OK;
}

void spill_abort(spill_writer *w)
{
    if (!w)
        return;
    store *s = w->env->store;
    if (w->store_writer)
        s->ops->writer_abort(s->self, w->store_writer);
    stream_close(&w->stream);
    spill_free(w->file);
    free(w);
}

int spill_finish(spill_writer *w, spill_file **out, sdf_error **err)
{
    store *s = w->env->store;
    int rc = stream_flush(&w->stream, err);
    if (rc == SDF_OK && w->store_writer) {
        void *writer = w->store_writer;
        w->store_writer = NULL;
        rc = s->ops->writer_commit(s->self, writer, err);
        if (rc != SDF_OK) {
            object_failed(w, rc, err);
        } else {
            w->file->object = true;
            w->env->metrics.store_writes++;
        }
    }
    if (rc == SDF_OK) {
        *out = w->file;
        w->file = NULL;
    }
    spill_abort(w);
    return rc;
}

void spill_free(spill_file *f)
{
    if (!f)
        return;
    if (f->fd >= 0)
        close(f->fd);
    if (f->object) {
        const char *name = f->name;
        store *s = f->env->store;
        s->ops->remove(s->self, &name, 1, NULL);
    }
    free(f);
}

/* ---- reading ---- */

static int read_scratch(spill_file *f, sdf_read *r, uint64_t length)
{
    size_t got = 0;
    int number = path_read_at(f->fd, r->buffer, length, r->offset, &got);
    if (number)
        return error_errno(&r->err, number, "reading a scratch file in %s", f->env->scratch_dir);
    if (got < length)
        return error_set(&r->err, SDF_E_IO, "a scratch file in %s has lost its end", f->env->scratch_dir);
    return SDF_OK;
}

static int read_object(spill_file *f, sdf_read *r, uint64_t skip)
{
    sdf_view view;
    uint8_t *to = (uint8_t *)r->buffer + skip;
    uint64_t offset = r->offset + skip - f->in_file, length = r->length - skip;
    f->env->metrics.store_reads++;
    int rc = store_get_range(f->env->store, f->name, offset, length, to, &view, &r->err);
    if (rc != SDF_OK)
        return rc;
    if (view.data != to)
        memcpy(to, view.data, length);
    store_release(&view);
    return SDF_OK;
}

static int spill_read(void *self, sdf_read *const *reads, size_t count, sdf_error **err)
{
    spill_file *f = self;
    for (size_t i = 0; i < count; i++) {
        sdf_read *r = reads[i];
        uint64_t here = r->offset < f->in_file ? f->in_file - r->offset : 0;
        uint64_t from_file = here < r->length ? here : r->length;
        r->view = (sdf_view){.data = r->buffer, .size = r->length};
        r->status = from_file ? read_scratch(f, r, from_file) : SDF_OK;
        if (r->status == SDF_OK && from_file < r->length)
            r->status = read_object(f, r, from_file);
    }
    return SDF_OK;
}

int run_open_spill(run **r, task_env *env, spill_file *f, const spill_extent *x, type_kind key, type_kind value,
                   sdf_error **err)
{
    task_extent extent = {
        .offset = x->offset, .stored = x->stored, .raw = x->raw, .records = x->records, .max_raw = x->max_raw};
    fetch_source source = {.read = spill_read, .self = f};
    return run_open_source(r, env, &source, 0, 0, &extent, key, value, err);
}
