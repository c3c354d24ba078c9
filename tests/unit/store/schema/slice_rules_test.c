/* Goal: the rules between blueprints, allocations, slices and endpoints hold in the entry, whoever writes
 * (A5, A7, DEP2, DEP4, DEP5, DEP6, DEP9).
 * Method: commands applied to the real kv under the real rules; support/agreed checks DEP2 and DEP4 after
 * each. Every pair of states is tried as a fact, from an instance that was really brought there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "store/schema/blueprint.h"
#include "store/schema/slice.h"
#include "tests/support/agreed.h"
#include "tests/support/commands.h"

#include <stdio.h>
#include <string.h>

#define TAX    "org.example:tax:1.0.0"
#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

struct fixture {
    struct agreed agreed;
    struct arena arena;
    uint64_t rev; /* Of the assignment of instance 1. */
};

static Pb__Command *manager_command(struct fixture *fixture)
{
    Pb__Command *command = commands_new(&fixture->arena);
    command->origin = PB__ORIGIN__ORIGIN_MANAGER;
    command->leader_term = fixture->agreed.term;
    return command;
}

static enum status apply(struct fixture *fixture, const Pb__Command *command)
{
    return (enum status)agreed_apply(&fixture->agreed, command)->status;
}

static enum status put_as(struct fixture *fixture, Pb__Origin origin, uint64_t term, const char *key,
                          const char *value)
{
    Pb__Command *command = commands_put(&fixture->arena, key, value);
    command->origin = origin;
    command->leader_term = term;
    return apply(fixture, command);
}

static enum status put(struct fixture *fixture, const char *key, const char *value)
{
    return put_as(fixture, PB__ORIGIN__ORIGIN_MANAGER, fixture->agreed.term, key, value);
}

static enum status delete_key(struct fixture *fixture, const char *key)
{
    Pb__Command *command = manager_command(fixture);
    (void)commands_add_delete(&fixture->arena, command, key);
    return apply(fixture, command);
}

static const char *blueprint_text(struct fixture *fixture, const char *artifact, uint32_t instances)
{
    return arena_printf(&fixture->arena,
                        "{\"slices\":[{\"artifact\":\"%s\",\"instances\":%u,\"sha256\":\"" DIGEST
                        "\"}],\"timestamp\":0}",
                        artifact, instances);
}

static const char *allocation_text(struct fixture *fixture, const char *instances)
{
    return arena_printf(&fixture->arena,
                        "{\"assigned\":0,\"instances\":[%s],\"desired\":\"ACTIVE\",\"blueprint\":\"shop\","
                        "\"sha256\":\"" DIGEST "\",\"timestamp\":0}",
                        instances);
}

static void start_node(struct fixture *fixture, const char *node, uint64_t incarnation)
{
    Pb__Command *command = commands_new(&fixture->arena);
    Pb__Operation *operation = commands_add(&fixture->arena, command);
    Pb__OpNodeStarted *started = arena_alloc(&fixture->arena, sizeof(*started));
    pb__op_node_started__init(started);
    started->node = arena_strdup(&fixture->arena, node);
    started->incarnation = incarnation;
    started->facts.data = (uint8_t *)arena_strdup(&fixture->arena, "{}");
    started->facts.len = 2;
    operation->op_case = PB__OPERATION__OP_NODE_STARTED;
    operation->node_started = started;
    command->origin = PB__ORIGIN__ORIGIN_SYSTEM;
    assert_int_equal(apply(fixture, command), STATUS_OK);
}

struct fact {
    const char *node;
    uint64_t incarnation;
    uint32_t instance;
    const char *state;
    uint64_t rev;
    const char *reason;
    uint32_t attempt;
    uint64_t download_bytes;
};

