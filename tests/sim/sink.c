/* Virtual outputs: parts in memory, that fail to be written or published as the history says. What no output publishes
 * is not seen, and nothing but a whole output is one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sdf/sys/sink.h>

#include "base/error.h"
#include "sim.h"

typedef struct part {
    struct part *next;
    char attempt[64], final[128]; /* final: "" until it is published */
    buf data;
    bool closed;
} part;

typedef struct out {
    struct out *next;
    char name[128], token[64];
    bool over, whole, broke;
    part *parts;
} out;

static world *here; /* of the history that runs */
static out *outputs;

static out *find(const char *name)
{
    out *o = outputs;
    while (o && strcmp(o->name, name) != 0)
        o = o->next;
    return o;
}

static void drop_part(part **at)
{
    part *gone = *at;
    *at = gone->next;
    buf_free(&gone->data);
    free(gone);
}

/* The name is free again; the record stays, so that its workers find that it is over. */
static void drop_parts(out *o, bool published)
{
    for (part **at = &o->parts; *at;) {
        if (published || !(*at)->final[0])
            drop_part(at);
        else
            at = &(*at)->next;
    }
}

/* ---- the driver's side ---- */

static int sink_begin_output(void *self, const char *name, const char *token, int single, void **output,
                             sdf_error **err)
{
    out *o = find(name);
    if (o && (!o->over || o->whole))
        return error_set(err, SDF_E_EXISTS, "virtual output \"%s\" is there", name);
    if (o == NULL) {
        o = sim_alloc(sizeof *o);
        o->next = outputs;
        outputs = o;
    }
    snprintf(o->name, sizeof o->name, "%s", name);
    snprintf(o->token, sizeof o->token, "%s", token);
    o->over = o->whole = o->broke = false;
    *output = o;
    world_say(here, "output %s is claimed", name);
    return SDF_OK;
}

static int sink_publish(void *self, void *output, const char *ticket, const char *final, uint64_t bytes,
                        sdf_error **err)
{
    out *o = output;
    part *p = o->parts;
    while (p && (!p->closed || strcmp(p->attempt, ticket) != 0))
        p = p->next;
    if (sim_running)
        world_wrong(here, "a worker publishes \"%s\"", final);
    if (p == NULL)
        world_wrong(here, "there is no part \"%s\" to publish", ticket);
    else if (p->data.size != bytes)
        world_wrong(here, "part \"%s\" has %zu bytes, not %llu", ticket, p->data.size, (unsigned long long)bytes);
    for (const part *q = o->parts; q; q = q->next)
        if (q != p && *final && strcmp(q->final, final) == 0)
            world_wrong(here, "two attempts are published as \"%s\"", final);
    if (p == NULL || world_fault(here, here->faults.publish, "publishing fails")) {
        o->broke = true;
        return error_set(err, SDF_E_IO, "virtual sink: failed to publish \"%s\"", final);
    }
    snprintf(p->final, sizeof p->final, "%s", *final ? final : "single");
    return SDF_OK;
}

static void sink_abort(void *self, void *output)
{
    out *o = output;
    o->over = true;
    drop_parts(o, true);
    world_say(here, "output %s is given up", o->name);
}

static int sink_finish(void *self, void *output, const sdf_slice *manifest, sdf_error **err)
{
    out *o = output;
    if (world_fault(here, here->faults.publish, "finishing fails")) {
        o->broke = true;
        sink_abort(self, output);
        return error_set(err, SDF_E_IO, "virtual sink: failed to finish");
    }
    drop_parts(o, false);
    o->over = o->whole = true;
    world_say(here, "output %s is whole", o->name);
    return SDF_OK;
}

/* ---- the workers' ---- */

static int sink_part_open(void *self, const char *name, const char *token, int single, const char *attempt,
                          const char *final, void **handle, sdf_error **err)
{
    out *o = find(name);
    int rc = disk_operation(here->disk, here->faults.write, "open a part", err);
    if (rc)
        return rc;
    if (o == NULL || o->over || strcmp(o->token, token) != 0)
        return error_set(err, SDF_E_NOT_FOUND, "virtual sink: no output \"%s\" of \"%s\"", name, token);
    for (const part *p = o->parts; p; p = p->next)
        if (strcmp(p->attempt, attempt) == 0)
            return error_set(err, SDF_E_EXISTS, "virtual sink: part \"%s\" is there", attempt);
    part *p = sim_alloc(sizeof *p);
    snprintf(p->attempt, sizeof p->attempt, "%s", attempt);
    p->next = o->parts;
    o->parts = p;
    *handle = p;
    return SDF_OK;
}

static int sink_part_write(void *self, void *handle, const void *data, size_t size, sdf_error **err)
{
    int rc = disk_operation(here->disk, here->faults.write, "write a part", err);
    return rc ? rc : buf_append(&((part *)handle)->data, data, size);
}

/* What a dead worker has begun stays, until the output is ended. */
static void sink_part_abort(void *self, void *handle)
{
    if (sim_running && sim_running->dead)
        return;
    for (out *o = outputs; o; o = o->next)
        for (part **at = &o->parts; *at; at = &(*at)->next)
            if (*at == handle) {
                drop_part(at);
                return;
            }
}

static int sink_part_close(void *self, void *handle, char *ticket, size_t capacity, sdf_error **err)
{
    part *p = handle;
    int rc = disk_operation(here->disk, here->faults.write, "close a part", err);
    if (rc) {
        sink_part_abort(self, p);
        return rc;
    }
    p->closed = true;
    snprintf(ticket, capacity, "%s", p->attempt);
    return SDF_OK;
}

static void sink_destroy(void *self)
{
}

static int sink_open(void *user, void **self, sdf_error **err)
{
    *self = user;
    return SDF_OK;
}

int sink_register(sdf_error **err)
{
    static const sdf_sink_ops ops = {
        .struct_size = sizeof ops,
        .version = SDF_SINK_VERSION,
        .scope = SDF_SCOPE_NETWORK,
        .begin = sink_begin_output,
        .publish = sink_publish,
        .finish = sink_finish,
        .abort = sink_abort,
        .part_open = sink_part_open,
        .part_write = sink_part_write,
        .part_close = sink_part_close,
        .part_abort = sink_part_abort,
        .destroy = sink_destroy,
    };
    return sdf_sink_register("simsink", &ops, sink_open, NULL, err);
}

/* ---- its life ---- */

void sink_begin(world *w)
{
    here = w;
}

void sink_end(world *w)
{
    while (outputs) {
        out *gone = outputs;
        outputs = gone->next;
        if (!gone->over)
            world_wrong(w, "output %s was never ended", gone->name);
        drop_parts(gone, true);
        free(gone);
    }
}

bool sink_look(const char *name, uint32_t *files, sink_file_fn callback, void *user)
{
    const out *o = find(name);
    *files = 0;
    for (const part *p = o ? o->parts : NULL; p; p = p->next) {
        if (!p->final[0])
            continue;
        ++*files;
        if (callback)
            callback(p->final, p->data.data, p->data.size, user);
    }
    return o && o->whole;
}

bool sink_broke(const char *name)
{
    const out *o = find(name);
    return o && o->broke;
}
