/* history_search: calls and returns of one key in a doubly linked list, in the order of time. The first call
 * that is legal in the present state is lifted out, with its return; a return that is met first means that
 * the order so far leads nowhere, and the last choice is undone. What was reached before, the same set of
 * operations done and the same value, is not tried again. Operations of unknown outcome have no return: they
 * may stay undone. */
#include "nodes/sim/history_search.h"

#include "nodes/sim/history_index.h"
#include "runtime/base/arena.h"
#include "runtime/base/check.h"
#include "runtime/base/hash.h"
#include "runtime/base/memory.h"

#include <stdlib.h>
#include <string.h>

enum { WORDS_MAX = (HISTORY_SEARCH_OPS_MAX + 63) / 64, NO_EVENT = -1 };

/* What an operation is to one key. */
struct act {
    const struct history_part *part;
    bool refused;  /* Its compare did not hold. */
    bool optional; /* It may never have happened. */
    int64_t call_ns;
    int64_t end_ns;
};

struct event {
    int64_t ns;
    uint32_t act;
    bool returns;
    int previous, next; /* In the list; event 0 is its head. */
};

/* One configuration: which acts are done, and the value. Most are done from the first on and not far beyond,
 * so only the words from the first that is not full to the last that is not empty are kept. */
struct memo {
    struct memo *next;
    uint64_t hash;
    uint64_t value;
    uint64_t unknown; /* The optional ones, which may stay undone for ever: apart. */
    uint32_t skipped; /* Full words. */
    uint32_t count;
    uint64_t words[];
};

struct search {
    const struct history *history;
    struct act *acts; /* Of this key: first those that must happen, by their calls, then the optional ones. */
    uint32_t act_count, act_room;
    uint32_t sure_count;
    struct event *events;
    int *lifted;      /* Stack of events of calls. */
    uint64_t *values; /* The value before each of them. */
    uint32_t depth;
    uint64_t done[WORDS_MAX];
    uint64_t unknown_done;
    struct memo **slots;
    uint32_t slot_count, memo_count;
    struct arena memos;
};

/* --- configurations --- */

static void grow(struct search *search)
{
    uint32_t count = search->slot_count == 0 ? 1024 : search->slot_count * 4;
    struct memo **slots = memory_array(count, sizeof(struct memo *));
    for (uint32_t i = 0; i < search->slot_count; i++) {
        for (struct memo *memo = search->slots[i], *next; memo != NULL; memo = next) {
            next = memo->next;
            memo->next = slots[memo->hash & (count - 1)];
            slots[memo->hash & (count - 1)] = memo;
        }
    }
    memory_free(search->slots);
    search->slots = slots;
    search->slot_count = count;
}

static bool equal(const struct memo *a, const struct memo *b)
{
    return a->hash == b->hash && a->value == b->value && a->unknown == b->unknown &&
           a->skipped == b->skipped && a->count == b->count &&
           (a->count == 0 || memcmp(a->words, b->words, a->count * sizeof a->words[0]) == 0);
}

/* false: it was there. */
static bool remember(struct search *search, uint64_t value)
{
    uint32_t first = 0;
    uint32_t end = (search->sure_count + 63) / 64;
    while (first < end && search->done[first] == UINT64_MAX)
        first++;
    while (end > first && search->done[end - 1] == 0)
        end--;
    if (search->memo_count >= search->slot_count) grow(search);
    size_t bytes = (end - first) * sizeof(uint64_t);
    struct memo *memo = arena_alloc(&search->memos, sizeof *memo + bytes);
    *memo = (struct memo){
        .value = value, .unknown = search->unknown_done, .skipped = first, .count = end - first
    };
    if (bytes > 0) memcpy(memo->words, &search->done[first], bytes);
    uint64_t hash = hash64_mix(hash64_mix(value, search->unknown_done), first);
    for (uint32_t i = 0; i < memo->count; i++)
        hash = hash64_mix(hash, memo->words[i]);
    memo->hash = hash;
    struct memo **slot = &search->slots[hash & (search->slot_count - 1)];
    for (const struct memo *known = *slot; known != NULL; known = known->next) {
        if (equal(known, memo)) return false;
    }
    memo->next = *slot;
    *slot = memo;
    search->memo_count++;
    return true;
}

static void mark(struct search *search, uint32_t act, bool done)
{
    uint64_t *word = act < search->sure_count ? &search->done[act / 64] : &search->unknown_done;
    uint32_t bit = act < search->sure_count ? act % 64 : act - search->sure_count;
    if (done) *word |= UINT64_C(1) << bit;
    else *word &= ~(UINT64_C(1) << bit);
}

