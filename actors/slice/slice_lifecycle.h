/* slice_lifecycle: what comes next for one instance on its node: which move to record, which step to take.
 * Pure: the node_deployment_manager brings what is wanted, what is agreed and what is real, and carries both
 * out. The record follows reality by the drawn moves only (product.md section 3); reality follows the record,
 * but for an instance that ended by itself: its process is started again at once, leader or not. */
#ifndef AETHER_ACTORS_SLICE_SLICE_LIFECYCLE_H
#define AETHER_ACTORS_SLICE_SLICE_LIFECYCLE_H

#include "actors/slice/slice_deadlines.h"
#include "store/schema/slice.h"

enum slice_reality {
    REALITY_NONE,
    REALITY_LOADED,
    REALITY_ACTIVE,
    REALITY_DOWN, /* Was loaded or active; its process ended. Activating starts it again. */
};

enum slice_step { STEP_NONE, STEP_LOAD, STEP_ACTIVATE, STEP_CONFIGURE, STEP_DEACTIVATE, STEP_UNLOAD };

struct slice_situation {
    bool assigned; /* To this node, by the allocation, */
    uint64_t rev;  /* since this entry. */
    enum slice_state recorded;
    uint64_t recorded_rev; /* For which assignment the record was begun. */
    enum slice_reality reality;
    uint64_t reality_rev; /* For which assignment it was loaded. */
    bool stepping;        /* A step is under way. */
    bool failed;          /* The step of the recorded state failed. */
    bool crashed;         /* It ended by itself, and the record doesn't say so yet. */
    bool exhausted;       /* No retry is left here, or none would help. */
    bool resting;         /* The next retry's time has not come. */
    bool overdue;         /* The recorded state's deadline passed. */
    bool adoptable; /* Active, and all that the newer assignment asks for otherwise is its configuration;
                       the slice hasn't refused it. */
    bool adopted;   /* It took that over, and the record doesn't say so yet. */
    bool may_begin; /* This node's incarnation is current: it may begin what the cluster asks for. */
};

enum slice_cause { CAUSE_NONE, CAUSE_FAILED, CAUSE_CRASHED, CAUSE_CANCELLED };

/* The move to record now; false: none. `out_cause` says why, where the record tells it. ACTIVE on ACTIVE is a
 * remark: it took a newer assignment over. */
bool slice_lifecycle_record(const struct slice_situation *situation, enum slice_state *out_to,
                            enum slice_cause *out_cause);
/* The step to take now. Never while one is under way. */
enum slice_step slice_lifecycle_step(const struct slice_situation *situation);

enum { SLICE_ATTEMPTS_MAX = 5 };
/* After the n-th failure (from 1): at once, then 1 s, 2 s, ... at most 30 s. */
int64_t slice_lifecycle_pause_ns(uint32_t attempt);
/* How long a state in -ING may take; 0 for the others. */
int64_t slice_lifecycle_deadline_ns(const struct slice_deadlines *deadlines, enum slice_state state);
/* Would trying the same bytes again, here or elsewhere, end the same way? */
bool slice_lifecycle_is_fatal(enum status status);

#endif
