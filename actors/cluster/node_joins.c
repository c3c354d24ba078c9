/* node_joins: see the header. */
#include "actors/cluster/node_joins.h"

#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "wire/kinds.h"
#include "wire/proto/cluster.pb-c.h"

#include <string.h>

static void remove_join(struct node_joins *joins, struct node_join *join)
{
    struct node_join **link = &joins->first;
    while (*link != join)
        link = &(*link)->next;
    *link = join->next;
    CHECK(joins->count > 0);
    joins->count--;
    message_destroy(&join->request);
    memory_free(join);
}

static bool is_reported(const struct node_joins *joins, const char *node, replica_id id)
{
    for (uint32_t i = 0; i < NODE_JOINS_REPORTED_MAX; i++) {
        if (joins->retired[i].id == id && strcmp(joins->retired[i].node, node) == 0) return true;
    }
    return false;
}

static void note_retired(struct node_joins *joins, const Pb__Join *body)
{
    for (size_t i = 0; i < body->n_retired && i < NODE_JOINS_REPORTED_MAX; i++) {
        if (body->retired[i] == 0 || is_reported(joins, body->node, body->retired[i])) continue;
        struct node_retired *place = &joins->retired[joins->retired_count++ % NODE_JOINS_REPORTED_MAX];
        place->id = body->retired[i];
        (void)text_copy(place->node, sizeof place->node, body->node);
    }
}

static void replace_former(struct actor *self, struct node_joins *joins, replica_id id)
{
    struct node_join *former = joins->first;
    while (former != NULL && former->id != id)
        former = former->next;
    if (former == NULL) return;
    actor_refuse(self, former->request, STATUS_CANCELLED); /* Its asker gave that ask up. */
    remove_join(joins, former);
}

void node_joins_add(struct actor *self, struct node_joins *joins, struct message *message)
{
    const Pb__Join *body = message->body;
    replace_former(self, joins, body->replica_id);
    CHECK(joins->count < NODE_JOINS_MAX);
    struct node_join *join = memory_zalloc(sizeof *join);
    join->number = ++joins->number;
    join->request = message;
    join->id = body->replica_id;
    join->cluster_id = body->cluster_id;
    join->address = body->address;
    (void)text_copy(join->node, sizeof join->node, body->node);
    join->next = joins->first;
    joins->first = join;
    joins->count++;
    note_retired(joins, body);
}

struct node_join *node_joins_find(const struct node_joins *joins, uint64_t number)
{
    struct node_join *join = joins->first;
    while (join != NULL && join->number != number)
        join = join->next;
    return join;
}

void node_joins_admit(struct actor *self, struct node_joins *joins, struct node_join *join,
                      uint64_t cluster_id)
{
    struct message *reply = wire_message_create(KIND_JOIN_REPLY);
    ((Pb__JoinReply *)reply->body)->cluster_id = cluster_id;
    actor_reply(self, join->request, &reply);
    remove_join(joins, join);
}

void node_joins_refuse(struct actor *self, struct node_joins *joins, struct node_join *join,
                       const struct error *error)
{
    actor_refuse_error(self, join->request, error);
    remove_join(joins, join);
}

void node_joins_drop(struct actor *self, struct node_joins *joins)
{
    while (joins->first != NULL) {
        actor_refuse(self, joins->first->request, STATUS_NO_LEADER);
        remove_join(joins, joins->first);
    }
}

void node_joins_fini(struct node_joins *joins)
{
    while (joins->first != NULL)
        remove_join(joins, joins->first);
}

void node_joins_fill(const struct node_joins *joins, struct arena *arena, struct voter_plan_input *input)
{
    struct voter_plan_join *list = arena_array(arena, joins->count, sizeof *list);
    for (const struct node_join *join = joins->first; join != NULL; join = join->next) {
        if (!join->known) continue;
        list[input->join_count++] =
            (struct voter_plan_join){ .node = arena_strdup(arena, join->node), .id = join->id };
    }
    input->joins = list;
    struct voter_plan_replica *replicas = arena_array(arena, input->replica_count, sizeof *replicas);
    for (uint32_t i = 0; i < input->replica_count; i++) {
        replicas[i] = input->replicas[i];
        replicas[i].retired = is_reported(joins, replicas[i].node, replicas[i].id);
    }
    input->replicas = replicas;
}
