/* park: see the header. Private futexes; a relative timeout, so no clock is read here. */
#include "runtime/park.h"

#include <limits.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

struct futex_timeout { /* As the kernel's struct timespec on 64-bit machines. */
    int64_t seconds;
    int64_t nanoseconds;
};

void park_wait(uint32_t *word, uint32_t expected, int64_t timeout_ns)
{
    struct futex_timeout timeout = { timeout_ns / 1000000000, timeout_ns % 1000000000 };
    (void)syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, timeout_ns < 0 ? NULL : &timeout, NULL, 0);
}

static void wake(uint32_t *word, int count)
{
    (void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

void park_wake_one(uint32_t *word)
{
    wake(word, 1);
}

void park_wake_all(uint32_t *word)
{
    wake(word, INT_MAX);
}
