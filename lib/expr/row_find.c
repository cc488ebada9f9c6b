/* Finding delimiters by masks: bit i of a mask says that byte i of a block of 64 is one. Skips blocks by counting bits,
 * and looks at single bits only for the delimiters that are wanted. */
#include <string.h>

#include "expr/rows.h"

#if defined(__x86_64__)
#include <immintrin.h>
#define ROWS_X86 1
#endif

#define BLOCK        64
#define FORCE_INLINE static inline __attribute__((always_inline))

/* ---- portable ---- */

static bool find_portable(const row_fields *f, const uint8_t *data, size_t size, size_t *at)
{
    const uint8_t *p = data, *end = data + size;
    uint32_t number = 0, found = 0;
    while (found < f->delimiters) {
        const uint8_t *d = p < end ? memchr(p, f->delimiter, (size_t)(end - p)) : NULL;
        if (f->quote && p < end && memchr(p, f->quote, (size_t)((d ? d : end) - p)))
            return false;
        if (!d)
            break;
        if (f->delimiter_numbers[found] == number)
            at[found++] = (size_t)(d - data);
        number++;
        p = d + 1;
    }
    while (found < f->delimiters)
        at[found++] = size;
    return true;
}

static const row_ops portable = {"portable", find_portable};

#ifdef ROWS_X86
typedef struct masks {
    uint64_t delimiters, quotes;
} masks;

/* Place of set bit n, which exists. */
#define SELECT(mask, n) ((size_t)_tzcnt_u64(_pdep_u64(UINT64_C(1) << (n), mask)))

/* ---- AVX2 ---- */
#define AVX2 __attribute__((target("avx2,bmi,bmi2,popcnt")))

AVX2 FORCE_INLINE uint64_t equal_avx2(const uint8_t *block, __m256i to)
{
    __m256i a = _mm256_loadu_si256((const __m256i *)block), b = _mm256_loadu_si256((const __m256i *)(block + 32));
    return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(a, to)) |
           (uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(b, to)) << 32;
}

/* The last block, of `left` bytes: the last 64 of the row, or a copy with zeros behind. */
AVX2 FORCE_INLINE masks last_avx2(const uint8_t *data, size_t size, size_t left, __m256i delimiter, __m256i quote)
{
    uint8_t copy[BLOCK];
    const uint8_t *block = data + size - BLOCK;
    unsigned shift = (unsigned)(BLOCK - left);
    if (size < BLOCK) {
        memset(copy, 0, sizeof copy);
        memcpy(copy, data, size);
        block = copy;
        shift = 0;
    }
    masks m = {equal_avx2(block, delimiter) >> shift, equal_avx2(block, quote) >> shift};
    if (size < BLOCK) {
        uint64_t inside = (UINT64_C(1) << size) - 1; /* the delimiter may be a zero byte */
        m = (masks){m.delimiters & inside, m.quotes & inside};
    }
    return m;
}

AVX2 static bool find_avx2(const row_fields *f, const uint8_t *data, size_t size, size_t *at)
{
    __m256i delimiter = _mm256_set1_epi8((char)f->delimiter), quote = _mm256_set1_epi8((char)f->quote);
    uint32_t before = 0, found = 0, wanted = f->delimiters;
    const uint32_t *numbers = f->delimiter_numbers;
    for (size_t i = 0; i < size; i += BLOCK) {
        masks m;
        if (size - i < BLOCK)
            m = last_avx2(data, size, size - i, delimiter, quote);
        else
            m = (masks){equal_avx2(data + i, delimiter), equal_avx2(data + i, quote)};
        if (m.quotes && f->quote)
            return false;
        uint32_t until = before + (uint32_t)_mm_popcnt_u64(m.delimiters);
        while (numbers[found] < until) {
            at[found] = i + SELECT(m.delimiters, numbers[found] - before);
            if (++found == wanted)
                return true;
        }
        before = until;
    }
    while (found < wanted)
        at[found++] = size;
    return true;
}

static const row_ops avx2 = {"avx2", find_avx2};

/* ---- AVX-512: a load under a mask ends with the row by itself ---- */
#define AVX512 __attribute__((target("avx512f,avx512bw,bmi,bmi2,popcnt")))

AVX512 static bool find_avx512(const row_fields *f, const uint8_t *data, size_t size, size_t *at)
{
    __m512i delimiter = _mm512_set1_epi8((char)f->delimiter), quote = _mm512_set1_epi8((char)f->quote);
    uint32_t before = 0, found = 0, wanted = f->delimiters;
    const uint32_t *numbers = f->delimiter_numbers;
    for (size_t i = 0; i < size; i += BLOCK) {
        __mmask64 inside = size - i < BLOCK ? _bzhi_u64(~UINT64_C(0), (unsigned)(size - i)) : ~UINT64_C(0);
        __m512i x = _mm512_maskz_loadu_epi8(inside, data + i);
        uint64_t m = _mm512_mask_cmpeq_epi8_mask(inside, x, delimiter);
        if (_mm512_mask_cmpeq_epi8_mask(inside, x, quote) && f->quote)
            return false;
        uint32_t until = before + (uint32_t)_mm_popcnt_u64(m);
        while (numbers[found] < until) {
            at[found] = i + SELECT(m, numbers[found] - before);
            if (++found == wanted)
                return true;
        }
        before = until;
    }
    while (found < wanted)
        at[found++] = size;
    return true;
}

static const row_ops avx512 = {"avx512", find_avx512};
#endif

const row_ops *row_ops_form(size_t i)
{
    if (i == 0)
        return &portable;
#ifdef ROWS_X86
    bool bits = __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt");
    if (i == 1 && bits && __builtin_cpu_supports("avx2"))
        return &avx2;
    if (i == 2 && bits && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw"))
        return &avx512;
#endif
    return NULL;
}

const row_ops *row_ops_best(void)
{
    const row_ops *best = row_ops_form(0);
    for (size_t i = 1; row_ops_form(i); i++)
        best = row_ops_form(i);
    return best;
}
