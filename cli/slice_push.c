/* slice_push: `slice push`: into the cluster itself, or with --to a file and what belongs beside it, in Maven
 * layout. What readers look for first is written last: the object, its checksums and signature, then the
 * metadata that names it. */
#include "cli/artifact_push.h"
#include "cli/slice_tool.h"
#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/crypto/digest.h"
#include "runtime/crypto/signature.h"
#include "runtime/os/clock.h"
#include "runtime/os/file.h"
#include "runtime/os/path.h"
#include "wire/maven/coordinate.h"
#include "wire/maven/metadata.h"
#include "wire/proto/artifact.pb-c.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { OBJECT_SIZE_MAX = 256 * 1024 * 1024, PATH_SIZE = 4096, NAME_SIZE = 1024 };

static const char snapshot_suffix[] = "-SNAPSHOT";

struct push {
    const struct slice_tool *tool;
    bool replaces;      /* Even a released version. */
    struct text object; /* The whole file. */
    const char *group;
    const char *name;
    const char *version;
    bool snapshot;
    char stamp[32];               /* 20261121.160117 */
    unsigned build;               /* Of a snapshot. */
    char file_version[NAME_SIZE]; /* What stands in file names. */
    char folder[PATH_SIZE];       /* Of the artifact's versions. */
    char path[PATH_SIZE];         /* Of the object. */
    struct value *described;
};

/* --- files ---------------------------------------------------------------------------------------------- */

/* Never half there: written beside, then renamed. */
static enum status write_whole(const char *path, const void *data, size_t size, struct error *error)
{
    char part[PATH_SIZE + 8];
    struct file file;
    (void)snprintf(part, sizeof part, "%s.part", path);
    enum status status = file_os.remove(NULL, part, error);
    if (status == STATUS_OK) status = file_os.open(NULL, part, FILE_CREATE, &file, error);
    if (status != STATUS_OK) return status;
    status = file_os.write(NULL, &file, data, size, error);
    if (status == STATUS_OK) status = file_os.sync(NULL, &file, error);
    file_os.close(NULL, &file);
    if (status == STATUS_OK) status = file_os.rename(NULL, part, path, error);
    return status;
}

static void digest_of(const void *data, size_t size, enum digest_kind kind, char text[DIGEST_TEXT_MAX])
{
    struct digest digest;
    digest_begin(&digest, kind);
    digest_add(&digest, data, size);
    digest_end(&digest, text);
}

/* The file, then one file for each digest. */
static enum status write_with_digests(const char *path, const void *data, size_t size, struct error *error)
{
    enum status status = write_whole(path, data, size, error);
    for (int kind = 0; status == STATUS_OK && kind < DIGEST_KIND_COUNT; kind++) {
        char beside[PATH_SIZE + 16], text[DIGEST_TEXT_MAX];
        digest_of(data, size, (enum digest_kind)kind, text);
        (void)snprintf(beside, sizeof beside, "%s.%s", path, digest_name((enum digest_kind)kind));
        status = write_whole(beside, text, strlen(text), error);
    }
    return status;
}

/* --- metadata ------------------------------------------------------------------------------------------- */

/* What is there; empty where there is none. */
static enum status read_metadata(const char *path, struct arena *arena, struct metadata *metadata,
                                 struct error *error)
{
    enum { METADATA_SIZE_MAX = 1024 * 1024 };
    uint64_t size;
    struct text text = { 0 };
    *metadata = (struct metadata){ .latest = "", .release = "", .timestamp = "", .build = "" };
    if (file_os.size(NULL, path, &size, NULL) != STATUS_OK) return STATUS_OK;
    enum status status = slice_tool_read(path, METADATA_SIZE_MAX, &text, error);
    if (status == STATUS_OK) status = metadata_parse(text_string(&text), text.size, arena, metadata, error);
    text_fini(&text);
    if (status != STATUS_OK) error_hint(error, "repair or remove %s, then push again", path);
    return status;
}

