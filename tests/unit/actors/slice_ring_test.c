/* Goal: frames come out as they went in, in order, through any number of wraps; and whatever a hostile peer
 * writes into the shared memory, the other side reads nothing outside of it and says CORRUPT for good. */
#include "actors/slice/slice_ring.h"

#include "runtime/base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

enum { WRITTEN_AT = 0, WAITS_AT = 8, TAKEN_AT = 64, SLEEPS_AT = 128, DATA_AT = SLICE_RING_HEAD_SIZE };

struct pair {
    uint8_t *memory;
    struct slice_ring writer;
    struct slice_ring reader;
};

static void pair_init(struct pair *pair)
{
    pair->memory = aligned_alloc(64, SLICE_RING_SIZE);
    assert_non_null(pair->memory);
    memset(pair->memory, 0, SLICE_RING_SIZE);
    slice_ring_init(&pair->writer, pair->memory);
    slice_ring_init(&pair->reader, pair->memory);
}

static void pair_fini(struct pair *pair)
{
    free(pair->memory);
}

static enum slice_ring_result put(struct pair *pair, const void *data, size_t size, bool *out_ring)
{
    /* Two spans, so that the seam between them is exercised, too. */
    struct slice_ring_span spans[2] = { { data, size / 3 },
                                        { (const char *)data + size / 3, size - size / 3 } };
    return slice_ring_write(&pair->writer, spans, 2, out_ring);
}

static void what_goes_in_comes_out(void **unused)
{
    (void)unused;
    struct pair pair;
    pair_init(&pair);
    uint8_t *data = memory_alloc(SLICE_RING_FRAME_MAX);
    for (size_t i = 0; i < SLICE_RING_FRAME_MAX; i++)
        data[i] = (uint8_t)(i * 31 + i / 257);
    static const size_t sizes[] = { 0, 1, 2, 63, 64, 65, 4096, 100001, SLICE_RING_FRAME_MAX };
    bool ring;
    for (int round = 0; round < 200; round++) { /* Some ten times around. */
        size_t size = sizes[(size_t)round % (sizeof sizes / sizeof sizes[0])];
        assert_int_equal(put(&pair, data, size, &ring), RING_DONE);
        struct bytes *frame = NULL;
        assert_int_equal(slice_ring_read(&pair.reader, &frame, &ring), RING_DONE);
        assert_int_equal(frame->size, size);
        if (size > 0) assert_memory_equal(frame->data, data, size);
        bytes_unref(&frame);
    }
    memory_free(data);
    pair_fini(&pair);
}

static void full_and_empty_say_so_and_ask_for_a_ring(void **unused)
{
    (void)unused;
    struct pair pair;
    pair_init(&pair);
    uint8_t *data = memory_zalloc(SLICE_RING_FRAME_MAX);
    struct bytes *frame = NULL;
    bool ring;
    assert_int_equal(slice_ring_read(&pair.reader, &frame, &ring), RING_NOT_NOW);
    assert_false(slice_ring_has_frame(&pair.reader));
    assert_int_equal(put(&pair, data, 10, &ring), RING_DONE);
    assert_false(ring); /* The reader looks, and does not sleep. */
    assert_false(slice_ring_sleep(&pair.reader));
    assert_int_equal(slice_ring_read(&pair.reader, &frame, &ring), RING_DONE);
    bytes_unref(&frame);
    assert_true(slice_ring_sleep(&pair.reader));
    assert_int_equal(put(&pair, data, 10, &ring), RING_DONE);
    assert_true(ring);
    assert_int_equal(put(&pair, data, 10, &ring), RING_DONE);
    assert_false(ring); /* Once is enough. */
    for (int i = 0; i < 2; i++) {
        assert_int_equal(slice_ring_read(&pair.reader, &frame, &ring), RING_DONE);
        bytes_unref(&frame);
    }
    assert_true(slice_ring_sleep(&pair.reader));
    slice_ring_wake(&pair.reader); /* It looks by itself again: a ring would only cost. */
    for (int i = 0; i < 2; i++) {
        assert_int_equal(put(&pair, data, 10, &ring), RING_DONE);
        assert_false(ring);
    }
    assert_true(slice_ring_has_frame(&pair.reader));
    unsigned written = 2;
    while (put(&pair, data, SLICE_RING_FRAME_MAX, &ring) == RING_DONE)
        written++;
    assert_int_equal(written, 2 + SLICE_RING_CAPACITY / (SLICE_RING_FRAME_MAX + 4));
    assert_int_equal(slice_ring_read(&pair.reader, &frame, &ring), RING_DONE);
    assert_true(ring); /* The writer had said that it waits. */
    bytes_unref(&frame);
    for (unsigned i = 1; i < written; i++) {
        assert_int_equal(slice_ring_read(&pair.reader, &frame, &ring), RING_DONE);
        bytes_unref(&frame);
    }
    assert_int_equal(slice_ring_read(&pair.reader, &frame, &ring), RING_NOT_NOW);
    memory_free(data);
    pair_fini(&pair);
}

