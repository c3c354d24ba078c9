/* slice_lifecycle: see the header. One function per question, one case per state. */
#include "actors/slice/slice_lifecycle.h"

#include "runtime/base/check.h"

/* Does the record stand for what is assigned now? Otherwise it has to go. */
static bool is_wanted(const struct slice_situation *situation)
{
    return situation->assigned && situation->recorded_rev == situation->rev;
}

/* Is what really is here what the record speaks of? */
static bool is_same(const struct slice_situation *situation)
{
    return situation->reality != REALITY_NONE && situation->reality_rev == situation->recorded_rev;
}

struct next {
    enum slice_state to;
    enum slice_cause cause;
};
static const struct next stay = { SLICE_STATE_COUNT, CAUSE_NONE };

static struct next plain(enum slice_state to)
{
    return (struct next){ to, CAUSE_NONE };
}

static struct next failed(enum slice_cause cause)
{
    return (struct next){ SLICE_FAILED, cause };
}

static struct next from_gone(const struct slice_situation *situation)
{
    if (!situation->assigned || situation->resting || situation->exhausted) return stay;
    bool foreign = situation->reality != REALITY_NONE && situation->reality_rev != situation->rev;
    return foreign ? stay : plain(SLICE_LOAD); /* What runs for a former assignment goes first. */
}

static struct next from_loading(const struct slice_situation *situation)
{
    if (situation->failed) return failed(CAUSE_FAILED);
    if (is_same(situation)) return plain(SLICE_LOADED);
    bool begun = situation->stepping || situation->reality != REALITY_NONE;
    return !begun && !is_wanted(situation) ? failed(CAUSE_CANCELLED) : stay;
}

static struct next from_loaded(const struct slice_situation *situation)
{
    if (!is_wanted(situation) || !is_same(situation)) return plain(SLICE_UNLOAD);
    return situation->resting ? stay : plain(SLICE_ACTIVATE);
}

static struct next from_activating(const struct slice_situation *situation)
{
    if (situation->failed) return failed(CAUSE_FAILED);
    if (!is_wanted(situation)) return situation->stepping ? stay : failed(CAUSE_CANCELLED);
    if (!is_same(situation)) return failed(CAUSE_CRASHED);
    if (situation->reality == REALITY_ACTIVE) return plain(SLICE_ACTIVE);
    return situation->exhausted && !situation->stepping ? failed(CAUSE_CRASHED) : stay;
}

static struct next from_active(const struct slice_situation *situation)
{
    bool serves = is_same(situation) && situation->reality == REALITY_ACTIVE;
    if (situation->crashed || !serves) return (struct next){ SLICE_DEACTIVATE, CAUSE_CRASHED };
    if (is_wanted(situation)) return stay;
    if (situation->adopted) return plain(SLICE_ACTIVE);
    return situation->adoptable ? stay : plain(SLICE_DEACTIVATE);
}

static struct next from_deactivating(const struct slice_situation *situation)
{
    if (!is_same(situation)) return failed(CAUSE_CRASHED); /* LOADED would not be true. */
    if (situation->failed) return failed(CAUSE_FAILED);
    if (is_wanted(situation)) return situation->exhausted ? failed(CAUSE_CRASHED) : plain(SLICE_LOADED);
    return situation->reality == REALITY_ACTIVE || situation->stepping ? stay : plain(SLICE_LOADED);
}

static struct next from_unloading(const struct slice_situation *situation)
{
    bool gone = situation->reality == REALITY_NONE && !situation->stepping;
    return gone || situation->overdue ? plain(SLICE_GONE) : stay;
}

static struct next from_failed(const struct slice_situation *situation)
{
    if (!is_wanted(situation)) return plain(SLICE_UNLOAD);
    return situation->exhausted || situation->resting ? stay : plain(SLICE_UNLOAD);
}

static struct next next_of(const struct slice_situation *situation)
{
    switch (situation->recorded) {
    case SLICE_GONE: return from_gone(situation);
    case SLICE_LOAD: return plain(SLICE_LOADING);
    case SLICE_LOADING: return from_loading(situation);
    case SLICE_LOADED: return from_loaded(situation);
    case SLICE_ACTIVATE: return plain(SLICE_ACTIVATING);
    case SLICE_ACTIVATING: return from_activating(situation);
    case SLICE_ACTIVE: return from_active(situation);
    case SLICE_DEACTIVATE: return plain(SLICE_DEACTIVATING);
    case SLICE_DEACTIVATING: return from_deactivating(situation);
    case SLICE_UNLOAD: return plain(SLICE_UNLOADING);
    case SLICE_UNLOADING: return from_unloading(situation);
    case SLICE_FAILED: return from_failed(situation);
    default: return stay;
    }
}

