/* Jobs: what they need, how far they are, what they hand to the host, how they end. */
#include <stdlib.h>

#include "driver/internal.h"

#define PROGRESS_MS 100 /* between two progress events of a job */

job *job_find(const driver *d, uint32_t id)
{
    for (job *j = d->jobs; j; j = j->next)
        if (j->spec.id == id)
            return j;
    return NULL;
}

static bool job_needs(const job *j, uint32_t stage_id)
{
    return idmap_find(&j->needs, stage_id) != NULL;
}

bool driver_job_needs(const driver *d, uint32_t id, uint32_t stage_id)
{
    const job *j = job_find(d, id);
    return j && job_needs(j, stage_id);
}

bool jobs_need(const driver *d, uint32_t stage_id)
{
    for (const job *j = d->jobs; j; j = j->next)
        if (job_needs(j, stage_id))
            return true;
    return false;
}

static int job_add_stage(job *j, uint32_t id)
{
    if (!id || job_needs(j, id))
        return SDF_OK;
    if (j->stage_count == j->stage_room) {
        uint32_t room = j->stage_room ? j->stage_room * 2 : 8;
        uint32_t *grown = realloc(j->stages, room * sizeof *grown);
        if (!grown)
            return SDF_E_NO_MEMORY;
        j->stages = grown;
        j->stage_room = room;
    }
    if (!idmap_put(&j->needs, id, 1))
        return SDF_E_NO_MEMORY;
    j->stages[j->stage_count++] = id;
    return SDF_OK;
}

/* Adds a stage and its ancestors, once each. (The list is the queue of a search: a lineage may be long.) */
static int job_add_stages(driver *d, job *j, uint32_t id)
{
    int rc = job_add_stage(j, id);
    for (uint32_t i = 0; i < j->stage_count && !rc; i++) {
        const stage *s = stage_find(d, j->stages[i]);
        if (!s || !s->spec)
            continue;
        j->tasks_total += s->tasks;
        j->tasks_done += s->done;
        for (uint32_t p = 0; p < s->parent_count && !rc; p++)
            rc = job_add_stage(j, s->parents[p]);
        rc = rc ? rc : job_add_stage(j, s->spec->bound_by);
    }
    return rc;
}

static void job_free(job *j)
{
    idmap_free(&j->needs);
    free(j->stages);
    free(j->label);
    free(j);
}

int driver_submit(driver *d, const driver_job *spec, sdf_error **err)
{
    stage *s = stage_find(d, spec->stage);
    if (!s || !s->spec)
        return error_set(err, SDF_E_INTERNAL, "job %u wants stage %u, which is not there", spec->id, spec->stage);
    job *j = calloc(1, sizeof *j);
    if (!j)
        return error_no_memory(err);
    j->spec = *spec;
    j->label = strdup(spec->label ? spec->label : s->spec->label);
    j->spec.label = j->label;
    j->started_ms = driver_now(d);
    int rc = j->label ? job_add_stages(d, j, spec->stage) : SDF_E_NO_MEMORY;
    if (rc)
        error_no_memory(err);
    else
        rc = job_output_claim(d, j, err);
    if (rc) {
        job_free(j);
        return rc;
    }
    s->limit = spec->limit;
    if (!job_find(d, s->plan->job)) /* the first one, or the last is over */
        s->plan->job = spec->id;
    j->next = d->jobs;
    d->jobs = j;
    d->active++;
    d->totals.jobs++;
    j->totals.jobs = 1;
    sdf_event *e = event_new(SDF_EVENT_JOB_STARTED);
    if (e) {
        event_number(e, "job", spec->id);
        event_number(e, "stages", j->stage_count);
        event_number(e, "tasks_total", j->tasks_total);
        event_label(e, j->label);
        driver_emit(d, e);
    }
    sched_event event = {.kind = SCHED_JOB, .job = spec->id, .stage = spec->stage};
    push_event(d, &event);
    return SDF_OK;
}

/* A job that came after a commit sees it taken back, but not made: what stands may then be below nothing. */
static int64_t record_errors(const driver_totals *t)
{
    int64_t count = (int64_t)t->tasks_metrics.record_errors;
    return count < 0 ? 0 : count;
}

static void job_numbers(const driver *d, const job *j, sdf_event *e)
{
    const task_metrics *m = &j->totals.tasks_metrics;
    event_number(e, "job", j->spec.id);
    event_number(e, "tasks_done", j->tasks_done);
    event_number(e, "tasks_total", j->tasks_total);
    event_number(e, "records", (int64_t)(m->records_in + m->shuffle_records_in));
    event_number(e, "records_read", (int64_t)m->records_in);
    event_number(e, "bytes_read", (int64_t)m->bytes_read);
    event_number(e, "bytes_shuffled", (int64_t)m->shuffle_bytes_out);
    event_number(e, "bytes_spilled", (int64_t)m->spilled_bytes);
    event_number(e, "bytes_written", (int64_t)m->bytes_written);
    event_number(e, "record_errors", record_errors(&j->totals));
    event_number(e, "peak_memory", (int64_t)m->peak_memory);
    event_number(e, "elapsed_ms", driver_now(d) - j->started_ms);
}

static void job_progress(driver *d, job *j)
{
    int64_t time = driver_now(d);
    if (time - j->progress_ms < PROGRESS_MS)
        return;
    j->progress_ms = time;
    sdf_event *e = event_new(SDF_EVENT_PROGRESS);
    if (!e)
        return;
    job_numbers(d, j, e);
    event_label(e, j->label);
    driver_emit(d, e);
}

