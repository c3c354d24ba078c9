/* rules: which rule answers for an operation: first the right of its origin, then the key's domain. */
#include "store/schema/rules.h"

#include "runtime/base/check.h"
#include "runtime/base/text.h"
#include "store/schema/artifact_rules.h"
#include "store/schema/cluster.h"
#include "store/schema/cluster_checkpoint.h"
#include "store/schema/cluster_members.h"
#include "store/schema/cluster_space.h"
#include "store/schema/slice_rules.h"

#include <string.h>

/* Who answers for a key. What no domain keeps is the clients' own. */
enum domain { DOMAIN_CLIENTS, DOMAIN_SLICE, DOMAIN_ARTIFACT, DOMAIN_CLUSTER, DOMAIN_STORE, DOMAIN_DERIVED };

static const struct {
    const char *prefix;
    enum domain domain;
} managed[] = {
    { "blueprints/", DOMAIN_SLICE },        { "blueprint-history/", DOMAIN_SLICE },
    { "allocations/", DOMAIN_SLICE },       { "slices/", DOMAIN_SLICE },
    { "endpoints/", DOMAIN_SLICE },         { "nodes/", DOMAIN_CLUSTER },
    { "leases/", DOMAIN_CLUSTER },          { "events/", DOMAIN_CLUSTER },
    { "audit/", DOMAIN_CLUSTER },           { "config/leases/", DOMAIN_STORE },
    { "config/no-ops", DOMAIN_STORE },      { "config/members", DOMAIN_DERIVED },
    { "config/retired/", DOMAIN_DERIVED },  { "config/wishes/", DOMAIN_DERIVED },
    { "config/labels/", DOMAIN_DERIVED },   { "config/checkpoint", DOMAIN_DERIVED },
    { "config/exclusions/", DOMAIN_STORE }, /* The leader's: actors/slice/exclusions.h. */
    { "config/alarms/", DOMAIN_DERIVED },   { "artifacts/", DOMAIN_ARTIFACT },
    { "config/workers/", DOMAIN_DERIVED },  { "config/retired-workers/", DOMAIN_DERIVED },
};

static enum domain domain_of(const char *key)
{
    for (size_t i = 0; i < ARRAY_COUNT(managed); i++) {
        if (text_starts_with(key, managed[i].prefix)) return managed[i].domain;
    }
    return DOMAIN_CLIENTS;
}

/* Every command says who speaks; what a leader's manager or a node says is fenced (A5, A7). */
static enum status check_origin(struct kv_txn *txn, const struct kv_context *context, struct error *error)
{
    switch (context->command->origin) {
    case PB__ORIGIN__ORIGIN_CLIENT:
    case PB__ORIGIN__ORIGIN_FORCED:
    case PB__ORIGIN__ORIGIN_SYSTEM: return STATUS_OK;
    case PB__ORIGIN__ORIGIN_MANAGER:
        if (context->command->leader_term != 0) return STATUS_OK; /* kv compared it with the entry's. */
        return error_set(error, STATUS_DENIED, "a manager's command names its leader's term");
    case PB__ORIGIN__ORIGIN_NODE: return cluster_rules_check_node(txn, context, error);
    default: return error_set(error, STATUS_INVALID, "the command has no known origin");
    }
}

static enum status check_key_right(const struct kv_context *context, const char *key, enum domain domain,
                                   struct error *error)
{
    Pb__Origin origin = context->command->origin;
    if (domain == DOMAIN_CLIENTS) return STATUS_OK;
    if (domain == DOMAIN_DERIVED) /* From configurations and commands on nodes only, not by force either. */
        return error_set(error, STATUS_DENIED, "%.200s follows from who takes part in the cluster", key);
    if (origin == PB__ORIGIN__ORIGIN_CLIENT) {
        (void)error_set(error, STATUS_DENIED, "%.200s is kept by the cluster itself", key);
        error_hint(error, "--force writes it all the same, as an admin");
        return STATUS_DENIED;
    }
    bool node = origin == PB__ORIGIN__ORIGIN_NODE;
    if (domain != DOMAIN_SLICE && domain != DOMAIN_ARTIFACT && node) {
        return error_set(error, STATUS_DENIED, "%.200s is not a node's to write", key);
    }
    return STATUS_OK;
}

static enum status check_write(struct kv_txn *txn, const struct kv_context *context, const char *key,
                               enum domain domain, struct error *error)
{
    enum status status = check_origin(txn, context, error);
    return status != STATUS_OK ? status : check_key_right(context, key, domain, error);
}

/* F2: what a client asks for, forced or not, and every blueprint. */
static enum status check_space(struct kv_txn *txn, const struct kv_context *context, const char *key,
                               struct error *error)
{
    Pb__Origin origin = context->command->origin;
    bool client = origin == PB__ORIGIN__ORIGIN_CLIENT || origin == PB__ORIGIN__ORIGIN_FORCED;
    if (!client && !text_starts_with(key, "blueprints/")) return STATUS_OK;
    return cluster_space_check(txn, error);
}

static enum status rules_put(struct kv_txn *txn, const struct kv_context *context, const Pb__OpPut *put,
                             struct error *error)
{
    enum domain domain = domain_of(put->key);
    enum status status = check_write(txn, context, put->key, domain, error);
    if (status == STATUS_OK) status = check_space(txn, context, put->key, error);
    if (status != STATUS_OK) return status;
    if (domain == DOMAIN_SLICE) return slice_rules_put(txn, context, put, error);
    if (domain == DOMAIN_ARTIFACT) return artifact_rules_put(txn, context, put, error);
    if (domain == DOMAIN_CLUSTER) return cluster_rules_put(txn, context, put, error);
    if (put->lease[0] != '\0' && !cluster_lease_exists(txn, put->lease)) {
        return error_set(error, STATUS_CONFLICT, "nobody holds lease \"%.128s\"", put->lease);
    }
    kv_txn_put(txn, put->key, put->value.data, put->value.len, put->lease);
    return STATUS_OK;
}

