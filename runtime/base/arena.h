/* arena: many small allocations that go together. Not thread-safe; one owner at a time. A zeroed arena is
 * empty and valid. */
#ifndef AETHER_RUNTIME_BASE_ARENA_H
#define AETHER_RUNTIME_BASE_ARENA_H

#include <stddef.h>

struct arena_chunk;

struct arena {
    struct arena_chunk *chunks; /* Newest first. */
    size_t used_bytes;          /* All that was handed out. */
};

void *arena_alloc(struct arena *arena, size_t size); /* Aligned to 16, zeroed. */
void *arena_array(struct arena *arena, size_t count, size_t size);
char *arena_strdup(struct arena *arena, const char *text); /* NULL stays NULL. */
char *arena_strndup(struct arena *arena, const char *text, size_t length);
char *arena_printf(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
void *arena_memdup(struct arena *arena, const void *data, size_t size);
void arena_fini(struct arena *arena); /* Frees all; the arena is empty again. */

#endif
