/* Goal: the wheel fires every timer at its exact time, in order, once; cancel is final; periods don't drift.
 * Method: random histories beside a plain array as the model; an hour of a period by hand. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "runtime/base/check.h"
#include "runtime/base/hash.h"
#include "runtime/timers.h"

#include <stdio.h>
#include <string.h>

enum { MODEL_TIMERS = 400 };

struct model_timer {
    uint64_t id;
    int64_t due_ns;
    uint64_t order; /* Of arming. */
    bool armed;
};

struct model {
    struct timers *timers;
    struct model_timer all[MODEL_TIMERS];
    uint32_t list;
    uint64_t random;
    uint64_t armed_count;
    int64_t now_ns;
    /* The last that fired. */
    int64_t last_due_ns;
    uint64_t last_order;
    uint64_t fired[MODEL_TIMERS];
    uint32_t fired_count;
};

static uint64_t draw(struct model *model)
{
    model->random = hash64_mix(model->random, 0x55);
    return model->random;
}

static void on_fire(void *context, const struct timer *timer, uint64_t id)
{
    struct model *model = context;
    struct model_timer *mine = &model->all[timer->tag];
    assert_true(mine->armed);
    assert_true(mine->id == id);
    assert_true(mine->due_ns == timer->due_ns);
    assert_true(mine->due_ns <= model->now_ns);
    bool is_next = mine->due_ns > model->last_due_ns ||
                   (mine->due_ns == model->last_due_ns && mine->order > model->last_order);
    assert_true(is_next);
    model->last_due_ns = mine->due_ns;
    model->last_order = mine->order;
    model->fired[model->fired_count++] = timer->tag;
}

static void arm(struct model *model, uint64_t slot)
{
    struct model_timer *mine = &model->all[slot];
    if (mine->armed) return;
    uint64_t range = UINT64_C(1) << draw(model) % 45; /* From now to ten hours. */
    int64_t delay_ns = (int64_t)(draw(model) % range);
    if (draw(model) % 4 == 0) delay_ns = delay_ns / 1000 * 1000; /* Some share an instant. */
    *mine = (struct model_timer){ .due_ns = model->now_ns + delay_ns,
                                  .order = ++model->armed_count,
                                  .armed = true };
    struct timer what = { .due_ns = mine->due_ns, .tag = slot, .kind = 7 };
    mine->id = timers_arm(model->timers, &what, &model->list);
    assert_true(mine->id != 0);
}

static void cancel(struct model *model, uint64_t slot)
{
    timers_cancel(model->timers, model->all[slot].id, &model->list); /* Fired ones too: no effect. */
    model->all[slot].armed = false;
}

static int64_t model_next(const struct model *model)
{
    int64_t next_ns = INT64_MAX;
    for (uint32_t i = 0; i < MODEL_TIMERS; i++) {
        if (model->all[i].armed && model->all[i].due_ns < next_ns) next_ns = model->all[i].due_ns;
    }
    return next_ns;
}

static void advance(struct model *model)
{
    int64_t next_ns = timers_next_ns(model->timers);
    int64_t exact_ns = model_next(model);
    assert_true(next_ns <= exact_ns);
    if (exact_ns == INT64_MAX) return;
    int64_t to_ns = draw(model) % 2 == 0 ? exact_ns : model->now_ns + (int64_t)(draw(model) % 3000000000);
    if (to_ns < model->now_ns) to_ns = model->now_ns;
    model->now_ns = to_ns;
    model->fired_count = 0;
    model->last_due_ns = -1;
    model->last_order = 0;
    (void)timers_advance(model->timers, to_ns, on_fire, model);
    for (uint32_t i = 0; i < model->fired_count; i++) {
        struct model_timer *mine = &model->all[model->fired[i]];
        int64_t turn_ns = to_ns;
        assert_true(timers_deliver(model->timers, mine->id, &turn_ns, &model->list));
        assert_false(timers_deliver(model->timers, mine->id, &turn_ns, &model->list));
        mine->armed = false;
    }
    assert_true(model_next(model) > to_ns); /* Nothing due was left out. */
}

static void random_histories_match_the_model(void **unused)
{
    (void)unused;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        static struct model model;
        model = (struct model){ .timers = timers_create(12345), .random = seed, .now_ns = 12345 };
        for (uint32_t step = 0; step < 5000; step++) {
            uint64_t what = draw(&model) % 8;
            uint64_t slot = draw(&model) % MODEL_TIMERS;
            if (what < 4) arm(&model, slot);
            else if (what < 6) cancel(&model, slot);
            else advance(&model);
        }
        timers_cancel_all(model.timers, &model.list);
        assert_int_equal(timers_count(model.timers), 0);
        assert_true(timers_next_ns(model.timers) == INT64_MAX);
        timers_destroy(&model.timers);
    }
}

