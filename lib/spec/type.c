/* Types of keys and values: their text, and the order and equality of raw values. */
#include "spec/type.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/wire.h"

#define SIGN (UINT64_C(1) << 63)

typedef struct parser {
    const char *text, *at;
    buf out;
    sdf_error **err;
} parser;

static void skip_blanks(parser *p)
{
    while (*p->at == ' ' || *p->at == '\t')
        p->at++;
}

static int refuse(parser *p, const char *what)
{
    error_set(p->err, SDF_E_TYPE, "the type \"%.200s\" is wrong at character %zu: %s", p->text,
              (size_t)(p->at - p->text) + 1, what);
    error_hint(p->err, "types are bytes, i64, f64, null, any, tuple(T,...) and optional(T)");
    return SDF_E_TYPE;
}

static bool take_char(parser *p, char c)
{
    skip_blanks(p);
    if (*p->at != c)
        return false;
    p->at++;
    return true;
}

static int parse_type(parser *p, int depth);

/* "(T,...)" with `most` types at most. */
static int parse_items(parser *p, int depth, unsigned most)
{
    if (!take_char(p, '('))
        return refuse(p, "'(' expected");
    for (unsigned i = 0;; i++) {
        if (buf_append(&p->out, i ? "," : "(", 1))
            return error_no_memory(p->err);
        int rc = parse_type(p, depth + 1);
        if (rc)
            return rc;
        if (take_char(p, ')'))
            break;
        if (i + 1 == most)
            return refuse(p, "')' expected");
        if (!take_char(p, ','))
            return refuse(p, "',' or ')' expected");
    }
    return buf_append(&p->out, ")", 1) ? error_no_memory(p->err) : SDF_OK;
}

static int parse_type(parser *p, int depth)
{
    static const struct {
        const char *name;
        unsigned items; /* types in parentheses: 0 for a plain type */
    } types[] = {{"bytes", 0},   {"i64", 0}, {"f64", 0}, {"null", 0}, {"any", 0}, {"tuple", TYPE_TEXT_MAX},
                 {"optional", 1}};
    skip_blanks(p);
    if (depth >= TYPE_DEPTH_MAX)
        return refuse(p, "nested too deep (32 is the limit)");
    size_t size = strspn(p->at, "abcdefghijklmnopqrstuvwxyz0123456789_");
    if (!size)
        return refuse(p, "a type expected");
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (size != strlen(types[i].name) || memcmp(p->at, types[i].name, size))
            continue;
        p->at += size;
        if (buf_append(&p->out, types[i].name, size))
            return error_no_memory(p->err);
        return types[i].items ? parse_items(p, depth, types[i].items) : SDF_OK;
    }
    return refuse(p, "no type of this name");
}

int type_parse(const char *text, char **canonical, sdf_error **err)
{
    parser p = {.text = text ? text : SDF_BYTES, .out = BUF_EMPTY, .err = err};
    p.at = p.text;
    int rc;
    if (strnlen(p.text, TYPE_TEXT_MAX + 1) > TYPE_TEXT_MAX) {
        rc = error_set(err, SDF_E_LIMIT, "the type \"%.40s...\" is longer than %d characters", p.text, TYPE_TEXT_MAX);
    } else {
        rc = parse_type(&p, 0);
        skip_blanks(&p);
        if (!rc && *p.at)
            rc = refuse(&p, "nothing more expected");
    }
    if (!rc) {
        *canonical = buf_take_text(&p.out);
        if (!*canonical)
            rc = error_no_memory(err);
    }
    buf_free(&p.out);
    return rc;
}

type_kind type_of(const char *canonical)
{
    switch (canonical ? *canonical : 'b') {
    case 'i':
        return TYPE_I64;
    case 'f':
        return TYPE_F64;
    case 'n':
        return TYPE_NULL;
    case 't':
        return TYPE_TUPLE;
    case 'o':
        return TYPE_OPTIONAL;
    case 'a':
        return TYPE_ANY;
    default:
        return TYPE_BYTES;
    }
}

char *type_element(const char *key, const char *value)
{
    const char *k = key ? key : SDF_BYTES, *v = value ? value : SDF_BYTES;
    if (type_of(k) == TYPE_NULL)
        return strdup(v);
    if (type_of(v) == TYPE_NULL)
        return strdup(k);
    buf text = BUF_EMPTY;
    char *element = buf_printf(&text, "tuple(%s,%s)", k, v) ? NULL : buf_take_text(&text);
    buf_free(&text);
    return element;
}

bool type_equal(const char *a, const char *b)
{
    return !strcmp(a ? a : SDF_BYTES, b ? b : SDF_BYTES);
}

uint64_t type_canonical_f64(uint64_t bits)
{
    if ((bits & ~SIGN) > UINT64_C(0x7ff0000000000000))
        return UINT64_C(0x7ff8000000000000);
    return bits == SIGN ? 0 : bits;
}

/* The first 8 bytes as a big-endian number, shorter ones with zeros behind. */
static uint64_t leading_bytes(const void *raw, size_t size)
{
    uint64_t v = 0;
    if (size)
        memcpy(&v, raw, size < 8 ? size : 8);
    return __builtin_bswap64(v);
}

uint64_t type_order_prefix(type_kind k, const void *raw, size_t size)
{
    if (k == TYPE_NULL)
        return 0;
    if (!type_is_number(k) || size != 8)
        return leading_bytes(raw, size);
    uint64_t v = load_u64(raw);
    if (k == TYPE_I64)
        return v ^ SIGN;
    v = type_canonical_f64(v);
    return v & SIGN ? ~v : v | SIGN;
}

int type_compare(type_kind k, const sdf_slice *a, const sdf_slice *b)
{
    if (k == TYPE_NULL)
        return 0;
    uint64_t x = type_order_prefix(k, a->data, a->size), y = type_order_prefix(k, b->data, b->size);
    if (x != y)
        return x < y ? -1 : 1;
    if (type_is_number(k) && a->size == 8 && b->size == 8)
        return 0;
    size_t common = a->size < b->size ? a->size : b->size;
    int c = common > 8 ? memcmp((const char *)a->data + 8, (const char *)b->data + 8, common - 8) : 0;
    return c ? c : (a->size > b->size) - (a->size < b->size);
}
