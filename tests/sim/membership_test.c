/* Goal: the cluster grows, shrinks and mends itself live: one node grows to three and five, a dead one is
 * replaced, the leader removes itself, a node comes back under its old name with an empty disk (I2, M2, M3,
 * M5, E6, S12). Method: stories by hand on whole nodes, with the commands that people give; writes run
 * through all of them. The invariants are checked by the simulator after every event. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nodes/sim/sim.h"
#include "wire/kinds.h"
#include "wire/proto/cluster.pb-c.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int64_t patience_ns = SECONDS(60);

static struct sim *new_sim(uint32_t voters, uint32_t joiners)
{
    const char *seed = getenv("AETHER_SEED");
    return sim_create(&(struct sim_options){ .seed = seed == NULL ? 7 : strtoull(seed, NULL, 10),
                                             .voters = voters,
                                             .joiners = joiners,
                                             .verbose = getenv("AETHER_VERBOSE") != NULL });
}

static void end(struct sim *sim)
{
    assert_null(sim_failure(sim));
    sim_destroy(&sim);
}

/* --- commands, asked of whoever leads ------------------------------------------------------------------- */

static struct message *promote(uint32_t node)
{
    struct message *message = wire_message_create(KIND_NODE_PROMOTE_REQUEST);
    char name[16];
    (void)snprintf(name, sizeof name, "node-%u", node + 1);
    ((Pb__NodePromoteRequest *)message->body)->node = wire_string(message, name);
    return message;
}

static struct message *demote(uint32_t node)
{
    struct message *message = wire_message_create(KIND_NODE_DEMOTE_REQUEST);
    char name[16];
    (void)snprintf(name, sizeof name, "node-%u", node + 1);
    ((Pb__NodeDemoteRequest *)message->body)->node = wire_string(message, name);
    return message;
}

static struct message *remove_node(uint32_t node, bool allow_even)
{
    struct message *message = wire_message_create(KIND_NODE_REMOVE_REQUEST);
    Pb__NodeRemoveRequest *request = message->body;
    char name[16];
    (void)snprintf(name, sizeof name, "node-%u", node + 1);
    request->node = wire_string(message, name);
    request->allow_even = allow_even;
    return message;
}

static struct sim_call order(struct sim *sim, uint32_t node, struct message *message)
{
    return sim_ask(sim, node, TO_COMMAND_GATEWAY, &message, patience_ns);
}

/* A node that is up, to ask. */
static uint32_t somebody(const struct sim *sim)
{
    for (uint32_t i = 0; i < sim_node_count(sim); i++) {
        if (sim_is_up(sim, i)) return i;
    }
    return SIM_NOBODY;
}

static void must(struct sim *sim, struct message *message)
{
    struct sim_call call = order(sim, somebody(sim), message);
    enum status status = sim_await(sim, call, patience_ns);
    if (status != STATUS_OK) print_error("%s\n", sim_call_error(sim, call)->message);
    assert_int_equal(status, STATUS_OK);
}

static const Pb__NodeChangeReply *reply_of(const struct sim *sim, struct sim_call call)
{
    return sim_call_reply(sim, call)->body;
}

/* --- what is so ----------------------------------------------------------------------------------------- */

/* "1v 2v 3l": voters and learners by name, as the leader's core has them. */
static const char *members(const struct sim *sim)
{
    static char text[128];
    struct core_status status;
    size_t used = 0;
    uint32_t leader = sim_leader(sim);
    text[0] = '\0';
    if (leader == SIM_NOBODY) return "no leader";
    sim_status(sim, leader, &status);
    for (uint32_t i = 0; i < sim_node_count(sim); i++) {
        for (uint32_t m = 0; m < status.configuration.member_count; m++) {
            const struct configuration_member *member = &status.configuration.members[m];
            if (strcmp(member->name, sim_node_name(sim, i)) != 0) continue;
            used += (size_t)snprintf(text + used, sizeof text - used, "%s%u%c", used == 0 ? "" : " ", i + 1,
                                     status.configuration.joint ? 'j'
                                     : member->voter            ? 'v'
                                                                : 'l');
        }
    }
    return text;
}

