/* configuration: see the header. Packed form: version 1, joint, member count, 0; then for each member its id
 * (8 bytes, little-endian), flags (1 voter, 2 outgoing voter, 4 leaves), length of the name, the name. */
#include "store/raft/configuration.h"

#include "runtime/base/check.h"

#include <string.h>

enum {
    VERSION = 1,
    FLAG_VOTER = 1,
    FLAG_OUTGOING = 2,
    FLAG_LEAVES = 4,
    HEADER_SIZE = 4,
    MEMBER_SIZE_MIN = 10,
};

/* Neither a voter to come nor on its way out. */
static bool is_learner(const struct configuration_member *member)
{
    return !member->voter && !member->leaves;
}

/* M4: one name for two voters of a half, or for two learners. */
static bool clashes(const struct configuration_member *a, const struct configuration_member *b)
{
    bool same_place = (a->voter && b->voter) || (a->outgoing_voter && b->outgoing_voter) ||
                      (is_learner(a) && is_learner(b));
    return same_place && strcmp(a->name, b->name) == 0;
}

/* With one of those before it. */
static bool clashes_before(const struct configuration *configuration, uint32_t at)
{
    for (uint32_t i = 0; i < at; i++) {
        if (clashes(&configuration->members[i], &configuration->members[at])) return true;
    }
    return false;
}

static enum status add(struct configuration *configuration, const struct configuration_member *added)
{
    if (added->id == 0 || added->name[0] == '\0') return STATUS_INVALID;
    if (configuration->member_count == REPLICAS_MAX) return STATUS_INVALID;
    if (configuration_find(configuration, added->id) != NULL) return STATUS_INVALID;
    for (uint32_t i = 0; i < configuration->member_count; i++) {
        if (clashes(&configuration->members[i], added)) return STATUS_INVALID;
    }
    uint32_t at = configuration->member_count++;
    while (at > 0 && configuration->members[at - 1].id > added->id) {
        configuration->members[at] = configuration->members[at - 1];
        at--;
    }
    configuration->members[at] = *added;
    return STATUS_OK;
}

enum status configuration_add(struct configuration *configuration, replica_id id, const char *name,
                              bool voter)
{
    size_t length = strnlen(name, CONFIGURATION_NAME_MAX);
    if (length == CONFIGURATION_NAME_MAX) return STATUS_INVALID;
    struct configuration_member added = { .id = id, .voter = voter };
    memcpy(added.name, name, length);
    return add(configuration, &added);
}

static bool name_is_valid(const char *name)
{
    size_t length = strnlen(name, CONFIGURATION_NAME_MAX);
    return length > 0 && length < CONFIGURATION_NAME_MAX;
}

bool configuration_is_valid(const struct configuration *configuration)
{
    if (configuration->member_count > REPLICAS_MAX) return false;
    uint32_t voters = 0;
    uint32_t outgoing = 0;
    for (uint32_t i = 0; i < configuration->member_count; i++) {
        const struct configuration_member *member = &configuration->members[i];
        if (member->id <= (i == 0 ? 0 : configuration->members[i - 1].id)) return false;
        if (!name_is_valid(member->name) || clashes_before(configuration, i)) return false;
        if (member->leaves && (member->voter || !member->outgoing_voter)) return false;
        voters += member->voter ? 1 : 0;
        outgoing += member->outgoing_voter ? 1 : 0;
    }
    return voters > 0 && (configuration->joint ? outgoing > 0 : outgoing == 0);
}

bool configuration_equal(const struct configuration *a, const struct configuration *b)
{
    if (a->joint != b->joint) return false;
    if (a->member_count != b->member_count) return false;
    for (uint32_t i = 0; i < a->member_count; i++) {
        const struct configuration_member *x = &a->members[i];
        const struct configuration_member *y = &b->members[i];
        if (x->id != y->id) return false;
        if (x->voter != y->voter) return false;
        if (x->outgoing_voter != y->outgoing_voter) return false;
        if (x->leaves != y->leaves) return false;
        if (strcmp(x->name, y->name) != 0) return false;
    }
    return true;
}

const struct configuration_member *configuration_find(const struct configuration *configuration,
                                                      replica_id id)
{
    for (uint32_t i = 0; i < configuration->member_count; i++) {
        if (configuration->members[i].id == id) return &configuration->members[i];
    }
    return NULL;
}

const struct configuration_member *configuration_find_name(const struct configuration *configuration,
                                                           const char *name)
{
    const struct configuration_member *best = NULL;
    for (uint32_t i = 0; i < configuration->member_count; i++) {
        const struct configuration_member *member = &configuration->members[i];
        if (strcmp(member->name, name) != 0) continue;
        if (member->voter) return member;
        if (best == NULL || member->outgoing_voter) best = member;
    }
    return best;
}

bool configuration_is_voter(const struct configuration *configuration, replica_id id)
{
    const struct configuration_member *member = configuration_find(configuration, id);
    return member != NULL && (member->voter || member->outgoing_voter);
}

/* --- from one to another (M2) --- */

/* All voters of `a` are voters of `b`. */
static bool voters_within(const struct configuration *a, const struct configuration *b)
{
    for (uint32_t i = 0; i < a->member_count; i++) {
        if (!a->members[i].voter) continue;
        const struct configuration_member *other = configuration_find(b, a->members[i].id);
        if (other == NULL || !other->voter) return false;
    }
    return true;
}

bool configuration_same_voters(const struct configuration *a, const struct configuration *b)
{
    return voters_within(a, b) && voters_within(b, a);
}

