/* Range partitioning: samples of keys from tasks, splitters from samples, partitions from splitters. */
#ifndef SHUFFLE_SPLITTERS_H
#define SHUFFLE_SPLITTERS_H

#include "base/buf.h"
#include "spec/type.h"

#define SAMPLE_KEY_MAX 4096 /* bytes of a sampled key that are kept */

/* Appends a task's sample in encoded form: `weight` records stand behind `count` keys. */
int samples_encode(const sdf_slice *keys, size_t count, uint64_t weight, buf *out);
/* Appends splitters (at most partitions-1, strictly ascending) made from all tasks' samples, weighted; an empty sample
 * counts for nothing. A splitter is the first key of its partition. Sampled keys may be cut short: any byte string
 * splits an order rightly, it only balances less well. */
int splitters_make(type_kind key, const sdf_slice *samples, size_t tasks, uint32_t partitions, buf *out,
                   sdf_error **err);

typedef struct splitters splitters;
int splitters_open(type_kind key, const void *data, size_t size, bool descending, uint32_t partitions, splitters **s,
                   sdf_error **err);
/* Equal keys always go to the same partition. Descending: partition 0 has the largest keys. */
uint32_t splitters_find(const splitters *s, const sdf_slice *key);
void splitters_close(splitters *s);

#endif
