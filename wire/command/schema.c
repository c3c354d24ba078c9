/* schema: see the header. One walk over a protobuf descriptor gives the schema of its JSON form. */
#include "wire/command/schema.h"

#include "runtime/base/check.h"
#include "runtime/base/text.h"

#include <ctype.h>
#include <string.h>

enum { FIELD_NAME_MAX = 64, TOOL_NAME_MAX = 64 };

static struct value *type_schema(const char *type)
{
    struct value *schema = value_new_object();
    if (type != NULL) value_set_string(schema, "type", type);
    return schema;
}

static struct value *integer_schema(bool is_unsigned)
{
    struct value *schema = type_schema("integer");
    if (is_unsigned) value_set_integer(schema, "minimum", 0);
    return schema;
}

static struct value *message_schema(const struct command *command,
                                    const ProtobufCMessageDescriptor *descriptor);

static struct value *enum_schema(const ProtobufCEnumDescriptor *descriptor)
{
    struct value *schema = type_schema("string");
    struct value *names = value_new_array();
    for (unsigned i = 0; i < descriptor->n_values; i++)
        value_append(names, value_new_string(descriptor->values[i].name));
    value_set(schema, "enum", names);
    return schema;
}

static struct value *element_schema(const struct command *command, const ProtobufCFieldDescriptor *field)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_BOOL: return type_schema("boolean");
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FIXED64: return integer_schema(true);
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_SFIXED64: return integer_schema(false);
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_DOUBLE: return type_schema("number");
    case PROTOBUF_C_TYPE_ENUM: return enum_schema(field->descriptor);
    case PROTOBUF_C_TYPE_MESSAGE: return message_schema(command, field->descriptor);
    case PROTOBUF_C_TYPE_BYTES: return type_schema(NULL); /* Any JSON value (convert.h). */
    case PROTOBUF_C_TYPE_STRING: break;
    }
    return type_schema("string");
}

static struct value *field_schema(const struct command *command, const ProtobufCFieldDescriptor *field)
{
    if (command_holds_json(command, field->name)) return type_schema(NULL); /* Any JSON value. */
    struct value *schema = element_schema(command, field);
    if (field->label != PROTOBUF_C_LABEL_REPEATED) return schema;
    struct value *array = type_schema("array");
    value_set(array, "items", schema);
    return array;
}

/* A field is always there unless it is a message, or one of a oneof. */
static bool always_present(const ProtobufCFieldDescriptor *field)
{
    if (field->label == PROTOBUF_C_LABEL_REPEATED) return true;
    return field->type != PROTOBUF_C_TYPE_MESSAGE && (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0;
}

static void add_properties(const struct command *command, const ProtobufCMessageDescriptor *descriptor,
                           struct value *properties)
{
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        char name[FIELD_NAME_MAX];
        command_field_name(name, sizeof name, descriptor->fields[i].name);
        value_set(properties, name, field_schema(command, &descriptor->fields[i]));
    }
}

static void add_required(const struct command *command, const ProtobufCMessageDescriptor *descriptor,
                         struct value *required)
{
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        char name[FIELD_NAME_MAX];
        command_field_name(name, sizeof name, field->name);
        bool omitted = command_omits_empty(command, field->name);
        if (always_present(field) && !omitted) value_append(required, value_new_string(name));
    }
}

static struct value *message_schema(const struct command *command,
                                    const ProtobufCMessageDescriptor *descriptor)
{
    struct value *schema = type_schema("object");
    struct value *properties = value_new_object();
    struct value *required = value_new_array();
    add_properties(command, descriptor, properties);
    add_required(command, descriptor, required);
    value_set(schema, "properties", properties);
    value_set(schema, "required", required);
    return schema;
}

static struct value *argument_schema(const struct command *command, const struct command_argument *argument,
                                     const ProtobufCFieldDescriptor *field)
{
    struct value *schema;
    if (argument->form == FORM_JSON || argument->form == FORM_VALUE) {
        schema = type_schema(NULL);
    } else if (argument->form == FORM_DOCUMENT) {
        schema = type_schema(NULL);
        struct value *types = value_new_array();
        value_append(types, value_new_string("string"));
        value_append(types, value_new_string("object"));
        value_set(schema, "type", types);
    } else {
        schema = field_schema(command, field);
    }
    value_set_string(schema, "description", argument->help);
    return schema;
}

