/* artifact: artifacts/{group}:{artifact}:{version}, its key and its JSON value. */
#include "store/schema/artifact.h"

#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "store/schema/document.h"

#include <stdio.h>
#include <string.h>

#define PREFIX "artifacts/"
static const uint64_t NUMBER_MAX = UINT64_C(1) << 53; /* What every reader of JSON keeps. */

void artifact_key(char key[ARTIFACT_KEY_MAX], const char *artifact)
{
    int length = snprintf(key, ARTIFACT_KEY_MAX, PREFIX "%s", artifact);
    CHECK(length > 0);
    CHECK(length < ARTIFACT_KEY_MAX);
}

bool artifact_key_parse(const char *key, const char **out_artifact)
{
    struct coordinates coordinates;
    if (!text_starts_with(key, PREFIX)) return false;
    const char *artifact = key + strlen(PREFIX);
    if (coordinates_parse(artifact, COORDINATES_EXACT, &coordinates, NULL) != STATUS_OK) return false;
    *out_artifact = artifact;
    return true;
}

static bool is_hex(const char *text, size_t digits)
{
    return strlen(text) == digits && strspn(text, "0123456789abcdef") == digits;
}

bool artifact_sha256_is_valid(const char *text)
{
    return is_hex(text, ARTIFACT_SHA256_SIZE - 1);
}

bool artifact_record_has_holder(const struct artifact_record *record, const char *node)
{
    for (uint32_t i = 0; i < record->holder_count; i++)
        if (strcmp(record->holders[i], node) == 0) return true;
    return false;
}

static enum status read_holders(struct arena *arena, const struct value *object,
                                struct artifact_record *record, struct error *error)
{
    const struct value *holders = value_get(object, "holders");
    if (holders == NULL || value_type(holders) != VALUE_ARRAY || value_size(holders) == 0 ||
        value_size(holders) > ARTIFACT_HOLDERS_MAX)
        return error_set(error, STATUS_CORRUPT, "holders are 1 to %d nodes", ARTIFACT_HOLDERS_MAX);
    const char **names = arena_array(arena, value_size(holders), sizeof *names);
    record->holders = names;
    for (size_t i = 0; i < value_size(holders); i++) {
        const char *name = value_string(value_at(holders, i));
        if (name == NULL || name[0] == '\0' || artifact_record_has_holder(record, name))
            return error_set(error, STATUS_CORRUPT, "holders[%zu] is no name, or there twice", i);
        names[record->holder_count++] = arena_strdup(arena, name);
    }
    return STATUS_OK;
}

static enum status read_object(struct arena *arena, const struct value *object,
                               struct artifact_record *record, struct error *error)
{
    int64_t size = value_get_integer(object, "size", 0);
    int64_t timestamp = value_get_integer(object, "timestamp", 0);
    *record = (struct artifact_record){
        .size_bytes = (uint64_t)size,
        .sha256 = arena_strdup(arena, value_get_string(object, "sha256", "")),
        .signature = arena_strdup(arena, value_get_string(object, "signature", "")),
        .timestamp = timestamp < 0 ? 0 : (uint64_t)timestamp,
    };
    if (size <= 0 || record->size_bytes >= NUMBER_MAX)
        return error_set(error, STATUS_CORRUPT, "size is no number of bytes");
    if (!artifact_sha256_is_valid(record->sha256))
        return error_set(error, STATUS_CORRUPT, "sha256 is not 64 hex digits");
    if (record->signature[0] != '\0' && !is_hex(record->signature, ARTIFACT_SIGNATURE_SIZE - 1))
        return error_set(error, STATUS_CORRUPT, "signature is not 128 hex digits");
    return read_holders(arena, object, record, error);
}

enum status artifact_record_read(struct arena *arena, const void *value, size_t size,
                                 struct artifact_record *out_record, struct error *error)
{
    struct value *object = NULL;
    struct artifact_record record;
    enum status status = document_parse(value, size, &object, error);
    if (status != STATUS_OK) return error_set(error, STATUS_CORRUPT, "the value is no JSON object");
    status = read_object(arena, object, &record, error);
    value_free(&object);
    if (status == STATUS_OK) *out_record = record;
    return status;
}

char *artifact_record_write(struct arena *arena, const struct artifact_record *record)
{
    struct value *object = value_new_object();
    struct value *holders = value_new_array();
    value_set_integer(object, "size", (int64_t)record->size_bytes);
    value_set_string(object, "sha256", record->sha256);
    if (record->signature[0] != '\0') value_set_string(object, "signature", record->signature);
    for (uint32_t i = 0; i < record->holder_count; i++)
        value_append(holders, value_new_string(record->holders[i]));
    value_set(object, "holders", holders);
    value_set_integer(object, "timestamp", (int64_t)record->timestamp);
    char *text = value_dump(object);
    char *kept = arena_strdup(arena, text);
    memory_free(text);
    value_free(&object);
    return kept;
}
