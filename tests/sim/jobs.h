/* The jobs of a history: what they hand out, collected and held against the oracle. */
#ifndef SIM_JOBS_H
#define SIM_JOBS_H

#include "sim.h"

#define JOBS_MAX 4

typedef enum job_kind { JOB_COLLECT, JOB_COUNT, JOB_SAVE, JOB_TAKE, JOB_RUN, JOB_KINDS } job_kind;

/* Records of one leg of one task. */
typedef struct job_part_records {
    uint32_t task, leg, legs;
    recs records;
} job_part_records;

typedef struct sim_job {
    world *world;
    uint32_t id, stage; /* that it wants */
    bool dropped;       /* its stages */
    uint32_t step;      /* of the pipeline, whose records it wants */
    job_kind kind;
    uint32_t take;
    uint32_t cancel_at; /* in so many steps; 0: not */
    bool single;        /* SAVE: one file */
    char uri[400];      /* SAVE */
    int64_t diverted;   /* SAVE: records that its own stages divert */
    bool submitted, over, cancelled, must_succeed;
    bool cuts;   /* tasks may go on in further legs */
    bool bereft; /* what its stages were made of may be dropped, and then they can't be made again */
    int status;
    char message[256];
    uint64_t records;
    job_part_records *parts;
    uint32_t part_count;
} sim_job;

const char *job_name(job_kind kind);
void job_part(void *job, const driver_part *p);
void job_done(void *job, int status, sdf_error *err, const driver_totals *totals, uint64_t records);
/* While it runs: nothing of its output may be seen. */
void job_check_hidden(sim_job *j);
void job_check(sim_job *j, const pipeline *p);
void job_free(sim_job *j);

/* ---- saved.c: what a save left ---- */

typedef struct saved {
    recs records;   /* of all parts, in the order of their names */
    int64_t errors; /* lines of diverted records */
    bool whole;     /* it says that it is */
    uint32_t files;
} saved;

/* What is to be seen of its output. */
void saved_look(sim_job *j, saved *s);
void saved_remove(const sim_job *j);

#endif
