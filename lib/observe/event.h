/* Events: made by the driver, queued (bounded), read by the host. One JSON line each is the only truth;
 * numbers are also at hand by name. */
#ifndef OBSERVE_EVENT_H
#define OBSERVE_EVENT_H

#include <sdf/context.h>

#include "base/buf.h"

#define EVENT_FIELDS_MAX 24

struct sdf_event {
    sdf_event_kind kind;
    struct {
        const char *name; /* static */
        int64_t value;
    } fields[EVENT_FIELDS_MAX];
    uint32_t count;
    char *label;   /* stage or job label, or NULL; owned */
    char *message; /* failure or warning text, or NULL; owned */
    char *json;    /* made at first use; owned */
};

sdf_event *event_new(sdf_event_kind kind);                               /* NULL: no memory */
void event_number(sdf_event *e, const char *static_name, int64_t value); /* silently full after EVENT_FIELDS_MAX */
void event_label(sdf_event *e, const char *label);
void event_message(sdf_event *e, const char *message);
void event_free(sdf_event *e);

/* Any thread may push; any one may pop. Bounded: a PROGRESS event replaces a waiting one of the same job; when full,
 * PROGRESS, then STAGE events are dropped; failures and job events never. */
typedef struct event_queue event_queue;
event_queue *event_queue_new(void);
void event_queue_push(event_queue *q, sdf_event *e); /* takes e */
sdf_event *event_queue_pop(event_queue *q);          /* NULL: empty */
void event_queue_free(event_queue *q);

#endif
