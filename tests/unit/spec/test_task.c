/* Task requests, replies and lists of pieces on the wire: round trips, and damage of every kind. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/timebase.h"
#include "spec/task.h"

#define TEXT(s) ((sdf_slice){s, sizeof s - 1})

static task_extent extents[] = {
    {0, 0, 1, 0, 100, 200, 3, 150},
    {UINT32_MAX, 2, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT32_MAX},
    {7, 0, 9, 12345678901, 1, 1, 1, 1},
};

static task_leaf leaves[] = {{4, extents, 3}, {UINT32_MAX, NULL, 0}, {5, extents + 2, 1}};

static task_piece pieces[] = {
    {.branch = 1,
     .partition = 2,
     .start = UINT64_MAX,
     .split = {"dir/\xff.txt", 10, UINT64_MAX - 10, 1000, -5, "etag \"7\"", 4},
     .leaves = leaves,
     .leaf_count = 2},
    {.partition = UINT32_MAX},
    {.split = {.offset = 7, .length = 9}},
    {.branch = 3, .leaves = leaves + 1, .leaf_count = 2},
};

static task_request sample_request(void)
{
    return (task_request){
        .kind = TASK_RUN,
        .context = 0xfedcba9876543210,
        .job = 1,
        .stage = 2,
        .task = 3,
        .leg = 4,
        .attempt = 5,
        .plan_hash = "0123456789abcdef0123456789abcdef",
        .plan_inline = TEXT("{\"plan\":1}"),
        .store_uri = "file:/somewhere",
        .scratch_dir = "/scratch",
        .program_id = "ffff",
        .memory = 64 << 20,
        .block_bytes = 65536,
        .inline_limit = 100000,
        .lease_ms = 1700000000000,
        .cut_ms = -1,
        .cut_records = 17,
        .cut_start = TEXT("at\0here"),
        .cut_end = TEXT("z"),
        .limit = UINT64_MAX,
        .splitters = TEXT("\0\1\2"),
        .output_token = "job 1",
        .pieces = pieces,
        .piece_count = 4,
        .sides = leaves,
        .side_count = 3,
        .pieces_name = "",
        .probe_sleep_ms = 9,
        .probe_bytes = 10,
        .probe_echo = TEXT("echo"),
    };
}

static void assert_slice(sdf_slice a, sdf_slice b)
{
    assert_int_equal(a.size, b.size);
    if (a.size)
        assert_memory_equal(a.data, b.data, a.size);
}

static void assert_extents(const task_extent *a, const task_extent *b, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(a[i].task, b[i].task);
        assert_int_equal(a[i].leg, b[i].leg);
        assert_int_equal(a[i].attempt, b[i].attempt);
        assert_int_equal(a[i].offset, b[i].offset);
        assert_int_equal(a[i].stored, b[i].stored);
        assert_int_equal(a[i].raw, b[i].raw);
        assert_int_equal(a[i].records, b[i].records);
        assert_int_equal(a[i].max_raw, b[i].max_raw);
    }
}

static void assert_leaves(const task_leaf *a, const task_leaf *b, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(a[i].stage, b[i].stage);
        assert_int_equal(a[i].extent_count, b[i].extent_count);
        assert_extents(a[i].extents, b[i].extents, a[i].extent_count);
    }
}

static void assert_texts(const char *a, const char *b)
{
    assert_true((!a && !b) || (a && b && !strcmp(a, b)));
}

static void assert_pieces_equal(const task_request *a, const task_request *b)
{
    assert_int_equal(a->piece_count, b->piece_count);
    for (uint32_t i = 0; i < a->piece_count; i++) {
        const task_piece *x = &a->pieces[i], *y = &b->pieces[i];
        assert_int_equal(x->branch, y->branch);
        assert_int_equal(x->partition, y->partition);
        assert_true(x->start == y->start);
        assert_texts(x->split.path, y->split.path);
        assert_true(x->split.offset == y->split.offset && x->split.length == y->split.length);
        assert_int_equal(x->split.file_size, y->split.file_size);
        assert_int_equal(x->split.file_mtime_ns, y->split.file_mtime_ns);
        assert_texts(x->split.version, y->split.version);
        assert_int_equal(x->split.codec, y->split.codec);
        assert_int_equal(x->leaf_count, y->leaf_count);
        assert_leaves(x->leaves, y->leaves, x->leaf_count);
    }
    assert_int_equal(a->side_count, b->side_count);
    assert_leaves(a->sides, b->sides, a->side_count);
}

static void assert_requests_equal(const task_request *a, const task_request *b)
{
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->context, b->context);
    assert_int_equal(a->job, b->job);
    assert_int_equal(a->stage, b->stage);
    assert_int_equal(a->task, b->task);
    assert_int_equal(a->leg, b->leg);
    assert_int_equal(a->attempt, b->attempt);
    assert_string_equal(a->plan_hash, b->plan_hash);
    assert_slice(a->plan_inline, b->plan_inline);
    assert_string_equal(a->store_uri, b->store_uri);
    assert_string_equal(a->scratch_dir, b->scratch_dir);
    assert_string_equal(a->program_id, b->program_id);
    assert_int_equal(a->memory, b->memory);
    assert_int_equal(a->block_bytes, b->block_bytes);
    assert_int_equal(a->inline_limit, b->inline_limit);
    assert_int_equal(a->lease_ms, b->lease_ms);
    assert_int_equal(a->cut_ms, b->cut_ms);
    assert_int_equal(a->cut_records, b->cut_records);
    assert_slice(a->cut_start, b->cut_start);
    assert_slice(a->cut_end, b->cut_end);
    assert_int_equal(a->limit, b->limit);
    assert_slice(a->splitters, b->splitters);
    assert_string_equal(a->output_token, b->output_token);
    assert_string_equal(a->pieces_name, b->pieces_name);
    assert_pieces_equal(a, b);
    assert_int_equal(a->probe_sleep_ms, b->probe_sleep_ms);
    assert_int_equal(a->probe_bytes, b->probe_bytes);
    assert_slice(a->probe_echo, b->probe_echo);
}

static void requests_go_both_ways(void **state)
{
    task_request full = sample_request(), got;
    buf b = BUF_EMPTY;
    assert_int_equal(task_request_encode(&full, &b), SDF_OK);
    assert_int_equal(task_request_decode(b.data, b.size, &got, NULL), SDF_OK);
    assert_requests_equal(&full, &got);
    assert_in_range((const uint8_t *)got.plan_inline.data - b.data, 0, b.size); /* borrowed */
    task_request_clear(&got);
    assert_null(got.store_uri);
    task_request_clear(&got);
    buf_clear(&b);
    task_request empty = {.kind = TASK_PROBE};
    assert_int_equal(task_request_encode(&empty, &b), SDF_OK);
    assert_int_equal(task_request_decode(b.data, b.size, &got, NULL), SDF_OK);
    assert_string_equal(got.store_uri, "");
    assert_null(got.pieces);
    task_request_clear(&got);
    buf_free(&b);
}

