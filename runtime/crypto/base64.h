/* base64: RFC 4648, section 4, with padding: how bytes stand in JSON. */
#ifndef AETHER_RUNTIME_CRYPTO_BASE64_H
#define AETHER_RUNTIME_CRYPTO_BASE64_H

#include <stdbool.h>
#include <stddef.h>

/* `to` has room for 3 bytes of every 4 characters. false: it is none. Line breaks are stepped over. */
bool base64_decode(const char *text, size_t length, void *to, size_t room, size_t *out_size);

#endif
