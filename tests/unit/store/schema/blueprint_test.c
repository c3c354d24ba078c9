/* Goal: a document is taken whole or refused with its line; the canonical form comes back the same.
 * Method: one full document with every field, then one change at a time, each with the words that a person
 * must see. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "store/schema/blueprint.h"

#include <string.h>

static const char full[] =
    "name: shop\n"
    "slices:\n"
    "  - artifact: org.example:pricing:1.2.0\n"
    "    instances: 3\n"
    "    isolation: process\n"
    "    hosts: shared\n"
    "    strategy: spread\n"
    "    constraints: {zone: eu-1}\n"
    "    resources: {cpu: 0.25, memory: 64Mi}\n"
    "    depends: [org.example:tax]\n"
    "    min-available: 2\n"
    "    exclusive: true\n"
    "    config: {currency: EUR}\n"
    "    update: {strategy: rolling, max-surge: 2, health-deadline: 30s, auto-rollback: false}\n"
    "  - artifact: org.example:tax:RELEASE\n"
    "    isolation: inline\n"
    "    strategy: round-robin\n"
    "    pinned: true\n";

static enum status parse(struct arena *arena, const char *text, struct blueprint *out_blueprint,
                         struct error *error)
{
    *error = (struct error){ 0 };
    return blueprint_parse(arena, text, strlen(text), "default", out_blueprint, error);
}

static void every_field_is_read(void **unused)
{
    (void)unused;
    struct arena arena = { 0 };
    struct blueprint blueprint;
    struct error error;
    if (parse(&arena, full, &blueprint, &error) != STATUS_OK) fail_msg("%s", error.message);
    assert_string_equal(blueprint.name, "shop");
    assert_int_equal(blueprint.slice_count, 2);
    const struct blueprint_slice *slice = &blueprint.slices[0];
    assert_string_equal(slice->artifact, "org.example:pricing:1.2.0");
    assert_int_equal(slice->instances, 3);
    assert_int_equal(slice->strategy, BLUEPRINT_SPREAD);
    assert_string_equal(slice->constraints[0].label, "zone");
    assert_string_equal(slice->constraints[0].value, "eu-1");
    assert_int_equal(slice->cpu_millis, 250);
    assert_int_equal(slice->memory_bytes, 64 * 1024 * 1024);
    assert_string_equal(slice->depends[0], "org.example:tax");
    assert_int_equal(slice->min_available, 2);
    assert_true(slice->exclusive);
    assert_true(slice->shared_host);
    assert_string_equal(slice->config, "{\"currency\":\"EUR\"}");
    assert_int_equal(slice->max_surge, 2);
    assert_int_equal(slice->health_deadline_ms, 30000);
    assert_false(slice->auto_rollback);
    assert_int_equal(blueprint.slices[1].instances, 1);
    assert_true(blueprint.slices[1].inline_isolation);
    assert_true(blueprint.slices[1].pinned);
    assert_false(slice->pinned);
    assert_int_equal(blueprint.slices[1].strategy, BLUEPRINT_ROUND_ROBIN);
    arena_fini(&arena);
}

static void seed_document_is_valid(void **unused) /* seeds/aether.md: "Blueprint Schema" */
{
    (void)unused;
    static const char seed[] =
        "{\n  \"slices\": [\n    {\n      \"artifact\": \"org.example:slice:1.0.0\", \n"
        "      \"instances\": 3\n    }\n  ],\n  \"timestamp\": 1234567890\n}\n";
    struct arena arena = { 0 };
    struct blueprint blueprint;
    struct error error;
    if (parse(&arena, seed, &blueprint, &error) != STATUS_OK) fail_msg("%s", error.message);
    assert_string_equal(blueprint.name, "default");
    assert_int_equal(blueprint.slices[0].instances, 3);
    assert_int_equal(blueprint.timestamp, 0); /* The leader's clock stamps it, not the document. */
    arena_fini(&arena);
}

static void what_get_prints_is_valid(void **unused)
{
    (void)unused;
    struct arena arena = { 0 };
    struct blueprint blueprint;
    struct error error;
    static const char got[] = "name: shop\nrevision: 7\ndocument:\n  slices:\n  - artifact: a.b:c:1\n";
    if (parse(&arena, got, &blueprint, &error) != STATUS_OK) fail_msg("%s", error.message);
    assert_string_equal(blueprint.name, "shop");
    assert_string_equal(blueprint.slices[0].artifact, "a.b:c:1");
    static const char wrong[] = "name: shop\nrevision: 7\ndocument:\n  slices:\n  - artifct: a.b:c:1\n";
    assert_int_equal(parse(&arena, wrong, &blueprint, &error), STATUS_INVALID);
    assert_non_null(
        strstr(error.message, "line 5: slices[0].artifct")); /* The line of the text as it stands. */
    arena_fini(&arena);
}

