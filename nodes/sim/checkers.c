/* checkers: the memory of a simulation, and its judgement. */
#include "nodes/sim/checkers.h"

#include "nodes/sim/reference.h"
#include "runtime/base/check.h"
#include "runtime/base/map.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { FAILURE_MAX = 512 };

struct seen {              /* Of one index, by whoever came there first. */
    log_term committed_in; /* The term of the first replica that knew it as committed; 0: nobody yet. */
    bool applied;
    log_term term;
    uint64_t chain;
    uint8_t state_hash[16];
};

struct replica_view {
    log_term term;
    log_index commit;
    log_index applied;
    log_term durable_term;
    log_term led; /* The last term that it was seen leading. */
};

enum write_outcome { WRITE_OPEN, WRITE_ACKNOWLEDGED, WRITE_REFUSED };

struct write {
    char *key;
    enum write_outcome outcome;
    uint64_t revision;
};

struct checkers {
    struct seen *seen; /* By index. */
    size_t seen_room;
    log_index committed;
    struct map leaders; /* term -> node + 1 */
    struct map writes;  /* value -> struct write */
    struct map floors;  /* key -> revision */
    struct replica_view replicas[CHECKERS_NODES_MAX];
    bool diverged[CHECKERS_NODES_MAX]; /* On purpose. */
    struct reference *reference;
    char failure[FAILURE_MAX];
};

struct checkers *checkers_create(void)
{
    struct checkers *checkers = memory_zalloc(sizeof *checkers);
    checkers->reference = reference_create();
    return checkers;
}

void checkers_destroy(struct checkers **checkers)
{
    struct checkers *taken = *checkers;
    *checkers = NULL;
    if (taken == NULL) return;
    const char *key = NULL;
    void *value = NULL;
    for (size_t i = 0; map_next(&taken->writes, &i, &key, &value);) {
        struct write *write = value;
        memory_free(write->key);
        memory_free(write);
    }
    map_fini(&taken->writes);
    map_fini(&taken->floors);
    map_fini(&taken->leaders);
    reference_destroy(&taken->reference);
    memory_free(taken->seen);
    memory_free(taken);
}

void checkers_fail(struct checkers *checkers, const char *format, ...)
{
    if (checkers->failure[0] != '\0') return; /* The first one is the cause. */
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(checkers->failure, sizeof checkers->failure, format, arguments);
    va_end(arguments);
}

const char *checkers_failure(const struct checkers *checkers)
{
    return checkers->failure[0] == '\0' ? NULL : checkers->failure;
}

struct reference *checkers_reference(struct checkers *checkers)
{
    return checkers->reference;
}

log_index checkers_committed(const struct checkers *checkers)
{
    return checkers->committed;
}

static struct seen *seen_at(struct checkers *checkers, log_index index)
{
    if (index >= checkers->seen_room) {
        size_t room = checkers->seen_room == 0 ? 256 : checkers->seen_room;
        while (room <= index)
            room *= 2;
        checkers->seen = memory_realloc(checkers->seen, room * sizeof *checkers->seen);
        memset(checkers->seen + checkers->seen_room, 0,
               (room - checkers->seen_room) * sizeof *checkers->seen);
        checkers->seen_room = room;
    }
    return &checkers->seen[index];
}

/* --- replicas --- */

void checkers_on_start(struct checkers *checkers, uint32_t node, const struct log_boot *boot)
{
    struct replica_view *view = &checkers->replicas[node];
    if (boot->hard.term < view->durable_term) {
        checkers_fail(checkers, "S6: node %u came back in term %llu, it was in %llu", node,
                      (unsigned long long)boot->hard.term, (unsigned long long)view->durable_term);
    }
    *view = (struct replica_view){ .term = boot->hard.term,
                                   .durable_term = boot->hard.term,
                                   .applied = boot->applied.index };
}

void checkers_on_wiped(struct checkers *checkers, uint32_t node)
{
    checkers->replicas[node] = (struct replica_view){ 0 };
}

