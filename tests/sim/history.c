/* One history: a random pipeline, random faults, some jobs on it; then what came out against the oracle, and what is
 * left against the invariants: nothing doubled, lost, orphaned or without end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "jobs.h"
#include "plan/planner.h"

#define STEPS_AT_MOST 300000

typedef struct history {
    world w;
    pipeline pipeline;
    node *lineage;
    driver *driver;
    driver_config config;
    sim_job jobs[JOBS_MAX];
    uint32_t job_count;
    uint32_t next_stage;
    uint32_t stages[64 * JOBS_MAX]; /* in the driver */
    uint32_t stage_count;
    bool source_added;
    bool must_succeed; /* faults are few and retries many */
} history;

/* ---- what this history is like ---- */

static uint32_t rate(world *w, uint32_t most)
{
    return world_pick(&w->shape, 2) ? world_pick(&w->shape, most) + 1 : 0;
}

static void choose_faults(world *w)
{
    sim_faults *f = &w->faults;
    if (world_pick(&w->shape, 6) == 0)
        return;
    f->heavy = world_pick(&w->shape, 4) == 0;
    uint32_t most = f->heavy ? 150 : 50;
    uint32_t *each[] = {&f->crash_before, &f->crash_during, &f->lost,     &f->late,      &f->doubled,
                        &f->garbled,      &f->zombie,       &f->repeated, &f->throttled, &f->refused,
                        &f->killed,       &f->straggler,    &f->user,     &f->flip,      &f->vanish};
    for (size_t i = 0; i < sizeof each / sizeof *each; i++)
        *each[i] = rate(w, most);
    f->read = rate(w, most / 8); /* an attempt has many of these */
    f->write = rate(w, most / 8);
    f->slow_down = rate(w, most / 8);
}

static planner_config make_planner(uint32_t *next_stage)
{
    return (planner_config){.partitions = 3,
                            .split_bytes = 4096,
                            .compression = "lz4",
                            .program_id = sdf_program_id(),
                            .next_stage = next_stage};
}

/* Some platforms take small requests only: as large as the plan makes them anyway, and little more, so that long lists
 * of extents have to go another way. */
static uint64_t choose_max_request(history *h)
{
    world *w = &h->w;
    buf json = BUF_EMPTY;
    planned p;
    uint64_t most = 0;
    uint32_t next_stage = h->next_stage;
    planner_action action = {.output = PLAN_OUTPUT_RESULT};
    planner_config config = make_planner(&next_stage);
    if (world_pick(&w->shape, 3) != 0 || planner_plan(h->lineage, &action, &config, &p, NULL))
        return 0;
    if (plan_encode(p.plan, &json, NULL) == SDF_OK)
        most = json.size < 3900 ? json.size + 800 : 0; /* else some jobs' plans come inline, and some don't */
    buf_free(&json);
    planned_clear(&p);
    return most;
}

static void choose_config(history *h)
{
    world *w = &h->w;
    driver_config *c = &h->config;
    bool patient = world_pick(&w->shape, 5) != 0;
    h->must_succeed = patient && !w->faults.heavy && !h->pipeline.unstable;
    uint32_t slots = 1 + world_pick(&w->shape, 8);
    w->net = net_new(w, slots, choose_max_request(h), world_pick(&w->shape, 4) == 0 ? 4000 : 0);
    *c = (driver_config){.transport = net_transport(w->net),
                         .store = disk_store(w->disk),
                         .clock = &w->clock,
                         .context = SIM_CONTEXT,
                         .memory = SIM_SLOT_MEMORY,
                         .inline_limit = world_pick(&w->shape, 3) ? 65536 : world_pick(&w->shape, 200),
                         .cut_records = world_pick(&w->shape, 2) ? 1 + world_pick(&w->shape, 40) : 0,
                         .cut_after_ms = world_pick(&w->shape, 4) == 0 ? 1 + world_pick(&w->shape, 50) : 0};
    sched_config_init(&c->sched);
    c->sched.seed = w->seed;
    c->sched.concurrency = 1 + world_pick(&w->shape, 10);
    c->sched.retries = patient ? 40 : world_pick(&w->shape, 3);
    c->sched.reruns = patient ? 40 : world_pick(&w->shape, 3);
    c->sched.task_timeout_ms = 2000;
    c->sched.lease_grace_ms = 500;
    c->sched.backoff_ms = 20;
    c->sched.backoff_max_ms = 500;
    c->sched.legs_max = 1000;
}

