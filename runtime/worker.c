/* worker: see the header. */
#include "runtime/worker.h"
#include "runtime/home.h"

#include "runtime/base/check.h"

#include "runtime/base/memory.h"
#include "runtime/park.h"

#include <stdio.h>

enum {
    BATCH_FIRST = 8, /* Of an actor that nobody has timed yet. */
    SPINS = 500,     /* About WAKE_NS. */
    VOTES_MAX = 6,
    VOTES_NEEDED = 4,
    LOOKS_A_CLOCK = 16,   /* How often one that lingers looks before the clock is read again. */
    TURNS_INSIDE_MAX = 8, /* Before a busy worker's porter looks outside. */
    ROW_MAX = 8,          /* Usual turns between two looks at what comes from elsewhere. */
};
#define WAKE_NS     MICROSECONDS(35)  /* What waking a sleeping core costs, whoever does it. */
#define LINGER_NS   MICROSECONDS(100) /* What two wakes cost: the other's, and the one back that it saves. */
#define CROSSING_NS 250 /* What a message costs more when it, and who gets it, change the core. */

enum park_state {
    PARK_LOOKING,
    PARK_SIGNALLED,
    PARK_ASLEEP,
    PARK_OUTSIDE, /* In the porter's wait. */
};

struct worker {
    _Alignas(64) struct group *group;
    uint32_t index;
    pthread_t thread;
    uint64_t random;
    struct turn turn; /* The one that runs; the next one uses it again. */
    bool is_slow;     /* The actor that runs takes longer than a wake. */
    uint32_t votes;   /* For sharing, by the last spans: up to VOTES_MAX. */
    struct home home;
    struct watch watch;
    uint32_t turns_inside;   /* Since the porter last looked outside. */
    uint32_t wakes_expected; /* How often a waker found us outside: our own count. */
    struct actor *porter;    /* NULL: none. Set by whoever starts it, before it becomes ready. */
    /* Written by others. */
    _Alignas(64) struct actor *given; /* By a sibling that had claimed our bit; linked, oldest first. */
    uint32_t park;                    /* enum park_state. */
    uint32_t wakes_done;              /* How many of these wakers have left the porter's memory. */
    bool is_stopping;                 /* Our own, from when we have heard of it. */
};

struct group {
    _Alignas(64) struct scheduler *scheduler;
    struct worker *workers;
    uint32_t count;
    _Alignas(64) struct actor *inbound; /* Newest first, linked by ready_next. */
    _Alignas(64) uint64_t hungry;       /* A bit for each worker that has nothing to do, */
    uint64_t looking;                   /* for each of these that is awake, */
    uint64_t slow;                      /* and for each that runs a slow actor. */
};

static _Thread_local __attribute__((tls_model("local-exec"))) struct worker *this_worker; /* As send.c. */

bool worker_is_current(void)
{
    return this_worker != NULL;
}

bool worker_is_of(const struct group *group)
{
    return this_worker != NULL && this_worker->group == group;
}

/* --- waking --------------------------------------------------------------------------------------------- */

static void worker_signal(struct worker *worker)
{
    uint32_t before = __atomic_exchange_n(&worker->park, PARK_SIGNALLED, __ATOMIC_SEQ_CST);
    if (before == PARK_ASLEEP) park_wake_one(&worker->park);
    if (before != PARK_OUTSIDE) return;
    const struct actor *porter = worker->porter; /* Stays until wakes_done counts us. */
    porter->behavior->wake(porter->state);
    __atomic_fetch_add(&worker->wakes_done, 1, __ATOMIC_RELEASE);
}

/* A worker that has nothing to do and is the caller's to send for; one that is awake, if there is. NULL:
 * none. */
