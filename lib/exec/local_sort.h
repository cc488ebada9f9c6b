/* A sort within a task: takes batches, gives them back as one stream in ascending order of keys, equal ones as they
 * came. What does not fit in its share of memory goes to scratch as sorted runs. */
#ifndef EXEC_LOCAL_SORT_H
#define EXEC_LOCAL_SORT_H

#include "exec/sorted_stream.h"

typedef struct local_sort local_sort;
/* label: of errors of its own, not copied. room: bytes of records to hold at most. */
int local_sort_new(local_sort **s, task_env *env, const char *label, type_kind key, type_kind value, uint64_t room,
                   sdf_error **err);
/* What records are pushed into; part of s. Once it is finished, what is held can still be spilled while others take
 * memory, until the stream is opened. */
op *local_sort_op(local_sort *s);
/* The sorted records, after finish. share: see sorted_runs_read. The stream takes s over; on failure s is freed too. */
int local_sort_open(local_sort *s, uint32_t share, sorted_stream **out, sdf_error **err);
void local_sort_free(local_sort *s); /* NULL is fine */

#endif
