/* artifact_push: one request of `artifact push` after the other. Most bring a piece, which artifact_store
 * takes; the one that completes the bytes goes on: a process that is thrown away maps them (is it a slice, of
 * these coordinates?), other nodes copy them, and when enough have, one entry makes the artifact visible.
 * Whatever ends before that leaves bytes that nothing names, which the caches forget. */
#include "actors/slice/artifact_keeper_state.h"

#include "runtime/base/check.h"
#include "runtime/base/mark.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "runtime/crypto/base64.h"
#include "store/schema/version.h"
#include "wire/kinds.h"
#include "wire/proto/artifact.pb-c.h"
#include "wire/remote.h"

#include <stdio.h>
#include <string.h>

static const int64_t PROBE_NS = SECONDS(30);
static const int64_t COPY_NS = SECONDS(240);
static const int64_t PROPOSE_NS = SECONDS(10);

static void copy_further(struct actor *self, struct artifact_push *push);

static const Pb__ArtifactPushRequest *request_of(const struct artifact_push *push)
{
    return push->request->body;
}

/* --- the end -------------------------------------------------------------------------------------------- */

static void end_push(struct artifact_push *push)
{
    message_destroy(&push->request);
    *push = (struct artifact_push){ 0 };
}

static void refuse_push(struct actor *self, struct artifact_push *push, const struct error *error)
{
    actor_refuse_error(self, push->request, error);
    end_push(push);
}

static struct message *reply_of(const struct artifact_push *push, uint64_t offset)
{
    const Pb__ArtifactPushRequest *request = request_of(push);
    struct message *reply = wire_message_create(KIND_ARTIFACT_PUSH_REPLY);
    Pb__ArtifactPushReply *body = reply->body;
    body->artifact = wire_string(reply, request->artifact);
    body->sha256 = wire_string(reply, request->sha256);
    body->size = request->size;
    body->offset = offset;
    return reply;
}

static void add_holders(const struct artifact_push *push, struct message *reply,
                        const struct artifact_record *record)
{
    Pb__ArtifactPushReply *body = reply->body;
    const struct artifact_view *view = &push->keeper->view;
    body->holders = arena_array(&reply->arena, record->holder_count, sizeof *body->holders);
    for (uint32_t i = 0; i < record->holder_count; i++)
        body->holders[body->n_holders++] = wire_string(reply, record->holders[i]);
    if (record->holder_count >= ARTIFACT_COPIES) return;
    uint32_t members = artifact_view_members(view);
    char note[128];
    (void)snprintf(note, sizeof note, "kept by %u of %u node(s); more copies follow as nodes come",
                   record->holder_count, members);
    body->note = wire_string(reply, note);
}

static void answer_complete(struct actor *self, struct artifact_push *push,
                            const struct artifact_record *record, uint64_t revision, bool changed)
{
    struct message *reply = reply_of(push, request_of(push)->size);
    Pb__ArtifactPushReply *body = reply->body;
    body->complete = true;
    body->changed = changed;
    body->revision = revision;
    add_holders(push, reply, record);
    log_info(self, "artifact.pushed", "%s holders=%u revision=%llu", request_of(push)->artifact,
             record->holder_count, (unsigned long long)revision);
    actor_reply(self, push->request, &reply);
    end_push(push);
}

/* --- the entry ------------------------------------------------------------------------------------------ */

static struct artifact_record record_of(struct artifact_push *push, struct arena *arena)
{
    const Pb__ArtifactPushRequest *request = request_of(push);
    const char **holders = arena_array(arena, ARTIFACT_HOLDERS_MAX, sizeof *holders);
    for (uint32_t i = 0; i < push->holder_count; i++)
        holders[i] = push->holders[i];
    return (struct artifact_record){
        .size_bytes = request->size,
        .sha256 = request->sha256,
        .signature = request->signature,
        .holders = holders,
        .holder_count = push->holder_count,
    };
}

/* Somebody else pushed, or deleted, meanwhile: what counts is what is there now. */
static void on_second_look(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct artifact_keeper *keeper = state;
    struct artifact_push *push = context;
    const struct kept_artifact *kept = artifact_view_find(&keeper->view, request_of(push)->artifact);
    bool same = result->status == STATUS_OK && kept != NULL &&
                strcmp(kept->record.sha256, request_of(push)->sha256) == 0;
    struct error error = push->error;
    if (same) answer_complete(self, push, &kept->record, kept->revision, false);
    else refuse_push(self, push, &error);
}

