/* Goal: people see what each instance does and did (slice show, logs, explain), can restart it in order, and
 * what it leaves reaches its successor, wherever that starts (product.md sections 3 and 7). Method: the
 * managers of three nodes on the stepper (support/fleet), with the real slice_log, slice_inspector and
 * slice_carrier of each; nodes die, are cut short, and fail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "actors/slice/lateness.h"
#include "runtime/base/check.h"
#include "runtime/base/text.h"
#include "tests/support/fleet.h"
#include "wire/kinds.h"
#include "wire/proto/slice.pb-c.h"

#include <stdio.h>
#include <string.h>

static int set_up(void **state)
{
    struct fleet *fleet = fleet_create(11);
    agreed_lead(&fleet->agreed, 0);
    fleet_settle(fleet, MILLISECONDS(10));
    *state = fleet;
    return 0;
}

static int tear_down(void **state)
{
    struct fleet *fleet = *state;
    fleet_destroy(&fleet);
    return 0;
}

static void publish(struct fleet *fleet, const char *document)
{
    struct probe_result result = fleet_publish(fleet, document);
    if (result.status != STATUS_OK) fail_msg("%s: %s", status_name(result.status), result.error.message);
    message_destroy(&result.message);
}

static const char three[] = "name: s\nslices:\n - {artifact: 'a:b:1', instances: 3}\n";

static struct probe_result ask(struct fleet *fleet, uint32_t node, enum actor_address to,
                               struct message *message)
{
    return probe_ask_name(fleet->agreed.nodes[node].runtime, to, &message, SECONDS(60));
}

/* --- slice show ---------------------------------------------------------------------------------------- */

static struct message *show(struct fleet *fleet, const char *artifact)
{
    struct message *message = wire_message_create(KIND_SLICE_SHOW_REQUEST);
    ((Pb__SliceShowRequest *)message->body)->artifact = wire_string(message, artifact);
    struct probe_result result = ask(fleet, 0, TO_SLICE_INSPECTOR, message);
    if (result.status != STATUS_OK) fail_msg("%s: %s", status_name(result.status), result.error.message);
    return result.message;
}

static const Pb__InstanceDetail *on_node(const Pb__SliceShowReply *shown, const char *node)
{
    for (size_t i = 0; i < shown->n_instances; i++) {
        if (strcmp(shown->instances[i]->node, node) == 0) return shown->instances[i];
    }
    fail_msg("nothing on %s", node);
    return NULL;
}

static void every_node_says_what_only_it_knows(void **state)
{
    struct fleet *fleet = *state;
    publish(fleet, three);
    fleet_crash_instance(&fleet->stores[1], &fleet->stores[1].instances[0]);
    fleet_settle(fleet, SECONDS(1));
    struct message *message = show(fleet, "a:b");
    const Pb__SliceShowReply *shown = message->body;
    assert_int_equal(shown->n_instances, 3);
    for (size_t i = 0; i < shown->n_instances; i++) {
        const Pb__InstanceDetail *detail = shown->instances[i];
        assert_string_equal(detail->heard, "OK");
        assert_string_equal(detail->state, "ACTIVE");
        assert_string_equal(detail->version, "1");
        assert_string_equal(detail->isolation, "process");
        assert_string_equal(detail->limits, "rlimits");
        assert_int_equal(detail->pid, 100 + detail->instance);
        assert_int_equal(detail->memory_bytes, 4096);
        assert_true(detail->since > 0);
        bool crashed = strcmp(detail->node, "node-2") == 0;
        assert_int_equal(detail->restarts, crashed ? 1 : 0);
        assert_int_equal(detail->attempt, crashed ? 1 : 0);
        assert_string_equal(detail->last_error, crashed ? "CRASHED: killed by signal 11 (SIGSEGV)" : "");
        assert_true((detail->last_error_at > 0) == crashed);
    }
    message_destroy(&message);
}

