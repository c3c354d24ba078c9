/* yaml: YAML text into the same tree as JSON, on libyaml's event parser. What is read is the JSON-shaped part
 * of YAML 1.2: mappings with scalar keys, sequences, scalars by the core schema (chapter 10.3). Anchors,
 * aliases and tags are refused: they build documents that are larger, or other, than what a person sees.
 * Positions mirror the tree, one small record a node, so a long key is never copied once per descendant. */
#include "wire/json/value.h"

#include "runtime/base/arena.h"
#include "runtime/base/check.h"
#include "runtime/base/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct position {
    struct position *next_sibling;
    struct position *first_child;
    struct position *last_child;
    const char *key; /* NULL: an element of a sequence, or the root. */
    uint32_t line;
};

struct value_positions {
    struct arena arena;
    struct position root;
};

struct reader {
    yaml_parser_t parser;
    struct value_positions *positions;
    struct error *error;
    uint32_t depth;
};

static enum status refuse(struct reader *reader, const yaml_mark_t *mark, const char *text)
{
    return error_set(reader->error, STATUS_INVALID, "line %zu, column %zu: %s", mark->line + 1,
                     mark->column + 1, text);
}

/* --- events -----------------------------------------------------------------------------------------------
 */

/* A reader error (bytes that are no UTF-8) comes with an offset and no mark, so its line is where parsing
 * was. */
static enum status refuse_syntax(struct reader *reader)
{
    const yaml_parser_t *parser = &reader->parser;
    CHECK(parser->error != YAML_MEMORY_ERROR);
    const yaml_mark_t *mark = parser->error == YAML_READER_ERROR ? &parser->mark : &parser->problem_mark;
    const char *problem = parser->problem == NULL ? "not YAML" : parser->problem;
    const char *context = parser->context == NULL ? "" : parser->context;
    enum status status =
        error_set(reader->error, STATUS_INVALID, "line %zu, column %zu: %s%s%s", mark->line + 1,
                  mark->column + 1, problem, context[0] == 0 ? "" : " ", context);
    if (strstr(problem, "cannot start any token") != NULL || strstr(problem, "tab character") != NULL)
        error_hint(reader->error,
                   "indent with blanks, no tabs; a text that begins with @ or ` stands in quotes");
    return status;
}

static enum status check_properties(struct reader *reader, const yaml_event_t *event,
                                    const yaml_char_t *anchor, const yaml_char_t *tag)
{
    if (anchor != NULL) return refuse(reader, &event->start_mark, "anchors are not supported");
    if (tag != NULL) return refuse(reader, &event->start_mark, "tags are not supported");
    return STATUS_OK;
}

/* The next event, to be deleted by the caller on OK, free of what is never supported. */
static enum status next_event(struct reader *reader, yaml_event_t *event)
{
    if (!yaml_parser_parse(&reader->parser, event)) return refuse_syntax(reader);
    enum status status = STATUS_OK;
    switch (event->type) {
    case YAML_ALIAS_EVENT: status = refuse(reader, &event->start_mark, "aliases are not supported"); break;
    case YAML_SCALAR_EVENT:
        status = check_properties(reader, event, event->data.scalar.anchor, event->data.scalar.tag);
        break;
    case YAML_SEQUENCE_START_EVENT:
        status = check_properties(reader, event, event->data.sequence_start.anchor,
                                  event->data.sequence_start.tag);
        break;
    case YAML_MAPPING_START_EVENT:
        status =
            check_properties(reader, event, event->data.mapping_start.anchor, event->data.mapping_start.tag);
        break;
    default: break;
    }
    if (status != STATUS_OK) yaml_event_delete(event);
    return status;
}

/* --- positions --------------------------------------------------------------------------------------------
 */

static struct position *position_add(struct reader *reader, struct position *parent, const char *key,
                                     const yaml_mark_t *mark)
{
    if (parent == NULL) return NULL; /* Nobody asked for positions. */
    struct arena *arena = &reader->positions->arena;
    struct position *position = arena_alloc(arena, sizeof *position);
    *position = (struct position){ .key = arena_strdup(arena, key), .line = (uint32_t)mark->line + 1 };
    if (parent->last_child == NULL) parent->first_child = position;
    else parent->last_child->next_sibling = position;
    parent->last_child = position;
    return position;
}

