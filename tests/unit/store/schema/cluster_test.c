/* Goal: who may write what (A5), what becomes of nodes (A7), leases (A3) and events, in the entry itself.
 * Method: the real rules on the live state, entries by hand; slices of a node are written through force. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/base/memory.h"
#include "store/kv.h"
#include "store/schema/event.h"
#include "store/schema/rules.h"
#include "tests/support/commands.h"
#include "wire/json/value.h"
#include "wire/proto/codec.h"

#include <stdio.h>
#include <string.h>

struct fixture {
    struct kv *kv;
    struct arena arena;
    log_index index;
    log_term term;
    struct kv_outcome outcome;
};

static int set_up(void **state)
{
    struct fixture *fixture = memory_zalloc(sizeof *fixture);
    fixture->kv = kv_create(&schema_rules);
    fixture->term = 1;
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    kv_destroy(&fixture->kv);
    arena_fini(&fixture->arena);
    memory_free(fixture);
    return 0;
}

static const Pb__ProposeReply *apply(struct fixture *fixture, const Pb__Command *command)
{
    struct raft_entry entry = commands_entry(++fixture->index, fixture->term, command);
    kv_apply(fixture->kv, &entry, &fixture->outcome);
    bytes_unref(&entry.payload);
    return fixture->outcome.reply;
}

static enum status status_of(struct fixture *fixture, Pb__Command *command, Pb__Origin origin)
{
    command->origin = origin;
    if (origin == PB__ORIGIN__ORIGIN_MANAGER) command->leader_term = fixture->term;
    return (enum status)apply(fixture, command)->status;
}

static void no_op(struct fixture *fixture)
{
    struct raft_entry entry = commands_no_op(++fixture->index, ++fixture->term);
    kv_apply(fixture->kv, &entry, &fixture->outcome);
}

/* An operation of this case, with its body made. */
#define OPERATION(fixture, command, CASE, field, stem)                                                       \
    Pb__Operation *operation = commands_add(&(fixture)->arena, (command));                                   \
    operation->op_case = PB__OPERATION__OP_##CASE;                                                           \
    operation->field = codec_create(&(fixture)->arena, &pb__##stem##__descriptor)

static char *text(struct fixture *fixture, const char *string)
{
    return arena_strdup(&fixture->arena, string);
}

static struct value *parse(const struct fixture *fixture, const char *key)
{
    const struct kv_record *record = kv_get(fixture->kv, key);
    struct value *value = NULL;
    if (record == NULL) return NULL;
    assert_int_equal(value_parse_json((const char *)record->value, record->value_size, &value, NULL),
                     STATUS_OK);
    return value;
}

static void assert_json(const struct fixture *fixture, const char *key, const char *json)
{
    const struct kv_record *record = kv_get(fixture->kv, key);
    assert_non_null(record);
    assert_int_equal(record->value_size, strlen(json));
    assert_memory_equal(record->value, json, strlen(json));
}

static void assert_member(const struct fixture *fixture, const char *key, const char *name,
                          const char *wanted)
{
    struct value *value = parse(fixture, key);
    assert_string_equal(value_get_string(value, name, "(none)"), wanted);
    value_free(&value);
}

/* "node.started node.lost ...": all events that are kept. */
static bool add_type(void *context, const struct kv_record *record)
{
    char *types = context;
    struct value *value = NULL;
    assert_int_equal(value_parse_json((const char *)record->value, record->value_size, &value, NULL),
                     STATUS_OK);
    (void)strcat(types, value_get_string(value, "type", "?"));
    (void)strcat(types, " ");
    value_free(&value);
    return true;
}
static const char *event_types(const struct fixture *fixture)
{
    static char types[4096];
    bool more = false;
    types[0] = '\0';
    struct kv_range range = { .key = EVENT_KEY_PREFIX, .prefix = true };
    assert_int_equal(kv_scan(fixture->kv, &range, add_type, types, &more, NULL), STATUS_OK);
    return types;
}

/* --- origins ----------------------------------------------------------------------------------------------
 */

static void clients_may_not_write_what_the_cluster_keeps(void **state)
{
    struct fixture *fixture = *state;
    static const char *const keys[] = { "blueprints/a",
                                        "blueprint-history/a/1",
                                        "allocations/g:a:1/n",
                                        "slices/n/g:a:1",
                                        "endpoints/g:a:1/e:1",
                                        "nodes/n",
                                        "leases/l",
                                        "events/1",
                                        "audit/1",
                                        "config/no-ops",
                                        "config/leases/l",
                                        "config/exclusions/g:a:1/n" };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        Pb__Command *command = commands_put(&fixture->arena, keys[i], "{}");
        assert_int_equal(status_of(fixture, command, PB__ORIGIN__ORIGIN_CLIENT), STATUS_DENIED);
        assert_non_null(strstr(fixture->outcome.reply->hint, "--force"));
        command = commands_delete(&fixture->arena, keys[i]);
        assert_int_equal(status_of(fixture, command, PB__ORIGIN__ORIGIN_CLIENT), STATUS_DENIED);
        assert_null(kv_get(fixture->kv, keys[i]));
    }
    Pb__Command *command = commands_put(&fixture->arena, "app/colour", "red");
    assert_int_equal(status_of(fixture, command, PB__ORIGIN__ORIGIN_CLIENT), STATUS_OK);
    command = commands_put(&fixture->arena, "nodesque", "red");
    assert_int_equal(status_of(fixture, command, PB__ORIGIN__ORIGIN_CLIENT), STATUS_OK);
    assert_int_equal(status_of(fixture, command, PB__ORIGIN__ORIGIN_UNSPECIFIED), STATUS_INVALID);
}

