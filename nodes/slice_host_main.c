/* aether-slice-host: the process of one isolated slice instance, or of several of one slice. Started by the
 * daemon, never by hand, but for
 *
 *     aether-slice-host --probe FILE       says what the slice in FILE is; exit 0, or 1 and why it is none.
 *     aether-slice-host --bench FILE       runs it by a script, without a node (nodes/slice_bench.h).
 *
 * It confines itself, maps the memory that it shares with the node, and then does what the node says, frame
 * by frame, on one thread: what the slice does to this process it does to itself only. Frames are read where
 * they lie, because the node is trusted here. While calls flow it spins for the next one before it sleeps. */
#include "actors/slice/patience.h"
#include "actors/slice/sdk/aether/slice.h"
#include "actors/slice/shared_host.h"
#include "actors/slice/slice_descriptor.h"
#include "actors/slice/slice_host.h"
#include "actors/slice/slice_runner.h"
#include "nodes/slice_bench.h"
#include "runtime/base/check.h"
#include "runtime/base/text.h"
#include "runtime/os/clock.h"
#include "runtime/os/confine.h"
#include "runtime/os/library.h"
#include "runtime/os/process.h"
#include "runtime/os/random.h"

#include <stdio.h>
#include <string.h>

enum { EXIT_FAILED = 1, EXIT_USAGE = 2, LOOKS_A_CLOCK = 16, GUESTS_MAX = SHARED_GUESTS_MAX + 1 };
static const int64_t SPIN_NS = MICROSECONDS(50); /* About what a sleep and a wake cost. */

/* In a build with the address sanitizer: its search for leaks at exit() needs ptrace, which a confined
 * process hasn't, and what a slice leaks is not ours to judge. A slice that crashes dies of its signal, as
 * it would without the sanitizer: its report would make an exit code of it. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0:handle_segv=0:handle_sigbus=0:handle_sigfpe=0:handle_sigill=0";
}

struct host;
struct guest { /* One instance. */
    struct host *host;
    uint32_t number; /* As frames name it; 0: it is the only one. */
    struct slice_runner_options options;
    struct slice_runner *runner; /* NULL: the place is free. */
};

struct host {
    struct slice_ring from_node;
    struct slice_ring to_node;
    struct guest guests[GUESTS_MAX];
    uint32_t guest_count; /* Places that were ever used. */
    struct patience patience;
    bool alone; /* One processor: whom we would wait for could not run. */
};

static _Noreturn void give_up(const char *what)
{
    fprintf(stderr, "aether-slice-host: %s\n", what);
    process_child_exit(EXIT_FAILED);
}

static void ring_node(bool wanted)
{
    if (wanted && !process_child_ring()) give_up("the slice has closed descriptors that are not its own");
}

/* Waits while the ring to the node is full: the slice has said more than the node has read. */
static void say(struct host *host, const struct slice_frame *frame)
{
    struct arena arena = { 0 };
    struct error error;
    struct slice_ring_span spans[2] = { { NULL, 0 }, { frame->payload, frame->payload_size } };
    if (slice_frame_encode(frame, &arena, &spans[0].data, &spans[0].size, &error) != STATUS_OK)
        give_up(error.message);
    for (;;) {
        bool ring;
        uint32_t rings = process_child_rings();
        enum slice_ring_result result = slice_ring_write(&host->to_node, spans, ARRAY_COUNT(spans), &ring);
        ring_node(ring);
        if (result == RING_DONE) break;
        if (result == RING_CORRUPT) give_up("the shared memory is damaged");
        process_child_wait(rings, -1);
    }
    arena_fini(&arena);
}

/* What an instance says, as one of those in this process. */
static void emit(void *context, const struct slice_frame *frame)
{
    const struct guest *guest = context;
    struct slice_frame own = *frame;
    own.guest = guest->number;
    say(guest->host, &own);
}

/* --- instances ----------------------------------------------------------------------------------------- */

static struct guest *find_guest(struct host *host, uint32_t number)
{
    for (uint32_t i = 0; i < host->guest_count; i++)
        if (host->guests[i].runner != NULL && host->guests[i].number == number) return &host->guests[i];
    return NULL;
}

