/* Newlines, rows and words by bit masks: bit i of a mask says that byte i of a block of 64 is what is looked for. What
 * differs between processors is how a mask is made; the rest is written once and compiled into each form. */
#include "exec/scan.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#define SCAN_X86 1
#endif

#define BLOCK        64
#define FORCE_INLINE static inline __attribute__((always_inline))

typedef uint64_t (*mask_fn)(const uint8_t *block);
typedef uint64_t (*byte_fn)(const uint8_t *block, uint8_t byte);

/* ---- bodies ---- */

FORCE_INLINE size_t newlines_body(const uint8_t *data, size_t size, size_t *at, size_t most, mask_fn mask)
{
    size_t n = 0;
    for (size_t i = 0; i < size; i += BLOCK) {
        uint8_t tail[BLOCK];
        const uint8_t *block = data + i;
        if (size - i < BLOCK) {
            memset(tail, 0, sizeof tail);
            block = memcpy(tail, block, size - i);
        }
        for (uint64_t m = mask(block); m; m &= m - 1) {
            if (n == most)
                return n;
            at[n++] = i + (size_t)__builtin_ctzll(m);
        }
    }
    return n;
}

/* Bit i of the result: how many bits of m up to i are set, modulo 2. Of quotes: whether byte i is within them, or opens
 * them. */
FORCE_INLINE uint64_t parity_up_to(uint64_t m)
{
    for (unsigned shift = 1; shift < BLOCK; shift *= 2)
        m ^= m << shift;
    return m;
}

FORCE_INLINE size_t rows_body(const uint8_t *data, size_t size, const row_marks *marks, size_t *at, size_t most,
                              size_t *odd, byte_fn equal)
{
    uint64_t inside = 0, before = 1; /* all ones within quotes; 1: a field, or a doubled quote, may begin here */
    size_t n = 0;
    *odd = SIZE_MAX;
    for (size_t i = 0; i < size; i += BLOCK) {
        uint8_t tail[BLOCK];
        const uint8_t *block = data + i;
        if (size - i < BLOCK) {
            memset(tail, marks->quote + 1, sizeof tail);
            block = memcpy(tail, block, size - i);
        }
        uint64_t quotes = equal(block, marks->quote), newlines = equal(block, '\n');
        if (size - i < BLOCK)
            newlines &= (UINT64_C(1) << (size - i)) - 1;
        if (quotes | inside) {
            uint64_t within = parity_up_to(quotes) ^ inside, ends = newlines | equal(block, marks->delimiter) | quotes;
            uint64_t astray = quotes & within & ~(ends << 1 | before);
            if (astray || (!marks->multiline && newlines & within)) {
                *odd = i;
                return n;
            }
            newlines &= ~within;
            inside = (uint64_t)((int64_t)within >> 63);
            before = ends >> 63;
        } else {
            uint8_t last = block[BLOCK - 1];
            before = last == '\n' || last == marks->delimiter;
        }
        for (uint64_t m = newlines; m; m &= m - 1) {
            if (n == most)
                return n;
            at[n++] = i + (size_t)__builtin_ctzll(m);
        }
    }
    return n;
}

/* Words begin and end where "blank" changes from one byte to the next, so the changes alternate: start, end, start, ...
 */
FORCE_INLINE size_t words_body(word_scan *scan, sdf_slice *words, size_t room, mask_fn blank)
{
    const uint8_t *at = scan->at, *end = scan->end, *start = scan->start;
    bool inside = scan->inside;
    size_t n = 0;
    while (at < end && room - n >= SCAN_WORDS_ROOM) {
        uint8_t tail[BLOCK];
        const uint8_t *block = at;
        size_t left = (size_t)(end - at);
        if (left < BLOCK) {
            memset(tail, ' ', sizeof tail);
            block = memcpy(tail, at, left);
        }
        uint64_t m = blank(block), changes = m ^ (m << 1 | !inside);
        if (inside && changes) {
            words[n++] = (sdf_slice){start, (size_t)(at + __builtin_ctzll(changes) - start)};
            changes &= changes - 1;
            inside = false;
        }
        while (changes) {
            start = at + __builtin_ctzll(changes);
            changes &= changes - 1;
            if (!changes) {
                inside = true;
                break;
            }
            words[n++] = (sdf_slice){start, (size_t)(at + __builtin_ctzll(changes) - start)};
            changes &= changes - 1;
        }
        at = left < BLOCK ? end : at + BLOCK;
    }
    if (at == end && inside) {
        words[n++] = (sdf_slice){start, (size_t)(end - start)};
        inside = false;
    }
    *scan = (word_scan){at, end, start, inside};
    return n;
}

/* ---- portable ---- */

static size_t newlines_portable(const uint8_t *data, size_t size, size_t *at, size_t most)
{
    size_t n = 0, from = 0;
    while (n < most && from < size) {
        const uint8_t *p = memchr(data + from, '\n', size - from);
        if (!p)
            break;
        at[n++] = (size_t)(p - data);
        from = at[n - 1] + 1;
    }
    return n;
}

FORCE_INLINE uint64_t blanks_portable(const uint8_t *block)
{
    uint64_t m = 0;
    for (unsigned i = 0; i < BLOCK; i++)
        m |= (uint64_t)(block[i] == ' ' || (uint8_t)(block[i] - '\t') < 5) << i;
    return m;
}