static void on_written(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct artifact_push *push = context;
    struct error error = { 0 };
    uint64_t revision = 0;
    (void)state;
    enum status status = proposal_outcome(result, &revision, &error);
    if (status == STATUS_OK) {
        struct arena arena = { 0 };
        struct artifact_record record = record_of(push, &arena);
        answer_complete(self, push, &record, revision, true);
        arena_fini(&arena);
    } else if (status == STATUS_CONFLICT) {
        MARK("artifact_push.second_look");
        push->error = error;
        struct message *barrier = message_create(KIND_READ_BARRIER, 0);
        actor_ask_name(self, TO_STATE, &barrier, PROPOSE_NS, on_second_look, push);
    } else {
        refuse_push(self, push, &error);
    }
}

/* A7: in this node's name, under the incarnation that the state shows. */
static void write_entry(struct actor *self, struct artifact_push *push)
{
    struct artifact_keeper *keeper = push->keeper;
    struct proposal proposal = proposal_begin(PB__ORIGIN__ORIGIN_NODE, 1);
    struct arena *arena = &proposal.message->arena;
    const struct view_node *node = NULL;
    char key[ARTIFACT_KEY_MAX];
    struct artifact_record record = record_of(push, arena);
    proposal.command->node = wire_string(proposal.message, keeper->node);
    for (const char *at = ""; (node = deployment_view_next_node(&keeper->view.deployment, &at)) != NULL;)
        if (strcmp(node->name, keeper->node) == 0) proposal.command->incarnation = node->node.incarnation;
    artifact_key(key, request_of(push)->artifact);
    proposal_add_write(&proposal, key, push->revision, artifact_record_write(arena, &record));
    ((Pb__ProposeRequest *)proposal.message->body)->retry = true;
    actor_ask_name(self, TO_PROPOSER, &proposal.message, PROPOSE_NS, on_written, push);
}

/* --- copies --------------------------------------------------------------------------------------------- */

static void refuse_too_few(struct actor *self, struct artifact_push *push, uint32_t needed)
{
    struct error error;
    (void)error_set(&error, STATUS_NOT_READY, "%u of the %u nodes that must keep it have it%s%s",
                    push->holder_count, needed, push->error.status == STATUS_OK ? "" : ": ",
                    push->error.status == STATUS_OK ? "" : push->error.message);
    error_hint(&error, "aether node list shows who is there; push it again when another node is");
    refuse_push(self, push, &error);
}

static void judge_copies(struct actor *self, struct artifact_push *push)
{
    uint32_t members = artifact_view_members(&push->keeper->view);
    uint32_t needed = members < ARTIFACT_COPIES_MIN ? members : ARTIFACT_COPIES_MIN;
    if (push->asking > 0) return;
    if (push->holder_count < needed) refuse_too_few(self, push, needed);
    else write_entry(self, push);
}

static void on_copied(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct artifact_errand *errand = context;
    struct artifact_push *push = errand->push;
    (void)state;
    push->asking--;
    if (result->status == STATUS_OK) {
        (void)text_copy(push->holders[push->holder_count++], SLICE_NODE_MAX, errand->node);
    } else {
        push->error = *result->error;
        (void)error_wrap(&push->error, "node %s", errand->node);
        log_warn(self, "artifact.copy_failed", "%s: %s", request_of(push)->artifact, push->error.message);
    }
    errand->node[0] = '\0';
    copy_further(self, push);
}

static void ask_copy(struct actor *self, struct artifact_push *push, const char *node)
{
    const Pb__ArtifactPushRequest *pushed = request_of(push);
    struct message *message = wire_message_create(KIND_ARTIFACT_COPY_REQUEST);
    Pb__ArtifactCopyRequest *request = message->body;
    request->artifact = wire_string(message, pushed->artifact);
    request->sha256 = wire_string(message, pushed->sha256);
    request->size = pushed->size;
    request->signature = wire_string(message, pushed->signature);
    request->sources = arena_array(&message->arena, 1, sizeof *request->sources);
    request->n_sources = 1;
    request->sources[0] = wire_string(message, push->keeper->node);
    struct artifact_errand *errand = push->errands;
    while (errand->node[0] != '\0')
        errand++;
    CHECK(errand < push->errands + ARRAY_COUNT(push->errands)); /* No more are under way than are wanted. */
    errand->push = push;
    (void)text_copy(errand->node, sizeof errand->node, node);
    push->asking++;
    wire_ask(self, node, CHANNEL_DATA, &message, COPY_NS, on_copied, errand);
}