/* S4: what was committed in earlier terms is in the log of the one that leads now. */
static void check_new_leader(struct checkers *checkers, uint32_t node, log_term term,
                             const struct log_memory_disk *disk)
{
    log_index index = checkers->committed;
    while (index > 0 && seen_at(checkers, index)->committed_in >= term)
        index--;
    if (index <= log_memory_disk_base(disk)) return; /* Compacted: it was applied there. */
    const struct seen *seen = seen_at(checkers, index);
    const struct raft_entry *entry = log_memory_disk_entry(disk, index);
    if (entry == NULL) {
        checkers_fail(checkers, "S4: node %u leads term %llu without entry %llu, committed in term %llu",
                      node, (unsigned long long)term, (unsigned long long)index,
                      (unsigned long long)seen->committed_in);
    } else if (seen->applied && entry->chain != seen->chain) {
        checkers_fail(checkers, "S4: node %u leads term %llu with another entry %llu than was committed",
                      node, (unsigned long long)term, (unsigned long long)index);
    }
}

static void check_leader(struct checkers *checkers, uint32_t node, log_term term,
                         const struct log_memory_disk *disk)
{
    struct replica_view *view = &checkers->replicas[node];
    if (view->led == term) return;
    view->led = term;
    uintptr_t who = (uintptr_t)map_get_number(&checkers->leaders, term);
    if (who == 0) {
        (void)map_put_number(&checkers->leaders, term, (void *)((uintptr_t)node + 1)); /* NOLINT */
    } else if (who != (uintptr_t)node + 1) {
        checkers_fail(checkers, "S1: nodes %u and %u both lead term %llu", (unsigned)(who - 1), node,
                      (unsigned long long)term);
    }
    check_new_leader(checkers, node, term, disk);
}

void checkers_on_core(struct checkers *checkers, uint32_t node, const struct core *core,
                      const struct log_memory_disk *disk)
{
    CHECK(node < CHECKERS_NODES_MAX);
    struct core_status status;
    core_status(core, &status);
    struct replica_view *view = &checkers->replicas[node];
    if (status.hard.term < view->term || status.commit < view->commit || status.applied < view->applied) {
        checkers_fail(checkers, "S7: on node %u term, commit or applied fell (%llu, %llu, %llu)", node,
                      (unsigned long long)status.hard.term, (unsigned long long)status.commit,
                      (unsigned long long)status.applied);
    }
    if (status.applied > status.commit || status.applied > status.durable) {
        checkers_fail(checkers, "S7: node %u applied %llu of commit %llu, durable %llu", node,
                      (unsigned long long)status.applied, (unsigned long long)status.commit,
                      (unsigned long long)status.durable);
    }
    view->term = status.hard.term;
    view->commit = status.commit;
    view->applied = status.applied;
    log_term durable_term = log_memory_disk_hard(disk).term;
    if (durable_term > view->durable_term) view->durable_term = durable_term;
    for (log_index i = checkers->committed + 1; i <= status.commit; i++) {
        seen_at(checkers, i)->committed_in = status.hard.term;
        checkers->committed = i;
    }
    if (status.role == CORE_LEADER) check_leader(checkers, node, status.hard.term, disk);
}

/* The first to apply an entry is compared with the reference, as all others are. */
static void apply_reference(struct checkers *checkers, const struct raft_entry *entry, int64_t now_ns,
                            uint8_t state_hash[16])
{
    struct error error = { 0 };
    if (reference_apply(checkers->reference, entry, now_ns, &error) != STATUS_OK) {
        checkers_fail(checkers, "%s", error.message);
    }
    kv_state_hash(reference_kv(checkers->reference), state_hash);
}

void checkers_on_applied(struct checkers *checkers, uint32_t node, const struct raft_entry *entry,
                         const uint8_t state_hash[16], int64_t now_ns)
{
    struct seen *seen = seen_at(checkers, entry->index);
    if (!seen->applied) {
        seen->applied = true;
        seen->term = entry->term;
        seen->chain = entry->chain;
        apply_reference(checkers, entry, now_ns, seen->state_hash);
    }
    if (seen->term != entry->term || seen->chain != entry->chain) {
        checkers_fail(checkers,
                      "S5: node %u applied another entry %llu (term %llu) than the first (term %llu)", node,
                      (unsigned long long)entry->index, (unsigned long long)entry->term,
                      (unsigned long long)seen->term);
    } else if (node < CHECKERS_NODES_MAX && checkers->diverged[node]) {
        return;
    } else if (memcmp(seen->state_hash, state_hash, sizeof seen->state_hash) != 0) {
        checkers_fail(checkers, "K5: node %u has another state after entry %llu", node,
                      (unsigned long long)entry->index);
    }
}

void checkers_expect_divergence(struct checkers *checkers, uint32_t node)
{
    checkers->diverged[node] = true;
}

