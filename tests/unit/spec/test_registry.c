/* The table of functions: what it takes and refuses, the program id, and the freeze. Tests run in order: the table is
 * the process's. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "spec/registry.h"

static int a_map(const sdf_record *in, sdf_out *out, void *state)
{
    return SDF_OK;
}
static int other_map(const sdf_record *in, sdf_out *out, void *state)
{
    return SDF_OK;
}
static int a_filter(const sdf_record *in, sdf_out *out, void *state)
{
    return 1;
}
static int an_update(void *state, const sdf_slice *value, sdf_memory *memory, void *user)
{
    return SDF_OK;
}
static int an_encode(const void *state, sdf_out *out, void *user)
{
    return SDF_OK;
}
static int an_update_many(void *const *states, const sdf_column *values, size_t count, void *user)
{
    return SDF_OK;
}

static void assert_refused(const sdf_function *f, int code, const char *part)
{
    sdf_error *err = NULL;
    assert_int_equal(sdf_register(f, &err), code);
    assert_int_equal(sdf_error_code(err), code);
    if (!strstr(sdf_error_text(err), part))
        fail_msg("\"%s\" lacks \"%s\"", sdf_error_text(err), part);
    sdf_error_free(err);
}

static sdf_function make(const char *name)
{
    sdf_function f;
    sdf_function_init(&f);
    f.name = name;
    f.map = a_map;
    return f;
}

static int a_cogroup(const sdf_slice *key, sdf_values *const *values, size_t count, sdf_out *out, void *state)
{
    return SDF_OK;
}

static int another_cogroup(const sdf_slice *key, sdf_values *const *values, size_t count, sdf_out *out, void *state)
{
    return SDF_OK;
}

static void bad_definitions_are_refused(void **state)
{
    char long_name[200];
    sdf_function f = make("ok");
    memset(long_name, 'n', sizeof long_name);
    long_name[199] = '\0';
    assert_refused(NULL, SDF_E_INVALID, "no function");
    f.struct_size = 0;
    assert_refused(&f, SDF_E_INVALID, "init function");
    f = make(NULL);
    assert_refused(&f, SDF_E_INVALID, "without a name");
    f = make("");
    assert_refused(&f, SDF_E_INVALID, "without a name");
    f = make("a b");
    assert_refused(&f, SDF_E_INVALID, "byte 2");
    f = make("sdf.mine");
    assert_refused(&f, SDF_E_INVALID, "library's own");
    f = make(long_name);
    assert_refused(&f, SDF_E_LIMIT, "127");
    f = make("none");
    f.map = NULL;
    assert_refused(&f, SDF_E_INVALID, "no way to call it");
    f = make("two");
    f.filter = a_filter;
    assert_refused(&f, SDF_E_INVALID, "more than one");
    f = make("three");
    f.cogroup = a_cogroup;
    assert_refused(&f, SDF_E_INVALID, "more than one");
    f = make("typed");
    f.out_value = "tuple(i64,";
    assert_refused(&f, SDF_E_TYPE, "out_value");
    f.in_key = "i64"; /* already copied when the other is found wrong */
    assert_refused(&f, SDF_E_TYPE, "character 11");
}

static sdf_function make_aggregator(const char *name, sdf_aggregator *a)
{
    sdf_function f = make(name);
    sdf_aggregator_init(a);
    a->state_size = 8;
    a->state_type = "i64";
    a->update = an_update;
    a->merge = an_update;
    f.map = NULL;
    f.aggregator = a;
    return f;
}

static void bad_aggregators_are_refused(void **state)
{
    sdf_aggregator a;
    sdf_function f = make_aggregator("agg", &a);
    a.state_size = 4097;
    assert_refused(&f, SDF_E_INVALID, "4096");
    a.state_size = 0;
    assert_refused(&f, SDF_E_INVALID, "4096");
    a.state_size = 16;
    assert_refused(&f, SDF_E_INVALID, "state_type");
    f = make_aggregator("agg", &a);
    a.merge = NULL;
    assert_refused(&f, SDF_E_INVALID, "merge");
    f = make_aggregator("agg", &a);
    a.variable = 1;
    assert_refused(&f, SDF_E_INVALID, "encode");
    a.encode = an_encode;
    a.update_many = an_update_many;
    assert_refused(&f, SDF_E_INVALID, "update_many");
    f = make_aggregator("agg", &a);
    a.variable = 2;
    assert_refused(&f, SDF_E_INVALID, "neither");
    f = make_aggregator("agg", &a);
    a.state_type = "i128";
    assert_refused(&f, SDF_E_TYPE, "state_type");
    a.struct_size = 3;
    assert_refused(&f, SDF_E_INVALID, "aggregator");
}

