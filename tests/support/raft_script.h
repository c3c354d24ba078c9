/* raft_script: runs a text that tells one Raft core what happens and says what it must do.
 * tests/core/README.md describes the language. */
#ifndef AETHER_TESTS_SUPPORT_RAFT_SCRIPT_H
#define AETHER_TESTS_SUPPORT_RAFT_SCRIPT_H

#include "runtime/base/text.h"

#include <stdbool.h>

/* Runs the script at `path`. false: it could not be read, or an event had other actions than the script says;
 * then `out_report` tells where, with both. `out_script`, if not NULL, gets the script with its actions as
 * they were, which is how a new script is made: write the events, print, and check every line against the
 * rule. */
bool raft_script_run(const char *path, struct text *out_report, struct text *out_script);

#endif
