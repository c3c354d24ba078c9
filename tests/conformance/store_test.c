/* Goal: any engine behind the store interface (docs/store_interface.md) does what actors rely on:
 * transactions, reads in time, watches, leases, the role. Method: one suite that talks only the messages of
 * wire/proto/store.proto and wire/local.h, run on two engines: Raft over LMDB (one voter), and plain arrays
 * that share no code with it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "actors/consensus/leader.h"
#include "actors/consensus/log_writer.h"
#include "actors/consensus/proposer.h"
#include "actors/consensus/state.h"
#include "runtime/base/memory.h"
#include "store/schema/rules.h"
#include "tests/support/commands.h"
#include "tests/support/log_fixture.h"
#include "tests/support/memory_engine.h"
#include "tests/support/probe.h"
#include "wire/kinds.h"
#include "wire/local.h"
#include "wire/proto/codec.h"

#include <stdio.h>
#include <string.h>

enum { HEARD_MAX = 64 };

struct world {
    struct scheduler *stepper;
    struct runtime *runtime;
    struct arena arena;
    /* Of the engine. */
    void *log; /* struct log_fixture; NULL: the other one. */
    struct leader_options leader;
    struct log_writer_options log_writer;
    struct state_options state;
    struct proposer_options proposer;
    struct memory_engine *memory;
    /* What our watcher heard. */
    struct actor_id watcher;
    struct message *heard[HEARD_MAX];
    uint32_t heard_count;
    struct role_changed role;
};

/* --- engines ------------------------------------------------------------------------------------- */

/* A watcher is an actor: it passes on what the test has it say, and keeps what it is told. */
static void on_watcher(struct actor *self, void *context, const struct message *message)
{
    struct world *world = context;
    if (message->kind == KIND_ROLE_CHANGED) {
        world->role = *(const struct role_changed *)message->body;
    } else if (message->kind == KIND_STATE_CHANGED) {
        assert_true(world->heard_count < HEARD_MAX);
        world->heard[world->heard_count++] = actor_keep(self);
    } else {
        struct message *order = actor_keep(self);
        bool role = order->kind == KIND_ROLE_SUBSCRIBE;
        struct message *said =
            role ? message_create(KIND_ROLE_SUBSCRIBE, 0) : wire_message_create(order->kind);
        if (order->kind == KIND_STATE_WATCH) {
            const Pb__StateWatch *wish = order->body;
            Pb__StateWatch *watch = said->body;
            watch->prefix = wire_string(said, wish->prefix);
            watch->from_revision = wish->from_revision;
            watch->watch_id = wish->watch_id;
        } else if (!role) {
            ((Pb__StateUnwatch *)said->body)->watch_id = ((const Pb__StateUnwatch *)order->body)->watch_id;
        }
        message_destroy(&order);
        actor_tell_name(self, role ? TO_LEADER : TO_STATE, &said);
    }
}

static void spawn(struct world *world, const struct behavior *behavior, const void *options, uint32_t name)
{
    struct actor_id id;
    struct error error = { 0 };
    struct spawn_options how = { .options = options, .name = name };
    assert_int_equal(runtime_spawn(world->runtime, behavior, &how, &id, &error), STATUS_OK);
}

static bool leads(void *context)
{
    return ((const struct world *)context)->role.leading;
}

static int set_up(void **state, bool on_disk)
{
    static struct world world;
    static const char *const names[] = { "n1" };
    void *fixture = NULL;
    world = (struct world){ .stepper = stepper_create(&(struct stepper_options){ .seed = 1 }) };
    world.runtime = runtime_create(&(struct runtime_options){ .scheduler = world.stepper, .node = "n1" });
    if (on_disk) {
        if (log_fixture_lmdb(&fixture) != 0) return -1;
        struct log *log = ((struct log_fixture *)fixture)->log;
        world.log = fixture;
        world.log_writer = (struct log_writer_options){ .log = log };
        world.state = (struct state_options){ .log = log, .rules = &schema_rules };
        world.leader =
            (struct leader_options){ .node = "n1", .log = log, .bootstrap = names, .bootstrap_count = 1 };
        world.proposer = (struct proposer_options){ .node = "n1" };
        spawn(&world, &log_writer_behavior, &world.log_writer, TO_LOG_WRITER);
        spawn(&world, &state_behavior, &world.state, TO_STATE);
        spawn(&world, &leader_behavior, &world.leader, TO_LEADER);
        spawn(&world, &proposer_behavior, &world.proposer, TO_PROPOSER);
    } else {
        world.memory = memory_engine_create(world.runtime, "n1");
    }
    world.watcher = stub_spawn(world.runtime, 0, on_watcher, &world);
    struct message *subscribe = message_create(KIND_ROLE_SUBSCRIBE, 0);
    probe_tell(world.runtime, world.watcher, &subscribe);
    assert_true(probe_await(world.stepper, leads, &world, SECONDS(10)));
    *state = &world;
    return 0;
}