static struct worker *claim_hungry(struct group *group)
{
    uint64_t hungry = __atomic_load_n(&group->hungry, __ATOMIC_SEQ_CST);
    while (hungry != 0) {
        uint64_t awake = hungry & __atomic_load_n(&group->looking, __ATOMIC_SEQ_CST);
        uint32_t index = (uint32_t)__builtin_ctzll(awake != 0 ? awake : hungry);
        uint64_t bit = UINT64_C(1) << index;
        uint64_t before = __atomic_fetch_and(&group->hungry, ~bit, __ATOMIC_SEQ_CST);
        if ((before & bit) != 0) return &group->workers[index];
        hungry = before & ~bit;
    }
    return NULL;
}

static void wake_one(struct group *group)
{
    struct worker *hungry = claim_hungry(group);
    if (hungry != NULL) worker_signal(hungry);
}

static bool anybody_hungry(const struct group *group)
{
    return __atomic_load_n(&group->hungry, __ATOMIC_RELAXED) != 0;
}

/* Somebody is awake who looks at `inbound` in a moment: between two turns of quick actors, or for want of
 * work. */
static bool anybody_looks_soon(const struct group *group)
{
    uint64_t hungry = __atomic_load_n(&group->hungry, __ATOMIC_SEQ_CST);
    uint64_t slow = __atomic_load_n(&group->slow, __ATOMIC_SEQ_CST);
    uint64_t all = UINT64_MAX >> (WORKERS_MAX - group->count);
    return (all & ~(hungry | slow)) != 0 || __atomic_load_n(&group->looking, __ATOMIC_SEQ_CST) != 0;
}

static void hand_in(struct group *group, struct actor *actor)
{
    struct actor *newest = __atomic_load_n(&group->inbound, __ATOMIC_RELAXED);
    do {
        actor->ready_next = newest;
    } while (!__atomic_compare_exchange_n(&group->inbound, &newest, actor, true, __ATOMIC_SEQ_CST,
                                          __ATOMIC_RELAXED));
    if (!anybody_looks_soon(group)) wake_one(group);
}

void group_ready(struct group *group, struct actor *actor)
{
    struct worker *worker = this_worker;
    if (worker == NULL || worker->group != group || (worker->is_slow && anybody_hungry(group)))
        hand_in(group, actor);
    else home_ready(&worker->home, actor);
}

static void summon(struct worker *worker, enum home_summons why)
{
    (void)__atomic_fetch_or(&worker->home.summons, why, __ATOMIC_SEQ_CST);
}

void group_call(struct group *group, uint32_t index)
{
    summon(&group->workers[index], HOME_CALLED);
}

/* --- giving away ---------------------------------------------------------------------------------------- */

/* The older half of the queue, or the only one there is. */
static void give_half(struct worker *worker)
{
    struct worker *hungry = claim_hungry(worker->group);
    if (hungry == NULL) return;
    struct home *home = &worker->home;
    CHECK(home->queue_first != NULL); /* Who gives has something. */
    struct actor *first = NULL;
    struct actor **link = &first;
    for (uint32_t i = (home->queue_count + 1) / 2; i > 0; i--) {
        struct actor *actor = home_dequeue(home);
        home_leave(home, actor);
        *link = actor;
        link = &actor->ready_next;
    }
    /* Its bit was ours; yet it may be hungry again already, with what another gave it still before it. */
    struct actor *before = __atomic_load_n(&hungry->given, __ATOMIC_RELAXED);
    do {
        *link = before;
    } while (!__atomic_compare_exchange_n(&hungry->given, &before, first, true, __ATOMIC_RELEASE,
                                          __ATOMIC_RELAXED));
    summon(hungry, HOME_GIVEN);
    worker_signal(hungry);
}

/* What waits would wait longer than a wake takes, and its work is more than talk. */
static bool pays_to_share(const struct worker *worker)
{
    int64_t wait_ns = worker->home.queue_count * worker->watch.turn_ns;
    return wait_ns > WAKE_NS && worker->votes >= VOTES_NEEDED && anybody_hungry(worker->group);
}

/* --- finding work --------------------------------------------------------------------------------------- */