/* A task has pieces, or says where they are; an object of pieces holds what the request doesn't. */
static void pieces_are_here_or_there(void **state)
{
    task_request q = sample_request(), got, there = {0};
    buf b = BUF_EMPTY;
    q.pieces_name = "sdf-1/pieces";
    assert_int_equal(task_request_encode(&q, &b), SDF_OK);
    assert_int_equal(task_request_decode(b.data, b.size, &got, NULL), SDF_OK);
    assert_true(!got.pieces && !got.piece_count && !got.sides && !got.side_count);
    buf_clear(&b);
    assert_int_equal(task_pieces_encode(&q, &b), SDF_OK);
    assert_int_equal(task_pieces_decode(b.data, b.size, &got, NULL), SDF_OK);
    assert_pieces_equal(&q, &got);
    task_request_clear(&got);
    buf_clear(&b);
    q.piece_count = 0;
    q.pieces_name = "";
    assert_int_equal(task_request_encode(&q, &b), SDF_OK);
    assert_int_equal(task_request_decode(b.data, b.size, &got, NULL), SDF_E_CORRUPT); /* sides alone */
    buf_clear(&b);
    assert_int_equal(task_pieces_encode(&q, &b), SDF_OK);
    assert_int_equal(task_pieces_decode(b.data, b.size, &there, NULL), SDF_E_CORRUPT);
    assert_true(!there.pieces && !there.sides);
    buf_free(&b);
}