/* NULL: the node is more than one build away from us, or counts badly. */
static struct guest *add_guest(struct host *host, uint32_t number)
{
    uint32_t place = 0;
    while (place < host->guest_count && host->guests[place].runner != NULL)
        place++;
    if (place == GUESTS_MAX) return NULL;
    if (place == host->guest_count) host->guest_count++;
    struct guest *guest = &host->guests[place];
    *guest = (struct guest){ .host = host, .number = number };
    guest->options = (struct slice_runner_options){
        .emit = emit, .context = guest, .clock = &clock_os, .random = &random_os, .libraries = &library_os
    };
    guest->runner = slice_runner_create(&guest->options);
    return guest;
}

/* The node's side of it is gone. Hooks that it was not sent run now; whoever hangs in one is killed with all
 * the others. */
static void forget_guest(struct host *host, uint32_t number)
{
    struct guest *guest = find_guest(host, number);
    if (guest != NULL && !slice_runner_is_destroyed(guest->runner))
        slice_runner_take(guest->runner, &(struct slice_frame){ .type = SLICE_FRAME_DESTROY });
    if (guest != NULL) slice_runner_destroy(&guest->runner, NULL);
    say(host, &(struct slice_frame){ .type = SLICE_FRAME_FORGOTTEN, .guest = number });
}

static void take_frame(struct host *host, const struct slice_frame *frame)
{
    if (frame->type == SLICE_FRAME_FORGET) {
        forget_guest(host, frame->guest);
        return;
    }
    struct guest *guest = find_guest(host, frame->guest);
    bool begins = frame->type == SLICE_FRAME_LOAD || frame->type == SLICE_FRAME_PROBE;
    if (guest == NULL && begins) guest = add_guest(host, frame->guest);
    if (guest == NULL && begins) give_up("more instances than a process takes");
    if (guest != NULL) slice_runner_take(guest->runner, frame);
}

static void fire_timers(const struct host *host)
{
    for (uint32_t i = 0; i < host->guest_count; i++)
        if (host->guests[i].runner != NULL) slice_runner_fire(host->guests[i].runner);
}

static int64_t timers_due_ns(const struct host *host)
{
    int64_t first_ns = INT64_MAX;
    for (uint32_t i = 0; i < host->guest_count; i++) {
        if (host->guests[i].runner == NULL) continue;
        int64_t due_ns = slice_runner_due_ns(host->guests[i].runner);
        if (due_ns < first_ns) first_ns = due_ns;
    }
    return first_ns;
}

/* --- the talk ------------------------------------------------------------------------------------------ */

static bool is_talk(const struct slice_frame *frame)
{
    return frame->type == SLICE_FRAME_CALL || frame->type == SLICE_FRAME_ANSWER;
}

/* Everything the node has said by now. true: a call was among it, or what one waits for. */
static bool take_frames(struct host *host)
{
    bool talks = false;
    for (;;) {
        struct slice_ring_span span;
        struct slice_frame frame;
        struct error error;
        bool ring;
        enum slice_ring_result result = slice_ring_peek(&host->from_node, &span);
        if (result == RING_NOT_NOW) return talks;
        if (result == RING_CORRUPT) give_up("the shared memory is damaged");
        const struct bytes bytes = { .data = (uint8_t *)(uintptr_t)span.data, .size = span.size };
        if (slice_frame_decode(&bytes, &frame, &error) != STATUS_OK) give_up(error.message);
        talks = talks || is_talk(&frame);
        take_frame(host, &frame);
        slice_ring_drop(&host->from_node, &ring);
        ring_node(ring);
        fire_timers(host); /* Between frames, so that a busy instance's timers still fire. */
    }
}

static int64_t until_next_timer_ns(const struct host *host)
{
    int64_t due_ns = timers_due_ns(host);
    if (due_ns == INT64_MAX) return -1;
    int64_t now_ns = clock_os.monotonic_ns(clock_os.context);
    return due_ns > now_ns ? due_ns - now_ns : 0;
}

/* true: there is a frame. Not beyond the slice's next timer. */
static bool spin(struct host *host)
{
    int64_t until_ns = clock_os.monotonic_ns(clock_os.context) + SPIN_NS;
    int64_t due_ns = timers_due_ns(host);
    if (due_ns < until_ns) until_ns = due_ns;
    for (uint32_t looks = 1; !slice_ring_has_frame(&host->from_node); looks++) {
        if (looks % LOOKS_A_CLOCK == 0 && clock_os.monotonic_ns(clock_os.context) >= until_ns) return false;
        __builtin_ia32_pause();
    }
    return true;
}

