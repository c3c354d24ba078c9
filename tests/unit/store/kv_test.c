/* Goal: the live state does exactly what its entries say (A1, A2, A4, K7), and remembers the past
 * (A6, D7).
 * Method: entries built by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/base/check.h"
#include "runtime/base/text.h"
#include "store/kv.h"
#include "tests/support/commands.h"
#include "tests/support/kv_replica.h"

#include <stdio.h>
#include <string.h>

static void assert_value(const struct kv_replica *replica, const char *key, const char *value)
{
    const struct kv_record *record = kv_get(replica->kv, key);
    assert_non_null(record);
    assert_int_equal(record->value_size, strlen(value));
    assert_memory_equal(record->value, value, strlen(value));
}

/* --- records ----------------------------------------------------------------------------------------------
 */

static void revisions_count_entries_and_versions_changes(void **state) /* A1 */
{
    struct kv_replica *replica = *state;
    assert_int_equal(kv_replica_put(replica, "a", "1")->revision, 1);
    kv_replica_put(replica, "b", "1");
    replica->term = 3;
    kv_replica_put(replica, "a", "2");
    const struct kv_record *record = kv_get(replica->kv, "a");
    assert_int_equal(record->create_revision, 1);
    assert_int_equal(record->revision, 3);
    assert_int_equal(record->version, 2);
    assert_int_equal(record->term, 3);
    kv_replica_apply(replica, commands_delete(&replica->arena, "a"));
    assert_null(kv_get(replica->kv, "a"));
    kv_replica_put(replica, "a", "3");
    record = kv_get(replica->kv, "a");
    assert_int_equal(record->create_revision, 5);
    assert_int_equal(record->version, 1);
}

static void changes_tell_before_and_after(void **state) /* A6 */
{
    struct kv_replica *replica = *state;
    kv_replica_put(replica, "a", "1");
    assert_int_equal(replica->outcome.change_count, 1);
    assert_null(replica->outcome.changes[0].previous);
    Pb__Command *command = commands_put(&replica->arena, "z", "new");
    commands_add_delete(&replica->arena, command, "a");
    commands_add_put(&replica->arena, command, "gone", "again");
    commands_add_delete(&replica->arena, command, "gone");
    kv_replica_apply(replica, command);
    assert_int_equal(replica->outcome.change_count, 2); /* In key order; "gone" never was. */
    assert_string_equal(replica->outcome.changes[0].key, "a");
    assert_null(replica->outcome.changes[0].record);
    assert_memory_equal(replica->outcome.changes[0].previous->value, "1", 1);
    assert_string_equal(replica->outcome.changes[1].key, "z");
    assert_null(replica->outcome.changes[1].previous);
}

static void an_error_changes_nothing(void **state) /* K4 */
{
    struct kv_replica *replica = *state;
    kv_replica_put(replica, "a", "1");
    Pb__Command *command = commands_put(&replica->arena, "a", "2");
    commands_add_put(&replica->arena, command, "b", "2");
    commands_add_put(&replica->arena, command, "forbidden", "2");
    const Pb__ProposeReply *reply = kv_replica_apply(replica, command);
    assert_int_equal(reply->status, STATUS_DENIED);
    assert_string_equal(reply->message, "forbidden it is");
    assert_int_equal(reply->revision, 2);
    assert_int_equal(replica->outcome.change_count, 0);
    assert_value(replica, "a", "1");
    assert_null(kv_get(replica->kv, "b"));
}

static void a_transaction_sees_itself(void **state)
{
    struct kv_replica *replica = *state;
    kv_replica_put(replica, "k/b", "1");
    kv_replica_put(replica, "k/y", "1");
    Pb__Command *command = commands_put(&replica->arena, "k/a", "1");
    commands_add_put(&replica->arena, command, "k/z", "1");
    commands_add_delete(&replica->arena, command, "k/z");
    commands_add_delete(&replica->arena, command, "k/y");
    Pb__Operation *echo = commands_add(&replica->arena, command);
    echo->op_case = PB__OPERATION__OP_EVENT;
    echo->event = arena_alloc(&replica->arena, sizeof *echo->event);
    pb__op_event__init(echo->event);
    const Pb__ProposeReply *reply = kv_replica_apply(replica, command);
    assert_int_equal(reply->status, STATUS_OK);
    assert_string_equal(reply->results[4]->holder, "k/a k/b");
    assert_int_equal(reply->results[3]->value, 1);
}

