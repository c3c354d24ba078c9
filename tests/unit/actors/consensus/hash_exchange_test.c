/* Goal: whoever's state differs from that of most voters is told so, and nobody else (F4).
 * Method: tables of who said what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "actors/consensus/hash_exchange.h"
#include "runtime/base/check.h"

#include <stdio.h>
#include <string.h>

enum { INDEX = 100 };

/* Voters 1..voters, then learners. */
static struct configuration make(uint32_t voters, uint32_t learners)
{
    struct configuration configuration = { 0 };
    for (uint32_t i = 1; i <= voters + learners; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "node-%u", i);
        assert_int_equal(configuration_add(&configuration, i, name, i <= voters), STATUS_OK);
    }
    return configuration;
}

/* `said`: a letter for each replica in turn, '-' for one that has not spoken; judged for `self`. */
static enum hash_verdict verdict(const struct configuration *configuration, const char *said, replica_id self)
{
    struct hash_exchange exchange = { 0 };
    for (uint32_t i = 0; said[i] != '\0'; i++) {
        uint8_t hash[HASH_BYTES];
        if (said[i] == '-') continue;
        memset(hash, said[i], sizeof hash);
        hash_exchange_add(&exchange, configuration, i + 1, INDEX, hash);
    }
    return hash_exchange_verdict(&exchange, configuration, self, INDEX);
}

static void a_majority_judges(void **unused)
{
    (void)unused;
    struct configuration three = make(3, 0);
    assert_int_equal(verdict(&three, "aaa", 1), HASH_AGREES);
    assert_int_equal(verdict(&three, "aa-", 1), HASH_AGREES);
    assert_int_equal(verdict(&three, "aab", 1), HASH_AGREES);
    assert_int_equal(verdict(&three, "aab", 3), HASH_MINORITY);
    assert_int_equal(verdict(&three, "baa", 1), HASH_MINORITY);
    assert_int_equal(verdict(&three, "a--", 1), HASH_OPEN);
    assert_int_equal(verdict(&three, "ab-", 1), HASH_OPEN);
    assert_int_equal(verdict(&three, "abc", 2), HASH_SPLIT);
    assert_int_equal(verdict(&three, "-aa", 1), HASH_OPEN); /* We have said nothing ourselves. */
}

static void even_and_single_voters(void **unused)
{
    (void)unused;
    struct configuration one = make(1, 0);
    struct configuration two = make(2, 0);
    struct configuration four = make(4, 0);
    assert_int_equal(verdict(&one, "a", 1), HASH_AGREES);
    assert_int_equal(verdict(&two, "aa", 1), HASH_AGREES);
    assert_int_equal(verdict(&two, "ab", 1), HASH_SPLIT);
    assert_int_equal(verdict(&four, "aabb", 1), HASH_SPLIT);
    assert_int_equal(verdict(&four, "aaab", 4), HASH_MINORITY);
    assert_int_equal(verdict(&four, "aab-", 3), HASH_OPEN);
}

static void a_learner_is_judged_and_does_not_count(void **unused)
{
    (void)unused;
    struct configuration configuration = make(3, 2);
    assert_int_equal(verdict(&configuration, "aaabb", 1), HASH_AGREES);
    assert_int_equal(verdict(&configuration, "aaabb", 4), HASH_MINORITY);
    assert_int_equal(verdict(&configuration, "a--bb", 1), HASH_OPEN);
    assert_int_equal(verdict(&configuration, "abcbb", 1), HASH_SPLIT);
}

static void the_first_word_counts_and_only_of_members(void **unused)
{
    (void)unused;
    struct configuration three = make(3, 0);
    struct hash_exchange exchange = { 0 };
    uint8_t a[HASH_BYTES] = { 1 };
    uint8_t b[HASH_BYTES] = { 2 };
    hash_exchange_add(&exchange, &three, 1, INDEX, a);
    hash_exchange_add(&exchange, &three, 2, INDEX, b);
    hash_exchange_add(&exchange, &three, 2, INDEX, a);
    hash_exchange_add(&exchange, &three, 9, INDEX, a);
    assert_int_equal(hash_exchange_verdict(&exchange, &three, 1, INDEX), HASH_OPEN);
    hash_exchange_add(&exchange, &three, 3, INDEX, b);
    assert_int_equal(hash_exchange_verdict(&exchange, &three, 1, INDEX), HASH_MINORITY);
}

static void only_the_newest_rounds_are_kept(void **unused)
{
    (void)unused;
    struct configuration three = make(3, 0);
    struct hash_exchange exchange = { 0 };
    uint8_t a[HASH_BYTES] = { 1 };
    for (log_index index = 1; index <= HASH_ROUNDS_MAX + 3; index++)
        for (replica_id id = 1; id <= 3; id++)
            hash_exchange_add(&exchange, &three, id, index, a);
    hash_exchange_add(&exchange, &three, 1, 2, a); /* Late: nobody cares any more. */
    assert_int_equal(hash_exchange_verdict(&exchange, &three, 1, 2), HASH_OPEN);
    assert_int_equal(hash_exchange_verdict(&exchange, &three, 1, 4), HASH_AGREES);
    assert_int_equal(hash_exchange_verdict(&exchange, &three, 1, HASH_ROUNDS_MAX + 3), HASH_AGREES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_majority_judges),
        cmocka_unit_test(even_and_single_voters),
        cmocka_unit_test(a_learner_is_judged_and_does_not_count),
        cmocka_unit_test(the_first_word_counts_and_only_of_members),
        cmocka_unit_test(only_the_newest_rounds_are_kept),
    };
    return cmocka_run_group_tests_name("hash_exchange", tests, NULL, NULL);
}
