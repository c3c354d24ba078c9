/* endpoints: where a node may be found: what the user gave, else the usual places. */
#ifndef AETHER_CLI_ENDPOINTS_H
#define AETHER_CLI_ENDPOINTS_H

#include "runtime/base/error.h"

#include <stdbool.h>
#include <stddef.h>

enum { ENDPOINTS_NAME_MAX = 256, ENDPOINTS_GIVEN_MAX = 8, ENDPOINTS_LEARNED_MAX = 8 };

struct endpoints {
    char names[ENDPOINTS_GIVEN_MAX + ENDPOINTS_LEARNED_MAX][ENDPOINTS_NAME_MAX];
    size_t count; /* Those that were given, then those that were learned. */
    size_t given;
};

/* `given`: as --endpoint has it, one or more with commas between; NULL: AETHER_ENDPOINT, then the local
 * node's. INVALID: no endpoint's form. */
MUST_CHECK enum status endpoints_find(struct endpoints *endpoints, const char *given, struct error *error);
/* What the cluster tells of its nodes, in the order of preference, in the place of what it told before; never
 * of what was given. `at`: the one that is in use, which stays where it is among the given, or comes first
 * among the learned; its new place is returned. What is no tcp:// address, is known already, or is beyond the
 * bound is left out; so is what is on loopback when the one in use is not: that is another machine's. */
size_t endpoints_learn(struct endpoints *endpoints, size_t at, const char *const *told, size_t told_count);
/* Tells at once, by a plain connect(2): ZeroMQ would try for as long as it is let. */
bool endpoints_listens(const char *endpoint);

#endif
