/* A source and a sink as a host would write them, from the public headers alone: files in this process's memory, a list
 * under one lock. For tests each can be given a defect. */
#ifndef TEST_STORE_MEM_FILES_H
#define TEST_STORE_MEM_FILES_H

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sdf/sys/sink.h>
#include <sdf/sys/source.h>

typedef enum mem_files_defect {
    MEM_FILES_RIGHT,
    MEM_SOURCE_HIDDEN,    /* lists hidden files of folders */
    MEM_SOURCE_DEEP,      /* lists the folders in a folder, too */
    MEM_SOURCE_SHORT,     /* reads beyond the end give what there is */
    MEM_SOURCE_UNCHANGED, /* does not look whether a file has changed */
    MEM_SOURCE_GOES_ON,   /* does not stop listing */
    MEM_SOURCE_STRANGE,   /* lists names that are not its own */
    MEM_SINK_EARLY,       /* parts are there when they are closed */
    MEM_SINK_REPLACES,    /* begins what exists */
    MEM_SINK_LENIENT,     /* does not look at sizes */
    MEM_SINK_KEEPS,       /* an abort leaves what was published */
    MEM_SINK_TRUSTS,      /* takes any ticket */
    MEM_SINK_QUIET        /* writes no _SUCCESS */
} mem_files_defect;

typedef struct mem_file {
    struct mem_file *next;
    char name[700];
    char owner[700]; /* a part that is not published: its output; else "" */
    int64_t changed;
    size_t size;
    char *data;
} mem_file;

typedef struct mem_output {
    struct mem_output *next;
    char name[700];
    int single, open; /* not finished yet */
    char chosen[700];
} mem_output;

typedef struct mem_files {
    pthread_mutex_t lock;
    mem_file *first;
    mem_output *outputs;
    int64_t clock;
    int opened, destroyed; /* how often */
    mem_files_defect defect;
} mem_files;

static int mem_fail(sdf_error **err, int code, const char *what, const char *name)
{
    char text[900];
    snprintf(text, sizeof text, "%s \"%s\"", what, name);
    if (err != NULL)
        *err = sdf_error_new(code, text, NULL);
    return code;
}

/* Locks: m->lock is held, here and below. */
static mem_file *mem_find(mem_files *m, const char *name)
{
    mem_file *f = m->first;
    while (f != NULL && strcmp(f->name, name) != 0)
        f = f->next;
    return f;
}

static mem_file *mem_add(mem_files *m, const char *name, const void *data, size_t size)
{
    mem_file *f = mem_find(m, name);
    if (f == NULL) {
        f = calloc(1, sizeof *f);
        snprintf(f->name, sizeof f->name, "%s", name);
        f->next = m->first;
        m->first = f;
    }
    free(f->data);
    f->data = malloc(size + 1);
    if (size > 0)
        memcpy(f->data, data, size);
    f->size = size;
    f->changed = ++m->clock;
    return f;
}

static void mem_drop(mem_files *m, mem_file *f)
{
    mem_file **at = &m->first;
    while (*at != f)
        at = &(*at)->next;
    *at = f->next;
    free(f->data);
    free(f);
}

/* ---- the source ---- */

static int mem_hidden(const char *name)
{
    const char *slash = strrchr(name, '/');
    const char *last = slash != NULL ? slash + 1 : name;
    return *last == '.' || *last == '_';
}

static int mem_match(const char *p, const char *s)
{
    if (*p == 0)
        return *s == 0;
    if (strncmp(p, "**/", 3) == 0) {
        if (mem_match(p + 3, s))
            return 1;
        const char *slash = strchr(s, '/');
        return slash != NULL && *s != '.' && *s != '_' && mem_match(p, slash + 1);
    }
    if (*p == '*')
        return mem_match(p + 1, s) || (*s != 0 && *s != '/' && mem_match(p, s + 1));
    if (*s == 0)
        return 0;
    if (*p == '[') {
        const char *end = strchr(p + 2, ']');
        int no = p[1] == '!', in = 0;
        for (const char *c = p + 1 + no; c < end; c++)
            if (c[1] == '-' && c + 2 < end) {
                in |= *s >= c[0] && *s <= c[2];
                c += 2;
            } else {
                in |= *s == *c;
            }
        return in != no && *s != '/' && mem_match(end + 1, s + 1);
    }
    return (*p == *s || (*p == '?' && *s != '/')) && mem_match(p + 1, s + 1);
}

