/* lmdb_doubt: a replica id that is never used again (consensus.md I1, T2). The file DATA/retired holds
 * {replica id, reason} and outlives the store directory it speaks of: as soon as it is durable, a store of
 * that id is only ever moved aside; and the store that takes its place reports the retirement from it (M3).
 */
#ifndef AETHER_STORE_LMDB_LMDB_DOUBT_H
#define AETHER_STORE_LMDB_LMDB_DOUBT_H

#include "store/log.h"

struct lmdb_retired {
    replica_id replica_id;             /* 0: it could not be read. */
    char reason[LOG_DOUBT_REASON_MAX]; /* "": nothing was ever retired here. */
};

/* IO: there is one, but it can't be read. */
MUST_CHECK enum status lmdb_doubt_read(const char *directory, struct lmdb_retired *out_retired,
                                       struct error *error);
/* Durable, whole or not at all, when it returns OK. */
MUST_CHECK enum status lmdb_doubt_write(const char *directory, const struct lmdb_retired *retired,
                                        struct error *error);
/* DATA/store becomes DATA/store.doubt-ID (or -ID.2, ...): kept for a person. Durable when it returns OK. */
MUST_CHECK enum status lmdb_doubt_set_aside(const char *directory, replica_id id, struct error *error);

/* One line: 16 hex digits, a blank, the reason. false: it is none. */
bool lmdb_doubt_parse(const char *text, struct lmdb_retired *out_retired);

#endif
