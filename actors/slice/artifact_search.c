/* artifact_search: one artifact, looked up where it may be: this node's cache, the cluster's own store, then
 * the repositories in their order; at last, for bytes that are named, every node. Each step is an ask whose
 * completion begins the next. */
#include "actors/slice/artifact_store_state.h"

#include "actors/slice/maven_layout.h"
#include "actors/slice/version_choice.h"
#include "runtime/base/mark.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "runtime/port/fetch.h"
#include "store/schema/version.h"
#include "wire/kinds.h"
#include "wire/proto/artifact.pb-c.h"

#include <stdio.h>
#include <string.h>

enum { CHECKSUM_FILE_MAX = 1024 };

static void ask_checksum(struct actor *self, struct artifact_search *search);
static void next_repository(struct actor *self, struct artifact_search *search);
static void use_checksum(struct actor *self, struct artifact_search *search);

static bool fetches(const struct artifact_search *search)
{
    return search->request->kind == KIND_ARTIFACT_FETCH;
}

static int64_t left_ns(const struct actor *self, const struct artifact_search *search)
{
    if (search->request->deadline_ns == 0) return SECONDS(120);
    int64_t left = search->request->deadline_ns - actor_now_ns(self);
    return left > 0 ? left : 1;
}

/* --- the end -------------------------------------------------------------------------------------------- */

/* One that was held back may find what this one brought, or fetch it itself. */
static void release_held_back(struct actor *self, struct artifact_store *store)
{
    for (uint32_t i = 0; i < ARTIFACT_SEARCHES_MAX; i++) {
        struct artifact_search *search = &store->searches[i];
        if (search->request == NULL || !search->held_back) continue;
        search->held_back = false;
        use_checksum(self, search);
        return; /* The next one when that has ended. */
    }
}

static void end_search(struct actor *self, struct artifact_search *search)
{
    struct artifact_store *store = search->store;
    message_destroy(&search->request);
    *search = (struct artifact_search){ .store = store };
    release_held_back(self, store);
    artifact_store_go_on(self, store);
}

static void refuse_search(struct actor *self, struct artifact_search *search, const struct error *error)
{
    actor_refuse_error(self, search->request, error);
    end_search(self, search);
}

static struct message *resolved_message(const char *artifact, const char *sha256, uint64_t size)
{
    struct message *reply = message_create(KIND_ARTIFACT_RESOLVED, sizeof(struct artifact_resolved));
    struct artifact_resolved *resolved = reply->body;
    (void)text_copy(resolved->artifact, sizeof resolved->artifact, artifact);
    (void)text_copy(resolved->sha256, sizeof resolved->sha256, sha256);
    resolved->size_bytes = size;
    return reply;
}

static struct message *ready_message(const char *path, const char *sha256)
{
    struct message *reply = message_create(KIND_ARTIFACT_READY, sizeof(struct artifact_ready));
    struct artifact_ready *ready = reply->body;
    ready->path = arena_strdup(&reply->arena, path);
    (void)text_copy(ready->sha256, sizeof ready->sha256, sha256);
    return reply;
}

static void answer(struct actor *self, struct artifact_search *search, const char *path, const char *sha256,
                   uint64_t size)
{
    struct message *reply =
        fetches(search) ? ready_message(path, sha256) : resolved_message(search->artifact, sha256, size);
    actor_reply(self, search->request, &reply);
    end_search(self, search);
}

/* From the cache; false: it isn't there, or not what its name says (then it goes). */
static bool answer_cached(struct actor *self, struct artifact_search *search, const char *sha256)
{
    char path[ARTIFACT_PATH_SIZE];
    uint64_t size = 0;
    struct error error;
    if (artifact_store_find(self, search->store, sha256, path, &size, &error) != STATUS_OK) return false;
    answer(self, search, path, sha256, size);
    return true;
}

bool artifact_search_serve(struct actor *self, struct artifact_store *store, const struct message *request)
{
    char path[ARTIFACT_PATH_SIZE];
    uint64_t size = 0;
    struct error error;
    if (request->kind != KIND_ARTIFACT_FETCH) return false;
    const struct artifact_fetch *fetch = request->body;
    if (!artifact_sha256_is_valid(fetch->sha256)) return false;
    if (artifact_store_find(self, store, fetch->sha256, path, &size, &error) != STATUS_OK) return false;
    struct message *reply = ready_message(path, fetch->sha256);
    actor_reply(self, request, &reply);
    return true;
}

