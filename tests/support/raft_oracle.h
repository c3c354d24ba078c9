/* raft_oracle: what must hold of a cluster of Raft cores, whatever happens (proof.md section 1). It sees
 * every step of every replica and believes none of them. The first violation is kept as text. */
#ifndef AETHER_TESTS_SUPPORT_RAFT_ORACLE_H
#define AETHER_TESTS_SUPPORT_RAFT_ORACLE_H

#include "tests/support/raft_disk.h"
#include "tests/support/raft_swarm.h"

struct oracle_index { /* What is known of one index of the log, over all replicas. */
    bool committed;
    uint64_t committed_chain;
    log_term committed_term; /* Of who reported it first: leaders of later terms must hold it (S4). */
    uint32_t seen_count;
    uint32_t seen_capacity;
    struct log_position *seen; /* Every (term, chain) that was ever written there (S3). */
};

struct oracle_term { /* What is known of one term. */
    replica_id leader;
    replica_id votes[SWARM_REPLICAS_MAX];          /* Whom each replica let know that it votes for (S6). */
    struct log_position asked[SWARM_REPLICAS_MAX]; /* The last entry that each candidate asked with (E2). */
    uint64_t token;                                /* The newest that its leader sent (Q1), */
    uint64_t confirmed[SWARM_REPLICAS_MAX];        /* and that each replica confirmed. */
    log_index acknowledged[SWARM_REPLICAS_MAX];    /* The most that each replica acknowledged (R5). */
};

struct oracle_replica {
    struct core_status before; /* As after its last step. */
    bool started;              /* `before` is of this incarnation. */
    bool durable_may_fall;     /* In this step it truncated. */
};

struct oracle {
    struct oracle_index *indices; /* By index. */
    uint64_t index_count;
    struct oracle_term *terms; /* By term. */
    uint64_t term_count;
    log_index commit; /* The highest any replica ever reported. */
    struct oracle_replica replicas[SWARM_REPLICAS_MAX];
    struct swarm_counts *counts;
    char failure[SWARM_FAILURE_MAX];
};

void oracle_fini(struct oracle *oracle);
void oracle_restarted(struct oracle *oracle, uint32_t replica);
bool oracle_failed(const struct oracle *oracle);
void oracle_fail(struct oracle *oracle, const char *format, ...) __attribute__((format(printf, 2, 3)));

void oracle_found(struct oracle *oracle, const struct raft_entry *first);
/* It would be elected by its own vote. */
bool oracle_votes_alone(const struct core_status *status, replica_id self);
/* Before the driver carries out a PERSIST of the replica: S2, S3, S10. */
void oracle_persist(struct oracle *oracle, uint32_t replica, const struct core_persist *persist,
                    const struct core_status *status, const struct raft_disk *disk);
void oracle_install(struct oracle *oracle, uint32_t replica); /* A snapshot is about to be flipped in. */
/* When a message leaves: S6, S8 and D5. */
void oracle_send(struct oracle *oracle, uint32_t replica, const struct core_message *message,
                 const struct raft_disk *disk);
/* An entry is applied: S5. It must have been committed somewhere. */
void oracle_apply(struct oracle *oracle, uint32_t replica, const struct raft_entry *entry);
/* Which replica has that id? For what the oracle is told of by id. */
uint32_t oracle_replica_of(replica_id id);
/* After a step, its PERSISTs written and nothing else carried out: S1, S4, S7, S9. */
void oracle_step(struct oracle *oracle, uint32_t replica, const struct core_status *status,
                 const struct raft_disk *disk);
/* The newest token that the replica sent, if it leads; 0: it does not, or has sent none. */
uint64_t oracle_token(struct oracle *oracle, uint32_t replica);
/* A read on a leader that began when `token` was the newest: since then a quorum confirmed a newer one (Q1).
 */
void oracle_confirmed(struct oracle *oracle, uint32_t replica, uint64_t token);
/* A read that began when `commit_at_start` was the highest commit anywhere: S11. */
void oracle_read(struct oracle *oracle, uint32_t replica, log_index index, log_index commit_at_start);

#endif
