/* connection: see the header. */
#include "cli/connection.h"

#include "cli/endpoints.h"
#include "cli/interrupt.h"
#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "wire/kinds.h"
#include "wire/proto/cluster.pb-c.h"
#include "wire/proto/codec.h"
#include "wire/zmq/client.h"

#include <string.h>
#include <time.h>

static const int64_t open_ns =
    SECONDS(3); /* For the greeting of a node that listens, when there is no other. */
static const int64_t silence_ns = MILLISECONDS(CONNECTION_SILENCE_MS);
static const int64_t retry_pause_ns = MILLISECONDS(20); /* After every endpoint was tried in vain. */
static const int64_t grace_ns = MILLISECONDS(1000);   /* The node, told the time, says best why it is over. */
static const int64_t relearn_ns = SECONDS(30);        /* Nodes come and go. */
static const int64_t farewell_ns = MILLISECONDS(500); /* For the word of a node on what was withdrawn. */

struct connection {
    struct client *client; /* NULL: the node was lost, and none is found yet. */
    struct endpoints endpoints;
    size_t at;        /* Of `endpoints`: where `client` is, or was. */
    uint64_t session; /* 0: none open. */
    uint64_t sequence;
    bool answered;    /* Somebody did, before: this is no single command. */
    int64_t learn_ns; /* When to ask for the cluster's nodes again; 0: at the next request. */
};

static int64_t now_ns(void)
{
    struct timespec now;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return SECONDS(now.tv_sec) + now.tv_nsec;
}

/* --- finding a node ------------------------------------------------------------------------------------- */

/* The first endpoint from `from` on that answers; each is tried once. */
static bool find_node(struct connection *connection, size_t from)
{
    const struct endpoints *endpoints = &connection->endpoints;
    int64_t patience_ns = endpoints->count > 1 ? silence_ns : open_ns;
    for (size_t i = 0; i < endpoints->count; i++) {
        size_t at = (from + i) % endpoints->count;
        if (!endpoints_listens(endpoints->names[at])) continue;
        if (client_open(endpoints->names[at], patience_ns, &connection->client, NULL) != STATUS_OK) continue;
        connection->at = at;
        return true;
    }
    return false;
}

static enum status nobody_answers(const struct connection *connection, struct error *error)
{
    struct text tried = { 0 };
    for (size_t i = 0; i < connection->endpoints.count; i++)
        text_printf(&tried, "%s%s", i == 0 ? "" : ", ", connection->endpoints.names[i]);
    error_set(error, STATUS_NO_LEADER, "no node answers at %s", text_string(&tried));
    text_fini(&tried);
    error_hint(error, "start a node, or name one with --endpoint ADDR");
    return STATUS_NO_LEADER;
}

enum status connection_open(const char *given, struct connection **out_connection, struct error *error)
{
    struct connection *connection = memory_zalloc(sizeof *connection);
    enum status status = endpoints_find(&connection->endpoints, given, error);
    if (status == STATUS_OK && !find_node(connection, 0)) status = nobody_answers(connection, error);
    if (status == STATUS_OK) *out_connection = connection;
    else connection_close(&connection);
    return status;
}

void connection_close(struct connection **connection)
{
    if (*connection == NULL) return;
    client_close(&(*connection)->client);
    memory_free(*connection);
    *connection = NULL;
}

const char *connection_endpoint(const struct connection *connection)
{
    return connection->endpoints.names[connection->at];
}

/* --- one request, perhaps at several nodes ---------------------------------------------------------------
 */

struct asking {
    struct connection *connection;
    const struct connection_terms *terms;
    const struct message *request; /* Copied for each attempt. */
    bool repeats;
    bool maybe;     /* An attempt ended without saying what became of it; */
    bool earlier;   /* one before the last. */
    bool timed_out; /* Nobody answered to the last one. */
    bool withdrawn; /* The node said what became of what was withdrawn. */
    size_t unsure;  /* How many nodes said UNKNOWN. */
    int64_t end_ns;
    int64_t called_ns; /* `on_wait` was, last. */
};

static struct message *copy_request(const struct message *request)
{
    struct message *copy = wire_message_create(request->kind);
    const struct kind_row *row = kind_find(request->kind);
    size_t size = codec_size(request->body);
    uint8_t *packed = arena_alloc(&copy->arena, size + 1);
    codec_pack(request->body, packed);
    enum status status = codec_unpack(&copy->arena, row->descriptor, packed, size, &copy->body, NULL);
    CHECK(status == STATUS_OK); /* We packed it ourselves. */
    copy->request_id = request->request_id;
    return copy;
}

