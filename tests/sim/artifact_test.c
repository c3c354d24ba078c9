/* Goal: what the cluster's own artifact store acknowledged stays, whoever dies: copies that are lost come
 * back, on other nodes or on the disk that lost them; nothing is visible before its holders have it; one of
 * two that push other bytes under the same coordinates wins. Method: whole nodes with the real artifact store
 * on files in memory (nodes/sim/files.h), pushes as the program sends them, deaths and cuts at times of the
 * seed's choice. */
#include "nodes/sim/files.h"
#include "nodes/sim/sim.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "runtime/crypto/digest.h"
#include "store/schema/artifact.h"
#include "wire/kinds.h"
#include "wire/proto/artifact.pb-c.h"
#include "wire/proto/cluster.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OBJECT_SIZE = 600 * 1000, PIECE = 256 * 1024, TWO_PIECES = 2 * PIECE, SEEDS = 12 };

struct object {
    uint8_t *data;
    char sha256[DIGEST_TEXT_MAX];
};

/* An ELF header of this processor, and noise. */
static struct object make_object(uint8_t salt)
{
    struct object object = { .data = memory_alloc(OBJECT_SIZE) };
    struct digest digest;
    for (size_t i = 0; i < OBJECT_SIZE; i++)
        object.data[i] = (uint8_t)(i * 13 + i / 251 + salt);
    FILE *self = fopen("/proc/self/exe", "rbe");
    assert_non_null(self);
    assert_int_equal(fread(object.data, 1, 20, self), 20);
    (void)fclose(self);
    digest_begin(&digest, DIGEST_SHA256);
    digest_add(&digest, object.data, OBJECT_SIZE);
    digest_end(&digest, object.sha256);
    return object;
}

static uint64_t seed_of(uint64_t otherwise)
{
    const char *seed = getenv("AETHER_SEED");
    return seed == NULL ? otherwise : strtoull(seed, NULL, 10);
}

static struct sim *begin(uint64_t seed, uint32_t voters)
{
    struct sim *sim = sim_create(&(struct sim_options){ .seed = seed,
                                                        .voters = voters,
                                                        .keeps_artifacts = true,
                                                        .latency_min_ns = MICROSECONDS(100),
                                                        .latency_max_ns = MILLISECONDS(2),
                                                        .verbose = getenv("AETHER_VERBOSE") != NULL });
    assert_int_not_equal(sim_await_leader(sim, SECONDS(5)), SIM_NOBODY);
    sim_run(sim, SECONDS(1)); /* All nodes have joined. */
    return sim;
}

static void assert_sound(const struct sim *sim)
{
    if (sim_failure(sim) != NULL) fail_msg("%s", sim_failure(sim));
}

static void end(struct sim **sim)
{
    assert_sound(*sim);
    sim_destroy(sim);
}

/* --- pushes --------------------------------------------------------------------------------------------- */

static struct sim_call send_piece(struct sim *sim, uint32_t node, const char *artifact,
                                  const struct object *object, uint64_t offset, size_t size)
{
    struct message *message = wire_message_create(KIND_ARTIFACT_PUSH_REQUEST);
    Pb__ArtifactPushRequest *request = message->body;
    request->artifact = wire_string(message, artifact);
    request->sha256 = wire_string(message, object->sha256);
    request->size = OBJECT_SIZE;
    request->offset = offset;
    request->data.data = arena_memdup(&message->arena, object->data + offset, size);
    request->data.len = size;
    return sim_ask(sim, node, TO_COMMAND_GATEWAY, &message, SECONDS(60));
}

/* As the program does it. OK: complete; else the first refusal. */
static enum status push(struct sim *sim, uint32_t node, const char *artifact, const struct object *object)
{
    uint64_t offset = 0;
    size_t size = 0;
    for (int step = 0; step < 20; step++) {
        struct sim_call call = send_piece(sim, node, artifact, object, offset, size);
        enum status status = sim_await(sim, call, SECONDS(90));
        if (status != STATUS_OK) return status;
        const Pb__ArtifactPushReply *reply = sim_call_reply(sim, call)->body;
        if (reply->complete) return STATUS_OK;
        offset = reply->offset;
        size = OBJECT_SIZE - offset < PIECE ? OBJECT_SIZE - (size_t)offset : PIECE;
    }
    return STATUS_DEADLINE;
}

/* --- what is kept --------------------------------------------------------------------------------------- */

static bool disk_has(struct sim *sim, uint32_t node, const char *sha256)
{
    char path[128];
    (void)snprintf(path, sizeof path, "/data/artifacts/%s", sha256);
    return sim_files_has(sim_files_of(sim, node), path);
}

