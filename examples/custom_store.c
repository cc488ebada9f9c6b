/* A host's own store: custom_store IN... counts words, and all data between stages goes through the store that is
 * written out here, a list of objects in this process.
 *
 * What the store leaves out:
 *   - other processes: its scope is this process, so it works with threads: and is refused with process:
 *   - a bound: objects take what memory there is (a real one counts bytes and says SDF_E_NO_SPACE)
 *   - speed: finding a name walks the list, under one lock
 *   - lending: `read` copies; lending views of what the list holds would need counts of who still reads
 * Nothing else: it passes the suite of sdf/sys/conformance.h, which --conformance yes runs. */
#include "common.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <sdf/sys/conformance.h>
#include <sdf/sys/store.h>

typedef struct object {
    struct object *next;
    char *name;
    char *data;
    size_t size;
} object;

typedef struct list_store {
    pthread_mutex_t lock;
    object *first;
} list_store;

typedef struct writer {
    object *object; /* not in the list yet */
    int if_absent;
} writer;

static int fail(int code, const char *what, const char *name, sdf_error **err)
{
    char message[256];
    snprintf(message, sizeof message, "list store: %s: %s", name, what);
    if (err)
        *err = sdf_error_new(code, message, NULL);
    return code;
}

static void object_free(object *o)
{
    if (o) {
        free(o->name);
        free(o->data);
        free(o);
    }
}

/* The place in the list that points to the object, or to the list's end. Locks: held. */
static object **find(list_store *s, const char *name)
{
    object **at = &s->first;
    while (*at && strcmp((*at)->name, name))
        at = &(*at)->next;
    return at;
}

/* Parts of 1 to 200 letters, digits, '.', '_' and '-', none beginning with '.', with single '/' between them. */
static int name_ok(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    if (strlen(name) > 512)
        return 0;
    for (;;) {
        size_t size = strspn(name, allowed);
        if (size < 1 || size > 200 || name[0] == '.')
            return 0;
        name += size;
        if (*name != '/')
            return *name == 0;
        name++;
    }
}

/* ---- writing: an object joins the list when it is whole ---- */

static int writer_open(void *self, const char *name, int if_absent, void **out, sdf_error **err)
{
    (void)self;
    if (!name_ok(name))
        return fail(SDF_E_INVALID, "no name of an object", name, err);
    writer *w = calloc(1, sizeof *w);
    if (w && (w->object = calloc(1, sizeof *w->object)) && (w->object->name = strdup(name))) {
        w->if_absent = if_absent;
        *out = w;
        return SDF_OK;
    }
    if (w)
        object_free(w->object);
    free(w);
    return fail(SDF_E_NO_MEMORY, "no memory", name, err);
}

static int writer_append(void *self, void *opened, const sdf_slice *parts, size_t count, sdf_error **err)
{
    (void)self;
    object *o = ((writer *)opened)->object;
    for (size_t i = 0; i < count; i++) {
        if (!parts[i].size)
            continue;
        char *data = realloc(o->data, o->size + parts[i].size);
        if (!data)
            return fail(SDF_E_NO_MEMORY, "no memory", o->name, err);
        memcpy(data + o->size, parts[i].data, parts[i].size);
        o->data = data;
        o->size += parts[i].size;
    }
    return SDF_OK;
}

static void writer_abort(void *self, void *opened)
{
    (void)self;
    object_free(((writer *)opened)->object);
    free(opened);
}

static int writer_commit(void *self, void *opened, sdf_error **err)
{
    list_store *s = self;
    writer *w = opened;
    pthread_mutex_lock(&s->lock);
    object **at = find(s, w->object->name), *old = *at;
    int rc = old && w->if_absent ? SDF_E_EXISTS : SDF_OK;
    if (rc == SDF_OK) {
        w->object->next = old ? old->next : NULL;
        *at = w->object;
        w->object = old;
    }
    pthread_mutex_unlock(&s->lock);
    if (rc != SDF_OK)
        fail(rc, "there is an object of this name already", w->object->name, err);
    writer_abort(s, w);
    return rc;
}

/* ---- reading ---- */

static void release(void *owner)
{
    free(owner);
}

static int read_one(const object *o, sdf_read *r)
{
    if (!o)
        return fail(name_ok(r->name) ? SDF_E_NOT_FOUND : SDF_E_INVALID, "no such object", r->name, &r->err);
    if (r->offset > o->size || r->length > o->size - r->offset)
        return fail(SDF_E_CORRUPT, "the object is shorter than what is to be read", r->name, &r->err);
    char *copy = malloc(r->length ? r->length : 1);
    if (!copy)
        return fail(SDF_E_NO_MEMORY, "no memory", r->name, &r->err);
    if (r->length)
        memcpy(copy, o->data + r->offset, r->length);
    r->view.data = copy;
    r->view.size = r->length;
    r->view.release = release;
    r->view.owner = copy;
    return SDF_OK;
}

