/* value: one tree for JSON and YAML documents (jansson underneath; libyaml reads into the same tree).
 * Duplicate keys are refused, depth and size are limited, objects keep the order of insertion, integers are
 * 64 bit. Dumping the same tree gives the same bytes on every build. A child is borrowed from its parent. */
#ifndef AETHER_WIRE_JSON_VALUE_H
#define AETHER_WIRE_JSON_VALUE_H

#include "runtime/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of what is parsed: levels, bytes of text, members of one object. */
enum { VALUE_DEPTH_MAX = 64, VALUE_SIZE_MAX = 4 * 1024 * 1024, VALUE_MEMBERS_MAX = 4096 };

struct value;
struct value_positions; /* Where each node stood in the text, by path ("slices[0].instances"). */

enum value_type {
    VALUE_NULL,
    VALUE_BOOLEAN,
    VALUE_INTEGER,
    VALUE_REAL,
    VALUE_STRING,
    VALUE_ARRAY,
    VALUE_OBJECT
};

/* INVALID with line and column in the message. Text never holds U+0000. `out_positions` may be NULL.
 * YAML: one document; plain scalars by the core schema of YAML 1.2; anchors, aliases and tags are refused; a
 * document without content is null. */
MUST_CHECK enum status value_parse_json(const char *text, size_t size, struct value **out_value,
                                        struct error *error);
bool value_is_json(const char *text, size_t size); /* value_parse_json would take it. */
MUST_CHECK enum status value_parse_yaml(const char *text, size_t size, struct value **out_value,
                                        struct value_positions **out_positions, struct error *error);
void value_free(struct value **value); /* Takes; leaves NULL. */
struct value *value_clone(const struct value *value);
bool value_equal(const struct value *a, const struct value *b);
uint32_t value_positions_line(const struct value_positions *positions, const char *path); /* 0: not known. */
void value_positions_free(struct value_positions **positions);

enum value_type value_type(const struct value *value); /* NULL counts as VALUE_NULL. */
const struct value *value_get(const struct value *object,
                              const char *key); /* NULL: no object or no such key. */
const struct value *value_at(const struct value *array, size_t position);
size_t value_size(const struct value *value);        /* Of an array or object; else 0. */
const char *value_string(const struct value *value); /* NULL: not a string. */
bool value_integer(const struct value *value, int64_t *out_integer);
bool value_boolean(const struct value *value, bool *out_boolean);
bool value_number(const struct value *value, double *out_number); /* Integer or real. */
/* Member `key` of an object, or the default where it is absent or of another type. */
const char *value_get_string(const struct value *object, const char *key, const char *otherwise);
int64_t value_get_integer(const struct value *object, const char *key, int64_t otherwise);
bool value_get_boolean(const struct value *object, const char *key, bool otherwise);
/* Members in order: for (void *cursor = NULL; value_next(object, &cursor, &key, &member);). The object must
 * not change meanwhile. */
bool value_next(const struct value *object, void **cursor, const char **out_key,
                const struct value **out_member);
/* The member at `position` in the same order; false: past the end. Counts from the start: for small objects.
 */
bool value_member(const struct value *object, size_t position, const char **out_key,
                  const struct value **out_member);

struct value *value_new_object(void);
struct value *value_new_array(void);
struct value *value_new_string(const char *text); /* Not UTF-8: replaced by U+FFFD. */
struct value *value_new_integer(int64_t integer);
struct value *value_new_boolean(bool boolean);
struct value *value_new_real(double real); /* NaN and infinities have no JSON form: null. */
struct value *value_new_null(void);
void value_set(struct value *object, const char *key, struct value *member); /* Takes member; replaces. */
void value_set_string(struct value *object, const char *key, const char *text);
void value_set_integer(struct value *object, const char *key, int64_t integer);
void value_set_boolean(struct value *object, const char *key, bool boolean);
void value_remove(struct value *object, const char *key);
void value_append(struct value *array, struct value *member); /* Takes member. */
/* To change a child in place: the same pointers without const; NULL as value_get. */
struct value *value_edit(struct value *object, const char *key);
struct value *value_edit_at(struct value *array, size_t position);
void value_remove_at(struct value *array, size_t position);

/* One line, or indented by two; the caller frees with memory_free. */
char *value_dump(const struct value *value);
char *value_dump_pretty(const struct value *value);

#endif
