/* artifact_keeper: the cluster's own artifact store, as far as it is agreed on.
 * Learns  artifacts, blueprints, allocations, nodes and this node's records from the state's changes, on
 * every node; who leads from the leader actor; what is on the disk from artifact_store, which owns the bytes.
 * Owns    the pushes that came to this node, and on the leader the copies that are being made anew. Proposes
 * the entry of a push under this node's incarnation (A7), moved copies and deletions under its term (A5,
 * DEP6). Limits  ARTIFACT_PUSHES_MAX requests at a time, ARTIFACT_HEALS_MAX copies; looks after them every
 * TICK_NS. */
#include "actors/slice/artifact_keeper.h"

#include "actors/slice/artifact_keeper_state.h"
#include "runtime/base/check.h"
#include "runtime/base/hash.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "wire/kinds.h"
#include "wire/local.h"
#include "wire/proto/artifact.pb-c.h"

#include <stdio.h>
#include <string.h>

static const int64_t TICK_NS = SECONDS(5);
static const int64_t HEAL_AFTER_NS = SECONDS(60);
static const int64_t PROPOSE_NS = SECONDS(10);

bool artifact_keeper_knows_everything(const struct artifact_keeper *keeper)
{
    for (int i = 0; i < FOLLOW_COUNT; i++)
        if (!keeper->follows[i].has_snapshot) return false;
    return true;
}

struct message *artifact_keeper_copy_request(const struct artifact_keeper *keeper, const char *artifact,
                                             const struct artifact_record *record, const char *taker)
{
    const char *names[ARTIFACT_NODES_MAX];
    uint32_t count = artifact_view_sources(&keeper->view, record, taker, false, names);
    if (count == 0) return NULL;
    struct message *message = wire_message_create(KIND_ARTIFACT_COPY_REQUEST);
    Pb__ArtifactCopyRequest *request = message->body;
    request->artifact = wire_string(message, artifact);
    request->sha256 = wire_string(message, record->sha256);
    request->size = record->size_bytes;
    request->signature = wire_string(message, record->signature);
    request->sources = arena_array(&message->arena, count, sizeof *request->sources);
    request->n_sources = count;
    for (uint32_t i = 0; i < count; i++)
        request->sources[i] = wire_string(message, names[i]);
    return message;
}

/* --- what this node must not lose ----------------------------------------------------------------------- */

static void tell_pins(struct actor *self, struct artifact_keeper *keeper, bool again);

static void on_pinned(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct artifact_keeper *keeper = state;
    (void)context;
    keeper->pins_asking = false;
    if (result->status == STATUS_OK) {
        const struct artifact_pinned *pinned = result->message->body;
        for (uint32_t i = 0; i < pinned->missing_count; i++)
            artifact_heal_mend(self, keeper, pinned->missing[i]);
    }
    if (result->status != STATUS_OK) keeper->pins_said = 0; /* The store may be starting again. */
    if (keeper->pins_again) tell_pins(self, keeper, false);
}

/* Said again where it is not new, too: files vanish. */
static void tell_pins(struct actor *self, struct artifact_keeper *keeper, bool again)
{
    if (keeper->pins_asking) {
        keeper->pins_again = true;
        return;
    }
    struct message *message = message_create(KIND_ARTIFACT_PINS, sizeof(struct artifact_pins));
    struct artifact_pins *pins = message->body;
    pins->pin_count = artifact_view_pins(&keeper->view, keeper->node, &message->arena, &pins->pins);
    uint64_t said = hash64(pins->pins, pins->pin_count * sizeof *pins->pins, pins->pin_count + 1);
    if (said == keeper->pins_said && !again) {
        message_destroy(&message);
        return;
    }
    keeper->pins_said = said;
    keeper->pins_again = false;
    keeper->pins_asking = true;
    actor_ask_name(self, TO_ARTIFACT_STORE, &message, SECONDS(30), on_pinned, NULL);
}

static void on_damaged(struct actor *self, void *state, const struct message *message)
{
    const struct artifact_damaged *damaged = message->body;
    log_warn(self, "artifact.copy_lost", "sha256=%s", damaged->sha256);
    tell_pins(self, state, true); /* It will be among the missing ones. */
}

/* --- who has it ----------------------------------------------------------------------------------------- */

