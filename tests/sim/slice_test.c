/* Goal: slices run where the cluster says, through deaths, cuts and restarts (issue 2, section 9).
 * Method: whole nodes with models of slices (nodes/sim/slices.h), one story for each promise. After each
 * entry the simulator checks that there is an endpoint exactly for what is ACTIVE (DEP4), and one owner
 * (DEP2). */
#include "nodes/sim/sim.h"
#include "runtime/base/text.h"
#include "wire/kinds.h"
#include "wire/proto/slice.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { NODES = 3, PRICING = 3, ORDERS = 2 };

static void assert_deployed(struct sim *sim, int64_t timeout_ns)
{
    bool deployed = sim_deploys(sim, timeout_ns);
    uint32_t wanted = 0;
    uint32_t active = 0;
    sim_slice_counts(sim, &wanted, &active);
    if (sim_failure(sim) != NULL) fail_msg("%s", sim_failure(sim));
    if (!deployed) fail_msg("%u of %u instances are ACTIVE", active, wanted);
}

static uint32_t await_leader(struct sim *sim)
{
    uint32_t leader = sim_await_leader(sim, SECONDS(5));
    assert_int_not_equal(leader, SIM_NOBODY);
    return leader;
}

/* Three nodes that run the shop: three of one, two of the other. */
static struct sim *begin_shop(void)
{
    const char *seed = getenv("AETHER_SEED");
    struct sim *sim = sim_create(&(struct sim_options){ .seed = seed == NULL ? 1 : strtoull(seed, NULL, 10),
                                                        .voters = NODES,
                                                        .verbose = getenv("AETHER_VERBOSE") != NULL });
    (void)await_leader(sim);
    sim_run(sim, SECONDS(1)); /* All nodes have joined. */
    struct sim_call publish = sim_publish(sim, "shop", PRICING, ORDERS);
    enum status status = sim_await(sim, publish, SECONDS(10));
    if (status != STATUS_OK) fail_msg("publish: %s", sim_call_error(sim, publish)->message);
    assert_deployed(sim, SECONDS(10));
    sim_run(sim, MILLISECONDS(200)); /* Everybody has heard of it. */
    return sim;
}

static void end(struct sim **sim)
{
    if (sim_failure(*sim) != NULL) fail_msg("%s", sim_failure(*sim));
    sim_destroy(sim);
}

static enum status invoke(struct sim *sim, uint32_t node, const char *artifact)
{
    return sim_await(sim, sim_invoke(sim, node, artifact, SECONDS(2)), SECONDS(5));
}

static void assert_serves_everywhere(struct sim *sim)
{
    for (uint32_t i = 0; i < NODES; i++) {
        if (!sim_is_up(sim, i)) continue;
        assert_int_equal(invoke(sim, i, SIM_PRICING), STATUS_OK);
        assert_int_equal(invoke(sim, i, SIM_ORDERS), STATUS_OK);
    }
}

static void a_blueprint_runs_and_goes(void **unused) /* DEP1, DEP8 */
{
    (void)unused;
    struct sim *sim = begin_shop();
    uint32_t wanted = 0;
    uint32_t active = 0;
    sim_slice_counts(sim, &wanted, &active);
    assert_int_equal(wanted, PRICING + ORDERS);
    assert_int_equal(active, PRICING + ORDERS);
    for (uint32_t i = 0; i < NODES; i++)
        assert_true(sim_endpoints_on(sim, i) > 0); /* Spread. */
    assert_serves_everywhere(sim);
    assert_int_equal(sim_await(sim, sim_publish(sim, "shop", 1, 0), SECONDS(10)), STATUS_OK);
    assert_deployed(sim, SECONDS(10));
    sim_slice_counts(sim, &wanted, &active);
    assert_int_equal(active, 1);
    assert_int_equal(sim_await(sim, sim_publish(sim, "shop", 0, 0), SECONDS(10)), STATUS_OK);
    assert_deployed(sim, SECONDS(10));
    for (uint32_t i = 0; i < NODES; i++)
        assert_int_equal(sim_endpoints_on(sim, i), 0);
    sim_run(sim, SECONDS(1));
    assert_int_equal(invoke(sim, 0, SIM_PRICING), STATUS_NO_ENDPOINT);
    end(&sim);
}

