/* artifact_push: see the header. */
#include "cli/artifact_push.h"

#include "cli/interrupt.h"
#include "cli/slice_bench.h"
#include "cli/slice_tool.h"
#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/crypto/digest.h"
#include "runtime/crypto/signature.h"
#include "runtime/os/clock.h"
#include "runtime/os/path.h"
#include "wire/proto/artifact.pb-c.h"

#include <stdio.h>
#include <string.h>

enum { OBJECT_SIZE_MAX = 1024 * 1024 * 1024, PIECE_SIZE = 256 * 1024, ATTEMPTS_MAX = 20 };

static const int64_t probe_timeout_ns = SECONDS(10);
static const int64_t piece_timeout_ns = SECONDS(300); /* The last one waits for the copies. */
static const int64_t pause_ns = MILLISECONDS(300);
static const int64_t told_ns = SECONDS(1); /* Between two lines. */

struct push {
    const struct argv *argv;
    struct connection *connection;
    struct text object;
    const char *file;
    char artifact[256];
    char sha256[DIGEST_TEXT_MAX];
    char signature[ARTIFACT_PUSH_HEX_SIZE];
    int64_t told_at_ns;
};

static int64_t now_ns(void)
{
    return clock_os.monotonic_ns(clock_os.context);
}

/* --- the object ----------------------------------------------------------------------------------------- */

enum status artifact_push_describe(const char *file, struct value **out_described, struct error *error)
{
    struct slice_bench *bench = NULL;
    struct bench_answer answer = { 0 };
    enum status status = slice_bench_start(file, &bench, error);
    if (status == STATUS_OK)
        status = slice_bench_step(bench, "probe\n", NULL, 0, probe_timeout_ns, &answer, error);
    if (status == STATUS_OK && answer.status != STATUS_OK)
        status = error_set(error, answer.status, "%s: %s", file, text_string(&answer.text));
    if (status == STATUS_OK) *out_described = value_clone(slice_bench_described(bench));
    text_fini(&answer.text);
    slice_bench_end(&bench);
    return status;
}

enum status artifact_push_sign(const char *key_file, const struct text *object,
                               char hex[ARTIFACT_PUSH_HEX_SIZE], struct error *error)
{
    struct text key = { 0 };
    struct signature_secret_key secret;
    struct signature signature;
    enum status status = slice_tool_read(key_file, SIGNATURE_FILE_MAX, &key, error);
    if (status == STATUS_OK) {
        status = signature_read_secret(text_string(&key), key.size, &secret, error);
        if (status != STATUS_OK) (void)error_wrap(error, "--sign %s", key_file);
    }
    text_fini(&key);
    if (status != STATUS_OK) return status;
    signature_make(&secret, text_string(object), object->size, &signature);
    signature_forget(&secret);
    text_hex(hex, signature.bytes, SIGNATURE_SIZE);
    return STATUS_OK;
}

static enum status read_signature(const char *file, char hex[ARTIFACT_PUSH_HEX_SIZE], struct error *error)
{
    struct text content = { 0 };
    struct signature signature;
    enum status status = slice_tool_read(file, SIGNATURE_FILE_MAX, &content, error);
    if (status == STATUS_OK) {
        status = signature_read(text_string(&content), content.size, &signature, error);
        if (status != STATUS_OK) (void)error_wrap(error, "--signature %s", file);
    }
    text_fini(&content);
    if (status == STATUS_OK) text_hex(hex, signature.bytes, SIGNATURE_SIZE);
    return status;
}

static enum status name_artifact(struct push *push, const struct artifact_push_order *order,
                                 struct error *error)
{
    if (order->artifact[0] != '\0') {
        if (text_copy(push->artifact, sizeof push->artifact, order->artifact)) return STATUS_OK;
        return error_set(error, STATUS_INVALID, "the coordinates are too long");
    }
    struct value *described = NULL;
    enum status status = artifact_push_describe(order->file, &described, error);
    if (status == STATUS_OK &&
        !text_copy(push->artifact, sizeof push->artifact, value_get_string(described, "artifact", "")))
        status = error_set(error, STATUS_INVALID, "the coordinates of its descriptor are too long");
    value_free(&described);
    return status;
}