/* --- one candidate: a repository and a classifier ------------------------------------------------------- */

static const struct artifact_repository *repository_of(const struct artifact_search *search)
{
    return &search->store->options->repositories[search->repository];
}

/* What is worse than "not found" is kept for the end, should no other place do better. */
static void note_error_of(struct artifact_search *search, const struct error *error, const char *kind,
                          const char *name)
{
    if (error->status == STATUS_NOT_FOUND || search->error.status != STATUS_OK) return;
    search->error = *error;
    if (error->status == STATUS_OVERLOADED) search->error.status = STATUS_IO; /* It is no turn to wait for. */
    (void)error_wrap(&search->error, "%s %s", kind, name);
}

static void note_error(struct artifact_search *search, const struct error *error)
{
    note_error_of(search, error, "repository", repository_of(search)->id);
}

static void next_candidate(struct actor *self, struct artifact_search *search)
{
    search->classifier++;
    search->kind = DIGEST_SHA512;
    if (maven_classifier(search->classifier) == NULL) next_repository(self, search);
    else ask_checksum(self, search);
}

/* A repository that doesn't answer now won't for the next file either. */
static bool is_absent(const struct ask_result *result)
{
    return result->status == STATUS_NOT_FOUND;
}

/* path NULL: into memory. */
static void ask_url(struct actor *self, struct artifact_search *search, const char *url, const char *path,
                    uint64_t size_max, ask_completion *complete)
{
    const struct artifact_repository *repository = repository_of(search);
    struct message *message = message_create(KIND_FETCH, sizeof(struct fetch));
    struct fetch *fetch = message->body;
    fetch->url = arena_strdup(&message->arena, url);
    fetch->path = path != NULL ? arena_strdup(&message->arena, path) : NULL;
    fetch->size_bytes_max = size_max;
    fetch->credentials = repository->credentials != NULL ? repository->credentials : "";
    fetch->tells_progress = path != NULL;
    fetch->tag = (uint64_t)(search - search->store->searches);
    actor_ask_name(self, TO_FETCHER, &message, left_ns(self, search), complete, search);
}

static void ask_fetch(struct actor *self, struct artifact_search *search, const char *suffix,
                      const char *path, uint64_t size_max, ask_completion *complete)
{
    char url[MAVEN_URL_MAX];
    if (!maven_url(url, repository_of(search)->url, &search->coordinates,
                   maven_classifier(search->classifier), suffix))
        url[0] = '\0';
    ask_url(self, search, url, path, size_max, complete);
}

void artifact_search_on_progress(struct actor *self, void *state, const struct message *message)
{
    struct artifact_store *store = state;
    const struct fetch_progress *progress = message->body;
    if (progress->tag >= ARTIFACT_SEARCHES_MAX) return;
    struct artifact_search *search = &store->searches[progress->tag];
    if (search->request == NULL || !search->downloading || !fetches(search)) return; /* It has ended. */
    artifact_store_tell_progress(self, &search->pace, search->artifact, progress->done_bytes,
                                 progress->total_bytes);
}

/* --- the object ---------------------------------------------------------------------------------------- */

static enum status check_hashes(const struct artifact_search *search, const struct artifact_hashes *hashes,
                                struct error *error)
{
    if (strcmp(hashes->other, search->wanted) != 0)
        return error_set(error, STATUS_CORRUPT,
                         "%s: its %s is %.16s..., not %.16s... as its checksum file says", search->artifact,
                         digest_name(search->kind), hashes->other, search->wanted);
    if (search->pinned[0] != '\0' && strcmp(search->pinned, hashes->sha256) != 0)
        return error_set(error, STATUS_CORRUPT,
                         "%s: it holds other bytes (sha256 %.16s...) than were published", search->artifact,
                         hashes->sha256);
    return maven_check_object(hashes->head, hashes->head_size, error);
}

static void download(struct actor *self, struct artifact_search *search);

/* What was downloaded is not what it should be. */
static void drop_download(struct actor *self, struct artifact_search *search, const struct error *error)
{
    const struct file_port *files = search->store->files;
    (void)files->remove(files->context, search->part, NULL);
    bool again = error->status == STATUS_CORRUPT && !search->began_again;
    search->began_again = true; /* What was continued may have been the wrong half. */
    if (again) {
        download(self, search);
        return;
    }
    search->downloading = false;
    note_error(search, error);
    next_candidate(self, search);
}

