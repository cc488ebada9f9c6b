/* Options inside URIs. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/options.h"

typedef struct target {
    uint64_t seed, cap;
    double chance;
    int sync;
} target;

static const option_spec specs[] = {
    {"seed", OPTION_U64, offsetof(target, seed), NULL},
    {"cap", OPTION_SIZE, offsetof(target, cap), NULL},
    {"chance", OPTION_UNIT, offsetof(target, chance), NULL},
    {"fsync", OPTION_CHOICE, offsetof(target, sync), "none|data|all"},
};

static int read_into(target *t, const char *text, sdf_error **err)
{
    return options_read(text, strlen(text), ',', "test:", specs, 4, t, err);
}

static void test_values(void **state)
{
    target t = {1, 2, 0.25, 0};
    assert_int_equal(read_into(&t, "", NULL), SDF_OK);
    assert_int_equal(t.seed, 1);
    assert_int_equal(read_into(&t, "seed=42,cap=1.5K,chance=1,fsync=data", NULL), SDF_OK);
    assert_int_equal(t.seed, 42);
    assert_int_equal(t.cap, 1536);
    assert_true(t.chance == 1);
    assert_int_equal(t.sync, 1);
    assert_int_equal(read_into(&t, "fsync=all,chance=0.5", NULL), SDF_OK);
    assert_true(t.chance == 0.5);
    assert_int_equal(t.sync, 2);
    assert_int_equal(t.seed, 42);
    /* Only the given bytes are looked at. */
    assert_int_equal(options_read("seed=7,no", 6, ',', "test:", specs, 4, &t, NULL), SDF_OK);
    assert_int_equal(t.seed, 7);
}

static void refused(const char *text, const char *says)
{
    target t = {0, 0, 0, 0};
    sdf_error *err = NULL;
    assert_int_equal(read_into(&t, text, &err), SDF_E_INVALID);
    if (strstr(sdf_error_text(err), says) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", sdf_error_text(err), says);
    sdf_error_free(err);
}

static void test_refusals(void **state)
{
    char longer[400];
    refused("sed=1", "did you mean \"seed\"");
    refused("xyzzy=1", "seed, cap, chance, fsync");
    refused("seed", "key=value");
    refused("=1", "key=value");
    refused(",seed=1", "key=value");
    refused("seed=1,,cap=1", "key=value");
    refused("seed=1,seed=2", "twice");
    refused("seed=-1", "seed takes");
    refused("seed=", "seed takes");
    refused("seed=1x", "seed takes");
    refused("seed=99999999999999999999", "seed takes");
    refused("cap=lots", "cap takes");
    refused("chance=1.01", "probability");
    refused("chance=-0.1", "probability");
    refused("chance=nan", "probability");
    refused("fsync=dat", "none|data|all");
    refused("fsync=data|all", "none|data|all");
    refused("fsync=", "none|data|all");
    memset(longer, 'k', sizeof longer);
    longer[399] = 0;
    refused(longer, "key=value");
    longer[80] = '=';
    refused(longer, "key=value");
    memcpy(longer, "seed=", 5);
    refused(longer, "key=value");
}

static void test_split(void **state)
{
    size_t size;
    const char *rest, *text = "a=1,b=2:mem:cap=1G";
    assert_int_equal(options_split(text, "fault:", &size, &rest, NULL), SDF_OK);
    assert_int_equal(size, 7);
    assert_string_equal(rest, "mem:cap=1G");
    assert_int_equal(options_split(":x", "fault:", &size, &rest, NULL), SDF_OK);
    assert_int_equal(size, 0);
    assert_string_equal(rest, "x");
    assert_int_equal(options_split("mem:", "fault:", &size, &rest, NULL), SDF_E_INVALID);
    sdf_error *err = NULL;
    assert_int_equal(options_split("a=1", "fault:", &size, &rest, &err), SDF_E_INVALID);
    assert_non_null(strstr(sdf_error_text(err), "fault:key=value"));
    sdf_error_free(err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_split),
    };
    return cmocka_run_group_tests_name("base/options", tests, NULL, NULL);
}
