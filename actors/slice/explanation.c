/* explanation: see the header. */
#include "actors/slice/explanation.h"

#include "actors/slice/deployment_queries.h"
#include "runtime/base/check.h"
#include "wire/kinds.h"

#include <string.h>

struct explaining {
    struct message *reply;
    const struct deployment_view *view;
    const struct blueprint_slice *slice;
    struct rollout_explanation planner;
};

static const char *presence_name(enum placement_presence presence)
{
    static const char *const names[] = { "UP", "SUSPECT", "LOST" };
    return names[presence];
}

/* --- nodes --------------------------------------------------------------------------------------------- */

static uint32_t count_here(const struct explaining *explaining, uint32_t node)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < explaining->planner.instance_count; i++) {
        const struct placement_instance *instance = &explaining->planner.instances[i];
        count += instance->node == node && !instance->leaving ? 1 : 0;
    }
    return count;
}

static const char *why_usable(const struct explaining *explaining, uint32_t node)
{
    struct arena *arena = &explaining->reply->arena;
    const struct placement_node *at = &explaining->planner.nodes[node];
    if (explaining->slice->constraint_count > 0)
        return arena_printf(arena, "its labels match; %u instances of any slice are on it", at->load);
    return arena_printf(arena, "%u instances of any slice are on it", at->load);
}

static Pb__NodeVerdict *judge_node(const struct explaining *explaining, uint32_t node)
{
    struct message *reply = explaining->reply;
    const struct placement_node *at = &explaining->planner.nodes[node];
    const char *refusal = explaining->planner.plan.refusals[node];
    Pb__NodeVerdict *verdict = arena_alloc(&reply->arena, sizeof(*verdict));
    pb__node_verdict__init(verdict);
    verdict->node = wire_string(reply, at->name);
    verdict->state = wire_string(reply, at->state);
    verdict->presence = wire_string(reply, presence_name(at->presence));
    verdict->load = at->load;
    verdict->here = count_here(explaining, node);
    verdict->takes = refusal == NULL;
    verdict->reason = wire_string(reply, refusal != NULL ? refusal : why_usable(explaining, node));
    return verdict;
}

/* --- instances ----------------------------------------------------------------------------------------- */

static const struct placement_choice *choice_of(const struct explaining *explaining,
                                                const struct placement_instance *instance)
{
    for (uint32_t i = 0; i < explaining->planner.plan.chosen_count; i++) {
        const struct placement_choice *choice = &explaining->planner.plan.chosen[i];
        if (choice->instance == instance->instance && choice->node == instance->node && !choice->fresh)
            return choice;
    }
    return NULL;
}

static const char *why_not_active(const struct explaining *explaining, const struct slice_instance *recorded)
{
    struct arena *arena = &explaining->reply->arena;
    if (recorded == NULL) return "assigned; its node has not begun";
    if (recorded->state == SLICE_FAILED && recorded->fatal)
        return arena_printf(arena, "failed, and no retry would help: %s: %s", recorded->reason,
                            recorded->text);
    if (recorded->state == SLICE_FAILED)
        return arena_printf(arena, "failed %u times there: %s: %s", recorded->attempt, recorded->reason,
                            recorded->text);
    if (recorded->reason[0] != '\0')
        return arena_printf(arena, "on its way: %s: %s", recorded->reason, recorded->text);
    return "on its way";
}

static const char *why_there(const struct explaining *explaining, const struct placement_instance *instance,
                             const struct slice_instance *recorded)
{
    struct arena *arena = &explaining->reply->arena;
    if (instance->leaving) return "withdrawn: it leaves";
    if (instance->node == PLACEMENT_NOWHERE) return "its node is gone: it is placed anew";
    const char *refusal = explaining->planner.plan.refusals[instance->node];
    if (choice_of(explaining, instance) == NULL)
        return refusal != NULL ? arena_printf(arena, "it moves: %s", refusal) : "it is one too many: it goes";
    if (!instance->active) return why_not_active(explaining, recorded);
    if (refusal != NULL) return arena_printf(arena, "it stays, though no new one would come: %s", refusal);
    return "well placed: it stays";
}

static Pb__InstanceVerdict *judge_instance(const struct explaining *explaining,
                                           const struct placement_instance *instance)
{
    struct message *reply = explaining->reply;
    bool somewhere = instance->node != PLACEMENT_NOWHERE;
    const char *node = somewhere ? explaining->planner.nodes[instance->node].name : "";
    const struct slice_instance *recorded =
        deployment_view_instance(explaining->view, node, explaining->slice->artifact, instance->instance);
    Pb__InstanceVerdict *verdict = arena_alloc(&reply->arena, sizeof(*verdict));
    pb__instance_verdict__init(verdict);
    verdict->instance = instance->instance;
    verdict->node = wire_string(reply, node);
    verdict->state = wire_string(reply, recorded == NULL ? "" : slice_state_name(recorded->state));
    verdict->reason = wire_string(reply, why_there(explaining, instance, recorded));
    return verdict;
}

