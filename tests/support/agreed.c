/* agreed: see the header. */
#include "tests/support/agreed.h"

#include "runtime/base/check.h"
#include "runtime/base/text.h"
#include "store/schema/rules.h"
#include "store/schema/slice.h"
#include "tests/support/commands.h"
#include "tests/support/probe.h"
#include "wire/kinds.h"
#include "wire/local.h"
#include "wire/proto/cluster.pb-c.h"

#include <stdio.h>
#include <string.h>

/* --- what must always hold ---------------------------------------------------------------------------- */

struct checking {
    const struct agreed *agreed;
    const struct kv_record *record; /* Being looked at. */
    struct arena arena;
    bool found;
    char first_node[SLICE_NODE_MAX];
};

static void scan(const struct agreed *agreed, const char *prefix, kv_visit *visit, void *context)
{
    const struct kv_range range = { .key = prefix, .prefix = true };
    bool more = false;
    struct error error;
    enum status status = kv_scan(agreed->kv, &range, visit, context, &more, &error);
    CHECK(status == STATUS_OK);
    CHECK(!more);
}

static const struct slice_instance *recorded(struct checking *checking, const char *node,
                                             const char *artifact, uint32_t number)
{
    char key[SLICE_KEY_MAX];
    struct slice_record *record = arena_alloc(&checking->arena, sizeof(*record));
    slice_key_record(key, node, artifact);
    const struct kv_record *found = kv_get(checking->agreed->kv, key);
    if (found == NULL) return NULL;
    CHECK(slice_record_read(&checking->arena, found->value, found->value_size, record, NULL) == STATUS_OK);
    return slice_record_find(record, number);
}

/* DEP4, one way: an endpoint's instance is ACTIVE on its node. */
static bool check_endpoint(void *context, const struct kv_record *record)
{
    struct checking *checking = context;
    char artifact[COORDINATES_TEXT_MAX];
    char entry[COORDINATES_ARTIFACT_MAX];
    uint32_t number = 0;
    struct slice_endpoint endpoint;
    CHECK(slice_key_endpoint_parse(record->key, artifact, entry, &number));
    CHECK(slice_endpoint_read(&checking->arena, record->value, record->value_size, &endpoint, NULL) ==
          STATUS_OK);
    const struct slice_instance *instance = recorded(checking, endpoint.node, artifact, number);
    CHECK(instance != NULL);
    CHECK(instance->state == SLICE_ACTIVE);
    return true;
}

/* DEP4, the other way (every slice of these tests has entry points), and DEP2. */
static bool check_record(void *context, const struct kv_record *record)
{
    struct checking *checking = context;
    char artifact[COORDINATES_TEXT_MAX];
    char node[SLICE_NODE_MAX];
    struct slice_record read;
    CHECK(slice_key_record_parse(record->key, node, artifact));
    CHECK(slice_record_read(&checking->arena, record->value, record->value_size, &read, NULL) == STATUS_OK);
    for (uint32_t i = 0; i < read.instance_count; i++) {
        char prefix[SLICE_KEY_MAX];
        char suffix[16];
        uint32_t number = read.instances[i].instance;
        (void)snprintf(prefix, sizeof(prefix), "endpoints/%s/quote:", artifact);
        (void)snprintf(suffix, sizeof(suffix), "%u", number);
        (void)strcat(prefix, suffix);
        bool has_endpoint = kv_get(checking->agreed->kv, prefix) != NULL;
        CHECK(has_endpoint == (read.instances[i].state == SLICE_ACTIVE));
        for (uint32_t n = 0; n < checking->agreed->node_count; n++) {
            const char *other = checking->agreed->nodes[n].name;
            CHECK(strcmp(other, node) == 0 || recorded(checking, other, artifact, number) == NULL);
        }
    }
    return true;
}