/* Checked; now it becomes visible under the name of its content. */
static void keep(struct actor *self, struct artifact_search *search)
{
    struct error error;
    char path[ARTIFACT_PATH_SIZE];
    struct artifact_cache *cache = &search->store->cache;
    artifact_cache_path(cache, path, search->sha256);
    if (artifact_cache_keep(cache, search->part, search->sha256, search->size, &error) == STATUS_OK)
        answer(self, search, path, search->sha256, search->size);
    else drop_download(self, search, &error);
}

/* The signature is kept first: what is in the cache then has one. */
static void on_signature(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct artifact_store *store = state;
    struct artifact_search *search = context;
    struct error error;
    char path[ARTIFACT_PATH_SIZE];
    enum status status = result->status;
    if (status == STATUS_NOT_FOUND) {
        status =
            error_set(&error, STATUS_CORRUPT,
                      "%s has no .sig beside it: this node takes signed artifacts only", search->artifact);
        search->began_again = true; /* The bytes are right: it's no use to fetch them again. */
    } else if (status != STATUS_OK) {
        error = *result->error;
    } else {
        const struct bytes *bytes = result->message->attachment;
        status = artifact_signature_check(&store->options->trust, store->files, search->part, bytes->data,
                                          bytes->size, &error);
        if (status != STATUS_OK) (void)error_wrap(&error, "%s", search->artifact);
        artifact_cache_path(&store->cache, path, search->sha256);
        if (status == STATUS_OK)
            status = artifact_signature_keep(store->files, path, bytes->data, bytes->size, &error);
    }
    if (status == STATUS_OK) keep(self, search);
    else drop_download(self, search, &error);
}

static void on_downloaded(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct artifact_store *store = state;
    struct artifact_search *search = context;
    struct artifact_hashes hashes;
    struct error error;
    if (result->status != STATUS_OK) {
        search->downloading = false;
        note_error(search, result->error);
        if (is_absent(result)) next_candidate(self, search);
        else next_repository(self, search);
        return;
    }
    enum status status = artifact_cache_hash(&store->cache, search->part, search->kind, &hashes, &error);
    if (status == STATUS_OK) status = check_hashes(search, &hashes, &error);
    if (status != STATUS_OK) {
        drop_download(self, search, &error);
        return;
    }
    memcpy(search->sha256, hashes.sha256, sizeof search->sha256);
    search->size = hashes.size;
    if (store->options->trust.key_count == 0) keep(self, search);
    else ask_fetch(self, search, ".sig", NULL, SIGNATURE_FILE_MAX, on_signature);
}

/* Two that write one file would spoil it. */
static bool is_being_downloaded(const struct artifact_search *search)
{
    for (uint32_t i = 0; i < ARTIFACT_SEARCHES_MAX; i++) {
        const struct artifact_search *other = &search->store->searches[i];
        if (other == search || other->request == NULL || !other->downloading) continue;
        if (strcmp(other->part, search->part) == 0) return true;
    }
    return false;
}

static void download(struct actor *self, struct artifact_search *search)
{
    artifact_cache_part_path(&search->store->cache, search->part, search->wanted, ".part");
    if (is_being_downloaded(search)) {
        search->held_back = true;
        return;
    }
    search->downloading = true;
    ask_fetch(self, search, "", search->part, search->store->download_bytes_max, on_downloaded);
}

/* --- its checksum -------------------------------------------------------------------------------------- */

static void on_looked(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    (void)state;
    struct artifact_search *search = context;
    struct error error;
    if (!is_absent(result)) {
        const char *weak = repository_of(search)->require_sha256 ? " (.sha512 or .sha256 is required)" : "";
        (void)error_set(&error, STATUS_CORRUPT, "%s has no checksum file beside it%s: refused",
                        search->artifact, weak);
        error_hint(&error, "put one beside it: sha256sum FILE >FILE.sha256");
        note_error(search, &error);
    }
    next_candidate(self, search);
}

/* No checksum: is the object itself there (then that is the story), or nothing at all? One byte tells. */
static void look_for_object(struct actor *self, struct artifact_search *search)
{
    ask_fetch(self, search, "", NULL, 1, on_looked);
}

static void use_checksum(struct actor *self, struct artifact_search *search)
{
    struct error error;
    if (search->kind == DIGEST_SHA1)
        log_warn(self, "artifact.weak_checksum", "%s: repository %s has only .sha1 for it", search->artifact,
                 repository_of(search)->id);
    if (search->kind == DIGEST_SHA256) {
        if (search->pinned[0] != '\0' && strcmp(search->pinned, search->wanted) != 0) {
            (void)error_set(&error, STATUS_CORRUPT,
                            "%s: it offers other bytes (sha256 %.16s...) than were published",
                            search->artifact, search->wanted);
            note_error(search, &error);
            next_candidate(self, search);
            return;
        }
        if (answer_cached(self, search, search->wanted)) return;
    }
    download(self, search);
}

