/* slice_host: one isolated instance.
 * Learns  from its process through a ring, looking itself while an answer is about to come, else when the
 *         doorbell says so; that the process ended, from the doorbell.
 * Owns    the process (killed with this actor), its shared memory, frames that wait for room in the ring.
 * Limits  calls find OVERLOADED when the ring is full; other frames wait, SLICE_PROCESS_WAITING_MAX: the
 * instance reads nothing while it asks for ever more, and must go. A frame against the rules, or a ring with
 *         impossible positions, ends the instance as a crash would. */
#include "actors/slice/slice_host.h"

#include "actors/slice/patience.h"
#include "actors/slice/slice_desk.h"
#include "actors/slice/slice_process.h"
#include "runtime/base/check.h"
#include "wire/kinds.h"

enum { FRAMES_A_TURN = 128 };

struct slice_host {
    struct slice_desk desk; /* First: a desk's send finds the host by it. */
    struct slice_process process;
    struct patience patience;
    bool awaits; /* Nothing is in its ring, it has not been told to ring us: somebody must look again. */
};

static void fail_crashed(struct actor *self, struct slice_host *host, const struct error *why)
{
    struct error error = *why;
    (void)error_set(&error, STATUS_CRASHED, "%s", why->message);
    slice_process_kill(&host->process);
    slice_desk_fail(self, &host->desk, &error);
}

/* --- to the process ------------------------------------------------------------------------------------ */

static bool send_frame(struct actor *self, struct slice_desk *desk, const struct slice_frame *frame)
{
    struct slice_host *host = CONTAINER_OF(desk, struct slice_host, desk);
    struct arena arena = { 0 };
    struct slice_ring_span spans[SLICE_PROCESS_SPANS] = { { NULL, 0 },
                                                          { frame->payload, frame->payload_size } };
    struct error error;
    enum status status = slice_frame_encode(frame, &arena, &spans[0].data, &spans[0].size, &error);
    CHECK(status == STATUS_OK); /* The desk keeps to the sizes. */
    slice_ring_wake(
        &host->process.from); /* The turn's end looks for the answer, and decides who rings whom. */
    /* No queue behind the queue: a call without room is OVERLOADED at once. */
    status = slice_process_write(&host->process, spans, frame->type != SLICE_FRAME_CALL, &error);
    if (status == STATUS_CRASHED) fail_crashed(self, host, &error);
    arena_fini(&arena);
    return status != STATUS_OVERLOADED;
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
    fail_crashed(self, host, &error);
    return false;
}

/* Also without a ring: a frame may have come while we worked. true: nothing (more) is there. */
static bool drain(struct actor *self, struct slice_host *host)
{
    for (int i = 0; i < FRAMES_A_TURN; i++) {
        struct bytes *bytes = NULL;
        struct error error;
        if (slice_process_read(&host->process, &bytes, &error) != STATUS_OK) {
            fail_crashed(self, host, &error);
            return false;
        }
        if (bytes == NULL) return true;
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
    struct error error;
    host->awaits = false;
    if (host->desk.phase == DESK_DESTROYED) return;
    if (slice_process_flush(&host->process, &error) != STATUS_OK) {
        fail_crashed(self, host, &error);
        return;
    }
    while (drain(self, host)) {
        host->awaits = slice_desk_calls(&host->desk) > 0 && patience_tries(&host->patience);
        if (host->awaits || slice_ring_sleep(&host->process.from)) return;
    }
}

static enum actor_linger host_linger(void *state, bool last)
{
    struct slice_host *host = state;
    if (!host->awaits) return LINGER_NOT;
    bool came = slice_ring_has_frame(&host->process.from);
    if (!came && !last) return LINGER_WAIT;
    patience_note(&host->patience, came);
    host->awaits = false;
    return came || !slice_ring_sleep(&host->process.from) ? LINGER_COME : LINGER_NOT;
}

static void on_rang(struct actor *self, void *state, const struct message *message)
{
    (void)self, (void)state, (void)message; /* turn_end does what there is to do. */
}

struct printing {
    struct actor *self;
    struct slice_host *host;
};

static void print_line(void *context, const char *text)
{
    const struct printing *printing = context;
    slice_desk_on_output(printing->self, &printing->host->desk, 1, text);
}

static void on_output(struct actor *self, void *state, const struct message *message)
{
    struct slice_host *host = state;
    struct printing printing = { self, host };
    slice_process_print(&host->process, message->attachment, print_line, &printing);
}

static void on_ended(struct actor *self, void *state, const struct message *message)
{
    struct slice_host *host = state;
    struct printing printing = { self, host };
    struct error error;
    slice_process_print(&host->process, NULL, print_line, &printing);
    if (host->desk.phase == DESK_DESTROYED) return; /* As it should. */
    (void)drain(self, host);                        /* What it said before still counts. */
    slice_process_ended(&host->process, message->body, &error);
    fail_crashed(self, host, &error);
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

static enum status host_init(struct actor *self, void *state, const void *options, struct error *error)
{
    struct slice_host *host = state;
    const struct slice_instance_options *instance = options;
    enum status status = slice_process_start(self, &host->process, instance, error);
    if (status != STATUS_OK) return status;
    struct slice_instance_options inside = *instance;
    inside.path = PROCESS_OBJECT_PATH;
    slice_desk_init(&host->desk, &inside, send_frame);
    host->desk.pid = host->process.process.pid;
    host->desk.limits = slice_process_limits(&host->process, instance);
    return STATUS_OK;
}

static void host_stop(struct actor *self, void *state)
{
    slice_desk_close(self, &((struct slice_host *)state)->desk);
}

static void host_fini(void *state)
{
    struct slice_host *host = state;
    slice_desk_fini(&host->desk);
    slice_process_fini(&host->process);
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
