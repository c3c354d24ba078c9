/* Goal: the live state does exactly what its entries say (A1, A2, A4, K7), remembers the past (A6, D7), and
 * what it writes down is what it loads (D2, D3, K5).
 * Method: entries built by hand; a random history is applied twice, and again through the copy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/base/check.h"
#include "runtime/base/hash.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "store/kv.h"
#include "tests/support/commands.h"

#include <stdio.h>
#include <string.h>

/* --- plain rules: whatever is asked, but the key "forbidden" ----------------------------------------------
 */

static void grow(struct kv_txn *txn)
{
    char *value = memory_zalloc(KV_VALUE_MAX + 1);
    kv_txn_put(txn, "grown", value, KV_VALUE_MAX + 1, "");
    memory_free(value);
}

static enum status plain_put(struct kv_txn *txn, const struct kv_context *context, const Pb__OpPut *put,
                             struct error *error)
{
    (void)context;
    if (strcmp(put->key, "forbidden") == 0) return error_set(error, STATUS_DENIED, "forbidden it is");
    kv_txn_put(txn, put->key, put->value.data, put->value.len, put->lease);
    if (strcmp(put->key, "grow") == 0 && put->value.data[0] == '2') grow(txn);
    return STATUS_OK;
}

static enum status plain_delete(struct kv_txn *txn, const struct kv_context *context, const char *key,
                                struct error *error)
{
    (void)context, (void)error;
    (void)kv_txn_delete(txn, key);
    return STATUS_OK;
}

/* An event "echoes" the first and last key under "k/", to see them through the staged view. */
static enum status plain_operation(struct kv_txn *txn, const struct kv_context *context,
                                   const Pb__Operation *operation, Pb__OperationResult *out_result,
                                   struct error *error)
{
    (void)context, (void)operation, (void)error;
    const struct kv_record *first = kv_txn_first(txn, "k/");
    const struct kv_record *last = kv_txn_last(txn, "k/");
    out_result->holder =
        arena_printf(kv_txn_arena(txn), "%s %s", first ? first->key : "-", last ? last->key : "-");
    return STATUS_OK;
}

static const struct kv_rules plain_rules = { .put = plain_put,
                                             .delete_key = plain_delete,
                                             .operation = plain_operation };

/* --- a state and the entries it gets -------------------------------------------------------------------- */

struct fixture {
    struct kv *kv;
    struct arena arena;
    log_index index;
    log_term term;
    struct kv_outcome outcome;
};

static int set_up(void **state)
{
    struct fixture *fixture = memory_zalloc(sizeof *fixture);
    fixture->kv = kv_create(&plain_rules);
    fixture->term = 1;
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    uint8_t kept[16];
    uint8_t scanned[16];
    kv_state_hash(fixture->kv, kept);
    kv_state_hash_scan(fixture->kv, scanned);
    assert_memory_equal(kept, scanned, sizeof kept); /* D2 holds after every test. */
    kv_destroy(&fixture->kv);
    arena_fini(&fixture->arena);
    memory_free(fixture);
    return 0;
}

static const Pb__ProposeReply *apply(struct fixture *fixture, const Pb__Command *command)
{
    struct raft_entry entry = commands_entry(++fixture->index, fixture->term, command);
    kv_apply(fixture->kv, &entry, &fixture->outcome);
    bytes_unref(&entry.payload);
    return fixture->outcome.reply;
}

static const Pb__ProposeReply *put(struct fixture *fixture, const char *key, const char *value)
{
    return apply(fixture, commands_put(&fixture->arena, key, value));
}

static void assert_value(const struct fixture *fixture, const char *key, const char *value)
{
    const struct kv_record *record = kv_get(fixture->kv, key);
    assert_non_null(record);
    assert_int_equal(record->value_size, strlen(value));
    assert_memory_equal(record->value, value, strlen(value));
}

/* "key=value@revision " for each record. */
struct listing {
    char text[4096];
};
static bool list_record(void *context, const struct kv_record *record)
{
    struct listing *listing = context;
    size_t used = strlen(listing->text);
    (void)snprintf(listing->text + used, sizeof listing->text - used, "%s=%.*s@%llu ", record->key,
                   (int)record->value_size, (const char *)record->value,
                   (unsigned long long)record->revision);
    return true;
}

static const char *list(const struct fixture *fixture, const struct kv_range *range, bool *out_more)
{
    static struct listing listing;
    struct error error;
    bool more = false;
    listing.text[0] = '\0';
    assert_int_equal(kv_scan(fixture->kv, range, list_record, &listing, &more, &error), STATUS_OK);
    if (out_more != NULL) *out_more = more;
    return listing.text;
}

