/* codec: one switch each way. Fields that a type does not use do not travel (store/raft/core.h lists them).
 */
#include "actors/consensus/codec.h"

#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "wire/kinds.h"

static const uint32_t kind_of_type[CORE_MESSAGE_TYPE_COUNT] = {
    [CORE_PREVOTE] = KIND_PRE_VOTE,
    [CORE_PREVOTE_REPLY] = KIND_PRE_VOTE_REPLY,
    [CORE_VOTE] = KIND_VOTE,
    [CORE_VOTE_REPLY] = KIND_VOTE_REPLY,
    [CORE_APPEND] = KIND_APPEND,
    [CORE_APPEND_REPLY] = KIND_APPEND_REPLY,
    [CORE_HEARTBEAT] = KIND_HEARTBEAT,
    [CORE_HEARTBEAT_REPLY] = KIND_HEARTBEAT_REPLY,
    [CORE_READ_INDEX] = KIND_READ_INDEX,
    [CORE_READ_INDEX_REPLY] = KIND_READ_INDEX_REPLY,
    [CORE_TIMEOUT_NOW] = KIND_TIMEOUT_NOW,
    [CORE_HELLO] = KIND_REPLICA_HELLO,
    [CORE_HELLO_REPLY] = KIND_REPLICA_HELLO_REPLY,
};

void codec_encode_entry(const struct raft_entry *entry, Pb__LogEntry *out)
{
    pb__log_entry__init(out);
    out->index = entry->index;
    out->term = entry->term;
    out->type = entry->type;
    out->stamp = entry->stamp_ms;
    out->chain = entry->chain;
    if (entry->payload != NULL) {
        out->payload.data = entry->payload->data;
        out->payload.len = entry->payload->size;
    }
}

enum status codec_decode_entry(const Pb__LogEntry *entry, struct raft_entry *out_entry)
{
    if (entry->type < ENTRY_NO_OP || entry->type > ENTRY_CHECKPOINT) return STATUS_INVALID;
    if (entry->index == 0 || entry->term == 0) return STATUS_INVALID;
    if (entry->payload.len > ENTRY_PAYLOAD_MAX) return STATUS_INVALID;
    *out_entry = (struct raft_entry){
        .index = entry->index,
        .term = entry->term,
        .stamp_ms = entry->stamp,
        .chain = entry->chain,
        .type = (enum entry_type)entry->type,
    };
    bool has_payload = entry->payload.len > 0 || entry->type != ENTRY_NO_OP;
    if (has_payload) out_entry->payload = bytes_copy(entry->payload.data, entry->payload.len);
    return STATUS_OK;
}

static void encode_append(struct message *message, const struct core_message *append)
{
    Pb__Append *body = message->body;
    body->to = append->to;
    body->term = append->term;
    body->prev_index = append->position.index;
    body->prev_term = append->position.term;
    body->prev_chain = append->position.chain;
    body->commit = append->commit;
    if (append->entry_count == 0) return;
    Pb__LogEntry *entries = arena_array(&message->arena, append->entry_count, sizeof *entries);
    body->entries = arena_array(&message->arena, append->entry_count, sizeof(Pb__LogEntry *));
    body->n_entries = append->entry_count;
    for (uint32_t i = 0; i < append->entry_count; i++) {
        codec_encode_entry(&append->entries[i], &entries[i]);
        body->entries[i] = &entries[i];
    }
}

static void encode_append_reply(Pb__AppendReply *body, const struct core_message *reply)
{
    body->to = reply->to;
    body->term = reply->term;
    body->granted = reply->granted;
    body->prev_index = reply->position.index;
    body->match = reply->match;
    body->hint_index = reply->hint.index;
    body->hint_term = reply->hint.term;
}

static void encode_pre_vote(Pb__PreVote *body, const struct core_message *vote)
{
    body->to = vote->to;
    body->term = vote->term;
    body->last_index = vote->position.index;
    body->last_term = vote->position.term;
}

static void encode_pre_vote_reply(Pb__PreVoteReply *body, const struct core_message *reply)
{
    body->to = reply->to;
    body->term = reply->term;
    body->granted = reply->granted;
}

static void encode_vote(Pb__Vote *body, const struct core_message *vote)
{
    body->to = vote->to;
    body->term = vote->term;
    body->last_index = vote->position.index;
    body->last_term = vote->position.term;
    body->transfer = vote->transfer;
}

