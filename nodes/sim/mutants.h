/* mutants: the planted bugs of this program by one name each, wherever their switch is: in the Raft core
 * (store/raft/core_mutant.h) or anywhere else (runtime/base/planted.h). Only builds with AETHER_MUTANTS=1
 * have any; one at a time can be on. */
#ifndef AETHER_NODES_SIM_MUTANTS_H
#define AETHER_NODES_SIM_MUTANTS_H

#include "store/raft/core_mutant.h"

#include <stdbool.h>
#include <stdint.h>

struct mutant {
    const char *name;
    const char *text;      /* What it does wrong; "" where the name says it. */
    enum core_mutant core; /* CORE_MUTANT_NONE: it is not the core's. */
};

uint32_t mutants_count(void);
struct mutant mutants_at(uint32_t at); /* The core's first, by number; then the others by name, each once. */
/* false: there is none of this name. */
bool mutants_find(const char *name, struct mutant *out_mutant);

#endif