static void lose(struct sim *sim, uint32_t victim)
{
    assert_true(sim_endpoints_on(sim, victim) > 0);
    int64_t killed_ns = sim_now_ns(sim);
    sim_kill(sim, victim);
    while (sim_endpoints_on(sim, victim) > 0 && sim_now_ns(sim) - killed_ns < SECONDS(10)) {
        sim_run(sim, MILLISECONDS(10));
    }
    assert_true(sim_now_ns(sim) - killed_ns < SECONDS(5)); /* DEP3 */
    assert_deployed(sim, SECONDS(15) - (sim_now_ns(sim) - killed_ns));
    sim_run(sim, MILLISECONDS(200));
    assert_serves_everywhere(sim);
    sim_start(sim, victim);
    assert_true(sim_settles(sim, SECONDS(10)));
    sim_run(sim, SECONDS(1));
    assert_deployed(sim, SECONDS(10));
    assert_serves_everywhere(sim);
}

static void a_dead_node_is_replaced(void **unused) /* FLT31, DEP3 */
{
    (void)unused;
    struct sim *sim = begin_shop();
    lose(sim, (await_leader(sim) + 1) % NODES);
    end(&sim);
}

static void a_dead_leader_is_replaced(void **unused) /* FLT32 */
{
    (void)unused;
    struct sim *sim = begin_shop();
    lose(sim, await_leader(sim));
    end(&sim);
}

static void all_die_and_serve_again(void **unused) /* FLT8 */
{
    (void)unused;
    struct sim *sim = begin_shop();
    for (uint32_t i = 0; i < NODES; i++)
        sim_kill(sim, i);
    sim_run(sim, SECONDS(2));
    for (uint32_t i = 0; i < NODES; i++)
        sim_start(sim, i);
    int64_t started_ns = sim_now_ns(sim);
    (void)await_leader(sim);
    sim_run(sim, SECONDS(1)); /* The new incarnations are in: the old records are gone. */
    assert_deployed(sim, SECONDS(15) - (sim_now_ns(sim) - started_ns));
    sim_run(sim, MILLISECONDS(200));
    assert_serves_everywhere(sim);
    end(&sim);
}

static void a_crashed_instance_starts_again(void **unused) /* DEP10 */
{
    (void)unused;
    struct sim *sim = begin_shop();
    sim_set_slice_faults(sim, &(struct sim_slice_faults){ .crash_permille = 1000 });
    enum status status = invoke(sim, 0, SIM_PRICING);
    assert_int_not_equal(status, STATUS_OK); /* CRASHED; NO_ENDPOINT once the retries crashed them all. */
    sim_set_slice_faults(sim, &(struct sim_slice_faults){ 0 });
    sim_run(sim, MILLISECONDS(100));
    assert_deployed(sim, SECONDS(10));
    sim_run(sim, MILLISECONDS(200));
    assert_serves_everywhere(sim);
    end(&sim);
}

static struct sim_call restart(struct sim *sim, const char *artifact)
{
    struct message *message = wire_message_create(KIND_SLICE_RESTART_REQUEST);
    ((Pb__SliceRestartRequest *)message->body)->artifact = wire_string(message, artifact);
    return sim_ask(sim, await_leader(sim), TO_CLUSTER_DEPLOYMENT_MANAGER, &message, SECONDS(60));
}

/* One after the other, and each successor is told what its predecessor had done. */
static void a_restart_goes_in_order_and_carries_the_state(void **unused)
{
    (void)unused;
    struct sim *sim = begin_shop();
    for (int i = 0; i < 20; i++)
        assert_int_equal(invoke(sim, (uint32_t)i % NODES, SIM_ORDERS), STATUS_OK);
    enum status status = sim_await(sim, restart(sim, SIM_ORDERS), SECONDS(60));
    assert_int_equal(status, STATUS_OK);
    assert_int_equal(sim_carried(sim).restored, ORDERS);
    assert_in_range(sim_carried(sim).calls, 1, 20);
    assert_deployed(sim, SECONDS(1));
    assert_serves_everywhere(sim);
    end(&sim);
}