static void encode_vote_reply(Pb__VoteReply *body, const struct core_message *reply)
{
    body->to = reply->to;
    body->term = reply->term;
    body->granted = reply->granted;
}

static void encode_heartbeat(Pb__Heartbeat *body, const struct core_message *heartbeat)
{
    body->to = heartbeat->to;
    body->term = heartbeat->term;
    body->commit = heartbeat->commit;
    body->token = heartbeat->token;
}

static void encode_heartbeat_reply(Pb__HeartbeatReply *body, const struct core_message *reply)
{
    body->to = reply->to;
    body->term = reply->term;
    body->token = reply->token;
}

static void encode_read_index(Pb__ReadIndex *body, const struct core_message *read)
{
    body->to = read->to;
    body->term = read->term;
    body->token = read->token;
}

static void encode_read_index_reply(Pb__ReadIndexReply *body, const struct core_message *reply)
{
    body->to = reply->to;
    body->term = reply->term;
    body->token = reply->token;
    body->commit = reply->commit;
}

static void encode_timeout_now(Pb__TimeoutNow *body, const struct core_message *now)
{
    body->to = now->to;
    body->term = now->term;
}

static void encode_hello(Pb__ReplicaHello *body, const struct core_message *hello)
{
    body->to = hello->to;
    body->term = hello->term;
    body->nonce = hello->token;
    body->last_index = hello->position.index;
    body->last_term = hello->position.term;
    body->commit = hello->commit;
    body->version = hello->version;
}

static void encode_hello_reply(Pb__ReplicaHelloReply *body, const struct core_message *reply)
{
    body->to = reply->to;
    body->term = reply->term;
    body->nonce = reply->token;
    body->verdict = reply->verdict;
    body->match = reply->match;
    body->leads = reply->leads;
}

struct message *codec_encode(const struct core_message *core)
{
    CHECK(core->type > 0);
    CHECK(core->type < CORE_MESSAGE_TYPE_COUNT);
    struct message *message = wire_message_create(kind_of_type[core->type]);
    void *body = message->body;
    switch (core->type) {
    case CORE_PREVOTE: encode_pre_vote(body, core); break;
    case CORE_PREVOTE_REPLY: encode_pre_vote_reply(body, core); break;
    case CORE_VOTE: encode_vote(body, core); break;
    case CORE_VOTE_REPLY: encode_vote_reply(body, core); break;
    case CORE_APPEND: encode_append(message, core); break;
    case CORE_APPEND_REPLY: encode_append_reply(body, core); break;
    case CORE_HEARTBEAT: encode_heartbeat(body, core); break;
    case CORE_HEARTBEAT_REPLY: encode_heartbeat_reply(body, core); break;
    case CORE_READ_INDEX: encode_read_index(body, core); break;
    case CORE_READ_INDEX_REPLY: encode_read_index_reply(body, core); break;
    case CORE_TIMEOUT_NOW: encode_timeout_now(body, core); break;
    case CORE_HELLO: encode_hello(body, core); break;
    case CORE_HELLO_REPLY: encode_hello_reply(body, core); break;
    case CORE_MESSAGE_TYPE_COUNT: break; /* Checked above. */
    }
    return message;
}

void codec_fini(struct codec_received *received)
{
    for (uint32_t i = 0; i < received->entry_count; i++)
        bytes_unref(&received->entries[i].payload);
    memory_free(received->entries);
    *received = (struct codec_received){ 0 };
}

static enum status decode_append(const Pb__Append *body, struct codec_received *received)
{
    struct core_message *out = &received->core;
    out->to = body->to;
    out->term = body->term;
    out->position = (struct log_position){ body->prev_index, body->prev_term, body->prev_chain };
    out->commit = body->commit;
    if (body->n_entries > CORE_APPEND_ENTRIES_MAX) return STATUS_INVALID;
    if (body->n_entries == 0) return STATUS_OK;
    received->entries = memory_array(body->n_entries, sizeof *received->entries);
    for (size_t i = 0; i < body->n_entries; i++) {
        enum status status = codec_decode_entry(body->entries[i], &received->entries[i]);
        if (status != STATUS_OK) return status;
        received->entry_count++;
    }
    out->entries = received->entries;
    out->entry_count = received->entry_count;
    return STATUS_OK;
}

static void decode_append_reply(const Pb__AppendReply *body, struct core_message *out)
{
    out->to = body->to;
    out->term = body->term;
    out->granted = body->granted;
    out->position.index = body->prev_index;
    out->match = body->match;
    out->hint.index = body->hint_index;
    out->hint.term = body->hint_term;
}

