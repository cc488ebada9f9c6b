/* Sources: handles without a parent. Files are looked at when a job is planned. Records from memory are in
 * parallelize.c. */
#include "api/internal.h"

void sdf_text_options_init(sdf_text_options *options)
{
    if (options)
        *options = (sdf_text_options){.struct_size = sizeof *options};
}

void sdf_binary_options_init(sdf_binary_options *options)
{
    if (options)
        *options = (sdf_binary_options){.struct_size = sizeof *options};
}

void sdf_delimited_options_init(sdf_delimited_options *options)
{
    if (options)
        *options = (sdf_delimited_options){.struct_size = sizeof *options, .header = 1, .delimiter = ',', .quote = '"'};
}

/* A handle for files; takes the columns of the format, and the error. */
static sdf_rdd *files(sdf_context *c, const char *operation, const char *uris, plan_format *format,
                      uint64_t split_bytes, sdf_error *err)
{
    sdf_rdd *rdd = handle_new(c, &(node_spec){NODE_FILES, .operation = operation, .uris = uris, .format = format,
                                              .split_bytes = split_bytes, .error = err});
    free(format->columns);
    sdf_error_free(err);
    return rdd;
}

static sdf_rdd *text_like(sdf_context *c, const char *operation, plan_format_kind kind, const char *uris,
                          const sdf_text_options *options)
{
    if (!c)
        return NULL;
    sdf_text_options o;
    sdf_error *err = NULL;
    options_copy(&o, sizeof o, options, "sdf_text_options", &err);
    plan_format format = {.kind = kind, .max_record = o.max_line};
    return files(c, operation, uris, &format, o.split_bytes, err);
}

sdf_rdd *sdf_text_file(sdf_context *context, const char *uris, const sdf_text_options *options)
{
    return text_like(context, "text_file", PLAN_FORMAT_TEXT, uris, options);
}

sdf_rdd *sdf_whole_files(sdf_context *context, const char *uris, const sdf_text_options *options)
{
    return text_like(context, "whole_files", PLAN_FORMAT_WHOLE, uris, options);
}

sdf_rdd *sdf_json_file(sdf_context *context, const char *uris, const sdf_text_options *options)
{
    return text_like(context, "json_file", PLAN_FORMAT_JSON, uris, options);
}

sdf_rdd *sdf_binary_file(sdf_context *context, const char *uris, const sdf_binary_options *options)
{
    if (!context)
        return NULL;
    sdf_binary_options o;
    sdf_error *err = NULL;
    options_copy(&o, sizeof o, options, "sdf_binary_options", &err);
    plan_format format = {.kind = PLAN_FORMAT_BINARY, .record_bytes = o.record_bytes, .key_bytes = o.key_bytes};
    return files(context, "binary_file", uris, &format, o.split_bytes, err);
}

static int delimited_format(const sdf_delimited_options *o, plan_format *f, sdf_error **err)
{
    *f = (plan_format){.kind = PLAN_FORMAT_DELIMITED,
                       .max_record = o->max_row,
                       .multiline = o->multiline != 0,
                       .header = o->header != 0};
    int rc = option_byte("delimiter", o->delimiter, &f->delimiter, err);
    rc = rc ? rc : option_byte("quote", o->quote, &f->quote, err);
    rc = rc ? rc : option_byte("escape", o->escape, &f->escape, err);
    return rc ? rc : option_columns(o->columns, &f->columns, err);
}

sdf_rdd *sdf_delimited_file(sdf_context *context, const char *uris, const sdf_delimited_options *options)
{
    if (!context)
        return NULL;
    sdf_delimited_options o;
    sdf_error *err = NULL;
    plan_format format = {.kind = PLAN_FORMAT_DELIMITED};
    if (options)
        options_copy(&o, sizeof o, options, "sdf_delimited_options", &err);
    else
        sdf_delimited_options_init(&o);
    if (!err)
        delimited_format(&o, &format, &err);
    return files(context, "delimited_file", uris, &format, o.split_bytes, err);
}

/* ---- numbers ---- */

/* How many there are from start, before end; in 128 bits, where no difference overflows. */
static uint64_t range_count(int64_t start, int64_t end, int64_t step)
{
    __int128 distance = (__int128)end - start, by = step;
    if (!by || (by > 0) != (distance > 0) || !distance)
        return 0;
    if (by < 0) {
        distance = -distance;
        by = -by;
    }
    return (uint64_t)((distance + by - 1) / by);
}

sdf_rdd *sdf_range(sdf_context *context, int64_t start, int64_t end, int64_t step, uint32_t partitions)
{
    if (!context)
        return NULL;
    return handle_new(context, &(node_spec){NODE_RANGE, .operation = "range", .start = start, .step = step,
                                            .count = range_count(start, end, step),
                                            .partitions = partitions ? partitions : context->default_partitions});
}
