/* Plans to test with: one that has everything by hand, and random ones. */
#ifndef TESTS_SPEC_PLANS_H
#define TESTS_SPEC_PLANS_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/timebase.h"
#include "spec/plan.h"

static inline char *copy(const char *text)
{
    char *s = strdup(text);
    assert_non_null(s);
    return s;
}

static inline void set_call(plan_call *c, const char *function, const char *label, const char *arg, size_t size)
{
    c->function = function ? copy(function) : NULL;
    c->version = function ? 7 : 0;
    c->label = copy(label);
    if (size)
        assert_int_equal(buf_append(&c->arg, arg, size), SDF_OK);
}

static inline void set_types(char **key_type, char **value_type, const char *key, const char *value)
{
    *key_type = copy(key);
    *value_type = copy(value);
}

static inline void set_output(plan_output *o, plan_output_kind kind, const char *key, const char *value)
{
    o->kind = kind;
    o->label = copy("out");
    set_types(&o->key_type, &o->value_type, key, value);
}

static inline void set_shuffle(plan_input *in, uint32_t source, plan_read read)
{
    in->kind = PLAN_INPUT_SHUFFLE;
    in->source = source;
    in->read = read;
    in->label = copy("shuffle");
    set_types(&in->key_type, &in->value_type, "bytes", "i64");
    set_types(&in->stored_key_type, &in->stored_value_type, "bytes", "optional(any)");
    if (read == PLAN_READ_AGGREGATE)
        set_call(&in->call, "sdf.sum.i64", "reduce", "", 0);
}

static inline bool op_calls(plan_op_kind kind)
{
    return kind <= PLAN_OP_KEY_BY || kind == PLAN_OP_FOLD;
}

static inline plan_op *add_op(plan_branch *b, plan_op_kind kind, const char *arg, size_t size)
{
    plan_op *op = plan_add_op(b);
    assert_non_null(op);
    op->kind = kind;
    set_call(&op->call, op_calls(kind) ? "split_words" : NULL, "op#2", arg, size);
    set_types(&op->key_type, &op->value_type, "tuple(i64,bytes)", "i64");
    return op;
}

/* Files, two branches of them, with every operator; and a range. */
static inline void add_map_stage(plan *p)
{
    plan_stage *s = plan_add_stage(p);
    s->id = 1;
    s->label = copy("stage 1: \"lines\"\n");
    s->tasks = 12;
    s->resumable = true;
    plan_side *side = plan_add_side(s);
    side->source = 900; /* of an earlier plan */
    side->label = copy("zones#4");
    set_types(&side->key_type, &side->value_type, "i64", "tuple(bytes,null)");
    plan_branch *b = plan_add_branch(s);
    b->input.kind = PLAN_INPUT_FILES;
    b->input.label = copy("text_file");
    set_types(&b->input.key_type, &b->input.value_type, "null", "bytes");
    b->input.format = (plan_format){.kind = PLAN_FORMAT_TEXT, .max_record = UINT64_MAX};
    for (int kind = PLAN_OP_MAP; kind <= PLAN_OP_LOOKUP; kind++) {
        bool projects = kind == PLAN_OP_PROJECT;
        plan_op *op = add_op(b, (plan_op_kind)kind, projects ? "\3" : "a\0\xff", projects ? 1 : (size_t)kind % 4);
        op->errors = kind == PLAN_OP_MAP ? PLAN_ERRORS_DIVERT : PLAN_ERRORS_FAIL;
        op->how = kind == PLAN_OP_LOOKUP ? PLAN_COGROUP_LEFT : 0;
    }
    b = plan_add_branch(s);
    b->input.kind = PLAN_INPUT_FILES;
    b->input.errors = PLAN_ERRORS_SKIP;
    b->input.format = (plan_format){.kind = PLAN_FORMAT_DELIMITED,
                                    .max_record = 1 << 20,
                                    .delimiter = ';',
                                    .quote = '"',
                                    .escape = '\\',
                                    .multiline = true,
                                    .header = true,
                                    .columns = copy("a\nb \xff")}; /* not all UTF-8 */
    b = plan_add_branch(s);
    b->input.kind = PLAN_INPUT_RANGE;
    b->input.start = INT64_MIN;
    b->input.step = -7;
    set_output(&s->output, PLAN_OUTPUT_SHUFFLE, "bytes", "i64");
    s->output.partitions = 16;
    s->output.spread = 100;
    s->output.partitioner = PLAN_PARTITION_HASH;
    s->output.order = PLAN_ORDER_DESCENDING;
    s->output.merging = true;
    s->output.sample = 99;
    set_call(&s->output.combine, "sdf.sum.i64", "combine", "", 0);
}

