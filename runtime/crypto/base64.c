/* base64: libsodium's decoder, all of the text or nothing. */
#include "runtime/crypto/base64.h"

#include <sodium.h>

bool base64_decode(const char *text, size_t length, void *to, size_t room, size_t *out_size)
{
    const char *end = NULL;
    int failed =
        sodium_base642bin(to, room, text, length, "\r\n", out_size, &end, sodium_base64_VARIANT_ORIGINAL);
    return failed == 0 && end == text + length;
}
