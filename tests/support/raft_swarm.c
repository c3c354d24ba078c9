/* raft_swarm: see the header. Time is in microseconds and virtual. Each family of chance has its own stream,
 * so that one more draw in one of them shifts nothing in the others. */
#include "tests/support/raft_swarm.h"

#include "tests/support/raft_oracle.h"

#include "runtime/base/check.h"
#include "runtime/base/hash.h"
#include "runtime/base/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    MILLISECOND = 1000,
    TICK_US = 10 * MILLISECOND,
    T_MAX_US = 1000 * MILLISECOND,
    FAULTS_END_US = 12000 * MILLISECOND,
    WAITING_READS_MAX = 4096,
};

enum stream { STREAM_NETWORK, STREAM_DISK, STREAM_FAULTS, STREAM_CLIENT, STREAM_STATE, STREAM_COUNT };

enum occasion_type {
    OCCASION_TICK,
    OCCASION_DELIVER,
    OCCASION_PERSISTED,
    OCCASION_APPLIED,
    OCCASION_LOG_READ,
    OCCASION_RESTART,
    OCCASION_PEER_DOWN,
    OCCASION_FAULT,
    OCCASION_CLIENT,
    OCCASION_HEAL,
};

struct occasion {
    uint64_t at;
    uint64_t order; /* Of those at the same time the first one made. */
    enum occasion_type type;
    uint32_t replica;
    uint32_t incarnation; /* Local ones die with it. */
    uint64_t number;      /* Sequence, index, tag, peer. */
    log_index from;       /* LOG_READ. */
    log_index to;
    struct core_message message;
    struct raft_log entries; /* Owned, for message.entries. */
};

struct replica {
    replica_id id;
    struct core *core; /* NULL: down. */
    uint32_t incarnation;
    struct raft_disk disk;
    uint64_t disk_free_at; /* Batches and reads are served one after the other. */
    uint64_t disk_slow_till;
    uint64_t state_free_at;
    bool isolated;          /* Since... */
    log_term isolated_term; /* ...it had this term, a T_max after it was cut off (S13). */
    uint64_t isolated_at;
};

struct families { /* Swarm testing (Groce, 2012): each on or off by seed. */
    bool loss, doubling, delay, partitions, one_way, crashes, slow_disk, hints, transfers, small_limits;
};

struct waiting {
    bool used;
    uint32_t replica;
    uint32_t incarnation;
    log_index commit; /* The highest anywhere when it began. */
};

struct swarm {
    struct swarm_options options;
    struct swarm_result *result;
    struct oracle oracle;
    struct families families;
    uint64_t streams[STREAM_COUNT];
    uint64_t now;
    uint64_t made;
    struct occasion **heap;
    uint32_t heap_count;
    uint32_t heap_capacity;
    uint32_t count;
    uint32_t voters;
    struct replica replicas[SWARM_REPLICAS_MAX];
    bool cut[SWARM_REPLICAS_MAX][SWARM_REPLICAS_MAX]; /* [from][to] */
    struct core_options limits;
    struct waiting reads[WAITING_READS_MAX]; /* By tag. */
    uint64_t next_tag;
    uint64_t next_value;
    /* The healed phase. */
    bool healed;
    uint64_t healed_at;
    bool connected[SWARM_REPLICAS_MAX];
    bool led;                /* A leader was ready since the heal. */
    log_index healed_commit; /* What it must get beyond, once it leads. */
    bool committed;
};

/* --- chance --- */

static uint64_t draw(struct swarm *swarm, enum stream stream, uint64_t below)
{
    swarm->streams[stream] += UINT64_C(0x9E3779B97F4A7C15);
    return hash64_mix(swarm->streams[stream], (uint64_t)stream) % below;
}

static bool chance(struct swarm *swarm, enum stream stream, uint32_t percent)
{
    return draw(swarm, stream, 100) < percent;
}

/* --- the queue of occasions: a binary heap by time, then order --- */

