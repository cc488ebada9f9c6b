/* The property table, and settings from its four layers: defaults, file, environment, code. A value is
 * checked where it comes in, so that the message can say which line or variable is wrong. */
#include "api/config.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/num.h"

#define LINE_MAX_BYTES 4096 /* of a configuration file */

typedef enum kind { KIND_TEXT, KIND_COUNT, KIND_SIZE, KIND_TIME } kind;

typedef struct property {
    const char *name, *default_value, *text;
    kind kind;
    size_t offset;        /* in settings */
    uint64_t least, most; /* COUNT, SIZE, TIME (ms) */
    const char *choices;  /* TEXT: "a|b"; NULL: anything */
} property;

#define AT(field) offsetof(settings, field)
#define MIB       (UINT64_C(1) << 20)
#define GIB       (UINT64_C(1) << 30)
#define PIB       (UINT64_C(1) << 50)
#define HOUR_MS   UINT64_C(3600000)

static const property properties[] = {
    {"transport", "threads:", "where tasks run: threads:N, process:N (N left out: one per core)", KIND_TEXT,
     AT(transport), 0, 0, NULL},
    {"store", "mem:", "where data between stages lies: mem:, file:DIR", KIND_TEXT, AT(store), 0, 0, NULL},
    {"memory", "512M", "byte budget of one worker process, divided among the tasks that run in it at once", KIND_SIZE,
     AT(memory), MIB, PIB, NULL},
    {"partitions", "0",
     "partitions of a shuffle that names no number; 0: twice the tasks that run at once, at most 1000", KIND_COUNT,
     AT(partitions), 0, 10000000, NULL},
    {"split_bytes", "64M", "bytes of an input file that one task reads", KIND_SIZE, AT(split_bytes), 1, PIB, NULL},
    {"concurrency", "0", "tasks that run at once, at most; 0: as many as the transport can", KIND_COUNT,
     AT(concurrency), 0, 1000000, NULL},
    {"retries", "3", "further attempts of a task that failed", KIND_COUNT, AT(retries), 0, 1000, NULL},
    {"reruns", "3", "runs again of a task whose data was lost or damaged", KIND_COUNT, AT(reruns), 0, 1000, NULL},
    {"task_timeout", "15m", "time after which an attempt is given up; 0: never", KIND_TIME, AT(task_timeout), 0,
     1000 * HOUR_MS, NULL},
    {"backoff", "100ms", "delay before a first retry; it doubles with each", KIND_TIME, AT(backoff), 1, HOUR_MS, NULL},
    {"cut_after", "0",
     "time after which a task that can commits what it has and goes on in another; 0: only near the end of what the "
     "transport allows",
     KIND_TIME, AT(cut_after), 0, 1000 * HOUR_MS, NULL},
    {"cut_records", "0", "the same after so many input records; 0: never", KIND_COUNT, AT(cut_records), 0, UINT64_MAX,
     NULL},
    {"compression", "auto",
     "of data between stages: lz4 or none; auto: none where the store is this process's memory, which is faster than "
     "lz4, else lz4",
     KIND_TEXT, AT(compression), 0, 0, "auto|lz4|none"},
    {"scratch", "", "folder for what tasks spill; empty: TMPDIR, or /tmp", KIND_TEXT, AT(scratch), 0, 0, NULL},
    {"inline_limit", "64K", "a task's result up to this size comes with its reply, a larger one through the store",
     KIND_SIZE, AT(inline_limit), 0, GIB, NULL},
    {"broadcast_bytes", "10M", "a side of a join known to be no larger is held in memory by every task of the other",
     KIND_SIZE, AT(broadcast_bytes), 0, PIB, NULL},
    {"exchange", "auto",
     "shuffles go through one level of objects or two; auto: two where that saves the store many requests", KIND_TEXT,
     AT(exchange), 0, 0, "auto|one|two"},
    {"block_bytes", "0", "records are shuffled in blocks of about this size; 0: by the memory of a task", KIND_SIZE,
     AT(block_bytes), 0, 64 * MIB, NULL},
};
#define PROPERTY_COUNT (sizeof properties / sizeof *properties)

/* Where a value came from; a higher rank wins. */
typedef enum rank { RANK_DEFAULT, RANK_FILE, RANK_ENVIRONMENT, RANK_CODE } rank;

struct sdf_config {
    struct {
        char *text;
        rank rank;
    } values[PROPERTY_COUNT];
    sdf_error *error; /* of SDF_CONFIG's file or the environment, told when a context is opened */
};

