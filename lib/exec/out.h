/* The inside of sdf_out, for out.c and emit.c alone. Everyone else: exec/op.h. */
#ifndef EXEC_OUT_H
#define EXEC_OUT_H

#include "exec/gather.h"
#include "exec/op.h"

#define OUT_BYTES       (64u << 10) /* memory for copies that a batch normally gets */
#define OUT_BYTES_KEPT  (1u << 20)  /* more than that is given back after the batch that needed it */
#define OUT_SPARSE      32          /* fewer pending records than that are worth copying to fill a batch */
#define OUT_MESSAGE_MAX 1024

typedef enum out_call { OUT_CLOSED = 0, OUT_MUTE, OUT_OPEN } out_call;

/* One side of the pending records. */
typedef struct out_side {
    type_kind kind;
    size_t want; /* bytes that each value must have; SIZE_MAX: any number */
    gathered_side values;
} out_side;

struct sdf_out {
    task_env *env;
    op *next; /* NULL: a collector of one value */
    out_call call;
    bool stopped;     /* the operators below want no more */
    bool downstream;  /* `error` is theirs: it is annotated already */
    bool failing;     /* sdf_fail was called; `message` says why */
    int status;       /* not 0: nothing more is taken */
    sdf_error *error; /* with it, once */
    uint64_t emitted;
    size_t count;   /* pending records */
    uint8_t *bytes; /* their copies */
    size_t used, capacity;
    out_side key, value;
    uint8_t views[SDF_BATCH_MAX]; /* 1: some of the record is not in `bytes` */
    char message[OUT_MESSAGE_MAX];
};

/* Makes room for `size` bytes of copies; may push what is pending. */
int out_reserve(sdf_out *out, size_t size);
/* Pushes what is pending; the error, if any, stays in out->error. */
int out_push(sdf_out *out);
/* Keeps the first trouble and gives it back as the emit's answer. */
int out_trouble(sdf_out *out, int status, bool downstream);

/* Whether memory lies in the calling thread's stack. */
bool stack_holds(const void *p);

#endif
