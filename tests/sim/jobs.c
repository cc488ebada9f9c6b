/* What jobs hand out, and whether it is right: as a sequence where the order is known, as a multiset where it is
 * not. */
#include "jobs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "shuffle/run.h"
#include "spec/type.h"

const char *job_name(job_kind kind)
{
    static const char *const names[] = {"collect", "count", "save", "take", "run"};
    return names[kind];
}

/* ---- collecting ---- */

static int read_object(sim_job *j, const driver_part *p, const void *data, size_t size, recs *out, sdf_error **err)
{
    budget b;
    budget_init(&b, UINT64_C(64) << 20);
    task_request request = {.context = SIM_CONTEXT};
    task_env env = {.request = &request, .budget = &b, .store = disk_store(j->world->disk), .clock = &j->world->clock};
    object_ids ids = {SIM_CONTEXT, p->stage, p->task, p->leg, p->attempt};
    run *r = NULL;
    sdf_batch batch;
    int rc = run_open_bytes(&r, &env, data, size, &ids, 0, TYPE_BYTES, TYPE_I64, err);
    while (!rc && (rc = run_next(r, &batch, err)) == SDF_OK) {
        for (size_t i = 0; i < batch.count; i++) {
            sdf_slice key = column_get(&batch.key, i), value = column_get(&batch.value, i);
            recs_add(out, key.data, key.size, sdf_slice_i64(&value));
        }
    }
    run_close(r);
    return rc == SDF_END ? SDF_OK : rc;
}

void job_part(void *user, const driver_part *p)
{
    sim_job *j = user;
    world *w = j->world;
    sdf_error *err = NULL;
    sdf_view view = {0};
    for (uint32_t i = 0; i < j->part_count; i++)
        if (j->parts[i].task == p->task && j->parts[i].leg == p->leg)
            world_wrong(w, "job %u got task %u leg %u twice", j->id, p->task, p->leg);
    j->parts = sim_grow(j->parts, (j->part_count + 1) * sizeof *j->parts);
    job_part_records *mine = &j->parts[j->part_count++];
    *mine = (job_part_records){.task = p->task, .leg = p->leg, .legs = p->legs};
    int rc = SDF_OK;
    if (p->inline_bytes) {
        rc = read_object(j, p, p->inline_bytes, p->inline_size, &mine->records, &err);
    } else if (p->records) {
        char name[TASK_NAME_MAX];
        task_name_object(name, SIM_CONTEXT, p->stage, p->task, p->leg, p->attempt);
        rc = store_get(disk_store(w->disk), name, UINT32_MAX, &view, &err);
        if (!rc) {
            rc = read_object(j, p, view.data, view.size, &mine->records, &err);
            store_release(&view);
        }
    }
    if (rc)
        world_wrong(w, "job %u can't read its result: %s", j->id, sdf_error_text(err));
    else if (mine->records.count != p->records)
        world_wrong(w, "job %u: task %u leg %u has %u records, not %llu", j->id, p->task, p->leg, mine->records.count,
                    (unsigned long long)p->records);
    sdf_error_free(err);
}

void job_done(void *user, int status, sdf_error *err, const driver_totals *totals, uint64_t records)
{
    sim_job *j = user;
    if (j->over)
        world_wrong(j->world, "job %u ends twice", j->id);
    j->over = true;
    j->status = status;
    j->records = records;
    snprintf(j->message, sizeof j->message, "%s", sdf_error_message(err));
    if ((status == SDF_OK) != (err == NULL) || sdf_error_code(err) != status)
        world_wrong(j->world, "job %u ends with status %d and error %d", j->id, status, sdf_error_code(err));
    world_say(j->world, "job %u is over: %s %s", j->id, sdf_status_name(status), status ? sdf_error_text(err) : "");
    sdf_error_free(err);
}

static int by_place(const void *a, const void *b)
{
    const job_part_records *x = a, *y = b;
    if (x->task != y->task)
        return x->task < y->task ? -1 : 1;
    return x->leg < y->leg ? -1 : x->leg > y->leg;
}