static uint32_t reverse(struct actor **newest, struct actor **out_last)
{
    struct actor *oldest = NULL;
    uint32_t count = 0;
    *out_last = *newest;
    for (struct actor *actor = *newest; actor != NULL; count++) {
        struct actor *older = actor->ready_next;
        actor->ready_next = oldest;
        oldest = actor;
        actor = older;
    }
    *newest = oldest;
    return count;
}

MACHINE_APART static void accept_inbound(struct worker *worker)
{
    struct actor *actor = __atomic_exchange_n(&worker->group->inbound, NULL, __ATOMIC_SEQ_CST);
    struct actor *last;
    uint32_t count = reverse(&actor, &last);
    if (count > 0) home_enqueue(&worker->home, actor, last, count);
}

static void accept_given(struct worker *worker)
{
    struct actor *first = __atomic_exchange_n(&worker->given, NULL, __ATOMIC_ACQUIRE);
    while (first != NULL) {
        struct actor *after = first->ready_next;
        home_enqueue(&worker->home, first, first, 1);
        first = after;
    }
}

MACHINE_COLD static void answer(struct worker *worker)
{
    /* Whatever is asked for from here on is asked for again. */
    uint32_t summons = __atomic_exchange_n(&worker->home.summons, 0, __ATOMIC_SEQ_CST);
    if ((summons & HOME_GIVEN) != 0) accept_given(worker);
    if ((summons & HOME_CALLED) != 0) home_answer(&worker->home);
    if ((summons & HOME_STOPPED) != 0) worker->is_stopping = true;
}

static inline struct actor *find_work(struct worker *worker)
{
    if (MACHINE_SELDOM(__atomic_load_n(&worker->group->inbound, __ATOMIC_RELAXED) != NULL))
        accept_inbound(worker);
    if (MACHINE_SELDOM(__atomic_load_n(&worker->home.summons, __ATOMIC_RELAXED) != 0)) answer(worker);
    return home_take(&worker->home);
}

/* --- a worker without work ------------------------------------------------------------------------------ */

static bool is_signalled(const struct worker *worker)
{
    return __atomic_load_n(&worker->park, __ATOMIC_RELAXED) == PARK_SIGNALLED;
}

/* Awake, for about as long as a wake would take; only if no other of the group does. A lone worker has no
 * sibling whose conversation could turn to it: what it waits for is a disk or a network, which take longer.
 */
static struct actor *look_around(struct worker *worker, uint64_t bit)
{
    struct group *group = worker->group;
    struct actor *actor = NULL;
    if (group->count > 1 && __atomic_load_n(&group->looking, __ATOMIC_SEQ_CST) == 0) {
        (void)__atomic_fetch_or(&group->looking, bit, __ATOMIC_SEQ_CST);
        for (uint32_t spin = 0; spin < SPINS && actor == NULL && !is_signalled(worker); spin++) {
            actor = find_work(worker);
            __builtin_ia32_pause();
        }
        (void)__atomic_fetch_and(&group->looking, ~bit, __ATOMIC_SEQ_CST);
    }
    if (actor == NULL) return find_work(worker); /* What came while our bits changed. */
    if (__atomic_load_n(&group->inbound, __ATOMIC_SEQ_CST) != NULL) wake_one(group); /* It relied on us. */
    return actor;
}

/* --- a worker's porter ---------------------------------------------------------------------------------- */

bool group_engage(struct group *group, struct actor *porter)
{
    struct actor *none = NULL;
    return group->count == 1 && __atomic_compare_exchange_n(&group->workers[0].porter, &none, porter, false,
                                                            __ATOMIC_RELEASE, __ATOMIC_RELAXED);
}

void group_dismiss(struct group *group, const struct actor *porter)
{
    struct worker *worker = &group->workers[0];
    if (__atomic_load_n(&worker->porter, __ATOMIC_RELAXED) != porter) return;
    CHECK(this_worker == worker);
    while (__atomic_load_n(&worker->wakes_done, __ATOMIC_ACQUIRE) != worker->wakes_expected) {
        __builtin_ia32_pause(); /* A waker is inside `wake`, which doesn't block. */
    }
    __atomic_store_n(&worker->porter, NULL, __ATOMIC_RELEASE);
}

