/* Goal: the three digests are those of their standards, however the data is cut into parts. */
#include "runtime/crypto/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

struct vector {
    enum digest_kind kind;
    const char *text;
    unsigned repeat;
    const char *digest;
};

/* RFC 3174 section 7.3 (SHA-1), FIPS 180-4 examples (SHA-256, SHA-512), and the empty text. */
static const struct vector vectors[] = {
    { DIGEST_SHA1, "abc", 1, "a9993e364706816aba3e25717850c26c9cd0d89d" },
    { DIGEST_SHA1, "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
      "84983e441c3bd26ebaae4aa1f95129e5e54670f1" },
    { DIGEST_SHA1, "a", 1000000, "34aa973cd4c4daa4f61eeb2bdbad27316534016f" },
    { DIGEST_SHA1, "0123456701234567012345670123456701234567012345670123456701234567", 10,
      "dea356a2cddd90c7a7ecedc5ebb563934f460452" },
    { DIGEST_SHA1, "", 1, "da39a3ee5e6b4b0d3255bfef95601890afd80709" },
    { DIGEST_SHA256, "abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
    { DIGEST_SHA256, "", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
    { DIGEST_SHA512, "abc", 1,
      "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
      "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f" },
};

static void standard_vectors(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        struct digest digest;
        char text[DIGEST_TEXT_MAX];
        digest_begin(&digest, vectors[i].kind);
        for (unsigned n = 0; n < vectors[i].repeat; n++)
            digest_add(&digest, vectors[i].text, strlen(vectors[i].text));
        digest_end(&digest, text);
        assert_string_equal(text, vectors[i].digest);
        assert_int_equal(strlen(text), 2 * digest_size(vectors[i].kind));
    }
}

static void parts_make_no_difference(void **unused)
{
    (void)unused;
    uint8_t data[300];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 7);
    for (size_t size = 0; size <= sizeof data; size += 11) {
        for (size_t cut = 0; cut <= size; cut += 5) {
            struct digest whole, parts;
            char expected[DIGEST_TEXT_MAX], text[DIGEST_TEXT_MAX];
            digest_begin(&whole, DIGEST_SHA1);
            digest_begin(&parts, DIGEST_SHA1);
            digest_add(&whole, data, size);
            digest_add(&parts, data, cut);
            digest_add(&parts, data + cut, size - cut);
            digest_end(&whole, expected);
            digest_end(&parts, text);
            assert_string_equal(text, expected);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(standard_vectors),
        cmocka_unit_test(parts_make_no_difference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
