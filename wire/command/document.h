/* document: a command's request and reply as JSON documents, the same on every surface. */
#ifndef AETHER_WIRE_COMMAND_DOCUMENT_H
#define AETHER_WIRE_COMMAND_DOCUMENT_H

#include "wire/command/command.h"
#include "wire/json/value.h"

/* Arguments as an agent gives them, to what the request's fields hold: FORM_JSON and
 * FORM_VALUE become JSON text, a FORM_DOCUMENT given as an object becomes its text. In place. */
void document_arguments(const struct command *command, struct value *arguments);

/* A message of the command's request kind, in `*out_request` (the caller's). Arguments are outside input:
 * INVALID names what is missing, unknown or of a wrong type. */
MUST_CHECK enum status document_to_request(const struct command *command, const struct value *arguments,
                                           struct message **out_request, struct error *error);

/* The one document of a reply: fields that hold JSON text are the JSON that they hold; where the row names a
 * record, the record's fields are the document's own, and what stands beside it in the reply is added if it
 * is a list or the read was stale. The caller's. */
struct value *document_from_reply(const struct command *command, const void *reply);

/* {"error":{"code","message","hint","details":{}}} */
struct value *document_from_error(const struct error *error);

/* A reply's document that tells a failure (the row's `verdict`): its error, and in `*out_details` what more
 * it says, borrowed. false: it doesn't. */
bool document_is_failure(const struct command *command, const struct value *document, struct error *out_error,
                         const struct value **out_details);
/* The same document as every surface tells it: that of the error, with the details. The caller's. */
struct value *document_from_failure(const struct error *error, const struct value *details);

#endif
