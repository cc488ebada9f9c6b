/* Quicksort and quickselect over numbers, with insertion sort for the small and heapsort against the hostile. */
#include "exec/ordered.h"

#define SMALL 24

static inline void swap(uint64_t *a, uint64_t *b)
{
    uint64_t t = *a;
    *a = *b;
    *b = t;
}

static void insertion_sort(uint64_t *v, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        uint64_t moving = v[i];
        size_t at = i;
        for (; at && v[at - 1] > moving; at--)
            v[at] = v[at - 1];
        v[at] = moving;
    }
}

static void sift_down(uint64_t *v, size_t n, size_t i)
{
    uint64_t moving = v[i];
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        child += child + 1 < n && v[child + 1] > v[child];
        if (v[child] <= moving)
            break;
        v[i] = v[child];
    }
    v[i] = moving;
}

static void heap_sort(uint64_t *v, size_t n)
{
    for (size_t i = n / 2; i-- > 0;)
        sift_down(v, n, i);
    while (n > 1) {
        swap(&v[0], &v[--n]);
        sift_down(v, n, 0);
    }
}

static uint64_t median(uint64_t a, uint64_t b, uint64_t c)
{
    if (a > b)
        swap(&a, &b);
    return c < a ? a : c > b ? b : c;
}

/* Of more than SMALL: parts them by the median of nine so that all of v[0..i) <= all of v[i..n), both not empty. */
static size_t partition(uint64_t *v, size_t n)
{
    size_t step = n / 9;
    uint64_t pivot = median(median(v[0], v[step], v[2 * step]), median(v[3 * step], v[4 * step], v[5 * step]),
                            median(v[6 * step], v[7 * step], v[n - 1]));
    size_t i = 0, j = n - 1;
    for (;;) {
        while (v[i] < pivot)
            i++;
        while (v[j] > pivot)
            j--;
        if (i >= j)
            return i ? i : 1;
        swap(&v[i++], &v[j--]);
    }
}

static void sort_within(uint64_t *v, size_t n, unsigned tries)
{
    while (n > SMALL) {
        if (!tries--) {
            heap_sort(v, n);
            return;
        }
        size_t i = partition(v, n);
        if (i < n - i) {
            sort_within(v, i, tries);
            v += i;
            n -= i;
        } else {
            sort_within(v + i, n - i, tries);
            n = i;
        }
    }
    insertion_sort(v, n);
}

static unsigned tries_for(size_t n)
{
    unsigned tries = 8;
    for (; n; n >>= 1)
        tries += 2;
    return tries;
}

void ordered_sort(uint64_t *values, size_t count)
{
    sort_within(values, count, tries_for(count));
}

void ordered_select(uint64_t *values, size_t count, size_t k)
{
    for (unsigned tries = tries_for(count); count > SMALL; tries--) {
        if (!tries) {
            heap_sort(values, count);
            return;
        }
        size_t i = partition(values, count);
        if (k < i) {
            count = i;
        } else {
            values += i;
            count -= i;
            k -= i;
        }
    }
    insertion_sort(values, count);
}
