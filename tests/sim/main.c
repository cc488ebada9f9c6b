/* sdf-sim: runs seeded histories, says how many were right, and how to see one that was not again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/path.h"
#include "sim.h"

#define TWICE_EVERY 16 /* histories, one is run twice, to see that it is the same */

typedef struct options {
    uint64_t first, histories;
    bool trace, keep_going;
} options;

static int usage(const char *program)
{
    fprintf(stderr,
            "usage: %s [--histories N] [--first SEED] [--keep-going] | --seed SEED [--trace]\n"
            "Runs N histories (1000) from SEED (1) on, or one of them, told event by event.\n",
            program);
    return 2;
}

static bool parse(int argc, char **argv, options *o)
{
    *o = (options){.first = 1, .histories = 1000};
    for (int i = 1; i < argc; i++) {
        char *end = "?";
        if (strcmp(argv[i], "--trace") == 0) {
            o->trace = true;
            continue;
        }
        if (strcmp(argv[i], "--keep-going") == 0) {
            o->keep_going = true;
            continue;
        }
        uint64_t n = i + 1 < argc ? strtoull(argv[i + 1], &end, 10) : 0;
        if (*end || end == argv[i + 1])
            return false;
        if (strcmp(argv[i], "--histories") == 0) {
            o->histories = n;
        } else if (strcmp(argv[i], "--first") == 0) {
            o->first = n;
        } else if (strcmp(argv[i], "--seed") == 0) {
            o->first = n;
            o->histories = 1;
        } else {
            return false;
        }
        i++;
    }
    return true;
}

static bool runs_the_same(uint64_t seed, const char *folder, uint64_t digest, char *wrong, size_t room)
{
    history_result again = {0};
    if (history_run(seed, false, folder, &again, wrong, room) && again.digest == digest)
        return true;
    snprintf(wrong, room, "another history the second time");
    return false;
}

static uint64_t run_all(const char *program, const options *o, const char *folder)
{
    history_result sum = {0};
    char wrong[1024];
    uint64_t bad = 0, ran = 0;
    int64_t began = timebase_monotonic_us();
    for (; ran < o->histories && (bad == 0 || o->keep_going); ran++) {
        uint64_t seed = o->first + ran;
        bool good = history_run(seed, o->trace, folder, &sum, wrong, sizeof wrong);
        if (good && seed % TWICE_EVERY == 0)
            good = runs_the_same(seed, folder, sum.digest, wrong, sizeof wrong);
        if (good)
            continue;
        bad++;
        printf("seed %llu: %s\n  again: %s --seed %llu --trace\n", (unsigned long long)seed, wrong, program,
               (unsigned long long)seed);
        fflush(stdout);
    }
    double seconds = (double)(timebase_monotonic_us() - began) / 1e6;
    printf("%llu histories, %llu wrong: %llu jobs (%llu failed, as they may), %llu attempts (%llu failed), "
           "%llu faults; "
           "%.1f h of virtual time in %.1f s, %.0f histories a minute\n",
           (unsigned long long)ran, (unsigned long long)bad, (unsigned long long)sum.jobs,
           (unsigned long long)sum.jobs_failed, (unsigned long long)sum.attempts, (unsigned long long)sum.failed,
           (unsigned long long)sum.injected, (double)sum.virtual_ms / 3.6e6, seconds,
           (double)ran * 60 / (seconds > 0 ? seconds : 1e-6));
    return bad;
}

int main(int argc, char **argv)
{
    options o;
    sdf_error *err = NULL;
    if (!parse(argc, argv, &o))
        return usage(argv[0]);
    if (functions_register(&err) || sink_register(&err)) {
        fprintf(stderr, "sdf-sim: %s\n", sdf_error_text(err));
        sdf_error_free(err);
        return 1;
    }
    const char *tmp = getenv("TMPDIR");
    char folder[200];
    if (tmp == NULL || *tmp == 0)
        tmp = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"; /* many tiny files: rather in memory */
    snprintf(folder, sizeof folder, "%s/sdf-sim-XXXXXX", tmp);
    if (mkdtemp(folder) == NULL) {
        perror(folder);
        return 1;
    }
    uint64_t bad = run_all(argv[0], &o, folder);
    path_remove_tree(folder, NULL);
    return bad ? 1 : 0;
}
