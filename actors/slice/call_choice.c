/* call_choice: see the header. Among those in the best standing: with a key (of affinity, else of
 * idempotency) the one with the highest weight; else an instance of this node unless its queue is long; else
 * the less loaded of two drawn at random (Mitzenmacher 2001), by what we have on the way there and what it
 * last said. */
#include "actors/slice/call_choice.h"

#include "runtime/base/check.h"
#include "runtime/base/hash.h"

#include <string.h>

enum { QUEUE_LONG = 8, TRIED_NOT = 2, TRIED_BEFORE = 1, TRIED_LAST = 0, RANK_STEP = 4 };
static const int64_t load_believed_ns = MILLISECONDS(500);

struct choice {
    const struct slice_call *calls;
    const struct call *call;
    const char *key; /* "" = none. */
    int64_t now_ns;
    int rank; /* Of the candidates. */
    uint32_t count;
    struct endpoint *sticky; /* The best by weight, with a key. */
    uint64_t weight;
    struct endpoint *here; /* The best of this node. */
    uint32_t here_load;
};

struct serving_instance *call_choice_here(const struct slice_call *calls, struct endpoint *endpoint)
{
    if (endpoint->node != calls->node) return NULL;
    if (endpoint->here_as_of != calls->serving.changes) {
        endpoint->here_as_of = calls->serving.changes;
        endpoint->here = serving_find(&calls->serving, endpoint->artifact, endpoint->instance);
        endpoint->here_entry = endpoint->here == NULL ? NULL : serving_entry(endpoint->here, endpoint->entry);
    }
    return endpoint->here_entry == NULL ? NULL : endpoint->here;
}

void call_choice_learn(struct endpoint *endpoint, uint32_t load, int64_t now_ns)
{
    endpoint->others = load > endpoint->in_flight ? load - endpoint->in_flight : 0;
    endpoint->others_until_ns = now_ns + load_believed_ns;
}

static uint32_t load_of(const struct choice *choice, struct endpoint *endpoint)
{
    const struct serving_instance *here = call_choice_here(choice->calls, endpoint);
    if (here != NULL) return here->in_flight + here->waiting;
    return endpoint->in_flight + (choice->now_ns < endpoint->others_until_ns ? endpoint->others : 0);
}

/* Ours are as good as what the slice store says; others as good as their node. */
static enum endpoint_standing standing_of(const struct choice *choice, struct endpoint *endpoint)
{
    if (endpoint->node != choice->calls->node) return endpoint_table_standing(endpoint->node);
    return call_choice_here(choice->calls, endpoint) != NULL ? ENDPOINT_GOOD : ENDPOINT_AVOIDED;
}

/* Full is no reason to leave the instance that a key belongs to; gone is. */
static bool counts_as_tried(const struct choice *choice, const struct call_try *made)
{
    return choice->key[0] == '\0' || made->status != STATUS_OVERLOADED;
}

static int tried(const struct choice *choice, const struct endpoint *endpoint)
{
    const struct call *call = choice->call;
    int rank = TRIED_NOT;
    for (uint32_t i = 0; i + 1 < call->try_count; i++) { /* The last is the one that we choose for. */
        if (call->tries[i].endpoint != endpoint || !counts_as_tried(choice, &call->tries[i])) continue;
        rank = i + 2 == call->try_count ? TRIED_LAST : TRIED_BEFORE;
    }
    return rank;
}

/* Larger is better; < 0: not at all. A key moves only when its instance goes, not for a doubt. */
static int rank_of(const struct choice *choice, struct endpoint *endpoint)
{
    enum endpoint_standing standing = standing_of(choice, endpoint);
    if (standing == ENDPOINT_AVOIDED) return -1;
    if (choice->key[0] != '\0') standing = ENDPOINT_GOOD;
    return tried(choice, endpoint) * RANK_STEP + (int)standing;
}

/* Highest random weight (Thaler, Ravishankar 1998). */
static void weigh(struct choice *choice, struct endpoint *endpoint)
{
    uint64_t key = hash64(choice->key, strlen(choice->key), 1);
    uint64_t weight = hash64_mix(key, endpoint->weight);
    if (choice->sticky != NULL && weight <= choice->weight) return;
    choice->sticky = endpoint;
    choice->weight = weight;
}

static void consider_here(struct choice *choice, struct endpoint *endpoint)
{
    const struct serving_instance *here = call_choice_here(choice->calls, endpoint);
    if (here == NULL || here->waiting >= QUEUE_LONG) return;
    uint32_t load = here->in_flight + here->waiting;
    if (choice->here != NULL && load >= choice->here_load) return;
    choice->here = endpoint;
    choice->here_load = load;
}

static void consider(struct choice *choice, struct endpoint *endpoint)
{
    int rank = rank_of(choice, endpoint);
    if (rank < 0 || rank < choice->rank) return;
    if (rank > choice->rank) {
        choice->rank = rank;
        choice->count = 0;
        choice->sticky = choice->here = NULL;
    }
    choice->count++;
    if (choice->key[0] != '\0') weigh(choice, endpoint);
    else consider_here(choice, endpoint);
}

static struct endpoint *candidate(const struct choice *choice, const struct endpoint_group *group,
                                  uint32_t at)
{
    for (uint32_t i = 0; i < group->count; i++) {
        if (rank_of(choice, group->endpoints[i]) == choice->rank && at-- == 0) return group->endpoints[i];
    }
    CHECK(false); /* They were counted. */
    return NULL;
}

static struct endpoint *less_loaded_of_two(struct actor *self, const struct choice *choice,
                                           const struct endpoint_group *group)
{
    if (choice->count == 1) return candidate(choice, group, 0);
    uint32_t first = (uint32_t)(actor_random(self) % choice->count);
    uint32_t second = (uint32_t)(actor_random(self) % (choice->count - 1));
    if (second >= first) second++;
    struct endpoint *one = candidate(choice, group, first);
    struct endpoint *other = candidate(choice, group, second);
    return load_of(choice, other) < load_of(choice, one) ? other : one;
}

struct endpoint *call_choice(struct actor *self, struct slice_call *calls, const struct call *call)
{
    const struct endpoint_group *group = endpoint_table_find(&calls->table, call->target);
    if (group == NULL) return NULL;
    struct choice choice = { .calls = calls,
                             .call = call,
                             .key = call->affinity[0] != '\0' ? call->affinity : call->key,
                             .now_ns = actor_now_ns(self),
                             .rank = -1 };
    for (uint32_t i = 0; i < group->count; i++)
        consider(&choice, group->endpoints[i]);
    if (choice.count == 0) return NULL;
    if (choice.sticky != NULL) return choice.sticky;
    if (choice.here != NULL) return choice.here;
    return less_loaded_of_two(self, &choice, group);
}
