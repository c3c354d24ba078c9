/* log_memory_disk: see the header. */
#include "store/memory/log_memory_disk.h"

#include "runtime/base/check.h"
#include "runtime/base/hash.h"
#include "runtime/base/memory.h"
#include "store/record.h"

#include <string.h>

enum { ENTRY_OVERHEAD = 64, RECORD_OVERHEAD = 64 };

/* --- its life ------------------------------------------------------------------------------------------- */

struct log_memory_disk *log_memory_disk_create(void)
{
    struct log_memory_disk *disk = memory_zalloc(sizeof *disk);
    disk->capacity = UINT64_MAX;
    disk->history_first = 1;
    return disk;
}

void log_memory_empty(struct log_memory_disk *disk)
{
    log_memory_journal_fini(disk);
    log_memory_truncate(disk, disk->base.index + 1);
    log_memory_trim_configurations(disk, UINT64_MAX, true);
    for (uint32_t generation = 0; generation < LOG_MEMORY_GENERATIONS; generation++) {
        for (int space = 0; space < COPY_HISTORY; space++) {
            log_memory_clear(disk, &disk->copy[generation][space]);
        }
    }
    log_memory_clear(disk, &disk->history);
    CHECK(disk->used == 0);
    memory_free(disk->entries);
    memory_free(disk->configurations);
    *disk = (struct log_memory_disk){ .history_first = 1,
                                      .identity.cluster_id = disk->identity.cluster_id,
                                      .capacity = disk->capacity,
                                      .writes = disk->writes,
                                      .open_count = disk->open_count };
}

void log_memory_disk_destroy(struct log_memory_disk **disk)
{
    struct log_memory_disk *taken = *disk;
    *disk = NULL;
    if (taken == NULL) return;
    CHECK(taken->open_count == 0);
    log_memory_empty(taken);
    memory_free(taken);
}

static void clone_space(struct log_memory_disk *to, uint32_t generation, enum log_copy_space space,
                        const struct tree *from)
{
    const char *key = "";
    void *value = NULL;
    for (bool more = tree_at_or_after(from, key, &key, &value); more;
         more = tree_after(from, key, &key, &value)) {
        const struct log_memory_blob *blob = value;
        log_memory_put(to, generation,
                       &(struct log_copy_record){
                           .space = space, .key = key, .value = blob->data, .value_size = blob->size });
    }
}

struct log_memory_disk *log_memory_disk_clone(const struct log_memory_disk *disk)
{
    struct log_memory_disk *copy = memory_alloc(sizeof *copy);
    *copy = *disk;
    copy->journal = (struct log_memory_journal){ .id = 0 };
    copy->entries = NULL;
    copy->configurations = NULL;
    copy->entry_count = copy->entry_capacity = 0;
    copy->configuration_count = copy->configuration_capacity = 0;
    memset(copy->copy, 0, sizeof copy->copy);
    copy->history = (struct tree){ 0 };
    copy->used = copy->entry_bytes = 0;
    copy->open_count = 0;
    copy->fault = LOG_MEMORY_NO_FAULT;
    for (size_t i = 0; i < disk->entry_count; i++) {
        log_memory_append(copy, &disk->entries[i].entry);
        copy->entries[i].crc = disk->entries[i].crc; /* Damage included. */
    }
    log_memory_trim_configurations(copy, UINT64_MAX, true);
    for (size_t i = 0; i < disk->configuration_count; i++) {
        log_memory_keep_configuration(copy, &disk->configurations[i]);
    }
    for (uint32_t generation = 0; generation < LOG_MEMORY_GENERATIONS; generation++) {
        for (int space = 0; space < COPY_HISTORY; space++) {
            clone_space(copy, generation, (enum log_copy_space)space, &disk->copy[generation][space]);
        }
    }
    clone_space(copy, 0, COPY_HISTORY, &disk->history);
    log_memory_journal_clone(copy, disk);
    return copy;
}

/* --- looking -------------------------------------------------------------------------------------------- */

void log_memory_disk_set_fault(struct log_memory_disk *disk, enum log_memory_fault fault)
{
    log_memory_disk_set_fault_at(disk, fault, LOG_MEMORY_AT_ANY_WRITE);
}

void log_memory_disk_set_fault_at(struct log_memory_disk *disk, enum log_memory_fault fault,
                                  enum log_memory_occasion occasion)
{
    CHECK(occasion < LOG_MEMORY_OCCASION_COUNT);
    disk->fault = fault;
    disk->occasion = occasion;
}

