/* From text to tokens. What can't be one is a token too, with the reason; parse.c makes the error. */
#include "expr/lexer.h"

#include <string.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_name_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_field_char(char c)
{
    return is_name_start(c) || is_digit(c) || c == '.' || (unsigned char)c >= 0x80;
}

static int bad(token *t, const char *problem, const char *hint)
{
    t->kind = TOKEN_BAD;
    t->problem = problem;
    t->hint = hint;
    return SDF_OK;
}

/* Text up to the closing character, which stands for itself where it is doubled. */
static int quoted(const char **at, char close, token *t)
{
    const char *p = *at;
    for (;;) {
        const char *stop = strchr(p, close);
        if (!stop)
            return bad(t, close == '}' ? "this ${ has no }" : "this text has no end",
                       close == '}' ? NULL : "a ' within text is written twice: 'it''s'");
        bool doubled = stop[1] == close;
        if (buf_append(&t->text, p, (size_t)(stop - p) + doubled))
            return SDF_E_NO_MEMORY;
        *at = p = stop + 1 + doubled;
        if (!doubled)
            return SDF_OK;
    }
}

static int hex_digit(char c)
{
    const char *digits = "0123456789abcdef", *p = c ? strchr(digits, c >= 'A' && c <= 'F' ? c + 32 : c) : NULL;
    return p ? (int)(p - digits) : -1;
}

static int hex(const char **at, token *t)
{
    const char *p = *at;
    for (; *p != '\''; p += 2) {
        int high = hex_digit(p[0]), low = high < 0 ? -1 : hex_digit(p[1]);
        if (low < 0)
            return bad(t, "this is no x'...'", "two hexadecimal digits for each byte: x'00ff'");
        uint8_t byte = (uint8_t)(high << 4 | low);
        if (buf_append(&t->text, &byte, 1))
            return SDF_E_NO_MEMORY;
    }
    *at = p + 1;
    return SDF_OK;
}

static int field(const char **at, token *t)
{
    const char *p = *at;
    if (*p == '{') {
        ++*at;
        return quoted(at, '}', t);
    }
    while (is_field_char(*p))
        p++;
    if (p == *at)
        return bad(t, "a name must follow $", "$name, or ${odd name}");
    if (buf_append(&t->text, *at, (size_t)(p - *at)))
        return SDF_E_NO_MEMORY;
    *at = p;
    return SDF_OK;
}

static void number(const char **at, token *t)
{
    const char *p = *at;
    while (is_digit(*p))
        p++;
    if (*p == '.') {
        t->is_f64 = true;
        for (p++; is_digit(*p); p++)
            ;
    }
    if (*p == 'e' || *p == 'E') {
        t->is_f64 = true;
        p += 1 + (p[1] == '+' || p[1] == '-');
        while (is_digit(*p))
            p++;
    }
    *at = p;
    if (is_name_start(*p))
        bad(t, "a number and a word without anything between them", NULL);
}

static int sign(const char **at, token *t)
{
    static const char *const two[] = {"!=", "<=", ">="}, *const foreign[][2] = {
                                                             {"==", "equal is written ="},
                                                             {"<>", "not equal is written !="},
                                                             {"&&", "it is written: and"},
                                                             {"||",
                                                              "it is written: or; texts are joined by concat(x, y)"},
                                                         };
    const char *p = *at;
    t->kind = TOKEN_SIGN;
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
        if (!strncmp(p, foreign[i][0], 2))
            return bad(t, "no such operator", foreign[i][1]);
    for (size_t i = 0; i < sizeof two / sizeof *two; i++)
        if (!strncmp(p, two[i], 2)) {
            *at += 2;
            return SDF_OK;
        }
    if (!strchr("+-*/%=<>(),", *p))
        return bad(t, *p == '"' ? "text stands in single quotes" : "this means nothing here",
                   *p == '"' ? "'text'; a column with an odd name is ${odd name}" : NULL);
    ++*at;
    return SDF_OK;
}

static int next(const char **at, token *t)
{
    const char *p = *at;
    if (!*p) {
        t->kind = TOKEN_END;
        return SDF_OK;
    }
    if (*p == '\'') {
        t->kind = TOKEN_BYTES;
        ++*at;
        return quoted(at, '\'', t);
    }
    if (*p == 'x' && p[1] == '\'') {
        t->kind = TOKEN_BYTES;
        *at += 2;
        return hex(at, t);
    }
    if (*p == '$') {
        t->kind = TOKEN_FIELD;
        ++*at;
        return field(at, t);
    }
    if (is_digit(*p) || (*p == '.' && is_digit(p[1]))) {
        t->kind = TOKEN_NUMBER;
        number(at, t);
        return SDF_OK;
    }
    if (is_name_start(*p)) {
        t->kind = TOKEN_NAME;
        while (is_name_start(**at) || is_digit(**at))
            ++*at;
        return SDF_OK;
    }
    return sign(at, t);
}

int lexer_next(const char **at, token *t)
{
    while (**at == ' ' || **at == '\t' || **at == '\n' || **at == '\r')
        ++*at;
    t->start = *at;
    t->is_f64 = false;
    buf_clear(&t->text);
    int rc = next(at, t);
    t->size = (size_t)(*at - t->start);
    return rc;
}
