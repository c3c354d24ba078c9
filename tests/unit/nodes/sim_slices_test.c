/* Goal: the slice store drives models of slices in virtual time as it drives processes: whole lives,
 * refusals, crashes with what they mean for callers and manager; the same seed gives the same run. Method:
 * the real slice_store on the stepper, over nodes/sim/slices; stand-ins for its neighbours. */
#include "nodes/sim/slices.h"

#include "actors/slice/messages.h"
#include "actors/slice/slice_store.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "tests/support/probe.h"
#include "wire/kinds.h"
#include "wire/proto/slice.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static const struct instance_entry entries[] = { { .name = "quote", .id = 1, .readonly = true } };
static const struct sim_slice catalogue[] = {
    { "org.sim:pricing:1.0.0", entries, 1, STATUS_OK, 0 },
    { "org.sim:orders:1.0.0", entries, 1, STATUS_OK, 0 },
    { "org.sim:other:1.0.0", entries, 1, STATUS_VERSION_MISMATCH, 0 },
};
#define PRICING "org.sim:pricing:1.0.0"
#define OTHER   "org.sim:other:1.0.0"

struct world {
    struct scheduler *stepper;
    struct runtime *runtime;
    struct sim_slices slices;
    struct sim_artifact_store_options artifacts;
    struct slice_adapters adapters;
    struct slice_store_options options;
    struct actor_id serving; /* Not set: gone. */
    unsigned servings;
    unsigned goings;
    unsigned downs;
};

static void slice_call_stub(struct actor *self, void *context, const struct message *message)
{
    (void)self;
    struct world *world = context;
    const struct instance_serving *serving = message->body;
    world->serving = serving->actor;
    if (message->kind == KIND_INSTANCE_SERVING) world->servings++;
    else world->goings++;
}

static void manager_stub(struct actor *self, void *context, const struct message *message)
{
    (void)self;
    struct world *world = context;
    assert_int_equal(message->kind, KIND_INSTANCE_DOWN);
    assert_int_equal(((const struct instance_down *)message->body)->reason, STATUS_CRASHED);
    world->downs++;
}

static struct world *world_create(uint64_t seed)
{
    struct world *world = memory_zalloc(sizeof *world);
    world->stepper = stepper_create(&(struct stepper_options){ .seed = seed });
    world->runtime =
        runtime_create(&(struct runtime_options){ .scheduler = world->stepper, .node = "node-1" });
    world->slices = (struct sim_slices){ .slices = catalogue,
                                         .slice_count = ARRAY_COUNT(catalogue),
                                         .chance = chance_of(seed, 7),
                                         .fetch_ns_max = MILLISECONDS(50),
                                         .step_ns_max = MILLISECONDS(20),
                                         .call_ns_max = MILLISECONDS(10) };
    world->adapters = (struct slice_adapters){ .node = "node-1", .context = &world->slices };
    world->options = (struct slice_store_options){ &world->adapters, &sim_slice_backend };
    struct actor_id id;
    world->artifacts.slices = &world->slices;
    struct spawn_options artifacts = { .options = &world->artifacts, .name = TO_ARTIFACT_STORE };
    struct spawn_options store = { .options = &world->options, .name = TO_SLICE_STORE };
    assert_int_equal(runtime_spawn(world->runtime, &sim_artifact_store_behavior, &artifacts, &id, NULL), 0);
    assert_int_equal(runtime_spawn(world->runtime, &slice_store_behavior, &store, &id, NULL), 0);
    (void)stub_spawn(world->runtime, TO_SLICE_CALL, slice_call_stub, world);
    (void)stub_spawn(world->runtime, TO_NODE_DEPLOYMENT_MANAGER, manager_stub, world);
    return world;
}

static void world_destroy(struct world **world)
{
    runtime_destroy(&(*world)->runtime); /* As a crash: whatever is open is freed all the same. */
    scheduler_destroy(&(*world)->stepper);
    assert_int_equal((*world)->slices.alive, 0);
    memory_free(*world);
    *world = NULL;
}

