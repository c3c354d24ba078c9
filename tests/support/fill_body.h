/* fill_body: gives every field of a protobuf body a value that follows from its number, so that tests can go
 * through all kinds without knowing them. Of a oneof the first member is set. */
#ifndef AETHER_TESTS_SUPPORT_FILL_BODY_H
#define AETHER_TESTS_SUPPORT_FILL_BODY_H

#include "runtime/base/arena.h"

#include <protobuf-c/protobuf-c.h>

void fill_body(struct arena *arena, ProtobufCMessage *body);

#endif
