/* slice_inspector: asks around, and puts together what comes.
 * Learns  the nodes' names from the state; everything else at the moment it is asked.
 * Owns    the inquiries under way, each owed one answer by several asks; an ask that ends after its inquiry
 *         finds nothing.
 * Limits  INQUIRIES_MAX; one more is refused OVERLOADED at once. A node has NODE_TIMEOUT_NS to answer. */
#include "actors/slice/slice_inspector.h"

#include "actors/slice/log_merge.h"
#include "actors/slice/messages.h"
#include "actors/slice/node_roster.h"
#include "runtime/base/check.h"
#include "runtime/base/map.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "store/schema/slice.h"
#include "wire/kinds.h"
#include "wire/proto/slice.pb-c.h"
#include "wire/remote.h"

#include <string.h>

enum { INQUIRIES_MAX = 256, WATCH_NODES = 1 };
static const int64_t NODE_TIMEOUT_NS = SECONDS(2);
static const int64_t HERE_TIMEOUT_NS = SECONDS(1); /* Of the actors beside us: less than who asks us waits. */
static const int64_t FOLLOW_DEFAULT_NS = SECONDS(20);

struct inquiry {
    uint64_t number;
    struct message *request; /* Kept; owed one answer. */
    struct message *reply;   /* Being put together; NULL: not begun. */
    struct log_merge logs;   /* Of `slice logs`. */
    uint32_t pending;        /* Asks under way. */
};

struct part { /* The context of one ask. */
    uint64_t number;
    char node[SLICE_NODE_MAX];
};

struct slice_inspector {
    const char *node;
    struct node_roster roster;
    struct map inquiries; /* Number to struct inquiry. */
    uint64_t number_last;
};

/* --- inquiries ----------------------------------------------------------------------------------------- */

static struct inquiry *begin(struct actor *self, struct slice_inspector *inspector,
                             const struct message *message)
{
    if (inspector->inquiries.count == INQUIRIES_MAX) {
        actor_refuse(self, message, STATUS_OVERLOADED);
        return NULL;
    }
    struct inquiry *inquiry = memory_zalloc(sizeof(*inquiry));
    inquiry->number = ++inspector->number_last;
    inquiry->request = actor_keep(self);
    (void)map_put_number(&inspector->inquiries, inquiry->number, inquiry);
    return inquiry;
}

static void end(struct slice_inspector *inspector, struct inquiry *inquiry)
{
    (void)map_remove_number(&inspector->inquiries, inquiry->number);
    message_destroy(&inquiry->request);
    message_destroy(&inquiry->reply);
    log_merge_fini(&inquiry->logs);
    memory_free(inquiry);
}

static void answer(struct actor *self, struct slice_inspector *inspector, struct inquiry *inquiry)
{
    actor_reply(self, inquiry->request, &inquiry->reply);
    end(inspector, inquiry);
}

static void refuse(struct actor *self, struct slice_inspector *inspector, struct inquiry *inquiry,
                   const struct error *error)
{
    actor_refuse_error(self, inquiry->request, error);
    end(inspector, inquiry);
}

static struct part *part_of(struct inquiry *inquiry, const char *node)
{
    struct part *part = memory_zalloc(sizeof(*part));
    part->number = inquiry->number;
    (void)text_copy(part->node, sizeof(part->node), node);
    inquiry->pending++;
    return part;
}

/* NULL: its inquiry was answered without it. */
static struct inquiry *inquiry_of(const struct slice_inspector *inspector, const struct part *part)
{
    struct inquiry *inquiry = map_get_number(&inspector->inquiries, part->number);
    if (inquiry != NULL) inquiry->pending--;
    return inquiry;
}

