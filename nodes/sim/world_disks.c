/* world_disks: what befalls the directories of nodes that are down, as stories and faults ask for it (FLT15,
 * FLT17, FLT18), and what a start may then find wrong with them. */
#include "nodes/sim/checkers.h"
#include "nodes/sim/world.h"
#include "runtime/base/mark.h"
#include "store/raft/configuration.h"
#include "store/schema/cluster_checkpoint.h"

struct log_memory_disk *sim_disk(struct sim *sim, uint32_t index)
{
    return sim->nodes[index].disk;
}

void sim_kill_at_write(struct sim *sim, uint32_t index, enum log_memory_fault fault)
{
    sim_kill_at(sim, index, fault, LOG_MEMORY_AT_ANY_WRITE);
}

void sim_kill_at(struct sim *sim, uint32_t index, enum log_memory_fault fault,
                 enum log_memory_occasion occasion)
{
    log_memory_disk_set_fault_at(sim->nodes[index].disk, fault, occasion);
}

/* --- what lies there ------------------------------------------------------------------------------------ */

replica_id sim_replica(const struct sim *sim, uint32_t index)
{
    return log_memory_disk_replica(sim->nodes[index].disk);
}

static log_index read_configuration(const struct log_memory_disk *disk,
                                    struct configuration *out_configuration)
{
    const struct raft_entry *entry = log_memory_disk_configuration(disk);
    if (entry == NULL) return 0;
    enum status status = configuration_unpack(entry->payload->data, entry->payload->size, out_configuration);
    return status == STATUS_OK ? entry->index : 0;
}

log_index sim_configuration(const struct sim *sim, uint32_t index, struct configuration *out_configuration)
{
    return read_configuration(sim->nodes[index].disk, out_configuration);
}

/* T5: what this node has durably applied of the last CHECKPOINT. */
static log_index recorded_match(const struct sim_node *node, replica_id id)
{
    struct kv_record record;
    struct checkpoint checkpoint;
    bool there = log_memory_disk_record(node->disk, CLUSTER_CHECKPOINT_KEY, &record) &&
                 cluster_checkpoint_read(&record, &checkpoint) == STATUS_OK;
    return there ? checkpoint_match_of(&checkpoint, id) : 0;
}

static const struct sim_node *holder_of(const struct sim *sim, replica_id id)
{
    for (uint32_t i = 0; i < sim->node_count; i++) {
        if (log_memory_disk_replica(sim->nodes[i].disk) == id) return &sim->nodes[i];
    }
    return NULL;
}

/* Every other voter whom the copy would ask (T3) has recorded that its replica acknowledged more, and knows
 * the same voters as the copy does. */
static bool will_be_found_out(const struct sim *sim, const struct log_memory_disk *copy)
{
    struct configuration asked;
    replica_id self = log_memory_disk_replica(copy);
    uint32_t others = 0;
    if (read_configuration(copy, &asked) == 0) return false;
    for (uint32_t i = 0; i < asked.member_count; i++) {
        replica_id id = asked.members[i].id;
        struct configuration known;
        if (id == self || !configuration_is_voter(&asked, id)) continue;
        const struct sim_node *other = holder_of(sim, id);
        if (other == NULL || sim_configuration(sim, other->index, &known) == 0) return false;
        if (!configuration_equal(&known, &asked)) return false;
        if (recorded_match(other, self) <= log_memory_disk_last(copy)) return false;
        others++;
    }
    return others > 0;
}

/* --- what is done to it --------------------------------------------------------------------------------- */

bool sim_damage(struct sim *sim, uint32_t index, enum log_memory_damage damage, uint64_t pick)
{
    struct sim_node *node = &sim->nodes[index];
    CHECK(node->runtime == NULL);
    bool done = log_memory_disk_damage(node->disk, damage, pick);
    bool surely = damage == LOG_MEMORY_DAMAGE_ENTRY || damage == LOG_MEMORY_DAMAGE_PAGE ||
                  damage == LOG_MEMORY_DAMAGE_JOURNAL;
    node->damaged = node->damaged || done;
    node->must_doubt = node->must_doubt || (done && surely);
    return done;
}

