/* cluster_lease: who holds leases/{name}, under which fence. Time is not judged here (A3): the leader's
 * lease_keeper measures it and appends what it saw; `expires` is for people. The fence is the revision of the
 * grant, so it rises with every new holder, and who acts under a lease is refused with an old one. */
#include "runtime/base/check.h"
#include "runtime/base/mark.h"
#include "runtime/base/planted.h"
#include "runtime/base/text.h"
#include "store/schema/cluster.h"
#include "store/schema/document.h"
#include "store/schema/event.h"

#include <stdio.h>
#include <string.h>

#define LEASES_PREFIX "leases/"
#define TTL_PREFIX    "config/leases/"
#define NO_OPS_KEY    "config/no-ops"

enum { HOLDER_MAX = 256, TTL_DEFAULT_MS = 30000 };

void cluster_key_lease(char key[CLUSTER_KEY_SIZE], const char *name)
{
    (void)snprintf(key, CLUSTER_KEY_SIZE, LEASES_PREFIX "%s", name);
}

void cluster_key_lease_ttl(char key[CLUSTER_KEY_SIZE], const char *name)
{
    (void)snprintf(key, CLUSTER_KEY_SIZE, TTL_PREFIX "%s", name);
}

struct lease {
    char holder[HOLDER_MAX + 1];
    uint64_t fence;
    uint64_t expires;
    uint64_t revision; /* Of its last renewal. */
};

static bool lease_read(struct kv_txn *txn, const char *name, struct lease *out_lease)
{
    char key[CLUSTER_KEY_SIZE];
    if (!cluster_name_is_valid(name, CLUSTER_LEASE_NAME_MAX)) return false;
    cluster_key_lease(key, name);
    const struct kv_record *record = kv_txn_get(txn, key);
    if (record == NULL) return false;
    *out_lease = (struct lease){ .revision = record->revision };
    struct value *value = document_get(txn, key);
    (void)text_copy(out_lease->holder, sizeof out_lease->holder, value_get_string(value, "holder", ""));
    out_lease->fence = (uint64_t)value_get_integer(value, "fence", 0);
    out_lease->expires = (uint64_t)value_get_integer(value, "expires", 0);
    value_free(&value);
    return true;
}

bool cluster_lease_exists(struct kv_txn *txn, const char *name)
{
    struct lease lease;
    return lease_read(txn, name, &lease);
}

static void lease_write(struct kv_txn *txn, const struct kv_context *context, const char *name,
                        const struct lease *lease, uint64_t ttl_ms)
{
    char key[CLUSTER_KEY_SIZE];
    struct value *value = value_new_object();
    value_set_string(value, "holder", lease->holder);
    value_set_integer(value, "fence", (int64_t)lease->fence);
    value_set_integer(value, "expires", (int64_t)(context->stamp_ms + ttl_ms));
    cluster_key_lease(key, name);
    document_put(txn, key, &value);
}

static uint64_t ttl_read(struct kv_txn *txn, const char *name)
{
    char key[CLUSTER_KEY_SIZE];
    cluster_key_lease_ttl(key, name);
    struct value *value = document_get(txn, key);
    int64_t ttl = value_get_integer(value, "ttl", TTL_DEFAULT_MS);
    value_free(&value);
    return ttl < CLUSTER_LEASE_TTL_MIN_MS || ttl > CLUSTER_LEASE_TTL_MAX_MS ? TTL_DEFAULT_MS : (uint64_t)ttl;
}

static void ttl_write(struct kv_txn *txn, const char *name, uint64_t ttl_ms)
{
    char key[CLUSTER_KEY_SIZE];
    struct value *value = value_new_object();
    value_set_integer(value, "ttl", (int64_t)ttl_ms);
    cluster_key_lease_ttl(key, name);
    document_put(txn, key, &value);
}

static enum status check_grant(const Pb__OpLeaseGrant *grant, struct error *error)
{
    if (!cluster_name_is_valid(grant->name, CLUSTER_LEASE_NAME_MAX)) {
        return error_set(error, STATUS_INVALID, "\"%.128s\" is no name for a lease", grant->name);
    }
    if (grant->holder[0] == '\0' || strlen(grant->holder) > HOLDER_MAX) {
        return error_set(error, STATUS_INVALID, "a lease needs a holder of 1 to %d bytes", HOLDER_MAX);
    }
    if (grant->ttl_ms < CLUSTER_LEASE_TTL_MIN_MS || grant->ttl_ms > CLUSTER_LEASE_TTL_MAX_MS) {
        return error_set(error, STATUS_INVALID, "a lease lasts %d to %d ms, not %llu",
                         CLUSTER_LEASE_TTL_MIN_MS, CLUSTER_LEASE_TTL_MAX_MS,
                         (unsigned long long)grant->ttl_ms);
    }
    return STATUS_OK;
}

static void fill_result(struct kv_txn *txn, const struct lease *lease, uint64_t ttl_ms,
                        Pb__OperationResult *out_result)
{
    out_result->value = lease->fence;
    out_result->holder = arena_strdup(kv_txn_arena(txn), lease->holder);
    out_result->left_ms = ttl_ms;
}

