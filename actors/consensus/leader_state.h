/* leader_state: what the files of the leader actor (leader.c, leader_requests.c, leader_founding.c,
 * leader_snapshots.c) share. Nothing else includes this. */
#ifndef AETHER_ACTORS_CONSENSUS_LEADER_STATE_H
#define AETHER_ACTORS_CONSENSUS_LEADER_STATE_H

#include "actors/consensus/boot.h"
#include "actors/consensus/founder.h"
#include "actors/consensus/hash_exchange.h"
#include "actors/consensus/leader.h"
#include "actors/consensus/messages.h"
#include "actors/consensus/retired.h"
#include "actors/consensus/role_feed.h"
#include "actors/consensus/snapshot_messages.h"
#include "actors/consensus/strangers.h"
#include "actors/consensus/transfers.h"
#include "runtime/base/map.h"
#include "store/snapshot.h"
#include "wire/local.h"

enum {
    LEADER_PENDING_MAX = 4096,
    LEADER_READS_MAX = 4096,
};

/* A proposal in the log, until its entry is applied or its leader is deposed. */
struct pending {
    struct message *request;
    log_term term;
};

/* An APPLY of entries that the core no longer holds: they are read and passed on in parts. */
struct replay {
    log_index next;
    log_index to; /* 0: nothing to replay. */
    uint64_t tag; /* Of the read that is under way; older ones are of no interest. */
};

struct leader_snapshots {
    struct snapshot_header accepted; /* Being received or installed; id 0: none. */
    bool accepts;                    /* What the core said to the offer of this turn. */
    log_index reloading;             /* The state loads the snapshot of this index; 0: none. */
    bool checkpoint_due;             /* T5 */
    log_index compacted_at;          /* Applied when the log writer was last asked (D7). */
    struct hash_exchange hashes;
    struct stream_commit told;   /* To stream_feed, while there are workers. */
    struct actor_id stream_feed; /* Not set: nobody wants it. */
    bool marking;                /* F4: the copy is being marked damaged, then this process ends. */
};

struct leader_clock {
    struct timer_id founding; /* Each tick, while there is no core. */
    struct timer_id timer;    /* For the core's next deadline, */
    int64_t armed_ns;         /* which is then; 0: not armed. */
    int64_t ticked_ns;        /* Up to then the core was told. */
    int64_t kept_ns;          /* Late reads were last swept out. */
    uint32_t leaderless;      /* Looks in a row that found nobody leading. */
};

struct leader {
    char node[NODE_NAME_MAX];
    replica_id replica;
    struct core_options core_options;
    const struct consensus_probe *probe;
    struct founder founder;
    struct hard_state hard;             /* As the log had it at the start. */
    struct core *core;                  /* NULL until founded, or let in. */
    struct configuration configuration; /* The core's active one. */
    log_index configuration_index;
    log_index applied; /* By the state, as it said. */

    struct message *proposals[CORE_PROPOSALS_MAX]; /* Of this turn. */
    uint32_t proposal_count;
    struct map pending; /* log_index -> struct pending */
    struct map reads;   /* tag -> struct message, READ_POINT */
    uint64_t read_tag;
    struct replay replay;
    uint64_t replay_tags;
    struct leader_snapshots snapshots;
    struct transfers transfers;
    struct message *configure; /* KIND_CONFIGURE that the core has not answered; NULL: none. */
    struct retired retired;
    struct strangers strangers;

    struct core_role_changed role; /* As the core last said. */
    struct role_feed feed;         /* Those who follow it. */
    struct leader_clock clock;
    bool stepped; /* In this turn: the probe looks at its end. */
};

