/* Random lineages against a serial oracle: property [--cases N] [--first SEED] [--verbose yes]
 * Each case takes everything from its seed: data, operators, transport, store, partitions, memory, faults. A failing case
 * prints its seed and what it did; --first SEED --cases 1 runs it again. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "case.h"
#include "functions.h"

static const char *const memories[] = {"8M", "16M", "64M", "512M"};

static const struct {
    const char *transport, *store; /* %s: a folder */
} places[] = {
    {"threads:1", "mem:"},
    {"threads:3", "mem:"},
    {"threads:2", "file:%s/store"},
    {"process:2", "file:%s/store"},
    {"fault:seed=7,lose=0.02,double=0.05,crash=0.05:threads:2", "mem:"},
    {"threads:2", "fault:seed=9,read_flip=0.01,read_error=0.02:file:%s/store"},
};

static void set(sdf_config *c, const char *name, const char *value)
{
    sdf_error *err = NULL;
    if (sdf_config_set(c, name, value, &err) != SDF_OK) {
        fprintf(stderr, "%s\n", sdf_error_text(err));
        exit(2);
    }
}

static sdf_context *open_context(test_case *t, int place)
{
    char store[600], number[32];
    sdf_error *err = NULL;
    sdf_config *c = sdf_config_new();
    snprintf(store, sizeof store, places[place].store, t->folder);
    snprintf(number, sizeof number, "%llu", (unsigned long long)(1 + pick(t, 7)));
    set(c, "partitions", number);
    set(c, "memory", memories[pick(t, 4)]);
    set(c, "retries", "20");
    set(c, "backoff", "1ms");
    set(c, "task_timeout", strncmp(places[place].transport, "fault", 5) ? "2m" : "500ms");
    set(c, "broadcast_bytes", pick(t, 2) ? "0" : "10M");
    set(c, "exchange", pick(t, 4) ? "auto" : "two");
    set(c, "inline_limit", pick(t, 3) ? "64K" : "0");
    set(c, "split_bytes", pick(t, 2) ? "64M" : "700");
    trail(t, "%s %s partitions=%s exchange=%s\n", places[place].transport, store, number, sdf_config_get(c, "exchange"));
    sdf_context *context = sdf_context_open(places[place].transport, store, c, &err);
    if (!context)
        fprintf(stderr, "%s\n", sdf_error_text(err));
    sdf_error_free(err);
    sdf_config_free(c);
    return context;
}

static void remove_folder(const char *folder)
{
    char command[700];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    if (system(command))
        fprintf(stderr, "%s could not be removed\n", folder);
}

static int run_case(uint64_t seed, int verbose)
{
    test_case t = {.rng = seed};
    char folder[] = "/tmp/sdf-property-XXXXXX", store[64];
    int bad = 0;
    if (!(t.folder = mkdtemp(folder)) || !(t.context = open_context(&t, (int)pick(&t, sizeof places / sizeof places[0]))))
        return 1;
    for (uint64_t n = 1 + pick(&t, 3); n > 0; n--)
        grow_source(&t);
    for (uint64_t n = 3 + pick(&t, 12); n > 0 && !bad; n--) {
        grow(&t);
        if (pick(&t, 5) == 0)
            bad = verify(&t);
    }
    for (int n = 0; n < 2 && !bad; n++)
        bad = verify(&t);
    sdf_context_close(t.context);
    snprintf(store, sizeof store, "%s/store", folder);
    if (!bad && !access(store, F_OK) && rmdir(store)) {
        printf("the store is not empty after its context was closed\n");
        bad = 1;
    }
    if (bad || verbose)
        printf("%s seed %llu\n%s", bad ? "FAILED" : "ok", (unsigned long long)seed, t.trail);
    remove_folder(folder);
    case_free();
    return bad;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"cases", required_argument, NULL, 'n'},
                                            {"first", required_argument, NULL, 'f'},
                                            {"verbose", required_argument, NULL, 'v'},
                                            {NULL, 0, NULL, 0}};
    functions_register();
    if (sdf_worker_requested())
        return sdf_worker_main();
    uint64_t cases = 300, first = 1, bad = 0;
    int verbose = 0, option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'n')
            cases = strtoull(optarg, NULL, 10);
        else if (option == 'f')
            first = strtoull(optarg, NULL, 10);
        else if (option == 'v')
            verbose = 1;
        else
            return 2;
    }
    for (uint64_t i = 0; i < cases && bad < 5; i++) {
        bad += (uint64_t)run_case(first + i, verbose);
        fflush(stdout);
    }
    printf("%llu lineages from seed %llu, %llu wrong\n", (unsigned long long)cases, (unsigned long long)first,
           (unsigned long long)bad);
    return bad != 0;
}