/* --- the search --- */

/* false: not legal where the value is `*value`. */
static bool step(const struct act *act, uint64_t *value)
{
    const struct history_part *part = act->part;
    if (act->refused) return *value != part->expected;
    if (part->compares && *value != part->expected) return false;
    switch (part->effect) {
    case HISTORY_READS: return *value == part->value;
    case HISTORY_PUTS: *value = part->value; return true;
    case HISTORY_DELETES: *value = 0; return true;
    default: return true;
    }
}

static void unlink_event(struct search *search, int at)
{
    struct event *event = &search->events[at];
    search->events[event->previous].next = event->next;
    if (event->next != NO_EVENT) search->events[event->next].previous = event->previous;
}

static void relink_event(struct search *search, int at)
{
    struct event *event = &search->events[at];
    search->events[event->previous].next = at;
    if (event->next != NO_EVENT) search->events[event->next].previous = at;
}

/* Each act has its call at 2n + 1 of `events`, its return, if it has one, right after. */
static int return_of(const struct search *search, int call)
{
    return search->acts[search->events[call].act].optional ? NO_EVENT : call + 1;
}

static void lift(struct search *search, int call, uint64_t value)
{
    search->values[search->depth] = value;
    search->lifted[search->depth++] = call;
    unlink_event(search, call);
    int end = return_of(search, call);
    if (end != NO_EVENT) unlink_event(search, end);
}

static void put_back(struct search *search, int call)
{
    int end = return_of(search, call);
    if (end != NO_EVENT) relink_event(search, end);
    relink_event(search, call);
}

/* OK: there is an order. CORRUPT: there is none. */
static enum status run(struct search *search)
{
    uint64_t value = 0;
    int at = search->events[0].next;
    while (at != NO_EVENT) {
        struct event *event = &search->events[at];
        if (event->returns) { /* It had to be done by now, and is not: undo the last choice. */
            if (search->depth == 0) return STATUS_CORRUPT;
            search->depth--;
            int call = search->lifted[search->depth];
            value = search->values[search->depth];
            mark(search, search->events[call].act, false);
            put_back(search, call);
            at = search->events[call].next;
            continue;
        }
        uint64_t after = value;
        bool legal = step(&search->acts[event->act], &after);
        if (legal) mark(search, event->act, true);
        if (legal && remember(search, after)) {
            if (search->memo_count >= HISTORY_SEARCH_MEMO_MAX) return STATUS_OVERLOADED;
            lift(search, at, value);
            value = after;
            at = search->events[0].next;
            continue;
        }
        if (legal) mark(search, event->act, false);
        at = event->next;
    }
    return STATUS_OK;
}

/* --- one key --- */

static int by_time(const void *a, const void *b)
{
    const struct event *const *left = a;
    const struct event *const *right = b;
    if ((*left)->ns != (*right)->ns) return (*left)->ns < (*right)->ns ? -1 : 1;
    /* At one time: calls first, for a clock is no finer than its unit. */
    if ((*left)->returns != (*right)->returns) return (*left)->returns ? 1 : -1;
    return (*left)->act < (*right)->act ? -1 : (*left)->act > (*right)->act;
}

static void link_events(struct search *search)
{
    uint32_t count = 0;
    struct event **sorted = memory_array(2 * (size_t)search->act_count + 1, sizeof(struct event *));
    for (uint32_t i = 0; i < search->act_count; i++) {
        struct event *call = &search->events[2 * i + 1];
        *call = (struct event){ .ns = search->acts[i].call_ns, .act = i };
        sorted[count++] = call;
        if (search->acts[i].optional) continue;
        call[1] = (struct event){ .ns = search->acts[i].end_ns, .act = i, .returns = true };
        sorted[count++] = &call[1];
    }
    qsort(sorted, count, sizeof(struct event *), by_time);
    int last = 0;
    for (uint32_t i = 0; i < count; i++) {
        int at = (int)(sorted[i] - search->events);
        search->events[last].next = at;
        search->events[at].previous = last;
        last = at;
    }
    search->events[last].next = NO_EVENT;
    memory_free(sorted);
}

