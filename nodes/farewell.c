/* farewell: an actor that asks the leader actor of this node, and tells the waiting thread when that is over.
 */
#include "nodes/farewell.h"

#include "runtime/actor.h"
#include "runtime/base/check.h"
#include "runtime/os/clock.h"
#include "wire/kinds.h"
#include "wire/local.h"

#include <errno.h>
#include <semaphore.h>
#include <time.h>

/* Outlives the actor and the waiting thread, whichever ends later. */
struct word {
    sem_t said;
    int64_t timeout_ns;
};
struct farewell {
    struct word *word;
};

static struct word word; /* One farewell a process. */

static void on_handed_over(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    (void)context;
    const struct farewell *farewell = state;
    bool led = result->status != STATUS_NOT_LEADER && result->status != STATUS_NOT_FOUND;
    if (led) log_info(self, "node.leadership_handed_over", "outcome=%s", status_name(result->status));
    (void)sem_post(&farewell->word->said);
}

static bool has_successor(const struct consensus_status_reply *status)
{
    uint32_t voters = 0;
    for (uint32_t i = 0; i < status->member_count; i++)
        voters += status->members[i].voter;
    return status->role == CONSENSUS_LEADER && voters > 1;
}

static void on_status(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    (void)context;
    const struct farewell *farewell = state;
    if (result->status != STATUS_OK || !has_successor(result->message->body)) {
        (void)sem_post(&farewell->word->said);
        return;
    }
    struct message *ask = message_create(KIND_TRANSFER_LEADERSHIP, sizeof(struct transfer_leadership));
    actor_ask_name(self, TO_LEADER, &ask, farewell->word->timeout_ns, on_handed_over, NULL);
}

static enum status on_init(struct actor *self, void *state, const void *options, struct error *error)
{
    (void)error;
    struct farewell *farewell = state;
    farewell->word = *(struct word *const *)options;
    struct message *ask = message_create(KIND_CONSENSUS_STATUS, 0);
    actor_ask_name(self, TO_LEADER, &ask, farewell->word->timeout_ns, on_status, NULL);
    return STATUS_OK;
}

static const struct behavior farewell_behavior = {
    .name = "farewell",
    .state_size = sizeof(struct farewell),
    .home = ACTOR_POOLED,
    .mailbox_capacity = 16,
    .init = on_init,
};

void farewell_say(struct runtime *runtime, int64_t timeout_ns)
{
    word.timeout_ns = timeout_ns;
    CHECK(sem_init(&word.said, 0, 0) == 0);
    struct word *given = &word;
    struct spawn_options spawn = { .options = &given };
    struct actor_id id;
    if (runtime_spawn(runtime, &farewell_behavior, &spawn, &id, NULL) != STATUS_OK) return;
    int64_t end_ns = clock_os.monotonic_ns(clock_os.context) + timeout_ns + MILLISECONDS(200);
    struct timespec limit = { .tv_sec = end_ns / SECONDS(1), .tv_nsec = end_ns % SECONDS(1) };
    while (sem_clockwait(&word.said, CLOCK_MONOTONIC, &limit) != 0 && errno == EINTR) {
    }
}
