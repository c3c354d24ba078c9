/* cluster_answers: see the header. */
#include "actors/cluster/cluster_answers.h"

#include "actors/cluster/presence.h"
#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "store/schema/space_alarm.h"
#include "wire/kinds.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *hex_of(struct message *message, uint64_t number)
{
    return arena_printf(&message->arena, "%016" PRIx64, number);
}

/* --- cluster ----------------------------------------------------------------------------------------------
 */

static const char *presence_of(const struct cluster_view *view, const char *node)
{
    return value_get_string(cluster_view_node(view, node), "presence", "");
}

static bool is_up(const struct cluster_view *view, const char *node)
{
    return strcmp(presence_of(view, node), presence_name(PRESENCE_UP)) == 0;
}

static const char *health_of(const Pb__ClusterStatusReply *status, bool all_up)
{
    if (status->leader[0] == '\0') return "no-leader";
    bool well = all_up && status->n_alarms == 0 && status->n_degraded == 0 &&
                status->voters_up == status->voters && status->instances_active >= status->instances_wanted;
    return well ? "ok" : "degraded";
}

static void add_alarms(struct message *message, const struct cluster_view *view)
{
    Pb__ClusterStatusReply *status = message->body;
    const struct value *alarm = NULL;
    status->alarms = arena_array(&message->arena, view->alarms.count, sizeof(char *));
    for (const char *node = NULL; (alarm = cluster_view_next(&view->alarms, &node)) != NULL;) {
        char text[SPACE_ALARM_TEXT_SIZE];
        space_alarm_describe(alarm, text);
        status->alarms[status->n_alarms++] = arena_printf(&message->arena, "%s: %s", node, text);
    }
}

static void add_degraded(struct message *message, const struct cluster_view *view,
                         const struct presence *presence)
{
    Pb__ClusterStatusReply *status = message->body;
    status->degraded = arena_array(&message->arena, view->nodes.count, sizeof(char *));
    for (const char *node = NULL; cluster_view_next(&view->nodes, &node) != NULL;) {
        const char *why = presence_degraded(presence, node);
        if (why[0] == '\0') continue;
        status->degraded[status->n_degraded++] = arena_printf(&message->arena, "%s: %s", node, why);
    }
}

struct message *cluster_answers_status(const struct cluster_view *view, const char *cluster_name,
                                       const struct consensus_status_reply *consensus,
                                       const struct presence *presence)
{
    struct message *message = wire_message_create(KIND_CLUSTER_STATUS_REPLY);
    Pb__ClusterStatusReply *status = message->body;
    status->name = wire_string(message, cluster_name);
    status->cluster_id = hex_of(message, consensus->cluster_id);
    status->leader = wire_string(message, consensus->leader);
    status->term = consensus->term;
    status->commit_index = consensus->commit;
    status->applied_index = consensus->applied;
    for (uint32_t i = 0; i < consensus->member_count; i++) {
        if (!consensus->members[i].voter) continue;
        status->voters++;
        if (is_up(view, consensus->members[i].node)) status->voters_up++;
    }
    bool all_up = true;
    for (const char *key = NULL; cluster_view_next(&view->nodes, &key) != NULL;) {
        all_up = all_up && is_up(view, key);
    }
    status->nodes = (uint32_t)view->nodes.count;
    status->blueprints = (uint32_t)view->blueprints.count;
    status->instances_wanted = cluster_view_wanted(view);
    status->instances_active = cluster_view_active(view);
    status->answered_by = wire_string(message, consensus->node);
    add_alarms(message, view);
    add_degraded(message, view, presence);
    status->health = wire_string(message, health_of(status, all_up));
    return message;
}

static const char *reason_of(const struct member_news *news, const char *node)
{
    for (uint32_t i = 0; news != NULL && i < news->reason_count; i++) {
        if (strcmp(news->reasons[i].node, node) == 0) return news->reasons[i].text;
    }
    return "";
}

static Pb__ClusterMember *new_member(struct message *message, const struct cluster_view *view,
                                     const char *name)
{
    Pb__ClusterMember *member = arena_alloc(&message->arena, sizeof *member);
    pb__cluster_member__init(member);
    member->node = wire_string(message, name);
    member->presence = wire_string(message, presence_of(view, name));
    const struct value *node = cluster_view_node(view, name);
    member->address = wire_string(message, value_get_string(node, "address", ""));
    member->client_address = wire_string(message, value_get_string(node, "client-address", ""));
    return member;
}

