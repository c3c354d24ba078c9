/* command: see the header. */
#include "cli/command.h"

#include "cli/artifact_push.h"
#include "cli/backup.h"
#include "cli/connection.h"
#include "cli/content.h"
#include "cli/explain.h"
#include "cli/interrupt.h"
#include "cli/logs.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/render.h"
#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "wire/command/document.h"
#include "wire/proto/cluster.pb-c.h"
#include "wire/proto/slice.pb-c.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const int64_t patience_ns = SECONDS(30);
static const int64_t long_patience_ns = SECONDS(300); /* Where the command waits for an outcome. */
static const int64_t progress_ns = MILLISECONDS(300); /* Between two looks. */
static const int64_t watch_ns = SECONDS(20);          /* One long poll. */
static const int64_t watch_grace_ns = SECONDS(10);    /* For its answer, after that. */

static int64_t now_ns(void)
{
    struct timespec now;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return SECONDS(now.tv_sec) + now.tv_nsec;
}

/* --- output ------------------------------------------------------------------------------------------- */
int command_fail(const struct argv *argv, const struct failure *failure)
{
    struct text out = { 0 };
    if (argv->output == OUTPUT_JSON || argv->output == OUTPUT_YAML) {
        struct value *document = failure_document(failure);
        if (argv->output == OUTPUT_JSON) render_json(&out, document);
        else render_yaml(&out, document);
        value_free(&document);
        (void)output_print(&out);
    } else {
        failure_words(&out, failure);
        (void)fputs(text_string(&out), stderr);
    }
    text_fini(&out);
    return failure_exit(failure);
}

static int fail(const struct argv *argv, const struct error *error, bool unreachable)
{
    struct failure failure = {
        .error = *error,
        .what = argv->command->name,
        .unreachable = unreachable,
        .harmless = (argv->command->flags & (COMMAND_CHANGES | COMMAND_CALLS)) == 0,
        .is_call = (argv->command->flags & COMMAND_CALLS) != 0,
    };
    return command_fail(argv, &failure);
}

static int print_document(const struct argv *argv, const struct value *document)
{
    struct text out = { 0 };
    render_document(&out, argv->command, document, argv->output);
    int code = output_print(&out);
    text_fini(&out);
    return code;
}

/* --- one request, one reply --------------------------------------------------------------------------- */
static int64_t patience_of(const struct argv *argv)
{
    if (argv->timeout_ns > 0) return argv->timeout_ns;
    return (argv->command->flags & COMMAND_WAITS) != 0 ? long_patience_ns : patience_ns;
}

/* While the answer is awaited: a signal ends it where signals are caught. */
static bool on_wait(void *progress)
{
    if (interrupt_came()) return false;
    progress_show(progress);
    return true;
}

static struct connection_terms terms_of(const struct argv *argv, struct progress *progress)
{
    uint32_t flags = argv->command->flags;
    return (struct connection_terms){
        .timeout_ns = patience_of(argv),
        .waits = (flags & COMMAND_WAITS) != 0,
        .repeats = (flags & COMMAND_IDEMPOTENT) != 0 || (flags & (COMMAND_CHANGES | COMMAND_CALLS)) == 0,
        .changes = (flags & COMMAND_CHANGES) != 0,
        .withdraws = (flags & COMMAND_CALLS) != 0,
        .pause_ns = progress_ns,
        .on_wait = on_wait,
        .context = progress,
    };
}

enum status command_exchange(const struct argv *argv, struct connection *connection, struct message **request,
                             struct message **out_reply, struct error *error)
{
    struct connection_terms terms = terms_of(argv, NULL);
    terms.repeats = false; /* Only this node knows what the request goes on with. */
    return connection_ask(connection, request, &terms, out_reply, error);
}

/* A publish that was written but isn't ACTIVE everywhere has failed, unless nobody waited for it. */
static bool is_unfinished(const struct argv *argv, const struct message *reply)
{
    if (value_get_boolean(argv->arguments, "detach", false)) return false;
    if (reply->kind == KIND_BLUEPRINT_PUBLISH_REPLY)
        return !((const Pb__BlueprintPublishReply *)reply->body)->complete;
    if (reply->kind == KIND_BLUEPRINT_DELETE_REPLY)
        return !((const Pb__BlueprintDeleteReply *)reply->body)->complete;
    if (reply->kind == KIND_SLICE_RESTART_REPLY)
        return !((const Pb__SliceRestartReply *)reply->body)->complete;
    return false;
}

static int tell_unfinished(const struct argv *argv, struct value *document)
{
    struct failure failure = { .what = argv->command->name, .details = document };
    error_set(&failure.error, STATUS_NOT_READY, "it was written, but is not carried out yet");
    error_hint(&failure.error, "aether slice list; aether event list");
    if (argv->output == OUTPUT_TABLE || argv->output == OUTPUT_NAME) (void)print_document(argv, document);
    return command_fail(argv, &failure);
}

