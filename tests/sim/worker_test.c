/* Goal: workers follow what the voters agree on, whatever happens to the one that they follow (section 2).
 * Method: stories with whole nodes; every state that a worker reaches is compared with the voters' by the
 * simulator's checkers (K5). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nodes/sim/sim.h"
#include "wire/kinds.h"
#include "wire/proto/cluster.pb-c.h"

#include <stdio.h>
#include <string.h>

static struct sim *start(uint64_t seed, uint32_t workers)
{
    struct sim *sim = sim_create(&(struct sim_options){ .seed = seed, .voters = 3, .workers = workers });
    assert_int_not_equal(sim_await_leader(sim, SECONDS(10)), SIM_NOBODY);
    return sim;
}

static void finish(struct sim *sim)
{
    const char *failure = sim_failure(sim);
    if (failure != NULL) print_error("%s\n", failure);
    assert_null(failure);
    sim_destroy(&sim);
}

static void write_some(struct sim *sim, uint32_t count, const char *prefix)
{
    for (uint32_t i = 0; i < count; i++) {
        char command[64];
        uint32_t leader = sim_await_leader(sim, SECONDS(10));
        (void)snprintf(command, sizeof command, "kv put %s/%u %s-%u", prefix, i, prefix, i);
        struct sim_call call = sim_command(sim, leader, command);
        assert_int_equal(sim_await(sim, call, SECONDS(10)), STATUS_OK);
    }
}

static bool is_up_as_worker(struct sim *sim, uint32_t worker)
{
    struct message *message = wire_message_create(KIND_KV_GET_REQUEST);
    ((Pb__KvGetRequest *)message->body)->key = wire_string(message, "nodes/worker-1");
    struct sim_call call = sim_ask(sim, worker, TO_STATE, &message, SECONDS(5));
    if (sim_await(sim, call, SECONDS(5)) != STATUS_OK) return false;
    const Pb__KvGetReply *reply = sim_call_reply(sim, call)->body;
    const char *value = (const char *)reply->record->value.data;
    return memmem(value, reply->record->value.len, "\"role\":\"worker\"", 15) != NULL &&
           memmem(value, reply->record->value.len, "\"presence\":\"UP\"", 15) != NULL;
}

/* It is a node like any other: here, and known as what it is, once it has said so. */
static void await_known_as_worker(struct sim *sim, uint32_t worker)
{
    for (int looks = 0; looks < 50 && !is_up_as_worker(sim, worker); looks++)
        sim_run(sim, MILLISECONDS(100));
    assert_true(is_up_as_worker(sim, worker));
}

static void a_worker_reads_what_was_written(void **unused)
{
    (void)unused;
    struct sim *sim = start(1, 1);
    write_some(sim, 20, "colour");
    assert_true(sim_workers_are_level(sim, SECONDS(5)));
    uint32_t worker = sim_worker(sim, 0);
    struct sim_call stale = sim_command(sim, worker, "kv get colour/7 --stale");
    assert_int_equal(sim_await(sim, stale, SECONDS(5)), STATUS_OK);
    assert_string_equal(sim_call_value(sim, stale), "\"colour-7\"");
    /* Not stale: a replica confirms that nothing newer was acknowledged (Q1). */
    struct sim_call fresh = sim_command(sim, worker, "kv get colour/19");
    assert_int_equal(sim_await(sim, fresh, SECONDS(5)), STATUS_OK);
    await_known_as_worker(sim, worker);
    /* Forwarded to the leader. */
    struct sim_call write = sim_command(sim, worker, "kv put colour/w by-worker");
    assert_int_equal(sim_await(sim, write, SECONDS(5)), STATUS_OK);
    finish(sim);
}

static void a_worker_resumes_by_index(void **unused)
{
    (void)unused;
    struct sim *sim = start(2, 2);
    write_some(sim, 10, "before");
    assert_true(sim_workers_are_level(sim, SECONDS(5)));
    sim_kill(sim, sim_worker(sim, 0));
    write_some(sim, 10, "away");
    sim_start(sim, sim_worker(sim, 0));
    assert_true(sim_workers_are_level(sim, SECONDS(5)));
    finish(sim);
}

static void a_worker_leaves_a_replica_that_died(void **unused)
{
    (void)unused;
    struct sim *sim = start(3, 6);
    for (uint32_t round = 0; round < 3; round++) {
        char prefix[16];
        (void)snprintf(prefix, sizeof prefix, "round-%u", round);
        write_some(sim, 5, prefix);
        uint32_t leader = sim_await_leader(sim, SECONDS(10));
        sim_kill(sim, leader);
        assert_int_not_equal(sim_await_leader_other_than(sim, leader, SECONDS(10)), SIM_NOBODY);
        assert_true(sim_workers_are_level(sim, SECONDS(10)));
        sim_start(sim, leader);
    }
    assert_true(sim_settles(sim, SECONDS(20)));
    assert_true(sim_workers_are_level(sim, SECONDS(5)));
    finish(sim);
}

static void remove_worker(struct sim *sim, uint32_t worker)
{
    struct message *message = wire_message_create(KIND_NODE_REMOVE_REQUEST);
    Pb__NodeRemoveRequest *request = message->body;
    request->node = wire_string(message, sim_node_name(sim, worker));
    request->force = true;
    struct sim_call call =
        sim_ask(sim, sim_await_leader(sim, SECONDS(5)), TO_COMMAND_GATEWAY, &message, SECONDS(30));
    assert_int_equal(sim_await(sim, call, SECONDS(30)), STATUS_OK);
}

/* What is removed while it is off is told when it comes, and comes in again with an empty directory. */
static void a_worker_that_was_off_when_removed_ends(void **unused)
{
    (void)unused;
    struct sim *sim = start(5, 2);
    uint32_t worker = sim_worker(sim, 0);
    write_some(sim, 5, "before");
    sim_run(sim, SECONDS(2)); /* They have said that they started. */
    assert_true(sim_workers_are_level(sim, SECONDS(5)));
    sim_kill(sim, worker);
    remove_worker(sim, worker);
    sim_start(sim, worker);
    sim_run(sim, SECONDS(5));
    assert_true(sim_is_removed(sim, worker));
    sim_wipe(sim, worker);
    sim_start(sim, worker);
    write_some(sim, 5, "after");
    assert_true(sim_workers_are_level(sim, SECONDS(10)));
    sim_run(sim, SECONDS(2));
    assert_true(sim_is_up(sim, worker));
    await_known_as_worker(sim, worker);
    finish(sim);
}

/* Issue 4: all reach the leader's index within 2 virtual seconds after writes stop. */
static void two_hundred_workers_keep_up(void **unused)
{
    (void)unused;
    struct sim *sim = start(4, 200);
    sim_run(sim, SECONDS(5)); /* They join meanwhile. */
    write_some(sim, 100, "crowd");
    assert_true(sim_workers_are_level(sim, SECONDS(2)));
    finish(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_worker_reads_what_was_written),
        cmocka_unit_test(a_worker_resumes_by_index),
        cmocka_unit_test(a_worker_leaves_a_replica_that_died),
        cmocka_unit_test(a_worker_that_was_off_when_removed_ends),
        cmocka_unit_test(two_hundred_workers_keep_up),
    };
    return cmocka_run_group_tests_name("worker", tests, NULL, NULL);
}
