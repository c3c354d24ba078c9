/* hash: fast, unkeyed, the same on every build: for tables, chains and traces, never for security.
 * crc32c: Castagnoli polynomial (RFC 3720, appendix B.4), reflected, initial and final xor of all ones. */
#ifndef AETHER_RUNTIME_BASE_HASH_H
#define AETHER_RUNTIME_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t hash64(const void *data, size_t size, uint64_t seed);
uint64_t hash64_mix(uint64_t a, uint64_t b); /* Folds two words into one; for chains of small fields. */
uint32_t crc32c(uint32_t crc, const void *data, size_t size); /* Start with 0; feed the last result on. */
/* The same, without the processor's instruction for it. */
uint32_t crc32c_portable(uint32_t crc, const void *data, size_t size);

#endif