static void canonical_form_comes_back(void **unused)
{
    (void)unused;
    struct arena arena = { 0 };
    struct blueprint blueprint;
    struct blueprint again;
    struct error error;
    assert_int_equal(parse(&arena, full, &blueprint, &error), STATUS_OK);
    static const char digest[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    struct blueprint_slice slices[2] = { blueprint.slices[0], blueprint.slices[1] };
    slices[0].sha256 = slices[1].sha256 = digest;
    slices[1].artifact = "org.example:tax:2.0";
    blueprint.slices = slices;
    blueprint.timestamp = 55;
    char *text = blueprint_write(&arena, &blueprint);
    assert_int_equal(blueprint_read(&arena, "shop", text, strlen(text), &again, &error), STATUS_OK);
    assert_string_equal(blueprint_write(&arena, &again), text);
    assert_int_equal(again.timestamp, 55);
    assert_true(blueprint_equal(&blueprint, &again));
    again.timestamp = 56;
    assert_true(blueprint_equal(&blueprint, &again));
    slices[1].instances = 2;
    assert_false(blueprint_equal(&blueprint, &again));
    assert_true(blueprint_slice_runs_alike(&slices[1], &again.slices[1])); /* A count starts nothing anew. */
    slices[0].config = "{\"currency\":\"USD\"}";
    assert_false(blueprint_slice_runs_alike(&slices[0], &again.slices[0]));
    arena_fini(&arena);
}

struct bad {
    const char *text;
    const char *says;
};

static void bad_documents_are_refused(void **unused)
{
    (void)unused;
    static const struct bad bad[] = {
        { "", "" },
        { "[]", "" },
        { "name: x", "slices is missing" },
        { "slices: []", "line 1: slices: must be a list of slices" },
        { "slices: 3", "must be a list of slices" },
        { "slices:\n - artifact: a:b:1\n   instancs: 3",
          "line 3: slices[0].instancs: unknown field \"instancs\"; "
          "did you mean \"instances\"?" },
        { "slices:\n - artifact: a:b:1\nnmae: x",
          "line 3: nmae: unknown field \"nmae\"; did you mean \"name\"?" },
        { "slices:\n - instances: 3", "slices[0]: artifact is missing" },
        { "slices:\n - artifact: a:b", "the version is missing" },
        { "slices:\n - artifact: ../a:b:1", "bad group" },
        { "slices:\n - artifact: ''", "they are empty" },
        { "slices:\n - artifact: 'a:b:1/../..'", "bad version" },
        { "slices:\n - artifact: 7", "must be group:artifact:version" },
        { "slices:\n - artifact: a:b:1\n   instances: -1",
          "line 3: slices[0].instances: -1 is out of range" },
        { "slices:\n - artifact: a:b:1\n   instances: 2147483648", "out of range: 0 to 1000" },
        { "slices:\n - artifact: a:b:1\n   instances: 1001", "out of range" },
        { "slices:\n - artifact: a:b:1\n   instances: 1.5", "must be a whole number" },
        { "slices:\n - artifact: a:b:1\n   instances: three", "must be a whole number" },
        { "slices:\n - artifact: a:b:1\n - artifact: a:b:2", "a:b:2 is listed twice" },
        { "slices:\n - artifact: a:b:1\n   isolation: proces", "did you mean \"process\"?" },
        { "slices:\n - artifact: a:b:1\n   strategy: capacity",
          "strategy capacity is not available in this version" },
        { "slices:\n - artifact: a:b:1\n   update: {strategy: canary}",
          "update strategy canary is not available" },
        { "slices:\n - artifact: a:b:1\n   constraints: {zone: [a, b]}", "only a string to equal" },
        { "slices:\n - artifact: a:b:1\n   constraints: [zone]", "must be a mapping" },
        { "slices:\n - artifact: a:b:1\n   resources: {cpu: 0}", "positive number of cores" },
        { "slices:\n - artifact: a:b:1\n   resources: {cpu: -3}", "positive number of cores" },
        { "slices:\n - artifact: a:b:1\n   resources: {memory: lots}", "write a size such as 64Mi" },
        { "slices:\n - artifact: a:b:1\n   resources: {disk: 1Gi}", "unknown field \"disk\"" },
        { "slices:\n - artifact: a:b:1\n   isolation: inline\n   resources: {cpu: 1}",
          "isolation: process only" },
        { "slices:\n - artifact: a:b:1\n   isolation: inline\n   hosts: shared",
          "hosts: shared needs isolation" },
        { "slices:\n - artifact: a:b:1\n   hosts: share", "did you mean \"shared\"?" },
        { "slices:\n - artifact: a:b:1\n   pinned: true", "pinned goes with isolation: inline" },
        { "slices:\n - artifact: a:b:1\n   isolation: inline\n   exclusive: true",
          "exclusive needs isolation" },
        { "slices:\n - artifact: a:b:1\n   instances: 1\n   min-available: 2", "more than the 1 instances" },
        { "slices:\n - artifact: a:b:1\n   depends: [a:b]", "waits for itself" },
        { "slices:\n - artifact: a:b:1\n   depends: [a:c]\n - artifact: a:c:1\n   depends: [a:b]",
          "waits for itself" },
        { "slices:\n - artifact: a:b:1\n   depends: [a:c:1]", "a version has no place here" },
        { "slices:\n - artifact: a:b:1\n   config: EUR", "must be a mapping" },
        { "slices:\n - artifact: a:b:1\n   update: {health-deadline: 30}", "write a duration such as 30s" },
        { "slices:\n - artifact: a:b:1\n   update: {auto-rollback: maybe}", "true or false" },
        { "slices:\n - artifact: a:b:1\n   sha256: zz", "64 hexadecimal digits" },
        { "slices:\n - artifact: a:b:1\n   instances: 1\n   instances: 2", "" },
        { "name: ../etc\nslices:\n - artifact: a:b:1", "line 1: name: must be letters" },
        { "name: {a: b}\nslices:\n - artifact: a:b:1", "line 1: name: must be letters" },
        { "slices:\n - artifact: a:b:1\n\t- x", "" },
        { "slices:\n - \"art\\u0000ifact\": x", "" },
    };
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        struct arena arena = { 0 };
        struct blueprint blueprint;
        struct error error;
        enum status status = parse(&arena, bad[i].text, &blueprint, &error);
        if (status != STATUS_INVALID) fail_msg("%s -> %s", bad[i].text, status_name(status));
        if (strstr(error.message, bad[i].says) == NULL) fail_msg("%s -> %s", bad[i].text, error.message);
        assert_string_not_equal(error.message, "");
        arena_fini(&arena);
    }
}

