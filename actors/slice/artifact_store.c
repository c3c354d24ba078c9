/* artifact_store: artifacts by coordinates from repositories, by content on this disk.
 * Learns  from repositories, in their order: the first that has the artifact, whole and checked, gives it.
 * Owns    {data}/artifacts: one file for each content, named by its SHA-256, mode 0444, and tmp/ with
 * downloads that are not checked yet, named by the checksum they must have (so that they can be continued).
 * Limits  one job at a time, JOBS_MAX wait; downloads are bounded in size by the options, in time by the
 * asker's deadline. Nothing becomes visible under artifacts/ before it is whole, checked and synced; what is
 *         there is hashed again before each load. */
#include "actors/slice/artifact_store.h"

#include "actors/slice/maven_layout.h"
#include "actors/slice/messages.h"
#include "actors/slice/version_choice.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "runtime/port/fetch.h"
#include "store/schema/version.h"
#include "wire/kinds.h"

#include <stdio.h>
#include <string.h>

enum { JOBS_MAX = 256, PATH_SIZE = 1024, CHECKSUM_FILE_MAX = 1024, READ_SIZE = 64 * 1024 };
static const uint64_t DOWNLOAD_BYTES_MAX = UINT64_C(256) * 1024 * 1024;

struct job {
    struct message *request;             /* Kept; NULL: no job. */
    char artifact[COORDINATES_TEXT_MAX]; /* As asked for, then as chosen. */
    const char *pinned;                  /* In the request: the SHA-256 it must have; "" = any. */
    struct coordinates coordinates;
    char best[COORDINATES_VERSION_MAX]; /* While a version is chosen; "" = none yet. */
    uint32_t repository;
    unsigned classifier;
    enum digest_kind kind;        /* Of the checksum file we ask for, then of `wanted`. */
    char wanted[DIGEST_TEXT_MAX]; /* What the repository says. */
    char part[PATH_SIZE];         /* The download, */
    char sha256[DIGEST_TEXT_MAX]; /* and what was found in it. */
    uint64_t size;
    bool began_again;   /* A continued download was wrong once. */
    struct error error; /* The most telling one so far; OK = only "not found". */
};

struct artifact_store {
    const struct artifact_store_options *options;
    const struct file_port *files;
    uint64_t download_bytes_max;
    struct job job;
    struct message *waiting[JOBS_MAX]; /* A circle. */
    uint32_t waiting_first;
    uint32_t waiting_count;
    uint8_t buffer[READ_SIZE];
};

static void ask_checksum(struct actor *self, struct artifact_store *store);
static void next_repository(struct actor *self, struct artifact_store *store);

/* --- files --------------------------------------------------------------------------------------------- */

static void cache_path(const struct artifact_store *store, char path[PATH_SIZE], const char *sha256)
{
    snprintf(path, PATH_SIZE, "%s/artifacts/%s", store->options->directory, sha256);
}

struct hashes {
    char sha256[DIGEST_TEXT_MAX];
    char other[DIGEST_TEXT_MAX]; /* Of the kind asked for. */
    uint64_t size;
    uint8_t head[MAVEN_OBJECT_HEAD_SIZE];
    size_t head_size;
};

static enum status hash_file(struct artifact_store *store, const char *path, enum digest_kind kind,
                             struct hashes *out, struct error *error)
{
    const struct file_port *files = store->files;
    struct file file;
    struct digest sha256, other;
    enum status status = files->open(files->context, path, FILE_READ, &file, error);
    if (status != STATUS_OK) return status;
    digest_begin(&sha256, DIGEST_SHA256);
    digest_begin(&other, kind);
    *out = (struct hashes){ 0 };
    for (size_t count = 1; count > 0;) {
        status = files->read(files->context, &file, store->buffer, sizeof store->buffer, &count, error);
        if (status != STATUS_OK) break;
        if (out->size == 0) {
            out->head_size = count < sizeof out->head ? count : sizeof out->head;
            memcpy(out->head, store->buffer, out->head_size);
        }
        digest_add(&sha256, store->buffer, count);
        if (kind != DIGEST_SHA256) digest_add(&other, store->buffer, count);
        out->size += count;
    }
    files->close(files->context, &file);
    if (status != STATUS_OK) return status;
    digest_end(&sha256, out->sha256);
    digest_end(&other, out->other);
    if (kind == DIGEST_SHA256) memcpy(out->other, out->sha256, sizeof out->other);
    return STATUS_OK;
}