static void on_checksum(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    (void)state;
    struct artifact_search *search = context;
    struct error error;
    if (result->status == STATUS_OK) {
        const struct bytes *bytes = result->message->attachment;
        if (maven_checksum(bytes->data, bytes->size, search->kind, search->wanted)) {
            use_checksum(self, search);
            return;
        }
        (void)error_set(&error, STATUS_CORRUPT, "%s: its .%s file holds no checksum", search->artifact,
                        digest_name(search->kind));
        error_hint(&error,
                   "write it anew: sha256sum FILE >FILE.sha256; or does the server answer with a page?");
        note_error(search, &error);
        next_candidate(self, search);
        return;
    }
    if (!is_absent(result)) {
        note_error(search, result->error);
        next_repository(self, search);
        return;
    }
    enum digest_kind weakest = repository_of(search)->require_sha256 ? DIGEST_SHA256 : DIGEST_SHA1;
    if (search->kind == weakest) {
        look_for_object(self, search);
        return;
    }
    search->kind--;
    ask_checksum(self, search);
}

static void ask_checksum(struct actor *self, struct artifact_search *search)
{
    char suffix[16];
    (void)snprintf(suffix, sizeof suffix, ".%s", digest_name(search->kind));
    ask_fetch(self, search, suffix, NULL, CHECKSUM_FILE_MAX, on_checksum);
}

/* --- from another node ---------------------------------------------------------------------------------- */

static void ask_located(struct actor *self, struct artifact_search *search, bool anywhere);

/* No place has it: the story that says most. */
static void give_up(struct actor *self, struct artifact_search *search)
{
    uint32_t asked = search->store->options->repository_count;
    struct error error = search->error;
    if (error.status == STATUS_OK) {
        if (asked == 0)
            (void)error_set(&error, STATUS_NOT_FOUND,
                            "the cluster doesn't keep %s, and no repository is configured that could have it",
                            search->artifact);
        else
            (void)error_set(&error, STATUS_NOT_FOUND, "no repository has %s (%u asked)", search->artifact,
                            asked);
        error_hint(&error,
                   "aether artifact push puts it into the cluster; or put it into a repository of the "
                   "configuration, with its .sha256");
    }
    refuse_search(self, search, &error);
}

static void begin_repository(struct actor *self, struct artifact_search *search)
{
    search->classifier = 0;
    search->kind = DIGEST_SHA512;
    if (search->repository < search->store->options->repository_count) {
        ask_checksum(self, search);
    } else if (search->pinned[0] != '\0' && !search->asked_all) { /* Somebody may still run it. */
        search->asked_all = true;
        ask_located(self, search, true);
    } else {
        give_up(self, search);
    }
}

static void next_repository(struct actor *self, struct artifact_search *search)
{
    search->repository++;
    begin_repository(self, search);
}

static void after_nodes(struct actor *self, struct artifact_search *search)
{
    if (search->asked_all) give_up(self, search);
    else begin_repository(self, search);
}

static void on_copied(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    (void)state;
    struct artifact_search *search = context;
    if (result->status == STATUS_OK && answer_cached(self, search, search->ours.sha256)) return;
    if (result->status != STATUS_OK && !search->asked_all)
        note_error_of(search, result->error, "the", "cluster's store");
    after_nodes(self, search);
}

static void copy(struct actor *self, struct artifact_search *search, const struct artifact_located *located)
{
    struct message *message = wire_message_create(KIND_ARTIFACT_COPY_REQUEST);
    Pb__ArtifactCopyRequest *request = message->body;
    request->artifact = wire_string(message, located->artifact);
    request->sha256 = wire_string(message, located->sha256);
    request->size = located->size_bytes;
    request->signature = wire_string(message, located->signature);
    request->sources = arena_array(&message->arena, located->source_count, sizeof *request->sources);
    request->n_sources = located->source_count;
    for (uint32_t i = 0; i < located->source_count; i++)
        request->sources[i] = wire_string(message, located->sources[i]);
    (void)text_copy(search->ours.sha256, sizeof search->ours.sha256, located->sha256);
    actor_ask(self, actor_self(self), &message, left_ns(self, search), on_copied, search);
}

