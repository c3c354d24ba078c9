/* text: see the header. Parsers take whole strings and refuse signs, blanks and overflow, so that what they
 * accept has one reading only. */
#include "runtime/base/text.h"

#include "runtime/base/check.h"
#include "runtime/base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { CAPACITY_MIN = 64, DISTANCE_MAX = 63 };

static void reserve(struct text *text, size_t more)
{
    CHECK(more < SIZE_MAX / 4 - text->size);
    size_t needed = text->size + more + 1;
    if (needed <= text->capacity) return;
    size_t capacity = text->capacity == 0 ? CAPACITY_MIN : text->capacity;
    while (capacity < needed) {
        capacity *= 2;
    }
    text->data = memory_realloc(text->data, capacity);
    text->capacity = capacity;
}

void text_add_bytes(struct text *text, const void *data, size_t size)
{
    reserve(text, size);
    if (size > 0) memcpy(text->data + text->size, data, size);
    text->size += size;
    text->data[text->size] = '\0';
}

void text_add(struct text *text, const char *string)
{
    text_add_bytes(text, string, strlen(string));
}

void text_printf(struct text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    CHECK(length >= 0);
    reserve(text, (size_t)length);
    va_start(arguments, format);
    (void)vsnprintf(text->data + text->size, (size_t)length + 1, format, arguments);
    va_end(arguments);
    text->size += (size_t)length;
}

const char *text_string(const struct text *text)
{
    return text->data == NULL ? "" : text->data;
}

char *text_take(struct text *text)
{
    char *string = text->data == NULL ? memory_strdup("") : text->data;
    *text = (struct text){ 0 };
    return string;
}

void text_fini(struct text *text)
{
    memory_free(text->data);
    *text = (struct text){ 0 };
}

bool text_copy(char *to, size_t size, const char *from)
{
    CHECK(size > 0);
    size_t length = strnlen(from, size);
    bool fits = length < size;
    if (!fits) length = size - 1;
    memcpy(to, from, length);
    to[length] = '\0';
    return fits;
}

bool text_starts_with(const char *string, const char *prefix)
{
    for (; *prefix != '\0'; string++, prefix++) { /* Most differ in their first byte. */
        if (*string != *prefix) return false;
    }
    return true;
}

bool text_ends_with(const char *string, const char *suffix)
{
    size_t length = strlen(string);
    size_t suffix_length = strlen(suffix);
    return length >= suffix_length && memcmp(string + length - suffix_length, suffix, suffix_length) == 0;
}

/* The length of the well-formed sequence at `at` (RFC 3629, section 4), or 0. */
static size_t utf8_sequence(const uint8_t *at, size_t left)
{
    uint8_t lead = at[0];
    if (lead < 0x80) return 1;
    size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4 || left < length) return 0;      /* C0 and C1 begin overlong forms only. */
    uint8_t low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80; /* Below: overlong. */
    uint8_t high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF; /* Above: surrogate, or > 10FFFF. */
    if (at[1] < low || at[1] > high) return 0;
    for (size_t i = 2; i < length; i++) {
        if ((at[i] & 0xC0) != 0x80) return 0;
    }
    return length;
}

/* How many of the bytes from `at` on are surely ASCII, by words: most text is nothing else. */
static size_t ascii_words(const uint8_t *at, size_t size)
{
    size_t good = 0;
    for (uint64_t word; size - good >= sizeof word; good += sizeof word) {
        memcpy(&word, at + good, sizeof word);
        if ((word & UINT64_C(0x8080808080808080)) != 0) break;
    }
    return good;
}

bool text_is_utf8(const void *data, size_t size)
{
    const uint8_t *at = data;
    for (size_t i = ascii_words(at, size); i < size;) {
        size_t length = utf8_sequence(at + i, size - i);
        if (length == 0) return false;
        i += length;
        if (length > 1) i += ascii_words(at + i, size - i);
    }
    return true;
}

void text_add_utf8(struct text *text, const char *string)
{
    const uint8_t *at = (const uint8_t *)string;
    size_t size = strlen(string);
    for (size_t i = 0; i < size;) {
        size_t good = 0; /* From i on: added in one piece. */
        for (size_t length; i + good < size && (length = utf8_sequence(at + i + good, size - i - good)) > 0;)
            good += length;
        text_add_bytes(text, at + i, good);
        i += good;
        if (i == size) break;
        text_add(text, "\xEF\xBF\xBD");
        i++;
    }
}

/* Reads digits up to the first other character; NULL: none, or the number doesn't fit. */
static const char *read_digits(const char *at, uint64_t *out_number)
{
    if (*at < '0' || *at > '9') return NULL;
    uint64_t number = 0;
    for (; *at >= '0' && *at <= '9'; at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        if (number > (UINT64_MAX - digit) / 10) return NULL;
        number = number * 10 + digit;
    }
    *out_number = number;
    return at;
}

