/* output: what a command prints as its result. */
#ifndef AETHER_CLI_OUTPUT_H
#define AETHER_CLI_OUTPUT_H

#include "runtime/base/text.h"

/* Writes all of it to standard output, at once. Returns the exit code: 0, or 1 where it can't be written,
 * which is said on stderr: what was asked for is done then, only nobody could read how it went. */
int output_print(const struct text *text);

#endif
