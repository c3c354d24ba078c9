/* calls: clients' requests, from story to actor and back, with what the checkers must hear of them. */
#include "nodes/sim/checkers.h"
#include "nodes/sim/recording.h"
#include "nodes/sim/world.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "wire/kinds.h"
#include "wire/proto/cluster.pb-c.h"
#include "wire/proto/slice.pb-c.h"

#include <stdio.h>
#include <string.h>

static const int64_t timeout_default_ns = SECONDS(5);

static struct sim_request *request_of(const struct sim *sim, struct sim_call call)
{
    CHECK(call.number < sim->request_count);
    return sim->requests[call.number];
}

/* --- ends --- */

/* How the write itself ended, however it was asked for. */
static enum status put_outcome(const struct sim_request *request, uint64_t *out_revision)
{
    const struct message *reply = request->call.reply;
    if (request->call.status != STATUS_OK) return request->call.status;
    if (reply->kind == KIND_PROPOSE_REPLY) {
        const Pb__ProposeReply *body = reply->body;
        *out_revision = body->revision;
        return status_from_number((int)body->status);
    }
    *out_revision = ((const Pb__KvChangeReply *)reply->body)->revision;
    return STATUS_OK;
}

static void on_put_end(struct sim_request *request)
{
    struct checkers *checkers = request->sim->checkers;
    uint64_t revision = 0;
    enum status status = put_outcome(request, &revision);
    if (request->recorded) recording_end_change(request, status, revision);
    if (request->value == NULL) return; /* A delete. */
    if (status == STATUS_OK) {
        checkers_on_acknowledged(checkers, request->key, request->value, revision);
    } else if (!recording_is_unknown(status)) {
        checkers_on_refused(checkers, request->value);
    }
}

/* The key is absent; and not: the state actor is, because its node is ending. */
static bool says_absent(const struct sim_request *request)
{
    return request->call.status == STATUS_NOT_FOUND &&
           text_starts_with(request->call.error.message, "there is no key");
}

static void on_get_end(struct sim_request *request)
{
    struct checkers *checkers = request->sim->checkers;
    if (request->recorded) recording_end_read(request);
    bool past = request->stale || request->at != 0;
    if (request->call.status == STATUS_OK) {
        const Pb__KvGetReply *reply = request->call.reply->body;
        size_t size = reply->record->value.len;
        request->got = memory_alloc(size + 1);
        memcpy(request->got, reply->record->value.data, size);
        request->got[size] = '\0';
        uint64_t floor = past ? 0 : request->floor;
        checkers_on_read(checkers, request->key, floor, request->got, reply->record->revision);
    } else if (says_absent(request) && !past && !request->deletable) {
        checkers_on_read(checkers, request->key, request->floor, NULL, 0);
    }
}

static void on_end(void *context, struct client_call *call)
{
    (void)call;
    struct sim_request *request = context;
    request->sim->open_count--;
    if (request->changes) on_put_end(request);
    else if (request->lists) recording_end_list(request);
    else if (request->key != NULL) on_get_end(request);
}

/* --- requests --- */

static struct sim_request *request_create(struct sim *sim, struct sim_call *out_call)
{
    if (sim->request_count == sim->request_room) {
        sim->request_room = sim->request_room == 0 ? 64 : sim->request_room * 2;
        sim->requests = memory_realloc(sim->requests, sim->request_room * sizeof(struct sim_request *));
    }
    struct sim_request *request = memory_zalloc(sizeof *request);
    request->sim = sim;
    request->call.on_end = on_end;
    request->call.context = request;
    out_call->number = sim->request_count;
    sim->requests[sim->request_count++] = request;
    sim->open_count++;
    return request;
}

static void send(struct sim *sim, uint32_t index, struct sim_request *request, uint32_t name,
                 struct message **message, int64_t timeout_ns)
{
    struct sim_node *node = index == SIM_NOBODY ? NULL : &sim->nodes[index];
    if (timeout_ns <= 0) timeout_ns = timeout_default_ns;
    struct message *order = client_message(&request->call, name, timeout_ns, message);
    bool sent = node != NULL && node->runtime != NULL &&
                runtime_send(node->runtime, node->client, &order) == STATUS_OK;
    if (!sent) message_destroy(&order); /* The call ends: NODE_LOST. */
}

