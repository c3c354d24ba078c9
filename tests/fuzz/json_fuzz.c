/* json_fuzz: any text is read or refused with a place; what is read prints, and the print reads as the same
 * tree. */
#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "wire/json/value.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct value *value = NULL;
    struct error error;
    if (value_parse_json((const char *)data, size, &value, &error) != STATUS_OK) {
        CHECK(text_starts_with(error.message, "line "));
        return 0;
    }
    char *text = value_dump(value);
    struct value *again = NULL;
    enum status status = value_parse_json(text, strlen(text), &again, &error);
    CHECK(status == STATUS_OK);
    CHECK(value_equal(value, again));
    memory_free(text);
    text = value_dump_pretty(value);
    value_free(&again);
    status = value_parse_json(text, strlen(text), &again, &error);
    CHECK(status == STATUS_OK);
    CHECK(value_equal(value, again));
    memory_free(text);
    value_free(&again);
    value_free(&value);
    return 0;
}
