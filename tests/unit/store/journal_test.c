/* Goal: what a journal's bytes prove is judged rightly, whatever a power cut, a flipped bit or an older file
 * left of them: the newest batch may be cut short and is dropped; anything else that was acknowledged and is
 * not whole is evidence; nothing stale is ever replayed (D8, T2, K3; FLT9, FLT15, FLT16, FLT18). Method:
 * batches packed into an image in memory as the log would write them, sectors of it lost, changed, put back;
 * then files of a real store edited between two opens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/base/hash.h"
#include "runtime/base/memory.h"
#include "store/journal/journal_scan.h"
#include "store/lmdb/lmdb_system.h"
#include "store/pack.h"
#include "tests/support/log_fixture.h"

#include <lmdb.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SEGMENT = 8 * JOURNAL_BLOCK, IMAGE = JOURNAL_SEGMENTS * SEGMENT, JOURNAL = 77, ROUNDS = 3000 };

/* --- an image ------------------------------------------------------------------------------------------- */

struct picture {
    uint8_t data[IMAGE];
    struct journal_point end;
    log_index last;
    uint64_t chain;
    uint64_t seed;
};

static struct picture *blank(uint64_t seed)
{
    struct picture *picture = memory_zalloc(sizeof *picture);
    picture->seed = seed;
    return picture;
}

static uint64_t draw(struct picture *picture, uint64_t below)
{
    picture->seed = hash64_mix(picture->seed, below);
    return (picture->seed >> 7) % below;
}

/* Writes a batch of one entry of that size as the log does; where it lies, and of how many bytes. */
static uint64_t add(struct picture *picture, size_t payload, size_t *out_size)
{
    struct raft_entry entry = { .index = ++picture->last, .term = 1, .type = ENTRY_COMMAND };
    struct hard_state hard = { picture->last, 9 };
    entry.payload = bytes_create(payload);
    memset(entry.payload->data, 'a' + (int)(picture->last % 26), payload);
    struct log_batch batch = { .hard = &hard, .entries = &entry, .entry_count = 1 };
    size_t size = journal_batch_disk_size(journal_batch_stream_size(&batch, 1));
    uint64_t at = picture->end.at;
    if (at % SEGMENT + size > SEGMENT) at = (at / SEGMENT + 1) % JOURNAL_SEGMENTS * SEGMENT;
    memset(picture->data + at, 0, size);
    journal_batch_pack(JOURNAL, picture->end.sequence + 1, &batch, 1, picture->data + at);
    picture->end = (struct journal_point){ picture->end.sequence + 1, (at + size) % IMAGE };
    bytes_unref(&entry.payload);
    *out_size = size;
    return at;
}

static enum status scan(const struct picture *picture, const struct journal_point *tables,
                        log_index tables_last, struct journal_pending *pending, struct journal_scan *out_scan,
                        struct error *error)
{
    struct journal_image image = { picture->data, SEGMENT, JOURNAL };
    journal_pending_begin(pending, tables_last, 0);
    return journal_scan(&image, tables, pending, out_scan, error);
}

/* It is found that the log ends with that entry. */
static void assert_last(const struct picture *picture, const struct journal_point *tables,
                        log_index tables_last, log_index last, bool torn)
{
    struct journal_pending pending;
    struct journal_scan found;
    struct error error = { 0 };
    enum status status = scan(picture, tables, tables_last, &pending, &found, &error);
    if (status != STATUS_OK) fail_msg("doubted: %s", error.message);
    assert_int_equal(journal_pending_last(&pending), last);
    assert_int_equal(found.torn_size > 0, torn);
    if (last > tables_last) assert_int_equal(pending.hard.term, last);
    journal_pending_clear(&pending);
}

static void assert_corrupt(const struct picture *picture, const struct journal_point *tables,
                           log_index tables_last, const char *word)
{
    struct journal_pending pending;
    struct journal_scan found;
    struct error error = { 0 };
    assert_int_equal(scan(picture, tables, tables_last, &pending, &found, &error), STATUS_CORRUPT);
    if (strstr(error.message, word) == NULL) fail_msg("\"%s\" is not in: %s", word, error.message);
    journal_pending_clear(&pending);
}

static const struct journal_point nothing = { 0, 0 };