static const char *list_prefix(const struct fixture *fixture, const char *prefix, uint64_t at)
{
    return list(fixture, &(struct kv_range){ .key = prefix, .prefix = true, .at = at }, NULL);
}

/* --- records ----------------------------------------------------------------------------------------------
 */

static void revisions_count_entries_and_versions_changes(void **state) /* A1 */
{
    struct fixture *fixture = *state;
    assert_int_equal(put(fixture, "a", "1")->revision, 1);
    put(fixture, "b", "1");
    fixture->term = 3;
    put(fixture, "a", "2");
    const struct kv_record *record = kv_get(fixture->kv, "a");
    assert_int_equal(record->create_revision, 1);
    assert_int_equal(record->revision, 3);
    assert_int_equal(record->version, 2);
    assert_int_equal(record->term, 3);
    apply(fixture, commands_delete(&fixture->arena, "a"));
    assert_null(kv_get(fixture->kv, "a"));
    put(fixture, "a", "3");
    record = kv_get(fixture->kv, "a");
    assert_int_equal(record->create_revision, 5);
    assert_int_equal(record->version, 1);
}

static void changes_tell_before_and_after(void **state) /* A6 */
{
    struct fixture *fixture = *state;
    put(fixture, "a", "1");
    assert_int_equal(fixture->outcome.change_count, 1);
    assert_null(fixture->outcome.changes[0].previous);
    Pb__Command *command = commands_put(&fixture->arena, "z", "new");
    commands_add_delete(&fixture->arena, command, "a");
    commands_add_put(&fixture->arena, command, "gone", "again");
    commands_add_delete(&fixture->arena, command, "gone");
    apply(fixture, command);
    assert_int_equal(fixture->outcome.change_count, 2); /* In key order; "gone" never was. */
    assert_string_equal(fixture->outcome.changes[0].key, "a");
    assert_null(fixture->outcome.changes[0].record);
    assert_memory_equal(fixture->outcome.changes[0].previous->value, "1", 1);
    assert_string_equal(fixture->outcome.changes[1].key, "z");
    assert_null(fixture->outcome.changes[1].previous);
}

static void an_error_changes_nothing(void **state) /* K4 */
{
    struct fixture *fixture = *state;
    put(fixture, "a", "1");
    Pb__Command *command = commands_put(&fixture->arena, "a", "2");
    commands_add_put(&fixture->arena, command, "b", "2");
    commands_add_put(&fixture->arena, command, "forbidden", "2");
    const Pb__ProposeReply *reply = apply(fixture, command);
    assert_int_equal(reply->status, STATUS_DENIED);
    assert_string_equal(reply->message, "forbidden it is");
    assert_int_equal(reply->revision, 2);
    assert_int_equal(fixture->outcome.change_count, 0);
    assert_value(fixture, "a", "1");
    assert_null(kv_get(fixture->kv, "b"));
}

static void a_transaction_sees_itself(void **state)
{
    struct fixture *fixture = *state;
    put(fixture, "k/b", "1");
    put(fixture, "k/y", "1");
    Pb__Command *command = commands_put(&fixture->arena, "k/a", "1");
    commands_add_put(&fixture->arena, command, "k/z", "1");
    commands_add_delete(&fixture->arena, command, "k/z");
    commands_add_delete(&fixture->arena, command, "k/y");
    Pb__Operation *echo = commands_add(&fixture->arena, command);
    echo->op_case = PB__OPERATION__OP_EVENT;
    echo->event = arena_alloc(&fixture->arena, sizeof *echo->event);
    pb__op_event__init(echo->event);
    const Pb__ProposeReply *reply = apply(fixture, command);
    assert_int_equal(reply->status, STATUS_OK);
    assert_string_equal(reply->results[4]->holder, "k/a k/b");
    assert_int_equal(reply->results[3]->value, 1);
}

/* --- compares: K7 -----------------------------------------------------------------------------------------
 */

static void compares_choose_the_list(void **state)
{
    struct fixture *fixture = *state;
    put(fixture, "a", "1");
    Pb__Command *command = commands_put(&fixture->arena, "a", "2");
    Pb__Compare *compare = commands_compare(&fixture->arena, command, "a");
    compare->target_case = PB__COMPARE__TARGET_REVISION;
    compare->revision = 7;
    const Pb__ProposeReply *reply = apply(fixture, command);
    assert_int_equal(reply->status, STATUS_CONFLICT);
    assert_string_equal(reply->message, "a is at revision 1");
    assert_false(reply->compares_held);
    compare->revision = 1;
    assert_true(apply(fixture, command)->compares_held);
    assert_value(fixture, "a", "2");

    Pb__Operation *otherwise = commands_add_failure(&fixture->arena, command);
    *otherwise = *command->success[0];
    otherwise->put = commands_put(&fixture->arena, "else", "yes")->success[0]->put;
    reply = apply(fixture, command); /* Revision 1 is past. */
    assert_int_equal(reply->status, STATUS_OK);
    assert_false(reply->compares_held);
    assert_value(fixture, "else", "yes");
    assert_value(fixture, "a", "2");
}