int sdf_property(size_t i, const char **name, const char **default_value, const char **text)
{
    if (i >= PROPERTY_COUNT)
        return SDF_END;
    if (name)
        *name = properties[i].name;
    if (default_value)
        *default_value = properties[i].default_value;
    if (text)
        *text = properties[i].text;
    return SDF_OK;
}

static const property *property_find(const char *name, sdf_error **err)
{
    const char *names[PROPERTY_COUNT];
    for (size_t i = 0; i < PROPERTY_COUNT; i++) {
        if (!strcmp(properties[i].name, name))
            return &properties[i];
        names[i] = properties[i].name;
    }
    const char *nearest = error_nearest(name, names, PROPERTY_COUNT);
    error_set(err, SDF_E_INVALID, "there is no setting \"%.100s\"", name);
    if (nearest)
        error_hint(err, "did you mean \"%s\"?", nearest);
    else
        error_hint(err, "sdf_property lists all settings");
    return NULL;
}

/* ---- values ---- */

static int choice_ok(const char *choices, const char *value)
{
    size_t size = strlen(value);
    for (const char *at = choices; at; at = strchr(at, '|')) {
        at += *at == '|';
        if (size && !strncmp(at, value, size) && (at[size] == '|' || !at[size]))
            return 1;
    }
    return 0;
}

static int parse_number(const property *p, const char *value, uint64_t *number)
{
    int64_t ms = 0;
    switch (p->kind) {
    case KIND_SIZE:
        return num_parse_size(value, number);
    case KIND_TIME:
        if (!num_parse_ms(value, &ms) || ms < 0)
            return 0;
        *number = (uint64_t)ms;
        return 1;
    default:
        if (!num_parse_i64(value, strlen(value), &ms) || ms < 0)
            return 0;
        *number = (uint64_t)ms;
        return 1;
    }
}

static const char *example_of(const property *p)
{
    return p->kind == KIND_SIZE ? "a size such as 64M" : p->kind == KIND_TIME ? "a time such as 30s" : "a whole number";
}

/* Checks, and writes to *out (a settings) unless that is NULL. */
static int value_parse(const property *p, const char *value, settings *out, sdf_error **err)
{
    char *field = out ? (char *)out + p->offset : NULL;
    if (p->kind == KIND_TEXT) {
        if (p->choices && !choice_ok(p->choices, value)) {
            error_set(err, SDF_E_INVALID, "setting \"%s\" can't be \"%.100s\"", p->name, value);
            error_hint(err, "one of %s", p->choices);
            return SDF_E_INVALID;
        }
        if (field)
            memcpy(field, &value, sizeof value);
        return SDF_OK;
    }
    uint64_t number = 0;
    if (!parse_number(p, value, &number)) {
        error_set(err, SDF_E_INVALID, "setting \"%s\" can't be \"%.100s\"", p->name, value);
        error_hint(err, "give %s", example_of(p));
        return SDF_E_INVALID;
    }
    if (number < p->least || number > p->most)
        return error_set(err, SDF_E_INVALID, "setting \"%s\" can't be \"%.100s\": it must be %llu to %llu%s", p->name,
                         value, (unsigned long long)p->least, (unsigned long long)p->most,
                         p->kind == KIND_TIME ? " ms" : "");
    if (field)
        memcpy(field, &number, sizeof number); /* int64_t and uint64_t alike: within range of both */
    return SDF_OK;
}

static int value_set(sdf_config *config, const property *p, const char *value, rank from, sdf_error **err)
{
    size_t i = (size_t)(p - properties);
    int rc = value_parse(p, value, NULL, err);
    if (rc || from < config->values[i].rank)
        return rc;
    char *copy = strdup(value);
    if (!copy)
        return error_no_memory(err);
    free(config->values[i].text);
    config->values[i].text = copy;
    config->values[i].rank = from;
    return SDF_OK;
}

/* ---- layers ---- */

static char *trim(char *text)
{
    while (*text == ' ' || *text == '\t')
        text++;
    size_t size = strlen(text);
    while (size && strchr(" \t\r\n", text[size - 1]))
        text[--size] = 0;
    return text;
}

/* A '#' begins a comment only where a word could begin: names of folders may have one. */
static void cut_comment(char *line)
{
    for (char *p = line; (p = strchr(p, '#')) != NULL; p++) {
        if (p == line || p[-1] == ' ' || p[-1] == '\t') {
            *p = 0;
            return;
        }
    }
}

