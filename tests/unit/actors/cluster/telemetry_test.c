/* Goal: a node tells its metrics by prefix and its actors as a tree; another node's are asked for there, and
 * what that answers, or that it doesn't, is passed on. Method: a few actors on the stepper; stubs for
 * membership and the transport. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "actors/cluster/telemetry.h"
#include "runtime/port/transport.h"
#include "runtime/supervisor.h"
#include "tests/support/probe.h"
#include "tests/support/stage.h"
#include "wire/frame.h"
#include "wire/kinds.h"
#include "wire/proto/cluster.pb-c.h"

#include <string.h>

static enum status leaf_init(struct actor *self, void *state, const void *options, struct error *error)
{
    (void)self, (void)state, (void)options, (void)error;
    return STATUS_OK;
}

static void leaf_handle(struct actor *self, void *state, const struct message *message)
{
    (void)state, (void)message;
    struct error error;
    (void)error_set(&error, STATUS_CORRUPT, "poison");
    actor_fail(self, &error);
}

enum { TO_LEAF = 60 };
static const struct behavior leaf = {
    .name = "leaf", .state_size = 8, .init = leaf_init, .otherwise = leaf_handle
};
static const struct child_spec inner_specs[] = {
    { .behavior = &leaf, .label = "a" },
    { .behavior = &leaf, .label = "b", .name = TO_LEAF },
};
static const struct supervisor_options inner = { .label = "inner",
                                                 .children = inner_specs,
                                                 .child_count = 2 };
static const struct telemetry_options telemetry_options = { .node = "n1" };
static const struct child_spec outer_specs[] = {
    { .behavior = &supervisor_behavior, .options = &inner, .label = "inner" },
    { .behavior = &telemetry_behavior, .options = &telemetry_options, .name = TO_TELEMETRY },
};
static const struct supervisor_options outer = { .label = "outer",
                                                 .children = outer_specs,
                                                 .child_count = 2 };

static int set_up(void **state)
{
    if (stage_set_up(state) != 0) return -1;
    struct stage *stage = *state;
    struct actor_id id;
    struct spawn_options options = { .options = &outer, .label = "outer" };
    return runtime_spawn(stage->runtime, &supervisor_behavior, &options, &id, NULL) == STATUS_OK ? 0 : -1;
}

static struct probe_result ask(struct stage *stage, struct message *message)
{
    return probe_ask_name(stage->runtime, TO_TELEMETRY, &message, SECONDS(5));
}

static struct message *metric_request(const char *prefix, const char *node)
{
    struct message *message = wire_message_create(KIND_METRIC_LIST_REQUEST);
    Pb__MetricListRequest *request = message->body;
    request->prefix = wire_string(message, prefix);
    request->node = wire_string(message, node);
    return message;
}

static void metrics_go_by_prefix(void **state)
{
    struct stage *stage = *state;
    struct probe_result result = ask(stage, metric_request("aether_actors", "n1"));
    assert_int_equal(result.status, STATUS_OK);
    const Pb__MetricListReply *reply = result.message->body;
    assert_string_equal(reply->node, "n1");
    for (size_t i = 0; i < reply->n_metrics; i++) {
        const Pb__MetricView *metric = reply->metrics[i];
        assert_string_equal(metric->metric, "aether_actors");
        assert_string_equal(metric->type, "gauge");
        if (strcmp(metric->labels, "{\"actor\":\"leaf\"}") == 0) assert_true(metric->value == 2);
    }
    assert_in_range(reply->n_metrics, 3, 5); /* supervisor, leaf, telemetry, and the probe itself */
    message_destroy(&result.message);
    result = ask(stage, metric_request("aether_dead_letters_total", ""));
    reply = result.message->body;
    assert_int_equal(reply->n_metrics, 1);
    assert_string_equal(reply->metrics[0]->labels, "");
    assert_string_equal(reply->metrics[0]->type, "counter");
    message_destroy(&result.message);
}

static const Pb__ActorView *named(const Pb__NodeTreeReply *tree, const char *name)
{
    for (size_t i = 0; i < tree->n_actors; i++) {
        if (strcmp(tree->actors[i]->name, name) == 0) return tree->actors[i];
    }
    fail_msg("no actor %s", name);
    return NULL;
}

static void the_tree_has_parents_before_children(void **state)
{
    struct stage *stage = *state;
    for (uint32_t i = 0; i < 3; i++) { /* Fails twice at it; the third time it is quarantined. */
        struct message *poison = wire_message_create(KIND_NODE_FENCED);
        poison->request_id = (struct request_id){ 3, 4 };
        (void)probe_ask_name(stage->runtime, TO_LEAF, &poison, SECONDS(1));
        stepper_run_until(stage->stepper, stepper_now_ns(stage->stepper) + SECONDS(6));
    }
    struct probe_result result = ask(stage, wire_message_create(KIND_NODE_TREE_REQUEST));
    assert_int_equal(result.status, STATUS_OK);
    const Pb__NodeTreeReply *tree = result.message->body;
    assert_string_equal(tree->actors[0]->tree, "supervisor[outer]");
    assert_string_equal(tree->actors[1]->tree, "|- supervisor[inner]");
    assert_string_equal(tree->actors[2]->tree, "|  |- leaf[a]");
    assert_string_equal(tree->actors[3]->tree, "|  `- leaf[b]");
    assert_string_equal(tree->actors[4]->tree, "`- telemetry");
    assert_string_equal(tree->actors[1]->parent, tree->actors[0]->id);
    assert_int_equal(named(tree, "leaf[b]")->restarts, 2);
    assert_int_equal(named(tree, "leaf[b]")->quarantined, 1);
    assert_string_equal(named(tree, "leaf[b]")->state, "running");
    assert_string_equal(named(tree, "telemetry")->threads, "general");
    assert_int_equal(named(tree, "telemetry")->capacity, 256);
    assert_int_equal(tree->n_quarantine, 1);
    assert_memory_equal(tree->quarantine[0], "leaf NODE_FENCED hash=", 22);
    assert_non_null(strstr(tree->quarantine[0], " refused=1"));
    message_destroy(&result.message);
}

