/* One history: a random pipeline, random faults, some jobs on it; then what came out against the oracle, and what is
 * left against the invariants: nothing doubled, lost, orphaned or without end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "jobs.h"

#define STEPS_AT_MOST 300000

typedef struct history {
    world w;
    pipeline pipeline;
    driver *driver;
    driver_config config;
    planner_config planner;
    plan_broadcast bonus;
    audit audit;
    sim_job jobs[JOBS_MAX];
    uint32_t job_count;
    uint32_t next_stage;
    uint32_t *stages; /* in the driver */
    uint32_t stage_count;
    uint32_t lost[256]; /* left half done by failed jobs, if such are forgotten */
    uint32_t lost_count;
    bool added[STEPS_MAX]; /* sources in memory that the driver has */
    bool must_succeed;     /* faults are few and retries many */
    bool forgets, tidy;    /* half-done stages are planned anew; a job's own stages go with it */
    uint32_t kill_at;      /* the context is closed in so many steps, whatever runs; 0: not */
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
    f->publish = world_pick(&w->shape, 4) == 0 ? rate(w, most) : 0;
}

static void choose_planner(history *h)
{
    world *w = &h->w;
    static const int64_t bonus = BONUS;
    h->bonus = (plan_broadcast){(char *)"bonus", 1, sizeof bonus, hash_xxh3(&bonus, sizeof bonus)};
    h->planner = (planner_config){.partitions = 3,
                                  .split_bytes = 4096,
                                  .concurrency = 1 + world_pick(&w->shape, 8),
                                  .broadcast_bytes = world_pick(&w->shape, 2) ? 1 << 20 : 0,
                                  .exchange = world_pick(&w->shape, 3) ? 0 : 2,
                                  .compression = world_pick(&w->shape, 2) ? "lz4" : "none",
                                  .program_id = sdf_program_id(),
                                  .broadcasts = &h->bonus,
                                  .broadcast_count = 1,
                                  .next_stage = &h->next_stage};
}

static planner_action job_action(const sim_job *j)
{
    static const plan_format text = {.kind = PLAN_FORMAT_TEXT};
    static const plan_output_kind outputs[] = {PLAN_OUTPUT_RESULT, PLAN_OUTPUT_COUNT, PLAN_OUTPUT_FILE,
                                               PLAN_OUTPUT_RESULT, PLAN_OUTPUT_NONE};
    planner_action action = {.output = outputs[j->kind]};
    if (j->kind == JOB_SAVE) {
        action.format = text;
        action.uri = j->uri;
        action.single = j->single;
    }
    return action;
}

/* Some platforms take small requests only: as large as the plans make them anyway, and little more, so that long lists
 * of pieces have to go another way. */
static uint64_t choose_max_request(history *h)
{
    uint64_t most = 0;
    if (world_pick(&h->w.shape, 3) != 0)
        return 0;
    for (uint32_t i = 0; i < h->job_count; i++) {
        buf json = BUF_EMPTY;
        planned p;
        planner_action action = job_action(&h->jobs[i]);
        uint32_t next_stage = h->next_stage;
        if (planner_plan(h->pipeline.steps[h->jobs[i].step].node, &action, &h->planner, &p, NULL))
            return 0;
        h->next_stage = next_stage;
        if (plan_encode(p.plan, &json, NULL) == SDF_OK && json.size > most)
            most = json.size;
        buf_free(&json);
        planned_clear(&p);
    }
    return (most < 4096 ? most : 4096) + 900; /* a larger one does not come inline */
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
    h->forgets = world_pick(&w->shape, 2);
    h->tidy = world_pick(&w->shape, 2) && h->forgets;
    h->kill_at = world_pick(&w->shape, 15) == 0 ? 1 + world_pick(&w->shape, 200) : 0;
    for (uint32_t i = 0; i < h->job_count; i++) {
        h->jobs[i].must_succeed = h->must_succeed;
        h->jobs[i].cuts = c->cut_records || c->cut_after_ms;
        h->jobs[i].bereft = h->tidy;
    }
}

