/* planted: the array that the linker made. */
#include "runtime/base/planted.h"

#include <stddef.h>
#include <string.h>

#if AETHER_MUTANTS
/* Weak: a program without a single planted bug has no such section. */
extern struct planted __start_aether_planted[] __attribute__((weak)); /* NOLINT: the linker's names. */
extern struct planted __stop_aether_planted[] __attribute__((weak));  /* NOLINT */

static struct planted *all(uint32_t *out_count)
{
    *out_count = (uint32_t)(__stop_aether_planted - __start_aether_planted);
    return __start_aether_planted;
}
#else
static struct planted *all(uint32_t *out_count)
{
    *out_count = 0;
    return NULL;
}
#endif

const struct planted *planted_all(uint32_t *out_count)
{
    return all(out_count);
}

bool planted_select(const char *name)
{
    uint32_t count = 0;
    struct planted *bugs = all(&count);
    bool wanted = name != NULL && name[0] != '\0';
    bool found = !wanted;
    for (uint32_t i = 0; i < count; i++) {
        bugs[i].on = wanted && strcmp(bugs[i].name, name) == 0;
        found = found || bugs[i].on;
    }
    return found;
}