/* --- compares: K7 -----------------------------------------------------------------------------------------
 */

static void compares_choose_the_list(void **state)
{
    struct kv_replica *replica = *state;
    kv_replica_put(replica, "a", "1");
    Pb__Command *command = commands_put(&replica->arena, "a", "2");
    Pb__Compare *compare = commands_compare(&replica->arena, command, "a");
    compare->target_case = PB__COMPARE__TARGET_REVISION;
    compare->revision = 7;
    const Pb__ProposeReply *reply = kv_replica_apply(replica, command);
    assert_int_equal(reply->status, STATUS_CONFLICT);
    assert_string_equal(reply->message, "a is at revision 1");
    assert_false(reply->compares_held);
    compare->revision = 1;
    assert_true(kv_replica_apply(replica, command)->compares_held);
    assert_value(replica, "a", "2");

    Pb__Operation *otherwise = commands_add_failure(&replica->arena, command);
    *otherwise = *command->success[0];
    otherwise->put = commands_put(&replica->arena, "else", "yes")->success[0]->put;
    reply = kv_replica_apply(replica, command); /* Revision 1 is past. */
    assert_int_equal(reply->status, STATUS_OK);
    assert_false(reply->compares_held);
    assert_value(replica, "else", "yes");
    assert_value(replica, "a", "2");
}

static enum status compare_status(struct kv_replica *replica, int target_case, uint64_t number,
                                  const char *value)
{
    Pb__Command *command = commands_new(&replica->arena);
    Pb__Compare *compare = commands_compare(&replica->arena, command, "a");
    compare->target_case = (Pb__Compare__TargetCase)target_case;
    if (target_case == PB__COMPARE__TARGET_REVISION) compare->revision = number;
    if (target_case == PB__COMPARE__TARGET_ABSENT) compare->absent = number != 0;
    if (target_case == PB__COMPARE__TARGET_VALUE) {
        compare->value.data = (uint8_t *)arena_strdup(&replica->arena, value);
        compare->value.len = strlen(value);
    }
    return (enum status)kv_replica_apply(replica, command)->status;
}

static void each_kind_of_compare(void **state)
{
    struct kv_replica *replica = *state;
    assert_int_equal(compare_status(replica, PB__COMPARE__TARGET_REVISION, 0, NULL), STATUS_OK);
    assert_int_equal(compare_status(replica, PB__COMPARE__TARGET_ABSENT, 1, NULL), STATUS_OK);
    assert_int_equal(compare_status(replica, PB__COMPARE__TARGET_ABSENT, 0, NULL), STATUS_CONFLICT);
    assert_int_equal(compare_status(replica, PB__COMPARE__TARGET_VALUE, 0, ""), STATUS_CONFLICT);
    kv_replica_put(replica, "a", "x");
    assert_int_equal(compare_status(replica, PB__COMPARE__TARGET_REVISION, 0, NULL), STATUS_CONFLICT);
    assert_int_equal(compare_status(replica, PB__COMPARE__TARGET_ABSENT, 1, NULL), STATUS_CONFLICT);
    assert_int_equal(compare_status(replica, PB__COMPARE__TARGET_VALUE, 0, "x"), STATUS_OK);
    assert_int_equal(compare_status(replica, PB__COMPARE__TARGET_VALUE, 0, "xy"), STATUS_CONFLICT);
    assert_int_equal(compare_status(replica, PB__COMPARE__TARGET__NOT_SET, 0, NULL), STATUS_INVALID);
}

/* --- limits: A1, security rule 9 ---------------------------------------------------------------------------
 */

static enum status put_key(struct kv_replica *replica, size_t length, const char *end)
{
    char *key = arena_alloc(&replica->arena, length + 1);
    memset(key, 'k', length);
    memcpy(key + length - strlen(end), end, strlen(end));
    return (enum status)kv_replica_put(replica, key, "v")->status;
}

