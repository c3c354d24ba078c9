/* Goal: the planner's counts are right, what is well placed never moves, spread is even, and whoever gets
 * nothing is told why. Method: random clusters, instances and wishes by seed, each plan judged by what must
 * hold of any plan. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "actors/placement/plan.h"
#include "runtime/base/check.h"
#include "runtime/base/hash.h"

#include <stdio.h>
#include <string.h>

enum { SEEDS = 20000, NODES_MAX = 8, INSTANCES_MAX = 24 };

struct draw {
    uint64_t seed;
    uint64_t step;
};

static uint32_t below(struct draw *draw, uint32_t limit)
{
    return (uint32_t)(hash64_mix(draw->seed, ++draw->step) % limit);
}

static const char *const names[NODES_MAX] = { "n1", "n2", "n3", "n4", "n5", "n6", "n7", "n8" };
static const struct placement_label zones[] = { { "zone", "a" }, { "zone", "b" } };

struct scene {
    struct placement_node nodes[NODES_MAX];
    struct placement_instance instances[INSTANCES_MAX];
    struct placement_request request;
};

static void draw_scene(struct scene *scene, uint64_t seed)
{
    struct draw draw = { .seed = seed };
    *scene = (struct scene){ 0 };
    uint32_t node_count = below(&draw, NODES_MAX + 1);
    for (uint32_t i = 0; i < node_count; i++) {
        scene->nodes[i] = (struct placement_node){
            .name = names[i],
            .state = below(&draw, 8) == 0 ? "DRAINING" : "ON_DUTY",
            .presence = below(&draw, 6) == 0   ? PLACEMENT_LOST
                        : below(&draw, 6) == 0 ? PLACEMENT_SUSPECT
                                               : PLACEMENT_UP,
            .labels = &zones[below(&draw, 2)],
            .label_count = 1,
            .load = below(&draw, 5),
            .excluded = below(&draw, 8) == 0 ? "it failed there" : NULL,
        };
    }
    uint32_t count = below(&draw, INSTANCES_MAX);
    uint32_t number = 0;
    for (uint32_t i = 0; i < count; i++) {
        number += 1 + below(&draw, 2);
        bool nowhere = node_count == 0 || below(&draw, 10) == 0;
        scene->instances[i] = (struct placement_instance){
            .instance = number,
            .node = nowhere ? PLACEMENT_NOWHERE : below(&draw, node_count),
            .active = below(&draw, 3) != 0,
            .leaving = below(&draw, 6) == 0,
        };
    }
    scene->request = (struct placement_request){
        .nodes = scene->nodes,
        .node_count = node_count,
        .instances = scene->instances,
        .instance_count = count,
        .constraints = zones,
        .constraint_count = below(&draw, 2),
        .wanted = below(&draw, INSTANCES_MAX),
        .strategy = below(&draw, 2) == 0 ? spread_choose : round_robin_choose,
    };
}

static bool matches(const struct scene *scene, const struct placement_node *node)
{
    return scene->request.constraint_count == 0 || strcmp(node->labels[0].value, "a") == 0;
}

static bool keeps(const struct scene *scene, const struct placement_node *node)
{
    return node->presence != PLACEMENT_LOST && strcmp(node->state, "ON_DUTY") == 0 && matches(scene, node);
}

static bool takes(const struct scene *scene, const struct placement_node *node)
{
    return keeps(scene, node) && node->presence == PLACEMENT_UP && node->excluded == NULL;
}

static const struct placement_instance *before(const struct scene *scene, uint32_t number)
{
    for (uint32_t i = 0; i < scene->request.instance_count; i++) {
        if (scene->instances[i].instance == number) return &scene->instances[i];
    }
    return NULL;
}

static uint32_t count_taking(const struct scene *scene)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < scene->request.node_count; i++)
        count += takes(scene, &scene->nodes[i]) ? 1 : 0;
    return count;
}

static void judge_choice(const struct scene *scene, const struct placement_choice *choice)
{
    const struct placement_instance *was = before(scene, choice->instance);
    const struct placement_node *node = &scene->nodes[choice->node];
    if (!choice->fresh) {
        assert_non_null(was);
        assert_int_equal(was->node, choice->node);
        assert_false(was->leaving);
        assert_true(keeps(scene, node));
        return;
    }
    assert_true(takes(scene, node));
    /* A number is used again only when whoever had it is lost for certain. */
    bool free =
        was == NULL || was->node == PLACEMENT_NOWHERE || scene->nodes[was->node].presence == PLACEMENT_LOST;
    assert_true(free);
}

static void plans_keep_their_promises(void **unused)
{
    (void)unused;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct arena arena = { 0 };
        struct scene scene;
        struct placement_plan plan;
        draw_scene(&scene, seed);
        placement_plan(&arena, &scene.request, &plan);
        assert_int_equal(plan.chosen_count + plan.missing, scene.request.wanted);
        if (count_taking(&scene) > 0) assert_int_equal(plan.missing, 0);
        if (plan.missing > 0) assert_string_not_equal(plan.reason, "");
        uint32_t well_placed = 0;
        for (uint32_t i = 0; i < scene.request.instance_count; i++) {
            const struct placement_instance *instance = &scene.instances[i];
            if (instance->leaving || instance->node == PLACEMENT_NOWHERE) continue;
            const struct placement_node *node = &scene.nodes[instance->node];
            well_placed += keeps(&scene, node) && (node->excluded == NULL || instance->active) ? 1 : 0;
        }
        uint32_t kept = 0;
        for (uint32_t i = 0; i < plan.chosen_count; i++) {
            judge_choice(&scene, &plan.chosen[i]);
            if (i > 0) assert_true(plan.chosen[i].instance > plan.chosen[i - 1].instance);
            kept += plan.chosen[i].fresh ? 0 : 1;
        }
        /* Stable: all that is well placed stays, but for what is too many. */
        uint32_t expected = well_placed < scene.request.wanted ? well_placed : scene.request.wanted;
        assert_true(kept >= expected);
        arena_fini(&arena);
    }
}

