/* core: the Raft state machine as a pure step function (consensus.md sections 1, 5-7, 11, 13).
 *
 * No clock, thread, file or global. Time enters as TICK (one per 10 ms), chance from the seed. The same
 * events give the same actions, bit for bit. All memory is taken by core_create; only one owner may call it:
 * the leader actor, and nothing else ever reads or writes Raft state (C1).
 *
 * How to drive it. For each event call core_step and carry out the actions in their order. What an event
 * points to (messages, entries, payloads) must stay readable until its actions were carried out; what an
 * action points to is readable until the next core_step. Who keeps an entry for longer takes a reference to
 * its payload (bytes_ref); the core takes its own for what it keeps, and never takes one over from an event.
 *
 * A SEND may leave at once, always: the core itself holds back what must wait for the disk (E3, R5, D5), and
 * drops what it held when the term changes. Events may come late, twice (RECEIVE) or never (RECEIVE); but
 * PERSISTED comes in the order of the PERSISTs (one may stand for all before it), LOG_READ once for each
 * READ_LOG, APPLIED in order.
 *
 * After STOP the core does nothing any more: the process has to end (exit 70, F1). */
#ifndef AETHER_STORE_RAFT_CORE_H
#define AETHER_STORE_RAFT_CORE_H

#include "store/raft/checkpoint.h"
#include "store/raft/configuration.h"
#include "store/raft/core_mutant.h"
#include "store/raft/entry.h"

#include "runtime/base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CORE_TICK_MS = 10,
    CORE_APPEND_BYTES_MAX = 1024 * 1024, /* R1: of one APPEND, or one entry if that is larger. */
    CORE_APPEND_ENTRIES_MAX = 512,
    CORE_PROPOSALS_MAX = 256,    /* In one PROPOSE. */
    CORE_READS_MAX = 1024,       /* Waiting reads, others' included; more get OVERLOADED. */
    CORE_TERM_RUNS_MAX = 4096,   /* Older ones are forgotten. */
    CORE_CONFIGURATIONS_MAX = 8, /* The last committed one and those after it. */
    CORE_ACTIONS_MAX = 2048,
    CORE_RETIRED_MAX = 1024,     /* Retired ids it remembers (E5). */
    CORE_CAUGHT_UP_LAG_MAX = 99, /* M3, E9: entries that one who keeps up may lack. */
    CORE_VERSION = 1,            /* Of what HELLO agrees on; another one is answered VERSION. */
};

/* --- messages between replicas --- */

enum core_message_type {
    CORE_PREVOTE = 1,
    CORE_PREVOTE_REPLY,
    CORE_VOTE,
    CORE_VOTE_REPLY,
    CORE_APPEND,
    CORE_APPEND_REPLY,
    CORE_HEARTBEAT,
    CORE_HEARTBEAT_REPLY,
    CORE_READ_INDEX,
    CORE_READ_INDEX_REPLY,
    CORE_TIMEOUT_NOW,
    CORE_HELLO,
    CORE_HELLO_REPLY,
    CORE_MESSAGE_TYPE_COUNT,
};

/* Of a HELLO_REPLY (T3, E5). */
enum core_verdict {
    CORE_VERDICT_OK = 1,
    CORE_VERDICT_REMOVED, /* The id is retired: it stops. Also the answer to any other message of such an id.
                           */
    CORE_VERDICT_LOST,    /* `match` was acknowledged by the asker, and its log ends before. */
    CORE_VERDICT_VERSION, /* The answerer does not speak the asker's version. */
};

/* Which fields a type uses; the others are 0 and need not travel. All use type, from, to, term (the sender's,
 * but see PREVOTE).
 *   PREVOTE           term = the one it would campaign in; position (its last entry; chain is not used)
 *   PREVOTE_REPLY     granted; when granted, term = that of the request
 *   VOTE              position (likewise), transfer
 *   VOTE_REPLY        granted
 *   APPEND            position (the entry before the first one: R2), commit, entries, entry_count
 *   APPEND_REPLY      granted: match; else position.index (the one that did not fit), hint.index, hint.term
 * (R2) HEARTBEAT         commit, token HEARTBEAT_REPLY   token READ_INDEX        token (a nonce)
 *   READ_INDEX_REPLY  token (the nonce), commit (the index that the reader has to wait for)
 *   TIMEOUT_NOW       -
 *   HELLO             token (drawn at the start: T3), position (its last entry, index and term), commit,
 * version HELLO_REPLY       token (the asker's; 0: answers another message, REMOVED only), verdict, match
 * (LOST), leads */
