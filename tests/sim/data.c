/* The serial oracle: records in an array, operators one after another. Shares no code with the library. */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

void recs_add(recs *r, const void *key, size_t key_size, int64_t value)
{
    if (r->count == r->room) {
        r->room = r->room ? r->room * 2 : 64;
        r->at = sim_grow(r->at, r->room * sizeof *r->at);
    }
    rec *x = &r->at[r->count++];
    memset(x, 0, sizeof *x);
    x->key_size = (uint8_t)(key_size < KEY_MAX ? key_size : KEY_MAX);
    if (x->key_size)
        memcpy(x->key, key, x->key_size);
    x->value = value;
}

void recs_free(recs *r)
{
    free(r->at);
    memset(r, 0, sizeof *r);
}

int rec_compare_keys(const rec *a, const rec *b)
{
    size_t n = a->key_size < b->key_size ? a->key_size : b->key_size;
    int c = memcmp(a->key, b->key, n);
    return c ? c : (int)a->key_size - (int)b->key_size;
}

int rec_compare(const void *a, const void *b)
{
    const rec *x = a, *y = b;
    int c = rec_compare_keys(x, y);
    return c ? c : (x->value > y->value) - (x->value < y->value);
}

const char *step_name(step_kind k)
{
    static const char *const names[STEP_KINDS] = {
        "memory", "words",   "records",   "numbers", "shift",     "odd",         "expand",   "values",
        "flaky",  "counted", "picky",     "bonus",   "unstable",  "coalesce",    "union",    "sum",
        "count",  "fold",    "sort",      "down",    "partition", "repartition", "distinct", "index",
        "meet",   "join",    "left_join", "full",    "table",     "left_table",  "subtract", "intersect"};
    return names[k];
}

uint32_t step_parents(step_kind k)
{
    return k < STEP_SHIFT ? 0 : k == STEP_UNION || k >= STEP_MEET ? 2 : 1;
}

bool step_refuses(const rec *in)
{
    return ((uint64_t)in->value + in->key_size) % 4 == 1;
}

int64_t step_counts(const rec *in)
{
    return (int64_t)((uint64_t)in->value % 5) - 1;
}

void number_record(int64_t number, rec *out)
{
    memset(out, 0, sizeof *out);
    for (uint64_t key = (uint64_t)number % 40; out->key_size == 0 || key; key /= 10)
        out->key[out->key_size++] = (char)('0' + key % 10);
    out->value = number % 100;
}

uint32_t step_apply(step_kind k, const rec *in, rec out[2])
{
    out[0] = out[1] = *in;
    switch (k) {
    case STEP_SHIFT:
        memset(out[0].key, 0, KEY_MAX);
        out[0].key_size = 0;
        if (in->key_size)
            out[0].key[out[0].key_size++] = in->key[in->key_size - 1];
        out[0].key[out[0].key_size++] = (char)('0' + (uint64_t)in->value % 5);
        return 1;
    case STEP_ODD:
        return (uint64_t)in->value % 3 != 0 || in->key_size % 2;
    case STEP_EXPAND:
        out[1].value++;
        return (uint32_t)((uint64_t)in->value % 3);
    case STEP_VALUES:
        out[0].value = (int64_t)((uint64_t)in->value * 3 % 997);
        return 1;
    case STEP_PICKY:
        return !step_refuses(in);
    case STEP_BONUS:
        out[0].value += BONUS;
        return 1;
    default:
        return 1;
    }
}

int64_t pair_value(const int64_t *left, const int64_t *right)
{
    uint64_t l = left ? (uint64_t)*left * 31 : 7, r = right ? (uint64_t)*right * 101 : 13;
    return (int64_t)((l + r) % 99991);
}

int64_t fold_value(int64_t sum, int64_t count, int64_t largest)
{
    return (sum * 31 + count * 1009 + largest) % 99991;
}

static void narrow(step_kind k, const recs *in, recs *out)
{
    for (uint32_t i = 0; i < in->count; i++) {
        rec made[2];
        uint32_t n = step_apply(k, &in->at[i], made);
        for (uint32_t j = 0; j < n; j++)
            recs_add(out, made[j].key, made[j].key_size, made[j].value);
    }
}

