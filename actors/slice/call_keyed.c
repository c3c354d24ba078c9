/* call_keyed: see the header. What is kept: every end but those that surely did not start, and a crash, after
 * which the key may run again. */
#include "actors/slice/call_keyed.h"

#include "actors/slice/call_attempt.h"
#include "actors/slice/call_end.h"
#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "wire/outcome.h"

static const int64_t run_ns = SECONDS(30); /* At least, whatever its first caller's deadline is. */

/* --- joining ------------------------------------------------------------------------------------------- */

static void join(struct actor *self, struct call *call, struct call *run)
{
    call->phase = CALL_JOINED;
    call->run = run;
    call->joined_next = run->joined;
    run->joined = call;
    call_attempt_arm(self, call, call->deadline_ns - actor_now_ns(self));
}

struct call *call_keyed_leave(struct call *call)
{
    struct call *run = call->run;
    struct call **link = &run->joined;
    while (*link != call)
        link = &(*link)->joined_next;
    *link = call->joined_next;
    call->run = NULL;
    return run->joined == NULL ? run : NULL;
}

static struct call *run_create(struct actor *self, struct slice_call *calls, const struct call *call,
                               struct kept_reply *kept)
{
    struct call *run = memory_zalloc(sizeof(*run));
    run->number = kept->run;
    run->source = FROM_KEY;
    run->deadline_named = true; /* Its time is said here. */
    run->depth = call->depth;
    run->payload = bytes_ref(call->payload);
    run->request_id = call->request_id;
    run->began_ns = actor_now_ns(self);
    run->deadline_ns = run->began_ns + run_ns;
    if (call->deadline_ns > run->deadline_ns) run->deadline_ns = call->deadline_ns;
    run->artifact = arena_strdup(&run->arena, call->artifact);
    run->entry = arena_strdup(&run->arena, call->entry);
    run->target = arena_strdup(&run->arena, call->target);
    run->caller = arena_strdup(&run->arena, call->caller);
    run->caller_hash = call->caller_hash;
    run->affinity = run->key = "";
    run->instance = call->instance;
    run->kept = kept;
    (void)map_put_number(&calls->calls, run->number, run);
    return run;
}

static void hear_kept(struct actor *self, struct slice_call *calls, struct call *call,
                      const struct kept_reply *kept)
{
    if (kept->error.status == STATUS_OK) call_end_ok(self, calls, call, kept->payload, 0);
    else call_attempt_failed(self, calls, call, &kept->error);
}

void call_keyed_join(struct actor *self, struct slice_call *calls, struct call *call,
                     struct serving_instance *instance, struct serving_entry *entry)
{
    struct kept_reply *kept = NULL;
    uint64_t number = calls->number_last + 1;
    switch (reply_cache_ask(&calls->replies, call->artifact, call->entry, call->key, call->payload, number,
                            actor_now_ns(self), &kept)) {
    case REPLY_NEW: {
        calls->number_last = number;
        struct call *run = run_create(self, calls, call, kept);
        join(self, call, run);
        call_attempt_queue(self, calls, run, instance, entry); /* May end both. */
        return;
    }
    case REPLY_RUNS: join(self, call, map_get_number(&calls->calls, kept->run)); return;
    case REPLY_KEPT: hear_kept(self, calls, call, kept); return;
    case REPLY_OTHER:
        call_attempt_failed_with(self, calls, call, STATUS_INVALID,
                                 "the idempotency key was used with another payload");
        return;
    case REPLY_FULL:
        call_attempt_failed_with(self, calls, call, STATUS_OVERLOADED,
                                 "%d calls with idempotency keys run for %s", REPLY_CACHE_KEYS_MAX,
                                 call->artifact);
        return;
    }
}

/* --- the end ------------------------------------------------------------------------------------------- */

static bool is_kept(const struct call *run, enum status status)
{
    const struct outcome *outcome = outcome_find(outcome_of(status));
    CHECK(outcome != NULL);
    return run->phase == CALL_ASKED && outcome->retry == RETRY_NEVER;
}

static void settle(struct actor *self, struct slice_call *calls, struct call *run, const struct error *error,
                   struct bytes *payload)
{
    struct kept_reply *kept = run->kept;
    run->kept = NULL;
    if (kept == NULL) return; /* It was withdrawn. */
    if (is_kept(run, error->status))
        reply_cache_keep(&calls->replies, kept, error, payload, actor_now_ns(self));
    else reply_cache_forget(&calls->replies, kept);
}

void call_keyed_end(struct actor *self, struct slice_call *calls, struct call *run, const struct error *error,
                    const struct bytes *payload, uint32_t load)
{
    const struct error fine = { .status = STATUS_OK };
    struct bytes *shared = payload == NULL ? NULL : bytes_ref((struct bytes *)(uintptr_t)payload);
    const struct error ended = error == NULL ? fine : *error; /* It may be the run's own. */
    struct call *call = NULL;
    settle(self, calls, run, &ended, shared);
    while ((call = run->joined) != NULL) {
        (void)call_keyed_leave(call);
        actor_cancel(self, &call->timer);
        if (error == NULL) call_end_ok(self, calls, call, shared, load);
        else call_attempt_failed(self, calls, call, &ended);
    }
    bytes_unref(&shared);
    call_end_silently(self, calls, run);
}

void call_keyed_withdrawn(struct actor *self, struct slice_call *calls, struct call *run)
{
    struct error error;
    CHECK(run->joined == NULL);
    (void)error_set(&error, STATUS_CANCELLED,
                    "whoever used this idempotency key withdrew its call; it may have run");
    settle(self, calls, run, &error, NULL);
}
