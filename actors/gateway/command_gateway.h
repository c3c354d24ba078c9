/* command_gateway: the one path of every command, from whichever surface. */
#ifndef AETHER_ACTORS_GATEWAY_COMMAND_GATEWAY_H
#define AETHER_ACTORS_GATEWAY_COMMAND_GATEWAY_H

#include "runtime/actor.h"

struct command_gateway_options {
    const char *node; /* This node's name. */
};

/* Registered as TO_COMMAND_GATEWAY. Asks: any request kind of the command table, or GATEWAY_FORWARD; answered
 * by the row's reply kind, or refused as its target refused, or with NO_LEADER, NOT_LEADER, DENIED, DEADLINE,
 * OVERLOADED, UNKNOWN. */
extern const struct behavior command_gateway_behavior;
/* The same one more time, registered as TO_STORE_GATEWAY, on the thread of the store's actors: for clients'
 * requests that these answer (wire/zmq/client_socket), which then cross no other thread on their way. */
extern const struct behavior store_gateway_behavior;

#endif
