/* Goal: the voters move as M5 says, and only so: to the largest odd set of caught-up wishes that takes no
 * vote from a node nobody wished away; an old replica goes for the new one of its name by M3; whoever waits
 * is told why. Method: the cases that people meet, by hand; then every combination of roles and wishes of
 * four nodes, and drawn ones of seven, against the rule stated a second time by brute force over all sets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "actors/cluster/voter_plan.h"
#include "runtime/base/check.h"

#include <stdio.h>
#include <string.h>

enum { NAMES_MAX = 9 };
static const char *const names[NAMES_MAX] = { "n1", "n2", "n3", "n4", "n5", "n6", "n7", "n8", "n9" };

struct world {
    struct voter_plan_replica replicas[2 * NAMES_MAX];
    uint32_t replica_count;
    struct voter_plan_wish wishes[NAMES_MAX];
    uint32_t wish_count;
    struct voter_plan_join joins[NAMES_MAX];
    uint32_t join_count;
    bool held_back;
    struct voter_plan plan;
};

static bool held_back(const void *context, const char *node)
{
    (void)node;
    return ((const struct world *)context)->held_back;
}

static struct voter_plan_input input_of(const struct world *world)
{
    return (struct voter_plan_input){
        .replicas = world->replicas,
        .replica_count = world->replica_count,
        .wishes = world->wishes,
        .wish_count = world->wish_count,
        .joins = world->joins,
        .join_count = world->join_count,
        .held_back = held_back,
        .context = world,
    };
}

static struct voter_plan_replica *add(struct world *world, uint32_t name, replica_id id, bool voter)
{
    struct voter_plan_replica *replica = &world->replicas[world->replica_count++];
    *replica = (struct voter_plan_replica){
        .node = names[name], .id = id, .voter = voter, .caught_up = true, .self = id == 1
    };
    return replica;
}

/* n1 leads; voters n1..n{count}. */
static void voters(struct world *world, uint32_t count)
{
    memset(world, 0, sizeof *world);
    for (uint32_t i = 0; i < count; i++)
        (void)add(world, i, i + 1, true);
}

static void wish(struct world *world, uint32_t name, enum cluster_wish what)
{
    world->wishes[world->wish_count++] = (struct voter_plan_wish){ .node = names[name], .wish = what };
}

static void decide(struct world *world)
{
    struct voter_plan_input input = input_of(world);
    voter_plan(&input, &world->plan);
}

/* "n1 n2 n3": the voters wanted, then the learners in brackets. */
static const char *wanted(struct world *world)
{
    static char text[256];
    decide(world);
    if (world->plan.step == VOTER_PLAN_REST) return "rest";
    size_t used = 0;
    text[0] = '\0';
    for (int learners = 0; learners <= 1; learners++) {
        for (uint32_t i = 0; i < NAMES_MAX; i++) {
            for (uint32_t m = 0; m < world->plan.wanted.member_count; m++) {
                const struct configuration_member *member = &world->plan.wanted.members[m];
                if (strcmp(member->name, names[i]) != 0 || member->voter == (learners == 1)) continue;
                used += (size_t)snprintf(text + used, sizeof text - used, learners ? "%s[%s]" : "%s%s",
                                         used == 0 ? "" : " ", names[i]);
            }
        }
    }
    return text;
}

static const char *why(const struct world *world, uint32_t name)
{
    const struct voter_plan_reason *reason = voter_plan_reason(&world->plan, names[name]);
    return reason == NULL ? "" : reason->text;
}

/* --- growing and shrinking ------------------------------------------------------------------------------ */

