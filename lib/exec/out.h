/* The inside of sdf_out, for out.c, out_hold.c and emit.c alone. Everyone else: exec/op.h. */
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

/* Records of a call that may yet fail, moved out of the way. */
typedef struct out_held {
    struct out_held *next;
    size_t count;
    gathered_side key, value;
    uint64_t origins[SDF_BATCH_MAX];
    uint8_t *bytes; /* copies that these or earlier ones refer to; may be NULL */
    size_t capacity;
} out_held;

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
    bool owning, own_view;        /* see out_own */
    sdf_side own_side;
    sdf_slice own;
    bool tracking; /* origins are known of some records */
    uint64_t origin, origins[SDF_BATCH_MAX];
    size_t placed; /* pending records whose origin is written down */
    bool holding;  /* see out_hold; what was there before: */
    size_t mark, mark_used;
    uint64_t mark_emitted;
    out_held *held, *held_last;
    char message[OUT_MESSAGE_MAX];
};

/* Makes room for `size` bytes of copies; may push what is pending. */
int out_reserve(sdf_out *out, size_t size);
/* Pushes what is pending (or holds it back); the error, if any, stays in out->error. */
int out_push(sdf_out *out);
/* Pushes the first `count` pending records, and what became of it; they are still there afterwards. */
int out_push_first(sdf_out *out, size_t count);
/* What a push of records elsewhere came to. */
int out_pushed(sdf_out *out, int rc);
void out_place(sdf_out *out); /* writes down the origins of all pending records */
/* Gives the copies' memory back. Only while nothing refers to it. */
void out_drop_bytes(sdf_out *out);
/* out_hold.c: instead of out_push while a call is held back; and of dropping `bytes`. */
int hold_push(sdf_out *out);
int hold_retire_bytes(sdf_out *out);
void hold_free(sdf_out *out);
/* Keeps the first trouble and gives it back as the emit's answer. */
int out_trouble(sdf_out *out, int status, bool downstream);

/* Whether memory lies in the calling thread's stack. */
bool stack_holds(const void *p);

#endif
