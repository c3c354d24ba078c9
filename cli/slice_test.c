/* slice_test: `slice test`: one instance, created and started once; the cases one after another.
 *
 *     config: {currency: EUR}                          # what create gets; {} if absent
 *     invoke:                                          # what other slices answer; else NO_ENDPOINT
 *       - {target: "org.example:tax/rate", reply: 19}
 *       - {target: "org.example:stock/left", error: OVERLOADED, text: later}
 *     cases:
 *       - {name: quotes, call: quote, payload: {net: 100}, reply: {gross: 119}}
 *       - {name: refuses, call: quote, payload: {}, error: INVALID, text: net, timeout: 2s} */
#include "cli/slice_bench.h"
#include "cli/slice_tool.h"
#include "runtime/base/check.h"
#include "runtime/base/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    TESTS_SIZE_MAX = 1024 * 1024,
    LINE_SIZE = 512,
    SHOWN_MAX = 400,
    INVOKES_MAX = 256 /* Of the bench. */
};

static const int64_t hook_timeout_ns = SECONDS(10);
static const int64_t call_timeout_ns = SECONDS(30);

struct test {
    const struct slice_tool *tool;
    const char *path; /* Of the cases. */
    struct value *cases;
    struct value_positions *positions;
    struct slice_bench *bench;
    int64_t passed;
    int64_t failed;
};

/* --- the file ------------------------------------------------------------------------------------------- */

static bool is_listed(const char *const *names, const char *name)
{
    for (; *names != NULL; names++)
        if (strcmp(*names, name) == 0) return true;
    return false;
}

static enum status check_members(const struct test *test, const struct value *object, const char *path,
                                 const char *const *names, struct error *error)
{
    const char *key;
    const struct value *member;
    if (value_type(object) != VALUE_OBJECT)
        return error_set(error, STATUS_INVALID, "%s, line %u: %s is no mapping", test->path,
                         value_positions_line(test->positions, path),
                         path[0] != '\0' ? path : "the document");
    for (void *cursor = NULL; value_next(object, &cursor, &key, &member);) {
        char at[LINE_SIZE];
        if (is_listed(names, key)) continue;
        (void)snprintf(at, sizeof at, "%s%s%.64s", path, path[0] != '\0' ? "." : "", key);
        return error_set(error, STATUS_INVALID, "%s, line %u: unknown field %.64s", test->path,
                         value_positions_line(test->positions, at), key);
    }
    return STATUS_OK;
}

static enum status need_text(const struct test *test, const struct value *object, const char *path,
                             const char *name, struct error *error)
{
    const char *text = value_get_string(object, name, NULL);
    if (text != NULL && text[0] != '\0' && strpbrk(text, " \n\t") == NULL) return STATUS_OK;
    return error_set(error, STATUS_INVALID, "%s, line %u: %s needs %s, one word", test->path,
                     value_positions_line(test->positions, path), path, name);
}

/* `error` is a status word, and excludes `reply`. */
static enum status check_outcome(const struct test *test, const struct value *object, const char *path,
                                 struct error *error)
{
    const char *word = value_get_string(object, "error", NULL);
    unsigned line = value_positions_line(test->positions, path);
    if (word == NULL && value_get(object, "error") == NULL) return STATUS_OK;
    if (value_get(object, "reply") != NULL)
        return error_set(error, STATUS_INVALID, "%s, line %u: either reply or error", test->path, line);
    for (int i = STATUS_OK + 1; word != NULL && i < STATUS_COUNT; i++)
        if (strcmp(status_name((enum status)i), word) == 0) return STATUS_OK;
    enum status status = error_set(
        error, STATUS_INVALID, "%s, line %u: error takes one of the words for outcomes", test->path, line);
    error_hint(error, "APP_ERROR, INVALID, DENIED, OVERLOADED, DEADLINE, CONFLICT, ...");
    return status;
}

static enum status check_list(const struct test *test, const char *list, const char *needed,
                              const char *const *names, struct error *error)
{
    const struct value *items = value_get(test->cases, list);
    enum status status = STATUS_OK;
    if (items != NULL && value_type(items) != VALUE_ARRAY)
        return error_set(error, STATUS_INVALID, "%s, line %u: %s is no list", test->path,
                         value_positions_line(test->positions, list), list);
    for (size_t i = 0; status == STATUS_OK && i < value_size(items); i++) {
        char path[64];
        const struct value *item = value_at(items, i);
        (void)snprintf(path, sizeof path, "%s[%zu]", list, i);
        status = check_members(test, item, path, names, error);
        if (status == STATUS_OK) status = need_text(test, item, path, needed, error);
        if (status == STATUS_OK) status = check_outcome(test, item, path, error);
    }
    return status;
}

