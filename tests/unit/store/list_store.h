/* A store as a host would write it, from the public headers alone: a list under one lock. For tests it can be given a
 * defect. */
#ifndef TEST_STORE_LIST_STORE_H
#define TEST_STORE_LIST_STORE_H

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <sdf/sys/store.h>

typedef enum list_store_defect {
    LIST_STORE_RIGHT,
    LIST_STORE_EARLY,    /* objects are visible before commit */
    LIST_STORE_LENIENT,  /* any name will do */
    LIST_STORE_REPLACES, /* if_absent is ignored */
    LIST_STORE_SHORT,    /* reads beyond the end give what there is */
    LIST_STORE_KEEPS     /* the last of several names is not removed */
} list_store_defect;

typedef struct list_object {
    struct list_object *next;
    char name[513];
    int if_absent;
    size_t size;
    char *data;
} list_object;

typedef struct list_store {
    pthread_mutex_t lock;
    list_object *first;
    list_store_defect defect;
} list_store;

static int list_name_ok(const list_store *l, const char *name, sdf_error **err)
{
    size_t size = strlen(name), part = 0;
    int good = size >= 1 && size <= 512 && name[size - 1] != '/';
    for (size_t i = 0; good && i < size; i++) {
        good = strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-/", name[i]) != NULL &&
               (part > 0 || (name[i] != '.' && name[i] != '/')) && part <= 200;
        part = name[i] == '/' ? 0 : part + 1;
    }
    if ((good && part <= 200) || (l->defect == LIST_STORE_LENIENT && size <= 512))
        return SDF_OK;
    *err = sdf_error_new(SDF_E_INVALID, "bad name", NULL);
    return SDF_E_INVALID;
}

static list_object **list_find(list_store *l, const char *name)
{
    list_object **at = &l->first;
    while (*at != NULL && strcmp((*at)->name, name) != 0)
        at = &(*at)->next;
    return at;
}

static int list_writer_open(void *self, const char *name, int if_absent, void **writer, sdf_error **err)
{
    int rc = list_name_ok(self, name, err);
    if (rc != SDF_OK)
        return rc;
    list_object *o = calloc(1, sizeof *o);
    strcpy(o->name, name);
    o->if_absent = if_absent;
    *writer = o;
    return SDF_OK;
}

static int list_writer_append(void *self, void *writer, const sdf_slice *parts, size_t count, sdf_error **err)
{
    list_object *o = writer;
    for (size_t i = 0; i < count; i++) {
        o->data = realloc(o->data, o->size + parts[i].size + 1);
        if (parts[i].size > 0)
            memcpy(o->data + o->size, parts[i].data, parts[i].size);
        o->size += parts[i].size;
    }
    return SDF_OK;
}

static void list_writer_abort(void *self, void *writer)
{
    list_object *o = writer;
    free(o->data);
    free(o);
}

static int list_writer_commit(void *self, void *writer, sdf_error **err)
{
    list_store *l = self;
    list_object *o = writer;
    pthread_mutex_lock(&l->lock);
    list_object **at = list_find(l, o->name), *old = *at;
    int refused = old != NULL && o->if_absent && l->defect != LIST_STORE_REPLACES;
    if (!refused) {
        o->next = old != NULL ? old->next : NULL;
        *at = o;
    }
    pthread_mutex_unlock(&l->lock);
    if (refused)
        *err = sdf_error_new(SDF_E_EXISTS, "there already", NULL);
    if (refused || old != NULL)
        list_writer_abort(self, refused ? o : old);
    return refused ? SDF_E_EXISTS : SDF_OK;
}

static int list_read_one(list_store *l, sdf_read *r)
{
    int rc = list_name_ok(l, r->name, &r->err);
    if (rc != SDF_OK)
        return rc;
    pthread_mutex_lock(&l->lock);
    const list_object *o = *list_find(l, r->name);
    uint64_t length = r->length;
    if (o != NULL && r->offset <= o->size && length > o->size - r->offset && l->defect == LIST_STORE_SHORT)
        length = o->size - r->offset;
    rc = o == NULL ? SDF_E_NOT_FOUND : r->offset > o->size || length > o->size - r->offset ? SDF_E_CORRUPT : SDF_OK;
    if (rc == SDF_OK) {
        char *copy = malloc(length + 1);
        if (length > 0)
            memcpy(copy, o->data + r->offset, length);
        r->view.data = r->view.owner = copy;
        r->view.size = length;
        r->view.release = free;
    }
    pthread_mutex_unlock(&l->lock);
    if (rc != SDF_OK)
        r->err = sdf_error_new(rc, "can't be read", NULL);
    return rc;
}

