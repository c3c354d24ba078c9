/* The packed configuration is outside input: it comes from other replicas and from the disk (M1, M4). */
#include "store/raft/configuration.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct configuration three_and_a_learner(void)
{
    struct configuration configuration = { 0 };
    assert_int_equal(configuration_add(&configuration, 30, "node-3", true), STATUS_OK);
    assert_int_equal(configuration_add(&configuration, 10, "node-1", true), STATUS_OK);
    assert_int_equal(configuration_add(&configuration, UINT64_MAX, "node-4", false), STATUS_OK);
    assert_int_equal(configuration_add(&configuration, 20, "node-2", true), STATUS_OK);
    return configuration;
}

static void members_stand_in_the_order_of_their_ids(void **unused)
{
    (void)unused;
    struct configuration configuration = three_and_a_learner();
    assert_true(configuration_is_valid(&configuration));
    assert_int_equal(configuration.members[0].id, 10);
    assert_int_equal(configuration.members[2].id, 30);
    assert_true(configuration_is_voter(&configuration, 20));
    assert_false(configuration_is_voter(&configuration, UINT64_MAX));
    assert_false(configuration_is_voter(&configuration, 99));
    assert_int_equal(configuration_find_name(&configuration, "node-3")->id, 30);
}

static void what_can_not_be_is_not_added(void **unused)
{
    (void)unused;
    struct configuration configuration = three_and_a_learner();
    char long_name[CONFIGURATION_NAME_MAX + 1];
    memset(long_name, 'n', sizeof long_name);
    long_name[CONFIGURATION_NAME_MAX] = '\0';
    assert_int_equal(configuration_add(&configuration, 0, "node-9", true), STATUS_INVALID);
    assert_int_equal(configuration_add(&configuration, 10, "node-9", true), STATUS_INVALID);
    assert_int_equal(configuration_add(&configuration, 9, "node-1", true), STATUS_INVALID);
    assert_int_equal(configuration_add(&configuration, 9, "", true), STATUS_INVALID);
    assert_int_equal(configuration_add(&configuration, 9, long_name, true), STATUS_INVALID);
    assert_int_equal(configuration_add(&configuration, 9, long_name + 1, true),
                     STATUS_OK); /* 63 characters. */
    for (uint64_t id = 100; configuration.member_count < REPLICAS_MAX; id++) {
        char name[16];
        (void)snprintf(name, sizeof name, "n%u", (unsigned)id);
        assert_int_equal(configuration_add(&configuration, id, name, false), STATUS_OK);
    }
    assert_int_equal(configuration_add(&configuration, 999, "one-too-many", false), STATUS_INVALID);
}

static void packing_and_unpacking_gives_the_same(void **unused)
{
    (void)unused;
    struct configuration configuration = three_and_a_learner();
    for (int joint = 0; joint < 2; joint++) {
        configuration.joint = joint == 1;
        configuration.members[0].outgoing_voter = joint == 1;
        struct bytes *packed = configuration_pack(&configuration);
        struct configuration read;
        assert_int_equal(configuration_unpack(packed->data, packed->size, &read), STATUS_OK);
        assert_true(configuration_equal(&configuration, &read));
        bytes_unref(&packed);
    }
}

static void damaged_bytes_are_corrupt_or_another_valid_configuration(void **unused)
{
    (void)unused;
    struct configuration configuration = three_and_a_learner();
    struct bytes *packed = configuration_pack(&configuration);
    struct configuration read;
    for (size_t size = 0; size < packed->size; size++) {
        assert_int_equal(configuration_unpack(packed->data, size, &read), STATUS_CORRUPT);
    }
    for (size_t at = 0; at < packed->size; at++) {
        for (int bit = 0; bit < 8; bit++) {
            packed->data[at] ^= (uint8_t)(1 << bit);
            enum status status = configuration_unpack(packed->data, packed->size, &read);
            if (status == STATUS_OK) assert_true(configuration_is_valid(&read));
            else assert_int_equal(status, STATUS_CORRUPT);
            if (status == STATUS_OK) assert_false(configuration_equal(&configuration, &read));
            packed->data[at] ^= (uint8_t)(1 << bit);
        }
    }
    bytes_unref(&packed);
}

static void forbidden_forms_are_not_valid(void **unused) /* M4 */
{
    (void)unused;
    struct configuration configuration = { 0 };
    assert_false(configuration_is_valid(&configuration)); /* Nobody. */
    assert_int_equal(configuration_add(&configuration, 1, "a", false), STATUS_OK);
    assert_false(configuration_is_valid(&configuration)); /* No voter. */
    configuration.members[0].voter = true;
    assert_true(configuration_is_valid(&configuration));
    configuration.joint = true;
    assert_false(configuration_is_valid(&configuration)); /* No outgoing half. */
    configuration.members[0].outgoing_voter = true;
    assert_true(configuration_is_valid(&configuration));
    configuration.joint = false;
    assert_false(configuration_is_valid(&configuration)); /* Half a joint configuration. */
    configuration = three_and_a_learner();
    configuration.members[1].id = configuration.members[0].id;
    assert_false(configuration_is_valid(&configuration)); /* A duplicate id. */
    configuration = three_and_a_learner();
    memcpy(configuration.members[1].name, "node-1", sizeof "node-1");
    assert_false(configuration_is_valid(&configuration)); /* A duplicate name. */
}

