/* Goal: what the core has to know of a log is found in it, and a log that is none is CORRUPT (section 4, M1).
 * Method: logs written by hand, sound in their checksums. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "actors/consensus/boot.h"
#include "runtime/base/check.h"
#include "store/memory/log_memory.h"
#include "store/record.h"
#include "store/schema/cluster_checkpoint.h"

#include <string.h>

static void fill_random(void *context, void *buffer, size_t size)
{
    (void)context;
    memset(buffer, 7, size);
}
static const struct random test_random = { .fill = fill_random };

/* Of a log of this one entry, opened again. */
static enum status boot_of(struct raft_entry entry)
{
    struct log_memory_disk *disk = log_memory_disk_create();
    struct log *log = NULL;
    struct error error = { 0 };
    const struct bytes *payload = entry.payload;
    entry.chain = entry_chain(0, entry.index, entry.term, entry.type, payload == NULL ? NULL : payload->data,
                              payload == NULL ? 0 : payload->size);
    struct log_batch batch = { .entries = &entry, .entry_count = 1, .cluster_id = 1 };
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
    assert_int_equal(boot_of(entry), STATUS_OK);
    entry.payload = NULL;
    assert_int_equal(boot_of(entry), STATUS_CORRUPT);
    entry.type = ENTRY_NO_OP;
    assert_int_equal(boot_of(entry), STATUS_CORRUPT);
    bytes_unref(&packed);
}

/* Of a log of `count` no-ops after the first entry, the term of which rises where `rises` says. */
static void read_boot_of(const log_index *rises, uint32_t rise_count, log_index count, struct boot *out_boot)
{
    struct log_memory_disk *disk = log_memory_disk_create();
    struct log *log = NULL;
    struct configuration configuration = { 0 };
    uint64_t chain = 0;
    log_term term = 1;
    assert_int_equal(log_memory_open(disk, &test_random, &log, NULL), STATUS_OK);
    assert_int_equal(configuration_add(&configuration, 5, "n1", true), STATUS_OK);
    struct bytes *packed = configuration_pack(&configuration);
    for (log_index index = 1; index <= count + 1; index++) {
        struct raft_entry entry = { .index = index, .type = index == 1 ? ENTRY_CONFIGURATION : ENTRY_NO_OP };
        for (uint32_t i = 0; i < rise_count; i++) {
            if (rises[i] == index) term += 2;
        }
        entry.term = term;
        entry.stamp_ms = 100 + index;
        if (index == 1) entry.payload = packed;
        chain = entry_chain(chain, index, term, entry.type, index == 1 ? packed->data : NULL,
                            index == 1 ? packed->size : 0);
        entry.chain = chain;
        struct log_batch batch = { .entries = &entry, .entry_count = 1 };
        assert_int_equal(log->ops->write(log, &batch, 1, NULL), STATUS_OK);
    }
    bytes_unref(&packed);
    log->ops->close(log);
    assert_int_equal(log_memory_open(disk, &test_random, &log, NULL), STATUS_OK);
    assert_int_equal(boot_read(log, out_boot, NULL), STATUS_OK);
    log->ops->close(log);
    log_memory_disk_destroy(&disk);
}

static void terms_are_found_wherever_they_begin(void **state)
{
    (void)state;
    static const log_index places[][3] = { { 2, 3, 4 }, { 2, 50, 101 }, { 7, 8, 100 }, { 64, 65, 66 } };
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        struct boot boot;
        read_boot_of(places[i], 3, 100, &boot);
        assert_int_equal(boot.run_count, 4);
        assert_int_equal(boot.runs[0].first, 1);
        assert_int_equal(boot.runs[0].term, 1);
        for (uint32_t run = 1; run < 4; run++) {
            assert_int_equal(boot.runs[run].first, places[i][run - 1]);
            assert_int_equal(boot.runs[run].term, 1 + 2 * run);
        }
        assert_int_equal(boot.last_stamp_ms, 201);
        assert_int_equal(boot.first.index, 1);
        assert_int_equal(boot.configuration_count, 1);
        boot_fini(&boot);
    }
}

/* Written and opened again. */
static struct log *written(struct log_memory_disk *disk, const struct log_batch *batches, uint32_t count)
{
    struct log *log = NULL;
    assert_int_equal(log_memory_open(disk, &test_random, &log, NULL), STATUS_OK);
    assert_int_equal(log->ops->write(log, batches, count, NULL), STATUS_OK);
    log->ops->close(log);
    assert_int_equal(log_memory_open(disk, &test_random, &log, NULL), STATUS_OK);
    return log;
}

static void a_snapshot_that_replaced_the_log_tells_the_checkpoint(void **state) /* T3, T5 */
{
    (void)state;
    static const char value[] = "{\"index\":9,\"matches\":[{\"replica\":\"0000000000000005\",\"match\":8}]}";
    static const char *const keys[] = { "config/a", CLUSTER_CHECKPOINT_KEY, "config/no-ops" };
    struct arena arena = { 0 };
    struct record_hash hash = { 0 };
    struct log_copy_record records[ARRAY_COUNT(keys)];
    for (size_t i = 0; i < ARRAY_COUNT(keys); i++) { /* Of the others' values nobody asks. */
        const struct kv_record record = { .key = keys[i],
                                          .value = (const uint8_t *)value,
                                          .value_size = sizeof value - 1,
                                          .create_revision = 9,
                                          .revision = 9,
                                          .version = 1,
                                          .term = 1,
                                          .lease = "" };
        struct record_blob blob = record_pack(&record, &arena);
        struct record_hash part = record_hash(&record);
        record_hash_add(&hash, &part);
        records[i] = (struct log_copy_record){ COPY_RECORD, keys[i], blob.data, blob.size };
    }
    struct configuration configuration = { 0 };
    assert_int_equal(configuration_add(&configuration, 5, "n1", true), STATUS_OK);
    struct bytes *packed = configuration_pack(&configuration);
    const struct log_chunk chunk = { .snapshot_id = 7, .to = 100, .records = records, .record_count = 3 };
    struct log_install install = { .snapshot_id = 7,
                                   .position = { .index = 12, .term = 1, .chain = 3 },
                                   .configuration_index = 1,
                                   .configuration = packed };
    record_hash_bytes(&hash, install.state_hash);
    const struct log_batch batches[] = { { .cluster_id = 1, .chunk = &chunk }, { .install = &install } };
    struct log_memory_disk *disk = log_memory_disk_create();
    struct log *log = written(disk, batches, 2);
    struct boot boot;
    assert_int_equal(boot_read(log, &boot, NULL), STATUS_OK);
    assert_int_equal(boot.checkpoint.count, 1);
    assert_int_equal(checkpoint_match_of(&boot.checkpoint, 5), 8);
    boot_fini(&boot);
    log->ops->close(log);
    log_memory_disk_destroy(&disk);
    bytes_unref(&packed);
    arena_fini(&arena);
}

int main(int argc, char **argv)
{
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entry_one_is_a_configuration),
        cmocka_unit_test(terms_are_found_wherever_they_begin),
        cmocka_unit_test(a_snapshot_that_replaced_the_log_tells_the_checkpoint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