static void what_cannot_be_read_is_not_written(void **state)
{
    char *text = malloc(20000);
    buf b = BUF_EMPTY;
    memset(text, 'x', 19999);
    text[19999] = '\0';
    buf_text(&b, "before");
    task_request q = sample_request();
    task_piece long_name = {.split.path = text};
    q.pieces = &long_name;
    q.piece_count = 1;
    assert_int_equal(task_request_encode(&q, &b), SDF_E_LIMIT);
    assert_int_equal(task_pieces_encode(&q, &b), SDF_E_LIMIT);
    q = sample_request();
    q.cut_start = (sdf_slice){text, TASK_CUT_MAX + 1};
    assert_int_equal(task_request_encode(&q, &b), SDF_E_LIMIT);
    text[TASK_COUNTER_NAME + 1] = '\0';
    task_counter counters[TASK_COUNTERS_MAX + 1] = {{text, 1}};
    task_reply r = {.kind = TASK_RUN, .counters = counters, .counter_count = 1};
    assert_int_equal(task_reply_encode(&r, &b), SDF_E_LIMIT);
    counters[0].name = "c";
    r.counter_count = TASK_COUNTERS_MAX + 1;
    assert_int_equal(task_reply_encode(&r, &b), SDF_E_LIMIT);
    assert_int_equal(b.size, 6); /* nothing half written */
    buf_free(&b);
    free(text);
}

static task_counter counters[] = {{"rows", INT64_MIN}, {"sdf.errors.map#3", 7}, {"trips", -1}};

static task_reply sample_reply(void)
{
    return (task_reply){
        .kind = TASK_RUN,
        .job = 1,
        .stage = 2,
        .task = 3,
        .leg = 4,
        .attempt = 5,
        .program_id = "ffff",
        .failure = FAILURE_UPSTREAM,
        .error = sdf_error_new(SDF_E_CORRUPT, "block 3", "rerun"),
        .bad_stage = 6,
        .bad_task = 7,
        .bad_leg = 8,
        .bad_attempt = UINT64_MAX,
        .metrics = {.records_in = 1, .cpu_us = 2, .store_throttled = 3},
        .cut = TEXT("cut"),
        .fingerprint = 99,
        .records = 100,
        .object_bytes = 101,
        .index = TEXT("index\0"),
        .index_name = "i",
        .result = TEXT("result"),
        .samples = TEXT("samples"),
        .file_temp = "t",
        .file_final = "f",
        .file_bytes = 102,
        .errors_temp = "et",
        .errors_final = "_errors/part-00000",
        .errors_bytes = 103,
        .errors_records = 104,
        .counters = counters,
        .counter_count = 3,
        .probe = TEXT("p"),
    };
}

/* Where the counters of an encoded reply begin: their number, then 1 (records_in), then zeros. */
static size_t counters_at(const buf *b, size_t count)
{
    size_t at = 8;
    while (at < b->size && !(b->data[at] == count && b->data[at + 1] == 1))
        at++;
    assert_true(at + count < b->size);
    return at;
}

