/* Goal: a replica that lacks entries which nobody keeps any more is brought a snapshot, whatever happens
 * while it is on its way, and is then as any other (sections 9, D7). Method: stories with whole nodes that
 * keep next to no log. The simulator's checkers compare every state that is loaded or applied with that of
 * all others (S5, K5), and at the end every acknowledged write is there (K3). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nodes/sim/sim.h"
#include "runtime/base/memory.h"
#include "wire/kinds.h"
#include "wire/proto/cluster.pb-c.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEEP = 16 };

struct story {
    struct sim *sim;
    uint32_t written;
};

static struct story begin(struct sim_options options)
{
    options.log_keep_entries = KEEP;
    options.core.tail_entries = KEEP; /* Nor does the leader remember more. */
    options.core.append_entries = KEEP;
    options.verbose = getenv("AETHER_VERBOSE") != NULL;
    struct story story = { .sim = sim_create(&options) };
    assert_int_not_equal(sim_await_leader(story.sim, SECONDS(10)), SIM_NOBODY);
    return story;
}

static void finish(struct story *story)
{
    const char *failure = sim_failure(story->sim);
    if (failure != NULL) print_error("%s\n", failure);
    assert_null(failure);
    sim_destroy(&story->sim);
}

static void write_some(struct story *story, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        char command[64];
        uint32_t leader = sim_await_leader(story->sim, SECONDS(10));
        (void)snprintf(command, sizeof command, "kv put key/%u value-%u", story->written % 97,
                       story->written);
        story->written++;
        struct sim_call call = sim_command(story->sim, leader, command);
        enum status status = sim_await(story->sim, call, SECONDS(10));
        if (sim_failure(story->sim) != NULL) print_error("%s\n", sim_failure(story->sim));
        assert_true(status == STATUS_OK || status == STATUS_UNKNOWN);
    }
}

static uint32_t follower(const struct sim *sim)
{
    return sim_leader(sim) == 0 ? 1 : 0;
}

static void settle(struct story *story)
{
    sim_heal(story->sim);
    bool settled = sim_settles(story->sim, SECONDS(30));
    if (sim_failure(story->sim) != NULL) print_error("%s\n", sim_failure(story->sim));
    assert_true(settled);
}

static void a_log_is_compacted(void **unused) /* D7 */
{
    (void)unused;
    struct story story = begin((struct sim_options){ .seed = 1 });
    write_some(&story, 200);
    sim_run(story.sim, SECONDS(5));
    for (uint32_t i = 0; i < 3; i++)
        assert_true(sim_log_base(story.sim, i) > 100);
    settle(&story);
    finish(&story);
}

static void who_was_away_too_long_gets_a_snapshot(void **unused) /* N1, N2, R1 */
{
    (void)unused;
    struct story story = begin((struct sim_options){ .seed = 2 });
    uint32_t away = follower(story.sim);
    write_some(&story, 20);
    sim_kill(story.sim, away);
    write_some(&story, 200);
    sim_run(story.sim, SECONDS(15)); /* It counts as gone, and the others compact. */
    log_index before = sim_log_base(story.sim, away);
    sim_start(story.sim, away);
    write_some(&story, 50); /* While it is brought the state. */
    settle(&story);
    assert_true(sim_log_base(story.sim, away) > before + 100);
    assert_int_equal(sim_loads(story.sim, away), 1);
    finish(&story);
}

/* --- what happens on the way --- */

enum { LARGE = 100 * 1024, LARGE_COUNT = 40 }; /* Some four megabytes: sixteen chunks. */

static void write_large(struct story *story)
{
    char *value = memory_alloc(LARGE + 16);
    for (uint32_t i = 0; i < LARGE_COUNT; i++) {
        char key[32];
        (void)snprintf(key, sizeof key, "large/%u", i);
        int head = snprintf(value, LARGE, "\"%u-", story->written++);
        memset(value + head, 'a' + (int)(i % 26), (size_t)(LARGE - head));
        memcpy(value + LARGE, "\"", 2);
        uint32_t leader = sim_await_leader(story->sim, SECONDS(10));
        struct sim_call call = sim_put(story->sim, leader, &(struct sim_put){ .key = key, .value = value });
        assert_int_equal(sim_await(story->sim, call, SECONDS(10)), STATUS_OK);
    }
    memory_free(value);
}

