/* Goal: an ask to another node completes exactly once, with what was answered there or with the reason why
 * not, whatever the network loses, repeats, delays or damages; and strangers are not heard. Method: two nodes
 * on the stepper; their transports are small actors around a `struct remote`, joined by a network whose
 * mischief each test sets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "tests/support/probe.h"
#include "wire/kinds.h"
#include "wire/remote.h"

#include "wire/proto/cluster.pb-c.h"
#include "wire/proto/consensus.pb-c.h"
#include "wire/proto/slice.pb-c.h"

enum { NODES = 2, KIND_GO = 5000, KIND_ARRIVED, KIND_LOST };

struct network;

struct node { /* Also the state behind a node's transport. */
    struct network *network;
    char name[NODE_NAME_MAX];
    struct runtime *runtime;
    struct remote *remote;
    struct actor_id transport;
};

struct parcel {
    struct node *to;
    struct node *from;
    enum transport_channel channel;
    struct bytes *frame;
};

struct network {
    struct scheduler *stepper;
    struct node nodes[NODES];
    bool cut;             /* No connection. */
    bool full;            /* The byte budget is used up. */
    uint32_t lose;        /* The how-manieth frame from now vanishes; 0: none. */
    uint32_t copies;      /* Each frame arrives so often; 0 counts as once. */
    int64_t delay_ns;     /* At most; drawn. */
    int64_t bulk_ns;      /* What goes by the channel of data takes so much longer. */
    bool damage;          /* One bit of each frame is flipped. */
    bool stranger[NODES]; /* Frames of this node seem to come from a third one. */
    struct bytes *first;  /* A copy of the first frame that node a sent. */
};

/* --- the network ------------------------------------------------------------------------------------------
 */

static void deliver(void *context, uint64_t tag)
{
    (void)tag;
    struct parcel *parcel = context;
    struct message *message = message_create(KIND_ARRIVED, sizeof(struct transport_send));
    struct transport_send *arrived = message->body;
    const struct network *network = parcel->from->network;
    const char *from = network->stranger[parcel->from - network->nodes] ? "stranger" : parcel->from->name;
    (void)text_copy(arrived->node, sizeof arrived->node, from);
    arrived->channel = parcel->channel;
    message_attach(message, &parcel->frame);
    if (parcel->to->runtime == NULL ||
        runtime_send(parcel->to->runtime, parcel->to->transport, &message) != STATUS_OK)
        message_destroy(&message);
    memory_free(parcel);
}

static void carry(struct network *network, struct node *from, struct node *to, enum transport_channel channel,
                  const struct bytes *frame)
{
    struct parcel *parcel = memory_alloc(sizeof *parcel);
    *parcel = (struct parcel){ to, from, channel, bytes_copy(frame->data, frame->size) };
    if (network->damage) parcel->frame->data[stepper_random(network->stepper) % frame->size] ^= 1;
    int64_t delay_ns = network->delay_ns == 0
                           ? 0
                           : (int64_t)(stepper_random(network->stepper) % (uint64_t)network->delay_ns);
    if (channel == CHANNEL_DATA) delay_ns += network->bulk_ns;
    stepper_call_at(network->stepper, stepper_now_ns(network->stepper) + delay_ns, deliver, parcel, 0);
}

static enum status transmit(void *transport, const char *name, enum transport_channel channel,
                            struct bytes **frame)
{
    struct node *node = transport;
    struct network *network = node->network;
    struct node *to = strcmp(network->nodes[0].name, name) == 0 ? &network->nodes[0] : &network->nodes[1];
    if (network->full) return STATUS_OVERLOADED;
    if (network->cut || strcmp(to->name, name) != 0) return STATUS_NODE_LOST;
    if (network->first == NULL && node == &network->nodes[0])
        network->first = bytes_copy((*frame)->data, (*frame)->size);
    for (uint32_t i = 0; i < (network->copies == 0 ? 1 : network->copies); i++) {
        bool lost = network->lose == 1;
        if (network->lose > 0) network->lose--;
        if (!lost) carry(network, node, to, channel, *frame);
    }
    bytes_unref(frame);
    return STATUS_OK;
}

