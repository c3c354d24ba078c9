/* random: unpredictable bytes (replica ids, cluster ids, seeds), as a port. */
#ifndef AETHER_RUNTIME_PORT_RANDOM_H
#define AETHER_RUNTIME_PORT_RANDOM_H

#include <stddef.h>
#include <stdint.h>

struct random {
    void (*fill)(void *context, void *buffer, size_t size); /* Never fails; any thread. */
    void *context;
};

static inline uint64_t random_u64(const struct random *random)
{
    uint64_t value;
    random->fill(random->context, &value, sizeof value);
    return value;
}

#endif
