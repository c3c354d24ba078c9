/* Goal: a published blueprint becomes running instances and stays so: through failures, lost nodes, new
 * leaders, new counts, configurations and versions (product.md sections 3 and 4; DEP1, DEP2, DEP4, DEP6,
 * DEP8, DEP9). Method: the managers of three nodes on the stepper over one agreed state under the real rules
 * (support/agreed), which checks DEP2 and DEP4 after every entry. The slice store and the artifact store are
 * stand-ins with a will of their own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "actors/slice/cluster_deployment_manager.h"
#include "actors/slice/messages.h"
#include "actors/slice/node_deployment_manager.h"
#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "tests/support/agreed.h"
#include "tests/support/probe.h"
#include "wire/kinds.h"
#include "wire/proto/slice.pb-c.h"

#include <stdio.h>
#include <string.h>

enum { NODES = 3 };

/* --- the slice store's stand-in: keeps what a real one would have loaded ------------------------------ */

enum fake_state { FAKE_LOADED = 1, FAKE_ACTIVE, FAKE_DOWN };

struct fake_instance {
    struct instance_key key;
    enum fake_state state;
    char config[64];
};

struct fake_store {
    struct agreed_node *node;
    struct actor_id actor;
    struct fake_instance instances[64];
    uint32_t count;
    uint32_t loads;
    uint32_t activations;
    enum status refuse_load; /* Of artifacts with "weak" in their name. */
    enum status refuse_activate;
};

struct world {
    struct agreed agreed;
    struct fake_store stores[NODES];
    struct scheduler *stepper;
};

static struct fake_instance *fake_find(struct fake_store *store, const struct instance_key *key)
{
    for (uint32_t i = 0; i < store->count; i++) {
        struct fake_instance *instance = &store->instances[i];
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

static void on_load(struct actor *self, struct fake_store *store, const struct message *message)
{
    const struct instance_load *load = message->body;
    struct error error;
    store->loads++;
    if (fake_find(store, &load->key) != NULL) {
        actor_refuse(self, message, STATUS_CONFLICT);
        return;
    }
    if (store->refuse_load != STATUS_OK && strstr(load->key.artifact, "weak") != NULL) {
        (void)error_set(&error, store->refuse_load, "load refused");
        actor_refuse_error(self, message, &error);
        return;
    }
    assert_true(store->count < ARRAY_COUNT(store->instances));
    struct fake_instance *instance = &store->instances[store->count++];
    *instance = (struct fake_instance){ .key = load->key, .state = FAKE_LOADED };
    (void)text_copy(instance->config, sizeof(instance->config), load->config);
    answer(self, message, &load->key);
}

static void on_activate(struct actor *self, struct fake_store *store, const struct message *message)
{
    const struct instance_step *step = message->body;
    struct fake_instance *instance = fake_find(store, &step->key);
    struct error error;
    store->activations++;
    if (instance == NULL) {
        actor_refuse(self, message, STATUS_NOT_FOUND);
    } else if (store->refuse_activate != STATUS_OK && strstr(step->key.artifact, "weak") != NULL) {
        instance->state = FAKE_DOWN;
        (void)error_set(&error, store->refuse_activate, "start refused");
        actor_refuse_error(self, message, &error);
    } else {
        instance->state = FAKE_ACTIVE;
        answer(self, message, &step->key);
    }
}

static void on_store(struct actor *self, void *context, const struct message *message)
{
    struct fake_store *store = context;
    if (message->kind == KIND_INSTANCE_LOAD) on_load(self, store, message);
    if (message->kind == KIND_INSTANCE_ACTIVATE) on_activate(self, store, message);
    if (message->kind != KIND_INSTANCE_DEACTIVATE && message->kind != KIND_INSTANCE_UNLOAD) return;
    const struct instance_step *step = message->body;
    struct fake_instance *instance = fake_find(store, &step->key);
    if (instance != NULL && message->kind == KIND_INSTANCE_UNLOAD)
        *instance = store->instances[--store->count];
    else if (instance != NULL && instance->state == FAKE_ACTIVE) instance->state = FAKE_LOADED;
    answer(self, message, &step->key);
}

static void fake_crash(struct fake_store *store, struct fake_instance *instance)
{
    struct message *message = message_create(KIND_INSTANCE_DOWN, sizeof(struct instance_down));
    struct instance_down *down = message->body;
    instance->state = FAKE_DOWN;
    down->key = instance->key;
    down->reason = STATUS_CRASHED;
    down->text = arena_strdup(&message->arena, "killed by signal 11 (SIGSEGV)");
    struct actor_id to = runtime_find(store->node->runtime, TO_NODE_DEPLOYMENT_MANAGER);
    assert_int_equal(runtime_send(store->node->runtime, to, &message), STATUS_OK);
}

static uint32_t fake_active(const struct fake_store *store)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < store->count; i++)
        count += store->instances[i].state == FAKE_ACTIVE ? 1 : 0;
    return count;
}

