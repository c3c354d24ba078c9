/* plan: keeps what is well placed, drops what is not, then what is too many, then adds what is missing. */
#include "actors/placement/plan.h"

#include "runtime/base/check.h"
#include "runtime/base/text.h"

#include <string.h>

struct planning {
    struct arena *arena;
    const struct placement_request *request;
    const char **refusals; /* Per node. */
    bool *usable;          /* For new instances. */
    uint32_t *count_here;
    struct placement_choice *chosen;
    uint32_t chosen_count;
};

static const char *label_of(const struct placement_node *node, const char *name)
{
    for (uint32_t i = 0; i < node->label_count; i++) {
        if (strcmp(node->labels[i].name, name) == 0) return node->labels[i].value;
    }
    return NULL;
}

static const char *mismatch(struct arena *arena, const struct placement_request *request,
                            const struct placement_node *node)
{
    for (uint32_t i = 0; i < request->constraint_count; i++) {
        const struct placement_label *wanted = &request->constraints[i];
        const char *has = label_of(node, wanted->name);
        if (has == NULL) return arena_printf(arena, "has no label %s", wanted->name);
        if (strcmp(has, wanted->value) != 0)
            return arena_printf(arena, "%s is %s, not %s", wanted->name, has, wanted->value);
    }
    return NULL;
}

/* Why an instance may not stay there; NULL: it may. SUSPECT keeps what it has until it is LOST. */
static const char *why_not_keep(struct arena *arena, const struct placement_request *request,
                                const struct placement_node *node)
{
    if (node->presence == PLACEMENT_LOST) return "LOST";
    if (strcmp(node->state, "ON_DUTY") != 0) return arena_strdup(arena, node->state);
    return mismatch(arena, request, node);
}

static const char *why_not_add(struct arena *arena, const struct placement_request *request,
                               const struct placement_node *node)
{
    const char *why = why_not_keep(arena, request, node);
    if (why != NULL) return why;
    return node->presence == PLACEMENT_UP ? node->excluded : "SUSPECT";
}

static void look_at_nodes(struct planning *planning)
{
    const struct placement_request *request = planning->request;
    for (uint32_t i = 0; i < request->node_count; i++) {
        planning->refusals[i] = why_not_add(planning->arena, request, &request->nodes[i]);
        planning->usable[i] = planning->refusals[i] == NULL;
    }
}

static bool any_usable(const struct planning *planning)
{
    for (uint32_t i = 0; i < planning->request->node_count; i++) {
        if (planning->usable[i]) return true;
    }
    return false;
}

static void keep_well_placed(struct planning *planning)
{
    const struct placement_request *request = planning->request;
    bool elsewhere = any_usable(planning);
    for (uint32_t i = 0; i < request->instance_count; i++) {
        const struct placement_instance *instance = &request->instances[i];
        if (instance->leaving || instance->node == PLACEMENT_NOWHERE) continue;
        const struct placement_node *node = &request->nodes[instance->node];
        if (why_not_keep(planning->arena, request, node) != NULL) continue;
        if (node->excluded != NULL && !instance->active && elsewhere) continue;
        planning->chosen[planning->chosen_count++] =
            (struct placement_choice){ .instance = instance->instance, .node = instance->node };
        planning->count_here[instance->node]++;
    }
}

static bool is_active(const struct placement_request *request, uint32_t number)
{
    for (uint32_t i = 0; i < request->instance_count; i++) {
        if (request->instances[i].instance == number && !request->instances[i].leaving)
            return request->instances[i].active;
    }
    return false;
}

/* Who goes first when there are too many: what doesn't serve, then from the fullest node, then the youngest.
 */
static bool goes_before(const struct planning *planning, const struct placement_choice *a,
                        const struct placement_choice *b)
{
    bool a_active = is_active(planning->request, a->instance);
    bool b_active = is_active(planning->request, b->instance);
    if (a_active != b_active) return b_active;
    uint32_t a_count = planning->count_here[a->node];
    uint32_t b_count = planning->count_here[b->node];
    if (a_count != b_count) return a_count > b_count;
    return a->instance > b->instance;
}