/* Insertion by binary search would do; merging keeps it stable and quick enough for a few hundred records. */
static void stable_sort(recs *r, bool down)
{
    rec *from = r->at, *to = sim_alloc(r->count * sizeof *to);
    for (uint32_t width = 1; width < r->count; width *= 2) {
        for (uint32_t lo = 0; lo < r->count; lo += 2 * width) {
            uint32_t mid = lo + width < r->count ? lo + width : r->count;
            uint32_t hi = mid + width < r->count ? mid + width : r->count;
            for (uint32_t a = lo, b = mid, at = lo; at < hi; at++) {
                int c = a < mid && b < hi ? rec_compare_keys(&from[a], &from[b]) : 0;
                bool left = b >= hi || (a < mid && (down ? c >= 0 : c <= 0));
                to[at] = left ? from[a++] : from[b++];
            }
        }
        rec *swap = from;
        from = to;
        to = swap;
    }
    r->at = from;
    r->room = r->count;
    free(to);
}

static void copy(recs *to, const recs *from)
{
    for (uint32_t i = 0; i < from->count; i++)
        recs_add(to, from->at[i].key, from->at[i].key_size, from->at[i].value);
}

/* What is made of the records of one key, of one side. */
typedef struct folded {
    int64_t sum, count, largest;
} folded;

static folded fold(const recs *r, uint32_t begin, uint32_t end)
{
    folded f = {0, end - begin, begin < end ? r->at[begin].value : 0};
    for (uint32_t i = begin; i < end; i++) {
        f.sum += r->at[i].value;
        f.largest = r->at[i].value > f.largest ? r->at[i].value : f.largest;
    }
    return f;
}

static void by_key(step *s, const recs *in)
{
    recs sorted = {0};
    copy(&sorted, in);
    stable_sort(&sorted, false);
    for (uint32_t i = 0, end; i < sorted.count; i = end) {
        for (end = i + 1; end < sorted.count && rec_compare_keys(&sorted.at[i], &sorted.at[end]) == 0;)
            end++;
        folded f = fold(&sorted, i, end);
        int64_t v = s->kind == STEP_SUM     ? f.sum
                    : s->kind == STEP_COUNT ? f.count
                                            : fold_value(f.sum, f.count, f.largest);
        recs_add(&s->out, sorted.at[i].key, sorted.at[i].key_size, v);
    }
    recs_free(&sorted);
}

/* Each record once; of `in`, or of those that `other` has, too. */
static void distinct(step *s, const recs *in, const recs *other)
{
    recs sorted = {0};
    copy(&sorted, in);
    if (sorted.count)
        qsort(sorted.at, sorted.count, sizeof *sorted.at, rec_compare);
    for (uint32_t i = 0; i < sorted.count; i++) {
        const rec *r = &sorted.at[i];
        bool wanted = i == 0 || rec_compare(r, r - 1) != 0, found = other == NULL;
        for (uint32_t k = 0; wanted && !found && k < other->count; k++)
            found = rec_compare(r, &other->at[k]) == 0;
        if (wanted && found)
            recs_add(&s->out, r->key, r->key_size, r->value);
    }
    recs_free(&sorted);
}

static void join_key(step_kind kind, recs *out, const recs *l, uint32_t l0, uint32_t l1, const recs *r, uint32_t r0,
                     uint32_t r1)
{
    const rec *key = l0 < l1 ? &l->at[l0] : &r->at[r0];
    bool left_too = kind == STEP_JOIN_LEFT || kind == STEP_TABLE_LEFT || kind == STEP_JOIN_FULL;
    if (kind == STEP_MEET) {
        folded a = fold(l, l0, l1), b = fold(r, r0, r1);
        int64_t v = fold_value(a.sum, a.count, a.largest) * 2 + fold_value(b.sum, b.count, b.largest) * 3;
        recs_add(out, key->key, key->key_size, v);
        return;
    }
    for (uint32_t i = l0; i < l1; i++) {
        if (kind == STEP_SUBTRACT && r0 == r1)
            recs_add(out, key->key, key->key_size, l->at[i].value);
        if (kind == STEP_SUBTRACT)
            continue;
        for (uint32_t k = r0; k < r1; k++)
            recs_add(out, key->key, key->key_size, pair_value(&l->at[i].value, &r->at[k].value));
        if (r0 == r1 && left_too)
            recs_add(out, key->key, key->key_size, pair_value(&l->at[i].value, NULL));
    }
    for (uint32_t k = r0; k < r1 && l0 == l1 && kind == STEP_JOIN_FULL; k++)
        recs_add(out, key->key, key->key_size, pair_value(NULL, &r->at[k].value));
}

