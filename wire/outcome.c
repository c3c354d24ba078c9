/* outcome: see the header. */
#include "wire/outcome.h"

#include "runtime/base/check.h"

static const struct outcome outcomes[] = {
    { STATUS_OK, RETRY_NEVER, true, "the slice answered", "" },
    { STATUS_APP_ERROR, RETRY_NEVER, true, "the slice answered with an error of its own",
      "read the text: it is the slice's own" },
    { STATUS_INVALID, RETRY_NEVER, false, "the request makes no sense, to the cluster or to the slice",
      "correct the target, the payload or the key; `aether endpoint list` shows what is served" },
    { STATUS_UNAUTHENTICATED, RETRY_NEVER, false, "the caller is unknown", "call with a key" },
    { STATUS_DENIED, RETRY_NEVER, false, "the caller may not do this", "ask somebody who may" },
    { STATUS_NO_ENDPOINT, RETRY_ALWAYS, false, "no live instance serves this entry point",
      "`aether endpoint list` shows what is served, `aether slice list` what isn't yet" },
    { STATUS_NOT_READY, RETRY_ALWAYS, false, "the instance doesn't serve yet, or no more",
      "again in a moment" },
    { STATUS_OVERLOADED, RETRY_ALWAYS, false, "a bounded queue is full",
      "again later, less often, or with more instances" },
    { STATUS_DEADLINE, RETRY_NEVER, true, "its time was over before an answer came",
      "look whether it happened before you repeat it, or give it more --timeout" },
    { STATUS_CANCELLED, RETRY_NEVER, true, "its caller withdrew it, or went away",
      "look whether it happened before you repeat it" },
    { STATUS_NODE_LOST, RETRY_IF_HARMLESS, true, "the node that served it was lost",
      "look whether it happened before you repeat it; an --idempotency-key makes repeating safer" },
    { STATUS_CRASHED, RETRY_IF_HARMLESS, true, "the instance ended while it had the call",
      "`aether slice show` says why it ended; look whether it happened before you repeat it" },
    { STATUS_VERSION_MISMATCH, RETRY_NEVER, false, "the versions of caller and slice do not fit together",
      "name a version that is served: `aether endpoint list`" },
};
_Static_assert(sizeof outcomes / sizeof outcomes[0] == OUTCOME_COUNT, "product.md has thirteen");

const struct outcome *outcome_at(size_t position)
{
    return position < OUTCOME_COUNT ? &outcomes[position] : NULL;
}

const struct outcome *outcome_find(enum status status)
{
    for (size_t i = 0; i < OUTCOME_COUNT; i++) {
        if (outcomes[i].status == status) return &outcomes[i];
    }
    return NULL;
}

const char *retry_class_name(enum retry_class retry)
{
    switch (retry) {
    case RETRY_NEVER: return "never";
    case RETRY_ALWAYS: return "always";
    case RETRY_IF_HARMLESS: return "if harmless";
    }
    return "?";
}

const char *retry_class_meaning(enum retry_class retry)
{
    switch (retry) {
    case RETRY_NEVER: return "this is the call's end, and the cluster does not try again";
    case RETRY_ALWAYS: return "it surely did not start, so the cluster tries again, elsewhere where it can";
    case RETRY_IF_HARMLESS:
        return "it may have run: the cluster tries again only where the entry point is READONLY or "
               "IDEMPOTENT, "
               "or the caller gave an idempotency key";
    }
    return "?";
}

enum status outcome_of(enum status status)
{
    if (status == STATUS_UNKNOWN) return STATUS_NODE_LOST;
    return outcome_find(status) != NULL ? status : STATUS_APP_ERROR;
}

/* A slice can't know that it is not there, that its node was lost or that it crashed: where it says so, it
 * speaks of somebody that it called. */
enum status outcome_of_slice(enum status status)
{
    bool of_another = status == STATUS_NO_ENDPOINT || status == STATUS_NODE_LOST || status == STATUS_CRASHED;
    return of_another || outcome_find(status) == NULL ? STATUS_APP_ERROR : status;
}

static void classes_reference(struct text *out)
{
    static const enum retry_class classes[] = { RETRY_NEVER, RETRY_ALWAYS, RETRY_IF_HARMLESS };
    text_add(out, "| retried | because |\n| --- | --- |\n");
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++)
        text_printf(out, "| %s | %s |\n", retry_class_name(classes[i]), retry_class_meaning(classes[i]));
}

void outcome_reference(struct text *out)
{
    text_add(out,
             "# Outcomes of a call\n\n"
             "Printed from the table in `wire/outcome.c`, which the cluster itself decides by "
             "(`AETHER_GOLDEN=write` and the test\n`unit.wire.outcome` print it again). Every call ends "
             "with exactly one of these words; `aether call --explain` says it\nof a call of yours.\n\n");
    text_add(out, "| outcome | exit | may have run | retried | what it means | what to do next |\n"
                  "| --- | --- | --- | --- | --- | --- |\n");
    for (size_t i = 0; i < OUTCOME_COUNT; i++) {
        const struct outcome *outcome = &outcomes[i];
        text_printf(out, "| %s | %d | %s | %s | %s | %s |\n", status_name(outcome->status),
                    status_exit(outcome->status), outcome->may_have_run ? "yes" : "no",
                    retry_class_name(outcome->retry), outcome->meaning, outcome->next);
    }
    text_add(out, "\n");
    classes_reference(out);
    text_add(out,
             "\nA refusal may say that nothing was begun where its word alone doesn't (NODE_LOST of a node "
             "that was "
             "not connected, or that\nhas lost the cluster): such a call is tried again as well.\n"
             "\nRetries also end with the call's deadline, after five attempts, and when the caller's retry "
             "budget for that target is used\nup: a tenth of its calls, and ten besides that come back one a "
             "second. `UNKNOWN` of the store's commands is never an\noutcome of a call: a node whose answer "
             "can't be read counts as lost.\n");
}
