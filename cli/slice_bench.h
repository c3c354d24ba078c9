/* slice_bench: a slice on the bench: one instance in an aether-slice-host that is thrown away
 * (nodes/slice_bench.h has the conversation). One thread. */
#ifndef AETHER_CLI_SLICE_BENCH_H
#define AETHER_CLI_SLICE_BENCH_H

#include "runtime/base/text.h"
#include "wire/json/value.h"

struct slice_bench;

struct bench_answer {
    enum status status;
    struct text text; /* The reply, or what is wrong. Emptied by each step. */
};

/* NOT_FOUND: the host program isn't where this program is. */
MUST_CHECK enum status slice_bench_start(const char *file, struct slice_bench **out_bench,
                                         struct error *error);
/* Kills it if it still runs. */
void slice_bench_end(struct slice_bench **bench);
/* One line of the script, and what it ends with. CRASHED: the process ended, how is said; DEADLINE: a hook
 * didn't return for so long, and the process was killed. Both leave a bench that answers no more. */
MUST_CHECK enum status slice_bench_step(struct slice_bench *bench, const char *line, const void *body,
                                        size_t size, int64_t timeout_ns, struct bench_answer *answer,
                                        struct error *error);
/* A line without an answer. */
MUST_CHECK enum status slice_bench_tell(struct slice_bench *bench, const char *line, const void *body,
                                        size_t size, struct error *error);
/* After destroy, the last step. false: the object could not be unmapped. */
bool slice_bench_was_unmapped(struct slice_bench *bench);

/* What it said of itself: {"artifact","group","name","version","abi","entries":[...],"dependencies":[...]}.
 */
const struct value *slice_bench_described(const struct slice_bench *bench);
/* What the slice has logged and called since the last time, one line each; the caller's. */
void slice_bench_take_notes(struct slice_bench *bench, struct text *out);

#endif
