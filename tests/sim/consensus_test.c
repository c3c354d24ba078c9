/* Goal: the promises of the consensus store hold on whole nodes: their actors, a network that cuts and loses,
 * disks that forget what was not committed.
 * Method: one story by hand for each promise. The invariants of consensus.md section 13 are checked by the
 * simulator after every turn; a story asserts only what is its own. */
#include "nodes/sim/sim.h"
#include "wire/kinds.h"
#include "wire/local.h"
#include "wire/proto/cluster.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct sim *begin(const struct sim_options *options)
{
    struct sim_options mine = *options;
    const char *seed = getenv("AETHER_SEED");
    mine.seed = seed == NULL ? 1 : strtoull(seed, NULL, 10);
    mine.verbose = getenv("AETHER_VERBOSE") != NULL;
    return sim_create(&mine);
}

static void end(struct sim **sim)
{
    if (sim_failure(*sim) != NULL) fail_msg("%s", sim_failure(*sim));
    sim_destroy(sim);
}

static uint32_t await_leader(struct sim *sim)
{
    uint32_t leader = sim_await_leader(sim, SECONDS(5));
    assert_int_not_equal(leader, SIM_NOBODY);
    return leader;
}

static enum status run(struct sim *sim, uint32_t node, const char *command)
{
    return sim_await(sim, sim_command(sim, node, command), SECONDS(10));
}

static void assert_holds(struct sim *sim, uint32_t node, const char *key, const char *value)
{
    struct sim_call get = sim_get(sim, node, &(struct sim_get){ .key = key });
    assert_int_equal(sim_await(sim, get, SECONDS(10)), STATUS_OK);
    assert_string_equal(sim_call_value(sim, get), value);
}

static void assert_settles(struct sim *sim)
{
    bool settled = sim_settles(sim, SECONDS(10));
    if (sim_failure(sim) != NULL) fail_msg("%s", sim_failure(sim));
    assert_true(settled);
}

/* --- serving --- */

static void one_node_serves(void **unused) /* Q2: a single voter answers at once. */
{
    (void)unused;
    struct sim *sim = begin(&(struct sim_options){ .voters = 1 });
    assert_int_equal(await_leader(sim), 0);
    assert_int_equal(run(sim, 0, "kv put colour red"), STATUS_OK);
    assert_holds(sim, 0, "colour", "\"red\"");
    assert_int_equal(run(sim, 0, "kv get shape"), STATUS_NOT_FOUND);
    assert_int_equal(run(sim, 0, "kv delete colour"), STATUS_OK);
    assert_int_equal(run(sim, 0, "kv get colour --stale"), STATUS_NOT_FOUND);
    assert_settles(sim);
    end(&sim);
}

static void every_node_takes_writes_and_reads(
    void **unused) /* Followers forward, and ask for an index (Q1). */
{
    (void)unused;
    struct sim *sim = begin(&(struct sim_options){ .voters = 3 });
    (void)await_leader(sim);
    assert_true(sim_now_ns(sim) < MILLISECONDS(600)); /* From cold to leader. */
    for (uint32_t i = 0; i < 3; i++) {
        char key[16];
        char value[16];
        (void)snprintf(key, sizeof key, "key%u", i);
        (void)snprintf(value, sizeof value, "\"v%u\"", i);
        struct sim_call put = sim_put(sim, i, &(struct sim_put){ .key = key, .value = value });
        assert_int_equal(sim_await(sim, put, SECONDS(5)), STATUS_OK);
        for (uint32_t j = 0; j < 3; j++)
            assert_holds(sim, j, key, value);
    }
    assert_settles(sim);
    end(&sim);
}