/* What was told beside the answer arrives, too. */
static void settle(struct world *world)
{
    stepper_run_until(world->stepper, stepper_now_ns(world->stepper) + MILLISECONDS(1));
}

static enum status load(struct world *world, const char *artifact, bool inside, bool activate)
{
    struct message *message = message_create(KIND_INSTANCE_LOAD, sizeof(struct instance_load));
    struct instance_load *load = message->body;
    (void)text_copy(load->key.artifact, sizeof load->key.artifact, artifact);
    load->key.instance = 1;
    load->inline_isolation = inside;
    load->activate = activate;
    load->config = "{}";
    struct probe_result result = probe_ask_name(world->runtime, TO_SLICE_STORE, &message, SECONDS(60));
    assert_true(result.completed);
    settle(world);
    message_destroy(&result.message);
    return result.status;
}

static enum status step(struct world *world, const char *artifact, uint32_t kind)
{
    struct message *message = message_create(kind, sizeof(struct instance_step));
    struct instance_step *step = message->body;
    (void)text_copy(step->key.artifact, sizeof step->key.artifact, artifact);
    step->key.instance = 1;
    step->drain_ms = 100;
    struct probe_result result = probe_ask_name(world->runtime, TO_SLICE_STORE, &message, SECONDS(60));
    assert_true(result.completed);
    settle(world);
    message_destroy(&result.message);
    return result.status;
}

static struct message *probe_message(const char *artifact)
{
    struct message *message = message_create(KIND_INSTANCE_PROBE, sizeof(struct instance_probe));
    struct instance_probe *probe = message->body;
    (void)text_copy(probe->artifact, sizeof probe->artifact, artifact);
    sim_slices_sha256(artifact, probe->sha256);
    return message;
}

static struct probe_result probe(struct world *world, const char *artifact)
{
    uint32_t alive_before = world->slices.alive;
    struct message *message = probe_message(artifact);
    struct probe_result result = probe_ask_name(world->runtime, TO_SLICE_STORE, &message, SECONDS(60));
    assert_true(result.completed);
    settle(world);
    assert_true(world->slices.alive <= alive_before); /* Whatever was said: its process has gone. */
    return result;
}

static enum status invoke(struct world *world, const char *entry)
{
    struct message *message = wire_message_create(KIND_INVOKE_REQUEST);
    Pb__InvokeRequest *request = message->body;
    request->entry = wire_string(message, entry);
    struct bytes *payload = bytes_copy("{}", 2);
    message_attach(message, &payload);
    struct probe_result result = probe_ask(world->runtime, world->serving, &message, SECONDS(10));
    assert_true(result.completed);
    if (result.status == STATUS_OK) assert_int_equal(result.message->attachment->size, 2);
    message_destroy(&result.message);
    return result.status;
}

static void whole_lives(void **unused)
{
    (void)unused;
    for (int inside = 0; inside < 2; inside++) {
        struct world *world = world_create(1);
        assert_int_equal(load(world, PRICING, inside != 0, false), STATUS_OK);
        assert_int_equal(world->slices.alive, 1); /* The prober of the inline one has gone. */
        assert_int_equal(load(world, PRICING, inside != 0, false), STATUS_CONFLICT);
        assert_int_equal(step(world, PRICING, KIND_INSTANCE_ACTIVATE), STATUS_OK);
        assert_int_equal(invoke(world, "quote"), STATUS_OK);
        assert_int_equal(invoke(world, "nothing"), STATUS_NO_ENDPOINT);
        assert_int_equal(step(world, PRICING, KIND_INSTANCE_DEACTIVATE), STATUS_OK);
        assert_int_equal(step(world, PRICING, KIND_INSTANCE_UNLOAD), STATUS_OK);
        assert_int_equal(world->slices.alive, 0);
        assert_int_equal(load(world, "org.sim:absent:1.0.0", inside != 0, true), STATUS_NOT_FOUND);
        assert_int_equal(load(world, PRICING, inside != 0, true), STATUS_OK);
        assert_int_equal(world->servings, 2);
        assert_int_equal(world->goings, 1);
        assert_int_equal(world->downs, 0);
        world_destroy(&world);
    }
}