/* --- the artifact store's: everything there is but "absent"; RELEASE is 2.0 --------------------------- */

static void on_artifacts(struct actor *self, void *context, const struct message *message)
{
    (void)context;
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
    (void)snprintf(resolved->sha256, sizeof(resolved->sha256), "%064u", 7U);
    actor_reply(self, message, &reply);
}

/* --- the world ---------------------------------------------------------------------------------------- */

static void start_node(struct world *world, uint32_t number)
{
    static const char *const labels[NODES] = { "{\"zone\":\"a\"}", "{\"zone\":\"b\"}", "{\"zone\":\"a\"}" };
    struct agreed_node *node = agreed_start(&world->agreed, number, labels[number]);
    struct fake_store *store = &world->stores[number];
    struct actor_id id;
    struct error error;
    enum status refuse_load = store->refuse_load;
    *store = (struct fake_store){ .node = node,
                                  .refuse_load = refuse_load,
                                  .refuse_activate = store->refuse_activate };
    store->actor = stub_spawn(node->runtime, TO_SLICE_STORE, on_store, store);
    (void)stub_spawn(node->runtime, TO_ARTIFACT_STORE, on_artifacts, store);
    const struct node_deployment_manager_options options = { .node = node->name };
    struct spawn_options spawn = { .options = &options, .name = TO_NODE_DEPLOYMENT_MANAGER };
    assert_int_equal(runtime_spawn(node->runtime, &node_deployment_manager_behavior, &spawn, &id, &error),
                     STATUS_OK);
    spawn = (struct spawn_options){ .name = TO_CLUSTER_DEPLOYMENT_MANAGER };
    assert_int_equal(runtime_spawn(node->runtime, &cluster_deployment_manager_behavior, &spawn, &id, &error),
                     STATUS_OK);
}

static void settle(struct world *world, int64_t duration_ns)
{
    stepper_run_until(world->stepper, stepper_now_ns(world->stepper) + duration_ns);
}

static int set_up(void **state)
{
    struct world *world = memory_zalloc(sizeof(*world));
    world->stepper = stepper_create(&(struct stepper_options){ .seed = 7 });
    agreed_init(&world->agreed, world->stepper);
    for (uint32_t n = 0; n < NODES; n++)
        start_node(world, n);
    agreed_lead(&world->agreed, 0);
    settle(world, MILLISECONDS(10));
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    agreed_fini(&world->agreed);
    scheduler_destroy(&world->stepper);
    memory_free(world);
    return 0;
}

static uint32_t active(const struct world *world)
{
    uint32_t count = 0;
    for (uint32_t n = 0; n < NODES; n++) {
        if (world->agreed.nodes[n].runtime != NULL) count += fake_active(&world->stores[n]);
    }
    return count;
}

static uint32_t endpoints_of(const struct world *world, const char *artifact)
{
    char prefix[300];
    (void)snprintf(prefix, sizeof(prefix), "endpoints/%s/", artifact);
    return agreed_count(&world->agreed, prefix);
}

static struct probe_result publish_within(struct world *world, const char *document, bool detach,
                                          int64_t timeout_ns)
{
    struct agreed_node *leader = &world->agreed.nodes[world->agreed.leader];
    struct message *message = wire_message_create(KIND_BLUEPRINT_PUBLISH_REQUEST);
    Pb__BlueprintPublishRequest *request = message->body;
    request->document = wire_string(message, document);
    request->detach = detach;
    return probe_ask_name(leader->runtime, TO_CLUSTER_DEPLOYMENT_MANAGER, &message, timeout_ns);
}

static struct probe_result publish(struct world *world, const char *document)
{
    return publish_within(world, document, false, SECONDS(300));
}

