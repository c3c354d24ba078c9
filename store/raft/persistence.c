/* persistence: see the header. */
#include "store/raft/persistence.h"

#include "store/raft/outbox.h"

#include "runtime/base/mark.h"

/* 0: there is no room for one more. */
static uint64_t begin(struct core *core, log_index truncate_from, log_index last)
{
    struct persistence *persistence = &core->persistence;
    if (persistence->issued - persistence->done == BATCHES_MAX) {
        core_fail(core, CORE_STOP_BOUND);
        return 0;
    }
    uint64_t sequence = ++persistence->issued;
    persistence->batches[sequence % BATCHES_MAX] =
        (struct batch){ .sequence = sequence, .at = core->now, .last = last, .truncate_from = truncate_from };
    if (truncate_from != 0 && persistence->durable >= truncate_from) {
        persistence->durable = truncate_from - 1; /* R8: it falls by a truncation only, and at once. */
    }
    return sequence;
}

void persistence_issue(struct core *core, log_index truncate_from, log_index from)
{
    struct persistence *persistence = &core->persistence;
    log_index last = tail_last(&core->tail).index;
    uint64_t sequence = begin(core, truncate_from, last);
    if (sequence == 0) return;
    struct core_persist *persist = &outbox_add(core, CORE_ACTION_PERSIST)->persist;
    persist->sequence = sequence;
    persist->hard_changed = persistence->hard_dirty && !MUTANT(core, VOTE_NOT_PERSISTED);
    persist->hard = core->hard;
    if (MUTANT(core, TERM_WITHOUT_VOTE)) persist->hard.vote = 0;
    persist->truncate_from = truncate_from;
    if (from != 0) {
        persist->entries = tail_at(&core->tail, from);
        persist->entry_count = (uint32_t)(last - from + 1);
    }
    if (persistence->hard_dirty) persistence->hard_sequence = sequence;
    persistence->hard_dirty = false;
}

/* What the log held beyond commit goes with it; what was committed is in the snapshot. */
uint64_t persistence_install(struct core *core, const struct core_snapshot *snapshot, bool keep_log)
{
    if (core->persistence.hard_dirty) persistence_issue(core, 0, 0);
    log_index last = keep_log ? tail_last(&core->tail).index : snapshot->position.index;
    uint64_t sequence = begin(core, keep_log ? 0 : core->commit + 1, last);
    if (sequence == 0) return 0;
    struct core_install *install = &outbox_add(core, CORE_ACTION_INSTALL)->install;
    install->sequence = sequence;
    install->snapshot = *snapshot;
    install->keep_log = keep_log;
    return sequence;
}

uint64_t persistence_oldest_age(const struct core *core)
{
    const struct persistence *persistence = &core->persistence;
    if (persistence->done == persistence->issued) return 0;
    return core->now - persistence->batches[(persistence->done + 1) % BATCHES_MAX].at;
}

bool persistence_stalls(const struct core *core)
{
    return persistence_oldest_age(core) > core->options.election_min_ticks;
}

/* R8: a late completion can't vouch for entries that were replaced since. */
static log_index durable_after(const struct persistence *persistence, uint64_t sequence)
{
    log_index durable = persistence->batches[sequence % BATCHES_MAX].last;
    for (uint64_t later = sequence + 1; later <= persistence->issued; later++) {
        log_index from = persistence->batches[later % BATCHES_MAX].truncate_from;
        if (from != 0 && from - 1 < durable) durable = from - 1;
    }
    return durable;
}

void persistence_on_persisted(struct core *core, uint64_t sequence)
{
    struct persistence *persistence = &core->persistence;
    if (sequence <= persistence->done || sequence > persistence->issued) {
        core_fail(core, CORE_STOP_DRIVER);
        return;
    }
    log_index durable = durable_after(persistence, sequence);
    if (MUTANT(core, LATE_COMPLETION)) durable = persistence->batches[sequence % BATCHES_MAX].last;
    if (durable < persistence->batches[sequence % BATCHES_MAX].last) MARK("raft.late_completion");
    if (durable < persistence->durable) {
        core_fail(core, CORE_STOP_BACKWARDS);
        return;
    }
    persistence->durable = durable;
    persistence->done = sequence;
    outbox_release(core);
}

bool persistence_is_idle(const struct core *core)
{
    return core->persistence.done == core->persistence.issued && !core->persistence.hard_dirty;
}

bool persistence_hard_is_durable(const struct core *core)
{
    return core->persistence.hard_sequence <= core->persistence.done && !core->persistence.hard_dirty;
}

bool persistence_has_room(const struct core *core, uint64_t spare)
{
    return core->persistence.issued - core->persistence.done < BATCHES_MAX - spare;
}

void persistence_set_hard(struct core *core, log_term term, replica_id vote)
{
    bool falls = term < core->hard.term;
    bool second_vote = term == core->hard.term && core->hard.vote != 0 && core->hard.vote != vote;
    if (falls || second_vote) {
        core_fail(core, CORE_STOP_BACKWARDS);
        return;
    }
    if (term == core->hard.term && vote == core->hard.vote) return;
    core->hard = (struct hard_state){ .term = term, .vote = vote };
    core->persistence.hard_dirty = true;
}
