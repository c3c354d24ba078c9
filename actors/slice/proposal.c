/* proposal: see the header. */
#include "actors/slice/proposal.h"

#include "runtime/base/memory.h"
#include "wire/json/value.h"
#include "wire/kinds.h"

#include <string.h>

struct proposal proposal_begin(Pb__Origin origin, size_t room)
{
    struct message *message = wire_message_create(KIND_PROPOSE_REQUEST);
    Pb__ProposeRequest *request = message->body;
    Pb__Command *command = arena_alloc(&message->arena, sizeof(*command));
    pb__command__init(command);
    command->origin = origin;
    command->compares = arena_array(&message->arena, room, sizeof(Pb__Compare *));
    command->success = arena_array(&message->arena, room, sizeof(Pb__Operation *));
    request->command = command;
    return (struct proposal){ message, command };
}

void proposal_add(struct proposal *proposal, Pb__Operation *operation)
{
    proposal->command->success[proposal->command->n_success++] = operation;
}

static void add_compare(struct proposal *proposal, const char *key, uint64_t revision)
{
    Pb__Compare *compare = arena_alloc(&proposal->message->arena, sizeof(*compare));
    pb__compare__init(compare);
    compare->key = wire_string(proposal->message, key);
    compare->target_case = revision == 0 ? PB__COMPARE__TARGET_ABSENT : PB__COMPARE__TARGET_REVISION;
    if (revision == 0) compare->absent = 1;
    else compare->revision = revision;
    proposal->command->compares[proposal->command->n_compares++] = compare;
}

static void fill_put(struct message *message, Pb__Operation *operation, const char *key, const char *value)
{
    Pb__OpPut *put = arena_alloc(&message->arena, sizeof(*put));
    pb__op_put__init(put);
    put->key = wire_string(message, key);
    put->value.len = strlen(value);
    put->value.data = arena_memdup(&message->arena, value, strlen(value));
    operation->op_case = PB__OPERATION__OP_PUT;
    operation->put = put;
}

static void fill_delete(struct message *message, Pb__Operation *operation, const char *key)
{
    Pb__OpDelete *deletion = arena_alloc(&message->arena, sizeof(*deletion));
    pb__op_delete__init(deletion);
    deletion->key = wire_string(message, key);
    operation->op_case = PB__OPERATION__OP_DELETE;
    operation->delete_ = deletion;
}

void proposal_add_write(struct proposal *proposal, const char *key, uint64_t revision, const char *value)
{
    Pb__Operation *operation = arena_alloc(&proposal->message->arena, sizeof(*operation));
    pb__operation__init(operation);
    add_compare(proposal, key, revision);
    if (value == NULL) fill_delete(proposal->message, operation, key);
    else fill_put(proposal->message, operation, key, value);
    proposal_add(proposal, operation);
}

void proposal_add_event(struct proposal *proposal, const char *type, struct value **fields)
{
    struct message *message = proposal->message;
    char *text = value_dump(*fields);
    Pb__OpEvent *event = arena_alloc(&message->arena, sizeof(*event));
    Pb__Operation *operation = arena_alloc(&message->arena, sizeof(*operation));
    pb__op_event__init(event);
    pb__operation__init(operation);
    event->type = wire_string(message, type);
    event->fields.len = strlen(text);
    event->fields.data = arena_memdup(&message->arena, text, event->fields.len);
    operation->op_case = PB__OPERATION__OP_EVENT;
    operation->event = event;
    memory_free(text);
    value_free(fields);
    proposal_add(proposal, operation);
}

enum status proposal_outcome(const struct ask_result *result, uint64_t *out_revision, struct error *error)
{
    if (result->status != STATUS_OK) {
        if (error != NULL) *error = *result->error;
        return result->status;
    }
    const Pb__ProposeReply *reply = result->message->body;
    enum status status = status_from_number((int)reply->status);
    *out_revision = reply->revision;
    if (status == STATUS_OK) return status;
    (void)error_set(error, status, "%s", reply->message);
    if (reply->hint[0] != '\0') error_hint(error, "%s", reply->hint);
    return status;
}
