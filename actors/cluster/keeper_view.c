/* keeper_view: see the header. */
#include "actors/cluster/keeper_view.h"

#include "runtime/base/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const prefixes[KEEPER_FOLLOW_COUNT] = {
    [KEEPER_NODES] = "nodes/",
    [KEEPER_MEMBERS] = CLUSTER_MEMBERS_KEY,
    [KEEPER_WISHES] = CLUSTER_WISHES_PREFIX,
    [KEEPER_RETIRED] = CLUSTER_RETIRED_PREFIX,
    [KEEPER_SLICES] = "slices/",
};

void keeper_view_start(struct actor *self, struct keeper_view *view)
{
    for (int i = 0; i < KEEPER_FOLLOW_COUNT; i++) {
        view->follows[i] = (struct follow){ .prefix = prefixes[i], .watch_id = (uint64_t)i + 1 };
        follow_start(self, &view->follows[i]);
    }
}

void keeper_view_fini(struct keeper_view *view)
{
    cluster_view_accept(&view->retired, "", NULL); /* Frees the documents. */
    cluster_view_fini(&view->cluster);
}

/* --- learning ------------------------------------------------------------------------------------------- */

struct seeing {
    struct keeper_view *view;
    void (*see_node)(void *context, const char *node, const struct value *record);
    void *context;
};

static void visit_node(void *context, const Pb__KvEvent *event)
{
    const struct seeing *seeing = context;
    cluster_view_accept(&seeing->view->cluster.nodes, prefixes[KEEPER_NODES], event);
    if (event == NULL) return;
    const char *node = event->record->key + strlen(prefixes[KEEPER_NODES]);
    seeing->see_node(seeing->context, node, cluster_view_node(&seeing->view->cluster, node));
}

static void visit_members(void *context, const Pb__KvEvent *event)
{
    struct keeper_view *view = ((const struct seeing *)context)->view;
    struct value *document = NULL;
    if (event != NULL && strcmp(event->record->key, CLUSTER_MEMBERS_KEY) != 0) return;
    if (event != NULL && !event->deleted && event->record->value.len > 0 &&
        value_parse_json((const char *)event->record->value.data, event->record->value.len, &document,
                         NULL) != STATUS_OK)
        return;
    cluster_members_read(document, &view->members);
    value_free(&document);
}

static void visit_wish(void *context, const Pb__KvEvent *event)
{
    cluster_view_accept(&((const struct seeing *)context)->view->cluster.wishes, prefixes[KEEPER_WISHES],
                        event);
}

static void visit_retired(void *context, const Pb__KvEvent *event)
{
    cluster_view_accept(&((const struct seeing *)context)->view->retired, prefixes[KEEPER_RETIRED], event);
}

static void visit_slice(void *context, const Pb__KvEvent *event)
{
    cluster_view_accept(&((const struct seeing *)context)->view->cluster.slices, prefixes[KEEPER_SLICES],
                        event);
}

void keeper_view_accept(struct actor *self, struct keeper_view *view, const struct message *message,
                        void (*see_node)(void *context, const char *node, const struct value *record),
                        void *context)
{
    static follow_visit *const visits[KEEPER_FOLLOW_COUNT] = {
        [KEEPER_NODES] = visit_node,      [KEEPER_MEMBERS] = visit_members, [KEEPER_WISHES] = visit_wish,
        [KEEPER_RETIRED] = visit_retired, [KEEPER_SLICES] = visit_slice,
    };
    struct seeing seeing = { view, see_node, context };
    for (int i = 0; i < KEEPER_FOLLOW_COUNT; i++) {
        if (follow_accept(self, &view->follows[i], message, visits[i], &seeing)) return;
    }
}

bool keeper_view_is_complete(const struct keeper_view *view)
{
    for (int i = 0; i < KEEPER_FOLLOW_COUNT; i++) {
        if (!view->follows[i].has_snapshot) return false;
    }
    return true;
}

/* --- asking --------------------------------------------------------------------------------------------- */

const struct value *keeper_view_node(const struct keeper_view *view, const char *node)
{
    return cluster_view_node(&view->cluster, node);
}

const char *keeper_view_state(const struct keeper_view *view, const char *node)
{
    return value_get_string(keeper_view_node(view, node), "state", "");
}

const char *keeper_view_presence(const struct keeper_view *view, const char *node)
{
    return value_get_string(keeper_view_node(view, node), "presence", "");
}

uint64_t keeper_view_incarnation(const struct keeper_view *view, const char *node)
{
    return (uint64_t)value_get_integer(keeper_view_node(view, node), "incarnation", 0);
}

