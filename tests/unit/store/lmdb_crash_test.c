/* Goal: whatever part of the last writes reaches the disk before the power goes, the real LMDB file, journal
 * and guard open again with every acknowledged batch, and as exactly one of the states that were written (K3,
 * K5, S16; FLT9, consensus.md 14.3). No such image is doubted: a power cut is no damage. And a write or sync
 * that fails ends the log, once and for all (F1, FLT13). Method: the writes and syncs of seeded runs are
 * recorded on their way to the kernel (this program stands in for libc's pwrite and fdatasync, for LMDB too),
 * and images are drawn from them: what was synced, and any subset of the sectors of the rest (of 512 bytes,
 * or of 4 KiB), of all files alike. Each is opened by our own open path; one run in four has no journal.
 * AETHER_IMAGES says how many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/base/hash.h"
#include "runtime/base/memory.h"
#include "tests/support/crash_disk.h"
#include "tests/support/log_fixture.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { STEPS = 60, IMAGES_PER_RUN = 250, WRITE_AFTER_EACH = 10 };
#ifdef __SANITIZE_ADDRESS__
enum { IMAGES_DEFAULT = 200 }; /* Each open forks, which is dear in a process with ASan's shadow. */
#else
enum { IMAGES_DEFAULT = 5000 };
#endif

/* --- standing in for libc ------------------------------------------------------------------------------- */

static const char *const names[CRASH_FILES] = { "store/data.mdb", "store/guard", "store/journal" };
static struct crash_disk *recording; /* NULL: nobody listens. */
static ino_t recorded[CRASH_FILES];
static bool disk_lies;         /* Its syncs do nothing. */
static int write_to_fail = -1; /* The recorded file of which the next write or sync fails. */
static uint32_t failed_calls;

static bool is_recorded(int fd, uint32_t *out_file)
{
    struct stat entry;
    if (recording == NULL || fstat(fd, &entry) != 0) return false;
    for (uint32_t i = 0; i < CRASH_FILES; i++) {
        *out_file = i;
        if (recorded[i] == entry.st_ino) return true;
    }
    return false;
}

static void note_write(int fd, const void *data, size_t size, off_t offset)
{
    uint32_t file;
    if (!is_recorded(fd, &file)) return;
    bool through = !disk_lies && (fcntl(fd, F_GETFL) & O_DSYNC) != 0;
    crash_disk_write(recording, file, (uint64_t)offset, data, size, through);
}

/* EIO, or what a disk without room says. */
static bool fails(int fd)
{
    uint32_t file;
    if (write_to_fail < 0 || !is_recorded(fd, &file) || file != (uint32_t)write_to_fail) return false;
    failed_calls++;
    errno = EIO;
    return true;
}

/* POSIX has dlsym give functions as objects; ISO C wants them carried over like this. */
#define REAL(name, ...)                                                                                      \
    static ssize_t (*real)(__VA_ARGS__);                                                                     \
    if (real == NULL) *(void **)&real = dlsym(RTLD_NEXT, name)

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
    REAL("pwrite", int, const void *, size_t, off_t);
    if (fails(fd)) return -1;
    note_write(fd, data, size, offset);
    return real(fd, data, size, offset);
}

ssize_t writev(int fd, const struct iovec *pieces, int count)
{
    REAL("writev", int, const struct iovec *, int);
    off_t at = lseek(fd, 0, SEEK_CUR);
    for (int i = 0; i < count; i++) {
        note_write(fd, pieces[i].iov_base, pieces[i].iov_len, at);
        at += (off_t)pieces[i].iov_len;
    }
    return real(fd, pieces, count);
}

int fdatasync(int fd)
{
    REAL("fdatasync", int);
    uint32_t file;
    if (fails(fd)) return -1;
    if (is_recorded(fd, &file) && !disk_lies) crash_disk_sync(recording, file);
    return (int)real(fd);
}

/* --- runs ----------------------------------------------------------------------------------------------- */

/* What the log must say after a step. */
struct state_after {
    struct log_position last;
    struct log_position base;
    log_index applied;
    struct hard_state hard;
    uint32_t generation;
    struct log_receiving receiving;
    uint8_t state_hash[16];
};

struct run {
    struct log_fixture *fixture;
    uint64_t seed;
    struct hard_state hard;
    uint8_t state_hash[16];
    struct log_fixture_state incoming; /* Of the snapshot being received. */
    struct state_after after[STEPS + 1];
    uint32_t count;
};