/* A peer's inspector, or ourselves in its place. */
static void ask_node(struct actor *self, const struct slice_inspector *inspector, const char *node,
                     struct message **message, int64_t timeout_ns, ask_completion *complete,
                     struct part *part)
{
    if (strcmp(node, inspector->node) == 0)
        actor_ask_name(self, TO_SLICE_INSPECTOR, message, timeout_ns, complete, part);
    else wire_ask(self, node, CHANNEL_DATA, message, timeout_ns, complete, part);
}

/* --- facts of this node, for a peer -------------------------------------------------------------------- */

static Pb__InstanceDetail *detail_in(struct message *reply, const char *artifact, uint32_t instance)
{
    Pb__SliceFactsReply *facts = reply->body;
    for (size_t i = 0; i < facts->n_instances; i++) {
        if (facts->instances[i]->instance == instance) return facts->instances[i];
    }
    Pb__InstanceDetail **more = arena_array(&reply->arena, facts->n_instances + 1, sizeof(*more));
    if (facts->n_instances > 0) memcpy(more, facts->instances, facts->n_instances * sizeof(*more));
    Pb__InstanceDetail *detail = arena_alloc(&reply->arena, sizeof(*detail));
    pb__instance_detail__init(detail);
    detail->artifact = wire_string(reply, artifact);
    detail->instance = instance;
    more[facts->n_instances++] = detail;
    facts->instances = more;
    return detail;
}

static void add_fact(struct message *reply, Pb__InstanceDetail *detail, const struct instance_fact *fact)
{
    if (fact->isolation[0] != '\0') { /* Of the slice store, and loaded. */
        detail->isolation = wire_string(reply, fact->isolation);
        detail->limits = wire_string(reply, fact->limits);
        detail->pid = (uint32_t)fact->host_pid;
        detail->memory_bytes = fact->memory_bytes;
    }
    if (fact->restarts != 0) detail->restarts = fact->restarts;
    if (fact->last_error[0] == '\0') return;
    detail->last_error = wire_string(reply, fact->last_error);
    detail->last_error_at = (uint64_t)fact->last_error_at;
}

static void add_calls(Pb__InstanceDetail *detail, const Pb__InstanceCalls *calls)
{
    detail->calls = calls->calls;
    detail->calls_failed = calls->failed;
    detail->p50_us = calls->p50_us;
    detail->p99_us = calls->p99_us;
}

static void add_told(struct message *reply, const char *artifact, const struct message *told)
{
    if (told->kind == KIND_INSTANCE_FACTS_DONE) {
        const struct instance_facts *facts = told->body;
        for (uint32_t i = 0; i < facts->count; i++)
            add_fact(reply, detail_in(reply, artifact, facts->facts[i].instance), &facts->facts[i]);
        return;
    }
    const Pb__CallStatsReply *stats = told->body;
    for (size_t i = 0; i < stats->n_instances; i++)
        add_calls(detail_in(reply, artifact, stats->instances[i]->instance), stats->instances[i]);
}

/* Of the slice store, the node_deployment_manager or slice_call. What one of them can't say is left out. */
static void on_told_here(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct slice_inspector *inspector = state;
    struct part *part = context;
    struct inquiry *inquiry = inquiry_of(inspector, part);
    memory_free(part);
    CHECK(inquiry != NULL); /* It waits for all three. */
    const Pb__SliceFactsRequest *request = inquiry->request->body;
    if (result->status == STATUS_OK) add_told(inquiry->reply, request->artifact, result->message);
    if (inquiry->pending == 0) answer(self, inspector, inquiry);
}

static struct message *facts_ask(const char *artifact)
{
    struct message *ask = message_create(KIND_INSTANCE_FACTS, sizeof(struct instance_ask));
    ((struct instance_ask *)ask->body)->artifact = arena_strdup(&ask->arena, artifact);
    return ask;
}

static struct message *calls_ask(const char *artifact)
{
    struct message *ask = wire_message_create(KIND_CALL_STATS_REQUEST);
    ((Pb__CallStatsRequest *)ask->body)->artifact = wire_string(ask, artifact);
    return ask;
}

