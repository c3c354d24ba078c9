/* founder: the messages of founding (WHO, FOUNDED, JOIN and their replies) around the pure machine of
 * founding.h. A part of the leader actor: it sends as that actor, and stores through it. */
#ifndef AETHER_ACTORS_CONSENSUS_FOUNDER_H
#define AETHER_ACTORS_CONSENSUS_FOUNDER_H

#include "actors/consensus/founding.h"
#include "runtime/actor.h"
#include "runtime/port/transport.h"
#include "store/raft/entry.h"

struct founder {
    struct founding founding;
    const char *address;       /* Where others reach us; for JOIN. */
    replica_id retired;        /* T2: what this node was before its directory was doubted; 0: nothing. */
    struct raft_entry first;   /* Index 1, once known; a reference. */
    uint32_t asked_again;      /* How often: whose turn it is. */
    char giver[NODE_NAME_MAX]; /* Who handed it to us and awaits FOUNDED_REPLY; "" = nobody. */
};

enum founder_next {
    FOUNDER_WAITS,
    FOUNDER_STORES, /* Make `first` (if there is one) durable with the cluster id, then founder_on_stored. */
    FOUNDER_STARTS, /* That is durable: start the core; as its founder when founder_made_it. */
};

/* Without a log. */
MUST_CHECK enum status founder_init(struct founder *founder, const struct founding_options *options,
                                    struct error *error);
/* With one. `held`: its index 1, for those who were founded with us and missed it; borrowed; NULL: compacted.
 */
MUST_CHECK enum status founder_init_held(struct founder *founder, const struct founding_options *options,
                                         uint64_t cluster_id, const struct raft_entry *held,
                                         struct error *error);
void founder_fini(struct founder *founder);
bool founder_made_it(const struct founder *founder);

/* `joined` completes the JOIN that this may ask: it calls founder_on_join_reply. */
MUST_CHECK enum founder_next founder_on_tick(struct actor *self, struct founder *founder,
                                             ask_completion *joined);
void founder_on_peer_up(struct actor *self, struct founder *founder, const char *node);
/* KIND_WHO: answered always, before and after the founding. */
void founder_on_who(struct actor *self, struct founder *founder, const struct message *message);
MUST_CHECK enum founder_next founder_on_who_reply(struct actor *self, struct founder *founder,
                                                  const struct message *message);
MUST_CHECK enum founder_next founder_on_founded(struct actor *self, struct founder *founder,
                                                const struct message *message);
MUST_CHECK enum founder_next founder_on_founded_reply(struct actor *self, struct founder *founder,
                                                      const struct message *message);
/* The end of the ask that JOIN is. REMOVED from the cluster: DENIED, and nothing will change that. */
MUST_CHECK enum status founder_on_join_reply(struct actor *self, struct founder *founder,
                                             const struct ask_result *result, enum founder_next *out_next);
/* Let in long ago, and nobody speaks to us: JOIN to the next of those we know. Its answer is DENIED if we
 * were removed meanwhile; any other changes nothing. */
void founder_ask_again(struct actor *self, struct founder *founder, ask_completion *answered);
MUST_CHECK enum founder_next founder_on_stored(struct actor *self, struct founder *founder);

#endif
