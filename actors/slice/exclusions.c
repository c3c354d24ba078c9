/* exclusions: see the header. */
#include "actors/slice/exclusions.h"

#include "actors/slice/proposal.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "wire/json/value.h"
#include "wire/kinds.h"

#include <stdio.h>
#include <string.h>

enum { WRITES_MAX = 32 };
static const int64_t propose_timeout_ns = SECONDS(5);
static const int64_t same_ms = 1000;                             /* The same end, computed at another time. */
static const int64_t until_max_ms = INT64_MAX / MILLISECONDS(2); /* What is forced may say more. */

struct exclusion {
    uint64_t revision;
    int64_t until_ms; /* Unix ms. */
    char why[FAILURES_WHY_SIZE];
};

static void forget(struct exclusions *exclusions, const char *key)
{
    memory_free(tree_remove(&exclusions->stored, key));
}

void exclusions_fini(struct exclusions *exclusions)
{
    char at[SLICE_KEY_MAX];
    const char *key = NULL;
    void *value = NULL;
    while (tree_at_or_after(&exclusions->stored, "", &key, &value)) {
        (void)text_copy(at, sizeof(at), key);
        forget(exclusions, at);
    }
    tree_fini(&exclusions->stored);
}

void exclusions_see(void *context, const Pb__KvEvent *event)
{
    struct exclusions *exclusions = context;
    if (event == NULL) {
        exclusions_fini(exclusions);
        exclusions->stored = (struct tree){ 0 };
        return;
    }
    const Pb__KvRecord *record = event->record;
    forget(exclusions, record->key);
    struct value *object = NULL;
    if (event->deleted ||
        value_parse_json((const char *)record->value.data, record->value.len, &object, NULL) != STATUS_OK)
        return;
    struct exclusion *exclusion = memory_zalloc(sizeof(*exclusion));
    exclusion->revision = record->revision;
    int64_t until_ms = value_get_integer(object, "until", 0);
    if (until_ms < 0) until_ms = 0;
    exclusion->until_ms = until_ms < until_max_ms ? until_ms : until_max_ms;
    (void)text_copy(exclusion->why, sizeof(exclusion->why), value_get_string(object, "reason", ""));
    memory_free(tree_put(&exclusions->stored, record->key, exclusion));
    value_free(&object);
}

void exclusions_restore(const struct exclusions *exclusions, struct failures *failures, int64_t now_ns,
                        int64_t wall_ms)
{
    void *value = NULL;
    for (const char *key = ""; tree_after(&exclusions->stored, key, &key, &value);) {
        const struct exclusion *exclusion = value;
        int64_t left_ms = exclusion->until_ms - wall_ms;
        if (left_ms > 0)
            failures_restore(failures, key + strlen(EXCLUSIONS_PREFIX), now_ns + MILLISECONDS(left_ms),
                             exclusion->why, now_ns);
    }
}

/* --- the leader's word --------------------------------------------------------------------------------- */

static const char *exclusion_text(struct arena *arena, const char *why, int64_t until_ms)
{
    struct value *object = value_new_object();
    value_set_string(object, "reason", why);
    value_set_integer(object, "until", until_ms);
    char *text = value_dump(object);
    const char *kept = arena_strdup(arena, text);
    memory_free(text);
    value_free(&object);
    return kept;
}

static void add_new_ones(struct proposal *proposal, const struct exclusions *exclusions,
                         const struct failures *failures, int64_t now_ns, int64_t wall_ms)
{
    struct failure_view failure;
    for (size_t i = 0; failures_next(failures, &i, &failure);) {
        char key[SLICE_KEY_MAX];
        if (proposal->command->n_success == WRITES_MAX) return;
        (void)snprintf(key, sizeof(key), EXCLUSIONS_PREFIX "%s", failure.place);
        const struct exclusion *stored = tree_get(&exclusions->stored, key);
        int64_t until_ms = wall_ms + (failure.until_ns - now_ns) / MILLISECONDS(1);
        int64_t other_ms = stored == NULL ? 0 : until_ms - stored->until_ms;
        bool same = stored != NULL && other_ms < same_ms && other_ms > -same_ms;
        if (failure.over || same) continue;
        proposal_add_write(proposal, key, stored == NULL ? 0 : stored->revision,
                           exclusion_text(&proposal->message->arena, failure.why, until_ms));
    }
}

static void add_ended_ones(struct proposal *proposal, const struct exclusions *exclusions,
                           const struct failures *failures)
{
    void *value = NULL;
    for (const char *key = ""; tree_after(&exclusions->stored, key, &key, &value);) {
        if (proposal->command->n_success == WRITES_MAX) return;
        if (failures_excludes_place(failures, key + strlen(EXCLUSIONS_PREFIX))) continue;
        proposal_add_write(proposal, key, ((const struct exclusion *)value)->revision, NULL);
    }
}

static void on_kept(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct exclusions *exclusions = context; /* Part of the actor's state: it is there. */
    (void)self, (void)state, (void)result;   /* Refused: the next look proposes what is still to be said. */
    exclusions->asking = false;
}

void exclusions_keep(struct actor *self, struct exclusions *exclusions, const struct failures *failures,
                     uint64_t term)
{
    if (exclusions->asking) return;
    struct proposal proposal = proposal_begin(PB__ORIGIN__ORIGIN_MANAGER, WRITES_MAX);
    proposal.command->leader_term = term;
    add_new_ones(&proposal, exclusions, failures, actor_now_ns(self), actor_wall_ms(self));
    add_ended_ones(&proposal, exclusions, failures);
    if (proposal.command->n_success == 0) {
        message_destroy(&proposal.message);
        return;
    }
    exclusions->asking = true;
    actor_ask_name(self, TO_PROPOSER, &proposal.message, propose_timeout_ns, on_kept, exclusions);
}
