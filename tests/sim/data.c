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

bool step_is_wide(step_kind k)
{
    return k >= STEP_SUM;
}

const char *step_name(step_kind k)
{
    static const char *const names[] = {"shift", "odd",  "expand", "flaky",     "unstable", "sum",
                                        "count", "fold", "sort",   "sort_down", "partition"};
    return names[k];
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
    default:
        return 1;
    }
}

int64_t fold_value(int64_t sum, int64_t count, int64_t largest)
{
    return (sum * 31 + count * 1009 + largest) % 99991;
}

static void narrow(step_kind k, recs *r)
{
    recs made = {0};
    for (uint32_t i = 0; i < r->count; i++) {
        rec out[2];
        uint32_t n = step_apply(k, &r->at[i], out);
        for (uint32_t j = 0; j < n; j++)
            recs_add(&made, out[j].key, out[j].key_size, out[j].value);
    }
    recs_free(r);
    *r = made;
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

static void by_key(step_kind k, recs *r)
{
    recs made = {0};
    stable_sort(r, false);
    for (uint32_t i = 0, end; i < r->count; i = end) {
        int64_t sum = 0, largest = r->at[i].value;
        for (end = i; end < r->count && rec_compare_keys(&r->at[i], &r->at[end]) == 0; end++) {
            sum += r->at[end].value;
            largest = r->at[end].value > largest ? r->at[end].value : largest;
        }
        int64_t count = end - i;
        int64_t v = k == STEP_SUM ? sum : k == STEP_COUNT ? count : fold_value(sum, count, largest);
        recs_add(&made, r->at[i].key, r->at[i].key_size, v);
    }
    recs_free(r);
    *r = made;
}

order_known oracle_run(const pipeline *p, recs *out)
{
    order_known order = ORDER_EXACT;
    for (uint32_t i = 0; i < p->input.count; i++)
        recs_add(out, p->input.at[i].key, p->input.at[i].key_size, p->input.at[i].value);
    for (uint32_t i = 0; i < p->step_count; i++) {
        step_kind k = p->steps[i];
        if (!step_is_wide(k)) {
            narrow(k, out);
            if (k == STEP_SHIFT && order != ORDER_EXACT)
                order = ORDER_NONE;
        } else if (k == STEP_SORT || k == STEP_SORT_DOWN) {
            stable_sort(out, k == STEP_SORT_DOWN);
            if (order != ORDER_EXACT)
                order = k == STEP_SORT ? ORDER_KEYS : ORDER_DOWN;
        } else {
            if (k != STEP_PARTITION)
                by_key(k, out);
            order = ORDER_NONE;
        }
    }
    return order;
}
