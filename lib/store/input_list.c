/* Finding input files: paths, globs, folders. See input.h for the rules. */
#include "store/input.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/path.h"
#include "store/local.h"

typedef struct file_list {
    input_file *files;
    size_t count, capacity;
} file_list;

void input_list_free(input_file *files, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(files[i].path);
    free(files);
}

static int hidden(const char *name)
{
    return *name == '.' || *name == '_';
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

/* Adds a readable regular file; takes `path`. */
static int add_file(file_list *list, char *path, const struct stat *st, sdf_error **err)
{
    int rc = SDF_OK;
    if (faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) != 0)
        rc = local_error(err, errno, "can't read the input file \"%s\"", path);
    if (rc == SDF_OK && list->count == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 16;
        input_file *files = realloc(list->files, capacity * sizeof *files);
        if (files == NULL) {
            rc = error_no_memory(err);
        } else {
            list->files = files;
            list->capacity = capacity;
        }
    }
    if (rc != SDF_OK) {
        free(path);
        return rc;
    }
    list->files[list->count++] = (input_file){path, (uint64_t)st->st_size, local_mtime_ns(st)};
    return SDF_OK;
}

/* ---- folders ---- */

static int add_entry(file_list *list, const char *folder, const char *name, sdf_error **err)
{
    char *path = path_join(folder, name);
    if (path == NULL)
        return error_no_memory(err);
    struct stat st;
    int rc;
    if (stat(path, &st) != 0)
        rc = local_error(err, errno, "can't read the input file \"%s\"", path);
    else if (S_ISREG(st.st_mode))
        return add_file(list, path, &st, err);
    else
        rc = SDF_OK; /* folders inside, sockets: not files */
    free(path);
    return rc;
}

static int add_folder(file_list *list, const char *path, sdf_error **err)
{
    DIR *folder = opendir(path);
    if (folder == NULL)
        return local_error(err, errno, "can't read the input folder \"%s\"", path);
    int rc = SDF_OK;
    struct dirent *d;
    while (rc == SDF_OK && (errno = 0, d = readdir(folder)) != NULL)
        if (!hidden(d->d_name))
            rc = add_entry(list, path, d->d_name, err);
    if (rc == SDF_OK && errno != 0)
        rc = local_error(err, errno, "can't read the input folder \"%s\"", path);
    closedir(folder);
    return rc;
}

static int add_path(file_list *list, const char *path, const struct stat *st, sdf_error **err)
{
    if (S_ISDIR(st->st_mode))
        return add_folder(list, path, err);
    if (!S_ISREG(st->st_mode)) {
        error_set(err, SDF_E_INVALID, "the input \"%s\" is neither a file nor a folder", path);
        error_hint(err, "copy what a device or pipe yields into a file first");
        return SDF_E_INVALID;
    }
    char *copy = strdup(path);
    return copy != NULL ? add_file(list, copy, st, err) : error_no_memory(err);
}

/* ---- globs ---- */

/* What made a glob stop. glob(3) has no room for an argument to its callback. */
static _Thread_local int glob_number;
static _Thread_local char glob_path[256];

static int glob_stopped(const char *path, int number)
{
    glob_number = number;
    glob_path[0] = 0;
    strncat(glob_path, path, sizeof glob_path - 1);
    return number != ENOENT && number != ENOTDIR; /* a folder that is not there has no matches */
}

/* glob(3) under the C locale of this thread: ranges like [a-z] and bytes that are no characters match bytewise. */
static int glob_bytes(const char *pattern, glob_t *found)
{
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (c == (locale_t)0)
        return GLOB_NOSPACE;
    locale_t before = uselocale(c);
    int rc = glob(pattern, GLOB_NOSORT, glob_stopped, found);
    uselocale(before);
    freelocale(c);
    return rc;
}