static enum status check_file(const struct test *test, struct error *error)
{
    static const char *const top[] = { "config", "invoke", "cases", NULL };
    static const char *const of_case[] = { "name",  "call", "payload", "reply",
                                           "error", "text", "timeout", NULL };
    static const char *const of_invoke[] = { "target", "reply", "error", "text", NULL };
    enum status status = check_members(test, test->cases, "", top, error);
    const struct value *config = value_get(test->cases, "config");
    if (status == STATUS_OK && config != NULL && value_type(config) != VALUE_OBJECT)
        status = error_set(error, STATUS_INVALID, "%s: config is no mapping", test->path);
    if (status == STATUS_OK) status = check_list(test, "invoke", "target", of_invoke, error);
    if (status == STATUS_OK && value_size(value_get(test->cases, "invoke")) > INVOKES_MAX)
        status = error_set(error, STATUS_INVALID, "%s: invoke holds more than %d targets", test->path,
                           INVOKES_MAX);
    if (status == STATUS_OK) status = check_list(test, "cases", "call", of_case, error);
    if (status == STATUS_OK && value_size(value_get(test->cases, "cases")) == 0)
        status = error_set(error, STATUS_INVALID, "%s holds no cases", test->path);
    return status;
}

static enum status read_file(struct test *test, struct error *error)
{
    struct text text = { 0 };
    enum status status = slice_tool_read(test->path, TESTS_SIZE_MAX, &text, error);
    if (status == STATUS_OK) {
        status = value_parse_yaml(text_string(&text), text.size, &test->cases, &test->positions, error);
        if (status != STATUS_OK) (void)error_wrap(error, "%s", test->path);
    }
    text_fini(&text);
    return status == STATUS_OK ? check_file(test, error) : status;
}

/* --- one case ------------------------------------------------------------------------------------------- */

static void judge(struct test *test, const struct value *one, const char *why)
{
    struct value *row = value_new_object();
    value_set_string(row, "name", value_get_string(one, "name", value_get_string(one, "call", "")));
    value_set_boolean(row, "passed", why == NULL);
    value_set_string(row, "text", why != NULL ? why : "");
    value_append(value_edit(test->tool->document, "cases"), row);
    if (why == NULL) test->passed++;
    else test->failed++;
}

/* As JSON if it is, else as the text it is. */
static bool reply_is(const struct value *wanted, const struct text *reply)
{
    struct value *got = NULL;
    bool same;
    if (value_parse_json(text_string(reply), reply->size, &got, NULL) == STATUS_OK)
        same = value_equal(wanted, got);
    else
        same = value_string(wanted) != NULL && strlen(value_string(wanted)) == reply->size &&
               memcmp(value_string(wanted), text_string(reply), reply->size) == 0;
    value_free(&got);
    return same;
}

/* Why it isn't what the case wants, in `why`; true: it is. */
static bool outcome_is(const struct value *one, const struct bench_answer *answer, struct text *why)
{
    const char *wanted = value_get_string(one, "error", status_name(STATUS_OK));
    const char *part = value_get_string(one, "text", "");
    const struct value *reply = value_get(one, "reply");
    const char *got = status_name(answer->status);
    if (strcmp(wanted, got) != 0) {
        text_printf(why, "it ended %s (%.*s), not %s", got, SHOWN_MAX, text_string(&answer->text), wanted);
        return false;
    }
    if (part[0] != '\0' && strstr(text_string(&answer->text), part) == NULL) {
        text_printf(why, "it says \"%.*s\", without \"%s\"", SHOWN_MAX, text_string(&answer->text), part);
        return false;
    }
    if (reply == NULL || reply_is(reply, &answer->text)) return true;
    char *dump = value_dump(reply);
    text_printf(why, "it answered %.*s, not %.*s", SHOWN_MAX, text_string(&answer->text), SHOWN_MAX, dump);
    memory_free(dump);
    return false;
}

static enum status run_case(struct test *test, const struct value *one, struct error *error)
{
    char line[LINE_SIZE];
    struct bench_answer answer = { 0 };
    struct text why = { 0 };
    int64_t timeout_ns = call_timeout_ns;
    const char *timeout = value_get_string(one, "timeout", NULL);
    if (timeout != NULL && (!text_to_duration_ns(timeout, &timeout_ns) || timeout_ns <= 0))
        return error_set(error, STATUS_INVALID, "%s: timeout takes a duration, such as 2s", test->path);
    const struct value *payload = value_get(one, "payload");
    char *body = payload != NULL ? value_dump(payload) : memory_strdup("");
    (void)snprintf(line, sizeof line, "call %.200s %" PRId64 " %zu\n", value_get_string(one, "call", ""),
                   timeout_ns / MILLISECONDS(1), strlen(body));
    enum status status =
        slice_bench_step(test->bench, line, body, strlen(body), hook_timeout_ns, &answer, error);
    if (status != STATUS_OK) judge(test, one, error->message);
    else judge(test, one, outcome_is(one, &answer, &why) ? NULL : text_string(&why));
    memory_free(body);
    text_fini(&why);
    text_fini(&answer.text);
    return status;
}