static bool earlier(const struct occasion *a, const struct occasion *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static struct occasion *occasion_add(struct swarm *swarm, enum occasion_type type, uint32_t replica,
                                     uint64_t at)
{
    struct occasion *occasion = memory_zalloc(sizeof *occasion);
    occasion->at = at;
    occasion->order = swarm->made++;
    occasion->type = type;
    occasion->replica = replica;
    occasion->incarnation = swarm->replicas[replica].incarnation;
    if (swarm->heap_count == swarm->heap_capacity) {
        swarm->heap_capacity = swarm->heap_capacity == 0 ? 256 : 2 * swarm->heap_capacity;
        swarm->heap = memory_realloc(swarm->heap, swarm->heap_capacity * sizeof *swarm->heap);
    }
    uint32_t slot = swarm->heap_count++;
    while (slot > 0 && earlier(occasion, swarm->heap[(slot - 1) / 2])) {
        swarm->heap[slot] = swarm->heap[(slot - 1) / 2];
        slot = (slot - 1) / 2;
    }
    swarm->heap[slot] = occasion;
    return occasion;
}

static struct occasion *occasion_next(struct swarm *swarm)
{
    struct occasion *first = swarm->heap[0];
    struct occasion *moved = swarm->heap[--swarm->heap_count];
    uint32_t slot = 0;
    for (;;) {
        uint32_t child = 2 * slot + 1;
        if (child >= swarm->heap_count) break;
        bool right = child + 1 < swarm->heap_count && earlier(swarm->heap[child + 1], swarm->heap[child]);
        if (right) child++;
        if (!earlier(swarm->heap[child], moved)) break;
        swarm->heap[slot] = swarm->heap[child];
        slot = child;
    }
    swarm->heap[slot] = moved;
    return first;
}

static void occasion_destroy(struct occasion *occasion)
{
    raft_log_fini(&occasion->entries);
    memory_free(occasion);
}

/* --- carrying out actions --- */

static uint32_t replica_of(const struct swarm *swarm, replica_id id)
{
    for (uint32_t i = 0; i < swarm->count; i++) {
        if (swarm->replicas[i].id == id) return i;
    }
    return SWARM_REPLICAS_MAX;
}

static uint64_t network_delay(struct swarm *swarm)
{
    uint64_t delay = 200 + draw(swarm, STREAM_NETWORK, 3000);
    if (swarm->healed || !swarm->families.delay) return delay;
    if (chance(swarm, STREAM_NETWORK, 20)) delay += draw(swarm, STREAM_NETWORK, 100 * MILLISECOND);
    if (chance(swarm, STREAM_NETWORK, 2)) delay += draw(swarm, STREAM_NETWORK, 2000 * MILLISECOND);
    return delay;
}

static void post(struct swarm *swarm, uint32_t to, const struct core_message *message)
{
    struct occasion *occasion = occasion_add(swarm, OCCASION_DELIVER, to, swarm->now + network_delay(swarm));
    occasion->message = *message;
    for (uint32_t i = 0; i < message->entry_count; i++) {
        raft_log_append(&occasion->entries, &message->entries[i]);
    }
    occasion->message.entries = occasion->entries.entries;
}

static void send(struct swarm *swarm, uint32_t from, const struct core_message *message)
{
    oracle_send(&swarm->oracle, from, message, &swarm->replicas[from].disk);
    uint32_t to = replica_of(swarm, message->to);
    if (to == SWARM_REPLICAS_MAX) return;
    bool faults = !swarm->healed;
    if (faults && swarm->families.loss && chance(swarm, STREAM_NETWORK, 10)) {
        swarm->result->counts.messages_lost++;
        return;
    }
    post(swarm, to, message);
    if (faults && swarm->families.doubling && chance(swarm, STREAM_NETWORK, 10)) {
        swarm->result->counts.messages_doubled++;
        post(swarm, to, message);
    }
}

static uint64_t disk_done_at(struct swarm *swarm, struct replica *replica)
{
    bool slow = swarm->now < replica->disk_slow_till;
    uint64_t takes = 100 + draw(swarm, STREAM_DISK, slow ? 300 * MILLISECOND : 4 * MILLISECOND);
    if (replica->disk_free_at < swarm->now) replica->disk_free_at = swarm->now;
    replica->disk_free_at += takes;
    return replica->disk_free_at;
}

static void persist(struct swarm *swarm, uint32_t at, const struct core_persist *action,
                    const struct core_status *status)
{
    struct replica *replica = &swarm->replicas[at];
    oracle_persist(&swarm->oracle, at, action, status);
    raft_disk_write(&replica->disk, action);
    occasion_add(swarm, OCCASION_PERSISTED, at, disk_done_at(swarm, replica))->number = action->sequence;
}

static void apply(struct swarm *swarm, uint32_t at, const struct core_apply *action)
{
    struct replica *replica = &swarm->replicas[at];
    if (action->entries == NULL) swarm->result->counts.log_applies++;
    for (log_index index = action->from; index <= action->to; index++) {
        const struct raft_entry *stored = raft_log_at(&replica->disk.log, index);
        if (stored == NULL) {
            oracle_fail(&swarm->oracle, "R9: replica %u applies %" PRIu64 ", which is not durable", at,
                        index);
            return;
        }
        const struct raft_entry *entry =
            action->entries == NULL ? stored : &action->entries[index - action->from];
        if (entry->chain != stored->chain)
            oracle_fail(&swarm->oracle, "R9: replica %u applies another entry", at);
        oracle_apply(&swarm->oracle, at, entry);
    }
    if (replica->state_free_at < swarm->now) replica->state_free_at = swarm->now;
    replica->state_free_at += 20 + draw(swarm, STREAM_STATE, 2 * MILLISECOND);
    occasion_add(swarm, OCCASION_APPLIED, at, replica->state_free_at)->number = action->to;
}

static void read_log(struct swarm *swarm, uint32_t at, const struct core_read_log *action)
{
    swarm->result->counts.log_reads++;
    struct occasion *occasion =
        occasion_add(swarm, OCCASION_LOG_READ, at, disk_done_at(swarm, &swarm->replicas[at]));
    occasion->number = action->tag;
    occasion->from = action->from;
    occasion->to = action->to;
}

static void read_ok(struct swarm *swarm, uint32_t at, const struct core_read_ok *action,
                    const struct core_status *status)
{
    struct waiting *waiting = &swarm->reads[action->tag % WAITING_READS_MAX];
    bool ours =
        waiting->used && waiting->replica == at && waiting->incarnation == swarm->replicas[at].incarnation;
    if (!ours) {
        oracle_fail(&swarm->oracle, "Q1: replica %u answers a read that nobody asks", at);
        return;
    }
    waiting->used = false;
    swarm->result->counts.reads_answered++;
    oracle_read(&swarm->oracle, at, action->index, waiting->commit);
    if (action->index > status->applied)
        oracle_fail(&swarm->oracle, "Q1: replica %u reads ahead of its state", at);
}

static void trace(struct swarm *swarm, uint32_t at, uint32_t type, uint64_t a, uint64_t b)
{
    uint64_t words[] = { swarm->now, at, type, a, b };
    swarm->result->trace_hash = hash64(words, sizeof words, swarm->result->trace_hash);
    if (!swarm->options.trace) return;
    (void)fprintf(stderr, "%8" PRIu64 " us  replica %u  %2u  %" PRIu64 " %" PRIu64 "\n", swarm->now, at, type,
                  a, b);
}

static void carry_out(struct swarm *swarm, uint32_t at, const struct core_action *action,
                      const struct core_status *status)
{
    trace(swarm, at, 100 + (uint32_t)action->type, status->last.chain, status->commit);
    switch (action->type) {
    case CORE_ACTION_SEND: send(swarm, at, &action->send); break;
    case CORE_ACTION_APPLY: apply(swarm, at, &action->apply); break;
    case CORE_ACTION_READ_LOG: read_log(swarm, at, &action->read_log); break;
    case CORE_ACTION_READ_OK: read_ok(swarm, at, &action->read_ok, status); break;
    default: break;
    }
}

static void step(struct swarm *swarm, uint32_t at, const struct core_event *event)
{
    struct replica *replica = &swarm->replicas[at];
    const struct core_actions *actions = core_step(replica->core, event);
    struct core_status status;
    core_status(replica->core, &status);
    swarm->result->counts.events++;
    for (uint32_t i = 0; i < actions->count; i++) { /* First, for the oracle to see the log as it now is. */
        if (actions->items[i].type == CORE_ACTION_PERSIST)
            persist(swarm, at, &actions->items[i].persist, &status);
    }
    oracle_step(&swarm->oracle, at, &status, &replica->disk);
    for (uint32_t i = 0; i < actions->count; i++) {
        carry_out(swarm, at, &actions->items[i], &status);
    }
}

/* --- replicas --- */

static void start(struct swarm *swarm, uint32_t at, enum core_start how)
{
    struct replica *replica = &swarm->replicas[at];
    struct core_options options = swarm->limits;
    options.self = replica->id;
    options.seed = hash64_mix(swarm->options.seed, (uint64_t)at << 32 | replica->incarnation);
    options.mutant = swarm->options.mutant;
    replica->core = core_create(&options);
    oracle_restarted(&swarm->oracle, at);
    static struct core_term_run runs[CORE_TERM_RUNS_MAX];
    static struct core_log_configuration configurations[CORE_CONFIGURATIONS_MAX];
    struct core_init init;
    raft_disk_init(&replica->disk, runs, configurations, &init);
    init.start = how;
    step(swarm, at, &(struct core_event){ .type = CORE_EVENT_INIT, .init = &init });
    occasion_add(swarm, OCCASION_TICK, at, swarm->now + 1 + draw(swarm, STREAM_FAULTS, TICK_US));
}

static void finish_batches(struct replica *replica, uint64_t count)
{
    uint64_t sequence = 0;
    for (uint64_t i = 0; i < count; i++) {
        (void)raft_disk_finish_one(&replica->disk, &sequence);
    }
}

static void crash(struct swarm *swarm, uint32_t at, uint64_t restart_at)
{
    struct replica *replica = &swarm->replicas[at];
    if (replica->core == NULL) return;
    core_destroy(&replica->core);
    swarm->result->counts.crashes++;
    finish_batches(replica, draw(swarm, STREAM_DISK, 4)); /* What was on its way may have come through. */
    swarm->result->counts.lost_batches += raft_disk_crash(&replica->disk);
    replica->incarnation++;
    replica->disk_free_at = 0;
    replica->state_free_at = 0;
    if (restart_at != 0) occasion_add(swarm, OCCASION_RESTART, at, restart_at);
    for (uint32_t peer = 0; peer < swarm->count; peer++) {
        if (!swarm->families.hints || peer == at) continue;
        occasion_add(swarm, OCCASION_PEER_DOWN, peer, swarm->now + MILLISECOND)->number = replica->id;
    }
}

/* --- faults --- */

static void note_isolation(struct swarm *swarm)
{
    for (uint32_t at = 0; at < swarm->count; at++) {
        struct replica *replica = &swarm->replicas[at];
        bool isolated = true;
        for (uint32_t peer = 0; peer < swarm->count; peer++) {
            if (peer != at && (!swarm->cut[at][peer] || !swarm->cut[peer][at])) isolated = false;
        }
        if (isolated && !replica->isolated) replica->isolated_at = swarm->now;
        if (isolated != replica->isolated) replica->isolated_term = 0;
        replica->isolated = isolated;
    }
}

static void mend_links(struct swarm *swarm)
{
    memset(swarm->cut, 0, sizeof swarm->cut);
}

/* Any two sides, or one alone: a leader, by preference, so that it has entries to lose. */
static uint64_t draw_side(struct swarm *swarm)
{
    if (chance(swarm, STREAM_FAULTS, 40)) return draw(swarm, STREAM_FAULTS, UINT64_C(1) << swarm->count);
    uint64_t alone = draw(swarm, STREAM_FAULTS, swarm->count);
    for (uint32_t at = 0; at < swarm->count; at++) {
        if (swarm->oracle.replicas[at].before.role == CORE_LEADER) alone = at;
    }
    return UINT64_C(1) << alone;
}

static void partition(struct swarm *swarm)
{
    mend_links(swarm);
    uint64_t side = draw_side(swarm);
    for (uint32_t from = 0; from < swarm->count; from++) {
        for (uint32_t to = 0; to < swarm->count; to++) {
            swarm->cut[from][to] = ((side >> from) & 1) != ((side >> to) & 1);
        }
    }
}

static void cut_one_way(struct swarm *swarm)
{
    uint32_t links = 1 + (uint32_t)draw(swarm, STREAM_FAULTS, 4);
    for (uint32_t i = 0; i < links; i++) {
        uint64_t from = draw(swarm, STREAM_FAULTS, swarm->count);
        uint64_t to = draw(swarm, STREAM_FAULTS, swarm->count);
        swarm->cut[from][to] = from != to;
    }
}

static void request_transfer(struct swarm *swarm, uint32_t at)
{
    if (swarm->replicas[at].core == NULL) return;
    replica_id target =
        chance(swarm, STREAM_FAULTS, 50) ? 0 : swarm->replicas[draw(swarm, STREAM_FAULTS, swarm->count)].id;
    swarm->result->counts.transfers++;
    step(swarm, at, &(struct core_event){ .type = CORE_EVENT_TRANSFER, .replica = target });
}

static void one_fault(struct swarm *swarm)
{
    const struct families *families = &swarm->families;
    uint32_t at = (uint32_t)draw(swarm, STREAM_FAULTS, swarm->count);
    uint64_t later = swarm->now + (20 + draw(swarm, STREAM_FAULTS, 1200)) * MILLISECOND;
    switch (draw(swarm, STREAM_FAULTS, 8)) {
    case 0:
        if (families->partitions) partition(swarm);
        break;
    case 1:
        if (families->one_way) cut_one_way(swarm);
        break;
    case 2: mend_links(swarm); break;
    case 3:
        if (families->crashes) crash(swarm, at, later);
        break;
    case 4:
        for (uint32_t i = 0; families->crashes && i < swarm->count; i++) {
            if (chance(swarm, STREAM_FAULTS, 40)) crash(swarm, i, later + i * MILLISECOND);
        }
        break;
    case 5:
        if (families->slow_disk) swarm->replicas[at].disk_slow_till = later;
        break;
    case 6:
        for (uint32_t i = 0; families->transfers && i < swarm->count; i++) {
            request_transfer(swarm, i); /* Only the leader heeds it. */
        }
        break;
    default:
        if (families->hints) {
            uint64_t peer = draw(swarm, STREAM_FAULTS, swarm->count);
            occasion_add(swarm, OCCASION_PEER_DOWN, at, swarm->now)->number = swarm->replicas[peer].id;
        }
        break;
    }
    note_isolation(swarm);
}

/* S13: the term of a replica that hears nobody does not grow; what it had begun before may still end. */
static void check_isolation(struct swarm *swarm, uint32_t at)
{
    struct replica *replica = &swarm->replicas[at];
    if (!replica->isolated || replica->core == NULL || swarm->now < replica->isolated_at + T_MAX_US) return;
    struct core_status status;
    core_status(replica->core, &status);
    if (replica->isolated_term == 0) {
        replica->isolated_term = status.hard.term;
        swarm->result->counts.isolations++;
    }
    if (status.hard.term <= replica->isolated_term) return;
    oracle_fail(&swarm->oracle, "S13: the term of replica %u grows while it is alone", at);
}

/* --- clients --- */

static void propose(struct swarm *swarm, uint32_t at)
{
    struct core_proposal proposals[3];
    uint32_t count = 1 + (uint32_t)draw(swarm, STREAM_CLIENT, 3);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t value = ++swarm->next_value;
        proposals[i] = (struct core_proposal){ .type = ENTRY_COMMAND,
                                               .payload = bytes_copy(&value, sizeof value),
                                               .tag = value };
    }
    step(swarm, at,
         &(struct core_event){ .type = CORE_EVENT_PROPOSE,
                               .propose = { .items = proposals, .count = count } });
    for (uint32_t i = 0; i < count; i++) {
        bytes_unref(&proposals[i].payload);
    }
}

