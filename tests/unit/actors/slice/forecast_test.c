/* Goal: `blueprint plan` says what the leader would do (product.md section 4), and writes nothing. Method:
 * the managers of three nodes over one agreed state (support/fleet): each plan is compared with what really
 * comes of the publish, or of the node's death, that it speaks of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/base/check.h"
#include "tests/support/fleet.h"
#include "wire/kinds.h"
#include "wire/proto/slice.pb-c.h"

#include <stdio.h>
#include <string.h>

enum { PLACES_MAX = 64, PLACE_SIZE = 64 };

struct places { /* artifact@node, once an instance; sorted. */
    char place[PLACES_MAX][PLACE_SIZE];
    size_t count;
};

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

static struct probe_result ask(struct fleet *fleet, uint32_t node, struct message *message)
{
    struct runtime *runtime = fleet->agreed.nodes[node].runtime;
    return probe_ask_name(runtime, TO_CLUSTER_DEPLOYMENT_MANAGER, &message, SECONDS(60));
}

static struct probe_result ask_plan(struct fleet *fleet, const char *document, const char *name,
                                    const char *without)
{
    struct message *message = wire_message_create(KIND_BLUEPRINT_PLAN_REQUEST);
    Pb__BlueprintPlanRequest *request = message->body;
    request->document = wire_string(message, document);
    request->name = wire_string(message, name);
    request->without = wire_string(message, without);
    return ask(fleet, fleet->agreed.leader, message);
}

/* The caller destroys the message. */
static struct message *plan(struct fleet *fleet, const char *document, const char *without)
{
    log_index before = fleet->agreed.index;
    struct probe_result result = ask_plan(fleet, document, "", without);
    if (result.status != STATUS_OK) fail_msg("%s: %s", status_name(result.status), result.error.message);
    assert_int_equal(fleet->agreed.index, before); /* Not one entry. */
    return result.message;
}

static void publish(struct fleet *fleet, const char *document)
{
    struct probe_result result = fleet_publish(fleet, document);
    if (result.status != STATUS_OK) fail_msg("%s: %s", status_name(result.status), result.error.message);
    message_destroy(&result.message);
}

static void add_place(struct places *places, const char *artifact, const char *node)
{
    char place[PLACE_SIZE];
    size_t at = places->count++;
    assert_true(at < PLACES_MAX);
    (void)snprintf(place, sizeof(place), "%s@%s", artifact, node);
    for (; at > 0 && strcmp(places->place[at - 1], place) > 0; at--)
        memcpy(places->place[at], places->place[at - 1], PLACE_SIZE);
    memcpy(places->place[at], place, PLACE_SIZE);
}

static void remove_place(struct places *places, const char *artifact, const char *node)
{
    char place[PLACE_SIZE];
    size_t at = 0;
    (void)snprintf(place, sizeof(place), "%s@%s", artifact, node);
    while (at < places->count && strcmp(places->place[at], place) != 0)
        at++;
    if (at == places->count) fail_msg("nothing is at %s", place);
    for (places->count--; at < places->count; at++)
        memcpy(places->place[at], places->place[at + 1], PLACE_SIZE);
}

static struct places really_there(struct fleet *fleet)
{
    struct places places = { .count = 0 };
    struct message *message = wire_message_create(KIND_SLICE_LIST_REQUEST);
    struct probe_result result = ask(fleet, fleet->agreed.leader, message);
    assert_int_equal(result.status, STATUS_OK);
    const Pb__SliceListReply *list = result.message->body;
    for (size_t i = 0; i < list->n_instances; i++)
        add_place(&places, list->instances[i]->artifact, list->instances[i]->node);
    message_destroy(&result.message);
    return places;
}

static struct places planned(struct places before, const Pb__BlueprintPlanReply *reply)
{
    for (size_t i = 0; i < reply->n_changes; i++) {
        const Pb__PlannedChange *change = reply->changes[i];
        if (strcmp(change->action, "start") == 0) add_place(&before, change->artifact, change->node);
        if (strcmp(change->action, "stop") == 0) remove_place(&before, change->artifact, change->node);
    }
    return before;
}

static void assert_same_places(const struct places *planned_places, const struct places *real)
{
    for (size_t i = 0; i < planned_places->count && i < real->count; i++)
        assert_string_equal(planned_places->place[i], real->place[i]);
    assert_int_equal(planned_places->count, real->count);
}

/* --- tests -------------------------------------------------------------------------------------------- */

