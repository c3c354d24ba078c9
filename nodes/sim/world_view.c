/* world_view: what stories and checkers see of a simulation: who leads, who is level with whom, what there
 * is. */
#include "nodes/sim/checkers.h"
#include "nodes/sim/reference.h"
#include "nodes/sim/world.h"
#include "store/schema/cluster_members.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

uint32_t sim_node_count(const struct sim *sim)
{
    return sim->node_count;
}

const char *sim_node_name(const struct sim *sim, uint32_t node)
{
    return sim->nodes[node].name;
}

bool sim_is_up(const struct sim *sim, uint32_t node)
{
    return sim->nodes[node].runtime != NULL;
}

bool sim_stands_still(const struct sim *sim, uint32_t node)
{
    return sim->nodes[node].hold == STEPPER_HOLD_ALL;
}

bool sim_restarts(const struct sim *sim, uint32_t node)
{
    return sim->nodes[node].restarting;
}

bool sim_is_removed(const struct sim *sim, uint32_t node)
{
    const struct sim_node *of = &sim->nodes[node];
    return of->runtime == NULL && of->removed;
}

struct runtime *sim_runtime(const struct sim *sim, uint32_t node)
{
    return sim->nodes[node].runtime;
}

/* --- what is so --- */

static uint32_t find_leader(const struct sim *sim, bool ready)
{
    uint32_t leader = SIM_NOBODY;
    log_term term = 0;
    for (uint32_t i = 0; i < sim->node_count; i++) {
        const struct core_status *status = &sim->nodes[i].status;
        if (status->role != CORE_LEADER || status->hard.term <= term) continue;
        if (ready && !status->ready) continue;
        leader = i;
        term = status->hard.term;
    }
    return leader;
}

uint32_t sim_leader(const struct sim *sim)
{
    return find_leader(sim, true);
}

uint32_t sim_claimant(const struct sim *sim)
{
    return find_leader(sim, false);
}

struct leader_wish {
    const struct sim *sim;
    uint32_t other_than;
};

static bool has_leader(void *context)
{
    const struct leader_wish *wish = context;
    uint32_t leader = sim_leader(wish->sim);
    return leader != SIM_NOBODY && leader != wish->other_than;
}

bool world_await(struct sim *sim, bool (*done)(void *context), void *context, int64_t timeout_ns)
{
    int64_t end_ns = sim_now_ns(sim) + timeout_ns;
    while (!done(context)) {
        if (checkers_failure(sim->checkers) != NULL || sim_now_ns(sim) >= end_ns) return false;
        if (!stepper_step(sim->stepper)) return false;
    }
    return true;
}

uint32_t sim_await_leader_other_than(struct sim *sim, uint32_t node, int64_t timeout_ns)
{
    struct leader_wish wish = { .sim = sim, .other_than = node };
    return world_await(sim, has_leader, &wish, timeout_ns) ? sim_leader(sim) : SIM_NOBODY;
}

uint32_t sim_await_leader(struct sim *sim, int64_t timeout_ns)
{
    return sim_await_leader_other_than(sim, SIM_NOBODY, timeout_ns);
}

static bool stop_at_first(void *context, const struct kv_record *record)
{
    (void)record;
    *(bool *)context = true;
    return false;
}

bool sim_has_wish(const struct sim *sim, uint32_t node)
{
    const struct kv *kv = reference_kv(checkers_reference(sim->checkers));
    struct kv_range range = { .key = CLUSTER_WISHES_PREFIX, .prefix = true };
    char key[sizeof CLUSTER_WISHES_PREFIX + NODE_NAME_MAX];
    bool any = false;
    bool more = false;
    (void)snprintf(key, sizeof key, CLUSTER_WISHES_PREFIX "%s",
                   node == SIM_NOBODY ? "" : sim->nodes[node].name);
    if (node != SIM_NOBODY) return kv_get(kv, key) != NULL;
    enum status status = kv_scan(kv, &range, stop_at_first, &any, &more, NULL);
    CHECK(status == STATUS_OK);
    return any;
}

/* It came with an empty directory, and what is left of it has to go before it is let in (M5 may wait). */
static bool waits_for_its_removal(const struct sim *sim, uint32_t node)
{
    return !sim_is_founded(sim, node) && sim_has_wish(sim, node);
}

