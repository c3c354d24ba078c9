/* command: looks rows up and says what their descriptors say. */
#include "wire/command/command.h"

#include "runtime/base/check.h"

#include <string.h>

enum { COMMAND_NAME_MAX = 64 };

static const struct command *const tables[] = { cluster_commands, kv_commands, slice_commands,
                                                artifact_commands, local_commands };
enum { CLUSTER_TABLES = 4, ALL_TABLES = ARRAY_COUNT(tables) };

/* Read flags that every surface offers alike where the request has the field. */
static const struct command_argument read_arguments[] = {
    { .field = "stale", .help = "read this node's own copy at once, which may lag" },
    { .field = "after",
      .help = "wait until this revision is visible, or fail with DEADLINE",
      .metavar = "REVISION" },
    { .field = "at", .help = "read the state as of this revision", .metavar = "REVISION" },
};

static const struct command *row_at(size_t position, size_t table_count)
{
    for (size_t t = 0; t < table_count; t++) {
        for (const struct command *command = tables[t]; command->name != NULL; command++) {
            if (position-- == 0) return command;
        }
    }
    return NULL;
}

const struct command *command_at(size_t position)
{
    return row_at(position, CLUSTER_TABLES);
}

const struct command *command_word_at(size_t position)
{
    return row_at(position, ALL_TABLES);
}

size_t command_count(void)
{
    size_t count = 0;
    while (command_at(count) != NULL)
        count++;
    return count;
}

const struct command *command_find(const char *name)
{
    const struct command *command;
    for (size_t i = 0; (command = command_word_at(i)) != NULL; i++) {
        if (strcmp(command->name, name) == 0) return command;
    }
    return NULL;
}

void command_tool_name(char *to, size_t size, const struct command *command)
{
    CHECK(strlen(command->name) < size);
    for (size_t i = 0; i <= strlen(command->name); i++)
        to[i] = command->name[i] == ' ' || command->name[i] == '-' ? '_' : command->name[i];
}

const struct command *command_find_tool(const char *tool)
{
    const struct command *command;
    for (size_t i = 0; (command = command_at(i)) != NULL; i++) {
        char name[COMMAND_NAME_MAX];
        command_tool_name(name, sizeof name, command);
        if (strcmp(name, tool) == 0) return command;
    }
    return NULL;
}

const struct command *command_find_request(uint32_t kind)
{
    for (size_t t = 0; t < CLUSTER_TABLES; t++) {
        for (const struct command *command = tables[t]; command->name != NULL; command++) {
            if (command->request == kind) return command;
        }
    }
    return NULL;
}

static const ProtobufCMessageDescriptor *descriptor_of(uint32_t kind)
{
    const struct kind_row *row = kind_find(kind);
    CHECK(row != NULL);
    CHECK(row->descriptor != NULL); /* A row names kinds that can cross a wire. */
    return row->descriptor;
}

const ProtobufCMessageDescriptor *command_request_descriptor(const struct command *command)
{
    return command->local_request != NULL ? command->local_request : descriptor_of(command->request);
}

const ProtobufCMessageDescriptor *command_reply_descriptor(const struct command *command)
{
    return command->local_reply != NULL ? command->local_reply : descriptor_of(command->reply);
}

static const ProtobufCFieldDescriptor *field_of(const struct command *command, const char *name)
{
    return protobuf_c_message_descriptor_get_field_by_name(command_request_descriptor(command), name);
}

bool command_argument_at(const struct command *command, size_t position,
                         const struct command_argument **out_argument,
                         const ProtobufCFieldDescriptor **out_field)
{
    const struct command_argument *argument = command->arguments;
    for (; argument != NULL && argument->field != NULL; argument++) {
        if (position-- > 0) continue;
        *out_argument = argument;
        *out_field = field_of(command, argument->field);
        CHECK(*out_field != NULL); /* The row names fields that the request has. */
        return true;
    }
    for (size_t i = 0; i < ARRAY_COUNT(read_arguments); i++) {
        const ProtobufCFieldDescriptor *field = field_of(command, read_arguments[i].field);
        if (field == NULL || position-- > 0) continue;
        *out_argument = &read_arguments[i];
        *out_field = field;
        return true;
    }
    return false;
}

static bool has_presence(const ProtobufCFieldDescriptor *field)
{
    return (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0; /* A one-member oneof (house.md section 6). */
}

bool command_argument_required(const struct command_argument *argument, const ProtobufCFieldDescriptor *field)
{
    return argument->needed || (argument->positional && !argument->optional && !has_presence(field));
}

void command_field_name(char *to, size_t size, const char *field)
{
    CHECK(strlen(field) < size);
    for (size_t i = 0; i <= strlen(field); i++)
        to[i] = field[i] == '_' ? '-' : field[i];
}

static bool is_listed(const char *const *names, const char *field)
{
    for (; names != NULL && *names != NULL; names++) {
        if (strcmp(*names, field) == 0) return true;
    }
    return false;
}

bool command_holds_json(const struct command *command, const char *field)
{
    return is_listed(command->json_fields, field);
}

bool command_omits_empty(const struct command *command, const char *field)
{
    return is_listed(command->omit_empty, field);
}

bool command_is_stale(const struct command *command, const void *request)
{
    const ProtobufCFieldDescriptor *field = field_of(command, "stale");
    if (field == NULL) return false;
    CHECK(field->type == PROTOBUF_C_TYPE_BOOL);
    protobuf_c_boolean stale;
    memcpy(&stale, (const char *)request + field->offset, sizeof stale);
    return stale != 0;
}

uint64_t command_after(const struct command *command, const void *request)
{
    const ProtobufCFieldDescriptor *field = field_of(command, "after");
    if (field == NULL) return 0;
    CHECK(field->type == PROTOBUF_C_TYPE_UINT64 && (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0);
    uint32_t which; /* Of the oneof, whose only member it is; 0: it was not given. */
    uint64_t after;
    memcpy(&which, (const char *)request + field->quantifier_offset, sizeof which);
    memcpy(&after, (const char *)request + field->offset, sizeof after);
    return which == field->id ? after : 0;
}
