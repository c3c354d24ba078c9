/* Goal: what the leader remembers of failures: five on a node exclude it for a while, a fatal one excludes
 * nobody, and an instance that its node never moves on is no reason to wait for ever (the backstop,
 * product.md section 3). Method: a view of one slice on one node, written by hand; time as the test wants it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "actors/slice/exclusions.h"
#include "actors/slice/failures.h"
#include "actors/slice/slice_lifecycle.h"
#include "runtime/base/check.h"

#include <stdio.h>
#include <string.h>

#define ARTIFACT "a:b:1"

struct world {
    struct deployment_view view;
    struct failures failures;
};

static void see_in(void *context, void (*visit)(void *context, const Pb__KvEvent *event), const char *key,
                   const char *value)
{
    char key_text[128];
    char value_text[512];
    Pb__KvRecord record;
    Pb__KvEvent event;
    pb__kv_record__init(&record);
    pb__kv_event__init(&event);
    (void)snprintf(key_text, sizeof(key_text), "%s", key);
    (void)snprintf(value_text, sizeof(value_text), "%s", value);
    record.key = key_text;
    record.value.data = (uint8_t *)value_text;
    record.value.len = strlen(value_text);
    event.record = &record;
    visit(context, &event);
}

static void see(void (*visit)(void *context, const Pb__KvEvent *event), struct world *world, const char *key,
                const char *value)
{
    see_in(&world->view, visit, key, value);
}

static void record(struct world *world, const char *instance)
{
    char value[400];
    (void)snprintf(
        value, sizeof(value),
        "{\"state\":\"LOADING\",\"timestamp\":1,\"version\":1,\"incarnation\":1,\"instances\":[%s]}",
        instance);
    see(deployment_view_see_record, world, "slices/n1/" ARTIFACT, value);
}

static struct world world_of(const char *instance)
{
    struct world world = { 0 };
    see(deployment_view_see_allocation, &world, "allocations/" ARTIFACT "/n1",
        "{\"assigned\":1,\"instances\":[{\"instance\":1,\"rev\":9,\"attempt\":0}],\"desired\":\"ACTIVE\","
        "\"blueprint\":\"s\",\"sha256\":\"00\",\"timestamp\":1}");
    record(&world, instance);
    return world;
}

static void end(struct world *world)
{
    failures_fini(&world->failures);
    deployment_view_fini(&world->view);
}

static bool excluded_at(struct world *world, int64_t now_ns)
{
    (void)failures_update(&world->failures, &world->view, now_ns);
    return failures_excluded(&world->failures, ARTIFACT, "n1") != NULL;
}

static void five_failures_exclude_for_a_minute(void **unused)
{
    (void)unused;
    struct world world = world_of("{\"instance\":1,\"state\":\"FAILED\",\"timestamp\":1,\"rev\":9,\"reason\":"
                                  "\"CRASHED\",\"text\":\"boom\",\"attempt\":5,\"fatal\":false}");
    assert_true(excluded_at(&world, SECONDS(1)));
    assert_string_equal(failures_excluded(&world.failures, ARTIFACT, "n1"),
                        "it failed there five times: boom");
    assert_int_equal(failures_excluded_until_ns(&world.failures, ARTIFACT, "n1"), SECONDS(61));
    assert_true(excluded_at(&world, SECONDS(60)));
    assert_false(excluded_at(&world, SECONDS(62)));
    assert_true(failures_renews(&world.failures, ARTIFACT, "n1"));
    end(&world);
}

static void fewer_failures_and_fatal_ones_exclude_nobody(void **unused)
{
    (void)unused;
    struct world world = world_of("{\"instance\":1,\"state\":\"FAILED\",\"timestamp\":1,\"rev\":9,\"reason\":"
                                  "\"CRASHED\",\"text\":\"boom\",\"attempt\":4,\"fatal\":false}");
    assert_false(excluded_at(&world, SECONDS(1)));
    record(&world, "{\"instance\":1,\"state\":\"FAILED\",\"timestamp\":1,\"rev\":9,\"reason\":\"CORRUPT\","
                   "\"text\":\"bad\",\"attempt\":5,\"fatal\":true}");
    assert_false(excluded_at(&world, SECONDS(1)));
    end(&world);
}

/* The node's own watchdog has its deadline; the leader's counts from what it saw itself, 30 s beyond it. */
static void what_no_node_ends_is_placed_elsewhere(void **unused)
{
    (void)unused;
    struct world world = world_of("{\"instance\":1,\"state\":\"LOADING\",\"timestamp\":1000,\"rev\":9,"
                                  "\"deadline\":121000,\"attempt\":0}");
    assert_false(excluded_at(&world, SECONDS(500))); /* Seen for the first time, however old it is. */
    assert_false(excluded_at(&world, SECONDS(500 + 149)));
    record(&world, "{\"instance\":1,\"state\":\"ACTIVATING\",\"timestamp\":9000,\"rev\":9,\"deadline\":99000,"
                   "\"attempt\":0}");
    assert_false(excluded_at(&world, SECONDS(700))); /* It moved: that counts anew. */
    assert_false(excluded_at(&world, SECONDS(700 + 119)));
    assert_true(excluded_at(&world, SECONDS(700 + 121)));
    assert_string_equal(failures_excluded(&world.failures, ARTIFACT, "n1"),
                        "its node does not end it: ACTIVATING");
    end(&world);
}

