/* artifact_rules: what must hold of artifacts/{...}, checked in the entry that changes it (A5, A7). Released
 * coordinates are one file for ever: other bytes are a CONFLICT; a -SNAPSHOT may be replaced. Nothing goes
 * that a blueprint uses, but by force. Called by rules.c only, which has checked the origin. */
#ifndef AETHER_STORE_SCHEMA_ARTIFACT_RULES_H
#define AETHER_STORE_SCHEMA_ARTIFACT_RULES_H

#include "store/kv.h"

/* By a node (who received the bytes), by the leader's keeper under its term (other holders), or by force. */
MUST_CHECK enum status artifact_rules_put(struct kv_txn *txn, const struct kv_context *context,
                                          const Pb__OpPut *put, struct error *error);
MUST_CHECK enum status artifact_rules_delete(struct kv_txn *txn, const struct kv_context *context,
                                             const char *key, struct error *error);

#endif