static enum status tell(struct fixture *fixture, const struct fact *fact)
{
    static char entry[] = "quote"; /* The entry point that agreed.c looks for. */
    Pb__Command *command = commands_new(&fixture->arena);
    Pb__Operation *operation = commands_add(&fixture->arena, command);
    Pb__OpSliceFact *told = arena_alloc(&fixture->arena, sizeof(*told));
    pb__op_slice_fact__init(told);
    told->artifact = arena_strdup(&fixture->arena, TAX);
    told->instance = fact->instance;
    told->state = arena_strdup(&fixture->arena, fact->state);
    told->allocation_revision = fact->rev;
    told->reason = arena_strdup(&fixture->arena, fact->reason == NULL ? "" : fact->reason);
    told->attempt = fact->attempt;
    told->download_bytes = fact->download_bytes;
    if (strcmp(fact->state, "ACTIVE") == 0) {
        told->entries = arena_array(&fixture->arena, 1, sizeof(char *));
        told->entries[0] = entry;
        told->n_entries = 1;
    }
    operation->op_case = PB__OPERATION__OP_SLICE_FACT;
    operation->slice_fact = told;
    command->origin = PB__ORIGIN__ORIGIN_NODE;
    command->node = arena_strdup(&fixture->arena, fact->node);
    command->incarnation = fact->incarnation;
    return apply(fixture, command);
}

static enum status move(struct fixture *fixture, const char *state)
{
    return tell(fixture,
                &(struct fact){
                    .node = "node-1", .incarnation = 1, .instance = 1, .state = state, .rev = fixture->rev });
}

/* Instance 1 of TAX is assigned to node-1; nothing is recorded. */
static void assign(struct fixture *fixture)
{
    assert_int_equal(put(fixture, "blueprints/shop", blueprint_text(fixture, TAX, 3)), STATUS_OK);
    assert_int_equal(put(fixture, "allocations/" TAX "/node-1", allocation_text(fixture, "{\"instance\":1}")),
                     STATUS_OK);
    fixture->rev = fixture->agreed.index;
}

static int set_up(void **state)
{
    struct fixture *fixture = memory_zalloc(sizeof(*fixture));
    agreed_init(&fixture->agreed, NULL);
    fixture->agreed.node_count = 2;
    start_node(fixture, "node-1", 1);
    start_node(fixture, "node-2", 1);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    agreed_fini(&fixture->agreed);
    arena_fini(&fixture->arena);
    memory_free(fixture);
    return 0;
}

/* The moves that lead from no record to each state. */
static const char *const roads[SLICE_STATE_COUNT] = {
    [SLICE_GONE] = "",
    [SLICE_LOAD] = "LOAD",
    [SLICE_LOADING] = "LOAD LOADING",
    [SLICE_LOADED] = "LOAD LOADING LOADED",
    [SLICE_ACTIVATE] = "LOAD LOADING LOADED ACTIVATE",
    [SLICE_ACTIVATING] = "LOAD LOADING LOADED ACTIVATE ACTIVATING",
    [SLICE_ACTIVE] = "LOAD LOADING LOADED ACTIVATE ACTIVATING ACTIVE",
    [SLICE_DEACTIVATE] = "LOAD LOADING LOADED ACTIVATE ACTIVATING ACTIVE DEACTIVATE",
    [SLICE_DEACTIVATING] = "LOAD LOADING LOADED ACTIVATE ACTIVATING ACTIVE DEACTIVATE DEACTIVATING",
    [SLICE_UNLOAD] = "LOAD LOADING LOADED UNLOAD",
    [SLICE_UNLOADING] = "LOAD LOADING LOADED UNLOAD UNLOADING",
    [SLICE_FAILED] = "LOAD LOADING FAILED",
};

static void travel(struct fixture *fixture, enum slice_state to)
{
    char road[128];
    (void)snprintf(road, sizeof(road), "%s", roads[to]);
    char *rest = NULL;
    for (char *state = strtok_r(road, " ", &rest); state != NULL; state = strtok_r(NULL, " ", &rest))
        assert_int_equal(move(fixture, state), STATUS_OK);
}

static const char *text_of(struct fixture *fixture, const char *key)
{
    return agreed_text(&fixture->agreed, key, &fixture->arena);
}

/* --- facts -------------------------------------------------------------------------------------------- */