static uint32_t position_find(const struct position *position, const char *path);

/* `path` stands at "[N]…". */
static uint32_t position_find_element(const struct position *position, const char *path)
{
    char *end = NULL;
    unsigned long wanted = strtoul(path + 1, &end, 10);
    if (end == path + 1 || *end != ']') return 0;
    const struct position *child = position->first_child;
    for (unsigned long i = 0; i < wanted && child != NULL; i++)
        child = child->next_sibling;
    return child == NULL || child->key != NULL ? 0 : position_find(child, end + 1);
}

/* Keys may hold '.' and '[' themselves, so each child that could begin the path is tried. */
static uint32_t position_find(const struct position *position, const char *path)
{
    if (*path == 0) return position->line;
    if (*path == '[') return position_find_element(position, path);
    if (*path == '.') path++;
    for (const struct position *child = position->first_child; child != NULL; child = child->next_sibling) {
        size_t length = child->key == NULL ? 0 : strlen(child->key);
        if (child->key == NULL || strncmp(path, child->key, length) != 0) continue;
        if (path[length] != 0 && path[length] != '.' && path[length] != '[') continue;
        uint32_t line = position_find(child, path + length);
        if (line != 0) return line;
    }
    return 0;
}

uint32_t value_positions_line(const struct value_positions *positions, const char *path)
{
    return positions == NULL ? 0 : position_find(&positions->root, path);
}

void value_positions_free(struct value_positions **positions)
{
    if (*positions != NULL) arena_fini(&(*positions)->arena);
    memory_free(*positions);
    *positions = NULL;
}

/* --- scalars: the core schema -----------------------------------------------------------------------------
 */

static bool is_one_of(const char *text, const char *const *words)
{
    for (; *words != NULL; words++)
        if (strcmp(text, *words) == 0) return true;
    return false;
}

static size_t span_digits(const char *text)
{
    return strspn(text, "0123456789");
}

static bool is_decimal(const char *text)
{
    if (*text == '-' || *text == '+') text++;
    return *text != 0 && text[span_digits(text)] == 0;
}

/* [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )? */
static bool is_float(const char *text)
{
    if (*text == '-' || *text == '+') text++;
    size_t whole = span_digits(text);
    text += whole;
    size_t fraction = 0;
    if (*text == '.') {
        fraction = span_digits(++text);
        text += fraction;
    }
    if (whole + fraction == 0) return false;
    if (*text != 'e' && *text != 'E') return *text == 0;
    text++;
    if (*text == '-' || *text == '+') text++;
    return *text != 0 && text[span_digits(text)] == 0;
}

/* 0, or the base of an integer in one of the three forms. */
static int integer_base(const char *text)
{
    if (is_decimal(text)) return 10;
    if (strncmp(text, "0o", 2) == 0 && text[2] != 0 && text[2 + strspn(text + 2, "01234567")] == 0) return 8;
    if (strncmp(text, "0x", 2) != 0 || text[2] == 0) return 0;
    return text[2 + strspn(text + 2, "0123456789abcdefABCDEF")] == 0 ? 16 : 0;
}

static enum status read_integer(struct reader *reader, const yaml_event_t *event, int base,
                                struct value **out_value)
{
    const char *text = (const char *)event->data.scalar.value;
    errno = 0;
    long long integer = strtoll(base == 10 ? text : text + 2, NULL, base);
    if (errno != 0) return refuse(reader, &event->start_mark, "an integer beyond 64 bits");
    *out_value = value_new_integer(integer);
    return STATUS_OK;
}

/* The point is always '.', as strtod has it in the C locale, which our programs never leave. */
static enum status read_float(struct reader *reader, const yaml_event_t *event, struct value **out_value)
{
    errno = 0;
    double real = strtod((const char *)event->data.scalar.value, NULL);
    if (errno == ERANGE && (real > 1 || real < -1))
        return refuse(reader, &event->start_mark, "a number that is too large");
    *out_value = value_new_real(real);
    return STATUS_OK;
}

