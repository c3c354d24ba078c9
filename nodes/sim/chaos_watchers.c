/* chaos_watchers: those who follow keys by long polls (K6): each resumes where it was told to, on this node
 * or another; some stop reading for a while (FLT23). What they were told is judged with the rest of the
 * history. */
#include "nodes/sim/chaos_state.h"

#include "nodes/sim/history.h"
#include "runtime/base/text.h"
#include "wire/kinds.h"
#include "wire/proto/cluster.pb-c.h"

#include <stdio.h>
#include <string.h>

static const int64_t poll_ns = SECONDS(2);

static void follow(struct chaos *chaos, struct chaos_watcher *watcher, uint64_t from)
{
    watcher->from = from;
    watcher->number = history_watch(sim_history(chaos->sim), watcher->prefix, from);
}

/* Some follow all keys, some those of one number. */
void chaos_watchers_init(struct chaos *chaos, struct chance *setup)
{
    chaos->watcher_count = (uint32_t)chance_between(setup, 0, CHAOS_WATCHERS_MAX);
    for (uint32_t i = 0; i < chaos->watcher_count; i++) {
        struct chaos_watcher *watcher = &chaos->watchers[i];
        watcher->chance = chance_of(chaos->seed, STREAM_WATCHER + i);
        watcher->node = (uint32_t)(chance_next(&watcher->chance) % sim_node_count(chaos->sim));
        uint32_t key = (uint32_t)(chance_next(&watcher->chance) % CHAOS_KEYS);
        if (chance_permille(&watcher->chance, 500)) (void)snprintf(watcher->prefix, CHAOS_KEY_MAX, "key");
        else (void)snprintf(watcher->prefix, CHAOS_KEY_MAX, "key%u/", key);
        follow(chaos, watcher, 1);
    }
}

static void poll_node(struct chaos *chaos, struct chaos_watcher *watcher)
{
    struct message *message = wire_message_create(KIND_KV_WATCH_REQUEST);
    Pb__KvWatchRequest *request = message->body;
    request->prefix = wire_string(message, watcher->prefix);
    request->has_from_case = PB__KV_WATCH_REQUEST__HAS_FROM_FROM;
    request->from = watcher->from;
    request->has_wait_case = PB__KV_WATCH_REQUEST__HAS_WAIT_WAIT_MS;
    request->wait_ms = (uint64_t)chance_between(&watcher->chance, 0, 1000);
    if (chance_permille(&watcher->chance, 300)) {
        request->has_limit_case = PB__KV_WATCH_REQUEST__HAS_LIMIT_LIMIT;
        request->limit = (uint32_t)chance_between(&watcher->chance, 1, 3);
    }
    watcher->call = sim_ask(chaos->sim, watcher->node, TO_STATE, &message, poll_ns);
    watcher->busy = true;
}

static uint64_t number_of(const Pb__KvRecord *record)
{
    return record == NULL ? 0 : sim_value_number((const char *)record->value.data, record->value.len);
}

static void hear(struct chaos *chaos, struct chaos_watcher *watcher, const Pb__KvWatchReply *reply)
{
    struct history *history = sim_history(chaos->sim);
    for (size_t i = 0; i < reply->n_events; i++) {
        const Pb__KvEvent *event = reply->events[i];
        uint64_t value = event->deleted ? 0 : number_of(event->record);
        history_watch_event(history, watcher->number, event->record->revision, event->record->key, value,
                            number_of(event->previous));
    }
    history_watch_told(history, watcher->number, reply->next_revision);
    watcher->from = reply->next_revision;
    chaos->result->events += (uint32_t)reply->n_events;
}

static void note_end(struct chaos *chaos, struct chaos_watcher *watcher)
{
    struct sim *sim = chaos->sim;
    watcher->busy = false;
    enum status status = sim_call_status(sim, watcher->call);
    if (status == STATUS_OK) {
        hear(chaos, watcher, sim_call_reply(sim, watcher->call)->body);
    } else if (status == STATUS_NOT_FOUND &&
               strstr(sim_call_error(sim, watcher->call)->message, "is compacted") != NULL) {
        uint64_t committed = sim_committed(sim);
        follow(chaos, watcher, committed + 1); /* It would read the keys again, and go on from there. */
    } else {
        watcher->node = (uint32_t)(chance_next(&watcher->chance) % sim_node_count(sim));
    }
    bool tires = chance_permille(&watcher->chance, 50);
    watcher->next_ns =
        sim_now_ns(sim) + chance_between(&watcher->chance, 0, tires ? SECONDS(5) : MILLISECONDS(50));
}

void chaos_watchers_look(struct chaos *chaos)
{
    for (uint32_t i = 0; i < chaos->watcher_count; i++) {
        struct chaos_watcher *watcher = &chaos->watchers[i];
        if (watcher->busy && sim_has_ended(chaos->sim, watcher->call)) note_end(chaos, watcher);
        if (watcher->busy || sim_now_ns(chaos->sim) < watcher->next_ns) continue;
        if (sim_is_up(chaos->sim, watcher->node)) poll_node(chaos, watcher);
    }
}

/* All is well: each has to hear of everything, on whichever node it is. */
void chaos_watchers_end(struct chaos *chaos)
{
    int64_t end_ns = sim_now_ns(chaos->sim) + SECONDS(5);
    for (uint32_t i = 0; i < chaos->watcher_count && chaos_goes_on(chaos); i++) {
        struct chaos_watcher *watcher = &chaos->watchers[i];
        uint64_t committed = sim_committed(chaos->sim);
        while (watcher->from <= committed && chaos_goes_on(chaos) && sim_now_ns(chaos->sim) < end_ns) {
            if (!watcher->busy) poll_node(chaos, watcher);
            (void)sim_await(chaos->sim, watcher->call, poll_ns * 2);
            note_end(chaos, watcher);
        }
        if (watcher->from > committed) continue;
        sim_fail(chaos->sim, "K6: a watcher of %s is at revision %llu, long after %llu was committed",
                 watcher->prefix, (unsigned long long)watcher->from, (unsigned long long)committed);
    }
}