static enum status prepare(struct push *push, const struct artifact_push_order *order, struct error *error)
{
    struct digest digest;
    push->file = order->file;
    if (order->sign[0] != '\0' && order->signature[0] != '\0')
        return error_set(error, STATUS_INVALID, "--sign makes a signature, --signature brings one: which?");
    enum status status = slice_tool_read(order->file, OBJECT_SIZE_MAX, &push->object, error);
    if (status == STATUS_OK && push->object.size == 0)
        status = error_set(error, STATUS_INVALID, "%s is empty", order->file);
    if (status == STATUS_OK) status = name_artifact(push, order, error);
    if (status == STATUS_OK && order->sign[0] != '\0')
        status = artifact_push_sign(order->sign, &push->object, push->signature, error);
    if (status == STATUS_OK && order->signature[0] != '\0')
        status = read_signature(order->signature, push->signature, error);
    if (status != STATUS_OK) return status;
    digest_begin(&digest, DIGEST_SHA256);
    digest_add(&digest, text_string(&push->object), push->object.size);
    digest_end(&digest, push->sha256);
    return STATUS_OK;
}

/* --- pieces --------------------------------------------------------------------------------------------- */

static void show(struct push *push, const Pb__ArtifactPushReply *reply)
{
    const double mib = 1024.0 * 1024.0;
    if (push->argv->quiet) return;
    if (!reply->complete) {
        if (push->told_at_ns != 0 && now_ns() - push->told_at_ns < told_ns) return;
        push->told_at_ns = now_ns();
        (void)fprintf(stderr, "push: %.1f of %.1f MiB\n", (double)reply->offset / mib,
                      (double)reply->size / mib);
        return;
    }
    (void)fprintf(stderr, "push: %s, kept by", reply->changed ? "complete" : "these bytes were there");
    for (size_t i = 0; i < reply->n_holders; i++)
        (void)fprintf(stderr, "%s %s", i == 0 ? "" : ",", reply->holders[i]);
    (void)fputs("\n", stderr);
}

static bool on_wait(void *context)
{
    (void)context;
    return !interrupt_came();
}

/* size 0: how far is it? */
static enum status ask(struct push *push, uint64_t offset, size_t size, struct message **out_reply,
                       struct error *error)
{
    struct message *message = wire_message_create(KIND_ARTIFACT_PUSH_REQUEST);
    Pb__ArtifactPushRequest *request = message->body;
    request->file = wire_string(message, push->file);
    request->artifact = wire_string(message, push->artifact);
    request->sha256 = wire_string(message, push->sha256);
    request->size = push->object.size;
    request->offset = offset;
    request->signature = wire_string(message, push->signature);
    request->data.data = arena_memdup(&message->arena, text_string(&push->object) + offset, size);
    request->data.len = size;
    const struct connection_terms terms = {
        .timeout_ns = push->argv->timeout_ns > 0 ? push->argv->timeout_ns : piece_timeout_ns,
        .waits = true,
        .repeats = size == 0, /* Another node has another offset. */
        .pause_ns = pause_ns,
        .on_wait = on_wait,
    };
    struct message *reply = NULL;
    enum status status = connection_ask(push->connection, &message, &terms, &reply, error);
    if (status != STATUS_OK) {
        if (reply != NULL) message_destroy(&reply);
        return status;
    }
    if (reply->kind == KIND_ARTIFACT_PUSH_REPLY &&
        ((const Pb__ArtifactPushReply *)reply->body)->offset <= push->object.size) {
        show(push, reply->body);
        *out_reply = reply;
        return STATUS_OK;
    }
    message_destroy(&reply);
    return error_set(error, STATUS_CORRUPT, "the node answered with something else");
}