static void check_always(const struct agreed *agreed)
{
    struct checking checking = { .agreed = agreed };
    scan(agreed, "endpoints/", check_endpoint, &checking);
    scan(agreed, "slices/", check_record, &checking);
    arena_fini(&checking.arena);
}

/* --- news --------------------------------------------------------------------------------------------- */

static Pb__KvRecord *copy_record(struct message *message, const struct kv_record *record)
{
    Pb__KvRecord *copy = arena_alloc(&message->arena, sizeof(*copy));
    pb__kv_record__init(copy);
    copy->key = wire_string(message, record->key);
    copy->value.data = arena_memdup(&message->arena, record->value, record->value_size);
    copy->value.len = record->value_size;
    copy->revision = record->revision;
    copy->create_revision = record->create_revision;
    copy->version = record->version;
    copy->lease = wire_string(message, "");
    return copy;
}

static void add_event(struct message *message, const struct kv_change *change, uint64_t revision)
{
    Pb__StateChanged *changed = message->body;
    Pb__KvEvent *event = arena_alloc(&message->arena, sizeof(*event));
    pb__kv_event__init(event);
    event->deleted = change->record == NULL;
    if (change->record != NULL) {
        event->record = copy_record(message, change->record);
    } else {
        event->record = arena_alloc(&message->arena, sizeof(*event->record));
        pb__kv_record__init(event->record);
        event->record->key = wire_string(message, change->key);
        event->record->revision = revision;
    }
    changed->events[changed->n_events++] = event;
}

static struct message *changed_message(const struct agreed *agreed, const struct agreed_watch *watch,
                                       size_t room)
{
    struct message *message = wire_message_create(KIND_STATE_CHANGED);
    Pb__StateChanged *changed = message->body;
    changed->watch_id = watch->id;
    changed->revision = agreed->index;
    changed->events = arena_array(&message->arena, room, sizeof(Pb__KvEvent *));
    return message;
}

static void deliver(struct agreed_node *node, struct actor_id to, struct message **message)
{
    if (node->runtime == NULL || runtime_send(node->runtime, to, message) != STATUS_OK)
        message_destroy(message);
}

static void tell_watchers(struct agreed *agreed, const struct kv_outcome *outcome)
{
    for (uint32_t n = 0; n < agreed->node_count; n++) {
        struct agreed_node *node = &agreed->nodes[n];
        for (uint32_t w = 0; w < node->watch_count && node->runtime != NULL; w++) {
            const struct agreed_watch *watch = &node->watches[w];
            struct message *message = changed_message(agreed, watch, outcome->change_count);
            for (uint32_t i = 0; i < outcome->change_count; i++) {
                if (text_starts_with(outcome->changes[i].key, watch->prefix))
                    add_event(message, &outcome->changes[i], agreed->index);
            }
            bool any = ((const Pb__StateChanged *)message->body)->n_events > 0;
            if (any) deliver(node, watch->watcher, &message);
            else message_destroy(&message);
        }
    }
}

const Pb__ProposeReply *agreed_apply(struct agreed *agreed, const Pb__Command *command)
{
    struct raft_entry entry = commands_entry(++agreed->index, agreed->term, command);
    struct kv_outcome outcome;
    kv_apply(agreed->kv, &entry, &outcome);
    bytes_unref(&entry.payload);
    tell_watchers(agreed, &outcome);
    check_always(agreed);
    return outcome.reply;
}

const char *agreed_text(const struct agreed *agreed, const char *key, struct arena *arena)
{
    const struct kv_record *record = kv_get(agreed->kv, key);
    return record == NULL ? NULL : arena_strndup(arena, (const char *)record->value, record->value_size);
}

static bool count_record(void *context, const struct kv_record *record)
{
    (void)record;
    (*(uint32_t *)context)++;
    return true;
}

uint32_t agreed_count(const struct agreed *agreed, const char *prefix)
{
    uint32_t count = 0;
    scan(agreed, prefix, count_record, &count);
    return count;
}

