/* backup: hands the state of this node out page by page (`cluster backup`). Registered as TO_BACKUP. */
#ifndef AETHER_ACTORS_CONSENSUS_BACKUP_H
#define AETHER_ACTORS_CONSENSUS_BACKUP_H

#include "runtime/actor.h"

extern const struct behavior backup_behavior;

#endif
