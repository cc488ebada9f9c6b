/* Options, messages and the summary of the examples. */
#include "common.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    OPT_TRANSPORT = 256,
    OPT_STORE,
    OPT_PARTITIONS,
    OPT_CONCURRENCY,
    OPT_MEMORY,
    OPT_SPLIT,
    OPT_OUTPUT,
    OPT_EXPLAIN,
    OPT_PROGRESS,
    OPT_SUMMARY,
    OPT_SET,
    OPT_HELP,
    OPT_OWN
};

#define OWN_MAX 8

static const struct option common_options[] = {
    {"transport", required_argument, NULL, OPT_TRANSPORT},
    {"store", required_argument, NULL, OPT_STORE},
    {"partitions", required_argument, NULL, OPT_PARTITIONS},
    {"concurrency", required_argument, NULL, OPT_CONCURRENCY},
    {"memory", required_argument, NULL, OPT_MEMORY},
    {"split", required_argument, NULL, OPT_SPLIT},
    {"output", required_argument, NULL, OPT_OUTPUT},
    {"explain", no_argument, NULL, OPT_EXPLAIN},
    {"progress", no_argument, NULL, OPT_PROGRESS},
    {"summary", no_argument, NULL, OPT_SUMMARY},
    {"set", required_argument, NULL, OPT_SET},
    {"help", no_argument, NULL, OPT_HELP},
};
#define COMMON_COUNT (sizeof common_options / sizeof common_options[0])

static void print_help(const example *x)
{
    printf("usage: %s\n\n", x->usage);
    for (const example_option *o = x->own; o && o->name; o++)
        printf("  --%-16s %s\n", o->name, o->text);
    fputs("  --transport URI    where tasks run: threads:N (default), process:N, ...\n"
          "  --store URI        where data between stages goes: mem:, file:DIR, ...\n"
          "  --partitions N     partitions of shuffles and results\n"
          "  --concurrency N    tasks at once (default: all the transport has)\n"
          "  --memory BYTES     memory budget of one process, such as 64M\n"
          "  --split BYTES      size of input splits\n"
          "  --output URI       folder to write to (default: standard output)\n"
          "  --explain          print the plan instead of running it\n"
          "  --progress         progress on standard error even if it is no terminal\n"
          "  --summary          what the job did, on standard error\n"
          "  --set NAME=VALUE   any setting:\n",
          stdout);
    const char *name, *value, *text;
    for (size_t i = 0; sdf_property(i, &name, &value, &text) == SDF_OK; i++)
        printf("      %-16s %s (default: %s)\n", name, text, *value ? value : "none");
}

int example_fail(sdf_error *err)
{
    fprintf(stderr, "error: %s\n", err ? sdf_error_text(err) : "out of memory");
    sdf_error_free(err);
    return EXAMPLE_FAILED;
}

int example_usage(const example *x, const char *format, const char *what)
{
    fputs("error: ", stderr);
    fprintf(stderr, format, what);
    fprintf(stderr, "\nusage: %s (--help for more)\n", x->usage);
    return EXAMPLE_USAGE;
}

static int set(example *x, const char *name, const char *value)
{
    sdf_error *err = NULL;
    if (sdf_config_set(x->config, name, value, &err) == SDF_OK)
        return 0;
    fprintf(stderr, "error: %s\nusage: %s (--help for more)\n", sdf_error_text(err), x->usage);
    sdf_error_free(err);
    return EXAMPLE_USAGE;
}

static int set_pair(example *x, char *pair)
{
    char *value = strchr(pair, '=');
    if (!value)
        return example_usage(x, "--set wants NAME=VALUE, not \"%s\"", pair);
    *value++ = 0;
    return set(x, pair, value);
}

int example_number(const example *x, const char *text, uint32_t *out)
{
    char *end;
    errno = 0;
    unsigned long v = strtoul(text, &end, 10);
    if (errno || *end || end == text || *text == '-' || v == 0 || v > 10000000)
        return example_usage(x, "\"%s\" is no number between 1 and 10000000", text);
    *out = (uint32_t)v;
    return 0;
}

static int take_own(example_option *o, const char *value)
{
    size_t before = o->value ? strlen(o->value) + 1 : 0;
    char *joined = realloc(o->value, before + strlen(value) + 1);
    if (!joined)
        return example_fail(NULL);
    if (before)
        joined[before - 1] = '\n';
    strcpy(joined + before, value);
    o->value = joined;
    return 0;
}