static enum status search_key(struct search *search, const char *key, struct error *error)
{
    uint32_t unknown = search->act_count - search->sure_count;
    if (search->sure_count > HISTORY_SEARCH_OPS_MAX || unknown > HISTORY_SEARCH_UNKNOWN_MAX)
        return error_set(error, STATUS_OVERLOADED, "%s has %u operations, %u of unknown outcome: too many",
                         key, search->act_count, unknown);
    search->events = memory_array(2 * (size_t)search->act_count + 1, sizeof *search->events);
    search->lifted = memory_array(search->act_count + 1, sizeof *search->lifted);
    search->values = memory_array(search->act_count + 1, sizeof *search->values);
    search->depth = 0;
    search->unknown_done = 0;
    memset(search->done, 0, sizeof search->done);
    link_events(search);
    enum status status = run(search);
    if (status == STATUS_CORRUPT)
        (void)error_set(error, status, "K1: no order of the %u operations on %s gives what clients were told",
                        search->act_count, key);
    if (status == STATUS_OVERLOADED)
        (void)error_set(error, status, "%s: gave up after %d configurations", key, HISTORY_SEARCH_MEMO_MAX);
    memory_free(search->events);
    memory_free(search->lifted);
    memory_free(search->values);
    memory_free(search->slots);
    arena_fini(&search->memos);
    search->slots = NULL;
    search->slot_count = search->memo_count = 0;
    return status;
}

/* --- all keys --- */

static void add_act(struct search *search, const struct act *act)
{
    search->acts = history_room(search->acts, search->act_count, &search->act_room, sizeof *search->acts);
    search->acts[search->act_count++] = *act;
}

static uint32_t compares_of(const struct history *history, const struct history_op *op)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < op->part_count; i++)
        count += history->parts[op->part_first + i].compares;
    return count;
}

/* Does the part say anything of its key? And did it surely happen? */
static bool takes_part(const struct history_index *index, const struct history_part *part,
                       struct act *out_act)
{
    const struct history *history = index->history;
    const struct history_op *op = &history->ops[part->op];
    *out_act = (struct act){ .part = part, .call_ns = op->call_ns, .end_ns = index->end_ns[part->op] };
    switch (op->outcome) {
    case HISTORY_OK: return !op->past;
    case HISTORY_REFUSED: out_act->refused = true; return part->compares && compares_of(history, op) == 1;
    case HISTORY_UNKNOWN:
        /* Seen, so it happened, and before that was told; if nobody was told in time, it may be left undone.
         */
        out_act->optional = out_act->end_ns == history_never_ns;
        return history_writes(part);
    default: return false;
    }
}

/* The parts of each key. */
struct column {
    uint32_t *parts;
    uint32_t count, room;
    bool refuses; /* Something was refused on it. */
};

/* A write of unknown outcome that nobody saw is left out, unless it could explain what others were told: a
 * refusal, or a change that required its value. */
static bool is_idle(const struct history_index *index, const struct column *column, const struct act *act)
{
    const struct history *history = index->history;
    if (!act->optional || act->part->effect != HISTORY_PUTS || index->seen[act->part->op]) return false;
    if (column->refuses) return false;
    for (uint32_t i = 0; i < column->count; i++) {
        const struct history_part *part = &history->parts[column->parts[i]];
        if (part->compares && part->expected == act->part->value) return false;
    }
    return true;
}

static struct column *columns_create(const struct history *history)
{
    struct column *columns = memory_array(history->key_count + 1, sizeof *columns);
    for (uint32_t i = 0; i < history->part_count; i++) {
        const struct history_part *part = &history->parts[i];
        struct column *column = &columns[part->key];
        column->parts = history_room(column->parts, column->count, &column->room, sizeof *column->parts);
        column->parts[column->count++] = i;
        column->refuses = column->refuses || history->ops[part->op].outcome == HISTORY_REFUSED;
    }
    return columns;
}

static void fill_acts(struct search *search, const struct history_index *index, const struct column *column)
{
    search->act_count = 0;
    for (int optional = 0; optional < 2; optional++) { /* Those that must happen come first. */
        for (uint32_t i = 0; i < column->count; i++) {
            struct act act;
            if (!takes_part(index, &index->history->parts[column->parts[i]], &act)) continue;
            if (act.optional != (optional == 1) || is_idle(index, column, &act)) continue;
            add_act(search, &act);
        }
        if (optional == 0) search->sure_count = search->act_count;
    }
}

enum status history_search_check(const struct history *history, struct error *error)
{
    struct history_index index;
    struct search search = { .history = history };
    enum status status = history_index_init(&index, history, HISTORY_TRUST_NONE, error);
    struct column *columns = columns_create(history);
    for (uint32_t key = 0; key < history->key_count && status == STATUS_OK; key++) {
        fill_acts(&search, &index, &columns[key]);
        status = search_key(&search, history->keys[key], error);
    }
    for (uint32_t key = 0; key < history->key_count; key++)
        memory_free(columns[key].parts);
    memory_free(columns);
    memory_free(search.acts);
    history_index_fini(&index);
    if (status != STATUS_OK) (void)error_wrap(error, "search by key");
    return status;
}
