/* send: messages on their way from actor to actor of one runtime. No lock: the receiver is found in a table
 * that never moves, its mailbox takes the message by one exchange, and the sender that wakes it makes it
 * ready. */
#include "runtime/machine.h"

enum status send_deliver(struct runtime *runtime, struct actor_id to, struct message **message, bool credit)
{
    struct actor *actor = runtime_cell(runtime, to);
    if (actor == NULL) return STATUS_NOT_FOUND;
    if (runtime->muted) { /* The node is crashing: this went nowhere, and nobody will know. */
        message_destroy(message);
        return STATUS_OK;
    }
    struct message *taken = *message;
    if (credit) {
        if (!mailbox_reserve(&actor->mailbox)) {
            __atomic_fetch_add(&actor->refused, 1, __ATOMIC_RELAXED);
            return STATUS_OVERLOADED;
        }
        taken->flags |= MESSAGE_CREDIT;
    }
    taken->generation = to.generation;
    *message = NULL;
    if (mailbox_push(&actor->mailbox, taken)) {
        struct scheduler *scheduler = runtime->scheduler;
        scheduler->machine->ready(scheduler, actor);
    }
    return STATUS_OK;
}

void send_system(struct runtime *runtime, struct actor_id from, struct actor_id to, struct message **message)
{
    (*message)->lane = LANE_SYSTEM;
    (*message)->sender = from;
    if (send_deliver(runtime, to, message, false) != STATUS_OK) message_destroy(message);
}

bool send_awaits_answer(const struct message *request)
{
    return request->ask_id != 0 &&
           (request->flags & (MESSAGE_ANSWER | MESSAGE_TIMER | MESSAGE_ANSWERED)) == 0;
}

void send_refusal(struct runtime *runtime, struct message *request, const struct error *error)
{
    if (!send_awaits_answer(request)) return;
    request->flags |= MESSAGE_ANSWERED;
    message_unlist(request);
    struct message *refusal = message_create(KIND_REFUSED, sizeof *error);
    *(struct error *)refusal->body = *error;
    refusal->ask_id = request->ask_id;
    refusal->flags = MESSAGE_ANSWER;
    refusal->request_id = request->request_id;
    if (send_deliver(runtime, request->sender, &refusal, false) != STATUS_OK) message_destroy(&refusal);
}

void send_refusal_status(struct runtime *runtime, struct message *request, enum status status)
{
    struct error error;
    (void)error_set(&error, status, "%s", status_text(status));
    send_refusal(runtime, request, &error);
}

void send_down(struct runtime *runtime, uint32_t kind, struct actor_id ended, struct actor_id to,
               const struct error *failure, bool escalates)
{
    struct message *message = message_create(kind, sizeof(struct actor_down));
    struct actor_down *down = message->body;
    down->id = ended;
    down->escalates = escalates;
    if (failure != NULL) {
        down->reason = failure->status;
        down->error = *failure;
    }
    send_system(runtime, ended, to, &message);
}
