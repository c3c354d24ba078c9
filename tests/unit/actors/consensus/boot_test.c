/* Goal: a log that contradicts itself is CORRUPT at the start, never believed (section 4).
 * Method: logs written by hand, sound in their checksums. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "actors/consensus/boot.h"
#include "store/memory/log_memory.h"

#include <string.h>

static void fill_random(void *context, void *buffer, size_t size)
{
    (void)context;
    memset(buffer, 7, size);
}
static const struct random test_random = { .fill = fill_random };

/* Of a log of these entries, opened again. */
static enum status boot_of(const struct raft_entry *entries, uint32_t count)
{
    struct log_memory_disk *disk = log_memory_disk_create();
    struct log *log = NULL;
    struct error error = { 0 };
    struct log_batch batch = { .entries = entries, .entry_count = count, .cluster_id = 1 };
    assert_int_equal(log_memory_open(disk, &test_random, &log, &error), STATUS_OK);
    assert_int_equal(log->ops->write(log, &batch, 1, &error), STATUS_OK);
    log->ops->close(log);
    assert_int_equal(log_memory_open(disk, &test_random, &log, &error), STATUS_OK);
    struct boot boot;
    enum status status = boot_read(log, &boot, &error);
    if (status == STATUS_OK) boot_fini(&boot);
    log->ops->close(log);
    log_memory_disk_destroy(&disk);
    return status;
}

static void entry_one_is_a_configuration(void **state) /* I2 */
{
    (void)state;
    struct configuration configuration = { 0 };
    assert_int_equal(configuration_add(&configuration, 5, "n1", true), STATUS_OK);
    struct bytes *packed = configuration_pack(&configuration);
    struct raft_entry entry = { .index = 1, .term = 1, .type = ENTRY_CONFIGURATION, .payload = packed };
    assert_int_equal(boot_of(&entry, 1), STATUS_OK);
    entry.payload = NULL;
    assert_int_equal(boot_of(&entry, 1), STATUS_CORRUPT);
    entry.type = ENTRY_NO_OP;
    assert_int_equal(boot_of(&entry, 1), STATUS_CORRUPT);
    bytes_unref(&packed);
}

static void terms_never_fall(void **state)
{
    (void)state;
    struct configuration configuration = { 0 };
    assert_int_equal(configuration_add(&configuration, 5, "n1", true), STATUS_OK);
    struct bytes *packed = configuration_pack(&configuration);
    struct raft_entry entries[] = {
        { .index = 1, .term = 1, .type = ENTRY_CONFIGURATION, .payload = packed },
        { .index = 2, .term = 3, .type = ENTRY_NO_OP },
        { .index = 3, .term = 3, .type = ENTRY_NO_OP },
    };
    assert_int_equal(boot_of(entries, 3), STATUS_OK);
    entries[2].term = 2;
    assert_int_equal(boot_of(entries, 3), STATUS_CORRUPT);
    bytes_unref(&packed);
}

int main(int argc, char **argv)
{
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entry_one_is_a_configuration),
        cmocka_unit_test(terms_never_fall),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
