/* gate: see the header. A directory that was put back from an old copy has forgotten votes and
 * acknowledgements; the others remember the acknowledgements, in the applied CHECKPOINT and in the leader's
 * match table. */
#include "store/raft/gate.h"

#include "store/raft/election.h"
#include "store/raft/outbox.h"
#include "store/raft/persistence.h"
#include "store/raft/roster.h"

#include "runtime/base/mark.h"

static uint64_t repeat_ticks(const struct core *core)
{
    return (uint64_t)2 * core->options.heartbeat_ticks;
}

static bool asks(const struct core *core, const struct progress *peer)
{
    return configuration_is_voter(roster_active(core), peer->id);
}

static void greet_replica(struct core *core, replica_id id)
{
    outbox_send(core, (struct core_message){ .type = CORE_HELLO,
                                             .to = id,
                                             .token = core->gate.nonce,
                                             .position = { .index = tail_last(&core->tail).index,
                                                           .term = tail_last(&core->tail).term },
                                             .commit = core->commit,
                                             .version = CORE_VERSION });
}

static void greet(struct core *core, const struct progress *peer)
{
    if (asks(core, peer) && !peer->greeted) greet_replica(core, peer->id);
}

static void greet_all(struct core *core)
{
    core->gate.asked = core->now;
    for (uint32_t i = 0; i < core->peer_count; i++) {
        greet(core, &core->peers[i]);
    }
}

void gate_start(struct core *core, enum core_start start)
{
    if (start != CORE_START_RESTARTED || tail_last(&core->tail).index == 0) return;
    bool others = false;
    for (uint32_t i = 0; i < core->peer_count; i++) {
        others = others || asks(core, &core->peers[i]);
    }
    if (!others) return; /* With no other voter there is no gate. */
    core->gate.shut = true;
    core->gate.since = core->now;
    core->gate.nonce = core_draw(core, 0) | 1; /* Not 0: that answers no HELLO. */
    greet_all(core);
}

static bool has_enough_answers(const struct core *core)
{
    uint32_t voters = 0;
    uint32_t answers = 0;
    for (uint32_t i = 0; i < core->peer_count; i++) {
        if (!asks(core, &core->peers[i])) continue;
        voters++;
        answers += core->peers[i].greeted ? 1 : 0;
    }
    bool waited = core->now - core->gate.since >= core->options.election_max_ticks;
    return answers == voters || (waited && answers > 0);
}

static void open_gate(struct core *core)
{
    core->gate.shut = false;
    election_soon(core); /* E10 */
}

void gate_on_tick(struct core *core)
{
    if (!core->gate.shut) return;
    if (has_enough_answers(core)) {
        MARK("raft.gate_opens_after_t_max");
        open_gate(core);
    } else if (core->now - core->gate.asked >= repeat_ticks(core)) {
        greet_all(core);
    }
}

void gate_on_peer_up(struct core *core, replica_id id)
{
    struct progress *peer = roster_peer(core, id);
    if (core->gate.shut && peer != NULL) greet(core, peer);
}

uint64_t gate_due(const struct core *core)
{
    if (!core->gate.shut) return UINT64_MAX;
    uint64_t again = core->gate.asked + repeat_ticks(core);
    uint64_t waited = core->gate.since + core->options.election_max_ticks;
    return waited > core->now && waited < again ? waited : again;
}

/* --- answering --- */

/* What is known to have been acknowledged by that replica. */
static log_index recorded_match(struct core *core, replica_id id)
{
    log_index match = checkpoint_match_of(&core->gate.recorded, id);
    const struct progress *peer = roster_peer(core, id);
    if (core->role == CORE_LEADER && peer != NULL && peer->match > match) match = peer->match;
    return match;
}

static enum core_verdict judge(const struct core_message *hello, log_index match)
{
    if (hello->version != CORE_VERSION) return CORE_VERDICT_VERSION;
    return hello->position.index < match ? CORE_VERDICT_LOST : CORE_VERDICT_OK;
}

/* The copy that we started from may have cast a vote in this term, and forgotten it: none is left to us. */
static void adopt_term(struct core *core, log_term term)
{
    if (term < core->hard.term) return;
    if (term > core->hard.term) election_follow(core, term, 0);
    if (core->hard.vote == 0) MARK("raft.vote_is_spent_at_the_gate");
    if (core->hard.vote == 0) persistence_set_hard(core, term, core->options.self);
}

