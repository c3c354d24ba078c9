/* trace_context: see the header. */
#include "actors/slice/trace_context.h"

#include "runtime/base/text.h"

#include <string.h>

enum { ID_DIGITS = 32, PARENT_DIGITS = 16, VERSION_DIGITS = 2, FLAG_DIGITS = 2 };
enum {
    ID_AT = VERSION_DIGITS + 1,
    PARENT_AT = ID_AT + ID_DIGITS + 1,
    FLAGS_AT = PARENT_AT + PARENT_DIGITS + 1
};
enum { TRACEPARENT_SIZE = FLAGS_AT + FLAG_DIGITS };

/* Lower case only, as the specification has it. */
static bool are_digits(const char *text, size_t count)
{
    return strspn(text, "0123456789abcdef") >= count;
}

/* version-traceid-parentid-flags; later versions may say more behind another dash. */
static bool is_traceparent(const char *text)
{
    size_t size = strlen(text);
    if (size < TRACEPARENT_SIZE || memcmp(text, "ff", VERSION_DIGITS) == 0) return false;
    if (!are_digits(text, VERSION_DIGITS) || text[ID_AT - 1] != '-') return false;
    if (!are_digits(text + ID_AT, ID_DIGITS) || text[PARENT_AT - 1] != '-') return false;
    if (!are_digits(text + PARENT_AT, PARENT_DIGITS) || text[FLAGS_AT - 1] != '-') return false;
    if (!are_digits(text + FLAGS_AT, FLAG_DIGITS)) return false;
    if (strspn(text + PARENT_AT, "0") >= PARENT_DIGITS) return false; /* Its "invalid". */
    bool first_version = memcmp(text, "00", VERSION_DIGITS) == 0;
    return size == TRACEPARENT_SIZE || (!first_version && text[TRACEPARENT_SIZE] == '-');
}

bool trace_context_read(const char *text, struct request_id *out_id)
{
    uint8_t raw[ID_DIGITS / 2];
    char digits[ID_DIGITS + 1] = { 0 };
    if (is_traceparent(text)) memcpy(digits, text + ID_AT, ID_DIGITS);
    else if (strlen(text) == ID_DIGITS) memcpy(digits, text, ID_DIGITS);
    else return false;
    if (!text_from_hex(raw, sizeof(raw), digits)) return false;
    struct request_id id = { 0 };
    for (int i = 0; i < 8; i++) {
        id.high = id.high << 8 | raw[i];
        id.low = id.low << 8 | raw[8 + i];
    }
    if (id.high == 0 && id.low == 0) return false;
    *out_id = id;
    return true;
}

void trace_context_bytes(struct request_id id, uint8_t raw[16])
{
    for (int i = 0; i < 8; i++) {
        raw[i] = (uint8_t)(id.high >> (56 - 8 * i));
        raw[8 + i] = (uint8_t)(id.low >> (56 - 8 * i));
    }
}

void trace_context_text(struct request_id id, char text[TRACE_CONTEXT_TEXT_SIZE])
{
    uint8_t raw[16];
    trace_context_bytes(id, raw);
    text_hex(text, raw, sizeof(raw));
}
