/* raft_occasions: a binary heap by time, then by order of making. */
#include "tests/support/raft_occasions.h"

#include "runtime/base/memory.h"

static bool earlier(const struct occasion *a, const struct occasion *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

struct occasion *occasions_add(struct swarm *swarm, enum occasion_type type, uint32_t replica, uint64_t at)
{
    struct occasion *occasion = memory_zalloc(sizeof *occasion);
    occasion->at = at;
    occasion->order = swarm->made++;
    occasion->type = type;
    occasion->replica = replica;
    occasion->incarnation = swarm->replicas[replica].incarnation;
    if (swarm->heap_count == swarm->heap_capacity) {
        swarm->heap_capacity = swarm->heap_capacity == 0 ? 256 : 2 * swarm->heap_capacity;
        swarm->heap = memory_realloc(swarm->heap, swarm->heap_capacity * sizeof *swarm->heap);
    }
    uint32_t slot = swarm->heap_count++;
    while (slot > 0 && earlier(occasion, swarm->heap[(slot - 1) / 2])) {
        swarm->heap[slot] = swarm->heap[(slot - 1) / 2];
        slot = (slot - 1) / 2;
    }
    swarm->heap[slot] = occasion;
    return occasion;
}

struct occasion *occasions_next(struct swarm *swarm)
{
    struct occasion *first = swarm->heap[0];
    struct occasion *moved = swarm->heap[--swarm->heap_count];
    uint32_t slot = 0;
    for (;;) {
        uint32_t child = 2 * slot + 1;
        if (child >= swarm->heap_count) break;
        bool right = child + 1 < swarm->heap_count && earlier(swarm->heap[child + 1], swarm->heap[child]);
        if (right) child++;
        if (!earlier(swarm->heap[child], moved)) break;
        swarm->heap[slot] = swarm->heap[child];
        slot = child;
    }
    swarm->heap[slot] = moved;
    return first;
}

void occasions_destroy(struct occasion *occasion)
{
    raft_log_fini(&occasion->entries);
    memory_free(occasion->state);
    memory_free(occasion);
}

void occasions_fini(struct swarm *swarm)
{
    for (uint32_t i = 0; i < swarm->heap_count; i++) {
        occasions_destroy(swarm->heap[i]);
    }
    memory_free(swarm->heap);
}