static void drop_surplus(struct planning *planning)
{
    while (planning->chosen_count > planning->request->wanted) {
        uint32_t worst = 0;
        for (uint32_t i = 1; i < planning->chosen_count; i++) {
            if (goes_before(planning, &planning->chosen[i], &planning->chosen[worst])) worst = i;
        }
        planning->count_here[planning->chosen[worst].node]--;
        planning->chosen_count--;
        for (uint32_t i = worst; i < planning->chosen_count; i++)
            planning->chosen[i] = planning->chosen[i + 1];
    }
}

/* An instance of a lost node starts elsewhere under its own number; one that may still run there keeps it. */
static bool number_is_taken(const struct planning *planning, uint32_t number)
{
    const struct placement_request *request = planning->request;
    for (uint32_t i = 0; i < planning->chosen_count; i++) {
        if (planning->chosen[i].instance == number) return true;
    }
    for (uint32_t i = 0; i < request->instance_count; i++) {
        const struct placement_instance *instance = &request->instances[i];
        if (instance->instance != number || instance->node == PLACEMENT_NOWHERE) continue;
        if (request->nodes[instance->node].presence != PLACEMENT_LOST) return true;
    }
    return false;
}

static uint32_t node_of_last(const struct planning *planning)
{
    uint32_t highest = 0;
    uint32_t node = PLACEMENT_NOWHERE;
    for (uint32_t i = 0; i < planning->chosen_count; i++) {
        if (planning->chosen[i].instance < highest) continue;
        highest = planning->chosen[i].instance;
        node = planning->chosen[i].node;
    }
    return node;
}

static void add_missing(struct planning *planning)
{
    const struct placement_request *request = planning->request;
    uint32_t number = 1;
    uint32_t last = node_of_last(planning);
    if (!any_usable(planning)) return;
    while (planning->chosen_count < request->wanted) {
        while (number_is_taken(planning, number))
            number++;
        last = request->strategy(request->nodes, planning->usable, planning->count_here, request->node_count,
                                 last);
        CHECK(last < request->node_count);
        planning->chosen[planning->chosen_count++] =
            (struct placement_choice){ .instance = number, .node = last, .fresh = true };
        planning->count_here[last]++;
    }
}

static void sort_chosen(struct planning *planning)
{
    for (uint32_t i = 1; i < planning->chosen_count; i++) {
        struct placement_choice moved = planning->chosen[i];
        uint32_t at = i;
        for (; at > 0 && planning->chosen[at - 1].instance > moved.instance; at--)
            planning->chosen[at] = planning->chosen[at - 1];
        planning->chosen[at] = moved;
    }
}

static const char *reason_of(const struct planning *planning)
{
    const struct placement_request *request = planning->request;
    struct text text = { 0 };
    if (request->node_count == 0) text_add(&text, "there are no nodes");
    for (uint32_t i = 0; i < request->node_count; i++) {
        if (planning->refusals[i] == NULL) continue;
        text_printf(&text, "%s%s: %s", text.size == 0 ? "" : "; ", request->nodes[i].name,
                    planning->refusals[i]);
    }
    const char *reason = arena_strdup(planning->arena, text_string(&text));
    text_fini(&text);
    return reason;
}

void placement_plan(struct arena *arena, const struct placement_request *request,
                    struct placement_plan *out_plan)
{
    struct planning planning = {
        .arena = arena,
        .request = request,
        .refusals = arena_array(arena, request->node_count, sizeof(char *)),
        .usable = arena_array(arena, request->node_count, sizeof(bool)),
        .count_here = arena_array(arena, request->node_count, sizeof(uint32_t)),
        .chosen = arena_array(arena, (size_t)request->instance_count + request->wanted,
                              sizeof(struct placement_choice)),
    };
    look_at_nodes(&planning);
    keep_well_placed(&planning);
    drop_surplus(&planning);
    add_missing(&planning);
    sort_chosen(&planning);
    uint32_t missing = request->wanted - planning.chosen_count;
    *out_plan = (struct placement_plan){
        .chosen = planning.chosen,
        .chosen_count = planning.chosen_count,
        .missing = missing,
        .refusals = planning.refusals,
        .reason = missing > 0 ? reason_of(&planning) : "",
    };
}