static void structs_of_other_sizes_are_taken_if_they_can_be(void **state)
{
    struct {
        sdf_function f;
        void *newer[3];
    } large = {.f = make("newer")};
    large.f.struct_size = sizeof large;
    assert_int_equal(sdf_register(&large.f, NULL), SDF_OK);
    large.f.name = "newest";
    large.newer[2] = &large;
    assert_refused(&large.f, SDF_E_VERSION, "doesn't know");
    large.f.struct_size = SIZE_MAX;
    assert_refused(&large.f, SDF_E_INVALID, "struct_size");
    sdf_function older = make("older");
    older.close = (sdf_close_fn)(void (*)(void))a_map; /* past the end of the older struct: not seen */
    older.struct_size = offsetof(sdf_function, open);
    assert_int_equal(sdf_register(&older, NULL), SDF_OK);
    assert_null(registry_find("older", NULL, NULL)->def.close);
}

static void a_definition_is_copied_and_may_come_again(void **state)
{
    char name[] = "parse", type[] = " tuple( i64, bytes )";
    sdf_function f = make(name);
    f.version = 3;
    f.out_value = type;
    assert_int_equal(sdf_register(&f, NULL), SDF_OK);
    assert_int_equal(sdf_register(&f, NULL), SDF_OK);
    const function *found = registry_find("parse", NULL, NULL);
    memset(name, 'x', 5);
    memset(type, 'x', 5);
    assert_string_equal(found->def.name, "parse");
    assert_string_equal(found->def.out_value, "tuple(i64,bytes)");
    assert_null(found->def.in_key);
    assert_int_equal(found->kind, FUNCTION_MAP);
    assert_false(found->builtin);
    f = make("parse");
    f.version = 3;
    f.out_value = "tuple(i64,bytes)";
    assert_int_equal(sdf_register(&f, NULL), SDF_OK);
    f.map = other_map;
    assert_refused(&f, SDF_E_EXISTS, "parse");
    f.map = a_map;
    f.version = 4;
    assert_refused(&f, SDF_E_EXISTS, "another definition");
    sdf_aggregator a;
    f = make_aggregator("total", &a);
    assert_int_equal(sdf_register(&f, NULL), SDF_OK);
    found = registry_find("total", NULL, NULL);
    assert_ptr_equal(found->def.aggregator, &found->aggregator);
    assert_ptr_not_equal(found->aggregator.state_type, a.state_type);
    a.state_type = "f64";
    assert_refused(&f, SDF_E_EXISTS, "total");
}

static void names_are_found_also_by_type(void **state)
{
    sdf_function builtins[] = {make("sdf.sum.i64"), make("sdf.sum.f64"), make("sdf.first")};
    assert_int_equal(registry_add_builtins(builtins, 3, NULL), SDF_OK);
    assert_int_equal(registry_add_builtins(builtins, 3, NULL), SDF_OK);
    assert_string_equal(registry_find("sdf.sum", "i64", NULL)->def.name, "sdf.sum.i64");
    assert_string_equal(registry_find("sdf.sum", "f64", NULL)->def.name, "sdf.sum.f64");
    assert_string_equal(registry_find("sdf.first", "i64", NULL)->def.name, "sdf.first");
    assert_true(registry_find("sdf.first", NULL, NULL)->builtin);
    sdf_error *err = NULL;
    assert_null(registry_find("sdf.sum", "bytes", &err));
    assert_int_equal(sdf_error_code(err), SDF_E_TYPE);
    assert_string_equal(sdf_error_hint(err), "there are sdf.sum.f64, sdf.sum.i64");
    sdf_error_free(err);
    err = NULL;
    assert_null(registry_find("sdf.su", "i64", &err));
    assert_int_equal(sdf_error_code(err), SDF_E_NOT_FOUND);
    sdf_error_free(err);
    err = NULL;
    assert_null(registry_find("prase", NULL, &err));
    assert_non_null(strstr(sdf_error_hint(err), "\"parse\""));
    sdf_error_free(err);
    assert_null(registry_find("", NULL, NULL));
    assert_null(registry_find(NULL, NULL, NULL));
    char endless[5000];
    memset(endless, 'a', sizeof endless);
    endless[4999] = '\0';
    assert_null(registry_find(endless, "i64", NULL));
}

static void cogroup_functions_are_registered(void **state)
{
    sdf_function f = make("both_sides");
    f.map = NULL;
    f.cogroup = a_cogroup;
    f.out_value = "tuple(i64, f64)";
    assert_int_equal(sdf_register(&f, NULL), SDF_OK);
    assert_int_equal(sdf_register(&f, NULL), SDF_OK); /* the same again */
    const function *found = registry_find("both_sides", NULL, NULL);
    assert_int_equal(found->kind, FUNCTION_COGROUP);
    assert_ptr_equal(found->def.cogroup, a_cogroup);
    f.cogroup = another_cogroup;
    assert_refused(&f, SDF_E_EXISTS, "another definition");
}

