/* Every allocation of this room fails in turn: an error comes, nothing leaks, nothing crashes. malloc is replaced here,
 * in this program; under a sanitizer, which has a malloc of its own, nothing is tested. */
#include "scratch.h"

#include <errno.h>

#include "base/buf.h"
#include "codec/codec.h"
#include "store/input.h"
#include "store/output.h"
#include "store/store.h"

#ifndef SDF_SANITIZE

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *p);

static long live;      /* allocations that were not freed */
static long countdown; /* allocations until one fails; 0: none */
static int failing_on; /* all after it fail too */
static int failed;

static int fails(void)
{
    if (!(failing_on && failed) && (countdown == 0 || --countdown > 0))
        return 0;
    failed = 1;
    errno = ENOMEM;
    return 1;
}

static void *counted(void *p)
{
    live += p != NULL;
    return p;
}

SDF_API void *malloc(size_t size)
{
    return fails() ? NULL : counted(__libc_malloc(size));
}

SDF_API void *calloc(size_t count, size_t size)
{
    return fails() ? NULL : counted(__libc_calloc(count, size));
}

SDF_API void *realloc(void *p, size_t size)
{
    if (fails())
        return NULL;
    void *q = __libc_realloc(p, size);
    live += p == NULL && q != NULL;
    return q;
}

SDF_API int posix_memalign(void **out, size_t alignment, size_t size)
{
    *out = fails() ? NULL : counted(__libc_memalign(alignment, size));
    return *out != NULL ? 0 : ENOMEM;
}

SDF_API void free(void *p)
{
    live -= p != NULL;
    __libc_free(p);
}

static char manifest_name[600];
static char store_uri[3][200], folder[100], part_glob[120];

static int use_store(const char *uri, sdf_error **err)
{
    store *s;
    sdf_view view;
    static char bytes[100000];
    int rc = store_open(uri, &s, err);
    if (rc != SDF_OK)
        return rc;
    rc = store_put(s, "a/b", "text", 4, err);
    if (rc == SDF_OK)
        rc = store_put(s, "a/large", bytes, sizeof bytes, err);
    if (rc == SDF_OK && (rc = store_get(s, "a/b", 10, &view, err)) == SDF_OK)
        store_release(&view);
    if (rc == SDF_OK)
        rc = store_remove_prefix(s, "a/", err);
    store_unref(s);
    return rc;
}

static int use_mem(sdf_error **err)
{
    return use_store(store_uri[0], err);
}

static int use_file(sdf_error **err)
{
    return use_store(store_uri[1], err);
}

static int use_fault(sdf_error **err)
{
    return use_store(store_uri[2], err);
}

static int use_files(sdf_error **err)
{
    output *out;
    output_part *part;
    char ticket[OUTPUT_TICKET_MAX];
    input_file *files;
    input *in;
    size_t count;
    int rc = output_begin(folder, "j", false, &out, err);
    if (rc != SDF_OK)
        return rc;
    rc = output_part_open(folder, "j", false, "1", "part-00000", &part, err);
    if (rc == SDF_OK && (rc = output_part_write(part, "text", 4, err)) != SDF_OK)
        output_part_abort(part);
    else if (rc == SDF_OK)
        rc = output_part_close(part, ticket, err);
    if (rc == SDF_OK)
        rc = output_publish(out, ticket, "part-00000", 4, 1, err);
    if (rc != SDF_OK) {
        output_abort(out);
        return rc;
    }
    rc = output_finish(out, err);
    if (rc == SDF_OK && (rc = input_list(part_glob, &files, &count, NULL, err)) == SDF_OK) {
        rc = input_open(&(task_split){.path = files[0].name, .file_size = files[0].size}, &in, err);
        if (rc == SDF_OK)
            input_close(in);
        input_list_free(files, count);
    }
    return rc;
}

/* Encodes into what is already reserved, writes a file and its manifest, lists and reads it. */
static int use_compressed(codec_kind kind, sdf_error **err)
{
    static uint8_t packed[4096], plain[1000];
    encoder *e;
    size_t used, made, got;
    int rc = encoder_new(kind, 0, &e, err);
    if (rc != SDF_OK)
        return rc;
    rc = encoder_run(e, plain, sizeof plain, &used, packed, sizeof packed, &made, true, err);
    encoder_free(e);
    if (rc != SDF_END)
        return rc;
    input_file *files;
    size_t count;
    rc = input_list(manifest_name, &files, &count, NULL, err);
    if (rc != SDF_OK)
        return rc;
    task_split split = {.path = files[kind - 1].name, .file_size = files[kind - 1].size, .codec = (uint8_t)kind};
    budget b;
    input_stream *in;
    budget_init(&b, 32 << 20);
    rc = input_stream_open(&split, 0, &b, &in, err);
    if (rc == SDF_OK) {
        while ((rc = input_stream_read(in, plain, sizeof plain, &got, err)) == SDF_OK)
            ;
        input_stream_close(in);
    }
    input_list_free(files, count);
    return rc == SDF_END ? SDF_OK : rc;
}

