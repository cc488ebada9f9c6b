/* See model.h. Grouping is sorting; a join looks at every pair of neighbours with equal keys. */
#include "model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGESTS 1000003

typedef struct block {
    struct block *next;
} block;

static block *blocks;

void *case_alloc(size_t size)
{
    block *b = malloc(sizeof *b + 8 + size);
    if (!b) {
        fputs("out of memory\n", stderr);
        exit(1);
    }
    b->next = blocks;
    blocks = b;
    return b + 1;
}

void case_free(void)
{
    while (blocks) {
        block *next = blocks->next;
        free(blocks);
        blocks = next;
    }
}

const char *type_name(char letter)
{
    return letter == 'n' ? SDF_NULL : letter == 'i' ? SDF_I64 : letter == 'f' ? SDF_F64 : SDF_BYTES;
}

void rows_add(rows *r, sdf_slice key, sdf_slice value)
{
    if (r->count == r->room) {
        size_t room = r->room ? r->room * 2 : 64;
        row *grown = case_alloc(room * sizeof *grown);
        if (r->count)
            memcpy(grown, r->at, r->count * sizeof *grown);
        r->at = grown;
        r->room = room;
    }
    r->at[r->count++] = (row){key, value};
}

sdf_slice slice_copy(const void *data, size_t size)
{
    void *copy = case_alloc(size ? size : 1);
    if (size)
        memcpy(copy, data, size);
    return (sdf_slice){copy, size};
}

sdf_slice slice_i64(int64_t v)
{
    return slice_copy(&v, sizeof v);
}

static uint64_t hash_bytes(uint64_t h, const void *data, size_t size)
{
    const unsigned char *p = data;
    for (size_t i = 0; i < size; i++)
        h = (h ^ p[i]) * UINT64_C(1099511628211);
    return (h ^ size) * UINT64_C(1099511628211);
}

uint64_t hash_slices(const sdf_slice *a, const sdf_slice *b)
{
    uint64_t h = hash_bytes(UINT64_C(14695981039346656037), a->data, a->size);
    h = b ? hash_bytes(h, b->data, b->size) : h;
    return h ^ (h >> 29);
}

int compare_bytes(const sdf_slice *a, const sdf_slice *b)
{
    size_t n = a->size < b->size ? a->size : b->size;
    int d = n ? memcmp(a->data, b->data, n) : 0;
    return d ? d : (a->size > b->size) - (a->size < b->size);
}

int compare_slices(char type, const sdf_slice *a, const sdf_slice *b)
{
    if (type == 'i') {
        int64_t x = sdf_slice_i64(a), y = sdf_slice_i64(b);
        return (x > y) - (x < y);
    }
    if (type == 'f') {
        double x = sdf_slice_f64(a), y = sdf_slice_f64(b);
        return (x > y) - (x < y);
    }
    return compare_bytes(a, b);
}

/* ---- sorting ---- */

static char sort_key, sort_value;
static int sort_sign;

static int compare_rows(const void *a, const void *b)
{
    const row *x = a, *y = b;
    int d = sort_sign * compare_slices(sort_key, &x->key, &y->key);
    if (d || !sort_value)
        return d ? d : (x->value.data > y->value.data) - (x->value.data < y->value.data); /* any, but always the same */
    return compare_slices(sort_value, &x->value, &y->value);
}

void model_sort(rows *r, int by_value_too, int descending)
{
    sort_key = r->key;
    sort_value = by_value_too ? r->value : 0;
    sort_sign = descending ? -1 : 1;
    if (r->count)
        qsort(r->at, r->count, sizeof *r->at, compare_rows);
}

static rows sorted(const rows *in)
{
    rows out = *in;
    out.at = case_alloc((in->count + 1) * sizeof *out.at);
    out.room = in->count + 1;
    if (in->count)
        memcpy(out.at, in->at, in->count * sizeof *out.at);
    model_sort(&out, 1, 0);
    return out;
}

/* Where the group that begins at i ends. */
static size_t group_end(const rows *r, size_t i)
{
    size_t j = i + 1;
    while (j < r->count && !compare_slices(r->key, &r->at[i].key, &r->at[j].key))
        j++;
    return j;
}

/* ---- what functions do ---- */

sdf_slice model_turn(char type, sdf_slice value)
{
    if (type == 'i')
        return slice_i64((sdf_slice_i64(&value) * 3 + 1) % DIGESTS);
    if (type == 'f') {
        double v = sdf_slice_f64(&value) + 0.5;
        return slice_copy(&v, sizeof v);
    }
    if (type == 'n')
        return value;
    char *text = case_alloc(value.size + 1);
    if (value.size)
        memcpy(text, value.data, value.size);
    text[value.size] = 'x';
    return (sdf_slice){text, value.size + 1};
}

