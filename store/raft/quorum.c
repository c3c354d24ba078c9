/* quorum: see the header. */
#include "store/raft/quorum.h"

static void insert_descending(uint64_t *values, uint32_t count, uint64_t value)
{
    uint32_t at = count;
    while (at > 0 && values[at - 1] < value) {
        values[at] = values[at - 1];
        at--;
    }
    values[at] = value;
}

static uint64_t half_value(const struct configuration *configuration, bool outgoing,
                           uint64_t (*value_of)(const void *context, replica_id voter), const void *context)
{
    uint64_t values[REPLICAS_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < configuration->member_count; i++) {
        const struct configuration_member *member = &configuration->members[i];
        if (outgoing ? !member->outgoing_voter : !member->voter) continue;
        insert_descending(values, count, value_of(context, member->id));
        count++;
    }
    return count == 0 ? 0 : values[count / 2]; /* The (count / 2 + 1)-th largest. */
}

uint64_t quorum_value(const struct configuration *configuration,
                      uint64_t (*value_of)(const void *context, replica_id voter), const void *context)
{
    uint64_t incoming = half_value(configuration, false, value_of, context);
    if (!configuration->joint) return incoming;
    uint64_t outgoing = half_value(configuration, true, value_of, context);
    return incoming < outgoing ? incoming : outgoing;
}