static void assert_published(struct world *world, const char *document, bool changed)
{
    struct probe_result result = publish(world, document);
    if (result.status != STATUS_OK) fail_msg("%s: %s", status_name(result.status), result.error.message);
    const Pb__BlueprintPublishReply *reply = result.message->body;
    assert_int_equal(reply->changed, changed);
    assert_true(reply->complete);
    assert_true(reply->revision > 0);
    for (size_t i = 0; i < reply->n_instances; i++)
        assert_string_equal(reply->instances[i]->state, "ACTIVE");
    message_destroy(&result.message);
}

static void assert_refused(struct world *world, const char *document, enum status status, const char *says)
{
    struct probe_result result = publish(world, document);
    if (result.status != status || strstr(result.error.message, says) == NULL)
        fail_msg("%s: %s", status_name(result.status), result.error.message);
    message_destroy(&result.message);
}

static void delete_blueprint(struct world *world, const char *name, enum status expected)
{
    struct message *message = wire_message_create(KIND_BLUEPRINT_DELETE_REQUEST);
    ((Pb__BlueprintDeleteRequest *)message->body)->name = wire_string(message, name);
    struct agreed_node *leader = &world->agreed.nodes[world->agreed.leader];
    struct probe_result result =
        probe_ask_name(leader->runtime, TO_CLUSTER_DEPLOYMENT_MANAGER, &message, SECONDS(300));
    if (result.status != expected) fail_msg("%s: %s", status_name(result.status), result.error.message);
    message_destroy(&result.message);
}

static const char shop[] = "name: shop\nslices:\n - {artifact: 'org.example:pricing:1.0', instances: 3}\n"
                           " - {artifact: 'org.example:orders:1.0', instances: 2}\n";

/* --- tests -------------------------------------------------------------------------------------------- */

static void publish_spreads_and_waits(void **state) /* DEP1 */
{
    struct world *world = *state;
    assert_published(world, shop, true);
    assert_int_equal(active(world), 5);
    assert_int_equal(endpoints_of(world, "org.example:pricing:1.0"), 3);
    assert_int_equal(endpoints_of(world, "org.example:orders:1.0"), 2);
    for (uint32_t n = 0; n < NODES; n++)
        assert_in_range(fake_active(&world->stores[n]), 1, 2);
}

static void publish_again_changes_nothing(void **state)
{
    struct world *world = *state;
    assert_published(world, shop, true);
    log_index before = world->agreed.index;
    assert_published(world, shop, false);
    assert_int_equal(world->agreed.index, before); /* Not one entry. */
}

static void counts_follow_the_blueprint(void **state)
{
    struct world *world = *state;
    assert_published(world, "name: s\nslices:\n - {artifact: 'a:b:1', instances: 2}\n", true);
    assert_published(world, "name: s\nslices:\n - {artifact: 'a:b:1', instances: 9}\n", true);
    assert_int_equal(active(world), 9);
    for (uint32_t n = 0; n < NODES; n++)
        assert_int_equal(fake_active(&world->stores[n]), 3);
    assert_published(world, "name: s\nslices:\n - {artifact: 'a:b:1', instances: 1}\n", true);
    assert_int_equal(active(world), 1);
    assert_published(world, "name: s\nslices:\n - {artifact: 'a:b:1', instances: 0}\n", true);
    assert_int_equal(agreed_count(&world->agreed, "slices/"), 0);
}

static void bad_documents_write_nothing(void **state)
{
    struct world *world = *state;
    log_index before = world->agreed.index;
    assert_refused(world, "slices:\n - {artifact: 'a:b:1', instances: -1}\n", STATUS_INVALID, "line 2");
    assert_refused(world, "slices:\n - {artifact: 'a:absent:1'}\n", STATUS_NOT_FOUND, "slices[0] a:absent:1");
    assert_refused(world, "slices:\n - {artifact: 'a:b:1', constraints: {zone: mars}}\n", STATUS_INVALID,
                   "no node matches the constraints of a:b:1");
    assert_int_equal(world->agreed.index, before);
}

static void constraints_are_kept(void **state)
{
    struct world *world = *state;
    assert_published(world, "slices:\n - {artifact: 'a:b:1', instances: 4, constraints: {zone: a}}\n", true);
    assert_int_equal(fake_active(&world->stores[0]), 2);
    assert_int_equal(fake_active(&world->stores[1]), 0);
    assert_int_equal(fake_active(&world->stores[2]), 2);
}

