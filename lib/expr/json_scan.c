/* Masks of JSON's signs, and what follows from them: which quotes are escaped, what is within strings. How the raw
 * masks are made differs between processors; the rest is written once. */
#include "expr/json_scan.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#define JSON_X86 1
#endif

/* '[' and '{', ']' and '}' differ in this bit alone. */
#define CASE 0x20

/* ---- portable: vectors of 16 bytes as the compiler has them on any processor ---- */

typedef uint8_t bytes16 __attribute__((vector_size(16)));

/* Each byte keeps the bit of its place, and a multiplication adds eight of them up. */
static inline uint64_t equal_portable(bytes16 x, uint8_t c)
{
    const bytes16 places = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    const uint64_t ones = UINT64_C(0x0101010101010101);
    bytes16 found = (bytes16)(x == c) & places;
    uint64_t halves[2];
    memcpy(halves, &found, sizeof halves);
    return halves[0] * ones >> 56 | (halves[1] * ones >> 56) << 8;
}

static void classify_portable(const uint8_t *block, size_t left, json_masks *m)
{
    uint8_t copy[JSON_BLOCK];
    if (left < JSON_BLOCK) {
        memset(copy, 0, sizeof copy);
        block = memcpy(copy, block, left);
    }
    *m = (json_masks){0, 0, 0, 0, 0};
    for (unsigned i = 0; i < JSON_BLOCK; i += 16) {
        bytes16 x;
        memcpy(&x, block + i, sizeof x);
        m->quotes |= equal_portable(x, '"') << i;
        m->backslashes |= equal_portable(x, '\\') << i;
        m->separators |= (equal_portable(x, ',') | equal_portable(x, ':')) << i;
        x |= CASE;
        m->opens |= equal_portable(x, '{') << i;
        m->closes |= equal_portable(x, '}') << i;
    }
}

static const json_ops portable = {"portable", classify_portable};

#ifdef JSON_X86
/* ---- AVX2 ---- */
#define AVX2 __attribute__((target("avx2")))

AVX2 static inline __attribute__((always_inline)) uint64_t equal_avx2(__m256i a, __m256i b, char c)
{
    __m256i to = _mm256_set1_epi8(c);
    return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(a, to)) |
           (uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(b, to)) << 32;
}

AVX2 static void classify_avx2(const uint8_t *block, size_t left, json_masks *m)
{
    uint8_t copy[JSON_BLOCK];
    if (left < JSON_BLOCK) {
        memset(copy, 0, sizeof copy);
        block = memcpy(copy, block, left);
    }
    __m256i a = _mm256_loadu_si256((const __m256i *)block), b = _mm256_loadu_si256((const __m256i *)(block + 32));
    m->quotes = equal_avx2(a, b, '"');
    m->backslashes = equal_avx2(a, b, '\\');
    m->separators = equal_avx2(a, b, ',') | equal_avx2(a, b, ':');
    a = _mm256_or_si256(a, _mm256_set1_epi8(CASE));
    b = _mm256_or_si256(b, _mm256_set1_epi8(CASE));
    m->opens = equal_avx2(a, b, '{');
    m->closes = equal_avx2(a, b, '}');
}

static const json_ops avx2 = {"avx2", classify_avx2};

/* ---- AVX-512 ---- */
#define AVX512 __attribute__((target("avx512f,avx512bw,bmi2")))

AVX512 static void classify_avx512(const uint8_t *block, size_t left, json_masks *m)
{
    __m512i x = _mm512_maskz_loadu_epi8(_bzhi_u64(~UINT64_C(0), (unsigned)left), block);
    m->quotes = _mm512_cmpeq_epi8_mask(x, _mm512_set1_epi8('"'));
    m->backslashes = _mm512_cmpeq_epi8_mask(x, _mm512_set1_epi8('\\'));
    m->separators = _mm512_cmpeq_epi8_mask(x, _mm512_set1_epi8(',')) | _mm512_cmpeq_epi8_mask(x, _mm512_set1_epi8(':'));
    x = _mm512_or_si512(x, _mm512_set1_epi8(CASE));
    m->opens = _mm512_cmpeq_epi8_mask(x, _mm512_set1_epi8('{'));
    m->closes = _mm512_cmpeq_epi8_mask(x, _mm512_set1_epi8('}'));
}

