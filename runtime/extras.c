/* extras: what few actors have, in a block of its own, so that an idle one stays small (see machine.h). */
#include "runtime/machine.h"

#include "runtime/base/memory.h"

struct extras *extras_make(struct actor *actor)
{
    if (actor->extras == NULL)
        __atomic_store_n(&actor->extras, memory_zalloc(sizeof *actor->extras), __ATOMIC_RELEASE);
    return actor->extras;
}

void extras_free(struct actor *actor)
{
    struct extras *extras = actor->extras;
    if (extras == NULL) return;
    actor->extras = NULL;
    memory_free(extras->label);
    memory_free(extras);
}
