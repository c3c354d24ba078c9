/* raft_swarm: see the header. */
#include "tests/support/raft_swarm.h"

#include "tests/support/raft_clients.h"
#include "tests/support/raft_faults.h"
#include "tests/support/raft_occasions.h"
#include "tests/support/raft_replica.h"

#include "runtime/base/check.h"
#include "runtime/base/hash.h"
#include "runtime/base/memory.h"

#include <inttypes.h>
#include <stdio.h>

/* --- for all files of the swarm --- */

uint64_t swarm_draw(struct swarm *swarm, enum stream stream, uint64_t below)
{
    swarm->streams[stream] += UINT64_C(0x9E3779B97F4A7C15);
    return hash64_mix(swarm->streams[stream], (uint64_t)stream) % below;
}

bool swarm_chance(struct swarm *swarm, enum stream stream, uint32_t percent)
{
    return swarm_draw(swarm, stream, 100) < percent;
}

uint32_t swarm_replica_of(const struct swarm *swarm, replica_id id)
{
    for (uint32_t i = 0; i < swarm->count; i++) {
        if (swarm->replicas[i].id == id) return i;
    }
    return SWARM_REPLICAS_MAX;
}

void swarm_trace(struct swarm *swarm, uint32_t at, uint32_t type, uint64_t a, uint64_t b)
{
    uint64_t words[] = { swarm->now, at, type, a, b };
    swarm->result->trace_hash = hash64(words, sizeof words, swarm->result->trace_hash);
    if (!swarm->options.trace) return;
    (void)fprintf(stderr, "%8" PRIu64 " us  replica %u  %2u  %" PRIu64 " %" PRIu64 "\n", swarm->now, at, type,
                  a, b);
}

/* --- the healed phase --- */

/* Is it in the configuration of who leads? Others may wait for ever. */
static bool must_catch_up(const struct swarm *swarm, uint32_t at)
{
    if (!swarm->connected[at] || swarm->replicas[at].core == NULL) return false;
    for (uint32_t leader = 0; leader < swarm->count; leader++) {
        const struct core_status *status = &swarm->oracle.replicas[leader].before;
        bool leads = swarm->replicas[leader].core != NULL && status->role == CORE_LEADER && status->ready;
        if (leads && configuration_find(&status->configuration, swarm->replicas[at].id) != NULL) return true;
    }
    return false;
}

/* S14. true: all that had to happen happened. */
static bool check_progress(struct swarm *swarm)
{
    uint64_t since = swarm->now - swarm->healed_at;
    bool caught_up = true;
    bool joint = false;
    for (uint32_t at = 0; at < swarm->count; at++) {
        if (!swarm->connected[at] || swarm->replicas[at].core == NULL) continue;
        const struct core_status *status = &swarm->oracle.replicas[at].before;
        if (status->role == CORE_LEADER && status->ready && !swarm->led) {
            swarm->led = true;
            swarm->healed_commit = status->last.index;
        }
        if (status->ready && status->configuration.joint) joint = true;
        if (swarm->led && status->commit > swarm->healed_commit) swarm->committed = true;
        if (status->applied <= swarm->healed_commit && must_catch_up(swarm, at)) caught_up = false;
    }
    if (!swarm->led && since > 5 * T_MAX_US) oracle_fail(&swarm->oracle, "S14: no leader within 5 T_max");
    if (!swarm->committed && since > 10 * T_MAX_US)
        oracle_fail(&swarm->oracle, "S14: no commit within 10 T_max");
    if (!caught_up && since > 20 * T_MAX_US) oracle_fail(&swarm->oracle, "S14: a member never catches up");
    if (joint && since > 20 * T_MAX_US)
        oracle_fail(&swarm->oracle, "M2: a joint configuration is never left");
    return swarm->led && swarm->committed && caught_up && !joint;
}

/* --- occasions --- */

static void on_occasion(struct swarm *swarm, const struct occasion *occasion)
{
    swarm_trace(swarm, occasion->replica, (uint32_t)occasion->type, occasion->number, occasion->message.term);
    switch (occasion->type) {
    case OCCASION_FAULT:
        if (swarm->healed) break;
        faults_one(swarm);
        occasions_add(swarm, OCCASION_FAULT, 0,
                      swarm->now + (30 + swarm_draw(swarm, STREAM_FAULTS, 500)) * MILLISECOND);
        break;
    case OCCASION_CLIENT:
        clients_one(swarm);
        occasions_add(swarm, OCCASION_CLIENT, 0,
                      swarm->now + (5 + swarm_draw(swarm, STREAM_CLIENT, 40)) * MILLISECOND);
        break;
    case OCCASION_OPERATOR:
        if (swarm->healed) break;
        clients_operate(swarm);
        occasions_add(swarm, OCCASION_OPERATOR, 0,
                      swarm->now + (100 + swarm_draw(swarm, STREAM_MEMBERS, 700)) * MILLISECOND);
        break;
    case OCCASION_HEAL: faults_heal(swarm); break;
    case OCCASION_RESTART: faults_restart(swarm, occasion->replica); break;
    default: replica_on_occasion(swarm, occasion); break;
    }
}

/* --- set-up --- */