static void batches_come_back_in_order(void **state) /* J2 */
{
    (void)state;
    struct picture *picture = blank(1);
    size_t size;
    assert_last(picture, &nothing, 0, 0, false);
    for (log_index i = 1; i <= 5; i++) {
        (void)add(picture, i == 3 ? 9000 : 10, &size);
        assert_last(picture, &nothing, 0, i, false);
    }
    memory_free(picture);
}

static void segments_are_used_in_turn(void **state) /* J3 */
{
    (void)state;
    struct picture *picture = blank(2);
    struct journal_point tables = nothing;
    log_index settled = 0;
    size_t size;
    for (int i = 0; i < 60; i++) { /* The tables follow, a batch or two behind. */
        struct journal_point before = picture->end;
        log_index last = picture->last;
        (void)add(picture, 1 + draw(picture, 7000), &size);
        assert_last(picture, &tables, settled, picture->last, false);
        if (i % 3 == 0) {
            tables = before;
            settled = last;
        }
    }
    memory_free(picture);
}

/* --- a power cut ---------------------------------------------------------------------------------------- */

/* Puts back any of the newest batch's sectors, of 512 bytes or 4 KiB: whatever is left, nothing is doubted,
 * and all before it is there. */
static void the_newest_batch_may_be_cut_short(void **state) /* J1, FLT9, K3 */
{
    (void)state;
    uint32_t whole = 0;
    uint32_t torn = 0;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        struct picture *picture = blank(round);
        struct journal_point tables = nothing;
        log_index settled = 0;
        size_t size;
        for (uint64_t i = draw(picture, 9); i > 0; i--) {
            (void)add(picture, 1 + draw(picture, 3000), &size);
            if (draw(picture, 3) > 0) continue;
            tables = picture->end;
            settled = picture->last;
        }
        log_index before = picture->last;
        struct picture *old = memory_alloc(sizeof *old);
        memcpy(old, picture, sizeof *old);
        uint64_t at = add(picture, 1 + draw(picture, 12000), &size);
        size_t sector = draw(picture, 2) == 0 ? JOURNAL_SECTOR : JOURNAL_BLOCK;
        uint64_t kind = draw(picture, 3); /* None, some, all but one. */
        uint64_t spared = draw(picture, size / sector);
        for (size_t i = 0; i < size / sector; i++) {
            bool lost = kind == 1 ? draw(picture, 2) == 0 : kind == 2 && i == spared;
            if (lost) memcpy(picture->data + at + i * sector, old->data + at + i * sector, sector);
        }
        struct journal_pending pending;
        struct journal_scan found;
        struct error error = { 0 };
        enum status status = scan(picture, &tables, settled, &pending, &found, &error);
        if (status != STATUS_OK) fail_msg("round %u is doubted: %s", (unsigned)round, error.message);
        log_index last = journal_pending_last(&pending);
        assert_true(last == before || last == before + 1);
        if (kind == 0) assert_int_equal(last, before + 1);
        if (found.torn_size > 0) torn++;
        if (last == before + 1) whole++;
        journal_pending_clear(&pending);
        memory_free(old);
        memory_free(picture);
    }
    assert_true(torn > ROUNDS / 8);
    assert_true(whole > ROUNDS / 8);
}

/* One batch, and what is left of a second one: found, and erased as a start does. */
static struct picture *torn_and_erased(void)
{
    struct picture *picture = blank(3);
    struct journal_pending pending;
    struct journal_scan found;
    size_t size;
    (void)add(picture, 10, &size);
    struct journal_point end = picture->end;
    uint64_t at = add(picture, 5000, &size);
    memset(picture->data + at, 0, JOURNAL_SECTOR); /* The first sector never came. */
    assert_int_equal(scan(picture, &nothing, 0, &pending, &found, NULL), STATUS_OK);
    journal_pending_clear(&pending);
    assert_int_equal(found.end.at, end.at);
    assert_int_equal(found.torn_at, at);
    assert_int_equal(found.torn_size, size);
    memset(picture->data + found.torn_at, 0, found.torn_size);
    picture->end = found.end;
    picture->last = 1;
    return picture;
}

static void what_was_dropped_never_comes_back(void **state) /* J2: it might lie behind what comes next. */
{
    (void)state;
    struct picture *picture = torn_and_erased();
    size_t size;
    struct journal_point tables = picture->end;
    assert_last(picture, &tables, 1, 1, false);
    (void)add(picture, 10, &size); /* At the same place, under the same number. */
    assert_last(picture, &tables, 1, 2, false);
    memory_free(picture);
}