static void huge_documents_are_refused(void **unused)
{
    (void)unused;
    struct arena arena = { 0 };
    struct blueprint blueprint;
    struct error error;
    size_t size = (size_t)BLUEPRINT_DOCUMENT_MAX + 1;
    char *text = memory_alloc(size);
    memset(text, ' ', size);
    assert_int_equal(blueprint_parse(&arena, text, size, "x", &blueprint, &error), STATUS_INVALID);
    memory_free(text);
    struct text many = { 0 };
    text_add(&many, "slices:\n");
    for (int i = 0; i < 1000; i++)
        text_printf(&many, " - artifact: a:b%d:1\n", i);
    assert_int_equal(parse(&arena, many.data, &blueprint, &error), STATUS_INVALID);
    assert_non_null(strstr(error.message, "1000 slices are more than 256"));
    text_fini(&many);
    arena_fini(&arena);
}

/* The worst chain of dependencies that is allowed is judged at once: the applier runs this too. */
static void long_chains_are_judged_quickly(void **unused)
{
    (void)unused;
    struct arena arena = { 0 };
    struct blueprint blueprint;
    struct error error;
    struct text chain = { 0 };
    text_add(&chain, "slices:\n");
    for (int i = 0; i < BLUEPRINT_SLICES_MAX; i++)
        text_printf(&chain, " - {artifact: 'a:b%d:1', depends: ['a:b%d']}\n", i, i + 1);
    assert_int_equal(parse(&arena, chain.data, &blueprint, &error), STATUS_OK);
    assert_non_null(blueprint_find(&blueprint, "a:b7:1"));
    assert_null(blueprint_find(&blueprint, "a:b7:2"));
    assert_non_null(blueprint_find_unversioned(&blueprint, "a:b7:2"));
    text_fini(&chain);
    arena_fini(&arena);
}

static void cut_documents_never_crash(void **unused)
{
    (void)unused;
    for (size_t size = 0; size < sizeof(full); size++) {
        struct arena arena = { 0 };
        struct blueprint blueprint;
        struct error error = { 0 };
        enum status status = blueprint_parse(&arena, full, size, "x", &blueprint, &error);
        assert_true(status == STATUS_OK || (status == STATUS_INVALID && error.message[0] != '\0'));
        arena_fini(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_is_read),
        cmocka_unit_test(seed_document_is_valid),
        cmocka_unit_test(what_get_prints_is_valid),
        cmocka_unit_test(canonical_form_comes_back),
        cmocka_unit_test(bad_documents_are_refused),
        cmocka_unit_test(huge_documents_are_refused),
        cmocka_unit_test(long_chains_are_judged_quickly),
        cmocka_unit_test(cut_documents_never_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
