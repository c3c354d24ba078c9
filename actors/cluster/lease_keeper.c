/* lease_keeper: how long each lease of leases/ still runs, by this node's monotonic clock, while this node
 * leads. A lease runs from its grant, its renewal, or the moment this node began to lead: never too short
 * (A3). Learns  leases/ and config/leases/ (the time to live) from the state, and its role from the leader
 * actor; so a restart loses nothing. Owns    its table and one timer, armed for the lease that ends first.
 * Limits  none of its own: the state bounds how many records there are. */
#include "actors/cluster/lease_keeper.h"

#include "runtime/base/map.h"
#include "runtime/base/mark.h"
#include "runtime/base/memory.h"
#include "runtime/base/planted.h"
#include "runtime/base/text.h"
#include "wire/follow.h"
#include "wire/json/value.h"
#include "wire/kinds.h"
#include "wire/local.h"
#include "wire/proto/cluster.pb-c.h"
#include "wire/proto/codec.h"
#include "wire/proto/store.pb-c.h"

#include <string.h>

#define LEASES_PREFIX "leases/"
#define TTL_PREFIX    "config/leases/"
#define AGENT_LEASE   "agent"

enum { WATCH_LEASES = 1, WATCH_TTLS = 2 };

static const int64_t ttl_default_ns = SECONDS(30); /* Until the record that tells it has come. */
static const int64_t propose_ns = SECONDS(5);
static const int64_t retry_ns = MILLISECONDS(200);

struct lease {
    bool held; /* Else only its time to live is known yet. */
    char *holder;
    uint64_t fence;
    uint64_t expires_ms; /* Unix; for people. */
    uint64_t revision;   /* Of its last renewal. */
    int64_t from_ns;     /* It runs from here, by our clock. */
    int64_t ttl_ns;
};

struct lease_keeper {
    struct map leases; /* Name to struct lease. */
    struct follow follow_leases;
    struct follow follow_ttls;
    bool leading;
    uint64_t term;
    struct timer_id timer;
    struct actor *self; /* For the visits of one turn; else NULL. */
};

static struct lease *lease_of(struct lease_keeper *keeper, const char *name)
{
    struct lease *lease = map_get(&keeper->leases, name);
    if (lease != NULL) return lease;
    lease = memory_zalloc(sizeof *lease);
    lease->ttl_ns = ttl_default_ns;
    (void)map_put(&keeper->leases, name, lease);
    return lease;
}

static void lease_clear(struct lease *lease)
{
    memory_free(lease->holder);
    lease->holder = NULL;
    lease->held = false;
}

static void lease_drop(struct lease_keeper *keeper, const char *name)
{
    struct lease *lease = map_remove(&keeper->leases, name);
    if (lease == NULL) return;
    lease_clear(lease);
    memory_free(lease);
}

/* One timer, for the first end; none while another node leads. */
static void arm(struct actor *self, struct lease_keeper *keeper, int64_t at_least_ns)
{
    actor_cancel(self, &keeper->timer);
    if (!keeper->leading) return;
    int64_t now_ns = actor_now_ns(self);
    int64_t first_ns = INT64_MAX;
    const char *name;
    void *value;
    for (size_t i = 0; map_next(&keeper->leases, &i, &name, &value);) {
        const struct lease *lease = value;
        if (lease->held && lease->from_ns + lease->ttl_ns < first_ns)
            first_ns = lease->from_ns + lease->ttl_ns;
    }
    if (first_ns == INT64_MAX) return;
    int64_t delay_ns = first_ns - now_ns > at_least_ns ? first_ns - now_ns : at_least_ns;
    keeper->timer = actor_after(self, delay_ns, KIND_LEASE_TICK, 0);
}

/* --- what the state says ------------------------------------------------------------------------------- */

static void forget(struct lease_keeper *keeper)
{
    const char *name;
    void *value;
    for (size_t i = 0; map_next(&keeper->leases, &i, &name, &value);) {
        lease_clear(value);
    }
}

static void visit_lease(void *context, const Pb__KvEvent *event)
{
    struct lease_keeper *keeper = context;
    if (event == NULL) {
        forget(keeper);
        return;
    }
    const char *name = event->record->key + strlen(LEASES_PREFIX);
    if (event->deleted) {
        lease_drop(keeper, name);
        return;
    }
    struct lease *lease = lease_of(keeper, name);
    lease_clear(lease);
    struct value *value = NULL;
    if (value_parse_json((const char *)event->record->value.data, event->record->value.len, &value, NULL) !=
        STATUS_OK) {
        return; /* Forced in by an operator; it ends when the next grant replaces it. */
    }
    lease->held = true;
    lease->holder = memory_strdup(value_get_string(value, "holder", ""));
    lease->fence = (uint64_t)value_get_integer(value, "fence", 0);
    lease->expires_ms = (uint64_t)value_get_integer(value, "expires", 0);
    lease->revision = event->record->revision;
    lease->from_ns = actor_now_ns(keeper->self);
    value_free(&value);
}

