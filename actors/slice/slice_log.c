/* slice_log: the log of this node's instances.
 * Learns  lines from the instances' actors.
 * Owns    the rings (log_ring.h); requests that wait for more.
 * Limits  log_ring.h; FOLLOWERS_MAX requests that wait, one more is refused OVERLOADED. */
#include "actors/slice/slice_log.h"

#include "actors/slice/log_ring.h"
#include "runtime/base/check.h"
#include "runtime/base/text.h"
#include "wire/kinds.h"
#include "wire/proto/slice.pb-c.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FOLLOWERS_MAX = 64 };
static const int64_t wait_default_ns = SECONDS(20);
static const int64_t wait_max_ns = SECONDS(60);

struct follower {
    struct message *request; /* Kept; owed one answer. */
    struct log_query query;
    uint64_t number;
    struct timer_id timer;
    bool stirred; /* A line came that it may want. */
};

struct slice_log {
    const char *node;
    struct log_rings rings;
    struct follower followers[FOLLOWERS_MAX];
    uint32_t follower_count;
    uint64_t number_last;
};

/* --- what is asked ------------------------------------------------------------------------------------- */

/* This node's part of a cursor; 0: it has none. */
static uint64_t cursor_of(const char *cursor, const char *node)
{
    size_t length = strlen(node);
    for (const char *at = cursor; *at != '\0';) {
        if (strncmp(at, node, length) == 0 && at[length] == '=') return strtoull(at + length + 1, NULL, 10);
        at += strcspn(at, ",");
        at += *at == ',' ? 1 : 0;
    }
    return 0;
}

static enum status read_query(const struct slice_log *log, const Pb__SliceLogsRequest *request,
                              int64_t now_ms, struct log_query *out_query, struct error *error)
{
    int64_t since_ns = 0;
    struct log_query query = { .after = cursor_of(request->cursor, log->node), .lines_max = request->tail };
    if (request->has_instance_case == PB__SLICE_LOGS_REQUEST__HAS_INSTANCE_INSTANCE)
        query.instance = request->instance;
    if (request->since[0] != '\0') {
        if (!text_to_duration_ns(request->since, &since_ns) || since_ns < 0)
            return error_set(error, STATUS_INVALID, "since: \"%.40s\" is no duration", request->since);
        query.since_ms = now_ms - since_ns / MILLISECONDS(1);
    }
    query.oldest_first = query.after != 0; /* What follows a cursor is read without a gap. */
    if (query.lines_max == 0 || query.lines_max > SLICE_LOG_PAGE_LINES)
        query.lines_max = SLICE_LOG_PAGE_LINES;
    *out_query = query;
    return coordinates_parse(request->artifact, COORDINATES_ANY, &out_query->wanted, error);
}

/* --- what is answered ---------------------------------------------------------------------------------- */

static const char *level_name(enum slice_line_level level)
{
    static const char *const names[] = { "debug", "info", "warn", "error", "node" };
    return names[level];
}

static Pb__LogLine *view_of(struct message *reply, const char *node, const struct log_found *found)
{
    Pb__LogLine *view = arena_alloc(&reply->arena, sizeof(*view));
    pb__log_line__init(view);
    view->time = (uint64_t)found->line->wall_ms;
    view->node = wire_string(reply, node);
    view->artifact = wire_string(reply, found->ring->key.artifact);
    view->instance = found->ring->key.instance;
    view->level = wire_string(reply, level_name(found->line->level));
    view->text = wire_string(reply, found->line->text);
    struct request_id id = found->line->request_id;
    bool inside = id.high != 0 || id.low != 0;
    if (inside)
        view->request_id = arena_printf(&reply->arena, "%016llx%016llx", (unsigned long long)id.high,
                                        (unsigned long long)id.low);
    return view;
}

static void answer(struct actor *self, const struct slice_log *log, const struct message *request,
                   const struct log_answer *found, uint64_t after)
{
    struct message *message = wire_message_create(KIND_SLICE_LOGS_REPLY);
    Pb__SliceLogsReply *reply = message->body;
    reply->lines = arena_array(&message->arena, found->count, sizeof(*reply->lines));
    for (uint32_t i = 0; i < found->count; i++)
        reply->lines[reply->n_lines++] = view_of(message, log->node, &found->lines[i]);
    /* Without a line everything up to now was seen, or what the cursor has already. */
    uint64_t seen = found->count > 0 ? found->lines[found->count - 1].line->number : log->rings.number_last;
    reply->cursor = arena_printf(&message->arena, "%s=%llu", log->node,
                                 (unsigned long long)(seen > after ? seen : after));
    reply->dropped = found->pushed_out;
    reply->known = found->known;
    actor_reply(self, request, &message);
}

