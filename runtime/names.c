/* names: well-known numbers to actors. Read on every send to a name, so each is one atomic word. */
#include "runtime/machine.h"

uint64_t names_pack(struct actor_id id)
{
    return (uint64_t)id.generation << 32 | id.index;
}

struct actor_id names_unpack(uint64_t packed)
{
    return (struct actor_id){ .index = (uint32_t)packed, .generation = (uint32_t)(packed >> 32) };
}

void names_set(struct runtime *runtime, uint32_t name, struct actor_id id)
{
    CHECK(name > 0);
    CHECK(name < ACTOR_NAME_MAX);
    uint64_t nobody = 0;
    bool is_free = __atomic_compare_exchange_n(&runtime->names[name], &nobody, names_pack(id), false,
                                               __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
    CHECK(is_free);
}

struct actor_id names_find(const struct runtime *runtime, uint32_t name)
{
    if (name >= ACTOR_NAME_MAX) return (struct actor_id){ 0, 0 };
    uint64_t packed = __atomic_load_n(&runtime->names[name], __ATOMIC_ACQUIRE);
    return names_unpack(packed);
}

void names_release(struct runtime *runtime, struct actor_id id)
{
    for (uint32_t name = 0; name < ACTOR_NAME_MAX; name++) {
        uint64_t owner = names_pack(id);
        (void)__atomic_compare_exchange_n(&runtime->names[name], &owner, 0, false, __ATOMIC_ACQ_REL,
                                          __ATOMIC_RELAXED);
    }
}
