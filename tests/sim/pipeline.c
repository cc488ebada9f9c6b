/* Random pipelines: a source of a few hundred records at most, some narrow and wide steps; as data for the oracle and
 * as lineage for the planner. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shuffle/object.h"
#include "sim.h"
#include "spec/type.h"

#define BINARY_KEY 8

/* ---- data ---- */

static size_t random_key(world *w, uint32_t style, char key[KEY_MAX])
{
    size_t size = style == 0 ? 1 : 1 + world_pick(&w->shape, style == 1 ? 3 : 8);
    for (size_t i = 0; i < size; i++)
        key[i] = (char)('a' + world_pick(&w->shape, style == 0 ? 4 : 20));
    if (style == 3 && world_pick(&w->shape, 4)) { /* one key has most of the records */
        key[0] = 'z';
        return 1;
    }
    return style == 1 && world_pick(&w->shape, 50) == 0 ? 0 : size;
}

static uint32_t random_count(world *w)
{
    static const uint32_t most[] = {1, 2, 10, 60, 300};
    return world_pick(&w->shape, most[world_pick(&w->shape, 5)] + 1);
}

static void make_memory(world *w, pipeline *p)
{
    uint32_t n = random_count(w), style = world_pick(&w->shape, 4);
    for (uint32_t i = 0; i < n; i++) {
        char key[KEY_MAX];
        size_t size = random_key(w, style, key);
        recs_add(&p->input, key, size, world_pick(&w->shape, 100));
    }
    p->source_partitions = 1 + world_pick(&w->shape, 5);
}

static FILE *open_input(world *w, pipeline *p, uint32_t number)
{
    char path[400];
    snprintf(path, sizeof path, "%s/in-%llu-%u", w->folder, (unsigned long long)w->seed, number);
    size_t used = strlen(p->uris);
    snprintf(p->uris + used, sizeof p->uris - used, "%s%s", used ? "\n" : "", path);
    FILE *f = fopen(path, "wb");
    if (f == NULL)
        world_wrong(w, "can't write %s", path);
    return f;
}

static void write_words(world *w, pipeline *p, FILE *f)
{
    uint32_t lines = world_pick(&w->shape, 30), style = world_pick(&w->shape, 4);
    for (uint32_t l = 0; l < lines; l++) {
        for (uint32_t n = world_pick(&w->shape, 6); n > 0; n--) {
            char key[KEY_MAX];
            size_t size = random_key(w, style, key);
            fwrite(key, 1, size, f);
            fputc(world_pick(&w->shape, 3) ? ' ' : '\t', f);
            if (size)
                recs_add(&p->input, key, size, 1);
        }
        if (l + 1 < lines || world_pick(&w->shape, 2)) /* the last line may be without its end */
            fputs(world_pick(&w->shape, 3) ? "\n" : "\r\n", f);
    }
}

static void write_records(world *w, pipeline *p, FILE *f)
{
    uint32_t n = random_count(w);
    for (uint32_t i = 0; i < n; i++) {
        char key[BINARY_KEY];
        int64_t value = world_pick(&w->shape, 100);
        for (uint32_t b = 0; b < BINARY_KEY; b++)
            key[b] = (char)(0x80 | (b < 6 ? 0 : world_pick(&w->shape, 128))); /* no line ends: text is saved, too */
        fwrite(key, 1, sizeof key, f);
        fwrite(&value, 1, sizeof value, f);
        recs_add(&p->input, key, sizeof key, value);
    }
}

static void make_files(world *w, pipeline *p)
{
    uint32_t files = 1 + world_pick(&w->shape, 3);
    for (uint32_t i = 0; i < files; i++) {
        FILE *f = open_input(w, p, i);
        if (f == NULL)
            return;
        if (p->source == SOURCE_TEXT)
            write_words(w, p, f);
        else
            write_records(w, p, f);
        fclose(f);
    }
    p->split_bytes = 16 + world_pick(&w->shape, 600);
}

/* ---- steps ---- */

static void add_step(world *w, pipeline *p, step_kind k)
{
    p->partitions[p->step_count] = 1 + world_pick(&w->shape, 5);
    p->steps[p->step_count++] = k;
}

/* What comes after an unstable step only moves records: each still says where it was made. */
static void make_unstable(world *w, pipeline *p)
{
    static const step_kind moves[] = {STEP_SORT, STEP_SORT_DOWN, STEP_PARTITION};
    p->unstable = true;
    if (world_pick(&w->shape, 2))
        add_step(w, p, STEP_SHIFT);
    if (world_pick(&w->shape, 3) == 0)
        add_step(w, p, STEP_PARTITION);
    add_step(w, p, STEP_UNSTABLE);
    for (uint32_t n = 1 + world_pick(&w->shape, 3); n > 0; n--)
        add_step(w, p, moves[world_pick(&w->shape, 3)]);
}

void pipeline_make(world *w, pipeline *p)
{
    memset(p, 0, sizeof *p);
    p->source = (source_kind)world_pick(&w->shape, 3);
    if (p->source == SOURCE_MEMORY)
        make_memory(w, p);
    else
        make_files(w, p);
    if (world_pick(&w->shape, 6) == 0) {
        make_unstable(w, p);
        return;
    }
    for (uint32_t n = world_pick(&w->shape, STEPS_MAX - 1); n > 0; n--) {
        step_kind k = (step_kind)world_pick(&w->shape, STEP_KINDS);
        add_step(w, p, k == STEP_UNSTABLE ? STEP_FLAKY : k);
    }
}