/* A follower that needs a snapshot, and is about to come back. */
static uint32_t leave_behind(struct story *story)
{
    uint32_t away = follower(story->sim);
    write_some(story, 5);
    sim_kill(story->sim, away);
    write_large(story);
    write_some(story, 60);
    sim_run(story->sim, SECONDS(30)); /* It counts as gone, and the others compact. */
    return away;
}

static void assert_brought(struct story *story, uint32_t node)
{
    settle(story);
    assert_true(sim_loads(story->sim, node) > 0);
    finish(story);
}

static void a_stream_survives_loss_and_repetition(void **unused) /* FLT19 */
{
    (void)unused;
    struct story story = begin((struct sim_options){ .seed = 3,
                                                     .loss_permille = 100,
                                                     .duplicate_permille = 200,
                                                     .straggler_permille = 50,
                                                     .latency_max_ns = MILLISECONDS(20) });
    uint32_t away = leave_behind(&story);
    sim_start(story.sim, away);
    sim_run(story.sim, SECONDS(10));
    assert_brought(&story, away);
}

static void a_stream_that_was_cut_goes_on(void **unused) /* N2, FLT19 */
{
    (void)unused;
    struct story story = begin((struct sim_options){ .seed = 4 });
    uint32_t away = leave_behind(&story);
    sim_start(story.sim, away);
    for (uint32_t round = 0; round < 6; round++) {
        sim_run(story.sim, MILLISECONDS(40));
        sim_cut(story.sim, UINT64_C(1) << away);
        sim_run(story.sim, MILLISECONDS(700));
        sim_mend(story.sim);
    }
    assert_brought(&story, away);
}

static void another_leads_midway(void **unused) /* N4, FLT19 */
{
    (void)unused;
    for (uint32_t round = 0; round < 8; round++) {
        struct story story = begin((struct sim_options){ .seed = 50 + round });
        uint32_t away = leave_behind(&story);
        sim_start(story.sim, away);
        sim_run(story.sim, MILLISECONDS(20 + 25 * (int64_t)round));
        uint32_t leader = sim_await_leader(story.sim, SECONDS(10));
        sim_kill(story.sim, leader);
        sim_run(story.sim, SECONDS(2));
        sim_start(story.sim, leader);
        assert_brought(&story, away);
    }
}

/* Every kind of death, at each of its writes in turn: before, within and after each chunk and the flip. */
static void the_receiver_dies_at_any_write(void **unused) /* N2, FLT7 */
{
    (void)unused;
    static const enum log_memory_fault faults[] = { LOG_MEMORY_LOSE, LOG_MEMORY_KEEP };
    for (uint32_t round = 0; round < 6; round++) {
        struct story story = begin((struct sim_options){ .seed = 70 + round });
        uint32_t away = leave_behind(&story);
        sim_start(story.sim, away);
        for (uint32_t death = 0; death < 12; death++) {
            sim_run(story.sim, MILLISECONDS(15 + 9 * (int64_t)round));
            sim_kill_at_write(story.sim, away, faults[(death + round) % ARRAY_COUNT(faults)]);
            sim_run(story.sim, MILLISECONDS(500)); /* It starts again by itself. */
        }
        assert_brought(&story, away);
    }
}

/* Changes that run ahead of the walk (N1) go on all the time. */
static void writes_go_on_meanwhile(void **unused)
{
    (void)unused;
    struct story story = begin((struct sim_options){ .seed = 5, .latency_max_ns = MILLISECONDS(20) });
    uint32_t away = leave_behind(&story);
    sim_start(story.sim, away);
    write_large(&story);
    write_some(&story, 100);
    assert_brought(&story, away);
}

static void a_worker_that_was_away_gets_one_too(void **unused) /* Section 2 */
{
    (void)unused;
    struct story story = begin((struct sim_options){ .seed = 6, .workers = 2 });
    uint32_t worker = sim_worker(story.sim, 0);
    assert_true(sim_workers_are_level(story.sim, SECONDS(10)));
    sim_kill(story.sim, worker);
    write_large(&story);
    write_some(&story, 60);
    sim_run(story.sim, SECONDS(20));
    sim_start(story.sim, worker);
    write_some(&story, 20);
    assert_true(sim_workers_are_level(story.sim, SECONDS(20)));
    assert_true(sim_loads(story.sim, worker) > 0);
    settle(&story);
    finish(&story);
}