static void every_pair_of_states_is_judged(void **unused) /* DEP5 */
{
    (void)unused;
    for (int from = 0; from < SLICE_STATE_COUNT; from++) {
        for (int to = 0; to < SLICE_STATE_COUNT; to++) {
            void *state = NULL;
            (void)set_up(&state);
            struct fixture *fixture = state;
            assign(fixture);
            travel(fixture, (enum slice_state)from);
            const char *before = text_of(fixture, "slices/node-1/" TAX);
            uint32_t events = agreed_count(&fixture->agreed, "events/");
            enum status expected = slice_state_allows((enum slice_state)from, (enum slice_state)to)
                                       ? STATUS_OK
                                       : STATUS_CONFLICT;
            assert_int_equal(move(fixture, slice_state_name((enum slice_state)to)), expected);
            const char *after = text_of(fixture, "slices/node-1/" TAX);
            if (expected == STATUS_CONFLICT) { /* Changes nothing. */
                assert_int_equal(before == NULL, after == NULL);
                if (before != NULL) assert_string_equal(before, after);
                assert_int_equal(agreed_count(&fixture->agreed, "events/"), events);
            }
            (void)tear_down(&state);
        }
    }
}

static void unknown_states_are_invalid(void **state)
{
    struct fixture *fixture = *state;
    assign(fixture);
    assert_int_equal(move(fixture, "RUNNING"), STATUS_INVALID);
    struct fact fact = {
        .node = "node-1", .incarnation = 1, .instance = 0, .state = "LOAD", .rev = fixture->rev
    };
    assert_int_equal(tell(fixture, &fact), STATUS_INVALID);
}

static void old_incarnations_say_nothing(void **state) /* A7, DEP9 */
{
    struct fixture *fixture = *state;
    assign(fixture);
    travel(fixture, SLICE_ACTIVE);
    start_node(fixture, "node-1", 2);
    assert_int_equal(agreed_count(&fixture->agreed, "slices/node-1/"), 0);
    assert_int_equal(agreed_count(&fixture->agreed, "endpoints/"), 0);
    assert_int_equal(move(fixture, "LOAD"), STATUS_CONFLICT);
    struct fact fact = {
        .node = "node-1", .incarnation = 2, .instance = 1, .state = "LOAD", .rev = fixture->rev
    };
    assert_int_equal(tell(fixture, &fact), STATUS_OK); /* Its allocation still stands. */
    fact = (struct fact){
        .node = "node-9", .incarnation = 1, .instance = 1, .state = "LOAD", .rev = fixture->rev
    };
    assert_int_equal(tell(fixture, &fact), STATUS_CONFLICT);
}

static void lost_nodes_say_nothing(void **state) /* A7, DEP3 */
{
    struct fixture *fixture = *state;
    assign(fixture);
    travel(fixture, SLICE_ACTIVE);
    assert_int_equal(agreed_count(&fixture->agreed, "endpoints/" TAX "/"), 1);
    fixture->agreed.nodes[0].incarnation = 1;
    agreed_lose(&fixture->agreed, 0);
    assert_int_equal(agreed_count(&fixture->agreed, "slices/node-1/"), 0);
    assert_int_equal(agreed_count(&fixture->agreed, "endpoints/"), 0); /* In that very entry. */
    assert_int_equal(move(fixture, "LOAD"), STATUS_CONFLICT);
}

static void ascent_needs_the_allocation(void **state) /* A7 */
{
    struct fixture *fixture = *state;
    struct fact fact = { .node = "node-1", .incarnation = 1, .instance = 1, .state = "LOAD", .rev = 999 };
    assert_int_equal(tell(fixture, &fact), STATUS_CONFLICT); /* Nothing is assigned. */
    assign(fixture);
    assert_int_equal(tell(fixture, &fact), STATUS_CONFLICT); /* Not under that revision. */
    assert_int_equal(move(fixture, "LOAD"), STATUS_OK);
}

