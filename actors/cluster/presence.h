/* presence: the leader's judgement of who is here (A8), as a table without a clock: what was heard goes in,
 * with its time, and what is to be declared comes out. A node is SUSPECT when its connection broke or three
 * renewals are missing, LOST when lost-after passed since its last confirmed renewal, UP again at the next
 * one. Whoever begins to lead grants everybody the full time again. */
#ifndef AETHER_ACTORS_CLUSTER_PRESENCE_H
#define AETHER_ACTORS_CLUSTER_PRESENCE_H

#include "runtime/base/map.h"
#include "runtime/port/transport.h"

#include <stdbool.h>

enum presence_state { PRESENCE_UP, PRESENCE_SUSPECT, PRESENCE_LOST };

enum { PRESENCE_RENEW_MS = 500, PRESENCE_MISSED_MAX = 3, PRESENCE_DEGRADED_MAX = 160 };

struct presence {
    struct map nodes; /* Name to struct presence_node, private. */
    int64_t lost_after_ns;
};

void presence_init(struct presence *presence, int64_t lost_after_ns);
void presence_fini(struct presence *presence);

const char *presence_name(enum presence_state state);
enum presence_state presence_from_name(const char *name); /* What is unknown counts as LOST. */

/* What nodes/{name} says. A new incarnation starts with the full time. */
void presence_set(struct presence *presence, const char *name, uint64_t incarnation,
                  enum presence_state state, int64_t now_ns);
void presence_forget(struct presence *presence, const char *name); /* There is no such record any more. */
void presence_forget_all(struct presence *presence);               /* All records come anew; then: */
void presence_sweep(struct presence *presence); /* drops the nodes that did not come again. */

void presence_lead(struct presence *presence, int64_t now_ns);
void presence_disconnected(struct presence *presence, const char *name);
/* May this incarnation be confirmed? Not once its loss was decided, even if nobody knows yet whether that was
 * committed: what runs on it may already be starting elsewhere. */
bool presence_may_renew(const struct presence *presence, const char *name, uint64_t incarnation);
/* Why it is degraded, as its renewals say; "": it is well, or was not heard since we lead. */
void presence_note_degraded(struct presence *presence, const char *name, const char *why);
const char *presence_degraded(const struct presence *presence, const char *name);
void presence_renewed(struct presence *presence, const char *name, uint64_t incarnation, int64_t now_ns);

struct presence_decision {
    const char *name; /* Borrowed until the next change. */
    uint64_t incarnation;
    enum presence_state to;
};
/* for (size_t i = 0; presence_next(&presence, &i, now, self, &decision);): what to declare now, but of
 * `self`: who leads is here. Each node's decision is under way from then on, until presence_decided. */
bool presence_next(struct presence *presence, size_t *position, int64_t now_ns, const char *self,
                   struct presence_decision *out_decision);
void presence_decided(struct presence *presence, const char *name); /* Its command ended, in whatever way. */

#endif
