/* version: splits a version into parts and compares part by part, as the specification says; a range is read
 * again at each question, it is at most a coordinate long. */
#include "store/schema/version.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { PARTS_MAX = 64, BOUND_MAX = 64 };

/* --- parts ---------------------------------------------------------------------------------------------- */

struct part {
    char separator; /* '.', or '-': a change between digits and letters counts as one. */
    bool number;
    const char *text; /* Not terminated. */
    size_t length;    /* 0: empty, the same as 0. */
};

struct parts {
    struct part items[PARTS_MAX];
    size_t count;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static char to_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool word_is(const struct part *part, const char *word)
{
    if (strlen(word) != part->length) return false;
    for (size_t i = 0; i < part->length; i++)
        if (to_lower(part->text[i]) != word[i]) return false;
    return true;
}

/* Parts that add nothing where they are trimmed. */
static bool is_null(const struct part *part)
{
    if (!part->number)
        return word_is(part, "") || word_is(part, "final") || word_is(part, "ga") || word_is(part, "release");
    for (size_t i = 0; i < part->length; i++)
        if (part->text[i] != '0') return false;
    return true;
}

static void split(const char *version, struct parts *parts)
{
    char separator = '.';
    const char *at = version;
    parts->count = 0;
    for (;;) {
        const char *from = at;
        bool number = is_digit(*at) || *at == '.' || *at == '-' || *at == '\0';
        while (*at != '\0' && *at != '.' && *at != '-' && is_digit(*at) == is_digit(*from))
            at++;
        parts->items[parts->count++] = (struct part){
            .separator = separator, .number = number, .text = from, .length = (size_t)(at - from)
        };
        if (*at == '\0' || parts->count == PARTS_MAX) return;
        separator = '-';
        if (*at == '.' || *at == '-') separator = *at++;
    }
}

/* From the end to the start: what is null goes, at the end, before each hyphen, and before each word
 * (the specification leaves the last out; Maven does it since 3.9, so that 1.0.RC1 comes before 1). */
static void trim(struct parts *parts)
{
    size_t end = parts->count; /* Of the run that is being trimmed. */
    for (size_t i = parts->count; i-- > 1;) {
        if (is_null(&parts->items[i]) && i + 1 == end) {
            memmove(&parts->items[i], &parts->items[end], (parts->count - end) * sizeof parts->items[0]);
            parts->count--;
            end = i;
        } else if (parts->items[i].separator == '-' || !parts->items[i].number) {
            end = i;
        }
    }
}

/* --- order ---------------------------------------------------------------------------------------------- */

static int compare_numbers(const struct part *a, const struct part *b)
{
    const char *x = a->text, *y = b->text;
    size_t m = a->length, n = b->length;
    for (; m > 0 && *x == '0'; m--)
        x++;
    for (; n > 0 && *y == '0'; n--)
        y++;
    if (m != n) return m < n ? -1 : 1;
    return m == 0 ? 0 : memcmp(x, y, m);
}

/* "a1" is alpha-1, "b1" beta-1, "m1" milestone-1. */
static int rank_of(const struct part *part, bool before_number)
{
    static const char *const known[] = { "alpha", "beta", "milestone", "rc", "snapshot", "", "sp" };
    static const char *const others[] = { "", "", "", "cr", "", "ga", "" };
    static const char letters[] = "abm";
    enum { KNOWN = sizeof known / sizeof known[0], FINAL = 5 };
    if (is_null(part)) return FINAL;
    for (int i = 0; i < KNOWN; i++) {
        bool other = others[i][0] != '\0' && word_is(part, others[i]);
        if (other || word_is(part, known[i])) return i;
    }
    for (int i = 0; before_number && part->length == 1 && i < 3; i++)
        if (to_lower(part->text[0]) == letters[i]) return i;
    return KNOWN;
}

static int compare_words(const struct part *a, bool a_before_number, const struct part *b,
                         bool b_before_number)
{
    int x = rank_of(a, a_before_number), y = rank_of(b, b_before_number);
    if (x != y) return x < y ? -1 : 1;
    size_t shorter = a->length < b->length ? a->length : b->length;
    if (x < rank_of(&(struct part){ .text = "zzz", .length = 3 }, false)) return 0;
    for (size_t i = 0; i < shorter; i++) {
        int difference = to_lower(a->text[i]) - to_lower(b->text[i]);
        if (difference != 0) return difference;
    }
    return a->length == b->length ? 0 : a->length < b->length ? -1 : 1;
}

/* ".word" = "-word" < "-number" < ".number". */
static int class_of(const struct part *part)
{
    return !part->number ? 0 : part->separator == '-' ? 1 : 2;
}

static bool before_number(const struct parts *parts, size_t i)
{
    const struct part *part = &parts->items[i];
    if (i + 1 >= parts->count) return false;
    const struct part *next = &parts->items[i + 1];
    return next->number && next->text == part->text + part->length; /* No separator was written. */
}

int version_compare(const char *a, const char *b)
{
    struct parts x, y;
    split(a, &x);
    split(b, &y);
    trim(&x);
    trim(&y);
    size_t longer = x.count > y.count ? x.count : y.count;
    for (size_t i = 0; i < longer; i++) {
        struct part none = { .text = "" };
        const struct part *p = i < x.count ? &x.items[i] : &none;
        const struct part *q = i < y.count ? &y.items[i] : &none;
        const struct part *real = p == &none ? q : p;
        none.separator = real->separator;
        none.number = real->number; /* Padding is 0 to a number, "" to a word. */
        if (class_of(p) != class_of(q)) return class_of(p) - class_of(q);
        int order = p->number ? compare_numbers(p, q)
                              : compare_words(p, i < x.count && before_number(&x, i), q,
                                              i < y.count && before_number(&y, i));
        if (order != 0) return order;
    }
    return 0;
}

bool version_is_snapshot(const char *version)
{
    static const char suffix[] = "-SNAPSHOT";
    size_t length = strlen(version);
    return length > sizeof suffix - 1 && strcmp(version + length - (sizeof suffix - 1), suffix) == 0;
}

/* Steps back over `count` digits (0: all there are, at least one) that end before `end`. false: they aren't.
 */
static bool back_over_digits(const char *version, size_t *end, size_t count)
{
    size_t digits = 0;
    while (*end > 0 && is_digit(version[*end - 1]) && (count == 0 || digits < count)) {
        (*end)--;
        digits++;
    }
    return count == 0 ? digits > 0 : digits == count;
}

static bool back_over(const char *version, size_t *end, char c)
{
    bool there = *end > 0 && version[*end - 1] == c;
    if (there) (*end)--;
    return there;
}

size_t version_dated_length(const char *version)
{
    enum { TIME_DIGITS = 6, DATE_DIGITS = 8 };
    size_t end = strlen(version);
    bool dated = back_over_digits(version, &end, 0) && back_over(version, &end, '-') &&
                 back_over_digits(version, &end, TIME_DIGITS) && back_over(version, &end, '.') &&
                 back_over_digits(version, &end, DATE_DIGITS) && back_over(version, &end, '-');
    return dated ? end : 0;
}

/* --- ranges --------------------------------------------------------------------------------------------- */

struct interval {
    char low[BOUND_MAX]; /* "" = none. */
    char high[BOUND_MAX];
    bool low_included;
    bool high_included;
};

static bool is_version_character(char c)
{
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return letter || is_digit(c) || (c != '\0' && strchr(".-_+", c) != NULL);
}

/* false: longer than a version may be. */
static bool take_bound(const char **at, char bound[BOUND_MAX])
{
    size_t length = 0;
    while (is_version_character((*at)[length]))
        length++;
    if (length >= BOUND_MAX) return false;
    memcpy(bound, *at, length);
    bound[length] = '\0';
    *at += length;
    return true;
}

/* One "[1.0,2.0)" and the comma behind it, if another follows. false: it is none. */
static bool take_interval(const char **at, struct interval *interval)
{
    if (**at != '[' && **at != '(') return false;
    interval->low_included = *(*at)++ == '[';
    if (!take_bound(at, interval->low)) return false;
    bool single = **at != ',';
    if (single) memcpy(interval->high, interval->low, sizeof interval->high);
    if (!single) {
        (*at)++;
        if (!take_bound(at, interval->high)) return false;
    }
    if (**at != ']' && **at != ')') return false;
    interval->high_included = *(*at)++ == ']';
    bool bounded = interval->low[0] != '\0' || interval->high[0] != '\0';
    if (single) return interval->low_included && interval->high_included && bounded;
    if (interval->low[0] != '\0' && interval->high[0] != '\0' &&
        version_compare(interval->low, interval->high) > 0)
        return false;
    return **at != ',' || *++(*at) != '\0';
}

bool version_is_range(const char *text)
{
    struct interval interval;
    if (*text == '\0') return false;
    while (*text != '\0')
        if (!take_interval(&text, &interval)) return false;
    return true;
}

bool version_range_contains(const char *range, const char *version)
{
    struct interval interval;
    while (*range != '\0' && take_interval(&range, &interval)) {
        int low = interval.low[0] == '\0' ? 1 : version_compare(version, interval.low);
        int high = interval.high[0] == '\0' ? -1 : version_compare(version, interval.high);
        bool above = low > 0 || (low == 0 && interval.low_included);
        bool below = high < 0 || (high == 0 && interval.high_included);
        if (above && below) return true;
    }
    return false;
}