static enum status compare_status(struct fixture *fixture, int target_case, uint64_t number,
                                  const char *value)
{
    Pb__Command *command = commands_new(&fixture->arena);
    Pb__Compare *compare = commands_compare(&fixture->arena, command, "a");
    compare->target_case = (Pb__Compare__TargetCase)target_case;
    if (target_case == PB__COMPARE__TARGET_REVISION) compare->revision = number;
    if (target_case == PB__COMPARE__TARGET_ABSENT) compare->absent = number != 0;
    if (target_case == PB__COMPARE__TARGET_VALUE) {
        compare->value.data = (uint8_t *)arena_strdup(&fixture->arena, value);
        compare->value.len = strlen(value);
    }
    return (enum status)apply(fixture, command)->status;
}

static void each_kind_of_compare(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(compare_status(fixture, PB__COMPARE__TARGET_REVISION, 0, NULL), STATUS_OK);
    assert_int_equal(compare_status(fixture, PB__COMPARE__TARGET_ABSENT, 1, NULL), STATUS_OK);
    assert_int_equal(compare_status(fixture, PB__COMPARE__TARGET_ABSENT, 0, NULL), STATUS_CONFLICT);
    assert_int_equal(compare_status(fixture, PB__COMPARE__TARGET_VALUE, 0, ""), STATUS_CONFLICT);
    put(fixture, "a", "x");
    assert_int_equal(compare_status(fixture, PB__COMPARE__TARGET_REVISION, 0, NULL), STATUS_CONFLICT);
    assert_int_equal(compare_status(fixture, PB__COMPARE__TARGET_ABSENT, 1, NULL), STATUS_CONFLICT);
    assert_int_equal(compare_status(fixture, PB__COMPARE__TARGET_VALUE, 0, "x"), STATUS_OK);
    assert_int_equal(compare_status(fixture, PB__COMPARE__TARGET_VALUE, 0, "xy"), STATUS_CONFLICT);
    assert_int_equal(compare_status(fixture, PB__COMPARE__TARGET__NOT_SET, 0, NULL), STATUS_INVALID);
}

/* --- limits: A1, security rule 9 ---------------------------------------------------------------------------
 */

static enum status put_key(struct fixture *fixture, size_t length, const char *end)
{
    char *key = arena_alloc(&fixture->arena, length + 1);
    memset(key, 'k', length);
    memcpy(key + length - strlen(end), end, strlen(end));
    return (enum status)put(fixture, key, "v")->status;
}

static void keys_are_bounded_plain_text(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(put(fixture, "", "v")->status, STATUS_INVALID);
    assert_int_equal(put_key(fixture, 480, ""), STATUS_OK);
    assert_int_equal(put_key(fixture, 481, ""), STATUS_INVALID);
    assert_int_equal(put_key(fixture, 511, ""), STATUS_INVALID);
    assert_int_equal(put_key(fixture, 10, "\n"), STATUS_INVALID);
    assert_int_equal(put_key(fixture, 10, "\x7f"), STATUS_INVALID);
    assert_int_equal(put_key(fixture, 10, "\xc2\x85"), STATUS_INVALID); /* NEL, a C1 control. */
    assert_int_equal(put_key(fixture, 10, "\xc3\xa9"), STATUS_OK);
    assert_int_equal(put_key(fixture, 10, "\xff"), STATUS_INVALID);
    assert_int_equal(put_key(fixture, 10, "\xc3"), STATUS_INVALID);
}

static void values_and_lists_are_bounded(void **state)
{
    struct fixture *fixture = *state;
    char *large = arena_alloc(&fixture->arena, KV_VALUE_MAX + 2);
    memset(large, 'v', KV_VALUE_MAX + 1);
    assert_int_equal(put(fixture, "a", large)->status, STATUS_INVALID);
    large[KV_VALUE_MAX] = '\0';
    assert_int_equal(put(fixture, "a", large)->status, STATUS_OK);
    Pb__Command *command = commands_new(&fixture->arena);
    for (int i = 0; i < KV_OPERATIONS_MAX; i++) {
        commands_add_put(&fixture->arena, command, "b", "1");
    }
    assert_int_equal(apply(fixture, command)->status, STATUS_OK);
    assert_int_equal(kv_get(fixture->kv, "b")->version, 1); /* One entry is one change. */
    commands_add_put(&fixture->arena, command, "b", "1");
    assert_int_equal(apply(fixture, command)->status, STATUS_INVALID);
    (void)commands_add(&fixture->arena, command = commands_new(&fixture->arena));
    assert_int_equal(apply(fixture, command)->status, STATUS_INVALID);
}

