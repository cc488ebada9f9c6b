/* Random pipelines: one or two sources of a few hundred records at most, narrow and wide steps behind them, each of one
 * or two steps before it; with what the oracle says of each. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

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

static void make_memory(world *w, step *s)
{
    uint32_t n = random_count(w), style = world_pick(&w->shape, 4);
    for (uint32_t i = 0; i < n; i++) {
        char key[KEY_MAX];
        size_t size = random_key(w, style, key);
        recs_add(&s->out, key, size, world_pick(&w->shape, 100));
    }
}

static void make_numbers(world *w, step *s)
{
    uint32_t n = random_count(w);
    for (uint32_t i = 0; i < n; i++) {
        rec r;
        number_record(i, &r);
        recs_add(&s->out, r.key, r.key_size, r.value);
    }
}

static FILE *open_input(world *w, char *uris, size_t room, uint32_t source, uint32_t number)
{
    char path[400];
    snprintf(path, sizeof path, "%s/in-%llu-%u-%u", w->folder, (unsigned long long)w->seed, source, number);
    size_t used = strlen(uris);
    snprintf(uris + used, room - used, "%s%s", used ? "\n" : "", path);
    FILE *f = fopen(path, "wb");
    if (f == NULL)
        world_wrong(w, "can't write %s", path);
    return f;
}

static void write_words(world *w, step *s, FILE *f)
{
    uint32_t lines = world_pick(&w->shape, 30), style = world_pick(&w->shape, 4);
    for (uint32_t l = 0; l < lines; l++) {
        for (uint32_t n = world_pick(&w->shape, 6); n > 0; n--) {
            char key[KEY_MAX];
            size_t size = random_key(w, style, key);
            fwrite(key, 1, size, f);
            fputc(world_pick(&w->shape, 3) ? ' ' : '\t', f);
            if (size)
                recs_add(&s->out, key, size, 1);
        }
        if (l + 1 < lines || world_pick(&w->shape, 2)) /* the last line may be without its end */
            fputs(world_pick(&w->shape, 3) ? "\n" : "\r\n", f);
    }
}

static void write_records(world *w, step *s, FILE *f)
{
    uint32_t n = random_count(w);
    for (uint32_t i = 0; i < n; i++) {
        char key[BINARY_KEY];
        int64_t value = world_pick(&w->shape, 100);
        for (uint32_t b = 0; b < BINARY_KEY; b++)
            key[b] = (char)(0x80 | (b < 6 ? 0 : world_pick(&w->shape, 128))); /* no line ends: text is saved, too */
        fwrite(key, 1, sizeof key, f);
        fwrite(&value, 1, sizeof value, f);
        recs_add(&s->out, key, sizeof key, value);
    }
}

static void make_files(world *w, pipeline *p, step *s)
{
    uint32_t files = 1 + world_pick(&w->shape, world_pick(&w->shape, 3) ? 3 : 8);
    uint32_t number = (uint32_t)(s - p->steps);
    for (uint32_t i = 0; i < files; i++) {
        FILE *f = open_input(w, p->uris[number], sizeof p->uris[number], number, i);
        if (f == NULL)
            return;
        if (s->kind == STEP_WORDS)
            write_words(w, s, f);
        else
            write_records(w, s, f);
        fclose(f);
    }
}

/* ---- steps ---- */

static void add_source(world *w, pipeline *p)
{
    step *s = &p->steps[p->count++];
    *s = (step){.kind = (step_kind)world_pick(&w->shape, STEP_SHIFT),
                .partitions = 1 + world_pick(&w->shape, 5),
                .order = ORDER_EXACT};
    if (s->kind == STEP_MEMORY)
        make_memory(w, s);
    else if (s->kind == STEP_NUMBERS)
        make_numbers(w, s);
    else
        make_files(w, p, s);
}

/* Only moves records, so that what a masked value says of its making can still be told. */
static bool moves(step_kind k)
{
    return k == STEP_SORT || k == STEP_SORT_DOWN || k == STEP_PARTITION || k == STEP_REPARTITION || k == STEP_COALESCE;
}

/* False: it does not fit there, or makes too many records. */
static bool add_step(world *w, pipeline *p, step_kind k, uint32_t left, uint32_t right)
{
    step *s = &p->steps[p->count];
    *s = (step){.kind = k,
                .parents = {left, step_parents(k) > 1 ? right : left},
                .partitions = 1 + world_pick(&w->shape, 5),
                .persist = world_pick(&w->shape, 7) == 0,
                .divert = k == STEP_PICKY && world_pick(&w->shape, 2)};
    bool masked = p->steps[left].masked || p->steps[s->parents[1]].masked;
    if ((masked && !moves(k)) || !oracle_step(p, s)) {
        recs_free(&s->out);
        return false;
    }
    p->count++;
    return true;
}

/* What comes after an unstable step only moves records: each still says where it was made. */
static void make_unstable(world *w, pipeline *p)
{
    static const step_kind move[] = {STEP_SORT, STEP_SORT_DOWN, STEP_PARTITION, STEP_COALESCE, STEP_REPARTITION};
    p->unstable = true;
    add_source(w, p);
    if (world_pick(&w->shape, 2))
        add_step(w, p, STEP_SHIFT, p->count - 1, 0);
    if (world_pick(&w->shape, 3) == 0)
        add_step(w, p, STEP_PARTITION, p->count - 1, 0);
    if (world_pick(&w->shape, 2))
        add_step(w, p, STEP_COUNTED, p->count - 1, 0);
    add_step(w, p, STEP_UNSTABLE, p->count - 1, 0);
    for (uint32_t n = 1 + world_pick(&w->shape, 3); n > 0; n--)
        add_step(w, p, move[world_pick(&w->shape, 5)], p->count - 1, 0);
}

/* Mostly one that nothing was made of yet. */
static uint32_t pick_parent(world *w, const pipeline *p)
{
    return world_pick(&w->shape, 10) < 7 ? p->count - 1 : world_pick(&w->shape, p->count);
}

void pipeline_make(world *w, pipeline *p)
{
    memset(p, 0, sizeof *p);
    p->split_bytes = 16 + world_pick(&w->shape, 600);
    if (world_pick(&w->shape, 6) == 0) {
        make_unstable(w, p);
        return;
    }
    for (uint32_t n = 1 + world_pick(&w->shape, 2); n > 0; n--)
        add_source(w, p);
    for (uint32_t n = world_pick(&w->shape, STEPS_MAX - 4), tries = 40; n > 0 && tries > 0; tries--) {
        step_kind k = (step_kind)(STEP_SHIFT + world_pick(&w->shape, STEP_KINDS - STEP_SHIFT));
        uint32_t left = pick_parent(w, p), right = world_pick(&w->shape, p->count);
        n -= k != STEP_UNSTABLE && add_step(w, p, k, left, right);
    }
}

bool pipeline_diverts(const pipeline *p, uint32_t at)
{
    const step *s = &p->steps[at];
    if (s->divert)
        return true;
    for (uint32_t i = 0; i < step_parents(s->kind); i++)
        if (pipeline_diverts(p, s->parents[i]))
            return true;
    return false;
}

void pipeline_free(pipeline *p)
{
    for (uint32_t i = 0; i < p->count; i++) {
        for (char *path = p->uris[i], *next; *path; path = next) {
            next = path + strcspn(path, "\n");
            if (*next)
                *next++ = 0;
            remove(path);
        }
        recs_free(&p->steps[i].out);
        node_unref(p->steps[i].node, NULL, NULL);
    }
}
