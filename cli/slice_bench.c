/* slice_bench: reads the answers line by line; whatever the slice does, somebody waits for at most a timeout.
 */
#include "cli/slice_bench.h"

#include "cli/render.h"
#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/os/child.h"
#include "runtime/os/path.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { LINE_MAX_SIZE = 2048, READ_SIZE = 64 * 1024 };

struct slice_bench {
    struct child *child; /* NULL: it has ended. */
    struct text input;   /* Read from it, from `position` on not looked at yet. */
    size_t position;
    struct value *described;
    struct text notes;
    bool unmapped;
};

/* --- reading -------------------------------------------------------------------------------------------- */

static enum status tell_end(struct slice_bench *bench, struct error *error)
{
    struct child_end end = child_wait(&bench->child);
    if (end.by_signal)
        return error_set(error, STATUS_CRASHED, "killed by signal %d (SIG%s)", end.code,
                         sigabbrev_np(end.code));
    return error_set(error, STATUS_CRASHED, "its process ended by itself with exit code %d", end.code);
}

static enum status read_more(struct slice_bench *bench, int64_t timeout_ns, struct error *error)
{
    char buffer[READ_SIZE];
    size_t count = 0;
    enum status status = child_read(bench->child, buffer, sizeof buffer, timeout_ns, &count, error);
    if (status == STATUS_DEADLINE) {
        child_kill(bench->child);
        (void)child_wait(&bench->child);
        return error_set(error, status, "it did not return within %" PRId64 " ms, and was killed",
                         timeout_ns / MILLISECONDS(1));
    }
    if (status != STATUS_OK) return status;
    if (count == 0) return tell_end(bench, error);
    if (bench->position == bench->input.size) text_fini(&bench->input);
    if (bench->input.size == 0) bench->position = 0;
    text_add_bytes(&bench->input, buffer, count);
    return STATUS_OK;
}

/* Without its newline, in `line`. */
static enum status read_line(struct slice_bench *bench, int64_t timeout_ns, char line[LINE_MAX_SIZE],
                             struct error *error)
{
    for (;;) {
        const char *from = text_string(&bench->input) + bench->position;
        size_t left = bench->input.size - bench->position;
        const char *end = left == 0 ? NULL : memchr(from, '\n', left);
        size_t length = end == NULL ? left : (size_t)(end - from);
        if (length >= LINE_MAX_SIZE)
            return error_set(error, STATUS_CORRUPT, "the bench says what it shouldn't");
        if (end != NULL) {
            memcpy(line, from, length);
            line[length] = '\0';
            bench->position += length + 1;
            return STATUS_OK;
        }
        enum status status = read_more(bench, timeout_ns, error);
        if (status != STATUS_OK) return status;
    }
}

/* `size` bytes and the newline behind them. */
static enum status read_body(struct slice_bench *bench, size_t size, int64_t timeout_ns, struct text *out,
                             struct error *error)
{
    while (bench->input.size - bench->position < size + 1) {
        enum status status = read_more(bench, timeout_ns, error);
        if (status != STATUS_OK) return status;
    }
    text_add_bytes(out, text_string(&bench->input) + bench->position, size);
    bench->position += size + 1;
    return STATUS_OK;
}

/* --- what it says --------------------------------------------------------------------------------------- */

static void note(struct slice_bench *bench, const char *head, const struct text *body)
{
    text_add(&bench->notes, head);
    render_line(&bench->notes, text_string(body));
    text_add(&bench->notes, "\n");
}

static struct value *list_named(struct slice_bench *bench, const char *name)
{
    if (value_get(bench->described, name) == NULL) value_set(bench->described, name, value_new_array());
    return value_edit(bench->described, name);
}

static void take_slice(struct slice_bench *bench, const char *group, const char *artifact,
                       const char *version, unsigned major, unsigned minor)
{
    struct text text = { 0 };
    text_printf(&text, "%s:%s:%s", group, artifact, version);
    value_set_string(bench->described, "artifact", text_string(&text));
    value_set_string(bench->described, "group", group);
    value_set_string(bench->described, "name", artifact);
    value_set_string(bench->described, "version", version);
    text_fini(&text);
    text_printf(&text, "%u.%u", major, minor);
    value_set_string(bench->described, "abi", text_string(&text));
    text_fini(&text);
}

static void take_entry(struct slice_bench *bench, const char *name, const unsigned numbers[4])
{
    enum { READONLY = 1, IDEMPOTENT = 2 };
    struct value *entry = value_new_object();
    value_set_string(entry, "name", name);
    value_set_integer(entry, "id", numbers[0]);
    bool readonly = (numbers[1] & READONLY) != 0;
    value_set_string(entry, "flags",
                     readonly                         ? "READONLY"
                     : (numbers[1] & IDEMPOTENT) != 0 ? "IDEMPOTENT"
                                                      : "");
    value_set_integer(entry, "deadline-ms", numbers[2]);
    value_set_integer(entry, "concurrency", numbers[3]);
    value_append(list_named(bench, "entries"), entry);
}