static void read(struct swarm *swarm, uint32_t at)
{
    uint64_t tag = ++swarm->next_tag;
    swarm->reads[tag % WAITING_READS_MAX] = (struct waiting){
        .used = true,
        .replica = at,
        .incarnation = swarm->replicas[at].incarnation,
        .commit = swarm->oracle.commit,
    };
    struct core_status status;
    core_status(swarm->replicas[at].core, &status);
    if (status.role == CORE_FOLLOWER && status.leader != 0) swarm->result->counts.reads_forwarded++;
    step(swarm, at, &(struct core_event){ .type = CORE_EVENT_READ, .tag = tag });
}

static void one_client(struct swarm *swarm)
{
    for (uint32_t at = 0; at < swarm->count; at++) {
        if (swarm->replicas[at].core == NULL) continue;
        struct core_status status;
        core_status(swarm->replicas[at].core, &status);
        bool asked = status.role == CORE_LEADER || chance(swarm, STREAM_CLIENT, 5);
        if (asked && chance(swarm, STREAM_CLIENT, 70)) propose(swarm, at);
        if (swarm->replicas[at].core != NULL && chance(swarm, STREAM_CLIENT, 15)) read(swarm, at);
    }
}

/* --- the healed phase --- */

/* A majority of the voters works well from now on; the others are gone, cut off in some way, or well too. */
static void heal(struct swarm *swarm)
{
    swarm->healed = true;
    swarm->healed_at = swarm->now;
    mend_links(swarm);
    uint64_t first = draw(swarm, STREAM_FAULTS, swarm->voters);
    uint32_t well = swarm->voters / 2 + 1;
    if (chance(swarm, STREAM_FAULTS, 50)) well = swarm->voters;
    for (uint32_t i = 0; i < well; i++) {
        swarm->connected[(first + i) % swarm->voters] = true;
    }
    bool gone = chance(swarm, STREAM_FAULTS, 50);
    for (uint32_t at = 0; at < swarm->count; at++) {
        struct replica *replica = &swarm->replicas[at];
        replica->disk_slow_till = 0;
        if (at >= swarm->voters) swarm->connected[at] = true; /* The learner. */
        if (swarm->connected[at]) {
            if (replica->core == NULL) start(swarm, at, CORE_START_RESTARTED);
            continue;
        }
        if (gone) crash(swarm, at, 0);
        for (uint32_t peer = 0; peer < swarm->count; peer++) {
            swarm->cut[peer][at] = chance(swarm, STREAM_FAULTS, 70);
            swarm->cut[at][peer] = !swarm->cut[peer][at] || chance(swarm, STREAM_FAULTS, 50);
        }
    }
    note_isolation(swarm);
}

