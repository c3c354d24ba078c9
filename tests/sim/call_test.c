/* Goal: what calls promise holds between whole nodes: no call is dropped while instances come and go, a key
 * runs once whoever asks, and nobody works for a caller that is gone (product.md sections 6 and 10). Method:
 * whole nodes with models of slices that count how often each call's code began to run. */
#include "nodes/sim/sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { NODES = 3, FLYING = 6, ROUNDS = 60 };

static struct sim *begin(uint32_t pricing, const struct sim_slice_faults *faults)
{
    const char *seed = getenv("AETHER_SEED");
    struct sim *sim = sim_create(&(struct sim_options){ .seed = seed == NULL ? 1 : strtoull(seed, NULL, 10),
                                                        .voters = NODES,
                                                        .latency_min_ns = MICROSECONDS(50),
                                                        .latency_max_ns = MILLISECONDS(5),
                                                        .slices = *faults,
                                                        .verbose = getenv("AETHER_VERBOSE") != NULL });
    assert_int_not_equal(sim_await_leader(sim, SECONDS(5)), SIM_NOBODY);
    sim_run(sim, SECONDS(1));
    assert_int_equal(sim_await(sim, sim_publish(sim, "shop", pricing, 0), SECONDS(10)), STATUS_OK);
    assert_true(sim_deploys(sim, SECONDS(10)));
    sim_run(sim, MILLISECONDS(200));
    return sim;
}

static void end(struct sim **sim)
{
    if (sim_failure(*sim) != NULL) fail_msg("%s", sim_failure(*sim));
    sim_destroy(sim);
}

static struct sim_call book(struct sim *sim, uint32_t node, uint64_t number, const char *key)
{
    return sim_invoke_as(sim, node,
                         &(struct sim_invocation){ .artifact = SIM_PRICING,
                                                   .entry = "book",
                                                   .number = number,
                                                   .idempotency_key = key,
                                                   .timeout_ns = SECONDS(5) });
}

static uint32_t serving(struct sim *sim)
{
    for (uint32_t i = 0; i < NODES; i++)
        if (sim_endpoints_on(sim, i) > 0) return i;
    fail_msg("nobody serves");
    return 0;
}

/* Instances are stopped and started under calls that last: what was accepted is answered, once. */
static void coming_and_going_drops_no_call(void **unused)
{
    (void)unused;
    static const uint32_t wanted[] = { 1, 3, 2, 3, 1, 3 };
    struct sim *sim = begin(3, &(struct sim_slice_faults){ .call_max_ns = MILLISECONDS(150) });
    struct sim_call calls[FLYING];
    uint64_t number = 0;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        if (round % 10 == 0) {
            struct sim_call publish = sim_publish(sim, "shop", wanted[round / 10 % 6], 0);
            assert_int_equal(sim_await(sim, publish, SECONDS(10)), STATUS_OK);
        }
        uint64_t first = number + 1;
        for (uint32_t i = 0; i < FLYING; i++)
            calls[i] = book(sim, i % NODES, ++number, NULL);
        for (uint32_t i = 0; i < FLYING; i++) {
            enum status status = sim_await(sim, calls[i], SECONDS(10));
            if (status != STATUS_OK) fail_msg("%s", sim_call_error(sim, calls[i])->message);
            assert_int_equal(sim_executions(sim, first + i), 1);
        }
    }
    end(&sim);
}

static void a_key_runs_once_whoever_asks(void **unused)
{
    (void)unused;
    struct sim *sim = begin(3, &(struct sim_slice_faults){ .call_max_ns = MILLISECONDS(100) });
    struct sim_call calls[FLYING];
    char key[] = "key-?";
    for (uint64_t number = 1; number <= 9; number++) {
        key[4] = (char)('0' + number);
        for (uint32_t i = 0; i < FLYING; i++)
            calls[i] = book(sim, i % NODES, number, key);
        for (uint32_t i = 0; i < FLYING; i++)
            assert_int_equal(sim_await(sim, calls[i], SECONDS(10)), STATUS_OK);
        sim_run(sim, MILLISECONDS(500));
        assert_int_equal(sim_await(sim, book(sim, 0, number, key), SECONDS(10)), STATUS_OK); /* Kept. */
        assert_int_equal(sim_executions(sim, number), 1);
    }
    end(&sim);
}

static void the_calls_of_a_dead_node_are_withdrawn(void **unused) /* FLT31 */
{
    (void)unused;
    struct sim *sim = begin(1, &(struct sim_slice_faults){ .call_max_ns = SECONDS(3600) });
    uint32_t home = serving(sim);
    uint32_t away = (home + 1) % NODES;
    uint32_t third = (home + 2) % NODES;
    (void)book(sim, away, 1, NULL);
    struct sim_call kept = book(sim, third, 2, NULL);
    sim_run(sim, MILLISECONDS(100));
    assert_int_equal(sim_executions(sim, 1) + sim_executions(sim, 2), 2);
    assert_int_equal(sim_withdrawn(sim), 0);
    sim_kill(sim, away);
    sim_run(sim, SECONDS(2));
    assert_int_equal(sim_withdrawn(sim), 1);
    assert_false(sim_has_ended(sim, kept));
    assert_int_equal(sim_await(sim, kept, SECONDS(10)), STATUS_DEADLINE);
    end(&sim);
}

int main(int argc, char **argv) /* [PATTERN of tests] */
{
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(coming_and_going_drops_no_call),
        cmocka_unit_test(a_key_runs_once_whoever_asks),
        cmocka_unit_test(the_calls_of_a_dead_node_are_withdrawn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
