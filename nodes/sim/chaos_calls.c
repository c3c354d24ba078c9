/* chaos_calls: one who publishes blueprints, and several who call what they bring. How a call ends is judged:
 * it is answered with its own payload, or fails for a reason that there is; what may not be repeated runs at
 * most once, and what is said not to have run never does (product.md section 10). */
#include "nodes/sim/chaos_state.h"

#include "nodes/sim/slices.h"
#include "runtime/base/memory.h"
#include "wire/proto/slice.pb-c.h"

#include <inttypes.h>
#include <string.h>

/* --- publishing --- */

static void publish(struct chaos *chaos)
{
    struct trouble *publisher = &chaos->publisher;
    if (!chaos_strikes(chaos, publisher)) return;
    uint32_t pricing = (uint32_t)chance_between(&publisher->chance, 0, 4);
    uint32_t orders = (uint32_t)chance_between(&publisher->chance, 0, 3);
    if (chance_permille(&publisher->chance, 150)) pricing = orders = 0; /* Deletes it. */
    (void)sim_publish(chaos->sim, "shop", pricing, orders);
}

/* --- how a call ends --- */

/* Said before any code of the slice runs; NOT_FOUND of slice_call itself, on a node that is ending. */
static bool says_never_ran(enum status status)
{
    return status == STATUS_NO_ENDPOINT || status == STATUS_NOT_READY || status == STATUS_OVERLOADED ||
           status == STATUS_NOT_FOUND;
}

static bool is_an_outcome(enum status status)
{
    switch (status) {
    case STATUS_OK:
    case STATUS_DEADLINE:
    case STATUS_NODE_LOST:
    case STATUS_CRASHED:
    case STATUS_CANCELLED: /* Drained, and not in time. */
    case STATUS_UNKNOWN: /* The caller's node died under it. */ return true;
    default: return says_never_ran(status);
    }
}

static void note_refused(struct chaos *chaos, uint64_t number)
{
    if (chaos->refused_count == chaos->refused_room) {
        chaos->refused_room = chaos->refused_room == 0 ? 64 : chaos->refused_room * 2;
        chaos->refused = memory_realloc(chaos->refused, chaos->refused_room * sizeof chaos->refused[0]);
    }
    chaos->refused[chaos->refused_count++] = number;
}

static void judge_answer(struct chaos *chaos, const struct chaos_invocation *invocation)
{
    const Pb__CallReply *reply = sim_call_reply(chaos->sim, invocation->call)->body;
    uint64_t answered = sim_slices_number(reply->payload, strlen(reply->payload));
    if (answered != invocation->number) {
        sim_fail(chaos->sim, "call %" PRIu64 " was answered with \"%.40s\"", invocation->number,
                 reply->payload);
    } else if (sim_executions(chaos->sim, invocation->number) == 0) {
        sim_fail(chaos->sim, "call %" PRIu64 " was answered, and never ran", invocation->number);
    }
}

static void judge_once(struct chaos *chaos, const struct chaos_invocation *invocation)
{
    uint32_t times = sim_executions(chaos->sim, invocation->number);
    if (invocation->repeatable || times <= 1) return;
    sim_fail(chaos->sim, "call %" PRIu64 " of what may not be repeated ran %u times", invocation->number,
             times);
}

static void note_end(struct chaos *chaos, struct chaos_invocation *invocation)
{
    enum status status = sim_call_status(chaos->sim, invocation->call);
    invocation->busy = false;
    judge_once(chaos, invocation);
    if (!is_an_outcome(status)) {
        sim_fail(chaos->sim, "call %" PRIu64 " ended %s: %s", invocation->number, status_name(status),
                 sim_call_error(chaos->sim, invocation->call)->message);
    } else if (status == STATUS_OK) {
        judge_answer(chaos, invocation);
        chaos->result->calls++;
    } else if (says_never_ran(status) && !invocation->repeatable) {
        note_refused(chaos, invocation->number);
    }
}

/* --- calling --- */

static void begin(struct chaos *chaos, struct chaos_invocation *invocation)
{
    struct chance *chance = &chaos->caller.chance;
    uint32_t node = (uint32_t)(chance_next(chance) % sim_node_count(chaos->sim));
    bool pricing = chance_permille(chance, 500);
    invocation->repeatable = chance_permille(chance, 400);
    struct sim_invocation order = { .artifact = pricing ? SIM_PRICING : SIM_ORDERS,
                                    .entry = invocation->repeatable ? "quote" : "book",
                                    .timeout_ns = chance_between(chance, MILLISECONDS(50), SECONDS(2)) };
    if (!sim_is_up(chaos->sim, node)) return;
    order.number = invocation->number = ++chaos->invocation_count;
    invocation->call = sim_invoke_as(chaos->sim, node, &order);
    invocation->busy = true;
}

void chaos_calls_init(struct chaos *chaos)
{
    struct chance publisher = chance_of(chaos->seed, STREAM_PUBLISHER);
    struct chance caller = chance_of(chaos->seed, STREAM_CALLER);
    chaos->publisher = chaos_trouble(&publisher, 700, SECONDS(4));
    chaos->caller = chaos_trouble(&caller, 500, MILLISECONDS(100));
}

void chaos_calls_look(struct chaos *chaos)
{
    struct chaos_invocation *free_one = NULL;
    publish(chaos);
    for (uint32_t i = 0; i < CHAOS_CALLS_MAX; i++) {
        struct chaos_invocation *invocation = &chaos->invocations[i];
        if (invocation->busy && sim_has_ended(chaos->sim, invocation->call)) note_end(chaos, invocation);
        if (!invocation->busy) free_one = invocation;
    }
    if (free_one != NULL && chaos_strikes(chaos, &chaos->caller)) begin(chaos, free_one);
}

/* All have ended, and what was on its way has come or is lost. */
void chaos_calls_end(struct chaos *chaos)
{
    for (uint32_t i = 0; i < CHAOS_CALLS_MAX; i++) {
        struct chaos_invocation *invocation = &chaos->invocations[i];
        if (invocation->busy) note_end(chaos, invocation);
        judge_once(chaos, invocation);
    }
    for (uint32_t i = 0; i < chaos->refused_count; i++) {
        if (sim_executions(chaos->sim, chaos->refused[i]) == 0) continue;
        sim_fail(chaos->sim, "call %" PRIu64 " was said not to have run, and did", chaos->refused[i]);
    }
}

void chaos_calls_fini(struct chaos *chaos)
{
    memory_free(chaos->refused);
}
