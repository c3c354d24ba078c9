/* managed: see the header. */
#include "actors/slice/managed.h"

#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"

#include <stdio.h>
#include <string.h>

enum { KEY_SIZE = ARTIFACT_NAME_MAX + 16 };

/* Whatever ran this long was well: its next failure is a first one. */
static const int64_t well_after_ns = SECONDS(60);

static void write_key(char *key, const char *artifact, uint32_t instance)
{
    (void)snprintf(key, KEY_SIZE, "%s#%u", artifact, instance);
}

struct managed_instance *managed_find(const struct managed *managed, const char *artifact, uint32_t instance)
{
    char key[KEY_SIZE];
    write_key(key, artifact, instance);
    return map_get(&managed->by_key, key);
}

struct managed_instance *managed_find_number(const struct managed *managed, uint64_t number)
{
    return map_get_number(&managed->by_number, number);
}

struct managed_instance *managed_get(struct managed *managed, const char *artifact, uint32_t number)
{
    char key[KEY_SIZE];
    struct managed_instance *instance = managed_find(managed, artifact, number);
    if (instance != NULL) return instance;
    instance = memory_zalloc(sizeof(*instance));
    instance->number = ++managed->number_last;
    instance->key.instance = number;
    bool fits = text_copy(instance->key.artifact, sizeof(instance->key.artifact), artifact);
    CHECK(fits); /* Artifacts of keys are bounded. */
    write_key(key, artifact, number);
    (void)map_put(&managed->by_key, key, instance);
    (void)map_put_number(&managed->by_number, instance->number, instance);
    return instance;
}

static void free_entries(struct managed_instance *instance)
{
    for (uint32_t i = 0; i < instance->entry_count; i++)
        memory_free(instance->entries[i]);
    memory_free(instance->entries);
    instance->entries = NULL;
    instance->entry_count = 0;
}

bool managed_is_over(const struct managed_instance *instance)
{
    if (instance->assigned || instance->proposing || instance->stepping != STEP_NONE) return false;
    return instance->recorded == SLICE_GONE && instance->reality == REALITY_NONE;
}

void managed_remove(struct managed *managed, struct managed_instance *instance)
{
    char key[KEY_SIZE];
    CHECK(!instance->proposing);
    CHECK(instance->stepping == STEP_NONE);
    write_key(key, instance->key.artifact, instance->key.instance);
    (void)map_remove(&managed->by_key, key);
    (void)map_remove_number(&managed->by_number, instance->number);
    free_entries(instance);
    memory_free(instance);
}

struct managed_instance *managed_next(const struct managed *managed, size_t *position)
{
    const char *key = NULL;
    void *instance = NULL;
    return map_next(&managed->by_key, position, &key, &instance) ? instance : NULL;
}

void managed_fini(struct managed *managed)
{
    struct managed_instance *instance = NULL;
    for (size_t i = 0; (instance = managed_next(managed, &i)) != NULL;) {
        free_entries(instance);
        memory_free(instance);
    }
    map_fini(&managed->by_key);
    map_fini(&managed->by_number);
}

void managed_set_entries(struct managed_instance *instance, const struct instance_entry *entries,
                         uint32_t count)
{
    free_entries(instance);
    instance->entries = memory_array(count, sizeof(char *));
    instance->entry_count = count;
    for (uint32_t i = 0; i < count; i++)
        instance->entries[i] = memory_strdup(entries[i].name);
}

void managed_note_failure(struct managed_instance *instance, int64_t now_ns, const struct error *story)
{
    instance->attempt++;
    instance->fatal = slice_lifecycle_is_fatal(story->status);
    instance->resting_ns = now_ns + slice_lifecycle_pause_ns(instance->attempt);
    instance->story = *story;
}

void managed_note_crash(struct managed_instance *instance, int64_t now_ns, const struct error *story)
{
    bool was_well = instance->active_since_ns != 0 && now_ns - instance->active_since_ns >= well_after_ns;
    if (was_well) instance->attempt = 0;
    instance->active_since_ns = 0;
    instance->crashed = true;
    managed_note_failure(instance, now_ns, story);
    instance->fatal = false; /* It did run: the bytes are good. */
}

bool managed_differs_in_config_only(const struct managed_form *form, const struct managed_form *other)
{
    if (strcmp(form->sha256, other->sha256) != 0) return false;
    if (form->inline_isolation != other->inline_isolation || form->exclusive != other->exclusive)
        return false;
    if (form->shared_host != other->shared_host) return false;
    if (form->cpu_millis != other->cpu_millis || form->memory_bytes != other->memory_bytes) return false;
    return form->config_hash != other->config_hash;
}

void managed_settle_adoption(struct managed_instance *instance)
{
    if (instance->adopted_rev == 0 || instance->recorded_rev != instance->adopted_rev) return;
    if (instance->recorded == SLICE_ACTIVE) instance->reality_rev = instance->adopted_rev;
}

struct slice_situation managed_situation(const struct managed_instance *instance, int64_t now_ns,
                                         bool may_begin, bool adoptable)
{
    return (struct slice_situation){
        .assigned = instance->assigned,
        .rev = instance->rev,
        .recorded = instance->recorded,
        .recorded_rev = instance->recorded_rev,
        .reality = instance->reality,
        .reality_rev = instance->reality_rev,
        .stepping = instance->stepping != STEP_NONE,
        .failed = instance->failed,
        .crashed = instance->crashed,
        .exhausted = instance->fatal || instance->attempt >= SLICE_ATTEMPTS_MAX,
        .resting = now_ns < instance->resting_ns,
        .overdue = instance->overdue_ns != 0 && now_ns >= instance->overdue_ns,
        .adoptable = adoptable,
        .adopted = instance->adopted_rev != 0 && instance->adopted_rev == instance->rev,
        .may_begin = may_begin,
    };
}

/* For people: what went wrong, and how often it was started again. */
static struct instance_fact fact_of(struct arena *arena, const struct managed_instance *instance)
{
    struct instance_fact fact = {
        .instance = instance->key.instance,
        .isolation = "",
        .limits = "",
        .restarts = instance->activations > 1 ? instance->activations - 1 : 0,
        .last_error = "",
        .last_error_at = instance->story_ms,
    };
    if (instance->story_ms != 0)
        fact.last_error =
            arena_printf(arena, "%s: %s", status_name(instance->story.status), instance->story.message);
    return fact;
}

void managed_facts(const struct managed *managed, const char *artifact, struct arena *arena,
                   struct instance_facts *out_facts)
{
    const struct managed_instance *instance = NULL;
    struct instance_fact *list = arena_array(arena, managed->by_key.count + 1, sizeof(*list));
    *out_facts = (struct instance_facts){ .facts = list };
    for (size_t i = 0; (instance = managed_next(managed, &i)) != NULL;) {
        if (strcmp(instance->key.artifact, artifact) == 0)
            list[out_facts->count++] = fact_of(arena, instance);
    }
}
