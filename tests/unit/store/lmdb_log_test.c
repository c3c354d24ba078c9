/* Goal: the real log keeps its directory to itself, finds damage before it can hurt, doubts on evidence only,
 * and survives kill -9 at any moment (I1, I3, D4, D5, D8, T1, T2, T6, K3, S16; FLT7, FLT15, FLT17, FLT18).
 * Method: files of a store in a temporary directory are edited between two opens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/base/hash.h"
#include "runtime/base/memory.h"
#include "store/lmdb/lmdb_log.h"
#include "tests/support/log_fixture.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const replica_id three[] = { 11, 22, 33 };

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

/* What is there of a store, to put it back after an experiment. */
enum { BACKED_UP = 3 };
static const char *const backed_up[BACKED_UP] = { "store/data.mdb", "store/guard", "store/journal" };
enum { DATA, GUARD }; /* Of these. */
struct backup {
    uint8_t *data[BACKED_UP]; /* NULL: it isn't there. */
    size_t size[BACKED_UP];
};

static struct backup back_up(struct log_fixture *fixture)
{
    struct backup backup = { { NULL }, { 0 } };
    for (int i = 0; i < BACKED_UP; i++) {
        const char *path = log_fixture_path(fixture, backed_up[i]);
        if (access(path, F_OK) == 0) backup.size[i] = read_file(path, &backup.data[i]);
    }
    return backup;
}

static void put_back(struct log_fixture *fixture, const struct backup *backup)
{
    (void)unlink(log_fixture_path(fixture, "retired"));
    for (int i = 0; i < BACKED_UP; i++) {
        const char *path = log_fixture_path(fixture, backed_up[i]);
        if (backup->data[i] != NULL) write_file(path, backup->data[i], backup->size[i]);
    }
}

static void free_backup(struct backup *backup)
{
    for (int i = 0; i < BACKED_UP; i++) {
        memory_free(backup->data[i]);
    }
}

static bool is_there(struct log_fixture *fixture, const char *name)
{
    return access(log_fixture_path(fixture, name), F_OK) == 0;
}

/* Opens, and finds an empty store in the place of one of that id that stands aside. */
static void assert_doubted(struct log_fixture *fixture, replica_id former, const char *word)
{
    char aside[64];
    log_fixture_open(fixture);
    const struct log_boot *boot = &fixture->log->boot;
    if (strstr(boot->doubt_reason, word) == NULL) {
        fail_msg("\"%s\" is not in: %s", word, boot->doubt_reason);
    }
    assert_int_equal(boot->retired_id, former);
    assert_int_not_equal(boot->identity.replica_id, former);
    assert_int_equal(boot->last.index, 0);
    (void)snprintf(aside, sizeof aside, "store.doubt-%016llx", (unsigned long long)former);
    assert_true(is_there(fixture, aside));
    log_fixture_close(fixture);
}

/* Some of everything: a configuration, entries, hard states, a copy of two records. */
static replica_id fill(struct log_fixture *fixture)
{
    replica_id id = fixture->log->boot.identity.replica_id;
    struct hard_state hard = { 1, 11 };
    struct raft_entry first = log_fixture_configuration(fixture, 1, 1, three, 3);
    log_fixture_write_ok(fixture, &(struct log_batch){ .hard = &hard, .entries = &first, .entry_count = 1 });
    bytes_unref(&first.payload);
    log_fixture_append(fixture, 2, 3, 1);
    hard = (struct hard_state){ 2, 0 };
    log_fixture_write_ok(fixture, &(struct log_batch){ .hard = &hard });
    hard = (struct hard_state){ 2, 9 };
    log_fixture_put(fixture, &fixture->state, "a", "the value of a record");
    log_fixture_put(fixture, &fixture->state, "b", "2");
    struct log_batch copy = log_fixture_copy(fixture, 4);
    copy.hard = &hard;
    log_fixture_write_ok(fixture, &copy);
    return id;
}

