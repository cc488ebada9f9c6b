/* See counters.h. A small table in which a name that was just used is found at once. */
#include "exec/counters.h"

#include <stdlib.h>

#include <sdf/shared.h>

#include "base/error.h"
#include "base/hash.h"
#include "exec/out.h"

#define PLACES 512 /* a power of 2, twice TASK_COUNTERS_MAX */

struct counters {
    size_t count, users; /* users: names of the host */
    task_counter all[TASK_COUNTERS_MAX];
    uint16_t places[PLACES]; /* index + 1 */
};

int counters_new(counters **c, sdf_error **err)
{
    *c = calloc(1, sizeof **c);
    return *c ? SDF_OK : error_no_memory(err);
}

void counters_free(counters *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->count; i++)
        free(c->all[i].name);
    free(c);
}

static bool is_ours(const char *name, size_t size)
{
    return size >= 4 && memcmp(name, "sdf.", 4) == 0;
}

static int counters_full(const char *name, sdf_error **err)
{
    error_set(err, SDF_E_LIMIT, "there is no room for the accumulator \"%s\": a task counts under at most %d names",
              name, COUNTERS_USER_MAX);
    error_hint(err, "use few, fixed names; count by a key with sdf_count_by_key or an aggregator instead");
    return SDF_E_LIMIT;
}

/* SDF_END: it is one of the library's, and there is no room for more of those. */
static int counters_insert(counters *c, const char *name, size_t size, uint16_t *place, sdf_error **err)
{
    bool ours = is_ours(name, size);
    if (!ours && c->users == COUNTERS_USER_MAX)
        return counters_full(name, err);
    if (c->count == TASK_COUNTERS_MAX)
        return SDF_END;
    task_counter *fresh = &c->all[c->count];
    fresh->name = strndup(name, size);
    if (!fresh->name)
        return error_no_memory(err);
    fresh->value = 0;
    c->users += !ours;
    *place = (uint16_t)++c->count;
    return SDF_OK;
}

static int counters_find(counters *c, const char *name, size_t size, task_counter **found, sdf_error **err)
{
    uint64_t at = hash_xxh3(name, size) % PLACES;
    for (; c->places[at]; at = (at + 1) % PLACES) {
        *found = &c->all[c->places[at] - 1];
        if (strncmp((*found)->name, name, size) == 0 && !(*found)->name[size])
            return SDF_OK;
    }
    int rc = counters_insert(c, name, size, &c->places[at], err);
    if (!rc)
        *found = &c->all[c->count - 1];
    return rc;
}

static bool counts(const task_env *env)
{
    return env->counters && env->stage->output.kind != PLAN_OUTPUT_SAMPLE;
}

int counter_add(task_env *env, const char *name, int64_t delta, sdf_error **err)
{
    task_counter *c;
    if (!counts(env))
        return SDF_OK;
    int rc = counters_find(env->counters, name, strnlen(name, TASK_COUNTER_NAME), &c, err);
    if (rc == SDF_END) /* of very many operators: their sum is in the metrics */
        return SDF_OK;
    if (!rc)
        c->value = (int64_t)((uint64_t)c->value + (uint64_t)delta);
    return rc;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const task_counter *)a)->name, ((const task_counter *)b)->name);
}

int counters_reply(const counters *c, task_reply *reply, sdf_error **err)
{
    if (!c->count)
        return SDF_OK;
    reply->counters = calloc(c->count, sizeof *reply->counters);
    if (!reply->counters)
        return error_no_memory(err);
    for (size_t i = 0; i < c->count; i++) {
        task_counter *to = &reply->counters[i];
        *to = (task_counter){strdup(c->all[i].name), c->all[i].value};
        if (!to->name)
            return error_no_memory(err);
        reply->counter_count++;
    }
    qsort(reply->counters, reply->counter_count, sizeof *reply->counters, by_name);
    return SDF_OK;
}

/* ---- what functions of the host call ---- */

static bool is_name(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    size_t size = name ? strlen(name) : 0;
    return size > 0 && size <= TASK_COUNTER_NAME && strspn(name, allowed) == size;
}

int sdf_accumulate(sdf_out *out, const char *name, int64_t delta)
{
    if (!out)
        return SDF_E_INVALID;
    if (out->status)
        return out->status;
    int rc;
    if (out->call == OUT_CLOSED) {
        rc = error_set(&out->error, SDF_E_INVALID, "sdf_accumulate was called outside of the function's own call");
        error_hint(&out->error, "an sdf_out may be used only until the function it was given to returns");
    } else if (!is_name(name) || is_ours(name, strlen(name))) {
        rc = error_set(&out->error, SDF_E_INVALID, "\"%.200s\" is no name for an accumulator", name ? name : "");
        error_hint(&out->error, "use up to %d letters, digits, '_', '.', '-'; \"sdf.\" in front is the library's",
                   TASK_COUNTER_NAME);
    } else {
        rc = counter_add(out->env, name, delta, &out->error);
    }
    return rc ? out_trouble(out, rc, false) : SDF_OK;
}
