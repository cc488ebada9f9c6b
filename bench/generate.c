/* Seeded data for measuring: generate words BYTES | records COUNT, to standard output.
 * words: lines of 6 to 15 words out of a million, Zipf with exponent 1, 3 to 11 letters.
 * records: 100 bytes, the first 10 a random printable key. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VOCABULARY 1000000
#define WORD_MAX 16

static uint64_t state = 42;

static uint64_t next(void)
{
    uint64_t z = (state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static double unit(void)
{
    return (double)(next() >> 11) / 9007199254740992.0;
}

static int words(uint64_t bytes)
{
    char (*vocabulary)[WORD_MAX] = calloc(VOCABULARY, WORD_MAX);
    uint64_t written = 0;
    if (!vocabulary)
        return 1;
    for (int i = 0; i < VOCABULARY; i++) {
        int length = i < 200 ? 2 + (int)(next() % 4) : 3 + (int)(next() % 9);
        for (int j = 0; j < length; j++)
            vocabulary[i][j] = (char)('a' + next() % 26);
    }
    while (written < bytes) {
        int count = 6 + (int)(next() % 10);
        for (int i = 0; i < count; i++) {
            int rank = (int)exp(unit() * log(VOCABULARY)) - 1; /* inverse of the harmonic distribution */
            const char *word = vocabulary[rank < VOCABULARY ? rank : VOCABULARY - 1];
            fputs(word, stdout);
            putchar(i + 1 == count ? '\n' : ' ');
            written += strlen(word) + 1;
        }
    }
    free(vocabulary);
    return 0;
}

static int records(uint64_t count)
{
    char record[100];
    memset(record, '.', sizeof record);
    for (uint64_t i = 0; i < count; i++) {
        for (int j = 0; j < 10; j++)
            record[j] = (char)(' ' + next() % 95);
        snprintf(record + 12, 33, "%032llX", (unsigned long long)i);
        record[44] = ' ';
        record[99] = '\n';
        fwrite(record, 1, sizeof record, stdout);
    }
    return 0;
}

int main(int argc, char **argv)
{
    int rc = 2;
    if (argc == 3 && !strcmp(argv[1], "words"))
        rc = words(strtoull(argv[2], NULL, 10));
    else if (argc == 3 && !strcmp(argv[1], "records"))
        rc = records(strtoull(argv[2], NULL, 10));
    else
        fprintf(stderr, "usage: generate words BYTES | records COUNT\n");
    return rc ? rc : fflush(stdout) != 0;
}
