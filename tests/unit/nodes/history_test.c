/* Goal: the checkers of recorded histories convict what can't have been, and nothing else (proof.md section
 * 4). Method: histories of a few operations, drawn from a store that is linearizable by construction; half of
 * them then broken on purpose. A search through all orders, written apart from the checkers, says which could
 * have been. Then one story for each promise, the text form, and how long a long history takes. */
#include "nodes/sim/chance.h"
#include "nodes/sim/history_check.h"
#include "nodes/sim/history_intervals.h"
#include "nodes/sim/history_lines.h"
#include "nodes/sim/history_search.h"
#include "nodes/sim/history_watch.h"
#include "nodes/sim/history_witness.h"
#include "runtime/base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { OPS_MAX = 8, KEYS = 2 };
static const char *const key_names[KEYS] = { "a", "b" };

enum outcome { UNKNOWN, OK, REFUSED };
enum effect { NOTHING, READ, PUT, DELETE };

/* The test's own form of a history. */
struct part {
    bool compares;
    uint64_t expected;
    enum effect effect;
    uint64_t value;
    uint64_t revision;
};
struct op {
    uint32_t client;
    int64_t call, end;
    enum outcome outcome;
    uint64_t revision;
    struct part parts[KEYS];
};
struct model {
    struct op ops[OPS_MAX];
    uint32_t count;
    uint32_t keys;
};

/* --- by brute force ----------------------------------------------------------------------------------- */

static bool applies(const struct op *op, uint64_t state[KEYS])
{
    bool held = true;
    for (int k = 0; k < KEYS; k++)
        held = held && !(op->parts[k].compares && state[k] != op->parts[k].expected);
    if (op->outcome == REFUSED) return !held;
    if (!held) return false;
    for (int k = 0; k < KEYS; k++) {
        if (op->parts[k].effect == READ && state[k] != op->parts[k].value) return false;
    }
    for (int k = 0; k < KEYS; k++) {
        if (op->parts[k].effect == PUT) state[k] = op->parts[k].value;
        if (op->parts[k].effect == DELETE) state[k] = 0;
    }
    return true;
}

/* Is there an order for the operations that are left, from this state on? */
static bool orders(const struct model *model, uint32_t left, const uint64_t state[KEYS])
{
    bool must = false;
    int64_t first_end = INT64_MAX;
    for (uint32_t i = 0; i < model->count; i++) {
        if ((left & 1U << i) == 0 || model->ops[i].outcome == UNKNOWN) continue;
        must = true;
        if (model->ops[i].end < first_end) first_end = model->ops[i].end;
    }
    if (!must) return true;
    for (uint32_t i = 0; i < model->count; i++) {
        if ((left & 1U << i) == 0 || model->ops[i].call > first_end) continue;
        uint64_t after[KEYS];
        memcpy(after, state, sizeof after);
        if (applies(&model->ops[i], after) && orders(model, left & ~(1U << i), after)) return true;
    }
    return false;
}

static bool could_be(const struct model *model)
{
    uint64_t state[KEYS] = { 0 };
    return orders(model, (1U << model->count) - 1, state);
}

/* --- histories that were -------------------------------------------------------------------------------- */

enum flavour { REGISTERS, ONE_KEY, TRANSACTIONS };

static void draw_part(struct chance *chance, struct op *op, int key, enum flavour flavour,
                      const uint64_t state[KEYS])
{
    struct part *part = &op->parts[key];
    uint64_t roll = chance_next(chance) % 10;
    part->effect = roll < 4 ? READ : roll < 8 || flavour == REGISTERS ? PUT : DELETE;
    if (part->effect == PUT) part->value = history_value(op->client, (uint32_t)key + 1);
    if (flavour == REGISTERS || part->effect == READ || !chance_permille(chance, 500)) return;
    part->compares = true;
    part->expected = state[key];
    if (chance_permille(chance, 300)) part->expected = history_value(9, 1); /* What nobody wrote. */
    else if (chance_permille(chance, 200)) part->expected = 0;
}