static enum status read_plain(struct reader *reader, const yaml_event_t *event, struct value **out_value)
{
    static const char *const nulls[] = { "", "~", "null", "Null", "NULL", NULL };
    static const char *const trues[] = { "true", "True", "TRUE", NULL };
    static const char *const falses[] = { "false", "False", "FALSE", NULL };
    static const char *const specials[] = { ".inf",  ".Inf",  ".INF", "+.inf", "+.Inf", "+.INF", "-.inf",
                                            "-.Inf", "-.INF", ".nan", ".NaN",  ".NAN",  NULL };
    const char *text = (const char *)event->data.scalar.value;
    int base = integer_base(text);
    if (base != 0) return read_integer(reader, event, base, out_value);
    if (is_float(text)) return read_float(reader, event, out_value);
    if (is_one_of(text, specials))
        return refuse(reader, &event->start_mark, "infinity and not-a-number are not supported");
    if (is_one_of(text, nulls)) *out_value = value_new_null();
    else if (is_one_of(text, trues)) *out_value = value_new_boolean(true);
    else if (is_one_of(text, falses)) *out_value = value_new_boolean(false);
    else *out_value = value_new_string(text);
    return STATUS_OK;
}

static enum status check_no_nul(struct reader *reader, const yaml_event_t *event)
{
    if (strlen((const char *)event->data.scalar.value) == event->data.scalar.length) return STATUS_OK;
    return refuse(reader, &event->start_mark, "text with U+0000");
}

static enum status read_scalar(struct reader *reader, const yaml_event_t *event, struct value **out_value)
{
    if (check_no_nul(reader, event) != STATUS_OK) return STATUS_INVALID;
    if (event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE) return read_plain(reader, event, out_value);
    *out_value = value_new_string((const char *)event->data.scalar.value);
    return STATUS_OK;
}

/* --- nodes ------------------------------------------------------------------------------------------------
 */

static enum status read_node(struct reader *reader, const yaml_event_t *event, struct position *position,
                             struct value **out_value);

static enum status read_element(struct reader *reader, const yaml_event_t *event, struct position *position,
                                struct value *array)
{
    struct value *element = NULL;
    struct position *place = position_add(reader, position, NULL, &event->start_mark);
    enum status status = read_node(reader, event, place, &element);
    if (status == STATUS_OK) value_append(array, element);
    return status;
}

static enum status read_sequence(struct reader *reader, struct position *position, struct value *array)
{
    for (;;) {
        yaml_event_t event;
        enum status status = next_event(reader, &event);
        if (status != STATUS_OK) return status;
        bool done = event.type == YAML_SEQUENCE_END_EVENT;
        if (!done) status = read_element(reader, &event, position, array);
        yaml_event_delete(&event);
        if (done || status != STATUS_OK) return status;
    }
}

static enum status check_key(struct reader *reader, const yaml_event_t *event, const struct value *object)
{
    if (event->type != YAML_SCALAR_EVENT)
        return refuse(reader, &event->start_mark, "a key must be text, not a mapping or a sequence");
    if (check_no_nul(reader, event) != STATUS_OK) return STATUS_INVALID;
    const char *key = (const char *)event->data.scalar.value;
    if (value_get(object, key) != NULL)
        return error_set(reader->error, STATUS_INVALID,
                         "line %zu, column %zu: the key \"%.64s\" is there twice", event->start_mark.line + 1,
                         event->start_mark.column + 1, key);
    if (value_size(object) == VALUE_MEMBERS_MAX)
        return refuse(reader, &event->start_mark, "a mapping of too many members");
    return STATUS_OK;
}

static enum status read_member(struct reader *reader, const yaml_event_t *key_event,
                               struct position *position, struct value *object)
{
    if (check_key(reader, key_event, object) != STATUS_OK) return STATUS_INVALID;
    const char *key = (const char *)key_event->data.scalar.value;
    yaml_event_t event;
    enum status status = next_event(reader, &event);
    if (status != STATUS_OK) return status;
    struct value *member = NULL;
    struct position *place = position_add(reader, position, key, &key_event->start_mark);
    status = read_node(reader, &event, place, &member);
    if (status == STATUS_OK) value_set(object, key, member);
    yaml_event_delete(&event);
    return status;
}

