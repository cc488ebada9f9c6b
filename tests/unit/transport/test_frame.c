/* Frames over a socket pair: whole, in pieces, several at once, hostile. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/timebase.h"
#include "transport/frame.h"

static int ends[2];

static int setup(void **state)
{
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends);
}

static int teardown(void **state)
{
    close(ends[0]);
    if (ends[1] >= 0)
        close(ends[1]);
    return 0;
}

static void put(const void *data, size_t size)
{
    assert_int_equal(send(ends[1], data, size, MSG_NOSIGNAL), size);
}

static void test_pieces(void **state)
{
    const uint8_t bytes[] = {5, 0, 0, 0, 7, 1, 0, 0, 'h', 'e', 'l', 'l', 'o'};
    frame_reader r = {0};
    frame f;
    for (size_t i = 0; i < sizeof(bytes); i++) {
        assert_int_equal(frame_read(&r, ends[0], &f), FRAME_AGAIN);
        put(bytes + i, 1);
    }
    assert_int_equal(frame_read(&r, ends[0], &f), FRAME_READY);
    assert_int_equal(f.type, 7);
    assert_int_equal(f.flags, 1);
    assert_int_equal(f.payload.size, 5);
    assert_memory_equal(f.payload.data, "hello", 5);
    assert_int_equal(frame_read(&r, ends[0], &f), FRAME_AGAIN);
    frame_free(&r);
}

static void test_several_and_empty(void **state)
{
    frame_reader r = {0};
    frame f;
    sdf_slice parts[2] = {{"ab", 2}, {"c", 1}};
    assert_int_equal(frame_send(ends[1], 1, 0, parts, 2), 0);
    assert_int_equal(frame_send(ends[1], 2, 9, NULL, 0), 0);
    assert_int_equal(frame_send(ends[1], 3, 0, parts, 1), 0);
    for (int type = 1; type <= 3; type++) {
        assert_int_equal(frame_read(&r, ends[0], &f), FRAME_READY);
        assert_int_equal(f.type, type);
        assert_int_equal(f.payload.size, type == 1 ? 3 : type == 2 ? 0 : 2);
    }
    close(ends[1]);
    ends[1] = -1;
    assert_int_equal(frame_read(&r, ends[0], &f), FRAME_CLOSED);
    frame_free(&r);
}

static void test_cut_everywhere(void **state)
{
    const uint8_t bytes[] = {3, 0, 0, 0, 1, 0, 0, 0, 'x', 'y', 'z'};
    for (size_t size = 0; size < sizeof(bytes); size++) {
        int pair[2];
        frame_reader r = {0};
        frame f;
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
        assert_int_equal(send(pair[1], bytes, size, MSG_NOSIGNAL), size);
        close(pair[1]);
        assert_int_equal(frame_read(&r, pair[0], &f), FRAME_CLOSED);
        close(pair[0]);
        frame_free(&r);
    }
}

/* A length that is claimed costs nothing, and one beyond the limit is refused. */
static void test_claims(void **state)
{
    const uint8_t long_one[] = {0, 0, 0, 0x10, 1, 0, 0, 0}; /* 256 MiB: the most */
    const uint8_t too_long[] = {1, 0, 0, 0x10, 1, 0, 0, 0};
    const uint8_t no_type[] = {0, 0, 0, 0, 0, 0, 0, 0};
    const uint8_t reserved[] = {0, 0, 0, 0, 1, 0, 0, 1};
    const uint8_t *bad[] = {too_long, no_type, reserved};
    frame f;
    frame_reader r = {0};
    put(long_one, sizeof(long_one));
    assert_int_equal(frame_read(&r, ends[0], &f), FRAME_AGAIN);
    assert_true(r.bytes.capacity < (4u << 20));
    frame_free(&r);
    for (size_t i = 0; i < 3; i++) {
        put(bad[i], 8);
        assert_int_equal(frame_read(&r, ends[0], &f), FRAME_BAD);
        frame_free(&r);
    }
}

static void test_noise(void **state)
{
    rng random = {99};
    for (int round = 0; round < 2000; round++) {
        uint8_t bytes[64];
        frame_reader r = {0};
        frame f;
        size_t size = rng_below(&random, sizeof(bytes)) + 1;
        for (size_t i = 0; i < size; i++)
            bytes[i] = rng_below(&random, 3) ? 0 : (uint8_t)rng_next(&random);
        put(bytes, size);
        frame_state s;
        while ((s = frame_read(&r, ends[0], &f)) == FRAME_READY)
            assert_true(f.payload.size <= 64);
        assert_true(s == FRAME_AGAIN || s == FRAME_BAD);
        while (recv(ends[0], bytes, sizeof(bytes), 0) > 0)
            ;
        frame_free(&r);
    }
}

static void *send_big(void *arg)
{
    sdf_slice *s = arg;
    assert_int_equal(fcntl(ends[1], F_SETFL, 0), 0);
    return (void *)(intptr_t)frame_send(ends[1], 4, 0, s, 1);
}

static void test_big(void **state)
{
    size_t size = 5 << 20;
    uint8_t *data = malloc(size);
    sdf_slice s = {data, size};
    pthread_t thread;
    frame_reader r = {0};
    frame f;
    void *rc;
    for (size_t i = 0; i < size; i++)
        data[i] = (uint8_t)(i * 2654435761u >> 13);
    assert_int_equal(pthread_create(&thread, NULL, send_big, &s), 0);
    while (frame_read(&r, ends[0], &f) != FRAME_READY)
        ;
    pthread_join(thread, &rc);
    assert_null(rc);
    assert_int_equal(f.payload.size, size);
    assert_memory_equal(f.payload.data, data, size);
    assert_int_equal(frame_read(&r, ends[0], &f), FRAME_AGAIN);
    assert_true(r.bytes.capacity <= (2u << 20)); /* the big one's memory was given back */
    frame_free(&r);
    free(data);
}

static void test_send_to_nobody(void **state)
{
    close(ends[0]);
    ends[0] = open("/dev/null", O_RDONLY);
    assert_int_equal(frame_send(ends[1], 1, 0, NULL, 0), EPIPE); /* and no SIGPIPE */
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_pieces), TEST(test_several_and_empty), TEST(test_cut_everywhere), TEST(test_claims), TEST(test_noise),
        TEST(test_big),    TEST(test_send_to_nobody)};
    return cmocka_run_group_tests_name("transport frames", tests, NULL, NULL);
}
