/* cluster_proposal: commands of one operation, as this domain's actors ask the proposer for them. */
#ifndef AETHER_ACTORS_CLUSTER_CLUSTER_PROPOSAL_H
#define AETHER_ACTORS_CLUSTER_CLUSTER_PROPOSAL_H

#include "runtime/actor.h"
#include "wire/proto/store.pb-c.h"

/* KIND_PROPOSE_REQUEST with one operation, whose case and body the caller sets. */
struct message *cluster_proposal(Pb__Origin origin, Pb__Operation **out_operation);
Pb__Command *cluster_proposal_command(struct message *proposal);
/* What came of it: the application's status, or the refusal's. */
enum status cluster_proposal_status(const struct ask_result *result);
/* The same, with its words; *out_revision: of the entry, when OK. */
enum status cluster_proposal_outcome(const struct ask_result *result, uint64_t *out_revision,
                                     struct error *error);

#endif
