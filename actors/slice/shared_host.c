/* shared_host: one process, several instances.
 * Learns  frames for the process from its guests; frames for them from the ring; the end of a guest from the
 *         runtime, that of the process from the doorbell.
 * Owns    the process (killed with this actor).
 * Limits  SHARED_GUESTS_MAX guests. A call for which the ring has no room is refused at once; a guest whose
 *         mailbox is full holds up the ring until it has room (RETRY_NS), so nothing is lost. */
#include "actors/slice/shared_host.h"

#include "actors/slice/patience.h"
#include "actors/slice/slice_frame.h"
#include "actors/slice/slice_process.h"
#include "runtime/base/map.h"
#include "runtime/base/memory.h"
#include "wire/kinds.h"

/* Longer than slice.h lets a hook take: another instance's may be running, and frames are read in order. */
static const int64_t FORGET_NS = SECONDS(20);
static const int64_t RETRY_NS = MILLISECONDS(1);
enum { FRAMES_A_TURN = 128 };

struct guest {
    uint32_t number;
    struct actor_id actor; /* Not set: it has gone, and the process is to forget it. */
};

struct shared_host {
    struct slice_process process;
    struct patience patience;
    struct map guests;   /* By number. */
    struct bytes *stuck; /* A frame whose guest had no room. */
    uint32_t stuck_guest;
    uint32_t calls; /* Sent, and not answered yet: how much there is to wait for. */
    bool awaits;    /* See slice_host.c. */
    bool ended;
};

static void fail(struct actor *self, struct shared_host *host, const struct error *error)
{
    if (host->ended) return;
    host->ended = true;
    slice_process_kill(&host->process);
    actor_fail(self, error); /* Its guests hear of it. */
}

/* --- to the process ------------------------------------------------------------------------------------ */

static bool write_frame(struct actor *self, struct shared_host *host, const struct slice_ring_span *spans,
                        bool waits)
{
    struct error error;
    slice_ring_wake(&host->process.from);
    enum status status = slice_process_write(&host->process, spans, waits, &error);
    if (status == STATUS_CRASHED) fail(self, host, &error);
    return status != STATUS_OVERLOADED;
}

static void on_frame(struct actor *self, void *state, const struct message *message)
{
    struct shared_host *host = state;
    const struct shared_frame *frame = message->body;
    struct slice_ring_span spans[SLICE_PROCESS_SPANS] = {
        { message->attachment->data, message->attachment->size }, { NULL, 0 }
    };
    /* One that was not let in: the process must not take it in either. */
    bool known = map_get_number(&host->guests, frame->guest) != NULL;
    host->calls += known && frame->call != 0 ? 1 : 0;
    if (known && write_frame(self, host, spans, frame->call == 0)) return;
    if (frame->call == 0) return;
    host->calls -= known ? 1 : 0;
    struct message *refused = message_create(KIND_SHARED_REFUSED, sizeof(struct shared_refused));
    ((struct shared_refused *)refused->body)->call = frame->call;
    actor_tell(self, message->sender, &refused); /* Lost: the call runs to its deadline. */
}

static void on_join(struct actor *self, void *state, const struct message *message)
{
    struct shared_host *host = state;
    const struct shared_join *join = message->body;
    if (host->guests.count == SHARED_GUESTS_MAX) {
        actor_refuse(self, message, STATUS_OVERLOADED);
        return;
    }
    struct guest *guest = memory_zalloc(sizeof *guest);
    *guest = (struct guest){ .number = join->guest, .actor = message->sender };
    (void)map_put_number(&host->guests, guest->number, guest);
    host->process.instances = (uint32_t)host->guests.count;
    actor_monitor(self, guest->actor);
    struct message *reply = message_create(KIND_SHARED_JOINED, sizeof(struct shared_joined));
    *(struct shared_joined *)reply->body =
        (struct shared_joined){ .pid = host->process.process.pid,
                                .limits = host->process.process.limited_by };
    actor_reply(self, message, &reply);
}

/* --- guests that go ------------------------------------------------------------------------------------ */

