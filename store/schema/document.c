/* document: see the header. */
#include "store/schema/document.h"

#include "runtime/base/memory.h"

#include <string.h>

enum status document_parse(const void *data, size_t size, struct value **out_value, struct error *error)
{
    struct value *value = NULL;
    enum status status = value_parse_json(size == 0 ? "" : data, size, &value, error);
    if (status != STATUS_OK) return status;
    if (value_type(value) != VALUE_OBJECT) {
        value_free(&value);
        return error_set(error, STATUS_INVALID, "the value must be a JSON object");
    }
    *out_value = value;
    return STATUS_OK;
}

struct value *document_get(struct kv_txn *txn, const char *key)
{
    const struct kv_record *record = kv_txn_get(txn, key);
    struct value *value = NULL;
    if (record == NULL) return NULL;
    if (document_parse(record->value, record->value_size, &value, NULL) != STATUS_OK) return NULL;
    return value;
}

void document_put(struct kv_txn *txn, const char *key, struct value **value)
{
    char *text = value_dump(*value);
    kv_txn_put(txn, key, text, strlen(text), "");
    memory_free(text);
    value_free(value);
}