static void count_fire(void *context, const struct timer *timer, uint64_t id)
{
    (void)timer;
    *(uint64_t *)context = id;
}

static void an_hour_of_a_period_does_not_drift(void **unused)
{
    (void)unused;
    struct timers *timers = timers_create(0);
    uint32_t list = 0;
    struct timer what = { .due_ns = MILLISECONDS(7), .period_ns = MILLISECONDS(7), .kind = 1 };
    uint64_t id = timers_arm(timers, &what, &list);
    uint64_t fired = 0;
    int64_t ticks = 0;
    for (int64_t now_ns = 0; now_ns < SECONDS(3600);) {
        now_ns = timers_next_ns(timers);
        assert_int_equal(timers_advance(timers, now_ns, count_fire, &fired), 1);
        int64_t turn_ns = now_ns + MICROSECONDS(300); /* Each turn is late; the next tick isn't. */
        assert_true(timers_deliver(timers, fired, &turn_ns, &list));
        assert_true(now_ns == ++ticks * MILLISECONDS(7));
    }
    assert_true(ticks > 500000);
    int64_t late_ns =
        timers_next_ns(timers) + MILLISECONDS(7) * 10 + 1; /* Ten ticks slept through: one comes. */
    assert_int_equal(timers_advance(timers, late_ns, count_fire, &fired), 1);
    assert_true(timers_deliver(timers, fired, &late_ns, &list));
    assert_true(timers_next_ns(timers) > late_ns);
    timers_cancel(timers, id, &list);
    assert_int_equal(timers_count(timers), 0);
    timers_destroy(&timers);
}

static void a_turn_that_began_before_sees_the_due_time(void **unused)
{
    (void)unused;
    struct timers *timers = timers_create(0);
    uint32_t list = 0;
    struct timer what = { .due_ns = 500, .kind = 1 };
    uint64_t fired = 0;
    (void)timers_arm(timers, &what, &list);
    (void)timers_advance(timers, 510, count_fire, &fired);
    int64_t turn_ns = 400;
    assert_true(timers_deliver(timers, fired, &turn_ns, &list));
    assert_int_equal(turn_ns, 500);
    timers_destroy(&timers);
}

struct million {
    int64_t now_ns;
    int64_t last_ns;
    uint32_t fired;
    uint32_t out_of_order;
    uint32_t early;
};

static void count_in_order(void *context, const struct timer *timer, uint64_t id)
{
    (void)id;
    struct million *million = context;
    million->fired++;
    if (timer->due_ns < million->last_ns) million->out_of_order++;
    if (timer->due_ns > million->now_ns) million->early++;
    million->last_ns = timer->due_ns;
}

/* Issue 3: at most 100 bytes each, all told; every one of them comes, none early, over an hour. */
static void a_million_timers(void **unused)
{
    (void)unused;
    enum { MILLION = 1000000, EVERY = 4 };
    struct timers *timers = timers_create(0);
    uint32_t list = 0;
    uint64_t random = 1;
    for (uint32_t i = 0; i < MILLION; i++) {
        random = hash64_mix(random, i);
        struct timer what = { .due_ns = (int64_t)(random % (uint64_t)SECONDS(3600)), .kind = 1 };
        uint64_t id = timers_arm(timers, &what, &list);
        if (i % EVERY != 0) continue;
        timers_cancel(timers, id, &list);
        (void)timers_arm(timers, &what, &list); /* Takes the place of the cancelled one. */
    }
    assert_int_equal(timers_count(timers), MILLION);
    assert_true(timers_bytes(timers) <= (size_t)100 * MILLION);
    print_message("a million timers: %.1f bytes each\n", (double)timers_bytes(timers) / MILLION);
    struct million million = { 0 };
    while (million.fired < MILLION) {
        million.now_ns += SECONDS(1);
        (void)timers_advance(timers, million.now_ns, count_in_order, &million);
        assert_true(million.now_ns <= SECONDS(3600));
    }
    assert_int_equal(million.out_of_order, 0);
    assert_int_equal(million.early, 0);
    timers_cancel_all(timers, &list);
    assert_int_equal(timers_count(timers), 0);
    timers_destroy(&timers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_histories_match_the_model),
        cmocka_unit_test(an_hour_of_a_period_does_not_drift),
        cmocka_unit_test(a_turn_that_began_before_sees_the_due_time),
        cmocka_unit_test(a_million_timers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
