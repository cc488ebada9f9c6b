/* XXH3 and CRC-32C. The CRC runs on the processor's instruction where there is one, on three streams at a time, since
 * that instruction takes three cycles but can start one each cycle; elsewhere on eight tables. */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/hash.h"

#include <pthread.h>

#include "base/wire.h"

uint64_t hash_xxh3(const void *data, size_t size)
{
    return XXH3_64bits(data, size);
}

void hash_hex128(const void *data, size_t size, char out[33])
{
    static const char digits[] = "0123456789abcdef";
    XXH128_canonical_t c;
    XXH128_canonicalFromHash(&c, XXH3_128bits(data, size));
    for (size_t i = 0; i < 16; i++) {
        out[2 * i] = digits[c.digest[i] >> 4];
        out[2 * i + 1] = digits[c.digest[i] & 15];
    }
    out[32] = '\0';
}

#define POLYNOMIAL   UINT32_C(0x82f63b78) /* Castagnoli, bits reversed */
#define LONG_STREAM  4096                 /* bytes of each of three streams */
#define SHORT_STREAM 256

static uint32_t slices[8][256];     /* slices[k][b]: the CRC of byte b and k zero bytes */
static uint32_t shift_long[4][256]; /* moves a CRC past LONG_STREAM zero bytes, a table for each of its bytes */
static uint32_t shift_short[4][256];
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;

/* A CRC state moved past `size` zero bytes; only to make tables. */
static uint32_t pass_zeros(uint32_t crc, size_t size)
{
    while (size--)
        crc = slices[0][crc & 0xff] ^ (crc >> 8);
    return crc;
}

static void make_shift(uint32_t table[4][256], size_t size)
{
    uint32_t bit[32]; /* passing zeros is linear: 32 single bits say all */
    for (unsigned i = 0; i < 32; i++)
        bit[i] = pass_zeros(UINT32_C(1) << i, size);
    for (unsigned k = 0; k < 4; k++)
        for (unsigned b = 0; b < 256; b++) {
            uint32_t crc = 0;
            for (unsigned i = 0; i < 8; i++)
                if (b >> i & 1)
                    crc ^= bit[8 * k + i];
            table[k][b] = crc;
        }
}

static void make_tables(void)
{
    for (uint32_t b = 0; b < 256; b++) {
        uint32_t crc = b;
        for (int i = 0; i < 8; i++)
            crc = crc & 1 ? crc >> 1 ^ POLYNOMIAL : crc >> 1;
        slices[0][b] = crc;
    }
    for (unsigned k = 1; k < 8; k++)
        for (unsigned b = 0; b < 256; b++)
            slices[k][b] = slices[0][slices[k - 1][b] & 0xff] ^ (slices[k - 1][b] >> 8);
    make_shift(shift_long, LONG_STREAM);
    make_shift(shift_short, SHORT_STREAM);
}

uint32_t hash_crc32c_portable(uint32_t crc, const void *data, size_t size)
{
    const uint8_t *p = data;
    pthread_once(&tables_once, make_tables);
    crc = ~crc;
    for (; size >= 8; size -= 8, p += 8) {
        uint64_t v = load_u64(p) ^ crc;
        crc = slices[7][v & 0xff] ^ slices[6][v >> 8 & 0xff] ^ slices[5][v >> 16 & 0xff] ^ slices[4][v >> 24 & 0xff] ^
              slices[3][v >> 32 & 0xff] ^ slices[2][v >> 40 & 0xff] ^ slices[1][v >> 48 & 0xff] ^ slices[0][v >> 56];
    }
    while (size--)
        crc = slices[0][(crc ^ *p++) & 0xff] ^ (crc >> 8);
    return ~crc;
}

#if defined(__x86_64__)
#include <nmmintrin.h>
#define HARDWARE_CRC      __attribute__((target("sse4.2")))
#define CRC_BYTE(crc, v)  _mm_crc32_u8((uint32_t)(crc), v)
#define CRC_WORD(crc, v)  _mm_crc32_u64(crc, v)
#define HAVE_HARDWARE_CRC __builtin_cpu_supports("sse4.2")
#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
#define HARDWARE_CRC
#define CRC_BYTE(crc, v)  __crc32cb((uint32_t)(crc), v)
#define CRC_WORD(crc, v)  __crc32cd((uint32_t)(crc), v)
#define HAVE_HARDWARE_CRC 1
#endif

#ifdef HARDWARE_CRC
static uint32_t shift(const uint32_t table[4][256], uint64_t crc)
{
    return table[0][crc & 0xff] ^ table[1][crc >> 8 & 0xff] ^ table[2][crc >> 16 & 0xff] ^ table[3][crc >> 24 & 0xff];
}

/* Three streams of `stream` bytes, one behind the other, as long as there are three. */
HARDWARE_CRC static inline uint64_t crc_streams(uint64_t crc, const uint8_t **at, size_t *size, size_t stream,
                                                const uint32_t table[4][256])
{
    for (; *size >= 3 * stream; *size -= 3 * stream, *at += 3 * stream) {
        const uint8_t *p = *at;
        uint64_t second = 0, third = 0;
        for (size_t i = 0; i < stream; i += 8) {
            crc = CRC_WORD(crc, load_u64(p + i));
            second = CRC_WORD(second, load_u64(p + stream + i));
            third = CRC_WORD(third, load_u64(p + 2 * stream + i));
        }
        crc = shift(table, crc) ^ second;
        crc = shift(table, crc) ^ third;
    }
    return crc;
}

HARDWARE_CRC static uint32_t crc_hardware(uint32_t start, const uint8_t *p, size_t size)
{
    uint64_t crc = (uint32_t)~start;
    if (size >= (size_t)3 * SHORT_STREAM) {
        pthread_once(&tables_once, make_tables);
        crc = crc_streams(crc, &p, &size, LONG_STREAM, shift_long);
        crc = crc_streams(crc, &p, &size, SHORT_STREAM, shift_short);
    }
    for (; size >= 8; size -= 8, p += 8)
        crc = CRC_WORD(crc, load_u64(p));
    while (size--)
        crc = CRC_BYTE(crc, *p++);
    return ~(uint32_t)crc;
}
#endif

uint32_t hash_crc32c(uint32_t crc, const void *data, size_t size)
{
#ifdef HARDWARE_CRC
    if (HAVE_HARDWARE_CRC)
        return crc_hardware(crc, data, size);
#endif
    return hash_crc32c_portable(crc, data, size);
}
