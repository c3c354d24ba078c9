/* slice_descriptor: is this a slice, of our ABI, and the one that was asked for? (product.md section 3) Runs
 * in the process that mapped the object: a descriptor that lies about its pointers ends that process only. */
#ifndef AETHER_ACTORS_SLICE_SLICE_DESCRIPTOR_H
#define AETHER_ACTORS_SLICE_SLICE_DESCRIPTOR_H

#include "actors/slice/messages.h"
#include "actors/slice/sdk/aether/slice.h"
#include "runtime/base/arena.h"

/* artifact: group:artifact:version; NULL = any. INVALID: not a descriptor, or one that contradicts itself;
 * VERSION_MISMATCH: another ABI, other coordinates. The entries are copied into the arena. */
MUST_CHECK enum status slice_descriptor_check(const struct aether_slice *slice, const char *artifact,
                                              struct arena *arena, struct instance_entry **out_entries,
                                              uint32_t *out_count, struct error *error);

#endif