static const char *const documents[] = {
    "name: s\nslices:\n - {artifact: 'a:b:1', instances: 3}\n - {artifact: 'a:c:1', instances: 2}\n",
    "name: s\nslices:\n - {artifact: 'a:b:2', instances: 4}\n - {artifact: 'a:c:1', instances: 1}\n",
    "name: s\nslices:\n - {artifact: 'a:b:2', instances: 4, config: {x: 1}}\n - {artifact: 'a:d:1'}\n",
    "name: s\nslices:\n - {artifact: 'a:b:3', instances: 2, update: {max-surge: 0}}\n",
    "name: s\nslices:\n - {artifact: 'a:b:3', instances: 5, constraints: {zone: a}}\n",
    "name: s\nslices:\n - {artifact: 'a:e:1', depends: ['a:f']}\n - {artifact: 'a:f:1', instances: 6}\n",
};

static void each_plan_comes_true(void **state)
{
    struct fleet *fleet = *state;
    for (size_t i = 0; i < ARRAY_COUNT(documents); i++) {
        struct places before = really_there(fleet);
        struct message *message = plan(fleet, documents[i], "");
        const Pb__BlueprintPlanReply *reply = message->body;
        struct places then = planned(before, reply);
        assert_true(reply->complete);
        assert_true(reply->n_changes > 0);
        publish(fleet, documents[i]);
        struct places now = really_there(fleet);
        assert_same_places(&then, &now);
        message_destroy(&message);
        message = plan(fleet, documents[i], "");
        assert_string_equal(((const Pb__BlueprintPlanReply *)message->body)->summary, "nothing would change");
        message_destroy(&message);
    }
}

static void a_death_comes_as_planned(void **state)
{
    struct fleet *fleet = *state;
    publish(fleet, documents[0]);
    struct places before = really_there(fleet);
    struct message *message = plan(fleet, "", "node-2");
    const Pb__BlueprintPlanReply *reply = message->body;
    struct places then = planned(before, reply);
    assert_true(reply->n_changes > 0);
    for (size_t i = 0; i < reply->n_changes; i++) {
        const Pb__PlannedChange *change = reply->changes[i];
        bool there = strcmp(change->node, "node-2") == 0;
        assert_string_equal(change->action, there ? "stop" : "start");
        assert_string_equal(change->reason, there ? "node-2: LOST" : "in place of one on node-2: LOST");
    }
    assert_int_equal(reply->n_slices, 2);
    assert_int_equal(reply->slices[0]->active, 3);
    assert_int_equal(reply->slices[0]->least, 2);
    assert_int_equal(reply->slices[0]->placed, 3);
    assert_string_equal(reply->slices[0]->change, "");
    agreed_crash(&fleet->agreed, 1);
    agreed_lose(&fleet->agreed, 1);
    fleet_settle(fleet, SECONDS(5));
    struct places now = really_there(fleet);
    assert_same_places(&then, &now);
    message_destroy(&message);
}

static void what_finds_no_node_is_told(void **state)
{
    struct fleet *fleet = *state;
    publish(fleet, "name: s\nslices:\n - {artifact: 'a:b:1', instances: 2, min-available: 1, "
                   "constraints: {zone: b}}\n");
    struct message *message = plan(fleet, "", "node-2");
    const Pb__BlueprintPlanReply *reply = message->body;
    assert_string_equal(reply->summary, "2 changes in 1 step; 2 instances would find no node");
    assert_int_equal(reply->slices[0]->missing, 2);
    assert_int_equal(reply->slices[0]->placed, 0);
    assert_int_equal(reply->slices[0]->least, 0);
    assert_non_null(strstr(reply->slices[0]->reason, "node-2: LOST"));
    assert_non_null(strstr(reply->slices[0]->reason, "node-1: zone is a, not b"));
    message_destroy(&message);
}

static const Pb__PlannedSlice *slice_of(const Pb__BlueprintPlanReply *reply, const char *artifact)
{
    for (size_t i = 0; i < reply->n_slices; i++) {
        if (strcmp(reply->slices[i]->artifact, artifact) == 0) return reply->slices[i];
    }
    fail_msg("the plan does not tell of %s", artifact);
    return NULL;
}

