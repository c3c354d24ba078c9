/* asks: the questions that one actor has open. An ask's number names its place and the place's generation, so
 * an answer that comes twice, or too late, finds nothing: each ask completes once (ACT5). */
#include "runtime/machine.h"

#include "runtime/base/memory.h"
#include "runtime/base/planted.h"

enum { CAPACITY_MIN = 4 };

struct place {
    struct ask ask;
    uint32_t generation; /* Odd: taken. */
    uint32_t next_free;  /* Index + 1. */
};

struct asks {
    uint32_t capacity;
    uint32_t free;
    uint32_t count;
    struct place places[];
};

static void grow(struct asks **asks)
{
    uint32_t before = *asks == NULL ? 0 : (*asks)->capacity;
    uint32_t capacity = before == 0 ? CAPACITY_MIN : before * 2;
    *asks = memory_realloc(*asks, sizeof **asks + capacity * sizeof(struct place));
    if (before == 0) **asks = (struct asks){ 0 };
    (*asks)->capacity = capacity;
    for (uint32_t i = capacity; i > before; i--) {
        (*asks)->places[i - 1] = (struct place){ .next_free = (*asks)->free };
        (*asks)->free = i;
    }
}

uint64_t asks_add(struct asks **asks, const struct ask *ask)
{
    if (*asks == NULL || (*asks)->free == 0) grow(asks);
    uint32_t link = (*asks)->free;
    struct place *place = &(*asks)->places[link - 1];
    (*asks)->free = place->next_free;
    (*asks)->count++;
    place->ask = *ask;
    place->generation++;
    return (uint64_t)place->generation << 32 | link;
}

static struct place *place_find(struct asks *asks, uint64_t id)
{
    uint32_t link = (uint32_t)id;
    if (asks == NULL || link == 0 || link > asks->capacity) return NULL;
    struct place *place = &asks->places[link - 1];
    return place->generation == id >> 32 && place->generation % 2 == 1 ? place : NULL;
}

struct ask *asks_find(struct asks *asks, uint64_t id)
{
    struct place *place = place_find(asks, id);
    return place == NULL ? NULL : &place->ask;
}

static void place_free(struct asks *asks, struct place *place)
{
    place->generation++;
    place->next_free = asks->free;
    asks->free = (uint32_t)(place - asks->places) + 1;
    asks->count--;
}

bool asks_take(struct asks *asks, uint64_t id, struct ask *out_ask)
{
    struct place *place = place_find(asks, id);
    if (place == NULL) return false;
    *out_ask = place->ask;
    if (!PLANTED("runtime.ask_completes_twice")) place_free(asks, place);
    return true;
}

bool asks_take_any(struct asks *asks, struct ask *out_ask)
{
    if (asks == NULL || asks->count == 0) return false;
    uint32_t at = 0;
    while (asks->places[at].generation % 2 == 0) {
        at++;
    }
    CHECK(at < asks->capacity);
    *out_ask = asks->places[at].ask;
    place_free(asks, &asks->places[at]);
    return true;
}

uint32_t asks_count(const struct asks *asks)
{
    return asks == NULL ? 0 : asks->count;
}

void asks_destroy(struct asks **asks)
{
    memory_free(*asks);
    *asks = NULL;
}
