/* cluster_members: see the header. */
#include "store/schema/cluster_members.h"

#include "runtime/base/check.h"
#include "runtime/base/text.h"
#include "store/schema/cluster.h"
#include "store/schema/document.h"
#include "store/schema/event.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REPLICA_DIGITS = 16 };

static const char *const wish_names[] = {
    [CLUSTER_WISH_NONE] = "",
    [CLUSTER_WISH_VOTER] = "voter",
    [CLUSTER_WISH_LEARNER] = "learner",
    [CLUSTER_WISH_REMOVED] = "removed",
};

const char *cluster_wish_name(enum cluster_wish wish)
{
    return wish_names[wish];
}

bool cluster_wish_parse(const char *name, enum cluster_wish *out_wish)
{
    *out_wish = CLUSTER_WISH_NONE;
    for (int wish = CLUSTER_WISH_VOTER; wish <= CLUSTER_WISH_REMOVED; wish++) {
        if (strcmp(name, wish_names[wish]) == 0) *out_wish = (enum cluster_wish)wish;
    }
    return *out_wish != CLUSTER_WISH_NONE || strcmp(name, "none") == 0;
}

static void replica_text(char text[REPLICA_DIGITS + 1], replica_id id)
{
    (void)snprintf(text, REPLICA_DIGITS + 1, "%016" PRIx64, id);
}

replica_id cluster_replica_parse(const char *digits)
{
    if (strlen(digits) != REPLICA_DIGITS || strspn(digits, "0123456789abcdef") != REPLICA_DIGITS) return 0;
    return strtoull(digits, NULL, 16);
}

/* --- config/members as a value -------------------------------------------------------------------------- */

static void read_member(const struct value *value, struct configuration *configuration)
{
    replica_id id = cluster_replica_parse(value_get_string(value, "replica", ""));
    const char *node = value_get_string(value, "node", "");
    if (id == 0 || node[0] == '\0' || configuration->member_count == REPLICAS_MAX) return;
    struct configuration_member member = {
        .id = id,
        .voter = strcmp(value_get_string(value, "role", ""), "voter") == 0,
        .outgoing_voter = value_get_boolean(value, "outgoing", false),
        .leaves = strcmp(value_get_string(value, "role", ""), "leaving") == 0,
    };
    if (!text_copy(member.name, sizeof member.name, node)) return;
    uint32_t at = configuration->member_count++;
    for (; at > 0 && configuration->members[at - 1].id > id; at--)
        configuration->members[at] = configuration->members[at - 1];
    configuration->members[at] = member;
}

void cluster_members_read(const struct value *document, struct cluster_members *out_members)
{
    *out_members = (struct cluster_members){ .index = (log_index)value_get_integer(document, "index", 0) };
    out_members->configuration.joint = value_get_boolean(document, "joint", false);
    const struct value *members = value_get(document, "members");
    for (size_t i = 0; i < value_size(members); i++)
        read_member(value_at(members, i), &out_members->configuration);
}

const struct configuration_member *cluster_members_find(const struct cluster_members *members,
                                                        const char *node)
{
    const struct configuration *configuration = &members->configuration;
    const struct configuration_member *found = NULL;
    for (uint32_t i = 0; i < configuration->member_count; i++) {
        const struct configuration_member *member = &configuration->members[i];
        if (strcmp(member->name, node) != 0) continue;
        if (found == NULL || member->voter) found = member;
    }
    return found;
}

static struct value *member_value(const struct configuration_member *member)
{
    char replica[REPLICA_DIGITS + 1];
    struct value *value = value_new_object();
    replica_text(replica, member->id);
    value_set_string(value, "node", member->name);
    value_set_string(value, "replica", replica);
    value_set_string(value, "role", member->voter ? "voter" : member->leaves ? "leaving" : "learner");
    if (member->outgoing_voter) value_set_boolean(value, "outgoing", true);
    return value;
}

static bool goes_before(const struct configuration_member *a, const struct configuration_member *b)
{
    int order = strcmp(a->name, b->name);
    return order != 0 ? order < 0 : a->id < b->id;
}

