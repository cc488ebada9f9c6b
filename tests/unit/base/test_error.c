/* Error objects: what they say, how they are annotated, and their wire form under attack. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/timebase.h"

static void every_status_has_its_name(void **state)
{
    assert_string_equal(sdf_status_name(SDF_OK), "SDF_OK");
    assert_string_equal(sdf_status_name(SDF_END), "SDF_END");
    assert_string_equal(sdf_status_name(SDF_E_INVALID), "SDF_E_INVALID");
    assert_string_equal(sdf_status_name(SDF_E_CORRUPT), "SDF_E_CORRUPT");
    assert_string_equal(sdf_status_name(SDF_E_USER), "SDF_E_USER");
    assert_string_equal(sdf_status_name(SDF_E_NONDETERMINISTIC), "SDF_E_NONDETERMINISTIC");
    assert_string_equal(sdf_status_name(SDF_E_INTERNAL), "SDF_E_INTERNAL");
    assert_string_equal(sdf_status_name(SDF_E_INTERNAL - 1), "SDF_E_?");
    assert_string_equal(sdf_status_name(2), "SDF_E_?");
    assert_string_equal(sdf_version(), "0.2.0");
}

static void no_error_answers_too(void **state)
{
    assert_int_equal(sdf_error_code(NULL), SDF_OK);
    assert_string_equal(sdf_error_hint(NULL), "");
    assert_string_equal(sdf_error_function(NULL), "");
    assert_string_equal(sdf_error_operator(NULL), "");
    assert_string_equal(sdf_error_log(NULL), "");
    assert_non_null(sdf_error_message(NULL));
    assert_non_null(sdf_error_text(NULL));
    assert_int_equal(sdf_error_stage(NULL), -1);
    assert_int_equal(sdf_error_retriable(NULL), 0);
    sdf_error_free(NULL);
    assert_int_equal(error_set(NULL, SDF_E_IO, "x"), SDF_E_IO);
    error_hint(NULL, "x");
    sdf_error *none = NULL;
    error_prefix(&none, "x");
    error_where(&none, 1, 2, 3);
    assert_null(none);
    assert_int_equal(error_move(NULL, &none), SDF_OK);
}

static sdf_error *full_error(void)
{
    sdf_error *e = NULL;
    assert_int_equal(error_set(&e, SDF_E_USER, "bad line %d", 7), SDF_E_USER);
    error_hint(&e, "look at %s", "the input");
    error_at(&e, "parse", "map#3 parse");
    error_where(&e, 2, 17, -1);
    error_where(&e, -1, -1, 4);
    error_log_tail(&e, "one\ntwo\n");
    error_prefix(&e, "job %d", 1);
    return e;
}

static const char full_text[] = "job 1: bad line 7\n"
                                "  where: operator map#3 parse, function parse, stage 2, partition 17, attempt 4\n"
                                "  next: look at the input\n"
                                "  log:\n"
                                "    | one\n"
                                "    | two";

static void annotations_add_up(void **state)
{
    sdf_error *e = full_error();
    assert_string_equal(sdf_error_text(e), full_text);
    assert_int_equal(sdf_error_retriable(e), 0);
    sdf_error *copy = error_copy(e);
    sdf_error_free(e);
    assert_string_equal(sdf_error_text(copy), full_text);
    assert_int_equal(sdf_error_retriable(copy), 0);
    assert_string_equal(sdf_error_message(copy), "job 1: bad line 7");
    sdf_error *moved = NULL;
    assert_int_equal(error_move(&moved, &copy), SDF_E_USER);
    assert_null(copy);
    assert_int_equal(error_move(NULL, &moved), SDF_E_USER);
}

static void errno_becomes_a_code(void **state)
{
    static const int pairs[][2] = {{ENOENT, SDF_E_NOT_FOUND}, {EACCES, SDF_E_ACCESS},   {EPERM, SDF_E_ACCESS},
                                   {ENOSPC, SDF_E_NO_SPACE},  {EDQUOT, SDF_E_NO_SPACE}, {EEXIST, SDF_E_EXISTS},
                                   {ENOMEM, SDF_E_NO_MEMORY}, {ENOTDIR, SDF_E_INVALID}, {EFBIG, SDF_E_NO_SPACE},
                                   {EIO, SDF_E_IO},           {99999, SDF_E_IO}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        sdf_error *e = NULL;
        assert_int_equal(error_errno(&e, pairs[i][0], "can't read \"%s\"", "f"), pairs[i][1]);
        assert_int_equal(sdf_error_code(e), pairs[i][1]);
        assert_int_equal(strncmp(sdf_error_message(e), "can't read \"f\": ", 16), 0);
        assert_int_equal(sdf_error_retriable(e), pairs[i][1] == SDF_E_IO);
        sdf_error_free(e);
    }
}

static void the_static_object_stays_as_it_is(void **state)
{
    sdf_error *e = NULL;
    assert_int_equal(error_no_memory(&e), SDF_E_NO_MEMORY);
    error_hint(&e, "other");
    error_where(&e, 1, 1, 1);
    assert_int_equal(sdf_error_stage(e), -1);
    assert_ptr_equal(error_copy(e), e);
    assert_true(strstr(sdf_error_text(e), "memory") != NULL);
    sdf_error_free(e);
    assert_int_equal(sdf_error_code(e), SDF_E_NO_MEMORY);
}

static void texts_are_bounded_and_cut_at_characters(void **state)
{
    char *long_text = malloc(100001);
    for (size_t i = 0; i < 100000; i += 2)
        memcpy(long_text + i, "\xc3\xb6", 2);
    long_text[100000] = '\0';
    sdf_error *e = sdf_error_new(SDF_E_IO, long_text + 1, long_text);
    assert_in_range(strlen(sdf_error_message(e)), 4000, 4096);
    assert_true(buf_is_utf8(sdf_error_hint(e), strlen(sdf_error_hint(e))));
    error_log_tail(&e, long_text);
    assert_int_equal(strlen(sdf_error_log(e)), 16384);
    buf b = BUF_EMPTY;
    assert_int_equal(error_encode(e, &b), SDF_OK);
    wire_reader r = wire_read(b.data, b.size);
    sdf_error *again = error_decode(&r);
    assert_string_equal(sdf_error_text(again), sdf_error_text(e));
    sdf_error_free(again);
    sdf_error_free(e);
    buf_free(&b);
    free(long_text);
    /* The system's reason fits too, behind what is cut. */
    e = NULL;
    assert_int_equal(error_errno(&e, ENOENT, "%0*d", 5000, 7), SDF_E_NOT_FOUND);
    assert_int_equal(strlen(sdf_error_message(e)), 4096);
    assert_non_null(strstr(sdf_error_message(e), "0: No such file"));
    b = (buf)BUF_EMPTY;
    assert_int_equal(error_encode(e, &b), SDF_OK);
    r = wire_read(b.data, b.size);
    again = error_decode(&r);
    assert_non_null(again);
    assert_string_equal(sdf_error_message(again), sdf_error_message(e));
    sdf_error_free(again);
    sdf_error_free(e);
    buf_free(&b);
    e = sdf_error_new(0, NULL, NULL);
    assert_int_equal(sdf_error_code(e), SDF_E_INTERNAL);
    assert_string_equal(sdf_error_message(e), "SDF_E_INTERNAL");
    sdf_error_free(e);
}

