/* render: see the header. YAML is written here, in the block form that people read. */
#include "cli/render.h"

#include "cli/table.h"
#include "runtime/base/check.h"
#include "runtime/base/map.h"
#include "runtime/base/memory.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_SIZE = 64, DAY_SECONDS = 86400 };

/* --- pieces of text ----------------------------------------------------------------------------------- */
void render_line(struct text *out, const char *string)
{
    for (const unsigned char *c = (const unsigned char *)string; *c != '\0'; c++) {
        bool second_set =
            c[0] == 0xc2 && c[1] >= 0x80 && c[1] <= 0x9f; /* U+009B begins a sequence as ESC [ does. */
        if (second_set) text_printf(out, "\\x%02x", *++c);
        else if (*c < 0x20 || *c == 0x7f) text_printf(out, "\\x%02x", *c);
        else text_add_bytes(out, c, 1);
    }
}

/* Civil date of a day number since 1970-01-01, after Howard Hinnant's chrono algorithms: years start in
 * March. */
static void civil_date(int64_t days, int64_t *out_year, int *out_month, int *out_day)
{
    int64_t shifted = days + 719468;
    int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    int64_t day_of_era = shifted - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153;
    *out_day = (int)(day_of_year - (153 * month + 2) / 5 + 1);
    *out_month = (int)(month < 10 ? month + 3 : month - 9);
    *out_year = year_of_era + era * 400 + (*out_month <= 2 ? 1 : 0);
}

void render_time(struct text *out, int64_t unix_ms)
{
    if (unix_ms <= 0) return; /* Not known. */
    int64_t seconds = unix_ms / 1000;
    int64_t year;
    int month;
    int day;
    civil_date(seconds / DAY_SECONDS, &year, &month, &day);
    int64_t of_day = seconds % DAY_SECONDS;
    text_printf(out, "%04" PRId64 "-%02d-%02dT%02d:%02d:%02dZ", year, month, day, (int)(of_day / 3600),
                (int)(of_day / 60 % 60), (int)(of_day % 60));
}

/* A value in a cell or after "field: ": strings as they are, everything else as JSON. */
static void add_scalar(struct text *out, const struct value *value, enum command_column_form form)
{
    int64_t integer;
    if (value == NULL || value_type(value) == VALUE_NULL) return;
    if (form == COLUMN_TIME && value_integer(value, &integer)) {
        render_time(out, integer);
        return;
    }
    const char *string = value_string(value);
    if (string != NULL) {
        render_line(out, string);
        return;
    }
    char *dump = value_dump(value);
    render_line(out, dump);
    memory_free(dump);
}

/* --- table -------------------------------------------------------------------------------------------- */
/* A column that is empty in every row says nothing. */
static bool column_is_empty(const struct value *rows, const char *name)
{
    for (size_t i = 0; i < value_size(rows); i++) {
        struct text cell = { 0 };
        add_scalar(&cell, value_get(value_at(rows, i), name), COLUMN_TEXT);
        bool empty = cell.size == 0;
        text_fini(&cell);
        if (!empty) return false;
    }
    return value_size(rows) > 0;
}

static void fill_row(struct text *cells, const struct command_column *const *shown, size_t count,
                     const struct value *row)
{
    for (size_t i = 0; i < count; i++) {
        char name[NAME_SIZE];
        command_field_name(name, sizeof name, shown[i]->field);
        add_scalar(&cells[i], value_get(row, name), shown[i]->form);
    }
}

