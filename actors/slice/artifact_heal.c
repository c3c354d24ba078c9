/* artifact_heal: copies that are lost are made anew. A holder that is no node any more, or LOST for some
 * time, is replaced by the leader: another node copies, and only then the entry names it. A holder whose disk
 * lost its bytes gets them itself from another one: nothing that is agreed on changes. */
#include "actors/slice/artifact_keeper_state.h"

#include "runtime/base/mark.h"
#include "runtime/base/text.h"
#include "wire/kinds.h"
#include "wire/remote.h"

#include <string.h>

static const int64_t COPY_NS = SECONDS(300);
static const int64_t PROPOSE_NS = SECONDS(10);

static struct artifact_heal *free_place(struct artifact_heal heals[ARTIFACT_HEALS_MAX], const char *artifact,
                                        const char *sha256)
{
    struct artifact_heal *place = NULL;
    for (uint32_t i = 0; i < ARTIFACT_HEALS_MAX; i++) {
        if (!heals[i].busy) place = &heals[i];
        else if (strcmp(heals[i].artifact, artifact) == 0 && strcmp(heals[i].sha256, sha256) == 0)
            return NULL;
    }
    return place;
}

static void end_heal(struct artifact_heal *heal)
{
    *heal = (struct artifact_heal){ 0 };
}

/* --- the leader: another node instead ------------------------------------------------------------------- */

static void on_written(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct artifact_heal *heal = context;
    struct error error = { 0 };
    uint64_t revision = 0;
    (void)state;
    if (proposal_outcome(result, &revision, &error) == STATUS_OK)
        log_info(self, "artifact.healed", "%s is kept by node %s now", heal->artifact, heal->node);
    else /* The next look plans again, from what is known by then. */
        log_info(self, "artifact.heal_refused", "%s: %s", heal->artifact, error.message);
    end_heal(heal);
}

/* The holders as they are now, without those that are gone, and with the new one. */
static void write_holders(struct actor *self, struct artifact_keeper *keeper, struct artifact_heal *heal,
                          const struct kept_artifact *kept)
{
    struct proposal proposal = proposal_begin(PB__ORIGIN__ORIGIN_MANAGER, 1);
    struct arena *arena = &proposal.message->arena;
    struct artifact_record record = kept->record;
    char key[ARTIFACT_KEY_MAX];
    const char **holders = arena_array(arena, ARTIFACT_HOLDERS_MAX, sizeof *holders);
    record.holders = holders;
    record.holder_count = 0;
    for (uint32_t i = 0; i < kept->record.holder_count && record.holder_count < ARTIFACT_HOLDERS_MAX - 1;
         i++) {
        const char *holder = kept->record.holders[i];
        if (!artifact_view_is_gone(&keeper->view, holder, actor_now_ns(self), keeper->heal_after_ns))
            holders[record.holder_count++] = holder;
    }
    holders[record.holder_count++] = heal->node;
    proposal.command->leader_term = keeper->term;
    artifact_key(key, kept->name);
    proposal_add_write(&proposal, key, kept->revision, artifact_record_write(arena, &record));
    actor_ask_name(self, TO_PROPOSER, &proposal.message, PROPOSE_NS, on_written, heal);
}

static void on_copied(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct artifact_keeper *keeper = state;
    struct artifact_heal *heal = context;
    const struct kept_artifact *kept = artifact_view_find(&keeper->view, heal->artifact);
    bool same = kept != NULL && strcmp(kept->record.sha256, heal->sha256) == 0 &&
                !artifact_record_has_holder(&kept->record, heal->node);
    if (result->status != STATUS_OK)
        log_warn(self, "artifact.copy_failed", "%s to node %s: %s", heal->artifact, heal->node,
                 result->error->message);
    if (result->status == STATUS_OK && same && keeper->leading) write_holders(self, keeper, heal, kept);
    else end_heal(heal);
}

static void heal_one(struct actor *self, struct artifact_keeper *keeper, const struct kept_artifact *kept)
{
    const char *names[ARTIFACT_NODES_MAX];
    uint32_t left = 0;
    for (uint32_t i = 0; i < kept->record.holder_count; i++)
        left += !artifact_view_is_gone(&keeper->view, kept->record.holders[i], actor_now_ns(self),
                                       keeper->heal_after_ns);
    if (left >= ARTIFACT_COPIES || artifact_view_candidates(&keeper->view, &kept->record, names) == 0) return;
    struct artifact_heal *heal = free_place(keeper->heals, kept->name, kept->record.sha256);
    if (heal == NULL) return;
    struct message *message = artifact_keeper_copy_request(keeper, kept->name, &kept->record, names[0]);
    if (message == NULL) return; /* Nobody who has it is there. */
    MARK("artifact_heal.replaces_a_holder");
    heal->busy = true;
    (void)text_copy(heal->artifact, sizeof heal->artifact, kept->name);
    (void)text_copy(heal->sha256, sizeof heal->sha256, kept->record.sha256);
    (void)text_copy(heal->node, sizeof heal->node, names[0]);
    if (strcmp(heal->node, keeper->node) == 0)
        actor_ask_name(self, TO_ARTIFACT_STORE, &message, COPY_NS, on_copied, heal);
    else wire_ask(self, heal->node, CHANNEL_DATA, &message, COPY_NS, on_copied, heal);
}

void artifact_heal_review(struct actor *self, struct artifact_keeper *keeper)
{
    const struct kept_artifact *kept = NULL;
    if (!keeper->leading) return;
    for (const char *name = ""; (kept = artifact_view_next(&keeper->view, &name)) != NULL;)
        heal_one(self, keeper, kept);
}

/* --- this node: its own copy ---------------------------------------------------------------------------- */

static void on_mended(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct artifact_heal *mend = context;
    (void)state;
    if (result->status == STATUS_OK) log_info(self, "artifact.mended", "%s", mend->artifact);
    else log_warn(self, "artifact.not_mended", "%s: %s", mend->artifact, result->error->message);
    end_heal(mend); /* While it is missing, the next look tries again. */
}

void artifact_heal_mend(struct actor *self, struct artifact_keeper *keeper, const char *sha256)
{
    const struct kept_artifact *kept = NULL;
    for (const char *name = ""; (kept = artifact_view_next(&keeper->view, &name)) != NULL;)
        if (strcmp(kept->record.sha256, sha256) == 0 &&
            artifact_record_has_holder(&kept->record, keeper->node))
            break;
    if (kept == NULL) return; /* Not ours to keep any more. */
    struct artifact_heal *mend = free_place(keeper->mends, kept->name, sha256);
    if (mend == NULL) return;
    struct message *message = artifact_keeper_copy_request(keeper, kept->name, &kept->record, keeper->node);
    if (message == NULL) return;
    MARK("artifact_heal.mends_its_own");
    mend->busy = true;
    (void)text_copy(mend->artifact, sizeof mend->artifact, kept->name);
    (void)text_copy(mend->sha256, sizeof mend->sha256, sha256);
    actor_ask_name(self, TO_ARTIFACT_STORE, &message, COPY_NS, on_mended, mend);
}
