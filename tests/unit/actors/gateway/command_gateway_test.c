/* Goal: every command goes the way that its row says, and ends in exactly one answer: here, at the leader, at
 * the next leader when one dies, or with NO_LEADER while the asker still listens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "actors/gateway/command_gateway.h"
#include "runtime/base/text.h"
#include "tests/support/probe.h"
#include "wire/frame.h"
#include "wire/kinds.h"
#include "wire/local.h"
#include "wire/proto/cluster.pb-c.h"
#include "wire/proto/gateway.pb-c.h"
#include "wire/proto/slice.pb-c.h"

struct node { /* One node with a gateway, and stubs for all whom it asks. */
    struct scheduler *stepper;
    struct runtime *runtime;
    uint32_t barriers;
    struct read_barrier barrier;  /* The last one. */
    uint32_t asked;               /* Of targets here. */
    uint32_t passed_on;           /* To other nodes. */
    enum status target_status;    /* What a target here answers. */
    enum status remote_status[4]; /* What another node answers, one after the other; the last for ever. */
    char passed_to[NODE_NAME_MAX];
    char principal[64];
};

static struct node node;

static void on_leader_stub(struct actor *self, void *context, const struct message *message)
{
    (void)self, (void)context;
    assert_int_equal(message->kind, KIND_ROLE_SUBSCRIBE);
}

static void on_state_stub(struct actor *self, void *context, const struct message *message)
{
    struct node *at = context;
    if (message->kind == KIND_READ_BARRIER) {
        at->barriers++;
        at->barrier = *(const struct read_barrier *)message->body;
        struct message *reply = message_create(KIND_READ_BARRIER_REPLY, sizeof(struct read_barrier_reply));
        actor_reply(self, message, &reply);
        return;
    }
    at->asked++;
    struct message *reply = wire_message_create(KIND_KV_GET_REPLY);
    actor_reply(self, message, &reply);
}

static void on_target_stub(struct actor *self, void *context, const struct message *message)
{
    struct node *at = context;
    at->asked++;
    if (at->target_status != STATUS_OK) {
        actor_refuse(self, message, at->target_status);
        return;
    }
    struct message *reply =
        wire_message_create(message->kind + 1); /* All rows here: reply follows request. */
    actor_reply(self, message, &reply);
}

static void on_transport_stub(struct actor *self, void *context, const struct message *message)
{
    struct node *at = context;
    assert_int_equal(message->kind, KIND_TRANSPORT_ASK);
    const struct transport_send *send = message->body;
    (void)text_copy(at->passed_to, sizeof at->passed_to, send->node);
    frame_seal(message->attachment, &(struct frame_header){ .protocol = PROTOCOL_MAX });
    struct frame_header header;
    struct message *inner = NULL;
    assert_int_equal(frame_parse(message->attachment->data, message->attachment->size, &header, NULL),
                     STATUS_OK);
    assert_int_equal(
        frame_decode(message->attachment->data, message->attachment->size, &header, &inner, NULL), STATUS_OK);
    const Pb__GatewayForward *forward = inner->body;
    assert_true(forward->forwarded);
    (void)text_copy(at->principal, sizeof at->principal, forward->principal);
    uint32_t turn = at->passed_on < 3 ? at->passed_on : 3;
    at->passed_on++;
    if (at->remote_status[turn] != STATUS_OK) {
        actor_refuse(self, message, at->remote_status[turn]);
    } else {
        struct message *reply = wire_message_create(forward->kind + 1);
        actor_reply(self, message, &reply);
    }
    message_destroy(&inner);
}

static int setup(void **unused)
{
    (void)unused;
    node = (struct node){ .stepper = stepper_create(&(struct stepper_options){ .seed = 7 }) };
    node.runtime = runtime_create(&(struct runtime_options){ .scheduler = node.stepper, .node = "node-2" });
    stub_spawn(node.runtime, TO_LEADER, on_leader_stub, &node);
    stub_spawn(node.runtime, TO_STATE, on_state_stub, &node);
    stub_spawn(node.runtime, TO_MEMBERSHIP, on_target_stub, &node);
    stub_spawn(node.runtime, TO_CLUSTER_DEPLOYMENT_MANAGER, on_target_stub, &node);
    stub_spawn(node.runtime, TO_LEASE_KEEPER, on_target_stub, &node);
    stub_spawn(node.runtime, TO_TRANSPORT, on_transport_stub, &node);
    struct command_gateway_options options = { .node = "node-2" };
    struct spawn_options spawn = { .options = &options, .name = TO_COMMAND_GATEWAY };
    struct actor_id id;
    assert_int_equal(runtime_spawn(node.runtime, &command_gateway_behavior, &spawn, &id, NULL), STATUS_OK);
    return 0;
}

