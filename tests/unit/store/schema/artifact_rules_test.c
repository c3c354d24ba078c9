/* Goal: what artifacts/{...} may hold, and who may change it: released coordinates name one file for ever, a
 * snapshot may be replaced, what a blueprint uses stays, copies are the leader's keeper's to move (A5, A7,
 * DEP6). Method: commands applied to the real kv under the real rules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "store/schema/artifact.h"
#include "tests/support/agreed.h"
#include "tests/support/commands.h"

#include <string.h>

#define TAX      "artifacts/org.example:tax:1.0.0"
#define SNAPSHOT "artifacts/org.example:tax:1.1-SNAPSHOT"
#define ONE      "1111111111111111111111111111111111111111111111111111111111111111"
#define TWO      "2222222222222222222222222222222222222222222222222222222222222222"

struct fixture {
    struct agreed agreed;
    struct arena arena;
};

static const Pb__ProposeReply *apply_as(struct fixture *fixture, Pb__Origin origin, Pb__Command *command)
{
    command->origin = origin;
    command->leader_term = origin == PB__ORIGIN__ORIGIN_MANAGER ? fixture->agreed.term : 0;
    command->node = arena_strdup(&fixture->arena, origin == PB__ORIGIN__ORIGIN_NODE ? "node-1" : "");
    command->incarnation = 1;
    return agreed_apply(&fixture->agreed, command);
}

static enum status put_as(struct fixture *fixture, Pb__Origin origin, const char *key, const char *sha256,
                          const char *holders)
{
    const char *text =
        arena_printf(&fixture->arena, "{\"size\":10,\"sha256\":\"%s\",\"holders\":[%s]}", sha256, holders);
    return (enum status)apply_as(fixture, origin, commands_put(&fixture->arena, key, text))->status;
}

static enum status push(struct fixture *fixture, const char *key, const char *sha256)
{
    return put_as(fixture, PB__ORIGIN__ORIGIN_NODE, key, sha256, "\"node-1\",\"node-2\"");
}

static enum status delete_as(struct fixture *fixture, Pb__Origin origin, const char *key)
{
    return (enum status)apply_as(fixture, origin, commands_delete(&fixture->arena, key))->status;
}

static struct artifact_record record_of(struct fixture *fixture, const char *key)
{
    struct artifact_record record = { 0 };
    const char *text = agreed_text(&fixture->agreed, key, &fixture->arena);
    assert_non_null(text);
    assert_int_equal(artifact_record_read(&fixture->arena, text, strlen(text), &record, NULL), STATUS_OK);
    return record;
}

static int set_up(void **state)
{
    struct fixture *fixture = memory_zalloc(sizeof *fixture);
    agreed_init(&fixture->agreed, NULL);
    static const char *const nodes[] = { "node-1", "node-2", "node-3" };
    for (size_t i = 0; i < ARRAY_COUNT(nodes); i++) {
        Pb__Command *command = commands_new(&fixture->arena);
        Pb__Operation *operation = commands_add(&fixture->arena, command);
        Pb__OpNodeStarted *started = arena_alloc(&fixture->arena, sizeof *started);
        pb__op_node_started__init(started);
        started->node = arena_strdup(&fixture->arena, nodes[i]);
        started->incarnation = 1;
        started->facts.data = (uint8_t *)arena_strdup(&fixture->arena, "{}");
        started->facts.len = 2;
        operation->op_case = PB__OPERATION__OP_NODE_STARTED;
        operation->node_started = started;
        assert_int_equal(apply_as(fixture, PB__ORIGIN__ORIGIN_SYSTEM, command)->status, STATUS_OK);
    }
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

static void a_release_is_one_file_for_ever(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(push(fixture, TAX, ONE), STATUS_OK);
    uint64_t first = record_of(fixture, TAX).timestamp;
    assert_int_not_equal(first, 0);
    assert_int_equal(push(fixture, TAX, TWO), STATUS_CONFLICT);
    assert_int_equal(put_as(fixture, PB__ORIGIN__ORIGIN_FORCED, TAX, TWO, "\"node-1\""), STATUS_CONFLICT);
    assert_string_equal(record_of(fixture, TAX).sha256, ONE);
    assert_int_equal(push(fixture, TAX, ONE), STATUS_OK); /* The same bytes again: the same artifact. */
    assert_int_equal(record_of(fixture, TAX).timestamp, first);
    assert_int_equal(push(fixture, SNAPSHOT, ONE), STATUS_OK);
    assert_int_equal(push(fixture, SNAPSHOT, TWO), STATUS_OK);
    assert_string_equal(record_of(fixture, SNAPSHOT).sha256, TWO);
}

