/* lmdb_line: small files of one line beside the store (`member`, `retired`), written whole or not at all. */
#ifndef AETHER_STORE_LMDB_LMDB_LINE_H
#define AETHER_STORE_LMDB_LMDB_LINE_H

#include "runtime/base/error.h"

#include <stdbool.h>
#include <stddef.h>

enum { LMDB_LINE_MAX = 256 };

/* Without its end of line; "" and NOT_FOUND: there is no such file. */
MUST_CHECK enum status lmdb_line_read(const char *directory, const char *name, char line[LMDB_LINE_MAX],
                                      struct error *error);
/* Durable, and never half there, when it returns OK. */
MUST_CHECK enum status lmdb_line_write(const char *directory, const char *name, const char *line,
                                       struct error *error);
/* Makes the entries of a directory durable. */
MUST_CHECK enum status lmdb_line_sync_directory(const char *directory, struct error *error);

#endif
