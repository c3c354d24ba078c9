/* quarantine: messages that make handlers fail. An actor fails by actor_fail; the message that it handles at
 * that moment is the suspect, known by what it says (runtime_options.fingerprint) and whose handler failed.
 * Its asker hears CRASHED, the actor may be started again, and the runtime sends nothing twice; but whoever
 * sends the same again (a client, a retry, another node) makes the handler fail a second time. From then on
 * it is quarantined: the hash is kept until the process ends, and whatever has it is refused INVALID before a
 * handler sees it, and counted. Three in 60 s at one behavior, and to start that actor again is no help: its
 * supervisor fails upward (actor_down.escalates).
 *
 * Not judged: the system lane and answers (the runtime's own, and those of actors that we trust enough to
 * ask); what its handler has kept (it may be gone by then); local messages outside any request (nothing tells
 * two of them apart).
 *
 * Owns   the cases, in order of their first failure. They are looked through only for kinds that have failed.
 * Limits CASES_MAX cases: a new one takes the place of the oldest suspect, or, where all are quarantined, of
 * the oldest of them. */
#include "runtime/machine.h"

#include "runtime/base/hash.h"
#include "runtime/base/memory.h"
#include "runtime/base/planted.h"

#include <stdio.h>
#include <string.h>

enum { CASES_MAX = 256, ESCALATION_COUNT = 3 };
#define ESCALATION_WINDOW_NS SECONDS(60)
#define SUSPICION_NS         SECONDS(3600) /* Failures further apart have causes of their own. */

enum verdict { SUSPECTED, QUARANTINED, ESCALATED };

struct failure {
    const struct behavior *behavior;
    uint32_t kind;
    uint64_t fingerprint;
    int64_t now_ns;
    char origin[QUARANTINE_ORIGIN_MAX];
};

struct entry {
    struct failure last;
    bool kept;        /* Quarantined; else a suspect. */
    uint64_t refused; /* Times that it came again. */
};

struct quarantine {
    pthread_mutex_t lock;
    uint32_t count;
    struct entry entries[CASES_MAX];
};

struct quarantine *quarantine_create(void)
{
    struct quarantine *quarantine = memory_zalloc(sizeof *quarantine);
    CHECK(pthread_mutex_init(&quarantine->lock, NULL) == 0);
    return quarantine;
}

void quarantine_destroy(struct quarantine **quarantine)
{
    struct quarantine *taken = *quarantine;
    *quarantine = NULL;
    (void)pthread_mutex_destroy(&taken->lock);
    memory_free(taken);
}

/* --- what a message says ------------------------------------------------------------------------------ */

/* 0: nothing that could be known again. */
static uint64_t fingerprint_of(const struct actor *actor, const struct message *message)
{
    const struct runtime_options *options = &actor->runtime->options;
    uint64_t says = options->fingerprint == NULL ? 0 : options->fingerprint(message);
    struct request_id request = message->request_id;
    if (says == 0 && (request.high != 0 || request.low != 0)) says = hash64_mix(request.high, request.low);
    if (says == 0) return 0;
    uint64_t hash = hash64_mix(message->kind, says);
    return hash == 0 ? 1 : hash;
}

static void name_origin(char *to, size_t size, const struct message *message)
{
    struct actor_id sender = message->sender;
    if (message->from_node != NULL) (void)snprintf(to, size, "%s", message->from_node);
    else if (actor_id_is_set(sender))
        (void)snprintf(to, size, "actor %u.%u", sender.index, sender.generation);
    else (void)snprintf(to, size, "outside");
}

/* --- the cases, under the lock ------------------------------------------------------------------------ */

static struct entry *find(struct quarantine *quarantine, const struct behavior *behavior,
                          uint64_t fingerprint)
{
    for (uint32_t i = 0; i < quarantine->count; i++) {
        struct entry *entry = &quarantine->entries[i];
        if (entry->last.fingerprint == fingerprint && entry->last.behavior == behavior) return entry;
    }
    return NULL;
}

static void make_room(struct quarantine *quarantine)
{
    if (quarantine->count < CASES_MAX) return;
    uint32_t gone = 0;
    while (gone < CASES_MAX && quarantine->entries[gone].kept) {
        gone++;
    }
    if (gone == CASES_MAX) gone = 0;
    quarantine->count--;
    memmove(&quarantine->entries[gone], &quarantine->entries[gone + 1],
            (quarantine->count - gone) * sizeof quarantine->entries[0]);
}

