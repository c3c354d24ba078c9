/* watches: a watcher that keeps up is sent each revision as it is applied; one whose mailbox was full is sent
 * what it missed from the history, and told so if that is compacted. */
#include "actors/consensus/watches.h"

#include "actors/consensus/answers.h"
#include "actors/consensus/patience.h"
#include "runtime/base/mark.h"
#include "runtime/base/memory.h"
#include "runtime/base/planted.h"
#include "runtime/base/text.h"
#include "wire/kinds.h"
#include "wire/proto/cluster.pb-c.h"

#include <string.h>

/* Events in an array that grows in the arena of the message they are for. */
struct events {
    struct arena *arena;
    Pb__KvEvent **items;
    size_t count;
    size_t room;
};

static void add_event(struct events *events, Pb__KvEvent *event)
{
    if (events->count == events->room) {
        events->room = events->room == 0 ? 8 : events->room * 2;
        Pb__KvEvent **grown = arena_array(events->arena, events->room, sizeof *grown);
        for (size_t i = 0; i < events->count; i++)
            grown[i] = events->items[i];
        events->items = grown;
    }
    events->items[events->count++] = event;
}

static void add_changes(struct events *events, const char *prefix, uint64_t revision,
                        const struct kv_change *changes, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!text_starts_with(changes[i].key, prefix)) continue;
        add_event(events, answers_event(events->arena, &changes[i], revision));
    }
}

/* --- streams --- */

static void drop_stream(struct watches *watches, uint32_t at)
{
    memory_free(watches->streams[at].prefix);
    watches->stream_count--;
    memmove(&watches->streams[at], &watches->streams[at + 1],
            (watches->stream_count - at) * sizeof watches->streams[0]);
}

void watches_stop(struct actor *self, const struct watches *watches)
{
    for (uint32_t i = 0; i < watches->poll_count; i++) {
        actor_refuse(self, watches->polls[i].request, STATUS_NOT_READY);
    }
}

void watches_fini(struct watches *watches)
{
    while (watches->stream_count > 0)
        drop_stream(watches, watches->stream_count - 1);
    for (uint32_t i = 0; i < watches->poll_count; i++)
        message_destroy(&watches->polls[i].request);
    watches->poll_count = 0;
}

enum sent { SENT, SENT_FULL, SENT_NOBODY };

static enum sent send_changed(struct actor *self, const struct watch *watch, struct message **message)
{
    enum status status = actor_send(self, watch->watcher, message);
    if (status == STATUS_OK) return SENT;
    message_destroy(message);
    return status == STATUS_NOT_FOUND ? SENT_NOBODY : SENT_FULL;
}

static struct message *new_changed(const struct watch *watch, uint64_t revision)
{
    struct message *message = wire_message_create(KIND_STATE_CHANGED);
    Pb__StateChanged *changed = message->body;
    changed->watch_id = watch->id;
    changed->revision = revision;
    return message;
}

/* Asked of each watch for each change, and nearly always in vain: the first character tells of most. */
static inline bool concerns(const struct watch *watch, const struct kv_change *changes, uint32_t count)
{
    char first = watch->prefix[0];
    for (uint32_t i = 0; i < count; i++) {
        if (first != '\0' && changes[i].key[0] != first) continue;
        if (text_starts_with(changes[i].key, watch->prefix)) return true;
    }
    return false;
}

static enum sent send_revision(struct actor *self, struct watch *watch, uint64_t revision,
                               const struct kv_change *changes, uint32_t count)
{
    enum sent sent = SENT;
    if (concerns(watch, changes, count)) {
        struct message *message = new_changed(watch, revision);
        Pb__StateChanged *changed = message->body;
        struct events events = { .arena = &message->arena };
        add_changes(&events, watch->prefix, revision, changes, count);
        changed->events = events.items;
        changed->n_events = events.count;
        sent = send_changed(self, watch, &message);
    }
    if (sent == SENT) watch->next = revision + 1;
    return sent;
}

static bool add_present(void *context, const struct kv_record *record)
{
    struct events *events = context;
    Pb__KvEvent *event = arena_alloc(events->arena, sizeof *event);
    pb__kv_event__init(event);
    event->record = answers_record(events->arena, record);
    add_event(events, event);
    return true;
}

