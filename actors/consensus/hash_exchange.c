/* hash_exchange: a majority of the voters judges; a learner is judged and does not count. */
#include "actors/consensus/hash_exchange.h"

#include <string.h>

static struct hash_round *round_of(struct hash_exchange *exchange, log_index index)
{
    struct hash_round *oldest = &exchange->rounds[0];
    for (uint32_t i = 0; i < HASH_ROUNDS_MAX; i++) {
        struct hash_round *round = &exchange->rounds[i];
        if (round->index == index) return round;
        if (round->index < oldest->index) oldest = round;
    }
    if (index < oldest->index) return NULL; /* Older than all that are kept. */
    *oldest = (struct hash_round){ .index = index };
    return oldest;
}

void hash_exchange_add(struct hash_exchange *exchange, const struct configuration *configuration,
                       replica_id replica, log_index index, const uint8_t hash[HASH_BYTES])
{
    if (index == 0 || configuration_find(configuration, replica) == NULL) return;
    struct hash_round *round = round_of(exchange, index);
    if (round == NULL) return;
    for (uint32_t i = 0; i < round->count; i++) {
        if (round->votes[i].replica == replica) return;
    }
    if (round->count == REPLICAS_MAX) return;
    struct hash_vote *vote = &round->votes[round->count++];
    vote->replica = replica;
    memcpy(vote->hash, hash, HASH_BYTES);
}

static const struct hash_vote *vote_of(const struct hash_round *round, replica_id replica)
{
    for (uint32_t i = 0; i < round->count; i++) {
        if (round->votes[i].replica == replica) return &round->votes[i];
    }
    return NULL;
}

static uint32_t support_of(const struct hash_round *round, const struct configuration *configuration,
                           const struct hash_vote *vote)
{
    uint32_t support = 0;
    for (uint32_t i = 0; i < round->count; i++) {
        const struct hash_vote *other = &round->votes[i];
        if (!configuration_is_voter(configuration, other->replica)) continue;
        if (memcmp(other->hash, vote->hash, HASH_BYTES) == 0) support++;
    }
    return support;
}

static enum hash_verdict judge(const struct hash_round *round, const struct configuration *configuration,
                               const struct hash_vote *own)
{
    uint32_t voters = 0;
    uint32_t heard = 0;
    for (uint32_t i = 0; i < configuration->member_count; i++) {
        replica_id id = configuration->members[i].id;
        if (!configuration_is_voter(configuration, id)) continue;
        voters++;
        if (vote_of(round, id) != NULL) heard++;
    }
    if (support_of(round, configuration, own) > voters / 2) return HASH_AGREES;
    for (uint32_t i = 0; i < round->count; i++) {
        if (support_of(round, configuration, &round->votes[i]) > voters / 2) return HASH_MINORITY;
    }
    return heard == voters ? HASH_SPLIT : HASH_OPEN;
}

enum hash_verdict hash_exchange_verdict(const struct hash_exchange *exchange,
                                        const struct configuration *configuration, replica_id self,
                                        log_index index)
{
    for (uint32_t i = 0; i < HASH_ROUNDS_MAX; i++) {
        const struct hash_round *round = &exchange->rounds[i];
        const struct hash_vote *own = round->index == index ? vote_of(round, self) : NULL;
        if (index != 0 && own != NULL) return judge(round, configuration, own);
    }
    return HASH_OPEN; /* We have nothing to compare. */
}
