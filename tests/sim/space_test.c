/* Goal: a store that runs out of room is told to all in time: while a node's alarm stands the cluster takes
 * deletes only, and it serves on by itself (F2, FLT14). Method: whole nodes; a story fills the disk of one,
 * of a majority, of one that then dies. */
#include "nodes/sim/sim.h"
#include "store/memory/log_memory.h"
#include "wire/kinds.h"
#include "wire/proto/cluster.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { NODES = 3 };
static const uint64_t low_bytes = LOG_MEMORY_LOW_BYTES - 8 * 1024;    /* Far from full. */
static const uint64_t scarce_bytes = LOG_MEMORY_LOW_BYTES + 8 * 1024; /* Neither low nor ample. */

static struct sim *begin(void)
{
    const char *seed = getenv("AETHER_SEED");
    return sim_create(&(struct sim_options){ .seed = seed == NULL ? 1 : strtoull(seed, NULL, 10),
                                             .voters = NODES,
                                             .verbose = getenv("AETHER_VERBOSE") != NULL });
}

static void end(struct sim **sim)
{
    bool settled = sim_settles(*sim, SECONDS(10));
    if (sim_failure(*sim) != NULL) fail_msg("%s", sim_failure(*sim));
    assert_true(settled);
    sim_destroy(sim);
}

static void leave(struct sim *sim, uint32_t node, uint64_t bytes)
{
    struct log_memory_disk *disk = sim_disk(sim, node);
    uint64_t used = log_memory_disk_used(disk);
    log_memory_disk_set_capacity(disk, bytes == UINT64_MAX ? UINT64_MAX : used + bytes);
}

static enum status run(struct sim *sim, uint32_t node, const char *command)
{
    return sim_await(sim, sim_command(sim, node, command), SECONDS(10));
}

/* A value of its own each time: the checkers tell writes by it. */
static struct sim_call put(struct sim *sim, uint32_t node)
{
    static uint32_t count;
    char command[96];
    (void)snprintf(command, sizeof command, "kv put colour hue-%u", ++count);
    return sim_command(sim, node, command);
}

static enum status await_put(struct sim *sim, uint32_t node)
{
    return sim_await(sim, put(sim, node), SECONDS(10));
}

/* Puts until one ends so, for at most 10 s: that one. */
static struct sim_call put_until(struct sim *sim, uint32_t node, enum status wanted)
{
    int64_t end_ns = sim_now_ns(sim) + SECONDS(10);
    struct sim_call call = put(sim, node);
    while (sim_await(sim, call, SECONDS(10)) != wanted && sim_now_ns(sim) < end_ns) {
        sim_run(sim, MILLISECONDS(100));
        call = put(sim, node);
    }
    assert_int_equal(sim_call_status(sim, call), wanted);
    return call;
}

static uint32_t await_leader(struct sim *sim)
{
    uint32_t leader = sim_await_leader(sim, SECONDS(5));
    assert_int_not_equal(leader, SIM_NOBODY);
    return leader;
}

static size_t alarms_shown(struct sim *sim, uint32_t node)
{
    struct message *ask = wire_message_create(KIND_CLUSTER_STATUS_REQUEST);
    struct sim_call call = sim_ask(sim, node, TO_MEMBERSHIP, &ask, SECONDS(5));
    assert_int_equal(sim_await(sim, call, SECONDS(10)), STATUS_OK);
    return ((const Pb__ClusterStatusReply *)sim_call_reply(sim, call)->body)->n_alarms;
}

static enum status grant(struct sim *sim, uint32_t node)
{
    struct message *ask = wire_message_create(KIND_LEASE_GRANT_REQUEST);
    Pb__LeaseGrantRequest *request = ask->body;
    request->name = wire_string(ask, "backup");
    request->holder = wire_string(ask, "me");
    request->ttl = wire_string(ask, "30s");
    return sim_await(sim, sim_ask(sim, node, TO_PROPOSER, &ask, SECONDS(5)), SECONDS(10));
}

