/* artifact_view: see the header. */
#include "actors/slice/artifact_view.h"

#include "actors/slice/version_choice.h"
#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- artifacts ------------------------------------------------------------------------------------------ */

static void forget(struct kept_artifact *kept)
{
    if (kept == NULL) return;
    arena_fini(&kept->arena);
    memory_free(kept);
}

static void forget_all(struct artifact_view *view)
{
    const char *name = NULL;
    void *value = NULL;
    while (tree_at_or_after(&view->artifacts, "", &name, &value)) {
        char copy[COORDINATES_TEXT_MAX];
        (void)text_copy(copy, sizeof copy, name);
        forget(tree_remove(&view->artifacts, copy));
    }
}

void artifact_view_fini(struct artifact_view *view)
{
    const char *key = NULL;
    void *value = NULL;
    forget_all(view);
    tree_fini(&view->artifacts);
    for (size_t i = 0; map_next(&view->lost_since, &i, &key, &value);)
        memory_free(value);
    map_fini(&view->lost_since);
    for (size_t i = 0; map_next(&view->running, &i, &key, &value);)
        memory_free(value);
    map_fini(&view->running);
    deployment_view_fini(&view->deployment);
}

void artifact_view_see(void *context, const Pb__KvEvent *event)
{
    struct artifact_view *view = context;
    const char *artifact = NULL;
    if (event == NULL) {
        forget_all(view);
        return;
    }
    const Pb__KvRecord *record = event->record;
    if (!artifact_key_parse(record->key, &artifact)) return;
    forget(tree_remove(&view->artifacts, artifact));
    if (event->deleted) return;
    struct kept_artifact *kept = memory_zalloc(sizeof *kept);
    kept->revision = record->revision;
    (void)text_copy(kept->name, sizeof kept->name, artifact);
    if (artifact_record_read(&kept->arena, record->value.data, record->value.len, &kept->record, NULL) ==
        STATUS_OK)
        (void)tree_put(&view->artifacts, artifact, kept);
    else forget(kept); /* A forced write: as if it were not there. */
}

const struct kept_artifact *artifact_view_find(const struct artifact_view *view, const char *artifact)
{
    return tree_get(&view->artifacts, artifact);
}

const struct kept_artifact *artifact_view_next(const struct artifact_view *view, const char **name)
{
    void *value = NULL;
    return tree_after(&view->artifacts, *name, name, &value) ? value : NULL;
}

const struct kept_artifact *artifact_view_choose(const struct artifact_view *view,
                                                 const struct coordinates *wanted)
{
    char prefix[COORDINATES_TEXT_MAX], best[COORDINATES_VERSION_MAX] = "", exact[2 * COORDINATES_TEXT_MAX];
    struct arena arena = { 0 };
    struct metadata metadata = { .latest = "", .release = "", .timestamp = "", .build = "" };
    const struct kept_artifact *kept = NULL;
    (void)snprintf(prefix, sizeof prefix, "%s:%s:", wanted->group, wanted->artifact);
    if (!version_choice_is_open(wanted->version)) {
        (void)snprintf(exact, sizeof exact, "%s%s", prefix, wanted->version);
        return artifact_view_find(view, exact);
    }
    metadata.versions = arena_array(&arena, view->artifacts.count, sizeof *metadata.versions);
    for (const char *name = prefix; (kept = artifact_view_next(view, &name)) != NULL;) {
        if (!text_starts_with(kept->name, prefix)) break;
        metadata.versions[metadata.version_count++] = kept->name + strlen(prefix);
    }
    version_choice_offer(wanted->version, &metadata, best);
    arena_fini(&arena);
    (void)snprintf(exact, sizeof exact, "%s%s", prefix, best);
    return best[0] == '\0' ? NULL : artifact_view_find(view, exact);
}

/* --- nodes ---------------------------------------------------------------------------------------------- */