/* What it brings in is sent in chains, as in a turn; its clock is read after the wait. */
static void look_outside(struct worker *worker, struct actor *porter, int64_t timeout_ns)
{
    struct turn turn = { .random = &worker->random, .home = worker->turn.home };
    worker->turns_inside = 0;
    porter->turn = &turn;
    send_gather(porter);
    porter->behavior->wait(porter, porter->state, timeout_ns);
    send_hand_over();
    porter->turn = NULL;
    bool ends = porter->fail_asked || porter->stop_asked; /* By what it handled: its next turn sees to it. */
    if (ends && mailbox_claim(&porter->mailbox)) home_enqueue(&worker->home, porter, porter, 1);
}

static void sleep_outside(struct worker *worker, struct actor *porter)
{
    uint32_t expected = PARK_LOOKING;
    if (!__atomic_compare_exchange_n(&worker->park, &expected, PARK_OUTSIDE, false, __ATOMIC_SEQ_CST,
                                     __ATOMIC_SEQ_CST))
        return;
    look_outside(worker, porter, -1);
    uint32_t before = __atomic_exchange_n(&worker->park, PARK_LOOKING, __ATOMIC_SEQ_CST);
    if (before == PARK_SIGNALLED) worker->wakes_expected++;
}

static void sleep_inside(struct worker *worker)
{
    uint32_t expected = PARK_LOOKING;
    if (!__atomic_compare_exchange_n(&worker->park, &expected, PARK_ASLEEP, false, __ATOMIC_SEQ_CST,
                                     __ATOMIC_SEQ_CST))
        return;
    while (__atomic_load_n(&worker->park, __ATOMIC_SEQ_CST) == PARK_ASLEEP) {
        park_wait(&worker->park, PARK_ASLEEP, -1);
    }
}

/* Returns when there may be work; perhaps with an actor. */
static struct actor *wait_for_work(struct worker *worker)
{
    struct group *group = worker->group;
    uint64_t bit = UINT64_C(1) << worker->index;
    __atomic_store_n(&worker->park, PARK_LOOKING, __ATOMIC_SEQ_CST);
    (void)__atomic_fetch_or(&group->hungry, bit, __ATOMIC_SEQ_CST);
    struct actor *actor = look_around(worker, bit);
    if (actor == NULL && !worker->is_stopping) {
        struct actor *porter = __atomic_load_n(&worker->porter, __ATOMIC_ACQUIRE);
        if (porter != NULL) sleep_outside(worker, porter);
        else sleep_inside(worker);
    }
    (void)__atomic_fetch_and(&group->hungry, ~bit, __ATOMIC_SEQ_CST);
    return actor;
}

/* --- an actor that lingers ------------------------------------------------------------------------------ */

static bool is_wanted(const struct worker *worker, const struct actor *actor)
{
    return worker->home.next != NULL || worker->home.queue_first != NULL || turn_has_more(actor) ||
           __atomic_load_n(&worker->group->inbound, __ATOMIC_RELAXED) != NULL ||
           __atomic_load_n(&worker->home.summons, __ATOMIC_RELAXED) != 0;
}

/* Between two turns of an actor that is ours: all it has sent is with its receivers. The time is nobody's: no
 * span runs meanwhile. true: what it awaits has come. */
