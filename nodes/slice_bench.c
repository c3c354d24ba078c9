/* slice_bench: plays the node's part of actors/slice/slice_frame.h for one instance. */
#include "nodes/slice_bench.h"

#include "actors/slice/sdk/aether/slice.h"
#include "actors/slice/slice_runner.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "runtime/os/library.h"

#include <inttypes.h>
#include <string.h>

enum {
    EXIT_SCRIPT = 2,
    STUBS_MAX = 256,
    RECORDS_MAX = 1024,
    WISHES_MAX = AETHER_OUTBOUND_MAX,
    LINE_MAX_SIZE = 2048
};

struct stub { /* What another slice answers. */
    char target[AETHER_NAME_MAX];
    int32_t status;
    struct bytes *reply;
};

struct record { /* Of the store. */
    char key[AETHER_NAME_MAX];
    struct bytes *value;
    uint64_t revision;
};

struct wish { /* Waits for its answer until the runner is done with what it does. */
    uint64_t id;
    int32_t status;
    uint64_t revision;
    struct bytes *value;
};

struct bench {
    const char *path;
    char artifact[ARTIFACT_NAME_MAX]; /* As the slice calls itself. */
    FILE *script;
    FILE *results;
    struct slice_runner *runner;
    int64_t now_ns;
    uint64_t random;
    uint64_t step; /* Of the frame that was sent last, and whether its end came. */
    bool ended;
    struct stub stubs[STUBS_MAX];
    uint32_t stub_count;
    struct record records[RECORDS_MAX];
    uint32_t record_count;
    uint64_t revision;
    struct wish wishes[WISHES_MAX];
    uint32_t wish_count;
    struct instance_entry *entries; /* Of the slice; in the arena. */
    uint32_t entry_count;
    struct arena arena;
};

/* --- clock and chance ---------------------------------------------------------------------------------- */

static const int64_t start_ns = SECONDS(1000);
static const int64_t start_wall_ms = INT64_C(1767225600000); /* 2026-01-01 */

static int64_t monotonic_ns(void *context)
{
    return ((const struct bench *)context)->now_ns;
}

static int64_t wall_ms(void *context)
{
    return start_wall_ms + (monotonic_ns(context) - start_ns) / MILLISECONDS(1);
}

