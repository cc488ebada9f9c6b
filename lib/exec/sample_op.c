/* A random part of the records, in their order: each with the same chance, or a Poisson number of times. What is drawn
 * follows from the seed, the partition of the piece and the record's place in it: attempts, and tasks that were packed
 * otherwise, draw the same. */
#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/num.h"
#include "exec/chain.h"

#define FRACTION_MOST 1000.0
#define LAMBDA_PART   16.0 /* larger ones are drawn as a sum, so that exp() stays far from nothing */

typedef struct sample_op {
    op base;
    sdf_out *out;
    double fraction;
    uint64_t seed;
    bool replace;
    uint64_t below;          /* without replacement: a draw below it takes the record */
    const task_piece *piece; /* that rng draws for */
    rng rng;
} sample_op;

/* As many as events of a Poisson process: draws until their product falls below e^-lambda. */
static uint64_t poisson_part(rng *r, double lambda)
{
    double least = exp(-lambda), product = rng_unit(r);
    uint64_t n = 0;
    for (; product > least; n++)
        product *= rng_unit(r);
    return n;
}

/* Each record draws from a generator of its own, so that one that needs many does not move the others. */
static uint64_t poisson(uint64_t state, double lambda)
{
    rng r = {state};
    uint64_t n = 0;
    for (; lambda > LAMBDA_PART; lambda -= LAMBDA_PART)
        n += poisson_part(&r, LAMBDA_PART);
    return n + poisson_part(&r, lambda);
}

static uint64_t sample_times(sample_op *s)
{
    uint64_t draw = rng_next(&s->rng);
    if (s->replace)
        return s->fraction > 0 ? poisson(draw, s->fraction) : 0;
    return s->fraction >= 1 || draw < s->below;
}

static int sample_push(op *self, const sdf_batch *batch, sdf_error **err)
{
    sample_op *s = (sample_op *)self;
    const task_piece *piece = self->env->piece;
    if (s->piece != piece) {
        s->piece = piece;
        s->rng.state = hash_mix(s->seed, piece->partition);
    }
    for (size_t i = 0; i < batch->count; i++) {
        uint64_t times = sample_times(s);
        if (!times)
            continue;
        sdf_slice key = column_get(&batch->key, i), value = column_get(&batch->value, i);
        out_origin(s->out, batch->offsets ? batch->offsets[i] : UINT64_MAX);
        while (times-- && !out_keep(s->out, &key, &value))
            ;
    }
    return out_settle(s->out, err);
}

static int sample_drain(op *self, sdf_error **err)
{
    return out_flush(((sample_op *)self)->out, err);
}

static int sample_finish(op *self, sdf_error **err)
{
    int rc = out_flush(((sample_op *)self)->out, err);
    return rc && rc != OP_STOP ? rc : op_finish(self->next, err);
}

static void sample_close(op *self)
{
    out_free(((sample_op *)self)->out);
    free(self);
}

/* Cuts off the next word of a text. */
static sdf_slice next_word(sdf_slice *text)
{
    const char *p = text->data, *blank = text->size ? memchr(p, ' ', text->size) : NULL;
    sdf_slice word = {p, blank ? (size_t)(blank - p) : text->size};
    size_t passed = word.size + (blank != NULL);
    *text = (sdf_slice){p ? p + passed : NULL, text->size - passed};
    return word;
}

static bool parse_u64(const sdf_slice *text, uint64_t *v)
{
    const char *p = text->data;
    *v = 0;
    for (size_t i = 0; i < text->size; i++) {
        uint64_t digit = (uint64_t)(p[i] - '0');
        if (digit > 9 || *v > (UINT64_MAX - digit) / 10)
            return false;
        *v = *v * 10 + digit;
    }
    return text->size > 0;
}

/* "fraction seed replacement" */
static bool sample_parse(sample_op *s, const buf *arg)
{
    sdf_slice text = buf_slice(arg);
    sdf_slice fraction = next_word(&text), seed = next_word(&text);
    uint64_t replace;
    if (!num_parse_f64(fraction.data, fraction.size, &s->fraction) || !parse_u64(&seed, &s->seed) ||
        !parse_u64(&text, &replace) || replace > 1)
        return false;
    s->replace = replace;
    s->below = s->fraction < 1 ? (uint64_t)(s->fraction * 0x1p64) : 0;
    return s->fraction >= 0 && s->fraction <= (replace ? FRACTION_MOST : 1);
}

int sample_op_new(task_env *env, const plan_op *spec, op_types in, op *next, op **out, sdf_error **err)
{
    sample_op *s = calloc(1, sizeof *s);
    if (!s)
        return error_no_memory(err);
    s->base = (op){.push = sample_push,
                   .finish = sample_finish,
                   .close = sample_close,
                   .drain = sample_drain,
                   .next = next,
                   .env = env};
    s->base.origins = next->origins;
    if (!sample_parse(s, &spec->call.arg)) {
        free(s);
        return error_set(err, SDF_E_INVALID, "the plan does not say what \"%s\" is to sample", spec->call.label);
    }
    s->out = out_new(env, next, type_of(in.key), type_of(in.value), err);
    if (!s->out) {
        free(s);
        return SDF_E_NO_MEMORY;
    }
    *out = &s->base;
    return SDF_OK;
}
