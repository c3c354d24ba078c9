/* messages: makes the messages between leader, state and log writer, and ties what they refer to (payloads of
 * entries, replies not yet given away) to their life. */
#include "actors/consensus/messages.h"

#include "runtime/base/check.h"
#include "wire/kinds.h"

#include <string.h>

static struct raft_entry *copy_entries(struct message *message, const struct raft_entry *entries,
                                       uint32_t count)
{
    if (count == 0) return NULL;
    struct raft_entry *copy = arena_array(&message->arena, count, sizeof *copy);
    for (uint32_t i = 0; i < count; i++) {
        copy[i] = entries[i];
        bytes_ref(copy[i].payload);
    }
    return copy;
}

static void unref_entries(struct raft_entry *entries, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        bytes_unref(&entries[i].payload);
}

static void release_persist(struct message *message)
{
    struct log_persist *persist = message->body;
    unref_entries(persist->entries, persist->entry_count);
    if (persist->install == NULL) return;
    struct bytes *configuration = persist->install->configuration;
    bytes_unref(&configuration);
}

static void release_entries(struct message *message)
{
    struct log_entries *body = message->body;
    unref_entries(body->entries, body->entry_count);
}

static void release_apply(struct message *message)
{
    struct apply *apply = message->body;
    unref_entries(apply->entries, apply->entry_count);
}

static void release_applied(struct message *message)
{
    struct applied *applied = message->body;
    bytes_unref(&applied->checkpoint_payload);
    for (uint32_t i = 0; i < applied->result_count; i++) {
        if (applied->results[i].reply != NULL) message_destroy(&applied->results[i].reply);
    }
}

struct message *messages_create(uint32_t kind, size_t body_size)
{
    struct message *message = message_create(kind, body_size);
    message->lane = LANE_SYSTEM;
    return message;
}

struct message *messages_persist(const struct log_persist *persist)
{
    struct message *message = messages_create(KIND_LOG_PERSIST, sizeof(struct log_persist));
    struct log_persist *body = message->body;
    *body = *persist;
    body->entries = copy_entries(message, persist->entries, persist->entry_count);
    if (persist->install != NULL) {
        body->install = arena_memdup(&message->arena, persist->install, sizeof *persist->install);
        bytes_ref(persist->install->configuration);
    }
    message->release = release_persist;
    return message;
}

struct message *messages_apply(const struct raft_entry *entries, uint32_t count, log_index commit)
{
    CHECK(count > 0);
    struct message *message = messages_create(KIND_APPLY, sizeof(struct apply));
    struct apply *apply = message->body;
    apply->entries = copy_entries(message, entries, count);
    apply->entry_count = count;
    apply->commit = commit;
    message->release = release_apply;
    return message;
}

struct message *messages_entries(uint64_t tag, log_index from)
{
    struct message *message = messages_create(KIND_LOG_ENTRIES, sizeof(struct log_entries));
    struct log_entries *body = message->body;
    body->tag = tag;
    body->from = from;
    message->release = release_entries;
    return message;
}

void messages_add_entry(struct message *message, const struct raft_entry *entry)
{
    struct log_entries *body = message->body;
    CHECK(entry->index == body->from + body->entry_count);
    if (body->entry_count == body->entry_room) {
        body->entry_room = body->entry_room == 0 ? 16 : body->entry_room * 2;
        struct raft_entry *grown = arena_array(&message->arena, body->entry_room, sizeof *grown);
        if (body->entry_count > 0) memcpy(grown, body->entries, body->entry_count * sizeof *grown);
        body->entries = grown;
    }
    body->entries[body->entry_count] = *entry;
    bytes_ref(entry->payload);
    body->entry_count++;
}

void messages_add_record(struct message *page, const struct log_copy_record *record)
{
    struct log_copy_page *body = page->body;
    if (body->record_count == body->record_room) {
        body->record_room = body->record_room == 0 ? 64 : body->record_room * 2;
        struct log_copy_record *grown = arena_array(&page->arena, body->record_room, sizeof *grown);
        if (body->record_count > 0) memcpy(grown, body->records, body->record_count * sizeof *grown);
        body->records = grown;
    }
    body->records[body->record_count++] = (struct log_copy_record){
        .space = record->space,
        .key = arena_strdup(&page->arena, record->key),
        .value = arena_memdup(&page->arena, record->value, record->value_size),
        .value_size = record->value_size,
    };
}

struct message *messages_applied(uint32_t result_max)
{
    struct message *message = messages_create(KIND_APPLIED, sizeof(struct applied));
    struct applied *applied = message->body;
    if (result_max > 0) applied->results = arena_array(&message->arena, result_max, sizeof *applied->results);
    message->release = release_applied;
    return message;
}
