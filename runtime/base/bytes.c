/* bytes: see the header. */
#include "runtime/base/bytes.h"

#include "runtime/base/check.h"
#include "runtime/base/memory.h"

#include <string.h>

struct bytes *bytes_create(size_t size)
{
    struct bytes *bytes = memory_alloc(sizeof *bytes + size);
    *bytes = (struct bytes){ .data = (uint8_t *)(bytes + 1), .size = size, .references = 1 };
    return bytes;
}

struct bytes *bytes_copy(const void *data, size_t size)
{
    struct bytes *bytes = bytes_create(size);
    if (size > 0) memcpy(bytes->data, data, size);
    return bytes;
}

struct bytes *bytes_wrap(void *data, size_t size, void (*release)(void *owner), void *owner)
{
    struct bytes *bytes = memory_alloc(sizeof *bytes);
    *bytes =
        (struct bytes){ .data = data, .size = size, .release = release, .owner = owner, .references = 1 };
    return bytes;
}

struct bytes *bytes_ref(struct bytes *bytes)
{
    if (bytes == NULL) return NULL;
    uint32_t before = __atomic_fetch_add(&bytes->references, 1, __ATOMIC_RELAXED);
    CHECK(before > 0);
    return bytes;
}

void bytes_unref(struct bytes **bytes)
{
    struct bytes *block = *bytes;
    *bytes = NULL;
    if (block == NULL) return;
    uint32_t before = __atomic_fetch_sub(&block->references, 1, __ATOMIC_ACQ_REL);
    CHECK(before > 0);
    if (before > 1) return;
    if (block->release != NULL) block->release(block->owner);
    memory_free(block);
}
