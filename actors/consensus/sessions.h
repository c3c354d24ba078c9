/* sessions: the store sessions that one node's proposer holds (A4). One command in flight each; what a
 * session was given is applied once, however often it is sent. */
#ifndef AETHER_ACTORS_CONSENSUS_SESSIONS_H
#define AETHER_ACTORS_CONSENSUS_SESSIONS_H

#include <stdbool.h>
#include <stdint.h>

enum { SESSIONS_MAX = 256, SESSIONS_OPENING_MAX = 64 };

struct session {
    uint64_t id; /* 0: no such session. */
    uint64_t sequence;
    bool busy;
};

/* All zeroes: none is open. */
struct sessions {
    struct session items[SESSIONS_MAX];
    uint16_t
        free[SESSIONS_MAX]; /* Places of those that are open and not busy; the last one released is on top. */
    uint32_t free_count;
    uint32_t open_count;
    uint32_t opening_count; /* Their OpSessionOpen is under way. */
};

/* A session of our own for the next command, its sequence raised; NULL: all are busy. The one released last,
 * so that few are in use while little happens. */
struct session *sessions_acquire(struct sessions *sessions);
void sessions_release(struct sessions *sessions, struct session *session);
/* The store doesn't know it any more. */
void sessions_drop(struct sessions *sessions, struct session *session);
/* Whether another should be opened for somebody who waits; counts it as being opened. */
bool sessions_begin_open(struct sessions *sessions, uint32_t waiting_count);
void sessions_end_open(struct sessions *sessions, uint64_t id); /* 0: it failed. */

#endif