static void the_keeper_moves_copies_and_nothing_else(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(put_as(fixture, PB__ORIGIN__ORIGIN_MANAGER, TAX, ONE, "\"node-1\""), STATUS_CONFLICT);
    assert_int_equal(push(fixture, TAX, ONE), STATUS_OK);
    assert_int_equal(put_as(fixture, PB__ORIGIN__ORIGIN_MANAGER, TAX, ONE, "\"node-2\",\"node-3\""),
                     STATUS_OK);
    struct artifact_record record = record_of(fixture, TAX);
    assert_true(artifact_record_has_holder(&record, "node-3"));
    assert_false(artifact_record_has_holder(&record, "node-1"));
    fixture->agreed.term++;
    Pb__Command *old = commands_delete(&fixture->arena, TAX);
    old->origin = PB__ORIGIN__ORIGIN_MANAGER;
    old->leader_term = fixture->agreed.term - 1;
    assert_int_equal(agreed_apply(&fixture->agreed, old)->status, STATUS_CONFLICT); /* DEP6 */
    assert_int_equal(put_as(fixture, PB__ORIGIN__ORIGIN_MANAGER, SNAPSHOT, ONE, "\"node-1\""),
                     STATUS_CONFLICT);
}

static void clients_and_strangers_write_nothing(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(put_as(fixture, PB__ORIGIN__ORIGIN_CLIENT, TAX, ONE, "\"node-1\""), STATUS_DENIED);
    assert_int_equal(put_as(fixture, PB__ORIGIN__ORIGIN_NODE, TAX, ONE, "\"node-9\""), STATUS_CONFLICT);
    assert_int_equal(put_as(fixture, PB__ORIGIN__ORIGIN_NODE, TAX, ONE, ""), STATUS_INVALID);
    assert_int_equal(put_as(fixture, PB__ORIGIN__ORIGIN_NODE, TAX, ONE, "\"node-1\",\"node-1\""),
                     STATUS_INVALID);
    assert_int_equal(put_as(fixture, PB__ORIGIN__ORIGIN_NODE, TAX, "ABC", "\"node-1\""), STATUS_INVALID);
    assert_int_equal(push(fixture, "artifacts/org.example:tax", ONE), STATUS_INVALID);
    assert_int_equal(push(fixture, "artifacts/org.example:tax:LATEST", ONE), STATUS_INVALID);
    Pb__Command *old = commands_put(&fixture->arena, TAX, "{}");
    old->origin = PB__ORIGIN__ORIGIN_NODE;
    old->node = arena_strdup(&fixture->arena, "node-1");
    old->incarnation = 7;
    assert_int_equal(agreed_apply(&fixture->agreed, old)->status, STATUS_CONFLICT); /* A7 */
    assert_int_equal(agreed_count(&fixture->agreed, "artifacts/"), 0);
}

static void what_a_blueprint_uses_stays(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(push(fixture, TAX, ONE), STATUS_OK);
    Pb__Command *publish =
        commands_put(&fixture->arena, "blueprints/shop",
                     "{\"slices\":[{\"artifact\":\"org.example:tax:1.0.0\",\"instances\":1,"
                     "\"sha256\":\"" ONE "\"}],\"timestamp\":0}");
    assert_int_equal(apply_as(fixture, PB__ORIGIN__ORIGIN_MANAGER, publish)->status, STATUS_OK);
    const Pb__ProposeReply *reply =
        apply_as(fixture, PB__ORIGIN__ORIGIN_MANAGER, commands_delete(&fixture->arena, TAX));
    assert_int_equal(reply->status, STATUS_CONFLICT);
    assert_non_null(strstr(reply->message, "blueprint shop uses org.example:tax:1.0.0"));
    assert_int_equal(delete_as(fixture, PB__ORIGIN__ORIGIN_NODE, TAX), STATUS_DENIED);
    assert_int_equal(delete_as(fixture, PB__ORIGIN__ORIGIN_FORCED, TAX), STATUS_OK);
    assert_int_equal(agreed_count(&fixture->agreed, "artifacts/"), 0);
    assert_int_equal(push(fixture, TAX, TWO), STATUS_OK);
    Pb__Command *withdraw = commands_delete(&fixture->arena, "blueprints/shop");
    assert_int_equal(apply_as(fixture, PB__ORIGIN__ORIGIN_MANAGER, withdraw)->status, STATUS_OK);
    assert_int_equal(delete_as(fixture, PB__ORIGIN__ORIGIN_MANAGER, TAX), STATUS_OK);
    assert_int_equal(delete_as(fixture, PB__ORIGIN__ORIGIN_MANAGER, TAX), STATUS_OK); /* Gone is gone. */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_release_is_one_file_for_ever, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_keeper_moves_copies_and_nothing_else, set_up, tear_down),
        cmocka_unit_test_setup_teardown(clients_and_strangers_write_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_a_blueprint_uses_stays, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
