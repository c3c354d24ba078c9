/* Goal: the Raft core keeps proof.md's S invariants under every fault, and leads again once they end.
 * Method: a swarm of seeds over replicas of the core alone (tests/support/raft_swarm); in builds with planted
 * bugs the unchanged swarm must find each of them. RAFT_SEED=N replays one seed, RAFT_SEEDS=N runs so many.
 */
#include "tests/support/raft_swarm.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SEEDS = 300, SEEDS_TWICE = 10, SEEDS_TO_FIND_A_BUG = 200 };

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

static void print_counts(const struct swarm_counts *sum)
{
#define PRINT_COUNT(name) print_message("%s %" PRIu64 ", ", #name, sum->name);
    SWARM_COUNTS(PRINT_COUNT)
#undef PRINT_COUNT
    print_message("\n");
}

static void invariants_hold_under_faults(void **unused)
{
    (void)unused;
    struct swarm_counts sum = { 0 };
    uint64_t first = number_from("RAFT_SEED", 1);
    uint64_t count = getenv("RAFT_SEED") != NULL ? 1 : number_from("RAFT_SEEDS", SEEDS);
    uint64_t failures = 0;
    for (uint64_t seed = first; seed < first + count; seed++) {
        struct swarm_result result;
        swarm_run(&(struct swarm_options){ .seed = seed, .trace = getenv("RAFT_TRACE") != NULL }, &result);
        swarm_counts_add(&sum, &result.counts);
        if (!result.failed) continue;
        print_message("seed %" PRIu64 " %s\n  replay: RAFT_SEED=%" PRIu64 " test.sim.raft_core\n", seed,
                      result.failure, seed);
        failures++;
    }
    print_counts(&sum);
    assert_int_equal(failures, 0);
    if (count < SEEDS) return;
    assert_true(sum.truncations > count); /* The faults were there. */
    assert_true(sum.crashes > count);
    assert_true(sum.lost_batches > count);
    assert_true(sum.log_reads > count);
    assert_true(sum.log_applies > 0);
    assert_true(sum.messages_lost > count);
    assert_true(sum.messages_doubled > count);
    assert_true(sum.reads_answered > count);
    assert_true(sum.isolations > 0);
}

static void one_seed_gives_one_trace(void **unused)
{
    (void)unused;
    for (uint64_t seed = 1; seed <= SEEDS_TWICE; seed++) {
        struct swarm_result once;
        struct swarm_result again;
        swarm_run(&(struct swarm_options){ .seed = seed }, &once);
        swarm_run(&(struct swarm_options){ .seed = seed }, &again);
        assert_true(once.trace_hash == again.trace_hash);
        assert_true(once.counts.events == again.counts.events);
    }
}

#if AETHER_MUTANTS
static void must_be_found(enum core_mutant mutant, const char *invariant)
{
    for (uint64_t seed = 1; seed <= SEEDS_TO_FIND_A_BUG; seed++) {
        struct swarm_result result;
        swarm_run(&(struct swarm_options){ .seed = seed, .mutant = mutant }, &result);
        if (!result.failed) continue;
        print_message("found by seed %" PRIu64 " %s\n", seed, result.failure);
        assert_non_null(strstr(result.failure, invariant));
        return;
    }
    fail_msg("the planted bug was not found in %d seeds", SEEDS_TO_FIND_A_BUG);
}

static void old_term_by_counting_is_found(void **unused)
{
    (void)unused;
    must_be_found(CORE_MUTANT_OLD_TERM_BY_COUNTING, "S9");
}

static void acknowledgement_before_sync_is_found(void **unused)
{
    (void)unused;
    must_be_found(CORE_MUTANT_ACK_BEFORE_SYNC, "S8");
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(invariants_hold_under_faults),
        cmocka_unit_test(one_seed_gives_one_trace),
#if AETHER_MUTANTS
        cmocka_unit_test(old_term_by_counting_is_found),
        cmocka_unit_test(acknowledgement_before_sync_is_found),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