static void tell_shape(history *h)
{
    for (uint32_t i = 0; i < h->pipeline.count; i++) {
        const step *s = &h->pipeline.steps[i];
        char parents[32] = "";
        if (step_parents(s->kind))
            snprintf(parents, sizeof parents, " of %u", s->parents[0]);
        if (step_parents(s->kind) > 1)
            snprintf(parents, sizeof parents, " of %u and %u", s->parents[0], s->parents[1]);
        world_say(&h->w, "step %u: %s%s, %u partitions, %u records%s%s%s", i, step_name(s->kind), parents,
                  s->partitions, s->out.count, s->persist ? ", persists" : "", s->divert ? ", diverts" : "",
                  s->masked ? ", masked" : "");
    }
}

static void on_event(void *user, sdf_event *e)
{
    history *h = user;
    if (sdf_event_get_kind(e) == SDF_EVENT_PROGRESS &&
        sdf_event_number(e, "tasks_done") > sdf_event_number(e, "tasks_total"))
        world_wrong(&h->w, "progress: %s", sdf_event_json(e));
    if (sdf_event_get_kind(e) == SDF_EVENT_STAGE_FINISHED)
        audit_finished(&h->audit, (uint32_t)sdf_event_number(e, "stage"));
    if (h->w.trace && sdf_event_get_kind(e) != SDF_EVENT_PROGRESS)
        world_say(&h->w, "%s", sdf_event_json(e));
    event_free(e);
}

static void on_half_done(void *user, uint32_t stage)
{
    history *h = user;
    if (h->forgets && h->lost_count < sizeof h->lost / sizeof *h->lost)
        h->lost[h->lost_count++] = stage;
}

/* ---- jobs ---- */

static void drop_stage(void *user, uint32_t stage)
{
    history *h = user;
    world_say(&h->w, "stage %u is dropped", stage);
    driver_drop_stage(h->driver, stage);
}

static void note_stage(history *h, uint32_t stage)
{
    h->stages = sim_grow(h->stages, (h->stage_count + 1) * sizeof *h->stages);
    h->stages[h->stage_count++] = stage;
}

static bool add_sources(history *h, const planned *p, sdf_error **err)
{
    for (uint32_t i = 0; i < p->parallelize_count; i++) {
        const node *n = p->parallelize[i];
        for (uint32_t k = 0; k < h->pipeline.count; k++) {
            if (h->pipeline.steps[k].node != n || h->added[k])
                continue;
            if (driver_add_object(h->driver, n->stages[0], n->data.data, n->data.size, err))
                return false;
            h->added[k] = true;
            note_stage(h, n->stages[0]);
        }
    }
    return true;
}

static bool hand_over(history *h, planned *p, sdf_error **err)
{
    if (!add_sources(h, p, err))
        return false;
    if (driver_add_plan(h->driver, p->plan, p->pieces, err))
        return false;
    for (uint32_t i = 0; i < p->plan->stage_count; i++)
        note_stage(h, p->plan->stages[i].id);
    p->plan = NULL;
    p->pieces = NULL;
    return true;
}

/* What failed jobs left half done is made anew, unless somebody else goes on with it. */
static void forget_lost(history *h, const sim_job *j)
{
    for (uint32_t i = h->lost_count; i-- > 0;)
        for (uint32_t k = 0; k < h->job_count; k++)
            if (driver_job_needs(h->driver, h->jobs[k].id, h->lost[i])) {
                h->lost[i] = h->lost[--h->lost_count];
                break;
            }
    if (node_forget(h->pipeline.steps[j->step].node, h->lost, h->lost_count, drop_stage, h))
        world_wrong(&h->w, "no memory");
}