/* The operation takes place now, in one step, if it does. */
static void take_place(struct chance *chance, struct op *op, uint64_t state[KEYS], uint64_t revisions[KEYS],
                       uint64_t *index)
{
    bool writes = false;
    bool held = true;
    for (int k = 0; k < KEYS; k++) {
        writes = writes || op->parts[k].effect == PUT || op->parts[k].effect == DELETE;
        held = held && !(op->parts[k].compares && op->parts[k].expected != state[k]);
    }
    bool told = !chance_permille(chance, 150);
    op->outcome = !told ? UNKNOWN : held ? OK : REFUSED;
    if (!held || (!told && chance_permille(chance, 500))) return; /* It never arrived, or changed nothing. */
    if (writes || chance_permille(chance, 300)) ++*index;         /* Others' entries lie between. */
    op->revision = *index;
    for (int k = 0; k < KEYS; k++) {
        struct part *part = &op->parts[k];
        if (part->effect == READ) {
            part->value = state[k];
            part->revision = revisions[k];
        }
        if (part->effect != PUT && part->effect != DELETE) continue;
        state[k] = part->effect == PUT ? part->value : 0;
        revisions[k] = part->effect == PUT ? *index : 0;
    }
}

static void draw(struct chance *chance, struct model *model, enum flavour flavour)
{
    *model = (struct model){ .count = 1 + (uint32_t)(chance_next(chance) % OPS_MAX),
                             .keys = flavour == TRANSACTIONS ? 2 : 1 };
    uint64_t state[KEYS] = { 0 };
    uint64_t revisions[KEYS] = { 0 };
    uint64_t index = 10;
    for (uint32_t i = 0; i < model->count; i++) { /* In the order in which they take place, at 10, 20... */
        struct op *op = &model->ops[i];
        int64_t now = 10 * ((int64_t)i + 1);
        op->client = i + 1;
        op->call = now - (int64_t)(chance_next(chance) % 25);
        op->end = now + (int64_t)(chance_next(chance) % 25);
        bool both = model->keys == 2 && chance_permille(chance, 500);
        int only = model->keys == 2 ? (int)(chance_next(chance) % 2) : 0;
        bool reads = false;
        for (int k = 0; k < KEYS; k++) {
            if (!both && k != only) continue;
            draw_part(chance, op, k, flavour, state);
            reads = reads || op->parts[k].effect == READ;
        }
        for (int k = 0; k < KEYS && reads; k++) { /* What reads does nothing else. */
            bool part = both || k == only;
            op->parts[k] = (struct part){ .effect = part ? READ : NOTHING };
        }
        take_place(chance, op, state, revisions, &index);
    }
}

/* --- and histories that were told wrong -------------------------------------------------------------------
 */

static uint64_t some_value(struct chance *chance, const struct model *model, int key)
{
    uint64_t value = 0;
    uint32_t at = (uint32_t)(chance_next(chance) % model->count);
    if (model->ops[at].parts[key].effect == PUT) value = model->ops[at].parts[key].value;
    return value;
}

static void break_once(struct chance *chance, struct model *model)
{
    struct op *op = &model->ops[chance_next(chance) % model->count];
    int key = (int)(chance_next(chance) % model->keys);
    struct part *part = &op->parts[key];
    switch (chance_next(chance) % 5) {
    case 0: /* A read told another value. */
        if (part->effect == READ && op->outcome == OK) part->value = some_value(chance, model, key);
        break;
    case 1: /* What happened was refused, or the other way round. */
        if (part->compares && op->outcome != UNKNOWN) op->outcome = op->outcome == OK ? REFUSED : OK;
        break;
    case 2: /* It came later than it took place. */
        op->call += 20;
        op->end += 20;
        break;
    case 3: /* It was answered before it took place. */
        op->call -= 30;
        op->end = op->call + 5;
        break;
    default: /* It compared with something else. */
        if (part->compares) part->expected = some_value(chance, model, key);
        break;
    }
    if (op->outcome == OK && op->revision == 0) op->revision = 1; /* Some revision is always told. */
}

