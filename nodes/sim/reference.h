/* reference: the agreed state as it has to be: a kv of the simulation's own that applies each committed entry
 * once, whoever applied it first. What must hold between keys is looked at there, after each entry. */
#ifndef AETHER_NODES_SIM_REFERENCE_H
#define AETHER_NODES_SIM_REFERENCE_H

#include "runtime/base/error.h"
#include "store/kv.h"

struct reference;
struct reference *reference_create(void);
void reference_destroy(struct reference **reference);
const struct kv *reference_kv(const struct reference *reference);

/* The next entry, applied somewhere for the first time. CORRUPT: an invariant between keys is broken (DEP2,
 * DEP4), or it changed what it may not (judge.h). */
MUST_CHECK enum status reference_apply(struct reference *reference, const struct raft_entry *entry,
                                       int64_t now_ns, struct error *error);

bool reference_has_leases(const struct reference *reference, int64_t well_ns, int64_t now_ns,
                          const char **out_overdue);

/* DEP1: every blueprint has as many ACTIVE instances as it wants, and nothing runs that none wants. */
bool reference_converged(struct reference *reference);
uint32_t reference_endpoints_on(const struct reference *reference, const char *node);
void reference_counts(const struct reference *reference, uint32_t *out_wanted, uint32_t *out_active);

#endif