/* As many at a time as are still wanted; for each that can't, the next one. */
static void copy_further(struct actor *self, struct artifact_push *push)
{
    while (push->holder_count + push->asking < ARTIFACT_COPIES && push->candidate < push->candidate_count)
        ask_copy(self, push, push->candidates[push->candidate++]);
    judge_copies(self, push);
}

/* Who has it already stays a holder; this node has it now. */
static void begin_copies(struct actor *self, struct artifact_push *push)
{
    struct artifact_keeper *keeper = push->keeper;
    const char *names[ARTIFACT_NODES_MAX];
    struct artifact_record own = { .holders = (const char *[]){ keeper->node }, .holder_count = 1 };
    const struct kept_artifact *kept = artifact_view_find(&keeper->view, request_of(push)->artifact);
    push->revision = kept == NULL ? 0 : kept->revision;
    (void)text_copy(push->holders[push->holder_count++], SLICE_NODE_MAX, keeper->node);
    bool same = kept != NULL && strcmp(kept->record.sha256, request_of(push)->sha256) == 0;
    for (uint32_t i = 0; same && i < kept->record.holder_count; i++) {
        const char *holder = kept->record.holders[i];
        bool counts = strcmp(holder, keeper->node) != 0 && artifact_view_is_up(&keeper->view, holder) &&
                      push->holder_count < ARTIFACT_COPIES;
        if (counts) (void)text_copy(push->holders[push->holder_count++], SLICE_NODE_MAX, holder);
    }
    uint32_t count = artifact_view_candidates(&keeper->view, same ? &kept->record : &own, names);
    for (uint32_t i = 0; i < count && push->candidate_count < ARTIFACT_CANDIDATES_MAX; i++)
        if (strcmp(names[i], keeper->node) != 0)
            (void)text_copy(push->candidates[push->candidate_count++], SLICE_NODE_MAX, names[i]);
    copy_further(self, push);
}

/* --- the bytes ------------------------------------------------------------------------------------------ */

static void on_probed(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct artifact_push *push = context;
    (void)state;
    if (result->status == STATUS_OK) {
        begin_copies(self, push);
        return;
    }
    struct error error = *result->error;
    (void)error_wrap(&error, "%s", request_of(push)->artifact);
    error_hint(&error, "aether slice check FILE.so shows what is wrong; nothing became visible");
    refuse_push(self, push, &error);
}

/* Whole, hashed, signed: is it what it is called? Its descriptor says so, in a process that is thrown away.
 */
static void probe(struct actor *self, struct artifact_push *push)
{
    struct message *message = message_create(KIND_INSTANCE_PROBE, sizeof(struct instance_probe));
    struct instance_probe *wanted = message->body;
    (void)text_copy(wanted->artifact, sizeof wanted->artifact, request_of(push)->artifact);
    (void)text_copy(wanted->sha256, sizeof wanted->sha256, request_of(push)->sha256);
    actor_ask_name(self, TO_SLICE_STORE, &message, PROBE_NS, on_probed, push);
}

static void on_received(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct artifact_push *push = context;
    (void)state;
    if (result->status != STATUS_OK) {
        refuse_push(self, push, result->error);
        return;
    }
    const struct artifact_received *received = result->message->body;
    if (received->whole) {
        probe(self, push);
        return;
    }
    struct message *reply = reply_of(push, received->offset);
    actor_reply(self, push->request, &reply);
    end_push(push);
}

/* The piece, as bytes or as base64. NULL: none that can be read. */
static struct bytes *piece_of(const Pb__ArtifactPushRequest *request)
{
    size_t size = 0;
    if (request->base64[0] == '\0') return bytes_copy(request->data.data, request->data.len);
    size_t length = strlen(request->base64), room = length / 4 * 3 + 3;
    uint8_t *decoded = memory_alloc(room);
    struct bytes *piece = NULL;
    if (base64_decode(request->base64, length, decoded, room, &size)) piece = bytes_copy(decoded, size);
    memory_free(decoded);
    return piece;
}

static void receive(struct actor *self, struct artifact_push *push, struct bytes *piece)
{
    const Pb__ArtifactPushRequest *request = request_of(push);
    struct message *message = message_create(KIND_ARTIFACT_RECEIVE, sizeof(struct artifact_receive));
    struct artifact_receive *receive = message->body;
    receive->artifact = arena_strdup(&message->arena, request->artifact);
    (void)text_copy(receive->sha256, sizeof receive->sha256, request->sha256);
    receive->size_bytes = request->size;
    receive->offset = request->offset;
    receive->signature = arena_strdup(&message->arena, request->signature);
    message_attach(message, &piece);
    actor_ask_name(self, TO_ARTIFACT_STORE, &message, 0, on_received, push);
}