bool slice_lifecycle_record(const struct slice_situation *situation, enum slice_state *out_to,
                            enum slice_cause *out_cause)
{
    struct next next = next_of(situation);
    if (!situation->may_begin || next.to == SLICE_STATE_COUNT) return false;
    bool remark = next.to == SLICE_ACTIVE && situation->recorded == SLICE_ACTIVE;
    CHECK(remark ||
          slice_state_allows(situation->recorded, next.to)); /* DEP5: the applier would refuse it. */
    *out_to = next.to;
    *out_cause = next.cause;
    return true;
}

/* Without a record nobody counts on it: serving calls end, then it goes. */
static enum slice_step step_away(const struct slice_situation *situation)
{
    return situation->reality == REALITY_ACTIVE && !situation->failed ? STEP_DEACTIVATE : STEP_UNLOAD;
}

/* Its process ended while it is still wanted: no leader is needed to start it again. */
static bool should_restart(const struct slice_situation *situation)
{
    if (situation->reality != REALITY_DOWN || situation->exhausted || situation->resting) return false;
    return is_wanted(situation) && is_same(situation) && !situation->failed;
}

enum slice_step slice_lifecycle_step(const struct slice_situation *situation)
{
    bool here = situation->reality != REALITY_NONE;
    if (situation->stepping) return STEP_NONE;
    switch (situation->recorded) {
    case SLICE_GONE:
        if (!here || (situation->assigned && situation->reality_rev == situation->rev)) return STEP_NONE;
        return step_away(situation);
    case SLICE_LOADING:
        if (here) return is_same(situation) ? STEP_NONE : STEP_UNLOAD;
        if (!is_wanted(situation) || situation->failed || !situation->may_begin) return STEP_NONE;
        return STEP_LOAD;
    case SLICE_ACTIVATING:
        if (situation->reality == REALITY_LOADED && is_same(situation) && is_wanted(situation))
            return situation->failed ? STEP_NONE : STEP_ACTIVATE;
        return should_restart(situation) ? STEP_ACTIVATE : STEP_NONE;
    case SLICE_ACTIVE:
        if (situation->adoptable && !situation->adopted && !situation->resting) return STEP_CONFIGURE;
        return should_restart(situation) ? STEP_ACTIVATE : STEP_NONE;
    case SLICE_LOADED:
    case SLICE_ACTIVATE:
    case SLICE_DEACTIVATE: return should_restart(situation) ? STEP_ACTIVATE : STEP_NONE;
    case SLICE_DEACTIVATING:
        if (!is_wanted(situation) && situation->reality == REALITY_ACTIVE)
            return situation->failed ? STEP_NONE : STEP_DEACTIVATE;
        return should_restart(situation) ? STEP_ACTIVATE : STEP_NONE;
    case SLICE_UNLOADING: return here ? STEP_UNLOAD : STEP_NONE;
    default: return STEP_NONE;
    }
}

int64_t slice_lifecycle_pause_ns(uint32_t attempt)
{
    if (attempt <= 1) return 0;
    uint32_t doublings = attempt - 2;
    int64_t pause_ns = doublings >= 5 ? SECONDS(30) : SECONDS(1) << doublings;
    return pause_ns < SECONDS(30) ? pause_ns : SECONDS(30);
}

const struct slice_deadlines slice_deadlines_default = {
    .loading_ns = SECONDS(120),
    .activating_ns = SECONDS(90),
    .deactivating_ns = SECONDS(30),
    .unloading_ns = SECONDS(120),
};

int64_t slice_lifecycle_deadline_ns(const struct slice_deadlines *deadlines, enum slice_state state)
{
    switch (state) {
    case SLICE_LOADING: return deadlines->loading_ns;
    case SLICE_ACTIVATING: return deadlines->activating_ns;
    case SLICE_DEACTIVATING: return deadlines->deactivating_ns;
    case SLICE_UNLOADING: return deadlines->unloading_ns;
    default: return 0;
    }
}

bool slice_lifecycle_is_fatal(enum status status)
{
    return status == STATUS_CORRUPT || status == STATUS_VERSION_MISMATCH || status == STATUS_INVALID;
}