static uint64_t draw(struct run *run, uint64_t below)
{
    run->seed = hash64_mix(run->seed, below);
    return (run->seed >> 7) % below;
}

static void note_state(struct run *run)
{
    const struct log_live *live = &run->fixture->log->live;
    struct state_after *after = &run->after[run->count++];
    *after = (struct state_after){ .base = live->base,
                                   .applied = live->applied.index,
                                   .hard = run->hard,
                                   .generation = live->generation,
                                   .receiving = live->receiving };
    after->last =
        live->last == live->base.index ? live->base : log_fixture_position(run->fixture, live->last);
    run->fixture->chain = after->last.chain;
    memcpy(after->state_hash, run->state_hash, sizeof after->state_hash);
}

/* --- one step of a run: adds to a batch; several kinds may come together --- */

static struct raft_entry *add_entries(struct run *run, struct log_batch *batch, log_index from)
{
    struct log_fixture *fixture = run->fixture;
    uint32_t count = 1 + (uint32_t)draw(run, 4);
    struct raft_entry *entries = arena_array(&fixture->arena, count, sizeof *entries);
    for (uint32_t i = 0; i < count; i++) {
        /* Some are larger than a page. */
        char *payload = arena_alloc(&fixture->arena, 20001);
        memset(payload, 'a' + (int)draw(run, 26), draw(run, 5) == 0 ? 20000 : 1 + draw(run, 300));
        entries[i] = log_fixture_entry(fixture, from + i, run->hard.term, ENTRY_COMMAND, payload);
    }
    batch->entries = entries;
    batch->entry_count = count;
    return entries;
}

static void add_truncation(struct run *run, struct log_batch *batch, log_index *out_from)
{
    const struct log_live *live = &run->fixture->log->live;
    log_index lowest = (live->applied.index > live->base.index ? live->applied.index : live->base.index) + 1;
    if (lowest > live->last) return;
    batch->truncate_from = lowest + draw(run, live->last - lowest + 1);
    *out_from = batch->truncate_from;
    struct log_position before = live->base;
    if (batch->truncate_from - 1 > live->base.index) {
        before = log_fixture_position(run->fixture, batch->truncate_from - 1);
    }
    run->fixture->chain = before.chain;
}

static void add_copy(struct run *run, struct log_batch *batch)
{
    struct log_fixture *fixture = run->fixture;
    const struct log_live *live = &fixture->log->live;
    if (live->last == live->base.index || live->last == live->applied.index) return;
    for (uint64_t i = draw(run, 6); i > 0; i--) {
        char key[16];
        (void)snprintf(key, sizeof key, "key-%u", (unsigned)draw(run, 12));
        log_fixture_put(fixture, &fixture->state, key, draw(run, 4) == 0 ? NULL : "some value");
    }
    log_fixture_put_history(fixture, &fixture->state, live->last);
    struct log_batch copy = log_fixture_copy(fixture, live->last);
    batch->has_copy = true;
    batch->copy_generation = copy.copy_generation;
    batch->copy_from = copy.copy_from;
    batch->copy_to = copy.copy_to;
    batch->copy_history_first = live->last > 20 ? live->last - 20 : 1;
    batch->copy = copy.copy;
    batch->copy_count = copy.copy_count;
    memcpy(batch->state_hash, copy.state_hash, sizeof batch->state_hash);
    memcpy(run->state_hash, copy.state_hash, sizeof run->state_hash);
}

static void add_chunk(struct run *run, struct log_batch *batch)
{
    struct arena *arena = &run->fixture->arena;
    const struct log_receiving *receiving = &run->fixture->log->live.receiving;
    char key[16];
    bool begins = receiving->snapshot_id == 0;
    if (begins && !run->fixture->log->live.inactive_empty) {
        batch->clear_inactive = true;
        return;
    }
    if (begins) run->incoming = (struct log_fixture_state){ .change_count = 0 };
    (void)snprintf(key, sizeof key, "key-%u", (unsigned)(receiving->offset / 10));
    run->incoming.change_count = 0;
    log_fixture_put(run->fixture, &run->incoming, key, "of a snapshot");
    struct log_chunk *chunk = arena_alloc(arena, sizeof *chunk);
    *chunk = (struct log_chunk){ .snapshot_id = begins ? 1 + draw(run, 1000) : receiving->snapshot_id,
                                 .from = receiving->offset,
                                 .to = receiving->offset + 10,
                                 .note = "note",
                                 .note_size = 4,
                                 .record_count = 1 };
    chunk->records = arena_memdup(arena, run->incoming.changes, sizeof run->incoming.changes[0]);
    batch->chunk = chunk;
}

