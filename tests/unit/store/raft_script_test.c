/* Every script of tests/core: events in, expected actions out (consensus.md section 14.1). RAFT_SCRIPT=PATH
 * runs one and prints it with its actions as they were. */
#include "tests/support/raft_script.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { SCRIPTS_MIN = 40 };

static int is_script(const struct dirent *item)
{
    return text_ends_with(item->d_name, ".txt");
}

static bool run_one(const char *path)
{
    struct text report = { 0 };
    bool passed = raft_script_run(path, &report, NULL);
    if (!passed) print_message("%s", text_string(&report));
    text_fini(&report);
    return passed;
}

static void every_script_holds(void **unused)
{
    (void)unused;
    struct dirent **items = NULL;
    int count = scandir("tests/core", &items, is_script, alphasort);
    assert_true(count >= SCRIPTS_MIN);
    int failures = 0;
    for (int i = 0; i < count; i++) {
        char path[512];
        (void)snprintf(path, sizeof path, "tests/core/%s", items[i]->d_name);
        if (!run_one(path)) failures++;
        free(items[i]);
    }
    free(items);
    print_message("%d scripts, %d failed\n", count, failures);
    assert_int_equal(failures, 0);
}

/* A script that says something else than what happens must fail: else none of them proves anything. */
static void a_wrong_script_fails(void **unused)
{
    (void)unused;
    char path[] = "/tmp/raft_wrong_script_XXXXXX";
    int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    FILE *file = fdopen(descriptor, "w");
    assert_non_null(file);
    (void)fputs("given members (1,2,3)\ngiven log 1\ngiven term 1\n> begin\n> tick 20\n    SEND 2 NOTHING\n",
                file);
    (void)fclose(file);
    struct text report = { 0 };
    assert_false(raft_script_run(path, &report, NULL));
    assert_non_null(report.data);
    text_fini(&report);
    (void)remove(path);
}

static int print_one(const char *path)
{
    struct text report = { 0 };
    struct text script = { 0 };
    (void)raft_script_run(path, &report, &script);
    (void)fputs(text_string(&script), stdout);
    text_fini(&report);
    text_fini(&script);
    return EXIT_SUCCESS;
}

int main(void)
{
    const char *one = getenv("RAFT_SCRIPT");
    if (one != NULL) return print_one(one);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_script_holds),
        cmocka_unit_test(a_wrong_script_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
