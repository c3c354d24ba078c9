/* Goal: on real threads, round after round of another size, the promises of tests/support/actor_model hold,
 * the supervised families' among them; and a stop in the middle of it all leaves no message, no ask and no
 * thread behind. Under TSan it must report nothing. Method: AETHER_STRESS_S seconds of rounds (2 where
 * nothing is said;
 * ./dev test a tenth of ./dev stress); the time decides how many there are, and nothing else. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "runtime/os/clock.h"
#include "tests/support/model_pool.h"

enum { ROUND_SHAPES = 12 };

static bool is_over(int64_t began_ns)
{
    int64_t passed_ns = clock_os.monotonic_ns(clock_os.context) - began_ns;
    return passed_ns >= SECONDS(model_pool_seconds("AETHER_STRESS_S", 2));
}

/* Every other round is stopped in the middle. */
static void run_round(uint32_t round)
{
    uint32_t shape = round % ROUND_SHAPES;
    bool in_the_middle = round % 2 == 1;
    uint32_t threads = 1 + shape % 4;
    struct scheduler *pool = model_pool_create(threads);
    struct model model = { .threads = threads };
    model_start(&model, model_pool_runtime(pool, &model), 20 + 40 * shape, in_the_middle ? 150 : 40);
    if (!in_the_middle) {
        model_pool_await_quiet(&model);
        assert_int_equal(model_unaccounted(&model), 0);
    }
    assert_true(model_pool_stop(&model, &pool));
    assert_int_equal(model_violations(&model), 0);
    assert_true(model.completed == model.asked);
    assert_int_equal(model.open, 0);
    model_free(&model);
}

static void rounds_hold(void **unused)
{
    (void)unused;
    int64_t began_ns = clock_os.monotonic_ns(clock_os.context);
    uint32_t rounds = 0;
    while (rounds < 4 || !is_over(began_ns)) {
        run_round(rounds++);
    }
    print_message("stress: %u rounds held\n", rounds);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(rounds_hold) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
