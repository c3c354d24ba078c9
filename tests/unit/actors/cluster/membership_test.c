/* Goal: membership keeps A7 and A8 towards its neighbours: it writes its incarnation until that succeeds,
 * starts over when declared lost, is fenced in time, confirms only after a barrier, and judges only while it
 * leads, under its term.
 * Method: the actor on the stepper; proposer, state, leader and the rest are stand-ins that this test drives.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "actors/cluster/membership.h"
#include "runtime/base/text.h"
#include "store/log.h"
#include "tests/support/probe.h"
#include "wire/json/value.h"
#include "wire/kinds.h"
#include "wire/local.h"
#include "wire/proto/cluster.pb-c.h"
#include "wire/proto/codec.h"
#include "wire/proto/store.pb-c.h"

#include <stdio.h>
#include <string.h>

struct world {
    struct scheduler *stepper;
    struct runtime *runtime;
    struct actor_id membership;
    /* The proposer's stand-in. */
    enum status refuse;  /* Not OK: every proposal is refused so. */
    enum status outcome; /* Else this is what the application says. */
    uint32_t proposals;
    struct message *last; /* The last proposal that came. */
    bool leader_silent;   /* The leader's stand-in answers no status. */
    /* The state's. */
    bool barriers_open;
    uint32_t barriers;
    struct actor_id watcher;
    struct message *records; /* For KV_READ_REQUEST: the reply to give; NULL: an empty one. */
    /* What was told. */
    uint32_t fenced_told;
    bool fenced;
};

static void on_proposer(struct actor *self, void *context, const struct message *message)
{
    struct world *world = context;
    world->proposals++;
    message_destroy(&world->last);
    struct message *kept = actor_keep(self);
    world->last = kept;
    if (world->refuse != STATUS_OK) {
        actor_refuse(self, message, world->refuse);
        return;
    }
    struct message *reply = wire_message_create(KIND_PROPOSE_REPLY);
    ((Pb__ProposeReply *)reply->body)->status = (uint32_t)world->outcome;
    actor_reply(self, message, &reply);
}

static void on_state(struct actor *self, void *context, const struct message *message)
{
    struct world *world = context;
    struct message *reply = NULL;
    if (message->kind == KIND_STATE_WATCH) world->watcher = message->sender;
    if (message->kind == KIND_READ_BARRIER) {
        world->barriers++;
        if (!world->barriers_open) {
            actor_refuse(self, message, STATUS_NO_LEADER);
            return;
        }
        reply = message_create(KIND_READ_BARRIER_REPLY, sizeof(struct read_barrier_reply));
    }
    if (message->kind == KIND_KV_READ_REQUEST) {
        reply = world->records != NULL ? world->records : wire_message_create(KIND_KV_READ_REPLY);
        world->records = NULL;
    }
    if (reply != NULL) actor_reply(self, message, &reply);
}

static void on_leader(struct actor *self, void *context, const struct message *message)
{
    const struct world *world = context;
    if (message->kind != KIND_CONSENSUS_STATUS) return;
    if (world->leader_silent) return; /* The ask stays open until its deadline. */
    struct message *reply =
        message_create(KIND_CONSENSUS_STATUS_REPLY, sizeof(struct consensus_status_reply));
    struct consensus_status_reply *status = reply->body;
    struct consensus_member *members = arena_array(&reply->arena, 2, sizeof *members);
    members[0] = (struct consensus_member){ .node = "n1", .replica_id = 0xa, .voter = true, .match = 9 };
    members[1] = (struct consensus_member){ .node = "n2", .replica_id = 0xb, .voter = true, .match = 8 };
    *status = (struct consensus_status_reply){ .node = "n1", .cluster_id = 0xc, .term = 4, .leader = "n1" };
    status->members = members;
    status->member_count = 2;
    status->configuration_index = 1;
    actor_reply(self, message, &reply);
}