static Pb__ClusterMember *member_of(struct message *message, const struct cluster_view *view,
                                    const struct consensus_status_reply *consensus,
                                    const struct consensus_member *replica, const struct member_news *news)
{
    Pb__ClusterMember *member = new_member(message, view, replica->node);
    bool leads = strcmp(replica->node, consensus->leader) == 0;
    bool known = consensus->role == CONSENSUS_LEADER;
    member->replica_id = hex_of(message, replica->replica_id);
    member->role = wire_string(message, replica->voter ? "voter" : "learner");
    member->raft = wire_string(message, leads ? "leader" : "follower");
    if (known) {
        member->has_match_case = PB__CLUSTER_MEMBER__HAS_MATCH_MATCH_INDEX;
        member->match_index = replica->match;
        member->has_lag_case = PB__CLUSTER_MEMBER__HAS_LAG_LAG;
        member->lag = consensus->last > replica->match ? consensus->last - replica->match : 0;
    }
    member->wish = wire_string(message, cluster_view_wish(view, replica->node));
    member->waiting = wire_string(message, reason_of(news, replica->node));
    return member;
}

static bool takes_part(const struct consensus_status_reply *consensus, const char *node)
{
    for (uint32_t i = 0; i < consensus->member_count; i++) {
        if (strcmp(consensus->members[i].node, node) == 0) return true;
    }
    return false;
}

/* Workers follow the committed entries from outside of the configuration. */
static void add_workers(struct message *message, const struct cluster_view *view,
                        const struct consensus_status_reply *consensus)
{
    Pb__ClusterMembersReply *reply = message->body;
    const struct value *record = NULL;
    for (const char *name = NULL; (record = cluster_view_next(&view->nodes, &name)) != NULL;) {
        bool worker = strcmp(value_get_string(record, "role", ""), "worker") == 0;
        if (!worker || takes_part(consensus, name)) continue;
        Pb__ClusterMember *member = new_member(message, view, name);
        member->role = wire_string(message, "worker");
        member->wish = wire_string(message, cluster_view_wish(view, name));
        reply->members[reply->n_members++] = member;
    }
}

/* As people look for them; of a node with two replicas the one that votes first. */
static int by_name(const void *a, const void *b)
{
    const Pb__ClusterMember *const *x = a;
    const Pb__ClusterMember *const *y = b;
    int order = strcmp((*x)->node, (*y)->node);
    if (order == 0) order = strcmp((*y)->role, (*x)->role);
    return order != 0 ? order : strcmp((*x)->replica_id, (*y)->replica_id);
}

struct message *cluster_answers_members(const struct cluster_view *view,
                                        const struct consensus_status_reply *consensus,
                                        const struct member_news *news)
{
    struct message *message = wire_message_create(KIND_CLUSTER_MEMBERS_REPLY);
    Pb__ClusterMembersReply *reply = message->body;
    size_t room = consensus->member_count + view->nodes.count;
    reply->members = arena_array(&message->arena, room, sizeof(Pb__ClusterMember *));
    for (uint32_t i = 0; i < consensus->member_count; i++) {
        reply->members[reply->n_members++] =
            member_of(message, view, consensus, &consensus->members[i], news);
    }
    add_workers(message, view, consensus);
    qsort(reply->members, reply->n_members, sizeof reply->members[0], by_name);
    reply->configuration_index = consensus->configuration_index;
    return message;
}

/* --- nodes ------------------------------------------------------------------------------------------------
 */

static char *dump_into(struct message *message, const struct value *value)
{
    if (value == NULL) return wire_string(message, "{}");
    char *text = value_dump(value);
    char *copy = wire_string(message, text);
    memory_free(text);
    return copy;
}

static char *protocol_text(struct message *message, const struct value *range)
{
    int64_t low = 0;
    int64_t high = 0;
    bool known = value_integer(value_at(range, 0), &low) && value_integer(value_at(range, 1), &high);
    if (!known) return wire_string(message, "");
    return arena_printf(&message->arena, "%" PRId64 "-%" PRId64, low, high);
}

static void count_instance(void *context, const char *artifact, const struct value *instance)
{
    uint32_t *count = context;
    (void)artifact, (void)instance;
    ++*count;
}

static Pb__NodeView *node_view(struct message *message, const struct cluster_view *view, const char *leader,
                               const char *name, const struct member_news *news)
{
    const struct value *record = cluster_view_node(view, name);
    Pb__NodeView *node = arena_alloc(&message->arena, sizeof *node);
    pb__node_view__init(node);
    node->node = wire_string(message, name);
    node->state = wire_string(message, value_get_string(record, "state", ""));
    node->presence = wire_string(message, value_get_string(record, "presence", ""));
    node->incarnation = (uint64_t)value_get_integer(record, "incarnation", 0);
    node->address = wire_string(message, value_get_string(record, "address", ""));
    node->client_address = wire_string(message, value_get_string(record, "client-address", ""));
    node->role = wire_string(message, cluster_view_role(view, name));
    node->zone = wire_string(message, value_get_string(record, "zone", ""));
    node->leader = strcmp(name, leader) == 0;
    cluster_view_instances(view, name, count_instance, &node->instances);
    node->labels = dump_into(message, value_get(record, "labels"));
    node->capacity = dump_into(message, value_get(record, "capacity"));
    node->protocol = protocol_text(message, value_get(record, "protocol"));
    node->wish = wire_string(message, cluster_view_wish(view, name));
    node->waiting = wire_string(message, reason_of(news, name));
    const struct value *alarm = tree_get(&view->alarms, name);
    char text[SPACE_ALARM_TEXT_SIZE] = "";
    if (alarm != NULL) space_alarm_describe(alarm, text);
    node->alarm = wire_string(message, text);
    return node;
}

