/* station: a node's sockets and nothing else of a node, on real threads, for tests of what crosses them.
 * Stand-ins for actors come from probe.h (stub_spawn); their handlers run on the pool's threads, so they
 * count in a `tally`, which the test awaits. */
#ifndef AETHER_TESTS_SUPPORT_STATION_H
#define AETHER_TESTS_SUPPORT_STATION_H

#include "runtime/scheduler.h"
#include "wire/zmq/node_socket.h"

#include <pthread.h>

enum { TALLY_SLOTS = 16, STATION_PATH_MAX = 100 };

struct tally {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint32_t counts[TALLY_SLOTS];
};
void tally_init(struct tally *tally);
void tally_add(struct tally *tally, uint32_t slot); /* Any thread. */
uint32_t tally_count(struct tally *tally, uint32_t slot);
/* false: not that many within ten seconds. */
bool tally_await(struct tally *tally, uint32_t slot, uint32_t at_least);

/* Slots that a station fills by itself. */
enum station_count {
    STATION_UP = 0,
    STATION_DOWN,
    STATION_REFUSED_LOGS,
    STATION_DROPPED_LOGS,
    STATION_STREAMS_UP, /* Of both channels. */
    STATION_STREAMS_LOST,
    STATION_SLOTS
};

struct station {
    char name[16];
    char address[STATION_PATH_MAX]; /* Where other nodes reach it. */
    char client[STATION_PATH_MAX];  /* Where clients do. */
    struct scheduler *pool;
    struct runtime *runtime;
    struct actor_id transport;
    struct tally tally;
    uint64_t peer_replica; /* As the last PEER_UP said; read after an await. */
};

/* `directory` holds the ipc sockets. */
void station_start(struct station *station, const char *directory, const char *name);
/* The same on a free TCP port: its peers' frames go by streams. */
void station_start_tcp(struct station *station, const char *directory, const char *name);
void station_stop(struct station *station);
void station_identify(struct station *station, uint64_t cluster_id, uint64_t replica_id);
void station_connect(struct station *station, const char *node, const char *address); /* "" disconnects. */

/* A new directory below /tmp, removed with its sockets by the second. */
void station_directory(char directory[STATION_PATH_MAX]);
void station_remove_directory(const char *directory);

#endif