static void begin_metadata(const struct push *push, struct text *out)
{
    text_printf(out,
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<metadata modelVersion=\"1.1.0\">\n  "
                "<groupId>%s</groupId>\n"
                "  <artifactId>%s</artifactId>\n",
                push->group, push->name);
    if (push->snapshot) text_printf(out, "  <version>%s</version>\n", push->version);
    text_add(out, "  <versioning>\n");
}

/* "20261121160117" */
static void end_metadata(const struct push *push, struct text *out)
{
    text_printf(out, "    <lastUpdated>%.8s%s</lastUpdated>\n  </versioning>\n</metadata>\n", push->stamp,
                push->stamp + 9);
}

/* Of the artifact: its versions, ours the newest. */
static enum status write_versions(const struct push *push, struct error *error)
{
    char path[PATH_SIZE + 32];
    struct arena arena = { 0 };
    struct metadata metadata;
    struct text out = { 0 };
    bool listed = false;
    (void)snprintf(path, sizeof path, "%s/maven-metadata.xml", push->folder);
    enum status status = read_metadata(path, &arena, &metadata, error);
    begin_metadata(push, &out);
    const char *release = push->snapshot ? metadata.release : push->version;
    text_printf(&out, "    <latest>%s</latest>\n", push->version);
    if (release[0] != '\0') text_printf(&out, "    <release>%s</release>\n", release);
    text_add(&out, "    <versions>\n");
    for (uint32_t i = 0; i < metadata.version_count; i++) {
        text_printf(&out, "      <version>%s</version>\n", metadata.versions[i]);
        listed = listed || strcmp(metadata.versions[i], push->version) == 0;
    }
    if (!listed) text_printf(&out, "      <version>%s</version>\n", push->version);
    text_add(&out, "    </versions>\n");
    end_metadata(push, &out);
    if (status == STATUS_OK) status = write_with_digests(path, text_string(&out), out.size, error);
    text_fini(&out);
    arena_fini(&arena);
    return status;
}

static void snapshot_metadata_path(const struct push *push, char path[PATH_SIZE + NAME_SIZE + 32])
{
    (void)snprintf(path, PATH_SIZE + NAME_SIZE + 32, "%s/%s/maven-metadata.xml", push->folder, push->version);
}

/* Of a snapshot: its newest file. */
static enum status write_snapshot(const struct push *push, struct error *error)
{
    char path[PATH_SIZE + NAME_SIZE + 32];
    struct text out = { 0 };
    snapshot_metadata_path(push, path);
    begin_metadata(push, &out);
    text_printf(&out,
                "    <snapshot>\n      <timestamp>%s</timestamp>\n      <buildNumber>%u</buildNumber>\n    "
                "</snapshot>\n"
                "    <snapshotVersions>\n      <snapshotVersion>\n        <classifier>" COORDINATE_PLATFORM
                "</classifier>\n"
                "        <extension>so</extension>\n        <value>%s</value>\n      </snapshotVersion>\n"
                "    </snapshotVersions>\n",
                push->stamp, push->build, push->file_version);
    end_metadata(push, &out);
    enum status status = write_with_digests(path, text_string(&out), out.size, error);
    text_fini(&out);
    return status;
}

/* --- where it goes -------------------------------------------------------------------------------------- */

static enum status take_identity(struct push *push, struct error *error)
{
    push->group = value_get_string(push->described, "group", "");
    push->name = value_get_string(push->described, "name", "");
    push->version = value_get_string(push->described, "version", "");
    if (!coordinate_is_good(push->group, COORDINATE_GROUP) ||
        !coordinate_is_good(push->name, COORDINATE_ARTIFACT) ||
        !coordinate_is_good(push->version, COORDINATE_VERSION))
        return error_set(error, STATUS_INVALID,
                         "its descriptor has bad coordinates: letters and digits, and . - _ + between them");
    size_t length = strlen(push->version);
    push->snapshot = length > sizeof snapshot_suffix - 1 &&
                     strcmp(push->version + length - (sizeof snapshot_suffix - 1), snapshot_suffix) == 0;
    value_set_string(push->tool->document, "artifact", value_get_string(push->described, "artifact", ""));
    return STATUS_OK;
}