/* --- stand-ins of one node ---------------------------------------------------------------------------- */

static void on_proposer(struct actor *self, void *context, const struct message *message)
{
    struct agreed_node *node = context;
    struct agreed *agreed = node->agreed;
    if (message->kind != KIND_PROPOSE_REQUEST) return;
    if (agreed->leader == AGREED_NODES_MAX) {
        actor_refuse(self, message, STATUS_NO_LEADER);
        return;
    }
    const Pb__ProposeReply *applied =
        agreed_apply(agreed, ((const Pb__ProposeRequest *)message->body)->command);
    struct message *reply = wire_message_create(KIND_PROPOSE_REPLY);
    Pb__ProposeReply *body = reply->body;
    body->status = applied->status;
    body->message = wire_string(reply, applied->message);
    body->hint = wire_string(reply, applied->hint);
    body->revision = agreed->index;
    body->term = agreed->term;
    actor_reply(self, message, &reply);
}

struct snapshot {
    struct message *message;
    const char *prefix;
};

static bool add_to_snapshot(void *context, const struct kv_record *record)
{
    struct snapshot *snapshot = context;
    const struct kv_change change = { .key = record->key, .record = record };
    add_event(snapshot->message, &change, record->revision);
    return true;
}

static void on_state(struct actor *self, void *context, const struct message *message)
{
    struct agreed_node *node = context;
    if (message->kind != KIND_STATE_WATCH) return;
    const Pb__StateWatch *asked = message->body;
    CHECK(node->watch_count < AGREED_WATCHES_MAX);
    struct agreed_watch *watch = &node->watches[node->watch_count++];
    *watch = (struct agreed_watch){ .watcher = message->sender, .id = asked->watch_id };
    (void)text_copy(watch->prefix, sizeof(watch->prefix), asked->prefix);
    struct snapshot snapshot = { .prefix = asked->prefix };
    snapshot.message = changed_message(node->agreed, watch, agreed_count(node->agreed, asked->prefix));
    ((Pb__StateChanged *)snapshot.message->body)->snapshot = 1;
    scan(node->agreed, asked->prefix, add_to_snapshot, &snapshot);
    actor_tell(self, message->sender, &snapshot.message);
}

static void tell_role(struct agreed_node *node, struct actor_id to)
{
    const struct agreed *agreed = node->agreed;
    struct message *message = message_create(KIND_ROLE_CHANGED, sizeof(struct role_changed));
    struct role_changed *role = message->body;
    role->term = agreed->term;
    role->revision = agreed->index;
    role->leading = agreed->leader < agreed->node_count && &agreed->nodes[agreed->leader] == node;
    if (agreed->leader < agreed->node_count)
        (void)text_copy(role->leader, sizeof(role->leader), agreed->nodes[agreed->leader].name);
    deliver(node, to, &message);
}

static void on_leader(struct actor *self, void *context, const struct message *message)
{
    struct agreed_node *node = context;
    (void)self;
    if (message->kind != KIND_ROLE_SUBSCRIBE) return;
    CHECK(node->subscriber_count < AGREED_SUBSCRIBERS_MAX);
    node->subscribers[node->subscriber_count++] = message->sender;
    tell_role(node, message->sender);
}

static void on_membership(struct actor *self, void *context, const struct message *message)
{
    const struct agreed_node *node = context;
    struct message *reply = NULL;
    if (message->kind == KIND_NODE_FENCED) { /* Asked: nobody is, unless the test says so. */
        reply = wire_message_create(KIND_NODE_FENCED);
        actor_reply(self, message, &reply);
        return;
    }
    if (message->kind != KIND_NODE_INCARNATION_REQUEST) return;
    reply = wire_message_create(KIND_NODE_INCARNATION_REPLY);
    ((Pb__NodeIncarnationReply *)reply->body)->incarnation = node->incarnation;
    actor_reply(self, message, &reply);
}