/* From wherever a withdrawal meets it, the arrows lead down to nothing. */
static void withdrawn_instances_can_always_leave(void **unused)
{
    static const char *const down[SLICE_STATE_COUNT] = {
        [SLICE_LOAD] = "LOADING FAILED UNLOAD UNLOADING",
        [SLICE_LOADING] = "LOADED UNLOAD UNLOADING",
        [SLICE_LOADED] = "UNLOAD UNLOADING",
        [SLICE_ACTIVATE] = "ACTIVATING FAILED UNLOAD UNLOADING",
        [SLICE_ACTIVATING] = "FAILED UNLOAD UNLOADING",
        [SLICE_ACTIVE] = "DEACTIVATE DEACTIVATING LOADED UNLOAD UNLOADING",
        [SLICE_DEACTIVATE] = "DEACTIVATING LOADED UNLOAD UNLOADING",
        [SLICE_DEACTIVATING] = "FAILED UNLOAD UNLOADING",
        [SLICE_UNLOAD] = "UNLOADING",
        [SLICE_UNLOADING] = "",
        [SLICE_FAILED] = "UNLOAD UNLOADING",
    };
    (void)unused;
    for (int from = SLICE_LOAD; from < SLICE_STATE_COUNT; from++) {
        void *state = NULL;
        (void)set_up(&state);
        struct fixture *fixture = state;
        char road[128];
        char *rest = NULL;
        assign(fixture);
        travel(fixture, (enum slice_state)from);
        assert_int_equal(delete_key(fixture, "allocations/" TAX "/node-1"), STATUS_OK);
        if (from == SLICE_LOADED) assert_int_equal(move(fixture, "ACTIVATE"), STATUS_CONFLICT);
        if (from == SLICE_ACTIVATING) assert_int_equal(move(fixture, "ACTIVE"), STATUS_CONFLICT);
        (void)snprintf(road, sizeof(road), "%s", down[from]);
        for (char *to = strtok_r(road, " ", &rest); to != NULL; to = strtok_r(NULL, " ", &rest))
            assert_int_equal(move(fixture, to), STATUS_OK);
        assert_int_equal(move(fixture, ""), STATUS_OK);
        assert_int_equal(agreed_count(&fixture->agreed, "slices/"), 0);
        (void)tear_down(&state);
    }
}

/* A remark: the state stays, and so does what else was said of it. */
static void progress_of_a_download_is_a_remark(void **state)
{
    struct fixture *fixture = *state;
    assign(fixture);
    travel(fixture, SLICE_LOADING);
    struct fact fact = { .node = "node-1",
                         .incarnation = 1,
                         .instance = 1,
                         .state = "LOADING",
                         .rev = fixture->rev,
                         .download_bytes = 4096 };
    assert_int_equal(tell(fixture, &fact), STATUS_OK);
    const char *record = text_of(fixture, "slices/node-1/" TAX);
    assert_non_null(strstr(record, "\"download-bytes\":4096"));
    assert_non_null(strstr(record, "\"state\":\"LOADING\""));
    assert_int_equal(tell(fixture, &fact), STATUS_CONFLICT); /* Nothing is new. */
    fact.download_bytes = 8192;
    fact.rev++;
    assert_int_equal(tell(fixture, &fact), STATUS_CONFLICT); /* Of another assignment. */
    assert_int_equal(move(fixture, "LOADED"), STATUS_OK);
    assert_null(strstr(text_of(fixture, "slices/node-1/" TAX), "download-bytes"));
}

/* What runs took the newer assignment's configuration over: nothing stops, and it stands for that one. */
static void running_instances_take_an_assignment_over(void **state) /* DEP4 */
{
    struct fixture *fixture = *state;
    assign(fixture);
    travel(fixture, SLICE_ACTIVE);
    assert_int_equal(move(fixture, "ACTIVE"), STATUS_CONFLICT); /* It stands for it already. */
    assert_int_equal(put(fixture, "allocations/" TAX "/node-1", allocation_text(fixture, "{\"instance\":1}")),
                     STATUS_OK);
    struct fact late = {
        .node = "node-1", .incarnation = 1, .instance = 1, .state = "ACTIVE", .rev = fixture->rev
    };
    fixture->rev = fixture->agreed.index;
    assert_int_equal(tell(fixture, &late), STATUS_CONFLICT); /* Under the former assignment. */
    assert_int_equal(move(fixture, "ACTIVE"), STATUS_OK);
    assert_int_equal(agreed_count(&fixture->agreed, "endpoints/" TAX "/"), 1);
    const char *rev = arena_printf(&fixture->arena, "\"rev\":%llu", (unsigned long long)fixture->rev);
    assert_non_null(strstr(text_of(fixture, "slices/node-1/" TAX), rev));
    assert_int_equal(delete_key(fixture, "allocations/" TAX "/node-1"), STATUS_OK);
    assert_int_equal(move(fixture, "ACTIVE"), STATUS_CONFLICT); /* Withdrawn. */
}