static const struct view_node *node_of(const struct artifact_view *view, const char *name)
{
    char key[SLICE_KEY_MAX];
    (void)snprintf(key, sizeof key, "nodes/%s", name);
    return tree_get(&view->deployment.nodes, key);
}

static bool is_lost(const struct view_node *node)
{
    return strcmp(node->node.presence, "LOST") == 0;
}

static bool is_up(const struct view_node *node)
{
    return strcmp(node->node.presence, "UP") == 0;
}

static bool is_member(const struct view_node *node)
{
    return strcmp(node->node.state, "DECOMMISSIONED") != 0;
}

static bool takes_copies(const struct view_node *node)
{
    return is_up(node) && strcmp(node->node.state, "ON_DUTY") == 0;
}

bool artifact_view_is_up(const struct artifact_view *view, const char *node)
{
    const struct view_node *there = node_of(view, node);
    return there != NULL && is_up(there);
}

uint32_t artifact_view_members(const struct artifact_view *view)
{
    uint32_t count = 0;
    const struct view_node *node = NULL;
    for (const char *key = ""; (node = deployment_view_next_node(&view->deployment, &key)) != NULL;)
        count += is_member(node) ? 1 : 0;
    return count;
}

uint32_t artifact_view_copies(const struct artifact_view *view, const struct artifact_record *record)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < record->holder_count; i++) {
        const struct view_node *node = node_of(view, record->holders[i]);
        count += node != NULL && !is_lost(node) ? 1 : 0;
    }
    return count;
}

uint32_t artifact_view_wanted(const struct artifact_view *view, const struct artifact_record *record)
{
    uint32_t able = 0;
    const struct view_node *node = NULL;
    for (const char *key = ""; (node = deployment_view_next_node(&view->deployment, &key)) != NULL;) {
        bool holds = artifact_record_has_holder(record, node->name) && !is_lost(node);
        able += holds || takes_copies(node) ? 1 : 0;
    }
    return able < ARTIFACT_COPIES ? able : ARTIFACT_COPIES;
}

void artifact_view_note_time(struct artifact_view *view, int64_t now_ns)
{
    const struct view_node *node = NULL;
    for (const char *key = ""; (node = deployment_view_next_node(&view->deployment, &key)) != NULL;) {
        int64_t *since = map_get(&view->lost_since, node->name);
        if (!is_lost(node)) {
            memory_free(map_remove(&view->lost_since, node->name));
        } else if (since == NULL) {
            since = memory_alloc(sizeof *since);
            *since = now_ns;
            (void)map_put(&view->lost_since, node->name, since);
        }
    }
}

bool artifact_view_is_gone(const struct artifact_view *view, const char *node, int64_t now_ns,
                           int64_t heal_after_ns)
{
    const struct view_node *there = node_of(view, node);
    if (there == NULL || !is_member(there)) return true;
    const int64_t *since = map_get(&view->lost_since, node);
    return is_lost(there) && since != NULL && now_ns - *since >= heal_after_ns;
}

struct load { /* How much a node keeps already. */
    const char *name;
    uint32_t kept;
};

static uint32_t kept_by(const struct artifact_view *view, const char *node)
{
    uint32_t count = 0;
    const struct kept_artifact *kept = NULL;
    for (const char *name = ""; (kept = artifact_view_next(view, &name)) != NULL;)
        count += artifact_record_has_holder(&kept->record, node) ? 1 : 0;
    return count;
}

static int compare_loads(const void *left, const void *right)
{
    const struct load *a = left, *b = right;
    if (a->kept != b->kept) return a->kept < b->kept ? -1 : 1;
    return strcmp(a->name, b->name);
}