static void one_grows_to_three_at_once(void **unused)
{
    (void)unused;
    struct world world;
    voters(&world, 1);
    assert_string_equal(wanted(&world), "rest");
    (void)add(&world, 1, 2, false);
    (void)add(&world, 2, 3, false);
    assert_string_equal(wanted(&world), "rest"); /* Learners of whom nobody wishes anything. */
    wish(&world, 1, CLUSTER_WISH_VOTER);
    assert_string_equal(wanted(&world), "rest");
    assert_string_equal(why(&world, 1), "waiting for a second candidate");
    assert_true(voter_plan_reason(&world.plan, "n2")->needs_person);
    wish(&world, 2, CLUSTER_WISH_VOTER);
    assert_string_equal(wanted(&world), "n1 n2 n3");
    world.replicas[2].caught_up = false;
    world.replicas[2].lag = 700;
    assert_string_equal(wanted(&world), "rest");
    assert_string_equal(why(&world, 2), "catching up: 700 entries behind");
    assert_false(voter_plan_reason(&world.plan, "n3")->needs_person);
    assert_false(voter_plan_reason(&world.plan, "n2")->needs_person); /* The second one is on its way. */
    assert_string_equal(why(&world, 1), "waiting for a second candidate");
    world.replicas[2].caught_up = true;
    world.replicas[2].silent_ms = 5000;
    assert_string_equal(wanted(&world), "rest");
    assert_string_equal(why(&world, 2), "silent for 5 s");
}

static void five_shrinks_to_three(void **unused)
{
    (void)unused;
    struct world world;
    voters(&world, 5);
    wish(&world, 3, CLUSTER_WISH_LEARNER);
    assert_string_equal(wanted(&world), "rest");
    assert_string_equal(why(&world, 3), "waiting for a candidate in its place");
    wish(&world, 4, CLUSTER_WISH_REMOVED);
    assert_string_equal(wanted(&world), "n1 n2 n3 [n4]");
}

static void an_even_set_takes_a_flag(void **unused)
{
    (void)unused;
    struct world world;
    voters(&world, 3);
    wish(&world, 2, CLUSTER_WISH_REMOVED);
    assert_string_equal(wanted(&world), "rest");
    world.wishes[0].allow_even = true;
    assert_string_equal(wanted(&world), "n1 n2");
    (void)add(&world, 3, 4, false);
    wish(&world, 3, CLUSTER_WISH_VOTER); /* An odd one is better where there is one. */
    assert_string_equal(wanted(&world), "n1 n2 n4");
}

static void a_dead_one_is_replaced_by_another(void **unused)
{
    (void)unused;
    struct world world;
    voters(&world, 3);
    world.replicas[2].silent_ms = 60000;
    (void)add(&world, 3, 4, false);
    wish(&world, 2, CLUSTER_WISH_REMOVED);
    wish(&world, 3, CLUSTER_WISH_VOTER);
    assert_string_equal(wanted(&world), "n1 n2 n4");
}

static void no_more_than_seven(void **unused)
{
    (void)unused;
    struct world world;
    voters(&world, 7);
    (void)add(&world, 7, 8, false);
    wish(&world, 7, CLUSTER_WISH_VOTER);
    assert_string_equal(wanted(&world), "rest");
    assert_string_equal(why(&world, 7), "there are 7 voters already");
}

static void the_last_voter_stays(void **unused)
{
    (void)unused;
    struct world world;
    voters(&world, 1);
    wish(&world, 0, CLUSTER_WISH_REMOVED);
    world.wishes[0].allow_even = true;
    assert_string_equal(wanted(&world), "rest");
    assert_string_equal(why(&world, 0), "it is the last voter");
    (void)add(&world, 1, 2, false);
    wish(&world, 1, CLUSTER_WISH_VOTER);
    assert_string_equal(wanted(&world), "n2");            /* Moved to another machine. */
    assert_int_equal(world.plan.step, VOTER_PLAN_CHANGE); /* Who does not vote yet can't take over first. */
}

static void a_leader_that_goes_hands_over_first(void **unused) /* E6, E9 */
{
    (void)unused;
    struct world world;
    voters(&world, 5);
    world.replicas[1].lag = 3;
    wish(&world, 0, CLUSTER_WISH_REMOVED);
    wish(&world, 4, CLUSTER_WISH_REMOVED);
    assert_string_equal(wanted(&world), "n2 n3 n4");
    assert_int_equal(world.plan.step, VOTER_PLAN_TRANSFER);
    assert_string_equal(world.plan.successor, "n3"); /* Lacks least; then by name. */
    world.replicas[1].silent_ms = world.replicas[2].silent_ms = world.replicas[3].silent_ms = 9000;
    assert_string_equal(wanted(&world), "rest"); /* Nobody could commit that. */
    assert_string_equal(why(&world, 0), "most of the voters that would be left are silent");
}

