/* Commits: what is kept of the winning attempt of a leg, in one allocation. */
#include <stdlib.h>

#include "driver/internal.h"

sdf_slice commit_cut(const commit *c)
{
    return (sdf_slice){c->bytes, c->cut_size};
}

sdf_slice commit_index(const commit *c)
{
    return (sdf_slice){c->bytes + c->cut_size, c->index_size};
}

sdf_slice commit_samples(const commit *c)
{
    return (sdf_slice){c->bytes + c->cut_size + c->index_size, c->samples_size};
}

sdf_slice commit_result(const commit *c)
{
    return (sdf_slice){c->bytes + c->cut_size + c->index_size + c->samples_size, c->result_size};
}

static uint8_t *put(uint8_t *at, const void *data, size_t size)
{
    if (size)
        memcpy(at, data, size);
    return at + size;
}

static int commit_pack(const task_reply *r, sdf_slice index, commit **out, sdf_error **err)
{
    const char *temp = r->file_temp ? r->file_temp : "", *final = r->file_final ? r->file_final : "";
    size_t temp_size = *temp ? strlen(temp) + 1 : 0, final_size = *final ? strlen(final) + 1 : 0;
    size_t size = r->cut.size + index.size + r->samples.size + r->result.size + temp_size + final_size;
    if (size > UINT32_MAX)
        return error_set(err, SDF_E_LIMIT, "a task's reply carries %zu bytes", size);
    commit *c = calloc(1, sizeof *c + size);
    if (!c)
        return error_no_memory(err);
    c->leg = r->leg;
    c->attempt = r->attempt;
    c->records = r->records;
    c->object_bytes = r->object_bytes;
    c->file_bytes = r->file_bytes;
    c->cut_size = (uint32_t)r->cut.size;
    c->index_size = (uint32_t)index.size;
    c->samples_size = (uint32_t)r->samples.size;
    c->result_size = (uint32_t)r->result.size;
    uint8_t *at = put(c->bytes, r->cut.data, r->cut.size);
    at = put(at, index.data, index.size);
    at = put(at, r->samples.data, r->samples.size);
    at = put(at, r->result.data, r->result.size);
    c->file_temp = temp_size ? (char *)at : NULL;
    at = put(at, temp, temp_size);
    c->file_final = final_size ? (char *)at : NULL;
    put(at, final, final_size);
    *out = c;
    return SDF_OK;
}

int commit_new(driver *d, const task_reply *r, commit **out, sdf_error **err)
{
    if (!r->index_name || !*r->index_name)
        return commit_pack(r, r->index, out, err);
    sdf_view view = {0};
    int rc = store_get_sealed(d->config.store, r->index_name, UINT32_MAX, &view, err);
    if (rc)
        return rc;
    rc = commit_pack(r, (sdf_slice){view.data, view.size}, out, err);
    store_release(&view);
    if (!rc)
        (*out)->index_stored = true;
    return rc;
}
