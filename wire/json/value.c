/* value: the document tree, on jansson. A `struct value` is a json_t that only this room knows as such;
 * jansson counts references, but every tree built here has one owner, so a reference never leaves the file.
 * Its heap is base's: running out of memory ends the process, so no call below can come back empty-handed for
 * that. */
#include "wire/json/value.h"

#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

__attribute__((constructor)) static void take_heap(void)
{
    json_set_alloc_funcs(memory_alloc, memory_free);
}

static json_t *as_json(const struct value *value)
{
    return (json_t *)value; /* jansson's readers take json_t without const. */
}

static struct value *as_value(json_t *json)
{
    CHECK(json != NULL);
    return (struct value *)json;
}

/* --- JSON text --------------------------------------------------------------------------------------------
 */

/* jansson's own limit is far deeper, and its message names no place. */
static enum status check_depth(const char *text, size_t size, struct error *error)
{
    uint32_t depth = 0;
    uint32_t line = 1;
    size_t line_start = 0;
    bool quoted = false;
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '\n') {
            line++;
            line_start = i + 1;
        } else if (quoted && text[i] == '\\') {
            i++;
        } else if (text[i] == '"') {
            quoted = !quoted;
        } else if (!quoted && (text[i] == '[' || text[i] == '{')) {
            depth++;
        } else if (!quoted && (text[i] == ']' || text[i] == '}') && depth > 0) {
            depth--;
        }
        if (depth > VALUE_DEPTH_MAX)
            return error_set(error, STATUS_INVALID, "line %u, column %zu: nested deeper than %d levels", line,
                             i - line_start + 1, VALUE_DEPTH_MAX);
    }
    return STATUS_OK;
}

static enum status check_members(json_t *json, struct error *error)
{
    if (json_object_size(json) > VALUE_MEMBERS_MAX)
        return error_set(error, STATUS_INVALID, "line 1, column 1: an object of more than %d members",
                         VALUE_MEMBERS_MAX);
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < json_array_size(json); i++)
        status = check_members(json_array_get(json, i), error);
    for (void *at = json_object_iter(json); status == STATUS_OK && at != NULL;
         at = json_object_iter_next(json, at))
        status = check_members(json_object_iter_value(at), error);
    return status;
}

enum status value_parse_json(const char *text, size_t size, struct value **out_value, struct error *error)
{
    if (size > VALUE_SIZE_MAX)
        return error_set(error, STATUS_INVALID, "line 1, column 1: a document of %zu bytes, at most %d", size,
                         VALUE_SIZE_MAX);
    if (check_depth(text, size, error) != STATUS_OK) return STATUS_INVALID;
    json_error_t problem;
    json_t *json = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &problem);
    if (json == NULL) {
        bool nul = json_error_code(&problem) == json_error_null_character; /* Its text speaks of a C flag. */
        return error_set(error, STATUS_INVALID, "line %d, column %d: %s", problem.line < 1 ? 1 : problem.line,
                         problem.column < 1 ? 1 : problem.column,
                         nul ? "text can't hold U+0000" : problem.text);
    }
    if (check_members(json, error) != STATUS_OK) {
        json_decref(json);
        return STATUS_INVALID;
    }
    *out_value = as_value(json);
    return STATUS_OK;
}

#define EACH_BYTE UINT64_C(0x0101010101010101)
#define EACH_SIGN UINT64_C(0x8080808080808080)

/* Is a byte of the word 0? (Mycroft's test: exact as a yes or no.) */
static uint64_t has_zero(uint64_t word)
{
    return (word - EACH_BYTE) & ~word & EACH_SIGN;
}

/* How many bytes from `text` on are surely plain, eight at a time; the caller looks at the rest one by one.
 */
static size_t plain_words(const char *text, size_t size)
{
    size_t good = 0;
    for (uint64_t word; size - good >= sizeof word; good += sizeof word) {
        memcpy(&word, text + good, sizeof word);
        uint64_t control = (word - EACH_BYTE * 0x20) & ~word & EACH_SIGN; /* Some byte below 0x20. */
        uint64_t del = has_zero(word ^ EACH_BYTE * 0x7F);
        uint64_t quote = has_zero(word ^ EACH_BYTE * '"') | has_zero(word ^ EACH_BYTE * '\\');
        if (((word & EACH_SIGN) | control | del | quote) != 0) break;
    }
    return good;
}

/* One string of plain ASCII, without escapes: the commonest document, known without a tree. */
static bool is_plain_string(const char *text, size_t size)
{
    if (size < 2 || size > VALUE_SIZE_MAX || text[0] != '"' || text[size - 1] != '"') return false;
    for (size_t i = 1 + plain_words(text + 1, size - 2); i < size - 1; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (byte < 0x20 || byte > 0x7E || byte == '"' || byte == '\\') return false;
    }
    return true;
}

bool value_is_json(const char *text, size_t size)
{
    if (is_plain_string(text, size)) return true;
    struct value *value = NULL;
    if (value_parse_json(text, size, &value, NULL) != STATUS_OK) return false;
    value_free(&value);
    return true;
}

/* --- reading ----------------------------------------------------------------------------------------------
 */

void value_free(struct value **value)
{
    json_decref(as_json(*value)); /* NULL is fine. */
    *value = NULL;
}

struct value *value_clone(const struct value *value)
{
    return as_value(json_deep_copy(as_json(value)));
}

