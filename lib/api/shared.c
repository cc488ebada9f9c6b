/* Broadcasts and accumulators: what tasks share besides records. A broadcast is put in the store at once; its name is
 * known to the plans made from then on, and its bytes stay until the last job that may read them is over. */
#include "api/internal.h"
#include "base/hash.h"

#define NAME_MAX_BYTES 127
#define BROADCASTS_MAX 10000

/* ---- broadcasts ---- */

static int check_name(const char *what, const char *name, sdf_error **err)
{
    size_t size = name ? strnlen(name, NAME_MAX_BYTES + 1) : 0;
    bool good = size && size <= NAME_MAX_BYTES;
    for (size_t i = 0; good && i < size; i++)
        good = (name[i] >= 'a' && name[i] <= 'z') || (name[i] >= 'A' && name[i] <= 'Z') ||
               (name[i] >= '0' && name[i] <= '9') || strchr("_.-", name[i]);
    if (good)
        return SDF_OK;
    error_set(err, SDF_E_INVALID, "%s: \"%.40s\" can't be a name", what, name ? name : "");
    error_hint(err, "letters, digits, '_', '.' and '-' may be in it, at most %d", NAME_MAX_BYTES);
    return SDF_E_INVALID;
}

/* Lineage lock held. */
static plan_broadcast *find(sdf_context *c, const char *name)
{
    for (uint32_t i = 0; i < c->broadcast_count; i++)
        if (!strcmp(c->broadcasts[i].name, name))
            return &c->broadcasts[i];
    return NULL;
}

typedef struct putting {
    uint32_t id;
    sdf_slice bytes;
} putting;

static int put_on_driver(sdf_context *c, void *arg, sdf_error **err)
{
    putting *p = arg;
    return driver_put_broadcast(c->driver, p->id, p->bytes.data, p->bytes.size, err);
}

static int reserve(sdf_context *c, sdf_error **err)
{
    if (c->broadcast_count == BROADCASTS_MAX) {
        error_set(err, SDF_E_LIMIT, "there are %d broadcasts already", BROADCASTS_MAX);
        error_hint(err, "put several values into one, or forget some with sdf_unbroadcast");
        return SDF_E_LIMIT;
    }
    if (c->broadcast_count < c->broadcast_room)
        return SDF_OK;
    uint32_t room = c->broadcast_room ? 2 * c->broadcast_room : 8;
    plan_broadcast *list = realloc(c->broadcasts, room * sizeof *list);
    if (!list)
        return error_no_memory(err);
    c->broadcasts = list;
    c->broadcast_room = room;
    return SDF_OK;
}

/* Lineage lock held: jobs that are planned from here on know the name. */
static int add(sdf_context *c, const char *name, const sdf_slice *bytes, sdf_error **err)
{
    if (find(c, name)) {
        error_set(err, SDF_E_EXISTS, "there is a broadcast \"%s\" already", name);
        error_hint(err, "take another name, or sdf_unbroadcast first");
        return SDF_E_EXISTS;
    }
    int rc = reserve(c, err);
    plan_broadcast b = {strdup(name), c->next_broadcast, bytes->size, hash_xxh3(bytes->data, bytes->size)};
    if (!rc && !b.name)
        rc = error_no_memory(err);
    rc = rc ? rc : context_call(c, put_on_driver, &(putting){b.id, *bytes}, err);
    if (rc) {
        free(b.name);
        return rc;
    }
    c->next_broadcast++;
    c->broadcasts[c->broadcast_count++] = b;
    return SDF_OK;
}

int sdf_broadcast(sdf_context *context, const char *name, const void *data, size_t size, sdf_error **err)
{
    if (!context || (size && !data))
        return error_set(err, SDF_E_INVALID, "sdf_broadcast needs a context and data");
    int rc = context_enter(context, "sdf_broadcast", err);
    rc = rc ? rc : check_name("sdf_broadcast", name, err);
    if (rc)
        return rc;
    pthread_mutex_lock(&context->lineage);
    rc = add(context, name, &(sdf_slice){size ? data : "", size}, err);
    pthread_mutex_unlock(&context->lineage);
    return rc;
}