static void on_told(struct actor *self, void *context, const struct message *message)
{
    struct world *world = context;
    (void)self;
    if (message->kind != KIND_NODE_FENCED) return;
    world->fenced_told++;
    world->fenced = ((const Pb__NodeFenced *)message->body)->fenced;
}

static int64_t confirmed_ns;
static const struct membership_options options = { .node = "n1",
                                                   .cluster_name = "test",
                                                   .address = "tcp://n1",
                                                   .client_address = "tcp://c1",
                                                   .labels_json = "{\"zone\":\"a\"}",
                                                   .zone = "a",
                                                   .incarnation = 10,
                                                   .confirmed_ns = &confirmed_ns };

static void start_actors(struct world *world)
{
    struct error error = { 0 };
    world->runtime = runtime_create(&(struct runtime_options){ .scheduler = world->stepper, .node = "n1" });
    (void)stub_spawn(world->runtime, TO_PROPOSER, on_proposer, world);
    (void)stub_spawn(world->runtime, TO_STATE, on_state, world);
    (void)stub_spawn(world->runtime, TO_LEADER, on_leader, world);
    (void)stub_spawn(world->runtime, TO_SLICE_CALL, on_told, world);
    struct spawn_options spawn = { .options = &options, .name = TO_MEMBERSHIP };
    assert_int_equal(runtime_spawn(world->runtime, &membership_behavior, &spawn, &world->membership, &error),
                     STATUS_OK);
}

static int set_up(void **state)
{
    static struct world world;
    world = (struct world){ .stepper = stepper_create(&(struct stepper_options){ .seed = 1 }) };
    world.barriers_open = true;
    confirmed_ns = 0;
    start_actors(&world);
    *state = &world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    bool stopped = runtime_stop(world->runtime, SECONDS(10));
    runtime_destroy(&world->runtime);
    scheduler_destroy(&world->stepper);
    message_destroy(&world->last);
    message_destroy(&world->records);
    return stopped ? 0 : -1;
}

/* --- what the neighbours say ---------------------------------------------------------------------------- */

static void pass(struct world *world, int64_t ns)
{
    stepper_run_until(world->stepper, stepper_now_ns(world->stepper) + ns);
}

static void tell(struct world *world, struct message *message)
{
    probe_tell(world->runtime, world->membership, &message);
}

static void set_role(struct world *world, bool leading, uint64_t term, const char *leader)
{
    struct message *message = message_create(KIND_ROLE_CHANGED, sizeof(struct role_changed));
    struct role_changed *role = message->body;
    role->leading = leading;
    role->term = term;
    (void)text_copy(role->leader, sizeof role->leader, leader);
    tell(world, message);
}

static void set_record(struct world *world, uint64_t watch, const char *key, const char *json)
{
    struct message *message = wire_message_create(KIND_STATE_CHANGED);
    Pb__StateChanged *changed = message->body;
    Pb__KvEvent **events = arena_array(&message->arena, 1, sizeof(Pb__KvEvent *));
    Pb__KvEvent *event = codec_create(&message->arena, &pb__kv_event__descriptor);
    event->record = codec_create(&message->arena, &pb__kv_record__descriptor);
    event->record->key = wire_string(message, key);
    event->record->value.data = (uint8_t *)wire_string(message, json);
    event->record->value.len = strlen(json);
    events[0] = event;
    changed->watch_id = watch;
    changed->revision = 1;
    changed->events = events;
    changed->n_events = 1;
    tell(world, message);
}

static void set_node(struct world *world, const char *node, uint64_t incarnation, const char *presence)
{
    char key[64];
    char json[256];
    (void)snprintf(key, sizeof key, "nodes/%s", node);
    (void)snprintf(json, sizeof json,
                   "{\"state\":\"ON_DUTY\",\"presence\":\"%s\",\"incarnation\":%llu,\"address\":\"tcp://%s\","
                   "\"labels\":{\"k\":\"v\"},\"capacity\":{},\"protocol\":[1,1],\"role\":\"voter\"}",
                   presence, (unsigned long long)incarnation, node);
    set_record(world, 1, key, json);
}

