/* Goal: what the agreed state says of who takes part follows from the configurations' own entries (A5, E5),
 * and what people decide about a node holds in the entry itself (M5, DEP7). Method: the real rules on the
 * live state, configurations and commands by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "store/kv.h"
#include "store/schema/cluster.h"
#include "store/schema/cluster_checkpoint.h"
#include "store/schema/cluster_members.h"
#include "store/schema/rules.h"
#include "tests/support/commands.h"
#include "wire/proto/codec.h"

#include <string.h>

struct fixture {
    struct kv *kv;
    struct arena arena;
    log_index index;
    struct kv_outcome outcome;
};

static int set_up(void **state)
{
    struct fixture *fixture = memory_zalloc(sizeof *fixture);
    fixture->kv = kv_create(&schema_rules);
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

/* --- entries -------------------------------------------------------------------------------------------- */

struct member {
    replica_id id;
    const char *name;
    bool voter;
    bool outgoing;
};

static void configure(struct fixture *fixture, bool joint, const struct member *members, uint32_t count)
{
    struct configuration configuration = { 0 };
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(configuration_add(&configuration, members[i].id, members[i].name, members[i].voter),
                         STATUS_OK);
    }
    configuration.joint = joint;
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t m = 0; m < configuration.member_count; m++) {
            if (configuration.members[m].id != members[i].id) continue;
            configuration.members[m].outgoing_voter = members[i].outgoing;
            configuration.members[m].leaves = members[i].outgoing && !members[i].voter;
        }
    }
    struct raft_entry entry = { .index = ++fixture->index,
                                .term = 1,
                                .stamp_ms = 1000,
                                .type = ENTRY_CONFIGURATION,
                                .payload = configuration_pack(&configuration) };
    kv_apply(fixture->kv, &entry, &fixture->outcome);
    bytes_unref(&entry.payload);
}

static enum status apply(struct fixture *fixture, Pb__Command *command, Pb__Origin origin)
{
    command->origin = origin;
    if (origin == PB__ORIGIN__ORIGIN_MANAGER) command->leader_term = 1;
    struct raft_entry entry = commands_entry(++fixture->index, 1, command);
    kv_apply(fixture->kv, &entry, &fixture->outcome);
    bytes_unref(&entry.payload);
    return (enum status)fixture->outcome.reply->status;
}

static Pb__OpNodeChange *new_change(struct fixture *fixture, Pb__Command **out_command, const char *node)
{
    *out_command = commands_new(&fixture->arena);
    Pb__Operation *operation = commands_add(&fixture->arena, *out_command);
    operation->op_case = PB__OPERATION__OP_NODE_CHANGE;
    operation->node_change = codec_create(&fixture->arena, &pb__op_node_change__descriptor);
    operation->node_change->node = arena_strdup(&fixture->arena, node);
    return operation->node_change;
}

static enum status set_state(struct fixture *fixture, const char *node, const char *to)
{
    Pb__Command *command;
    Pb__OpNodeChange *change = new_change(fixture, &command, node);
    change->state = arena_strdup(&fixture->arena, to);
    change->address = arena_strdup(&fixture->arena, "tcp://there");
    return apply(fixture, command, PB__ORIGIN__ORIGIN_MANAGER);
}

static enum status wish(struct fixture *fixture, const char *node, const char *what)
{
    Pb__Command *command;
    Pb__OpNodeChange *change = new_change(fixture, &command, node);
    change->wish = arena_strdup(&fixture->arena, what);
    return apply(fixture, command, PB__ORIGIN__ORIGIN_MANAGER);
}

static enum status label(struct fixture *fixture, const char *node, const char *json)
{
    Pb__Command *command;
    Pb__OpNodeChange *change = new_change(fixture, &command, node);
    change->labels.data = (uint8_t *)arena_strdup(&fixture->arena, json);
    change->labels.len = strlen(json);
    return apply(fixture, command, PB__ORIGIN__ORIGIN_MANAGER);
}

static enum status forget(struct fixture *fixture, const char *node)
{
    Pb__Command *command;
    new_change(fixture, &command, node)->gone = true;
    return apply(fixture, command, PB__ORIGIN__ORIGIN_MANAGER);
}

