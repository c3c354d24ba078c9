/* mcp_server: the table of commands as tools of the Model Context Protocol. */
#ifndef AETHER_ACTORS_GATEWAY_MCP_SERVER_H
#define AETHER_ACTORS_GATEWAY_MCP_SERVER_H

#include "runtime/actor.h"

/* Registered as TO_MCP_SERVER; no options. Asks: KIND_MCP_REQUEST (wire/local.h). */
extern const struct behavior mcp_server_behavior;

#endif