static void add_table(struct text *out, const struct command_column *columns, const struct value *rows)
{
    enum { COLUMN_MAX = 24 };
    const struct command_column *shown[COLUMN_MAX];
    struct table_column headings[COLUMN_MAX];
    size_t count = 0;
    for (const struct command_column *column = columns; column->field != NULL; column++) {
        char name[NAME_SIZE];
        command_field_name(name, sizeof name, column->field);
        if (column_is_empty(rows, name)) continue;
        CHECK(count < COLUMN_MAX);
        headings[count] = (struct table_column){ column->title, column->form == COLUMN_NUMBER };
        shown[count++] = column;
    }
    size_t row_count = value_size(rows);
    struct text *cells = memory_array(row_count * count + 1, sizeof *cells);
    for (size_t i = 0; i < row_count; i++)
        fill_row(&cells[i * count], shown, count, value_at(rows, i));
    table_print(out, headings, count, cells, row_count);
    for (size_t i = 0; i < row_count * count; i++)
        text_fini(&cells[i]);
    memory_free(cells);
}

static void add_fields(struct text *out, const struct command *command, const struct value *document)
{
    const char *key;
    const struct value *member;
    for (size_t i = 0; value_member(document, i, &key, &member); i++) {
        if (value_type(member) == VALUE_ARRAY) {
            bool listed = (command->list != NULL && strcmp(key, command->list) == 0) ||
                          (command->more_list != NULL && strcmp(key, command->more_list) == 0);
            if (listed || value_size(member) == 0) continue;
            text_printf(out, "%s:\n", key);
            for (size_t j = 0; j < value_size(member); j++) {
                text_add(out, "  ");
                add_scalar(out, value_at(member, j), COLUMN_TEXT);
                text_add(out, "\n");
            }
            continue;
        }
        struct text said = { 0 }; /* As in a table: what is empty says nothing. */
        add_scalar(&said, member, strcmp(key, "timestamp") == 0 ? COLUMN_TIME : COLUMN_TEXT);
        if (said.size > 0) text_printf(out, "%s: %s\n", key, text_string(&said));
        text_fini(&said);
    }
}

/* The document is one thing that has a list, not a list of things: its own fields go first. */
static bool is_record(const struct command *command, const struct value *document)
{
    if (command->list == NULL) return true;
    char identity[NAME_SIZE] = "";
    if (command->identity != NULL) command_field_name(identity, sizeof identity, command->identity);
    return value_get(document, identity) != NULL;
}

static void render_table(struct text *out, const struct command *command, const struct value *document)
{
    if (command->plain != NULL) {
        char name[NAME_SIZE];
        command_field_name(name, sizeof name, command->plain);
        char *dump = value_dump(value_get(document, name));
        text_printf(out, "%s\n", dump);
        memory_free(dump);
        return;
    }
    if (command->columns != NULL && command->list == NULL) {
        struct value *rows = value_new_array();
        value_append(rows, value_clone(document));
        add_table(out, command->columns, rows);
        value_free(&rows);
        return;
    }
    bool record = is_record(command, document);
    if (record) add_fields(out, command, document);
    if (command->list == NULL || command->columns == NULL) return;
    char name[NAME_SIZE];
    command_field_name(name, sizeof name, command->list);
    if (record && value_get(document, name) == NULL) return; /* It wasn't asked for. */
    add_table(out, command->columns, value_get(document, name));
    if (command->more_list == NULL) return;
    command_field_name(name, sizeof name, command->more_list);
    if (value_size(value_get(document, name)) == 0) return;
    text_add(out, "\n");
    add_table(out, command->more_columns, value_get(document, name));
}

/* --- names -------------------------------------------------------------------------------------------- */
static void render_names(struct text *out, const struct command *command, const struct value *document)
{
    if (command->identity == NULL) return;
    char identity[NAME_SIZE];
    command_field_name(identity, sizeof identity, command->identity);
    const struct value *own = value_get(document, identity);
    if (own != NULL) {
        size_t before = out->size;
        add_scalar(out, own, COLUMN_TEXT);
        if (out->size > before) text_add(out, "\n"); /* Nobody holds the lease: no name, and no line. */
        return;
    }
    char list[NAME_SIZE] = "";
    if (command->list != NULL) command_field_name(list, sizeof list, command->list);
    const struct value *rows = value_get(document, list);
    struct map seen = { 0 }; /* Instances share their slice's name: each name is said once. */
    for (size_t i = 0; i < value_size(rows); i++) {
        struct text name = { 0 };
        add_scalar(&name, value_get(value_at(rows, i), identity), COLUMN_TEXT);
        if (map_put(&seen, text_string(&name), &seen) == NULL) text_printf(out, "%s\n", text_string(&name));
        text_fini(&name);
    }
    map_fini(&seen);
}

