/* core_events: any stream of events, likely and unlikely ones, from peers, disk and driver alike, must leave
 * the Raft core running or stopped (STOP), never crashed. The input is read as a list of small orders; a
 * mirror of the log makes most messages plausible enough to get past the first check. */
#include "tests/support/raft_disk.h"

#include "runtime/base/check.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SELF = 1, ENTRIES_MAX = 6, ORDERS_MAX = 3000 };

struct input {
    const uint8_t *at;
    size_t left;
};

struct world {
    struct core *core;
    struct raft_log log; /* What was given to the disk. */
    struct core_status status;
    uint64_t issued; /* Newest PERSIST. */
    log_index handed;
    struct core_read_log read;   /* The newest READ_LOG. */
    struct log_position offered; /* Of the snapshot that it accepted. */
    bool stopped;
};

static uint8_t byte(struct input *input)
{
    if (input->left == 0) return 0;
    input->left--;
    return *input->at++;
}

static uint64_t number(struct input *input)
{
    uint64_t value = 0;
    for (int i = 0; i < 8; i++) {
        value = value << 8 | byte(input);
    }
    return value;
}

/* Mostly near `centre`, now and then anything. */
static uint64_t near(struct input *input, uint64_t centre)
{
    uint8_t how = byte(input);
    return how == 255 ? number(input) : centre + how % 8 - 3;
}

static void mirror_sequence(struct world *world, uint64_t sequence)
{
    CHECK(sequence == world->issued + 1);
    world->issued = sequence;
}

static void mirror_install(struct world *world, const struct core_install *install)
{
    mirror_sequence(world, install->sequence);
    if (!install->keep_log) raft_log_restart(&world->log, &install->snapshot.position);
}

static void mirror_persist(struct world *world, const struct core_persist *persist)
{
    mirror_sequence(world, persist->sequence);
    if (persist->truncate_from != 0) raft_log_truncate(&world->log, persist->truncate_from);
    for (uint32_t i = 0; i < persist->entry_count; i++) {
        CHECK(persist->entries[i].index == raft_log_last(&world->log).index + 1);
        raft_log_append(&world->log, &persist->entries[i]);
    }
}

static void mirror_action(struct world *world, const struct core_action *action)
{
    switch (action->type) {
    case CORE_ACTION_PERSIST: mirror_persist(world, &action->persist); break;
    case CORE_ACTION_READ_LOG: world->read = action->read_log; break;
    case CORE_ACTION_INSTALL: mirror_install(world, &action->install); break;
    case CORE_ACTION_RELOAD:
        CHECK(action->position.index >= world->handed);
        world->handed = action->position.index;
        break;
    case CORE_ACTION_SNAPSHOT_ACCEPT: world->offered = action->position; break;
    case CORE_ACTION_STOP: world->stopped = true; break;
    case CORE_ACTION_APPLY:
        CHECK(action->apply.from == world->handed + 1);
        CHECK(action->apply.to <= raft_log_last(&world->log).index);
        world->handed = action->apply.to;
        break;
    default: break;
    }
}

static void step(struct world *world, const struct core_event *event)
{
    const struct core_actions *actions = core_step(world->core, event);
    for (uint32_t i = 0; i < actions->count; i++) {
        mirror_action(world, &actions->items[i]);
    }
    core_status(world->core, &world->status);
    if (world->stopped) return;
    CHECK(world->status.last.index == raft_log_last(&world->log).index);
    CHECK(core_next_tick_due(world->core) >= 1);
}

static void configure(struct configuration *configuration, uint8_t form)
{
    static const char *const names[] = { "a", "b", "c", "d", "e" };
    *configuration = (struct configuration){ .joint = (form & 8) != 0 };
    uint32_t members = form % 4 == 0 ? 1 : form % 4 + 2;
    for (uint32_t i = 0; i < members; i++) {
        CHECK(configuration_add(configuration, SELF + i, names[i], i < 3) == STATUS_OK);
        configuration->members[i].outgoing_voter = configuration->joint && i != 1;
    }
}

static void start(struct world *world, struct input *input)
{
    uint8_t form = byte(input);
    bool small = (form & 16) != 0;
    struct core_options options = { .self = SELF, .seed = byte(input) };
    options.window_messages = small ? 2 : 0;
    options.tail_entries = small ? 3 : 64; /* Small: the fuzzer runs thousands a second. */
    options.append_entries = small ? 2 : 64;
    options.preference_ticks = (form & 32) != 0 ? 20 : 0;
    world->core = core_create(&options);
    struct core_log_configuration configuration = { .index = 1 };
    configure(&configuration.configuration, form);
    struct bytes *payload = configuration_pack(&configuration.configuration);
    struct raft_entry first = { .index = 1, .term = 1, .type = ENTRY_CONFIGURATION, .payload = payload };
    first.chain = entry_chain(0, 1, 1, first.type, payload->data, payload->size);
    raft_log_append(&world->log, &first);
    bytes_unref(&payload);
    struct core_term_run run = { .term = 1, .first = 1 };
    struct core_init init = { .start = (enum core_start)(form >> 6),
                              .hard = { .term = 1 },
                              .last = raft_log_last(&world->log),
                              .term_runs = &run,
                              .term_run_count = 1,
                              .configurations = &configuration,
                              .configuration_count = 1 };
    step(world, &(struct core_event){ .type = CORE_EVENT_INIT, .init = &init });
}

