/* slice_guest: one instance of those that share a process.
 * Learns  frames of its instance from the process's actor (shared_host.c), and the end of that one.
 * Owns    nothing but its desk.
 * Limits  the desk's; a call that finds the host's mailbox or ring full is OVERLOADED. */
#include "actors/slice/slice_guest.h"

#include "actors/slice/shared_host.h"
#include "actors/slice/slice_desk.h"
#include "runtime/base/check.h"
#include "wire/kinds.h"

#include <string.h>

static const int64_t JOIN_TIMEOUT_NS = SECONDS(5);

struct slice_guest {
    struct slice_desk desk; /* First: a desk's send finds the guest by it. */
    struct actor_id host;
    uint32_t number;
};

static void fail_crashed(struct actor *self, struct slice_guest *guest, const char *text)
{
    struct error error;
    (void)error_set(&error, STATUS_CRASHED, "%s", text);
    slice_desk_fail(self, &guest->desk, &error);
}

/* --- to the instance ----------------------------------------------------------------------------------- */

static struct bytes *whole_frame(const struct slice_frame *frame)
{
    struct arena arena = { 0 };
    const void *head = NULL;
    size_t size = 0;
    struct error error;
    enum status status = slice_frame_encode(frame, &arena, &head, &size, &error);
    CHECK(status == STATUS_OK); /* The desk keeps to the sizes. */
    struct bytes *bytes = bytes_create(size + frame->payload_size);
    memcpy(bytes->data, head, size);
    if (frame->payload_size > 0) memcpy(bytes->data + size, frame->payload, frame->payload_size);
    arena_fini(&arena);
    return bytes;
}

static bool send_frame(struct actor *self, struct slice_desk *desk, const struct slice_frame *frame)
{
    struct slice_guest *guest = CONTAINER_OF(desk, struct slice_guest, desk);
    struct slice_frame own = *frame;
    own.guest = guest->number;
    struct message *message = message_create(KIND_SHARED_FRAME, sizeof(struct shared_frame));
    bool is_call = frame->type == SLICE_FRAME_CALL;
    *(struct shared_frame *)message->body =
        (struct shared_frame){ .guest = guest->number, .call = is_call ? frame->id : 0 };
    struct bytes *bytes = whole_frame(&own);
    message_attach(message, &bytes);
    enum status status = actor_send(self, guest->host, &message);
    message_destroy(&message);
    if (status == STATUS_OK) return true;
    if (is_call && status == STATUS_OVERLOADED) return false;
    fail_crashed(self, guest,
                 status == STATUS_OVERLOADED ? "its process takes nothing more"
                                             : "the process that it shared has ended");
    return true;
}

static void on_refused(struct actor *self, void *state, const struct message *message)
{
    static const char text[] = "the process that it shares has its queue full";
    const struct slice_frame reply = { .type = SLICE_FRAME_REPLY,
                                       .status = STATUS_OVERLOADED,
                                       .id = ((const struct shared_refused *)message->body)->call,
                                       .payload = text,
                                       .payload_size = sizeof(text) - 1 };
    struct error error;
    enum status status = slice_desk_on_frame(self, &((struct slice_guest *)state)->desk, &reply, &error);
    CHECK(status == STATUS_OK); /* The desk gave that call its number. */
}

/* --- from the instance --------------------------------------------------------------------------------- */

static void on_frame(struct actor *self, void *state, const struct message *message)
{
    struct slice_guest *guest = state;
    struct slice_frame frame;
    struct error error;
    if (guest->desk.phase == DESK_DESTROYED) return;
    enum status status = slice_frame_decode(message->attachment, &frame, &error);
    frame.whole = message->attachment;
    if (status == STATUS_OK) status = slice_desk_on_frame(self, &guest->desk, &frame, &error);
    if (status != STATUS_OK) fail_crashed(self, guest, error.message);
}