uint64_t log_memory_disk_writes(const struct log_memory_disk *disk)
{
    return disk->writes;
}

void log_memory_disk_set_capacity(struct log_memory_disk *disk, uint64_t bytes)
{
    disk->capacity = bytes;
}

uint64_t log_memory_disk_used(const struct log_memory_disk *disk)
{
    const struct journal_pending *pending = &disk->journal.pending;
    return disk->used + pending->bytes + (uint64_t)pending->entry_count * ENTRY_OVERHEAD;
}

log_index log_memory_disk_base(const struct log_memory_disk *disk)
{
    return disk->base.index;
}

log_index log_memory_tables_last(const struct log_memory_disk *disk)
{
    return disk->base.index + disk->entry_count;
}

/* Up to here the log is as the tables have it. */
static log_index settled_last(const struct log_memory_disk *disk)
{
    log_index from = disk->journal.pending.truncate_from;
    return from == 0 ? log_memory_tables_last(disk) : from - 1;
}

log_index log_memory_disk_last(const struct log_memory_disk *disk)
{
    return settled_last(disk) + disk->journal.pending.entry_count;
}

const struct raft_entry *log_memory_disk_entry(const struct log_memory_disk *disk, log_index index)
{
    if (index > settled_last(disk)) return journal_pending_entry(&disk->journal.pending, index);
    return index > disk->base.index ? &disk->entries[index - disk->base.index - 1].entry : NULL;
}

struct hard_state log_memory_disk_hard(const struct log_memory_disk *disk)
{
    return log_memory_newest_slot(disk)->hard;
}

replica_id log_memory_disk_replica(const struct log_memory_disk *disk)
{
    return disk->identity.replica_id;
}

const struct raft_entry *log_memory_disk_configuration(const struct log_memory_disk *disk)
{
    const struct journal_pending *pending = &disk->journal.pending;
    size_t count = disk->configuration_count;
    for (uint32_t i = pending->entry_count; i > 0; i--) {
        if (pending->entries[i - 1].type == ENTRY_CONFIGURATION) return &pending->entries[i - 1];
    }
    while (count > 0 && disk->configurations[count - 1].index > settled_last(disk))
        count--;
    return count == 0 ? NULL : &disk->configurations[count - 1];
}

bool log_memory_disk_record(const struct log_memory_disk *disk, const char *key, struct kv_record *out_record)
{
    const struct log_memory_blob *blob = tree_get(&disk->copy[disk->generation][COPY_RECORD], key);
    return blob != NULL && record_unpack(key, blob->data, blob->size, out_record, NULL) == STATUS_OK;
}

struct tree *log_memory_space(struct log_memory_disk *disk, enum log_copy_space space, uint32_t generation)
{
    CHECK(generation < LOG_MEMORY_GENERATIONS);
    return space == COPY_HISTORY ? &disk->history : &disk->copy[generation][space];
}

/* --- the guard ------------------------------------------------------------------------------------------ */

struct log_memory_slot *log_memory_newest_slot(const struct log_memory_disk *disk)
{
    const struct log_memory_slot *first = &disk->guard[0];
    const struct log_memory_slot *second = &disk->guard[1];
    return (struct log_memory_slot *)(first->sequence > second->sequence ? first : second);
}

/* In turn: a torn write would damage the older slot only. */
void log_memory_write_slot(struct log_memory_disk *disk, const struct hard_state *hard)
{
    uint64_t sequence = log_memory_newest_slot(disk)->sequence + 1;
    disk->guard[sequence % LOG_MEMORY_GUARD_SLOTS] = (struct log_memory_slot){ sequence, *hard };
}

/* --- entries -------------------------------------------------------------------------------------------- */

uint32_t log_memory_crc(const struct raft_entry *entry)
{
    const uint64_t fields[] = { entry->index, entry->term, entry->stamp_ms, entry->chain, entry->type };
    uint32_t crc = crc32c(0, fields, sizeof fields);
    return entry->payload == NULL ? crc : crc32c(crc, entry->payload->data, entry->payload->size);
}

static uint64_t entry_bytes(const struct raft_entry *entry)
{
    return ENTRY_OVERHEAD + (entry->payload == NULL ? 0 : entry->payload->size);
}

