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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_stand_in_the_order_of_their_ids),
        cmocka_unit_test(what_can_not_be_is_not_added),
        cmocka_unit_test(packing_and_unpacking_gives_the_same),
        cmocka_unit_test(damaged_bytes_are_corrupt_or_another_valid_configuration),
        cmocka_unit_test(forbidden_forms_are_not_valid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
