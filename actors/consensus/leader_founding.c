/* leader_founding: how this replica comes to a running core: by founding a cluster, by being let into one, or
 * from the log of an earlier start. A part of the leader actor. */
#include "actors/consensus/leader_state.h"
#include "wire/kinds.h"

#include <string.h>

/* Looks, one a second: an election goes by unnoticed, and a voter mostly hears of it otherwise. */
enum { LEADERLESS_MAX = 3, LEADERLESS_VOTER_MAX = 10 };

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
    if (init->configuration_count > 0)
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

/* Let in as a learner: the leader sends everything from index 1 on, or a snapshot. */
static void start_joined(struct actor *self, struct leader *leader)
{
    struct core_init init = { .start = CORE_START_NEW, .hard = leader->hard };
    start_core(self, leader, &init);
}

static void on_joined(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct leader *leader = state;
    enum founder_next next;
    (void)context;
    if (founder_on_join_reply(self, &leader->founder, result, &next) == STATUS_OK)
        leader_go_on_founding(self, leader, next);
    else leader_fail(self, STATUS_DENIED, result->error->message);
}

void leader_founding_tick(struct actor *self, struct leader *leader)
{
    leader_go_on_founding(self, leader, founder_on_tick(self, &leader->founder, on_joined));
}

/* --- removed while it was away --- */

static void on_asked_again(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    (void)state, (void)context;
    if (result->status == STATUS_DENIED) leader_fail(self, STATUS_DENIED, result->error->message);
}

/* Who asks for votes is told that it was removed (E5). A learner says nothing of itself, and nobody speaks to
 * one that is gone from the configuration: it has to ask. So has a voter of whose configuration nobody is
 * left.
 */
void leader_look_for_leader(struct actor *self, struct leader *leader)
{
    bool votes = configuration_is_voter(&leader->configuration, leader->replica);
    bool alone = leader->role.leader == 0 && leader->role.role != CORE_LEADER;
    uint32_t patience = votes ? LEADERLESS_VOTER_MAX : LEADERLESS_MAX;
    leader->clock.leaderless = alone ? leader->clock.leaderless + 1 : 0;
    if (leader->clock.leaderless >= patience) founder_ask_again(self, &leader->founder, on_asked_again);
}

void leader_go_on_founding(struct actor *self, struct leader *leader, enum founder_next next)
{
    bool joined = leader->founder.founding.joined;
    if (next == FOUNDER_STARTS && joined) start_joined(self, leader);
    else if (next == FOUNDER_STARTS) start_founded(self, leader);
    if (next != FOUNDER_STORES) return;
    struct raft_entry first = leader->founder.first;
    struct message *message = messages_persist(&(struct log_persist){
        .sequence = leader_founding_sequence,
        .has_hard = !joined,
        .hard = { .term = first.term },
        .cluster_id = leader->founder.founding.cluster_id,
        .entries = &first,
        .entry_count = joined ? 0 : 1,
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

static void start_from_log(struct actor *self, struct leader *leader, const struct log_boot *from,
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
static void log_waiting(struct actor *self, const struct leader_options *given)
{
    const struct log_boot *from = &given->log->boot;
    uint64_t member_of = from->identity.cluster_id;
    if (from->doubt_reason[0] != '\0')
        log_warn(self, "consensus.doubted", "the former store was put aside: %s", from->doubt_reason);
    if (member_of != 0)
        log_warn(
            self, "consensus.log_is_gone",
            "cluster=%016llx this directory belongs to it, but holds no log: it asks to be let in again, and "
            "founds no other cluster",
            (unsigned long long)member_of);
    else if (given->bootstrap_count == 0 && given->peer_count == 0)
        log_warn(
            self, "consensus.waiting",
            "in no cluster yet: name the founding nodes in cluster.bootstrap, or a member of the cluster "
            "that this node shall join in cluster.peers");
    else if (given->bootstrap_count == 0)
        log_info(self, "consensus.waiting", "in no cluster yet: until one of %u peers lets it in",
                 given->peer_count);
    else
        log_info(self, "consensus.waiting", "in no cluster yet: until all %u founding nodes are there",
                 given->bootstrap_count);
}

/* Another node's directory: nothing in it is ours to use. */
static enum status check_name(const struct leader_options *given, const struct boot *boot,
                              struct error *error)
{
    for (uint32_t i = 0; i < boot->configuration_count; i++) {
        const struct configuration_member *member =
            configuration_find(&boot->configurations[i].configuration, given->log->boot.identity.replica_id);
        if (member == NULL || strcmp(member->name, given->node) == 0) continue;
        (void)error_set(error, STATUS_CONFLICT, "this data belongs to node %s, not to %s", member->name,
                        given->node);
        error_hint(error, "set node.id to %s, or node.data to another directory", member->name);
        return STATUS_CONFLICT;
    }
    return STATUS_OK;
}

static enum status init_founder(struct leader *leader, const struct leader_options *given,
                                const struct boot *boot, struct error *error)
{
    const struct log_boot *from = &given->log->boot;
    bool empty = from->last.index == 0;
    const struct founding_options options = {
        .node = given->node,
        .replica = leader->replica,
        .member_of = empty ? from->identity.cluster_id : 0,
        .bootstrap = given->bootstrap,
        .bootstrap_count = given->bootstrap_count,
        .peers = given->peers,
        .peer_count = given->peer_count,
    };
    const struct raft_entry *held = boot->first.index == 1 ? &boot->first : NULL;
    enum status status =
        empty ? founder_init(&leader->founder, &options, error)
              : founder_init_held(&leader->founder, &options, from->identity.cluster_id, held, error);
    if (given->address != NULL) leader->founder.address = given->address;
    leader->founder.retired = from->retired_id;
    return status;
}

enum status leader_start(struct actor *self, struct leader *leader, const struct leader_options *given,
                         struct error *error)
{
    const struct log_boot *from = &given->log->boot;
    struct boot boot;
    enum status status = boot_read(given->log, &boot, error);
    if (status != STATUS_OK) return status;
    leader->hard = from->hard;
    status = check_name(given, &boot, error);
    if (status == STATUS_OK) status = init_founder(leader, given, &boot, error);
    if (status == STATUS_OK) {
        leader_clock_start(self, leader);
        leader_tell_identity(self, leader);
        retired_start(self, &leader->retired);
        if (from->last.index == 0) log_waiting(self, given);
        else start_from_log(self, leader, from, &boot);
    } else {
        founder_fini(&leader->founder);
    }
    boot_fini(&boot);
    return status;
}
