/* Error objects: making, annotating, reading. Their wire form is in error_wire.c, name suggestions in nearest.c.
 *
 * Every string of an error is bounded when it is set, so an error always fits its wire form. The text for a terminal
 * is built at each annotation: accessors only read, and an object handed to the host never changes under it. */
#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error_object.h"

static sdf_error out_of_memory = {
    .code = SDF_E_NO_MEMORY,
    .message = (char *)"the system has no more memory",
    .hint = (char *)"give the process more memory, or lower the memory budget and the concurrency",
    .text = (char *)"the system has no more memory\n"
                    "  next: give the process more memory, or lower the memory budget and the concurrency",
    .stage = -1,
    .partition = -1,
    .attempt = -1,
    .fixed = true,
};

#define NAME(status) [-(status)] = #status
static const char *const status_names[] = {
    "SDF_OK",
    NAME(SDF_E_INVALID),
    NAME(SDF_E_TYPE),
    NAME(SDF_E_NOT_FOUND),
    NAME(SDF_E_EXISTS),
    NAME(SDF_E_ACCESS),
    NAME(SDF_E_IO),
    NAME(SDF_E_NO_SPACE),
    NAME(SDF_E_NO_MEMORY),
    NAME(SDF_E_LIMIT),
    NAME(SDF_E_CORRUPT),
    NAME(SDF_E_VERSION),
    NAME(SDF_E_TIMEOUT),
    NAME(SDF_E_THROTTLED),
    NAME(SDF_E_LOST),
    NAME(SDF_E_USER),
    NAME(SDF_E_CANCELLED),
    NAME(SDF_E_NONDETERMINISTIC),
    NAME(SDF_E_SCOPE),
    NAME(SDF_E_PROGRAM),
    NAME(SDF_E_BUSY),
    NAME(SDF_E_UNSUPPORTED),
    NAME(SDF_E_INTERNAL),
};
#undef NAME

bool error_code_known(int code)
{
    return code < 0 && code > -(int)(sizeof status_names / sizeof *status_names);
}

const char *sdf_status_name(int status)
{
    if (status == SDF_END)
        return "SDF_END";
    return status == SDF_OK || error_code_known(status) ? status_names[-status] : "SDF_E_?";
}

/* The same call may succeed later without anybody doing anything: trouble of the moment. A full disk or budget is
 * not of that kind; a corrupt object is repaired by rerunning its producer, not by reading it again. */
static bool default_retriable(int code)
{
    return code == SDF_E_IO || code == SDF_E_TIMEOUT || code == SDF_E_THROTTLED || code == SDF_E_LOST;
}

/* At most `limit` bytes of text, cut in front of a character (not inside one). */
static size_t clip(const char *text, size_t limit)
{
    size_t size = strnlen(text, limit + 1);
    if (size <= limit)
        return size;
    size = limit;
    while (size && ((uint8_t)text[size] & 0xc0) == 0x80)
        size--;
    return size;
}

/* Replaces a string of an error; on no memory the old one stays. */
static void set_text(char **field, const char *text, size_t limit)
{
    char *copy = strndup(text, clip(text, limit));
    if (!copy)
        return;
    free(*field);
    *field = copy;
}

static int where_text(const sdf_error *e, buf *b)
{
    const char *separator = "\n  where: ";
    int rc = 0;
    if (e->operator_label) {
        rc |= buf_printf(b, "%soperator %s", separator, e->operator_label);
        separator = ", ";
    }
    if (e->function) {
        rc |= buf_printf(b, "%sfunction %s", separator, e->function);
        separator = ", ";
    }
    const struct {
        const char *name;
        int64_t value;
    } numbers[] = {{"stage", e->stage}, {"partition", e->partition}, {"attempt", e->attempt}};
    for (size_t i = 0; i < 3; i++) {
        if (numbers[i].value < 0)
            continue;
        rc |= buf_printf(b, "%s%s %lld", separator, numbers[i].name, (long long)numbers[i].value);
        separator = ", ";
    }
    return rc;
}

static int log_text(const char *log, buf *b)
{
    int rc = buf_text(b, "\n  log:");
    while (*log) {
        size_t line = strcspn(log, "\n");
        rc |= buf_text(b, "\n    | ");
        rc |= buf_append(b, log, line);
        log += line;
        log += *log == '\n';
    }
    return rc;
}