static const Pb__Command *last_command(const struct world *world)
{
    assert_non_null(world->last);
    return ((const Pb__ProposeRequest *)world->last->body)->command;
}

static struct probe_result ask(struct world *world, struct message *message)
{
    return probe_ask(world->runtime, world->membership, &message, SECONDS(5));
}

static struct probe_result renew_from(struct world *world, const char *node, uint64_t incarnation,
                                      const char *from, const char *degraded)
{
    struct message *message = wire_message_create(KIND_PRESENCE_RENEW);
    Pb__PresenceRenew *renewal = message->body;
    renewal->node = wire_string(message, node);
    renewal->incarnation = incarnation;
    renewal->degraded = wire_string(message, degraded);
    message->from_node = wire_string(message, from);
    struct probe_result result = ask(world, message);
    message_destroy(&result.message);
    return result;
}

static struct probe_result renew_for(struct world *world, const char *node, uint64_t incarnation,
                                     const char *from)
{
    return renew_from(world, node, incarnation, from, "");
}

static struct probe_result renew_degraded(struct world *world, const char *node, uint64_t incarnation,
                                          const char *why)
{
    return renew_from(world, node, incarnation, node, why);
}

/* --- starting: A7 --------------------------------------------------------------------------------------- */

static void a_start_is_written_until_it_succeeds(void **state)
{
    struct world *world = *state;
    world->refuse = STATUS_UNKNOWN;
    pass(world, MILLISECONDS(1600));
    assert_int_equal(world->proposals, 4); /* At once, then with each tick. */
    const Pb__Command *command = last_command(world);
    assert_int_equal(command->origin, PB__ORIGIN__ORIGIN_NODE);
    assert_int_equal(command->success[0]->op_case, PB__OPERATION__OP_NODE_STARTED);
    assert_int_equal(command->success[0]->node_started->incarnation, 10); /* The same: it is idempotent. */
    world->refuse = STATUS_OK;
    pass(world, SECONDS(5));
    assert_int_equal(world->proposals, 5);
    const Pb__OpNodeStarted *started = last_command(world)->success[0]->node_started;
    struct value *facts = NULL;
    assert_int_equal(value_parse_json((const char *)started->facts.data, started->facts.len, &facts, NULL),
                     STATUS_OK);
    assert_string_equal(value_get_string(facts, "address", ""), "tcp://n1");
    assert_string_equal(value_get_string(facts, "client-address", ""), "tcp://c1");
    assert_string_equal(value_get_string(value_get(facts, "labels"), "zone", ""), "a");
    assert_string_equal(value_get_string(facts, "role", ""), "voter");
    value_free(&facts);
}

static void a_refused_incarnation_is_raised(void **state)
{
    struct world *world = *state;
    world->outcome = STATUS_CONFLICT;
    pass(world, MILLISECONDS(100));
    set_node(world, "n1", 5000000000000000, "UP"); /* Another start of ours, by a clock far ahead. */
    pass(world, SECONDS(1));
    uint64_t tried = last_command(world)->success[0]->node_started->incarnation;
    assert_true(tried > 5000000000000000);
    struct probe_result result = ask(world, wire_message_create(KIND_NODE_INCARNATION_REQUEST));
    assert_true(((const Pb__NodeIncarnationReply *)result.message->body)->incarnation >= tried);
    message_destroy(&result.message);
}

static void the_record_tells_when_the_answer_is_lost(void **state)
{
    struct world *world = *state;
    world->refuse = STATUS_UNKNOWN;
    set_role(world, true, 1, "n1");
    pass(world, MILLISECONDS(100));
    assert_int_equal(world->barriers, 0); /* Nothing to renew yet. */
    set_node(world, "n1", 10, "UP");
    assert_int_equal(world->barriers, 1);
    uint32_t proposals = world->proposals;
    pass(world, SECONDS(2));
    assert_int_equal(world->proposals, proposals);
}