/* --- JSON and YAML ------------------------------------------------------------------------------------ */
void render_json(struct text *out, const struct value *value)
{
    char *dump = value_dump_pretty(value);
    text_printf(out, "%s\n", dump);
    memory_free(dump);
}

/* Plain only where no reader could take it for anything else (YAML 1.1's booleans and numbers included). */
static bool yaml_is_plain(const char *string)
{
    static const char *const words[] = { "true", "false", "yes", "no", "on", "off", "null", "y", "n" };
    if (*string == '\0') return false;
    for (size_t i = 0; i < ARRAY_COUNT(words); i++) {
        if (strcasecmp(string, words[i]) == 0) return false;
    }
    bool lettered = (*string >= 'a' && *string <= 'z') || (*string >= 'A' && *string <= 'Z');
    if (!lettered) return false;
    for (const char *c = string; *c != '\0'; c++) {
        bool harmless = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') ||
                        strchr("-_./", *c) != NULL || (*c == ':' && c[1] != ' ' && c[1] != '\0');
        if (!harmless) return false;
    }
    return true;
}

static void yaml_scalar(struct text *out, const struct value *value)
{
    const char *string = value_string(value);
    if (string != NULL && yaml_is_plain(string)) {
        text_add(out, string);
        return;
    }
    char *dump = value_dump(value); /* JSON's scalars, and its empty lists, are YAML's. */
    text_add(out, dump);
    memory_free(dump);
}

static bool yaml_is_block(const struct value *value)
{
    enum value_type type = value_type(value);
    return (type == VALUE_ARRAY || type == VALUE_OBJECT) && value_size(value) > 0;
}

static void yaml_block(struct text *out, const struct value *value, int indent, bool first_inline);

static void yaml_member(struct text *out, const char *key, const struct value *member, int indent)
{
    struct value *name = value_new_string(key);
    yaml_scalar(out, name);
    value_free(&name);
    text_add(out, ":");
    if (yaml_is_block(member)) {
        text_add(out, "\n");
        yaml_block(out, member, value_type(member) == VALUE_ARRAY ? indent : indent + 2, false);
        return;
    }
    text_add(out, " ");
    yaml_scalar(out, member);
    text_add(out, "\n");
}

/* Depth is bounded: documents come from value trees (VALUE_DEPTH_MAX). */
static void yaml_block(struct text *out, const struct value *value, int indent, bool first_inline)
{
    bool is_array = value_type(value) == VALUE_ARRAY;
    for (size_t i = 0; i < value_size(value); i++) {
        if (i > 0 || !first_inline) text_printf(out, "%*s", indent, "");
        const char *key = NULL;
        const struct value *member = NULL;
        if (!is_array) {
            if (value_member(value, i, &key, &member)) yaml_member(out, key, member, indent);
            continue;
        }
        member = value_at(value, i);
        text_add(out, "- ");
        if (yaml_is_block(member)) {
            yaml_block(out, member, indent + 2, true);
            continue;
        }
        yaml_scalar(out, member);
        text_add(out, "\n");
    }
}

void render_yaml(struct text *out, const struct value *value)
{
    if (yaml_is_block(value)) {
        yaml_block(out, value, 0, false);
        return;
    }
    yaml_scalar(out, value);
    text_add(out, "\n");
}

void render_document(struct text *out, const struct command *command, const struct value *document,
                     enum argv_output output)
{
    switch (output) {
    case OUTPUT_TABLE: render_table(out, command, document); break;
    case OUTPUT_JSON: render_json(out, document); break;
    case OUTPUT_YAML: render_yaml(out, document); break;
    case OUTPUT_NAME: render_names(out, command, document); break;
    }
}
