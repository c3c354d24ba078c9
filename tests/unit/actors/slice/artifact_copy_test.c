/* Goal: bytes from another node are believed only when the whole is right: a source that is gone, gives other
 * pieces, too much, or wrong bytes costs itself, and the next one is asked; what was begun is continued. And
 * nobody who asks for pieces gets anything but pieces. Method: the real store on files in memory; other nodes
 * are a script behind the transport. */
#include "actors/slice/artifact_messages.h"
#include "actors/slice/artifact_store.h"
#include "nodes/sim/files.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "runtime/crypto/digest.h"
#include "runtime/port/transport.h"
#include "tests/support/pool_probe.h"
#include "wire/frame.h"
#include "wire/kinds.h"
#include "wire/proto/artifact.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

enum { OBJECT_SIZE = 600 * 1000, SIZE_MAX_ALLOWED = 1024 * 1024 };

struct world {
    struct sim_files *files;
    struct artifact_store_options options;
    struct pool_probe *probe;
    uint8_t object[OBJECT_SIZE];
    char sha256[DIGEST_TEXT_MAX];
    uint32_t good_pieces; /* That a source called "good..." gave. */
    uint64_t first_offset;
};

/* --- the other nodes ------------------------------------------------------------------------------------ */

static void give(struct actor *self, struct world *world, const struct message *asked, const char *node,
                 const Pb__ArtifactPieceRequest *request)
{
    struct message *reply = wire_message_create(KIND_ARTIFACT_PIECE_REPLY);
    Pb__ArtifactPieceReply *body = reply->body;
    uint64_t left = OBJECT_SIZE - request->offset;
    size_t size = left < request->size ? (size_t)left : request->size;
    struct bytes *piece = bytes_copy(world->object + request->offset, size);
    body->offset = request->offset;
    body->total = OBJECT_SIZE;
    if (strcmp(node, "shifted") == 0) body->offset += 1;
    if (strcmp(node, "smaller") == 0) body->total -= 1;
    if (strcmp(node, "huge") == 0) body->total = UINT64_C(1) << 50;
    if (strcmp(node, "wrong") == 0) piece->data[size / 2] ^= 1;
    if (strcmp(node, "empty") == 0) {
        bytes_unref(&piece);
        piece = bytes_copy("", 0);
    }
    if (strcmp(node, "large") == 0) {
        bytes_unref(&piece);
        piece = bytes_create(ARTIFACT_PIECE_BYTES + 1);
        memset(piece->data, 0, piece->size);
    }
    if (strncmp(node, "good", 4) == 0 && world->good_pieces++ == 0) world->first_offset = request->offset;
    message_attach(reply, &piece);
    actor_reply(self, asked, &reply);
}

static bool answer(struct actor *self, void *context, const struct message *message)
{
    struct world *world = context;
    const struct transport_send *send = message->body;
    struct frame_header header;
    struct message *inner = NULL;
    frame_seal(message->attachment, &(struct frame_header){ .protocol = PROTOCOL_MAX });
    const struct bytes *frame = message->attachment;
    if (frame_parse(frame->data, frame->size, &header, NULL) != STATUS_OK) return false;
    if (frame_decode(frame->data, frame->size, &header, &inner, NULL) != STATUS_OK) return false;
    const Pb__ArtifactPieceRequest *request = inner->body;
    bool breaks = strcmp(send->node, "breaks") == 0 && request->offset > 0;
    if (inner->kind != KIND_ARTIFACT_PIECE_REQUEST || send->channel != CHANNEL_DATA)
        actor_refuse(self, message, STATUS_INVALID); /* Bulk goes over the bulk connection. */
    else if (strcmp(send->node, "absent") == 0) actor_refuse(self, message, STATUS_NOT_FOUND);
    else if (strcmp(send->node, "lost") == 0 || breaks) actor_refuse(self, message, STATUS_NODE_LOST);
    else give(self, world, message, send->node, request);
    message_destroy(&inner);
    return true;
}