static void who_was_declared_lost_starts_over(void **state)
{
    struct world *world = *state;
    pass(world, MILLISECONDS(100));
    assert_int_equal(world->proposals, 1);
    set_node(world, "n1", 10, "UP");
    set_node(world, "n1", 10, "SUSPECT");
    assert_int_equal(world->proposals, 1);
    set_node(world, "n1", 10, "LOST");
    assert_int_equal(world->proposals, 2);
    assert_true(last_command(world)->success[0]->node_started->incarnation > 10);
}

/* --- renewing: A8 --------------------------------------------------------------------------------------- */

static void without_confirmation_it_is_fenced_in_time(void **state)
{
    struct world *world = *state;
    set_role(world, true, 1, "n1");
    pass(world, SECONDS(4));
    assert_int_equal(world->fenced_told, 0);
    assert_true(world->barriers >= 8);
    world->barriers_open = false;
    pass(world, MILLISECONDS(1400));
    assert_int_equal(world->fenced_told, 0);
    pass(world, MILLISECONDS(700)); /* lost-after less one second since the last one was sent. */
    assert_true(world->fenced);
    world->barriers_open = true;
    pass(world, MILLISECONDS(600));
    assert_false(world->fenced);
}

static bool told_when_asked(struct world *world)
{
    struct message *message = wire_message_create(KIND_NODE_FENCED);
    struct probe_result result = probe_ask(world->runtime, world->membership, &message, SECONDS(1));
    assert_int_equal(result.status, STATUS_OK);
    bool fenced = ((const Pb__NodeFenced *)result.message->body)->fenced != 0;
    message_destroy(&result.message);
    return fenced;
}

static void who_starts_again_is_told_at_once(void **state) /* A8 */
{
    struct world *world = *state;
    set_role(world, true, 1, "n1");
    pass(world, SECONDS(4));
    assert_false(told_when_asked(world));
    world->barriers_open = false;
    pass(world, MILLISECONDS(2100));
    assert_true(told_when_asked(world));
}

/* What a supervisor starts again goes on with the time that is left. */
static void a_restart_gives_no_time_anew(void **state) /* A8 */
{
    struct world *world = *state;
    set_role(world, true, 1, "n1");
    pass(world, SECONDS(4));
    world->barriers_open = false;
    pass(world, MILLISECONDS(1400));
    assert_int_equal(world->fenced_told, 0);
    runtime_destroy(&world->runtime);
    start_actors(world);
    pass(world, MILLISECONDS(700));
    assert_true(world->fenced);
}

static void the_leader_confirms_after_a_barrier(void **state)
{
    struct world *world = *state;
    set_node(world, "n2", 7, "UP");
    assert_int_equal(renew_for(world, "n2", 7, "n2").status, STATUS_NOT_LEADER);
    set_role(world, true, 3, "n1");
    assert_int_equal(renew_for(world, "n2", 7, "n3").status, STATUS_DENIED);
    assert_int_equal(renew_for(world, "n2", 6, "n2").status, STATUS_CONFLICT);
    assert_int_equal(renew_for(world, "n9", 7, "n9").status, STATUS_CONFLICT);
    uint32_t before = world->barriers;
    assert_int_equal(renew_for(world, "n2", 7, "n2").status, STATUS_OK);
    assert_int_equal(world->barriers, before + 1);
    world->barriers_open = false;
    assert_int_equal(renew_for(world, "n2", 7, "n2").status, STATUS_NO_LEADER);
}