/* --- the job's end ------------------------------------------------------------------------------------- */

/* By a timer, so that the next job doesn't run under this one's deadline. */
static void end_job(struct actor *self, struct artifact_store *store)
{
    message_destroy(&store->job.request);
    store->job = (struct job){ 0 };
    if (store->waiting_count > 0) (void)actor_after(self, 0, KIND_SLICE_SWEEP, 0);
}

static void refuse_job(struct actor *self, struct artifact_store *store, const struct error *error)
{
    actor_refuse_error(self, store->job.request, error);
    end_job(self, store);
}

static void reply_job(struct actor *self, struct artifact_store *store, const char *path, const char *sha256,
                      uint64_t size)
{
    struct message *reply;
    if (store->job.request->kind == KIND_ARTIFACT_RESOLVE) {
        reply = message_create(KIND_ARTIFACT_RESOLVED, sizeof(struct artifact_resolved));
        struct artifact_resolved *resolved = reply->body;
        (void)text_copy(resolved->artifact, sizeof resolved->artifact, store->job.artifact);
        (void)text_copy(resolved->sha256, sizeof resolved->sha256, sha256);
        resolved->size_bytes = size;
    } else {
        reply = message_create(KIND_ARTIFACT_READY, sizeof(struct artifact_ready));
        struct artifact_ready *ready = reply->body;
        ready->path = arena_strdup(&reply->arena, path);
        (void)text_copy(ready->sha256, sizeof ready->sha256, sha256);
    }
    actor_reply(self, store->job.request, &reply);
    end_job(self, store);
}

/* From the cache; false: it isn't there, or not what its name says (then it goes). */
static bool serve_cached(struct actor *self, struct artifact_store *store, const char *sha256)
{
    char path[PATH_SIZE];
    struct hashes hashes;
    struct error error;
    cache_path(store, path, sha256);
    if (hash_file(store, path, DIGEST_SHA256, &hashes, &error) != STATUS_OK) return false;
    const struct artifact_trust *trust = &store->options->trust;
    if (strcmp(hashes.sha256, sha256) == 0) {
        if (trust->key_count > 0 &&
            artifact_signature_check_kept(trust, store->files, path, &error) != STATUS_OK)
            return false; /* It may be signed where it comes from. */
        reply_job(self, store, path, sha256, hashes.size);
        return true;
    }
    log_error(self, "artifact.cache_damaged", "%s now hashes to %s; fetched again", path, hashes.sha256);
    (void)store->files->remove(store->files->context, path, &error);
    return false;
}

/* --- one candidate: a repository and a classifier ------------------------------------------------------- */

static const struct artifact_repository *repository_of(const struct artifact_store *store)
{
    return &store->options->repositories[store->job.repository];
}

/* What is worse than "not found" is kept for the end, should no other repository do better. */
static void note_error(struct artifact_store *store, const struct error *error)
{
    struct job *job = &store->job;
    if (error->status == STATUS_NOT_FOUND || job->error.status != STATUS_OK) return;
    job->error = *error;
    (void)error_wrap(&job->error, "repository %s", repository_of(store)->id);
}

static void next_candidate(struct actor *self, struct artifact_store *store)
{
    store->job.classifier++;
    store->job.kind = DIGEST_SHA512;
    if (maven_classifier(store->job.classifier) == NULL) next_repository(self, store);
    else ask_checksum(self, store);
}

static void next_repository(struct actor *self, struct artifact_store *store)
{
    struct job *job = &store->job;
    job->repository++;
    job->classifier = 0;
    job->kind = DIGEST_SHA512;
    if (job->repository < store->options->repository_count) {
        ask_checksum(self, store);
        return;
    }
    struct error error = job->error;
    if (error.status == STATUS_OK) {
        (void)error_set(&error, STATUS_NOT_FOUND, "no repository has %s (%u asked)", job->artifact,
                        store->options->repository_count);
        error_hint(&error, "put it there with its .sha256, or check the repositories of the configuration");
    }
    refuse_job(self, store, &error);
}

