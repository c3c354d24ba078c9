/* doorbell: one thread that sleeps for all slice processes of the node.
 * Learns  watches from slice hosts, rings, output and ends from the process port.
 * Owns    each watch until its process has ended; reaps it.
 * Limits  OUTPUT_CHUNK bytes of a process's output a turn: one that prints without end waits for the others.
 *         What a full mailbox refuses is dropped: a ring is made up for by the host's next turn, output is
 * lost; an end is sent again until it arrives or nobody is there. */
#include "actors/slice/doorbell.h"

#include "runtime/base/map.h"
#include "runtime/base/memory.h"
#include "wire/kinds.h"

enum { OUTPUT_CHUNK = 4096, LAST_WORDS_MAX = 16 * OUTPUT_CHUNK, HAPPENINGS = 64 };

struct watched {
    struct actor_id by;
    struct process_watch watch;
    bool ended; /* Reaped; its end could not be told yet. */
    struct process_end end;
};

struct doorbell {
    const struct process_port *processes;
    struct process_waiter *waiter;
    struct map watched; /* Tag to struct watched. */
    uint64_t last_tag;
    uint32_t untold; /* Ends. */
};

static void on_watch(struct actor *self, void *state, const struct message *message)
{
    struct doorbell *doorbell = state;
    const struct doorbell_watch *request = message->body;
    struct watched *watched = memory_zalloc(sizeof *watched);
    watched->by = message->sender;
    watched->watch = request->watch;
    uint64_t tag = ++doorbell->last_tag;
    (void)map_put_number(&doorbell->watched, tag, watched);
    struct error error;
    enum status status = doorbell->processes->watch(doorbell->processes->context, doorbell->waiter,
                                                    &watched->watch, tag, &error);
    if (status != STATUS_OK) actor_fail(self, &error); /* Without it no slice can be served. */
}

static void tell_rang(struct actor *self, const struct watched *watched)
{
    struct message *message = message_create(KIND_DOORBELL_RANG, 0);
    actor_tell(self, watched->by, &message);
}

static bool tell_output(struct actor *self, struct doorbell *doorbell, struct watched *watched)
{
    const struct process_port *processes = doorbell->processes;
    char chunk[OUTPUT_CHUNK];
    size_t size =
        processes->read_output(processes->context, doorbell->waiter, &watched->watch, chunk, sizeof chunk);
    if (size == 0) return false;
    struct message *message = message_create(KIND_DOORBELL_OUTPUT, 0);
    struct bytes *bytes = bytes_copy(chunk, size);
    message_attach(message, &bytes);
    actor_tell(self, watched->by, &message);
    return true;
}

/* false: its mailbox is full; try again. */
static bool tell_end(struct actor *self, const struct watched *watched)
{
    struct message *message = message_create(KIND_DOORBELL_ENDED, sizeof(struct doorbell_ended));
    *(struct doorbell_ended *)message->body =
        (struct doorbell_ended){ watched->end.by_signal, watched->end.code };
    enum status status = actor_send(self, watched->by, &message);
    message_destroy(&message);
    return status != STATUS_OVERLOADED;
}

static void forget(struct doorbell *doorbell, uint64_t tag)
{
    struct watched *watched = map_remove_number(&doorbell->watched, tag);
    doorbell->processes->unwatch(doorbell->processes->context, doorbell->waiter, &watched->watch);
    memory_free(watched);
}

static void on_end(struct actor *self, struct doorbell *doorbell, uint64_t tag, struct watched *watched)
{
    const struct process_port *processes = doorbell->processes;
    if (watched->ended || !processes->reap(processes->context, &watched->watch, &watched->end)) return;
    for (size_t told = 0; told < LAST_WORDS_MAX; told += OUTPUT_CHUNK)
        if (!tell_output(self, doorbell, watched)) break;
    if (tell_end(self, watched)) {
        forget(doorbell, tag);
        return;
    }
    watched->ended = true;
    doorbell->untold++;
    processes->unwatch(processes->context, doorbell->waiter, &watched->watch);
}

static void tell_untold(struct actor *self, struct doorbell *doorbell)
{
    size_t at = 0;
    uint64_t tag;
    void *value;
    while (doorbell->untold > 0 && map_next_number(&doorbell->watched, &at, &tag, &value)) {
        const struct watched *watched = value;
        if (!watched->ended || !tell_end(self, watched)) continue;
        doorbell->untold--;
        forget(doorbell, tag);
    }
}

static void doorbell_wait(struct actor *self, void *state, int64_t timeout_ns)
{
    struct doorbell *doorbell = state;
    struct process_happening happenings[HAPPENINGS];
    if (doorbell->untold > 0 && (timeout_ns < 0 || timeout_ns > MILLISECONDS(10)))
        timeout_ns = MILLISECONDS(10);
    uint32_t count = doorbell->processes->wait(doorbell->processes->context, doorbell->waiter, timeout_ns,
                                               happenings, HAPPENINGS);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t tag = happenings[i].tag;
        struct watched *watched = map_get_number(&doorbell->watched, tag);
        if (watched == NULL) continue; /* Its end came earlier in this batch. */
        if (happenings[i].events & PROCESS_RANG) tell_rang(self, watched);
        if (happenings[i].events & PROCESS_OUTPUT) (void)tell_output(self, doorbell, watched);
        if (happenings[i].events & PROCESS_ENDED) on_end(self, doorbell, tag, watched);
    }
    tell_untold(self, doorbell);
}

static void doorbell_wake(void *state)
{
    struct doorbell *doorbell = state;
    doorbell->processes->wake(doorbell->processes->context, doorbell->waiter);
}

static enum status doorbell_init(struct actor *self, void *state, const void *options, struct error *error)
{
    (void)self;
    struct doorbell *doorbell = state;
    doorbell->processes = ((const struct doorbell_options *)options)->processes;
    return doorbell->processes->waiter_create(doorbell->processes->context, &doorbell->waiter, error);
}

static void doorbell_fini(void *state)
{
    struct doorbell *doorbell = state;
    size_t at = 0;
    uint64_t tag;
    void *value;
    while (map_next_number(&doorbell->watched, &at, &tag, &value))
        forget(doorbell, tag);
    map_fini(&doorbell->watched);
    doorbell->processes->waiter_destroy(doorbell->processes->context, &doorbell->waiter);
}

static const struct behavior_row rows[] = {
    { KIND_DOORBELL_WATCH, on_watch },
};

const struct behavior doorbell_behavior = {
    .name = "doorbell",
    .state_size = sizeof(struct doorbell),
    .home = ACTOR_PINNED,
    .mailbox_capacity = 1024,
    .init = doorbell_init,
    .fini = doorbell_fini,
    .rows = rows,
    .row_count = ARRAY_COUNT(rows),
    .wait = doorbell_wait,
    .wake = doorbell_wake,
};
