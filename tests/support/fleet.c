/* fleet: see the header. */
#include "tests/support/fleet.h"

#include "actors/slice/cluster_deployment_manager.h"
#include "actors/slice/node_deployment_manager.h"
#include "actors/slice/slice_carrier.h"
#include "actors/slice/slice_inspector.h"
#include "actors/slice/slice_log.h"
#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "wire/kinds.h"
#include "wire/proto/slice.pb-c.h"

#include <stdio.h>
#include <string.h>

/* --- the slice store's stand-in: keeps what a real one would have loaded ------------------------------ */

static struct fleet_instance *find_instance(struct fleet_store *store, const struct instance_key *key)
{
    for (uint32_t i = 0; i < store->count; i++) {
        struct fleet_instance *instance = &store->instances[i];
        if (instance->key.instance == key->instance && strcmp(instance->key.artifact, key->artifact) == 0)
            return instance;
    }
    return NULL;
}

static void answer(struct actor *self, const struct message *message, const struct instance_key *key)
{
    static const struct instance_entry entries[] = { { .name = "quote", .id = 1, .readonly = true } };
    struct message *reply = message_create(KIND_INSTANCE_DONE, sizeof(struct instance_done));
    struct instance_done *done = reply->body;
    done->key = *key;
    done->entries = arena_memdup(&reply->arena, entries, sizeof(entries));
    done->entry_count = ARRAY_COUNT(entries);
    done->host_pid = 1;
    actor_reply(self, message, &reply);
}

static void on_load(struct actor *self, struct fleet_store *store, const struct message *message)
{
    const struct instance_load *load = message->body;
    struct error error;
    store->loads++;
    if (find_instance(store, &load->key) != NULL) {
        actor_refuse(self, message, STATUS_CONFLICT);
        return;
    }
    if (store->refuse_load != STATUS_OK && strstr(load->key.artifact, "weak") != NULL) {
        (void)error_set(&error, store->refuse_load, "load refused");
        actor_refuse_error(self, message, &error);
        return;
    }
    CHECK(store->count < ARRAY_COUNT(store->instances));
    struct fleet_instance *instance = &store->instances[store->count++];
    *instance = (struct fleet_instance){ .key = load->key, .state = FLEET_LOADED };
    (void)text_copy(instance->config, sizeof(instance->config), load->config);
    answer(self, message, &load->key);
}

static void on_activate(struct actor *self, struct fleet_store *store, const struct message *message)
{
    const struct instance_step *step = message->body;
    struct fleet_instance *instance = find_instance(store, &step->key);
    struct error error;
    store->activations++;
    if (instance == NULL) {
        actor_refuse(self, message, STATUS_NOT_FOUND);
    } else if (store->refuse_activate != STATUS_OK && strstr(step->key.artifact, "weak") != NULL) {
        instance->state = FLEET_DOWN;
        (void)error_set(&error, store->refuse_activate, "start refused");
        actor_refuse_error(self, message, &error);
    } else {
        instance->state = FLEET_ACTIVE;
        answer(self, message, &step->key);
    }
}

static void on_configure(struct actor *self, struct fleet_store *store, const struct message *message)
{
    const struct instance_configure *configure = message->body;
    struct fleet_instance *instance = find_instance(store, &configure->key);
    struct error error;
    store->configures++;
    CHECK(instance != NULL);
    CHECK(instance->state == FLEET_ACTIVE);
    if (store->refuse_configure != STATUS_OK) {
        (void)error_set(&error, store->refuse_configure, "configuration refused");
        if (store->refuse_configure == STATUS_CRASHED) instance->state = FLEET_DOWN;
        actor_refuse_error(self, message, &error);
        return;
    }
    (void)text_copy(instance->config, sizeof(instance->config), configure->config);
    answer(self, message, &configure->key);
}

static void on_probe(struct actor *self, struct fleet_store *store, const struct message *message)
{
    const struct instance_probe *probe = message->body;
    struct instance_key key = { .instance = 0 };
    struct error error;
    store->probes++;
    CHECK(strlen(probe->sha256) == SHA256_TEXT_SIZE - 1); /* These bytes and no others. */
    if (store->refuse_probe != STATUS_OK && strstr(probe->artifact, "weak") != NULL) {
        (void)error_set(&error, store->refuse_probe, "probe refused");
        actor_refuse_error(self, message, &error);
        return;
    }
    (void)text_copy(key.artifact, sizeof(key.artifact), probe->artifact);
    answer(self, message, &key);
}