static void keys_are_bounded_plain_text(void **state)
{
    struct kv_replica *replica = *state;
    assert_int_equal(kv_replica_put(replica, "", "v")->status, STATUS_INVALID);
    assert_int_equal(put_key(replica, 480, ""), STATUS_OK);
    assert_int_equal(put_key(replica, 481, ""), STATUS_INVALID);
    assert_int_equal(put_key(replica, 511, ""), STATUS_INVALID);
    assert_int_equal(put_key(replica, 10, "\n"), STATUS_INVALID);
    assert_int_equal(put_key(replica, 10, "\x7f"), STATUS_INVALID);
    assert_int_equal(put_key(replica, 10, "\xc2\x85"), STATUS_INVALID); /* NEL, a C1 control. */
    assert_int_equal(put_key(replica, 10, "\xc3\xa9"), STATUS_OK);
    assert_int_equal(put_key(replica, 10, "\xff"), STATUS_INVALID);
    assert_int_equal(put_key(replica, 10, "\xc3"), STATUS_INVALID);
}

static void values_and_lists_are_bounded(void **state)
{
    struct kv_replica *replica = *state;
    char *large = arena_alloc(&replica->arena, KV_VALUE_MAX + 2);
    memset(large, 'v', KV_VALUE_MAX + 1);
    assert_int_equal(kv_replica_put(replica, "a", large)->status, STATUS_INVALID);
    large[KV_VALUE_MAX] = '\0';
    assert_int_equal(kv_replica_put(replica, "a", large)->status, STATUS_OK);
    Pb__Command *command = commands_new(&replica->arena);
    for (int i = 0; i < KV_OPERATIONS_MAX; i++) {
        commands_add_put(&replica->arena, command, "b", "1");
    }
    assert_int_equal(kv_replica_apply(replica, command)->status, STATUS_OK);
    assert_int_equal(kv_get(replica->kv, "b")->version, 1); /* One entry is one change. */
    commands_add_put(&replica->arena, command, "b", "1");
    assert_int_equal(kv_replica_apply(replica, command)->status, STATUS_INVALID);
    (void)commands_add(&replica->arena, command = commands_new(&replica->arena));
    assert_int_equal(kv_replica_apply(replica, command)->status, STATUS_INVALID);
}

static void a_prefix_of_ten_thousand_is_deleted_and_no_more(void **state)
{
    struct kv_replica *replica = *state;
    char key[32];
    for (int i = 0; i <= KV_DELETE_PREFIX_MAX; i++) {
        (void)snprintf(key, sizeof key, "p/%05d", i);
        kv_replica_put(replica, key, "v");
    }
    kv_replica_put(replica, "q", "stays");
    assert_int_equal(kv_replica_delete_prefix(replica, "p/")->status, STATUS_INVALID);
    assert_non_null(kv_get(replica->kv, "p/00000"));
    kv_replica_apply(replica, commands_delete(&replica->arena, "p/00000"));
    const Pb__ProposeReply *reply = kv_replica_delete_prefix(replica, "p/");
    assert_int_equal(reply->results[0]->value, KV_DELETE_PREFIX_MAX);
    assert_null(kv_get(replica->kv, "p/10000"));
    assert_value(replica, "q", "stays");
    assert_int_equal(kv_replica_delete_prefix(replica, "p/")->results[0]->value, 0);
}

static void a_payload_that_is_no_command_is_refused(void **state)
{
    struct kv_replica *replica = *state;
    struct raft_entry entry = { .index = 1, .term = 1, .type = ENTRY_COMMAND };
    entry.payload = bytes_copy("\xff\xff\xff", 3);
    kv_apply(replica->kv, &entry, &replica->outcome);
    assert_int_equal(replica->outcome.reply->status, STATUS_INVALID);
    bytes_unref(&entry.payload);
    entry.index = 2;
    kv_apply(replica->kv, &entry, &replica->outcome);
    assert_int_equal(replica->outcome.reply->status, STATUS_INVALID);
    entry = (struct raft_entry){ .index = 3, .term = 2, .type = ENTRY_CHECKPOINT, .chain = 5 };
    kv_apply(replica->kv, &entry, &replica->outcome);
    assert_null(replica->outcome.reply);
    assert_int_equal(kv_applied(replica->kv).index, 3);
    assert_int_equal(kv_applied(replica->kv).term, 2);
    assert_int_equal(kv_applied(replica->kv).chain, 5);
    replica->index = 3;
}