/* --- the fixture ---------------------------------------------------------------------------------------- */

static int set_up(void **state)
{
    struct world *world = memory_zalloc(sizeof *world);
    struct digest digest;
    for (size_t i = 0; i < OBJECT_SIZE; i++)
        world->object[i] = (uint8_t)(i * 7 + i / 253);
    FILE *self = fopen("/proc/self/exe", "rbe"); /* For its header: a PIE is ET_DYN, too. */
    assert_non_null(self);
    assert_int_equal(fread(world->object, 1, 20, self), 20);
    (void)fclose(self);
    digest_begin(&digest, DIGEST_SHA256);
    digest_add(&digest, world->object, OBJECT_SIZE);
    digest_end(&digest, world->sha256);
    world->files = sim_files_create();
    world->options = (struct artifact_store_options){ .files = sim_files_port(world->files),
                                                      .directory = "/data",
                                                      .download_bytes_max = SIZE_MAX_ALLOWED };
    world->probe = pool_probe_create("node-1");
    pool_probe_stub(world->probe, TO_TRANSPORT, answer, world);
    (void)pool_probe_spawn(world->probe, &artifact_store_behavior, &world->options, TO_ARTIFACT_STORE);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    pool_probe_destroy(&world->probe);
    sim_files_destroy(&world->files);
    memory_free(world);
    return 0;
}

/* Sources apart by spaces. */
static struct probe_result copy(struct world *world, const char *sources, uint64_t size)
{
    struct message *message = wire_message_create(KIND_ARTIFACT_COPY_REQUEST);
    Pb__ArtifactCopyRequest *request = message->body;
    char *list = arena_strdup(&message->arena, sources), *rest = NULL;
    request->artifact = wire_string(message, "org.test:one:1.0");
    request->sha256 = wire_string(message, world->sha256);
    request->size = size;
    request->sources = arena_array(&message->arena, 8, sizeof *request->sources);
    for (char *name = strtok_r(list, " ", &rest); name != NULL; name = strtok_r(NULL, " ", &rest))
        request->sources[request->n_sources++] = name;
    return pool_probe_ask_name(world->probe, TO_ARTIFACT_STORE, &message, SECONDS(20));
}

static bool has(const struct world *world)
{
    char path[128];
    (void)snprintf(path, sizeof path, "/data/artifacts/%s", world->sha256);
    return sim_files_has(world->files, path);
}

static void assert_copied(struct world *world, const char *sources, uint64_t size)
{
    struct probe_result result = copy(world, sources, size);
    if (result.status != STATUS_OK) fail_msg("%s: %s", sources, result.error.message);
    message_destroy(&result.message);
    assert_true(has(world));
    assert_int_equal(sim_files_count(world->files, "/data/artifacts/tmp"), 0);
}

static void assert_refused(struct world *world, const char *sources, enum status status)
{
    struct probe_result result = copy(world, sources, OBJECT_SIZE);
    if (result.status != status)
        fail_msg("%s: %s %s", sources, status_name(result.status), result.error.message);
    assert_false(has(world));
}

static struct probe_result ask_piece(struct world *world, const char *sha256, uint64_t offset, uint32_t size)
{
    struct message *message = wire_message_create(KIND_ARTIFACT_PIECE_REQUEST);
    Pb__ArtifactPieceRequest *request = message->body;
    request->sha256 = wire_string(message, sha256);
    request->offset = offset;
    request->size = size;
    return pool_probe_ask_name(world->probe, TO_ARTIFACT_STORE, &message, SECONDS(20));
}

/* --- tests ---------------------------------------------------------------------------------------------- */

static void one_source_after_the_other(void **state)
{
    struct world *world = *state;
    assert_copied(world, "lost absent good", OBJECT_SIZE);
    assert_int_equal(world->good_pieces, 3);
    struct probe_result again = copy(world, "lost", OBJECT_SIZE);
    assert_int_equal(again.status, STATUS_OK);
    assert_true(((const Pb__ArtifactCopyReply *)again.message->body)->was_there);
    message_destroy(&again.message);
}