/* The leader dies in the middle of it: the wish goes with it, and every instance serves. */
static void a_restart_survives_its_leader(void **unused)
{
    (void)unused;
    struct sim *sim = begin_shop();
    uint32_t leader = await_leader(sim);
    (void)restart(sim, SIM_PRICING);
    sim_run(sim, MILLISECONDS(30));
    sim_kill(sim, leader);
    sim_run(sim, SECONDS(1));
    assert_deployed(sim, SECONDS(15));
    sim_start(sim, leader);
    assert_true(sim_settles(sim, SECONDS(10)));
    sim_run(sim, SECONDS(1));
    assert_deployed(sim, SECONDS(10));
    assert_serves_everywhere(sim);
    end(&sim);
}

static struct sim_call configure(struct sim *sim, int number)
{
    struct text document = { 0 };
    text_printf(&document,
                "name: shop\nslices:\n - {artifact: '" SIM_PRICING "', instances: %d, config: {n: %d}}\n"
                " - {artifact: '" SIM_ORDERS "', instances: %d, config: {n: %d}}\n",
                PRICING, number, ORDERS, number);
    struct message *message = wire_message_create(KIND_BLUEPRINT_PUBLISH_REQUEST);
    ((Pb__BlueprintPublishRequest *)message->body)->document = wire_string(message, text_string(&document));
    text_fini(&document);
    return sim_ask(sim, await_leader(sim), TO_CLUSTER_DEPLOYMENT_MANAGER, &message, SECONDS(60));
}

/* Those with the hook take it over as they run; the others are replaced; also while a node dies. */
static void a_configuration_reaches_everything(void **unused)
{
    (void)unused;
    struct sim *sim = begin_shop();
    assert_int_equal(sim_await(sim, configure(sim, 1), SECONDS(60)), STATUS_OK);
    assert_int_equal(sim_carried(sim).configured, ORDERS);
    assert_int_equal(sim_carried(sim).restored, 0); /* Nothing of them was stopped. */
    assert_serves_everywhere(sim);
    struct sim_call second = configure(sim, 2);
    uint32_t victim = (await_leader(sim) + 1) % NODES;
    sim_run(sim, MILLISECONDS(20));
    sim_kill(sim, victim);
    assert_int_equal(sim_await(sim, second, SECONDS(60)), STATUS_OK);
    sim_start(sim, victim);
    assert_true(sim_settles(sim, SECONDS(10)));
    sim_run(sim, SECONDS(1));
    assert_deployed(sim, SECONDS(10));
    assert_serves_everywhere(sim);
    end(&sim);
}

/* Without a leader what runs serves its own node's callers, and changes answer NO_LEADER. */
static void no_leader_no_change_but_service(void **unused)
{
    (void)unused;
    struct sim *sim = begin_shop();
    uint32_t alone = (await_leader(sim) + 1) % NODES;
    for (uint32_t i = 0; i < NODES; i++) {
        if (i != alone) sim_kill(sim, i);
    }
    sim_run(sim, SECONDS(1));
    assert_int_equal(invoke(sim, alone, SIM_PRICING), STATUS_OK);
    struct sim_call put = sim_command(sim, alone, "kv put colour red");
    assert_int_equal(sim_await(sim, put, SECONDS(10)), STATUS_NO_LEADER);
    assert_int_equal(invoke(sim, alone, SIM_PRICING), STATUS_OK);
    end(&sim);
}

int main(int argc, char **argv) /* [PATTERN of tests] */
{
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_blueprint_runs_and_goes),
        cmocka_unit_test(a_dead_node_is_replaced),
        cmocka_unit_test(a_dead_leader_is_replaced),
        cmocka_unit_test(all_die_and_serve_again),
        cmocka_unit_test(a_restart_goes_in_order_and_carries_the_state),
        cmocka_unit_test(a_restart_survives_its_leader),
        cmocka_unit_test(a_configuration_reaches_everything),
        cmocka_unit_test(a_crashed_instance_starts_again),
        cmocka_unit_test(no_leader_no_change_but_service),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