static void a_former_leader_is_refused_by_term(void **state) /* A5, DEP6 */
{
    struct kv_replica *replica = *state;
    replica->term = 4;
    Pb__Command *command = commands_put(&replica->arena, "a", "1");
    command->leader_term = 3;
    assert_int_equal(kv_replica_apply(replica, command)->status, STATUS_CONFLICT);
    assert_null(kv_get(replica->kv, "a"));
    command->leader_term = 4;
    assert_int_equal(kv_replica_apply(replica, command)->status, STATUS_OK);
}

/* --- sessions: A4, K9 ----------------------------------------------------------------------------------- */

static Pb__Command *in_session(struct kv_replica *replica, uint64_t session, uint64_t sequence)
{
    char value[32];
    (void)snprintf(value, sizeof value, "%llu", (unsigned long long)sequence);
    Pb__Command *command = commands_put(&replica->arena, "s", value);
    command->session = session;
    command->sequence = sequence;
    return command;
}

static void a_session_executes_once(void **state)
{
    struct kv_replica *replica = *state;
    uint64_t session = kv_replica_open_session(replica);
    uint64_t revision = kv_replica_apply(replica, in_session(replica, session, 1))->revision;
    assert_false(replica->outcome.repeated);
    const Pb__ProposeReply *again = kv_replica_apply(replica, in_session(replica, session, 1));
    assert_true(replica->outcome.repeated);
    assert_int_equal(again->revision, revision); /* What was recorded, not this entry's. */
    assert_int_equal(replica->outcome.change_count, 0);
    assert_int_equal(kv_get(replica->kv, "s")->version, 1);
    kv_replica_apply(replica, in_session(replica, session, 5));
    assert_value(replica, "s", "5");
    assert_int_equal(kv_replica_apply(replica, in_session(replica, session, 1))->status, STATUS_UNKNOWN);
    assert_int_equal(kv_replica_apply(replica, in_session(replica, session, 0))->status, STATUS_UNKNOWN);
    assert_int_equal(kv_replica_apply(replica, in_session(replica, 777, 1))->status, STATUS_UNKNOWN);
    assert_value(replica, "s", "5");
}

static void a_refusal_is_recorded_too(void **state)
{
    struct kv_replica *replica = *state;
    uint64_t session = kv_replica_open_session(replica);
    Pb__Command *command = in_session(replica, session, 1);
    Pb__Compare *compare = commands_compare(&replica->arena, command, "guard");
    compare->target_case = PB__COMPARE__TARGET_ABSENT;
    compare->absent = true;
    kv_replica_put(replica, "guard", "1");
    uint64_t refused = kv_replica_apply(replica, command)->revision;
    kv_replica_apply(replica, commands_delete(&replica->arena, "guard"));
    const Pb__ProposeReply *again =
        kv_replica_apply(replica, command); /* Would succeed now; but it already failed. */
    assert_int_equal(again->status, STATUS_CONFLICT);
    assert_int_equal(again->revision, refused);
    assert_null(kv_get(replica->kv, "s"));
}

/* The message shows the key, cut inside a character; it has to come back whole from the session. */
static void a_cut_message_is_repeated_as_text(void **state)
{
    struct kv_replica *replica = *state;
    char key[KV_KEY_MAX + 1] = "";
    for (size_t i = 0; i + 3 <= KV_KEY_MAX; i += 3)
        memcpy(key + i, "\xE2\x82\xAC", 4);
    uint64_t session = kv_replica_open_session(replica);
    Pb__Command *command = in_session(replica, session, 1);
    Pb__Compare *compare = commands_compare(&replica->arena, command, key);
    compare->target_case = PB__COMPARE__TARGET_REVISION;
    compare->revision = 7;
    uint64_t refused = kv_replica_apply(replica, command)->revision;
    const Pb__ProposeReply *again = kv_replica_apply(replica, command);
    assert_true(replica->outcome.repeated);
    assert_int_equal(again->status, STATUS_CONFLICT);
    assert_int_equal(again->revision, refused);
    assert_true(text_is_utf8(again->message, strlen(again->message)));
    assert_true(text_ends_with(again->message, "does not exist"));
}