/* --- leader.c --- */
/* After the ticks that went by. Nothing happens without a core. */
void leader_step(struct actor *self, struct leader *leader, const struct core_event *event);
void leader_elapse(struct actor *self, struct leader *leader);
const char *leader_name_of(const struct leader *leader, replica_id id); /* "": not in our configuration. */
void leader_refresh_configuration(struct leader *leader);
void leader_publish_role(struct actor *self, struct leader *leader);
void leader_fail(struct actor *self, enum status status, const char *what);
/* To a neighbour that must not miss it: a full or absent mailbox there is the end (C3). */
void leader_hand_over(struct actor *self, uint32_t name, struct message **message);

/* --- leader_clock.c --- */
actor_handler leader_on_tick;
void leader_clock_start(struct actor *self, struct leader *leader);
void leader_clock_start_core(struct actor *self, struct leader *leader);
/* Ticks of which the core is to be told now. */
uint32_t leader_clock_elapsed(struct actor *self, struct leader *leader);
void leader_clock_arm(struct actor *self, struct leader *leader); /* At the end of each turn. */

/* --- leader_requests.c: proposals, reads, status, transfers --- */
actor_handler leader_on_forward;
actor_handler leader_on_applied;
actor_handler leader_on_read_point;
actor_handler leader_on_status;
actor_handler leader_on_transfer;
actor_handler leader_on_configure;
void leader_propose(struct actor *self, struct leader *leader); /* What this turn has brought. */
void leader_proposed(struct actor *self, struct leader *leader, const struct core_proposed *proposed);
void leader_lose_proposals(struct actor *self, struct leader *leader);
/* R9: what of them lies at or below `till` was applied elsewhere, in a snapshot: its result is not known. */
void leader_forget_proposals(struct actor *self, struct leader *leader, log_index till);
void leader_answer_read(struct actor *self, struct leader *leader, const struct core_read_ok *ok);
void leader_refuse(struct actor *self, struct leader *leader, const struct core_reject *reject);
void leader_sweep_reads(struct actor *self, struct leader *leader);

/* --- leader_snapshots.c: snapshots, checkpoints, the exchange of hashes, compaction --- */
extern const uint64_t leader_checkpoint_tag; /* Of a CHECKPOINT's proposal: nobody waits for it. */
actor_handler leader_on_snapshot_sent;
actor_handler leader_on_snapshot_offered;
actor_handler leader_on_snapshot_received;
actor_handler leader_on_snap_ask;
actor_handler leader_on_state_hash;
actor_handler leader_on_compacted;
actor_handler leader_on_stream_wanted;
void leader_tell_stream(struct actor *self, struct leader *leader); /* More was applied. */
void leader_carry_out_snapshot(struct actor *self, struct leader *leader, const struct core_action *action);
void leader_stop_sending(struct actor *self); /* The lead is lost. */
void leader_propose_checkpoint(struct actor *self, struct leader *leader);
void leader_checkpoint_applied(struct actor *self, struct leader *leader, const struct applied *applied);
bool leader_snapshots_skip(const struct leader *leader, log_index applied); /* The core waits for more. */
void leader_snapshots_applied(struct actor *self, struct leader *leader, log_index applied);
void leader_doubt(struct actor *self, const char *reason); /* T3, T2: the next start gives this store up. */
bool leader_compaction_due(const struct leader *leader);
void leader_compact(struct actor *self, struct leader *leader);

/* --- leader_founding.c: from an empty directory, or from a log, to a running core --- */
extern const uint64_t leader_founding_sequence; /* Of the one PERSIST that is not the core's. */
actor_handler leader_on_who;
actor_handler leader_on_who_reply;
actor_handler leader_on_founded;
actor_handler leader_on_founded_reply;
void leader_tell_identity(struct actor *self, const struct leader *leader);
void leader_founding_tick(struct actor *self, struct leader *leader);
void leader_look_for_leader(struct actor *self,
                            struct leader *leader); /* Each second, once there is a core. */
void leader_go_on_founding(struct actor *self, struct leader *leader, enum founder_next next);
MUST_CHECK enum status leader_start(struct actor *self, struct leader *leader,
                                    const struct leader_options *given, struct error *error);

#endif