/* How the call went: talk, so it goes where talk goes; as JSON it is in the document. */
static void tell_explanation(const struct argv *argv, const struct value *explanation)
{
    struct text out = { 0 };
    if (argv->output == OUTPUT_JSON || argv->output == OUTPUT_YAML || explanation == NULL) return;
    explain_words(&out, explanation);
    (void)fputs(text_string(&out), stderr);
    text_fini(&out);
}

/* A reply that tells a failure, in all that it says. */
static int tell_failure(const struct argv *argv, const struct error *error, const struct value *details)
{
    struct value *copy = value_clone(details);
    struct failure failure = {
        .error = *error, .what = argv->command->name, .details = copy, .is_call = true
    };
    int code = command_fail(argv, &failure);
    tell_explanation(argv, details);
    value_free(&copy);
    return code;
}

static int tell_reply(const struct argv *argv, const struct message *reply)
{
    struct value *document = document_from_reply(argv->command, reply->body);
    const struct value *details = NULL;
    struct error error;
    if (document_is_failure(argv->command, document, &error, &details)) {
        int failed = tell_failure(argv, &error, details);
        value_free(&document);
        return failed;
    }
    if (argv->command->verdict != NULL) tell_explanation(argv, value_get(document, argv->command->verdict));
    int code = is_unfinished(argv, reply) ? tell_unfinished(argv, document) : print_document(argv, document);
    bool tells =
        argv->output == OUTPUT_TABLE || argv->output == OUTPUT_NAME; /* Else `more` is in the document. */
    if (!argv->quiet && tells && value_get_boolean(document, "more", false))
        (void)fputs("there is more: see --limit and --start-after\n", stderr);
    if (argv->output == OUTPUT_TABLE && !argv->quiet && value_get_boolean(document, "stale", false))
        (void)fprintf(stderr, "stale: as of index %lld, lag %lld\n",
                      (long long)value_get_integer(document, "index", 0),
                      (long long)value_get_integer(document, "lag", 0));
    if (argv->output == OUTPUT_TABLE && !argv->quiet && value_get_string(document, "waiting", "")[0] != '\0')
        (void)fputs("the wish is kept, and carried out as soon as it can be: see aether cluster members\n",
                    stderr);
    value_free(&document);
    return code;
}

/* A call of a slice: an interrupt withdraws it, and who names no deadline leaves it to the entry point. */
static void prepare_call(const struct argv *argv, struct message *request, struct connection_terms *terms)
{
    Pb__CallRequest *call = request->body;
    call->deadline_named = argv->timeout_ns > 0;
    terms->repeats = call->idempotency_key[0] != '\0';
    interrupt_catch();
}

static int ask_once(const struct argv *argv, struct connection *connection, struct message **request)
{
    struct message *reply = NULL;
    struct error error;
    struct progress *progress = progress_begin(argv);
    struct connection_terms terms = terms_of(argv, progress);
    if ((*request)->kind == KIND_CALL_REQUEST) prepare_call(argv, *request, &terms);
    enum status status = connection_ask(connection, request, &terms, &reply, &error);
    if (status == STATUS_OK) progress_show(progress);
    progress_end(&progress);
    if (reply == NULL) return fail(argv, &error, false);
    int code;
    if (reply->kind == argv->command->reply) {
        code = tell_reply(argv, reply);
    } else {
        (void)error_set(&error, STATUS_CORRUPT, "the node answered with %s", kind_name(reply->kind));
        code = fail(argv, &error, false);
    }
    message_destroy(&reply);
    return code;
}

static int download(const struct argv *argv, struct connection *connection)
{
    struct message *reply = NULL;
    struct error error = { 0 };
    interrupt_catch();
    if (backup_run(argv, connection, &reply, &error) != STATUS_OK) return fail(argv, &error, false);
    struct value *document = document_from_reply(argv->command, reply->body);
    static const char *const of_pages[] = { "backup-id", "offset", "more" };
    for (size_t i = 0; i < ARRAY_COUNT(of_pages); i++)
        value_remove(document, of_pages[i]);
    int code = print_document(argv, document);
    value_free(&document);
    message_destroy(&reply);
    return code;
}

static int upload(const struct argv *argv, struct connection *connection)
{
    struct message *reply = NULL;
    struct error error = { 0 };
    if (artifact_push_run(argv, connection, &reply, &error) != STATUS_OK) return fail(argv, &error, false);
    int code = tell_reply(argv, reply);
    message_destroy(&reply);
    return code;
}

/* --- follow: the long poll again and again ------------------------------------------------------------ */
struct follow {
    const struct argv *argv;
    uint64_t next; /* Resume here. */
    bool has_next;
    uint64_t left; /* Of --limit. */
    bool limited;
};

