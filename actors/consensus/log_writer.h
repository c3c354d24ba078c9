/* log_writer: the only actor that touches the log of its node. Never restarted in place: an error of the log
 * ends it, and that ends the process (F1). */
#ifndef AETHER_ACTORS_CONSENSUS_LOG_WRITER_H
#define AETHER_ACTORS_CONSENSUS_LOG_WRITER_H

#include "runtime/actor.h"
#include "store/log.h"

struct log_writer_options {
    /* Opened already, and closed by the owner after this actor has ended. The inits of leader and state read
     * from it before the first message is sent here; from then on it is this actor's alone. */
    struct log *log;
    /* D7: what compaction leaves; 0: LOG_KEEP_ENTRIES, LOG_KEEP_BYTES. */
    uint64_t keep_entries;
    uint64_t keep_bytes;
};

extern const struct behavior log_writer_behavior;

#endif
