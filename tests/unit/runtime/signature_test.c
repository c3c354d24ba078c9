/* Goal: signatures are those of RFC 8032, and keys are read as OpenSSL writes them. */
#include "runtime/crypto/signature.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

/* RFC 8032 section 7.1, TEST 2. */
static const char secret_hex[] = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb";
static const char public_hex[] = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
static const char signature_hex[] = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
                                    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
static const uint8_t message[] = { 0x72 };

/* `openssl genpkey -algorithm ed25519`, `openssl pkey -pubout`, `openssl pkeyutl -sign -rawin` of "hello
 * slice". */
static const char pem_secret[] = "-----BEGIN PRIVATE KEY-----\n"
                                 "MC4CAQAwBQYDK2VwBCIEIHeiQv7MMNKWAc3gySQHEKauBmBze0NBKMduE2KfMf2u\n"
                                 "-----END PRIVATE KEY-----\n";
static const char pem_public[] = "-----BEGIN PUBLIC KEY-----\n"
                                 "MCowBQYDK2VwAyEAPvXyCK7tIatAMrzVgwv4iXPDQmQ5Mh98fxyo73lRoVQ=\n"
                                 "-----END PUBLIC KEY-----\n";
static const char base64_signature[] =
    "Dh2/4beWedyxUDUeOnofjL/eQfgDrbPOVASlM91BdDr5/aeE6r68fYsj4NtUD3Ieh6CTemIBT5esHQyLcG4ICg==\n";
static const char hello[] = "hello slice";

static void the_standards_vector(void **unused)
{
    (void)unused;
    struct signature_secret_key secret;
    struct signature_public_key expected, derived;
    struct signature made, read;
    assert_int_equal(signature_read_secret(secret_hex, strlen(secret_hex), &secret, NULL), STATUS_OK);
    assert_int_equal(signature_read_public(public_hex, strlen(public_hex), &expected, NULL), STATUS_OK);
    assert_int_equal(signature_read(signature_hex, strlen(signature_hex), &read, NULL), STATUS_OK);
    signature_public_of(&secret, &derived);
    signature_make(&secret, message, sizeof message, &made);
    assert_memory_equal(derived.bytes, expected.bytes, SIGNATURE_KEY_SIZE);
    assert_memory_equal(made.bytes, read.bytes, SIGNATURE_SIZE);
    assert_true(signature_check(&expected, message, sizeof message, &read));
    signature_forget(&secret);
}

static void what_openssl_writes(void **unused)
{
    (void)unused;
    struct signature_secret_key secret;
    struct signature_public_key key, derived;
    struct signature signature, again;
    assert_int_equal(signature_read_secret(pem_secret, strlen(pem_secret), &secret, NULL), STATUS_OK);
    assert_int_equal(signature_read_public(pem_public, strlen(pem_public), &key, NULL), STATUS_OK);
    assert_int_equal(signature_read(base64_signature, strlen(base64_signature), &signature, NULL), STATUS_OK);
    assert_int_equal(signature_read(signature.bytes, SIGNATURE_SIZE, &again, NULL), STATUS_OK);
    assert_memory_equal(again.bytes, signature.bytes, SIGNATURE_SIZE);
    signature_public_of(&secret, &derived);
    assert_memory_equal(derived.bytes, key.bytes, SIGNATURE_KEY_SIZE);
    assert_true(signature_check(&key, hello, strlen(hello), &signature));
    signature_forget(&secret);
}

static void one_bit_is_enough(void **unused)
{
    (void)unused;
    struct signature_public_key key;
    struct signature signature;
    assert_int_equal(signature_read_public(pem_public, strlen(pem_public), &key, NULL), STATUS_OK);
    assert_int_equal(signature_read(base64_signature, strlen(base64_signature), &signature, NULL), STATUS_OK);
    assert_false(signature_check(&key, "hello slicf", strlen(hello), &signature));
    assert_false(signature_check(&key, hello, strlen(hello) - 1, &signature));
    for (size_t i = 0; i < SIGNATURE_SIZE; i++) {
        signature.bytes[i] ^= 4;
        assert_false(signature_check(&key, hello, strlen(hello), &signature));
        signature.bytes[i] ^= 4;
    }
    key.bytes[3] ^= 1;
    assert_false(signature_check(&key, hello, strlen(hello), &signature));
}

static void other_content_is_refused(void **unused)
{
    (void)unused;
    static const char *const bad[] = {
        "",
        "-----BEGIN PUBLIC KEY-----",
        "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660",
        "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAPvXyCK7tIatAMrzVgwv4iXPDQmQ5Mh98fxyo73lR\n-----END "
        "PUBLIC KEY-----",
        "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VuAyEAPvXyCK7tIatAMrzVgwv4iXPDQmQ5Mh98fxyo73lRoVQ=\n-----END "
        "PUBLIC KEY-----",
        "\xff\xfe\xfd",
    };
    char large[SIGNATURE_FILE_MAX + 10];
    memset(large, 'a', sizeof large);
    struct signature_public_key key;
    struct signature_secret_key secret;
    struct signature signature;
    struct error error;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(signature_read_public(bad[i], strlen(bad[i]), &key, &error), STATUS_INVALID);
        assert_int_equal(signature_read_secret(bad[i], strlen(bad[i]), &secret, &error), STATUS_INVALID);
        assert_int_equal(signature_read(bad[i], strlen(bad[i]), &signature, &error), STATUS_INVALID);
    }
    assert_int_equal(signature_read_public(pem_secret, strlen(pem_secret), &key, &error), STATUS_INVALID);
    assert_int_equal(signature_read_secret(pem_public, strlen(pem_public), &secret, &error), STATUS_INVALID);
    assert_int_equal(signature_read_public(large, sizeof large, &key, &error), STATUS_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_standards_vector),
        cmocka_unit_test(what_openssl_writes),
        cmocka_unit_test(one_bit_is_enough),
        cmocka_unit_test(other_content_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
