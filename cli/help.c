/* help: see the header. */
#include "cli/help.h"

#include "cli/output.h"
#include "runtime/base/check.h"

const struct usage_local help_locals[] = {
    { "help", "help [NOUN [VERB]]", "this page, or more on a noun or a verb" },
    { "version", "version", "the program's version and the protocols it speaks" },
    { "mcp", "mcp [--principal NAME]", "speak MCP on stdin and stdout, for AI agents" },
    { 0 },
};

void help_text(struct text *out, const struct argv *argv)
{
    if (argv->markdown) {
        usage_markdown(out, help_locals);
    } else if (argv->command != NULL) {
        usage_command(out, argv->command);
    } else if (argv->noun != NULL) {
        bool known = usage_noun(out, argv->noun);
        CHECK(known); /* argv_parse lets no other through. */
    } else {
        usage_overview(out, help_locals);
    }
}

int help_print(const struct argv *argv)
{
    struct text out = { 0 };
    help_text(&out, argv);
    int code = output_print(&out);
    text_fini(&out);
    return code;
}
