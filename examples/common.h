/* What all examples share: the options on their command line, one way to say errors, and the summary.
 * An example itself is only its dataflow. */
#ifndef EXAMPLES_COMMON_H
#define EXAMPLES_COMMON_H

#include <stdio.h>

#include <sdf/sdf.h>

typedef struct example {
    const char *usage; /* the example's own part of --help */
    const char *transport, *store;
    const char *output;  /* NULL: standard output */
    uint32_t partitions; /* 0: default */
    uint32_t top;        /* --top N; 0: not given */
    int explain, progress, summary;
    int input_count;
    char **inputs;
    sdf_config *config;
    sdf_context *context;
    sdf_progress *bar;
    char *store_made; /* "file:" and a folder made here, because no store was given */
} example;

/* Exit codes: 0, EXAMPLE_FAILED after one clear message, EXAMPLE_USAGE. */
enum { EXAMPLE_FAILED = 1, EXAMPLE_USAGE = 2 };

/* Reads the command line and opens the context. Returns 0, or the exit code (-1: --help was asked for: exit 0). */
int example_open(example *x, int argc, char **argv, const char *usage, int min_inputs, int max_inputs);
/* All inputs in the form that sdf_text_file takes; free it with free(). */
char *example_uris(const example *x);
/* With --explain: prints the plan of rdd and returns 1. */
int example_explained(example *x, sdf_rdd *rdd);
/* Says the error (NULL: out of memory) on standard error, frees it, and returns EXAMPLE_FAILED. */
int example_fail(sdf_error *err);
/* Prints the summary if wanted and frees everything; returns `code`. */
int example_close(example *x, int code);

#endif
