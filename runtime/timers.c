/* timers: see the header. Level k has 64 slots of 64^k nanoseconds. A timer stands on the level of the
 * highest base-64 digit in which its due time differs from `now`, in the slot which that digit names; so the
 * slots of one level lie in order of time, and all of a level's timers come before those of the next level
 * up. Timers live in chunks that never move, and name each other by index: half the size of pointers. */
#include "runtime/timers.h"

#include "runtime/base/check.h"
#include "runtime/base/memory.h"

#include <string.h>

enum { DIGIT_BITS = 6, SLOTS = 64, LEVELS = 11, CHUNK_SIZE = 256, CHUNKS_MAX = 16384, SCAN_MAX = 64 };

struct slot {
    uint32_t first, last; /* Index + 1; 0: empty. */
};

struct timers {
    uint64_t now; /* Everything due before it has fired. */
    uint64_t occupied[LEVELS];
    struct slot slots[LEVELS * SLOTS];
    struct timer **chunks;
    uint32_t chunk_count;
    uint32_t free; /* Index + 1, linked by next. */
    uint32_t count;
};

_Static_assert(sizeof(struct timer) <= 100, "issue 3: a timer costs at most 100 bytes");

static struct timer *timer_at(const struct timers *timers, uint32_t link)
{
    uint32_t index = link - 1;
    return &timers->chunks[index / CHUNK_SIZE][index % CHUNK_SIZE];
}

static uint64_t id_of(const struct timer *timer)
{
    return (uint64_t)timer->generation << 32 | (timer->index + 1);
}

static struct timer *timer_find(const struct timers *timers, uint64_t id)
{
    uint32_t link = (uint32_t)id;
    if (link == 0 || link > timers->chunk_count * CHUNK_SIZE) return NULL;
    struct timer *timer = timer_at(timers, link);
    return timer->generation == id >> 32 ? timer : NULL;
}

size_t timers_bytes(const struct timers *timers)
{
    size_t chunks = timers->chunk_count;
    size_t table =
        chunks == 0 ? 0 : (size_t)1 << (64 - __builtin_clzll(chunks)); /* At most: chunk_add doubles. */
    return sizeof *timers + chunks * CHUNK_SIZE * sizeof(struct timer) + table * sizeof(struct timer *);
}

struct timers *timers_create(int64_t now_ns)
{
    CHECK(now_ns >= 0);
    struct timers *timers = memory_zalloc(sizeof *timers);
    timers->now = (uint64_t)now_ns;
    return timers;
}

void timers_destroy(struct timers **timers)
{
    struct timers *taken = *timers;
    *timers = NULL;
    if (taken == NULL) return;
    for (uint32_t i = 0; i < taken->chunk_count; i++) {
        memory_free(taken->chunks[i]);
    }
    memory_free(taken->chunks);
    memory_free(taken);
}

static void chunk_add(struct timers *timers)
{
    CHECK(timers->chunk_count < CHUNKS_MAX);
    uint32_t count = timers->chunk_count;
    if ((count & (count - 1)) == 0) { /* A power of two: full, or none yet. */
        timers->chunks =
            memory_realloc(timers->chunks, (count == 0 ? 1 : count * 2) * sizeof(struct timer *));
    }
    struct timer *chunk = memory_array(CHUNK_SIZE, sizeof *chunk);
    timers->chunks[timers->chunk_count++] = chunk;
    for (uint32_t i = CHUNK_SIZE; i > 0; i--) {
        chunk[i - 1].index = count * CHUNK_SIZE + i - 1;
        chunk[i - 1].next = timers->free;
        timers->free = chunk[i - 1].index + 1;
    }
}

