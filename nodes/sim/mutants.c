/* mutants: two lists as one. Those that the linker gathered are put in order by name. */
#include "nodes/sim/mutants.h"

#include "runtime/base/check.h"
#include "runtime/base/planted.h"

#include <string.h>

/* The actor runtime's own are found by its model (tests/unit/runtime/stepper_test.c), not by whole nodes. */
static bool is_runtimes(const char *name)
{
    return strncmp(name, "runtime.", 8) == 0;
}

/* The first name after `name` in the order of names; NULL: none. */
static const char *planted_after(const char *name)
{
    uint32_t count = 0;
    const struct planted *bugs = planted_all(&count);
    const char *next = NULL;
    for (uint32_t i = 0; i < count; i++) {
        bool is_after = strcmp(bugs[i].name, name) > 0 && !is_runtimes(bugs[i].name);
        if (is_after && (next == NULL || strcmp(bugs[i].name, next) < 0)) next = bugs[i].name;
    }
    return next;
}

static const struct core_mutant_row *core_rows(uint32_t *out_count)
{
    const struct core_mutant_row *rows = core_mutant_all(out_count);
    if (AETHER_MUTANTS == 0) *out_count = 0;
    return rows;
}

uint32_t mutants_count(void)
{
    uint32_t count = 0;
    (void)core_rows(&count);
    for (const char *name = planted_after(""); name != NULL; name = planted_after(name))
        count++;
    return count;
}

struct mutant mutants_at(uint32_t at)
{
    uint32_t count = 0;
    const struct core_mutant_row *rows = core_rows(&count);
    if (at < count) {
        return (struct mutant){ .name = rows[at].name, .text = rows[at].text, .core = rows[at].mutant };
    }
    const char *name = planted_after("");
    for (uint32_t i = count; i < at && name != NULL; i++)
        name = planted_after(name);
    CHECK(name != NULL);
    return (struct mutant){ .name = name, .text = "" };
}

bool mutants_find(const char *name, struct mutant *out_mutant)
{
    uint32_t count = mutants_count();
    for (uint32_t i = 0; i < count; i++) {
        struct mutant mutant = mutants_at(i);
        if (strcmp(mutant.name, name) != 0) continue;
        *out_mutant = mutant;
        return true;
    }
    return false;
}
