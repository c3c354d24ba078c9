/* kv: the state that the log builds, in memory (store/memory implements it): records with revisions,
 * sessions, history. Deterministic: the same entries give the same state and hash on every replica (A2).
 * Belongs to the state actor; not thread-safe.
 *
 * Rules between keys are not here: kv calls a table of rules (store/schema/rules.h) for each operation, which
 * reads and changes the transaction's staged view. A transaction that ends in an error changes nothing. */
#ifndef AETHER_STORE_KV_H
#define AETHER_STORE_KV_H

#include "runtime/base/arena.h"
#include "runtime/base/error.h"
#include "store/log.h"
#include "store/raft/entry.h"
#include "wire/proto/store.pb-c.h"

#include <stdbool.h>

enum {
    KV_KEY_MAX = 480, /* Bytes, without the terminating 0. */
    KV_VALUE_MAX = 512 * 1024,
    KV_DELETE_PREFIX_MAX = 10000,
    KV_OPERATIONS_MAX = 128, /* Of one list, and so are compares. */
    KV_SESSIONS_MAX = 4096,  /* One more drops the one used longest ago, by log order (A4). */
    KV_CLIENT_NAME_MAX = 256,
    KV_SCAN_LIMIT = 1000,
    KV_SCAN_BYTES_MAX = 2 * 1024 * 1024,
    KV_HISTORY_REVISIONS_MAX = 10000,
    KV_HISTORY_BYTES_MAX = 64 * 1024 * 1024,
};

struct kv_record { /* Borrowed until the next change of the state. */
    const char *key;
    const uint8_t *value;
    size_t value_size;
    uint64_t create_revision;
    uint64_t revision; /* Of the last change = its log index. */
    uint64_t version;  /* 1 at creation, +1 each entry that changes it. */
    uint64_t term;     /* Of the entry that changed it last. */
    const char *lease; /* "" = none. */
};

/* --- the state actor's side ------------------------------------------------------------------------------
 */
struct kv;
struct kv_rules;

struct kv *kv_create(const struct kv_rules *rules);
void kv_destroy(struct kv **kv);
struct log_position kv_applied(const struct kv *kv); /* Of the last entry given to kv_apply or loaded. */

const struct kv_record *kv_get(const struct kv *kv, const char *key); /* NULL: no such key. */

struct kv_range {
    const char *key; /* One key, the prefix, or the start of [key, range_end). */
    bool prefix;
    const char *range_end;   /* NULL or "": none. */
    const char *start_after; /* NULL or "": from the start; else the last key seen (paging). */
    uint32_t limit;          /* 0 = KV_SCAN_LIMIT, which is also the most. */
    uint64_t at;             /* As of this revision; 0 = now. */
};
typedef bool kv_visit(void *context, const struct kv_record *record); /* false: stop. */
/* In key order. Ends early, with *out_more, at the limit or at KV_SCAN_BYTES_MAX of values (at least one
 * record). NOT_FOUND: `at` is compacted (older than the history); INVALID: `at` is not applied here yet. */
MUST_CHECK enum status kv_scan(const struct kv *kv, const struct kv_range *range, kv_visit *visit,
                               void *context, bool *out_more, struct error *error);

struct kv_change {
    const char *key;
    const struct kv_record *previous; /* NULL: created. */
    const struct kv_record *record;   /* NULL: deleted. */
};
struct kv_outcome { /* Borrowed until the next kv_apply. */
    /* NULL unless the entry is a command. A payload that is no command is INVALID and changes nothing. */
    const Pb__ProposeReply *reply;
    bool repeated; /* The session had it before: this is the recorded reply, nothing was executed (A4). */
    const struct kv_change *changes; /* In key order; each key once. */
    uint32_t change_count;
};
/* Every committed entry, in order, each once (R9): CHECKs that it follows the last one. */
void kv_apply(struct kv *kv, const struct raft_entry *entry, struct kv_outcome *out_outcome);

/* History: every change of every revision >= first is kept; older ones are compacted (D7). first is 1 until
 * something was dropped. */
