/* convert: see the header. Descriptors know no recursion (house.md section 6), so neither walk has a bound of
 * its own. */
#include "wire/json/convert.h"

#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"

#include <math.h>
#include <string.h>

enum { FIELD_NAME_MAX = 64, NAME_DISTANCE_MAX = 3 };

/* The integers that every JSON reader keeps exactly (RFC 8259, section 6). */
static const int64_t exact_max = INT64_C(1) << 53;

static void name_of(char name[FIELD_NAME_MAX], const ProtobufCFieldDescriptor *field)
{
    bool whole = text_copy(name, FIELD_NAME_MAX, field->name);
    CHECK(whole);
    for (; *name != 0; name++)
        if (*name == '_') *name = '-';
}

static size_t part_size(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32: return sizeof(uint32_t);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64: return sizeof(uint64_t);
    case PROTOBUF_C_TYPE_FLOAT: return sizeof(float);
    case PROTOBUF_C_TYPE_DOUBLE: return sizeof(double);
    case PROTOBUF_C_TYPE_BOOL: return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_ENUM: return sizeof(int);
    case PROTOBUF_C_TYPE_BYTES: return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE: break;
    }
    return sizeof(void *);
}

static bool in_oneof(const ProtobufCFieldDescriptor *field)
{
    return (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
}

/* --- body to document ----------------------------------------------------------------------------------- */

static struct value *signed_value(int64_t number)
{
    if (number < exact_max && number > -exact_max) return value_new_integer(number);
    struct text text = { 0 };
    text_printf(&text, "%lld", (long long)number);
    struct value *value = value_new_string(text_string(&text));
    text_fini(&text);
    return value;
}

static struct value *unsigned_value(uint64_t number)
{
    if (number < (uint64_t)exact_max) return value_new_integer((int64_t)number);
    struct text text = { 0 };
    text_printf(&text, "%llu", (unsigned long long)number);
    struct value *value = value_new_string(text_string(&text));
    text_fini(&text);
    return value;
}

/* RFC 4648, section 4. */
static struct value *base64_value(const ProtobufCBinaryData *bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    struct text text = { 0 };
    for (size_t i = 0; i < bytes->len; i += 3) {
        uint32_t group = (uint32_t)bytes->data[i] << 16;
        if (i + 1 < bytes->len) group |= (uint32_t)bytes->data[i + 1] << 8;
        if (i + 2 < bytes->len) group |= bytes->data[i + 2];
        const char quad[4] = { digits[group >> 18 & 63], digits[group >> 12 & 63],
                               i + 1 < bytes->len ? digits[group >> 6 & 63] : '=',
                               i + 2 < bytes->len ? digits[group & 63] : '=' };
        text_add_bytes(&text, quad, sizeof quad);
    }
    struct value *value = value_new_string(text_string(&text));
    text_fini(&text);
    return value;
}

static struct value *bytes_value(const ProtobufCBinaryData *bytes)
{
    if (bytes->len == 0) return value_new_null();
    struct value *value = NULL;
    if (value_parse_json((const char *)bytes->data, bytes->len, &value, NULL) == STATUS_OK) return value;
    return base64_value(bytes);
}

static struct value *enum_value(const ProtobufCEnumDescriptor *type, int number)
{
    for (unsigned i = 0; i < type->n_values; i++)
        if (type->values[i].value == number) return value_new_string(type->values[i].name);
    return value_new_integer(number);
}

/* A count reads as one: 5, not 5.0. */
static struct value *real_value(double real)
{
    const double exact = 9007199254740992.0; /* 2^53 */
    bool whole = real > -exact && real < exact && (double)(int64_t)real == real;
    return whole ? value_new_integer((int64_t)real) : value_new_real(real);
}

static struct value *part_value(const ProtobufCFieldDescriptor *field, const void *part)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32: return signed_value(*(const int32_t *)part);
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32: return unsigned_value(*(const uint32_t *)part);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64: return signed_value(*(const int64_t *)part);
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64: return unsigned_value(*(const uint64_t *)part);
    case PROTOBUF_C_TYPE_FLOAT: return real_value((double)*(const float *)part);
    case PROTOBUF_C_TYPE_DOUBLE: return real_value(*(const double *)part);
    case PROTOBUF_C_TYPE_BOOL: return value_new_boolean(*(const protobuf_c_boolean *)part != 0);
    case PROTOBUF_C_TYPE_ENUM: return enum_value(field->descriptor, *(const int *)part);
    case PROTOBUF_C_TYPE_STRING: {
        const char *string = *(const char *const *)part;
        return value_new_string(string == NULL ? "" : string);
    }
    case PROTOBUF_C_TYPE_BYTES: return bytes_value(part);
    case PROTOBUF_C_TYPE_MESSAGE: break;
    }
    return convert_to_value(*(const void *const *)part);
}

