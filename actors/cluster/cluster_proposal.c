/* cluster_proposal: see the header. */
#include "actors/cluster/cluster_proposal.h"

#include "wire/kinds.h"
#include "wire/proto/codec.h"

struct message *cluster_proposal(Pb__Origin origin, Pb__Operation **out_operation)
{
    struct message *message = wire_message_create(KIND_PROPOSE_REQUEST);
    Pb__ProposeRequest *request = message->body;
    Pb__Command *command = codec_create(&message->arena, &pb__command__descriptor);
    Pb__Operation **list = arena_array(&message->arena, 1, sizeof(Pb__Operation *));
    list[0] = codec_create(&message->arena, &pb__operation__descriptor);
    command->origin = origin;
    command->success = list;
    command->n_success = 1;
    request->command = command;
    *out_operation = list[0];
    return message;
}

Pb__Command *cluster_proposal_command(struct message *proposal)
{
    return ((Pb__ProposeRequest *)proposal->body)->command;
}

enum status cluster_proposal_status(const struct ask_result *result)
{
    if (result->status != STATUS_OK) return result->status;
    return status_from_number((int)((const Pb__ProposeReply *)result->message->body)->status);
}

enum status cluster_proposal_outcome(const struct ask_result *result, uint64_t *out_revision,
                                     struct error *error)
{
    if (result->status != STATUS_OK) {
        *error = *result->error;
        return result->status;
    }
    const Pb__ProposeReply *reply = result->message->body;
    enum status status = status_from_number((int)reply->status);
    if (status == STATUS_OK) {
        *out_revision = reply->revision;
        return STATUS_OK;
    }
    (void)error_set(error, status, "%s", reply->message);
    error_hint(error, "%s", reply->hint);
    return status;
}
