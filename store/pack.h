/* pack: fixed-width little-endian fields, one after another: how records and log entries lie on disk. */
#ifndef AETHER_STORE_PACK_H
#define AETHER_STORE_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Writes into a buffer that the caller sized; CHECKs that it is not overrun. */
struct pack_writer {
    uint8_t *at;
    size_t left;
};
void pack_u8(struct pack_writer *writer, uint8_t number);
void pack_u16(struct pack_writer *writer, uint16_t number);
void pack_u32(struct pack_writer *writer, uint32_t number);
void pack_u64(struct pack_writer *writer, uint64_t number);
void pack_bytes(struct pack_writer *writer, const void *data, size_t size);

/* Reads outside input: past the end it gives zeros and `failed` stays set, so that a decoder checks once. */
struct pack_reader {
    const uint8_t *at;
    size_t left;
    bool failed;
};
uint8_t unpack_u8(struct pack_reader *reader);
uint16_t unpack_u16(struct pack_reader *reader);
uint32_t unpack_u32(struct pack_reader *reader);
uint64_t unpack_u64(struct pack_reader *reader);
const uint8_t *unpack_bytes(struct pack_reader *reader, size_t size); /* NULL: not that many left. */

#endif
