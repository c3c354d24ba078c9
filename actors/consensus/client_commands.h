/* client_commands: what clients ask to be changed (kv put, delete, txn, leases, sessions), as commands of the
 * store, and the store's answers in their words. Outside input: what is wrong with it is INVALID, and nothing
 * is proposed. */
#ifndef AETHER_ACTORS_CONSENSUS_CLIENT_COMMANDS_H
#define AETHER_ACTORS_CONSENSUS_CLIENT_COMMANDS_H

#include "runtime/message.h"
#include "wire/proto/store.pb-c.h"

/* Memory is the arena's. A command with a session of the client's own has it set (A4). */
MUST_CHECK enum status client_commands_build(const struct message *request, struct arena *arena,
                                             Pb__Command **out_command, struct error *error);
/* The answer to a request whose outcome is OK. */
struct message *client_commands_answer(const struct message *request, const Pb__Command *command,
                                       const Pb__ProposeReply *reply);
/* Adds to a CONFLICT what was expected, for the person who reads why it did not hold. */
void client_commands_explain(const Pb__Command *command, struct error *error);

#endif