/* --- the directory -------------------------------------------------------------------------------------- */

static void a_directory_has_one_opener(void **state)
{
    struct log_fixture *fixture = *state;
    struct log *other = NULL;
    struct error error;
    struct lmdb_log_options options = { .directory = fixture->directory, .random = &log_fixture_random };
    assert_int_equal(lmdb_log_open(&options, &other, &error), STATUS_CONFLICT);
    assert_non_null(strstr(error.message, "in use by another process"));
}

static void the_map_is_large_and_the_file_is_small(void **state) /* D6: it never grows while a node runs. */
{
    struct log_fixture *fixture = *state;
    struct lmdb_log_options options = { .directory = fixture->directory, .random = &log_fixture_random };
    struct error error;
    struct log *log = NULL;
    struct log_space space;
    struct stat file;
    log_fixture_close(fixture);
    log_fixture_remove(fixture, "store");
    assert_int_equal(lmdb_log_open(&options, &log, &error), STATUS_OK);
    log->ops->space(log, &space);
    log->ops->close(log);
    assert_true(space.map_free > UINT64_C(15) << 30);
    assert_int_equal(stat(log_fixture_path(fixture, "store/data.mdb"), &file), 0);
    assert_true(file.st_size < 1 << 20);
}

static void the_member_file_follows_the_first_entry(void **state) /* I3 */
{
    struct log_fixture *fixture = *state;
    struct log_batch joined = { .cluster_id = 0xabcdef };
    log_fixture_write_ok(fixture, &joined);
    assert_false(is_there(fixture, "member"));
    log_fixture_append(fixture, 1, 1, 1);
    assert_true(is_there(fixture, "member"));
    assert_int_equal(unlink(log_fixture_path(fixture, "member")), 0);
    log_fixture_reopen(fixture);
    assert_true(is_there(fixture, "member"));
    replica_id former = fixture->log->boot.identity.replica_id;
    log_fixture_close(fixture); /* The store is lost; the membership is not. */
    log_fixture_remove(fixture, "store");
    log_fixture_open(fixture);
    assert_int_equal(fixture->log->boot.identity.cluster_id, 0xabcdef);
    assert_int_not_equal(fixture->log->boot.identity.replica_id, former);
    assert_int_equal(fixture->log->boot.last.index, 0);
}

static void another_clusters_store_is_refused_and_kept(void **state) /* I3, FLT18 */
{
    struct log_fixture *fixture = *state;
    static const uint8_t other[] = "00000000000000ff\n";
    struct error error;
    log_fixture_write_ok(fixture, &(struct log_batch){ .cluster_id = 0xabcdef });
    log_fixture_append(fixture, 1, 1, 1);
    log_fixture_close(fixture);
    write_file(log_fixture_path(fixture, "member"), other, sizeof other - 1);
    assert_int_equal(log_fixture_try_open(fixture, &error), STATUS_CONFLICT);
    assert_non_null(strstr(error.message, "is of cluster 0000000000abcdef"));
    assert_int_equal(unlink(log_fixture_path(fixture, "member")), 0);
    log_fixture_open(fixture);
    assert_int_equal(fixture->log->boot.last.index, 1);
}

static void what_a_cut_short_founding_left_is_no_store(void **state) /* I1, T1 */
{
    struct log_fixture *fixture = *state;
    log_fixture_close(fixture);
    assert_int_equal(rename(log_fixture_path(fixture, "store"), log_fixture_path(fixture, "store.new")), 0);
    log_fixture_open(fixture);
    assert_false(is_there(fixture, "store.new"));
    assert_string_equal(fixture->log->boot.doubt_reason, "");
    log_fixture_close(fixture);
    log_fixture_remove(fixture, "store");
    assert_int_equal(mkdir(log_fixture_path(fixture, "store"), 0700), 0);
    log_fixture_open(fixture);
    assert_string_equal(fixture->log->boot.doubt_reason, "");
}

