/* usage: see the header. */
#include "wire/command/usage.h"

#include "runtime/base/check.h"
#include "runtime/base/status.h"

#include <ctype.h>
#include <string.h>

enum { WORD_MAX = 64, VERB_WIDTH = 19 };

struct flag_row {
    const char *flag;
    const char *help;
};
static const struct flag_row global_flags[] = {
    { "-e, --endpoint ADDR", "the node to ask; default: AETHER_ENDPOINT, else the local node" },
    { "-o, --output FORM", "table (default), json, yaml or name" },
    { "    --timeout DUR", "give up after DUR (500ms, 10s, 2m); default: 30s, 5m where a command waits" },
    { "    --yes", "never ask before a change" },
    { "    --quiet", "no progress on stderr" },
    { "    --verbose", "say what is done on stderr" },
    { "    --no-color", "no colour (also: NO_COLOR)" },
    { "-h, --help", "help on what stands before it" },
};

struct exit_row {
    int code;
    const char *meaning;
};
static const struct exit_row exits[] = {
    { 0, "done" },
    { 1, "the operation failed; stderr says why, and what to do next" },
    { 2, "wrong usage or bad content" },
    { 3, "no node reachable, or no leader within the timeout" },
    { 4, "there is no such thing, or no live endpoint" },
    { 5, "conflict: a precondition did not hold" },
    { 6, "the caller is unknown, or may not do this" },
    { 7, "the outcome is unknown: a deadline passed, a node was lost, an instance crashed" },
};

static void metavar_of(char *to, size_t size, const struct command_argument *argument)
{
    if (argument->metavar != NULL) {
        (void)text_copy(to, size, argument->metavar);
        return;
    }
    command_field_name(to, size, argument->field);
    for (char *c = to; *c != '\0'; c++)
        *c = (char)toupper((unsigned char)*c);
}

void usage_argument(char *to, size_t size, const struct command_argument *argument,
                    const ProtobufCFieldDescriptor *field)
{
    char metavar[WORD_MAX];
    char name[WORD_MAX];
    metavar_of(metavar, sizeof metavar, argument);
    command_field_name(name, sizeof name, argument->field);
    struct text words = { 0 };
    bool more = field->label == PROTOBUF_C_LABEL_REPEATED;
    if (argument->positional) text_printf(&words, more ? "%s..." : "%s", metavar);
    else if (field->type == PROTOBUF_C_TYPE_BOOL) text_printf(&words, "--%s", name);
    else text_printf(&words, "--%s %s", name, metavar);
    (void)text_copy(to, size, text_string(&words));
    text_fini(&words);
}

void usage_synopsis(struct text *out, const struct command *command)
{
    text_printf(out, "aether %s", command->name);
    const struct command_argument *argument;
    const ProtobufCFieldDescriptor *field;
    for (size_t i = 0; command_argument_at(command, i, &argument, &field); i++) {
        char words[2 * WORD_MAX + 8];
        usage_argument(words, sizeof words, argument, field);
        bool required = command_argument_required(argument, field);
        text_printf(out, required ? " %s" : " [%s]", words);
    }
}

/* The noun of a command: its first word. */
static size_t noun_size(const char *name)
{
    return strcspn(name, " ");
}

static bool same_noun(const struct command *a, const struct command *b)
{
    size_t size = noun_size(a->name);
    return size == noun_size(b->name) && memcmp(a->name, b->name, size) == 0;
}

static void add_flags(struct text *out)
{
    for (size_t i = 0; i < ARRAY_COUNT(global_flags); i++)
        text_printf(out, "  %-22s %s\n", global_flags[i].flag, global_flags[i].help);
}

void usage_overview(struct text *out, const struct usage_local *locals)
{
    text_add(out, "aether: runs slices on a cluster of nodes\n\n"
                  "usage: aether [flags] NOUN VERB [arguments] [flags]\n");
    const struct command *previous = NULL;
    const struct command *command;
    for (size_t i = 0; (command = command_at(i)) != NULL; previous = command, i++) {
        size_t size = noun_size(command->name);
        const char *verb = command->name[size] == ' ' ? command->name + size + 1 : "";
        if (previous == NULL || !same_noun(previous, command))
            text_printf(out, "\n%.*s%s", (int)size, command->name, *verb == '\0' ? "" : "\n");
        if (*verb == '\0') text_printf(out, "%*s%s\n", (int)(VERB_WIDTH + 3 - size), "", command->help);
        else text_printf(out, "  %-*s %s\n", VERB_WIDTH, verb, command->help);
    }
    text_add(out, "\nlocal\n");
    for (const struct command *local = local_commands; local->name != NULL; local++)
        text_printf(out, "  %-*s %s\n", VERB_WIDTH, local->name, local->help);
    for (; locals->name != NULL; locals++)
        text_printf(out, "  %-*s %s\n", VERB_WIDTH, locals->name, locals->help);
    text_add(out, "\nflags\n");
    add_flags(out);
    text_add(out, "\nexit codes\n");
    for (size_t i = 0; i < ARRAY_COUNT(exits); i++)
        text_printf(out, "  %d  %s\n", exits[i].code, exits[i].meaning);
    text_add(out, "\nmore: aether help NOUN [VERB]\n");
}

