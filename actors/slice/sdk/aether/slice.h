/* aether/slice.h: the whole contract between a slice and the cluster that runs it. C11 and C++17; needs no
 * library, no other header of ours, and nothing to link.
 *
 * A slice is a shared object that exports one constant, AETHER_SLICE_DESCRIPTOR: its coordinates, the entry
 * points it serves and its hooks. The cluster loads it, calls the hooks, and hands each hook what it may use.
 * A complete slice:
 *
 *     #include <aether/slice.h>
 *
 *     static int32_t create(const struct aether_host *host, struct aether_bytes config, void **out_instance)
 *     {
 *         (void)config;
 *         *out_instance = (void *)host;          // This slice's whole state is its host table.
 *         return AETHER_OK;
 *     }
 *     static void handle(void *instance, struct aether_call *call, const struct aether_request *request)
 *     {
 *         const struct aether_host *host = (const struct aether_host *)instance;
 *         host->reply(host, call, AETHER_OK, request->payload);            // Answers with what was sent.
 *     }
 *     static const struct aether_entry entries[] = { { "echo", 1, AETHER_READONLY, 0, 0 } };
 *     const struct aether_slice AETHER_SLICE_DESCRIPTOR = {
 *         AETHER_SLICE_HEAD, "org.example", "echo", "1.0.0",
 *         AETHER_ENTRIES(entries), AETHER_NO_DEPENDENCIES,
 *         create, NULL, handle, NULL, NULL, NULL, NULL, NULL, NULL,
 *     };
 *
 *     cc -shared -fPIC -I{folder that holds aether/} echo.c -o echo-1.0.0.so
 *
 * THE LIFE OF AN INSTANCE. The library is loaded, then, for each instance:
 *
 *     create -> start -> handle, handle, ... -> stop -> destroy
 *
 *   create   Read the configuration, build the state. No calls out: nothing is served yet.
 *   start    Last preparations; invoke, kv_get and the like work from here on. When it returns AETHER_OK the
 *            entry points become visible to the whole cluster.
 *   handle   One call. Answer it now or later, exactly once, with host->reply.
 *   stop     No new call will come and those in flight have ended or were given up. May be followed by start.
 *   destroy  Free everything. Follows create even if start failed or was never called. Completions and
 *            timers that are still open never run. Not called where the process is killed (a crash, a hang,
 *            the end of the node): keep nothing in memory that must survive.
 *
 * A hook that returns anything but AETHER_OK has failed; host->explain before returning tells people why.
 *
 * THREADS. Each instance has one thread: its hooks, its completions and its timers never run at the same
 * time, so its state needs no locks. The thread is shared by all of the instance's calls: a hook that blocks
 * delays them all, and one that does not return for 15 s makes the instance unhealthy (it is then killed and
 * started again). Never call the host table from a thread of your own; let it leave a note that a timer picks
 * up. Several instances of one slice may live in one process: keep state in the instance, not in globals.
 *
 * OWNERSHIP. What a hook or completion receives is borrowed until it returns; copy what must last. What the
 * host table receives is copied before the function returns, but for a payload in a buffer (host->buffer),
 * which is given away with it. Two things last longer: a call handle, valid until you reply to it, and memory
 * from host->alloc, which goes with its call.
 *
 * DEADLINES. A call brings a deadline; a call made on behalf of it (aether_invoke.parent) never gets more
 * time than is left. When the deadline passes, the caller has been told DEADLINE already; a late reply is
 * dropped without harm. host->now_ns says what time it is on the clock that deadlines use. A caller that
 * withdraws its call, or goes away, cancels it and what was called on its behalf: see host->is_cancelled.
 *
 * GROWTH. Structs start with, or their table carries, their size, and only grow at the end. A host takes any
 * slice of its own ABI major; ask AETHER_HOST_HAS before using a function that a later minor version added.
 */
#ifndef AETHER_SLICE_H
#define AETHER_SLICE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AETHER_SLICE_MAGIC UINT64_C(0x4543494c53454100) /* The bytes 0, "AESLICE", little-endian. */
#define AETHER_ABI_MAJOR   1                            /* Another major is another contract: refused. */
#define AETHER_ABI_MINOR   2 /* Grows when something is added at the end of a struct. */

#define AETHER_EXPORT __attribute__((visibility("default")))

