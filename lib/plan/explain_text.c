/* A plan as text for people: a paragraph a stage, what it reads, runs and writes; then what was chosen and why. */
#include "plan/explain.h"

#define INDENT 2

static const char *plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

static int put_bytes(buf *b, uint64_t bytes)
{
    static const char units[] = "KMGTPE";
    if (bytes < 1024)
        return buf_printf(b, "%u bytes", (unsigned)bytes);
    int unit = 0;
    uint64_t tenths = bytes / 1024 * 10 + bytes % 1024 * 10 / 1024; /* no double: no locale */
    while (tenths >= 10240 && units[unit + 1]) {
        tenths /= 1024;
        unit++;
    }
    return buf_printf(b, "%llu.%u %ciB", (unsigned long long)(tenths / 10), (unsigned)(tenths % 10), units[unit]);
}

static int put_policy(buf *b, plan_errors policy)
{
    return policy == PLAN_ERRORS_FAIL ? SDF_OK : buf_printf(b, ", record errors: %s", explain_errors(policy));
}

static int put_shuffle(buf *b, const planned *p, const plan_input *in)
{
    static const char *const words[] = {
        [PLAN_READ_CONCAT] = "in producer order",
        [PLAN_READ_AGGREGATE] = "merging states by key",
        [PLAN_READ_MERGE] = "merging sorted runs",
    };
    if (explain_is_memory(p, in->source))
        return buf_printf(b, "%s, from memory", in->label);
    return buf_printf(b, "shuffle of stage %u%s, %s%s%s", in->source,
                      explain_is_reused(p, in->source) ? " (reused)" : "", words[in->read], in->call.label ? ": " : "",
                      in->call.label ? in->call.label : "");
}

static int put_branch(buf *b, const planned *p, const plan_stage *s, const plan_branch *branch, int indent,
                      uint64_t bytes);

static int put_cogroup(buf *b, const planned *p, const plan_stage *s, const plan_input *in, int indent)
{
    int rc = buf_printf(b, "%u source%s by key, %s%s%s", in->source_count, plural(in->source_count),
                        explain_how(in->how), in->call.label ? ": " : "", in->call.label ? in->call.label : "");
    rc = rc ? rc : buf_printf(b, " -> %s, %s\n", in->key_type, in->value_type);
    for (uint32_t i = 0; i < in->source_count && !rc; i++) {
        const plan_branch *source = &in->sources[i];
        bool sorted =
            source->input.kind == PLAN_INPUT_SHUFFLE && source->input.read == PLAN_READ_MERGE && !source->op_count;
        rc = buf_printf(b, "%*ssource %u%s\n", indent + INDENT, "", i + 1, sorted ? "" : ", sorted by the task");
        rc = rc ? rc : put_branch(b, p, s, source, indent + 2 * INDENT, 0);
    }
    return rc;
}

static int put_input(buf *b, const planned *p, const plan_stage *s, const plan_input *in, int indent, uint64_t bytes)
{
    int rc = buf_printf(b, "%*sread    ", indent, "");
    if (rc)
        return rc;
    if (in->kind == PLAN_INPUT_COGROUP)
        return put_cogroup(b, p, s, in, indent);
    if (in->kind == PLAN_INPUT_SHUFFLE) {
        rc = put_shuffle(b, p, in);
    } else if (in->kind == PLAN_INPUT_RANGE) {
        rc = buf_printf(b, "numbers of %s", in->label);
    } else {
        rc = buf_printf(b, "%s in %s", in->format.kind == PLAN_FORMAT_TEXT ? "lines" : explain_input(in), in->label);
        if (!rc && bytes)
            rc = buf_text(b, ", ");
        if (!rc && bytes)
            rc = put_bytes(b, bytes);
        rc = rc ? rc : put_policy(b, in->errors);
    }
    return rc ? rc : buf_printf(b, " -> %s, %s\n", in->key_type, in->value_type);
}

static int put_op(buf *b, const plan_stage *s, const plan_op *op, int indent)
{
    int rc = buf_printf(b, "%*srun     %s", indent, "", op->call.label);
    if (!rc && op->kind == PLAN_OP_LOOKUP)
        rc = buf_printf(b, ", looked up in the table of stage %u, %s", s->sides[op->side].source, explain_how(op->how));
    else if (!rc && op->kind == PLAN_OP_FOLD)
        rc = buf_text(b, ", in place");
    rc = rc ? rc : put_policy(b, op->errors);
    return rc ? rc : buf_printf(b, " -> %s, %s\n", op->key_type, op->value_type);
}

/* Nested no deeper than PLAN_NESTED_MAX. */
static int put_branch(buf *b, const planned *p, const plan_stage *s, const plan_branch *branch, int indent,
                      uint64_t bytes)
{
    int rc = put_input(b, p, s, &branch->input, indent, bytes);
    for (uint32_t k = 0; k < branch->op_count && !rc; k++)
        rc = put_op(b, s, &branch->ops[k], indent);
    return rc;
}

