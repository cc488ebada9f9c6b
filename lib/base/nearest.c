/* "Did you mean ...?": the nearest name by edit distance. */
#include <string.h>

#include "base/error.h"

#define NAME_MAX_COMPARED 128

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Insertions, deletions, replacements and swaps of neighbours cost 1; letter case costs nothing. */
static size_t distance(const char *a, size_t na, const char *b, size_t nb)
{
    size_t rows[3][NAME_MAX_COMPARED + 1];
    size_t *before = rows[0], *last = rows[1], *row = rows[2];
    for (size_t j = 0; j <= nb; j++)
        last[j] = j;
    for (size_t i = 1; i <= na; i++) {
        row[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            size_t best = last[j - 1] + (lower(a[i - 1]) != lower(b[j - 1]));
            if (last[j] + 1 < best)
                best = last[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            row[j] = best;
        }
        size_t *t = before;
        before = last;
        last = row;
        row = t;
    }
    return last[nb];
}

/* Is `name` all of `whole` but a prefix that ends with a dot ("sum" of "sdf.sum")? */
static int is_last_part(const char *name, size_t n, const char *whole, size_t w)
{
    return n && w > n && whole[w - n - 1] == '.' && !memcmp(whole + w - n, name, n);
}

const char *error_nearest(const char *name, const char *const *names, size_t count)
{
    size_t n = name ? strlen(name) : 0;
    if (!n || n > NAME_MAX_COMPARED)
        return NULL;
    size_t near = n / 3 + 1; /* farther than that is another word */
    const char *best = NULL;
    for (size_t i = 0; i < count; i++) {
        size_t w = strlen(names[i]);
        if (w > NAME_MAX_COMPARED)
            continue;
        size_t d = is_last_part(name, n, names[i], w) ? 1 : distance(name, n, names[i], w);
        if (d < near || (d == near && !best)) {
            best = names[i];
            near = d;
        }
    }
    return best;
}
