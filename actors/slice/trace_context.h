/* trace_context: request ids as texts: 32 hex digits, or the trace id of a W3C traceparent (Trace Context,
 * level 1). Pure. */
#ifndef AETHER_ACTORS_SLICE_TRACE_CONTEXT_H
#define AETHER_ACTORS_SLICE_TRACE_CONTEXT_H

#include "runtime/message.h"

#include <stdbool.h>

enum { TRACE_CONTEXT_TEXT_SIZE = 33 };

/* Outside input; false: neither of the two, or the invalid one of all zeros. */
bool trace_context_read(const char *text, struct request_id *out_id);
void trace_context_bytes(struct request_id id, uint8_t raw[16]); /* Big-endian. */
void trace_context_text(struct request_id id, char text[TRACE_CONTEXT_TEXT_SIZE]);

#endif
