/* Goal: a stream is taken whole or not at all (N1, N5): whatever byte of it is changed, cut off, left out or
 * comes twice, it does not reach a good end.
 * Method: a small stream, damaged in every way there is at every place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/base/check.h"
#include "store/snapshot.h"

#include <stdio.h>
#include <string.h>

enum { BLOCKS = 4, RECORDS = 3 };

struct stream {
    struct bytes *blocks[BLOCKS]; /* Header, two chunks, end. */
};

static void add_record(struct snapshot_chunk *chunk, struct record_hash *hash, const char *key)
{
    struct arena arena = { 0 };
    struct kv_record record = { .key = key, .value = (const uint8_t *)"{}", .value_size = 2 };
    record.create_revision = 3;
    record.revision = 4;
    record.version = 2;
    record.term = 1;
    record.lease = "";
    struct record_blob blob = record_pack(&record, &arena);
    struct record_hash part = record_hash(&record);
    snapshot_chunk_add(chunk,
                       &(struct log_copy_record){
                           .space = COPY_RECORD, .key = key, .value = blob.data, .value_size = blob.size });
    record_hash_add(hash, &part);
    arena_fini(&arena);
}

static int make_stream(void **state)
{
    static struct stream stream;
    struct snapshot_header header = { .id = 1, .cluster_id = 2, .position = { 9, 2, 3 } };
    struct snapshot_progress progress = { 0 };
    struct snapshot_chunk chunk = { 0 };
    struct record_hash hash = { 0 };
    header.configuration_index = 1;
    assert_int_equal(configuration_add(&header.configuration, 7, "node-1", true), STATUS_OK);
    add_record(&chunk, &hash, "k/1");
    add_record(&chunk, &hash, "k/2");
    stream.blocks[1] = snapshot_chunk_block(&chunk);
    add_record(&chunk, &hash, "k/3");
    stream.blocks[2] = snapshot_chunk_block(&chunk);
    record_hash_bytes(&hash, header.state_hash);
    stream.blocks[0] = snapshot_header_block(&header);
    snapshot_progress_add(&progress, stream.blocks[0], 0);
    snapshot_progress_add(&progress, stream.blocks[1], 2);
    snapshot_progress_add(&progress, stream.blocks[2], 1);
    stream.blocks[3] = snapshot_end_block(&progress);
    *state = &stream;
    return 0;
}

static int free_stream(void **state)
{
    struct stream *stream = *state;
    for (int i = 0; i < BLOCKS; i++)
        bytes_unref(&stream->blocks[i]);
    return 0;
}

/* The blocks of `order`, one after another; false: it never came to a good end. */
static bool reads(const struct stream *stream, const int *order, int count)
{
    struct snapshot_header header;
    struct snapshot_progress progress = { 0 };
    struct error error = { 0 };
    const struct bytes *first = stream->blocks[order[0]];
    if (snapshot_header_read(first->data, first->size, &header, &error) != STATUS_OK) return false;
    for (int i = 0; i < count; i++) {
        const struct bytes *block = stream->blocks[order[i]];
        enum snapshot_block_type type = 0;
        enum status status =
            snapshot_read(&progress, &header, block->data, block->size, NULL, NULL, &type, &error);
        if (status != STATUS_OK) return false;
        if (type == SNAPSHOT_BLOCK_END) return progress.record_count == RECORDS;
    }
    return false;
}

static void a_whole_stream_is_read(void **state)
{
    assert_true(reads(*state, (const int[]){ 0, 1, 2, 3 }, 4));
}

static void blocks_that_lack_or_come_twice_or_in_another_order(void **state)
{
    assert_false(reads(*state, (const int[]){ 0, 1, 2 }, 3));
    assert_false(reads(*state, (const int[]){ 0, 1, 3 }, 3));
    assert_false(reads(*state, (const int[]){ 0, 2, 3 }, 3));
    assert_false(reads(*state, (const int[]){ 0, 3 }, 2));
    assert_false(reads(*state, (const int[]){ 0, 2, 1, 3 }, 4));
    assert_false(reads(*state, (const int[]){ 0, 1, 1, 2, 3 }, 5));
    assert_false(reads(*state, (const int[]){ 0, 0, 1, 2, 3 }, 5));
    assert_false(reads(*state, (const int[]){ 1, 2, 3 }, 3));
}

static void no_bit_may_differ(void **state)
{
    const struct stream *stream = *state;
    for (int b = 0; b < BLOCKS; b++) {
        struct bytes *block = stream->blocks[b];
        for (size_t i = 0; i < block->size * 8; i++) {
            block->data[i / 8] ^= (uint8_t)(1 << i % 8);
            assert_false(reads(stream, (const int[]){ 0, 1, 2, 3 }, 4));
            block->data[i / 8] ^= (uint8_t)(1 << i % 8);
        }
    }
}

static void no_byte_may_lack(void **state)
{
    const struct stream *stream = *state;
    for (int b = 0; b < BLOCKS; b++) {
        struct bytes *block = stream->blocks[b];
        size_t whole = block->size;
        for (block->size = 0; block->size < whole; block->size++)
            assert_false(reads(stream, (const int[]){ 0, 1, 2, 3 }, 4));
    }
}

static void progress_goes_on_from_its_packed_form(void **state) /* N2 */
{
    const struct stream *stream = *state;
    struct snapshot_header header;
    struct error error = { 0 };
    struct snapshot_progress progress = { 0 };
    const struct bytes *first = stream->blocks[0];
    assert_int_equal(snapshot_header_read(first->data, first->size, &header, &error), STATUS_OK);
    for (int i = 0; i < BLOCKS; i++) {
        uint8_t packed[SNAPSHOT_PROGRESS_BYTES];
        enum snapshot_block_type type = 0;
        snapshot_progress_pack(&progress, packed);
        assert_int_equal(snapshot_progress_unpack(packed, sizeof packed, &progress), STATUS_OK);
        assert_int_equal(snapshot_read(&progress, &header, stream->blocks[i]->data, stream->blocks[i]->size,
                                       NULL, NULL, &type, &error),
                         STATUS_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_stream_is_read),
        cmocka_unit_test(blocks_that_lack_or_come_twice_or_in_another_order),
        cmocka_unit_test(no_bit_may_differ),
        cmocka_unit_test(no_byte_may_lack),
        cmocka_unit_test(progress_goes_on_from_its_packed_form),
    };
    return cmocka_run_group_tests_name("snapshot", tests, make_stream, free_stream);
}