static int read_all(void *self, sdf_read *const *reads, size_t count, sdf_error **err)
{
    (void)err;
    list_store *s = self;
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < count; i++)
        reads[i]->status = read_one(*find(s, reads[i]->name), reads[i]);
    pthread_mutex_unlock(&s->lock);
    return SDF_OK;
}

static int head(void *self, const char *name, uint64_t *size, sdf_error **err)
{
    list_store *s = self;
    if (!name_ok(name))
        return fail(SDF_E_INVALID, "no name of an object", name, err);
    pthread_mutex_lock(&s->lock);
    const object *o = *find(s, name);
    if (o)
        *size = o->size;
    pthread_mutex_unlock(&s->lock);
    return o ? SDF_OK : fail(SDF_E_NOT_FOUND, "no such object", name, err);
}

/* The callback may call the store, so it is called without the lock, on a copy of the names. */
static int list(void *self, const char *prefix, sdf_list_fn callback, void *user, sdf_error **err)
{
    list_store *s = self;
    size_t count = 0, length = strlen(prefix);
    object *copies = NULL;
    int rc = SDF_OK;
    pthread_mutex_lock(&s->lock);
    for (const object *o = s->first; o; o = o->next)
        count++;
    copies = calloc(count + 1, sizeof *copies);
    count = 0;
    for (const object *o = s->first; o && copies; o = o->next)
        if (!strncmp(o->name, prefix, length) && (copies[count].name = strdup(o->name)))
            copies[count++].size = o->size;
    pthread_mutex_unlock(&s->lock);
    if (!copies)
        return fail(SDF_E_NO_MEMORY, "no memory", prefix, err);
    for (size_t i = 0; i < count; i++) {
        sdf_object_info info = {.struct_size = sizeof info, .name = copies[i].name, .size = copies[i].size};
        rc = rc ? rc : callback(&info, user);
        free(copies[i].name);
    }
    free(copies);
    return rc;
}

static int remove_all(void *self, const char *const *names, size_t count, sdf_error **err)
{
    (void)err;
    list_store *s = self;
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < count; i++) {
        object **at = find(s, names[i]), *gone = *at;
        if (gone) {
            *at = gone->next;
            object_free(gone);
        }
    }
    pthread_mutex_unlock(&s->lock);
    return SDF_OK;
}

/* ---- opening and closing ---- */

static int store_open(const char *rest, void *user, void **self, sdf_error **err)
{
    (void)rest;
    (void)user;
    list_store *s = calloc(1, sizeof *s);
    if (!s)
        return fail(SDF_E_NO_MEMORY, "no memory", "open", err);
    pthread_mutex_init(&s->lock, NULL);
    *self = s;
    return SDF_OK;
}

static void destroy(void *self)
{
    list_store *s = self;
    while (s->first) {
        object *next = s->first->next;
        object_free(s->first);
        s->first = next;
    }
    pthread_mutex_destroy(&s->lock);
    free(s);
}

static const sdf_store_ops ops = {
    .struct_size = sizeof(sdf_store_ops),
    .version = SDF_STORE_VERSION,
    .scope = SDF_SCOPE_PROCESS,
    .writer_open = writer_open,
    .writer_append = writer_append,
    .writer_commit = writer_commit,
    .writer_abort = writer_abort,
    .read = read_all,
    .head = head,
    .list = list,
    .remove = remove_all,
    .destroy = destroy,
};

static void print_line(const char *line, void *user)
{
    (void)user;
    puts(line);
}

static int conformance(example *x)
{
    sdf_error *err = NULL;
    int failed = sdf_store_conformance("list:", print_line, NULL, &err);
    return example_close(x, failed < 0 ? example_fail(err) : failed ? EXAMPLE_FAILED : 0);
}

int main(int argc, char **argv)
{
    sdf_error *err = NULL;
    if (sdf_store_register("list", &ops, store_open, NULL, &err) != SDF_OK)
        return example_fail(err);
    if (sdf_worker_requested())
        return sdf_worker_main();

    example x;
    example_option own[] = {{"conformance", "yes: run the suite for stores instead", NULL}, {NULL, NULL, NULL}};
    setenv("SDF_STORE", "list:", 0); /* the setting "store", unless somebody has set it */
    int code = example_open(&x, argc, argv, "custom_store [OPTIONS] IN...", own, 0, 1 << 20);
    if (code)
        return code < 0 ? 0 : code;
    if (own[0].value)
        return conformance(&x);
    char *uris = example_uris(&x, 0);
    sdf_rdd *words = sdf_flat_map(uris ? sdf_text_file(x.context, uris, NULL) : NULL, "sdf.words", NULL, 0);
    free(uris);
    return example_finish(&x, sdf_reduce_by_key(words, "sdf.sum", x.partitions));
}