enum status cluster_lease_grant(struct kv_txn *txn, const struct kv_context *context,
                                const Pb__OpLeaseGrant *grant, Pb__OperationResult *out_result,
                                struct error *error)
{
    enum status status = check_grant(grant, error);
    if (status != STATUS_OK) return status;
    struct lease lease;
    bool held = lease_read(txn, grant->name, &lease);
    if (held && strcmp(lease.holder, grant->holder) != 0 && !PLANTED("cluster_lease.held_one_is_granted")) {
        MARK("cluster_lease.is_held_by_another");
        uint64_t now = context->stamp_ms;
        uint64_t left_ms = lease.expires > now ? lease.expires - now : 0;
        return error_set(error, STATUS_CONFLICT, "lease %s is held by %s for another %llu s", grant->name,
                         lease.holder, (unsigned long long)(left_ms + 999) / 1000);
    }
    if (!held) {
        lease = (struct lease){ .fence = context->revision };
        (void)text_copy(lease.holder, sizeof lease.holder, grant->holder);
        event_add_text(txn, context, "lease.granted", "lease", grant->name, "holder", grant->holder, NULL);
    }
    lease_write(txn, context, grant->name, &lease, grant->ttl_ms);
    ttl_write(txn, grant->name, grant->ttl_ms);
    fill_result(txn, &lease, grant->ttl_ms, out_result);
    return STATUS_OK;
}

enum status cluster_lease_renew(struct kv_txn *txn, const struct kv_context *context,
                                const Pb__OpLeaseRenew *renew, Pb__OperationResult *out_result,
                                struct error *error)
{
    struct lease lease;
    bool held = lease_read(txn, renew->name, &lease);
    if (!held || strcmp(lease.holder, renew->holder) != 0 || lease.fence != renew->fence) {
        MARK("cluster_lease.renewal_by_another");
        return error_set(error, STATUS_CONFLICT, "%.128s does not hold lease %.128s under fence %llu",
                         renew->holder, renew->name, (unsigned long long)renew->fence);
    }
    uint64_t ttl_ms = ttl_read(txn, renew->name);
    lease_write(txn, context, renew->name, &lease, ttl_ms);
    fill_result(txn, &lease, ttl_ms, out_result);
    return STATUS_OK;
}

/* Records bound to a lease go with it. */
static void lease_end(struct kv_txn *txn, const struct kv_context *context, const char *name,
                      const char *holder, const char *event)
{
    char key[CLUSTER_KEY_SIZE];
    cluster_key_lease(key, name);
    (void)kv_txn_delete(txn, key);
    cluster_key_lease_ttl(key, name);
    (void)kv_txn_delete(txn, key);
    kv_txn_delete_leased(txn, name);
    event_add_text(txn, context, event, "lease", name, "holder", holder, NULL);
}

enum status cluster_lease_revoke(struct kv_txn *txn, const struct kv_context *context,
                                 const Pb__OpLeaseRevoke *revoke, struct error *error)
{
    struct lease lease;
    if (!lease_read(txn, revoke->name, &lease)) {
        return error_set(error, STATUS_NOT_FOUND, "nobody holds lease %.128s", revoke->name);
    }
    if (revoke->holder[0] != '\0' && strcmp(lease.holder, revoke->holder) != 0) {
        return error_set(error, STATUS_CONFLICT, "lease %s is held by %s, not by %.128s", revoke->name,
                         lease.holder, revoke->holder);
    }
    lease_end(txn, context, revoke->name, lease.holder, "lease.released");
    return STATUS_OK;
}

enum status cluster_lease_expire(struct kv_txn *txn, const struct kv_context *context,
                                 const Pb__OpLeaseExpire *expire, struct error *error)
{
    (void)error;
    struct lease lease;
    bool unrenewed = lease_read(txn, expire->name, &lease) &&
                     (lease.revision == expire->revision || PLANTED("cluster_lease.renewed_one_expires"));
    if (unrenewed) lease_end(txn, context, expire->name, lease.holder, "lease.expired");
    return STATUS_OK;
}

/* --- new leaders ---------------------------------------------------------------------------------------- */

/* The indices of the last no-ops, oldest first, this one included. Returns how many. */
static size_t no_ops_push(struct kv_txn *txn, uint64_t index, uint64_t out_indices[CLUSTER_NO_OPS_KEPT])
{
    struct value *before = document_get(txn, NO_OPS_KEY);
    const struct value *kept = value_get(before, "indices");
    struct value *after = value_new_array();
    size_t have = value_size(kept);
    size_t skip = have >= CLUSTER_NO_OPS_KEPT ? have - (CLUSTER_NO_OPS_KEPT - 1) : 0;
    size_t count = 0;
    for (size_t i = skip; i < have; i++) {
        int64_t number = 0;
        (void)value_integer(value_at(kept, i), &number);
        out_indices[count++] = (uint64_t)number;
        value_append(after, value_new_integer(number));
    }
    out_indices[count++] = index;
    value_append(after, value_new_integer((int64_t)index));
    struct value *record = value_new_object();
    value_set(record, "indices", after);
    document_put(txn, NO_OPS_KEY, &record);
    value_free(&before);
    return count;
}

struct stale_leases {
    struct kv_txn *txn;
    const struct kv_context *context;
    uint64_t before;
};

static bool expire_if_stale(void *context, const struct kv_record *record)
{
    struct stale_leases *stale = context;
    struct lease lease;
    const char *name = record->key + strlen(LEASES_PREFIX);
    if (record->revision >= stale->before || !lease_read(stale->txn, name, &lease)) return true;
    MARK("cluster_lease.outlived_three_leaders");
    lease_end(stale->txn, stale->context, name, lease.holder, "lease.expired");
    return true;
}

void cluster_lease_no_op(struct kv_txn *txn, const struct kv_context *context)
{
    uint64_t indices[CLUSTER_NO_OPS_KEPT];
    if (no_ops_push(txn, context->revision, indices) < CLUSTER_NO_OPS_KEPT) return;
    struct stale_leases stale = { txn, context, indices[0] };
    kv_txn_scan(txn, LEASES_PREFIX, expire_if_stale, &stale);
}
