/* call_keyed: calls with an idempotency key (reply_cache.h). The first one of a key begins a call of its own,
 * FROM_KEY, which runs on when its caller's deadline passes; it and all that come later await that one's end,
 * or hear what was kept of it. */
#ifndef AETHER_ACTORS_SLICE_CALL_KEYED_H
#define AETHER_ACTORS_SLICE_CALL_KEYED_H

#include "actors/slice/call.h"

/* A call with a key has come to an instance of this node. May end it. */
void call_keyed_join(struct actor *self, struct slice_call *calls, struct call *call,
                     struct serving_instance *instance, struct serving_entry *entry);
/* A call FROM_KEY has ended: `error` NULL is OK with `payload`. It is gone afterwards. */
void call_keyed_end(struct actor *self, struct slice_call *calls, struct call *run, const struct error *error,
                    const struct bytes *payload, uint32_t load);
/* A joined call awaits no longer (its own deadline, or it was withdrawn). Returns the call FROM_KEY where
 * that is now awaited by nobody. */
struct call *call_keyed_leave(struct call *call);
/* A call FROM_KEY was withdrawn: CANCELLED is what its key hears from now on, if it had started. */
void call_keyed_withdrawn(struct actor *self, struct slice_call *calls, struct call *run);

#endif