static uint32_t key_end(const recs *r, uint32_t from, const rec *key)
{
    while (from < r->count && rec_compare_keys(&r->at[from], key) == 0)
        from++;
    return from;
}

static void join(step_kind kind, const recs *left, const recs *right, recs *out)
{
    recs l = {0}, r = {0};
    copy(&l, left);
    copy(&r, right);
    stable_sort(&l, false);
    stable_sort(&r, false);
    for (uint32_t i = 0, k = 0; i < l.count || k < r.count;) {
        bool from_left = k == r.count || (i < l.count && rec_compare_keys(&l.at[i], &r.at[k]) <= 0);
        const rec *key = from_left ? &l.at[i] : &r.at[k];
        uint32_t i1 = key_end(&l, i, key), k1 = key_end(&r, k, key);
        join_key(kind, out, &l, i, i1, &r, k, k1);
        i = i1;
        k = k1;
    }
    recs_free(&l);
    recs_free(&r);
}

void step_run(step_kind k, const recs *in, const recs *right, recs *out)
{
    if (right)
        join(k, in, right, out);
    else
        narrow(k, in, out);
}

/* The values are numbers in the order of the records, known or not. */
static void number(step *s)
{
    for (uint32_t i = 0; i < s->out.count; i++)
        s->out.at[i].value = i;
    s->masked = s->masked || s->order != ORDER_EXACT;
}

static void oracle_of_one(step *s, const step *from)
{
    s->masked = from->masked || s->kind == STEP_UNSTABLE;
    s->order = from->order;
    if (s->kind < STEP_COALESCE) {
        narrow(s->kind, &from->out, &s->out);
        if (s->kind == STEP_SHIFT && s->order != ORDER_EXACT)
            s->order = ORDER_NONE;
    } else if (s->kind == STEP_SUM || s->kind == STEP_COUNT || s->kind == STEP_FOLD) {
        by_key(s, &from->out);
        s->order = ORDER_NONE;
    } else if (s->kind == STEP_DISTINCT) {
        distinct(s, &from->out, NULL);
        s->order = ORDER_NONE;
    } else {
        copy(&s->out, &from->out);
        if (s->kind == STEP_INDEX)
            number(s);
        if (s->kind == STEP_PARTITION || s->kind == STEP_REPARTITION)
            s->order = ORDER_NONE;
        if (s->kind != STEP_SORT && s->kind != STEP_SORT_DOWN)
            return;
        stable_sort(&s->out, s->kind == STEP_SORT_DOWN);
        if (s->order != ORDER_EXACT)
            s->order = s->kind == STEP_SORT ? ORDER_KEYS : ORDER_DOWN;
    }
}

bool oracle_step(pipeline *p, step *s)
{
    const step *a = &p->steps[s->parents[0]], *b = &p->steps[s->parents[1]];
    if (step_parents(s->kind) == 1) {
        oracle_of_one(s, a);
    } else if (s->kind == STEP_UNION) {
        copy(&s->out, &a->out);
        copy(&s->out, &b->out);
        s->order = a->order == ORDER_EXACT && b->order == ORDER_EXACT ? ORDER_EXACT : ORDER_NONE;
        s->masked = a->masked || b->masked;
    } else {
        s->order = ORDER_NONE;
        s->masked = a->masked || b->masked;
        if (s->kind == STEP_INTERSECT)
            distinct(s, &a->out, &b->out);
        else if ((uint64_t)a->out.count * b->out.count <= 40000)
            join(s->kind, &a->out, &b->out, &s->out);
        else
            return false;
    }
    return s->out.count <= 1500;
}
