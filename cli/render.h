/* render: a command's document as a table, JSON, YAML or names. Text from outside is never printed raw:
 * control characters are escaped, so that nothing a cluster holds can drive a terminal. */
#ifndef AETHER_CLI_RENDER_H
#define AETHER_CLI_RENDER_H

#include "cli/argv.h"
#include "runtime/base/text.h"
#include "wire/command/command.h"
#include "wire/json/value.h"

/* Appends what goes to stdout. `document` is what document_from_reply gave. */
void render_document(struct text *out, const struct command *command, const struct value *document,
                     enum argv_output output);
void render_json(struct text *out, const struct value *value); /* Pretty, with a newline. */
void render_yaml(struct text *out, const struct value *value);
void render_time(struct text *out, int64_t unix_ms); /* "2026-11-21T13:10:00Z" */
/* One line of text for a person: control characters as \xNN. */
void render_line(struct text *out, const char *string);

#endif
