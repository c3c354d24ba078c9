/* judge: what each committed entry may have changed, looked at from outside of the rules that decide it:
 * whose managers may write (DEP6), whose facts count and who is lost (A7, DEP9), when a lease may end (K8),
 * that a write acts once (K9). It remembers little, reads commands by itself, and shares no code with the
 * state.
 */
#ifndef AETHER_NODES_SIM_JUDGE_H
#define AETHER_NODES_SIM_JUDGE_H

#include "runtime/base/error.h"
#include "store/kv.h"

struct judge;
struct judge *judge_create(void);
void judge_destroy(struct judge **judge);

/* In order, each entry once; what the first replica to apply it made of it, and when that was. CORRUPT: it
 * may not. */
MUST_CHECK enum status judge_look(struct judge *judge, const struct raft_entry *entry,
                                  const struct kv_outcome *outcome, int64_t now_ns, struct error *error);
/* Is any lease held? *out_overdue: one that should have ended, if clocks are right and a
 * leader is there since `well_ns`; or NULL. */
bool judge_has_leases(const struct judge *judge, int64_t well_ns, int64_t now_ns, const char **out_overdue);

#endif
