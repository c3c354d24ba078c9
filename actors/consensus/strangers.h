/* strangers: under which node name a replica sends that our configuration does not know (E5: it may be newer
 * than ours, or retired), so that it can be answered. A few, by value; the one heard longest ago is
 * forgotten. */
#ifndef AETHER_ACTORS_CONSENSUS_STRANGERS_H
#define AETHER_ACTORS_CONSENSUS_STRANGERS_H

#include "runtime/port/transport.h"
#include "store/raft/entry.h"

enum { STRANGERS_MAX = 16 };

struct strangers {
    struct stranger {
        replica_id id; /* 0: a free place. */
        uint64_t heard;
        char node[NODE_NAME_MAX];
    } items[STRANGERS_MAX];
    uint64_t heard; /* Counts. */
};

void strangers_note(struct strangers *strangers, replica_id id, const char *node);
const char *strangers_name(const struct strangers *strangers, replica_id id); /* "": not heard of. */

#endif
