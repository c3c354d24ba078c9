/* Goal: no seed of chance breaks an invariant, and after the faults the cluster settles (proof.md section 3).
 * Method: nodes/sim/chaos.h, one seed after the other, on all cores. A failure prints the line that replays
 * it; each hundredth seed runs twice, and its trace must be the same.
 *
 *   test.sim.swarm [--seed N | --seeds A..B] [--step N] [--jobs N] [--mutant NAME] [--failures N]
 *                  [--marks] [--verbose]
 *
 * Without arguments CI's slice: 2,000 seeds, under ASan each fiftieth of them. AETHER_SEEDS=N or A..B says
 * which instead, --step 50 takes each fiftieth. --mutant plants a bug, which the unchanged swarm has to find:
 * a run that fails. --marks prints how often each rare branch was taken (in builds that count); which were
 * never taken is listed always. */
#include "nodes/sim/chaos.h"
#include "nodes/sim/fault.h"
#include "runtime/base/check.h"
#include "runtime/base/mark.h"
#include "runtime/base/text.h"
#include "tests/support/seeds.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SEEDS_DEFAULT = 2000, TWICE = 100 };
#if defined(__SANITIZE_ADDRESS__)
enum { STEP_DEFAULT = 50 }; /* Slow: one in fifty. */
#else
enum { STEP_DEFAULT = 1 };
#endif

enum figure {
    FIGURE_ACKNOWLEDGED,
    FIGURE_UNKNOWN,
    FIGURE_READS,
    FIGURE_CALLS,
    FIGURE_KILLS,
    FIGURE_STRIKES,
    FIGURE_VIRTUAL_MS,
    FIGURE_TERMS,
};

struct plan {
    uint64_t first;
    uint64_t last;
    uint64_t step;
    uint32_t jobs;
    uint32_t failures; /* Stops after so many. */
    bool single;       /* One seed, in this process: tell all about it. */
    bool marks;
    bool verbose;
    const char *mutant_name; /* NULL: none. */
    struct mutant mutant;
};

static uint64_t current_seed;

static void on_check_failure(const char *text)
{
    (void)fprintf(stderr, "FAIL seed=%" PRIu64 " %s\n", current_seed, text);
}

/* --- arguments --- */

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

static bool parse_value(const char *name, const char *value, struct plan *plan)
{
    uint64_t number = 0;
    if (strcmp(name, "--seeds") == 0) return parse_seeds(value, plan);
    if (strcmp(name, "--mutant") == 0) {
        plan->mutant_name = value;
        return true;
    }
    if (!text_to_u64(value, &number)) return false;
    if (strcmp(name, "--seed") == 0) {
        plan->first = plan->last = number;
        plan->single = true;
    } else if (strcmp(name, "--step") == 0) {
        plan->step = number;
    } else if (strcmp(name, "--jobs") == 0) {
        plan->jobs = (uint32_t)number;
    } else if (strcmp(name, "--failures") == 0) {
        plan->failures = (uint32_t)number;
    } else {
        return false;
    }
    return true;
}

static bool parse(int argc, char **argv, struct plan *plan)
{
    const char *seeds = getenv("AETHER_SEEDS");
    *plan = (struct plan){ .first = 1, .last = SEEDS_DEFAULT, .step = STEP_DEFAULT };
    if (seeds != NULL && !parse_seeds(seeds, plan)) return false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--verbose") == 0) {
            plan->verbose = true;
        } else if (strcmp(argv[i], "--marks") == 0) {
            plan->marks = true;
        } else if (i + 1 >= argc || !parse_value(argv[i], argv[i + 1], plan)) {
            return false;
        } else {
            i++;
        }
    }
    bool known = plan->mutant_name == NULL || mutants_find(plan->mutant_name, &plan->mutant);
    if (!known) (void)fprintf(stderr, "no planted bug %s in this build\n", plan->mutant_name);
    return known && plan->first > 0 && plan->last >= plan->first && plan->step > 0;
}

/* --- one seed --- */

static void run_chaos(const struct plan *plan, uint64_t seed, struct chaos_result *out_result)
{
    current_seed = seed;
    chaos_run(&(struct chaos_options){ .seed = seed,
                                       .mutant = plan->mutant_name == NULL ? NULL : &plan->mutant,
                                       .verbose = plan->verbose },
              out_result);
}

static void run_seed(void *context, uint64_t number, struct seed_outcome *outcome)
{
    const struct plan *plan = context;
    uint64_t seed = plan->first + (number - 1) * plan->step;
    struct chaos_result result;
    outcome->seed = seed;
    run_chaos(plan, seed, &result);
    outcome->figures[FIGURE_ACKNOWLEDGED] = result.acknowledged;
    outcome->figures[FIGURE_UNKNOWN] = result.unknown;
    outcome->figures[FIGURE_READS] = result.reads;
    outcome->figures[FIGURE_CALLS] = result.calls;
    outcome->figures[FIGURE_KILLS] = result.kills;
    outcome->figures[FIGURE_STRIKES] = result.strikes;
    outcome->figures[FIGURE_VIRTUAL_MS] = (uint64_t)(result.virtual_ns / 1000000);
    outcome->figures[FIGURE_TERMS] = result.terms;
    if (result.failure[0] == '\0' && number % TWICE == 1) {
        uint64_t trace_hash = result.trace_hash;
        run_chaos(plan, seed, &result);
        if (result.trace_hash != trace_hash && result.failure[0] == '\0') {
            (void)snprintf(result.failure, sizeof result.failure, "two runs of it differ");
        }
    }
    outcome->failed = result.failure[0] != '\0';
    (void)snprintf(outcome->failure, sizeof outcome->failure, "%s", result.failure);
}

