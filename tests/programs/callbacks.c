/* A host whose functions misbehave on request: callbacks TRANSPORT STORE WHAT [SETTING=VALUE ...]
 * Runs map(WHAT) over the numbers 0..999 in 4 partitions, then sums and counts what comes out; prints "sum N count N",
 * or the error as one JSON-like line of its parts on standard output, and exits 0 either way. Other exits are the
 * test's failure. */
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sdf/sdf.h>

#define COUNT 1000

static int pass(const sdf_record *in, sdf_out *out, void *state)
{
    return sdf_emit_i64(out, &in->key, sdf_slice_i64(&in->value));
}

static int fails_at_700(const sdf_record *in, sdf_out *out, void *state)
{
    if (sdf_slice_i64(&in->value) == 700) {
        fprintf(stderr, "about to fail at 700\n");
        return sdf_fail(out, "700 is not to my taste");
    }
    return pass(in, out, state);
}

static int fails_mutely(const sdf_record *in, sdf_out *out, void *state)
{
    return -1000;
}

static int crashes(const sdf_record *in, sdf_out *out, void *state)
{
    if (sdf_slice_i64(&in->value) == 700) {
        fprintf(stderr, "about to crash\n");
        raise(11);
    }
    return pass(in, out, state);
}

/* Only in the first process that comes this way: the file says so. */
static int crashes_once(const sdf_record *in, sdf_out *out, void *state)
{
    const char *mark = getenv("MARK");
    if (sdf_slice_i64(&in->value) == 700 && mark && access(mark, F_OK)) {
        fclose(fopen(mark, "w"));
        raise(9);
    }
    return pass(in, out, state);
}

static int exits(const sdf_record *in, sdf_out *out, void *state)
{
    if (sdf_slice_i64(&in->value) == 700)
        exit(3);
    return pass(in, out, state);
}

static int hangs(const sdf_record *in, sdf_out *out, void *state)
{
    while (sdf_slice_i64(&in->value) == 700)
        sleep(1);
    return pass(in, out, state);
}

static int emits_from_stack(const sdf_record *in, sdf_out *out, void *state)
{
    int64_t value = sdf_slice_i64(&in->value);
    sdf_slice view = {&value, sizeof value};
    return sdf_emit_view(out, &in->key, &view);
}

static int emits_twice(const sdf_record *in, sdf_out *out, void *state)
{
    int rc = pass(in, out, state);
    return rc ? rc : pass(in, out, state);
}

static int emits_wrong_type(const sdf_record *in, sdf_out *out, void *state)
{
    sdf_slice text = {"seven", 5};
    return sdf_emit(out, &in->key, &text);
}

static int leaks(const sdf_record *in, sdf_out *out, void *state)
{
    void *lost = malloc(1 << 20);
    memset(lost, 1, 1 << 20);
    return lost ? pass(in, out, state) : -1;
}

static int prints(const sdf_record *in, sdf_out *out, void *state)
{
    printf("this must not disturb the protocol\n");
    fflush(stdout);
    return pass(in, out, state);
}

static int closes_all(const sdf_record *in, sdf_out *out, void *state)
{
    for (int fd = 3; fd < 64; fd++)
        close(fd);
    return pass(in, out, state);
}

static int runs_an_action(const sdf_record *in, sdf_out *out, void *state)
{
    sdf_error *err = NULL;
    sdf_context *c = sdf_context_open("threads:1", "mem:", NULL, &err);
    uint64_t n;
    int rc = c ? sdf_count(sdf_text_file(c, "/dev/null", NULL), &n, &err) : sdf_error_code(err);
    sdf_context_close(c);
    sdf_error_free(err);
    return rc ? sdf_fail(out, "an action inside a function is refused") : pass(in, out, state);
}

static int open_fails(const sdf_task *task, const sdf_slice *arg, void **state, sdf_error **err)
{
    *err = sdf_error_new(SDF_E_USER, "no state today", "come back tomorrow");
    return SDF_E_USER;
}