static void submit(history *h, sim_job *j)
{
    world *w = &h->w;
    planner_action action = job_action(j);
    planned p;
    sdf_error *err = NULL;
    forget_lost(h, j);
    if (planner_plan(h->pipeline.steps[j->step].node, &action, &h->planner, &p, &err)) {
        world_wrong(w, "no plan: %s", sdf_error_text(err));
        sdf_error_free(err);
        return;
    }
    j->stage = p.target;
    disk_protect(w->disk, p.target);
    world_say(w, "job %u: %s of step %u, stage %u", j->id, job_name(j->kind), j->step, p.target);
    j->diverted = audit_plan(&h->audit, &h->pipeline, &p, j->kind == JOB_TAKE);
    driver_job wish = {.id = j->id,
                       .stage = p.target,
                       .label = "job",
                       .limit = j->kind == JOB_TAKE ? j->take : UINT64_MAX,
                       .output_uri = j->kind == JOB_SAVE ? j->uri : NULL,
                       .output_single = j->single,
                       .part = job_part,
                       .done = job_done,
                       .user = j};
    if (!hand_over(h, &p, &err) || driver_submit(h->driver, &wish, &err))
        world_wrong(w, "job %u is refused: %s", j->id, sdf_error_text(err));
    else
        planned_commit(&p);
    for (uint32_t i = 0; h->tidy && i < p.scratch_count; i++)
        drop_stage(h, p.scratch[i]); /* goes with the job */
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

static void step_driver(history *h, int timeout_ms)
{
    sdf_error *err = NULL;
    if (driver_step(h->driver, timeout_ms, &err))
        world_wrong(&h->w, "the driver fails: %s", sdf_error_text(err));
    sdf_error_free(err);
}

static void cancel(history *h, sim_job *j)
{
    world_say(&h->w, "job %u is cancelled", j->id);
    j->cancelled = true;
    driver_cancel(h->driver, j->id);
}

/* After a step: what becomes of the jobs. */
static void look_at(history *h, sim_job *j)
{
    if (j->cancel_at > 0 && !j->over && --j->cancel_at == 0)
        cancel(h, j);
    if (j->over && h->tidy && !j->dropped) {
        drop_stage(h, j->stage);
        j->dropped = true;
    }
    if (world_pick(&h->w.shape, 16) == 0)
        job_check_hidden(j);
}

/* Nothing runs: a collection needs to be kept no longer. What was made from it can't be made again now, until it is
 * forgotten. */
static void unpersist(history *h)
{
    step *s = &h->pipeline.steps[world_pick(&h->w.shape, h->pipeline.count)];
    if (!h->forgets || !s->persist || world_pick(&h->w.shape, 2))
        return;
    world_say(&h->w, "step %u is kept no longer", (uint32_t)(s - h->pipeline.steps));
    node_set_persist(s->node, false, drop_stage, h);
    for (uint32_t i = 0; i < h->job_count; i++)
        h->jobs[i].must_succeed = h->jobs[i].must_succeed && h->jobs[i].over;
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
        bool idle = driver_active(h->driver) == 0;
        if (next < h->job_count && (idle || world_pick(&w->shape, 20) == 0)) {
            if (idle)
                unpersist(h);
            submit(h, &h->jobs[next++]);
        } else if (idle) {
            return;
        }
        step_driver(h, 1000);
        for (uint32_t i = 0; i < next; i++)
            look_at(h, &h->jobs[i]);
        if (h->kill_at && steps >= h->kill_at)
            return;
    }
}

/* Lets all leases end. */
static void settle(history *h)
{
    world *w = &h->w;
    drop_all(h);
    driver_drop_broadcast(h->driver, h->bonus.id);
    int64_t end = w->now + h->config.sched.task_timeout_ms + h->config.sched.lease_grace_ms + 1;
    for (uint32_t steps = 0; (w->now < end || !net_idle(w->net)) && !w->wrong[0]; steps++) {
        if (steps > STEPS_AT_MOST)
            world_wrong(w, "no rest after %u steps", steps);
        step_driver(h, 500);
    }
    if (w->wrong[0])
        return;
    disk_leftovers(w->disk, false);
    for (uint32_t i = 0; i < h->job_count; i++)
        if (h->jobs[i].status)
            audit_failed(&h->audit, h->jobs[i].stage);
    audit_check(&h->audit, w, &h->pipeline, h->driver);
}

/* ---- the whole ---- */