static enum status start(struct fixture *fixture, const char *node, uint64_t incarnation, const char *facts)
{
    Pb__Command *command = commands_new(&fixture->arena);
    Pb__Operation *operation = commands_add(&fixture->arena, command);
    operation->op_case = PB__OPERATION__OP_NODE_STARTED;
    operation->node_started = codec_create(&fixture->arena, &pb__op_node_started__descriptor);
    operation->node_started->node = arena_strdup(&fixture->arena, node);
    operation->node_started->incarnation = incarnation;
    operation->node_started->facts.data = (uint8_t *)arena_strdup(&fixture->arena, facts);
    operation->node_started->facts.len = strlen(facts);
    return apply(fixture, command, PB__ORIGIN__ORIGIN_SYSTEM);
}

static void assert_value(const struct fixture *fixture, const char *key, const char *json)
{
    const struct kv_record *record = kv_get(fixture->kv, key);
    if (json == NULL) {
        assert_null(record);
        return;
    }
    assert_non_null(record);
    char text[1024] = { 0 };
    assert_true(record->value_size < sizeof text);
    memcpy(text, record->value, record->value_size);
    assert_string_equal(text, json);
}

static void assert_field(const struct fixture *fixture, const char *node, const char *field,
                         const char *wanted)
{
    char key[CLUSTER_KEY_SIZE];
    cluster_key_node(key, node);
    const struct kv_record *record = kv_get(fixture->kv, key);
    assert_non_null(record);
    struct value *document = NULL;
    assert_int_equal(value_parse_json((const char *)record->value, record->value_size, &document, NULL),
                     STATUS_OK);
    assert_string_equal(value_get_string(document, field, "(none)"), wanted);
    value_free(&document);
}

static const struct member three[] = { { 7, "node-1", true, false },
                                       { 3, "node-2", true, false },
                                       { 5, "node-3", true, false } };

/* --- config/members, config/retired --------------------------------------------------------------------- */

static void members_follow_from_configurations(void **state) /* A5, E5, M2 */
{
    struct fixture *fixture = *state;
    configure(fixture, false, three, 3);
    assert_value(fixture, "config/members",
                 "{\"index\":1,\"joint\":false,\"members\":["
                 "{\"node\":\"node-1\",\"replica\":\"0000000000000007\",\"role\":\"voter\"},"
                 "{\"node\":\"node-2\",\"replica\":\"0000000000000003\",\"role\":\"voter\"},"
                 "{\"node\":\"node-3\",\"replica\":\"0000000000000005\",\"role\":\"voter\"}]}");
    const struct member joint[] = { { 7, "node-1", true, true },
                                    { 3, "node-2", false, true },
                                    { 5, "node-3", true, true },
                                    { 9, "node-4", true, false } };
    configure(fixture, true, joint, 4);
    assert_value(fixture, "config/retired/0000000000000003", NULL); /* Not before it has left. */
    const struct kv_record *members = kv_get(fixture->kv, "config/members");
    const char *leaving = "\"replica\":\"0000000000000003\",\"role\":\"leaving\",\"outgoing\":true}";
    assert_non_null(memmem(members->value, members->value_size, leaving, strlen(leaving)));
    const struct member after[] = { { 7, "node-1", true, false },
                                    { 5, "node-3", true, false },
                                    { 9, "node-4", true, false } };
    configure(fixture, false, after, 3);
    assert_value(fixture, "config/retired/0000000000000003", "{\"node\":\"node-2\",\"revision\":3}");
    assert_value(fixture, "config/retired/0000000000000007", NULL);
}

