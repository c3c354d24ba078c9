/* Goal: the core's messages cross the wire unchanged, and damaged ones are refused.
 * Method: each type with every field set, packed into a frame and back, compared. */
#include "actors/consensus/codec.h"

#include "wire/frame.h"
#include "wire/kinds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Through a frame, as between nodes. */
static struct message *across(const struct core_message *core)
{
    struct message *message = codec_encode(core);
    struct bytes *frame = NULL;
    assert_int_equal(frame_pack(message, &frame, NULL), STATUS_OK);
    message_destroy(&message);
    struct frame_header header = { .protocol = PROTOCOL_MAX, .from_replica = core->from };
    frame_seal(frame, &header);
    assert_int_equal(frame_parse(frame->data, frame->size, &header, NULL), STATUS_OK);
    assert_int_equal(frame_decode(frame->data, frame->size, &header, &message, NULL), STATUS_OK);
    bytes_unref(&frame);
    return message;
}

static void assert_crosses(const struct core_message *core)
{
    struct message *message = across(core);
    struct codec_received received;
    assert_int_equal(codec_decode(message, &received), STATUS_OK);
    struct core_message got = received.core;
    assert_int_equal(got.entry_count, core->entry_count);
    for (uint32_t i = 0; i < core->entry_count; i++) {
        const struct raft_entry *a = &core->entries[i];
        const struct raft_entry *b = &got.entries[i];
        assert_int_equal(a->index, b->index);
        assert_int_equal(a->term, b->term);
        assert_int_equal(a->stamp_ms, b->stamp_ms);
        assert_int_equal(a->chain, b->chain);
        assert_int_equal(a->type, b->type);
        assert_int_equal(a->payload == NULL, b->payload == NULL);
        if (a->payload == NULL) continue;
        assert_int_equal(a->payload->size, b->payload->size);
        assert_memory_equal(a->payload->data, b->payload->data, a->payload->size);
    }
    got.entries = core->entries;
    assert_memory_equal(&got, core, sizeof got);
    codec_fini(&received);
    message_destroy(&message);
}

static void every_type_crosses(void **unused)
{
    (void)unused;
    struct bytes *payload = bytes_copy("command", 7);
    struct raft_entry entries[] = {
        { .index = 8, .term = 3, .stamp_ms = 99, .chain = 0xFEDCBA9876543210, .type = ENTRY_NO_OP },
        { .index = 9, .term = 3, .stamp_ms = 100, .chain = 5, .type = ENTRY_COMMAND, .payload = payload },
    };
    const struct core_message messages[] = {
        { .type = CORE_PREVOTE, .position = { .index = 7, .term = 2 } },
        { .type = CORE_PREVOTE_REPLY, .granted = true },
        { .type = CORE_VOTE, .position = { .index = 7, .term = 2 }, .transfer = true },
        { .type = CORE_VOTE_REPLY, .granted = true },
        { .type = CORE_APPEND,
          .position = { 7, 2, 0xABCDEF },
          .commit = 6,
          .entry_count = 2,
          .entries = entries },
        { .type = CORE_APPEND, .position = { 7, 2, 0xABCDEF }, .commit = 6 },
        { .type = CORE_APPEND_REPLY, .granted = true, .match = 9 },
        { .type = CORE_APPEND_REPLY, .position = { .index = 9 }, .hint = { .index = 4, .term = 1 } },
        { .type = CORE_HEARTBEAT, .commit = 6, .token = 12 },
        { .type = CORE_HEARTBEAT_REPLY, .token = 12 },
        { .type = CORE_READ_INDEX, .token = 12 },
        { .type = CORE_READ_INDEX_REPLY, .token = 12, .commit = 6 },
        { .type = CORE_TIMEOUT_NOW },
        { .type = CORE_HELLO, .position = { .index = 7, .term = 2 }, .commit = 6, .token = 12, .version = 1 },
        { .type = CORE_HELLO_REPLY, .token = 12, .verdict = CORE_VERDICT_LOST, .match = 9, .leads = true },
    };
    uint32_t seen = 0;
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
        struct core_message core;
        memset(&core, 0, sizeof core); /* Padding too: it is compared as bytes. */
        memcpy(&core, &messages[i], sizeof core);
        core.from = 0x1111222233334444;
        core.to = 0x5555666677778888;
        core.term = 3;
        assert_crosses(&core);
        seen |= UINT32_C(1) << core.type;
    }
    assert_int_equal(seen, (UINT32_C(1) << CORE_MESSAGE_TYPE_COUNT) - 2); /* All of them. */
    bytes_unref(&payload);
}

static void assert_refused(const struct raft_entry *entry)
{
    struct core_message core = { .type = CORE_APPEND, .term = 3, .entry_count = 1, .entries = entry };
    struct message *message = across(&core);
    struct codec_received received;
    assert_int_equal(codec_decode(message, &received), STATUS_INVALID);
    message_destroy(&message);
}

static void damaged_entries_are_refused(void **unused)
{
    (void)unused;
    assert_refused(&(struct raft_entry){ .index = 0, .term = 3, .type = ENTRY_NO_OP });
    assert_refused(&(struct raft_entry){ .index = 8, .term = 0, .type = ENTRY_NO_OP });
    assert_refused(&(struct raft_entry){ .index = 8, .term = 3, .type = (enum entry_type)77 });
    struct bytes *payload = bytes_create(ENTRY_PAYLOAD_MAX + 1);
    memset(payload->data, 0, payload->size);
    assert_refused(&(struct raft_entry){ .index = 8, .term = 3, .type = ENTRY_COMMAND, .payload = payload });
    bytes_unref(&payload);
}

static void other_kinds_are_none_of_ours(void **unused)
{
    (void)unused;
    struct message *message = wire_message_create(KIND_WHO);
    struct codec_received received;
    assert_int_equal(codec_decode(message, &received), STATUS_INVALID);
    message_destroy(&message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_crosses),
        cmocka_unit_test(damaged_entries_are_refused),
        cmocka_unit_test(other_kinds_are_none_of_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
