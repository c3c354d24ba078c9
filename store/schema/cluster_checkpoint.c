/* cluster_checkpoint: see the header. */
#include "store/schema/cluster_checkpoint.h"

#include "store/schema/cluster_members.h"
#include "store/schema/document.h"

#include <inttypes.h>
#include <stdio.h>

enum { REPLICA_TEXT_SIZE = 17 };

static enum status read_match(const struct value *value, replica_id before,
                              struct checkpoint_match *out_match)
{
    int64_t match = value_get_integer(value, "match", -1);
    replica_id id = cluster_replica_parse(value_get_string(value, "replica", ""));
    if (id <= before || match < 0) return STATUS_CORRUPT;
    *out_match = (struct checkpoint_match){ .id = id, .match = (log_index)match };
    return STATUS_OK;
}

static enum status read_matches(const struct value *matches, struct checkpoint *out_checkpoint)
{
    struct checkpoint checkpoint = { 0 };
    enum status status = value_size(matches) <= REPLICAS_MAX ? STATUS_OK : STATUS_CORRUPT;
    replica_id before = 0;
    for (size_t i = 0; i < value_size(matches) && status == STATUS_OK; i++) {
        struct checkpoint_match *match = &checkpoint.matches[checkpoint.count];
        status = read_match(value_at(matches, i), before, match);
        before = match->id;
        checkpoint.count++;
    }
    if (status == STATUS_OK) *out_checkpoint = checkpoint;
    return status;
}

enum status cluster_checkpoint_read(const struct kv_record *record, struct checkpoint *out_checkpoint)
{
    struct value *document = NULL;
    if (document_parse(record->value, record->value_size, &document, NULL) != STATUS_OK)
        return STATUS_CORRUPT;
    enum status status = read_matches(value_get(document, "matches"), out_checkpoint);
    value_free(&document);
    return status;
}

static struct value *match_value(const struct checkpoint_match *match)
{
    char replica[REPLICA_TEXT_SIZE];
    struct value *value = value_new_object();
    (void)snprintf(replica, sizeof replica, "%016" PRIx64, match->id);
    value_set_string(value, "replica", replica);
    value_set_integer(value, "match", (int64_t)match->match);
    return value;
}

void cluster_checkpoint_apply(struct kv_txn *txn, const struct kv_context *context,
                              const struct bytes *payload)
{
    struct checkpoint checkpoint;
    if (payload == NULL || checkpoint_unpack(payload->data, payload->size, &checkpoint) != STATUS_OK) return;
    struct value *document = value_new_object();
    struct value *matches = value_new_array();
    for (uint32_t i = 0; i < checkpoint.count; i++)
        value_append(matches, match_value(&checkpoint.matches[i]));
    value_set_integer(document, "index", (int64_t)context->revision);
    value_set(document, "matches", matches);
    document_put(txn, CLUSTER_CHECKPOINT_KEY, &document);
}
