/* leader_founding: how this replica comes to a running core: by founding a cluster, by being let into one, or
 * from the log of an earlier start. A part of the leader actor. */
#include "actors/consensus/leader_state.h"
#include "wire/kinds.h"

#include <string.h>

const uint64_t leader_founding_sequence = UINT64_MAX;

/* --- founding and start --- */

void leader_tell_identity(struct actor *self, const struct leader *leader)
{
    struct message *message = messages_create(KIND_TRANSPORT_IDENTITY, sizeof(struct transport_identity));
    struct transport_identity *identity = message->body;
    identity->cluster_id = leader->founder.founding.cluster_id;
    identity->replica_id = leader->replica;
    actor_tell_name(self, TO_TRANSPORT, &message);
}

static void start_core(struct actor *self, struct leader *leader, const struct core_init *init)
{
    CHECK(leader->core == NULL);
    leader->core_options.self = leader->replica;
    leader->core_options.seed = actor_random(self);
    leader->core = core_create(&leader->core_options);
    leader_clock_start_core(self, leader);
    leader->applied = init->applied;
    leader->configuration = init->configurations[init->configuration_count - 1].configuration;
    leader_tell_identity(self, leader);
    leader_step(self, leader, &(struct core_event){ .type = CORE_EVENT_INIT, .init = init });
    leader_refresh_configuration(leader);
    leader_publish_role(self, leader);
}

static void start_founded(struct actor *self, struct leader *leader)
{
    const struct raft_entry *first = &leader->founder.first;
    struct core_term_run run = { .term = first->term, .first = 1 };
    struct core_log_configuration configuration = { .index = 1,
                                                    .configuration = leader->founder.founding.configuration };
    struct core_init init = {
        .start = founder_made_it(&leader->founder) ? CORE_START_FOUNDER : CORE_START_NEW,
        .hard = { .term = first->term },
        .last = { .index = 1, .term = first->term, .chain = first->chain },
        .last_stamp_ms = first->stamp_ms,
        .term_runs = &run,
        .term_run_count = 1,
        .configurations = &configuration,
        .configuration_count = 1,
    };
    log_info(self, "consensus.founded", "cluster=%016llx",
             (unsigned long long)leader->founder.founding.cluster_id);
    start_core(self, leader, &init);
}

void leader_go_on_founding(struct actor *self, struct leader *leader, enum founder_next next)
{
    if (next == FOUNDER_STARTS) start_founded(self, leader);
    if (next != FOUNDER_STORES) return;
    struct raft_entry first = leader->founder.first;
    struct message *message = messages_persist(&(struct log_persist){
        .sequence = leader_founding_sequence,
        .has_hard = true,
        .hard = { .term = first.term },
        .cluster_id = leader->founder.founding.cluster_id,
        .entries = &first,
        .entry_count = 1,
    });
    leader_hand_over(self, TO_LOG_WRITER, &message);
}

void leader_on_who(struct actor *self, void *state, const struct message *message)
{
    struct leader *leader = state;
    founder_on_who(self, &leader->founder, message);
}

void leader_on_who_reply(struct actor *self, void *state, const struct message *message)
{
    struct leader *leader = state;
    leader_go_on_founding(self, leader, founder_on_who_reply(self, &leader->founder, message));
}

void leader_on_founded(struct actor *self, void *state, const struct message *message)
{
    struct leader *leader = state;
    leader_go_on_founding(self, leader, founder_on_founded(self, &leader->founder, message));
}

void leader_on_founded_reply(struct actor *self, void *state, const struct message *message)
{
    struct leader *leader = state;
    leader_go_on_founding(self, leader, founder_on_founded_reply(self, &leader->founder, message));
}

void leader_start_from_log(struct actor *self, struct leader *leader, const struct log_boot *from,
                           const struct boot *boot)
{
    bool damaged = from->copy_state == LOG_COPY_SNAPSHOT; /* T6 */
    start_core(self, leader,
               &(struct core_init){
                   .start = CORE_START_RESTARTED,
                   .hard = from->hard,
                   .base = from->base,
                   .last = from->last,
                   .applied = damaged ? from->base.index : from->applied.index,
                   .damaged = damaged,
                   .replay_till = from->copy_state == LOG_COPY_REPLAY ? from->committed : 0,
                   .last_stamp_ms = boot->last_stamp_ms,
                   .term_runs = boot->runs,
                   .term_run_count = boot->run_count,
                   .configurations = boot->configurations,
                   .configuration_count = boot->configuration_count,
               });
    if (boot->checkpoint.count == 0) return;
    leader_step(
        self, leader,
        &(struct core_event){ .type = CORE_EVENT_CHECKPOINT, .checkpoint = &boot->checkpoint }); /* T3 */
}

/* Whoever waits for a cluster says for what: silence would look like a node that hangs. */
void leader_log_waiting(struct actor *self, const struct leader_options *given)
{
    uint64_t member_of = given->log->boot.identity.cluster_id;
    if (member_of != 0)
        log_warn(
            self, "consensus.log_is_gone",
            "cluster=%016llx this directory belongs to it, but its log is gone; only its other members can "
            "bring this node back, and it founds no other cluster",
            (unsigned long long)member_of);
    else if (given->bootstrap_count == 0)
        log_warn(self, "consensus.waiting",
                 "in no cluster yet, and cluster.bootstrap is empty: name the founding nodes there");
    else
        log_info(self, "consensus.waiting", "in no cluster yet: until all %u founding nodes are there",
                 given->bootstrap_count);
}