static void a_learner_goes_at_once(void **unused) /* M2 */
{
    (void)unused;
    struct world world;
    voters(&world, 3);
    add(&world, 3, 4, false)->silent_ms = 60000;
    wish(&world, 3, CLUSTER_WISH_REMOVED);
    assert_string_equal(wanted(&world), "n1 n2 n3");
    assert_int_equal(world.plan.step, VOTER_PLAN_CHANGE);
}

/* --- new replicas of known names: M3 -------------------------------------------------------------------- */

static void a_new_replica_takes_the_place_of_the_old_one(void **unused)
{
    (void)unused;
    struct world world;
    voters(&world, 3);
    struct voter_plan_replica *heir = add(&world, 1, 20, false);
    heir->caught_up = false;
    heir->lag = 500;
    world.replicas[1].silent_ms = 4000;
    assert_string_equal(wanted(&world), "rest");
    assert_string_equal(why(&world, 1), "catching up: 500 entries behind");
    heir->caught_up = true;
    assert_string_equal(wanted(&world), "rest");
    assert_string_equal(why(&world, 1), "its former replica was heard 4 s ago");
    world.replicas[1].silent_ms = VOTER_PLAN_GONE_MS;
    assert_string_equal(wanted(&world), "n1 n2 n3");
    assert_non_null(configuration_find(&world.plan.wanted, 20));
    assert_null(configuration_find(&world.plan.wanted, 2));
    assert_int_equal(world.plan.replaced_count, 1);
    assert_string_equal(world.plan.replaced[0], "n2");
    world.replicas[1].silent_ms = 10;
    world.replicas[1].retired = true; /* T2: it says so itself. */
    assert_string_equal(wanted(&world), "n1 n2 n3");
    world.held_back = true;
    assert_string_equal(wanted(&world), "rest");
    assert_true(voter_plan_reason(&world.plan, "n2")->needs_person);
}

static void who_is_alive_is_not_replaced(void **unused)
{
    (void)unused;
    struct world world;
    struct error error = { 0 };
    voters(&world, 3);
    struct voter_plan_input input = input_of(&world);
    struct voter_plan_join join = { .node = "n2", .id = 20 };
    assert_int_equal(voter_plan_admits(&input, &join, "tcp://b", &error), STATUS_CONFLICT);
    assert_non_null(strstr(error.message, "n2 is alive at tcp://b"));
    world.replicas[1].silent_ms = VOTER_PLAN_GONE_MS;
    assert_int_equal(voter_plan_admits(&input, &join, "tcp://b", &error), STATUS_OK);
    world.replicas[1].silent_ms = 0;
    join.id = 2;
    assert_int_equal(voter_plan_admits(&input, &join, "tcp://b", &error), STATUS_OK); /* It is that one. */
    join = (struct voter_plan_join){ .node = "n1", .id = 30 };
    world.replicas[0].silent_ms = VOTER_PLAN_GONE_MS; /* The leader's own: it is never silent. */
    assert_int_equal(voter_plan_admits(&input, &join, "tcp://a", &error), STATUS_CONFLICT);
}

static void who_joins_learns(void **unused)
{
    (void)unused;
    struct world world;
    voters(&world, 1);
    world.joins[world.join_count++] = (struct voter_plan_join){ .node = "n2", .id = 20 };
    assert_string_equal(wanted(&world), "n1 [n2]");
    (void)add(&world, 1, 20, false);
    assert_string_equal(wanted(&world), "rest"); /* It is there. */
    world.joins[0].id = 21;                      /* Wiped again before it ever voted. */
    assert_string_equal(wanted(&world), "n1 [n2]");
    assert_null(configuration_find(&world.plan.wanted, 20));
}