static void answer_located(struct actor *self, const struct artifact_keeper *keeper,
                           const struct message *request)
{
    const struct artifact_locate *locate = request->body;
    const char *names[ARTIFACT_NODES_MAX];
    struct coordinates wanted;
    const struct kept_artifact *kept = NULL;
    struct artifact_record bytes = { .sha256 = locate->sha256, .signature = "" };
    enum coordinates_form form = locate->resolves ? COORDINATES_WANTED : COORDINATES_EXACT;
    if (coordinates_parse(locate->artifact, form, &wanted, NULL) == STATUS_OK)
        kept = artifact_view_choose(&keeper->view, &wanted);
    bool same =
        kept != NULL && (locate->sha256[0] == '\0' || strcmp(kept->record.sha256, locate->sha256) == 0);
    const struct artifact_record *record = same ? &kept->record : &bytes;
    uint32_t count = artifact_view_sources(&keeper->view, record, keeper->node, locate->anywhere, names);
    bool found = same || (locate->anywhere && count > 0);
    if (!found || (count == 0 && !locate->resolves)) {
        actor_refuse(self, request, STATUS_NOT_FOUND);
        return;
    }
    struct message *reply = message_create(KIND_ARTIFACT_LOCATED, sizeof(struct artifact_located));
    struct artifact_located *located = reply->body;
    const char **sources = arena_array(&reply->arena, count + 1, sizeof *sources);
    for (uint32_t i = 0; i < count; i++)
        sources[i] = arena_strdup(&reply->arena, names[i]);
    located->artifact = arena_strdup(&reply->arena, same ? kept->name : locate->artifact);
    (void)text_copy(located->sha256, sizeof located->sha256, record->sha256);
    located->size_bytes = record->size_bytes;
    located->signature = arena_strdup(&reply->arena, record->signature);
    located->sources = sources;
    located->source_count = count;
    actor_reply(self, request, &reply);
}

static void on_barrier(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct message *request = context;
    if (result->status == STATUS_OK) answer_located(self, state, request);
    else actor_refuse_error(self, request, result->error);
    message_destroy(&request);
}

static void on_locate(struct actor *self, void *state, const struct message *message)
{
    struct artifact_keeper *keeper = state;
    if (!((const struct artifact_locate *)message->body)->resolves) {
        answer_located(self, keeper, message);
        return;
    }
    /* What was pushed before a blueprint is published counts in it (Q1). */
    struct message *barrier = message_create(KIND_READ_BARRIER, 0);
    actor_ask_name(self, TO_STATE, &barrier, 0, on_barrier, actor_keep(self));
}

/* --- list and show -------------------------------------------------------------------------------------- */

static void on_list(struct actor *self, void *state, const struct message *message)
{
    const struct artifact_keeper *keeper = state;
    const Pb__ArtifactListRequest *request = message->body;
    const struct artifact_view *view = &keeper->view;
    struct message *reply = wire_message_create(KIND_ARTIFACT_LIST_REPLY);
    Pb__ArtifactListReply *body = reply->body;
    const struct kept_artifact *kept = NULL;
    body->artifacts = arena_array(&reply->arena, view->artifacts.count, sizeof *body->artifacts);
    for (const char *name = ""; (kept = artifact_view_next(view, &name)) != NULL;) {
        if (!text_starts_with(kept->name, request->prefix)) continue;
        Pb__ArtifactView *one = arena_alloc(&reply->arena, sizeof *one);
        pb__artifact_view__init(one);
        one->artifact = wire_string(reply, kept->name);
        one->size = kept->record.size_bytes;
        one->sha256 = wire_string(reply, kept->record.sha256);
        one->is_signed = kept->record.signature[0] != '\0';
        one->copies = artifact_view_copies(view, &kept->record);
        one->wanted = artifact_view_wanted(view, &kept->record);
        one->timestamp = kept->record.timestamp;
        body->artifacts[body->n_artifacts++] = one;
    }
    actor_reply(self, message, &reply);
}

static void add_users(const struct artifact_keeper *keeper, struct message *reply, const char *artifact)
{
    Pb__ArtifactShowReply *body = reply->body;
    const struct deployment_view *deployment = &keeper->view.deployment;
    const struct view_blueprint *blueprint = NULL;
    body->blueprints = arena_array(&reply->arena, deployment->blueprints.count, sizeof *body->blueprints);
    for (const char *key = ""; (blueprint = deployment_view_next_blueprint(deployment, &key)) != NULL;)
        if (blueprint_find(&blueprint->blueprint, artifact) != NULL)
            body->blueprints[body->n_blueprints++] = wire_string(reply, blueprint->name);
}