static void on_facts_request(struct actor *self, void *state, const struct message *message)
{
    struct slice_inspector *inspector = state;
    struct inquiry *inquiry = begin(self, inspector, message);
    if (inquiry == NULL) return;
    const char *artifact = ((const Pb__SliceFactsRequest *)inquiry->request->body)->artifact;
    inquiry->reply = wire_message_create(KIND_SLICE_FACTS_REPLY);
    struct message *asks[] = { facts_ask(artifact), facts_ask(artifact), calls_ask(artifact) };
    const uint32_t sources[] = { TO_SLICE_STORE, TO_NODE_DEPLOYMENT_MANAGER, TO_SLICE_CALL };
    for (size_t i = 0; i < ARRAY_COUNT(asks); i++)
        actor_ask_name(self, sources[i], &asks[i], HERE_TIMEOUT_NS, on_told_here,
                       part_of(inquiry, inspector->node));
}

/* --- slice show ---------------------------------------------------------------------------------------- */

static void merge_detail(struct message *reply, Pb__InstanceDetail *into, const Pb__InstanceDetail *from)
{
    into->isolation = wire_string(reply, from->isolation);
    into->limits = wire_string(reply, from->limits);
    into->last_error = wire_string(reply, from->last_error);
    into->last_error_at = from->last_error_at;
    into->pid = from->pid;
    into->restarts = from->restarts;
    into->calls = from->calls;
    into->calls_failed = from->calls_failed;
    into->p50_us = from->p50_us;
    into->p99_us = from->p99_us;
    into->memory_bytes = from->memory_bytes;
}

static void merge_node(struct message *reply, const char *node, const char *heard,
                       const Pb__SliceFactsReply *facts)
{
    Pb__SliceShowReply *show = reply->body;
    for (size_t i = 0; i < show->n_instances; i++) {
        Pb__InstanceDetail *detail = show->instances[i];
        if (strcmp(detail->node, node) != 0) continue;
        detail->heard = wire_string(reply, heard);
        for (size_t f = 0; facts != NULL && f < facts->n_instances; f++) {
            if (facts->instances[f]->instance == detail->instance)
                merge_detail(reply, detail, facts->instances[f]);
        }
    }
}

static void on_node_facts(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct slice_inspector *inspector = state;
    struct part *part = context;
    struct inquiry *inquiry = inquiry_of(inspector, part);
    CHECK(inquiry != NULL); /* It waits for every node. */
    bool heard = result->status == STATUS_OK;
    merge_node(inquiry->reply, part->node, status_name(result->status), heard ? result->message->body : NULL);
    memory_free(part);
    if (inquiry->pending == 0) answer(self, inspector, inquiry);
}

static bool is_named_before(const Pb__SliceShowReply *show, size_t place)
{
    for (size_t i = 0; i < place; i++) {
        if (strcmp(show->instances[i]->node, show->instances[place]->node) == 0) return true;
    }
    return false;
}

static void ask_nodes_for_facts(struct actor *self, struct slice_inspector *inspector,
                                struct inquiry *inquiry)
{
    const Pb__SliceShowReply *show = inquiry->reply->body;
    for (size_t i = 0; i < show->n_instances; i++) {
        const char *node = show->instances[i]->node;
        if (is_named_before(show, i)) continue;
        struct message *ask = wire_message_create(KIND_SLICE_FACTS_REQUEST);
        ((Pb__SliceFactsRequest *)ask->body)->artifact = wire_string(ask, show->artifact);
        ask_node(self, inspector, node, &ask, NODE_TIMEOUT_NS, on_node_facts, part_of(inquiry, node));
    }
    if (inquiry->pending == 0) answer(self, inspector, inquiry);
}

static void on_shown(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct slice_inspector *inspector = state;
    struct inquiry *inquiry = inquiry_of(inspector, context);
    memory_free(context);
    CHECK(inquiry != NULL); /* Nothing else ends it. */
    if (result->status != STATUS_OK) {
        refuse(self, inspector, inquiry, result->error);
        return;
    }
    inquiry->reply = actor_keep(self);
    ask_nodes_for_facts(self, inspector, inquiry);
}

