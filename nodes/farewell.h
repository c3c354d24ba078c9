/* farewell: what a node does before it begins to stop, while all of its actors still work: a leader hands
 * leadership over (E9), and waits until somebody took it. The end of the leader actor would be too late: what
 * it sends last may not leave any more, and a follower that lags could not be waited for. */
#ifndef AETHER_NODES_FAREWELL_H
#define AETHER_NODES_FAREWELL_H

#include "runtime/scheduler.h"

/* Not on a thread of the runtime's. Returns once this node does not lead, or the time is over. */
void farewell_say(struct runtime *runtime, int64_t timeout_ns);

#endif