struct sim_call sim_ask(struct sim *sim, uint32_t node, uint32_t name, struct message **message,
                        int64_t timeout_ns)
{
    struct sim_call call;
    struct sim_request *request = request_create(sim, &call);
    send(sim, node, request, name, message, timeout_ns);
    return call;
}

static Pb__Operation *put_operation(struct message *message, const char *key, const char *value)
{
    Pb__Operation *operation = arena_alloc(&message->arena, sizeof *operation);
    pb__operation__init(operation);
    operation->op_case = PB__OPERATION__OP_PUT;
    operation->put = arena_alloc(&message->arena, sizeof *operation->put);
    pb__op_put__init(operation->put);
    operation->put->key = wire_string(message, key);
    operation->put->value.data = (uint8_t *)wire_string(message, value);
    operation->put->value.len = strlen(value);
    return operation;
}

static void add_compare(struct message *message, Pb__Command *command, const struct sim_put *put)
{
    Pb__Compare *compare = arena_alloc(&message->arena, sizeof *compare);
    pb__compare__init(compare);
    compare->key = wire_string(message, put->key);
    compare->target_case = put->if_rev == 0 ? PB__COMPARE__TARGET_ABSENT : PB__COMPARE__TARGET_REVISION;
    if (put->if_rev == 0) compare->absent = true;
    else compare->revision = put->if_rev;
    command->compares = arena_array(&message->arena, 1, sizeof compare);
    command->compares[0] = compare;
    command->n_compares = 1;
}

/* As an actor proposes it. */
static struct message *put_by_proposal(const struct sim_put *put)
{
    struct message *message = wire_message_create(KIND_PROPOSE_REQUEST);
    Pb__ProposeRequest *body = message->body;
    Pb__Command *command = arena_alloc(&message->arena, sizeof *command);
    pb__command__init(command);
    command->origin = PB__ORIGIN__ORIGIN_CLIENT;
    command->n_success = 1 + put->more_count;
    command->success = arena_array(&message->arena, command->n_success, sizeof(Pb__Operation *));
    command->success[0] = put_operation(message, put->key, put->value);
    for (uint32_t i = 0; i < put->more_count; i++) {
        char value[SIM_VALUE_MAX];
        sim_value(put->more[i].number, value);
        command->success[i + 1] = put_operation(message, put->more[i].key, value);
    }
    if (put->has_if_rev) add_compare(message, command, put);
    body->command = command;
    body->retry = !put->once;
    return message;
}

static struct message *put_by_client(const struct sim_put *put)
{
    struct message *message = wire_message_create(KIND_KV_PUT_REQUEST);
    Pb__KvPutRequest *body = message->body;
    body->key = wire_string(message, put->key);
    body->value = wire_string(message, put->value);
    if (put->has_if_rev) {
        body->has_if_rev_case = PB__KV_PUT_REQUEST__HAS_IF_REV_IF_REV;
        body->if_rev = put->if_rev;
    }
    return message;
}

struct sim_call sim_put(struct sim *sim, uint32_t node, const struct sim_put *put)
{
    struct sim_call call;
    struct sim_request *request = request_create(sim, &call);
    request->key = memory_strdup(put->key);
    request->value = memory_strdup(put->value);
    request->changes = true;
    checkers_on_write(sim->checkers, put->key, put->value);
    for (uint32_t i = 0; i < put->more_count; i++) {
        char value[SIM_VALUE_MAX];
        sim_value(put->more[i].number, value);
        checkers_on_write(sim->checkers, put->more[i].key, value);
    }
    if (put->number != 0) recording_begin_put(request, put);
    bool proposes = put->once || put->more_count > 0;
    struct message *message = proposes ? put_by_proposal(put) : put_by_client(put);
    send(sim, node, request, TO_PROPOSER, &message, put->timeout_ns);
    return call;
}

struct sim_call sim_get(struct sim *sim, uint32_t node, const struct sim_get *get)
{
    struct sim_call call;
    struct sim_request *request = request_create(sim, &call);
    request->key = memory_strdup(get->key);
    request->stale = get->stale;
    request->at = get->at;
    request->deletable = get->deletable;
    request->floor = checkers_read_floor(sim->checkers, get->key);
    if (get->recorded) recording_begin_get(request, get);
    struct message *message = wire_message_create(KIND_KV_GET_REQUEST);
    Pb__KvGetRequest *body = message->body;
    body->key = wire_string(message, get->key);
    body->stale = get->stale;
    if (get->after != 0) {
        body->has_after_case = PB__KV_GET_REQUEST__HAS_AFTER_AFTER;
        body->after = get->after;
    }
    if (get->at != 0) {
        body->has_at_case = PB__KV_GET_REQUEST__HAS_AT_AT;
        body->at = get->at;
    }
    send(sim, node, request, TO_STATE, &message, get->timeout_ns);
    return call;
}