static int set_up_lmdb(void **state)
{
    return set_up(state, true);
}

static int set_up_memory(void **state)
{
    return set_up(state, false);
}

static int tear_down(void **state)
{
    struct world *world = *state;
    bool stopped = runtime_stop(world->runtime, SECONDS(10));
    for (uint32_t i = 0; i < world->heard_count; i++)
        message_destroy(&world->heard[i]);
    runtime_destroy(&world->runtime);
    scheduler_destroy(&world->stepper);
    arena_fini(&world->arena);
    if (world->memory != NULL) memory_engine_destroy(&world->memory);
    if (world->log != NULL && log_fixture_free(&world->log) != 0) return -1;
    return stopped ? 0 : -1;
}

/* --- what actors say ----------------------------------------------------------------------------- */

/* The answer is the arena's copy: status, revision and results. */
struct outcome {
    enum status status;
    bool held;
    uint64_t revision;
    uint64_t values[4];
    size_t count;
};

static struct outcome propose(struct world *world, Pb__Command *command)
{
    struct message *message = wire_message_create(KIND_PROPOSE_REQUEST);
    size_t size = pb__command__get_packed_size(command);
    uint8_t *packed = arena_alloc(&message->arena, size + 1);
    (void)pb__command__pack(command, packed);
    void *copy = NULL;
    assert_int_equal(codec_unpack(&message->arena, &pb__command__descriptor, packed, size, &copy, NULL),
                     STATUS_OK);
    ((Pb__ProposeRequest *)message->body)->command = copy;
    struct probe_result result = probe_ask_name(world->runtime, TO_PROPOSER, &message, SECONDS(5));
    assert_true(result.completed);
    assert_int_equal(result.status, STATUS_OK);
    const Pb__ProposeReply *reply = result.message->body;
    struct outcome outcome = { .status = status_from_number((int)reply->status),
                               .held = reply->compares_held,
                               .revision = reply->revision,
                               .count = reply->n_results };
    for (size_t i = 0; i < reply->n_results && i < 4; i++)
        outcome.values[i] = reply->results[i]->value;
    message_destroy(&result.message);
    return outcome;
}

static uint64_t put(struct world *world, const char *key, const char *value)
{
    struct outcome outcome = propose(world, commands_put(&world->arena, key, value));
    assert_int_equal(outcome.status, STATUS_OK);
    return outcome.revision;
}

struct wish { /* A KvReadRequest; NULL is "". */
    const char *key;
    bool prefix;
    const char *range_end;
    const char *start_after;
    uint32_t limit;
    bool stale;
    uint64_t after;
    uint64_t at;
};
#define READ(...) (&(struct wish){ __VA_ARGS__ })

static struct probe_result ask_read(struct world *world, const struct wish *wish, int64_t timeout_ns)
{
    struct message *message = wire_message_create(KIND_KV_READ_REQUEST);
    Pb__KvReadRequest *read = message->body;
    read->key = wire_string(message, wish->key);
    read->prefix = wish->prefix;
    read->range_end = wire_string(message, wish->range_end);
    read->start_after = wire_string(message, wish->start_after);
    read->limit = wish->limit;
    read->stale = wish->stale;
    read->after = wish->after;
    read->at = wish->at;
    return probe_ask_name(world->runtime, TO_STATE, &message, timeout_ns);
}

