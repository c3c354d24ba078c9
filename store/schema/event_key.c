/* event_key: see the header. */
#include "store/schema/event_key.h"

#include "runtime/base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { INDEX_DIGITS = 16 };

void event_key(char key[EVENT_KEY_SIZE], uint64_t index)
{
    (void)snprintf(key, EVENT_KEY_SIZE, EVENT_KEY_PREFIX "%016" PRIu64, index);
}

bool event_key_parse(const char *key, uint64_t *out_index)
{
    if (!text_starts_with(key, EVENT_KEY_PREFIX)) return false;
    const char *digits = key + strlen(EVENT_KEY_PREFIX);
    if (strlen(digits) != INDEX_DIGITS || strspn(digits, "0123456789") != INDEX_DIGITS) return false;
    return text_to_u64(digits, out_index);
}
