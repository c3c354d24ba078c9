/* apply: any commands, as a hostile client or peer might have them appended, under the cluster's own rules.
 * An abort here would end every replica, at each replay: nothing may crash, the kept state hash must be that
 * of a scan (D2), and the copy must load to it. Operations are filled by their descriptors, so a new one is
 * fuzzed too. */
#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "store/kv.h"
#include "store/schema/rules.h"
#include "wire/proto/codec.h"
#include "wire/proto/store.pb-c.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ENTRIES_MAX = 400, LONG_SIZE = 3 * 170 };

#define TAX    "org.example:tax:1.0.0"
#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const char *const texts[] = {
    "",
    "n1",
    "n2",
    "agent",
    "a",
    "colour",
    "UP",
    "SUSPECT",
    "LOST",
    "LOAD",
    "LOADING",
    "LOADED",
    "ACTIVATE",
    "ACTIVATING",
    "ACTIVE",
    "FAILED",
    "UNLOAD",
    "UNLOADING",
    "CRASHED",
    "quote",
    TAX,
    "shop",
    "blueprints/",
    "blueprints/shop",
    "allocations/" TAX "/n1",
    "allocations/" TAX "/n2",
    "allocations/x/y",
    "slices/n1/" TAX,
    "slices/",
    "endpoints/" TAX "/quote:1",
    "nodes/n1",
    "nodes/",
    "leases/agent",
    "leases/",
    "config/no-ops",
    "config/leases/agent",
    "events/0000000000000001",
    "events/",
    "\x7f\x01",
};

static const char *const values[] = {
    "",
    "{}",
    "[]",
    "\"x\"",
    "{\"slices\":[{\"artifact\":\"" TAX "\",\"instances\":2,\"sha256\":\"" DIGEST "\"}]}",
    "{\"assigned\":1,\"instances\":[{\"instance\":1}],\"desired\":\"ACTIVE\",\"blueprint\":\"shop\","
    "\"sha256\":\"" DIGEST "\"}",
    "{\"assigned\":2,\"instances\":[{\"instance\":1,\"rev\":3},{\"instance\":2}],\"desired\":\"ACTIVE\","
    "\"blueprint\":"
    "\"shop\",\"sha256\":\"" DIGEST "\"}",
    "{\"assigned\":0,\"instances\":[],\"desired\":\"ABSENT\",\"blueprint\":\"shop\"}",
    "{\"instances\":[{\"instance\":1,\"state\":\"ACTIVE\",\"rev\":2}]}",
    "{\"holder\":\"n1\",\"fence\":-1,\"expires\":9223372036854775807}",
    "{\"indices\":[1,2,3,4,5,6,7,8]}",
    "{\"indices\":\"12345678\"}",
    "{\"ttl\":-5}",
    "{\"state\":\"DRAINING\",\"presence\":\"UP\",\"incarnation\":-1}",
    "{\"address\":\"tcp://n1\",\"labels\":{\"zone\":\"a\"},\"capacity\":7}",
};

struct input {
    const uint8_t *at;
    size_t left;
    struct arena arena;
};

static uint8_t byte(struct input *input)
{
    if (input->left == 0) return 0;
    input->left--;
    return *input->at++;
}

/* Mostly small; now and then all there is. */
static uint64_t number(struct input *input)
{
    uint8_t small = byte(input);
    return small < 250 ? small % 16 : UINT64_MAX - (255 - small);
}

/* What makes sense in a field of this name, so that most commands get past the first check. */
static const char *sensible(struct input *input, const char *name)
{
    static const char *const nodes[] = { "n1", "n2" };
    static const char *const states[] = { "LOAD",   "LOADING",    "LOADED", "ACTIVATE", "ACTIVATING",
                                          "ACTIVE", "DEACTIVATE", "FAILED", "UNLOAD",   "UNLOADING" };
    if (strcmp(name, "node") == 0 || strcmp(name, "holder") == 0) return nodes[byte(input) % 2];
    if (strcmp(name, "name") == 0) return "agent";
    if (strcmp(name, "artifact") == 0) return TAX;
    if (strcmp(name, "entries") == 0) return "quote";
    if (strcmp(name, "state") == 0) return states[byte(input) % ARRAY_COUNT(states)];
    return NULL;
}