/* Without memory for the text, the accessor falls back on the message. */
static void build_text(sdf_error *e)
{
    buf b = BUF_EMPTY;
    int rc = buf_text(&b, e->message ? e->message : sdf_status_name(e->code));
    rc |= where_text(e, &b);
    if (e->hint)
        rc |= buf_printf(&b, "\n  next: %s", e->hint);
    if (e->log)
        rc |= log_text(e->log, &b);
    free(e->text);
    e->text = rc ? NULL : buf_take_text(&b);
    buf_free(&b);
}

sdf_error *error_object_new(int code)
{
    sdf_error *e = calloc(1, sizeof *e);
    if (!e)
        return &out_of_memory;
    e->code = code < 0 ? code : SDF_E_INTERNAL;
    e->retriable = default_retriable(e->code);
    e->stage = e->partition = e->attempt = -1;
    return e;
}

void error_object_finish(sdf_error *e)
{
    if (!e->fixed)
        build_text(e);
}

/* The text, then ": " and `why` if that is not NULL; what is too long is cut in front of `why`. */
static void set_message(sdf_error *e, const char *why, const char *format, va_list args)
{
    buf b = BUF_EMPTY;
    int rc = buf_vprintf(&b, format, args); /* with a NUL behind it */
    if (!rc) {
        b.size = clip((const char *)b.data, ERROR_MESSAGE_MAX - (why ? strlen(why) + 2 : 0));
        rc = why ? buf_printf(&b, ": %s", why) : SDF_OK;
    }
    e->message = rc ? NULL : buf_take_text(&b);
    buf_free(&b);
}

static void make(sdf_error **err, int code, const char *why, const char *format, va_list args)
{
    sdf_error *e = error_object_new(code);
    if (!e->fixed) {
        set_message(e, why, format, args);
        build_text(e);
    }
    *err = e;
}

int error_set(sdf_error **err, int code, const char *format, ...)
{
    if (code >= 0)
        code = SDF_E_INTERNAL;
    if (!err)
        return code;
    va_list args;
    va_start(args, format);
    make(err, code, NULL, format, args);
    va_end(args);
    return code;
}

static int code_of_errno(int number)
{
    switch (number) {
    case ENOENT:
        return SDF_E_NOT_FOUND;
    case EACCES:
    case EPERM:
    case EROFS:
        return SDF_E_ACCESS;
    case ENOSPC:
    case EDQUOT:
    case EFBIG: /* the limit of one file, the system's or the file system's */
        return SDF_E_NO_SPACE;
    case EEXIST:
        return SDF_E_EXISTS;
    case ENOMEM:
        return SDF_E_NO_MEMORY;
    case ENOTDIR: /* paths that no second try makes good */
    case EISDIR:
    case ELOOP:
    case ENAMETOOLONG:
        return SDF_E_INVALID;
    default:
        return SDF_E_IO;
    }
}

int error_errno(sdf_error **err, int number, const char *format, ...)
{
    int code = code_of_errno(number);
    if (!err)
        return code;
    char reason[128];
    /* The GNU form: it may return a static text instead of filling the buffer. */
    const char *why = strerror_r(number, reason, sizeof reason);
    va_list args;
    va_start(args, format);
    make(err, code, why, format, args);
    va_end(args);
    return code;
}

int error_no_memory(sdf_error **err)
{
    if (err)
        *err = &out_of_memory;
    return SDF_E_NO_MEMORY;
}

static bool can_annotate(sdf_error **err)
{
    return err && *err && !(*err)->fixed;
}

void error_hint(sdf_error **err, const char *format, ...)
{
    if (!can_annotate(err))
        return;
    buf b = BUF_EMPTY;
    char *text = NULL;
    va_list args;
    va_start(args, format);
    if (!buf_vprintf(&b, format, args))
        text = buf_take_text(&b);
    va_end(args);
    if (text)
        set_text(&(*err)->hint, text, ERROR_HINT_MAX);
    free(text);
    buf_free(&b);
    build_text(*err);
}

void error_at(sdf_error **err, const char *function, const char *operator_label)
{
    if (!can_annotate(err))
        return;
    if (function)
        set_text(&(*err)->function, function, ERROR_NAME_MAX);
    if (operator_label)
        set_text(&(*err)->operator_label, operator_label, ERROR_NAME_MAX);
    build_text(*err);
}