static void print_failure(const struct seed_outcome *outcome)
{
    (void)fprintf(stderr, "FAIL seed=%" PRIu64 " %s\n     replay: ./dev sim --seed %" PRIu64 "\n",
                  outcome->seed, outcome->failure, outcome->seed);
}

static int run_single(const struct plan *plan)
{
    struct chaos_result result;
    run_chaos(plan, plan->first, &result);
    (void)printf("seed=%" PRIu64 " trace=%016" PRIx64 " voters=%u virtual=%.1fs acknowledged=%u unknown=%u "
                 "refused=%u reads=%u calls=%u kills=%u cuts=%u strikes=%u terms=%" PRIu64 "\nfaults:",
                 plan->first, result.trace_hash, result.voters, (double)result.virtual_ns / 1e9,
                 result.acknowledged, result.unknown, result.refused, result.reads, result.calls,
                 result.kills, result.cuts, result.strikes, result.terms);
    for (uint32_t id = 0; id < FAULT_COUNT; id++) {
        if (((result.families >> id) & 1) != 0) (void)printf(" %s", fault_family(id)->name);
    }
    (void)printf("\n");
    if (result.failure[0] == '\0') return 0;
    (void)fprintf(stderr, "FAIL seed=%" PRIu64 " %s\n", plan->first, result.failure);
    return 1;
}

/* --- marks: by name, and of one name all places together --- */

static uint64_t hits_of(const struct mark *marks, const uint64_t *hits, uint32_t count, const char *name)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(marks[i].name, name) == 0) sum += hits[i];
    }
    return sum;
}

static const char *name_after(const struct mark *marks, uint32_t count, const char *name)
{
    const char *next = NULL;
    for (uint32_t i = 0; i < count; i++) {
        bool is_after = strcmp(marks[i].name, name) > 0;
        if (is_after && (next == NULL || strcmp(marks[i].name, next) < 0)) next = marks[i].name;
    }
    return next;
}

static void print_marks(const struct plan *plan, const struct seeds_sum *sum)
{
    uint32_t count = 0;
    const struct mark *marks = mark_all(&count);
    uint32_t names = 0;
    uint32_t missed = 0;
    for (const char *name = name_after(marks, count, ""); name != NULL;
         name = name_after(marks, count, name)) {
        uint64_t hits = hits_of(marks, sum->marks, count, name);
        names++;
        missed += hits == 0;
        if (plan->marks) (void)printf("mark %-48s %10" PRIu64 "\n", name, hits);
        else if (hits == 0) (void)printf("mark never hit: %s\n", name);
    }
    if (names > 0) (void)printf("marks: %u of %u hit\n", names - missed, names);
}

static void print_sum(const struct seeds_sum *sum, double seconds)
{
    (void)printf("%" PRIu64 " seeds %s: %" PRIu64 " writes acknowledged, %" PRIu64 " unknown, %" PRIu64
                 " reads, %" PRIu64 " calls, %" PRIu64 " faults, %" PRIu64 " kills, %" PRIu64
                 " terms, %.0f s of virtual time in %.1f s\n",
                 sum->run, sum->failed == 0 ? "held" : "ran", sum->figures[FIGURE_ACKNOWLEDGED],
                 sum->figures[FIGURE_UNKNOWN], sum->figures[FIGURE_READS], sum->figures[FIGURE_CALLS],
                 sum->figures[FIGURE_STRIKES], sum->figures[FIGURE_KILLS], sum->figures[FIGURE_TERMS],
                 (double)sum->figures[FIGURE_VIRTUAL_MS] / 1e3, seconds);
}

static double now_seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    struct plan plan;
    if (!parse(argc, argv, &plan)) {
        (void)fprintf(
            stderr,
            "usage: %s [--seed N | --seeds A..B] [--step N] [--jobs N] [--mutant NAME] [--failures N] "
            "[--marks] [--verbose]\n",
            argv[0]);
        return 2;
    }
    check_on_failure(on_check_failure);
    if (plan.single) return run_single(&plan);
    double begin = now_seconds();
    struct seeds_sum sum;
    seeds_run(
        &(struct seeds_plan){
            .first = 1,
            .last = (plan.last - plan.first) / plan.step + 1,
            .jobs = plan.jobs,
            .failures_max = plan.failures,
            .run = run_seed,
            .context = &plan,
        },
        print_failure, &sum);
    print_sum(&sum, now_seconds() - begin);
    print_marks(&plan, &sum);
    bool failed = sum.failed > 0;
    seeds_sum_fini(&sum);
    return failed ? 1 : 0;
}
