/* kv: the state that the log builds, in memory (store/memory implements it): records with revisions,
 * sessions, history. Deterministic: the same entries give the same state and hash on every replica (A2).
 * Belongs to the state actor; not thread-safe.
 *
 * Rules between keys are not here: kv calls a table of rules (store/schema/rules.h) for each operation, which
 * reads and changes the transaction's staged view. A transaction that ends in an error changes nothing. */
#ifndef AETHER_STORE_KV_H
#define AETHER_STORE_KV_H

#include "runtime/base/error.h"
#include "store/raft/entry.h"
#include "wire/proto/store.pb-c.h"

#include <stdbool.h>

enum { KV_KEY_MAX = 480, KV_VALUE_MAX = 512 * 1024, KV_DELETE_PREFIX_MAX = 10000, KV_OPERATIONS_MAX = 128 };

struct kv_record { /* Borrowed until the next change of the state. */
    const char *key;
    const uint8_t *value;
    size_t value_size;
    uint64_t create_revision;
    uint64_t revision; /* Of the last change = its log index. */
    uint64_t version;  /* 1 at creation, +1 each change. */
    uint64_t term;     /* Of the entry that changed it last. */
    const char *lease; /* "" = none. */
};

/* --- the staged view that rules work on --------------------------------------------------------------- */
struct kv_txn;

struct kv_context {    /* Of the entry being applied. */
    uint64_t revision; /* = log index */
    uint64_t term;
    uint64_t stamp_ms; /* For `timestamp` fields. */
    const Pb__Command *command;
};

/* NULL: no such key. Sees what this transaction already changed. Borrowed until the next put or delete. */
const struct kv_record *kv_txn_get(struct kv_txn *txn, const char *key);
void kv_txn_put(struct kv_txn *txn, const char *key, const void *value, size_t size, const char *lease);
bool kv_txn_delete(struct kv_txn *txn, const char *key); /* false: was absent. */
/* In key order, over a view taken at the call: visit may put and delete. visit returns false to stop. */
void kv_txn_scan(struct kv_txn *txn, const char *prefix,
                 bool (*visit)(void *context, const struct kv_record *record), void *context);

struct kv_rules {
    /* A plain put or delete that the command asked for: do it by kv_txn_put/_delete, with whatever follows
     * from it in the same entry, or refuse (INVALID, DENIED, CONFLICT with a message that names the rule). */
    enum status (*put)(struct kv_txn *txn, const struct kv_context *context, const Pb__OpPut *put,
                       struct error *error);
    enum status (*delete_key)(struct kv_txn *txn, const struct kv_context *context, const char *key,
                              struct error *error);
    /* Every other operation but sessions: leases, nodes, presence, events, slice facts. */
    enum status (*operation)(struct kv_txn *txn, const struct kv_context *context,
                             const Pb__Operation *operation, Pb__OperationResult *out_result,
                             struct error *error);
    /* An entry without operations: a new leader's no-op (A3 counts them). May be NULL. */
    void (*no_op)(struct kv_txn *txn, const struct kv_context *context);
};

#endif
