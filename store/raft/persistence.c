/* persistence: see the header. */
#include "store/raft/persistence.h"

#include "store/raft/outbox.h"

void persistence_issue(struct core *core, log_index truncate_from, log_index from)
{
    struct persistence *persistence = &core->persistence;
    if (persistence->issued - persistence->done == BATCHES_MAX) {
        core_fail(core, CORE_STOP_BOUND);
        return;
    }
    log_index last = tail_last(&core->tail).index;
    uint64_t sequence = ++persistence->issued;
    persistence->batches[sequence % BATCHES_MAX] =
        (struct batch){ .sequence = sequence, .last = last, .truncate_from = truncate_from };
    if (truncate_from != 0 && persistence->durable >= truncate_from) {
        persistence->durable = truncate_from - 1; /* R8: it falls by a truncation only, and at once. */
    }
    struct core_persist *persist = &outbox_add(core, CORE_ACTION_PERSIST)->persist;
    persist->sequence = sequence;
    persist->hard_changed = persistence->hard_dirty;
    persist->hard = core->hard;
    persist->truncate_from = truncate_from;
    if (from != 0) {
        persist->entries = tail_at(&core->tail, from);
        persist->entry_count = (uint32_t)(last - from + 1);
    }
    if (persistence->hard_dirty) persistence->hard_sequence = sequence;
    persistence->hard_dirty = false;
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
