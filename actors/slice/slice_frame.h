/* slice_frame: what a node and an instance say to each other: steps and calls one way, ends, replies and
 * wishes the other. Through a slice_ring when the instance has a process of its own, as a plain struct when
 * it lives in the node. Both ends are of one build, so this is no wire format: it may change with any
 * release. */
#ifndef AETHER_ACTORS_SLICE_SLICE_FRAME_H
#define AETHER_ACTORS_SLICE_SLICE_FRAME_H

#include "actors/slice/messages.h"
#include "runtime/base/arena.h"
#include "runtime/base/bytes.h"

/* clang-format off */
enum slice_frame_type {  /* id        words                  number         payload, more */
    SLICE_FRAME_NONE,
    /* To the instance. */
    SLICE_FRAME_LOAD,    /* step      path, artifact, node   instance       configuration; maps, creates */
    SLICE_FRAME_PROBE,   /* step      path, artifact                        maps and checks only */
    SLICE_FRAME_START,   /* step */
    SLICE_FRAME_STOP,    /* step                             1 = take a snapshot before */
    SLICE_FRAME_DESTROY, /* step */
    SLICE_FRAME_HEALTH,  /* step */
    SLICE_FRAME_CALL,    /* call      caller                 entry id       request; request_id, budget_ns */
    SLICE_FRAME_CANCEL,  /* call                                            its caller has been answered */
    SLICE_FRAME_ANSWER,  /* wish                             revision       value or text; status */
    SLICE_FRAME_CONFIGURE, /* step                                          configuration */
    SLICE_FRAME_RESTORE, /* step                             bytes to come  a piece of a former state */
    SLICE_FRAME_FORGET,  /*                                                 guest: its node's side is gone */
    /* From the instance. */
    SLICE_FRAME_DONE,    /* step      text                   hooks (LOAD)   entries (LOAD, PROBE); status */
    SLICE_FRAME_REPLY,   /* call                             handled ns     reply or text; status */
    SLICE_FRAME_INVOKE,  /* wish      target, affinity, key  parent call    request; request_id, budget_ns,
                                                               status: 1 = it chose budget_ns itself */
    SLICE_FRAME_KV_GET,  /* wish      key */
    SLICE_FRAME_KV_PUT,  /* wish      key                    if revision    value */
    SLICE_FRAME_LOG,     /*           text                   level          request_id */
    SLICE_FRAME_METRIC,  /* 1 = gauge name                   value, or a double's bits */
    SLICE_FRAME_STATE,   /* step                                            a piece of its snapshot (STOP) */
    SLICE_FRAME_FORGOTTEN, /*                                               guest: of FORGET */
    SLICE_FRAME_TYPE_COUNT,
};
/* clang-format on */

/* Of DONE after LOAD: which of the hooks that may be left out the slice has; after PROBE: is there something
 * about the object that keeps it mapped for ever? (Then the process that has tried it has lost nothing.) */
enum slice_hook {
    SLICE_HOOK_SNAPSHOT = 1,
    SLICE_HOOK_RESTORE = 2,
    SLICE_HOOK_CONFIG_CHANGED = 4,
    SLICE_STAYS_MAPPED = 8
};

enum { SLICE_FRAME_WORDS = 3, SLICE_FRAME_WORD_MAX = 4096 };

struct slice_frame {
    uint32_t type;
    uint32_t guest; /* Which of the instances in one process (shared_host.h); 0 = the only one. */
    int32_t status;
    uint64_t id;
    uint64_t number;
    int64_t budget_ns;
    struct request_id request_id;
    const char *words[SLICE_FRAME_WORDS]; /* NULL = "". */
    const void *payload;
    size_t payload_size;
    struct bytes *whole; /* What all of this lies in, borrowed; NULL: it is the sender's own memory. */
};

/* The payload as a reference of its own: a share of `whole` where it is large, else a copy. */
struct bytes *slice_frame_payload(const struct slice_frame *frame);

/* The head of a frame as bytes in the arena; the frame is this and its payload. INVALID: too large. */
MUST_CHECK enum status slice_frame_encode(const struct slice_frame *frame, struct arena *arena,
                                          const void **out_head, size_t *out_size, struct error *error);
/* Outside input. Everything in *out_frame borrows from `bytes`; words are terminated UTF-8. */
MUST_CHECK enum status slice_frame_decode(const struct bytes *bytes, struct slice_frame *out_frame,
                                          struct error *error);

/* The payload of DONE: an instance's entry points. */
void slice_frame_put_entries(const struct instance_entry *entries, uint32_t count, struct arena *arena,
                             const void **out_data, size_t *out_size);
/* Outside input; into the arena. INVALID: malformed, too many, a bad name, a name or id twice. */
MUST_CHECK enum status slice_frame_get_entries(const void *data, size_t size, struct arena *arena,
                                               struct instance_entry **out_entries, uint32_t *out_count,
                                               struct error *error);

#endif