static int take_option(example *x, int option, char *value)
{
    if (option >= OPT_OWN)
        return take_own(&x->own[option - OPT_OWN], value);
    switch (option) {
    case OPT_TRANSPORT:
        x->transport = value;
        return 0;
    case OPT_STORE:
        x->store = value;
        return 0;
    case OPT_OUTPUT:
        x->output = value;
        return 0;
    case OPT_PARTITIONS: {
        int rc = example_number(x, value, &x->partitions);
        return rc ? rc : set(x, "partitions", value);
    }
    case OPT_CONCURRENCY:
        return set(x, "concurrency", value);
    case OPT_MEMORY:
        return set(x, "memory", value);
    case OPT_SPLIT:
        return set(x, "split_bytes", value);
    case OPT_SET:
        return set_pair(x, value);
    case OPT_EXPLAIN:
        x->explain = 1;
        return 0;
    case OPT_PROGRESS:
        x->progress = 1;
        return 0;
    case OPT_SUMMARY:
        x->summary = 1;
        return 0;
    case OPT_HELP:
        print_help(x);
        return -1;
    default:
        fprintf(stderr, "usage: %s (--help for more)\n", x->usage);
        return EXAMPLE_USAGE;
    }
}

/* Threads share memory; for anything else, where neither the command line nor a setting names a store, a folder that
 * nobody else can enter. */
static int choose_store(example *x)
{
    const char *transport = x->transport ? x->transport : sdf_config_get(x->config, "transport");
    if (x->store || !strncmp(transport, "threads:", 8) || strcmp(sdf_config_get(x->config, "store"), "mem:"))
        return 0;
    const char *tmp = getenv("TMPDIR");
    size_t size = strlen(tmp && *tmp ? tmp : "/tmp") + 32;
    x->store_made = malloc(size);
    if (!x->store_made)
        return example_fail(NULL);
    snprintf(x->store_made, size, "file:%s/sdf-store-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (!mkdtemp(x->store_made + strlen("file:"))) {
        fprintf(stderr, "error: can't make a folder for data between stages (%s): %s; name one with --store file:DIR\n",
                x->store_made, strerror(errno));
        free(x->store_made);
        x->store_made = NULL;
        return EXAMPLE_FAILED;
    }
    x->store = x->store_made;
    return 0;
}

static int open_context(example *x)
{
    sdf_error *err = NULL;
    if (choose_store(x))
        return EXAMPLE_FAILED;
    x->context = sdf_context_open(x->transport, x->store, x->config, &err);
    if (!x->context)
        return example_fail(err);
    if (x->progress || isatty(STDERR_FILENO)) {
        x->bar = sdf_progress_new(STDERR_FILENO);
        sdf_context_on_event(x->context, sdf_progress_event, x->bar);
    }
    return 0;
}

static int take_options(example *x, int argc, char **argv)
{
    struct option all[COMMON_COUNT + OWN_MAX + 1] = {{0}};
    int rc = 0, option, count = 0;
    memcpy(all, common_options, sizeof common_options);
    for (const example_option *o = x->own; o && o->name && count < OWN_MAX; o++, count++)
        all[COMMON_COUNT + count] = (struct option){o->name, required_argument, NULL, OPT_OWN + count};
    while (!rc && (option = getopt_long(argc, argv, "", all, NULL)) != -1)
        rc = take_option(x, option, optarg);
    return rc;
}

int example_open(example *x, int argc, char **argv, const char *usage, example_option *own, int min_inputs,
                 int max_inputs)
{
    memset(x, 0, sizeof *x);
    x->usage = usage;
    x->own = own;
    signal(SIGPIPE, SIG_IGN); /* `| head`: printing then fails, and what the job left behind is removed */
    x->config = sdf_config_new();
    int rc = x->config ? take_options(x, argc, argv) : example_fail(NULL);
    x->inputs = argv + optind;
    x->input_count = argc - optind;
    if (!rc && x->input_count < min_inputs)
        rc = example_usage(x, "%s", x->input_count ? "an argument is missing" : "no input is named");
    if (!rc && x->input_count > max_inputs)
        rc = example_usage(x, "\"%s\" is one input too many", x->inputs[max_inputs]);
    if (!rc)
        rc = open_context(x);
    if (rc)
        example_close(x, rc);
    return rc;
}

char *example_uris(const example *x, int first)
{
    size_t size = 1;
    for (int i = first; i < x->input_count; i++)
        size += strlen(x->inputs[i]) + 1;
    char *uris = malloc(size), *at = uris;
    if (uris)
        *uris = 0;
    for (int i = first; uris && i < x->input_count; i++)
        at += sprintf(at, i > first ? "\n%s" : "%s", x->inputs[i]);
    return uris;
}

