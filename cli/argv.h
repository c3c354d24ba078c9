/* argv: the words of the command line, understood by the table of commands. Pure: reads no file and no
 * environment. Grammar: aether [flags] NOUN VERB [positionals] [flags]; flags may stand anywhere, "--" ends
 * them. */
#ifndef AETHER_CLI_ARGV_H
#define AETHER_CLI_ARGV_H

#include "runtime/base/error.h"
#include "wire/command/command.h"
#include "wire/json/value.h"

enum argv_action {
    ARGV_COMMAND, /* `command` with `arguments`. */
    ARGV_HELP,    /* `noun`, or `command`, or neither: the overview. */
    ARGV_VERSION,
    ARGV_MCP,
};

enum argv_output { OUTPUT_TABLE, OUTPUT_JSON, OUTPUT_YAML, OUTPUT_NAME };

struct argv {
    enum argv_action action;
    const struct command *command; /* NULL: none. */
    const char *noun;              /* Of the words; help on a noun. NULL: none. */
    /* An object, field name with '-' to typed value; words that stand for files are still words. Ours. */
    struct value *arguments;
    const char *endpoint;  /* NULL: the default ones. */
    const char *principal; /* `mcp --principal NAME`. NULL: none. */
    enum argv_output output;
    int64_t timeout_ns; /* 0: the command's default. */
    bool no_color;
    bool yes;
    bool quiet;
    bool verbose;
    bool markdown; /* help --markdown: the reference page. */
};

/* Words are borrowed from the caller for the life of `out`. INVALID: wrong usage, with the nearest right
 * spelling as the hint; `out->output` is set even then, as far as it was read. argv[0] is skipped. */
MUST_CHECK enum status argv_parse(int argc, char *const *argv, struct argv *out, struct error *error);
void argv_fini(struct argv *argv);

#endif
