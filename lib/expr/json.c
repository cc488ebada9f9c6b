/* Looking for paths in JSON documents: only objects and arrays that lead to one are walked through; everything else is
 * passed over by counting brackets, and looked at no closer. The walk ends when all is found. */
#include "expr/json.h"

#include <string.h>

#include "base/error.h"
#include "base/num.h"
#include "expr/json_scan.h"
#include "expr/json_text.h"

#define UNDECIDED 255
#define NO_INDEX  INT64_MAX

/* A step of paths. */
typedef struct node {
    struct node *next, *children;
    sdf_slice name;
    int64_t index;    /* as an item's number; NO_INDEX: it can't be one */
    int64_t last;     /* largest index of the children, -1: none */
    uint32_t count;   /* of children */
    uint32_t leaves;  /* paths that end here or below */
    int64_t path;     /* that ends here; -1: none */
    uint64_t visited; /* the run in which it was met */
} node;

struct json_paths {
    const json_ops *ops;
    arena *memory;
    node root;
    size_t count;
    uint64_t run;
    uint8_t *own_states; /* for json_explain */
    sdf_slice *own_values;
};

typedef enum walked { GO_ON, ALL_FOUND, BROKEN, NO_MEMORY } walked;

typedef struct walk {
    json_scan scan;
    json_paths *paths;
    arena *text;
    sdf_slice *values;
    uint8_t *states;
    size_t left; /* paths that are not decided */
    const char *problem;
    size_t problem_at;
} walk;

/* ---- paths ---- */

/* The next step of a path, escapes undone into `name`; moves *at behind its dot. False: it was the last one. */
static bool take_step(const char *path, size_t size, size_t *at, char *name, size_t *length)
{
    size_t i = *at;
    *length = 0;
    for (; i < size && path[i] != '.'; i++) {
        i += path[i] == '\\' && i + 1 < size;
        name[(*length)++] = path[i];
    }
    *at = i + 1;
    return i < size;
}

int json_path_check(const char *path, size_t size, sdf_error **err)
{
    size_t steps = 1;
    for (size_t i = 0; i < size; i++) {
        if (path[i] == '\\') {
            i++;
            if (i == size || (path[i] != '.' && path[i] != '\\'))
                return error_set(err, SDF_E_INVALID, "in the path a backslash must stand before a dot or a backslash");
        } else if (path[i] == '.')
            steps++;
    }
    if (steps > JSON_STEPS_MAX)
        return error_set(err, SDF_E_LIMIT, "the path has %zu steps; at most %d are allowed", steps, JSON_STEPS_MAX);
    return SDF_OK;
}

static node *find_step(const node *n, const char *name, size_t size)
{
    for (node *c = n->children; c; c = c->next)
        if (c->name.size == size && (!size || !memcmp(c->name.data, name, size)))
            return c;
    return NULL;
}

static node *add_step(json_paths *p, node *n, const char *name, size_t size)
{
    node *c = arena_alloc(p->memory, sizeof *c);
    void *copy = c ? arena_copy(p->memory, name, size) : NULL;
    if (!copy)
        return NULL;
    int64_t index;
    bool number =
        size && *name >= '0' && *name <= '9' && (size == 1 || *name != '0') && num_parse_i64(name, size, &index);
    *c = (node){.next = n->children, .name = {copy, size}, .index = number ? index : NO_INDEX, .last = -1, .path = -1};
    if (number && index > n->last)
        n->last = index;
    n->children = c;
    n->count++;
    return c;
}

static int add_path(json_paths *p, const sdf_slice *path, size_t number)
{
    char *name = arena_alloc(p->memory, path->size + 1);
    node *n = &p->root;
    size_t at = 0, size;
    bool more = true;
    if (!name)
        return SDF_E_NO_MEMORY;
    n->leaves++;
    while (more) {
        more = take_step(path->data, path->size, &at, name, &size);
        node *next = find_step(n, name, size);
        n = next ? next : add_step(p, n, name, size);
        if (!n)
            return SDF_E_NO_MEMORY;
        n->leaves++;
    }
    if (n->path < 0)
        n->path = (int64_t)number;
    return SDF_OK;
}

int json_paths_new(json_paths **paths, arena *memory, const sdf_slice *list, size_t count, sdf_error **err)
{
    json_paths *p = arena_alloc(memory, sizeof *p);
    int rc = p ? SDF_OK : SDF_E_NO_MEMORY;
    if (p) {
        *p = (json_paths){.ops = json_ops_best(), .memory = memory, .root = {.last = -1, .path = -1}, .count = count};
        p->own_states = arena_alloc(memory, count);
        p->own_values = arena_alloc(memory, count * sizeof *p->own_values);
        rc = p->own_states && p->own_values ? SDF_OK : SDF_E_NO_MEMORY;
    }
    for (size_t i = 0; i < count && !rc; i++)
        rc = add_path(p, &list[i], i);
    *paths = p;
    return rc ? error_set(err, rc, "the paths of %zu JSON fields don't fit the task's memory", count) : SDF_OK;
}