static bool linger(struct worker *worker, const struct actor *actor)
{
    struct scheduler *scheduler = worker->group->scheduler;
    int64_t until_ns = 0, now_ns = 0;
    enum actor_linger answer = LINGER_WAIT;
    for (uint32_t looks = 0; answer == LINGER_WAIT; looks++) {
        bool last = is_wanted(worker, actor) || (looks > 0 && now_ns >= until_ns);
        answer = actor->behavior->linger(actor->state, last);
        if (answer != LINGER_WAIT || last) break;
        if (looks % LOOKS_A_CLOCK != 0) {
            __builtin_ia32_pause();
            continue;
        }
        if (looks == 0) watch_rest(scheduler, &worker->watch);
        now_ns = scheduler->machine->now_ns(scheduler);
        if (looks == 0) until_ns = now_ns + LINGER_NS;
    }
    return answer == LINGER_COME;
}

/* --- turns ---------------------------------------------------------------------------------------------- */

/* Longer than WAKE_NS for a message. */
static bool is_slow(const struct actor *actor)
{
    return actor->batch != 0 && actor->batch < WATCH_TURN_NS / WAKE_NS;
}

/* One with more to do than a turn allows is who others wait for, and who fills up: it has every second turn.
 */
static void put_back(struct home *home, struct actor *actor)
{
    if (actor->user.first != NULL) home_ready(home, actor);
    else home_enqueue(home, actor, actor, 1);
}

static void change_pace(struct worker *worker)
{
    uint64_t bit = UINT64_C(1) << worker->index;
    worker->is_slow = !worker->is_slow;
    if (worker->is_slow) (void)__atomic_fetch_or(&worker->group->slow, bit, __ATOMIC_SEQ_CST);
    else (void)__atomic_fetch_and(&worker->group->slow, ~bit, __ATOMIC_SEQ_CST);
}

/* A slow turn is about to begin: what waits behind it goes to who has nothing to do. */
static void share_before(struct worker *worker)
{
    if (__atomic_load_n(&worker->group->inbound, __ATOMIC_SEQ_CST) != NULL) accept_inbound(worker);
    if (worker->home.queue_count > 0 && anybody_hungry(worker->group)) give_half(worker);
}

/* A span has just been timed. One alone says little: the kernel may have let somebody else run meanwhile. */
MACHINE_APART static void share_after(struct worker *worker)
{
    uint32_t messages = worker->home.sent + worker->watch.span_handled;
    bool talk = worker->watch.span_ns < (int64_t)messages * CROSSING_NS;
    worker->home.sent = 0;
    if (talk && worker->votes > 0) worker->votes--;
    if (!talk && worker->votes < VOTES_MAX) worker->votes++;
    if (pays_to_share(worker)) give_half(worker);
}

/* Before a turn that may take a while: nothing waits for us that others could run. */
MACHINE_COLD static void prepare_turn(struct worker *worker, struct actor *actor)
{
    home_leave(&worker->home, actor);
    home_let_rest(&worker->home);
    if (worker->is_slow != is_slow(actor)) change_pace(worker);
    if (worker->is_slow) share_before(worker);
    worker->turn.home = worker->is_slow ? NULL : &worker->home;
    send_at_home(worker->turn.home);
}

MACHINE_APART static void run_any_turn(struct worker *worker, struct actor *actor)
{
    struct turn *turn = &worker->turn;
    bool ours;
    do {
        turn->has_now = false;
        turn->batch_max = actor->batch == 0 ? BATCH_FIRST : actor->batch;
        if (!watch_knows_quick(actor) || worker->is_slow) prepare_turn(worker, actor);
        ours = turn_run(actor, turn);
        turn->has_come =
            ours && actor->phase == ACTOR_RUNNING && actor->behavior->linger != NULL && linger(worker, actor);
    } while (turn->has_come);
    if (ours && !turn_settle(actor, turn->home)) put_back(&worker->home, actor);
}

/* The actor's turn and, after a usual one, those of who is ready then, a few: what comes from elsewhere waits
 * no longer for them than it would for one turn of somebody slower. Returns how many. */
