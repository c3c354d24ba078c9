/* Goal: the swarm bites: each planted bug is found by the unchanged swarm, from seed 1 upward, by checkers
 * that know nothing of it (proof.md section 3). Method: one bug at a time; the core's by replicas of the core
 * alone first (T0), then, as all others, by whole nodes (T1). Only builds with AETHER_MUTANTS=1 (preset sim)
 * have the bugs in them; elsewhere this is skipped.
 *
 *   test.sim.mutants [NAME...] [--all] [--seeds N] [--jobs N]
 *
 * Without arguments: those that tests/sim/mutants.txt says are found within 50 seeds, each within four times
 * as many as it says. --all, or NAMEs: up to N seeds (10,000), one line a bug. */
#include "nodes/sim/chaos.h"
#include "runtime/base/check.h"
#include "runtime/base/text.h"
#include "tests/support/raft_swarm.h"
#include "tests/support/seeds.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEEDS_MAX = 10000, QUICK_SEEDS = 50, QUICK_TIMES = 4, CORE_SEEDS = 2000, NAME_MAX_SIZE = 64 };

struct hunt {
    struct mutant mutant;
    bool core_only; /* T0. */
};

static void on_check_failure(const char *text)
{
    (void)text; /* A worker that ends in a CHECK has found the bug; its line says so. */
}

static void run_seed(void *context, uint64_t seed, struct seed_outcome *outcome)
{
    const struct hunt *hunt = context;
    if (hunt->core_only) {
        static struct swarm_result result;
        swarm_run(&(struct swarm_options){ .seed = seed, .mutant = hunt->mutant.core }, &result);
        outcome->failed = result.failed;
        (void)snprintf(outcome->failure, sizeof outcome->failure, "%s", result.failed ? result.failure : "");
        return;
    }
    struct chaos_result result;
    chaos_run(&(struct chaos_options){ .seed = seed, .mutant = &hunt->mutant }, &result);
    outcome->failed = result.failure[0] != '\0';
    (void)snprintf(outcome->failure, sizeof outcome->failure, "%s", result.failure);
}

/* The seed that found it; 0: none did. */
static uint64_t hunt_down(const struct mutant *mutant, bool core_only, uint64_t seeds, uint32_t jobs)
{
    struct hunt hunt = { .mutant = *mutant, .core_only = core_only };
    struct seeds_sum sum;
    seeds_run(
        &(struct seeds_plan){ .first = 1, .last = seeds, .jobs = jobs, .run = run_seed, .context = &hunt },
        NULL, &sum);
    uint64_t seed = sum.failed == 0 ? 0 : sum.first.seed;
    if (seed != 0) {
        (void)printf("%-40s %s %6" PRIu64 "   %s\n", mutant->name, core_only ? "T0" : "T1", seed,
                     sum.first.failure);
        (void)fflush(stdout);
    }
    seeds_sum_fini(&sum);
    return seed;
}

static bool is_found(const struct mutant *mutant, uint64_t seeds, uint32_t jobs)
{
    bool core = mutant->core != CORE_MUTANT_NONE;
    uint64_t core_seeds = seeds < CORE_SEEDS ? seeds : CORE_SEEDS;
    if (core && hunt_down(mutant, true, core_seeds, jobs) != 0) return true;
    if (hunt_down(mutant, false, seeds, jobs) != 0) return true;
    (void)printf("%-40s -- %6s   NOT FOUND in %" PRIu64 " seeds (%s)\n", mutant->name, "-", seeds,
                 mutant->text);
    (void)fflush(stdout);
    return false;
}

/* --- what CI asks: the quick ones of the list --- */

static bool run_quick_line(const char *line, uint32_t jobs)
{
    char name[NAME_MAX_SIZE];
    char tier[8];
    uint64_t seeds = 0;
    if (line[0] == '#' || sscanf(line, "%63s %7s %" SCNu64, name, tier, &seeds) != 3) return true;
    if (seeds > QUICK_SEEDS) return true;
    struct mutant mutant;
    if (!mutants_find(name, &mutant)) {
        (void)printf("%-40s is in tests/sim/mutants.txt and in no code\n", name);
        return false;
    }
    if (hunt_down(&mutant, strcmp(tier, "T0") == 0, seeds * QUICK_TIMES, jobs) != 0) return true;
    (void)printf("%-40s %s was found by seed %" PRIu64 " once, and is not within %" PRIu64 " now\n", name,
                 tier, seeds, seeds * QUICK_TIMES);
    return false;
}

static int run_quick(uint32_t jobs)
{
    FILE *list = fopen("tests/sim/mutants.txt", "re");
    if (list == NULL) {
        (void)fprintf(stderr, "no tests/sim/mutants.txt: run this from the repository's root\n");
        return 2;
    }
    char line[1024];
    uint32_t missed = 0;
    while (fgets(line, sizeof line, list) != NULL)
        missed += run_quick_line(line, jobs) ? 0 : 1;
    (void)fclose(list);
    return missed == 0 ? 0 : 1;
}

/* --- what a person asks: these, or all --- */

static int run_named(const char *const *names, uint32_t count, uint64_t seeds, uint32_t jobs)
{
    uint32_t missed = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct mutant mutant;
        if (!mutants_find(names[i], &mutant)) {
            (void)fprintf(stderr, "no planted bug %s in this build\n", names[i]);
            return 2;
        }
        missed += is_found(&mutant, seeds, jobs) ? 0 : 1;
    }
    return missed == 0 ? 0 : 1;
}

static int run_all(uint64_t seeds, uint32_t jobs)
{
    uint32_t count = mutants_count();
    uint32_t found = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct mutant mutant = mutants_at(i);
        found += is_found(&mutant, seeds, jobs) ? 1 : 0;
    }
    (void)printf("mutants: %u of %u found within %" PRIu64 " seeds\n", found, count, seeds);
    return found == count ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (AETHER_MUTANTS == 0) {
        (void)printf("SKIPPED: no planted bugs in this build (preset sim has them)\n");
        return 0;
    }
    uint64_t seeds = SEEDS_MAX;
    uint64_t jobs = 0;
    bool all = false;
    uint32_t name_count = 0;
    const char *names[64];
    for (int i = 1; i < argc; i++) {
        bool has_value = i + 1 < argc;
        if (strcmp(argv[i], "--all") == 0) {
            all = true;
        } else if (strcmp(argv[i], "--seeds") == 0 && has_value && text_to_u64(argv[i + 1], &seeds)) {
            i++;
        } else if (strcmp(argv[i], "--jobs") == 0 && has_value && text_to_u64(argv[i + 1], &jobs)) {
            i++;
        } else if (argv[i][0] != '-' && name_count < ARRAY_COUNT(names)) {
            names[name_count++] = argv[i];
        } else {
            (void)fprintf(stderr, "usage: %s [NAME...] [--all] [--seeds N] [--jobs N]\n", argv[0]);
            return 2;
        }
    }
    check_on_failure(on_check_failure);
    if (name_count > 0) return run_named(names, name_count, seeds, (uint32_t)jobs);
    return all ? run_all(seeds, (uint32_t)jobs) : run_quick((uint32_t)jobs);
}
