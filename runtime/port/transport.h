/* transport: how frames travel between nodes. The transport is an actor (TO_TRANSPORT; wire/zmq in the
 * daemon, nodes/sim/network in the simulator) that understands these kinds; both embed wire/remote.h, which
 * turns asks into frames and frames into messages. Frames may be lost, duplicated, delayed and reordered;
 * nothing may rely on order between the two channels of a peer. */
#ifndef AETHER_RUNTIME_PORT_TRANSPORT_H
#define AETHER_RUNTIME_PORT_TRANSPORT_H

#include <stdint.h>

enum transport_channel {
    CHANNEL_CONSENSUS = 0, /* "ID/c" */
    CHANNEL_DATA = 1,      /* "ID/d": calls, artifacts, snapshots; bulk never delays a heartbeat. */
    CHANNEL_COUNT,
};

enum { NODE_NAME_MAX = 64 }; /* With the terminating 0. */

/* KIND_TRANSPORT_SEND (tell) and KIND_TRANSPORT_ASK (ask; answered by the peer's reply, or refused NODE_LOST
 * when the connection breaks or is not there, DEADLINE). The attachment is a frame made by wire_post /
 * wire_ask. */
struct transport_send {
    char node[NODE_NAME_MAX];
    enum transport_channel channel;
};

/* KIND_TRANSPORT_IDENTITY: who we are; sent by the leader actor when it knows, and again when it changes.
 * Until then frames leave with zeroes. A frame of another cluster id than ours is dropped and counted unless
 * its kind is flagged KIND_BEFORE_CLUSTER (founding). */
struct transport_identity {
    uint64_t cluster_id;
    uint64_t replica_id;
};

/* KIND_TRANSPORT_PEER: connect to this peer, or change its address; an empty address disconnects. */
struct transport_peer {
    char node[NODE_NAME_MAX];
    char address[256];
};

/* KIND_PEER_UP, KIND_PEER_DOWN: told to TO_LEADER, TO_MEMBERSHIP and TO_SLICE_CALL. UP follows an accepted
 * hello on both channels, in both directions, and comes again when the peer's replica id or protocol
 * changes; DOWN follows at once when a connection breaks (rule E8). */
struct transport_peer_change {
    char node[NODE_NAME_MAX];
    uint64_t replica_id;
    uint32_t protocol; /* The highest version both speak. */
};

#endif
