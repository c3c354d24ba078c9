/* slice: states, keys and values; the rules between them are in slice_rules.c. Values are JSON with exactly
 * the fields of product.md section 5, a failure's story included (section 3: reason, text, fatal, attempt,
 * next retry); a field that says nothing is left out, but for those that readers rely on. */
#include "store/schema/slice.h"

#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "wire/json/value.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* --- states ------------------------------------------------------------------------------------------- */

struct state_row {
    const char *name;
    uint32_t moves;     /* Bit s: may go to state s. */
    uint32_t to_active; /* Arrows from here to ACTIVE; a failed one starts again from nothing. */
};

#define TO(state) (UINT32_C(1) << SLICE_##state)

/* product.md section 3: the arrows as drawn, then ACTIVE -> DEACTIVATE and DEACTIVATING -> FAILED. */
static const struct state_row states[SLICE_STATE_COUNT] = {
    [SLICE_GONE] = { "", TO(LOAD), 6 },
    [SLICE_LOAD] = { "LOAD", TO(LOADING), 5 },
    [SLICE_LOADING] = { "LOADING", TO(LOADED) | TO(FAILED), 4 },
    [SLICE_LOADED] = { "LOADED", TO(ACTIVATE) | TO(UNLOAD), 3 },
    [SLICE_ACTIVATE] = { "ACTIVATE", TO(ACTIVATING), 2 },
    [SLICE_ACTIVATING] = { "ACTIVATING", TO(ACTIVE) | TO(FAILED), 1 },
    [SLICE_ACTIVE] = { "ACTIVE", TO(DEACTIVATE), 0 },
    [SLICE_DEACTIVATE] = { "DEACTIVATE", TO(DEACTIVATING), 5 },
    [SLICE_DEACTIVATING] = { "DEACTIVATING", TO(LOADED) | TO(FAILED), 4 },
    [SLICE_UNLOAD] = { "UNLOAD", TO(UNLOADING), 8 },
    [SLICE_UNLOADING] = { "UNLOADING", TO(GONE), 7 },
    [SLICE_FAILED] = { "FAILED", TO(UNLOAD), 9 },
};

const char *slice_state_name(enum slice_state state)
{
    CHECK((unsigned)state < SLICE_STATE_COUNT);
    return states[state].name;
}

enum slice_state slice_state_from_name(const char *name)
{
    for (int state = 0; state < SLICE_STATE_COUNT; state++) {
        if (strcmp(states[state].name, name) == 0) return (enum slice_state)state;
    }
    return SLICE_STATE_COUNT;
}

bool slice_state_allows(enum slice_state from, enum slice_state to)
{
    CHECK((unsigned)from < SLICE_STATE_COUNT);
    return (unsigned)to < SLICE_STATE_COUNT && (states[from].moves & (UINT32_C(1) << to)) != 0;
}

enum slice_state slice_state_least(enum slice_state a, enum slice_state b)
{
    if (states[a].to_active != states[b].to_active) return states[a].to_active > states[b].to_active ? a : b;
    return a < b ? a : b; /* Equally far: either is true; the lower number keeps it deterministic (A2). */
}

/* --- keys --------------------------------------------------------------------------------------------- */

#define PREFIX_BLUEPRINT  "blueprints/"
#define PREFIX_HISTORY    "blueprint-history/"
#define PREFIX_ALLOCATION "allocations/"
#define PREFIX_RECORD     "slices/"
#define PREFIX_ENDPOINT   "endpoints/"

__attribute__((format(printf, 2, 3))) static void print_key(char *key, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(key, SLICE_KEY_MAX, format, arguments);
    va_end(arguments);
    CHECK(length > 0);
    CHECK(length < SLICE_KEY_MAX);
}

void slice_key_blueprint(char *key, const char *name)
{
    print_key(key, PREFIX_BLUEPRINT "%s", name);
}

void slice_key_history(char *key, const char *name, uint64_t revision)
{
    print_key(key, PREFIX_HISTORY "%s/%llu", name, (unsigned long long)revision);
}

void slice_key_allocation(char *key, const char *artifact, const char *node)
{
    print_key(key, PREFIX_ALLOCATION "%s/%s", artifact, node);
}

void slice_key_record(char *key, const char *node, const char *artifact)
{
    print_key(key, PREFIX_RECORD "%s/%s", node, artifact);
}

void slice_key_endpoint(char *key, const char *artifact, const char *entry, uint32_t instance)
{
    print_key(key, PREFIX_ENDPOINT "%s/%s:%u", artifact, entry, instance);
}