static void force_writes_but_what_is_derived(void **state)
{
    struct fixture *fixture = *state;
    Pb__Command *command = commands_put(&fixture->arena, "nodes/n", "{\"state\":\"DRAINING\"}");
    assert_int_equal(status_of(fixture, command, PB__ORIGIN__ORIGIN_FORCED), STATUS_OK);
    command = commands_put(&fixture->arena, "nodes/n", "no JSON");
    assert_int_equal(status_of(fixture, command, PB__ORIGIN__ORIGIN_FORCED), STATUS_INVALID);
    command = commands_put(&fixture->arena, "events/0000000000000001", "{}");
    assert_int_equal(status_of(fixture, command, PB__ORIGIN__ORIGIN_FORCED), STATUS_DENIED);
    command = commands_delete(&fixture->arena, "config/alarms/no-space/n");
    assert_int_equal(status_of(fixture, command, PB__ORIGIN__ORIGIN_FORCED), STATUS_DENIED);
}

static void managers_name_their_term(void **state) /* A5 */
{
    struct fixture *fixture = *state;
    Pb__Command *command = commands_put(&fixture->arena, "config/x", "{}");
    command->origin = PB__ORIGIN__ORIGIN_MANAGER;
    assert_int_equal(apply(fixture, command)->status, STATUS_DENIED);
    command->leader_term = 1;
    assert_int_equal(apply(fixture, command)->status, STATUS_OK);
    fixture->term = 2;
    assert_int_equal(apply(fixture, command)->status, STATUS_CONFLICT);
}

/* --- nodes: A7 --------------------------------------------------------------------------------------------
 */

static enum status start_with(struct fixture *fixture, const char *node, uint64_t incarnation,
                              const char *facts)
{
    Pb__Command *command = commands_new(&fixture->arena);
    OPERATION(fixture, command, NODE_STARTED, node_started, op_node_started);
    operation->node_started->node = text(fixture, node);
    operation->node_started->incarnation = incarnation;
    operation->node_started->facts.data = (uint8_t *)text(fixture, facts);
    operation->node_started->facts.len = strlen((char *)operation->node_started->facts.data);
    command->node = text(fixture, node);
    return status_of(fixture, command, PB__ORIGIN__ORIGIN_NODE);
}

static enum status start(struct fixture *fixture, const char *node, uint64_t incarnation)
{
    return start_with(fixture, node, incarnation,
                      "{\"address\":\"tcp://127.0.0.1:7400\",\"labels\":{\"zone\":\"eu-1\"},\"zone\":"
                      "\"eu-1\",\"role\":\"voter\",\"more\":1}");
}

static enum status lose(struct fixture *fixture, const char *node, uint64_t incarnation)
{
    Pb__Command *command = commands_new(&fixture->arena);
    OPERATION(fixture, command, NODE_LOST, node_lost, op_node_lost);
    operation->node_lost->node = text(fixture, node);
    operation->node_lost->incarnation = incarnation;
    return status_of(fixture, command, PB__ORIGIN__ORIGIN_MANAGER);
}