FORCE_INLINE uint64_t equal_portable(const uint8_t *block, uint8_t byte)
{
    uint64_t m = 0;
    for (unsigned i = 0; i < BLOCK; i++)
        m |= (uint64_t)(block[i] == byte) << i;
    return m;
}

static size_t rows_portable(const uint8_t *data, size_t size, const row_marks *marks, size_t *at, size_t most,
                            size_t *odd)
{
    return rows_body(data, size, marks, at, most, odd, equal_portable);
}

static size_t words_portable(word_scan *scan, sdf_slice *words, size_t room)
{
    return words_body(scan, words, room, blanks_portable);
}

static const scan_ops scan_portable = {"portable", newlines_portable, rows_portable, words_portable};

#ifdef SCAN_X86
/* ---- SSE2: every x86-64 ---- */

FORCE_INLINE uint64_t equal_sse2(const uint8_t *block, uint8_t byte)
{
    uint64_t m = 0;
    for (unsigned i = 0; i < BLOCK; i += 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(block + i));
        m |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(x, _mm_set1_epi8((char)byte))) << i;
    }
    return m;
}

FORCE_INLINE uint64_t newlines_of_sse2(const uint8_t *block)
{
    return equal_sse2(block, '\n');
}

FORCE_INLINE uint64_t blanks_sse2(const uint8_t *block)
{
    uint64_t m = 0;
    for (unsigned i = 0; i < BLOCK; i += 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(block + i)), y = _mm_sub_epi8(x, _mm_set1_epi8('\t'));
        __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(y, _mm_set1_epi8(4)), y);
        __m128i both = _mm_or_si128(control, _mm_cmpeq_epi8(x, _mm_set1_epi8(' ')));
        m |= (uint64_t)(uint32_t)_mm_movemask_epi8(both) << i;
    }
    return m;
}

static size_t newlines_sse2(const uint8_t *data, size_t size, size_t *at, size_t most)
{
    return newlines_body(data, size, at, most, newlines_of_sse2);
}

static size_t rows_sse2(const uint8_t *data, size_t size, const row_marks *marks, size_t *at, size_t most, size_t *odd)
{
    return rows_body(data, size, marks, at, most, odd, equal_sse2);
}

static size_t words_sse2(word_scan *scan, sdf_slice *words, size_t room)
{
    return words_body(scan, words, room, blanks_sse2);
}

static const scan_ops scan_sse2 = {"sse2", newlines_sse2, rows_sse2, words_sse2};

/* ---- AVX2 ---- */
#define AVX2 __attribute__((target("avx2,bmi")))

AVX2 FORCE_INLINE uint64_t equal_avx2(const uint8_t *block, uint8_t byte)
{
    __m256i wanted = _mm256_set1_epi8((char)byte);
    __m256i a = _mm256_loadu_si256((const __m256i *)block), b = _mm256_loadu_si256((const __m256i *)(block + 32));
    return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(a, wanted)) |
           (uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(b, wanted)) << 32;
}

AVX2 FORCE_INLINE uint64_t newlines_of_avx2(const uint8_t *block)
{
    return equal_avx2(block, '\n');
}

AVX2 FORCE_INLINE uint32_t blanks_half_avx2(const uint8_t *half)
{
    __m256i x = _mm256_loadu_si256((const __m256i *)half), y = _mm256_sub_epi8(x, _mm256_set1_epi8('\t'));
    __m256i control = _mm256_cmpeq_epi8(_mm256_min_epu8(y, _mm256_set1_epi8(4)), y);
    return (uint32_t)_mm256_movemask_epi8(_mm256_or_si256(control, _mm256_cmpeq_epi8(x, _mm256_set1_epi8(' '))));
}

AVX2 FORCE_INLINE uint64_t blanks_avx2(const uint8_t *block)
{
    return blanks_half_avx2(block) | (uint64_t)blanks_half_avx2(block + 32) << 32;
}

AVX2 static size_t newlines_avx2(const uint8_t *data, size_t size, size_t *at, size_t most)
{
    return newlines_body(data, size, at, most, newlines_of_avx2);
}

AVX2 static size_t rows_avx2(const uint8_t *data, size_t size, const row_marks *marks, size_t *at, size_t most,
                             size_t *odd)
{
    return rows_body(data, size, marks, at, most, odd, equal_avx2);
}

AVX2 static size_t words_avx2(word_scan *scan, sdf_slice *words, size_t room)
{
    return words_body(scan, words, room, blanks_avx2);
}

static const scan_ops scan_avx2 = {"avx2", newlines_avx2, rows_avx2, words_avx2};
#endif

const scan_ops *scan_form(size_t i)
{
    if (i == 0)
        return &scan_portable;
#ifdef SCAN_X86
    if (i == 1)
        return &scan_sse2;
    if (i == 2 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi"))
        return &scan_avx2;
#endif
    return NULL;
}

const scan_ops *scan_best(void)
{
    const scan_ops *best = scan_form(0);
    for (size_t i = 1; scan_form(i); i++)
        best = scan_form(i);
    return best;
}
