/* instance: the behaviors that run instances for real. */
#include "actors/slice/instance.h"

#include "actors/slice/shared_host.h"
#include "actors/slice/slice_guest.h"
#include "actors/slice/slice_host.h"
#include "actors/slice/slice_inline.h"

const struct slice_backend slice_backend_real = {
    .isolated = &slice_host_behavior,
    .inlined = &slice_inline_behavior,
    .shared = &shared_host_behavior,
    .guest = &slice_guest_behavior,
};