/* Found by seed 10103: power goes once more before anything of the next batch is there. */
static void a_second_power_cut_is_no_damage(void **state) /* J1, J2 */
{
    (void)state;
    struct picture *picture = torn_and_erased();
    size_t size;
    struct journal_point tables = picture->end; /* The start settled. */
    uint64_t at = add(picture, 10, &size);
    memset(picture->data + at, 0, size);
    assert_last(picture, &tables, 1, 1, false);
    memory_free(picture);
}

/* --- damage --------------------------------------------------------------------------------------------- */

static void a_loss_before_the_newest_is_damage(void **state) /* J1, D8, FLT16 */
{
    (void)state;
    struct picture *picture = blank(4);
    size_t size;
    (void)add(picture, 10, &size);
    uint64_t at = add(picture, 3000, &size);
    (void)add(picture, 10, &size);
    uint8_t kept[JOURNAL_SECTOR];
    memcpy(kept, picture->data + at + JOURNAL_SECTOR, sizeof kept);
    memset(picture->data + at + JOURNAL_SECTOR, 0, sizeof kept);
    assert_corrupt(picture, &nothing, 0, "another follows");
    memcpy(picture->data + at + JOURNAL_SECTOR, kept, sizeof kept);
    assert_last(picture, &nothing, 0, 3, false);
    memset(picture->data + at, 0, size); /* All of it. */
    assert_corrupt(picture, &nothing, 0, "batch 2 is missing");
    memory_free(picture);
}

/* J6: as if it had never been written. The gate (T3) is for that: others know what was acknowledged. */
static void a_newest_batch_that_went_back_whole_is_not_told(void **state)
{
    (void)state;
    struct picture *picture = blank(9);
    size_t size;
    (void)add(picture, 10, &size);
    uint64_t at = add(picture, 3000, &size);
    memset(picture->data + at, 0, size);
    assert_last(picture, &nothing, 0, 1, false);
    memory_free(picture);
}

static void a_changed_sector_is_damage(void **state) /* FLT15: also in the newest batch. */
{
    (void)state;
    struct picture *picture = blank(5);
    size_t size;
    uint64_t first = add(picture, 10, &size);
    uint64_t second = add(picture, 3000, &size);
    for (size_t bit = 0; bit < 64; bit++) {
        uint8_t *byte = &picture->data[second + draw(picture, 6 * JOURNAL_SECTOR)];
        uint8_t mask = (uint8_t)(1u << draw(picture, 8));
        *byte ^= mask;
        assert_corrupt(picture, &nothing, 0, "damaged");
        *byte ^= mask;
    }
    picture->data[first + 40] ^= 1; /* A small batch, of which nothing else is left. */
    assert_corrupt(picture, &nothing, 0, "batch 1 is missing");
    picture->data[first + 40] ^= 1;
    struct journal_point tables = picture->end;
    (void)add(picture, 10, &size);
    picture->data[tables.at + 40] ^= 1;
    assert_corrupt(picture, &tables, 2, "damaged");
    memory_free(picture);
}

static void what_the_tables_have_may_rot(void **state) /* Nobody needs it any more. */
{
    (void)state;
    struct picture *picture = blank(6);
    size_t size;
    uint64_t first = add(picture, 3000, &size);
    (void)add(picture, 10, &size);
    struct journal_point tables = picture->end;
    (void)add(picture, 10, &size);
    picture->data[first + JOURNAL_SECTOR + 100] ^= 1;
    picture->data[first + 2 * JOURNAL_SECTOR + 100] ^= 1;
    assert_last(picture, &tables, 2, 3, false);
    memory_free(picture);
}

static void an_older_or_foreign_journal_is_damage(void **state) /* FLT18 */
{
    (void)state;
    struct picture *picture = blank(7);
    size_t size;
    (void)add(picture, 10, &size);
    (void)add(picture, 10, &size);
    struct journal_point ahead = { 5, 4 * JOURNAL_BLOCK };
    assert_corrupt(picture, &ahead, 5, "the tables have 5");
    struct journal_image foreign = { picture->data, SEGMENT, JOURNAL + 1 };
    struct journal_pending pending;
    struct journal_scan found;
    journal_pending_begin(&pending, 0, 0);
    assert_int_equal(journal_scan(&foreign, &nothing, &pending, &found, NULL), STATUS_CORRUPT);
    assert_true(journal_pending_is_empty(&pending));
    memory_free(picture);
}