const char *keeper_view_address(const struct keeper_view *view, const char *node)
{
    return value_get_string(keeper_view_node(view, node), "address", "");
}

static void count(void *context, const char *artifact, const struct value *instance)
{
    (void)artifact, (void)instance;
    ++*(uint32_t *)context;
}

uint32_t keeper_view_instances(const struct keeper_view *view, const char *node)
{
    uint32_t instances = 0;
    cluster_view_instances(&view->cluster, node, count, &instances);
    return instances;
}

static enum cluster_wish wish_in(const struct value *document)
{
    enum cluster_wish wish = CLUSTER_WISH_NONE;
    (void)cluster_wish_parse(value_get_string(document, "wish", "none"), &wish);
    return wish;
}

enum cluster_wish keeper_view_wish(const struct keeper_view *view, const char *node)
{
    return wish_in(tree_get(&view->cluster.wishes, node));
}

bool keeper_view_is_retired(const struct keeper_view *view, replica_id id)
{
    char digits[17];
    (void)snprintf(digits, sizeof digits, "%016" PRIx64, id);
    return tree_get(&view->retired, digits) != NULL;
}

bool keeper_view_was_removed(const struct keeper_view *view, const char *node)
{
    const struct value *document = NULL;
    if (keeper_view_node(view, node) != NULL) return false;
    for (const char *digits = NULL; (document = cluster_view_next(&view->retired, &digits)) != NULL;) {
        if (strcmp(value_get_string(document, "node", ""), node) == 0) return true;
    }
    return false;
}

const char *keeper_view_role(const struct keeper_view *view, const char *node)
{
    const struct configuration_member *member = cluster_members_find(&view->members, node);
    if (member != NULL) return member->voter ? "voter" : "learner";
    const char *role = value_get_string(keeper_view_node(view, node), "role", "");
    return strcmp(role, "worker") == 0 ? "worker" : "";
}

bool keeper_view_is_doubled(const struct keeper_view *view, const char *node)
{
    const struct configuration *configuration = &view->members.configuration;
    uint32_t found = 0;
    for (uint32_t i = 0; i < configuration->member_count; i++)
        found += strcmp(configuration->members[i].name, node) == 0 ? 1 : 0;
    return found > 1;
}

bool keeper_view_is_unsettled(const struct keeper_view *view)
{
    const struct configuration *configuration = &view->members.configuration;
    if (view->cluster.wishes.count > 0 || configuration->joint) return true;
    for (uint32_t i = 0; i < configuration->member_count; i++) {
        if (keeper_view_is_doubled(view, configuration->members[i].name)) return true;
    }
    const struct value *record = NULL;
    for (const char *node = NULL; (record = cluster_view_next(&view->cluster.nodes, &node)) != NULL;) {
        if (strcmp(value_get_string(record, "state", ""), "DECOMMISSIONED") == 0) return true;
    }
    return false;
}

/* --- the planner's input -------------------------------------------------------------------------------- */

static void put_replicas(const struct consensus_status_reply *status, struct arena *arena,
                         struct voter_plan_input *input)
{
    struct voter_plan_replica *replicas = arena_array(arena, status->member_count, sizeof *replicas);
    for (uint32_t i = 0; i < status->member_count; i++) {
        const struct consensus_member *member = &status->members[i];
        replicas[i] = (struct voter_plan_replica){
            .node = arena_strdup(arena, member->node),
            .id = member->replica_id,
            .voter = member->voter,
            .self = member->replica_id == status->replica_id,
            .caught_up = member->caught_up,
            .silent_ms = member->silent_ms,
            .lag = status->last > member->match ? status->last - member->match : 0,
        };
    }
    input->replicas = replicas;
    input->replica_count = status->member_count;
}

void keeper_view_plan_input(const struct keeper_view *view, const struct consensus_status_reply *status,
                            struct arena *arena, struct voter_plan_input *out_input)
{
    *out_input = (struct voter_plan_input){ 0 };
    put_replicas(status, arena, out_input);
    struct voter_plan_wish *wishes = arena_array(arena, view->cluster.wishes.count, sizeof *wishes);
    const struct value *document = NULL;
    for (const char *node = NULL; (document = cluster_view_next(&view->cluster.wishes, &node)) != NULL;) {
        if (out_input->wish_count == VOTER_PLAN_WISHES_MAX) break; /* The rest follows these. */
        wishes[out_input->wish_count++] =
            (struct voter_plan_wish){ .node = arena_strdup(arena, node),
                                      .wish = wish_in(document),
                                      .allow_even = value_get_boolean(document, "allow-even", false) };
    }
    out_input->wishes = wishes;
}
