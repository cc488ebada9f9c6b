/* Reading extents ahead within a window. See fetch.h. */
#include "shuffle/fetch.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "shuffle/charge.h"

#define READS_MAX   16 /* ranges in one store call */
#define HELD_MAX    64 /* extents at hand at once */
#define TRIES_MAX   4  /* of a read that fails for no lasting reason */
#define BACKOFF_MS  5  /* before the second try; four times as long before each next one */
#define GAP_NETWORK (1u << 20)
#define GAP_HOST    (4u << 10)

/* Bytes [from, to) of extent `extent`, at data. */
typedef struct held {
    uint32_t extent;
    uint64_t from, to;
    const uint8_t *data;
} held;

typedef struct range {
    uint32_t first, end; /* in fetch.held */
    uint32_t lead;       /* bytes of the object's header in front */
    char name[TASK_NAME_MAX];
} range;

struct fetch {
    task_env *env;
    fetch_source source;
    uint32_t stage;
    const task_extent *extents;
    uint32_t count;
    uint8_t *buffer; /* NULL if the source lends */
    uint64_t window;
    uint64_t charged;
    sdf_read *reads;
    range *ranges;
    uint32_t reads_max, read_count;
    held *held;
    uint32_t held_max, held_count, held_at;
};

/* ---- open and close ---- */

static uint32_t at_most(uint32_t n, uint32_t most)
{
    return n < most ? n : most;
}

static uint64_t arrays_size(uint32_t count)
{
    return at_most(count, READS_MAX) * (sizeof(sdf_read) + sizeof(range)) + at_most(count, HELD_MAX) * sizeof(held);
}

uint64_t fetch_overhead(uint32_t count)
{
    return sizeof(fetch) + arrays_size(count);
}

/* The least window: one block of any extent, with the object's header in front. */
static uint64_t need_of(const task_extent *x, uint32_t count)
{
    uint64_t need = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t block = (uint64_t)x[i].max_raw + BLOCK_HEADER_BYTES; /* stored is never more than raw */
        uint64_t least = x[i].stored < block ? x[i].stored : block;
        need = least > need ? least : need;
    }
    return need + OBJECT_HEADER_BYTES;
}

static bool same_object(const task_extent *a, const task_extent *b)
{
    return a->task == b->task && a->leg == b->leg && a->attempt == b->attempt;
}

/* Bytes that reading all extents at once would take, gaps worth reading included; no more than `most`. */
static uint64_t all_at_once(const task_extent *x, uint32_t count, uint32_t gap, uint64_t most)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < count && total < most; i++) {
        uint64_t before = i ? x[i - 1].offset + x[i - 1].stored : 0;
        total += x[i].stored + OBJECT_HEADER_BYTES;
        if (i && same_object(&x[i - 1], &x[i]) && x[i].offset >= before && x[i].offset - before <= gap)
            total += x[i].offset - before;
    }
    return total < most ? total : most;
}

static int check_extents(const task_extent *x, uint32_t count, sdf_error **err)
{
    for (uint32_t i = 0; i < count; i++)
        if (x[i].max_raw > BLOCK_RAW_MAX || x[i].offset > INT64_MAX || x[i].stored > (uint64_t)INT64_MAX - x[i].offset)
            return error_set(err, SDF_E_CORRUPT,
                             "extent %u of the task's input can't be: %" PRIu64 " bytes at %" PRIu64, i, x[i].stored,
                             x[i].offset);
    return SDF_OK;
}

