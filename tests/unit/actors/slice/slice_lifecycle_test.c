/* Goal: whatever happens to an instance, its record only takes drawn moves, and in the end record and reality
 * are what the allocation asks for. Method: random histories of one instance by seed: allocations come and
 * go, steps fail, processes die, entries are refused; then the trouble ends and it must settle within a
 * bounded number of turns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "actors/slice/slice_lifecycle.h"
#include "runtime/base/check.h"
#include "runtime/base/hash.h"

enum { SEEDS = 20000, TROUBLED_TURNS = 60, CALM_TURNS = 60 };

struct history {
    uint64_t seed;
    uint64_t step;
    bool troubled;
    struct slice_situation now;
    uint32_t attempt;
    uint64_t rev_last;
    bool only_config; /* The last assignment differs in its configuration only, and nobody refused it. */
};

static void look(struct history *history)
{
    struct slice_situation *now = &history->now;
    now->adoptable = history->only_config && now->assigned && now->recorded == SLICE_ACTIVE &&
                     now->reality == REALITY_ACTIVE && now->rev != now->recorded_rev;
}

static uint32_t below(struct history *history, uint32_t limit)
{
    return (uint32_t)(hash64_mix(history->seed, ++history->step) % limit);
}

/* Somebody else's doing: the leader's, or fate's. */
static void disturb(struct history *history)
{
    struct slice_situation *now = &history->now;
    switch (below(history, 8)) {
    case 0:
        now->assigned = true;
        now->rev = ++history->rev_last;
        now->exhausted = false;
        now->adopted = false;
        history->attempt = 0;
        history->only_config = below(history, 2) == 0;
        break;
    case 1: now->assigned = false; break;
    case 2:
        if (now->reality != REALITY_LOADED && now->reality != REALITY_ACTIVE) break;
        now->reality = REALITY_DOWN;
        now->crashed = now->recorded == SLICE_ACTIVE;
        now->exhausted = ++history->attempt >= SLICE_ATTEMPTS_MAX;
        break;
    case 3: /* The node was declared lost: its record went. */
        now->recorded = SLICE_GONE;
        now->failed = now->crashed = false;
        break;
    default: break;
    }
}

static void take_record(struct history *history)
{
    struct slice_situation *now = &history->now;
    enum slice_state to = SLICE_STATE_COUNT;
    enum slice_cause cause = CAUSE_NONE;
    look(history);
    if (!slice_lifecycle_record(now, &to, &cause)) return;
    if (history->troubled && below(history, 4) == 0) return;   /* Refused. */
    if (to == SLICE_ACTIVE && now->recorded == SLICE_ACTIVE) { /* A remark. */
        assert_true(now->adopted);
        now->recorded_rev = now->reality_rev = now->rev;
        return;
    }
    assert_true(slice_state_allows(now->recorded, to)); /* DEP5 */
    if (to == SLICE_LOAD) now->recorded_rev = now->rev;
    if (to == SLICE_ACTIVE) {
        assert_int_equal(now->reality, REALITY_ACTIVE); /* No endpoint for what doesn't serve. */
        assert_true(now->assigned);
        assert_int_equal(now->recorded_rev, now->rev);
    }
    if (to == SLICE_LOADED) assert_int_not_equal(now->reality, REALITY_NONE);
    if (to == SLICE_GONE && !now->overdue) assert_int_equal(now->reality, REALITY_NONE);
    if (to == SLICE_DEACTIVATE) now->crashed = false;
    now->recorded = to;
    now->failed = false;
}

static void fail_step(struct history *history, enum slice_step step)
{
    struct slice_situation *now = &history->now;
    if (step == STEP_CONFIGURE) { /* It said no, and goes on. */
        history->only_config = false;
        return;
    }
    bool starting = step == STEP_LOAD || step == STEP_ACTIVATE;
    now->reality = step == STEP_LOAD ? REALITY_NONE : step == STEP_UNLOAD ? now->reality : REALITY_DOWN;
    if (starting) now->exhausted = ++history->attempt >= SLICE_ATTEMPTS_MAX;
    now->failed = now->recorded == SLICE_LOADING || now->recorded == SLICE_ACTIVATING ||
                  (now->recorded == SLICE_DEACTIVATING && !starting) || now->recorded == SLICE_GONE;
}

static void take_step(struct history *history)
{
    struct slice_situation *now = &history->now;
    look(history);
    enum slice_step step = slice_lifecycle_step(now);
    if (step == STEP_NONE) return;
    if (history->troubled && below(history, 3) == 0) {
        fail_step(history, step);
        return;
    }
    switch (step) {
    case STEP_LOAD:
        assert_int_equal(now->reality, REALITY_NONE);
        now->reality = REALITY_LOADED;
        now->reality_rev = now->rev;
        break;
    case STEP_ACTIVATE:
        assert_true(now->reality == REALITY_LOADED || now->reality == REALITY_DOWN);
        now->reality = REALITY_ACTIVE;
        break;
    case STEP_CONFIGURE:
        assert_int_equal(now->reality, REALITY_ACTIVE);
        now->adopted = true;
        break;
    case STEP_DEACTIVATE:
        assert_int_equal(now->reality, REALITY_ACTIVE);
        /* A serving instance is never stopped while its allocation stands and its record says so. */
        assert_false(now->recorded == SLICE_ACTIVE);
        now->reality = REALITY_LOADED;
        break;
    default: now->reality = REALITY_NONE; break;
    }
}

