/* text: a growing string, and small helpers on strings. */
#ifndef AETHER_RUNTIME_BASE_TEXT_H
#define AETHER_RUNTIME_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A zeroed text is empty and valid; `data` is always 0-terminated once anything was added, else NULL. */
struct text {
    char *data;
    size_t size;
    size_t capacity;
};

void text_add(struct text *text, const char *string);
void text_add_bytes(struct text *text, const void *data, size_t size);
void text_add_utf8(struct text *text, const char *string); /* Each byte that is no UTF-8 becomes U+FFFD. */
void text_printf(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
const char *text_string(const struct text *text); /* Never NULL. */
char *text_take(struct text *text);               /* The heap string (memory_free); text is empty again. */
void text_fini(struct text *text);

/* Copies at most size - 1 bytes and terminates; false: it was cut. */
bool text_copy(char *to, size_t size, const char *from);
bool text_starts_with(const char *string, const char *prefix);
bool text_ends_with(const char *string, const char *suffix);
bool text_is_utf8(const void *data, size_t size); /* RFC 3629: no surrogates, no overlong forms. */
/* Whole string, decimal; false: not a number or out of range. */
bool text_to_u64(const char *string, uint64_t *out_number);
bool text_to_i64(const char *string, int64_t *out_number);
/* "150ms", "2s", "1m30s", "250us", "1h"; a bare number is refused. */
bool text_to_duration_ns(const char *string, int64_t *out_ns);
/* "64Mi", "1Gi", "512Ki", "1000" -> bytes. */
bool text_to_bytes(const char *string, uint64_t *out_bytes);
void text_hex(char *to, const void *data, size_t size);     /* 2 * size + 1 characters. */
bool text_from_hex(void *to, size_t size, const char *hex); /* Exactly 2 * size digits. */
/* Levenshtein distance, for "did you mean"; strings longer than 63 are cut. */
uint32_t text_distance(const char *a, const char *b);

#endif