static void on_facts(struct actor *self, const struct fleet_store *store, const struct message *message)
{
    const struct instance_ask *ask = message->body;
    struct message *reply = message_create(KIND_INSTANCE_FACTS_DONE, sizeof(struct instance_facts));
    struct instance_facts *facts = reply->body;
    struct instance_fact *list = arena_array(&reply->arena, store->count + 1, sizeof(*list));
    for (uint32_t i = 0; i < store->count; i++) {
        const struct fleet_instance *instance = &store->instances[i];
        if (strcmp(instance->key.artifact, ask->artifact) != 0) continue;
        list[facts->count++] = (struct instance_fact){
            .instance = instance->key.instance,
            .isolation = "process",
            .limits = "rlimits",
            .host_pid = 100 + (int32_t)instance->key.instance,
            .memory_bytes = 4096,
            .last_error = "",
        };
    }
    facts->facts = list;
    actor_reply(self, message, &reply);
}

static void on_store(struct actor *self, void *context, const struct message *message)
{
    struct fleet_store *store = context;
    if (message->kind == KIND_INSTANCE_PROBE) on_probe(self, store, message);
    bool held = (message->kind == KIND_INSTANCE_LOAD && store->fleet->hold_loads) ||
                (message->kind == KIND_INSTANCE_UNLOAD && store->fleet->hold_unloads);
    if (held) {
        CHECK(store->fleet->held_count < ARRAY_COUNT(store->fleet->held));
        store->fleet->held[store->fleet->held_count++] = actor_keep(self);
        return;
    }
    if (message->kind == KIND_INSTANCE_LOAD) on_load(self, store, message);
    if (message->kind == KIND_INSTANCE_ACTIVATE) on_activate(self, store, message);
    if (message->kind == KIND_INSTANCE_CONFIGURE) on_configure(self, store, message);
    if (message->kind == KIND_INSTANCE_FACTS) on_facts(self, store, message);
    if (message->kind != KIND_INSTANCE_DEACTIVATE && message->kind != KIND_INSTANCE_UNLOAD) return;
    const struct instance_step *step = message->body;
    struct fleet_instance *instance = find_instance(store, &step->key);
    if (instance != NULL && message->kind == KIND_INSTANCE_UNLOAD)
        *instance = store->instances[--store->count];
    else if (instance != NULL && instance->state == FLEET_ACTIVE) instance->state = FLEET_LOADED;
    answer(self, message, &step->key);
}

static void end_instance(struct fleet_store *store, struct fleet_instance *instance, enum status reason,
                         const char *text)
{
    struct message *message = message_create(KIND_INSTANCE_DOWN, sizeof(struct instance_down));
    struct instance_down *down = message->body;
    instance->state = FLEET_DOWN;
    down->key = instance->key;
    down->reason = reason;
    down->text = arena_strdup(&message->arena, text);
    struct actor_id to = runtime_find(store->node->runtime, TO_NODE_DEPLOYMENT_MANAGER);
    CHECK((runtime_send(store->node->runtime, to, &message)) == STATUS_OK);
}

void fleet_crash_instance(struct fleet_store *store, struct fleet_instance *instance)
{
    end_instance(store, instance, STATUS_CRASHED, "killed by signal 11 (SIGSEGV)");
}

void fleet_sicken_instance(struct fleet_store *store, struct fleet_instance *instance)
{
    end_instance(store, instance, STATUS_NOT_READY, "unhealthy: health said IO");
}

void fleet_forget_held(struct fleet *fleet)
{
    fleet->hold_loads = false;
    for (uint32_t i = 0; i < fleet->held_count; i++)
        message_destroy(&fleet->held[i]);
    fleet->held_count = 0;
}

uint32_t fleet_store_active(const struct fleet_store *store)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < store->count; i++)
        count += store->instances[i].state == FLEET_ACTIVE ? 1 : 0;
    return count;
}

/* --- the artifact store's: everything there is but "absent"; RELEASE is 2.0 --------------------------- */

static void on_artifacts(struct actor *self, void *context, const struct message *message)
{
    const struct fleet *fleet = context;
    if (message->kind != KIND_ARTIFACT_RESOLVE) return;
    const struct artifact_resolve *resolve = message->body;
    if (strstr(resolve->artifact, "absent") != NULL) {
        struct error error;
        (void)error_set(&error, STATUS_NOT_FOUND, "no repository has it");
        actor_refuse_error(self, message, &error);
        return;
    }
    struct message *reply = message_create(KIND_ARTIFACT_RESOLVED, sizeof(struct artifact_resolved));
    struct artifact_resolved *resolved = reply->body;
    const char *release = strstr(resolve->artifact, ":RELEASE");
    (void)snprintf(resolved->artifact, sizeof(resolved->artifact), "%.*s%s",
                   release == NULL ? (int)strlen(resolve->artifact) : (int)(release - resolve->artifact),
                   resolve->artifact, release == NULL ? "" : ":2.0");
    (void)snprintf(resolved->sha256, sizeof(resolved->sha256), "%064u", 7 + fleet->artifact_bytes);
    actor_reply(self, message, &reply);
}