static enum status choose_paths(struct push *push, const char *repository, struct error *error)
{
    char group[128], path[PATH_SIZE + NAME_SIZE + 32];
    (void)text_copy(group, sizeof group, push->group);
    for (char *c = group; *c != '\0'; c++)
        if (*c == '.') *c = '/';
    if (snprintf(push->folder, sizeof push->folder, "%s/%s/%s", repository, group, push->name) >=
        PATH_SIZE - NAME_SIZE)
        return error_set(error, STATUS_INVALID, "the repository's name is too long");
    (void)text_copy(push->file_version, sizeof push->file_version, push->version);
    if (push->snapshot) {
        struct arena arena = { 0 };
        struct metadata metadata;
        uint64_t build = 0;
        snapshot_metadata_path(push, path);
        enum status status = read_metadata(path, &arena, &metadata, error);
        if (status == STATUS_OK && !text_to_u64(metadata.build, &build)) build = 0;
        arena_fini(&arena);
        if (status != STATUS_OK) return status;
        push->build = (unsigned)build + 1;
        (void)snprintf(push->file_version, sizeof push->file_version, "%.*s-%s-%u",
                       (int)(strlen(push->version) - (sizeof snapshot_suffix - 1)), push->version,
                       push->stamp, push->build);
    }
    (void)snprintf(push->path, sizeof push->path, "%s/%s/%s-%s-" COORDINATE_PLATFORM ".so", push->folder,
                   push->version, push->name, push->file_version);
    (void)snprintf(path, sizeof path, "%s/%s", push->folder, push->version);
    return file_os.make_folder(NULL, path, error);
}

/* A release that is there already must be the same, byte for byte. */
static enum status look_at_present(const struct push *push, bool *out_same, struct error *error)
{
    uint64_t size;
    struct text present = { 0 };
    *out_same = false;
    if (file_os.size(NULL, push->path, &size, NULL) != STATUS_OK) return STATUS_OK;
    enum status status = slice_tool_read(push->path, OBJECT_SIZE_MAX, &present, error);
    *out_same = status == STATUS_OK && present.size == push->object.size &&
                memcmp(text_string(&present), text_string(&push->object), present.size) == 0;
    text_fini(&present);
    if (status != STATUS_OK || *out_same || push->replaces) return status;
    status = error_set(error, STATUS_CONFLICT,
                       "%s:%s:%s is there with other bytes; a released version never changes", push->group,
                       push->name, push->version);
    error_hint(error, "give it a new version, or a -SNAPSHOT one");
    return status;
}

/* --- the command ---------------------------------------------------------------------------------------- */

static enum status sign(const struct push *push, const char *key_file, struct error *error)
{
    char path[PATH_SIZE + 8], hex[ARTIFACT_PUSH_HEX_SIZE];
    enum status status = artifact_push_sign(key_file, &push->object, hex, error);
    if (status != STATUS_OK) return status;
    (void)snprintf(path, sizeof path, "%s.sig", push->path);
    status = write_whole(path, hex, strlen(hex), error);
    if (status == STATUS_OK) value_set_boolean(push->tool->document, "is-signed", true);
    return status;
}

static void note_time(struct push *push)
{
    time_t seconds = (time_t)(clock_os.wall_ms(clock_os.context) / 1000);
    struct tm utc;
    (void)gmtime_r(&seconds, &utc);
    (void)strftime(push->stamp, sizeof push->stamp, "%Y%m%d.%H%M%S", &utc);
}

