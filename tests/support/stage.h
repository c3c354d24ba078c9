/* stage: one runtime on a stepper for the tests of the runtime itself, and what it told the outside. */
#ifndef AETHER_TESTS_SUPPORT_STAGE_H
#define AETHER_TESTS_SUPPORT_STAGE_H

#include "runtime/actor.h"
#include "runtime/scheduler.h"

struct stage {
    struct scheduler *stepper;
    struct runtime *runtime; /* Node n1, seed 1. */
    struct error failure;    /* The last one that it told. */
    uint32_t failures;
    char log[256]; /* Its last record: level, node, actor, event, text. */
};

/* For cmocka: the stage of the one test that runs. Tearing down fails if actors stay behind. */
int stage_set_up(void **state);
int stage_tear_down(void **state);
/* Sends from outside and takes the message; the test fails if the mailbox refuses it. */
void stage_send(struct stage *stage, struct actor_id to, struct message *message);
/* Until nothing is left to do at this instant. */
void stage_settle(struct stage *stage);

#endif
