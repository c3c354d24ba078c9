/* Goal: no seed of chance breaks an invariant, and after the faults the cluster settles (proof.md section 3).
 * Method: nodes/sim/chaos.h, one seed after the other. A failure prints the line that replays it.
 *
 *   test.sim.swarm [--seed N | --seeds A..B] [--verbose]
 *
 * AETHER_SEEDS=N or A..B says how many without arguments; AETHER_MUTANT=name switches a planted bug on, which
 * the unchanged swarm has to find. The first seed runs twice: its trace must be the same. */
#include "nodes/sim/chaos.h"
#include "runtime/base/check.h"
#include "runtime/base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(__SANITIZE_ADDRESS__)
enum { SEEDS_DEFAULT = 40 };
#else
enum { SEEDS_DEFAULT = 200 };
#endif

struct plan {
    uint64_t first;
    uint64_t last;
    bool single; /* One seed: tell its trace. */
    bool verbose;
    enum chaos_mutant mutant;
};

static uint64_t current_seed;

static void on_check_failure(const char *text)
{
    (void)fprintf(stderr, "FAIL seed=%" PRIu64 " %s\n", current_seed, text);
}

static bool parse_seeds(const char *text, struct plan *plan)
{
    char first[32];
    const char *dots = strstr(text, "..");
    if (dots == NULL) {
        plan->first = 1;
        return text_to_u64(text, &plan->last);
    }
    size_t length = (size_t)(dots - text);
    if (length >= sizeof first) return false;
    memcpy(first, text, length);
    first[length] = '\0';
    return text_to_u64(first, &plan->first) && text_to_u64(dots + 2, &plan->last);
}

static bool parse_mutant(struct plan *plan)
{
    const char *name = getenv("AETHER_MUTANT");
    plan->mutant = chaos_mutant_from_name(name == NULL ? "" : name);
    if (plan->mutant == CHAOS_MUTANT_COUNT) return false;
    return plan->mutant == CHAOS_MUTANT_NONE || AETHER_MUTANTS != 0;
}

static bool parse(int argc, char **argv, struct plan *plan)
{
    const char *seeds = getenv("AETHER_SEEDS");
    *plan = (struct plan){ .first = 1, .last = SEEDS_DEFAULT };
    if (seeds != NULL && !parse_seeds(seeds, plan)) return false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--verbose") == 0) {
            plan->verbose = true;
        } else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
            if (!text_to_u64(argv[++i], &plan->first)) return false;
            plan->last = plan->first;
            plan->single = true;
        } else if (strcmp(argv[i], "--seeds") == 0 && i + 1 < argc) {
            if (!parse_seeds(argv[++i], plan)) return false;
        } else {
            return false;
        }
    }
    return parse_mutant(plan);
}

static bool run(const struct plan *plan, uint64_t seed, struct chaos_result *result)
{
    current_seed = seed;
    chaos_run(&(struct chaos_options){ .seed = seed, .mutant = plan->mutant, .verbose = plan->verbose },
              result);
    if (result->failure[0] == '\0') return true;
    (void)fprintf(stderr, "FAIL seed=%" PRIu64 " %s\n     replay: ./dev sim --seed %" PRIu64 "\n", seed,
                  result->failure, seed);
    return false;
}

static void print_one(uint64_t seed, const struct chaos_result *result)
{
    (void)printf("seed=%" PRIu64 " trace=%016" PRIx64 " voters=%u virtual=%.1fs acknowledged=%u unknown=%u "
                 "refused=%u reads=%u calls=%u kills=%u cuts=%u terms=%" PRIu64 "\n",
                 seed, result->trace_hash, result->voters, (double)result->virtual_ns / 1e9,
                 result->acknowledged, result->unknown, result->refused, result->reads, result->calls,
                 result->kills, result->cuts, result->terms);
}

int main(int argc, char **argv)
{
    struct plan plan;
    if (!parse(argc, argv, &plan)) {
        (void)fprintf(stderr, "usage: %s [--seed N | --seeds A..B] [--verbose]\n", argv[0]);
        return 2;
    }
    check_on_failure(on_check_failure);
    struct chaos_result result;
    struct chaos_result total = { 0 };
    struct timespec begin;
    struct timespec end;
    (void)clock_gettime(CLOCK_MONOTONIC, &begin);
    for (uint64_t seed = plan.first; seed <= plan.last; seed++) {
        if (!run(&plan, seed, &result)) return 1;
        total.acknowledged += result.acknowledged;
        total.unknown += result.unknown;
        total.kills += result.kills;
        total.virtual_ns += result.virtual_ns;
        if (plan.single || plan.verbose) print_one(seed, &result);
        if (seed != plan.first) continue;
        uint64_t trace_hash = result.trace_hash;
        if (!run(&plan, seed, &result)) return 1;
        if (result.trace_hash == trace_hash) continue;
        (void)fprintf(stderr, "FAIL seed=%" PRIu64 " two runs of it differ\n", seed);
        return 1;
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &end);
    double seconds = (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9;
    (void)printf("%" PRIu64
                 " seeds held: %u writes acknowledged, %u unknown, %u kills, %.0f s of virtual time "
                 "in %.1f s\n",
                 plan.last - plan.first + 1, total.acknowledged, total.unknown, total.kills,
                 (double)total.virtual_ns / 1e9, seconds);
    return 0;
}
