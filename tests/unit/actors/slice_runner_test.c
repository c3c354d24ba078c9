/* Goal: a slice sees its hooks in the order that slice.h draws, its calls answered once, its timers and
 * wishes completed as promised; and what it does wrong (twice answered, late, too much) harms nobody. Method:
 * a slice of this file's own behind a library port that "loads" it; frames in, frames out, by hand. */
#include "actors/slice/slice_runner.h"

#include "actors/slice/sdk/aether/slice.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

/* --- the slice under test ------------------------------------------------------------------------------ */

enum { ENTRY_ECHO = 7, ENTRY_LATER = 8, ENTRY_ASK = 9 };

static struct {
    const struct aether_host *host;
    char hooks[256]; /* In the order of their calls: "create start ..." */
    int32_t create_says;
    int32_t health_says;
    struct aether_call *held;
    unsigned timers;
    int32_t wish_status;
    char wish_value[64];
    uint64_t wish_revision;
    size_t state_size; /* Of what it leaves; each byte is its own position's. */
    int32_t state_says;
    size_t restored_size;
    bool restored_well;
    int32_t config_says;
    char config[32];
} slice;

static void note(const char *hook)
{
    size_t used = strlen(slice.hooks);
    snprintf(slice.hooks + used, sizeof slice.hooks - used, "%s ", hook);
}

static struct aether_bytes bytes_of(const char *text)
{
    return (struct aether_bytes){ text, strlen(text) };
}

static int32_t on_create(const struct aether_host *host, struct aether_bytes config, void **out_instance)
{
    note("create");
    assert_int_equal(config.size, 7);
    assert_memory_equal(config.data, "{\"a\":1}", 7);
    slice.host = host;
    *out_instance = &slice;
    if (slice.create_says != AETHER_OK) host->explain(host, "no room today");
    return slice.create_says;
}

static int32_t on_start(void *instance)
{
    assert_ptr_equal(instance, &slice);
    note("start");
    return AETHER_OK;
}

static void on_answered(void *instance, void *context, const struct aether_result *result)
{
    assert_ptr_equal(instance, &slice);
    assert_string_equal(context, "ctx");
    slice.wish_status = result->status;
    slice.wish_revision = result->revision;
    snprintf(slice.wish_value, sizeof slice.wish_value, "%.*s", (int)result->value.size,
             (const char *)result->value.data);
}

static void on_handle(void *instance, struct aether_call *call, const struct aether_request *request)
{
    (void)instance;
    static char context[] = "ctx";
    const struct aether_host *host = slice.host;
    if (request->entry == ENTRY_ECHO) {
        host->reply(host, call, AETHER_OK, request->payload);
        host->reply(host, call, AETHER_OK, request->payload); /* Twice: must not be seen. */
        assert_null(host->alloc(host, call, 1));
    } else if (request->entry == ENTRY_LATER) {
        char *memory = host->alloc(host, call, 100);
        assert_non_null(memory);
        assert_int_equal(memory[99], 0);
        slice.held = call;
    } else {
        struct aether_invoke invoke = { sizeof invoke, "g:a/e", request->payload, call, 0, NULL, "k-1" };
        assert_int_equal(host->invoke(host, &invoke, on_answered, context), AETHER_OK);
        slice.held = call;
    }
}

static int32_t on_stop(void *instance)
{
    (void)instance;
    note("stop");
    return AETHER_OK;
}

static void on_destroy(void *instance)
{
    (void)instance;
    note("destroy");
}

static int32_t on_health(void *instance)
{
    (void)instance;
    return slice.health_says;
}

static int32_t on_snapshot(void *instance, int32_t (*write)(void *context, struct aether_bytes part),
                           void *context)
{
    (void)instance;
    note("snapshot");
    uint8_t *state = memory_alloc(slice.state_size + 1);
    for (size_t i = 0; i < slice.state_size; i++)
        state[i] = (uint8_t)i;
    int32_t status = write(context, (struct aether_bytes){ state, slice.state_size / 2 });
    size_t rest = slice.state_size - slice.state_size / 2;
    if (status == AETHER_OK)
        status = write(context, (struct aether_bytes){ state + slice.state_size / 2, rest });
    memory_free(state);
    return status != AETHER_OK ? status : slice.state_says;
}