static enum status set_presence(struct fixture *fixture, const char *node, uint64_t incarnation,
                                const char *presence)
{
    Pb__Command *command = commands_new(&fixture->arena);
    OPERATION(fixture, command, NODE_PRESENCE, node_presence, op_node_presence);
    operation->node_presence->node = text(fixture, node);
    operation->node_presence->incarnation = incarnation;
    operation->node_presence->presence = text(fixture, presence);
    return status_of(fixture, command, PB__ORIGIN__ORIGIN_MANAGER);
}

static enum status say_space(struct fixture *fixture, const char *node, uint64_t incarnation, bool low)
{
    Pb__Command *command = commands_new(&fixture->arena);
    OPERATION(fixture, command, NODE_SPACE, node_space, op_node_space);
    operation->node_space->low = low;
    operation->node_space->free = 60000000;
    operation->node_space->mark = UINT64_C(64) * 1024 * 1024;
    operation->node_space->place = text(fixture, "disk");
    command->node = text(fixture, node);
    command->incarnation = incarnation;
    return status_of(fixture, command, PB__ORIGIN__ORIGIN_NODE);
}

static enum status put_as(struct fixture *fixture, const char *key, const char *value, Pb__Origin origin)
{
    return status_of(fixture, commands_put(&fixture->arena, key, value), origin);
}

static void a_node_starts_with_exactly_these_fields(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(start(fixture, "node-1", 7), STATUS_OK);
    assert_json(
        fixture, "nodes/node-1",
        "{\"state\":\"ON_DUTY\",\"presence\":\"UP\",\"incarnation\":7,\"address\":\"tcp://127.0.0.1:7400\","
        "\"public-key\":\"\",\"labels\":{\"zone\":\"eu-1\"},\"zone\":\"eu-1\",\"capacity\":{},"
        "\"protocol\":[1,1],\"role\":\"voter\"}");
    assert_json(
        fixture, "events/0000000000000001",
        "{\"index\":1,\"timestamp\":1000001,\"revision\":1,\"type\":\"node.started\",\"node\":\"node-1\","
        "\"incarnation\":7}");
}

/* What a client goes to when its own node is silent: of a node that says it, and of no other. */
static void a_node_tells_where_its_clients_connect(void **state)
{
    struct fixture *fixture = *state;
    const char *facts = "{\"client-address\":\"tcp://127.0.0.1:7401\"}";
    assert_int_equal(start_with(fixture, "node-1", 7, facts), STATUS_OK);
    assert_json(fixture, "nodes/node-1",
                "{\"state\":\"ON_DUTY\",\"presence\":\"UP\",\"incarnation\":7,\"address\":\"\","
                "\"public-key\":\"\",\"labels\":{},\"zone\":\"\",\"capacity\":{},\"protocol\":[1,1],"
                "\"role\":\"voter\",\"client-address\":\"tcp://127.0.0.1:7401\"}");
    assert_int_equal(start(fixture, "node-1", 8),
                     STATUS_OK); /* One that doesn't: what was said before goes. */
    assert_member(fixture, "nodes/node-1", "client-address", "(none)");
}

static void incarnations_only_rise(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(start(fixture, "n", 7), STATUS_OK);
    assert_int_equal(start(fixture, "n", 7), STATUS_OK); /* The same command again. */
    assert_int_equal(kv_get(fixture->kv, "nodes/n")->version, 1);
    assert_int_equal(start(fixture, "n", 6), STATUS_CONFLICT);
    assert_int_equal(start(fixture, "n", 8), STATUS_OK);
    assert_int_equal(start(fixture, "../n", 9), STATUS_INVALID);
    assert_int_equal(start(fixture, "", 9), STATUS_INVALID);
    assert_int_equal(start(fixture, "m", UINT64_C(1) << 53), STATUS_CONFLICT);
}

static void a_draining_node_stays_so_over_a_restart(void **state)
{
    struct fixture *fixture = *state;
    Pb__Command *command = commands_put(&fixture->arena, "nodes/n", "{\"state\":\"DRAINING\"}");
    assert_int_equal(status_of(fixture, command, PB__ORIGIN__ORIGIN_FORCED), STATUS_OK);
    assert_int_equal(start(fixture, "n", 1), STATUS_OK);
    assert_member(fixture, "nodes/n", "state", "DRAINING");
}

