/* Actions: what a job does with the records of a handle. The blocking forms submit, wait and free. */
#include <stdlib.h>

#include "api/internal.h"

#define TAKE_GROWTH 4 /* each wave of take runs so many times the partitions of the one before */

/* ---- submitting ---- */

static int start(sdf_rdd *rdd, const char *what, const job_spec *spec, sdf_job **job, sdf_error **err)
{
    int rc = handle_check(rdd, what, err);
    return rc ? rc : api_job_submit(rdd->context, rdd->node, spec, NULL, job, err);
}

static int start_collect(sdf_rdd *rdd, const char *what, sdf_job **job, sdf_error **err)
{
    job_spec spec = {{.output = PLAN_OUTPUT_RESULT}, "collect", UINT64_MAX};
    return start(rdd, what, &spec, job, err);
}

static int start_count(sdf_rdd *rdd, const char *what, sdf_job **job, sdf_error **err)
{
    job_spec spec = {{.output = PLAN_OUTPUT_COUNT}, "count", UINT64_MAX};
    return start(rdd, what, &spec, job, err);
}

/* The function becomes one more node, which only this job knows. */
static int start_foreach(sdf_rdd *rdd, const char *what, plan_op_kind op, const char *function, sdf_slice arg,
                         sdf_job **job, sdf_error **err)
{
    const char *operation = op == PLAN_OP_BATCH ? "foreach_partition" : "foreach";
    job_spec spec = {{.output = PLAN_OUTPUT_NONE}, operation, UINT64_MAX};
    int rc = handle_check(rdd, what, err);
    if (rc)
        return rc;
    sdf_rdd *handle =
        handle_from(rdd, &(node_spec){NODE_NARROW, .operation = operation, .op = op, .function = function, .arg = arg});
    rc = handle ? start(handle, what, &spec, job, err) : error_no_memory(err);
    sdf_rdd_free(handle);
    return rc;
}

static int start_save(sdf_rdd *rdd, const char *what, const char *uri, const sdf_save_options *options, sdf_job **job,
                      sdf_error **err)
{
    job_spec spec = {.name = "save", .limit = UINT64_MAX};
    int rc = handle_check(rdd, what, err);
    if (rc)
        return rc;
    rc = save_begin(rdd->context, uri, options, &spec.action, err);
    if (rc) {
        error_prefix(err, "%s", what);
        return rc;
    }
    rc = start(rdd, what, &spec, job, err);
    save_end(&spec.action);
    return rc;
}

static int start_save_as(sdf_rdd *rdd, const char *what, const char *uri, const char *format, sdf_job **job,
                         sdf_error **err)
{
    sdf_save_options options;
    sdf_save_options_init(&options);
    options.format = format;
    return start_save(rdd, what, uri, &options, job, err);
}

sdf_job *sdf_submit_collect(sdf_rdd *rdd, sdf_error **err)
{
    sdf_job *job = NULL;
    start_collect(rdd, "sdf_submit_collect", &job, err);
    return job;
}

sdf_job *sdf_submit_count(sdf_rdd *rdd, sdf_error **err)
{
    sdf_job *job = NULL;
    start_count(rdd, "sdf_submit_count", &job, err);
    return job;
}

sdf_job *sdf_submit_foreach(sdf_rdd *rdd, const char *function, const void *arg, size_t arg_size, sdf_error **err)
{
    sdf_job *job = NULL;
    start_foreach(rdd, "sdf_submit_foreach", PLAN_OP_FLAT_MAP, function, (sdf_slice){arg, arg_size}, &job, err);
    return job;
}

sdf_job *sdf_submit_save(sdf_rdd *rdd, const char *uri, const sdf_save_options *options, sdf_error **err)
{
    sdf_job *job = NULL;
    start_save(rdd, "sdf_submit_save", uri, options, &job, err);
    return job;
}

sdf_job *sdf_submit_save_as_text_file(sdf_rdd *rdd, const char *uri, sdf_error **err)
{
    sdf_job *job = NULL;
    start_save_as(rdd, "sdf_submit_save_as_text_file", uri, "text", &job, err);
    return job;
}

sdf_job *sdf_submit_save_as_binary_file(sdf_rdd *rdd, const char *uri, sdf_error **err)
{
    sdf_job *job = NULL;
    start_save_as(rdd, "sdf_submit_save_as_binary_file", uri, "binary", &job, err);
    return job;
}

/* ---- blocking ---- */

/* Waits, hands over the count or the records if they are wanted, and frees the job. */
static int finish(sdf_job *job, uint64_t *count, sdf_result **result, sdf_error **err)
{
    int rc = api_job_wait(job, -1, err);
    if (!rc && count)
        *count = job->records;
    if (!rc && result)
        rc = sdf_job_result(job, result, err);
    sdf_job_free(job);
    return rc;
}

int action_no_place(const char *what, sdf_error **err)
{
    return error_set(err, SDF_E_INVALID, "%s: the place for what it gives is NULL", what);
}

int sdf_collect(sdf_rdd *rdd, sdf_result **result, sdf_error **err)
{
    sdf_job *job;
    int rc = result ? start_collect(rdd, "sdf_collect", &job, err) : action_no_place("sdf_collect", err);
    return rc ? rc : finish(job, NULL, result, err);
}

int sdf_iterate(sdf_rdd *rdd, sdf_result **result, sdf_error **err)
{
    sdf_job *job;
    int rc = result ? start_collect(rdd, "sdf_iterate", &job, err) : action_no_place("sdf_iterate", err);
    if (rc)
        return rc;
    *result = job->result; /* it owns the job from now on, and no longer the other way round */
    job->result = NULL;
    (*result)->job = job;
    return SDF_OK;
}

