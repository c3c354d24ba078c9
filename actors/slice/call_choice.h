/* call_choice: which instance a call goes to. */
#ifndef AETHER_ACTORS_SLICE_CALL_CHOICE_H
#define AETHER_ACTORS_SLICE_CALL_CHOICE_H

#include "actors/slice/call.h"

/* NULL: nobody who could be asked serves it. */
struct endpoint *call_choice(struct actor *self, struct slice_call *calls, const struct call *call);
/* An endpoint's instance of this node; NULL: it is another node's, or not announced (any more). */
struct serving_instance *call_choice_here(const struct slice_call *calls, struct endpoint *endpoint);
/* What a node said of its instance's load, beside our calls. */
void call_choice_learn(struct endpoint *endpoint, uint32_t load, int64_t now_ns);

#endif
