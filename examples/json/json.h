/* json: just enough JSON for a slice that reads a few members of one object and prints another. Strict about
 * form (RFC 8259), so that a caller's typing error is told and not guessed around. Nothing is allocated. */
#ifndef EXAMPLE_JSON_H
#define EXAMPLE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum json_found { JSON_ABSENT, JSON_FOUND, JSON_WRONG };

/* One whole object, well formed, nested at most 16 deep? */
bool json_is_object(const char *text, size_t size);
/* Members of a text for which json_is_object holds. WRONG: of another type, or out of range, or too long. */
enum json_found json_integer(const char *text, size_t size, const char *name, int64_t *out_number);
/* Unescaped, 0-terminated; \u escapes above 7f are WRONG (write the character itself). */
enum json_found json_string(const char *text, size_t size, const char *name, char *to, size_t to_size);
/* `from` as the inside of a JSON string, cut if it doesn't fit. */
void json_escape(char *to, size_t to_size, const char *from);

#endif
