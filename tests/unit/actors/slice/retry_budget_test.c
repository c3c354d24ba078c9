/* Goal: retries are a tenth of the calls, and a constant that comes back with time; nobody spends another's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "actors/slice/retry_budget.h"
#include "runtime/base/check.h"
#include "runtime/base/memory.h"

static uint32_t spend_all(struct retry_budget *budget, uint64_t who, int64_t now_ns)
{
    uint32_t spent = 0;
    while (retry_budget_spend(budget, who, now_ns))
        spent++;
    return spent;
}

static void a_constant_comes_back_one_a_second(void **unused)
{
    (void)unused;
    struct retry_budget *budget = memory_zalloc(sizeof(*budget));
    int64_t now_ns = SECONDS(1000);
    assert_int_equal(spend_all(budget, 1, now_ns), RETRY_BUDGET_CONSTANT);
    assert_int_equal(spend_all(budget, 1, now_ns + MILLISECONDS(999)), 0);
    assert_int_equal(spend_all(budget, 1, now_ns + MILLISECONDS(1001)), 1);
    assert_int_equal(spend_all(budget, 1, now_ns + MILLISECONDS(3002)), 2);
    assert_int_equal(spend_all(budget, 1, now_ns + SECONDS(60)), RETRY_BUDGET_CONSTANT);
    assert_int_equal(spend_all(budget, 2, now_ns), RETRY_BUDGET_CONSTANT); /* Another caller, or target. */
    memory_free(budget);
}

static void a_tenth_of_the_calls_is_earned(void **unused)
{
    (void)unused;
    struct retry_budget *budget = memory_zalloc(sizeof(*budget));
    int64_t now_ns = SECONDS(1);
    (void)spend_all(budget, 7, now_ns);
    for (int i = 0; i < 55; i++)
        retry_budget_earn(budget, 7);
    assert_int_equal(spend_all(budget, 7, now_ns), 5);
    for (int i = 0; i < 1000000; i++)
        retry_budget_earn(budget, 7);
    assert_int_equal(spend_all(budget, 7, now_ns), RETRY_BUDGET_MAX);
    memory_free(budget);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_constant_comes_back_one_a_second),
        cmocka_unit_test(a_tenth_of_the_calls_is_earned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