static bool has_downs(void *context)
{
    const struct world *world = context;
    return world->downs > 0;
}

static void a_crash_is_told_and_can_be_made_good(void **unused)
{
    (void)unused;
    struct world *world = world_create(2);
    world->slices.life_ns_max = SECONDS(1);
    assert_int_equal(load(world, PRICING, false, true), STATUS_OK);
    assert_true(probe_await(world->stepper, has_downs, world, SECONDS(2)));
    assert_int_equal(world->downs, 1);
    assert_int_equal(world->goings, 1);
    assert_int_equal(world->slices.alive, 0);
    world->slices.life_ns_max = 0;
    assert_int_equal(step(world, PRICING, KIND_INSTANCE_DEACTIVATE), STATUS_OK);
    assert_int_equal(step(world, PRICING, KIND_INSTANCE_ACTIVATE), STATUS_OK);
    assert_int_equal(invoke(world, "quote"), STATUS_OK);
    world->slices.crash_permille = 1000;
    assert_int_equal(invoke(world, "quote"), STATUS_CRASHED);
    assert_int_equal(step(world, PRICING, KIND_INSTANCE_UNLOAD), STATUS_OK);
    world_destroy(&world);
}

static void slice_call_that_comes_back_is_told_again(void **unused)
{
    (void)unused;
    struct world *world = world_create(3);
    assert_int_equal(load(world, PRICING, false, true), STATUS_OK);
    assert_int_equal(world->servings, 1);
    struct actor_id old = runtime_find(world->runtime, TO_SLICE_CALL);
    struct message *stop = message_create(KIND_STOP, 0);
    probe_tell(world->runtime, old, &stop);
    (void)stub_spawn(world->runtime, TO_SLICE_CALL, slice_call_stub, world);
    stepper_run_until(world->stepper, stepper_now_ns(world->stepper) + SECONDS(1));
    assert_int_equal(world->servings, 2);
    world_destroy(&world);
}

static void a_probe_says_what_could_be_loaded_and_leaves_nothing(void **unused)
{
    (void)unused;
    struct world *world = world_create(4);
    world->slices.no_permille = 1000; /* No hook runs. */
    struct probe_result result = probe(world, PRICING);
    assert_int_equal(result.status, STATUS_OK);
    const struct instance_done *done = result.message->body;
    assert_string_equal(done->key.artifact, PRICING);
    assert_int_equal(done->entry_count, 1);
    assert_string_equal(done->entries[0].name, "quote");
    message_destroy(&result.message);
    assert_int_equal(probe(world, OTHER).status, STATUS_VERSION_MISMATCH);
    assert_int_equal(probe(world, "org.sim:absent:1.0.0").status, STATUS_NOT_FOUND);
    world->slices.crash_permille = 1000;
    assert_int_equal(probe(world, PRICING).status, STATUS_CRASHED);
    world->slices.crash_permille = world->slices.no_permille = 0;
    assert_int_equal(load(world, PRICING, false, true), STATUS_OK); /* No key is taken. */
    assert_int_equal(world->downs, 0);
    world_destroy(&world);
}

static void a_probe_that_hangs_ends(void **unused)
{
    (void)unused;
    struct world *world = world_create(5);
    world->slices.step_ns_max = SECONDS(1000000);
    int64_t began_ns = stepper_now_ns(world->stepper);
    struct probe_result result = probe(world, PRICING);
    int64_t took_ns = stepper_now_ns(world->stepper) - began_ns;
    assert_int_equal(result.status, STATUS_DEADLINE);
    assert_non_null(strstr(result.error.message, "not mapped and checked in time (10 s at most)"));
    assert_in_range(took_ns, SECONDS(10), SECONDS(11));
    world_destroy(&world);
}

struct answers {
    unsigned count[STATUS_COUNT];
};