/* How a hook, a call or an operation ended. The same numbers and words as everywhere in the cluster. */
enum aether_status {
    AETHER_OK = 0,
    AETHER_APP_ERROR = 1, /* Your own "no": the text goes to the caller as it is. */
    AETHER_INVALID = 2,   /* The request makes no sense. */
    AETHER_UNAUTHENTICATED = 3,
    AETHER_DENIED = 4,
    AETHER_NO_ENDPOINT = 5, /* No live instance serves that entry point. */
    AETHER_NOT_READY = 6,
    AETHER_OVERLOADED = 7, /* A bounded queue is full; try again later. */
    AETHER_DEADLINE = 8,   /* The outcome is unknown. */
    AETHER_CANCELLED = 9,
    AETHER_NODE_LOST = 10, /* The outcome is unknown. */
    AETHER_CRASHED = 11,   /* The outcome is unknown. */
    AETHER_VERSION_MISMATCH = 12,
    AETHER_NOT_FOUND = 13,
    AETHER_CONFLICT = 14, /* A condition did not hold: somebody else was faster. */
    AETHER_NO_LEADER = 15,
    AETHER_NOT_LEADER = 16,
    AETHER_IO = 17,
    AETHER_CORRUPT = 18,
    AETHER_UNKNOWN = 19 /* It may have happened, or not. */
};

/* Bytes somebody else owns. Not 0-terminated. */
struct aether_bytes {
    const void *data;
    size_t size;
};

enum {
    AETHER_PAYLOAD_MAX = 1024 * 1024, /* Of a request, a reply, a value: more is AETHER_INVALID. */
    AETHER_NAME_MAX = 256,            /* Of a target, a key, an entry's name; with the terminating 0. */
    AETHER_ENTRIES_MAX = 256,
    AETHER_CALLS_MAX = 1024,    /* Calls an instance holds unanswered; one more is refused OVERLOADED. */
    AETHER_OUTBOUND_MAX = 1024, /* invoke, kv_get and kv_put under way; one more answers OVERLOADED. */
    AETHER_TIMERS_MAX = 1024,
    AETHER_BUFFERS_MAX = 64, /* Buffers that an instance has not given away. */
    AETHER_SNAPSHOT_MAX =
        64 * 1024 * 1024 /* Of all parts together: the write of more is refused OVERLOADED. */
};

/* --- what a slice is called with ----------------------------------------------------------------------- */

struct aether_call; /* A call not answered yet. */

struct aether_request {
    uint32_t size;               /* Of this struct. */
    uint32_t entry;              /* aether_entry.id. */
    struct aether_bytes payload; /* As the caller sent it; by custom JSON. */
    int64_t deadline_ns;         /* On host->now_ns' clock. */
    uint64_t request_id[2];      /* 128 bits, the same through all nested calls; for logs. */
    const char *caller; /* "client-HEX@node", or group:artifact:version#instance@node; not for trust. */
};

/* The end of an invoke, kv_get or kv_put; runs once, on the instance's thread, never inside the function that
 * began it. On AETHER_OK `value` is the reply's payload or the record's value; else it is a text for people.
 */
struct aether_result {
    uint32_t size; /* Of this struct. */
    int32_t status;
    struct aether_bytes value;
    uint64_t revision; /* KV only: of the record (0 = there is none), or of the change. */
};
typedef void aether_done(void *instance, void *context, const struct aether_result *result);
typedef void aether_timer(void *instance, void *context);

/* --- what a slice may do: the host table --------------------------------------------------------------- */

struct aether_invoke {
    uint32_t size;      /* sizeof(struct aether_invoke) */
    const char *target; /* "group:artifact/entry" or "group:artifact:version/entry" */
    struct aether_bytes payload;
    struct aether_call *parent; /* On whose behalf: its request id and deadline are inherited, and when it
                                   ends, however it ends, this call ends CANCELLED. NULL = none. */
    int64_t timeout_ns;         /* 0 = 30 s; the parent's deadline caps it. */
    const char *affinity;       /* Calls with one key go to one instance while it lives. NULL = none. */
    /* Since minor 1. Calls with one key and one payload run once, and hear one answer, while their instance's
     * node lives and for five minutes; such a call may be tried again after a failure. NULL = none. */
    const char *idempotency_key;
};

/* Valid from create until destroy returns; pass it back as the first argument. Functions that return int32_t
 * return AETHER_OK when the operation was begun; anything else means that it was not, and that no completion
 * will run: OVERLOADED (limits above), INVALID (sizes, names), NOT_READY (before start, after stop). */
struct aether_host {
    uint16_t abi_major;
    uint16_t abi_minor;
    uint32_t size;        /* Of this struct, on the host's side. */
    const char *artifact; /* group:artifact:version */
    const char *node;     /* The node's name. */
    uint32_t instance;    /* From 1, among the instances of this artifact. */
    uint32_t unused;      /* Keeps the next field aligned on every platform. */

