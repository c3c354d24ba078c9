/* Goal: the table holds product.md's thirteen words and no other, code and docs say the same, and no slice
 * can make the cluster repeat a call by what it answers. After a change that is meant: AETHER_GOLDEN=write.
 */
#include "wire/outcome.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char reference_path[] = "docs/reference/outcomes.md";
static const char product_path[] = "docs/product.md";

static void read_file(const char *path, struct text *out)
{
    FILE *file = fopen(path, "r");
    if (file == NULL) return;
    char part[4096];
    for (size_t size; (size = fread(part, 1, sizeof part, file)) > 0;)
        text_add_bytes(out, part, size);
    (void)fclose(file);
}

static void docs_say_what_the_table_says(void **unused)
{
    (void)unused;
    struct text wanted = { 0 };
    struct text found = { 0 };
    outcome_reference(&wanted);
    if (getenv("AETHER_GOLDEN") != NULL && strcmp(getenv("AETHER_GOLDEN"), "write") == 0) {
        FILE *file = fopen(reference_path, "w");
        assert_non_null(file);
        assert_int_equal(fwrite(wanted.data, 1, wanted.size, file), wanted.size);
        assert_int_equal(fclose(file), 0);
    }
    read_file(reference_path, &found);
    assert_string_equal(text_string(&found), text_string(&wanted));
    text_fini(&wanted);
    text_fini(&found);
}

/* product.md names them in one sentence, in this order. */
static void they_are_the_products_thirteen(void **unused)
{
    (void)unused;
    struct text product = { 0 };
    struct text sentence = { 0 };
    read_file(product_path, &product);
    for (size_t i = 0; outcome_at(i) != NULL; i++)
        text_printf(&sentence, "%s%s", i == 0 ? "" : ", ", status_name(outcome_at(i)->status));
    text_add(&sentence, ".");
    for (char *c = product.data; *c != '\0'; c++)
        if (*c == '\n') *c = ' ';
    assert_non_null(strstr(product.data, text_string(&sentence)));
    text_fini(&product);
    text_fini(&sentence);
}

static void every_status_becomes_an_outcome(void **unused)
{
    (void)unused;
    for (int i = 0; i < STATUS_COUNT; i++) {
        enum status status = (enum status)i;
        assert_non_null(outcome_find(outcome_of(status)));
        if (outcome_find(status) != NULL) assert_int_equal(outcome_of(status), status);
    }
    assert_int_equal(outcome_of(STATUS_UNKNOWN), STATUS_NODE_LOST);
    assert_int_equal(outcome_of(STATUS_CONFLICT), STATUS_APP_ERROR);
}

/* At most once: what may have run is never repeated unless it is harmless. */
static void classes_fit_what_may_have_run(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < OUTCOME_COUNT; i++) {
        const struct outcome *outcome = outcome_at(i);
        if (outcome->retry == RETRY_ALWAYS) assert_false(outcome->may_have_run);
        if (outcome->retry == RETRY_IF_HARMLESS) assert_true(outcome->may_have_run);
        assert_true(outcome->status == STATUS_OK || outcome->next[0] != '\0');
    }
}

static void slices_say_only_what_they_can_know(void **unused)
{
    (void)unused;
    for (int i = 0; i < STATUS_COUNT; i++) {
        const struct outcome *outcome = outcome_find(outcome_of_slice((enum status)i));
        assert_non_null(outcome);
        assert_int_not_equal(outcome->retry, RETRY_IF_HARMLESS);
    }
    assert_int_equal(outcome_of_slice(STATUS_NOT_FOUND), STATUS_APP_ERROR);
    assert_int_equal(outcome_of_slice(STATUS_CRASHED), STATUS_APP_ERROR);
    assert_int_equal(outcome_of_slice(STATUS_OVERLOADED),
                     STATUS_OVERLOADED); /* Its word that it did nothing. */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(docs_say_what_the_table_says),
        cmocka_unit_test(they_are_the_products_thirteen),
        cmocka_unit_test(every_status_becomes_an_outcome),
        cmocka_unit_test(classes_fit_what_may_have_run),
        cmocka_unit_test(slices_say_only_what_they_can_know),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
