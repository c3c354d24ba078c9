/* endpoint_registry: which node serves which entry point of which slice, as last committed.
 * Learns  only from the state's changes under endpoints/, so a restart loses nothing.
 * Owns    its table; touches no store, no socket, no other actor. Calls don't pass here: slice_call keeps a
 *         table of its own, for a call should have as few hops as possible (facts.md).
 * Limits  one reply holds LIST_MAX endpoints; the command narrows by artifact. */
#include "actors/slice/endpoint_registry.h"

#include "actors/slice/endpoint_table.h"
#include "runtime/base/check.h"
#include "wire/follow.h"
#include "wire/kinds.h"
#include "wire/proto/slice.pb-c.h"

enum { LIST_MAX = 10000, WATCH_ENDPOINTS = 1 };

struct endpoint_registry {
    struct endpoint_table table;
    struct follow endpoints;
};

static void see_endpoint(void *context, const Pb__KvEvent *event)
{
    struct endpoint_registry *registry = context;
    if (event == NULL) endpoint_table_clear(&registry->table);
    else if (event->deleted) endpoint_table_set(&registry->table, event->record->key, NULL, 0);
    else
        endpoint_table_set(&registry->table, event->record->key, event->record->value.data,
                           event->record->value.len);
}

static void on_changed(struct actor *self, void *state, const struct message *message)
{
    struct endpoint_registry *registry = state;
    (void)follow_accept(self, &registry->endpoints, message, see_endpoint, registry);
}

static Pb__EndpointView *view_of(struct message *reply, const struct endpoint *endpoint)
{
    Pb__EndpointView *view = arena_alloc(&reply->arena, sizeof(*view));
    pb__endpoint_view__init(view);
    view->artifact = wire_string(reply, endpoint->artifact);
    view->entry = wire_string(reply, endpoint->entry);
    view->instance = endpoint->instance;
    view->node = wire_string(reply, endpoint->node->name);
    view->state = wire_string(reply, slice_state_name(SLICE_ACTIVE));
    return view;
}

static void on_list(struct actor *self, void *state, const struct message *message)
{
    const struct endpoint_registry *registry = state;
    const Pb__EndpointListRequest *request = message->body;
    struct coordinates wanted = { 0 };
    struct error error = { 0 };
    bool all = request->artifact[0] == '\0';
    if (!all && coordinates_parse(request->artifact, COORDINATES_ANY, &wanted, &error) != STATUS_OK) {
        actor_refuse_error(self, message, &error);
        return;
    }
    struct message *reply = wire_message_create(KIND_ENDPOINT_LIST_REPLY);
    Pb__EndpointListReply *list = reply->body;
    size_t room = registry->table.by_key.count < LIST_MAX ? registry->table.by_key.count : LIST_MAX;
    list->endpoints = arena_array(&reply->arena, room, sizeof(Pb__EndpointView *));
    const struct endpoint *endpoint = NULL;
    for (const char *key = ""; (endpoint = endpoint_table_next(&registry->table, &key)) != NULL;) {
        if (!all && !coordinates_match(&wanted, endpoint->artifact)) continue;
        if (list->n_endpoints == room) break;
        list->endpoints[list->n_endpoints++] = view_of(reply, endpoint);
    }
    actor_reply(self, message, &reply);
}

static enum status registry_init(struct actor *self, void *state, const void *options, struct error *error)
{
    struct endpoint_registry *registry = state;
    (void)options, (void)error;
    registry->endpoints = (struct follow){ .prefix = "endpoints/", .watch_id = WATCH_ENDPOINTS };
    follow_start(self, &registry->endpoints);
    return STATUS_OK;
}

static void registry_fini(void *state)
{
    struct endpoint_registry *registry = state;
    endpoint_table_fini(&registry->table);
}

static const struct behavior_row rows[] = {
    { KIND_STATE_CHANGED, on_changed },
    { KIND_ENDPOINT_LIST_REQUEST, on_list },
};
const struct behavior endpoint_registry_behavior = {
    .name = "endpoint_registry",
    .state_size = sizeof(struct endpoint_registry),
    .home = ACTOR_POOLED,
    .mailbox_capacity = 4096,
    .init = registry_init,
    .fini = registry_fini,
    .rows = rows,
    .row_count = ARRAY_COUNT(rows),
};
