/* A registered function with its opened state: found by name, checked against the plan, opened for one task. */
#include <stdio.h>
#include <string.h>

#include <sdf/shared.h>

#include "base/error.h"
#include "exec/op.h"

uint32_t sdf_task_stage(const sdf_task *task)
{
    return task ? task->stage : 0;
}

uint32_t sdf_task_partition(const sdf_task *task)
{
    return task ? task->partition : 0;
}

uint64_t sdf_task_attempt(const sdf_task *task)
{
    return task ? task->attempt : 0;
}

int sdf_task_broadcast(const sdf_task *task, const char *name, sdf_slice *bytes, sdf_error **err)
{
    if (!task || !name || !bytes)
        return error_set(err, SDF_E_INVALID, "sdf_task_broadcast needs a task, a name and where to put the value");
    if (!task->env->broadcast) {
        error_set(err, SDF_E_NOT_FOUND, "there is no broadcast value \"%.200s\"", name);
        error_hint(err, "call sdf_broadcast before the job is submitted");
        return SDF_E_NOT_FOUND;
    }
    return task->env->broadcast(task->env, name, bytes, err);
}

/* Codes that tell the scheduler how to go on pass through. Any other is the host's own trouble: a function that says
 * "not found" must not be mistaken for an input that the library itself did not find. */
static int user_code(int status)
{
    switch (status) {
    case SDF_E_NO_MEMORY:
    case SDF_E_NO_SPACE:
    case SDF_E_IO:
    case SDF_E_LIMIT:
    case SDF_E_TIMEOUT:
    case SDF_E_THROTTLED:
        return status;
    default:
        return SDF_E_USER;
    }
}

int call_error(const plan_call *spec, int status, const char *message, sdf_error **err)
{
    const char *name = spec && spec->function ? spec->function : "?";
    int code = user_code(status);
    if (message && *message)
        error_set(err, code, "function \"%s\" failed: %s", name, message);
    else
        error_set(err, code, "function \"%s\" failed: it returned %d (%s) and gave no reason", name, status,
                  sdf_status_name(status));
    if (!message || !*message)
        error_hint(err, "call sdf_fail in the function to say why it fails");
    if (spec)
        error_at(err, spec->function, spec->label);
    return code;
}

int call_failed(const call *c, int status, const char *message, sdf_error **err)
{
    return call_error(c->spec, status, message, err);
}

/* The function's own open failed. Its message stays; the place is added. */
static int open_failed(call *c, int status, sdf_error *cause, sdf_error **err)
{
    char message[512];
    if (cause)
        snprintf(message, sizeof message, "open: %s", sdf_error_message(cause));
    else
        snprintf(message, sizeof message, "its open returned %d (%s)", status, sdf_status_name(status));
    int rc = call_error(c->spec, status, message, err);
    if (cause && *sdf_error_hint(cause))
        error_hint(err, "%s", sdf_error_hint(cause));
    sdf_error_free(cause);
    c->fn = NULL;
    return rc;
}

int call_open(call *c, task_env *env, const plan_call *spec, const char *value_type, sdf_error **err)
{
    memset(c, 0, sizeof *c);
    c->spec = spec;
    const function *fn = registry_find(spec->function, value_type, err);
    if (!fn) {
        error_at(err, spec->function, spec->label);
        return err && *err ? sdf_error_code(*err) : SDF_E_NOT_FOUND;
    }
    if (fn->def.version != spec->version) {
        error_set(err, SDF_E_PROGRAM, "function \"%s\" has version %u in this worker and version %u in the plan",
                  spec->function, fn->def.version, spec->version);
        error_hint(err, "start the workers from the same build of the program as the driver");
        error_at(err, spec->function, spec->label);
        return SDF_E_PROGRAM;
    }
    c->fn = fn;
    c->task = (struct sdf_task){env->request->stage, env->request->task, env->request->attempt, env};
    c->arg = buf_slice(&spec->arg);
    if (!fn->def.open)
        return SDF_OK;
    sdf_error *cause = NULL;
    int rc = fn->def.open(&c->task, &c->arg, &c->state, &cause);
    if (rc)
        return open_failed(c, rc, cause, err);
    sdf_error_free(cause);
    return SDF_OK;
}

void call_close(call *c)
{
    if (c->fn && c->fn->def.close)
        c->fn->def.close(c->state);
    c->fn = NULL;
    c->state = NULL;
}
