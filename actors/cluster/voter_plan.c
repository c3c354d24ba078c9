/* voter_plan: see the header. */
#include "actors/cluster/voter_plan.h"

#include "runtime/base/check.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct planning {
    const struct voter_plan_input *input;
    struct voter_plan *plan;
    const struct voter_plan_replica *voters[REPLICAS_MAX]; /* Of the set that is being made. */
    uint32_t voter_count;
    const struct voter_plan_replica *candidates[REPLICAS_MAX]; /* Wished voters that could be, by name. */
    uint32_t candidate_count;
    uint32_t kept_count; /* Votes that nobody wished away. */
    bool allow_even;
};

/* --- what is known of a name ---------------------------------------------------------------------------- */

static const struct voter_plan_wish *wish_of(const struct voter_plan_input *input, const char *node)
{
    for (uint32_t i = 0; i < input->wish_count; i++) {
        if (strcmp(input->wishes[i].node, node) == 0) return &input->wishes[i];
    }
    return NULL;
}

static enum cluster_wish wished(const struct voter_plan_input *input, const char *node)
{
    const struct voter_plan_wish *wish = wish_of(input, node);
    return wish == NULL ? CLUSTER_WISH_NONE : wish->wish;
}

static bool is_wished_away(const struct voter_plan_input *input, const char *node)
{
    enum cluster_wish wish = wished(input, node);
    return wish == CLUSTER_WISH_LEARNER || wish == CLUSTER_WISH_REMOVED;
}

static const struct voter_plan_replica *find(const struct voter_plan_input *input, const char *node,
                                             bool voter)
{
    for (uint32_t i = 0; i < input->replica_count; i++) {
        const struct voter_plan_replica *replica = &input->replicas[i];
        if (replica->voter == voter && strcmp(replica->node, node) == 0) return replica;
    }
    return NULL;
}

static bool is_alive(const struct voter_plan_replica *replica)
{
    return replica->self || replica->silent_ms < VOTER_PLAN_ALIVE_MS;
}

static bool is_gone(const struct voter_plan_replica *replica)
{
    return !replica->self && (replica->retired || replica->silent_ms >= VOTER_PLAN_GONE_MS);
}

__attribute__((format(printf, 4, 5))) static void because(struct planning *planning, const char *node,
                                                          bool needs_person, const char *format, ...)
{
    struct voter_plan *plan = planning->plan;
    if (voter_plan_reason(plan, node) != NULL || plan->reason_count == ARRAY_COUNT(plan->reasons)) return;
    struct voter_plan_reason *reason = &plan->reasons[plan->reason_count++];
    *reason = (struct voter_plan_reason){ .node = node, .needs_person = needs_person };
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(reason->text, sizeof reason->text, format, arguments);
    va_end(arguments);
}

const struct voter_plan_reason *voter_plan_reason(const struct voter_plan *plan, const char *node)
{
    for (uint32_t i = 0; i < plan->reason_count; i++) {
        if (strcmp(plan->reasons[i].node, node) == 0) return &plan->reasons[i];
    }
    return NULL;
}

/* Could this learner vote now? If not, its reason. */
static bool is_ready(struct planning *planning, const struct voter_plan_replica *learner)
{
    if (!is_alive(learner)) {
        because(planning, learner->node, false, "silent for %" PRId64 " s", learner->silent_ms / 1000);
        return false;
    }
    if (!learner->caught_up) {
        because(planning, learner->node, false, "catching up: %" PRIu64 " entries behind", learner->lag);
        return false;
    }
    return true;
}

/* --- the voters to be ----------------------------------------------------------------------------------- */

/* M3: the new replica of a voter's name, once it may take the old one's place; else the old one stays. */
static const struct voter_plan_replica *heir_of(struct planning *planning,
                                                const struct voter_plan_replica *voter)
{
    const struct voter_plan_input *input = planning->input;
    const struct voter_plan_replica *learner = find(input, voter->node, false);
    if (learner == NULL || !is_ready(planning, learner)) return voter;
    if (!is_gone(voter)) {
        because(planning, voter->node, false, "its former replica was heard %" PRId64 " s ago",
                voter->silent_ms / 1000);
        return voter;
    }
    if (input->held_back(input->context, voter->node)) {
        because(planning, voter->node, true, "replaced within the hour already: node promote --replace");
        return voter;
    }
    return learner;
}

static void add_voter(struct planning *planning, const struct voter_plan_replica *replica)
{
    CHECK(planning->voter_count < REPLICAS_MAX);
    planning->voters[planning->voter_count++] = replica;
}

static void keep_voters(struct planning *planning)
{
    const struct voter_plan_input *input = planning->input;
    for (uint32_t i = 0; i < input->replica_count; i++) {
        const struct voter_plan_replica *replica = &input->replicas[i];
        if (!replica->voter) continue;
        if (!is_wished_away(input, replica->node)) add_voter(planning, heir_of(planning, replica));
        else planning->allow_even = planning->allow_even || wish_of(input, replica->node)->allow_even;
    }
    planning->kept_count = planning->voter_count;
}

