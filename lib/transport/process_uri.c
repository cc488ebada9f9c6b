/* What follows "process:" : N[?command=WORDS][&stderr=forward|capture][&hello_ms=N].
 * The words of a command are separated by spaces; within a word %20 and the like stand for any byte. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/options.h"
#include "transport/process.h"
#include "transport/schemes.h"

#define WORDS_MAX     256
#define HELLO_MS      10000
#define HELLO_MOST_MS 3600000

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* malloc'd; NULL and *err: no memory, or an escape that is none. */
static char *decode_word(const char *text, size_t size, sdf_error **err)
{
    char *word = malloc(size + 1);
    size_t n = 0;
    if (!word) {
        error_no_memory(err);
        return NULL;
    }
    for (size_t i = 0; i < size; i++) {
        word[n] = text[i];
        if (text[i] == '%') {
            int high = i + 2 < size ? hex_digit(text[i + 1]) : -1;
            int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
            if (low < 0 || (high == 0 && low == 0)) {
                error_set(err, SDF_E_INVALID, "process: the command \"%.*s\" has a %% without two hex digits (or %%00)",
                          size > 200 ? 200 : (int)size, text);
                error_hint(err, "write a percent sign as %%25");
                free(word);
                return NULL;
            }
            word[n] = (char)(high << 4 | low);
            i += 2;
        }
        n++;
    }
    word[n] = 0;
    return word;
}

static int parse_command(const char *text, size_t size, process_options *o, sdf_error **err)
{
    size_t count = 0;
    if (o->command)
        return error_set(err, SDF_E_INVALID, "process: the option command is given twice");
    o->command = calloc(WORDS_MAX + 1, sizeof(*o->command));
    if (!o->command)
        return error_no_memory(err);
    for (size_t i = 0; i < size;) {
        size_t n = 0;
        while (i + n < size && text[i + n] != ' ')
            n++;
        if (n > 0) {
            if (count == WORDS_MAX)
                return error_set(err, SDF_E_LIMIT, "process: the command has more than %d words", WORDS_MAX);
            sdf_error *why = NULL;
            o->command[count] = decode_word(text + i, n, &why);
            if (!o->command[count++])
                return error_move(err, &why);
        }
        i += n + 1;
    }
    return count ? SDF_OK : error_set(err, SDF_E_INVALID, "process: the option command is empty");
}

typedef struct simple_options {
    int capture;
    uint64_t hello_ms;
} simple_options;

static const option_spec simple_specs[] = {
    {"stderr", OPTION_CHOICE, offsetof(simple_options, capture), "forward|capture"},
    {"hello_ms", OPTION_U64, offsetof(simple_options, hello_ms), NULL},
};

int process_options_parse(const char *rest, process_options *o, sdf_error **err)
{
    const char *query = strchrnul(rest, '?');
    simple_options simple = {0, HELLO_MS};
    *o = (process_options){.command = NULL};
    int rc = transport_parse_places("process:", rest, (size_t)(query - rest), &o->places, err);
    while (!rc && *query) {
        const char *option = query + 1;
        query = strchrnul(option, '&');
        size_t size = (size_t)(query - option);
        if (size >= 8 && !memcmp(option, "command=", 8))
            rc = parse_command(option + 8, size - 8, o, err);
        else
            rc = options_read(option, size, '&', "process:", simple_specs, 2, &simple, err);
    }
    if (!rc && (simple.hello_ms < 1 || simple.hello_ms > HELLO_MOST_MS))
        rc = error_set(err, SDF_E_INVALID, "process: the option hello_ms must be 1 to %d", HELLO_MOST_MS);
    o->capture = simple.capture;
    o->hello_ms = simple.hello_ms;
    if (rc)
        process_options_clear(o);
    return rc;
}

void process_options_clear(process_options *o)
{
    for (size_t i = 0; o->command && o->command[i]; i++)
        free(o->command[i]);
    free(o->command);
    o->command = NULL;
}