uint64_t kv_history_first(const struct kv *kv);
/* One call for each revision >= from that changed something, in order; visit returns false to stop. false,
 * without a call: `from` is compacted. */
bool kv_history(const struct kv *kv, uint64_t from,
                bool (*visit)(void *context, uint64_t revision, const struct kv_change *changes,
                              uint32_t change_count),
                void *context);

/* D2: sum mod 2^128 over all records and sessions, little-endian. _scan computes it anew from all of them. */
void kv_state_hash(const struct kv *kv, uint8_t out_hash[16]);
void kv_state_hash_scan(const struct kv *kv, uint8_t out_hash[16]);

/* What changed since the last take, as of now, for log_batch's copy fields: records, sessions and history in
 * one step (D3). Memory is the arena's. false: nothing was applied since. A failed write ends the process, so
 * taking counts as copied. */
struct kv_copy {
    uint32_t generation; /* 0 of a take; its owner knows which one it loaded (N6). */
    log_index from;
    struct log_position to;
    uint64_t history_first;
    uint8_t state_hash[16];
    const struct log_copy_record *records;
    uint32_t count;
};
bool kv_copy_take(struct kv *kv, struct arena *arena, struct kv_copy *out_copy);
size_t kv_copy_pending(const struct kv *kv); /* Records that the next take holds: to bound it. */
bool kv_is_copied(const struct kv *kv);      /* A take would find nothing. */

/* At start, into a fresh kv: kv_load is what log_ops.read_copy emits to (context: the kv), then kv_load_end
 * with log_boot's position, first history revision and hash. CORRUPT: a record
 * is damaged, or the whole doesn't have that hash (D2). */
MUST_CHECK enum status kv_load(void *kv, const struct log_copy_record *record, struct error *error);
MUST_CHECK enum status kv_load_end(struct kv *kv, const struct log_position *applied, uint64_t history_first,
                                   const uint8_t state_hash[16], struct error *error);

/* --- the staged view that rules work on --------------------------------------------------------------- */
struct kv_txn;

struct kv_context {    /* Of the entry being applied. */
    uint64_t revision; /* = log index */
    uint64_t term;
    uint64_t stamp_ms;          /* For `timestamp` fields. */
    const Pb__Command *command; /* NULL: the entry is none. */
};

/* NULL: no such key. Sees what this transaction already changed. Borrowed until the next put or delete. */
const struct kv_record *kv_txn_get(struct kv_txn *txn, const char *key);
/* Key and value were checked by kv (size, UTF-8), or are made by a rule: what is larger than the limits is
 * not put, and the command ends as INVALID and changes nothing. */
void kv_txn_put(struct kv_txn *txn, const char *key, const void *value, size_t size, const char *lease);
bool kv_txn_delete(struct kv_txn *txn, const char *key); /* false: was absent. */
/* In key order, over a view taken at the call: visit may put and delete. visit returns false to stop. */
void kv_txn_scan(struct kv_txn *txn, const char *prefix,
                 bool (*visit)(void *context, const struct kv_record *record), void *context);
/* What is bound to the lease, as the transaction sees it. */
void kv_txn_delete_leased(struct kv_txn *txn, const char *lease);
/* The first and the last record under the prefix; NULL: none. */
const struct kv_record *kv_txn_first(struct kv_txn *txn, const char *prefix);
const struct kv_record *kv_txn_last(struct kv_txn *txn, const char *prefix);
/* Lives until the outcome was read: for strings of results. */
struct arena *kv_txn_arena(struct kv_txn *txn);

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
    /* The same: who takes part from here on (store/raft/configuration.h). May be NULL. */
    void (*configuration)(struct kv_txn *txn, const struct kv_context *context, const struct bytes *payload);
    /* The same: what each replica holds (store/raft/checkpoint.h). May be NULL. */
    void (*checkpoint)(struct kv_txn *txn, const struct kv_context *context, const struct bytes *payload);
};

#endif
