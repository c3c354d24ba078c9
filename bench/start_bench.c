/* start_bench: what a start costs against the size of the state: the probe's walk over everything in a
 * process of its own (section 4), the opening behind it, and loading the state copy into memory.
 *
 *     build/release/bench/start_bench [KEYS...]        default: 1000 100000 1000000
 *
 * Values of 100 bytes; the store lies in a directory below the current one, warm in the page cache. */
#include "runtime/base/arena.h"
#include "runtime/base/check.h"
#include "runtime/os/clock.h"
#include "runtime/os/random.h"
#include "store/kv.h"
#include "store/lmdb/lmdb_log.h"
#include "store/record.h"
#include "store/schema/rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BATCH = 2000, VALUE_SIZE = 100 };

static struct log *open_log(const char *directory)
{
    struct lmdb_log_options options = { .directory = directory, .random = &random_os };
    struct log *log = NULL;
    struct error error;
    if (lmdb_log_open(&options, &log, &error) == STATUS_OK) return log;
    (void)fprintf(stderr, "start_bench: %s\n", error.message);
    exit(1);
}

/* One entry, and BATCH records as its effect. */
static void write_batch(struct log *log, uint32_t batch, struct log_position *position,
                        struct record_hash *hash)
{
    static uint8_t value[VALUE_SIZE];
    static struct log_copy_record records[BATCH];
    struct arena arena = { 0 };
    struct raft_entry entry = { .index = position->index + 1, .term = 1, .type = ENTRY_NO_OP };
    entry.chain = entry_chain(position->chain, entry.index, 1, ENTRY_NO_OP, NULL, 0);
    for (uint32_t i = 0; i < BATCH; i++) {
        const char *key = arena_printf(&arena, "bench/%09u", batch * BATCH + i);
        struct kv_record record = { .key = key,
                                    .value = value,
                                    .value_size = VALUE_SIZE,
                                    .create_revision = entry.index,
                                    .revision = entry.index,
                                    .version = 1,
                                    .term = 1,
                                    .lease = "" };
        struct record_hash part = record_hash(&record);
        struct record_blob blob = record_pack(&record, &arena);
        record_hash_add(hash, &part);
        records[i] = (struct log_copy_record){ COPY_RECORD, key, blob.data, blob.size };
    }
    struct log_batch write = { .entries = &entry,
                               .entry_count = 1,
                               .has_copy = true,
                               .copy_from = position->index,
                               .copy_history_first = entry.index + 1,
                               .copy = records,
                               .copy_count = BATCH };
    *position = write.copy_to = (struct log_position){ entry.index, 1, entry.chain };
    record_hash_bytes(hash, write.state_hash);
    enum status status = log->ops->write(log, &write, 1, NULL);
    CHECK(status == STATUS_OK);
    arena_fini(&arena);
}

static void fill(const char *directory, uint32_t keys)
{
    struct log_position position = { 0, 0, 0 };
    struct record_hash hash = { 0, 0 };
    struct log *log = open_log(directory);
    for (uint32_t batch = 0; batch * BATCH < keys; batch++) {
        write_batch(log, batch, &position, &hash);
    }
    log->ops->close(log);
}

static void load(struct log *log)
{
    struct kv *kv = kv_create(&schema_rules);
    struct log_copy_cursor cursor = { .done = false };
    enum status status = STATUS_OK;
    while (!cursor.done && status == STATUS_OK) {
        status =
            log->ops->read_copy(log, log->boot.generation, &cursor, (size_t)1024 * 1024, kv_load, kv, NULL);
    }
    CHECK(status == STATUS_OK);
    status = kv_load_end(kv, &log->boot.applied, log->boot.history_first, log->boot.state_hash, NULL);
    CHECK(status == STATUS_OK);
    kv_destroy(&kv);
}

static double since_ms(int64_t start_ns)
{
    return (double)(clock_os.monotonic_ns(clock_os.context) - start_ns) / 1e6;
}

static void measure(uint32_t keys)
{
    char directory[] = "start_bench.XXXXXX";
    char command[64];
    if (mkdtemp(directory) == NULL) exit(1);
    fill(directory, keys);
    int64_t start_ns = clock_os.monotonic_ns(clock_os.context);
    struct log *log = open_log(directory);
    double open_ms = since_ms(start_ns);
    start_ns = clock_os.monotonic_ns(clock_os.context);
    load(log);
    double load_ms = since_ms(start_ns);
    log->ops->close(log);
    printf("BENCH fig=store.start_open_%u peer=aether val=%.3g unit=ms dir=down note=\"probe and open\"\n",
           keys, open_ms);
    printf("BENCH fig=store.start_load_%u peer=aether val=%.3g unit=ms dir=down note=\"state into memory\"\n",
           keys, load_ms);
    (void)snprintf(command, sizeof command, "rm -rf %s", directory);
    if (system(command) != 0) exit(1);
}

int main(int argc, char **argv)
{
    static const char *const defaults[] = { "1000", "100000", "1000000" };
    const char *const *wanted = argc > 1 ? (const char *const *)argv + 1 : defaults;
    int count = argc > 1 ? argc - 1 : 3;
    for (int i = 0; i < count; i++) {
        measure((uint32_t)strtoul(wanted[i], NULL, 10));
    }
    return 0;
}