static void transport_handle(struct actor *self, void *context, const struct message *message)
{
    struct node *node = context;
    const struct transport_send *send = message->body;
    switch (message->kind) {
    case KIND_TRANSPORT_SEND: remote_on_send(node->remote, self, message); break;
    case KIND_TRANSPORT_ASK: remote_on_ask(node->remote, self, message); break;
    case KIND_TRANSPORT_IDENTITY: remote_set_identity(node->remote, message->body); break;
    case KIND_ARRIVED:
        remote_on_frame(node->remote, self, send->node, send->channel, message->attachment->data,
                        message->attachment->size);
        break;
    case KIND_LOST: remote_on_peer_down(node->remote, self, send->node); break;
    default: fail();
    }
}

static void set_identity(struct node *node, uint64_t cluster_id, uint64_t replica_id)
{
    struct message *message = message_create(KIND_TRANSPORT_IDENTITY, sizeof(struct transport_identity));
    *(struct transport_identity *)message->body = (struct transport_identity){ cluster_id, replica_id };
    probe_tell(node->runtime, node->transport, &message);
}

static int set_up(void **state)
{
    static struct network network;
    network = (struct network){ .stepper = stepper_create(&(struct stepper_options){ .seed = 7 }) };
    for (int i = 0; i < NODES; i++) {
        struct node *node = &network.nodes[i];
        *node = (struct node){ .network = &network };
        (void)text_copy(node->name, sizeof node->name, i == 0 ? "a" : "b");
        node->runtime =
            runtime_create(&(struct runtime_options){ .scheduler = network.stepper, .node = node->name });
        node->remote = remote_create(&(struct remote_options){ .transmit = transmit, .transport = node });
        node->transport = stub_spawn(node->runtime, TO_TRANSPORT, transport_handle, node);
        set_identity(node, 77, (uint64_t)i + 1);
    }
    *state = &network;
    return 0;
}

static int tear_down(void **state)
{
    struct network *network = *state;
    stepper_run_until(network->stepper, stepper_now_ns(network->stepper) + SECONDS(120));
    for (int i = 0; i < NODES; i++) {
        assert_true(runtime_stop(network->nodes[i].runtime, SECONDS(10)));
        runtime_destroy(&network->nodes[i].runtime);
        remote_destroy(&network->nodes[i].remote);
    }
    scheduler_destroy(&network->stepper);
    bytes_unref(&network->first);
    return 0;
}

/* --- who asks, who answers --------------------------------------------------------------------------------
 */

struct asker { /* One ask of node a to node b, and what became of it. */
    struct network *network;
    struct message *request;
    int64_t timeout_ns;
    uint32_t completions;
    enum status status;
    struct error error;
    struct message *reply;
};

static void on_complete(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    (void)state;
    struct asker *asker = context;
    asker->completions++;
    asker->status = result->status;
    if (result->error != NULL) asker->error = *result->error;
    if (result->message != NULL) asker->reply = actor_keep(self);
}

static void asker_handle(struct actor *self, void *context, const struct message *message)
{
    (void)message;
    struct asker *asker = context;
    actor_set_request_id(self, (struct request_id){ 11, 12 });
    wire_ask(self, "b", CHANNEL_DATA, &asker->request, asker->timeout_ns, on_complete, asker);
    assert_null(asker->request);
}

static bool is_complete(void *context)
{
    return ((const struct asker *)context)->completions > 0;
}

static void ask(struct network *network, struct asker *asker, uint32_t kind)
{
    if (asker->reply != NULL) message_destroy(&asker->reply);
    *asker = (struct asker){ .network = network, .request = asker->request, .timeout_ns = asker->timeout_ns };
    if (asker->request == NULL) asker->request = wire_message_create(kind);
    if (asker->timeout_ns == 0) asker->timeout_ns = SECONDS(5);
    struct actor_id id = stub_spawn(network->nodes[0].runtime, 0, asker_handle, asker);
    struct message *go = message_create(KIND_GO, 0);
    probe_tell(network->nodes[0].runtime, id, &go);
}

static void ask_and_await(struct network *network, struct asker *asker, uint32_t kind)
{
    ask(network, asker, kind);
    assert_true(probe_await(network->stepper, is_complete, asker, SECONDS(60)));
}