int64_t model_digest(const sdf_slice *value)
{
    return (int64_t)(hash_slices(value, NULL) % DIGESTS);
}

static void put(char type, const sdf_slice *v, char *to, size_t room, size_t *at)
{
    if (!v || type == 'n')
        sdf_key_put_null(to, room, at);
    else if (type == 'i')
        sdf_key_put_i64(to, room, at, sdf_slice_i64(v));
    else if (type == 'f')
        sdf_key_put_f64(to, room, at, sdf_slice_f64(v));
    else
        sdf_key_put_bytes(to, room, at, v);
}

sdf_slice model_tuple(char left_type, const sdf_slice *left, char right_type, const sdf_slice *right)
{
    size_t room = 32 + 2 * ((left ? left->size : 0) + (right ? right->size : 0)), at = 0;
    char *to = case_alloc(room);
    sdf_key_begin_tuple(to, room, &at);
    put(left_type, left, to, room, &at);
    put(right_type, right, to, room, &at);
    sdf_key_end_tuple(to, room, &at);
    return (sdf_slice){to, at};
}

/* ---- one record at a time ---- */

static rows like(const rows *in, char key, char value)
{
    (void)in;
    return (rows){.key = key, .value = value};
}

rows model_map_values(const rows *in)
{
    rows out = like(in, in->key, in->value);
    for (size_t i = 0; i < in->count; i++)
        rows_add(&out, in->at[i].key, model_turn(in->value, in->at[i].value));
    return out;
}

rows model_digest_values(const rows *in)
{
    rows out = like(in, in->key, 'i');
    for (size_t i = 0; i < in->count; i++)
        rows_add(&out, in->at[i].key, slice_i64(model_digest(&in->at[i].value)));
    return out;
}

rows model_filter(const rows *in, unsigned drop)
{
    rows out = like(in, in->key, in->value);
    for (size_t i = 0; i < in->count; i++)
        if (hash_slices(&in->at[i].key, &in->at[i].value) % 3 != drop)
            rows_add(&out, in->at[i].key, in->at[i].value);
    return out;
}

rows model_times(const rows *in)
{
    rows out = like(in, in->key, in->value);
    for (size_t i = 0; i < in->count; i++)
        for (uint64_t n = hash_slices(&in->at[i].key, &in->at[i].value) % 3; n > 0; n--)
            rows_add(&out, in->at[i].key, in->at[i].value);
    return out;
}

/* The element: of the records here, value where the key is null, key where the value is null, else a tuple. */
static sdf_slice element(const rows *in, size_t i)
{
    if (in->key == 'n')
        return in->at[i].value;
    if (in->value == 'n')
        return in->at[i].key;
    return model_tuple(in->key, &in->at[i].key, in->value, &in->at[i].value);
}

rows model_key_by(const rows *in)
{
    rows out = like(in, 'i', in->key == 'n' ? in->value : in->value == 'n' ? in->key : 'b');
    for (size_t i = 0; i < in->count; i++)
        rows_add(&out, slice_i64(model_digest(&in->at[i].value) % 7), element(in, i));
    return out;
}

rows model_only(const rows *in, int keys)
{
    rows out = like(in, 'n', keys ? in->key : in->value);
    for (size_t i = 0; i < in->count; i++)
        rows_add(&out, (sdf_slice){"", 0}, keys ? in->at[i].key : in->at[i].value);
    return out;
}

rows model_arithmetic(const rows *in)
{
    rows out = like(in, in->key, 'i');
    for (size_t i = 0; i < in->count; i++)
        rows_add(&out, in->at[i].key, slice_i64(sdf_slice_i64(&in->at[i].value) * 2 + 1));
    return out;
}

rows model_divisible(const rows *in)
{
    rows out = like(in, in->key, in->value);
    for (size_t i = 0; i < in->count; i++)
        if (sdf_slice_i64(&in->at[i].value) % 3 != 1)
            rows_add(&out, in->at[i].key, in->at[i].value);
    return out;
}

rows model_union(const rows *a, const rows *b)
{
    rows out = like(a, a->key, a->value);
    for (size_t i = 0; i < a->count; i++)
        rows_add(&out, a->at[i].key, a->at[i].value);
    for (size_t i = 0; i < b->count; i++)
        rows_add(&out, b->at[i].key, b->at[i].value);
    return out;
}

/* ---- by key ---- */

rows model_distinct(const rows *in)
{
    rows all = sorted(in), out = like(in, in->key, in->value);
    for (size_t i = 0; i < all.count; i++)
        if (!i || compare_slices(all.key, &all.at[i].key, &all.at[i - 1].key) ||
            compare_slices(all.value, &all.at[i].value, &all.at[i - 1].value))
            rows_add(&out, all.at[i].key, all.at[i].value);
    return out;
}