static void add_install(struct run *run, struct log_batch *batch)
{
    struct log_fixture *fixture = run->fixture;
    static const replica_id voters[] = { 1, 2, 3 };
    const struct log_live *live = &fixture->log->live;
    if (live->receiving.offset < 20) return;
    struct log_install *install = arena_alloc(&fixture->arena, sizeof *install);
    struct raft_entry configuration =
        log_fixture_configuration(fixture, live->last + 4, run->hard.term, voters, 3);
    *install = (struct log_install){ .snapshot_id = live->receiving.snapshot_id,
                                     .position = { live->last + 5, run->hard.term, run->seed },
                                     .configuration_index = live->last + 4,
                                     .configuration = configuration.payload };
    record_hash_bytes(&run->incoming.hash, install->state_hash);
    memcpy(run->state_hash, install->state_hash, sizeof run->state_hash);
    batch->install = install;
    fixture->state = run->incoming;
    fixture->state.change_count = 0;
}

/* What was written comes to where it belongs; nothing else changes. */
static void settle(struct run *run)
{
    struct error error;
    struct log *log = run->fixture->log;
    if (log->live.unsettled) assert_int_equal(log->ops->settle(log, &error), STATUS_OK);
    note_state(run);
}

static void take_step(struct run *run)
{
    const struct log_live *live = &run->fixture->log->live;
    struct log_batch batch = { .truncate_from = 0 };
    log_index from = live->last + 1;
    uint64_t kind = draw(run, 14);
    if (kind == 7) {
        settle(run);
        return;
    }
    if (draw(run, 3) == 0) {
        run->hard = (struct hard_state){ run->hard.term + 1, draw(run, 2) };
        batch.hard = &run->hard;
    }
    if (kind == 0) add_install(run, &batch);
    if (kind == 1) add_truncation(run, &batch, &from);
    if (kind == 2 || kind == 3) add_copy(run, &batch);
    if (kind == 4 || kind == 5) add_chunk(run, &batch);
    if (kind == 6) batch.compact_to = live->applied.index;
    struct raft_entry *entries = NULL;
    if (batch.install == NULL && (kind > 7 || draw(run, 3) > 0)) entries = add_entries(run, &batch, from);
    log_fixture_write_ok(run->fixture, &batch);
    for (uint32_t i = 0; i < batch.entry_count; i++) {
        bytes_unref(&entries[i].payload);
    }
    if (batch.install != NULL) {
        struct bytes *configuration = batch.install->configuration;
        bytes_unref(&configuration);
    }
    note_state(run);
}

static void read_whole(const char *path, struct crash_disk *disk, uint32_t file)
{
    struct stat entry;
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &entry), 0);
    uint8_t *data = memory_alloc((size_t)entry.st_size + 1);
    assert_int_equal(read(fd, data, (size_t)entry.st_size), entry.st_size);
    crash_disk_begin(disk, file, data, (size_t)entry.st_size);
    recorded[file] = entry.st_ino;
    memory_free(data);
    (void)close(fd);
}

static struct crash_disk *record(struct run *run)
{
    struct crash_disk *disk = crash_disk_create();
    run->hard = (struct hard_state){ 1, 0 };
    log_fixture_write_ok(run->fixture, &(struct log_batch){ .hard = &run->hard });
    for (uint32_t i = 0; i < CRASH_FILES; i++) {
        const char *path = log_fixture_path(run->fixture, names[i]);
        if (access(path, F_OK) == 0) read_whole(path, disk, i);
        else recorded[i] = 0;
    }
    note_state(run);
    recording = disk;
    for (uint32_t i = 0; i < STEPS; i++) {
        take_step(run);
        crash_disk_step(disk);
    }
    recording = NULL;
    log_fixture_close(run->fixture);
    return disk;
}

/* --- judging -------------------------------------------------------------------------------------------- */

static bool hard_equal(const struct hard_state *a, const struct hard_state *b)
{
    return a->term == b->term && a->vote == b->vote;
}

