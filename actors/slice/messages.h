/* messages: local messages of the slice actors (wire/kinds.h 1400-1499). All strings are in the message's
 * arena. */
#ifndef AETHER_ACTORS_SLICE_MESSAGES_H
#define AETHER_ACTORS_SLICE_MESSAGES_H

#include "actors/slice/call_outcomes.h"
#include "runtime/actor.h"
#include "runtime/base/histogram.h"

#include <stdbool.h>
#include <stdint.h>

enum { ARTIFACT_NAME_MAX = 256, SHA256_TEXT_SIZE = 65 };

struct instance_key {
    char artifact[ARTIFACT_NAME_MAX]; /* group:artifact:version */
    uint32_t instance;                /* From 1. */
};

/* node_deployment_manager -> TO_SLICE_STORE, asks; answered KIND_INSTANCE_DONE or refused: NOT_FOUND (no
 * repository has it), CORRUPT (checksum), VERSION_MISMATCH (ABI, coordinates), INVALID (not a shared object),
 * CRASHED, APP_ERROR (a hook said no, with its text), DEADLINE. LOAD leaves it LOADED (`create` has run),
 * ACTIVATE runs `start`, DEACTIVATE lets calls in flight end (at most drain_ms), then `stop`; UNLOAD runs
 * `destroy` and unmaps.
 *
 * What the store does with requests that don't fit its own state, so that a manager may retry:
 *
 * - LOAD of an instance that is here: CONFLICT. After a refused LOAD nothing of the instance is left.
 * - ACTIVATE of an instance that is not here: NOT_FOUND; of an active one: DONE; of one that went down: its
 *   process is started again (create, then start). After a refused ACTIVATE the instance is still here
 * (loaded, or down when its process ended or had to be killed).
 * - DEACTIVATE of one that is not here, not active, or down: DONE.
 * - UNLOAD of one that is not here: DONE; of one whose hook hangs or fails: killed, DONE.
 * - One step runs at a time: another one meanwhile is refused NOT_READY, except UNLOAD, which cuts the
 * running step short (that one is refused CANCELLED). A step ends at its ask's deadline at the latest. */
struct instance_load { /* KIND_INSTANCE_LOAD */
    struct instance_key key;
    char sha256[SHA256_TEXT_SIZE]; /* Lower-case hex: these bytes and no others. "" = whatever the checksum
                                      says. */
    bool inline_isolation;         /* In the node; else a process of its own. */
    bool shared_host;              /* In one process with the slice's other instances on this node. */
    bool pinned;                   /* Inline: loaded although it can't be unloaded again. */
    bool exclusive;
    bool activate;         /* Single-step loading: goes on to ACTIVATE. */
    const char *config;    /* JSON object; never NULL. */
    uint32_t cpu_millis;   /* 0 = no limit. */
    uint64_t memory_bytes; /* 0 = no limit. */
};
struct instance_step { /* KIND_INSTANCE_ACTIVATE, _DEACTIVATE, _UNLOAD */
    struct instance_key key;
    uint32_t drain_ms;
};
struct instance_entry {
    const char *name;
    uint32_t id;
    bool readonly;
    bool idempotent;
    uint32_t deadline_ms;     /* Default; 0 = the system's. */
    uint32_t concurrency_max; /* 0 = the system's. */
};
struct instance_done { /* KIND_INSTANCE_DONE */
    struct instance_key key;
    const struct instance_entry *entries;
    uint32_t entry_count;
    int32_t host_pid; /* 0 = inline. */
};
/* cluster_deployment_manager -> TO_SLICE_STORE, an ask: could these bytes be loaded as this artifact? A
 * process that is thrown away maps and checks them; none of the slice's hooks runs, and nothing of it stays.
 * Answered KIND_INSTANCE_DONE (entries; instance and host_pid 0), or refused as LOAD is: VERSION_MISMATCH
 * (ABI, coordinates), INVALID (not a slice), CRASHED, DEADLINE (it hangs; SLICE_PROBE_TIMEOUT_S at the
 * latest); OVERLOADED: SLICE_PROBES_MAX are under way on this node. */
