/* history: bytes as a recorded history, one JSON object a line. Nothing may crash, neither the reader nor, on
 * what it takes for a history, the checkers, which have to come to a verdict; and what was read is written
 * and read again as the same lines. */
#include "nodes/sim/history_check.h"
#include "nodes/sim/history_lines.h"
#include "runtime/base/check.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { JUDGED_MAX = 24 }; /* Operations: the search is exponential in those that overlap. */

static void judge(const struct history *history)
{
    struct history_counts counts = history_counts(history);
    if (counts.operations + counts.refused + counts.failed + counts.unknown > JUDGED_MAX) return;
    enum status status = history_check(history, NULL);
    bool verdict = status == STATUS_OK || status == STATUS_CORRUPT || status == STATUS_OVERLOADED;
    CHECK(verdict || status == STATUS_INVALID);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct history *history = NULL;
    struct history *again = NULL;
    struct text first = { 0 };
    struct text second = { 0 };
    if (history_lines_read((const char *)data, size, &history, NULL) != STATUS_OK) return 0;
    history_lines_write(history, &first);
    enum status status = history_lines_read(text_string(&first), first.size, &again, NULL);
    CHECK(status == STATUS_OK);
    history_lines_write(again, &second);
    CHECK(strcmp(text_string(&first), text_string(&second)) == 0);
    judge(history);
    text_fini(&first);
    text_fini(&second);
    history_destroy(&history);
    history_destroy(&again);
    return 0;
}
