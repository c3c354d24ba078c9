/* document: records whose values are JSON, inside a transaction. */
#ifndef AETHER_STORE_SCHEMA_DOCUMENT_H
#define AETHER_STORE_SCHEMA_DOCUMENT_H

#include "store/kv.h"
#include "wire/json/value.h"

/* NULL: absent, or not a JSON object (a forced write may leave such). The caller frees it (value_free). */
struct value *document_get(struct kv_txn *txn, const char *key);
void document_put(struct kv_txn *txn, const char *key, struct value **value); /* Takes value. */
/* INVALID unless these bytes are a JSON object. Takes nothing; *out_value is the caller's. */
MUST_CHECK enum status document_parse(const void *data, size_t size, struct value **out_value,
                                      struct error *error);

#endif
