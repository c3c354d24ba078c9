/* flaky_disk: a disk that fails once, for a real node: preloaded (LD_PRELOAD), it stands before the C
 * library's writes and syncs of files below FLAKY_BELOW. Each is as usual until the file FLAKY_ORDER appears,
 * whose word says what the next one meets; the file goes when that has happened.
 *
 *   write    EIO, and nothing is written            (FLT13)
 *   sync     EIO                                     (FLT13)
 *   astray   written 4096 bytes further on, and said to be well (FLT16)
 *
 * tests/integration/flaky_disk_test.py uses it. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum { ASTRAY_BYTES = 4096, PATH_SIZE = 512, WORD_SIZE = 16 };

static bool is_below(int fd, char path[PATH_SIZE])
{
    const char *below = getenv("FLAKY_BELOW");
    char name[64];
    (void)snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(name, path, PATH_SIZE - 1);
    if (below == NULL || size <= 0) return false;
    path[size] = '\0';
    bool is_made = size > 4 && strcmp(path + size - 4, ".new") == 0; /* Nothing is in it yet. */
    return !is_made && strncmp(path, below, strlen(below)) == 0;
}

/* It is ordered, and its turn has come: once. */
static bool meets(int fd, const char *deed)
{
    const char *order = getenv("FLAKY_ORDER");
    char word[WORD_SIZE] = "";
    int from = order == NULL ? -1 : open(order, O_RDONLY | O_CLOEXEC);
    if (from < 0) return false;
    ssize_t size = read(from, word, sizeof word - 1);
    (void)close(from);
    char path[PATH_SIZE];
    if (size <= 0 || strcmp(word, deed) != 0 || !is_below(fd, path) || unlink(order) != 0) return false;
    (void)fprintf(stderr, "flaky_disk: %s meets %s\n", path, deed);
    return true;
}

static void *next_named(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

static int fail(void)
{
    errno = EIO;
    return -1;
}

int fdatasync(int fd)
{
    int (*next)(int) = next_named("fdatasync");
    return meets(fd, "sync") ? fail() : next(fd);
}

int fsync(int fd)
{
    int (*next)(int) = next_named("fsync");
    return meets(fd, "sync") ? fail() : next(fd);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at)
{
    ssize_t (*next)(int, const void *, size_t, off64_t) = next_named("pwrite64");
    if (meets(fd, "write")) return fail();
    return next(fd, data, size, meets(fd, "astray") ? at + ASTRAY_BYTES : at);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at)
{
    return pwrite64(fd, data, size, at);
}

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t at)
{
    ssize_t (*next)(int, const struct iovec *, int, off64_t) = next_named("pwritev64");
    if (meets(fd, "write")) return fail();
    return next(fd, parts, count, meets(fd, "astray") ? at + ASTRAY_BYTES : at);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at)
{
    return pwritev64(fd, parts, count, at);
}
