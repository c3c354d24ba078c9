/* signature: libsodium's Ed25519; around it the few forms that a file may have. */
#include "runtime/crypto/signature.h"

#include <sodium.h>
#include <string.h>

/* What stands before the 32 bytes of a key in DER (RFC 8410, sections 4 and 7): always the same. */
static const uint8_t public_prefix[] = { 0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
                                         0x2b, 0x65, 0x70, 0x03, 0x21, 0x00 };
static const uint8_t secret_prefix[] = { 0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06,
                                         0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20 };

enum { TEXT_MAX = 256, DER_MAX = 64 };

/* --- text to bytes -------------------------------------------------------------------------------------- */

static bool from_hex(const char *text, size_t length, uint8_t *to, size_t size)
{
    size_t got = 0;
    const char *end = NULL;
    return length == 2 * size && sodium_hex2bin(to, size, text, length, NULL, &got, &end) == 0 &&
           got == size && end == text + length;
}

static bool from_base64(const char *text, size_t length, uint8_t *to, size_t room, size_t *out_size)
{
    const char *end = NULL;
    return sodium_base642bin(to, room, text, length, "\r\n", out_size, &end,
                             sodium_base64_VARIANT_ORIGINAL) == 0 &&
           end == text + length;
}

/* Narrows what stands between `from` and `end` to the inside of a PEM with this label, if it is one. */
static bool open_pem(char **from, char **end, const char *label, bool *out_pem)
{
    static const char begin[] = "-----BEGIN ", dashes[] = "-----";
    char *at = strstr(*from, begin);
    *out_pem = at != NULL;
    if (at == NULL) return true;
    at += sizeof begin - 1;
    size_t length = strlen(label);
    if (strncmp(at, label, length) != 0 || strncmp(at + length, dashes, sizeof dashes - 1) != 0) return false;
    *from = at + length + sizeof dashes - 1;
    *end = strstr(*from, "-----END ");
    return *end != NULL;
}

/* One line, or what stands between the lines of a PEM with this label. */
static bool find_text(const char *data, size_t size, const char *label, char text[TEXT_MAX], bool *out_pem)
{
    static const char blanks[] = " \t\r\n";
    char whole[SIGNATURE_FILE_MAX + 1];
    if (size > SIGNATURE_FILE_MAX || memchr(data, '\0', size) != NULL) return false;
    memcpy(whole, data, size);
    whole[size] = '\0';
    char *from = whole;
    char *end = whole + size;
    bool good = open_pem(&from, &end, label, out_pem);
    while (good && from < end && strchr(blanks, *from) != NULL)
        from++;
    while (good && end > from && strchr(blanks, end[-1]) != NULL)
        end--;
    good = good && end - from < TEXT_MAX;
    if (good) {
        memcpy(text, from, (size_t)(end - from));
        text[end - from] = '\0';
    }
    sodium_memzero(whole, sizeof whole);
    return good;
}

static bool read_key(const void *data, size_t size, const char *label, const uint8_t *prefix,
                     size_t prefix_size, uint8_t to[SIGNATURE_KEY_SIZE])
{
    char text[TEXT_MAX];
    uint8_t der[DER_MAX];
    size_t got = 0;
    bool pem = false;
    bool good = find_text(data, size, label, text, &pem);
    size_t length = good ? strlen(text) : 0;
    if (good && !pem && from_hex(text, length, to, SIGNATURE_KEY_SIZE)) {
        got = SIGNATURE_KEY_SIZE;
    } else if (good) {
        good = from_base64(text, length, der, sizeof der, &got);
        size_t head = pem ? prefix_size : 0;
        good = good && got == head + SIGNATURE_KEY_SIZE && memcmp(der, prefix, head) == 0;
        if (good) memcpy(to, der + head, SIGNATURE_KEY_SIZE);
    }
    sodium_memzero(text, sizeof text);
    sodium_memzero(der, sizeof der);
    return good;
}

/* --- the interface -------------------------------------------------------------------------------------- */

enum status signature_read_public(const void *data, size_t size, struct signature_public_key *out_key,
                                  struct error *error)
{
    if (read_key(data, size, "PUBLIC KEY", public_prefix, sizeof public_prefix, out_key->bytes))
        return STATUS_OK;
    enum status status = error_set(error, STATUS_INVALID, "it holds no Ed25519 public key");
    error_hint(error, "openssl pkey -in KEY.pem -pubout writes one");
    return status;
}

enum status signature_read_secret(const void *data, size_t size, struct signature_secret_key *out_key,
                                  struct error *error)
{
    uint8_t seed[SIGNATURE_KEY_SIZE];
    if (!read_key(data, size, "PRIVATE KEY", secret_prefix, sizeof secret_prefix, seed)) {
        enum status status = error_set(error, STATUS_INVALID, "it holds no Ed25519 private key");
        error_hint(error, "openssl genpkey -algorithm ed25519 -out KEY.pem writes one");
        return status;
    }
    uint8_t public_key[SIGNATURE_KEY_SIZE];
    (void)crypto_sign_seed_keypair(public_key, out_key->bytes, seed);
    sodium_memzero(seed, sizeof seed);
    return STATUS_OK;
}

enum status signature_read(const void *data, size_t size, struct signature *out_signature,
                           struct error *error)
{
    char text[TEXT_MAX];
    size_t got = 0;
    bool pem;
    if (size == SIGNATURE_SIZE) {
        memcpy(out_signature->bytes, data, SIGNATURE_SIZE);
        return STATUS_OK;
    }
    if (find_text(data, size, "SIGNATURE", text, &pem)) {
        size_t length = strlen(text);
        if (from_hex(text, length, out_signature->bytes, SIGNATURE_SIZE)) return STATUS_OK;
        if (from_base64(text, length, out_signature->bytes, SIGNATURE_SIZE, &got) && got == SIGNATURE_SIZE)
            return STATUS_OK;
    }
    return error_set(error, STATUS_INVALID, "it holds no Ed25519 signature (64 bytes, their hex or base64)");
}

void signature_make(const struct signature_secret_key *key, const void *data, size_t size,
                    struct signature *out_signature)
{
    (void)crypto_sign_detached(out_signature->bytes, NULL, data, size, key->bytes);
}

bool signature_check(const struct signature_public_key *key, const void *data, size_t size,
                     const struct signature *signature)
{
    return crypto_sign_verify_detached(signature->bytes, data, size, key->bytes) == 0;
}

void signature_public_of(const struct signature_secret_key *secret, struct signature_public_key *out_key)
{
    (void)crypto_sign_ed25519_sk_to_pk(out_key->bytes, secret->bytes);
}

void signature_forget(struct signature_secret_key *key)
{
    sodium_memzero(key, sizeof *key);
}
