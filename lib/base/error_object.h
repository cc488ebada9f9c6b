/* The inside of sdf_error, for base/error*.c alone. */
#ifndef BASE_ERROR_OBJECT_H
#define BASE_ERROR_OBJECT_H

#include <stdbool.h>

#include <sdf/base.h>

/* Bytes that a string of an error may have; longer ones are cut (a log at its front). */
#define ERROR_MESSAGE_MAX 4096
#define ERROR_HINT_MAX    1024
#define ERROR_NAME_MAX    256
#define ERROR_LOG_MAX     16384

struct sdf_error {
    int code;
    int retriable;
    int64_t stage, partition, attempt;
    char *message, *hint, *function, *operator_label, *log; /* NULL: none */
    char *text;                                             /* all of the above; NULL: no memory for it */
    bool fixed;                                             /* the static object: never changed, never freed */
};

/* Is it one of the errors of sdf_status? */
bool error_code_known(int code);

/* A fresh object without strings, or the static one. Once its fields are filled in, finish it. */
sdf_error *error_object_new(int code);
void error_object_finish(sdf_error *e);

#endif