static void decode_pre_vote(const Pb__PreVote *body, struct core_message *out)
{
    out->to = body->to;
    out->term = body->term;
    out->position.index = body->last_index;
    out->position.term = body->last_term;
}

static void decode_vote(const Pb__Vote *body, struct core_message *out)
{
    out->to = body->to;
    out->term = body->term;
    out->position.index = body->last_index;
    out->position.term = body->last_term;
    out->transfer = body->transfer;
}

static void decode_pre_vote_reply(const Pb__PreVoteReply *body, struct core_message *out)
{
    out->to = body->to;
    out->term = body->term;
    out->granted = body->granted;
}

static void decode_vote_reply(const Pb__VoteReply *body, struct core_message *out)
{
    out->to = body->to;
    out->term = body->term;
    out->granted = body->granted;
}

static void decode_heartbeat(const Pb__Heartbeat *body, struct core_message *out)
{
    out->to = body->to;
    out->term = body->term;
    out->commit = body->commit;
    out->token = body->token;
}

static void decode_heartbeat_reply(const Pb__HeartbeatReply *body, struct core_message *out)
{
    out->to = body->to;
    out->term = body->term;
    out->token = body->token;
}

static void decode_read_index(const Pb__ReadIndex *body, struct core_message *out)
{
    out->to = body->to;
    out->term = body->term;
    out->token = body->token;
}

static void decode_read_index_reply(const Pb__ReadIndexReply *body, struct core_message *out)
{
    out->to = body->to;
    out->term = body->term;
    out->token = body->token;
    out->commit = body->commit;
}

static void decode_timeout_now(const Pb__TimeoutNow *body, struct core_message *out)
{
    out->to = body->to;
    out->term = body->term;
}

static void decode_hello(const Pb__ReplicaHello *body, struct core_message *out)
{
    out->to = body->to;
    out->term = body->term;
    out->token = body->nonce;
    out->position.index = body->last_index;
    out->position.term = body->last_term;
    out->commit = body->commit;
    out->version = body->version;
}

/* INVALID: a verdict that nobody knows. */
static enum status decode_hello_reply(const Pb__ReplicaHelloReply *body, struct core_message *out)
{
    if (body->verdict < CORE_VERDICT_OK || body->verdict > CORE_VERDICT_VERSION) return STATUS_INVALID;
    out->to = body->to;
    out->term = body->term;
    out->token = body->nonce;
    out->verdict = (enum core_verdict)body->verdict;
    out->match = body->match;
    out->leads = body->leads;
    return STATUS_OK;
}

static enum core_message_type type_of_kind(uint32_t kind)
{
    for (uint32_t type = 1; type < CORE_MESSAGE_TYPE_COUNT; type++) {
        if (kind_of_type[type] == kind) return (enum core_message_type)type;
    }
    return CORE_MESSAGE_TYPE_COUNT;
}

enum status codec_decode(const struct message *message, struct codec_received *out_received)
{
    struct codec_received received = { .core = { .type = type_of_kind(message->kind),
                                                 .from = message->from_replica } };
    const void *body = message->body;
    enum status status = STATUS_OK;
    switch (received.core.type) {
    case CORE_PREVOTE: decode_pre_vote(body, &received.core); break;
    case CORE_PREVOTE_REPLY: decode_pre_vote_reply(body, &received.core); break;
    case CORE_VOTE: decode_vote(body, &received.core); break;
    case CORE_VOTE_REPLY: decode_vote_reply(body, &received.core); break;
    case CORE_APPEND: status = decode_append(body, &received); break;
    case CORE_APPEND_REPLY: decode_append_reply(body, &received.core); break;
    case CORE_HEARTBEAT: decode_heartbeat(body, &received.core); break;
    case CORE_HEARTBEAT_REPLY: decode_heartbeat_reply(body, &received.core); break;
    case CORE_READ_INDEX: decode_read_index(body, &received.core); break;
    case CORE_READ_INDEX_REPLY: decode_read_index_reply(body, &received.core); break;
    case CORE_TIMEOUT_NOW: decode_timeout_now(body, &received.core); break;
    case CORE_HELLO: decode_hello(body, &received.core); break;
    case CORE_HELLO_REPLY: status = decode_hello_reply(body, &received.core); break;
    case CORE_MESSAGE_TYPE_COUNT: status = STATUS_INVALID; break;
    }
    if (status != STATUS_OK) codec_fini(&received);
    else *out_received = received;
    return status;
}