static inline uint32_t run_turns(struct worker *worker, struct actor *actor)
{
    struct turn *turn = &worker->turn;
    struct home *home = &worker->home;
    uint32_t turns = 0;
    bool usual = !worker->is_slow;
    do {
        turn->has_now = false;
        turns++;
        usual = usual && turn_is_usual(actor);
        if (MACHINE_SELDOM(!usual)) run_any_turn(worker, actor);
        else if (turn_run_usual(actor, turn, &worker->watch) && !turn_settle_usual(actor, home))
            put_back(home, actor);
        if (MACHINE_SELDOM(worker->watch.span == 0)) {
            share_after(worker);
            break;
        }
    } while (usual && turns < ROW_MAX && (actor = home_take(home)) != NULL);
    return turns;
}

/* Nobody is ready. Returns who is now; or NULL: look again. */
MACHINE_APART static struct actor *await_work(struct worker *worker)
{
    struct scheduler *scheduler = worker->group->scheduler;
    if (worker->home.warm_count > 0) {
        home_let_rest(&worker->home);
        return NULL;
    }
    watch_rest(scheduler, &worker->watch);
    struct actor *actor = wait_for_work(worker);
    watch_wake(scheduler, &worker->watch);
    return actor;
}

static void *worker_main(void *context)
{
    struct worker *worker = context;
    this_worker = worker;
    send_at_home(&worker->home);
    watch_wake(worker->group->scheduler, &worker->watch);
    while (!worker->is_stopping) {
        struct actor *actor = find_work(worker);
        if (MACHINE_SELDOM(actor == NULL)) actor = await_work(worker);
        if (MACHINE_SELDOM(actor == NULL)) continue;
        worker->turns_inside += run_turns(worker, actor);
        struct actor *porter = __atomic_load_n(&worker->porter, __ATOMIC_ACQUIRE);
        if (porter != NULL && worker->turns_inside >= TURNS_INSIDE_MAX) look_outside(worker, porter, 0);
    }
    watch_rest(worker->group->scheduler, &worker->watch);
    return NULL;
}

/* --- the group ------------------------------------------------------------------------------------------ */

void worker_thread_start(pthread_t *thread, const char *name, void *(*main)(void *), void *context)
{
    CHECK(pthread_create(thread, NULL, main, context) == 0);
    char cut[16]; /* The kernel's limit. */
    (void)snprintf(cut, sizeof cut, "%s", name);
    (void)pthread_setname_np(*thread, cut);
}

struct group *group_create(const struct group_options *options)
{
    struct group *group = memory_aligned_array(64, 1, sizeof *group);
    group->scheduler = options->scheduler;
    group->count = options->threads > WORKERS_MAX ? WORKERS_MAX : options->threads;
    group->workers = memory_aligned_array(64, group->count, sizeof *group->workers);
    for (uint32_t i = 0; i < group->count; i++) {
        group->workers[i].group = group;
        group->workers[i].index = i;
        group->workers[i].random = random_u64(options->random);
        group->workers[i].home.number = (uint16_t)(options->number * WORKERS_MAX + i + 1);
        group->workers[i].home.kin = (uint8_t)(options->number + 1);
        group->workers[i].turn = (struct turn){ .random = &group->workers[i].random,
                                                .watch = &group->workers[i].watch,
                                                .home = &group->workers[i].home };
        watchdog_add(&options->scheduler->watchdog, &group->workers[i].watch);
    }
    for (uint32_t i = 0; i < group->count; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "%s-%u", options->name, i);
        worker_thread_start(&group->workers[i].thread, name, worker_main, &group->workers[i]);
    }
    return group;
}

void group_stop(struct group *group)
{
    for (uint32_t i = 0; i < group->count; i++) {
        summon(&group->workers[i], HOME_STOPPED);
        worker_signal(&group->workers[i]);
    }
}

void group_destroy(struct group **group)
{
    struct group *taken = *group;
    *group = NULL;
    for (uint32_t i = 0; i < taken->count; i++) {
        (void)pthread_join(taken->workers[i].thread, NULL);
        watchdog_remove(&taken->scheduler->watchdog, &taken->workers[i].watch);
    }
    memory_free(taken->workers);
    memory_free(taken);
}