/* false: the asker has had enough. */
static bool keep_waiting(struct asking *asking)
{
    const struct connection_terms *terms = asking->terms;
    if (terms->on_wait == NULL || terms->pause_ns == 0) return true;
    if (now_ns() - asking->called_ns < terms->pause_ns) return true;
    asking->called_ns = now_ns();
    return terms->on_wait(terms->context);
}

/* Of what may be sent again, and where another node might do better. */
static bool helps_elsewhere(struct asking *asking, enum status status)
{
    bool unready = status == STATUS_NOT_READY && !asking->terms->waits;
    if (!asking->repeats) return unready || status == STATUS_NOT_LEADER;
    /* Of a change it may be the session that is lost, and stays so. */
    if (status == STATUS_UNKNOWN)
        return asking->terms->repeats || asking->unsure++ < asking->connection->endpoints.count;
    return unready || status == STATUS_NODE_LOST || status == STATUS_NOT_LEADER || status == STATUS_NO_LEADER;
}

/* A node that says nothing is asked for a sign of life after half of the time, and given up after all of it.
 */
struct silence {
    int64_t since_ns; /* The last sign, or when we asked. */
    bool pinged;
};

/* NODE_LOST: it is silent. *out_wait_ns: when to look again. */
static enum status watch_silence(struct connection *connection, struct silence *silence, int64_t *out_wait_ns,
                                 struct error *error)
{
    int64_t now = now_ns();
    if (client_heard(connection->client)) *silence = (struct silence){ .since_ns = now };
    int64_t passed_ns = now - silence->since_ns;
    if (passed_ns >= silence_ns)
        return error_set(error, STATUS_NODE_LOST, "the node at %s is silent",
                         connection_endpoint(connection));
    *out_wait_ns = silence_ns - passed_ns;
    if (passed_ns < silence_ns / 2) *out_wait_ns = silence_ns / 2 - passed_ns;
    else if (!silence->pinged && client_ping(connection->client, error) != STATUS_OK) return STATUS_NODE_LOST;
    else silence->pinged = true;
    return STATUS_OK;
}

/* The asker has had enough. What the node says to that is the end; without a word it is ours. */
static enum status withdraw(struct asking *asking, struct message **out_reply, struct error *error)
{
    struct client *client = asking->connection->client;
    int64_t until_ns = now_ns() + farewell_ns;
    enum status status = asking->terms->withdraws ? client_withdraw(client, error) : STATUS_NODE_LOST;
    for (int64_t left_ns = farewell_ns; status == STATUS_OK && left_ns > 0; left_ns = until_ns - now_ns()) {
        (void)client_wait(client, -1, left_ns);
        status = client_receive(client, out_reply, error);
        asking->withdrawn = status != STATUS_OK || *out_reply != NULL;
        if (asking->withdrawn) return status;
    }
    return error_set(error, STATUS_CANCELLED, "interrupted");
}

/* NODE_LOST: this node went, or is silent. Else the reply, or its refusal. */
static enum status await(struct asking *asking, struct message **out_reply, struct error *error)
{
    struct connection *connection = asking->connection;
    struct silence silence = { .since_ns = now_ns() };
    (void)client_heard(connection->client); /* What came before counts for nothing. */
    for (;;) {
        int64_t wait_ns = asking->end_ns + grace_ns - now_ns();
        asking->timed_out = wait_ns <= 0;
        if (asking->timed_out)
            return error_set(error, STATUS_DEADLINE, "the node at %s did not answer in time",
                             connection_endpoint(connection));
        if (connection->endpoints.count > 1) {
            int64_t look_ns = wait_ns;
            enum status status = watch_silence(connection, &silence, &look_ns, error);
            if (status != STATUS_OK) return status;
            if (look_ns < wait_ns) wait_ns = look_ns;
        }
        if (asking->terms->pause_ns > 0 && wait_ns > asking->terms->pause_ns)
            wait_ns = asking->terms->pause_ns;
        struct client_events events = client_wait(connection->client, -1, wait_ns);
        enum status status = client_receive(connection->client, out_reply, error);
        if (status != STATUS_OK || *out_reply != NULL) return status;
        if (events.lost)
            return error_set(error, STATUS_NODE_LOST, "the node at %s went away",
                             connection_endpoint(connection));
        if (!keep_waiting(asking)) return withdraw(asking, out_reply, error);
    }
}