static void members_are_read_back(void **unused)
{
    (void)unused;
    const char *json =
        "{\"index\":9,\"joint\":true,\"members\":["
        "{\"node\":\"b\",\"replica\":\"0000000000000009\",\"role\":\"voter\"},"
        "{\"node\":\"b\",\"replica\":\"0000000000000002\",\"role\":\"learner\",\"outgoing\":true},"
        "{\"node\":\"c\",\"replica\":\"xyz\",\"role\":\"voter\"}]}";
    struct value *document = NULL;
    struct cluster_members members;
    assert_int_equal(value_parse_json(json, strlen(json), &document, NULL), STATUS_OK);
    cluster_members_read(document, &members);
    value_free(&document);
    assert_int_equal(members.index, 9);
    assert_true(members.configuration.joint);
    assert_int_equal(members.configuration.member_count, 2); /* What is damaged counts as absent. */
    assert_int_equal(members.configuration.members[0].id, 2);
    assert_true(members.configuration.members[0].outgoing_voter);
    assert_int_equal(cluster_members_find(&members, "b")->id, 9); /* The voter of the two. */
    assert_null(cluster_members_find(&members, "c"));
    cluster_members_read(NULL, &members);
    assert_int_equal(members.configuration.member_count, 0);
}

static void nobody_writes_them(void **state)
{
    struct fixture *fixture = *state;
    static const char *const keys[] = { "config/members", "config/retired/0000000000000003",
                                        "config/wishes/n", "config/labels/n" };
    configure(fixture, false, three, 3);
    for (size_t i = 0; i < ARRAY_COUNT(keys); i++) {
        assert_int_equal(
            apply(fixture, commands_put(&fixture->arena, keys[i], "{}"), PB__ORIGIN__ORIGIN_CLIENT),
            STATUS_DENIED);
        assert_int_equal(
            apply(fixture, commands_put(&fixture->arena, keys[i], "{}"), PB__ORIGIN__ORIGIN_FORCED),
            STATUS_DENIED);
        assert_int_equal(apply(fixture, commands_delete(&fixture->arena, keys[i]), PB__ORIGIN__ORIGIN_FORCED),
                         STATUS_DENIED);
    }
    Pb__Command *command;
    new_change(fixture, &command, "node-1")->wish = arena_strdup(&fixture->arena, "removed");
    assert_int_equal(apply(fixture, command, PB__ORIGIN__ORIGIN_CLIENT), STATUS_DENIED);
    assert_int_equal(apply(fixture, command, PB__ORIGIN__ORIGIN_NODE), STATUS_CONFLICT);
}

/* --- wishes --------------------------------------------------------------------------------------------- */

static void a_wish_goes_when_it_is_carried_out(void **state) /* M5 */
{
    struct fixture *fixture = *state;
    const struct member with_learner[] = { three[0], three[1], three[2], { 9, "node-4", false, false } };
    configure(fixture, false, with_learner, 4);
    assert_int_equal(wish(fixture, "node-4", "voter"), STATUS_NOT_FOUND); /* No record: it never started. */
    assert_int_equal(set_state(fixture, "node-4", "JOINING"), STATUS_OK);
    assert_int_equal(wish(fixture, "node-4", "voter"), STATUS_OK);
    assert_non_null(kv_get(fixture->kv, "config/wishes/node-4"));
    struct member promoted[4];
    memcpy(promoted, with_learner, sizeof promoted);
    promoted[3].voter = true;
    configure(fixture, false, promoted, 4);
    assert_null(kv_get(fixture->kv, "config/wishes/node-4"));
    assert_int_equal(wish(fixture, "node-4", "voter"), STATUS_OK); /* It holds already. */
    assert_null(kv_get(fixture->kv, "config/wishes/node-4"));
    assert_int_equal(wish(fixture, "node-4", "learner"), STATUS_OK);
    assert_int_equal(wish(fixture, "node-4", "none"), STATUS_OK);
    assert_null(kv_get(fixture->kv, "config/wishes/node-4"));
    assert_int_equal(wish(fixture, "node-4", "king"), STATUS_INVALID);
}

static void a_worker_has_no_vote_to_wish_for(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(start(fixture, "w", 5, "{\"role\":\"worker\"}"), STATUS_OK);
    assert_int_equal(wish(fixture, "w", "voter"), STATUS_CONFLICT);
    assert_int_equal(wish(fixture, "w", "removed"), STATUS_OK);
}

/* --- states --------------------------------------------------------------------------------------------- */

