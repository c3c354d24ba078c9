/* artifact_copy: bytes from node to node, in pieces over the bulk connection, by content. Whoever needs them
 * asks one source after the other, goes on where the last one ended, and believes nothing before the whole
 * hashes to its name. Whoever gives them hashes its file when somebody begins, so that damage is found where
 * it is. */
#include "actors/slice/artifact_store_state.h"

#include "runtime/base/mark.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "wire/kinds.h"
#include "wire/proto/artifact.pb-c.h"
#include "wire/remote.h"

#include <string.h>

static const int64_t PIECE_NS = SECONDS(15);

static void ask_piece(struct actor *self, struct artifact_transfer *transfer);

/* --- giving --------------------------------------------------------------------------------------------- */

static enum status read_piece(struct actor *self, struct artifact_store *store,
                              const Pb__ArtifactPieceRequest *request, uint64_t *out_total,
                              struct bytes **out_piece, struct error *error)
{
    const struct file_port *files = store->files;
    char path[ARTIFACT_PATH_SIZE];
    struct file file;
    enum status status = STATUS_OK;
    if (!artifact_sha256_is_valid(request->sha256) || request->size == 0 ||
        request->size > ARTIFACT_PIECE_BYTES)
        return error_set(error, STATUS_INVALID, "no piece of an artifact is asked for like that");
    artifact_cache_path(&store->cache, path, request->sha256);
    if (request->offset == 0)
        status = artifact_store_find(self, store, request->sha256, path, out_total, error);
    else if (!artifact_cache_has(&store->cache, request->sha256, out_total)) status = STATUS_NOT_FOUND;
    if (status != STATUS_OK)
        return error_set(error, STATUS_NOT_FOUND, "%.16s... is not here", request->sha256);
    if (request->offset >= *out_total)
        return error_set(error, STATUS_INVALID, "%.16s... ends at %llu", request->sha256,
                         (unsigned long long)*out_total);
    status = files->open(files->context, path, FILE_READ, &file, error);
    if (status != STATUS_OK) return status;
    uint8_t *buffer = memory_alloc(request->size);
    size_t size = 0;
    status = files->read_at(files->context, &file, request->offset, buffer, request->size, &size, error);
    files->close(files->context, &file);
    if (status == STATUS_OK) *out_piece = bytes_copy(buffer, size);
    memory_free(buffer);
    return status;
}

void artifact_copy_on_piece_request(struct actor *self, void *state, const struct message *message)
{
    struct artifact_store *store = state;
    const Pb__ArtifactPieceRequest *request = message->body;
    struct bytes *piece = NULL;
    struct error error;
    uint64_t total = 0;
    if (read_piece(self, store, request, &total, &piece, &error) != STATUS_OK) {
        actor_refuse_error(self, message, &error);
        return;
    }
    struct message *reply = wire_message_create(KIND_ARTIFACT_PIECE_REPLY);
    Pb__ArtifactPieceReply *body = reply->body;
    body->offset = request->offset;
    body->total = total;
    message_attach(reply, &piece);
    actor_reply(self, message, &reply);
}

/* --- taking --------------------------------------------------------------------------------------------- */

static void part_path(const struct artifact_transfer *transfer, char path[ARTIFACT_PATH_SIZE])
{
    artifact_cache_part_path(&transfer->store->cache, path, transfer->sha256, ".copy");
}

static void drop_part(struct artifact_transfer *transfer)
{
    char path[ARTIFACT_PATH_SIZE];
    part_path(transfer, path);
    (void)transfer->store->files->remove(transfer->store->files->context, path, NULL);
    transfer->offset = 0;
    transfer->continued = false;
}

/* NULL: it failed, and that is why. */
static void end_transfer(struct actor *self, struct artifact_transfer *transfer, const struct error *error)
{
    for (uint32_t i = 0; i < transfer->asker_count; i++) {
        struct message *asker = transfer->askers[i];
        if (error != NULL) {
            actor_refuse_error(self, asker, error);
        } else {
            struct message *reply = wire_message_create(KIND_ARTIFACT_COPY_REPLY);
            actor_reply(self, asker, &reply);
        }
        message_destroy(&asker);
    }
    artifact_cache_release(&transfer->store->cache, transfer->reserved_bytes);
    *transfer = (struct artifact_transfer){ .store = transfer->store };
}