static void a_temporary_failure_keeps_everything(void **state) /* T2 */
{
    struct log_fixture *fixture = *state;
    struct error error;
    replica_id id = fill(fixture);
    log_fixture_close(fixture);
    /* An environment can't be opened when the name of its lock is taken by a folder. */
    assert_int_equal(unlink(log_fixture_path(fixture, "store/lock.mdb")), 0);
    assert_int_equal(mkdir(log_fixture_path(fixture, "store/lock.mdb"), 0700), 0);
    assert_int_equal(log_fixture_try_open(fixture, &error), STATUS_IO);
    assert_false(is_there(fixture, "retired"));
    assert_int_equal(rmdir(log_fixture_path(fixture, "store/lock.mdb")), 0);
    log_fixture_open(fixture);
    assert_int_equal(fixture->log->boot.identity.replica_id, id);
    assert_int_equal(fixture->log->boot.last.index, 4);
}

/* --- damage --------------------------------------------------------------------------------------------- */

/* Flips a bit of every place that has these bytes, freed pages included. */
static void flip(uint8_t *data, size_t size, const char *bytes)
{
    size_t length = strlen(bytes);
    uint8_t *at = memmem(data, size, bytes, length);
    assert_non_null(at);
    for (; at != NULL; at = memmem(at, size - (size_t)(at - data), bytes, length)) {
        *at ^= 1;
    }
}

static void a_flipped_bit_in_an_entry_is_doubt(void **state) /* FLT15, D8 */
{
    struct log_fixture *fixture = *state;
    struct raft_entry entry = log_fixture_entry(fixture, 1, 1, ENTRY_COMMAND, "the one and only payload");
    log_fixture_write_ok(fixture, &(struct log_batch){ .entries = &entry, .entry_count = 1 });
    bytes_unref(&entry.payload);
    replica_id former = fixture->log->boot.identity.replica_id;
    log_fixture_close(fixture);
    struct backup backup = back_up(fixture);
    flip(backup.data[DATA], backup.size[DATA], "only payload");
    put_back(fixture, &backup);
    free_backup(&backup);
    assert_doubted(fixture, former, "checksum of entry 1");
}

static void a_damaged_meta_page_is_doubt(void **state) /* FLT15: LMDB itself would go one commit back. */
{
    struct log_fixture *fixture = *state;
    static const size_t places[] = { 10, 16, 20, 40, 144, 151 }; /* Flags, magic, version, sizes, number. */
    replica_id former = fill(fixture);
    log_fixture_close(fixture);
    struct backup backup = back_up(fixture);
    for (size_t page = 0; page < 2; page++) {
        for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
            put_back(fixture, &backup);
            uint8_t *damaged = arena_memdup(&fixture->arena, backup.data[DATA], backup.size[DATA]);
            damaged[page * 4096 + places[i]] ^= 0xFF;
            write_file(log_fixture_path(fixture, "store/data.mdb"), damaged, backup.size[DATA]);
            assert_doubted(fixture, former, "meta page");
        }
    }
    free_backup(&backup);
}

static void a_record_of_the_copy_damaged_is_t6(void **state) /* T6: no vote or entry was lost. */
{
    struct log_fixture *fixture = *state;
    replica_id id = fill(fixture);
    log_fixture_close(fixture);
    struct backup backup = back_up(fixture);
    flip(backup.data[DATA], backup.size[DATA], "value of a record");
    put_back(fixture, &backup);
    free_backup(&backup);
    log_fixture_open(fixture);
    const struct log_boot *boot = &fixture->log->boot;
    assert_int_equal(boot->identity.replica_id, id);
    assert_int_equal(boot->copy_state, LOG_COPY_REPLAY);
    assert_int_equal(boot->applied.index, 0);
    assert_int_equal(boot->committed, 4);
    assert_int_equal(boot->last.index, 4);
    assert_non_null(strstr(boot->warning, "record \"a\""));
    assert_string_equal(log_fixture_read_copy(fixture, 0), "");
    log_fixture_reopen(fixture);
    assert_int_equal(fixture->log->boot.copy_state, LOG_COPY_REPLAY); /* Until it was. */
}