bool text_to_u64(const char *string, uint64_t *out_number)
{
    uint64_t number = 0;
    const char *end = read_digits(string, &number);
    if (end == NULL || *end != '\0') return false;
    *out_number = number;
    return true;
}

bool text_to_i64(const char *string, int64_t *out_number)
{
    bool negative = *string == '-';
    uint64_t magnitude = 0;
    if (!text_to_u64(string + (negative ? 1 : 0), &magnitude)) return false;
    if (magnitude > (uint64_t)INT64_MAX + (negative ? 1 : 0)) return false;
    /* 0 - magnitude wraps to the two's complement, which holds INT64_MIN too. */
    *out_number = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    return true;
}

struct unit {
    const char *name;
    uint64_t factor;
};

/* Longer names first where one begins another ("ms" before "m"). */
static const struct unit duration_units[] = {
    { "ns", 1 },
    { "us", 1000 },
    { "ms", 1000000 },
    { "s", UINT64_C(1000000000) },
    { "m", UINT64_C(60000000000) },
    { "h", UINT64_C(3600000000000) },
};
static const struct unit byte_units[] = {
    { "Ki", UINT64_C(1) << 10 },
    { "Mi", UINT64_C(1) << 20 },
    { "Gi", UINT64_C(1) << 30 },
    { "Ti", UINT64_C(1) << 40 },
};

/* The unit that the string begins with, or NULL. */
static const struct unit *unit_at(const char *string, const struct unit *units, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (text_starts_with(string, units[i].name)) return &units[i];
    }
    return NULL;
}

bool text_to_duration_ns(const char *string, int64_t *out_ns)
{
    uint64_t total = 0;
    const char *at = string;
    do {
        uint64_t number = 0;
        at = read_digits(at, &number);
        if (at == NULL) return false;
        const struct unit *unit = unit_at(at, duration_units, ARRAY_COUNT(duration_units));
        if (unit == NULL || number > (INT64_MAX - total) / unit->factor) return false;
        total += number * unit->factor;
        at += strlen(unit->name);
    } while (*at != '\0');
    *out_ns = (int64_t)total;
    return true;
}

bool text_to_bytes(const char *string, uint64_t *out_bytes)
{
    uint64_t number = 0;
    const char *at = read_digits(string, &number);
    if (at == NULL) return false;
    if (*at == '\0') {
        *out_bytes = number;
        return true;
    }
    const struct unit *unit = unit_at(at, byte_units, ARRAY_COUNT(byte_units));
    if (unit == NULL || at[strlen(unit->name)] != '\0' || number > UINT64_MAX / unit->factor) return false;
    *out_bytes = number * unit->factor;
    return true;
}

void text_hex(char *to, const void *data, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *at = data;
    for (size_t i = 0; i < size; i++) {
        to[2 * i] = digits[at[i] >> 4];
        to[2 * i + 1] = digits[at[i] & 15];
    }
    to[2 * size] = '\0';
}

static int hex_digit(char digit)
{
    if (digit >= '0' && digit <= '9') return digit - '0';
    if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
    return -1;
}

bool text_from_hex(void *to, size_t size, const char *hex)
{
    if (strlen(hex) != 2 * size) return false;
    for (size_t i = 0; i < 2 * size; i++) {
        if (hex_digit(hex[i]) < 0) return false;
    }
    uint8_t *at = to;
    for (size_t i = 0; i < size; i++) {
        at[i] = (uint8_t)((unsigned)hex_digit(hex[2 * i]) << 4 | (unsigned)hex_digit(hex[2 * i + 1]));
    }
    return true;
}

static uint32_t min3(uint32_t a, uint32_t b, uint32_t c)
{
    uint32_t least = a < b ? a : b;
    return least < c ? least : c;
}

uint32_t text_distance(const char *a, const char *b)
{
    size_t a_length = strnlen(a, DISTANCE_MAX);
    size_t b_length = strnlen(b, DISTANCE_MAX);
    uint32_t row[DISTANCE_MAX + 1]; /* row[j]: from the a seen so far to the first j of b. */
    for (size_t j = 0; j <= b_length; j++) {
        row[j] = (uint32_t)j;
    }
    for (size_t i = 1; i <= a_length; i++) {
        uint32_t diagonal = row[0];
        row[0] = (uint32_t)i;
        for (size_t j = 1; j <= b_length; j++) {
            uint32_t above = row[j];
            row[j] = min3(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1] ? 1 : 0));
            diagonal = above;
        }
    }
    return row[b_length];
}
