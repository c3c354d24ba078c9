/* disk_fault: a disk that fails below a real process, put in front of libc by LD_PRELOAD (FLT13, FLT16).
 * AETHER_DISK_FAULT=MODE:CALL:FILE:N: the N-th call of that name (pwrite, fdatasync) on a file of that name
 * - fail: answers EIO, and has done nothing; that once;
 * - lose: answers that it is done, and has done nothing; that once, and the third such call after it ends the
 *   process (SIGKILL).
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
#include <unistd.h>

enum { NAME_SIZE = 32, PATH_SIZE = 4096, CALLS_AFTER_LOSS = 3 };

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

/* One thread writes a store. */
static bool strikes(const char *name, int fd)
{
    if (file[0] == '\0' || !is_ours(fd)) return false;
    if (failed) (void)fprintf(stderr, "disk fault: %s of %s was called after it failed\n", name, file);
    if (strcmp(name, call) != 0) return false;
    if (since_loss > 0 && since_loss++ == CALLS_AFTER_LOSS) (void)kill(getpid(), SIGKILL);
    if (left <= 0 || --left > 0) return false;
    (void)fprintf(stderr, "disk fault: %s of %s\n", name, file);
    failed = strcmp(mode, "fail") == 0;
    since_loss = failed ? 0 : 1;
    return true;
}

/* POSIX has dlsym give functions as objects; ISO C wants them carried over like this. */
#define REAL(name, ...)                                                                                      \
    static ssize_t (*real)(__VA_ARGS__);                                                                     \
    if (real == NULL) *(void **)&real = dlsym(RTLD_NEXT, name)

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
    REAL("pwrite", int, const void *, size_t, off_t);
    if (!strikes("pwrite", fd)) return real(fd, data, size, offset);
    if (!failed) return (ssize_t)size;
    errno = EIO;
    return -1;
}

ssize_t pwrite64(int fd, const void *data, size_t size, off_t offset)
{
    return pwrite(fd, data, size, offset);
}

int fdatasync(int fd)
{
    REAL("fdatasync", int);
    if (!strikes("fdatasync", fd)) return (int)real(fd);
    if (!failed) return 0;
    errno = EIO;
    return -1;
}