static enum status write_all(struct push *push, struct error *error)
{
    char sha256[DIGEST_TEXT_MAX];
    const char *key = value_get_string(push->tool->arguments, "sign", "");
    bool same;
    enum status status = look_at_present(push, &same, error);
    if (status == STATUS_OK && !same)
        status = write_with_digests(push->path, text_string(&push->object), push->object.size, error);
    if (status == STATUS_OK && key[0] != '\0') status = sign(push, key, error);
    if (status == STATUS_OK && push->snapshot) status = write_snapshot(push, error);
    if (status == STATUS_OK) status = write_versions(push, error);
    if (status != STATUS_OK) return status;
    digest_of(text_string(&push->object), push->object.size, DIGEST_SHA256, sha256);
    value_set_string(push->tool->document, "path", push->path);
    value_set_string(push->tool->document, "sha256", sha256);
    value_set_boolean(push->tool->document, "changed", !same);
    return STATUS_OK;
}

static enum status find_repository(const char *to, struct text *out_path, struct error *error)
{
    enum status status = path_resolve(to, out_path, error);
    if (status != STATUS_OK) error_hint(error, "make it: mkdir -p %s", to);
    return status;
}

static enum status push_to_folder(const struct slice_tool *tool, const char *file, bool replaces,
                                  struct error *error)
{
    struct push push = { .tool = tool, .replaces = replaces };
    struct text repository = { 0 };
    note_time(&push);
    enum status status = find_repository(value_get_string(tool->arguments, "to", ""), &repository, error);
    if (status == STATUS_OK) status = slice_tool_read(file, OBJECT_SIZE_MAX, &push.object, error);
    if (status == STATUS_OK) status = artifact_push_describe(file, &push.described, error);
    if (status == STATUS_OK) status = take_identity(&push, error);
    if (status == STATUS_OK) status = choose_paths(&push, text_string(&repository), error);
    if (status == STATUS_OK) status = write_all(&push, error);
    value_free(&push.described);
    text_fini(&push.object);
    text_fini(&repository);
    return status;
}

/* Into the cluster itself, as `artifact push` does. */
static enum status push_to_cluster(const struct slice_tool *tool, const char *file, struct error *error)
{
    struct connection *connection = NULL;
    struct message *reply = NULL;
    const struct artifact_push_order order = {
        .file = file,
        .artifact = "",
        .sign = value_get_string(tool->arguments, "sign", ""),
        .signature = "",
    };
    enum status status = connection_open(tool->argv->endpoint, &connection, error);
    if (status != STATUS_OK) {
        error_hint(error, "is a node running? --to FOLDER writes into a repository's folder instead");
        return status;
    }
    status = artifact_push(tool->argv, &order, connection, &reply, error);
    if (status == STATUS_OK) {
        const Pb__ArtifactPushReply *pushed = reply->body;
        value_set_string(tool->document, "artifact", pushed->artifact);
        value_set_string(tool->document, "path", "");
        value_set_string(tool->document, "sha256", pushed->sha256);
        value_set_boolean(tool->document, "is-signed", order.sign[0] != '\0');
        value_set_boolean(tool->document, "changed", pushed->changed);
        message_destroy(&reply);
    }
    connection_close(&connection);
    return status;
}

enum status slice_push_run(const struct slice_tool *tool, struct error *error)
{
    struct text file = { 0 };
    bool folder = value_get_string(tool->arguments, "to", "")[0] != '\0';
    enum status status = slice_tool_file(tool, &file, error);
    if (status == STATUS_OK && folder) status = push_to_folder(tool, text_string(&file), false, error);
    else if (status == STATUS_OK) status = push_to_cluster(tool, text_string(&file), error);
    text_fini(&file);
    return status;
}

enum status slice_push_replace(const char *file, const char *repository, struct value *document,
                               struct error *error)
{
    struct value *arguments = value_new_object();
    struct text path = { 0 };
    value_set_string(arguments, "file", file);
    value_set_string(arguments, "to", repository);
    const struct slice_tool tool = { .arguments = arguments, .document = document };
    enum status status = slice_tool_file(&tool, &path, error);
    if (status == STATUS_OK) status = push_to_folder(&tool, text_string(&path), true, error);
    text_fini(&path);
    value_free(&arguments);
    return status;
}