static void add_holders(const struct artifact_keeper *keeper, struct message *reply,
                        const struct artifact_record *record)
{
    Pb__ArtifactShowReply *body = reply->body;
    const struct deployment_view *deployment = &keeper->view.deployment;
    body->holders = arena_array(&reply->arena, record->holder_count, sizeof *body->holders);
    for (uint32_t i = 0; i < record->holder_count; i++) {
        const struct view_node *node = NULL;
        Pb__ArtifactHolder *holder = arena_alloc(&reply->arena, sizeof *holder);
        pb__artifact_holder__init(holder);
        holder->node = wire_string(reply, record->holders[i]);
        for (const char *key = ""; (node = deployment_view_next_node(deployment, &key)) != NULL;)
            if (strcmp(node->name, record->holders[i]) == 0)
                holder->presence = wire_string(reply, node->node.presence);
        body->holders[body->n_holders++] = holder;
    }
}

static void refuse_unknown(struct actor *self, const struct message *message, const char *artifact)
{
    struct error error;
    (void)error_set(&error, STATUS_NOT_FOUND, "the cluster keeps no artifact %s", artifact);
    error_hint(&error, "aether artifact list shows what it keeps");
    actor_refuse_error(self, message, &error);
}

static void on_show(struct actor *self, void *state, const struct message *message)
{
    const struct artifact_keeper *keeper = state;
    const Pb__ArtifactShowRequest *request = message->body;
    const struct kept_artifact *kept = artifact_view_find(&keeper->view, request->artifact);
    if (kept == NULL) {
        refuse_unknown(self, message, request->artifact);
        return;
    }
    struct message *reply = wire_message_create(KIND_ARTIFACT_SHOW_REPLY);
    Pb__ArtifactShowReply *body = reply->body;
    body->artifact = wire_string(reply, kept->name);
    body->size = kept->record.size_bytes;
    body->sha256 = wire_string(reply, kept->record.sha256);
    body->signature = wire_string(reply, kept->record.signature);
    body->copies = artifact_view_copies(&keeper->view, &kept->record);
    body->wanted = artifact_view_wanted(&keeper->view, &kept->record);
    body->timestamp = kept->record.timestamp;
    body->revision = kept->revision;
    add_users(keeper, reply, kept->name);
    add_holders(keeper, reply, &kept->record);
    actor_reply(self, message, &reply);
}

/* --- delete --------------------------------------------------------------------------------------------- */

struct deletion {
    struct message *request; /* Kept. */
    char sha256[SHA256_TEXT_SIZE];
};

static void on_deleted(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct deletion *deletion = context;
    struct error error = { 0 };
    uint64_t revision = 0;
    (void)state;
    const Pb__ArtifactDeleteRequest *request = deletion->request->body;
    if (proposal_outcome(result, &revision, &error) == STATUS_OK) {
        struct message *reply = wire_message_create(KIND_ARTIFACT_DELETE_REPLY);
        Pb__ArtifactDeleteReply *body = reply->body;
        body->artifact = wire_string(reply, request->artifact);
        body->sha256 = wire_string(reply, deletion->sha256);
        body->revision = revision;
        actor_reply(self, deletion->request, &reply);
    } else {
        actor_refuse_error(self, deletion->request, &error);
    }
    message_destroy(&deletion->request);
    memory_free(deletion);
}

static void on_delete(struct actor *self, void *state, const struct message *message)
{
    struct artifact_keeper *keeper = state;
    const Pb__ArtifactDeleteRequest *request = message->body;
    char key[ARTIFACT_KEY_MAX];
    if (!keeper->leading || !artifact_keeper_knows_everything(keeper)) {
        actor_refuse(self, message, STATUS_NOT_LEADER);
        return;
    }
    const struct kept_artifact *kept = artifact_view_find(&keeper->view, request->artifact);
    if (kept == NULL) {
        refuse_unknown(self, message, request->artifact);
        return;
    }
    struct proposal proposal =
        proposal_begin(request->force ? PB__ORIGIN__ORIGIN_FORCED : PB__ORIGIN__ORIGIN_MANAGER, 1);
    proposal.command->leader_term = keeper->term;
    artifact_key(key, kept->name);
    proposal_add_write(&proposal, key, kept->revision, NULL);
    struct deletion *deletion = memory_zalloc(sizeof *deletion);
    (void)text_copy(deletion->sha256, sizeof deletion->sha256, kept->record.sha256);
    deletion->request = actor_keep(self);
    actor_ask_name(self, TO_PROPOSER, &proposal.message, PROPOSE_NS, on_deleted, deletion);
}

/* --- what it learns ------------------------------------------------------------------------------------- */

