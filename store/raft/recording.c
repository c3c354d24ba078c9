/* recording: see the header. What happened since the last CHECKPOINT is known by one number: the log grew. */
#include "store/raft/recording.h"

#include "store/raft/outbox.h"

void recording_start_term(struct core *core)
{
    core->recording = (struct recording){ 0 };
}

void recording_appended(struct core *core, log_index index)
{
    core->recording = (struct recording){ .last = index };
}

/* Tick at which the next one is due; UINT64_MAX: when more is appended. */
static uint64_t due_at(const struct core *core)
{
    const struct recording *recording = &core->recording;
    log_index last = tail_last(&core->tail).index;
    if (recording->last == 0) return core->now; /* After a new leader's no-op. */
    if (last - recording->last >= core->options.checkpoint_entries) return core->now;
    return recording->changed != 0 ? recording->changed + core->options.checkpoint_ticks : UINT64_MAX;
}

uint64_t recording_due(const struct core *core)
{
    /* Applied: the last leader's CHECKPOINT is known, and is not to be forgotten by ours. */
    if (!core_is_ready(core) || core->applied < core->no_op) return UINT64_MAX;
    uint64_t due = due_at(core);
    if (core->recording.asked == 0) return due;
    uint64_t again = core->recording.asked + core->options.election_min_ticks;
    return due < again ? again : due;
}

void recording_settle(struct core *core)
{
    struct recording *recording = &core->recording;
    bool changed = recording->last != 0 && tail_last(&core->tail).index > recording->last;
    if (changed && recording->changed == 0) recording->changed = core->now;
    if (recording_due(core) > core->now) return;
    recording->asked = core->now;
    (void)outbox_add(core, CORE_ACTION_CHECKPOINT_DUE);
}