static void assert_only_deletes(struct sim *sim, uint32_t node)
{
    assert_int_equal(await_put(sim, node), STATUS_OVERLOADED);
    assert_int_equal(run(sim, node, "kv delete shape"), STATUS_OK);
    struct sim_call gone = sim_get(sim, node, &(struct sim_get){ .key = "shape", .deletable = true });
    assert_int_equal(sim_await(sim, gone, SECONDS(5)), STATUS_NOT_FOUND);
    assert_int_equal(run(sim, node, "kv get colour"), STATUS_OK);
    assert_int_equal(grant(sim, node), STATUS_OK);
}

static void fill_and_recover(uint32_t count, bool with_leader)
{
    struct sim *sim = begin();
    uint32_t leader = await_leader(sim);
    uint32_t first = with_leader ? leader : (leader + 1) % NODES;
    assert_int_equal(await_put(sim, leader), STATUS_OK);
    assert_int_equal(run(sim, leader, "kv put shape round"), STATUS_OK);
    for (uint32_t i = 0; i < count; i++)
        leave(sim, (first + i) % NODES, low_bytes);
    struct sim_call refused = put_until(sim, leader, STATUS_OVERLOADED);
    const struct error *error = sim_call_error(sim, refused);
    assert_non_null(strstr(error->message, "less than 64 KiB free on its disk: only deletes are taken"));
    assert_non_null(strstr(error->hint, "aether node remove node-"));
    sim_run(sim, SECONDS(2));
    assert_int_equal(alarms_shown(sim, leader), count);
    assert_only_deletes(sim, leader);

    for (uint32_t i = 0; i < count; i++)
        leave(sim, (first + i) % NODES, scarce_bytes);
    sim_run(sim, SECONDS(4));
    assert_int_equal(await_put(sim, leader), STATUS_OVERLOADED); /* It does not flap. */
    for (uint32_t i = 0; i < count; i++)
        leave(sim, (first + i) % NODES, UINT64_MAX);
    (void)put_until(sim, leader, STATUS_OK);
    assert_int_equal(alarms_shown(sim, leader), 0);
    end(&sim);
}

static void a_follower_without_room_stops_puts(void **unused)
{
    (void)unused;
    fill_and_recover(1, false);
}

static void a_leader_without_room_stops_puts(void **unused)
{
    (void)unused;
    fill_and_recover(1, true);
}

static void a_majority_without_room_stops_puts(void **unused)
{
    (void)unused;
    fill_and_recover(2, true);
}

static void who_is_lost_holds_up_nobody(void **unused)
{
    (void)unused;
    struct sim *sim = begin();
    uint32_t leader = await_leader(sim);
    uint32_t full = (leader + 1) % NODES;
    assert_int_equal(await_put(sim, leader), STATUS_OK);
    leave(sim, full, low_bytes);
    (void)put_until(sim, leader, STATUS_OVERLOADED);
    sim_kill(sim, full);
    (void)put_until(sim, leader, STATUS_OK); /* LOST after 3 s. */
    sim_start(sim, full);
    (void)put_until(sim, leader, STATUS_OVERLOADED); /* It says so again. */
    leave(sim, full, UINT64_MAX);
    (void)put_until(sim, leader, STATUS_OK);
    end(&sim);
}

/* A quorum that can write nothing at all keeps what it was given, and goes on by itself. */
static void a_full_majority_resumes(void **unused)
{
    (void)unused;
    struct sim *sim = begin();
    uint32_t leader = await_leader(sim);
    assert_int_equal(await_put(sim, leader), STATUS_OK);
    for (uint32_t i = 0; i < 2; i++)
        leave(sim, (leader + i) % NODES, 0);
    enum status held = await_put(sim, leader);
    assert_int_not_equal(held, STATUS_OK); /* Nothing is acknowledged. */
    for (uint32_t i = 0; i < 2; i++)
        leave(sim, (leader + i) % NODES, UINT64_MAX);
    (void)put_until(sim, leader, STATUS_OK);
    end(&sim);
}

int main(int argc, char **argv)
{
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_follower_without_room_stops_puts),
        cmocka_unit_test(a_leader_without_room_stops_puts),
        cmocka_unit_test(a_majority_without_room_stops_puts),
        cmocka_unit_test(who_is_lost_holds_up_nobody),
        cmocka_unit_test(a_full_majority_resumes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
