/* stored_instance: the instances that a slice store (slice_store.c) has, each with the request that is under
 * way for it. Pure bookkeeping. */
#ifndef AETHER_ACTORS_SLICE_STORED_INSTANCE_H
#define AETHER_ACTORS_SLICE_STORED_INSTANCE_H

#include "actors/slice/messages.h"
#include "runtime/base/map.h"
#include "runtime/port/process.h"

enum { STORED_NAME_MAX = ARTIFACT_NAME_MAX + 24 };

enum stored_stage {
    STAGE_NONE,
    STAGE_FETCHING,
    STAGE_PROBING,
    STAGE_LOADING,
    STAGE_INHERITING,
    STAGE_RESTORING,
    STAGE_STARTING,
    STAGE_CONFIGURING,
    STAGE_STOPPING,
    STAGE_DESTROYING,
    STAGE_LEAVING
};
enum stored_condition { INSTANCE_NEW, INSTANCE_IS_LOADED, INSTANCE_IS_ACTIVE, INSTANCE_IS_DOWN };

struct stored_instance {
    struct instance_key key;
    char name[STORED_NAME_MAX]; /* In `by_name`. */
    uint64_t serial;
    bool only_probed; /* It came with a PROBE, and goes with its answer. */
    enum stored_condition condition;
    struct instance_load load; /* As first asked. */
    char *config;
    char *path;            /* Of the verified object. */
    struct actor_id actor; /* Not set: none lives. */
    struct actor_id prober;
    struct actor_id shared; /* The host of the process that `actor` shares; not set: it has its own. */
    enum stored_stage stage;
    bool then_start;
    struct message *request; /* Kept; owed one answer. NULL iff STAGE_NONE. */
    struct arena arena;      /* Entries. */
    const struct instance_entry *entries;
    uint32_t entry_count;
    int32_t host_pid;
    uint32_t hooks;     /* enum slice_hook */
    const char *limits; /* What holds its limits; constant. */
    bool may_inherit;   /* Never started since its LOAD: what a predecessor left may be for it. */
    bool down_untold;
    struct error down_error;
};

struct stored_instances {
    struct map by_name; /* "artifact#instance", or "artifact?serial" of a probe, to struct stored_instance. */
    uint32_t probe_count; /* Of them, only_probed. */
    uint64_t last_serial;
};

void stored_instances_fini(struct stored_instances *stored);
struct stored_instance *stored_instance_new(struct stored_instances *stored,
                                            const struct instance_load *wanted, bool only_probed);
void stored_instance_forget(struct stored_instances *stored, struct stored_instance *instance);
struct stored_instance *stored_instance_find(const struct stored_instances *stored,
                                             const struct instance_key *key);
struct stored_instance *stored_instance_of_actor(const struct stored_instances *stored, struct actor_id id);
/* Does any of them share the process with this host? */
bool stored_instance_any_shares(const struct stored_instances *stored, struct actor_id host);
/* What is here of one artifact now; in the arena. */
void stored_instance_facts(const struct stored_instances *stored, const char *artifact,
                           const struct process_port *processes, struct arena *arena,
                           struct instance_facts *out_facts);

#endif
