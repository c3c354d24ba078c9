/* Goal: what the cluster tells of its nodes is taken for more places to go to, within a bound and beside what
 * was given, and the one in use stays in use. Method: the list by hand; no socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cli/endpoints.h"
#include "runtime/base/check.h"

static struct endpoints given(const char *names)
{
    struct endpoints endpoints = { 0 };
    assert_int_equal(endpoints_find(&endpoints, names, NULL), STATUS_OK);
    return endpoints;
}

static void what_is_told_comes_after_what_was_given(void **unused)
{
    (void)unused;
    struct endpoints endpoints = given("127.0.0.1:1,/tmp/client.sock");
    const char *told[] = { "tcp://127.0.0.1:3", "tcp://127.0.0.1:1", "tcp://127.0.0.1:4" };
    assert_int_equal(endpoints_learn(&endpoints, 1, told, ARRAY_COUNT(told)), 1);
    assert_int_equal(endpoints.count, 4);
    assert_string_equal(endpoints.names[0], "tcp://127.0.0.1:1");
    assert_string_equal(endpoints.names[1], "ipc:///tmp/client.sock");
    assert_string_equal(endpoints.names[2], "tcp://127.0.0.1:3");
    assert_string_equal(endpoints.names[3], "tcp://127.0.0.1:4");
}

static void what_is_told_again_takes_its_place(void **unused)
{
    (void)unused;
    struct endpoints endpoints = given("127.0.0.1:1");
    const char *first[] = { "tcp://127.0.0.1:2", "tcp://127.0.0.1:3" };
    assert_int_equal(endpoints_learn(&endpoints, 0, first, ARRAY_COUNT(first)), 0);
    const char *second[] = { "tcp://127.0.0.1:4", "tcp://127.0.0.1:5" };
    assert_int_equal(endpoints_learn(&endpoints, 2, second, ARRAY_COUNT(second)),
                     1); /* The one in use stays. */
    assert_int_equal(endpoints.count, 4);
    assert_string_equal(endpoints.names[1], "tcp://127.0.0.1:3");
    assert_string_equal(endpoints.names[2], "tcp://127.0.0.1:4");
    assert_int_equal(endpoints_learn(&endpoints, 0, NULL, 0), 0);
    assert_int_equal(endpoints.count, 1);
}

static void no_more_than_the_bound(void **unused)
{
    (void)unused;
    struct endpoints endpoints = given("127.0.0.1:1,127.0.0.1:2");
    char names[3 * ENDPOINTS_LEARNED_MAX][32];
    const char *told[ARRAY_COUNT(names)];
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        (void)snprintf(names[i], sizeof names[i], "tcp://127.0.0.2:%zu", i + 1);
        told[i] = names[i];
    }
    assert_int_equal(endpoints_learn(&endpoints, 0, told, ARRAY_COUNT(told)), 0);
    assert_int_equal(endpoints.count, endpoints.given + ENDPOINTS_LEARNED_MAX);
    struct endpoints full = given("a:1,a:2,a:3,a:4,a:5,a:6,a:7,a:8");
    assert_int_equal(full.count, ENDPOINTS_GIVEN_MAX);
    struct error error;
    assert_int_equal(endpoints_find(&endpoints, "a:1,a:2,a:3,a:4,a:5,a:6,a:7,a:8,a:9", &error),
                     STATUS_INVALID);
}

static void a_given_one_has_a_port(void **unused)
{
    (void)unused;
    static const char *const bad[] = { "",
                                       "foo",
                                       "tcp://127.0.0.1",
                                       "tcp://:7401",
                                       "tcp://host:port",
                                       "tcp://127.0.0.1:0",
                                       "tcp://127.0.0.1:65536",
                                       "http://127.0.0.1:7480",
                                       "127.0.0.1:1,",
                                       "ipc://" };
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        struct endpoints endpoints = { 0 };
        struct error error = { 0 };
        if (endpoints_find(&endpoints, bad[i], &error) != STATUS_INVALID) fail_msg("\"%s\" is taken", bad[i]);
        assert_non_null(strstr(error.hint, "--endpoint"));
    }
    assert_int_equal(given("[::1]:7401,localhost:65535,ipc:///a,/b").count, 4);
}

static void nonsense_is_left_out(void **unused)
{
    (void)unused;
    struct endpoints endpoints = given("127.0.0.1:1");
    char huge[2 * ENDPOINTS_NAME_MAX];
    memset(huge, 'x', sizeof huge - 1);
    huge[sizeof huge - 1] = '\0';
    memcpy(huge, "tcp://h:1", 9);
    const char *told[] = { "", "tcp://", "tcp:", "tcp://7401", "ipc:///etc/passwd", "127.0.0.1:2", huge };
    assert_int_equal(endpoints_learn(&endpoints, 0, told, ARRAY_COUNT(told)), 0);
    assert_int_equal(endpoints.count, 1);
}

/* tcp://127.0.0.1:7401 of a node on another machine is not that node, seen from here. */
static void another_machines_loopback_is_left_out(void **unused)
{
    (void)unused;
    struct endpoints far = given("db1.example:7401");
    const char *told[] = { "tcp://127.0.0.1:7401", "tcp://localhost:7401", "tcp://[::1]:7401",
                           "tcp://db2.example:7401" };
    assert_int_equal(endpoints_learn(&far, 0, told, ARRAY_COUNT(told)), 0);
    assert_int_equal(far.count, 2);
    assert_string_equal(far.names[1], "tcp://db2.example:7401");
    struct endpoints near = given("/var/lib/aether/client.sock");
    assert_int_equal(endpoints_learn(&near, 0, told, ARRAY_COUNT(told)), 0);
    assert_int_equal(near.count, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_told_comes_after_what_was_given),
        cmocka_unit_test(what_is_told_again_takes_its_place),
        cmocka_unit_test(no_more_than_the_bound),
        cmocka_unit_test(a_given_one_has_a_port),
        cmocka_unit_test(nonsense_is_left_out),
        cmocka_unit_test(another_machines_loopback_is_left_out),
    };
    return cmocka_run_group_tests_name("endpoints", tests, NULL, NULL);
}