/* A repository that doesn't answer now won't for the next file either. */
static bool is_absent(const struct ask_result *result)
{
    return result->status == STATUS_NOT_FOUND;
}

/* path NULL: into memory. */
static void ask_url(struct actor *self, struct artifact_store *store, const char *url, const char *path,
                    uint64_t size_max, ask_completion *complete)
{
    struct job *job = &store->job;
    const struct artifact_repository *repository = repository_of(store);
    struct message *message = message_create(KIND_FETCH, sizeof(struct fetch));
    struct fetch *fetch = message->body;
    fetch->url = arena_strdup(&message->arena, url);
    fetch->path = path != NULL ? arena_strdup(&message->arena, path) : NULL;
    fetch->size_bytes_max = size_max;
    fetch->credentials = repository->credentials != NULL ? repository->credentials : "";
    int64_t left_ns = SECONDS(120);
    if (job->request->deadline_ns != 0) left_ns = job->request->deadline_ns - actor_now_ns(self);
    actor_ask_name(self, TO_FETCHER, &message, left_ns > 0 ? left_ns : 1, complete, NULL);
}

static void ask_fetch(struct actor *self, struct artifact_store *store, const char *suffix, const char *path,
                      uint64_t size_max, ask_completion *complete)
{
    const struct job *job = &store->job;
    char url[MAVEN_URL_MAX];
    if (!maven_url(url, repository_of(store)->url, &job->coordinates, maven_classifier(job->classifier),
                   suffix))
        url[0] = '\0';
    ask_url(self, store, url, path, size_max, complete);
}

/* --- the object ---------------------------------------------------------------------------------------- */

static enum status check_hashes(const struct job *job, const struct hashes *hashes, struct error *error)
{
    if (strcmp(hashes->other, job->wanted) != 0)
        return error_set(error, STATUS_CORRUPT,
                         "%s: its %s is %.16s..., not %.16s... as its checksum file says", job->artifact,
                         digest_name(job->kind), hashes->other, job->wanted);
    if (job->pinned[0] != '\0' && strcmp(job->pinned, hashes->sha256) != 0)
        return error_set(error, STATUS_CORRUPT,
                         "%s: it holds other bytes (sha256 %.16s...) than were published", job->artifact,
                         hashes->sha256);
    return maven_check_object(hashes->head, hashes->head_size, error);
}

static void download(struct actor *self, struct artifact_store *store);

/* What was downloaded is not what it should be. */
static void drop_download(struct actor *self, struct artifact_store *store, const struct error *error)
{
    struct job *job = &store->job;
    (void)store->files->remove(store->files->context, job->part, NULL);
    bool again = error->status == STATUS_CORRUPT && !job->began_again;
    job->began_again = true; /* What was continued may have been the wrong half. */
    if (again) {
        download(self, store);
        return;
    }
    note_error(store, error);
    next_candidate(self, store);
}

/* Checked; now it becomes visible under the name of its content. */
static void keep(struct actor *self, struct artifact_store *store)
{
    const struct file_port *files = store->files;
    struct job *job = &store->job;
    struct error error;
    char path[PATH_SIZE];
    cache_path(store, path, job->sha256);
    enum status status = files->protect(files->context, job->part, &error);
    if (status == STATUS_OK) status = files->rename(files->context, job->part, path, &error);
    if (status == STATUS_OK) reply_job(self, store, path, job->sha256, job->size);
    else drop_download(self, store, &error);
}

/* The signature is kept first: what is in the cache then has one. */
static void on_signature(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    (void)context;
    struct artifact_store *store = state;
    struct job *job = &store->job;
    struct error error;
    char path[PATH_SIZE];
    enum status status = result->status;
    if (status == STATUS_NOT_FOUND) {
        status = error_set(&error, STATUS_CORRUPT,
                           "%s has no .sig beside it: this node takes signed artifacts only", job->artifact);
        job->began_again = true; /* The bytes are right: it's no use to fetch them again. */
    } else if (status != STATUS_OK) {
        error = *result->error;
    } else {
        const struct bytes *bytes = result->message->attachment;
        status = artifact_signature_check(&store->options->trust, store->files, job->part, bytes->data,
                                          bytes->size, &error);
        if (status != STATUS_OK) (void)error_wrap(&error, "%s", job->artifact);
        cache_path(store, path, job->sha256);
        if (status == STATUS_OK)
            status = artifact_signature_keep(store->files, path, bytes->data, bytes->size, &error);
    }
    if (status == STATUS_OK) keep(self, store);
    else drop_download(self, store, &error);
}

