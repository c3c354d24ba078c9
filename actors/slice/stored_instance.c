/* stored_instance: see the header. */
#include "actors/slice/stored_instance.h"

#include "runtime/base/memory.h"
#include "runtime/base/text.h"

#include <stdio.h>
#include <string.h>

static void key_text(char text[STORED_NAME_MAX], const struct instance_key *key)
{
    snprintf(text, STORED_NAME_MAX, "%s#%u", key->artifact, key->instance);
}

struct stored_instance *stored_instance_find(const struct stored_instances *stored,
                                             const struct instance_key *key)
{
    char text[STORED_NAME_MAX];
    key_text(text, key);
    return map_get(&stored->by_name, text);
}

void stored_instance_forget(struct stored_instances *stored, struct stored_instance *instance)
{
    (void)map_remove(&stored->by_name, instance->name);
    stored->probe_count -= instance->only_probed ? 1 : 0;
    message_destroy(&instance->request);
    arena_fini(&instance->arena);
    memory_free(instance->config);
    memory_free(instance->path);
    memory_free(instance);
}

struct stored_instance *stored_instance_new(struct stored_instances *stored,
                                            const struct instance_load *wanted, bool only_probed)
{
    struct stored_instance *instance = memory_zalloc(sizeof *instance);
    instance->key = wanted->key;
    instance->serial = ++stored->last_serial;
    instance->load = *wanted;
    instance->config = memory_strdup(wanted->config);
    instance->load.config = instance->config;
    instance->only_probed = only_probed;
    stored->probe_count += only_probed ? 1 : 0;
    if (only_probed)
        snprintf(instance->name, sizeof instance->name, "%s?%llu", instance->key.artifact,
                 (unsigned long long)instance->serial);
    else key_text(instance->name, &instance->key);
    (void)map_put(&stored->by_name, instance->name, instance);
    return instance;
}

struct stored_instance *stored_instance_of_actor(const struct stored_instances *stored, struct actor_id id)
{
    size_t at = 0;
    const char *key;
    void *value;
    while (map_next(&stored->by_name, &at, &key, &value)) {
        struct stored_instance *instance = value;
        if (actor_id_equal(instance->actor, id)) return instance;
    }
    return NULL;
}

bool stored_instance_any_shares(const struct stored_instances *stored, struct actor_id host)
{
    size_t at = 0;
    const char *key;
    void *value;
    while (map_next(&stored->by_name, &at, &key, &value)) {
        const struct stored_instance *instance = value;
        if (actor_id_equal(instance->shared, host)) return true;
    }
    return false;
}

static struct instance_fact fact_of(const struct process_port *processes,
                                    const struct stored_instance *instance)
{
    bool loaded = actor_id_is_set(instance->actor) && instance->limits != NULL;
    struct instance_fact fact = {
        .instance = instance->key.instance,
        .isolation = "",
        .limits = "",
        .last_error = "",
    };
    if (!loaded) return fact;
    fact.isolation = instance->load.inline_isolation ? "inline" : "process";
    fact.limits = instance->limits;
    fact.host_pid = instance->host_pid;
    if (processes != NULL && instance->host_pid > 0)
        fact.memory_bytes = processes->resident_bytes(processes->context, instance->host_pid);
    return fact;
}

void stored_instance_facts(const struct stored_instances *stored, const char *artifact,
                           const struct process_port *processes, struct arena *arena,
                           struct instance_facts *out_facts)
{
    struct instance_fact *list = arena_array(arena, stored->by_name.count + 1, sizeof *list);
    size_t at = 0;
    const char *key;
    void *value;
    *out_facts = (struct instance_facts){ .facts = list };
    while (map_next(&stored->by_name, &at, &key, &value)) {
        const struct stored_instance *instance = value;
        if (instance->only_probed || strcmp(instance->key.artifact, artifact) != 0) continue;
        list[out_facts->count++] = fact_of(processes, instance);
    }
}

void stored_instances_fini(struct stored_instances *stored)
{
    size_t at = 0;
    const char *key;
    void *value;
    while (map_next(&stored->by_name, &at, &key, &value))
        stored_instance_forget(stored, value);
    map_fini(&stored->by_name);
}