void error_where(sdf_error **err, int64_t stage, int64_t partition, int64_t attempt)
{
    if (!can_annotate(err))
        return;
    if (stage >= 0)
        (*err)->stage = stage;
    if (partition >= 0)
        (*err)->partition = partition;
    if (attempt >= 0)
        (*err)->attempt = attempt;
    build_text(*err);
}

void error_log_tail(sdf_error **err, const char *log)
{
    if (!can_annotate(err) || !log)
        return;
    size_t size = strlen(log);
    while (size && log[size - 1] == '\n')
        size--;
    const char *from = size > ERROR_LOG_MAX ? log + size - ERROR_LOG_MAX : log;
    char *copy = strndup(from, (size_t)(log + size - from));
    if (!copy)
        return;
    free((*err)->log);
    (*err)->log = copy;
    if (!*copy) {
        free(copy);
        (*err)->log = NULL;
    }
    build_text(*err);
}

void error_prefix(sdf_error **err, const char *format, ...)
{
    if (!can_annotate(err))
        return;
    buf b = BUF_EMPTY;
    va_list args;
    va_start(args, format);
    int rc = buf_vprintf(&b, format, args);
    va_end(args);
    rc |= buf_printf(&b, ": %s", sdf_error_message(*err));
    char *text = rc ? NULL : buf_take_text(&b);
    if (text)
        set_text(&(*err)->message, text, ERROR_MESSAGE_MAX);
    free(text);
    buf_free(&b);
    build_text(*err);
}

static char *copy_text(const char *text)
{
    return text ? strdup(text) : NULL;
}

sdf_error *error_copy(const sdf_error *err)
{
    if (!err)
        return NULL;
    if (err->fixed)
        return &out_of_memory;
    sdf_error *e = error_object_new(err->code);
    if (e->fixed)
        return e;
    e->retriable = err->retriable;
    e->stage = err->stage;
    e->partition = err->partition;
    e->attempt = err->attempt;
    e->message = copy_text(err->message);
    e->hint = copy_text(err->hint);
    e->function = copy_text(err->function);
    e->operator_label = copy_text(err->operator_label);
    e->log = copy_text(err->log);
    build_text(e);
    return e;
}

int error_move(sdf_error **to, sdf_error **from)
{
    sdf_error *e = *from;
    *from = NULL;
    if (!e)
        return SDF_OK;
    int code = e->code;
    if (to)
        *to = e;
    else
        sdf_error_free(e);
    return code;
}

sdf_error *sdf_error_new(int code, const char *message, const char *hint)
{
    sdf_error *e = error_object_new(code);
    if (e->fixed)
        return e;
    if (message)
        set_text(&e->message, message, ERROR_MESSAGE_MAX);
    if (hint && *hint)
        set_text(&e->hint, hint, ERROR_HINT_MAX);
    build_text(e);
    return e;
}

void sdf_error_free(sdf_error *err)
{
    if (!err || err->fixed)
        return;
    free(err->message);
    free(err->hint);
    free(err->function);
    free(err->operator_label);
    free(err->log);
    free(err->text);
    free(err);
}

int sdf_error_code(const sdf_error *err)
{
    return err ? err->code : SDF_OK;
}

const char *sdf_error_message(const sdf_error *err)
{
    if (!err)
        return "no error";
    return err->message ? err->message : sdf_status_name(err->code);
}

const char *sdf_error_hint(const sdf_error *err)
{
    return err && err->hint ? err->hint : "";
}

const char *sdf_error_function(const sdf_error *err)
{
    return err && err->function ? err->function : "";
}

const char *sdf_error_operator(const sdf_error *err)
{
    return err && err->operator_label ? err->operator_label : "";
}

const char *sdf_error_log(const sdf_error *err)
{
    return err && err->log ? err->log : "";
}

int64_t sdf_error_stage(const sdf_error *err)
{
    return err ? err->stage : -1;
}

int64_t sdf_error_partition(const sdf_error *err)
{
    return err ? err->partition : -1;
}

int64_t sdf_error_attempt(const sdf_error *err)
{
    return err ? err->attempt : -1;
}

int sdf_error_retriable(const sdf_error *err)
{
    return err ? err->retriable : 0;
}

const char *sdf_error_text(const sdf_error *err)
{
    return err && err->text ? err->text : sdf_error_message(err);
}