static const Pb__ProposeReply *delete_prefix(struct fixture *fixture, const char *prefix)
{
    Pb__Command *command = commands_new(&fixture->arena);
    Pb__Operation *operation = commands_add(&fixture->arena, command);
    operation->op_case = PB__OPERATION__OP_DELETE_PREFIX;
    operation->delete_prefix = arena_alloc(&fixture->arena, sizeof *operation->delete_prefix);
    pb__op_delete_prefix__init(operation->delete_prefix);
    operation->delete_prefix->prefix = arena_strdup(&fixture->arena, prefix);
    return apply(fixture, command);
}

static void a_prefix_of_ten_thousand_is_deleted_and_no_more(void **state)
{
    struct fixture *fixture = *state;
    char key[32];
    for (int i = 0; i <= KV_DELETE_PREFIX_MAX; i++) {
        (void)snprintf(key, sizeof key, "p/%05d", i);
        put(fixture, key, "v");
    }
    put(fixture, "q", "stays");
    assert_int_equal(delete_prefix(fixture, "p/")->status, STATUS_INVALID);
    assert_non_null(kv_get(fixture->kv, "p/00000"));
    apply(fixture, commands_delete(&fixture->arena, "p/00000"));
    const Pb__ProposeReply *reply = delete_prefix(fixture, "p/");
    assert_int_equal(reply->results[0]->value, KV_DELETE_PREFIX_MAX);
    assert_null(kv_get(fixture->kv, "p/10000"));
    assert_value(fixture, "q", "stays");
    assert_int_equal(delete_prefix(fixture, "p/")->results[0]->value, 0);
}

static void a_payload_that_is_no_command_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct raft_entry entry = { .index = 1, .term = 1, .type = ENTRY_COMMAND };
    entry.payload = bytes_copy("\xff\xff\xff", 3);
    kv_apply(fixture->kv, &entry, &fixture->outcome);
    assert_int_equal(fixture->outcome.reply->status, STATUS_INVALID);
    bytes_unref(&entry.payload);
    entry.index = 2;
    kv_apply(fixture->kv, &entry, &fixture->outcome);
    assert_int_equal(fixture->outcome.reply->status, STATUS_INVALID);
    entry = (struct raft_entry){ .index = 3, .term = 2, .type = ENTRY_CHECKPOINT, .chain = 5 };
    kv_apply(fixture->kv, &entry, &fixture->outcome);
    assert_null(fixture->outcome.reply);
    assert_int_equal(kv_applied(fixture->kv).index, 3);
    assert_int_equal(kv_applied(fixture->kv).term, 2);
    assert_int_equal(kv_applied(fixture->kv).chain, 5);
    fixture->index = 3;
}

static void a_former_leader_is_refused_by_term(void **state) /* A5, DEP6 */
{
    struct fixture *fixture = *state;
    fixture->term = 4;
    Pb__Command *command = commands_put(&fixture->arena, "a", "1");
    command->leader_term = 3;
    assert_int_equal(apply(fixture, command)->status, STATUS_CONFLICT);
    assert_null(kv_get(fixture->kv, "a"));
    command->leader_term = 4;
    assert_int_equal(apply(fixture, command)->status, STATUS_OK);
}

/* --- sessions: A4, K9 ----------------------------------------------------------------------------------- */

static uint64_t open_session(struct fixture *fixture)
{
    Pb__Command *command = commands_new(&fixture->arena);
    Pb__Operation *operation = commands_add(&fixture->arena, command);
    operation->op_case = PB__OPERATION__OP_SESSION_OPEN;
    operation->session_open = arena_alloc(&fixture->arena, sizeof *operation->session_open);
    pb__op_session_open__init(operation->session_open);
    operation->session_open->client = arena_strdup(&fixture->arena, "test");
    const Pb__ProposeReply *reply = apply(fixture, command);
    assert_int_equal(reply->results[0]->value, reply->revision);
    return reply->revision;
}