static int add_matches(file_list *list, const char *pattern, const glob_t *found, sdf_error **err)
{
    int spelled = hidden(last_part(pattern));
    for (size_t i = 0; i < found->gl_pathc; i++) {
        const char *path = found->gl_pathv[i];
        struct stat st;
        if (!spelled && hidden(last_part(path)))
            continue;
        int rc = stat(path, &st) == 0 ? add_path(list, path, &st, err)
                                      : local_error(err, errno, "can't read the input file \"%s\"", path);
        if (rc != SDF_OK)
            return rc;
    }
    return SDF_OK;
}

/* The absolute path as a pattern: in a relative one, the working folder in front is no part of the glob. malloc'd. */
static char *glob_pattern(const char *path, const char *uri)
{
    const char *given = strncmp(uri, "file:", 5) == 0 ? uri + 5 : uri;
    size_t size = strlen(given);
    while (size > 1 && given[size - 1] == '/')
        size--;
    size_t literal = *given == '/' ? 0 : strlen(path) - size;
    char *pattern = malloc(2 * strlen(path) + 1), *p = pattern;
    for (size_t i = 0; pattern != NULL && i <= strlen(path); i++) {
        if (i < literal && strchr("*?[\\", path[i]) != NULL)
            *p++ = '\\';
        *p++ = path[i];
    }
    return pattern;
}

static int add_glob(file_list *list, const char *path, const char *uri, sdf_error **err)
{
    glob_t found;
    memset(&found, 0, sizeof found);
    char *pattern = glob_pattern(path, uri);
    if (pattern == NULL)
        return error_no_memory(err);
    int rc = glob_bytes(pattern, &found);
    if (rc == GLOB_NOMATCH)
        rc = SDF_OK; /* the caller sees that nothing came */
    else if (rc == GLOB_ABORTED)
        rc = local_error(err, glob_number, "can't read the folder \"%s\", which the input \"%s\" asks for", glob_path,
                         path);
    else if (rc != 0)
        rc = error_no_memory(err);
    else
        rc = add_matches(list, pattern, &found, err);
    globfree(&found);
    free(pattern);
    return rc;
}

/* ---- names ---- */

static int by_path(const void *a, const void *b)
{
    return strcmp(((const input_file *)a)->path, ((const input_file *)b)->path);
}

static int nothing_found(const char *path, int is_folder, int is_glob, sdf_error **err)
{
    if (is_folder) {
        error_set(err, SDF_E_NOT_FOUND, "the input folder \"%s\" has no files", path);
        error_hint(err, "folders inside it, and names beginning with '.' or '_', are left out");
    } else if (is_glob) {
        error_set(err, SDF_E_NOT_FOUND, "no input file matches \"%s\"", path);
        error_hint(err, "check the pattern (* ? [ ]); names beginning with '.' or '_' are left out");
    } else {
        error_set(err, SDF_E_NOT_FOUND, "the input file \"%s\" does not exist", path);
        error_hint(err, "check the path");
    }
    return SDF_E_NOT_FOUND;
}

static int add_name(file_list *list, const char *uri, sdf_error **err)
{
    char *path;
    int rc = local_path(uri, &path, err);
    if (rc != SDF_OK)
        return rc;
    size_t first = list->count;
    struct stat st;
    int there = stat(path, &st) == 0, number = errno;
    int is_glob = !there && strpbrk(path, "*?[") != NULL;
    if (there)
        rc = add_path(list, path, &st, err);
    else if (is_glob)
        rc = add_glob(list, path, uri, err);
    else if (number != ENOENT && number != ENOTDIR)
        rc = local_error(err, number, "can't read the input file \"%s\"", path);
    if (rc == SDF_OK && list->count == first)
        rc = nothing_found(path, there, is_glob, err);
    if (list->count > first)
        qsort(list->files + first, list->count - first, sizeof *list->files, by_path);
    free(path);
    return rc;
}

int input_list(const char *uris, input_file **files, size_t *count, sdf_error **err)
{
    file_list list = {NULL, 0, 0};
    int rc = SDF_OK;
    for (const char *at = uris; rc == SDF_OK && *at != 0;) {
        size_t size = strcspn(at, "\n");
        if (size > 0) {
            char *uri = strndup(at, size);
            rc = uri != NULL ? add_name(&list, uri, err) : error_no_memory(err);
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
    return SDF_OK;
}
