/* memory: the only door to the heap. Running out of memory for control structures ends the process (the log
 * brings the node back), so these never return NULL. Sizes that come from outside are bounded before they
 * reach here. */
#ifndef AETHER_RUNTIME_BASE_MEMORY_H
#define AETHER_RUNTIME_BASE_MEMORY_H

#include <stddef.h>

void *memory_alloc(size_t size);  /* Uninitialised. */
void *memory_zalloc(size_t size); /* Zeroed. */
void *memory_realloc(void *block, size_t size);
void *memory_array(size_t count, size_t size); /* Zeroed; CHECKs the multiplication. */
/* Zeroed; alignment is a power of two that divides size. */
void *memory_aligned_array(size_t alignment, size_t count, size_t size);
char *memory_strdup(const char *text);
void memory_free(void *block); /* NULL is fine. */

#endif
