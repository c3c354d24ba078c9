/* chance: seeded streams of random numbers, one for each family of faults, so that one more draw in one
 * shifts nothing in another. After Steele, Lea, Flood, "Fast splittable pseudorandom number generators"
 * (splitmix64). */
#ifndef AETHER_NODES_SIM_CHANCE_H
#define AETHER_NODES_SIM_CHANCE_H

#include <stdbool.h>
#include <stdint.h>

struct chance {
    uint64_t state;
};

static inline uint64_t chance_next(struct chance *chance)
{
    uint64_t mixed = chance->state += UINT64_C(0x9E3779B97F4A7C15);
    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94D049BB133111EB);
    return mixed ^ (mixed >> 31);
}

static inline struct chance chance_of(uint64_t seed, uint64_t family)
{
    struct chance chance = { seed * UINT64_C(0xD1342543DE82EF95) + family };
    (void)chance_next(&chance);
    return chance;
}

/* From [low, high]. */
static inline int64_t chance_between(struct chance *chance, int64_t low, int64_t high)
{
    return high <= low ? low : low + (int64_t)(chance_next(chance) % (uint64_t)(high - low + 1));
}

static inline bool chance_permille(struct chance *chance, uint32_t permille)
{
    return permille > 0 && chance_next(chance) % 1000 < permille;
}

#endif
