/* call_end: the one answer that a call is owed, and how it went in words. Every function here ends the call:
 * it is gone when they return. */
#ifndef AETHER_ACTORS_SLICE_CALL_END_H
#define AETHER_ACTORS_SLICE_CALL_END_H

#include "actors/slice/call.h"

/* With what the slice answered; may be NULL. `load`: InvokeReply's. */
void call_end_ok(struct actor *self, struct slice_call *calls, struct call *call, const struct bytes *payload,
                 uint32_t load);
/* The same, of the reply being handled, which goes on to the asker as it is where that does. */
void call_end_with_reply(struct actor *self, struct slice_call *calls, struct call *call,
                         const struct message *reply, uint32_t load);
/* With its outcome (wire/outcome.h), whatever status `error` has. */
void call_end_failed(struct actor *self, struct slice_call *calls, struct call *call,
                     const struct error *error);
/* Without an answer: it was given before, or is nobody's. */
void call_end_silently(struct actor *self, struct slice_call *calls, struct call *call);

/* CANCELLED for whoever asked; the call stays, for what it asked has not completed. */
void call_end_withdrawn(struct actor *self, struct slice_call *calls, struct call *call,
                        const struct error *error);
/* The last try of the call ended so. */
void call_end_note_try(struct actor *self, struct call *call, const struct error *error);

void call_end_destroy(struct slice_call *calls, struct call *call); /* Its memory only. */

/* Calls that slices made by a route ended so: for the events. */
void call_end_note_direct(struct actor *self, struct slice_call *calls, const struct slice_route_used *used,
                          enum status status);

#endif
