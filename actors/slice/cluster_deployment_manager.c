/* cluster_deployment_manager: blueprints to allocations, and the commands on blueprints and slices.
 * Learns  blueprints, allocations, records, nodes and endpoints from the state's changes, on every node;
 *         who leads from the leader actor. A leader reconciles everything from that view right after its
 *         first entry (E7), and after every change; only failures.h is lost with the leadership.
 * Owns    the publishes and deletes that wait. Writes only under its term (A5, DEP6), each allocation under
 *         the revision that it was planned from; whoever was wrong about that is refused and plans again.
 * Limits  one command at a time per artifact; PUBLICATIONS_MAX commands of people under way. */
#include "actors/slice/cluster_deployment_manager.h"

#include "actors/slice/deployment_queries.h"
#include "actors/slice/deployment_view.h"
#include "actors/slice/endpoint_table.h"
#include "actors/slice/failures.h"
#include "actors/slice/messages.h"
#include "actors/slice/proposal.h"
#include "actors/slice/publication.h"
#include "actors/slice/rollout.h"
#include "runtime/base/check.h"
#include "runtime/base/mark.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "wire/follow.h"
#include "wire/kinds.h"
#include "wire/local.h"
#include "wire/proto/slice.pb-c.h"
#include "wire/proto/store.pb-c.h"

#include <stdio.h>
#include <string.h>

enum {
    PUBLICATIONS_MAX = 64,
    FOLLOW_BLUEPRINTS = 0,
    FOLLOW_HISTORY,
    FOLLOW_ALLOCATIONS,
    FOLLOW_RECORDS,
    FOLLOW_NODES,
    FOLLOW_ENDPOINTS,
    FOLLOW_COUNT,
};

static const int64_t tick_ns = MILLISECONDS(250);
static const int64_t propose_timeout_ns = SECONDS(5);
static const int64_t artifact_timeout_ns = SECONDS(60); /* To resolve one, or to fetch and probe it. */
static const int64_t answer_before_ns =
    MILLISECONDS(300); /* A waiting command is told before its time is up. */

struct flight { /* One artifact's allocations being written. */
    char artifact[COORDINATES_TEXT_MAX];
    bool asking;
    uint64_t revision; /* Planned again only from a view that has this. */
};

struct cluster_deployment_manager {
    struct deployment_view view;
    struct endpoint_table endpoints;
    struct follow follows[FOLLOW_COUNT];
    bool leading;
    uint64_t term;
    bool changed; /* Something was learnt in this turn. */
    struct failures failures;
    struct map flights; /* Artifact -> struct flight * */
    struct publication *publications[PUBLICATIONS_MAX];
    uint32_t publication_count;
    uint64_t number_last;
    struct timer_id tick;
};

static struct proposal begin_proposal(const struct cluster_deployment_manager *manager, size_t room)
{
    struct proposal proposal = proposal_begin(PB__ORIGIN__ORIGIN_MANAGER, room);
    proposal.command->leader_term = manager->term;
    return proposal;
}

/* --- reconciling -------------------------------------------------------------------------------------- */

static const char *memory_excluded(const void *context, const char *artifact, const char *node)
{
    return failures_excluded(context, artifact, node);
}

static bool memory_renews(const void *context, const char *artifact, const char *node)
{
    return failures_renews(context, artifact, node);
}