static void versions_are_resolved(void **state)
{
    struct world *world = *state;
    assert_published(world, "slices:\n - {artifact: 'a:b:RELEASE', instances: 1}\n", true);
    assert_int_equal(endpoints_of(world, "a:b:2.0"), 1);
}

static void delete_leaves_nothing(void **state) /* DEP8 */
{
    struct world *world = *state;
    assert_published(world, shop, true);
    delete_blueprint(world, "shop", STATUS_OK);
    assert_int_equal(active(world), 0);
    static const char *const prefixes[] = { "blueprints/", "allocations/", "slices/", "endpoints/" };
    for (size_t i = 0; i < ARRAY_COUNT(prefixes); i++)
        assert_int_equal(agreed_count(&world->agreed, prefixes[i]), 0);
    delete_blueprint(world, "shop", STATUS_NOT_FOUND);
    assert_published(world, shop, true);
}

static void artifact_has_one_blueprint(void **state)
{
    struct world *world = *state;
    assert_published(world, shop, true);
    assert_refused(world, "name: other\nslices:\n - {artifact: 'org.example:pricing:1.0'}\n", STATUS_CONFLICT,
                   "org.example:pricing:1.0 belongs to blueprint shop");
}

static void lost_node_is_replaced(void **state) /* DEP1, DEP3 */
{
    struct world *world = *state;
    assert_published(world, shop, true);
    agreed_crash(&world->agreed, 2);
    agreed_lose(&world->agreed, 2);
    assert_int_equal(agreed_count(&world->agreed, "slices/node-3/"), 0);
    settle(world, SECONDS(1));
    assert_int_equal(active(world), 5);
    assert_int_equal(endpoints_of(world, "org.example:pricing:1.0"), 3);
    start_node(world, 2);
    settle(world, SECONDS(5));
    assert_int_equal(fake_active(&world->stores[2]), 0); /* Calm: what is well placed stays. */
    assert_int_equal(active(world), 5);
}

static void restarted_node_starts_over(void **state) /* DEP9 */
{
    struct world *world = *state;
    assert_published(world, shop, true);
    agreed_crash(&world->agreed, 1);
    start_node(world, 1); /* Before anybody missed it: its allocations are still its own. */
    assert_int_equal(agreed_count(&world->agreed, "slices/node-2/"), 0);
    settle(world, SECONDS(1));
    assert_int_equal(active(world), 5);
    assert_true(fake_active(&world->stores[1]) > 0);
}

static void all_nodes_restart(void **state)
{
    struct world *world = *state;
    assert_published(world, shop, true);
    for (uint32_t n = 0; n < NODES; n++)
        agreed_crash(&world->agreed, n);
    for (uint32_t n = 0; n < NODES; n++)
        start_node(world, n);
    agreed_lead(&world->agreed, 1);
    settle(world, SECONDS(2));
    assert_int_equal(active(world), 5);
    assert_int_equal(agreed_count(&world->agreed, "endpoints/"), 5);
}

static void crashed_instance_restarts_alone(void **state)
{
    struct world *world = *state;
    assert_published(world, shop, true);
    uint32_t loads = world->stores[0].loads;
    fake_crash(&world->stores[0], &world->stores[0].instances[0]);
    settle(world, SECONDS(1));
    assert_int_equal(active(world), 5);
    assert_int_equal(world->stores[0].loads, loads); /* Started again in place. */
    assert_int_equal(agreed_count(&world->agreed, "endpoints/"), 5);
    struct arena arena = { 0 };
    const char *key = "allocations/org.example:pricing:1.0/node-1";
    assert_non_null(strstr(agreed_text(&world->agreed, key, &arena), "\"attempt\":1"));
    arena_fini(&arena);
}

static void crash_loop_is_moved_after_five(void **state) /* DEP10 */
{
    struct world *world = *state;
    assert_published(world, "slices:\n - {artifact: 'a:weak:1', instances: 1}\n", true);
    uint32_t home = 0;
    while (fake_active(&world->stores[home]) == 0)
        home++;
    world->stores[home].refuse_activate = STATUS_APP_ERROR;
    fake_crash(&world->stores[home], &world->stores[home].instances[0]);
    settle(world, SECONDS(60));
    assert_int_equal(fake_active(&world->stores[home]), 0);
    assert_int_equal(active(world), 1); /* Elsewhere. */
    assert_int_equal(world->stores[home].count, 0);
}

