/* artifact_store: fetches artifacts from the cluster's own store and from repositories, checks them, and
 * keeps them by content; gives other nodes what it has. Answers KIND_ARTIFACT_RESOLVE and KIND_ARTIFACT_FETCH
 * (messages.h), KIND_ARTIFACT_RECEIVE and _PINS (artifact_messages.h), and what other nodes ask
 * (wire/proto/artifact.proto). TO_ARTIFACT_STORE; downloads through TO_FETCHER, asks TO_ARTIFACT_KEEPER;
 * options: struct artifact_store_options. */
#ifndef AETHER_ACTORS_SLICE_ARTIFACT_STORE_H
#define AETHER_ACTORS_SLICE_ARTIFACT_STORE_H

#include "actors/slice/artifact_signature.h"
#include "runtime/actor.h"
#include "runtime/port/file.h"

struct artifact_repository {
    const char *id;          /* For people. */
    const char *url;         /* https:, http: or file: */
    const char *credentials; /* As struct fetch's; NULL = none. */
    bool require_sha256;     /* A file that has only .sha1 is refused. */
};

struct artifact_store_options { /* Lives as long as the node. */
    const struct file_port *files;
    const char *directory;                          /* The node's data; the cache is artifacts/ below it. */
    const struct artifact_repository *repositories; /* In the order in which they are asked. */
    uint32_t repository_count;
    uint64_t download_bytes_max; /* Of one artifact; 0 = 256 MiB. */
    uint64_t cache_bytes_max;    /* Of all that is kept; 0 = 4 GiB. */
    struct artifact_trust
        trust; /* With keys: what has no .sig of one of them is refused, from the cache too. */
};

extern const struct behavior artifact_store_behavior;

#endif