static void next_source(struct actor *self, struct artifact_transfer *transfer, const struct error *why)
{
    transfer->error = *why;
    (void)error_wrap(&transfer->error, "node %s", transfer->sources[transfer->source]);
    log_info(self, "artifact.source_failed", "%s: %s", transfer->artifact, transfer->error.message);
    if (++transfer->source < transfer->source_count) {
        transfer->continued = transfer->offset > 0;
        ask_piece(self, transfer);
        return;
    }
    struct error error = transfer->error;
    end_transfer(self, transfer, &error);
}

static void finish(struct actor *self, struct artifact_transfer *transfer)
{
    char path[ARTIFACT_PATH_SIZE];
    struct error error;
    struct artifact_store *store = transfer->store;
    part_path(transfer, path);
    artifact_cache_release(&store->cache, transfer->reserved_bytes); /* It becomes what is kept. */
    transfer->reserved_bytes = 0;
    enum status status = artifact_store_admit(store, path, transfer->sha256, transfer->size_bytes,
                                              transfer->signature, &error);
    if (status == STATUS_OK) {
        log_info(self, "artifact.copied", "%s from=%s bytes=%llu", transfer->artifact,
                 transfer->sources[transfer->source], (unsigned long long)transfer->size_bytes);
        end_transfer(self, transfer, NULL);
        return;
    }
    MARK("artifact_copy.wrong_bytes");
    bool mixed = transfer->continued && status == STATUS_CORRUPT;
    drop_part(transfer);                  /* admit has removed it. */
    if (mixed) ask_piece(self, transfer); /* The same source once more, alone. */
    else next_source(self, transfer, &error);
}

/* The first piece tells the size to whom nobody told it before; a source that says another one is wrong. */
static enum status check_piece(struct artifact_transfer *transfer, const struct ask_result *result,
                               struct error *error)
{
    const Pb__ArtifactPieceReply *reply = result->message->body;
    const struct bytes *piece = result->message->attachment;
    struct artifact_store *store = transfer->store;
    if (transfer->size_bytes == 0) {
        if (reply->total > store->download_bytes_max)
            return error_set(error, STATUS_INVALID, "larger than the %llu bytes that are allowed here",
                             (unsigned long long)store->download_bytes_max);
        enum status status = artifact_cache_reserve(&store->cache, reply->total, error);
        if (status != STATUS_OK) return status;
        transfer->size_bytes = transfer->reserved_bytes = reply->total;
    }
    bool fits = piece != NULL && piece->size > 0 && piece->size <= ARTIFACT_PIECE_BYTES &&
                reply->offset == transfer->offset && reply->total == transfer->size_bytes &&
                piece->size <= transfer->size_bytes - transfer->offset;
    return fits ? STATUS_OK : error_set(error, STATUS_CORRUPT, "it gave another piece than it was asked for");
}

static void on_piece(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    (void)state;
    struct artifact_transfer *transfer = context;
    char path[ARTIFACT_PATH_SIZE];
    struct error error;
    if (result->status != STATUS_OK) {
        next_source(self, transfer, result->error);
        return;
    }
    enum status status = check_piece(transfer, result, &error);
    if (status != STATUS_OK) {
        next_source(self, transfer, &error);
        return;
    }
    const struct bytes *piece = result->message->attachment;
    bool whole = transfer->offset + piece->size == transfer->size_bytes;
    part_path(transfer, path);
    status = artifact_store_append(transfer->store, path, piece->data, piece->size, whole, &error);
    if (status != STATUS_OK) { /* Our own disk: no other source would help. */
        drop_part(transfer);
        end_transfer(self, transfer, &error);
        return;
    }
    transfer->offset += piece->size;
    artifact_store_tell_progress(self, &transfer->pace, transfer->artifact, transfer->offset,
                                 transfer->size_bytes);
    if (whole) finish(self, transfer);
    else ask_piece(self, transfer);
}

static void ask_piece(struct actor *self, struct artifact_transfer *transfer)
{
    struct message *message = wire_message_create(KIND_ARTIFACT_PIECE_REQUEST);
    Pb__ArtifactPieceRequest *request = message->body;
    request->sha256 = wire_string(message, transfer->sha256);
    request->offset = transfer->offset;
    request->size = ARTIFACT_PIECE_BYTES;
    wire_ask(self, transfer->sources[transfer->source], CHANNEL_DATA, &message, PIECE_NS, on_piece, transfer);
}

/* --- requests ------------------------------------------------------------------------------------------- */

