/* Most-significant-digit radix sort of entries between two arrays, by the topmost bits in which they differ; small
 * groups by comparison. Entries that come sorted are left alone. */
#include "exec/records.h"

#define DIGIT_BITS 8
#define DIGITS     (1u << DIGIT_BITS)
#define SMALL      24  /* insertion sort up to here */
#define MEDIUM     192 /* merges up to here */

static inline bool entry_less(const record_entry *a, const record_entry *b)
{
    unsigned __int128 x = (unsigned __int128)a->high << 64 | a->low, y = (unsigned __int128)b->high << 64 | b->low;
    return x < y;
}

static void insertion(record_entry *e, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        record_entry v = e[i];
        size_t j = i;
        for (; j && entry_less(&v, &e[j - 1]); j--)
            e[j] = e[j - 1];
        e[j] = v;
    }
}

static void merge_into(record_entry *to, const record_entry *a, const record_entry *a_end, const record_entry *b,
                       const record_entry *b_end)
{
    while (a < a_end && b < b_end) {
        bool second = entry_less(b, a);
        *to++ = *(second ? b : a);
        b += second;
        a += !second;
    }
    if (a < a_end)
        memcpy(to, a, (size_t)(a_end - a) * sizeof *a);
    else
        memcpy(to, b, (size_t)(b_end - b) * sizeof *b);
}

/* Sorts what lies in `from`; the result comes to lie in `to` if `away`, else in `from`. */
static void medium(record_entry *from, record_entry *to, size_t count, bool away)
{
    if (count <= SMALL) {
        insertion(from, count);
        if (away)
            memcpy(to, from, count * sizeof *from);
        return;
    }
    size_t half = count / 2;
    medium(from, to, half, !away);
    medium(from + half, to + half, count - half, !away);
    if (away)
        merge_into(to, from, from + half, from + half, from + count);
    else
        merge_into(from, to, to + half, to + half, to + count);
}

/* Digit of an entry, `shift` bits from the bottom of its 128. */
static inline unsigned digit(const record_entry *e, unsigned shift)
{
    uint64_t w = shift >= 64 ? e->high >> (shift - 64) : shift ? e->low >> shift | e->high << (64 - shift) : e->low;
    return w & (DIGITS - 1);
}

/* The place of the topmost digit that is not the same in all; -1: they are sorted as they lie. */
static int topmost_digit(const record_entry *e, size_t count)
{
    uint64_t high = 0, low = 0;
    bool sorted = true;
    for (size_t i = 1; i < count; i++) {
        high |= e[i].high ^ e[0].high;
        low |= e[i].low ^ e[0].low;
        sorted &= entry_less(&e[i - 1], &e[i]);
    }
    if (sorted)
        return -1;
    int top = high ? 127 - __builtin_clzll(high) : 63 - __builtin_clzll(low);
    return top < DIGIT_BITS ? 0 : top - DIGIT_BITS + 1;
}

static void radix(record_entry *from, record_entry *to, size_t count, bool away)
{
    if (count <= MEDIUM) {
        medium(from, to, count, away);
        return;
    }
    int shift = topmost_digit(from, count);
    if (shift < 0) {
        if (away)
            memcpy(to, from, count * sizeof *from);
        return;
    }
    size_t starts[DIGITS + 1] = {0}, at[DIGITS];
    for (size_t i = 0; i < count; i++)
        starts[digit(&from[i], (unsigned)shift) + 1]++;
    for (unsigned d = 0; d < DIGITS; d++) {
        starts[d + 1] += starts[d];
        at[d] = starts[d];
    }
    for (size_t i = 0; i < count; i++)
        to[at[digit(&from[i], (unsigned)shift)]++] = from[i];
    for (unsigned d = 0; d < DIGITS; d++)
        if (starts[d] < starts[d + 1])
            radix(to + starts[d], from + starts[d], starts[d + 1] - starts[d], !away);
}

/* Entries are filled in from the end, so sorted records come exactly reversed. */
static bool reverse_if_descending(record_entry *e, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (!entry_less(&e[i], &e[i - 1]))
            return false;
    for (size_t i = 0; i < count / 2; i++) {
        record_entry t = e[i];
        e[i] = e[count - 1 - i];
        e[count - 1 - i] = t;
    }
    return true;
}

void radix_sort(record_entry *entries, record_entry *spare, size_t count)
{
    if (!reverse_if_descending(entries, count))
        radix(entries, spare, count, false);
}
