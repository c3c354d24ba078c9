/* Goal: a word that stands for a file becomes what the file holds, and what can't be content is refused with
 * the file's name, having read no more than a megabyte of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/content.h"

static char path[] = "/tmp/aether-content-XXXXXX";

static int setup(void **unused)
{
    (void)unused;
    (void)strcpy(path + strlen(path) - 6, "XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    (void)close(fd);
    return 0;
}

static int teardown(void **unused)
{
    (void)unused;
    return unlink(path);
}

static void fill(const void *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static struct argv command_of(const char *command, const char *field, const char *word)
{
    struct argv argv = { .command = command_find(command), .arguments = value_new_object() };
    value_set_string(argv.arguments, field, word);
    return argv;
}

static void expect(const char *command, const char *field, const char *word, const char *wanted)
{
    struct argv argv = command_of(command, field, word);
    struct error error;
    assert_int_equal(content_load(&argv, &error), STATUS_OK);
    assert_string_equal(value_get_string(argv.arguments, field, ""), wanted);
    argv_fini(&argv);
}

static void expect_refused(const char *word, const char *named)
{
    struct argv argv = command_of("blueprint publish", "document", word);
    struct error error;
    assert_int_equal(content_load(&argv, &error), STATUS_INVALID);
    assert_non_null(strstr(error.message, word));
    assert_non_null(strstr(error.message, named));
    argv_fini(&argv);
}

static void files_are_read(void **unused)
{
    (void)unused;
    fill("name: shop\n", 11);
    expect("blueprint publish", "document", path, "name: shop\n");
    char at[sizeof path + 1];
    (void)snprintf(at, sizeof at, "@%s", path);
    expect("call", "payload", at, "name: shop\n");
}

static void words_stay_words(void **unused)
{
    (void)unused;
    expect("call", "payload", "{\"a\":1}", "{\"a\":1}");
    expect("kv get", "key", "@nothing", "@nothing"); /* This row takes no files. */
    expect("kv get", "key", "-", "-");
}

static void bad_files_are_refused(void **unused)
{
    (void)unused;
    expect_refused("/no/such/file", "can't be opened");
    expect_refused("", "the name of the file is empty");
    expect_refused("/tmp", "can't be read");
    fill("a\xff", 2);
    expect_refused(path, "UTF-8");
    fill("a\0b", 3);
    expect_refused(path, "UTF-8");
    char *large = malloc(CONTENT_SIZE_MAX + 1);
    (void)memset(large, 'a', CONTENT_SIZE_MAX + 1);
    fill(large, CONTENT_SIZE_MAX + 1);
    expect_refused(path, "larger than 1 MiB");
    fill(large, CONTENT_SIZE_MAX); /* Exactly as much as may be. */
    large[CONTENT_SIZE_MAX] = '\0';
    expect("blueprint publish", "document", path, large);
    free(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(files_are_read, setup, teardown),
        cmocka_unit_test_setup_teardown(words_stay_words, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_files_are_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
