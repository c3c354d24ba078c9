/* Goal: the swarm bites: each planted bug is found within 200 seeds, by the swarm as it is (proof.md section
 * 3). Method: the swarm program with AETHER_MUTANT set has to fail. Only builds with AETHER_MUTANTS (preset
 * sim) have the bugs in them; elsewhere this is skipped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_found(const char *mutant)
{
    if (AETHER_MUTANTS == 0) skip();
    const char *build = getenv("AETHER_BUILD");
    if (build == NULL) fail_msg("AETHER_BUILD is not set: run this by ctest");
    char command[1024];
    (void)snprintf(command, sizeof command, "AETHER_MUTANT=%s '%s/tests/test.sim.swarm' --seeds 1..200 2>&1",
                   mutant, build);
    FILE *output = popen(command, "r"); /* NOLINT(cert-env33-c): a test's own words. */
    assert_non_null(output);
    char line[1024];
    bool found = false;
    while (fgets(line, sizeof line, output) != NULL) {
        found = found || strncmp(line, "FAIL seed=", 10) == 0;
        print_message("%s: %s", mutant, line);
    }
    (void)pclose(output);
    assert_true(found);
}

static void finds_old_terms_committed_by_counting(void **unused) /* R7 */
{
    (void)unused;
    assert_found("old-term-by-counting");
}

static void finds_acknowledgements_before_the_sync(void **unused) /* R5 */
{
    (void)unused;
    assert_found("ack-before-sync");
}

static void finds_endpoints_kept_after_a_loss(void **unused) /* A7, DEP3 */
{
    (void)unused;
    assert_found("endpoint-kept");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_old_terms_committed_by_counting),
        cmocka_unit_test(finds_acknowledgements_before_the_sync),
        cmocka_unit_test(finds_endpoints_kept_after_a_loss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