static int put_shuffle_output(buf *b, const plan_stage *s)
{
    const plan_output *o = &s->output;
    uint32_t partitions = o->spread ? o->spread : o->partitions;
    int rc = buf_printf(b, "  write   shuffle, %u partition%s ", partitions, plural(partitions));
    if (!rc && o->spread)
        rc = buf_printf(b, "in %u groups ", o->partitions);
    if (!rc && o->partitioner == PLAN_PARTITION_FORWARD) {
        rc = buf_text(b, "as they come: materialised");
        if (!rc && o->sample)
            rc = buf_printf(b, ", with a sample of %u keys per task", o->sample);
        rc = rc ? rc : buf_printf(b, ", for %s", o->label);
    } else if (!rc && o->partitioner == PLAN_PARTITION_RANGE) {
        rc = buf_printf(b, "by range (splitters from stage %u)", s->bound_by);
    } else if (!rc && o->partitioner == PLAN_PARTITION_ROUND_ROBIN) {
        rc = buf_text(b, "in turn");
    } else if (!rc) {
        rc = buf_text(b, "by hash of the key");
    }
    if (!rc && o->order)
        rc = buf_printf(b, ", sorted %s", explain_order(o->order));
    if (!rc && o->combine.label)
        rc = buf_printf(b, ", combined with %s", o->combine.label);
    return rc ? rc : buf_printf(b, " -> %s, %s\n", o->key_type, o->value_type);
}

static int put_output(buf *b, const plan_stage *s)
{
    const plan_output *o = &s->output;
    switch (o->kind) {
    case PLAN_OUTPUT_RESULT:
        return buf_text(b, "  return  the records to the host\n");
    case PLAN_OUTPUT_COUNT:
        return buf_text(b, "  return  the number of records\n");
    case PLAN_OUTPUT_NONE:
        return buf_text(b, "  return  nothing\n");
    case PLAN_OUTPUT_FILE:
        return buf_printf(b, "  write   %s file%s %s %s\n", explain_format(o->format.kind), o->single ? "" : "s",
                          o->single ? "as" : "in", o->uri);
    case PLAN_OUTPUT_SAMPLE:
        return buf_printf(b,
                          "  return  a sample of %u keys per task for %s (this stage reads its input a first time)\n",
                          o->sample, o->label);
    case PLAN_OUTPUT_SHUFFLE:
        break;
    }
    return put_shuffle_output(b, s);
}

static int put_stage(buf *b, const planned *p, uint32_t i)
{
    const plan_stage *s = &p->plan->stages[i];
    int rc = buf_printf(b, "%s (%u task%s)\n", s->label, s->tasks, plural(s->tasks));
    if (!rc && s->branch_count > 1) {
        rc = buf_printf(b, "  %u branches, ", s->branch_count);
        rc = rc ? rc : put_bytes(b, p->input_bytes[i]);
        rc = rc ? rc : buf_text(b, "\n");
    }
    for (uint32_t k = 0; k < s->side_count && !rc; k++)
        rc = buf_printf(b, "  hold    table of %s: stage %u%s -> %s, %s\n", s->sides[k].label, s->sides[k].source,
                        explain_is_reused(p, s->sides[k].source) ? " (reused)" : "", s->sides[k].key_type,
                        s->sides[k].value_type);
    for (uint32_t k = 0; k < s->branch_count && !rc; k++)
        rc = put_branch(b, p, s, &s->branches[k], INDENT, s->branch_count == 1 ? p->input_bytes[i] : 0);
    return rc ? rc : put_output(b, s);
}

static int put_reused(buf *b, const planned *p)
{
    int rc = SDF_OK;
    for (uint32_t i = 0; i < p->reused_count && !rc; i++)
        rc = buf_printf(b, "%s %u",
                        i                      ? ","
                        : p->reused_count == 1 ? ", reuses stage"
                                               : ", reuses stages",
                        p->reused[i]);
    return rc ? rc : buf_text(b, "\n");
}

char *explain_text(const planned *p)
{
    buf b = BUF_EMPTY;
    uint64_t tasks = explain_tasks(p);
    int rc = buf_printf(&b, "%u stage%s, %llu task%s, reads ", p->plan->stage_count, plural(p->plan->stage_count),
                        (unsigned long long)tasks, plural(tasks));
    rc = rc ? rc : put_bytes(&b, explain_bytes(p));
    rc = rc ? rc : put_reused(&b, p);
    for (uint32_t i = 0; i < p->plan->stage_count && !rc; i++)
        rc = put_stage(&b, p, i);
    for (uint32_t i = 0; i < p->choice_count && !rc; i++)
        rc = buf_printf(&b, "%s: %s, since %s\n", p->choices[i].label, p->choices[i].what, p->choices[i].why);
    if (!rc)
        return buf_take_text(&b);
    buf_free(&b);
    return NULL;
}