static void put_members(struct kv_txn *txn, const struct kv_context *context,
                        const struct configuration *configuration)
{
    const struct configuration_member *sorted[REPLICAS_MAX];
    for (uint32_t i = 0; i < configuration->member_count; i++) {
        const struct configuration_member *member = &configuration->members[i];
        uint32_t at = i;
        for (; at > 0 && goes_before(member, sorted[at - 1]); at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = member;
    }
    struct value *document = value_new_object();
    struct value *list = value_new_array();
    for (uint32_t i = 0; i < configuration->member_count; i++)
        value_append(list, member_value(sorted[i]));
    value_set_integer(document, "index", (int64_t)context->revision);
    value_set_boolean(document, "joint", configuration->joint);
    value_set(document, "members", list);
    document_put(txn, CLUSTER_MEMBERS_KEY, &document);
}

void cluster_members_get(struct kv_txn *txn, struct cluster_members *out_members)
{
    struct value *document = document_get(txn, CLUSTER_MEMBERS_KEY);
    cluster_members_read(document, out_members);
    value_free(&document);
}

/* --- retired -------------------------------------------------------------------------------------------- */

static void retired_key(char key[CLUSTER_KEY_SIZE], replica_id id)
{
    char replica[REPLICA_DIGITS + 1];
    replica_text(replica, id);
    (void)snprintf(key, CLUSTER_KEY_SIZE, CLUSTER_RETIRED_PREFIX "%s", replica);
}

bool cluster_replica_is_retired(struct kv_txn *txn, replica_id id)
{
    char key[CLUSTER_KEY_SIZE];
    retired_key(key, id);
    return kv_txn_get(txn, key) != NULL;
}

static void retire(struct kv_txn *txn, const struct kv_context *context,
                   const struct configuration_member *member)
{
    char key[CLUSTER_KEY_SIZE];
    struct value *document = value_new_object();
    retired_key(key, member->id);
    value_set_string(document, "node", member->name);
    value_set_integer(document, "revision", (int64_t)context->revision);
    document_put(txn, key, &document);
}

/* --- wishes --------------------------------------------------------------------------------------------- */

static void wish_key(char key[CLUSTER_KEY_SIZE], const char *node)
{
    (void)snprintf(key, CLUSTER_KEY_SIZE, CLUSTER_WISHES_PREFIX "%s", node);
}

enum cluster_wish cluster_wish_get(struct kv_txn *txn, const char *node)
{
    char key[CLUSTER_KEY_SIZE];
    enum cluster_wish wish = CLUSTER_WISH_NONE;
    wish_key(key, node);
    struct value *document = document_get(txn, key);
    (void)cluster_wish_parse(value_get_string(document, "wish", "none"), &wish);
    value_free(&document);
    return wish;
}

void cluster_wish_put(struct kv_txn *txn, const struct kv_context *context, const char *node,
                      enum cluster_wish wish, bool allow_even)
{
    char key[CLUSTER_KEY_SIZE];
    wish_key(key, node);
    if (wish == CLUSTER_WISH_NONE) {
        (void)kv_txn_delete(txn, key);
        return;
    }
    struct value *document = value_new_object();
    value_set_string(document, "wish", cluster_wish_name(wish));
    value_set_boolean(document, "allow-even", allow_even);
    value_set_integer(document, "timestamp", (int64_t)context->stamp_ms);
    document_put(txn, key, &document);
}

void cluster_wish_settle(struct kv_txn *txn, const char *node)
{
    struct cluster_members members;
    enum cluster_wish wish = cluster_wish_get(txn, node);
    cluster_members_get(txn, &members);
    const struct configuration_member *member = cluster_members_find(&members, node);
    if (member == NULL || members.configuration.joint) return;
    bool holds = wish == (member->voter ? CLUSTER_WISH_VOTER : CLUSTER_WISH_LEARNER);
    char key[CLUSTER_KEY_SIZE];
    wish_key(key, node);
    if (holds) (void)kv_txn_delete(txn, key);
}

/* --- a configuration's entry ---------------------------------------------------------------------------- */

/* "node-1 node-2 node-3" */
static void voters_text(const struct configuration *configuration, struct text *text)
{
    const char *last = "";
    for (;;) { /* By name, as people look for them. */
        const char *next = NULL;
        for (uint32_t i = 0; i < configuration->member_count; i++) {
            const struct configuration_member *member = &configuration->members[i];
            if (!member->voter || strcmp(member->name, last) <= 0) continue;
            if (next == NULL || strcmp(member->name, next) < 0) next = member->name;
        }
        if (next == NULL) return;
        text_printf(text, "%s%s", text->size == 0 ? "" : " ", next);
        last = next;
    }
}

/* Voters change only through a joint configuration (M2): its end is the news. */
static void tell_people(struct kv_txn *txn, const struct kv_context *context,
                        const struct configuration *before, const struct configuration *now)
{
    if (!before->joint || now->joint) return;
    struct text voters = { 0 };
    voters_text(now, &voters);
    event_add_text(txn, context, "cluster.voters", "voters", text_string(&voters), NULL);
    text_fini(&voters);
}

void cluster_members_apply(struct kv_txn *txn, const struct kv_context *context, const struct bytes *payload)
{
    struct configuration now;
    struct cluster_members before;
    if (payload == NULL || configuration_unpack(payload->data, payload->size, &now) != STATUS_OK) return;
    cluster_members_get(txn, &before);
    for (uint32_t i = 0; i < before.configuration.member_count; i++) {
        const struct configuration_member *member = &before.configuration.members[i];
        if (configuration_find(&now, member->id) == NULL) retire(txn, context, member);
    }
    put_members(txn, context, &now);
    for (uint32_t i = 0; i < now.member_count; i++)
        cluster_wish_settle(txn, now.members[i].name);
    tell_people(txn, context, &before.configuration, &now);
}
