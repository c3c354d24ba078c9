/* telemetry: see the header.
 * Learns  everything from its runtime at the moment it is asked; of other nodes from theirs.
 * Owns    nothing but the requests that wait for another's answer; each is still owed exactly one.
 * Limits  WAITING_MAX such requests; one more is refused with OVERLOADED at once. */
#include "actors/cluster/telemetry.h"

#include "actors/cluster/actor_tree.h"
#include "runtime/base/memory.h"
#include "runtime/metrics.h"
#include "wire/json/value.h"
#include "wire/kinds.h"
#include "wire/proto/codec.h"
#include "wire/remote.h"

#include <string.h>

enum { WAITING_MAX = 256 };

struct telemetry {
    const char *node;
    uint32_t waiting_count;
};

struct waiting {
    struct message *request; /* Kept, and owed an answer. */
    struct message *reply;   /* node show: what is known of it already. */
};

static struct waiting *wait_begin(struct actor *self, struct telemetry *telemetry,
                                  const struct message *message)
{
    if (telemetry->waiting_count == WAITING_MAX) {
        actor_refuse(self, message, STATUS_OVERLOADED);
        return NULL;
    }
    telemetry->waiting_count++;
    struct waiting *waiting = memory_zalloc(sizeof *waiting);
    waiting->request = actor_keep(self);
    return waiting;
}

/* Takes the reply; NULL: refuses. Each ask completes once, so each wait ends once, at our own end at the
 * latest. */
static void wait_end(struct actor *self, struct telemetry *telemetry, struct waiting *waiting,
                     struct message *reply, const struct error *error)
{
    if (reply != NULL) actor_reply(self, waiting->request, &reply);
    else actor_refuse_error(self, waiting->request, error);
    telemetry->waiting_count--;
    message_destroy(&waiting->request);
    message_destroy(&waiting->reply);
    memory_free(waiting);
}

/* An ask of another node that failed: whoever asked hears what else there is to look at. */
static void wait_unheard(struct actor *self, struct telemetry *telemetry, struct waiting *waiting,
                         const char *node, const struct ask_result *result)
{
    struct error error = *result->error;
    if (result->status == STATUS_NODE_LOST) {
        (void)error_set(&error, STATUS_NODE_LOST, "%s can't be reached: it does not run, or is cut off",
                        node);
        error_hint(&error, "aether node show %s, for what the cluster knows of it", node);
        error.is_final = true; /* It is that node that is away, and none on the way to it. */
    }
    wait_end(self, telemetry, waiting, NULL, &error);
}

/* --- metrics ----------------------------------------------------------------------------------------------
 */

struct metric_lines {
    struct message *message;
    Pb__MetricListReply *reply;
    const char *prefix;
    size_t capacity;
};

static const char *type_name(enum metric_type type)
{
    static const char *const names[] = { "counter", "gauge", "histogram" };
    return names[type];
}

static char *labels_text(struct message *message, const struct metric_sample *sample)
{
    if (sample->label == NULL) return wire_string(message, "");
    struct value *labels = value_new_object();
    value_set_string(labels, sample->label, sample->label_value);
    char *text = value_dump(labels);
    char *copy = wire_string(message, text);
    memory_free(text);
    value_free(&labels);
    return copy;
}

static void add_metric(void *context, const struct metric_sample *sample)
{
    struct metric_lines *lines = context;
    Pb__MetricListReply *reply = lines->reply;
    struct arena *arena = &lines->message->arena;
    char *name = arena_printf(arena, "%s%s", sample->metric->name, sample->suffix);
    if (strncmp(name, lines->prefix, strlen(lines->prefix)) != 0) return;
    if (reply->n_metrics == lines->capacity) {
        lines->capacity = lines->capacity == 0 ? 64 : lines->capacity * 2;
        Pb__MetricView **larger = arena_array(arena, lines->capacity, sizeof *larger);
        if (reply->n_metrics > 0) memcpy(larger, reply->metrics, reply->n_metrics * sizeof *larger);
        reply->metrics = larger;
    }
    Pb__MetricView *view = arena_alloc(arena, sizeof *view);
    pb__metric_view__init(view);
    view->metric = name;
    view->labels = labels_text(lines->message, sample);
    view->value = sample->value;
    view->type = wire_string(lines->message, type_name(sample->metric->type));
    view->help = wire_string(lines->message, sample->metric->help);
    reply->metrics[reply->n_metrics++] = view;
}

static void answer_metrics(struct actor *self, const struct telemetry *telemetry,
                           const struct message *message)
{
    const Pb__MetricListRequest *request = message->body;
    struct message *reply = wire_message_create(KIND_METRIC_LIST_REPLY);
    struct metric_lines lines = { reply, reply->body, request->prefix, 0 };
    lines.reply->node = wire_string(reply, telemetry->node);
    runtime_visit_metrics(actor_runtime(self), add_metric, &lines);
    actor_reply(self, message, &reply);
}

static void on_answered_there(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct waiting *waiting = context;
    const Pb__MetricListRequest *request = waiting->request->body;
    if (result->status == STATUS_OK) wait_end(self, state, waiting, actor_keep(self), NULL);
    else wait_unheard(self, state, waiting, request->node, result);
}