static struct guest *guest_of(const struct shared_host *host, struct actor_id actor)
{
    size_t at = 0;
    uint64_t number;
    void *value;
    while (map_next_number(&host->guests, &at, &number, &value)) {
        struct guest *guest = value;
        if (actor_id_equal(guest->actor, actor)) return guest;
    }
    return NULL;
}

static void forget(struct shared_host *host, uint32_t number)
{
    memory_free(map_remove_number(&host->guests, number));
    host->process.instances = (uint32_t)host->guests.count;
}

static void on_down(struct actor *self, void *state, const struct message *message)
{
    struct shared_host *host = state;
    const struct actor_down *down = message->body;
    struct guest *guest = guest_of(host, down->id);
    if (guest == NULL || host->ended) return;
    guest->actor = (struct actor_id){ 0 };
    bool in_order = down->reason == STATUS_OK || down->reason == STATUS_NOT_FOUND; /* Before it came in. */
    if (!in_order) { /* What is wrong with one can't be ended but with all. */
        struct error error;
        (void)error_set(&error, STATUS_CRASHED, "an instance in the same process: %s", down->error.message);
        fail(self, host, &error);
        return;
    }
    struct arena arena = { 0 };
    struct slice_ring_span spans[SLICE_PROCESS_SPANS] = { { NULL, 0 }, { NULL, 0 } };
    const struct slice_frame frame = { .type = SLICE_FRAME_FORGET, .guest = guest->number };
    struct error error;
    if (slice_frame_encode(&frame, &arena, &spans[0].data, &spans[0].size, &error) == STATUS_OK)
        (void)write_frame(self, host, spans, true);
    arena_fini(&arena);
    (void)actor_after(self, FORGET_NS, KIND_SHARED_LATE, guest->number);
}

static void on_late(struct actor *self, void *state, const struct message *message)
{
    struct shared_host *host = state;
    if (map_get_number(&host->guests, message->tag) == NULL) return;
    struct error error;
    (void)error_set(&error, STATUS_CRASHED, "an instance in the same process did not end in time");
    fail(self, host, &error);
}

/* --- from the process ---------------------------------------------------------------------------------- */

/* Takes the frame. false: its guest has no room, and it is kept. */
static bool hand_over(struct actor *self, struct shared_host *host, uint32_t number, struct bytes **bytes)
{
    const struct guest *guest = map_get_number(&host->guests, number);
    if (guest == NULL || !actor_id_is_set(guest->actor)) { /* What is said after the end is said to nobody. */
        bytes_unref(bytes);
        return true;
    }
    struct message *message = message_create(KIND_SHARED_FRAME, sizeof(struct shared_frame));
    ((struct shared_frame *)message->body)->guest = number;
    struct bytes *attached = bytes_ref(*bytes);
    message_attach(message, &attached);
    enum status status = actor_send(self, guest->actor, &message);
    message_destroy(&message);
    if (status != STATUS_OVERLOADED) {
        bytes_unref(bytes);
        return true;
    }
    host->stuck = *bytes;
    host->stuck_guest = number;
    (void)actor_after(self, RETRY_NS, KIND_DOORBELL_RANG, 0);
    return false;
}

/* Takes the frame; only its head is looked at: the guest reads the rest. */
static bool take_frame(struct actor *self, struct shared_host *host, struct bytes *bytes)
{
    struct slice_frame frame;
    struct error error;
    if (slice_frame_decode(bytes, &frame, &error) != STATUS_OK) {
        bytes_unref(&bytes);
        (void)error_set(&error, STATUS_CRASHED, "it sent what is no frame");
        fail(self, host, &error);
        return false;
    }
    if (frame.type == SLICE_FRAME_REPLY && host->calls > 0) host->calls--;
    if (frame.type == SLICE_FRAME_FORGOTTEN) {
        const struct guest *guest = map_get_number(&host->guests, frame.guest);
        if (guest != NULL && !actor_id_is_set(guest->actor)) forget(host, frame.guest);
        bytes_unref(&bytes);
        return true;
    }
    return hand_over(self, host, frame.guest, &bytes);
}

