/* hash: hash64 folds 8-byte words (read as little-endian on every machine) through a 64x64->128 bit
 * multiplication, in the manner of wyhash; crc32c is the processor's own instruction where it has one
 * (SSE 4.2), else table driven, 8 bytes a step ("slicing by 8", Kounavis and Berry, 2005). Both give the same
 * sums. */
#include "runtime/base/hash.h"

#include "runtime/base/word.h"

#include <string.h>

static const uint64_t PRIME_A = UINT64_C(0x9E3779B97F4A7C15);
static const uint64_t PRIME_B = UINT64_C(0xD1B54A32D192ED03);

__extension__ typedef unsigned __int128 hash_u128;

uint64_t hash64_mix(uint64_t a, uint64_t b)
{
    hash_u128 product = (hash_u128)(a ^ PRIME_A) * (b ^ PRIME_B);
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t word_at(const uint8_t *at, size_t size)
{
    uint64_t word = 0;
    for (size_t i = 0; i < size; i++) {
        word |= (uint64_t)at[i] << (8 * i);
    }
    return word;
}

uint64_t hash64(const void *data, size_t size, uint64_t seed)
{
    const uint8_t *at = data;
    uint64_t hash = hash64_mix(seed, (uint64_t)size);
    size_t left = size;
    for (; left >= 8; left -= 8, at += 8) {
        hash = hash64_mix(hash, word_get(at, 8)) + PRIME_B;
    }
    if (left > 0) hash = hash64_mix(hash, word_at(at, left)) + PRIME_B;
    return hash64_mix(hash, PRIME_A);
}

static uint32_t crc_table[8][256];

/* Before main, so that no thread can see a half-built table. */
__attribute__((constructor)) static void crc_table_build(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ ((crc & 1) != 0 ? UINT32_C(0x82F63B78) : 0);
        }
        crc_table[0][i] = crc;
    }
    for (uint32_t i = 0; i < 256; i++) {
        for (int slice = 1; slice < 8; slice++) {
            uint32_t before = crc_table[slice - 1][i];
            crc_table[slice][i] = (before >> 8) ^ crc_table[0][before & 0xFF];
        }
    }
}

static uint32_t crc_by_table(uint32_t sum, const uint8_t *at, size_t size)
{
    size_t left = size;
    for (; left >= 8; left -= 8, at += 8) {
        uint64_t word = word_get(at, 8) ^ sum;
        sum = 0;
        for (unsigned i = 0; i < 8; i++) {
            sum ^= crc_table[7 - i][(word >> (8 * i)) & 0xFF];
        }
    }
    for (; left > 0; left--, at++) {
        sum = (sum >> 8) ^ crc_table[0][(sum ^ *at) & 0xFF];
    }
    return sum;
}

#ifdef __x86_64__
__attribute__((target("sse4.2"))) static uint32_t crc_by_instruction(uint32_t sum, const uint8_t *at,
                                                                     size_t size)
{
    uint64_t wide = sum;
    size_t left = size;
    for (; left >= 8; left -= 8, at += 8) {
        uint64_t word;
        memcpy(&word, at, sizeof word);
        wide = __builtin_ia32_crc32di(wide, word);
    }
    sum = (uint32_t)wide;
    for (; left > 0; left--, at++) {
        sum = __builtin_ia32_crc32qi(sum, *at);
    }
    return sum;
}
#endif

uint32_t crc32c(uint32_t crc, const void *data, size_t size)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("sse4.2")) return ~crc_by_instruction(~crc, data, size);
#endif
    return crc32c_portable(crc, data, size);
}

uint32_t crc32c_portable(uint32_t crc, const void *data, size_t size)
{
    return ~crc_by_table(~crc, data, size);
}