/* true: answered, because there is something to say (or nobody waits for it). */
static bool answer_if_any(struct actor *self, const struct slice_log *log, const struct message *request,
                          const struct log_query *query, bool even_nothing)
{
    struct arena arena = { 0 };
    struct log_answer found;
    log_rings_find(&log->rings, query, &arena, &found);
    bool any = found.count > 0 || even_nothing;
    if (any) answer(self, log, request, &found, query->after);
    arena_fini(&arena);
    return any;
}

/* --- followers ----------------------------------------------------------------------------------------- */

static void end_follower(struct actor *self, struct slice_log *log, uint32_t place)
{
    struct follower *follower = &log->followers[place];
    actor_cancel(self, &follower->timer);
    message_destroy(&follower->request);
    log->follower_count--;
    for (; place < log->follower_count; place++)
        log->followers[place] = log->followers[place + 1];
}

static void wait_for_more(struct actor *self, struct slice_log *log, const Pb__SliceLogsRequest *request,
                          const struct message *message, const struct log_query *query)
{
    if (log->follower_count == FOLLOWERS_MAX) {
        struct error error;
        (void)error_set(&error, STATUS_OVERLOADED, "%d requests follow logs on this node", FOLLOWERS_MAX);
        actor_refuse_error(self, message, &error);
        return;
    }
    int64_t wait_ns = request->wait_ms == 0 || request->wait_ms > (uint64_t)(wait_max_ns / MILLISECONDS(1))
                          ? wait_default_ns
                          : MILLISECONDS((int64_t)request->wait_ms);
    struct follower *follower = &log->followers[log->follower_count++];
    *follower = (struct follower){ .query = *query, .number = ++log->number_last };
    follower->timer = actor_after(self, wait_ns, KIND_SLICE_TIMER, follower->number);
    follower->request = actor_keep(self);
}

static void on_timer(struct actor *self, void *state, const struct message *message)
{
    struct slice_log *log = state;
    for (uint32_t i = 0; i < log->follower_count; i++) {
        struct follower *follower = &log->followers[i];
        if (follower->number != message->tag) continue;
        follower->timer = (struct timer_id){ 0 };
        (void)answer_if_any(self, log, follower->request, &follower->query, true);
        end_follower(self, log, i);
        return;
    }
}

/* Once for all lines that one batch of messages brought. */
static void log_turn_end(struct actor *self, void *state)
{
    struct slice_log *log = state;
    for (uint32_t i = log->follower_count; i > 0; i--) {
        struct follower *follower = &log->followers[i - 1];
        if (!follower->stirred) continue;
        follower->stirred = false;
        if (answer_if_any(self, log, follower->request, &follower->query, false))
            end_follower(self, log, i - 1);
    }
}

/* --- messages ------------------------------------------------------------------------------------------ */

static void on_line(struct actor *self, void *state, const struct message *message)
{
    (void)self;
    struct slice_log *log = state;
    const struct slice_line *line = message->body;
    log_rings_add(&log->rings, &line->key, line->level, line->wall_ms, message->request_id, line->text);
    for (uint32_t i = 0; i < log->follower_count; i++)
        log->followers[i].stirred |= log_query_matches(&log->followers[i].query, &line->key);
}

static void on_request(struct actor *self, void *state, const struct message *message)
{
    struct slice_log *log = state;
    const Pb__SliceLogsRequest *request = message->body;
    struct log_query query = { 0 };
    struct error error;
    if (read_query(log, request, actor_wall_ms(self), &query, &error) != STATUS_OK) {
        actor_refuse_error(self, message, &error);
        return;
    }
    bool waits = request->follow && query.after != 0;
    if (!answer_if_any(self, log, message, &query, !waits))
        wait_for_more(self, log, request, message, &query);
}

static enum status log_init(struct actor *self, void *state, const void *options, struct error *error)
{
    (void)error;
    struct slice_log *log = state;
    log->node = ((const struct slice_log_options *)options)->node;
    /* Above those of every life before, so that a cursor never hides a line. */
    log->rings.number_last = (uint64_t)actor_wall_ms(self) << 10;
    return STATUS_OK;
}

static void log_fini(void *state)
{
    struct slice_log *log = state;
    for (uint32_t i = 0; i < log->follower_count; i++)
        message_destroy(&log->followers[i].request);
    log_rings_fini(&log->rings);
}

static const struct behavior_row rows[] = {
    { KIND_SLICE_LINE, on_line },
    { KIND_SLICE_LOGS_REQUEST, on_request },
    { KIND_SLICE_TIMER, on_timer },
};
const struct behavior slice_log_behavior = {
    .name = "slice_log",
    .state_size = sizeof(struct slice_log),
    .home = ACTOR_POOLED,
    .mailbox_capacity = 8192,
    .init = log_init,
    .fini = log_fini,
    .turn_end = log_turn_end,
    .rows = rows,
    .row_count = ARRAY_COUNT(rows),
};
