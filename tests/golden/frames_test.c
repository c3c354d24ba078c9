/* Goal: the bytes of no kind change by accident: other versions of the program read them. Each kind with a
 * descriptor has one frame, all fields set, in tests/golden/KIND.hex.
 * After a change that is meant (a new kind, a new field at the end): AETHER_GOLDEN=write runs this test as
 * the writer of those files; look at their difference before you commit it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "tests/support/fill_body.h"
#include "wire/frame.h"
#include "wire/kinds.h"

enum { BYTES_PER_LINE = 32 };

static struct bytes *golden_frame(const struct kind_row *row)
{
    struct message *message = wire_message_create(row->kind);
    fill_body(&message->arena, message->body);
    struct bytes *attachment = bytes_copy("bulk", 4);
    message_attach(message, &attachment);
    struct bytes *frame = NULL;
    struct error error = { 0 };
    assert_int_equal(frame_pack(message, &frame, &error), STATUS_OK);
    frame_seal(frame, &(struct frame_header){ .protocol = 1,
                                              .cluster_id = 0x1112131415161718,
                                              .from_replica = 0x2122232425262728,
                                              .to_replica = 0x3132333435363738,
                                              .term = 4,
                                              .correlation = 5,
                                              .request_id = { 6, 7 },
                                              .budget_ms = 8 });
    message_destroy(&message);
    return frame;
}

static char *to_hex(const struct bytes *frame)
{
    struct text text = { 0 };
    for (size_t at = 0; at < frame->size; at += BYTES_PER_LINE) {
        char line[2 * BYTES_PER_LINE + 1];
        size_t left = frame->size - at;
        text_hex(line, frame->data + at, left < BYTES_PER_LINE ? left : BYTES_PER_LINE);
        text_printf(&text, "%s\n", line);
    }
    return text_take(&text);
}

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "r");
    if (file == NULL) return memory_strdup("");
    struct text text = { 0 };
    char part[1024];
    for (size_t size; (size = fread(part, 1, sizeof part, file)) > 0;)
        text_add_bytes(&text, part, size);
    (void)fclose(file);
    return text_take(&text);
}

static void write_file(const char *path, const char *content)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(content, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static bool is_golden(const struct kind_row *row, bool write)
{
    char path[256];
    (void)snprintf(path, sizeof path, "tests/golden/%s.hex", row->name);
    struct bytes *frame = golden_frame(row);
    char *expected = read_file(path);
    char *hex = to_hex(frame);
    bool same = strcmp(hex, expected) == 0;
    if (!same && write) write_file(path, hex);
    if (!same && !write) print_message("%s %s\n", path, expected[0] == 0 ? "is missing" : "differs");
    memory_free(hex);
    memory_free(expected);
    bytes_unref(&frame);
    return same || write;
}

static void no_byte_of_any_kind_changed(void **unused)
{
    (void)unused;
    const char *mode = getenv("AETHER_GOLDEN");
    bool write = mode != NULL && strcmp(mode, "write") == 0;
    uint32_t changed = 0;
    for (size_t i = 0; kind_at(i) != NULL; i++)
        if (kind_at(i)->descriptor != NULL && !is_golden(kind_at(i), write)) changed++;
    if (changed > 0) print_message("A change that is meant: AETHER_GOLDEN=write test.golden.frames\n");
    assert_int_equal(changed, 0);
}

static void every_frame_comes_back_as_it_went(void **unused)
{
    (void)unused;
    for (size_t i = 0; kind_at(i) != NULL; i++) {
        if (kind_at(i)->descriptor == NULL) continue;
        struct bytes *frame = golden_frame(kind_at(i));
        struct frame_header header;
        struct error error = { 0 };
        assert_int_equal(frame_parse(frame->data, frame->size, &header, &error), STATUS_OK);
        assert_int_equal(header.kind, kind_at(i)->kind);
        struct message *message = NULL;
        assert_int_equal(frame_decode(frame->data, frame->size, &header, &message, &error), STATUS_OK);
        struct bytes *again = NULL;
        assert_int_equal(frame_pack(message, &again, &error), STATUS_OK);
        frame_seal(again, &header);
        assert_int_equal(again->size, frame->size);
        assert_memory_equal(again->data, frame->data, frame->size);
        message_destroy(&message);
        bytes_unref(&again);
        bytes_unref(&frame);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_byte_of_any_kind_changed),
        cmocka_unit_test(every_frame_comes_back_as_it_went),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