static Pb__Command *in_session(struct fixture *fixture, uint64_t session, uint64_t sequence)
{
    char value[32];
    (void)snprintf(value, sizeof value, "%llu", (unsigned long long)sequence);
    Pb__Command *command = commands_put(&fixture->arena, "s", value);
    command->session = session;
    command->sequence = sequence;
    return command;
}

static void a_session_executes_once(void **state)
{
    struct fixture *fixture = *state;
    uint64_t session = open_session(fixture);
    uint64_t revision = apply(fixture, in_session(fixture, session, 1))->revision;
    assert_false(fixture->outcome.repeated);
    const Pb__ProposeReply *again = apply(fixture, in_session(fixture, session, 1));
    assert_true(fixture->outcome.repeated);
    assert_int_equal(again->revision, revision); /* What was recorded, not this entry's. */
    assert_int_equal(fixture->outcome.change_count, 0);
    assert_int_equal(kv_get(fixture->kv, "s")->version, 1);
    apply(fixture, in_session(fixture, session, 5));
    assert_value(fixture, "s", "5");
    assert_int_equal(apply(fixture, in_session(fixture, session, 1))->status, STATUS_UNKNOWN);
    assert_int_equal(apply(fixture, in_session(fixture, session, 0))->status, STATUS_UNKNOWN);
    assert_int_equal(apply(fixture, in_session(fixture, 777, 1))->status, STATUS_UNKNOWN);
    assert_value(fixture, "s", "5");
}

static void a_refusal_is_recorded_too(void **state)
{
    struct fixture *fixture = *state;
    uint64_t session = open_session(fixture);
    Pb__Command *command = in_session(fixture, session, 1);
    Pb__Compare *compare = commands_compare(&fixture->arena, command, "guard");
    compare->target_case = PB__COMPARE__TARGET_ABSENT;
    compare->absent = true;
    put(fixture, "guard", "1");
    uint64_t refused = apply(fixture, command)->revision;
    apply(fixture, commands_delete(&fixture->arena, "guard"));
    const Pb__ProposeReply *again = apply(fixture, command); /* Would succeed now; but it already failed. */
    assert_int_equal(again->status, STATUS_CONFLICT);
    assert_int_equal(again->revision, refused);
    assert_null(kv_get(fixture->kv, "s"));
}

/* The message shows the key, cut inside a character; it has to come back whole from the session. */
static void a_cut_message_is_repeated_as_text(void **state)
{
    struct fixture *fixture = *state;
    char key[KV_KEY_MAX + 1] = "";
    for (size_t i = 0; i + 3 <= KV_KEY_MAX; i += 3)
        memcpy(key + i, "\xE2\x82\xAC", 4);
    uint64_t session = open_session(fixture);
    Pb__Command *command = in_session(fixture, session, 1);
    Pb__Compare *compare = commands_compare(&fixture->arena, command, key);
    compare->target_case = PB__COMPARE__TARGET_REVISION;
    compare->revision = 7;
    uint64_t refused = apply(fixture, command)->revision;
    const Pb__ProposeReply *again = apply(fixture, command);
    assert_true(fixture->outcome.repeated);
    assert_int_equal(again->status, STATUS_CONFLICT);
    assert_int_equal(again->revision, refused);
    assert_true(text_is_utf8(again->message, strlen(again->message)));
    assert_true(text_ends_with(again->message, "does not exist"));
}

/* A rule may make a larger record of what a client sent: the command fails, not the node. */
static void what_a_rule_makes_too_large_is_refused(void **state)
{
    struct fixture *fixture = *state;
    put(fixture, "grow", "1");
    const Pb__ProposeReply *reply = put(fixture, "grow", "2");
    assert_int_equal(reply->status, STATUS_INVALID);
    assert_int_equal(fixture->outcome.change_count, 0);
    assert_value(fixture, "grow", "1");
}

static void a_closed_session_is_unknown(void **state)
{
    struct fixture *fixture = *state;
    uint64_t session = open_session(fixture);
    Pb__Command *command = commands_new(&fixture->arena);
    Pb__Operation *operation = commands_add(&fixture->arena, command);
    operation->op_case = PB__OPERATION__OP_SESSION_CLOSE;
    operation->session_close = arena_alloc(&fixture->arena, sizeof *operation->session_close);
    pb__op_session_close__init(operation->session_close);
    operation->session_close->session = session;
    commands_add_put(&fixture->arena, command, "a", "1");
    assert_int_equal(apply(fixture, command)->status, STATUS_INVALID); /* Stands alone. */
    command->n_success = 1;
    assert_int_equal(apply(fixture, command)->results[0]->value, 1);
    assert_int_equal(apply(fixture, command)->results[0]->value, 0);
    assert_int_equal(apply(fixture, in_session(fixture, session, 1))->status, STATUS_UNKNOWN);
}

