/* publishing: see the header. A publication is answered once, by finish or fail_publication; what is asked on
 * its behalf names it by number, for it may be gone when the answer comes. */
#include "actors/slice/publishing.h"

#include "actors/slice/deployment_queries.h"
#include "actors/slice/forecast.h"
#include "runtime/base/check.h"
#include "runtime/base/mark.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "wire/kinds.h"

#include <string.h>

static const int64_t propose_timeout_ns = SECONDS(5);
static const int64_t artifact_timeout_ns = SECONDS(60); /* To resolve one, or to fetch and probe it. */

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
    if (!publication->plans) {
        MARK("cluster_deployment.not_carried_out");
        log_info(self, "blueprint.not_carried_out", "name=%s status=%s why=%s", publication->name,
                 status_name(error->status), error->message);
    }
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
    struct proposal proposal = deployment_begin_proposal(manager, 1);
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

static void answer_plan(struct actor *self, struct cluster_deployment_manager *manager,
                        struct publication *publication)
{
    const Pb__BlueprintPlanRequest *request = publication->request->body;
    bool publishes = publication->blueprint.slice_count > 0;
    struct rollout_memory memory = deployment_memory_of(manager);
    const struct forecast_question question = {
        .blueprint = publishes ? &publication->blueprint : NULL,
        .name = publishes ? publication->name : request->name,
        .without = request->without,
        .memory = &memory,
        .revision = manager->follows[FOLLOW_ALLOCATIONS].revision,
    };
    struct message *reply = wire_message_create(KIND_BLUEPRINT_PLAN_REPLY);
    struct error error = { 0 };
    if (forecast_fill(reply, &manager->view, &question, &error) != STATUS_OK) {
        message_destroy(&reply);
        fail_publication(self, manager, publication, &error);
        return;
    }
    actor_reply(self, publication->request, &reply);
    remove_publication(manager, publication);
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
        else if (publication->plans) answer_plan(self, manager, publication);
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
    struct proposal proposal = deployment_begin_proposal(manager, 1);
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
    if (deadline_ns == 0 || actor_now_ns(self) < deadline_ns - DEPLOYMENT_ANSWER_BEFORE_NS) return false;
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
    struct rollout_memory memory = deployment_memory_of(manager);
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

void publishing_judge(struct actor *self, struct cluster_deployment_manager *manager)
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
    if (!manager->leading || !deployment_knows_everything(manager)) {
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

/* From a document that was read to what is resolved, probed, written and waited for. */
static void resolve(struct actor *self, struct cluster_deployment_manager *manager,
                    struct publication *publication)
{
    (void)text_copy(publication->name, sizeof(publication->name), publication->blueprint.name);
    uint32_t count = publication->blueprint.slice_count;
    publication->slices = arena_array(&publication->arena, count, sizeof(*publication->slices));
    for (uint32_t i = 0; i < count; i++)
        publication->slices[i] = publication->blueprint.slices[i];
    publication->blueprint.slices = publication->slices;
    resolve_next(self, manager, publication);
}

/* A person's document; false: refused, and answered. */
static bool read_document(struct actor *self, struct cluster_deployment_manager *manager,
                          struct publication *publication, const char *document, const char *name)
{
    struct error error = { 0 };
    bool given = name[0] != '\0';
    enum status status = blueprint_parse(&publication->arena, document, strlen(document),
                                         given ? name : "default", &publication->blueprint, &error);
    if (status == STATUS_OK && given && strcmp(name, publication->blueprint.name) != 0)
        status = error_set(&error, STATUS_INVALID, "the document is named %s, and the command says %s",
                           publication->blueprint.name, name);
    if (status == STATUS_OK)
        status = publication_check_nodes(&publication->blueprint, &manager->view, &error);
    if (status != STATUS_OK) fail_publication(self, manager, publication, &error);
    return status == STATUS_OK;
}

void publishing_on_publish(struct actor *self, void *state, const struct message *message)
{
    struct cluster_deployment_manager *manager = state;
    const Pb__BlueprintPublishRequest *request = message->body;
    struct publication *publication = accept(self, manager, message, false);
    if (publication == NULL) return;
    publication->detach = request->detach != 0;
    if (read_document(self, manager, publication, request->document, request->name))
        resolve(self, manager, publication);
}

void publishing_on_plan(struct actor *self, void *state, const struct message *message)
{
    struct cluster_deployment_manager *manager = state;
    const Pb__BlueprintPlanRequest *request = message->body;
    struct publication *publication = accept(self, manager, message, false);
    if (publication == NULL) return;
    publication->plans = true;
    if (request->document[0] == '\0') answer_plan(self, manager, publication);
    else if (read_document(self, manager, publication, request->document, request->name))
        resolve(self, manager, publication);
}

/* The revision that is asked for; without one: the newest that says something else than the current one does.
 * NULL: none. */
static const struct view_blueprint *find_revision(const struct cluster_deployment_manager *manager,
                                                  const Pb__BlueprintRollbackRequest *request,
                                                  const struct view_blueprint *current)
{
    bool named = request->has_revision_case == PB__BLUEPRINT_ROLLBACK_REQUEST__HAS_REVISION_REVISION;
    const struct view_blueprint *found = NULL;
    const struct view_blueprint *past = NULL;
    for (const char *key = "";
         (past = deployment_view_next_revision(&manager->view, request->name, &key)) != NULL;) {
        bool fits = named ? past->revision == request->revision
                          : current == NULL || (past->revision < current->revision &&
                                                !blueprint_equal(&past->blueprint, &current->blueprint));
        if (fits && (found == NULL || past->revision > found->revision)) found = past;
    }
    return found;
}

void publishing_on_rollback(struct actor *self, void *state, const struct message *message)
{
    struct cluster_deployment_manager *manager = state;
    const Pb__BlueprintRollbackRequest *request = message->body;
    struct error error = { 0 };
    struct publication *publication = accept(self, manager, message, false);
    if (publication == NULL) return;
    const struct view_blueprint *current = deployment_view_blueprint(&manager->view, request->name);
    const struct view_blueprint *past = find_revision(manager, request, current);
    if (past == NULL) {
        (void)error_set(&error, STATUS_NOT_FOUND, "blueprint %s has no such earlier revision", request->name);
        error_hint(&error, "aether blueprint history %s lists them", request->name);
        fail_publication(self, manager, publication, &error);
        return;
    }
    publication->detach = request->detach != 0;
    enum status status = blueprint_parse(&publication->arena, past->text, strlen(past->text), request->name,
                                         &publication->blueprint, &error);
    if (status == STATUS_OK)
        status = publication_check_nodes(&publication->blueprint, &manager->view, &error);
    if (status != STATUS_OK) fail_publication(self, manager, publication, &error);
    else resolve(self, manager, publication);
}

void publishing_on_wait(struct actor *self, void *state, const struct message *message)
{
    struct cluster_deployment_manager *manager = state;
    const Pb__BlueprintWaitRequest *request = message->body;
    struct error error = { 0 };
    const struct view_blueprint *current = deployment_view_blueprint(&manager->view, request->name);
    struct publication *publication = accept(self, manager, message, false);
    if (publication == NULL) return;
    enum status status = STATUS_NOT_FOUND;
    if (current == NULL) {
        (void)error_set(&error, STATUS_NOT_FOUND, "there is no blueprint %s", request->name);
        error_hint(&error, "aether blueprint list shows what there is");
    } else {
        status = blueprint_read(&publication->arena, current->name, current->text, strlen(current->text),
                                &publication->blueprint, &error);
    }
    if (status != STATUS_OK) {
        fail_publication(self, manager, publication, &error);
        return;
    }
    (void)text_copy(publication->name, sizeof(publication->name), current->name);
    publication->revision = current->revision;
    publication->phase = PUBLICATION_WAITING;
    publication->waiting_since_ns = actor_now_ns(self);
    manager->changed = true;
}

void publishing_on_delete(struct actor *self, void *state, const struct message *message)
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

void publishing_drop(struct actor *self, struct cluster_deployment_manager *manager)
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