/* A frame in flight: its sender's name in the body, its bytes attached. */
static enum status transmit(void *context, const char *to, enum transport_channel channel,
                            struct bytes **frame)
{
    struct agreed_node *from = context;
    (void)channel;
    if (from->runtime == NULL) return STATUS_NODE_LOST; /* It crashed: its last words are not heard. */
    for (uint32_t n = 0; n < from->agreed->node_count; n++) {
        struct agreed_node *peer = &from->agreed->nodes[n];
        if (strcmp(peer->name, to) != 0 || peer->runtime == NULL) continue;
        struct message *message = message_create(KIND_SIM_FRAME, sizeof(peer->name));
        memcpy(message->body, from->name, sizeof(from->name));
        message_attach(message, frame);
        deliver(peer, peer->transport, &message);
        return STATUS_OK;
    }
    return STATUS_NODE_LOST;
}

static void on_transport(struct actor *self, void *context, const struct message *message)
{
    struct agreed_node *node = context;
    switch (message->kind) {
    case KIND_TRANSPORT_SEND: remote_on_send(node->remote, self, message); break;
    case KIND_TRANSPORT_ASK: remote_on_ask(node->remote, self, message); break;
    case KIND_PEER_DOWN: remote_on_peer_down(node->remote, self, message->body); break;
    case KIND_SIM_FRAME:
        remote_on_frame(node->remote, self, message->body, CHANNEL_DATA, message->attachment->data,
                        message->attachment->size);
        break;
    default: break;
    }
}

/* --- nodes -------------------------------------------------------------------------------------------- */

void agreed_init(struct agreed *agreed, struct scheduler *stepper)
{
    *agreed = (struct agreed){ .stepper = stepper, .term = 1, .leader = AGREED_NODES_MAX };
    agreed->kv = kv_create(&schema_rules);
    for (uint32_t n = 0; n < AGREED_NODES_MAX; n++) {
        agreed->nodes[n].agreed = agreed;
        (void)snprintf(agreed->nodes[n].name, sizeof(agreed->nodes[n].name), "node-%u", n + 1);
    }
}

static void end_runtime(struct agreed_node *node)
{
    if (node->runtime == NULL) return;
    runtime_destroy(&node->runtime);
    remote_destroy(&node->remote);
    node->watch_count = 0;
    node->subscriber_count = 0;
}

void agreed_fini(struct agreed *agreed)
{
    for (uint32_t n = 0; n < AGREED_NODES_MAX; n++)
        end_runtime(&agreed->nodes[n]);
    kv_destroy(&agreed->kv);
}

static void tell_peers(struct agreed *agreed, const struct agreed_node *about, uint32_t kind)
{
    for (uint32_t n = 0; n < agreed->node_count; n++) {
        struct agreed_node *peer = &agreed->nodes[n];
        if (peer == about || peer->runtime == NULL) continue;
        static const uint32_t names[] = { TO_TRANSPORT, TO_SLICE_CALL };
        for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
            struct message *message = message_create(kind, sizeof(struct transport_peer_change));
            struct transport_peer_change *change = message->body;
            (void)text_copy(change->node, sizeof(change->node), about->name);
            deliver(peer, runtime_find(peer->runtime, names[i]), &message);
        }
    }
}

static void record_start(struct agreed *agreed, struct agreed_node *node, const char *labels)
{
    struct arena arena = { 0 };
    Pb__Command *command = commands_new(&arena);
    Pb__Operation *operation = commands_add(&arena, command);
    Pb__OpNodeStarted *started = arena_alloc(&arena, sizeof(*started));
    pb__op_node_started__init(started);
    started->node = node->name;
    started->incarnation = ++node->incarnation;
    started->facts.data = (uint8_t *)arena_printf(&arena, "{\"labels\":%s,\"role\":\"voter\"}", labels);
    started->facts.len = strlen((const char *)started->facts.data);
    operation->op_case = PB__OPERATION__OP_NODE_STARTED;
    operation->node_started = started;
    command->origin = PB__ORIGIN__ORIGIN_SYSTEM;
    const Pb__ProposeReply *reply = agreed_apply(agreed, command);
    CHECK(reply->status == STATUS_OK);
    arena_fini(&arena);
}

