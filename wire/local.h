/* local: local messages that more than one room needs: what the leader tells the managers, and what the
 * client socket hands to the gateway. They never leave their node (wire/kinds.h 1100-1599); those of one room
 * only stand in that room's messages.h. */
#ifndef AETHER_WIRE_LOCAL_H
#define AETHER_WIRE_LOCAL_H

#include "runtime/port/transport.h"

#include <stdbool.h>
#include <stdint.h>

/* KIND_ROLE_SUBSCRIBE (tell TO_LEADER, no body): KIND_ROLE_CHANGED now and at every change, for ever. */
/* KIND_ROLE_CHANGED */
struct role_changed {
    bool leading; /* This node leads, and its no-op is committed and applied here (E7). */
    uint64_t term;
    char leader[NODE_NAME_MAX]; /* "" = none known. */
    uint64_t revision;          /* When leading: the no-op's index; reads at or after it see all before us. */
};

/* KIND_READ_BARRIER (ask TO_STATE; no body: all zero) -> KIND_READ_BARRIER_REPLY: a Q1 round that began after
 * the request arrived was confirmed (a stale one asks for none), and the applied state is at least that fresh
 * and has revision `after`. NO_LEADER, DEADLINE otherwise. What the state told its watchers before left
 * before this reply, so whoever then asks a watcher on this node is answered from a view that is at least as
 * fresh. */
struct read_barrier {
    uint64_t after; /* 0: none. */
    bool stale;
    bool patient; /* It goes with the leader's next heartbeat, not in a round of its own. */
};
struct read_barrier_reply {
    uint64_t revision;
    uint64_t term;
};

/* KIND_MCP_REQUEST: the client socket asks TO_MCP_SERVER. The attachment is one JSON-RPC text as it came.
 * Answered by KIND_MCP_REPLY (no body): the attachment is the answer's text; without one there is nothing to
 * say (a notification, a cancelled request), and a REQ client is sent an empty frame so that it can go on. */
struct mcp_request {
    uint64_t client; /* The same for all requests of one connection: a hash of its routing id; 0 = none. */
};

/* KIND_CALL_WITHDRAWN (tell TO_SLICE_CALL): whoever asked for a call (KIND_CALL_REQUEST, KIND_SLICE_OUTBOUND)
 * under a message tag that nobody else uses withdraws it by that tag. The call ends CANCELLED at once, and
 * what it started is told. Unknown tags are fine: it may have ended. */
struct call_withdrawn {
    uint64_t tag;
};

/* KIND_CONSENSUS_STATUS (ask TO_LEADER, no body) -> KIND_CONSENSUS_STATUS_REPLY: this replica's own view, at
 * once, with or without a leader. Members are in the reply's arena. */
enum consensus_role { CONSENSUS_FOUNDING, CONSENSUS_FOLLOWER, CONSENSUS_CANDIDATE, CONSENSUS_LEADER };

struct consensus_member {
    char node[NODE_NAME_MAX];
    uint64_t replica_id;
    bool voter;         /* Else a learner, or (in a joint configuration) on its way out. */
    bool caught_up;     /* M3; known on the leader only, of itself too. */
    uint64_t match;     /* Durable there, as far as the leader knows; on others: our own, else 0. */
    uint32_t silent_ms; /* Since it was last heard; our own: 0. */
};

struct consensus_status_reply { /* KIND_CONSENSUS_STATUS_REPLY */
    char node[NODE_NAME_MAX];   /* Who answers. */
    uint64_t cluster_id;        /* 0: not founded here yet. */
    uint64_t replica_id;
    enum consensus_role role;
    uint64_t term;
    char leader[NODE_NAME_MAX]; /* "" = none known. */
    uint64_t commit;
    uint64_t applied;
    uint64_t durable;
    uint64_t configuration_index;
    bool joint;    /* A change of voters is under way (M2). */
    uint64_t last; /* Index of the newest entry. */
    const struct consensus_member *members;
    uint32_t member_count;
};

/* KIND_CONFIGURE (ask TO_LEADER): all members that there shall be; the core finds the way there (M2).
 * Answered by the same kind without a body once that is under way. CONFLICT: a change is under way already,
 * or it was planned from another configuration; NOT_LEADER, NO_LEADER, NOT_READY, INVALID: as the core says.
 */
enum { CONFIGURE_MEMBERS_MAX = 16 };
struct configure_member {
    char node[NODE_NAME_MAX];
    uint64_t replica_id;
    bool voter;
};
struct configure {
    uint64_t based_on; /* configuration_index that it was planned from. */
    uint32_t member_count;
    struct configure_member members[CONFIGURE_MEMBERS_MAX];
};

/* KIND_MEMBER_NEWS: the leader's voter_keeper tells TO_MEMBERSHIP what the wishes wait for (M5); the list is
 * in the message's arena and replaces the former one. */
struct member_reason {
    char node[NODE_NAME_MAX];
    char text[96];
};
struct member_news {
    uint64_t term;
    const struct member_reason *reasons;
    uint32_t reason_count;
};

/* KIND_TRANSFER_LEADERSHIP (ask TO_LEADER): answered with a message of the same kind without a body once this
 * node no longer leads; NOT_LEADER, DEADLINE (nobody took over), NOT_FOUND (no such voter). */
struct transfer_leadership {
    char node[NODE_NAME_MAX]; /* "" = whoever is closest. */
};

#endif