static void presence_follows_the_current_incarnation_only(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(start(fixture, "n", 7), STATUS_OK);
    assert_int_equal(set_presence(fixture, "n", 6, "SUSPECT"), STATUS_OK);
    assert_member(fixture, "nodes/n", "presence", "UP");
    assert_int_equal(set_presence(fixture, "n", 7, "SUSPECT"), STATUS_OK);
    assert_member(fixture, "nodes/n", "presence", "SUSPECT");
    assert_int_equal(set_presence(fixture, "n", 7, "SUSPECT"), STATUS_OK); /* No second event. */
    assert_int_equal(set_presence(fixture, "n", 7, "UP"), STATUS_OK);
    assert_int_equal(set_presence(fixture, "n", 7, "LOST"), STATUS_INVALID);
    assert_int_equal(lose(fixture, "n", 6), STATUS_OK);
    assert_member(fixture, "nodes/n", "presence", "UP");
    assert_int_equal(lose(fixture, "n", 7), STATUS_OK);
    assert_member(fixture, "nodes/n", "presence", "LOST");
    assert_int_equal(set_presence(fixture, "n", 7, "UP"), STATUS_OK); /* Too late: it must start anew. */
    assert_member(fixture, "nodes/n", "presence", "LOST");
    assert_int_equal(start(fixture, "n", 7), STATUS_CONFLICT);
    assert_int_equal(start(fixture, "n", 8), STATUS_OK);
    assert_member(fixture, "nodes/n", "presence", "UP");
    assert_string_equal(event_types(fixture), "node.started node.suspect node.up node.lost node.started ");
}

#define SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

/* One instance of g:a:1 on node n, with its record in state LOAD. */
static void place_instance(struct fixture *fixture, uint64_t incarnation)
{
    static const char allocation[] =
        "{\"assigned\":1,\"instances\":[{\"instance\":1,\"rev\":0,\"attempt\":0}],\"desired\":\"ACTIVE\","
        "\"blueprint\":\"b\",\"sha256\":\"" SHA256 "\","
        "\"timestamp\":1}";
    Pb__Command *command = commands_put(&fixture->arena, "blueprints/b",
                                        "{\"slices\":[{\"artifact\":\"g:a:1\",\"instances\":1,"
                                        "\"sha256\":\"" SHA256 "\"}],\"timestamp\":1}");
    assert_int_equal(status_of(fixture, command, PB__ORIGIN__ORIGIN_MANAGER), STATUS_OK);
    command = commands_put(&fixture->arena, "allocations/g:a:1/n", allocation);
    assert_int_equal(status_of(fixture, command, PB__ORIGIN__ORIGIN_MANAGER), STATUS_OK);
    uint64_t revision = fixture->outcome.reply->revision;
    command = commands_new(&fixture->arena);
    OPERATION(fixture, command, SLICE_FACT, slice_fact, op_slice_fact);
    operation->slice_fact->artifact = text(fixture, "g:a:1");
    operation->slice_fact->instance = 1;
    operation->slice_fact->state = text(fixture, "LOAD");
    operation->slice_fact->allocation_revision = revision;
    command->node = text(fixture, "n");
    command->incarnation = incarnation;
    assert_int_equal(status_of(fixture, command, PB__ORIGIN__ORIGIN_SYSTEM), STATUS_DENIED);
    assert_int_equal(status_of(fixture, command, PB__ORIGIN__ORIGIN_NODE), STATUS_OK);
    assert_non_null(kv_get(fixture->kv, "slices/n/g:a:1"));
}

static void a_lost_or_new_node_has_no_records(void **state) /* A7, DEP3, DEP9 */
{
    struct fixture *fixture = *state;
    assert_int_equal(start(fixture, "n", 2), STATUS_OK);
    place_instance(fixture, 2);
    assert_int_equal(lose(fixture, "n", 2), STATUS_OK);
    assert_null(kv_get(fixture->kv, "slices/n/g:a:1"));
    assert_int_equal(start(fixture, "n", 4), STATUS_OK);
    place_instance(fixture, 4);
    assert_int_equal(start(fixture, "n", 5), STATUS_OK);
    assert_null(kv_get(fixture->kv, "slices/n/g:a:1"));
    assert_member(fixture, "nodes/n", "presence", "UP");
}

