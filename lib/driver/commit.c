/* Commits: what is kept of the winning attempt of a leg, in one allocation. */
#include <stdlib.h>

#include "driver/internal.h"

sdf_slice commit_get(const commit *c, commit_part part)
{
    const uint8_t *at = (const uint8_t *)(c->counters + c->counter_count);
    for (commit_part p = 0; p < part; p++)
        at += c->sizes[p];
    return (sdf_slice){at, c->sizes[part]};
}

const char *commit_text(const commit *c, commit_part part)
{
    return c->sizes[part] ? commit_get(c, part).data : NULL;
}

commit *commit_without_result(commit *c)
{
    if (!c->sizes[COMMIT_RESULT])
        return c;
    c->sizes[COMMIT_RESULT] = 0;
    const uint8_t *end = commit_get(c, COMMIT_RESULT).data;
    commit *shrunk = realloc(c, (size_t)(end - (const uint8_t *)c));
    return shrunk ? shrunk : c;
}

static sdf_slice text_slice(const char *text)
{
    return (sdf_slice){text, text && *text ? strlen(text) + 1 : 0};
}

static int commit_counters(driver *d, const task_reply *r, commit *c, sdf_error **err)
{
    for (uint32_t i = 0; i < r->counter_count; i++) {
        counter *of;
        int rc = sum_named(d, r->counters[i].name, &of, err);
        if (rc)
            return rc;
        c->counters[c->counter_count++] = (commit_counter){of, r->counters[i].value};
    }
    return SDF_OK;
}

static int commit_pack(driver *d, const task_reply *r, sdf_slice index, commit **out, sdf_error **err)
{
    const sdf_slice parts[COMMIT_PARTS] = {
        [COMMIT_FILE_TEMP] = text_slice(r->file_temp),
        [COMMIT_FILE_FINAL] = text_slice(r->file_final),
        [COMMIT_ERRORS_TEMP] = text_slice(r->errors_temp),
        [COMMIT_ERRORS_FINAL] = text_slice(r->errors_final),
        [COMMIT_CUT] = r->cut,
        [COMMIT_INDEX] = index,
        [COMMIT_SAMPLES] = r->samples,
        [COMMIT_RESULT] = r->result,
    };
    size_t size = 0;
    for (commit_part p = 0; p < COMMIT_PARTS; p++)
        size += parts[p].size;
    if (size > UINT32_MAX)
        return error_set(err, SDF_E_LIMIT, "a task's reply carries %zu bytes", size);
    commit *c = calloc(1, sizeof *c + r->counter_count * sizeof *c->counters + size);
    if (!c)
        return error_no_memory(err);
    int rc = commit_counters(d, r, c, err);
    if (rc) {
        free(c);
        return rc;
    }
    c->leg = r->leg;
    c->attempt = r->attempt;
    c->records = r->records;
    c->object_bytes = r->object_bytes;
    c->file_bytes = r->file_bytes;
    c->errors_bytes = r->errors_bytes;
    c->errors_records = r->errors_records;
    c->record_errors = r->metrics.record_errors;
    uint8_t *at = (uint8_t *)(c->counters + c->counter_count);
    for (commit_part p = 0; p < COMMIT_PARTS; p++) {
        c->sizes[p] = (uint32_t)parts[p].size;
        if (parts[p].size)
            memcpy(at, parts[p].data, parts[p].size);
        at += parts[p].size;
    }
    *out = c;
    return SDF_OK;
}

int commit_new(driver *d, const task_reply *r, commit **out, sdf_error **err)
{
    if (!r->index_name || !*r->index_name)
        return commit_pack(d, r, r->index, out, err);
    sdf_view view = {0};
    int rc = store_get_sealed(d->config.store, r->index_name, UINT32_MAX, &view, err);
    if (rc)
        return rc;
    rc = commit_pack(d, r, (sdf_slice){view.data, view.size}, out, err);
    store_release(&view);
    if (!rc)
        (*out)->index_stored = true;
    return rc;
}