static void on_downloaded(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    (void)context;
    struct artifact_store *store = state;
    struct job *job = &store->job;
    struct hashes hashes;
    struct error error;
    if (result->status != STATUS_OK) {
        note_error(store, result->error);
        if (is_absent(result)) next_candidate(self, store);
        else next_repository(self, store);
        return;
    }
    enum status status = hash_file(store, job->part, job->kind, &hashes, &error);
    if (status == STATUS_OK) status = check_hashes(job, &hashes, &error);
    if (status != STATUS_OK) {
        drop_download(self, store, &error);
        return;
    }
    memcpy(job->sha256, hashes.sha256, sizeof job->sha256);
    job->size = hashes.size;
    if (store->options->trust.key_count == 0) keep(self, store);
    else ask_fetch(self, store, ".sig", NULL, SIGNATURE_FILE_MAX, on_signature);
}

static void download(struct actor *self, struct artifact_store *store)
{
    struct job *job = &store->job;
    snprintf(job->part, sizeof job->part, "%s/artifacts/tmp/%s.part", store->options->directory, job->wanted);
    ask_fetch(self, store, "", job->part, store->download_bytes_max, on_downloaded);
}

/* --- its checksum -------------------------------------------------------------------------------------- */

static void on_looked(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    (void)context;
    struct artifact_store *store = state;
    struct error error;
    if (!is_absent(result)) {
        const char *weak = repository_of(store)->require_sha256 ? " (.sha512 or .sha256 is required)" : "";
        (void)error_set(&error, STATUS_CORRUPT, "%s has no checksum file beside it%s: refused",
                        store->job.artifact, weak);
        note_error(store, &error);
    }
    next_candidate(self, store);
}

/* No checksum: is the object itself there (then that is the story), or nothing at all? One byte tells. */
static void look_for_object(struct actor *self, struct artifact_store *store)
{
    ask_fetch(self, store, "", NULL, 1, on_looked);
}

static void use_checksum(struct actor *self, struct artifact_store *store)
{
    struct job *job = &store->job;
    struct error error;
    if (job->kind == DIGEST_SHA1)
        log_warn(self, "artifact.weak_checksum", "%s: repository %s has only .sha1 for it", job->artifact,
                 repository_of(store)->id);
    if (job->kind == DIGEST_SHA256) {
        if (job->pinned[0] != '\0' && strcmp(job->pinned, job->wanted) != 0) {
            (void)error_set(&error, STATUS_CORRUPT,
                            "%s: it offers other bytes (sha256 %.16s...) than were published", job->artifact,
                            job->wanted);
            note_error(store, &error);
            next_candidate(self, store);
            return;
        }
        if (serve_cached(self, store, job->wanted)) return;
    }
    download(self, store);
}

static void on_checksum(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    (void)context;
    struct artifact_store *store = state;
    struct job *job = &store->job;
    struct error error;
    if (result->status == STATUS_OK) {
        const struct bytes *bytes = result->message->attachment;
        if (maven_checksum(bytes->data, bytes->size, job->kind, job->wanted)) {
            use_checksum(self, store);
            return;
        }
        (void)error_set(&error, STATUS_CORRUPT, "%s: its .%s file holds no checksum", job->artifact,
                        digest_name(job->kind));
        note_error(store, &error);
        next_candidate(self, store);
        return;
    }
    if (!is_absent(result)) {
        note_error(store, result->error);
        next_repository(self, store);
        return;
    }
    enum digest_kind weakest = repository_of(store)->require_sha256 ? DIGEST_SHA256 : DIGEST_SHA1;
    if (job->kind == weakest) {
        look_for_object(self, store);
        return;
    }
    job->kind--;
    ask_checksum(self, store);
}

