/* yaml_fuzz: any text is read or refused with a place; what is read is a tree that JSON can hold, and each of
 * its top members has a line. */
#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "wire/json/value.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_positions(const struct value *value, const struct value_positions *positions)
{
    const char *key;
    const struct value *member;
    for (void *cursor = NULL; value_next(value, &cursor, &key, &member);) {
        bool plain = strpbrk(key, ".[") == NULL && key[0] != 0;
        CHECK(!plain || value_positions_line(positions, key) > 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 65536) return 0;
    struct value *value = NULL;
    struct value_positions *positions = NULL;
    struct error error;
    if (value_parse_yaml((const char *)data, size, &value, &positions, &error) != STATUS_OK) {
        CHECK(text_starts_with(error.message, "line "));
        return 0;
    }
    check_positions(value, positions);
    char *text = value_dump(value);
    struct value *again = NULL;
    enum status status = value_parse_json(text, strlen(text), &again, &error);
    CHECK(status == STATUS_OK);
    CHECK(value_equal(value, again));
    memory_free(text);
    value_free(&again);
    value_free(&value);
    value_positions_free(&positions);
    return 0;
}
