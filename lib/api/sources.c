/* Sources: handles without a parent. Files are looked at when a job is planned, records from memory are copied now. */
#include "api/internal.h"
#include "spec/type.h"

void sdf_text_options_init(sdf_text_options *options)
{
    if (options)
        *options = (sdf_text_options){.struct_size = sizeof *options};
}

void sdf_binary_options_init(sdf_binary_options *options)
{
    if (options)
        *options = (sdf_binary_options){.struct_size = sizeof *options};
}

sdf_rdd *sdf_text_file(sdf_context *context, const char *uris, const sdf_text_options *options)
{
    if (!context)
        return NULL;
    sdf_text_options o;
    sdf_error *err = NULL;
    options_copy(&o, sizeof o, options, "sdf_text_options", &err);
    sdf_rdd *rdd =
        handle_new(context, &(node_spec){NODE_TEXT, .operation = "text_file", .uris = uris,
                                         .split_bytes = o.split_bytes, .max_line = o.max_line, .error = err});
    sdf_error_free(err);
    return rdd;
}

sdf_rdd *sdf_binary_file(sdf_context *context, const char *uris, const sdf_binary_options *options)
{
    if (!context)
        return NULL;
    sdf_binary_options o;
    sdf_error *err = NULL;
    options_copy(&o, sizeof o, options, "sdf_binary_options", &err);
    sdf_rdd *rdd = handle_new(context, &(node_spec){NODE_BINARY, .operation = "binary_file", .uris = uris,
                                                    .split_bytes = o.split_bytes, .record_bytes = o.record_bytes,
                                                    .key_bytes = o.key_bytes, .error = err});
    sdf_error_free(err);
    return rdd;
}

/* ---- parallelize ---- */

static int offsets_ok(const char *side, const sdf_column *c, uint64_t count, sdf_error **err)
{
    for (uint64_t i = 0; i < count; i++)
        if (c->offsets[i + 1] < c->offsets[i])
            return error_set(err, SDF_E_INVALID, "the column of %ss has offsets that go down: %u after %u, at %llu",
                             side, c->offsets[i + 1], c->offsets[i], (unsigned long long)i + 1);
    if (count && c->offsets[count] && !c->data)
        return error_set(err, SDF_E_INVALID, "the column of %ss has no data", side);
    return SDF_OK;
}

static int column_ok(const char *side, const char *type, const sdf_column *c, uint64_t count, sdf_error **err)
{
    if (!c)
        return type_of(type) == TYPE_NULL
                   ? SDF_OK
                   : error_set(err, SDF_E_INVALID, "the %ss have type %s but no column", side, type);
    if (c->struct_size < sizeof *c)
        return error_set(err, SDF_E_INVALID, "the column of %ss has a struct_size of %zu, not %zu", side,
                         c->struct_size, sizeof *c);
    if (c->layout > SDF_LAYOUT_OFFSETS)
        return error_set(err, SDF_E_INVALID, "the column of %ss has no layout %u", side, c->layout);
    bool data = c->layout == SDF_LAYOUT_SLICES    ? c->slices != NULL
                : c->layout == SDF_LAYOUT_OFFSETS ? c->offsets != NULL
                : c->layout == SDF_LAYOUT_FIXED   ? c->data || !c->width
                                                  : c->data || !c->size;
    if (count && !data)
        return error_set(err, SDF_E_INVALID, "the column of %ss has no data", side);
    for (uint64_t i = 0; i < count && c->layout == SDF_LAYOUT_SLICES; i++)
        if (c->slices[i].size && !c->slices[i].data)
            return error_set(err, SDF_E_INVALID, "%s %llu has a size but no data", side, (unsigned long long)i);
    return c->layout == SDF_LAYOUT_OFFSETS ? offsets_ok(side, c, count, err) : SDF_OK;
}

static int sizes_ok(const char *side, const char *type, const sdf_column *c, uint64_t count, sdf_error **err)
{
    type_kind kind = type_of(type);
    if (!c || (kind != TYPE_NULL && !type_is_number(kind)))
        return SDF_OK;
    size_t size = kind == TYPE_NULL ? 0 : 8;
    bool varies = c->layout == SDF_LAYOUT_SLICES || c->layout == SDF_LAYOUT_OFFSETS;
    uint64_t look = varies ? count : count > 0;
    for (uint64_t i = 0; i < look; i++) {
        sdf_slice v = column_get(c, i);
        if (v.size != size)
            return error_set(err, SDF_E_INVALID, "%s %llu has %zu bytes; a value of type %s has %zu", side,
                             (unsigned long long)i, v.size, type, size);
    }
    return SDF_OK;
}

/* Encodes the records as the object of a stage that no task has to run. */
static int fill(sdf_context *c, node *n, const sdf_column *keys, const sdf_column *values, uint64_t count,
                sdf_error **err)
{
    int rc = column_ok("key", n->key_type, keys, count, err);
    rc = rc ? rc : column_ok("value", n->value_type, values, count, err);
    rc = rc ? rc : sizes_ok("key", n->key_type, keys, count, err);
    rc = rc ? rc : sizes_ok("value", n->value_type, values, count, err);
    if (rc)
        return rc;
    pthread_mutex_lock(&c->lineage);
    uint32_t stage = c->next_stage++;
    pthread_mutex_unlock(&c->lineage);
    rc = parallelize_encode(c, stage, n, keys, values, count, &n->data, err);
    if (!rc)
        n->stage = stage;
    return rc;
}

sdf_rdd *sdf_parallelize(sdf_context *context, const char *key_type, const char *value_type, const sdf_column *keys,
                         const sdf_column *values, uint64_t count, uint32_t partitions)
{
    if (!context)
        return NULL;
    sdf_rdd *rdd =
        handle_new(context, &(node_spec){NODE_PARALLELIZE, .operation = "parallelize",
                                         .key_type = key_type || keys ? key_type : SDF_NULL,
                                         .value_type = value_type || values ? value_type : SDF_NULL,
                                         .partitions = partitions ? partitions : context->default_partitions});
    if (!rdd || rdd->node->error)
        return rdd;
    if (fill(context, rdd->node, keys, values, count, &rdd->node->error))
        error_at(&rdd->node->error, NULL, rdd->node->label);
    return rdd;
}
