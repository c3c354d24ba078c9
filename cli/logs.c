/* logs: see the header. */
#include "cli/logs.h"

#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/render.h"
#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "wire/command/document.h"
#include "wire/proto/slice.pb-c.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { WAIT_MS = 10000, FAILURES_MAX = 30 };
static const int64_t pause_ns = MILLISECONDS(500); /* Before a lost node is asked again. */

static void print_words(const Pb__LogLine *line)
{
    struct text out = { 0 };
    render_time(&out, (int64_t)line->time);
    text_printf(&out, " %s #%u %s ", line->node, line->instance, line->level);
    render_line(&out, line->text);
    (void)printf("%s\n", text_string(&out));
    text_fini(&out);
}

static void print_objects(const struct argv *argv, const Pb__SliceLogsReply *reply)
{
    struct value *document = document_from_reply(argv->command, reply);
    const struct value *lines = value_get(document, argv->command->list);
    for (size_t i = 0; i < value_size(lines); i++) {
        char *dump = value_dump(value_at(lines, i));
        (void)printf("%s\n", dump);
        memory_free(dump);
    }
    value_free(&document);
}

static enum status print_lines(const struct argv *argv, const Pb__SliceLogsReply *reply, struct error *error)
{
    if (argv->output == OUTPUT_JSON) print_objects(argv, reply);
    for (size_t i = 0; argv->output != OUTPUT_JSON && i < reply->n_lines; i++)
        print_words(reply->lines[i]);
    if (fflush(stdout) == 0) return STATUS_OK;
    return error_set(error, STATUS_IO, "standard output: %s", strerror(errno));
}

static enum status ask(const struct argv *argv, struct connection *connection, const char *cursor,
                       struct message **out_reply, struct error *error)
{
    struct message *request = NULL;
    enum status status = document_to_request(argv->command, argv->arguments, &request, error);
    if (status != STATUS_OK) return status;
    Pb__SliceLogsRequest *logs = request->body;
    if (cursor[0] != '\0') logs->cursor = wire_string(request, cursor);
    if (logs->wait_ms == 0) logs->wait_ms = WAIT_MS;
    return command_exchange(argv, connection, &request, out_reply, error);
}

/* Perhaps only for now: it goes on from where it was, at whichever node answers next. */
static bool passes(enum status status)
{
    return status == STATUS_NODE_LOST || status == STATUS_DEADLINE || status == STATUS_NO_LEADER;
}

enum status logs_follow(const struct argv *argv, struct connection *connection, struct error *error)
{
    char *cursor = memory_strdup("");
    enum status status = STATUS_OK;
    int failures = 0;
    interrupt_catch();
    while (!interrupt_came()) {
        struct message *reply = NULL;
        status = ask(argv, connection, cursor, &reply, error);
        if (status == STATUS_OK) {
            const Pb__SliceLogsReply *logs = reply->body;
            memory_free(cursor);
            cursor = memory_strdup(logs->cursor);
            status = print_lines(argv, logs, error);
            message_destroy(&reply);
            failures = 0;
            if (status != STATUS_OK) break;
            continue;
        }
        if (!passes(status) || ++failures > FAILURES_MAX) break;
        interrupt_wait(pause_ns);
    }
    memory_free(cursor);
    return interrupt_came() ? STATUS_OK : status;
}
