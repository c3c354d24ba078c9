/* rules: what must hold between keys, checked and derived in the entry that changes them (A5), identically on
 * every replica. rules.c dispatches by origin, key prefix and operation; each domain keeps its own file
 * (slice, cluster). */
#ifndef AETHER_STORE_SCHEMA_RULES_H
#define AETHER_STORE_SCHEMA_RULES_H

#include "store/kv.h"

extern const struct kv_rules schema_rules;

#endif
