/* The stderr of a worker process: its tail kept for error messages, its lines forwarded to the host's stderr. */
#include "transport/process.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/path.h"

#define READS_MOST 16 /* of 4 KiB each, so that one talkative worker can't keep the driver busy */
#define STUCK_MS   200

/* 1 while nobody reads the host's stderr: what workers print is left out then, since the driver has deadlines to keep.
 * Atomic. */
static int stuck;

void log_open(process_log *l, int fd, bool forward)
{
    l->fd = fd;
    l->forward = forward;
    l->tail_size = l->line_size = 0;
}

/* Waits a moment for room, the first time that there is none. A pipe with room takes what we write at a time whole. */
static bool stderr_takes(void)
{
    struct pollfd fd = {STDERR_FILENO, POLLOUT, 0};
    int n;
    do {
        n = poll(&fd, 1, __atomic_load_n(&stuck, __ATOMIC_RELAXED) ? 0 : STUCK_MS);
    } while (n < 0 && errno == EINTR);
    __atomic_store_n(&stuck, n == 0, __ATOMIC_RELAXED);
    return n != 0;
}

/* The host's stderr may be a closed pipe: that must not raise SIGPIPE in the host. Or a pipe that nobody reads. */
static void write_stderr(const char *data, size_t size)
{
    if (!stderr_takes())
        return;
    sigset_t pipe_set, old, pending;
    sigemptyset(&pipe_set);
    sigaddset(&pipe_set, SIGPIPE);
    sigpending(&pending);
    pthread_sigmask(SIG_BLOCK, &pipe_set, &old);
    int number = path_write_all(STDERR_FILENO, data, size);
    if (number == EPIPE && !sigismember(&pending, SIGPIPE)) {
        const struct timespec now = {0, 0};
        sigtimedwait(&pipe_set, NULL, &now);
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

/* Whole lines go out together, so that those of several workers don't mix. */
static void forward(process_log *l, const char *data, size_t size)
{
    while (size > 0) {
        size_t room = sizeof(l->line) - l->line_size;
        size_t n = size < room ? size : room;
        memcpy(l->line + l->line_size, data, n);
        l->line_size += n;
        data += n;
        size -= n;
        const char *end = memrchr(l->line, '\n', l->line_size);
        size_t whole = end ? (size_t)(end - l->line) + 1 : l->line_size == sizeof(l->line) ? l->line_size : 0;
        if (!whole)
            continue;
        write_stderr(l->line, whole);
        l->line_size -= whole;
        memmove(l->line, l->line + whole, l->line_size);
    }
}

static void keep(process_log *l, const char *data, size_t size)
{
    if (size > LOG_TAIL) {
        data += size - LOG_TAIL;
        size = LOG_TAIL;
    }
    if (l->tail_size + size > sizeof(l->tail)) {
        memmove(l->tail, l->tail + l->tail_size - LOG_TAIL, LOG_TAIL);
        l->tail_size = LOG_TAIL;
    }
    memcpy(l->tail + l->tail_size, data, size);
    l->tail_size += size;
}

bool log_read(process_log *l)
{
    char bytes[4096];
    for (int i = 0; i < READS_MOST && l->fd >= 0; i++) {
        ssize_t n = read(l->fd, bytes, sizeof(bytes));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
        keep(l, bytes, (size_t)n);
        if (l->forward)
            forward(l, bytes, (size_t)n);
        if ((size_t)n < sizeof(bytes))
            return true;
    }
    return l->fd >= 0;
}

void log_close(process_log *l)
{
    if (l->fd < 0)
        return;
    if (l->forward && l->line_size > 0)
        forward(l, "\n", 1);
    close(l->fd);
    l->fd = -1;
}

void log_clear(process_log *l)
{
    l->tail_size = 0;
}

void log_copy_tail(process_log *l, const process_log *from)
{
    memcpy(l->tail, from->tail, from->tail_size);
    l->tail_size = from->tail_size;
}

void log_tail(const process_log *l, char text[LOG_TAIL + 1])
{
    size_t size = l->tail_size < LOG_TAIL ? l->tail_size : LOG_TAIL;
    const char *from = l->tail + l->tail_size - size;
    if (l->tail_size > LOG_TAIL) {
        const char *line = memchr(from, '\n', size); /* don't begin within a line */
        if (line && line + 1 < from + size) {
            size -= (size_t)(line + 1 - from);
            from = line + 1;
        }
    }
    for (size_t i = 0; i < size; i++)
        text[i] = from[i] ? from[i] : ' ';
    text[size] = 0;
}
