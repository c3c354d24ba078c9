/* log_memory_check: see the header. */
#include "store/memory/log_memory_check.h"

#include "runtime/base/arena.h"
#include "store/raft/configuration.h"
#include "store/record.h"

#include <string.h>

static enum status check_entry(const struct log_memory_stored *stored, struct log_position *before,
                               struct error *error)
{
    const struct raft_entry *entry = &stored->entry;
    unsigned long long index = entry->index;
    const struct bytes *payload = entry->payload;
    uint64_t chain = entry_chain(before->chain, entry->index, entry->term, entry->type,
                                 payload == NULL ? NULL : payload->data, payload == NULL ? 0 : payload->size);
    if (stored->crc != log_memory_crc(entry)) {
        return error_set(error, STATUS_CORRUPT, "the checksum of entry %llu does not match", index);
    }
    if (entry->term < before->term) {
        return error_set(error, STATUS_CORRUPT, "the term of entry %llu falls", index);
    }
    if (entry->index != before->index + 1 || entry->chain != chain) {
        return error_set(error, STATUS_CORRUPT, "entry %llu does not follow from the one before", index);
    }
    *before = (struct log_position){ entry->index, entry->term, entry->chain };
    return STATUS_OK;
}

static enum status check_log(const struct log_memory_disk *disk, struct error *error)
{
    struct log_position before = disk->base;
    for (size_t i = 0; i < disk->entry_count; i++) {
        enum status status = check_entry(&disk->entries[i], &before, error);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

static bool is_sole_voter(const struct log_memory_disk *disk)
{
    struct configuration newest;
    uint32_t voters = 0;
    if (disk->configuration_count == 0) return false;
    const struct bytes *payload = disk->configurations[disk->configuration_count - 1].payload;
    if (configuration_unpack(payload->data, payload->size, &newest) != STATUS_OK) return false;
    for (uint32_t i = 0; i < newest.member_count; i++) {
        if (newest.members[i].voter || newest.members[i].outgoing_voter) voters++;
    }
    return voters == 1 && configuration_is_voter(&newest, disk->identity.replica_id);
}

static bool hard_before(const struct hard_state *a, const struct hard_state *b)
{
    return a->term < b->term || (a->term == b->term && a->vote == 0 && b->vote != 0);
}

static enum status check_guard(const struct log_memory_disk *disk, struct log_memory_verdict *verdict,
                               struct error *error)
{
    const struct log_memory_slot *slot = log_memory_newest_slot(disk);
    verdict->hard = slot->hard;
    if (slot->sequence != 0 && !hard_before(&slot->hard, &disk->hard)) return STATUS_OK;
    verdict->hard = (struct hard_state){ .term = disk->hard.term + 1 };
    verdict->guard_lost = is_sole_voter(disk);
    if (verdict->guard_lost) return STATUS_OK;
    if (slot->sequence == 0) return error_set(error, STATUS_CORRUPT, "the guard has no valid slot");
    return error_set(error, STATUS_CORRUPT, "the guard is older than the hard state");
}

static bool add_hash(enum log_copy_space space, const char *key, const struct log_memory_blob *blob,
                     struct record_hash *sum)
{
    struct kv_record record;
    struct record_session session;
    struct record_history history;
    struct arena scratch = { 0 };
    struct record_hash hash = { 0, 0 };
    enum status status;
    if (space == COPY_RECORD) {
        status = record_unpack(key, blob->data, blob->size, &record, NULL);
        if (status == STATUS_OK) hash = record_hash(&record);
    } else if (space == COPY_SESSION) {
        status = record_unpack_session(key, blob->data, blob->size, &session, NULL);
        if (status == STATUS_OK) hash = record_hash_session(&session);
    } else {
        status = record_unpack_history(key, blob->data, blob->size, &scratch, &history, NULL);
        arena_fini(&scratch);
    }
    record_hash_add(sum, &hash);
    return status == STATUS_OK;
}

/* D2 */
static bool copy_is_sound(const struct log_memory_disk *disk)
{
    struct record_hash sum = { 0, 0 };
    uint8_t hash[16];
    for (int space = 0; space < COPY_SPACE_COUNT; space++) {
        const struct tree *records =
            space == COPY_HISTORY ? &disk->history : &disk->copy[disk->generation][space];
        const char *key = "";
        void *value = NULL;
        for (bool more = tree_at_or_after(records, "", &key, &value); more;
             more = tree_after(records, key, &key, &value)) {
            if (!add_hash((enum log_copy_space)space, key, value, &sum)) return false;
        }
    }
    record_hash_bytes(&sum, hash);
    return memcmp(hash, disk->state_hash, sizeof hash) == 0;
}

enum status log_memory_check(const struct log_memory_disk *disk, struct log_memory_verdict *out_verdict,
                             struct error *error)
{
    *out_verdict = (struct log_memory_verdict){ .copy_damaged = false };
    if (disk->page_damaged) return error_set(error, STATUS_CORRUPT, "reading a page ended by signal 7");
    if (disk->lost[0] != '\0') return error_set(error, STATUS_CORRUPT, "%s", disk->lost);
    enum status status = check_log(disk, error);
    if (status == STATUS_OK) status = check_guard(disk, out_verdict, error);
    if (status == STATUS_OK) out_verdict->copy_damaged = !copy_is_sound(disk);
    return status;
}
