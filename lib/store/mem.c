/* "mem:" keeps objects in this process's memory: "mem:" or "mem:cap=1G" (default: half of the physical memory).
 * Each opening is a store of its own, for threads only. Objects are counted by reference: a read lends the object's own
 * bytes, which live until the last view is released, also after the object, and even the store, is removed.
 * Not here: persistence, sharing between processes.
 *
 * The writer is the object under construction: its bytes lie in one piece, so that every range can be lent. Large ones
 * are mapped and grow by moving their pages, not their bytes. */
#include "store/scheme.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/options.h"
#include "store/store.h"

#define SHARDS        16
#define FIRST_SLOTS   64
#define MAP_FROM      (UINT64_C(256) << 10) /* bytes from which an object is mapped */
#define HUGE_FROM     (UINT64_C(4) << 20)   /* bytes from which huge pages are asked for */
#define BLOB_OVERHEAD 192                   /* charged per object beside its bytes: struct, name, slot */

typedef struct mem_store mem_store;

typedef struct blob {
    struct blob *next; /* in its slot */
    mem_store *store;
    uint8_t *data;
    uint64_t size, capacity;
    uint64_t hash; /* of the name */
    int refs;      /* atomic: the table, and each view */
    uint8_t mapped, if_absent;
    char name[];
} blob;

/* Locks: `lock` guards the fields; blobs never change once they are in a shard. */
typedef struct shard {
    pthread_mutex_t lock;
    blob **slots;
    size_t slot_count; /* a power of two */
    size_t count;
} __attribute__((aligned(64))) shard;

struct mem_store {
    shard shards[SHARDS];
    uint64_t cap;
    uint64_t used; /* atomic: bytes of all blobs alive, lent ones too */
    uint64_t refs; /* atomic: the opener, and each blob alive */
};

/* ---- the store and what it holds ---- */

