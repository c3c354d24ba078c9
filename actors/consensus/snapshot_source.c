/* snapshot_source: the sums are kept here, outside of the state actor's turns. */
#include "actors/consensus/snapshot_source.h"

#include "actors/consensus/messages.h"
#include "actors/consensus/snapshot_messages.h"
#include "wire/kinds.h"

static const int64_t patience_ns = SECONDS(10);

uint64_t snapshot_source_new_id(struct actor *self)
{
    return (actor_random(self) & ((UINT64_C(1) << 53) - 1)) | 1;
}

void snapshot_source_open(struct actor *self, struct snapshot_source *source, uint64_t id,
                          uint64_t cluster_id, ask_completion *complete, void *context)
{
    *source = (struct snapshot_source){ .header = { .id = id, .cluster_id = cluster_id }, .asking = true };
    struct message *message = messages_create(KIND_SNAPSHOT_BEGIN, sizeof(struct snapshot_begin));
    ((struct snapshot_begin *)message->body)->id = id;
    actor_ask_name(self, TO_STATE, &message, patience_ns, complete, context);
}

enum status snapshot_source_on_begun(struct snapshot_source *source, const struct ask_result *result,
                                     struct bytes **out_block)
{
    source->asking = false;
    if (result->status != STATUS_OK) return result->status;
    uint64_t cluster_id = source->header.cluster_id;
    source->header = *(const struct snapshot_header *)result->message->body;
    source->header.cluster_id = cluster_id;
    *out_block = snapshot_header_block(&source->header);
    snapshot_progress_add(&source->progress, *out_block, 0);
    return STATUS_OK;
}

void snapshot_source_pull(struct actor *self, struct snapshot_source *source, struct bytes **out_block,
                          ask_completion *complete, void *context)
{
    *out_block = NULL;
    if (source->asking || source->done) return;
    if (source->walked) {
        *out_block = snapshot_end_block(&source->progress);
        source->done = true;
        return;
    }
    source->asking = true;
    struct message *message = messages_create(KIND_SNAPSHOT_NEXT, sizeof(struct snapshot_next));
    ((struct snapshot_next *)message->body)->id = source->header.id;
    actor_ask_name(self, TO_STATE, &message, patience_ns, complete, context);
}

enum status snapshot_source_on_part(struct snapshot_source *source, const struct ask_result *result,
                                    struct bytes **out_block)
{
    source->asking = false;
    *out_block = NULL;
    if (result->status != STATUS_OK) return result->status;
    const struct snapshot_part *part = result->message->body;
    source->walked = part->done;
    if (result->message->attachment == NULL) return STATUS_OK;
    *out_block = bytes_ref(result->message->attachment);
    snapshot_progress_add(&source->progress, *out_block, part->record_count);
    return STATUS_OK;
}

void snapshot_source_close(struct actor *self, struct snapshot_source *source)
{
    if (source->header.id != 0 && !source->walked) {
        struct message *message = messages_create(KIND_SNAPSHOT_END, sizeof(struct snapshot_end));
        ((struct snapshot_end *)message->body)->id = source->header.id;
        actor_tell_name(self, TO_STATE, &message);
    }
    *source = (struct snapshot_source){ 0 };
}