static int by_call(const void *a, const void *b)
{
    const struct op *left = a;
    const struct op *right = b;
    return left->call < right->call ? -1 : left->call > right->call;
}

static struct history *record(struct model *model)
{
    struct history *history = history_create();
    qsort(model->ops, model->count, sizeof model->ops[0], by_call); /* Time runs forward. */
    for (uint32_t i = 0; i < model->count; i++) {
        const struct op *op = &model->ops[i];
        uint32_t number = history_begin(history, op->client, op->call);
        for (int k = 0; k < KEYS; k++) {
            const struct part *part = &op->parts[k];
            if (part->compares) history_compare(history, number, key_names[k], part->expected);
            if (part->effect == PUT) history_put(history, number, key_names[k], part->value);
            if (part->effect == DELETE) history_delete(history, number, key_names[k]);
            if (part->effect != READ) continue;
            history_read(history, number, key_names[k]);
            if (op->outcome == OK) history_saw(history, number, key_names[k], part->value, part->revision);
        }
        if (op->outcome == OK) history_end_ok(history, number, op->end, op->revision);
        if (op->outcome == REFUSED) history_end_refused(history, number, op->end);
    }
    return history;
}

static void fail_with(const struct history *history, const char *what, const struct error *error)
{
    struct text lines = { 0 };
    history_lines_write(history, &lines);
    print_error("%s: %s\n%s", what, error->message, text_string(&lines));
    fail();
}

/* Something was refused, and something may have happened: the witness then believes that the one explains the
 * other, without trying it out. */
static bool leaves_doubt(const struct model *model)
{
    bool refused = false;
    bool unknown = false;
    for (uint32_t i = 0; i < model->count; i++) {
        refused = refused || model->ops[i].outcome == REFUSED;
        unknown = unknown || model->ops[i].outcome == UNKNOWN;
    }
    return refused && unknown;
}

static bool was_read(const struct model *model, const struct op *writer)
{
    for (uint32_t i = 0; i < model->count; i++) {
        for (int k = 0; k < KEYS; k++) {
            const struct part *part = &model->ops[i].parts[k];
            bool read = model->ops[i].outcome == OK && part->effect == READ && part->revision != 0;
            if (read && writer->parts[k].effect == PUT && writer->parts[k].value == part->value) return true;
        }
    }
    return false;
}

/* Where a transaction of unknown outcome took place shows only if somebody read what it wrote, with its
 * revision. */
static bool is_beyond_witness(const struct model *model)
{
    for (uint32_t i = 0; i < model->count; i++) {
        const struct op *op = &model->ops[i];
        bool compares = op->parts[0].compares || op->parts[1].compares;
        bool both = op->parts[0].effect != NOTHING && op->parts[1].effect != NOTHING;
        if (op->outcome == UNKNOWN && (both || compares) && !was_read(model, op)) return true;
    }
    return false;
}

struct tally {
    uint32_t possible, impossible, witnessed;
};

static void judge(struct model *model, enum flavour flavour, bool broken, struct tally *tally)
{
    struct history *history = record(model);
    bool possible = could_be(model);
    struct error error = { 0 };
    bool witness = history_witness_check(history, &error) == STATUS_OK;
    if (witness && !possible && !leaves_doubt(model)) fail_with(history, "the witness was fooled", &error);
    if (!witness && !broken && !is_beyond_witness(model))
        fail_with(history, "the witness convicts the innocent", &error);
    bool search = history_search_check(history, &error) == STATUS_OK;
    if (possible && !search) fail_with(history, "the search convicts the innocent", &error);
    if (!possible && search && flavour != TRANSACTIONS) fail_with(history, "the search was fooled", &error);
    bool intervals = history_intervals_check(history, &error) == STATUS_OK;
    if (possible && !intervals) fail_with(history, "the intervals convict the innocent", &error);
    if (!possible && intervals && flavour == REGISTERS)
        fail_with(history, "the intervals were fooled", &error);
    if (!broken && !possible) fail_with(history, "the generator is wrong", &error);
    *(possible ? &tally->possible : &tally->impossible) += 1;
    tally->witnessed += witness;
    history_destroy(&history);
}

