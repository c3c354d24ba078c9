/* rollout: the next safe step from how one slice of a blueprint is allocated to how it should be. Pure: read
 * from the view, decided by the planner, carried out by the cluster_deployment_manager; it converges by being
 * asked again after each step. A new version's instances start before the old ones' are withdrawn, as far as
 * max-surge lets them; another configuration is rolled through the instances, never below min-available. */
#ifndef AETHER_ACTORS_SLICE_ROLLOUT_H
#define AETHER_ACTORS_SLICE_ROLLOUT_H

#include "actors/placement/plan.h"
#include "actors/slice/deployment_view.h"

enum { ROLLOUT_CHANGES_MAX = 64 }; /* In one command; the rest follows. */

/* What only the leader's memory knows. */
struct rollout_memory {
    /* Did this artifact fail there for good? The reason, or NULL. */
    const char *(*excluded)(const void *context, const char *artifact, const char *node);
    /* Is its failed instance there to be tried anew? */
    bool (*renews)(const void *context, const char *artifact, const char *node);
    /* A person asked that this instance be started anew if it was assigned up to this revision; 0: nobody. */
    uint64_t (*restarts)(const void *context, const char *artifact, const char *node, uint32_t instance);
    const void *context;
};

struct rollout_change {
    const char *node;
    uint64_t revision;                   /* Of the allocation as we saw it; 0: there was none. */
    const struct allocation *allocation; /* NULL: it is withdrawn. */
    bool assigns;
};
struct rollout {                          /* In the arena. */
    const struct rollout_change *changes; /* Withdrawals before assignments. */
    uint32_t change_count;
    uint32_t missing;   /* Instances that no node may take, */
    const char *reason; /* and why. */
};

/* For a slice that the blueprint asks for. */
void rollout_slice(struct arena *arena, const struct deployment_view *view,
                   const struct view_blueprint *blueprint, const struct blueprint_slice *slice,
                   const struct rollout_memory *memory, struct rollout *out_rollout);
/* For an artifact that is allocated but not asked for (any more): withdrawn as its successor comes up. */
void rollout_orphan(struct arena *arena, const struct deployment_view *view, const char *artifact,
                    struct rollout *out_rollout);
/* Does any blueprint ask for this allocation's artifact? */
bool rollout_is_orphan(const struct deployment_view *view, const struct view_allocation *allocation);

/* The planner's own view, for people: the nodes as it sees them, and what it would do now. */
struct rollout_explanation { /* In the arena. */
    const struct placement_node *nodes;
    uint32_t node_count;
    const struct placement_instance *instances;
    uint32_t instance_count;
    struct placement_plan plan;
    uint32_t wanted; /* In this step. */
    bool waits_for_others;
};
void rollout_explain(struct arena *arena, const struct deployment_view *view,
                     const struct view_blueprint *blueprint, const struct blueprint_slice *slice,
                     const struct rollout_memory *memory, struct rollout_explanation *out_explanation);

struct rollout_count {
    uint32_t assigned;
    uint32_t active;  /* Of the assigned ones. */
    uint32_t stale;   /* Assigned, but started for an earlier form of the slice. */
    uint32_t leaving; /* Recorded, but not assigned (any more). */
};
void rollout_count(const struct deployment_view *view, const char *artifact, uint64_t runs_since,
                   struct rollout_count *out_count);
/* Those that serve of the blueprint's slice, whatever their version. */
uint32_t rollout_serving(const struct deployment_view *view, const char *blueprint, const char *artifact);
/* As rollout_count, over all other versions of the slice. */
void rollout_count_others(const struct deployment_view *view, const char *artifact,
                          struct rollout_count *out_count);

#endif
