/* The virtual store: objects in a list, each visible from the moment its commit lands. Workers meet faults here; the
 * driver does not. A worker that has died goes on in vain: nothing it does has an effect. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "sim.h"

typedef struct object {
    struct object *next;
    char *name;
    uint8_t *data;
    uint64_t size;
    int64_t from;  /* visible from then on */
    int64_t until; /* and until then, if it vanishes */
} object;

struct disk {
    world *w;
    object *objects;
    store *store;
    uint32_t *protected;
    uint32_t protected_count;
};

typedef struct writer {
    char *name;
    buf data;
    int if_absent;
} writer;

/* The clock of whoever asks. */
static int64_t disk_now(const struct disk *d)
{
    return sim_running ? sim_running->local : d->w->now;
}

int disk_operation(struct disk *d, uint32_t in_1000, const char *what, sdf_error **err)
{
    call *c = sim_running;
    if (c == NULL)
        return SDF_OK;
    if (!c->dead && c->dies_in != NONE_YET && c->dies_in-- == 0) {
        world_say(d->w, "a%llu dies at its store", (unsigned long long)c->id);
        c->dead = true;
    }
    if (c->dead)
        return error_set(err, SDF_E_IO, "the worker is dead");
    if (world_fault(d->w, in_1000, what))
        return error_set(err, SDF_E_IO, "virtual store: failed to %s", what);
    if (world_fault(d->w, d->w->faults.slow_down, "store slows down"))
        return error_set(err, SDF_E_THROTTLED, "virtual store: slow down");
    return SDF_OK;
}

static object **find(struct disk *d, const char *name)
{
    object **at = &d->objects;
    while (*at && strcmp((*at)->name, name) != 0)
        at = &(*at)->next;
    return at;
}

static object *visible(struct disk *d, const char *name)
{
    object *o = *find(d, name);
    int64_t now = disk_now(d);
    return o && o->from <= now && now < o->until ? o : NULL;
}

static void drop(object **at)
{
    object *gone = *at;
    *at = gone->next;
    free(gone->name);
    free(gone->data);
    free(gone);
}

static bool is_protected(const struct disk *d, const char *name)
{
    char prefix[TASK_NAME_MAX + 16], part[32];
    task_name_prefix(prefix, SIM_CONTEXT);
    size_t size = strlen(prefix);
    if (strncmp(name, prefix, size) != 0 || name[size] != 's')
        return true; /* plans and broadcasts: the driver puts them there once */
    for (uint32_t i = 0; i < d->protected_count; i++) {
        int n = snprintf(part, sizeof part, "s%u/", d->protected[i]);
        if (strncmp(name + size, part, (size_t)n) == 0)
            return true;
    }
    return false;
}

/* Bits flip and objects vanish, where someone could make them again. */
static void rot(struct disk *d, object *o)
{
    if (sim_running == NULL || is_protected(d, o->name))
        return;
    if (o->size && world_fault(d->w, d->w->faults.flip, "a bit of an object flips")) {
        uint64_t bit = rng_below(&d->w->chance, o->size * 8);
        o->data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        world_say(d->w, "  in %s, byte %llu of %llu", o->name, (unsigned long long)(bit / 8),
                  (unsigned long long)o->size);
    }
    if (world_fault(d->w, d->w->faults.vanish, "an object vanishes")) {
        o->until = o->from + (int64_t)rng_below(&d->w->chance, 200);
        world_say(d->w, "  %s, after %lld ms", o->name, (long long)(o->until - o->from));
    }
}

/* ---- ops ---- */

static int disk_writer_open(void *self, const char *name, int if_absent, void **out, sdf_error **err)
{
    int rc = store_check_name(name, err);
    if (rc)
        return rc;
    rc = disk_operation(self, ((struct disk *)self)->w->faults.write, "open", err);
    if (rc)
        return rc;
    writer *x = sim_alloc(sizeof *x);
    x->name = strdup(name);
    x->if_absent = if_absent;
    *out = x;
    return SDF_OK;
}

static int disk_writer_append(void *self, void *self_writer, const sdf_slice *parts, size_t count, sdf_error **err)
{
    writer *x = self_writer;
    int rc = disk_operation(self, ((struct disk *)self)->w->faults.write, "append", err);
    for (size_t i = 0; i < count && !rc; i++)
        rc = buf_append(&x->data, parts[i].data, parts[i].size);
    return rc;
}

static void disk_writer_abort(void *self, void *self_writer)
{
    writer *x = self_writer;
    free(x->name);
    buf_free(&x->data);
    free(x);
}

static int disk_writer_commit(void *self, void *self_writer, sdf_error **err)
{
    struct disk *d = self;
    writer *x = self_writer;
    int rc = disk_operation(d, d->w->faults.write, "commit", err);
    object **at = find(d, x->name);
    if (!rc && *at && x->if_absent && visible(d, x->name))
        rc = error_set(err, SDF_E_EXISTS, "virtual store: \"%s\" is there already", x->name);
    if (!rc) {
        if (*at)
            drop(at);
        object *o = sim_alloc(sizeof *o);
        o->name = x->name;
        o->size = x->data.size;
        o->data = x->data.data;
        o->from = disk_now(d);
        o->until = INT64_MAX;
        o->next = d->objects;
        d->objects = o;
        x->name = NULL;
        x->data = (buf)BUF_EMPTY;
        world_say(d->w, "+ %s (%llu bytes)", o->name, (unsigned long long)o->size);
        rot(d, o);
    }
    disk_writer_abort(self, x);
    return rc;
}