/* --- all of them ---------------------------------------------------------------------------------------- */

static enum status tell_stubs(const struct test *test, struct error *error)
{
    const struct value *stubs = value_get(test->cases, "invoke");
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < value_size(stubs); i++) {
        char line[LINE_SIZE];
        const struct value *stub = value_at(stubs, i);
        const char *word = value_get_string(stub, "error", status_name(STATUS_OK));
        int number = STATUS_OK;
        while (number < STATUS_COUNT - 1 && strcmp(status_name((enum status)number), word) != 0)
            number++;
        bool good = number == STATUS_OK;
        const struct value *reply = value_get(stub, "reply");
        char *body =
            good && reply != NULL ? value_dump(reply) : memory_strdup(value_get_string(stub, "text", ""));
        (void)snprintf(line, sizeof line, "stub %.200s %d %zu\n", value_get_string(stub, "target", ""),
                       number, strlen(body));
        status = slice_bench_tell(test->bench, line, body, strlen(body), error);
        memory_free(body);
    }
    return status;
}

/* create or start: what they say is why nothing can be tested. */
static enum status prepare(const struct test *test, const char *hook, const char *line, const char *body,
                           struct error *error)
{
    struct bench_answer answer = { 0 };
    enum status status =
        slice_bench_step(test->bench, line, body, strlen(body), hook_timeout_ns, &answer, error);
    if (status != STATUS_OK) (void)error_wrap(error, "%s", hook);
    if (status == STATUS_OK && answer.status != STATUS_OK)
        status = error_set(error, STATUS_APP_ERROR, "%s", text_string(&answer.text));
    text_fini(&answer.text);
    return status;
}

static enum status run_cases(struct test *test, struct error *error)
{
    char line[64];
    const struct value *config = value_get(test->cases, "config");
    const struct value *cases = value_get(test->cases, "cases");
    char *text = config != NULL ? value_dump(config) : memory_strdup("{}");
    (void)snprintf(line, sizeof line, "load %zu\n", strlen(text));
    enum status status = tell_stubs(test, error);
    if (status == STATUS_OK) status = prepare(test, "create", line, text, error);
    if (status == STATUS_OK) status = prepare(test, "start", "start\n", "", error);
    memory_free(text);
    if (status != STATUS_OK) return status;
    value_set(test->tool->document, "cases", value_new_array());
    for (size_t i = 0; status == STATUS_OK && i < value_size(cases); i++)
        status = run_case(test, value_at(cases, i), error);
    if (status == STATUS_OK) status = prepare(test, "stop", "stop\n", "", error);
    if (status == STATUS_OK) status = prepare(test, "destroy", "destroy\n", "", error);
    return status;
}

static enum status sum_up(struct test *test, enum status status, struct error *error)
{
    struct text notes = { 0 };
    slice_bench_take_notes(test->bench, &notes);
    if (test->tool->argv->verbose || test->failed > 0 || status != STATUS_OK)
        (void)fputs(text_string(&notes), stderr);
    text_fini(&notes);
    value_set_integer(test->tool->document, "passed", test->passed);
    value_set_integer(test->tool->document, "failed", test->failed);
    if (status != STATUS_OK || test->failed == 0) return status;
    status = error_set(error, STATUS_APP_ERROR, "%" PRId64 " of %" PRId64 " cases failed", test->failed,
                       test->passed + test->failed);
    error_hint(error, "the cases are in %s", test->path);
    return status;
}

enum status slice_test_run(const struct slice_tool *tool, struct error *error)
{
    struct text file = { 0 }, tests = { 0 };
    struct test test = { .tool = tool };
    const char *named = value_get_string(tool->arguments, "tests", "");
    enum status status = slice_tool_file(tool, &file, error);
    if (status == STATUS_OK && named[0] != '\0') text_add(&tests, named);
    if (status == STATUS_OK && named[0] == '\0') {
        status = slice_tool_find(NULL, "*-test.yaml", "file of test cases", &tests, error);
        if (status != STATUS_OK) error_hint(error, "aether slice test --tests FILE");
    }
    test.path = text_string(&tests);
    if (status == STATUS_OK) status = read_file(&test, error);
    if (status == STATUS_OK) status = slice_bench_start(text_string(&file), &test.bench, error);
    if (status == STATUS_OK) status = sum_up(&test, run_cases(&test, error), error);
    slice_bench_end(&test.bench);
    value_free(&test.cases);
    value_positions_free(&test.positions);
    text_fini(&file);
    text_fini(&tests);
    return status;
}