/* S14. true: all that had to happen happened. */
static bool check_progress(struct swarm *swarm)
{
    uint64_t since = swarm->now - swarm->healed_at;
    bool caught_up = true;
    for (uint32_t at = 0; at < swarm->count; at++) {
        if (!swarm->connected[at] || swarm->replicas[at].core == NULL) continue;
        struct core_status status;
        core_status(swarm->replicas[at].core, &status);
        if (status.role == CORE_LEADER && status.ready && !swarm->led) {
            swarm->led = true;
            swarm->healed_commit = status.last.index;
        }
        if (swarm->led && status.commit > swarm->healed_commit) swarm->committed = true;
        if (status.applied <= swarm->healed_commit) caught_up = false;
    }
    if (!swarm->led && since > 5 * T_MAX_US) oracle_fail(&swarm->oracle, "S14: no leader within 5 T_max");
    if (!swarm->committed && since > 10 * T_MAX_US)
        oracle_fail(&swarm->oracle, "S14: no commit within 10 T_max");
    if (!caught_up && since > 20 * T_MAX_US) oracle_fail(&swarm->oracle, "S14: a member never catches up");
    return swarm->led && swarm->committed && caught_up;
}

/* --- occasions --- */

static void on_persisted(struct swarm *swarm, uint32_t at, uint64_t sequence)
{
    struct replica *replica = &swarm->replicas[at];
    if (replica->disk.first == NULL || replica->disk.first->sequence > sequence)
        return; /* Joined into another. */
    uint64_t done = 0;
    while (done < sequence) {
        (void)raft_disk_finish_one(&replica->disk, &done);
    }
    while (chance(swarm, STREAM_DISK, 30) && raft_disk_finish_one(&replica->disk, &done)) {
    }
    step(swarm, at, &(struct core_event){ .type = CORE_EVENT_PERSISTED, .sequence = done });
}

