/* slice_tool: see the header. */
#include "cli/slice_tool.h"

#include "cli/command.h"
#include "cli/content.h"
#include "cli/failure.h"
#include "cli/output.h"
#include "cli/render.h"
#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/os/path.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    enum status (*run)(const struct slice_tool *tool, struct error *error);
} tools[] = {
    { "slice new", slice_new_run },   { "slice build", slice_build_run }, { "slice check", slice_check_run },
    { "slice test", slice_test_run }, { "slice push", slice_push_run },
};

/* --- files ---------------------------------------------------------------------------------------------- */

/* A folder's own name is no pattern, whatever is in it. */
static void add_escaped(struct text *pattern, const char *folder)
{
    for (const char *c = folder; *c != '\0'; c++) {
        if (strchr("*?[\\", *c) != NULL) text_add(pattern, "\\");
        text_add_bytes(pattern, c, 1);
    }
    text_add(pattern, "/");
}

enum status slice_tool_find(const char *folder, const char *pattern, const char *what, struct text *out_path,
                            struct error *error)
{
    glob_t found;
    struct text whole = { 0 };
    enum status status = STATUS_OK;
    if (folder != NULL) add_escaped(&whole, folder);
    text_add(&whole, pattern);
    int code = glob(text_string(&whole), 0, NULL, &found);
    text_fini(&whole);
    if (code != 0 && code != GLOB_NOMATCH)
        return error_set(error, STATUS_IO, "%s can't be looked for", pattern);
    size_t count = code == GLOB_NOMATCH ? 0 : found.gl_pathc;
    if (count == 1) text_add(out_path, found.gl_pathv[0]);
    else if (count == 0)
        status = error_set(error, STATUS_NOT_FOUND, "there is no %s %s%s (%s)", what,
                           folder == NULL ? "here" : "in ", folder == NULL ? "" : folder, pattern);
    else
        status = error_set(error, STATUS_INVALID, "there are %zu of them (%s): which %s is meant?", count,
                           pattern, what);
    globfree(&found);
    return status;
}

enum status slice_tool_file(const struct slice_tool *tool, struct text *out_path, struct error *error)
{
    const char *file = value_get_string(tool->arguments, "file", "");
    if (file[0] == '\0') {
        enum status status = slice_tool_find(NULL, "build/*.so", "shared object", out_path, error);
        if (status != STATUS_OK)
            error_hint(error,
                       status == STATUS_NOT_FOUND ? "aether slice build" : "name one: aether %s FILE.so",
                       tool->argv->command->name);
        return status;
    }
    /* The loader takes a name without a slash for one of the system's libraries. */
    return path_resolve(file, out_path, error);
}

enum status slice_tool_read(const char *path, size_t size_max, struct text *out, struct error *error)
{
    enum { STEP = 64 * 1024 };
    FILE *file = fopen(path, "rbe");
    if (file == NULL)
        return error_set(error, STATUS_INVALID, "%s can't be opened: %s", path, strerror(errno));
    char *buffer = memory_alloc(STEP);
    size_t count;
    while (out->size <= size_max && (count = fread(buffer, 1, STEP, file)) > 0)
        text_add_bytes(out, buffer, count);
    bool failed = ferror(file) != 0;
    (void)fclose(file);
    memory_free(buffer);
    if (failed) return error_set(error, STATUS_INVALID, "%s can't be read", path);
    if (out->size > size_max)
        return error_set(error, STATUS_INVALID, "%s is larger than %zu bytes", path, size_max);
    return STATUS_OK;
}

/* --- a command ------------------------------------------------------------------------------------------ */

static int print(const struct argv *argv, const struct value *document)
{
    struct text out = { 0 };
    if (argv->quiet && argv->output == OUTPUT_TABLE) return 0;
    render_document(&out, argv->command, document, argv->output);
    int code = output_print(&out);
    text_fini(&out);
    return code;
}

static enum status run(const struct slice_tool *tool, struct error *error)
{
    for (size_t i = 0; i < ARRAY_COUNT(tools); i++)
        if (strcmp(tools[i].name, tool->argv->command->name) == 0) return tools[i].run(tool, error);
    CHECK(false); /* A local row has a tool. */
    return STATUS_INVALID;
}

/* Something of what the command lists is there: else there is but its error. */
static bool has_come_far(const struct argv *argv, const struct value *document)
{
    const char *list = argv->command->list;
    return list == NULL ? value_size(document) > 0 : value_size(value_get(document, list)) > 0;
}

int slice_tool_run(struct argv *argv)
{
    struct failure failure = { .what = argv->command->name, .harmless = true, .is_tool = true };
    struct slice_tool tool = { .argv = argv };
    enum status status = content_load(argv, &failure.error);
    tool.arguments = argv->arguments;
    tool.document = value_new_object();
    if (status == STATUS_OK) status = run(&tool, &failure.error);
    bool machine = argv->output == OUTPUT_JSON || argv->output == OUTPUT_YAML;
    int code = 0;
    if (status == STATUS_OK) {
        code = print(argv, tool.document);
    } else { /* One document in JSON: how far it came stands in the error's details. */
        if (!machine && has_come_far(argv, tool.document)) (void)print(argv, tool.document);
        failure.details = tool.document;
        code = command_fail(argv, &failure);
    }
    value_free(&tool.document);
    return code;
}