/* A renewal tells that its node turns too slowly; the next one, that it doesn't any more. */
static void a_degraded_node_shows_in_the_status(void **state)
{
    struct world *world = *state;
    set_node(world, "n2", 7, "UP");
    set_role(world, true, 3, "n1");
    assert_int_equal(renew_degraded(world, "n2", 7, "a turn of x at Y took 2300 ms").status, STATUS_OK);
    struct probe_result result = ask(world, wire_message_create(KIND_CLUSTER_STATUS_REQUEST));
    const Pb__ClusterStatusReply *status = result.message->body;
    assert_int_equal(status->n_degraded, 1);
    assert_string_equal(status->degraded[0], "n2: a turn of x at Y took 2300 ms");
    assert_string_equal(status->health, "degraded");
    message_destroy(&result.message);
    assert_int_equal(renew_degraded(world, "n2", 7, "").status, STATUS_OK);
    result = ask(world, wire_message_create(KIND_CLUSTER_STATUS_REQUEST));
    assert_int_equal(((const Pb__ClusterStatusReply *)result.message->body)->n_degraded, 0);
    message_destroy(&result.message);
}

/* A8: requests of clients that wait take no place from renewals. */
static void a_crowd_of_clients_hides_nobody(void **state)
{
    struct world *world = *state;
    set_node(world, "n2", 7, "UP");
    set_role(world, true, 3, "n1");
    world->leader_silent = true;
    for (uint32_t i = 0; i < 1100; i++) {
        struct message *message = wire_message_create(KIND_CLUSTER_STATUS_REQUEST);
        probe_tell(world->runtime, world->membership, &message);
    }
    assert_int_equal(renew_for(world, "n2", 7, "n2").status, STATUS_OK);
}

static void the_leader_declares_the_silent_lost(void **state) /* DEP3 */
{
    struct world *world = *state;
    pass(world, MILLISECONDS(100));
    set_node(world, "n2", 7, "UP");
    pass(world, SECONDS(10));
    assert_int_equal(world->proposals, 1); /* Not ours to judge. */
    set_role(world, true, 3, "n1");
    pass(world, MILLISECONDS(1400));
    assert_int_equal(world->proposals, 1);
    pass(world, MILLISECONDS(200));
    const Pb__Command *command = last_command(world);
    assert_int_equal(command->origin, PB__ORIGIN__ORIGIN_MANAGER);
    assert_int_equal(command->leader_term, 3);
    assert_string_equal(command->success[0]->node_presence->presence, "SUSPECT");
    set_node(world, "n2", 7, "SUSPECT");
    pass(world, MILLISECONDS(1500));
    command = last_command(world);
    assert_int_equal(command->success[0]->op_case, PB__OPERATION__OP_NODE_LOST);
    assert_int_equal(command->success[0]->node_lost->incarnation, 7);
    assert_int_equal(renew_for(world, "n2", 7, "n2").status, STATUS_CONFLICT); /* Too late. */
}

static void a_broken_connection_makes_suspect_at_once(void **state)
{
    struct world *world = *state;
    set_node(world, "n2", 7, "UP");
    set_role(world, true, 3, "n1");
    struct message *message = message_create(KIND_PEER_DOWN, sizeof(struct transport_peer_change));
    struct transport_peer_change *change = message->body;
    (void)text_copy(change->node, sizeof change->node, "n2");
    tell(world, message);
    assert_string_equal(last_command(world)->success[0]->node_presence->presence, "SUSPECT");
}

/* --- the room of the store: F2 -------------------------------------------------------------------------- */

static void begin_alarms(struct world *world) /* An empty snapshot of them. */
{
    struct message *message = wire_message_create(KIND_STATE_CHANGED);
    ((Pb__StateChanged *)message->body)->watch_id = 5;
    ((Pb__StateChanged *)message->body)->snapshot = true;
    tell(world, message);
}

static void tell_room(struct world *world, uint64_t left)
{
    struct message *message = message_create(KIND_LOG_SPACE, sizeof(struct log_space));
    *(struct log_space *)message->body = (struct log_space){ .disk_free = left,
                                                             .map_free = UINT64_MAX,
                                                             .disk_mark = 1000,
                                                             .low = left < 1000,
                                                             .ample = left >= 1250 };
    tell(world, message);
}

