/* Options inside URIs, "key=value" by "key=value", read into a struct by a table.
 * Not here: settings, which have a property table of their own. */
#ifndef BASE_OPTIONS_H
#define BASE_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

#include <sdf/base.h>

typedef enum option_kind {
    OPTION_U64,   /* uint64_t: a plain decimal number */
    OPTION_SIZE,  /* uint64_t: bytes, as num_parse_size reads them */
    OPTION_UNIT,  /* double: a probability, 0 to 1 */
    OPTION_CHOICE /* int: the index in `choices` */
} option_kind;

typedef struct option_spec {
    const char *name;
    option_kind kind;
    size_t offset;       /* of the field in the target struct */
    const char *choices; /* OPTION_CHOICE: "none|data" */
} option_spec;

#define OPTIONS_MAX 64 /* entries of a table */

/* Splits "k=v,k=v:REST", what a wrapper's URI has after its scheme: the options are text[0 .. *size), and REST
 * follows the first ':'. SDF_E_INVALID when there is no REST. `what` begins the message: the scheme, "fault:". */
int options_split(const char *text, const char *what, size_t *size, const char **rest, sdf_error **err);

/* Reads the pairs in text[0..size), with `separator` between them, into the fields of `target`; fields of options
 * that are not there keep their values. No text: no options. An unknown key (with the nearest in the hint), a
 * key given twice, and a value that does not fit are SDF_E_INVALID. */
int options_read(const char *text, size_t size, char separator, const char *what, const option_spec *specs,
                 size_t count, void *target, sdf_error **err);

#endif
