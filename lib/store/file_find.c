/* Finding files of this machine: a path, the files of a folder, those that match a glob.
 * A name that is there as it stands is taken so, else it is a glob (no braces). A folder stands for its files, without
 * folders in it and names beginning with '.' or '_'; a glob may match folders, and leaves such names out too unless it
 * spells the '.' or '_' itself. "**" is any number of folders, none included, but no hidden ones and no links. */
#include "store/source.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/path.h"
#include "store/local.h"

typedef struct finder {
    sdf_source_list_fn callback;
    void *user;
    sdf_error **err;
    const char *name; /* as given */
    char **parts;     /* of the glob */
    size_t count;
    bool deep;      /* it ends with any files at any depth: folders that match are not to be opened for themselves */
    uint64_t found; /* files */
} finder;

static bool hidden(const char *name)
{
    return *name == '.' || *name == '_';
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

static int show(finder *f, const char *path, const struct stat *st)
{
    if (faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) != 0)
        return local_error(f->err, errno, "can't read the input file \"%s\"", path);
    sdf_source_info info = {
        .struct_size = sizeof info,
        .name = path,
        .size = (uint64_t)st->st_size,
        .modified_ns = local_mtime_ns(st),
    };
    f->found++;
    return f->callback(&info, f->user);
}

/* ---- folders ---- */

static int show_entry(finder *f, const char *folder, const char *name)
{
    char *path = path_join(folder, name);
    if (path == NULL)
        return error_no_memory(f->err);
    struct stat st;
    int rc = SDF_OK; /* folders inside, sockets: not files */
    if (stat(path, &st) != 0)
        rc = local_error(f->err, errno, "can't read the input file \"%s\"", path);
    else if (S_ISREG(st.st_mode))
        rc = show(f, path, &st);
    free(path);
    return rc;
}

static int show_folder(finder *f, const char *path)
{
    buf entries = BUF_EMPTY;
    int number = local_entries(path, &entries);
    int rc = number == 0 ? SDF_OK : local_error(f->err, number, "can't read the input folder \"%s\"", path);
    for (size_t at = 0; rc == SDF_OK && at < entries.size;) {
        const char *name = (const char *)entries.data + at + 1;
        if (!hidden(name))
            rc = show_entry(f, path, name);
        at += strlen(name) + 2;
    }
    buf_free(&entries);
    return rc;
}

static int show_path(finder *f, const char *path, const struct stat *st)
{
    if (S_ISDIR(st->st_mode))
        return show_folder(f, path);
    if (S_ISREG(st->st_mode))
        return show(f, path, st);
    error_set(f->err, SDF_E_INVALID, "the input \"%s\" is neither a file nor a folder", path);
    error_hint(f->err, "copy what a device or pipe yields into a file first");
    return SDF_E_INVALID;
}

/* ---- globs ---- */

static int match_part(finder *f, const char *path, size_t part);

static bool is_deep(const char *part)
{
    return strcmp(part, "**") == 0;
}

/* All parts are matched. */
static int show_match(finder *f, const char *path)
{
    struct stat st;
    if (!hidden(f->parts[f->count - 1]) && hidden(last_part(path)))
        return SDF_OK;
    if (stat(path, &st) != 0)
        return local_error(f->err, errno, "can't read the input file \"%s\"", path);
    return f->deep && S_ISDIR(st.st_mode) ? SDF_OK : show_path(f, path, &st);
}

static bool is_folder(const char *path, unsigned char type)
{
    struct stat st;
    return type == DT_DIR || (type == DT_UNKNOWN && lstat(path, &st) == 0 && S_ISDIR(st.st_mode));
}

/* An entry of the folder that part's turn has come in. */
static int match_entry(finder *f, const char *folder, unsigned char type, const char *name, size_t part)
{
    bool deep = is_deep(f->parts[part]);
    if (deep ? hidden(name) : fnmatch(f->parts[part], name, FNM_PERIOD) != 0)
        return SDF_OK;
    if (part + 1 < f->count && type != DT_DIR && type != DT_LNK && type != DT_UNKNOWN)
        return SDF_OK;
    char *path = path_join(folder, name);
    int rc = SDF_OK;
    if (path == NULL)
        rc = error_no_memory(f->err);
    else if (!deep)
        rc = match_part(f, path, part + 1);
    else if (is_folder(path, type))
        rc = match_part(f, path, part);
    free(path);
    return rc;
}

/* A part without a wildcard: *name is what it spells, malloc'd; NULL: it has one. SDF_OK or no memory. */
static int literal_part(const char *part, char **name)
{
    char *text = malloc(strlen(part) + 1), *p = text;
    if (text == NULL)
        return SDF_E_NO_MEMORY;
    bool wild = false;
    for (; *part != 0 && !wild; part++) {
        wild = strchr("*?[", *part) != NULL;
        part += *part == '\\' && part[1] != 0;
        *p++ = *part;
    }
    *p = 0;
    if (wild)
        free(text);
    *name = wild ? NULL : text;
    return SDF_OK;
}