static void a_node_joins_drains_and_resumes(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(set_state(fixture, "node-4", "DRAINING"), STATUS_NOT_FOUND);
    assert_int_equal(set_state(fixture, "node-4", "JOINING"), STATUS_OK);
    assert_field(fixture, "node-4", "state", "JOINING");
    assert_field(fixture, "node-4", "address", "tcp://there");
    assert_int_equal(set_state(fixture, "node-4", "ON_DUTY"), STATUS_CONFLICT); /* It says so itself. */
    assert_int_equal(start(fixture, "node-4", 5, "{\"address\":\"tcp://here\"}"), STATUS_OK);
    assert_field(fixture, "node-4", "state", "ON_DUTY");
    assert_int_equal(set_state(fixture, "node-4", "DRAINING"), STATUS_OK);
    assert_int_equal(start(fixture, "node-4", 6, "{}"), STATUS_OK);
    assert_field(fixture, "node-4", "state", "DRAINING"); /* A start does not undo what people decided. */
    assert_int_equal(set_state(fixture, "node-4", "ON_DUTY"), STATUS_OK);
    assert_field(fixture, "node-4", "state", "ON_DUTY");
    assert_int_equal(set_state(fixture, "node-4", "ASLEEP"), STATUS_INVALID);
}

static void a_removal_can_be_withdrawn_until_it_is_done(void **state)
{
    struct fixture *fixture = *state;
    configure(fixture, false, three, 3);
    assert_int_equal(start(fixture, "node-3", 5, "{}"), STATUS_OK);
    assert_int_equal(set_state(fixture, "node-3", "DECOMMISSIONED"), STATUS_OK);
    assert_int_equal(wish(fixture, "node-3", "removed"), STATUS_OK);
    assert_int_equal(set_state(fixture, "node-3", "DRAINING"), STATUS_CONFLICT);
    assert_int_equal(wish(fixture, "node-3", "voter"), STATUS_CONFLICT);
    assert_int_equal(forget(fixture, "node-3"), STATUS_CONFLICT); /* It still votes. */
    assert_int_equal(set_state(fixture, "node-3", "ON_DUTY"), STATUS_OK);
    assert_null(kv_get(fixture->kv, "config/wishes/node-3"));
}

static void nothing_is_left_of_a_removed_node(void **state) /* DEP7 */
{
    struct fixture *fixture = *state;
    configure(fixture, false, three, 3);
    assert_int_equal(start(fixture, "node-3", 5, "{}"), STATUS_OK);
    assert_int_equal(label(fixture, "node-3", "{\"gpu\":\"a100\"}"), STATUS_OK);
    assert_int_equal(set_state(fixture, "node-3", "DECOMMISSIONED"), STATUS_OK);
    assert_int_equal(wish(fixture, "node-3", "removed"), STATUS_OK);
    configure(fixture, false, three, 2);
    assert_non_null(kv_get(fixture->kv, "config/wishes/node-3")); /* Until its last record goes. */
    assert_int_equal(forget(fixture, "node-3"), STATUS_OK);
    assert_null(kv_get(fixture->kv, "config/wishes/node-3"));
    assert_null(kv_get(fixture->kv, "config/labels/node-3"));
    assert_null(kv_get(fixture->kv, "nodes/node-3"));
    assert_int_equal(forget(fixture, "node-3"), STATUS_OK); /* Again: nothing to do. */
    assert_non_null(kv_get(fixture->kv, "config/retired/0000000000000005"));
}

static void who_was_removed_may_join_again(void **state) /* A7 */
{
    struct fixture *fixture = *state;
    assert_int_equal(start(fixture, "node-3", 5, "{}"), STATUS_OK);
    assert_int_equal(set_state(fixture, "node-3", "DECOMMISSIONED"), STATUS_OK);
    assert_int_equal(wish(fixture, "node-3", "removed"), STATUS_OK);
    assert_int_equal(set_state(fixture, "node-3", "JOINING"), STATUS_OK);
    assert_null(kv_get(fixture->kv, "config/wishes/node-3"));
    assert_int_equal(start(fixture, "node-3", 4, "{}"),
                     STATUS_CONFLICT); /* An older start still doesn't count. */
    assert_int_equal(start(fixture, "node-3", 6, "{}"), STATUS_OK);
    assert_field(fixture, "node-3", "state", "ON_DUTY");
}

/* --- labels --------------------------------------------------------------------------------------------- */