static void on_log_read(struct swarm *swarm, const struct occasion *occasion)
{
    const struct raft_log *log = &swarm->replicas[occasion->replica].disk.log;
    uint64_t count = occasion->to - occasion->from + 1;
    if (chance(swarm, STREAM_DISK, 30)) count = 1 + draw(swarm, STREAM_DISK, count);
    struct core_event event = { .type = CORE_EVENT_LOG_READ };
    event.log_read.tag = occasion->number;
    event.log_read.entries = raft_log_at(log, occasion->from);
    event.log_read.count = event.log_read.entries == NULL ? 0 : (uint32_t)count;
    step(swarm, occasion->replica, &event);
}

static void on_applied(struct swarm *swarm, uint32_t at, log_index index)
{
    struct replica *replica = &swarm->replicas[at];
    if (chance(swarm, STREAM_STATE, 20)) replica->disk.applied = index;
    step(swarm, at, &(struct core_event){ .type = CORE_EVENT_APPLIED, .index = index });
}

static void on_deliver(struct swarm *swarm, const struct occasion *occasion)
{
    uint32_t from = replica_of(swarm, occasion->message.from);
    if (swarm->cut[from][occasion->replica]) return;
    step(swarm, occasion->replica,
         &(struct core_event){ .type = CORE_EVENT_RECEIVE, .message = &occasion->message });
}

