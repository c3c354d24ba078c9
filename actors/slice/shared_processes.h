/* shared_processes: the processes that several instances of a node share (`hosts: shared`): one for all that
 * have the same bytes, the same limits and the same right to live on without a cluster. Part of slice_store,
 * which is the parent of their actors (shared_host.h). */
#ifndef AETHER_ACTORS_SLICE_SHARED_PROCESSES_H
#define AETHER_ACTORS_SLICE_SHARED_PROCESSES_H

#include "actors/slice/instance.h"
#include "runtime/base/map.h"

struct shared_processes {
    struct map by_form; /* To struct shared_process; owned. */
    uint32_t last_guest;
};

void shared_processes_fini(struct shared_processes *processes);
/* Fills `shared` and `guest` of the options of a new instance; starts the process where there is none yet. */
MUST_CHECK enum status shared_processes_join(struct actor *self, struct shared_processes *processes,
                                             const struct behavior *behavior,
                                             const struct instance_load *load,
                                             struct slice_instance_options *options, struct error *error);
/* Nobody shares it any more. */
void shared_processes_end(struct actor *self, struct shared_processes *processes, struct actor_id host);
/* An actor that the store monitors is down. false: it was no process's. */
bool shared_processes_ended(struct shared_processes *processes, struct actor_id actor);

#endif
