/* journal_file: see the header. Its header block: u32 magic, u32 format, u64 journal id, u64 replica id, u64
 * segment size, u32 segments, u32 crc32c of all before. */
#include "store/lmdb/journal_file.h"

#include "runtime/base/failpoint.h"
#include "runtime/base/hash.h"
#include "runtime/base/memory.h"
#include "store/lmdb/lmdb_line.h"
#include "store/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_SIZE = 4096, HEADER_FIELDS = 4 + 4 + 8 * 3 + 4, FORMAT = 1 };
enum { SLICE = 256 * 1024, SEGMENT_MAX = 1024 * 1024 * 1024 };
static const uint32_t MAGIC = UINT32_C(0x4E524A41); /* "AJRN" */

static bool path_of(const char *store, const char *name, char path[PATH_SIZE])
{
    int length = snprintf(path, PATH_SIZE, "%s/%s", store, name);
    return length > 0 && length < PATH_SIZE;
}

uint8_t *journal_file_buffer(size_t size)
{
    return memory_aligned_array(JOURNAL_BLOCK, size / JOURNAL_BLOCK, JOURNAL_BLOCK);
}

/* Not every file system can be written past the page cache (tmpfs). */
static int open_through(const char *path, int flags)
{
    int fd = open(path, flags | O_DSYNC | O_DIRECT | O_CLOEXEC, 0600);
    return fd >= 0 || errno != EINVAL ? fd : open(path, flags | O_DSYNC | O_CLOEXEC, 0600);
}

static enum status write_at(int fd, uint64_t offset, const uint8_t *data, size_t size, struct error *error)
{
    ssize_t put = pwrite(fd, data, size, (off_t)offset);
    if (put == (ssize_t)size) return STATUS_OK;
    return error_set(error, STATUS_IO, "write the journal: %s", put < 0 ? strerror(errno) : "cut short");
}

/* --- making --------------------------------------------------------------------------------------------- */

static uint64_t whole_size(const struct journal_file *file)
{
    return JOURNAL_BLOCK + (uint64_t)JOURNAL_SEGMENTS * file->segment_size;
}

enum status journal_file_make(const char *store, const struct journal_file *file,
                              struct journal_making *making, struct error *error)
{
    char path[PATH_SIZE];
    if (!path_of(store, "journal.new", path)) return error_set(error, STATUS_IO, "the path is too long");
    *making = (struct journal_making){ .fd = open_through(path, O_RDWR | O_CREAT | O_TRUNC) };
    if (making->fd < 0) return error_set(error, STATUS_IO, "make %s: %s", path, strerror(errno));
    if (fallocate(making->fd, 0, 0, (off_t)whole_size(file)) == 0) return STATUS_OK;
    enum status status = error_set(error, STATUS_IO, "take room for %s: %s", path, strerror(errno));
    journal_file_give_up(store, making);
    return status;
}

static enum status write_header(const struct journal_file *file, int fd, struct error *error)
{
    uint8_t *block = journal_file_buffer(JOURNAL_BLOCK);
    struct pack_writer writer = { block, JOURNAL_BLOCK };
    pack_u32(&writer, MAGIC);
    pack_u32(&writer, FORMAT);
    pack_u64(&writer, file->journal);
    pack_u64(&writer, file->replica);
    pack_u64(&writer, file->segment_size);
    pack_u32(&writer, JOURNAL_SEGMENTS);
    pack_u32(&writer, crc32c(0, block, HEADER_FIELDS));
    enum status status = write_at(fd, 0, block, JOURNAL_BLOCK, error);
    memory_free(block);
    return status;
}

/* All zeros are written: the sizes of everything are durable, and then the name is. */
static enum status finish(const char *store, const struct journal_file *file, int fd, struct error *error)
{
    char from[PATH_SIZE];
    char to[PATH_SIZE];
    if (!path_of(store, "journal.new", from) || !path_of(store, "journal", to)) {
        return error_set(error, STATUS_IO, "the path is too long");
    }
    enum status status = write_header(file, fd, error);
    if (status == STATUS_OK && fsync(fd) != 0) {
        status = error_set(error, STATUS_IO, "sync %s: %s", from, strerror(errno));
    }
    if (status != STATUS_OK) return status;
    FAILPOINT("journal.made");
    if (rename(from, to) != 0) return error_set(error, STATUS_IO, "rename %s: %s", from, strerror(errno));
    return lmdb_line_sync_directory(store, error);
}

static enum status write_zeros(const struct journal_file *file, struct journal_making *making,
                               struct error *error)
{
    uint64_t left = whole_size(file) - making->blank;
    size_t size = left < SLICE ? (size_t)left : SLICE;
    uint8_t *zeros = journal_file_buffer(size);
    enum status status = write_at(making->fd, making->blank, zeros, size, error);
    memory_free(zeros);
    making->blank += size;
    return status;
}