/* All parts in the order of tasks and legs; complains about legs that are missing. */
static void gather(sim_job *j, recs *out)
{
    if (j->part_count)
        qsort(j->parts, j->part_count, sizeof *j->parts, by_place);
    for (uint32_t i = 0; i < j->part_count; i++) {
        const job_part_records *p = &j->parts[i];
        bool first = i == 0 || j->parts[i - 1].task != p->task;
        bool last = i + 1 == j->part_count || j->parts[i + 1].task != p->task;
        if ((first && p->leg != 0) || (last && p->leg + 1 != p->legs))
            world_wrong(j->world, "job %u misses a leg of task %u", j->id, p->task);
        for (uint32_t r = 0; r < p->records.count; r++)
            recs_add(out, p->records.at[r].key, p->records.at[r].key_size, p->records.at[r].value);
    }
}

/* ---- checking ---- */

static bool same(const rec *a, const rec *b)
{
    return rec_compare(a, b) == 0;
}

static void sort_all(recs *r)
{
    if (r->count)
        qsort(r->at, r->count, sizeof *r->at, rec_compare);
}

static void check_sequence(sim_job *j, const recs *got, const recs *want, uint32_t count, order_known order)
{
    for (uint32_t i = 0; i < count; i++) {
        const rec *g = &got->at[i], *e = &want->at[i];
        if (order == ORDER_NONE || (order == ORDER_EXACT ? same(g, e) : rec_compare_keys(g, e) == 0))
            continue;
        world_wrong(j->world, "job %u: record %u is %.*s %lld, not %.*s %lld", j->id, i, g->key_size, g->key,
                    (long long)g->value, e->key_size, e->key, (long long)e->value);
        return;
    }
}

/* Every record of `got` is one of `want`, each at most as often; all of them, if there are as many. */
static void check_multiset(sim_job *j, recs *got, recs *want)
{
    sort_all(got);
    sort_all(want);
    uint32_t w = 0;
    for (uint32_t i = 0; i < got->count; i++, w++) {
        while (w < want->count && rec_compare(&want->at[w], &got->at[i]) < 0)
            w++;
        if (w < want->count && same(&want->at[w], &got->at[i]))
            continue;
        world_wrong(j->world, "job %u: %.*s %lld came too often, or should not be there", j->id, got->at[i].key_size,
                    got->at[i].key, (long long)got->at[i].value);
        return;
    }
}

/* Records of an unstable step say which run of which (task, leg) made them: for each of these, one run alone. */
static void check_one_run_each(sim_job *j, const recs *got)
{
    for (uint32_t i = 0; i < got->count; i++)
        for (uint32_t k = 0; k < i; k++) {
            int64_t a = got->at[i].value, b = got->at[k].value;
            if (a >> 32 != b >> 32 || a == b)
                continue;
            world_wrong(j->world, "job %u: task %lld leg %lld was seen in two versions", j->id, (long long)(a >> 48),
                        (long long)(a >> 32 & 0xffff));
            return;
        }
}

/* A number for each, each once, though it isn't known which is whose. */
static void check_numbered(sim_job *j, const recs *got)
{
    for (uint32_t i = 0; i < got->count; i++) {
        bool found = false;
        for (uint32_t k = 0; k < got->count && !found; k++)
            found = got->at[k].value == i;
        if (!found) {
            world_wrong(j->world, "job %u: no record has the number %u", j->id, i);
            return;
        }
    }
}

static bool may_fail(const sim_job *j, const pipeline *p)
{
    if (j->kind == JOB_SAVE && j->status == SDF_E_IO && sink_broke(j->uri))
        return true;
    if (j->bereft && j->status == SDF_E_NOT_FOUND && j->world->injected)
        return true;
    if (j->must_succeed && j->status != SDF_E_CANCELLED)
        return false;
    switch (j->status) {
    case SDF_E_NONDETERMINISTIC: /* what was not published yet can be made again, but for a leg that ends elsewhere */
        return p->unstable && j->world->injected && (j->kind == JOB_COLLECT || j->cuts);
    case SDF_E_CANCELLED:
        return j->cancelled;
    case SDF_E_IO:
    case SDF_E_LOST:
    case SDF_E_TIMEOUT:
    case SDF_E_THROTTLED:
    case SDF_E_NO_MEMORY:
    case SDF_E_USER:
    case SDF_E_CORRUPT:
    case SDF_E_VERSION: /* a bit of the version flipped */
    case SDF_E_NOT_FOUND:
    case SDF_E_EXISTS: /* a doubled request */
        return j->world->injected > 0;
    default:
        return false;
    }
}