static void conflict_names_both_revisions(void **unused) /* A1 */
{
    (void)unused;
    struct sim *sim = begin(&(struct sim_options){ .voters = 3 });
    uint32_t leader = await_leader(sim);
    struct sim_call first = sim_command(sim, leader, "kv put colour red --if-rev 0");
    assert_int_equal(sim_await(sim, first, SECONDS(5)), STATUS_OK);
    assert_int_equal(run(sim, leader, "kv put colour blue --if-rev 0"), STATUS_CONFLICT);
    struct sim_call wrong =
        sim_put(sim, leader,
                &(struct sim_put){ .key = "colour", .value = "\"green\"", .has_if_rev = true, .if_rev = 1 });
    assert_int_equal(sim_await(sim, wrong, SECONDS(5)), STATUS_CONFLICT);
    char actual[64];
    (void)snprintf(actual, sizeof actual, "at revision %llu",
                   (unsigned long long)sim_call_revision(sim, first));
    const char *message = sim_call_error(sim, wrong)->message;
    if (strstr(message, actual) == NULL) fail_msg("%s", message);
    if (strstr(message, "expected was revision 1") == NULL) fail_msg("%s", message);
    assert_non_null(strstr(sim_call_error(sim, wrong)->hint, "read it again"));
    struct sim_call right = sim_put(sim, leader,
                                    &(struct sim_put){ .key = "colour",
                                                       .value = "\"white\"",
                                                       .has_if_rev = true,
                                                       .if_rev = sim_call_revision(sim, first) });
    assert_int_equal(sim_await(sim, right, SECONDS(5)), STATUS_OK);
    assert_holds(sim, (leader + 1) % 3, "colour", "\"white\"");
    assert_settles(sim);
    end(&sim);
}

static void a_read_waits_for_its_revision(void **unused) /* --after */
{
    (void)unused;
    struct sim *sim = begin(&(struct sim_options){ .voters = 3 });
    uint32_t leader = await_leader(sim);
    uint32_t behind = (leader + 1) % 3;
    sim_cut(sim, UINT64_C(1) << behind);
    struct sim_call put = sim_command(sim, leader, "kv put colour red");
    assert_int_equal(sim_await(sim, put, SECONDS(5)), STATUS_OK);
    uint64_t revision = sim_call_revision(sim, put);
    struct sim_get get = {
        .key = "colour", .stale = true, .after = revision, .timeout_ns = MILLISECONDS(400)
    };
    struct sim_call early = sim_get(sim, behind, &get);
    assert_int_equal(sim_await(sim, early, SECONDS(5)), STATUS_DEADLINE);
    if (strstr(sim_call_error(sim, early)->message, "not visible here yet") == NULL) {
        fail_msg("%s", sim_call_error(sim, early)->message);
    }
    get.timeout_ns = SECONDS(8);
    struct sim_call patient = sim_get(sim, behind, &get);
    sim_run(sim, MILLISECONDS(100));
    assert_false(sim_has_ended(sim, patient));
    sim_heal(sim);
    assert_int_equal(sim_await(sim, patient, SECONDS(8)), STATUS_OK);
    assert_string_equal(sim_call_value(sim, patient), "\"red\"");
    assert_settles(sim);
    end(&sim);
}

static void a_cut_off_node_reads_stale_only(void **unused) /* Q3; no leader: changes answer NO_LEADER. */
{
    (void)unused;
    struct sim *sim = begin(&(struct sim_options){ .voters = 3 });
    uint32_t leader = await_leader(sim);
    assert_int_equal(run(sim, leader, "kv put colour red"), STATUS_OK);
    assert_settles(sim);
    sim_cut(sim, UINT64_C(1) << leader);
    sim_run(sim, SECONDS(4)); /* E6: it has noticed. */
    assert_int_equal(run(sim, leader, "kv get colour --stale"), STATUS_OK);
    assert_int_equal(run(sim, leader, "kv get colour"), STATUS_NO_LEADER);
    assert_int_equal(run(sim, leader, "kv put colour blue"), STATUS_NO_LEADER);
    sim_heal(sim);
    assert_settles(sim);
    assert_holds(sim, leader, "colour", "\"red\"");
    end(&sim);
}

/* --- leaders come and go --- */

