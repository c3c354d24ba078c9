/* Goal: the promises of the consensus store hold on whole nodes: their actors, a network that loses, disks
 * that forget what was not committed.
 * Method: one story by hand for each promise. The invariants of consensus.md section 13 are checked by the
 * simulator after every event; a story asserts only what is its own. */
#include "nodes/sim/sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct sim *begin(uint32_t voters)
{
    struct sim *sim = sim_create(
        &(struct sim_options){ .seed = 1, .voters = voters, .verbose = getenv("AETHER_VERBOSE") != NULL });
    return sim;
}

static void end(struct sim **sim)
{
    if (sim_failure(*sim) != NULL) fail_msg("%s", sim_failure(*sim));
    sim_destroy(sim);
}

static void one_node_serves(void **unused)
{
    (void)unused;
    struct sim *sim = begin(1);
    assert_int_equal(sim_await_leader(sim, SECONDS(1)), 0);
    struct sim_call put = sim_command(sim, 0, "kv put colour red");
    assert_int_equal(sim_await(sim, put, SECONDS(5)), STATUS_OK);
    struct sim_call get = sim_command(sim, 0, "kv get colour");
    assert_int_equal(sim_await(sim, get, SECONDS(5)), STATUS_OK);
    assert_string_equal(sim_call_value(sim, get), "\"red\"");
    assert_true(sim_settles(sim, SECONDS(5)));
    end(&sim);
}

static void three_nodes_serve(void **unused)
{
    (void)unused;
    struct sim *sim = begin(3);
    assert_int_not_equal(sim_await_leader(sim, SECONDS(2)), SIM_NOBODY);
    for (uint32_t i = 0; i < 3; i++) {
        char command[64];
        (void)snprintf(command, sizeof command, "kv put k%u %u", i, i + 100);
        struct sim_call put = sim_command(sim, i, command);
        assert_int_equal(sim_await(sim, put, SECONDS(5)), STATUS_OK);
        (void)snprintf(command, sizeof command, "kv get k%u", i);
        struct sim_call get = sim_command(sim, (i + 1) % 3, command);
        assert_int_equal(sim_await(sim, get, SECONDS(5)), STATUS_OK);
    }
    assert_true(sim_settles(sim, SECONDS(5)));
    end(&sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_node_serves),
        cmocka_unit_test(three_nodes_serve),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