static void the_wire_form_survives_any_damage(void **state)
{
    sdf_error *e = full_error();
    buf b = BUF_EMPTY;
    assert_int_equal(error_encode(e, &b), SDF_OK);
    wire_reader r = wire_read(b.data, b.size);
    sdf_error *again = error_decode(&r);
    assert_string_equal(sdf_error_text(again), full_text);
    assert_int_equal(sdf_error_code(again), SDF_E_USER);
    assert_int_equal(wire_left(&r), 0);
    sdf_error_free(again);
    for (size_t size = 0; size < b.size; size++) {
        r = wire_read(b.data, size);
        assert_null(error_decode(&r));
        assert_true(r.bad);
    }
    rng random = {42};
    for (int i = 0; i < 20000; i++) {
        uint8_t *copy = malloc(b.size);
        memcpy(copy, b.data, b.size);
        for (uint64_t n = 1 + rng_below(&random, 4); n; n--)
            copy[rng_below(&random, b.size)] = (uint8_t)rng_next(&random);
        r = wire_read(copy, b.size);
        again = error_decode(&r);
        assert_true((again == NULL) == r.bad);
        if (again)
            assert_in_range(-sdf_error_code(again), 1, -SDF_E_INTERNAL);
        sdf_error_free(again);
        free(copy);
    }
    sdf_error_free(e);
    buf_free(&b);
}

static void the_nearest_name_is_found(void **state)
{
    static const char *const names[] = {"concurrency", "memory", "partitions", "sdf.sum", "split_words"};
    const size_t n = sizeof names / sizeof *names;
    assert_string_equal(error_nearest("memroy", names, n), "memory");
    assert_string_equal(error_nearest("partition", names, n), "partitions");
    assert_string_equal(error_nearest("Concurency", names, n), "concurrency");
    assert_string_equal(error_nearest("sum", names, n), "sdf.sum");
    assert_string_equal(error_nearest("splitwords", names, n), "split_words");
    assert_null(error_nearest("banana", names, n));
    assert_null(error_nearest("", names, n));
    assert_null(error_nearest("memory", names, 0));
    char endless[500];
    memset(endless, 'x', sizeof endless);
    endless[499] = '\0';
    assert_null(error_nearest(endless, names, n));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_its_name),
        cmocka_unit_test(no_error_answers_too),
        cmocka_unit_test(annotations_add_up),
        cmocka_unit_test(errno_becomes_a_code),
        cmocka_unit_test(the_static_object_stays_as_it_is),
        cmocka_unit_test(texts_are_bounded_and_cut_at_characters),
        cmocka_unit_test(the_wire_form_survives_any_damage),
        cmocka_unit_test(the_nearest_name_is_found),
    };
    return cmocka_run_group_tests_name("base/error", tests, NULL, NULL);
}