/* Pages hold something at their start and towards their end. */
static size_t place_in_page(uint64_t chance)
{
    return chance % 2 == 0 ? (chance >> 1) % 32 : 4095 - (chance >> 1) % 256;
}

/* Whatever is done to a page, opening it ends in one of the ways that it may, and this process lives. */
static void no_page_kills_who_opens_it(void **state) /* FLT15, T2 */
{
    struct log_fixture *fixture = *state;
    replica_id id = fill(fixture);
    log_fixture_close(fixture);
    struct backup backup = back_up(fixture);
    uint32_t doubted = 0;
    uint32_t mended = 0;
    uint32_t sound = 0;
    uint64_t seed = 7;
    for (int i = 0; i < 160; i++) {
        put_back(fixture, &backup);
        uint8_t *damaged = arena_memdup(&fixture->arena, backup.data[DATA], backup.size[DATA]);
        seed = hash64_mix(seed, (uint64_t)i);
        size_t page = 4096 * (2 + seed % (backup.size[DATA] / 4096 - 2));
        if (i % 4 == 0) memset(damaged + page, 0, 4096);
        else damaged[page + place_in_page(seed >> 20)] ^= (uint8_t)(1u << (seed >> 40) % 8);
        write_file(log_fixture_path(fixture, "store/data.mdb"), damaged, backup.size[DATA]);
        log_fixture_open(fixture);
        const struct log_boot *boot = &fixture->log->boot;
        if (boot->doubt_reason[0] != '\0') doubted++;
        else if (boot->copy_state != LOG_COPY_SOUND) mended++;
        else sound++; /* In a free page, or in what nobody reads. */
        if (boot->doubt_reason[0] == '\0') {
            assert_int_equal(boot->identity.replica_id, id);
            assert_int_equal(boot->last.index, 4);
            assert_int_equal(boot->hard.vote, 9);
        }
        log_fixture_close(fixture);
    }
    print_message("%u doubted, %u mended by replay, %u untouched\n", doubted, mended, sound);
    assert_true(doubted >= 20);
    assert_true(mended >= 1);
    assert_true(sound >= 30);
    free_backup(&backup);
}

static void a_cut_file_is_doubt(void **state) /* FLT15: SIGBUS, in the probe. */
{
    struct log_fixture *fixture = *state;
    replica_id former = fill(fixture);
    log_fixture_close(fixture);
    struct backup backup = back_up(fixture);
    for (size_t pages = 1; pages <= 3; pages++) {
        put_back(fixture, &backup);
        assert_int_equal(truncate(log_fixture_path(fixture, "store/data.mdb"), (off_t)(pages * 4096)), 0);
        assert_doubted(fixture, former, pages == 1 ? "meta page" : "signal 7");
    }
    free_backup(&backup);
}

static void an_older_environment_is_doubt(void **state) /* T1, S16: hard <= guard. */
{
    struct log_fixture *fixture = *state;
    replica_id former = fill(fixture);
    log_fixture_close(fixture);
    assert_int_equal(unlink(log_fixture_path(fixture, "store/data.mdb")), 0);
    assert_doubted(fixture, former, "missing");
}

/* --- the guard ------------------------------------------------------------------------------------------ */

