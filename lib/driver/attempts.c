/* Attempts from launch to end, by id. What a failed one left in the store is removed by actions.c when the scheduler
 * says that nothing of it can be written any more. */
#include <stdlib.h>

#include "driver/internal.h"

attempt *attempt_add(driver *d, uint64_t id)
{
    attempt *a = calloc(1, sizeof *a);
    if (!a || !idmap_put(&d->attempts, id, (uintptr_t)a)) {
        free(a);
        return NULL;
    }
    a->id = id;
    return a;
}

attempt *attempt_find(const driver *d, uint64_t id)
{
    const uint64_t *a = idmap_find(&d->attempts, id);
    return a ? (attempt *)(uintptr_t)*a : NULL;
}

void attempt_remove(driver *d, attempt *a)
{
    idmap_remove(&d->attempts, a->id);
    attempt_answered(d, a);
    sdf_error_free(a->error);
    free(a->candidate);
    free(a);
}

void attempt_answered(driver *d, attempt *a)
{
    a->answered = true;
    if (a->pieces_name)
        garbage_add(d, a->pieces_name);
    free(a->pieces_name);
    a->pieces_name = NULL;
    buf_free(&a->request);
}

void attempt_failed(driver *d, attempt *a, sched_event *e, sdf_error *error)
{
    attempt_answered(d, a);
    a->error = error;
    e->kind = SCHED_FAILED;
    e->attempt = a->id;
    push_event(d, e);
}

void attempt_emit_failed(driver *d, const attempt *a, const sdf_error *error, failure_class failure)
{
    sdf_event *e = event_new(SDF_EVENT_TASK_FAILED);
    if (!e)
        return;
    event_number(e, "stage", a->stage);
    event_number(e, "partition", a->partition);
    event_number(e, "attempt", (int64_t)a->id);
    event_number(e, "failure_class", failure);
    event_number(e, "code", sdf_error_code(error));
    event_label(e, sdf_error_operator(error));
    event_message(e, sdf_error_message(error));
    driver_emit(d, e);
}