static void labels_outlive_a_start(void **state)
{
    struct fixture *fixture = *state;
    const char *facts = "{\"labels\":{\"zone\":\"a\",\"disk\":\"ssd\"},\"zone\":\"a\"}";
    assert_int_equal(label(fixture, "n", "{\"zone\":\"b\"}"), STATUS_NOT_FOUND);
    assert_int_equal(start(fixture, "n", 5, facts), STATUS_OK);
    assert_int_equal(label(fixture, "n", "{\"zone\":\"b\",\"disk\":null}"), STATUS_OK);
    assert_field(fixture, "n", "zone", "b");
    assert_int_equal(start(fixture, "n", 6, facts), STATUS_OK);
    assert_field(fixture, "n", "zone", "b");
    const struct kv_record *record = kv_get(fixture->kv, "nodes/n");
    assert_non_null(memmem(record->value, record->value_size, "\"labels\":{\"zone\":\"b\"}", 21));
    assert_int_equal(label(fixture, "n", "{\"zone\":7}"), STATUS_INVALID);
    assert_int_equal(label(fixture, "n", "{\"a b\":\"x\"}"), STATUS_INVALID);
}

static void apply_checkpoint(struct fixture *fixture, const struct checkpoint *checkpoint)
{
    struct raft_entry entry = { .index = ++fixture->index, .term = 1, .type = ENTRY_CHECKPOINT };
    entry.payload = checkpoint_pack(checkpoint);
    kv_apply(fixture->kv, &entry, &fixture->outcome);
    bytes_unref(&entry.payload);
}

static void the_last_checkpoint_is_part_of_the_state(void **state) /* T3, T5 */
{
    struct fixture *fixture = *state;
    const struct checkpoint first = { .count = 1, .matches = { { 3, 10 } } };
    const struct checkpoint last = { .count = 2, .matches = { { 3, 40 }, { UINT64_MAX, 39 } } };
    struct checkpoint read = { 0 };
    apply_checkpoint(fixture, &first);
    apply_checkpoint(fixture, &last);
    const struct kv_record *record = kv_get(fixture->kv, CLUSTER_CHECKPOINT_KEY);
    assert_int_equal(cluster_checkpoint_read(record, &read), STATUS_OK);
    assert_int_equal(read.count, 2);
    assert_int_equal(checkpoint_match_of(&read, 3), 40);
    assert_int_equal(checkpoint_match_of(&read, UINT64_MAX), 39);
    Pb__Command *command = commands_put(&fixture->arena, CLUSTER_CHECKPOINT_KEY, "{}");
    assert_int_equal(apply(fixture, command, PB__ORIGIN__ORIGIN_FORCED), STATUS_DENIED);
}

static void what_is_no_checkpoint_is_not_read(void **state)
{
    (void)state;
    static const char *const values[] = {
        "",
        "[]",
        "{\"matches\":[{}]}",
        "{\"matches\":[{\"replica\":\"0000000000000003\",\"match\":-2}]}",
        ("{\"matches\":[{\"replica\":\"0000000000000003\",\"match\":1},"
         "{\"replica\":\"0000000000000003\",\"match\":1}]}"),
    };
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        struct checkpoint read;
        const struct kv_record record = { .value = (const uint8_t *)values[i],
                                          .value_size = strlen(values[i]) };
        assert_int_equal(cluster_checkpoint_read(&record, &read), STATUS_CORRUPT);
    }
}

#define MEMBERS_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMBERS_TEST(members_follow_from_configurations),
        cmocka_unit_test(members_are_read_back),
        MEMBERS_TEST(nobody_writes_them),
        MEMBERS_TEST(a_wish_goes_when_it_is_carried_out),
        MEMBERS_TEST(a_worker_has_no_vote_to_wish_for),
        MEMBERS_TEST(a_node_joins_drains_and_resumes),
        MEMBERS_TEST(a_removal_can_be_withdrawn_until_it_is_done),
        MEMBERS_TEST(nothing_is_left_of_a_removed_node),
        MEMBERS_TEST(who_was_removed_may_join_again),
        MEMBERS_TEST(labels_outlive_a_start),
        MEMBERS_TEST(the_last_checkpoint_is_part_of_the_state),
        cmocka_unit_test(what_is_no_checkpoint_is_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