static void plans_settle(void **unused)
{
    (void)unused;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct arena arena = { 0 };
        struct scene scene;
        struct placement_plan plan;
        struct placement_plan again;
        draw_scene(&scene, seed);
        placement_plan(&arena, &scene.request, &plan);
        assert_in_range(plan.chosen_count, 0, INSTANCES_MAX);
        for (uint32_t i = 0; i < plan.chosen_count; i++)
            scene.instances[i] = (struct placement_instance){ .instance = plan.chosen[i].instance,
                                                              .node = plan.chosen[i].node,
                                                              .active = true };
        scene.request.instance_count = plan.chosen_count;
        placement_plan(&arena, &scene.request, &again);
        assert_int_equal(again.chosen_count, plan.chosen_count);
        for (uint32_t i = 0; i < again.chosen_count; i++)
            assert_false(again.chosen[i].fresh);
        arena_fini(&arena);
    }
}

static void spread_is_even(void **unused)
{
    (void)unused;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct arena arena = { 0 };
        struct scene scene;
        struct placement_plan plan;
        uint32_t counts[NODES_MAX] = { 0 };
        draw_scene(&scene, seed);
        scene.request.instance_count = 0; /* Nothing there yet: then no node has two more than another. */
        placement_plan(&arena, &scene.request, &plan);
        for (uint32_t i = 0; i < plan.chosen_count; i++)
            counts[plan.chosen[i].node]++;
        uint32_t least = INSTANCES_MAX;
        uint32_t most = 0;
        for (uint32_t i = 0; i < scene.request.node_count; i++) {
            if (!takes(&scene, &scene.nodes[i])) continue;
            if (counts[i] < least) least = counts[i];
            if (counts[i] > most) most = counts[i];
        }
        if (plan.chosen_count > 0) assert_true(most - least <= 1);
        arena_fini(&arena);
    }
}

static struct placement_plan plan_for(struct arena *arena, const struct placement_node *nodes, uint32_t count,
                                      placement_strategy *strategy, uint32_t wanted)
{
    struct placement_plan plan;
    const struct placement_request request = { .nodes = nodes,
                                               .node_count = count,
                                               .wanted = wanted,
                                               .constraints = zones,
                                               .constraint_count = 1,
                                               .strategy = strategy };
    placement_plan(arena, &request, &plan);
    return plan;
}

static void strategies_differ_by_load(void **unused)
{
    (void)unused;
    struct arena arena = { 0 };
    const struct placement_node nodes[] = {
        { .name = "n1", .state = "ON_DUTY", .labels = zones, .label_count = 1, .load = 9 },
        { .name = "n2", .state = "ON_DUTY", .labels = zones, .label_count = 1, .load = 0 },
        { .name = "n3", .state = "ON_DUTY", .labels = zones, .label_count = 1, .load = 5 },
    };
    struct placement_plan plan = plan_for(&arena, nodes, 3, spread_choose, 1);
    assert_int_equal(plan.chosen[0].node, 1);
    plan = plan_for(&arena, nodes, 3, round_robin_choose, 2);
    assert_int_equal(plan.chosen[0].node, 0);
    assert_int_equal(plan.chosen[1].node, 1);
    arena_fini(&arena);
}

static void reasons_name_every_node(void **unused)
{
    (void)unused;
    struct arena arena = { 0 };
    const struct placement_node nodes[] = {
        { .name = "n1", .state = "ON_DUTY", .presence = PLACEMENT_LOST, .labels = zones, .label_count = 1 },
        { .name = "n2", .state = "DRAINING", .labels = zones, .label_count = 1 },
        { .name = "n3", .state = "ON_DUTY", .labels = &zones[1], .label_count = 1 },
        { .name = "n4", .state = "ON_DUTY" },
        { .name = "n5",
          .state = "ON_DUTY",
          .presence = PLACEMENT_SUSPECT,
          .labels = zones,
          .label_count = 1 },
        { .name = "n6",
          .state = "ON_DUTY",
          .labels = zones,
          .label_count = 1,
          .excluded = "it failed there" },
    };
    struct placement_plan plan = plan_for(&arena, nodes, ARRAY_COUNT(nodes), spread_choose, 2);
    assert_int_equal(plan.missing, 2);
    assert_string_equal(plan.reason, "n1: LOST; n2: DRAINING; n3: zone is b, not a; n4: has no label zone; "
                                     "n5: SUSPECT; n6: it failed there");
    plan = plan_for(&arena, NULL, 0, spread_choose, 1);
    assert_string_equal(plan.reason, "there are no nodes");
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plans_keep_their_promises),
        cmocka_unit_test(plans_settle),
        cmocka_unit_test(spread_is_even),
        cmocka_unit_test(strategies_differ_by_load),
        cmocka_unit_test(reasons_name_every_node),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
