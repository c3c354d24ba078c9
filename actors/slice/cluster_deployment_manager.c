/* cluster_deployment_manager: blueprints to allocations, and the commands on blueprints and slices.
 * Learns  blueprints, allocations, records, nodes and endpoints from the state's changes, on every node;
 *         who leads from the leader actor. A leader reconciles everything from that view right after its
 *         first entry (E7), and after every change; failures.h too is in the state (exclusions.h).
 * Owns    the publishes and deletes that wait (publishing.c), and the restarts (restarting.c). Writes only
 * under its term (A5, DEP6), each allocation under the revision that it was planned from; whoever was wrong
 * about that is refused and plans again. Limits  one command at a time per artifact; PUBLICATIONS_MAX
 * commands of people under way. */
#include "actors/slice/cluster_deployment_manager.h"

#include "actors/slice/deployment.h"
#include "actors/slice/deployment_queries.h"
#include "actors/slice/explanation.h"
#include "actors/slice/publishing.h"
#include "actors/slice/restarting.h"
#include "runtime/base/mark.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "wire/kinds.h"
#include "wire/local.h"
#include "wire/proto/slice.pb-c.h"

#include <stdio.h>
#include <string.h>

static const int64_t tick_ns = MILLISECONDS(250);
static const int64_t propose_timeout_ns = SECONDS(5);
struct flight { /* One artifact's allocations being written. */
    char artifact[COORDINATES_TEXT_MAX];
    bool asking;
    uint64_t revision; /* Planned again only from a view that has this. */
};

struct proposal deployment_begin_proposal(const struct cluster_deployment_manager *manager, size_t room)
{
    struct proposal proposal = proposal_begin(PB__ORIGIN__ORIGIN_MANAGER, room);
    proposal.command->leader_term = manager->term;
    return proposal;
}

/* --- reconciling -------------------------------------------------------------------------------------- */

static uint64_t memory_restarts(const void *context, const char *artifact, const char *node,
                                uint32_t instance)
{
    const struct cluster_deployment_manager *manager = context;
    return restarting_since(manager, artifact, node, instance);
}

static const char *memory_excluded(const void *context, const char *artifact, const char *node)
{
    return failures_excluded(&((const struct cluster_deployment_manager *)context)->failures, artifact, node);
}

static bool memory_renews(const void *context, const char *artifact, const char *node)
{
    return failures_renews(&((const struct cluster_deployment_manager *)context)->failures, artifact, node);
}

struct rollout_memory deployment_memory_of(const struct cluster_deployment_manager *manager)
{
    return (struct rollout_memory){ memory_excluded, memory_renews, memory_restarts, manager };
}

/* NULL: the artifact's last command is still under way, or its news are. */
static struct flight *free_flight(struct cluster_deployment_manager *manager, const char *artifact)
{
    struct flight *flight = map_get(&manager->flights, artifact);
    if (flight == NULL) {
        flight = memory_zalloc(sizeof(*flight));
        (void)text_copy(flight->artifact, sizeof(flight->artifact), artifact);
        (void)map_put(&manager->flights, artifact, flight);
    }
    bool seen = manager->follows[FOLLOW_ALLOCATIONS].revision >= flight->revision;
    return flight->asking || !seen ? NULL : flight;
}

static void on_allocated(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct cluster_deployment_manager *manager = state;
    struct flight *flight = context;
    struct error error = { 0 };
    uint64_t revision = 0;
    enum status status = proposal_outcome(result, &revision, &error);
    flight->asking = false;
    if (status == STATUS_OK) {
        flight->revision = revision;
        manager->changed = true;
    } else { /* The tick plans again, from what is known by then. */
        log_info(self, "deployment.refused", "artifact=%s status=%s why=%s", flight->artifact,
                 status_name(status), error.message);
    }
}

static void carry_out(struct actor *self, struct cluster_deployment_manager *manager, struct flight *flight,
                      const struct rollout *rollout)
{
    if (rollout->change_count == 0) return;
    struct proposal proposal = deployment_begin_proposal(manager, rollout->change_count);
    for (uint32_t i = 0; i < rollout->change_count; i++) {
        const struct rollout_change *change = &rollout->changes[i];
        char key[SLICE_KEY_MAX];
        slice_key_allocation(key, flight->artifact, change->node);
        proposal_add_write(&proposal, key, change->revision,
                           change->allocation == NULL
                               ? NULL
                               : slice_allocation_write(&proposal.message->arena, change->allocation));
        log_info(self, "deployment.allocates", "artifact=%s node=%s instances=%u", flight->artifact,
                 change->node, change->allocation == NULL ? 0 : change->allocation->instance_count);
    }
    flight->asking = true;
    actor_ask_name(self, TO_PROPOSER, &proposal.message, propose_timeout_ns, on_allocated, flight);
}