static void restarts_without_a_leader(void **state)
{
    struct world *world = *state;
    assert_published(world, shop, true);
    agreed_lead(&world->agreed, AGREED_NODES_MAX);
    log_index before = world->agreed.index;
    fake_crash(&world->stores[1], &world->stores[1].instances[0]);
    settle(world, SECONDS(1));
    assert_int_equal(world->agreed.index, before);
    assert_int_equal(active(world), 5); /* Serving again; the facts follow. */
    agreed_lead(&world->agreed, 2);
    settle(world, SECONDS(1));
    assert_true(world->agreed.index > before);
    assert_int_equal(active(world), 5);
    assert_int_equal(agreed_count(&world->agreed, "endpoints/"), 5);
}

static void fatal_failure_restores_what_was(void **state)
{
    struct world *world = *state;
    assert_published(world, "name: s\nslices:\n - {artifact: 'a:b:1', instances: 2}\n", true);
    for (uint32_t n = 0; n < NODES; n++)
        world->stores[n].refuse_load = STATUS_CORRUPT;
    assert_refused(world,
                   "name: s\nslices:\n - {artifact: 'a:b:1', instances: 2}\n - {artifact: 'a:weak:1'}\n",
                   STATUS_NOT_READY, "CORRUPT: load refused; revision");
    settle(world, SECONDS(2));
    assert_int_equal(active(world), 2);
    assert_int_equal(agreed_count(&world->agreed, "slices/"), 2);
    assert_refused(world, "name: t\nslices:\n - {artifact: 'a:weak:1'}\n", STATUS_NOT_READY,
                   "the blueprint was withdrawn");
    settle(world, SECONDS(2));
    assert_int_equal(agreed_count(&world->agreed, "blueprints/"), 1);
    assert_int_equal(agreed_count(&world->agreed, "allocations/a:weak:1/"), 0);
}

static void failures_end_after_every_node_had_five(void **state)
{
    struct world *world = *state;
    for (uint32_t n = 0; n < NODES; n++)
        world->stores[n].refuse_activate = STATUS_APP_ERROR;
    assert_refused(world, "name: t\nslices:\n - {artifact: 'a:weak:1'}\n", STATUS_NOT_READY,
                   "after 5 attempts");
    for (uint32_t n = 0; n < NODES; n++)
        assert_int_equal(world->stores[n].activations, 5);
}

static void publish_answers_before_its_time_is_up(void **state)
{
    struct world *world = *state;
    for (uint32_t n = 0; n < NODES; n++)
        world->stores[n].refuse_activate = STATUS_APP_ERROR;
    struct probe_result result =
        publish_within(world, "name: t\nslices:\n - {artifact: 'a:weak:1'}\n", false, SECONDS(5));
    assert_int_equal(result.status, STATUS_NOT_READY);
    assert_non_null(strstr(result.error.message, "not done in time"));
    assert_non_null(strstr(result.error.message, "start refused"));
    for (uint32_t n = 0; n < NODES; n++)
        world->stores[n].refuse_activate = STATUS_OK;
    settle(world, SECONDS(120));
    assert_int_equal(active(world), 1); /* The cluster went on. */
}

static void detached_publish_returns_at_once(void **state)
{
    struct world *world = *state;
    struct probe_result result = publish_within(world, shop, true, SECONDS(5));
    assert_int_equal(result.status, STATUS_OK);
    assert_false(((const Pb__BlueprintPublishReply *)result.message->body)->complete);
    message_destroy(&result.message);
    settle(world, SECONDS(1));
    assert_int_equal(active(world), 5);
}

static void new_version_starts_before_the_old_goes(void **state) /* DEP12 */
{
    struct world *world = *state;
    assert_published(world, "name: s\nslices:\n - {artifact: 'a:b:1', instances: 3}\n", true);
    struct probe_result result =
        publish_within(world, "name: s\nslices:\n - {artifact: 'a:b:2', instances: 3}\n", true, SECONDS(5));
    assert_int_equal(result.status, STATUS_OK);
    message_destroy(&result.message);
    uint32_t most = 0;
    while (endpoints_of(world, "a:b:1") > 0 || endpoints_of(world, "a:b:2") < 3) {
        uint32_t serving = endpoints_of(world, "a:b:1") + endpoints_of(world, "a:b:2");
        assert_true(serving >= 3);
        if (serving > most) most = serving;
        assert_true(stepper_step(world->stepper));
    }
    assert_int_equal(most, 4); /* max-surge: 1 */
    settle(world, SECONDS(1));
    assert_int_equal(active(world), 3);
    assert_int_equal(agreed_count(&world->agreed, "allocations/a:b:1/"), 0);
}

