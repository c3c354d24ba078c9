/* Goal: the words of a command line become one row with typed arguments, and whoever mistypes is told the
 * nearest right word (product.md section 7: exit 2). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/argv.h"
#include "runtime/base/check.h"
#include "runtime/base/memory.h"

enum { WORDS_MAX = 16 };

static enum status parse(struct argv *out, struct error *error, const char *line)
{
    static char copy[512];
    char *words[WORDS_MAX];
    int count = 0;
    strcpy(copy, line);
    for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " "))
        words[count++] = word;
    return argv_parse(count, words, out, error);
}

static void row_and_arguments(void **unused)
{
    (void)unused;
    struct argv argv;
    assert_int_equal(parse(&argv, NULL, "aether -o json kv put a/b 7 --if-rev 3 --force -e /x --timeout=2s"),
                     STATUS_OK);
    assert_int_equal(argv.action, ARGV_COMMAND);
    assert_string_equal(argv.command->name, "kv put");
    assert_int_equal(argv.output, OUTPUT_JSON);
    assert_string_equal(argv.endpoint, "/x");
    assert_int_equal(argv.timeout_ns, SECONDS(2));
    char *dump = value_dump(argv.arguments);
    assert_string_equal(dump, "{\"key\":\"a/b\",\"value\":\"7\",\"if-rev\":3,\"force\":true}");
    memory_free(dump);
    argv_fini(&argv);
}

static void words_that_look_like_flags(void **unused)
{
    (void)unused;
    struct argv argv;
    assert_int_equal(parse(&argv, NULL, "aether kv put a -1"), STATUS_OK); /* A number is no flag. */
    assert_string_equal(value_get_string(argv.arguments, "value", ""), "-1");
    argv_fini(&argv);
    assert_int_equal(parse(&argv, NULL, "aether kv put a -- --force"), STATUS_OK); /* "--" ends flags. */
    assert_string_equal(value_get_string(argv.arguments, "value", ""), "--force");
    assert_null(value_get(argv.arguments, "force"));
    argv_fini(&argv);
    assert_int_equal(parse(&argv, NULL, "aether blueprint publish -"), STATUS_OK);
    assert_string_equal(value_get_string(argv.arguments, "document", ""), "-");
    argv_fini(&argv);
    assert_int_equal(parse(&argv, NULL, "aether kv delete a --force=false"), STATUS_OK);
    assert_false(value_get_boolean(argv.arguments, "force", true));
    argv_fini(&argv);
    assert_int_equal(parse(&argv, NULL, "aether -oyaml node list --stale"), STATUS_OK);
    assert_int_equal(argv.output, OUTPUT_YAML);
    assert_true(value_get_boolean(argv.arguments, "stale", false));
    argv_fini(&argv);
}

static void single_word_and_optional_positionals(void **unused)
{
    (void)unused;
    struct argv argv;
    assert_int_equal(parse(&argv, NULL, "aether call g:a/e"), STATUS_OK);
    assert_string_equal(argv.command->name, "call");
    assert_null(value_get(argv.arguments, "payload"));
    argv_fini(&argv);
    assert_int_equal(parse(&argv, NULL, "aether kv list"), STATUS_OK);
    argv_fini(&argv);
}

static void help_stands_anywhere(void **unused)
{
    (void)unused;
    struct argv argv;
    static const char *const lines[] = { "aether kv put --help", "aether --help kv put", "aether help kv put",
                                         "aether kv put a b -h" };
    for (size_t i = 0; i < ARRAY_COUNT(lines); i++) {
        assert_int_equal(parse(&argv, NULL, lines[i]), STATUS_OK);
        assert_int_equal(argv.action, ARGV_HELP);
        assert_string_equal(argv.command->name, "kv put");
        argv_fini(&argv);
    }
    assert_int_equal(parse(&argv, NULL, "aether help kv"), STATUS_OK);
    assert_string_equal(argv.noun, "kv");
    argv_fini(&argv);
    assert_int_equal(parse(&argv, NULL, "aether mcp --principal robot"), STATUS_OK);
    assert_int_equal(argv.action, ARGV_MCP);
    assert_string_equal(argv.principal, "robot");
    argv_fini(&argv);
}

static void mistakes_name_the_nearest(void **unused)
{
    (void)unused;
    static const struct {
        const char *line;
        const char *message;
        const char *hint;
    } cases[] = {
        { "aether", "a command is missing", "aether help" },
        { "aether kvv get a", "there is no command \"kvv\"", "aether kv" },
        { "aether blueprnt list", "there is no command \"blueprnt\"", "aether blueprint" },
        { "aether node prom node-2", "node has no verb \"prom\"", "aether node promote" }, /* It begins so. */
        { "aether xylophone", "there is no command \"xylophone\"", "aether help" },
        { "aether kv", "kv needs a verb", "aether help kv" },
        { "aether kv gte a", "kv has no verb \"gte\"", "aether kv get" },
        { "aether kv get", "kv get: KEY is missing", "aether kv get blueprints/shop -o json" },
        { "aether kv get a b", "kv get takes no further word \"b\"", "aether help kv get" },
        { "aether kv get a --stal", "kv get has no flag --stal", "--stale" },
        { "aether kv put a b --if-rvv=3", "kv put has no flag --if-rvv=3", "--if-rev" },
        { "aether --outptu json kv get a", "aether has no flag --outptu", "--output" },
        { "aether kv put a b --if-rev x", "--if-rev takes a number from 0, not \"x\"", "aether help kv put" },
        { "aether kv put a b --if-rev -1", "--if-rev takes a number from 0, not \"-1\"",
          "aether help kv put" },
        { "aether kv list --limit 4294967296", "--limit takes a smaller number, not \"4294967296\"",
          "aether help kv list" },
        { "aether kv put a b --if-rev", "--if-rev needs a value", "aether help kv put" },
        { "aether kv get a --timeout 5", "--timeout takes a duration, not \"5\"", "--timeout 30s" },
        { "aether kv get a -o jsn", "--output takes table, json, yaml or name, not \"jsn\"",
          "--output json" },
        { "aether kv get a --quiet=yes", "--quiet takes no value", "aether help kv get" },
        { "aether kv put a \xff", "value is not UTF-8", "aether help kv put" },
        { "aether lease grant a --holder b", "lease grant: --ttl DUR is missing",
          "aether lease grant backup --holder host-7 --ttl 30s" },
        { "aether version now", "one word too many: \"now\"", "" },
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct argv argv;
        struct error error;
        assert_int_equal(parse(&argv, &error, cases[i].line), STATUS_INVALID);
        assert_string_equal(error.message, cases[i].message);
        assert_string_equal(error.hint, cases[i].hint);
        argv_fini(&argv);
    }
}

/* A mistake is told in the form that was asked for, wherever -o stands. */
static void output_is_known_after_a_mistake(void **unused)
{
    (void)unused;
    struct argv argv;
    assert_int_equal(parse(&argv, NULL, "aether kvv get a -o json"), STATUS_INVALID);
    assert_int_equal(argv.output, OUTPUT_JSON);
    argv_fini(&argv);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(row_and_arguments),
        cmocka_unit_test(words_that_look_like_flags),
        cmocka_unit_test(single_word_and_optional_positionals),
        cmocka_unit_test(help_stands_anywhere),
        cmocka_unit_test(mistakes_name_the_nearest),
        cmocka_unit_test(output_is_known_after_a_mistake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