struct answerer {
    uint32_t handled;
    int64_t deadline_ns;
    char from_node[NODE_NAME_MAX];
    uint64_t from_replica;
    struct request_id request_id;
    enum status refuse;
    bool silent;
    size_t attachment_size;
};

static void answerer_handle(struct actor *self, void *context, const struct message *message)
{
    struct answerer *answerer = context;
    answerer->handled++;
    answerer->deadline_ns = message->deadline_ns;
    answerer->from_replica = message->from_replica;
    answerer->request_id = message->request_id;
    (void)text_copy(answerer->from_node, NODE_NAME_MAX, message->from_node);
    if (answerer->silent) return;
    if (answerer->refuse != STATUS_OK) {
        struct error error;
        (void)error_set(&error, answerer->refuse, "not now");
        error_hint(&error, "later");
        actor_refuse_error(self, message, &error);
        return;
    }
    struct message *reply = wire_message_create(KIND_KV_GET_REPLY);
    ((Pb__KvGetReply *)reply->body)->index = 41 + answerer->handled;
    if (answerer->attachment_size > 0) {
        struct bytes *bulk = bytes_create(answerer->attachment_size);
        memset(bulk->data, 1, bulk->size);
        message_attach(reply, &bulk);
    }
    actor_reply(self, message, &reply);
}

static void answer_kv(struct network *network, struct answerer *answerer)
{
    (void)stub_spawn(network->nodes[1].runtime, TO_STATE, answerer_handle, answerer);
}

/* --- tests ------------------------------------------------------------------------------------------------
 */

static void an_ask_crosses_and_returns(void **state)
{
    struct network *network = *state;
    struct answerer answerer = { 0 };
    struct asker asker = { .timeout_ns = SECONDS(2) };
    answer_kv(network, &answerer);
    int64_t now_ns = stepper_now_ns(network->stepper);
    ask_and_await(network, &asker, KIND_KV_GET_REQUEST);
    assert_int_equal(asker.status, STATUS_OK);
    assert_int_equal(asker.completions, 1);
    assert_int_equal(((Pb__KvGetReply *)asker.reply->body)->index, 42);
    assert_string_equal(asker.reply->from_node, "b");
    assert_string_equal(answerer.from_node, "a");
    assert_int_equal(answerer.from_replica, 1);
    assert_int_equal(answerer.request_id.high, 11);
    assert_int_equal(answerer.request_id.low, 12);
    assert_true(answerer.deadline_ns > now_ns);
    assert_true(answerer.deadline_ns <= now_ns + SECONDS(2));
    message_destroy(&asker.reply);
}

static void a_refusal_crosses_with_its_story(void **state)
{
    struct network *network = *state;
    struct answerer answerer = { .refuse = STATUS_CONFLICT };
    struct asker asker = { 0 };
    answer_kv(network, &answerer);
    ask_and_await(network, &asker, KIND_KV_GET_REQUEST);
    assert_int_equal(asker.status, STATUS_CONFLICT);
    assert_string_equal(asker.error.message, "not now");
    assert_string_equal(asker.error.hint, "later");
}

static void nobody_there_is_told(void **state)
{
    struct network *network = *state;
    struct asker asker = { 0 };
    ask_and_await(network, &asker, KIND_KV_GET_REQUEST); /* b has no state actor. */
    assert_int_equal(asker.status, STATUS_NOT_FOUND);
    ask_and_await(network, &asker, KIND_KV_GET_REPLY); /* No request at all. */
    assert_int_equal(asker.status, STATUS_INVALID);
    network->full = true;
    ask_and_await(network, &asker, KIND_KV_GET_REQUEST);
    assert_int_equal(asker.status, STATUS_OVERLOADED);
    network->full = false;
    network->cut = true;
    ask_and_await(network, &asker, KIND_KV_GET_REQUEST);
    assert_int_equal(asker.status, STATUS_NODE_LOST);
    assert_non_null(strstr(asker.error.message, "nothing was sent"));
    assert_true(asker.error.is_unstarted);
}

