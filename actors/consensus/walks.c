/* walks: an owner is monitored by the state actor, so a walk never outlives whoever wants it. */
#include "actors/consensus/walks.h"

#include "actors/consensus/messages.h"
#include "actors/consensus/snapshot_messages.h"
#include "wire/kinds.h"

static struct walk *find(struct walks *walks, struct actor_id owner, uint64_t id)
{
    for (uint32_t i = 0; i < KV_SNAPSHOTS_MAX; i++) {
        struct walk *walk = &walks->items[i];
        if (walk->snapshot != NULL && walk->id == id && actor_id_equal(walk->owner, owner)) return walk;
    }
    return NULL;
}

static void drop(struct walk *walk)
{
    kv_snapshot_end(&walk->snapshot);
    snapshot_chunk_fini(&walk->chunk);
    *walk = (struct walk){ 0 };
}

/* false: no room for another one. */
static bool monitor(struct actor *self, struct walks *walks, struct actor_id owner)
{
    for (uint32_t i = 0; i < walks->owner_count; i++) {
        if (actor_id_equal(walks->owners[i], owner)) return true;
    }
    if (walks->owner_count == KV_SNAPSHOTS_MAX) return false;
    walks->owners[walks->owner_count++] = owner;
    actor_monitor(self, owner);
    return true;
}

static struct walk *free_place(struct walks *walks)
{
    for (uint32_t i = 0; i < KV_SNAPSHOTS_MAX; i++) {
        if (walks->items[i].snapshot == NULL) return &walks->items[i];
    }
    return NULL;
}

void walks_begin(struct actor *self, struct walks *walks, struct kv *kv,
                 const struct configuration *configuration, log_index configuration_index,
                 const struct message *request)
{
    uint64_t id = ((const struct snapshot_begin *)request->body)->id;
    walks_end(walks, request->sender, id);
    struct walk *walk = monitor(self, walks, request->sender) ? free_place(walks) : NULL;
    struct kv_snapshot *snapshot = walk == NULL ? NULL : kv_snapshot_begin(kv, walks->side_bytes_max);
    if (snapshot == NULL) {
        actor_refuse(self, request, STATUS_OVERLOADED);
        return;
    }
    *walk = (struct walk){ .owner = request->sender, .id = id, .snapshot = snapshot };
    walk->chunk.full_bytes = walks->chunk_bytes;
    struct message *reply = messages_create(KIND_SNAPSHOT_BEGUN, sizeof(struct snapshot_header));
    struct snapshot_header *header = reply->body;
    header->id = id;
    header->position = kv_snapshot_position(snapshot);
    kv_snapshot_hash(snapshot, header->state_hash);
    header->configuration_index = configuration_index;
    header->configuration = *configuration;
    actor_reply(self, request, &reply);
}

void walks_next(struct actor *self, struct walks *walks, const struct message *request)
{
    struct walk *walk = find(walks, request->sender, ((const struct snapshot_next *)request->body)->id);
    enum status status = walk == NULL ? STATUS_NOT_FOUND : kv_snapshot_fill(walk->snapshot, &walk->chunk);
    if (status != STATUS_OK) {
        if (walk != NULL) drop(walk);
        actor_refuse(self, request, status);
        return;
    }
    struct message *reply = messages_create(KIND_SNAPSHOT_PART, sizeof(struct snapshot_part));
    struct snapshot_part *part = reply->body;
    part->done = kv_snapshot_is_done(walk->snapshot);
    if (snapshot_chunk_is_full(&walk->chunk) || (part->done && walk->chunk.record_count > 0)) {
        part->record_count = walk->chunk.record_count;
        struct bytes *block = snapshot_chunk_block(&walk->chunk);
        message_attach(reply, &block);
    }
    if (part->done) drop(walk);
    actor_reply(self, request, &reply);
}

void walks_end(struct walks *walks, struct actor_id owner, uint64_t id)
{
    struct walk *walk = find(walks, owner, id);
    if (walk != NULL) drop(walk);
}

void walks_forget(struct walks *walks, struct actor_id owner)
{
    for (uint32_t i = 0; i < KV_SNAPSHOTS_MAX; i++) {
        struct walk *walk = &walks->items[i];
        if (walk->snapshot != NULL && actor_id_equal(walk->owner, owner)) drop(walk);
    }
    uint32_t left = 0;
    for (uint32_t i = 0; i < walks->owner_count; i++) {
        if (!actor_id_equal(walks->owners[i], owner)) walks->owners[left++] = walks->owners[i];
    }
    walks->owner_count = left;
}

void walks_end_all(struct walks *walks)
{
    for (uint32_t i = 0; i < KV_SNAPSHOTS_MAX; i++) {
        if (walks->items[i].snapshot != NULL) drop(&walks->items[i]);
    }
}