static void wheel_link(struct timers *timers, struct timer *timer)
{
    uint64_t due = timer->due_ns < 0 ? 0 : (uint64_t)timer->due_ns;
    if (due < timers->now) due = timers->now;
    uint64_t differs = due ^ timers->now;
    uint32_t level = differs == 0 ? 0 : (uint32_t)(63 - __builtin_clzll(differs)) / DIGIT_BITS;
    uint32_t digit = (uint32_t)(due >> (level * DIGIT_BITS)) % SLOTS;
    struct slot *slot = &timers->slots[level * SLOTS + digit];
    uint32_t link = timer->index + 1;
    timer->slot = (uint16_t)(level * SLOTS + digit + 1);
    timer->next = 0;
    timer->previous = slot->last;
    if (slot->last != 0) timer_at(timers, slot->last)->next = link;
    else slot->first = link;
    slot->last = link;
    timers->occupied[level] |= UINT64_C(1) << digit;
}

static void wheel_unlink(struct timers *timers, struct timer *timer)
{
    if (timer->slot == 0) return;
    uint32_t number = timer->slot - 1u;
    struct slot *slot = &timers->slots[number];
    if (timer->previous != 0) timer_at(timers, timer->previous)->next = timer->next;
    else slot->first = timer->next;
    if (timer->next != 0) timer_at(timers, timer->next)->previous = timer->previous;
    else slot->last = timer->previous;
    if (slot->first == 0) timers->occupied[number / SLOTS] &= ~(UINT64_C(1) << number % SLOTS);
    timer->slot = 0;
}

uint64_t timers_arm(struct timers *timers, const struct timer *what, uint32_t *list)
{
    if (timers->free == 0) chunk_add(timers);
    struct timer *timer = timer_at(timers, timers->free);
    timers->free = timer->next;
    uint32_t generation = timer->generation + 1;
    uint32_t index = timer->index;
    *timer = *what;
    timer->generation = generation;
    timer->index = index;
    timer->owner_previous = 0;
    timer->owner_next = *list;
    if (*list != 0) timer_at(timers, *list)->owner_previous = index + 1;
    *list = index + 1;
    wheel_link(timers, timer);
    timers->count++;
    return id_of(timer);
}

static void timer_free(struct timers *timers, struct timer *timer, uint32_t *list)
{
    wheel_unlink(timers, timer);
    if (timer->owner_previous != 0) timer_at(timers, timer->owner_previous)->owner_next = timer->owner_next;
    else *list = timer->owner_next;
    if (timer->owner_next != 0) timer_at(timers, timer->owner_next)->owner_previous = timer->owner_previous;
    timer->generation++; /* Its number names nothing from now on. */
    timer->next = timers->free;
    timers->free = timer->index + 1;
    timers->count--;
}

void timers_cancel(struct timers *timers, uint64_t id, uint32_t *list)
{
    struct timer *timer = timer_find(timers, id);
    if (timer != NULL) timer_free(timers, timer, list);
}

void timers_cancel_all(struct timers *timers, uint32_t *list)
{
    while (*list != 0) {
        timer_free(timers, timer_at(timers, *list), list);
    }
}

bool timers_deliver(struct timers *timers, uint64_t id, int64_t *now_ns, uint32_t *list)
{
    struct timer *timer = timer_find(timers, id);
    if (timer == NULL) return false;
    if (*now_ns < timer->due_ns) *now_ns = timer->due_ns;
    if (timer->period_ns <= 0) {
        timer_free(timers, timer, list);
        return true;
    }
    int64_t late_ns = *now_ns - timer->due_ns;
    timer->due_ns += (late_ns / timer->period_ns + 1) * timer->period_ns; /* What was missed is skipped. */
    wheel_link(timers, timer);
    return true;
}

/* The first occupied slot at or after now; UINT32_MAX: none. */
static uint32_t first_slot(const struct timers *timers)
{
    for (uint32_t level = 0; level < LEVELS; level++) {
        if (timers->occupied[level] == 0) continue;
        return level * SLOTS + (uint32_t)__builtin_ctzll(timers->occupied[level]);
    }
    return UINT32_MAX;
}

