/* Goal: the Raft core keeps proof.md's S invariants under every fault, and leads again once they end.
 * Method: a swarm of seeds over replicas of the core alone (tests/support/raft_swarm); in builds with planted
 * bugs the unchanged swarm must find each of them. RAFT_SEED=N replays one seed, RAFT_SEEDS=N runs so many.
 */
#include "runtime/base/mark.h"
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

enum { SEEDS = 300, SEEDS_TWICE = 10, SEEDS_TO_FIND_A_BUG = 2000 };

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

/* Which of the core's rare branches these seeds never took. */
static void print_marks(void)
{
    uint32_t count = 0;
    const struct mark *marks = mark_all(&count);
    for (uint32_t i = 0; i < count; i++) {
        if (marks[i].hits == 0) print_message("mark never hit: %s\n", marks[i].name);
    }
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
    print_marks();
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
    assert_true(sum.joint_changes > count);
    assert_true(sum.compactions > count);
    assert_true(sum.snapshots_installed > count / 2);
    assert_true(sum.snapshots_cancelled > 0);
    assert_true(sum.damaged_copies > 0);
    assert_true(sum.old_copies > 0);
    assert_true(sum.ticks_slept > count);
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
/* The first seed that finds it; 0: none up to `seeds`. */
static uint64_t seed_that_finds(enum core_mutant mutant, uint64_t seeds, char *out_failure, size_t size)
{
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        struct swarm_result result;
        swarm_run(&(struct swarm_options){ .seed = seed, .mutant = mutant }, &result);
        if (!result.failed) continue;
        (void)snprintf(out_failure, size, "%s", result.failure);
        return seed;
    }
    return 0;
}

/* RAFT_MUTANT=NAME looks for one; RAFT_SEEDS_FOR_A_BUG=N goes on for longer. */
static void planted_bugs_are_found(void **unused)
{
    (void)unused;
    const char *only = getenv("RAFT_MUTANT");
    uint64_t seeds = number_from("RAFT_SEEDS_FOR_A_BUG", SEEDS_TO_FIND_A_BUG);
    uint32_t count = 0;
    uint32_t missed = 0;
    const struct core_mutant_row *rows = core_mutant_all(&count);
    for (uint32_t i = 0; i < count; i++) {
        char failure[SWARM_FAILURE_MAX] = "";
        if (only != NULL && strcmp(only, rows[i].name) != 0) continue;
        uint64_t seed = seed_that_finds(rows[i].mutant, seeds, failure, sizeof failure);
        print_message("%2d %-24s %5" PRIu64 "  %s\n", (int)rows[i].mutant, rows[i].name, seed,
                      seed == 0 ? "NOT FOUND" : failure);
        missed += seed == 0 ? 1 : 0;
    }
    assert_int_equal(missed, 0);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(invariants_hold_under_faults),
        cmocka_unit_test(one_seed_gives_one_trace),
#if AETHER_MUTANTS
        cmocka_unit_test(planted_bugs_are_found),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