rows model_reduce(const rows *in, char what)
{
    rows all = sorted(in), out = like(in, in->key, in->value);
    for (size_t i = 0, end; i < all.count; i = end) {
        int64_t sum = 0, min = INT64_MAX, max = INT64_MIN;
        end = group_end(&all, i);
        for (size_t j = i; j < end; j++) {
            int64_t v = sdf_slice_i64(&all.at[j].value);
            sum += v;
            min = v < min ? v : min;
            max = v > max ? v : max;
        }
        rows_add(&out, all.at[i].key, slice_i64(what == 's' ? sum : what == 'm' ? min : max));
    }
    return out;
}

rows model_count(const rows *in)
{
    rows all = sorted(in), out = like(in, in->key, 'i');
    for (size_t i = 0, end; i < all.count; i = end) {
        end = group_end(&all, i);
        rows_add(&out, all.at[i].key, slice_i64((int64_t)(end - i)));
    }
    return out;
}

static int64_t digest_sum(const rows *r, size_t from, size_t to)
{
    int64_t sum = 0;
    for (size_t i = from; i < to; i++)
        sum += model_digest(&r->at[i].value) + 1;
    return sum;
}

/* Walks both sides by key; an end equal to its begin: that side has none. */
typedef struct pair {
    size_t a, a_end, b, b_end;
} pair;

static int next_pair(const rows *a, const rows *b, pair *p)
{
    size_t i = p->a = p->a_end, j = p->b = p->b_end;
    if (i == a->count && (!b || j == b->count))
        return 0;
    int d = i == a->count ? 1 : !b || j == b->count ? -1 : compare_slices(a->key, &a->at[i].key, &b->at[j].key);
    if (d <= 0)
        p->a_end = group_end(a, i);
    if (d >= 0)
        p->b_end = group_end(b, j);
    return 1;
}

static sdf_slice pair_key(const rows *a, const rows *b, const pair *p)
{
    return p->a < p->a_end ? a->at[p->a].key : b->at[p->b].key;
}

rows model_groups(const rows *left, const rows *right)
{
    rows a = sorted(left), none = {0}, b = right ? sorted(right) : none, out = like(left, left->key, 'i');
    for (pair p = {0}; next_pair(&a, right ? &b : NULL, &p);)
        rows_add(&out, pair_key(&a, &b, &p),
                 slice_i64(digest_sum(&a, p.a, p.a_end) + 31 * digest_sum(&b, p.b, p.b_end)));
    return out;
}

size_t model_join_size(const rows *left, const rows *right)
{
    rows a = sorted(left), b = sorted(right);
    size_t size = 0;
    for (pair p = {0}; next_pair(&a, &b, &p);)
        size += (p.a_end - p.a + 1) * (p.b_end - p.b + 1);
    return size;
}

static void add_joined(rows *out, const rows *a, size_t i, const rows *b, size_t j)
{
    const sdf_slice *left = i < a->count ? &a->at[i].value : NULL, *right = j < b->count ? &b->at[j].value : NULL;
    sdf_slice value = model_tuple(a->value, left, b->value, right);
    rows_add(out, left ? a->at[i].key : b->at[j].key, slice_i64(model_digest(&value)));
}

rows model_join(const rows *left, const rows *right, join_how how)
{
    rows a = sorted(left), b = sorted(right), out = like(left, left->key, 'i');
    for (pair p = {0}; next_pair(&a, &b, &p);) {
        int has_a = p.a < p.a_end, has_b = p.b < p.b_end;
        if ((!has_a && how != JOIN_RIGHT && how != JOIN_FULL) || (!has_b && how != JOIN_LEFT && how != JOIN_FULL))
            continue;
        for (size_t i = has_a ? p.a : a.count; i < (has_a ? p.a_end : a.count + 1); i++)
            for (size_t j = has_b ? p.b : b.count; j < (has_b ? p.b_end : b.count + 1); j++)
                add_joined(&out, &a, i, &b, j);
    }
    return out;
}

rows model_subtract(const rows *left, const rows *right)
{
    rows a = sorted(left), b = sorted(right), out = like(left, left->key, left->value);
    for (pair p = {0}; next_pair(&a, &b, &p);)
        for (size_t i = p.a; i < p.a_end && p.b == p.b_end; i++)
            rows_add(&out, a.at[i].key, a.at[i].value);
    return out;
}

rows model_intersection(const rows *left, const rows *right)
{
    rows a = model_distinct(left), b = model_distinct(right), out = like(left, left->key, left->value);
    for (size_t i = 0; i < a.count; i++)
        for (size_t j = 0; j < b.count; j++)
            if (!compare_slices(a.key, &a.at[i].key, &b.at[j].key) &&
                !compare_slices(a.value, &a.at[i].value, &b.at[j].value))
                rows_add(&out, a.at[i].key, a.at[i].value);
    return out;
}
