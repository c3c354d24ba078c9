/* serving: see the header. */
#include "actors/slice/serving.h"

#include "runtime/base/check.h"
#include "runtime/base/memory.h"

#include <stdio.h>
#include <string.h>

enum { KEY_SIZE = ARTIFACT_NAME_MAX + 16 };

static void write_key(char *key, const char *artifact, uint32_t instance)
{
    (void)snprintf(key, KEY_SIZE, "%s#%u", artifact, instance);
}

struct serving_instance *serving_find(const struct serving *serving, const char *artifact, uint32_t instance)
{
    char key[KEY_SIZE];
    write_key(key, artifact, instance);
    return map_get(&serving->by_key, key);
}

struct serving_instance *serving_find_number(const struct serving *serving, uint64_t number)
{
    return map_get_number(&serving->by_number, number);
}

struct serving_entry *serving_entry(const struct serving_instance *instance, const char *name)
{
    for (uint32_t i = 0; i < instance->entry_count; i++) {
        if (strcmp(instance->entries[i].name, name) == 0) return &instance->entries[i];
    }
    return NULL;
}

void serving_add(struct serving *serving, const struct instance_serving *announced)
{
    char key[KEY_SIZE];
    struct serving_instance *before = serving_find(serving, announced->key.artifact, announced->key.instance);
    if (before != NULL) serving_remove(serving, before);
    struct serving_instance *instance = memory_zalloc(sizeof(*instance));
    instance->number = ++serving->number_last;
    serving->changes++;
    instance->key = announced->key;
    instance->actor = announced->actor;
    instance->last = &instance->first;
    instance->entry_count = announced->entry_count;
    instance->entries = memory_array(announced->entry_count, sizeof(*instance->entries));
    for (uint32_t i = 0; i < announced->entry_count; i++) {
        const struct instance_entry *entry = &announced->entries[i];
        uint32_t most = entry->concurrency_max == 0 ? SERVING_CONCURRENCY_DEFAULT : entry->concurrency_max;
        instance->entries[i] = (struct serving_entry){
            .name = memory_strdup(entry->name),
            .deadline_ms = entry->deadline_ms,
            .concurrency_max = most,
            .repeatable = entry->readonly || entry->idempotent,
        };
    }
    write_key(key, announced->key.artifact, announced->key.instance);
    (void)map_put(&serving->by_key, key, instance);
    (void)map_put_number(&serving->by_number, instance->number, instance);
}

void serving_remove(struct serving *serving, struct serving_instance *instance)
{
    char key[KEY_SIZE];
    CHECK(instance->first == NULL);
    serving->changes++;
    write_key(key, instance->key.artifact, instance->key.instance);
    (void)map_remove(&serving->by_key, key);
    (void)map_remove_number(&serving->by_number, instance->number);
    for (uint32_t i = 0; i < instance->entry_count; i++)
        memory_free(instance->entries[i].name);
    memory_free(instance->entries);
    memory_free(instance);
}

void serving_fini(struct serving *serving)
{
    void *instance = NULL;
    const char *key = NULL;
    for (size_t i = 0; map_next(&serving->by_key, &i, &key, &instance);) {
        while (serving_next_waiter(instance, true) != NULL)
            continue;
        serving_remove(serving, instance);
    }
    map_fini(&serving->by_key);
    map_fini(&serving->by_number);
}

bool serving_begin(struct serving_instance *instance, struct serving_entry *entry)
{
    if (entry->in_flight >= entry->concurrency_max) return false;
    entry->in_flight++;
    instance->in_flight++;
    return true;
}

void serving_end(struct serving_instance *instance, struct serving_entry *entry)
{
    CHECK(entry->in_flight > 0);
    CHECK(instance->in_flight > 0);
    entry->in_flight--;
    instance->in_flight--;
}

static uint32_t waiting_of(const struct serving_instance *instance, uint64_t caller)
{
    uint32_t count = 0;
    for (const struct serving_waiter *waiter = instance->first; waiter != NULL; waiter = waiter->next)
        count += waiter->caller == caller ? 1 : 0;
    return count;
}

enum serving_room serving_wait(struct serving_instance *instance, struct serving_entry *entry,
                               struct serving_waiter *waiter, uint64_t caller)
{
    CHECK(!waiter->waits);
    if (instance->waiting == SERVING_WAITING_MAX) return SERVING_FULL;
    if (instance->waiting >= SERVING_CALLER_MAX && waiting_of(instance, caller) >= SERVING_CALLER_MAX)
        return SERVING_SHARE_FULL;
    *waiter = (struct serving_waiter){ .entry = entry, .caller = caller, .waits = true };
    *instance->last = waiter;
    instance->last = &waiter->next;
    instance->waiting++;
    return SERVING_WAITS;
}

static void unlink_waiter(struct serving_instance *instance, struct serving_waiter **link)
{
    struct serving_waiter *waiter = *link;
    *link = waiter->next;
    if (waiter->next == NULL) instance->last = link;
    waiter->next = NULL;
    waiter->waits = false;
    instance->waiting--;
}

void serving_stop_waiting(struct serving_instance *instance, struct serving_waiter *waiter)
{
    struct serving_waiter **link = &instance->first;
    while (*link != NULL && *link != waiter)
        link = &(*link)->next;
    CHECK(*link != NULL);
    unlink_waiter(instance, link);
}

struct serving_waiter *serving_next_waiter(struct serving_instance *instance, bool any)
{
    for (struct serving_waiter **link = &instance->first; *link != NULL; link = &(*link)->next) {
        struct serving_waiter *waiter = *link;
        if (!any && waiter->entry->in_flight >= waiter->entry->concurrency_max) continue;
        unlink_waiter(instance, link);
        return waiter;
    }
    return NULL;
}