static int32_t on_restore(void *instance, struct aether_bytes state)
{
    (void)instance;
    note("restore");
    slice.restored_size = state.size;
    slice.restored_well = true;
    for (size_t i = 0; i < state.size; i++)
        slice.restored_well &= ((const uint8_t *)state.data)[i] == (uint8_t)i;
    return slice.state_says;
}

static int32_t on_config_changed(void *instance, struct aether_bytes config)
{
    (void)instance;
    note("config_changed");
    snprintf(slice.config, sizeof slice.config, "%.*s", (int)config.size, (const char *)config.data);
    return slice.config_says;
}

static const struct aether_entry entries[] = {
    { "echo", ENTRY_ECHO, AETHER_READONLY, 0, 0 },
    { "later", ENTRY_LATER, 0, 0, 1 },
    { "ask", ENTRY_ASK, 0, 0, 0 },
};

#define DESCRIPTOR(...)                                                                                      \
    {                                                                                                        \
        AETHER_SLICE_HEAD, "org.test", "probe", "1.0.0", AETHER_ENTRIES(entries), AETHER_NO_DEPENDENCIES,    \
            on_create, on_start, on_handle, on_stop, on_destroy, on_health, NULL, NULL, NULL                 \
    }
static const struct aether_slice good = DESCRIPTOR();

/* --- the world around it ------------------------------------------------------------------------------- */

struct world {
    struct aether_slice descriptor;
    bool has_descriptor;
    bool opened;
    int64_t now_ns;
    struct slice_runner *runner;
    struct slice_runner_options options;
    struct library_port libraries;
    struct clock clock;
    struct random random;
    struct bytes *said[64]; /* Frames, oldest first. */
    unsigned said_count;
    struct bytes *given; /* The buffer that the last frame came in. */
    unsigned said_read;
};

static enum status fake_open(void *context, const char *path, struct library **out_library,
                             struct error *error)
{
    struct world *world = context;
    if (strcmp(path, "/none.so") == 0) return error_set(error, STATUS_INVALID, "no such object");
    world->opened = true;
    *out_library = (struct library *)context;
    return STATUS_OK;
}

static void *fake_symbol(void *context, struct library *library, const char *name)
{
    struct world *world = context;
    assert_ptr_equal(library, context);
    assert_string_equal(name, "AETHER_SLICE_DESCRIPTOR");
    return world->has_descriptor ? &world->descriptor : NULL;
}

static bool fake_close(void *context, struct library **library)
{
    ((struct world *)context)->opened = false;
    *library = NULL;
    return true;
}

static int64_t fake_now_ns(void *context)
{
    return ((struct world *)context)->now_ns;
}

static int64_t fake_wall_ms(void *context)
{
    return ((struct world *)context)->now_ns / 1000000;
}

static void fake_fill(void *context, void *buffer, size_t size)
{
    (void)context;
    memset(buffer, 4, size);
}

static void hear(void *context, const struct slice_frame *frame)
{
    struct world *world = context;
    struct arena arena = { 0 };
    const void *head;
    size_t size;
    assert_int_equal(slice_frame_encode(frame, &arena, &head, &size, NULL), STATUS_OK);
    struct bytes *bytes = bytes_create(size + frame->payload_size);
    memcpy(bytes->data, head, size);
    if (frame->payload_size > 0) memcpy(bytes->data + size, frame->payload, frame->payload_size);
    arena_fini(&arena);
    assert_true(world->said_count < 64);
    world->said[world->said_count++] = bytes;
}

static struct world *world_create(void)
{
    memset(&slice, 0, sizeof slice);
    struct world *world = memory_zalloc(sizeof *world);
    world->descriptor = good;
    world->has_descriptor = true;
    world->now_ns = SECONDS(100);
    world->libraries = (struct library_port){ world, fake_open, fake_symbol, fake_close };
    world->clock = (struct clock){ fake_now_ns, fake_wall_ms, world };
    world->random = (struct random){ fake_fill, world };
    world->options =
        (struct slice_runner_options){ hear, world, &world->clock, &world->random, &world->libraries };
    world->runner = slice_runner_create(&world->options);
    return world;
}

static void world_destroy(struct world **world)
{
    slice_runner_destroy(&(*world)->runner, NULL);
    assert_false((*world)->opened);
    for (unsigned i = 0; i < (*world)->said_count; i++)
        bytes_unref(&(*world)->said[i]);
    memory_free(*world);
    *world = NULL;
}

