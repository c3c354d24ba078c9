/* kv_replica: one live state under plain rules, and the entries that a test gives it. */
#ifndef AETHER_TESTS_SUPPORT_KV_REPLICA_H
#define AETHER_TESTS_SUPPORT_KV_REPLICA_H

#include "store/kv.h"

/* Whatever is asked; the key "forbidden" is refused, and "grow" set to 2... writes a value that is too large.
 * An operation answers with the first and last key below "k/", as the transaction sees them. */
extern const struct kv_rules kv_replica_rules;

struct kv_replica {
    struct kv *kv;
    struct arena arena; /* For commands; the test's. */
    log_index index;    /* Of the last entry. */
    log_term term;      /* Of the next. */
    struct kv_outcome outcome;
};

/* For cmocka. Tearing down compares the kept hash with the scanned one: D2 holds after every test. */
int kv_replica_set_up(void **state);
int kv_replica_tear_down(void **state);

/* Each is one entry; the reply lives until the next. */
const Pb__ProposeReply *kv_replica_apply(struct kv_replica *replica, const Pb__Command *command);
const Pb__ProposeReply *kv_replica_put(struct kv_replica *replica, const char *key, const char *value);
const Pb__ProposeReply *kv_replica_delete_prefix(struct kv_replica *replica, const char *prefix);
uint64_t kv_replica_open_session(struct kv_replica *replica);

/* The records as "key=value@revision " each; static text. */
const char *kv_replica_list(const struct kv_replica *replica, const struct kv_range *range, bool *out_more);
const char *kv_replica_list_prefix(const struct kv_replica *replica, const char *prefix, uint64_t at);
bool kv_replica_list_record(void *context, const struct kv_record *record);

/* For kv_history: which revisions came, and that they came in order. */
struct kv_replica_seen {
    uint64_t first;
    uint64_t last;
    uint32_t count;
};
bool kv_replica_see(void *context, uint64_t revision, const struct kv_change *changes, uint32_t count);

#endif
