/* explain: how a call went, for a person (`aether call --explain`). */
#ifndef AETHER_CLI_EXPLAIN_H
#define AETHER_CLI_EXPLAIN_H

#include "runtime/base/text.h"
#include "wire/json/value.h"

/* `explanation`: of the reply's document (wire/proto/slice.proto, CallExplanation). */
void explain_words(struct text *out, const struct value *explanation);

#endif