static void on_known(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct waiting *waiting = context;
    const Pb__MetricListRequest *request = waiting->request->body;
    if (result->status != STATUS_OK) { /* NOT_FOUND: there is no such node. */
        wait_end(self, state, waiting, NULL, result->error);
        return;
    }
    struct message *ask = wire_message_create(KIND_METRIC_LIST_REQUEST);
    Pb__MetricListRequest *there = ask->body;
    there->prefix = wire_string(ask, request->prefix);
    there->node = wire_string(ask, request->node);
    wire_ask(self, request->node, CHANNEL_DATA, &ask, 0, on_answered_there, waiting);
}

static void ask_membership(struct actor *self, const char *node, ask_completion *complete,
                           struct waiting *waiting)
{
    struct message *ask = wire_message_create(KIND_NODE_SHOW_REQUEST);
    ((Pb__NodeShowRequest *)ask->body)->node = wire_string(ask, node);
    actor_ask_name(self, TO_MEMBERSHIP, &ask, 0, complete, waiting);
}

static void on_metric_list(struct actor *self, void *state, const struct message *message)
{
    struct telemetry *telemetry = state;
    const Pb__MetricListRequest *request = message->body;
    if (request->node[0] == '\0' || strcmp(request->node, telemetry->node) == 0) {
        answer_metrics(self, telemetry, message);
        return;
    }
    struct waiting *waiting = wait_begin(self, telemetry, message);
    if (waiting != NULL) ask_membership(self, request->node, on_known, waiting);
}

/* --- the tree of actors -----------------------------------------------------------------------------------
 */

static void on_tree_request(struct actor *self, void *state, const struct message *message)
{
    (void)state;
    struct message *reply = wire_message_create(KIND_NODE_TREE_REPLY);
    actor_tree_fill(actor_runtime(self), reply, reply->body);
    actor_reply(self, message, &reply);
}

static void add_tree(struct message *shown, const Pb__NodeTreeReply *tree)
{
    Pb__NodeShowReply *reply = shown->body;
    reply->actors = tree->actors;
    reply->n_actors = tree->n_actors;
    reply->node->degraded = tree->degraded;
    reply->quarantine = tree->quarantine;
    reply->n_quarantine = tree->n_quarantine;
}

/* What lies in another message's arena, into this one's. */
static Pb__NodeTreeReply *copy_tree(struct message *to, const void *tree)
{
    size_t size = codec_size(tree);
    uint8_t *packed = arena_alloc(&to->arena, size + 1);
    codec_pack(tree, packed);
    void *copy = NULL;
    enum status status =
        codec_unpack(&to->arena, &pb__node_tree_reply__descriptor, packed, size, &copy, NULL);
    CHECK(status == STATUS_OK); /* We packed it ourselves. */
    return copy;
}

static void answer_node(struct actor *self, struct telemetry *telemetry, struct waiting *waiting,
                        const Pb__NodeTreeReply *tree)
{
    struct message *reply = waiting->reply;
    waiting->reply = NULL;
    add_tree(reply, tree);
    wait_end(self, telemetry, waiting, reply, NULL);
}

static void on_tree_there(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct waiting *waiting = context;
    if (result->status == STATUS_OK)
        answer_node(self, state, waiting, copy_tree(waiting->reply, result->message->body));
    else
        wait_unheard(self, state, waiting, ((const Pb__NodeShowRequest *)waiting->request->body)->node,
                     result);
}

static void on_shown(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct telemetry *telemetry = state;
    struct waiting *waiting = context;
    if (result->status != STATUS_OK) {
        wait_end(self, telemetry, waiting, NULL, result->error);
        return;
    }
    waiting->reply = actor_keep(self);
    const Pb__NodeShowRequest *request = waiting->request->body;
    if (strcmp(request->node, telemetry->node) != 0) {
        struct message *ask = wire_message_create(KIND_NODE_TREE_REQUEST);
        wire_ask(self, request->node, CHANNEL_DATA, &ask, 0, on_tree_there, waiting);
        return;
    }
    Pb__NodeTreeReply *tree = codec_create(&waiting->reply->arena, &pb__node_tree_reply__descriptor);
    actor_tree_fill(actor_runtime(self), waiting->reply, tree);
    answer_node(self, telemetry, waiting, tree);
}

/* node show --tree, from membership, which tells us what it knows before we add what we know. */
static void on_node_show(struct actor *self, void *state, const struct message *message)
{
    const Pb__NodeShowRequest *request = message->body;
    struct waiting *waiting = wait_begin(self, state, message);
    if (waiting != NULL) ask_membership(self, request->node, on_shown, waiting);
}

/* --- life -------------------------------------------------------------------------------------------------
 */

static enum status telemetry_init(struct actor *self, void *state, const void *options, struct error *error)
{
    (void)self, (void)error;
    struct telemetry *telemetry = state;
    telemetry->node = ((const struct telemetry_options *)options)->node;
    return STATUS_OK;
}

static const struct behavior_row rows[] = {
    { KIND_METRIC_LIST_REQUEST, on_metric_list },
    { KIND_NODE_TREE_REQUEST, on_tree_request },
    { KIND_NODE_SHOW_REQUEST, on_node_show },
};

const struct behavior telemetry_behavior = {
    .name = "telemetry",
    .state_size = sizeof(struct telemetry),
    .home = ACTOR_POOLED,
    .mailbox_capacity = 256,
    .init = telemetry_init,
    .rows = rows,
    .row_count = ARRAY_COUNT(rows),
};
