/* snapshot_source: a snapshot's stream, block after block, from the state of this node: what snapshot_sender,
 * and backup pull from. A part of their actors; each ask is theirs, one at a time. */
#ifndef AETHER_ACTORS_CONSENSUS_SNAPSHOT_SOURCE_H
#define AETHER_ACTORS_CONSENSUS_SNAPSHOT_SOURCE_H

#include "runtime/actor.h"
#include "store/snapshot.h"

struct snapshot_source {
    struct snapshot_header header; /* id 0: closed. position.index 0: not begun yet. */
    struct snapshot_progress progress;
    bool asking; /* An ask is under way: its completion brings it on. */
    bool walked; /* The last chunk came. */
    bool done;   /* The end block was given out. */
};

/* Ids are below 2^53, exact in JSON. */
uint64_t snapshot_source_new_id(struct actor *self);
/* Asks the state for the walk; `complete` hands the result to snapshot_source_on_begun. */
void snapshot_source_open(struct actor *self, struct snapshot_source *source, uint64_t id,
                          uint64_t cluster_id, ask_completion *complete, void *context);
/* OK: the header block, a reference. */
MUST_CHECK enum status snapshot_source_on_begun(struct snapshot_source *source,
                                                const struct ask_result *result, struct bytes **out_block);
/* Gives the next block at once where there is one (the end); else asks, and *out_block stays NULL. */
void snapshot_source_pull(struct actor *self, struct snapshot_source *source, struct bytes **out_block,
                          ask_completion *complete, void *context);
/* OK with *out_block NULL: nothing yet, pull again. */
MUST_CHECK enum status snapshot_source_on_part(struct snapshot_source *source,
                                               const struct ask_result *result, struct bytes **out_block);
/* Whenever, also while asking: the completion then finds another id. */
void snapshot_source_close(struct actor *self, struct snapshot_source *source);

#endif