/* --- the request ---------------------------------------------------------------------------------------- */

static enum status check_conflict(const struct artifact_keeper *keeper,
                                  const Pb__ArtifactPushRequest *request, struct error *error)
{
    const struct kept_artifact *kept = artifact_view_find(&keeper->view, request->artifact);
    bool other = kept != NULL && strcmp(kept->record.sha256, request->sha256) != 0;
    if (!other || version_is_snapshot(request->artifact)) return STATUS_OK;
    (void)error_set(error, STATUS_CONFLICT,
                    "%s is there with other bytes (sha256 %.16s...); a released version never changes",
                    request->artifact, kept->record.sha256);
    error_hint(error, "give it a new version, or a -SNAPSHOT one");
    return STATUS_CONFLICT;
}

static enum status check_push(const struct artifact_keeper *keeper, const Pb__ArtifactPushRequest *request,
                              struct error *error)
{
    struct coordinates coordinates;
    enum status status = coordinates_parse(request->artifact, COORDINATES_EXACT, &coordinates, error);
    if (status != STATUS_OK) return status;
    if (!artifact_sha256_is_valid(request->sha256))
        return error_set(error, STATUS_INVALID, "sha256 is 64 lower-case hex digits");
    size_t digits = strlen(request->signature);
    if (digits != 0 &&
        (digits != ARTIFACT_SIGNATURE_SIZE - 1 || strspn(request->signature, "0123456789abcdef") != digits))
        return error_set(error, STATUS_INVALID, "signature is 128 lower-case hex digits");
    if (request->sign[0] != '\0') {
        (void)error_set(error, STATUS_INVALID, "a private key stays where it is: no node signs");
        error_hint(error, "aether artifact push --sign signs where the file is");
        return STATUS_INVALID;
    }
    if (!artifact_keeper_knows_everything(keeper))
        return error_set(error, STATUS_NOT_READY, "this node doesn't know yet what the cluster keeps");
    return check_conflict(keeper, request, error);
}

static struct artifact_push *free_place(struct artifact_keeper *keeper)
{
    for (uint32_t i = 0; i < ARTIFACT_PUSHES_MAX; i++)
        if (keeper->pushes[i].request == NULL) return &keeper->pushes[i];
    return NULL;
}

/* Kept already, by enough nodes: nothing has to be sent. */
static bool is_kept(const struct artifact_keeper *keeper, const struct kept_artifact *kept,
                    const char *sha256)
{
    if (kept == NULL || strcmp(kept->record.sha256, sha256) != 0) return false;
    uint32_t wanted = artifact_view_wanted(&keeper->view, &kept->record);
    return artifact_view_copies(&keeper->view, &kept->record) >= wanted;
}

void artifact_push_on_request(struct actor *self, void *state, const struct message *message)
{
    struct artifact_keeper *keeper = state;
    const Pb__ArtifactPushRequest *request = message->body;
    struct error error;
    struct bytes *piece = NULL;
    enum status status = check_push(keeper, request, &error);
    if (status == STATUS_OK && (piece = piece_of(request)) == NULL)
        status = error_set(&error, STATUS_INVALID, "base64 can't be read");
    if (status != STATUS_OK) {
        actor_refuse_error(self, message, &error);
        return;
    }
    struct artifact_push *push = free_place(keeper);
    if (push == NULL) {
        bytes_unref(&piece);
        (void)error_set(&error, STATUS_OVERLOADED, "%d pushes are under way on this node",
                        ARTIFACT_PUSHES_MAX);
        actor_refuse_error(self, message, &error);
        return;
    }
    push->keeper = keeper;
    push->request = actor_keep(self);
    const struct kept_artifact *kept = artifact_view_find(&keeper->view, request->artifact);
    if (is_kept(keeper, kept, request->sha256)) {
        bytes_unref(&piece);
        answer_complete(self, push, &kept->record, kept->revision, false);
    } else {
        receive(self, push, piece);
    }
}

void artifact_push_fini(struct artifact_keeper *keeper)
{
    for (uint32_t i = 0; i < ARTIFACT_PUSHES_MAX; i++)
        message_destroy(&keeper->pushes[i].request);
}