/* --- the fleet ---------------------------------------------------------------------------------------- */

static void spawn_inspection(struct agreed_node *node)
{
    const struct slice_log_options log = { .node = node->name };
    const struct slice_carrier_options carrier = { .node = node->name };
    const struct slice_inspector_options inspector = { .node = node->name };
    const struct {
        const struct behavior *behavior;
        struct spawn_options spawn;
    } actors[] = {
        { &slice_log_behavior, { .options = &log, .name = TO_SLICE_LOG } },
        { &slice_carrier_behavior, { .options = &carrier, .name = TO_SLICE_CARRIER } },
        { &slice_inspector_behavior, { .options = &inspector, .name = TO_SLICE_INSPECTOR } },
    };
    for (size_t i = 0; i < ARRAY_COUNT(actors); i++) {
        struct actor_id id;
        struct error error;
        CHECK(runtime_spawn(node->runtime, actors[i].behavior, &actors[i].spawn, &id, &error) == STATUS_OK);
    }
}

void fleet_start(struct fleet *fleet, uint32_t number)
{
    static const char *const labels[FLEET_NODES] = { "{\"zone\":\"a\"}", "{\"zone\":\"b\"}",
                                                     "{\"zone\":\"a\"}" };
    struct agreed_node *node = agreed_start(&fleet->agreed, number, labels[number]);
    struct fleet_store *store = &fleet->stores[number];
    struct actor_id id;
    struct error error;
    enum status refuse_load = store->refuse_load;
    *store = (struct fleet_store){ .fleet = fleet,
                                   .node = node,
                                   .refuse_load = refuse_load,
                                   .refuse_configure = STATUS_NOT_FOUND,
                                   .refuse_activate = store->refuse_activate };
    store->actor = stub_spawn(node->runtime, TO_SLICE_STORE, on_store, store);
    (void)stub_spawn(node->runtime, TO_ARTIFACT_STORE, on_artifacts, fleet);
    const struct node_deployment_manager_options options = { .node = node->name };
    struct spawn_options spawn = { .options = &options, .name = TO_NODE_DEPLOYMENT_MANAGER };
    CHECK((runtime_spawn(node->runtime, &node_deployment_manager_behavior, &spawn, &id, &error)) ==
          STATUS_OK);
    spawn = (struct spawn_options){ .name = TO_CLUSTER_DEPLOYMENT_MANAGER };
    CHECK((runtime_spawn(node->runtime, &cluster_deployment_manager_behavior, &spawn, &id, &error)) ==
          STATUS_OK);
    spawn_inspection(node);
}

void fleet_settle(struct fleet *fleet, int64_t duration_ns)
{
    stepper_run_until(fleet->stepper, stepper_now_ns(fleet->stepper) + duration_ns);
}

struct fleet *fleet_create(uint64_t seed)
{
    struct fleet *fleet = memory_zalloc(sizeof(*fleet));
    fleet->stepper = stepper_create(&(struct stepper_options){ .seed = seed });
    agreed_init(&fleet->agreed, fleet->stepper);
    for (uint32_t n = 0; n < FLEET_NODES; n++)
        fleet_start(fleet, n);
    return fleet;
}

void fleet_destroy(struct fleet **fleet)
{
    fleet_forget_held(*fleet);
    agreed_fini(&(*fleet)->agreed);
    scheduler_destroy(&(*fleet)->stepper);
    memory_free(*fleet);
    *fleet = NULL;
}

uint32_t fleet_active(const struct fleet *fleet)
{
    uint32_t count = 0;
    for (uint32_t n = 0; n < FLEET_NODES; n++) {
        if (fleet->agreed.nodes[n].runtime != NULL) count += fleet_store_active(&fleet->stores[n]);
    }
    return count;
}

uint32_t fleet_endpoints(const struct fleet *fleet, const char *artifact)
{
    char prefix[300];
    (void)snprintf(prefix, sizeof(prefix), "endpoints/%s/", artifact);
    return agreed_count(&fleet->agreed, prefix);
}

struct probe_result fleet_publish_within(struct fleet *fleet, const char *document, bool detach,
                                         int64_t timeout_ns)
{
    struct agreed_node *leader = &fleet->agreed.nodes[fleet->agreed.leader];
    struct message *message = wire_message_create(KIND_BLUEPRINT_PUBLISH_REQUEST);
    Pb__BlueprintPublishRequest *request = message->body;
    request->document = wire_string(message, document);
    request->detach = detach;
    return probe_ask_name(leader->runtime, TO_CLUSTER_DEPLOYMENT_MANAGER, &message, timeout_ns);
}

struct probe_result fleet_publish(struct fleet *fleet, const char *document)
{
    return fleet_publish_within(fleet, document, false, SECONDS(300));
}
