/* A host with a loop of its own: embed IN... counts lines and words of its input in two jobs at once, while its poll(2)
 * loop also serves a clock that ticks every 50 ms and standard input ("q" and Enter cancels). The library starts no
 * thread that calls the host: events and results are taken where the loop finds the job's descriptor readable.
 *
 * What this leaves out: more than one kind of result; sdf_job_result is taken the same way. */
#include "common.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { JOBS = 2, CLOCK = JOBS, INPUT, WATCHED };

typedef struct host {
    sdf_job *jobs[JOBS];
    struct pollfd watched[WATCHED];
    unsigned long ticks;
    int running;
} host;

static const char *const names[JOBS] = {"lines", "words"};

static int submit(host *h, example *x, sdf_error **err)
{
    char *uris = example_uris(x, 0);
    sdf_rdd *lines = uris ? sdf_text_file(x->context, uris, NULL) : NULL;
    sdf_rdd *wanted[JOBS] = {lines, sdf_flat_map(lines, "sdf.words", NULL, 0)};
    free(uris);
    for (int i = 0; i < JOBS; i++) {
        if (!(h->jobs[i] = sdf_submit_count(wanted[i], err)))
            return EXAMPLE_FAILED;
        h->watched[i] = (struct pollfd){.fd = sdf_job_fd(h->jobs[i]), .events = POLLIN};
        h->running++;
    }
    return 0;
}

/* The job's descriptor is readable: there are events, or it is done. */
static int look_at_job(host *h, int i, sdf_error **err)
{
    int rc = sdf_job_poll(h->jobs[i], err);
    if (rc == SDF_E_TIMEOUT)
        return 0;
    h->watched[i].fd = -1; /* poll passes over it */
    h->running--;
    if (rc != SDF_OK)
        return EXAMPLE_FAILED;
    uint64_t count = 0;
    sdf_job_count(h->jobs[i], &count, NULL);
    printf("%s\t%llu\n", names[i], (unsigned long long)count);
    return 0;
}

static void look_at_input(host *h)
{
    char text[64];
    ssize_t got = read(STDIN_FILENO, text, sizeof text);
    if (got > 0 && memchr(text, 'q', (size_t)got))
        for (int i = 0; i < JOBS; i++)
            sdf_job_cancel(h->jobs[i]); /* each then ends with SDF_E_CANCELLED */
    if (got <= 0)
        h->watched[INPUT].fd = -1;
}

static int loop(host *h, sdf_error **err)
{
    while (h->running) {
        if (poll(h->watched, WATCHED, -1) < 0 && errno != EINTR)
            return EXAMPLE_FAILED;
        for (int i = 0; i < JOBS; i++)
            if (h->watched[i].fd >= 0 && h->watched[i].revents && look_at_job(h, i, err))
                return EXAMPLE_FAILED;
        uint64_t expired;
        if (h->watched[CLOCK].revents && read(h->watched[CLOCK].fd, &expired, sizeof expired) == sizeof expired)
            h->ticks += expired;
        if (h->watched[INPUT].fd >= 0 && h->watched[INPUT].revents)
            look_at_input(h);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (sdf_worker_requested())
        return sdf_worker_main();

    example x;
    int code = example_open(&x, argc, argv, "embed [OPTIONS] IN...", NULL, 1, 1 << 20);
    if (code)
        return code < 0 ? 0 : code;
    host h = {.running = 0};
    sdf_error *err = NULL;
    int clock = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    struct itimerspec every = {{0, 50000000}, {0, 50000000}};
    timerfd_settime(clock, 0, &every, NULL);
    for (int i = 0; i < WATCHED; i++)
        h.watched[i] = (struct pollfd){.fd = -1};
    h.watched[CLOCK] = (struct pollfd){.fd = clock, .events = POLLIN};
    h.watched[INPUT] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
    code = submit(&h, &x, &err);
    if (!code)
        code = loop(&h, &err);
    if (code)
        code = example_fail(err);
    for (int i = 0; i < JOBS; i++)
        sdf_job_free(h.jobs[i]); /* cancels what still runs */
    if (x.summary && !code)
        fprintf(stderr, "the host's clock ticked %lu times meanwhile\n", h.ticks);
    close(clock);
    return example_close(&x, code);
}