static void the_program_id_is_the_hash_of_the_description(void **state)
{
    char *text = registry_describe(), id[33], first[33];
    static const char expected[] = "# plan 2, wire 2, application \"\"\n"
                                   "both_sides 0 - - - tuple(i64,f64) cogroup\n"
                                   "newer 0 - - - - map\n"
                                   "older 0 - - - - map\n"
                                   "parse 3 - - - tuple(i64,bytes) map\n"
                                   "total 0 - - - - aggregator of i64\n";
    assert_string_equal(text, expected);
    hash_hex128(text, strlen(text), id);
    assert_string_equal(sdf_program_id(), id);
    strcpy(first, id);
    assert_int_equal(sdf_set_program_version("2.0", NULL), SDF_OK);
    assert_string_not_equal(sdf_program_id(), first);
    assert_int_equal(sdf_set_program_version("a\nb", NULL), SDF_E_INVALID);
    assert_int_equal(sdf_set_program_version(NULL, NULL), SDF_OK);
    assert_string_equal(sdf_program_id(), first);
    sdf_function builtin = make("sdf.another");
    assert_int_equal(registry_add_builtins(&builtin, 1, NULL), SDF_OK);
    assert_string_equal(sdf_program_id(), first); /* the library's own do not count */
    free(text);
}

static void assert_difference(const char *ours, const char *theirs, const char *expected)
{
    char *text = registry_difference(ours, theirs);
    assert_string_equal(text, expected);
    free(text);
}

static void differences_are_named(void **state)
{
    assert_difference("", "", "");
    assert_difference("a 1\nb 1\n", "a 1\nb 1\n", "");
    assert_difference("a 1\nb 1\n", "a 1\nb 2\nc 1", "only here: b 1\nonly there: b 2\nonly there: c 1");
    assert_difference("a.b 1\nab 1\n", "ab 1\n", "only here: a.b 1");
    assert_difference("", "\n\n\n", "only there: \nonly there: \nonly there: ");
    char many[20000] = "";
    for (int i = 0; i < 1000; i++)
        sprintf(many + strlen(many), "f%04d 1\n", i);
    char *text = registry_difference(many, "");
    assert_true(strlen(text) < 1000);
    assert_non_null(strstr(text, "and 980 more"));
    free(text);
}

static void *register_many(void *arg)
{
    for (int i = 0; i < 200; i++) {
        char name[32];
        snprintf(name, sizeof name, "thread.%d", i);
        sdf_function f = make(name);
        if (sdf_register(&f, NULL) || !registry_find(name, NULL, NULL) || strlen(sdf_program_id()) != 32)
            abort();
    }
    return NULL;
}

static void threads_may_register_at_once(void **state)
{
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, register_many, NULL), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
}

static void the_freeze_ends_registration_and_tells_what_went_wrong(void **state)
{
    sdf_error *err = NULL;
    SDF_REGISTER(a_map, .map = a_map, .out_key = SDF_BYTES, .version = 1);
    assert_int_equal(registry_freeze(&err), SDF_OK);
    assert_null(err);
    assert_non_null(registry_find("a_map", NULL, NULL));
    SDF_REGISTER(a_map, .map = a_map, .out_key = SDF_BYTES, .version = 1); /* the same again is fine */
    assert_int_equal(registry_freeze(NULL), SDF_OK);
    SDF_REGISTER(late, .map = a_map);
    SDF_REGISTER(later, .map = a_map);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(registry_freeze(&err), SDF_E_BUSY);
        assert_non_null(strstr(sdf_error_message(err), "\"late\""));
        sdf_error_free(err);
    }
    assert_int_equal(sdf_set_program_version("9", NULL), SDF_E_BUSY);
    assert_int_equal(sdf_set_program_version("", NULL), SDF_OK);
    sdf_function builtin = make("sdf.late");
    assert_int_equal(registry_add_builtins(&builtin, 1, NULL), SDF_OK);
    builtin = make("not.ours");
    assert_int_equal(registry_add_builtins(&builtin, 1, NULL), SDF_E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_definitions_are_refused),
        cmocka_unit_test(bad_aggregators_are_refused),
        cmocka_unit_test(structs_of_other_sizes_are_taken_if_they_can_be),
        cmocka_unit_test(a_definition_is_copied_and_may_come_again),
        cmocka_unit_test(names_are_found_also_by_type),
        cmocka_unit_test(cogroup_functions_are_registered),
        cmocka_unit_test(the_program_id_is_the_hash_of_the_description),
        cmocka_unit_test(differences_are_named),
        cmocka_unit_test(threads_may_register_at_once),
        cmocka_unit_test(the_freeze_ends_registration_and_tells_what_went_wrong),
    };
    return cmocka_run_group_tests_name("spec/registry", tests, NULL, NULL);
}
