/* instance: the behaviors that run instances for real. */
#include "actors/slice/instance.h"

#include "actors/slice/slice_host.h"
#include "actors/slice/slice_inline.h"

const struct slice_backend slice_backend_real = {
    .isolated = &slice_host_behavior,
    .inlined = &slice_inline_behavior,
};
