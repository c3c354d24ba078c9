/* machine: what the files of this room share, and nobody outside may include: the actor as the runtime sees
 * it, the runtime, and what a scheduler must be able to do.
 *
 * Who may touch an actor: its mailbox, `generation`, `home` and `kin` any thread, atomically; `free_next`,
 * and what runtime_visit_actors shows, under the runtime's lock; all else only its owner (see mailbox.h),
 * which is at any moment at most one thread. `newer` and `older` are its parent's owner's, from its start
 * until the parent has heard of its end and gives the place back. */
#ifndef AETHER_RUNTIME_MACHINE_H
#define AETHER_RUNTIME_MACHINE_H

#include "runtime/actor.h"
#include "runtime/mailbox.h"
#include "runtime/metrics.h"
#include "runtime/scheduler.h"
#include "runtime/timers.h"
#include "runtime/watch.h"

#include <pthread.h>
#include <stddef.h>
#include <string.h>

/* Beside a message's usual way: kept out of it, so that it stays short. */
#define MACHINE_APART     __attribute__((noinline))
#define MACHINE_COLD      __attribute__((cold, noinline))
#define MACHINE_LIKELY(x) __builtin_expect(!!(x), 1)
#define MACHINE_SELDOM(x) __builtin_expect(!!(x), 0)

/* Kinds that never leave this room, all in the system lane. */
enum {
    KIND_MONITOR = 90,      /* The sender wants our DOWN. */
    KIND_CHILD_ENDED = 91,  /* body: struct actor_id. */
    KIND_ASK_DEADLINE = 92, /* A timer; tag: the ask. */
    KIND_LINK = 93,         /* The sender and we fail together from now on. */
    KIND_UNLINK = 94,       /* ... no more. */
    KIND_LINK_DOWN = 95,    /* body: struct actor_down. One that we are linked to has ended. */
    KIND_DEMONITOR = 96,    /* The sender wants no DOWN of ours. */
    KIND_STOP_LATE = 97,    /* A timer; tag: the child that was asked to stop, packed. */
};

enum message_flag {
    MESSAGE_CREDIT = 1,   /* Holds a credit of the mailbox it is in. */
    MESSAGE_ANSWER = 2,   /* Completes the receiver's ask `ask_id`. */
    MESSAGE_TIMER = 4,    /* `ask_id` is the timer's number. */
    MESSAGE_ANSWERED = 8, /* Its ask has had its answer. */
};

/* A message's lane, flags and ask_depth in one look; 0: of the user lane, and nothing but created. */
static inline uint32_t message_marks(const struct message *message)
{
    uint32_t marks;
    memcpy(&marks, (const char *)message + offsetof(struct message, lane), sizeof marks);
    return marks;
}
_Static_assert(offsetof(struct message, ask_depth) == offsetof(struct message, lane) + 2, "message_marks");

enum actor_phase {
    ACTOR_FREE,     /* Nobody: what arrives is for a predecessor and is refused. */
    ACTOR_STARTING, /* In init. */
    ACTOR_RUNNING,
    ACTOR_ENDING, /* Waits until its children have ended; handles nothing more. */
};

struct message_queue {
    struct message *first;
    struct message *last;
};

struct id_list { /* Of monitors, links or roots. Made when first needed: most actors have none. */
    uint32_t count;
    uint32_t capacity;
    struct actor_id ids[];
};

/* One message's handling: what the functions of actor.h mean by "current". */
struct turn {
    int64_t now_ns; /* Valid if has_now: the clock is read when a turn's first question comes. */
    bool has_now;
    bool is_live;        /* It may block: now_ns is read anew whenever somebody asks. */
    struct watch *watch; /* Of the thread that runs it; NULL: nobody watches (stepper). */
    struct home *home;   /* Where what it wakes may come home; NULL: nowhere. */
    uint64_t *random;    /* State of the stream that actor_random draws from. */
    uint64_t *trace;     /* Not NULL: each message handled is folded into it (stepper). */
    bool has_come;       /* What the actor lingered for: turn_end runs also without a message. */
    uint32_t batch_max;
    uint32_t handled;             /* Messages, so far. */
    struct message *message;      /* Being handled; NULL in init, stop, turn_end, wait. */
    bool kept;                    /* The handler took it. */
    struct request_id request_id; /* For messages created from here on. */
    int64_t deadline_ns;          /* Of the work at hand; 0 = none. */
    uint16_t ask_depth;           /* Of the work at hand; 0: nobody waits for it. */
    bool has_work;                /* One of the last three may be set. */
};

