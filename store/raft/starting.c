/* starting: see the header. The log's form was checked by whoever read it; here only what the core itself
 * could not live with is refused. */
#include "store/raft/starting.h"

#include "store/raft/election.h"
#include "store/raft/gate.h"
#include "store/raft/persistence.h"
#include "store/raft/roster.h"

/* The founding entry is of term 1 before anybody stood for election: its holder begins in that term. */
static bool init_is_sound(const struct core_init *init)
{
    bool founded = init->last.index == 1 && init->last.term == 1;
    if (init->hard.term < init->last.term && !founded) return false;
    if (init->applied > init->last.index || init->applied < init->base.index) return false;
    if (init->replay_till > init->last.index) return false;
    if (init->damaged && init->applied != init->base.index) return false;
    if (init->last.index < init->base.index || init->last.term < init->base.term) return false;
    if ((init->last.index == 0) != (init->last.term == 0)) return false;
    if ((init->base.index == 0) != (init->base.term == 0)) return false;
    if (init->configuration_count > CORE_CONFIGURATIONS_MAX) return false;
    if ((init->last.index == 0) != (init->configuration_count == 0)) return false;
    return init->term_run_count <= CORE_TERM_RUNS_MAX;
}

static bool load_term_runs(struct core *core, const struct core_init *init)
{
    const struct core_term_run *before = NULL;
    if (init->base.index > 0) term_runs_append(&core->tail.runs, init->base.index, init->base.term);
    for (uint32_t i = 0; i < init->term_run_count; i++) {
        const struct core_term_run *run = &init->term_runs[i];
        bool ascends = before == NULL || (run->term > before->term && run->first > before->first);
        if (!ascends || run->first == 0 || run->first > init->last.index) return false;
        before = run;
        if (run->first > init->base.index) term_runs_append(&core->tail.runs, run->first, run->term);
    }
    if (init->last.index == init->base.index) return before == NULL || before->term <= init->last.term;
    return before != NULL && before->term == init->last.term;
}

static bool load_configurations(struct core *core, const struct core_init *init)
{
    log_index before = 0;
    for (uint32_t i = 0; i < init->configuration_count; i++) {
        const struct core_log_configuration *item = &init->configurations[i];
        if (item->index <= before || item->index > init->last.index) return false;
        if (!configuration_is_valid(&item->configuration)) return false;
        core->configurations[core->configuration_count++] = *item;
        before = item->index;
    }
    return true;
}

void starting_on_init(struct core *core, const struct core_init *init)
{
    if (!init_is_sound(init) || !load_term_runs(core, init) || !load_configurations(core, init)) {
        core_fail(core, CORE_STOP_DRIVER);
        return;
    }
    core->initialised = true;
    core->hard = init->hard;
    if (init->hard.term < init->last.term) persistence_set_hard(core, init->last.term, 0);
    core->tail.base = init->base;
    core->tail.before = init->last;
    core->damaged = init->damaged;
    core->tail.last_stamp_ms = init->last_stamp_ms;
    core->persistence.durable = init->last.index;
    core->replay_till = init->replay_till;
    core->commit = init->applied > init->replay_till ? init->applied : init->replay_till;
    core->handed = init->applied;
    core->applied = init->applied;
    core->reads.nonce = core_draw(core, 0);
    roster_tidy(core);
    roster_refresh(core);
    core->configured = (struct core_configured){ .index = roster_active_index(core),
                                                 .committed = roster_active_index(core) <= core->commit };
    election_start(core, init->start);
    gate_start(core, init->start);
}