bool usage_noun(struct text *out, const char *noun)
{
    bool found = false;
    const struct command *command;
    for (size_t i = 0; (command = command_word_at(i)) != NULL; i++) {
        size_t size = noun_size(command->name);
        if (strlen(noun) != size || memcmp(noun, command->name, size) != 0) continue;
        if (!found)
            text_printf(out, "usage: aether %s%s\n\n", noun, command->name[size] == ' ' ? " VERB" : "");
        found = true;
        usage_synopsis(out, command);
        text_printf(out, "\n    %s\n", command->help);
    }
    if (found) text_printf(out, "\nmore: aether help %s VERB\n", noun);
    return found;
}

void usage_command(struct text *out, const struct command *command)
{
    text_printf(out, "%s\n\nusage: ", command->help);
    usage_synopsis(out, command);
    text_add(out, "\n");
    if (command->details != NULL) text_printf(out, "\n%s\n", command->details);
    const struct command_argument *argument;
    const ProtobufCFieldDescriptor *field;
    for (size_t i = 0; command_argument_at(command, i, &argument, &field); i++) {
        char words[2 * WORD_MAX + 8];
        usage_argument(words, sizeof words, argument, field);
        text_printf(out, "%s  %-22s %s\n", i == 0 ? "\narguments\n" : "", words, argument->help);
    }
    text_printf(out, "\nexample\n  %s\n\nglobal flags\n", command->example);
    add_flags(out);
}

static const char *role_name(enum command_role role)
{
    switch (role) {
    case ROLE_OBSERVER: return "observer";
    case ROLE_OPERATOR: return "operator";
    case ROLE_ADMIN: break;
    }
    return "admin";
}

/* A '|' would end the cell. */
static void add_cell(struct text *out, const char *string)
{
    for (; *string != '\0'; string++) {
        if (*string == '|') text_add(out, "\\|");
        else text_add_bytes(out, string, 1);
    }
}

static void markdown_command(struct text *out, const struct command *command)
{
    char tool[WORD_MAX];
    command_tool_name(tool, sizeof tool, command);
    text_printf(out, "\n### %s\n\n%s.%s%s\n\n    ", command->name, command->help,
                command->details == NULL ? "" : " ", command->details == NULL ? "" : command->details);
    usage_synopsis(out, command);
    text_add(out, "\n\n");
    const struct command_argument *argument;
    const ProtobufCFieldDescriptor *field;
    for (size_t i = 0; command_argument_at(command, i, &argument, &field); i++) {
        char words[2 * WORD_MAX + 8];
        usage_argument(words, sizeof words, argument, field);
        text_printf(out, "%s| `%s` | ", i == 0 ? "| argument | meaning |\n|---|---|\n" : "", words);
        add_cell(out, argument->help);
        text_add(out, " |\n");
    }
    if (command_argument_at(command, 0, &argument, &field)) text_add(out, "\n");
    text_printf(out, "Example: `%s`.", command->example);
    if (command->local_request == NULL)
        text_printf(out, " MCP tool: `%s`. Role: %s.%s", tool, role_name(command->role),
                    (command->flags & COMMAND_CHANGES) != 0 ? " Changes the cluster." : "");
    text_add(out, "\n");
}

void usage_markdown(struct text *out, const struct usage_local *locals)
{
    text_add(out, "# Commands\n\nPrinted from the table of commands by `aether help --markdown`; "
                  "a test compares them. Edit `wire/command/*.c`, not this page.\n");
    const struct command *previous = NULL;
    const struct command *command;
    for (size_t i = 0; (command = command_at(i)) != NULL; previous = command, i++) {
        if (previous == NULL || !same_noun(previous, command))
            text_printf(out, "\n## %.*s\n", (int)noun_size(command->name), command->name);
        markdown_command(out, command);
    }
    text_add(out, "\n## Local to the program\n\n");
    for (const struct command *local = local_commands; local->name != NULL; local++)
        markdown_command(out, local);
    text_add(out, "\n");
    for (; locals->name != NULL; locals++)
        text_printf(out, "- `aether %s`: %s\n", locals->synopsis, locals->help);
    text_add(out, "\n## Global flags\n\n| flag | meaning |\n|---|---|\n");
    for (size_t i = 0; i < ARRAY_COUNT(global_flags); i++) {
        const char *flag = global_flags[i].flag;
        text_printf(out, "| `%s` | ", flag + strspn(flag, " "));
        add_cell(out, global_flags[i].help);
        text_add(out, " |\n");
    }
    text_add(out, "\n## Exit codes\n\n| exit | meaning |\n|---|---|\n");
    for (size_t i = 0; i < ARRAY_COUNT(exits); i++)
        text_printf(out, "| %d | %s |\n", exits[i].code, exits[i].meaning);
    text_add(out, "\n## Error codes\n\n| code | exit | meaning |\n|---|---|---|\n");
    for (int i = STATUS_OK + 1; i < STATUS_COUNT; i++)
        text_printf(out, "| %s | %d | %s |\n", status_name((enum status)i), status_exit((enum status)i),
                    status_text((enum status)i));
}