static void a_batch_in_another_place_is_damage(void **state) /* FLT16: a misdirected write. */
{
    (void)state;
    struct picture *picture = blank(8);
    size_t size;
    uint64_t at = add(picture, 10, &size);
    memcpy(picture->data + 3 * JOURNAL_BLOCK, picture->data + at, JOURNAL_BLOCK);
    memset(picture->data + at, 0, JOURNAL_BLOCK);
    assert_corrupt(picture, &nothing, 0, "where it can't be");
    memory_free(picture);
}

/* --- what is pending ------------------------------------------------------------------------------------ */

static void append(struct journal_pending *pending, log_index index, enum status expected)
{
    struct raft_entry entry = { .index = index, .term = 1, .type = ENTRY_NO_OP };
    assert_int_equal(journal_pending_append(pending, &entry, NULL), expected);
}

static void pending_batches_become_one(void **state)
{
    (void)state;
    struct journal_pending pending;
    journal_pending_begin(&pending, 10, 5);
    append(&pending, 12, STATUS_CORRUPT);
    append(&pending, 11, STATUS_OK);
    append(&pending, 12, STATUS_OK);
    append(&pending, 13, STATUS_OK);
    assert_int_equal(journal_pending_truncate(&pending, 12, NULL), STATUS_OK); /* Nothing of the tables'. */
    assert_int_equal(pending.truncate_from, 0);
    assert_int_equal(journal_pending_last(&pending), 11);
    assert_int_equal(journal_pending_truncate(&pending, 9, NULL), STATUS_OK);
    append(&pending, 9, STATUS_OK);
    append(&pending, 10, STATUS_OK);
    assert_int_equal(journal_pending_truncate(&pending, 10, NULL), STATUS_OK);
    append(&pending, 10, STATUS_OK);
    assert_int_equal(pending.truncate_from, 9); /* The lowest counts. */
    assert_int_equal(pending.entry_count, 2);
    assert_int_equal(journal_pending_settled_last(&pending), 8);
    assert_null(journal_pending_entry(&pending, 8));
    assert_int_equal(journal_pending_entry(&pending, 9)->index, 9);
    assert_null(journal_pending_entry(&pending, 11));
    assert_int_equal(journal_pending_truncate(&pending, 5, NULL), STATUS_CORRUPT); /* R3 */
    assert_int_equal(journal_pending_set_hard(&pending, &(struct hard_state){ 3, 1 }, NULL), STATUS_OK);
    assert_int_equal(journal_pending_set_hard(&pending, &(struct hard_state){ 2, 1 }, NULL), STATUS_CORRUPT);
    journal_pending_clear(&pending);
    assert_true(journal_pending_is_empty(&pending));
}

/* --- a real store --------------------------------------------------------------------------------------- */

static size_t read_file(const char *path, uint8_t **out_data)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    size_t size = (size_t)ftell(file);
    rewind(file);
    *out_data = memory_alloc(size);
    assert_int_equal(fread(*out_data, 1, size, file), size);
    (void)fclose(file);
    return size;
}

