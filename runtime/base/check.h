/* check: a broken invariant is a bug. CHECK stays on in release builds: it prints and aborts the process, and
 * the log brings the node back. Input from outside is never CHECKed. */
#ifndef AETHER_RUNTIME_BASE_CHECK_H
#define AETHER_RUNTIME_BASE_CHECK_H

#include <stddef.h>

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (__builtin_expect(!(condition), 0)) check_failed(#condition, __FILE__, __LINE__);                 \
    } while (0)

#define ARRAY_COUNT(array)                  (sizeof(array) / sizeof((array)[0]))
#define CONTAINER_OF(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* Durations are int64_t nanoseconds everywhere. */
#define MICROSECONDS(n) (INT64_C(1000) * (n))
#define MILLISECONDS(n) (INT64_C(1000000) * (n))
#define SECONDS(n)      (INT64_C(1000000000) * (n))

_Noreturn void check_failed(const char *condition, const char *file, int line);
/* Called once with the text of a failed CHECK before the abort (the simulator prints its event there). */
void check_on_failure(void (*hook)(const char *text));

#endif
