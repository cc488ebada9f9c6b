/* Sources and sinks of hosts: opened at first use, destroyed at the end of the process. */
#include "store/service.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"

static pthread_mutex_t opened_lock = PTHREAD_MUTEX_INITIALIZER; /* taken inside a service's lock, never around it */
static service *opened;
static bool at_exit; /* destroy_all is asked for */

static void destroy_all(void)
{
    pthread_mutex_lock(&opened_lock);
    service *s = opened;
    opened = NULL;
    pthread_mutex_unlock(&opened_lock);
    for (; s != NULL; s = s->next)
        if (s->process == (int)getpid() && __atomic_load_n(&s->users, __ATOMIC_ACQUIRE) == 0)
            s->destroy(s->self);
}

static void note_opened(service *s)
{
    pthread_mutex_lock(&opened_lock);
    if (!at_exit)
        at_exit = atexit(destroy_all) == 0;
    s->next = opened;
    opened = s;
    pthread_mutex_unlock(&opened_lock);
}

int service_register(scheme_table *t, service *s, const char *scheme, const void *given,
                     int (*open)(void *user, void **self, sdf_error **err), void (*destroy)(void *self), void *user,
                     sdf_error **err)
{
    s->head.given = given;
    s->head.open = (void (*)(void))open;
    s->head.user = user;
    s->open = open;
    s->destroy = destroy;
    pthread_mutex_init(&s->lock, NULL);
    return scheme_table_add(t, &s->head, scheme, err);
}

service *service_of(scheme_table *t, const char *uri)
{
    const char *colon = strchr(uri, ':');
    return colon != NULL ? (service *)scheme_table_find(t, uri, (size_t)(colon - uri)) : NULL;
}

int service_enter(service *s, sdf_error **err)
{
    int rc = SDF_OK;
    pthread_mutex_lock(&s->lock);
    if (!s->opened) {
        rc = s->open(s->head.user, &s->self, err);
        s->opened = rc == SDF_OK;
        s->process = (int)getpid();
        if (s->opened)
            note_opened(s);
    }
    if (rc == SDF_OK)
        __atomic_add_fetch(&s->users, 1, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&s->lock);
    return rc;
}

void service_leave(service *s)
{
    __atomic_sub_fetch(&s->users, 1, __ATOMIC_RELEASE);
}