static void a_node_writes_as_its_current_incarnation(void **state) /* A7, DEP9 */
{
    struct fixture *fixture = *state;
    assert_int_equal(start(fixture, "n", 7), STATUS_OK);
    Pb__Command *command = commands_put(&fixture->arena, "app/n", "1");
    command->node = text(fixture, "n");
    command->incarnation = 6;
    assert_int_equal(status_of(fixture, command, PB__ORIGIN__ORIGIN_NODE), STATUS_CONFLICT);
    command->incarnation = 7;
    assert_int_equal(status_of(fixture, command, PB__ORIGIN__ORIGIN_NODE), STATUS_OK);
    assert_int_equal(lose(fixture, "n", 7), STATUS_OK);
    assert_int_equal(status_of(fixture, command, PB__ORIGIN__ORIGIN_NODE), STATUS_CONFLICT);
    command = commands_put(&fixture->arena, "nodes/m", "{}");
    command->node = text(fixture, "n");
    assert_int_equal(start(fixture, "n", 8), STATUS_OK);
    command->incarnation = 8;
    assert_int_equal(status_of(fixture, command, PB__ORIGIN__ORIGIN_NODE), STATUS_DENIED);
}

/* --- leases: A3 -------------------------------------------------------------------------------------------
 */

static const Pb__ProposeReply *grant(struct fixture *fixture, const char *holder, uint64_t ttl_ms)
{
    Pb__Command *command = commands_new(&fixture->arena);
    OPERATION(fixture, command, LEASE_GRANT, lease_grant, op_lease_grant);
    operation->lease_grant->name = text(fixture, "agent");
    operation->lease_grant->holder = text(fixture, holder);
    operation->lease_grant->ttl_ms = ttl_ms;
    return apply(fixture, command);
}

static enum status renew(struct fixture *fixture, const char *holder, uint64_t fence)
{
    Pb__Command *command = commands_new(&fixture->arena);
    OPERATION(fixture, command, LEASE_RENEW, lease_renew, op_lease_renew);
    operation->lease_renew->name = text(fixture, "agent");
    operation->lease_renew->holder = text(fixture, holder);
    operation->lease_renew->fence = fence;
    return (enum status)apply(fixture, command)->status;
}

static enum status expire(struct fixture *fixture, uint64_t revision, Pb__Origin origin)
{
    Pb__Command *command = commands_new(&fixture->arena);
    OPERATION(fixture, command, LEASE_EXPIRE, lease_expire, op_lease_expire);
    operation->lease_expire->name = text(fixture, "agent");
    operation->lease_expire->revision = revision;
    return status_of(fixture, command, origin);
}

static enum status revoke(struct fixture *fixture, const char *holder)
{
    Pb__Command *command = commands_new(&fixture->arena);
    OPERATION(fixture, command, LEASE_REVOKE, lease_revoke, op_lease_revoke);
    operation->lease_revoke->name = text(fixture, "agent");
    operation->lease_revoke->holder = text(fixture, holder);
    return (enum status)apply(fixture, command)->status;
}

static void a_lease_has_one_holder_and_a_rising_fence(void **state)
{
    struct fixture *fixture = *state;
    const Pb__ProposeReply *reply = grant(fixture, "alice", 30000);
    assert_int_equal(reply->status, STATUS_OK);
    assert_int_equal(reply->results[0]->value, 1);
    assert_json(fixture, "leases/agent", "{\"holder\":\"alice\",\"fence\":1,\"expires\":1030001}");
    assert_json(fixture, "config/leases/agent", "{\"ttl\":30000}");
    reply = grant(fixture, "bob", 30000);
    assert_int_equal(reply->status, STATUS_CONFLICT);
    assert_string_equal(reply->message, "lease agent is held by alice for another 30 s");
    assert_int_equal(grant(fixture, "alice", 60000)->results[0]->value, 1); /* Hers already. */
    assert_int_equal(renew(fixture, "alice", 2), STATUS_CONFLICT);
    assert_int_equal(renew(fixture, "bob", 1), STATUS_CONFLICT);
    assert_int_equal(renew(fixture, "alice", 1), STATUS_OK);
    assert_json(fixture, "leases/agent", "{\"holder\":\"alice\",\"fence\":1,\"expires\":1060006}");
    assert_int_equal(revoke(fixture, "bob"), STATUS_CONFLICT);
    assert_int_equal(revoke(fixture, "alice"), STATUS_OK);
    assert_int_equal(revoke(fixture, ""), STATUS_NOT_FOUND);
    assert_int_equal(grant(fixture, "bob", 30000)->results[0]->value, 10);
    assert_int_equal(grant(fixture, "bob", 1)->status, STATUS_INVALID);
    assert_string_equal(event_types(fixture), "lease.granted lease.released lease.granted ");
}