static void sessions_are_dropped_by_log_order(void **state) /* S15 */
{
    struct fixture *fixture = *state;
    uint64_t first = open_session(fixture);
    uint64_t second = open_session(fixture);
    for (int i = 2; i < KV_SESSIONS_MAX; i++) {
        (void)open_session(fixture);
    }
    apply(fixture, in_session(fixture, first, 1)); /* Used again: now the second is the oldest. */
    (void)open_session(fixture);
    assert_int_equal(apply(fixture, in_session(fixture, second, 1))->status, STATUS_UNKNOWN);
    assert_int_equal(apply(fixture, in_session(fixture, first, 2))->status, STATUS_OK);
}

/* --- reads ---------------------------------------------------------------------------------------------- */

static void scans_are_ordered_paged_and_bounded(void **state)
{
    struct fixture *fixture = *state;
    const char *keys[] = { "b/2", "a", "b/1", "b", "c", "b/3" };
    for (size_t i = 0; i < ARRAY_COUNT(keys); i++) {
        put(fixture, keys[i], "v");
    }
    bool more = false;
    assert_string_equal(list_prefix(fixture, "b/", 0), "b/1=v@3 b/2=v@1 b/3=v@6 ");
    struct kv_range page = { .key = "b/", .prefix = true, .limit = 2 };
    assert_string_equal(list(fixture, &page, &more), "b/1=v@3 b/2=v@1 ");
    assert_true(more);
    page.start_after = "b/2";
    assert_string_equal(list(fixture, &page, &more), "b/3=v@6 ");
    assert_false(more);
    assert_string_equal(list(fixture, &(struct kv_range){ .key = "b" }, &more), "b=v@4 ");
    assert_string_equal(list(fixture, &(struct kv_range){ .key = "b", .range_end = "b/2" }, &more),
                        "b=v@4 b/1=v@3 ");
    assert_string_equal(list(fixture, &(struct kv_range){ .key = "nothing" }, &more), "");
}

static void a_scan_ends_at_its_bytes(void **state)
{
    struct fixture *fixture = *state;
    char *large = arena_alloc(&fixture->arena, KV_VALUE_MAX + 1);
    memset(large, 'v', KV_VALUE_MAX);
    char key[8];
    for (int i = 0; i < 6; i++) {
        (void)snprintf(key, sizeof key, "%d", i);
        put(fixture, key, large);
    }
    bool more = false;
    size_t size = strlen(list(fixture, &(struct kv_range){ .key = "", .prefix = true }, &more));
    assert_true(size > 0); /* Cut by the listing itself; the count shows in `more`. */
    assert_true(more);
    struct kv_range rest = { .key = "", .prefix = true, .start_after = "3" };
    (void)list(fixture, &rest, &more);
    assert_false(more);
}

static void the_past_is_readable(void **state) /* K6 */
{
    struct fixture *fixture = *state;
    put(fixture, "a", "1");
    put(fixture, "b", "1");
    put(fixture, "a", "2");
    apply(fixture, commands_delete(&fixture->arena, "b"));
    put(fixture, "c", "1");
    assert_string_equal(list_prefix(fixture, "", 1), "a=1@1 ");
    assert_string_equal(list_prefix(fixture, "", 2), "a=1@1 b=1@2 ");
    assert_string_equal(list_prefix(fixture, "", 3), "a=2@3 b=1@2 ");
    assert_string_equal(list_prefix(fixture, "", 4), "a=2@3 ");
    assert_string_equal(list_prefix(fixture, "", 5), "a=2@3 c=1@5 ");
    struct kv_range future = { .key = "a", .at = 6 };
    bool more = false;
    struct error error;
    assert_int_equal(kv_scan(fixture->kv, &future, list_record, NULL, &more, &error), STATUS_INVALID);
}

struct seen {
    uint64_t first;
    uint64_t last;
    uint32_t count;
};
static bool see(void *context, uint64_t revision, const struct kv_change *changes, uint32_t count)
{
    struct seen *seen = context;
    assert_true(count > 0);
    assert_non_null(changes);
    if (seen->count++ == 0) seen->first = revision;
    assert_true(revision > seen->last);
    seen->last = revision;
    return true;
}