enum status configuration_toward(const struct configuration *from, const struct configuration *wanted,
                                 struct configuration *out_next)
{
    if (wanted->joint || !configuration_is_valid(wanted)) return STATUS_INVALID;
    if (from->joint || configuration_equal(from, wanted)) return STATUS_INVALID;
    struct configuration next = *wanted;
    bool same_voters = configuration_same_voters(from, wanted);
    next.joint = !same_voters;
    for (uint32_t i = 0; i < next.member_count && next.joint; i++) {
        const struct configuration_member *before = configuration_find(from, next.members[i].id);
        next.members[i].outgoing_voter = before != NULL && before->voter;
    }
    for (uint32_t i = 0; i < from->member_count && next.joint; i++) {
        struct configuration_member leaving = from->members[i];
        if (!leaving.voter || configuration_find(wanted, leaving.id) != NULL) continue;
        leaving.voter = false;
        leaving.outgoing_voter = true;
        leaving.leaves = true;
        if (add(&next, &leaving) != STATUS_OK) return STATUS_INVALID;
    }
    if (!configuration_is_valid(&next)) return STATUS_INVALID;
    *out_next = next;
    return STATUS_OK;
}

void configuration_leave(const struct configuration *joint, struct configuration *out_left)
{
    *out_left = (struct configuration){ 0 };
    for (uint32_t i = 0; i < joint->member_count; i++) {
        struct configuration_member member = joint->members[i];
        if (member.leaves) continue;
        member.outgoing_voter = false;
        out_left->members[out_left->member_count++] = member;
    }
}

/* The outgoing half of `next` is the only half of `before`. */
static bool goes_out_from(const struct configuration *before, const struct configuration *next)
{
    for (uint32_t i = 0; i < before->member_count; i++) {
        if (!before->members[i].voter) continue;
        const struct configuration_member *member = configuration_find(next, before->members[i].id);
        if (member == NULL || !member->outgoing_voter) return false;
    }
    for (uint32_t i = 0; i < next->member_count; i++) {
        if (!next->members[i].outgoing_voter) continue;
        const struct configuration_member *member = configuration_find(before, next->members[i].id);
        if (member == NULL || !member->voter) return false;
    }
    return true;
}

bool configuration_may_follow(const struct configuration *before, const struct configuration *next)
{
    if (before->member_count == 0) return true; /* The first one. */
    if (before->joint) {
        struct configuration left;
        configuration_leave(before, &left);
        return configuration_equal(&left, next);
    }
    return next->joint ? goes_out_from(before, next) : configuration_same_voters(before, next);
}

/* --- packed --- */

static uint8_t *pack_member(uint8_t *to, const struct configuration_member *member)
{
    for (int byte = 0; byte < 8; byte++) {
        *to++ = (uint8_t)(member->id >> (8 * byte));
    }
    *to++ = (uint8_t)((member->voter ? FLAG_VOTER : 0) | (member->outgoing_voter ? FLAG_OUTGOING : 0) |
                      (member->leaves ? FLAG_LEAVES : 0));
    size_t length = strlen(member->name);
    *to++ = (uint8_t)length;
    memcpy(to, member->name, length);
    return to + length;
}

struct bytes *configuration_pack(const struct configuration *configuration)
{
    CHECK(configuration_is_valid(configuration));
    uint8_t packed[CONFIGURATION_PACKED_MAX] = { VERSION, configuration->joint ? 1 : 0,
                                                 (uint8_t)configuration->member_count, 0 };
    uint8_t *end = packed + HEADER_SIZE;
    for (uint32_t i = 0; i < configuration->member_count; i++) {
        end = pack_member(end, &configuration->members[i]);
    }
    return bytes_copy(packed, (size_t)(end - packed));
}

/* The end of what was read, or NULL. */
static const uint8_t *unpack_member(const uint8_t *from, size_t left, struct configuration_member *member)
{
    if (left < MEMBER_SIZE_MIN) return NULL;
    for (int byte = 0; byte < 8; byte++) {
        member->id |= (uint64_t)from[byte] << (8 * byte);
    }
    uint8_t flags = from[8];
    size_t length = from[9];
    if (flags > (FLAG_VOTER | FLAG_OUTGOING | FLAG_LEAVES)) return NULL;
    if (length >= CONFIGURATION_NAME_MAX || left - MEMBER_SIZE_MIN < length) return NULL;
    memcpy(member->name, from + MEMBER_SIZE_MIN, length);
    if (strlen(member->name) != length) return NULL; /* A 0 inside would make two forms of one name. */
    member->voter = (flags & FLAG_VOTER) != 0;
    member->outgoing_voter = (flags & FLAG_OUTGOING) != 0;
    member->leaves = (flags & FLAG_LEAVES) != 0;
    return from + MEMBER_SIZE_MIN + length;
}

enum status configuration_unpack(const void *data, size_t size, struct configuration *out_configuration)
{
    const uint8_t *from = data;
    if (size < HEADER_SIZE || from[0] != VERSION) return STATUS_CORRUPT;
    if (from[1] > 1 || from[2] > REPLICAS_MAX || from[3] != 0) return STATUS_CORRUPT;
    struct configuration read = { .joint = from[1] == 1, .member_count = from[2] };
    const uint8_t *end = from + size;
    from += HEADER_SIZE;
    for (uint32_t i = 0; i < read.member_count; i++) {
        from = unpack_member(from, (size_t)(end - from), &read.members[i]);
        if (from == NULL) return STATUS_CORRUPT;
    }
    if (from != end || !configuration_is_valid(&read)) return STATUS_CORRUPT;
    *out_configuration = read;
    return STATUS_OK;
}
