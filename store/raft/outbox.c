/* outbox: see the header. Held messages carry no entries: APPEND is sent by a leader only, whose term is
 * durable (R6). */
#include "store/raft/outbox.h"

#include "runtime/base/check.h"
#include "runtime/base/mark.h"

#include <string.h>

void outbox_begin(struct core *core)
{
    core->outbox.count = 0;
}

const struct core_actions *outbox_end(struct core *core)
{
    struct outbox *outbox = &core->outbox;
    if (core->stop != CORE_RUNNING) {
        outbox->count = 1;
        outbox->items[0] = (struct core_action){ .type = CORE_ACTION_STOP, .stop = core->stop };
    }
    outbox->given = (struct core_actions){ .items = outbox->items, .count = outbox->count };
    return &outbox->given;
}

struct core_action *outbox_add(struct core *core, enum core_action_type type)
{
    struct outbox *outbox = &core->outbox;
    if (outbox->count == CORE_ACTIONS_MAX) {
        core_fail(core, CORE_STOP_BOUND);
        outbox->count--;
    }
    struct core_action *action = &outbox->items[outbox->count++];
    memset(action, 0, sizeof *action);
    action->type = type;
    return action;
}

static bool acknowledges(const struct core_message *message)
{
    return message->type == CORE_APPEND_REPLY && message->granted;
}

static void leave(struct core *core, const struct core_message *message)
{
    bool checked = !MUTANT(core, ACK_BEFORE_SYNC);
    if (MUTANT(core, HELD_OVER_TERM)) checked = false;
    if (checked && acknowledges(message) && message->match > core->persistence.durable) {
        core_fail(core, CORE_STOP_ACKNOWLEDGE);
        return;
    }
    outbox_add(core, CORE_ACTION_SEND)->send = *message;
}

/* An acknowledgement repeated while the same batch is on its way (the leader probes a slow disk). */
static bool joins_last(struct outbox *outbox, const struct core_message *message, uint64_t after)
{
    if (outbox->held_count == 0 || !acknowledges(message)) return false;
    struct core_message *last = &outbox->held[outbox->held_count - 1].message;
    if (outbox->held[outbox->held_count - 1].after != after) return false;
    if (!acknowledges(last) || last->to != message->to) return false;
    if (last->match < message->match) last->match = message->match;
    return true;
}

static void send_after(struct core *core, const struct core_message *message, uint64_t after)
{
    struct outbox *outbox = &core->outbox;
    if (after <= core->persistence.done) {
        leave(core, message);
        return;
    }
    CHECK(message->entry_count == 0);
    if (joins_last(outbox, message, after)) return;
    if (outbox->held_count == HELD_MAX) {
        MARK("raft.too_many_messages_held");
        return;
    }
    outbox->held[outbox->held_count].after = after;
    outbox->held[outbox->held_count].message = *message;
    outbox->held_count++;
}

/* The batch that makes the present term and vote durable. */
static uint64_t hard_batch(const struct core *core)
{
    const struct persistence *persistence = &core->persistence;
    return persistence->hard_dirty ? persistence->issued + 1 : persistence->hard_sequence;
}

static void sign(const struct core *core, struct core_message *message)
{
    message->from = core->options.self;
    if (message->term == 0) message->term = core->hard.term;
}

void outbox_send(struct core *core, struct core_message message)
{
    sign(core, &message);
    bool early = MUTANT(core, VOTE_BEFORE_SYNC) && message.type == CORE_VOTE_REPLY;
    if (early || MUTANT(core, CAMPAIGN_WHILE_WRITING)) {
        leave(core, &message);
        return;
    }
    send_after(core, &message, hard_batch(core));
}

void outbox_acknowledge(struct core *core, struct core_message message)
{
    sign(core, &message);
    uint64_t after = hard_batch(core);
    bool durable = message.match <= core->persistence.durable;
    if (!durable && after < core->persistence.issued) after = core->persistence.issued;
    if (MUTANT(core, ACK_BEFORE_SYNC)) after = 0;
    send_after(core, &message, after);
}

void outbox_reject(struct core *core, uint64_t tag, enum status status)
{
    struct core_reject *reject = &outbox_add(core, CORE_ACTION_REJECT)->reject;
    *reject = (struct core_reject){ .tag = tag, .status = status, .leader = core->leader };
}

/* One sync often completes many batches: of acknowledgements to one leader the last says it all. */
static bool is_superseded(const struct outbox *outbox, uint32_t held, uint64_t done)
{
    if (held + 1 >= outbox->held_count || outbox->held[held + 1].after > done) return false;
    const struct core_message *one = &outbox->held[held].message;
    const struct core_message *next = &outbox->held[held + 1].message;
    return acknowledges(one) && acknowledges(next) && one->to == next->to && one->match <= next->match;
}

void outbox_release(struct core *core)
{
    struct outbox *outbox = &core->outbox;
    uint64_t done = core->persistence.done;
    uint32_t left = 0;
    for (uint32_t i = 0; i < outbox->held_count; i++) {
        if (outbox->held[i].after > done) outbox->held[left++] = outbox->held[i];
        else if (!is_superseded(outbox, i, done)) leave(core, &outbox->held[i].message);
    }
    outbox->held_count = left;
}

void outbox_drop_held(struct core *core)
{
    if (core->outbox.held_count > 0) MARK("raft.held_messages_dropped");
    core->outbox.held_count = 0;
}

void outbox_drop_acknowledgements(struct core *core)
{
    struct outbox *outbox = &core->outbox;
    uint32_t left = 0;
    for (uint32_t i = 0; i < outbox->held_count; i++) {
        if (!acknowledges(&outbox->held[i].message)) outbox->held[left++] = outbox->held[i];
    }
    outbox->held_count = left;
}
