/* client: asks, and notes the answer where the world can see it. A call whose node dies ends as UNKNOWN. */
#include "nodes/sim/client.h"

#include "runtime/base/check.h"
#include "wire/kinds.h"

struct order { /* KIND_SIM_CALL */
    struct client_call *call;
    uint32_t name;
    int64_t timeout_ns;
    struct message *request;
};

static void end(struct client_call *call, enum status status, const struct error *error)
{
    CHECK(!call->ended); /* ACT5 */
    call->ended = true;
    call->status = status;
    if (error != NULL) call->error = *error;
    if (call->on_end != NULL) call->on_end(call->context, call);
}

static void release_order(struct message *message)
{
    struct order *order = message->body;
    if (order->request == NULL) return;
    message_destroy(&order->request); /* It never left. */
    end(order->call, STATUS_NODE_LOST, NULL);
}

struct message *client_message(struct client_call *call, uint32_t name, int64_t timeout_ns,
                               struct message **request)
{
    struct message *message = message_create(KIND_SIM_CALL, sizeof(struct order));
    *(struct order *)message->body =
        (struct order){ .call = call, .name = name, .timeout_ns = timeout_ns, .request = *request };
    *request = NULL;
    message->release = release_order;
    message->lane = LANE_SYSTEM;
    return message;
}

static void on_answer(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    (void)state;
    struct client_call *call = context;
    if (result->status == STATUS_OK) call->reply = actor_keep(self);
    enum status status = result->status == STATUS_CANCELLED ? STATUS_UNKNOWN : result->status;
    end(call, status, result->error);
}

static void on_call(struct actor *self, void *state, const struct message *message)
{
    (void)state;
    struct order *order = message->body;
    struct message *request = order->request;
    order->request = NULL;
    actor_set_request_id(self, actor_request_id_new(self));
    actor_ask_name(self, order->name, &request, order->timeout_ns, on_answer, order->call);
}

static const struct behavior_row rows[] = { { KIND_SIM_CALL, on_call } };

const struct behavior client_behavior = {
    .name = "sim_client",
    .state_size = 1,
    .home = ACTOR_POOLED,
    .mailbox_capacity = 4096,
    .rows = rows,
    .row_count = ARRAY_COUNT(rows),
};
