/* The jobs of a history: what they hand out, collected and held against the oracle. */
#ifndef SIM_JOBS_H
#define SIM_JOBS_H

#include "sim.h"

#define JOBS_MAX 3

typedef enum job_kind { JOB_COLLECT, JOB_COUNT, JOB_TAKE, JOB_SAVE, JOB_KINDS } job_kind;

/* Records of one leg of one task. */
typedef struct part {
    uint32_t task, leg, legs;
    recs records;
} part;

typedef struct sim_job {
    world *world;
    uint32_t id, stage;
    job_kind kind;
    uint32_t take;
    uint32_t cancel_at; /* in so many steps; 0: not */
    char folder[400];   /* SAVE */
    bool submitted, over, cancelled, must_succeed;
    int status;
    char message[256];
    uint64_t records;
    part *parts;
    uint32_t part_count;
} sim_job;

const char *job_name(job_kind kind);
void job_part(void *job, const driver_part *p);
void job_done(void *job, int status, sdf_error *err, const driver_totals *totals, uint64_t records);
void job_check(sim_job *j, const pipeline *p);
void job_free(sim_job *j);

#endif
