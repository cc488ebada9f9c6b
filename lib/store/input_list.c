/* What the names of an input stand for: sources asked, manifests read. See input.h for the rules. */
#include "store/input.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "codec/codec.h"
#include "store/source.h"

#define NAME_BYTES_MAX     4096
#define VERSION_BYTES_MAX  1024
#define MANIFEST_BYTES_MAX (UINT64_C(64) << 20) /* decompressed */
#define MANIFEST_PIECE     65536

typedef struct file_list {
    input_file *files;
    size_t count, capacity;
    uint32_t scope; /* the narrowest so far */
    const source *from;
    sdf_error **err;
    int status; /* of what add_file met: a source only hands on that there was something */
} file_list;

void input_list_free(input_file *files, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(files[i].name);
        free(files[i].version);
    }
    free(files);
}

/* ---- what sources list ---- */

static int check_info(const file_list *list, const sdf_source_info *info)
{
    const char *scheme = list->from->base.head.name;
    if (info->name == NULL || *info->name == 0 || strnlen(info->name, NAME_BYTES_MAX + 1) > NAME_BYTES_MAX ||
        strchr(info->name, '\n') != NULL)
        return error_set(list->err, SDF_E_INVALID,
                         "the source \"%s:\" lists a file whose name is empty, too long or of two lines", scheme);
    if (source_of(info->name) != list->from)
        return error_set(list->err, SDF_E_INVALID, "the source \"%s:\" lists \"%.200s\", which is not of its scheme",
                         scheme, info->name);
    if (info->version != NULL && strnlen(info->version, VERSION_BYTES_MAX + 1) > VERSION_BYTES_MAX)
        return error_set(list->err, SDF_E_LIMIT, "the version tag of \"%.200s\" is longer than %d bytes", info->name,
                         VERSION_BYTES_MAX);
    return SDF_OK;
}

static int append_file(file_list *list, const sdf_source_info *info)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 16;
        input_file *files = realloc(list->files, capacity * sizeof *files);
        if (files == NULL)
            return error_no_memory(list->err);
        list->files = files;
        list->capacity = capacity;
    }
    bool tagged = info->version != NULL && *info->version != 0;
    input_file file = {strdup(info->name), info->size, info->modified_ns, tagged ? strdup(info->version) : NULL};
    if (file.name == NULL || (tagged && file.version == NULL)) {
        free(file.name);
        free(file.version);
        return error_no_memory(list->err);
    }
    list->files[list->count++] = file;
    return SDF_OK;
}

static int add_file(const sdf_source_info *info, void *user)
{
    file_list *list = user;
    /* Files of this machine may have odd names, but not wrong ones. */
    list->status = list->from == source_of("file:") ? SDF_OK : check_info(list, info);
    if (list->status == SDF_OK)
        list->status = append_file(list, info);
    return list->status;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const input_file *)a)->name, ((const input_file *)b)->name);
}

/* In order; a file that "**" came upon in two ways is there once. */
static void sort_files(file_list *list, size_t first)
{
    if (list->count - first < 2)
        return;
    qsort(list->files + first, list->count - first, sizeof *list->files, by_name);
    size_t kept = first + 1;
    for (size_t i = first + 1; i < list->count; i++) {
        if (strcmp(list->files[i].name, list->files[kept - 1].name) != 0) {
            list->files[kept++] = list->files[i];
        } else {
            free(list->files[i].name);
            free(list->files[i].version);
        }
    }
    list->count = kept;
}

/* A name of a source: itself, a folder, a glob. */
static int add_source(file_list *list, const char *uri)
{
    source *from = source_of(uri);
    size_t first = list->count;
    int rc = service_enter(&from->base, list->err);
    if (rc != SDF_OK)
        return rc;
    list->from = from;
    list->status = SDF_OK;
    rc = from->ops.list(from->base.self, uri, add_file, list, list->err);
    service_leave(&from->base);
    if (list->status != SDF_OK)
        return list->status;
    if (rc == SDF_OK && list->count == first) {
        rc = error_set(list->err, SDF_E_NOT_FOUND, "no input file is found under \"%s\"", uri);
        error_hint(list->err, "check the name; the source \"%s:\" lists nothing for it", from->base.head.name);
    }
    if (rc != SDF_OK)
        return rc;
    sort_files(list, first);
    if (from->ops.scope < list->scope)
        list->scope = from->ops.scope;
    return SDF_OK;
}

/* ---- manifests ---- */

static bool is_manifest(const char *uri)
{
    return strncmp(uri, "manifest:", 9) == 0;
}

/* Whether a name stands for itself, and not for something in the manifest's folder. */
static bool is_absolute(const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");
    return *name == '/' || source_of(name) != source_of("file:") || strncmp(name, "file:", 5) == 0 ||
           strncmp(name + n, "://", 3) == 0;
}

/* A relative name of a manifest, joined to its folder. If the name is a glob, the folder must not be part of it. */
static char *in_folder(const char *manifest, const char *name)
{
    const char *end = strrchr(manifest, '/');
    if (end == NULL)
        end = strchr(manifest, ':');
    size_t size = end != NULL ? (size_t)(end - manifest) + 1 : 0;
    bool glob = *manifest == '/' && strpbrk(name, "*?[") != NULL;
    char *full = malloc(2 * size + strlen(name) + 1), *p = full;
    for (size_t i = 0; full != NULL && i < size; i++) {
        if (glob && strchr("*?[\\", manifest[i]) != NULL)
            *p++ = '\\';
        *p++ = manifest[i];
    }
    if (full != NULL)
        strcpy(p, name);
    return full;
}

