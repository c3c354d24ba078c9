/* lmdb_space: how much room is left, on the disk and in the map, and the reserve that buys time (consensus.md
 * F2): DATA/reserve holds blocks that are given back when the disk is full, so that deletes can still be
 * written. */
#ifndef AETHER_STORE_LMDB_LMDB_SPACE_H
#define AETHER_STORE_LMDB_LMDB_SPACE_H

#include "store/lmdb/lmdb_state.h"

/* Also takes the reserve when there is room for it, and gives it back when there is none. */
void lmdb_space_look(struct lmdb_log *lmdb, struct log_space *out_space);
/* At open: whether the reserve is there. */
void lmdb_space_open(struct lmdb_log *lmdb);
/* EIO of LMDB with nearly no space left is a full disk (a short write): says so, for a person. */
void lmdb_space_explain(struct lmdb_log *lmdb, struct error *error);

#endif