uint32_t artifact_view_candidates(const struct artifact_view *view, const struct artifact_record *record,
                                  const char *names[ARTIFACT_NODES_MAX])
{
    struct load loads[ARTIFACT_NODES_MAX] = { { 0 } };
    uint32_t count = 0;
    const struct view_node *node = NULL;
    for (const char *key = ""; (node = deployment_view_next_node(&view->deployment, &key)) != NULL;) {
        if (!takes_copies(node) || artifact_record_has_holder(record, node->name)) continue;
        if (count < ARTIFACT_NODES_MAX)
            loads[count++] = (struct load){ .name = node->name, .kept = kept_by(view, node->name) };
    }
    if (count > 1) qsort(loads, count, sizeof *loads, compare_loads);
    for (uint32_t i = 0; i < count; i++)
        names[i] = loads[i].name;
    return count;
}

uint32_t artifact_view_sources(const struct artifact_view *view, const struct artifact_record *record,
                               const char *self, bool anywhere, const char *names[ARTIFACT_NODES_MAX])
{
    uint32_t count = 0;
    const struct view_node *node = NULL;
    for (uint32_t i = 0; i < record->holder_count; i++) {
        bool other = strcmp(record->holders[i], self) != 0;
        if (other && artifact_view_is_up(view, record->holders[i])) names[count++] = record->holders[i];
    }
    if (!anywhere) return count;
    for (const char *key = ""; (node = deployment_view_next_node(&view->deployment, &key)) != NULL;) {
        bool asked = strcmp(node->name, self) == 0 || artifact_record_has_holder(record, node->name);
        if (!asked && is_up(node) && count < ARTIFACT_NODES_MAX) names[count++] = node->name;
    }
    return count;
}

/* --- pins ----------------------------------------------------------------------------------------------- */

/* What was allocated here, until its record is gone too: it may still run from these bytes. */
static void note_running(struct artifact_view *view, const char *self)
{
    const struct deployment_view *deployment = &view->deployment;
    const struct view_allocation *allocation = NULL;
    const char *artifact = NULL;
    void *sha256 = NULL;
    for (const char *key = ""; (allocation = deployment_view_next_allocation(deployment, &key)) != NULL;) {
        if (strcmp(allocation->node, self) != 0 || allocation->allocation.instance_count == 0) continue;
        memory_free(
            map_put(&view->running, allocation->artifact, memory_strdup(allocation->allocation.sha256)));
    }
    for (size_t i = 0; map_next(&view->running, &i, &artifact, &sha256);) {
        allocation = deployment_view_allocation(deployment, artifact, self);
        bool wanted = allocation != NULL && allocation->allocation.instance_count > 0;
        if (wanted || deployment_view_record(deployment, self, artifact) != NULL) continue;
        (void)map_remove(&view->running, artifact);
        memory_free(sha256);
    }
}

static int compare_pins(const void *left, const void *right)
{
    const struct artifact_pin *a = left, *b = right;
    int order = strcmp(a->sha256, b->sha256);
    return order != 0 ? order : (int)b->kept - (int)a->kept; /* The kept one first, and that one stays. */
}

uint32_t artifact_view_pins(struct artifact_view *view, const char *self, struct arena *arena,
                            const struct artifact_pin **out_pins)
{
    const struct kept_artifact *kept = NULL;
    const char *artifact = NULL;
    void *sha256 = NULL;
    uint32_t count = 0, once = 0;
    note_running(view, self);
    struct artifact_pin *pins =
        arena_array(arena, view->artifacts.count + view->running.count + 1, sizeof *pins);
    for (const char *name = ""; (kept = artifact_view_next(view, &name)) != NULL;) {
        if (!artifact_record_has_holder(&kept->record, self)) continue;
        (void)text_copy(pins[count].sha256, sizeof pins[count].sha256, kept->record.sha256);
        pins[count++].kept = true;
    }
    for (size_t i = 0; map_next(&view->running, &i, &artifact, &sha256);)
        (void)text_copy(pins[count++].sha256, sizeof pins[0].sha256, sha256);
    if (count > 1) qsort(pins, count, sizeof *pins, compare_pins);
    for (uint32_t i = 0; i < count; i++)
        if (once == 0 || strcmp(pins[once - 1].sha256, pins[i].sha256) != 0) pins[once++] = pins[i];
    *out_pins = pins;
    return once;
}
