/* failure: see the header. */
#include "cli/failure.h"

#include "cli/render.h"
#include "wire/command/document.h"
#include "wire/outcome.h"

enum { EXIT_UNREACHABLE = 3 };

int failure_exit(const struct failure *failure)
{
    return failure->unreachable ? EXIT_UNREACHABLE : status_exit(failure->error.status);
}

/* What to do next, where whoever refused didn't say. */
static const char *hint_of(const struct failure *failure)
{
    if (failure->error.hint[0] != '\0') return failure->error.hint;
    if (failure->unreachable) return "start a node, or name one with --endpoint ADDR";
    const struct outcome *outcome = failure->is_call ? outcome_find(failure->error.status) : NULL;
    if (outcome != NULL && outcome->next[0] != '\0') return outcome->next;
    switch (failure->error.status) {
    case STATUS_INVALID: return "aether help";
    case STATUS_NO_LEADER:
    case STATUS_NOT_LEADER: return "aether cluster status; reads go on with --stale";
    case STATUS_NOT_FOUND: return "list what there is: aether help";
    case STATUS_NO_ENDPOINT: return "aether endpoint list";
    case STATUS_CONFLICT: return "look at what is there now, then decide again";
    case STATUS_DENIED:
    case STATUS_UNAUTHENTICATED: return "--force where the command has it, or somebody who may";
    case STATUS_DEADLINE:
    case STATUS_NODE_LOST:
    case STATUS_CRASHED:
    case STATUS_UNKNOWN:
        return failure->harmless ? "again, or with a longer --timeout"
                                 : "look whether it happened before you repeat it";
    case STATUS_OVERLOADED:
    case STATUS_NOT_READY: return "again in a moment";
    default: return "aether event list";
    }
}

/* As every surface says it (conformance/parity): the hint is the node's own, or none. */
struct value *failure_document(const struct failure *failure)
{
    struct value *document = document_from_error(&failure->error);
    if (failure->details != NULL)
        value_set(value_edit(document, "error"), "details", value_clone(failure->details));
    return document;
}

/* The outcome's class, in the words of the one table. */
static void call_words(struct text *out, enum status status)
{
    const struct outcome *outcome = outcome_find(status);
    text_printf(out, "%s, %s", status_name(status), outcome == NULL ? status_text(status) : outcome->meaning);
    if (outcome == NULL) return;
    if (outcome->retry == RETRY_ALWAYS) text_add(out, "; it did not run");
    if (outcome->retry == RETRY_IF_HARMLESS) text_add(out, "; it may have run");
}

void failure_words(struct text *out, const struct failure *failure)
{
    text_add(out, "error: ");
    if (failure->what != NULL) text_printf(out, "%s: ", failure->what);
    if (failure->unreachable) text_add(out, "no node can be reached");
    else if (failure->what == NULL && failure->error.status == STATUS_INVALID) text_add(out, "wrong usage");
    else if (failure->is_call) call_words(out, failure->error.status);
    else if (failure->is_tool && failure->error.status == STATUS_APP_ERROR)
        text_add(out, "APP_ERROR, what it ran has failed");
    else text_printf(out, "%s, %s", status_name(failure->error.status), status_text(failure->error.status));
    text_add(out, "\n");
    render_line(out, failure->error.message[0] != '\0' ? failure->error.message
                                                       : status_text(failure->error.status));
    text_add(out, "\ntry: ");
    bool usage = failure->what != NULL && (failure->is_tool || failure->error.status == STATUS_INVALID);
    if (usage && failure->error.hint[0] == '\0') text_printf(out, "aether help %s", failure->what);
    else render_line(out, hint_of(failure));
    text_add(out, "\n");
}
