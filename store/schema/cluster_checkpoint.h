/* cluster_checkpoint: the last applied CHECKPOINT, as a record of the state (T5).
 *
 *   config/checkpoint {"index":2048,"matches":[{"replica":"00…","match":2047}]} in the order of the ids
 *
 * Derived in the CHECKPOINT's own entry (A5). So whoever has the state has what T3 judges returning replicas
 * by: by a snapshot that replaced the log, and after compaction, too. Nobody writes it by hand. */
#ifndef AETHER_STORE_SCHEMA_CLUSTER_CHECKPOINT_H
#define AETHER_STORE_SCHEMA_CLUSTER_CHECKPOINT_H

#include "store/kv.h"
#include "store/raft/checkpoint.h"

#define CLUSTER_CHECKPOINT_KEY "config/checkpoint"

/* The record's value. CORRUPT: it is none; out_checkpoint is not touched then. */
MUST_CHECK enum status cluster_checkpoint_read(const struct kv_record *record,
                                               struct checkpoint *out_checkpoint);

/* kv_rules.checkpoint. */
void cluster_checkpoint_apply(struct kv_txn *txn, const struct kv_context *context,
                              const struct bytes *payload);

#endif