static void tell_late(struct fleet *fleet, uint32_t node, const char *artifact, uint32_t instance)
{
    struct message *message = message_create(KIND_INSTANCE_LATE, sizeof(struct instance_late));
    struct instance_late *late = message->body;
    *late = (struct instance_late){ .key.instance = instance, .entry = "ask", .allowed_ms = 250 };
    (void)text_copy(late->key.artifact, sizeof(late->key.artifact), artifact);
    struct runtime *runtime = fleet->agreed.nodes[node].runtime;
    assert_int_equal(runtime_send(runtime, runtime_find(runtime, TO_NODE_DEPLOYMENT_MANAGER), &message),
                     STATUS_OK);
    fleet_settle(fleet, MILLISECONDS(10));
}

static void a_late_call_is_the_last_error(void **state)
{
    struct fleet *fleet = *state;
    publish(fleet, three);
    uint32_t events = agreed_count(&fleet->agreed, "events/");
    tell_late(fleet, 0, "a:b:1", fleet->stores[0].instances[0].key.instance);
    tell_late(fleet, 1, "a:none:1", 1); /* Nobody's. */
    struct message *message = show(fleet, "a:b");
    assert_string_equal(on_node(message->body, "node-1")->last_error,
                        "DEADLINE: ask had not answered after the 250 ms of a call");
    assert_string_equal(on_node(message->body, "node-2")->last_error, "");
    message_destroy(&message);
    assert_int_equal(agreed_count(&fleet->agreed, "events/"), events); /* Its process can be ended. */
    publish(fleet, "name: i\nslices:\n - {artifact: 'a:i:1', instances: 1, isolation: inline}\n");
    events = agreed_count(&fleet->agreed, "events/");
    for (uint32_t n = 0; n < FLEET_NODES; n++)
        tell_late(fleet, n, "a:i:1", 1); /* One of them has it. */
    assert_int_equal(agreed_count(&fleet->agreed, "events/"), events + 1);
}

static void a_silent_node_is_shown_as_such(void **state)
{
    struct fleet *fleet = *state;
    publish(fleet, three);
    agreed_crash(&fleet->agreed, 2); /* Nobody has missed it yet. */
    struct message *message = show(fleet, "a:b:1");
    const Pb__SliceShowReply *shown = message->body;
    assert_string_equal(on_node(shown, "node-1")->heard, "OK");
    const Pb__InstanceDetail *silent = on_node(shown, "node-3");
    assert_string_equal(silent->heard, "NODE_LOST");
    assert_string_equal(silent->state, "ACTIVE"); /* As agreed. */
    assert_int_equal(silent->pid, 0);
    message_destroy(&message);
    struct message *none = wire_message_create(KIND_SLICE_SHOW_REQUEST);
    ((Pb__SliceShowRequest *)none->body)->artifact = wire_string(none, "a:none");
    assert_int_equal(ask(fleet, 0, TO_SLICE_INSPECTOR, none).status, STATUS_NOT_FOUND);
}

/* --- slice explain, and what the planner avoids -------------------------------------------------------- */

static struct message *explain(struct fleet *fleet, const char *artifact)
{
    struct message *message = wire_message_create(KIND_SLICE_EXPLAIN_REQUEST);
    ((Pb__SliceExplainRequest *)message->body)->artifact = wire_string(message, artifact);
    struct probe_result result = ask(fleet, 0, TO_CLUSTER_DEPLOYMENT_MANAGER, message);
    if (result.status != STATUS_OK) fail_msg("%s: %s", status_name(result.status), result.error.message);
    return result.message;
}

