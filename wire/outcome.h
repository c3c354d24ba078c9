/* outcome: the ways in which a call ends (product.md section 6), each with its fixed retry class: the one
 * table that slice_call decides by, `aether call` explains with, and docs/reference/outcomes.md is printed
 * from. Pure. */
#ifndef AETHER_WIRE_OUTCOME_H
#define AETHER_WIRE_OUTCOME_H

#include "runtime/base/status.h"
#include "runtime/base/text.h"

#include <stdbool.h>
#include <stddef.h>

enum retry_class {
    RETRY_NEVER,       /* It was answered, or its time or its caller's wish is over: again is a new call. */
    RETRY_ALWAYS,      /* It surely did not start: again is harmless. */
    RETRY_IF_HARMLESS, /* It may have run: again only where twice does no harm. */
};

struct outcome {
    enum status status;
    enum retry_class retry;
    bool may_have_run;
    const char *meaning; /* One clause. */
    const char *next;    /* What its caller does next; "" after OK. */
};

enum { OUTCOME_COUNT = 13 };

const struct outcome *outcome_at(size_t position);       /* In product.md's order; NULL: past the end. */
const struct outcome *outcome_find(enum status status);  /* NULL: no outcome of a call. */
const char *retry_class_name(enum retry_class retry);    /* "never", "always", "if harmless" */
const char *retry_class_meaning(enum retry_class retry); /* One clause. */
/* The outcome of a call that ended with `status`, whatever that is: UNKNOWN where nobody can tell is
 * NODE_LOST; what is no outcome is APP_ERROR. */
enum status outcome_of(enum status status);
/* What a call ends with when its slice answered `status`: only what a slice can know. */
enum status outcome_of_slice(enum status status);
void outcome_reference(struct text *out); /* docs/reference/outcomes.md */

#endif
