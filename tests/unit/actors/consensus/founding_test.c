/* Goal: one cluster, once: who may found, and when (consensus.md I2, I3).
 * Method: the pure machine, fed by hand; the exchange between real nodes is in tests/sim/consensus_test.c. */
#include "actors/consensus/founding.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char *const three[] = { "c", "a", "b" };
static const char *const sorted[] = { "a", "b", "c" };

static void make(struct founding *founding, const char *node, replica_id replica)
{
    struct founding_options options = {
        .node = node, .replica = replica, .bootstrap = three, .bootstrap_count = 3
    };
    assert_int_equal(founding_init(founding, &options, NULL), STATUS_OK);
}

static struct founding_step answer(struct founding *founding, const char *node, replica_id replica,
                                   uint64_t cluster_id)
{
    struct founding_answer from = {
        .node = node, .replica = replica, .cluster_id = cluster_id, .list = sorted, .list_count = 3
    };
    return founding_on_answer(founding, &from, 77);
}

static void the_lowest_name_founds_when_all_are_empty(void **unused)
{
    (void)unused;
    struct founding founding;
    make(&founding, "a", 1);
    assert_int_equal(founding_on_tick(&founding, 1).ask, 3); /* Both others. */
    assert_false(answer(&founding, "b", 2, 0).store);
    assert_false(answer(&founding, "stranger", 9, 0).store);
    assert_true(answer(&founding, "c", 3, 0).store);
    assert_int_equal(founding.cluster_id, 77);
    assert_int_equal(founding.configuration.member_count, 3);
    assert_int_equal(configuration_find_name(&founding.configuration, "b")->id, 2);
    struct founding_step stored = founding_on_stored(&founding);
    assert_int_equal(stored.hand, 3);
    assert_false(stored.done);                             /* E10: not before a majority holds index 1. */
    assert_false(founding_on_held(&founding, 2, 78).done); /* Another cluster's. */
    struct founding_step held = founding_on_held(&founding, 2, 77);
    assert_true(held.done);
    assert_true(held.founder);
}

static void nobody_else_founds(void **unused)
{
    (void)unused;
    struct founding founding;
    make(&founding, "b", 2);
    assert_false(answer(&founding, "a", 1, 0).store);
    assert_false(answer(&founding, "c", 3, 0).store);
}

static void who_is_not_empty_is_joined(void **unused)
{
    (void)unused;
    struct founding founding;
    make(&founding, "a", 1);
    assert_false(answer(&founding, "b", 2, 55).store); /* It belongs to cluster 55. */
    assert_false(answer(&founding, "c", 3, 0).store);
    struct configuration with = { 0 };
    struct configuration without = { 0 };
    assert_int_equal(configuration_add(&without, 2, "b", true), STATUS_OK);
    assert_int_equal(configuration_add(&with, 2, "b", true), STATUS_OK);
    assert_int_equal(configuration_add(&with, 1, "a", true), STATUS_OK);
    struct error error = { 0 };
    assert_int_equal(founding_on_handed(&founding, 55, &without, &error), STATUS_CONFLICT);
    assert_non_null(strstr(error.message, "founded without this replica"));
    assert_int_equal(founding_on_handed(&founding, 55, &with, &error), STATUS_OK);
    assert_int_equal(founding_on_handed(&founding, 55, &with, &error), STATUS_CONFLICT); /* Once. */
    struct founding_step stored = founding_on_stored(&founding);
    assert_true(stored.done);
    assert_false(stored.founder);
}

static void two_lists_stop_the_founding(void **unused)
{
    (void)unused;
    static const char *const other[] = { "a", "b", "d" };
    struct founding founding;
    make(&founding, "a", 1);
    assert_false(answer(&founding, "b", 2, 0).store);
    struct founding_answer from = { .node = "c", .replica = 3, .list = other, .list_count = 3 };
    struct founding_step step = founding_on_answer(&founding, &from, 77);
    assert_false(step.store);
    assert_string_equal(step.differing->name, "c");
    assert_null(founding_on_answer(&founding, &from, 77).differing); /* Told once. */
    assert_true(answer(&founding, "c", 3, 0).store);                 /* It was corrected. */
}

static void a_member_founds_no_other_cluster(void **unused) /* I3 */
{
    (void)unused;
    static const char *const alone[] = { "a" };
    struct founding founding;
    struct founding_options options = {
        .node = "a", .replica = 1, .member_of = 55, .bootstrap = alone, .bootstrap_count = 1
    };
    assert_int_equal(founding_init(&founding, &options, NULL), STATUS_OK);
    assert_false(founding_on_tick(&founding, 77).store);
    struct configuration with = { 0 };
    assert_int_equal(configuration_add(&with, 1, "a", true), STATUS_OK);
    assert_int_equal(founding_on_handed(&founding, 66, &with, NULL), STATUS_CONFLICT);
    assert_int_equal(founding_on_handed(&founding, 55, &with, NULL), STATUS_OK);
}

static void one_name_is_a_cluster_of_one(void **unused)
{
    (void)unused;
    static const char *const alone[] = { "a" };
    struct founding founding;
    struct founding_options options = { .node = "a", .replica = 1, .bootstrap = alone, .bootstrap_count = 1 };
    assert_int_equal(founding_init(&founding, &options, NULL), STATUS_OK);
    assert_true(founding_on_tick(&founding, 77).store);
    struct founding_step stored = founding_on_stored(&founding);
    assert_true(stored.done);
    assert_true(stored.founder);
}

