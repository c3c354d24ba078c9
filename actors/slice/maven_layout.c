/* maven_layout: names, and the two small file forms around an artifact. */
#include "actors/slice/maven_layout.h"

#include "store/schema/version.h"
#include "wire/maven/coordinate.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#if defined(__x86_64__)
enum { ELF_MACHINE = 62 };
#else
enum { ELF_MACHINE = 183 };
#endif

const char *maven_classifier(unsigned index)
{
    static const char *const classifiers[] = { COORDINATE_PLATFORM, "" };
    return index < sizeof classifiers / sizeof classifiers[0] ? classifiers[index] : NULL;
}

/* "{repository}/{group with / for .}/{artifact}"; false: too long. */
static bool artifact_folder(char url[MAVEN_URL_MAX], const char *repository,
                            const struct coordinates *coordinates)
{
    char group[COORDINATES_GROUP_MAX];
    size_t i = 0;
    for (; coordinates->group[i] != '\0'; i++)
        group[i] = coordinates->group[i] == '.' ? '/' : coordinates->group[i];
    group[i] = '\0';
    size_t base = strlen(repository);
    while (base > 0 && repository[base - 1] == '/')
        base--;
    int length =
        snprintf(url, MAVEN_URL_MAX, "%.*s/%s/%s", (int)base, repository, group, coordinates->artifact);
    return length > 0 && length < MAVEN_URL_MAX;
}

bool maven_url(char url[MAVEN_URL_MAX], const char *repository, const struct coordinates *coordinates,
               const char *classifier, const char *suffix)
{
    if (!artifact_folder(url, repository, coordinates)) return false;
    const char *version = coordinates->version;
    size_t dated = version_dated_length(version);
    size_t used = strlen(url), room = MAVEN_URL_MAX - used;
    int length =
        snprintf(url + used, room, "/%.*s%s/%s-%s%s%s.so%s", (int)(dated != 0 ? dated : strlen(version)),
                 version, dated != 0 ? "-SNAPSHOT" : "", coordinates->artifact, version,
                 classifier[0] != '\0' ? "-" : "", classifier, suffix);
    return length > 0 && (size_t)length < room;
}

bool maven_metadata_url(char url[MAVEN_URL_MAX], const char *repository,
                        const struct coordinates *coordinates)
{
    if (!artifact_folder(url, repository, coordinates)) return false;
    size_t used = strlen(url), room = MAVEN_URL_MAX - used;
    bool snapshot = version_is_snapshot(coordinates->version);
    int length = snprintf(url + used, room, "%s%s/maven-metadata.xml", snapshot ? "/" : "",
                          snapshot ? coordinates->version : "");
    return length > 0 && (size_t)length < room;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* In lower case, where all of it are digits. */
static bool take_digits(const char *word, size_t count, char text[DIGEST_TEXT_MAX])
{
    for (size_t i = 0; i < count; i++) {
        char c = word[i];
        if (c >= 'A' && c <= 'F') c = (char)(c - 'A' + 'a');
        bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
        if (!hex) return false;
        text[i] = c;
    }
    text[count] = '\0';
    return true;
}

bool maven_checksum(const void *data, size_t size, enum digest_kind kind, char text[DIGEST_TEXT_MAX])
{
    const char *at = data, *end = at + size;
    while (at < end && is_blank(*at))
        at++;
    while (at < end && *at != '\n') { /* Of the first line, the first word that it can be. */
        const char *word = at;
        while (at < end && !is_blank(*at) && *at != '=')
            at++;
        if ((size_t)(at - word) == 2 * digest_size(kind) && take_digits(word, (size_t)(at - word), text))
            return true;
        if (at < end && *at != '\n') at++;
    }
    return false;
}

enum status maven_check_object(const void *head, size_t size, struct error *error)
{
    enum { CLASS_AT = 4, ORDER_AT = 5, TYPE_AT = 16, MACHINE_AT = 18, CLASS_64 = 2, LITTLE = 1, DYNAMIC = 3 };
    const uint8_t *bytes = head;
    if (size < MAVEN_OBJECT_HEAD_SIZE || memcmp(bytes, "\177ELF", 4) != 0)
        return error_set(error, STATUS_INVALID, "it is not a shared object (no ELF header)");
    if (bytes[CLASS_AT] != CLASS_64 || bytes[ORDER_AT] != LITTLE || bytes[TYPE_AT] != DYNAMIC)
        return error_set(error, STATUS_INVALID, "it is not a 64-bit shared object");
    unsigned machine = bytes[MACHINE_AT] | (unsigned)bytes[MACHINE_AT + 1] << 8;
    if (machine != ELF_MACHINE)
        return error_set(error, STATUS_INVALID,
                         "it is for another processor (ELF machine %u), not " COORDINATE_PLATFORM, machine);
    return STATUS_OK;
}
