/* Outputs of jobs: claimed before anything runs, so that every stage may leave diverted records in them; published from
 * commits that stand once the wanted stage is whole; all or nothing. What an output is: store/output.h. */
#include <stdio.h>
#include <stdlib.h>

#include "driver/internal.h"

static void make_token(const driver *d, uint32_t job_id, char token[OUTPUT_TOKEN_MAX])
{
    snprintf(token, OUTPUT_TOKEN_MAX, "%016llx-j%u", (unsigned long long)d->config.context, job_id);
}

int job_output_claim(driver *d, job *j, sdf_error **err)
{
    char token[OUTPUT_TOKEN_MAX];
    if (!j->spec.output_uri)
        return SDF_OK;
    make_token(d, j->spec.id, token);
    return output_begin(j->spec.output_uri, token, j->spec.output_single, &j->output, err);
}

void job_output_token(const driver *d, const stage *s, char token[OUTPUT_TOKEN_MAX])
{
    const job *j = s->plan->job ? job_find(d, s->plan->job) : NULL;
    *token = 0;
    if (j && j->output)
        make_token(d, j->spec.id, token);
}

static int publish_file(output *out, const commit *c, sdf_error **err)
{
    const char *temp = commit_text(c, COMMIT_FILE_TEMP), *final = commit_text(c, COMMIT_FILE_FINAL);
    return temp ? output_publish(out, temp, final ? final : "", c->file_bytes, c->records, err) : SDF_OK;
}

static int publish_errors(output *out, const commit *c, sdf_error **err)
{
    const char *temp = commit_text(c, COMMIT_ERRORS_TEMP), *final = commit_text(c, COMMIT_ERRORS_FINAL);
    return temp ? output_publish(out, temp, final, c->errors_bytes, c->errors_records, err) : SDF_OK;
}

static int publish_stage(output *out, const stage *s, int (*publish)(output *out, const commit *c, sdf_error **err),
                         sdf_error **err)
{
    for (uint32_t t = 0; t < s->tasks; t++) {
        for (const commit *c = s->commits[t]; c; c = c->next) {
            int rc = publish(out, c, err);
            if (!rc)
                continue;
            error_where(err, s->id, s->spec->first_task + t, (int64_t)c->attempt);
            return rc;
        }
    }
    return SDF_OK;
}

/* Of the stages that were planned for this job; what other jobs' stages divert is in their outputs. */
static int publish_diverted(driver *d, const job *j, sdf_error **err)
{
    int rc = SDF_OK;
    for (uint32_t i = 0; i < j->stage_count && !rc; i++) {
        const stage *s = stage_find(d, j->stages[i]);
        if (s && s->spec && s->plan->job == j->spec.id)
            rc = publish_stage(j->output, s, publish_errors, err);
    }
    return rc;
}

int job_output_complete(driver *d, job *j, sdf_error **err)
{
    const stage *s = stage_find(d, j->spec.stage);
    output *out = j->output;
    int rc = SDF_OK;
    if (s && s->spec->output.kind == PLAN_OUTPUT_FILE)
        rc = publish_stage(out, s, publish_file, err);
    if (!rc)
        rc = publish_diverted(d, j, err);
    j->output = NULL;
    if (!rc)
        return output_finish(out, err);
    output_abort(out);
    return rc;
}