static struct value *array_value(const ProtobufCFieldDescriptor *field, const uint8_t *parts, size_t count)
{
    struct value *array = value_new_array();
    for (size_t i = 0; i < count; i++)
        value_append(array, part_value(field, parts + i * part_size(field->type)));
    return array;
}

/* NULL: the field is not there. */
static struct value *field_value(const uint8_t *body, const ProtobufCFieldDescriptor *field)
{
    const void *member = body + field->offset;
    const void *quantifier = body + field->quantifier_offset;
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        return array_value(field, *(const uint8_t *const *)member, *(const size_t *)quantifier);
    if (in_oneof(field) && *(const uint32_t *)quantifier != field->id) return NULL;
    if (field->type == PROTOBUF_C_TYPE_MESSAGE && *(const void *const *)member == NULL) return NULL;
    return part_value(field, member);
}

struct value *convert_to_value(const void *body)
{
    const ProtobufCMessageDescriptor *descriptor = ((const ProtobufCMessage *)body)->descriptor;
    struct value *object = value_new_object();
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        struct value *member = field_value(body, &descriptor->fields[i]);
        char name[FIELD_NAME_MAX];
        name_of(name, &descriptor->fields[i]);
        if (member != NULL) value_set(object, name, member);
    }
    return object;
}

/* --- document to body ----------------------------------------------------------------------------------- */

struct place { /* Where the walk stands, for error messages. */
    const struct place *parent;
    const char *key; /* NULL: the element `position` of an array. */
    size_t position;
};

struct walk {
    struct arena *arena;
    struct error *error;
};

static void add_path(struct text *text, const struct place *place)
{
    if (place == NULL) return;
    add_path(text, place->parent);
    if (place->key == NULL) text_printf(text, "[%zu]", place->position);
    else text_printf(text, "%s%s", text->size == 0 ? "" : ".", place->key);
}

static enum status refuse(const struct walk *walk, const struct place *place, const char *problem)
{
    struct text path = { 0 };
    add_path(&path, place);
    enum status status = error_set(walk->error, STATUS_INVALID, "%s%s%s", text_string(&path),
                                   path.size == 0 ? "" : ": ", problem);
    text_fini(&path);
    return status;
}

static enum status read_message(const struct walk *walk, const struct place *place, const struct value *value,
                                const ProtobufCMessageDescriptor *descriptor, void **out_body);

/* A real without a fraction counts: JSON has one kind of number, and some writers add ".0". */
static bool as_signed(const struct value *value, int64_t *out_number)
{
    double real = 0;
    if (value_integer(value, out_number)) return true;
    const char *string = value_string(value);
    if (string != NULL) return text_to_i64(string, out_number);
    if (!value_number(value, &real) || real != floor(real) || fabs(real) > (double)exact_max) return false;
    *out_number = (int64_t)real;
    return true;
}

static bool as_unsigned(const struct value *value, uint64_t *out_number)
{
    const char *string = value_string(value);
    if (string != NULL) return text_to_u64(string, out_number);
    int64_t number = 0;
    if (!as_signed(value, &number) || number < 0) return false;
    *out_number = (uint64_t)number;
    return true;
}