static int match_entries(finder *f, const char *folder, size_t part)
{
    buf entries = BUF_EMPTY;
    int rc = SDF_OK, number = local_entries(folder, &entries);
    if (number != 0 && number != ENOENT && number != ENOTDIR) /* a folder that is not there has no matches */
        rc = local_error(f->err, number, "can't read the folder \"%s\", which the input \"%s\" asks for", folder,
                         f->name);
    for (size_t at = 0; rc == SDF_OK && at < entries.size;) {
        const char *name = (const char *)entries.data + at + 1;
        rc = match_entry(f, folder, entries.data[at], name, part);
        at += strlen(name) + 2;
    }
    buf_free(&entries);
    return rc;
}

/* The parts from this one on, in the folder (or, behind the last one, the file) `path`. Depth: of the folders. */
static int match_part(finder *f, const char *path, size_t part)
{
    if (part == f->count)
        return show_match(f, path);
    char *name;
    if (literal_part(f->parts[part], &name) != SDF_OK)
        return error_no_memory(f->err);
    if (name == NULL) {
        int rc = is_deep(f->parts[part]) ? match_part(f, path, part + 1) : SDF_OK;
        return rc == SDF_OK ? match_entries(f, path, part) : rc;
    }
    char *full = path_join(path, name);
    free(name);
    if (full == NULL)
        return error_no_memory(f->err);
    struct stat st;
    int rc = part + 1 < f->count || lstat(full, &st) == 0 ? match_part(f, full, part + 1) : SDF_OK;
    free(full);
    return rc;
}

/* Splits the glob at its slashes, in place, into f->parts, which has room. One that ends with two stars means all files
 * below. */
static void split_parts(finder *f, char *glob)
{
    static char all[] = "*";
    char *state = NULL;
    for (char *part = strtok_r(glob, "/", &state); part != NULL; part = strtok_r(NULL, "/", &state))
        if (f->count == 0 || !is_deep(part) || !is_deep(f->parts[f->count - 1]))
            f->parts[f->count++] = part;
    if (is_deep(f->parts[f->count - 1]))
        f->parts[f->count++] = all;
    f->deep = f->count > 1 && strcmp(f->parts[f->count - 1], "*") == 0 && is_deep(f->parts[f->count - 2]);
}

/* fnmatch(3) under the C locale of this thread: ranges like [a-z] and bytes that are no characters match bytewise. */
static int match_bytes(finder *f, const char *root)
{
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (c == (locale_t)0)
        return error_no_memory(f->err);
    locale_t before = uselocale(c);
    int rc = match_part(f, root, 0);
    uselocale(before);
    freelocale(c);
    return rc;
}

/* `path` is f->name made absolute. The working folder in front of a relative one is no part of the glob. */
static int show_matches(finder *f, const char *path)
{
    const char *given = strncmp(f->name, "file:", 5) == 0 ? f->name + 5 : f->name;
    size_t size = strlen(given);
    while (size > 1 && given[size - 1] == '/')
        size--;
    size_t root_size = *given == '/' ? 0 : strlen(path) - size;
    char *glob = strdup(path + root_size), *root = root_size > 0 ? strndup(path, root_size) : strdup("/");
    f->parts = calloc(strlen(path) + 2, sizeof *f->parts);
    int rc;
    if (glob == NULL || root == NULL || f->parts == NULL) {
        rc = error_no_memory(f->err);
    } else {
        split_parts(f, glob);
        rc = match_bytes(f, root);
    }
    free(f->parts);
    free(glob);
    free(root);
    return rc;
}

/* ---- names ---- */

static int nothing_found(const char *path, bool is_folder_name, bool is_glob, sdf_error **err)
{
    if (is_folder_name) {
        error_set(err, SDF_E_NOT_FOUND, "the input folder \"%s\" has no files", path);
        error_hint(err, "folders inside it, and names beginning with '.' or '_', are left out");
    } else if (is_glob) {
        error_set(err, SDF_E_NOT_FOUND, "no input file matches \"%s\"", path);
        error_hint(err, "check the pattern (* ? [ ] **); names beginning with '.' or '_' are left out");
    } else {
        error_set(err, SDF_E_NOT_FOUND, "the input file \"%s\" does not exist", path);
        error_hint(err, "check the path");
    }
    return SDF_E_NOT_FOUND;
}

int file_find(void *self, const char *name, sdf_source_list_fn callback, void *user, sdf_error **err)
{
    finder f = {.callback = callback, .user = user, .err = err, .name = name};
    char *path;
    int rc = local_path(name, &path, err);
    if (rc != SDF_OK)
        return rc;
    struct stat st;
    bool there = stat(path, &st) == 0;
    int number = errno;
    bool is_glob = !there && strpbrk(path, "*?[") != NULL;
    if (there)
        rc = show_path(&f, path, &st);
    else if (is_glob)
        rc = show_matches(&f, path);
    else if (number != ENOENT && number != ENOTDIR)
        rc = local_error(err, number, "can't read the input file \"%s\"", path);
    if (rc == SDF_OK && f.found == 0)
        rc = nothing_found(path, there, is_glob, err);
    free(path);
    return rc;
}