static void a_broken_connection_ends_its_asks(void **state)
{
    struct network *network = *state;
    struct answerer answerer = { .silent = true };
    struct asker asker = { .timeout_ns = SECONDS(30) };
    answer_kv(network, &answerer);
    ask(network, &asker, KIND_KV_GET_REQUEST);
    assert_int_equal(answerer.handled, 1);
    assert_int_equal(asker.completions, 0);
    int64_t now_ns = stepper_now_ns(network->stepper);
    struct message *lost = message_create(KIND_LOST, sizeof(struct transport_send));
    (void)text_copy(((struct transport_send *)lost->body)->node, NODE_NAME_MAX, "b");
    probe_tell(network->nodes[0].runtime, network->nodes[0].transport, &lost);
    assert_int_equal(asker.completions, 1);
    assert_int_equal(asker.status, STATUS_NODE_LOST);
    assert_false(asker.error.is_unstarted);                     /* It may have arrived. */
    assert_int_equal(stepper_now_ns(network->stepper), now_ns); /* At once (E8). */
}

static void a_lost_frame_ends_in_the_deadline(void **state)
{
    struct network *network = *state;
    struct answerer answerer = { 0 };
    struct asker asker = { .timeout_ns = MILLISECONDS(300) };
    answer_kv(network, &answerer);
    for (uint32_t lost = 1; lost <= 2; lost++) { /* The request, then the reply. */
        network->lose = lost;
        int64_t begin_ns = stepper_now_ns(network->stepper);
        ask_and_await(network, &asker, KIND_KV_GET_REQUEST);
        assert_int_equal(asker.status, STATUS_DEADLINE);
        assert_int_equal(stepper_now_ns(network->stepper) - begin_ns, MILLISECONDS(300));
        assert_int_equal(answerer.handled, lost - 1);
    }
    ask_and_await(network, &asker, KIND_KV_GET_REQUEST);
    assert_int_equal(asker.status, STATUS_OK);
    message_destroy(&asker.reply);
}

static void a_repeated_frame_counts_once(void **state)
{
    struct network *network = *state;
    struct answerer answerer = { 0 };
    answer_kv(network, &answerer);
    network->copies = 3;
    network->delay_ns = MILLISECONDS(50);
    for (uint32_t i = 1; i <= 20; i++) {
        struct asker asker = { 0 };
        ask_and_await(network, &asker, KIND_KV_GET_REQUEST);
        stepper_run_until(network->stepper, stepper_now_ns(network->stepper) + MILLISECONDS(100));
        assert_int_equal(asker.status, STATUS_OK);
        assert_int_equal(asker.completions, 1);
        assert_int_equal(answerer.handled, i);
        message_destroy(&asker.reply);
    }
}

static void reordered_asks_all_arrive(void **state)
{
    struct network *network = *state;
    struct answerer answerer = { 0 };
    answer_kv(network, &answerer);
    network->delay_ns = SECONDS(1);
    enum { ASKS = 100 };
    static struct asker askers[ASKS];
    for (int i = 0; i < ASKS; i++) {
        askers[i] = (struct asker){ 0 };
        ask(network, &askers[i], KIND_KV_GET_REQUEST);
    }
    stepper_run_until(network->stepper, stepper_now_ns(network->stepper) + SECONDS(3));
    for (int i = 0; i < ASKS; i++) {
        assert_int_equal(askers[i].completions, 1);
        assert_int_equal(askers[i].status, STATUS_OK);
        message_destroy(&askers[i].reply);
    }
    assert_int_equal(answerer.handled, ASKS);
}

static void damaged_frames_are_dropped_and_counted(void **state)
{
    struct network *network = *state;
    struct answerer answerer = { 0 };
    struct asker asker = { .timeout_ns = SECONDS(1) };
    answer_kv(network, &answerer);
    network->damage = true;
    for (int i = 0; i < 50; i++) {
        ask_and_await(network, &asker, KIND_KV_GET_REQUEST);
        assert_int_equal(asker.status, STATUS_DEADLINE);
    }
    assert_int_equal(answerer.handled, 0);
    assert_int_equal(remote_dropped(network->nodes[1].remote), 50);
}