static void lone_leader_acknowledges_nothing(void **unused) /* E6, R7, R9 */
{
    (void)unused;
    struct sim *sim = begin(&(struct sim_options){
        .voters = 5, .latency_min_ns = MILLISECONDS(1), .latency_max_ns = MILLISECONDS(20) });
    uint32_t old = await_leader(sim);
    /* A session for the writer, so that the orphan is an entry and not the opening of one. */
    assert_int_equal(run(sim, old, "kv put colour white"), STATUS_OK);
    sim_cut(sim, UINT64_C(1) << old); /* The old leader alone on one side. */
    struct sim_call orphan = sim_command(sim, old, "kv put colour red");
    uint32_t new = sim_await_leader_other_than(sim, old, SECONDS(10));
    assert_int_not_equal(new, SIM_NOBODY);
    assert_true(sim_disk_holds(sim, old, "red"));
    assert_int_equal(run(sim, new, "kv put colour blue"), STATUS_OK);
    assert_int_equal(sim_await(sim, orphan, SECONDS(10)), STATUS_UNKNOWN); /* Never OK, never "failed". */
    sim_heal(sim);
    assert_settles(sim);
    assert_false(sim_log_holds(sim, "red")); /* On no node, from now on. */
    assert_holds(sim, old, "colour", "\"blue\"");
    end(&sim);
}

static void acknowledged_writes_outlive_their_leader(void **unused) /* K3 */
{
    (void)unused;
    struct sim *sim = begin(&(struct sim_options){ .voters = 3 });
    uint32_t old = await_leader(sim);
    struct sim_call puts[20];
    for (uint32_t i = 0; i < ARRAY_COUNT(puts); i++) {
        char command[64];
        (void)snprintf(command, sizeof command, "kv put key%u value%u", i % 7, i);
        puts[i] = sim_command(sim, i % 3, command);
    }
    assert_int_equal(sim_await(sim, puts[0], SECONDS(5)), STATUS_OK);
    int64_t killed_ns = sim_now_ns(sim);
    sim_kill(sim, old);
    uint32_t new = sim_await_leader_other_than(sim, old, SECONDS(5));
    assert_int_not_equal(new, SIM_NOBODY);
    assert_true(sim_now_ns(sim) - killed_ns < MILLISECONDS(600)); /* E8: the broken connection is the hint. */
    for (uint32_t i = 0; i < ARRAY_COUNT(puts); i++) { /* Through sessions: those of live nodes end well. */
        enum status status = sim_await(sim, puts[i], SECONDS(10));
        if (i % 3 != old) assert_int_equal(status, STATUS_OK);
    }
    assert_settles(sim);
    sim_start(sim, old);
    assert_settles(sim);
    assert_int_equal(run(sim, old, "kv put after value"), STATUS_OK);
    assert_settles(sim);
    end(&sim);
}

static void all_die_and_come_back(void **unused) /* FLT8, K3, K5 */
{
    (void)unused;
    struct sim *sim = begin(&(struct sim_options){ .voters = 3 });
    (void)await_leader(sim);
    for (uint32_t i = 0; i < 10; i++) {
        char command[64];
        (void)snprintf(command, sizeof command, "kv put key%u value%u", i, i);
        assert_int_equal(run(sim, i % 3, command), STATUS_OK);
    }
    for (uint32_t i = 0; i < 3; i++)
        sim_kill(sim, i);
    sim_run(sim, SECONDS(1));
    for (uint32_t i = 0; i < 3; i++)
        sim_start(sim, i);
    int64_t started_ns = sim_now_ns(sim);
    (void)await_leader(sim);
    assert_true(sim_now_ns(sim) - started_ns < MILLISECONDS(600));
    assert_settles(sim); /* The checkers compare the state with what it was at each index. */
    assert_holds(sim, 1, "key7", "\"value7\"");
    end(&sim);
}

static void a_stopping_leader_hands_over(void **unused) /* E9 */
{
    (void)unused;
    struct sim *sim = begin(&(struct sim_options){ .voters = 3 });
    uint32_t old = await_leader(sim);
    assert_int_equal(run(sim, old, "kv put colour red"), STATUS_OK);
    assert_settles(sim);
    int64_t stopped_ns = sim_now_ns(sim);
    assert_true(sim_stop(sim, old));
    assert_int_not_equal(sim_await_leader_other_than(sim, old, SECONDS(5)), SIM_NOBODY);
    assert_true(sim_now_ns(sim) - stopped_ns < MILLISECONDS(100)); /* Nobody had to time out. */
    sim_start(sim, old);
    assert_settles(sim);
    end(&sim);
}

