/* entry: the chain that ties each entry to all before it. */
#include "store/raft/entry.h"

#include "runtime/base/hash.h"

uint64_t entry_chain(uint64_t chain_before, log_index index, log_term term, enum entry_type type,
                     const void *payload, size_t payload_size)
{
    uint64_t chain = hash64_mix(chain_before, index);
    chain = hash64_mix(chain, term);
    chain = hash64_mix(chain, (uint64_t)type);
    return hash64(payload, payload_size, chain);
}
