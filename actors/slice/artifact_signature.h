/* artifact_signature: is a file signed by somebody we trust? (product.md section 3: .sig, Ed25519, required
 * when keys are set.) Reads the whole file into memory, as Ed25519 without pre-hashing needs it; may block.
 */
#ifndef AETHER_ACTORS_SLICE_ARTIFACT_SIGNATURE_H
#define AETHER_ACTORS_SLICE_ARTIFACT_SIGNATURE_H

#include "runtime/crypto/signature.h"
#include "runtime/port/file.h"

struct artifact_trust { /* Who may sign artifacts; borrowed. */
    const struct signature_public_key *keys;
    uint32_t key_count; /* 0: nothing has to be signed. */
};

/* CORRUPT: `signature` (as a .sig file holds it) is none, or not one of these bytes by any of the keys. IO:
 * the file can't be read. */
MUST_CHECK enum status artifact_signature_check(const struct artifact_trust *trust,
                                                const struct file_port *files, const char *path,
                                                const void *signature, size_t signature_size,
                                                struct error *error);
/* The signature is kept beside an artifact of the cache, so that it can be checked again before each load. */
MUST_CHECK enum status artifact_signature_keep(const struct file_port *files, const char *path,
                                               const void *signature, size_t signature_size,
                                               struct error *error);
/* Likewise, with the signature that was kept. NOT_FOUND: none was. */
MUST_CHECK enum status artifact_signature_check_kept(const struct artifact_trust *trust,
                                                     const struct file_port *files, const char *path,
                                                     struct error *error);

#endif