struct core_message {
    enum core_message_type type;
    replica_id from;
    replica_id to;
    log_term term;
    struct log_position position;
    log_index commit;
    log_index match;
    struct log_position hint;
    uint64_t token;
    bool granted;
    bool transfer;
    bool leads; /* The sender leads `term`. */
    enum core_verdict verdict;
    uint32_t version;
    uint32_t entry_count;
    const struct raft_entry *entries;
};

/* --- events --- */

enum core_event_type {
    CORE_EVENT_INIT = 1,   /* First, once. */
    CORE_EVENT_TICK,       /* 10 ms went by, `ticks` times: see core_next_tick_due. */
    CORE_EVENT_RECEIVE,    /* A message, of which the frame was checked; damage inside it is counted. */
    CORE_EVENT_PROPOSE,    /* -> PROPOSED or REJECT for each proposal. */
    CORE_EVENT_READ,       /* -> READ_OK or REJECT. On a follower too: it asks the leader (Q1). */
    CORE_EVENT_TRANSFER,   /* E9: lead no longer, in favour of `replica` (0: of whom the core finds best). */
    CORE_EVENT_PEER_UP,    /* A connection to `replica` stands. */
    CORE_EVENT_PEER_DOWN,  /* It broke: a hint only (E8). */
    CORE_EVENT_PERSISTED,  /* PERSIST `sequence` and all before it are durable. */
    CORE_EVENT_LOG_READ,   /* The answer to READ_LOG. */
    CORE_EVENT_APPLIED,    /* The state holds everything up to `index`. */
    CORE_EVENT_DISK_ERROR, /* F1: leads no longer, and stops. */
    /* Membership (section 8). CONF -> PROPOSED or REJECT; CONFIGURED tells how it goes on. The core makes the
     * entry: a joint one when voters change (M2), which whoever leads when it commits leaves by itself; a
     * plain one when only learners do. REJECT: NOT_LEADER, NO_LEADER, NOT_READY (E7, or leadership is being
     * handed over), CONFLICT (a change is under way), INVALID (M4, or it changes nothing). */
    CORE_EVENT_CONF,
    CORE_EVENT_RETIRED, /* E5: all ids that the applied state lists as retired. Replaces those told before. */
    CORE_EVENT_CHECKPOINT, /* T3: what the newest applied CHECKPOINT says. After INIT (if there is one), then
                              as they are applied. */
    CORE_EVENT_COMPACTED,  /* D7: the log was cut; `position` is that of the last entry that went. */
    /* Snapshots. Leader: SNAPSHOT_SEND is answered by SNAPSHOT_SENT, once, whatever becomes of it. */
    CORE_EVENT_SNAPSHOT_SENT,
    /* Follower: a header came (N1) -> SNAPSHOT_ACCEPT or SNAPSHOT_IGNORE, at once. */
    CORE_EVENT_SNAPSHOT_OFFERED,
    CORE_EVENT_SNAPSHOT_READY,  /* The accepted one is here, whole and verified (N2) -> INSTALL, or CANCEL. */
    CORE_EVENT_SNAPSHOT_FAILED, /* The accepted one will not come to anything: damaged, or its sender is gone.
                                 */
    CORE_EVENT_TYPE_COUNT,
};

/* From `first` on, up to the next run, entries have this term. */
struct core_term_run {
    log_term term;
    log_index first;
};

struct core_log_configuration {
    log_index index; /* Of its entry. */
    struct configuration configuration;
};

/* What the header of a snapshot says (N1). */
struct core_snapshot {
    struct log_position position;
    struct core_log_configuration configuration; /* The one in force at that index. */
};

enum core_start {
    CORE_START_NEW, /* The log is empty or was only just founded by another: the usual election timeout. */
    CORE_START_FOUNDER,   /* Made index 1, and a majority stored it: campaigns at the first tick (E10). */
    CORE_START_RESTARTED, /* Held a log before: gated (T3), then the first timeout is short (E10). */
};

/* The log as it is on disk, all of it durable. An empty log (last.index 0, nothing else) is a replica that
 * waits to be handed entries: it neither votes nor campaigns before it holds index 1 (I2). */