static void bad_lists_are_refused(void **unused)
{
    (void)unused;
    static const char *const two[] = { "a", "b" };
    static const char *const twice[] = { "a", "b", "a" };
    struct founding founding;
    struct error error = { 0 };
    struct founding_options even = { .node = "a", .replica = 1, .bootstrap = two, .bootstrap_count = 2 };
    assert_int_equal(founding_init(&founding, &even, &error), STATUS_INVALID);
    assert_non_null(strstr(error.message, "1, 3, 5 or 7"));
    struct founding_options repeated = {
        .node = "a", .replica = 1, .bootstrap = twice, .bootstrap_count = 3
    };
    assert_int_equal(founding_init(&founding, &repeated, &error), STATUS_INVALID);
    assert_non_null(strstr(error.message, "twice"));
}

/* Two nodes of one replica id: a copied directory. Nothing is founded on that. */
static void a_copied_directory_stops_the_founding(void **unused)
{
    (void)unused;
    struct founding founding;
    make(&founding, "a", 1);
    assert_false(answer(&founding, "b", 2, 0).store);
    assert_false(answer(&founding, "c", 2, 0).store);
    assert_false(answer(&founding, "c", 3, 0).store); /* All are asked anew. */
    assert_true(answer(&founding, "b", 2, 0).store);
}

/* --- being let in (I2, I3) -------------------------------------------------------------------------------
 */

static struct founding_step tick(struct founding *founding, int count)
{
    struct founding_step step = { 0 };
    for (int i = 0; i < count && step.join == NULL && !step.divided; i++)
        step = founding_on_tick(founding, 1);
    return step;
}

static void make_joiner(struct founding *founding, uint64_t member_of)
{
    static const char *const peers[] = { "a", "b" };
    struct founding_options options = {
        .node = "d", .replica = 4, .member_of = member_of, .peers = peers, .peer_count = 2
    };
    assert_int_equal(founding_init(founding, &options, NULL), STATUS_OK);
}

static void who_finds_a_cluster_asks_to_be_let_in(void **unused)
{
    (void)unused;
    struct founding founding;
    make_joiner(&founding, 0);
    assert_null(tick(&founding, 30).join); /* Nobody has said that there is one. */
    (void)answer(&founding, "b", 2, 55);
    struct founding_step step = founding_on_tick(&founding, 1);
    assert_null(step.join); /* Index 1 may be on its way: who was founded with it needs no leave. */
    step = tick(&founding, FOUNDING_PERIOD_TICKS + 1);
    assert_string_equal(step.join->name, "b");
    assert_null(tick(&founding, 100).join); /* One at a time. */
    assert_true(founding_on_joined(&founding, 55));
    assert_true(founding.joined);
    struct founding_step stored = founding_on_stored(&founding);
    assert_true(stored.done);
    assert_false(stored.founder);
}

static void a_refused_join_is_asked_again(void **unused)
{
    (void)unused;
    struct founding founding;
    make_joiner(&founding, 0);
    (void)answer(&founding, "b", 2, 55);
    assert_non_null(tick(&founding, 30).join);
    founding_on_not_joined(&founding);
    assert_null(tick(&founding, 200).join); /* First it is asked again who it is. */
    (void)answer(&founding, "b", 2, 55);
    assert_non_null(tick(&founding, 100).join);
}

static void it_joins_its_own_cluster_only(void **unused) /* I3 */
{
    (void)unused;
    struct founding founding;
    make_joiner(&founding, 66);
    (void)answer(&founding, "a", 1, 55);
    assert_null(tick(&founding, 100).join);
    assert_false(founding_on_joined(&founding, 55));
    (void)answer(&founding, "b", 2, 66);
    assert_string_equal(tick(&founding, 100).join->name, "b");
    assert_true(founding_on_joined(&founding, 66));
}

static void peers_of_two_clusters_are_not_chosen_between(void **unused)
{
    (void)unused;
    struct founding founding;
    make_joiner(&founding, 0);
    (void)answer(&founding, "a", 1, 55);
    (void)answer(&founding, "b", 2, 66);
    struct founding_step step = tick(&founding, 100);
    assert_true(step.divided);
    assert_null(step.join);
    step = tick(&founding, 100);
    assert_false(step.divided); /* Told once. */
    assert_null(step.join);
}

static void who_is_handed_index_1_meanwhile_needs_no_leave(void **unused)
{
    (void)unused;
    struct founding founding;
    struct configuration with = { 0 };
    make_joiner(&founding, 0);
    (void)answer(&founding, "b", 2, 55);
    assert_non_null(tick(&founding, 30).join);
    assert_int_equal(configuration_add(&with, 4, "d", true), STATUS_OK);
    assert_int_equal(founding_on_handed(&founding, 55, &with, NULL), STATUS_OK);
    assert_false(founding_on_joined(&founding, 55));
    assert_false(founding.joined);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_lowest_name_founds_when_all_are_empty),
        cmocka_unit_test(nobody_else_founds),
        cmocka_unit_test(who_is_not_empty_is_joined),
        cmocka_unit_test(two_lists_stop_the_founding),
        cmocka_unit_test(a_member_founds_no_other_cluster),
        cmocka_unit_test(one_name_is_a_cluster_of_one),
        cmocka_unit_test(bad_lists_are_refused),
        cmocka_unit_test(a_copied_directory_stops_the_founding),
        cmocka_unit_test(who_finds_a_cluster_asks_to_be_let_in),
        cmocka_unit_test(a_refused_join_is_asked_again),
        cmocka_unit_test(it_joins_its_own_cluster_only),
        cmocka_unit_test(peers_of_two_clusters_are_not_chosen_between),
        cmocka_unit_test(who_is_handed_index_1_meanwhile_needs_no_leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
