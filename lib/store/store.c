/* Stores by URI, shared by count; names; helpers for whole objects.
 * Not here: any store. */
#include "store/store.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "store/scheme.h"

int store_open(const char *uri, store **out, sdf_error **err)
{
    const store_scheme *scheme;
    const char *rest;
    char *absolute;
    int rc = scheme_absolute(uri, &absolute, err);
    if (rc != SDF_OK)
        return rc;
    rc = scheme_find(absolute, &scheme, &rest, err);
    store *s = rc == SDF_OK ? calloc(1, sizeof *s) : NULL;
    if (rc == SDF_OK && s == NULL)
        rc = error_no_memory(err);
    if (rc == SDF_OK)
        rc = scheme->open(rest, scheme->head.user, &s->self, err);
    if (rc != SDF_OK) {
        free(absolute);
        free(s);
        return rc;
    }
    s->ops = &scheme->ops;
    s->uri = absolute;
    s->refs = 1;
    *out = s;
    return SDF_OK;
}

store *store_ref(store *s)
{
    __atomic_add_fetch(&s->refs, 1, __ATOMIC_RELAXED);
    return s;
}

void store_unref(store *s)
{
    if (s == NULL || __atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    s->ops->destroy(s->self);
    free(s->uri);
    free(s);
}

uint32_t store_scope(const store *s)
{
    return s->ops->get_scope != NULL ? s->ops->get_scope(s->self) : s->ops->scope;
}

uint64_t store_memory(const store *s)
{
    return s->ops->memory != NULL ? s->ops->memory(s->self) : 0;
}

/* ---- names ---- */

static int name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
}

/* What is wrong with the text as the beginning of a name, or NULL. */
static const char *prefix_fault(const char *text)
{
    size_t part = 0, i = 0;
    for (; text[i] != 0; i++) {
        if (i == STORE_NAME_MAX)
            return "it is longer than 512 bytes";
        if (text[i] == '/' && part == 0)
            return "it has an empty part";
        if (text[i] == '.' && part == 0)
            return "a part of it begins with '.'";
        if (text[i] != '/' && !name_byte(text[i]))
            return "it has a byte other than A-Z a-z 0-9 . _ - /";
        part = text[i] == '/' ? 0 : part + 1;
        if (part > STORE_PART_MAX)
            return "a part of it is longer than 200 bytes";
    }
    return NULL;
}

int store_check_prefix(const char *prefix, sdf_error **err)
{
    const char *fault = prefix == NULL ? "it is NULL" : prefix_fault(prefix);
    if (fault == NULL)
        return SDF_OK;
    return error_set(err, SDF_E_INVALID, "\"%.100s\" can't begin an object's name: %s", prefix ? prefix : "", fault);
}

int store_check_name(const char *name, sdf_error **err)
{
    const char *fault = name == NULL ? "it is NULL" : *name == 0 ? "it is empty" : prefix_fault(name);
    if (fault == NULL && name[strlen(name) - 1] == '/')
        fault = "it ends with '/'";
    if (fault == NULL)
        return SDF_OK;
    return error_set(err, SDF_E_INVALID, "\"%.100s\" can't be an object's name: %s", name ? name : "", fault);
}

/* ---- whole objects ---- */

int store_put_parts(store *s, const char *name, const sdf_slice *parts, size_t count, sdf_error **err)
{
    void *writer = NULL;
    int rc = s->ops->writer_open(s->self, name, 0, &writer, err);
    if (rc != SDF_OK)
        return rc;
    rc = s->ops->writer_append(s->self, writer, parts, count, err);
    if (rc != SDF_OK) {
        s->ops->writer_abort(s->self, writer);
        return rc;
    }
    return s->ops->writer_commit(s->self, writer, err);
}

int store_put(store *s, const char *name, const void *data, size_t size, sdf_error **err)
{
    const sdf_slice part = {data, size};
    return store_put_parts(s, name, &part, 1, err);
}

int store_get_range(store *s, const char *name, uint64_t offset, uint64_t length, void *buffer, sdf_view *view,
                    sdf_error **err)
{
    sdf_read read = {.struct_size = sizeof read, .name = name, .offset = offset, .length = length, .buffer = buffer};
    sdf_read *reads[] = {&read};
    int rc = s->ops->read(s->self, reads, 1, err);
    if (rc != SDF_OK)
        return rc;
    if (read.status != SDF_OK) {
        if (read.err == NULL)
            return error_set(err, read.status, "the store can't read \"%s\" and does not say why", name);
        return error_move(err, &read.err);
    }
    *view = read.view;
    if (view->size == length)
        return SDF_OK;
    rc = error_set(err, SDF_E_CORRUPT, "the store gave %zu bytes of object \"%s\" where %llu were asked for",
                   view->size, name, (unsigned long long)length);
    store_release(view);
    return rc;
}

int store_get(store *s, const char *name, uint64_t limit, sdf_view *view, sdf_error **err)
{
    uint64_t size;
    int rc = s->ops->head(s->self, name, &size, err);
    if (rc != SDF_OK)
        return rc;
    if (size > limit)
        return error_set(err, SDF_E_LIMIT, "object \"%s\" has %llu bytes, more than the %llu that may be read whole",
                         name, (unsigned long long)size, (unsigned long long)limit);
    return store_get_range(s, name, 0, size, NULL, view, err);
}

void store_release(sdf_view *view)
{
    if (view->release != NULL)
        view->release(view->owner);
    memset(view, 0, sizeof *view);
}

/* ---- removal ---- */

#define REMOVE_ROUND 1000 /* names held at a time, and what S3 takes in one request */

typedef struct removal {
    store *store;
    char *names[REMOVE_ROUND];
    size_t count;
    sdf_error *err; /* why a callback stopped the listing */
} removal;

static int remove_collected(removal *r, sdf_error **err)
{
    int rc = SDF_OK;
    if (r->count > 0)
        rc = r->store->ops->remove(r->store->self, (const char *const *)r->names, r->count, err);
    while (r->count > 0)
        free(r->names[--r->count]);
    return rc;
}

/* Removes from inside the listing, a round at a time: one walk, whose end doesn't depend on what removing does. */
static int remove_listed(const sdf_object_info *info, void *user)
{
    removal *r = user;
    if ((r->names[r->count] = strdup(info->name)) == NULL)
        return error_no_memory(&r->err);
    return ++r->count == REMOVE_ROUND ? remove_collected(r, &r->err) : 0;
}

int store_remove_prefix(store *s, const char *prefix, sdf_error **err)
{
    removal *r = calloc(1, sizeof *r);
    if (r == NULL)
        return error_no_memory(err);
    r->store = s;
    sdf_error *why = NULL;
    int rc = s->ops->list(s->self, prefix, remove_listed, r, &why);
    int last = remove_collected(r, rc == SDF_OK ? &why : NULL); /* also when the listing failed half-way */
    rc = rc != SDF_OK ? rc : last;
    error_move(err, r->err != NULL ? &r->err : &why);
    free(r);
    if (rc == SDF_OK && s->ops->sweep != NULL)
        rc = s->ops->sweep(s->self, prefix, err);
    return rc;
}