/* "key=value@revision " of each record, and "+" when there is more. */
static const char *read_text(struct world *world, const struct wish *wish)
{
    static char text[1024];
    struct probe_result result = ask_read(world, wish, SECONDS(5));
    text[0] = '\0';
    assert_int_equal(result.status, STATUS_OK);
    const Pb__KvReadReply *reply = result.message->body;
    for (size_t i = 0; i < reply->n_records; i++) {
        const Pb__KvRecord *record = reply->records[i];
        size_t used = strlen(text);
        (void)snprintf(text + used, sizeof text - used, "%s=%.*s ", record->key, (int)record->value.len,
                       (const char *)record->value.data);
    }
    if (reply->more) strcat(text, "+");
    message_destroy(&result.message);
    return text;
}

static void tell_watcher(struct world *world, struct message *message)
{
    probe_tell(world->runtime, world->watcher, &message);
}

static void watch(struct world *world, const char *prefix, uint64_t from, uint64_t id)
{
    struct message *message = wire_message_create(KIND_STATE_WATCH);
    Pb__StateWatch *wish = message->body;
    wish->prefix = wire_string(message, prefix);
    wish->from_revision = from;
    wish->watch_id = id;
    tell_watcher(world, message);
}

static bool heard_enough(void *context)
{
    const struct world *world = *(struct world **)context;
    return world->heard_count >= ((const uint32_t *)((void **)context)[1])[0];
}

static void await_heard(struct world *world, uint32_t count)
{
    void *context[2] = { world, &count };
    assert_true(probe_await(world->stepper, heard_enough, context, SECONDS(5)));
}

static const Pb__StateChanged *heard(const struct world *world, uint32_t at)
{
    assert_true(at < world->heard_count);
    return world->heard[at]->body;
}

static void expect_event(const Pb__KvEvent *event, const char *key, const char *value, const char *previous)
{
    assert_string_equal(event->record->key, key);
    assert_int_equal(event->deleted, value == NULL);
    if (value != NULL) {
        assert_int_equal(event->record->value.len, strlen(value));
        assert_memory_equal(event->record->value.data, value, strlen(value));
    }
    assert_int_equal(event->previous != NULL, previous != NULL);
    if (previous != NULL) assert_memory_equal(event->previous->value.data, previous, strlen(previous));
}

/* --- transactions -------------------------------------------------------------------------------- */

static void a_record_knows_its_revisions(void **state)
{
    struct world *world = *state;
    uint64_t first = put(world, "a", "1");
    uint64_t second = put(world, "a", "2");
    assert_true(second > first); /* K2 */
    struct probe_result result = ask_read(world, READ(.key = "a"), SECONDS(5));
    assert_int_equal(result.status, STATUS_OK);
    const Pb__KvReadReply *reply = result.message->body;
    assert_int_equal(reply->n_records, 1);
    assert_int_equal(reply->records[0]->create_revision, first);
    assert_int_equal(reply->records[0]->revision, second);
    assert_int_equal(reply->records[0]->version, 2);
    assert_true(reply->records[0]->term > 0);
    assert_true(reply->revision >= second); /* Linearizable: Q1. */
    message_destroy(&result.message);
}