static void count_answer(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    (void)self, (void)state;
    ((struct answers *)context)->count[result->status]++;
}

static void ask_for_many(struct actor *self, void *context, const struct message *message)
{
    (void)message;
    for (int i = 0; i < SLICE_PROBES_MAX + 3; i++) {
        struct message *asked = probe_message(PRICING);
        actor_ask_name(self, TO_SLICE_STORE, &asked, SECONDS(60), count_answer, context);
    }
}

static void probes_are_bounded(void **unused)
{
    (void)unused;
    struct world *world = world_create(6);
    struct answers answers = { 0 };
    struct actor_id asker = stub_spawn(world->runtime, TO_CLUSTER_DEPLOYMENT_MANAGER, ask_for_many, &answers);
    struct message *message = message_create(KIND_CLUSTER_DEPLOYMENT_TICK, 0);
    probe_tell(world->runtime, asker, &message);
    stepper_run_until(world->stepper, stepper_now_ns(world->stepper) + SECONDS(2));
    assert_int_equal(answers.count[STATUS_OK], SLICE_PROBES_MAX); /* Of one artifact, side by side. */
    assert_int_equal(answers.count[STATUS_OVERLOADED], 3);
    message = message_create(KIND_CLUSTER_DEPLOYMENT_TICK, 0);
    probe_tell(world->runtime, asker, &message);
    stepper_run_until(world->stepper, stepper_now_ns(world->stepper) + SECONDS(2));
    assert_int_equal(answers.count[STATUS_OK], 2 * SLICE_PROBES_MAX); /* All their places are free again. */
    assert_int_equal(world->slices.alive, 0);
    world_destroy(&world);
}

/* Every request ends, with one of the outcomes that messages.h names, whatever fails; nothing stays behind.
 */
static uint64_t storm(uint64_t seed)
{
    static const uint32_t kinds[] = { KIND_INSTANCE_ACTIVATE, KIND_INSTANCE_DEACTIVATE,
                                      KIND_INSTANCE_UNLOAD };
    struct world *world = world_create(seed);
    struct chance chance = chance_of(seed, 99);
    world->slices.no_permille = 150;
    world->slices.crash_permille = 100;
    world->slices.life_ns_max = MILLISECONDS(500);
    for (int i = 0; i < 60; i++) {
        const char *artifact = catalogue[chance_next(&chance) % 2].artifact;
        uint64_t what = chance_next(&chance) % 6;
        if (what == 5) {
            struct probe_result probed = probe(world, artifact);
            message_destroy(&probed.message);
        } else if (what < 2) (void)load(world, artifact, what == 0, chance_permille(&chance, 500));
        else (void)step(world, artifact, kinds[what - 2]);
        if (actor_id_is_set(world->serving)) (void)invoke(world, "quote");
    }
    world->slices.life_ns_max = 0;
    world->slices.crash_permille = world->slices.no_permille = 0;
    for (int i = 0; i < 2; i++)
        assert_int_equal(step(world, catalogue[i].artifact, KIND_INSTANCE_UNLOAD), STATUS_OK);
    stepper_run_until(world->stepper, stepper_now_ns(world->stepper) + SECONDS(1));
    assert_int_equal(world->slices.alive, 0);
    assert_int_equal(world->servings, world->goings);
    uint64_t hash = stepper_trace_hash(world->stepper);
    world_destroy(&world);
    return hash;
}

static void storms_end_clean_and_repeat_bit_for_bit(void **unused)
{
    (void)unused;
    for (uint64_t seed = 1; seed <= 100; seed++)
        assert_true(storm(seed) == storm(seed));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_lives),
        cmocka_unit_test(a_crash_is_told_and_can_be_made_good),
        cmocka_unit_test(slice_call_that_comes_back_is_told_again),
        cmocka_unit_test(a_probe_says_what_could_be_loaded_and_leaves_nothing),
        cmocka_unit_test(a_probe_that_hangs_ends),
        cmocka_unit_test(probes_are_bounded),
        cmocka_unit_test(storms_end_clean_and_repeat_bit_for_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