static void on_local(struct swarm *swarm, const struct occasion *occasion)
{
    uint32_t at = occasion->replica;
    bool lives = swarm->replicas[at].core != NULL;
    bool present = lives && occasion->incarnation == swarm->replicas[at].incarnation;
    switch (occasion->type) {
    case OCCASION_TICK:
        if (!present) break;
        occasion_add(swarm, OCCASION_TICK, at, swarm->now + TICK_US);
        step(swarm, at, &(struct core_event){ .type = CORE_EVENT_TICK });
        check_isolation(swarm, at);
        break;
    case OCCASION_PERSISTED:
        if (present) on_persisted(swarm, at, occasion->number);
        break;
    case OCCASION_APPLIED:
        if (present) on_applied(swarm, at, occasion->number);
        break;
    case OCCASION_LOG_READ:
        if (present) on_log_read(swarm, occasion);
        break;
    case OCCASION_DELIVER:
        if (lives) on_deliver(swarm, occasion);
        break;
    case OCCASION_PEER_DOWN:
        if (!lives) break;
        step(swarm, at, &(struct core_event){ .type = CORE_EVENT_PEER_DOWN, .replica = occasion->number });
        break;
    case OCCASION_RESTART:
        if (!lives && !swarm->healed) start(swarm, at, CORE_START_RESTARTED);
        break;
    default: break;
    }
}