static void await_members(struct sim *sim, const char *wanted, int64_t timeout_ns)
{
    int64_t end_ns = sim_now_ns(sim) + timeout_ns;
    while (strcmp(members(sim), wanted) != 0 && sim_now_ns(sim) < end_ns && sim_failure(sim) == NULL)
        sim_run(sim, MILLISECONDS(20));
    assert_null(sim_failure(sim));
    assert_string_equal(members(sim), wanted);
}

static void put(struct sim *sim, const char *value)
{
    char command[64];
    (void)snprintf(command, sizeof command, "kv put k %s", value);
    struct sim_call call = sim_command(sim, somebody(sim), command);
    assert_int_equal(sim_await(sim, call, SECONDS(15)), STATUS_OK);
}

static void assert_all_have(struct sim *sim, const char *value)
{
    assert_true(sim_settles(sim, SECONDS(20)));
    for (uint32_t i = 0; i < sim_node_count(sim); i++) {
        if (sim_is_up(sim, i)) assert_true(sim_disk_holds(sim, i, value));
    }
}

/* --- stories -------------------------------------------------------------------------------------------- */

static void one_grows_to_three_and_five(void **unused) /* I2, M2, M5 */
{
    (void)unused;
    struct sim *sim = new_sim(1, 4);
    assert_int_not_equal(sim_await_leader(sim, SECONDS(5)), SIM_NOBODY);
    put(sim, "first");
    sim_start(sim, 1);
    await_members(sim, "1v 2l", SECONDS(10));
    struct sim_call call = order(sim, 0, promote(1));
    assert_int_equal(sim_await(sim, call, patience_ns), STATUS_OK);
    assert_string_equal(reply_of(sim, call)->waiting, "waiting for a second candidate");
    assert_false(reply_of(sim, call)->complete);
    put(sim, "second");
    sim_start(sim, 2);
    await_members(sim, "1v 2l 3l", SECONDS(10));
    must(sim, promote(2));
    await_members(sim, "1v 2v 3v", SECONDS(10));
    assert_all_have(sim, "first");
    sim_start(sim, 3);
    sim_start(sim, 4);
    await_members(sim, "1v 2v 3v 4l 5l", SECONDS(10));
    must(sim, promote(3));
    must(sim, promote(4));
    await_members(sim, "1v 2v 3v 4v 5v", SECONDS(10));
    put(sim, "third");
    uint32_t leader = sim_leader(sim);
    sim_kill(sim, leader);
    sim_kill(sim, leader == 1 ? 2 : 1); /* Three of five carry on. */
    assert_int_not_equal(sim_await_leader_other_than(sim, leader, SECONDS(20)), SIM_NOBODY);
    put(sim, "fourth");
    assert_all_have(sim, "third");
    end(sim);
}

static void five_shrinks_to_three(void **unused) /* M5, S12 */
{
    (void)unused;
    struct sim *sim = new_sim(5, 0);
    assert_int_not_equal(sim_await_leader(sim, SECONDS(5)), SIM_NOBODY);
    sim_run(sim, SECONDS(1)); /* Everybody has said that it started. */
    uint32_t leader = sim_leader(sim);
    uint32_t a = (leader + 1) % 5;
    uint32_t b = (leader + 2) % 5;
    struct sim_call call = order(sim, leader, demote(a));
    assert_int_equal(sim_await(sim, call, patience_ns), STATUS_OK);
    assert_string_equal(reply_of(sim, call)->waiting, "waiting for a candidate in its place");
    must(sim, remove_node(b, false));
    assert_true(sim_is_up(sim, a));
    sim_run(sim, SECONDS(2));
    assert_false(sim_is_up(sim, b)); /* It was told, and ended for good. */
    put(sim, "smaller");
    sim_start(sim, b); /* Somebody starts it all the same: it is told again, and says nothing else. */
    sim_run(sim, SECONDS(5));
    assert_false(sim_is_up(sim, b));
    assert_null(sim_failure(sim));
    end(sim);
}

