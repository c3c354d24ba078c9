/* signature: Ed25519 (RFC 8032, without pre-hashing) over whole files, and the forms in which keys and
 * signatures are kept in files: PEM as OpenSSL writes it (RFC 8410), hex, or base64; a signature also as its
 * 64 bytes.
 *
 *     openssl genpkey -algorithm ed25519 -out key.pem; openssl pkey -in key.pem -pubout -out key.pub
 *     openssl pkeyutl -sign -rawin -inkey key.pem -in FILE -out FILE.sig */
#ifndef AETHER_RUNTIME_CRYPTO_SIGNATURE_H
#define AETHER_RUNTIME_CRYPTO_SIGNATURE_H

#include "runtime/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SIGNATURE_SIZE = 64, SIGNATURE_KEY_SIZE = 32, SIGNATURE_FILE_MAX = 4096 };

struct signature_public_key {
    uint8_t bytes[SIGNATURE_KEY_SIZE];
};
struct signature_secret_key { /* Whoever holds one wipes it by signature_forget. */
    uint8_t bytes[2 * SIGNATURE_KEY_SIZE];
};
struct signature {
    uint8_t bytes[SIGNATURE_SIZE];
};

/* From what a file holds. INVALID: it is in none of the forms; nothing of the content is quoted. */
MUST_CHECK enum status signature_read_public(const void *data, size_t size,
                                             struct signature_public_key *out_key, struct error *error);
MUST_CHECK enum status signature_read_secret(const void *data, size_t size,
                                             struct signature_secret_key *out_key, struct error *error);
MUST_CHECK enum status signature_read(const void *data, size_t size, struct signature *out_signature,
                                      struct error *error);

void signature_make(const struct signature_secret_key *key, const void *data, size_t size,
                    struct signature *out_signature);
bool signature_check(const struct signature_public_key *key, const void *data, size_t size,
                     const struct signature *signature);
void signature_public_of(const struct signature_secret_key *secret, struct signature_public_key *out_key);
void signature_forget(struct signature_secret_key *key);

#endif