static void a_lost_or_old_guard_is_doubt(void **state) /* T1, FLT17 */
{
    struct log_fixture *fixture = *state;
    const char *guard = log_fixture_path(fixture, "store/guard");
    uint8_t *old = NULL;
    struct hard_state hard = { 1, 7 };
    log_fixture_write_ok(fixture, &(struct log_batch){ .hard = &hard });
    size_t size = read_file(guard, &old);
    replica_id former = fill(fixture);
    log_fixture_close(fixture);
    struct backup backup = back_up(fixture);
    write_file(guard, old, size);
    assert_doubted(fixture, former, "older than the environment");
    put_back(fixture, &backup);
    assert_int_equal(unlink(guard), 0);
    assert_doubted(fixture, former, "no valid slot");
    uint32_t sound = 0;
    for (size_t i = 0; i < size; i += 512) { /* One torn slot is survived when it is the older one. */
        put_back(fixture, &backup);
        uint8_t *torn = arena_memdup(&fixture->arena, backup.data[GUARD], size);
        torn[i + 20] ^= 1;
        write_file(guard, torn, size);
        log_fixture_open(fixture);
        if (fixture->log->boot.doubt_reason[0] == '\0') {
            assert_int_equal(fixture->log->boot.hard.vote, 9);
            sound++;
        }
        log_fixture_close(fixture);
    }
    assert_int_equal(sound, 1);
    memory_free(old);
    free_backup(&backup);
}

static void a_sole_voter_makes_its_guard_anew(void **state) /* T1 */
{
    struct log_fixture *fixture = *state;
    replica_id self = fixture->log->boot.identity.replica_id;
    struct raft_entry first = log_fixture_configuration(fixture, 1, 1, &self, 1);
    struct hard_state hard = { 5, self };
    log_fixture_write_ok(fixture, &(struct log_batch){ .hard = &hard, .entries = &first, .entry_count = 1 });
    bytes_unref(&first.payload);
    log_fixture_close(fixture);
    assert_int_equal(unlink(log_fixture_path(fixture, "store/guard")), 0);
    for (int i = 0; i < 2; i++) {
        log_fixture_open(fixture);
        const struct log_boot *boot = &fixture->log->boot;
        assert_string_equal(boot->doubt_reason, "");
        assert_int_equal(boot->identity.replica_id, self);
        assert_int_equal(boot->hard.term, 6);
        assert_int_equal(boot->hard.vote, 0);
        assert_int_equal(boot->warning[0] != '\0', i == 0);
        log_fixture_close(fixture);
    }
}

static void a_guard_ahead_of_the_environment_counts(void **state) /* T1: a crash between the two. */
{
    struct log_fixture *fixture = *state;
    uint8_t *before = NULL;
    const char *data = log_fixture_path(fixture, "store/data.mdb");
    struct hard_state hard = { 1, 7 };
    log_fixture_write_ok(fixture, &(struct log_batch){ .hard = &hard });
    log_fixture_close(fixture);
    size_t size = read_file(data, &before);
    log_fixture_open(fixture);
    hard = (struct hard_state){ 2, 9 };
    log_fixture_write_ok(fixture, &(struct log_batch){ .hard = &hard });
    log_fixture_close(fixture);
    write_file(data, before, size); /* As if that transaction never came. */
    memory_free(before);
    log_fixture_open(fixture);
    assert_int_equal(fixture->log->boot.hard.term, 2);
    assert_int_equal(fixture->log->boot.hard.vote, 9);
}

/* --- doubt that is cut short ---------------------------------------------------------------------------- */

static void a_retirement_is_told_whatever_comes_between(void **state) /* T2, M3 */
{
    struct log_fixture *fixture = *state;
    replica_id former = fill(fixture);
    log_fixture_write_ok(fixture, &(struct log_batch){ .doubt = "lost" });
    log_fixture_close(fixture);
    /* Moved aside, and then the power went: the new store is made by the next start. */
    assert_int_equal(rename(log_fixture_path(fixture, "store"), log_fixture_path(fixture, "elsewhere")), 0);
    log_fixture_open(fixture);
    assert_int_equal(fixture->log->boot.retired_id, former);
    assert_string_equal(fixture->log->boot.doubt_reason, "lost");
    replica_id second = fixture->log->boot.identity.replica_id;
    log_fixture_write_ok(fixture, &(struct log_batch){ .doubt = "lost again" });
    assert_doubted((log_fixture_close(fixture), fixture), second, "lost again");
    log_fixture_open(fixture); /* And the one that took its place is a store like any other. */
    assert_int_equal(fixture->log->boot.retired_id, second);
}

