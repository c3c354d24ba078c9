/* reply_cache: what calls with an idempotency key were answered on this node, so that a repeated one hears
 * the same answer instead of running again; and which of them run now. Kept for each exact artifact apart, so
 * that no slice's callers push out another's. Pure. Lost with its node, and forgotten after
 * REPLY_CACHE_KEEP_NS: a key promises nothing beyond (docs/domains/slice.md). A zeroed cache is empty and
 * valid. */
#ifndef AETHER_ACTORS_SLICE_REPLY_CACHE_H
#define AETHER_ACTORS_SLICE_REPLY_CACHE_H

#include "runtime/base/bytes.h"
#include "runtime/base/error.h"
#include "runtime/base/map.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    REPLY_CACHE_KEYS_MAX = 1024,             /* Of one artifact, those that run included. */
    REPLY_CACHE_BYTES_MAX = 8 * 1024 * 1024, /* Of one artifact's kept answers. */
    REPLY_CACHE_KEY_MAX = 256,               /* With the terminating 0. */
    REPLY_CACHE_KEEP_S = 300,
};
#define REPLY_CACHE_KEEP_NS (INT64_C(1000000000) * REPLY_CACHE_KEEP_S)

struct reply_cache {
    struct map slices; /* Exact artifact -> struct slice_replies * */
};

struct kept_reply { /* Private, but for reading. */
    struct slice_replies *slice;
    char *name; /* entry/key */
    struct kept_reply *older;
    struct kept_reply *newer;
    uint64_t digest[2]; /* Of the payload that it was asked with. */
    uint64_t run;       /* Not 0: it runs, as this call. */
    struct error error; /* How it ended: status OK, or a refusal. */
    struct bytes *payload;
    int64_t kept_ns;
};

enum reply_found {
    REPLY_NEW,   /* Nothing is known of the key: *out_reply is its new place, and runs as `run`. */
    REPLY_RUNS,  /* *out_reply->run is the call that was first. */
    REPLY_KEPT,  /* *out_reply says how it ended. */
    REPLY_OTHER, /* The key belongs to another payload. */
    REPLY_FULL,  /* Too many run. */
};

void reply_cache_fini(struct reply_cache *cache);
/* `payload` may be NULL. */
enum reply_found reply_cache_ask(struct reply_cache *cache, const char *artifact, const char *entry,
                                 const char *key, const struct bytes *payload, uint64_t run, int64_t now_ns,
                                 struct kept_reply **out_reply);
/* It ended, and is kept; makes room among the oldest. `payload` may be NULL, another reference is taken. */
void reply_cache_keep(struct reply_cache *cache, struct kept_reply *reply, const struct error *error,
                      struct bytes *payload, int64_t now_ns);
/* It ended so that its key may run again. */
void reply_cache_forget(struct reply_cache *cache, struct kept_reply *reply);

#endif
