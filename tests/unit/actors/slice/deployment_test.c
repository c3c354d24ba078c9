/* Goal: a published blueprint becomes running instances and stays so: through failures, lost nodes, new
 * leaders, new counts, configurations and versions (product.md sections 3 and 4; DEP1, DEP2, DEP4, DEP6,
 * DEP8, DEP9). Method: the managers of three nodes on the stepper over one agreed state under the real rules
 * (support/agreed), which checks DEP2 and DEP4 after every entry. The slice store and the artifact store are
 * stand-ins with a will of their own. */
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

static int set_up(void **state)
{
    struct fleet *fleet = fleet_create(7);
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

static void assert_published(struct fleet *fleet, const char *document, bool changed)
{
    struct probe_result result = fleet_publish(fleet, document);
    if (result.status != STATUS_OK) fail_msg("%s: %s", status_name(result.status), result.error.message);
    const Pb__BlueprintPublishReply *reply = result.message->body;
    assert_int_equal(reply->changed, changed);
    assert_true(reply->complete);
    assert_true(reply->revision > 0);
    for (size_t i = 0; i < reply->n_instances; i++)
        assert_string_equal(reply->instances[i]->state, "ACTIVE");
    message_destroy(&result.message);
}

static void assert_refused(struct fleet *fleet, const char *document, enum status status, const char *says)
{
    struct probe_result result = fleet_publish(fleet, document);
    if (result.status != status || strstr(result.error.message, says) == NULL)
        fail_msg("%s: %s", status_name(result.status), result.error.message);
    message_destroy(&result.message);
}

static void delete_blueprint(struct fleet *fleet, const char *name, enum status expected)
{
    struct message *message = wire_message_create(KIND_BLUEPRINT_DELETE_REQUEST);
    ((Pb__BlueprintDeleteRequest *)message->body)->name = wire_string(message, name);
    struct agreed_node *leader = &fleet->agreed.nodes[fleet->agreed.leader];
    struct probe_result result =
        probe_ask_name(leader->runtime, TO_CLUSTER_DEPLOYMENT_MANAGER, &message, SECONDS(300));
    if (result.status != expected) fail_msg("%s: %s", status_name(result.status), result.error.message);
    message_destroy(&result.message);
}

static const char shop[] = "name: shop\nslices:\n - {artifact: 'org.example:pricing:1.0', instances: 3}\n"
                           " - {artifact: 'org.example:orders:1.0', instances: 2}\n";

/* --- tests -------------------------------------------------------------------------------------------- */

static void publish_spreads_and_waits(void **state) /* DEP1 */
{
    struct fleet *fleet = *state;
    assert_published(fleet, shop, true);
    assert_int_equal(fleet_active(fleet), 5);
    assert_int_equal(fleet_endpoints(fleet, "org.example:pricing:1.0"), 3);
    assert_int_equal(fleet_endpoints(fleet, "org.example:orders:1.0"), 2);
    for (uint32_t n = 0; n < FLEET_NODES; n++)
        assert_in_range(fleet_store_active(&fleet->stores[n]), 1, 2);
}

static void publish_again_changes_nothing(void **state)
{
    struct fleet *fleet = *state;
    assert_published(fleet, shop, true);
    log_index before = fleet->agreed.index;
    assert_published(fleet, shop, false);
    assert_int_equal(fleet->agreed.index, before); /* Not one entry. */
}

static void counts_follow_the_blueprint(void **state)
{
    struct fleet *fleet = *state;
    assert_published(fleet, "name: s\nslices:\n - {artifact: 'a:b:1', instances: 2}\n", true);
    assert_published(fleet, "name: s\nslices:\n - {artifact: 'a:b:1', instances: 9}\n", true);
    assert_int_equal(fleet_active(fleet), 9);
    for (uint32_t n = 0; n < FLEET_NODES; n++)
        assert_int_equal(fleet_store_active(&fleet->stores[n]), 3);
    assert_published(fleet, "name: s\nslices:\n - {artifact: 'a:b:1', instances: 1}\n", true);
    assert_int_equal(fleet_active(fleet), 1);
    assert_published(fleet, "name: s\nslices:\n - {artifact: 'a:b:1', instances: 0}\n", true);
    assert_int_equal(agreed_count(&fleet->agreed, "slices/"), 0);
}

static void bad_documents_write_nothing(void **state)
{
    struct fleet *fleet = *state;
    log_index before = fleet->agreed.index;
    assert_refused(fleet, "slices:\n - {artifact: 'a:b:1', instances: -1}\n", STATUS_INVALID, "line 2");
    assert_refused(fleet, "slices:\n - {artifact: 'a:absent:1'}\n", STATUS_NOT_FOUND, "slices[0] a:absent:1");
    assert_refused(fleet, "slices:\n - {artifact: 'a:b:1', constraints: {zone: mars}}\n", STATUS_INVALID,
                   "no node matches the constraints of a:b:1");
    assert_int_equal(fleet->agreed.index, before);
}

static void constraints_are_kept(void **state)
{
    struct fleet *fleet = *state;
    assert_published(fleet, "slices:\n - {artifact: 'a:b:1', instances: 4, constraints: {zone: a}}\n", true);
    assert_int_equal(fleet_store_active(&fleet->stores[0]), 2);
    assert_int_equal(fleet_store_active(&fleet->stores[1]), 0);
    assert_int_equal(fleet_store_active(&fleet->stores[2]), 2);
}

static uint32_t probes(const struct fleet *fleet)
{
    uint32_t count = 0;
    for (uint32_t n = 0; n < FLEET_NODES; n++)
        count += fleet->stores[n].probes;
    return count;
}

static void what_cannot_be_loaded_is_not_written(void **state)
{
    static const enum status refusals[] = { STATUS_VERSION_MISMATCH, STATUS_INVALID, STATUS_CRASHED,
                                            STATUS_DEADLINE, STATUS_OVERLOADED };
    struct fleet *fleet = *state;
    log_index before = fleet->agreed.index;
    for (size_t i = 0; i < ARRAY_COUNT(refusals); i++) {
        fleet->stores[0].refuse_probe = refusals[i];
        assert_refused(fleet, "slices:\n - {artifact: 'a:b:1'}\n - {artifact: 'a:weak:1'}\n", refusals[i],
                       "slices[1] a:weak:1: probe refused");
        assert_int_equal(fleet->agreed.index, before);
    }
    fleet->stores[0].refuse_probe = STATUS_OK;
    assert_published(fleet, "slices:\n - {artifact: 'a:b:1'}\n - {artifact: 'a:weak:1'}\n", true);
}

static void only_new_bytes_are_probed(void **state)
{
    struct fleet *fleet = *state;
    assert_published(fleet, "name: s\nslices:\n - {artifact: 'a:b:1'}\n", true);
    assert_int_equal(probes(fleet), 1);
    assert_published(fleet, "name: s\nslices:\n - {artifact: 'a:b:1'}\n", false);
    assert_published(fleet, "name: s\nslices:\n - {artifact: 'a:b:1', instances: 4}\n", true);
    assert_int_equal(probes(fleet), 1);
    assert_published(
        fleet, "name: s\nslices:\n - {artifact: 'a:b:1', instances: 4}\n - {artifact: 'a:c:1'}\n", true);
    assert_int_equal(probes(fleet), 2);
    fleet->artifact_bytes++;
    assert_published(fleet, "name: s\nslices:\n - {artifact: 'a:b:1', instances: 4}\n", true);
    assert_int_equal(probes(fleet), 3);
}

static void versions_are_resolved(void **state)
{
    struct fleet *fleet = *state;
    assert_published(fleet, "slices:\n - {artifact: 'a:b:RELEASE', instances: 1}\n", true);
    assert_int_equal(fleet_endpoints(fleet, "a:b:2.0"), 1);
}

static void delete_leaves_nothing(void **state) /* DEP8 */
{
    struct fleet *fleet = *state;
    assert_published(fleet, shop, true);
    delete_blueprint(fleet, "shop", STATUS_OK);
    assert_int_equal(fleet_active(fleet), 0);
    static const char *const prefixes[] = { "blueprints/", "allocations/", "slices/", "endpoints/" };
    for (size_t i = 0; i < ARRAY_COUNT(prefixes); i++)
        assert_int_equal(agreed_count(&fleet->agreed, prefixes[i]), 0);
    delete_blueprint(fleet, "shop", STATUS_NOT_FOUND);
    assert_published(fleet, shop, true);
}

static void artifact_has_one_blueprint(void **state)
{
    struct fleet *fleet = *state;
    assert_published(fleet, shop, true);
    assert_refused(fleet, "name: other\nslices:\n - {artifact: 'org.example:pricing:1.0'}\n", STATUS_CONFLICT,
                   "org.example:pricing:1.0 belongs to blueprint shop");
}

/* What serves on a drained node goes only once its successor elsewhere serves. */
static void drained_node_hands_over_first(void **state)
{
    struct fleet *fleet = *state;
    static const char two[] = "name: two\nslices:\n - {artifact: 'org.example:pricing:1.0', instances: 3}\n";
    assert_published(fleet, two, true);
    uint32_t fewest = 3;
    agreed_set_state(&fleet->agreed, 1, "DRAINING");
    for (int i = 0; i < 400; i++) {
        fleet_settle(fleet, MILLISECONDS(10));
        uint32_t endpoints = fleet_endpoints(fleet, "org.example:pricing:1.0");
        if (endpoints < fewest) fewest = endpoints;
    }
    assert_int_equal(fewest, 3);
    assert_int_equal(fleet_store_active(&fleet->stores[1]), 0);
    assert_int_equal(fleet_active(fleet), 3);
    agreed_set_state(&fleet->agreed, 0, "DRAINING");
    agreed_set_state(&fleet->agreed, 2, "DRAINING");
    fleet_settle(fleet, SECONDS(5));
    assert_int_equal(fleet_active(fleet), 3); /* Nobody may take them: they stay. */
    agreed_set_state(&fleet->agreed, 1, "ON_DUTY");
    fleet_settle(fleet, SECONDS(10));
    assert_int_equal(fleet_store_active(&fleet->stores[1]), 3);
    assert_int_equal(fleet_active(fleet), 3);
}

static void lost_node_is_replaced(void **state) /* DEP1, DEP3 */
{
    struct fleet *fleet = *state;
    assert_published(fleet, shop, true);
    agreed_crash(&fleet->agreed, 2);
    agreed_lose(&fleet->agreed, 2);
    assert_int_equal(agreed_count(&fleet->agreed, "slices/node-3/"), 0);
    fleet_settle(fleet, SECONDS(1));
    assert_int_equal(fleet_active(fleet), 5);
    assert_int_equal(fleet_endpoints(fleet, "org.example:pricing:1.0"), 3);
    fleet_start(fleet, 2);
    fleet_settle(fleet, SECONDS(5));
    assert_int_equal(fleet_store_active(&fleet->stores[2]), 0); /* Calm: what is well placed stays. */
    assert_int_equal(fleet_active(fleet), 5);
}

static void restarted_node_starts_over(void **state) /* DEP9 */
{
    struct fleet *fleet = *state;
    assert_published(fleet, shop, true);
    agreed_crash(&fleet->agreed, 1);
    fleet_start(fleet, 1); /* Before anybody missed it: its allocations are still its own. */
    assert_int_equal(agreed_count(&fleet->agreed, "slices/node-2/"), 0);
    fleet_settle(fleet, SECONDS(1));
    assert_int_equal(fleet_active(fleet), 5);
    assert_true(fleet_store_active(&fleet->stores[1]) > 0);
}

static void all_nodes_restart(void **state)
{
    struct fleet *fleet = *state;
    assert_published(fleet, shop, true);
    for (uint32_t n = 0; n < FLEET_NODES; n++)
        agreed_crash(&fleet->agreed, n);
    for (uint32_t n = 0; n < FLEET_NODES; n++)
        fleet_start(fleet, n);
    agreed_lead(&fleet->agreed, 1);
    fleet_settle(fleet, SECONDS(2));
    assert_int_equal(fleet_active(fleet), 5);
    assert_int_equal(agreed_count(&fleet->agreed, "endpoints/"), 5);
}

static void crashed_instance_restarts_alone(void **state)
{
    struct fleet *fleet = *state;
    assert_published(fleet, shop, true);
    uint32_t loads = fleet->stores[0].loads;
    fleet_crash_instance(&fleet->stores[0], &fleet->stores[0].instances[0]);
    fleet_settle(fleet, SECONDS(1));
    assert_int_equal(fleet_active(fleet), 5);
    assert_int_equal(fleet->stores[0].loads, loads); /* Started again in place. */
    assert_int_equal(agreed_count(&fleet->agreed, "endpoints/"), 5);
    struct arena arena = { 0 };
    const char *key = "allocations/org.example:pricing:1.0/node-1";
    assert_non_null(strstr(agreed_text(&fleet->agreed, key, &arena), "\"attempt\":1"));
    arena_fini(&arena);
}

/* The entry that takes its endpoints says why: its process died, or it was killed for its health. */
static void an_unhealthy_instance_is_told_as_such(void **state)
{
    struct fleet *fleet = *state;
    struct arena arena = { 0 };
    assert_published(fleet, "name: s\nslices:\n - {artifact: 'a:b:1', instances: 3}\n", true);
    fleet_sicken_instance(&fleet->stores[0], &fleet->stores[0].instances[0]);
    const char *record = "";
    while (strstr(record, "\"reason\"") == NULL) {
        assert_true(stepper_step(fleet->stepper));
        record = agreed_text(&fleet->agreed, "slices/node-1/a:b:1", &arena);
    }
    assert_non_null(strstr(record, "\"state\":\"DEACTIVATE\""));
    assert_non_null(strstr(record, "\"reason\":\"UNHEALTHY\",\"text\":\"unhealthy: health said IO\""));
    assert_int_equal(fleet_endpoints(fleet, "a:b:1"), 2);
    fleet_settle(fleet, SECONDS(1));
    assert_int_equal(fleet_active(fleet), 3);
    arena_fini(&arena);
}

/* What cannot be unloaded stays, pinned, and the record goes at UNLOADING's deadline. */
static void what_cannot_be_unloaded_is_pinned(void **state)
{
    struct fleet *fleet = *state;
    assert_published(fleet, "name: s\nslices:\n - {artifact: 'a:b:1', instances: 1}\n", true);
    fleet->hold_unloads = true;
    struct probe_result result = fleet_publish_within(
        fleet, "name: s\nslices:\n - {artifact: 'a:b:1', instances: 0}\n", true, SECONDS(5));
    message_destroy(&result.message);
    fleet_settle(fleet, SECONDS(115));
    assert_int_equal(agreed_count(&fleet->agreed, "slices/"), 1);
    fleet_settle(fleet, SECONDS(10));
    assert_int_equal(agreed_count(&fleet->agreed, "slices/"), 0);
}

static void crash_loop_is_moved_after_five(void **state) /* DEP10 */
{
    struct fleet *fleet = *state;
    assert_published(fleet, "slices:\n - {artifact: 'a:weak:1', instances: 1}\n", true);
    uint32_t home = 0;
    while (fleet_store_active(&fleet->stores[home]) == 0)
        home++;
    fleet->stores[home].refuse_activate = STATUS_APP_ERROR;
    fleet_crash_instance(&fleet->stores[home], &fleet->stores[home].instances[0]);
    fleet_settle(fleet, SECONDS(60));
    assert_int_equal(fleet_store_active(&fleet->stores[home]), 0);
    assert_int_equal(fleet_active(fleet), 1); /* Elsewhere. */
    assert_int_equal(fleet->stores[home].count, 0);
}

static void restarts_without_a_leader(void **state)
{
    struct fleet *fleet = *state;
    assert_published(fleet, shop, true);
    agreed_lead(&fleet->agreed, AGREED_NODES_MAX);
    log_index before = fleet->agreed.index;
    fleet_crash_instance(&fleet->stores[1], &fleet->stores[1].instances[0]);
    fleet_settle(fleet, SECONDS(1));
    assert_int_equal(fleet->agreed.index, before);
    assert_int_equal(fleet_active(fleet), 5); /* Serving again; the facts follow. */
    agreed_lead(&fleet->agreed, 2);
    fleet_settle(fleet, SECONDS(1));
    assert_true(fleet->agreed.index > before);
    assert_int_equal(fleet_active(fleet), 5);
    assert_int_equal(agreed_count(&fleet->agreed, "endpoints/"), 5);
}

static void fatal_failure_restores_what_was(void **state)
{
    struct fleet *fleet = *state;
    assert_published(fleet, "name: s\nslices:\n - {artifact: 'a:b:1', instances: 2}\n", true);
    for (uint32_t n = 0; n < FLEET_NODES; n++)
        fleet->stores[n].refuse_load = STATUS_CORRUPT;
    assert_refused(fleet,
                   "name: s\nslices:\n - {artifact: 'a:b:1', instances: 2}\n - {artifact: 'a:weak:1'}\n",
                   STATUS_NOT_READY, "CORRUPT: load refused; revision");
    fleet_settle(fleet, SECONDS(2));
    assert_int_equal(fleet_active(fleet), 2);
    assert_int_equal(agreed_count(&fleet->agreed, "slices/"), 2);
    assert_refused(fleet, "name: t\nslices:\n - {artifact: 'a:weak:1'}\n", STATUS_NOT_READY,
                   "the blueprint was withdrawn");
    fleet_settle(fleet, SECONDS(2));
    assert_int_equal(agreed_count(&fleet->agreed, "blueprints/"), 1);
    assert_int_equal(agreed_count(&fleet->agreed, "allocations/a:weak:1/"), 0);
}

static void failures_end_after_every_node_had_five(void **state)
{
    struct fleet *fleet = *state;
    for (uint32_t n = 0; n < FLEET_NODES; n++)
        fleet->stores[n].refuse_activate = STATUS_APP_ERROR;
    assert_refused(fleet, "name: t\nslices:\n - {artifact: 'a:weak:1'}\n", STATUS_NOT_READY,
                   "after 5 attempts");
    for (uint32_t n = 0; n < FLEET_NODES; n++)
        assert_int_equal(fleet->stores[n].activations, 5);
}

static void failures_end_where_constraints_leave_no_node(void **state)
{
    struct fleet *fleet = *state;
    for (uint32_t n = 0; n < FLEET_NODES; n++)
        fleet->stores[n].refuse_activate = STATUS_APP_ERROR;
    assert_refused(fleet, "name: t\nslices:\n - {artifact: 'a:weak:1', constraints: {zone: b}}\n",
                   STATUS_NOT_READY, "after 5 attempts");
    assert_int_equal(fleet->stores[0].activations, 0);
    assert_int_equal(fleet->stores[1].activations, 5);
}

static void publish_answers_before_its_time_is_up(void **state)
{
    struct fleet *fleet = *state;
    for (uint32_t n = 0; n < FLEET_NODES; n++)
        fleet->stores[n].refuse_activate = STATUS_APP_ERROR;
    struct probe_result result =
        fleet_publish_within(fleet, "name: t\nslices:\n - {artifact: 'a:weak:1'}\n", false, SECONDS(5));
    assert_int_equal(result.status, STATUS_NOT_READY);
    assert_non_null(strstr(result.error.message, "not done in time"));
    assert_non_null(strstr(result.error.message, "start refused"));
    for (uint32_t n = 0; n < FLEET_NODES; n++)
        fleet->stores[n].refuse_activate = STATUS_OK;
    fleet_settle(fleet, SECONDS(120));
    assert_int_equal(fleet_active(fleet), 1); /* The cluster went on. */
}

static void detached_publish_returns_at_once(void **state)
{
    struct fleet *fleet = *state;
    struct probe_result result = fleet_publish_within(fleet, shop, true, SECONDS(5));
    assert_int_equal(result.status, STATUS_OK);
    assert_false(((const Pb__BlueprintPublishReply *)result.message->body)->complete);
    message_destroy(&result.message);
    fleet_settle(fleet, SECONDS(1));
    assert_int_equal(fleet_active(fleet), 5);
}

static void new_version_starts_before_the_old_goes(void **state) /* DEP12 */
{
    struct fleet *fleet = *state;
    assert_published(fleet, "name: s\nslices:\n - {artifact: 'a:b:1', instances: 3}\n", true);
    struct probe_result result = fleet_publish_within(
        fleet, "name: s\nslices:\n - {artifact: 'a:b:2', instances: 3}\n", true, SECONDS(5));
    assert_int_equal(result.status, STATUS_OK);
    message_destroy(&result.message);
    uint32_t most = 0;
    while (fleet_endpoints(fleet, "a:b:1") > 0 || fleet_endpoints(fleet, "a:b:2") < 3) {
        uint32_t serving = fleet_endpoints(fleet, "a:b:1") + fleet_endpoints(fleet, "a:b:2");
        assert_true(serving >= 3);
        if (serving > most) most = serving;
        assert_true(stepper_step(fleet->stepper));
    }
    assert_int_equal(most, 4); /* max-surge: 1 */
    fleet_settle(fleet, SECONDS(1));
    assert_int_equal(fleet_active(fleet), 3);
    assert_int_equal(agreed_count(&fleet->agreed, "allocations/a:b:1/"), 0);
}

static void old_versions_make_room_together(void **state)
{
    struct fleet *fleet = *state;
    assert_published(fleet, "name: s\nslices:\n - {artifact: 'a:b:1', instances: 3}\n", true);
    struct probe_result result = fleet_publish_within(
        fleet, "name: s\nslices:\n - {artifact: 'a:b:2', instances: 3}\n", true, SECONDS(5));
    message_destroy(&result.message);
    while (fleet_endpoints(fleet, "a:b:1") > 1 || fleet_endpoints(fleet, "a:b:2") < 2)
        assert_true(stepper_step(fleet->stepper));
    assert_published(fleet, "name: s\nslices:\n - {artifact: 'a:b:3', instances: 3}\n", true);
    assert_int_equal(fleet_active(fleet), 3);
}

static void new_configuration_rolls_through(void **state)
{
    struct fleet *fleet = *state;
    assert_published(fleet, "name: s\nslices:\n - {artifact: 'a:b:1', instances: 3, config: {x: 1}}\n", true);
    struct probe_result result = fleet_publish_within(
        fleet, "name: s\nslices:\n - {artifact: 'a:b:1', instances: 3, config: {x: 2}}\n", true, SECONDS(5));
    assert_int_equal(result.status, STATUS_OK);
    message_destroy(&result.message);
    uint32_t fewest = 3;
    for (int64_t until = stepper_now_ns(fleet->stepper) + SECONDS(5);
         stepper_now_ns(fleet->stepper) < until;) {
        uint32_t serving = fleet_endpoints(fleet, "a:b:1");
        if (serving < fewest) fewest = serving;
        assert_true(stepper_step(fleet->stepper));
    }
    assert_int_equal(fewest, 2); /* One at a time. */
    assert_int_equal(fleet_active(fleet), 3);
    for (uint32_t n = 0; n < FLEET_NODES; n++) {
        for (uint32_t i = 0; i < fleet->stores[n].count; i++)
            assert_string_equal(fleet->stores[n].instances[i].config, "{\"x\":2}");
    }
}

static const char configured[] = "name: s\nslices:\n - {artifact: 'a:b:1', instances: 3, config: {x: %d}}\n";

static void publish_config(struct fleet *fleet, int number)
{
    char document[128];
    (void)snprintf(document, sizeof(document), configured, number);
    assert_published(fleet, document, true);
}

static void assert_configs(const struct fleet *fleet, const char *config)
{
    for (uint32_t n = 0; n < FLEET_NODES; n++) {
        for (uint32_t i = 0; i < fleet->stores[n].count; i++)
            assert_string_equal(fleet->stores[n].instances[i].config, config);
    }
}

static void set_refusal(struct fleet *fleet, enum status status)
{
    for (uint32_t n = 0; n < FLEET_NODES; n++)
        fleet->stores[n].refuse_configure = status;
}

static uint32_t loads(const struct fleet *fleet)
{
    uint32_t count = 0;
    for (uint32_t n = 0; n < FLEET_NODES; n++)
        count += fleet->stores[n].loads;
    return count;
}

/* config_changed: nothing is stopped, nothing is loaded, no endpoint goes. */
static void running_instances_take_a_configuration_over(void **state)
{
    struct fleet *fleet = *state;
    publish_config(fleet, 1);
    set_refusal(fleet, STATUS_OK);
    uint32_t before = loads(fleet);
    publish_config(fleet, 2);
    assert_int_equal(loads(fleet), before);
    assert_int_equal(fleet_endpoints(fleet, "a:b:1"), 3);
    assert_configs(fleet, "{\"x\":2}");
    fleet_settle(fleet, SECONDS(2));
    assert_int_equal(fleet_active(fleet), 3);
    fleet_crash_instance(&fleet->stores[0], &fleet->stores[0].instances[0]); /* It goes on as any other. */
    fleet_settle(fleet, SECONDS(1));
    assert_int_equal(fleet_active(fleet), 3);
    assert_int_equal(loads(fleet), before);
    publish_config(fleet, 3);
    assert_configs(fleet, "{\"x\":3}");
    assert_int_equal(loads(fleet), before);
}

/* Refused: it goes on with the old one until it is replaced in order, one after the other. */
static void refused_configurations_replace_the_instance(void **state)
{
    struct fleet *fleet = *state;
    publish_config(fleet, 1);
    set_refusal(fleet, STATUS_APP_ERROR);
    uint32_t before = loads(fleet);
    publish_config(fleet, 2);
    assert_int_equal(loads(fleet), before + 3);
    assert_configs(fleet, "{\"x\":2}");
    for (uint32_t n = 0; n < FLEET_NODES; n++)
        assert_int_equal(fleet->stores[n].configures, fleet->stores[n].count); /* Each was asked once. */
    assert_int_equal(fleet_endpoints(fleet, "a:b:1"), 3);
}

static void a_configuration_that_kills_is_a_crash(void **state)
{
    struct fleet *fleet = *state;
    publish_config(fleet, 1);
    set_refusal(fleet, STATUS_CRASHED);
    publish_config(fleet, 2);
    assert_configs(fleet, "{\"x\":2}");
    assert_int_equal(fleet_active(fleet), 3);
    assert_int_equal(fleet_endpoints(fleet, "a:b:1"), 3);
}

/* The artifact store tells how far a download is: part of the record of what is LOADING it. */
static void downloads_show_in_the_record(void **state)
{
    struct fleet *fleet = *state;
    fleet->hold_loads = true;
    struct probe_result result = fleet_publish_within(
        fleet, "name: s\nslices:\n - {artifact: 'a:b:1', instances: 3}\n", true, SECONDS(5));
    message_destroy(&result.message);
    fleet_settle(fleet, SECONDS(1));
    struct runtime *runtime = fleet->agreed.nodes[0].runtime;
    struct message *message = message_create(KIND_INSTANCE_PROGRESS, sizeof(struct instance_progress));
    struct instance_progress *progress = message->body;
    *progress = (struct instance_progress){ "a:b:1", 1000, 4000 };
    assert_int_equal(runtime_send(runtime, runtime_find(runtime, TO_NODE_DEPLOYMENT_MANAGER), &message),
                     STATUS_OK);
    fleet_settle(fleet, SECONDS(1));
    struct arena arena = { 0 };
    const char *record = agreed_text(&fleet->agreed, "slices/node-1/a:b:1", &arena);
    assert_non_null(record);
    assert_non_null(strstr(record, "\"download-bytes\":1000,\"download-total-bytes\":4000"));
    assert_non_null(strstr(record, "\"state\":\"LOADING\""));
    arena_fini(&arena);
    fleet_forget_held(fleet);
    fleet_settle(fleet, SECONDS(115));
    assert_int_equal(fleet_active(fleet), 0); /* Whoever loads has 2 minutes, whatever it said meanwhile; */
    fleet_settle(fleet, SECONDS(8));
    assert_int_equal(fleet_active(fleet),
                     3); /* then its watchdog ends it, and the first retry comes at once. */
}

static void new_leader_reconciles(void **state) /* DEP6, FLT32 */
{
    struct fleet *fleet = *state;
    struct probe_result result = fleet_publish_within(fleet, shop, true, SECONDS(5));
    assert_int_equal(result.status, STATUS_OK);
    message_destroy(&result.message);
    agreed_crash(&fleet->agreed, 0); /* The leader, in the middle of it. */
    agreed_lead(&fleet->agreed, 1);
    agreed_lose(&fleet->agreed, 0);
    fleet_settle(fleet, SECONDS(2));
    assert_int_equal(fleet_active(fleet), 5);
    assert_int_equal(agreed_count(&fleet->agreed, "endpoints/"), 5);
}

static void followers_refuse_to_publish(void **state)
{
    struct fleet *fleet = *state;
    struct message *message = wire_message_create(KIND_BLUEPRINT_PUBLISH_REQUEST);
    ((Pb__BlueprintPublishRequest *)message->body)->document = wire_string(message, shop);
    struct probe_result result =
        probe_ask_name(fleet->agreed.nodes[1].runtime, TO_CLUSTER_DEPLOYMENT_MANAGER, &message, SECONDS(5));
    assert_int_equal(result.status, STATUS_NOT_LEADER);
}

static void dependencies_come_first(void **state)
{
    struct fleet *fleet = *state;
    for (uint32_t n = 0; n < FLEET_NODES; n++)
        fleet->stores[n].refuse_activate = STATUS_APP_ERROR;
    struct probe_result result =
        fleet_publish_within(fleet,
                             "name: s\nslices:\n - {artifact: 'a:b:1', depends: ['a:weak']}\n"
                             " - {artifact: 'a:weak:1'}\n",
                             true, SECONDS(5));
    message_destroy(&result.message);
    fleet_settle(fleet, MILLISECONDS(500));
    assert_int_equal(agreed_count(&fleet->agreed, "allocations/a:b:1/"), 0);
    for (uint32_t n = 0; n < FLEET_NODES; n++)
        fleet->stores[n].refuse_activate = STATUS_OK;
    fleet_settle(fleet, SECONDS(40));
    assert_int_equal(fleet_active(fleet), 2);
}

static struct probe_result ask_leader(struct fleet *fleet, struct message *message)
{
    struct agreed_node *leader = &fleet->agreed.nodes[fleet->agreed.leader];
    return probe_ask_name(leader->runtime, TO_CLUSTER_DEPLOYMENT_MANAGER, &message, SECONDS(300));
}

static struct message *rollback_request(const char *name, uint64_t revision)
{
    struct message *message = wire_message_create(KIND_BLUEPRINT_ROLLBACK_REQUEST);
    Pb__BlueprintRollbackRequest *request = message->body;
    request->name = wire_string(message, name);
    if (revision == 0) return message;
    request->has_revision_case = PB__BLUEPRINT_ROLLBACK_REQUEST__HAS_REVISION_REVISION;
    request->revision = revision;
    return message;
}

static void earlier_revisions_are_listed_and_published_again(void **state)
{
    struct fleet *fleet = *state;
    assert_published(fleet, "name: s\nslices:\n - {artifact: 'a:b:1', instances: 1}\n", true);
    assert_published(fleet, "name: s\nslices:\n - {artifact: 'a:b:1', instances: 4}\n", true);
    struct message *message = wire_message_create(KIND_BLUEPRINT_HISTORY_REQUEST);
    ((Pb__BlueprintHistoryRequest *)message->body)->name = wire_string(message, "s");
    struct probe_result result = ask_leader(fleet, message);
    const Pb__BlueprintHistoryReply *history = result.message->body;
    assert_int_equal(history->n_revisions, 2);
    assert_true(history->revisions[0]->current && !history->revisions[1]->current);
    assert_int_equal(history->revisions[0]->instances, 4);
    assert_string_equal(history->revisions[1]->artifacts[0], "a:b:1");
    uint64_t newest = history->revisions[0]->revision;
    message_destroy(&result.message);
    result = ask_leader(fleet, rollback_request("s", 0));
    assert_int_equal(result.status, STATUS_OK);
    assert_true(((const Pb__BlueprintPublishReply *)result.message->body)->complete);
    message_destroy(&result.message);
    assert_int_equal(fleet_active(fleet), 1);
    result = ask_leader(fleet, rollback_request("s", newest));
    message_destroy(&result.message);
    assert_int_equal(fleet_active(fleet), 4);
    assert_int_equal(ask_leader(fleet, rollback_request("s", 99999)).status, STATUS_NOT_FOUND);
    delete_blueprint(fleet, "s", STATUS_OK);
    result = ask_leader(fleet, rollback_request("s", newest)); /* What was deleted comes back. */
    assert_int_equal(result.status, STATUS_OK);
    message_destroy(&result.message);
    assert_int_equal(fleet_active(fleet), 4);
}

static void waiting_writes_nothing(void **state)
{
    struct fleet *fleet = *state;
    struct probe_result begun = fleet_publish_within(fleet, shop, true, SECONDS(5));
    message_destroy(&begun.message);
    struct message *message = wire_message_create(KIND_BLUEPRINT_WAIT_REQUEST);
    ((Pb__BlueprintWaitRequest *)message->body)->name = wire_string(message, "shop");
    struct probe_result result = ask_leader(fleet, message);
    assert_int_equal(result.status, STATUS_OK);
    assert_true(((const Pb__BlueprintPublishReply *)result.message->body)->complete);
    message_destroy(&result.message);
    assert_int_equal(fleet_active(fleet), 5);
    for (uint32_t n = 0; n < FLEET_NODES; n++)
        fleet->stores[n].refuse_load = STATUS_CORRUPT;
    begun = fleet_publish_within(fleet, "name: t\nslices:\n - {artifact: 'a:weak:1'}\n", true, SECONDS(5));
    message_destroy(&begun.message);
    message = wire_message_create(KIND_BLUEPRINT_WAIT_REQUEST);
    ((Pb__BlueprintWaitRequest *)message->body)->name = wire_string(message, "t");
    assert_int_equal(ask_leader(fleet, message).status, STATUS_NOT_READY);
    assert_int_equal(agreed_count(&fleet->agreed, "blueprints/"), 2); /* Nothing was restored. */
    message = wire_message_create(KIND_BLUEPRINT_WAIT_REQUEST);
    ((Pb__BlueprintWaitRequest *)message->body)->name = wire_string(message, "none");
    assert_int_equal(ask_leader(fleet, message).status, STATUS_NOT_FOUND);
}

static void lists_say_what_is_there(void **state)
{
    struct fleet *fleet = *state;
    assert_published(fleet, shop, true);
    struct runtime *follower = fleet->agreed.nodes[2].runtime; /* Reads are answered everywhere. */
    struct message *message = wire_message_create(KIND_BLUEPRINT_LIST_REQUEST);
    struct probe_result result =
        probe_ask_name(follower, TO_CLUSTER_DEPLOYMENT_MANAGER, &message, SECONDS(1));
    const Pb__BlueprintListReply *list = result.message->body;
    assert_int_equal(list->n_blueprints, 1);
    assert_int_equal(list->blueprints[0]->instances_active, 5);
    assert_int_equal(list->blueprints[0]->instances_wanted, 5);
    message_destroy(&result.message);
    message = wire_message_create(KIND_SLICE_LIST_REQUEST);
    result = probe_ask_name(follower, TO_CLUSTER_DEPLOYMENT_MANAGER, &message, SECONDS(1));
    assert_int_equal(((const Pb__SliceListReply *)result.message->body)->n_instances, 5);
    message_destroy(&result.message);
    message = wire_message_create(KIND_SLICE_SHOW_REQUEST);
    ((Pb__SliceShowRequest *)message->body)->artifact = wire_string(message, "org.example:pricing");
    result = probe_ask_name(follower, TO_CLUSTER_DEPLOYMENT_MANAGER, &message, SECONDS(1));
    const Pb__SliceShowReply *show = result.message->body;
    assert_string_equal(show->blueprint, "shop");
    assert_int_equal(show->active, 3);
    assert_int_equal(show->n_entries, 1);
    assert_string_equal(show->entries[0], "quote");
    message_destroy(&result.message);
    message = wire_message_create(KIND_BLUEPRINT_GET_REQUEST);
    ((Pb__BlueprintGetRequest *)message->body)->name = wire_string(message, "nothing");
    result = probe_ask_name(follower, TO_CLUSTER_DEPLOYMENT_MANAGER, &message, SECONDS(1));
    assert_int_equal(result.status, STATUS_NOT_FOUND);
}

#define WORLD_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(publish_spreads_and_waits),
        WORLD_TEST(publish_again_changes_nothing),
        WORLD_TEST(counts_follow_the_blueprint),
        WORLD_TEST(bad_documents_write_nothing),
        WORLD_TEST(constraints_are_kept),
        WORLD_TEST(what_cannot_be_loaded_is_not_written),
        WORLD_TEST(only_new_bytes_are_probed),
        WORLD_TEST(versions_are_resolved),
        WORLD_TEST(delete_leaves_nothing),
        WORLD_TEST(artifact_has_one_blueprint),
        WORLD_TEST(drained_node_hands_over_first),
        WORLD_TEST(lost_node_is_replaced),
        WORLD_TEST(restarted_node_starts_over),
        WORLD_TEST(all_nodes_restart),
        WORLD_TEST(crashed_instance_restarts_alone),
        WORLD_TEST(an_unhealthy_instance_is_told_as_such),
        WORLD_TEST(what_cannot_be_unloaded_is_pinned),
        WORLD_TEST(crash_loop_is_moved_after_five),
        WORLD_TEST(restarts_without_a_leader),
        WORLD_TEST(fatal_failure_restores_what_was),
        WORLD_TEST(failures_end_after_every_node_had_five),
        WORLD_TEST(failures_end_where_constraints_leave_no_node),
        WORLD_TEST(publish_answers_before_its_time_is_up),
        WORLD_TEST(detached_publish_returns_at_once),
        WORLD_TEST(new_version_starts_before_the_old_goes),
        WORLD_TEST(old_versions_make_room_together),
        WORLD_TEST(new_configuration_rolls_through),
        WORLD_TEST(running_instances_take_a_configuration_over),
        WORLD_TEST(refused_configurations_replace_the_instance),
        WORLD_TEST(a_configuration_that_kills_is_a_crash),
        WORLD_TEST(downloads_show_in_the_record),
        WORLD_TEST(new_leader_reconciles),
        WORLD_TEST(followers_refuse_to_publish),
        WORLD_TEST(dependencies_come_first),
        WORLD_TEST(earlier_revisions_are_listed_and_published_again),
        WORLD_TEST(waiting_writes_nothing),
        WORLD_TEST(lists_say_what_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
