/* bytes: see the header. */
#include "runtime/base/bytes.h"

#include "runtime/base/check.h"
#include "runtime/base/memory.h"

#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define POISONS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POISONS 1
#endif
#endif
#ifndef POISONS
#define POISONS 0
#endif

/* Payloads of the largest size come and go, and to malloc each is an occasion to tidy up its lists and to
 * give pages back, which the next one takes again: more work than the rest of a call. So a few blocks stay,
 * warm. */
enum {
    LARGE_SIZE = 1024 * 1024 + 128 * 1024, /* A payload, with what may be around it. */
    LARGE_FROM = LARGE_SIZE / 2,           /* So a block is at most twice what was asked for. */
    /* The address sanitizer could not tell who still reads what was given back. */
    LARGE_KEPT = POISONS ? 0 : 4,
};

/* Only through __atomic: whoever exchanges a block out has it alone. */
static struct bytes *kept[LARGE_KEPT + 1];

static struct bytes *large_take(void)
{
    for (int i = 0; i < LARGE_KEPT; i++) {
        if (__atomic_load_n(&kept[i], __ATOMIC_RELAXED) == NULL) continue;
        struct bytes *block = __atomic_exchange_n(&kept[i], NULL, __ATOMIC_ACQUIRE);
        if (block != NULL) return block;
    }
    return memory_alloc(LARGE_SIZE);
}

static void large_give(struct bytes *block)
{
    for (int i = 0; i < LARGE_KEPT; i++) {
        struct bytes *none = NULL;
        if (__atomic_compare_exchange_n(&kept[i], &none, block, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
            return;
    }
    memory_free(block);
}

struct bytes *bytes_create(size_t size)
{
    bool is_large = LARGE_KEPT > 0 && size >= LARGE_FROM && size <= LARGE_SIZE - sizeof(struct bytes);
    struct bytes *bytes = is_large ? large_take() : memory_alloc(sizeof *bytes + size);
    *bytes =
        (struct bytes){ .data = (uint8_t *)(bytes + 1), .size = size, .references = 1, .is_large = is_large };
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
    if (block->is_large) large_give(block);
    else memory_free(block);
}