/* key = prefix, first, '/', second; neither part empty, no further '/'. */
static bool split_key(const char *key, const char *prefix, char *first, size_t first_size, char *second,
                      size_t second_size)
{
    if (!text_starts_with(key, prefix)) return false;
    const char *at = key + strlen(prefix);
    size_t length = strcspn(at, "/");
    if (length == 0 || length >= first_size || at[length] != '/') return false;
    const char *rest = at + length + 1;
    if (*rest == '\0' || strchr(rest, '/') != NULL || strlen(rest) >= second_size) return false;
    memcpy(first, at, length);
    first[length] = '\0';
    return text_copy(second, second_size, rest);
}

bool slice_key_blueprint_parse(const char *key, const char **out_name)
{
    if (!text_starts_with(key, PREFIX_BLUEPRINT)) return false;
    *out_name = key + strlen(PREFIX_BLUEPRINT);
    return true;
}

bool slice_key_allocation_parse(const char *key, char *artifact, char *node)
{
    return split_key(key, PREFIX_ALLOCATION, artifact, COORDINATES_TEXT_MAX, node, SLICE_NODE_MAX);
}

bool slice_key_record_parse(const char *key, char *node, char *artifact)
{
    return split_key(key, PREFIX_RECORD, node, SLICE_NODE_MAX, artifact, COORDINATES_TEXT_MAX);
}

bool slice_key_endpoint_parse(const char *key, char *artifact, char *entry, uint32_t *out_instance)
{
    char tail[COORDINATES_ARTIFACT_MAX + 16];
    if (!split_key(key, PREFIX_ENDPOINT, artifact, COORDINATES_TEXT_MAX, tail, sizeof(tail))) return false;
    char *colon = strrchr(tail, ':');
    uint64_t instance = 0;
    if (colon == NULL || !text_to_u64(colon + 1, &instance) || instance > SLICE_NUMBER_MAX) return false;
    *colon = '\0';
    *out_instance = (uint32_t)instance;
    return text_copy(entry, COORDINATES_ARTIFACT_MAX, tail);
}

/* --- reading ------------------------------------------------------------------------------------------ */

/* The object in `value`; the caller frees it. */
static enum status parse_object(const void *value, size_t size, struct value **out_value, struct error *error)
{
    enum status status = value_parse_json(value, size, out_value, error);
    if (status != STATUS_OK) return error_set(error, STATUS_CORRUPT, "the value is no JSON");
    if (value_type(*out_value) == VALUE_OBJECT) return STATUS_OK;
    value_free(out_value);
    return error_set(error, STATUS_CORRUPT, "the value is no JSON object");
}

static const char *read_string(struct arena *arena, const struct value *object, const char *key)
{
    return arena_strdup(arena, value_get_string(object, key, ""));
}

static uint64_t read_number(const struct value *object, const char *key)
{
    int64_t number = value_get_integer(object, key, 0);
    return number < 0 ? 0 : (uint64_t)number;
}

/* The member's number as an instance, 0 when it is none. */
static uint32_t read_instance(const struct value *object)
{
    int64_t number = value_get_integer(object, "instance", 0);
    return number >= 1 && number <= SLICE_NUMBER_MAX ? (uint32_t)number : 0;
}

/* `instances` of an object: an array that ascends by number. */
static enum status check_instances(const struct value *instances, struct error *error)
{
    if (instances != NULL && value_type(instances) != VALUE_ARRAY)
        return error_set(error, STATUS_CORRUPT, "instances is no array");
    if (value_size(instances) > SLICE_INSTANCES_MAX)
        return error_set(error, STATUS_CORRUPT, "more than %d instances", SLICE_INSTANCES_MAX);
    uint32_t last = 0;
    for (size_t i = 0; i < value_size(instances); i++) {
        uint32_t number = read_instance(value_at(instances, i));
        if (number <= last) return error_set(error, STATUS_CORRUPT, "instances[%zu] has a bad number", i);
        last = number;
    }
    return STATUS_OK;
}

static enum status read_allocation(struct arena *arena, const struct value *object,
                                   struct allocation *out_allocation, struct error *error)
{
    const struct value *members = value_get(object, "instances");
    enum status status = check_instances(members, error);
    if (status != STATUS_OK) return status;
    enum slice_state desired = slice_state_from_name(value_get_string(object, "desired", ""));
    if (desired != SLICE_ACTIVE) return error_set(error, STATUS_CORRUPT, "desired is not ACTIVE");
    uint32_t count = (uint32_t)value_size(members);
    struct allocation_instance *instances = arena_array(arena, count, sizeof(*instances));
    for (uint32_t i = 0; i < count; i++) {
        const struct value *member = value_at(members, i);
        instances[i].instance = read_instance(member);
        instances[i].rev = read_number(member, "rev");
        instances[i].attempt = (uint32_t)read_number(member, "attempt");
    }
    *out_allocation = (struct allocation){
        .instances = instances,
        .instance_count = count,
        .desired = desired,
        .blueprint = read_string(arena, object, "blueprint"),
        .sha256 = read_string(arena, object, "sha256"),
        .timestamp = read_number(object, "timestamp"),
    };
    return STATUS_OK;
}