/* F4: its state is another than that of the others, and nothing but their word can tell. */
static void a_state_that_differs_is_given_up(void **unused) /* F4, T5, T6 */
{
    (void)unused;
    for (uint32_t round = 0; round < 4; round++) {
        struct story story =
            begin((struct sim_options){ .seed = 90 + round, .core = { .checkpoint_entries = 20 } });
        uint32_t away = follower(story.sim);
        write_some(&story, 50);
        settle(&story);
        assert_true(sim_stop(story.sim, away));
        assert_true(sim_diverge(story.sim, away, round));
        sim_start(story.sim, away);
        write_some(&story, 60); /* At the next CHECKPOINT it ends, and starts again without a state. */
        sim_run(story.sim, SECONDS(5));
        assert_true(sim_loads(story.sim, away) > 0);
        write_some(&story, 30);
        settle(&story); /* From the snapshot on it is compared again (K5). */
        finish(&story);
    }
}

static void remove_leaving_four(struct sim *sim, uint32_t node)
{
    struct message *message = wire_message_create(KIND_NODE_REMOVE_REQUEST);
    Pb__NodeRemoveRequest *request = message->body;
    request->node = wire_string(message, sim_node_name(sim, node));
    request->force = true;
    request->allow_even = true;
    struct sim_call call = sim_ask(sim, sim_leader(sim), TO_COMMAND_GATEWAY, &message, SECONDS(30));
    assert_int_equal(sim_await(sim, call, SECONDS(30)), STATUS_OK);
}

/* Two of four have one state, two another: nobody may say which is right, so all stop. */
static void two_against_two_all_stop(void **unused) /* F4 */
{
    (void)unused;
    struct story story =
        begin((struct sim_options){ .seed = 95, .voters = 5, .core = { .checkpoint_entries = 40 } });
    struct sim *sim = story.sim;
    sim_run(sim, SECONDS(2));
    uint32_t leader = sim_leader(sim);
    uint32_t gone = (leader + 1) % 5;
    remove_leaving_four(sim, gone);
    write_some(&story, 10);
    settle(&story);
    uint32_t others[] = { (leader + 2) % 5, (leader + 3) % 5 };
    for (size_t i = 0; i < ARRAY_COUNT(others); i++)
        assert_true(sim_stop(sim, others[i]));
    sim_expect_split(sim);
    for (size_t i = 0; i < ARRAY_COUNT(others); i++) {
        assert_true(sim_diverge(sim, others[i], 7)); /* The same of both: they are of one mind. */
        sim_start(sim, others[i]);
    }
    uint64_t ended = 0;
    for (uint32_t i = 0; i < 400 && __builtin_popcountll(ended) < 4;
         i++) { /* Till a CHECKPOINT is applied. */
        char command[64];
        (void)snprintf(command, sizeof command, "kv put again/%u split-%u", i, i);
        uint32_t asked = sim_leader(sim) == SIM_NOBODY ? leader : sim_leader(sim);
        (void)sim_command(sim, asked, command);
        sim_run(sim, MILLISECONDS(50));
        for (uint32_t n = 0; n < 5; n++)
            if (sim_restarts(sim, n)) ended |= UINT64_C(1) << n;
    }
    assert_int_equal(__builtin_popcountll(ended), 4);
    assert_int_equal(ended & (UINT64_C(1) << gone), 0);
    finish(&story);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_log_is_compacted),
        cmocka_unit_test(who_was_away_too_long_gets_a_snapshot),
        cmocka_unit_test(a_stream_survives_loss_and_repetition),
        cmocka_unit_test(a_stream_that_was_cut_goes_on),
        cmocka_unit_test(another_leads_midway),
        cmocka_unit_test(the_receiver_dies_at_any_write),
        cmocka_unit_test(writes_go_on_meanwhile),
        cmocka_unit_test(a_worker_that_was_away_gets_one_too),
        cmocka_unit_test(a_state_that_differs_is_given_up),
        cmocka_unit_test(two_against_two_all_stop),
    };
    return cmocka_run_group_tests_name("snapshot", tests, NULL, NULL);
}