struct asks;
struct home; /* home.h: where it is told how an actor is at home. */
struct pinned;
enum { ROW_HINTS = 8 };

/* What few actors have, made when the first of it is needed (extras.c), gone with the actor. Written by the
 * owner; others read it only under the runtime's lock, where it ends. */
struct extras {
    struct asks *asks;
    struct message *kept_asks;
    struct id_list *monitors;
    struct id_list *links;      /* Who fails with us. */
    struct actor *newest_child; /* Head of the list by `older`. */
    char *label;
    struct pinned *pinned; /* Its thread; NULL: runs on a pool. */
    struct error *failure; /* Why it ends; NULL: in order. */
    uint64_t dropped;
    uint32_t quarantined; /* Refused for good. */
    uint32_t restarts;    /* Before this life of it. */
};

/* One place in the runtime's table. Places are reused under a new generation and never move or go away before
 * the runtime does: so a stale id is harmless at any time, and sending needs neither lock nor count. */
struct actor {
    /* Written by others, or seldom. */
    struct mailbox mailbox;
    uint32_t generation;      /* Of the living actor; 0: none. */
    uint16_t home;            /* Number of the worker where it is at home; 0: nowhere. */
    uint8_t kin;              /* Which workers may be that: its pool + 1; 0: none. */
    uint8_t warm_slot;        /* Its place there + 1; 0: it has none. */
    struct actor *ready_next; /* In a run queue. */
    union {
        struct actor *free_next; /* Nobody's place: under the runtime's lock. */
        struct actor *newer;     /* Its next sibling: the parent's owner's, as `older`. */
    };
    struct actor *older;
    struct actor_id parent;
    uint64_t refused; /* Messages refused because the mailbox was full. */
    /* The owner's. */
    _Alignas(64) struct runtime *runtime;
    const struct behavior *behavior;
    void *state;
    struct turn *turn; /* Not NULL exactly while one of its functions runs. */
    struct mailbox_reader reader;
    struct message_queue user;
    struct message_queue system;
    uint64_t handled;
    uint64_t busy_ns;    /* In turns (watch.h). */
    struct actor_id id;  /* Its place, and the newest generation that this has had. */
    uint32_t user_count; /* Length of `user`, of one whose policy is to drop. */
    uint32_t credits_owed;
    uint8_t phase;
    bool stop_asked : 1; /* These six share a byte: */
    bool fail_asked : 1;
    bool has_name : 1;
    bool escalates : 1;       /* It ends by a quarantine too many: it is not to be started again. */
    bool has_mail : 1;        /* At home, and ready because of what is in its mailbox. */
    bool is_among_inline : 1; /* follows_caller: the last worker that sent for it was an inline one. */
    union {
        struct {
            uint8_t batch;     /* Messages in its next turn (pool); 0: nobody has timed it yet. */
            bool usual : 1;    /* It runs, has no turn_end, and nobody has asked for its end. */
            bool straight : 1; /* It dozes, or has nothing but what woke it from that (home.h). */
        };
        uint16_t pace; /* All three in one look (actor_is_usual). */
    };
    uint8_t row_hints[ROW_HINTS]; /* By kind: the row that handled such a message last. */
    uint32_t timers;              /* Head of its list in `struct timers`. */
    struct extras *extras;        /* NULL: it has none. */
};
_Static_assert(sizeof(struct actor) <= 192,
               "issue 3: an idle actor costs at most 256 bytes, its state included");