static int mem_listed(const mem_files *m, const char *name, const mem_file *f)
{
    char folder[700], parent[700];
    snprintf(folder, sizeof folder, "%s", name);
    if (*folder != 0 && folder[strlen(folder) - 1] == '/')
        folder[strlen(folder) - 1] = 0;
    snprintf(parent, sizeof parent, "%s", f->name);
    char *slash = strrchr(parent, '/');
    if (slash != NULL)
        *slash = 0;
    if (strcmp(f->name, name) == 0)
        return 1;
    if (mem_hidden(f->name) && m->defect != MEM_SOURCE_HIDDEN)
        return 0;
    if (m->defect == MEM_SOURCE_DEEP && strncmp(f->name, folder, strlen(folder)) == 0 && f->name[strlen(folder)] == '/')
        return 1;
    if (strcmp(parent, folder) == 0)
        return 1;
    return strpbrk(name, "*?[") != NULL && (mem_match(name, f->name) || mem_match(name, parent));
}

static int mem_list(void *self, const char *name, sdf_source_list_fn callback, void *user, sdf_error **err)
{
    mem_files *m = self;
    int rc = 0;
    pthread_mutex_lock(&m->lock);
    for (mem_file *f = m->first; f != NULL && (rc == 0 || m->defect == MEM_SOURCE_GOES_ON); f = f->next) {
        char version[40];
        sdf_source_info info = {.struct_size = sizeof info,
                                .name = m->defect == MEM_SOURCE_STRANGE ? "/etc/passwd" : f->name,
                                .size = f->size,
                                .version = version};
        snprintf(version, sizeof version, "v%lld", (long long)f->changed);
        if (f->owner[0] == 0 && mem_listed(m, name, f))
            rc = callback(&info, user);
    }
    pthread_mutex_unlock(&m->lock);
    return m->defect == MEM_SOURCE_GOES_ON ? 0 : rc;
}

typedef struct mem_open_file {
    char name[700];
    size_t size;
    char *data;
} mem_open_file;

static int mem_open(void *self, const char *name, const sdf_source_info *expected, void **file, sdf_error **err)
{
    mem_files *m = self;
    pthread_mutex_lock(&m->lock);
    mem_file *f = mem_find(m, name);
    char version[40];
    snprintf(version, sizeof version, "v%lld", f != NULL ? (long long)f->changed : 0);
    int rc = SDF_OK;
    if (f == NULL || f->owner[0] != 0)
        rc = mem_fail(err, SDF_E_NOT_FOUND, "there is no", name);
    else if (m->defect != MEM_SOURCE_UNCHANGED &&
             ((expected->size != 0 && expected->size != f->size) ||
              (expected->version != NULL && strcmp(expected->version, version) != 0)))
        rc = mem_fail(err, SDF_E_CORRUPT, "changed has", name);
    if (rc == SDF_OK) {
        mem_open_file *o = calloc(1, sizeof *o);
        strcpy(o->name, f->name);
        o->size = f->size;
        o->data = malloc(f->size + 1);
        memcpy(o->data, f->data, f->size);
        *file = o;
    }
    pthread_mutex_unlock(&m->lock);
    return rc;
}

static int mem_read(void *self, void *file, void *data, size_t size, uint64_t offset, sdf_error **err)
{
    const mem_files *m = self;
    const mem_open_file *o = file;
    if (m->defect == MEM_SOURCE_SHORT && offset > o->size)
        offset = o->size;
    if (m->defect == MEM_SOURCE_SHORT && size > o->size - offset)
        size = o->size - offset;
    if (offset > o->size || size > o->size - offset)
        return mem_fail(err, SDF_E_CORRUPT, "read beyond the end of", o->name);
    memcpy(data, o->data + offset, size);
    return SDF_OK;
}

static void mem_close(void *self, void *file)
{
    mem_open_file *o = file;
    free(o->data);
    free(o);
}