/* Locks: lock. Without memory the bytes go with the context. */
static void die(sdf_context *c, uint32_t id)
{
    if (c->dead_count == c->dead_room) {
        uint32_t room = c->dead_room ? 2 * c->dead_room : 8;
        dead_broadcast *list = realloc(c->dead, room * sizeof *list);
        if (!list)
            return;
        c->dead = list;
        c->dead_room = room;
    }
    c->dead[c->dead_count++] = (dead_broadcast){id, c->next_job};
}

int sdf_unbroadcast(sdf_context *context, const char *name, sdf_error **err)
{
    if (!context || !name)
        return error_set(err, SDF_E_INVALID, "sdf_unbroadcast needs a context and a name");
    int rc = context_enter(context, "sdf_unbroadcast", err);
    if (rc)
        return rc;
    pthread_mutex_lock(&context->lineage);
    plan_broadcast *b = find(context, name);
    if (b) {
        pthread_mutex_lock(&context->lock);
        die(context, b->id);
        if (!context->broken)
            driver_wake(context->driver);
        pthread_mutex_unlock(&context->lock);
        free(b->name);
        uint32_t behind = context->broadcast_count - (uint32_t)(b - context->broadcasts) - 1;
        memmove(b, b + 1, behind * sizeof *b);
        context->broadcast_count--;
    }
    pthread_mutex_unlock(&context->lineage);
    return b ? SDF_OK : error_set(err, SDF_E_NOT_FOUND, "there is no broadcast \"%.100s\"", name);
}

/* Locks: lock. The oldest job that still runs, or a number above all. */
static uint32_t oldest_job(const sdf_context *c)
{
    uint32_t id = UINT32_MAX;
    for (const sdf_job *job = c->jobs; job; job = job->next)
        if (!job->done && job->id < id)
            id = job->id;
    return id;
}

void broadcasts_bury(sdf_context *c)
{
    uint32_t *gone = NULL, count = 0;
    pthread_mutex_lock(&c->lock);
    uint32_t oldest = c->dead_count ? oldest_job(c) : 0;
    if (c->dead_count)
        gone = malloc(c->dead_count * sizeof *gone);
    for (uint32_t i = 0; gone && i < c->dead_count; i++) {
        if (c->dead[i].jobs > oldest)
            continue;
        gone[count++] = c->dead[i].id;
        c->dead[i--] = c->dead[--c->dead_count];
    }
    pthread_mutex_unlock(&c->lock);
    for (uint32_t i = 0; i < count; i++)
        driver_drop_broadcast(c->driver, gone[i]);
    free(gone);
}

void broadcasts_release(sdf_context *c)
{
    for (uint32_t i = 0; i < c->broadcast_count; i++)
        free(c->broadcasts[i].name);
    free(c->broadcasts);
    free(c->dead);
    free(c->counter_name);
}

/* ---- accumulators ---- */

typedef struct counting {
    const char *name;
    size_t i;
    int64_t value;
    char *copy; /* of the i-th one's name */
} counting;

static int counter_on_driver(sdf_context *c, void *arg, sdf_error **err)
{
    counting *x = arg;
    return driver_counter(c->driver, x->name, &x->value);
}

static int counter_at_on_driver(sdf_context *c, void *arg, sdf_error **err)
{
    counting *x = arg;
    const char *name;
    int rc = driver_counter_at(c->driver, x->i, &name, &x->value);
    if (!rc && !(x->copy = strdup(name)))
        rc = SDF_E_NO_MEMORY;
    return rc;
}

int sdf_context_accumulator(sdf_context *context, const char *name, int64_t *value)
{
    if (!context || !name || !value)
        return SDF_E_INVALID;
    counting x = {.name = name};
    int rc = context_look(context, counter_on_driver, &x, NULL);
    *value = rc ? 0 : x.value;
    return rc;
}

int sdf_context_accumulator_at(sdf_context *context, size_t i, const char **name, int64_t *value)
{
    if (!context || !name || !value)
        return SDF_E_INVALID;
    counting x = {.i = i};
    int rc = context_look(context, counter_at_on_driver, &x, NULL);
    if (rc)
        return rc;
    free(context->counter_name);
    *name = context->counter_name = x.copy;
    *value = x.value;
    return SDF_OK;
}