static void on_located_bytes(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    (void)state;
    struct artifact_search *search = context;
    if (result->status != STATUS_OK) {
        after_nodes(self, search);
        return;
    }
    const struct artifact_located *located = result->message->body;
    if (answer_cached(self, search, located->sha256)) return;
    copy(self, search, located);
}

static void ask_keeper(struct actor *self, struct artifact_search *search, const char *artifact,
                       struct artifact_locate how, ask_completion *complete)
{
    struct message *message = message_create(KIND_ARTIFACT_LOCATE, sizeof(struct artifact_locate));
    struct artifact_locate *locate = message->body;
    *locate = how;
    locate->artifact = arena_strdup(&message->arena, artifact);
    actor_ask_name(self, TO_ARTIFACT_KEEPER, &message, left_ns(self, search), complete, search);
}

static void ask_located(struct actor *self, struct artifact_search *search, bool anywhere)
{
    struct artifact_locate locate = { .anywhere = anywhere };
    (void)text_copy(locate.sha256, sizeof locate.sha256, search->pinned);
    ask_keeper(self, search, search->artifact, locate, on_located_bytes);
}

/* --- which version ------------------------------------------------------------------------------------- */

/* From here on it is this exact version, wherever it is. */
static void look_for(struct actor *self, struct artifact_search *search, const char *version)
{
    struct coordinates *coordinates = &search->coordinates;
    if (version != coordinates->version)
        (void)text_copy(coordinates->version, sizeof coordinates->version, version);
    (void)snprintf(search->artifact, sizeof search->artifact, "%s:%s:%s", coordinates->group,
                   coordinates->artifact, coordinates->version);
    search->repository = 0;
    begin_repository(self, search);
}

static void ask_metadata(struct actor *self, struct artifact_search *search, ask_completion *complete)
{
    char url[MAVEN_URL_MAX];
    if (!maven_metadata_url(url, repository_of(search)->url, &search->coordinates)) url[0] = '\0';
    ask_url(self, search, url, NULL, FETCH_MEMORY_MAX, complete);
}

/* OK, NOT_FOUND (the repository has none), or what is wrong with it. */
static enum status read_metadata(const struct ask_result *result, struct arena *arena,
                                 struct metadata *metadata, struct error *error)
{
    if (result->status != STATUS_OK) {
        *error = *result->error;
        return result->status;
    }
    const struct bytes *bytes = result->message->attachment;
    if (metadata_parse(bytes->data, bytes->size, arena, metadata, error) == STATUS_OK) return STATUS_OK;
    error->status = STATUS_CORRUPT; /* The repository's fault, not that of whoever asked. */
    error_hint(error, "the repository has to write it anew; an exact version needs none");
    return STATUS_CORRUPT;
}

static void refuse_choice(struct actor *self, struct artifact_search *search, struct error *error)
{
    (void)error_wrap(error, "repository %s", repository_of(search)->id);
    refuse_search(self, search, error);
}

/* A snapshot is dated by the first repository that dates it; by none: it is a file of that very name. */
static void on_snapshot_metadata(struct actor *self, void *state, void *context,
                                 const struct ask_result *result)
{
    (void)state;
    struct artifact_search *search = context;
    struct arena arena = { 0 };
    struct metadata metadata;
    struct error error;
    char dated[COORDINATES_VERSION_MAX] = "";
    enum status status = read_metadata(result, &arena, &metadata, &error);
    bool found = false;
    for (unsigned i = 0; status == STATUS_OK && !found && maven_classifier(i) != NULL; i++)
        found = version_choice_dated(search->coordinates.version, &metadata, maven_classifier(i), dated);
    arena_fini(&arena);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
        refuse_choice(self, search, &error);
        return;
    }
    if (found || ++search->repository == search->store->options->repository_count)
        look_for(self, search, found ? dated : search->coordinates.version);
    else ask_metadata(self, search, on_snapshot_metadata);
}

static void look_for_version(struct actor *self, struct artifact_search *search, const char *version)
{
    search->repository = 0;
    bool asks =
        version_is_snapshot(version) && !fetches(search) && search->store->options->repository_count > 0;
    if (!asks) {
        look_for(self, search, version);
        return;
    }
    if (version != search->coordinates.version)
        (void)text_copy(search->coordinates.version, sizeof search->coordinates.version, version);
    ask_metadata(self, search, on_snapshot_metadata);
}

