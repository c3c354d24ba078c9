/* json: a cursor that steps over one value at a time. Depth is bounded, so that nesting costs no stack. */
#include "json.h"

#include <string.h>

enum { DEPTH_MAX = 16, NAME_MAX_SIZE = 64 };

struct cursor {
    const char *at;
    const char *end;
};

static void skip_space(struct cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\n' || *c->at == '\r'))
        c->at++;
}

static bool take(struct cursor *c, char wanted)
{
    skip_space(c);
    if (c->at == c->end || *c->at != wanted) return false;
    c->at++;
    return true;
}

static bool take_word(struct cursor *c, const char *word)
{
    size_t size = strlen(word);
    if ((size_t)(c->end - c->at) < size || memcmp(c->at, word, size) != 0) return false;
    c->at += size;
    return true;
}

static bool is_digit(const struct cursor *c)
{
    return c->at < c->end && *c->at >= '0' && *c->at <= '9';
}

static bool skip_digits(struct cursor *c)
{
    if (!is_digit(c)) return false;
    while (is_digit(c))
        c->at++;
    return true;
}

static bool skip_number(struct cursor *c)
{
    if (c->at < c->end && *c->at == '-') c->at++;
    bool leading_zero = is_digit(c) && *c->at == '0';
    if (leading_zero) c->at++;
    if (!leading_zero && !skip_digits(c)) return false;
    if (c->at < c->end && *c->at == '.') {
        c->at++;
        if (!skip_digits(c)) return false;
    }
    if (c->at < c->end && (*c->at == 'e' || *c->at == 'E')) {
        c->at++;
        if (c->at < c->end && (*c->at == '+' || *c->at == '-')) c->at++;
        if (!skip_digits(c)) return false;
    }
    return true;
}

static int hex_digit(char digit)
{
    if (digit >= '0' && digit <= '9') return digit - '0';
    if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
    return -1;
}

/* One character of a string, unescaped; a \u escape yields its code point. false: malformed, or the end. */
static bool next_character(struct cursor *c, uint32_t *out_character)
{
    if (c->at == c->end || *c->at == '"' || (unsigned char)*c->at < 0x20) return false;
    *out_character = (unsigned char)*c->at++;
    if (*out_character != '\\') return true;
    if (c->at == c->end) return false;
    static const char escapes[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";
    char escape = *c->at++;
    if (escape == 'u') {
        uint32_t code = 0;
        for (int i = 0; i < 4; i++) {
            int digit = c->at < c->end ? hex_digit(*c->at++) : -1;
            if (digit < 0) return false;
            code = code * 16 + (uint32_t)digit;
        }
        *out_character = code;
        return true;
    }
    const char *found = memchr(escapes, escape, sizeof escapes - 1);
    if (found == NULL) return false;
    *out_character = (unsigned char)meanings[found - escapes];
    return true;
}

/* Steps over a string; `to` may be NULL. *out_fits: it was copied whole. */
static bool read_string(struct cursor *c, char *to, size_t to_size, bool *out_fits)
{
    size_t used = 0;
    *out_fits = true;
    if (!take(c, '"')) return false;
    while (c->at < c->end && *c->at != '"') {
        uint32_t character;
        bool escaped_unicode = c->end - c->at >= 2 && c->at[0] == '\\' && c->at[1] == 'u';
        if (!next_character(c, &character)) return false;
        if ((escaped_unicode && (character > 0x7f || character == 0)) || used + 1 >= to_size)
            *out_fits = false;
        if (to != NULL && *out_fits) to[used++] = (char)character;
    }
    if (to != NULL && to_size > 0) to[used] = '\0';
    return take(c, '"');
}

static bool skip_scalar(struct cursor *c)
{
    bool fits;
    skip_space(c);
    if (c->at == c->end) return false;
    switch (*c->at) {
    case '"': return read_string(c, NULL, 0, &fits);
    case 't': return take_word(c, "true");
    case 'f': return take_word(c, "false");
    case 'n': return take_word(c, "null");
    default: return skip_number(c);
    }
}

static bool skip_name(struct cursor *c)
{
    bool fits;
    return read_string(c, NULL, 0, &fits) && take(c, ':');
}

/* Steps over any value without recursion: `open` holds the closing bracket of each level. */
static bool skip_value(struct cursor *c)
{
    char open[DEPTH_MAX];
    int depth = 0;
    for (;;) {
        bool began = false;
        if (take(c, '{')) {
            if (depth == DEPTH_MAX) return false;
            open[depth++] = '}';
            began = true;
        } else if (take(c, '[')) {
            if (depth == DEPTH_MAX) return false;
            open[depth++] = ']';
            began = true;
        } else if (!skip_scalar(c)) {
            return false;
        }
        if (began && !take(c, open[depth - 1])) {
            if (open[depth - 1] == '}' && !skip_name(c)) return false;
            continue; /* To the first element. */
        }
        if (began) depth--; /* It was empty. */
        while (depth > 0 && take(c, open[depth - 1]))
            depth--;
        if (depth == 0) return true;
        if (!take(c, ',')) return false;
        if (open[depth - 1] == '}' && !skip_name(c)) return false;
    }
}

bool json_is_object(const char *text, size_t size)
{
    struct cursor c = { text, text + size };
    skip_space(&c);
    if (c.at == c.end || *c.at != '{' || !skip_value(&c)) return false;
    skip_space(&c);
    return c.at == c.end;
}

static bool find(struct cursor *c, const char *name)
{
    if (!take(c, '{') || take(c, '}')) return false;
    do {
        char candidate[NAME_MAX_SIZE];
        bool fits;
        if (!read_string(c, candidate, sizeof candidate, &fits) || !take(c, ':')) return false;
        skip_space(c);
        if (fits && strcmp(candidate, name) == 0) return true;
        if (!skip_value(c)) return false;
    } while (take(c, ','));
    return false;
}

enum json_found json_integer(const char *text, size_t size, const char *name, int64_t *out_number)
{
    struct cursor c = { text, text + size };
    if (!find(&c, name)) return JSON_ABSENT;
    bool negative = c.at < c.end && *c.at == '-';
    if (negative) c.at++;
    if (!is_digit(&c)) return JSON_WRONG;
    int64_t number = 0;
    for (; is_digit(&c); c.at++) {
        if (number > (INT64_MAX - 9) / 10) return JSON_WRONG;
        number = number * 10 + (*c.at - '0');
    }
    if (c.at < c.end && (*c.at == '.' || *c.at == 'e' || *c.at == 'E')) return JSON_WRONG;
    *out_number = negative ? -number : number;
    return JSON_FOUND;
}

enum json_found json_string(const char *text, size_t size, const char *name, char *to, size_t to_size)
{
    struct cursor c = { text, text + size };
    bool fits;
    if (!find(&c, name)) return JSON_ABSENT;
    if (!read_string(&c, to, to_size, &fits) || !fits) return JSON_WRONG;
    return JSON_FOUND;
}

void json_escape(char *to, size_t to_size, const char *from)
{
    static const char hex[] = "0123456789abcdef";
    size_t used = 0;
    for (; *from != '\0' && used + 7 < to_size; from++) {
        unsigned char c = (unsigned char)*from;
        if (c == '"' || c == '\\') to[used++] = '\\';
        if (c >= 0x20) {
            to[used++] = (char)c;
            continue;
        }
        memcpy(to + used, "\\u00", 4);
        to[used + 4] = hex[c >> 4];
        to[used + 5] = hex[c & 15];
        used += 6;
    }
    to[used] = '\0';
}
