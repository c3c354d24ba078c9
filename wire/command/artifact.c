/* artifact: the rows of the cluster's own artifact store. */
#include "wire/command/command.h"

const struct command artifact_commands[] = {
    {
        .name = "artifact push",
        .help = "Put a slice into the cluster itself: no repository is needed to run it",
        .details =
            "Its coordinates are those of its descriptor. It is complete when it was checked (hash, "
            "descriptor, "
            "signature where nodes have keys) and is on the disks of at least two nodes, three where there "
            "are "
            "so many; before, nobody sees it. A released version is never replaced by other bytes; a "
            "-SNAPSHOT "
            "is. Over MCP and HTTP each request brings one piece of at most 256 KiB: `base64` at `offset`, "
            "with "
            "`artifact`, `sha256` and `size` of the whole; go on at the reply's `offset` until `complete`. A "
            "request without bytes asks how far it is.",
        .example = "aether artifact push build/hello-1.0.0.so --sign key.pem",
        .http = "POST /api/v1/artifacts",
        .request = KIND_ARTIFACT_PUSH_REQUEST,
        .reply = KIND_ARTIFACT_PUSH_REPLY,
        .target = TO_ARTIFACT_KEEPER,
        .role = ROLE_OPERATOR,
        .flags = COMMAND_CHANGES | COMMAND_IDEMPOTENT | COMMAND_WAITS | COMMAND_UPLOADS,
        .arguments = ARGUMENTS(
            { .field = "file", .help = "the shared object; over MCP and HTTP: its name", .positional = true },
            { .field = "artifact",
              .help = "its coordinates; the program reads them from the file",
              .metavar = "COORDINATES" },
            { .field = "sign",
              .help = "file of the Ed25519 private key that signs it (PEM, hex or base64)",
              .metavar = "KEY" },
            { .field = "signature",
              .help = "file of a signature that there is already; over MCP and HTTP: its hex",
              .metavar = "FILE" },
            { .field = "sha256", .help = "over MCP and HTTP: of the whole", .metavar = "HEX" },
            { .field = "size", .help = "over MCP and HTTP: of the whole, in bytes", .metavar = "BYTES" },
            { .field = "offset", .help = "over MCP and HTTP: of the piece", .metavar = "BYTES" },
            { .field = "base64", .help = "over MCP and HTTP: the piece", .metavar = "TEXT" }),
        .identity = "artifact",
        .omit_empty = FIELDS("note"),
    },
    {
        .name = "artifact list",
        .help = "List the artifacts that the cluster keeps",
        .example = "aether artifact list org.example:",
        .http = "GET /api/v1/artifacts",
        .request = KIND_ARTIFACT_LIST_REQUEST,
        .reply = KIND_ARTIFACT_LIST_REPLY,
        .target = TO_ARTIFACT_KEEPER,
        .role = ROLE_OBSERVER,
        .flags = COMMAND_FRESH,
        .arguments = ARGUMENTS({ .field = "prefix",
                                 .help = "only those whose coordinates begin so",
                                 .positional = true,
                                 .optional = true }),
        .list = "artifacts",
        .identity = "artifact",
        .columns =
            COLUMNS(AS_TEXT("artifact", "ARTIFACT"), AS_NUMBER("size", "SIZE"), AS_NUMBER("copies", "COPIES"),
                    AS_NUMBER("wanted", "WANTED"), AS_TEXT("is_signed", "SIGNED"),
                    AS_TIME("timestamp", "PUSHED"), AS_TEXT("sha256", "SHA256")),
    },
    {
        .name = "artifact show",
        .help = "Show one artifact that the cluster keeps: where it is, and who uses it",
        .example = "aether artifact show org.example:hello:1.0.0",
        .http = "GET /api/v1/artifacts/{artifact}",
        .request = KIND_ARTIFACT_SHOW_REQUEST,
        .reply = KIND_ARTIFACT_SHOW_REPLY,
        .target = TO_ARTIFACT_KEEPER,
        .role = ROLE_OBSERVER,
        .flags = COMMAND_FRESH,
        .arguments = ARGUMENTS({ .field = "artifact", .help = "group:artifact:version", .positional = true }),
        .list = "holders",
        .identity = "artifact",
        .columns = COLUMNS(AS_TEXT("node", "NODE"), AS_TEXT("presence", "PRESENCE")),
        .omit_empty = FIELDS("signature"),
    },
    {
        .name = "artifact delete",
        .help = "Take an artifact out of the cluster's store",
        .details =
            "Refused while a blueprint uses it, unless forced: what runs goes on then, but a node that "
            "needs the bytes anew has to find them at another node that still has them.",
        .example = "aether artifact delete org.example:hello:1.0.0",
        .http = "DELETE /api/v1/artifacts/{artifact}",
        .request = KIND_ARTIFACT_DELETE_REQUEST,
        .reply = KIND_ARTIFACT_DELETE_REPLY,
        .target = TO_ARTIFACT_KEEPER,
        .role = ROLE_OPERATOR,
        .flags = COMMAND_CHANGES | COMMAND_DESTROYS | COMMAND_ON_LEADER,
        .arguments = ARGUMENTS({ .field = "artifact", .help = "group:artifact:version", .positional = true },
                               { .field = "force", .help = "also while a blueprint uses it" }),
        .identity = "artifact",
    },
    { 0 },
};