static void visit_ttl(void *context, const Pb__KvEvent *event)
{
    struct lease_keeper *keeper = context;
    if (event == NULL || event->deleted) return;
    struct value *value = NULL;
    if (value_parse_json((const char *)event->record->value.data, event->record->value.len, &value, NULL) !=
        STATUS_OK) {
        return;
    }
    int64_t ttl_ms = value_get_integer(value, "ttl", 0);
    if (PLANTED("lease_keeper.half_the_time")) ttl_ms /= 2;
    if (PLANTED("lease_keeper.twice_the_time")) ttl_ms *= 2;
    if (ttl_ms > 0) lease_of(keeper, event->record->key + strlen(TTL_PREFIX))->ttl_ns = MILLISECONDS(ttl_ms);
    value_free(&value);
}

static void on_state_changed(struct actor *self, void *state, const struct message *message)
{
    struct lease_keeper *keeper = state;
    keeper->self = self;
    if (!follow_accept(self, &keeper->follow_leases, message, visit_lease, keeper)) {
        (void)follow_accept(self, &keeper->follow_ttls, message, visit_ttl, keeper);
    }
    keeper->self = NULL;
    arm(self, keeper, 0);
}

static void on_role_changed(struct actor *self, void *state, const struct message *message)
{
    struct lease_keeper *keeper = state;
    const struct role_changed *role = message->body;
    bool begins = role->leading && (!keeper->leading || role->term != keeper->term);
    keeper->leading = role->leading;
    keeper->term = role->term;
    const char *name;
    void *value;
    for (size_t i = 0; begins && map_next(&keeper->leases, &i, &name, &value);) {
        ((struct lease *)value)->from_ns = actor_now_ns(self); /* The full time again (A3). */
    }
    arm(self, keeper, 0);
}

/* --- expiry ----------------------------------------------------------------------------------------------
 */

static void on_proposed(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    (void)context;
    if (result->status != STATUS_OK) {
        log_warn(self, "lease.expiry_delayed", "%s", result->error->message);
    }
    arm(self, state, retry_ns); /* Where it is gone, the state tells; where not, it is tried again. */
    MARK("lease_keeper.expiry_was_proposed");
}

static Pb__Operation *propose(struct message *message, uint64_t leader_term)
{
    struct arena *arena = &message->arena;
    Pb__ProposeRequest *request = message->body;
    Pb__Command *command = codec_create(arena, &pb__command__descriptor);
    Pb__Operation *operation = codec_create(arena, &pb__operation__descriptor);
    request->command = command;
    command->origin = PB__ORIGIN__ORIGIN_SYSTEM;
    command->leader_term = leader_term;
    command->n_success = 1;
    command->success = arena_array(arena, 1, sizeof(Pb__Operation *));
    command->success[0] = operation;
    return operation;
}

static void expire(struct actor *self, struct lease_keeper *keeper, const char *name, uint64_t revision)
{
    struct message *message = wire_message_create(KIND_PROPOSE_REQUEST);
    Pb__Operation *operation = propose(message, keeper->term);
    Pb__OpLeaseExpire *op = codec_create(&message->arena, &pb__op_lease_expire__descriptor);
    op->name = wire_string(message, name);
    op->revision = revision; /* A renewal that came between wins (A3). */
    operation->op_case = PB__OPERATION__OP_LEASE_EXPIRE;
    operation->lease_expire = op;
    actor_ask_name(self, TO_PROPOSER, &message, propose_ns, on_proposed, NULL);
}

static void on_tick(struct actor *self, void *state, const struct message *message)
{
    (void)message;
    struct lease_keeper *keeper = state;
    int64_t now_ns = actor_now_ns(self);
    keeper->timer = (struct timer_id){ 0 };
    if (!keeper->leading) return;
    uint32_t asked = 0;
    const char *name;
    void *value;
    for (size_t i = 0; map_next(&keeper->leases, &i, &name, &value);) {
        const struct lease *lease = value;
        if (!lease->held || lease->from_ns + lease->ttl_ns > now_ns) continue;
        expire(self, keeper, name, lease->revision);
        asked++;
    }
    if (asked == 0) arm(self, keeper, 0); /* Else the answers do. */
}

/* --- agent ------------------------------------------------------------------------------------------------
 */