/* A join of (a cogroup of three) with an aggregate. */
static inline void add_join_stage(plan *p)
{
    plan_stage *s = plan_add_stage(p);
    s->id = UINT32_MAX;
    s->label = copy("stage 2");
    s->tasks = 16;
    s->bound_by = 1;
    plan_branch *b = plan_add_branch(s);
    b->input.kind = PLAN_INPUT_COGROUP;
    b->input.how = PLAN_COGROUP_FULL;
    plan_branch *left = plan_add_source(&b->input);
    left->input.kind = PLAN_INPUT_COGROUP;
    left->input.how = PLAN_COGROUP_CALL;
    set_call(&left->input.call, "three_of_them", "cogroup#8", "", 0);
    for (int i = 0; i < 3; i++) {
        plan_branch *source = plan_add_source(&left->input);
        set_shuffle(&source->input, 1, PLAN_READ_MERGE);
        source->input.descending = i == 1;
        if (i == 2)
            add_op(source, PLAN_OP_FILTER, "", 0);
    }
    plan_branch *right = plan_add_source(&b->input);
    set_shuffle(&right->input, 1, PLAN_READ_AGGREGATE);
    set_output(&s->output, PLAN_OUTPUT_FILE, "bytes", "i64");
    s->output.format = (plan_format){.kind = PLAN_FORMAT_JSON, .columns = copy("k\nv")};
    s->output.codec = 2;
    s->output.single = true;
    s->output.uri = copy("file:/out/\xff\xfe"); /* a path that is no UTF-8 */
}

static inline plan *sample_plan(void)
{
    plan *p = plan_new();
    p->program_id = copy("0123456789abcdef0123456789abcdef");
    p->compression = copy("lz4");
    p->errors_uri = copy("file:/out");
    add_map_stage(p);
    add_join_stage(p);
    plan_stage *s = plan_add_stage(p);
    s->id = 3;
    plan_branch *b = plan_add_branch(s);
    b->input.kind = PLAN_INPUT_FILES;
    b->input.format = (plan_format){.kind = PLAN_FORMAT_BINARY, .record_bytes = 100, .key_bytes = 10};
    set_output(&s->output, PLAN_OUTPUT_SAMPLE, "bytes", "bytes");
    s->output.sample = 5;
    plan_broadcast *v = plan_add_broadcast(p);
    *v = (plan_broadcast){.name = copy("zones"), .id = 5, .bytes = 1 << 20, .digest = 0xfedcba9876543210};
    v = plan_add_broadcast(p);
    *v = (plan_broadcast){.name = copy("empty"), .id = 6};
    return p;
}

/* ---- random plans: everything in its range, and no more shuffles than stages before ---- */

static inline uint64_t any_number(rng *r)
{
    return rng_next(r) >> rng_below(r, 64);
}

static inline char *any_text(rng *r)
{
    char text[12];
    size_t size = rng_below(r, sizeof text);
    for (size_t i = 0; i < size; i++)
        text[i] = (char)(1 + rng_below(r, rng_below(r, 2) ? 127 : 255));
    text[size] = '\0';
    return copy(text);
}