static void compares_choose_the_list(void **state) /* A1, K7 */
{
    struct world *world = *state;
    uint64_t made = put(world, "a", "1");
    uint64_t last = put(world, "a", "2");
    static const struct {
        Pb__Compare__TargetCase target;
        int number; /* 0: nothing of it; 1: `made`; 2: `last`. */
        const char *key;
        const char *value;
        bool holds;
    } cases[] = {
        { PB__COMPARE__TARGET_VALUE, 0, "a", "2", true },
        { PB__COMPARE__TARGET_VALUE, 0, "a", "1", false },
        { PB__COMPARE__TARGET_VALUE, 0, "none", "", false },
        { PB__COMPARE__TARGET_REVISION, 2, "a", NULL, true },
        { PB__COMPARE__TARGET_REVISION, 1, "a", NULL, false },
        { PB__COMPARE__TARGET_REVISION, 0, "none", NULL, true },
        { PB__COMPARE__TARGET_CREATED, 1, "a", NULL, true },
        { PB__COMPARE__TARGET_CREATED, 2, "a", NULL, false },
        { PB__COMPARE__TARGET_CREATED, 0, "none", NULL, true },
        { PB__COMPARE__TARGET_ABSENT, 1, "none", NULL, true },
        { PB__COMPARE__TARGET_ABSENT, 1, "a", NULL, false },
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        Pb__Command *command = commands_put(&world->arena, "chosen", "yes");
        Pb__Compare *compare = commands_compare(&world->arena, command, cases[i].key);
        uint64_t number = cases[i].number == 0 ? 0 : cases[i].number == 1 ? made : last;
        compare->target_case = cases[i].target;
        if (cases[i].target == PB__COMPARE__TARGET_VALUE) {
            compare->value.data = (uint8_t *)arena_strdup(&world->arena, cases[i].value);
            compare->value.len = strlen(cases[i].value);
        } else if (cases[i].target == PB__COMPARE__TARGET_REVISION) {
            compare->revision = number;
        } else if (cases[i].target == PB__COMPARE__TARGET_CREATED) {
            compare->created = number;
        } else {
            compare->absent = true;
        }
        struct outcome outcome = propose(world, command); /* Without the other list: a CONFLICT. */
        assert_int_equal(outcome.status, cases[i].holds ? STATUS_OK : STATUS_CONFLICT);
        Pb__Operation *otherwise = commands_add_failure(&world->arena, command);
        otherwise->op_case = PB__OPERATION__OP_PUT;
        otherwise->put = arena_alloc(&world->arena, sizeof *otherwise->put);
        pb__op_put__init(otherwise->put);
        otherwise->put->key = arena_strdup(&world->arena, "chosen");
        otherwise->put->value.data = (uint8_t *)arena_strdup(&world->arena, "no");
        otherwise->put->value.len = 2;
        outcome = propose(world, command);
        assert_int_equal(outcome.status, STATUS_OK);
        assert_int_equal(outcome.held, cases[i].holds);
        assert_string_equal(read_text(world, READ(.key = "chosen")),
                            cases[i].holds ? "chosen=yes " : "chosen=no ");
    }
}

static void a_transaction_is_one_revision_or_nothing(void **state) /* K4 */
{
    struct world *world = *state;
    put(world, "a", "1");
    Pb__Command *command = commands_put(&world->arena, "b", "2");
    commands_add_put(&world->arena, command, "c", "3");
    commands_add_delete(&world->arena, command, "a");
    commands_add_delete(&world->arena, command, "never");
    struct outcome outcome = propose(world, command);
    assert_int_equal(outcome.status, STATUS_OK);
    assert_int_equal(outcome.count, 4);
    assert_int_equal(outcome.values[2], 1); /* How many it deleted. */
    assert_int_equal(outcome.values[3], 0);
    struct probe_result result =
        ask_read(world, READ(.key = "", .prefix = true, .start_after = "a"), SECONDS(5));
    const Pb__KvReadReply *reply = result.message->body;
    uint32_t ours = 0;
    for (size_t i = 0; i < reply->n_records; i++) /* The engine may keep keys of its own. */
        ours += reply->records[i]->revision == outcome.revision;
    assert_int_equal(ours, 2);
    message_destroy(&result.message);
    command = commands_put(&world->arena, "d", "4");
    commands_add_put(&world->arena, command, "", "5"); /* INVALID */
    assert_int_equal(propose(world, command).status, STATUS_INVALID);
    assert_string_equal(read_text(world, READ(.key = "d")), "");
    command = commands_put(&world->arena, "e", "6");
    command->origin = PB__ORIGIN__ORIGIN_MANAGER;
    command->leader_term = world->role.term + 1; /* A5: written by a leader that is not. */
    assert_int_equal(propose(world, command).status, STATUS_CONFLICT);
    assert_string_equal(read_text(world, READ(.key = "e")), "");
}

static void a_prefix_is_deleted(void **state)
{
    struct world *world = *state;
    put(world, "p/1", "1");
    put(world, "p/2", "2");
    put(world, "q/1", "3");
    Pb__Command *command = commands_new(&world->arena);
    Pb__Operation *operation = commands_add(&world->arena, command);
    operation->op_case = PB__OPERATION__OP_DELETE_PREFIX;
    operation->delete_prefix = arena_alloc(&world->arena, sizeof *operation->delete_prefix);
    pb__op_delete_prefix__init(operation->delete_prefix);
    operation->delete_prefix->prefix = arena_strdup(&world->arena, "p/");
    struct outcome outcome = propose(world, command);
    assert_int_equal(outcome.values[0], 2);
    assert_string_equal(read_text(world, READ(.key = "p/", .prefix = true)), "");
    assert_string_equal(read_text(world, READ(.key = "q/", .prefix = true)), "q/1=3 ");
}