static enum status rules_delete(struct kv_txn *txn, const struct kv_context *context, const char *key,
                                struct error *error)
{
    enum domain domain = domain_of(key);
    enum status status = check_write(txn, context, key, domain, error);
    if (status != STATUS_OK) return status;
    if (domain == DOMAIN_SLICE) return slice_rules_delete(txn, context, key, error);
    if (domain == DOMAIN_ARTIFACT) return artifact_rules_delete(txn, context, key, error);
    if (domain == DOMAIN_CLUSTER) return cluster_rules_delete(txn, context, key, error);
    (void)kv_txn_delete(txn, key);
    return STATUS_OK;
}

/* A node starts by its own word, so before any incarnation of it is current. */
static enum status check_started(const struct kv_context *context, const Pb__OpNodeStarted *started,
                                 struct error *error)
{
    const Pb__Command *command = context->command;
    bool itself = command->origin == PB__ORIGIN__ORIGIN_NODE && strcmp(command->node, started->node) == 0;
    if (itself || command->origin == PB__ORIGIN__ORIGIN_SYSTEM) return STATUS_OK;
    return error_set(error, STATUS_DENIED, "only node \"%.63s\" itself says that it started", started->node);
}

/* What only the leader's actors, or the store itself, may say. */
static enum status check_leader(const struct kv_context *context, struct error *error)
{
    Pb__Origin origin = context->command->origin;
    if (origin == PB__ORIGIN__ORIGIN_MANAGER || origin == PB__ORIGIN__ORIGIN_SYSTEM) return STATUS_OK;
    return error_set(error, STATUS_DENIED, "only the leader says who is here, who stays, and what expired");
}

static enum status check_not_client(const struct kv_context *context, struct error *error)
{
    Pb__Origin origin = context->command->origin;
    bool client = origin == PB__ORIGIN__ORIGIN_CLIENT || origin == PB__ORIGIN__ORIGIN_FORCED;
    return client ? error_set(error, STATUS_DENIED, "events are the cluster's own to add") : STATUS_OK;
}

static enum status check_operation(struct kv_txn *txn, const struct kv_context *context,
                                   const Pb__Operation *operation, struct error *error)
{
    if (operation->op_case == PB__OPERATION__OP_NODE_STARTED) {
        return check_started(context, operation->node_started, error);
    }
    enum status status = check_origin(txn, context, error);
    if (status != STATUS_OK) return status;
    switch (operation->op_case) {
    case PB__OPERATION__OP_LEASE_EXPIRE:
    case PB__OPERATION__OP_NODE_LOST:
    case PB__OPERATION__OP_NODE_CHANGE:
    case PB__OPERATION__OP_NODE_PRESENCE: return check_leader(context, error);
    case PB__OPERATION__OP_EVENT: return check_not_client(context, error);
    case PB__OPERATION__OP_SLICE_FACT:
        if (context->command->origin == PB__ORIGIN__ORIGIN_NODE) return STATUS_OK;
        return error_set(error, STATUS_DENIED, "only a node states what its instances do");
    case PB__OPERATION__OP_NODE_SPACE:
        if (context->command->origin == PB__ORIGIN__ORIGIN_NODE) return STATUS_OK;
        return error_set(error, STATUS_DENIED, "only a node says how much room it has");
    default: return STATUS_OK;
    }
}

static enum status rules_operation(struct kv_txn *txn, const struct kv_context *context,
                                   const Pb__Operation *operation, Pb__OperationResult *out_result,
                                   struct error *error)
{
    enum status status = check_operation(txn, context, operation, error);
    if (status != STATUS_OK) return status;
    switch (operation->op_case) {
    case PB__OPERATION__OP_LEASE_GRANT:
        return cluster_lease_grant(txn, context, operation->lease_grant, out_result, error);
    case PB__OPERATION__OP_LEASE_RENEW:
        return cluster_lease_renew(txn, context, operation->lease_renew, out_result, error);
    case PB__OPERATION__OP_LEASE_REVOKE:
        return cluster_lease_revoke(txn, context, operation->lease_revoke, error);
    case PB__OPERATION__OP_LEASE_EXPIRE:
        return cluster_lease_expire(txn, context, operation->lease_expire, error);
    case PB__OPERATION__OP_NODE_STARTED:
        return cluster_rules_node_started(txn, context, operation->node_started, error);
    case PB__OPERATION__OP_NODE_LOST:
        return cluster_rules_node_lost(txn, context, operation->node_lost, error);
    case PB__OPERATION__OP_NODE_PRESENCE:
        return cluster_rules_node_presence(txn, context, operation->node_presence, error);
    case PB__OPERATION__OP_NODE_CHANGE:
        return cluster_rules_node_change(txn, context, operation->node_change, error);
    case PB__OPERATION__OP_EVENT: return cluster_rules_event(txn, context, operation->event, error);
    case PB__OPERATION__OP_SLICE_FACT: return slice_rules_fact(txn, context, operation->slice_fact, error);
    case PB__OPERATION__OP_NODE_SPACE:
        return cluster_rules_node_space(txn, context, operation->node_space, error);
    default: return error_set(error, STATUS_INVALID, "an operation of no known kind");
    }
}

const struct kv_rules schema_rules = {
    .put = rules_put,
    .delete_key = rules_delete,
    .operation = rules_operation,
    .no_op = cluster_lease_no_op,
    .configuration = cluster_members_apply,
    .checkpoint = cluster_checkpoint_apply,
};
