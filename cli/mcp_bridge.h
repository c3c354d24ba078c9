/* mcp_bridge: MCP on stdin and stdout, one JSON-RPC message a line, carried to a node's client socket and
 * back. */
#ifndef AETHER_CLI_MCP_BRIDGE_H
#define AETHER_CLI_MCP_BRIDGE_H

#include "cli/argv.h"

/* Until stdin ends and what was asked is answered (at most --timeout after that). Returns the exit code. */
int mcp_bridge_run(const struct argv *argv);

#endif
