/* slice_desk: the node's side of one instance, shared by slice_host.c and slice_inline.c: what was asked of
 * the instance and is not answered yet (steps, calls), what the instance wishes and is not granted yet
 * (invoke, kv), its health, its log. It trusts nothing that the instance says. Part of its actor's state:
 * embed it. */
#ifndef AETHER_ACTORS_SLICE_SLICE_DESK_H
#define AETHER_ACTORS_SLICE_SLICE_DESK_H

#include "actors/slice/desk_routes.h"
#include "actors/slice/instance.h"
#include "actors/slice/sdk/aether/slice.h"
#include "actors/slice/slice_frame.h"
#include "runtime/base/map.h"
#include "runtime/base/text.h"

struct slice_desk;

/* Carries a frame to the instance. false: no room for this call now (only calls are refused so). */
typedef bool slice_desk_send(struct actor *self, struct slice_desk *desk, const struct slice_frame *frame);

enum slice_desk_phase { DESK_EMPTY, DESK_LOADED, DESK_ACTIVE, DESK_DRAINING, DESK_STOPPED, DESK_DESTROYED };

struct slice_desk_wish { /* One of the instance's open wishes. */
    struct slice_desk *desk;
    uint64_t id;
    bool used;
    uint32_t type;   /* enum slice_frame_type */
    uint64_t parent; /* The call on whose behalf it is; 0 = none. */
};

struct slice_desk { /* Private, but for `send`, `key` and `phase`. */
    slice_desk_send *send;
    struct instance_key key;
    char *path;
    char *config;
    char *node;
    char *caller; /* What those that it calls are told of it. */
    bool probe;
    int32_t pid;        /* 0 = inline. */
    const char *limits; /* What holds its limits; constant. */
    enum slice_desk_phase phase;
    struct message *step; /* The one under way, or NULL. */
    uint64_t step_number;
    struct arena arena; /* Entries. */
    struct instance_entry *entries;
    uint32_t entry_count;
    uint32_t hooks;       /* enum slice_hook */
    struct text snapshot; /* Of the STOP under way: as much as has come. */
    struct map calls;     /* Number to struct open_call. */
    uint64_t call_number;
    bool sweeping;
    bool watching_health;
    int64_t drain_until_ns;
    struct slice_desk_wish wishes[AETHER_OUTBOUND_MAX];
    struct desk_routes routes;
    int64_t health_asked_ns; /* 0: none is open. */
    uint64_t health_number;
    uint64_t health_count;
    uint32_t health_bad;
    int64_t log_second;
    uint32_t log_lines; /* In this second; kept by TO_SLICE_LOG, and fewer of them in the node's log. */
    uint32_t log_dropped;
};

void slice_desk_init(struct slice_desk *desk, const struct slice_instance_options *options,
                     slice_desk_send *send);
void slice_desk_fini(struct slice_desk *desk);

uint32_t slice_desk_calls(const struct slice_desk *desk); /* How many the instance has not answered yet. */

/* Handlers of the embedding actor's rows. */
void slice_desk_on_step(struct actor *self, struct slice_desk *desk, const struct message *message);
void slice_desk_on_invoke(struct actor *self, struct slice_desk *desk, const struct message *message);
void slice_desk_on_route(struct actor *self, struct slice_desk *desk, const struct message *message);
void slice_desk_on_withdrawn(struct actor *self, struct slice_desk *desk, const struct message *message);
void slice_desk_on_sweep(struct actor *self, struct slice_desk *desk);  /* KIND_SLICE_SWEEP */
void slice_desk_on_health(struct actor *self, struct slice_desk *desk); /* KIND_SLICE_HEALTH */

/* What the instance says; from outside. INVALID: it broke the rules, and must go. */
MUST_CHECK enum status slice_desk_on_frame(struct actor *self, struct slice_desk *desk,
                                           const struct slice_frame *frame, struct error *error);
/* Lines that it printed, for the node's log and its own. Cut and counted beyond a hundred a second there, a
 * thousand here. */
void slice_desk_on_output(struct actor *self, struct slice_desk *desk, int level, const char *text);
/* The actor stops: nothing more goes to the instance, and what is open is refused. */
void slice_desk_close(struct actor *self, struct slice_desk *desk);
/* The instance is gone: refuses all that is open, and fails the actor. */
void slice_desk_fail(struct actor *self, struct slice_desk *desk, const struct error *error);

#endif
