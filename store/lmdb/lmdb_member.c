/* lmdb_member: see the header. One line of text: the cluster id in hex. */
#include "store/lmdb/lmdb_member.h"

#include "runtime/base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PATH_SIZE = 4096, ID_DIGITS = 16 };

static bool path_of(char path[PATH_SIZE], const char *directory, const char *name)
{
    int length = snprintf(path, PATH_SIZE, "%s/%s", directory, name);
    return length > 0 && length < PATH_SIZE;
}

static bool parse_id(const char text[ID_DIGITS + 1], uint64_t *out_id)
{
    uint8_t bytes[ID_DIGITS / 2];
    uint64_t id = 0;
    if (!text_from_hex(bytes, sizeof bytes, text)) return false;
    for (size_t i = 0; i < sizeof bytes; i++) {
        id = id << 8 | bytes[i];
    }
    *out_id = id;
    return id != 0;
}

enum status lmdb_member_read(const char *directory, uint64_t *out_cluster_id, struct error *error)
{
    char path[PATH_SIZE];
    if (!path_of(path, directory, "member")) return error_set(error, STATUS_INVALID, "the path is too long");
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    *out_cluster_id = 0;
    if (fd < 0 && errno == ENOENT) return STATUS_OK;
    if (fd < 0) return error_set(error, STATUS_IO, "open %s: %s", path, strerror(errno));
    char text[ID_DIGITS + 1] = "";
    ssize_t got = read(fd, text, ID_DIGITS);
    (void)close(fd);
    if (got < 0) return error_set(error, STATUS_IO, "read %s: %s", path, strerror(errno));
    if (got == ID_DIGITS && parse_id(text, out_cluster_id)) return STATUS_OK;
    return error_set(error, STATUS_CORRUPT, "%s names no cluster", path);
}

enum status lmdb_member_sync_directory(const char *directory, struct error *error)
{
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return error_set(error, STATUS_IO, "open %s: %s", directory, strerror(errno));
    int result = fsync(fd);
    int reason = errno;
    (void)close(fd);
    if (result == 0) return STATUS_OK;
    return error_set(error, STATUS_IO, "sync %s: %s", directory, strerror(reason));
}

static enum status write_file(const char *path, const char *text, struct error *error)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return error_set(error, STATUS_IO, "open %s: %s", path, strerror(errno));
    ssize_t size = (ssize_t)strlen(text);
    bool good = write(fd, text, (size_t)size) == size && fsync(fd) == 0;
    int reason = errno;
    (void)close(fd);
    return good ? STATUS_OK : error_set(error, STATUS_IO, "write %s: %s", path, strerror(reason));
}

enum status lmdb_member_write(const char *directory, uint64_t cluster_id, struct error *error)
{
    char path[PATH_SIZE];
    char fresh[PATH_SIZE];
    char text[ID_DIGITS + 2];
    bool fits = path_of(path, directory, "member") && path_of(fresh, directory, "member.new");
    if (!fits) return error_set(error, STATUS_INVALID, "the path is too long");
    (void)snprintf(text, sizeof text, "%016llx\n", (unsigned long long)cluster_id);
    enum status status = write_file(fresh, text, error);
    if (status != STATUS_OK) return status;
    if (rename(fresh, path) != 0) return error_set(error, STATUS_IO, "rename %s: %s", fresh, strerror(errno));
    return lmdb_member_sync_directory(directory, error);
}
