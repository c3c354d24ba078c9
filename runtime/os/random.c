/* random: getrandom(2), which blocks only before the kernel has gathered its first entropy. */
#include "runtime/os/random.h"

#include "runtime/base/check.h"

#include <errno.h>
#include <sys/random.h>

static void fill(void *context, void *buffer, size_t size)
{
    (void)context;
    char *at = buffer;
    while (size > 0) {
        ssize_t count = getrandom(at, size, 0);
        if (count < 0 && errno == EINTR) continue;
        CHECK(count > 0); /* Nothing may go on with guessable keys. */
        at += count;
        size -= (size_t)count;
    }
}

const struct random random_os = { .fill = fill };
