/* worker: one thread of a pool's group, and how ready actors get to it. For pool.c only.
 *
 * Each worker owns a queue of ready actors that no other thread ever touches, and beside it one place
 * (`next`) for the actor that the current one just woke: a conversation stays on one warm core and needs no
 * lock. `next` and the queue take turns, so nobody waits longer than twice the queue (fairness). Who is no
 * worker of the group hands an actor in through the group's `inbound`, which every awake worker looks at
 * between turns.
 *
 * Work spreads because its owner gives it away, never because it is taken. Between turns a worker that sees a
 * hungry sibling hands over half of its queue, if two things hold: what waits there would wait longer than
 * waking a core takes (WAKE_NS), and its turns are more than talk: they took longer than their messages would
 * take more on the way to another core (CROSSING_NS each). So conversations stay on one core, where they are
 * quickest, and two threads are not slower than one; work uses all cores. An actor known to be slow runs only
 * after what waits behind it was given away, and what it wakes meanwhile goes to a hungry sibling at once.
 * The price: what is in the queue of a worker waits for the end of its turn, even where that actor is slow
 * for the first time. (Who only dozes there, see home.h, is let go before each turn of one not known to be
 * quick.)
 *
 * An actor that awaits what another process writes may linger (behavior.linger): its worker asks it again and
 * again for about as long as a wake takes, and stops as soon as anybody else wants to run there.
 *
 * A worker without work shows it in `hungry`, looks around for about as long as a wake would cost (one worker
 * of a group at a time does, and none that is alone), then parks. No wake is lost: it sets its bit, then
 * looks once more; a waker hands in, then looks at the bits; both steps are sequentially consistent, so at
 * least one sees the other. Who claims a bit, by clearing it, wakes that worker: so one ready actor never
 * wakes two threads.
 *
 * A group's only worker may have a porter (actor.h): then its sleep is the porter's `wait`, and a waker calls
 * the porter's `wake`. The porter's turns are the worker's as all others, so `wait` never runs beside them.
 */
#ifndef AETHER_RUNTIME_WORKER_H
#define AETHER_RUNTIME_WORKER_H

#include "runtime/machine.h"

enum { WORKERS_MAX = 64 }; /* A group's bits stand in one word. */

struct group;
struct worker;

struct group_options {
    const char *name;
    uint32_t number; /* Among the groups: its enum actor_pool. */
    uint32_t threads;
    struct scheduler *scheduler; /* Borrowed for the group's life. */
    const struct random *random;
};
struct group *group_create(const struct group_options *options);
void group_stop(struct group *group);     /* Its workers end after the turn they are in. */
void group_destroy(struct group **group); /* After group_stop; joins them. */
/* The caller owns the actor and gives it away. Any thread. */
void group_ready(struct group *group, struct actor *actor);
void group_call(struct group *group, uint32_t index); /* See home.h. Any thread. */
/* The caller owns the actor, a porter (actor.h), and still does after it. false: there is one, or there are
 * several workers. Before its end, on the worker's thread: group_dismiss returns when nobody is inside its
 * `wake` any more; of an actor that was never engaged it is nothing. */
MUST_CHECK bool group_engage(struct group *group, struct actor *porter);
void group_dismiss(struct group *group, const struct actor *porter);
bool worker_is_current(void);                 /* Is the calling thread a worker of any group? */
bool worker_is_of(const struct group *group); /* Of this one? */
void worker_thread_start(pthread_t *thread, const char *name, void *(*main)(void *), void *context);

#endif
