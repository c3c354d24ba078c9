/* configuration: see the header. Packed form: version 1, joint, member count, 0; then for each member its id
 * (8 bytes, little-endian), flags (1 voter, 2 outgoing voter), length of the name, the name. */
#include "store/raft/configuration.h"

#include "runtime/base/check.h"

#include <string.h>

enum { VERSION = 1, FLAG_VOTER = 1, FLAG_OUTGOING = 2, HEADER_SIZE = 4, MEMBER_SIZE_MIN = 10 };

enum status configuration_add(struct configuration *configuration, replica_id id, const char *name,
                              bool voter)
{
    size_t length = strnlen(name, CONFIGURATION_NAME_MAX);
    if (id == 0 || length == 0 || length == CONFIGURATION_NAME_MAX) return STATUS_INVALID;
    if (configuration->member_count == REPLICAS_MAX) return STATUS_INVALID;
    if (configuration_find(configuration, id) != NULL) return STATUS_INVALID;
    if (configuration_find_name(configuration, name) != NULL) return STATUS_INVALID;
    uint32_t at = configuration->member_count++;
    while (at > 0 && configuration->members[at - 1].id > id) {
        configuration->members[at] = configuration->members[at - 1];
        at--;
    }
    configuration->members[at] = (struct configuration_member){ .id = id, .voter = voter };
    memcpy(configuration->members[at].name, name, length);
    return STATUS_OK;
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
        if (!name_is_valid(member->name)) return false;
        if (configuration_find_name(configuration, member->name) != member) return false;
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
    for (uint32_t i = 0; i < configuration->member_count; i++) {
        if (strcmp(configuration->members[i].name, name) == 0) return &configuration->members[i];
    }
    return NULL;
}

bool configuration_is_voter(const struct configuration *configuration, replica_id id)
{
    const struct configuration_member *member = configuration_find(configuration, id);
    return member != NULL && (member->voter || member->outgoing_voter);
}

static uint8_t *pack_member(uint8_t *to, const struct configuration_member *member)
{
    for (int byte = 0; byte < 8; byte++) {
        *to++ = (uint8_t)(member->id >> (8 * byte));
    }
    *to++ = (uint8_t)((member->voter ? FLAG_VOTER : 0) | (member->outgoing_voter ? FLAG_OUTGOING : 0));
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
    if (flags > (FLAG_VOTER | FLAG_OUTGOING)) return NULL;
    if (length >= CONFIGURATION_NAME_MAX || left - MEMBER_SIZE_MIN < length) return NULL;
    memcpy(member->name, from + MEMBER_SIZE_MIN, length);
    if (strlen(member->name) != length) return NULL; /* A 0 inside would make two forms of one name. */
    member->voter = (flags & FLAG_VOTER) != 0;
    member->outgoing_voter = (flags & FLAG_OUTGOING) != 0;
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
