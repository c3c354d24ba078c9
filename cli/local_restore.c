/* local_restore: runs the program, its talk on our stderr, and reads the document that it prints. */
#include "cli/local_restore.h"

#include "cli/command.h"
#include "cli/output.h"
#include "cli/render.h"
#include "runtime/base/check.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ARGUMENTS_MAX = 16, PATH_SIZE = 4096, OUTPUT_MAX = 64 * 1024 };

struct words {
    char *items[ARGUMENTS_MAX];
    uint32_t count;
};

static void add(struct words *words, const char *word)
{
    CHECK(words->count + 1 < ARGUMENTS_MAX);
    words->items[words->count++] = (char *)word;
}

/* `flag` with what was given for `field`; nothing when nothing was. */
static void add_given(struct words *words, const struct argv *argv, const char *flag, const char *field)
{
    const char *given = value_get_string(argv->arguments, field, NULL);
    if (given == NULL) return;
    add(words, flag);
    add(words, given);
}

static void find_program(char path[PATH_SIZE])
{
    ssize_t length = readlink("/proc/self/exe", path, PATH_SIZE - 1);
    path[length > 0 ? length : 0] = '\0';
    char *slash = strrchr(path, '/');
    char *end = slash == NULL ? path : slash + 1;
    (void)snprintf(end, (size_t)(path + PATH_SIZE - end), "aether-node");
}

static enum status start(struct words *words, pid_t *out_pid, int *out_output, struct error *error)
{
    int ends[2];
    if (pipe(ends) != 0) return error_set(error, STATUS_IO, "pipe: %s", strerror(errno));
    posix_spawn_file_actions_t actions;
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    (void)posix_spawn_file_actions_addclose(&actions, ends[0]);
    (void)posix_spawn_file_actions_addclose(&actions, ends[1]);
    int failed = posix_spawn(out_pid, words->items[0], &actions, NULL, words->items, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)close(ends[1]);
    if (failed == 0) {
        *out_output = ends[0];
        return STATUS_OK;
    }
    (void)close(ends[0]);
    (void)error_set(error, STATUS_NOT_FOUND, "run %s: %s", words->items[0], strerror(failed));
    error_hint(error, "restore on the machine of the node, where aether-node lies beside aether");
    return STATUS_NOT_FOUND;
}

static void read_all(int output, struct text *out)
{
    char buffer[4096];
    for (;;) {
        ssize_t count = read(output, buffer, sizeof buffer);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) break;
        if (out->size < OUTPUT_MAX) text_add_bytes(out, buffer, (size_t)count);
    }
    (void)close(output);
}

static enum status read_failure(const struct value *document, int code, struct error *error)
{
    const struct value *told = value_get(document, "error");
    enum status status = status_from_name(value_get_string(told, "code", ""));
    if (told == NULL || status == STATUS_COUNT) {
        (void)error_set(error, code == 78 ? STATUS_INVALID : STATUS_IO, "aether-node ended with %d", code);
        error_hint(error, "what it says above tells why");
        return error->status;
    }
    (void)error_set(error, status, "%s", value_get_string(told, "message", ""));
    error_hint(error, "%s", value_get_string(told, "hint", ""));
    return status;
}

static enum status restore(const struct argv *argv, struct value **out_document, struct error *error)
{
    char program[PATH_SIZE];
    struct words words = { 0 };
    find_program(program);
    add(&words, program);
    add_given(&words, argv, "--restore", "file");
    add_given(&words, argv, "--config", "config");
    add_given(&words, argv, "--node-data", "data");
    add_given(&words, argv, "--node-id", "node");
    if (value_get_boolean(argv->arguments, "force", false)) add(&words, "--restore-force");
    if (argv->quiet) add(&words, "--restore-quiet");
    pid_t pid = 0;
    int output = -1;
    enum status status = start(&words, &pid, &output, error);
    if (status != STATUS_OK) return status;
    struct text text = { 0 };
    int ended = 0;
    read_all(output, &text);
    while (waitpid(pid, &ended, 0) < 0 && errno == EINTR) {
    }
    struct value *document = NULL;
    int code = WIFEXITED(ended) ? WEXITSTATUS(ended) : 128 + WTERMSIG(ended);
    bool told = value_parse_json(text_string(&text), text.size, &document, NULL) == STATUS_OK;
    text_fini(&text);
    if (code == 0 && told) {
        *out_document = document;
        return STATUS_OK;
    }
    status = read_failure(told ? document : NULL, code, error);
    value_free(&document);
    return status;
}

int local_restore_run(const struct argv *argv)
{
    struct failure failure = { .what = argv->command->name, .harmless = false };
    struct value *document = NULL;
    if (restore(argv, &document, &failure.error) != STATUS_OK) return command_fail(argv, &failure);
    struct text out = { 0 };
    render_document(&out, argv->command, document, argv->output);
    int code = output_print(&out);
    text_fini(&out);
    value_free(&document);
    return code;
}
