/* slice_host: one isolated instance.
 * Learns  from its process through a ring, looking itself while an answer is about to come, else when the
 *         doorbell says so; that the process ended, from the doorbell.
 * Owns    the process (killed with this actor), its shared memory, frames that wait for room in the ring.
 * Limits  calls find OVERLOADED when the ring is full; other frames wait, WAITING_MAX of them: the instance
 *         reads nothing while it asks for ever more, and must go. A frame against the rules, or a ring with
 *         impossible positions, ends the instance as a crash would. */
#include "actors/slice/slice_host.h"

#include "actors/slice/doorbell.h"
#include "actors/slice/patience.h"
#include "actors/slice/slice_desk.h"
#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "wire/kinds.h"

#include <stdio.h>
#include <string.h>

enum { WAITING_MAX = 2 * AETHER_OUTBOUND_MAX + 64, FRAMES_A_TURN = 128, OUTPUT_LINE_MAX = 2048 };

struct slice_host {
    struct slice_desk desk; /* First: a desk's send finds the host by it. */
    const struct process_port *processes;
    struct process process;
    struct slice_ring to;
    struct slice_ring from;
    struct patience patience;
    bool awaits; /* Nothing is in its ring, it has not been told to ring us: somebody must look again. */
    struct bytes *waiting[WAITING_MAX]; /* A circle of frames for which the ring had no room. */
    uint32_t waiting_first;
    uint32_t waiting_count;
    char line[OUTPUT_LINE_MAX]; /* Printed, without its end yet. */
    size_t line_size;
    bool ended;
};

static void ring_bell(struct slice_host *host, bool wanted)
{
    if (wanted) host->processes->ring(host->processes->context, &host->process);
}

static void fail_crashed(struct actor *self, struct slice_host *host, const char *text)
{
    struct error error;
    (void)error_set(&error, STATUS_CRASHED, "%s", text);
    host->processes->kill(host->processes->context, &host->process);
    slice_desk_fail(self, &host->desk, &error);
}

/* --- to the process ------------------------------------------------------------------------------------ */

static void flush_waiting(struct actor *self, struct slice_host *host)
{
    while (host->waiting_count > 0) {
        struct bytes **next = &host->waiting[host->waiting_first];
        struct slice_ring_span span = { (*next)->data, (*next)->size };
        bool ring;
        enum slice_ring_result result = slice_ring_write(&host->to, &span, 1, &ring);
        if (result == RING_NOT_NOW) return;
        if (result == RING_CORRUPT) {
            fail_crashed(self, host, "it broke the shared memory's rules");
            return;
        }
        ring_bell(host, ring);
        bytes_unref(next);
        host->waiting_first = (host->waiting_first + 1) % WAITING_MAX;
        host->waiting_count--;
    }
}

static void keep_waiting(struct actor *self, struct slice_host *host, const struct slice_ring_span *spans)
{
    if (host->waiting_count == WAITING_MAX) {
        fail_crashed(self, host, "it stopped reading");
        return;
    }
    struct bytes *bytes = bytes_create(spans[0].size + spans[1].size);
    memcpy(bytes->data, spans[0].data, spans[0].size);
    if (spans[1].size > 0) memcpy(bytes->data + spans[0].size, spans[1].data, spans[1].size);
    host->waiting[(host->waiting_first + host->waiting_count++) % WAITING_MAX] = bytes;
}

static bool send_frame(struct actor *self, struct slice_desk *desk, const struct slice_frame *frame)
{
    struct slice_host *host = CONTAINER_OF(desk, struct slice_host, desk);
    struct arena arena = { 0 };
    struct slice_ring_span spans[2] = { { NULL, 0 }, { frame->payload, frame->payload_size } };
    bool is_call = frame->type == SLICE_FRAME_CALL, sent = true, ring = false;
    struct error error;
    enum status status = slice_frame_encode(frame, &arena, &spans[0].data, &spans[0].size, &error);
    CHECK(status == STATUS_OK); /* The desk keeps to the sizes. */
    enum slice_ring_result result = RING_NOT_NOW;
    slice_ring_wake(&host->from); /* The turn's end looks for the answer, and decides who rings whom. */
    if (host->waiting_count == 0) result = slice_ring_write(&host->to, spans, ARRAY_COUNT(spans), &ring);
    if (result == RING_CORRUPT) fail_crashed(self, host, "it broke the shared memory's rules");
    else if (result == RING_DONE) ring_bell(host, ring);
    else if (is_call) sent = false; /* No queue behind the queue: OVERLOADED at once. */
    else keep_waiting(self, host, spans);
    arena_fini(&arena);
    return sent;
}

/* --- from the process ---------------------------------------------------------------------------------- */

