/* A listener that draws one line of progress: on a terminal in place, elsewhere a line at most every two seconds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sdf/context.h>

#include "base/path.h"

#define BAR      24
#define PLAIN_MS 2000

struct sdf_progress {
    int fd;
    int terminal;
    int drawn;        /* a line stands on the terminal */
    int64_t plain_ms; /* time of the last plain line */
};

sdf_progress *sdf_progress_new(int fd)
{
    sdf_progress *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->fd = fd;
    p->terminal = isatty(fd);
    return p;
}

void sdf_progress_free(sdf_progress *progress)
{
    free(progress);
}

static void say(sdf_progress *p, const char *text)
{
    path_write_all(p->fd, text, strlen(text)); /* a progress line that can't be written is no error */
}

/* In whole tenths: no floating point, so that a locale of the host's changes nothing. */
static const char *human(char text[32], int64_t bytes)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB"};
    if (bytes < 1000) {
        snprintf(text, 32, "%lld B", (long long)bytes);
        return text;
    }
    int64_t tenths = bytes / 1024 * 10 + bytes % 1024 * 10 / 1024;
    int unit = 0;
    for (; tenths >= 10000 && unit < 4; unit++)
        tenths /= 1024;
    snprintf(text, 32, "%lld.%lld %s", (long long)tenths / 10, (long long)tenths % 10, units[unit]);
    return text;
}

static void draw(sdf_progress *p, const sdf_event *e)
{
    char line[320], bar[BAR + 1], read_text[32], shuffled_text[32], errors_text[48] = "";
    int64_t done = sdf_event_number(e, "tasks_done"), total = sdf_event_number(e, "tasks_total");
    int64_t ms = sdf_event_number(e, "elapsed_ms");
    int filled = total > 0 ? (int)(done * BAR / total) : 0;
    filled = filled > BAR ? BAR : filled < 0 ? 0 : filled;
    memset(bar, '#', (size_t)filled);
    memset(bar + filled, '.', (size_t)(BAR - filled));
    bar[BAR] = 0;
    int64_t errors = sdf_event_number(e, "record_errors");
    if (errors > 0)
        snprintf(errors_text, sizeof errors_text, "  %lld record errors", (long long)errors);
    snprintf(line, sizeof line, "%s[%s] %lld/%lld tasks  %s read  %s shuffled%s  %lld.%lld s%s",
             p->terminal ? "\r" : "", bar, (long long)done, (long long)total,
             human(read_text, sdf_event_number(e, "bytes_read")),
             human(shuffled_text, sdf_event_number(e, "bytes_shuffled")), errors_text, (long long)ms / 1000,
             (long long)ms % 1000 / 100, p->terminal ? "\x1b[K" : "\n");
    say(p, line);
    p->drawn = p->terminal;
}

static void end_line(sdf_progress *p)
{
    if (p->drawn)
        say(p, "\n");
    p->drawn = 0;
}

static void failed(sdf_progress *p, const sdf_event *e)
{
    char line[256];
    snprintf(line, sizeof line, "%sattempt %lld of stage %lld, partition %lld failed: ", p->drawn ? "\r\x1b[K" : "",
             (long long)sdf_event_number(e, "attempt"), (long long)sdf_event_number(e, "stage"),
             (long long)sdf_event_number(e, "partition"));
    say(p, line);
    say(p, sdf_event_json(e));
    say(p, "\n");
    p->drawn = 0;
}

void sdf_progress_event(const sdf_event *event, void *progress)
{
    sdf_progress *p = progress;
    if (!p || !event)
        return;
    int64_t elapsed = sdf_event_number(event, "elapsed_ms");
    switch (sdf_event_get_kind(event)) {
    case SDF_EVENT_JOB_STARTED:
        p->plain_ms = 0;
        break;
    case SDF_EVENT_PROGRESS:
        if (p->terminal || elapsed - p->plain_ms >= PLAIN_MS) {
            p->plain_ms = elapsed;
            draw(p, event);
        }
        break;
    case SDF_EVENT_TASK_FAILED:
        failed(p, event);
        break;
    case SDF_EVENT_JOB_FINISHED:
        draw(p, event);
        end_line(p);
        break;
    default:
        break;
    }
}
