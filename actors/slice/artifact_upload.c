/* artifact_upload: pieces of what somebody pushes become a file in tmp/, named by the content it shall have.
 * How far it is stands in the file's size, so an upload goes on after a restart. A piece that is here already
 * is no error: whoever lost the answer sends it again, and two who push the same bytes help each other. */
#include "actors/slice/artifact_store_state.h"

#include "runtime/base/check.h"
#include "runtime/base/mark.h"
#include "runtime/base/text.h"
#include "wire/kinds.h"

#include <string.h>

static const int64_t IDLE_NS = SECONDS(60); /* Then its place may be taken; its bytes stay. */

static void part_path(const struct artifact_store *store, char path[ARTIFACT_PATH_SIZE], const char *sha256)
{
    artifact_cache_part_path(&store->cache, path, sha256, ".upload");
}

static void end_upload(struct artifact_store *store, struct artifact_upload *upload)
{
    artifact_cache_release(&store->cache, upload->size_bytes);
    *upload = (struct artifact_upload){ 0 };
}

static void reply_received(struct actor *self, const struct message *message, uint64_t offset, bool whole)
{
    struct message *reply = message_create(KIND_ARTIFACT_RECEIVED, sizeof(struct artifact_received));
    *(struct artifact_received *)reply->body = (struct artifact_received){ .offset = offset, .whole = whole };
    actor_reply(self, message, &reply);
}

/* NULL: none is under way. `out_free`: where one may begin; NULL: nowhere. */
static struct artifact_upload *find_upload(struct actor *self, struct artifact_store *store,
                                           const char *sha256, struct artifact_upload **out_free)
{
    struct artifact_upload *idle = NULL, *empty = NULL;
    for (uint32_t i = 0; i < ARTIFACT_UPLOADS_MAX; i++) {
        struct artifact_upload *upload = &store->uploads[i];
        if (strcmp(upload->sha256, sha256) == 0) return upload;
        if (upload->sha256[0] == '\0') empty = upload;
        else if (actor_now_ns(self) - upload->used_ns > IDLE_NS) idle = upload;
    }
    *out_free = empty != NULL ? empty : idle;
    return NULL;
}

static enum status begin_upload(struct actor *self, struct artifact_store *store,
                                const struct artifact_receive *receive, struct artifact_upload **out_upload,
                                struct error *error)
{
    const struct file_port *files = store->files;
    char path[ARTIFACT_PATH_SIZE];
    uint64_t there = 0;
    if (receive->size_bytes == 0 || receive->size_bytes > store->download_bytes_max)
        return error_set(error, STATUS_INVALID,
                         "%llu bytes: an artifact has 1 to %llu (limits.artifact-size of this node)",
                         (unsigned long long)receive->size_bytes,
                         (unsigned long long)store->download_bytes_max);
    struct artifact_upload *place = NULL;
    struct artifact_upload *upload = find_upload(self, store, receive->sha256, &place);
    if (upload != NULL) {
        *out_upload = upload;
        return STATUS_OK;
    }
    if (place == NULL)
        return error_set(error, STATUS_OVERLOADED, "%d uploads are under way on this node",
                         ARTIFACT_UPLOADS_MAX);
    if (place->sha256[0] != '\0') end_upload(store, place); /* Nobody goes on with it. */
    enum status status = artifact_cache_reserve(&store->cache, receive->size_bytes, error);
    if (status != STATUS_OK) return status;
    part_path(store, path, receive->sha256);
    if (files->size(files->context, path, &there, NULL) != STATUS_OK) there = 0;
    if (there >= receive->size_bytes) { /* What is left of another attempt is no beginning of this one. */
        (void)files->remove(files->context, path, NULL);
        there = 0;
    }
    *place = (struct artifact_upload){ .size_bytes = receive->size_bytes, .offset = there };
    (void)text_copy(place->sha256, sizeof place->sha256, receive->sha256);
    *out_upload = place;
    return STATUS_OK;
}

