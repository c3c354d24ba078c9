/* config: see the header. A row of `keys` says where a key's value goes and how it is read; file, environment
 * and flags all come down to set_text or set_value with a row and the place to name in an error. */
#include "nodes/config.h"

#include "nodes/config_check.h"
#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "wire/json/value.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

enum { CONFIG_FILE_SIZE_MAX = 1024 * 1024, KEY_TEXT_MAX = 96 };

enum key_type { KEY_TEXT, KEY_LIST, KEY_MAP, KEY_COUNT, KEY_DURATION, KEY_BYTES, KEY_REPOSITORIES };

struct key_row {
    const char *key;
    enum key_type type;
    size_t offset;
    const char *otherwise; /* Default, as text. */
    const char *choices;   /* "a|b"; NULL = any. */
    const char *help;
};

#define PLACE(member) offsetof(struct config, member)

static const struct key_row keys[] = {
    { "node.id", KEY_TEXT, PLACE(node_id), "", NULL, "the node's name: stable, unique in the cluster" },
    { "node.data", KEY_TEXT, PLACE(node_data), "/var/lib/aether", NULL, "directory of everything it keeps" },
    { "node.role", KEY_TEXT, PLACE(node_role), "voter", "voter|worker",
      "voter; or worker: runs slices, follows the log, never votes" },
    { "node.labels", KEY_MAP, PLACE(node_labels), "", NULL, "what constraints match, such as {zone: eu-1}" },
    { "cluster.listen", KEY_TEXT, PLACE(cluster_listen), "tcp://127.0.0.1:7400", NULL,
      "node-to-node address" },
    { "cluster.advertise", KEY_TEXT, PLACE(cluster_advertise), "", NULL, "what peers connect to" },
    { "cluster.name", KEY_TEXT, PLACE(cluster_name), "aether", NULL, "for people" },
    { "cluster.bootstrap", KEY_LIST, PLACE(cluster_bootstrap), "", NULL,
      "founding voters: 1, 3, 5 or 7 names" },
    { "cluster.peers", KEY_MAP, PLACE(cluster_peers), "", NULL, "addresses: {node-2: \"tcp://…\"}" },
    { "client.listen", KEY_TEXT, PLACE(client_listen), "tcp://127.0.0.1:7401", NULL,
      "for the aether command" },
    { "management.listen", KEY_TEXT, PLACE(management_listen), "127.0.0.1:7480", NULL,
      "HTTP plane (not yet)" },
    { "security.keys", KEY_TEXT, PLACE(security_keys), "", NULL, "directory of this node's keys (not yet)" },
    { "security.authorized", KEY_TEXT, PLACE(security_authorized), "insecure", "registered|insecure",
      "which peers may connect; insecure is for loopback only" },
    { "security.artifact-keys", KEY_LIST, PLACE(security_artifact_keys), "", NULL,
      "files of the Ed25519 public keys that sign artifacts; with one, the others are refused" },
    { "repositories", KEY_REPOSITORIES, PLACE(repositories), "", NULL, "[{id, url, credentials, require}]" },
    { "slices.user", KEY_TEXT, PLACE(slices_user), "nobody", NULL,
      "whom isolated slices become where the node is root; root: they stay it" },
    { "slices.loading-deadline", KEY_DURATION, PLACE(slices_loading_ns), "2m", NULL,
      "for LOADING: fetching, mapping, create" },
    { "slices.activating-deadline", KEY_DURATION, PLACE(slices_activating_ns), "90s", NULL,
      "for ACTIVATING: start" },
    { "slices.deactivating-deadline", KEY_DURATION, PLACE(slices_deactivating_ns), "30s", NULL,
      "for DEACTIVATING: calls in flight, stop" },
    { "slices.unloading-deadline", KEY_DURATION, PLACE(slices_unloading_ns), "2m", NULL,
      "for UNLOADING: destroy, unmapping; then it is pinned" },
    { "limits.threads", KEY_COUNT, PLACE(limits_threads), "0", NULL, "general pool; 0 = one per core" },
    { "limits.lost-after", KEY_DURATION, PLACE(limits_lost_after_ns), "3s", NULL,
      "silence until a node is LOST" },
    { "limits.artifact-size", KEY_BYTES, PLACE(limits_artifact_bytes), "256Mi", NULL,
      "largest artifact, downloaded or pushed" },
    { "limits.artifact-cache", KEY_BYTES, PLACE(limits_artifact_cache_bytes), "4Gi", NULL,
      "of all artifacts on this node's disk; what was used longest ago goes first" },
    { "limits.log-entries", KEY_BYTES, PLACE(limits_log_entries), "10000", NULL,
      "what compaction leaves of the log; 64 MiB of it, if those are more" },
    { "limits.map-size", KEY_BYTES, PLACE(limits_map_bytes), "16Gi", NULL, "LMDB map (sparse)" },
    { "logging.level", KEY_TEXT, PLACE(logging_level), "info", "debug|info|warn|error",
      "least level printed" },
    { "logging.format", KEY_TEXT, PLACE(logging_format), "text", "text|json", "of lines on standard error" },
};