bool sim_diverge(struct sim *sim, uint32_t index, uint64_t pick)
{
    struct sim_node *node = &sim->nodes[index];
    CHECK(node->runtime == NULL);
    if (!log_memory_disk_damage(node->disk, LOG_MEMORY_DAMAGE_STATE, pick)) return false;
    checkers_expect_divergence(sim->checkers, index);
    node->diverged = true;
    return true;
}

void sim_expect_split(struct sim *sim)
{
    sim->split = true;
}

void sim_wipe(struct sim *sim, uint32_t index)
{
    struct sim_node *node = &sim->nodes[index];
    CHECK(node->runtime == NULL);
    log_memory_disk_destroy(&node->disk);
    node->disk = log_memory_disk_create();
    sim_files_destroy(&node->files);
    node->files = sim_files_create();
    node->replica = 0;
    node->must_doubt = false;
    if (index < sim->node_count) checkers_on_wiped(sim->checkers, index);
}

struct log_memory_disk *sim_copy_disk(const struct sim *sim, uint32_t index)
{
    return log_memory_disk_clone(sim->nodes[index].disk);
}

bool sim_put_back(struct sim *sim, uint32_t index, struct log_memory_disk **copy)
{
    struct sim_node *node = &sim->nodes[index];
    CHECK(node->runtime == NULL);
    if (log_memory_disk_replica(*copy) != node->replica || !will_be_found_out(sim, *copy)) return false;
    log_memory_disk_destroy(&node->disk);
    node->disk = *copy;
    *copy = NULL;
    node->stale = true;
    checkers_on_wiped(sim->checkers, index);
    return true;
}

void sim_exchange_disks(struct sim *sim, uint32_t a, uint32_t b)
{
    struct sim_node *first = &sim->nodes[a];
    struct sim_node *second = &sim->nodes[b];
    CHECK(first->runtime == NULL);
    CHECK(second->runtime == NULL);
    const struct sim_node held = *first;
    first->disk = second->disk;
    first->replica = second->replica;
    first->damaged = second->damaged;
    first->stale = second->stale;
    second->disk = held.disk;
    second->replica = held.replica;
    second->damaged = held.damaged;
    second->stale = held.stale;
    first->foreign = second->foreign = !held.foreign;
    checkers_on_wiped(sim->checkers, a);
    checkers_on_wiped(sim->checkers, b);
}

/* --- what a start finds --------------------------------------------------------------------------------- */

bool world_refuses_foreign(const struct sim_node *node)
{
    if (!node->foreign) return false;
    MARK("sim.foreign_directory_refused");
    return true;
}

bool world_expects_lost_entries(const struct sim_node *node)
{
    return node->stale;
}

void world_check_boot(struct sim_node *node)
{
    const struct log_boot *boot = &node->log->boot;
    bool doubts = node->replica != 0 && boot->identity.replica_id != node->replica;
    bool sound = boot->copy_state == LOG_COPY_SOUND;
    bool expected = node->damaged || (doubts && node->stale);
    node->replica = boot->identity.replica_id;
    bool is_voter = node->index < node->sim->node_count;
    if (doubts && is_voter) checkers_on_wiped(node->sim->checkers, node->index);
    if (node->must_doubt && !doubts) {
        sim_fail(node->sim, "D8: %s goes on with a log that was damaged", node->name);
    } else if (doubts && !expected) {
        sim_fail(node->sim, "T2: %s doubts a store that nobody damaged: %s", node->name, boot->doubt_reason);
    } else if (!sound && !expected) {
        sim_fail(node->sim, "D3: %s finds its copy of the state damaged, which nobody did", node->name);
    }
    node->must_doubt = false;
    if (doubts) node->stale = node->damaged = false;
    if (sound && !doubts) node->damaged = node->diverged;
    else node->diverged = false;
}

struct sim_files *sim_files_of(struct sim *sim, uint32_t index)
{
    return sim->nodes[index].files;
}