static void ask_checksum(struct actor *self, struct artifact_store *store)
{
    char suffix[16];
    snprintf(suffix, sizeof suffix, ".%s", digest_name(store->job.kind));
    ask_fetch(self, store, suffix, NULL, CHECKSUM_FILE_MAX, on_checksum);
}

/* --- which version ------------------------------------------------------------------------------------- */

/* From here on it is this exact version, wherever it is. */
static void look_for(struct actor *self, struct artifact_store *store, const char *version)
{
    struct job *job = &store->job;
    struct coordinates *coordinates = &job->coordinates;
    if (version != coordinates->version)
        (void)text_copy(coordinates->version, sizeof coordinates->version, version);
    snprintf(job->artifact, sizeof job->artifact, "%s:%s:%s", coordinates->group, coordinates->artifact,
             coordinates->version);
    job->repository = 0;
    ask_checksum(self, store);
}

static void ask_metadata(struct actor *self, struct artifact_store *store, ask_completion *complete)
{
    char url[MAVEN_URL_MAX];
    if (!maven_metadata_url(url, repository_of(store)->url, &store->job.coordinates)) url[0] = '\0';
    ask_url(self, store, url, NULL, FETCH_MEMORY_MAX, complete);
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
    return metadata_parse(bytes->data, bytes->size, arena, metadata, error);
}

static void refuse_choice(struct actor *self, struct artifact_store *store, struct error *error)
{
    (void)error_wrap(error, "repository %s", repository_of(store)->id);
    refuse_job(self, store, error);
}

/* A snapshot is dated by the first repository that dates it; by none: it is a file of that very name. */
static void on_snapshot_metadata(struct actor *self, void *state, void *context,
                                 const struct ask_result *result)
{
    (void)context;
    struct artifact_store *store = state;
    struct job *job = &store->job;
    struct arena arena = { 0 };
    struct metadata metadata;
    struct error error;
    char dated[COORDINATES_VERSION_MAX] = "";
    enum status status = read_metadata(result, &arena, &metadata, &error);
    bool found = false;
    for (unsigned i = 0; status == STATUS_OK && !found && maven_classifier(i) != NULL; i++)
        found = version_choice_dated(job->coordinates.version, &metadata, maven_classifier(i), dated);
    arena_fini(&arena);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
        refuse_choice(self, store, &error);
        return;
    }
    if (found || ++job->repository == store->options->repository_count)
        look_for(self, store, found ? dated : job->coordinates.version);
    else ask_metadata(self, store, on_snapshot_metadata);
}

static void look_for_version(struct actor *self, struct artifact_store *store, const char *version)
{
    struct job *job = &store->job;
    job->repository = 0;
    if (!version_is_snapshot(version) || job->request->kind != KIND_ARTIFACT_RESOLVE) {
        look_for(self, store, version);
        return;
    }
    if (version != job->coordinates.version)
        (void)text_copy(job->coordinates.version, sizeof job->coordinates.version, version);
    ask_metadata(self, store, on_snapshot_metadata);
}

/* Each repository is asked, and the highest version wins. One that can't be asked might have had it: then
 * nothing is chosen, rather than something older. */
static void on_metadata(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    (void)context;
    struct artifact_store *store = state;
    struct job *job = &store->job;
    struct arena arena = { 0 };
    struct metadata metadata;
    struct error error;
    enum status status = read_metadata(result, &arena, &metadata, &error);
    if (status == STATUS_OK) version_choice_offer(job->coordinates.version, &metadata, job->best);
    arena_fini(&arena);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
        refuse_choice(self, store, &error);
    } else if (++job->repository < store->options->repository_count) {
        ask_metadata(self, store, on_metadata);
    } else if (job->best[0] != '\0') {
        look_for_version(self, store, job->best);
    } else {
        (void)error_set(&error, STATUS_NOT_FOUND, "no repository lists a version of %s (%u asked)",
                        job->artifact, store->options->repository_count);
        error_hint(&error, "versions are listed in maven-metadata.xml, beside the folders of the versions");
        refuse_job(self, store, &error);
    }
}

static void choose_version(struct actor *self, struct artifact_store *store)
{
    const char *wanted = store->job.coordinates.version;
    if (version_choice_is_open(wanted)) ask_metadata(self, store, on_metadata);
    else look_for_version(self, store, wanted);
}