/* Labels and names are UTF-8; other bytes in them are replaced. */
static inline char *any_name(rng *r)
{
    char text[32];
    snprintf(text, sizeof text, "n%llu\t\"\\", (unsigned long long)any_number(r));
    return copy(text);
}

static inline char *any_type(rng *r)
{
    static const char *const types[] = {
        "bytes", "i64", "f64", "null", "any", "optional(any)", "tuple(i64,f64)", "tuple(tuple(bytes),i64)"};
    return copy(types[rng_below(r, sizeof types / sizeof *types)]);
}

static inline void any_call(rng *r, plan_call *c, bool calls)
{
    char arg[40];
    size_t size = rng_below(r, sizeof arg);
    for (size_t i = 0; i < size; i++)
        arg[i] = (char)rng_next(r);
    c->function = calls ? any_name(r) : NULL;
    c->version = calls ? (uint32_t)any_number(r) : 0;
    c->label = any_name(r);
    if (size)
        buf_append(&c->arg, arg, size);
}

static inline void any_format(rng *r, plan_format *f, bool source)
{
    f->kind = (plan_format_kind)(1 + rng_below(r, 5));
    if (!source && f->kind == PLAN_FORMAT_WHOLE)
        f->kind = PLAN_FORMAT_TEXT;
    if (f->kind == PLAN_FORMAT_BINARY) {
        f->record_bytes = (uint32_t)any_number(r) | 1;
        f->key_bytes = (uint32_t)rng_below(r, f->record_bytes);
        return;
    }
    f->max_record = any_number(r);
    if (f->kind == PLAN_FORMAT_DELIMITED) {
        f->delimiter = (uint8_t)(128 + rng_below(r, 128));
        f->quote = (uint8_t)(rng_below(r, 100) + 14);
        f->escape = (uint8_t)(rng_below(r, 2) * '\\');
        f->multiline = rng_below(r, 2);
        f->header = rng_below(r, 2);
    }
    if ((f->kind == PLAN_FORMAT_DELIMITED || f->kind == PLAN_FORMAT_JSON) && rng_below(r, 2))
        f->columns = any_text(r);
}

static inline void any_branch(rng *r, const plan *p, plan_branch *b, const plan_stage *s, int nested);

static inline void any_cogroup(rng *r, const plan *p, plan_input *in, const plan_stage *s, int nested)
{
    in->how = (plan_cogroup)(1 + rng_below(r, 8));
    uint64_t count = in->how < PLAN_COGROUP_INNER ? 1 + rng_below(r, 3) : in->how < PLAN_COGROUP_SUBTRACT ? 2 : 3;
    if (in->how == PLAN_COGROUP_CALL)
        any_call(r, &in->call, true);
    for (uint64_t i = 0; i < count; i++)
        any_branch(r, p, plan_add_source(in), s, nested + 1);
}

static inline void any_branch(rng *r, const plan *p, plan_branch *b, const plan_stage *s, int nested)
{
    plan_input *in = &b->input;
    in->kind = (plan_input_kind)(1 + rng_below(r, nested < 3 ? 4 : 3));
    in->label = any_name(r);
    in->key_type = any_type(r);
    in->value_type = any_type(r);
    if (in->kind == PLAN_INPUT_FILES) {
        any_format(r, &in->format, true);
        in->errors = (plan_errors)rng_below(r, p->errors_uri ? 3 : 2);
    } else if (in->kind == PLAN_INPUT_RANGE) {
        in->start = (int64_t)any_number(r);
        in->step = -(int64_t)(any_number(r) / 2);
    } else if (in->kind == PLAN_INPUT_SHUFFLE) {
        in->source = (uint32_t)rng_below(r, s->id); /* ids count up from 1 */
        in->read = (plan_read)(1 + rng_below(r, 3));
        in->stored_key_type = any_type(r);
        in->stored_value_type = any_type(r);
        if (in->read == PLAN_READ_AGGREGATE)
            any_call(r, &in->call, true);
    } else {
        any_cogroup(r, p, in, s, nested);
    }
    for (uint64_t n = rng_below(r, 4); n; n--) {
        plan_op *op = plan_add_op(b);
        op->kind = (plan_op_kind)(1 + rng_below(r, s->side_count ? 14 : 13));
        any_call(r, &op->call, op_calls(op->kind));
        if (op->kind == PLAN_OP_PROJECT) {
            buf_clear(&op->call.arg);
            buf_append(&op->call.arg, "\5", 1);
        } else if (op->kind == PLAN_OP_LOOKUP) {
            op->side = (uint32_t)rng_below(r, s->side_count);
            op->how = PLAN_COGROUP_INNER + (plan_cogroup)rng_below(r, 2);
        }
        op->key_type = any_type(r);
        op->value_type = any_type(r);
        op->errors = (plan_errors)rng_below(r, p->errors_uri ? 3 : 2);
    }
}

