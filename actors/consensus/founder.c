/* founder: asks, answers, hands on index 1, and asks to be let in (I2). */
#include "actors/consensus/founder.h"

#include "actors/consensus/codec.h"
#include "runtime/base/mark.h"
#include "runtime/base/text.h"
#include "wire/kinds.h"
#include "wire/proto/cluster.pb-c.h"
#include "wire/remote.h"

#include <string.h>

enum { FOUNDING_TERM = 1 }; /* Of index 1. Nobody leads in it: the first campaign is for term 2. */

static const int64_t join_timeout_ns = SECONDS(5);

enum status founder_init(struct founder *founder, const struct founding_options *options, struct error *error)
{
    memset(founder, 0, sizeof *founder);
    founder->address = "";
    return founding_init(&founder->founding, options, error);
}

enum status founder_init_held(struct founder *founder, const struct founding_options *options,
                              uint64_t cluster_id, const struct raft_entry *held, struct error *error)
{
    struct founding *founding = &founder->founding;
    enum status status = founder_init(founder, options, error);
    if (status != STATUS_OK) return status;
    if (cluster_id == 0) return error_set(error, STATUS_CORRUPT, "a log without a cluster id");
    founding->cluster_id = cluster_id;
    founding->phase = FOUNDING_DONE;
    if (held == NULL) return STATUS_OK;
    status = configuration_unpack(held->payload->data, held->payload->size, &founding->configuration);
    if (status != STATUS_OK) return error_set(error, STATUS_CORRUPT, "entry 1 is no configuration");
    founder->first = *held;
    bytes_ref(founder->first.payload);
    return STATUS_OK;
}

void founder_fini(struct founder *founder)
{
    bytes_unref(&founder->first.payload);
}

bool founder_made_it(const struct founder *founder)
{
    return founder->giver[0] == '\0';
}

static char **copy_list(struct message *message, const struct founding *founding)
{
    if (founding->list_count == 0) return NULL;
    char **list = arena_array(&message->arena, founding->list_count, sizeof *list);
    for (uint32_t i = 0; i < founding->list_count; i++)
        list[i] = wire_string(message, founding->list[i]);
    return list;
}

/* What others may know of us: a cluster counts once index 1 is durable here. */
static uint64_t told_cluster_id(const struct founding *founding)
{
    bool holds = founding->phase == FOUNDING_DONE || founding->phase == FOUNDING_SPREADING;
    return holds ? founding->cluster_id : founding->member_of;
}

static void post_who(struct actor *self, const struct founding *founding, const char *node)
{
    struct message *message = wire_message_create(KIND_WHO);
    Pb__Who *who = message->body;
    who->node = wire_string(message, founding->self);
    who->replica_id = founding->replica;
    who->cluster_id = told_cluster_id(founding);
    who->bootstrap = copy_list(message, founding);
    who->n_bootstrap = founding->list_count;
    wire_post(self, node, CHANNEL_CONSENSUS, &message);
}

static void post_founded(struct actor *self, const struct founder *founder, const char *node)
{
    if (founder->first.index == 0) return; /* Compacted here: a snapshot brings it on. */
    struct message *message = wire_message_create(KIND_FOUNDED);
    Pb__Founded *founded = message->body;
    founded->cluster_id = founder->founding.cluster_id;
    founded->first = arena_alloc(&message->arena, sizeof *founded->first);
    codec_encode_entry(&founder->first, founded->first);
    wire_post(self, node, CHANNEL_CONSENSUS, &message);
}

static void post_founded_reply(struct actor *self, const struct founding *founding, const char *node)
{
    struct message *message = wire_message_create(KIND_FOUNDED_REPLY);
    Pb__FoundedReply *reply = message->body;
    reply->cluster_id = founding->cluster_id;
    reply->replica_id = founding->replica;
    wire_post(self, node, CHANNEL_CONSENSUS, &message);
}

static void ask_to_join(struct actor *self, const struct founder *founder,
                        const struct founding_contact *contact, uint64_t cluster_id, ask_completion *joined)
{
    struct message *message = wire_message_create(KIND_JOIN);
    Pb__Join *join = message->body;
    join->node = wire_string(message, founder->founding.self);
    join->replica_id = founder->founding.replica;
    join->cluster_id = cluster_id;
    join->address = wire_string(message, founder->address);
    if (founder->retired != 0) {
        join->retired = arena_memdup(&message->arena, &founder->retired, sizeof founder->retired);
        join->n_retired = 1;
    }
    wire_ask(self, contact->name, CHANNEL_CONSENSUS, &message, join_timeout_ns, joined, NULL);
}

