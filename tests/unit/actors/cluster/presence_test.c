/* Goal: the leader declares nobody lost early, everybody silent in time, and confirms nobody whose loss it
 * has decided (A7, A8, K8). Method: the table by itself; times in milliseconds from 0. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "actors/cluster/presence.h"
#include "runtime/base/check.h"

#include <stdio.h>
#include <string.h>

static int set_up(void **state)
{
    static struct presence presence;
    presence_init(&presence, SECONDS(3));
    *state = &presence;
    return 0;
}

static int tear_down(void **state)
{
    presence_fini(*state);
    return 0;
}

/* "NAME:INCARNATION:STATE ..." of what is to be declared now. */
static const char *judged(struct presence *presence, int64_t now_ms)
{
    static char text[256];
    struct presence_decision decision;
    text[0] = '\0';
    for (size_t i = 0; presence_next(presence, &i, MILLISECONDS(now_ms), "self", &decision);) {
        size_t used = strlen(text);
        (void)snprintf(text + used, sizeof text - used, "%s:%llu:%s ", decision.name,
                       (unsigned long long)decision.incarnation, presence_name(decision.to));
    }
    return text;
}

/* Decided and committed: the record follows. */
static void committed(struct presence *presence, const char *name, uint64_t incarnation,
                      enum presence_state state, int64_t now_ms)
{
    presence_decided(presence, name);
    presence_set(presence, name, incarnation, state, MILLISECONDS(now_ms));
}

static void silence_makes_suspect_then_lost(void **state)
{
    struct presence *presence = *state;
    presence_set(presence, "a", 7, PRESENCE_UP, 0);
    presence_set(presence, "self", 1, PRESENCE_UP, 0);
    presence_renewed(presence, "a", 7, MILLISECONDS(500));
    assert_string_equal(judged(presence, 1999), "");
    assert_string_equal(judged(presence, 2000), "a:7:SUSPECT "); /* Three renewals are missing. */
    assert_string_equal(judged(presence, 2100), "");             /* Under way. */
    committed(presence, "a", 7, PRESENCE_SUSPECT, 2100);
    assert_string_equal(judged(presence, 3499), "");
    assert_string_equal(judged(presence, 3500), "a:7:LOST ");
    committed(presence, "a", 7, PRESENCE_LOST, 3600);
    assert_string_equal(judged(presence, 99999), ""); /* And never itself. */
}

static void a_renewal_brings_it_back(void **state)
{
    struct presence *presence = *state;
    presence_set(presence, "a", 7, PRESENCE_SUSPECT, 0);
    assert_string_equal(judged(presence, 100), ""); /* Time granted is no sign of life. */
    assert_true(presence_may_renew(presence, "a", 7));
    presence_renewed(presence, "a", 7, MILLISECONDS(200));
    assert_string_equal(judged(presence, 200), "a:7:UP ");
}

static void a_broken_connection_is_suspect_at_once(void **state)
{
    struct presence *presence = *state;
    presence_set(presence, "a", 7, PRESENCE_UP, 0);
    presence_disconnected(presence, "a");
    presence_disconnected(presence, "unknown");
    assert_string_equal(judged(presence, 1), "a:7:SUSPECT ");
    committed(presence, "a", 7, PRESENCE_SUSPECT, 2);
    presence_renewed(presence, "a", 7, MILLISECONDS(300));
    assert_string_equal(judged(presence, 300), "a:7:UP ");
}

static void whose_loss_is_decided_is_confirmed_no_more(void **state)
{
    struct presence *presence = *state;
    presence_set(presence, "a", 7, PRESENCE_UP, 0);
    assert_false(presence_may_renew(presence, "a", 6));
    assert_false(presence_may_renew(presence, "b", 7));
    assert_string_equal(judged(presence, 3000), "a:7:LOST ");
    assert_false(presence_may_renew(presence, "a", 7));
    presence_decided(presence, "a"); /* Nobody knows whether it was committed: the same again. */
    assert_false(presence_may_renew(presence, "a", 7));
    assert_string_equal(judged(presence, 3100), "a:7:LOST ");
    committed(presence, "a", 7, PRESENCE_LOST, 3200);
    assert_false(presence_may_renew(presence, "a", 7));
    presence_set(presence, "a", 8, PRESENCE_UP, MILLISECONDS(4000)); /* It started over. */
    assert_true(presence_may_renew(presence, "a", 8));
    assert_string_equal(judged(presence, 5499), "");
}

static void a_new_leader_grants_the_full_time(void **state)
{
    struct presence *presence = *state;
    presence_set(presence, "a", 7, PRESENCE_UP, 0);
    presence_set(presence, "b", 7, PRESENCE_LOST, 0);
    assert_string_equal(judged(presence, 3000), "a:7:LOST ");
    presence_lead(presence, MILLISECONDS(4000));
    assert_true(presence_may_renew(presence, "a", 7));
    assert_string_equal(judged(presence, 5400), "");
    assert_string_equal(judged(presence, 7000), "a:7:LOST ");
}

static void nodes_without_a_record_are_forgotten(void **state)
{
    struct presence *presence = *state;
    presence_set(presence, "a", 7, PRESENCE_UP, 0);
    presence_set(presence, "b", 7, PRESENCE_UP, 0);
    presence_set(presence, "c", 7, PRESENCE_UP, 0);
    presence_forget(presence, "c");
    presence_forget_all(presence);
    presence_set(presence, "b", 7, PRESENCE_UP, MILLISECONDS(2000)); /* The snapshot again: no new time. */
    presence_sweep(presence);
    assert_string_equal(judged(presence, 3000), "b:7:LOST ");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(silence_makes_suspect_then_lost),        TEST(a_renewal_brings_it_back),
        TEST(a_broken_connection_is_suspect_at_once), TEST(whose_loss_is_decided_is_confirmed_no_more),
        TEST(a_new_leader_grants_the_full_time),      TEST(nodes_without_a_record_are_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