/* The entry, read at whoever leads. false: there is none. */
static bool read_entry(struct sim *sim, const char *artifact, struct arena *arena,
                       struct artifact_record *out)
{
    char key[ARTIFACT_KEY_MAX];
    artifact_key(key, artifact);
    uint32_t leader = sim_await_leader(sim, SECONDS(20));
    assert_int_not_equal(leader, SIM_NOBODY);
    struct message *message = wire_message_create(KIND_KV_GET_REQUEST);
    ((Pb__KvGetRequest *)message->body)->key = wire_string(message, key);
    struct sim_call get = sim_ask(sim, leader, TO_STATE, &message, SECONDS(10)); /* Not as a client's key. */
    enum status status = sim_await(sim, get, SECONDS(10));
    assert_sound(sim);
    if (status == STATUS_NOT_FOUND) return false;
    assert_int_equal(status, STATUS_OK);
    const Pb__KvGetReply *reply = sim_call_reply(sim, get)->body;
    status = artifact_record_read(arena, reply->record->value.data, reply->record->value.len, out, NULL);
    assert_int_equal(status, STATUS_OK);
    return true;
}

static uint32_t number_of(const struct sim *sim, const char *node)
{
    for (uint32_t i = 0; i < sim_node_count(sim); i++)
        if (strcmp(sim_node_name(sim, i), node) == 0) return i;
    fail_msg("who is %s?", node);
    return 0;
}

/* Whoever the entry names has the bytes on its disk, dead or alive. */
static uint32_t assert_holders_have_it(struct sim *sim, const char *artifact)
{
    struct arena arena = { 0 };
    struct artifact_record record;
    uint32_t count = 0;
    if (read_entry(sim, artifact, &arena, &record)) {
        for (uint32_t i = 0; i < record.holder_count; i++)
            if (!disk_has(sim, number_of(sim, record.holders[i]), record.sha256))
                fail_msg("%s is said to be on %s, and is not", artifact, record.holders[i]);
        count = record.holder_count;
    }
    arena_fini(&arena);
    return count;
}

static bool names(struct sim *sim, const char *artifact, uint32_t node)
{
    struct arena arena = { 0 };
    struct artifact_record record;
    bool named = read_entry(sim, artifact, &arena, &record) &&
                 artifact_record_has_holder(&record, sim_node_name(sim, node));
    arena_fini(&arena);
    return named;
}

static bool await_names(struct sim *sim, const char *artifact, uint32_t node, bool named)
{
    for (int i = 0; i < 200 && names(sim, artifact, node) != named; i++)
        sim_run(sim, SECONDS(1));
    return names(sim, artifact, node) == named;
}

/* --- stories -------------------------------------------------------------------------------------------- */

static void pushed_to_a_node_that_dies(void **unused)
{
    (void)unused;
    struct sim *sim = begin(seed_of(1), 3);
    struct object object = make_object(1);
    uint32_t first = (sim_leader(sim) + 1) % 3;
    assert_int_equal(push(sim, first, SIM_PRICING, &object), STATUS_OK);
    assert_int_equal(assert_holders_have_it(sim, SIM_PRICING), 3);
    sim_kill(sim, first);
    struct sim_call publish = sim_publish(sim, "shop", 3, 0);
    enum status status = sim_await(sim, publish, SECONDS(60));
    if (status != STATUS_OK) fail_msg("%s", sim_call_error(sim, publish)->message);
    assert_true(sim_deploys(sim, SECONDS(30)));
    sim_start(sim, first);
    assert_true(sim_deploys(sim, SECONDS(60)));
    memory_free(object.data);
    end(&sim);
}

static void a_lost_holder_is_replaced(void **unused)
{
    (void)unused;
    struct sim *sim = begin(seed_of(2), 5);
    struct object object = make_object(2);
    assert_int_equal(push(sim, 0, SIM_PRICING, &object), STATUS_OK);
    assert_int_equal(assert_holders_have_it(sim, SIM_PRICING), 3);
    uint32_t victim = 1;
    while (!names(sim, SIM_PRICING, victim))
        victim++;
    sim_kill(sim, victim);
    sim_run(sim, SECONDS(30)); /* It might come back. */
    assert_true(names(sim, SIM_PRICING, victim));
    assert_true(await_names(sim, SIM_PRICING, victim, false));
    assert_int_equal(assert_holders_have_it(sim, SIM_PRICING), 3);
    sim_wipe(sim,
             victim); /* And for the others: each time one is replaced, until nothing of the first is left. */
    uint32_t next = 0;
    while (next == victim || !names(sim, SIM_PRICING, next))
        next++;
    sim_start(sim, victim);
    sim_run(sim, SECONDS(20));
    sim_kill(sim, next);
    assert_true(await_names(sim, SIM_PRICING, next, false));
    assert_int_equal(assert_holders_have_it(sim, SIM_PRICING), 3);
    memory_free(object.data);
    end(&sim);
}