static void say(struct world *world, struct slice_frame frame)
{
    for (int i = 0; i < SLICE_FRAME_WORDS; i++)
        if (frame.words[i] == NULL) frame.words[i] = "";
    slice_runner_take(world->runner, &frame);
}

static struct slice_frame heard(struct world *world, uint32_t type)
{
    assert_true(world->said_read < world->said_count);
    struct slice_frame frame;
    assert_int_equal(slice_frame_decode(world->said[world->said_read++], &frame, NULL), STATUS_OK);
    assert_int_equal(frame.type, type);
    return frame;
}

static void heard_nothing(const struct world *world)
{
    assert_int_equal(world->said_read, world->said_count);
}

static void load(struct world *world, const char *path, const char *artifact, enum status expected)
{
    say(world, (struct slice_frame){ .type = SLICE_FRAME_LOAD,
                                     .id = 1,
                                     .number = 3,
                                     .words = { path, artifact, "node-1" },
                                     .payload = "{\"a\":1}",
                                     .payload_size = 7 });
    assert_int_equal(heard(world, SLICE_FRAME_DONE).status, expected);
}

static struct world *started(void)
{
    struct world *world = world_create();
    load(world, "/probe.so", "org.test:probe:1.0.0", STATUS_OK);
    say(world, (struct slice_frame){ .type = SLICE_FRAME_START, .id = 2 });
    assert_int_equal(heard(world, SLICE_FRAME_DONE).status, STATUS_OK);
    return world;
}

static void call(struct world *world, uint64_t id, uint32_t entry, const char *payload)
{
    say(world, (struct slice_frame){ .type = SLICE_FRAME_CALL,
                                     .id = id,
                                     .number = entry,
                                     .budget_ns = SECONDS(2),
                                     .request_id = { 5, 6 },
                                     .payload = payload,
                                     .payload_size = strlen(payload) });
}

/* --- the tests ----------------------------------------------------------------------------------------- */

static void hooks_come_in_order(void **unused)
{
    (void)unused;
    struct world *world = started();
    assert_int_equal(slice.host->instance, 3);
    assert_string_equal(slice.host->artifact, "org.test:probe:1.0.0");
    assert_string_equal(slice.host->node, "node-1");
    say(world, (struct slice_frame){ .type = SLICE_FRAME_STOP, .id = 3 });
    say(world, (struct slice_frame){ .type = SLICE_FRAME_START, .id = 4 });
    say(world, (struct slice_frame){ .type = SLICE_FRAME_DESTROY, .id = 5 });
    assert_string_equal(slice.hooks, "create start stop start stop destroy ");
    assert_true(slice_runner_is_destroyed(world->runner));
    world_destroy(&world);
}

static void other_descriptors_are_refused_before_any_hook(void **unused)
{
    (void)unused;
    struct world *world = world_create();
    load(world, "/none.so", "org.test:probe:1.0.0", STATUS_INVALID);
    world_destroy(&world);
    world = world_create();
    world->has_descriptor = false;
    load(world, "/probe.so", "org.test:probe:1.0.0", STATUS_INVALID);
    world_destroy(&world);
    world = world_create();
    load(world, "/probe.so", "org.test:probe:1.0.1", STATUS_VERSION_MISMATCH);
    world_destroy(&world);
    world = world_create();
    world->descriptor.abi_major++;
    load(world, "/probe.so", "org.test:probe:1.0.0", STATUS_VERSION_MISMATCH);
    world_destroy(&world);
    world = world_create();
    world->descriptor.magic++;
    load(world, "/probe.so", "org.test:probe:1.0.0", STATUS_INVALID);
    world_destroy(&world);
    world = world_create();
    world->descriptor.size--;
    load(world, "/probe.so", "org.test:probe:1.0.0", STATUS_INVALID);
    world_destroy(&world);
    world = world_create();
    world->descriptor.handle = NULL;
    load(world, "/probe.so", "org.test:probe:1.0.0", STATUS_INVALID);
    world_destroy(&world);
    assert_string_equal(slice.hooks, "");
}