static void on_changed(struct actor *self, void *state, const struct message *message)
{
    static follow_visit *const visits[FOLLOW_COUNT] = {
        [FOLLOW_BLUEPRINTS] = deployment_view_see_blueprint,
        [FOLLOW_ALLOCATIONS] = deployment_view_see_allocation,
        [FOLLOW_RECORDS] = deployment_view_see_record,
        [FOLLOW_NODES] = deployment_view_see_node,
    };
    struct artifact_keeper *keeper = state;
    struct artifact_view *view = &keeper->view;
    keeper->changed |=
        follow_accept(self, &keeper->follows[FOLLOW_ARTIFACTS], message, artifact_view_see, view);
    for (int i = FOLLOW_ARTIFACTS + 1; i < FOLLOW_COUNT; i++)
        keeper->changed |= follow_accept(self, &keeper->follows[i], message, visits[i], &view->deployment);
}

static void on_role(struct actor *self, void *state, const struct message *message)
{
    struct artifact_keeper *keeper = state;
    const struct role_changed *role = message->body;
    (void)self;
    keeper->leading = role->leading;
    keeper->term = role->term;
    keeper->changed = true;
}

/* Files vanish, nodes stay lost: what no message tells is looked for, while there is anything to look after.
 */
static void on_tick(struct actor *self, void *state, const struct message *message)
{
    struct artifact_keeper *keeper = state;
    (void)self, (void)message;
    keeper->tick = (struct timer_id){ 0 };
    keeper->changed = keeper->looks = true;
}

static void keeper_turn_end(struct actor *self, void *state)
{
    struct artifact_keeper *keeper = state;
    if (!keeper->changed || !artifact_keeper_knows_everything(keeper)) return;
    bool looks = keeper->looks;
    keeper->changed = keeper->looks = false;
    artifact_view_note_time(&keeper->view, actor_now_ns(self));
    tell_pins(self, keeper, looks);
    artifact_heal_review(self, keeper);
    bool looks_after = keeper->view.artifacts.count > 0 || keeper->view.running.count > 0;
    if (looks_after && keeper->tick.value == 0)
        keeper->tick = actor_after(self, TICK_NS, KIND_ARTIFACT_KEEPER_TICK, 0);
}

/* --- life ----------------------------------------------------------------------------------------------- */

static enum status keeper_init(struct actor *self, void *state, const void *options, struct error *error)
{
    struct artifact_keeper *keeper = state;
    const struct artifact_keeper_options *given = options;
    if (!text_copy(keeper->node, sizeof keeper->node, given->node))
        return error_set(error, STATUS_INVALID, "the node's name is too long");
    keeper->heal_after_ns = given->heal_after_ns == 0 ? HEAL_AFTER_NS : given->heal_after_ns;
    slice_key_record(keeper->records_prefix, keeper->node, "");
    const char *const prefixes[FOLLOW_COUNT] = {
        [FOLLOW_ARTIFACTS] = "artifacts/",
        [FOLLOW_BLUEPRINTS] = "blueprints/",
        [FOLLOW_ALLOCATIONS] = "allocations/",
        [FOLLOW_RECORDS] = keeper->records_prefix,
        [FOLLOW_NODES] = "nodes/",
    };
    for (int i = 0; i < FOLLOW_COUNT; i++) {
        keeper->follows[i] = (struct follow){ .prefix = prefixes[i], .watch_id = (uint64_t)i + 1 };
        follow_start(self, &keeper->follows[i]);
    }
    struct message *subscribe = message_create(KIND_ROLE_SUBSCRIBE, 0);
    actor_tell_name(self, TO_LEADER, &subscribe);
    return STATUS_OK;
}

static void keeper_fini(void *state)
{
    struct artifact_keeper *keeper = state;
    artifact_push_fini(keeper);
    artifact_view_fini(&keeper->view);
}

static const struct behavior_row rows[] = {
    { KIND_STATE_CHANGED, on_changed },          { KIND_ROLE_CHANGED, on_role },
    { KIND_ARTIFACT_KEEPER_TICK, on_tick },      { KIND_ARTIFACT_PUSH_REQUEST, artifact_push_on_request },
    { KIND_ARTIFACT_LIST_REQUEST, on_list },     { KIND_ARTIFACT_SHOW_REQUEST, on_show },
    { KIND_ARTIFACT_DELETE_REQUEST, on_delete }, { KIND_ARTIFACT_LOCATE, on_locate },
    { KIND_ARTIFACT_DAMAGED, on_damaged },
};
const struct behavior artifact_keeper_behavior = {
    .name = "artifact_keeper",
    .state_size = sizeof(struct artifact_keeper),
    .home = ACTOR_POOLED,
    .mailbox_capacity = 4096,
    .init = keeper_init,
    .fini = keeper_fini,
    .turn_end = keeper_turn_end,
    .rows = rows,
    .row_count = ARRAY_COUNT(rows),
};
