/* Goal: one runtime that works on and on needs no more memory later than soon (ACT7). Method: the model on
 * one pool for AETHER_SOAK_S seconds (2 where nothing is said; ./dev test a tenth of ./dev soak), fed again
 * whenever it is quiet; resident memory is read between two feedings. The first half settles; the later
 * readings may not exceed it by more than the accidents of a page here and there. Without sanitizers only:
 * they keep what was freed. (It found a thread's message blocks lost at its end: 11 KiB a second.) */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "runtime/os/clock.h"
#include "tests/support/model_pool.h"

#include <stdio.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { MEMORY_IS_JUDGED = 0 };
#else
enum { MEMORY_IS_JUDGED = 1 };
#endif
enum { THREADS = 2, TOKENS = 60, WORK = 40, ROUNDS_MIN = 8, GROWTH_KIB_MAX = 512 };

static int64_t resident_kib(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    assert_non_null(file);
    long pages = 0;
    assert_int_equal(fscanf(file, "%*d %ld", &pages), 1);
    (void)fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static int64_t now_ns(void)
{
    return clock_os.monotonic_ns(clock_os.context);
}

static void memory_stays_flat(void **unused)
{
    (void)unused;
    int64_t began_ns = now_ns();
    int64_t length_ns = SECONDS(model_pool_seconds("AETHER_SOAK_S", 2));
    struct scheduler *pool = model_pool_create(THREADS);
    struct model model = { .threads = THREADS };
    model_start(&model, model_pool_runtime(pool, &model), TOKENS, WORK);
    int64_t settled_kib = 0;
    int64_t later_kib = 0;
    uint32_t rounds = 0;
    for (; rounds < ROUNDS_MIN || now_ns() - began_ns < length_ns; rounds++) {
        model_pool_await_quiet(&model);
        int64_t *most_kib = now_ns() - began_ns < length_ns / 2 ? &settled_kib : &later_kib;
        int64_t kib = resident_kib();
        if (kib > *most_kib) *most_kib = kib;
        assert_int_equal(model_unaccounted(&model), 0);
        model_feed(&model, TOKENS, WORK);
    }
    model_pool_await_quiet(&model);
    assert_true(model_pool_stop(&model, &pool));
    assert_int_equal(model_violations(&model), 0);
    print_message(
        "soak: %u rounds, %llu messages, %llu restarts' causes; at most %lld KiB in the first half, "
        "%lld KiB later\n",
        rounds, (unsigned long long)model.handled, (unsigned long long)(model.failed + model.left),
        (long long)settled_kib, (long long)later_kib);
    if (MEMORY_IS_JUDGED && settled_kib > 0) assert_true(later_kib <= settled_kib + GROWTH_KIB_MAX);
    model_free(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(memory_stays_flat) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