    int64_t (*now_ns)(
        const struct aether_host *host); /* Monotonic. The simulator's clock in the simulator. */
    int64_t (*wall_ms)(const struct aether_host *host); /* Unix milliseconds; for people only. */
    uint64_t (*random)(const struct aether_host *host);

    /* One-shot. Returns the timer's id, for cancel; 0: AETHER_TIMERS_MAX are armed. */
    uint64_t (*after)(const struct aether_host *host, int64_t delay_ns, aether_timer *fire, void *context);
    void (*cancel)(const struct aether_host *host, uint64_t timer); /* Fired, or 0, is fine. */

    /* Answers a call, once; the handle is invalid from then on. status is AETHER_OK (payload: the answer) or
     * another status (payload: a text for the caller): APP_ERROR, INVALID, UNAUTHENTICATED, DENIED,
     * VERSION_MISMATCH, DEADLINE and CANCELLED reach the caller as they are. NOT_READY and OVERLOADED say
     * that nothing was done: the cluster may try another instance. Any other arrives as APP_ERROR, its word
     * before the text. */
    void (*reply)(const struct aether_host *host, struct aether_call *call, int32_t status,
                  struct aether_bytes payload);
    /* Calls another slice, wherever it runs; at most once: it is tried again only when it surely did not
     * start, or twice is harmless (flags of its entry, idempotency_key). CANCELLED: the parent has ended. */
    int32_t (*invoke)(const struct aether_host *host, const struct aether_invoke *invoke, aether_done *done,
                      void *context);
    /* Memory that lives as long as the call: zeroed, aligned to 16. NULL: more than 16 MiB for one call. */
    void *(*alloc)(const struct aether_host *host, struct aether_call *call, size_t size);

    /* The cluster's store: linearizable, replicated, small values (JSON text, at most 512 KiB). Keys are your
     * own: they lie below slice-data/{group}:{artifact}/, shared by all versions and instances of the slice.
     * kv_get of an absent key ends with AETHER_OK, revision 0 and no value. */
    int32_t (*kv_get)(const struct aether_host *host, const char *key, aether_done *done, void *context);
    /* if_revision: AETHER_ANY_REVISION, or the revision that the record must have (0: must be absent); else
     * the operation ends with AETHER_CONFLICT. */
    int32_t (*kv_put)(const struct aether_host *host, const char *key, struct aether_bytes value,
                      uint64_t if_revision, aether_done *done, void *context);
    /* Publishes an event to subscribers of the topic. A cluster without that service answers NOT_READY. */
    int32_t (*publish)(const struct aether_host *host, const char *topic, struct aether_bytes payload);

    /* The instance's configuration: a JSON object, never empty ("{}"). Valid until config_changed. */
    struct aether_bytes (*config)(const struct aether_host *host);

    /* Goes to the node's log with the slice's name and, inside handle, the request id. */
    void (*log)(const struct aether_host *host, int32_t level, const char *text);
    /* A counter that only rises / a value that is set; at most 64 names for one instance. */
    void (*count)(const struct aether_host *host, const char *name, uint64_t amount);
    void (*gauge)(const struct aether_host *host, const char *name, double value);
    /* Why the running hook is about to fail, for people; the last text counts. */
    void (*explain)(const struct aether_host *host, const char *text);

    /* Since minor 1: ask AETHER_HOST_HAS(host, is_cancelled). Not 0: nobody awaits this call's answer any
     * more (its caller withdrew it or went away, its deadline passed); replying is fine, and goes nowhere.
     * It changes between hooks, never inside one: long work asks at its timers and completions. */
    int32_t (*is_cancelled)(const struct aether_host *host, const struct aether_call *call);

    /* Since minor 2: ask AETHER_HOST_HAS(host, buffer). Memory for a large payload that you write once and
     * pass on without a copy: `size` bytes, not zeroed, aligned to 16. It is yours until you give it away:
     * reply, invoke and kv_put take the buffer at whose beginning their payload begins, whatever they return;
     * from then on you neither write nor read it. NULL: more than AETHER_PAYLOAD_MAX, or you hold
     * AETHER_BUFFERS_MAX. drop gives back one that you don't need after all; NULL is fine. It belongs to no
     * call: what you still hold when the instance is destroyed goes with it. */
    void *(*buffer)(const struct aether_host *host, size_t size);
    void (*drop)(const struct aether_host *host, void *buffer);
};

#define AETHER_ANY_REVISION UINT64_MAX
enum aether_log_level { AETHER_DEBUG = 0, AETHER_INFO = 1, AETHER_WARN = 2, AETHER_ERROR = 3 };