static void changes_have_their_words(void **state)
{
    struct fleet *fleet = *state;
    publish(fleet, documents[0]);
    struct message *message = plan(fleet, documents[1], "");
    const Pb__BlueprintPlanReply *reply = message->body;
    assert_string_equal(slice_of(reply, "a:b:2")->change, "version 1 to 2, instances 3 to 4");
    assert_int_equal(slice_of(reply, "a:b:2")->least, 3); /* A surge first: no one less serves. */
    assert_string_equal(slice_of(reply, "a:c:1")->change, "instances 2 to 1");
    assert_string_equal(reply->changes[0]->action, "start");
    assert_string_equal(reply->changes[0]->reason, "takes the place of a:b:1");
    message_destroy(&message);
    message = plan(fleet, "name: s\nslices:\n - {artifact: 'a:b:1', instances: 3, config: {k: 1}}\n", "");
    reply = message->body;
    assert_string_equal(slice_of(reply, "a:b:1")->change, "config");
    assert_int_equal(slice_of(reply, "a:b:1")->least, 2); /* One after the other. */
    assert_string_equal(slice_of(reply, "a:c:1")->change, "withdrawn");
    uint32_t restarts = 0;
    for (size_t i = 0; i < reply->n_changes; i++) {
        if (strcmp(reply->changes[i]->action, "restart") != 0) continue;
        assert_string_equal(reply->changes[i]->reason, "changed: config");
        restarts++;
    }
    assert_int_equal(restarts, 3);
    message_destroy(&message);
}

static void a_budget_that_is_broken_is_told(void **state)
{
    struct fleet *fleet = *state;
    publish(fleet, "name: s\nslices:\n - {artifact: 'a:b:1', instances: 3, min-available: 3}\n");
    struct message *message = plan(fleet, "", "node-3");
    const Pb__PlannedSlice *slice = slice_of(message->body, "a:b:1");
    assert_string_equal(slice->reason, "2 serve for a while; min-available is 3");
    message_destroy(&message);
}

static void a_document_and_a_death_together(void **state)
{
    struct fleet *fleet = *state;
    struct message *message = plan(fleet, documents[0], "node-1");
    const Pb__BlueprintPlanReply *reply = message->body;
    assert_string_equal(reply->name, "s");
    assert_string_equal(reply->without, "node-1");
    assert_string_equal(slice_of(reply, "a:b:1")->change, "new");
    assert_int_equal(reply->n_changes, 5);
    for (size_t i = 0; i < reply->n_changes; i++) {
        assert_string_not_equal(reply->changes[i]->node, "node-1");
        assert_string_equal(reply->changes[i]->action, "start");
    }
    message_destroy(&message);
}

static void what_cannot_be_planned_is_refused(void **state)
{
    struct fleet *fleet = *state;
    publish(fleet, documents[0]);
    const struct {
        const char *document;
        const char *name;
        const char *without;
        enum status status;
    } cases[] = {
        { "", "", "node-9", STATUS_NOT_FOUND },
        { "", "none", "", STATUS_NOT_FOUND },
        { "slices: 7\n", "", "", STATUS_INVALID },
        { "slices:\n - {artifact: 'a:b:1', constraints: {zone: mars}}\n", "", "", STATUS_INVALID },
        { "slices:\n - {artifact: 'a:absent:1'}\n", "", "", STATUS_NOT_FOUND },
        { "slices:\n - {artifact: 'a:b:1'}\n", "other", "", STATUS_CONFLICT },
    };
    log_index before = fleet->agreed.index;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct probe_result result = ask_plan(fleet, cases[i].document, cases[i].name, cases[i].without);
        if (result.status != cases[i].status) fail_msg("%zu: %s", i, status_name(result.status));
        message_destroy(&result.message);
    }
    assert_int_equal(fleet->agreed.index, before);
    struct message *message = wire_message_create(KIND_BLUEPRINT_PLAN_REQUEST);
    assert_int_equal(ask(fleet, 1, message).status, STATUS_NOT_LEADER); /* Only a leader knows enough. */
}

static void a_long_update_is_followed_to_its_end(void **state)
{
    struct fleet *fleet = *state;
    publish(fleet, "name: s\nslices:\n - {artifact: 'a:b:1', instances: 60, min-available: 58}\n");
    struct message *message = plan(
        fleet, "name: s\nslices:\n - {artifact: 'a:b:1', instances: 60, min-available: 58, config: {x: 1}}\n",
        "");
    const Pb__BlueprintPlanReply *reply = message->body;
    assert_true(reply->complete);
    assert_string_equal(reply->summary, "60 changes in 30 steps");
    assert_int_equal(reply->slices[0]->least, 58);
    message_destroy(&message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_plan_comes_true, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_death_comes_as_planned, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_finds_no_node_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(changes_have_their_words, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_budget_that_is_broken_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_document_and_a_death_together, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_cannot_be_planned_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_long_update_is_followed_to_its_end, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