/* The owner's; others look at it for people only. */
static inline void actor_owe_credits(struct actor *actor, uint32_t credits)
{
    __atomic_store_n(&actor->credits_owed, credits, __ATOMIC_RELAXED);
}

/* Known to be quick, usual, and straight. */
static inline bool actor_is_usual(const struct actor *actor)
{
    enum { USUAL = WATCH_BATCH_MAX | 3 << 8 }; /* x86-64 counts bytes and bits from the low end. */
    return actor->pace == USUAL;
}

enum {
    CELL_BLOCKS = 24,
    CELL_BLOCK_BITS = 6,
    CELL_FIRST_BLOCK = 1 << CELL_BLOCK_BITS
}; /* 64, 128, 256, ... */

/* The machine under a runtime, as far as the stepper makes trouble there (FLT10, FLT11). */
struct stepper_host {
    enum stepper_hold hold;
    struct actor **held; /* Ready ones that may not run, in the order in which they became it. */
    uint32_t held_count;
    uint32_t held_capacity;
    int64_t since_ns;      /* Then, by the stepper's time, */
    int64_t begin_ns;      /* its own clock showed this, */
    int64_t rate_permille; /* and has gone at this rate since. */
    int64_t wall_offset_ms;
};

struct runtime {
    struct scheduler *scheduler;
    struct quarantine *quarantine;
    struct metrics *metrics; /* Under the lock. */
    uint64_t suspect_kinds;  /* Bit (kind % 64) of each whose handler ever failed. Atomic. */
    struct stepper_host host;
    struct runtime_options options;
    char *node;
    uint32_t number;                /* Among the scheduler's runtimes, in order of creation. */
    bool muted;                     /* Crashing (stepper): nothing is sent any more. */
    bool carried;                   /* Messages are on their way for a while (stepper). */
    uint64_t dropped;               /* Messages for actors that were no more. Atomic. */
    uint64_t names[ACTOR_NAME_MAX]; /* Packed actor ids. Atomic. */
    /* By the top bit of a place's index + CELL_FIRST_BLOCK: where the place of sum 0 would be, */
    uintptr_t blocks[CELL_BLOCKS + CELL_BLOCK_BITS];
    void *block_memory[CELL_BLOCKS]; /* and a block's memory, larger so that places are aligned. */
    uint32_t cell_count;             /* Published after the block. Atomic. */
    uint32_t ended;                  /* Counts ended roots: what runtime_stop waits on. Atomic. */
    uint64_t random;                 /* For what is spawned from outside; under the lock. */
    pthread_mutex_t lock;
    struct actor *free_first;
    struct actor *free_last;
    struct id_list *roots;        /* In order of their start. */
    struct runtime_health health; /* Under the lock; `degraded` is told by the time. */
    int64_t degraded_until_ns;
    struct runtime *next_watched; /* The watchdog's. */
};

/* What a scheduler must be able to do; pool.c and stepper.c each have one table. */
struct machine {
    /* The caller owns the actor and gives it away: it has something to do. Any thread. */
    void (*ready)(struct scheduler *scheduler, struct actor *actor);
    /* An actor at home at worker `number` has mail it may not look for. Any thread. NULL: nobody has homes.
     */
    void (*call)(struct scheduler *scheduler, uint16_t number);
    /* Where runtime->carried: takes a message that has its credit, and pushes it now or later. */
    void (*carry)(struct scheduler *scheduler, struct actor *to, struct message *message);
    int64_t (*now_ns)(struct scheduler *scheduler);
    int64_t (*wall_ms)(const struct runtime *runtime);
    uint64_t (*seed)(struct scheduler *scheduler, uint32_t runtime_number);
    void (*attach)(struct scheduler *scheduler, struct runtime *runtime); /* Gives it its number. */
    void (*detach)(struct scheduler *scheduler, struct runtime *runtime);
    /* Gives an owned actor that is not merely pooled its thread, which owns it from then on. NULL: it is as
     * others. */
    void (*pin)(struct scheduler *scheduler, struct actor *actor);
    /* Such an actor ends: returns when no sender is inside its `wake` any more. */
    void (*unpin)(struct scheduler *scheduler, struct actor *actor);
    /* Lets the world turn until runtime->ended differs from `seen` or the time has come. false: time. */
    bool (*await_end)(struct scheduler *scheduler, struct runtime *runtime, uint32_t seen, int64_t until_ns);
    void (*timer_armed)(struct scheduler *scheduler, int64_t due_ns); /* Optional. Under the timers' lock. */
    /* Optional: each runtime has a clock of its own. When, by the scheduler's time, it shows local_ns; and
     * what it shows now. */
    int64_t (*common_ns)(const struct runtime *runtime, int64_t local_ns);
    int64_t (*local_ns)(const struct runtime *runtime);
    void (*destroy)(struct scheduler *scheduler);
};