static void new_configuration_rolls_through(void **state)
{
    struct world *world = *state;
    assert_published(world, "name: s\nslices:\n - {artifact: 'a:b:1', instances: 3, config: {x: 1}}\n", true);
    struct probe_result result = publish_within(
        world, "name: s\nslices:\n - {artifact: 'a:b:1', instances: 3, config: {x: 2}}\n", true, SECONDS(5));
    assert_int_equal(result.status, STATUS_OK);
    message_destroy(&result.message);
    uint32_t fewest = 3;
    for (int64_t until = stepper_now_ns(world->stepper) + SECONDS(5);
         stepper_now_ns(world->stepper) < until;) {
        uint32_t serving = endpoints_of(world, "a:b:1");
        if (serving < fewest) fewest = serving;
        assert_true(stepper_step(world->stepper));
    }
    assert_int_equal(fewest, 2); /* One at a time. */
    assert_int_equal(active(world), 3);
    for (uint32_t n = 0; n < NODES; n++) {
        for (uint32_t i = 0; i < world->stores[n].count; i++)
            assert_string_equal(world->stores[n].instances[i].config, "{\"x\":2}");
    }
}

static void new_leader_reconciles(void **state) /* DEP6, FLT32 */
{
    struct world *world = *state;
    struct probe_result result = publish_within(world, shop, true, SECONDS(5));
    assert_int_equal(result.status, STATUS_OK);
    message_destroy(&result.message);
    agreed_crash(&world->agreed, 0); /* The leader, in the middle of it. */
    agreed_lead(&world->agreed, 1);
    agreed_lose(&world->agreed, 0);
    settle(world, SECONDS(2));
    assert_int_equal(active(world), 5);
    assert_int_equal(agreed_count(&world->agreed, "endpoints/"), 5);
}

static void followers_refuse_to_publish(void **state)
{
    struct world *world = *state;
    struct message *message = wire_message_create(KIND_BLUEPRINT_PUBLISH_REQUEST);
    ((Pb__BlueprintPublishRequest *)message->body)->document = wire_string(message, shop);
    struct probe_result result =
        probe_ask_name(world->agreed.nodes[1].runtime, TO_CLUSTER_DEPLOYMENT_MANAGER, &message, SECONDS(5));
    assert_int_equal(result.status, STATUS_NOT_LEADER);
}

static void dependencies_come_first(void **state)
{
    struct world *world = *state;
    for (uint32_t n = 0; n < NODES; n++)
        world->stores[n].refuse_activate = STATUS_APP_ERROR;
    struct probe_result result =
        publish_within(world,
                       "name: s\nslices:\n - {artifact: 'a:b:1', depends: ['a:weak']}\n"
                       " - {artifact: 'a:weak:1'}\n",
                       true, SECONDS(5));
    message_destroy(&result.message);
    settle(world, MILLISECONDS(500));
    assert_int_equal(agreed_count(&world->agreed, "allocations/a:b:1/"), 0);
    for (uint32_t n = 0; n < NODES; n++)
        world->stores[n].refuse_activate = STATUS_OK;
    settle(world, SECONDS(40));
    assert_int_equal(active(world), 2);
}