static enum status read_mapping(struct reader *reader, struct position *position, struct value *object)
{
    for (;;) {
        yaml_event_t event;
        enum status status = next_event(reader, &event);
        if (status != STATUS_OK) return status;
        bool done = event.type == YAML_MAPPING_END_EVENT;
        if (!done) status = read_member(reader, &event, position, object);
        yaml_event_delete(&event);
        if (done || status != STATUS_OK) return status;
    }
}

static enum status read_node(struct reader *reader, const yaml_event_t *event, struct position *position,
                             struct value **out_value)
{
    if (event->type == YAML_SCALAR_EVENT) return read_scalar(reader, event, out_value);
    if (reader->depth == VALUE_DEPTH_MAX)
        return error_set(reader->error, STATUS_INVALID, "line %zu, column %zu: nested deeper than %d levels",
                         event->start_mark.line + 1, event->start_mark.column + 1, VALUE_DEPTH_MAX);
    reader->depth++;
    bool mapping = event->type == YAML_MAPPING_START_EVENT;
    struct value *value = mapping ? value_new_object() : value_new_array();
    enum status status =
        mapping ? read_mapping(reader, position, value) : read_sequence(reader, position, value);
    reader->depth--;
    if (status == STATUS_OK) *out_value = value;
    else value_free(&value);
    return status;
}

/* --- documents --------------------------------------------------------------------------------------------
 */

/* Passes over stream and document starts and ends up to the next content, or to the end of the stream. */
static enum status next_content(struct reader *reader, yaml_event_t *event)
{
    for (;;) {
        enum status status = next_event(reader, event);
        if (status != STATUS_OK) return status;
        switch (event->type) {
        case YAML_NO_EVENT:
        case YAML_STREAM_START_EVENT:
        case YAML_DOCUMENT_START_EVENT:
        case YAML_DOCUMENT_END_EVENT: yaml_event_delete(event); break;
        default: return STATUS_OK;
        }
    }
}

static enum status expect_end(struct reader *reader)
{
    yaml_event_t event;
    enum status status = next_content(reader, &event);
    if (status != STATUS_OK) return status;
    if (event.type != YAML_STREAM_END_EVENT)
        status = refuse(reader, &event.start_mark, "a second document; one is expected");
    yaml_event_delete(&event);
    return status;
}

static enum status read_document(struct reader *reader, struct value **out_value)
{
    yaml_event_t event;
    enum status status = next_content(reader, &event);
    if (status != STATUS_OK) return status;
    struct value *value = NULL;
    struct position *root = reader->positions == NULL ? NULL : &reader->positions->root;
    bool empty = event.type == YAML_STREAM_END_EVENT;
    if (empty) value = value_new_null();
    else status = read_node(reader, &event, root, &value);
    yaml_event_delete(&event);
    if (status == STATUS_OK && !empty) status = expect_end(reader);
    if (status == STATUS_OK) *out_value = value;
    else value_free(&value);
    return status;
}

enum status value_parse_yaml(const char *text, size_t size, struct value **out_value,
                             struct value_positions **out_positions, struct error *error)
{
    if (size > VALUE_SIZE_MAX)
        return error_set(error, STATUS_INVALID, "line 1, column 1: a document of %zu bytes, at most %d", size,
                         VALUE_SIZE_MAX);
    struct reader reader = { .error = error };
    int made = yaml_parser_initialize(&reader.parser);
    CHECK(made != 0);
    yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&reader.parser, (const unsigned char *)text, size);
    if (out_positions != NULL) {
        reader.positions = memory_zalloc(sizeof *reader.positions);
        reader.positions->root.line = 1;
    }
    enum status status = read_document(&reader, out_value);
    yaml_parser_delete(&reader.parser);
    if (status == STATUS_OK && out_positions != NULL) *out_positions = reader.positions;
    else value_positions_free(&reader.positions);
    return status;
}