/* ---- small steps ---- */

static walked broken(walk *w, size_t at, const char *problem)
{
    w->problem = problem;
    w->problem_at = at < w->scan.size ? at : w->scan.size;
    return BROKEN;
}

static inline size_t skip_blanks(const walk *w, size_t at)
{
    while (at < w->scan.size && (w->scan.data[at] == ' ' || (w->scan.data[at] <= '\r' && w->scan.data[at] &&
                                                             memchr("\t\n\r", w->scan.data[at], 3))))
        at++;
    return at;
}

static inline bool is_at(const walk *w, size_t at, char c)
{
    return at < w->scan.size && w->scan.data[at] == (uint8_t)c;
}

static void decide(walk *w, int64_t path, uint8_t state)
{
    if (path >= 0 && w->states[path] == UNDECIDED) {
        w->states[path] = state;
        w->left--;
    }
}

/* What has not been found below a step that has been passed is missing. */
static void decide_below(walk *w, const node *n)
{
    for (const node *c = n->children; c; c = c->next) {
        decide(w, c->path, JSON_MISSING);
        decide_below(w, c);
    }
}

/* ---- values ---- */

/* Moves *at from an opening quote behind the closing one. */
static walked pass_string(walk *w, size_t *at)
{
    size_t end = json_next(&w->scan, *at + 1, true);
    if (end >= w->scan.size)
        return broken(w, *at, "a string that does not end");
    *at = end + 1;
    return GO_ON;
}

static walked pass_nested(walk *w, size_t *at, size_t inside, size_t depth)
{
    size_t end = json_skip_nested(&w->scan, inside, depth);
    if (end > w->scan.size)
        return broken(w, *at, "a bracket that is not closed");
    *at = end;
    return GO_ON;
}

/* Moves *at behind any value; a number or word is not looked at. */
static walked pass_value(walk *w, size_t *at)
{
    uint8_t c = *at < w->scan.size ? w->scan.data[*at] : ',';
    if (c == '"')
        return pass_string(w, at);
    if (c == '{' || c == '[')
        return pass_nested(w, at, *at + 1, 1);
    size_t end = json_next(&w->scan, *at, false);
    if (end == *at)
        return broken(w, *at, "a value is expected");
    *at = end;
    return GO_ON;
}

static walked take_string(walk *w, size_t start, size_t end, int64_t path)
{
    const uint8_t *p = w->scan.data + start;
    size_t size = end - start;
    const char *problem;
    w->values[path] = (sdf_slice){p, size};
    if (!w->scan.backslashes || !memchr(p, '\\', size)) {
        problem = json_check_plain(p, size);
    } else {
        uint8_t *copy = arena_alloc(w->text, size);
        if (!copy)
            return NO_MEMORY;
        w->values[path].data = copy;
        problem = json_unescape(p, size, copy, &w->values[path].size);
    }
    if (problem)
        return broken(w, start, problem);
    decide(w, path, JSON_FOUND);
    return GO_ON;
}

/* A number, true, false or null, with blanks behind. */
static walked take_word(walk *w, size_t start, size_t end, int64_t path)
{
    const uint8_t *p = w->scan.data + start;
    size_t size = end - start;
    while (size && (p[size - 1] == ' ' || p[size - 1] == '\t' || p[size - 1] == '\n' || p[size - 1] == '\r'))
        size--;
    bool null = size == 4 && !memcmp(p, "null", 4);
    bool word = null || (size == 4 && !memcmp(p, "true", 4)) || (size == 5 && !memcmp(p, "false", 5));
    if (!word && !json_is_number(p, size))
        return broken(w, start, "neither a number nor true, false or null");
    w->values[path] = (sdf_slice){p, size};
    decide(w, path, null ? JSON_MISSING : JSON_FOUND);
    return GO_ON;
}

static walked walk_into(walk *w, node *n, size_t *at);

/* The value at *at, which paths lead to. */
static walked take_value(walk *w, node *n, size_t *at)
{
    size_t start = *at;
    uint8_t c = start < w->scan.size ? w->scan.data[start] : ',';
    bool nested = c == '{' || c == '[';
    n->visited = w->paths->run;
    walked rc = nested && n->children ? walk_into(w, n, at) : pass_value(w, at);
    if (rc == GO_ON && n->path >= 0) {
        if (nested) {
            w->values[n->path] = (sdf_slice){w->scan.data + start, *at - start};
            decide(w, n->path, JSON_FOUND);
        } else if (c == '"') {
            rc = take_string(w, start + 1, *at - 1, n->path);
        } else {
            rc = take_word(w, start, *at, n->path);
        }
    }
    if (rc == GO_ON && n->children)
        decide_below(w, n);
    return rc == GO_ON && !w->left ? ALL_FOUND : rc;
}