struct core_init {
    enum core_start start;
    struct hard_state hard;
    struct log_position base; /* Of the entry before the first one in the log; index 0: it begins at 1. */
    struct log_position last; /* At least `base`. */
    log_index applied;        /* Of the state that the driver loaded; known to be committed, at least base. */
    /* T6: the state copy is damaged and the log does not reach back to replay it. `applied` is then
     * base.index, nothing is applied, read or campaigned for, and SNAPSHOT_ASK asks for a snapshot until one
     * is in. */
    bool damaged;
    /* T6: the state is built again from the log, which is known to be committed so far: no read and no
     * campaign before this is applied. 0: no such thing. */
    log_index replay_till;
    uint64_t last_stamp_ms; /* Of the last entry; 0 will do. */
    /* Ascending; the newest CORE_TERM_RUNS_MAX are enough. Reading the log once and noting where the term
     * changes makes them. */
    const struct core_term_run *term_runs;
    uint32_t term_run_count;
    /* Ascending: the newest one at or below `applied` (if there is one) and all after it (M1). */
    const struct core_log_configuration *configurations;
    uint32_t configuration_count;
};

struct core_proposal {
    enum entry_type type;  /* COMMAND, CHECKPOINT or NO_OP. CONFIGURATION is INVALID: CONF makes those. */
    struct bytes *payload; /* Borrowed; the core takes its own reference. NULL only for a NO_OP. */
    uint64_t stamp_ms;     /* The leader's clock; the core keeps stamps from falling. */
    uint64_t tag;          /* The driver's, given back. */
};

struct core_event {
    enum core_event_type type;
    union {
        const struct core_init *init;
        const struct core_message *message; /* RECEIVE. */
        struct {
            const struct core_proposal *items;
            uint32_t count; /* 1..CORE_PROPOSALS_MAX: one PERSIST and one APPEND a peer for all of them. */
        } propose;
        struct {
            uint64_t tag;
            bool patient; /* It waits for the next heartbeat instead of having a round of its own (Q2). */
        } read;
        replica_id replica; /* TRANSFER, PEER_UP, PEER_DOWN. */
        uint64_t sequence;  /* PERSISTED. */
        log_index index;    /* APPLIED. */
        uint32_t ticks;     /* TICK; 0 counts as 1. */
        struct {
            uint64_t tag;
            const struct configuration *wanted; /* Not joint: all members that there shall be. */
        } conf;
        struct {
            const replica_id *ids;
            uint32_t count; /* At most CORE_RETIRED_MAX: the newest. */
        } retired;
        const struct checkpoint *checkpoint;
        struct log_position position; /* COMPACTED, SNAPSHOT_READY, SNAPSHOT_FAILED (of the snapshot). */
        struct {
            replica_id replica;
            log_index index; /* Of what is installed there; 0: it failed. */
        } snapshot_sent;
        struct {
            replica_id from; /* The sender, which leads `term`. */
            log_term term;
            bool asked; /* It answers our SNAPSHOT_ASK (T6). */
            const struct core_snapshot *snapshot;
        } snapshot_offered;
        struct {
            uint64_t tag;                     /* The action's. */
            const struct raft_entry *entries; /* From the action's `from` on, in order, at least one. */
            uint32_t count;                   /* 0: the log no longer holds `from` (compacted). */
        } log_read;
    };
};

/* --- actions --- */

enum core_action_type {
    CORE_ACTION_PERSIST = 1,
    CORE_ACTION_READ_LOG,
    CORE_ACTION_SEND,
    CORE_ACTION_APPLY,
    CORE_ACTION_PROPOSED,
    CORE_ACTION_READ_OK,
    CORE_ACTION_REJECT,
    CORE_ACTION_ROLE_CHANGED,
    CORE_ACTION_STOP,
    CORE_ACTION_CONFIGURED,
    CORE_ACTION_CHECKPOINT_DUE,
    CORE_ACTION_SNAPSHOT_SEND,
    CORE_ACTION_SNAPSHOT_ACCEPT,
    CORE_ACTION_SNAPSHOT_IGNORE,
    CORE_ACTION_SNAPSHOT_CANCEL,
    CORE_ACTION_SNAPSHOT_ASK,
    CORE_ACTION_INSTALL,
    CORE_ACTION_RELOAD,
    CORE_ACTION_TYPE_COUNT,
};

enum core_role {
    CORE_FOLLOWER = 1,
    CORE_PRE_CANDIDATE,
    CORE_CANDIDATE,
    CORE_LEADER,
};

