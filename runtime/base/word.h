/* word: numbers of 1 to 8 bytes, little-endian, at any address: one access where the machine's own order is
 * that, and `size` a constant. */
#ifndef AETHER_RUNTIME_BASE_WORD_H
#define AETHER_RUNTIME_BASE_WORD_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline void word_put(uint8_t *to, uint64_t number, size_t size)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    memcpy(to, &number, size);
#else
    for (size_t i = 0; i < size; i++)
        to[i] = (uint8_t)(number >> (8 * i));
#endif
}

static inline uint64_t word_get(const uint8_t *at, size_t size)
{
    uint64_t number = 0;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    memcpy(&number, at, size);
#else
    for (size_t i = 0; i < size; i++)
        number |= (uint64_t)at[i] << (8 * i);
#endif
    return number;
}

#endif