static enum status attempt(struct asking *asking, struct message **out_reply, struct error *error)
{
    struct connection *connection = asking->connection;
    if (connection->client == NULL && !find_node(connection, connection->at))
        return nobody_answers(connection, error);
    asking->earlier = asking->maybe;
    struct message *copy = copy_request(asking->request);
    int64_t left_ns = asking->end_ns - now_ns();
    enum status status =
        client_send(connection->client, &copy, left_ns > MILLISECONDS(1) ? left_ns : MILLISECONDS(1), error);
    if (status != STATUS_OK) return status;
    status = await(asking, out_reply, error);
    bool unsaid = status == STATUS_NODE_LOST || status == STATUS_DEADLINE || status == STATUS_UNKNOWN ||
                  status == STATUS_CANCELLED;
    asking->maybe = asking->maybe || unsaid;
    connection->answered = connection->answered || status == STATUS_OK;
    return status;
}

static void leave_node(struct connection *connection)
{
    client_close(&connection->client);
    connection->learn_ns = 0; /* The next one may know better. */
    connection->at = (connection->at + 1) % connection->endpoints.count;
}

/* A node says so of what it was asked now: of an attempt before that it knows nothing. */
static bool tells_of_its_own(enum status status)
{
    return status == STATUS_OVERLOADED || status == STATUS_DEADLINE || status == STATUS_CRASHED;
}

/* What the asker is told where no node told it for certain. */
static enum status conclude(const struct asking *asking, enum status status, struct error *error)
{
    bool told = status != STATUS_NODE_LOST && status != STATUS_NO_LEADER && status != STATUS_NOT_READY &&
                status != STATUS_NOT_LEADER && status != STATUS_CANCELLED && !asking->timed_out &&
                !(asking->earlier && tells_of_its_own(status));
    if (told || asking->withdrawn || !asking->maybe || asking->terms->repeats) return status;
    struct error before = *error;
    bool of_its_own = tells_of_its_own(status) && !asking->timed_out;
    if (asking->terms->changes && status != STATUS_CANCELLED) status = STATUS_UNKNOWN;
    return error_set(error, status, "%.400s; %sit may have happened", before.message,
                     of_its_own ? "but it was sent before that: " : "");
}

static enum status ask(struct connection *connection, struct message *request,
                       const struct connection_terms *terms, bool repeats, struct message **out_reply,
                       struct error *error)
{
    struct error unread = { 0 };
    struct error *said = error != NULL ? error : &unread;
    int64_t now = now_ns();
    struct asking asking = { .connection = connection,
                             .terms = terms,
                             .request = request,
                             .repeats = repeats,
                             .end_ns = now + terms->timeout_ns,
                             .called_ns = now };
    enum status status;
    for (size_t tried = 1;; tried++) {
        *out_reply = NULL;
        status = attempt(&asking, out_reply, said);
        if (connection->client != NULL && (status == STATUS_NODE_LOST || asking.timed_out))
            leave_node(connection); /* Late answers of a node that we gave up are of no use. */
        bool unsent = status == STATUS_NO_LEADER && connection->client == NULL;
        bool final = status != STATUS_OK && said->is_final;
        bool again = unsent || (!final && helps_elsewhere(&asking, status));
        /* A node answers NO_LEADER and the like when nearly all of the time is over: that is the answer. */
        if (!again || asking.end_ns - now_ns() < terms->timeout_ns / 8) break;
        if (connection->client != NULL) leave_node(connection);
        if (tried % connection->endpoints.count != 0) continue;
        interrupt_wait(retry_pause_ns); /* A full round: give them a moment. */
        if (!keep_waiting(&asking)) break;
    }
    return status == STATUS_OK ? status : conclude(&asking, status, said);
}

/* --- the cluster's other nodes
 * ------------------------------------------------------------------------------
 */

static void learn_members(struct connection *connection, const Pb__ClusterMembersReply *reply)
{
    enum { TOLD_MAX = 2 * (ENDPOINTS_GIVEN_MAX + ENDPOINTS_LEARNED_MAX) }; /* Some may be known already. */
    const char *told[TOLD_MAX];
    size_t count = 0;
    for (size_t i = 0; i < reply->n_members && count < TOLD_MAX; i++) {
        const Pb__ClusterMember *member = reply->members[i];
        if (strcmp(member->presence, "LOST") == 0 || member->client_address[0] == '\0') continue;
        told[count++] = member->client_address;
    }
    connection->at = endpoints_learn(&connection->endpoints, connection->at, told, count);
    connection->learn_ns = now_ns() + relearn_ns;
}

/* Of the node that we have, from its own view, and only once it answered something: a single command costs no
 * more than before, and speaks to whom it was told to. A node that doesn't answer at once is not waited for:
 * the request itself finds out what is the matter. */