static int teardown(void **unused)
{
    (void)unused;
    (void)runtime_stop(node.runtime, SECONDS(1));
    runtime_destroy(&node.runtime);
    scheduler_destroy(&node.stepper);
    return 0;
}

static void set_leader(const char *leader, bool leading)
{
    struct message *message = message_create(KIND_ROLE_CHANGED, sizeof(struct role_changed));
    struct role_changed *role = message->body;
    role->leading = leading;
    role->term = 3;
    (void)text_copy(role->leader, sizeof role->leader, leader);
    probe_tell(node.runtime, runtime_find(node.runtime, TO_COMMAND_GATEWAY), &message);
}

static enum status ask_for(struct message *request, int64_t timeout_ns, uint32_t reply_kind)
{
    struct probe_result result = probe_ask_name(node.runtime, TO_COMMAND_GATEWAY, &request, timeout_ns);
    assert_true(result.completed);
    if (result.status == STATUS_OK) {
        assert_int_equal(result.message->kind, reply_kind);
        message_destroy(&result.message);
    } else {
        assert_true(result.error.message[0] != '\0');
    }
    return result.status;
}

static enum status ask(uint32_t request, int64_t timeout_ns, uint32_t reply)
{
    return ask_for(wire_message_create(request), timeout_ns, reply);
}

static void local_rows_stay_here(void **unused)
{
    (void)unused;
    assert_int_equal(ask(KIND_KV_GET_REQUEST, SECONDS(5), KIND_KV_GET_REPLY), STATUS_OK);
    assert_int_equal(node.asked, 1);
    assert_int_equal(node.barriers, 0); /* The state makes its own reads linearizable. */
    assert_int_equal(node.passed_on, 0);
}

static void views_are_read_behind_a_barrier(void **unused)
{
    (void)unused;
    assert_int_equal(ask(KIND_NODE_LIST_REQUEST, SECONDS(5), KIND_NODE_LIST_REPLY), STATUS_OK);
    assert_int_equal(node.barriers, 1);
    struct message *stale = wire_message_create(KIND_NODE_LIST_REQUEST);
    ((Pb__NodeListRequest *)stale->body)->stale = 1;
    assert_int_equal(ask_for(stale, SECONDS(5), KIND_NODE_LIST_REPLY), STATUS_OK);
    assert_int_equal(node.barriers, 1);
}

static void what_is_to_be_visible_first_is_awaited(void **unused)
{
    (void)unused;
    struct message *message = wire_message_create(KIND_NODE_LIST_REQUEST);
    Pb__NodeListRequest *list = message->body;
    list->stale = 1;
    list->has_after_case = PB__NODE_LIST_REQUEST__HAS_AFTER_AFTER;
    list->after = 7;
    assert_int_equal(ask_for(message, SECONDS(5), KIND_NODE_LIST_REPLY), STATUS_OK);
    assert_int_equal(node.barriers, 1);
    assert_true(node.barrier.stale);
    assert_int_equal(node.barrier.after, 7);
    message =
        wire_message_create(KIND_CLUSTER_STATUS_REQUEST); /* A row that asks for no barrier by itself. */
    Pb__ClusterStatusRequest *status = message->body;
    status->has_after_case = PB__CLUSTER_STATUS_REQUEST__HAS_AFTER_AFTER;
    status->after = 8;
    set_leader("node-2", true);
    assert_int_equal(ask_for(message, SECONDS(5), KIND_CLUSTER_STATUS_REPLY), STATUS_OK);
    assert_int_equal(node.barriers, 2);
    assert_int_equal(node.barrier.after, 8);
}

static void leader_rows_go_to_the_leader(void **unused)
{
    (void)unused;
    set_leader("node-1", false);
    assert_int_equal(ask(KIND_BLUEPRINT_PUBLISH_REQUEST, SECONDS(5), KIND_BLUEPRINT_PUBLISH_REPLY),
                     STATUS_OK);
    assert_int_equal(node.passed_on, 1);
    assert_string_equal(node.passed_to, "node-1");
    assert_string_equal(node.principal, "local");
    set_leader("node-2", true);
    assert_int_equal(ask(KIND_BLUEPRINT_PUBLISH_REQUEST, SECONDS(5), KIND_BLUEPRINT_PUBLISH_REPLY),
                     STATUS_OK);
    assert_int_equal(node.passed_on, 1);
    assert_int_equal(node.asked, 1);
}

