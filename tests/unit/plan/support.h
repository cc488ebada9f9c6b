/* What the tests of this room share: functions to plan with, nodes, throw-away folders. */
#ifndef TEST_PLAN_SUPPORT_H
#define TEST_PLAN_SUPPORT_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/path.h"
#include "plan/planner.h"

static inline int do_map(const sdf_record *in, sdf_out *out, void *state)
{
    return SDF_OK;
}
static inline int do_batch(const sdf_batch *in, sdf_out *out, void *state)
{
    return SDF_OK;
}
static inline int do_group(const sdf_slice *key, sdf_values *values, sdf_out *out, void *state)
{
    return SDF_OK;
}
static inline int do_reduce(const sdf_slice *a, const sdf_slice *b, sdf_out *out, void *state)
{
    return SDF_OK;
}
static inline int do_cogroup(const sdf_slice *key, sdf_values *const *values, size_t count, sdf_out *out, void *state)
{
    return SDF_OK;
}
static inline int do_update(void *state, const sdf_slice *value, sdf_memory *memory, void *user)
{
    return SDF_OK;
}

static inline void register_functions(void)
{
    static const sdf_aggregator counter = {
        .struct_size = sizeof counter, .state_type = "i64", .state_size = 8, .update = do_update, .merge = do_update};
    const sdf_function functions[] = {
        {.struct_size = sizeof(sdf_function), .name = "same", .map = do_map},
        {.struct_size = sizeof(sdf_function),
         .name = "words",
         .in_value = "bytes",
         .out_key = "bytes",
         .out_value = "i64",
         .map = do_map,
         .version = 7},
        {.struct_size = sizeof(sdf_function), .name = "ones", .out_value = "i64", .map = do_map},
        {.struct_size = sizeof(sdf_function), .name = "numbers", .in_value = "i64", .map = do_map},
        {.struct_size = sizeof(sdf_function), .name = "keep", .filter = do_map},
        {.struct_size = sizeof(sdf_function), .name = "batches", .batch = do_batch},
        {.struct_size = sizeof(sdf_function), .name = "groups", .out_value = "f64", .group = do_group},
        {.struct_size = sizeof(sdf_function),
         .name = "sum",
         .in_value = "i64",
         .out_value = "i64",
         .reduce = do_reduce},
        {.struct_size = sizeof(sdf_function), .name = "bring", .out_value = "i64", .cogroup = do_cogroup},
        {.struct_size = sizeof(sdf_function), .name = "unsaid", .cogroup = do_cogroup},
        {.struct_size = sizeof(sdf_function), .name = "counter", .aggregator = &counter},
        {.struct_size = sizeof(sdf_function), .name = "counter_text", .out_value = "bytes", .aggregator = &counter},
    };
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        sdf_register_or_remember(&functions[i]);
}

static uint32_t next_id = 1;

/* A node with up to two parents; spec has the rest. */
static inline node *make_spec(node_spec spec, node *one, node *two)
{
    node *parents[2] = {one, two};
    spec.id = next_id++;
    if (one) {
        spec.parents = parents;
        spec.parent_count = 1 + (two != NULL);
    }
    node *n = node_new(&spec);
    assert_non_null(n);
    return n;
}

static inline node *make_op(plan_op_kind op, node *parent, const char *operation, const char *fn)
{
    return make_spec((node_spec){NODE_NARROW, .operation = operation, .op = op, .function = fn}, parent, NULL);
}

static inline node *make_project(plan_project project, node *parent, const char *key, const char *value)
{
    uint8_t arg = (uint8_t)project;
    return make_spec((node_spec){NODE_NARROW, .operation = "project", .op = PLAN_OP_PROJECT, .arg = {&arg, 1},
                                 .key_type = key, .value_type = value},
                     parent, NULL);
}

static inline node *make_wide(node_kind kind, node *parent, const char *operation, const char *fn, uint32_t partitions)
{
    return make_spec((node_spec){kind, .operation = operation, .function = fn, .partitions = partitions}, parent, NULL);
}

static inline node *make_cogroup(plan_cogroup how, node *one, node *two, const char *operation, const char *fn,
                                 uint32_t partitions)
{
    return make_spec(
        (node_spec){NODE_COGROUP, .operation = operation, .how = how, .function = fn, .partitions = partitions}, one,
        two);
}

static inline node *make_join(plan_cogroup how, node_join join, node *left, node *right, uint32_t partitions)
{
    return make_spec((node_spec){NODE_COGROUP, .operation = "join", .how = how, .join = join, .partitions = partitions},
                     left, right);
}

static inline node *make_files(plan_format format, const char *uris, uint64_t split)
{
    return make_spec(
        (node_spec){NODE_FILES, .operation = "files", .uris = uris, .format = &format, .split_bytes = split}, NULL,
        NULL);
}

static inline node *make_text(const char *uris, uint64_t split)
{
    plan_format format = {.kind = PLAN_FORMAT_TEXT};
    return make_spec(
        (node_spec){NODE_FILES, .operation = "text_file", .uris = uris, .format = &format, .split_bytes = split}, NULL,
        NULL);
}

static inline void release(node **nodes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        node_unref(nodes[i], NULL, NULL);
}
#define RELEASE(...)                                                                                                   \
    do {                                                                                                               \
        node *all_[] = {__VA_ARGS__};                                                                                  \
        release(all_, sizeof all_ / sizeof *all_);                                                                     \
    } while (0)

static inline void write_file(const char *folder, const char *name, size_t size)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    for (size_t i = 0; i < size; i++)
        fputc(i % 10 == 9 ? '\n' : 'a', f);
    assert_int_equal(fclose(f), 0);
}

static inline void write_text(const char *folder, const char *name, const char *text)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    assert_int_equal(fclose(f), 0);
}

static inline char *make_folder(void)
{
    char *folder = strdup("/tmp/sdf-plan-XXXXXX");
    assert_non_null(mkdtemp(folder));
    return folder;
}

static inline void drop_folder(char *folder)
{
    path_remove_tree(folder, NULL);
    free(folder);
}

#endif
