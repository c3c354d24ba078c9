/* follow: one prefix of the agreed state, as an actor sees it: the present records first, then every change,
 * in order, each once (A6). Ended watches are taken up again where they ended. Belongs to the actor that
 * embeds it; several of one actor differ by watch_id. */
#ifndef AETHER_WIRE_FOLLOW_H
#define AETHER_WIRE_FOLLOW_H

#include "runtime/actor.h"
#include "wire/proto/store.pb-c.h"

struct follow {
    const char *prefix; /* Must outlive it. */
    uint64_t watch_id;
    uint64_t revision; /* All changes up to here were seen; 0: nothing yet. */
    bool has_snapshot;
};

/* What came: a snapshot begins (forget what you had; key and event are NULL), then records one by one. */
typedef void follow_visit(void *context, const Pb__KvEvent *event);

void follow_start(struct actor *self, struct follow *follow);
/* A KIND_STATE_CHANGED message. false: it is another follow's. */
bool follow_accept(struct actor *self, struct follow *follow, const struct message *message,
                   follow_visit *visit, void *context);

#endif