static void the_planner_says_why(void **state)
{
    struct fleet *fleet = *state;
    publish(fleet, "name: s\nslices:\n - {artifact: 'a:b:1', instances: 2, constraints: {zone: a}}\n");
    struct message *message = explain(fleet, "a:b");
    const Pb__SliceExplainReply *explained = message->body;
    assert_string_equal(explained->summary, "all 2 are ACTIVE and well placed");
    assert_int_equal(explained->n_nodes, 3);
    assert_true(explained->nodes[0]->takes);
    assert_int_equal(explained->nodes[0]->here, 1);
    assert_false(explained->nodes[1]->takes);
    assert_string_equal(explained->nodes[1]->reason, "zone is b, not a");
    assert_int_equal(explained->n_instances, 2);
    assert_string_equal(explained->instances[0]->reason, "well placed: it stays");
    message_destroy(&message);
    agreed_set_state(&fleet->agreed, 0, "DRAINING");
    agreed_set_state(&fleet->agreed, 2, "DRAINING");
    fleet_settle(fleet, SECONDS(1));
    message = explain(fleet, "a:b");
    explained = message->body;
    assert_int_equal(explained->missing, 1); /* One at a time, as max-surge has it. */
    assert_non_null(
        strstr(explained->summary, "1 of 2 find no node: node-1: DRAINING; node-2: zone is b, not a"));
    assert_string_equal(explained->instances[0]->reason, "it moves: DRAINING");
    message_destroy(&message);
}

/* Five failures on a node: FAILED there, placed elsewhere, and the planner keeps the exclusion and shows it.
 */
static void five_failures_exclude_a_node_for_all_to_see(void **state) /* DEP10 */
{
    struct fleet *fleet = *state;
    publish(fleet, "name: s\nslices:\n - {artifact: 'a:weak:1', instances: 1}\n");
    uint32_t home = 0;
    while (fleet_store_active(&fleet->stores[home]) == 0)
        home++;
    fleet->stores[home].refuse_activate = STATUS_APP_ERROR;
    fleet_crash_instance(&fleet->stores[home], &fleet->stores[home].instances[0]);
    fleet_settle(fleet, SECONDS(20));
    assert_int_equal(fleet_active(fleet), 1);
    assert_int_equal(fleet_store_active(&fleet->stores[home]), 0);
    struct message *shown = show(fleet, "a:weak");
    const Pb__SliceShowReply *show_reply = shown->body;
    assert_int_equal(show_reply->n_exclusions, 1);
    assert_string_equal(show_reply->exclusions[0]->node, fleet->agreed.nodes[home].name);
    assert_non_null(strstr(show_reply->exclusions[0]->reason, "it failed there five times: start refused"));
    assert_true(show_reply->exclusions[0]->until > 0);
    struct message *explained = explain(fleet, "a:weak");
    const Pb__SliceExplainReply *reply = explained->body;
    assert_int_equal(reply->n_exclusions, 1);
    assert_false(reply->nodes[home]->takes);
    assert_string_equal(reply->nodes[home]->reason, show_reply->exclusions[0]->reason);
    message_destroy(&explained);
    message_destroy(&shown);
}

static void a_new_leader_knows_the_exclusions(void **state) /* DEP10 */
{
    struct fleet *fleet = *state;
    publish(fleet, "name: s\nslices:\n - {artifact: 'a:weak:1', instances: 1}\n");
    uint32_t home = 0;
    while (fleet_store_active(&fleet->stores[home]) == 0)
        home++;
    fleet->stores[home].refuse_activate = STATUS_APP_ERROR;
    fleet_crash_instance(&fleet->stores[home], &fleet->stores[home].instances[0]);
    fleet_settle(fleet, SECONDS(20));
    assert_int_equal(agreed_count(&fleet->agreed, "config/exclusions/a:weak:1/"), 1);
    uint32_t next = fleet->agreed.leader == 1 ? 2 : 1;
    agreed_lead(&fleet->agreed, next);
    fleet_settle(fleet, SECONDS(1));
    struct message *message = wire_message_create(KIND_SLICE_EXPLAIN_REQUEST);
    ((Pb__SliceExplainRequest *)message->body)->artifact = wire_string(message, "a:weak");
    struct probe_result result = ask(fleet, next, TO_CLUSTER_DEPLOYMENT_MANAGER, message);
    assert_int_equal(result.status, STATUS_OK);
    const Pb__SliceExplainReply *explained = result.message->body;
    assert_int_equal(explained->n_exclusions, 1);
    assert_string_equal(explained->exclusions[0]->node, fleet->agreed.nodes[home].name);
    assert_non_null(strstr(explained->exclusions[0]->reason, "it failed there five times"));
    message_destroy(&result.message);
    fleet_settle(fleet, SECONDS(61)); /* Its time passes under the new leader as it would have. */
    assert_int_equal(agreed_count(&fleet->agreed, "config/exclusions/"), 0);
}

