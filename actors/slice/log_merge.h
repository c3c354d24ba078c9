/* log_merge: the answers of several nodes to `slice logs`, as one: lines by time, one cursor for all. Pure.
 */
#ifndef AETHER_ACTORS_SLICE_LOG_MERGE_H
#define AETHER_ACTORS_SLICE_LOG_MERGE_H

#include "runtime/base/text.h"
#include "runtime/message.h"
#include "wire/proto/slice.pb-c.h"

enum { LOG_MERGE_LINES_MAX = 5000 };

struct log_merge {
    struct arena arena; /* Lines, and names of nodes that said nothing. */
    Pb__LogLine **lines;
    size_t line_count;
    size_t line_room;
    char **silent;
    size_t silent_count;
    size_t silent_room;
    struct text cursor; /* Of those that answered: "NODE=NUMBER,..." */
    uint64_t dropped;
    uint32_t heard_count;
    bool known;
    struct error error; /* Of the last that did not answer; OK: none. */
};

void log_merge_fini(struct log_merge *merge);
void log_merge_add(struct log_merge *merge, const Pb__SliceLogsReply *reply); /* Its cursor names its node. */
void log_merge_add_silent(struct log_merge *merge, const char *node, const struct error *error);
/* KIND_SLICE_LOGS_REPLY. `before` is the cursor that was asked with: nodes that have not answered keep their
 * part of it. `tail` 0: every line; else the last so many. */
struct message *log_merge_reply(const struct log_merge *merge, const char *before, uint32_t tail);

#endif
