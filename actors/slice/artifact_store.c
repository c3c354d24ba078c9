/* artifact_store: artifacts by coordinates and by content, on this node's disk.
 * Learns  what the cluster keeps from artifact_keeper, the rest from repositories, in their order: the first
 * that has the artifact, whole and checked, gives it. Owns    {data}/artifacts (artifact_cache.h): nothing
 * becomes visible there before it is whole, checked and synced; what is there is hashed again before each
 * load. Limits  ARTIFACT_SEARCHES_MAX searches at a time, ARTIFACT_WAITING_MAX wait; uploads and transfers
 * between nodes likewise. Bytes are bounded by the options, time by the asker's deadline. */
#include "actors/slice/artifact_store.h"

#include "actors/slice/artifact_store_state.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "wire/kinds.h"

#include <string.h>

static const uint64_t DOWNLOAD_BYTES_MAX = UINT64_C(256) * 1024 * 1024;
static const uint64_t CACHE_BYTES_MAX = UINT64_C(4) * 1024 * 1024 * 1024;

/* --- files ---------------------------------------------------------------------------------------------- */

static void tell_damaged(struct actor *self, const char *sha256)
{
    struct message *message = message_create(KIND_ARTIFACT_DAMAGED, sizeof(struct artifact_damaged));
    (void)text_copy(((struct artifact_damaged *)message->body)->sha256, SHA256_TEXT_SIZE, sha256);
    actor_tell_name(self, TO_ARTIFACT_KEEPER, &message);
}

enum status artifact_store_find(struct actor *self, struct artifact_store *store, const char *sha256,
                                char path[ARTIFACT_PATH_SIZE], uint64_t *out_size, struct error *error)
{
    const struct artifact_trust *trust = &store->options->trust;
    enum status status = artifact_cache_check(&store->cache, sha256, out_size, error);
    if (status == STATUS_CORRUPT) {
        log_error(self, "artifact.cache_damaged", "%s; fetched again", error->message);
        tell_damaged(self, sha256);
    }
    artifact_cache_path(&store->cache, path, sha256);
    if (status == STATUS_OK && trust->key_count > 0) /* It may be signed where it comes from. */
        status = artifact_signature_check_kept(trust, store->files, path, error);
    return status;
}

static enum status check_signature(struct artifact_store *store, const char *part, const char *sha256,
                                   const char *signature, struct error *error)
{
    const struct artifact_trust *trust = &store->options->trust;
    char path[ARTIFACT_PATH_SIZE];
    enum status status = STATUS_OK;
    if (trust->key_count > 0 && signature[0] == '\0')
        return error_set(error, STATUS_CORRUPT, "it has no signature: this node takes signed artifacts only");
    if (trust->key_count > 0)
        status = artifact_signature_check(trust, store->files, part, signature, strlen(signature), error);
    if (status != STATUS_OK || signature[0] == '\0') return status;
    artifact_cache_path(&store->cache, path, sha256); /* Kept first: what is in the cache then has one. */
    return artifact_signature_keep(store->files, path, signature, strlen(signature), error);
}

enum status artifact_store_admit(struct artifact_store *store, const char *part, const char *sha256,
                                 uint64_t size, const char *signature, struct error *error)
{
    struct artifact_hashes hashes;
    enum status status = artifact_cache_hash(&store->cache, part, DIGEST_SHA256, &hashes, error);
    if (status == STATUS_OK && (hashes.size != size || strcmp(hashes.sha256, sha256) != 0))
        status = error_set(error, STATUS_CORRUPT, "the %llu bytes have sha256 %.16s..., not %.16s...",
                           (unsigned long long)hashes.size, hashes.sha256, sha256);
    if (status == STATUS_OK) status = maven_check_object(hashes.head, hashes.head_size, error);
    if (status == STATUS_OK) status = check_signature(store, part, sha256, signature, error);
    if (status == STATUS_OK) status = artifact_cache_keep(&store->cache, part, sha256, size, error);
    if (status != STATUS_OK) (void)store->files->remove(store->files->context, part, NULL);
    return status;
}

enum status artifact_store_append(struct artifact_store *store, const char *part, const void *data,
                                  size_t size, bool whole, struct error *error)
{
    const struct file_port *files = store->files;
    struct file file;
    enum status status = files->open(files->context, part, FILE_APPEND, &file, error);
    if (status != STATUS_OK) return status;
    status = files->write(files->context, &file, data, size, error);
    if (status == STATUS_OK && whole) status = files->sync(files->context, &file, error);
    files->close(files->context, &file);
    return status;
}

/* --- progress ------------------------------------------------------------------------------------------- */

void artifact_store_tell_progress(struct actor *self, struct artifact_pace *pace, const char *artifact,
                                  uint64_t done, uint64_t total)
{
    uint64_t tenth = total == 0 ? 0 : done / (total / 10 + 1);
    int64_t now_ns = actor_now_ns(self);
    bool soon = pace->told_ns != 0 && now_ns - pace->told_ns < SECONDS(1);
    if (soon || (total != 0 && tenth == pace->told_tenth)) return;
    pace->told_ns = now_ns;
    pace->told_tenth = tenth;
    struct message *message = message_create(KIND_INSTANCE_PROGRESS, sizeof(struct instance_progress));
    struct instance_progress *progress = message->body;
    progress->artifact = arena_strdup(&message->arena, artifact);
    progress->received_bytes = done;
    progress->total_bytes = total;
    actor_tell_name(self, TO_NODE_DEPLOYMENT_MANAGER, &message);
}