static void log_divided(struct actor *self, const struct founding *founding)
{
    struct text text = { 0 };
    for (uint32_t i = 0; i < founding->contact_count; i++) {
        const struct founding_contact *contact = &founding->contacts[i];
        if (contact->cluster_id == 0) continue;
        text_printf(&text, " %s=%016llx", contact->name, (unsigned long long)contact->cluster_id);
    }
    log_error(self, "consensus.peers_differ", "not joining: the peers belong to different clusters:%s",
              text_string(&text));
    text_fini(&text);
}

static void log_differing(struct actor *self, const struct founding *founding,
                          const struct founding_contact *contact, const struct founding_answer *answer)
{
    struct text ours = { 0 };
    struct text theirs = { 0 };
    for (uint32_t i = 0; i < founding->list_count; i++)
        text_printf(&ours, " %s", founding->list[i]);
    for (size_t i = 0; i < answer->list_count; i++)
        text_printf(&theirs, " %s", answer->list[i]);
    log_error(self, "consensus.bootstrap_differs",
              "not founding: here bootstrap is [%s ], on %s it is [%s ]; make them equal", text_string(&ours),
              contact->name, text_string(&theirs));
    text_fini(&ours);
    text_fini(&theirs);
}

/* Index 1: the first configuration, in a term in which nobody leads. */
static void make_first(struct actor *self, struct founder *founder)
{
    struct bytes *payload = configuration_pack(&founder->founding.configuration);
    founder->first = (struct raft_entry){
        .index = 1,
        .term = FOUNDING_TERM,
        .stamp_ms = (uint64_t)actor_wall_ms(self),
        .chain = entry_chain(0, 1, FOUNDING_TERM, ENTRY_CONFIGURATION, payload->data, payload->size),
        .type = ENTRY_CONFIGURATION,
        .payload = payload,
    };
    log_info(self, "consensus.founding", "cluster=%016llx voters=%u",
             (unsigned long long)founder->founding.cluster_id, founder->founding.configuration.member_count);
}

static enum founder_next carry_out(struct actor *self, struct founder *founder,
                                   const struct founding_step *step)
{
    const struct founding *founding = &founder->founding;
    for (uint32_t i = 0; i < founding->contact_count; i++) {
        uint32_t bit = UINT32_C(1) << i;
        if ((step->ask & bit) != 0) post_who(self, founding, founding->contacts[i].name);
        if ((step->hand & bit) != 0) post_founded(self, founder, founding->contacts[i].name);
    }
    if (step->store) {
        make_first(self, founder);
        return FOUNDER_STORES;
    }
    return step->done ? FOUNDER_STARTS : FOUNDER_WAITS;
}

enum founder_next founder_on_tick(struct actor *self, struct founder *founder, ask_completion *joined)
{
    struct founding_step step = founding_on_tick(&founder->founding, actor_random(self) | 1);
    if (step.divided) log_divided(self, &founder->founding);
    if (step.join != NULL) ask_to_join(self, founder, step.join, step.join->cluster_id, joined);
    return carry_out(self, founder, &step);
}

/* Repeated each half second until it works: at the level of what a person can do something about. */
static void log_not_joined(struct actor *self, const struct error *error)
{
    bool passes = error->status == STATUS_NO_LEADER || error->status == STATUS_NOT_READY ||
                  error->status == STATUS_NODE_LOST || error->status == STATUS_DEADLINE;
    if (passes) log_debug(self, "consensus.not_joined", "%s", error->message);
    else log_warn(self, "consensus.not_joined", "%s; %s", error->message, error->hint);
}

enum status founder_on_join_reply(struct actor *self, struct founder *founder,
                                  const struct ask_result *result, enum founder_next *out_next)
{
    *out_next = FOUNDER_WAITS;
    bool joined = result->status == STATUS_OK && result->message->kind == KIND_JOIN_REPLY;
    if (!joined) {
        if (result->status != STATUS_OK) log_not_joined(self, result->error);
        founding_on_not_joined(&founder->founding);
        return result->status == STATUS_DENIED ? STATUS_DENIED : STATUS_OK;
    }
    uint64_t cluster_id = ((const Pb__JoinReply *)result->message->body)->cluster_id;
    if (!founding_on_joined(&founder->founding, cluster_id)) return STATUS_OK;
    log_info(self, "consensus.joined", "cluster=%016llx as a learner", (unsigned long long)cluster_id);
    *out_next = FOUNDER_STORES;
    return STATUS_OK;
}

void founder_ask_again(struct actor *self, struct founder *founder, ask_completion *answered)
{
    const struct founding *founding = &founder->founding;
    if (founding->contact_count == 0) return;
    const struct founding_contact *contact =
        &founding->contacts[founder->asked_again++ % founding->contact_count];
    MARK("founder.asks_whether_it_was_removed");
    ask_to_join(self, founder, contact, founding->cluster_id, answered);
}

void founder_on_peer_up(struct actor *self, struct founder *founder, const char *node)
{
    struct founding_step step = founding_on_peer_up(&founder->founding, node);
    enum founder_next next = carry_out(self, founder, &step);
    CHECK(next == FOUNDER_WAITS); /* A connection alone decides nothing. */
}