static void leadership_is_transferred_on_request(void **unused) /* E9 */
{
    (void)unused;
    struct sim *sim = begin(&(struct sim_options){ .voters = 3 });
    uint32_t old = await_leader(sim);
    uint32_t target = (old + 2) % 3;
    struct message *wish = message_create(KIND_TRANSFER_LEADERSHIP, sizeof(struct transfer_leadership));
    (void)snprintf(((struct transfer_leadership *)wish->body)->node, NODE_NAME_MAX, "%s",
                   sim_node_name(sim, target));
    struct sim_call call = sim_ask(sim, old, TO_LEADER, &wish, SECONDS(5));
    assert_int_equal(sim_await(sim, call, SECONDS(5)), STATUS_OK);
    assert_int_equal(sim_await_leader_other_than(sim, old, SECONDS(5)), target);
    assert_settles(sim);
    wish = message_create(KIND_TRANSFER_LEADERSHIP, sizeof(struct transfer_leadership));
    call = sim_ask(sim, old, TO_LEADER, &wish, SECONDS(5));
    assert_int_equal(sim_await(sim, call, SECONDS(5)), STATUS_NOT_LEADER);
    end(&sim);
}

/* A4: the reply is lost, the command is sent again, and applied once (K9: the checkers compare revisions). */
static void a_repeated_command_is_applied_once(void **unused)
{
    (void)unused;
    struct sim *sim = begin(&(struct sim_options){ .voters = 3 });
    uint32_t leader = await_leader(sim);
    uint32_t asker = (leader + 1) % 3;
    assert_int_equal(run(sim, asker, "kv put other first"), STATUS_OK);
    sim_cut_link(sim, leader, asker);
    struct sim_call put = sim_command(sim, asker, "kv put colour red");
    sim_run(sim, MILLISECONDS(300));
    assert_true(sim_disk_holds(sim, leader, "red"));
    assert_false(sim_has_ended(sim, put));
    sim_run(sim, SECONDS(1));
    sim_heal(sim);
    assert_int_equal(sim_await(sim, put, SECONDS(10)), STATUS_OK);
    struct sim_call get = sim_command(sim, asker, "kv get colour");
    assert_int_equal(sim_await(sim, get, SECONDS(5)), STATUS_OK);
    assert_int_equal(sim_call_revision(sim, get), sim_call_revision(sim, put));
    const Pb__KvGetReply *reply = sim_call_reply(sim, get)->body;
    assert_int_equal(reply->record->version, 1);
    assert_settles(sim);
    end(&sim);
}

/* F1: a node whose disk fails, or that dies around a transaction, acknowledges nothing that isn't there. */
static void nodes_die_around_a_write(void **unused)
{
    (void)unused;
    static const enum log_memory_fault faults[] = { LOG_MEMORY_FAIL, LOG_MEMORY_LOSE, LOG_MEMORY_GUARD_ONLY,
                                                    LOG_MEMORY_KEEP };
    struct sim *sim = begin(&(struct sim_options){ .voters = 3 });
    for (uint32_t i = 0; i < ARRAY_COUNT(faults); i++) {
        for (uint32_t who = 0; who < 2; who++) {
            uint32_t victim = (await_leader(sim) + who) % 3;
            sim_kill_at_write(sim, victim, faults[i]);
            char command[64];
            (void)snprintf(command, sizeof command, "kv put colour red%u-%u", i, who);
            (void)run(sim, victim, command);
            assert_settles(sim); /* It was started again 300 ms after its end. */
        }
    }
    end(&sim);
}

/* --- founding (I2) --- */

static const char *const *lists_that_differ(uint32_t node, uint32_t *out_count)
{
    static const char *const all[] = { "node-1", "node-2", "node-3" };
    static const char *const others[] = { "node-2", "node-3", "node-4" };
    *out_count = 3;
    return node == 2 ? others : all;
}

static void two_lists_refuse_each_other(void **unused)
{
    (void)unused;
    struct sim *sim = begin(&(struct sim_options){ .voters = 3, .bootstrap = lists_that_differ });
    assert_int_equal(sim_await_leader(sim, SECONDS(10)), SIM_NOBODY);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(sim_applied(sim, i), 0);
    end(&sim);
}

