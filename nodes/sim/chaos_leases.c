/* chaos_leases: those who hold leases: each asks for one of a few names, renews it for a while, then gives it
 * back or lets it end (K8; the judge looks at the ends). Two who both may think that they hold one break
 * mutual exclusion. */
#include "nodes/sim/chaos_state.h"

#include "wire/kinds.h"
#include "wire/proto/store.pb-c.h"

#include <stdio.h>

enum { NAMES = 2 };
static const int64_t patience_ns = SECONDS(2);

void chaos_leases_init(struct chaos *chaos, struct chance *setup)
{
    chaos->holder_count = (uint32_t)chance_between(setup, 0, CHAOS_HOLDERS_MAX);
    for (uint32_t i = 0; i < chaos->holder_count; i++)
        chaos->holders[i].chance = chance_of(chaos->seed, STREAM_HOLDER + i);
}

static struct message *new_command(Pb__Operation **out_operation)
{
    struct message *message = wire_message_create(KIND_PROPOSE_REQUEST);
    Pb__ProposeRequest *request = message->body;
    Pb__Operation *operation = arena_alloc(&message->arena, sizeof *operation);
    pb__operation__init(operation);
    request->retry = true;
    request->command = arena_alloc(&message->arena, sizeof *request->command);
    pb__command__init(request->command);
    request->command->origin = PB__ORIGIN__ORIGIN_SYSTEM;
    request->command->success = arena_array(&message->arena, 1, sizeof operation);
    request->command->success[0] = operation;
    request->command->n_success = 1;
    *out_operation = operation;
    return message;
}

static void ask(struct chaos *chaos, struct chaos_holder *holder, struct message **message)
{
    uint32_t node = (uint32_t)(chance_next(&holder->chance) % sim_node_count(chaos->sim));
    holder->asked_ns = sim_now_ns(chaos->sim);
    holder->call = sim_ask(chaos->sim, node, TO_PROPOSER, message, patience_ns);
    holder->busy = true;
}

static void grant(struct chaos *chaos, struct chaos_holder *holder, uint32_t who)
{
    Pb__Operation *operation = NULL;
    struct message *message = new_command(&operation);
    char text[32];
    operation->op_case = PB__OPERATION__OP_LEASE_GRANT;
    operation->lease_grant = arena_alloc(&message->arena, sizeof *operation->lease_grant);
    pb__op_lease_grant__init(operation->lease_grant);
    holder->name = (uint32_t)(chance_next(&holder->chance) % NAMES);
    holder->ttl_ns = chance_between(&holder->chance, SECONDS(1), SECONDS(3)) / 1000000 * 1000000;
    (void)snprintf(text, sizeof text, "lock-%u", holder->name);
    operation->lease_grant->name = wire_string(message, text);
    (void)snprintf(text, sizeof text, "holder-%u", who);
    operation->lease_grant->holder = wire_string(message, text);
    operation->lease_grant->ttl_ms = (uint64_t)(holder->ttl_ns / 1000000);
    holder->wish = HOLDER_GRANTS;
    ask(chaos, holder, &message);
}

static void renew(struct chaos *chaos, struct chaos_holder *holder, uint32_t who)
{
    Pb__Operation *operation = NULL;
    struct message *message = new_command(&operation);
    char text[32];
    operation->op_case = PB__OPERATION__OP_LEASE_RENEW;
    operation->lease_renew = arena_alloc(&message->arena, sizeof *operation->lease_renew);
    pb__op_lease_renew__init(operation->lease_renew);
    (void)snprintf(text, sizeof text, "lock-%u", holder->name);
    operation->lease_renew->name = wire_string(message, text);
    (void)snprintf(text, sizeof text, "holder-%u", who);
    operation->lease_renew->holder = wire_string(message, text);
    operation->lease_renew->fence = holder->fence;
    holder->wish = HOLDER_RENEWS;
    ask(chaos, holder, &message);
}

static void revoke(struct chaos *chaos, struct chaos_holder *holder, uint32_t who)
{
    Pb__Operation *operation = NULL;
    struct message *message = new_command(&operation);
    char text[32];
    operation->op_case = PB__OPERATION__OP_LEASE_REVOKE;
    operation->lease_revoke = arena_alloc(&message->arena, sizeof *operation->lease_revoke);
    pb__op_lease_revoke__init(operation->lease_revoke);
    (void)snprintf(text, sizeof text, "lock-%u", holder->name);
    operation->lease_revoke->name = wire_string(message, text);
    (void)snprintf(text, sizeof text, "holder-%u", who);
    operation->lease_revoke->holder = wire_string(message, text);
    holder->wish = HOLDER_REVOKES;
    holder->until_ns = 0; /* Gone as soon as it is asked for. */
    ask(chaos, holder, &message);
}

/* Fences rise with every new holder of a name: whoever was fenced off is told an older one (A3). */
static void check_fence(struct chaos *chaos, const struct chaos_holder *holder)
{
    for (uint32_t i = 0; i < chaos->holder_count; i++) {
        const struct chaos_holder *other = &chaos->holders[i];
        bool both = other != holder && other->until_ns != 0 && other->name == holder->name;
        if (!both || other->fence != holder->fence) continue;
        sim_fail(chaos->sim, "K8: two holders of lock-%u have the fence %llu", holder->name,
                 (unsigned long long)holder->fence);
    }
}

/* It counts from when it asked, as A8 says. */
static void note_end(struct chaos *chaos, struct chaos_holder *holder)
{
    struct sim *sim = chaos->sim;
    holder->busy = false;
    holder->next_ns = sim_now_ns(sim) + chance_between(&holder->chance, 0, holder->ttl_ns / 2);
    if (sim_call_status(sim, holder->call) != STATUS_OK) return;
    const Pb__ProposeReply *reply = sim_call_reply(sim, holder->call)->body;
    bool held = reply->status == STATUS_OK && reply->n_results == 1;
    if (!held || holder->wish == HOLDER_REVOKES) {
        holder->until_ns = 0;
        return;
    }
    holder->until_ns = holder->asked_ns + holder->ttl_ns;
    if (holder->wish == HOLDER_GRANTS) holder->fence = reply->results[0]->value;
    check_fence(chaos, holder);
}

void chaos_leases_look(struct chaos *chaos)
{
    int64_t now_ns = sim_now_ns(chaos->sim);
    for (uint32_t i = 0; i < chaos->holder_count; i++) {
        struct chaos_holder *holder = &chaos->holders[i];
        if (holder->busy && sim_has_ended(chaos->sim, holder->call)) note_end(chaos, holder);
        if (holder->busy || now_ns < holder->next_ns) continue;
        if (holder->until_ns == 0 || now_ns > holder->until_ns) grant(chaos, holder, i);
        else if (chance_permille(&holder->chance, 100)) revoke(chaos, holder, i);
        else if (chance_permille(&holder->chance, 700)) renew(chaos, holder, i);
        else holder->next_ns = now_ns + holder->ttl_ns * 2; /* It goes away, and says nothing. */
    }
}