struct sim_call sim_list(struct sim *sim, uint32_t node, const struct sim_list *list)
{
    struct sim_call call;
    struct sim_request *request = request_create(sim, &call);
    request->lists = true;
    request->keys = list->keys;
    request->key_count = list->key_count;
    recording_begin_list(request, list);
    struct message *message = wire_message_create(KIND_KV_LIST_REQUEST);
    Pb__KvListRequest *body = message->body;
    body->prefix = wire_string(message, list->prefix);
    body->stale = list->stale;
    send(sim, node, request, TO_STATE, &message, list->timeout_ns);
    return call;
}

struct sim_call sim_delete(struct sim *sim, uint32_t node, const struct sim_delete *delete)
{
    struct sim_call call;
    struct sim_request *request = request_create(sim, &call);
    request->key = memory_strdup(delete->key);
    request->changes = true;
    if (delete->recorded) recording_begin_delete(request);
    struct message *message = wire_message_create(KIND_KV_DELETE_REQUEST);
    ((Pb__KvDeleteRequest *)message->body)->key = wire_string(message, delete->key);
    send(sim, node, request, TO_PROPOSER, &message, delete->timeout_ns);
    return call;
}

/* --- slices --- */

static void add_slice(const struct sim *sim, struct text *document, const char *artifact, uint32_t instances)
{
    if (instances == 0) return;
    text_printf(document, "  - {artifact: '%s', instances: %u", artifact, instances);
    if (sim->options.exclusive) text_add(document, ", exclusive: true");
    if (sim->options.configures) text_printf(document, ", config: {n: %u}", sim->published);
    text_add(document, "}\n");
}

struct sim_call sim_publish(struct sim *sim, const char *name, uint32_t pricing, uint32_t orders)
{
    uint32_t leader = sim_leader(sim);
    struct message *message = NULL;
    if (pricing + orders == 0) {
        message = wire_message_create(KIND_BLUEPRINT_DELETE_REQUEST);
        Pb__BlueprintDeleteRequest *request = message->body;
        request->name = wire_string(message, name);
        request->detach = true;
    } else {
        struct text document = { 0 };
        text_printf(&document, "name: %s\nslices:\n", name);
        sim->published++;
        add_slice(sim, &document, SIM_PRICING, pricing);
        add_slice(sim, &document, SIM_ORDERS, orders);
        message = wire_message_create(KIND_BLUEPRINT_PUBLISH_REQUEST);
        Pb__BlueprintPublishRequest *request = message->body;
        request->document = wire_string(message, text_string(&document));
        request->detach = true;
        text_fini(&document);
    }
    return sim_ask(sim, leader, TO_CLUSTER_DEPLOYMENT_MANAGER, &message, 0);
}

struct sim_call sim_invoke_as(struct sim *sim, uint32_t node, const struct sim_invocation *invocation)
{
    struct message *message = wire_message_create(KIND_CALL_REQUEST);
    Pb__CallRequest *request = message->body;
    char target[128];
    char payload[SIM_SLICES_PAYLOAD_MAX];
    (void)snprintf(target, sizeof target, "%s/%s", invocation->artifact, invocation->entry);
    sim_slices_payload(invocation->number, payload);
    request->target = wire_string(message, target);
    request->payload = wire_string(message, payload);
    request->idempotency_key = wire_string(message, invocation->idempotency_key);
    return sim_ask(sim, node, TO_SLICE_CALL, &message, invocation->timeout_ns);
}

struct sim_call sim_invoke(struct sim *sim, uint32_t node, const char *artifact, int64_t timeout_ns)
{
    return sim_invoke_as(
        sim, node,
        &(struct sim_invocation){ .artifact = artifact, .entry = "quote", .timeout_ns = timeout_ns });
}