/* What the cluster itself keeps wins over the same version elsewhere: its name says so, its bytes are here.
 */
static void answer_ours(struct actor *self, struct artifact_search *search)
{
    char artifact[COORDINATES_TEXT_MAX];
    (void)snprintf(artifact, sizeof artifact, "%s:%s:%s", search->coordinates.group,
                   search->coordinates.artifact, search->ours.version);
    struct message *reply = resolved_message(artifact, search->ours.sha256, search->ours.size_bytes);
    actor_reply(self, search->request, &reply);
    end_search(self, search);
}

static void choose_best(struct actor *self, struct artifact_search *search)
{
    struct error error;
    if (search->best[0] == '\0') {
        (void)error_set(&error, STATUS_NOT_FOUND, "no repository lists a version of %s (%u asked)",
                        search->artifact, search->store->options->repository_count);
        error_hint(&error, "versions are listed in maven-metadata.xml, beside the folders of the versions");
        refuse_search(self, search, &error);
    } else if (strcmp(search->best, search->ours.version) == 0) {
        answer_ours(self, search);
    } else {
        look_for_version(self, search, search->best);
    }
}

/* Each repository is asked, and the highest version wins. One that can't be asked might have had it: then
 * nothing is chosen, rather than something older. */
static void on_metadata(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    (void)state;
    struct artifact_search *search = context;
    struct arena arena = { 0 };
    struct metadata metadata;
    struct error error;
    enum status status = read_metadata(result, &arena, &metadata, &error);
    if (status == STATUS_OK) version_choice_offer(search->coordinates.version, &metadata, search->best);
    arena_fini(&arena);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND) refuse_choice(self, search, &error);
    else if (++search->repository < search->store->options->repository_count)
        ask_metadata(self, search, on_metadata);
    else choose_best(self, search);
}

static void choose_version(struct actor *self, struct artifact_search *search)
{
    const char *wanted = search->coordinates.version;
    if (!version_choice_is_open(wanted)) look_for_version(self, search, wanted);
    else if (search->store->options->repository_count > 0) ask_metadata(self, search, on_metadata);
    else choose_best(self, search);
}

static void on_located(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    (void)state;
    struct artifact_search *search = context;
    struct coordinates found;
    if (result->status == STATUS_OK) {
        const struct artifact_located *located = result->message->body;
        enum status status = coordinates_parse(located->artifact, COORDINATES_EXACT, &found, NULL);
        CHECK(status == STATUS_OK); /* It stands in a key. */
        (void)text_copy(search->ours.version, sizeof search->ours.version, found.version);
        (void)text_copy(search->best, sizeof search->best, found.version);
        (void)text_copy(search->ours.sha256, sizeof search->ours.sha256, located->sha256);
        search->ours.size_bytes = located->size_bytes;
        if (version_choice_is_open(search->coordinates.version)) choose_version(self, search);
        else answer_ours(self, search);
    } else if (result->status == STATUS_NOT_FOUND) {
        choose_version(self, search);
    } else { /* It might have had it: nothing is chosen, rather than something else. */
        refuse_search(self, search, result->error);
    }
}

/* --- the beginning -------------------------------------------------------------------------------------- */

void artifact_search_begin(struct actor *self, struct artifact_search *search, struct message **request)
{
    struct error error;
    struct artifact_store *store = search->store;
    *search =
        (struct artifact_search){ .store = store, .request = *request, .kind = DIGEST_SHA512, .pinned = "" };
    *request = NULL;
    const struct artifact_fetch *fetch = search->request->body;
    const struct artifact_resolve *resolve = search->request->body;
    if (fetches(search)) search->pinned = fetch->sha256;
    const char *artifact = fetches(search) ? fetch->artifact : resolve->artifact;
    (void)text_copy(search->artifact, sizeof search->artifact, artifact);
    enum status status = coordinates_parse(artifact, fetches(search) ? COORDINATES_EXACT : COORDINATES_WANTED,
                                           &search->coordinates, &error);
    if (status == STATUS_OK && search->pinned[0] != '\0' && !artifact_sha256_is_valid(search->pinned))
        status = error_set(&error, STATUS_INVALID, "%s: not a SHA-256", search->artifact);
    if (status != STATUS_OK) refuse_search(self, search, &error);
    else if (search->pinned[0] != '\0' && answer_cached(self, search, search->pinned)) return;
    else if (fetches(search)) ask_located(self, search, false);
    else ask_keeper(self, search, artifact, (struct artifact_locate){ .resolves = true }, on_located);
}
