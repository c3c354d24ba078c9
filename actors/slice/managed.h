/* managed: the instances that one node has to do with: assigned to it, recorded for it, or really there. Pure
 * bookkeeping for the node_deployment_manager. */
#ifndef AETHER_ACTORS_SLICE_MANAGED_H
#define AETHER_ACTORS_SLICE_MANAGED_H

#include "actors/slice/messages.h"
#include "actors/slice/slice_lifecycle.h"
#include "runtime/base/map.h"

struct managed_form { /* As what it was loaded; compared with what its blueprint says now. */
    char sha256[SHA256_TEXT_SIZE];
    bool inline_isolation;
    bool shared_host;
    bool exclusive;
    uint32_t cpu_millis;
    uint64_t memory_bytes;
    uint64_t config_hash;
};

struct managed_instance {
    uint64_t number; /* Never used again: what completions and timers name. */
    struct instance_key key;

    /* Wanted: allocations/{artifact}/{this node}. */
    bool assigned;
    uint64_t rev;
    char blueprint[64];
    char sha256[SHA256_TEXT_SIZE];

    /* Agreed: slices/{this node}/{artifact}. */
    enum slice_state recorded;
    uint64_t recorded_rev;
    uint64_t recorded_revision; /* Of the entry: older news about it are no news. */
    int64_t overdue_ns;         /* When the recorded state's deadline passes; 0: it has none. */

    /* Real: what the slice store answered last. */
    enum slice_reality reality;
    uint64_t reality_rev;
    bool exclusive;
    char **entries; /* Entry points, as loaded. */
    uint32_t entry_count;
    int64_t active_since_ns;
    uint32_t activations; /* That succeeded, since it was assigned to this node. */
    struct managed_form form;

    /* A newer assignment that differs in nothing but the configuration. */
    uint64_t adopting_rev; /* Of the step under way. */
    uint64_t adopting_hash;
    uint64_t adopted_rev; /* What runs took that one over. */
    uint64_t refused_rev; /* What runs would not. */

    /* Under way. */
    enum slice_step stepping;
    bool proposing;
    bool remarking; /* What is proposed leaves the state as it is. */
    enum slice_state proposed;
    uint64_t proposed_rev;
    struct timer_id timer;

    /* What went wrong. */
    uint32_t attempt; /* Failures in a row, here. */
    bool failed;
    bool crashed;
    bool unhealthy; /* It crashed because it was killed for that. */
    bool fatal;
    int64_t resting_ns; /* No retry before. */
    int64_t held_ns;    /* No proposal before: the last one was refused. */
    struct error story;
    int64_t story_ms; /* Unix ms; 0 = nothing has gone wrong yet. */

    /* Its download, while LOADING. */
    uint64_t download_bytes;
    uint64_t download_total_bytes;
    bool download_untold;
};

struct managed {
    struct map by_key;    /* artifact#instance -> struct managed_instance * */
    struct map by_number; /* The same. */
    uint64_t number_last;
};

void managed_fini(struct managed *managed);
struct managed_instance *managed_find(const struct managed *managed, const char *artifact, uint32_t instance);
struct managed_instance *managed_find_number(const struct managed *managed, uint64_t number);
/* Finds it or makes it. */
struct managed_instance *managed_get(struct managed *managed, const char *artifact, uint32_t number);
/* Nothing is wanted, agreed, real or under way any more: forget it. */
bool managed_is_over(const struct managed_instance *instance);
void managed_remove(struct managed *managed, struct managed_instance *instance);
struct managed_instance *managed_next(const struct managed *managed, size_t *position);

void managed_set_entries(struct managed_instance *instance, const struct instance_entry *entries,
                         uint32_t count);
/* An attempt failed at now_ns: counts it and sets when the next may begin. */
void managed_note_failure(struct managed_instance *instance, int64_t now_ns, const struct error *story);
/* It ended by itself; what had run well for long enough starts counting anew. */
void managed_note_crash(struct managed_instance *instance, int64_t now_ns, const struct error *story);
/* Is the other form the same but for its configuration, and that is another one? */
bool managed_differs_in_config_only(const struct managed_form *form, const struct managed_form *other);
/* The record says that what runs stands for the assignment that it took over. */
void managed_settle_adoption(struct managed_instance *instance);
/* `adoptable`: see slice_lifecycle.h. */
struct slice_situation managed_situation(const struct managed_instance *instance, int64_t now_ns,
                                         bool may_begin, bool adoptable);
/* What is known of one artifact's instances; in the arena. */
void managed_facts(const struct managed *managed, const char *artifact, struct arena *arena,
                   struct instance_facts *out_facts);

#endif