static inline uint32_t machine_mailbox_capacity(const struct behavior *behavior)
{
    enum { MAILBOX_CAPACITY_DEFAULT = 1024 };
    return behavior->mailbox_capacity == 0 ? MAILBOX_CAPACITY_DEFAULT : behavior->mailbox_capacity;
}

struct scheduler {
    const struct machine *machine;
    struct timers *timers;
    pthread_mutex_t timers_lock;
    struct watchdog watchdog;
    uint32_t runtimes; /* Living ones. */
};

/* scheduler.c */
int64_t scheduler_turn_now_ns(struct actor *actor); /* Time as the actor's current turn sees it. */
void scheduler_init(struct scheduler *scheduler, const struct machine *machine, int64_t now_ns);
void scheduler_fini(struct scheduler *scheduler);
uint64_t scheduler_timer_arm(struct actor *actor, const struct timer *what);
void scheduler_timer_cancel(struct actor *actor, uint64_t id);
void scheduler_timers_cancel_all(struct actor *actor);
bool scheduler_timer_deliver(struct actor *actor, uint64_t id);
/* Sends the message of each timer that is due. Returns how many. */
uint32_t scheduler_fire_timers(struct scheduler *scheduler, int64_t now_ns);
uint32_t scheduler_timers_count(struct scheduler *scheduler);
int64_t scheduler_next_timer_ns(struct scheduler *scheduler);
uint64_t scheduler_random(uint64_t *state); /* splitmix64: one stream per state word. */

/* runtime.c: the table of actors. */
struct actor *runtime_cell(const struct runtime *runtime,
                           struct actor_id id); /* NULL: no such actor (now). */
static inline struct actor *runtime_cell_at(const struct runtime *runtime, uint32_t index)
{
    uint32_t sum = index + CELL_FIRST_BLOCK;
    uintptr_t block = runtime->blocks[31 - (uint32_t)__builtin_clz(sum)];
    return (struct actor *)(block + sum * sizeof(struct actor));
}
bool runtime_holds(const struct runtime *runtime, const struct actor *place); /* Under its lock. */
/* A place of one's own: owned, STARTING, generation published. */
struct actor *runtime_cell_take(struct runtime *runtime, const struct behavior *behavior, const char *label,
                                struct actor_id parent);
void runtime_cell_clear(struct actor *actor); /* Makes it FREE; still owned. */
/* A cleared one is the caller's no more after one of the first two. */
void runtime_cell_give(struct actor *actor);  /* To whoever takes it next. */
void runtime_cell_rest(struct actor *actor);  /* A child's, which its parent still has in its list. */
void runtime_cell_reuse(struct actor *actor); /* The parent has it no more: as if given. Whoever owns it. */
/* "behavior" or "behavior[label]". Under the runtime's lock. */
void runtime_actor_name(const struct runtime *runtime, struct actor_id id, const struct behavior *behavior,
                        char *to, size_t size);
void runtime_root_add(struct runtime *runtime, struct actor_id id);
void runtime_root_ended(struct runtime *runtime, struct actor_id id, const struct error *failure);

/* send.c: messages on their way. */
/* Takes the message if OK. `credit`: it is bounded by the receiver's mailbox. */
MUST_CHECK enum status send_deliver(struct runtime *runtime, struct actor_id to, struct message **message,
                                    bool credit);