static void mem_destroy(void *self)
{
    mem_files *m = self;
    m->destroyed++;
    while (m->first != NULL)
        mem_drop(m, m->first);
    while (m->outputs != NULL) {
        mem_output *next = m->outputs->next;
        free(m->outputs);
        m->outputs = next;
    }
}

/* ---- the sink ---- */

static mem_output *mem_output_of(mem_files *m, const char *name)
{
    mem_output *o = m->outputs;
    while (o != NULL && strcmp(o->name, name) != 0)
        o = o->next;
    return o;
}

static int mem_begin(void *self, const char *name, const char *token, int single, void **output, sdf_error **err)
{
    mem_files *m = self;
    pthread_mutex_lock(&m->lock);
    mem_output *o = mem_output_of(m, name);
    int taken = (o != NULL || mem_find(m, name) != NULL) && m->defect != MEM_SINK_REPLACES;
    if (!taken) {
        o = calloc(1, sizeof *o);
        snprintf(o->name, sizeof o->name, "%s", name);
        o->single = single;
        o->open = 1;
        o->next = m->outputs;
        m->outputs = o;
        *output = o;
    }
    pthread_mutex_unlock(&m->lock);
    return taken ? mem_fail(err, SDF_E_EXISTS, "already there:", name) : SDF_OK;
}

static int mem_publish(void *self, void *output, const char *ticket, const char *final, uint64_t bytes, sdf_error **err)
{
    mem_files *m = self;
    mem_output *o = output;
    char name[700];
    snprintf(name, sizeof name, "%.500s/%.100s", o->name, final);
    pthread_mutex_lock(&m->lock);
    mem_file *f = mem_find(m, ticket), *done = mem_find(m, name);
    int rc = SDF_OK;
    if (f != NULL && strcmp(f->owner, o->name) != 0)
        f = NULL;
    if (f != NULL && f->size != bytes && m->defect != MEM_SINK_LENIENT)
        rc = mem_fail(err, SDF_E_CORRUPT, "another size has", ticket);
    else if (f != NULL && o->single)
        snprintf(o->chosen, sizeof o->chosen, "%s", ticket);
    else if (f != NULL) {
        if (done != NULL)
            mem_drop(m, done);
        snprintf(f->name, sizeof f->name, "%s", name);
        f->owner[0] = 0;
    } else if (done == NULL && m->defect != MEM_SINK_TRUSTS)
        rc = mem_fail(err, SDF_E_NOT_FOUND, "there is no ticket", ticket);
    pthread_mutex_unlock(&m->lock);
    return rc;
}

static void mem_end_parts(mem_files *m, const char *owner)
{
    for (mem_file *f = m->first, *next; f != NULL; f = next) {
        next = f->next;
        if (strcmp(f->owner, owner) == 0)
            mem_drop(m, f);
    }
}

static int mem_finish(void *self, void *output, const sdf_slice *manifest, sdf_error **err)
{
    mem_files *m = self;
    mem_output *o = output;
    char name[700];
    snprintf(name, sizeof name, "%.500s/_SUCCESS", o->name);
    pthread_mutex_lock(&m->lock);
    mem_file *f = mem_find(m, o->chosen);
    if (o->single && f != NULL) {
        strcpy(f->name, o->name);
        f->owner[0] = 0;
    }
    mem_end_parts(m, o->name);
    if (!o->single && m->defect != MEM_SINK_QUIET)
        mem_add(m, name, manifest->data, manifest->size);
    o->open = 0;
    pthread_mutex_unlock(&m->lock);
    return SDF_OK;
}

static void mem_abort(void *self, void *output)
{
    mem_files *m = self;
    mem_output *o = output, **at = &m->outputs;
    pthread_mutex_lock(&m->lock);
    mem_end_parts(m, o->name);
    size_t size = strlen(o->name);
    for (mem_file *f = m->first, *next; f != NULL; f = next) {
        next = f->next;
        if (m->defect != MEM_SINK_KEEPS && strncmp(f->name, o->name, size) == 0 && f->name[size] == '/')
            mem_drop(m, f);
    }
    while (*at != o)
        at = &(*at)->next;
    *at = o->next;
    free(o);
    pthread_mutex_unlock(&m->lock);
}