enum core_stop {
    CORE_RUNNING = 0,
    CORE_STOP_DISK,          /* DISK_ERROR (F1). */
    CORE_STOP_TWO_LEADERS,   /* Two leaders in one term. */
    CORE_STOP_CHAIN,         /* Equal index and term, another chain (D1). */
    CORE_STOP_TRUNCATION,    /* A truncation at or below commit (R3). */
    CORE_STOP_OWN_LOG,       /* A leader was made to truncate its own log. */
    CORE_STOP_BACKWARDS,     /* Commit, applied, term or durable would fall, or a second vote be cast. */
    CORE_STOP_APPLY,         /* APPLIED beyond min(commit, durable) or beyond what was handed out (R9). */
    CORE_STOP_ACKNOWLEDGE,   /* An acknowledgement beyond durable was about to leave (R5). */
    CORE_STOP_CONFIGURATION, /* A configuration entry that M4 forbids, or none left after a truncation. */
    CORE_STOP_PROGRESS,      /* match < next <= last + 1 is broken (R1). */
    CORE_STOP_LOG_READ,      /* The log does not give back what was put into it. */
    CORE_STOP_DRIVER,        /* An event that cannot be: PERSISTED of an unknown sequence, no INIT... */
    CORE_STOP_BOUND,         /* A queue would grow beyond its bound. */
    CORE_STOP_LOST,          /* T3: others hold acknowledgements of ours beyond our log: doubt (T2). */
    CORE_STOP_REMOVED,       /* E5: our id is retired. */
    CORE_STOP_COUNT,
};

/* One durable step, in the order: hard, truncation, entries. The log finds configuration entries by type. */
struct core_persist {
    uint64_t sequence; /* 1, 2, 3... */
    bool hard_changed;
    struct hard_state hard;  /* Valid always. */
    log_index truncate_from; /* 0: none; else this entry and all after it go. */
    const struct raft_entry *entries;
    uint32_t entry_count;
};

/* Read entries from..to (as many as fit into max_bytes, at least one), then answer with LOG_READ. They are
 * durable. At most one per peer is under way. */
struct core_read_log {
    uint64_t tag;
    log_index from;
    log_index to;
    size_t max_bytes;
};

/* Apply from..to, then answer APPLIED(to) or in parts. entries == NULL: the core no longer has them; the
 * driver reads them from the log (all are durable), and no other APPLY comes before APPLIED(to). */
struct core_apply {
    log_index from;
    log_index to;
    const struct raft_entry *entries;
};

struct core_proposed {
    uint64_t tag;
    log_index index;
    log_term term; /* Another term applied at index: the proposal is lost. */
};

struct core_read_ok {
    uint64_t tag;
    log_index index; /* Applied already: read now (Q1). */
};

/* Of a proposal or a read. NOT_LEADER (leader: who is), NO_LEADER, OVERLOADED (R10), NOT_READY (leadership is
 * being handed over: ask again soon), INVALID. Nothing was appended. */
struct core_reject {
    uint64_t tag;
    enum status status;
    replica_id leader; /* 0: unknown. */
};

struct core_role_changed {
    enum core_role role;
    log_term term;
    replica_id leader; /* 0: unknown; itself when it leads. */
    bool ready;        /* Leads, and its no-op is committed (E7). */
    log_index no_op;   /* When it leads: the no-op's index. */
};

/* The active configuration is another one (M1), or became committed. core_status has it. The founding's is
 * not told; nor is that a joint one committed: it is left in the same step. */
struct core_configured {
    log_index index;
    bool joint;
    bool committed;
};

/* N2: the flip, one transaction: generation, first log index, applied index, first revision of `hist`,
 * `conf`. One of the PERSISTs: takes its place in their sequence, and PERSISTED completes it. */
struct core_install {
    uint64_t sequence;
    struct core_snapshot snapshot;
    bool keep_log; /* N3: our log holds this position: only advance. Else all of it goes. */
};

/* CHECKPOINT_DUE (T5; body: none): propose a CHECKPOINT entry of core_checkpoint, now. One more before a
 * graceful stop is the driver's. If it is refused the core asks again.
 * SNAPSHOT_SEND (body: replica): it needs entries that the log no longer holds (R1). A stream to it that
 * still runs is given up. Losing the lead ends all. SNAPSHOT_ACCEPT, _IGNORE (body: position): the answer to
 * SNAPSHOT_OFFERED. ACCEPT gives up one that was being received (N4), unless it is the same: then it goes on
 * where it was. SNAPSHOT_CANCEL (body: position): give up the one that was accepted (N4: a new leader, or it
 * came too late). SNAPSHOT_ASK (body: replica, who leads): send SNAP_ASK to it (T6); repeated until an offer
 * is accepted. RELOAD (body: position): an INSTALL is durable. The state is now that snapshot's (N6): load
 * it, then APPLIED of that index. APPLYs before it are void, no APPLY comes in between. */