static uint32_t rounds(void)
{
    const char *wished = getenv("AETHER_HISTORIES"); /* 100000 and more by hand; CI runs under ASan. */
    return wished == NULL ? 34000 : (uint32_t)strtoul(wished, NULL, 10);
}

static void checkers_agree_with_brute_force(void **unused)
{
    (void)unused;
    struct tally tally = { 0 };
    struct chance chance = { 20261121 };
    for (uint32_t i = 0; i < rounds(); i++) {
        for (enum flavour flavour = REGISTERS; flavour <= TRANSACTIONS; flavour++) {
            struct model model;
            bool broken = i % 2 == 1;
            draw(&chance, &model, flavour);
            for (int tries = broken ? 24 : 0; tries > 0 && could_be(&model); tries--)
                break_once(&chance, &model);
            judge(&model, flavour, broken, &tally);
        }
    }
    print_message("%u histories could have been (%u with their revisions), %u not\n", tally.possible,
                  tally.witnessed, tally.impossible);
    assert_true(tally.impossible > rounds()); /* The breaking bites: of 1.5 rounds that it was tried on. */
}

/* --- one story a promise ----------------------------------------------------------------------------------
 */

static void put(struct history *history, uint32_t client, uint32_t n, int64_t call, int64_t end,
                uint64_t revision)
{
    uint32_t op = history_begin(history, client, call);
    history_put(history, op, "k", history_value(client, n));
    if (end > 0) history_end_ok(history, op, end, revision);
}

static void get(struct history *history, int64_t call, int64_t end, uint64_t value, uint64_t record,
                uint64_t revision)
{
    uint32_t op = history_begin(history, 90, call);
    history_read(history, op, "k");
    history_saw(history, op, "k", value, record);
    history_end_ok(history, op, end, revision);
}

/* All checks together say so, and by one of them, which names the rule. */
static void expect_verdict(struct history *history, enum status status, const char *says)
{
    struct error error = { 0 };
    assert_int_equal(history_check(history, &error), status);
    if (says != NULL && strstr(error.message, says) == NULL) fail_msg("%s, not %s", error.message, says);
    history_destroy(&history);
}

static void stale_read_is_found(void **unused) /* Mutants 31-35 of proof.md show so. */
{
    (void)unused;
    struct history *history = history_create();
    put(history, 1, 1, 10, 20, 5);
    put(history, 1, 2, 30, 40, 6);
    get(history, 50, 60, history_value(1, 1), 5, 5);
    struct error error = { 0 };
    assert_int_equal(history_witness_check(history, &error), STATUS_CORRUPT);
    assert_int_equal(history_search_check(history, &error), STATUS_CORRUPT);
    assert_int_equal(history_intervals_check(history, &error), STATUS_CORRUPT);
    history_destroy(&history);
    history = history_create(); /* The same, but the read began before the second write ended. */
    put(history, 1, 1, 10, 20, 5);
    put(history, 1, 2, 30, 55, 6);
    get(history, 50, 60, history_value(1, 1), 5, 5);
    expect_verdict(history, STATUS_OK, NULL);
}

static void lost_write_is_found(void **unused) /* K3 */
{
    (void)unused;
    struct history *history = history_create();
    put(history, 1, 1, 10, 20, 5);
    get(history, 30, 40, 0, 0, 7);
    expect_verdict(history, STATUS_CORRUPT, "found 0");
}