struct value *schema_input(const struct command *command)
{
    struct value *schema = type_schema("object");
    struct value *properties = value_new_object();
    struct value *required = value_new_array();
    const struct command_argument *argument;
    const ProtobufCFieldDescriptor *field;
    for (size_t i = 0; command_argument_at(command, i, &argument, &field); i++) {
        char name[FIELD_NAME_MAX];
        command_field_name(name, sizeof name, argument->field);
        value_set(properties, name, argument_schema(command, argument, field));
        if (command_argument_required(argument, field)) value_append(required, value_new_string(name));
    }
    value_set(schema, "properties", properties);
    if (value_size(required) > 0) value_set(schema, "required", required);
    else value_free(&required);
    value_set_boolean(schema, "additionalProperties", false);
    return schema;
}

static struct value *error_schema(void)
{
    struct value *schema = type_schema("object");
    struct value *properties = value_new_object();
    value_set(properties, "code", type_schema("string"));
    value_set(properties, "message", type_schema("string"));
    value_set(properties, "hint", type_schema("string"));
    value_set(properties, "details", type_schema("object"));
    struct value *required = value_new_array();
    value_append(required, value_new_string("code"));
    value_append(required, value_new_string("message"));
    value_set(schema, "properties", properties);
    value_set(schema, "required", required);
    return schema;
}

static struct value *requires(struct value *required)
{
    struct value *schema = value_new_object();
    value_set(schema, "required", required);
    return schema;
}

struct value *schema_output(const struct command *command)
{
    const ProtobufCMessageDescriptor *reply = command_reply_descriptor(command);
    struct value *properties = value_new_object();
    struct value *required = value_new_array();
    if (command->record != NULL) {
        const ProtobufCFieldDescriptor *record =
            protobuf_c_message_descriptor_get_field_by_name(reply, command->record);
        CHECK(record != NULL);
        CHECK(record->type == PROTOBUF_C_TYPE_MESSAGE);
        add_properties(command, record->descriptor, properties);
        add_required(command, record->descriptor, required);
        for (unsigned i = 0; i < reply->n_fields; i++) {
            if (&reply->fields[i] == record) continue;
            char name[FIELD_NAME_MAX];
            command_field_name(name, sizeof name, reply->fields[i].name);
            value_set(properties, name, field_schema(command, &reply->fields[i]));
        }
    } else {
        add_properties(command, reply, properties);
        add_required(command, reply, required);
    }
    value_set(properties, "error", error_schema());
    struct value *failed = value_new_array();
    value_append(failed, value_new_string("error"));
    struct value *either = value_new_array();
    value_append(either, requires(required));
    value_append(either, requires(failed));
    struct value *schema = type_schema("object");
    value_set(schema, "properties", properties);
    value_set(schema, "anyOf", either);
    return schema;
}

static struct value *annotations(const struct command *command)
{
    bool reads = (command->flags & (COMMAND_CHANGES | COMMAND_CALLS)) == 0;
    struct value *annotations = value_new_object();
    value_set_boolean(annotations, "readOnlyHint", reads);
    /* A call may destroy what the slice keeps: we can't know, so we don't promise. */
    bool destroys = (command->flags & (COMMAND_DESTROYS | COMMAND_CALLS)) != 0;
    value_set_boolean(annotations, "destructiveHint", destroys);
    value_set_boolean(annotations, "idempotentHint", reads || (command->flags & COMMAND_IDEMPOTENT) != 0);
    value_set_boolean(annotations, "openWorldHint", (command->flags & COMMAND_CALLS) != 0);
    return annotations;
}

struct value *schema_tool(const struct command *command)
{
    char name[TOOL_NAME_MAX];
    command_tool_name(name, sizeof name, command);
    struct text title = { 0 };
    text_add(&title, command->name);
    title.data[0] = (char)toupper((unsigned char)title.data[0]);
    struct text description = { 0 };
    text_printf(&description, "%s.", command->help);
    if (command->details != NULL) text_printf(&description, " %s", command->details);
    if ((command->flags & COMMAND_CHANGES) != 0)
        text_add(&description, " Changes the cluster: takes the agent lease.");
    struct value *tool = value_new_object();
    value_set_string(tool, "name", name);
    value_set_string(tool, "title", text_string(&title));
    value_set_string(tool, "description", text_string(&description));
    value_set(tool, "inputSchema", schema_input(command));
    value_set(tool, "outputSchema", schema_output(command));
    value_set(tool, "annotations", annotations(command));
    text_fini(&title);
    text_fini(&description);
    return tool;
}
