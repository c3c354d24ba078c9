/* call_outcomes: the calls that ended badly, counted by outcome, target and node until they are told as
 * events: one event a second for each kind of trouble, however many calls it cost. */
#ifndef AETHER_ACTORS_SLICE_CALL_OUTCOMES_H
#define AETHER_ACTORS_SLICE_CALL_OUTCOMES_H

#include "runtime/actor.h"

enum { CALL_OUTCOMES_MAX = 64, CALL_OUTCOMES_TARGET_MAX = 320 };

struct call_outcome {
    enum status status;
    char target[CALL_OUTCOMES_TARGET_MAX]; /* group:artifact[:version]/entry */
    char node[64];                         /* Where the last attempt went; "" = nowhere. */
    char request_id[33];                   /* Of the first. */
    uint32_t count;
    bool sent; /* On its way to the log: counts on until that is confirmed. */
    uint32_t sent_count;
};

struct call_outcomes {
    struct call_outcome list[CALL_OUTCOMES_MAX];
    uint32_t count;
    uint64_t lost; /* No room for them; told by the next event. */
    bool asking;
};

/* Is it one that an event must explain? */
bool call_outcomes_matter(enum status status);
void call_outcomes_note(struct call_outcomes *outcomes, enum status status, const char *target,
                        const char *node, const char *request_id);
/* Proposes what was noted, one command at a time; `complete` must call call_outcomes_told. */
void call_outcomes_tell(struct call_outcomes *outcomes, struct actor *self, const char *self_node,
                        ask_completion *complete);
void call_outcomes_told(struct call_outcomes *outcomes, bool written);

#endif
