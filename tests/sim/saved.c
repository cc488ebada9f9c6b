/* What a save left: files of a folder, the one file, or of a virtual output. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/path.h"
#include "jobs.h"

typedef struct file {
    char name[300];
    buf data;
} file;

typedef struct files {
    file *at;
    uint32_t count;
} files;

static void keep(const char *name, const void *data, size_t size, void *user)
{
    files *all = user;
    all->at = sim_grow(all->at, (all->count + 1) * sizeof *all->at);
    file *f = &all->at[all->count++];
    memset(f, 0, sizeof *f);
    snprintf(f->name, sizeof f->name, "%s", name);
    buf_append(&f->data, data, size);
}

static void keep_file(files *all, const char *path, const char *name)
{
    buf data = BUF_EMPTY;
    char block[4096];
    FILE *f = fopen(path, "rb");
    for (size_t n; f && (n = fread(block, 1, sizeof block, f)) > 0;)
        buf_append(&data, block, n);
    if (f)
        fclose(f);
    keep(name, data.data, data.size, all);
    buf_free(&data);
}

/* What is below `folder`, but for what outputs keep of their own while they run. */
static void keep_folder(files *all, const char *folder, const char *prefix)
{
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d)) != NULL;) {
        char path[1200], name[300];
        struct stat st;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        snprintf(name, sizeof name, "%s%.250s", prefix, e->d_name);
        if (e->d_name[0] == '.' || strcmp(e->d_name, "_temporary") == 0 || stat(path, &st) != 0)
            continue;
        if (S_ISDIR(st.st_mode))
            keep_folder(all, path, strcmp(name, "_errors") == 0 ? "_errors/" : "elsewhere/");
        else
            keep_file(all, path, name);
    }
    if (d)
        closedir(d);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const file *)a)->name, ((const file *)b)->name);
}

/* ---- what is in them ---- */

static void read_lines(sim_job *j, const file *f, recs *out)
{
    const char *at = (const char *)f->data.data, *end = at + f->data.size;
    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        const char *tab = stop ? memrchr(at, '\t', (size_t)(stop - at)) : NULL;
        if (tab == NULL) {
            world_wrong(j->world, "%s has a line that is no record", f->name);
            return;
        }
        recs_add(out, at, (size_t)(tab - at), strtoll(tab + 1, NULL, 10));
        at = stop + 1;
    }
}

static int64_t count_lines(sim_job *j, const file *f)
{
    int64_t lines = 0;
    for (size_t i = 0; i < f->data.size; i++)
        lines += f->data.data[i] == '\n';
    if (f->data.size == 0 || f->data.data[f->data.size - 1] != '\n')
        world_wrong(j->world, "%s is empty, or ends within a line", f->name);
    return lines;
}

static void read_file(sim_job *j, const file *f, saved *s)
{
    if (strcmp(f->name, "_SUCCESS") == 0) {
        s->whole = true;
        return;
    }
    s->files++;
    if (strncmp(f->name, "_errors/", 8) == 0)
        s->errors += count_lines(j, f);
    else if (strncmp(f->name, "part-", 5) == 0 || strcmp(f->name, "single") == 0)
        read_lines(j, f, &s->records);
    else
        world_wrong(j->world, "%s is left over in the output", f->name);
}

static bool is_virtual(const sim_job *j)
{
    return strncmp(j->uri, "simsink:", 8) == 0;
}

void saved_look(sim_job *j, saved *s)
{
    files all = {0};
    uint32_t count;
    struct stat st;
    if (is_virtual(j)) {
        s->whole = sink_look(j->uri, &count, keep, &all);
    } else if (j->single && stat(j->uri, &st) == 0) {
        keep_file(&all, j->uri, "single");
        s->whole = true;
    } else if (!j->single) {
        keep_folder(&all, j->uri, "");
    }
    if (all.count)
        qsort(all.at, all.count, sizeof *all.at, by_name);
    for (uint32_t i = 0; i < all.count; i++) {
        read_file(j, &all.at[i], s);
        buf_free(&all.at[i].data);
    }
    free(all.at);
}

void saved_remove(const sim_job *j)
{
    if (is_virtual(j))
        return;
    if (j->single)
        remove(j->uri);
    else
        path_remove_tree(j->uri, NULL);
}
