/* Goal: several programs run side by side; each line and each end is told, in order; files that are written
 * whole are told; and none of the programs outlives us. Method: small shell scripts, and a parent that dies.
 */
#include "runtime/os/children.h"

#include "runtime/base/check.h"
#include "runtime/base/text.h"
#include "runtime/os/path.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TAG = 7, OTHER = 8 };

static struct children *make(void)
{
    struct children *children = NULL;
    assert_int_equal(children_create(&children, NULL), STATUS_OK);
    return children;
}

static void start(struct children *children, uint32_t tag, const char *script)
{
    const char *const arguments[] = { "/bin/sh", "-c", script, NULL };
    struct error error;
    if (children_start(children, tag, arguments, NULL, &error) != STATUS_OK) fail_msg("%s", error.message);
}

/* What happens next; a signal's interruption is nothing. */
static struct children_event next(struct children *children)
{
    struct children_event event;
    do {
        children_next(children, SECONDS(30), &event);
    } while (event.kind == CHILDREN_NOTHING);
    return event;
}

static void expect_line(struct children *children, uint32_t tag, const char *line)
{
    struct children_event event = next(children);
    assert_int_equal(event.kind, CHILDREN_LINE);
    assert_int_equal(event.tag, tag);
    assert_string_equal(event.line, line);
}

static void test_lines_come_in_order_before_the_end(void **state)
{
    (void)state;
    struct children *children = make();
    start(children, TAG, "echo one; echo two >&2; echo; printf last; exit 3");
    assert_true(children_runs(children, TAG));
    expect_line(children, TAG, "one");
    expect_line(children, TAG, "two");
    expect_line(children, TAG, "");
    expect_line(children, TAG, "last"); /* Without a newline. */
    struct children_event event = next(children);
    assert_int_equal(event.kind, CHILDREN_ENDED);
    assert_int_equal(event.tag, TAG);
    assert_false(event.end.by_signal);
    assert_int_equal(event.end.code, 3);
    assert_false(children_runs(children, TAG));
    children_destroy(&children);
}

static void test_a_long_line_is_cut_and_nothing_is_lost(void **state)
{
    (void)state;
    struct children *children = make();
    start(children, TAG, "head -c 40000 /dev/zero | tr '\\0' x; echo; echo after");
    size_t seen = 0;
    struct children_event event = next(children);
    for (; event.kind == CHILDREN_LINE && event.line[0] == 'x'; event = next(children)) {
        assert_true(strlen(event.line) <= CHILDREN_LINE_MAX);
        seen += strlen(event.line);
    }
    assert_int_equal(seen, 40000);
    assert_string_equal(event.line, "after");
    children_destroy(&children);
}

static void test_one_is_ended_while_the_other_goes_on(void **state)
{
    (void)state;
    struct children *children = make();
    start(children, TAG, "trap 'echo asked; exit 0' TERM; echo ready; while :; do sleep 0.01; done");
    expect_line(children, TAG, "ready");
    start(children, OTHER, "echo other; exec sleep 1000");
    expect_line(children, OTHER, "other");
    children_end(children, TAG, false);
    expect_line(children, TAG, "asked");
    assert_int_equal(next(children).kind, CHILDREN_ENDED);
    children_end(children, OTHER, true);
    struct children_event event = next(children);
    assert_int_equal(event.kind, CHILDREN_ENDED);
    assert_int_equal(event.tag, OTHER);
    assert_true(event.end.by_signal);
    assert_int_equal(event.end.code, SIGKILL);
    children_end(children, OTHER, true); /* Gone already. */
    children_destroy(&children);
}

static void test_an_end_is_told_though_a_grandchild_holds_the_streams(void **state)
{
    (void)state;
    struct children *children = make();
    start(children, TAG, "sleep 1000 & echo $!");
    struct children_event event = next(children);
    assert_int_equal(event.kind, CHILDREN_LINE);
    uint64_t grandchild = 0;
    assert_true(text_to_u64(event.line, &grandchild));
    assert_int_equal(next(children).kind, CHILDREN_ENDED);
    assert_int_equal(kill((pid_t)grandchild, SIGKILL), 0);
    children_destroy(&children);
}