static void strangers_are_not_heard(void **state)
{
    struct network *network = *state;
    struct answerer answerer = { 0 };
    struct answerer leader = { 0 };
    struct asker asker = { .timeout_ns = SECONDS(1) };
    answer_kv(network, &answerer);
    (void)stub_spawn(network->nodes[1].runtime, TO_LEADER, answerer_handle, &leader);
    set_identity(&network->nodes[1], 78, 2);
    ask_and_await(network, &asker, KIND_KV_GET_REQUEST);
    assert_int_equal(asker.status, STATUS_DEADLINE);
    assert_int_equal(answerer.handled, 0);
    ask_and_await(network, &asker, KIND_WHO); /* What founding asks crosses, and so does its reply (I2). */
    assert_int_equal(leader.handled, 1);
    assert_int_equal(asker.status, STATUS_OK);
    message_destroy(&asker.reply);
    set_identity(&network->nodes[1], 77, 2);
    network->stranger[0] = true; /* b answers "stranger", whom it has no connection to: a hears nothing. */
    ask_and_await(network, &asker, KIND_KV_GET_REQUEST);
    assert_int_equal(asker.status, STATUS_DEADLINE);
    network->stranger[0] = false;
    network->stranger[1] = true; /* Only who was asked may answer. */
    ask_and_await(network, &asker, KIND_KV_GET_REQUEST);
    assert_int_equal(asker.status, STATUS_DEADLINE);
}

static void what_does_not_fit_is_refused(void **state)
{
    struct network *network = *state;
    struct answerer answerer = { .attachment_size = FRAME_SIZE_MAX };
    struct asker asker = { 0 };
    answer_kv(network, &answerer);
    ask_and_await(network, &asker, KIND_KV_GET_REQUEST); /* The reply is too large: the asker hears that. */
    assert_int_equal(asker.status, STATUS_INVALID);
    asker.request = wire_message_create(KIND_KV_GET_REQUEST);
    struct bytes *bulk = bytes_create(FRAME_SIZE_MAX);
    memset(bulk->data, 1, bulk->size);
    message_attach(asker.request, &bulk);
    ask_and_await(network, &asker, KIND_KV_GET_REQUEST);
    assert_int_equal(asker.status, STATUS_INVALID);
    assert_int_equal(answerer.handled, 1);
}

static void post_handle(struct actor *self, void *context, const struct message *message)
{
    (void)context, (void)message;
    struct message *post = wire_message_create(KIND_STATE_UNWATCH);
    ((Pb__StateUnwatch *)post->body)->watch_id = 5;
    wire_post(self, "b", CHANNEL_CONSENSUS, &post);
    assert_null(post);
}

static void a_post_arrives_or_is_lost_quietly(void **state)
{
    struct network *network = *state;
    struct answerer answerer = { .silent = true };
    answer_kv(network, &answerer);
    struct actor_id poster = stub_spawn(network->nodes[0].runtime, 0, post_handle, NULL);
    for (int i = 0; i < 3; i++) {
        network->cut = i == 1;
        struct message *go = message_create(KIND_GO, 0);
        probe_tell(network->nodes[0].runtime, poster, &go);
    }
    assert_int_equal(answerer.handled, 2);
    assert_int_equal(remote_dropped(network->nodes[0].remote), 0);
    network->full = true;
    struct message *go = message_create(KIND_GO, 0);
    probe_tell(network->nodes[0].runtime, poster, &go);
    assert_int_equal(remote_dropped(network->nodes[0].remote), 1);
}

/* A peer that starts anew counts its asks from another epoch: they are news, though its numbers are small
 * again. */
static void a_restarted_peer_is_heard(void **state)
{
    struct network *network = *state;
    struct answerer answerer = { 0 };
    struct asker asker = { 0 };
    answer_kv(network, &answerer);
    for (uint32_t life = 1; life <= 5; life++) {
        ask_and_await(network, &asker, KIND_KV_GET_REQUEST);
        assert_int_equal(asker.status, STATUS_OK);
        /* A frame of its first life, kept by the network ever since, is news in no later one. */
        if (life >= 2) carry(network, &network->nodes[0], &network->nodes[1], CHANNEL_DATA, network->first);
        stepper_run_until(network->stepper, stepper_now_ns(network->stepper) + SECONDS(1));
        assert_int_equal(answerer.handled, life);
        message_destroy(&asker.reply);
        struct node *node = &network->nodes[0];
        remote_destroy(&node->remote);
        node->remote = remote_create(&(struct remote_options){ .transmit = transmit, .transport = node });
        set_identity(node, 77, 1);
    }
}

