/* blueprint: see the header. One reader serves documents and stored values; `stored` says which fields only
 * the store writes (sha256) or only people do (name). Numbers that the applier sees are integers (A2): the
 * share of a CPU is kept in thousandths and stored as "250m". */
#include "store/schema/blueprint.h"

#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "store/schema/slice.h"
#include "wire/json/value.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { PATH_MAX_SIZE = 160, SHA256_DIGITS = 64, CPU_MILLIS_MAX = 1024 * 1000 };

struct reader {
    struct arena *arena;
    const char *inside;                      /* Where in the text the document stands: "" or "document.". */
    const struct value_positions *positions; /* NULL: a stored value, which needs no lines. */
    bool stored;
    struct error *error;
};

/* --- refusals ----------------------------------------------------------------------------------------- */

/* Names a person's bytes without letting a terminal obey them. */
static const char *shown(struct reader *reader, const char *text)
{
    char *copy = arena_strndup(reader->arena, text, strlen(text) > 60 ? 60 : strlen(text));
    for (char *at = copy; *at != '\0'; at++) {
        if (*at < ' ' || *at > '~') *at = '?';
    }
    return copy;
}

__attribute__((format(printf, 3, 4))) static enum status refuse(struct reader *reader, const char *path,
                                                                const char *format, ...)
{
    char what[ERROR_MESSAGE_MAX];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(what, sizeof(what), format, arguments);
    va_end(arguments);
    if (path[0] == '\0') return error_set(reader->error, STATUS_INVALID, "the document: %s", what);
    char place[PATH_MAX_SIZE];
    (void)snprintf(place, sizeof(place), "%s%s", reader->inside, path);
    uint32_t line = reader->positions == NULL ? 0 : value_positions_line(reader->positions, place);
    if (line == 0) return error_set(reader->error, STATUS_INVALID, "%s: %s", path, what);
    return error_set(reader->error, STATUS_INVALID, "line %u: %s: %s", line, path, what);
}

struct field {
    const char *key;
    enum status (*read)(struct reader *reader, const char *path, const struct value *value, void *to);
};

static enum status refuse_unknown(struct reader *reader, const char *path, const char *key,
                                  const struct field *fields, size_t field_count)
{
    const char *nearest = NULL;
    uint32_t best = 4; /* Farther than that is no spelling mistake. */
    for (size_t i = 0; i < field_count; i++) {
        uint32_t distance = text_distance(key, fields[i].key);
        if (distance >= best) continue;
        best = distance;
        nearest = fields[i].key;
    }
    enum status status = refuse(reader, path, "unknown field \"%s\"%s%s%s", shown(reader, key),
                                nearest == NULL ? "" : "; did you mean \"", nearest == NULL ? "" : nearest,
                                nearest == NULL ? "" : "\"?");
    if (nearest != NULL) error_hint(reader->error, "write %s", nearest);
    return status;
}

