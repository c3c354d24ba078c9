/* arena: see the header. Chunks double up to CHUNK_SIZE_MAX; a larger request gets a chunk of its own. */
#include "runtime/base/arena.h"

#include "runtime/base/check.h"
#include "runtime/base/memory.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { ALIGNMENT = 16, CHUNK_SIZE_MIN = 512, CHUNK_SIZE_MAX = 65536 };

struct arena_chunk {
    struct arena_chunk *next;
    size_t size; /* Of data. */
    size_t used;
    size_t reserved;
    uint8_t data[];
};

static struct arena_chunk *chunk_add(struct arena *arena, size_t size)
{
    size_t grown = arena->chunks == NULL ? CHUNK_SIZE_MIN : arena->chunks->size * 2;
    if (grown > CHUNK_SIZE_MAX) grown = CHUNK_SIZE_MAX;
    if (grown < size) grown = size;
    struct arena_chunk *chunk = memory_alloc(sizeof *chunk + grown);
    *chunk = (struct arena_chunk){ .next = arena->chunks, .size = grown };
    arena->chunks = chunk;
    return chunk;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    CHECK(size <= SIZE_MAX - ALIGNMENT);
    size_t rounded = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    struct arena_chunk *chunk = arena->chunks;
    if (chunk == NULL || chunk->size - chunk->used < rounded) chunk = chunk_add(arena, rounded);
    void *block = chunk->data + chunk->used;
    chunk->used += rounded;
    arena->used_bytes += rounded;
    return memset(block, 0, rounded);
}

void *arena_array(struct arena *arena, size_t count, size_t size)
{
    CHECK(size == 0 || count <= SIZE_MAX / size);
    return arena_alloc(arena, count * size);
}

char *arena_strndup(struct arena *arena, const char *text, size_t length)
{
    char *copy = arena_alloc(arena, length + 1);
    memcpy(copy, text, length);
    return copy;
}

char *arena_strdup(struct arena *arena, const char *text)
{
    return text == NULL ? NULL : arena_strndup(arena, text, strlen(text));
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    CHECK(length >= 0);
    char *text = arena_alloc(arena, (size_t)length + 1);
    va_start(arguments, format);
    (void)vsnprintf(text, (size_t)length + 1, format, arguments);
    va_end(arguments);
    return text;
}

void *arena_memdup(struct arena *arena, const void *data, size_t size)
{
    void *copy = arena_alloc(arena, size);
    if (size > 0) memcpy(copy, data, size);
    return copy;
}

void arena_fini(struct arena *arena)
{
    struct arena_chunk *chunk = arena->chunks;
    while (chunk != NULL) {
        struct arena_chunk *next = chunk->next;
        memory_free(chunk);
        chunk = next;
    }
    *arena = (struct arena){ 0 };
}
