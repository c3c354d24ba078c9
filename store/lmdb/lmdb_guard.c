/* lmdb_guard: see the header. A slot: u32 magic, u32 format, u64 sequence, u64 cluster id, u64 replica id,
 * u64 term, u64 vote, u32 crc32c of all before, zeros up to SLOT_SIZE (a sector: written whole or not). */
#include "store/lmdb/lmdb_guard.h"

#include "runtime/base/hash.h"
#include "store/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { SLOT_SIZE = 512, SLOT_COUNT = 2, SLOT_FIELDS_SIZE = 4 + 4 + 8 * 5, FORMAT = 1 };
static const uint32_t MAGIC = UINT32_C(0x44524741); /* "AGRD" */

static void slot_pack(uint8_t slot[SLOT_SIZE], uint64_t sequence, const struct lmdb_guard_state *state)
{
    memset(slot, 0, SLOT_SIZE);
    struct pack_writer writer = { slot, SLOT_SIZE };
    pack_u32(&writer, MAGIC);
    pack_u32(&writer, FORMAT);
    pack_u64(&writer, sequence);
    pack_u64(&writer, state->identity.cluster_id);
    pack_u64(&writer, state->identity.replica_id);
    pack_u64(&writer, state->hard.term);
    pack_u64(&writer, state->hard.vote);
    pack_u32(&writer, crc32c(0, slot, SLOT_FIELDS_SIZE));
}

/* The sequence; 0: not valid. */
static uint64_t slot_unpack(const uint8_t slot[SLOT_SIZE], struct lmdb_guard_state *out_state)
{
    struct pack_reader reader = { .at = slot, .left = SLOT_SIZE };
    bool ours = unpack_u32(&reader) == MAGIC;
    bool known = unpack_u32(&reader) == FORMAT;
    uint64_t sequence = unpack_u64(&reader);
    out_state->identity.cluster_id = unpack_u64(&reader);
    out_state->identity.replica_id = unpack_u64(&reader);
    out_state->hard.term = unpack_u64(&reader);
    out_state->hard.vote = unpack_u64(&reader);
    bool sound = unpack_u32(&reader) == crc32c(0, slot, SLOT_FIELDS_SIZE);
    return ours && known && sound ? sequence : 0;
}

uint64_t lmdb_guard_unpack(const void *data, size_t size, struct lmdb_guard_state *out_state)
{
    const uint8_t *slots = data;
    uint64_t newest = 0;
    for (size_t at = 0; at + SLOT_SIZE <= size && at < (size_t)SLOT_COUNT * SLOT_SIZE; at += SLOT_SIZE) {
        struct lmdb_guard_state state;
        uint64_t sequence = slot_unpack(slots + at, &state);
        if (sequence <= newest) continue;
        newest = sequence;
        *out_state = state;
    }
    return newest;
}

enum status lmdb_guard_open(struct lmdb_guard *guard, const char *file, bool writes, struct error *error)
{
    uint8_t slots[SLOT_COUNT * SLOT_SIZE];
    int flags = writes ? O_RDWR | O_CREAT : O_RDONLY;
    *guard = (struct lmdb_guard){ .fd = open(file, flags | O_CLOEXEC, 0600) };
    if (guard->fd < 0 && errno == ENOENT && !writes) return STATUS_OK;
    if (guard->fd < 0) return error_set(error, STATUS_IO, "open %s: %s", file, strerror(errno));
    ssize_t got = pread(guard->fd, slots, sizeof slots, 0);
    if (got < 0) {
        int reason = errno;
        lmdb_guard_close(guard);
        return error_set(error, STATUS_IO, "read %s: %s", file, strerror(reason));
    }
    guard->sequence = lmdb_guard_unpack(slots, (size_t)got, &guard->state);
    return STATUS_OK;
}

enum status lmdb_guard_write(struct lmdb_guard *guard, const struct lmdb_guard_state *state,
                             struct error *error)
{
    uint8_t slot[SLOT_SIZE];
    uint64_t sequence = guard->sequence + 1;
    slot_pack(slot, sequence, state);
    off_t offset = (off_t)(sequence % SLOT_COUNT) * SLOT_SIZE;
    ssize_t put = pwrite(guard->fd, slot, sizeof slot, offset);
    if (put != (ssize_t)sizeof slot) {
        return error_set(error, STATUS_IO, "write the guard: %s", put < 0 ? strerror(errno) : "cut short");
    }
    if (fdatasync(guard->fd) != 0) return error_set(error, STATUS_IO, "sync the guard: %s", strerror(errno));
    guard->sequence = sequence;
    guard->state = *state;
    return STATUS_OK;
}

void lmdb_guard_close(struct lmdb_guard *guard)
{
    if (guard->fd >= 0) (void)close(guard->fd);
    guard->fd = -1;
}