/* ---- objects and arrays ---- */

/* *found: the step that the key is, or NULL. A key that is no JSON string is none. */
static walked find_key(walk *w, const node *n, const uint8_t *key, size_t size, node **found)
{
    *found = NULL;
    if (w->scan.backslashes && size && memchr(key, '\\', size)) {
        uint8_t *copy = arena_alloc(w->text, size);
        if (!copy)
            return NO_MEMORY;
        if (json_unescape(key, size, copy, &size))
            return GO_ON;
        key = copy;
    }
    *found = find_step(n, (const char *)key, size);
    return GO_ON;
}

/* *at: at a key. Passes the member; *member: the step it is, if its first. */
static walked walk_member(walk *w, node *n, size_t *at, node **member)
{
    size_t key = *at + 1;
    if (!is_at(w, *at, '"'))
        return broken(w, *at, "a key in quotes is expected");
    node *c = NULL;
    walked rc = pass_string(w, at);
    if (rc == GO_ON)
        rc = find_key(w, n, w->scan.data + key, *at - 1 - key, &c);
    if (rc != GO_ON)
        return rc;
    *at = skip_blanks(w, *at);
    if (!is_at(w, *at, ':'))
        return broken(w, *at, "':' is expected");
    *at = skip_blanks(w, *at + 1);
    *member = c && c->visited != w->paths->run ? c : NULL;
    return *member ? take_value(w, c, at) : pass_value(w, at);
}

static node *find_item(const node *n, int64_t index)
{
    for (node *c = n->children; c; c = c->next)
        if (c->index == index)
            return c;
    return NULL;
}

/* *at: at the opening bracket; moves it behind the closing one. */
static walked walk_into(walk *w, node *n, size_t *at)
{
    bool object = w->scan.data[*at] == '{';
    char close = object ? '}' : ']';
    size_t start = *at;
    uint32_t left = n->count;
    int64_t index = 0;
    *at = skip_blanks(w, *at + 1);
    if (is_at(w, *at, close)) {
        ++*at;
        return GO_ON;
    }
    for (;; index++) {
        node *met = object ? NULL : find_item(n, index);
        walked rc = object ? walk_member(w, n, at, &met) : met ? take_value(w, met, at) : pass_value(w, at);
        if (rc != GO_ON)
            return rc;
        left -= met != NULL;
        *at = skip_blanks(w, *at);
        if (is_at(w, *at, close)) {
            ++*at;
            return GO_ON;
        }
        if (!is_at(w, *at, ','))
            return broken(w, *at, object ? "',' or '}' is expected" : "',' or ']' is expected");
        if (!left || (!object && index >= n->last)) { /* what follows leads nowhere */
            size_t inside = *at;
            *at = start;
            return pass_nested(w, at, inside, 1);
        }
        *at = skip_blanks(w, *at + 1);
    }
}

static walked walk_document(walk *w)
{
    size_t at = skip_blanks(w, 0);
    bool nested = is_at(w, at, '{') || is_at(w, at, '[');
    walked rc = nested ? walk_into(w, &w->paths->root, &at) : pass_value(w, &at);
    if (rc != GO_ON)
        return rc;
    at = skip_blanks(w, at);
    return at < w->scan.size ? broken(w, at, "text behind the document") : GO_ON;
}

static walked run(json_paths *p, const sdf_slice *row, arena *text, sdf_slice *values, uint8_t *states, walk *w)
{
    w->paths = p;
    w->text = text;
    w->values = values;
    w->states = states;
    w->left = p->count;
    w->problem = "";
    w->problem_at = 0;
    p->run++;
    memset(states, UNDECIDED, p->count);
    json_scan_begin(&w->scan, p->ops, row->data, row->size);
    walked rc = walk_document(w);
    for (size_t i = 0; i < p->count && w->left; i++)
        if (states[i] == UNDECIDED)
            states[i] = rc == BROKEN ? JSON_BROKEN : JSON_MISSING;
    return rc;
}

int json_extract(json_paths *p, const sdf_slice *row, arena *text, sdf_slice *values, uint8_t *states)
{
    walk w;
    return run(p, row, text, values, states, &w) == NO_MEMORY ? SDF_E_NO_MEMORY : SDF_OK;
}

const char *json_explain(json_paths *p, const sdf_slice *row, arena *text, size_t *at)
{
    walk w;
    run(p, row, text, p->own_values, p->own_states, &w);
    *at = w.problem_at;
    return w.problem;
}