struct core_action {
    enum core_action_type type;
    union {
        struct core_persist persist;
        struct core_read_log read_log;
        struct core_message send;
        struct core_apply apply;
        struct core_proposed proposed;
        struct core_read_ok read_ok;
        struct core_reject reject;
        struct core_role_changed role_changed;
        enum core_stop stop;
        struct core_configured configured;
        replica_id replica;           /* SNAPSHOT_SEND, SNAPSHOT_ASK. */
        struct log_position position; /* SNAPSHOT_ACCEPT, _IGNORE, _CANCEL, RELOAD. */
        struct core_install install;
    };
};

struct core_actions {
    const struct core_action *items;
    uint32_t count;
};

/* --- the core --- */

/* 0 in a field means its default. */
struct core_options {
    replica_id self;
    uint64_t seed;                 /* Must differ between replicas and starts. */
    uint32_t heartbeat_ticks;      /* 10 */
    uint32_t election_min_ticks;   /* 50: T_min */
    uint32_t election_max_ticks;   /* 100: T_max, exclusive */
    uint32_t window_messages;      /* 256 a peer (R1), at most that */
    uint32_t window_bytes;         /* 4 MiB a peer */
    uint32_t append_entries;       /* CORE_APPEND_ENTRIES_MAX, at most that */
    uint32_t tail_entries;         /* 8192 kept in memory, at least append_entries */
    uint32_t tail_bytes;           /* 8 MiB kept in memory */
    uint32_t uncommitted_bytes;    /* 8 MiB (R10) */
    uint32_t preference_ticks;     /* 6000 = 60 s: healthy for so long, and first back-off (E9) */
    uint32_t preference_max_ticks; /* 360000 = 1 h: longest back-off */
    uint32_t checkpoint_entries;   /* 1024 (T5) */
    uint32_t checkpoint_ticks;     /* 6000 = 60 s after a change (T5) */
    enum core_mutant mutant;
};

struct core;

struct core *core_create(const struct core_options *options); /* CHECKs the options. */
void core_destroy(struct core **core);
/* Valid until the next core_step or core_destroy. */
const struct core_actions *core_step(struct core *core, const struct core_event *event);

/* In so many ticks the core has something to do, if nothing else happens: at least 1. A driver may sleep as
 * long and then give one TICK{ticks}; the actions are those that single ticks would have had. Before any
 * other event it gives the ticks that went by. */
uint32_t core_next_tick_due(const struct core *core);

/* --- what it knows, for status commands and tests --- */

enum core_peer_state { CORE_PEER_PROBE = 1, CORE_PEER_PIPELINE, CORE_PEER_SNAPSHOT };

struct core_peer_status {
    replica_id id;
    enum core_peer_state state;
    bool voter;     /* In either half. */
    bool caught_up; /* M3: lacked at most CORE_CAUGHT_UP_LAG_MAX entries for one T_min. */
    log_index match;
    log_index next;
    uint32_t silent_ticks; /* Since it was last heard. */
};

struct core_status {
    enum core_role role;
    enum core_stop stop;
    struct hard_state hard;
    bool hard_durable;
    replica_id leader;
    bool ready;
    struct log_position last;
    log_index durable;
    log_index commit;
    log_index applied;
    log_index configuration_index; /* Of the active configuration; 0: none. */
    struct configuration configuration;
    bool gated;      /* T3 */
    bool installing; /* A snapshot is being received or flipped. */
    bool damaged;    /* T6 */
    log_index base;  /* The log holds what comes after. */
    log_index
        compact_till; /* D7: the lowest match of a live follower; what is durable, when it does not lead. */
    uint64_t malformed_count; /* Messages dropped as damaged, misaddressed or out of bounds. */
    uint32_t peer_count;      /* Others in the configuration; their match and next only when it leads. */
    struct core_peer_status peers[REPLICAS_MAX];
};

void core_status(const struct core *core, struct core_status *out_status);
/* T5: each member's durable match as the leader knows it, its own too, capped at the commit index. */
void core_checkpoint(const struct core *core, struct checkpoint *out_checkpoint);
/* The configuration in force at `index`, which is at least what APPLIED last told; index 0: none known. */
void core_configuration_at(const struct core *core, log_index index,
                           struct core_log_configuration *out_configuration);

const char *core_message_type_name(enum core_message_type type); /* "APPEND_REPLY"; "?" out of range. */
const char *core_role_name(enum core_role role);                 /* "pre-candidate" */
const char *core_stop_name(enum core_stop stop);                 /* "TWO_LEADERS" */
const char *core_stop_text(enum core_stop stop);                 /* For a person. */
const char *core_verdict_name(enum core_verdict verdict);        /* "LOST" */

#endif