/* Each member of the object by its row; a key without a row is refused. */
static enum status read_fields(struct reader *reader, const char *path, const struct value *object,
                               const struct field *fields, size_t field_count, void *to)
{
    if (value_type(object) != VALUE_OBJECT)
        return refuse(reader, path, "must be a mapping of fields to values");
    const char *key = NULL;
    const struct value *member = NULL;
    for (size_t i = 0; value_member(object, i, &key, &member); i++) {
        char member_path[PATH_MAX_SIZE];
        (void)snprintf(member_path, sizeof(member_path), "%s%s%s", path, path[0] == '\0' ? "" : ".",
                       shown(reader, key));
        const struct field *field = NULL;
        for (size_t f = 0; f < field_count && field == NULL; f++) {
            if (strcmp(fields[f].key, key) == 0) field = &fields[f];
        }
        if (field == NULL) return refuse_unknown(reader, member_path, key, fields, field_count);
        enum status status = field->read(reader, member_path, member, to);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

/* --- one value ---------------------------------------------------------------------------------------- */

static enum status read_integer(struct reader *reader, const char *path, const struct value *value,
                                int64_t least, int64_t most, uint32_t *out_number)
{
    int64_t number = 0;
    if (!value_integer(value, &number)) return refuse(reader, path, "must be a whole number");
    if (number < least || number > most)
        return refuse(reader, path, "%lld is out of range: %lld to %lld", (long long)number, (long long)least,
                      (long long)most);
    *out_number = (uint32_t)number;
    return STATUS_OK;
}

static enum status read_boolean(struct reader *reader, const char *path, const struct value *value, bool *out)
{
    if (!value_boolean(value, out)) return refuse(reader, path, "must be true or false");
    return STATUS_OK;
}

/* A word of `words` ends with NULL; its place is the answer. */
static enum status read_word(struct reader *reader, const char *path, const struct value *value,
                             const char *const *words, size_t *out_place)
{
    const char *word = value_string(value);
    if (word == NULL) return refuse(reader, path, "must be one of the words that it knows");
    const char *nearest = words[0];
    for (size_t i = 0; words[i] != NULL; i++) {
        if (strcmp(words[i], word) == 0) {
            *out_place = i;
            return STATUS_OK;
        }
        if (text_distance(words[i], word) < text_distance(nearest, word)) nearest = words[i];
    }
    return refuse(reader, path, "unknown word \"%s\"; did you mean \"%s\"?", shown(reader, word), nearest);
}

static enum status read_artifact(struct reader *reader, const char *path, const struct value *value, void *to)
{
    struct blueprint_slice *slice = to;
    struct coordinates parsed;
    struct error inner = { 0 };
    if (value_string(value) == NULL) return refuse(reader, path, "must be group:artifact:version");
    enum coordinates_form form = reader->stored ? COORDINATES_EXACT : COORDINATES_WANTED;
    if (coordinates_parse(value_string(value), form, &parsed, &inner) != STATUS_OK) {
        enum status status = refuse(reader, path, "%s", inner.message);
        error_hint(reader->error, "%s", inner.hint);
        return status;
    }
    slice->artifact = arena_strdup(reader->arena, value_string(value));
    return STATUS_OK;
}

static enum status read_sha256(struct reader *reader, const char *path, const struct value *value, void *to)
{
    struct blueprint_slice *slice = to;
    uint8_t digest[SHA256_DIGITS / 2];
    const char *text = value_string(value);
    if (text == NULL || !text_from_hex(digest, sizeof(digest), text))
        return refuse(reader, path, "must be 64 hexadecimal digits");
    char *canonical = arena_alloc(reader->arena, SHA256_DIGITS + 1);
    text_hex(canonical, digest, sizeof(digest));
    slice->sha256 = canonical;
    return STATUS_OK;
}

static enum status read_instances(struct reader *reader, const char *path, const struct value *value,
                                  void *to)
{
    struct blueprint_slice *slice = to;
    return read_integer(reader, path, value, 0, SLICE_INSTANCES_MAX, &slice->instances);
}

static enum status read_isolation(struct reader *reader, const char *path, const struct value *value,
                                  void *to)
{
    static const char *const words[] = { "process", "inline", NULL };
    struct blueprint_slice *slice = to;
    size_t place = 0;
    enum status status = read_word(reader, path, value, words, &place);
    if (status == STATUS_OK) slice->inline_isolation = place == 1;
    return status;
}

static enum status read_hosts(struct reader *reader, const char *path, const struct value *value, void *to)
{
    static const char *const words[] = { "own", "shared", NULL };
    struct blueprint_slice *slice = to;
    size_t place = 0;
    enum status status = read_word(reader, path, value, words, &place);
    if (status == STATUS_OK) slice->shared_host = place == 1;
    return status;
}

static enum status read_strategy(struct reader *reader, const char *path, const struct value *value, void *to)
{
    static const char *const words[] = {
        "spread", "round-robin", "capacity", "binpack", "decision-tree", NULL
    };
    struct blueprint_slice *slice = to;
    size_t place = 0;
    enum status status = read_word(reader, path, value, words, &place);
    if (status != STATUS_OK) return status;
    if (place > 1)
        return refuse(reader, path, "strategy %s is not available in this version; use spread or round-robin",
                      words[place]);
    slice->strategy = place == 0 ? BLUEPRINT_SPREAD : BLUEPRINT_ROUND_ROBIN;
    return STATUS_OK;
}

static enum status read_constraints(struct reader *reader, const char *path, const struct value *value,
                                    void *to)
{
    struct blueprint_slice *slice = to;
    if (value_type(value) != VALUE_OBJECT) return refuse(reader, path, "must be a mapping of labels");
    if (value_size(value) > BLUEPRINT_LIST_MAX)
        return refuse(reader, path, "more than %d constraints", BLUEPRINT_LIST_MAX);
    struct blueprint_constraint *constraints =
        arena_array(reader->arena, value_size(value), sizeof(*constraints));
    const char *label = NULL;
    const struct value *wanted = NULL;
    for (size_t i = 0; value_member(value, i, &label, &wanted); i++) {
        if (!coordinates_part_is_valid(label, COORDINATES_ARTIFACT_MAX))
            return refuse(reader, path, "bad label \"%s\"", shown(reader, label));
        if (value_string(wanted) == NULL)
            return refuse(reader, path, "%s: only a string to equal is available in this version",
                          shown(reader, label));
        constraints[i] = (struct blueprint_constraint){
            .label = arena_strdup(reader->arena, label),
            .value = arena_strdup(reader->arena, value_string(wanted)),
        };
    }
    slice->constraints = constraints;
    slice->constraint_count = (uint32_t)value_size(value);
    return STATUS_OK;
}

static enum status read_cpu(struct reader *reader, const char *path, const struct value *value, void *to)
{
    struct blueprint_slice *slice = to;
    const char *text = value_string(value);
    uint64_t millis = 0;
    double cores = 0;
    if (text != NULL) {
        char digits[16];
        if (!text_ends_with(text, "m") || !text_copy(digits, sizeof(digits), text))
            return refuse(reader, path, "write cores (0.25) or thousandths (250m)");
        digits[strlen(digits) - 1] = '\0';
        if (!text_to_u64(digits, &millis))
            return refuse(reader, path, "write cores (0.25) or thousandths (250m)");
    } else if (!value_number(value, &cores) || !(cores > 0) || cores > CPU_MILLIS_MAX) {
        return refuse(reader, path, "must be a positive number of cores");
    } else {
        millis = (uint64_t)(cores * 1000 + 0.5);
    }
    if (millis < 1 || millis > CPU_MILLIS_MAX)
        return refuse(reader, path, "must be from 0.001 to 1024 cores");
    slice->cpu_millis = (uint32_t)millis;
    return STATUS_OK;
}

static enum status read_memory(struct reader *reader, const char *path, const struct value *value, void *to)
{
    enum { LEAST = 1024 * 1024 };
    static const uint64_t most = UINT64_C(1) << 46;
    struct blueprint_slice *slice = to;
    int64_t number = 0;
    uint64_t size = 0;
    if (value_string(value) != NULL) {
        if (!text_to_bytes(value_string(value), &size))
            return refuse(reader, path, "write a size such as 64Mi");
    } else if (value_integer(value, &number) && number > 0) {
        size = (uint64_t)number;
    } else {
        return refuse(reader, path, "write a size such as 64Mi");
    }
    if (size < LEAST || size > most) return refuse(reader, path, "must be from 1Mi to 64Ti");
    slice->memory_bytes = size;
    return STATUS_OK;
}

static enum status read_resources(struct reader *reader, const char *path, const struct value *value,
                                  void *to)
{
    static const struct field fields[] = { { "cpu", read_cpu }, { "memory", read_memory } };
    return read_fields(reader, path, value, fields, ARRAY_COUNT(fields), to);
}

static enum status read_depends(struct reader *reader, const char *path, const struct value *value, void *to)
{
    struct blueprint_slice *slice = to;
    if (value_type(value) != VALUE_ARRAY) return refuse(reader, path, "must be a list of group:artifact");
    if (value_size(value) > BLUEPRINT_LIST_MAX)
        return refuse(reader, path, "more than %d dependencies", BLUEPRINT_LIST_MAX);
    const char **depends = arena_array(reader->arena, value_size(value), sizeof(*depends));
    for (size_t i = 0; i < value_size(value); i++) {
        const char *name = value_string(value_at(value, i));
        struct coordinates parsed;
        struct error inner = { 0 };
        if (name == NULL) return refuse(reader, path, "must be a list of group:artifact");
        if (coordinates_parse(name, COORDINATES_NO_BOUND, &parsed, &inner) != STATUS_OK)
            return refuse(reader, path, "%s", inner.message);
        depends[i] = arena_strdup(reader->arena, name);
    }
    slice->depends = depends;
    slice->depend_count = (uint32_t)value_size(value);
    return STATUS_OK;
}

static enum status read_min_available(struct reader *reader, const char *path, const struct value *value,
                                      void *to)
{
    struct blueprint_slice *slice = to;
    return read_integer(reader, path, value, 0, SLICE_INSTANCES_MAX, &slice->min_available);
}

static enum status read_exclusive(struct reader *reader, const char *path, const struct value *value,
                                  void *to)
{
    struct blueprint_slice *slice = to;
    return read_boolean(reader, path, value, &slice->exclusive);
}

static enum status read_pinned(struct reader *reader, const char *path, const struct value *value, void *to)
{
    struct blueprint_slice *slice = to;
    return read_boolean(reader, path, value, &slice->pinned);
}

static enum status read_config(struct reader *reader, const char *path, const struct value *value, void *to)
{
    struct blueprint_slice *slice = to;
    if (value_type(value) != VALUE_OBJECT) return refuse(reader, path, "must be a mapping");
    char *text = value_dump(value);
    slice->config = arena_strdup(reader->arena, text);
    memory_free(text);
    return STATUS_OK;
}

static enum status read_update_strategy(struct reader *reader, const char *path, const struct value *value,
                                        void *to)
{
    static const char *const words[] = { "rolling", "canary", "blue-green", "recreate", NULL };
    (void)to;
    size_t place = 0;
    enum status status = read_word(reader, path, value, words, &place);
    if (status != STATUS_OK || place == 0) return status;
    return refuse(reader, path, "update strategy %s is not available in this version; use rolling",
                  words[place]);
}

static enum status read_max_surge(struct reader *reader, const char *path, const struct value *value,
                                  void *to)
{
    struct blueprint_slice *slice = to;
    return read_integer(reader, path, value, 0, SLICE_INSTANCES_MAX, &slice->max_surge);
}

static enum status read_health_deadline(struct reader *reader, const char *path, const struct value *value,
                                        void *to)
{
    struct blueprint_slice *slice = to;
    int64_t duration_ns = 0;
    if (value_string(value) == NULL || !text_to_duration_ns(value_string(value), &duration_ns))
        return refuse(reader, path, "write a duration such as 30s");
    if (duration_ns < SECONDS(1) || duration_ns > SECONDS(3600))
        return refuse(reader, path, "must be from 1s to 1h");
    slice->health_deadline_ms = (uint32_t)(duration_ns / MILLISECONDS(1));
    return STATUS_OK;
}

static enum status read_auto_rollback(struct reader *reader, const char *path, const struct value *value,
                                      void *to)
{
    struct blueprint_slice *slice = to;
    return read_boolean(reader, path, value, &slice->auto_rollback);
}

static enum status read_update(struct reader *reader, const char *path, const struct value *value, void *to)
{
    static const struct field fields[] = {
        { "strategy", read_update_strategy },
        { "max-surge", read_max_surge },
        { "health-deadline", read_health_deadline },
        { "auto-rollback", read_auto_rollback },
    };
    return read_fields(reader, path, value, fields, ARRAY_COUNT(fields), to);
}

/* --- one slice ---------------------------------------------------------------------------------------- */

static const struct field slice_fields[] = {
    { "artifact", read_artifact },   { "instances", read_instances }, { "hosts", read_hosts },
    { "isolation", read_isolation }, { "strategy", read_strategy },   { "constraints", read_constraints },
    { "resources", read_resources }, { "depends", read_depends },     { "min-available", read_min_available },
    { "exclusive", read_exclusive }, { "pinned", read_pinned },       { "config", read_config },
    { "update", read_update },       { "sha256", read_sha256 }, /* A person may pin the bytes; what is
                                                                   resolved must then have this hash. */
};

static enum status read_slice(struct reader *reader, const char *path, const struct value *value,
                              struct blueprint_slice *slice)
{
    *slice = (struct blueprint_slice){
        .sha256 = "", .instances = 1, .config = "{}", .max_surge = 1, .auto_rollback = true
    };
    enum status status = read_fields(reader, path, value, slice_fields, ARRAY_COUNT(slice_fields), slice);
    if (status != STATUS_OK) return status;
    if (slice->artifact == NULL) return refuse(reader, path, "artifact is missing");
    if (reader->stored && slice->sha256[0] == '\0') return refuse(reader, path, "sha256 is missing");
    if (slice->min_available > slice->instances)
        return refuse(reader, path, "min-available %u is more than the %u instances", slice->min_available,
                      slice->instances);
    if (slice->exclusive && slice->inline_isolation)
        return refuse(reader, path, "exclusive needs isolation: process");
    if (slice->shared_host && slice->inline_isolation)
        return refuse(reader, path, "hosts: shared needs isolation: process");
    if (slice->pinned && !slice->inline_isolation)
        return refuse(reader, path,
                      "pinned goes with isolation: inline (a process takes everything with it)");
    bool limited = slice->cpu_millis != 0 || slice->memory_bytes != 0;
    if (limited && slice->inline_isolation)
        return refuse(reader, path, "resources are enforced with isolation: process only");
    return STATUS_OK;
}

/* Up to the version: group:artifact. */
static size_t unversioned_length(const char *artifact)
{
    const char *colon = strchr(artifact, ':');
    CHECK(colon != NULL); /* Was parsed. */
    return (size_t)(colon - artifact) + 1 + strcspn(colon + 1, ":");
}

static bool same_unversioned(const char *a, const char *b)
{
    size_t length = unversioned_length(a);
    return length == unversioned_length(b) && strncmp(a, b, length) == 0;
}

static bool names_artifact(const char *unversioned, const char *artifact)
{
    return strlen(unversioned) == unversioned_length(artifact) &&
           strncmp(unversioned, artifact, strlen(unversioned)) == 0;
}

/* --- the whole ---------------------------------------------------------------------------------------- */

struct whole {
    struct blueprint blueprint;
    struct blueprint_slice *slices;
};

static enum status read_name(struct reader *reader, const char *path, const struct value *value, void *to)
{
    struct whole *whole = to;
    const char *name = value_string(value);
    if (name == NULL || !coordinates_part_is_valid(name, BLUEPRINT_NAME_MAX))
        return refuse(reader, path, "must be letters, digits, '.', '-', '_', at most %d",
                      BLUEPRINT_NAME_MAX - 1);
    whole->blueprint.name = arena_strdup(reader->arena, name);
    return STATUS_OK;
}

static enum status read_timestamp(struct reader *reader, const char *path, const struct value *value,
                                  void *to)
{
    struct whole *whole = to;
    int64_t timestamp = 0;
    if (!value_integer(value, &timestamp) || timestamp < 0)
        return refuse(reader, path, "must be Unix milliseconds");
    if (reader->stored) whole->blueprint.timestamp = (uint64_t)timestamp; /* A document's is the past. */
    return STATUS_OK;
}

static enum status read_slices(struct reader *reader, const char *path, const struct value *value, void *to)
{
    struct whole *whole = to;
    size_t count = value_size(value);
    if (value_type(value) != VALUE_ARRAY || count == 0)
        return refuse(reader, path, "must be a list of slices");
    if (count > BLUEPRINT_SLICES_MAX)
        return refuse(reader, path, "%zu slices are more than %d", count, BLUEPRINT_SLICES_MAX);
    whole->slices = arena_array(reader->arena, count, sizeof(*whole->slices));
    for (size_t i = 0; i < count; i++) {
        char slice_path[PATH_MAX_SIZE];
        (void)snprintf(slice_path, sizeof(slice_path), "%s[%zu]", path, i);
        enum status status = read_slice(reader, slice_path, value_at(value, i), &whole->slices[i]);
        if (status != STATUS_OK) return status;
        for (size_t before = 0; before < i; before++) {
            if (same_unversioned(whole->slices[before].artifact, whole->slices[i].artifact))
                return refuse(reader, slice_path, "%s is listed twice", whole->slices[i].artifact);
        }
    }
    whole->blueprint.slices = whole->slices;
    whole->blueprint.slice_count = (uint32_t)count;
    return STATUS_OK;
}

static const struct field blueprint_fields[] = {
    { "name", read_name },
    { "slices", read_slices },
    { "timestamp", read_timestamp },
};

/* Where the blueprint's slices meet each dependency: their places, or slice_count for one from elsewhere. */
static uint32_t *place_dependencies(struct reader *reader, const struct blueprint *blueprint)
{
    uint32_t *places =
        arena_array(reader->arena, (size_t)blueprint->slice_count * BLUEPRINT_LIST_MAX, sizeof(*places));
    for (uint32_t i = 0; i < blueprint->slice_count; i++) {
        const struct blueprint_slice *slice = &blueprint->slices[i];
        for (uint32_t d = 0; d < slice->depend_count; d++) {
            uint32_t place = 0;
            while (place < blueprint->slice_count &&
                   !names_artifact(slice->depends[d], blueprint->slices[place].artifact))
                place++;
            places[i * BLUEPRINT_LIST_MAX + d] = place;
        }
    }
    return places;
}

/* Kahn's algorithm: what never becomes free of open dependencies waits for itself. */
static enum status check_cycles(struct reader *reader, const struct blueprint *blueprint)
{
    const uint32_t *places = place_dependencies(reader, blueprint);
    bool *settled = arena_array(reader->arena, (size_t)blueprint->slice_count + 1, sizeof(*settled));
    settled[blueprint->slice_count] = true; /* From elsewhere. */
    for (bool progress = true; progress;) {
        progress = false;
        for (uint32_t i = 0; i < blueprint->slice_count; i++) {
            bool open = false;
            for (uint32_t d = 0; d < blueprint->slices[i].depend_count && !open; d++)
                open = !settled[places[i * BLUEPRINT_LIST_MAX + d]];
            progress |= !settled[i] && !open;
            settled[i] |= !open;
        }
    }
    for (uint32_t i = 0; i < blueprint->slice_count; i++) {
        char path[PATH_MAX_SIZE];
        (void)snprintf(path, sizeof(path), "slices[%u].depends", i);
        if (!settled[i]) return refuse(reader, path, "%s waits for itself", blueprint->slices[i].artifact);
    }
    return STATUS_OK;
}

static enum status read_whole(struct reader *reader, const struct value *root, const char *name,
                              struct blueprint *out_blueprint)
{
    struct whole whole = { 0 };
    enum status status =
        read_fields(reader, "", root, blueprint_fields, ARRAY_COUNT(blueprint_fields), &whole);
    if (status != STATUS_OK) return status;
    if (whole.slices == NULL) return error_set(reader->error, STATUS_INVALID, "slices is missing");
    if (whole.blueprint.name == NULL) whole.blueprint.name = arena_strdup(reader->arena, name);
    if (!coordinates_part_is_valid(whole.blueprint.name, BLUEPRINT_NAME_MAX))
        return error_set(reader->error, STATUS_INVALID, "bad blueprint name");
    status = check_cycles(reader, &whole.blueprint);
    if (status == STATUS_OK) *out_blueprint = whole.blueprint;
    return status;
}

enum status blueprint_parse(struct arena *arena, const char *text, size_t size, const char *name,
                            struct blueprint *out_blueprint, struct error *error)
{
    if (size > BLUEPRINT_DOCUMENT_MAX)
        return error_set(error, STATUS_INVALID, "the document has %zu bytes; at most %d are read", size,
                         BLUEPRINT_DOCUMENT_MAX);
    struct value *root = NULL;
    struct value_positions *positions = NULL;
    enum status status = value_parse_yaml(text, size, &root, &positions, error);
    if (status != STATUS_OK) return status;
    struct reader reader = { .arena = arena, .inside = "", .positions = positions, .error = error };
    const struct value *document = value_get(root, "document");
    if (value_type(document) ==
        VALUE_OBJECT) { /* As `blueprint get` prints it: {name, revision, document}. */
        reader.inside = "document.";
        status = read_whole(&reader, document, value_get_string(root, "name", name), out_blueprint);
    } else {
        status = read_whole(&reader, root, name, out_blueprint);
    }
    value_positions_free(&positions);
    value_free(&root);
    return status;
}

enum status blueprint_read(struct arena *arena, const char *name, const void *value, size_t size,
                           struct blueprint *out_blueprint, struct error *error)
{
    struct value *root = NULL;
    enum status status = value_parse_json(value, size, &root, error);
    if (status != STATUS_OK) return status;
    struct reader reader = { .arena = arena, .inside = "", .stored = true, .error = error };
    status = read_whole(&reader, root, name, out_blueprint);
    value_free(&root);
    return status;
}

/* --- writing: what equals the default is left out ----------------------------------------------------- */

static void write_update(struct value *object, const struct blueprint_slice *slice)
{
    struct value *update = value_new_object();
    if (slice->max_surge != 1) value_set_integer(update, "max-surge", slice->max_surge);
    if (slice->health_deadline_ms != 0) {
        char text[24];
        (void)snprintf(text, sizeof(text), "%ums", slice->health_deadline_ms);
        value_set_string(update, "health-deadline", text);
    }
    if (!slice->auto_rollback) value_set_boolean(update, "auto-rollback", false);
    if (value_size(update) > 0) value_set(object, "update", update);
    else value_free(&update);
}

static void write_resources(struct value *object, const struct blueprint_slice *slice)
{
    if (slice->cpu_millis == 0 && slice->memory_bytes == 0) return;
    struct value *resources = value_new_object();
    if (slice->cpu_millis != 0) {
        char text[24];
        (void)snprintf(text, sizeof(text), "%um", slice->cpu_millis);
        value_set_string(resources, "cpu", text);
    }
    if (slice->memory_bytes != 0) value_set_integer(resources, "memory", (int64_t)slice->memory_bytes);
    value_set(object, "resources", resources);
}

static void write_lists(struct value *object, const struct blueprint_slice *slice)
{
    if (slice->constraint_count > 0) {
        struct value *constraints = value_new_object();
        for (uint32_t i = 0; i < slice->constraint_count; i++)
            value_set_string(constraints, slice->constraints[i].label, slice->constraints[i].value);
        value_set(object, "constraints", constraints);
    }
    if (slice->depend_count == 0) return;
    struct value *depends = value_new_array();
    for (uint32_t i = 0; i < slice->depend_count; i++)
        value_append(depends, value_new_string(slice->depends[i]));
    value_set(object, "depends", depends);
}

static struct value *slice_value(const struct blueprint_slice *slice)
{
    struct value *object = value_new_object();
    value_set_string(object, "artifact", slice->artifact);
    value_set_integer(object, "instances", slice->instances);
    if (slice->inline_isolation) value_set_string(object, "isolation", "inline");
    if (slice->shared_host) value_set_string(object, "hosts", "shared");
    if (slice->strategy == BLUEPRINT_ROUND_ROBIN) value_set_string(object, "strategy", "round-robin");
    write_lists(object, slice);
    write_resources(object, slice);
    if (slice->min_available != 0) value_set_integer(object, "min-available", slice->min_available);
    if (slice->exclusive) value_set_boolean(object, "exclusive", true);
    if (slice->pinned) value_set_boolean(object, "pinned", true);
    struct value *config = NULL;
    enum status status = value_parse_json(slice->config, strlen(slice->config), &config, NULL);
    CHECK(status == STATUS_OK); /* It was dumped by read_config. */
    if (value_size(config) > 0) value_set(object, "config", config);
    else value_free(&config);
    write_update(object, slice);
    if (slice->sha256[0] != '\0') value_set_string(object, "sha256", slice->sha256);
    return object;
}

char *blueprint_write(struct arena *arena, const struct blueprint *blueprint)
{
    struct value *object = value_new_object();
    struct value *slices = value_new_array();
    for (uint32_t i = 0; i < blueprint->slice_count; i++)
        value_append(slices, slice_value(&blueprint->slices[i]));
    value_set(object, "slices", slices);
    value_set_integer(object, "timestamp", (int64_t)blueprint->timestamp);
    char *text = value_dump(object);
    char *kept = arena_strdup(arena, text);
    memory_free(text);
    value_free(&object);
    return kept;
}

/* --- comparing ---------------------------------------------------------------------------------------- */

const struct blueprint_slice *blueprint_find(const struct blueprint *blueprint, const char *artifact)
{
    for (uint32_t i = 0; i < blueprint->slice_count; i++) {
        if (strcmp(blueprint->slices[i].artifact, artifact) == 0) return &blueprint->slices[i];
    }
    return NULL;
}

const struct blueprint_slice *blueprint_find_unversioned(const struct blueprint *blueprint,
                                                         const char *artifact)
{
    for (uint32_t i = 0; i < blueprint->slice_count; i++) {
        if (same_unversioned(blueprint->slices[i].artifact, artifact)) return &blueprint->slices[i];
    }
    return NULL;
}

bool blueprint_equal(const struct blueprint *a, const struct blueprint *b)
{
    struct blueprint left = *a;
    struct blueprint right = *b;
    left.timestamp = right.timestamp = 0;
    struct arena arena = { 0 };
    bool equal = strcmp(a->name, b->name) == 0 &&
                 strcmp(blueprint_write(&arena, &left), blueprint_write(&arena, &right)) == 0;
    arena_fini(&arena);
    return equal;
}

bool blueprint_slice_runs_alike(const struct blueprint_slice *a, const struct blueprint_slice *b)
{
    return strcmp(a->sha256, b->sha256) == 0 && strcmp(a->config, b->config) == 0 &&
           a->inline_isolation == b->inline_isolation && a->shared_host == b->shared_host &&
           a->exclusive == b->exclusive && a->pinned == b->pinned && a->cpu_millis == b->cpu_millis &&
           a->memory_bytes == b->memory_bytes;
}
