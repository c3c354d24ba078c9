/* schema: the MCP tool of a command, with JSON Schemas (2020-12) derived from the descriptors of its request
 * and reply. Everything returned is the caller's (value_free). */
#ifndef AETHER_WIRE_COMMAND_SCHEMA_H
#define AETHER_WIRE_COMMAND_SCHEMA_H

#include "wire/command/command.h"
#include "wire/json/value.h"

struct value *schema_input(const struct command *command);
/* The document of document_from_reply, or {"error": …}: clients check a failed result against it too. */
struct value *schema_output(const struct command *command);
/* name, title, description, inputSchema, outputSchema, annotations. */
struct value *schema_tool(const struct command *command);

#endif