/* A rule may make a larger record of what a client sent: the command fails, not the node. */
static void what_a_rule_makes_too_large_is_refused(void **state)
{
    struct kv_replica *replica = *state;
    kv_replica_put(replica, "grow", "1");
    const Pb__ProposeReply *reply = kv_replica_put(replica, "grow", "2");
    assert_int_equal(reply->status, STATUS_INVALID);
    assert_int_equal(replica->outcome.change_count, 0);
    assert_value(replica, "grow", "1");
}

static void a_closed_session_is_unknown(void **state)
{
    struct kv_replica *replica = *state;
    uint64_t session = kv_replica_open_session(replica);
    Pb__Command *command = commands_new(&replica->arena);
    Pb__Operation *operation = commands_add(&replica->arena, command);
    operation->op_case = PB__OPERATION__OP_SESSION_CLOSE;
    operation->session_close = arena_alloc(&replica->arena, sizeof *operation->session_close);
    pb__op_session_close__init(operation->session_close);
    operation->session_close->session = session;
    commands_add_put(&replica->arena, command, "a", "1");
    assert_int_equal(kv_replica_apply(replica, command)->status, STATUS_INVALID); /* Stands alone. */
    command->n_success = 1;
    assert_int_equal(kv_replica_apply(replica, command)->results[0]->value, 1);
    assert_int_equal(kv_replica_apply(replica, command)->results[0]->value, 0);
    assert_int_equal(kv_replica_apply(replica, in_session(replica, session, 1))->status, STATUS_UNKNOWN);
}

static void sessions_are_dropped_by_log_order(void **state) /* S15 */
{
    struct kv_replica *replica = *state;
    uint64_t first = kv_replica_open_session(replica);
    uint64_t second = kv_replica_open_session(replica);
    for (int i = 2; i < KV_SESSIONS_MAX; i++) {
        (void)kv_replica_open_session(replica);
    }
    kv_replica_apply(replica, in_session(replica, first, 1)); /* Used again: now the second is the oldest. */
    (void)kv_replica_open_session(replica);
    assert_int_equal(kv_replica_apply(replica, in_session(replica, second, 1))->status, STATUS_UNKNOWN);
    assert_int_equal(kv_replica_apply(replica, in_session(replica, first, 2))->status, STATUS_OK);
}

/* --- reads ---------------------------------------------------------------------------------------------- */

static void scans_are_ordered_paged_and_bounded(void **state)
{
    struct kv_replica *replica = *state;
    const char *keys[] = { "b/2", "a", "b/1", "b", "c", "b/3" };
    for (size_t i = 0; i < ARRAY_COUNT(keys); i++) {
        kv_replica_put(replica, keys[i], "v");
    }
    bool more = false;
    assert_string_equal(kv_replica_list_prefix(replica, "b/", 0), "b/1=v@3 b/2=v@1 b/3=v@6 ");
    struct kv_range page = { .key = "b/", .prefix = true, .limit = 2 };
    assert_string_equal(kv_replica_list(replica, &page, &more), "b/1=v@3 b/2=v@1 ");
    assert_true(more);
    page.start_after = "b/2";
    assert_string_equal(kv_replica_list(replica, &page, &more), "b/3=v@6 ");
    assert_false(more);
    assert_string_equal(kv_replica_list(replica, &(struct kv_range){ .key = "b" }, &more), "b=v@4 ");
    assert_string_equal(kv_replica_list(replica, &(struct kv_range){ .key = "b", .range_end = "b/2" }, &more),
                        "b=v@4 b/1=v@3 ");
    assert_string_equal(kv_replica_list(replica, &(struct kv_range){ .key = "nothing" }, &more), "");
}

static void a_scan_ends_at_its_bytes(void **state)
{
    struct kv_replica *replica = *state;
    char *large = arena_alloc(&replica->arena, KV_VALUE_MAX + 1);
    memset(large, 'v', KV_VALUE_MAX);
    char key[8];
    for (int i = 0; i < 6; i++) {
        (void)snprintf(key, sizeof key, "%d", i);
        kv_replica_put(replica, key, large);
    }
    bool more = false;
    size_t size = strlen(kv_replica_list(replica, &(struct kv_range){ .key = "", .prefix = true }, &more));
    assert_true(size > 0); /* Cut by the listing itself; the count shows in `more`. */
    assert_true(more);
    struct kv_range rest = { .key = "", .prefix = true, .start_after = "3" };
    (void)kv_replica_list(replica, &rest, &more);
    assert_false(more);
}