/* splitmix64: the same numbers in each run. */
static void fill_random(void *context, void *buffer, size_t size)
{
    struct bench *bench = context;
    for (size_t at = 0; at < size; at += sizeof(uint64_t)) {
        uint64_t word = bench->random += UINT64_C(0x9e3779b97f4a7c15);
        word = (word ^ word >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        word = (word ^ word >> 27) * UINT64_C(0x94d049bb133111eb);
        word ^= word >> 31;
        memcpy((char *)buffer + at, &word, size - at < sizeof word ? size - at : sizeof word);
    }
}

/* --- results ------------------------------------------------------------------------------------------- */

static void say_bytes(const struct bench *bench, const void *data, size_t size)
{
    if (size > 0) (void)fwrite(data, 1, size, bench->results);
    (void)fputc('\n', bench->results);
}

static void say_done(struct bench *bench, int32_t status, const void *data, size_t size)
{
    bench->ended = true;
    (void)fprintf(bench->results, "done %" PRId32 " %zu\n", status, size);
    say_bytes(bench, data, size);
    (void)fflush(bench->results);
}

/* --- what the slice wishes ----------------------------------------------------------------------------- */

/* The answer comes later, as the header promises: never inside the function that asked. */
static void answer_later(struct bench *bench, uint64_t id, int32_t status, uint64_t revision,
                         struct bytes *value)
{
    struct wish *wish = &bench->wishes[bench->wish_count++]; /* The runner keeps to AETHER_OUTBOUND_MAX. */
    *wish = (struct wish){ .id = id, .status = status, .revision = revision, .value = value };
}

static struct bytes *text_bytes(const char *text)
{
    return bytes_copy(text, strlen(text));
}

static const char *word_of(const struct slice_frame *frame)
{
    return frame->words[0] != NULL ? frame->words[0] : "";
}

static void on_invoke(struct bench *bench, const struct slice_frame *frame)
{
    (void)fprintf(bench->results, "invoked %s %zu\n", word_of(frame), frame->payload_size);
    say_bytes(bench, frame->payload, frame->payload_size);
    for (uint32_t i = 0; i < bench->stub_count; i++) {
        const struct stub *stub = &bench->stubs[i];
        if (strcmp(stub->target, word_of(frame)) != 0) continue;
        answer_later(bench, frame->id, stub->status, 0, bytes_ref(stub->reply));
        return;
    }
    answer_later(bench, frame->id, AETHER_NO_ENDPOINT, 0, text_bytes("the test says nothing of this target"));
}

static struct record *find_record(struct bench *bench, const char *key)
{
    for (uint32_t i = 0; i < bench->record_count; i++)
        if (strcmp(bench->records[i].key, key) == 0) return &bench->records[i];
    return NULL;
}

static void on_kv_get(struct bench *bench, const struct slice_frame *frame)
{
    const struct record *record = find_record(bench, word_of(frame));
    if (record == NULL) answer_later(bench, frame->id, AETHER_OK, 0, NULL);
    else answer_later(bench, frame->id, AETHER_OK, record->revision, bytes_ref(record->value));
}

static void on_kv_put(struct bench *bench, const struct slice_frame *frame)
{
    struct record *record = find_record(bench, word_of(frame));
    uint64_t present = record != NULL ? record->revision : 0;
    if (frame->number != AETHER_ANY_REVISION && frame->number != present) {
        answer_later(bench, frame->id, AETHER_CONFLICT, present, text_bytes("it has another revision"));
        return;
    }
    if (record == NULL && bench->record_count == RECORDS_MAX) {
        answer_later(bench, frame->id, AETHER_OVERLOADED, 0, text_bytes("the bench keeps 1,024 records"));
        return;
    }
    if (record == NULL) record = &bench->records[bench->record_count++];
    (void)text_copy(record->key, sizeof record->key, word_of(frame));
    bytes_unref(&record->value);
    record->value = bytes_copy(frame->payload, frame->payload_size);
    record->revision = ++bench->revision;
    answer_later(bench, frame->id, AETHER_OK, record->revision, NULL);
}

static void say_entries(struct bench *bench, const struct slice_frame *frame)
{
    if (frame->status != AETHER_OK || frame->payload_size == 0 || bench->entries != NULL) return;
    if (slice_frame_get_entries(frame->payload, frame->payload_size, &bench->arena, &bench->entries,
                                &bench->entry_count, NULL) != STATUS_OK)
        return;
    for (uint32_t i = 0; i < bench->entry_count; i++) {
        const struct instance_entry *entry = &bench->entries[i];
        unsigned flags =
            (entry->readonly ? AETHER_READONLY : 0u) | (entry->idempotent ? AETHER_IDEMPOTENT : 0u);
        (void)fprintf(bench->results, "entry %s %u %u %u %u\n", entry->name, entry->id, flags,
                      entry->deadline_ms, entry->concurrency_max);
    }
}

static void emit(void *context, const struct slice_frame *frame)
{
    struct bench *bench = context;
    const char *text = word_of(frame);
    switch (frame->type) {
    case SLICE_FRAME_DONE:
        say_entries(bench, frame);
        if (frame->id == bench->step) say_done(bench, frame->status, text, strlen(text));
        break;
    case SLICE_FRAME_REPLY:
        if (frame->id == bench->step && !bench->ended)
            say_done(bench, frame->status, frame->payload, frame->payload_size);
        break;
    case SLICE_FRAME_INVOKE: on_invoke(bench, frame); break;
    case SLICE_FRAME_KV_GET: on_kv_get(bench, frame); break;
    case SLICE_FRAME_KV_PUT: on_kv_put(bench, frame); break;
    case SLICE_FRAME_LOG:
        (void)fprintf(bench->results, "log %" PRIu64 " %zu\n", frame->number, strlen(text));
        say_bytes(bench, text, strlen(text));
        break;
    case SLICE_FRAME_METRIC:
        (void)fprintf(bench->results, "metric %" PRIu64 " %s %" PRIu64 "\n", frame->id, text, frame->number);
        break;
    default: break;
    }
}

/* --- the script ---------------------------------------------------------------------------------------- */

static void answer_wishes(struct bench *bench)
{
    while (bench->wish_count > 0) {
        struct wish wish = bench->wishes[0];
        memmove(&bench->wishes[0], &bench->wishes[1], --bench->wish_count * sizeof bench->wishes[0]);
        slice_runner_take(bench->runner,
                          &(struct slice_frame){ .type = SLICE_FRAME_ANSWER,
                                                 .id = wish.id,
                                                 .status = wish.status,
                                                 .number = wish.revision,
                                                 .payload = wish.value ? wish.value->data : NULL,
                                                 .payload_size = wish.value ? wish.value->size : 0 });
        bytes_unref(&wish.value);
    }
}

/* Until the step ended, or can't any more: nothing is due before the deadline. */
static void settle(struct bench *bench, int64_t deadline_ns)
{
    for (;;) {
        answer_wishes(bench);
        int64_t due_ns = slice_runner_due_ns(bench->runner);
        if (bench->ended && due_ns > bench->now_ns) return;
        if (!bench->ended && due_ns > deadline_ns) {
            bench->now_ns = deadline_ns;
            say_done(bench, AETHER_DEADLINE, NULL, 0);
            return;
        }
        if (due_ns > bench->now_ns) bench->now_ns = due_ns;
        slice_runner_fire(bench->runner);
    }
}

static void take_step(struct bench *bench, struct slice_frame *frame, int64_t timeout_ns)
{
    frame->id = ++bench->step;
    bench->ended = false;
    slice_runner_take(bench->runner, frame);
    settle(bench, bench->now_ns + timeout_ns);
}

static void say_descriptor(struct bench *bench)
{
    struct library *library = NULL;
    if (library_os.open(NULL, bench->path, &library, NULL) != STATUS_OK) return;
    const struct aether_slice *slice = library_os.symbol(NULL, library, "AETHER_SLICE_DESCRIPTOR");
    bool good = slice != NULL && slice->magic == AETHER_SLICE_MAGIC && slice->abi_major == AETHER_ABI_MAJOR &&
                slice->group != NULL && slice->artifact != NULL && slice->version != NULL;
    if (good) {
        (void)snprintf(bench->artifact, sizeof bench->artifact, "%s:%s:%s", slice->group, slice->artifact,
                       slice->version);
        (void)fprintf(bench->results, "slice %.255s %.255s %.255s %u %u\n", slice->group, slice->artifact,
                      slice->version, slice->abi_major, slice->abi_minor);
        for (uint32_t i = 0; i < slice->dependency_count && slice->dependencies != NULL; i++)
            (void)fprintf(bench->results, "depends %.255s %.255s\n", slice->dependencies[i].slice,
                          slice->dependencies[i].versions != NULL ? slice->dependencies[i].versions : "");
        (void)fflush(bench->results);
    }
    (void)library_os.close(NULL, &library);
}

static void on_load(struct bench *bench, struct bytes *config)
{
    say_descriptor(bench);
    struct slice_frame frame = { .type = SLICE_FRAME_LOAD,
                                 .number = 1,
                                 .words = { bench->path, bench->artifact, "bench" },
                                 .payload = config->data,
                                 .payload_size = config->size };
    take_step(bench, &frame, 0);
}

static void on_call(struct bench *bench, const char *entry, unsigned timeout_ms, struct bytes *payload)
{
    struct slice_frame frame = { .type = SLICE_FRAME_CALL,
                                 .budget_ns = MILLISECONDS((int64_t)timeout_ms),
                                 .words = { "test" },
                                 .payload = payload->data,
                                 .payload_size = payload->size };
    for (uint32_t i = 0; i < bench->entry_count; i++) {
        if (strcmp(bench->entries[i].name, entry) != 0) continue;
        frame.number = bench->entries[i].id;
        take_step(bench, &frame, frame.budget_ns);
        return;
    }
    static const char text[] = "the slice has no such entry point";
    say_done(bench, AETHER_NO_ENDPOINT, text, sizeof text - 1);
}

static void on_stub(struct bench *bench, const char *target, int32_t status, struct bytes *reply)
{
    struct stub *stub = &bench->stubs[0];
    while (stub < &bench->stubs[bench->stub_count] && strcmp(stub->target, target) != 0)
        stub++;
    if (stub == &bench->stubs[STUBS_MAX]) return;
    if (stub == &bench->stubs[bench->stub_count]) bench->stub_count++;
    (void)text_copy(stub->target, sizeof stub->target, target);
    stub->status = status;
    bytes_unref(&stub->reply);
    stub->reply = bytes_ref(reply);
}

/* The bytes that follow a line; NULL: the script ends before them. */
static struct bytes *read_body(struct bench *bench, size_t size)
{
    if (size > AETHER_PAYLOAD_MAX + 1) return NULL;
    char *data = memory_alloc(size + 1);
    bool whole = fread(data, 1, size, bench->script) == size;
    struct bytes *bytes = whole ? bytes_copy(data, size) : NULL;
    memory_free(data);
    return bytes;
}

static void on_probe(struct bench *bench)
{
    say_descriptor(bench);
    take_step(bench,
              &(struct slice_frame){ .type = SLICE_FRAME_PROBE, .words = { bench->path, bench->artifact } },
              0);
}

static bool plain_step(struct bench *bench, const char *word)
{
    static const struct {
        const char *word;
        uint32_t type;
    } steps[] = { { "start", SLICE_FRAME_START },
                  { "health", SLICE_FRAME_HEALTH },
                  { "stop", SLICE_FRAME_STOP },
                  { "destroy", SLICE_FRAME_DESTROY } };
    for (size_t i = 0; i < ARRAY_COUNT(steps); i++) {
        if (strcmp(steps[i].word, word) != 0) continue;
        take_step(bench, &(struct slice_frame){ .type = steps[i].type }, 0);
        return true;
    }
    return false;
}

static bool take_line(struct bench *bench, const char *line)
{
    char word[16], name[AETHER_NAME_MAX];
    size_t size = 0;
    int32_t status = 0;
    unsigned timeout_ms = 0;
    struct bytes *body = NULL;
    bool good = true;
    if (sscanf(line, "load %zu", &size) == 1 && (body = read_body(bench, size)) != NULL) on_load(bench, body);
    else if (sscanf(line, "stub %255s %" SCNd32 " %zu", name, &status, &size) == 3 &&
             (body = read_body(bench, size)) != NULL)
        on_stub(bench, name, status, body);
    else if (sscanf(line, "call %255s %u %zu", name, &timeout_ms, &size) == 3 &&
             (body = read_body(bench, size)) != NULL)
        on_call(bench, name, timeout_ms, body);
    else if (strcmp(line, "probe\n") == 0) on_probe(bench);
    else good = sscanf(line, "%15s", word) == 1 && plain_step(bench, word);
    bytes_unref(&body);
    return good;
}

static void bench_fini(struct bench *bench)
{
    bool pinned = false;
    bool said = slice_runner_is_destroyed(bench->runner);
    slice_runner_destroy(&bench->runner, &pinned);
    if (said) (void)fprintf(bench->results, "unmapped %d\n", !pinned);
    (void)fflush(bench->results);
    for (uint32_t i = 0; i < bench->stub_count; i++)
        bytes_unref(&bench->stubs[i].reply);
    for (uint32_t i = 0; i < bench->record_count; i++)
        bytes_unref(&bench->records[i].value);
    for (uint32_t i = 0; i < bench->wish_count; i++)
        bytes_unref(&bench->wishes[i].value);
    arena_fini(&bench->arena);
}

int slice_bench_run(const char *path, FILE *script, FILE *results)
{
    static struct bench bench;
    char line[LINE_MAX_SIZE];
    int code = 0;
    bench = (struct bench){ .path = path, .script = script, .results = results, .now_ns = start_ns };
    const struct clock clock = { .monotonic_ns = monotonic_ns, .wall_ms = wall_ms, .context = &bench };
    const struct random random = { .fill = fill_random, .context = &bench };
    const struct slice_runner_options options = {
        .emit = emit, .context = &bench, .clock = &clock, .random = &random, .libraries = &library_os
    };
    bench.runner = slice_runner_create(&options);
    while (code == 0 && fgets(line, sizeof line, script) != NULL)
        if (line[0] != '\n' && !take_line(&bench, line)) code = EXIT_SCRIPT;
    bench_fini(&bench);
    return code;
}