static struct rollout_memory memory_of(const struct cluster_deployment_manager *manager)
{
    return (struct rollout_memory){ memory_excluded, memory_renews, &manager->failures };
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
    struct proposal proposal = begin_proposal(manager, rollout->change_count);
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
    struct rollout_memory memory = memory_of(manager);
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

static bool knows_everything(const struct cluster_deployment_manager *manager)
{
    for (int i = 0; i < FOLLOW_COUNT; i++) {
        if (!manager->follows[i].has_snapshot) return false;
    }
    return true;
}

static void judge_publications(struct actor *self, struct cluster_deployment_manager *manager);

static void reconcile(struct actor *self, struct cluster_deployment_manager *manager)
{
    if (!manager->leading || !knows_everything(manager)) return;
    const struct view_blueprint *blueprint = NULL;
    (void)failures_update(&manager->failures, &manager->view, actor_now_ns(self));
    for (const char *key = ""; (blueprint = deployment_view_next_blueprint(&manager->view, &key)) != NULL;)
        reconcile_blueprint(self, manager, blueprint);
    reconcile_orphans(self, manager);
    forget_landed(manager);
    judge_publications(self, manager);
}

/* --- publications: the end ---------------------------------------------------------------------------- */

static void remove_publication(struct cluster_deployment_manager *manager, struct publication *publication)
{
    uint32_t at = 0;
    while (at < manager->publication_count && manager->publications[at] != publication)
        at++;
    CHECK(at < manager->publication_count);
    for (manager->publication_count--; at < manager->publication_count; at++)
        manager->publications[at] = manager->publications[at + 1];
    publication_destroy(publication);
}

static void answer_publish(struct actor *self, struct cluster_deployment_manager *manager,
                           const struct publication *publication, bool complete)
{
    struct message *reply = wire_message_create(KIND_BLUEPRINT_PUBLISH_REPLY);
    Pb__BlueprintPublishReply *body = reply->body;
    body->name = wire_string(reply, publication->name);
    body->revision = publication->revision;
    body->changed = publication->changed;
    body->complete = complete;
    deployment_queries_instances(reply, &manager->view, publication->name, "", &body->instances,
                                 &body->n_instances);
    actor_reply(self, publication->request, &reply);
}

static void answer_delete(struct actor *self, const struct publication *publication, bool complete)
{
    struct message *reply = wire_message_create(KIND_BLUEPRINT_DELETE_REPLY);
    Pb__BlueprintDeleteReply *body = reply->body;
    body->name = wire_string(reply, publication->name);
    body->revision = publication->revision;
    body->complete = complete;
    actor_reply(self, publication->request, &reply);
}

static void finish(struct actor *self, struct cluster_deployment_manager *manager,
                   struct publication *publication, bool complete)
{
    if (publication->deletes) answer_delete(self, publication, complete);
    else answer_publish(self, manager, publication, complete);
    remove_publication(manager, publication);
}

static void fail_publication(struct actor *self, struct cluster_deployment_manager *manager,
                             struct publication *publication, const struct error *error)
{
    MARK("cluster_deployment.not_carried_out");
    log_info(self, "blueprint.not_carried_out", "name=%s status=%s why=%s", publication->name,
             status_name(error->status), error->message);
    actor_refuse_error(self, publication->request, error);
    remove_publication(manager, publication);
}

/* A publication may be answered and gone while an ask of its is under way: completions hold its number. */
static uint64_t *ticket_for(const struct publication *publication)
{
    uint64_t *ticket = memory_alloc(sizeof(*ticket));
    *ticket = publication->number;
    return ticket;
}

/* Takes the ticket; NULL: it is gone. */
static struct publication *take_ticket(const struct cluster_deployment_manager *manager, uint64_t *ticket)
{
    struct publication *found = NULL;
    for (uint32_t i = 0; i < manager->publication_count; i++) {
        if (manager->publications[i]->number == *ticket) found = manager->publications[i];
    }
    memory_free(ticket);
    return found;
}

/* --- publications: writing ---------------------------------------------------------------------------- */

static void on_written(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct cluster_deployment_manager *manager = state;
    struct publication *publication = take_ticket(manager, context);
    struct error error = { 0 };
    if (publication == NULL) return; /* The leadership went, and it was answered. */
    enum status status = proposal_outcome(result, &publication->revision, &error);
    if (status != STATUS_OK) {
        fail_publication(self, manager, publication, &error);
        return;
    }
    log_info(self, publication->deletes ? "blueprint.deleted" : "blueprint.published",
             "name=%s revision=%llu", publication->name, (unsigned long long)publication->revision);
    if (publication->detach) {
        finish(self, manager, publication, false);
        return;
    }
    publication->phase = PUBLICATION_WAITING;
    publication->waiting_since_ns = actor_now_ns(self);
    manager->changed = true;
}

static void write_blueprint(struct actor *self, struct cluster_deployment_manager *manager,
                            struct publication *publication, const char *text)
{
    char key[SLICE_KEY_MAX];
    struct proposal proposal = begin_proposal(manager, 1);
    slice_key_blueprint(key, publication->name);
    proposal_add_write(&proposal, key, publication->previous_revision, text);
    publication->phase = PUBLICATION_WRITING;
    actor_ask_name(self, TO_PROPOSER, &proposal.message, propose_timeout_ns, on_written,
                   ticket_for(publication));
}

/* Everything is resolved: written, unless that is what is there already. */
static void write_resolved(struct actor *self, struct cluster_deployment_manager *manager,
                           struct publication *publication)
{
    const struct view_blueprint *before = deployment_view_blueprint(&manager->view, publication->name);
    publication->changed = before == NULL || !blueprint_equal(&before->blueprint, &publication->blueprint);
    for (uint32_t i = 0; i < publication->blueprint.slice_count; i++)
        failures_pardon(&manager->failures, &manager->view, publication->blueprint.slices[i].artifact,
                        actor_now_ns(self));
    if (before != NULL) {
        publication->previous = arena_strdup(&publication->arena, before->text);
        publication->previous_revision = before->revision;
    }
    if (before == NULL || publication->changed) {
        write_blueprint(self, manager, publication,
                        blueprint_write(&publication->arena, &publication->blueprint));
        return;
    }
    publication->revision = before->revision;
    if (publication->detach) {
        finish(self, manager, publication, false);
        return;
    }
    publication->phase = PUBLICATION_WAITING;
    publication->waiting_since_ns = actor_now_ns(self);
    manager->changed = true;
}

/* --- publications: resolving -------------------------------------------------------------------------- */

static void resolve_next(struct actor *self, struct cluster_deployment_manager *manager,
                         struct publication *publication);

static void take_resolved(struct publication *publication, struct blueprint_slice *slice,
                          const char *artifact, const char *sha256)
{
    slice->artifact = arena_strdup(&publication->arena, artifact);
    slice->sha256 = arena_strdup(&publication->arena, sha256);
    publication->resolved++;
}

static void on_resolved(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct cluster_deployment_manager *manager = state;
    struct publication *publication = take_ticket(manager, context);
    if (publication == NULL) return;
    struct blueprint_slice *slice = &publication->slices[publication->resolved];
    struct error error = { 0 };
    if (result->status == STATUS_OK) {
        const struct artifact_resolved *resolved = result->message->body;
        if (slice->sha256[0] != '\0' && strcmp(slice->sha256, resolved->sha256) != 0) {
            (void)error_set(&error, STATUS_CORRUPT, "%s has sha256 %s, not the one that the blueprint names",
                            slice->artifact, resolved->sha256);
            error_hint(&error, "leave sha256 out of the document, or name that of this version");
            fail_publication(self, manager, publication, &error);
            return;
        }
        take_resolved(publication, slice, resolved->artifact, resolved->sha256);
    } else { /* Counts can be changed while no repository answers. */
        const char *known = publication_known_sha256(publication, &manager->view, slice->artifact);
        if (known == NULL || (slice->sha256[0] != '\0' && strcmp(slice->sha256, known) != 0)) {
            error = *result->error;
            (void)error_wrap(&error, "slices[%u] %s", publication->resolved, slice->artifact);
            fail_publication(self, manager, publication, &error);
            return;
        }
        take_resolved(publication, slice, slice->artifact, known);
    }
    resolve_next(self, manager, publication);
}

static void probe_next(struct actor *self, struct cluster_deployment_manager *manager,
                       struct publication *publication);

static void on_probed(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct cluster_deployment_manager *manager = state;
    struct publication *publication = take_ticket(manager, context);
    if (publication == NULL) return;
    if (result->status != STATUS_OK) {
        struct error error = *result->error;
        (void)error_wrap(&error, "slices[%u] %s", publication->probed,
                         publication->slices[publication->probed].artifact);
        error_hint(&error, "replace the artifact by one that a node can load; nothing was written");
        fail_publication(self, manager, publication, &error);
        return;
    }
    publication->probed++;
    probe_next(self, manager, publication);
}

/* What can't be loaded here can't be anywhere: it is refused before it is written, not withdrawn after it has
 * failed on a node. */
static void probe_next(struct actor *self, struct cluster_deployment_manager *manager,
                       struct publication *publication)
{
    const struct blueprint_slice *slice = publication_next_to_probe(publication, &manager->view);
    if (slice == NULL) {
        write_resolved(self, manager, publication);
        return;
    }
    struct message *message = message_create(KIND_INSTANCE_PROBE, sizeof(struct instance_probe));
    struct instance_probe *probe = message->body;
    (void)text_copy(probe->artifact, sizeof(probe->artifact), slice->artifact);
    (void)text_copy(probe->sha256, sizeof(probe->sha256), slice->sha256);
    actor_ask_name(self, TO_SLICE_STORE, &message, artifact_timeout_ns, on_probed, ticket_for(publication));
}

/* The first slice that became the same artifact as one before it: a range met an exact version. */
static bool find_twice(const struct publication *publication, struct error *error)
{
    for (uint32_t i = 0; i < publication->blueprint.slice_count; i++) {
        if (blueprint_find(&publication->blueprint, publication->slices[i].artifact) ==
            &publication->slices[i])
            continue;
        (void)error_set(error, STATUS_INVALID, "%s is listed twice", publication->slices[i].artifact);
        return true;
    }
    return false;
}

static void resolve_next(struct actor *self, struct cluster_deployment_manager *manager,
                         struct publication *publication)
{
    struct error error = { 0 };
    if (publication->resolved == publication->blueprint.slice_count) {
        if (find_twice(publication, &error)) fail_publication(self, manager, publication, &error);
        else probe_next(self, manager, publication);
        return;
    }
    struct message *message = message_create(KIND_ARTIFACT_RESOLVE, sizeof(struct artifact_resolve));
    struct artifact_resolve *resolve = message->body;
    resolve->artifact = wire_string(message, publication->slices[publication->resolved].artifact);
    actor_ask_name(self, TO_ARTIFACT_STORE, &message, artifact_timeout_ns, on_resolved,
                   ticket_for(publication));
}

/* --- publications: waiting ---------------------------------------------------------------------------- */

static void on_restored(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct cluster_deployment_manager *manager = state;
    struct publication *publication = take_ticket(manager, context);
    struct error error = { 0 };
    uint64_t revision = 0;
    if (publication == NULL) return;
    char story[ERROR_MESSAGE_MAX];
    (void)text_copy(story, sizeof(story), publication->failure.message);
    if (proposal_outcome(result, &revision, &error) != STATUS_OK) {
        (void)error_set(&publication->failure, STATUS_NOT_READY,
                        "%s; the former revision could not be restored: %s", story, error.message);
    } else if (publication->previous == NULL) {
        (void)error_set(&publication->failure, STATUS_NOT_READY, "%s; the blueprint was withdrawn", story);
    } else {
        (void)error_set(&publication->failure, STATUS_NOT_READY, "%s; revision %llu was restored as %llu",
                        story, (unsigned long long)publication->previous_revision,
                        (unsigned long long)revision);
    }
    error_hint(&publication->failure, "aether slice list and aether event list show what happened");
    fail_publication(self, manager, publication, &publication->failure);
}

/* All or nothing (product.md section 4): what was there before is published again. */
static void restore(struct actor *self, struct cluster_deployment_manager *manager,
                    struct publication *publication, const struct error *error)
{
    char key[SLICE_KEY_MAX];
    struct proposal proposal = begin_proposal(manager, 1);
    slice_key_blueprint(key, publication->name);
    proposal_add_write(&proposal, key, publication->revision, publication->previous);
    publication->phase = PUBLICATION_RESTORING;
    publication->failure = *error;
    actor_ask_name(self, TO_PROPOSER, &proposal.message, propose_timeout_ns, on_restored,
                   ticket_for(publication));
}

/* The caller's time is nearly up: it is told how far things are; the cluster goes on. */
static bool answer_if_late(struct actor *self, struct cluster_deployment_manager *manager,
                           struct publication *publication, const struct error *pending)
{
    int64_t deadline_ns = publication->request->deadline_ns;
    if (deadline_ns == 0 || actor_now_ns(self) < deadline_ns - answer_before_ns) return false;
    struct error error;
    (void)error_set(&error, STATUS_NOT_READY, "not done in time, the cluster goes on: %s", pending->message);
    error_hint(&error, "a longer --timeout waits longer; --detach doesn't wait");
    fail_publication(self, manager, publication, &error);
    return true;
}

static void judge(struct actor *self, struct cluster_deployment_manager *manager,
                  struct publication *publication)
{
    struct error error = { 0 };
    bool restorable = false;
    struct rollout_memory memory = memory_of(manager);
    if (manager->follows[FOLLOW_BLUEPRINTS].revision < publication->revision)
        return; /* Its news are coming. */
    switch (
        publication_judge(publication, &manager->view, &memory, actor_now_ns(self), &restorable, &error)) {
    case PUBLICATION_DONE: finish(self, manager, publication, true); return;
    case PUBLICATION_REPLACED: fail_publication(self, manager, publication, &error); return;
    case PUBLICATION_FAILED:
        if (restorable && publication->changed) restore(self, manager, publication, &error);
        else fail_publication(self, manager, publication, &error);
        return;
    case PUBLICATION_PENDING: (void)answer_if_late(self, manager, publication, &error); return;
    }
}

static void judge_publications(struct actor *self, struct cluster_deployment_manager *manager)
{
    for (uint32_t i = manager->publication_count; i > 0; i--) { /* Judged ones may leave the list. */
        struct publication *publication = manager->publications[i - 1];
        if (publication->phase == PUBLICATION_WAITING) judge(self, manager, publication);
    }
}

/* --- publications: the beginning ---------------------------------------------------------------------- */

/* The kept request as a publication; NULL: refused. */
static struct publication *accept(struct actor *self, struct cluster_deployment_manager *manager,
                                  const struct message *message, bool deletes)
{
    if (!manager->leading || !knows_everything(manager)) {
        actor_refuse(self, message, STATUS_NOT_LEADER);
        return NULL;
    }
    if (manager->publication_count == PUBLICATIONS_MAX) {
        actor_refuse(self, message, STATUS_OVERLOADED);
        return NULL;
    }
    struct publication *publication = publication_create(actor_keep(self), deletes);
    publication->number = ++manager->number_last;
    manager->publications[manager->publication_count++] = publication;
    return publication;
}

static void on_publish(struct actor *self, void *state, const struct message *message)
{
    struct cluster_deployment_manager *manager = state;
    const Pb__BlueprintPublishRequest *request = message->body;
    struct error error = { 0 };
    struct publication *publication = accept(self, manager, message, false);
    if (publication == NULL) return;
    publication->detach = request->detach != 0;
    bool given = request->name[0] != '\0';
    enum status status = blueprint_parse(&publication->arena, request->document, strlen(request->document),
                                         given ? request->name : "default", &publication->blueprint, &error);
    if (status == STATUS_OK && given && strcmp(request->name, publication->blueprint.name) != 0)
        status = error_set(&error, STATUS_INVALID, "the document is named %s, and the command says %s",
                           publication->blueprint.name, request->name);
    if (status == STATUS_OK)
        status = publication_check_nodes(&publication->blueprint, &manager->view, &error);
    if (status != STATUS_OK) {
        fail_publication(self, manager, publication, &error);
        return;
    }
    (void)text_copy(publication->name, sizeof(publication->name), publication->blueprint.name);
    uint32_t count = publication->blueprint.slice_count;
    publication->slices = arena_array(&publication->arena, count, sizeof(*publication->slices));
    for (uint32_t i = 0; i < count; i++)
        publication->slices[i] = publication->blueprint.slices[i];
    publication->blueprint.slices = publication->slices;
    resolve_next(self, manager, publication);
}

static void on_delete(struct actor *self, void *state, const struct message *message)
{
    struct cluster_deployment_manager *manager = state;
    const Pb__BlueprintDeleteRequest *request = message->body;
    const struct view_blueprint *blueprint = deployment_view_blueprint(&manager->view, request->name);
    struct publication *publication = accept(self, manager, message, true);
    struct error error = { 0 };
    if (publication == NULL) return;
    if (blueprint == NULL) {
        (void)error_set(&error, STATUS_NOT_FOUND, "there is no blueprint %s", request->name);
        error_hint(&error, "aether blueprint list shows what there is");
        fail_publication(self, manager, publication, &error);
        return;
    }
    publication->detach = request->detach != 0;
    publication->previous_revision = blueprint->revision;
    (void)text_copy(publication->name, sizeof(publication->name), blueprint->name);
    publication_note_artifacts(publication, &manager->view);
    write_blueprint(self, manager, publication, NULL);
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

static void on_slices(struct actor *self, void *state, const struct message *message)
{
    const struct cluster_deployment_manager *manager = state;
    const Pb__SliceListRequest *request = message->body;
    struct message *reply = wire_message_create(KIND_SLICE_LIST_REPLY);
    deployment_queries_list_slices(reply, &manager->view, request->blueprint);
    actor_reply(self, message, &reply);
}

static void on_show(struct actor *self, void *state, const struct message *message)
{
    const struct cluster_deployment_manager *manager = state;
    const Pb__SliceShowRequest *request = message->body;
    struct error error = { 0 };
    struct message *reply = wire_message_create(KIND_SLICE_SHOW_REPLY);
    enum status status =
        deployment_queries_show_slice(reply, &manager->view, &manager->endpoints, request->artifact, &error);
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
    for (int i = 0; i < FOLLOW_ENDPOINTS; i++)
        manager->changed |= follow_accept(self, &manager->follows[i], message, visits[i], &manager->view);
}

/* Those who wait are told now: their answer would have to come from a leader. */
static void drop_publications(struct actor *self, struct cluster_deployment_manager *manager)
{
    while (manager->publication_count > 0) {
        struct publication *publication = manager->publications[0];
        struct error error;
        bool nothing = publication->phase == PUBLICATION_RESOLVING;
        (void)error_set(&error, nothing ? STATUS_NOT_LEADER : STATUS_UNKNOWN,
                        "the leadership moved meanwhile%s",
                        nothing ? "" : "; what was written goes on there");
        fail_publication(self, manager, publication, &error);
    }
}

static void on_role(struct actor *self, void *state, const struct message *message)
{
    struct cluster_deployment_manager *manager = state;
    const struct role_changed *role = message->body;
    bool anew = role->leading && (!manager->leading || manager->term != role->term);
    bool over = manager->leading && (!role->leading || manager->term != role->term);
    if (over) drop_publications(self, manager);
    manager->leading = role->leading;
    manager->term = role->term;
    if (over) actor_cancel(self, &manager->tick);
    if (!anew) return;
    failures_clear(&manager->failures);
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
    for (size_t i = 0; map_next(&manager->flights, &i, &artifact, &flight);)
        memory_free(flight);
    map_fini(&manager->flights);
    failures_fini(&manager->failures);
    deployment_view_fini(&manager->view);
    endpoint_table_fini(&manager->endpoints);
}

static const struct behavior_row rows[] = {
    { KIND_STATE_CHANGED, on_changed },           { KIND_ROLE_CHANGED, on_role },
    { KIND_CLUSTER_DEPLOYMENT_TICK, on_tick },    { KIND_BLUEPRINT_PUBLISH_REQUEST, on_publish },
    { KIND_BLUEPRINT_DELETE_REQUEST, on_delete }, { KIND_BLUEPRINT_LIST_REQUEST, on_list },
    { KIND_BLUEPRINT_GET_REQUEST, on_get },       { KIND_SLICE_LIST_REQUEST, on_slices },
    { KIND_SLICE_SHOW_REQUEST, on_show },
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