/* --- reads ------------------------------------------------------------------------------------------- */

static void ranges_are_paged(void **state)
{
    struct world *world = *state;
    static const char *const keys[] = { "r/a", "r/b", "r/c", "r/d", "s" };
    for (size_t i = 0; i < ARRAY_COUNT(keys); i++)
        put(world, keys[i], "1");
    assert_string_equal(read_text(world, READ(.key = "r/", .prefix = true, .limit = 2)), "r/a=1 r/b=1 +");
    assert_string_equal(read_text(world, READ(.key = "r/", .prefix = true, .limit = 2, .start_after = "r/b")),
                        "r/c=1 r/d=1 ");
    assert_string_equal(read_text(world, READ(.key = "r/", .prefix = true, .start_after = "r/d")), "");
    assert_string_equal(read_text(world, READ(.key = "r/b", .range_end = "r/d")), "r/b=1 r/c=1 ");
    assert_string_equal(read_text(world, READ(.key = "r/b", .range_end = "t", .limit = 3)),
                        "r/b=1 r/c=1 r/d=1 +");
    assert_string_equal(read_text(world, READ(.key = "r")), "");
}

static void reads_go_back_in_time(void **state)
{
    struct world *world = *state;
    uint64_t first = put(world, "t/a", "1");
    uint64_t second = put(world, "t/b", "1");
    uint64_t third = put(world, "t/a", "2");
    uint64_t fourth = propose(world, commands_delete(&world->arena, "t/b")).revision;
    assert_string_equal(read_text(world, READ(.key = "t/", .prefix = true, .at = first)), "t/a=1 ");
    assert_string_equal(read_text(world, READ(.key = "t/", .prefix = true, .at = second)), "t/a=1 t/b=1 ");
    assert_string_equal(read_text(world, READ(.key = "t/", .prefix = true, .at = third)), "t/a=2 t/b=1 ");
    assert_string_equal(read_text(world, READ(.key = "t/", .prefix = true, .at = fourth)), "t/a=2 ");
    assert_string_equal(read_text(world, READ(.key = "t/", .prefix = true, .stale = true)), "t/a=2 ");
}

static void reads_wait_for_a_revision(void **state)
{
    struct world *world = *state;
    uint64_t revision = put(world, "w", "1");
    assert_string_equal(read_text(world, READ(.key = "w", .after = revision)), "w=1 ");
    struct probe_result result =
        ask_read(world, READ(.key = "w", .after = revision + 100), MILLISECONDS(300));
    assert_true(!result.completed || result.status == STATUS_DEADLINE);
    result = ask_read(world, READ(.key = "w", .at = revision + 100), SECONDS(5)); /* Told, not waited for. */
    assert_true(result.completed && result.status == STATUS_INVALID);
}

static void a_barrier_is_fresh(void **state) /* Q1 */
{
    struct world *world = *state;
    uint64_t revision = put(world, "b", "1");
    struct message *barrier = message_create(KIND_READ_BARRIER, 0);
    struct probe_result result = probe_ask_name(world->runtime, TO_STATE, &barrier, SECONDS(5));
    assert_int_equal(result.status, STATUS_OK);
    assert_true(((const struct read_barrier_reply *)result.message->body)->revision >= revision);
    message_destroy(&result.message);
    barrier = message_create(KIND_READ_BARRIER, sizeof(struct read_barrier));
    *(struct read_barrier *)barrier->body = (struct read_barrier){ .after = revision, .stale = true };
    result = probe_ask_name(world->runtime, TO_STATE, &barrier, SECONDS(5));
    assert_int_equal(result.status, STATUS_OK);
    message_destroy(&result.message);
    barrier = message_create(KIND_READ_BARRIER, sizeof(struct read_barrier));
    *(struct read_barrier *)barrier->body = (struct read_barrier){ .after = revision + 100 };
    result = probe_ask_name(world->runtime, TO_STATE, &barrier, MILLISECONDS(300));
    assert_true(!result.completed || result.status == STATUS_DEADLINE);
}

