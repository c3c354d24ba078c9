/* follow: see the header. */
#include "wire/follow.h"

#include "wire/kinds.h"

static void watch_from(struct actor *self, const struct follow *follow, uint64_t revision)
{
    struct message *message = wire_message_create(KIND_STATE_WATCH);
    Pb__StateWatch *watch = message->body;
    watch->prefix = wire_string(message, follow->prefix);
    watch->from_revision = revision;
    watch->watch_id = follow->watch_id;
    actor_tell_name(self, TO_STATE, &message);
}

void follow_start(struct actor *self, struct follow *follow)
{
    follow->revision = 0;
    follow->has_snapshot = false;
    watch_from(self, follow, 0);
}

bool follow_accept(struct actor *self, struct follow *follow, const struct message *message,
                   follow_visit *visit, void *context)
{
    const Pb__StateChanged *changed = message->body;
    if (changed->watch_id != follow->watch_id) return false;
    if (changed->ended) { /* Compacted: what came between can't be told any more, so all records again. */
        watch_from(self, follow, changed->compacted ? 0 : changed->revision);
        return true;
    }
    if (changed->snapshot) visit(context, NULL);
    follow->has_snapshot |= changed->snapshot;
    for (size_t i = 0; i < changed->n_events; i++)
        visit(context, changed->events[i]);
    if (changed->revision > follow->revision) follow->revision = changed->revision;
    return true;
}
