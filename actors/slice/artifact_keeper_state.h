/* artifact_keeper_state: what the files of the artifact_keeper actor share. artifact_keeper.c has the actor
 * and what it answers, artifact_push.c a push from its first piece to its entry, artifact_heal.c the copies
 * that are lost. */
#ifndef AETHER_ACTORS_SLICE_ARTIFACT_KEEPER_STATE_H
#define AETHER_ACTORS_SLICE_ARTIFACT_KEEPER_STATE_H

#include "actors/slice/artifact_keeper.h"
#include "actors/slice/artifact_view.h"
#include "actors/slice/proposal.h"
#include "wire/follow.h"

enum {
    ARTIFACT_PUSHES_MAX = 48, /* Pieces and waiting pushes at a time. */
    ARTIFACT_HEALS_MAX = 4,
    ARTIFACT_CANDIDATES_MAX = 16,
    FOLLOW_ARTIFACTS = 0,
    FOLLOW_BLUEPRINTS,
    FOLLOW_ALLOCATIONS,
    FOLLOW_RECORDS,
    FOLLOW_NODES,
    FOLLOW_COUNT,
};

struct artifact_keeper;

struct artifact_push;

struct artifact_errand { /* One node that copies for a push. */
    struct artifact_push *push;
    char node[SLICE_NODE_MAX]; /* "" = a free place. */
};

struct artifact_push { /* One request, until it is answered. */
    struct artifact_keeper *keeper;
    struct message *request; /* Kept; NULL: a free place. */
    char holders[ARTIFACT_HOLDERS_MAX][SLICE_NODE_MAX];
    uint32_t holder_count;
    char candidates[ARTIFACT_CANDIDATES_MAX][SLICE_NODE_MAX]; /* Who may still be asked, in order. */
    uint32_t candidate_count;
    uint32_t candidate;
    struct artifact_errand errands[ARTIFACT_COPIES];
    uint32_t asking;    /* Of them, under way. */
    uint64_t revision;  /* Of the entry that was there; 0: none. */
    struct error error; /* Why a node could not keep it. */
};

struct artifact_heal { /* One copy that the leader has made; or, `mends`, that this node makes for itself. */
    bool busy;
    char artifact[COORDINATES_TEXT_MAX];
    char sha256[SHA256_TEXT_SIZE];
    char node[SLICE_NODE_MAX];
};

struct artifact_keeper {
    char node[SLICE_NODE_MAX];
    char records_prefix[SLICE_KEY_MAX];
    int64_t heal_after_ns;
    struct artifact_view view;
    struct follow follows[FOLLOW_COUNT];
    bool leading;
    uint64_t term;
    bool changed;         /* Something was learnt in this turn, */
    bool looks;           /* or it is time to look whether everything is still there. */
    bool pins_asking;     /* The store is told what it must not lose, */
    bool pins_again;      /* and that is old already. */
    uint64_t pins_said;   /* A hash of what it was told last; 0: nothing. */
    struct timer_id tick; /* Set while there is anything to look after. */
    struct artifact_push pushes[ARTIFACT_PUSHES_MAX];
    struct artifact_heal heals[ARTIFACT_HEALS_MAX];
    struct artifact_heal mends[ARTIFACT_HEALS_MAX];
};

bool artifact_keeper_knows_everything(const struct artifact_keeper *keeper);
/* KIND_ARTIFACT_COPY_REQUEST for the bytes of `record`. NULL: nobody could give them. */
struct message *artifact_keeper_copy_request(const struct artifact_keeper *keeper, const char *artifact,
                                             const struct artifact_record *record, const char *taker);

/* --- artifact_push.c --- */
void artifact_push_on_request(struct actor *self, void *state, const struct message *message);
void artifact_push_fini(struct artifact_keeper *keeper);

/* --- artifact_heal.c --- */
/* The leader: artifacts that too few nodes keep. */
void artifact_heal_review(struct actor *self, struct artifact_keeper *keeper);
/* This node: bytes that it should keep and hasn't. */
void artifact_heal_mend(struct actor *self, struct artifact_keeper *keeper, const char *sha256);

#endif