static void take_dependency(struct slice_bench *bench, const char *slice, const char *versions)
{
    struct text text = { 0 };
    text_printf(&text, "%s%s%s", slice, versions[0] != '\0' ? " " : "", versions);
    value_append(list_named(bench, "dependencies"), value_new_string(text_string(&text)));
    text_fini(&text);
}

/* Any line but `done`. */
static enum status take_line(struct slice_bench *bench, const char *line, int64_t timeout_ns,
                             struct error *error)
{
    char group[256], name[256], version[256] = "";
    unsigned numbers[4];
    size_t size = 0;
    struct text body = { 0 };
    enum status status = STATUS_OK;
    if (sscanf(line, "slice %255s %255s %255s %u %u", group, name, version, &numbers[0], &numbers[1]) == 5) {
        take_slice(bench, group, name, version, numbers[0], numbers[1]);
    } else if (sscanf(line, "entry %255s %u %u %u %u", name, &numbers[0], &numbers[1], &numbers[2],
                      &numbers[3]) == 5) {
        take_entry(bench, name, numbers);
    } else if (sscanf(line, "depends %255s %255s", name, version) >= 1) {
        take_dependency(bench, name, version);
    } else if (sscanf(line, "log %u %zu", &numbers[0], &size) == 2) {
        status = read_body(bench, size, timeout_ns, &body, error);
        note(bench, "log: ", &body);
    } else if (sscanf(line, "invoked %255s %zu", name, &size) == 2) {
        struct text head = { 0 };
        text_printf(&head, "calls %s ", name);
        status = read_body(bench, size, timeout_ns, &body, error);
        note(bench, text_string(&head), &body);
        text_fini(&head);
    } else if (sscanf(line, "unmapped %u", &numbers[0]) == 1) {
        bench->unmapped = numbers[0] == 1;
    }
    text_fini(&body);
    return status;
}

/* --- the interface -------------------------------------------------------------------------------------- */

enum status slice_bench_start(const char *file, struct slice_bench **out_bench, struct error *error)
{
    struct text self = { 0 }, program = { 0 };
    if (path_resolve("/proc/self/exe", &self, error) != STATUS_OK) return error->status;
    const char *slash = strrchr(text_string(&self), '/');
    text_printf(&program, "%.*s/aether-slice-host", (int)(slash - text_string(&self)), text_string(&self));
    text_fini(&self);
    const char *const arguments[] = { text_string(&program), "--bench", file, NULL };
    struct slice_bench *bench = memory_zalloc(sizeof *bench);
    enum status status = child_start(arguments, &bench->child, error);
    text_fini(&program);
    if (status != STATUS_OK) {
        error_hint(error, "aether and aether-slice-host belong into one folder: install them together");
        memory_free(bench);
        return status;
    }
    bench->described = value_new_object();
    *out_bench = bench;
    return STATUS_OK;
}

void slice_bench_end(struct slice_bench **bench)
{
    struct slice_bench *gone = *bench;
    *bench = NULL;
    if (gone == NULL) return;
    if (gone->child != NULL) {
        child_kill(gone->child);
        (void)child_wait(&gone->child);
    }
    value_free(&gone->described);
    text_fini(&gone->input);
    text_fini(&gone->notes);
    memory_free(gone);
}

enum status slice_bench_tell(struct slice_bench *bench, const char *line, const void *body, size_t size,
                             struct error *error)
{
    if (bench->child == NULL) return error_set(error, STATUS_CRASHED, "its process has ended");
    enum status status = child_write(bench->child, line, strlen(line), error);
    if (status == STATUS_OK && size > 0) status = child_write(bench->child, body, size, error);
    return status;
}

enum status slice_bench_step(struct slice_bench *bench, const char *line, const void *body, size_t size,
                             int64_t timeout_ns, struct bench_answer *answer, struct error *error)
{
    char answered[LINE_MAX_SIZE];
    int number = 0;
    size_t length = 0;
    text_fini(&answer->text);
    enum status status = slice_bench_tell(bench, line, body, size, error);
    if (status == STATUS_IO) return tell_end(bench, error); /* It died between two steps. */
    while (status == STATUS_OK) {
        status = read_line(bench, timeout_ns, answered, error);
        if (status != STATUS_OK) return status;
        if (sscanf(answered, "done %d %zu", &number, &length) == 2) break;
        status = take_line(bench, answered, timeout_ns, error);
    }
    if (status != STATUS_OK) return status;
    bool known = number >= 0 && number < STATUS_COUNT;
    answer->status = known ? (enum status)number : STATUS_UNKNOWN;
    return read_body(bench, length, timeout_ns, &answer->text, error);
}

bool slice_bench_was_unmapped(struct slice_bench *bench)
{
    char line[LINE_MAX_SIZE];
    struct error error;
    if (bench->child == NULL) return false;
    child_close_input(bench->child);
    while (!bench->unmapped && read_line(bench, SECONDS(5), line, &error) == STATUS_OK)
        (void)take_line(bench, line, SECONDS(5), &error);
    return bench->unmapped;
}

const struct value *slice_bench_described(const struct slice_bench *bench)
{
    return bench->described;
}

void slice_bench_take_notes(struct slice_bench *bench, struct text *out)
{
    text_add(out, text_string(&bench->notes));
    text_fini(&bench->notes);
}