static void unknown_may_show_late_or_never(void **unused)
{
    (void)unused;
    struct history *history = history_create();
    put(history, 1, 1, 10, 0, 0); /* Shows at 100. */
    put(history, 2, 1, 15, 0, 0); /* Never. */
    put(history, 3, 1, 20, 30, 5);
    get(history, 40, 50, history_value(3, 1), 5, 6);
    get(history, 90, 100, history_value(1, 1), 9, 9);
    expect_verdict(history, STATUS_OK, NULL);
}

static void failed_write_must_not_show(void **unused) /* K4 */
{
    (void)unused;
    struct history *history = history_create();
    uint32_t op = history_begin(history, 1, 10);
    history_put(history, op, "k", history_value(1, 1));
    history_end_failed(history, op);
    get(history, 40, 50, history_value(1, 1), 5, 5);
    expect_verdict(history, STATUS_CORRUPT, "K4");
}

static void write_that_acts_twice_is_found(void **unused) /* K9 */
{
    (void)unused;
    struct history *history = history_create();
    put(history, 1, 1, 10, 20, 5);
    put(history, 2, 1, 30, 40, 6);
    get(history, 50, 60, history_value(1, 1), 7, 7);
    expect_verdict(history, STATUS_CORRUPT, "K9");
}

static void delete_of_unknown_outcome_explains_absence(void **unused)
{
    (void)unused;
    struct history *history = history_create();
    put(history, 1, 1, 10, 20, 5);
    uint32_t op = history_begin(history, 2, 25);
    history_delete(history, op, "k");
    get(history, 30, 40, history_value(1, 1), 5, 5);
    get(history, 50, 60, 0, 0, 8);
    expect_verdict(history, STATUS_OK, NULL);
}

static void after_and_past_are_checked(void **unused)
{
    (void)unused;
    struct history *history = history_create();
    put(history, 1, 1, 10, 20, 5);
    put(history, 1, 2, 30, 40, 6);
    uint32_t op = history_begin(history, 2, 50);
    history_read(history, op, "k");
    history_past(history, op);
    history_saw(history, op, "k", history_value(1, 1), 5);
    history_end_ok(history, op, 60, 5);
    struct error error = { 0 };
    assert_int_equal(history_check(history, &error), STATUS_OK);
    op = history_begin(history, 2, 70);
    history_read(history, op, "k");
    history_past(history, op); /* A stale one, which yet was to see revision 6. */
    history_after(history, op, 6);
    history_saw(history, op, "k", history_value(1, 1), 5);
    history_end_ok(history, op, 80, 5);
    expect_verdict(history, STATUS_CORRUPT, "was to see revision 6");
}

static struct history *watched(void)
{
    struct history *history = history_create();
    put(history, 1, 1, 10, 20, 5);
    put(history, 1, 2, 30, 40, 7);
    uint32_t op = history_begin(history, 2, 50);
    history_delete(history, op, "k");
    history_end_ok(history, op, 60, 9);
    return history;
}

static void watchers_are_checked(void **unused) /* K6 */
{
    (void)unused;
    uint64_t first = history_value(1, 1);
    uint64_t second = history_value(1, 2);
    static const struct {
        uint64_t revisions[4]; /* In the order told. */
        uint64_t told;
        uint64_t wrong_previous;
        const char *says;
    } cases[] = {
        { { 5, 7, 9 }, 10, 0, NULL },
        { { 5, 7 }, 8, 0, NULL }, /* It ended before the rest. */
        { { 5, 9 }, 10, 0, "not told" },
        { { 5, 7 }, 10, 0, "not told" }, /* A bookmark that promises too much. */
        { { 5, 7, 7, 9 }, 10, 0, "twice" },
        { { 7, 5, 9 }, 10, 0, "out of order" },
        { { 5, 7, 9 }, 10, 7, "previous" },
        { { 5, 6, 7, 9 }, 10, 0, "nobody" },
    };
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        struct history *history = watched();
        uint32_t watcher = history_watch(history, "", 1);
        for (int i = 0; i < 4 && cases[c].revisions[i] != 0; i++) {
            uint64_t revision = cases[c].revisions[i];
            uint64_t value = revision == 5 ? first : revision == 7 ? second : 0;
            uint64_t previous = revision == 7 ? first : revision == 9 ? second : 0;
            if (revision == cases[c].wrong_previous) previous = second;
            history_watch_event(history, watcher, revision, "k", value, previous);
        }
        history_watch_told(history, watcher, cases[c].told);
        struct error error = { 0 };
        enum status status = history_watch_check(history, &error);
        assert_int_equal(status, cases[c].says == NULL ? STATUS_OK : STATUS_CORRUPT);
        if (cases[c].says != NULL) assert_non_null(strstr(error.message, cases[c].says));
        history_destroy(&history);
    }
}