static void learn(struct connection *connection)
{
    if (!connection->answered || connection->client == NULL || now_ns() < connection->learn_ns) return;
    connection->learn_ns = now_ns() + relearn_ns;
    struct message *request = wire_message_create(KIND_CLUSTER_MEMBERS_REQUEST);
    ((Pb__ClusterMembersRequest *)request->body)->stale = true;
    struct message *reply = NULL;
    enum status status = client_ask(connection->client, &request, silence_ns, &reply, NULL);
    if (status == STATUS_NODE_LOST) leave_node(connection); /* Told once: nothing would show it again. */
    if (status != STATUS_OK) return;
    CHECK(reply != NULL); /* OK comes with one. */
    if (reply->kind == KIND_CLUSTER_MEMBERS_REPLY) learn_members(connection, reply->body);
    message_destroy(&reply);
}

/* --- sessions (A4) ----------------------------------------------------------------------------------------
 */

static uint64_t *field_of(struct message *request, const char *name)
{
    const struct kind_row *row = kind_find(request->kind);
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(row->descriptor, name);
    if (field == NULL || field->type != PROTOBUF_C_TYPE_UINT64) return NULL;
    return (uint64_t *)(void *)((uint8_t *)request->body + field->offset);
}

/* The change itself was not sent to anybody: whatever became of the session, that is certain. */
static enum status say_unsent(enum status status, struct error *error)
{
    bool unsure = status == STATUS_UNKNOWN || status == STATUS_NODE_LOST || status == STATUS_DEADLINE;
    if (!unsure) return status;
    struct error before = { 0 };
    if (error != NULL) before = *error;
    return error_set(error, STATUS_NO_LEADER, "no session could be opened, nothing was changed: %.400s",
                     before.message);
}

static enum status open_session(struct connection *connection, const struct connection_terms *change,
                                struct error *error)
{
    struct message *request = wire_message_create(KIND_SESSION_OPEN_REQUEST);
    ((Pb__SessionOpenRequest *)request->body)->client = wire_string(request, "aether");
    struct message *reply = NULL;
    struct connection_terms terms = { .timeout_ns = change->timeout_ns,
                                      .repeats = true,
                                      .pause_ns = change->pause_ns,
                                      .on_wait = change->on_wait,
                                      .context = change->context };
    enum status status = ask(connection, request, &terms, true, &reply, error);
    message_destroy(&request);
    if (status != STATUS_OK) return say_unsent(status, error);
    CHECK(reply != NULL); /* OK comes with one. */
    bool opened = reply->kind == KIND_SESSION_OPEN_REPLY;
    connection->session = opened ? ((const Pb__SessionOpenReply *)reply->body)->session : 0;
    connection->sequence = 0;
    message_destroy(&reply);
    if (connection->session != 0) return STATUS_OK;
    return error_set(error, STATUS_CORRUPT, "%s opened no session", connection_endpoint(connection));
}

enum status connection_ask(struct connection *connection, struct message **request,
                           const struct connection_terms *terms, struct message **out_reply,
                           struct error *error)
{
    uint64_t *session = field_of(*request, "session");
    uint64_t *sequence = field_of(*request, "sequence");
    bool once = session != NULL && sequence != NULL && *session == 0;
    int64_t began_ns = now_ns();
    enum status status = STATUS_OK;
    struct connection_terms left = *terms;
    if (once && connection->session == 0) status = open_session(connection, terms, error);
    if (once && status == STATUS_OK) {
        *session = connection->session;
        *sequence = ++connection->sequence;
        left.timeout_ns -= now_ns() - began_ns;
    }
    if (status == STATUS_OK) {
        learn(connection);
        status = ask(connection, *request, &left, once || terms->repeats, out_reply, error);
    }
    /* The store may have dropped it; what was UNKNOWN stays so, the next change begins anew. */
    if (once && status == STATUS_UNKNOWN) connection->session = 0;
    message_destroy(request);
    return status;
}

/* --- in steps ------------------------------------------------------------------------------------ */

enum status connection_send(struct connection *connection, struct message **request, int64_t timeout_ns,
                            struct error *error)
{
    return client_send(connection->client, request, timeout_ns, error);
}

struct connection_events connection_wait(struct connection *connection, int fd, int64_t timeout_ns)
{
    struct client_events events = client_wait(connection->client, fd, timeout_ns);
    return (struct connection_events){ .input = events.text, .fd = events.fd, .lost = events.lost };
}

enum status connection_receive(struct connection *connection, struct message **out_reply, struct error *error)
{
    return client_receive(connection->client, out_reply, error);
}

enum status connection_send_text(struct connection *connection, const char *text, size_t size,
                                 struct error *error)
{
    return client_send_text(connection->client, text, size, error);
}

char *connection_next_text(struct connection *connection)
{
    return client_next_text(connection->client);
}
