/* failure: how a failed command is told: in words, three lines on stderr; in JSON, one document on stdout. */
#ifndef AETHER_CLI_FAILURE_H
#define AETHER_CLI_FAILURE_H

#include "cli/argv.h"
#include "runtime/base/text.h"

struct failure {
    struct error error;
    const char *what;      /* "kv get": the first line begins with it. */
    bool unreachable;      /* No node answered at all: exit 3 whatever the status. */
    bool harmless;         /* A read: to repeat it can do no harm. */
    bool is_tool;          /* Of this program, without a node: `slice build`. */
    bool is_call;          /* Of a slice: the first line says whether it may have run. */
    struct value *details; /* Borrowed; NULL: none. */
};

int failure_exit(const struct failure *failure);
/* {"error":{"code","message","hint","details"}} */
struct value *failure_document(const struct failure *failure);
void failure_words(struct text *out, const struct failure *failure);

#endif