static void want_of_room_is_proposed_until_it_is_agreed(void **state)
{
    struct world *world = *state;
    pass(world, MILLISECONDS(100));
    set_node(world, "n1", 10, "UP");
    uint32_t before = world->proposals;
    tell_room(world, 900);
    assert_int_equal(world->proposals, before); /* What stands is not known yet. */
    begin_alarms(world);
    tell_room(world, 1100);
    assert_int_equal(world->proposals, before);
    world->refuse = STATUS_NO_LEADER;
    tell_room(world, 900);
    world->refuse = STATUS_OK;
    tell_room(world, 900);
    assert_int_equal(world->proposals, before + 2);
    const Pb__Command *command = last_command(world);
    assert_int_equal(command->origin, PB__ORIGIN__ORIGIN_NODE);
    assert_string_equal(command->node, "n1");
    assert_int_equal(command->incarnation, 10);
    assert_int_equal(command->success[0]->op_case, PB__OPERATION__OP_NODE_SPACE);
    assert_true(command->success[0]->node_space->low);
    assert_int_equal(command->success[0]->node_space->free, 900);
    set_record(world, 5, "config/alarms/no-space/n1", "{\"place\":\"disk\",\"free\":900,\"mark\":4096}");
    tell_room(world, 900);
    tell_room(world, 1200); /* Not at the mark itself. */
    assert_int_equal(world->proposals, before + 2);
    tell_room(world, 1250);
    assert_int_equal(world->proposals, before + 3);
    assert_false(last_command(world)->success[0]->node_space->low);
}

static void alarms_are_shown(void **state)
{
    struct world *world = *state;
    set_node(world, "n1", 10, "UP");
    begin_alarms(world);
    set_record(world, 5, "config/alarms/no-space/n1", "{\"place\":\"disk\",\"free\":900,\"mark\":4096}");
    struct message *show = wire_message_create(KIND_NODE_SHOW_REQUEST);
    ((Pb__NodeShowRequest *)show->body)->node = wire_string(show, "n1");
    struct probe_result result = ask(world, show);
    assert_string_equal(((const Pb__NodeShowReply *)result.message->body)->node->alarm,
                        "less than 4 KiB free on its disk");
    message_destroy(&result.message);
    result = ask(world, wire_message_create(KIND_CLUSTER_STATUS_REQUEST));
    const Pb__ClusterStatusReply *status = result.message->body;
    assert_int_equal(status->n_alarms, 1);
    assert_string_equal(status->alarms[0], "n1: less than 4 KiB free on its disk");
    message_destroy(&result.message);
}

/* --- commands ------------------------------------------------------------------------------------------- */

static void the_tables_come_from_the_view(void **state)
{
    struct world *world = *state;
    set_role(world, false, 4, "n1");
    set_node(world, "n2", 7, "SUSPECT");
    set_node(world, "n1", 10, "UP");
    set_record(world, 2, "slices/n2/g:a:1",
               "{\"instances\":[{\"instance\":1,\"state\":\"ACTIVE\"},"
               "{\"instance\":2,\"state\":\"LOADING\"}]}");
    set_record(world, 3, "blueprints/b", "{\"slices\":[{\"artifact\":\"g:a:1\",\"instances\":2}]}");
    struct probe_result result = ask(world, wire_message_create(KIND_NODE_LIST_REQUEST));
    const Pb__NodeListReply *list = result.message->body;
    assert_int_equal(list->n_nodes, 2);
    assert_string_equal(list->nodes[0]->node, "n1");
    assert_true(list->nodes[0]->leader);
    assert_int_equal(list->nodes[1]->instances, 2);
    assert_string_equal(list->nodes[1]->labels, "{\"k\":\"v\"}");
    assert_string_equal(list->nodes[1]->protocol, "1-1");
    message_destroy(&result.message);

    struct message *show = wire_message_create(KIND_NODE_SHOW_REQUEST);
    ((Pb__NodeShowRequest *)show->body)->node = wire_string(show, "n2");
    result = ask(world, show);
    const Pb__NodeShowReply *shown = result.message->body;
    assert_int_equal(shown->n_instances, 2);
    assert_string_equal(shown->instances[1], "g:a:1#2 LOADING");
    message_destroy(&result.message);
    show = wire_message_create(KIND_NODE_SHOW_REQUEST);
    ((Pb__NodeShowRequest *)show->body)->node = wire_string(show, "n7");
    assert_int_equal(ask(world, show).status, STATUS_NOT_FOUND);

    result = ask(world, wire_message_create(KIND_CLUSTER_STATUS_REQUEST));
    const Pb__ClusterStatusReply *status = result.message->body;
    assert_string_equal(status->name, "test");
    assert_int_equal(status->voters, 2);
    assert_int_equal(status->voters_up, 1);
    assert_int_equal(status->instances_wanted, 2);
    assert_int_equal(status->instances_active, 1);
    assert_string_equal(status->health, "degraded");
    message_destroy(&result.message);
    result = ask(world, wire_message_create(KIND_CLUSTER_MEMBERS_REQUEST));
    const Pb__ClusterMembersReply *members = result.message->body;
    assert_int_equal(members->n_members, 2);
    assert_string_equal(members->members[0]->raft, "leader");
    assert_string_equal(members->members[1]->presence, "SUSPECT");
    assert_string_equal(members->members[1]->replica_id, "000000000000000b");
    message_destroy(&result.message);
}

