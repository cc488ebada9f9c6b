/* What hosts register that is opened once in a process, when first used: sources and sinks. Destroyed when the process
 * exits in order, unless a call is under way then. Not here: stores, which are opened by URI, and count their users. */
#ifndef STORE_SERVICE_H
#define STORE_SERVICE_H

#include "store/scheme_table.h"

typedef struct service {
    scheme_entry head;
    int (*open)(void *user, void **self, sdf_error **err);
    void (*destroy)(void *self);
    pthread_mutex_t lock; /* of what follows */
    bool opened;
    int process; /* that opened it: a child after fork(2) must not destroy it */
    void *self;
    int users;            /* atomic: calls and open files */
    struct service *next; /* of those that are opened */
} service;

/* Adds one that was made by calloc; takes it. */
int service_register(scheme_table *t, service *s, const char *scheme, const void *given,
                     int (*open)(void *user, void **self, sdf_error **err), void (*destroy)(void *self), void *user,
                     sdf_error **err);
/* The one whose scheme the URI has, NULL: none has it. */
service *service_of(scheme_table *t, const char *uri);
/* Opens it if it is not open yet; to be left again. */
int service_enter(service *s, sdf_error **err);
void service_leave(service *s);

#endif