static void nobody_founds_before_all_answered(void **unused)
{
    (void)unused;
    struct sim *sim = begin(&(struct sim_options){ .voters = 3, .no_start = true });
    sim_start(sim, 0);
    sim_start(sim, 1);
    assert_int_equal(sim_await_leader(sim, SECONDS(10)), SIM_NOBODY);
    sim_start(sim, 2);
    (void)await_leader(sim);
    assert_settles(sim);
    end(&sim);
}

/* The founder dies at each point of its first writes; whoever comes back, there is one cluster. */
static void founding_survives_a_death_at_each_step(void **unused)
{
    (void)unused;
    static const enum log_memory_fault faults[] = { LOG_MEMORY_LOSE, LOG_MEMORY_GUARD_ONLY, LOG_MEMORY_KEEP };
    for (uint32_t who = 0; who < 3; who++) {
        for (uint32_t i = 0; i < ARRAY_COUNT(faults); i++) {
            struct sim *sim = begin(&(struct sim_options){ .voters = 3 });
            sim_kill_at_write(sim, who, faults[i]);
            sim_run(sim, SECONDS(2));
            (void)await_leader(sim);
            assert_settles(sim); /* One leader that all agree on: one cluster. */
            end(&sim);
        }
    }
}

/* I2: nobody votes before it holds index 1; who missed the founding is handed it by any holder. */
static void a_late_node_is_handed_the_cluster(void **unused)
{
    (void)unused;
    struct sim *sim = begin(&(struct sim_options){ .voters = 3 });
    sim_kill_at_write(sim, 2, LOG_MEMORY_LOSE); /* Answers WHO, dies before it holds index 1. */
    uint32_t leader = await_leader(sim);
    assert_int_equal(run(sim, leader, "kv put colour red"), STATUS_OK);
    assert_settles(sim);
    assert_holds(sim, 2, "colour", "\"red\"");
    end(&sim);
}

/* I1: an emptied directory is a new replica: it has no vote to contradict, and waits to be taken in. */
static void a_wiped_node_stays_out(void **unused)
{
    (void)unused;
    struct sim *sim = begin(&(struct sim_options){ .voters = 3 });
    uint32_t leader = await_leader(sim);
    assert_int_equal(run(sim, leader, "kv put colour red"), STATUS_OK);
    uint32_t victim = (leader + 1) % 3;
    sim_kill(sim, victim);
    sim_wipe(sim, victim);
    sim_start(sim, victim);
    sim_run(sim, SECONDS(3));
    assert_int_equal(sim_applied(sim, victim), 0);
    struct core_status status;
    sim_status(sim, victim, &status);
    assert_int_equal(status.hard.term, 0); /* No core: it takes part in nothing. */
    assert_int_equal(run(sim, leader, "kv put colour blue"), STATUS_OK);
    end(&sim);
}

/* --- watches --- */

static struct sim_call watch(struct sim *sim, uint32_t node, uint64_t from, uint64_t wait_ms)
{
    struct message *message = wire_message_create(KIND_KV_WATCH_REQUEST);
    Pb__KvWatchRequest *request = message->body;
    request->prefix = wire_string(message, "w/");
    if (from != 0) {
        request->has_from_case = PB__KV_WATCH_REQUEST__HAS_FROM_FROM;
        request->from = from;
    }
    request->has_wait_case = PB__KV_WATCH_REQUEST__HAS_WAIT_WAIT_MS;
    request->wait_ms = wait_ms;
    return sim_ask(sim, node, TO_STATE, &message, SECONDS(20));
}