static struct log_position position(struct world *world, struct input *input)
{
    log_index index = near(input, raft_log_last(&world->log).index);
    const struct raft_entry *entry = raft_log_at(&world->log, index);
    struct log_position at = { .index = index };
    if (entry != NULL) {
        at.term = entry->term;
        at.chain = entry->chain;
    } else if (index != 0) {
        at.term = near(input, world->status.last.term);
    }
    return at;
}

static void make_entries(struct raft_entry *entries, uint32_t count, struct log_position before,
                         uint64_t term, struct input *input, struct bytes *payload)
{
    for (uint32_t i = 0; i < count; i++) {
        uint8_t form = byte(input);
        struct bytes *held = (form & 64) != 0 ? NULL : payload;
        entries[i] = (struct raft_entry){ .index = before.index + 1,
                                          .term = (form & 1) != 0 ? term : before.term,
                                          .type = (enum entry_type)((form >> 1) % 5),
                                          .payload = held };
        entries[i].chain = entry_chain(before.chain, entries[i].index, entries[i].term, entries[i].type,
                                       held == NULL ? NULL : held->data, held == NULL ? 0 : held->size);
        if ((form & 128) != 0) entries[i].chain ^= byte(input) / 64;
        before = (struct log_position){ .index = entries[i].index,
                                        .term = entries[i].term,
                                        .chain = entries[i].chain };
    }
}

static void receive(struct world *world, struct input *input)
{
    struct core_message message = { .type = (enum core_message_type)(byte(input) % 15) };
    uint8_t form = byte(input);
    message.from = SELF + form % 5;
    message.to = form > 250 ? 9 : SELF;
    message.granted = (form & 64) != 0;
    message.transfer = (form & 128) != 0;
    message.term = near(input, world->status.hard.term);
    message.position = position(world, input);
    message.commit = near(input, world->status.commit);
    message.match = near(input, world->status.last.index);
    message.hint.index = near(input, world->status.last.index);
    message.hint.term = near(input, world->status.last.term);
    message.token = near(input, byte(input));
    message.leads = (form & 32) != 0;
    message.verdict = (enum core_verdict)(form % 6);
    message.version = form % 3;
    struct raft_entry entries[ENTRIES_MAX];
    struct bytes *payload = NULL;
    if (message.type == CORE_APPEND) {
        struct configuration configuration;
        configure(&configuration, byte(input));
        payload = configuration_pack(&configuration);
        message.entry_count = byte(input) % ENTRIES_MAX;
        message.entries = entries;
        make_entries(entries, message.entry_count, message.position, message.term, input, payload);
    }
    step(world, &(struct core_event){ .type = CORE_EVENT_RECEIVE, .message = &message });
    bytes_unref(&payload);
}

static void propose(struct world *world, struct input *input)
{
    struct core_proposal proposals[ENTRIES_MAX];
    uint32_t count = byte(input) % ENTRIES_MAX;
    uint8_t filling[64] = { byte(input) };
    struct bytes *payload = bytes_copy(filling, byte(input) % sizeof filling);
    for (uint32_t i = 0; i < count; i++) {
        proposals[i] = (struct core_proposal){ .payload = payload, .tag = i };
        proposals[i].type = (enum entry_type)(byte(input) % 6);
        proposals[i].stamp_ms = near(input, 1000);
    }
    struct core_event event = { .type = CORE_EVENT_PROPOSE };
    event.propose.items = proposals;
    event.propose.count = count;
    step(world, &event);
    bytes_unref(&payload);
}

static void log_read(struct world *world, struct input *input)
{
    struct core_event event = { .type = CORE_EVENT_LOG_READ };
    uint8_t form = byte(input);
    event.log_read.tag = form > 250 ? number(input) : world->read.tag;
    log_index from = form > 240 ? near(input, world->read.from) : world->read.from;
    event.log_read.entries = raft_log_at(&world->log, from);
    if (event.log_read.entries != NULL) {
        uint64_t left = raft_log_last(&world->log).index - from + 1;
        event.log_read.count = (uint32_t)(left < form % 8U ? left : form % 8U);
    }
    step(world, &event);
}

static void ticks(struct world *world, uint32_t count)
{
    for (uint32_t i = 0; i < count && !world->stopped; i++) {
        step(world, &(struct core_event){ .type = CORE_EVENT_TICK });
    }
}