static void an_expiry_that_a_renewal_overtook_is_ignored(void **state) /* K8 */
{
    struct fixture *fixture = *state;
    grant(fixture, "alice", 30000);
    assert_int_equal(renew(fixture, "alice", 1), STATUS_OK);
    assert_int_equal(expire(fixture, 1, PB__ORIGIN__ORIGIN_MANAGER), STATUS_OK);
    assert_non_null(kv_get(fixture->kv, "leases/agent"));
    assert_int_equal(expire(fixture, 2, PB__ORIGIN__ORIGIN_CLIENT), STATUS_DENIED);
    assert_int_equal(expire(fixture, 2, PB__ORIGIN__ORIGIN_MANAGER), STATUS_OK);
    assert_null(kv_get(fixture->kv, "leases/agent"));
    assert_null(kv_get(fixture->kv, "config/leases/agent"));
}

static void records_go_with_their_lease(void **state)
{
    struct fixture *fixture = *state;
    Pb__Command *command = commands_put(&fixture->arena, "app/a", "1");
    command->success[0]->put->lease = text(fixture, "agent");
    assert_int_equal(status_of(fixture, command, PB__ORIGIN__ORIGIN_CLIENT), STATUS_CONFLICT);
    grant(fixture, "alice", 30000);
    assert_int_equal(status_of(fixture, command, PB__ORIGIN__ORIGIN_CLIENT), STATUS_OK);
    assert_int_equal(
        status_of(fixture, commands_put(&fixture->arena, "app/b", "1"), PB__ORIGIN__ORIGIN_CLIENT),
        STATUS_OK);
    assert_int_equal(revoke(fixture, ""), STATUS_OK);
    assert_null(kv_get(fixture->kv, "app/a"));
    assert_non_null(kv_get(fixture->kv, "app/b"));
}

/* Bound, then put again without the lease: it stays. Bound by the very entry that ends the lease: it goes. */
static void records_are_bound_by_their_last_put(void **state)
{
    struct fixture *fixture = *state;
    grant(fixture, "alice", 30000);
    Pb__Command *bound = commands_put(&fixture->arena, "app/a", "1");
    bound->success[0]->put->lease = text(fixture, "agent");
    assert_int_equal(status_of(fixture, bound, PB__ORIGIN__ORIGIN_CLIENT), STATUS_OK);
    Pb__Command *freed = commands_put(&fixture->arena, "app/a", "2");
    assert_int_equal(status_of(fixture, freed, PB__ORIGIN__ORIGIN_CLIENT), STATUS_OK);
    Pb__Command *both = commands_put(&fixture->arena, "app/b", "1");
    both->success[0]->put->lease = text(fixture, "agent");
    OPERATION(fixture, both, LEASE_REVOKE, lease_revoke, op_lease_revoke);
    operation->lease_revoke->name = text(fixture, "agent");
    operation->lease_revoke->holder = text(fixture, "");
    assert_int_equal(status_of(fixture, both, PB__ORIGIN__ORIGIN_CLIENT), STATUS_OK);
    assert_non_null(kv_get(fixture->kv, "app/a"));
    assert_null(kv_get(fixture->kv, "app/b"));
}

static void the_fourth_leader_ends_what_nobody_renewed(void **state) /* A3 */
{
    struct fixture *fixture = *state;
    no_op(fixture);
    grant(fixture, "alice", 30000);
    for (int i = 0; i < 3; i++) {
        no_op(fixture);
        assert_non_null(kv_get(fixture->kv, "leases/agent"));
    }
    assert_int_equal(renew(fixture, "alice", 2), STATUS_OK);
    for (int i = 0; i < 3; i++) {
        no_op(fixture);
        assert_non_null(kv_get(fixture->kv, "leases/agent"));
    }
    no_op(fixture);
    assert_null(kv_get(fixture->kv, "leases/agent"));
    assert_string_equal(event_types(fixture), "lease.granted lease.expired ");
}

/* --- events --------------------------------------------------------------------------------------------- */

