/* bytes: a counted, immutable block: the only thing that two actors may see at once. The creator fills it
 * before it is shared; afterwards nobody writes. The last unref frees it, on whatever thread that is. */
#ifndef AETHER_RUNTIME_BASE_BYTES_H
#define AETHER_RUNTIME_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes {
    _Alignas(16) uint8_t *data; /* Of one that was created: aligned to 16, too. */
    size_t size;
    /* Private. */
    void (*release)(void *owner);
    void *owner;
    uint32_t references; /* Only through __atomic. */
    bool is_large;       /* It and its data lie in a block of those that are kept for the next one. */
};

struct bytes *bytes_create(size_t size); /* Uninitialised data, one reference. */
struct bytes *bytes_copy(const void *data, size_t size);
/* Borrows data that `release(owner)` gives back when the last reference goes. */
struct bytes *bytes_wrap(void *data, size_t size, void (*release)(void *owner), void *owner);
struct bytes *bytes_ref(struct bytes *bytes); /* NULL stays NULL. */
void bytes_unref(struct bytes **bytes);       /* Takes; leaves NULL; NULL content is fine. */

#endif
