/* table: see the header. By hand since libsmartcols 2.38, which takes widths from the locale, never ended
 * where a cell held more than ASCII and the program had set none. */
#include "cli/table.h"

#include "runtime/base/check.h"
#include "runtime/base/memory.h"

struct range {
    uint32_t first;
    uint32_t last;
};

/* What stands on the character before it, or shows nothing. */
static const struct range without_width[] = {
    { 0x0300, 0x036f }, { 0x200b, 0x200f }, { 0x202a, 0x202e },   { 0x2060, 0x2064 },
    { 0x20d0, 0x20ff }, { 0xfe00, 0xfe0f }, { 0xe0100, 0xe01ef },
};
/* East Asian wide characters, and pictures (UAX 11). */
static const struct range double_width[] = {
    { 0x1100, 0x115f },   { 0x2e80, 0x303e },   { 0x3041, 0xa4cf },   { 0xac00, 0xd7a3 },
    { 0xf900, 0xfaff },   { 0xfe30, 0xfe6f },   { 0xff00, 0xff60 },   { 0xffe0, 0xffe6 },
    { 0x1f300, 0x1f64f }, { 0x1f680, 0x1f6ff }, { 0x1f7e0, 0x1f7eb }, { 0x1f900, 0x1f9ff },
    { 0x1fa70, 0x1faff }, { 0x20000, 0x3fffd },
};

static bool is_within(const struct range *ranges, size_t count, uint32_t character)
{
    for (size_t i = 0; i < count; i++) {
        if (character >= ranges[i].first && character <= ranges[i].last) return true;
    }
    return false;
}

/* The character that begins at *at, which moves behind it. A byte that begins none stands for itself. */
static uint32_t next_character(const char **at)
{
    const unsigned char *bytes = (const unsigned char *)*at;
    uint32_t more = bytes[0] >= 0xf0 ? 3 : bytes[0] >= 0xe0 ? 2 : bytes[0] >= 0xc0 ? 1 : 0;
    uint32_t character = more == 0 ? bytes[0] : bytes[0] & (0x3fU >> more);
    uint32_t read = 1;
    for (; read <= more && (bytes[read] & 0xc0) == 0x80; read++)
        character = character << 6 | (bytes[read] & 0x3f);
    *at += read;
    return character;
}

static size_t width_of(const char *string)
{
    size_t width = 0;
    while (*string != '\0') {
        uint32_t character = next_character(&string);
        if (is_within(without_width, ARRAY_COUNT(without_width), character)) continue;
        width += is_within(double_width, ARRAY_COUNT(double_width), character) ? 2 : 1;
    }
    return width;
}

static void add_blanks(struct text *out, size_t count)
{
    text_printf(out, "%*s", (int)count, "");
}

static void add_cell(struct text *out, const char *cell, size_t wanted, bool right)
{
    size_t width = width_of(cell);
    CHECK(width <= wanted);
    if (right) add_blanks(out, wanted - width);
    text_add(out, cell);
    if (!right) add_blanks(out, wanted - width);
}

static void end_line(struct text *out)
{
    while (out->size > 0 && out->data[out->size - 1] == ' ')
        out->data[--out->size] = '\0';
    text_add(out, "\n");
}

static size_t column_width(const char *title, size_t count, const struct text *cells, size_t rows)
{
    size_t widest = width_of(title);
    for (size_t i = 0; i < rows; i++) {
        size_t width = width_of(text_string(&cells[i * count]));
        if (width > widest) widest = width;
    }
    return widest;
}

void table_print(struct text *out, const struct table_column *columns, size_t count, const struct text *cells,
                 size_t rows)
{
    if (count == 0) return;
    size_t *widths = memory_array(count, sizeof *widths);
    for (size_t i = 0; i < count; i++)
        widths[i] = column_width(columns[i].title, count, cells + i, rows);
    for (size_t i = 0; i < count; i++) {
        if (i > 0) text_add(out, " ");
        add_cell(out, columns[i].title, widths[i], columns[i].right);
    }
    end_line(out);
    for (size_t row = 0; row < rows; row++) {
        for (size_t i = 0; i < count; i++) {
            if (i > 0) text_add(out, " ");
            add_cell(out, text_string(&cells[row * count + i]), widths[i], columns[i].right);
        }
        end_line(out);
    }
    memory_free(widths);
}