static enum status read_signed(const struct walk *walk, const struct place *place, const struct value *value,
                               int64_t min, int64_t max, int64_t *out_number)
{
    if (as_signed(value, out_number) && *out_number >= min && *out_number <= max) return STATUS_OK;
    return refuse(walk, place, max == INT32_MAX ? "must be a 32-bit integer" : "must be an integer");
}

static enum status read_unsigned(const struct walk *walk, const struct place *place,
                                 const struct value *value, uint64_t max, uint64_t *out_number)
{
    if (as_unsigned(value, out_number) && *out_number <= max) return STATUS_OK;
    return refuse(walk, place,
                  max == UINT32_MAX ? "must be an integer from 0 to 4294967295"
                                    : "must be an integer, not below 0");
}

/* Any value; it is kept as the JSON text that it reads as. */
static enum status read_bytes(const struct walk *walk, const struct value *value,
                              ProtobufCBinaryData *out_bytes)
{
    char *text = value_dump(value);
    out_bytes->len = strlen(text);
    out_bytes->data = arena_memdup(walk->arena, text, out_bytes->len);
    memory_free(text);
    return STATUS_OK;
}

static enum status read_enum(const struct walk *walk, const struct place *place, const struct value *value,
                             const ProtobufCEnumDescriptor *type, int *out_number)
{
    const char *name = value_string(value);
    struct text names = { 0 };
    for (unsigned i = 0; i < type->n_values; i++) {
        text_printf(&names, "%s%s", i == 0 ? "must be one of " : ", ", type->values[i].name);
        if (name == NULL || strcmp(name, type->values[i].name) != 0) continue;
        *out_number = type->values[i].value;
        text_fini(&names);
        return STATUS_OK;
    }
    enum status status = refuse(walk, place, text_string(&names));
    text_fini(&names);
    return status;
}

static enum status read_string(const struct walk *walk, const struct place *place, const struct value *value,
                               char **out_string)
{
    const char *string = value_string(value);
    if (string == NULL) return refuse(walk, place, "must be a string");
    *out_string = arena_strdup(walk->arena, string);
    return STATUS_OK;
}

static enum status read_integer(const struct walk *walk, const struct place *place, const struct value *value,
                                ProtobufCType type, void *part)
{
    bool narrow = part_size(type) == sizeof(uint32_t);
    bool positive = type == PROTOBUF_C_TYPE_UINT32 || type == PROTOBUF_C_TYPE_FIXED32 ||
                    type == PROTOBUF_C_TYPE_UINT64 || type == PROTOBUF_C_TYPE_FIXED64;
    int64_t number = 0;
    uint64_t magnitude = 0;
    enum status status = positive
                             ? read_unsigned(walk, place, value, narrow ? UINT32_MAX : UINT64_MAX, &magnitude)
                             : read_signed(walk, place, value, narrow ? INT32_MIN : INT64_MIN,
                                           narrow ? INT32_MAX : INT64_MAX, &number);
    if (status != STATUS_OK) return status;
    if (!positive) magnitude = (uint64_t)number;
    if (narrow) *(uint32_t *)part = (uint32_t)magnitude;
    else *(uint64_t *)part = magnitude;
    return STATUS_OK;
}

static enum status read_part(const struct walk *walk, const struct place *place, const struct value *value,
                             const ProtobufCFieldDescriptor *field, void *part)
{
    double real = 0;
    bool boolean = false;
    switch (field->type) {
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_DOUBLE:
        if (!value_number(value, &real)) return refuse(walk, place, "must be a number");
        if (field->type == PROTOBUF_C_TYPE_FLOAT) *(float *)part = (float)real;
        else *(double *)part = real;
        return STATUS_OK;
    case PROTOBUF_C_TYPE_BOOL:
        if (!value_boolean(value, &boolean)) return refuse(walk, place, "must be true or false");
        *(protobuf_c_boolean *)part = boolean;
        return STATUS_OK;
    case PROTOBUF_C_TYPE_ENUM: return read_enum(walk, place, value, field->descriptor, part);
    case PROTOBUF_C_TYPE_STRING: return read_string(walk, place, value, part);
    case PROTOBUF_C_TYPE_BYTES: return read_bytes(walk, value, part);
    case PROTOBUF_C_TYPE_MESSAGE: return read_message(walk, place, value, field->descriptor, part);
    default: return read_integer(walk, place, value, field->type, part);
    }
}