/* When the slot begins. Its higher digits are those of now. */
static uint64_t slot_begins(const struct timers *timers, uint32_t number)
{
    uint32_t shift = number / SLOTS * DIGIT_BITS;
    uint64_t digit = number % SLOTS;
    uint64_t above =
        shift + DIGIT_BITS >= 64 ? 0 : timers->now >> (shift + DIGIT_BITS) << (shift + DIGIT_BITS);
    return above | digit << shift;
}

/* The first due time in a slot, so that who sleeps until then wakes once, not once a level. */
static uint64_t earliest_in(const struct timers *timers, uint32_t number)
{
    if (number < SLOTS) return slot_begins(timers, number);
    int64_t earliest_ns = INT64_MAX;
    /* cppcheck-suppress arrayIndexOutOfBoundsCond ; first_slot names only slots that there are. */
    uint32_t link = timers->slots[number].first;
    for (uint32_t seen = 0; link != 0; seen++) {
        if (seen == SCAN_MAX) return slot_begins(timers, number);
        const struct timer *timer = timer_at(timers, link);
        if (timer->due_ns < earliest_ns) earliest_ns = timer->due_ns;
        link = timer->next;
    }
    return (uint64_t)earliest_ns;
}

int64_t timers_next_ns(const struct timers *timers)
{
    uint32_t number = first_slot(timers);
    if (number == UINT32_MAX) return INT64_MAX;
    uint64_t next = earliest_in(timers, number);
    return (int64_t)(next < timers->now ? timers->now : next);
}

/* The slot's time has come: moves its timers to the levels below. */
static void cascade(struct timers *timers, uint32_t number)
{
    struct slot slot = timers->slots[number];
    timers->slots[number] = (struct slot){ 0, 0 };
    timers->occupied[number / SLOTS] &= ~(UINT64_C(1) << number % SLOTS);
    for (uint32_t link = slot.first; link != 0;) {
        struct timer *timer = timer_at(timers, link);
        link = timer->next;
        wheel_link(timers, timer);
    }
}

uint32_t timers_advance(struct timers *timers, int64_t now_ns,
                        void (*fire)(void *context, const struct timer *timer, uint64_t id), void *context)
{
    CHECK(now_ns >= 0);
    uint32_t fired = 0;
    for (;;) {
        uint32_t number = first_slot(timers);
        if (number == UINT32_MAX) break;
        uint64_t begins = slot_begins(timers, number);
        if (begins > (uint64_t)now_ns) break;
        if (begins > timers->now) timers->now = begins;
        if (number >= SLOTS) {
            cascade(timers, number);
            continue;
        }
        struct timer *timer = timer_at(timers, timers->slots[number].first);
        wheel_unlink(timers, timer);
        fire(context, timer, id_of(timer));
        fired++;
    }
    if ((uint64_t)now_ns > timers->now) timers->now = (uint64_t)now_ns;
    return fired;
}

static int64_t stretched(int64_t span_ns, int64_t from, int64_t to)
{
    if (span_ns <= 0 || span_ns > INT64_MAX / from) return span_ns; /* It has come, or never does. */
    return (span_ns * from + to - 1) / to;
}

void timers_stretch(struct timers *timers, uint32_t list, int64_t now_ns, int64_t from, int64_t to)
{
    CHECK(from > 0);
    CHECK(to > 0);
    for (uint32_t link = list; link != 0;) {
        struct timer *timer = timer_at(timers, link);
        link = timer->owner_next;
        timer->period_ns = stretched(timer->period_ns, from, to);
        if (timer->slot == 0) continue; /* Fired, and on its way. */
        wheel_unlink(timers, timer);
        timer->due_ns = now_ns + stretched(timer->due_ns - now_ns, from, to);
        wheel_link(timers, timer);
    }
}

uint32_t timers_count(const struct timers *timers)
{
    return timers->count;
}
