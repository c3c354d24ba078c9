/* slice_descriptor: checks from the outside in: magic, ABI, size, coordinates, tables, hooks. */
#include "actors/slice/slice_descriptor.h"

#include "store/schema/coordinates.h"
#include "store/schema/version.h"

#include <stdio.h>
#include <string.h>

/* What ABI 1.0 had: later minors only add after it. */
enum { SLICE_SIZE_MIN = sizeof(struct aether_slice), ENTRY_SIZE_MIN = sizeof(struct aether_entry) };

static enum status check_head(const struct aether_slice *slice, struct error *error)
{
    if (slice->magic != AETHER_SLICE_MAGIC)
        return error_set(error, STATUS_INVALID, "its AETHER_SLICE_DESCRIPTOR is none (wrong magic)");
    if (slice->abi_major != AETHER_ABI_MAJOR) {
        (void)error_set(error, STATUS_VERSION_MISMATCH,
                        "it was built for slice ABI %u.%u; this node speaks %d.%d", slice->abi_major,
                        slice->abi_minor, AETHER_ABI_MAJOR, AETHER_ABI_MINOR);
        error_hint(error, "build it again with this release's aether/slice.h");
        return STATUS_VERSION_MISMATCH;
    }
    if (slice->size < SLICE_SIZE_MIN || slice->entry_size < ENTRY_SIZE_MIN)
        return error_set(error, STATUS_INVALID, "its descriptor is too small (%u bytes)", slice->size);
    return STATUS_OK;
}

/* A snapshot is built as 1.2-SNAPSHOT, whatever date its repository gave it. */
static bool is_dated_form(const char *own, const char *artifact)
{
    size_t length = version_dated_length(artifact);
    return length > 0 && strncmp(own, artifact, length) == 0 && strcmp(own + length, "-SNAPSHOT") == 0;
}

static enum status check_coordinates(const struct aether_slice *slice, const char *artifact,
                                     struct error *error)
{
    if (slice->group == NULL || slice->artifact == NULL || slice->version == NULL)
        return error_set(error, STATUS_INVALID, "its descriptor has no coordinates");
    char own[ARTIFACT_NAME_MAX];
    int length = snprintf(own, sizeof own, "%s:%s:%s", slice->group, slice->artifact, slice->version);
    if (length < 0 || (size_t)length >= sizeof own)
        return error_set(error, STATUS_INVALID, "its coordinates are too long");
    if (artifact == NULL || strcmp(own, artifact) == 0 || is_dated_form(own, artifact)) return STATUS_OK;
    return error_set(error, STATUS_VERSION_MISMATCH, "it calls itself %s, not %s", own, artifact);
}

/* Tables of a later minor have longer rows: the stride is the slice's own. */
static const struct aether_entry *entry_at(const struct aether_slice *slice, uint32_t index)
{
    return (const struct aether_entry *)(const void *)((const char *)slice->entries +
                                                       (size_t)index * slice->entry_size);
}

static enum status check_entry(const struct instance_entry *entries, uint32_t index, struct error *error)
{
    const struct instance_entry *entry = &entries[index];
    if (!coordinates_part_is_valid(entry->name, COORDINATES_ARTIFACT_MAX))
        return error_set(error, STATUS_INVALID, "entry point %u has a bad name (a-z, 0-9, - and _)", index);
    for (uint32_t i = 0; i < index; i++)
        if (entries[i].id == entry->id || strcmp(entries[i].name, entry->name) == 0)
            return error_set(error, STATUS_INVALID, "entry points %s and %s share a name or an id",
                             entries[i].name, entry->name);
    return STATUS_OK;
}

enum status slice_descriptor_check(const struct aether_slice *slice, const char *artifact,
                                   struct arena *arena, struct instance_entry **out_entries,
                                   uint32_t *out_count, struct error *error)
{
    enum status status = check_head(slice, error);
    if (status == STATUS_OK) status = check_coordinates(slice, artifact, error);
    if (status != STATUS_OK) return status;
    if (slice->create == NULL || slice->handle == NULL)
        return error_set(error, STATUS_INVALID, "it has no create or no handle hook");
    if (slice->entry_count == 0 || slice->entry_count > AETHER_ENTRIES_MAX || slice->entries == NULL)
        return error_set(error, STATUS_INVALID, "it has %u entry points; 1 to %d are possible",
                         slice->entry_count, AETHER_ENTRIES_MAX);
    struct instance_entry *entries = arena_array(arena, slice->entry_count, sizeof *entries);
    for (uint32_t i = 0; i < slice->entry_count; i++) {
        const struct aether_entry *row = entry_at(slice, i);
        entries[i] = (struct instance_entry){
            .name = row->name != NULL ? arena_strdup(arena, row->name) : "",
            .id = row->id,
            .readonly = (row->flags & AETHER_READONLY) != 0,
            .idempotent = (row->flags & AETHER_IDEMPOTENT) != 0,
            .deadline_ms = row->deadline_ms,
            .concurrency_max = row->concurrency_max,
        };
        status = check_entry(entries, i, error);
        if (status != STATUS_OK) return status;
    }
    *out_entries = entries;
    *out_count = slice->entry_count;
    return STATUS_OK;
}