/* --- slice restart ------------------------------------------------------------------------------------- */

static struct message *restart_request(const char *artifact, uint32_t instance, const char *node, bool detach)
{
    struct message *message = wire_message_create(KIND_SLICE_RESTART_REQUEST);
    Pb__SliceRestartRequest *request = message->body;
    request->artifact = wire_string(message, artifact);
    request->node = wire_string(message, node);
    request->detach = detach;
    if (instance == 0) return message;
    request->has_instance_case = PB__SLICE_RESTART_REQUEST__HAS_INSTANCE_INSTANCE;
    request->instance = instance;
    return message;
}

static uint32_t loads(const struct fleet *fleet)
{
    uint32_t count = 0;
    for (uint32_t n = 0; n < FLEET_NODES; n++)
        count += fleet->stores[n].loads;
    return count;
}

static void instances_restart_one_after_the_other(void **state)
{
    struct fleet *fleet = *state;
    publish(fleet, "name: s\nslices:\n - {artifact: 'a:b:1', instances: 3, min-available: 1}\n");
    assert_int_equal(loads(fleet), 3);
    struct probe_result begun =
        ask(fleet, 0, TO_CLUSTER_DEPLOYMENT_MANAGER, restart_request("a:b", 0, "", true));
    assert_int_equal(begun.status, STATUS_OK);
    assert_false(((const Pb__SliceRestartReply *)begun.message->body)->complete);
    message_destroy(&begun.message);
    uint32_t fewest = 3;
    while (loads(fleet) < 6 || fleet_endpoints(fleet, "a:b:1") < 3) {
        uint32_t serving = fleet_endpoints(fleet, "a:b:1");
        if (serving < fewest) fewest = serving;
        assert_true(stepper_step(fleet->stepper));
    }
    assert_int_equal(fewest, 2); /* Although min-available would let two go at once. */
    fleet_settle(fleet, SECONDS(5));
    assert_int_equal(loads(fleet), 6); /* Each once. */
}

static void one_instance_or_one_node_restarts(void **state)
{
    struct fleet *fleet = *state;
    publish(fleet, "name: s\nslices:\n - {artifact: 'a:b:1', instances: 6}\n");
    uint32_t before = fleet->stores[1].loads;
    struct probe_result result =
        ask(fleet, 0, TO_CLUSTER_DEPLOYMENT_MANAGER, restart_request("a:b:1", 0, "node-2", false));
    assert_int_equal(result.status, STATUS_OK);
    const Pb__SliceRestartReply *reply = result.message->body;
    assert_int_equal(reply->restarted, 2);
    assert_true(reply->complete);
    message_destroy(&result.message);
    assert_int_equal(fleet->stores[1].loads, before + 2);
    assert_int_equal(loads(fleet), 8);
    result = ask(fleet, 0, TO_CLUSTER_DEPLOYMENT_MANAGER, restart_request("a:b:1", 5, "", false));
    assert_int_equal(((const Pb__SliceRestartReply *)result.message->body)->restarted, 1);
    message_destroy(&result.message);
    assert_int_equal(loads(fleet), 9);
    result = ask(fleet, 0, TO_CLUSTER_DEPLOYMENT_MANAGER, restart_request("a:b:1", 77, "", false));
    assert_int_equal(result.status, STATUS_NOT_FOUND);
    result = ask(fleet, 1, TO_CLUSTER_DEPLOYMENT_MANAGER, restart_request("a:b:1", 0, "", false));
    assert_int_equal(result.status, STATUS_NOT_LEADER);
    assert_int_equal(loads(fleet), 9);
}