/* Values of which only so much is known are checked for that, and then left out. */
static void check_masked(sim_job *j, const pipeline *p, recs *got, recs *want)
{
    if (p->unstable)
        check_one_run_each(j, got);
    else if (j->kind != JOB_TAKE)
        check_numbered(j, got);
    for (uint32_t i = 0; i < got->count; i++)
        got->at[i].value = 0;
    for (uint32_t i = 0; i < want->count; i++)
        want->at[i].value = 0;
}

static void check_records(sim_job *j, const pipeline *p, recs *got)
{
    const step *s = &p->steps[j->step];
    recs want = {0};
    for (uint32_t i = 0; i < s->out.count; i++)
        recs_add(&want, s->out.at[i].key, s->out.at[i].key_size, s->out.at[i].value);
    uint32_t count = want.count;
    if (j->kind == JOB_TAKE) {
        count = count < j->take ? count : j->take;
        got->count = got->count < count ? got->count : count; /* the host stops there */
    }
    if (s->masked)
        check_masked(j, p, got, &want);
    if (got->count != count)
        world_wrong(j->world, "job %u: %u records, not %u", j->id, got->count, count);
    else
        check_sequence(j, got, &want, count, s->order);
    check_multiset(j, got, &want);
    recs_free(&want);
}

void job_check_hidden(sim_job *j)
{
    saved s = {0};
    if (j->kind != JOB_SAVE || !j->submitted || j->over)
        return;
    saved_look(j, &s);
    if (s.files || s.whole)
        world_wrong(j->world, "job %u runs, and %u files of its output are seen", j->id, s.files);
    recs_free(&s.records);
}

static void check_saved(sim_job *j, const pipeline *p)
{
    saved s = {0};
    saved_look(j, &s);
    if (j->status == SDF_OK) {
        if (!s.whole)
            world_wrong(j->world, "job %u left no _SUCCESS", j->id);
        if (s.errors != j->diverted)
            world_wrong(j->world, "job %u diverted %lld records, not %lld", j->id, (long long)s.errors,
                        (long long)j->diverted);
        check_records(j, p, &s.records);
    } else if (s.files || s.whole || access(j->uri, F_OK) == 0) {
        world_wrong(j->world, "job %u failed and left its output, with %u files", j->id, s.files);
    }
    recs_free(&s.records);
}

void job_check(sim_job *j, const pipeline *p)
{
    if (!j->submitted)
        return;
    if (!j->over)
        world_wrong(j->world, "job %u did not end", j->id);
    else if (j->status != SDF_OK && !may_fail(j, p))
        world_wrong(j->world, "job %u failed: %s %s", j->id, sdf_status_name(j->status), j->message);
    if (j->kind == JOB_SAVE) {
        check_saved(j, p);
    } else if (j->status == SDF_OK && j->kind == JOB_COUNT) {
        if (j->records != p->steps[j->step].out.count)
            world_wrong(j->world, "job %u counts %llu, not %u", j->id, (unsigned long long)j->records,
                        p->steps[j->step].out.count);
    } else if (j->status == SDF_OK && j->kind != JOB_RUN) {
        recs got = {0};
        gather(j, &got);
        check_records(j, p, &got);
        recs_free(&got);
    }
}

void job_free(sim_job *j)
{
    for (uint32_t i = 0; i < j->part_count; i++)
        recs_free(&j->parts[i].records);
    free(j->parts);
    if (j->kind == JOB_SAVE)
        saved_remove(j);
}