/* Counters are appended to: those of a newer worker are passed over, those that an older one lacks are 0. */
static void counters_may_be_more_or_fewer(void **state)
{
    const size_t count = sizeof(task_metrics) / sizeof(uint64_t);
    task_reply r = {.kind = TASK_RUN, .metrics = {.records_in = 1}, .probe = TEXT("probe")}, got;
    for (int more = -1; more <= 1; more++) {
        buf b = BUF_EMPTY;
        assert_int_equal(task_reply_encode(&r, &b), SDF_OK);
        assert_int_equal(buf_reserve(&b, 1), SDF_OK);
        size_t at = counters_at(&b, count), end = at + 1 + count;
        memmove(b.data + end + more, b.data + end, b.size - end);
        b.data[end] = more > 0 ? 77 : b.data[end];
        b.data[at] = (uint8_t)((int)count + more);
        b.size = (size_t)((long)b.size + more);
        assert_int_equal(task_reply_decode(b.data, b.size, &got, NULL), SDF_OK);
        assert_memory_equal(&got.metrics, &r.metrics, sizeof r.metrics);
        assert_slice(got.probe, r.probe);
        task_reply_clear(&got);
        buf_free(&b);
    }
}

static void replies_go_both_ways(void **state)
{
    task_reply full = sample_reply(), got;
    buf b = BUF_EMPTY, again = BUF_EMPTY;
    assert_int_equal(task_reply_encode(&full, &b), SDF_OK);
    assert_int_equal(task_reply_decode(b.data, b.size, &got, NULL), SDF_OK);
    assert_int_equal(got.failure, FAILURE_UPSTREAM);
    assert_string_equal(sdf_error_text(got.error), sdf_error_text(full.error));
    assert_int_equal(got.bad_attempt, UINT64_MAX);
    assert_memory_equal(&got.metrics, &full.metrics, sizeof got.metrics);
    assert_string_equal(got.program_id, "ffff");
    assert_string_equal(got.file_final, "f");
    assert_string_equal(got.errors_final, "_errors/part-00000");
    assert_int_equal(got.errors_records, 104);
    assert_int_equal(got.counter_count, 3);
    assert_string_equal(got.counters[1].name, "sdf.errors.map#3");
    assert_true(got.counters[0].value == INT64_MIN && got.counters[2].value == -1);
    assert_slice(got.index, full.index);
    assert_slice(got.probe, full.probe);
    assert_int_equal(task_reply_encode(&got, &again), SDF_OK); /* all the rest: the same bytes once more */
    assert_slice(buf_slice(&again), buf_slice(&b));
    task_reply_clear(&got);
    sdf_error_free(full.error);
    buf_clear(&b);
    task_reply mute = {.kind = TASK_RUN, .failure = FAILURE_LOST};
    assert_int_equal(task_reply_encode(&mute, &b), SDF_OK);
    assert_int_equal(task_reply_decode(b.data, b.size, &got, NULL), SDF_OK);
    assert_non_null(got.error); /* a failure always says something */
    task_reply_clear(&got);
    buf_clear(&b);
    task_reply odd = {.kind = TASK_RUN, .error = sdf_error_new(SDF_E_IO, "x", NULL)};
    assert_int_equal(task_reply_encode(&odd, &b), SDF_OK);
    assert_int_equal(task_reply_decode(b.data, b.size, &got, NULL), SDF_E_CORRUPT); /* a success with an error */
    sdf_error_free(odd.error);
    buf_free(&b);
    buf_free(&again);
}

/* Counters stand in the order of their names, each once. */
static void counters_out_of_order_are_refused(void **state)
{
    static const char *const names[][2] = {{"b", "a"}, {"a", "a"}, {"", "a"}};
    for (size_t i = 0; i < 3; i++) {
        task_counter list[] = {{(char *)names[i][0], 1}, {(char *)names[i][1], 2}};
        task_reply r = {.kind = TASK_RUN, .counters = list, .counter_count = 2}, got;
        buf b = BUF_EMPTY;
        assert_int_equal(task_reply_encode(&r, &b), SDF_OK);
        assert_int_equal(task_reply_decode(b.data, b.size, &got, NULL), SDF_E_CORRUPT);
        assert_null(got.counters);
        buf_free(&b);
    }
}