static void tell_shape(history *h)
{
    const pipeline *p = &h->pipeline;
    static const char *const sources[] = {"memory", "text", "binary"};
    char steps[256] = "";
    for (uint32_t i = 0; i < p->step_count; i++) {
        size_t used = strlen(steps);
        snprintf(steps + used, sizeof steps - used, step_is_wide(p->steps[i]) ? " %s/%u" : " %s",
                 step_name(p->steps[i]), p->partitions[i]);
    }
    world_say(&h->w, "%s of %u records:%s", sources[p->source], p->input.count, steps);
}

static void on_event(void *user, sdf_event *e)
{
    history *h = user;
    if (sdf_event_get_kind(e) == SDF_EVENT_PROGRESS &&
        sdf_event_number(e, "tasks_done") > sdf_event_number(e, "tasks_total"))
        world_wrong(&h->w, "progress: %s", sdf_event_json(e));
    if (h->w.trace && sdf_event_get_kind(e) != SDF_EVENT_PROGRESS)
        world_say(&h->w, "%s", sdf_event_json(e));
    event_free(e);
}

/* ---- jobs ---- */

static bool hand_over(history *h, planned *p, sdf_error **err)
{
    if (p->parallelize && !h->source_added) {
        node *source = p->parallelize;
        if (driver_add_object(h->driver, source->stage, source->data.data, source->data.size, err))
            return false;
        h->source_added = true;
        h->stages[h->stage_count++] = source->stage;
    }
    uint32_t first = h->stage_count;
    for (uint32_t i = 0; i < p->plan->stage_count; i++)
        h->stages[h->stage_count++] = p->plan->stages[i].id;
    if (driver_add_plan(h->driver, p->plan, p->splits, err)) {
        h->stage_count = first;
        return false;
    }
    p->plan = NULL;
    return true;
}

static void submit(history *h, sim_job *j)
{
    world *w = &h->w;
    planner_action action = {.output = j->kind == JOB_COUNT  ? PLAN_OUTPUT_COUNT
                                       : j->kind == JOB_SAVE ? PLAN_OUTPUT_FILE
                                                             : PLAN_OUTPUT_RESULT,
                             .format = PLAN_FILE_TEXT,
                             .uri = j->folder};
    planner_config config = make_planner(&h->next_stage);
    planned p;
    sdf_error *err = NULL;
    if (planner_plan(h->lineage, &action, &config, &p, &err)) {
        world_wrong(w, "no plan: %s", sdf_error_text(err));
        sdf_error_free(err);
        return;
    }
    j->stage = p.target;
    disk_protect(w->disk, p.target);
    world_say(w, "job %u: %s of stage %u", j->id, job_name(j->kind), p.target);
    driver_job wish = {.id = j->id,
                       .stage = p.target,
                       .label = "job",
                       .limit = j->kind == JOB_TAKE ? j->take : UINT64_MAX,
                       .part = job_part,
                       .done = job_done,
                       .user = j};
    if (!hand_over(h, &p, &err) || driver_submit(h->driver, &wish, &err))
        world_wrong(w, "job %u is refused: %s", j->id, sdf_error_text(err));
    else
        planned_commit(&p);
    j->submitted = true;
    sdf_error_free(err);
    planned_clear(&p);
}

static void drop_all(history *h)
{
    for (uint32_t i = 0; i < h->stage_count; i++)
        driver_drop_stage(h->driver, h->stages[i]);
    h->stage_count = 0;
}

static void step(history *h, int timeout_ms)
{
    sdf_error *err = NULL;
    if (driver_step(h->driver, timeout_ms, &err))
        world_wrong(&h->w, "the driver fails: %s", sdf_error_text(err));
    sdf_error_free(err);
}

/* Submits the jobs one after another, or while others run, until all are over. */
static void run_jobs(history *h)
{
    world *w = &h->w;
    uint32_t next = 0;
    for (uint32_t steps = 0; !w->wrong[0]; steps++) {
        if (steps > STEPS_AT_MOST) {
            world_wrong(w, "no end after %u steps", steps);
            return;
        }
        if (next < h->job_count && (driver_active(h->driver) == 0 || world_pick(&w->shape, 20) == 0))
            submit(h, &h->jobs[next++]);
        if (driver_active(h->driver) == 0 && next == h->job_count)
            return;
        step(h, 1000);
        for (uint32_t i = 0; i < next; i++) {
            sim_job *j = &h->jobs[i];
            if (j->cancel_at > 0 && !j->over && --j->cancel_at == 0) {
                world_say(w, "job %u is cancelled", j->id);
                j->cancelled = true;
                driver_cancel(h->driver, j->id);
            }
        }
    }
}