static void what_serves_is_never_stuck(void **unused)
{
    (void)unused;
    struct world world =
        world_of("{\"instance\":1,\"state\":\"ACTIVE\",\"timestamp\":1000,\"rev\":9,\"attempt\":0}");
    assert_false(excluded_at(&world, SECONDS(1)));
    assert_false(excluded_at(&world, SECONDS(100000)));
    end(&world);
}

/* kv put --force writes there what it likes, and every leader after it reads that. */
static void what_no_leader_wrote_is_not_taken_over(void **unused)
{
    (void)unused;
    static const char *const places[] = { "no-slash", "", "/n1", ARTIFACT "/", ARTIFACT "/n1/n2" };
    static const char *const ends[] = { "100000", "9223372036854775807", "-9223372036854775808" };
    for (size_t i = 0; i < ARRAY_COUNT(places); i++) {
        for (size_t j = 0; j < ARRAY_COUNT(ends); j++) {
            struct world world = { 0 };
            struct exclusions exclusions = { .asking = false };
            struct failure_view failure;
            char key[128];
            char value[128];
            size_t position = 0;
            (void)snprintf(key, sizeof(key), EXCLUSIONS_PREFIX "%s", places[i]);
            (void)snprintf(value, sizeof(value), "{\"reason\":\"x\",\"until\":%s}", ends[j]);
            see_in(&exclusions, exclusions_see, key, value);
            exclusions_restore(&exclusions, &world.failures, SECONDS(1), 1000);
            assert_false(failures_next(&world.failures, &position, &failure));
            (void)failures_update(&world.failures, &world.view, SECONDS(100));
            exclusions_fini(&exclusions);
            end(&world);
        }
    }
}

static void an_exclusion_taken_over_ends_within_a_minute(void **unused)
{
    (void)unused;
    static const char *const ends[] = { "9223372036854775807", "100000" };
    for (size_t j = 0; j < ARRAY_COUNT(ends); j++) {
        struct world world = { 0 };
        struct exclusions exclusions = { .asking = false };
        char value[128];
        (void)snprintf(value, sizeof(value), "{\"reason\":\"x\",\"until\":%s}", ends[j]);
        see_in(&exclusions, exclusions_see, EXCLUSIONS_PREFIX ARTIFACT "/n1", value);
        exclusions_restore(&exclusions, &world.failures, SECONDS(1), 1000);
        assert_true(excluded_at(&world, SECONDS(60)));
        assert_false(excluded_at(&world, SECONDS(61)));
        exclusions_fini(&exclusions);
        end(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(five_failures_exclude_for_a_minute),
        cmocka_unit_test(fewer_failures_and_fatal_ones_exclude_nobody),
        cmocka_unit_test(what_no_node_ends_is_placed_elsewhere),
        cmocka_unit_test(what_serves_is_never_stuck),
        cmocka_unit_test(what_no_leader_wrote_is_not_taken_over),
        cmocka_unit_test(an_exclusion_taken_over_ends_within_a_minute),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
