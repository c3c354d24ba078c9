/* Goal: the last lines of every instance are there, within bounds whatever is printed (slice logs). Method:
 * the rings alone, filled by hand and far beyond their bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "actors/slice/log_ring.h"
#include "runtime/base/memory.h"

#include <stdio.h>
#include <string.h>

static struct instance_key key_of(const char *artifact, uint32_t instance)
{
    struct instance_key key = { .instance = instance };
    (void)snprintf(key.artifact, sizeof(key.artifact), "%s", artifact);
    return key;
}

static void add(struct log_rings *rings, const char *artifact, uint32_t instance, int64_t wall_ms,
                const char *text)
{
    struct instance_key key = key_of(artifact, instance);
    log_rings_add(rings, &key, LINE_INFO, wall_ms, (struct request_id){ 0 }, text);
}

static struct log_answer find(const struct log_rings *rings, struct log_query query, struct arena *arena)
{
    struct log_answer answer;
    struct error error;
    assert_int_equal(coordinates_parse("a:b", COORDINATES_ANY, &query.wanted, &error), STATUS_OK);
    if (query.lines_max == 0) query.lines_max = UINT32_MAX;
    log_rings_find(rings, &query, arena, &answer);
    return answer;
}

static void queries_choose(void **unused)
{
    (void)unused;
    struct log_rings rings = { 0 };
    struct arena arena = { 0 };
    add(&rings, "a:b:1", 1, 10, "one");
    add(&rings, "a:b:2", 2, 20, "two"); /* Another version of the same slice. */
    add(&rings, "a:c:1", 1, 30, "other");
    add(&rings, "a:b:1", 1, 40, "three");
    struct log_answer all = find(&rings, (struct log_query){ 0 }, &arena);
    assert_int_equal(all.count, 3);
    assert_string_equal(all.lines[0].line->text, "one");
    assert_string_equal(all.lines[1].line->text, "two");
    assert_true(all.known);
    assert_int_equal(find(&rings, (struct log_query){ .instance = 1 }, &arena).count, 2);
    assert_int_equal(find(&rings, (struct log_query){ .since_ms = 20 }, &arena).count, 2);
    assert_false(find(&rings, (struct log_query){ .instance = 7 }, &arena).known);
    struct log_answer newest = find(&rings, (struct log_query){ .lines_max = 1 }, &arena);
    assert_string_equal(newest.lines[0].line->text, "three");
    struct log_query oldest = { .lines_max = 1, .oldest_first = true, .after = all.lines[0].line->number };
    assert_string_equal(find(&rings, oldest, &arena).lines[0].line->text, "two");
    arena_fini(&arena);
    log_rings_fini(&rings);
}

static void an_instance_keeps_its_newest_lines(void **unused)
{
    (void)unused;
    struct log_rings rings = { 0 };
    struct arena arena = { 0 };
    char text[32];
    for (int i = 0; i < LOG_RING_LINES_MAX + 100; i++) {
        (void)snprintf(text, sizeof(text), "%d", i);
        add(&rings, "a:b:1", 1, i, text);
    }
    struct log_answer answer = find(&rings, (struct log_query){ 0 }, &arena);
    assert_int_equal(answer.count, LOG_RING_LINES_MAX);
    assert_int_equal(answer.pushed_out, 100);
    for (uint32_t i = 0; i < answer.count; i++)
        assert_int_equal(answer.lines[i].line->wall_ms, 100 + (int64_t)i);
    arena_fini(&arena);
    log_rings_fini(&rings);
}

/* However long its lines and however many its instances. */
static void bytes_are_bounded(void **unused)
{
    (void)unused;
    enum { LONG = 4000, INSTANCES = 100, EACH = 100 };
    struct log_rings rings = { 0 };
    struct arena arena = { 0 };
    char text[LONG + 1];
    memset(text, 'x', LONG);
    text[LONG] = '\0';
    for (uint32_t instance = 1; instance <= INSTANCES; instance++) {
        for (int i = 0; i < EACH; i++)
            add(&rings, "a:b:1", instance, i, text);
        assert_true(rings.bytes <= LOG_RING_ALL_BYTES_MAX);
    }
    assert_false(find(&rings, (struct log_query){ .instance = 1 }, &arena).known); /* Silent for longest. */
    struct log_answer last = find(&rings, (struct log_query){ .instance = INSTANCES }, &arena);
    assert_true(last.known);
    assert_in_range(last.count, LOG_RING_BYTES_MAX / (LONG + 100), LOG_RING_BYTES_MAX / LONG);
    arena_fini(&arena);
    log_rings_fini(&rings);
    assert_int_equal(rings.bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queries_choose),
        cmocka_unit_test(an_instance_keeps_its_newest_lines),
        cmocka_unit_test(bytes_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
