/* What a job costs beside its work: overhead tasks N | overhead job TRANSPORT STORE | overhead hello.
 * tasks: N empty tasks on threads:2. job: the median of one-task jobs on a context that is open already.
 * hello: main to result with one process worker, everything included. Prints seconds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sdf/sdf.h>

#define JOBS 200

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int fail(sdf_error *err)
{
    fprintf(stderr, "error: %s\n", sdf_error_text(err));
    sdf_error_free(err);
    return 1;
}

static int count(sdf_context *context, uint32_t partitions, uint64_t records, sdf_error **err)
{
    static const int64_t value = 7;
    sdf_column column = {
        .struct_size = sizeof column, .layout = SDF_LAYOUT_CONST, .data = &value, .size = sizeof value};
    sdf_rdd *rdd = sdf_parallelize(context, SDF_NULL, SDF_I64, NULL, &column, records, partitions);
    uint64_t counted = 0;
    int rc = sdf_count(rdd, &counted, err);
    sdf_rdd_free(rdd);
    if (rc == SDF_OK && counted != records) {
        fprintf(stderr, "error: counted %llu of %llu\n", (unsigned long long)counted, (unsigned long long)records);
        exit(1);
    }
    return rc;
}

static int tasks(uint32_t n)
{
    sdf_error *err = NULL;
    sdf_context *context = sdf_context_open("threads:2", "mem:", NULL, &err);
    if (!context || count(context, 1, 1, &err))
        return fail(err);
    double start = now();
    if (count(context, n, 0, &err))
        return fail(err);
    printf("%.9f\n", now() - start);
    sdf_context_close(context);
    return 0;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int job(const char *transport, const char *store)
{
    static double seconds[JOBS];
    sdf_error *err = NULL;
    sdf_context *context = sdf_context_open(transport, store, NULL, &err);
    if (!context || count(context, 1, 1, &err))
        return fail(err);
    for (int i = 0; i < JOBS; i++) {
        double start = now();
        if (count(context, 1, 100, &err))
            return fail(err);
        seconds[i] = now() - start;
    }
    sdf_context_close(context);
    qsort(seconds, JOBS, sizeof *seconds, compare);
    printf("%.9f\n", seconds[JOBS / 2]);
    return 0;
}

static int hello(const char *store, double start)
{
    sdf_error *err = NULL;
    sdf_context *context = sdf_context_open("process:1", store, NULL, &err);
    if (!context || count(context, 1, 100, &err))
        return fail(err);
    printf("%.9f\n", now() - start);
    sdf_context_close(context);
    return 0;
}

int main(int argc, char **argv)
{
    double start = now();
    if (sdf_worker_requested())
        return sdf_worker_main();
    if (argc == 3 && !strcmp(argv[1], "tasks"))
        return tasks((uint32_t)strtoul(argv[2], NULL, 10));
    if (argc == 4 && !strcmp(argv[1], "job"))
        return job(argv[2], argv[3]);
    if (argc == 3 && !strcmp(argv[1], "hello"))
        return hello(argv[2], start);
    fprintf(stderr, "usage: overhead tasks N | job TRANSPORT STORE | hello STORE\n");
    return 2;
}