static void a_longer_descriptor_of_a_later_minor_is_taken(void **unused)
{
    (void)unused;
    struct {
        struct aether_entry entry;
        uint64_t later;
    } rows[2] = { { entries[0], 1 }, { entries[1], 2 } };
    struct world *world = world_create();
    world->descriptor.abi_minor++;
    world->descriptor.size += 64;
    world->descriptor.entries = &rows[0].entry;
    world->descriptor.entry_count = 2;
    world->descriptor.entry_size = sizeof rows[0];
    load(world, "/probe.so", "org.test:probe:1.0.0", STATUS_OK);
    world_destroy(&world);
}

static void a_hooks_no_is_told_in_its_words(void **unused)
{
    (void)unused;
    struct world *world = world_create();
    slice.create_says = AETHER_OVERLOADED;
    say(world, (struct slice_frame){ .type = SLICE_FRAME_LOAD,
                                     .id = 1,
                                     .words = { "/probe.so", "org.test:probe:1.0.0", "n" },
                                     .payload = "{\"a\":1}",
                                     .payload_size = 7 });
    struct slice_frame done = heard(world, SLICE_FRAME_DONE);
    assert_int_equal(done.status, STATUS_APP_ERROR);
    assert_string_equal(done.words[0], "create said OVERLOADED: no room today");
    say(world, (struct slice_frame){ .type = SLICE_FRAME_DESTROY, .id = 2 });
    assert_string_equal(slice.hooks, "create "); /* What was never created is not destroyed. */
    world_destroy(&world);
}

static void calls_are_answered_once(void **unused)
{
    (void)unused;
    struct world *world = started();
    call(world, 10, ENTRY_ECHO, "hello");
    struct slice_frame reply = heard(world, SLICE_FRAME_REPLY);
    assert_true(reply.id == 10 && reply.status == STATUS_OK);
    assert_memory_equal(reply.payload, "hello", 5);
    heard_nothing(world);
    call(world, 11, 99, "hello"); /* No such entry point. */
    assert_int_equal(heard(world, SLICE_FRAME_REPLY).status, STATUS_NOT_READY);
    world_destroy(&world);
}

static void a_late_reply_goes_nowhere_and_concurrency_is_kept(void **unused)
{
    (void)unused;
    struct world *world = started();
    const struct aether_host *host = slice.host;
    call(world, 10, ENTRY_LATER, "a");
    heard_nothing(world);
    struct aether_call *first = slice.held;
    call(world, 11, ENTRY_LATER, "b"); /* concurrency_max is 1. */
    assert_int_equal(heard(world, SLICE_FRAME_REPLY).status, STATUS_OVERLOADED);
    say(world, (struct slice_frame){ .type = SLICE_FRAME_CANCEL, .id = 10 });
    call(world, 12, ENTRY_LATER, "c"); /* Given up, but the slice still works on it. */
    assert_int_equal(heard(world, SLICE_FRAME_REPLY).status, STATUS_OVERLOADED);
    host->reply(host, first, AETHER_OK, bytes_of("late"));
    heard_nothing(world);
    call(world, 13, ENTRY_LATER, "d");
    host->reply(host, first, AETHER_OK, bytes_of("stale handle, same slot"));
    heard_nothing(world);
    host->reply(host, slice.held, AETHER_APP_ERROR, bytes_of("because"));
    struct slice_frame reply = heard(world, SLICE_FRAME_REPLY);
    assert_true(reply.id == 13 && reply.status == STATUS_APP_ERROR);
    assert_memory_equal(reply.payload, "because", 7);
    world_destroy(&world);
}

static struct world *started_with_all_hooks(void)
{
    struct world *world = world_create();
    world->descriptor.snapshot = on_snapshot;
    world->descriptor.restore = on_restore;
    world->descriptor.config_changed = on_config_changed;
    load(world, "/probe.so", "org.test:probe:1.0.0", STATUS_OK);
    say(world, (struct slice_frame){ .type = SLICE_FRAME_START, .id = 2 });
    assert_int_equal(heard(world, SLICE_FRAME_DONE).status, STATUS_OK);
    return world;
}

static void the_node_learns_which_hooks_there_are(void **unused)
{
    (void)unused;
    struct world *world = world_create();
    world->descriptor.restore = on_restore;
    say(world, (struct slice_frame){ .type = SLICE_FRAME_LOAD,
                                     .id = 1,
                                     .words = { "/probe.so", "org.test:probe:1.0.0", "n" },
                                     .payload = "{\"a\":1}",
                                     .payload_size = 7 });
    assert_int_equal(heard(world, SLICE_FRAME_DONE).number, SLICE_HOOK_RESTORE);
    world_destroy(&world);
}