static void write_file(const char *path, const uint8_t *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void assert_doubted(struct log_fixture *fixture, const char *word)
{
    log_fixture_open(fixture);
    if (strstr(fixture->log->boot.doubt_reason, word) == NULL) {
        fail_msg("\"%s\" is not in: %s", word, fixture->log->boot.doubt_reason);
    }
    assert_int_equal(fixture->log->boot.last.index, 0);
}

static void entries_are_read_wherever_they_are(void **state) /* J4 */
{
    struct log_fixture *fixture = *state;
    struct error error;
    log_fixture_append(fixture, 1, 2, 1);
    assert_int_equal(fixture->log->live.unsettled_entries, 2);
    assert_int_equal(fixture->log->ops->settle(fixture->log, &error), STATUS_OK);
    assert_false(fixture->log->live.unsettled);
    log_fixture_append(fixture, 3, 2, 1);
    assert_string_equal(log_fixture_read(fixture, 1, 4, 1000), "1:1:1 2:1:2 3:1:3 4:1:4 ");
    assert_string_equal(log_fixture_read(fixture, 3, 4, 1), "3:1:3 ");
    assert_int_equal(log_fixture_count(fixture, 5), 0);
    fixture->chain = log_fixture_position(fixture, 1).chain;
    struct raft_entry other = log_fixture_entry(fixture, 2, 2, ENTRY_COMMAND, "other");
    log_fixture_write_ok(fixture,
                         &(struct log_batch){ .truncate_from = 2, .entries = &other, .entry_count = 1 });
    bytes_unref(&other.payload);
    assert_string_equal(log_fixture_read(fixture, 1, 9, 1000), "1:1:1 2:2:other ");
    assert_int_equal(log_fixture_count(fixture, 3), 0);
    log_fixture_reopen(fixture);
    assert_string_equal(log_fixture_read(fixture, 1, 9, 1000), "1:1:1 2:2:other ");
}

static void a_missing_journal_is_doubt(void **state) /* J5, T2 */
{
    struct log_fixture *fixture = *state;
    log_fixture_append(fixture, 1, 1, 1);
    log_fixture_close(fixture);
    assert_int_equal(unlink(log_fixture_path(fixture, "store/journal")), 0);
    assert_doubted(fixture, "journal is missing");
}

static void an_older_journal_is_doubt(void **state) /* FLT18 */
{
    struct log_fixture *fixture = *state;
    uint8_t *old = NULL;
    struct error error;
    log_fixture_append(fixture, 1, 1, 1);
    size_t size = read_file(log_fixture_path(fixture, "store/journal"), &old);
    log_fixture_append(fixture, 2, 1, 1);
    assert_int_equal(fixture->log->ops->settle(fixture->log, &error), STATUS_OK);
    log_fixture_close(fixture);
    write_file(log_fixture_path(fixture, "store/journal"), old, size);
    memory_free(old);
    assert_doubted(fixture, "the tables have");
}

static void a_journal_of_a_later_term_than_the_guard_is_doubt(void **state) /* T1, S16 */
{
    struct log_fixture *fixture = *state;
    uint8_t *old = NULL;
    struct hard_state hard = { 1, 7 };
    log_fixture_write_ok(fixture, &(struct log_batch){ .hard = &hard });
    size_t size = read_file(log_fixture_path(fixture, "store/guard"), &old);
    hard = (struct hard_state){ 2, 8 };
    log_fixture_write_ok(fixture, &(struct log_batch){ .hard = &hard });
    hard = (struct hard_state){ 3, 8 };
    log_fixture_write_ok(fixture, &(struct log_batch){ .hard = &hard });
    log_fixture_close(fixture);
    write_file(log_fixture_path(fixture, "store/guard"), old, size);
    memory_free(old);
    assert_doubted(fixture, "guard is older");
}

static void an_entry_that_does_not_follow_is_doubt(void **state) /* D1 */
{
    struct log_fixture *fixture = *state;
    log_fixture_append(fixture, 1, 1, 1);
    fixture->chain ^= 1;
    log_fixture_append(fixture, 2, 1, 1);
    log_fixture_close(fixture);
    assert_doubted(fixture, "does not follow");
}

static void a_damaged_header_is_doubt(void **state)
{
    struct log_fixture *fixture = *state;
    uint8_t *data = NULL;
    log_fixture_append(fixture, 1, 1, 1);
    log_fixture_close(fixture);
    size_t size = read_file(log_fixture_path(fixture, "store/journal"), &data);
    data[9] ^= 1;
    write_file(log_fixture_path(fixture, "store/journal"), data, size);
    memory_free(data);
    assert_doubted(fixture, "header is damaged");
}

/* What made a journal ended before the tables knew of it: it is nobody's. */
static void an_unknown_journal_is_made_again(void **state) /* J5 */
{
    struct log_fixture *fixture = *state;
    static const uint8_t junk[8192] = { 1 };
    log_fixture_close(fixture);
    write_file(log_fixture_path(fixture, "store/journal"), junk, sizeof junk);
    fixture->journal = true;
    log_fixture_open(fixture);
    assert_string_equal(fixture->log->boot.doubt_reason, "");
    log_fixture_append(fixture, 1, 3, 1);
    assert_int_equal(fixture->log->live.unsettled_entries, 3);
    log_fixture_reopen(fixture);
    assert_int_equal(fixture->log->boot.last.index, 3);
}

/* `sys` as format 2 had it. */
static void make_older(struct log_fixture *fixture)
{
    MDB_env *environment;
    MDB_txn *txn;
    MDB_dbi system;
    static char main_key[] = "1";
    MDB_val key = { sizeof main_key, main_key };
    MDB_val value;
    uint8_t data[LMDB_SYSTEM_SIZE];
    size_t size = sizeof data - 24;
    assert_int_equal(mdb_env_create(&environment), 0);
    assert_int_equal(mdb_env_set_maxdbs(environment, 16), 0);
    assert_int_equal(mdb_env_open(environment, log_fixture_path(fixture, "store"), 0, 0600), 0);
    assert_int_equal(mdb_txn_begin(environment, NULL, 0, &txn), 0);
    assert_int_equal(mdb_dbi_open(txn, "sys", 0, &system), 0);
    assert_int_equal(mdb_get(txn, system, &key, &value), 0);
    assert_int_equal(value.mv_size, sizeof data);
    memcpy(data, value.mv_data, sizeof data);
    struct pack_writer format = { data + 4, 4 };
    pack_u32(&format, 2);
    struct pack_writer transaction = { data + size - 8, 8 }; /* D4 */
    pack_u64(&transaction, mdb_txn_id(txn));
    struct pack_writer crc = { data, 4 };
    pack_u32(&crc, crc32c(0, data + 4, size - 4));
    value = (MDB_val){ size, data };
    assert_int_equal(mdb_put(txn, system, &key, &value, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    mdb_env_close(environment);
}

static void a_store_of_the_format_before_is_taken_over(void **state)
{
    struct log_fixture *fixture = *state;
    replica_id id = fixture->log->boot.identity.replica_id;
    struct hard_state hard = { 4, 2 };
    log_fixture_write_ok(fixture, &(struct log_batch){ .hard = &hard });
    log_fixture_append(fixture, 1, 10, 4);
    log_fixture_close(fixture);
    make_older(fixture);
    for (int i = 0; i < 2; i++) { /* Without a journal, and with one in front. */
        log_fixture_open(fixture);
        assert_string_equal(fixture->log->boot.doubt_reason, "");
        assert_int_equal(fixture->log->boot.identity.replica_id, id);
        assert_int_equal(fixture->log->boot.last.index, 10);
        assert_int_equal(fixture->log->boot.hard.term, 4);
        if (i == 0) log_fixture_close(fixture);
        fixture->journal = true;
    }
    log_fixture_append(fixture, 11, 1, 4);
    assert_true(fixture->log->live.unsettled);
    log_fixture_reopen(fixture);
    assert_int_equal(fixture->log->boot.last.index, 11);
}

int main(int argc, char **argv)
{
    if (argc > 1) cmocka_set_test_filter(argv[1]);
#define LMDB(name)    cmocka_unit_test_setup_teardown(name, log_fixture_lmdb, log_fixture_free)
#define JOURNAL(name) cmocka_unit_test_setup_teardown(name, log_fixture_journal, log_fixture_free)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_come_back_in_order),
        cmocka_unit_test(segments_are_used_in_turn),
        cmocka_unit_test(the_newest_batch_may_be_cut_short),
        cmocka_unit_test(what_was_dropped_never_comes_back),
        cmocka_unit_test(a_second_power_cut_is_no_damage),
        cmocka_unit_test(a_loss_before_the_newest_is_damage),
        cmocka_unit_test(a_newest_batch_that_went_back_whole_is_not_told),
        cmocka_unit_test(a_changed_sector_is_damage),
        cmocka_unit_test(what_the_tables_have_may_rot),
        cmocka_unit_test(an_older_or_foreign_journal_is_damage),
        cmocka_unit_test(a_batch_in_another_place_is_damage),
        cmocka_unit_test(pending_batches_become_one),
        JOURNAL(entries_are_read_wherever_they_are),
        JOURNAL(a_missing_journal_is_doubt),
        JOURNAL(an_older_journal_is_doubt),
        JOURNAL(a_journal_of_a_later_term_than_the_guard_is_doubt),
        JOURNAL(an_entry_that_does_not_follow_is_doubt),
        JOURNAL(a_damaged_header_is_doubt),
        LMDB(an_unknown_journal_is_made_again),
        LMDB(a_store_of_the_format_before_is_taken_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