static void on_occasion(struct swarm *swarm, const struct occasion *occasion)
{
    trace(swarm, occasion->replica, (uint32_t)occasion->type, occasion->number, occasion->message.term);
    switch (occasion->type) {
    case OCCASION_FAULT:
        if (swarm->healed) break;
        one_fault(swarm);
        occasion_add(swarm, OCCASION_FAULT, 0,
                     swarm->now + (30 + draw(swarm, STREAM_FAULTS, 500)) * MILLISECOND);
        break;
    case OCCASION_CLIENT:
        one_client(swarm);
        occasion_add(swarm, OCCASION_CLIENT, 0,
                     swarm->now + (5 + draw(swarm, STREAM_CLIENT, 40)) * MILLISECOND);
        break;
    case OCCASION_HEAL: heal(swarm); break;
    default: on_local(swarm, occasion); break;
    }
}

/* --- set-up --- */

static void draw_families(struct swarm *swarm)
{
    bool *const all[] = {
        &swarm->families.loss,         &swarm->families.doubling, &swarm->families.delay,
        &swarm->families.partitions,   &swarm->families.one_way,  &swarm->families.crashes,
        &swarm->families.slow_disk,    &swarm->families.hints,    &swarm->families.transfers,
        &swarm->families.small_limits,
    };
    for (size_t i = 0; i < ARRAY_COUNT(all); i++) {
        *all[i] = chance(swarm, STREAM_FAULTS, 60);
    }
    if (!swarm->families.small_limits) return;
    swarm->limits.append_entries = 1 + (uint32_t)draw(swarm, STREAM_FAULTS, 4);
    swarm->limits.window_messages = 1 + (uint32_t)draw(swarm, STREAM_FAULTS, 4);
    swarm->limits.tail_entries = swarm->limits.append_entries + (uint32_t)draw(swarm, STREAM_FAULTS, 16);
    swarm->limits.uncommitted_bytes = 600 + (uint32_t)draw(swarm, STREAM_FAULTS, 8000);
}

