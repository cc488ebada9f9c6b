/* Error objects on the wire. Layout: i32 code, u8 retriable, u64 stage, partition, attempt (all ones: not known),
 * then message, hint, function, operator, log as texts (varint length, bytes; no NUL). */
#include "base/error.h"

#include <stdlib.h>

#include "base/error_object.h"

int error_encode(const sdf_error *err, buf *out)
{
    int rc = wire_put_u32(out, (uint32_t)err->code);
    rc |= wire_put_u8(out, err->retriable != 0);
    rc |= wire_put_u64(out, (uint64_t)err->stage);
    rc |= wire_put_u64(out, (uint64_t)err->partition);
    rc |= wire_put_u64(out, (uint64_t)err->attempt);
    rc |= wire_put_text(out, err->message);
    rc |= wire_put_text(out, err->hint);
    rc |= wire_put_text(out, err->function);
    rc |= wire_put_text(out, err->operator_label);
    rc |= wire_put_text(out, err->log);
    return rc ? SDF_E_NO_MEMORY : SDF_OK;
}

static int64_t number_or_unknown(wire_reader *in)
{
    int64_t v = (int64_t)wire_u64(in);
    return v < 0 ? -1 : v;
}

/* An empty text is no text. */
static char *text_or_null(wire_reader *in, size_t limit)
{
    char *text = wire_text(in, limit);
    if (text && !*text) {
        free(text);
        return NULL;
    }
    return text;
}

sdf_error *error_decode(wire_reader *in)
{
    int32_t code = (int32_t)wire_u32(in);
    if (!error_code_known(code)) /* a newer library's, or damage */
        code = SDF_E_INTERNAL;
    sdf_error *e = error_object_new(code);
    sdf_error into = {0}; /* also read past a static object, so that the reader moves on alike */
    into.retriable = wire_u8(in) != 0;
    into.stage = number_or_unknown(in);
    into.partition = number_or_unknown(in);
    into.attempt = number_or_unknown(in);
    into.message = text_or_null(in, ERROR_MESSAGE_MAX);
    into.hint = text_or_null(in, ERROR_HINT_MAX);
    into.function = text_or_null(in, ERROR_NAME_MAX);
    into.operator_label = text_or_null(in, ERROR_NAME_MAX);
    into.log = text_or_null(in, ERROR_LOG_MAX);
    if (in->bad || e->fixed) {
        free(into.message);
        free(into.hint);
        free(into.function);
        free(into.operator_label);
        free(into.log);
        if (in->bad) {
            sdf_error_free(e);
            return NULL;
        }
        return e;
    }
    into.code = e->code;
    *e = into;
    error_object_finish(e);
    return e;
}
