/* reply_cache: see the header. The answers of an artifact stand in a list by age; what is too old goes when
 * somebody asks. */
#include "actors/slice/reply_cache.h"

#include "runtime/base/check.h"
#include "runtime/base/hash.h"
#include "runtime/base/memory.h"

#include <stdio.h>
#include <string.h>

enum { NAME_SIZE = 64 + 1 + REPLY_CACHE_KEY_MAX };

struct slice_replies {
    char *artifact;
    struct map by_name;        /* -> struct kept_reply *, owned. */
    struct kept_reply *oldest; /* Of those kept. */
    struct kept_reply *newest;
    size_t bytes;
};

static size_t cost_of(const struct kept_reply *reply)
{
    return sizeof(*reply) + strlen(reply->name) + (reply->payload == NULL ? 0 : reply->payload->size);
}

static void unlink_kept(struct slice_replies *slice, struct kept_reply *reply)
{
    if (reply->run != 0) return; /* Not kept yet. */
    if (reply->older != NULL) reply->older->newer = reply->newer;
    else slice->oldest = reply->newer;
    if (reply->newer != NULL) reply->newer->older = reply->older;
    else slice->newest = reply->older;
    slice->bytes -= cost_of(reply);
}

static void reply_destroy(struct kept_reply *reply)
{
    struct slice_replies *slice = reply->slice;
    unlink_kept(slice, reply);
    (void)map_remove(&slice->by_name, reply->name);
    bytes_unref(&reply->payload);
    memory_free(reply->name);
    memory_free(reply);
}

static void slice_destroy(struct slice_replies *slice)
{
    const char *name = NULL;
    void *reply = NULL;
    for (size_t i = 0; map_next(&slice->by_name, &i, &name, &reply);)
        reply_destroy(reply);
    map_fini(&slice->by_name);
    memory_free(slice->artifact);
    memory_free(slice);
}

void reply_cache_fini(struct reply_cache *cache)
{
    const char *artifact = NULL;
    void *slice = NULL;
    for (size_t i = 0; map_next(&cache->slices, &i, &artifact, &slice);)
        slice_destroy(slice);
    map_fini(&cache->slices);
}

/* Of every artifact: those that nobody calls any more have nobody else who looks. */
static void expire(struct reply_cache *cache, int64_t now_ns)
{
    const char *artifact = NULL;
    void *value = NULL;
    for (size_t i = 0; map_next(&cache->slices, &i, &artifact, &value);) {
        struct slice_replies *slice = value;
        while (slice->oldest != NULL && now_ns - slice->oldest->kept_ns >= REPLY_CACHE_KEEP_NS)
            reply_destroy(slice->oldest);
        if (slice->by_name.count > 0) continue;
        (void)map_remove(&cache->slices, artifact);
        slice_destroy(slice);
    }
}

static struct slice_replies *slice_of(struct reply_cache *cache, const char *artifact)
{
    struct slice_replies *slice = map_get(&cache->slices, artifact);
    if (slice != NULL) return slice;
    slice = memory_zalloc(sizeof(*slice));
    slice->artifact = memory_strdup(artifact);
    (void)map_put(&cache->slices, artifact, slice);
    return slice;
}

static void digest(uint64_t out[2], const struct bytes *payload)
{
    const void *data = payload == NULL ? "" : (const void *)payload->data;
    size_t size = payload == NULL ? 0 : payload->size;
    out[0] = hash64(data, size, 1);
    out[1] = hash64_mix(hash64(data, size, 2), size);
}

enum reply_found reply_cache_ask(struct reply_cache *cache, const char *artifact, const char *entry,
                                 const char *key, const struct bytes *payload, uint64_t run, int64_t now_ns,
                                 struct kept_reply **out_reply)
{
    char name[NAME_SIZE];
    uint64_t asked[2];
    CHECK(run != 0);
    expire(cache, now_ns);
    digest(asked, payload);
    struct slice_replies *slice = slice_of(cache, artifact);
    (void)snprintf(name, sizeof(name), "%s/%s", entry, key);
    struct kept_reply *reply = map_get(&slice->by_name, name);
    *out_reply = reply;
    if (reply != NULL) {
        if (reply->digest[0] != asked[0] || reply->digest[1] != asked[1]) return REPLY_OTHER;
        return reply->run != 0 ? REPLY_RUNS : REPLY_KEPT;
    }
    if (slice->by_name.count >= REPLY_CACHE_KEYS_MAX) {
        if (slice->oldest == NULL) return REPLY_FULL;
        reply_destroy(slice->oldest);
    }
    reply = memory_zalloc(sizeof(*reply));
    reply->slice = slice;
    reply->name = memory_strdup(name);
    reply->run = run;
    memcpy(reply->digest, asked, sizeof(asked));
    (void)map_put(&slice->by_name, name, reply);
    *out_reply = reply;
    return REPLY_NEW;
}

void reply_cache_keep(struct reply_cache *cache, struct kept_reply *reply, const struct error *error,
                      struct bytes *payload, int64_t now_ns)
{
    struct slice_replies *slice = reply->slice;
    (void)cache;
    CHECK(reply->run != 0);
    reply->run = 0;
    reply->error = *error;
    reply->payload = bytes_ref(payload);
    reply->kept_ns = now_ns;
    reply->older = slice->newest;
    if (slice->newest != NULL) slice->newest->newer = reply;
    else slice->oldest = reply;
    slice->newest = reply;
    slice->bytes += cost_of(reply);
    while (slice->bytes > REPLY_CACHE_BYTES_MAX && slice->oldest != reply)
        reply_destroy(slice->oldest);
}

void reply_cache_forget(struct reply_cache *cache, struct kept_reply *reply)
{
    struct slice_replies *slice = reply->slice;
    reply_destroy(reply);
    if (slice->by_name.count > 0) return;
    (void)map_remove(&cache->slices, slice->artifact);
    slice_destroy(slice);
}