static bool is_settled(void *context)
{
    const struct sim *sim = context;
    uint32_t leader = sim_leader(sim);
    if (leader == SIM_NOBODY || world_has_open_calls(sim)) return false;
    const struct core_status *of = &sim->nodes[leader].status;
    for (uint32_t i = 0; i < sim->node_count; i++) {
        const struct sim_node *node = &sim->nodes[i];
        if (((sim->expected >> i) & 1) == 0) continue;
        if (node->restarting) return false;
        if (node->runtime == NULL || waits_for_its_removal(sim, i)) continue;
        bool agrees = node->status.leader == of->leader && node->status.hard.term == of->hard.term;
        bool level = node->applied == of->last.index && node->status.durable == of->last.index;
        if (!agrees || !level) return false;
    }
    return true;
}

void sim_tell_standing(const struct sim *sim, char text[SIM_STANDING_MAX])
{
    size_t used = (size_t)snprintf(text, SIM_STANDING_MAX, "%u calls open", sim->open_count);
    for (uint32_t i = 0; i < sim->node_count && used < SIM_STANDING_MAX; i++) {
        const struct sim_node *node = &sim->nodes[i];
        const struct core_status *status = &node->status;
        used += (size_t)snprintf(text + used, SIM_STANDING_MAX - used,
                                 "; %u %s t%llu last %llu durable %llu commit %llu applied %llu conf %llu/%u",
                                 i, node->runtime == NULL ? "down" : core_role_name(status->role),
                                 (unsigned long long)status->hard.term,
                                 (unsigned long long)status->last.index, (unsigned long long)status->durable,
                                 (unsigned long long)status->commit, (unsigned long long)node->applied,
                                 (unsigned long long)status->configuration_index,
                                 status->configuration.member_count);
    }
}

void sim_expect(struct sim *sim, uint64_t nodes)
{
    sim->expected = nodes;
}

bool sim_settles(struct sim *sim, int64_t timeout_ns)
{
    if (!world_await(sim, is_settled, sim, timeout_ns)) return false;
    for (uint32_t i = 0; i < sim->node_count; i++) {
        if (((sim->expected >> i) & 1) == 0 || waits_for_its_removal(sim, i)) continue;
        if (sim->nodes[i].runtime != NULL) checkers_on_settled(sim->checkers, i, sim->nodes[i].disk);
    }
    return checkers_failure(sim->checkers) == NULL;
}

static bool is_deployed(void *context)
{
    const struct sim *sim = context;
    return reference_converged(checkers_reference(sim->checkers));
}

bool sim_deploys(struct sim *sim, int64_t timeout_ns)
{
    return world_await(sim, is_deployed, sim, timeout_ns);
}

void sim_slice_counts(const struct sim *sim, uint32_t *out_wanted, uint32_t *out_active)
{
    reference_counts(checkers_reference(sim->checkers), out_wanted, out_active);
}

bool sim_has_leases(const struct sim *sim, int64_t well_ns, const char **out_overdue)
{
    return reference_has_leases(checkers_reference(sim->checkers), well_ns, sim_now_ns(sim), out_overdue);
}

uint32_t sim_endpoints_on(const struct sim *sim, uint32_t node)
{
    return reference_endpoints_on(checkers_reference(sim->checkers), sim->nodes[node].name);
}

void sim_status(const struct sim *sim, uint32_t node, struct core_status *out_status)
{
    *out_status = sim->nodes[node].status;
}

log_index sim_applied(const struct sim *sim, uint32_t node)
{
    return sim->nodes[node].applied;
}

log_index sim_committed(const struct sim *sim)
{
    return checkers_committed(sim->checkers);
}

bool sim_is_founded(const struct sim *sim, uint32_t node)
{
    return log_memory_disk_last(sim->nodes[node].disk) > 0;
}

uint32_t sim_loads(const struct sim *sim, uint32_t node)
{
    return sim->nodes[node].loads;
}

log_index sim_log_base(const struct sim *sim, uint32_t node)
{
    return log_memory_disk_base(sim->nodes[node].disk);
}

bool sim_disk_holds(const struct sim *sim, uint32_t node, const char *value)
{
    const struct log_memory_disk *disk = sim->nodes[node].disk;
    for (log_index i = 1; i <= log_memory_disk_last(disk); i++) {
        const struct raft_entry *entry = log_memory_disk_entry(disk, i);
        if (entry == NULL || entry->payload == NULL) continue;
        if (memmem(entry->payload->data, entry->payload->size, value, strlen(value)) != NULL) return true;
    }
    return false;
}

bool sim_log_holds(const struct sim *sim, const char *value)
{
    for (uint32_t i = 0; i < sim->node_count; i++) {
        if (sim_disk_holds(sim, i, value)) return true;
    }
    return false;
}

const char *sim_failure(const struct sim *sim)
{
    return checkers_failure(sim->checkers);
}

void sim_fail(struct sim *sim, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    checkers_fail(sim->checkers, "%s", text);
}
