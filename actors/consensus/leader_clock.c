/* leader_clock: the core's ticks. It says when it next has something to do (core_next_tick_due), and one
 * timer is armed for that; before every other event it is told of the ticks that went by. A node at rest
 * wakes for heartbeats only. Never more ticks at once than it would sleep for: what a stalled process or a
 * stopped machine lost is not made up, as if its clock had stood still with it. A part of the leader actor.
 */
#include "actors/consensus/leader_state.h"
#include "wire/kinds.h"

enum { KEEP_TICKS = 100, WAITING_TICKS = 2 }; /* Besides the core: reads that are late, and compaction. */
static const int64_t tick_ns = MILLISECONDS(CORE_TICK_MS);

/* Until there is a core the founding counts ticks of its own. */
void leader_clock_start(struct actor *self, struct leader *leader)
{
    leader->clock.founding = actor_every(self, tick_ns, KIND_CONSENSUS_TICK);
}

void leader_clock_start_core(struct actor *self, struct leader *leader)
{
    actor_cancel(self, &leader->clock.founding);
    leader->clock.ticked_ns = actor_now_ns(self);
    leader->clock.kept_ns = leader->clock.ticked_ns;
}

uint32_t leader_clock_elapsed(struct actor *self, struct leader *leader)
{
    struct leader_clock *clock = &leader->clock;
    int64_t ticks = (actor_now_ns(self) - clock->ticked_ns) / tick_ns;
    if (ticks <= 0) return 0;
    int64_t due = core_next_tick_due(leader->core);
    clock->ticked_ns += ticks * tick_ns;
    return (uint32_t)(ticks < due ? ticks : due);
}

/* What has to be looked at now and then, whatever the core has to do. */
static void keep(struct actor *self, struct leader *leader)
{
    struct leader_clock *clock = &leader->clock;
    transfers_answer(self, &leader->transfers, leader->role.role == CORE_LEADER);
    bool due = actor_now_ns(self) - clock->kept_ns >= KEEP_TICKS * tick_ns;
    if (due) leader_sweep_reads(self, leader);
    if (due) leader_look_for_leader(self, leader);
    if (due || leader_compaction_due(leader)) leader_compact(self, leader);
    if (due) clock->kept_ns = actor_now_ns(self);
}

void leader_on_tick(struct actor *self, void *state, const struct message *message)
{
    struct leader *leader = state;
    (void)message;
    if (leader->core == NULL) {
        leader_founding_tick(self, leader);
        return;
    }
    leader->clock.armed_ns = 0;
    leader_elapse(self, leader);
    keep(self, leader);
}

void leader_clock_arm(struct actor *self, struct leader *leader)
{
    struct leader_clock *clock = &leader->clock;
    if (leader->core == NULL) return;
    int64_t ticks = core_next_tick_due(leader->core);
    int64_t most = leader->transfers.count > 0 ? WAITING_TICKS : KEEP_TICKS;
    int64_t at = clock->ticked_ns + (ticks < most ? ticks : most) * tick_ns;
    if (clock->armed_ns != 0 && clock->armed_ns <= at) return; /* Comes early: then it is armed again. */
    actor_cancel(self, &clock->timer);
    int64_t delay = at - actor_now_ns(self);
    clock->timer = actor_after(self, delay > 0 ? delay : 0, KIND_CONSENSUS_TICK, 0);
    clock->armed_ns = at;
}