static void register_all(void)
{
    SDF_REGISTER(pass, .map = pass, .in_value = SDF_I64);
    SDF_REGISTER(fails_at_700, .map = fails_at_700, .in_value = SDF_I64);
    SDF_REGISTER(fails_mutely, .map = fails_mutely, .in_value = SDF_I64);
    SDF_REGISTER(crashes, .map = crashes, .in_value = SDF_I64);
    SDF_REGISTER(crashes_once, .map = crashes_once, .in_value = SDF_I64);
    SDF_REGISTER(exits, .map = exits, .in_value = SDF_I64);
    SDF_REGISTER(hangs, .map = hangs, .in_value = SDF_I64);
    SDF_REGISTER(emits_from_stack, .map = emits_from_stack, .in_value = SDF_I64);
    SDF_REGISTER(emits_twice, .map = emits_twice, .in_value = SDF_I64);
    SDF_REGISTER(emits_wrong_type, .map = emits_wrong_type, .in_value = SDF_I64);
    SDF_REGISTER(leaks, .map = leaks, .in_value = SDF_I64);
    SDF_REGISTER(prints, .map = prints, .in_value = SDF_I64);
    SDF_REGISTER(closes_all, .map = closes_all, .in_value = SDF_I64);
    SDF_REGISTER(runs_an_action, .map = runs_an_action, .in_value = SDF_I64);
    SDF_REGISTER(state_refused, .map = pass, .open = open_fails, .in_value = SDF_I64);
    SDF_REGISTER(wants_bytes, .map = pass, .in_value = SDF_BYTES);
}

static int say_error(sdf_error *err)
{
    printf(
        "error code=%s function=%s operator=%s stage=%lld partition=%lld attempt=%lld\nmessage=%s\nhint=%s\nlog=%s\n",
        sdf_status_name(sdf_error_code(err)), sdf_error_function(err), sdf_error_operator(err),
        (long long)sdf_error_stage(err), (long long)sdf_error_partition(err), (long long)sdf_error_attempt(err),
        sdf_error_message(err), sdf_error_hint(err), sdf_error_log(err));
    sdf_error_free(err);
    return 0;
}

static int run(sdf_context *c, const char *what, sdf_error **err)
{
    static int64_t values[COUNT];
    for (int i = 0; i < COUNT; i++)
        values[i] = i;
    sdf_column column = {.struct_size = sizeof column, .layout = SDF_LAYOUT_FIXED, .width = 8, .data = values};
    sdf_rdd *numbers = sdf_parallelize(c, SDF_NULL, SDF_I64, NULL, &column, COUNT, 4);
    sdf_rdd *mapped = sdf_map(numbers, what, NULL, 0);
    sdf_rdd *summed = sdf_reduce_by_key(mapped, "sdf.sum", 2);
    sdf_result *result = NULL;
    const sdf_batch *batch;
    int64_t sum = 0;
    uint64_t count = 0;
    int rc = sdf_collect(summed, &result, err);
    while (!rc && (rc = sdf_result_next(result, &batch, err)) == SDF_OK) {
        for (size_t i = 0; i < sdf_batch_count(batch); i++) {
            sdf_slice value;
            sdf_batch_get(batch, SDF_VALUE, i, &value);
            sum += sdf_slice_i64(&value);
        }
    }
    sdf_result_free(result);
    if (rc == SDF_END)
        rc = sdf_count(mapped, &count, err);
    if (!rc)
        printf("sum %lld count %llu\n", (long long)sum, (unsigned long long)count);
    return rc;
}

int main(int argc, char **argv)
{
    register_all();
    if (sdf_worker_requested())
        return sdf_worker_main();
    setlocale(LC_ALL, ""); /* a host may; nothing of ours may change with it */
    if (argc < 4)
        return 2;
    sdf_error *err = NULL;
    sdf_config *config = sdf_config_new();
    for (int i = 4; i < argc; i++) {
        char *value = strchr(argv[i], '=');
        if (!value)
            return 2;
        *value++ = 0;
        if (sdf_config_set(config, argv[i], value, &err))
            return say_error(err);
    }
    sdf_context *c = sdf_context_open(argv[1], argv[2], config, &err);
    sdf_config_free(config);
    if (!c || run(c, argv[3], &err))
        say_error(err);
    sdf_context_close(c);
    return 0;
}
