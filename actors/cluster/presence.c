/* presence: see the header. */
#include "actors/cluster/presence.h"

#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"

#include <string.h>

struct presence_node {
    uint64_t incarnation;
    enum presence_state state; /* As the record says. */
    int64_t heard_ns;          /* Last renewal; or since when it has the full time. */
    bool renewed;              /* A renewal was confirmed since we lead. */
    bool disconnected;         /* And none since its connection broke. */
    bool losing;               /* We decided that it is lost. */
    bool deciding;             /* A command about it is under way. */
    bool seen;
    char degraded[PRESENCE_DEGRADED_MAX];
};

void presence_init(struct presence *presence, int64_t lost_after_ns)
{
    *presence = (struct presence){ .lost_after_ns = lost_after_ns };
}

void presence_fini(struct presence *presence)
{
    void *node = NULL;
    for (size_t i = 0; map_next(&presence->nodes, &i, NULL, &node);) {
        memory_free(node);
    }
    map_fini(&presence->nodes);
}

static const int64_t suspect_after_ns = MILLISECONDS(PRESENCE_RENEW_MS) * PRESENCE_MISSED_MAX;

static const char *const names[] = {
    [PRESENCE_UP] = "UP", [PRESENCE_SUSPECT] = "SUSPECT", [PRESENCE_LOST] = "LOST"
};

const char *presence_name(enum presence_state state)
{
    return names[state];
}

enum presence_state presence_from_name(const char *name)
{
    if (strcmp(name, names[PRESENCE_UP]) == 0) return PRESENCE_UP;
    return strcmp(name, names[PRESENCE_SUSPECT]) == 0 ? PRESENCE_SUSPECT : PRESENCE_LOST;
}

static struct presence_node *node_of(const struct presence *presence, const char *name, uint64_t incarnation)
{
    struct presence_node *node = map_get(&presence->nodes, name);
    return node != NULL && node->incarnation == incarnation ? node : NULL;
}

void presence_set(struct presence *presence, const char *name, uint64_t incarnation,
                  enum presence_state state, int64_t now_ns)
{
    struct presence_node *node = map_get(&presence->nodes, name);
    if (node == NULL) {
        node = memory_zalloc(sizeof *node);
        (void)map_put(&presence->nodes, name, node);
    }
    if (node->incarnation != incarnation) {
        *node = (struct presence_node){ .incarnation = incarnation, .heard_ns = now_ns };
    }
    node->state = state;
    node->seen = true;
}

void presence_note_degraded(struct presence *presence, const char *name, const char *why)
{
    struct presence_node *node = map_get(&presence->nodes, name);
    if (node != NULL) (void)text_copy(node->degraded, sizeof node->degraded, why);
}

const char *presence_degraded(const struct presence *presence, const char *name)
{
    const struct presence_node *node = map_get(&presence->nodes, name);
    return node == NULL ? "" : node->degraded;
}

void presence_forget(struct presence *presence, const char *name)
{
    memory_free(map_remove(&presence->nodes, name));
}

void presence_forget_all(struct presence *presence)
{
    void *value = NULL;
    for (size_t i = 0; map_next(&presence->nodes, &i, NULL, &value);) {
        struct presence_node *node = value;
        node->seen = false;
    }
}

void presence_sweep(struct presence *presence)
{
    const char *name = NULL;
    void *value = NULL;
    for (size_t i = 0; map_next(&presence->nodes, &i, &name, &value);) {
        const struct presence_node *node = value;
        if (node->seen) continue;
        memory_free(map_remove(&presence->nodes, name));
    }
}

void presence_lead(struct presence *presence, int64_t now_ns)
{
    void *value = NULL;
    for (size_t i = 0; map_next(&presence->nodes, &i, NULL, &value);) {
        struct presence_node *node = value;
        *node = (struct presence_node){
            .incarnation = node->incarnation, .state = node->state, .heard_ns = now_ns, .seen = node->seen
        };
    }
}

void presence_disconnected(struct presence *presence, const char *name)
{
    struct presence_node *node = map_get(&presence->nodes, name);
    if (node != NULL) node->disconnected = true;
}

bool presence_may_renew(const struct presence *presence, const char *name, uint64_t incarnation)
{
    const struct presence_node *node = node_of(presence, name, incarnation);
    return node != NULL && node->state != PRESENCE_LOST && !node->losing;
}

void presence_renewed(struct presence *presence, const char *name, uint64_t incarnation, int64_t now_ns)
{
    struct presence_node *node = node_of(presence, name, incarnation);
    CHECK(node != NULL);
    CHECK(!node->losing);
    node->heard_ns = now_ns;
    node->renewed = true;
    node->disconnected = false;
}

static enum presence_state judge(const struct presence *presence, const struct presence_node *node,
                                 int64_t now_ns)
{
    int64_t silent_ns = now_ns - node->heard_ns;
    if (node->losing || silent_ns >= presence->lost_after_ns) return PRESENCE_LOST;
    if (node->disconnected || silent_ns >= suspect_after_ns) return PRESENCE_SUSPECT;
    return node->renewed ? PRESENCE_UP : node->state; /* Time granted is no sign of life. */
}

bool presence_next(struct presence *presence, size_t *position, int64_t now_ns, const char *self,
                   struct presence_decision *out_decision)
{
    const char *name = NULL;
    void *value = NULL;
    while (map_next(&presence->nodes, position, &name, &value)) {
        struct presence_node *node = value;
        if (node->deciding || node->state == PRESENCE_LOST || strcmp(name, self) == 0) continue;
        enum presence_state to = judge(presence, node, now_ns);
        if (to == node->state) continue;
        node->deciding = true;
        node->losing = to == PRESENCE_LOST;
        *out_decision = (struct presence_decision){ name, node->incarnation, to };
        return true;
    }
    return false;
}

void presence_decided(struct presence *presence, const char *name)
{
    struct presence_node *node = map_get(&presence->nodes, name);
    if (node != NULL) node->deciding = false;
}
