/* actor_model: a crowd of actors that do everything the runtime offers, by seed, and watch its promises from
 * inside. The same crowd runs on the stepper and on the pool. Violations are counted, never asserted here: on
 * the pool this is not the main thread. */
#ifndef AETHER_TESTS_SUPPORT_ACTOR_MODEL_H
#define AETHER_TESTS_SUPPORT_ACTOR_MODEL_H

#include "runtime/scheduler.h"
#include "runtime/supervisor.h"

enum {
    MODEL_ACTORS = 12,
    MODEL_MAILBOX = 64,
    MODEL_FAMILIES = 3,
    MODEL_PUPILS = 4,
    MODEL_INTENSITY_MAX = 64
};

/* What every message of the model begins with. The ledger knows of each what became of it (ACT3). */
struct model_tracked {
    struct model *model;
    uint32_t entry;
};

/* Actors under a supervisor that fail, leave and are poisoned; one family for each strategy. */
struct model_pupil_options {
    struct model_family *family;
    uint32_t index;
};
struct model_family {
    struct model *model;
    uint32_t number;
    char label[8];
    struct supervisor_options options;
    struct child_spec specs[MODEL_PUPILS];
    struct model_pupil_options pupils[MODEL_PUPILS];
    uint32_t alive[MODEL_PUPILS]; /* Atomic. */
    /* Each life of pupil 2 is linked to the life of pupil 0 that it finds. Written by their own turns. */
    struct actor_id first_life;
    struct actor_id linked_life; /* Not set: it found none. */
    /* Written by its supervisor's log lines only. */
    int64_t restarted_ms[MODEL_INTENSITY_MAX];
    uint32_t restarts;
    bool escalated;
};

struct model { /* All counts are atomic. */
    struct runtime *runtime;
    struct actor_id ids[MODEL_ACTORS];
    struct model_family families[MODEL_FAMILIES];
    struct question *questions;
    uint8_t *ledger; /* enum ledger_mark of each message. */
    uint32_t ledger_size;
    uint32_t entries;     /* Messages so far. */
    int64_t counted;      /* What the runtime had counted of them when last fed. */
    uint32_t open;        /* Not destroyed yet. */
    uint64_t handled;     /* Handled by the crowd, asks not counted. */
    uint64_t refused;     /* Sends that a full mailbox refused. */
    uint64_t tasks;       /* To families; */
    uint64_t failed;      /* ... their pupils' failures, */
    uint64_t left;        /* ordered ends, */
    uint64_t gave_up;     /* and their supervisors'. */
    uint32_t poisoned[8]; /* How often each poison reached a handler. */
    uint64_t asked;
    uint64_t completed;
    uint64_t timers_armed;
    uint64_t timers_seen;
    uint64_t timers_cancelled;
    uint64_t spawned; /* Short-lived children. */
    uint64_t downs;   /* ... and their ends, as their parents heard of them. */
    uint64_t answers[STATUS_COUNT];
    /* Violations: all must be 0. */
    uint64_t overtaken;       /* ACT1 */
    uint64_t at_once;         /* ACT2 */
    uint64_t twice;           /* ACT5: completed more than once. */
    uint64_t late;            /* ACT5: completed after the deadline + 10 ms (judged on the stepper only). */
    uint64_t over_bound;      /* ACT4 */
    uint64_t handled_twice;   /* ACT3 */
    uint64_t destroyed_twice; /* ACT3 */
    uint64_t poison_thrice;   /* Quarantine: a handler saw a poison a third time. */
    uint64_t alive_twice;     /* Supervision: a child has two lives at once, */
    uint64_t out_of_order;    /* starts while one behind it lives, or stops before it; */
    uint64_t too_often;       /* ACT8: more restarts in 5 s than the intensity allows, */
    uint64_t gave_up_early;   /* or the supervisor gave up though there weren't as many. */
    bool judges_time;
    uint32_t threads; /* Of the pool it runs on, if there are several; set before its start. */
    bool stopping;    /* Set before runtime_stop: from now on everything ends in reverse. */
};

/* For runtime_options: what a model needs of its runtime. log_context: the model. */
uint64_t model_fingerprint(const struct message *message);
void model_log(void *context, const struct log_record *record);

/* Spawns the crowd and throws in `tokens` messages that will cause about `work` messages each. */
void model_start(struct model *model, struct runtime *runtime, uint32_t tokens, uint32_t work);
/* Once it is quiet: forgets the ledger and throws in so much more. Families that gave up begin anew. */
void model_feed(struct model *model, uint32_t tokens, uint32_t work);
bool model_is_quiet(
    const struct model *model); /* All that was sent, asked, armed, spawned has come to its end. */
/* ACT3 of a quiet model: messages that no handler saw, less those that the runtime has counted as dropped,
 * dead letters or quarantined; 0 where each has its one fate. */
int64_t model_unaccounted(const struct model *model);
/* Links of a quiet model (on the stepper) whose one end has failed while the other lives on: must be 0. */
uint32_t model_outlived_links(const struct model *model);
void model_free(struct model *model);
void model_watch_bounds(struct model *model); /* ACT4, from outside. */
uint64_t model_violations(const struct model *model);

/* Between the model's own files. */
void model_track(struct model *model, struct message *message, bool plain);
void model_handled(const struct message *message);
void model_not_sent(const struct message *message); /* Its sender was told: it is his again. */
void model_families_start(struct model *model);     /* Those that don't run. */
/* One of the crowd gives some pupil something to do; `has_deadline`: what it handles caps its asks. */
void model_give_task(struct actor *self, struct model *model, bool has_deadline);
void model_count(uint64_t *count);

#endif