int sdf_count(sdf_rdd *rdd, uint64_t *count, sdf_error **err)
{
    sdf_job *job;
    int rc = count ? start_count(rdd, "sdf_count", &job, err) : action_no_place("sdf_count", err);
    return rc ? rc : finish(job, count, NULL, err);
}

int sdf_foreach(sdf_rdd *rdd, const char *function, const void *arg, size_t arg_size, sdf_error **err)
{
    sdf_job *job;
    int rc = start_foreach(rdd, "sdf_foreach", PLAN_OP_FLAT_MAP, function, (sdf_slice){arg, arg_size}, &job, err);
    return rc ? rc : finish(job, NULL, NULL, err);
}

int sdf_foreach_partition(sdf_rdd *rdd, const char *function, const void *arg, size_t arg_size, sdf_error **err)
{
    sdf_job *job;
    int rc =
        start_foreach(rdd, "sdf_foreach_partition", PLAN_OP_BATCH, function, (sdf_slice){arg, arg_size}, &job, err);
    return rc ? rc : finish(job, NULL, NULL, err);
}

int sdf_save(sdf_rdd *rdd, const char *uri, const sdf_save_options *options, sdf_error **err)
{
    sdf_job *job;
    int rc = start_save(rdd, "sdf_save", uri, options, &job, err);
    return rc ? rc : finish(job, NULL, NULL, err);
}

int sdf_save_as_text_file(sdf_rdd *rdd, const char *uri, sdf_error **err)
{
    sdf_job *job;
    int rc = start_save_as(rdd, "sdf_save_as_text_file", uri, "text", &job, err);
    return rc ? rc : finish(job, NULL, NULL, err);
}

int sdf_save_as_binary_file(sdf_rdd *rdd, const char *uri, sdf_error **err)
{
    sdf_job *job;
    int rc = start_save_as(rdd, "sdf_save_as_binary_file", uri, "binary", &job, err);
    return rc ? rc : finish(job, NULL, NULL, err);
}

int action_collect(sdf_rdd *rdd, const char *what, const sdf_slice *key, sdf_result **result, sdf_error **err)
{
    job_spec spec = {{.output = PLAN_OUTPUT_RESULT, .key = key}, what + strlen("sdf_"), UINT64_MAX};
    sdf_job *job;
    int rc = rdd ? start(rdd, what, &spec, &job, err) : error_no_memory(err);
    rc = rc ? rc : finish(job, NULL, result, err);
    sdf_rdd_free(rdd);
    return rc;
}

/* ---- take ---- */

/* One wave: partitions first .. first+tasks-1, each at most `limit` records. */
static int take_wave(sdf_rdd *rdd, uint32_t first, uint32_t tasks, uint64_t limit, uint32_t *partitions,
                     sdf_result *all, sdf_error **err)
{
    job_spec spec = {{.output = PLAN_OUTPUT_RESULT, .first_task = first, .tasks = tasks}, "take", limit};
    sdf_job *job;
    sdf_result *wave = NULL;
    int rc = api_job_submit(rdd->context, rdd->node, &spec, partitions, &job, err);
    if (!rc)
        rc = finish(job, NULL, &wave, err);
    if (!rc && result_absorb(all, wave))
        rc = error_no_memory(err);
    sdf_result_free(wave);
    return rc;
}

static int take_waves(sdf_rdd *rdd, uint64_t n, sdf_result *all, sdf_error **err)
{
    uint32_t partitions = 1, tasks = 1;
    uint64_t have = 0;
    for (uint32_t first = 0; first < partitions && have < n;) {
        uint32_t count = partitions - first < tasks ? partitions - first : tasks;
        if (!first)
            count = 1; /* how many there are is not known before the first */
        int rc = take_wave(rdd, first, count, n - have, &partitions, all, err);
        if (rc)
            return rc;
        have = result_records(all);
        first += count;
        tasks = tasks > UINT32_MAX / TAKE_GROWTH ? tasks : tasks * TAKE_GROWTH;
    }
    return SDF_OK;
}

int sdf_take(sdf_rdd *rdd, uint64_t n, sdf_result **result, sdf_error **err)
{
    int rc = result ? handle_check(rdd, "sdf_take", err) : action_no_place("sdf_take", err);
    if (rc)
        return rc;
    sdf_result *all = result_new(rdd->context, rdd->node->key_type, rdd->node->value_type, 0, 0);
    if (!all)
        return error_no_memory(err);
    rc = take_waves(rdd, n, all, err);
    if (rc) {
        sdf_result_free(all);
        return rc;
    }
    all->left = n;
    *result = all;
    return SDF_OK;
}

/* ---- explain ---- */

char *sdf_explain(sdf_rdd *rdd, const char *format, sdf_error **err)
{
    if (handle_check(rdd, "sdf_explain", err))
        return NULL;
    bool json = format && !strcmp(format, "json");
    if (format && *format && !json && strcmp(format, "text")) {
        error_set(err, SDF_E_INVALID, "sdf_explain knows no format \"%.40s\"", format);
        error_hint(err, "give \"text\" or \"json\"");
        return NULL;
    }
    sdf_context *c = rdd->context;
    pthread_mutex_lock(&c->lineage);
    planner_config config = context_planner(c);
    char *text = planner_explain(rdd->node, &config, json, err);
    pthread_mutex_unlock(&c->lineage);
    return text;
}

void sdf_string_free(char *text)
{
    free(text);
}
