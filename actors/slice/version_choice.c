/* version_choice: offers of several repositories are compared by Maven's order of versions. */
#include "actors/slice/version_choice.h"

#include "runtime/base/text.h"
#include "store/schema/version.h"

#include <stdio.h>
#include <string.h>

static bool is_latest(const char *wanted)
{
    return strcmp(wanted, "LATEST") == 0;
}

static bool is_release(const char *wanted)
{
    return strcmp(wanted, "RELEASE") == 0;
}

bool version_choice_is_open(const char *wanted)
{
    return is_latest(wanted) || is_release(wanted) || version_is_range(wanted);
}

static void offer(const char *version, char best[COORDINATES_VERSION_MAX])
{
    if (!coordinates_version_is_valid(version) || version_choice_is_open(version)) return;
    if (best[0] != '\0' && version_compare(version, best) <= 0) return;
    (void)text_copy(best, COORDINATES_VERSION_MAX, version);
}

void version_choice_offer(const char *wanted, const struct metadata *metadata,
                          char best[COORDINATES_VERSION_MAX])
{
    const char *named = is_latest(wanted) ? metadata->latest : is_release(wanted) ? metadata->release : "";
    if (named[0] != '\0') {
        offer(named, best);
        return;
    }
    for (uint32_t i = 0; i < metadata->version_count; i++) {
        const char *version = metadata->versions[i];
        if (!is_latest(wanted) && version_is_snapshot(version)) continue;
        if (version_is_range(wanted) && !version_range_contains(wanted, version)) continue;
        offer(version, best);
    }
}

static bool take_dated(const char *version, char dated[COORDINATES_VERSION_MAX])
{
    bool good = coordinates_version_is_valid(version) && version_dated_length(version) > 0;
    if (good) (void)text_copy(dated, COORDINATES_VERSION_MAX, version);
    return good;
}

bool version_choice_dated(const char *snapshot, const struct metadata *metadata, const char *classifier,
                          char dated[COORDINATES_VERSION_MAX])
{
    for (uint32_t i = 0; i < metadata->file_count; i++) {
        const struct metadata_file *file = &metadata->files[i];
        bool this_one = strcmp(file->extension, "so") == 0 && strcmp(file->classifier, classifier) == 0;
        if (this_one) return take_dated(file->value, dated);
    }
    if (metadata->file_count > 0 || metadata->timestamp[0] == '\0') return false;
    /* What Maven 2 wrote: a date, and no list of files. */
    char version[COORDINATES_VERSION_MAX];
    int base = (int)(strlen(snapshot) - strlen("-SNAPSHOT"));
    int length =
        snprintf(version, sizeof version, "%.*s-%s-%s", base, snapshot, metadata->timestamp, metadata->build);
    return length > 0 && (size_t)length < sizeof version && take_dated(version, dated);
}