static void change(struct world *world, struct input *input)
{
    struct configuration wanted;
    uint8_t form = byte(input);
    configure(&wanted, form & 7);
    for (uint32_t i = 0; i < wanted.member_count; i++) {
        wanted.members[i].voter = ((byte(input) >> i) & 1) != 0;
    }
    struct core_event event = { .type = CORE_EVENT_CONF };
    event.conf.tag = form;
    event.conf.wanted = &wanted;
    step(world, &event);
}

static void offer(struct world *world, struct input *input)
{
    struct core_snapshot snapshot = { .position = position(world, input) };
    snapshot.position.index = near(input, snapshot.position.index + 2);
    uint8_t form = byte(input);
    snapshot.configuration.index = 1;
    configure(&snapshot.configuration.configuration, form);
    struct core_event event = { .type = CORE_EVENT_SNAPSHOT_OFFERED };
    event.snapshot_offered.from = SELF + form % 4;
    event.snapshot_offered.term = near(input, world->status.hard.term);
    event.snapshot_offered.asked = (form & 64) != 0;
    event.snapshot_offered.snapshot = &snapshot;
    step(world, &event);
}

static void recorded(struct world *world, struct input *input)
{
    struct checkpoint checkpoint = { .count = byte(input) % 4 };
    replica_id retired[3];
    for (uint32_t i = 0; i < 3; i++) {
        checkpoint.matches[i] = (struct checkpoint_match){ SELF + i, near(input, world->status.commit) };
        retired[i] = SELF + 1 + byte(input) % 8;
    }
    step(world, &(struct core_event){ .type = CORE_EVENT_CHECKPOINT, .checkpoint = &checkpoint });
    struct core_event event = { .type = CORE_EVENT_RETIRED };
    event.retired.ids = retired;
    event.retired.count = byte(input) > 200 ? byte(input) % 4 : 0;
    if (!world->stopped) step(world, &event);
}

/* Cuts the mirror of the log as the event says. */
static void compact(struct world *world, struct input *input)
{
    log_index index = near(input, world->status.applied);
    const struct raft_entry *entry = raft_log_at(&world->log, index);
    if (entry == NULL) return;
    struct core_event event = { .type = CORE_EVENT_COMPACTED };
    event.position =
        (struct log_position){ .index = entry->index, .term = entry->term, .chain = entry->chain };
    step(world, &event);
}

/* Those of membership, snapshots and compaction. */
static void one_wider_order(struct world *world, struct input *input, uint8_t order)
{
    struct core_event event = { 0 };
    switch (order / 14 % 7) {
    case 0: change(world, input); return;
    case 1: offer(world, input); return;
    case 2: recorded(world, input); return;
    case 3: compact(world, input); return;
    case 4:
        event.type = CORE_EVENT_SNAPSHOT_SENT;
        event.snapshot_sent.replica = SELF + byte(input) % 4;
        event.snapshot_sent.index = near(input, world->status.commit);
        break;
    case 5:
        event = (struct core_event){ .type = CORE_EVENT_SNAPSHOT_READY, .position = world->offered };
        break;
    default:
        event = (struct core_event){ .type = CORE_EVENT_SNAPSHOT_FAILED, .position = world->offered };
        break;
    }
    step(world, &event);
}

static void one_order(struct world *world, struct input *input)
{
    uint8_t order = byte(input);
    struct core_event event = { 0 };
    switch (order % 14) {
    case 0: ticks(world, 1 + order / 14); return;
    case 1:
    case 2:
    case 3: receive(world, input); return;
    case 4: propose(world, input); return;
    case 5: event = (struct core_event){ .type = CORE_EVENT_READ, .read = { .tag = order } }; break;
    case 6: event = (struct core_event){ .type = CORE_EVENT_TRANSFER, .replica = byte(input) % 5 }; break;
    case 7:
        event.type = (order & 128) != 0 ? CORE_EVENT_PEER_UP : CORE_EVENT_PEER_DOWN;
        event.replica = byte(input) % 5;
        break;
    case 8:
        event.type = CORE_EVENT_PERSISTED;
        event.sequence = order > 230 ? near(input, world->issued) : world->issued;
        break;
    case 9: log_read(world, input); return;
    case 10:
        event.type = CORE_EVENT_APPLIED;
        event.index = order > 230 ? near(input, world->status.applied) : world->handed;
        break;
    case 11:
    case 12: one_wider_order(world, input, order); return;
    default: event.type = byte(input) == 0 ? CORE_EVENT_DISK_ERROR : CORE_EVENT_TICK; break;
    }
    bool nothing_new = event.type == CORE_EVENT_PERSISTED && order <= 230 && world->status.hard_durable &&
                       world->status.durable == world->status.last.index;
    if (!nothing_new) step(world, &event);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = { .at = data, .left = size };
    struct world world = { 0 };
    start(&world, &input);
    for (uint32_t i = 0; i < ORDERS_MAX && input.left > 0 && !world.stopped; i++) {
        one_order(&world, &input);
    }
    core_destroy(&world.core);
    raft_log_fini(&world.log);
    return 0;
}