static void reassigned_instances_start_over(void **state)
{
    struct fixture *fixture = *state;
    assign(fixture);
    travel(fixture, SLICE_LOADED);
    assert_int_equal(put(fixture, "allocations/" TAX "/node-1", allocation_text(fixture, "{\"instance\":1}")),
                     STATUS_OK);
    uint64_t before = fixture->rev;
    fixture->rev = fixture->agreed.index;
    assert_true(fixture->rev > before);
    assert_int_equal(move(fixture, "ACTIVATE"), STATUS_CONFLICT); /* What is loaded is for the former one. */
    assert_int_equal(move(fixture, "UNLOAD"), STATUS_OK);
    assert_int_equal(move(fixture, "UNLOADING"), STATUS_OK);
    assert_int_equal(move(fixture, ""), STATUS_OK);
    travel(fixture, SLICE_ACTIVE);
}

static void instance_has_one_live_owner(void **state) /* A5, DEP2 */
{
    struct fixture *fixture = *state;
    assign(fixture);
    travel(fixture, SLICE_ACTIVE);
    const char *other = "allocations/" TAX "/node-2";
    assert_int_equal(put(fixture, other, allocation_text(fixture, "{\"instance\":1}")), STATUS_CONFLICT);
    assert_int_equal(delete_key(fixture, "allocations/" TAX "/node-1"), STATUS_OK);
    assert_int_equal(put(fixture, other, allocation_text(fixture, "{\"instance\":1}")), STATUS_OK);
    struct fact fact = { .node = "node-2", .incarnation = 1, .instance = 1, .state = "LOAD" };
    fact.rev = fixture->agreed.index;
    assert_int_equal(tell(fixture, &fact), STATUS_CONFLICT); /* It still lives on node-1. */
    static const char *const down[] = { "DEACTIVATE", "DEACTIVATING", "LOADED", "UNLOAD", "UNLOADING", "" };
    for (size_t i = 0; i < ARRAY_COUNT(down); i++)
        assert_int_equal(move(fixture, down[i]), STATUS_OK);
    assert_int_equal(tell(fixture, &fact), STATUS_OK);
}

static void endpoints_follow_the_state(void **state) /* DEP4 */
{
    struct fixture *fixture = *state;
    assign(fixture);
    travel(fixture, SLICE_ACTIVATING);
    assert_int_equal(agreed_count(&fixture->agreed, "endpoints/"), 0);
    assert_int_equal(move(fixture, "ACTIVE"), STATUS_OK);
    assert_non_null(strstr(text_of(fixture, "endpoints/" TAX "/quote:1"),
                           "\"node-id\":\"node-1\",\"instance\":1,"
                           "\"state\":\"ACTIVE\""));
    assert_int_equal(move(fixture, "DEACTIVATE"), STATUS_OK);
    assert_int_equal(agreed_count(&fixture->agreed, "endpoints/"), 0);
}

static void record_is_as_far_as_its_least(void **state)
{
    struct fixture *fixture = *state;
    assign(fixture);
    const char *key = "allocations/" TAX "/node-1";
    const char *both = arena_printf(&fixture->arena, "{\"instance\":1,\"rev\":%llu},{\"instance\":2}",
                                    (unsigned long long)fixture->rev);
    assert_int_equal(put(fixture, key, allocation_text(fixture, both)), STATUS_OK);
    uint64_t second = fixture->agreed.index;
    travel(fixture, SLICE_ACTIVE); /* Under its own, unchanged revision. */
    assert_non_null(strstr(text_of(fixture, "slices/node-1/" TAX), "{\"state\":\"ACTIVE\""));
    struct fact fact = { .node = "node-1", .incarnation = 1, .instance = 2, .state = "LOAD", .rev = second };
    assert_int_equal(tell(fixture, &fact), STATUS_OK);
    assert_non_null(strstr(text_of(fixture, "slices/node-1/" TAX), "{\"state\":\"LOAD\""));
    fact.state = "LOADING";
    assert_int_equal(tell(fixture, &fact), STATUS_OK);
    fact.state = "FAILED";
    assert_int_equal(tell(fixture, &fact), STATUS_OK);
    assert_non_null(strstr(text_of(fixture, "slices/node-1/" TAX), "{\"state\":\"FAILED\""));
    assert_non_null(strstr(text_of(fixture, key), "\"assigned\":2"));
}