static void reconcile_blueprint(struct actor *self, struct cluster_deployment_manager *manager,
                                const struct view_blueprint *blueprint)
{
    struct rollout_memory memory = deployment_memory_of(manager);
    for (uint32_t i = 0; i < blueprint->blueprint.slice_count; i++) {
        const struct blueprint_slice *slice = &blueprint->blueprint.slices[i];
        struct arena arena = { 0 };
        struct rollout rollout;
        struct flight *flight = free_flight(manager, slice->artifact);
        if (flight == NULL) continue;
        rollout_slice(&arena, &manager->view, blueprint, slice, &memory, &rollout);
        carry_out(self, manager, flight, &rollout);
        arena_fini(&arena);
    }
}

static void reconcile_orphans(struct actor *self, struct cluster_deployment_manager *manager)
{
    const struct view_allocation *allocation = NULL;
    for (const char *key = "";
         (allocation = deployment_view_next_allocation(&manager->view, &key)) != NULL;) {
        if (!rollout_is_orphan(&manager->view, allocation)) continue;
        struct arena arena = { 0 };
        struct rollout rollout;
        struct flight *flight = free_flight(manager, allocation->artifact);
        if (flight == NULL) continue;
        rollout_orphan(&arena, &manager->view, allocation->artifact, &rollout);
        carry_out(self, manager, flight, &rollout);
        arena_fini(&arena);
    }
}

/* A flight whose news have come says nothing any more. */
static void forget_landed(struct cluster_deployment_manager *manager)
{
    const char *artifact = NULL;
    void *value = NULL;
    for (size_t i = 0; map_next(&manager->flights, &i, &artifact, &value);) {
        struct flight *flight = value;
        if (flight->asking || flight->revision > manager->follows[FOLLOW_ALLOCATIONS].revision) continue;
        (void)map_remove(&manager->flights, artifact);
        memory_free(flight);
    }
}

bool deployment_knows_everything(const struct cluster_deployment_manager *manager)
{
    for (int i = 0; i < FOLLOW_COUNT; i++) {
        if (!manager->follows[i].has_snapshot) return false;
    }
    return true;
}

static void reconcile(struct actor *self, struct cluster_deployment_manager *manager)
{
    if (!manager->leading || !deployment_knows_everything(manager)) return;
    const struct view_blueprint *blueprint = NULL;
    if (!manager->remembers)
        exclusions_restore(&manager->exclusions, &manager->failures, actor_now_ns(self), actor_wall_ms(self));
    manager->remembers = true;
    (void)failures_update(&manager->failures, &manager->view, actor_now_ns(self));
    exclusions_keep(self, &manager->exclusions, &manager->failures, manager->term);
    for (const char *key = ""; (blueprint = deployment_view_next_blueprint(&manager->view, &key)) != NULL;)
        reconcile_blueprint(self, manager, blueprint);
    reconcile_orphans(self, manager);
    forget_landed(manager);
    publishing_judge(self, manager);
    restarting_judge(self, manager);
}

/* --- reading commands: the gateway waited for a read barrier where the command is not stale ----------- */

static void reply_or_refuse(struct actor *self, const struct message *message, struct message **reply,
                            enum status status, const struct error *error)
{
    if (status == STATUS_OK) {
        actor_reply(self, message, reply);
        return;
    }
    actor_refuse_error(self, message, error);
    message_destroy(reply);
}

static void on_list(struct actor *self, void *state, const struct message *message)
{
    const struct cluster_deployment_manager *manager = state;
    struct message *reply = wire_message_create(KIND_BLUEPRINT_LIST_REPLY);
    deployment_queries_list_blueprints(reply, &manager->view);
    actor_reply(self, message, &reply);
}

static void on_get(struct actor *self, void *state, const struct message *message)
{
    const struct cluster_deployment_manager *manager = state;
    const Pb__BlueprintGetRequest *request = message->body;
    struct error error = { 0 };
    struct message *reply = wire_message_create(KIND_BLUEPRINT_GET_REPLY);
    enum status status = deployment_queries_get_blueprint(reply, &manager->view, request->name, &error);
    reply_or_refuse(self, message, &reply, status, &error);
}