struct message *cluster_answers_nodes(const struct cluster_view *view, const char *leader,
                                      const struct member_news *news)
{
    struct message *message = wire_message_create(KIND_NODE_LIST_REPLY);
    Pb__NodeListReply *reply = message->body;
    reply->nodes = arena_array(&message->arena, view->nodes.count, sizeof(Pb__NodeView *));
    for (const char *name = NULL; cluster_view_next(&view->nodes, &name) != NULL;) {
        reply->nodes[reply->n_nodes++] = node_view(message, view, leader, name, news);
    }
    return message;
}

struct instance_lines {
    struct message *message;
    Pb__NodeShowReply *reply;
};

static void add_instance_line(void *context, const char *artifact, const struct value *instance)
{
    struct instance_lines *lines = context;
    char *line =
        arena_printf(&lines->message->arena, "%s#%" PRId64 " %s", artifact,
                     value_get_integer(instance, "instance", 0), value_get_string(instance, "state", "?"));
    lines->reply->instances[lines->reply->n_instances++] = line;
}

struct message *cluster_answers_node(const struct cluster_view *view, const char *leader, const char *node,
                                     const struct member_news *news)
{
    struct message *message = wire_message_create(KIND_NODE_SHOW_REPLY);
    Pb__NodeShowReply *reply = message->body;
    CHECK(cluster_view_node(view, node) != NULL);
    reply->node = node_view(message, view, leader, node, news);
    reply->instances = arena_array(&message->arena, reply->node->instances, sizeof(char *));
    struct instance_lines lines = { message, reply };
    cluster_view_instances(view, node, add_instance_line, &lines);
    return message;
}

/* --- events -----------------------------------------------------------------------------------------------
 */

struct message *cluster_answers_events(void)
{
    return wire_message_create(KIND_EVENT_LIST_REPLY);
}

static bool is_own_field(const char *name)
{
    static const char *const own[] = { "index", "timestamp", "revision", "type" };
    for (size_t i = 0; i < ARRAY_COUNT(own); i++) {
        if (strcmp(name, own[i]) == 0) return true;
    }
    return false;
}

/* The record holds all in one object; the reply keeps ours apart from what the event adds. */
static char *fields_text(struct message *message, const struct value *record)
{
    struct value *fields = value_new_object();
    const char *name = NULL;
    const struct value *member = NULL;
    for (size_t i = 0; value_member(record, i, &name, &member); i++) {
        if (!is_own_field(name)) value_set(fields, name, value_clone(member));
    }
    char *text = dump_into(message, fields);
    value_free(&fields);
    return text;
}

static Pb__EventView *event_view(struct message *message, const Pb__KvRecord *record)
{
    struct value *document = NULL;
    const char *text = record->value.len == 0 ? "" : (const char *)record->value.data;
    if (value_parse_json(text, record->value.len, &document, NULL) != STATUS_OK) return NULL;
    Pb__EventView *event = arena_alloc(&message->arena, sizeof *event);
    pb__event_view__init(event);
    event->index = (uint64_t)value_get_integer(document, "index", 0);
    event->timestamp = (uint64_t)value_get_integer(document, "timestamp", 0);
    event->revision = (uint64_t)value_get_integer(document, "revision", 0);
    event->type = wire_string(message, value_get_string(document, "type", ""));
    event->fields = fields_text(message, document);
    value_free(&document);
    return event;
}

void cluster_answers_add_events(struct message *reply, const Pb__KvReadReply *page)
{
    Pb__EventListReply *list = reply->body;
    size_t room = list->n_events + page->n_records;
    Pb__EventView **events = arena_array(&reply->arena, room, sizeof(Pb__EventView *));
    if (list->n_events > 0) memcpy(events, list->events, list->n_events * sizeof(Pb__EventView *));
    list->events = events;
    for (size_t i = 0; i < page->n_records; i++) {
        Pb__EventView *event = event_view(reply, page->records[i]);
        if (event != NULL) events[list->n_events++] = event;
    }
}

void cluster_answers_end_events(struct message *reply, uint64_t from, uint32_t limit)
{
    Pb__EventListReply *list = reply->body;
    size_t surplus = limit != 0 && list->n_events > limit ? list->n_events - limit : 0;
    if (from == 0) list->events += surplus;
    list->n_events -= surplus;
    if (list->n_events > 0) list->next_index = list->events[list->n_events - 1]->index + 1;
    else list->next_index = from == 0 ? 1 : from;
}