static void the_past_is_readable(void **state) /* K6 */
{
    struct kv_replica *replica = *state;
    kv_replica_put(replica, "a", "1");
    kv_replica_put(replica, "b", "1");
    kv_replica_put(replica, "a", "2");
    kv_replica_apply(replica, commands_delete(&replica->arena, "b"));
    kv_replica_put(replica, "c", "1");
    assert_string_equal(kv_replica_list_prefix(replica, "", 1), "a=1@1 ");
    assert_string_equal(kv_replica_list_prefix(replica, "", 2), "a=1@1 b=1@2 ");
    assert_string_equal(kv_replica_list_prefix(replica, "", 3), "a=2@3 b=1@2 ");
    assert_string_equal(kv_replica_list_prefix(replica, "", 4), "a=2@3 ");
    assert_string_equal(kv_replica_list_prefix(replica, "", 5), "a=2@3 c=1@5 ");
    struct kv_range future = { .key = "a", .at = 6 };
    bool more = false;
    struct error error;
    assert_int_equal(kv_scan(replica->kv, &future, kv_replica_list_record, NULL, &more, &error),
                     STATUS_INVALID);
}

static void history_is_bounded_and_says_so(void **state) /* D7, A6 */
{
    struct kv_replica *replica = *state;
    for (int i = 0; i < KV_HISTORY_REVISIONS_MAX + 10; i++) {
        kv_replica_put(replica, "a", i % 2 == 0 ? "even" : "odd");
    }
    assert_int_equal(kv_history_first(replica->kv), 11);
    struct kv_replica_seen seen = { 0 };
    assert_false(kv_history(replica->kv, 10, kv_replica_see, &seen));
    assert_int_equal(seen.count, 0);
    assert_true(kv_history(replica->kv, 11, kv_replica_see, &seen));
    assert_int_equal(seen.first, 11);
    assert_int_equal(seen.last, KV_HISTORY_REVISIONS_MAX + 10);
    assert_int_equal(seen.count, KV_HISTORY_REVISIONS_MAX);
    assert_string_equal(kv_replica_list_prefix(replica, "a", 10), "a=odd@10 ");
    struct kv_range compacted = { .key = "a", .at = 9 };
    bool more = false;
    struct error error;
    assert_int_equal(kv_scan(replica->kv, &compacted, kv_replica_list_record, NULL, &more, &error),
                     STATUS_NOT_FOUND);
}

static void history_is_bounded_in_bytes(void **state)
{
    struct kv_replica *replica = *state;
    char *large = arena_alloc(&replica->arena, KV_VALUE_MAX + 1);
    memset(large, 'v', KV_VALUE_MAX);
    for (int i = 0; i < 100; i++) {
        kv_replica_put(replica, "a", large);
    }
    struct kv_replica_seen seen = { 0 };
    assert_true(kv_history(replica->kv, kv_history_first(replica->kv), kv_replica_see, &seen));
    assert_in_range(seen.count, 55, 70); /* 64 MiB of two sides of 512 KiB each. */
    assert_int_equal(seen.last, 100);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, kv_replica_set_up, kv_replica_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(revisions_count_entries_and_versions_changes),
        TEST(changes_tell_before_and_after),
        TEST(an_error_changes_nothing),
        TEST(a_transaction_sees_itself),
        TEST(compares_choose_the_list),
        TEST(each_kind_of_compare),
        TEST(keys_are_bounded_plain_text),
        TEST(values_and_lists_are_bounded),
        TEST(a_prefix_of_ten_thousand_is_deleted_and_no_more),
        TEST(a_payload_that_is_no_command_is_refused),
        TEST(a_former_leader_is_refused_by_term),
        TEST(a_session_executes_once),
        TEST(a_refusal_is_recorded_too),
        TEST(a_cut_message_is_repeated_as_text),
        TEST(what_a_rule_makes_too_large_is_refused),
        TEST(a_closed_session_is_unknown),
        TEST(sessions_are_dropped_by_log_order),
        TEST(scans_are_ordered_paged_and_bounded),
        TEST(a_scan_ends_at_its_bytes),
        TEST(the_past_is_readable),
        TEST(history_is_bounded_and_says_so),
        TEST(history_is_bounded_in_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