/* Between these two, what the thread sends to one actor after another is handed over in chains; after the
 * second all of it has arrived. */
void send_gather(const struct actor *from);
void send_at_home(struct home *home); /* Of the calling thread, until the next such call; or NULL. */
void send_hand_over(void);
void send_gathered(void); /* What has gathered so far arrives now; the turn goes on. */
void send_system(struct runtime *runtime, struct actor_id from, struct actor_id to, struct message **message);
/* The asker gets KIND_REFUSED, if `request` still awaits an answer. */
void send_refusal(struct runtime *runtime, struct message *request, const struct error *error);
void send_refusal_status(struct runtime *runtime, struct message *request, enum status status);
/* `kind`: KIND_DOWN or KIND_LINK_DOWN. `failure` NULL: it ended in order. */
void send_down(struct runtime *runtime, uint32_t kind, struct actor_id ended, struct actor_id to,
               const struct error *failure, bool escalates);
bool send_awaits_answer(const struct message *request);

/* asks.c: what an actor awaits. */
struct ask {
    ask_completion *complete;
    void *context;
    uint64_t timer;
    struct request_id request_id; /* Of the work in which it was asked: restored for its completion. */
    int64_t deadline_ns;
    uint16_t depth;
};
uint64_t asks_add(struct asks **asks, const struct ask *ask); /* Its number, never 0. */
bool asks_take(struct asks *asks, uint64_t id, struct ask *out_ask);
bool asks_take_any(struct asks *asks, struct ask *out_ask); /* In order of the table. */
struct ask *asks_find(struct asks *asks, uint64_t id);
uint32_t asks_count(const struct asks *asks);
void asks_destroy(struct asks **asks);

/* watch.c: a turn on a thread that is watched. */
void watch_begin(const struct turn *turn, const struct actor *actor);
void watch_end(const struct turn *turn, struct actor *actor); /* While the actor is still its owner's. */
void watch_note_time(const struct turn *turn, struct actor *actor, bool quick); /* A span has ended. */
static inline bool watch_knows_quick(const struct actor *actor)
{
    return actor->batch == WATCH_BATCH_MAX;
}
static inline void watch_shows(struct watch *watch, const struct actor *actor)
{
    __atomic_store_n(&watch->actor, actor, __ATOMIC_RELAXED);
}
/* The end of a turn of one that is known to be quick, and still is its owner's. */
static inline void watch_end_quick(struct turn *turn, struct watch *watch, struct actor *actor,
                                   uint32_t handled)
{
    watch_span_add(watch, handled);
    if (MACHINE_LIKELY(watch_span_messages(watch) < WATCH_MESSAGES)) return;
    turn->handled = handled;
    watch_note_time(turn, actor, true);
}
void watch_rest(struct scheduler *scheduler, struct watch *watch); /* The thread runs none any more. */
void watch_wake(struct scheduler *scheduler, struct watch *watch); /* It is about to run one again. */

/* turn.c */
/* Handles what had come when the turn began, at most a batch: what an actor sends itself, and what its
 * messages bring back meanwhile, wait for its next turn, so others come first. false: the actor has ended,
 * and is the caller's no more. */
MUST_CHECK bool turn_run(struct actor *actor, struct turn *turn);
/* The same for most turns, in a third of the time: of a ready actor that is usual and straight (home.h), is
 * known to be quick, and whose first message is plain. `watch` is the turn's. */
bool turn_is_usual(const struct actor *actor);
MUST_CHECK bool turn_run_usual(struct actor *actor, struct turn *turn, struct watch *watch);
/* After it. true: it rests (or dozes at `home`, which may be NULL), and is the caller's no more; false: it
 * has more to do. */
MUST_CHECK bool turn_settle(struct actor *actor, struct home *home);
bool turn_has_more(const struct actor *actor); /* Between the two: it would have something to do. */
void turn_complete_ask(struct actor *actor, const struct ask *ask, struct message *message,
                       const struct error *error);