static const char *const repository_fields[] = { "id", "url", "credentials", "require" };

/* Where a value came from, for messages: a file's line, a variable, a flag. */
struct origin {
    char text[256];
};

static const struct key_row *key_find(const char *key)
{
    for (size_t i = 0; i < ARRAY_COUNT(keys); i++) {
        if (strcmp(keys[i].key, key) == 0) return &keys[i];
    }
    return NULL;
}

/* `a.b-c` in the form of a flag (`a-b-c`) or a variable (`AETHER_A_B_C`). */
static void key_as_flag(const char *key, char out[KEY_TEXT_MAX])
{
    (void)text_copy(out, KEY_TEXT_MAX, key);
    for (char *at = out; *at != '\0'; at++) {
        if (*at == '.') *at = '-';
    }
}

static void key_as_variable(const char *key, char out[KEY_TEXT_MAX])
{
    (void)snprintf(out, KEY_TEXT_MAX, "AETHER_%s", key);
    for (char *at = out; *at != '\0'; at++) {
        *at = (*at == '.' || *at == '-') ? '_' : (char)toupper((unsigned char)*at);
    }
}

struct nearest {
    char text[KEY_TEXT_MAX];
    uint32_t distance; /* What is farther than the first one given is no near word. */
};

static void nearest_try(struct nearest *nearest, const char *wrong, const char *candidate)
{
    uint32_t distance = text_distance(wrong, candidate);
    if (distance >= nearest->distance) return;
    nearest->distance = distance;
    (void)text_copy(nearest->text, sizeof nearest->text, candidate);
}

/* A word without a dot is compared with the sections. */
static void hint_nearest(struct error *error, const char *wrong, bool as_flag)
{
    enum { FAR = 6 };
    static const char *const without_key[] = { "config", "check", "restore", "help", "version" };
    struct nearest nearest = { .distance = FAR };
    for (size_t i = 0; i < ARRAY_COUNT(keys); i++) {
        char candidate[KEY_TEXT_MAX];
        if (as_flag) key_as_flag(keys[i].key, candidate);
        else (void)text_copy(candidate, sizeof candidate, keys[i].key);
        if (!as_flag && strchr(wrong, '.') == NULL) candidate[strcspn(candidate, ".")] = '\0';
        nearest_try(&nearest, wrong, candidate);
    }
    for (size_t i = 0; as_flag && i < ARRAY_COUNT(without_key); i++)
        nearest_try(&nearest, wrong, without_key[i]);
    if (nearest.text[0] == '\0') error_hint(error, "aether-node --help lists every key");
    else
        error_hint(error, "the nearest %s is %s%s", as_flag ? "flag" : "key", as_flag ? "--" : "",
                   nearest.text);
}

