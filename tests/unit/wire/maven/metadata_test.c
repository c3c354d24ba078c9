/* metadata: documents that Maven's deploy plugin wrote, and some that nobody should. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "wire/maven/metadata.h"

#include <string.h>

static enum status parse(const char *text, struct arena *arena, struct metadata *metadata,
                         struct error *error)
{
    return metadata_parse(text, strlen(text), arena, metadata, error);
}

static void versions_are_listed(void **state)
{
    (void)state;
    static const char document[] =
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<metadata>\n"
        "  <groupId>org.example</groupId>\n  <versioning>\n"
        "    <latest>2.0-SNAPSHOT</latest>\n    <release>1.10.0</release>\n"
        "    <versions>\n      <version>1.0</version>\n      <version> 1.2.0 </version>\n"
        "      <version>1.10.0</version>\n    </versions>\n"
        "  </versioning>\n</metadata>\n";
    struct arena arena = { 0 };
    struct metadata metadata;
    struct error error;
    assert_int_equal(parse(document, &arena, &metadata, &error), STATUS_OK);
    assert_string_equal(metadata.latest, "2.0-SNAPSHOT");
    assert_string_equal(metadata.release, "1.10.0");
    assert_int_equal(metadata.version_count, 3);
    assert_string_equal(metadata.versions[1], "1.2.0");
    assert_string_equal(metadata.timestamp, "");
    arena_fini(&arena);
}

static void files_of_a_snapshot_are_listed(void **state)
{
    (void)state;
    static const char document[] =
        "<metadata modelVersion=\"1.1.0\"><versioning><snapshot><timestamp>20261121.160117</timestamp>"
        "<buildNumber>2</buildNumber></snapshot><snapshotVersions>"
        "<snapshotVersion><classifier>linux-x86_64</classifier><extension>so</extension>"
        "<value>2.0-20261121.160117-2</value></snapshotVersion>"
        "<snapshotVersion><extension>pom</extension><value>2.0-20261121.160000-1</value></snapshotVersion>"
        "</snapshotVersions></versioning><version>2.0-SNAPSHOT</version></metadata>";
    struct arena arena = { 0 };
    struct metadata metadata;
    struct error error;
    assert_int_equal(parse(document, &arena, &metadata, &error), STATUS_OK);
    assert_string_equal(metadata.timestamp, "20261121.160117");
    assert_string_equal(metadata.build, "2");
    assert_int_equal(metadata.file_count, 2);
    assert_string_equal(metadata.files[0].classifier, "linux-x86_64");
    assert_string_equal(metadata.files[1].classifier, "");
    assert_string_equal(metadata.files[1].extension, "pom");
    assert_int_equal(metadata.version_count, 0); /* The <version> outside <versions> is another thing. */
    arena_fini(&arena);
}

static void many_versions_are_read(void **state)
{
    (void)state;
    struct text document = { 0 };
    struct arena arena = { 0 };
    struct metadata metadata;
    struct error error;
    text_add(&document, "<metadata><versioning><versions>");
    for (int i = 0; i < METADATA_VERSIONS_MAX; i++)
        text_printf(&document, "<version>1.%d</version>", i);
    text_add(&document, "</versions></versioning></metadata>");
    assert_int_equal(parse(document.data, &arena, &metadata, &error), STATUS_OK);
    assert_int_equal(metadata.version_count, METADATA_VERSIONS_MAX);
    assert_string_equal(metadata.versions[8191], "1.8191");
    arena_fini(&arena);
    text_fini(&document);
}

/* 300 letters in the element. */
static char *long_value(const char *element)
{
    struct text text = { 0 };
    text_printf(&text, "<metadata><versioning><%s>", element);
    for (int i = 0; i < 300; i++)
        text_add(&text, "x");
    text_printf(&text, "</%s></versioning></metadata>", element);
    return text_take(&text);
}

static void values_that_nobody_wants_may_be_long(void **state)
{
    (void)state;
    struct arena arena = { 0 };
    struct metadata metadata;
    struct error error;
    char *unwanted = long_value("lastUpdated"), *wanted = long_value("release");
    assert_int_equal(parse(unwanted, &arena, &metadata, &error), STATUS_OK);
    assert_int_equal(parse(wanted, &arena, &metadata, &error), STATUS_INVALID);
    assert_string_equal(error.message, "maven-metadata.xml, line 1: a value is too long");
    memory_free(unwanted);
    memory_free(wanted);
    arena_fini(&arena);
}

static void bad_documents_are_refused_with_a_line(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "<metadata>",
        "{\"no\": \"xml\"}",
        "<metadata>\n<versioning></metadata>",
        "<!DOCTYPE metadata [<!ENTITY a \"aaaa\">]><metadata>&a;</metadata>",
        "<!DOCTYPE metadata SYSTEM \"file:///etc/passwd\"><metadata/>",
        "<metadata>\xff</metadata>",
        "<a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a>",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct arena arena = { 0 };
        struct metadata metadata;
        struct error error;
        assert_int_equal(parse(bad[i], &arena, &metadata, &error), STATUS_INVALID);
        assert_true(text_starts_with(error.message, "maven-metadata.xml, line "));
        arena_fini(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions_are_listed),
        cmocka_unit_test(files_of_a_snapshot_are_listed),
        cmocka_unit_test(many_versions_are_read),
        cmocka_unit_test(values_that_nobody_wants_may_be_long),
        cmocka_unit_test(bad_documents_are_refused_with_a_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
