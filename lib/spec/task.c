/* Names of objects, sums of counters, planned pieces freed. */
#include "spec/task.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

void task_metrics_add(task_metrics *sum, const task_metrics *one)
{
    sum->records_in += one->records_in;
    sum->bytes_read += one->bytes_read;
    sum->records_out += one->records_out;
    sum->bytes_written += one->bytes_written;
    sum->shuffle_records_in += one->shuffle_records_in;
    sum->shuffle_bytes_in += one->shuffle_bytes_in;
    sum->shuffle_records_out += one->shuffle_records_out;
    sum->shuffle_bytes_out += one->shuffle_bytes_out;
    sum->spilled_bytes += one->spilled_bytes;
    sum->spills += one->spills;
    sum->peak_memory = larger(sum->peak_memory, one->peak_memory);
    sum->peak_rss = larger(sum->peak_rss, one->peak_rss);
    sum->cpu_us += one->cpu_us;
    sum->wall_us += one->wall_us;
    sum->store_reads += one->store_reads;
    sum->store_writes += one->store_writes;
    sum->store_throttled += one->store_throttled;
    sum->record_errors += one->record_errors;
}

void stage_pieces_clear(stage_pieces *p, uint32_t tasks)
{
    uint32_t count = p->first ? p->first[tasks] : 0;
    for (uint32_t i = 0; i < count; i++) {
        free(p->pieces[i].split.path);
        free(p->pieces[i].split.version);
    }
    free(p->pieces);
    free(p->first);
    *p = (stage_pieces){0};
}

void task_name_prefix(char *name, uint64_t context)
{
    snprintf(name, TASK_NAME_MAX, "sdf-%016" PRIx64 "/", context);
}

void task_name_plan(char *name, uint64_t context, const char *plan_hash)
{
    snprintf(name, TASK_NAME_MAX, "sdf-%016" PRIx64 "/plan/%.32s", context, plan_hash);
}

void task_name_object(char *name, uint64_t context, uint32_t stage, uint32_t task, uint32_t leg, uint64_t attempt)
{
    snprintf(name, TASK_NAME_MAX, "sdf-%016" PRIx64 "/s%" PRIu32 "/t%" PRIu32 ".%" PRIu32 ".a%" PRIu64, context, stage,
             task, leg, attempt);
}

void task_name_side(char *name, uint64_t context, uint32_t stage, uint32_t task, uint32_t leg, uint64_t attempt,
                    const char *what)
{
    snprintf(name, TASK_NAME_MAX, "sdf-%016" PRIx64 "/s%" PRIu32 "/t%" PRIu32 ".%" PRIu32 ".a%" PRIu64 ".%.16s",
             context, stage, task, leg, attempt, what);
}

void task_name_broadcast(char *name, uint64_t context, uint32_t id)
{
    snprintf(name, TASK_NAME_MAX, "sdf-%016" PRIx64 "/b%" PRIu32, context, id);
}