static void prepare(struct follow *follow, Pb__KvWatchRequest *watch)
{
    if (follow->has_next) {
        watch->has_from_case = PB__KV_WATCH_REQUEST__HAS_FROM_FROM;
        watch->from = follow->next;
    }
    if (follow->limited) {
        watch->has_limit_case = PB__KV_WATCH_REQUEST__HAS_LIMIT_LIMIT;
        watch->limit = follow->left > UINT32_MAX ? UINT32_MAX : (uint32_t)follow->left;
    }
    if (watch->has_wait_case == PB__KV_WATCH_REQUEST__HAS_WAIT__NOT_SET) {
        watch->has_wait_case = PB__KV_WATCH_REQUEST__HAS_WAIT_WAIT_MS;
        watch->wait_ms = (uint64_t)(watch_ns / MILLISECONDS(1));
    }
}

/* One JSON object a line, each flushed: whoever reads the pipe sees it at once. */
static int print_events(struct follow *follow, const struct message *reply)
{
    const Pb__KvWatchReply *watched = reply->body;
    struct value *document = document_from_reply(follow->argv->command, watched);
    const struct value *events = value_get(document, follow->argv->command->list);
    int code = 0;
    for (size_t i = 0; i < value_size(events) && code == 0; i++) {
        if (follow->limited && follow->left == 0) break;
        struct text line = { 0 };
        char *dump = value_dump(value_at(events, i));
        text_printf(&line, "%s\n", dump);
        code = output_print(&line);
        memory_free(dump);
        text_fini(&line);
        if (follow->limited) follow->left--;
    }
    follow->next = watched->next_revision;
    follow->has_next = true;
    value_free(&document);
    return code;
}

static enum status poll_once(struct follow *follow, struct connection *connection, struct message **out_reply,
                             struct error *error)
{
    struct message *request = NULL;
    enum status status = document_to_request(follow->argv->command, follow->argv->arguments, &request, error);
    if (status != STATUS_OK) return status;
    Pb__KvWatchRequest *watch = request->body;
    prepare(follow, watch);
    struct connection_terms terms = terms_of(follow->argv, NULL);
    terms.timeout_ns = MILLISECONDS((int64_t)watch->wait_ms) + watch_grace_ns;
    return connection_ask(connection, &request, &terms, out_reply, error);
}

/* Perhaps only for now: the watch goes on from where it was, at whichever node answers next. */
static bool passes(enum status status)
{
    return status == STATUS_NODE_LOST || status == STATUS_NO_LEADER || status == STATUS_NOT_LEADER ||
           status == STATUS_DEADLINE;
}

static int follow_events(const struct argv *argv, struct connection *connection)
{
    struct follow follow = { .argv = argv };
    int64_t limit = 0;
    follow.limited = value_integer(value_get(argv->arguments, "limit"), &limit);
    follow.left = (uint64_t)limit;
    int64_t from = 0;
    follow.has_next = value_integer(value_get(argv->arguments, "from"), &from);
    follow.next = (uint64_t)from;
    int64_t heard_ns = now_ns();
    interrupt_catch();
    while (!interrupt_came() && !(follow.limited && follow.left == 0)) {
        struct message *reply = NULL;
        struct error error;
        enum status status = poll_once(&follow, connection, &reply, &error);
        int code = 0;
        if (reply != NULL) {
            code = print_events(&follow, reply);
            message_destroy(&reply);
        }
        if (code != 0) return code;
        if (status == STATUS_OK) heard_ns = now_ns();
        if (status == STATUS_OK || interrupt_came()) continue;
        if (!passes(status) || now_ns() - heard_ns > patience_of(argv)) return fail(argv, &error, false);
    }
    return 0;
}

/* --- a command ---------------------------------------------------------------------------------------- */
int command_run(struct argv *argv)
{
    struct error error;
    struct message *request = NULL;
    if (content_load(argv, &error) != STATUS_OK) return fail(argv, &error, false);
    if (document_to_request(argv->command, argv->arguments, &request, &error) != STATUS_OK)
        return fail(argv, &error, false);
    struct connection *connection = NULL;
    if (connection_open(argv->endpoint, &connection, &error) != STATUS_OK) {
        message_destroy(&request);
        return fail(argv, &error, error.status != STATUS_INVALID);
    }
    if (argv->verbose) (void)fprintf(stderr, "asking %s\n", connection_endpoint(connection));
    int code;
    if ((argv->command->flags & COMMAND_FOLLOWS) != 0) {
        message_destroy(&request);
        code = follow_events(argv, connection);
    } else if (request->kind == KIND_SLICE_LOGS_REQUEST &&
               value_get_boolean(argv->arguments, "follow", false)) {
        message_destroy(&request);
        code = logs_follow(argv, connection, &error) == STATUS_OK ? 0 : fail(argv, &error, false);
    } else if ((argv->command->flags & COMMAND_DOWNLOADS) != 0) {
        message_destroy(&request);
        code = download(argv, connection);
    } else if ((argv->command->flags & COMMAND_UPLOADS) != 0) {
        message_destroy(&request);
        code = upload(argv, connection);
    } else {
        code = ask_once(argv, connection, &request);
    }
    if (connection != NULL) connection_close(&connection);
    return code;
}
