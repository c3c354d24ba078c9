/* Goal: a key and its payload mean one run and one answer, for a bounded time and in bounded memory; what
 * still runs is never pushed out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "actors/slice/reply_cache.h"

#include <stdio.h>
#include <string.h>

#define TAX "org.example:tax:1.0.0"

static const struct error fine = { .status = STATUS_OK };

static enum reply_found ask(struct reply_cache *cache, const char *key, const char *payload, uint64_t run,
                            int64_t now_ns, struct kept_reply **out_reply)
{
    struct bytes *bytes = payload == NULL ? NULL : bytes_copy(payload, strlen(payload));
    enum reply_found found = reply_cache_ask(cache, TAX, "order", key, bytes, run, now_ns, out_reply);
    bytes_unref(&bytes);
    return found;
}

static void keep(struct reply_cache *cache, struct kept_reply *reply, size_t size, int64_t now_ns)
{
    struct bytes *payload = bytes_create(size);
    memset(payload->data, 'x', size);
    reply_cache_keep(cache, reply, &fine, payload, now_ns);
    bytes_unref(&payload);
}

static void one_key_one_run_one_answer(void **unused)
{
    (void)unused;
    struct reply_cache cache = { 0 };
    struct kept_reply *reply = NULL;
    struct kept_reply *again = NULL;
    assert_int_equal(ask(&cache, "k", "1", 11, 0, &reply), REPLY_NEW);
    assert_int_equal(ask(&cache, "k", "1", 12, 0, &again), REPLY_RUNS);
    assert_int_equal(again->run, 11);
    assert_int_equal(ask(&cache, "k", "2", 12, 0, &again), REPLY_OTHER);
    assert_int_equal(ask(&cache, "k", NULL, 12, 0, &again), REPLY_OTHER);
    keep(&cache, reply, 3, 5);
    assert_int_equal(ask(&cache, "k", "1", 13, 6, &again), REPLY_KEPT);
    assert_int_equal(again->payload->size, 3);
    assert_int_equal(ask(&cache, "k", "2", 13, 6, &again), REPLY_OTHER);
    assert_int_equal(ask(&cache, "other", "2", 14, 6, &again), REPLY_NEW);
    reply_cache_forget(&cache, again);
    assert_int_equal(ask(&cache, "other", "3", 15, 6, &again), REPLY_NEW); /* It may run again. */
    reply_cache_fini(&cache);
}

static void entry_points_and_artifacts_are_apart(void **unused)
{
    (void)unused;
    struct reply_cache cache = { 0 };
    struct kept_reply *reply = NULL;
    assert_int_equal(reply_cache_ask(&cache, TAX, "order", "k", NULL, 1, 0, &reply), REPLY_NEW);
    assert_int_equal(reply_cache_ask(&cache, TAX, "quote", "k", NULL, 2, 0, &reply), REPLY_NEW);
    assert_int_equal(reply_cache_ask(&cache, "org.example:tax:2.0.0", "order", "k", NULL, 3, 0, &reply),
                     REPLY_NEW);
    reply_cache_fini(&cache);
}

static void answers_are_forgotten_in_time(void **unused)
{
    (void)unused;
    struct reply_cache cache = { 0 };
    struct kept_reply *reply = NULL;
    assert_int_equal(ask(&cache, "runs", "1", 1, 0, &reply), REPLY_NEW);
    assert_int_equal(ask(&cache, "old", "1", 2, 0, &reply), REPLY_NEW);
    keep(&cache, reply, 1, 100);
    assert_int_equal(ask(&cache, "old", "1", 3, 100 + REPLY_CACHE_KEEP_NS - 1, &reply), REPLY_KEPT);
    assert_int_equal(ask(&cache, "old", "2", 3, 100 + REPLY_CACHE_KEEP_NS, &reply), REPLY_NEW);
    assert_int_equal(ask(&cache, "runs", "1", 4, 10 * REPLY_CACHE_KEEP_NS, &reply), REPLY_RUNS);
    reply_cache_fini(&cache);
}

static void memory_is_bounded_and_the_oldest_goes(void **unused)
{
    (void)unused;
    enum { PART = REPLY_CACHE_BYTES_MAX / 4 };
    struct reply_cache cache = { 0 };
    struct kept_reply *reply = NULL;
    char key[16];
    for (unsigned i = 0; i < 5; i++) {
        (void)snprintf(key, sizeof key, "k%u", i);
        assert_int_equal(ask(&cache, key, "1", i + 1, 0, &reply), REPLY_NEW);
        keep(&cache, reply, PART, i);
    }
    assert_int_equal(ask(&cache, "k4", "1", 9, 5, &reply), REPLY_KEPT);
    assert_int_equal(ask(&cache, "k0", "1", 9, 5, &reply), REPLY_NEW);
    assert_int_equal(ask(&cache, "k1", "1", 10, 5, &reply), REPLY_NEW);
    reply_cache_fini(&cache);
}

static void keys_are_bounded_and_what_runs_stays(void **unused)
{
    (void)unused;
    struct reply_cache cache = { 0 };
    struct kept_reply *first = NULL;
    struct kept_reply *reply = NULL;
    char key[16];
    for (unsigned i = 0; i < REPLY_CACHE_KEYS_MAX; i++) {
        (void)snprintf(key, sizeof key, "k%u", i);
        assert_int_equal(ask(&cache, key, "1", i + 1, 0, i == 0 ? &first : &reply), REPLY_NEW);
    }
    assert_int_equal(ask(&cache, "one more", "1", 5000, 0, &reply), REPLY_FULL);
    keep(&cache, first, 1, 0);
    assert_int_equal(ask(&cache, "one more", "1", 5000, 0, &reply), REPLY_NEW); /* In the place of k0. */
    assert_int_equal(ask(&cache, "k1", "1", 5001, 0, &reply), REPLY_RUNS);
    assert_int_equal(ask(&cache, "k0", "1", 5001, 0, &reply), REPLY_FULL);
    reply_cache_fini(&cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_key_one_run_one_answer),
        cmocka_unit_test(entry_points_and_artifacts_are_apart),
        cmocka_unit_test(answers_are_forgotten_in_time),
        cmocka_unit_test(memory_is_bounded_and_the_oldest_goes),
        cmocka_unit_test(keys_are_bounded_and_what_runs_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
