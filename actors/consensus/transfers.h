/* transfers: who asked for the lead to move, until it has moved or was given up (E9). A part of the leader
 * actor. */
#ifndef AETHER_ACTORS_CONSENSUS_TRANSFERS_H
#define AETHER_ACTORS_CONSENSUS_TRANSFERS_H

#include "runtime/actor.h"

enum { TRANSFERS_MAX = 8 };

/* Zeroed: nobody waits. */
struct transfers {
    struct transfer {
        struct message *request;
        int64_t give_up_ns;
    } waiting[TRANSFERS_MAX];
    uint32_t count;
};

/* Keeps the message of this turn. The caller has seen that there is room. */
void transfers_keep(struct actor *self, struct transfers *transfers);
/* Answers all when this node leads no more; those that waited long enough with DEADLINE. */
void transfers_answer(struct actor *self, struct transfers *transfers, bool leading);
void transfers_fini(struct transfers *transfers);

#endif