bool value_equal(const struct value *a, const struct value *b)
{
    return json_equal(as_json(a), as_json(b)) != 0;
}

enum value_type value_type(const struct value *value)
{
    if (value == NULL) return VALUE_NULL;
    switch (json_typeof(as_json(value))) {
    case JSON_OBJECT: return VALUE_OBJECT;
    case JSON_ARRAY: return VALUE_ARRAY;
    case JSON_STRING: return VALUE_STRING;
    case JSON_INTEGER: return VALUE_INTEGER;
    case JSON_REAL: return VALUE_REAL;
    case JSON_TRUE:
    case JSON_FALSE: return VALUE_BOOLEAN;
    case JSON_NULL: break;
    }
    return VALUE_NULL;
}

const struct value *value_get(const struct value *object, const char *key)
{
    return (const struct value *)json_object_get(as_json(object), key);
}

const struct value *value_at(const struct value *array, size_t position)
{
    return (const struct value *)json_array_get(as_json(array), position);
}

size_t value_size(const struct value *value)
{
    size_t size = json_array_size(as_json(value));
    return size > 0 ? size : json_object_size(as_json(value));
}

const char *value_string(const struct value *value)
{
    return json_string_value(as_json(value));
}

bool value_integer(const struct value *value, int64_t *out_integer)
{
    if (value_type(value) != VALUE_INTEGER) return false;
    *out_integer = json_integer_value(as_json(value));
    return true;
}

bool value_boolean(const struct value *value, bool *out_boolean)
{
    if (value_type(value) != VALUE_BOOLEAN) return false;
    *out_boolean = json_is_true(as_json(value));
    return true;
}

bool value_number(const struct value *value, double *out_number)
{
    if (!json_is_number(as_json(value))) return false;
    *out_number = json_number_value(as_json(value));
    return true;
}

const char *value_get_string(const struct value *object, const char *key, const char *otherwise)
{
    const char *text = value_string(value_get(object, key));
    return text == NULL ? otherwise : text;
}

int64_t value_get_integer(const struct value *object, const char *key, int64_t otherwise)
{
    int64_t integer = otherwise;
    (void)value_integer(value_get(object, key), &integer);
    return integer;
}

bool value_get_boolean(const struct value *object, const char *key, bool otherwise)
{
    bool boolean = otherwise;
    (void)value_boolean(value_get(object, key), &boolean);
    return boolean;
}

bool value_next(const struct value *object, void **cursor, const char **out_key,
                const struct value **out_member)
{
    json_t *json = as_json(object);
    *cursor = *cursor == NULL ? json_object_iter(json) : json_object_iter_next(json, *cursor);
    if (*cursor == NULL) return false;
    *out_key = json_object_iter_key(*cursor);
    *out_member = as_value(json_object_iter_value(*cursor));
    return true;
}

bool value_member(const struct value *object, size_t position, const char **out_key,
                  const struct value **out_member)
{
    void *cursor = NULL;
    for (size_t i = 0; i <= position; i++)
        if (!value_next(object, &cursor, out_key, out_member)) return false;
    return true;
}

/* --- building ---------------------------------------------------------------------------------------------
 */

struct value *value_new_object(void)
{
    return as_value(json_object());
}

struct value *value_new_array(void)
{
    return as_value(json_array());
}

struct value *value_new_string(const char *text)
{
    struct text repaired = { 0 };
    text_add_utf8(&repaired, text);
    struct value *value = as_value(json_string_nocheck(text_string(&repaired)));
    text_fini(&repaired);
    return value;
}

struct value *value_new_integer(int64_t integer)
{
    return as_value(json_integer(integer));
}

struct value *value_new_boolean(bool boolean)
{
    return as_value(json_boolean(boolean));
}

struct value *value_new_real(double real)
{
    return isfinite(real) ? as_value(json_real(real)) : value_new_null();
}

struct value *value_new_null(void)
{
    return as_value(json_null());
}

void value_set(struct value *object, const char *key, struct value *member)
{
    CHECK(value_type(object) == VALUE_OBJECT);
    CHECK(member != NULL);
    struct text repaired = { 0 };
    text_add_utf8(&repaired, key);
    int failed = json_object_set_new_nocheck(as_json(object), text_string(&repaired), as_json(member));
    CHECK(failed == 0);
    text_fini(&repaired);
}

void value_set_string(struct value *object, const char *key, const char *text)
{
    value_set(object, key, value_new_string(text));
}

void value_set_integer(struct value *object, const char *key, int64_t integer)
{
    value_set(object, key, value_new_integer(integer));
}

void value_set_boolean(struct value *object, const char *key, bool boolean)
{
    value_set(object, key, value_new_boolean(boolean));
}

void value_remove(struct value *object, const char *key)
{
    (void)json_object_del(as_json(object), key); /* Absent is fine. */
}

void value_append(struct value *array, struct value *member)
{
    CHECK(value_type(array) == VALUE_ARRAY);
    CHECK(member != NULL);
    int failed = json_array_append_new(as_json(array), as_json(member));
    CHECK(failed == 0);
}

struct value *value_edit(struct value *object, const char *key)
{
    return (struct value *)json_object_get(as_json(object), key);
}

struct value *value_edit_at(struct value *array, size_t position)
{
    return (struct value *)json_array_get(as_json(array), position);
}

void value_remove_at(struct value *array, size_t position)
{
    (void)json_array_remove(as_json(array), position); /* Past the end is fine. */
}