enum status slice_allocation_read(struct arena *arena, const void *value, size_t size,
                                  struct allocation *out_allocation, struct error *error)
{
    struct value *object = NULL;
    enum status status = parse_object(value, size, &object, error);
    if (status != STATUS_OK) return status;
    status = read_allocation(arena, object, out_allocation, error);
    value_free(&object);
    return status;
}

static void read_slice_instance(struct arena *arena, const struct value *member,
                                struct slice_instance *out_instance)
{
    bool fatal = value_get_boolean(member, "fatal", false);
    *out_instance = (struct slice_instance){
        .instance = read_instance(member),
        .state = slice_state_from_name(value_get_string(member, "state", "?")),
        .rev = read_number(member, "rev"),
        .since = read_number(member, "timestamp"),
        .deadline = read_number(member, "deadline"),
        .reason = read_string(arena, member, "reason"),
        .text = read_string(arena, member, "text"),
        .attempt = (uint32_t)read_number(member, "attempt"),
        .fatal = fatal,
        .retry_at = read_number(member, "retry-at"),
        .download_bytes = read_number(member, "download-bytes"),
        .download_total_bytes = read_number(member, "download-total-bytes"),
    };
}

static enum status read_record(struct arena *arena, const struct value *object,
                               struct slice_record *out_record, struct error *error)
{
    const struct value *members = value_get(object, "instances");
    enum status status = check_instances(members, error);
    if (status != STATUS_OK) return status;
    uint32_t count = (uint32_t)value_size(members);
    struct slice_instance *instances = arena_array(arena, count, sizeof(*instances));
    for (uint32_t i = 0; i < count; i++) {
        read_slice_instance(arena, value_at(members, i), &instances[i]);
        if (instances[i].state == SLICE_GONE || instances[i].state == SLICE_STATE_COUNT)
            return error_set(error, STATUS_CORRUPT, "instances[%u] has no such state", i);
    }
    *out_record = (struct slice_record){
        .state = slice_state_from_name(value_get_string(object, "state", "")),
        .timestamp = read_number(object, "timestamp"),
        .incarnation = read_number(object, "incarnation"),
        .instances = instances,
        .instance_count = count,
    };
    return STATUS_OK;
}

enum status slice_record_read(struct arena *arena, const void *value, size_t size,
                              struct slice_record *out_record, struct error *error)
{
    struct value *object = NULL;
    enum status status = parse_object(value, size, &object, error);
    if (status != STATUS_OK) return status;
    status = read_record(arena, object, out_record, error);
    value_free(&object);
    return status;
}

enum status slice_endpoint_read(struct arena *arena, const void *value, size_t size,
                                struct slice_endpoint *out_endpoint, struct error *error)
{
    struct value *object = NULL;
    enum status status = parse_object(value, size, &object, error);
    if (status != STATUS_OK) return status;
    *out_endpoint = (struct slice_endpoint){
        .node = read_string(arena, object, "node-id"),
        .instance = read_instance(object),
        .state = slice_state_from_name(value_get_string(object, "state", "")),
        .timestamp = read_number(object, "timestamp"),
    };
    value_free(&object);
    if (out_endpoint->instance == 0) return error_set(error, STATUS_CORRUPT, "bad instance");
    return STATUS_OK;
}

enum status slice_node_read(struct arena *arena, const void *value, size_t size, struct slice_node *out_node,
                            struct error *error)
{
    struct value *object = NULL;
    enum status status = parse_object(value, size, &object, error);
    if (status != STATUS_OK) return status;
    const struct value *labels = value_get(object, "labels");
    uint32_t count = 0;
    const char **pairs = arena_array(arena, 2 * (value_size(labels) + 1), sizeof(*pairs));
    const char *zone = value_get_string(object, "zone", "");
    if (zone[0] != '\0' && value_get(labels, "zone") == NULL) { /* The zone is a label like any other. */
        pairs[0] = "zone";
        pairs[1] = arena_strdup(arena, zone);
        count = 1;
    }
    const char *name = NULL;
    const struct value *member = NULL;
    for (size_t i = 0; value_member(labels, i, &name, &member); i++) {
        if (value_string(member) == NULL) continue; /* Labels are strings; another type matches nothing. */
        pairs[2 * (size_t)count] = arena_strdup(arena, name);
        pairs[2 * (size_t)count + 1] = arena_strdup(arena, value_string(member));
        count++;
    }
    *out_node = (struct slice_node){
        .state = read_string(arena, object, "state"),
        .presence = read_string(arena, object, "presence"),
        .incarnation = read_number(object, "incarnation"),
        .labels = pairs,
        .label_count = count,
    };
    value_free(&object);
    return STATUS_OK;
}

