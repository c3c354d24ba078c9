/* digest: SHA-1, SHA-256 and SHA-512 over data that comes in parts. SHA-1 proves nothing against an attacker
 * (it is what Maven's deploy plugin writes, so it guards against accidents). */
#ifndef AETHER_RUNTIME_CRYPTO_DIGEST_H
#define AETHER_RUNTIME_CRYPTO_DIGEST_H

#include <sodium.h>
#include <stddef.h>
#include <stdint.h>

/* From the weakest to the strongest. */
enum digest_kind { DIGEST_SHA1, DIGEST_SHA256, DIGEST_SHA512, DIGEST_KIND_COUNT };
enum { DIGEST_BYTES_MAX = 64, DIGEST_TEXT_MAX = 2 * DIGEST_BYTES_MAX + 1 };

struct digest_sha1 {
    uint32_t words[5];
    uint64_t size;
    uint8_t block[64];
};

struct digest {
    enum digest_kind kind;
    union {
        struct digest_sha1 sha1;
        crypto_hash_sha256_state sha256;
        crypto_hash_sha512_state sha512;
    } state;
};

const char *digest_name(enum digest_kind kind); /* "sha256" */
size_t digest_size(enum digest_kind kind);      /* In bytes; twice as many hex digits. */
void digest_begin(struct digest *digest, enum digest_kind kind);
void digest_add(struct digest *digest, const void *data, size_t size);
void digest_end(struct digest *digest, char text[DIGEST_TEXT_MAX]); /* Lower-case hex. */

#endif
