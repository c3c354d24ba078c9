/* Goal: request ids are 32 hex digits or what W3C Trace Context calls a traceparent, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "actors/slice/trace_context.h"
#include "runtime/base/check.h"

#define ID   "0af7651916cd43dd8448eb211c80319c"
#define SPAN "b7ad6b7169203331"

static void good_ones_are_read(void **unused)
{
    (void)unused;
    static const char *const good[] = { ID, "00-" ID "-" SPAN "-01", "00-" ID "-" SPAN "-00",
                                        "cc-" ID "-" SPAN "-01-what-comes-later" };
    for (size_t i = 0; i < ARRAY_COUNT(good); i++) {
        struct request_id id = { 0 };
        char text[TRACE_CONTEXT_TEXT_SIZE];
        uint8_t raw[16];
        assert_true(trace_context_read(good[i], &id));
        trace_context_text(id, text);
        assert_string_equal(text, ID);
        trace_context_bytes(id, raw);
        assert_true(raw[0] == 0x0a && raw[15] == 0x9c);
    }
}

static void bad_ones_are_refused(void **unused)
{
    (void)unused;
    static const char *const bad[] = {
        "",
        "xyz",
        "0af7651916cd43dd8448eb211c80319",
        ID "0",
        "00000000000000000000000000000000",
        "00-" ID,
        "00-" ID "-" SPAN,
        "00-" ID "-" SPAN "-1",
        "00-" ID "-" SPAN "-01-more",                      /* Version 00 has no more. */
        "cc-" ID "-" SPAN "-01x",                          /* More begins with a dash. */
        "ff-" ID "-" SPAN "-01",                           /* No version. */
        "00-00000000000000000000000000000000-" SPAN "-01", /* No trace. */
        "00-" ID "-0000000000000000-01",                   /* No parent. */
        "00-0AF7651916CD43DD8448EB211C80319C-" SPAN "-01", /* Lower case only. */
        "00_" ID "-" SPAN "-01",
        "zz-" ID "-" SPAN "-01",
    };
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        struct request_id id = { 7, 8 };
        if (trace_context_read(bad[i], &id)) fail_msg("%s", bad[i]);
        assert_true(id.high == 7 && id.low == 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(good_ones_are_read),
                                        cmocka_unit_test(bad_ones_are_refused) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