static enum sent send_snapshot(struct actor *self, struct watch *watch, const struct kv *kv)
{
    uint64_t revision = kv_applied(kv).index;
    struct message *message = new_changed(watch, revision);
    struct events events = { .arena = &message->arena };
    struct kv_range range = { .key = watch->prefix, .prefix = true };
    bool more = true;
    while (more) {
        enum status status = kv_scan(kv, &range, add_present, &events, &more, NULL);
        CHECK(status == STATUS_OK); /* The present is never compacted. */
        if (more) range.start_after = events.items[events.count - 1]->record->key;
    }
    Pb__StateChanged *changed = message->body;
    changed->snapshot = true;
    changed->events = events.items;
    changed->n_events = events.count;
    enum sent sent = send_changed(self, watch, &message);
    if (sent == SENT) watch->next = revision + 1;
    return sent;
}

static enum sent send_compacted(struct actor *self, const struct watch *watch, const struct kv *kv)
{
    struct message *message = new_changed(watch, kv_applied(kv).index);
    Pb__StateChanged *changed = message->body;
    changed->ended = true;
    changed->compacted = true;
    return send_changed(self, watch, &message);
}

struct catch_up {
    struct actor *self;
    struct watch *watch;
    enum sent sent;
};

static bool catch_up_revision(void *context, uint64_t revision, const struct kv_change *changes,
                              uint32_t change_count)
{
    struct catch_up *catch_up = context;
    catch_up->sent = send_revision(catch_up->self, catch_up->watch, revision, changes, change_count);
    return catch_up->sent == SENT;
}

/* false: the watch is over. */
static bool catch_up(struct actor *self, struct watch *watch, const struct kv *kv)
{
    enum sent sent = SENT;
    if (watch->next == 0) {
        sent = send_snapshot(self, watch, kv);
    } else {
        struct catch_up context = { .self = self, .watch = watch, .sent = SENT };
        if (!kv_history(kv, watch->next, catch_up_revision, &context)) {
            return send_compacted(self, watch, kv) == SENT_FULL;
        }
        sent = context.sent;
    }
    watch->behind = sent == SENT_FULL;
    return sent != SENT_NOBODY;
}

void watches_remove(struct watches *watches, struct actor_id watcher, uint64_t id)
{
    for (uint32_t i = 0; i < watches->stream_count; i++) {
        const struct watch *watch = &watches->streams[i];
        if (watch->id != id || !actor_id_equal(watch->watcher, watcher)) continue;
        drop_stream(watches, i);
        return;
    }
}

void watches_forget(struct watches *watches, struct actor_id watcher)
{
    for (uint32_t i = watches->stream_count; i > 0; i--) {
        if (actor_id_equal(watches->streams[i - 1].watcher, watcher)) drop_stream(watches, i - 1);
    }
}

bool watches_lag(const struct watches *watches, struct actor_id asker)
{
    bool all = !watches_knows(watches, asker);
    for (uint32_t i = 0; i < watches->stream_count; i++) {
        const struct watch *watch = &watches->streams[i];
        if (watch->behind && (all || actor_id_equal(watch->watcher, asker))) return true;
    }
    return false;
}

bool watches_knows(const struct watches *watches, struct actor_id watcher)
{
    for (uint32_t i = 0; i < watches->stream_count; i++) {
        if (actor_id_equal(watches->streams[i].watcher, watcher)) return true;
    }
    return false;
}

void watches_add(struct actor *self, struct watches *watches, const struct kv *kv,
                 const struct message *request)
{
    const Pb__StateWatch *wish = request->body;
    watches_remove(watches, request->sender, wish->watch_id);
    if (watches->stream_count == WATCHES_MAX) {
        log_error(self, "consensus.watches_full", "at most %d; prefix=%s", WATCHES_MAX, wish->prefix);
        return;
    }
    struct watch *watch = &watches->streams[watches->stream_count++];
    *watch = (struct watch){
        .watcher = request->sender,
        .id = wish->watch_id,
        .prefix = memory_strdup(wish->prefix),
        .next = wish->from_revision,
        .behind = true,
    };
    if (!watches->held && !catch_up(self, watch, kv)) drop_stream(watches, watches->stream_count - 1);
}

