/* memory: see the header. */
#include "runtime/base/memory.h"

#include "runtime/base/check.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

void *memory_alloc(size_t size)
{
    void *block = malloc(size == 0 ? 1 : size);
    CHECK(block != NULL);
    return block;
}

void *memory_zalloc(size_t size)
{
    void *block = calloc(1, size == 0 ? 1 : size);
    CHECK(block != NULL);
    return block;
}

void *memory_realloc(void *block, size_t size)
{
    void *grown = realloc(block, size == 0 ? 1 : size);
    CHECK(grown != NULL);
    return grown;
}

void *memory_array(size_t count, size_t size)
{
    CHECK(size == 0 || count <= SIZE_MAX / size);
    return memory_zalloc(count * size);
}

void *memory_aligned_array(size_t alignment, size_t count, size_t size)
{
    CHECK(size % alignment == 0);
    CHECK(count <= SIZE_MAX / size);
    void *block = aligned_alloc(alignment, count * size);
    CHECK(block != NULL);
    return memset(block, 0, count * size);
}

char *memory_strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(memory_alloc(size), text, size);
}

void memory_free(void *block)
{
    free(block);
}