/* --- kill ----------------------------------------------------------------------------------------------- */

/* Writes one entry after another, says each once it is durable, until it is killed. */
_Noreturn static void write_until_killed(struct log_fixture *fixture, int says)
{
    for (log_index index = 1;; index++) {
        struct hard_state hard = { index, index };
        struct raft_entry entry = log_fixture_entry(fixture, index, index, ENTRY_COMMAND, "payload");
        struct log_batch batch = { .hard = &hard, .entries = &entry, .entry_count = 1, .cluster_id = 5 };
        if (log_fixture_write(fixture, &batch, NULL) != STATUS_OK) _exit(1);
        if (write(says, &index, sizeof index) != sizeof index) _exit(1);
        bytes_unref(&entry.payload);
    }
}

static void what_was_acknowledged_survives_kill(void **state) /* K3, FLT7 */
{
    struct log_fixture *fixture = *state;
    log_fixture_close(fixture);
    for (log_index wanted = 1; wanted <= 40; wanted += 13) {
        int channel[2];
        assert_int_equal(pipe(channel), 0);
        log_fixture_remove(fixture, "store");
        pid_t child = fork();
        if (child == 0) {
            fixture->chain = 0;
            if (log_fixture_try_open(fixture, NULL) != STATUS_OK) _exit(1);
            write_until_killed(fixture, channel[1]);
        }
        (void)close(channel[1]);
        log_index acknowledged = 0;
        while (acknowledged < wanted) {
            assert_int_equal(read(channel[0], &acknowledged, sizeof acknowledged), sizeof acknowledged);
        }
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, NULL, 0), child);
        while (read(channel[0], &acknowledged, sizeof acknowledged) == sizeof acknowledged) {
        }
        (void)close(channel[0]);
        log_fixture_open(fixture);
        assert_true(fixture->log->boot.last.index >= acknowledged);
        assert_true(fixture->log->boot.hard.term >= fixture->log->boot.last.index); /* S16 */
        log_fixture_close(fixture);
    }
}

int main(int argc, char **argv)
{
    if (argc > 1) cmocka_set_test_filter(argv[1]);
#define LMDB(name)    cmocka_unit_test_setup_teardown(name, log_fixture_lmdb, log_fixture_free)
#define JOURNAL(name) cmocka_unit_test_setup_teardown(name, log_fixture_journal, log_fixture_free)
#define BOTH(name)    LMDB(name), JOURNAL(name)
    const struct CMUnitTest tests[] = {
        BOTH(a_directory_has_one_opener),
        BOTH(the_map_is_large_and_the_file_is_small),
        BOTH(the_member_file_follows_the_first_entry),
        BOTH(another_clusters_store_is_refused_and_kept),
        LMDB(what_a_cut_short_founding_left_is_no_store),
        BOTH(a_temporary_failure_keeps_everything),
        LMDB(a_flipped_bit_in_an_entry_is_doubt),
        LMDB(a_damaged_meta_page_is_doubt),
        BOTH(a_record_of_the_copy_damaged_is_t6),
        BOTH(no_page_kills_who_opens_it),
        BOTH(a_cut_file_is_doubt),
        BOTH(an_older_environment_is_doubt),
        BOTH(a_lost_or_old_guard_is_doubt),
        BOTH(a_sole_voter_makes_its_guard_anew),
        LMDB(a_guard_ahead_of_the_environment_counts),
        BOTH(a_retirement_is_told_whatever_comes_between),
        BOTH(what_was_acknowledged_survives_kill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