static void what_does_not_come_back_ends_the_restart(void **state)
{
    struct fleet *fleet = *state;
    publish(fleet, "name: s\nslices:\n - {artifact: 'a:weak:1', instances: 3}\n");
    for (uint32_t n = 0; n < FLEET_NODES; n++)
        fleet->stores[n].refuse_load = STATUS_CORRUPT; /* No retry would help. */
    struct probe_result result =
        ask(fleet, 0, TO_CLUSTER_DEPLOYMENT_MANAGER, restart_request("a:weak", 0, "", false));
    assert_int_equal(result.status, STATUS_NOT_READY);
    assert_non_null(strstr(result.error.message, "did not come back: CORRUPT"));
    fleet_settle(fleet, SECONDS(5));
    assert_int_equal(fleet_active(fleet), 2); /* The others were left as they are. */
}

static void min_available_forbids_a_restart(void **state)
{
    struct fleet *fleet = *state;
    publish(fleet, "name: s\nslices:\n - {artifact: 'a:b:1', instances: 2, min-available: 2}\n");
    struct probe_result result =
        ask(fleet, 0, TO_CLUSTER_DEPLOYMENT_MANAGER, restart_request("a:b", 0, "", false));
    assert_int_equal(result.status, STATUS_CONFLICT);
    assert_non_null(strstr(result.error.message, "min-available"));
    assert_int_equal(loads(fleet), 2);
}

static void a_new_leader_forgets_a_restart(void **state)
{
    struct fleet *fleet = *state;
    publish(fleet, three);
    fleet->hold_loads = true;
    struct probe_result begun =
        ask(fleet, 0, TO_CLUSTER_DEPLOYMENT_MANAGER, restart_request("a:b", 0, "", true));
    message_destroy(&begun.message);
    fleet_settle(fleet, SECONDS(1));
    assert_int_equal(fleet->held_count, 1);
    agreed_lead(&fleet->agreed, 1);
    fleet_forget_held(fleet);
    fleet_settle(fleet, SECONDS(130));
    assert_int_equal(fleet_active(fleet), 3); /* What was begun ends well; */
    assert_int_equal(loads(fleet), 4);        /* the others are left. */
}

/* --- slice logs ---------------------------------------------------------------------------------------- */

static void tell_line(struct fleet *fleet, uint32_t node, uint32_t instance, const char *text)
{
    struct runtime *runtime = fleet->agreed.nodes[node].runtime;
    struct message *message = message_create(KIND_SLICE_LINE, sizeof(struct slice_line));
    struct slice_line *line = message->body;
    (void)text_copy(line->key.artifact, sizeof(line->key.artifact), "a:b:1");
    line->key.instance = instance;
    line->level = LINE_WARN;
    line->wall_ms = stepper_now_ns(fleet->stepper) / MILLISECONDS(1);
    line->text = arena_strdup(&message->arena, text);
    message->request_id = (struct request_id){ 1, 2 };
    probe_tell(runtime, runtime_find(runtime, TO_SLICE_LOG), &message);
    fleet_settle(fleet, MILLISECONDS(2));
}

static struct message *logs_request(const char *artifact)
{
    struct message *message = wire_message_create(KIND_SLICE_LOGS_REQUEST);
    ((Pb__SliceLogsRequest *)message->body)->artifact = wire_string(message, artifact);
    return message;
}

static void assert_lines(const struct message *message, const char *const *texts, size_t count)
{
    const Pb__SliceLogsReply *reply = message->body;
    assert_int_equal(reply->n_lines, count);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(reply->lines[i]->text, texts[i]);
}

