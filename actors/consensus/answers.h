/* answers: what the state actor replies to reads, made from the live state. */
#ifndef AETHER_ACTORS_CONSENSUS_ANSWERS_H
#define AETHER_ACTORS_CONSENSUS_ANSWERS_H

#include "runtime/actor.h"
#include "store/kv.h"

/* How fresh the answer has to be (Q1, Q3). */
struct answer_terms {
    bool stale;     /* What is here will do. */
    uint64_t after; /* At least this revision; 0: any. */
    uint64_t at;    /* Exactly this one; 0: now. */
    bool patient;   /* No round leaves for it alone. */
};

/* Of KV_READ_REQUEST, KV_GET_REQUEST, KV_LIST_REQUEST, READ_BARRIER. */
struct answer_terms answers_terms(const struct message *request);

struct answer_view {
    const struct kv *kv;
    log_index commit; /* Known here; the lag is from the applied index to it. */
    log_term term;    /* Of the leader that confirmed the last read point. */
};
/* Replies, or refuses (NOT_FOUND, INVALID). The request stays the caller's. */
void answers_reply(struct actor *self, const struct answer_view *view, const struct message *request);

/* Deep copies into the arena. */
Pb__KvRecord *answers_record(struct arena *arena, const struct kv_record *record);
/* A change at `revision` (a deletion's record has only key and revision). */
Pb__KvEvent *answers_event(struct arena *arena, const struct kv_change *change, uint64_t revision);
struct message *answers_propose_reply(const Pb__ProposeReply *reply);

#endif
