/* watches: who follows which keys: actors of this node by a stream (STATE_WATCH), people and programs by a
 * long poll (KV_WATCH_REQUEST). A part of the state actor. A6: from applied revisions only, in order, each
 * once, none missing, no revision split. */
#ifndef AETHER_ACTORS_CONSENSUS_WATCHES_H
#define AETHER_ACTORS_CONSENSUS_WATCHES_H

#include "runtime/actor.h"
#include "store/kv.h"

enum {
    WATCHES_MAX = 256,
    POLLS_MAX = 1024,
    POLL_EVENTS_DEFAULT = 1000,
    POLL_BYTES_MAX = KV_SCAN_BYTES_MAX,       /* Of several revisions in one answer. */
    POLL_REVISION_BYTES_MAX = 7 * 512 * 1024, /* Of one: what surely fits into a frame. */
};

struct watch {
    struct actor_id watcher;
    uint64_t id;
    char *prefix;
    uint64_t next; /* The first revision not yet sent; 0: the snapshot is still owed. */
    bool behind;   /* Something it should have was not sent yet: served by the sweep. */
};

struct poll {
    struct message *request; /* KV_WATCH_REQUEST; ours. */
    uint64_t next;           /* Nothing below it concerns this poll any more. */
    int64_t end_ns;          /* Answered then, with or without events. */
};

/* All zeroes: nobody watches. */
struct watches {
    struct watch streams[WATCHES_MAX];
    uint32_t stream_count;
    struct poll polls[POLLS_MAX];
    uint32_t poll_count;
    bool held; /* Nobody is told anything for now. */
};

void watches_stop(struct actor *self, const struct watches *watches); /* Refuses the polls. */
void watches_fini(struct watches *watches);
/* STATE_WATCH of the current message; replaces the sender's watch of the same id. */
void watches_add(struct actor *self, struct watches *watches, const struct kv *kv,
                 const struct message *request);
void watches_remove(struct watches *watches, struct actor_id watcher, uint64_t id);
void watches_forget(struct watches *watches, struct actor_id watcher); /* It has ended: all of its. */
/* Was something not sent yet that `asker`, or whoever it asks next, should have? Of its own streams; of all
 * where it has none. */
bool watches_lag(const struct watches *watches, struct actor_id asker);
bool watches_knows(const struct watches *watches, struct actor_id watcher);
/* One applied revision that changed something. */
void watches_on_applied(struct actor *self, struct watches *watches, uint64_t revision,
                        const struct kv_change *changes, uint32_t change_count);
/* KV_WATCH_REQUEST, the current message: answered at once, or kept. */
void watches_poll(struct actor *self, struct watches *watches, const struct kv *kv,
                  const struct message *request);
/* After new revisions, and now and then: answers polls, and sends what watchers with full mailboxes missed.
 */
void watches_sweep(struct actor *self, struct watches *watches, const struct kv *kv);
void watches_hold(struct watches *watches, bool held);
/* The state was replaced (N6): the next sweep sends each stream all of it, and tells polls what is compacted.
 */
void watches_start_over(struct watches *watches);
bool watches_need_sweep(const struct watches *watches);

#endif