static void store_drop(mem_store *m)
{
    if (__atomic_sub_fetch(&m->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    for (size_t i = 0; i < SHARDS; i++) {
        pthread_mutex_destroy(&m->shards[i].lock);
        free(m->shards[i].slots);
    }
    free(m);
}

static int store_charge(mem_store *m, uint64_t bytes, sdf_error **err)
{
    uint64_t used = __atomic_load_n(&m->used, __ATOMIC_RELAXED);
    do {
        if (bytes > m->cap || used > m->cap - bytes) {
            error_set(err, SDF_E_NO_SPACE, "the store mem: is full: it holds %llu bytes of at most %llu",
                      (unsigned long long)used, (unsigned long long)m->cap);
            error_hint(err, "raise the cap with \"mem:cap=SIZE\", or use a store on disk: \"file:DIR\"");
            return SDF_E_NO_SPACE;
        }
    } while (!__atomic_compare_exchange_n(&m->used, &used, used + bytes, 1, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    return SDF_OK;
}

static void blob_free(blob *b)
{
    mem_store *m = b->store;
    if (b->mapped)
        munmap(b->data, b->capacity);
    else
        free(b->data);
    __atomic_sub_fetch(&m->used, b->size + BLOB_OVERHEAD, __ATOMIC_RELAXED);
    free(b);
    store_drop(m);
}

static void blob_unref(blob *b)
{
    if (__atomic_sub_fetch(&b->refs, 1, __ATOMIC_ACQ_REL) == 0)
        blob_free(b);
}

static void blob_release(void *owner)
{
    blob_unref(owner);
}

/* ---- growing ---- */

static uint64_t page_round(uint64_t bytes)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    return (bytes + page - 1) / page * page;
}

/* A mapping of another size with the same content. */
static void *pages_resize(void *data, uint64_t from, uint64_t to)
{
#ifdef SDF_SANITIZE /* sanitizers don't follow mremap: they would take new pages for whatever was there before */
    void *fresh = mmap(NULL, to, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (fresh == MAP_FAILED)
        return fresh;
    memcpy(fresh, data, from < to ? from : to);
    munmap(data, from);
    return fresh;
#else
    return mremap(data, from, to, MREMAP_MAYMOVE);
#endif
}

static int blob_map(blob *b, uint64_t want)
{
    want = page_round(want);
    void *data = b->mapped ? pages_resize(b->data, b->capacity, want)
                           : mmap(NULL, want, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED)
        return SDF_E_NO_MEMORY;
    if (!b->mapped && b->size > 0)
        memcpy(data, b->data, b->size);
    if (!b->mapped)
        free(b->data);
    if (want >= HUGE_FROM)
        madvise(data, want, MADV_HUGEPAGE); /* only speed hangs on it */
    b->data = data;
    b->capacity = want;
    b->mapped = 1;
    return SDF_OK;
}

/* The first append gets exactly its size (most small objects come in one), later ones double. */
static int blob_reserve(blob *b, uint64_t size)
{
    if (size <= b->capacity)
        return SDF_OK;
    uint64_t want = b->capacity * 2 > size ? b->capacity * 2 : size;
    if (b->mapped || want >= MAP_FROM)
        return blob_map(b, want);
    void *data = realloc(b->data, want);
    if (data == NULL)
        return SDF_E_NO_MEMORY;
    b->data = data;
    b->capacity = want;
    return SDF_OK;
}

/* Gives back what was reserved ahead; failing to is no harm. */
static void blob_trim(blob *b)
{
    if (b->mapped) {
        blob_map(b, b->size);
    } else if (b->size > 0 && b->capacity - b->size > b->size / 8) {
        void *data = realloc(b->data, b->size);
        b->data = data != NULL ? data : b->data;
        b->capacity = data != NULL ? b->size : b->capacity;
    }
}

/* ---- the table ---- */

static shard *shard_of(mem_store *m, uint64_t hash)
{
    return &m->shards[hash >> 60];
}

/* The link that points to the blob of that name, or to NULL at the end of its slot. Locks: the shard's is held. */
static blob **shard_link(shard *s, const char *name, uint64_t hash)
{
    blob **link = &s->slots[hash & (s->slot_count - 1)];
    while (*link != NULL && ((*link)->hash != hash || strcmp((*link)->name, name) != 0))
        link = &(*link)->next;
    return link;
}

/* Doubles the slots; without memory the chains just get longer. Locks: the shard's is held. */
static void shard_grow(shard *s)
{
    size_t count = s->slot_count * 2;
    blob **slots = calloc(count, sizeof *slots);
    if (slots == NULL)
        return;
    for (size_t i = 0; i < s->slot_count; i++) {
        for (blob *b = s->slots[i], *next; b != NULL; b = next) {
            next = b->next;
            b->next = slots[b->hash & (count - 1)];
            slots[b->hash & (count - 1)] = b;
        }
    }
    free(s->slots);
    s->slots = slots;
    s->slot_count = count;
}

/* The blob with a reference for the caller, or NULL. */
static blob *table_get(mem_store *m, const char *name)
{
    uint64_t hash = hash_xxh3(name, strlen(name));
    shard *s = shard_of(m, hash);
    pthread_mutex_lock(&s->lock);
    blob *b = *shard_link(s, name, hash);
    if (b != NULL)
        __atomic_add_fetch(&b->refs, 1, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&s->lock);
    return b;
}

static int not_found(const char *name, sdf_error **err)
{
    return error_set(err, SDF_E_NOT_FOUND, "the store mem: has no object \"%s\"", name);
}

/* ---- ops: writing ---- */

static int mem_writer_open(void *self, const char *name, int if_absent, void **writer, sdf_error **err)
{
    mem_store *m = self;
    int rc = store_check_name(name, err);
    if (rc == SDF_OK)
        rc = store_charge(m, BLOB_OVERHEAD, err);
    if (rc != SDF_OK)
        return rc;
    size_t name_size = strlen(name);
    blob *b = calloc(1, sizeof *b + name_size + 1);
    if (b == NULL) {
        __atomic_sub_fetch(&m->used, BLOB_OVERHEAD, __ATOMIC_RELAXED);
        return error_no_memory(err);
    }
    memcpy(b->name, name, name_size + 1);
    b->hash = hash_xxh3(name, name_size);
    b->refs = 1;
    b->if_absent = if_absent != 0;
    b->store = m;
    __atomic_add_fetch(&m->refs, 1, __ATOMIC_RELAXED);
    *writer = b;
    return SDF_OK;
}

static int mem_writer_append(void *self, void *writer, const sdf_slice *parts, size_t count, sdf_error **err)
{
    mem_store *m = self;
    blob *b = writer;
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += parts[i].size;
    int rc = store_charge(m, bytes, err);
    if (rc != SDF_OK) {
        error_prefix(err, "object \"%s\"", b->name);
        return rc;
    }
    if (blob_reserve(b, b->size + bytes) != SDF_OK) {
        __atomic_sub_fetch(&m->used, bytes, __ATOMIC_RELAXED);
        return error_no_memory(err);
    }
    for (size_t i = 0; i < count; i++) {
        if (parts[i].size > 0)
            memcpy(b->data + b->size, parts[i].data, parts[i].size);
        b->size += parts[i].size;
    }
    return SDF_OK;
}

static int mem_writer_commit(void *self, void *writer, sdf_error **err)
{
    mem_store *m = self;
    blob *b = writer;
    blob_trim(b);
    shard *s = shard_of(m, b->hash);
    pthread_mutex_lock(&s->lock);
    blob **link = shard_link(s, b->name, b->hash);
    blob *old = *link;
    int refused = old != NULL && b->if_absent;
    if (!refused) {
        b->next = old != NULL ? old->next : NULL;
        *link = b;
        s->count += old == NULL;
        if (s->count > s->slot_count)
            shard_grow(s);
    }
    pthread_mutex_unlock(&s->lock);
    if (refused) {
        error_set(err, SDF_E_EXISTS, "the store mem: has an object \"%s\" already", b->name);
        blob_unref(b);
        return SDF_E_EXISTS;
    }
    if (old != NULL)
        blob_unref(old);
    return SDF_OK;
}

static void mem_writer_abort(void *self, void *writer)
{
    blob_unref(writer);
}

/* ---- ops: reading ---- */

static int mem_read_one(mem_store *m, sdf_read *r)
{
    int rc = store_check_name(r->name, &r->err);
    if (rc != SDF_OK)
        return rc;
    blob *b = table_get(m, r->name);
    if (b == NULL)
        return not_found(r->name, &r->err);
    if (r->offset > b->size || r->length > b->size - r->offset) {
        rc =
            error_set(&r->err, SDF_E_CORRUPT,
                      "object \"%s\" in the store mem: has %llu bytes, too few for the %llu asked for at %llu", r->name,
                      (unsigned long long)b->size, (unsigned long long)r->length, (unsigned long long)r->offset);
        blob_unref(b);
        return rc;
    }
    r->view = (sdf_view){b->data != NULL ? b->data + r->offset : NULL, r->length, blob_release, b};
    return SDF_OK;
}

static int mem_read(void *self, sdf_read *const *reads, size_t count, sdf_error **err)
{
    for (size_t i = 0; i < count; i++)
        reads[i]->status = mem_read_one(self, reads[i]);
    return SDF_OK;
}

static int mem_head(void *self, const char *name, uint64_t *size, sdf_error **err)
{
    int rc = store_check_name(name, err);
    if (rc != SDF_OK)
        return rc;
    blob *b = table_get(self, name);
    if (b == NULL)
        return not_found(name, err);
    *size = b->size;
    blob_unref(b);
    return SDF_OK;
}

/* References to the shard's blobs under the prefix, so that the callback runs without the lock. NULL: no memory. */
static blob **shard_snapshot(shard *s, const char *prefix, size_t *count)
{
    size_t prefix_size = strlen(prefix);
    *count = 0;
    pthread_mutex_lock(&s->lock);
    blob **found = malloc((s->count + 1) * sizeof *found);
    for (size_t i = 0; found != NULL && s->count > 0 && i < s->slot_count; i++) {
        for (blob *b = s->slots[i]; b != NULL; b = b->next) {
            if (strncmp(b->name, prefix, prefix_size) != 0)
                continue;
            __atomic_add_fetch(&b->refs, 1, __ATOMIC_RELAXED);
            found[(*count)++] = b;
        }
    }
    pthread_mutex_unlock(&s->lock);
    return found;
}

static int mem_list(void *self, const char *prefix, sdf_list_fn callback, void *user, sdf_error **err)
{
    mem_store *m = self;
    int rc = store_check_prefix(prefix, err);
    for (size_t i = 0; i < SHARDS && rc == SDF_OK; i++) {
        size_t count;
        blob **found = shard_snapshot(&m->shards[i], prefix, &count);
        if (found == NULL)
            return error_no_memory(err);
        for (size_t j = 0; j < count; j++) {
            sdf_object_info info = {.struct_size = sizeof info, .name = found[j]->name, .size = found[j]->size};
            if (rc == SDF_OK)
                rc = callback(&info, user);
            blob_unref(found[j]);
        }
        free(found);
    }
    return rc;
}

static int mem_remove(void *self, const char *const *names, size_t count, sdf_error **err)
{
    mem_store *m = self;
    for (size_t i = 0; i < count; i++) {
        int rc = store_check_name(names[i], err);
        if (rc != SDF_OK)
            return rc;
        uint64_t hash = hash_xxh3(names[i], strlen(names[i]));
        shard *s = shard_of(m, hash);
        pthread_mutex_lock(&s->lock);
        blob **link = shard_link(s, names[i], hash);
        blob *b = *link;
        if (b != NULL) {
            *link = b->next;
            s->count--;
        }
        pthread_mutex_unlock(&s->lock);
        if (b != NULL)
            blob_unref(b);
    }
    return SDF_OK;
}

static uint64_t mem_memory(void *self)
{
    return __atomic_load_n(&((mem_store *)self)->used, __ATOMIC_RELAXED);
}

/* ---- opening ---- */

static void mem_destroy(void *self)
{
    mem_store *m = self;
    for (size_t i = 0; i < SHARDS; i++) {
        shard *s = &m->shards[i];
        for (size_t j = 0; j < s->slot_count; j++) {
            for (blob *b = s->slots[j], *next; b != NULL; b = next) {
                next = b->next;
                blob_unref(b);
            }
            s->slots[j] = NULL;
        }
    }
    store_drop(m);
}

int mem_store_open(const char *rest, void *user, void **self, sdf_error **err)
{
    struct {
        uint64_t cap;
    } options = {(uint64_t)sysconf(_SC_PHYS_PAGES) / 2 * (uint64_t)sysconf(_SC_PAGESIZE)};
    static const option_spec specs[] = {{"cap", OPTION_SIZE, 0, NULL}};
    int rc = options_read(rest, strlen(rest), ',', "mem:", specs, 1, &options, err);
    if (rc != SDF_OK)
        return rc;
    mem_store *m = NULL;
    if (posix_memalign((void **)&m, 64, sizeof *m) != 0)
        return error_no_memory(err);
    memset(m, 0, sizeof *m);
    m->cap = options.cap;
    m->refs = 1;
    int failed = 0;
    for (size_t i = 0; i < SHARDS; i++) {
        shard *s = &m->shards[i];
        pthread_mutex_init(&s->lock, NULL);
        s->slots = calloc(FIRST_SLOTS, sizeof *s->slots);
        s->slot_count = FIRST_SLOTS;
        failed |= s->slots == NULL;
    }
    if (failed) {
        store_drop(m);
        return error_no_memory(err);
    }
    *self = m;
    return SDF_OK;
}

const sdf_store_ops mem_store_ops = {
    .struct_size = sizeof(sdf_store_ops),
    .version = SDF_STORE_VERSION,
    .scope = SDF_SCOPE_PROCESS,
    .writer_open = mem_writer_open,
    .writer_append = mem_writer_append,
    .writer_commit = mem_writer_commit,
    .writer_abort = mem_writer_abort,
    .read = mem_read,
    .head = mem_head,
    .list = mem_list,
    .remove = mem_remove,
    .destroy = mem_destroy,
    .memory = mem_memory,
};