/* --- watches ----------------------------------------------------------------------------------------- */

static void a_watch_tells_all_in_order(void **state) /* K6, A6 */
{
    struct world *world = *state;
    uint64_t before = put(world, "x/a", "1");
    put(world, "y/a", "1");
    watch(world, "x/", 0, 7);
    await_heard(world, 1);
    const Pb__StateChanged *first = heard(world, 0);
    assert_true(first->snapshot);
    assert_int_equal(first->watch_id, 7);
    assert_true(first->revision >= before);
    assert_int_equal(first->n_events, 1);
    expect_event(first->events[0], "x/a", "1", NULL);
    Pb__Command *command = commands_put(&world->arena, "x/c", "3");
    commands_add_put(&world->arena, command, "x/b", "2");
    commands_add_put(&world->arena, command, "y/b", "2");
    uint64_t both = propose(world, command).revision;
    put(world, "y/c", "1"); /* Not ours. */
    uint64_t changed = put(world, "x/b", "4");
    uint64_t deleted = propose(world, commands_delete(&world->arena, "x/b")).revision;
    (void)propose(world, commands_delete(&world->arena, "x/never")); /* Changes nothing. */
    await_heard(world, 4);
    assert_int_equal(heard(world, 1)->revision, both); /* One message: no revision is split. */
    assert_int_equal(heard(world, 1)->n_events, 2);
    expect_event(heard(world, 1)->events[0], "x/b", "2", NULL);
    expect_event(heard(world, 1)->events[1], "x/c", "3", NULL);
    assert_int_equal(heard(world, 2)->revision, changed);
    expect_event(heard(world, 2)->events[0], "x/b", "4", "2");
    assert_int_equal(heard(world, 3)->revision, deleted);
    expect_event(heard(world, 3)->events[0], "x/b", NULL, "4");
    assert_int_equal(heard(world, 3)->events[0]->record->revision, deleted);
}

static void a_watch_resumes(void **state)
{
    struct world *world = *state;
    put(world, "z/a", "1");
    uint64_t second = put(world, "z/a", "2");
    uint64_t third = put(world, "z/b", "3");
    watch(world, "z/", second, 1);
    await_heard(world, 2);
    assert_int_equal(heard(world, 0)->revision, second);
    assert_false(heard(world, 0)->snapshot);
    expect_event(heard(world, 0)->events[0], "z/a", "2", "1");
    assert_int_equal(heard(world, 1)->revision, third);
    struct message *message = wire_message_create(KIND_STATE_UNWATCH);
    ((Pb__StateUnwatch *)message->body)->watch_id = 1;
    tell_watcher(world, message);
    put(world, "z/c", "4");
    watch(world, "other/", 0, 2); /* Its snapshot comes after whatever the other watch would have told. */
    await_heard(world, 3);
    assert_int_equal(heard(world, 2)->watch_id, 2);
}

/* --- leases ------------------------------------------------------------------------------------------ */

static struct outcome grant(struct world *world, const char *name, const char *holder)
{
    Pb__Command *command = commands_new(&world->arena);
    Pb__Operation *operation = commands_add(&world->arena, command);
    operation->op_case = PB__OPERATION__OP_LEASE_GRANT;
    operation->lease_grant = arena_alloc(&world->arena, sizeof *operation->lease_grant);
    pb__op_lease_grant__init(operation->lease_grant);
    operation->lease_grant->name = arena_strdup(&world->arena, name);
    operation->lease_grant->holder = arena_strdup(&world->arena, holder);
    operation->lease_grant->ttl_ms = 10000;
    return propose(world, command);
}

static struct outcome renew(struct world *world, const char *name, const char *holder, uint64_t fence)
{
    Pb__Command *command = commands_new(&world->arena);
    Pb__Operation *operation = commands_add(&world->arena, command);
    operation->op_case = PB__OPERATION__OP_LEASE_RENEW;
    operation->lease_renew = arena_alloc(&world->arena, sizeof *operation->lease_renew);
    pb__op_lease_renew__init(operation->lease_renew);
    operation->lease_renew->name = arena_strdup(&world->arena, name);
    operation->lease_renew->holder = arena_strdup(&world->arena, holder);
    operation->lease_renew->fence = fence;
    return propose(world, command);
}