static void found(struct swarm *swarm)
{
    struct configuration configuration = { 0 };
    for (uint32_t at = 0; at < swarm->count; at++) {
        struct replica *replica = &swarm->replicas[at];
        char name[16];
        (void)snprintf(name, sizeof name, "node-%u", at + 1);
        replica->id = 101 + at;
        CHECK(configuration_add(&configuration, replica->id, name, at < swarm->voters) == STATUS_OK);
    }
    struct bytes *payload = configuration_pack(&configuration);
    struct raft_entry first = { .index = 1, .term = 1, .type = ENTRY_CONFIGURATION, .payload = payload };
    first.chain = entry_chain(0, 1, 1, first.type, payload->data, payload->size);
    for (uint32_t at = 0; at < swarm->voters; at++) { /* A learner begins with nothing. */
        raft_log_append(&swarm->replicas[at].disk.log, &first);
        raft_log_append(&swarm->replicas[at].disk.written, &first);
    }
    bytes_unref(&payload);
}

static void set_up(struct swarm *swarm)
{
    for (uint32_t i = 0; i < STREAM_COUNT; i++) {
        swarm->streams[i] = hash64_mix(swarm->options.seed, i + 1);
    }
    swarm->oracle.counts = &swarm->result->counts;
    swarm->voters = chance(swarm, STREAM_FAULTS, 50) ? 3 : 5;
    swarm->count = swarm->voters + (chance(swarm, STREAM_FAULTS, 30) ? 1 : 0);
    draw_families(swarm);
    found(swarm);
    for (uint32_t at = 0; at < swarm->count; at++) {
        start(swarm, at, at == 0 ? CORE_START_FOUNDER : CORE_START_NEW);
    }
    occasion_add(swarm, OCCASION_FAULT, 0, 300 * MILLISECOND);
    occasion_add(swarm, OCCASION_CLIENT, 0, 50 * MILLISECOND);
    occasion_add(swarm, OCCASION_HEAL, 0, FAULTS_END_US);
}

static void tear_down(struct swarm *swarm)
{
    for (uint32_t i = 0; i < swarm->heap_count; i++) {
        occasion_destroy(swarm->heap[i]);
    }
    memory_free(swarm->heap);
    for (uint32_t at = 0; at < swarm->count; at++) {
        core_destroy(&swarm->replicas[at].core);
        raft_disk_fini(&swarm->replicas[at].disk);
    }
    oracle_fini(&swarm->oracle);
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
        struct occasion *occasion = occasion_next(swarm);
        swarm->now = occasion->at;
        on_occasion(swarm, occasion);
        done = swarm->healed && occasion->type == OCCASION_TICK && check_progress(swarm);
        occasion_destroy(occasion);
    }
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
    sum->events += counts->events;
    sum->elections += counts->elections;
    sum->commits += counts->commits;
    sum->truncations += counts->truncations;
    sum->crashes += counts->crashes;
    sum->lost_batches += counts->lost_batches;
    sum->log_reads += counts->log_reads;
    sum->log_applies += counts->log_applies;
    sum->messages_lost += counts->messages_lost;
    sum->messages_doubled += counts->messages_doubled;
    sum->reads_answered += counts->reads_answered;
    sum->reads_forwarded += counts->reads_forwarded;
    sum->transfers += counts->transfers;
    sum->isolations += counts->isolations;
}
