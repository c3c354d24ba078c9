/* dump: a tree as JSON text (RFC 8259). Not jansson's own: that prints 0.1 as 0.10000000000000001, and people
 * read what we print. A real is printed with the fewest digits that read back as the same number. */
#include "wire/json/value.h"

#include "runtime/base/check.h"
#include "runtime/base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REAL_DIGITS_MIN = 15, REAL_DIGITS_MAX = 17, INDENT = 2 };

struct printer {
    struct text text;
    bool pretty;
    int level;
};

static void print_value(struct printer *printer, const struct value *value);

static void print_string(struct printer *printer, const char *string)
{
    text_add(&printer->text, "\"");
    while (*string != 0) {
        size_t plain = 0;
        while (string[plain] != 0 && string[plain] != '"' && string[plain] != '\\' &&
               (unsigned char)string[plain] >= 0x20)
            plain++;
        text_add_bytes(&printer->text, string, plain);
        string += plain;
        if (*string == 0) break;
        static const char names[] = "\"\\\b\f\n\r\t";
        static const char letters[] = "\"\\bfnrt";
        const char *name = strchr(names, *string);
        if (name != NULL) text_printf(&printer->text, "\\%c", letters[name - names]);
        else text_printf(&printer->text, "\\u%04x", (unsigned)(unsigned char)*string);
        string++;
    }
    text_add(&printer->text, "\"");
}

static void print_real(struct printer *printer, double real)
{
    char digits[40];
    for (int precision = REAL_DIGITS_MIN; precision <= REAL_DIGITS_MAX; precision++) {
        (void)snprintf(digits, sizeof digits, "%.*g", precision, real);
        if (strtod(digits, NULL) == real) break;
    }
    text_add(&printer->text, digits);
    if (strpbrk(digits, ".e") == NULL) text_add(&printer->text, ".0"); /* It stays a real when read again. */
}

static void print_break(struct printer *printer)
{
    if (printer->pretty) text_printf(&printer->text, "\n%*s", INDENT * printer->level, "");
}

static void print_array(struct printer *printer, const struct value *array)
{
    text_add(&printer->text, "[");
    printer->level++;
    for (size_t i = 0; i < value_size(array); i++) {
        if (i > 0) text_add(&printer->text, ",");
        print_break(printer);
        print_value(printer, value_at(array, i));
    }
    printer->level--;
    if (value_size(array) > 0) print_break(printer);
    text_add(&printer->text, "]");
}

static void print_object(struct printer *printer, const struct value *object)
{
    text_add(&printer->text, "{");
    printer->level++;
    const char *key;
    const struct value *member;
    bool first = true;
    for (void *cursor = NULL; value_next(object, &cursor, &key, &member); first = false) {
        if (!first) text_add(&printer->text, ",");
        print_break(printer);
        print_string(printer, key);
        text_add(&printer->text, printer->pretty ? ": " : ":");
        print_value(printer, member);
    }
    printer->level--;
    if (!first) print_break(printer);
    text_add(&printer->text, "}");
}

static void print_value(struct printer *printer, const struct value *value)
{
    int64_t integer = 0;
    double real = 0;
    bool boolean = false;
    switch (value_type(value)) {
    case VALUE_NULL: text_add(&printer->text, "null"); break;
    case VALUE_BOOLEAN:
        (void)value_boolean(value, &boolean);
        text_add(&printer->text, boolean ? "true" : "false");
        break;
    case VALUE_INTEGER:
        (void)value_integer(value, &integer);
        text_printf(&printer->text, "%lld", (long long)integer);
        break;
    case VALUE_REAL:
        (void)value_number(value, &real);
        print_real(printer, real);
        break;
    case VALUE_STRING: print_string(printer, value_string(value)); break;
    case VALUE_ARRAY: print_array(printer, value); break;
    case VALUE_OBJECT: print_object(printer, value); break;
    }
}

char *value_dump(const struct value *value)
{
    struct printer printer = { .pretty = false };
    print_value(&printer, value);
    return text_take(&printer.text);
}

char *value_dump_pretty(const struct value *value)
{
    struct printer printer = { .pretty = true };
    print_value(&printer, value);
    return text_take(&printer.text);
}