/* Lets all leases end. */
static void settle(history *h)
{
    world *w = &h->w;
    drop_all(h);
    int64_t end = w->now + h->config.sched.task_timeout_ms + h->config.sched.lease_grace_ms + 1;
    for (uint32_t steps = 0; (w->now < end || !net_idle(w->net)) && !w->wrong[0]; steps++) {
        if (steps > STEPS_AT_MOST)
            world_wrong(w, "no rest after %u steps", steps);
        step(h, 500);
    }
    if (!w->wrong[0])
        disk_leftovers(w->disk, false);
}

/* ---- the whole ---- */

static void make_jobs(history *h)
{
    world *w = &h->w;
    h->job_count = 1 + world_pick(&w->shape, JOBS_MAX);
    for (uint32_t i = 0; i < h->job_count; i++) {
        sim_job *j = &h->jobs[i];
        j->world = w;
        j->must_succeed = h->must_succeed;
        j->id = i + 1;
        j->kind = (job_kind)world_pick(&w->shape, h->pipeline.unstable ? 2 : JOB_KINDS);
        j->take = world_pick(&w->shape, 40);
        if (world_pick(&w->shape, 12) == 0)
            j->cancel_at = 1 + world_pick(&w->shape, 60);
        snprintf(j->folder, sizeof j->folder, "%s/out-%llu-%u", w->folder, (unsigned long long)w->seed, j->id);
    }
}

static bool begin(history *h)
{
    sdf_error *err = NULL;
    choose_faults(&h->w);
    pipeline_make(&h->w, &h->pipeline);
    tell_shape(h);
    h->next_stage = 1;
    h->w.disk = disk_new(&h->w);
    h->lineage = pipeline_nodes(&h->w, &h->pipeline, &h->next_stage);
    choose_config(h);
    h->config.on_event = on_event;
    h->config.user = h;
    if (driver_new(&h->config, &h->driver, &err))
        world_wrong(&h->w, "no driver: %s", sdf_error_text(err));
    sdf_error_free(err);
    make_jobs(h);
    return !h->w.wrong[0];
}

static void check_totals(history *h, history_result *r)
{
    world *w = &h->w;
    driver_totals t;
    driver_get_totals(h->driver, &t);
    r->attempts += t.attempts;
    r->failed += t.failed_attempts;
    bool cancelled = false;
    for (uint32_t i = 0; i < h->job_count; i++)
        cancelled = cancelled || h->jobs[i].cancelled;
    if (w->injected == 0 && !cancelled && t.failed_attempts)
        world_wrong(w, "%llu attempts failed without a fault", (unsigned long long)t.failed_attempts);
    bool cuts = h->config.cut_records || h->config.cut_after_ms;
    if (w->injected == 0 && !cancelled && !cuts && t.attempts != t.tasks)
        world_wrong(w, "%llu attempts for %llu tasks without a fault", (unsigned long long)t.attempts,
                    (unsigned long long)t.tasks);
    if (t.failed_attempts > 25 * (w->injected + 10))
        world_wrong(w, "%llu attempts failed over %llu faults", (unsigned long long)t.failed_attempts,
                    (unsigned long long)w->injected);
}

static void finish(history *h, history_result *r)
{
    world *w = &h->w;
    bool abrupt = world_pick(&w->shape, 8) == 0; /* the context is closed at once */
    if (!w->wrong[0] && !abrupt)
        settle(h);
    if (h->driver) {
        check_totals(h, r);
        driver_free(h->driver);
        if (!w->wrong[0])
            disk_leftovers(w->disk, true);
    }
    r->injected += w->injected;
    r->virtual_ms += w->now - INT64_C(1000000000000);
    r->digest = hash_mix(w->digest ^ w->injected, (uint64_t)w->now);
}

bool history_run(uint64_t seed, bool trace, const char *folder, history_result *r, char *wrong, size_t room)
{
    history *h = sim_alloc(sizeof *h);
    world *w = &h->w;
    world_begin(w, seed, trace, folder);
    if (begin(h)) {
        run_jobs(h);
        for (uint32_t i = 0; i < h->job_count && !w->wrong[0]; i++)
            job_check(&h->jobs[i], &h->pipeline);
    }
    finish(h, r);
    for (uint32_t i = 0; i < h->job_count; i++) {
        r->jobs++;
        r->jobs_failed += h->jobs[i].status != SDF_OK;
        job_free(&h->jobs[i]);
    }
    node_unref(h->lineage, NULL, NULL);
    pipeline_free(&h->pipeline);
    net_free(w->net);
    disk_free(w->disk);
    bool good = !w->wrong[0];
    snprintf(wrong, room, "%s", w->wrong);
    world_end(w);
    free(h);
    return good;
}
