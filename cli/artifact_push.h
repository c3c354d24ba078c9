/* artifact_push: a shared object into the cluster's own store, piece by piece, from where the node has it: an
 * upload that was cut goes on, at this node or at another. */
#ifndef AETHER_CLI_ARTIFACT_PUSH_H
#define AETHER_CLI_ARTIFACT_PUSH_H

#include "cli/argv.h"
#include "cli/connection.h"
#include "runtime/base/text.h"

struct artifact_push_order {
    const char *file;      /* A path that the loader takes as one (runtime/os/path.h). */
    const char *artifact;  /* Its coordinates; "" = those of its descriptor. */
    const char *sign;      /* File of a private key; "" = none. */
    const char *signature; /* File of a signature; "" = none. */
};

/* Tells how far it is on standard error, unless quiet. *out_reply: the last one, complete; the caller's. */
MUST_CHECK enum status artifact_push(const struct argv *argv, const struct artifact_push_order *order,
                                     struct connection *connection, struct message **out_reply,
                                     struct error *error);
/* `artifact push`, as its arguments say. */
MUST_CHECK enum status artifact_push_run(const struct argv *argv, struct connection *connection,
                                         struct message **out_reply, struct error *error);

/* What the object's descriptor says, read in a process that is thrown away: group, name, version, artifact.
 * The caller frees it. */
MUST_CHECK enum status artifact_push_describe(const char *file, struct value **out_described,
                                              struct error *error);
enum { ARTIFACT_PUSH_HEX_SIZE = 129 };
MUST_CHECK enum status artifact_push_sign(const char *key_file, const struct text *object,
                                          char hex[ARTIFACT_PUSH_HEX_SIZE], struct error *error);

#endif