static enum status begin_transfer(struct artifact_store *store, struct artifact_transfer *transfer,
                                  const Pb__ArtifactCopyRequest *request, struct error *error)
{
    char path[ARTIFACT_PATH_SIZE];
    enum status status = artifact_cache_reserve(&store->cache, request->size, error);
    if (status != STATUS_OK) return status;
    *transfer = (struct artifact_transfer){ .store = store,
                                            .size_bytes = request->size,
                                            .reserved_bytes = request->size };
    (void)text_copy(transfer->sha256, sizeof transfer->sha256, request->sha256);
    (void)text_copy(transfer->artifact, sizeof transfer->artifact, request->artifact);
    (void)text_copy(transfer->signature, sizeof transfer->signature, request->signature);
    for (size_t i = 0; i < request->n_sources && i < ARTIFACT_SOURCES_MAX; i++) {
        char *source = transfer->sources[transfer->source_count];
        if (text_copy(source, sizeof transfer->sources[0], request->sources[i])) transfer->source_count++;
    }
    part_path(transfer, path);
    if (store->files->size(store->files->context, path, &transfer->offset, NULL) != STATUS_OK)
        transfer->offset = 0;
    transfer->continued = transfer->offset > 0;
    if (transfer->offset >= request->size) drop_part(transfer);
    return STATUS_OK;
}

static enum status check_request(const struct artifact_store *store, const Pb__ArtifactCopyRequest *request,
                                 struct error *error)
{
    if (!artifact_sha256_is_valid(request->sha256) || request->n_sources == 0 ||
        strlen(request->signature) >= ARTIFACT_SIGNATURE_SIZE)
        return error_set(error, STATUS_INVALID, "no copy of an artifact is asked for like that");
    if (request->size > store->download_bytes_max)
        return error_set(error, STATUS_INVALID, "%llu bytes are more than limits.artifact-size of this node",
                         (unsigned long long)request->size);
    return STATUS_OK;
}

/* NULL: refused, or under way and joined. */
static struct artifact_transfer *place_for(struct actor *self, struct artifact_store *store,
                                           const Pb__ArtifactCopyRequest *request,
                                           const struct message *message)
{
    struct artifact_transfer *place = NULL;
    struct error error;
    for (uint32_t i = 0; i < ARTIFACT_TRANSFERS_MAX; i++) {
        struct artifact_transfer *transfer = &store->transfers[i];
        if (transfer->sha256[0] == '\0') place = transfer;
        if (strcmp(transfer->sha256, request->sha256) != 0) continue;
        if (transfer->asker_count == ARTIFACT_ASKERS_MAX) actor_refuse(self, message, STATUS_OVERLOADED);
        else transfer->askers[transfer->asker_count++] = actor_keep(self);
        return NULL;
    }
    if (place != NULL) return place;
    (void)error_set(&error, STATUS_OVERLOADED, "%d artifacts are on their way to this node",
                    ARTIFACT_TRANSFERS_MAX);
    actor_refuse_error(self, message, &error);
    return NULL;
}

void artifact_copy_on_request(struct actor *self, void *state, const struct message *message)
{
    struct artifact_store *store = state;
    const Pb__ArtifactCopyRequest *request = message->body;
    char path[ARTIFACT_PATH_SIZE];
    struct error error;
    uint64_t size = 0;
    if (check_request(store, request, &error) != STATUS_OK) {
        actor_refuse_error(self, message, &error);
        return;
    }
    if (artifact_store_find(self, store, request->sha256, path, &size, &error) == STATUS_OK) {
        struct message *reply = wire_message_create(KIND_ARTIFACT_COPY_REPLY);
        ((Pb__ArtifactCopyReply *)reply->body)->was_there = true;
        actor_reply(self, message, &reply);
        return;
    }
    struct artifact_transfer *transfer = place_for(self, store, request, message);
    if (transfer == NULL) return;
    if (begin_transfer(store, transfer, request, &error) != STATUS_OK) {
        actor_refuse_error(self, message, &error);
        return;
    }
    transfer->askers[transfer->asker_count++] = actor_keep(self);
    ask_piece(self, transfer);
}

void artifact_copy_fini(struct artifact_store *store)
{
    for (uint32_t i = 0; i < ARTIFACT_TRANSFERS_MAX; i++) {
        struct artifact_transfer *transfer = &store->transfers[i];
        while (transfer->asker_count > 0)
            message_destroy(&transfer->askers[--transfer->asker_count]);
    }
}