static int use_gzip(sdf_error **err)
{
    return use_compressed(CODEC_GZIP, err);
}

static int use_zstd(sdf_error **err)
{
    return use_compressed(CODEC_ZSTD, err);
}

static int use_lz4(sdf_error **err)
{
    return use_compressed(CODEC_LZ4, err);
}

static int use_bzip2(sdf_error **err)
{
    return use_compressed(CODEC_BZIP2, err);
}

/* Fails allocation 1, 2, ... until the work gets by without reaching the one that fails. */
static void each_fails(int (*work)(sdf_error **), int go_on_failing)
{
    sdf_error *err = NULL;
    assert_int_equal(work(&err), SDF_OK); /* what is allocated once for all */
    path_remove_tree(folder, NULL);
    for (long n = 1;; n++) {
        assert_true(n < 1000);
        long before = live;
        failed = 0;
        failing_on = go_on_failing;
        countdown = n;
        int rc = work(&err);
        countdown = failing_on = 0;
        int code = sdf_error_code(err);
        if (rc != SDF_OK && rc != SDF_E_NO_MEMORY)
            fail_msg("allocation %ld failing gives %s", n, sdf_error_text(err));
        sdf_error_free(err);
        err = NULL;
        if (live != before)
            fail_msg("allocation %ld failing leaks %ld", n, live - before);
        assert_int_equal(code, rc);
        path_remove_tree(folder, NULL);
        if (!failed) {
            assert_int_equal(rc, SDF_OK);
            return;
        }
    }
}

static void test_stores(void **state)
{
    snprintf(store_uri[0], sizeof store_uri[0], "mem:");
    snprintf(store_uri[1], sizeof store_uri[1], "file:%s?fsync=data", in_scratch("store"));
    snprintf(store_uri[2], sizeof store_uri[2], "fault:seed=1,read_flip=1:mem:");
    for (int go_on = 0; go_on < 2; go_on++) {
        each_fails(use_mem, go_on);
        each_fails(use_file, go_on);
        each_fails(use_fault, go_on);
    }
}

static void test_files(void **state)
{
    snprintf(folder, sizeof folder, "%s", in_scratch("out"));
    snprintf(part_glob, sizeof part_glob, "%s/p*", folder);
    each_fails(use_files, 0);
    each_fails(use_files, 1);
}

static void test_compressed(void **state)
{
    FILE *list = fopen(in_scratch("list"), "w");
    static const uint8_t text[] = "some text";
    for (int kind = CODEC_GZIP; kind <= CODEC_BZIP2; kind++) {
        encoder *e;
        size_t used, made;
        uint8_t packed[1000];
        OK(encoder_new((codec_kind)kind, 0, &e, &err));
        assert_int_equal(encoder_run(e, text, sizeof text, &used, packed, sizeof packed, &made, true, NULL), SDF_END);
        encoder_free(e);
        fprintf(list, "packed%s\n", codec_suffix((codec_kind)kind));
        FILE *f = fopen(in_scratch("packed%s", codec_suffix((codec_kind)kind)), "w");
        assert_int_equal(fwrite(packed, 1, made, f), made);
        fclose(f);
    }
    fclose(list);
    snprintf(manifest_name, sizeof manifest_name, "manifest:%s", in_scratch("list"));
    snprintf(folder, sizeof folder, "%s", in_scratch("none"));
    for (int go_on = 0; go_on < 2; go_on++) {
        each_fails(use_gzip, go_on);
        each_fails(use_zstd, go_on);
        each_fails(use_lz4, go_on);
        each_fails(use_bzip2, go_on);
    }
}

#else

static void test_compressed(void **state)
{
    skip();
}

static void test_stores(void **state)
{
    skip();
}

static void test_files(void **state)
{
    skip();
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stores),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_compressed),
    };
    return cmocka_run_group_tests_name("store/no_memory", tests, scratch_make, scratch_remove);
}