static inline void any_output(rng *r, plan_output *o)
{
    o->kind = (plan_output_kind)(1 + rng_below(r, 6));
    o->label = any_name(r);
    o->key_type = any_type(r);
    o->value_type = any_type(r);
    if (o->kind == PLAN_OUTPUT_SHUFFLE) {
        o->partitioner = (plan_partitioner)(1 + rng_below(r, 4));
        o->partitions = 1 + (uint32_t)rng_below(r, PLAN_TASKS_MAX);
        if (o->partitioner < PLAN_PARTITION_FORWARD && rng_below(r, 2))
            o->spread = o->partitions + (uint32_t)rng_below(r, PLAN_TASKS_MAX - o->partitions + 1);
        o->order = (plan_order)rng_below(r, 3);
        if (rng_below(r, 2)) {
            any_call(r, &o->combine, true);
            o->merging = rng_below(r, 2);
        }
    } else if (o->kind == PLAN_OUTPUT_FILE) {
        any_format(r, &o->format, false);
        o->codec = (uint8_t)rng_below(r, 5);
        o->single = rng_below(r, 2);
        o->uri = any_text(r);
    }
    if (o->kind == PLAN_OUTPUT_SHUFFLE || o->kind == PLAN_OUTPUT_SAMPLE)
        o->sample = (uint32_t)any_number(r);
}

static inline plan *random_plan(rng *r)
{
    plan *p = plan_new();
    p->program_id = any_name(r);
    p->compression = copy(rng_below(r, 2) ? "lz4" : "none");
    if (rng_below(r, 2))
        p->errors_uri = any_text(r);
    for (uint64_t n = rng_below(r, 5), id = 1; n; n--, id++) {
        plan_stage *s = plan_add_stage(p);
        s->id = (uint32_t)id;
        s->label = any_name(r);
        s->tasks = (uint32_t)rng_below(r, PLAN_TASKS_MAX + 1);
        for (uint64_t sides = rng_below(r, 3); sides; sides--) {
            plan_side *side = plan_add_side(s);
            *side = (plan_side){(uint32_t)rng_below(r, id), any_name(r), any_type(r), any_type(r)};
        }
        for (uint64_t branches = 1 + rng_below(r, 3); branches; branches--)
            any_branch(r, p, plan_add_branch(s), s, 0);
        any_output(r, &s->output);
        s->bound_by = (uint32_t)rng_below(r, id);
        s->resumable = rng_below(r, 2);
    }
    for (uint64_t n = rng_below(r, 3), id = 1; n; n--, id++) {
        char name[16];
        snprintf(name, sizeof name, "b%d", (int)id);
        *plan_add_broadcast(p) = (plan_broadcast){copy(name), (uint32_t)id, any_number(r), any_number(r)};
    }
    return p;
}

static inline buf encode(const plan *p)
{
    buf b = BUF_EMPTY;
    sdf_error *err = NULL;
    if (plan_encode(p, &b, &err))
        fail_msg("%s", sdf_error_text(err));
    return b;
}

#endif