static void test_what_cannot_be_started_is_told(void **state)
{
    (void)state;
    struct children *children = make();
    const char *const nothing[] = { "/nowhere/at-all", NULL };
    const char *const shell[] = { "/bin/true", NULL };
    struct error error;
    assert_int_equal(children_start(children, TAG, nothing, NULL, &error), STATUS_NOT_FOUND);
    assert_non_null(strstr(error.message, "/nowhere/at-all"));
    assert_int_equal(children_start(children, TAG, shell, "/nowhere", &error), STATUS_NOT_FOUND);
    assert_false(children_runs(children, TAG));
    assert_int_equal(children_watch(children, "/nowhere", &error), STATUS_NOT_FOUND);
    for (uint32_t i = 0; i < CHILDREN_MAX; i++)
        start(children, i, "exec sleep 1000");
    assert_int_equal(children_start(children, CHILDREN_MAX, shell, NULL, &error), STATUS_OVERLOADED);
    children_destroy(&children); /* Kills them. */
}

static void test_files_written_whole_are_told(void **state)
{
    (void)state;
    struct children *children = make();
    struct text folder = { 0 }, script = { 0 };
    struct children_event event;
    assert_int_equal(path_make_temporary("aether-children-", &folder, NULL), STATUS_OK);
    assert_int_equal(children_watch(children, text_string(&folder), NULL), STATUS_OK);
    text_printf(&script, "cd %s && echo a >one && mv one two && mkdir three", text_string(&folder));
    start(children, TAG, text_string(&script));
    for (event = next(children); event.kind == CHILDREN_ENDED;)
        event = next(children);
    assert_int_equal(event.kind, CHILDREN_FOLDER);
    assert_string_equal(event.line, "one");
    for (event = next(children); event.kind == CHILDREN_ENDED;)
        event = next(children);
    assert_int_equal(event.kind, CHILDREN_FOLDER);
    assert_string_equal(event.line, "two");
    children_destroy(&children);
    assert_int_equal(path_remove_tree(text_string(&folder), NULL), STATUS_OK);
    assert_int_not_equal(access(text_string(&folder), F_OK), 0);
    assert_int_equal(path_remove_tree(text_string(&folder), NULL), STATUS_OK); /* Gone is fine. */
    text_fini(&folder);
    text_fini(&script);
}

/* The parent tells the child's number and dies without a word to it; the pipe's end is the child's end. */
static void test_none_outlives_a_parent_that_is_killed(void **state)
{
    (void)state;
    int alive[2];
    char byte;
    assert_int_equal(pipe(alive), 0);
    pid_t parent = fork();
    if (parent == 0) {
        struct children *children = make();
        char script[64];
        (void)close(alive[0]);
        (void)snprintf(script, sizeof script, "echo up >&%d; exec sleep 1000", alive[1]);
        start(children, TAG, script);
        (void)pause();
        _exit(0);
    }
    (void)close(alive[1]);
    assert_int_equal(read(alive[0], &byte, 1), 1);
    assert_int_equal(kill(parent, SIGKILL), 0);
    assert_int_equal(waitpid(parent, NULL, 0), parent);
    while (read(alive[0], &byte, 1) > 0)
        ;
    (void)close(alive[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_come_in_order_before_the_end),
        cmocka_unit_test(test_a_long_line_is_cut_and_nothing_is_lost),
        cmocka_unit_test(test_one_is_ended_while_the_other_goes_on),
        cmocka_unit_test(test_an_end_is_told_though_a_grandchild_holds_the_streams),
        cmocka_unit_test(test_what_cannot_be_started_is_told),
        cmocka_unit_test(test_files_written_whole_are_told),
        cmocka_unit_test(test_none_outlives_a_parent_that_is_killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
