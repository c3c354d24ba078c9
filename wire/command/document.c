/* document: see the header. */
#include "wire/command/document.h"

#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "wire/json/convert.h"

#include <string.h>

enum { NAME_SIZE = 64 };

/* --- requests ----------------------------------------------------------------------------------------- */
void document_arguments(const struct command *command, struct value *arguments)
{
    const struct command_argument *argument;
    const ProtobufCFieldDescriptor *field;
    for (size_t i = 0; command_argument_at(command, i, &argument, &field); i++) {
        char name[NAME_SIZE];
        command_field_name(name, sizeof name, argument->field);
        const struct value *given = value_get(arguments, name);
        if (given == NULL || argument->form == FORM_PLAIN) continue;
        if (argument->form == FORM_DOCUMENT && value_type(given) != VALUE_OBJECT) continue;
        char *dump = value_dump(given);
        value_set_string(arguments, name, dump);
        memory_free(dump);
    }
}

static enum status check_required(const struct command *command, const struct value *arguments,
                                  struct error *error)
{
    const struct command_argument *argument;
    const ProtobufCFieldDescriptor *field;
    for (size_t i = 0; command_argument_at(command, i, &argument, &field); i++) {
        char name[NAME_SIZE];
        command_field_name(name, sizeof name, argument->field);
        if (!command_argument_required(argument, field)) continue;
        const struct value *given = value_get(arguments, name);
        if (given != NULL && value_type(given) != VALUE_NULL) continue;
        error_set(error, STATUS_INVALID, "%s: %s is missing", command->name, name);
        error_hint(error, "%s: %s", name, argument->help);
        return STATUS_INVALID;
    }
    return STATUS_OK;
}

/* What the CLI passes as it was typed, and must be JSON. */
static enum status check_json(const struct command *command, const struct value *arguments,
                              struct error *error)
{
    const struct command_argument *argument;
    const ProtobufCFieldDescriptor *field;
    for (size_t i = 0; command_argument_at(command, i, &argument, &field); i++) {
        char name[NAME_SIZE];
        command_field_name(name, sizeof name, argument->field);
        const char *text = value_get_string(arguments, name, NULL);
        if (argument->form != FORM_JSON || text == NULL) continue;
        struct value *held = NULL;
        enum status status = value_parse_json(text, strlen(text), &held, error);
        if (status != STATUS_OK) return error_wrap(error, "%s: %s is no JSON", command->name, name);
        value_free(&held);
    }
    return STATUS_OK;
}

enum status document_to_request(const struct command *command, const struct value *arguments,
                                struct message **out_request, struct error *error)
{
    enum status status = check_required(command, arguments, error);
    if (status == STATUS_OK) status = check_json(command, arguments, error);
    if (status != STATUS_OK) return status;
    struct message *request = message_create(command->request, 0);
    status = convert_from_value(arguments, &request->arena, command_request_descriptor(command),
                                &request->body, error);
    if (status != STATUS_OK) {
        message_destroy(&request);
        return error_wrap(error, "%s", command->name);
    }
    *out_request = request;
    return STATUS_OK;
}

/* --- replies ------------------------------------------------------------------------------------------ */
static bool is_empty(const struct value *value)
{
    const char *string = value_string(value);
    int64_t integer;
    if (string != NULL) return *string == '\0';
    if (value_integer(value, &integer)) return integer == 0;
    if (value_type(value) == VALUE_ARRAY) return value_size(value) == 0;
    return value == NULL || value_type(value) == VALUE_NULL;
}

/* Walks by descriptor, never into what is JSON already: its keys are the users' own. */
static void embed(const struct command *command, const ProtobufCMessageDescriptor *descriptor,
                  struct value *object);

static void embed_text(struct value *object, const char *name)
{
    const char *text = value_get_string(object, name, NULL);
    struct value *held = NULL;
    if (text == NULL) return;
    if (*text == '\0') value_set(object, name, value_new_null());
    else if (value_parse_json(text, strlen(text), &held, NULL) == STATUS_OK) value_set(object, name, held);
    /* No JSON after all: the string says more than nothing. */
}

static void embed_messages(const struct command *command, const ProtobufCFieldDescriptor *field,
                           struct value *member)
{
    if (value_type(member) == VALUE_OBJECT) embed(command, field->descriptor, member);
    if (value_type(member) != VALUE_ARRAY) return;
    for (size_t i = 0; i < value_size(member); i++)
        embed(command, field->descriptor, value_edit_at(member, i));
}

static void embed(const struct command *command, const ProtobufCMessageDescriptor *descriptor,
                  struct value *object)
{
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        char name[NAME_SIZE];
        command_field_name(name, sizeof name, field->name);
        struct value *member = value_edit(object, name);
        if (member == NULL) continue;
        if (command_omits_empty(command, field->name) && is_empty(member)) value_remove(object, name);
        else if (command_holds_json(command, field->name)) embed_text(object, name);
        else if (field->type == PROTOBUF_C_TYPE_MESSAGE) embed_messages(command, field, member);
    }
}

/* The record's own members first; then lists beside it, and after a stale read how stale it was. */
static struct value *flatten(const struct command *command, const struct value *reply)
{
    char record_name[NAME_SIZE];
    command_field_name(record_name, sizeof record_name, command->record);
    const struct value *record = value_get(reply, record_name);
    struct value *document = record != NULL ? value_clone(record) : value_new_object();
    bool stale = value_get_boolean(reply, "stale", false);
    const char *key;
    const struct value *member;
    for (size_t i = 0; value_member(reply, i, &key, &member); i++) {
        if (strcmp(key, record_name) == 0) continue;
        if (stale || value_type(member) == VALUE_ARRAY) value_set(document, key, value_clone(member));
    }
    return document;
}

struct value *document_from_reply(const struct command *command, const void *reply)
{
    struct value *document = convert_to_value(reply);
    embed(command, command_reply_descriptor(command), document);
    if (command->record == NULL) return document;
    struct value *flat = flatten(command, document);
    value_free(&document);
    return flat;
}

struct value *document_from_error(const struct error *error)
{
    struct value *inner = value_new_object();
    value_set_string(inner, "code", status_name(error->status));
    value_set_string(inner, "message",
                     error->message[0] != '\0' ? error->message : status_text(error->status));
    value_set_string(inner, "hint", error->hint);
    value_set(inner, "details", value_new_object());
    struct value *document = value_new_object();
    value_set(document, "error", inner);
    return document;
}

bool document_is_failure(const struct command *command, const struct value *document, struct error *out_error,
                         const struct value **out_details)
{
    const struct value *verdict = command->verdict == NULL ? NULL : value_get(document, command->verdict);
    if (verdict == NULL || value_type(verdict) != VALUE_OBJECT) return false;
    enum status status = status_from_name(value_get_string(verdict, "outcome", ""));
    if (status == STATUS_OK) return false;
    (void)error_set(out_error, status == STATUS_COUNT ? STATUS_UNKNOWN : status, "%s",
                    value_get_string(verdict, "message", ""));
    error_hint(out_error, "%s", value_get_string(verdict, "next", ""));
    *out_details = verdict;
    return true;
}

struct value *document_from_failure(const struct error *error, const struct value *details)
{
    struct value *document = document_from_error(error);
    value_set(value_edit(document, "error"), "details", value_clone(details));
    return document;
}