static void the_cluster_can_be_full(void **unused)
{
    (void)unused;
    struct world world;
    struct error error = { 0 };
    static const char *const many[] = { "a", "b", "c", "d", "e", "f", "g", "h",
                                        "i", "j", "k", "l", "m", "o", "p" };
    memset(&world, 0, sizeof world);
    for (uint32_t i = 0; i < ARRAY_COUNT(many); i++) {
        (void)add(&world, 0, i + 1, i == 0);
        world.replicas[i].node = many[i];
    }
    struct voter_plan_input input = input_of(&world);
    struct voter_plan_join join = { .node = "q", .id = 99 };
    assert_int_equal(voter_plan_admits(&input, &join, "", &error), STATUS_CONFLICT);
}

/* --- the rule, stated again ----------------------------------------------------------------------------- */

enum part { ABSENT, VOTER, SILENT_VOTER, READY, BEHIND, PART_COUNT };

struct case_of_one {
    enum part part;
    enum cluster_wish wish;
};

static void build(struct world *world, const struct case_of_one *cases, uint32_t count, bool allow_even)
{
    memset(world, 0, sizeof *world);
    (void)add(world, 0, 1, true); /* n1 leads. */
    for (uint32_t i = 1; i < count; i++) {
        const struct case_of_one *one = &cases[i];
        if (one->part == ABSENT) continue;
        struct voter_plan_replica *replica =
            add(world, i, i + 1, one->part == VOTER || one->part == SILENT_VOTER);
        if (one->part == SILENT_VOTER) replica->silent_ms = 60000;
        replica->caught_up = one->part != BEHIND;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (cases[i].wish == CLUSTER_WISH_NONE) continue;
        wish(world, i, cases[i].wish);
        world->wishes[world->wish_count - 1].allow_even = allow_even && cases[i].wish == CLUSTER_WISH_REMOVED;
    }
}

static bool is_voter(enum part part)
{
    return part == VOTER || part == SILENT_VOTER;
}

/* M5's words on one set: made of wishes (a voter's stay is one), takes no vote that nobody wished away. */
static bool is_permitted(const struct case_of_one *cases, uint32_t count, uint32_t set)
{
    for (uint32_t i = 0; i < count; i++) {
        enum part part = i == 0 ? VOTER : cases[i].part;
        bool in = (set >> i & 1) != 0;
        bool away = cases[i].wish == CLUSTER_WISH_LEARNER || cases[i].wish == CLUSTER_WISH_REMOVED;
        bool stays = is_voter(part) && !away;
        bool comes = part == READY && cases[i].wish == CLUSTER_WISH_VOTER;
        if (in != stays && !(in && comes)) return false;
    }
    return true;
}

static bool could_commit(const struct case_of_one *cases, uint32_t count, uint32_t set)
{
    int alive = 0;
    for (uint32_t i = 0; i < count; i++)
        alive += (set >> i & 1) != 0 && (i == 0 || cases[i].part != SILENT_VOTER) ? 1 : 0;
    return 2 * alive > __builtin_popcount(set);
}

static uint32_t now(const struct case_of_one *cases, uint32_t count)
{
    uint32_t set = 1;
    for (uint32_t i = 1; i < count; i++)
        set |= is_voter(cases[i].part) ? UINT32_C(1) << i : 0;
    return set;
}

/* The voters that the plan leads to. */
static uint32_t planned(const struct world *world, const struct case_of_one *cases, uint32_t count)
{
    if (world->plan.step == VOTER_PLAN_REST) return now(cases, count);
    uint32_t set = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct configuration_member *member = configuration_find(&world->plan.wanted, i + 1);
        if (member != NULL && member->voter) set |= UINT32_C(1) << i;
    }
    return set;
}

static int best_size(const struct case_of_one *cases, uint32_t count)
{
    int best = 0;
    for (uint32_t set = 1; set < UINT32_C(1) << count; set++) {
        int size = __builtin_popcount(set);
        bool odd = size % 2 == 1 && size <= VOTER_PLAN_VOTERS_MAX;
        if (odd && size > best && is_permitted(cases, count, set)) best = size;
    }
    return best;
}