void log_memory_append(struct log_memory_disk *disk, const struct raft_entry *entry)
{
    CHECK(entry->index == log_memory_tables_last(disk) + 1);
    if (disk->entry_count == disk->entry_capacity) {
        disk->entry_capacity = disk->entry_capacity == 0 ? 64 : disk->entry_capacity * 2;
        disk->entries = memory_realloc(disk->entries, disk->entry_capacity * sizeof *disk->entries);
    }
    disk->entries[disk->entry_count++] =
        (struct log_memory_stored){ .entry = *entry, .crc = log_memory_crc(entry) };
    (void)bytes_ref(entry->payload);
    disk->used += entry_bytes(entry);
    disk->entry_bytes += entry_bytes(entry);
    if (entry->type == ENTRY_CONFIGURATION) log_memory_keep_configuration(disk, entry);
}

void log_memory_keep_configuration(struct log_memory_disk *disk, const struct raft_entry *entry)
{
    if (disk->configuration_count == disk->configuration_capacity) {
        disk->configuration_capacity =
            disk->configuration_capacity == 0 ? 8 : disk->configuration_capacity * 2;
        disk->configurations =
            memory_realloc(disk->configurations, disk->configuration_capacity * sizeof *entry);
    }
    size_t place = disk->configuration_count++;
    for (; place > 0 && disk->configurations[place - 1].index > entry->index; place--) {
        disk->configurations[place] = disk->configurations[place - 1];
    }
    disk->configurations[place] = *entry;
    (void)bytes_ref(entry->payload);
}

static void forget_configurations(struct log_memory_disk *disk, size_t first, size_t count)
{
    for (size_t i = first; i < first + count; i++) {
        bytes_unref(&disk->configurations[i].payload);
    }
    size_t after = disk->configuration_count - first - count;
    if (after > 0) {
        memmove(disk->configurations + first, disk->configurations + first + count,
                after * sizeof *disk->configurations);
    }
    disk->configuration_count -= count;
}

void log_memory_trim_configurations(struct log_memory_disk *disk, log_index upto, bool all)
{
    size_t count = 0;
    while (count < disk->configuration_count && disk->configurations[count].index <= upto) {
        count++;
    }
    if (count > 0 && !all) count--;
    forget_configurations(disk, 0, count);
}

static void release_entries(struct log_memory_disk *disk, size_t first, size_t count)
{
    for (size_t i = first; i < first + count; i++) {
        disk->used -= entry_bytes(&disk->entries[i].entry);
        disk->entry_bytes -= entry_bytes(&disk->entries[i].entry);
        bytes_unref(&disk->entries[i].entry.payload);
    }
}

void log_memory_truncate(struct log_memory_disk *disk, log_index from)
{
    CHECK(from > disk->base.index);
    size_t kept = (size_t)(from - disk->base.index - 1);
    if (kept < disk->entry_count) {
        release_entries(disk, kept, disk->entry_count - kept);
        disk->entry_count = kept;
    }
    size_t count = disk->configuration_count;
    while (count > 0 && disk->configurations[count - 1].index >= from) {
        count--;
    }
    forget_configurations(disk, count, disk->configuration_count - count);
}

void log_memory_cut_damage(struct log_memory_disk *disk)
{
    for (size_t i = 0; i < disk->entry_count; i++) {
        if (disk->entries[i].crc == log_memory_crc(&disk->entries[i].entry)) continue;
        log_memory_truncate(disk, disk->entries[i].entry.index);
        return;
    }
}

void log_memory_drop_prefix(struct log_memory_disk *disk, log_index to)
{
    const struct raft_entry *last = log_memory_disk_entry(disk, to);
    CHECK(last != NULL);
    struct log_position base = { last->index, last->term, last->chain };
    size_t count = (size_t)(to - disk->base.index);
    release_entries(disk, 0, count);
    disk->entry_count -= count;
    memmove(disk->entries, disk->entries + count, disk->entry_count * sizeof *disk->entries);
    disk->base = base;
}

/* --- the copy ------------------------------------------------------------------------------------------- */

void log_memory_remove(struct log_memory_disk *disk, struct tree *space, const char *key)
{
    struct log_memory_blob *blob = tree_remove(space, key);
    if (blob == NULL) return;
    disk->used -= RECORD_OVERHEAD + blob->size;
    memory_free(blob);
}