static void history_is_bounded_and_says_so(void **state) /* D7, A6 */
{
    struct fixture *fixture = *state;
    for (int i = 0; i < KV_HISTORY_REVISIONS_MAX + 10; i++) {
        put(fixture, "a", i % 2 == 0 ? "even" : "odd");
    }
    assert_int_equal(kv_history_first(fixture->kv), 11);
    struct seen seen = { 0 };
    assert_false(kv_history(fixture->kv, 10, see, &seen));
    assert_int_equal(seen.count, 0);
    assert_true(kv_history(fixture->kv, 11, see, &seen));
    assert_int_equal(seen.first, 11);
    assert_int_equal(seen.last, KV_HISTORY_REVISIONS_MAX + 10);
    assert_int_equal(seen.count, KV_HISTORY_REVISIONS_MAX);
    assert_string_equal(list_prefix(fixture, "a", 10), "a=odd@10 ");
    struct kv_range compacted = { .key = "a", .at = 9 };
    bool more = false;
    struct error error;
    assert_int_equal(kv_scan(fixture->kv, &compacted, list_record, NULL, &more, &error), STATUS_NOT_FOUND);
}

static void history_is_bounded_in_bytes(void **state)
{
    struct fixture *fixture = *state;
    char *large = arena_alloc(&fixture->arena, KV_VALUE_MAX + 1);
    memset(large, 'v', KV_VALUE_MAX);
    for (int i = 0; i < 100; i++) {
        put(fixture, "a", large);
    }
    struct seen seen = { 0 };
    assert_true(kv_history(fixture->kv, kv_history_first(fixture->kv), see, &seen));
    assert_in_range(seen.count, 55, 70); /* 64 MiB of two sides of 512 KiB each. */
    assert_int_equal(seen.last, 100);
}

/* --- determinism and the copy --------------------------------------------------------------------------- */

static Pb__Command *random_command(struct fixture *fixture, uint64_t *random, uint64_t session)
{
    Pb__Command *command = commands_new(&fixture->arena);
    for (uint64_t i = 0, count = 1 + *random % 4; i < count; i++) {
        char key[16];
        char value[32];
        *random = hash64_mix(*random, i);
        (void)snprintf(key, sizeof key, "k/%llu", (unsigned long long)(*random % 50));
        (void)snprintf(value, sizeof value, "%llx", (unsigned long long)*random);
        if (*random % 5 == 0) commands_add_delete(&fixture->arena, command, key);
        else commands_add_put(&fixture->arena, command, *random % 97 == 0 ? "forbidden" : key, value);
    }
    if (*random % 3 == 0) {
        command->session = session;
        command->sequence = 1 + *random % 400;
    }
    return command;
}

/* Takes the copy as log_batch would carry it, into `to` as a start would load it. */
struct copies {
    struct arena arena;
    struct kv_copy steps[64];
    uint32_t count;
};

static void assert_same(const struct kv *a, const struct kv *b)
{
    uint8_t left[16];
    uint8_t right[16];
    kv_state_hash(a, left);
    kv_state_hash_scan(b, right);
    assert_memory_equal(left, right, sizeof left);
    assert_int_equal(kv_applied(a).index, kv_applied(b).index);
}

static void same_entries_same_state(void **state) /* A2, K5 */
{
    struct fixture *fixture = *state;
    struct fixture other = { .kv = kv_create(&plain_rules), .term = 1 };
    uint64_t random[2] = { 42, 42 };
    uint64_t session = open_session(fixture);
    (void)open_session(&other);
    for (int i = 0; i < 2000; i++) {
        apply(fixture, random_command(fixture, &random[0], session));
        apply(&other, random_command(&other, &random[1], session));
    }
    assert_same(fixture->kv, other.kv);
    kv_destroy(&other.kv);
    arena_fini(&other.arena);
}

/* What a disk would hold after the steps: the last write of each key counts. */
static void load_all(const struct copies *copies, struct kv *kv)
{
    struct error error = { 0 };
    const struct kv_copy *last = &copies->steps[copies->count - 1];
    for (int space = 0; space < COPY_SPACE_COUNT; space++) {
        for (uint32_t s = 0; s < copies->count; s++) {
            for (uint32_t i = 0; i < copies->steps[s].count; i++) {
                const struct log_copy_record *record = &copies->steps[s].records[i];
                bool replaced = record->value == NULL || (int)record->space != space;
                for (uint32_t later = s + 1; later < copies->count && !replaced; later++) {
                    for (uint32_t j = 0; j < copies->steps[later].count && !replaced; j++) {
                        const struct log_copy_record *newer = &copies->steps[later].records[j];
                        replaced = newer->space == record->space && strcmp(newer->key, record->key) == 0;
                    }
                }
                if (!replaced) assert_int_equal(kv_load(kv, record, &error), STATUS_OK);
            }
        }
    }
    assert_int_equal(kv_load_end(kv, &last->to, last->history_first, last->state_hash, &error), STATUS_OK);
}