static void on_history(struct actor *self, void *state, const struct message *message)
{
    const struct cluster_deployment_manager *manager = state;
    const Pb__BlueprintHistoryRequest *request = message->body;
    struct error error = { 0 };
    struct message *reply = wire_message_create(KIND_BLUEPRINT_HISTORY_REPLY);
    enum status status = deployment_queries_history(reply, &manager->view, request->name, &error);
    reply_or_refuse(self, message, &reply, status, &error);
}

static void on_slices(struct actor *self, void *state, const struct message *message)
{
    const struct cluster_deployment_manager *manager = state;
    const Pb__SliceListRequest *request = message->body;
    struct message *reply = wire_message_create(KIND_SLICE_LIST_REPLY);
    deployment_queries_list_slices(reply, &manager->view, request->blueprint);
    actor_reply(self, message, &reply);
}

static struct explanation_clock clock_now(const struct actor *self)
{
    return (struct explanation_clock){ actor_now_ns(self), actor_wall_ms(self) };
}

static void on_show(struct actor *self, void *state, const struct message *message)
{
    const struct cluster_deployment_manager *manager = state;
    const Pb__SliceShowRequest *request = message->body;
    struct error error = { 0 };
    struct message *reply = wire_message_create(KIND_SLICE_SHOW_REPLY);
    enum status status =
        deployment_queries_show_slice(reply, &manager->view, &manager->endpoints, request->artifact, &error);
    if (status == STATUS_OK) {
        Pb__SliceShowReply *show = reply->body;
        show->exclusions = explanation_exclusions(reply, &manager->view, &manager->failures, show->artifact,
                                                  clock_now(self), &show->n_exclusions);
    }
    reply_or_refuse(self, message, &reply, status, &error);
}

static void on_explain(struct actor *self, void *state, const struct message *message)
{
    const struct cluster_deployment_manager *manager = state;
    const Pb__SliceExplainRequest *request = message->body;
    struct rollout_memory memory = deployment_memory_of(manager);
    struct error error = { 0 };
    struct message *reply = wire_message_create(KIND_SLICE_EXPLAIN_REPLY);
    enum status status = explanation_fill(reply, &manager->view, &memory, request->artifact, &error);
    if (status == STATUS_OK) {
        Pb__SliceExplainReply *explained = reply->body;
        explained->exclusions =
            explanation_exclusions(reply, &manager->view, &manager->failures, explained->artifact,
                                   clock_now(self), &explained->n_exclusions);
    }
    reply_or_refuse(self, message, &reply, status, &error);
}

/* --- what it learns ----------------------------------------------------------------------------------- */

static void see_endpoint(void *context, const Pb__KvEvent *event)
{
    struct endpoint_table *endpoints = context;
    if (event == NULL) endpoint_table_clear(endpoints);
    else if (event->deleted) endpoint_table_set(endpoints, event->record->key, NULL, 0);
    else
        endpoint_table_set(endpoints, event->record->key, event->record->value.data,
                           event->record->value.len);
}

static void on_changed(struct actor *self, void *state, const struct message *message)
{
    static follow_visit *const visits[FOLLOW_ENDPOINTS] = {
        [FOLLOW_BLUEPRINTS] = deployment_view_see_blueprint,
        [FOLLOW_HISTORY] = deployment_view_see_history,
        [FOLLOW_ALLOCATIONS] = deployment_view_see_allocation,
        [FOLLOW_RECORDS] = deployment_view_see_record,
        [FOLLOW_NODES] = deployment_view_see_node,
    };
    struct cluster_deployment_manager *manager = state;
    if (follow_accept(self, &manager->follows[FOLLOW_ENDPOINTS], message, see_endpoint, &manager->endpoints))
        return;
    if (follow_accept(self, &manager->follows[FOLLOW_EXCLUSIONS], message, exclusions_see,
                      &manager->exclusions))
        return;
    for (int i = 0; i < FOLLOW_ENDPOINTS; i++)
        manager->changed |= follow_accept(self, &manager->follows[i], message, visits[i], &manager->view);
}