static void lines_of_all_nodes_come_by_time(void **state)
{
    static const char *const all[] = { "one", "two", "three", "four" };
    struct fleet *fleet = *state;
    for (uint32_t i = 0; i < 4; i++)
        tell_line(fleet, i % FLEET_NODES, i % FLEET_NODES + 1, all[i]);
    struct probe_result result = ask(fleet, 2, TO_SLICE_INSPECTOR, logs_request("a:b"));
    assert_int_equal(result.status, STATUS_OK);
    assert_lines(result.message, all, 4);
    const Pb__LogLine *line = ((const Pb__SliceLogsReply *)result.message->body)->lines[1];
    assert_string_equal(line->node, "node-2");
    assert_string_equal(line->level, "warn");
    assert_string_equal(line->request_id, "00000000000000010000000000000002");
    assert_int_equal(line->instance, 2);
    message_destroy(&result.message);
    struct message *last = logs_request("a:b:1");
    ((Pb__SliceLogsRequest *)last->body)->tail = 2;
    result = ask(fleet, 2, TO_SLICE_INSPECTOR, last);
    assert_lines(result.message, all + 2, 2);
    message_destroy(&result.message);
    struct message *first = logs_request("a:b");
    Pb__SliceLogsRequest *request = first->body;
    request->has_instance_case = PB__SLICE_LOGS_REQUEST__HAS_INSTANCE_INSTANCE;
    request->instance = 2;
    result = ask(fleet, 2, TO_SLICE_INSPECTOR, first);
    assert_lines(result.message, all + 1, 1);
    message_destroy(&result.message);
}

/* The last words of what is gone can be read, and a node that is gone is named. */
static void lines_outlive_the_instance(void **state)
{
    static const char *const words[] = { "goodbye" };
    struct fleet *fleet = *state;
    publish(fleet, three);
    tell_line(fleet, 1, 9, words[0]);
    agreed_crash(&fleet->agreed, 2);
    agreed_lose(&fleet->agreed, 2);
    fleet_settle(fleet, SECONDS(1));
    struct probe_result result = ask(fleet, 0, TO_SLICE_INSPECTOR, logs_request("a:b"));
    assert_lines(result.message, words, 1);
    const Pb__SliceLogsReply *reply = result.message->body;
    assert_int_equal(reply->n_silent, 1);
    assert_string_equal(reply->silent[0], "node-3");
    message_destroy(&result.message);
    struct message *there = logs_request("a:b");
    ((Pb__SliceLogsRequest *)there->body)->node = wire_string(there, "node-3");
    assert_int_equal(ask(fleet, 0, TO_SLICE_INSPECTOR, there).status, STATUS_NODE_LOST);
    struct message *nowhere = logs_request("a:b");
    ((Pb__SliceLogsRequest *)nowhere->body)->node = wire_string(nowhere, "node-9");
    assert_int_equal(ask(fleet, 0, TO_SLICE_INSPECTOR, nowhere).status, STATUS_NOT_FOUND);
    assert_int_equal(ask(fleet, 0, TO_SLICE_INSPECTOR, logs_request("a:none")).status, STATUS_NOT_FOUND);
    struct message *soon = logs_request("a:b");
    ((Pb__SliceLogsRequest *)soon->body)->since = wire_string(soon, "soon");
    assert_int_equal(ask(fleet, 0, TO_SLICE_INSPECTOR, soon).status, STATUS_INVALID);
}

static struct message *follow_request(const char *cursor, uint64_t wait_ms)
{
    struct message *message = logs_request("a:b");
    Pb__SliceLogsRequest *request = message->body;
    request->follow = true;
    request->cursor = wire_string(message, cursor);
    request->wait_ms = wait_ms;
    return message;
}

/* Each line once and none left out, whichever node it comes from. */
static void who_follows_sees_each_line_once(void **state)
{
    struct fleet *fleet = *state;
    char cursor[256] = "";
    char seen[64] = "";
    tell_line(fleet, 0, 1, "a");
    for (int round = 0; round < 6; round++) {
        struct probe_result result = ask(fleet, 0, TO_SLICE_INSPECTOR, follow_request(cursor, 100));
        assert_int_equal(result.status, STATUS_OK);
        const Pb__SliceLogsReply *reply = result.message->body;
        for (size_t i = 0; i < reply->n_lines; i++)
            strcat(seen, reply->lines[i]->text);
        assert_true(text_copy(cursor, sizeof(cursor), reply->cursor));
        message_destroy(&result.message);
        char text[2] = { (char)('b' + round), '\0' };
        if (round < 4) tell_line(fleet, (uint32_t)round % FLEET_NODES, 1, text);
    }
    assert_string_equal(seen, "abcde");
}

