/* lmdb_copy: the state copy within one step: what the state sends (D3, N6), what a snapshot brings into the
 * other generation, and the flip between the two (N2). */
#ifndef AETHER_STORE_LMDB_LMDB_COPY_H
#define AETHER_STORE_LMDB_LMDB_COPY_H

#include "store/lmdb/lmdb_step.h"

MUST_CHECK enum status lmdb_copy_write(struct lmdb_step *step, const struct log_batch *batch);
MUST_CHECK enum status lmdb_copy_receive(struct lmdb_step *step, const struct log_chunk *chunk);
MUST_CHECK enum status lmdb_copy_flip(struct lmdb_step *step, const struct log_install *install);
/* LOG_CLEAR_STEP_MAX records of the inactive generation. */
MUST_CHECK enum status lmdb_copy_clear(struct lmdb_step *step);
MUST_CHECK enum status lmdb_copy_is_empty(struct lmdb_step *step, bool *out_empty); /* The inactive one. */
/* T6: the damaged active copy, at once: nobody serves yet. */
MUST_CHECK enum status lmdb_copy_drop(struct lmdb_step *step);

#endif
