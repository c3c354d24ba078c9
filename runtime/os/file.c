/* file: POSIX files. A rename is followed by an fsync of the folder: only then does it survive a power cut.
 */
#include "runtime/os/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum status fail(struct error *error, const char *what, const char *path)
{
    enum status status = STATUS_IO;
    int number = errno;
    if (number == ENOENT || number == ENOTDIR) status = STATUS_NOT_FOUND;
    if (number == EEXIST) status = STATUS_CONFLICT;
    return error_set(error, status, "%s %s: %s", what, path, strerror(number));
}

static enum status file_open(void *context, const char *path, enum file_mode mode, struct file *out_file,
                             struct error *error)
{
    (void)context;
    static const int flags_of[] = {
        [FILE_READ] = O_RDONLY,
        [FILE_CREATE] = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW,
        [FILE_APPEND] = O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW,
    };
    int descriptor;
    do {
        descriptor = open(path, flags_of[mode] | O_CLOEXEC, 0600);
    } while (descriptor < 0 && errno == EINTR);
    if (descriptor < 0) return fail(error, "open", path);
    out_file->descriptor = descriptor;
    return STATUS_OK;
}

static enum status file_read(void *context, const struct file *file, void *to, size_t size, size_t *out_size,
                             struct error *error)
{
    (void)context;
    ssize_t count;
    do {
        count = read(file->descriptor, to, size);
    } while (count < 0 && errno == EINTR);
    if (count < 0) return error_set(error, STATUS_IO, "read: %s", strerror(errno));
    *out_size = (size_t)count;
    return STATUS_OK;
}

static enum status file_read_at(void *context, const struct file *file, uint64_t offset, void *to,
                                size_t size, size_t *out_size, struct error *error)
{
    (void)context;
    size_t done = 0;
    while (done < size) {
        ssize_t count = pread(file->descriptor, (char *)to + done, size - done, (off_t)(offset + done));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return error_set(error, STATUS_IO, "read: %s", strerror(errno));
        if (count == 0) break;
        done += (size_t)count;
    }
    *out_size = done;
    return STATUS_OK;
}

static enum status file_write(void *context, const struct file *file, const void *data, size_t size,
                              struct error *error)
{
    (void)context;
    const char *at = data;
    while (size > 0) {
        ssize_t count = write(file->descriptor, at, size);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return error_set(error, STATUS_IO, "write: %s", strerror(errno));
        at += count;
        size -= (size_t)count;
    }
    return STATUS_OK;
}

static enum status file_sync(void *context, const struct file *file, struct error *error)
{
    (void)context;
    if (fsync(file->descriptor) == 0) return STATUS_OK;
    return error_set(error, STATUS_IO, "fsync: %s", strerror(errno));
}

static void file_close(void *context, struct file *file)
{
    (void)context;
    (void)close(file->descriptor);
    file->descriptor = -1;
}

static enum status file_size(void *context, const char *path, uint64_t *out_size, struct error *error)
{
    (void)context;
    struct stat status;
    if (stat(path, &status) != 0) return fail(error, "look at", path);
    *out_size = (uint64_t)status.st_size;
    return STATUS_OK;
}

static enum status file_protect(void *context, const char *path, struct error *error)
{
    (void)context;
    return chmod(path, 0444) == 0 ? STATUS_OK : fail(error, "protect", path);
}

static enum status sync_folder_of(const char *path, struct error *error)
{
    char folder[PATH_MAX];
    int length = snprintf(folder, sizeof folder, "%s", path);
    if (length < 0 || (size_t)length >= sizeof folder)
        return error_set(error, STATUS_INVALID, "path too long");
    char *slash = strrchr(folder, '/');
    if (slash == NULL) return error_set(error, STATUS_INVALID, "%s is not an absolute path", path);
    slash[slash == folder ? 1 : 0] = '\0';
    int descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) return fail(error, "open", folder);
    enum status status = fsync(descriptor) == 0 ? STATUS_OK : fail(error, "fsync", folder);
    (void)close(descriptor);
    return status;
}

static enum status file_rename(void *context, const char *from, const char *to, struct error *error)
{
    (void)context;
    if (rename(from, to) != 0) return fail(error, "rename to", to);
    return sync_folder_of(to, error);
}

static enum status file_remove(void *context, const char *path, struct error *error)
{
    (void)context;
    if (unlink(path) == 0 || errno == ENOENT) return STATUS_OK;
    return fail(error, "remove", path);
}

static enum status file_make_folder(void *context, const char *path, struct error *error)
{
    (void)context;
    char part[PATH_MAX];
    int length = snprintf(part, sizeof part, "%s", path);
    if (length < 0 || (size_t)length >= sizeof part) return error_set(error, STATUS_INVALID, "path too long");
    for (char *slash = strchr(part + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(part, 0700) != 0 && errno != EEXIST) return fail(error, "make folder", part);
        *slash = '/';
    }
    if (mkdir(part, 0700) == 0 || errno == EEXIST) return STATUS_OK;
    return fail(error, "make folder", part);
}

static enum status file_list(void *context, const char *folder, file_visit *visit, void *visit_context,
                             struct error *error)
{
    (void)context;
    DIR *stream = opendir(folder);
    if (stream == NULL) return fail(error, "list", folder);
    for (const struct dirent *entry; (entry = readdir(stream)) != NULL;) {
        struct stat status;
        if (fstatat(dirfd(stream), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) continue;
        if (!S_ISREG(status.st_mode)) continue;
        visit(visit_context,
              &(struct file_entry){
                  .name = entry->d_name,
                  .size_bytes = (uint64_t)status.st_size,
                  .modified_ns = (int64_t)status.st_mtim.tv_sec * 1000000000 + status.st_mtim.tv_nsec,
              });
    }
    (void)closedir(stream);
    return STATUS_OK;
}

static enum status file_touch(void *context, const char *path, struct error *error)
{
    (void)context;
    return utimensat(AT_FDCWD, path, NULL, 0) == 0 ? STATUS_OK : fail(error, "touch", path);
}

const struct file_port file_os = {
    .open = file_open,
    .read = file_read,
    .read_at = file_read_at,
    .write = file_write,
    .sync = file_sync,
    .close = file_close,
    .size = file_size,
    .protect = file_protect,
    .rename = file_rename,
    .remove = file_remove,
    .make_folder = file_make_folder,
    .list = file_list,
    .touch = file_touch,
};