static bool is_settled(const struct slice_situation *now)
{
    if (!now->assigned) return now->recorded == SLICE_GONE && now->reality == REALITY_NONE;
    if (now->exhausted) return now->recorded == SLICE_FAILED || now->recorded == SLICE_GONE;
    return now->recorded == SLICE_ACTIVE && now->recorded_rev == now->rev && now->reality == REALITY_ACTIVE &&
           now->reality_rev == now->rev;
}

static void every_history_settles(void **unused) /* DEP1, DEP5 */
{
    (void)unused;
    uint32_t served = 0;
    uint32_t went = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct history history = { .seed = seed, .troubled = true, .now = { .may_begin = true } };
        for (int turn = 0; turn < TROUBLED_TURNS; turn++) {
            disturb(&history);
            history.now.may_begin = below(&history, 5) != 0;
            history.now.resting = below(&history, 5) == 0;
            take_record(&history);
            take_step(&history);
        }
        history.troubled = false;
        history.now.may_begin = true;
        history.now.resting = false;
        for (int turn = 0; turn < CALM_TURNS; turn++) {
            take_record(&history);
            take_step(&history);
        }
        if (!is_settled(&history.now))
            fail_msg("seed %llu: %s, reality %d, assigned %d, exhausted %d, failed %d",
                     (unsigned long long)seed, slice_state_name(history.now.recorded),
                     (int)history.now.reality, (int)history.now.assigned, (int)history.now.exhausted,
                     (int)history.now.failed);
        served += history.now.recorded == SLICE_ACTIVE ? 1 : 0;
        went += history.now.recorded == SLICE_GONE ? 1 : 0;
    }
    assert_true(served > SEEDS / 10); /* The histories reach both ends. */
    assert_true(went > SEEDS / 10);
}

static void withdrawn_before_it_begins(void **unused)
{
    (void)unused;
    enum slice_state to = SLICE_GONE;
    enum slice_cause cause = CAUSE_NONE;
    struct slice_situation now = { .may_begin = true, .recorded = SLICE_LOADING, .recorded_rev = 3 };
    assert_int_equal(slice_lifecycle_step(&now), STEP_NONE);
    assert_true(slice_lifecycle_record(&now, &to, &cause));
    assert_int_equal(to, SLICE_FAILED);
    assert_int_equal(cause, CAUSE_CANCELLED);
    now.stepping = true; /* The running step ends or expires first. */
    assert_false(slice_lifecycle_record(&now, &to, &cause));
}

static void crash_is_recorded_and_restarted_at_once(void **unused)
{
    (void)unused;
    enum slice_state to = SLICE_GONE;
    enum slice_cause cause = CAUSE_NONE;
    struct slice_situation now = { .assigned = true,
                                   .rev = 3,
                                   .recorded = SLICE_ACTIVE,
                                   .recorded_rev = 3,
                                   .reality = REALITY_DOWN,
                                   .reality_rev = 3,
                                   .crashed = true,
                                   .may_begin = true };
    assert_int_equal(slice_lifecycle_step(&now), STEP_ACTIVATE);
    assert_true(slice_lifecycle_record(&now, &to, &cause));
    assert_int_equal(to, SLICE_DEACTIVATE);
    assert_int_equal(cause, CAUSE_CRASHED);
    now.may_begin = false; /* No incarnation, so nothing may be written; the process starts all the same. */
    assert_int_equal(slice_lifecycle_step(&now), STEP_ACTIVATE);
    assert_false(slice_lifecycle_record(&now, &to, &cause));
}

static void configuration_is_taken_over_without_a_stop(void **unused)
{
    (void)unused;
    enum slice_state to = SLICE_GONE;
    enum slice_cause cause = CAUSE_NONE;
    struct slice_situation now = { .assigned = true,
                                   .rev = 4,
                                   .recorded = SLICE_ACTIVE,
                                   .recorded_rev = 3,
                                   .reality = REALITY_ACTIVE,
                                   .reality_rev = 3,
                                   .adoptable = true,
                                   .may_begin = true };
    assert_int_equal(slice_lifecycle_step(&now), STEP_CONFIGURE);
    assert_false(slice_lifecycle_record(&now, &to, &cause)); /* It serves on. */
    now.adopted = true;
    assert_int_equal(slice_lifecycle_step(&now), STEP_NONE);
    assert_true(slice_lifecycle_record(&now, &to, &cause));
    assert_int_equal(to, SLICE_ACTIVE);
    now.adopted = now.adoptable = false; /* It refused: replaced in order. */
    assert_true(slice_lifecycle_record(&now, &to, &cause));
    assert_int_equal(to, SLICE_DEACTIVATE);
    assert_int_equal(cause, CAUSE_NONE);
}

static void pauses_are_as_promised(void **unused) /* At once, then from 1 s to 30 s. */
{
    (void)unused;
    static const int64_t seconds[] = { 0, 0, 1, 2, 4, 8, 16, 30, 30 };
    for (uint32_t attempt = 0; attempt < ARRAY_COUNT(seconds); attempt++)
        assert_int_equal(slice_lifecycle_pause_ns(attempt), SECONDS(seconds[attempt]));
    assert_int_equal(slice_lifecycle_pause_ns(4000000000U), SECONDS(30));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_history_settles),
        cmocka_unit_test(withdrawn_before_it_begins),
        cmocka_unit_test(crash_is_recorded_and_restarted_at_once),
        cmocka_unit_test(configuration_is_taken_over_without_a_stop),
        cmocka_unit_test(pauses_are_as_promised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
