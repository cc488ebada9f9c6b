/* What all examples share: the options on their command line, one way to say errors, and the summary.
 * An example itself is only its dataflow. */
#ifndef EXAMPLES_COMMON_H
#define EXAMPLES_COMMON_H

#include <stdio.h>

#include <sdf/sdf.h>

/* An option of one example alone, "--green IN". Given more than once, its values are joined by newlines. */
typedef struct example_option {
    const char *name; /* NULL ends the table */
    const char *text; /* for --help */
    char *value;      /* NULL: not given; example_close frees it */
} example_option;

typedef struct example {
    const char *usage; /* the example's own part of --help */
    example_option *own; /* NULL: none */
    const char *transport, *store;
    const char *output;  /* NULL: standard output */
    uint32_t partitions; /* 0: default */
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

/* Reads the command line and opens the context. Returns 0, or the exit code (-1: --help was asked for: exit 0). `own`
 * may be NULL. */
int example_open(example *x, int argc, char **argv, const char *usage, example_option *own, int min_inputs,
                 int max_inputs);
/* A whole number from 1 to 10,000,000; else says what is wrong and returns EXAMPLE_USAGE. */
int example_number(const example *x, const char *text, uint32_t *out);
/* "option --how: "x" is not inner, left ..." and the usage; returns EXAMPLE_USAGE. */
int example_usage(const example *x, const char *format, const char *what);
/* Inputs from number `first` on, in the form that sources take; free it with free(). NULL: no memory. */
char *example_uris(const example *x, int first);
/* A record as the text sinks write it: key TAB value, on standard output. */
void example_print(sdf_result *result, const sdf_slice *key, const sdf_slice *value);
/* The usual end: explains, or saves as text to --output, or prints each record; then example_close. */
int example_finish(example *x, sdf_rdd *rdd);
/* With --explain: prints the plan of rdd and returns 1. */
int example_explained(example *x, sdf_rdd *rdd);
/* Says the error (NULL: out of memory) on standard error, frees it, and returns EXAMPLE_FAILED. */
int example_fail(sdf_error *err);
/* Prints the summary if wanted and frees everything; returns `code`. */
int example_close(example *x, int code);

#endif