static void wait_for_node(struct host *host, bool talks)
{
    if (talks && !host->alone && patience_tries(&host->patience)) {
        bool came = spin(host);
        patience_note(&host->patience, came);
        if (came) return;
    }
    uint32_t rings = process_child_rings();
    if (slice_ring_sleep(&host->from_node)) process_child_wait(rings, until_next_timer_ns(host));
}

static int serve(const struct confine_spec *spec)
{
    static struct host host;
    struct error error;
    void *shared;
    size_t size;
    host.alone = process_child_is_alone();
    if (confine_self(spec, &error) != STATUS_OK) give_up(error.message);
    if (process_child_map(&shared, &size, &error) != STATUS_OK) give_up(error.message);
    if (size != SLICE_HOST_SHARED_SIZE) give_up("the node that started this is of another build");
    slice_ring_init(&host.from_node, shared);
    slice_ring_init(&host.to_node, (char *)shared + SLICE_RING_SIZE);
    for (;;) {
        bool talks = take_frames(&host);
        const struct guest *only = find_guest(&host, 0);
        if (only != NULL && slice_runner_is_destroyed(only->runner)) break;
        wait_for_node(&host, talks);
        fire_timers(&host);
    }
    process_child_exit(0); /* Without unmapping the slice: there is nothing left to protect. */
}

static enum status probe_library(struct library *library, struct error *error)
{
    const struct aether_slice *slice = library_os.symbol(NULL, library, "AETHER_SLICE_DESCRIPTOR");
    if (slice == NULL) return error_set(error, STATUS_INVALID, "it exports no AETHER_SLICE_DESCRIPTOR");
    struct arena arena = { 0 };
    struct instance_entry *entries = NULL;
    uint32_t count = 0;
    enum status status = slice_descriptor_check(slice, NULL, &arena, &entries, &count, error);
    if (status == STATUS_OK)
        printf("%s:%s:%s (slice ABI %u.%u)\n", slice->group, slice->artifact, slice->version,
               slice->abi_major, slice->abi_minor);
    for (uint32_t i = 0; i < count; i++)
        printf("  %s/%u%s%s\n", entries[i].name, entries[i].id, entries[i].readonly ? " readonly" : "",
               entries[i].idempotent ? " idempotent" : "");
    arena_fini(&arena);
    return status;
}

static int probe(const char *path)
{
    struct error error = { 0 };
    struct library *library = NULL;
    enum status status = library_os.open(NULL, path, &library, &error);
    if (status == STATUS_OK) status = probe_library(library, &error);
    (void)library_os.close(NULL, &library);
    if (status == STATUS_OK) return 0;
    fprintf(stderr, "error: %s is not a slice that this release can run\n%s\n", path, error.message);
    if (error.hint[0] != '\0') fprintf(stderr, "try: %s\n", error.hint);
    return EXIT_FAILED;
}

/* The results have a stream of their own: what the slice prints can't be taken for one. */
static int bench(const char *path)
{
    FILE *results = fdopen(SLICE_BENCH_RESULTS_FD, "w");
    if (results == NULL) {
        fprintf(stderr, "usage: aether-slice-host --bench FILE <SCRIPT %d>RESULTS\n", SLICE_BENCH_RESULTS_FD);
        return EXIT_USAGE;
    }
    int code = slice_bench_run(path, stdin, results);
    (void)fclose(results);
    return code;
}

int main(int argc, char **argv)
{
    uint64_t memory_bytes, user, group;
    if (argc == 3 && strcmp(argv[1], "--bench") == 0) return bench(argv[2]);
    if (argc == 3 && strcmp(argv[1], "--probe") == 0) return probe(argv[2]);
    bool serves = argc == 5 && strcmp(argv[1], "--serve") == 0 && text_to_u64(argv[2], &memory_bytes) &&
                  text_to_u64(argv[3], &user) && text_to_u64(argv[4], &group);
    if (serves)
        return serve(&(struct confine_spec){ .memory_bytes = memory_bytes,
                                             .user = (uint32_t)user,
                                             .group = (uint32_t)group,
                                             .object_fd = PROCESS_FD_OBJECT });
    fprintf(stderr, "usage: aether-slice-host --probe FILE   (otherwise it is started by aether-node)\n");
    return EXIT_USAGE;
}
