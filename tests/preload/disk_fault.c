/* disk_fault: a disk that fails below a real process, put in front of libc by LD_PRELOAD (FLT13, FLT16).
 * AETHER_DISK_FAULT=MODE:CALL:FILE:N: the N-th call of that name (pwrite, writev, fdatasync) on a
 * file of that name
 * - fail: answers EIO, and has done nothing; that once;
 * - lose: answers that it is done, and has done nothing; that once, and the third such call after it ends the
 *   process (SIGKILL);
 * - stray: answers that it is done, and has written 4,096 bytes further on; that once.
 * Each says so on stderr. Whatever the process still writes to that file after it failed is told too: nothing
 * may (F1: a sync that is tried again can say OK and have lost what it was for). */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { NAME_SIZE = 32, PATH_SIZE = 4096, CALLS_AFTER_LOSS = 3, STRAY_BYTES = 4096 };

enum verdict { VERDICT_PASS, VERDICT_FAIL, VERDICT_LOSE, VERDICT_STRAY };

static char mode[NAME_SIZE];
static char call[NAME_SIZE];
static char file[NAME_SIZE];
static long left;
static bool failed;
static long since_loss; /* Calls; 0: nothing was lost. */

__attribute__((constructor)) static void arm(void)
{
    const char *text = getenv("AETHER_DISK_FAULT");
    if (text == NULL || sscanf(text, "%31[^:]:%31[^:]:%31[^:]:%ld", mode, call, file, &left) != 4) left = 0;
}

static bool is_ours(int fd)
{
    char link[64];
    char path[PATH_SIZE];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return false;
    path[length] = '\0';
    const char *slash = strrchr(path, '/');
    return slash != NULL && strcmp(slash + 1, file) == 0;
}

static enum verdict wanted(void)
{
    if (strcmp(mode, "fail") == 0) return VERDICT_FAIL;
    return strcmp(mode, "stray") == 0 ? VERDICT_STRAY : VERDICT_LOSE;
}

/* What this call meets. One thread writes a store. */
static enum verdict meets(const char *name, int fd)
{
    if (file[0] == '\0' || !is_ours(fd)) return VERDICT_PASS;
    if (failed) (void)fprintf(stderr, "disk fault: %s of %s was called after it failed\n", name, file);
    if (strcmp(name, call) != 0) return VERDICT_PASS;
    if (since_loss > 0 && since_loss++ == CALLS_AFTER_LOSS) (void)kill(getpid(), SIGKILL);
    if (left <= 0 || --left > 0) return VERDICT_PASS;
    (void)fprintf(stderr, "disk fault: %s of %s\n", name, file);
    failed = wanted() == VERDICT_FAIL;
    since_loss = wanted() == VERDICT_LOSE ? 1 : 0;
    return wanted();
}

static ssize_t fail(void)
{
    errno = EIO;
    return -1;
}

/* POSIX has dlsym give functions as objects; ISO C wants them carried over like this. */
#define REAL(type, name, ...)                                                                                \
    static type (*real)(__VA_ARGS__);                                                                        \
    if (real == NULL) *(void **)&real = dlsym(RTLD_NEXT, name)

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
    REAL(ssize_t, "pwrite", int, const void *, size_t, off_t);
    enum verdict verdict = meets("pwrite", fd);
    if (verdict == VERDICT_FAIL) return fail();
    if (verdict == VERDICT_LOSE) return (ssize_t)size;
    return real(fd, data, size, verdict == VERDICT_STRAY ? offset + STRAY_BYTES : offset);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off_t offset)
{
    return pwrite(fd, data, size, offset);
}

static ssize_t size_of(const struct iovec *parts, int count)
{
    ssize_t size = 0;
    for (int i = 0; i < count; i++)
        size += (ssize_t)parts[i].iov_len;
    return size;
}

/* LMDB's, for pages that follow one another: it has moved to the first one's place. */
ssize_t writev(int fd, const struct iovec *parts, int count)
{
    REAL(ssize_t, "writev", int, const struct iovec *, int);
    enum verdict verdict = meets("writev", fd);
    if (verdict == VERDICT_FAIL) return fail();
    if (verdict == VERDICT_LOSE) return size_of(parts, count);
    if (verdict == VERDICT_STRAY) (void)lseek(fd, STRAY_BYTES, SEEK_CUR);
    return real(fd, parts, count);
}

int fdatasync(int fd)
{
    REAL(int, "fdatasync", int);
    enum verdict verdict = meets("fdatasync", fd);
    if (verdict == VERDICT_FAIL) return (int)fail();
    return verdict == VERDICT_LOSE ? 0 : real(fd);
}
