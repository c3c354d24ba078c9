/* cluster_members: who takes part in the log, as the agreed state tells it, and what people wish of it.
 *
 *   config/members {"index":17,"joint":false,"members":[{"node":"node-1","replica":"00…","role":"voter"}]} by
 * node; role voter or learner; "outgoing":true in the leaving half of a joint one config/retired/{id}
 * {"node":"node-2","revision":40}: a replica id that left; never used again (E5, S12) config/wishes/{node}
 * {"wish":"voter","allow-even":false,"timestamp":…}: M5; gone once it is carried out
 *
 * The first two are derived in the configuration's own entry (A5), so whoever watches the state knows them,
 * and a snapshot carries them. Nobody writes any of the three by hand. */
#ifndef AETHER_STORE_SCHEMA_CLUSTER_MEMBERS_H
#define AETHER_STORE_SCHEMA_CLUSTER_MEMBERS_H

#include "store/kv.h"
#include "store/raft/configuration.h"
#include "wire/json/value.h"

#define CLUSTER_MEMBERS_KEY    "config/members"
#define CLUSTER_RETIRED_PREFIX "config/retired/"
#define CLUSTER_WISHES_PREFIX  "config/wishes/"

enum cluster_wish {
    CLUSTER_WISH_NONE,
    CLUSTER_WISH_VOTER,
    CLUSTER_WISH_LEARNER,
    CLUSTER_WISH_REMOVED,
};
const char *cluster_wish_name(enum cluster_wish wish); /* "voter"; NONE: "". */
/* false: no such word. "none" withdraws a wish. */
bool cluster_wish_parse(const char *name, enum cluster_wish *out_wish);

/* The configuration that config/members describes; NULL or damaged: no members, index 0. */
struct cluster_members {
    log_index index;
    struct configuration configuration;
};
void cluster_members_read(const struct value *document, struct cluster_members *out_members);
/* The member of this name; of two (its old replica and the new one, M3) the voter. NULL: none. */
const struct configuration_member *cluster_members_find(const struct cluster_members *members,
                                                        const char *node);
/* The hex digits of config/retired/{id}; 0: no id. */
replica_id cluster_replica_parse(const char *digits);

/* --- rules, called by kv and rules.c only --------------------------------------------------------------- */

/* kv_rules.configuration. */
void cluster_members_apply(struct kv_txn *txn, const struct kv_context *context, const struct bytes *payload);
void cluster_members_get(struct kv_txn *txn, struct cluster_members *out_members);
bool cluster_replica_is_retired(struct kv_txn *txn, replica_id id);
void cluster_wish_put(struct kv_txn *txn, const struct kv_context *context, const char *node,
                      enum cluster_wish wish, bool allow_even);
enum cluster_wish cluster_wish_get(struct kv_txn *txn, const char *node);
/* A wish that holds already goes; that of a removal only with the node's last record. */
void cluster_wish_settle(struct kv_txn *txn, const char *node);

#endif
