/* outbox: see the header. Held messages carry no entries: APPEND is sent by a leader only, whose term is
 * durable (R6). */
#include "store/raft/outbox.h"

#include "runtime/base/check.h"

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

static void leave(struct core *core, const struct core_message *message)
{
    bool acknowledges = message->type == CORE_APPEND_REPLY && message->granted;
    if (acknowledges && message->match > core->persistence.durable && !MUTANT(core, ACK_BEFORE_SYNC)) {
        core_fail(core, CORE_STOP_ACKNOWLEDGE);
        return;
    }
    outbox_add(core, CORE_ACTION_SEND)->send = *message;
}

static void send_after(struct core *core, const struct core_message *message, uint64_t after)
{
    struct outbox *outbox = &core->outbox;
    if (after <= core->persistence.done) {
        leave(core, message);
        return;
    }
    CHECK(message->entry_count == 0);
    if (outbox->held_count == HELD_MAX) return;
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

void outbox_release(struct core *core)
{
    struct outbox *outbox = &core->outbox;
    uint32_t left = 0;
    for (uint32_t i = 0; i < outbox->held_count; i++) {
        if (outbox->held[i].after <= core->persistence.done) leave(core, &outbox->held[i].message);
        else outbox->held[left++] = outbox->held[i];
    }
    outbox->held_count = left;
}

void outbox_drop_held(struct core *core)
{
    core->outbox.held_count = 0;
}