static enum status read_array(const struct walk *walk, const struct place *place, const struct value *value,
                              const ProtobufCFieldDescriptor *field, uint8_t *body)
{
    if (value_type(value) != VALUE_ARRAY) return refuse(walk, place, "must be an array");
    size_t count = value_size(value);
    size_t size = part_size(field->type);
    uint8_t *parts = arena_array(walk->arena, count, size);
    for (size_t i = 0; i < count; i++) {
        struct place element = { .parent = place, .position = i };
        enum status status = read_part(walk, &element, value_at(value, i), field, parts + i * size);
        if (status != STATUS_OK) return status;
    }
    *(size_t *)(void *)(body + field->quantifier_offset) = count;
    *(void **)(void *)(body + field->offset) = parts;
    return STATUS_OK;
}

static enum status read_field(const struct walk *walk, const struct place *place, const struct value *value,
                              const ProtobufCFieldDescriptor *field, uint8_t *body)
{
    if (value_type(value) == VALUE_NULL) return STATUS_OK; /* As if absent. */
    if (field->label == PROTOBUF_C_LABEL_REPEATED) return read_array(walk, place, value, field, body);
    if (in_oneof(field)) {
        uint32_t *chosen = (uint32_t *)(void *)(body + field->quantifier_offset);
        if (*chosen != 0) return refuse(walk, place, "excludes another member that is there too");
        *chosen = field->id;
    }
    return read_part(walk, place, value, field, body + field->offset);
}

/* --- keys ----------------------------------------------------------------------------------------------- */

static const ProtobufCFieldDescriptor *find_field(const ProtobufCMessageDescriptor *descriptor,
                                                  const char *key)
{
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        char name[FIELD_NAME_MAX];
        name_of(name, &descriptor->fields[i]);
        if (strcmp(name, key) == 0) return &descriptor->fields[i];
    }
    return NULL;
}

static enum status refuse_key(const struct walk *walk, const struct place *parent, const char *key,
                              const ProtobufCMessageDescriptor *descriptor)
{
    char nearest[FIELD_NAME_MAX] = "";
    uint32_t distance = NAME_DISTANCE_MAX + 1;
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        char name[FIELD_NAME_MAX];
        name_of(name, &descriptor->fields[i]);
        uint32_t this_distance = text_distance(key, name);
        if (this_distance >= distance) continue;
        distance = this_distance;
        (void)text_copy(nearest, sizeof nearest, name);
    }
    char shown[FIELD_NAME_MAX];
    (void)text_copy(shown, sizeof shown, key);
    struct place place = { .parent = parent, .key = shown };
    enum status status = refuse(walk, &place, "unknown key");
    if (nearest[0] != 0) error_hint(walk->error, "did you mean \"%s\"?", nearest);
    return status;
}

static enum status read_message(const struct walk *walk, const struct place *place, const struct value *value,
                                const ProtobufCMessageDescriptor *descriptor, void **out_body)
{
    if (value_type(value) != VALUE_OBJECT) return refuse(walk, place, "must be an object");
    void *body = codec_create(walk->arena, descriptor);
    const char *key;
    const struct value *member;
    for (void *cursor = NULL; value_next(value, &cursor, &key, &member);) {
        const ProtobufCFieldDescriptor *field = find_field(descriptor, key);
        if (field == NULL) return refuse_key(walk, place, key, descriptor);
        struct place here = { .parent = place, .key = key };
        enum status status = read_field(walk, &here, member, field, body);
        if (status != STATUS_OK) return status;
    }
    *out_body = body;
    return STATUS_OK;
}

enum status convert_from_value(const struct value *object, struct arena *arena,
                               const ProtobufCMessageDescriptor *descriptor, void **out_body,
                               struct error *error)
{
    struct walk walk = { .arena = arena, .error = error };
    return read_message(&walk, NULL, object, descriptor, out_body);
}
