/* kinds: the list of the header as a table. A switch finds the row: two kinds of one number don't compile. */
#include "wire/kinds.h"

#include "runtime/base/check.h"
#include "runtime/base/hash.h"
#include "runtime/base/text.h"
#include "wire/proto/codec.h"

#include "wire/proto/artifact.pb-c.h"
#include "wire/proto/cluster.pb-c.h"
#include "wire/proto/consensus.pb-c.h"
#include "wire/proto/envelope.pb-c.h"
#include "wire/proto/gateway.pb-c.h"
#include "wire/proto/slice.pb-c.h"
#include "wire/proto/store.pb-c.h"

#include <stddef.h>
#include <string.h>

enum row_index {
#define PB_INDEX(number, name, stem, receiver, flags) ROW_##name,
#define LOCAL_INDEX(number, name)                     ROW_##name,
    WIRE_KINDS(PB_INDEX, LOCAL_INDEX)
#undef PB_INDEX
#undef LOCAL_INDEX
};

static const struct kind_row rows[] = {
#define PB_ROW(number, name, stem, receiver, flags)                                                          \
    { KIND_##name, #name, &pb__##stem##__descriptor, TO_##receiver, (flags) },
#define LOCAL_ROW(number, name) { KIND_##name, #name, NULL, TO_NOBODY, 0 },
    WIRE_KINDS(PB_ROW, LOCAL_ROW)
#undef PB_ROW
#undef LOCAL_ROW
};

/* From a kind to its row, and one more; 0: no such kind. */
static const uint16_t row_after[] = {
#define PB_AFTER(number, name, stem, receiver, flags) [number] = ROW_##name + 1,
#define LOCAL_AFTER(number, name)                     [number] = ROW_##name + 1,
    WIRE_KINDS(PB_AFTER, LOCAL_AFTER)
#undef PB_AFTER
#undef LOCAL_AFTER
};

const struct kind_row *kind_find(uint32_t kind)
{
    if (kind >= ARRAY_COUNT(row_after) || row_after[kind] == 0) return NULL;
    return &rows[row_after[kind] - 1];
}

const struct kind_row *kind_at(size_t position)
{
    return position < ARRAY_COUNT(rows) ? &rows[position] : NULL;
}

const char *kind_name(uint32_t kind)
{
    switch (kind) {
    case KIND_NONE: return "NONE";
    case KIND_REFUSED: return "REFUSED";
    case KIND_DOWN: return "DOWN";
    case KIND_STOP: return "STOP";
    default: break;
    }
    const struct kind_row *row = kind_find(kind);
    return row == NULL ? "?" : row->name;
}

uint64_t wire_fingerprint(const struct message *message)
{
    const struct kind_row *row = kind_find(message->kind);
    if (row == NULL || row->descriptor == NULL || message->body == NULL) return 0;
    struct arena scratch = { 0 };
    size_t size = codec_size(message->body);
    uint8_t *packed = arena_alloc(&scratch, size + 1);
    codec_pack(message->body, packed);
    uint64_t hash = hash64(packed, size, message->kind);
    arena_fini(&scratch);
    const struct bytes *attachment = message->attachment;
    if (attachment != NULL) hash = hash64(attachment->data, attachment->size, hash);
    return hash;
}

struct message *wire_message_create(uint32_t kind)
{
    const struct kind_row *row = kind_find(kind);
    CHECK(row != NULL);
    CHECK(row->descriptor != NULL);
    struct message *message = message_create(kind, 0);
    message->body = codec_create(&message->arena, row->descriptor);
    return message;
}

char *wire_string(struct message *message, const char *text)
{
    if (text == NULL) return arena_strdup(&message->arena, "");
    if (text_is_utf8(text, strlen(text))) return arena_strdup(&message->arena, text);
    struct text repaired = { 0 };
    text_add_utf8(&repaired, text);
    char *copy = arena_strdup(&message->arena, text_string(&repaired));
    text_fini(&repaired);
    return copy;
}

struct message *wire_refusal_create(const struct error *error)
{
    struct message *message = wire_message_create(KIND_REFUSAL);
    Pb__Refusal *refusal = message->body;
    refusal->status = (uint32_t)error->status;
    refusal->message = wire_string(message, error->message);
    refusal->hint = wire_string(message, error->hint);
    refusal->final = error->is_final;
    refusal->unstarted = error->is_unstarted;
    return message;
}

void wire_refusal_read(const struct message *refusal, struct error *out_error)
{
    CHECK(refusal->kind == KIND_REFUSAL);
    const Pb__Refusal *body = refusal->body;
    enum status status = body->status < STATUS_COUNT ? (enum status)body->status : STATUS_UNKNOWN;
    if (status == STATUS_OK) status = STATUS_UNKNOWN; /* A refusal that says OK is none we understand. */
    (void)error_set(out_error, status, "%s", body->message);
    error_hint(out_error, "%s", body->hint);
    out_error->is_final = body->final;
    out_error->is_unstarted = body->unstarted;
}