static char *text(struct input *input, const char *name)
{
    const char *fit = byte(input) % 8 == 0 ? NULL : sensible(input, name);
    if (fit != NULL) return arena_strdup(&input->arena, fit);
    uint8_t choice = byte(input);
    if (choice < 4) { /* Long, of characters of three bytes, so that a cut hurts. */
        char *string = arena_alloc(&input->arena, LONG_SIZE + 1);
        size_t size = (size_t)choice * LONG_SIZE / 3;
        for (size_t i = 0; i < size; i++)
            string[i] = "\xE2\x82\xAC"[i % 3];
        return string;
    }
    return arena_strdup(&input->arena, texts[choice % ARRAY_COUNT(texts)]);
}

static ProtobufCBinaryData bytes_of(struct input *input)
{
    const char *value = values[byte(input) % ARRAY_COUNT(values)];
    return (ProtobufCBinaryData){ strlen(value), (uint8_t *)arena_strdup(&input->arena, value) };
}

static void fill_repeated(struct input *input, const ProtobufCFieldDescriptor *field, uint8_t *body)
{
    if (field->type != PROTOBUF_C_TYPE_STRING) return;
    size_t count = byte(input) % 4;
    char **strings = arena_array(&input->arena, 4, sizeof *strings);
    for (size_t i = 0; i < count; i++)
        strings[i] = text(input, field->name);
    memcpy(body + field->offset, &strings, sizeof(char **));
    memcpy(body + field->quantifier_offset, &count, sizeof count);
}

/* Every field of a flat message. */
static void fill(struct input *input, ProtobufCMessage *message)
{
    uint8_t *body = (uint8_t *)message;
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            fill_repeated(input, field, body);
        } else if (field->type == PROTOBUF_C_TYPE_STRING) {
            char *string = text(input, field->name);
            memcpy(body + field->offset, &string, sizeof string);
        } else if (field->type == PROTOBUF_C_TYPE_BYTES) {
            ProtobufCBinaryData data = bytes_of(input);
            memcpy(body + field->offset, &data, sizeof data);
        } else if (field->type == PROTOBUF_C_TYPE_UINT64) {
            uint64_t value = number(input);
            memcpy(body + field->offset, &value, sizeof value);
        } else if (field->type == PROTOBUF_C_TYPE_UINT32) {
            uint32_t value = (uint32_t)number(input);
            memcpy(body + field->offset, &value, sizeof value);
        } else if (field->type == PROTOBUF_C_TYPE_BOOL) {
            protobuf_c_boolean value = byte(input) & 1;
            memcpy(body + field->offset, &value, sizeof value);
        }
    }
}

/* Keys with the values that they take. */
static void fit_put(struct input *input, Pb__OpPut *put)
{
    static const struct {
        const char *key;
        uint8_t first; /* Of `values`, */
        uint8_t count; /* as many. */
    } rows[] = { { "blueprints/shop", 4, 1 },
                 { "allocations/" TAX "/n1", 5, 3 },
                 { "allocations/" TAX "/n2", 5, 3 },
                 { "slices/n1/" TAX, 8, 1 },
                 { "leases/agent", 9, 1 },
                 { "config/no-ops", 10, 2 },
                 { "config/leases/agent", 12, 1 },
                 { "nodes/n1", 13, 1 },
                 { "colour", 0, 4 } };
    uint8_t choice = byte(input);
    if (choice % 4 == 0) return;
    const char *value =
        values[rows[choice % ARRAY_COUNT(rows)].first + byte(input) % rows[choice % ARRAY_COUNT(rows)].count];
    put->key = arena_strdup(&input->arena, rows[choice % ARRAY_COUNT(rows)].key);
    put->value = (ProtobufCBinaryData){ strlen(value), (uint8_t *)arena_strdup(&input->arena, value) };
    if (byte(input) % 4 != 0) put->lease = arena_strdup(&input->arena, "");
}