static void who_follows_is_told_as_soon_as_there_is_a_line(void **state)
{
    static const char *const words[] = { "late" };
    struct fleet *fleet = *state;
    publish(fleet, three);
    tell_line(fleet, 0, 1, "early");
    struct probe_result first = ask(fleet, 0, TO_SLICE_INSPECTOR, follow_request("", 20000));
    char cursor[256];
    assert_true(text_copy(cursor, sizeof(cursor), ((const Pb__SliceLogsReply *)first.message->body)->cursor));
    message_destroy(&first.message);
    int64_t began_ns = stepper_now_ns(fleet->stepper);
    struct probe_result nothing = ask(fleet, 0, TO_SLICE_INSPECTOR, follow_request(cursor, 3000));
    assert_int_equal(nothing.status, STATUS_OK);
    assert_lines(nothing.message, NULL, 0);
    assert_in_range(stepper_now_ns(fleet->stepper) - began_ns, SECONDS(3) - 1, SECONDS(4));
    message_destroy(&nothing.message);
    tell_line(fleet, 2, 3, words[0]); /* Before the next request: it does not wait at all. */
    began_ns = stepper_now_ns(fleet->stepper);
    struct probe_result late = ask(fleet, 0, TO_SLICE_INSPECTOR, follow_request(cursor, 20000));
    assert_lines(late.message, words, 1);
    assert_true(stepper_now_ns(fleet->stepper) - began_ns < SECONDS(1));
    message_destroy(&late.message);
}

/* --- what an instance leaves --------------------------------------------------------------------------- */

static void keep(struct fleet *fleet, uint32_t node, const char *artifact, uint32_t instance, size_t size,
                 uint8_t fill)
{
    struct runtime *runtime = fleet->agreed.nodes[node].runtime;
    struct message *message = message_create(KIND_SLICE_STATE_KEEP, sizeof(struct slice_state_keep));
    struct slice_state_keep *kept = message->body;
    (void)text_copy(kept->key.artifact, sizeof(kept->key.artifact), artifact);
    kept->key.instance = instance;
    struct bytes *state = bytes_create(size);
    if (size > 0) memset(state->data, fill, size);
    message_attach(message, &state);
    probe_tell(runtime, runtime_find(runtime, TO_SLICE_CARRIER), &message);
    fleet_settle(fleet, MILLISECONDS(2));
}

/* The size of what was taken; SIZE_MAX: there was nothing. Every byte must be `fill`. */
static size_t take(struct fleet *fleet, uint32_t node, const char *artifact, uint32_t instance, uint8_t fill)
{
    struct message *message = message_create(KIND_SLICE_STATE_TAKE, sizeof(struct slice_state_take));
    struct slice_state_take *wanted = message->body;
    (void)text_copy(wanted->key.artifact, sizeof(wanted->key.artifact), artifact);
    wanted->key.instance = instance;
    struct probe_result result = ask(fleet, node, TO_SLICE_CARRIER, message);
    assert_int_equal(result.status, STATUS_OK);
    const struct bytes *state = result.message->attachment;
    size_t size = state == NULL ? SIZE_MAX : state->size;
    for (size_t i = 0; state != NULL && i < size; i++)
        assert_int_equal(state->data[i], fill);
    message_destroy(&result.message);
    fleet_settle(fleet, MILLISECONDS(10));
    return size;
}

static void a_state_is_carried_once(void **state)
{
    struct fleet *fleet = *state;
    keep(fleet, 0, "a:b:1", 1, 1000000, 7);                   /* In several pieces. */
    assert_true(take(fleet, 1, "a:b:1", 2, 7) == SIZE_MAX);   /* Another instance's. */
    assert_true(take(fleet, 1, "a:c:1", 1, 7) == SIZE_MAX);   /* Another slice's. */
    assert_int_equal(take(fleet, 1, "a:b:2", 1, 7), 1000000); /* The next version, on another node. */
    assert_true(take(fleet, 0, "a:b:1", 1, 7) == SIZE_MAX);
    keep(fleet, 0, "a:b:1", 1, 0, 0); /* An empty state is a state. */
    assert_int_equal(take(fleet, 0, "a:b:1", 1, 0), 0);
}