static void ask_what_is_known(struct actor *self, const struct slice_inspector *inspector,
                              struct inquiry *inquiry, const char *artifact, ask_completion *complete)
{
    struct message *ask = wire_message_create(KIND_SLICE_SHOW_REQUEST);
    ((Pb__SliceShowRequest *)ask->body)->artifact = wire_string(ask, artifact);
    actor_ask_name(self, TO_CLUSTER_DEPLOYMENT_MANAGER, &ask, 0, complete, part_of(inquiry, inspector->node));
}

static void on_show(struct actor *self, void *state, const struct message *message)
{
    struct slice_inspector *inspector = state;
    struct inquiry *inquiry = begin(self, inspector, message);
    if (inquiry == NULL) return;
    const Pb__SliceShowRequest *request = inquiry->request->body;
    ask_what_is_known(self, inspector, inquiry, request->artifact, on_shown);
}

/* --- slice logs ---------------------------------------------------------------------------------------- */

static void answer_logs(struct actor *self, struct slice_inspector *inspector, struct inquiry *inquiry)
{
    const Pb__SliceLogsRequest *request = inquiry->request->body;
    inquiry->reply = log_merge_reply(&inquiry->logs, request->cursor, request->tail);
    answer(self, inspector, inquiry);
}

/* Nobody kept a line of it: is there such a slice at all? */
static void on_exists(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct slice_inspector *inspector = state;
    struct inquiry *inquiry = inquiry_of(inspector, context);
    memory_free(context);
    CHECK(inquiry != NULL); /* Nothing else ends it. */
    bool absent = result->status == STATUS_NOT_FOUND || result->status == STATUS_INVALID;
    if (absent) refuse(self, inspector, inquiry, result->error);
    else answer_logs(self, inspector, inquiry);
}

static void finish_logs(struct actor *self, struct slice_inspector *inspector, struct inquiry *inquiry)
{
    const Pb__SliceLogsRequest *request = inquiry->request->body;
    const struct log_merge *logs = &inquiry->logs;
    if (logs->heard_count == 0 && logs->error.status != STATUS_OK)
        refuse(self, inspector, inquiry, &logs->error); /* Not one node answered. */
    else if (!logs->known && request->cursor[0] == '\0')
        ask_what_is_known(self, inspector, inquiry, request->artifact, on_exists);
    else answer_logs(self, inspector, inquiry);
}

static void on_node_logs(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct slice_inspector *inspector = state;
    struct part *part = context;
    struct inquiry *inquiry = inquiry_of(inspector, part);
    if (inquiry != NULL) {
        const Pb__SliceLogsRequest *request = inquiry->request->body;
        if (result->status == STATUS_OK) log_merge_add(&inquiry->logs, result->message->body);
        else log_merge_add_silent(&inquiry->logs, part->node, result->error);
        /* Who follows is told as soon as there is a line; what the others have is there for the next time. */
        bool enough = request->follow && inquiry->logs.line_count > 0;
        if (inquiry->pending == 0) finish_logs(self, inspector, inquiry);
        else if (enough) answer_logs(self, inspector, inquiry);
    }
    memory_free(part);
}