static void a_configuration_is_taken_over_or_refused(void **unused)
{
    (void)unused;
    struct world *world = started_with_all_hooks();
    struct slice_frame configure = {
        .type = SLICE_FRAME_CONFIGURE, .id = 3, .payload = "{\"a\":2}", .payload_size = 7
    };
    say(world, configure);
    assert_int_equal(heard(world, SLICE_FRAME_DONE).status, STATUS_OK);
    assert_string_equal(slice.config, "{\"a\":2}");
    assert_memory_equal(slice.host->config(slice.host).data, "{\"a\":2}", 7);
    slice.config_says = AETHER_INVALID;
    configure.payload = "{\"a\":3}";
    say(world, configure);
    struct slice_frame done = heard(world, SLICE_FRAME_DONE);
    assert_int_equal(done.status, STATUS_APP_ERROR);
    assert_string_equal(done.words[0], "config_changed said INVALID");
    assert_memory_equal(slice.host->config(slice.host).data, "{\"a\":2}", 7); /* The old one stands. */
    world_destroy(&world);
    world = started();
    say(world, configure);
    assert_int_equal(heard(world, SLICE_FRAME_DONE).status, STATUS_NOT_FOUND);
    world_destroy(&world);
}

/* What one instance leaves, in pieces as a frame can carry, is what its successor gets. */
static void a_state_goes_from_one_instance_to_the_next(void **unused)
{
    (void)unused;
    struct world *world = started_with_all_hooks();
    slice.state_size = 3 * (size_t)AETHER_PAYLOAD_MAX + 5;
    say(world, (struct slice_frame){ .type = SLICE_FRAME_STOP, .id = 3, .number = 1 });
    struct text state = { 0 };
    while (world->said_read + 1 < world->said_count) {
        struct slice_frame piece = heard(world, SLICE_FRAME_STATE);
        assert_int_equal(piece.id, 3);
        text_add_bytes(&state, piece.payload, piece.payload_size);
    }
    assert_int_equal(heard(world, SLICE_FRAME_DONE).number, 1); /* It is whole. */
    assert_int_equal(state.size, slice.state_size);
    assert_string_equal(slice.hooks, "create start snapshot stop ");
    world_destroy(&world);

    world = world_create();
    world->descriptor.restore = on_restore;
    load(world, "/probe.so", "org.test:probe:1.0.0", STATUS_OK);
    for (size_t at = 0; at < state.size;) {
        size_t piece = state.size - at < AETHER_PAYLOAD_MAX ? state.size - at : AETHER_PAYLOAD_MAX;
        heard_nothing(world);
        say(world, (struct slice_frame){ .type = SLICE_FRAME_RESTORE,
                                         .id = 2,
                                         .number = state.size - at - piece,
                                         .payload = state.data + at,
                                         .payload_size = piece });
        at += piece;
    }
    assert_int_equal(heard(world, SLICE_FRAME_DONE).status, STATUS_OK);
    assert_true(slice.restored_well);
    assert_int_equal(slice.restored_size, state.size);
    text_fini(&state);
    world_destroy(&world);
}

static void a_state_that_is_not_whole_is_none(void **unused)
{
    (void)unused;
    struct world *world = started_with_all_hooks();
    slice.state_size = 10;
    slice.state_says = AETHER_APP_ERROR;
    say(world, (struct slice_frame){ .type = SLICE_FRAME_STOP, .id = 3, .number = 1 });
    (void)heard(world, SLICE_FRAME_STATE);
    (void)heard(world, SLICE_FRAME_STATE);
    assert_string_equal(heard(world, SLICE_FRAME_LOG).words[0], "snapshot said APP_ERROR");
    struct slice_frame done = heard(world, SLICE_FRAME_DONE);
    assert_true(done.status == STATUS_OK && done.number == 0); /* Stopped all the same. */
    world_destroy(&world);
    world = started_with_all_hooks();
    slice.state_size = 2 * (size_t)AETHER_SNAPSHOT_MAX + 2; /* Its first half is too large already. */
    say(world, (struct slice_frame){ .type = SLICE_FRAME_STOP, .id = 3, .number = 1 });
    assert_string_equal(heard(world, SLICE_FRAME_LOG).words[0], "snapshot said OVERLOADED");
    assert_int_equal(heard(world, SLICE_FRAME_DONE).number, 0);
    world_destroy(&world);
}

