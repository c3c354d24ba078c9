/* coordinates: parses group:artifact:version; see the header for the character set. */
#include "store/schema/coordinates.h"

#include "runtime/base/text.h"
#include "store/schema/version.h"

#include <string.h>

static bool is_letter_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool part_is_valid(const char *text, size_t size_max, bool is_version)
{
    size_t length = strlen(text);
    if (length == 0 || length >= size_max) return false;
    if (!is_letter_or_digit(text[0]) || !is_letter_or_digit(text[length - 1])) return false;
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        bool allowed = is_letter_or_digit(c) || c == '.' || c == '-' || c == '_' || (c == '+' && is_version);
        if (!allowed || (c == '.' && text[i + 1] == '.')) return false;
    }
    return true;
}

bool coordinates_part_is_valid(const char *text, size_t size_max)
{
    return part_is_valid(text, size_max, false);
}

bool coordinates_version_is_valid(const char *version)
{
    return part_is_valid(version, COORDINATES_VERSION_MAX, true);
}

/* Bytes that a terminal might obey are shown as '?'; long input is cut. */
static void quote(char *to, size_t size, const char *from)
{
    size_t i = 0;
    for (; from[i] != '\0' && i + 1 < size; i++)
        to[i] = from[i] >= ' ' && from[i] <= '~' ? from[i] : '?';
    to[i] = '\0';
}

static enum status refuse(const char *text, const char *why, struct error *error)
{
    char shown[96];
    quote(shown, sizeof(shown), text);
    enum status status = error_set(error, STATUS_INVALID, "bad coordinates \"%s\": %s", shown, why);
    error_hint(error, "write group:artifact:version, for example org.example:pricing:1.2.0");
    return status;
}

/* Copies up to ':' or the end; false: too long. */
static bool take_part(const char **at, char *to, size_t size)
{
    size_t length = strcspn(*at, ":");
    if (length >= size) return false;
    memcpy(to, *at, length);
    to[length] = '\0';
    *at += length;
    return true;
}

static enum status check_version(const char *text, const struct coordinates *parsed,
                                 enum coordinates_form form, struct error *error)
{
    if (parsed->version[0] == '\0') {
        if (form == COORDINATES_ANY || form == COORDINATES_NO_BOUND) return STATUS_OK;
        return refuse(text, "the version is missing", error);
    }
    if (form == COORDINATES_NO_BOUND) return refuse(text, "a version has no place here", error);
    bool exact = coordinates_version_is_valid(parsed->version);
    bool word = strcmp(parsed->version, "LATEST") == 0 || strcmp(parsed->version, "RELEASE") == 0;
    if (exact && !(word && form != COORDINATES_WANTED)) return STATUS_OK;
    if (form == COORDINATES_WANTED && version_is_range(parsed->version)) return STATUS_OK;
    return refuse(text, word ? "the version must be exact here" : "bad version", error);
}

enum status coordinates_parse(const char *text, enum coordinates_form form,
                              struct coordinates *out_coordinates, struct error *error)
{
    struct coordinates parsed = { 0 };
    const char *at = text;
    if (!take_part(&at, parsed.group, sizeof(parsed.group)))
        return refuse(text, "the group is too long", error);
    if (text[0] == '\0') return refuse(text, "they are empty", error);
    if (!part_is_valid(parsed.group, sizeof(parsed.group), false)) return refuse(text, "bad group", error);
    if (*at++ != ':') return refuse(text, "the artifact is missing", error);
    if (!take_part(&at, parsed.artifact, sizeof(parsed.artifact)))
        return refuse(text, "the artifact is too long", error);
    if (!part_is_valid(parsed.artifact, sizeof(parsed.artifact), false))
        return refuse(text, "bad artifact", error);
    if (*at == ':') {
        at++;
        if (*at == '\0') return refuse(text, "the version is empty", error);
        if (!take_part(&at, parsed.version, sizeof(parsed.version)))
            return refuse(text, "the version is too long", error);
        if (*at == ':') return refuse(text, "too many parts", error);
    }
    enum status status = check_version(text, &parsed, form, error);
    if (status == STATUS_OK) *out_coordinates = parsed;
    return status;
}

bool coordinates_match(const struct coordinates *wanted, const char *artifact)
{
    struct coordinates exact;
    if (coordinates_parse(artifact, COORDINATES_EXACT, &exact, NULL) != STATUS_OK) return false;
    if (strcmp(wanted->group, exact.group) != 0 || strcmp(wanted->artifact, exact.artifact) != 0)
        return false;
    return wanted->version[0] == '\0' || strcmp(wanted->version, exact.version) == 0;
}

enum status coordinates_parse_target(const char *text, struct coordinates *out_coordinates, char *out_entry,
                                     struct error *error)
{
    const char *slash = strchr(text, '/');
    char name[COORDINATES_TEXT_MAX];
    if (slash == NULL || (size_t)(slash - text) >= sizeof(name)) {
        char shown[96];
        quote(shown, sizeof(shown), text);
        enum status status = error_set(error, STATUS_INVALID, "bad target \"%s\"", shown);
        error_hint(error, "write group:artifact[:version]/entry, for example org.example:pricing/quote");
        return status;
    }
    memcpy(name, text, (size_t)(slash - text));
    name[slash - text] = '\0';
    enum status status = coordinates_parse(name, COORDINATES_ANY, out_coordinates, error);
    if (status != STATUS_OK) return status;
    if (!coordinates_part_is_valid(slash + 1, COORDINATES_ARTIFACT_MAX))
        return refuse(text, "bad entry point", error);
    (void)text_copy(out_entry, COORDINATES_ARTIFACT_MAX, slash + 1);
    return STATUS_OK;
}