static void on_role(struct actor *self, void *state, const struct message *message)
{
    struct cluster_deployment_manager *manager = state;
    const struct role_changed *role = message->body;
    bool anew = role->leading && (!manager->leading || manager->term != role->term);
    bool over = manager->leading && (!role->leading || manager->term != role->term);
    if (over) {
        publishing_drop(self, manager);
        restarting_drop(self, manager);
    }
    manager->leading = role->leading;
    manager->term = role->term;
    if (over) actor_cancel(self, &manager->tick);
    if (!anew) return;
    failures_clear(&manager->failures);
    manager->remembers = false;
    manager->tick = actor_every(self, tick_ns, KIND_CLUSTER_DEPLOYMENT_TICK);
    manager->changed = true; /* All blueprints, from the applied state: its no-op is applied here (E7). */
    log_info(self, "deployment.leads", "term=%llu", (unsigned long long)role->term);
}

static void on_tick(struct actor *self, void *state, const struct message *message)
{
    struct cluster_deployment_manager *manager = state;
    (void)self, (void)message;
    manager->changed = true;
}

/* Once for all that one batch of messages brought. */
static void manager_turn_end(struct actor *self, void *state)
{
    struct cluster_deployment_manager *manager = state;
    if (!manager->changed) return;
    manager->changed = false;
    reconcile(self, manager);
}

static enum status manager_init(struct actor *self, void *state, const void *options, struct error *error)
{
    static const char *const prefixes[FOLLOW_COUNT] = {
        [FOLLOW_BLUEPRINTS] = "blueprints/",
        [FOLLOW_HISTORY] = "blueprint-history/",
        [FOLLOW_ALLOCATIONS] = "allocations/",
        [FOLLOW_RECORDS] = "slices/",
        [FOLLOW_NODES] = "nodes/",
        [FOLLOW_ENDPOINTS] = "endpoints/",
        [FOLLOW_EXCLUSIONS] = EXCLUSIONS_PREFIX,
    };
    struct cluster_deployment_manager *manager = state;
    (void)options, (void)error;
    for (int i = 0; i < FOLLOW_COUNT; i++) {
        manager->follows[i] = (struct follow){ .prefix = prefixes[i], .watch_id = (uint64_t)i + 1 };
        follow_start(self, &manager->follows[i]);
    }
    struct message *subscribe = message_create(KIND_ROLE_SUBSCRIBE, 0);
    actor_tell_name(self, TO_LEADER, &subscribe);
    return STATUS_OK;
}

static void manager_fini(void *state)
{
    struct cluster_deployment_manager *manager = state;
    const char *artifact = NULL;
    void *flight = NULL;
    for (uint32_t i = 0; i < manager->publication_count; i++)
        publication_destroy(manager->publications[i]);
    restarting_fini(manager);
    for (size_t i = 0; map_next(&manager->flights, &i, &artifact, &flight);)
        memory_free(flight);
    map_fini(&manager->flights);
    failures_fini(&manager->failures);
    exclusions_fini(&manager->exclusions);
    deployment_view_fini(&manager->view);
    endpoint_table_fini(&manager->endpoints);
}

static const struct behavior_row rows[] = {
    { KIND_STATE_CHANGED, on_changed },
    { KIND_ROLE_CHANGED, on_role },
    { KIND_CLUSTER_DEPLOYMENT_TICK, on_tick },
    { KIND_BLUEPRINT_PUBLISH_REQUEST, publishing_on_publish },
    { KIND_BLUEPRINT_PLAN_REQUEST, publishing_on_plan },
    { KIND_BLUEPRINT_DELETE_REQUEST, publishing_on_delete },
    { KIND_BLUEPRINT_LIST_REQUEST, on_list },
    { KIND_BLUEPRINT_GET_REQUEST, on_get },
    { KIND_SLICE_LIST_REQUEST, on_slices },
    { KIND_SLICE_SHOW_REQUEST, on_show },
    { KIND_BLUEPRINT_HISTORY_REQUEST, on_history },
    { KIND_BLUEPRINT_ROLLBACK_REQUEST, publishing_on_rollback },
    { KIND_BLUEPRINT_WAIT_REQUEST, publishing_on_wait },
    { KIND_SLICE_EXPLAIN_REQUEST, on_explain },
    { KIND_SLICE_RESTART_REQUEST, restarting_on_restart },
};
const struct behavior cluster_deployment_manager_behavior = {
    .name = "cluster_deployment_manager",
    .state_size = sizeof(struct cluster_deployment_manager),
    .home = ACTOR_POOLED,
    .mailbox_capacity = 4096,
    .init = manager_init,
    .fini = manager_fini,
    .turn_end = manager_turn_end,
    .rows = rows,
    .row_count = ARRAY_COUNT(rows),
};