void founder_on_who(struct actor *self, struct founder *founder, const struct message *message)
{
    const Pb__Who *who = message->body;
    const struct founding *founding = &founder->founding;
    if (message->from_node == NULL) return;
    struct message *answer = wire_message_create(KIND_WHO_REPLY);
    Pb__WhoReply *reply = answer->body;
    reply->node = wire_string(answer, founding->self);
    reply->replica_id = founding->replica;
    reply->cluster_id = told_cluster_id(founding);
    reply->bootstrap = copy_list(answer, founding);
    reply->n_bootstrap = founding->list_count;
    wire_post(self, message->from_node, CHANNEL_CONSENSUS, &answer);
    bool holds = founding->phase == FOUNDING_DONE || founding->phase == FOUNDING_SPREADING;
    if (!holds || who->cluster_id == founding->cluster_id) return;
    /* Every holder hands the same bytes to those listed in them. */
    const struct configuration_member *member = configuration_find(&founding->configuration, who->replica_id);
    if (member != NULL && strcmp(member->name, message->from_node) == 0) {
        post_founded(self, founder, message->from_node);
    }
}

enum founder_next founder_on_who_reply(struct actor *self, struct founder *founder,
                                       const struct message *message)
{
    const Pb__WhoReply *reply = message->body;
    if (message->from_node == NULL) return FOUNDER_WAITS;
    struct founding_answer answer = {
        .node = message->from_node,
        .replica = reply->replica_id,
        .cluster_id = reply->cluster_id,
        .list = (const char *const *)reply->bootstrap,
        .list_count = reply->n_bootstrap,
    };
    struct founding_step step = founding_on_answer(&founder->founding, &answer, actor_random(self) | 1);
    if (step.differing != NULL) log_differing(self, &founder->founding, step.differing, &answer);
    return carry_out(self, founder, &step);
}

/* Index 1 as it was handed to us; a reference in out_entry. */
static enum status parse_first(const Pb__Founded *founded, struct raft_entry *out_entry,
                               struct configuration *out_configuration)
{
    if (founded->first == NULL) return STATUS_INVALID;
    struct raft_entry entry;
    enum status status = codec_decode_entry(founded->first, &entry);
    if (status != STATUS_OK) return status;
    bool fits = entry.index == 1 && entry.term == FOUNDING_TERM && entry.type == ENTRY_CONFIGURATION &&
                entry.chain == entry_chain(0, entry.index, entry.term, entry.type, entry.payload->data,
                                           entry.payload->size);
    status = fits ? configuration_unpack(entry.payload->data, entry.payload->size, out_configuration)
                  : STATUS_CORRUPT;
    if (status != STATUS_OK) bytes_unref(&entry.payload);
    else *out_entry = entry;
    return status;
}

enum founder_next founder_on_founded(struct actor *self, struct founder *founder,
                                     const struct message *message)
{
    const Pb__Founded *founded = message->body;
    struct founding *founding = &founder->founding;
    if (message->from_node == NULL) return FOUNDER_WAITS;
    if (founding->phase == FOUNDING_DONE) { /* Our reply was lost. */
        if (founded->cluster_id == founding->cluster_id)
            post_founded_reply(self, founding, message->from_node);
        return FOUNDER_WAITS;
    }
    if (founding->phase != FOUNDING_ASKING) return FOUNDER_WAITS;
    struct raft_entry entry;
    struct configuration configuration;
    if (parse_first(founded, &entry, &configuration) != STATUS_OK) {
        log_warn(self, "consensus.founded_damaged", "from=%s", message->from_node);
        return FOUNDER_WAITS;
    }
    struct error error = { 0 };
    if (founding_on_handed(founding, founded->cluster_id, &configuration, &error) != STATUS_OK) {
        log_warn(self, "consensus.founded_refused", "from=%s: %s", message->from_node, error.message);
        bytes_unref(&entry.payload);
        return FOUNDER_WAITS;
    }
    founder->first = entry;
    (void)text_copy(founder->giver, sizeof founder->giver, message->from_node);
    return FOUNDER_STORES;
}

enum founder_next founder_on_founded_reply(struct actor *self, struct founder *founder,
                                           const struct message *message)
{
    const Pb__FoundedReply *reply = message->body;
    struct founding_step step = founding_on_held(&founder->founding, reply->replica_id, reply->cluster_id);
    return carry_out(self, founder, &step);
}

enum founder_next founder_on_stored(struct actor *self, struct founder *founder)
{
    struct founding_step step = founding_on_stored(&founder->founding);
    enum founder_next next = carry_out(self, founder, &step);
    if (founder->giver[0] != '\0') post_founded_reply(self, &founder->founding, founder->giver);
    return next;
}