static void check(struct world *world, const struct case_of_one *cases, uint32_t count, bool allow_even)
{
    build(world, cases, count, allow_even);
    decide(world);
    uint32_t before = now(cases, count);
    uint32_t set = planned(world, cases, count);
    int best = best_size(cases, count);
    assert_int_not_equal(set, 0);
    if (world->plan.step != VOTER_PLAN_REST) assert_true(configuration_is_valid(&world->plan.wanted));
    if (set == before) { /* Right only if there is nothing better that could be committed. */
        bool even_wished = false;
        for (uint32_t i = 0; i < count; i++)
            even_wished |= allow_even && (before >> i & 1) != 0 && cases[i].wish == CLUSTER_WISH_REMOVED;
        for (uint32_t other = 1; other < UINT32_C(1) << count; other++) {
            if (other == before || !is_permitted(cases, count, other)) continue;
            if (!could_commit(cases, count, other)) continue;
            int size = __builtin_popcount(other);
            bool better = size == best && !is_permitted(cases, count, before);
            bool larger = size == best && best > __builtin_popcount(before);
            assert_false(better || larger);
            assert_false(even_wished && best == 0);
        }
    } else {
        int size = __builtin_popcount(set);
        assert_true(is_permitted(cases, count, set));
        assert_true(could_commit(cases, count, set));
        assert_true(size == best || (best == 0 && allow_even && size % 2 == 0));
    }
    for (uint32_t i = 0; i < count; i++) { /* Nobody waits without a word. */
        bool in = (set >> i & 1) != 0;
        bool waits = cases[i].wish == CLUSTER_WISH_VOTER ? !in : in && cases[i].wish != CLUSTER_WISH_NONE;
        if (waits) assert_non_null(voter_plan_reason(&world->plan, names[i]));
    }
}

static void every_case_of_four(void **unused)
{
    (void)unused;
    struct world world;
    enum { COUNT = 4, EACH = PART_COUNT * 4 };
    uint32_t total = 4;
    for (int i = 1; i < COUNT; i++)
        total *= EACH;
    for (uint32_t number = 0; number < total; number++) {
        struct case_of_one cases[COUNT];
        uint32_t rest = number;
        cases[0] = (struct case_of_one){ VOTER, (enum cluster_wish)(rest % 4) };
        rest /= 4;
        for (int i = 1; i < COUNT; i++, rest /= EACH)
            cases[i] = (struct case_of_one){ (enum part)(rest % EACH / 4), (enum cluster_wish)(rest % 4) };
        check(&world, cases, COUNT, number % 3 == 0);
    }
}

static void drawn_cases_of_nine(void **unused)
{
    (void)unused;
    struct world world;
    uint64_t random = 88172645463325252u;
    for (int round = 0; round < 4000; round++) {
        struct case_of_one cases[NAMES_MAX];
        for (uint32_t i = 0; i < NAMES_MAX; i++) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            cases[i] = (struct case_of_one){ (enum part)(random >> 8 & 0xff) % PART_COUNT,
                                             (enum cluster_wish)(random >> 20 & 3) };
        }
        cases[0].part = VOTER;
        uint32_t set = now(cases, NAMES_MAX);
        if (__builtin_popcount(set) > VOTER_PLAN_VOTERS_MAX) continue; /* There never are so many. */
        check(&world, cases, NAMES_MAX, (random >> 40 & 1) != 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_grows_to_three_at_once),
        cmocka_unit_test(five_shrinks_to_three),
        cmocka_unit_test(an_even_set_takes_a_flag),
        cmocka_unit_test(a_dead_one_is_replaced_by_another),
        cmocka_unit_test(no_more_than_seven),
        cmocka_unit_test(the_last_voter_stays),
        cmocka_unit_test(a_leader_that_goes_hands_over_first),
        cmocka_unit_test(a_learner_goes_at_once),
        cmocka_unit_test(a_new_replica_takes_the_place_of_the_old_one),
        cmocka_unit_test(who_is_alive_is_not_replaced),
        cmocka_unit_test(who_joins_learns),
        cmocka_unit_test(the_cluster_can_be_full),
        cmocka_unit_test(every_case_of_four),
        cmocka_unit_test(drawn_cases_of_nine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