void log_memory_put(struct log_memory_disk *disk, uint32_t generation, const struct log_copy_record *record)
{
    struct tree *space = log_memory_space(disk, record->space, generation);
    log_memory_remove(disk, space, record->key);
    if (record->value == NULL) return;
    struct log_memory_blob *blob = memory_alloc(sizeof *blob + record->value_size);
    blob->size = record->value_size;
    memcpy(blob->data, record->value, record->value_size);
    disk->used += RECORD_OVERHEAD + blob->size;
    (void)tree_put(space, record->key, blob);
}

void log_memory_clear(struct log_memory_disk *disk, struct tree *space)
{
    const char *key = "";
    while (tree_at_or_after(space, "", &key, NULL)) {
        log_memory_remove(disk, space, key);
    }
    tree_fini(space);
}

/* --- damage --------------------------------------------------------------------------------------------- */

static bool damage_entry(struct log_memory_disk *disk, uint64_t pick)
{
    size_t count = (size_t)(settled_last(disk) - disk->base.index); /* What is truncated, nobody reads. */
    if (count == 0) return false;
    disk->entries[pick % count].crc ^= 1;
    return true;
}

static bool damage_blob(const struct tree *space, uint64_t pick)
{
    const char *key = "";
    void *value = NULL;
    if (space->count == 0) return false;
    bool more = tree_at_or_after(space, "", &key, &value);
    for (uint64_t i = pick % space->count; i > 0 && more; i--) {
        more = tree_after(space, key, &key, &value);
    }
    struct log_memory_blob *blob = value;
    if (!more || blob->size == 0) return false;
    blob->data[pick % blob->size] ^= (uint8_t)(1u << (pick % 8));
    return true;
}

/* The record's number of changes is another, under a checksum and a state hash made to fit: F4 alone can
 * know. */
static bool damage_state(struct log_memory_disk *disk, uint64_t pick)
{
    struct tree *space = &disk->copy[disk->generation][COPY_RECORD];
    const char *key = "";
    void *value = NULL;
    bool more = space->count > 0 && tree_at_or_after(space, "", &key, &value);
    for (uint64_t i = more ? pick % space->count : 0; i > 0 && more; i--)
        more = tree_after(space, key, &key, &value);
    struct kv_record record;
    const struct log_memory_blob *blob = value;
    if (!more || record_unpack(key, blob->data, blob->size, &record, NULL) != STATUS_OK) return false;
    struct arena scratch = { 0 };
    record.key = arena_strdup(&scratch, key);
    struct record_hash sum;
    struct record_hash part = record_hash(&record);
    memcpy(&sum.low, disk->state_hash, sizeof sum.low);
    memcpy(&sum.high, disk->state_hash + sizeof sum.low, sizeof sum.high);
    record_hash_subtract(&sum, &part);
    record.version++;
    part = record_hash(&record);
    record_hash_add(&sum, &part);
    record_hash_bytes(&sum, disk->state_hash);
    struct record_blob packed = record_pack(&record, &scratch);
    log_memory_put(disk, disk->generation,
                   &(struct log_copy_record){ COPY_RECORD, record.key, packed.data, packed.size });
    arena_fini(&scratch);
    return true;
}

bool log_memory_disk_damage(struct log_memory_disk *disk, enum log_memory_damage damage, uint64_t pick)
{
    CHECK(disk->open_count == 0);
    if (disk->identity.replica_id == 0) return false;
    switch (damage) {
    case LOG_MEMORY_DAMAGE_ENTRY: return damage_entry(disk, pick);
    case LOG_MEMORY_DAMAGE_JOURNAL: return log_memory_journal_damage(disk, pick);
    case LOG_MEMORY_DAMAGE_RECORD: return damage_blob(&disk->copy[disk->generation][COPY_RECORD], pick);
    case LOG_MEMORY_DAMAGE_HISTORY: return damage_blob(&disk->history, pick);
    case LOG_MEMORY_DAMAGE_PAGE: disk->page_damaged = true; return true;
    case LOG_MEMORY_DAMAGE_SLOT: disk->guard[pick % LOG_MEMORY_GUARD_SLOTS].sequence = 0; return true;
    case LOG_MEMORY_DAMAGE_GUARD: memset(disk->guard, 0, sizeof disk->guard); return true;
    case LOG_MEMORY_DAMAGE_STATE: return damage_state(disk, pick);
    default: return false;
    }
}