/* --- the whole ----------------------------------------------------------------------------------------- */

static char *summary_of(const struct explaining *explaining, uint32_t active)
{
    struct arena *arena = &explaining->reply->arena;
    const struct rollout_explanation *planner = &explaining->planner;
    uint32_t wanted = explaining->slice->instances;
    if (planner->plan.missing > 0)
        return arena_printf(arena, "%u of %u find no node: %s", planner->plan.missing, wanted,
                            planner->plan.reason);
    if (planner->waits_for_others)
        return arena_printf(arena, "it starts once each slice that it depends on serves");
    if (planner->wanted < wanted)
        return arena_printf(arena, "%u of %u may run for now: the former ones make room one by one",
                            planner->wanted, wanted);
    if (active < wanted)
        return arena_printf(arena, "%u of %u are ACTIVE; the others are on their way", active, wanted);
    return arena_printf(arena, "all %u are ACTIVE and well placed", wanted);
}

static void fill_lists(const struct explaining *explaining)
{
    Pb__SliceExplainReply *body = explaining->reply->body;
    struct arena *arena = &explaining->reply->arena;
    const struct rollout_explanation *planner = &explaining->planner;
    body->nodes = arena_array(arena, planner->node_count, sizeof(*body->nodes));
    for (uint32_t i = 0; i < planner->node_count; i++)
        body->nodes[body->n_nodes++] = judge_node(explaining, i);
    body->instances = arena_array(arena, planner->instance_count, sizeof(*body->instances));
    for (uint32_t i = 0; i < planner->instance_count; i++) {
        Pb__InstanceVerdict *moved = judge_instance(explaining, &planner->instances[i]);
        size_t at = body->n_instances++;
        for (; at > 0 && body->instances[at - 1]->instance > moved->instance; at--)
            body->instances[at] = body->instances[at - 1];
        body->instances[at] = moved;
    }
}

enum status explanation_fill(struct message *reply, const struct deployment_view *view,
                             const struct rollout_memory *memory, const char *artifact, struct error *error)
{
    Pb__SliceExplainReply *body = reply->body;
    struct explaining explaining = { .reply = reply, .view = view };
    struct rollout_count count;
    const struct view_blueprint *blueprint = NULL;
    enum status status = deployment_queries_find_slice(view, artifact, &blueprint, &explaining.slice, error);
    if (status != STATUS_OK) return status;
    rollout_explain(&reply->arena, view, blueprint, explaining.slice, memory, &explaining.planner);
    rollout_count(view, explaining.slice->artifact, 0, &count);
    body->artifact = wire_string(reply, explaining.slice->artifact);
    body->blueprint = wire_string(reply, blueprint->name);
    body->strategy =
        wire_string(reply, explaining.slice->strategy == BLUEPRINT_SPREAD ? "spread" : "round-robin");
    body->wanted = explaining.slice->instances;
    body->active = count.active;
    body->missing = explaining.planner.plan.missing;
    body->summary = summary_of(&explaining, count.active);
    fill_lists(&explaining);
    return STATUS_OK;
}

Pb__Exclusion **explanation_exclusions(struct message *reply, const struct deployment_view *view,
                                       const struct failures *failures, const char *artifact,
                                       struct explanation_clock clock, size_t *out_count)
{
    const struct view_node *node = NULL;
    Pb__Exclusion **exclusions = arena_array(&reply->arena, view->nodes.count, sizeof(*exclusions));
    *out_count = 0;
    for (const char *key = ""; (node = deployment_view_next_node(view, &key)) != NULL;) {
        const char *why = failures_excluded(failures, artifact, node->name);
        if (why == NULL) continue;
        int64_t left_ns = failures_excluded_until_ns(failures, artifact, node->name) - clock.now_ns;
        Pb__Exclusion *exclusion = arena_alloc(&reply->arena, sizeof(*exclusion));
        pb__exclusion__init(exclusion);
        exclusion->node = wire_string(reply, node->name);
        exclusion->reason = wire_string(reply, why);
        exclusion->until = (uint64_t)(clock.wall_ms + left_ns / MILLISECONDS(1));
        exclusions[(*out_count)++] = exclusion;
    }
    return exclusions;
}