static bool take_frame(struct actor *self, struct slice_host *host, struct bytes *bytes)
{
    struct slice_frame frame;
    struct error error;
    enum status status = slice_frame_decode(bytes, &frame, &error);
    frame.whole = bytes; /* A copy of ours: nobody writes there any more. */
    if (status == STATUS_OK) status = slice_desk_on_frame(self, &host->desk, &frame, &error);
    if (status == STATUS_OK) return true;
    fail_crashed(self, host, error.message);
    return false;
}

/* Also without a ring: a frame may have come while we worked. true: nothing (more) is there. */
static bool drain(struct actor *self, struct slice_host *host)
{
    for (int i = 0; i < FRAMES_A_TURN; i++) {
        struct bytes *bytes = NULL;
        bool ring;
        enum slice_ring_result result = slice_ring_read(&host->from, &bytes, &ring);
        ring_bell(host, ring);
        if (result == RING_NOT_NOW) return true;
        if (result == RING_CORRUPT) {
            fail_crashed(self, host, "it broke the shared memory's rules");
            return false;
        }
        bool fine = take_frame(self, host, bytes);
        bytes_unref(&bytes);
        if (!fine) return false;
    }
    struct message *again = message_create(KIND_DOORBELL_RANG, 0); /* Others first. */
    actor_tell(self, actor_self(self), &again);
    return false;
}

/* While calls are in flight, and their answers used to come quickly, it lingers and need not be rung; else
 * the process is told to ring. */
static void host_turn_end(struct actor *self, void *state)
{
    struct slice_host *host = state;
    host->awaits = false;
    if (host->desk.phase == DESK_DESTROYED) return;
    flush_waiting(self, host);
    while (drain(self, host)) {
        host->awaits = slice_desk_calls(&host->desk) > 0 && patience_tries(&host->patience);
        if (host->awaits || slice_ring_sleep(&host->from)) return;
    }
}

static enum actor_linger host_linger(void *state, bool last)
{
    struct slice_host *host = state;
    if (!host->awaits) return LINGER_NOT;
    bool came = slice_ring_has_frame(&host->from);
    if (!came && !last) return LINGER_WAIT;
    patience_note(&host->patience, came);
    host->awaits = false;
    return came || !slice_ring_sleep(&host->from) ? LINGER_COME : LINGER_NOT;
}

static void on_rang(struct actor *self, void *state, const struct message *message)
{
    (void)self, (void)state, (void)message; /* turn_end does what there is to do. */
}

static void end_line(struct actor *self, struct slice_host *host)
{
    host->line[host->line_size] = '\0';
    struct text clean = { 0 };
    text_add_utf8(&clean, host->line);
    if (clean.size > 0) slice_desk_on_output(self, &host->desk, 1, text_string(&clean));
    text_fini(&clean);
    host->line_size = 0;
}

static void on_output(struct actor *self, void *state, const struct message *message)
{
    struct slice_host *host = state;
    const struct bytes *bytes = message->attachment;
    for (size_t i = 0; i < bytes->size; i++) {
        char c = (char)bytes->data[i];
        if (c == '\n' || host->line_size == OUTPUT_LINE_MAX - 1) end_line(self, host);
        if (c != '\n' && c != '\0') host->line[host->line_size++] = c;
    }
}

static void on_ended(struct actor *self, void *state, const struct message *message)
{
    struct slice_host *host = state;
    const struct doorbell_ended *ended = message->body;
    char text[64];
    if (host->line_size > 0) end_line(self, host);
    host->ended = true;
    if (host->desk.phase == DESK_DESTROYED) return; /* As it should. */
    (void)drain(self, host);                        /* What it said before still counts. */
    bool out_of_memory = host->processes->ran_out_of_memory(host->processes->context, &host->process);
    if (ended->by_signal && out_of_memory)
        snprintf(text, sizeof text, "killed: it needs more memory than its limit");
    else if (ended->by_signal)
        snprintf(text, sizeof text, "killed by signal %d (%s)", ended->code, strsignal(ended->code));
    else snprintf(text, sizeof text, "ended by itself with exit code %d", ended->code);
    fail_crashed(self, host, text);
}

/* --- rows that the desk handles ------------------------------------------------------------------------ */

static void on_step(struct actor *self, void *state, const struct message *message)
{
    slice_desk_on_step(self, &((struct slice_host *)state)->desk, message);
}

static void on_invoke(struct actor *self, void *state, const struct message *message)
{
    slice_desk_on_invoke(self, &((struct slice_host *)state)->desk, message);
}

static void on_route(struct actor *self, void *state, const struct message *message)
{
    slice_desk_on_route(self, &((struct slice_host *)state)->desk, message);
}

