/* Hashes: the frozen one (XXH3-64) for partitions and digests, a faster private one for
 * tables, and CRC-32C for blocks. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t hash_xxh3(const void *data, size_t size); /* seed 0 */
/* XXH3-128 as 32 lower-case hex digits and a NUL. */
void hash_hex128(const void *data, size_t size, char out[33]);

static inline uint64_t hash_mix(uint64_t a, uint64_t b)
{
    __uint128_t x = (__uint128_t)(a ^ UINT64_C(0xa0761d6478bd642f)) * (b ^ UINT64_C(0xe7037ed1a0b428db));
    return (uint64_t)x ^ (uint64_t)(x >> 64);
}

/* CRC-32C (Castagnoli), continued from `crc` (0 to start); hardware where there is some. */
uint32_t hash_crc32c(uint32_t crc, const void *data, size_t size);
uint32_t hash_crc32c_portable(uint32_t crc, const void *data, size_t size);

#endif