static void add_event_record(struct message *reply, uint64_t index)
{
    Pb__KvReadReply *page = reply->body;
    Pb__KvRecord **records = arena_array(&reply->arena, page->n_records + 1, sizeof(Pb__KvRecord *));
    if (page->n_records > 0) memcpy(records, page->records, page->n_records * sizeof(Pb__KvRecord *));
    Pb__KvRecord *record = codec_create(&reply->arena, &pb__kv_record__descriptor);
    record->key = arena_printf(&reply->arena, "events/%016llu", (unsigned long long)index);
    record->value.data = (uint8_t *)arena_printf(
        &reply->arena, "{\"index\":%llu,\"timestamp\":5,\"revision\":6,\"type\":\"node.up\",\"node\":\"n1\"}",
        (unsigned long long)index);
    record->value.len = strlen((const char *)record->value.data);
    records[page->n_records++] = record;
    page->records = records;
}

static void event_list_gives_the_last_ones(void **state)
{
    struct world *world = *state;
    world->records = wire_message_create(KIND_KV_READ_REPLY);
    for (uint64_t index = 1; index <= 5; index++) {
        add_event_record(world->records, index);
    }
    struct message *message = wire_message_create(KIND_EVENT_LIST_REQUEST);
    Pb__EventListRequest *request = message->body;
    request->has_limit_case = PB__EVENT_LIST_REQUEST__HAS_LIMIT_LIMIT;
    request->limit = 2;
    struct probe_result result = ask(world, message);
    const Pb__EventListReply *list = result.message->body;
    assert_int_equal(list->n_events, 2);
    assert_int_equal(list->events[0]->index, 4);
    assert_string_equal(list->events[1]->type, "node.up");
    assert_string_equal(list->events[1]->fields, "{\"node\":\"n1\"}");
    assert_int_equal(list->next_index, 6);
    message_destroy(&result.message);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_start_is_written_until_it_succeeds),
        TEST(a_refused_incarnation_is_raised),
        TEST(the_record_tells_when_the_answer_is_lost),
        TEST(who_was_declared_lost_starts_over),
        TEST(without_confirmation_it_is_fenced_in_time),
        TEST(who_starts_again_is_told_at_once),
        TEST(a_restart_gives_no_time_anew),
        TEST(the_leader_confirms_after_a_barrier),
        TEST(a_degraded_node_shows_in_the_status),
        TEST(a_crowd_of_clients_hides_nobody),
        TEST(the_leader_declares_the_silent_lost),
        TEST(a_broken_connection_makes_suspect_at_once),
        TEST(want_of_room_is_proposed_until_it_is_agreed),
        TEST(alarms_are_shown),
        TEST(the_tables_come_from_the_view),
        TEST(event_list_gives_the_last_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
