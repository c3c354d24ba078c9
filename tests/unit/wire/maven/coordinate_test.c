/* Goal: what `aether slice new` and `slice push` take for coordinates is what a node takes for them, no more
 * and no less: else a project is made, or a repository written, that no cluster reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "store/schema/coordinates.h"
#include "wire/maven/coordinate.h"

static void same_answers(const char *text)
{
    bool group = coordinate_is_good(text, COORDINATE_GROUP);
    bool artifact = coordinate_is_good(text, COORDINATE_ARTIFACT);
    bool version = coordinate_is_good(text, COORDINATE_VERSION);
    if (group != coordinates_part_is_valid(text, COORDINATES_GROUP_MAX)) fail_msg("group \"%s\"", text);
    if (artifact != coordinates_part_is_valid(text, COORDINATES_ARTIFACT_MAX))
        fail_msg("artifact \"%s\"", text);
    if (version != coordinates_version_is_valid(text)) fail_msg("version \"%s\"", text);
}

static void as_a_node_takes_them(void **unused)
{
    (void)unused;
    static const char *const cases[] = { "",    "a",       "9",     "org.example", "a..b",   ".a",
                                         "a.",  "a-b_c.d", "a+b",   "+a",          "a+",     "a b",
                                         "a/b", "../up",   "a:b",   "\xc3\xbc",    "1.0-rc", "-a",
                                         "a-",  "a\nb",    "[1,2)", "LATEST",      "v1",     "a.-b" };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        same_answers(cases[i]);
    char text[160];
    for (size_t length = 60; length < sizeof text; length++) {
        memset(text, 'x', length);
        text[length] = '\0';
        same_answers(text);
    }
    for (int byte = 1; byte < 256; byte++) { /* Each byte between two letters. */
        (void)snprintf(text, sizeof text, "a%cb", byte);
        same_answers(text);
    }
}

static void platform(void **unused)
{
    (void)unused;
    assert_true(strncmp(COORDINATE_PLATFORM, "linux-", 6) == 0);
    assert_true(coordinate_is_good(COORDINATE_PLATFORM, COORDINATE_ARTIFACT));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(as_a_node_takes_them), cmocka_unit_test(platform) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