int fetch_open(fetch **out, task_env *env, const fetch_source *source, uint32_t stage, const task_extent *x,
               uint32_t count, uint64_t window, sdf_error **err)
{
    int rc = check_extents(x, count, err);
    if (rc != SDF_OK)
        return rc;
    uint64_t need = need_of(x, count), overhead = fetch_overhead(count);
    window = all_at_once(x, count, source->gap, window);
    window = source->lends ? 0 : window > need ? window : need;
    fetch *f = charge_alloc(env->budget, overhead, err);
    if (!f)
        return SDF_E_NO_MEMORY;
    memset(f, 0, overhead);
    *f = (fetch){.env = env,
                 .source = *source,
                 .stage = stage,
                 .extents = x,
                 .count = count,
                 .window = window,
                 .charged = overhead,
                 .reads_max = at_most(count, READS_MAX),
                 .held_max = at_most(count, HELD_MAX)};
    f->reads = (sdf_read *)(f + 1);
    f->held = (held *)(f->reads + f->reads_max);
    f->ranges = (range *)(f->held + f->held_max);
    if (window && !(f->buffer = charge_alloc(env->budget, window, err))) {
        charge_free(env->budget, f, overhead);
        return SDF_E_NO_MEMORY;
    }
    *out = f;
    return SDF_OK;
}

void fetch_forget(fetch *f)
{
    for (uint32_t i = 0; i < f->read_count; i++) {
        store_release(&f->reads[i].view);
        sdf_error_free(f->reads[i].err);
        f->reads[i].err = NULL;
    }
    f->read_count = f->held_count = f->held_at = 0;
}

void fetch_close(fetch *f)
{
    if (!f)
        return;
    fetch_forget(f);
    charge_free(f->env->budget, f->buffer, f->window);
    charge_free(f->env->budget, f, f->charged);
}

/* ---- blame ---- */

int fetch_blame(fetch *f, uint32_t i, int code, sdf_error **err)
{
    const task_extent *x = &f->extents[i];
    task_env *env = f->env;
    if (!f->source.upstream)
        return code;
    char name[TASK_NAME_MAX];
    task_name_object(name, env->request->context, f->stage, x->task, x->leg, x->attempt);
    error_prefix(err, "shuffle object %s", name);
    if (code != SDF_E_NOT_FOUND && code != SDF_E_CORRUPT && code != SDF_E_VERSION)
        return code;
    env->upstream_failed = true;
    env->bad_stage = f->stage;
    env->bad_task = x->task;
    env->bad_leg = x->leg;
    env->bad_attempt = x->attempt;
    error_hint(err, "the task that wrote it is run again; if this goes on, look at the store's disk or network");
    return code;
}

/* ---- reading, with patience ---- */

static bool is_transient(int code)
{
    return code == SDF_E_IO || code == SDF_E_THROTTLED || code == SDF_E_TIMEOUT;
}

