/* lmdb_line: see the header. */
#include "store/lmdb/lmdb_line.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PATH_SIZE = 4096 };

static enum status path_of(char path[PATH_SIZE], const char *directory, const char *name, const char *suffix,
                           struct error *error)
{
    int length = snprintf(path, PATH_SIZE, "%s/%s%s", directory, name, suffix);
    if (length > 0 && length < PATH_SIZE) return STATUS_OK;
    return error_set(error, STATUS_INVALID, "the path of %s is too long", name);
}

enum status lmdb_line_read(const char *directory, const char *name, char line[LMDB_LINE_MAX],
                           struct error *error)
{
    char path[PATH_SIZE];
    line[0] = '\0';
    enum status status = path_of(path, directory, name, "", error);
    if (status != STATUS_OK) return status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) return error_set(error, STATUS_NOT_FOUND, "there is no %s", path);
    if (fd < 0) return error_set(error, STATUS_IO, "open %s: %s", path, strerror(errno));
    ssize_t got = read(fd, line, LMDB_LINE_MAX - 1);
    int reason = errno;
    (void)close(fd);
    if (got < 0) return error_set(error, STATUS_IO, "read %s: %s", path, strerror(reason));
    line[got] = '\0';
    line[strcspn(line, "\n")] = '\0';
    return STATUS_OK;
}

static enum status write_file(const char *path, const char *line, struct error *error)
{
    char text[LMDB_LINE_MAX + 1];
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return error_set(error, STATUS_IO, "open %s: %s", path, strerror(errno));
    ssize_t size = snprintf(text, sizeof text, "%.*s\n", LMDB_LINE_MAX - 2, line);
    bool good = write(fd, text, (size_t)size) == size && fsync(fd) == 0;
    int reason = errno;
    (void)close(fd);
    return good ? STATUS_OK : error_set(error, STATUS_IO, "write %s: %s", path, strerror(reason));
}

enum status lmdb_line_write(const char *directory, const char *name, const char *line, struct error *error)
{
    char path[PATH_SIZE];
    char fresh[PATH_SIZE];
    enum status status = path_of(path, directory, name, "", error);
    if (status == STATUS_OK) status = path_of(fresh, directory, name, ".new", error);
    if (status == STATUS_OK) status = write_file(fresh, line, error);
    if (status != STATUS_OK) return status;
    if (rename(fresh, path) != 0) return error_set(error, STATUS_IO, "rename %s: %s", fresh, strerror(errno));
    return lmdb_line_sync_directory(directory, error);
}

enum status lmdb_line_sync_directory(const char *directory, struct error *error)
{
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return error_set(error, STATUS_IO, "open %s: %s", directory, strerror(errno));
    int result = fsync(fd);
    int reason = errno;
    (void)close(fd);
    if (result == 0) return STATUS_OK;
    return error_set(error, STATUS_IO, "sync %s: %s", directory, strerror(reason));
}