static Pb__Operation *operation(struct input *input)
{
    Pb__Operation *made = codec_create(&input->arena, &pb__operation__descriptor);
    const ProtobufCMessageDescriptor *descriptor = &pb__operation__descriptor;
    uint8_t choice = byte(input);
    if (choice % 16 >= descriptor->n_fields) choice = 0; /* Puts are frequent. */
    const ProtobufCFieldDescriptor *field = &descriptor->fields[choice % 16];
    void *part = codec_create(&input->arena, field->descriptor);
    fill(input, part);
    if (field->id == PB__OPERATION__OP_PUT) fit_put(input, part);
    made->op_case = (Pb__Operation__OpCase)field->id;
    memcpy((uint8_t *)made + field->offset, &part, sizeof part);
    return made;
}

static Pb__Command *command(struct input *input, log_term term)
{
    Pb__Command *made = codec_create(&input->arena, &pb__command__descriptor);
    uint8_t shape = byte(input);
    made->origin = (Pb__Origin)(byte(input) % 7);
    if (shape % 8 == 0) made->session = byte(input) % 16;
    if (shape % 8 == 0) made->sequence = byte(input) % 8;
    made->leader_term = byte(input) % 8 == 0 ? number(input) : term;
    made->node = text(input, "node");
    made->incarnation = byte(input) % 8;
    made->n_success = 1 + shape / 8 % 8 / 6;
    made->success = arena_array(&input->arena, 4, sizeof(Pb__Operation *));
    for (size_t i = 0; i < made->n_success; i++)
        made->success[i] = operation(input);
    if (shape / 64 != 0) return made;
    Pb__Compare *compare = codec_create(&input->arena, &pb__compare__descriptor);
    compare->key = text(input, "key");
    compare->target_case = PB__COMPARE__TARGET_REVISION;
    compare->revision = number(input);
    made->n_compares = 1;
    made->compares = arena_array(&input->arena, 1, sizeof(Pb__Compare *));
    made->compares[0] = compare;
    return made;
}

static void apply(struct kv *kv, struct input *input, log_index index, log_term term)
{
    struct raft_entry entry = { .index = index, .term = term, .stamp_ms = index, .type = ENTRY_NO_OP };
    if (byte(input) % 16 != 0) {
        const Pb__Command *made = command(input, term);
        entry.type = ENTRY_COMMAND;
        entry.payload = bytes_create(codec_size(made));
        codec_pack(made, entry.payload->data);
    }
    struct kv_outcome outcome;
    kv_apply(kv, &entry, &outcome);
    bytes_unref(&entry.payload);
    arena_fini(&input->arena);
}

static void check_copy(struct kv *kv)
{
    struct arena arena = { 0 };
    struct kv_copy copy;
    struct kv *loaded = kv_create(&schema_rules);
    uint8_t kept[16];
    uint8_t scanned[16];
    kv_state_hash(kv, kept);
    kv_state_hash_scan(kv, scanned);
    CHECK(memcmp(kept, scanned, sizeof kept) == 0);
    if (kv_copy_take(kv, &arena, &copy)) {
        for (uint32_t i = 0; i < copy.count; i++) {
            if (copy.records[i].value == NULL) continue;
            CHECK(kv_load(loaded, &copy.records[i], NULL) == STATUS_OK);
        }
        CHECK(kv_load_end(loaded, &copy.to, copy.history_first, copy.state_hash, NULL) == STATUS_OK);
    }
    kv_destroy(&loaded);
    arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = { .at = data, .left = size };
    struct kv *kv = kv_create(&schema_rules);
    log_term term = 1;
    for (log_index index = 1; index <= ENTRIES_MAX && input.left > 0; index++) {
        if (byte(&input) == 0) term++;
        apply(kv, &input, index, term);
    }
    check_copy(kv);
    kv_destroy(&kv);
    return 0;
}
