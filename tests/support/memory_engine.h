/* memory_engine: a second engine behind the store interface (docs/store_interface.md): one node's stand-ins
 * for proposer, state and leader over plain arrays. It shares no code with store/memory, and keeps every
 * change for ever; no log, no disk, no other replica, no rules between keys. Only the conformance suite runs
 * on it. */
#ifndef AETHER_TESTS_SUPPORT_MEMORY_ENGINE_H
#define AETHER_TESTS_SUPPORT_MEMORY_ENGINE_H

#include "runtime/actor.h"
#include "runtime/scheduler.h"

struct memory_engine;

/* Spawns its actors in `runtime`, under the well-known names; it leads at once. */
struct memory_engine *memory_engine_create(struct runtime *runtime, const char *node);
void memory_engine_destroy(struct memory_engine **engine); /* After the runtime has stopped. */

#endif
