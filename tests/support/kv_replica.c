/* kv_replica: see the header. */
#include "tests/support/kv_replica.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/base/memory.h"
#include "tests/support/commands.h"

#include <stdio.h>
#include <string.h>

static void grow(struct kv_txn *txn)
{
    char *value = memory_zalloc(KV_VALUE_MAX + 1);
    kv_txn_put(txn, "grown", value, KV_VALUE_MAX + 1, "");
    memory_free(value);
}

static enum status plain_put(struct kv_txn *txn, const struct kv_context *context, const Pb__OpPut *put,
                             struct error *error)
{
    (void)context;
    if (strcmp(put->key, "forbidden") == 0) return error_set(error, STATUS_DENIED, "forbidden it is");
    kv_txn_put(txn, put->key, put->value.data, put->value.len, put->lease);
    if (strcmp(put->key, "grow") == 0 && put->value.data[0] == '2') grow(txn);
    return STATUS_OK;
}

static enum status plain_delete(struct kv_txn *txn, const struct kv_context *context, const char *key,
                                struct error *error)
{
    (void)context, (void)error;
    (void)kv_txn_delete(txn, key);
    return STATUS_OK;
}

/* Echoes the first and last key under "k/", to see them through the staged view. */
static enum status plain_operation(struct kv_txn *txn, const struct kv_context *context,
                                   const Pb__Operation *operation, Pb__OperationResult *out_result,
                                   struct error *error)
{
    (void)context, (void)operation, (void)error;
    const struct kv_record *first = kv_txn_first(txn, "k/");
    const struct kv_record *last = kv_txn_last(txn, "k/");
    out_result->holder =
        arena_printf(kv_txn_arena(txn), "%s %s", first ? first->key : "-", last ? last->key : "-");
    return STATUS_OK;
}

const struct kv_rules kv_replica_rules = { .put = plain_put,
                                           .delete_key = plain_delete,
                                           .operation = plain_operation };

int kv_replica_set_up(void **state)
{
    struct kv_replica *replica = memory_zalloc(sizeof *replica);
    replica->kv = kv_create(&kv_replica_rules);
    replica->term = 1;
    *state = replica;
    return 0;
}

int kv_replica_tear_down(void **state)
{
    struct kv_replica *replica = *state;
    uint8_t kept[16];
    uint8_t scanned[16];
    kv_state_hash(replica->kv, kept);
    kv_state_hash_scan(replica->kv, scanned);
    assert_memory_equal(kept, scanned, sizeof kept); /* D2 holds after every test. */
    kv_destroy(&replica->kv);
    arena_fini(&replica->arena);
    memory_free(replica);
    return 0;
}

const Pb__ProposeReply *kv_replica_apply(struct kv_replica *replica, const Pb__Command *command)
{
    struct raft_entry entry = commands_entry(++replica->index, replica->term, command);
    kv_apply(replica->kv, &entry, &replica->outcome);
    bytes_unref(&entry.payload);
    return replica->outcome.reply;
}

const Pb__ProposeReply *kv_replica_put(struct kv_replica *replica, const char *key, const char *value)
{
    return kv_replica_apply(replica, commands_put(&replica->arena, key, value));
}

/* "key=value@revision " for each record. */
struct listing {
    char text[4096];
};

bool kv_replica_list_record(void *context, const struct kv_record *record)
{
    struct listing *listing = context;
    size_t used = strlen(listing->text);
    (void)snprintf(listing->text + used, sizeof listing->text - used, "%s=%.*s@%llu ", record->key,
                   (int)record->value_size, (const char *)record->value,
                   (unsigned long long)record->revision);
    return true;
}

const char *kv_replica_list(const struct kv_replica *replica, const struct kv_range *range, bool *out_more)
{
    static struct listing listing;
    struct error error;
    bool more = false;
    listing.text[0] = '\0';
    assert_int_equal(kv_scan(replica->kv, range, kv_replica_list_record, &listing, &more, &error), STATUS_OK);
    if (out_more != NULL) *out_more = more;
    return listing.text;
}

const char *kv_replica_list_prefix(const struct kv_replica *replica, const char *prefix, uint64_t at)
{
    return kv_replica_list(replica, &(struct kv_range){ .key = prefix, .prefix = true, .at = at }, NULL);
}

const Pb__ProposeReply *kv_replica_delete_prefix(struct kv_replica *replica, const char *prefix)
{
    Pb__Command *command = commands_new(&replica->arena);
    Pb__Operation *operation = commands_add(&replica->arena, command);
    operation->op_case = PB__OPERATION__OP_DELETE_PREFIX;
    operation->delete_prefix = arena_alloc(&replica->arena, sizeof *operation->delete_prefix);
    pb__op_delete_prefix__init(operation->delete_prefix);
    operation->delete_prefix->prefix = arena_strdup(&replica->arena, prefix);
    return kv_replica_apply(replica, command);
}

uint64_t kv_replica_open_session(struct kv_replica *replica)
{
    Pb__Command *command = commands_new(&replica->arena);
    Pb__Operation *operation = commands_add(&replica->arena, command);
    operation->op_case = PB__OPERATION__OP_SESSION_OPEN;
    operation->session_open = arena_alloc(&replica->arena, sizeof *operation->session_open);
    pb__op_session_open__init(operation->session_open);
    operation->session_open->client = arena_strdup(&replica->arena, "test");
    const Pb__ProposeReply *reply = kv_replica_apply(replica, command);
    assert_int_equal(reply->results[0]->value, reply->revision);
    return reply->revision;
}

bool kv_replica_see(void *context, uint64_t revision, const struct kv_change *changes, uint32_t count)
{
    struct kv_replica_seen *seen = context;
    assert_true(count > 0);
    assert_non_null(changes);
    if (seen->count++ == 0) seen->first = revision;
    assert_true(revision > seen->last);
    seen->last = revision;
    return true;
}