static enum status check_piece(const struct artifact_upload *upload, const struct artifact_receive *receive,
                               size_t size, struct error *error)
{
    unsigned long long offset = receive->offset, here = upload->offset;
    if (receive->size_bytes != upload->size_bytes)
        return error_set(error, STATUS_INVALID, "%llu bytes were announced before, now %llu",
                         (unsigned long long)upload->size_bytes, (unsigned long long)receive->size_bytes);
    if (size > ARTIFACT_PIECE_BYTES)
        return error_set(error, STATUS_INVALID, "a piece has at most %d bytes, not %zu", ARTIFACT_PIECE_BYTES,
                         size);
    if (receive->offset > upload->size_bytes || size > upload->size_bytes - receive->offset)
        return error_set(error, STATUS_INVALID,
                         "the piece at %llu goes beyond the %llu bytes that were announced", offset,
                         (unsigned long long)upload->size_bytes);
    if (size > 0 && receive->offset > upload->offset)
        return error_set(error, STATUS_INVALID, "the piece at %llu leaves a gap: the next one begins at %llu",
                         offset, here);
    return STATUS_OK;
}

/* A wrong whole is forgotten: whoever pushes begins again. */
static enum status take_piece(struct artifact_store *store, struct artifact_upload *upload,
                              const struct artifact_receive *receive, const struct bytes *piece,
                              bool *out_whole, struct error *error)
{
    char path[ARTIFACT_PATH_SIZE];
    bool whole = upload->offset + piece->size == upload->size_bytes;
    part_path(store, path, upload->sha256);
    enum status status = artifact_store_append(store, path, piece->data, piece->size, whole, error);
    if (status != STATUS_OK) { /* It may be half written: its size no longer tells. */
        (void)store->files->remove(store->files->context, path, NULL);
        end_upload(store, upload);
        return status;
    }
    upload->offset += piece->size;
    *out_whole = whole;
    if (!whole) return STATUS_OK;
    char sha256[SHA256_TEXT_SIZE];
    uint64_t size = upload->size_bytes;
    memcpy(sha256, upload->sha256, sizeof sha256);
    end_upload(store, upload); /* What was promised becomes what is kept. */
    status = artifact_store_admit(store, path, sha256, size, receive->signature, error);
    if (status != STATUS_OK) MARK("artifact_upload.is_refused");
    return status;
}

/* The bytes may be here from elsewhere, and the signature be new. */
static bool is_here(struct actor *self, struct artifact_store *store, const struct artifact_receive *receive)
{
    char path[ARTIFACT_PATH_SIZE];
    uint64_t size = 0;
    struct error error;
    const char *signature = receive->signature;
    if (signature[0] != '\0' && artifact_cache_has(&store->cache, receive->sha256, &size)) {
        artifact_cache_path(&store->cache, path, receive->sha256);
        const struct artifact_trust *trust = &store->options->trust;
        bool good = trust->key_count == 0 || artifact_signature_check(trust, store->files, path, signature,
                                                                      strlen(signature), &error) == STATUS_OK;
        if (good) (void)!artifact_signature_keep(store->files, path, signature, strlen(signature), &error);
    }
    return artifact_store_find(self, store, receive->sha256, path, &size, &error) == STATUS_OK;
}

/* Takes the piece, where it is the next one. */
static enum status go_on(struct actor *self, struct artifact_store *store,
                         const struct artifact_receive *receive, const struct bytes *piece,
                         uint64_t *out_offset, bool *out_whole, struct error *error)
{
    struct artifact_upload *upload = NULL;
    size_t size = piece == NULL ? 0 : piece->size;
    enum status status = begin_upload(self, store, receive, &upload, error);
    if (status != STATUS_OK) return status;
    CHECK(upload != NULL);
    status = check_piece(upload, receive, size, error);
    if (status != STATUS_OK) return status;
    upload->used_ns = actor_now_ns(self);
    *out_offset = upload->offset;
    if (size == 0 || receive->offset != upload->offset) return STATUS_OK;
    *out_offset += size;
    return take_piece(store, upload, receive, piece, out_whole, error);
}

void artifact_upload_on_receive(struct actor *self, void *state, const struct message *message)
{
    struct artifact_store *store = state;
    const struct artifact_receive *receive = message->body;
    const struct bytes *piece = message->attachment;
    struct error error;
    uint64_t offset = 0;
    bool whole = false;
    if ((piece == NULL || piece->size == 0) && is_here(self, store, receive)) {
        reply_received(self, message, receive->size_bytes, true);
        return;
    }
    if (go_on(self, store, receive, piece, &offset, &whole, &error) == STATUS_OK) {
        reply_received(self, message, offset, whole);
        return;
    }
    (void)error_wrap(&error, "%s", receive->artifact);
    actor_refuse_error(self, message, &error);
}