static int list_read(void *self, sdf_read *const *reads, size_t count, sdf_error **err)
{
    for (size_t i = 0; i < count; i++) {
        reads[i]->status = list_read_one(self, reads[i]);
    }
    return SDF_OK;
}

static int list_head(void *self, const char *name, uint64_t *size, sdf_error **err)
{
    list_store *l = self;
    int rc = list_name_ok(l, name, err);
    if (rc != SDF_OK)
        return rc;
    pthread_mutex_lock(&l->lock);
    const list_object *o = *list_find(l, name);
    *size = o != NULL ? o->size : 0;
    pthread_mutex_unlock(&l->lock);
    if (o != NULL)
        return SDF_OK;
    *err = sdf_error_new(SDF_E_NOT_FOUND, "no such object", NULL);
    return SDF_E_NOT_FOUND;
}

/* The names are copied, so that the callback may call the store. */
static int list_list(void *self, const char *prefix, sdf_list_fn callback, void *user, sdf_error **err)
{
    list_store *l = self;
    size_t count = 0, i = 0;
    int rc = SDF_OK;
    pthread_mutex_lock(&l->lock);
    for (const list_object *o = l->first; o != NULL; o = o->next)
        count++;
    struct {
        char name[513];
        size_t size;
    } *all = calloc(count + 1, sizeof *all);
    for (const list_object *o = l->first; o != NULL; o = o->next, i++) {
        strcpy(all[i].name, o->name);
        all[i].size = o->size;
    }
    pthread_mutex_unlock(&l->lock);
    for (i = 0; i < count && rc == SDF_OK; i++) {
        sdf_object_info info = {sizeof info, all[i].name, all[i].size, 0};
        if (strncmp(all[i].name, prefix, strlen(prefix)) == 0)
            rc = callback(&info, user);
    }
    free(all);
    return rc;
}

static int list_remove(void *self, const char *const *names, size_t count, sdf_error **err)
{
    list_store *l = self;
    for (size_t i = 0; i < count; i++) {
        if (l->defect == LIST_STORE_KEEPS && count > 1 && i + 1 < count)
            continue;
        pthread_mutex_lock(&l->lock);
        list_object **at = list_find(l, names[i]), *o = *at;
        if (o != NULL)
            *at = o->next;
        pthread_mutex_unlock(&l->lock);
        if (o != NULL)
            list_writer_abort(self, o);
    }
    return SDF_OK;
}

static void list_destroy(void *self)
{
    list_store *l = self;
    while (l->first != NULL) {
        list_object *o = l->first;
        l->first = o->next;
        list_writer_abort(self, o);
    }
    pthread_mutex_destroy(&l->lock);
    free(l);
}

/* With the defect of early visibility, an object is put into the list, empty, when it is begun. */
static int list_early_open(void *self, const char *name, int if_absent, void **writer, sdf_error **err)
{
    int rc = list_writer_open(self, name, 0, writer, err);
    if (rc != SDF_OK || list_writer_commit(self, *writer, err) != SDF_OK)
        return rc;
    return list_writer_open(self, name, 0, writer, err);
}

static int list_store_open(const char *rest, void *user, void **self, sdf_error **err)
{
    list_store *l = calloc(1, sizeof *l);
    pthread_mutex_init(&l->lock, NULL);
    l->defect = *(const list_store_defect *)user;
    *self = l;
    return SDF_OK;
}

#define LIST_STORE_OPS(open)                                                                                           \
    {                                                                                                                  \
        .struct_size = sizeof(sdf_store_ops), .version = SDF_STORE_VERSION, .scope = SDF_SCOPE_PROCESS,                \
        .writer_open = open, .writer_append = list_writer_append, .writer_commit = list_writer_commit,                 \
        .writer_abort = list_writer_abort, .read = list_read, .head = list_head, .list = list_list,                    \
        .remove = list_remove, .destroy = list_destroy,                                                                \
    }

static __attribute__((unused)) int list_store_register(const char *scheme, list_store_defect defect, sdf_error **err)
{
    static const sdf_store_ops right = LIST_STORE_OPS(list_writer_open), early = LIST_STORE_OPS(list_early_open);
    static const list_store_defect defects[] = {LIST_STORE_RIGHT,    LIST_STORE_EARLY, LIST_STORE_LENIENT,
                                                LIST_STORE_REPLACES, LIST_STORE_SHORT, LIST_STORE_KEEPS};
    return sdf_store_register(scheme, defect == LIST_STORE_EARLY ? &early : &right, list_store_open,
                              (void *)(uintptr_t)&defects[defect], err);
}

#endif