static enum status add_event(struct fixture *fixture, const char *type, const char *fields, Pb__Origin origin)
{
    Pb__Command *command = commands_new(&fixture->arena);
    OPERATION(fixture, command, EVENT, event, op_event);
    operation->event->type = text(fixture, type);
    operation->event->fields.data = (uint8_t *)text(fixture, fields);
    operation->event->fields.len = strlen(fields);
    return status_of(fixture, command, origin);
}

static void events_are_numbered_and_bounded(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < EVENTS_KEPT + 5; i++) {
        assert_int_equal(
            add_event(fixture, "test.tick", "{\"type\":\"mine\",\"n\":1}", PB__ORIGIN__ORIGIN_SYSTEM),
            STATUS_OK);
    }
    assert_null(kv_get(fixture->kv, "events/0000000000000005"));
    assert_non_null(kv_get(fixture->kv, "events/0000000000000006"));
    assert_json(fixture, "events/0000000000001005",
                "{\"index\":1005,\"timestamp\":1001005,\"revision\":1005,\"type\":\"test.tick\",\"n\":1}");
    assert_int_equal(fixture->outcome.change_count, 2); /* One came, one went, in one entry. */
    assert_int_equal(add_event(fixture, "test.tick", "[]", PB__ORIGIN__ORIGIN_SYSTEM), STATUS_INVALID);
    assert_int_equal(add_event(fixture, "", "{}", PB__ORIGIN__ORIGIN_SYSTEM), STATUS_INVALID);
    assert_int_equal(add_event(fixture, "x", "{}", PB__ORIGIN__ORIGIN_CLIENT), STATUS_DENIED);
}

/* --- the room of the stores: F2 ---------------------------------------------------------------------------
 */

static void a_node_without_room_says_so_once(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(start(fixture, "n1", 7), STATUS_OK);
    assert_int_equal(say_space(fixture, "n1", 6, true), STATUS_CONFLICT); /* A7 */
    assert_int_equal(say_space(fixture, "n1", 7, true), STATUS_OK);
    assert_json(fixture, "config/alarms/no-space/n1",
                "{\"place\":\"disk\",\"free\":60000000,\"mark\":67108864,\"timestamp\":1000003}");
    assert_int_equal(say_space(fixture, "n1", 7, true), STATUS_OK);
    assert_int_equal(kv_get(fixture->kv, "config/alarms/no-space/n1")->version, 1);
    assert_int_equal(say_space(fixture, "n1", 7, false), STATUS_OK);
    assert_int_equal(say_space(fixture, "n1", 7, false), STATUS_OK);
    assert_null(kv_get(fixture->kv, "config/alarms/no-space/n1"));
    assert_string_equal(event_types(fixture), "node.started node.no_space node.space_again ");
}

static void an_alarm_leaves_deletes_and_the_clusters_own(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(start(fixture, "n1", 7), STATUS_OK);
    assert_int_equal(put_as(fixture, "app/colour", "red", PB__ORIGIN__ORIGIN_CLIENT), STATUS_OK);
    assert_int_equal(say_space(fixture, "n1", 7, true), STATUS_OK);
    assert_int_equal(put_as(fixture, "app/colour", "blue", PB__ORIGIN__ORIGIN_CLIENT), STATUS_OVERLOADED);
    assert_string_equal(fixture->outcome.reply->message,
                        "n1 has less than 64 MiB free on its disk: only deletes are taken");
    assert_non_null(strstr(fixture->outcome.reply->hint, "aether node remove n1"));
    assert_int_equal(fixture->outcome.change_count, 0);
    assert_int_equal(put_as(fixture, "nodes/n2", "{}", PB__ORIGIN__ORIGIN_FORCED), STATUS_OVERLOADED);
    const char *blueprint = "{\"slices\":[]}";
    assert_int_equal(put_as(fixture, "blueprints/b", blueprint, PB__ORIGIN__ORIGIN_MANAGER),
                     STATUS_OVERLOADED);
    Pb__Command *both = commands_delete(&fixture->arena, "app/colour"); /* All or nothing (A1). */
    (void)commands_add_put(&fixture->arena, both, "app/shape", "round");
    assert_int_equal(status_of(fixture, both, PB__ORIGIN__ORIGIN_CLIENT), STATUS_OVERLOADED);
    assert_non_null(kv_get(fixture->kv, "app/colour"));

    Pb__Command *delete = commands_delete(&fixture->arena, "app/colour");
    assert_int_equal(status_of(fixture, delete, PB__ORIGIN__ORIGIN_CLIENT), STATUS_OK);
    assert_null(kv_get(fixture->kv, "app/colour"));
    assert_int_equal(start(fixture, "n2", 3), STATUS_OK);
    assert_int_equal(set_presence(fixture, "n2", 3, "SUSPECT"), STATUS_OK);
    assert_int_equal(put_as(fixture, "config/x", "{}", PB__ORIGIN__ORIGIN_SYSTEM), STATUS_OK);
    no_op(fixture);
    assert_int_equal(say_space(fixture, "n1", 7, false), STATUS_OK);
    assert_int_equal(put_as(fixture, "app/colour", "blue", PB__ORIGIN__ORIGIN_CLIENT), STATUS_OK);
}

