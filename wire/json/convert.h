/* convert: protobuf bodies to documents and back, by descriptor: what the CLI prints and MCP speaks.
 *   names       the field's, with '-' for '_'
 *   integers    as such below 2^53 in size, else as decimal strings (both are read)
 *   bytes       hold JSON text: the value that it says; empty: null; no JSON: a base64 string (one way only)
 *   enums       by name; a number that has none stays a number
 *   presence    a member of a oneof, or a message, is there or is not; all else is always there
 *   repeated    an array, also when empty */
#ifndef AETHER_WIRE_JSON_CONVERT_H
#define AETHER_WIRE_JSON_CONVERT_H

#include "wire/json/value.h"
#include "wire/proto/codec.h"

/* `body` is any protobuf-c message. The caller frees the object. */
struct value *convert_to_value(const void *body);

/* Outside input: a body in the arena. What is absent or null has its default. INVALID names the path, and for
 * an unknown key the nearest right one. */
MUST_CHECK enum status convert_from_value(const struct value *object, struct arena *arena,
                                          const ProtobufCMessageDescriptor *descriptor, void **out_body,
                                          struct error *error);

#endif