struct agreed_node *agreed_start(struct agreed *agreed, uint32_t number, const char *labels)
{
    struct agreed_node *node = &agreed->nodes[number];
    CHECK(node->runtime == NULL);
    if (number >= agreed->node_count) agreed->node_count = number + 1;
    node->runtime =
        runtime_create(&(struct runtime_options){ .scheduler = agreed->stepper, .node = node->name });
    node->remote = remote_create(&(struct remote_options){ .transmit = transmit, .transport = node });
    (void)stub_spawn(node->runtime, TO_PROPOSER, on_proposer, node);
    (void)stub_spawn(node->runtime, TO_STATE, on_state, node);
    (void)stub_spawn(node->runtime, TO_LEADER, on_leader, node);
    (void)stub_spawn(node->runtime, TO_MEMBERSHIP, on_membership, node);
    node->transport = stub_spawn(node->runtime, TO_TRANSPORT, on_transport, node);
    record_start(agreed, node, labels);
    tell_peers(agreed, node, KIND_PEER_UP);
    return node;
}

void agreed_rejoin(struct agreed *agreed, uint32_t number, const char *labels)
{
    CHECK(agreed->nodes[number].runtime != NULL);
    record_start(agreed, &agreed->nodes[number], labels);
}

void agreed_crash(struct agreed *agreed, uint32_t number)
{
    struct agreed_node *node = &agreed->nodes[number];
    end_runtime(node);
    if (agreed->leader == number) agreed->leader = AGREED_NODES_MAX;
    tell_peers(agreed, node, KIND_PEER_DOWN);
}

void agreed_lose(struct agreed *agreed, uint32_t number)
{
    struct agreed_node *node = &agreed->nodes[number];
    struct arena arena = { 0 };
    Pb__Command *command = commands_new(&arena);
    Pb__Operation *operation = commands_add(&arena, command);
    Pb__OpNodeLost *lost = arena_alloc(&arena, sizeof(*lost));
    pb__op_node_lost__init(lost);
    lost->node = node->name;
    lost->incarnation = node->incarnation;
    lost->reason = arena_strdup(&arena, "silent");
    operation->op_case = PB__OPERATION__OP_NODE_LOST;
    operation->node_lost = lost;
    command->origin = PB__ORIGIN__ORIGIN_SYSTEM;
    (void)agreed_apply(agreed, command);
    arena_fini(&arena);
}

void agreed_set_state(struct agreed *agreed, uint32_t node, const char *state)
{
    struct arena arena = { 0 };
    Pb__Command *command = commands_new(&arena);
    Pb__Operation *operation = commands_add(&arena, command);
    Pb__OpNodeChange *change = arena_alloc(&arena, sizeof(*change));
    pb__op_node_change__init(change);
    change->node = agreed->nodes[node].name;
    change->state = arena_strdup(&arena, state);
    operation->op_case = PB__OPERATION__OP_NODE_CHANGE;
    operation->node_change = change;
    command->origin = PB__ORIGIN__ORIGIN_SYSTEM;
    CHECK(agreed_apply(agreed, command)->status == STATUS_OK);
    arena_fini(&arena);
}

void agreed_lead(struct agreed *agreed, uint32_t number)
{
    agreed->term++;
    agreed->leader = number;
    for (uint32_t n = 0; n < agreed->node_count; n++) {
        struct agreed_node *node = &agreed->nodes[n];
        for (uint32_t i = 0; i < node->subscriber_count && node->runtime != NULL; i++)
            tell_role(node, node->subscribers[i]);
    }
}
