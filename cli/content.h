/* content: arguments that stand for files. A word of SOURCE_FILE is a file's name ("-": standard input), one
 * of SOURCE_WORD_OR_FILE may be "@FILE" or "-": the word is replaced by what the file holds. */
#ifndef AETHER_CLI_CONTENT_H
#define AETHER_CLI_CONTENT_H

#include "cli/argv.h"

enum { CONTENT_SIZE_MAX = 1024 * 1024 };

/* INVALID: absent, unreadable, not UTF-8, or larger than CONTENT_SIZE_MAX (no more than that is ever read).
 */
MUST_CHECK enum status content_load(struct argv *argv, struct error *error);

#endif