static int add_line(file_list *list, const char *manifest, const char *line)
{
    if (is_manifest(line)) {
        error_set(list->err, SDF_E_INVALID, "\"%.200s\" is a manifest itself", line);
        error_hint(list->err, "a manifest names files, folders and globs; name several manifests one after another");
        return SDF_E_INVALID;
    }
    char *name = is_absolute(line) ? strdup(line) : in_folder(manifest, line);
    int rc = name != NULL ? add_source(list, name) : error_no_memory(list->err);
    free(name);
    return rc;
}

static int add_lines(file_list *list, const char *manifest, char *text, size_t size)
{
    size_t number = 0, mark = size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0; /* of UTF-8: no name */
    int rc = SDF_OK;
    for (char *line = text + mark, *end = text + size; rc == SDF_OK && line < end;) {
        char *stop = memchr(line, '\n', (size_t)(end - line));
        char *next = stop != NULL ? stop + 1 : end;
        stop = stop != NULL ? stop : end;
        stop -= stop > line && stop[-1] == '\r';
        *stop = 0; /* text has room for one more byte */
        number++;
        if (strlen(line) != (size_t)(stop - line))
            rc = error_set(list->err, SDF_E_INVALID, "a name has a NUL byte in it");
        else if (stop - line > NAME_BYTES_MAX)
            rc = error_set(list->err, SDF_E_LIMIT, "a name is longer than %d bytes", NAME_BYTES_MAX);
        else if (*line != 0 && *line != '#')
            rc = add_line(list, manifest, line);
        line = next;
    }
    if (rc != SDF_OK)
        error_prefix(list->err, "the manifest \"%s\", line %zu", manifest, number);
    return rc;
}

static int read_manifest(const input_file *file, buf *text, sdf_error **err)
{
    task_split split = {.path = file->name,
                        .file_size = file->size,
                        .file_mtime_ns = file->mtime_ns,
                        .version = file->version,
                        .codec = (uint8_t)codec_of_path(file->name)};
    budget own;
    budget_init(&own, MANIFEST_BYTES_MAX);
    input_stream *s;
    int rc = input_stream_open(&split, 0, &own, &s, err);
    if (rc != SDF_OK)
        return rc;
    for (size_t got = 0; rc == SDF_OK; text->size += got) {
        if (text->size > MANIFEST_BYTES_MAX)
            rc = error_set(err, SDF_E_LIMIT, "the manifest \"%s\" is larger than %u MiB", file->name,
                           (unsigned)(MANIFEST_BYTES_MAX >> 20));
        else if (buf_reserve(text, MANIFEST_PIECE + 1) != SDF_OK)
            rc = error_no_memory(err);
        else
            rc = input_stream_read(s, text->data + text->size, MANIFEST_PIECE, &got, err);
    }
    input_stream_close(s);
    return rc == SDF_END ? SDF_OK : rc;
}

static int add_manifest(file_list *list, const char *uri)
{
    file_list own = {.scope = list->scope, .err = list->err};
    buf text = BUF_EMPTY;
    size_t first = list->count;
    int rc = is_manifest(uri + 9) ? error_set(list->err, SDF_E_INVALID, "\"%.200s\" names a manifest twice", uri)
                                  : add_source(&own, uri + 9);
    if (rc != SDF_OK)
        error_prefix(list->err, "the manifest");
    else if (own.count != 1)
        rc = error_set(list->err, SDF_E_INVALID, "the manifest \"%s\" stands for %zu files, not one", uri + 9,
                       own.count);
    if (rc == SDF_OK)
        rc = read_manifest(own.files, &text, list->err);
    if (rc == SDF_OK)
        rc = add_lines(list, own.files[0].name, (char *)text.data, text.size);
    if (rc == SDF_OK && list->count == first)
        rc = error_set(list->err, SDF_E_NOT_FOUND, "the manifest \"%s\" names no files", own.files[0].name);
    buf_free(&text);
    input_list_free(own.files, own.count);
    return rc;
}

/* ---- the whole ---- */

int input_list(const char *uris, input_file **files, size_t *count, uint32_t *scope, sdf_error **err)
{
    file_list list = {.scope = SDF_SCOPE_NETWORK, .err = err};
    int rc = SDF_OK;
    for (const char *at = uris; rc == SDF_OK && *at != 0;) {
        size_t size = strcspn(at, "\n");
        if (size > 0) {
            char *uri = strndup(at, size);
            rc = uri == NULL        ? error_no_memory(err)
                 : is_manifest(uri) ? add_manifest(&list, uri)
                                    : add_source(&list, uri);
            free(uri);
        }
        at += size + (at[size] == '\n');
    }
    if (rc == SDF_OK && list.count == 0)
        rc = error_set(err, SDF_E_INVALID, "no input file is named");
    if (rc != SDF_OK) {
        input_list_free(list.files, list.count);
        return rc;
    }
    *files = list.files;
    *count = list.count;
    if (scope != NULL)
        *scope = list.scope;
    return SDF_OK;
}
