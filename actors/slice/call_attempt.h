/* call_attempt: a call on its way to an instance, and again where that is allowed. A function that takes a
 * call may end it: it is not to be touched afterwards. */
#ifndef AETHER_ACTORS_SLICE_CALL_ATTEMPT_H
#define AETHER_ACTORS_SLICE_CALL_ATTEMPT_H

#include "actors/slice/call.h"

/* Chooses an instance and sends the call there. */
void call_attempt_begin(struct actor *self, struct slice_call *calls, struct call *call);
/* To an instance of this node that somebody else chose (call->artifact, entry, instance). */
void call_attempt_here(struct actor *self, struct slice_call *calls, struct call *call);
/* To a place at this instance of ours, or into its queue. */
void call_attempt_queue(struct actor *self, struct slice_call *calls, struct call *call,
                        struct serving_instance *instance, struct serving_entry *entry);
/* The attempt under way ended so: tried again, or the call's end. */
void call_attempt_failed(struct actor *self, struct slice_call *calls, struct call *call,
                         const struct error *error);
void call_attempt_failed_with(struct actor *self, struct slice_call *calls, struct call *call,
                              enum status status, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
/* Its timer fired. */
void call_attempt_on_time(struct actor *self, struct slice_call *calls, struct call *call);
/* Nobody wants its answer any more: CANCELLED, and whoever has it in hand is told. `who` for people. */
void call_attempt_withdraw(struct actor *self, struct slice_call *calls, struct call *call, const char *who);
/* The instance serves no longer: those that wait for it surely did not start. */
void call_attempt_release_waiters(struct actor *self, struct slice_call *calls,
                                  struct serving_instance *instance);
/* Its timer, at its deadline at the latest. */
void call_attempt_arm(struct actor *self, struct call *call, int64_t delay_ns);

#endif