static void stale_leader_rows_are_answered_here(void **unused)
{
    (void)unused;
    struct message *stale = wire_message_create(KIND_SLICE_LIST_REQUEST);
    ((Pb__SliceListRequest *)stale->body)->stale = 1;
    assert_int_equal(ask_for(stale, SECONDS(5), KIND_SLICE_LIST_REPLY), STATUS_OK);
    assert_int_equal(node.passed_on, 0);
}

/* The asker must hear NO_LEADER, not its own DEADLINE. */
static void no_leader_is_said_in_time(void **unused)
{
    (void)unused;
    assert_int_equal(ask(KIND_BLUEPRINT_PUBLISH_REQUEST, SECONDS(2), 0), STATUS_NO_LEADER);
    assert_int_equal(node.asked + node.passed_on, 0);
    set_leader("node-2", false); /* Elected, but E7 isn't done: nobody carries it out yet. */
    assert_int_equal(ask(KIND_AGENT_RELEASE_REQUEST, MILLISECONDS(400), 0), STATUS_NO_LEADER);
    assert_int_equal(node.asked + node.passed_on, 0);
}

static void elect_later(void *context, uint64_t tag)
{
    (void)context, (void)tag;
    struct message *message = message_create(KIND_ROLE_CHANGED, sizeof(struct role_changed));
    struct role_changed *role = message->body;
    (void)text_copy(role->leader, sizeof role->leader, "node-3");
    assert_int_equal(runtime_send(node.runtime, runtime_find(node.runtime, TO_COMMAND_GATEWAY), &message),
                     STATUS_OK);
}

static void waits_for_a_leader(void **unused)
{
    (void)unused;
    stepper_call_at(node.stepper, stepper_now_ns(node.stepper) + SECONDS(1), elect_later, NULL, 0);
    assert_int_equal(ask(KIND_BLUEPRINT_DELETE_REQUEST, SECONDS(5), KIND_BLUEPRINT_DELETE_REPLY), STATUS_OK);
    assert_string_equal(node.passed_to, "node-3");
}

static void idempotent_rows_are_asked_again_when_the_leader_dies(void **unused)
{
    (void)unused;
    set_leader("node-1", false);
    node.remote_status[0] = STATUS_NODE_LOST;
    node.remote_status[1] = STATUS_NOT_LEADER;
    assert_int_equal(ask(KIND_BLUEPRINT_PUBLISH_REQUEST, SECONDS(5), KIND_BLUEPRINT_PUBLISH_REPLY),
                     STATUS_OK);
    assert_int_equal(node.passed_on, 3);
}

/* Nobody ever answered after the leader died with it: it may have happened. */
static void lost_changes_end_unknown(void **unused)
{
    (void)unused;
    set_leader("node-1", false);
    for (int i = 0; i < 4; i++)
        node.remote_status[i] = STATUS_NODE_LOST;
    assert_int_equal(ask(KIND_BLUEPRINT_PUBLISH_REQUEST, SECONDS(2), 0), STATUS_UNKNOWN);
    assert_true(node.passed_on > 1);
}

/* Whoever leads next may have no room; that is no word on what the one before did. */
static void a_later_refusal_leaves_the_outcome_unknown(void **unused)
{
    (void)unused;
    static const enum status later[] = { STATUS_OVERLOADED, STATUS_NOT_READY, STATUS_CRASHED };
    set_leader("node-1", false);
    for (size_t i = 0; i < ARRAY_COUNT(later); i++) {
        node.passed_on = 0;
        node.remote_status[0] = STATUS_NODE_LOST;
        node.remote_status[1] = later[i];
        assert_int_equal(ask(KIND_BLUEPRINT_PUBLISH_REQUEST, SECONDS(2), 0), STATUS_UNKNOWN);
        assert_int_equal(node.passed_on, 2);
    }
}

static void refusals_pass_as_they_are(void **unused)
{
    (void)unused;
    set_leader("node-1", false);
    node.remote_status[0] = STATUS_INVALID;
    assert_int_equal(ask(KIND_BLUEPRINT_PUBLISH_REQUEST, SECONDS(5), 0), STATUS_INVALID);
    assert_int_equal(node.passed_on, 1);
    set_leader("node-2", true);
    node.target_status = STATUS_CONFLICT;
    assert_int_equal(ask(KIND_BLUEPRINT_PUBLISH_REQUEST, SECONDS(5), 0), STATUS_CONFLICT);
}