static uint32_t kept_lately(const struct quarantine *quarantine, const struct failure *failure)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < quarantine->count; i++) {
        const struct entry *entry = &quarantine->entries[i];
        bool lately = failure->now_ns - entry->last.now_ns < ESCALATION_WINDOW_NS;
        if (entry->kept && lately && entry->last.behavior == failure->behavior) count++;
    }
    return count;
}

static enum verdict judge(struct quarantine *quarantine, const struct failure *failure)
{
    struct entry *entry = find(quarantine, failure->behavior, failure->fingerprint);
    if (entry == NULL) {
        make_room(quarantine);
        entry = &quarantine->entries[quarantine->count++];
        *entry = (struct entry){ .last = *failure };
        return SUSPECTED;
    }
    bool again = entry->kept || failure->now_ns - entry->last.now_ns < SUSPICION_NS;
    entry->last = *failure;
    entry->kept = again;
    if (!again) return SUSPECTED;
    return kept_lately(quarantine, failure) >= ESCALATION_COUNT ? ESCALATED : QUARANTINED;
}

/* --- what the turn asks of it ------------------------------------------------------------------------- */

bool quarantine_refuses(struct actor *actor, struct message *message)
{
    struct quarantine *quarantine = actor->runtime->quarantine;
    uint64_t fingerprint = fingerprint_of(actor, message);
    if (fingerprint == 0) return false;
    pthread_mutex_lock(&quarantine->lock);
    struct entry *entry = find(quarantine, actor->behavior, fingerprint);
    bool holds = entry != NULL && entry->kept && !PLANTED("runtime.poison_comes_again");
    if (holds) entry->refused++;
    pthread_mutex_unlock(&quarantine->lock);
    if (!holds) return false;
    struct extras *extras = extras_make(actor);
    __atomic_store_n(&extras->quarantined, extras->quarantined + 1, __ATOMIC_RELAXED);
    struct error error;
    (void)error_set(&error, STATUS_INVALID, "%s has failed twice at a message that said the same",
                    actor->behavior->name);
    send_refusal(actor->runtime, message, &error);
    return true;
}

void quarantine_suspect(struct actor *actor, const struct message *message)
{
    struct runtime *runtime = actor->runtime;
    struct failure failure = { .behavior = actor->behavior,
                               .kind = message->kind,
                               .fingerprint = fingerprint_of(actor, message),
                               .now_ns = scheduler_turn_now_ns(actor) };
    if (failure.fingerprint == 0 || message->lane != LANE_USER) return;
    name_origin(failure.origin, sizeof failure.origin, message);
    /* First: who doesn't see this looks for no entry. */
    __atomic_fetch_or(&runtime->suspect_kinds, UINT64_C(1) << failure.kind % 64, __ATOMIC_RELAXED);
    pthread_mutex_lock(&runtime->quarantine->lock);
    enum verdict verdict = judge(runtime->quarantine, &failure);
    pthread_mutex_unlock(&runtime->quarantine->lock);
    if (verdict == SUSPECTED) return;
    actor->escalates = verdict == ESCALATED;
    log_error(actor, "actor.message_quarantined", "kind=%u hash=%016llx from=%s%s", failure.kind,
              (unsigned long long)failure.fingerprint, failure.origin,
              actor->escalates ? ", too many in a minute: its supervisor gives up" : "");
}

/* --- for people --------------------------------------------------------------------------------------- */

uint32_t quarantine_count(struct quarantine *quarantine)
{
    uint32_t count = 0;
    pthread_mutex_lock(&quarantine->lock);
    for (uint32_t i = 0; i < quarantine->count; i++) {
        count += quarantine->entries[i].kept;
    }
    pthread_mutex_unlock(&quarantine->lock);
    return count;
}

void runtime_visit_quarantine(struct runtime *runtime,
                              void (*visit)(void *context, const struct quarantine_view *view), void *context)
{
    struct quarantine *quarantine = runtime->quarantine;
    pthread_mutex_lock(&quarantine->lock);
    for (uint32_t i = 0; i < quarantine->count; i++) {
        const struct entry *entry = &quarantine->entries[i];
        if (!entry->kept) continue;
        struct quarantine_view view = { .behavior = entry->last.behavior->name,
                                        .kind = entry->last.kind,
                                        .hash = entry->last.fingerprint,
                                        .origin = entry->last.origin,
                                        .refused = entry->refused };
        visit(context, &view);
    }
    pthread_mutex_unlock(&quarantine->lock);
}
