/* A bounded, even sample of the keys that pass by, for range partitioning. Seeded by (context, stage, task, leg), so
 * that attempts of one task agree. */
#ifndef EXEC_SAMPLER_H
#define EXEC_SAMPLER_H

#include "shuffle/env.h"
#include "base/batch.h"

typedef struct sampler sampler;
/* Keeps at most `capacity` keys (> 0); their memory is charged. */
int sampler_new(sampler **s, task_env *env, uint32_t capacity, sdf_error **err);
int sampler_add(sampler *s, const sdf_column *keys, size_t count, sdf_error **err);
uint64_t sampler_seen(const sampler *s); /* records added */
/* Appends samples_encode's form: the keys, in any order, standing for `weight` records. Evenly thinned to stay near
 * max_bytes (0: no bound). */
int sampler_encode(const sampler *s, uint64_t weight, uint64_t max_bytes, buf *out, sdf_error **err);
void sampler_free(sampler *s);

#endif