/* "abc" and "cL": a voter or, with L, a learner for each id 1, 2, 3... */
static struct configuration made_of(const char *const *names, uint32_t count)
{
    struct configuration made = { 0 };
    for (uint32_t i = 0; i < count; i++) {
        if (names[i] == NULL) continue;
        char name[CONFIGURATION_NAME_MAX] = "";
        size_t length = strlen(names[i]);
        bool learner = names[i][length - 1] == 'L';
        memcpy(name, names[i], learner ? length - 1 : length);
        assert_int_equal(configuration_add(&made, i + 1, name, !learner), STATUS_OK);
    }
    return made;
}
#define MADE_OF(...)                                                                                         \
    made_of((const char *const[]){ __VA_ARGS__ },                                                            \
            sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *))

static void voters_change_through_a_joint_one(void **unused) /* M2 */
{
    (void)unused;
    struct configuration from = MADE_OF("a", "b", "c", "dL");
    struct configuration wanted = MADE_OF("a", "bL", NULL, "d");
    struct configuration joint;
    assert_int_equal(configuration_toward(&from, &wanted, &joint), STATUS_OK);
    assert_true(joint.joint);
    assert_true(configuration_is_valid(&joint));
    assert_false(configuration_find(&joint, 2)->voter); /* Becomes a learner, */
    assert_true(configuration_find(&joint, 2)->outgoing_voter);
    assert_false(configuration_find(&joint, 2)->leaves);
    assert_true(configuration_find(&joint, 3)->leaves);          /* is gone, */
    assert_false(configuration_find(&joint, 4)->outgoing_voter); /* and was none. */
    assert_true(configuration_may_follow(&from, &joint));
    struct configuration left;
    configuration_leave(&joint, &left);
    assert_true(configuration_equal(&left, &wanted));
    assert_true(configuration_may_follow(&joint, &wanted));
    assert_false(configuration_may_follow(&from, &wanted)); /* M4: not without the joint one. */
    assert_false(configuration_may_follow(&joint, &from));
}

static void learners_come_and_go_in_one_step(void **unused) /* M2 */
{
    (void)unused;
    struct configuration from = MADE_OF("a", "b", "cL");
    struct configuration wanted = MADE_OF("a", "b", NULL, "dL");
    struct configuration next;
    assert_int_equal(configuration_toward(&from, &wanted, &next), STATUS_OK);
    assert_true(configuration_equal(&next, &wanted));
    assert_true(configuration_may_follow(&from, &next));
    assert_int_equal(configuration_toward(&from, &from, &next), STATUS_INVALID); /* Nothing changes. */
    struct configuration nobody = MADE_OF("aL", "bL");
    assert_int_equal(configuration_toward(&from, &nobody, &next), STATUS_INVALID);
}

static void a_replaced_replica_shares_its_name(void **unused) /* M3, M4 */
{
    (void)unused;
    struct configuration both = MADE_OF("a", "b", "c", "cL");
    struct configuration wanted = MADE_OF("a", "b", NULL, "c");
    struct configuration joint;
    assert_true(configuration_is_valid(&both));
    assert_int_equal(configuration_find_name(&both, "c")->id, 3); /* The voter. */
    assert_int_equal(configuration_toward(&both, &wanted, &joint), STATUS_OK);
    assert_true(configuration_is_valid(&joint));
    assert_int_equal(configuration_find_name(&joint, "c")->id, 4); /* Who comes. */
    assert_int_equal(configuration_add(&both, 9, "c", true), STATUS_INVALID);
    assert_int_equal(configuration_add(&both, 9, "c", false), STATUS_INVALID);
    struct configuration two_learners = MADE_OF("a", "b", "cL", NULL);
    struct configuration demoted = both;
    demoted.members[2].voter = false; /* Both would be learners named c. */
    assert_false(configuration_is_valid(&demoted));
    assert_int_equal(configuration_toward(&two_learners, &demoted, &joint), STATUS_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_stand_in_the_order_of_their_ids),
        cmocka_unit_test(what_can_not_be_is_not_added),
        cmocka_unit_test(packing_and_unpacking_gives_the_same),
        cmocka_unit_test(damaged_bytes_are_corrupt_or_another_valid_configuration),
        cmocka_unit_test(forbidden_forms_are_not_valid),
        cmocka_unit_test(voters_change_through_a_joint_one),
        cmocka_unit_test(learners_come_and_go_in_one_step),
        cmocka_unit_test(a_replaced_replica_shares_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
