/* codec: the core's messages and entries to and from their protobuf form (wire/proto/consensus.proto, kinds
 * 205-215). */
#ifndef AETHER_ACTORS_CONSENSUS_CODEC_H
#define AETHER_ACTORS_CONSENSUS_CODEC_H

#include "runtime/base/error.h"
#include "runtime/message.h"
#include "store/raft/core.h"
#include "wire/proto/consensus.pb-c.h"

/* The result borrows the payloads of `core`: it has to be packed (wire_post packs at once) before they go.
 */
struct message *codec_encode(const struct core_message *core);

/* What arrived. `core` borrows from here; codec_fini gives the entries' payloads back. */
struct codec_received {
    struct core_message core;
    struct raft_entry *entries;
    uint32_t entry_count;
};
/* INVALID: a kind that is none of ours, or a field out of range (nothing to free then). The core checks what
 * the fields mean. `from` is the sender's replica id as its frame said. */
MUST_CHECK enum status codec_decode(const struct message *message, struct codec_received *out_received);
void codec_fini(struct codec_received *received);

/* One entry; `out` borrows the payload. */
void codec_encode_entry(const struct raft_entry *entry, Pb__LogEntry *out);
/* A payload reference for the caller. INVALID: an unknown type, no index or term, or too large. */
MUST_CHECK enum status codec_decode_entry(const Pb__LogEntry *entry, struct raft_entry *out_entry);

#endif