/* Whether this host has a function that a later minor version added. */
#define AETHER_HOST_HAS(host, member)                                                                        \
    ((host)->size >= offsetof(struct aether_host, member) + sizeof((host)->member))

/* --- what a slice is: the descriptor ------------------------------------------------------------------- */

enum aether_entry_flag {
    AETHER_READONLY = 1,  /* Changes nothing: may be called again after a failure, anywhere. */
    AETHER_IDEMPOTENT = 2 /* Twice is the same as once: may be called again after a failure. */
};

struct aether_entry {
    const char *name;     /* As callers write it: letters, digits, - _ .; at most 63; unique. */
    uint32_t id;          /* Stable: keep it through all versions, never reuse one. */
    uint32_t flags;       /* enum aether_entry_flag */
    uint32_t deadline_ms; /* When the caller names none; 0 = the cluster's, 30 s, which is also the most. */
    uint32_t concurrency_max; /* Calls you hold unanswered at a time; 0 = AETHER_CALLS_MAX. */
};

struct aether_dependency {
    const char *slice;    /* group:artifact */
    const char *versions; /* Maven range: "1.2.0", "[1.0,2.0)" */
};

struct aether_slice {
    uint64_t magic;
    uint16_t abi_major;
    uint16_t abi_minor;
    uint32_t size; /* Of this struct, as the slice was compiled. */
    const char *group;
    const char *artifact;
    const char *version; /* These three must equal the coordinates it was published under. */
    const struct aether_entry *entries;
    uint32_t entry_count;
    uint32_t entry_size; /* sizeof(struct aether_entry), as the slice was compiled. */
    const struct aether_dependency *dependencies;
    uint32_t dependency_count;
    uint32_t dependency_size;

    /* Required: create and handle. The others may be NULL: that hook has nothing to do. */
    int32_t (*create)(const struct aether_host *host, struct aether_bytes config, void **out_instance);
    int32_t (*start)(void *instance);
    void (*handle)(void *instance, struct aether_call *call, const struct aether_request *request);
    int32_t (*stop)(void *instance);
    void (*destroy)(void *instance);
    /* Asked every 5 s while the instance is active. Not AETHER_OK three times in a row, or no answer for 15
     * s: the instance is unhealthy, is killed and started again. */
    int32_t (*health)(void *instance);
    /* The state, to be carried to another instance of the same group:artifact: its successor after a restart,
     * a move, another version or configuration. Asked after the last call, before `stop`, when the instance
     * is stopped in order; never where it crashes or is killed, so what it carries is a convenience (a cache
     * that is warm, sessions that go on), never the only copy. write may be called many times; it returns
     * AETHER_OK or why to stop. A snapshot that doesn't return AETHER_OK carries nothing, and the instance is
     * stopped all the same. restore runs between create and start, at most once, where a predecessor left
     * something. Not AETHER_OK: this attempt has failed; the next one is created anew and gets no state. A
     * successor that is started before its predecessor stops (max-surge above 0, other number) gets none
     * either. */
    int32_t (*snapshot)(void *instance, int32_t (*write)(void *context, struct aether_bytes part),
                        void *context);
    int32_t (*restore)(void *instance, struct aether_bytes state);
    /* Take the new configuration over (host->config gives it as soon as this returned AETHER_OK), or refuse
     * it and go on with the old one: until the cluster replaces the instance, in order and in turn, by one
     * that is created with the new configuration. NULL: always replaced. */
    int32_t (*config_changed)(void *instance, struct aether_bytes config);
};

/* The first fields of the descriptor, and its tables. */
#define AETHER_SLICE_HEAD                                                                                    \
    AETHER_SLICE_MAGIC, AETHER_ABI_MAJOR, AETHER_ABI_MINOR, (uint32_t)sizeof(struct aether_slice)
#define AETHER_ENTRIES(table)                                                                                \
    table, (uint32_t)(sizeof(table) / sizeof((table)[0])), (uint32_t)sizeof(struct aether_entry)
#define AETHER_DEPENDENCIES(table)                                                                           \
    table, (uint32_t)(sizeof(table) / sizeof((table)[0])), (uint32_t)sizeof(struct aether_dependency)
#define AETHER_NO_DEPENDENCIES NULL, 0, (uint32_t)sizeof(struct aether_dependency)

/* The name that the cluster looks up. */
extern AETHER_EXPORT const struct aether_slice AETHER_SLICE_DESCRIPTOR;

#ifdef __cplusplus
}
#endif

#endif