static void the_leader_removes_itself(void **unused) /* E6, E9 */
{
    (void)unused;
    struct sim *sim = new_sim(3, 1);
    uint32_t leader = sim_await_leader(sim, SECONDS(5));
    sim_start(sim, 3);
    sim_run(sim, SECONDS(2));
    must(sim, promote(3)); /* Waits for a second candidate: the place that will be free. */
    put(sim, "before");
    uint32_t other = (leader + 1) % 3;
    struct sim_call call = order(sim, other, remove_node(leader, false));
    assert_int_equal(sim_await(sim, call, patience_ns), STATUS_OK);
    assert_true(reply_of(sim, call)->complete);
    sim_run(sim, SECONDS(2));
    assert_false(sim_is_up(sim, leader));
    assert_int_not_equal(sim_leader(sim), SIM_NOBODY);
    assert_int_not_equal(sim_leader(sim), leader);
    put(sim, "after");
    assert_all_have(sim, "before");
    end(sim);
}

static void a_dead_one_is_replaced(void **unused) /* M5 */
{
    (void)unused;
    struct sim *sim = new_sim(3, 1);
    uint32_t leader = sim_await_leader(sim, SECONDS(5));
    sim_run(sim, SECONDS(1));
    uint32_t dead = (leader + 1) % 3;
    sim_kill(sim, dead);
    sim_start(sim, 3);
    sim_run(sim, SECONDS(5)); /* It is LOST by then. */
    must(sim, promote(3));
    must(sim, remove_node(dead, false));
    put(sim, "mended");
    uint32_t second = leader;
    sim_kill(sim, second); /* The new one's vote counts. */
    assert_int_not_equal(sim_await_leader_other_than(sim, second, SECONDS(20)), SIM_NOBODY);
    put(sim, "again");
    end(sim);
}

static void a_wiped_node_comes_back_by_itself(void **unused) /* M3, T2 */
{
    (void)unused;
    struct sim *sim = new_sim(3, 0);
    uint32_t leader = sim_await_leader(sim, SECONDS(5));
    put(sim, "kept");
    sim_run(sim, SECONDS(1));
    uint32_t wiped = (leader + 1) % 3;
    struct core_status before;
    sim_status(sim, wiped, &before);
    sim_kill(sim, wiped);
    sim_wipe(sim, wiped);
    sim_start(sim, wiped);
    sim_run(sim, SECONDS(3));
    assert_string_equal(members(sim), "1v 2v 3v"); /* Its former replica was heard too lately: not yet. */
    sim_run(sim, SECONDS(15));
    await_members(sim, "1v 2v 3v", SECONDS(20));
    assert_all_have(sim, "kept");
    uint32_t other = (leader + 2) % 3;
    sim_kill(sim, other); /* Its new replica's vote is needed now. */
    put(sim, "new");
    end(sim);
}

static void a_learner_does_not_count(void **unused) /* R7 */
{
    (void)unused;
    struct sim *sim = new_sim(3, 2);
    uint32_t leader = sim_await_leader(sim, SECONDS(5));
    sim_start(sim, 3);
    sim_start(sim, 4);
    await_members(sim, "1v 2v 3v 4l 5l", SECONDS(10));
    sim_kill(sim, (leader + 1) % 3);
    sim_kill(sim, (leader + 2) % 3);
    struct sim_call call = sim_command(sim, leader, "kv put k lonely");
    assert_int_not_equal(sim_await(sim, call, SECONDS(8)), STATUS_OK);
    end(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_grows_to_three_and_five),       cmocka_unit_test(five_shrinks_to_three),
        cmocka_unit_test(the_leader_removes_itself),         cmocka_unit_test(a_dead_one_is_replaced),
        cmocka_unit_test(a_wiped_node_comes_back_by_itself), cmocka_unit_test(a_learner_does_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