void watches_on_applied(struct actor *self, struct watches *watches, uint64_t revision,
                        const struct kv_change *changes, uint32_t change_count)
{
    for (uint32_t i = 0; i < watches->stream_count;) {
        struct watch *watch = &watches->streams[i];
        enum sent sent = SENT;
        bool due = !watch->behind && revision >= watch->next;
        if (due && concerns(watch, changes, change_count))
            sent = send_revision(self, watch, revision, changes, change_count);
        else if (due) watch->next = revision + 1;
        if (sent == SENT_NOBODY) {
            drop_stream(watches, i);
            continue;
        }
        if (sent == SENT_FULL) watch->behind = true;
        i++;
    }
}

/* --- polls --- */

struct collect {
    struct events events;
    const char *prefix;
    size_t limit;
    size_t bytes;
    uint64_t next;
    bool full;          /* Ended before the last revision. */
    uint64_t oversized; /* The next revision, which fits into no answer; 0: none such. */
};

static size_t record_bytes(const struct kv_record *record)
{
    enum { NUMBERS_SIZE = 64 };
    if (record == NULL) return 0;
    return strlen(record->key) + record->value_size + strlen(record->lease) + NUMBERS_SIZE;
}

static size_t changes_bytes(const char *prefix, const struct kv_change *changes, uint32_t count)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!text_starts_with(changes[i].key, prefix)) continue;
        bytes += strlen(changes[i].key) + record_bytes(changes[i].previous) + record_bytes(changes[i].record);
    }
    return bytes;
}

/* A6: no revision is split, so an answer ends before the one that it has no room for. */
static bool collect_revision(void *context, uint64_t revision, const struct kv_change *changes,
                             uint32_t change_count)
{
    struct collect *collect = context;
    size_t bytes = changes_bytes(collect->prefix, changes, change_count);
    if (collect->events.count == 0 && bytes > POLL_REVISION_BYTES_MAX) collect->oversized = revision;
    bool fits = collect->events.count == 0 || collect->bytes + bytes <= POLL_BYTES_MAX;
    collect->full = !fits || collect->oversized != 0;
    if (collect->full) return false;
    if (PLANTED("watches.revision_is_split") && collect->events.count + change_count > collect->limit)
        change_count = (uint32_t)(collect->limit - collect->events.count);
    add_changes(&collect->events, collect->prefix, revision, changes, change_count);
    collect->bytes += bytes;
    collect->next = revision + 1;
    collect->full = collect->events.count >= collect->limit;
    if (PLANTED("watches.gap_after_resume") && collect->full) collect->next++;
    return !collect->full;
}

static void refuse_oversized(struct actor *self, const struct poll *poll, uint64_t revision)
{
    struct error error = { 0 };
    (void)error_set(&error, STATUS_NOT_FOUND, "revision %llu changed more than an answer can carry",
                    (unsigned long long)revision);
    error_hint(&error, "read the keys again (aether kv list), then watch from revision %llu",
               (unsigned long long)revision + 1);
    actor_refuse_error(self, poll->request, &error);
}

static void refuse_compacted(struct actor *self, const struct poll *poll, const struct kv *kv)
{
    struct error error = { 0 };
    (void)error_set(&error, STATUS_NOT_FOUND, "revision %llu is compacted; the history begins at %llu",
                    (unsigned long long)poll->next, (unsigned long long)kv_history_first(kv));
    error_hint(&error,
               "read the keys again (aether kv list), then watch from the revision that this printed");
    actor_refuse_error(self, poll->request, &error);
}