/* This cluster has nobody to publish to, and says so (slice.h). */
static void publishing_is_not_ready(void **unused)
{
    (void)unused;
    struct world *world = started();
    assert_int_equal(slice.host->publish(slice.host, "topic", bytes_of("1")), AETHER_NOT_READY);
    heard_nothing(world);
    world_destroy(&world);
}

static void a_wish_inherits_and_completes_once(void **unused)
{
    (void)unused;
    struct world *world = started();
    call(world, 10, ENTRY_ASK, "question");
    struct slice_frame wish = heard(world, SLICE_FRAME_INVOKE);
    assert_string_equal(wish.words[0], "g:a/e");
    assert_string_equal(wish.words[2], "k-1");
    assert_int_equal(wish.number, 10); /* Its parent, by the node's number. */
    assert_int_equal(wish.status, 0);  /* It left the deadline to others. */
    assert_true(wish.request_id.high == 5 && wish.request_id.low == 6);
    assert_true(wish.budget_ns == SECONDS(2)); /* 30 s by default, but its parent has 2 s left. */
    uint64_t id = wish.id;
    say(world,
        (struct slice_frame){
            .type = SLICE_FRAME_ANSWER, .id = id, .number = 41, .payload = "answer", .payload_size = 6 });
    assert_string_equal(slice.wish_value, "answer");
    assert_int_equal(slice.wish_revision, 41);
    slice.wish_value[0] = '\0';
    say(world,
        (struct slice_frame){ .type = SLICE_FRAME_ANSWER, .id = id, .payload = "x", .payload_size = 1 });
    assert_string_equal(slice.wish_value, "");
    world_destroy(&world);
}

/* What the frame said lies in the buffer itself: nothing was copied on the way. */
static void hear_in_place(void *context, const struct slice_frame *frame)
{
    struct world *world = context;
    if (frame->type == SLICE_FRAME_DONE) hear(context, frame);
    else if (frame->whole != NULL && frame->whole->data == frame->payload)
        world->given = bytes_ref(frame->whole);
}

static struct aether_call *held(struct world *world, uint64_t id)
{
    call(world, id, ENTRY_LATER, "");
    return slice.held;
}

static void a_buffer_is_given_away_with_what_is_in_it(void **unused)
{
    (void)unused;
    struct world *world = started();
    const struct aether_host *host = slice.host;
    world->options.emit = hear_in_place;
    assert_true(AETHER_HOST_HAS(host, drop));
    char *buffer = host->buffer(host, 100000);
    assert_true((uintptr_t)buffer % 16 == 0);
    memset(buffer, 'x', 100000);
    host->reply(host, held(world, 10), AETHER_OK, (struct aether_bytes){ buffer, 90000 });
    assert_ptr_equal(world->given->data, buffer);
    bytes_unref(&world->given);
    buffer = host->buffer(host, 20000);
    struct aether_invoke invoke = { sizeof invoke, "g:a/e", { buffer, 20000 }, NULL, 0, NULL, NULL };
    assert_int_equal(host->invoke(host, &invoke, on_answered, NULL), AETHER_OK);
    assert_ptr_equal(world->given->data, buffer);
    bytes_unref(&world->given);
    /* Not from its beginning: that is copied, and the buffer stays. */
    buffer = host->buffer(host, 20000);
    memset(buffer, 'y', 20000);
    host->reply(host, held(world, 11), AETHER_OK, (struct aether_bytes){ buffer + 1, 10 });
    assert_null(world->given);
    host->drop(host, buffer);
    host->drop(host, NULL);
    world_destroy(&world);
}

