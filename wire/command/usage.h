/* usage: help, printed from the rows: the overview, a noun, a command, and the reference as Markdown. */
#ifndef AETHER_WIRE_COMMAND_USAGE_H
#define AETHER_WIRE_COMMAND_USAGE_H

#include "runtime/base/text.h"
#include "wire/command/command.h"

struct usage_local { /* A command of the program itself, which no node knows. */
    const char *name;
    const char *synopsis; /* After "aether ". */
    const char *help;
};

/* `locals` end with name == NULL. */
void usage_overview(struct text *out, const struct usage_local *locals);
bool usage_noun(struct text *out, const char *noun); /* false: no such noun. */
void usage_command(struct text *out, const struct command *command);
void usage_markdown(struct text *out, const struct usage_local *locals); /* docs/reference/commands.md */
/* "aether kv put KEY VALUE [--if-rev N] [--force]" */
/* As it stands in a synopsis: "KEY", "--force" or "--if-rev N". */
void usage_argument(char *to, size_t size, const struct command_argument *argument,
                    const ProtobufCFieldDescriptor *field);
void usage_synopsis(struct text *out, const struct command *command);

#endif
