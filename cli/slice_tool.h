/* slice_tool: what the program does for the author of a slice, without a node (wire/command/local.c has the
 * rows). Each command takes its arguments as an object and fills its document; what fails says so in `error`,
 * and the document shows how far it came. */
#ifndef AETHER_CLI_SLICE_TOOL_H
#define AETHER_CLI_SLICE_TOOL_H

#include "cli/argv.h"
#include "runtime/base/text.h"

struct slice_tool {
    const struct argv *argv;
    const struct value *arguments;
    struct value *document; /* An object, filled by the command. */
};

int slice_tool_run(struct argv *argv); /* Returns the exit code. */

enum status slice_new_run(const struct slice_tool *tool, struct error *error);
enum status slice_build_run(const struct slice_tool *tool, struct error *error);
enum status slice_check_run(const struct slice_tool *tool, struct error *error);
enum status slice_test_run(const struct slice_tool *tool, struct error *error);
enum status slice_push_run(const struct slice_tool *tool, struct error *error);

/* As `slice push FILE --to REPOSITORY`, but a released version is replaced: for a repository that is nobody
 * else's. Fills `document`. */
enum status slice_push_replace(const char *file, const char *repository, struct value *document,
                               struct error *error);

/* The shared object that is meant: the argument `file`, else the only one in build/. In out_path, the
 * caller's. */
enum status slice_tool_file(const struct slice_tool *tool, struct text *out_path, struct error *error);
/* The whole of a file, binary or not; at most size_max bytes. INVALID: it can't be read, or is larger. */
enum status slice_tool_read(const char *path, size_t size_max, struct text *out, struct error *error);
/* The only file that a pattern of glob(7) finds below a folder; NULL: below this one. */
enum status slice_tool_find(const char *folder, const char *pattern, const char *what, struct text *out_path,
                            struct error *error);

#endif
