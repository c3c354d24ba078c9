/* process: child processes that share memory and doorbells with us, as a port. One side starts and commands a
 * process, another waits for all of them at once, so what is to be waited for (struct process_watch) is apart
 * from what commands it (struct process): each has its own owner and its own descriptors.
 *
 * Bells: the child sleeps on a word of the shared memory (futex), so that its bell needs no descriptor which
 * it could lose; it rings an eventfd, since one thread of ours waits for all children at once. The child
 * finds the shared memory and the bell that it rings under the numbers of enum process_fd, stdin empty,
 * stdout and stderr joined in one stream that we read. */
#ifndef AETHER_RUNTIME_PORT_PROCESS_H
#define AETHER_RUNTIME_PORT_PROCESS_H

#include "runtime/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum process_fd {
    PROCESS_FD_MEMORY = 3,
    PROCESS_FD_BELL_OF_PARENT = 4, /* The child rings it. */
    PROCESS_FD_OBJECT = 5,         /* The file that it may read, if one was named. */
};
#define PROCESS_OBJECT_PATH "/proc/self/fd/5" /* By this name the child opens it, whoever it has become. */

struct process_limits {
    uint32_t cpu_millis;   /* Thousandths of a core; 0 = none. */
    uint64_t memory_bytes; /* 0 = none. */
};

struct process_spec {
    const char *program;
    const char *const *arguments; /* argv as the child sees it; NULL-terminated. */
    size_t shared_size;           /* Zeroed memory; the child can neither shrink nor grow it. */
    const char *object;           /* A file that it may read; NULL: none. */
    struct process_limits limits; /* Held by a control group where we may make one. */
};

struct process {
    int32_t pid;
    void *shared;
    size_t shared_size;
    const char *limited_by; /* "cgroup v2", "cgroup v1", "rlimits" (those that the child sets for itself);
                               constant. */
    int control_fd;         /* Private. */
    uint32_t group;         /* Of its limits; 0 = none. */
};

struct process_watch { /* Private descriptors; closed by `unwatch`. */
    int end_fd;
    int bell_fd;
    int output_fd;
};

struct process_end {
    bool by_signal;
    int code; /* The signal, or the exit code. */
};

enum process_event { PROCESS_RANG = 1, PROCESS_OUTPUT = 2, PROCESS_ENDED = 4 };
struct process_happening {
    uint64_t tag;
    uint32_t events; /* enum process_event */
};

struct process_waiter; /* Everything that one thread waits for. */

struct process_port {
    void *context;
    /* --- whoever commands a process; any thread --- */
    enum status (*start)(void *context, const struct process_spec *spec, struct process *out_process,
                         struct process_watch *out_watch, struct error *error);
    void (*ring)(void *context, const struct process *process);
    void (*kill)(void *context, const struct process *process); /* SIGKILL; gone already is fine. */
    void (*close)(void *context, struct process *process);      /* Kills it, gives memory and bell back. */
    /* Has the kernel killed something of it for want of memory within its limits? */
    bool (*ran_out_of_memory)(void *context, const struct process *process);
    /* What it keeps in memory now; 0: not known, or it is gone. Any thread. */
    uint64_t (*resident_bytes)(void *context, int32_t pid);
    /* --- whoever waits; one thread, but for wake --- */
    enum status (*waiter_create)(void *context, struct process_waiter **out_waiter, struct error *error);
    void (*waiter_destroy)(void *context, struct process_waiter **waiter);
    enum status (*watch)(void *context, struct process_waiter *waiter, const struct process_watch *watch,
                         uint64_t tag, struct error *error);
    void (*unwatch)(void *context, struct process_waiter *waiter, struct process_watch *watch);
    /* Until something happened, wake was called, or the timeout (< 0: none). Returns how many of `happenings`
     * are set. Each ring is reported once; output and ends until they were read, or unwatched. */
    uint32_t (*wait)(void *context, struct process_waiter *waiter, int64_t timeout_ns,
                     struct process_happening *happenings, uint32_t happening_max);
    void (*wake)(void *context, struct process_waiter *waiter); /* Any thread. */
    /* What the child printed; 0: nothing (more) at this time. Never blocks. */
    size_t (*read_output)(void *context, struct process_waiter *waiter, struct process_watch *watch, void *to,
                          size_t size);
    /* How it ended; false: it hasn't yet. Once. */
    bool (*reap)(void *context, const struct process_watch *watch, struct process_end *out_end);
};

#endif
