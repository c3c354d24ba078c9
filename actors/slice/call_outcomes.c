/* call_outcomes: see the header. Without a leader nothing can be written: the counts wait and grow. */
#include "actors/slice/call_outcomes.h"

#include "actors/slice/proposal.h"
#include "runtime/base/check.h"
#include "runtime/base/text.h"
#include "wire/json/value.h"
#include "wire/kinds.h"
#include "wire/proto/store.pb-c.h"

#include <string.h>

bool call_outcomes_matter(enum status status)
{
    return status == STATUS_NODE_LOST || status == STATUS_CRASHED || status == STATUS_NO_ENDPOINT ||
           status == STATUS_DEADLINE || status == STATUS_OVERLOADED || status == STATUS_NOT_READY;
}

void call_outcomes_note(struct call_outcomes *outcomes, enum status status, const char *target,
                        const char *node, const char *request_id)
{
    for (uint32_t i = 0; i < outcomes->count; i++) {
        struct call_outcome *known = &outcomes->list[i];
        if (known->status != status || strcmp(known->target, target) != 0 || strcmp(known->node, node) != 0)
            continue;
        known->count++;
        return;
    }
    if (outcomes->count == CALL_OUTCOMES_MAX) {
        outcomes->lost++;
        return;
    }
    struct call_outcome *fresh = &outcomes->list[outcomes->count++];
    *fresh = (struct call_outcome){ .status = status, .count = 1 };
    (void)text_copy(fresh->target, sizeof(fresh->target), target);
    (void)text_copy(fresh->node, sizeof(fresh->node), node);
    (void)text_copy(fresh->request_id, sizeof(fresh->request_id), request_id);
}

static void add_event(struct proposal *proposal, const struct call_outcome *outcome, const char *self_node,
                      uint64_t lost)
{
    struct value *fields = value_new_object();
    value_set_string(fields, "outcome", status_name(outcome->status));
    value_set_string(fields, "target", outcome->target);
    value_set_string(fields, "caller-node", self_node);
    if (outcome->node[0] != '\0') value_set_string(fields, "node", outcome->node);
    value_set_integer(fields, "count", outcome->count);
    value_set_string(fields, "first-request", outcome->request_id);
    if (lost > 0) value_set_integer(fields, "others", (int64_t)lost);
    proposal_add_event(proposal, "call.failed", &fields);
}

void call_outcomes_tell(struct call_outcomes *outcomes, struct actor *self, const char *self_node,
                        ask_completion *complete)
{
    if (outcomes->count == 0 || outcomes->asking) return;
    struct proposal proposal = proposal_begin(PB__ORIGIN__ORIGIN_SYSTEM, outcomes->count);
    for (uint32_t i = 0; i < outcomes->count; i++) {
        struct call_outcome *outcome = &outcomes->list[i];
        add_event(&proposal, outcome, self_node, i == 0 ? outcomes->lost : 0);
        outcome->sent = true;
        outcome->sent_count = outcome->count;
        log_warn(self, "call.failed", "outcome=%s target=%s node=%s count=%u first=%s",
                 status_name(outcome->status), outcome->target, outcome->node, outcome->count,
                 outcome->request_id);
    }
    outcomes->asking = true;
    actor_ask_name(self, TO_PROPOSER, &proposal.message, SECONDS(5), complete, NULL);
}

void call_outcomes_told(struct call_outcomes *outcomes, bool written)
{
    CHECK(outcomes->asking);
    outcomes->asking = false;
    uint32_t left = 0;
    for (uint32_t i = 0; i < outcomes->count; i++) {
        struct call_outcome outcome = outcomes->list[i];
        if (written && outcome.sent) outcome.count -= outcome.sent_count;
        outcome.sent = false;
        if (outcome.count > 0) outcomes->list[left++] = outcome;
    }
    outcomes->count = left;
    if (written) outcomes->lost = 0;
}