static void found(struct swarm *swarm, uint32_t learners)
{
    struct configuration configuration = { 0 };
    for (uint32_t i = 0; i < swarm->voters + learners; i++) {
        uint32_t at = replica_make(swarm, i);
        char name[16];
        (void)snprintf(name, sizeof name, "node-%u", at + 1);
        CHECK(configuration_add(&configuration, swarm->replicas[at].id, name, at < swarm->voters) ==
              STATUS_OK);
    }
    struct bytes *payload = configuration_pack(&configuration);
    struct raft_entry first = { .index = 1, .term = 1, .type = ENTRY_CONFIGURATION, .payload = payload };
    first.chain = entry_chain(0, 1, 1, first.type, payload->data, payload->size);
    for (uint32_t at = 0; at < swarm->voters; at++) { /* A learner begins with nothing. */
        raft_log_append(&swarm->replicas[at].disk.log, &first);
        raft_log_append(&swarm->replicas[at].disk.written, &first);
    }
    oracle_found(&swarm->oracle, &first);
    bytes_unref(&payload);
}

static void set_up(struct swarm *swarm)
{
    for (uint32_t i = 0; i < STREAM_COUNT; i++) {
        swarm->streams[i] = hash64_mix(swarm->options.seed, i + 1);
    }
    swarm->oracle.counts = &swarm->result->counts;
    swarm->voters = swarm_chance(swarm, STREAM_FAULTS, 50) ? 3 : 5;
    uint32_t learners = swarm_chance(swarm, STREAM_FAULTS, 30) ? 1 : 0;
    faults_draw_families(swarm);
    found(swarm, learners);
    for (uint32_t at = 0; at < swarm->count; at++) {
        replica_start(swarm, at, at == 0 ? CORE_START_FOUNDER : CORE_START_NEW);
    }
    occasions_add(swarm, OCCASION_FAULT, 0, 300 * MILLISECOND);
    occasions_add(swarm, OCCASION_CLIENT, 0, 50 * MILLISECOND);
    occasions_add(swarm, OCCASION_OPERATOR, 0, 500 * MILLISECOND);
    occasions_add(swarm, OCCASION_HEAL, 0, FAULTS_END_US);
}

static void tear_down(struct swarm *swarm)
{
    occasions_fini(swarm);
    for (uint32_t at = 0; at < swarm->count; at++) {
        struct replica *replica = &swarm->replicas[at];
        core_destroy(&replica->core);
        core_destroy(&replica->shadow);
        raft_disk_fini(&replica->disk);
        if (replica->old != NULL) raft_disk_fini(replica->old);
        memory_free(replica->old);
    }
    oracle_fini(&swarm->oracle);
}

/* For who replays a seed. */
static void print_replicas(const struct swarm *swarm)
{
    for (uint32_t at = 0; at < swarm->count; at++) {
        const struct replica *replica = &swarm->replicas[at];
        const struct core_status *status = &swarm->oracle.replicas[at].before;
        (void)fprintf(stderr,
                      "replica %u (%" PRIu64 ")%s%s%s%s%s%s %s term %" PRIu64 " leader %" PRIu64
                      " base %" PRIu64 " last %" PRIu64 "/%" PRIu64 " durable %" PRIu64 " commit %" PRIu64
                      " applied %" PRIu64 " configuration %" PRIu64 "%s:",
                      at, replica->id, replica->core == NULL ? " down" : "",
                      replica->retired ? " retired" : "", swarm->connected[at] ? " connected" : "",
                      status->gated ? " gated" : "", status->damaged ? " damaged" : "",
                      status->installing ? " installing" : "", core_role_name(status->role),
                      status->hard.term, status->leader, status->base, status->last.index, status->last.term,
                      status->durable, status->commit, status->applied, status->configuration_index,
                      status->configuration.joint ? " joint" : "");
        for (uint32_t i = 0; i < status->configuration.member_count; i++) {
            const struct configuration_member *member = &status->configuration.members[i];
            (void)fprintf(stderr, " %" PRIu64 "%s%s", member->id, member->voter ? "" : "L",
                          member->outgoing_voter ? "o" : "");
        }
        (void)fprintf(stderr, "\n");
    }
}

void swarm_run(const struct swarm_options *options, struct swarm_result *out_result)
{
    *out_result = (struct swarm_result){ 0 };
    struct swarm *swarm = memory_zalloc(sizeof *swarm);
    swarm->options = *options;
    swarm->result = out_result;
    set_up(swarm);
    bool done = false;
    while (!done && !oracle_failed(&swarm->oracle)) {
        struct occasion *occasion = occasions_next(swarm);
        swarm->now = occasion->at;
        on_occasion(swarm, occasion);
        done = swarm->healed && occasion->type == OCCASION_CLIENT && check_progress(swarm);
        occasions_destroy(occasion);
    }
    if (options->trace) print_replicas(swarm);
    if (oracle_failed(&swarm->oracle)) {
        out_result->failed = true;
        (void)snprintf(out_result->failure, sizeof out_result->failure, "at %" PRIu64 " us: %.450s",
                       swarm->now, swarm->oracle.failure);
    }
    tear_down(swarm);
    memory_free(swarm);
}

void swarm_counts_add(struct swarm_counts *sum, const struct swarm_counts *counts)
{
#define SWARM_ADD(name) sum->name += counts->name;
    SWARM_COUNTS(SWARM_ADD)
#undef SWARM_ADD
}
