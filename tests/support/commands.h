/* commands: builds pb.Command trees and log entries for tests, in an arena. */
#ifndef AETHER_TESTS_SUPPORT_COMMANDS_H
#define AETHER_TESTS_SUPPORT_COMMANDS_H

#include "runtime/base/arena.h"
#include "store/raft/entry.h"
#include "wire/proto/store.pb-c.h"

/* ORIGIN_CLIENT, without operations. */
Pb__Command *commands_new(struct arena *arena);
Pb__Command *commands_put(struct arena *arena, const char *key, const char *value);
Pb__Command *commands_delete(struct arena *arena, const char *key);
Pb__Compare *commands_compare(struct arena *arena, Pb__Command *command, const char *key);
/* Appends an operation, of `success` or of `failure`; the caller sets its case and body. */
Pb__Operation *commands_add(struct arena *arena, Pb__Command *command);
Pb__Operation *commands_add_failure(struct arena *arena, Pb__Command *command);
Pb__Operation *commands_add_put(struct arena *arena, Pb__Command *command, const char *key,
                                const char *value);
Pb__Operation *commands_add_delete(struct arena *arena, Pb__Command *command, const char *key);

/* stamp_ms = 1,000,000 + index; the payload's reference is the caller's (entry.payload). */
struct raft_entry commands_entry(log_index index, log_term term, const Pb__Command *command);
struct raft_entry commands_no_op(log_index index, log_term term);

#endif