static void totals_add(driver_totals *sum, const driver_totals *more)
{
    task_metrics_add(&sum->tasks_metrics, &more->tasks_metrics);
    sum->stages += more->stages;
    sum->tasks += more->tasks;
    sum->attempts += more->attempts;
    sum->failed_attempts += more->failed_attempts;
}

void jobs_count(driver *d, uint32_t stage_id, const driver_totals *more)
{
    totals_add(&d->totals, more);
    for (job *j = d->jobs; j; j = j->next)
        if (job_needs(j, stage_id))
            totals_add(&j->totals, more);
}

void jobs_uncount_errors(driver *d, uint32_t stage_id, uint64_t count)
{
    d->totals.tasks_metrics.record_errors -= count;
    for (job *j = count ? d->jobs : NULL; j; j = j->next)
        if (job_needs(j, stage_id))
            j->totals.tasks_metrics.record_errors -= count;
}

/* Hands the legs of a finished task to whoever wants this stage; inline bytes are then no longer kept. */
static void job_parts(driver *d, stage *s, uint32_t task)
{
    uint32_t legs = 0;
    for (const commit *c = s->commits[task]; c; c = c->next)
        legs++;
    for (job *j = d->jobs; j; j = j->next) {
        if (j->spec.stage != s->id || !j->spec.part)
            continue;
        for (const commit *c = s->commits[task]; c; c = c->next) {
            sdf_slice inlined = commit_get(c, COMMIT_RESULT);
            driver_part p = {
                .stage = s->id,
                .task = s->spec->first_task + task,
                .leg = c->leg,
                .legs = legs,
                .attempt = c->attempt,
                .records = c->records,
                .inline_bytes = inlined.size ? inlined.data : NULL,
                .inline_size = inlined.size,
                .object_bytes = c->object_bytes,
            };
            j->spec.part(j->spec.user, &p);
        }
    }
    for (commit **at = &s->commits[task]; *at; at = &(*at)->next)
        *at = commit_without_result(*at);
}

void jobs_fail(driver *d, uint32_t stage_id, sdf_error *error)
{
    for (job *j = d->jobs, *next; j; j = next) {
        next = j->next;
        if (!job_needs(j, stage_id))
            continue;
        sched_event cancel = {.kind = SCHED_CANCEL, .job = j->spec.id};
        push_event(d, &cancel);
        job_end(d, j, sdf_error_code(error), error_copy(error));
    }
    sdf_error_free(error);
}

void job_task_done(driver *d, stage *s, uint32_t task)
{
    s->done++;
    if (s->spec && s->spec->output.kind == PLAN_OUTPUT_RESULT)
        job_parts(d, s, task);
    for (job *j = d->jobs; j; j = j->next) {
        if (!job_needs(j, s->id))
            continue;
        j->tasks_done++;
        job_progress(d, j);
    }
    jobs_count(d, s->id, &(driver_totals){.tasks = 1});
}

void job_task_undone(driver *d, stage *s)
{
    if (!s->done)
        return;
    s->done--;
    for (job *j = d->jobs; j; j = j->next)
        if (job_needs(j, s->id) && j->tasks_done)
            j->tasks_done--;
}

static void job_finished_event(driver *d, job *j, int status, const sdf_error *err)
{
    sdf_event *e = event_new(SDF_EVENT_JOB_FINISHED);
    if (!e)
        return;
    job_numbers(d, j, e);
    event_number(e, "status", status);
    event_label(e, j->label);
    if (err)
        event_message(e, sdf_error_message(err));
    driver_emit(d, e);
}

/* The job is gone: what was only there for its tasks goes too. */
static void job_release_stages(driver *d, const job *j, bool failed)
{
    for (uint32_t i = 0; i < j->stage_count; i++) {
        stage *s = stage_find(d, j->stages[i]);
        if (!s || jobs_need(d, s->id))
            continue;
        stage_forget_extents(s); /* made again when they are wanted again */
        if (s->unneeded)
            driver_drop_stage(d, s->id);
        else if (failed && s->done < s->tasks && s->spec && s->id != j->spec.stage && d->config.on_half_done)
            d->config.on_half_done(d->config.user, s->id);
    }
}

void job_end(driver *d, job *j, int status, sdf_error *err)
{
    stage *s = stage_find(d, j->spec.stage);
    uint64_t records = 0;
    if (j->output && status == SDF_OK)
        status = job_output_complete(d, j, &err);
    output_abort(j->output);
    if (s && status == SDF_OK)
        s->final = true;
    else if (s)
        s->complete = false; /* whoever wants it makes, and counts, all of it again */
    for (uint32_t t = 0; s && s->commits && t < s->tasks; t++)
        for (const commit *c = s->commits[t]; c; c = c->next)
            records += c->records;
    for (job **at = &d->jobs; *at; at = &(*at)->next) {
        if (*at == j) {
            *at = j->next;
            break;
        }
    }
    d->active--;
    job_release_stages(d, j, status != SDF_OK);
    job_finished_event(d, j, status, err);
    j->totals.tasks_metrics.record_errors = (uint64_t)record_errors(&j->totals);
    j->spec.done(j->spec.user, status, err, &j->totals, records);
    job_free(j);
}

void driver_cancel(driver *d, uint32_t id)
{
    job *j = job_find(d, id);
    if (!j)
        return;
    sched_event e = {.kind = SCHED_CANCEL, .job = id};
    push_event(d, &e);
    sdf_error *error = NULL;
    error_set(&error, SDF_E_CANCELLED, "job %u was cancelled", id);
    job_end(d, j, SDF_E_CANCELLED, error);
}