static void a_disk_that_lost_it_gets_it_back(void **unused)
{
    (void)unused;
    struct sim *sim = begin(seed_of(3), 3);
    struct object object = make_object(3);
    char path[128];
    assert_int_equal(push(sim, 2, SIM_PRICING, &object), STATUS_OK);
    (void)snprintf(path, sizeof path, "/data/artifacts/%s", object.sha256);
    for (uint32_t node = 0; node < 3; node++) { /* Running, or found out at its next start. */
        if (node == 1) sim_kill(sim, node);
        assert_true(sim_files_lose(sim_files_of(sim, node), path));
        if (node == 1) sim_start(sim, node);
        for (int i = 0; i < 60 && !disk_has(sim, node, object.sha256); i++)
            sim_run(sim, SECONDS(1));
        assert_true(disk_has(sim, node, object.sha256));
    }
    assert_int_equal(assert_holders_have_it(sim, SIM_PRICING), 3);
    /* A flipped bit is seen by the load, which then takes the bytes from another node. */
    for (uint32_t node = 0; node < 2; node++)
        assert_true(sim_files_damage(sim_files_of(sim, node), path));
    assert_int_equal(sim_await(sim, sim_publish(sim, "shop", 3, 0), SECONDS(60)), STATUS_OK);
    assert_true(sim_deploys(sim, SECONDS(30)));
    memory_free(object.data);
    end(&sim);
}

static void one_of_two_wins(void **unused)
{
    (void)unused;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct sim *sim = begin(seed, 3);
        struct object objects[2] = { make_object(1), make_object(2) };
        struct sim_call calls[2];
        for (uint32_t i = 0; i < 2; i++) { /* All but the last piece. */
            assert_int_equal(
                sim_await(sim, send_piece(sim, i, SIM_PRICING, &objects[i], 0, PIECE), SECONDS(9)),
                STATUS_OK);
            assert_int_equal(
                sim_await(sim, send_piece(sim, i, SIM_PRICING, &objects[i], PIECE, PIECE), SECONDS(9)),
                STATUS_OK);
        }
        for (uint32_t i = 0; i < 2; i++)
            calls[i] = send_piece(sim, i, SIM_PRICING, &objects[i], TWO_PIECES, OBJECT_SIZE - TWO_PIECES);
        enum status first = sim_await(sim, calls[0], SECONDS(60)),
                    second = sim_await(sim, calls[1], SECONDS(60));
        assert_true((first == STATUS_OK && second == STATUS_CONFLICT) ||
                    (first == STATUS_CONFLICT && second == STATUS_OK));
        struct arena arena = { 0 };
        struct artifact_record record = { .sha256 = "" };
        assert_true(read_entry(sim, SIM_PRICING, &arena, &record));
        assert_string_equal(record.sha256, objects[first == STATUS_OK ? 0 : 1].sha256);
        arena_fini(&arena);
        assert_int_equal(assert_holders_have_it(sim, SIM_PRICING), 3);
        memory_free(objects[0].data);
        memory_free(objects[1].data);
        end(&sim);
    }
}

/* Nodes die, or are cut off, at any moment of a push; whatever became of it, the entry tells the truth, and
 * in the end a push succeeds and nothing that was acknowledged is lost. */