static void buffers_are_bounded_and_taken_by_what_fails(void **unused)
{
    (void)unused;
    struct world *world = started();
    const struct aether_host *host = slice.host;
    char *buffers[AETHER_BUFFERS_MAX];
    assert_null(host->buffer(host, AETHER_PAYLOAD_MAX + 1));
    for (int i = 0; i < AETHER_BUFFERS_MAX; i++)
        assert_non_null(buffers[i] = host->buffer(host, 10));
    assert_null(host->buffer(host, 10));
    struct aether_invoke invoke = { sizeof invoke, "", { buffers[0], 10 }, NULL, 0, NULL, NULL };
    assert_int_equal(host->invoke(host, &invoke, on_answered, NULL), AETHER_INVALID);
    struct aether_bytes longer = { buffers[1], 11 };
    assert_int_equal(host->kv_put(host, "k", longer, 0, on_answered, NULL), AETHER_INVALID);
    longer.data = buffers[2];
    host->reply(host, held(world, 10), AETHER_OK, longer);
    assert_int_equal(heard(world, SLICE_FRAME_REPLY).status, AETHER_INVALID);
    host->reply(host, slice.held, AETHER_OK, (struct aether_bytes){ buffers[3], 10 }); /* Answered before. */
    heard_nothing(world);
    for (int i = 0; i < 4; i++)
        assert_non_null(host->buffer(host, 10));
    assert_null(host->buffer(host, 10));
    world_destroy(&world); /* What it still holds goes with it (ASan). */
}

static void a_slice_learns_that_nobody_waits(void **unused)
{
    (void)unused;
    struct world *world = started();
    const struct aether_host *host = slice.host;
    assert_true(AETHER_HOST_HAS(host, is_cancelled));
    call(world, 10, ENTRY_LATER, "a");
    struct aether_call *held = slice.held;
    assert_false(host->is_cancelled(host, held));
    say(world, (struct slice_frame){ .type = SLICE_FRAME_CANCEL, .id = 10 });
    assert_true(host->is_cancelled(host, held));
    host->reply(host, held, AETHER_OK, bytes_of("late"));
    heard_nothing(world);
    assert_true(host->is_cancelled(host, held)); /* Answered: nobody waits either. */
    call(world, 11, ENTRY_LATER, "b");
    world->now_ns += SECONDS(3); /* Past its deadline. */
    assert_true(host->is_cancelled(host, slice.held));
    world_destroy(&world);
}

/* What was compiled against minor 0 says a shorter size; what names an ended parent asks for nobody. */
static void invokes_of_an_older_minor_and_of_ended_parents(void **unused)
{
    (void)unused;
    struct world *world = started();
    const struct aether_host *host = slice.host;
    static char context[] = "ctx";
    call(world, 10, ENTRY_LATER, "a");
    struct aether_invoke invoke = { .size = offsetof(struct aether_invoke, idempotency_key),
                                    .target = "g:a/e",
                                    .timeout_ns = SECONDS(1),
                                    .idempotency_key = "not read" };
    assert_int_equal(host->invoke(host, &invoke, on_answered, context), AETHER_OK);
    struct slice_frame wish = heard(world, SLICE_FRAME_INVOKE);
    assert_true(wish.number == 0 && wish.status == 1);
    assert_string_equal(wish.words[2] == NULL ? "" : wish.words[2], "");
    invoke.size--;
    assert_int_equal(host->invoke(host, &invoke, on_answered, context), AETHER_INVALID);
    invoke.size = sizeof invoke;
    invoke.parent = slice.held;
    host->reply(host, slice.held, AETHER_OK, bytes_of("done"));
    (void)heard(world, SLICE_FRAME_REPLY);
    assert_int_equal(host->invoke(host, &invoke, on_answered, context), AETHER_CANCELLED);
    heard_nothing(world);
    world_destroy(&world);
}

static void wishes_have_their_time_and_limits(void **unused)
{
    (void)unused;
    struct world *world = world_create();
    static char context[] = "ctx";
    load(world, "/probe.so", "org.test:probe:1.0.0", STATUS_OK);
    const struct aether_host *host = slice.host;
    assert_int_equal(host->kv_get(host, "k", on_answered, context), AETHER_NOT_READY);
    say(world, (struct slice_frame){ .type = SLICE_FRAME_START, .id = 2 });
    (void)heard(world, SLICE_FRAME_DONE);
    char name[AETHER_NAME_MAX + 1];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_int_equal(host->kv_get(host, name, on_answered, context), AETHER_INVALID);
    assert_int_equal(host->kv_get(host, "", on_answered, context), AETHER_INVALID);
    assert_int_equal(host->kv_put(host, "k", bytes_of("1"), 0, NULL, NULL), AETHER_INVALID);
    assert_int_equal(host->kv_put(host, "k", bytes_of("1"), 12, on_answered, context), AETHER_OK);
    struct slice_frame put = heard(world, SLICE_FRAME_KV_PUT);
    assert_true(put.number == 12 && strcmp(put.words[0], "k") == 0);
    assert_int_equal(host->publish(host, "topic", bytes_of("1")), AETHER_NOT_READY);
    world_destroy(&world);
}