static bool is_choice(const char *choices, const char *text)
{
    size_t length = strlen(text);
    for (const char *at = choices; at != NULL; at = strchr(at, '|')) {
        if (*at == '|') at++;
        if (length > 0 && strncmp(at, text, length) == 0 && (at[length] == '|' || at[length] == '\0'))
            return true;
    }
    return false;
}

static void map_set(struct config *config, struct config_map *map, const char *key, const char *value)
{
    uint32_t at = 0;
    while (at < map->count && strcmp(map->pairs[at].key, key) < 0) {
        at++;
    }
    bool present = at < map->count && strcmp(map->pairs[at].key, key) == 0;
    if (!present) {
        memmove(&map->pairs[at + 1], &map->pairs[at], (map->count - at) * sizeof map->pairs[0]);
        map->count++;
    }
    map->pairs[at] =
        (struct config_pair){ arena_strdup(&config->arena, key), arena_strdup(&config->arena, value) };
}

static enum status add_item(struct config *config, const struct key_row *row, char *item, void *place,
                            const struct origin *origin, struct error *error)
{
    if (row->type == KEY_LIST) {
        struct config_list *list = place;
        list->items[list->count++] = item;
        return STATUS_OK;
    }
    char *equals = strchr(item, '=');
    if (equals == NULL || equals == item)
        return error_set(error, STATUS_INVALID, "%s: %s wants KEY=VALUE,…, not \"%s\"", origin->text,
                         row->key, item);
    *equals = '\0';
    if (row->type == KEY_MAP) {
        map_set(config, place, item, equals + 1);
    } else {
        config->repositories[config->repository_count++] =
            (struct config_repository){ .id = item, .url = equals + 1, .credentials = "", .require = "" };
    }
    return STATUS_OK;
}

/* How many items a list, map or the repositories hold. */
static uint32_t *item_count(struct config *config, const struct key_row *row, uint32_t *out_max)
{
    char *place = (char *)config + row->offset;
    *out_max = row->type == KEY_REPOSITORIES ? CONFIG_REPOSITORIES_MAX : CONFIG_LIST_MAX;
    if (row->type == KEY_LIST) return &((struct config_list *)(void *)place)->count;
    if (row->type == KEY_MAP) return &((struct config_map *)(void *)place)->count;
    return &config->repository_count;
}

