/* One of the values as it came: the least or largest of raw bytes and of encoded values (whose order is that of their
 * bytes), the first, the last. */
#include "exec/builtins.h"

/* Takes `value` in the place of what is held. */
static int keep(grown *g, const sdf_slice *value, sdf_memory *memory)
{
    size_t before = g->size;
    g->size = 0;
    int rc = grown_reserve(g, value->size, memory);
    if (rc) {
        g->size = before;
        return rc;
    }
    if (value->size)
        memcpy(g->data, value->data, value->size);
    g->size = value->size;
    return SDF_OK;
}

static int compare(const grown *g, const sdf_slice *value)
{
    sdf_slice held = {g->data, g->size};
    return type_compare(TYPE_BYTES, value, &held);
}

static int least(void *state, const sdf_slice *value, sdf_memory *memory, void *user)
{
    grown *g = state;
    return g->data && compare(g, value) >= 0 ? SDF_OK : keep(g, value, memory);
}

static int most(void *state, const sdf_slice *value, sdf_memory *memory, void *user)
{
    grown *g = state;
    return g->data && compare(g, value) <= 0 ? SDF_OK : keep(g, value, memory);
}

static int first(void *state, const sdf_slice *value, sdf_memory *memory, void *user)
{
    grown *g = state;
    return g->data ? SDF_OK : keep(g, value, memory);
}

static int last(void *state, const sdf_slice *value, sdf_memory *memory, void *user)
{
    return keep(state, value, memory);
}

/* What was shuffled is one value: of encoded types it must be an item still. */
static int least_item(void *state, const sdf_slice *shuffled, sdf_memory *memory, void *user)
{
    return item_is(*shuffled) ? least(state, shuffled, memory, user) : SDF_E_CORRUPT;
}

static int most_item(void *state, const sdf_slice *shuffled, sdf_memory *memory, void *user)
{
    return item_is(*shuffled) ? most(state, shuffled, memory, user) : SDF_E_CORRUPT;
}

/* finish is what lets the result have the type of the values and the shuffled state be bytes. */
#define ONE_OF(name, updated, merged)                                                                                  \
    static const sdf_aggregator aggregate_##name = {.struct_size = sizeof(sdf_aggregator),                             \
                                                    .state_type = SDF_BYTES,                                           \
                                                    .state_size = sizeof(grown),                                       \
                                                    .variable = 1,                                                     \
                                                    .update = updated,                                                 \
                                                    .merge = merged,                                                   \
                                                    .encode = grown_encode,                                            \
                                                    .finish = grown_encode};
ONE_OF(least, least, least)
ONE_OF(most, most, most)
ONE_OF(least_item, least, least_item)
ONE_OF(most_item, most, most_item)
ONE_OF(first, first, first)
ONE_OF(last, last, last)

static const sdf_function rows[] = {
    AGGREGATOR_ROW("sdf.min.bytes", SDF_BYTES, SDF_BYTES, aggregate_least),
    AGGREGATOR_ROW("sdf.min.tuple", NULL, NULL, aggregate_least_item),
    AGGREGATOR_ROW("sdf.min.optional", NULL, NULL, aggregate_least_item),
    AGGREGATOR_ROW("sdf.min.any", SDF_ANY, SDF_ANY, aggregate_least_item),
    AGGREGATOR_ROW("sdf.max.bytes", SDF_BYTES, SDF_BYTES, aggregate_most),
    AGGREGATOR_ROW("sdf.max.tuple", NULL, NULL, aggregate_most_item),
    AGGREGATOR_ROW("sdf.max.optional", NULL, NULL, aggregate_most_item),
    AGGREGATOR_ROW("sdf.max.any", SDF_ANY, SDF_ANY, aggregate_most_item),
    AGGREGATOR_ROW("sdf.first", NULL, NULL, aggregate_first),
    AGGREGATOR_ROW("sdf.last", NULL, NULL, aggregate_last),
};
const builtin_table builtin_values = BUILTIN_TABLE(rows);
