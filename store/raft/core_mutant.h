/* core_mutant: bugs planted in the core, to prove that the tests bite (proof.md section 3, by its numbers).
 * One at a time, by core_options.mutant; only in builds with AETHER_MUTANTS=1, else that field is ignored. */
#ifndef AETHER_STORE_RAFT_CORE_MUTANT_H
#define AETHER_STORE_RAFT_CORE_MUTANT_H

#include <stdint.h>

/* number, name, what it does wrong */
#define CORE_MUTANT_LIST(X)                                                                                  \
    X(1, OLD_TERM_BY_COUNTING, "commits an entry of an old term by counting (R7)")                           \
    X(2, NO_PREFIX_CAP, "a follower commits what the leader has, beyond what it was sent (R4)")              \
    X(3, OLD_TERM_REPLY, "counts an acknowledgement of an old term (R5)")                                    \
    X(4, LEARNER_COUNTED, "counts a learner's copy like a voter's (R7)")                                     \
    X(5, HALF_OF_JOINT, "counts only the incoming half of a joint configuration (M2)")                       \
    X(6, EVEN_MAJORITY, "takes half of an even number of voters for a majority (R7)")                        \
    X(7, OWN_COPY_UNSYNCED, "a leader counts its own copy before it is durable (R7)")                        \
    X(8, HEARTBEAT_COMMIT, "a heartbeat commits beyond the peer's match (R4)")                               \
    X(9, VOTE_NOT_PERSISTED, "term and vote never reach the disk (E3)")                                      \
    X(10, VOTE_BEFORE_SYNC, "a vote leaves before it is durable (E3)")                                       \
    X(11, TERM_WITHOUT_VOTE, "makes the term durable and forgets the vote (D5)")                             \
    X(12, NO_LOG_CHECK, "votes for any log (E2)")                                                            \
    X(13, LENGTH_BEFORE_TERM, "takes the longer log for the newer one (E2)")                                 \
    X(14, DURABLE_ONLY_COMPARE, "compares only the durable part of its own log (E2)")                        \
    X(15, NO_STICKINESS, "grants a (pre-)vote though a leader was just heard (E1, E2)")                      \
    X(16, PREVOTE_BUMPS_TERM, "raises its term to ask for pre-votes (E1)")                                   \
    X(17, PREVOTE_AS_VOTE, "counts granted pre-votes as votes (E1)")                                         \
    X(18, CAMPAIGN_WHILE_WRITING, "campaigns while a batch is outstanding, and counts itself at once (E3)")  \
    X(19, NO_STEP_DOWN, "a leader ignores higher terms (E4)")                                                \
    X(20, NO_CHECK_QUORUM, "a leader that hears nobody goes on leading (E6)")                                \
    X(21, TRUNCATES_ON_DUPLICATE, "a duplicate truncates what came after it (R3)")                           \
    X(22, TRUNCATES_ON_SHORTER, "a message that ends before our log cuts it there (R3)")                     \
    X(23, ACK_BEFORE_SYNC, "acknowledges before the disk has it (R5)")                                       \
    X(24, HELD_OVER_TERM, "keeps held acknowledgements when the term changes (R5)")                          \
    X(25, LATE_COMPLETION, "a late PERSISTED vouches for entries replaced since (R8)")                       \
    X(26, CHAIN_UNCHECKED, "takes an entry whose chain does not fit (R2, D1)")                               \
    X(27, TRUNCATES_COMMITTED, "truncates at or below commit (R3)")                                          \
    X(28, WINDOW_STAYS_SHUT, "acknowledgements never reopen the window (R1)")                                \
    X(29, HINT_SKIPS_TOO_FAR, "takes the entry of a refused hint for a match (R2)")                          \
    X(30, NEXT_BELOW_MATCH, "a refusal moves next below match (R1)")                                         \
    X(31, READ_WITHOUT_QUORUM, "answers a read without asking a quorum (Q1)")                                \
    X(32, TOKEN_REUSED, "a new read takes a token that is already confirmed (Q1)")                           \
    X(33, READ_BEFORE_NO_OP, "reads before the no-op is committed (E7)")                                     \
    X(34, READ_BEFORE_APPLIED, "reads before the state has applied the index (Q1)")                          \
    X(35, TOKEN_OF_OLD_TERM, "a token of an older term confirms reads (Q1)")                                 \
    X(36, TWO_CHANGES, "appends a second configuration before the first is committed (M2)")                  \
    X(37, ACTIVE_AT_COMMIT, "a follower's configuration counts from its commit on (M1)")                     \
    X(38, NOT_ROLLED_BACK, "a truncated configuration stays active (M1)")                                    \
    X(39, REMOVED_LEADER_STAYS, "a leader that removed itself goes on leading (E6)")                         \
    X(40, JOINT_NEVER_LEFT, "a new leader does not leave a joint configuration (M2)")                        \
    X(41, RETIRED_ANSWERS, "a replica told LOST, or that its id is retired, goes on (T3, S12)")              \
    X(42, STALE_SUFFIX, "a snapshot keeps a log that contradicts it (N3)")                                   \
    X(43, INSTALL_RESETS_HARD, "a snapshot overwrites term and vote (N2)")                                   \
    X(46, SNAPSHOT_WITHOUT_CONF, "a snapshot does not bring its configuration (N2)")                         \
    X(47, INSTALLS_BELOW_COMMIT, "installs a snapshot at or below commit (N3)")                              \
    X(56, APPLIES_UNCOMMITTED,                                                                               \
      "the state, and who watches it, has entries before they are committed (R9, A6)")

enum core_mutant {
    CORE_MUTANT_NONE = 0,
#define CORE_MUTANT_ENUM(number, name, text) CORE_MUTANT_##name = (number),
    CORE_MUTANT_LIST(CORE_MUTANT_ENUM)
#undef CORE_MUTANT_ENUM
        CORE_MUTANT_COUNT
};

struct core_mutant_row {
    enum core_mutant mutant; /* Its number. */
    const char *name;        /* "OLD_TERM_BY_COUNTING" */
    const char *text;
};

/* Ascending; there are gaps in the numbers. In every build. */
const struct core_mutant_row *core_mutant_all(uint32_t *out_count);

#endif
