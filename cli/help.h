/* help: what `aether help` prints. */
#ifndef AETHER_CLI_HELP_H
#define AETHER_CLI_HELP_H

#include "cli/argv.h"
#include "wire/command/usage.h"

extern const struct usage_local help_locals[]; /* Commands of the program itself; ends with name == NULL. */

void help_text(struct text *out, const struct argv *argv);
int help_print(const struct argv *argv); /* Returns the exit code. */

#endif
