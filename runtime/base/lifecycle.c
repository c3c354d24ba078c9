/* lifecycle: see the header. */
#include "runtime/base/lifecycle.h"

#include "runtime/base/check.h"

#include <string.h>

bool lifecycle_allows(const struct lifecycle *lifecycle, uint32_t from, uint32_t to)
{
    CHECK(from < lifecycle->count);
    return to < lifecycle->count && (lifecycle->states[from].moves & LIFECYCLE_TO(to)) != 0;
}

const char *lifecycle_name(const struct lifecycle *lifecycle, uint32_t state)
{
    CHECK(state < lifecycle->count);
    return lifecycle->states[state].name;
}

uint32_t lifecycle_from_name(const struct lifecycle *lifecycle, const char *name)
{
    uint32_t state = 0;
    while (state < lifecycle->count && strcmp(lifecycle->states[state].name, name) != 0) {
        state++;
    }
    return state;
}

static uint32_t reachable(const struct lifecycle *lifecycle)
{
    uint32_t reached = LIFECYCLE_TO(0);
    for (uint32_t before = 0; before != reached;) {
        before = reached;
        for (uint32_t state = 0; state < lifecycle->count; state++) {
            if ((before & LIFECYCLE_TO(state)) != 0) reached |= lifecycle->states[state].moves;
        }
    }
    return reached;
}

void lifecycle_check(const struct lifecycle *lifecycle)
{
    CHECK(lifecycle->count > 0);
    CHECK(lifecycle->count <= LIFECYCLE_STATES_MAX);
    uint32_t all = (uint32_t)((UINT64_C(1) << lifecycle->count) - 1);
    for (uint32_t state = 0; state < lifecycle->count; state++) {
        const struct lifecycle_state *row = &lifecycle->states[state];
        CHECK(row->name != NULL);
        CHECK(lifecycle_from_name(lifecycle, row->name) == state);
        CHECK((row->moves & ~all) == 0);
        CHECK((row->moves & LIFECYCLE_TO(state)) == 0);
    }
    CHECK(reachable(lifecycle) == all);
}
