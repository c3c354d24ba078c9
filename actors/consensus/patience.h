/* patience: how long a request may wait here. An asker that gives up by itself only learns DEADLINE; so we
 * answer a little earlier, with what we know (NO_LEADER, UNKNOWN, which revision is missing). */
#ifndef AETHER_ACTORS_CONSENSUS_PATIENCE_H
#define AETHER_ACTORS_CONSENSUS_PATIENCE_H

#include "runtime/actor.h"

/* When to answer at the latest: an eighth of what is left before the deadline, between 5 and 100 ms; 10 s
 * from now for a request without one. */
static inline int64_t patience_end_ns(const struct message *request, int64_t now_ns)
{
    if (request->deadline_ns == 0) return now_ns + SECONDS(10);
    int64_t margin = (request->deadline_ns - now_ns) / 8;
    if (margin < MILLISECONDS(5)) margin = MILLISECONDS(5);
    if (margin > MILLISECONDS(100)) margin = MILLISECONDS(100);
    return request->deadline_ns - margin;
}

#endif
