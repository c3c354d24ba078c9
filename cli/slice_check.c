/* slice_check: `slice check`: what the file says, what the descriptor says, and one life. */
#include "cli/slice_bench.h"
#include "cli/slice_object.h"
#include "cli/slice_tool.h"
#include "runtime/base/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const int64_t step_timeout_ns = SECONDS(10);

struct check {
    const struct slice_tool *tool;
    struct slice_bench *bench;
    int64_t timeout_ns;
    const char *failed; /* The first step that did; NULL: none. */
};

static void add_step(const struct check *check, const char *step, enum status status, const char *text)
{
    struct value *row = value_new_object();
    value_set_string(row, "step", step);
    value_set_string(row, "status", status_name(status));
    value_set_string(row, "text", text);
    value_append(value_edit(check->tool->document, "steps"), row);
}

/* false: the bench answers no more. */
static bool take_step(struct check *check, const char *name, const char *line, const char *body, size_t size)
{
    struct bench_answer answer = { 0 };
    struct error error = { 0 };
    enum status status = slice_bench_step(check->bench, line, body, size, check->timeout_ns, &answer, &error);
    bool answers = status == STATUS_OK;
    const char *text = answers ? text_string(&answer.text) : error.message;
    if (answers) status = answer.status;
    add_step(check, name, status, text);
    if (status != STATUS_OK && check->failed == NULL) check->failed = name;
    text_fini(&answer.text);
    return answers;
}

static bool was_done(const struct check *check, const char *name)
{
    const struct value *steps = value_get(check->tool->document, "steps");
    const struct value *last = value_at(steps, value_size(steps) - 1);
    return strcmp(value_get_string(last, "step", ""), name) == 0 &&
           strcmp(value_get_string(last, "status", ""), status_name(STATUS_OK)) == 0;
}

/* start, health and stop only after their forerunners; destroy after create, come what may. */
static void live(struct check *check, const char *config)
{
    char line[64];
    (void)snprintf(line, sizeof line, "load %zu\n", strlen(config));
    if (!take_step(check, "create", line, config, strlen(config)) || !was_done(check, "create")) return;
    bool answers = take_step(check, "start", "start\n", NULL, 0);
    if (answers && was_done(check, "start"))
        answers =
            take_step(check, "health", "health\n", NULL, 0) && take_step(check, "stop", "stop\n", NULL, 0);
    if (answers && take_step(check, "destroy", "destroy\n", NULL, 0)) {
        bool unmapped = slice_bench_was_unmapped(check->bench);
        add_step(check, "unload", STATUS_OK,
                 unmapped ? "unmapped" : "it stays mapped: run inline it needs pinned: true");
    }
}

static void describe(const struct check *check)
{
    static const char *const members[] = { "artifact", "abi", "entries", "dependencies" };
    const struct value *described = slice_bench_described(check->bench);
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        if (value_get(described, members[i]) != NULL)
            value_set(check->tool->document, members[i], value_clone(value_get(described, members[i])));
}

static enum status check_config(const char *config, struct error *error)
{
    struct value *value = NULL;
    enum status status = value_parse_json(config, strlen(config), &value, error);
    if (status == STATUS_OK && value_type(value) != VALUE_OBJECT)
        status = error_set(error, STATUS_INVALID, "it is no JSON object");
    value_free(&value);
    return status == STATUS_OK ? status : error_wrap(error, "--config");
}

/* What a table has no column for. */
static void print_notes(const struct check *check)
{
    struct text notes = { 0 };
    slice_bench_take_notes(check->bench, &notes);
    if (!check->tool->argv->quiet) (void)fputs(text_string(&notes), stderr);
    text_fini(&notes);
}

enum status slice_check_run(const struct slice_tool *tool, struct error *error)
{
    struct text file = { 0 };
    struct check check = { .tool = tool };
    const char *config = value_get_string(tool->arguments, "config", "{}");
    check.timeout_ns = tool->argv->timeout_ns > 0 ? tool->argv->timeout_ns : step_timeout_ns;
    enum status status = slice_tool_file(tool, &file, error);
    if (status == STATUS_OK) status = check_config(config, error);
    if (status == STATUS_OK) {
        value_set_string(tool->document, "file", text_string(&file));
        status = slice_object_describe(text_string(&file), tool->document, error);
    }
    if (status == STATUS_OK) status = slice_bench_start(text_string(&file), &check.bench, error);
    if (status == STATUS_OK) {
        value_set(tool->document, "steps", value_new_array());
        live(&check, config);
        describe(&check);
        print_notes(&check);
        slice_bench_end(&check.bench);
    }
    text_fini(&file);
    if (status != STATUS_OK || check.failed == NULL) return status;
    status = error_set(error, STATUS_APP_ERROR, "%s failed", check.failed);
    error_hint(error, "steps say why; --config JSON gives create a configuration");
    return status;
}