/* --- jobs ---------------------------------------------------------------------------------------------- */

static bool is_sha256(const char *text)
{
    return strlen(text) == SHA256_TEXT_SIZE - 1 && strspn(text, "0123456789abcdef") == SHA256_TEXT_SIZE - 1;
}

/* Takes the request. */
static void begin_job(struct actor *self, struct artifact_store *store, struct message **request)
{
    struct job *job = &store->job;
    struct error error;
    *job = (struct job){ .request = *request, .kind = DIGEST_SHA512, .pinned = "" };
    *request = NULL;
    bool fetches = job->request->kind == KIND_ARTIFACT_FETCH;
    const struct artifact_fetch *fetch = job->request->body;
    const struct artifact_resolve *resolve = job->request->body;
    if (fetches) job->pinned = fetch->sha256;
    const char *artifact = fetches ? fetch->artifact : resolve->artifact;
    (void)text_copy(job->artifact, sizeof job->artifact, artifact);
    enum status status = coordinates_parse(artifact, fetches ? COORDINATES_EXACT : COORDINATES_WANTED,
                                           &job->coordinates, &error);
    if (status == STATUS_OK && job->pinned[0] != '\0' && !is_sha256(job->pinned))
        status = error_set(&error, STATUS_INVALID, "%s: not a SHA-256", job->artifact);
    if (status == STATUS_OK && store->options->repository_count == 0)
        status = error_set(&error, STATUS_NOT_FOUND, "no repository is configured that could have %s",
                           job->artifact);
    bool cached =
        status != STATUS_INVALID && job->pinned[0] != '\0' && serve_cached(self, store, job->pinned);
    if (cached) return;
    if (status != STATUS_OK) refuse_job(self, store, &error);
    else choose_version(self, store);
}

static void on_request(struct actor *self, void *state, const struct message *message)
{
    struct artifact_store *store = state;
    if (store->waiting_count == JOBS_MAX) {
        actor_refuse(self, message, STATUS_OVERLOADED);
        return;
    }
    struct message *request = actor_keep(self);
    if (store->job.request == NULL && store->waiting_count == 0) {
        begin_job(self, store, &request);
        return;
    }
    store->waiting[(store->waiting_first + store->waiting_count++) % JOBS_MAX] = request;
}

static void on_next(struct actor *self, void *state, const struct message *message)
{
    (void)message;
    struct artifact_store *store = state;
    while (store->job.request == NULL && store->waiting_count > 0) {
        struct message *request = store->waiting[store->waiting_first];
        store->waiting_first = (store->waiting_first + 1) % JOBS_MAX;
        store->waiting_count--;
        if (actor_refuse_if_late(self, request)) message_destroy(&request);
        else begin_job(self, store, &request);
    }
}

/* --- life ---------------------------------------------------------------------------------------------- */

static enum status artifact_store_init(struct actor *self, void *state, const void *options,
                                       struct error *error)
{
    (void)self;
    struct artifact_store *store = state;
    char path[PATH_SIZE];
    store->options = options;
    store->files = store->options->files;
    store->download_bytes_max = store->options->download_bytes_max;
    if (store->download_bytes_max == 0) store->download_bytes_max = DOWNLOAD_BYTES_MAX;
    if (strlen(store->options->directory) > PATH_SIZE - 256)
        return error_set(error, STATUS_INVALID, "the data directory's name is too long");
    snprintf(path, sizeof path, "%s/artifacts/tmp", store->options->directory);
    return store->files->make_folder(store->files->context, path, error);
}

static void artifact_store_fini(void *state)
{
    struct artifact_store *store = state;
    message_destroy(&store->job.request);
    for (; store->waiting_count > 0; store->waiting_count--) {
        message_destroy(&store->waiting[store->waiting_first]);
        store->waiting_first = (store->waiting_first + 1) % JOBS_MAX;
    }
}

static const struct behavior_row rows[] = {
    { KIND_ARTIFACT_RESOLVE, on_request },
    { KIND_ARTIFACT_FETCH, on_request },
    { KIND_SLICE_SWEEP, on_next },
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