enum status journal_file_make_more(const char *store, const struct journal_file *file,
                                   struct journal_making *making, bool *out_done, struct error *error)
{
    *out_done = making->blank == whole_size(file);
    enum status status =
        *out_done ? finish(store, file, making->fd, error) : write_zeros(file, making, error);
    if (status != STATUS_OK) journal_file_give_up(store, making);
    if (status == STATUS_OK && *out_done) {
        (void)close(making->fd);
        making->fd = -1;
    }
    return status;
}

void journal_file_give_up(const char *store, struct journal_making *making)
{
    char path[PATH_SIZE];
    if (making->fd < 0) return;
    (void)close(making->fd);
    making->fd = -1;
    if (path_of(store, "journal.new", path)) (void)unlink(path);
}

/* --- using ---------------------------------------------------------------------------------------------- */

bool journal_file_parse(const uint8_t *header, size_t size, struct journal_file *out_file)
{
    struct pack_reader reader = { .at = header, .left = size };
    bool ours = unpack_u32(&reader) == MAGIC;
    bool known = unpack_u32(&reader) == FORMAT;
    out_file->journal = unpack_u64(&reader);
    out_file->replica = unpack_u64(&reader);
    uint64_t segment = unpack_u64(&reader);
    bool segments = unpack_u32(&reader) == JOURNAL_SEGMENTS;
    uint32_t crc = unpack_u32(&reader);
    if (reader.failed || !ours || !known || !segments || crc != crc32c(0, header, HEADER_FIELDS))
        return false;
    out_file->segment_size = (size_t)segment;
    return segment >= JOURNAL_BLOCK && segment <= SEGMENT_MAX && segment % JOURNAL_BLOCK == 0;
}

static enum status check_header(const struct journal_file *wanted, struct journal_file *file,
                                struct error *error)
{
    struct stat entry;
    uint8_t *block = journal_file_buffer(JOURNAL_BLOCK);
    ssize_t got = pread(file->fd, block, JOURNAL_BLOCK, 0);
    int reason = errno;
    bool parsed = got > 0 && journal_file_parse(block, (size_t)got, file);
    memory_free(block);
    if (got < 0) return error_set(error, STATUS_IO, "read the journal: %s", strerror(reason));
    if (!parsed) return error_set(error, STATUS_CORRUPT, "the journal's header is damaged");
    if (file->journal != wanted->journal || file->replica != wanted->replica) {
        return error_set(error, STATUS_CORRUPT, "the journal is not the one that the tables belong to");
    }
    if (fstat(file->fd, &entry) != 0) return error_set(error, STATUS_IO, "journal: %s", strerror(errno));
    if (entry.st_size == (off_t)whole_size(file)) return STATUS_OK;
    return error_set(error, STATUS_CORRUPT, "the journal has another size");
}

enum status journal_file_open(const char *store, bool writes, struct journal_file *file, struct error *error)
{
    char path[PATH_SIZE];
    struct journal_file wanted = *file;
    if (!path_of(store, "journal", path)) return error_set(error, STATUS_IO, "the path is too long");
    file->fd = writes ? open_through(path, O_RDWR) : open(path, O_RDONLY | O_CLOEXEC);
    if (file->fd < 0 && errno == ENOENT) return error_set(error, STATUS_CORRUPT, "the journal is missing");
    if (file->fd < 0) return error_set(error, STATUS_IO, "open %s: %s", path, strerror(errno));
    enum status status = check_header(&wanted, file, error);
    if (status != STATUS_OK) journal_file_close(file);
    return status;
}

enum status journal_file_read(const struct journal_file *file, uint8_t **out_segments, struct error *error)
{
    size_t size = JOURNAL_SEGMENTS * file->segment_size;
    uint8_t *segments = journal_file_buffer(size);
    size_t done = 0;
    while (done < size) {
        ssize_t got = pread(file->fd, segments + done, size - done, (off_t)(JOURNAL_BLOCK + done));
        if (got <= 0) {
            enum status status =
                error_set(error, STATUS_IO, "read the journal: %s", got < 0 ? strerror(errno) : "cut short");
            memory_free(segments);
            return status;
        }
        done += (size_t)got;
    }
    *out_segments = segments;
    return STATUS_OK;
}

enum status journal_file_sync(const struct journal_file *file, struct error *error)
{
    if (fdatasync(file->fd) == 0) return STATUS_OK;
    return error_set(error, STATUS_IO, "sync the journal: %s", strerror(errno));
}

enum status journal_file_write(const struct journal_file *file, uint64_t at, const uint8_t *data, size_t size,
                               struct error *error)
{
    return write_at(file->fd, JOURNAL_BLOCK + at, data, size, error);
}

void journal_file_close(struct journal_file *file)
{
    if (file->fd >= 0) (void)close(file->fd);
    file->fd = -1;
}