void gate_on_hello(struct core *core, const struct core_message *message)
{
    log_index match = recorded_match(core, message->from);
    enum core_verdict verdict = judge(message, match);
    if (verdict == CORE_VERDICT_LOST) MARK("raft.gate_answers_lost");
    outbox_send(core, (struct core_message){ .type = CORE_HELLO_REPLY,
                                             .to = message->from,
                                             .token = message->token,
                                             .verdict = verdict,
                                             .match = verdict == CORE_VERDICT_LOST ? match : 0,
                                             .leads = core->role == CORE_LEADER });
}

void gate_on_hello_reply(struct core *core, const struct core_message *message)
{
    if (message->verdict == CORE_VERDICT_REMOVED) {
        if (!MUTANT(core, RETIRED_ANSWERS)) core_fail(core, CORE_STOP_REMOVED);
        return;
    }
    struct progress *peer = roster_peer(core, message->from);
    if (!core->gate.shut || message->token != core->gate.nonce) return;
    bool known = peer != NULL && asks(core, peer);
    if (!known && (!message->leads || message->term < core->hard.term)) return;
    bool lost = message->verdict == CORE_VERDICT_LOST && core->persistence.durable < message->match;
    if (lost) MARK("raft.old_copy_found_out");
    if (lost && !MUTANT(core, RETIRED_ANSWERS)) {
        core_fail(core, CORE_STOP_LOST);
        return;
    }
    if (message->verdict == CORE_VERDICT_VERSION) return;
    adopt_term(core, message->term);
    if (known) peer->greeted = true;
    bool enough = has_enough_answers(core);
    if (message->leads) MARK("raft.gate_opened_by_the_leader");
    if (enough && !message->leads) MARK("raft.gate_opened_by_all_others");
    if (enough || message->leads) open_gate(core);
}

/* --- retired ids (E5) --- */

static uint32_t place_of(const struct gate *gate, replica_id id)
{
    uint32_t low = 0;
    uint32_t high = gate->retired_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (gate->retired[middle] < id) low = middle + 1;
        else high = middle;
    }
    return low;
}

bool gate_is_retired(const struct core *core, replica_id id)
{
    uint32_t at = place_of(&core->gate, id);
    return at < core->gate.retired_count && core->gate.retired[at] == id;
}

void gate_on_retired(struct core *core, const replica_id *ids, uint32_t count)
{
    if (count > CORE_RETIRED_MAX) {
        core_fail(core, CORE_STOP_DRIVER);
        return;
    }
    struct gate *gate = &core->gate;
    gate->retired_count = 0;
    for (uint32_t i = 0; i < count;
         i++) { /* Kept in order: insertion, for a list that hardly ever changes. */
        uint32_t at = gate->retired_count++;
        while (at > 0 && gate->retired[at - 1] > ids[i]) {
            gate->retired[at] = gate->retired[at - 1];
            at--;
        }
        gate->retired[at] = ids[i];
    }
    bool ours = gate_is_retired(core, core->options.self);
    if (ours && !MUTANT(core, RETIRED_ANSWERS)) core_fail(core, CORE_STOP_REMOVED); /* S12 */
}

/* Our configuration may be so old that nobody of it is left: whoever leads now is asked too. */
static void greet_unknown_leader(struct core *core, const struct core_message *message)
{
    bool leads = message->type == CORE_APPEND || message->type == CORE_HEARTBEAT;
    const struct progress *peer = roster_peer(core, message->from);
    bool known = peer != NULL && asks(core, peer);
    if (!leads || known || message->term < core->hard.term) return;
    MARK("raft.gate_asks_an_unknown_leader");
    greet_replica(core, message->from);
}

bool gate_admits(struct core *core, const struct core_message *message)
{
    if (gate_is_retired(core, message->from)) {
        MARK("raft.retired_is_told");
        bool hello = message->type == CORE_HELLO;
        outbox_send(core, (struct core_message){ .type = CORE_HELLO_REPLY,
                                                 .to = message->from,
                                                 .token = hello ? message->token : 0,
                                                 .verdict = CORE_VERDICT_REMOVED });
        return false;
    }
    if (!core->gate.shut) return true;
    greet_unknown_leader(core, message);
    if (message->type == CORE_HELLO && message->term > core->hard.term) adopt_term(core, message->term);
    return message->type == CORE_HELLO || message->type == CORE_HELLO_REPLY;
}
