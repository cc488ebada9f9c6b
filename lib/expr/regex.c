/* PCRE2 works on bytes here: no character set, its own tables instead of the locale's. Compiled to machine code where
 * the system allows it. */
#include "expr/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>

#include "base/error.h"

#define STEPS_MAX 200000u /* of a search, in PCRE2's measure: well below a second */
#define HEAP_KIB  4096u   /* for a search that goes deep */
#define STACK_MAX (1u << 20)

struct regex {
    pcre2_code *code;
    pcre2_match_data *data;
    pcre2_match_context *limits;
    pcre2_jit_stack *stack;
};

static int compile(const void *pattern, size_t size, pcre2_code **code, sdf_error **err)
{
    int problem;
    PCRE2_SIZE at;
    static const uint8_t none;
    if (size > REGEX_PATTERN_MAX)
        return error_set(err, SDF_E_LIMIT, "the pattern has %zu bytes; at most %u are allowed", size,
                         REGEX_PATTERN_MAX);
    *code = pcre2_compile(size ? pattern : &none, size, PCRE2_NEVER_UTF | PCRE2_NEVER_UCP | PCRE2_NEVER_BACKSLASH_C,
                          &problem, &at, NULL);
    if (*code)
        return SDF_OK;
    if (problem == PCRE2_ERROR_NOMEMORY || problem == PCRE2_ERROR_HEAP_FAILED)
        return error_no_memory(err);
    unsigned char why[160] = "it can't be read";
    pcre2_get_error_message(problem, why, sizeof why);
    return error_set(err, SDF_E_INVALID, "the pattern is wrong behind character %zu: %s", (size_t)at, why);
}

int regex_new(regex **r, const void *pattern, size_t size, sdf_error **err)
{
    regex *x = calloc(1, sizeof *x);
    if (!x)
        return error_no_memory(err);
    int rc = compile(pattern, size, &x->code, err);
    if (!rc) {
        if (!pcre2_jit_compile(x->code, PCRE2_JIT_COMPLETE)) /* where it can't, the interpreter does it */
            x->stack = pcre2_jit_stack_create(32 << 10, STACK_MAX, NULL);
        x->data = pcre2_match_data_create(2, NULL);
        x->limits = pcre2_match_context_create(NULL);
        if (!x->data || !x->limits)
            rc = error_no_memory(err);
    }
    if (rc) {
        regex_free(x);
        return rc;
    }
    pcre2_set_match_limit(x->limits, STEPS_MAX);
    pcre2_set_heap_limit(x->limits, HEAP_KIB);
    if (x->stack)
        pcre2_jit_stack_assign(x->limits, NULL, x->stack);
    *r = x;
    return SDF_OK;
}

void regex_free(regex *r)
{
    if (!r)
        return;
    pcre2_jit_stack_free(r->stack);
    pcre2_match_context_free(r->limits);
    pcre2_match_data_free(r->data);
    pcre2_code_free(r->code);
    free(r);
}

int regex_search(regex *r, const sdf_slice *text, sdf_slice *match)
{
    static const uint8_t none;
    const uint8_t *data = text->size ? text->data : &none;
    int groups = pcre2_match(r->code, data, text->size, 0, 0, r->data, r->limits);
    if (groups == PCRE2_ERROR_NOMATCH)
        return 0;
    if (groups < 0)
        return groups == PCRE2_ERROR_NOMEMORY ? SDF_E_NO_MEMORY : SDF_E_LIMIT;
    const PCRE2_SIZE *at = pcre2_get_ovector_pointer(r->data);
    uint32_t all = 0;
    pcre2_pattern_info(r->code, PCRE2_INFO_CAPTURECOUNT, &all);
    at += all ? 2 : 0;
    *match = (sdf_slice){NULL, 0};
    if (!(all && groups == 1) && at[0] != PCRE2_UNSET)
        *match = (sdf_slice){data + at[0], at[1] > at[0] ? at[1] - at[0] : 0};
    return 1;
}

int regex_check(const expr *e, const void *pattern, size_t size, sdf_error **err)
{
    pcre2_code *code = NULL;
    sdf_error *why = NULL;
    char text[EXPR_QUOTE_MAX + 4];
    int rc = compile(pattern, size, &code, &why);
    pcre2_code_free(code);
    if (!rc)
        return SDF_OK;
    error_prefix(&why, "%s", expr_quote(e, text));
    return error_move(err, &why);
}
