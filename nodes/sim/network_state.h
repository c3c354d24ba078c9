/* network_state: what the files of the network share: network.c (who there is, what is wrong),
 * network_frames.c (frames on their way), network_links.c (connections), network_transport.c (the actor). */
#ifndef AETHER_NODES_SIM_NETWORK_STATE_H
#define AETHER_NODES_SIM_NETWORK_STATE_H

#include "nodes/sim/chance.h"
#include "nodes/sim/network.h"
#include "runtime/base/bytes.h"
#include "runtime/port/transport.h"

enum { NETWORK_MEMORY_MAX = 256 }; /* Remembered frames. */

struct network_node {
    char name[NODE_NAME_MAX];
    struct runtime *runtime; /* NULL: down. */
    uint64_t life;           /* Counts its starts: what was meant for an earlier one is dropped. */
    uint64_t replica;        /* As its leader actor said. */
    bool silent;
    bool worker; /* Connects to no other worker. */
};

/* Between two nodes. `epoch` rises with each change of its circumstances: plans made before no longer hold.
 */
struct network_link {
    bool connected;
    uint64_t epoch;
};

struct network_flight { /* A frame on its way. */
    struct network_flight *previous;
    struct network_flight *next;
    struct network *network;
    struct bytes *frame;
    uint32_t from;
    uint32_t to;
    uint64_t to_life;
    int64_t sent_ns;
    bool strays; /* It outlives the connection that it was sent on, as a replayed one would. */
    bool waits;  /* For a clogged link. */
    enum transport_channel channel;
};

struct network_notice { /* A change of a connection on its way to being noticed. */
    struct network_notice *previous;
    struct network_notice *next;
    struct network *network;
    uint32_t at;   /* Who notices; */
    uint32_t peer; /* about whom. */
    uint64_t at_life;
    uint64_t epoch;
    bool up;
    bool both; /* It is the link itself that changes now; `at` and `peer` are its ends. */
};

struct network_memory { /* A frame that may come again. */
    struct bytes *frame;
    uint32_t from;
    uint32_t to;
    uint64_t to_life;
    enum transport_channel channel;
};

struct network {
    struct network_options options;
    struct network_node nodes[NETWORK_NODES_MAX];
    uint32_t node_count;
    bool cut[NETWORK_NODES_MAX][NETWORK_NODES_MAX];                  /* [from][to] */
    bool clogged[NETWORK_NODES_MAX][NETWORK_NODES_MAX];              /* [from][to] */
    struct network_link links[NETWORK_NODES_MAX][NETWORK_NODES_MAX]; /* [lower][higher] */
    int64_t noticed_ns[NETWORK_NODES_MAX][NETWORK_NODES_MAX]; /* [at][peer]: when the last notice is due. */
    int64_t broken_ns[NETWORK_NODES_MAX][NETWORK_NODES_MAX];  /* The same, of the last break. */
    struct network_flight flights;                            /* Heads of rings. */
    struct network_notice notices;
    struct network_memory memory[NETWORK_MEMORY_MAX];
    uint32_t memory_count;
    struct chance latency;
    struct chance loss;
    struct chance duplicate;
    struct chance straggler;
    struct chance notice;
    struct chance replay;
};

/* network_frames.c. OK: takes the frame. */
enum status network_send(struct network *network, uint32_t from, const char *name,
                         enum transport_channel channel, struct bytes **frame);
void network_tell(struct network *network, uint32_t node, struct message **message); /* Its transport. */
void network_release(struct network *network, uint32_t from, uint32_t to);           /* What waited there. */
void network_forget_frames(struct network *network);

/* network_links.c */
struct network_link *network_link_between(struct network *network, uint32_t a, uint32_t b);
/* Looks at the link after a change of its circumstances, and plans what will be noticed of it. */
void network_review(struct network *network, uint32_t a, uint32_t b);
void network_forget_notices(struct network *network);

/* Local kinds, from the network to a transport. */
struct sim_frame { /* KIND_SIM_FRAME; the attachment is the frame. */
    uint32_t from;
    enum transport_channel channel;
};
struct sim_peer { /* KIND_SIM_PEER */
    char node[NODE_NAME_MAX];
    uint64_t replica;
    bool up;
};

#endif