static void a_watch_sees_each_change_once(void **unused) /* A6 */
{
    (void)unused;
    struct sim *sim = begin(&(struct sim_options){ .voters = 3 });
    uint32_t leader = await_leader(sim);
    uint32_t node = (leader + 1) % 3;
    struct sim_call waiting = watch(sim, node, 0, 10000);
    sim_run(sim, MILLISECONDS(50));
    assert_int_equal(run(sim, leader, "kv put other x"), STATUS_OK);
    assert_int_equal(run(sim, leader, "kv put w/a 1"), STATUS_OK);
    assert_int_equal(sim_await(sim, waiting, SECONDS(5)), STATUS_OK);
    const Pb__KvWatchReply *reply = sim_call_reply(sim, waiting)->body;
    assert_int_equal(reply->n_events, 1);
    assert_string_equal(reply->events[0]->record->key, "w/a");
    assert_null(reply->events[0]->previous);
    assert_int_equal(run(sim, leader, "kv put w/a 2"), STATUS_OK);
    assert_int_equal(run(sim, leader, "kv delete w/a"), STATUS_OK);
    assert_settles(sim);
    struct sim_call resumed = watch(sim, node, reply->next_revision, 10000);
    assert_int_equal(sim_await(sim, resumed, SECONDS(5)), STATUS_OK);
    reply = sim_call_reply(sim, resumed)->body;
    assert_int_equal(reply->n_events, 2);
    assert_memory_equal(reply->events[0]->previous->value.data, "\"1\"", 3);
    assert_memory_equal(reply->events[0]->record->value.data, "\"2\"", 3);
    assert_true(reply->events[1]->deleted);
    struct sim_call quiet = watch(sim, node, reply->next_revision, 100);
    assert_int_equal(sim_await(sim, quiet, SECONDS(5)), STATUS_OK);
    assert_int_equal(((const Pb__KvWatchReply *)sim_call_reply(sim, quiet)->body)->n_events, 0);
    end(&sim);
}

/* Forty values of 200 KB are more than a frame: they come in several answers, each change once (A6). */
static void a_watch_answer_fits_into_a_frame(void **unused)
{
    (void)unused;
    enum { SIZE = 200 * 1000, COUNT = 40 };
    struct sim *sim = begin(&(struct sim_options){ .voters = 1 });
    uint32_t node = await_leader(sim);
    char *value = calloc(1, SIZE + 3);
    memset(value, 'x', SIZE + 2);
    value[0] = value[SIZE + 1] = '"';
    for (uint32_t i = 0; i < COUNT; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "w/%02u", i);
        memcpy(value + 1, key + 2, 2); /* Values are unique. */
        struct sim_call put = sim_put(sim, node, &(struct sim_put){ .key = key, .value = value });
        assert_int_equal(sim_await(sim, put, SECONDS(5)), STATUS_OK);
    }
    free(value);
    uint64_t next = 1;
    uint32_t answers = 0;
    for (uint32_t seen = 0; seen < COUNT; answers++) {
        struct sim_call call = watch(sim, node, next, 10);
        assert_int_equal(sim_await(sim, call, SECONDS(5)), STATUS_OK);
        const Pb__KvWatchReply *reply = sim_call_reply(sim, call)->body;
        assert_true(reply->n_events > 0);
        assert_true(pb__kv_watch_reply__get_packed_size(reply) < 4 * 1024 * 1024 - 1024);
        for (size_t i = 0; i < reply->n_events; i++, seen++) {
            char key[16];
            (void)snprintf(key, sizeof key, "w/%02u", seen);
            assert_string_equal(reply->events[i]->record->key, key);
        }
        next = reply->next_revision;
    }
    assert_true(answers > 1);
    struct message *message = wire_message_create(KIND_KV_DELETE_REQUEST);
    Pb__KvDeleteRequest *request = message->body;
    request->key = wire_string(message, "w/");
    request->prefix = true;
    struct sim_call deletion = sim_ask(sim, node, TO_PROPOSER, &message, SECONDS(5));
    assert_int_equal(sim_await(sim, deletion, SECONDS(5)), STATUS_OK);
    uint64_t revision = sim_call_revision(sim, deletion);
    struct sim_call large = watch(sim, node, next, 10); /* One revision, with all the values before: 8 MB. */
    assert_int_equal(sim_await(sim, large, SECONDS(5)), STATUS_NOT_FOUND);
    char resume[64];
    (void)snprintf(resume, sizeof resume, "watch from revision %llu", (unsigned long long)revision + 1);
    if (strstr(sim_call_error(sim, large)->hint, resume) == NULL)
        fail_msg("%s", sim_call_error(sim, large)->hint);
    assert_int_equal(sim_await(sim, watch(sim, node, revision + 1, 10), SECONDS(5)), STATUS_OK);
    end(&sim);
}

/* --- what people are told --- */

