/* applying: see the header. */
#include "store/raft/applying.h"

#include "store/raft/outbox.h"
#include "store/raft/roster.h"
#include "store/raft/snapshots.h"

#include "runtime/base/mark.h"

enum { HANDED_MAX = 4096 }; /* Handed to the state and not yet applied. */

void applying_on_applied(struct core *core, log_index index)
{
    if (index < core->applied) {
        core_fail(core, CORE_STOP_BACKWARDS);
        return;
    }
    if (index > core->handed) {
        core_fail(core, CORE_STOP_APPLY);
        return;
    }
    core->applied = index;
    if (core->applied == core->handed) core->apply_reads = false;
    snapshots_on_applied(core);
    roster_tidy(core);
}

static void hand_over(struct core *core, log_index limit)
{
    struct core_apply *apply = &outbox_add(core, CORE_ACTION_APPLY)->apply;
    apply->from = core->handed + 1;
    apply->entries = tail_at(&core->tail, apply->from);
    if (apply->entries == NULL) {
        log_index to = core->handed + CORE_APPEND_ENTRIES_MAX;
        if (to > core->tail.before.index) to = core->tail.before.index;
        apply->to = to < limit ? to : limit;
        core->apply_reads = true;
        MARK("raft.applies_from_the_log");
    } else {
        uint32_t count = tail_fit(apply->entries, (uint32_t)(limit - core->handed), CORE_APPEND_ENTRIES_MAX,
                                  CORE_APPEND_BYTES_MAX);
        apply->to = core->handed + count;
    }
    core->handed = apply->to;
}

void applying_settle(struct core *core)
{
    log_index durable = core->persistence.durable;
    log_index limit = core->commit < durable ? core->commit : durable; /* R9 */
    if (MUTANT(core, APPLIES_UNCOMMITTED)) limit = durable;
    if (snapshots_holds_apply(core)) return;
    while (core->handed < limit && !core->apply_reads && core->handed - core->applied < HANDED_MAX) {
        hand_over(core, limit);
    }
}