static void the_youngest_state_is_carried(void **state)
{
    struct fleet *fleet = *state;
    keep(fleet, 0, "a:b:1", 1, 10, 1);
    fleet_settle(fleet, SECONDS(1));
    keep(fleet, 2, "a:b:1", 1, 20, 2);
    assert_int_equal(take(fleet, 1, "a:b:1", 1, 2), 20);
    keep(fleet, 0, "a:b:1", 1, 30, 3); /* In place of the one from before. */
    assert_int_equal(take(fleet, 1, "a:b:1", 1, 3), 30);
    assert_true(take(fleet, 1, "a:b:1", 1, 0) == SIZE_MAX);
}

static void a_state_is_kept_for_two_minutes_and_goes_with_its_node(void **state)
{
    struct fleet *fleet = *state;
    keep(fleet, 0, "a:b:1", 1, 10, 1);
    keep(fleet, 1, "a:b:1", 2, 10, 1);
    fleet_settle(fleet, SECONDS(100));
    assert_int_equal(take(fleet, 2, "a:b:1", 1, 1), 10);
    fleet_settle(fleet, SECONDS(21));
    assert_true(take(fleet, 2, "a:b:1", 2, 1) == SIZE_MAX);
    keep(fleet, 1, "a:b:1", 2, 10, 1);
    agreed_crash(&fleet->agreed, 1);
    assert_true(take(fleet, 2, "a:b:1", 2, 1) == SIZE_MAX);
}

/* Without a surge the successor comes once its predecessor is gone, under its number: what that left is
 * there. */
static void a_move_without_surge_keeps_the_number(void **state)
{
    struct fleet *fleet = *state;
    publish(fleet, "name: s\nslices:\n - {artifact: 'a:b:1', instances: 1, update: {max-surge: 0}}\n");
    uint32_t home = 0;
    while (fleet_store_active(&fleet->stores[home]) == 0)
        home++;
    agreed_set_state(&fleet->agreed, home, "DRAINING");
    uint32_t most = 0;
    for (int i = 0; i < 200; i++) {
        fleet_settle(fleet, MILLISECONDS(10));
        uint32_t there = 0;
        for (uint32_t n = 0; n < FLEET_NODES; n++)
            there += fleet->stores[n].count;
        if (there > most) most = there;
    }
    assert_int_equal(most, 1);
    assert_int_equal(fleet_store_active(&fleet->stores[home]), 0);
    assert_int_equal(fleet_active(fleet), 1);
    struct message *message = show(fleet, "a:b");
    const Pb__SliceShowReply *shown = message->body;
    assert_int_equal(shown->n_instances, 1);
    assert_int_equal(shown->instances[0]->instance, 1);
    message_destroy(&message);
}

#define WORLD_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(every_node_says_what_only_it_knows),
        WORLD_TEST(a_late_call_is_the_last_error),
        WORLD_TEST(a_silent_node_is_shown_as_such),
        WORLD_TEST(the_planner_says_why),
        WORLD_TEST(five_failures_exclude_a_node_for_all_to_see),
        WORLD_TEST(a_new_leader_knows_the_exclusions),
        WORLD_TEST(instances_restart_one_after_the_other),
        WORLD_TEST(one_instance_or_one_node_restarts),
        WORLD_TEST(what_does_not_come_back_ends_the_restart),
        WORLD_TEST(min_available_forbids_a_restart),
        WORLD_TEST(a_new_leader_forgets_a_restart),
        WORLD_TEST(lines_of_all_nodes_come_by_time),
        WORLD_TEST(lines_outlive_the_instance),
        WORLD_TEST(who_follows_sees_each_line_once),
        WORLD_TEST(who_follows_is_told_as_soon_as_there_is_a_line),
        WORLD_TEST(a_move_without_surge_keeps_the_number),
        WORLD_TEST(a_state_is_carried_once),
        WORLD_TEST(the_youngest_state_is_carried),
        WORLD_TEST(a_state_is_kept_for_two_minutes_and_goes_with_its_node),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
