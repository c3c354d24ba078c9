/* Goal: URLs as Maven lays repositories out; checksum files as people write them; objects told from the rest.
 */
#include "actors/slice/maven_layout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static void urls(void **unused)
{
    (void)unused;
    struct coordinates c;
    char url[MAVEN_URL_MAX];
    assert_int_equal(coordinates_parse("org.example:pricing:1.2.0", COORDINATES_EXACT, &c, NULL), STATUS_OK);
    assert_true(maven_url(url, "file:///repo/", &c, "linux-x86_64", ".sha256"));
    assert_string_equal(url, "file:///repo/org/example/pricing/1.2.0/pricing-1.2.0-linux-x86_64.so.sha256");
    assert_true(maven_url(url, "http://127.0.0.1:8000", &c, "", ""));
    assert_string_equal(url, "http://127.0.0.1:8000/org/example/pricing/1.2.0/pricing-1.2.0.so");
    char repository[MAVEN_URL_MAX];
    memset(repository, 'x', sizeof repository - 1);
    repository[sizeof repository - 1] = '\0';
    assert_false(maven_url(url, repository, &c, "", ""));
}

static void coordinates_never_climb(void **unused)
{
    (void)unused;
    static const char *const bad[] = {
        "../..:a:1", "org:../a:1", "org:a:..", "org:a:1/../..", "/etc:a:1",  "org..x:a:1",  "org:a:1:2",
        "org:a",     "org:a:",     ":a:1",     "org:a%2f:1",    "org:a\n:1", "org:a:1 0.0", ""
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct coordinates c;
        struct error error;
        assert_int_equal(coordinates_parse(bad[i], COORDINATES_EXACT, &c, &error), STATUS_INVALID);
    }
}

static void classifiers_end(void **unused)
{
    (void)unused;
    assert_true(strncmp(maven_classifier(0), "linux-", 6) == 0);
    assert_string_equal(maven_classifier(1), "");
    assert_null(maven_classifier(2));
}

#define HEX "A9993E364706816aba3e25717850c26c9cd0d89d"

static void checksum_files(void **unused)
{
    (void)unused;
    static const char *const good[] = { HEX,
                                        HEX "\n",
                                        HEX "  pricing-1.0.0.so\n",
                                        HEX "\r\n",
                                        " \n\t" HEX,
                                        "SHA1 (pricing-1.0.0.so) = " HEX "\n",
                                        "SHA1(a b)= " HEX,
                                        HEX " *x" };
    static const char *const bad[] = { "",
                                       "a999",
                                       HEX "0",
                                       "g9993e364706816aba3e25717850c26c9cd0d89d",
                                       "<html>404 not found, but said with 200</html>",
                                       "\n\n",
                                       "SHA1 (x) = ",
                                       "name\n" HEX,
                                       "SHA1(" HEX ")" };
    char text[DIGEST_TEXT_MAX];
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(maven_checksum(good[i], strlen(good[i]), DIGEST_SHA1, text));
        assert_string_equal(text, "a9993e364706816aba3e25717850c26c9cd0d89d");
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(maven_checksum(bad[i], strlen(bad[i]), DIGEST_SHA1, text));
    assert_false(maven_checksum(HEX, strlen(HEX), DIGEST_SHA256, text));
}

static void objects(void **unused)
{
    (void)unused;
    uint8_t head[MAVEN_OBJECT_HEAD_SIZE] = { 0x7f, 'E', 'L', 'F', 2, 1, 1 };
    struct error error;
    head[16] = 3;
#if defined(__x86_64__)
    head[18] = 62;
#else
    head[18] = 183;
#endif
    assert_int_equal(maven_check_object(head, sizeof head, &error), STATUS_OK);
    assert_int_equal(maven_check_object(head, sizeof head - 1, &error), STATUS_INVALID);
    static const size_t places[] = { 0, 4, 5, 16, 18 };
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        head[places[i]] ^= 0x40;
        assert_int_equal(maven_check_object(head, sizeof head, &error), STATUS_INVALID);
        head[places[i]] ^= 0x40;
    }
    assert_int_equal(maven_check_object("#!/bin/sh\n a script, really", 27, &error), STATUS_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls),
        cmocka_unit_test(coordinates_never_climb),
        cmocka_unit_test(classifiers_end),
        cmocka_unit_test(checksum_files),
        cmocka_unit_test(objects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
