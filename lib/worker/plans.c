/* Decoded plans, kept while the worker is warm. A plan's name is the digest of its bytes, so bytes that came another
 * way can't stand for it. */
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "worker/internal.h"

static int plan_decode_checked(const void *data, size_t size, const char *hash, plan **out, sdf_error **err)
{
    char actual[33];
    hash_hex128(data, size, actual);
    if (strcmp(actual, hash) != 0)
        return error_set(err, SDF_E_CORRUPT, "the plan's bytes have the digest %s, not %s as the request says", actual,
                         hash);
    return plan_decode(data, size, out, err);
}

static int plan_fetch(const task_request *q, store *s, plan **out, sdf_error **err)
{
    char name[TASK_NAME_MAX];
    sdf_view view = {0};
    if (q->plan_inline.size)
        return plan_decode_checked(q->plan_inline.data, q->plan_inline.size, q->plan_hash, out, err);
    task_name_plan(name, q->context, q->plan_hash);
    int rc = store_get(s, name, PLAN_BYTES_MAX, &view, err);
    if (rc)
        return rc;
    rc = plan_decode_checked(view.data, view.size, q->plan_hash, out, err);
    store_release(&view);
    return rc;
}

static void forget(known_plan *k)
{
    plan_free(k->plan);
    broadcasts_clear(&k->broadcasts);
}

int plan_cache_get(plan_cache *c, const task_request *q, store *s, known_plan **out, sdf_error **err)
{
    size_t oldest = 0;
    plan *fresh = NULL;
    for (size_t i = 0; i < WORKER_PLANS; i++) {
        if (c->slots[i].plan && strcmp(c->slots[i].hash, q->plan_hash) == 0) {
            c->slots[i].used = ++c->tick;
            *out = &c->slots[i];
            return SDF_OK;
        }
        if (c->slots[i].used < c->slots[oldest].used)
            oldest = i;
    }
    int rc = plan_fetch(q, s, &fresh, err);
    if (rc)
        return rc;
    known_plan *slot = &c->slots[oldest];
    forget(slot);
    slot->plan = fresh;
    slot->used = ++c->tick;
    memcpy(slot->hash, q->plan_hash, sizeof q->plan_hash);
    *out = slot;
    return SDF_OK;
}

void plan_cache_clear(plan_cache *c)
{
    for (size_t i = 0; i < WORKER_PLANS; i++)
        forget(&c->slots[i]);
    memset(c, 0, sizeof *c);
}