static void on_timer(void *instance, void *context)
{
    (void)instance;
    slice.timers++;
    if (context != NULL) (void)slice.host->after(slice.host, 0, on_timer, NULL);
}

static void timers_fire_when_due_and_not_when_cancelled(void **unused)
{
    (void)unused;
    struct world *world = started();
    const struct aether_host *host = slice.host;
    assert_true(slice_runner_due_ns(world->runner) == INT64_MAX);
    uint64_t cancelled = host->after(host, MILLISECONDS(5), on_timer, NULL);
    assert_true(host->after(host, MILLISECONDS(10), on_timer, world) != 0);
    host->cancel(host, cancelled);
    host->cancel(host, cancelled);
    assert_true(slice_runner_due_ns(world->runner) == world->now_ns + MILLISECONDS(10));
    slice_runner_fire(world->runner);
    assert_int_equal(slice.timers, 0);
    world->now_ns += MILLISECONDS(10);
    slice_runner_fire(world->runner);
    assert_int_equal(slice.timers, 1); /* The one it armed waits for the next round. */
    slice_runner_fire(world->runner);
    assert_int_equal(slice.timers, 2);
    for (int i = 0; i < AETHER_TIMERS_MAX; i++)
        assert_true(host->after(host, SECONDS(1), on_timer, NULL) != 0);
    assert_true(host->after(host, SECONDS(1), on_timer, NULL) == 0);
    world_destroy(&world);
}

static void metrics_and_health_are_told_together(void **unused)
{
    (void)unused;
    struct world *world = started();
    const struct aether_host *host = slice.host;
    host->count(host, "hits", 2);
    host->count(host, "hits", 3);
    host->gauge(host, "hits", 1.5); /* A name is one or the other. */
    slice.health_says = AETHER_IO;
    say(world, (struct slice_frame){ .type = SLICE_FRAME_HEALTH, .id = 9 });
    struct slice_frame metric = heard(world, SLICE_FRAME_METRIC);
    assert_true(metric.number == 5 && metric.id == 0 && strcmp(metric.words[0], "hits") == 0);
    struct slice_frame done = heard(world, SLICE_FRAME_DONE);
    assert_true(done.id == 9 && done.status == STATUS_APP_ERROR);
    host->log(host, 99, "not UTF-8: \xff");
    assert_string_equal(heard(world, SLICE_FRAME_LOG).words[0], "not UTF-8: \xef\xbf\xbd");
    world_destroy(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hooks_come_in_order),
        cmocka_unit_test(other_descriptors_are_refused_before_any_hook),
        cmocka_unit_test(a_longer_descriptor_of_a_later_minor_is_taken),
        cmocka_unit_test(a_hooks_no_is_told_in_its_words),
        cmocka_unit_test(calls_are_answered_once),
        cmocka_unit_test(a_late_reply_goes_nowhere_and_concurrency_is_kept),
        cmocka_unit_test(the_node_learns_which_hooks_there_are),
        cmocka_unit_test(a_configuration_is_taken_over_or_refused),
        cmocka_unit_test(a_state_goes_from_one_instance_to_the_next),
        cmocka_unit_test(a_state_that_is_not_whole_is_none),
        cmocka_unit_test(publishing_is_not_ready),
        cmocka_unit_test(a_wish_inherits_and_completes_once),
        cmocka_unit_test(a_buffer_is_given_away_with_what_is_in_it),
        cmocka_unit_test(buffers_are_bounded_and_taken_by_what_fails),
        cmocka_unit_test(a_slice_learns_that_nobody_waits),
        cmocka_unit_test(invokes_of_an_older_minor_and_of_ended_parents),
        cmocka_unit_test(wishes_have_their_time_and_limits),
        cmocka_unit_test(timers_fire_when_due_and_not_when_cancelled),
        cmocka_unit_test(metrics_and_health_are_told_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
