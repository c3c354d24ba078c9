/* failpoint: see the header. */
#include "runtime/base/failpoint.h"

#include <stddef.h>

static void (*listener)(const char *name);

void failpoint_on_reach(void (*hook)(const char *name))
{
    __atomic_store_n(&listener, hook, __ATOMIC_RELEASE);
}

void failpoint_reach(const char *name)
{
    void (*hook)(const char *) = __atomic_load_n(&listener, __ATOMIC_ACQUIRE);
    if (hook != NULL) hook(name);
}