static void on_line(struct actor *self, void *state, const struct message *message)
{
    slice_desk_on_output(self, &((struct slice_guest *)state)->desk, 1,
                         ((const struct shared_line *)message->body)->text);
}

static void on_down(struct actor *self, void *state, const struct message *message)
{
    const struct actor_down *down = message->body;
    fail_crashed(self, state,
                 down->reason == STATUS_OK ? "the process that it shared was ended" : down->error.message);
}

static void on_joined(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct slice_guest *guest = state;
    (void)context;
    if (result->status != STATUS_OK) {
        fail_crashed(self, guest, result->error->message);
        return;
    }
    const struct shared_joined *joined = result->message->body;
    guest->desk.pid = joined->pid;
    guest->desk.limits = joined->limits;
}

/* --- rows that the desk handles ------------------------------------------------------------------------ */

static void on_step(struct actor *self, void *state, const struct message *message)
{
    slice_desk_on_step(self, &((struct slice_guest *)state)->desk, message);
}

static void on_invoke(struct actor *self, void *state, const struct message *message)
{
    slice_desk_on_invoke(self, &((struct slice_guest *)state)->desk, message);
}

static void on_route(struct actor *self, void *state, const struct message *message)
{
    slice_desk_on_route(self, &((struct slice_guest *)state)->desk, message);
}

static void on_withdrawn(struct actor *self, void *state, const struct message *message)
{
    slice_desk_on_withdrawn(self, &((struct slice_guest *)state)->desk, message);
}

static void on_sweep(struct actor *self, void *state, const struct message *message)
{
    (void)message;
    slice_desk_on_sweep(self, &((struct slice_guest *)state)->desk);
}

static void on_health(struct actor *self, void *state, const struct message *message)
{
    (void)message;
    slice_desk_on_health(self, &((struct slice_guest *)state)->desk);
}

/* --- life ---------------------------------------------------------------------------------------------- */

static enum status guest_init(struct actor *self, void *state, const void *options, struct error *error)
{
    struct slice_guest *guest = state;
    const struct slice_instance_options *instance = options;
    struct slice_instance_options inside = *instance;
    (void)error;
    inside.path = PROCESS_OBJECT_PATH;
    slice_desk_init(&guest->desk, &inside, send_frame);
    guest->host = instance->shared;
    guest->number = instance->guest;
    actor_monitor(self, guest->host);
    struct message *message = message_create(KIND_SHARED_JOIN, sizeof(struct shared_join));
    ((struct shared_join *)message->body)->guest = guest->number;
    actor_ask(self, guest->host, &message, JOIN_TIMEOUT_NS, on_joined, NULL);
    return STATUS_OK;
}

static void guest_stop(struct actor *self, void *state)
{
    slice_desk_close(self, &((struct slice_guest *)state)->desk);
}

static void guest_fini(void *state)
{
    slice_desk_fini(&((struct slice_guest *)state)->desk);
}

static const struct behavior_row rows[] = {
    { KIND_SLICE_STEP, on_step },
    { KIND_INVOKE_REQUEST, on_invoke },
    { KIND_INVOKE_WITHDRAWN, on_withdrawn },
    { KIND_SLICE_ROUTE, on_route },
    { KIND_SLICE_SWEEP, on_sweep },
    { KIND_SLICE_HEALTH, on_health },
    { KIND_SHARED_FRAME, on_frame },
    { KIND_SHARED_REFUSED, on_refused },
    { KIND_SHARED_LINE, on_line },
    { KIND_DOWN, on_down },
};

const struct behavior slice_guest_behavior = {
    .name = "slice_guest",
    .state_size = sizeof(struct slice_guest),
    .home = ACTOR_POOLED,
    .mailbox_capacity = 2048,
    .init = guest_init,
    .stop = guest_stop,
    .fini = guest_fini,
    .follows_caller = true,
    .rows = rows,
    .row_count = ARRAY_COUNT(rows),
};