static bool is_state(const struct log_boot *boot, const struct state_after *state)
{
    return boot->last.index == state->last.index && boot->last.chain == state->last.chain &&
           boot->base.index == state->base.index && boot->base.chain == state->base.chain &&
           boot->applied.index == state->applied && boot->generation == state->generation &&
           boot->receiving.snapshot_id == state->receiving.snapshot_id &&
           boot->receiving.offset == state->receiving.offset &&
           memcmp(boot->state_hash, state->state_hash, sizeof state->state_hash) == 0;
}

/* All of one state that was written: the acknowledged one, or the one on its way; its term and vote may be
 * ahead of it by a step, because the guard goes first (D5). */
static bool judge(const struct run *run, uint32_t steps)
{
    const struct log_boot *boot = &run->fixture->log->boot;
    if (boot->doubt_reason[0] != '\0' || boot->copy_state != LOG_COPY_SOUND) return false;
    for (uint32_t k = steps; k <= steps + 1 && k < run->count; k++) {
        bool guard_ahead =
            k == steps && k + 1 < run->count && hard_equal(&boot->hard, &run->after[k + 1].hard);
        bool hard = guard_ahead || hard_equal(&boot->hard, &run->after[k].hard);
        if (hard && is_state(boot, &run->after[k])) return true;
    }
    return false;
}

static void say_difference(const struct run *run, uint32_t steps)
{
    const struct log_boot *boot = &run->fixture->log->boot;
    const struct state_after *after = &run->after[steps];
    print_error(
        "after %u steps: last %llu (%llu) base %llu (%llu) applied %llu (%llu) term %llu (%llu) doubt \"%s\" "
        "warning \"%s\"\n",
        steps, (unsigned long long)boot->last.index, (unsigned long long)after->last.index,
        (unsigned long long)boot->base.index, (unsigned long long)after->base.index,
        (unsigned long long)boot->applied.index, (unsigned long long)after->applied,
        (unsigned long long)boot->hard.term, (unsigned long long)after->hard.term, boot->doubt_reason,
        boot->warning);
}

static void put_file(struct log_fixture *fixture, const char *name, const uint8_t *data, size_t size)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", fixture->directory, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, size), size);
    (void)close(fd);
}

/* It can be written again, too: what LMDB takes for free is free. */
static void write_on(struct run *run)
{
    struct log_fixture *fixture = run->fixture;
    log_index last = fixture->log->boot.last.index;
    log_term term = fixture->log->boot.last.term > 0 ? fixture->log->boot.last.term : 1;
    fixture->chain = fixture->log->boot.last.chain;
    for (log_index i = 1; i <= 5; i++) {
        log_fixture_append(fixture, last + i, 1, term);
    }
    log_fixture_reopen(fixture);
    assert_int_equal(fixture->log->boot.last.index, last + 5);
    assert_string_equal(fixture->log->boot.doubt_reason, "");
}

struct tally {
    uint32_t images;
    uint32_t with_losses; /* Had sectors that could be lost. */
    uint32_t wrong;
};

static void open_image(struct run *run, const struct crash_disk *disk, uint32_t point, uint64_t seed,
                       struct tally *tally)
{
    struct crash_image image = crash_disk_image(disk, point, seed);
    for (uint32_t i = 0; i < CRASH_FILES; i++) {
        if (image.data[i] != NULL) put_file(run->fixture, names[i], image.data[i], image.size[i]);
    }
    log_fixture_open(run->fixture);
    bool good = judge(run, image.steps);
    tally->images++;
    if (image.pending > 0) tally->with_losses++;
    if (!good) tally->wrong++;
    if (!good && !disk_lies) say_difference(run, image.steps);
    if (good && !disk_lies && seed % WRITE_AFTER_EACH == 0) write_on(run);
    log_fixture_close(run->fixture);
    (void)unlink(log_fixture_path(run->fixture, "retired"));
    crash_image_fini(&image);
}

/* One run, and images of it. */
static void try_run(uint64_t seed, uint32_t images, struct tally *tally)
{
    void *fixture = NULL;
    (void)(seed % 4 == 0 ? log_fixture_lmdb(&fixture) : log_fixture_journal(&fixture));
    struct run *run = memory_zalloc(sizeof *run);
    run->fixture = fixture;
    run->seed = seed;
    struct crash_disk *disk = record(run);
    uint32_t points = crash_disk_points(disk);
    assert_true(points > STEPS);
    for (uint32_t i = 0; i < images; i++) {
        uint32_t point = (uint32_t)(hash64_mix(seed, i) % (points + 1));
        open_image(run, disk, point, seed * IMAGES_PER_RUN + i, tally);
    }
    crash_disk_destroy(&disk);
    memory_free(run);
    (void)log_fixture_free(&fixture);
}