/* --- the queue ------------------------------------------------------------------------------------------ */

static const char *artifact_of(const struct message *request)
{
    return request->kind == KIND_ARTIFACT_FETCH ? ((const struct artifact_fetch *)request->body)->artifact
                                                : ((const struct artifact_resolve *)request->body)->artifact;
}

/* One search for one artifact: what the first one brings serves the others. NULL: not now. */
static struct artifact_search *place_for(struct artifact_store *store, const struct message *request)
{
    struct artifact_search *place = NULL;
    for (uint32_t i = 0; i < ARTIFACT_SEARCHES_MAX; i++) {
        struct artifact_search *search = &store->searches[i];
        if (search->request == NULL) place = place == NULL ? search : place;
        else if (strcmp(artifact_of(search->request), artifact_of(request)) == 0) return NULL;
    }
    return place;
}

static void begin_waiting(struct actor *self, struct artifact_store *store)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < store->waiting_count; i++) {
        struct message *request = store->waiting[i];
        struct artifact_search *place = place_for(store, request);
        if (actor_refuse_if_late(self, request)) message_destroy(&request);
        else if (place == NULL) store->waiting[left++] = request;
        else artifact_search_begin(self, place, &request);
    }
    store->waiting_count = left;
}

void artifact_store_go_on(struct actor *self, const struct artifact_store *store)
{
    if (store->waiting_count > 0) (void)actor_after(self, 0, KIND_ARTIFACT_STORE_TICK, 0);
}

static void on_tick(struct actor *self, void *state, const struct message *message)
{
    (void)message;
    begin_waiting(self, state);
}

static void on_request(struct actor *self, void *state, const struct message *message)
{
    struct artifact_store *store = state;
    if (artifact_search_serve(self, store, message)) return; /* It waits for nobody. */
    if (store->waiting_count == ARTIFACT_WAITING_MAX) {
        actor_refuse(self, message, STATUS_OVERLOADED);
        return;
    }
    struct message *request = actor_keep(self);
    struct artifact_search *place = place_for(store, request);
    if (place != NULL) artifact_search_begin(self, place, &request);
    else store->waiting[store->waiting_count++] = request;
}

/* --- pins ----------------------------------------------------------------------------------------------- */

static void on_pins(struct actor *self, void *state, const struct message *message)
{
    struct artifact_store *store = state;
    const struct artifact_pins *pins = message->body;
    struct message *reply = message_create(KIND_ARTIFACT_PINNED, sizeof(struct artifact_pinned));
    struct artifact_pinned *pinned = reply->body;
    const char **missing = arena_array(&reply->arena, pins->pin_count, sizeof *missing);
    artifact_cache_pin(&store->cache, pins->pins, pins->pin_count);
    for (uint32_t i = 0; i < pins->pin_count; i++) {
        uint64_t size;
        const struct artifact_pin *pin = &pins->pins[i];
        if (pin->kept && !artifact_cache_has(&store->cache, pin->sha256, &size))
            missing[pinned->missing_count++] = arena_strdup(&reply->arena, pin->sha256);
    }
    pinned->missing = missing;
    actor_reply(self, message, &reply);
}

/* --- life ---------------------------------------------------------------------------------------------- */

static enum status artifact_store_init(struct actor *self, void *state, const void *options,
                                       struct error *error)
{
    struct artifact_store *store = state;
    store->options = options;
    store->files = store->options->files;
    store->download_bytes_max = store->options->download_bytes_max;
    if (store->download_bytes_max == 0) store->download_bytes_max = DOWNLOAD_BYTES_MAX;
    uint64_t cache_bytes_max = store->options->cache_bytes_max;
    for (uint32_t i = 0; i < ARTIFACT_SEARCHES_MAX; i++)
        store->searches[i].store = store;
    return artifact_cache_open(&store->cache, store->files, store->options->directory,
                               cache_bytes_max == 0 ? CACHE_BYTES_MAX : cache_bytes_max, actor_wall_ms(self),
                               error);
}

static void artifact_store_fini(void *state)
{
    struct artifact_store *store = state;
    for (uint32_t i = 0; i < ARTIFACT_SEARCHES_MAX; i++)
        message_destroy(&store->searches[i].request);
    while (store->waiting_count > 0)
        message_destroy(&store->waiting[--store->waiting_count]);
    artifact_copy_fini(store);
    artifact_cache_close(&store->cache);
}

static const struct behavior_row rows[] = {
    { KIND_ARTIFACT_RESOLVE, on_request },
    { KIND_ARTIFACT_FETCH, on_request },
    { KIND_ARTIFACT_STORE_TICK, on_tick },
    { KIND_FETCH_PROGRESS, artifact_search_on_progress },
    { KIND_ARTIFACT_RECEIVE, artifact_upload_on_receive },
    { KIND_ARTIFACT_PINS, on_pins },
    { KIND_ARTIFACT_COPY_REQUEST, artifact_copy_on_request },
    { KIND_ARTIFACT_PIECE_REQUEST, artifact_copy_on_piece_request },
};

const struct behavior artifact_store_behavior = {
    .name = "artifact_store",
    .state_size = sizeof(struct artifact_store),
    .home = ACTOR_PINNED, /* Hashes and syncs files. */
    .blocks = true,
    .mailbox_capacity = 1024,
    .init = artifact_store_init,
    .fini = artifact_store_fini,
    .rows = rows,
    .row_count = ARRAY_COUNT(rows),
};