enum { SLICE_PROBES_MAX = 16, SLICE_PROBE_TIMEOUT_S = 10 };
struct instance_probe {               /* KIND_INSTANCE_PROBE */
    char artifact[ARTIFACT_NAME_MAX]; /* Exact. */
    char sha256[SHA256_TEXT_SIZE];
};

/* TO_SLICE_STORE tells its node_deployment_manager: a loaded or active instance ended by itself (process
 * died, health failed). KIND_INSTANCE_GONE went to TO_SLICE_CALL before. The store keeps the instance as
 * "down" until ACTIVATE or UNLOAD. While a step runs, its refusal says the same, and no INSTANCE_DOWN is
 * sent. */
struct instance_down { /* KIND_INSTANCE_DOWN */
    struct instance_key key;
    enum status reason; /* CRASHED: the process ended; NOT_READY: unhealthy, killed. */
    const char *text;   /* "killed by signal 11 (SIGSEGV)" */
};

/* TO_SLICE_STORE tells TO_SLICE_CALL where INVOKE_REQUESTs for an ACTIVE instance go, and when that ends. */
struct instance_serving { /* KIND_INSTANCE_SERVING, KIND_INSTANCE_GONE (actor unset) */
    struct instance_key key;
    struct actor_id actor;
    const struct instance_entry *entries;
    uint32_t entry_count;
};

/* node_deployment_manager -> TO_SLICE_STORE, an ask: an ACTIVE instance takes another configuration over
 * without being stopped (the hook config_changed). DONE, or refused, and the instance goes on with the old
 * one: NOT_FOUND (not here, or the slice has no such hook), APP_ERROR (it said no), NOT_READY (not active, or
 * a step runs). */
struct instance_configure { /* KIND_INSTANCE_CONFIGURE */
    struct instance_key key;
    const char *config; /* JSON object. */
};

/* --- what a node knows of its instances now: asked by its slice_inspector ------------------------------ */
struct instance_ask {     /* KIND_INSTANCE_FACTS */
    const char *artifact; /* Exact; all its instances. */
};
struct instance_fact {
    uint32_t instance;
    /* Of TO_SLICE_STORE. */
    const char *isolation; /* "process", "inline"; "" = not loaded; constant. */
    const char *limits;    /* "cgroup v2", "cgroup v1", "rlimits", "none"; "" = not loaded; constant. */
    int32_t host_pid;
    uint64_t memory_bytes;
    /* Of TO_NODE_DEPLOYMENT_MANAGER. */
    uint32_t restarts;
    const char *last_error; /* "" = none. */
    int64_t last_error_at;  /* Unix ms. */
};
struct instance_facts { /* KIND_INSTANCE_FACTS_DONE, of both; each sets its own fields, the texts never NULL.
                         */
    const struct instance_fact *facts;
    uint32_t count;
};
/* TO_ARTIFACT_STORE tells TO_NODE_DEPLOYMENT_MANAGER, at most once a second for each artifact, how far its
 * download is; it becomes part of the record of every instance that is LOADING it. */
struct instance_progress { /* KIND_INSTANCE_PROGRESS */
    const char *artifact;
    uint64_t received_bytes;
    uint64_t total_bytes; /* 0: the repository doesn't say. */
};

/* An instance's actor tells TO_SLICE_LOG a line: what its process printed, what its slice logged, or what the
 * node has to say about it. Outlives the instance. */
enum slice_line_level { LINE_DEBUG, LINE_INFO, LINE_WARN, LINE_ERROR, LINE_NODE };
struct slice_line { /* KIND_SLICE_LINE; the message's request id is the line's. */
    struct instance_key key;
    enum slice_line_level level;
    int64_t wall_ms;
    const char *text;
};

/* slice_store -> TO_SLICE_CARRIER: the state that an instance left (the hook snapshot) when it was stopped in
 * order, as attachment; kept until a successor took it or CARRIER_KEEP_NS passed. */
