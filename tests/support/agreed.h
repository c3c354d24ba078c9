/* agreed: one agreed state for several nodes on one stepper, without any consensus: the real kv under the
 * real rules, applied at once. It stands in for proposer, state, leader, membership and transport of every
 * node, so that managers and calls can be tested as they work together. After each entry it checks what must
 * always hold (DEP2, DEP4) and fails the test at the first entry that breaks it. */
#ifndef AETHER_TESTS_SUPPORT_AGREED_H
#define AETHER_TESTS_SUPPORT_AGREED_H

#include "runtime/scheduler.h"
#include "store/kv.h"
#include "wire/remote.h"

enum { AGREED_NODES_MAX = 5, AGREED_WATCHES_MAX = 32, AGREED_SUBSCRIBERS_MAX = 8 };

struct agreed;

struct agreed_watch {
    struct actor_id watcher;
    uint64_t id;
    char prefix[512];
};

struct agreed_node {
    struct agreed *agreed;
    char name[16];
    struct runtime *runtime; /* NULL: down. */
    uint64_t incarnation;
    struct remote *remote;
    struct actor_id transport;
    struct agreed_watch watches[AGREED_WATCHES_MAX];
    uint32_t watch_count;
    struct actor_id subscribers[AGREED_SUBSCRIBERS_MAX];
    uint32_t subscriber_count;
};

struct agreed {
    struct scheduler *stepper; /* NULL in tests of rules alone. */
    struct kv *kv;
    log_index index;
    log_term term;
    uint32_t leader; /* Node; AGREED_NODES_MAX: nobody leads. */
    struct agreed_node nodes[AGREED_NODES_MAX];
    uint32_t node_count;
};

void agreed_init(struct agreed *agreed, struct scheduler *stepper);
void agreed_fini(struct agreed *agreed); /* All nodes are stopped. */

/* One entry; the reply is borrowed until the next. */
const Pb__ProposeReply *agreed_apply(struct agreed *agreed, const Pb__Command *command);
/* The text under a key; NULL: none. Borrowed until the next entry. */
const char *agreed_text(const struct agreed *agreed, const char *key, struct arena *arena);
uint32_t agreed_count(const struct agreed *agreed, const char *prefix);

/* A node's process starts: a new runtime with the stand-ins, a new incarnation, recorded. */
struct agreed_node *agreed_start(struct agreed *agreed, uint32_t node, const char *labels);
/* It was declared lost, but its process lives: a new incarnation, the same runtime. */
void agreed_rejoin(struct agreed *agreed, uint32_t node, const char *labels);
void agreed_crash(struct agreed *agreed, uint32_t node); /* Its process is gone; peers' connections break. */
void agreed_lose(struct agreed *agreed, uint32_t node);  /* The leader declares it LOST. */
void agreed_set_state(struct agreed *agreed, uint32_t node,
                      const char *state);               /* As by node drain, resume. */
void agreed_lead(struct agreed *agreed, uint32_t node); /* AGREED_NODES_MAX: nobody. */

#endif