static void find_candidates(struct planning *planning)
{
    const struct voter_plan_input *input = planning->input;
    for (uint32_t i = 0; i < input->replica_count; i++) {
        const struct voter_plan_replica *replica = &input->replicas[i];
        if (replica->voter || wished(input, replica->node) != CLUSTER_WISH_VOTER) continue;
        if (find(input, replica->node, true) != NULL || !is_ready(planning, replica)) continue;
        uint32_t at = planning->candidate_count++;
        for (; at > 0 && strcmp(planning->candidates[at - 1]->node, replica->node) > 0; at--)
            planning->candidates[at] = planning->candidates[at - 1];
        planning->candidates[at] = replica;
    }
}

/* The largest odd number of voters that can be had, or 0. */
static uint32_t voters_to_be(const struct planning *planning)
{
    uint32_t most = planning->kept_count + planning->candidate_count;
    if (most > VOTER_PLAN_VOTERS_MAX) most = VOTER_PLAN_VOTERS_MAX;
    if (most % 2 == 0 && most > 0) most--;
    if (most >= planning->kept_count && most > 0) return most;
    return planning->allow_even ? planning->kept_count : 0;
}

static bool most_are_alive(const struct planning *planning)
{
    uint32_t alive = 0;
    for (uint32_t i = 0; i < planning->voter_count; i++)
        alive += is_alive(planning->voters[i]) ? 1 : 0;
    return 2 * alive > planning->voter_count;
}

/* Those of now, or their heirs: a wish that waits leaves nobody without a vote that works. */
static void stay(struct planning *planning)
{
    const struct voter_plan_input *input = planning->input;
    planning->voter_count = planning->kept_count;
    for (uint32_t i = 0; i < input->replica_count; i++) {
        const struct voter_plan_replica *replica = &input->replicas[i];
        bool kept = replica->voter && is_wished_away(input, replica->node);
        if (kept) add_voter(planning, heir_of(planning, replica));
    }
}

static void choose_voters(struct planning *planning)
{
    keep_voters(planning);
    find_candidates(planning);
    uint32_t count = voters_to_be(planning);
    for (uint32_t i = 0; planning->voter_count < count; i++)
        add_voter(planning, planning->candidates[i]);
    if (count == 0 || !most_are_alive(planning)) stay(planning);
}

static bool votes(const struct planning *planning, const char *node)
{
    for (uint32_t i = 0; i < planning->voter_count; i++) {
        if (strcmp(planning->voters[i]->node, node) == 0) return true;
    }
    return false;
}

/* A candidate is on its way: what waits for one more waits for nobody's command. */
static bool candidate_comes(const struct planning *planning)
{
    const struct voter_plan_input *input = planning->input;
    for (uint32_t i = 0; i < input->replica_count; i++) {
        const struct voter_plan_replica *replica = &input->replicas[i];
        if (replica->voter || wished(input, replica->node) != CLUSTER_WISH_VOTER) continue;
        bool ready = is_alive(replica) && replica->caught_up;
        if (!ready && find(input, replica->node, true) == NULL) return true;
    }
    return false;
}

/* Why each wish that this change does not carry out waits. */
static void explain(struct planning *planning)
{
    const struct voter_plan_input *input = planning->input;
    bool person = !candidate_comes(planning);
    for (uint32_t i = 0; i < input->wish_count; i++) {
        const char *node = input->wishes[i].node;
        bool will_vote = votes(planning, node);
        if (input->wishes[i].wish == CLUSTER_WISH_VOTER && !will_vote) {
            if (find(input, node, false) == NULL) because(planning, node, true, "it has not joined");
            else if (planning->kept_count >= VOTER_PLAN_VOTERS_MAX)
                because(planning, node, true, "there are %d voters already", VOTER_PLAN_VOTERS_MAX);
            else because(planning, node, person, "waiting for a second candidate");
        } else if (is_wished_away(input, node) && will_vote) {
            bool quorum = voters_to_be(planning) != 0;
            if (planning->kept_count == 0) because(planning, node, true, "it is the last voter");
            else if (quorum)
                because(planning, node, false, "most of the voters that would be left are silent");
            else because(planning, node, person, "waiting for a candidate in its place");
        }
    }
}

/* --- the configuration ---------------------------------------------------------------------------------- */

static bool is_voter_to_be(const struct planning *planning, replica_id id)
{
    for (uint32_t i = 0; i < planning->voter_count; i++) {
        if (planning->voters[i]->id == id) return true;
    }
    return false;
}

static const struct voter_plan_join *join_of(const struct voter_plan_input *input, const char *node)
{
    for (uint32_t i = 0; i < input->join_count; i++) {
        if (strcmp(input->joins[i].node, node) == 0) return &input->joins[i];
    }
    return NULL;
}