void pipeline_free(pipeline *p)
{
    for (char *path = p->uris, *next; *path; path = next) {
        next = path + strcspn(path, "\n");
        if (*next)
            *next++ = 0;
        remove(path);
    }
    recs_free(&p->input);
}

/* ---- lineage ---- */

static int put_records(object_writer *x, const pipeline *p, sdf_error **err)
{
    uint64_t n = p->input.count;
    for (uint32_t i = 0; i < p->source_partitions; i++) {
        uint64_t end = n * (i + 1) / p->source_partitions;
        for (uint64_t r = n * i / p->source_partitions; r < end; r++) {
            const rec *one = &p->input.at[r];
            sdf_slice key = {one->key, one->key_size}, value = {&one->value, sizeof one->value};
            int rc = object_writer_add_one(x, i, &key, &value, err);
            if (rc)
                return rc;
        }
    }
    return SDF_OK;
}

/* The object that a parallelize node stands for. */
static void fill_memory(world *w, const pipeline *p, node *n, uint32_t stage)
{
    task_request request = {.context = SIM_CONTEXT, .stage = stage};
    plan empty = {.compression = (char *)"lz4"};
    budget memory;
    task_env env = {.request = &request,
                    .plan = &empty,
                    .store = disk_store(w->disk),
                    .clock = &w->clock,
                    .budget = &memory};
    object_ids ids = {.context = SIM_CONTEXT, .stage = stage};
    shuffle_index index = {0};
    uint64_t size = 0;
    object_writer *x;
    sdf_error *err = NULL;
    budget_init(&memory, 16 << 20);
    int rc = object_writer_open(&x, &env, &ids, p->source_partitions, TYPE_BYTES, TYPE_I64, UINT64_MAX, &err);
    if (!rc) {
        rc = put_records(x, p, &err);
        if (rc)
            object_writer_abort(x);
        else
            rc = object_writer_commit(x, &index, &n->data, &size, &err);
        shuffle_index_clear(&index);
    }
    if (rc)
        world_wrong(w, "can't make the source: %s", sdf_error_message(err));
    sdf_error_free(err);
    n->stage = stage;
}

static node *chain(node *parent, node_spec spec, uint32_t *id)
{
    spec.parent = parent;
    spec.id = (*id)++;
    node *n = node_new(&spec);
    node_unref(parent, NULL, NULL); /* the child holds it */
    return n;
}

static node *source_node(world *w, const pipeline *p, uint32_t *id, uint32_t *next_stage)
{
    node_spec spec = {.kind = NODE_PARALLELIZE,
                      .operation = "parallelize",
                      .key_type = SDF_BYTES,
                      .value_type = SDF_I64,
                      .partitions = p->source_partitions};
    if (p->source == SOURCE_MEMORY) {
        node *n = chain(NULL, spec, id);
        fill_memory(w, p, n, (*next_stage)++);
        return n;
    }
    spec = (node_spec){.kind = NODE_TEXT, .operation = "text_file", .uris = p->uris, .split_bytes = p->split_bytes};
    node_spec words = {.kind = NODE_FLAT_MAP, .operation = "flat_map", .function = "sim.words"};
    if (p->source == SOURCE_TEXT)
        return chain(chain(NULL, spec, id), words, id);
    spec.kind = NODE_BINARY;
    spec.operation = "binary_file";
    spec.record_bytes = BINARY_KEY + 8;
    spec.key_bytes = BINARY_KEY;
    return chain(chain(NULL, spec, id), (node_spec){.kind = NODE_MAP, .operation = "map", .function = "sim.load"}, id);
}

node *pipeline_nodes(world *w, const pipeline *p, uint32_t *next_stage)
{
    static const struct {
        node_kind kind;
        const char *operation, *function;
    } made[] = {
        [STEP_SHIFT] = {NODE_MAP, "map", "sim.shift"},
        [STEP_ODD] = {NODE_FILTER, "filter", "sim.odd"},
        [STEP_EXPAND] = {NODE_FLAT_MAP, "flat_map", "sim.expand"},
        [STEP_FLAKY] = {NODE_MAP, "map", "sim.flaky"},
        [STEP_UNSTABLE] = {NODE_MAP, "map", "sim.unstable"},
        [STEP_SUM] = {NODE_AGGREGATE, "reduce_by_key", "sdf.sum"},
        [STEP_COUNT] = {NODE_AGGREGATE, "aggregate_by_key", "sdf.count"},
        [STEP_FOLD] = {NODE_MAP_GROUPS, "map_groups", "sim.fold"},
        [STEP_SORT] = {NODE_SORT, "sort_by_key", NULL},
        [STEP_SORT_DOWN] = {NODE_SORT, "sort_by_key", NULL},
        [STEP_PARTITION] = {NODE_PARTITION, "partition_by", NULL},
    };
    uint32_t id = 1;
    node *n = source_node(w, p, &id, next_stage);
    for (uint32_t i = 0; i < p->step_count; i++) {
        step_kind k = p->steps[i];
        node_spec spec = {.kind = made[k].kind,
                          .operation = made[k].operation,
                          .function = made[k].function,
                          .partitions = step_is_wide(k) ? p->partitions[i] : 0,
                          .descending = k == STEP_SORT_DOWN};
        n = chain(n, spec, &id);
    }
    if (n->error)
        world_wrong(w, "the lineage is refused: %s", sdf_error_text(n->error));
    return n;
}
