/* slice_carrier: what instances of this node left, and what is fetched for those that start here.
 * Learns  the nodes' names from the state.
 * Owns    the states that are kept, each until it was taken or its time passed; searches under way, each for
 *         one TAKE that is owed an answer.
 * Limits  slice_carrier.h; SEARCHES_MAX searches, one more finds nothing. A node has PEER_TIMEOUT_NS to
 * answer.
 *
 * A search asks every node what it has, takes the youngest, fetches it piece by piece, checks its SHA-256,
 * and tells whoever kept it that it was taken. Whatever goes wrong on the way: the successor starts without.
 */
#include "actors/slice/slice_carrier.h"

#include "actors/slice/messages.h"
#include "actors/slice/node_roster.h"
#include "runtime/base/check.h"
#include "runtime/base/mark.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "runtime/crypto/digest.h"
#include "store/schema/slice.h"
#include "wire/kinds.h"
#include "wire/proto/slice.pb-c.h"
#include "wire/remote.h"

#include <stdio.h>
#include <string.h>

enum { SEARCHES_MAX = 64, WATCH_NODES = 1, PIECE_BYTES = 256 * 1024, SLICE_NAME_MAX = COORDINATES_TEXT_MAX };
static const int64_t PEER_TIMEOUT_NS = SECONDS(1);
static const size_t STATE_BYTES_MAX = 64 * (size_t)1024 * 1024;

struct kept {
    char slice[SLICE_NAME_MAX]; /* group:artifact */
    uint32_t instance;
    char sha256[DIGEST_TEXT_MAX];
    struct bytes *state;
    int64_t taken_ms;
    int64_t until_ns;
};

struct search {
    uint64_t number;         /* 0: free. */
    struct message *request; /* Kept; owed one answer. */
    char slice[SLICE_NAME_MAX];
    uint32_t instance;
    uint32_t pending;          /* Nodes that have not said what they have. */
    char node[SLICE_NODE_MAX]; /* Who has the youngest; "" = nobody. */
    char sha256[DIGEST_TEXT_MAX];
    uint64_t taken_ms;
    struct bytes *state; /* As far as it was fetched. */
    size_t fetched;
};

struct part { /* The context of an ask. */
    uint64_t search;
    char node[SLICE_NODE_MAX];
};

struct slice_carrier {
    const char *node;
    struct node_roster roster;
    struct kept kept[CARRIER_STATES_MAX]; /* The oldest first. */
    uint32_t kept_count;
    size_t kept_bytes;
    struct search searches[SEARCHES_MAX];
    uint64_t number_last;
    bool sweeping;
};

static void slice_of(char *slice, const char *artifact)
{
    const char *version = strrchr(artifact, ':');
    size_t length = version == NULL ? strlen(artifact) : (size_t)(version - artifact);
    if (length >= SLICE_NAME_MAX) length = SLICE_NAME_MAX - 1;
    memcpy(slice, artifact, length);
    slice[length] = '\0';
}

static void sum(const struct bytes *state, char sha256[DIGEST_TEXT_MAX])
{
    struct digest digest;
    digest_begin(&digest, DIGEST_SHA256);
    digest_add(&digest, state->data, state->size);
    digest_end(&digest, sha256);
}

/* --- what is kept -------------------------------------------------------------------------------------- */

static void drop(struct slice_carrier *carrier, uint32_t place)
{
    carrier->kept_bytes -= carrier->kept[place].state->size;
    bytes_unref(&carrier->kept[place].state);
    carrier->kept_count--;
    for (; place < carrier->kept_count; place++)
        carrier->kept[place] = carrier->kept[place + 1];
}

/* CARRIER_STATES_MAX: none. */
static uint32_t place_of(const struct slice_carrier *carrier, const char *slice, uint32_t instance)
{
    for (uint32_t i = 0; i < carrier->kept_count; i++) {
        const struct kept *kept = &carrier->kept[i];
        if (kept->instance == instance && strcmp(kept->slice, slice) == 0) return i;
    }
    return CARRIER_STATES_MAX;
}

static void sweep_later(struct actor *self, struct slice_carrier *carrier)
{
    if (carrier->sweeping || carrier->kept_count == 0) return;
    int64_t left_ns = carrier->kept[0].until_ns - actor_now_ns(self);
    carrier->sweeping = true;
    (void)actor_after(self, left_ns > 0 ? left_ns : 1, KIND_SLICE_SWEEP, 0);
}

static void on_sweep(struct actor *self, void *state, const struct message *message)
{
    struct slice_carrier *carrier = state;
    (void)message;
    carrier->sweeping = false;
    while (carrier->kept_count > 0 && carrier->kept[0].until_ns <= actor_now_ns(self))
        drop(carrier, 0);
    sweep_later(self, carrier);
}

