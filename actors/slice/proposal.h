/* proposal: a command to the store, being put together, and what became of it. */
#ifndef AETHER_ACTORS_SLICE_PROPOSAL_H
#define AETHER_ACTORS_SLICE_PROPOSAL_H

#include "runtime/actor.h"
#include "wire/proto/store.pb-c.h"

struct proposal {
    struct message *message; /* KIND_PROPOSE_REQUEST, for TO_PROPOSER. */
    Pb__Command *command;    /* In it. */
};

/* Room for that many operations, and as many compares. */
struct proposal proposal_begin(Pb__Origin origin, size_t room);
void proposal_add(struct proposal *proposal, Pb__Operation *operation); /* In the message's arena. */
struct value;
/* An event (events/{index}); takes the fields. */
void proposal_add_event(struct proposal *proposal, const char *type, struct value **fields);
/* Writes (or with value NULL deletes) the key if its record is still the one that we saw; revision 0: if it
 * is not there. */
void proposal_add_write(struct proposal *proposal, const char *key, uint64_t revision, const char *value);
/* Of the ask: the applier's answer, or why there is none. The story goes to `error` unless OK. */
enum status proposal_outcome(const struct ask_result *result, uint64_t *out_revision, struct error *error);

#endif
