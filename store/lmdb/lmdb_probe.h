/* lmdb_probe: lmdb_check in a process that is thrown away (consensus.md section 4, T2): LMDB has no checksums
 * of its own, and a damaged page can abort or bus-error whoever maps it.
 *
 * Forks without exec: to be called while this process has one thread and no LMDB environment open, as at a
 * node's start; that makes it cheap enough for every start. */
#ifndef AETHER_STORE_LMDB_LMDB_PROBE_H
#define AETHER_STORE_LMDB_LMDB_PROBE_H

#include "store/lmdb/lmdb_check.h"

/* As lmdb_check; and CORRUPT also when the process died by SIGBUS, SIGABRT or SIGSEGV: it read what is
 * damaged. Any other end of it, or none in time, says nothing of the store: IO. On CORRUPT,
 * out_check->system.identity.replica_id is set if it could be read, else 0. */
MUST_CHECK enum status lmdb_probe(const struct lmdb_check_options *options, struct lmdb_check *out_check,
                                  struct error *error);

#endif