static int read_one(struct disk *d, sdf_read *r)
{
    int rc = disk_operation(d, d->w->faults.read, "read", &r->err);
    if (rc)
        return rc;
    const object *o = visible(d, r->name);
    if (o == NULL)
        return error_set(&r->err, SDF_E_NOT_FOUND, "virtual store: no object \"%s\"", r->name);
    if (r->offset > o->size || r->length > o->size - r->offset)
        return error_set(&r->err, SDF_E_CORRUPT, "virtual store: \"%s\" is too short", r->name);
    void *to = r->buffer ? r->buffer : sim_alloc((size_t)r->length);
    if (r->length)
        memcpy(to, o->data + r->offset, (size_t)r->length);
    r->view = (sdf_view){to, (size_t)r->length, r->buffer ? NULL : free, r->buffer ? NULL : to};
    return SDF_OK;
}

static int disk_read(void *self, sdf_read *const *reads, size_t count, sdf_error **err)
{
    for (size_t i = 0; i < count; i++) {
        reads[i]->status = read_one(self, reads[i]);
    }
    return SDF_OK;
}

static int disk_head(void *self, const char *name, uint64_t *size, sdf_error **err)
{
    struct disk *d = self;
    int rc = disk_operation(d, d->w->faults.read, "head", err);
    if (rc)
        return rc;
    const object *o = visible(d, name);
    if (o == NULL)
        return error_set(err, SDF_E_NOT_FOUND, "virtual store: no object \"%s\"", name);
    *size = o->size;
    return SDF_OK;
}

static int disk_list(void *self, const char *prefix, sdf_list_fn callback, void *user, sdf_error **err)
{
    struct disk *d = self;
    int rc = SDF_OK;
    size_t size = strlen(prefix);
    for (object *o = d->objects, *next; o && !rc; o = next) {
        next = o->next; /* the callback may remove it */
        sdf_object_info info = {sizeof info, o->name, o->size, o->from};
        if (strncmp(o->name, prefix, size) == 0 && visible(d, o->name))
            rc = callback(&info, user);
    }
    return rc;
}

static int disk_remove(void *self, const char *const *names, size_t count, sdf_error **err)
{
    struct disk *d = self;
    if (sim_running && sim_running->dead) /* else it works: one that fails waits for the end of the context */
        return error_set(err, SDF_E_IO, "the worker is dead");
    for (size_t i = 0; i < count; i++) {
        object **at = find(d, names[i]);
        if (*at == NULL || (*at)->from > disk_now(d)) /* what lands later is not removed now */
            continue;
        world_say(d->w, "- %s", names[i]);
        drop(at);
    }
    return SDF_OK;
}

static void disk_destroy(void *self)
{
}

static const sdf_store_ops disk_ops = {
    .struct_size = sizeof disk_ops,
    .version = SDF_STORE_VERSION,
    .scope = SDF_SCOPE_NETWORK,
    .writer_open = disk_writer_open,
    .writer_append = disk_writer_append,
    .writer_commit = disk_writer_commit,
    .writer_abort = disk_writer_abort,
    .read = disk_read,
    .head = disk_head,
    .list = disk_list,
    .remove = disk_remove,
    .destroy = disk_destroy,
};

/* ---- its life ---- */

struct disk *disk_new(world *w)
{
    struct disk *d = sim_alloc(sizeof *d);
    d->w = w;
    d->store = sim_alloc(sizeof *d->store);
    *d->store = (store){.ops = &disk_ops, .self = d, .uri = strdup("virtual:"), .refs = 1};
    return d;
}

store *disk_store(struct disk *d)
{
    return d->store;
}

void disk_protect(struct disk *d, uint32_t stage)
{
    d->protected = sim_grow(d->protected, (d->protected_count + 1) * sizeof *d->protected);
    d->protected[d->protected_count++] = stage;
}

void disk_undo_future(struct disk *d)
{
    for (object **at = &d->objects; *at;) {
        if ((*at)->from > d->w->now)
            drop(at);
        else
            at = &(*at)->next;
    }
}

uint32_t disk_leftovers(struct disk *d, bool all)
{
    char plans[TASK_NAME_MAX + 8];
    task_name_prefix(plans, SIM_CONTEXT);
    strcat(plans, "plan/");
    uint32_t count = 0;
    for (const object *o = d->objects; o; o = o->next) {
        if (d->w->now >= o->until || (!all && strncmp(o->name, plans, strlen(plans)) == 0))
            continue;
        world_say(d->w, "left over: %s", o->name);
        if (count++ == 0)
            world_wrong(d->w, "object \"%s\" is left over %s", o->name,
                        all ? "after the driver's end" : "after its stage was dropped and all leases ended");
    }
    return count;
}

void disk_free(struct disk *d)
{
    while (d->objects)
        drop(&d->objects);
    store_unref(d->store);
    free(d->protected);
    free(d);
}