struct sim_carried sim_carried(const struct sim *sim)
{
    return (struct sim_carried){ sim->slices.restored, sim->slices.carried, sim->slices.configured };
}

uint64_t sim_withdrawn(const struct sim *sim)
{
    return sim->slices.withdrawn;
}

uint32_t sim_executions(const struct sim *sim, uint64_t number)
{
    return sim_slices_executions(&sim->slices, number);
}

struct sim_call sim_transfer(struct sim *sim, uint32_t node)
{
    struct message *message = message_create(KIND_TRANSFER_LEADERSHIP, 0);
    return sim_ask(sim, node, TO_LEADER, &message, SECONDS(3));
}

/* --- commands as text --- */

enum { WORDS_MAX = 8, COMMAND_MAX = 256 };

static uint32_t split(char *text, const char **words)
{
    uint32_t count = 0;
    char *rest = NULL;
    for (char *word = strtok_r(text, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        CHECK(count < WORDS_MAX);
        words[count++] = word;
    }
    return count;
}

static bool option(const char **words, uint32_t count, const char *name, uint64_t *out_number)
{
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(words[i], name) != 0) continue;
        if (out_number != NULL) CHECK(i + 1 < count && text_to_u64(words[i + 1], out_number));
        return true;
    }
    return false;
}

struct sim_call sim_command(struct sim *sim, uint32_t node, const char *command)
{
    char text[COMMAND_MAX];
    const char *words[WORDS_MAX] = { 0 };
    CHECK(text_copy(text, sizeof text, command));
    uint32_t count = split(text, words);
    CHECK(count >= 3);
    CHECK(strcmp(words[0], "kv") == 0);
    if (strcmp(words[1], "put") == 0) {
        CHECK(count >= 4);
        char quoted[COMMAND_MAX];
        (void)snprintf(quoted, sizeof quoted, "\"%s\"", words[3]);
        struct sim_put put = { .key = words[2], .value = quoted };
        put.has_if_rev = option(words, count, "--if-rev", &put.if_rev);
        return sim_put(sim, node, &put);
    }
    if (strcmp(words[1], "delete") == 0) {
        return sim_delete(sim, node, &(struct sim_delete){ .key = words[2] });
    }
    CHECK(strcmp(words[1], "get") == 0);
    struct sim_get get = { .key = words[2] };
    get.stale = option(words, count, "--stale", NULL);
    (void)option(words, count, "--after", &get.after);
    return sim_get(sim, node, &get);
}

/* --- results --- */

static bool call_has_ended(void *context)
{
    return ((const struct sim_request *)context)->call.ended;
}

enum status sim_await(struct sim *sim, struct sim_call call, int64_t timeout_ns)
{
    struct sim_request *request = request_of(sim, call);
    if (!world_await(sim, call_has_ended, request, timeout_ns)) return STATUS_DEADLINE;
    return request->call.status;
}

bool sim_has_ended(const struct sim *sim, struct sim_call call)
{
    return request_of(sim, call)->call.ended;
}

enum status sim_call_status(const struct sim *sim, struct sim_call call)
{
    return request_of(sim, call)->call.status;
}

const struct error *sim_call_error(const struct sim *sim, struct sim_call call)
{
    return &request_of(sim, call)->call.error;
}

const struct message *sim_call_reply(const struct sim *sim, struct sim_call call)
{
    return request_of(sim, call)->call.reply;
}

uint64_t sim_call_revision(const struct sim *sim, struct sim_call call)
{
    const struct message *reply = sim_call_reply(sim, call);
    if (reply == NULL) return 0;
    if (reply->kind == KIND_KV_CHANGE_REPLY) return ((const Pb__KvChangeReply *)reply->body)->revision;
    if (reply->kind == KIND_KV_GET_REPLY) return ((const Pb__KvGetReply *)reply->body)->record->revision;
    return 0;
}

const char *sim_call_value(const struct sim *sim, struct sim_call call)
{
    return request_of(sim, call)->got;
}

bool world_has_open_calls(const struct sim *sim)
{
    return sim->open_count > 0;
}

void world_free_calls(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->request_count; i++) {
        struct sim_request *request = sim->requests[i];
        if (request->call.reply != NULL) message_destroy(&request->call.reply);
        memory_free(request->key);
        memory_free(request->value);
        memory_free(request->got);
        memory_free(request);
    }
    memory_free(sim->requests);
}