static void make_job(history *h, sim_job *j)
{
    world *w = &h->w;
    const pipeline *p = &h->pipeline;
    j->world = w;
    j->step = world_pick(&w->shape, 5) < 3 || p->unstable ? p->count - 1 : world_pick(&w->shape, p->count);
    j->kind = (job_kind)world_pick(&w->shape, p->unstable ? JOB_TAKE : JOB_KINDS);
    if (pipeline_diverts(p, j->step))
        j->kind = JOB_SAVE; /* only that has a place for them */
    j->take = world_pick(&w->shape, 40);
    j->single = world_pick(&w->shape, 4) == 0 && !pipeline_diverts(p, j->step);
    if (world_pick(&w->shape, 12) == 0)
        j->cancel_at = 1 + world_pick(&w->shape, 60);
    if (world_pick(&w->shape, 2))
        snprintf(j->uri, sizeof j->uri, "%s/out-%llu-%u", w->folder, (unsigned long long)w->seed, j->id);
    else
        snprintf(j->uri, sizeof j->uri, "simsink:out-%u", j->id);
}

static void make_jobs(history *h)
{
    h->job_count = 1 + world_pick(&h->w.shape, JOBS_MAX);
    for (uint32_t i = 0; i < h->job_count; i++) {
        h->jobs[i].id = i + 1;
        make_job(h, &h->jobs[i]);
    }
}

static bool begin(history *h)
{
    static const int64_t bonus = BONUS;
    world *w = &h->w;
    sdf_error *err = NULL;
    choose_faults(w);
    pipeline_make(w, &h->pipeline);
    tell_shape(h);
    h->next_stage = 1;
    w->disk = disk_new(w);
    sink_begin(w);
    lineage_make(w, &h->pipeline, &h->next_stage);
    if (w->wrong[0])
        return false;
    make_jobs(h);
    choose_planner(h);
    choose_config(h);
    h->config.on_event = on_event;
    h->config.on_half_done = on_half_done;
    h->config.user = h;
    if (driver_new(&h->config, &h->driver, &err) ||
        driver_put_broadcast(h->driver, h->bonus.id, &bonus, sizeof bonus, &err))
        world_wrong(w, "no driver: %s", sdf_error_text(err));
    sdf_error_free(err);
    return !w->wrong[0];
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
    for (uint32_t i = 0; i < h->job_count; i++) {
        abrupt = abrupt || (h->jobs[i].submitted && !h->jobs[i].over);
        h->jobs[i].cancelled = h->jobs[i].cancelled || !h->jobs[i].over;
    }
    if (!w->wrong[0] && !abrupt)
        settle(h);
    if (h->driver) {
        check_totals(h, r);
        driver_free(h->driver);
        if (!w->wrong[0])
            disk_leftovers(w->disk, true);
    }
    for (uint32_t i = 0; i < h->job_count && !w->wrong[0]; i++)
        job_check(&h->jobs[i], &h->pipeline);
    r->injected += w->injected;
    r->virtual_ms += w->now - INT64_C(1000000000000);
    r->digest = hash_mix(w->digest ^ w->injected, (uint64_t)w->now);
}

static void release(history *h, history_result *r)
{
    for (uint32_t i = 0; i < h->job_count; i++) {
        r->jobs += h->jobs[i].submitted;
        r->jobs_failed += h->jobs[i].status != SDF_OK;
        job_free(&h->jobs[i]);
    }
    sink_end(&h->w);
    pipeline_free(&h->pipeline);
    audit_free(&h->audit);
    if (h->w.net)
        net_free(h->w.net);
    disk_free(h->w.disk);
    free(h->stages);
}

bool history_run(uint64_t seed, bool trace, const char *folder, history_result *r, char *wrong, size_t room)
{
    history *h = sim_alloc(sizeof *h);
    world *w = &h->w;
    world_begin(w, seed, trace, folder);
    if (begin(h))
        run_jobs(h);
    finish(h, r);
    release(h, r);
    bool good = !w->wrong[0];
    snprintf(wrong, room, "%s", w->wrong);
    world_end(w);
    free(h);
    return good;
}