typedef int (*decoder)(const uint8_t *bytes, size_t size, sdf_error **err);

static int decode_request(const uint8_t *bytes, size_t size, sdf_error **err)
{
    task_request q;
    int rc = task_request_decode(bytes, size, &q, err);
    task_request_clear(&q);
    return rc;
}

static int decode_reply(const uint8_t *bytes, size_t size, sdf_error **err)
{
    task_reply r;
    int rc = task_reply_decode(bytes, size, &r, err);
    task_reply_clear(&r);
    return rc;
}

static int decode_pieces(const uint8_t *bytes, size_t size, sdf_error **err)
{
    task_request q = {0};
    int rc = task_pieces_decode(bytes, size, &q, err);
    assert_true(!rc || (!q.pieces && !q.piece_count && !q.sides && !q.side_count));
    task_request_clear(&q);
    return rc;
}

/* Runs on a copy of exactly `size` bytes, so that a sanitizer sees any read past the end. */
static int decode_exactly(decoder decode, const uint8_t *bytes, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    sdf_error *err = NULL;
    if (size)
        memcpy(copy, bytes, size);
    int rc = decode(copy, size, &err);
    assert_int_equal(sdf_error_code(err), rc);
    sdf_error_free(err);
    free(copy);
    return rc;
}

static void damage(decoder decode, const buf *good, uint64_t seed)
{
    uint8_t *copy = malloc(good->size + 1);
    rng r = {seed};
    assert_int_equal(decode_exactly(decode, good->data, good->size), SDF_OK);
    for (size_t size = 0; size < good->size; size++)
        assert_int_equal(decode_exactly(decode, good->data, size), SDF_E_CORRUPT);
    memcpy(copy, good->data, good->size);
    copy[good->size] = 0;
    assert_int_equal(decode_exactly(decode, copy, good->size + 1), SDF_E_CORRUPT);
    copy[4]++;
    assert_int_equal(decode_exactly(decode, copy, good->size), SDF_E_VERSION);
    for (size_t bit = 0; bit < good->size * 8; bit++) {
        memcpy(copy, good->data, good->size);
        copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
        decode_exactly(decode, copy, good->size);
    }
    for (int i = 0; i < 20000; i++) {
        memcpy(copy, good->data, good->size);
        for (uint64_t n = 1 + rng_below(&r, 6); n; n--)
            copy[8 + rng_below(&r, good->size - 8)] = rng_below(&r, 3) ? (uint8_t)rng_next(&r) : 0xff;
        decode_exactly(decode, copy, good->size - rng_below(&r, good->size) * !rng_below(&r, 4));
    }
    free(copy);
}

static void damaged_bytes_are_refused_or_read_within_bounds(void **state)
{
    task_request q = sample_request();
    task_reply r = sample_reply();
    buf b = BUF_EMPTY;
    assert_int_equal(task_request_encode(&q, &b), SDF_OK);
    damage(decode_request, &b, 1);
    buf_clear(&b);
    assert_int_equal(task_reply_encode(&r, &b), SDF_OK);
    sdf_error_free(r.error);
    damage(decode_reply, &b, 2);
    buf_clear(&b);
    assert_int_equal(task_pieces_encode(&q, &b), SDF_OK);
    damage(decode_pieces, &b, 3);
    buf_free(&b);
}

/* Counts of pieces, of leaves, of extents and of sides that the bytes behind them can't hold. */
static void a_huge_count_takes_no_memory(void **state)
{
#define HUGE_COUNT 0xff, 0xff, 0xff, 0xff, 0x0f
#define SPARE      1, 2, 3, 4, 5, 6, 7, 8
    static const uint8_t lists[][24] = {
        {'S', 'D', 'F', 'P', 2, 0, 0, 0, HUGE_COUNT, SPARE},
        {'S', 'D', 'F', 'P', 2, 0, 0, 0, 1, 0, 0, 0, 0, HUGE_COUNT, 1, 2, 3},
        {'S', 'D', 'F', 'P', 2, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, HUGE_COUNT, 1, 1, 1, 1},
        {'S', 'D', 'F', 'P', 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, HUGE_COUNT, 1, 1, 1, 1, 1},
    };
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        assert_int_equal(decode_exactly(decode_pieces, lists[i], sizeof lists[i]), SDF_E_CORRUPT);
}