static const json_ops avx512 = {"avx512", classify_avx512};
#endif

const json_ops *json_ops_form(size_t i)
{
    if (i == 0)
        return &portable;
#ifdef JSON_X86
    if (i == 1 && __builtin_cpu_supports("avx2"))
        return &avx2;
    if (i == 2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("bmi2"))
        return &avx512;
#endif
    return NULL;
}

const json_ops *json_ops_best(void)
{
    const json_ops *best = json_ops_form(0);
    for (size_t i = 1; json_ops_form(i); i++)
        best = json_ops_form(i);
    return best;
}

/* ---- what follows ---- */

/* The bytes that a backslash takes: those behind every odd one of a row of backslashes. *carry: from block to block. */
static uint64_t escaped_bytes(uint64_t backslashes, uint64_t *carry)
{
    const uint64_t even = UINT64_C(0x5555555555555555);
    uint64_t before = *carry;
    backslashes &= ~before;
    uint64_t follows = backslashes << 1 | before;
    uint64_t odd_starts = backslashes & ~even & ~follows, even_ends;
    *carry = __builtin_add_overflow(odd_starts, backslashes, &even_ends);
    return (even ^ even_ends << 1) & follows;
}

/* Bit i: the number of ones at 0..i is odd. */
static uint64_t prefix_xor(uint64_t m)
{
    for (unsigned shift = 1; shift < 64; shift *= 2)
        m ^= m << shift;
    return m;
}

void json_scan_block(json_scan *s, size_t block)
{
    json_masks m;
    size_t left = s->size - block;
    s->ops->classify(s->data + block, left < JSON_BLOCK ? left : JSON_BLOCK, &m);
    uint64_t escaped = s->escaped;
    if (m.backslashes) {
        escaped = escaped_bytes(m.backslashes, &s->escaped);
        s->backslashes = true;
    } else {
        s->escaped = 0;
    }
    s->block = block;
    s->quotes = m.quotes & ~escaped;
    uint64_t strings = prefix_xor(s->quotes) ^ s->inside;
    s->inside = strings >> 63 ? ~UINT64_C(0) : 0;
    s->opens = m.opens & ~strings;
    s->closes = m.closes & ~strings;
    s->structure = s->opens | s->closes | (m.separators & ~strings);
}

void json_scan_begin(json_scan *s, const json_ops *ops, const uint8_t *data, size_t size)
{
    *s = (json_scan){.ops = ops, .data = data, .size = size};
    if (size)
        json_scan_block(s, 0);
}

size_t json_skip_nested(json_scan *s, size_t at, size_t depth)
{
    while (at < s->size) {
        while (s->block + JSON_BLOCK <= at)
            json_scan_block(s, s->block + JSON_BLOCK);
        uint64_t from = ~UINT64_C(0) << (at - s->block), opens = s->opens & from, closes = s->closes & from;
        size_t closed = (size_t)__builtin_popcountll(closes);
        if (closed < depth) {
            depth += (size_t)__builtin_popcountll(opens) - closed;
            at = s->block + JSON_BLOCK;
            continue;
        }
        for (uint64_t m = closes; m; m &= m - 1) {
            uint64_t below = (m & -m) - 1;
            size_t opened = (size_t)__builtin_popcountll(opens & below);
            size_t ended = (size_t)__builtin_popcountll(closes & below) + 1;
            if (depth + opened == ended)
                return s->block + (size_t)__builtin_ctzll(m) + 1;
        }
        depth += (size_t)__builtin_popcountll(opens) - closed;
        at = s->block + JSON_BLOCK;
    }
    return s->size + 1;
}
