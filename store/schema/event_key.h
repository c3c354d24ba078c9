/* event_key: events/{index}, the index with leading zeros, so that keys sort as their numbers do. */
#ifndef AETHER_STORE_SCHEMA_EVENT_KEY_H
#define AETHER_STORE_SCHEMA_EVENT_KEY_H

#include <stdbool.h>
#include <stdint.h>

#define EVENT_KEY_PREFIX "events/"
#define EVENT_KEY_END    "events0" /* Just behind every key with that prefix. */
enum { EVENT_KEY_SIZE = 32 };

void event_key(char key[EVENT_KEY_SIZE], uint64_t index);   /* "events/0000000000000042" */
bool event_key_parse(const char *key, uint64_t *out_index); /* false: not such a key. */

#endif
