/* aether: the command line. Words become a row of the table of commands; a node carries it out. */
#include "cli/argv.h"
#include "cli/command.h"
#include "cli/dev.h"
#include "cli/failure.h"
#include "cli/help.h"
#include "cli/local_restore.h"
#include "cli/mcp_bridge.h"
#include "cli/output.h"
#include "cli/render.h"
#include "cli/slice_tool.h"
#include "wire/frame.h"

#include <stdlib.h>
#include <string.h>

static int print_version(const struct argv *argv)
{
    struct value *protocol = value_new_object();
    value_set_integer(protocol, "min", PROTOCOL_MIN);
    value_set_integer(protocol, "max", PROTOCOL_MAX);
    struct value *document = value_new_object();
    value_set_string(document, "version", AETHER_VERSION);
    value_set(document, "protocol", protocol);
    struct text out = { 0 };
    if (argv->output == OUTPUT_JSON) render_json(&out, document);
    else if (argv->output == OUTPUT_YAML) render_yaml(&out, document);
    else text_printf(&out, "aether %s (protocol %d to %d)\n", AETHER_VERSION, PROTOCOL_MIN, PROTOCOL_MAX);
    int code = output_print(&out);
    text_fini(&out);
    value_free(&document);
    return code;
}

static int run_command(struct argv *argv)
{
    if (argv->command->local_request == NULL) return command_run(argv);
    if (strcmp(argv->command->name, "cluster restore") == 0) return local_restore_run(argv);
    if (strcmp(argv->command->name, "dev") == 0) return dev_run(argv);
    return slice_tool_run(argv);
}

int main(int argc, char **argv)
{
    struct argv parsed;
    struct failure failure = { 0 };
    int code = EXIT_FAILURE;
    if (argv_parse(argc, argv, &parsed, &failure.error) != STATUS_OK) {
        code = command_fail(&parsed, &failure);
    } else {
        switch (parsed.action) {
        case ARGV_HELP: code = help_print(&parsed); break;
        case ARGV_VERSION: code = print_version(&parsed); break;
        case ARGV_MCP: code = mcp_bridge_run(&parsed); break;
        case ARGV_COMMAND: code = run_command(&parsed); break;
        }
    }
    argv_fini(&parsed);
    return code;
}
