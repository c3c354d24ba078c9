/* mark: the array that the linker made. */
#include "runtime/base/mark.h"

#include <stddef.h>

#if AETHER_MUTANTS
/* Weak: a program without a single mark has no such section. */
extern struct mark __start_aether_marks[] __attribute__((weak)); /* NOLINT: the linker's names. */
extern struct mark __stop_aether_marks[] __attribute__((weak));  /* NOLINT */

const struct mark *mark_all(uint32_t *out_count)
{
    *out_count = (uint32_t)(__stop_aether_marks - __start_aether_marks);
    return __start_aether_marks;
}
#else
const struct mark *mark_all(uint32_t *out_count)
{
    *out_count = 0;
    return NULL;
}
#endif