int example_explained(example *x, sdf_rdd *rdd)
{
    if (!x->explain)
        return 0;
    sdf_error *err = NULL;
    char *text = sdf_explain(rdd, "text", &err);
    if (text)
        fputs(text, stdout);
    else
        example_fail(err);
    sdf_string_free(text);
    return text ? 1 : -1;
}

/* ---- results ---- */

static void print_side(const char *type, const sdf_slice *raw)
{
    char small[256], *text = small;
    if (!strcmp(type, SDF_BYTES)) {
        fwrite(raw->data, 1, raw->size, stdout);
        return;
    }
    int64_t size = sdf_format(type, raw, small, sizeof small);
    if (size >= (int64_t)sizeof small && (text = malloc((size_t)size + 1)))
        sdf_format(type, raw, text, (size_t)size + 1);
    if (text && size >= 0)
        fwrite(text, 1, (size_t)size, stdout);
    if (text != small)
        free(text);
}

void example_print(sdf_result *result, const sdf_slice *key, const sdf_slice *value)
{
    const char *key_type = sdf_result_key_type(result), *value_type = sdf_result_value_type(result);
    int both = strcmp(key_type, SDF_NULL) && strcmp(value_type, SDF_NULL);
    print_side(key_type, key);
    if (both)
        putchar('\t');
    print_side(value_type, value);
    putchar('\n');
}

static int print_all(sdf_result *result, sdf_error **err)
{
    const sdf_batch *batch;
    int rc = SDF_OK;
    while (!ferror(stdout) && (rc = sdf_result_next(result, &batch, err)) == SDF_OK) {
        for (size_t i = 0; i < sdf_batch_count(batch); i++) {
            sdf_slice key, value;
            sdf_batch_get(batch, SDF_KEY, i, &key);
            sdf_batch_get(batch, SDF_VALUE, i, &value);
            example_print(result, &key, &value);
        }
    }
    return rc == SDF_END ? SDF_OK : rc;
}

int example_finish(example *x, sdf_rdd *rdd)
{
    int explained = example_explained(x, rdd);
    if (explained)
        return example_close(x, explained < 0 ? EXAMPLE_FAILED : 0);
    sdf_error *err = NULL;
    sdf_result *result = NULL;
    int rc;
    if (x->output)
        rc = sdf_save(rdd, x->output, NULL, &err);
    else if ((rc = sdf_iterate(rdd, &result, &err)) == SDF_OK)
        rc = print_all(result, &err);
    sdf_result_free(result);
    return example_close(x, rc == SDF_OK ? 0 : example_fail(err));
}

static double metric(example *x, const char *name)
{
    uint64_t value = 0;
    sdf_context_metric(x->context, name, &value);
    return (double)value;
}

/* Made while the context is open, printed when it is closed: its last events come at its end. */
static void make_summary(example *x, char *text, size_t size)
{
    double mb = 1 << 20;
    char failed[64] = "", odd[64] = "";
    if (metric(x, "failed_attempts") > 0)
        snprintf(failed, sizeof failed, " (%.0f attempts failed and were run again)", metric(x, "failed_attempts"));
    if (metric(x, "record_errors") > 0)
        snprintf(odd, sizeof odd, "record errors: %.0f records left out\n", metric(x, "record_errors"));
    snprintf(text, size,
             "stages %.0f, tasks %.0f%s\n"
             "%s"
             "records read %.0f, bytes read %.2f MB, shuffled %.2f MB, spilled %.2f MB\n"
             "peak memory: %.1f MB reserved by a task, %.1f MB resident in a process; time %.3f s\n",
             metric(x, "stages"), metric(x, "tasks"), failed, odd, metric(x, "records_read"), metric(x, "bytes_read") / mb,
             metric(x, "bytes_shuffled") / mb, metric(x, "bytes_spilled") / mb, metric(x, "peak_memory") / mb,
             metric(x, "peak_rss") / mb, metric(x, "elapsed_ms") / 1000);
}

int example_close(example *x, int code)
{
    char summary[512] = "";
    if (fflush(stdout) || ferror(stdout)) {
        if (code == 0) {
            fprintf(stderr, "error: standard output can't be written: %s\n", strerror(errno));
            code = EXAMPLE_FAILED;
        }
    }
    if (x->summary && code == 0 && x->context)
        make_summary(x, summary, sizeof summary);
    sdf_context_close(x->context);
    fputs(summary, stderr);
    sdf_progress_free(x->bar);
    sdf_config_free(x->config);
    if (x->store_made)
        rmdir(x->store_made + strlen("file:"));
    free(x->store_made);
    for (example_option *o = x->own; o && o->name; o++) {
        free(o->value);
        o->value = NULL;
    }
    return code == -1 ? 0 : code;
}
