/* metadata: expat tells the elements one by one; what is wanted is told by its path from the root. */
#include "wire/maven/metadata.h"

#include "runtime/base/check.h"

#include <expat.h>
#include <stdbool.h>
#include <string.h>

enum { PATH_MAX_SIZE = 256, FIRST_ROOM = 16 };

struct reader {
    XML_Parser parser;
    struct arena *arena;
    struct metadata *metadata;
    struct error *error;
    bool failed;
    unsigned depth;
    size_t path_lengths[METADATA_DEPTH_MAX];
    char path[PATH_MAX_SIZE]; /* "/metadata/versioning/release" */
    size_t path_length;
    char text[METADATA_TEXT_MAX]; /* Of the element that is open. */
    size_t text_length;
    bool text_cut;
    uint32_t version_room;
    uint32_t file_room;
    struct metadata_file file; /* That is being read. */
};

static void fail(struct reader *reader, const char *what)
{
    if (reader->failed) return;
    reader->failed = true;
    (void)error_set(reader->error, STATUS_INVALID, "maven-metadata.xml, line %lu: %s",
                    (unsigned long)XML_GetCurrentLineNumber(reader->parser), what);
    XML_StopParser(reader->parser, XML_FALSE);
}

/* --- what is kept --------------------------------------------------------------------------------------- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Blanks before it were left out when it came. */
static char *trimmed_text(struct reader *reader)
{
    if (reader->text_cut) fail(reader, "a value is too long");
    size_t length = reader->text_length;
    while (length > 0 && is_blank(reader->text[length - 1]))
        length--;
    return arena_strndup(reader->arena, reader->text, length);
}

/* An array of the arena that holds one more; its elements move when it grows. */
static void *room_for_one(struct reader *reader, void *items, uint32_t count, uint32_t *room, size_t size)
{
    if (count < *room) return items;
    *room = *room == 0 ? FIRST_ROOM : 2 * *room;
    void *larger = arena_array(reader->arena, *room, size);
    if (count > 0) memcpy(larger, items, count * size);
    return larger;
}

static void add_version(struct reader *reader)
{
    struct metadata *metadata = reader->metadata;
    if (metadata->version_count == METADATA_VERSIONS_MAX) {
        fail(reader, "too many versions");
        return;
    }
    metadata->versions = room_for_one(reader, metadata->versions, metadata->version_count,
                                      &reader->version_room, sizeof metadata->versions[0]);
    metadata->versions[metadata->version_count++] = trimmed_text(reader);
}

static void add_file(struct reader *reader)
{
    struct metadata *metadata = reader->metadata;
    if (metadata->file_count == METADATA_VERSIONS_MAX) {
        fail(reader, "too many files");
        return;
    }
    metadata->files = room_for_one(reader, metadata->files, metadata->file_count, &reader->file_room,
                                   sizeof metadata->files[0]);
    metadata->files[metadata->file_count++] = reader->file;
    reader->file = (struct metadata_file){ "", "", "" };
}

static void take_element(struct reader *reader)
{
    const char *const root = "/metadata/versioning/";
    size_t root_length = strlen(root);
    if (strncmp(reader->path, root, root_length) != 0) return;
    const char *name = reader->path + root_length;
    struct metadata *metadata = reader->metadata;
    const struct {
        const char *name;
        const char **to;
    } values[] = {
        { "latest", &metadata->latest },
        { "release", &metadata->release },
        { "snapshot/timestamp", &metadata->timestamp },
        { "snapshot/buildNumber", &metadata->build },
        { "snapshotVersions/snapshotVersion/classifier", &reader->file.classifier },
        { "snapshotVersions/snapshotVersion/extension", &reader->file.extension },
        { "snapshotVersions/snapshotVersion/value", &reader->file.value },
    };
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        if (strcmp(name, values[i].name) == 0) *values[i].to = trimmed_text(reader);
    if (strcmp(name, "versions/version") == 0) add_version(reader);
    if (strcmp(name, "snapshotVersions/snapshotVersion") == 0) add_file(reader);
}

/* --- expat's side --------------------------------------------------------------------------------------- */

static void begin_text(struct reader *reader)
{
    reader->text_length = 0;
    reader->text_cut = false;
}

static void on_start(void *context, const XML_Char *name, const XML_Char **attributes)
{
    (void)attributes;
    struct reader *reader = context;
    size_t length = strlen(name);
    if (reader->depth == METADATA_DEPTH_MAX || reader->path_length + length + 2 > PATH_MAX_SIZE) {
        fail(reader, "the elements are nested too deep");
        return;
    }
    reader->path_lengths[reader->depth++] = reader->path_length;
    reader->path[reader->path_length++] = '/';
    memcpy(reader->path + reader->path_length, name, length + 1);
    reader->path_length += length;
    begin_text(reader);
}

static void on_end(void *context, const XML_Char *name)
{
    (void)name;
    struct reader *reader = context;
    if (reader->failed) return; /* expat closes an empty element even after it was stopped. */
    take_element(reader);
    reader->path_length = reader->path_lengths[--reader->depth];
    reader->path[reader->path_length] = '\0';
    begin_text(reader);
}

static void on_text(void *context, const XML_Char *data, int length)
{
    struct reader *reader = context;
    for (int i = 0; i < length; i++) {
        if (reader->text_length == 0 && is_blank(data[i])) continue;
        reader->text_cut = reader->text_length == sizeof reader->text;
        if (reader->text_cut) return; /* An error only if somebody wants this one. */
        reader->text[reader->text_length++] = data[i];
    }
}

static void on_doctype(void *context, const XML_Char *name, const XML_Char *system_id,
                       const XML_Char *public_id, int has_internal_subset)
{
    (void)name, (void)system_id, (void)public_id, (void)has_internal_subset;
    fail(context, "a document type is not taken");
}

enum status metadata_parse(const void *data, size_t size, struct arena *arena, struct metadata *out_metadata,
                           struct error *error)
{
    *out_metadata = (struct metadata){ .latest = "", .release = "", .timestamp = "", .build = "" };
    if (size > INT32_MAX) return error_set(error, STATUS_INVALID, "maven-metadata.xml is too large");
    struct reader reader = {
        .arena = arena, .metadata = out_metadata, .error = error, .file = { "", "", "" }
    };
    reader.parser = XML_ParserCreate(NULL);
    CHECK(reader.parser != NULL);
    XML_SetUserData(reader.parser, &reader);
    XML_SetElementHandler(reader.parser, on_start, on_end);
    XML_SetCharacterDataHandler(reader.parser, on_text);
    XML_SetStartDoctypeDeclHandler(reader.parser, on_doctype);
    if (XML_Parse(reader.parser, data, (int)size, XML_TRUE) != XML_STATUS_OK)
        fail(&reader, XML_ErrorString(XML_GetErrorCode(reader.parser)));
    XML_ParserFree(reader.parser);
    return reader.failed ? STATUS_INVALID : STATUS_OK;
}