static void on_withdrawn(struct actor *self, void *state, const struct message *message)
{
    slice_desk_on_withdrawn(self, &((struct slice_host *)state)->desk, message);
}

static void on_sweep(struct actor *self, void *state, const struct message *message)
{
    (void)message;
    slice_desk_on_sweep(self, &((struct slice_host *)state)->desk);
}

static void on_health(struct actor *self, void *state, const struct message *message)
{
    (void)message;
    slice_desk_on_health(self, &((struct slice_host *)state)->desk);
}

/* --- life ---------------------------------------------------------------------------------------------- */

static enum status give_watch(struct actor *self, const struct process_watch *watch, struct error *error)
{
    struct message *message = message_create(KIND_DOORBELL_WATCH, sizeof(struct doorbell_watch));
    ((struct doorbell_watch *)message->body)->watch = *watch;
    enum status status = actor_send(self, actor_find(self, TO_DOORBELL), &message);
    message_destroy(&message);
    if (status == STATUS_OK) return status;
    return error_set(error, status, "no doorbell takes a new slice process");
}

static enum status host_init(struct actor *self, void *state, const void *options, struct error *error)
{
    struct slice_host *host = state;
    const struct slice_instance_options *instance = options;
    const struct slice_adapters *adapters = instance->adapters;
    const struct process_port *processes = adapters->processes;
    char memory[24], user[16], group[16];
    snprintf(memory, sizeof memory, "%llu", (unsigned long long)instance->memory_bytes);
    snprintf(user, sizeof user, "%u", adapters->host_user);
    snprintf(group, sizeof group, "%u", adapters->host_group);
    const char *arguments[] = { adapters->host_program, "--serve", memory, user, group, NULL };
    struct process_spec spec = {
        .program = adapters->host_program,
        .arguments = arguments,
        .shared_size = SLICE_HOST_SHARED_SIZE,
        .object = instance->path,
        .limits = { .cpu_millis = instance->cpu_millis, .memory_bytes = instance->memory_bytes },
    };
    struct process_watch watch;
    enum status status = processes->start(processes->context, &spec, &host->process, &watch, error);
    if (status != STATUS_OK) return status;
    host->processes = processes;
    status = give_watch(self, &watch, error);
    if (status != STATUS_OK) {
        processes->unwatch(processes->context, NULL, &watch);
        processes->close(processes->context, &host->process);
        return status;
    }
    slice_ring_init(&host->to, host->process.shared);
    slice_ring_init(&host->from, (char *)host->process.shared + SLICE_RING_SIZE);
    struct slice_instance_options inside = *instance;
    inside.path = PROCESS_OBJECT_PATH;
    slice_desk_init(&host->desk, &inside, send_frame);
    host->desk.pid = host->process.pid;
    bool limited = instance->cpu_millis != 0 || instance->memory_bytes != 0;
    if (limited) host->desk.limits = host->process.limited_by;
    if (limited)
        log_info(self, "slice.limited", "%s#%u: pid %d, limits held by %s", instance->key.artifact,
                 instance->key.instance, host->process.pid, host->process.limited_by);
    return STATUS_OK;
}

static void host_stop(struct actor *self, void *state)
{
    slice_desk_close(self, &((struct slice_host *)state)->desk);
}

static void host_fini(void *state)
{
    struct slice_host *host = state;
    for (; host->waiting_count > 0; host->waiting_count--) {
        bytes_unref(&host->waiting[host->waiting_first]);
        host->waiting_first = (host->waiting_first + 1) % WAITING_MAX;
    }
    slice_desk_fini(&host->desk);
    host->processes->close(host->processes->context, &host->process);
}

static const struct behavior_row rows[] = {
    { KIND_SLICE_STEP, on_step },
    { KIND_INVOKE_REQUEST, on_invoke },
    { KIND_INVOKE_WITHDRAWN, on_withdrawn },
    { KIND_SLICE_ROUTE, on_route },
    { KIND_SLICE_SWEEP, on_sweep },
    { KIND_SLICE_HEALTH, on_health },
    { KIND_DOORBELL_RANG, on_rang },
    { KIND_DOORBELL_OUTPUT, on_output },
    { KIND_DOORBELL_ENDED, on_ended },
};

const struct behavior slice_host_behavior = {
    .name = "slice_host",
    .state_size = sizeof(struct slice_host),
    .home = ACTOR_POOLED,
    .mailbox_capacity = 2048,
    .init = host_init,
    .stop = host_stop,
    .fini = host_fini,
    .turn_end = host_turn_end,
    .linger = host_linger,
    .follows_caller = true,
    .rows = rows,
    .row_count = ARRAY_COUNT(rows),
};