static void deaths_in_the_middle(void **unused)
{
    (void)unused;
    uint64_t only = seed_of(0);
    for (uint64_t seed = only == 0 ? 1 : only; seed <= (only == 0 ? SEEDS : only); seed++) {
        struct sim *sim = begin(seed, 3);
        struct object object = make_object((uint8_t)seed);
        uint32_t node = (uint32_t)(seed % 3), victim = (uint32_t)(seed / 3 % 3);
        (void)sim_await(sim, send_piece(sim, node, SIM_PRICING, &object, 0, PIECE), SECONDS(9));
        (void)sim_await(sim, send_piece(sim, node, SIM_PRICING, &object, PIECE, PIECE), SECONDS(9));
        struct sim_call last =
            send_piece(sim, node, SIM_PRICING, &object, TWO_PIECES, OBJECT_SIZE - TWO_PIECES);
        sim_run(sim, MILLISECONDS((int64_t)(seed * 7 % 60)));
        if (seed % 2 == 0) sim_kill(sim, victim);
        else sim_cut(sim, UINT64_C(1) << victim);
        enum status status = sim_await(sim, last, SECONDS(90));
        if (seed % 2 == 1) sim_heal(sim);
        uint32_t holders = assert_holders_have_it(sim, SIM_PRICING);
        if (status == STATUS_OK) assert_true(holders >= 2);
        if (seed % 2 == 0) sim_start(sim, victim);
        sim_run(sim, SECONDS(20));
        enum status again = push(sim, node, SIM_PRICING, &object);
        if (again != STATUS_OK) fail_msg("seed %llu: %s", (unsigned long long)seed, status_name(again));
        assert_true(assert_holders_have_it(sim, SIM_PRICING) >= 2);
        memory_free(object.data);
        end(&sim);
    }
}

static void one_node_keeps_it_alone_until_there_are_more(void **unused)
{
    (void)unused;
    struct sim *sim = sim_create(&(struct sim_options){
        .seed = seed_of(4), .voters = 1, .joiners = 2, .keeps_artifacts = true, .no_start = true });
    struct object object = make_object(9);
    sim_expect(sim, 1);
    sim_start(sim, 0);
    assert_int_not_equal(sim_await_leader(sim, SECONDS(5)), SIM_NOBODY);
    sim_run(sim, SECONDS(1));
    assert_int_equal(push(sim, 0, SIM_ORDERS, &object), STATUS_OK);
    assert_int_equal(assert_holders_have_it(sim, SIM_ORDERS), 1);
    sim_start(sim, 1);
    sim_start(sim, 2);
    assert_true(await_names(sim, SIM_ORDERS, 1, true));
    assert_true(await_names(sim, SIM_ORDERS, 2, true));
    assert_int_equal(assert_holders_have_it(sim, SIM_ORDERS), 3);
    memory_free(object.data);
    end(&sim);
}

/* More uploads than a node takes are refused at once; a place that nobody uses for a minute is given away,
 * and who comes back later goes on where it was. */
static void many_uploads_are_bounded(void **unused)
{
    (void)unused;
    enum { COUNT = 40, PLACES = 32 };
    struct sim *sim = begin(seed_of(5), 3);
    struct object objects[COUNT] = { { 0 } };
    struct sim_call calls[COUNT] = { { 0 } };
    uint32_t taken = 0, refused = 0;
    for (uint32_t i = 0; i < COUNT; i++) {
        objects[i] = make_object((uint8_t)(100 + i));
        calls[i] = send_piece(sim, 0, SIM_PRICING, &objects[i], 0, PIECE);
    }
    for (uint32_t i = 0; i < COUNT; i++) {
        enum status status = sim_await(sim, calls[i], SECONDS(30));
        taken += status == STATUS_OK ? 1 : 0;
        refused += status == STATUS_OVERLOADED ? 1 : 0;
    }
    assert_int_equal(taken, PLACES);
    assert_int_equal(refused, COUNT - PLACES);
    sim_run(sim, SECONDS(61));
    for (uint32_t i = 0; i < PLACES; i++) /* All the places, for others. */
        (void)sim_await(sim, send_piece(sim, 0, SIM_ORDERS, &objects[COUNT - 1 - i], 0, PIECE), SECONDS(30));
    struct sim_call back = send_piece(sim, 0, SIM_PRICING, &objects[0], 0, 0);
    assert_int_equal(sim_await(sim, back, SECONDS(30)), STATUS_OVERLOADED);
    sim_run(sim, SECONDS(61));
    back = send_piece(sim, 0, SIM_PRICING, &objects[0], 0, 0);
    assert_int_equal(sim_await(sim, back, SECONDS(30)), STATUS_OK);
    assert_int_equal(((const Pb__ArtifactPushReply *)sim_call_reply(sim, back)->body)->offset, PIECE);
    for (uint32_t i = 0; i < COUNT; i++)
        memory_free(objects[i].data);
    end(&sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pushed_to_a_node_that_dies),
        cmocka_unit_test(a_lost_holder_is_replaced),
        cmocka_unit_test(a_disk_that_lost_it_gets_it_back),
        cmocka_unit_test(one_of_two_wins),
        cmocka_unit_test(deaths_in_the_middle),
        cmocka_unit_test(many_uploads_are_bounded),
        cmocka_unit_test(one_node_keeps_it_alone_until_there_are_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