struct slice_state_keep { /* KIND_SLICE_STATE_KEEP, a tell */
    struct instance_key key;
};
/* slice_store -> TO_SLICE_CARRIER, an ask, before the first START of an instance whose slice has the hook
 * restore: what its predecessor left, here or on another node. Answered SLICE_STATE_TAKEN, with the state as
 * attachment, or without one: there is none. */
struct slice_state_take { /* KIND_SLICE_STATE_TAKE */
    struct instance_key key;
};

/* An instance's actor asks TO_SLICE_CALL on behalf of its slice. Payload = attachment. Answered
 * KIND_INVOKE_REPLY (payload = attachment) or refused with an outcome of product.md section 6. Withdrawn by
 * its tag with KIND_CALL_WITHDRAWN (wire/local.h). */
struct slice_outbound {          /* KIND_SLICE_OUTBOUND */
    const char *target;          /* group:artifact[:version]/entry */
    const char *caller;          /* group:artifact:version#instance@node */
    const char *affinity;        /* "" = none */
    const char *idempotency_key; /* "" = none */
    uint32_t depth;              /* How many calls this one is nested in. */
    bool deadline_named; /* The slice chose the deadline; else the entry point's own may end it sooner. */
};

/* TO_SLICE_CALL tells an instance's actor that nobody awaits the INVOKE_REQUEST with this tag any more: it is
 * refused CANCELLED, and the instance may learn it. */
struct invoke_withdrawn { /* KIND_INVOKE_WITHDRAWN */
    uint64_t tag;
};

/* TO_SLICE_CALL tells the instance's actor whose slice's call an instance of this node has just answered: for
 * SLICE_ROUTE_NS the same target may be asked there directly (KIND_INVOKE_REQUEST), with no hop between. Not
 * told for a call with an affinity. What that instance refuses before its code runs (NOT_FOUND: its actor is
 * gone; NOT_READY, NO_ENDPOINT, OVERLOADED), and what failed and may be repeated, goes to TO_SLICE_CALL as
 * ever, which alone chooses, queues and tries again. */
#define SLICE_ROUTE_NS MILLISECONDS(50)
struct slice_route {    /* KIND_SLICE_ROUTE */
    const char *target; /* As the slice named it. */
    const char *artifact;
    const char *entry;
    uint32_t instance;
    struct actor_id actor;
    uint32_t deadline_ms; /* The entry point's own; 0 = the system's. */
    bool repeatable;      /* READONLY or IDEMPOTENT. */
};

/* An instance's actor tells TO_SLICE_CALL, now and then, how the calls went that it made by a route: they are
 * the instance's figures and the cluster's events as all others are. */
struct slice_route_used { /* KIND_SLICE_ROUTE_USED */
    struct instance_key key;
    char target[CALL_OUTCOMES_TARGET_MAX];
    struct histogram took;           /* Nanoseconds, of those that were answered. */
    uint32_t failed[STATUS_COUNT];   /* By their outcome. */
    struct request_id first_failure; /* One of them, for people. */
};

/* cluster_deployment_manager -> TO_ARTIFACT_STORE, ask: what the repositories hold for these coordinates now.
 */
struct artifact_resolve { /* KIND_ARTIFACT_RESOLVE */
    const char *artifact; /* group:artifact:version, or a version word. */
};
struct artifact_resolved {            /* KIND_ARTIFACT_RESOLVED; refused NOT_FOUND, CORRUPT, INVALID, IO */
    char artifact[ARTIFACT_NAME_MAX]; /* Exact. */
    char sha256[SHA256_TEXT_SIZE];
    uint64_t size_bytes;
};
/* slice_store -> TO_ARTIFACT_STORE, ask: a verified private copy. */
struct artifact_fetch { /* KIND_ARTIFACT_FETCH */
    const char *artifact;
    char sha256[SHA256_TEXT_SIZE];
};
struct artifact_ready { /* KIND_ARTIFACT_READY; refused as artifact_resolve */
    const char *path;   /* A file that holds exactly these bytes; stays while the cache keeps it. */
    char sha256[SHA256_TEXT_SIZE];
};

#endif