/* --- another node ------------------------------------------------------------------------------------- */

struct away { /* Stands for the transport: answers as node n2 would, or not. */
    enum status status;
    uint32_t asked_kind;
    char node[NODE_NAME_MAX];
};

static void answer_away(struct actor *self, void *context, const struct message *message)
{
    struct away *away = context;
    if (message->kind != KIND_TRANSPORT_ASK) return;
    const struct transport_send *sent = message->body;
    (void)strcpy(away->node, sent->node);
    if (away->status != STATUS_OK) {
        actor_refuse(self, message, away->status);
        return;
    }
    struct message *reply;
    if (away->asked_kind == KIND_METRIC_LIST_REQUEST) {
        reply = wire_message_create(KIND_METRIC_LIST_REPLY);
        ((Pb__MetricListReply *)reply->body)->node = wire_string(reply, "n2");
    } else {
        reply = wire_message_create(KIND_NODE_TREE_REPLY);
        Pb__NodeTreeReply *tree = reply->body;
        tree->degraded = wire_string(reply, "a long turn");
        tree->actors = arena_array(&reply->arena, 1, sizeof *tree->actors);
        tree->actors[0] = arena_alloc(&reply->arena, sizeof **tree->actors);
        pb__actor_view__init(tree->actors[0]);
        tree->actors[0]->name = wire_string(reply, "far");
        tree->n_actors = 1;
    }
    actor_reply(self, message, &reply);
}

static void show_node(struct actor *self, void *context, const struct message *message)
{
    (void)context;
    const Pb__NodeShowRequest *request = message->body;
    assert_false(request->tree); /* Else it would come back to us. */
    if (strcmp(request->node, "n9") == 0) {
        actor_refuse(self, message, STATUS_NOT_FOUND);
        return;
    }
    struct message *reply = wire_message_create(KIND_NODE_SHOW_REPLY);
    Pb__NodeShowReply *shown = reply->body;
    shown->node = arena_alloc(&reply->arena, sizeof *shown->node);
    pb__node_view__init(shown->node);
    shown->node->node = wire_string(reply, request->node);
    actor_reply(self, message, &reply);
}

static struct message *show_request(const char *node)
{
    struct message *message = wire_message_create(KIND_NODE_SHOW_REQUEST);
    Pb__NodeShowRequest *request = message->body;
    request->node = wire_string(message, node);
    request->tree = true;
    return message;
}

static void another_node_is_asked_there(void **state)
{
    struct stage *stage = *state;
    struct away away = { .asked_kind = KIND_METRIC_LIST_REQUEST };
    (void)stub_spawn(stage->runtime, TO_TRANSPORT, answer_away, &away);
    (void)stub_spawn(stage->runtime, TO_MEMBERSHIP, show_node, NULL);
    struct probe_result result = ask(stage, metric_request("", "n2"));
    assert_int_equal(result.status, STATUS_OK);
    assert_string_equal(away.node, "n2");
    assert_string_equal(((const Pb__MetricListReply *)result.message->body)->node, "n2");
    message_destroy(&result.message);
    away.asked_kind = KIND_NODE_TREE_REQUEST;
    result = ask(stage, show_request("n2"));
    assert_int_equal(result.status, STATUS_OK);
    const Pb__NodeShowReply *shown = result.message->body;
    assert_string_equal(shown->node->node, "n2");
    assert_string_equal(shown->node->degraded, "a long turn");
    assert_string_equal(shown->actors[0]->name, "far");
    message_destroy(&result.message);
    away.status = STATUS_NODE_LOST;
    assert_int_equal(ask(stage, show_request("n2")).status, STATUS_NODE_LOST);
    assert_int_equal(ask(stage, metric_request("", "n2")).status, STATUS_NODE_LOST);
    assert_int_equal(ask(stage, show_request("n9")).status, STATUS_NOT_FOUND);
    assert_int_equal(ask(stage, metric_request("", "n9")).status, STATUS_NOT_FOUND); /* Not: it is away. */
    result = ask(stage, show_request("n1")); /* Our own: no frame leaves. */
    assert_int_equal(result.status, STATUS_OK);
    assert_true(((const Pb__NodeShowReply *)result.message->body)->n_actors > 5);
    message_destroy(&result.message);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, stage_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(metrics_go_by_prefix),
        TEST(the_tree_has_parents_before_children),
        TEST(another_node_is_asked_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