bool checkers_expect_end(const struct checkers *checkers, uint32_t node)
{
    return node < CHECKERS_NODES_MAX && checkers->diverged[node];
}

void checkers_on_loaded(struct checkers *checkers, uint32_t node, const struct log_position *position,
                        const uint8_t state_hash[16])
{
    if (node < CHECKERS_NODES_MAX) checkers->diverged[node] = false;
    const struct seen *seen = seen_at(checkers, position->index);
    if (!seen->applied || seen->term != position->term || seen->chain != position->chain) {
        checkers_fail(checkers, "S5: node %u took a snapshot at %llu, which nobody applied so", node,
                      (unsigned long long)position->index);
    } else if (memcmp(seen->state_hash, state_hash, sizeof seen->state_hash) != 0) {
        checkers_fail(checkers, "K5: node %u took a snapshot of another state at %llu", node,
                      (unsigned long long)position->index);
    }
}

/* --- clients --- */

void checkers_on_write(struct checkers *checkers, const char *key, const char *value)
{
    struct write *write = memory_zalloc(sizeof *write);
    write->key = memory_strdup(key);
    struct write *former = map_put(&checkers->writes, value, write);
    CHECK(former == NULL); /* Values are unique. */
}

static void raise_floor(struct checkers *checkers, const char *key, uint64_t revision)
{
    if (revision <= checkers_read_floor(checkers, key)) return;
    (void)map_put(&checkers->floors, key, (void *)(uintptr_t)revision); /* NOLINT */
}

void checkers_on_acknowledged(struct checkers *checkers, const char *key, const char *value,
                              uint64_t revision)
{
    struct write *write = map_get(&checkers->writes, value);
    CHECK(write != NULL);
    if (revision == 0 || !seen_at(checkers, revision)->applied) {
        checkers_fail(checkers, "K3: %s=%s was acknowledged at %llu, which nobody applied", key, value,
                      (unsigned long long)revision);
    }
    write->outcome = WRITE_ACKNOWLEDGED;
    write->revision = revision;
    raise_floor(checkers, key, revision);
}

void checkers_on_refused(struct checkers *checkers, const char *value)
{
    struct write *write = map_get(&checkers->writes, value);
    CHECK(write != NULL);
    write->outcome = WRITE_REFUSED;
}

uint64_t checkers_read_floor(const struct checkers *checkers, const char *key)
{
    return (uint64_t)(uintptr_t)map_get(&checkers->floors, key);
}

void checkers_on_read(struct checkers *checkers, const char *key, uint64_t floor, const char *value,
                      uint64_t revision)
{
    if (revision < floor) {
        checkers_fail(checkers, "K1: a read of %s returned revision %llu after %llu was acknowledged or read",
                      key, (unsigned long long)revision, (unsigned long long)floor);
    }
    if (value == NULL) return;
    raise_floor(checkers, key, revision);
    const struct write *write = map_get(&checkers->writes, value);
    if (write == NULL || strcmp(write->key, key) != 0) {
        checkers_fail(checkers, "K4: %s holds %s, which nobody wrote there", key, value);
    } else if (write->outcome == WRITE_REFUSED) {
        checkers_fail(checkers, "K4: %s holds %s, which was refused", key, value);
    } else if (write->outcome == WRITE_ACKNOWLEDGED && write->revision != revision) {
        checkers_fail(checkers, "K9: %s=%s was acknowledged at %llu and is there at %llu", key, value,
                      (unsigned long long)write->revision, (unsigned long long)revision);
    }
}

void checkers_on_settled(struct checkers *checkers, uint32_t node, const struct log_memory_disk *disk)
{
    const char *value = NULL;
    void *item = NULL;
    for (size_t i = 0; map_next(&checkers->writes, &i, &value, &item);) {
        const struct write *write = item;
        if (write->outcome != WRITE_ACKNOWLEDGED) continue;
        if (write->revision <= log_memory_disk_base(disk)) continue; /* Compacted: K5 vouches for it. */
        const struct raft_entry *entry = log_memory_disk_entry(disk, write->revision);
        bool holds = entry != NULL && entry->payload != NULL &&
                     memmem(entry->payload->data, entry->payload->size, value, strlen(value)) != NULL;
        if (holds) continue;
        checkers_fail(checkers, "K3: node %u lost %s=%s, acknowledged at %llu", node, write->key, value,
                      (unsigned long long)write->revision);
    }
}
