/* inlet: see the header. The chain is recomputed over each entry, so damage between the leader's log and ours
 * is found here, before anything is stored (D1). */
#include "store/raft/inlet.h"

#include "runtime/base/mark.h"

static bool entry_follows(const struct core *core, const struct raft_entry *entry,
                          const struct log_position *before, log_term term_max)
{
    if (entry->index != before->index + 1) return false;
    if (entry->term < before->term || entry->term == 0 || entry->term > term_max) return false;
    if (entry->type < ENTRY_NO_OP || entry->type > ENTRY_CHECKPOINT) return false;
    if (entry->payload == NULL) {
        if (entry->type != ENTRY_NO_OP) return false;
    } else if (entry->payload->size > ENTRY_PAYLOAD_MAX) {
        return false;
    }
    const void *payload = entry->payload == NULL ? NULL : entry->payload->data;
    size_t size = entry->payload == NULL ? 0 : entry->payload->size;
    if (MUTANT(core, CHAIN_UNCHECKED)) return true;
    return entry->chain == entry_chain(before->chain, entry->index, entry->term, entry->type, payload, size);
}

bool inlet_term_is_near(const struct core *core, log_term term)
{
    return term <= core->hard.term || term - core->hard.term <= UINT32_MAX;
}

static bool append_is_sound(const struct core *core, const struct core_message *message)
{
    struct log_position before = message->position;
    if (before.index > UINT64_MAX - 2 * (uint64_t)CORE_APPEND_ENTRIES_MAX) return false;
    if (before.index == 0 && (before.term != 0 || before.chain != 0)) return false;
    if (message->entry_count == CORE_APPEND_ENTRIES_MAX) MARK("raft.append_is_full");
    if (before.index > 0 && (before.term == 0 || before.term > message->term)) return false;
    if (message->entry_count > CORE_APPEND_ENTRIES_MAX) return false;
    if (message->entry_count > 0 && message->entries == NULL) return false;
    for (uint32_t i = 0; i < message->entry_count; i++) {
        const struct raft_entry *entry = &message->entries[i];
        if (!entry_follows(core, entry, &before, message->term)) return false;
        before = (struct log_position){ .index = entry->index, .term = entry->term, .chain = entry->chain };
    }
    return true;
}

bool inlet_accepts(const struct core *core, const struct core_message *message)
{
    if (message->type < CORE_PREVOTE || message->type >= CORE_MESSAGE_TYPE_COUNT) return false;
    if (message->to != core->options.self || message->from == core->options.self) return false;
    if (message->from == 0 || message->term == 0 || !inlet_term_is_near(core, message->term)) return false;
    if (message->type == CORE_APPEND) return append_is_sound(core, message);
    if (message->type == CORE_HELLO_REPLY && message->verdict > CORE_VERDICT_VERSION) return false;
    if (message->type == CORE_HELLO_REPLY && message->verdict < CORE_VERDICT_OK) return false;
    return message->entry_count == 0;
}