/* "a,b" or "k=v,k=v", from a variable or a flag. */
static enum status set_items(struct config *config, const struct key_row *row, const char *text,
                             const struct origin *origin, struct error *error)
{
    uint32_t max;
    uint32_t *count = item_count(config, row, &max);
    *count = 0;
    char *rest = arena_strdup(&config->arena, text);
    for (char *item = strsep(&rest, ","); item != NULL; item = strsep(&rest, ",")) {
        if (*item == '\0') continue;
        if (*count == max)
            return error_set(error, STATUS_INVALID, "%s: %s has more than %u items", origin->text, row->key,
                             max);
        enum status status = add_item(config, row, item, (char *)config + row->offset, origin, error);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

static enum status set_number(const struct key_row *row, const char *text, int64_t *place,
                              const struct origin *origin, struct error *error)
{
    const char *wanted = "a whole number from 0 to 1024";
    int64_t number = 0;
    bool good;
    if (row->type == KEY_DURATION) {
        wanted = "a duration such as 500ms or 3s";
        good = text_to_duration_ns(text, &number) && number > 0;
    } else if (row->type == KEY_BYTES) {
        wanted = "a size such as 64Mi";
        uint64_t bytes = 0;
        good = text_to_bytes(text, &bytes) && bytes > 0 && bytes <= (UINT64_C(1) << 46);
        number = (int64_t)bytes;
    } else {
        good = text_to_i64(text, &number) && number >= 0 && number <= 1024;
    }
    if (!good)
        return error_set(error, STATUS_INVALID, "%s: %s wants %s, not \"%s\"", origin->text, row->key, wanted,
                         text);
    *place = number;
    return STATUS_OK;
}

static enum status set_text(struct config *config, const struct key_row *row, const char *text,
                            const struct origin *origin, struct error *error)
{
    char *place = (char *)config + row->offset;
    if (row->type == KEY_COUNT || row->type == KEY_DURATION || row->type == KEY_BYTES)
        return set_number(row, text, (int64_t *)(void *)place, origin, error);
    if (row->type != KEY_TEXT) return set_items(config, row, text, origin, error);
    if (row->choices != NULL && !is_choice(row->choices, text))
        return error_set(error, STATUS_INVALID, "%s: %s is one of %s, not \"%s\"", origin->text, row->key,
                         row->choices, text);
    *(const char **)(void *)place = arena_strdup(&config->arena, text);
    return STATUS_OK;
}

/* --- the file ------------------------------------------------------------------------------------------ */

struct file_reader {
    struct config *config;
    const char *path;
    const struct value_positions *positions;
    struct error *error;
};

static struct origin origin_at(const struct file_reader *reader, const char *key_path)
{
    struct origin origin;
    uint32_t line = value_positions_line(reader->positions, key_path);
    if (line > 0) (void)snprintf(origin.text, sizeof origin.text, "%s:%u", reader->path, line);
    else (void)text_copy(origin.text, sizeof origin.text, reader->path);
    return origin;
}

/* A scalar as the text that a flag would carry. NULL: not a scalar. */
static const char *scalar_text(struct config *config, const struct value *value)
{
    int64_t integer;
    bool boolean;
    if (value_string(value) != NULL) return value_string(value);
    if (value_integer(value, &integer)) return arena_printf(&config->arena, "%lld", (long long)integer);
    if (value_boolean(value, &boolean)) return boolean ? "true" : "false";
    return NULL;
}

static enum status wrong_shape(const struct file_reader *reader, const char *key_path, const char *wanted)
{
    struct origin origin = origin_at(reader, key_path);
    return error_set(reader->error, STATUS_INVALID, "%s: %s wants %s", origin.text, key_path, wanted);
}

static enum status read_repository(struct file_reader *reader, const struct value *entry,
                                   const char *entry_path)
{
    struct config *config = reader->config;
    struct config_repository *repository = &config->repositories[config->repository_count];
    *repository = (struct config_repository){ .id = "", .url = "", .credentials = "", .require = "" };
    const char **places[] = { &repository->id, &repository->url, &repository->credentials,
                              &repository->require };
    const char *name;
    const struct value *member;
    for (size_t i = 0; value_member(entry, i, &name, &member); i++) {
        size_t field = 0;
        while (field < ARRAY_COUNT(repository_fields) && strcmp(repository_fields[field], name) != 0) {
            field++;
        }
        if (field == ARRAY_COUNT(repository_fields) || value_string(member) == NULL)
            return wrong_shape(reader, entry_path, "only the strings id, url, credentials, require");
        *places[field] = arena_strdup(&config->arena, value_string(member));
    }
    if (repository->id[0] == '\0' || repository->url[0] == '\0')
        return wrong_shape(reader, entry_path, "an id and a url");
    if (repository->require[0] != '\0' && strcmp(repository->require, "sha256") != 0)
        return wrong_shape(reader, entry_path, "require: sha256, or none");
    config->repository_count++;
    return STATUS_OK;
}

static enum status read_repositories(struct file_reader *reader, const struct value *value)
{
    reader->config->repository_count = 0;
    if (value_type(value) != VALUE_ARRAY || value_size(value) > CONFIG_REPOSITORIES_MAX)
        return wrong_shape(reader, "repositories", "a list of at most 16 repositories");
    for (size_t i = 0; i < value_size(value); i++) {
        char entry_path[64];
        (void)snprintf(entry_path, sizeof entry_path, "repositories[%zu]", i);
        enum status status = read_repository(reader, value_at(value, i), entry_path);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

static enum status read_list(struct file_reader *reader, const struct key_row *row, const struct value *value)
{
    struct config_list *list = (struct config_list *)(void *)((char *)reader->config + row->offset);
    list->count = 0;
    if (value_type(value) != VALUE_ARRAY || value_size(value) > CONFIG_LIST_MAX)
        return wrong_shape(reader, row->key, "a list of at most 64 names");
    for (size_t i = 0; i < value_size(value); i++) {
        const char *text = scalar_text(reader->config, value_at(value, i));
        if (text == NULL) return wrong_shape(reader, row->key, "a list of names");
        list->items[list->count++] = arena_strdup(&reader->config->arena, text);
    }
    return STATUS_OK;
}

static enum status read_map(struct file_reader *reader, const struct key_row *row, const struct value *value)
{
    struct config_map *map = (struct config_map *)(void *)((char *)reader->config + row->offset);
    map->count = 0;
    if (value_type(value) != VALUE_OBJECT || value_size(value) > CONFIG_LIST_MAX)
        return wrong_shape(reader, row->key, "a map of at most 64 names to texts");
    const char *name;
    const struct value *member;
    for (size_t i = 0; value_member(value, i, &name, &member); i++) {
        const char *text = scalar_text(reader->config, member);
        if (text == NULL) return wrong_shape(reader, row->key, "a map of names to texts");
        map_set(reader->config, map, name, text);
    }
    return STATUS_OK;
}

static bool is_section(const char *word)
{
    size_t length = strlen(word);
    for (size_t i = 0; i < ARRAY_COUNT(keys); i++) {
        if (strncmp(keys[i].key, word, length) == 0 && keys[i].key[length] == '.') return true;
    }
    return false;
}

static enum status read_key(struct file_reader *reader, const char *key, const struct value *value)
{
    const struct key_row *row = key_find(key);
    struct origin origin = origin_at(reader, key);
    if (row == NULL && is_section(key)) return wrong_shape(reader, key, "its keys: a mapping");
    if (row == NULL) {
        enum status status =
            error_set(reader->error, STATUS_INVALID, "%s: there is no key %s", origin.text, key);
        hint_nearest(reader->error, key, false);
        return status;
    }
    if (row->type == KEY_LIST) return read_list(reader, row, value);
    if (row->type == KEY_MAP) return read_map(reader, row, value);
    if (row->type == KEY_REPOSITORIES) return read_repositories(reader, value);
    const char *text = scalar_text(reader->config, value);
    if (text == NULL) return wrong_shape(reader, key, "one value");
    return set_text(reader->config, row, text, &origin, reader->error);
}

static enum status read_document(struct file_reader *reader, const struct value *document)
{
    if (value_type(document) == VALUE_NULL) return STATUS_OK; /* An empty file. */
    if (value_type(document) != VALUE_OBJECT)
        return error_set(reader->error, STATUS_INVALID, "%s: the configuration is not a map", reader->path);
    const char *section;
    const struct value *content;
    for (size_t i = 0; value_member(document, i, &section, &content); i++) {
        enum status status = STATUS_OK;
        if (key_find(section) != NULL || value_type(content) != VALUE_OBJECT) {
            status = read_key(reader, section, content);
        }
        const char *name;
        const struct value *value;
        for (size_t j = 0;
             status == STATUS_OK && key_find(section) == NULL && value_member(content, j, &name, &value);
             j++) {
            char key[KEY_TEXT_MAX];
            (void)snprintf(key, sizeof key, "%s.%s", section, name);
            status = read_key(reader, key, value);
        }
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

static enum status read_file(const char *path, char **out_text, size_t *out_size, struct error *error)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return error_set(error, STATUS_INVALID, "%s can't be opened: %s", path, strerror(errno));
    char *text = memory_alloc(CONFIG_FILE_SIZE_MAX + 1);
    size_t size = fread(text, 1, CONFIG_FILE_SIZE_MAX + 1, file);
    bool failed = ferror(file) != 0;
    (void)fclose(file);
    if (failed || size > CONFIG_FILE_SIZE_MAX) {
        memory_free(text);
        return error_set(error, STATUS_INVALID, "%s: %s", path,
                         failed ? "can't be read" : "is larger than 1 MiB");
    }
    *out_text = text;
    *out_size = size;
    return STATUS_OK;
}

static enum status load_file(struct config *config, const char *path, struct error *error)
{
    char *text = NULL;
    size_t size = 0;
    enum status status = read_file(path, &text, &size, error);
    if (status != STATUS_OK) return status;
    struct value *document = NULL;
    struct value_positions *positions = NULL;
    status = value_parse_yaml(text, size, &document, &positions, error);
    memory_free(text);
    if (status != STATUS_OK) {
        (void)error_wrap(error, "%s", path);
        return status;
    }
    struct file_reader reader = { config, path, positions, error };
    status = read_document(&reader, document);
    value_free(&document);
    value_positions_free(&positions);
    return status;
}

/* --- environment and flags ----------------------------------------------------------------------------- */

static enum status load_environment(struct config *config, const char *const *environment,
                                    struct error *error)
{
    for (size_t i = 0; i < ARRAY_COUNT(keys); i++) {
        char variable[KEY_TEXT_MAX];
        key_as_variable(keys[i].key, variable);
        size_t length = strlen(variable);
        for (const char *const *at = environment; at != NULL && *at != NULL; at++) {
            if (strncmp(*at, variable, length) != 0 || (*at)[length] != '=') continue;
            struct origin origin;
            (void)text_copy(origin.text, sizeof origin.text, variable);
            enum status status = set_text(config, &keys[i], *at + length + 1, &origin, error);
            if (status != STATUS_OK) return status;
        }
    }
    return STATUS_OK;
}

static const struct key_row *key_of_flag(const char *flag, size_t length)
{
    for (size_t i = 0; i < ARRAY_COUNT(keys); i++) {
        char name[KEY_TEXT_MAX];
        key_as_flag(keys[i].key, name);
        if (strlen(name) == length && strncmp(name, flag, length) == 0) return &keys[i];
    }
    return NULL;
}

static enum status load_flags(struct config *config, const char *const *arguments, uint32_t count,
                              struct error *error)
{
    for (uint32_t i = 0; i < count; i++) {
        const char *argument = arguments[i];
        if (!text_starts_with(argument, "--"))
            return error_set(error, STATUS_INVALID, "unexpected argument \"%s\"", argument);
        const char *flag = argument + 2;
        const char *equals = strchr(flag, '=');
        size_t length = equals != NULL ? (size_t)(equals - flag) : strlen(flag);
        const struct key_row *row = key_of_flag(flag, length);
        if (strcmp(argument, "--config") == 0) /* Main takes it where a file follows. */
            return error_set(error, STATUS_INVALID, "--config wants the name of a file");
        if (row == NULL) {
            enum status status = error_set(error, STATUS_INVALID, "there is no flag %s", argument);
            hint_nearest(error, flag, true);
            return status;
        }
        if (equals == NULL && i + 1 == count)
            return error_set(error, STATUS_INVALID, "%s wants a value", argument);
        const char *text = equals != NULL ? equals + 1 : arguments[++i];
        struct origin origin;
        (void)snprintf(origin.text, sizeof origin.text, "--%.*s", (int)length, flag);
        enum status status = set_text(config, row, text, &origin, error);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

enum status config_load(const char *file, const char *const *environment, const char *const *arguments,
                        uint32_t argument_count, struct config *out_config, struct error *error)
{
    struct config *config = memory_zalloc(sizeof *config);
    enum status status = STATUS_OK;
    for (size_t i = 0; i < ARRAY_COUNT(keys); i++) {
        struct origin origin = { "default" };
        bool is_open = keys[i].type == KEY_TEXT && keys[i].otherwise[0] == '\0';
        if (is_open) *(const char **)(void *)((char *)config + keys[i].offset) = "";
        else status = set_text(config, &keys[i], keys[i].otherwise, &origin, error);
        CHECK(status == STATUS_OK);
    }
    if (file != NULL) status = load_file(config, file, error);
    if (status == STATUS_OK) status = load_environment(config, environment, error);
    if (status == STATUS_OK) status = load_flags(config, arguments, argument_count, error);
    if (status == STATUS_OK) status = config_check(config, error);
    if (status == STATUS_OK) *out_config = *config;
    else arena_fini(&config->arena);
    memory_free(config);
    return status;
}

void config_fini(struct config *config)
{
    arena_fini(&config->arena);
}

/* --- printing ------------------------------------------------------------------------------------------ */

static void print_text(FILE *out, const char *text)
{
    struct value *value = value_new_string(text);
    char *quoted = value_dump(value);
    (void)fputs(quoted, out);
    memory_free(quoted);
    value_free(&value);
}

static void print_map(FILE *out, const struct config_map *map)
{
    (void)fputc('{', out);
    for (uint32_t i = 0; i < map->count; i++) {
        (void)fputs(i == 0 ? "" : ", ", out);
        print_text(out, map->pairs[i].key);
        (void)fputs(": ", out);
        print_text(out, map->pairs[i].value);
    }
    (void)fputc('}', out);
}

static void print_repositories(FILE *out, const struct config *config)
{
    (void)fputc('[', out);
    for (uint32_t i = 0; i < config->repository_count; i++) {
        const struct config_repository *repository = &config->repositories[i];
        const char *const values[] = { repository->id, repository->url, repository->credentials,
                                       repository->require };
        (void)fputs(i == 0 ? "{" : ", {", out);
        for (size_t field = 0; field < ARRAY_COUNT(repository_fields); field++) {
            if (values[field][0] == '\0') continue;
            (void)fprintf(out, "%s%s: ", field == 0 ? "" : ", ", repository_fields[field]);
            print_text(out, values[field]);
        }
        (void)fputc('}', out);
    }
    (void)fputc(']', out);
}

static void print_value(FILE *out, const struct config *config, const struct key_row *row)
{
    const char *place = (const char *)config + row->offset;
    const struct config_list *list = (const void *)place;
    switch (row->type) {
    case KEY_TEXT: print_text(out, *(const char *const *)(const void *)place); break;
    case KEY_COUNT:
    case KEY_BYTES: (void)fprintf(out, "%lld", (long long)*(const int64_t *)(const void *)place); break;
    case KEY_DURATION:
        (void)fprintf(out, "%lldms", (long long)(*(const int64_t *)(const void *)place / MILLISECONDS(1)));
        break;
    case KEY_LIST:
        (void)fputc('[', out);
        for (uint32_t i = 0; i < list->count; i++) {
            (void)fputs(i == 0 ? "" : ", ", out);
            print_text(out, list->items[i]);
        }
        (void)fputc(']', out);
        break;
    case KEY_MAP: print_map(out, (const void *)place); break;
    case KEY_REPOSITORIES: print_repositories(out, config); break;
    }
}

void config_print(const struct config *config, FILE *out)
{
    char section[KEY_TEXT_MAX] = "";
    for (size_t i = 0; i < ARRAY_COUNT(keys); i++) {
        const char *dot = strchr(keys[i].key, '.');
        size_t length = dot != NULL ? (size_t)(dot - keys[i].key) : 0;
        if (dot != NULL && (strlen(section) != length || strncmp(section, keys[i].key, length) != 0)) {
            (void)snprintf(section, sizeof section, "%.*s", (int)length, keys[i].key);
            (void)fprintf(out, "%s:\n", section);
        }
        (void)fprintf(out, "%s%s: ", dot != NULL ? "  " : "", dot != NULL ? dot + 1 : keys[i].key);
        print_value(out, config, &keys[i]);
        (void)fputc('\n', out);
    }
}

void config_print_keys(FILE *out)
{
    for (size_t i = 0; i < ARRAY_COUNT(keys); i++) {
        char flag[KEY_TEXT_MAX];
        key_as_flag(keys[i].key, flag);
        (void)fprintf(out, "  --%-22s %s", flag, keys[i].help);
        if (keys[i].otherwise[0] != '\0') (void)fprintf(out, " (default %s)", keys[i].otherwise);
        (void)fputc('\n', out);
    }
}