/* A frame never lies in two pieces, and a ring that runs empty comes back to its first pages. */
static void frames_lie_in_one_piece_and_near_the_start(void **unused)
{
    (void)unused;
    struct pair pair;
    pair_init(&pair);
    uint8_t *data = memory_zalloc(SLICE_RING_FRAME_MAX);
    const uint8_t *start = pair.memory + DATA_AT, *end = start + SLICE_RING_CAPACITY;
    struct slice_ring_span frame;
    bool ring;
    for (unsigned round = 0; round < 400; round++) {
        size_t size = 1000 + round * 9973 % 400000;
        data[0] = data[size - 1] = (uint8_t)round;
        assert_int_equal(put(&pair, data, size, &ring), RING_DONE);
        if (round % 3 != 0) continue; /* So that it is empty now and then only. */
        while (slice_ring_peek(&pair.reader, &frame) == RING_DONE) {
            const uint8_t *at = frame.data;
            assert_true(at >= start && at + frame.size <= end);
            assert_int_equal(at[0], at[frame.size - 1]);
            slice_ring_drop(&pair.reader, &ring);
        }
    }
    for (unsigned round = 0; round < 100000; round++) {
        assert_int_equal(put(&pair, data, 64, &ring), RING_DONE);
        assert_int_equal(slice_ring_peek(&pair.reader, &frame), RING_DONE);
        /* From wherever it stood: at most once around to the end of the memory, then not far. */
        if (round > 0) assert_true((const uint8_t *)frame.data < start + (size_t)513 * 1024);
        slice_ring_drop(&pair.reader, &ring);
    }
    memory_free(data);
    pair_fini(&pair);
}

static void poke(struct pair *pair, size_t at, const void *value, size_t size)
{
    memcpy(pair->memory + at, value, size);
}

static void hostile_writer_positions_are_corrupt_for_good(void **unused)
{
    (void)unused;
    static const uint64_t positions[] = { SLICE_RING_CAPACITY + 1, UINT64_MAX, UINT64_C(1) << 63, 3 };
    for (size_t i = 0; i < sizeof positions / sizeof positions[0]; i++) {
        struct pair pair;
        pair_init(&pair);
        struct bytes *frame = NULL;
        bool ring;
        poke(&pair, WRITTEN_AT, &positions[i], sizeof positions[i]); /* The last: less than a size prefix. */
        assert_int_equal(slice_ring_read(&pair.reader, &frame, &ring), RING_CORRUPT);
        assert_null(frame);
        static const uint64_t zero = 0;
        poke(&pair, WRITTEN_AT, &zero, sizeof zero);
        assert_int_equal(slice_ring_read(&pair.reader, &frame, &ring), RING_CORRUPT);
        pair_fini(&pair);
    }
}

static void hostile_sizes_are_corrupt(void **unused)
{
    (void)unused;
    static const uint64_t sizes[] = { UINT64_MAX, SLICE_RING_FRAME_MAX + 1, 9, UINT64_C(1) << 63 };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct pair pair;
        pair_init(&pair);
        struct bytes *frame = NULL;
        bool ring;
        assert_int_equal(put(&pair, "four", 4, &ring), RING_DONE);
        poke(&pair, DATA_AT, &sizes[i], sizeof sizes[i]); /* 9: a unit more than there is. */
        assert_int_equal(slice_ring_read(&pair.reader, &frame, &ring), RING_CORRUPT);
        pair_fini(&pair);
    }
}

static void hostile_reader_positions_are_corrupt(void **unused)
{
    (void)unused;
    static const uint64_t positions[] = { 1000, UINT64_C(1) << 40, UINT64_C(1) << 63 };
    for (size_t i = 0; i < sizeof positions / sizeof positions[0]; i++) {
        struct pair pair;
        pair_init(&pair);
        bool ring;
        assert_int_equal(put(&pair, "x", 1, &ring), RING_DONE);
        poke(&pair, TAKEN_AT, &positions[i], sizeof positions[i]); /* More than was ever written. */
        enum slice_ring_result result;
        unsigned written = 1;
        while ((result = put(&pair, "x", 1, &ring)) == RING_DONE) /* It need not look yet. */
            written++;
        assert_int_equal(result, RING_CORRUPT);
        assert_in_range(written, 1, 16);
        assert_int_equal(put(&pair, "x", 1, &ring), RING_CORRUPT);
        pair_fini(&pair);
    }
}

/* Every byte of head and first frame, flipped to each of a few values: no result but the three, no access
 * outside (ASan watches). */
static void any_damage_is_survived(void **unused)
{
    (void)unused;
    static const uint8_t values[] = { 0x00, 0x01, 0x7f, 0x80, 0xff };
    for (size_t at = 0; at < DATA_AT + 24; at++) {
        for (size_t v = 0; v < sizeof values; v++) {
            struct pair pair = { .memory = NULL };
            static uint8_t *memory;
            if (memory == NULL) memory = aligned_alloc(64, SLICE_RING_SIZE);
            memset(memory, 0, DATA_AT + 64);
            pair.memory = memory;
            slice_ring_init(&pair.writer, memory);
            slice_ring_init(&pair.reader, memory);
            bool ring;
            struct bytes *frame = NULL;
            assert_int_equal(put(&pair, "hello", 5, &ring), RING_DONE);
            memory[at] = values[v];
            for (int i = 0; i < 3; i++) {
                if (slice_ring_read(&pair.reader, &frame, &ring) == RING_DONE) bytes_unref(&frame);
                (void)put(&pair, "again", 5, &ring);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_goes_in_comes_out),
        cmocka_unit_test(full_and_empty_say_so_and_ask_for_a_ring),
        cmocka_unit_test(frames_lie_in_one_piece_and_near_the_start),
        cmocka_unit_test(hostile_writer_positions_are_corrupt_for_good),
        cmocka_unit_test(hostile_sizes_are_corrupt),
        cmocka_unit_test(hostile_reader_positions_are_corrupt),
        cmocka_unit_test(any_damage_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