static void attempts_survive_the_record(void **state)
{
    struct fixture *fixture = *state;
    assign(fixture);
    travel(fixture, SLICE_LOADING);
    struct fact fact = { .node = "node-1",
                         .incarnation = 1,
                         .instance = 1,
                         .state = "FAILED",
                         .rev = fixture->rev,
                         .reason = "CORRUPT",
                         .attempt = 3 };
    assert_int_equal(tell(fixture, &fact), STATUS_OK);
    static const char *const down[] = { "UNLOAD", "UNLOADING", "" };
    for (size_t i = 0; i < ARRAY_COUNT(down); i++)
        assert_int_equal(move(fixture, down[i]), STATUS_OK);
    assert_non_null(strstr(text_of(fixture, "allocations/" TAX "/node-1"), "\"attempt\":3"));
    assert_int_equal(move(fixture, "LOAD"), STATUS_OK); /* And its revision is the same. */
}

static void events_tell_what_happened(void **state)
{
    struct fixture *fixture = *state;
    assign(fixture);
    travel(fixture, SLICE_ACTIVE);
    struct fact fact = { .node = "node-1",
                         .incarnation = 1,
                         .instance = 1,
                         .state = "DEACTIVATE",
                         .rev = fixture->rev,
                         .reason = "CRASHED",
                         .attempt = 1 };
    assert_int_equal(tell(fixture, &fact), STATUS_OK);
    static const char *const expected[] = { "blueprint.published", "instance.active", "instance.crashed" };
    uint32_t first = agreed_count(&fixture->agreed, "events/") - (uint32_t)ARRAY_COUNT(expected) + 1;
    for (uint32_t i = 0; i < ARRAY_COUNT(expected); i++) {
        char key[40];
        (void)snprintf(key, sizeof(key), "events/%016u", first + i);
        assert_non_null(strstr(text_of(fixture, key), expected[i]));
    }
}

/* --- intent ------------------------------------------------------------------------------------------- */

static void allocations_are_the_leaders(void **state) /* DEP6 */
{
    struct fixture *fixture = *state;
    assign(fixture);
    const char *key = "allocations/" TAX "/node-2";
    const char *value = allocation_text(fixture, "{\"instance\":2}");
    fixture->agreed.term = 4;
    assert_int_not_equal(put_as(fixture, PB__ORIGIN__ORIGIN_MANAGER, 3, key, value), STATUS_OK);
    assert_int_not_equal(put_as(fixture, PB__ORIGIN__ORIGIN_MANAGER, 0, key, value), STATUS_OK);
    assert_int_not_equal(put_as(fixture, PB__ORIGIN__ORIGIN_NODE, 4, key, value), STATUS_OK);
    assert_int_not_equal(put_as(fixture, PB__ORIGIN__ORIGIN_SYSTEM, 0, key, value), STATUS_OK);
    assert_int_not_equal(put_as(fixture, PB__ORIGIN__ORIGIN_CLIENT, 4, key, value), STATUS_OK);
    assert_null(text_of(fixture, key));
    assert_int_equal(put_as(fixture, PB__ORIGIN__ORIGIN_MANAGER, 4, key, value), STATUS_OK);
}

static void allocations_need_node_and_blueprint(void **state)
{
    struct fixture *fixture = *state;
    const char *value = allocation_text(fixture, "{\"instance\":1}");
    assert_int_equal(put(fixture, "allocations/" TAX "/node-1", value), STATUS_CONFLICT); /* No blueprint. */
    assign(fixture);
    assert_int_equal(put(fixture, "allocations/" TAX "/node-7", allocation_text(fixture, "{\"instance\":2}")),
                     STATUS_CONFLICT);
    assert_int_equal(put(fixture, "allocations/not-coordinates/node-1", value), STATUS_INVALID);
    assert_int_equal(put(fixture, "allocations/" TAX, value), STATUS_INVALID);
    assert_int_equal(put(fixture, "allocations/" TAX "/node-1", "{\"instances\":7}"), STATUS_INVALID);
    fixture->agreed.nodes[1].incarnation = 1;
    agreed_lose(&fixture->agreed, 1);
    assert_int_equal(put(fixture, "allocations/" TAX "/node-2", allocation_text(fixture, "{\"instance\":2}")),
                     STATUS_CONFLICT);
}