static void a_refusal_says_what_to_do(void **unused)
{
    (void)unused;
    struct sim *sim = begin(&(struct sim_options){ .voters = 3 });
    uint32_t leader = await_leader(sim);
    for (uint32_t node = 0; node < 3; node++) {
        char command[32];
        (void)snprintf(command, sizeof command, "kv put nodes/n9 x%u", node);
        struct sim_call put = sim_command(sim, (leader + node) % 3, command);
        assert_int_equal(sim_await(sim, put, SECONDS(5)), STATUS_DENIED);
        assert_non_null(strstr(sim_call_error(sim, put)->hint, "--force"));
    }
    end(&sim);
}

static void status_tells_who_is_who(void **unused)
{
    (void)unused;
    struct sim *sim = begin(&(struct sim_options){ .voters = 3 });
    uint32_t leader = await_leader(sim);
    assert_settles(sim);
    log_index settled = sim_applied(sim, leader);
    sim_run(sim, MILLISECONDS(100)); /* The last acknowledgements come in. */
    for (uint32_t i = 0; i < 3; i++) {
        struct message *message = message_create(KIND_CONSENSUS_STATUS, 0);
        struct sim_call call = sim_ask(sim, i, TO_LEADER, &message, SECONDS(1));
        assert_int_equal(sim_await(sim, call, SECONDS(1)), STATUS_OK);
        const struct consensus_status_reply *reply = sim_call_reply(sim, call)->body;
        assert_string_equal(reply->node, sim_node_name(sim, i));
        assert_string_equal(reply->leader, sim_node_name(sim, leader));
        assert_int_equal(reply->role, i == leader ? CONSENSUS_LEADER : CONSENSUS_FOLLOWER);
        assert_int_equal(reply->member_count, 3);
        assert_true(reply->commit >= 2); /* The configuration and the no-op. */
        assert_int_equal(reply->configuration_index, 1);
        for (uint32_t m = 0; m < 3 && i == leader; m++) {
            assert_true(reply->members[m].voter);
            assert_true(reply->members[m].match >= settled);
        }
    }
    end(&sim);
}

static void a_read_barrier_is_fresh(void **unused) /* Q1 */
{
    (void)unused;
    struct sim *sim = begin(&(struct sim_options){ .voters = 3 });
    uint32_t leader = await_leader(sim);
    struct sim_call put = sim_command(sim, leader, "kv put colour red");
    assert_int_equal(sim_await(sim, put, SECONDS(5)), STATUS_OK);
    struct message *message = message_create(KIND_READ_BARRIER, 0);
    struct sim_call call = sim_ask(sim, (leader + 1) % 3, TO_STATE, &message, SECONDS(5));
    assert_int_equal(sim_await(sim, call, SECONDS(5)), STATUS_OK);
    const struct read_barrier_reply *reply = sim_call_reply(sim, call)->body;
    assert_true(reply->revision >= sim_call_revision(sim, put));
    assert_true(reply->term > 0);
    end(&sim);
}

int main(int argc, char **argv) /* [PATTERN of tests] */
{
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_node_serves),
        cmocka_unit_test(every_node_takes_writes_and_reads),
        cmocka_unit_test(conflict_names_both_revisions),
        cmocka_unit_test(a_read_waits_for_its_revision),
        cmocka_unit_test(a_cut_off_node_reads_stale_only),
        cmocka_unit_test(lone_leader_acknowledges_nothing),
        cmocka_unit_test(acknowledged_writes_outlive_their_leader),
        cmocka_unit_test(all_die_and_come_back),
        cmocka_unit_test(a_stopping_leader_hands_over),
        cmocka_unit_test(leadership_is_transferred_on_request),
        cmocka_unit_test(a_repeated_command_is_applied_once),
        cmocka_unit_test(nodes_die_around_a_write),
        cmocka_unit_test(two_lists_refuse_each_other),
        cmocka_unit_test(nobody_founds_before_all_answered),
        cmocka_unit_test(founding_survives_a_death_at_each_step),
        cmocka_unit_test(a_late_node_is_handed_the_cluster),
        cmocka_unit_test(a_wiped_node_stays_out),
        cmocka_unit_test(a_watch_sees_each_change_once),
        cmocka_unit_test(a_watch_answer_fits_into_a_frame),
        cmocka_unit_test(a_refusal_says_what_to_do),
        cmocka_unit_test(status_tells_who_is_who),
        cmocka_unit_test(a_read_barrier_is_fresh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
