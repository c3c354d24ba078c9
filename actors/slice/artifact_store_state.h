/* artifact_store_state: what the files of the artifact_store actor share. artifact_store.c has the actor and
 * the queue, artifact_search.c looks an artifact up and fetches it, artifact_upload.c takes what is pushed,
 * artifact_copy.c gives to and takes from other nodes. */
#ifndef AETHER_ACTORS_SLICE_ARTIFACT_STORE_STATE_H
#define AETHER_ACTORS_SLICE_ARTIFACT_STORE_STATE_H

#include "actors/slice/artifact_cache.h"
#include "actors/slice/artifact_messages.h"
#include "actors/slice/artifact_store.h"
#include "store/schema/artifact.h"
#include "store/schema/coordinates.h"

enum {
    ARTIFACT_WAITING_MAX = 256,
    ARTIFACT_SEARCHES_MAX = 4,
    ARTIFACT_UPLOADS_MAX = 32,
    ARTIFACT_TRANSFERS_MAX = 32,
    ARTIFACT_SOURCES_MAX = 16,
    ARTIFACT_ASKERS_MAX = 16,
};

struct artifact_store;

/* When was last told how far something is (KIND_INSTANCE_PROGRESS). */
struct artifact_pace {
    int64_t told_ns;
    uint64_t told_tenth;
};

struct artifact_search {
    struct artifact_store *store;
    struct message *request;             /* Kept; NULL: a free place. */
    char artifact[COORDINATES_TEXT_MAX]; /* As asked for, then as chosen. */
    const char *pinned;                  /* In the request: the SHA-256 it must have; "" = any. */
    struct coordinates coordinates;
    char best[COORDINATES_VERSION_MAX]; /* While a version is chosen; "" = none yet. */
    /* What the cluster itself keeps for it; version "" = nothing. */
    struct {
        char version[COORDINATES_VERSION_MAX];
        char sha256[SHA256_TEXT_SIZE];
        uint64_t size_bytes;
    } ours;
    uint32_t repository;
    unsigned classifier;
    enum digest_kind kind;        /* Of the checksum file we ask for, then of `wanted`. */
    char wanted[DIGEST_TEXT_MAX]; /* What the repository says. */
    char part[ARTIFACT_PATH_SIZE];
    char sha256[DIGEST_TEXT_MAX]; /* What was found in the download. */
    uint64_t size;
    bool downloading; /* It writes `part`; */
    bool held_back;   /* or another one does, and it waits. */
    bool began_again; /* A continued download was wrong once. */
    bool asked_all;   /* Every node was asked, at last. */
    struct artifact_pace pace;
    struct error error; /* The most telling one so far; OK = only "not found". */
};

struct artifact_upload {
    char sha256[SHA256_TEXT_SIZE]; /* "" = a free place. */
    uint64_t size_bytes;
    uint64_t offset; /* So much is here. */
    int64_t used_ns;
};

/* One content on its way from another node. It has one ask under way as long as it lives. */
struct artifact_transfer {
    struct artifact_store *store;
    char sha256[SHA256_TEXT_SIZE]; /* "" = a free place. */
    char artifact[ARTIFACT_NAME_MAX];
    char signature[ARTIFACT_SIGNATURE_SIZE];
    char sources[ARTIFACT_SOURCES_MAX][64];
    uint32_t source_count;
    uint32_t source;
    uint64_t size_bytes; /* 0: not told yet. */
    uint64_t offset;
    uint64_t reserved_bytes;
    bool continued; /* It began with what was left of a former one, or with another source's bytes. */
    struct message *askers[ARTIFACT_ASKERS_MAX]; /* Kept. */
    uint32_t asker_count;
    struct artifact_pace pace;
    struct error error; /* The last source's. */
};

struct artifact_store {
    const struct artifact_store_options *options;
    const struct file_port *files;
    uint64_t download_bytes_max;
    struct artifact_cache cache;
    struct artifact_search searches[ARTIFACT_SEARCHES_MAX];
    struct message *waiting[ARTIFACT_WAITING_MAX]; /* In the order in which they came. */
    uint32_t waiting_count;
    struct artifact_upload uploads[ARTIFACT_UPLOADS_MAX];
    struct artifact_transfer transfers[ARTIFACT_TRANSFERS_MAX];
};

/* --- artifact_store.c ----------------------------------------------------------------------------------- */

/* Whole and good (hashed, and signed where there are keys): OK, and the path. */
enum status artifact_store_find(struct actor *self, struct artifact_store *store, const char *sha256,
                                char path[ARTIFACT_PATH_SIZE], uint64_t *out_size, struct error *error);
/* All bytes are in `part`: hashes, checks and keeps them, or removes them. `signature` may be "". */
enum status artifact_store_admit(struct artifact_store *store, const char *part, const char *sha256,
                                 uint64_t size, const char *signature, struct error *error);
/* Appends to a file in tmp/, and syncs it when it is `whole`. */
enum status artifact_store_append(struct artifact_store *store, const char *part, const void *data,
                                  size_t size, bool whole, struct error *error);
/* Tells the node's manager, where it is time to. */
void artifact_store_tell_progress(struct actor *self, struct artifact_pace *pace, const char *artifact,
                                  uint64_t done, uint64_t total);
/* A search ended: the next one may begin. By a timer, so that it doesn't run under this one's deadline. */
void artifact_store_go_on(struct actor *self, const struct artifact_store *store);

/* --- artifact_search.c ---------------------------------------------------------------------------------- */

void artifact_search_begin(struct actor *self, struct artifact_search *search, struct message **request);
/* Answers from the cache what names its bytes; true: done. */
bool artifact_search_serve(struct actor *self, struct artifact_store *store, const struct message *request);
void artifact_search_on_progress(struct actor *self, void *state, const struct message *message);

/* --- artifact_upload.c, artifact_copy.c: handlers ------------------------------------------------------- */

void artifact_upload_on_receive(struct actor *self, void *state, const struct message *message);
void artifact_copy_on_request(struct actor *self, void *state, const struct message *message);
void artifact_copy_on_piece_request(struct actor *self, void *state, const struct message *message);
void artifact_copy_fini(struct artifact_store *store);

#endif