static int load_line(sdf_config *config, char *line, sdf_error **err)
{
    cut_comment(line);
    char *text = trim(line);
    if (!*text)
        return SDF_OK;
    char *equals = strchr(text, '=');
    if (!equals)
        return error_set(err, SDF_E_INVALID, "\"%.100s\" is not of the form name = value", text);
    *equals = 0;
    const property *p = property_find(trim(text), err);
    return p ? value_set(config, p, trim(equals + 1), RANK_FILE, err) : SDF_E_INVALID;
}

int sdf_config_load(sdf_config *config, const char *path, sdf_error **err)
{
    if (!config || !path)
        return error_set(err, SDF_E_INVALID, "sdf_config_load needs a config and a path");
    FILE *f = fopen(path, "re");
    if (!f)
        return error_errno(err, errno, "can't read the configuration file %s", path);
    char line[LINE_MAX_BYTES];
    int rc = SDF_OK;
    for (unsigned number = 1; !rc && fgets(line, sizeof line, f); number++) {
        if (strlen(line) == sizeof line - 1)
            rc = error_set(err, SDF_E_LIMIT, "line is longer than %d bytes", LINE_MAX_BYTES - 2);
        else
            rc = load_line(config, line, err);
        if (rc)
            error_prefix(err, "%s:%u", path, number);
    }
    if (!rc && ferror(f))
        rc = error_errno(err, errno, "can't read the configuration file %s", path);
    fclose(f);
    return rc;
}

static int load_environment(sdf_config *config, sdf_error **err)
{
    for (size_t i = 0; i < PROPERTY_COUNT; i++) {
        char name[64] = "SDF_";
        size_t n = 4;
        for (const char *c = properties[i].name; *c && n < sizeof name - 1; c++)
            name[n++] = *c == '.' ? '_' : *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c;
        const char *value = getenv(name);
        int rc = value ? value_set(config, &properties[i], value, RANK_ENVIRONMENT, err) : SDF_OK;
        if (rc) {
            error_prefix(err, "environment variable %s", name);
            return rc;
        }
    }
    return SDF_OK;
}

/* ---- the object ---- */

sdf_config *sdf_config_new(void)
{
    sdf_config *config = calloc(1, sizeof *config);
    if (!config)
        return NULL;
    for (size_t i = 0; i < PROPERTY_COUNT; i++) {
        if (!(config->values[i].text = strdup(properties[i].default_value))) {
            sdf_config_free(config);
            return NULL;
        }
    }
    const char *path = getenv("SDF_CONFIG");
    if (!path || !*path || sdf_config_load(config, path, &config->error) == SDF_OK)
        load_environment(config, &config->error);
    return config;
}

int sdf_config_set(sdf_config *config, const char *name, const char *value, sdf_error **err)
{
    if (!config || !name || !value)
        return error_set(err, SDF_E_INVALID, "sdf_config_set needs a config, a name and a value");
    const property *p = property_find(name, err);
    return p ? value_set(config, p, value, RANK_CODE, err) : SDF_E_INVALID;
}

const char *sdf_config_get(const sdf_config *config, const char *name)
{
    const property *p = config && name ? property_find(name, NULL) : NULL;
    return p ? config->values[p - properties].text : NULL;
}

void sdf_config_free(sdf_config *config)
{
    if (!config)
        return;
    for (size_t i = 0; i < PROPERTY_COUNT; i++)
        free(config->values[i].text);
    sdf_error_free(config->error);
    free(config);
}

sdf_config *config_copy(const sdf_config *config)
{
    sdf_config *copy = calloc(1, sizeof *copy);
    if (!copy)
        return NULL;
    for (size_t i = 0; i < PROPERTY_COUNT; i++) {
        copy->values[i].rank = config->values[i].rank;
        if (!(copy->values[i].text = strdup(config->values[i].text))) {
            sdf_config_free(copy);
            return NULL;
        }
    }
    if (config->error)
        copy->error = error_copy(config->error);
    return copy;
}

int config_settings(const sdf_config *config, settings *out, sdf_error **err)
{
    if (config->error) {
        if (err)
            *err = error_copy(config->error);
        return sdf_error_code(config->error);
    }
    for (size_t i = 0; i < PROPERTY_COUNT; i++) {
        int rc = value_parse(&properties[i], config->values[i].text, out, err);
        if (rc)
            return rc;
    }
    return SDF_OK;
}