static void text_form_says_the_same(void **unused)
{
    (void)unused;
    struct chance chance = { 7 };
    for (int i = 0; i < 200; i++) {
        struct model model;
        draw(&chance, &model, TRANSACTIONS);
        struct history *history = record(&model);
        uint32_t watcher = history_watch(history, "a", 3);
        history_watch_event(history, watcher, 4, "a", 1, 2);
        history_watch_told(history, watcher, 9);
        struct text first = { 0 };
        struct text second = { 0 };
        struct history *again = NULL;
        history_lines_write(history, &first);
        assert_int_equal(history_lines_read(first.data, first.size, &again, NULL), STATUS_OK);
        history_lines_write(again, &second);
        assert_string_equal(text_string(&first), text_string(&second));
        text_fini(&first);
        text_fini(&second);
        history_destroy(&history);
        history_destroy(&again);
    }
    struct history *none = NULL;
    struct error error = { 0 };
    static const char *const bad[] = { "{\n", "{\"event\":3,\"key\":\"k\"}\n", "{\"outcome\":\"perhaps\"}\n",
                                       "{\"outcome\":\"ok\",\"call\":5}\n" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(history_lines_read(bad[i], strlen(bad[i]), &none, &error), STATUS_INVALID);
        assert_non_null(strstr(error.message, "line 1"));
    }
}

/* A long one, of many clients on keys that change every 1,500 operations: 10^6 take seconds in a fast build.
 */
static void long_history_is_judged(void **unused)
{
    (void)unused;
    const char *wished = getenv("AETHER_HISTORY_LENGTH");
    uint32_t length = wished == NULL ? 30000 : (uint32_t)strtoul(wished, NULL, 10);
    struct history *history = history_create();
    uint64_t value = 0;
    uint64_t written = 0;
    for (uint32_t i = 1; i <= length; i++) {
        char key[32];
        if (i % 1500 == 0) value = written = 0;
        (void)snprintf(key, sizeof key, "key-%u", i / 1500);
        uint32_t op = history_begin(history, i % 16, (int64_t)i * 10 - 75);
        if (i % 2 == 0) {
            value = history_value(i % 16, i);
            written = i;
            history_put(history, op, key, value);
        } else {
            history_read(history, op, key);
            history_saw(history, op, key, value, written);
        }
        history_end_ok(history, op, (int64_t)i * 10 + 75, i);
    }
    expect_verdict(history, STATUS_OK, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checkers_agree_with_brute_force),
        cmocka_unit_test(stale_read_is_found),
        cmocka_unit_test(lost_write_is_found),
        cmocka_unit_test(unknown_may_show_late_or_never),
        cmocka_unit_test(failed_write_must_not_show),
        cmocka_unit_test(write_that_acts_twice_is_found),
        cmocka_unit_test(delete_of_unknown_outcome_explains_absence),
        cmocka_unit_test(after_and_past_are_checked),
        cmocka_unit_test(watchers_are_checked),
        cmocka_unit_test(text_form_says_the_same),
        cmocka_unit_test(long_history_is_judged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
