/* CRC-32C against published values and a bit-by-bit oracle; XXH3 against published values. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/timebase.h"

static uint32_t crc_by_bits(uint32_t crc, const uint8_t *p, size_t size)
{
    crc = ~crc;
    while (size--) {
        crc ^= *p++;
        for (int i = 0; i < 8; i++)
            crc = crc & 1 ? crc >> 1 ^ 0x82f63b78u : crc >> 1;
    }
    return ~crc;
}

static void crc_has_the_published_values(void **state)
{
    uint8_t bytes[32]; /* RFC 3720, B.4 */
    assert_int_equal(hash_crc32c(0, "123456789", 9), 0xe3069283u);
    memset(bytes, 0, sizeof bytes);
    assert_int_equal(hash_crc32c(0, bytes, 32), 0x8a9136aau);
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(hash_crc32c(0, bytes, 32), 0x62a8ab43u);
    for (unsigned i = 0; i < 32; i++)
        bytes[i] = (uint8_t)i;
    assert_int_equal(hash_crc32c(0, bytes, 32), 0x46dd794eu);
    assert_int_equal(hash_crc32c(0, NULL, 0), 0);
    assert_int_equal(hash_crc32c_portable(0, "123456789", 9), 0xe3069283u);
}

/* Sizes around the streams of the fast path: 3 x 256 and 3 x 4096. */
static void fast_portable_and_bitwise_crc_agree(void **state)
{
    const size_t most = 40000;
    uint8_t *p = malloc(most + 8);
    rng r = {1};
    for (size_t i = 0; i < most + 8; i++)
        p[i] = (uint8_t)rng_next(&r);
    static const size_t around[] = {0, 8, 767, 768, 775, 1536, 12287, 12288, 12289, 13056, 24576, 36865};
    for (size_t i = 0; i < sizeof around / sizeof *around + 200; i++) {
        size_t offset = rng_below(&r, 8);
        size_t size = i < sizeof around / sizeof *around ? around[i] : rng_below(&r, most);
        uint32_t start = (uint32_t)rng_next(&r), expected = crc_by_bits(start, p + offset, size);
        assert_int_equal(hash_crc32c(start, p + offset, size), expected);
        assert_int_equal(hash_crc32c_portable(start, p + offset, size), expected);
        size_t cut = rng_below(&r, size + 1);
        uint32_t part = hash_crc32c(start, p + offset, cut);
        assert_int_equal(hash_crc32c(part, p + offset + cut, size - cut), expected);
    }
    free(p);
}

static void xxh3_has_the_published_values(void **state)
{
    char hex[33];
    assert_int_equal(hash_xxh3("", 0), UINT64_C(0x2d06800538d394c2));
    assert_int_equal(hash_xxh3(NULL, 0), UINT64_C(0x2d06800538d394c2));
    hash_hex128("", 0, hex);
    assert_string_equal(hex, "99aa06d3014798d86001c324468d497f");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc_has_the_published_values),
        cmocka_unit_test(fast_portable_and_bitwise_crc_agree),
        cmocka_unit_test(xxh3_has_the_published_values),
    };
    return cmocka_run_group_tests_name("base/hash", tests, NULL, NULL);
}