/* --- writing ------------------------------------------------------------------------------------------ */

static char *dump(struct arena *arena, struct value **value)
{
    char *text = value_dump(*value);
    char *kept = arena_strdup(arena, text);
    memory_free(text);
    value_free(value);
    return kept;
}

static void set_number(struct value *object, const char *key, uint64_t number)
{
    value_set_integer(object, key, (int64_t)number);
}

char *slice_allocation_write(struct arena *arena, const struct allocation *allocation)
{
    struct value *object = value_new_object();
    set_number(object, "assigned", allocation->instance_count);
    struct value *instances = value_new_array();
    for (uint32_t i = 0; i < allocation->instance_count; i++) {
        struct value *member = value_new_object();
        set_number(member, "instance", allocation->instances[i].instance);
        set_number(member, "rev", allocation->instances[i].rev);
        set_number(member, "attempt", allocation->instances[i].attempt);
        value_append(instances, member);
    }
    value_set(object, "instances", instances);
    value_set_string(object, "desired", slice_state_name(allocation->desired));
    value_set_string(object, "blueprint", allocation->blueprint);
    value_set_string(object, "sha256", allocation->sha256);
    set_number(object, "timestamp", allocation->timestamp);
    return dump(arena, &object);
}

static struct value *instance_value(const struct slice_instance *instance)
{
    struct value *member = value_new_object();
    set_number(member, "instance", instance->instance);
    value_set_string(member, "state", slice_state_name(instance->state));
    set_number(member, "timestamp", instance->since);
    set_number(member, "rev", instance->rev);
    if (instance->deadline != 0) set_number(member, "deadline", instance->deadline);
    if (instance->reason[0] != '\0') value_set_string(member, "reason", instance->reason);
    if (instance->text[0] != '\0') value_set_string(member, "text", instance->text);
    set_number(member, "attempt", instance->attempt);
    if (instance->state == SLICE_FAILED) value_set_boolean(member, "fatal", instance->fatal);
    if (instance->retry_at != 0) set_number(member, "retry-at", instance->retry_at);
    if (instance->download_bytes != 0) set_number(member, "download-bytes", instance->download_bytes);
    if (instance->download_total_bytes != 0)
        set_number(member, "download-total-bytes", instance->download_total_bytes);
    return member;
}

char *slice_record_write(struct arena *arena, const struct slice_record *record)
{
    struct value *object = value_new_object();
    value_set_string(object, "state", slice_state_name(record->state));
    set_number(object, "timestamp", record->timestamp);
    set_number(object, "version", 1); /* Of this form. */
    set_number(object, "incarnation", record->incarnation);
    struct value *instances = value_new_array();
    for (uint32_t i = 0; i < record->instance_count; i++)
        value_append(instances, instance_value(&record->instances[i]));
    value_set(object, "instances", instances);
    return dump(arena, &object);
}

char *slice_endpoint_write(struct arena *arena, const struct slice_endpoint *endpoint)
{
    struct value *object = value_new_object();
    value_set_string(object, "node-id", endpoint->node);
    set_number(object, "instance", endpoint->instance);
    value_set_string(object, "state", slice_state_name(endpoint->state));
    set_number(object, "timestamp", endpoint->timestamp);
    return dump(arena, &object);
}

/* --- finding ------------------------------------------------------------------------------------------ */

const struct allocation_instance *slice_allocation_find(const struct allocation *allocation,
                                                        uint32_t instance)
{
    for (uint32_t i = 0; i < allocation->instance_count; i++) {
        if (allocation->instances[i].instance == instance) return &allocation->instances[i];
    }
    return NULL;
}

const struct slice_instance *slice_record_find(const struct slice_record *record, uint32_t instance)
{
    for (uint32_t i = 0; i < record->instance_count; i++) {
        if (record->instances[i].instance == instance) return &record->instances[i];
    }
    return NULL;
}