/* The node went, or had no leader: what it took is there, at another one perhaps nothing. */
static bool may_go_on(enum status status)
{
    return status == STATUS_NODE_LOST || status == STATUS_UNKNOWN || status == STATUS_NO_LEADER ||
           status == STATUS_NOT_LEADER;
}

static size_t piece_at(const struct push *push, uint64_t offset)
{
    uint64_t left = push->object.size - offset;
    return left < PIECE_SIZE ? (size_t)left : PIECE_SIZE;
}

/* Was a piece sent to another node than the one that told its offset, because that one is gone? Then that
 * other's own offset comes out. */
static bool went_elsewhere(struct push *push, uint64_t offset, struct message **out_reply)
{
    struct error error;
    if (offset == 0 || ask(push, 0, 0, out_reply, &error) != STATUS_OK) return false;
    if (((const Pb__ArtifactPushReply *)(*out_reply)->body)->offset < offset) return true;
    message_destroy(out_reply);
    return false;
}

/* Each piece is where the last answer said; one that was lost is asked about, not guessed. */
static enum status send_all(struct push *push, struct message **out_reply, struct error *error)
{
    struct message *reply = NULL;
    enum status status = ask(push, 0, 0, &reply, error);
    for (uint32_t attempts = 0; attempts < ATTEMPTS_MAX;) {
        uint64_t offset = 0;
        if (reply != NULL) {
            const Pb__ArtifactPushReply *body = reply->body;
            if (body->complete) {
                *out_reply = reply;
                return STATUS_OK;
            }
            offset = body->offset;
            message_destroy(&reply);
            status = ask(push, offset, piece_at(push, offset), &reply, error);
            if (status == STATUS_OK && ((const Pb__ArtifactPushReply *)reply->body)->offset <= offset &&
                !((const Pb__ArtifactPushReply *)reply->body)->complete)
                attempts++; /* It is no further than before. */
        }
        if (status == STATUS_INVALID && went_elsewhere(push, offset, &reply)) {
            attempts++;
            status = STATUS_OK;
        }
        if (status == STATUS_OK) continue;
        if (!may_go_on(status) || interrupt_came()) return status;
        attempts++;
        status = ask(push, 0, 0, &reply, error);
    }
    if (reply != NULL) message_destroy(&reply);
    return status != STATUS_OK ? status : error_set(error, STATUS_IO, "the node takes no further piece");
}

enum status artifact_push(const struct argv *argv, const struct artifact_push_order *order,
                          struct connection *connection, struct message **out_reply, struct error *error)
{
    struct push push = { .argv = argv, .connection = connection };
    interrupt_catch();
    enum status status = prepare(&push, order, error);
    if (status == STATUS_OK) status = send_all(&push, out_reply, error);
    text_fini(&push.object);
    return status;
}

enum status artifact_push_run(const struct argv *argv, struct connection *connection,
                              struct message **out_reply, struct error *error)
{
    static const char *const of_agents[] = { "sha256", "size", "offset", "base64" };
    struct text path = { 0 };
    for (size_t i = 0; i < ARRAY_COUNT(of_agents); i++)
        if (value_get(argv->arguments, of_agents[i]) != NULL)
            return error_set(error, STATUS_INVALID, "--%s is for those who send pieces themselves",
                             of_agents[i]);
    enum status status = path_resolve(value_get_string(argv->arguments, "file", ""), &path, error);
    if (status != STATUS_OK) error_hint(error, "name the shared object: aether artifact push FILE.so");
    const struct artifact_push_order order = {
        .file = text_string(&path),
        .artifact = value_get_string(argv->arguments, "artifact", ""),
        .sign = value_get_string(argv->arguments, "sign", ""),
        .signature = value_get_string(argv->arguments, "signature", ""),
    };
    if (status == STATUS_OK) status = artifact_push(argv, &order, connection, out_reply, error);
    text_fini(&path);
    return status;
}