static void ask_node_for_logs(struct actor *self, struct slice_inspector *inspector, struct inquiry *inquiry,
                              const char *node)
{
    const Pb__SliceLogsRequest *request = inquiry->request->body;
    struct message *ask = wire_message_create(KIND_SLICE_LOGS_REQUEST);
    Pb__SliceLogsRequest *there = ask->body;
    bool follows = request->follow && request->cursor[0] != '\0';
    there->artifact = wire_string(ask, request->artifact);
    there->has_instance_case = request->has_instance_case;
    there->instance = request->instance;
    there->node = wire_string(ask, node);
    there->since = wire_string(ask, request->since);
    there->tail = request->tail;
    there->follow = request->follow;
    there->cursor = wire_string(ask, request->cursor);
    there->wait_ms =
        request->wait_ms == 0 ? (uint64_t)(FOLLOW_DEFAULT_NS / MILLISECONDS(1)) : request->wait_ms;
    int64_t wait_ns = follows ? MILLISECONDS((int64_t)there->wait_ms) : 0;
    ask_node(self, inspector, node, &ask, wait_ns + NODE_TIMEOUT_NS, on_node_logs, part_of(inquiry, node));
}

/* For this node alone: what is kept here. */
static void hand_over(struct actor *self)
{
    struct message *request = actor_keep(self);
    struct actor_id log = actor_find(self, TO_SLICE_LOG);
    if (actor_id_is_set(log)) {
        actor_forward(self, log, &request);
        return;
    }
    actor_refuse(self, request, STATUS_NOT_READY);
    message_destroy(&request);
}

static void on_logs(struct actor *self, void *state, const struct message *message)
{
    struct slice_inspector *inspector = state;
    const char *wanted = ((const Pb__SliceLogsRequest *)message->body)->node;
    if (strcmp(wanted, inspector->node) == 0) {
        hand_over(self);
        return;
    }
    struct inquiry *inquiry = begin(self, inspector, message);
    if (inquiry == NULL) return;
    bool found = false;
    bool lost = false;
    for (const char *name = ""; (name = node_roster_next(&inspector->roster, name, &lost)) != NULL;) {
        const char *node = ((const Pb__SliceLogsRequest *)inquiry->request->body)->node;
        if (node[0] != '\0' && strcmp(node, name) != 0) continue;
        found = true;
        if (lost) log_merge_add_silent(&inquiry->logs, name, NULL);
        else ask_node_for_logs(self, inspector, inquiry, name);
    }
    if (inquiry->pending > 0) return;
    struct error error;
    (void)error_set(&error, found ? STATUS_NODE_LOST : STATUS_NOT_FOUND,
                    found ? "no node that may have it can be asked" : "there is no such node");
    error_hint(&error, "aether node list shows what there is");
    refuse(self, inspector, inquiry, &error);
}

/* --- life ---------------------------------------------------------------------------------------------- */

static void on_changed(struct actor *self, void *state, const struct message *message)
{
    node_roster_accept(self, &((struct slice_inspector *)state)->roster, message);
}

static enum status inspector_init(struct actor *self, void *state, const void *options, struct error *error)
{
    (void)error;
    struct slice_inspector *inspector = state;
    inspector->node = ((const struct slice_inspector_options *)options)->node;
    node_roster_start(self, &inspector->roster, WATCH_NODES);
    return STATUS_OK;
}

/* The asks under way have completed by now, so nothing names an inquiry any more. */
static void inspector_fini(void *state)
{
    struct slice_inspector *inspector = state;
    uint64_t number = 0;
    void *inquiry = NULL;
    for (size_t i = 0; map_next_number(&inspector->inquiries, &i, &number, &inquiry);)
        end(inspector, inquiry);
    map_fini(&inspector->inquiries);
    node_roster_fini(&inspector->roster);
}

static const struct behavior_row rows[] = {
    { KIND_STATE_CHANGED, on_changed },
    { KIND_SLICE_SHOW_REQUEST, on_show },
    { KIND_SLICE_FACTS_REQUEST, on_facts_request },
    { KIND_SLICE_LOGS_REQUEST, on_logs },
};
const struct behavior slice_inspector_behavior = {
    .name = "slice_inspector",
    .state_size = sizeof(struct slice_inspector),
    .home = ACTOR_POOLED,
    .mailbox_capacity = 1024,
    .init = inspector_init,
    .fini = inspector_fini,
    .rows = rows,
    .row_count = ARRAY_COUNT(rows),
};
