/* backup: `cluster backup FILE`: page after page of the node's stream into FILE.part, which becomes FILE once
 * it is whole and on disk. */
#ifndef AETHER_CLI_BACKUP_H
#define AETHER_CLI_BACKUP_H

#include "cli/argv.h"
#include "runtime/message.h"

struct connection;

/* OK: *out_reply is that of the last page, without its data; the caller's. On failure nothing is left behind.
 */
MUST_CHECK enum status backup_run(const struct argv *argv, struct connection *connection,
                                  struct message **out_reply, struct error *error);

#endif