static uint32_t images_wanted(void)
{
    const char *text = getenv("AETHER_IMAGES");
    return text == NULL ? IMAGES_DEFAULT : (uint32_t)strtoul(text, NULL, 10);
}

static void every_image_opens_with_what_was_acknowledged(void **state)
{
    (void)state;
    uint32_t wanted = images_wanted();
    struct tally tally = { 0, 0, 0 };
    for (uint64_t seed = 1; tally.images < wanted; seed++) {
        uint32_t left = wanted - tally.images;
        try_run(seed, left < IMAGES_PER_RUN ? left : IMAGES_PER_RUN, &tally);
        if (tally.wrong > 0)
            fail_msg("%u images of seed %llu are wrong", tally.wrong, (unsigned long long)seed);
    }
    print_message("%u images, %u of them with sectors that could be lost\n", tally.images, tally.with_losses);
    assert_true(tally.with_losses > wanted / 3); /* Else this shows nothing. */
}

static void a_disk_that_lies_is_found_out(void **state) /* The check bites. */
{
    (void)state;
    struct tally tally = { 0, 0, 0 };
    disk_lies = true;
    try_run(1, 60, &tally);
    disk_lies = false;
    assert_true(tally.wrong > 20);
}

/* --- calls that fail ------------------------------------------------------------------------------------ */

static void listen_to(struct log_fixture *fixture, struct crash_disk *disk)
{
    for (uint32_t i = 0; i < CRASH_FILES; i++) {
        read_whole(log_fixture_path(fixture, names[i]), disk, i);
    }
    recording = disk;
}

/* The first call that fails is the last one that is made: a sync that is tried again may say OK and have lost
 * what it was for. */
static void fail_once(struct log_fixture *fixture, int file, const struct log_batch *batch)
{
    struct error error;
    struct crash_disk *disk = crash_disk_create();
    listen_to(fixture, disk);
    write_to_fail = file;
    failed_calls = 0;
    assert_int_equal(log_fixture_write(fixture, batch, &error), STATUS_IO);
    assert_int_equal(failed_calls, 1);
    write_to_fail = -1;
    uint32_t points = crash_disk_points(disk);
    assert_int_equal(log_fixture_write(fixture, batch, &error), STATUS_IO); /* For ever. */
    assert_int_equal(fixture->log->ops->settle(fixture->log, &error), STATUS_IO);
    assert_int_equal(crash_disk_points(disk), points); /* And nothing was tried. */
    recording = NULL;
    crash_disk_destroy(&disk);
}

static void a_failed_write_is_the_last_one(void **state) /* F1, FLT13, mutant 53 */
{
    (void)state;
    for (int file = 0; file < CRASH_FILES; file++) {
        void *context = NULL;
        (void)log_fixture_journal(&context);
        struct log_fixture *fixture = context;
        struct hard_state hard = { 1, 2 };
        struct hard_state later = { 2, 3 };
        log_fixture_write_ok(fixture, &(struct log_batch){ .hard = &hard });
        log_fixture_append(fixture, 1, 5, 1);
        uint64_t chain = fixture->chain;
        struct raft_entry entry = log_fixture_entry(fixture, 6, 2, ENTRY_COMMAND, "never acknowledged");
        struct log_batch batch = { .hard = &later, .entries = &entry, .entry_count = 1 };
        if (file == 0) batch.copy_damaged = true; /* That takes a transaction. */
        fail_once(fixture, file, &batch);
        bytes_unref(&entry.payload);
        log_fixture_reopen(fixture); /* What the process's restart finds. */
        assert_string_equal(fixture->log->boot.doubt_reason, "");
        assert_int_equal(fixture->log->boot.last.index, 5);
        assert_int_equal(fixture->log->boot.last.chain, chain);
        assert_int_equal(fixture->log->boot.hard.term, file == 1 ? 1 : 2); /* D5: the guard goes first. */
        (void)log_fixture_free(&context);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failed_write_is_the_last_one),
        cmocka_unit_test(every_image_opens_with_what_was_acknowledged),
        cmocka_unit_test(a_disk_that_lies_is_found_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