/* A learner stays unless it is wished away or a newer replica of its name comes; a voter that loses its vote
 * learns on, unless its name goes altogether or on to its heir. */
static bool stays_as_learner(const struct planning *planning, const struct voter_plan_replica *replica)
{
    const struct voter_plan_input *input = planning->input;
    if (is_voter_to_be(planning, replica->id)) return false;
    if (wished(input, replica->node) == CLUSTER_WISH_REMOVED) return votes(planning, replica->node);
    if (replica->voter) return !votes(planning, replica->node);
    const struct voter_plan_join *join = join_of(input, replica->node);
    return join == NULL || join->id == replica->id;
}

static void add(struct planning *planning, replica_id id, const char *node, bool voter)
{
    /* No room, or twice: the core would refuse it. Left out, it comes with a later change. */
    (void)!configuration_add(&planning->plan->wanted, id, node, voter);
}

static void make_configuration(struct planning *planning)
{
    const struct voter_plan_input *input = planning->input;
    struct voter_plan *plan = planning->plan;
    for (uint32_t i = 0; i < planning->voter_count; i++) {
        const struct voter_plan_replica *voter = planning->voters[i];
        add(planning, voter->id, voter->node, true);
        bool heir = !voter->voter && find(input, voter->node, true) != NULL;
        if (heir) plan->replaced[plan->replaced_count++] = voter->node;
    }
    for (uint32_t i = 0; i < input->replica_count; i++) {
        const struct voter_plan_replica *replica = &input->replicas[i];
        if (stays_as_learner(planning, replica)) add(planning, replica->id, replica->node, false);
    }
    for (uint32_t i = 0; i < input->join_count; i++) {
        const struct voter_plan_join *join = &input->joins[i];
        bool known = configuration_find(&plan->wanted, join->id) != NULL;
        if (!known && wished(input, join->node) != CLUSTER_WISH_REMOVED)
            add(planning, join->id, join->node, false);
    }
}

static bool is_as_it_was(const struct planning *planning)
{
    const struct voter_plan_input *input = planning->input;
    const struct configuration *wanted = &planning->plan->wanted;
    if (wanted->member_count != input->replica_count) return false;
    for (uint32_t i = 0; i < input->replica_count; i++) {
        const struct configuration_member *member = configuration_find(wanted, input->replicas[i].id);
        if (member == NULL || member->voter != input->replicas[i].voter) return false;
    }
    return true;
}

/* The live voter-to-be with the least lag, by name where equal: who leads when the leader leaves. Only who
 * votes already can take over before the change. */
static const char *successor(const struct planning *planning)
{
    const struct voter_plan_replica *best = NULL;
    for (uint32_t i = 0; i < planning->voter_count; i++) {
        const struct voter_plan_replica *voter = planning->voters[i];
        if (voter->self) return NULL;
        if (!voter->voter || !is_alive(voter) || !voter->caught_up) continue;
        bool better = best == NULL || voter->lag < best->lag ||
                      (voter->lag == best->lag && strcmp(voter->node, best->node) < 0);
        if (better) best = voter;
    }
    return best == NULL ? NULL : best->node;
}

void voter_plan(const struct voter_plan_input *input, struct voter_plan *out_plan)
{
    memset(out_plan, 0, sizeof *out_plan);
    struct planning planning = { .input = input, .plan = out_plan };
    choose_voters(&planning);
    explain(&planning);
    make_configuration(&planning);
    if (is_as_it_was(&planning)) return;
    out_plan->successor = successor(&planning);
    out_plan->step = out_plan->successor == NULL ? VOTER_PLAN_CHANGE : VOTER_PLAN_TRANSFER;
}

/* --- joining -------------------------------------------------------------------------------------------- */

enum status voter_plan_admits(const struct voter_plan_input *input, const struct voter_plan_join *join,
                              const char *address, struct error *error)
{
    uint32_t others = 0;
    for (uint32_t i = 0; i < input->replica_count; i++) {
        const struct voter_plan_replica *replica = &input->replicas[i];
        if (replica->id == join->id) return STATUS_OK;
        if (strcmp(replica->node, join->node) != 0) {
            others++;
            continue;
        }
        if (is_gone(replica)) continue;
        (void)error_set(error, STATUS_CONFLICT, "%s is alive at %s: its replica was heard %" PRId64 " ms ago",
                        join->node, address, replica->silent_ms);
        error_hint(error,
                   "another process has this name, or it is let in once that replica was silent for %d s",
                   VOTER_PLAN_GONE_MS / 1000);
        return STATUS_CONFLICT;
    }
    if (others + 2 <= REPLICAS_MAX) return STATUS_OK; /* Its own place, and that of its name's voter. */
    return error_set(error, STATUS_CONFLICT, "the cluster has %u replicas; at most %d", input->replica_count,
                     REPLICAS_MAX);
}