/* Under a clock that is not the real one (a simulation) nothing is gained by waiting. */
static void wait_before(const task_env *env, int try)
{
    if (env->clock && env->clock->now_ms != timebase_real.now_ms)
        return;
    long ms = BACKOFF_MS;
    for (int i = 1; i < try; i++)
        ms *= 4;
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

/* One call for `count` reads, at most READS_MAX; each has a status, and an error if that is one. */
static void read_once(fetch *f, sdf_read *reads, uint32_t count)
{
    sdf_read *list[READS_MAX] = {NULL};
    sdf_error *why = NULL;
    for (uint32_t i = 0; i < count; i++) {
        reads[i].status = SDF_E_INTERNAL;
        reads[i].view = (sdf_view){0};
        reads[i].err = NULL;
        list[i] = &reads[i];
    }
    f->env->metrics.store_reads += f->source.upstream ? count : 0;
    int rc = f->source.read(f->source.self, list, count, &why);
    for (uint32_t i = 0; i < count; i++) {
        sdf_read *r = &reads[i];
        if (rc != SDF_OK) {
            store_release(&r->view);
            r->status = rc;
        }
        if (r->status == SDF_OK && r->view.size != r->length)
            r->status = error_set(&r->err, SDF_E_CORRUPT, "%zu bytes came where %" PRIu64 " were asked for",
                                  r->view.size, r->length);
        if (r->status == SDF_E_THROTTLED)
            f->env->metrics.store_throttled++;
        if (r->status != SDF_OK && !r->err)
            r->err = why ? error_copy(why) : sdf_error_new(r->status, "the read failed", NULL);
    }
    sdf_error_free(why);
}

static int read_again(fetch *f, sdf_read *r, sdf_error **err)
{
    for (int try = 1; try < TRIES_MAX && is_transient(r->status); try++) {
        int rc = task_env_check(f->env, err);
        if (rc != SDF_OK)
            return rc;
        wait_before(f->env, try);
        sdf_error_free(r->err);
        r->err = NULL;
        read_once(f, r, 1);
    }
    return SDF_OK;
}

/* All of f->reads, or the error of the first one that could not be had. */
static int read_all(fetch *f, sdf_error **err)
{
    int rc = task_env_check(f->env, err);
    if (rc != SDF_OK) {
        f->read_count = 0;
        return rc;
    }
    read_once(f, f->reads, f->read_count);
    for (uint32_t i = 0; i < f->read_count && rc == SDF_OK; i++) {
        sdf_read *r = &f->reads[i];
        rc = read_again(f, r, err);
        if (rc == SDF_OK && r->status != SDF_OK) {
            rc = r->status < 0 ? r->status : SDF_E_INTERNAL;
            error_prefix(&r->err, "%" PRIu64 " bytes at %" PRIu64, r->length, r->offset);
            if (err)
                *err = r->err;
            else
                sdf_error_free(r->err);
            r->err = NULL;
            rc = fetch_blame(f, f->held[f->ranges[i].first].extent, rc, err);
        }
    }
    if (rc != SDF_OK)
        fetch_forget(f);
    return rc;
}

/* ---- planning ---- */

/* Bytes to read more if [offset, offset + size) of extent i joins the last range; 0: it can't. */
static uint64_t joined(const fetch *f, uint32_t i)
{
    if (f->read_count == 0 || f->source.lends)
        return 0;
    const task_extent *x = &f->extents[i];
    const sdf_read *last = &f->reads[f->read_count - 1];
    uint64_t end = last->offset + last->length;
    if (!same_object(x, &f->extents[f->held[f->held_count - 1].extent]) || x->offset < end ||
        x->offset - end > f->source.gap || x->stored == 0)
        return 0;
    return x->offset - end + x->stored;
}

static void add_range(fetch *f, uint32_t i, uint64_t from, uint64_t length, uint32_t lead)
{
    const task_extent *x = &f->extents[i];
    range *g = &f->ranges[f->read_count];
    g->first = f->held_count;
    g->lead = lead;
    g->name[0] = 0;
    if (f->source.upstream)
        task_name_object(g->name, f->env->request->context, f->stage, x->task, x->leg, x->attempt);
    f->reads[f->read_count++] = (sdf_read){
        .struct_size = sizeof(sdf_read), .name = g->name, .offset = x->offset + from - lead, .length = length + lead};
}

/* Ranges for extent i from `at` on and those behind it, as many as the window, READS_MAX and HELD_MAX allow. */
static void plan_reads(fetch *f, uint32_t i, uint64_t at)
{
    uint64_t left = f->source.lends ? UINT64_MAX : f->window;
    for (; i < f->count && f->held_count < f->held_max; i++, at = 0) {
        const task_extent *x = &f->extents[i];
        uint64_t length = x->stored - at, more = joined(f, i);
        bool first = f->held_count == 0;
        uint32_t lead = f->source.upstream && at == 0 && x->offset == OBJECT_HEADER_BYTES ? OBJECT_HEADER_BYTES : 0;
        if (x->stored == 0)
            continue;
        if (more && more <= left) {
            f->reads[f->read_count - 1].length += more;
            left -= more;
        } else {
            if (f->read_count == f->reads_max || (!first && length + lead > left))
                break;
            if (length + lead > left)
                length = left - lead; /* a piece: the window holds at least a block and the header */
            add_range(f, i, at, length, lead);
            left -= length + lead;
        }
        f->held[f->held_count++] = (held){i, at, at + length, NULL};
        f->ranges[f->read_count - 1].end = f->held_count;
    }
}

static int check_lead(fetch *f, const range *g, const sdf_read *r, sdf_error **err)
{
    uint32_t i = f->held[g->first].extent;
    const task_extent *x = &f->extents[i];
    object_ids ids = {f->env->request->context, f->stage, x->task, x->leg, x->attempt};
    return g->lead ? object_check_header(r->view.data, g->lead, &ids, err) : SDF_OK;
}

/* Points the extents at hand at their bytes, once all headers among them are right. */
static int settle(fetch *f, uint32_t *bad, sdf_error **err)
{
    for (uint32_t n = 0; n < f->read_count; n++) {
        const range *g = &f->ranges[n];
        const sdf_read *r = &f->reads[n];
        *bad = f->held[g->first].extent;
        int rc = check_lead(f, g, r, err);
        if (rc != SDF_OK)
            return rc;
        for (uint32_t h = g->first; h < g->end; h++) {
            held *p = &f->held[h];
            p->data = (const uint8_t *)r->view.data + (f->extents[p->extent].offset + p->from - r->offset);
        }
    }
    return SDF_OK;
}

static int fill_once(fetch *f, uint32_t i, uint64_t at, sdf_error **err)
{
    fetch_forget(f);
    plan_reads(f, i, at);
    uint8_t *to = f->buffer;
    for (uint32_t n = 0; n < f->read_count && to; n++) {
        f->reads[n].buffer = to;
        to += f->reads[n].length;
    }
    return read_all(f, err);
}

/* A header that is wrong is read a second time before it is believed. */
static int fill(fetch *f, uint32_t i, uint64_t at, sdf_error **err)
{
    uint32_t bad = i;
    int rc = fill_once(f, i, at, err);
    if (rc != SDF_OK)
        return rc;
    if (settle(f, &bad, NULL) == SDF_OK)
        return SDF_OK;
    rc = fill_once(f, i, at, err);
    if (rc != SDF_OK)
        return rc;
    rc = settle(f, &bad, err);
    if (rc != SDF_OK) {
        rc = fetch_blame(f, bad, rc, err);
        fetch_forget(f);
    }
    return rc;
}

/* Moves what is left of a piece to the front of the buffer and reads on behind it. */
static int refill(fetch *f, uint64_t at, sdf_error **err)
{
    held p = f->held[f->held_at];
    const task_extent *x = &f->extents[p.extent];
    uint64_t tail = p.to - at, room = f->window - tail, rest = x->stored - p.to;
    memmove(f->buffer, p.data + (at - p.from), tail);
    fetch_forget(f);
    f->held_count = 1;
    add_range(f, p.extent, p.to, rest < room ? rest : room, 0);
    sdf_read *r = &f->reads[0];
    f->ranges[0].first = 0;
    f->ranges[0].end = 1;
    f->held[0] = (held){p.extent, at, p.to + r->length, f->buffer};
    r->buffer = f->buffer + tail;
    int rc = read_all(f, err);
    if (rc == SDF_OK && r->view.data != r->buffer)
        memcpy(r->buffer, r->view.data, r->length);
    return rc;
}

int fetch_get(fetch *f, uint32_t i, uint64_t at, uint64_t want, const uint8_t **data, sdf_error **err)
{
    while (f->held_at + 1 < f->held_count && f->held[f->held_at].extent < i)
        f->held_at++;
    const held *p = f->held_count ? &f->held[f->held_at] : NULL;
    bool here = p && p->extent == i && at >= p->from && at <= p->to;
    int rc = SDF_OK;
    if (!here || p->to - at < want) {
        /* Less than is wanted is at hand only of a piece, which is alone in the buffer. */
        bool piece = here && at < p->to && f->buffer;
        rc = piece ? refill(f, at, err) : fill(f, i, at, err);
        if (rc != SDF_OK)
            return rc;
        p = &f->held[f->held_at];
    }
    *data = p->data + (at - p->from);
    return SDF_OK;
}

fetch_source fetch_from_store(task_env *env)
{
    store *s = env->store;
    uint32_t scope = store_scope(s);
    return (fetch_source){s->ops->read, s->self, scope == SDF_SCOPE_PROCESS, true,
                          scope == SDF_SCOPE_NETWORK ? GAP_NETWORK : GAP_HOST};
}
