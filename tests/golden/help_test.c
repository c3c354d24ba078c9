/* Goal: what `aether help` prints changes only on purpose: the overview is compared with
 * tests/golden/help.txt, and docs/reference/commands.md with what the rows print now. After a change on
 * purpose: aether help > tests/golden/help.txt; aether help --markdown > docs/reference/commands.md */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "cli/help.h"

static void expect_file(const char *path, const struct argv *argv)
{
    struct text wanted = { 0 };
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    char buffer[4096];
    for (size_t size; (size = fread(buffer, 1, sizeof buffer, file)) > 0;)
        text_add_bytes(&wanted, buffer, size);
    (void)fclose(file);
    struct text printed = { 0 };
    help_text(&printed, argv);
    assert_string_equal(text_string(&printed), text_string(&wanted));
    text_fini(&printed);
    text_fini(&wanted);
}

static void overview_is_golden(void **unused)
{
    (void)unused;
    expect_file("tests/golden/help.txt", &(struct argv){ .action = ARGV_HELP });
}

static void reference_is_current(void **unused)
{
    (void)unused;
    expect_file("docs/reference/commands.md", &(struct argv){ .action = ARGV_HELP, .markdown = true });
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(overview_is_golden),
                                        cmocka_unit_test(reference_is_current) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
