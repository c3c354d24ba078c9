/* Goal: one command in flight a session, sequences that only rise, never more than SESSIONS_MAX (A4).
 * Method: the table by hand. */
#include "actors/consensus/sessions.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void open_one(struct sessions *sessions, uint64_t id)
{
    assert_true(sessions_begin_open(sessions, 1));
    sessions_end_open(sessions, id);
}

static void a_session_serves_one_command_at_a_time(void **unused)
{
    (void)unused;
    struct sessions sessions = { 0 };
    assert_null(sessions_acquire(&sessions));
    open_one(&sessions, 40);
    struct session *session = sessions_acquire(&sessions);
    assert_int_equal(session->id, 40);
    assert_int_equal(session->sequence, 1);
    assert_null(sessions_acquire(&sessions));
    sessions_release(&sessions, session);
    assert_ptr_equal(sessions_acquire(&sessions), session);
    assert_int_equal(session->sequence, 2);
}

static void a_dropped_session_is_not_used_again(void **unused)
{
    (void)unused;
    struct sessions sessions = { 0 };
    open_one(&sessions, 40);
    struct session *session = sessions_acquire(&sessions);
    sessions_drop(&sessions, session);
    assert_null(sessions_acquire(&sessions));
    open_one(&sessions, 41);
    session = sessions_acquire(&sessions);
    assert_int_equal(session->id, 41);
    assert_int_equal(session->sequence, 1);
}

static void few_are_opened_at_once_and_none_beyond_the_most(void **unused)
{
    (void)unused;
    struct sessions sessions = { 0 };
    assert_false(sessions_begin_open(&sessions, 0)); /* Nobody waits. */
    assert_true(sessions_begin_open(&sessions, 2));
    assert_true(sessions_begin_open(&sessions, 2));
    assert_false(sessions_begin_open(&sessions, 2)); /* One for each who waits. */
    sessions_end_open(&sessions, 0);                 /* It failed. */
    sessions_end_open(&sessions, 40);
    assert_int_equal(sessions.open_count, 1);
    for (uint32_t i = 1; i < SESSIONS_MAX; i++)
        open_one(&sessions, 40 + i);
    assert_false(sessions_begin_open(&sessions, 1000));
    for (uint32_t i = 0; i < SESSIONS_MAX; i++)
        assert_non_null(sessions_acquire(&sessions));
    assert_null(sessions_acquire(&sessions));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_serves_one_command_at_a_time),
        cmocka_unit_test(a_dropped_session_is_not_used_again),
        cmocka_unit_test(few_are_opened_at_once_and_none_beyond_the_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
