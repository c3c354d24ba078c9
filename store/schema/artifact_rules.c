/* artifact_rules: see the header. */
#include "store/schema/artifact_rules.h"

#include "runtime/base/mark.h"
#include "runtime/base/text.h"
#include "store/schema/artifact.h"
#include "store/schema/blueprint.h"
#include "store/schema/cluster_space.h"
#include "store/schema/event.h"
#include "store/schema/slice.h"
#include "store/schema/version.h"

#include <stdio.h>
#include <string.h>

static Pb__Origin origin_of(const struct kv_context *context)
{
    return context->command->origin;
}

/* A5, DEP6: what a manager says counts in its own term only. */
static enum status check_term(const struct kv_context *context, struct error *error)
{
    const Pb__Command *command = context->command;
    if (command->origin != PB__ORIGIN__ORIGIN_MANAGER || command->leader_term == context->term)
        return STATUS_OK;
    return error_set(error, STATUS_CONFLICT, "artifacts are kept by the leader of term %llu, not %llu",
                     (unsigned long long)context->term, (unsigned long long)command->leader_term);
}

static enum status check_holders(struct kv_txn *txn, const struct artifact_record *record,
                                 struct error *error)
{
    for (uint32_t i = 0; i < record->holder_count; i++) {
        char key[SLICE_KEY_MAX];
        if (strlen(record->holders[i]) < SLICE_NODE_MAX) {
            (void)snprintf(key, sizeof key, "nodes/%s", record->holders[i]);
            if (kv_txn_get(txn, key) != NULL) continue;
        }
        return error_set(error, STATUS_CONFLICT, "there is no node %.64s to keep it", record->holders[i]);
    }
    return STATUS_OK;
}

/* Released coordinates name one file for ever. */
static enum status check_bytes(const char *artifact, const struct artifact_record *before,
                               const struct artifact_record *record, struct error *error)
{
    if (strcmp(before->sha256, record->sha256) == 0 || version_is_snapshot(artifact)) return STATUS_OK;
    MARK("artifact_rules.release_stays");
    (void)error_set(error, STATUS_CONFLICT,
                    "%s is there with other bytes (sha256 %.16s...); a released version never changes",
                    artifact, before->sha256);
    error_hint(error, "give it a new version, or a -SNAPSHOT one");
    return STATUS_CONFLICT;
}

static enum status check_put(struct kv_txn *txn, const char *artifact, const struct artifact_record *before,
                             const struct artifact_record *record, bool is_new, struct error *error)
{
    enum status status = STATUS_OK;
    if (before != NULL) status = check_bytes(artifact, before, record, error);
    if (status == STATUS_OK) status = check_holders(txn, record, error);
    if (status == STATUS_OK && is_new) status = cluster_space_check(txn, error); /* F2 */
    return status;
}

static enum status put(struct kv_txn *txn, const struct kv_context *context, const Pb__OpPut *put,
                       struct arena *arena, struct error *error)
{
    const char *artifact = NULL;
    struct artifact_record record, stored, *before = NULL;
    enum status status = check_term(context, error);
    if (status != STATUS_OK) return status;
    if (!artifact_key_parse(put->key, &artifact))
        return error_set(error, STATUS_INVALID, "write artifacts/{group}:{artifact}:{version}");
    if (artifact_record_read(arena, put->value.data, put->value.len, &record, error) != STATUS_OK)
        return error_set(error, STATUS_INVALID, "%s: it is no artifact's record", put->key);
    const struct kv_record *there = kv_txn_get(txn, put->key);
    if (there != NULL &&
        artifact_record_read(arena, there->value, there->value_size, &stored, NULL) == STATUS_OK)
        before = &stored;
    bool is_new = before == NULL || strcmp(before->sha256, record.sha256) != 0;
    if (is_new && origin_of(context) == PB__ORIGIN__ORIGIN_MANAGER) /* The keeper only moves copies. */
        return error_set(error, STATUS_CONFLICT, "%s was deleted or replaced meanwhile", artifact);
    status = check_put(txn, artifact, before, &record, is_new, error);
    if (status != STATUS_OK) return status;
    record.timestamp = is_new ? context->stamp_ms : before->timestamp;
    const char *text = artifact_record_write(arena, &record);
    kv_txn_put(txn, put->key, text, strlen(text), "");
    if (is_new)
        event_add_text(txn, context, "artifact.pushed", "artifact", artifact, "sha256", record.sha256, NULL);
    return STATUS_OK;
}

enum status artifact_rules_put(struct kv_txn *txn, const struct kv_context *context,
                               const Pb__OpPut *operation, struct error *error)
{
    struct arena arena = { 0 };
    enum status status = put(txn, context, operation, &arena, error);
    arena_fini(&arena);
    return status;
}

/* --- what is used stays --------------------------------------------------------------------------------- */

struct usage_search {
    const char *artifact;
    char blueprint[BLUEPRINT_NAME_MAX]; /* "" = none uses it. */
};

static bool find_usage(void *context, const struct kv_record *record)
{
    struct usage_search *search = context;
    struct arena arena = { 0 };
    struct blueprint blueprint;
    const char *name = NULL;
    bool used =
        slice_key_blueprint_parse(record->key, &name) &&
        blueprint_read(&arena, name, record->value, record->value_size, &blueprint, NULL) == STATUS_OK &&
        blueprint_find(&blueprint, search->artifact) != NULL;
    if (used) (void)text_copy(search->blueprint, sizeof search->blueprint, name);
    arena_fini(&arena);
    return !used;
}

static enum status check_unused(struct kv_txn *txn, const char *artifact, struct error *error)
{
    struct usage_search search = { .artifact = artifact };
    kv_txn_scan(txn, "blueprints/", find_usage, &search);
    if (search.blueprint[0] == '\0') return STATUS_OK;
    MARK("artifact_rules.is_used");
    (void)error_set(error, STATUS_CONFLICT, "blueprint %s uses %s", search.blueprint, artifact);
    error_hint(error, "delete or change the blueprint first, or say --force");
    return STATUS_CONFLICT;
}

enum status artifact_rules_delete(struct kv_txn *txn, const struct kv_context *context, const char *key,
                                  struct error *error)
{
    const char *artifact = NULL;
    enum status status = check_term(context, error);
    if (status != STATUS_OK) return status;
    if (origin_of(context) == PB__ORIGIN__ORIGIN_NODE)
        return error_set(error, STATUS_DENIED, "artifacts are not a node's to delete");
    bool known = artifact_key_parse(key, &artifact);
    bool forced = origin_of(context) == PB__ORIGIN__ORIGIN_FORCED;
    if (known && !forced) status = check_unused(txn, artifact, error);
    if (status != STATUS_OK) return status;
    if (kv_txn_delete(txn, key) && known)
        event_add_text(txn, context, "artifact.deleted", "artifact", artifact, NULL);
    return STATUS_OK;
}