static void on_keep(struct actor *self, void *state, const struct message *message)
{
    struct slice_carrier *carrier = state;
    const struct instance_key *key = &((const struct slice_state_keep *)message->body)->key;
    struct bytes *left = message->attachment;
    char slice[SLICE_NAME_MAX];
    slice_of(slice, key->artifact);
    uint32_t place = place_of(carrier, slice, key->instance);
    if (place != CARRIER_STATES_MAX) drop(carrier, place);
    while (carrier->kept_count == CARRIER_STATES_MAX ||
           (carrier->kept_count > 0 && carrier->kept_bytes + left->size > CARRIER_BYTES_MAX))
        drop(carrier, 0);
    struct kept *kept = &carrier->kept[carrier->kept_count++];
    *kept = (struct kept){
        .instance = key->instance,
        .state = bytes_ref(left),
        .taken_ms = actor_wall_ms(self),
        .until_ns = actor_now_ns(self) + SECONDS(CARRIER_KEEP_S),
    };
    (void)text_copy(kept->slice, sizeof(kept->slice), slice);
    sum(left, kept->sha256);
    carrier->kept_bytes += left->size;
    log_info(self, "slice.state_kept", "instance=%s#%u bytes=%zu", key->artifact, key->instance, left->size);
    sweep_later(self, carrier);
}

/* What a peer (or this node's own search) asks: what is there, a piece of it, or that it was taken. */
static void on_carry(struct actor *self, void *state, const struct message *message)
{
    struct slice_carrier *carrier = state;
    const Pb__SliceCarryRequest *request = message->body;
    uint32_t place = place_of(carrier, request->slice, request->instance);
    struct message *message_out = wire_message_create(KIND_SLICE_CARRY_REPLY);
    Pb__SliceCarryReply *reply = message_out->body;
    struct kept *kept = place == CARRIER_STATES_MAX ? NULL : &carrier->kept[place];
    bool asked_for =
        kept != NULL && (request->sha256[0] == '\0' || strcmp(request->sha256, kept->sha256) == 0);
    if (asked_for) {
        reply->sha256 = wire_string(message_out, kept->sha256);
        reply->size = kept->state->size;
        reply->taken_at = (uint64_t)kept->taken_ms;
    }
    if (asked_for && request->sha256[0] != '\0' && request->offset < kept->state->size) {
        size_t left = kept->state->size - (size_t)request->offset;
        struct bytes *piece =
            bytes_copy(kept->state->data + request->offset, left < PIECE_BYTES ? left : PIECE_BYTES);
        message_attach(message_out, &piece);
    } else if (asked_for && request->sha256[0] != '\0') { /* All of it has arrived. */
        drop(carrier, place);
    }
    actor_reply(self, message, &message_out);
}

/* --- searches ------------------------------------------------------------------------------------------ */

static struct search *search_of(struct slice_carrier *carrier, const struct part *part)
{
    for (uint32_t i = 0; i < SEARCHES_MAX; i++) {
        if (carrier->searches[i].number == part->search) return &carrier->searches[i];
    }
    return NULL;
}

/* Takes the state; NULL: there is none. */
static void end_search(struct actor *self, struct search *search, struct bytes *found)
{
    struct message *reply = message_create(KIND_SLICE_STATE_TAKEN, 0);
    if (found != NULL) message_attach(reply, &found);
    actor_reply(self, search->request, &reply);
    message_destroy(&search->request);
    bytes_unref(&search->state);
    *search = (struct search){ 0 };
}

static void ask_peer(struct actor *self, const struct slice_carrier *carrier, const struct search *search,
                     const char *node, const char *sha256, size_t offset, ask_completion *complete)
{
    struct message *message = wire_message_create(KIND_SLICE_CARRY_REQUEST);
    Pb__SliceCarryRequest *request = message->body;
    struct part *part = memory_zalloc(sizeof(*part));
    part->search = search->number;
    (void)text_copy(part->node, sizeof(part->node), node);
    request->slice = wire_string(message, search->slice);
    request->instance = search->instance;
    request->sha256 = wire_string(message, sha256);
    request->offset = offset;
    if (strcmp(node, carrier->node) == 0)
        actor_ask_name(self, TO_SLICE_CARRIER, &message, PEER_TIMEOUT_NS, complete, part);
    else wire_ask(self, node, CHANNEL_DATA, &message, PEER_TIMEOUT_NS, complete, part);
}

/* It keeps it no longer; what it says to that changes nothing. */
static void on_told_taken(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    (void)self, (void)state, (void)result;
    memory_free(context);
}

static void on_piece(struct actor *self, void *state, void *context, const struct ask_result *result);

static void finish_fetch(struct actor *self, struct slice_carrier *carrier, struct search *search)
{
    char sha256[DIGEST_TEXT_MAX];
    sum(search->state, sha256);
    bool good = strcmp(sha256, search->sha256) == 0;
    if (!good) log_warn(self, "slice.state_damaged", "slice=%s node=%s", search->slice, search->node);
    ask_peer(self, carrier, search, search->node, search->sha256, search->state->size, on_told_taken);
    MARK("slice_carrier.carried");
    end_search(self, search, good ? bytes_ref(search->state) : NULL);
}

