/* digest: libsodium has SHA-256 and SHA-512; SHA-1 is written here after RFC 3174. */
#include "runtime/crypto/digest.h"

#include "runtime/base/text.h"

#include <string.h>

static uint32_t rotate(uint32_t word, unsigned bits)
{
    return word << bits | word >> (32 - bits);
}

static uint32_t load_big(const uint8_t *from)
{
    return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

/* RFC 3174, section 6.1. */
static void sha1_block(struct digest_sha1 *sha1, const uint8_t *block)
{
    static const uint32_t constants[4] = { 0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6 };
    uint32_t schedule[80];
    for (int t = 0; t < 16; t++)
        schedule[t] = load_big(block + 4 * (size_t)t);
    for (int t = 16; t < 80; t++)
        schedule[t] = rotate(schedule[t - 3] ^ schedule[t - 8] ^ schedule[t - 14] ^ schedule[t - 16], 1);
    uint32_t a = sha1->words[0], b = sha1->words[1], c = sha1->words[2], d = sha1->words[3],
             e = sha1->words[4];
    for (int t = 0; t < 80; t++) {
        uint32_t f = b ^ c ^ d;
        if (t < 20) f = (b & c) | (~b & d);
        else if (t >= 40 && t < 60) f = (b & c) | (b & d) | (c & d);
        uint32_t next = rotate(a, 5) + f + e + schedule[t] + constants[t / 20];
        e = d;
        d = c;
        c = rotate(b, 30);
        b = a;
        a = next;
    }
    sha1->words[0] += a;
    sha1->words[1] += b;
    sha1->words[2] += c;
    sha1->words[3] += d;
    sha1->words[4] += e;
}

static void sha1_begin(struct digest_sha1 *sha1)
{
    *sha1 = (struct digest_sha1){ .words = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0 } };
}

static void sha1_add(struct digest_sha1 *sha1, const uint8_t *data, size_t size)
{
    while (size > 0) {
        size_t used = (size_t)(sha1->size % sizeof sha1->block);
        size_t part = sizeof sha1->block - used < size ? sizeof sha1->block - used : size;
        memcpy(sha1->block + used, data, part);
        sha1->size += part;
        data += part;
        size -= part;
        if (used + part == sizeof sha1->block) sha1_block(sha1, sha1->block);
    }
}

/* Section 4: a one bit, zeros, and the length in bits at the end of a block. */
static void sha1_end(struct digest_sha1 *sha1, uint8_t out[20])
{
    static const uint8_t padding[64] = { 0x80 };
    uint64_t bits = sha1->size * 8;
    size_t used = (size_t)(sha1->size % sizeof sha1->block);
    uint8_t length[8];
    for (int i = 0; i < 8; i++)
        length[i] = (uint8_t)(bits >> (56 - 8 * i));
    sha1_add(sha1, padding, used < 56 ? 56 - used : 120 - used);
    sha1_add(sha1, length, sizeof length);
    for (int i = 0; i < 20; i++)
        out[i] = (uint8_t)(sha1->words[i / 4] >> (24 - 8 * (i % 4)));
}

const char *digest_name(enum digest_kind kind)
{
    static const char *const names[DIGEST_KIND_COUNT] = { "sha1", "sha256", "sha512" };
    return names[kind];
}

size_t digest_size(enum digest_kind kind)
{
    static const size_t sizes[DIGEST_KIND_COUNT] = { 20, crypto_hash_sha256_BYTES, crypto_hash_sha512_BYTES };
    return sizes[kind];
}

void digest_begin(struct digest *digest, enum digest_kind kind)
{
    digest->kind = kind;
    switch (kind) {
    case DIGEST_SHA1: sha1_begin(&digest->state.sha1); break;
    case DIGEST_SHA256: (void)crypto_hash_sha256_init(&digest->state.sha256); break;
    default: (void)crypto_hash_sha512_init(&digest->state.sha512); break;
    }
}

void digest_add(struct digest *digest, const void *data, size_t size)
{
    switch (digest->kind) {
    case DIGEST_SHA1: sha1_add(&digest->state.sha1, data, size); break;
    case DIGEST_SHA256: (void)crypto_hash_sha256_update(&digest->state.sha256, data, size); break;
    default: (void)crypto_hash_sha512_update(&digest->state.sha512, data, size); break;
    }
}

void digest_end(struct digest *digest, char text[DIGEST_TEXT_MAX])
{
    uint8_t out[DIGEST_BYTES_MAX];
    switch (digest->kind) {
    case DIGEST_SHA1: sha1_end(&digest->state.sha1, out); break;
    case DIGEST_SHA256: (void)crypto_hash_sha256_final(&digest->state.sha256, out); break;
    default: (void)crypto_hash_sha512_final(&digest->state.sha512, out); break;
    }
    text_hex(text, out, digest_size(digest->kind));
}