void turn_refuse_queued(struct actor *actor, enum status status); /* All that is in the mailbox. */
void turn_return_credits(struct actor *actor);
bool turn_borrow_credits(struct actor *actor); /* From its own mailbox, at least one. false: it is full. */
void turn_take_incoming(struct actor *actor);  /* From the mailbox into the actor's own queues. */
bool turn_rest(struct actor *actor); /* true: the caller owns the actor no more. false: it has more to do. */

/* life.c */
enum status life_spawn(struct runtime *runtime, struct actor *parent, const struct behavior *behavior,
                       const struct spawn_options *options, struct actor_id *out_id, struct error *error);
/* Starts an actor's end, with its children's; true: it has ended already and is no longer the caller's. */
bool life_end(struct actor *actor);
/* The runtime's own messages about life; false: it is none of them. *out_ended as of life_end. */
bool life_handles(struct actor *actor, const struct message *message, bool *out_ended);
/* One of them has come too late: tells the sender that the receiver is no more. false: it is none of them. */
bool life_refuses(struct runtime *runtime, struct actor_id gone, const struct message *message);
void life_link(struct actor *actor, struct actor_id to);
void life_unlink(struct actor *actor, struct actor_id to);
void life_crash(struct actor *actor); /* Frees all it has, and sends nothing (stepper). */

/* metrics.c */
struct tally { /* Of one behavior: what its actors left behind when they ended. */
    const char *name;
    uint64_t started;
    uint64_t restarts;
    uint64_t handled;
    uint64_t refused;
    uint64_t dropped;
    uint64_t quarantined;
    uint64_t long_turns;
    uint64_t busy_ns;
    uint64_t alive; /* Added when somebody asks, as the next. */
    uint64_t mailbox;
};
struct metrics *metrics_create(void);
void metrics_destroy(struct metrics **metrics);
/* Under the runtime's lock. Good until the next call. */
struct tally *metrics_tally(struct runtime *runtime, const struct behavior *behavior);
void metrics_fold(struct tally *tally, const struct actor *actor);

/* quarantine.c */
uint32_t quarantine_count(struct quarantine *quarantine); /* Messages that are in it. */
struct quarantine *quarantine_create(void);
void quarantine_destroy(struct quarantine **quarantine);
/* One load and a test: what a message costs while no handler has failed. */
static inline bool quarantine_may_hold(const struct runtime *runtime, const struct message *message)
{
    uint64_t kinds = __atomic_load_n(&runtime->suspect_kinds, __ATOMIC_RELAXED);
    return (kinds >> message->kind % 64 & 1) != 0 && message->lane == LANE_USER;
}
/* true: it has been refused and counted, and reaches no handler. */
bool quarantine_refuses(struct actor *actor, struct message *message);
/* The actor's handler has just failed at it, and left it to the runtime. */
void quarantine_suspect(struct actor *actor, const struct message *message);

/* names.c */
uint64_t names_pack(struct actor_id id); /* In one word, never 0 for an actor. */
struct actor_id names_unpack(uint64_t packed);
void names_set(struct runtime *runtime, uint32_t name, struct actor_id id); /* CHECKs that it is free. */
struct actor_id names_find(const struct runtime *runtime, uint32_t name);
void names_release(struct runtime *runtime, struct actor_id id);

/* extras.c */
/* What it has of them: all zero, if nothing. The owner, or under the runtime's lock. */
static inline const struct extras *extras_of(const struct actor *actor)
{
    static const struct extras none;
    const struct extras *extras = __atomic_load_n(&actor->extras, __ATOMIC_ACQUIRE);
    return extras == NULL ? &none : extras;
}
struct extras *extras_make(struct actor *actor); /* Its own, to be written. The owner only. */
/* The label is freed, too; all else must be gone, or be somebody else's, by then. Under the runtime's lock.
 */
void extras_free(struct actor *actor);

/* id_list.c */
bool id_list_holds(const struct id_list *list, struct actor_id id);
void id_list_add(struct id_list **list, struct actor_id id);
bool id_list_remove(struct id_list *list, struct actor_id id);
uint32_t id_list_count(const struct id_list *list);

#endif