static void artifact_belongs_to_one_blueprint(void **state)
{
    struct fixture *fixture = *state;
    assign(fixture);
    assert_int_equal(put(fixture, "blueprints/other", blueprint_text(fixture, TAX, 1)), STATUS_CONFLICT);
    assert_int_equal(put(fixture, "blueprints/shop", blueprint_text(fixture, "org.example:tax:2.0.0", 1)),
                     STATUS_OK);
    /* Still not: the old version's instance is still allocated to it. */
    assert_int_equal(put(fixture, "blueprints/other", blueprint_text(fixture, TAX, 1)), STATUS_CONFLICT);
    assert_int_equal(delete_key(fixture, "allocations/" TAX "/node-1"), STATUS_OK);
    assert_int_equal(put(fixture, "blueprints/other", blueprint_text(fixture, TAX, 1)), STATUS_OK);
}

static void history_follows_and_is_bounded(void **state)
{
    struct fixture *fixture = *state;
    uint64_t first = fixture->agreed.index + 1;
    for (uint32_t i = 0; i < SLICE_HISTORY_MAX + 5; i++)
        assert_int_equal(put(fixture, "blueprints/shop", blueprint_text(fixture, TAX, i % 7)), STATUS_OK);
    char key[SLICE_KEY_MAX];
    assert_int_equal(agreed_count(&fixture->agreed, "blueprint-history/shop/"), SLICE_HISTORY_MAX);
    slice_key_history(key, "shop", first);
    assert_null(text_of(fixture, key));
    slice_key_history(key, "shop", fixture->agreed.index);
    assert_string_equal(text_of(fixture, key), text_of(fixture, "blueprints/shop"));
    assert_int_equal(put(fixture, key, "{}"), STATUS_CONFLICT);
}

static void bad_blueprints_are_refused(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(put(fixture, "blueprints/shop", "{\"slices\":[{\"artifact\":\"a:b:1\"}]}"),
                     STATUS_INVALID);
    assert_int_equal(put(fixture, "blueprints/shop", "[]"), STATUS_INVALID);
    assert_int_equal(put(fixture, "blueprints/a b", blueprint_text(fixture, TAX, 1)), STATUS_INVALID);
    assert_int_equal(agreed_count(&fixture->agreed, "blueprints/"), 0);
}

static void derived_keys_are_not_written(void **state) /* Not even with --force: the lifecycle holds. */
{
    struct fixture *fixture = *state;
    assign(fixture);
    travel(fixture, SLICE_ACTIVE);
    static const char *const keys[] = { "slices/node-1/" TAX, "endpoints/" TAX "/quote:1" };
    static const Pb__Origin origins[] = { PB__ORIGIN__ORIGIN_FORCED, PB__ORIGIN__ORIGIN_MANAGER };
    for (size_t k = 0; k < ARRAY_COUNT(keys); k++) {
        for (size_t o = 0; o < ARRAY_COUNT(origins); o++) {
            Pb__Command *command = commands_delete(&fixture->arena, keys[k]);
            command->origin = origins[o];
            command->leader_term = fixture->agreed.term;
            assert_int_equal(apply(fixture, command), STATUS_CONFLICT);
            assert_int_equal(put_as(fixture, origins[o], fixture->agreed.term, keys[k], "{}"),
                             STATUS_CONFLICT);
        }
    }
}

#define RULE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pair_of_states_is_judged),
        RULE_TEST(unknown_states_are_invalid),
        RULE_TEST(old_incarnations_say_nothing),
        RULE_TEST(lost_nodes_say_nothing),
        RULE_TEST(ascent_needs_the_allocation),
        cmocka_unit_test(withdrawn_instances_can_always_leave),
        RULE_TEST(progress_of_a_download_is_a_remark),
        RULE_TEST(running_instances_take_an_assignment_over),
        RULE_TEST(reassigned_instances_start_over),
        RULE_TEST(instance_has_one_live_owner),
        RULE_TEST(endpoints_follow_the_state),
        RULE_TEST(record_is_as_far_as_its_least),
        RULE_TEST(attempts_survive_the_record),
        RULE_TEST(events_tell_what_happened),
        RULE_TEST(allocations_are_the_leaders),
        RULE_TEST(allocations_need_node_and_blueprint),
        RULE_TEST(artifact_belongs_to_one_blueprint),
        RULE_TEST(history_follows_and_is_bounded),
        RULE_TEST(bad_blueprints_are_refused),
        RULE_TEST(derived_keys_are_not_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