static void the_size_may_be_unknown(void **state)
{
    struct world *world = *state;
    assert_copied(world, "huge good", 0);
}

static void what_was_begun_is_continued(void **state)
{
    struct world *world = *state;
    assert_refused(world, "breaks", STATUS_NODE_LOST);
    assert_int_equal(sim_files_count(world->files, "/data/artifacts/tmp"), 1);
    assert_copied(world, "good", OBJECT_SIZE); /* From where the other one broke off. */
    assert_int_equal(world->first_offset, ARTIFACT_PIECE_BYTES);
    assert_int_equal(world->good_pieces, 2);
}

static void liars_cost_themselves(void **state)
{
    struct world *world = *state;
    assert_refused(world, "shifted", STATUS_CORRUPT);
    assert_refused(world, "smaller", STATUS_CORRUPT);
    assert_refused(world, "empty", STATUS_CORRUPT);
    assert_refused(world, "large", STATUS_CORRUPT);
    assert_refused(world, "wrong", STATUS_CORRUPT);
    assert_copied(world, "shifted smaller empty large wrong good", OBJECT_SIZE);
}

static void a_wrong_beginning_is_thrown_away(void **state)
{
    struct world *world = *state;
    char path[160];
    (void)snprintf(path, sizeof path, "/data/artifacts/tmp/%s.copy", world->sha256);
    sim_files_write(world->files, path, "rubbish", 7);
    assert_copied(world, "good", OBJECT_SIZE); /* Continued, found wrong, fetched from the start. */
}

static void bad_requests_are_refused(void **state)
{
    struct world *world = *state;
    assert_refused(world, "", STATUS_INVALID);
    struct probe_result large = copy(world, "good", SIZE_MAX_ALLOWED + 1);
    assert_int_equal(large.status, STATUS_INVALID);
    memset(world->sha256, 'Z', 64);
    assert_refused(world, "good", STATUS_INVALID);
}

static void pieces_are_given_and_nothing_else(void **state)
{
    struct world *world = *state;
    assert_int_equal(ask_piece(world, world->sha256, 0, 100).status, STATUS_NOT_FOUND);
    assert_copied(world, "good", OBJECT_SIZE);
    struct probe_result piece = ask_piece(world, world->sha256, 1000, 100);
    assert_int_equal(piece.status, STATUS_OK);
    assert_int_equal(piece.message->attachment->size, 100);
    assert_memory_equal(piece.message->attachment->data, world->object + 1000, 100);
    assert_int_equal(((const Pb__ArtifactPieceReply *)piece.message->body)->total, OBJECT_SIZE);
    message_destroy(&piece.message);
    piece = ask_piece(world, world->sha256, OBJECT_SIZE - 10, 100);
    assert_int_equal(piece.message->attachment->size, 10);
    message_destroy(&piece.message);
    assert_int_equal(ask_piece(world, world->sha256, OBJECT_SIZE, 100).status, STATUS_INVALID);
    assert_int_equal(ask_piece(world, world->sha256, UINT64_MAX, 100).status, STATUS_INVALID);
    assert_int_equal(ask_piece(world, world->sha256, 0, 0).status, STATUS_INVALID);
    assert_int_equal(ask_piece(world, world->sha256, 0, ARTIFACT_PIECE_BYTES + 1).status, STATUS_INVALID);
    assert_int_equal(ask_piece(world, "../../../etc/passwd", 0, 100).status, STATUS_INVALID);
}

#define COPY_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        COPY_TEST(one_source_after_the_other),        COPY_TEST(the_size_may_be_unknown),
        COPY_TEST(what_was_begun_is_continued),       COPY_TEST(liars_cost_themselves),
        COPY_TEST(a_wrong_beginning_is_thrown_away),  COPY_TEST(bad_requests_are_refused),
        COPY_TEST(pieces_are_given_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