/* true: answered; the request is still the poll's. */
static bool try_answer(struct actor *self, struct poll *poll, const struct kv *kv, bool at_end)
{
    const Pb__KvWatchRequest *request = poll->request->body;
    struct message *message = wire_message_create(KIND_KV_WATCH_REPLY);
    struct collect collect = { .events = { .arena = &message->arena },
                               .prefix = request->prefix,
                               .limit = POLL_EVENTS_DEFAULT,
                               .next = poll->next };
    if (request->has_limit_case == PB__KV_WATCH_REQUEST__HAS_LIMIT_LIMIT && request->limit > 0 &&
        request->limit < POLL_EVENTS_DEFAULT) {
        collect.limit = request->limit;
    }
    if (!kv_history(kv, poll->next, collect_revision, &collect)) {
        MARK("watches.poll_is_compacted");
        message_destroy(&message);
        refuse_compacted(self, poll, kv);
        return true;
    }
    if (collect.oversized != 0) {
        message_destroy(&message);
        refuse_oversized(self, poll, collect.oversized);
        return true;
    }
    uint64_t applied = kv_applied(kv).index;
    /* Not cut off by a bound: all that is applied was looked at. */
    if (!collect.full && collect.next <= applied) collect.next = applied + 1;
    if (PLANTED("watches.bookmark_promises_too_much")) collect.next = applied + 2;
    poll->next = collect.next;
    if (collect.events.count == 0 && !at_end) {
        message_destroy(&message);
        return false;
    }
    Pb__KvWatchReply *reply = message->body;
    reply->events = collect.events.items;
    reply->n_events = collect.events.count;
    reply->next_revision = collect.next;
    actor_reply(self, poll->request, &message);
    return true;
}

void watches_poll(struct actor *self, struct watches *watches, const struct kv *kv,
                  const struct message *request)
{
    const Pb__KvWatchRequest *wish = request->body;
    if (watches->poll_count == POLLS_MAX) {
        actor_refuse(self, request, STATUS_OVERLOADED);
        return;
    }
    int64_t now_ns = actor_now_ns(self);
    struct poll poll = { .next = kv_applied(kv).index + 1, .end_ns = patience_end_ns(request, now_ns) };
    if (wish->has_from_case == PB__KV_WATCH_REQUEST__HAS_FROM_FROM) {
        poll.next = wish->from == 0 ? kv_history_first(kv) : wish->from;
    }
    if (wish->has_wait_case == PB__KV_WATCH_REQUEST__HAS_WAIT_WAIT_MS) {
        int64_t wait_ns = wish->wait_ms < 3600000 ? MILLISECONDS((int64_t)wish->wait_ms) : SECONDS(3600);
        if (now_ns + wait_ns < poll.end_ns) poll.end_ns = now_ns + wait_ns;
    }
    poll.request = actor_keep(self);
    bool answered = !watches->held && try_answer(self, &poll, kv, poll.end_ns <= now_ns);
    if (answered) message_destroy(&poll.request);
    else watches->polls[watches->poll_count++] = poll;
}

static void sweep_polls(struct actor *self, struct watches *watches, const struct kv *kv)
{
    int64_t now_ns = actor_now_ns(self);
    uint32_t left = 0;
    for (uint32_t i = 0; i < watches->poll_count; i++) {
        struct poll *poll = &watches->polls[i];
        if (try_answer(self, poll, kv, now_ns >= poll->end_ns)) message_destroy(&poll->request);
        else watches->polls[left++] = *poll;
    }
    watches->poll_count = left;
}

void watches_sweep(struct actor *self, struct watches *watches, const struct kv *kv)
{
    if (watches->held) return;
    sweep_polls(self, watches, kv);
    for (uint32_t i = 0; i < watches->stream_count;) {
        struct watch *watch = &watches->streams[i];
        if (watch->behind && !catch_up(self, watch, kv)) drop_stream(watches, i);
        else i++;
    }
}

void watches_hold(struct watches *watches, bool held)
{
    watches->held = held;
}

void watches_start_over(struct watches *watches)
{
    for (uint32_t i = 0; i < watches->stream_count; i++) {
        watches->streams[i].next = 0;
        MARK("watches.starts_over");
        watches->streams[i].behind = true;
    }
}

bool watches_need_sweep(const struct watches *watches)
{
    if (watches->poll_count > 0) return true;
    for (uint32_t i = 0; i < watches->stream_count; i++) {
        if (watches->streams[i].behind) return true;
    }
    return false;
}