static void the_copy_loads_to_the_same_state(void **state) /* D3, K5 */
{
    struct fixture *fixture = *state;
    struct copies copies = { 0 };
    uint64_t random = 7;
    uint64_t session = open_session(fixture);
    for (int i = 0; i < 300; i++) {
        apply(fixture, random_command(fixture, &random, session));
        if (i % 30 != 29) continue;
        struct kv_copy *step = &copies.steps[copies.count];
        assert_true(kv_copy_take(fixture->kv, &copies.arena, step));
        assert_int_equal(step->from, copies.count == 0 ? 0 : copies.steps[copies.count - 1].to.index);
        copies.count++;
    }
    assert_int_equal(kv_copy_pending(fixture->kv), 0);
    assert_false(kv_copy_take(fixture->kv, &copies.arena, &copies.steps[copies.count]));

    struct fixture loaded = { .kv = kv_create(&plain_rules), .term = 1, .index = fixture->index };
    load_all(&copies, loaded.kv);
    assert_same(fixture->kv, loaded.kv);
    char now[4096];
    (void)snprintf(now, sizeof now, "%s", list_prefix(fixture, "", 150)); /* History came along. */
    assert_string_equal(list_prefix(&loaded, "", 150), now);
    Pb__Command *next = random_command(fixture, &random, session); /* And it goes on alike. */
    apply(fixture, next);
    apply(&loaded, next);
    assert_same(fixture->kv, loaded.kv);
    assert_true(kv_copy_take(loaded.kv, &copies.arena, &copies.steps[copies.count]));
    assert_int_equal(copies.steps[copies.count].from, fixture->index - 1);
    kv_destroy(&loaded.kv);
    arena_fini(&loaded.arena);
    arena_fini(&copies.arena);
}

static void a_revision_too_large_to_keep_is_not_copied(void **state)
{
    struct fixture *fixture = *state;
    struct arena arena = { 0 };
    struct kv_copy copy;
    struct seen seen = { 0 };
    char *large = arena_alloc(&fixture->arena, KV_VALUE_MAX + 1);
    memset(large, 'v', KV_VALUE_MAX);
    char key[8];
    for (int i = 0; i < 140; i++) {
        (void)snprintf(key, sizeof key, "p/%03d", i);
        put(fixture, key, large);
    }
    assert_true(kv_copy_take(fixture->kv, &arena, &copy));
    uint64_t revision = delete_prefix(fixture, "p/")->revision; /* 70 MiB of former values. */
    assert_true(kv_history(fixture->kv, revision, see, &seen));
    assert_int_equal(seen.count, 1);
    assert_true(kv_copy_take(fixture->kv, &arena, &copy));
    assert_int_equal(copy.count, 140); /* Deletions; no history. */
    assert_int_equal(copy.history_first, revision + 1);
    put(fixture, "a", "1");
    assert_true(kv_copy_take(fixture->kv, &arena, &copy));
    assert_int_equal(copy.count, 2);
    assert_int_equal(copy.history_first, revision + 1);
    arena_fini(&arena);
}

static void a_damaged_copy_is_corrupt(void **state) /* D2 */
{
    struct fixture *fixture = *state;
    struct arena arena = { 0 };
    struct kv_copy copy;
    struct error error;
    (void)open_session(fixture);
    put(fixture, "a", "value");
    assert_true(kv_copy_take(fixture->kv, &arena, &copy));
    assert_int_equal(copy.count, 3); /* Record, session, history: the opening changed no record. */
    for (uint32_t i = 0; i < copy.count; i++) {
        struct kv *kv = kv_create(&plain_rules);
        uint8_t *damaged = arena_memdup(&arena, copy.records[i].value, copy.records[i].value_size);
        struct log_copy_record record = copy.records[i];
        damaged[record.value_size - 1] ^= 1;
        record.value = damaged;
        assert_int_equal(kv_load(kv, &record, &error), STATUS_CORRUPT);
        record = copy.records[i];
        record.key = "00000000000000ff";
        assert_int_equal(kv_load(kv, &record, &error), STATUS_CORRUPT); /* Sound, but another's. */
        kv_destroy(&kv);
    }
    struct kv *empty = kv_create(&plain_rules);
    assert_int_equal(kv_load_end(empty, &copy.to, 1, copy.state_hash, &error), STATUS_CORRUPT);
    kv_destroy(&empty);
    arena_fini(&arena);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
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
        TEST(same_entries_same_state),
        TEST(the_copy_loads_to_the_same_state),
        TEST(a_revision_too_large_to_keep_is_not_copied),
        TEST(a_damaged_copy_is_corrupt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
