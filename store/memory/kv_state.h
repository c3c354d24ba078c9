/* kv_state: what the files behind store/kv.h share: the state, and a transaction on it. */
#ifndef AETHER_STORE_MEMORY_KV_STATE_H
#define AETHER_STORE_MEMORY_KV_STATE_H

#include "store/memory/kv_history.h"
#include "store/memory/kv_sessions.h"
#include "store/memory/kv_snapshot.h"
#include "store/memory/kv_view.h"

/* What changed since the last kv_copy_take, in the order in which it did: references to the version that was
 * put, or to the one that a delete took away. A key may be there more than once. */
struct kv_dirty {
    struct kv_item **items;
    uint32_t count;
    uint32_t room;
};

struct kv {
    const struct kv_rules *rules;
    struct log_position applied;
    struct log_position copied; /* Where the last kv_copy_take ended. */
    struct tree records;        /* key -> kv_item */
    struct tree leased;         /* lease, 0x01, key -> any: who goes when a lease ends. */
    struct kv_dirty dirty;
    struct record_hash hash; /* Of the records; the sessions keep their own. */
    struct kv_sessions sessions;
    struct kv_history history;
    struct arena outcome;                            /* What the last kv_apply handed out. */
    struct kv_snapshot *snapshots[KV_SNAPSHOTS_MAX]; /* Walks under way; NULL: a free place. */
};

/* What the transaction changed lies over the records until it ends well. */
struct kv_txn {
    struct kv *kv;
    const struct kv_context *context;
    struct kv_view view;
    bool oversized; /* A rule put what exceeds the limits: the command fails. */
};

void kv_txn_begin(struct kv_txn *txn, struct kv *kv, const struct kv_context *context);
/* Makes it so; the changes stay in the history. NULL and 0: there were none. */
const struct kv_change *kv_txn_commit(struct kv_txn *txn, uint32_t *out_count);
void kv_txn_abort(struct kv_txn *txn);
/* The keys under the prefix as they are now, in the outcome's arena, at most `limit`. Returns how many. */
uint32_t kv_txn_keys(struct kv_txn *txn, const char *prefix, uint32_t limit, const char ***out_keys);

/* Replaces or removes (item NULL) one record, and keeps the hash. Takes item. place: where it stands, if that
 * is known; else NULL. */
void kv_place(struct kv *kv, const char *key, struct tree_node *place, struct kv_item *item);

void kv_dirty_add(struct kv_dirty *dirty, struct kv_item *item); /* Takes a reference of its own. */
void kv_dirty_fini(struct kv_dirty *dirty);

#endif
