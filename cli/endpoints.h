/* endpoints: where a node may be found: what the user gave, else the usual places. */
#ifndef AETHER_CLI_ENDPOINTS_H
#define AETHER_CLI_ENDPOINTS_H

#include "runtime/base/error.h"

#include <stdbool.h>
#include <stddef.h>

enum { ENDPOINTS_NAME_MAX = 256, ENDPOINTS_MAX = 8 };

struct endpoints {
    char names[ENDPOINTS_MAX][ENDPOINTS_NAME_MAX];
    size_t count;
};

/* `given`: as --endpoint has it, one or more with commas between; NULL: AETHER_ENDPOINT, then the local
 * node's. INVALID: no endpoint's form. */
MUST_CHECK enum status endpoints_find(struct endpoints *endpoints, const char *given, struct error *error);
/* Tells at once, by a plain connect(2): ZeroMQ would try for as long as it is let. */
bool endpoints_listens(const char *endpoint);

#endif