static void on_agent_barrier(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct lease_keeper *keeper = state;
    struct message *request = context;
    if (result->status != STATUS_OK) {
        actor_refuse_error(self, request, result->error);
        message_destroy(&request);
        return;
    }
    struct message *reply = wire_message_create(KIND_AGENT_STATUS_REPLY);
    Pb__AgentStatusReply *body = reply->body;
    const struct lease *lease = map_get(&keeper->leases, AGENT_LEASE);
    if (lease != NULL && lease->held) {
        int64_t left_ns = lease->from_ns + lease->ttl_ns - actor_now_ns(self);
        body->held = true;
        body->holder = wire_string(reply, lease->holder);
        body->fence = lease->fence;
        body->left_ms = left_ns > 0 ? (uint64_t)(left_ns / MILLISECONDS(1)) : 0;
    }
    actor_reply(self, request, &reply);
    message_destroy(&request);
}

/* The row sends it to the leader; after the barrier our table is as fresh as the state. */
static void on_agent_status(struct actor *self, void *state, const struct message *message)
{
    (void)state, (void)message;
    struct message *request = actor_keep(self);
    struct message *barrier = message_create(KIND_READ_BARRIER, 0);
    actor_ask_name(self, TO_STATE, &barrier, 0, on_agent_barrier, request);
}

static void on_released(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    (void)state;
    struct message *request = context;
    if (result->status != STATUS_OK) {
        actor_refuse_error(self, request, result->error);
        message_destroy(&request);
        return;
    }
    const Pb__ProposeReply *done = result->message->body;
    enum status status = status_from_number((int)done->status);
    if (status == STATUS_OK || status == STATUS_NOT_FOUND) { /* Nobody held it: that is what was asked for. */
        struct message *reply = wire_message_create(KIND_AGENT_RELEASE_REPLY);
        Pb__AgentReleaseReply *body = reply->body;
        body->released = status == STATUS_OK;
        body->revision = done->revision;
        actor_reply(self, request, &reply);
    } else {
        struct error error;
        (void)error_set(&error, status, "%s", done->message);
        actor_refuse_error(self, request, &error);
    }
    message_destroy(&request);
}

static void on_agent_release(struct actor *self, void *state, const struct message *message)
{
    (void)state;
    const Pb__AgentReleaseRequest *release = message->body;
    struct message *proposal = wire_message_create(KIND_PROPOSE_REQUEST);
    ((Pb__ProposeRequest *)proposal->body)->retry = true;
    Pb__Operation *operation = propose(proposal, 0);
    Pb__OpLeaseRevoke *op = codec_create(&proposal->arena, &pb__op_lease_revoke__descriptor);
    op->name = wire_string(proposal, AGENT_LEASE);
    op->holder = wire_string(proposal, release->holder);
    operation->op_case = PB__OPERATION__OP_LEASE_REVOKE;
    operation->lease_revoke = op;
    actor_ask_name(self, TO_PROPOSER, &proposal, 0, on_released, actor_keep(self));
}

/* --- life -------------------------------------------------------------------------------------------------
 */

static enum status keeper_init(struct actor *self, void *state, const void *options, struct error *error)
{
    (void)options, (void)error;
    struct lease_keeper *keeper = state;
    keeper->follow_leases = (struct follow){ .prefix = LEASES_PREFIX, .watch_id = WATCH_LEASES };
    keeper->follow_ttls = (struct follow){ .prefix = TTL_PREFIX, .watch_id = WATCH_TTLS };
    follow_start(self, &keeper->follow_leases);
    follow_start(self, &keeper->follow_ttls);
    struct message *subscribe = message_create(KIND_ROLE_SUBSCRIBE, 0);
    actor_tell_name(self, TO_LEADER, &subscribe);
    return STATUS_OK;
}

static void keeper_fini(void *state)
{
    struct lease_keeper *keeper = state;
    const char *name;
    void *value;
    for (size_t i = 0; map_next(&keeper->leases, &i, &name, &value);) {
        lease_clear(value);
        memory_free(value);
    }
    map_fini(&keeper->leases);
}

static const struct behavior_row rows[] = {
    { KIND_STATE_CHANGED, on_state_changed },
    { KIND_ROLE_CHANGED, on_role_changed },
    { KIND_LEASE_TICK, on_tick },
    { KIND_AGENT_STATUS_REQUEST, on_agent_status },
    { KIND_AGENT_RELEASE_REQUEST, on_agent_release },
};
const struct behavior lease_keeper_behavior = {
    .name = "lease_keeper",
    .state_size = sizeof(struct lease_keeper),
    .home = ACTOR_POOLED,
    .init = keeper_init,
    .fini = keeper_fini,
    .rows = rows,
    .row_count = ARRAY_COUNT(rows),
};