/* true: nothing (more) is there. */
static bool drain(struct actor *self, struct shared_host *host)
{
    if (host->stuck != NULL) {
        struct bytes *stuck = host->stuck;
        host->stuck = NULL;
        if (!hand_over(self, host, host->stuck_guest, &stuck)) return false;
    }
    for (int i = 0; i < FRAMES_A_TURN; i++) {
        struct bytes *bytes = NULL;
        struct error error;
        if (slice_process_read(&host->process, &bytes, &error) != STATUS_OK) {
            fail(self, host, &error);
            return false;
        }
        if (bytes == NULL) return true;
        if (!take_frame(self, host, bytes)) return false;
    }
    struct message *again = message_create(KIND_DOORBELL_RANG, 0); /* Others first. */
    actor_tell(self, actor_self(self), &again);
    return false;
}

static void host_turn_end(struct actor *self, void *state)
{
    struct shared_host *host = state;
    struct error error;
    host->awaits = false;
    if (host->ended) return;
    if (slice_process_flush(&host->process, &error) != STATUS_OK) {
        fail(self, host, &error);
        return;
    }
    while (drain(self, host)) {
        host->awaits = host->calls > 0 && patience_tries(&host->patience);
        if (host->awaits || slice_ring_sleep(&host->process.from)) return;
    }
}

static enum actor_linger host_linger(void *state, bool last)
{
    struct shared_host *host = state;
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

/* --- what it prints, and its end ----------------------------------------------------------------------- */

struct printing {
    struct actor *self;
    struct shared_host *host;
};

static const struct guest *first_guest(const struct shared_host *host)
{
    const struct guest *first = NULL;
    size_t at = 0;
    uint64_t number;
    void *value;
    while (map_next_number(&host->guests, &at, &number, &value)) {
        const struct guest *guest = value;
        if (actor_id_is_set(guest->actor) && (first == NULL || number < first->number)) first = guest;
    }
    return first;
}

static void print_line(void *context, const char *text)
{
    const struct printing *printing = context;
    const struct guest *first = first_guest(printing->host);
    if (first == NULL) return;
    struct message *message = message_create(KIND_SHARED_LINE, sizeof(struct shared_line));
    ((struct shared_line *)message->body)->text = arena_strdup(&message->arena, text);
    actor_tell(printing->self, first->actor, &message);
}

static void on_output(struct actor *self, void *state, const struct message *message)
{
    struct shared_host *host = state;
    struct printing printing = { self, host };
    slice_process_print(&host->process, message->attachment, print_line, &printing);
}

static void on_ended(struct actor *self, void *state, const struct message *message)
{
    struct shared_host *host = state;
    struct printing printing = { self, host };
    struct error error;
    slice_process_print(&host->process, NULL, print_line, &printing);
    if (!host->ended) (void)drain(self, host); /* What it said before still counts. */
    slice_process_ended(&host->process, message->body, &error);
    fail(self, host, &error);
}

/* --- life ---------------------------------------------------------------------------------------------- */

static enum status host_init(struct actor *self, void *state, const void *options, struct error *error)
{
    return slice_process_start(self, &((struct shared_host *)state)->process, options, error);
}

static void host_stop(struct actor *self, void *state)
{
    (void)self;
    ((struct shared_host *)state)->ended = true;
}

static void host_fini(void *state)
{
    struct shared_host *host = state;
    size_t at = 0;
    uint64_t number;
    void *value;
    while (map_next_number(&host->guests, &at, &number, &value))
        memory_free(value);
    map_fini(&host->guests);
    bytes_unref(&host->stuck);
    slice_process_fini(&host->process);
}

static const struct behavior_row rows[] = {
    { KIND_SHARED_JOIN, on_join },     { KIND_SHARED_FRAME, on_frame }, { KIND_DOWN, on_down },
    { KIND_SHARED_LATE, on_late },     { KIND_DOORBELL_RANG, on_rang }, { KIND_DOORBELL_OUTPUT, on_output },
    { KIND_DOORBELL_ENDED, on_ended },
};

const struct behavior shared_host_behavior = {
    .name = "shared_host",
    .state_size = sizeof(struct shared_host),
    .home = ACTOR_POOLED,
    .mailbox_capacity = 8192,
    .init = host_init,
    .stop = host_stop,
    .fini = host_fini,
    .turn_end = host_turn_end,
    .linger = host_linger,
    .follows_caller = true,
    .rows = rows,
    .row_count = ARRAY_COUNT(rows),
};