static struct outcome expire(struct world *world, const char *name, uint64_t revision)
{
    Pb__Command *command = commands_new(&world->arena);
    Pb__Operation *operation = commands_add(&world->arena, command);
    command->origin = PB__ORIGIN__ORIGIN_SYSTEM;
    operation->op_case = PB__OPERATION__OP_LEASE_EXPIRE;
    operation->lease_expire = arena_alloc(&world->arena, sizeof *operation->lease_expire);
    pb__op_lease_expire__init(operation->lease_expire);
    operation->lease_expire->name = arena_strdup(&world->arena, name);
    operation->lease_expire->revision = revision;
    return propose(world, command);
}

static enum status put_under(struct world *world, const char *key, const char *lease, uint64_t fence)
{
    Pb__Command *command = commands_put(&world->arena, key, "1");
    command->success[0]->put->lease = arena_strdup(&world->arena, lease);
    Pb__Compare *compare =
        commands_compare(&world->arena, command, arena_printf(&world->arena, "leases/%s", lease));
    compare->target_case = PB__COMPARE__TARGET_CREATED;
    compare->created = fence;
    return propose(world, command).status;
}

static void a_lease_fences(void **state) /* A3, K8 */
{
    struct world *world = *state;
    struct outcome first = grant(world, "l", "me");
    assert_int_equal(first.status, STATUS_OK);
    uint64_t fence = first.values[0];
    assert_int_equal(grant(world, "l", "you").status, STATUS_CONFLICT);
    assert_int_equal(grant(world, "l", "me").values[0], fence); /* Granted again: the same fence. */
    assert_int_equal(put_under(world, "mine", "l", fence), STATUS_OK);
    assert_int_equal(put_under(world, "mine", "l", fence + 1), STATUS_CONFLICT);
    assert_int_equal(renew(world, "l", "me", fence + 1).status, STATUS_CONFLICT);
    assert_int_equal(renew(world, "l", "you", fence).status, STATUS_CONFLICT);
    struct outcome renewed = renew(world, "l", "me", fence);
    assert_int_equal(renewed.status, STATUS_OK);
    assert_int_equal(expire(world, "l", first.revision).status,
                     STATUS_OK); /* A renewal came between: nothing. */
    assert_string_equal(read_text(world, READ(.key = "mine")), "mine=1 ");
    assert_int_equal(expire(world, "l", renewed.revision).status, STATUS_OK);
    assert_string_equal(read_text(world, READ(.key = "mine")), ""); /* Gone with its lease. */
    assert_int_equal(renew(world, "l", "me", fence).status, STATUS_CONFLICT);
    struct outcome second = grant(world, "l", "you");
    assert_int_equal(second.status, STATUS_OK);
    assert_true(second.values[0] > fence); /* Fences rise. */
    assert_int_equal(put_under(world, "mine", "l", fence), STATUS_CONFLICT);
    assert_int_equal(put_under(world, "mine", "none", 0), STATUS_CONFLICT); /* Nobody holds it. */
}

static void the_role_is_told(void **state) /* E7 */
{
    struct world *world = *state;
    assert_true(world->role.leading);
    assert_string_equal(world->role.leader, "n1");
    assert_true(world->role.term > 0);
    assert_true(put(world, "r", "1") > world->role.revision);
}

#define ON_BOTH(test)                                                                                        \
    { #test " (lmdb)", test, set_up_lmdb, tear_down, NULL },                                                 \
    {                                                                                                        \
#test " (memory)", test, set_up_memory, tear_down, NULL                                              \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(a_record_knows_its_revisions),
        ON_BOTH(compares_choose_the_list),
        ON_BOTH(a_transaction_is_one_revision_or_nothing),
        ON_BOTH(a_prefix_is_deleted),
        ON_BOTH(ranges_are_paged),
        ON_BOTH(reads_go_back_in_time),
        ON_BOTH(reads_wait_for_a_revision),
        ON_BOTH(a_barrier_is_fresh),
        ON_BOTH(a_watch_tells_all_in_order),
        ON_BOTH(a_watch_resumes),
        ON_BOTH(a_lease_fences),
        ON_BOTH(the_role_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
