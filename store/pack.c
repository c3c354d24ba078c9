/* pack: see the header. By words that mind neither alignment nor the machine's byte order. */
#include "store/pack.h"

#include "runtime/base/check.h"
#include "runtime/base/word.h"

#include <string.h>

static inline void pack_number(struct pack_writer *writer, uint64_t number, size_t size)
{
    CHECK(writer->left >= size);
    word_put(writer->at, number, size);
    writer->at += size;
    writer->left -= size;
}

void pack_u8(struct pack_writer *writer, uint8_t number)
{
    pack_number(writer, number, 1);
}

void pack_u16(struct pack_writer *writer, uint16_t number)
{
    pack_number(writer, number, 2);
}

void pack_u32(struct pack_writer *writer, uint32_t number)
{
    pack_number(writer, number, 4);
}

void pack_u64(struct pack_writer *writer, uint64_t number)
{
    pack_number(writer, number, 8);
}

void pack_bytes(struct pack_writer *writer, const void *data, size_t size)
{
    CHECK(writer->left >= size);
    if (size > 0) memcpy(writer->at, data, size);
    writer->at += size;
    writer->left -= size;
}

const uint8_t *unpack_bytes(struct pack_reader *reader, size_t size)
{
    if (reader->left < size) {
        reader->failed = true;
        reader->left = 0;
        return NULL;
    }
    const uint8_t *data = reader->at;
    reader->at += size;
    reader->left -= size;
    return data;
}

static inline uint64_t unpack_number(struct pack_reader *reader, size_t size)
{
    const uint8_t *data = unpack_bytes(reader, size);
    return data == NULL ? 0 : word_get(data, size);
}

uint8_t unpack_u8(struct pack_reader *reader)
{
    return (uint8_t)unpack_number(reader, 1);
}

uint16_t unpack_u16(struct pack_reader *reader)
{
    return (uint16_t)unpack_number(reader, 2);
}

uint32_t unpack_u32(struct pack_reader *reader)
{
    return (uint32_t)unpack_number(reader, 4);
}

uint64_t unpack_u64(struct pack_reader *reader)
{
    return unpack_number(reader, 8);
}