static void lists_say_what_is_there(void **state)
{
    struct world *world = *state;
    assert_published(world, shop, true);
    struct runtime *follower = world->agreed.nodes[2].runtime; /* Reads are answered everywhere. */
    struct message *message = wire_message_create(KIND_BLUEPRINT_LIST_REQUEST);
    struct probe_result result =
        probe_ask_name(follower, TO_CLUSTER_DEPLOYMENT_MANAGER, &message, SECONDS(1));
    const Pb__BlueprintListReply *list = result.message->body;
    assert_int_equal(list->n_blueprints, 1);
    assert_int_equal(list->blueprints[0]->instances_active, 5);
    assert_int_equal(list->blueprints[0]->instances_wanted, 5);
    message_destroy(&result.message);
    message = wire_message_create(KIND_SLICE_LIST_REQUEST);
    result = probe_ask_name(follower, TO_CLUSTER_DEPLOYMENT_MANAGER, &message, SECONDS(1));
    assert_int_equal(((const Pb__SliceListReply *)result.message->body)->n_instances, 5);
    message_destroy(&result.message);
    message = wire_message_create(KIND_SLICE_SHOW_REQUEST);
    ((Pb__SliceShowRequest *)message->body)->artifact = wire_string(message, "org.example:pricing");
    result = probe_ask_name(follower, TO_CLUSTER_DEPLOYMENT_MANAGER, &message, SECONDS(1));
    const Pb__SliceShowReply *show = result.message->body;
    assert_string_equal(show->blueprint, "shop");
    assert_int_equal(show->active, 3);
    assert_int_equal(show->n_entries, 1);
    assert_string_equal(show->entries[0], "quote");
    message_destroy(&result.message);
    message = wire_message_create(KIND_BLUEPRINT_GET_REQUEST);
    ((Pb__BlueprintGetRequest *)message->body)->name = wire_string(message, "nothing");
    result = probe_ask_name(follower, TO_CLUSTER_DEPLOYMENT_MANAGER, &message, SECONDS(1));
    assert_int_equal(result.status, STATUS_NOT_FOUND);
}

/* --- a swarm: every kind of trouble by seed, then peace ----------------------------------------------- */

enum { SWARM_SEEDS = 40, SWARM_EVENTS = 25 };

static const char *const swarm_documents[] = {
    "name: s\nslices:\n - {artifact: 'a:b:1', instances: 3}\n - {artifact: 'a:c:1', instances: 2}\n",
    "name: s\nslices:\n - {artifact: 'a:b:2', instances: 4}\n - {artifact: 'a:c:1', instances: 1}\n",
    "name: s\nslices:\n - {artifact: 'a:b:1', instances: 3, config: {x: 1}}\n - {artifact: 'a:weak:1'}\n",
    "name: s\nslices:\n - {artifact: 'a:b:3', instances: 2, update: {max-surge: 0}}\n",
};
static const uint32_t swarm_instances[] = { 5, 5, 4, 2 };

static uint32_t up_count(const struct world *world)
{
    uint32_t up = 0;
    for (uint32_t n = 0; n < NODES; n++)
        up += world->agreed.nodes[n].runtime != NULL ? 1 : 0;
    return up;
}

static void lead_any(struct world *world)
{
    uint32_t first = (uint32_t)(stepper_random(world->stepper) % NODES);
    for (uint32_t i = 0; i < NODES; i++) {
        uint32_t n = (first + i) % NODES;
        if (world->agreed.nodes[n].runtime == NULL) continue;
        agreed_lead(&world->agreed, n);
        return;
    }
}

static void crash_any_instance(struct world *world, uint32_t node)
{
    struct fake_store *store = &world->stores[node];
    if (world->agreed.nodes[node].runtime == NULL || store->count == 0) return;
    struct fake_instance *instance = &store->instances[stepper_random(world->stepper) % store->count];
    if (instance->state == FAKE_ACTIVE) fake_crash(store, instance);
}

static void publish_detached(struct world *world, const char *document)
{
    if (world->agreed.leader == AGREED_NODES_MAX) return;
    struct message *message = wire_message_create(KIND_BLUEPRINT_PUBLISH_REQUEST);
    struct runtime *runtime = world->agreed.nodes[world->agreed.leader].runtime;
    ((Pb__BlueprintPublishRequest *)message->body)->document = wire_string(message, document);
    ((Pb__BlueprintPublishRequest *)message->body)->detach = 1;
    assert_int_equal(runtime_send(runtime, runtime_find(runtime, TO_CLUSTER_DEPLOYMENT_MANAGER), &message),
                     STATUS_OK);
}

