/* commands: see the header. */
#include "tests/support/commands.h"

#include "wire/proto/codec.h"

#include <string.h>

Pb__Command *commands_new(struct arena *arena)
{
    Pb__Command *command = codec_create(arena, &pb__command__descriptor);
    command->origin = PB__ORIGIN__ORIGIN_CLIENT;
    return command;
}

static Pb__Operation *add_to(struct arena *arena, Pb__Operation ***list, size_t *count)
{
    Pb__Operation **grown = arena_array(arena, *count + 1, sizeof *grown);
    if (*count > 0) memcpy(grown, *list, *count * sizeof *grown);
    grown[*count] = codec_create(arena, &pb__operation__descriptor);
    *list = grown;
    return grown[(*count)++];
}

Pb__Operation *commands_add(struct arena *arena, Pb__Command *command)
{
    return add_to(arena, &command->success, &command->n_success);
}

Pb__Operation *commands_add_failure(struct arena *arena, Pb__Command *command)
{
    return add_to(arena, &command->failure, &command->n_failure);
}

static void set_put(struct arena *arena, Pb__Operation *operation, const char *key, const char *value)
{
    operation->op_case = PB__OPERATION__OP_PUT;
    operation->put = codec_create(arena, &pb__op_put__descriptor);
    operation->put->key = arena_strdup(arena, key);
    operation->put->value.data = (uint8_t *)arena_strdup(arena, value);
    operation->put->value.len = strlen(value);
}

Pb__Operation *commands_add_put(struct arena *arena, Pb__Command *command, const char *key, const char *value)
{
    Pb__Operation *operation = commands_add(arena, command);
    set_put(arena, operation, key, value);
    return operation;
}

Pb__Operation *commands_add_delete(struct arena *arena, Pb__Command *command, const char *key)
{
    Pb__Operation *operation = commands_add(arena, command);
    operation->op_case = PB__OPERATION__OP_DELETE;
    operation->delete_ = codec_create(arena, &pb__op_delete__descriptor);
    operation->delete_->key = arena_strdup(arena, key);
    return operation;
}

Pb__Command *commands_put(struct arena *arena, const char *key, const char *value)
{
    Pb__Command *command = commands_new(arena);
    (void)commands_add_put(arena, command, key, value);
    return command;
}

Pb__Command *commands_delete(struct arena *arena, const char *key)
{
    Pb__Command *command = commands_new(arena);
    (void)commands_add_delete(arena, command, key);
    return command;
}

Pb__Compare *commands_compare(struct arena *arena, Pb__Command *command, const char *key)
{
    Pb__Compare **grown = arena_array(arena, command->n_compares + 1, sizeof *grown);
    if (command->n_compares > 0) memcpy(grown, command->compares, command->n_compares * sizeof *grown);
    Pb__Compare *compare = codec_create(arena, &pb__compare__descriptor);
    compare->key = arena_strdup(arena, key);
    grown[command->n_compares++] = compare;
    command->compares = grown;
    return compare;
}

struct raft_entry commands_entry(log_index index, log_term term, const Pb__Command *command)
{
    struct bytes *payload = bytes_create(codec_size(command));
    codec_pack(command, payload->data);
    return (struct raft_entry){
        .index = index, .term = term, .stamp_ms = 1000000 + index, .type = ENTRY_COMMAND, .payload = payload
    };
}

struct raft_entry commands_no_op(log_index index, log_term term)
{
    return (
        struct raft_entry){ .index = index, .term = term, .stamp_ms = 1000000 + index, .type = ENTRY_NO_OP };
}