static void status_works_without_a_leader(void **unused)
{
    (void)unused;
    assert_int_equal(ask(KIND_CLUSTER_STATUS_REQUEST, SECONDS(5), KIND_CLUSTER_STATUS_REPLY), STATUS_OK);
    assert_int_equal(node.asked, 1);
    set_leader("node-1", false);
    assert_int_equal(ask(KIND_CLUSTER_STATUS_REQUEST, SECONDS(5), KIND_CLUSTER_STATUS_REPLY), STATUS_OK);
    assert_int_equal(node.passed_on, 1);
    node.remote_status[1] = STATUS_NODE_LOST; /* The leader just died: this node answers. */
    assert_int_equal(ask(KIND_CLUSTER_STATUS_REQUEST, SECONDS(5), KIND_CLUSTER_STATUS_REPLY), STATUS_OK);
    assert_int_equal(node.passed_on, 2);
    assert_int_equal(node.asked, 2);
}

static struct message *forward_of(uint32_t kind, const char *from_node)
{
    struct message *message = wire_message_create(KIND_GATEWAY_FORWARD);
    Pb__GatewayForward *forward = message->body;
    forward->kind = kind;
    forward->principal = wire_string(message, "robot");
    if (from_node != NULL) message->from_node = wire_string(message, from_node);
    return message;
}

/* What another gateway passed on ends here: two that hold each other for the leader can't play ball. */
static void passed_on_once_only(void **unused)
{
    (void)unused;
    set_leader("node-1", false);
    assert_int_equal(ask_for(forward_of(KIND_BLUEPRINT_LIST_REQUEST, "node-3"), SECONDS(5), 0),
                     STATUS_NOT_LEADER);
    assert_int_equal(node.passed_on, 0);
    assert_int_equal(
        ask_for(forward_of(KIND_BLUEPRINT_LIST_REQUEST, NULL), SECONDS(5), KIND_BLUEPRINT_LIST_REPLY),
        STATUS_OK);
    assert_string_equal(node.principal, "robot"); /* From this node's MCP server: all of the path. */
}

static void strangers_are_refused(void **unused)
{
    (void)unused;
    assert_int_equal(ask(KIND_PROPOSE_REQUEST, SECONDS(5), 0), STATUS_INVALID);
    assert_int_equal(ask_for(forward_of(KIND_PROPOSE_REQUEST, NULL), SECONDS(5), 0), STATUS_INVALID);
    assert_int_equal(ask_for(forward_of(9999, "node-3"), SECONDS(5), 0), STATUS_INVALID);
    struct message *garbage = forward_of(KIND_BLUEPRINT_LIST_REQUEST, NULL);
    Pb__GatewayForward *forward = garbage->body;
    forward->request.data = arena_memdup(&garbage->arena, "\xff\xff\xff", 3);
    forward->request.len = 3;
    assert_int_equal(ask_for(garbage, SECONDS(5), 0), STATUS_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(local_rows_stay_here, setup, teardown),
        cmocka_unit_test_setup_teardown(views_are_read_behind_a_barrier, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_to_be_visible_first_is_awaited, setup, teardown),
        cmocka_unit_test_setup_teardown(leader_rows_go_to_the_leader, setup, teardown),
        cmocka_unit_test_setup_teardown(stale_leader_rows_are_answered_here, setup, teardown),
        cmocka_unit_test_setup_teardown(no_leader_is_said_in_time, setup, teardown),
        cmocka_unit_test_setup_teardown(waits_for_a_leader, setup, teardown),
        cmocka_unit_test_setup_teardown(idempotent_rows_are_asked_again_when_the_leader_dies, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(lost_changes_end_unknown, setup, teardown),
        cmocka_unit_test_setup_teardown(a_later_refusal_leaves_the_outcome_unknown, setup, teardown),
        cmocka_unit_test_setup_teardown(refusals_pass_as_they_are, setup, teardown),
        cmocka_unit_test_setup_teardown(status_works_without_a_leader, setup, teardown),
        cmocka_unit_test_setup_teardown(passed_on_once_only, setup, teardown),
        cmocka_unit_test_setup_teardown(strangers_are_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