static void trouble(struct world *world)
{
    uint32_t node = (uint32_t)(stepper_random(world->stepper) % NODES);
    bool up = world->agreed.nodes[node].runtime != NULL;
    switch (stepper_random(world->stepper) % 8) {
    case 0:
        if (up && up_count(world) > 1) agreed_crash(&world->agreed, node);
        break;
    case 1:
        if (!up) start_node(world, node);
        break;
    case 2: agreed_lose(&world->agreed, node); break; /* Also of one that is only cut off. */
    case 3: agreed_lead(&world->agreed, AGREED_NODES_MAX); break;
    case 4: lead_any(world); break;
    case 5: crash_any_instance(world, node); break;
    case 6:
        publish_detached(world,
                         swarm_documents[stepper_random(world->stepper) % ARRAY_COUNT(swarm_documents)]);
        break;
    default:
        world->stores[node].refuse_activate =
            stepper_random(world->stepper) % 2 == 0 ? STATUS_OK : STATUS_APP_ERROR;
    }
    if (world->agreed.leader == AGREED_NODES_MAX && stepper_random(world->stepper) % 2 == 0) lead_any(world);
    settle(world, (int64_t)(stepper_random(world->stepper) % (uint64_t)MILLISECONDS(300)));
}

/* A node that was lost while it lived comes back under a new incarnation, with what really runs. */
static void return_to_life(struct world *world, uint32_t node)
{
    if (world->agreed.nodes[node].runtime == NULL) start_node(world, node);
    else agreed_rejoin(&world->agreed, node, "{}");
    world->stores[node].refuse_activate = STATUS_OK;
}

static void every_seed_reaches_the_blueprint(void **unused) /* DEP1, DEP2, DEP4, DEP9 */
{
    (void)unused;
    for (uint64_t seed = 1; seed <= SWARM_SEEDS; seed++) {
        struct world *world = memory_zalloc(sizeof(*world));
        world->stepper = stepper_create(&(struct stepper_options){ .seed = seed });
        agreed_init(&world->agreed, world->stepper);
        for (uint32_t n = 0; n < NODES; n++)
            start_node(world, n);
        lead_any(world);
        settle(world, MILLISECONDS(20));
        publish_detached(world, swarm_documents[0]);
        for (int event = 0; event < SWARM_EVENTS; event++)
            trouble(world);
        for (uint32_t n = 0; n < NODES; n++)
            return_to_life(world, n);
        lead_any(world);
        settle(world, SECONDS(1));
        uint32_t last = (uint32_t)(seed % ARRAY_COUNT(swarm_documents));
        struct probe_result result = publish(world, swarm_documents[last]);
        if (result.status != STATUS_OK) fail_msg("seed %u: %s", (unsigned)seed, result.error.message);
        message_destroy(&result.message);
        settle(world, SECONDS(10));
        if (active(world) != swarm_instances[last] ||
            agreed_count(&world->agreed, "endpoints/") != swarm_instances[last])
            fail_msg("seed %u: %u active, %u endpoints", (unsigned)seed, active(world),
                     agreed_count(&world->agreed, "endpoints/"));
        for (uint32_t n = 0; n < NODES; n++)
            assert_int_equal(world->stores[n].count, fake_active(&world->stores[n]));
        agreed_fini(&world->agreed);
        scheduler_destroy(&world->stepper);
        memory_free(world);
    }
}

#define WORLD_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(publish_spreads_and_waits),
        WORLD_TEST(publish_again_changes_nothing),
        WORLD_TEST(counts_follow_the_blueprint),
        WORLD_TEST(bad_documents_write_nothing),
        WORLD_TEST(constraints_are_kept),
        WORLD_TEST(versions_are_resolved),
        WORLD_TEST(delete_leaves_nothing),
        WORLD_TEST(artifact_has_one_blueprint),
        WORLD_TEST(lost_node_is_replaced),
        WORLD_TEST(restarted_node_starts_over),
        WORLD_TEST(all_nodes_restart),
        WORLD_TEST(crashed_instance_restarts_alone),
        WORLD_TEST(crash_loop_is_moved_after_five),
        WORLD_TEST(restarts_without_a_leader),
        WORLD_TEST(fatal_failure_restores_what_was),
        WORLD_TEST(failures_end_after_every_node_had_five),
        WORLD_TEST(publish_answers_before_its_time_is_up),
        WORLD_TEST(detached_publish_returns_at_once),
        WORLD_TEST(new_version_starts_before_the_old_goes),
        WORLD_TEST(new_configuration_rolls_through),
        WORLD_TEST(new_leader_reconciles),
        WORLD_TEST(followers_refuse_to_publish),
        WORLD_TEST(dependencies_come_first),
        WORLD_TEST(lists_say_what_is_there),
        cmocka_unit_test(every_seed_reaches_the_blueprint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