struct hasty { /* Asks of node a to node b by the other channel, many at once. */
    uint32_t answered;
};

static void on_hasty_answer(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    (void)self, (void)state;
    struct hasty *hasty = context;
    hasty->answered += result->status == STATUS_OK;
}

static void hasty_handle(struct actor *self, void *context, const struct message *message)
{
    (void)message;
    for (uint32_t i = 0; i < 300; i++) {
        struct message *request = wire_message_create(KIND_KV_GET_REQUEST);
        wire_ask(self, "b", CHANNEL_CONSENSUS, &request, SECONDS(5), on_hasty_answer, context);
    }
}

/* Each channel is a connection of its own, and that of consensus is read first: calls that wait behind bulk
 * are not repeated ones, however many asks of the other channel came before them. */
static void one_channel_is_not_late_by_the_other(void **state)
{
    struct network *network = *state;
    struct answerer answerer = { 0 };
    struct asker asker = { 0 };
    struct hasty hasty = { 0 };
    answer_kv(network, &answerer);
    network->bulk_ns = SECONDS(1);
    ask(network, &asker, KIND_KV_GET_REQUEST);
    struct actor_id id = stub_spawn(network->nodes[0].runtime, 0, hasty_handle, &hasty);
    for (uint32_t round = 1; round <= 5; round++) {
        struct message *go = message_create(KIND_GO, 0);
        probe_tell(network->nodes[0].runtime, id, &go);
        assert_int_equal(hasty.answered, 300 * round);
    }
    assert_int_equal(asker.completions, 0);
    assert_true(probe_await(network->stepper, is_complete, &asker, SECONDS(60)));
    assert_int_equal(asker.status, STATUS_OK);
    message_destroy(&asker.reply);
}

/* --- a circle ---------------------------------------------------------------------------------------------
 */

static void on_other_corner(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    (void)state;
    struct message *asked = context;
    assert_int_not_equal(result->status, STATUS_OK);
    actor_refuse(self, asked, result->status);
    message_destroy(&asked);
}

struct corner { /* Asks the other node the same before it answers. */
    const char *other;
    uint32_t rounds;
};

static void corner_handle(struct actor *self, void *context, const struct message *message)
{
    (void)message;
    struct corner *corner = context;
    corner->rounds++;
    struct message *again = wire_message_create(KIND_KV_GET_REQUEST);
    wire_ask(self, corner->other, CHANNEL_DATA, &again, SECONDS(30), on_other_corner, actor_keep(self));
}

static void a_circle_over_nodes_is_refused(void **state)
{
    struct network *network = *state;
    struct corner corners[NODES] = { { .other = "b" }, { .other = "a" } };
    for (int i = 0; i < NODES; i++) {
        (void)stub_spawn(network->nodes[i].runtime, TO_STATE, corner_handle, &corners[i]);
    }
    struct asker asker = { .timeout_ns = SECONDS(30) };
    int64_t now_ns = stepper_now_ns(network->stepper);
    ask_and_await(network, &asker, KIND_KV_GET_REQUEST);
    assert_int_equal(asker.status, STATUS_OVERLOADED);
    assert_int_equal(stepper_now_ns(network->stepper), now_ns); /* Not by its deadline. */
    assert_int_equal(corners[0].rounds + corners[1].rounds,
                     32); /* Two asks a crossing: to the transport, from it. */
}

int main(void)
{
#define WIRE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WIRE_TEST(an_ask_crosses_and_returns),
        WIRE_TEST(a_refusal_crosses_with_its_story),
        WIRE_TEST(nobody_there_is_told),
        WIRE_TEST(a_broken_connection_ends_its_asks),
        WIRE_TEST(a_lost_frame_ends_in_the_deadline),
        WIRE_TEST(a_repeated_frame_counts_once),
        WIRE_TEST(reordered_asks_all_arrive),
        WIRE_TEST(damaged_frames_are_dropped_and_counted),
        WIRE_TEST(strangers_are_not_heard),
        WIRE_TEST(what_does_not_fit_is_refused),
        WIRE_TEST(a_post_arrives_or_is_lost_quietly),
        WIRE_TEST(a_restarted_peer_is_heard),
        WIRE_TEST(one_channel_is_not_late_by_the_other),
        WIRE_TEST(a_circle_over_nodes_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
