/* Goal: whatever happened, once the trouble ends the cluster reaches its blueprint (DEP1), and at no entry on
 * the way does an instance have two owners or an endpoint without an ACTIVE instance (DEP2, DEP4). Method:
 * crashes, losses (also of nodes that live), new leaders and none, dying and failing instances, and new
 * blueprints by seed on a fleet; then every node returns and the last word is a publish that must succeed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/base/check.h"
#include "tests/support/fleet.h"
#include "wire/kinds.h"
#include "wire/proto/slice.pb-c.h"

#include <string.h>

enum { SWARM_SEEDS = 40, SWARM_EVENTS = 25 };

static const char *const swarm_documents[] = {
    "name: s\nslices:\n - {artifact: 'a:b:1', instances: 3}\n - {artifact: 'a:c:1', instances: 2}\n",
    "name: s\nslices:\n - {artifact: 'a:b:2', instances: 4}\n - {artifact: 'a:c:1', instances: 1}\n",
    "name: s\nslices:\n - {artifact: 'a:b:1', instances: 3, config: {x: 1}}\n - {artifact: 'a:weak:1'}\n",
    "name: s\nslices:\n - {artifact: 'a:b:3', instances: 2, update: {max-surge: 0}}\n",
};
static const uint32_t swarm_instances[] = { 5, 5, 4, 2 };

static uint32_t up_count(const struct fleet *fleet)
{
    uint32_t up = 0;
    for (uint32_t n = 0; n < FLEET_NODES; n++)
        up += fleet->agreed.nodes[n].runtime != NULL ? 1 : 0;
    return up;
}

static void lead_any(struct fleet *fleet)
{
    uint32_t first = (uint32_t)(stepper_random(fleet->stepper) % FLEET_NODES);
    for (uint32_t i = 0; i < FLEET_NODES; i++) {
        uint32_t n = (first + i) % FLEET_NODES;
        if (fleet->agreed.nodes[n].runtime == NULL) continue;
        agreed_lead(&fleet->agreed, n);
        return;
    }
}

static void crash_any_instance(struct fleet *fleet, uint32_t node)
{
    struct fleet_store *store = &fleet->stores[node];
    if (fleet->agreed.nodes[node].runtime == NULL || store->count == 0) return;
    struct fleet_instance *instance = &store->instances[stepper_random(fleet->stepper) % store->count];
    if (instance->state == FLEET_ACTIVE) fleet_crash_instance(store, instance);
}

static void publish_detached(struct fleet *fleet, const char *document)
{
    if (fleet->agreed.leader == AGREED_NODES_MAX) return;
    struct message *message = wire_message_create(KIND_BLUEPRINT_PUBLISH_REQUEST);
    struct runtime *runtime = fleet->agreed.nodes[fleet->agreed.leader].runtime;
    ((Pb__BlueprintPublishRequest *)message->body)->document = wire_string(message, document);
    ((Pb__BlueprintPublishRequest *)message->body)->detach = 1;
    assert_int_equal(runtime_send(runtime, runtime_find(runtime, TO_CLUSTER_DEPLOYMENT_MANAGER), &message),
                     STATUS_OK);
}

static void trouble(struct fleet *fleet)
{
    uint32_t node = (uint32_t)(stepper_random(fleet->stepper) % FLEET_NODES);
    bool up = fleet->agreed.nodes[node].runtime != NULL;
    switch (stepper_random(fleet->stepper) % 8) {
    case 0:
        if (up && up_count(fleet) > 1) agreed_crash(&fleet->agreed, node);
        break;
    case 1:
        if (!up) fleet_start(fleet, node);
        break;
    case 2: agreed_lose(&fleet->agreed, node); break; /* Also of one that is only cut off. */
    case 3: agreed_lead(&fleet->agreed, AGREED_NODES_MAX); break;
    case 4: lead_any(fleet); break;
    case 5: crash_any_instance(fleet, node); break;
    case 6:
        publish_detached(fleet,
                         swarm_documents[stepper_random(fleet->stepper) % ARRAY_COUNT(swarm_documents)]);
        break;
    default:
        fleet->stores[node].refuse_activate =
            stepper_random(fleet->stepper) % 2 == 0 ? STATUS_OK : STATUS_APP_ERROR;
    }
    if (fleet->agreed.leader == AGREED_NODES_MAX && stepper_random(fleet->stepper) % 2 == 0) lead_any(fleet);
    fleet_settle(fleet, (int64_t)(stepper_random(fleet->stepper) % (uint64_t)MILLISECONDS(300)));
}

/* A node that was lost while it lived comes back under a new incarnation, with what really runs. */
static void return_to_life(struct fleet *fleet, uint32_t node)
{
    if (fleet->agreed.nodes[node].runtime == NULL) fleet_start(fleet, node);
    else agreed_rejoin(&fleet->agreed, node, "{}");
    fleet->stores[node].refuse_activate = STATUS_OK;
}

static void every_seed_reaches_the_blueprint(void **unused) /* DEP1, DEP2, DEP4, DEP9 */
{
    (void)unused;
    for (uint64_t seed = 1; seed <= SWARM_SEEDS; seed++) {
        struct fleet *fleet = fleet_create(seed);
        lead_any(fleet);
        fleet_settle(fleet, MILLISECONDS(20));
        publish_detached(fleet, swarm_documents[0]);
        for (int event = 0; event < SWARM_EVENTS; event++)
            trouble(fleet);
        for (uint32_t n = 0; n < FLEET_NODES; n++)
            return_to_life(fleet, n);
        lead_any(fleet);
        fleet_settle(fleet, SECONDS(1));
        uint32_t last = (uint32_t)(seed % ARRAY_COUNT(swarm_documents));
        struct probe_result result = fleet_publish(fleet, swarm_documents[last]);
        if (result.status != STATUS_OK) fail_msg("seed %u: %s", (unsigned)seed, result.error.message);
        message_destroy(&result.message);
        fleet_settle(fleet, SECONDS(10));
        if (fleet_active(fleet) != swarm_instances[last] ||
            agreed_count(&fleet->agreed, "endpoints/") != swarm_instances[last])
            fail_msg("seed %u: %u active, %u endpoints", (unsigned)seed, fleet_active(fleet),
                     agreed_count(&fleet->agreed, "endpoints/"));
        for (uint32_t n = 0; n < FLEET_NODES; n++)
            assert_int_equal(fleet->stores[n].count, fleet_store_active(&fleet->stores[n]));
        fleet_destroy(&fleet);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_seed_reaches_the_blueprint) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
