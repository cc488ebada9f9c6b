/* Tables of schemes. See scheme_table.h. */
#include "store/scheme_table.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/versioned.h"

/* Locks: t->lock is held. */
static scheme_entry *find(const scheme_table *t, const char *name, size_t size)
{
    for (size_t i = 0; i < t->count; i++)
        if (strlen(t->entries[i]->name) == size && memcmp(t->entries[i]->name, name, size) == 0)
            return t->entries[i];
    return NULL;
}

scheme_entry *scheme_table_find(scheme_table *t, const char *name, size_t size)
{
    pthread_mutex_lock(&t->lock);
    scheme_entry *found = find(t, name, size);
    pthread_mutex_unlock(&t->lock);
    return found;
}

int scheme_check_name(const char *name, sdf_error **err)
{
    size_t size = name != NULL ? strnlen(name, SCHEME_NAME_MAX + 1) : 0;
    bool good = size >= 2 && size <= SCHEME_NAME_MAX;
    for (size_t i = 0; good && i < size; i++)
        good = (name[i] >= 'a' && name[i] <= 'z') || (name[i] >= '0' && name[i] <= '9') || name[i] == '-';
    if (good)
        return SDF_OK;
    return error_set(err, SDF_E_INVALID, "\"%.40s\" can't be a scheme: it takes 2 to 32 of a-z, 0-9 and '-'",
                     name != NULL ? name : "");
}

int scheme_table_add(scheme_table *t, scheme_entry *entry, const char *name, sdf_error **err)
{
    int rc = SDF_OK;
    strcpy(entry->name, name);
    pthread_mutex_lock(&t->lock);
    const scheme_entry *old = find(t, name, strlen(name));
    bool same = old != NULL && old->given == entry->given && old->open == entry->open && old->user == entry->user;
    bool full = t->count == SCHEMES_MAX;
    if (old == NULL && !full)
        t->entries[t->count++] = entry;
    pthread_mutex_unlock(&t->lock);
    if (old != NULL && !same)
        rc = error_set(err, SDF_E_EXISTS, "the %s scheme \"%s:\" is taken", t->what, name);
    else if (old == NULL && full)
        rc = error_set(err, SDF_E_LIMIT, "more than %d %s schemes are registered", SCHEMES_MAX, t->what);
    if (old != NULL || full)
        free(entry);
    return rc;
}

int scheme_table_unknown(scheme_table *t, const char *name, size_t size, sdf_error **err)
{
    char text[SCHEME_NAME_MAX + 1] = "";
    memcpy(text, name, size < sizeof text ? size : sizeof text - 1);
    const char *names[SCHEMES_MAX];
    pthread_mutex_lock(&t->lock);
    size_t count = t->count;
    for (size_t i = 0; i < count; i++)
        names[i] = t->entries[i]->name;
    pthread_mutex_unlock(&t->lock);
    const char *near = error_nearest(text, names, count);
    error_set(err, SDF_E_INVALID, "there is no %s scheme \"%s:\"", t->what, text);
    if (near != NULL)
        error_hint(err, "did you mean \"%s:\"?", near);
    else
        error_hint(err, "%s", t->hint);
    return SDF_E_INVALID;
}

int scheme_check_ops(const char *what, const char *scheme, const void *given, void *known, size_t size, size_t least,
                     unsigned version, size_t first_op, const char *const *names, sdf_error **err)
{
    if (given == NULL)
        return error_set(err, SDF_E_INVALID, "%s \"%s\" has no ops", what, scheme);
    int rc = versioned_copy(known, size, least, given, "the table of ops", err);
    if (rc != SDF_OK) {
        error_prefix(err, "%s \"%s\"", what, scheme);
        return rc;
    }
    uint32_t theirs; /* stands behind struct_size in every table */
    memcpy(&theirs, (const char *)known + sizeof(size_t), sizeof theirs);
    if (theirs != version)
        return error_set(err, SDF_E_INVALID, "%s \"%s\" is of contract version %u, this library speaks %u", what,
                         scheme, theirs, version);
    for (size_t at = first_op, i = 0; at < least; at += sizeof(void (*)(void)), i++) {
        void (*op)(void);
        memcpy(&op, (const char *)known + at, sizeof op);
        if (op == NULL)
            return error_set(err, SDF_E_INVALID, "%s \"%s\" lacks the mandatory op %s", what, scheme, names[i]);
    }
    return SDF_OK;
}