static void an_alarm_goes_with_its_node(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(start(fixture, "n1", 7), STATUS_OK);
    assert_int_equal(say_space(fixture, "n1", 7, true), STATUS_OK);
    assert_int_equal(lose(fixture, "n1", 7), STATUS_OK); /* Nothing is written there. */
    assert_int_equal(put_as(fixture, "app/colour", "red", PB__ORIGIN__ORIGIN_CLIENT), STATUS_OK);
    assert_int_equal(say_space(fixture, "n1", 7, true), STATUS_CONFLICT);
    assert_int_equal(start(fixture, "n1", 8), STATUS_OK);
    assert_int_equal(say_space(fixture, "n1", 8, true), STATUS_OK);
    assert_int_equal(start(fixture, "n1", 9), STATUS_OK); /* A start makes no room. */
    assert_int_equal(put_as(fixture, "app/colour", "red", PB__ORIGIN__ORIGIN_CLIENT), STATUS_OVERLOADED);
    Pb__Command *command = commands_new(&fixture->arena);
    OPERATION(fixture, command, NODE_CHANGE, node_change, op_node_change);
    operation->node_change->node = text(fixture, "n1");
    operation->node_change->gone = true;
    assert_int_equal(status_of(fixture, command, PB__ORIGIN__ORIGIN_MANAGER), STATUS_OK);
    assert_null(kv_get(fixture->kv, "config/alarms/no-space/n1"));
    assert_int_equal(put_as(fixture, "app/colour", "red", PB__ORIGIN__ORIGIN_CLIENT), STATUS_OK);
}

static void one_of_two_alarms_is_enough(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(start(fixture, "n1", 7), STATUS_OK);
    assert_int_equal(start(fixture, "n2", 7), STATUS_OK);
    assert_int_equal(say_space(fixture, "n1", 7, true), STATUS_OK);
    assert_int_equal(say_space(fixture, "n2", 7, true), STATUS_OK);
    assert_int_equal(say_space(fixture, "n1", 7, false), STATUS_OK);
    assert_int_equal(put_as(fixture, "app/colour", "red", PB__ORIGIN__ORIGIN_CLIENT), STATUS_OVERLOADED);
    assert_non_null(strstr(fixture->outcome.reply->message, "n2 has"));
    Pb__Command *delete = commands_delete(&fixture->arena, "nodes/n2");
    assert_int_equal(status_of(fixture, delete, PB__ORIGIN__ORIGIN_FORCED), STATUS_OK);
    assert_int_equal(put_as(fixture, "app/colour", "red", PB__ORIGIN__ORIGIN_CLIENT), STATUS_OK);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(clients_may_not_write_what_the_cluster_keeps),
        TEST(force_writes_but_what_is_derived),
        TEST(managers_name_their_term),
        TEST(a_node_starts_with_exactly_these_fields),
        TEST(a_node_tells_where_its_clients_connect),
        TEST(incarnations_only_rise),
        TEST(a_draining_node_stays_so_over_a_restart),
        TEST(presence_follows_the_current_incarnation_only),
        TEST(a_lost_or_new_node_has_no_records),
        TEST(a_node_writes_as_its_current_incarnation),
        TEST(a_lease_has_one_holder_and_a_rising_fence),
        TEST(an_expiry_that_a_renewal_overtook_is_ignored),
        TEST(records_go_with_their_lease),
        TEST(records_are_bound_by_their_last_put),
        TEST(the_fourth_leader_ends_what_nobody_renewed),
        TEST(events_are_numbered_and_bounded),
        TEST(a_node_without_room_says_so_once),
        TEST(an_alarm_leaves_deletes_and_the_clusters_own),
        TEST(an_alarm_goes_with_its_node),
        TEST(one_of_two_alarms_is_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