typedef struct mem_part {
    char output[700], ticket[700], final[700];
    size_t size;
    char *data;
} mem_part;

static int mem_part_open(void *self, const char *name, const char *token, int single, const char *attempt,
                         const char *final, void **part, sdf_error **err)
{
    mem_files *m = self;
    pthread_mutex_lock(&m->lock);
    mem_output *o = mem_output_of(m, name);
    int gone = o == NULL || !o->open;
    pthread_mutex_unlock(&m->lock);
    if (gone)
        return mem_fail(err, SDF_E_NOT_FOUND, "the job is over:", name);
    mem_part *p = calloc(1, sizeof *p);
    snprintf(p->output, sizeof p->output, "%s", name);
    snprintf(p->ticket, sizeof p->ticket, "%s!%s", name, attempt);
    snprintf(p->final, sizeof p->final, "%s/%s", name, final);
    *part = p;
    return SDF_OK;
}

static int mem_part_write(void *self, void *part, const void *data, size_t size, sdf_error **err)
{
    mem_part *p = part;
    p->data = realloc(p->data, p->size + size + 1);
    memcpy(p->data + p->size, data, size);
    p->size += size;
    return SDF_OK;
}

static void mem_part_abort(void *self, void *part)
{
    mem_part *p = part;
    free(p->data);
    free(p);
}

static int mem_part_close(void *self, void *part, char *ticket, size_t capacity, sdf_error **err)
{
    mem_files *m = self;
    mem_part *p = part;
    pthread_mutex_lock(&m->lock);
    const mem_output *o = mem_output_of(m, p->output);
    int rc = o != NULL && o->open ? SDF_OK : mem_fail(err, SDF_E_NOT_FOUND, "the job is over:", p->output);
    if (rc == SDF_OK) {
        strcpy(mem_add(m, p->ticket, p->data, p->size)->owner, p->output);
        if (m->defect == MEM_SINK_EARLY)
            mem_add(m, p->final, p->data, p->size);
        snprintf(ticket, capacity, "%s", p->ticket);
    }
    pthread_mutex_unlock(&m->lock);
    mem_part_abort(self, part);
    return rc;
}

/* ---- registration, and the back doors ---- */

static const sdf_source_ops mem_source_ops = {
    .struct_size = sizeof mem_source_ops,
    .version = SDF_SOURCE_VERSION,
    .scope = SDF_SCOPE_PROCESS,
    .list = mem_list,
    .open = mem_open,
    .read = mem_read,
    .close = mem_close,
    .destroy = mem_destroy,
};

static const sdf_sink_ops mem_sink_ops = {
    .struct_size = sizeof mem_sink_ops,
    .version = SDF_SINK_VERSION,
    .scope = SDF_SCOPE_PROCESS,
    .begin = mem_begin,
    .publish = mem_publish,
    .finish = mem_finish,
    .abort = mem_abort,
    .part_open = mem_part_open,
    .part_write = mem_part_write,
    .part_close = mem_part_close,
    .part_abort = mem_part_abort,
    .destroy = mem_destroy,
};

static int mem_files_open(void *user, void **self, sdf_error **err)
{
    ((mem_files *)user)->opened++;
    *self = user;
    return SDF_OK;
}

static int mem_files_put(const char *name, const void *data, size_t size, void *user)
{
    mem_files *m = user;
    pthread_mutex_lock(&m->lock);
    mem_add(m, name, data, size);
    pthread_mutex_unlock(&m->lock);
    return SDF_OK;
}

static int64_t mem_files_get(const char *name, void *data, size_t capacity, void *user)
{
    mem_files *m = user;
    pthread_mutex_lock(&m->lock);
    mem_file *f = mem_find(m, name);
    int64_t size = f != NULL && f->owner[0] == 0 ? (int64_t)f->size : SDF_E_NOT_FOUND;
    if (size > 0 && capacity > 0)
        memcpy(data, f->data, (size_t)size < capacity ? (size_t)size : capacity);
    pthread_mutex_unlock(&m->lock);
    return size;
}

#endif
