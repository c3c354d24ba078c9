/* coordinate: see the header. */
#include "wire/maven/coordinate.h"

#include <string.h>

static bool is_letter_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool coordinate_is_good(const char *text, enum coordinate_part part)
{
    static const size_t longest[] = {
        [COORDINATE_GROUP] = 119, [COORDINATE_ARTIFACT] = 63, [COORDINATE_VERSION] = 63
    };
    size_t length = strlen(text);
    if (length == 0 || length > longest[part]) return false;
    if (!is_letter_or_digit(text[0]) || !is_letter_or_digit(text[length - 1])) return false;
    for (const char *c = text; *c != '\0'; c++) {
        bool between = *c == '.' || *c == '-' || *c == '_' || (*c == '+' && part == COORDINATE_VERSION);
        if (!is_letter_or_digit(*c) && !between) return false;
        if (c[0] == '.' && c[1] == '.') return false;
    }
    return true;
}