static void fetch_next(struct actor *self, struct slice_carrier *carrier, struct search *search)
{
    if (search->fetched == search->state->size) finish_fetch(self, carrier, search);
    else ask_peer(self, carrier, search, search->node, search->sha256, search->fetched, on_piece);
}

static void on_piece(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct slice_carrier *carrier = state;
    struct search *search = search_of(carrier, context);
    memory_free(context);
    CHECK(search != NULL); /* Only a search's last answer ends it. */
    const struct bytes *piece = result->status == STATUS_OK ? result->message->attachment : NULL;
    if (piece == NULL || piece->size == 0 || piece->size > search->state->size - search->fetched) {
        log_warn(self, "slice.state_lost", "slice=%s node=%s", search->slice, search->node);
        end_search(self, search, NULL);
        return;
    }
    memcpy(search->state->data + search->fetched, piece->data, piece->size);
    search->fetched += piece->size;
    fetch_next(self, carrier, search);
}

static void on_said(struct actor *self, void *state, void *context, const struct ask_result *result)
{
    struct slice_carrier *carrier = state;
    struct part *part = context;
    struct search *search = search_of(carrier, part);
    CHECK(search != NULL); /* It waits for every node. */
    search->pending--;
    const Pb__SliceCarryReply *reply = result->status == STATUS_OK ? result->message->body : NULL;
    bool better = reply != NULL && reply->sha256[0] != '\0' && reply->size <= STATE_BYTES_MAX &&
                  (search->node[0] == '\0' || reply->taken_at > search->taken_ms);
    if (better && text_copy(search->sha256, sizeof(search->sha256), reply->sha256)) {
        (void)text_copy(search->node, sizeof(search->node), part->node);
        search->taken_ms = reply->taken_at;
        bytes_unref(&search->state);
        search->state = bytes_create((size_t)reply->size);
    }
    memory_free(part);
    if (search->pending > 0) return;
    if (search->node[0] == '\0') end_search(self, search, NULL);
    else fetch_next(self, carrier, search);
}

static struct search *begin_search(struct actor *self, struct slice_carrier *carrier)
{
    for (uint32_t i = 0; i < SEARCHES_MAX; i++) {
        struct search *search = &carrier->searches[i];
        if (search->number != 0) continue;
        search->number = ++carrier->number_last;
        search->request = actor_keep(self);
        return search;
    }
    return NULL;
}

static void on_take(struct actor *self, void *state, const struct message *message)
{
    struct slice_carrier *carrier = state;
    struct search *search = begin_search(self, carrier);
    bool lost = false;
    if (search == NULL) {
        actor_refuse(self, message, STATUS_OVERLOADED);
        return;
    }
    const struct instance_key *key = &((const struct slice_state_take *)search->request->body)->key;
    slice_of(search->slice, key->artifact);
    search->instance = key->instance;
    for (const char *name = ""; (name = node_roster_next(&carrier->roster, name, &lost)) != NULL;) {
        if (lost) continue;
        search->pending++;
        ask_peer(self, carrier, search, name, "", 0, on_said);
    }
    if (search->pending == 0) end_search(self, search, NULL);
}

/* --- life ---------------------------------------------------------------------------------------------- */

static void on_changed(struct actor *self, void *state, const struct message *message)
{
    node_roster_accept(self, &((struct slice_carrier *)state)->roster, message);
}

static enum status carrier_init(struct actor *self, void *state, const void *options, struct error *error)
{
    (void)error;
    struct slice_carrier *carrier = state;
    carrier->node = ((const struct slice_carrier_options *)options)->node;
    node_roster_start(self, &carrier->roster, WATCH_NODES);
    return STATUS_OK;
}

static void carrier_fini(void *state)
{
    struct slice_carrier *carrier = state;
    while (carrier->kept_count > 0)
        drop(carrier, 0);
    for (uint32_t i = 0; i < SEARCHES_MAX; i++) {
        message_destroy(&carrier->searches[i].request);
        bytes_unref(&carrier->searches[i].state);
    }
    node_roster_fini(&carrier->roster);
}

static const struct behavior_row rows[] = {
    { KIND_STATE_CHANGED, on_changed }, { KIND_SLICE_STATE_KEEP, on_keep },
    { KIND_SLICE_STATE_TAKE, on_take }, { KIND_SLICE_CARRY_REQUEST, on_carry },
    { KIND_SLICE_SWEEP, on_sweep },
};
const struct behavior slice_carrier_behavior = {
    .name = "slice_carrier",
    .state_size = sizeof(struct slice_carrier),
    .home = ACTOR_POOLED,
    .mailbox_capacity = 1024,
    .init = carrier_init,
    .fini = carrier_fini,
    .rows = rows,
    .row_count = ARRAY_COUNT(rows),
};