/* Many pieces that say nothing: what is allocated for them stays within a small multiple of their bytes. */
static void many_small_pieces(void **state)
{
    const uint32_t count = 100000;
    task_request q = {.piece_count = count}, got = {0};
    buf b = BUF_EMPTY;
    q.pieces = calloc(count, sizeof *q.pieces);
    for (uint32_t i = 0; i < count; i++)
        q.pieces[i] = (task_piece){.branch = i, .partition = count - i, .leaves = leaves, .leaf_count = i % 3};
    assert_int_equal(task_pieces_encode(&q, &b), SDF_OK);
    assert_int_equal(task_pieces_decode(b.data, b.size, &got, NULL), SDF_OK);
    assert_pieces_equal(&q, &got);
    task_request_clear(&got);
    free(q.pieces);
    buf_free(&b);
}

static void planned_pieces_are_freed(void **state)
{
    stage_pieces none = {0}, p = {calloc(3, sizeof *p.pieces), calloc(3, sizeof *p.first)};
    stage_pieces_clear(&none, 7);
    p.first[1] = 1;
    p.first[2] = 3;
    for (int i = 0; i < 3; i++) {
        p.pieces[i].split.path = strdup("path");
        p.pieces[i].split.version = i ? strdup("version") : NULL;
    }
    stage_pieces_clear(&p, 2);
    assert_true(!p.pieces && !p.first);
}

static void names_and_sums(void **state)
{
    char name[TASK_NAME_MAX];
    task_name_prefix(name, 0xab);
    assert_string_equal(name, "sdf-00000000000000ab/");
    task_name_plan(name, 1, "0123456789abcdef0123456789abcdef");
    assert_string_equal(name, "sdf-0000000000000001/plan/0123456789abcdef0123456789abcdef");
    task_name_object(name, UINT64_MAX, 3, 17, 0, 42);
    assert_string_equal(name, "sdf-ffffffffffffffff/s3/t17.0.a42");
    task_name_side(name, UINT64_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT64_MAX, "a-very-long-name-of-a-side");
    assert_string_equal(
        name, "sdf-ffffffffffffffff/s4294967295/t4294967295.4294967295.a18446744073709551615.a-very-long-name");
    task_name_broadcast(name, 2, UINT32_MAX);
    assert_string_equal(name, "sdf-0000000000000002/b4294967295");
    task_metrics sum = {0},
                 one = {.records_in = 2, .record_errors = 3, .peak_memory = 10, .peak_rss = 5, .store_throttled = 1};
    task_metrics_add(&sum, &one);
    one.peak_memory = 7;
    task_metrics_add(&sum, &one);
    assert_int_equal(sum.records_in, 4);
    assert_int_equal(sum.peak_memory, 10);
    assert_int_equal(sum.peak_rss, 5);
    assert_int_equal(sum.store_throttled, 2);
    assert_int_equal(sum.record_errors, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_go_both_ways),
        cmocka_unit_test(pieces_are_here_or_there),
        cmocka_unit_test(what_cannot_be_read_is_not_written),
        cmocka_unit_test(replies_go_both_ways),
        cmocka_unit_test(counters_may_be_more_or_fewer),
        cmocka_unit_test(damaged_bytes_are_refused_or_read_within_bounds),
        cmocka_unit_test(a_huge_count_takes_no_memory),
        cmocka_unit_test(counters_out_of_order_are_refused),
        cmocka_unit_test(many_small_pieces),
        cmocka_unit_test(planned_pieces_are_freed),
        cmocka_unit_test(names_and_sums),
    };
    return cmocka_run_group_tests_name("spec/task", tests, NULL, NULL);
}
