/* kv: the rows of kv and lease: the store as its users meet it (product.md section 5). */
#include "wire/command/command.h"

const struct command kv_commands[] = {
    {
        .name = "kv get",
        .help = "Read one key of the cluster's state",
        .example = "aether kv get blueprints/shop -o json",
        .http = "GET /api/v1/kv/{key}",
        .request = KIND_KV_GET_REQUEST,
        .reply = KIND_KV_GET_REPLY,
        .target = TO_STATE,
        .role = ROLE_OBSERVER,
        .arguments = ARGUMENTS({ .field = "key", .help = "which key", .positional = true }),
        .record = "record",
        .identity = "key",
        .omit_empty = FIELDS("lease"),
        .columns = COLUMNS(AS_TEXT("key", "KEY"), AS_NUMBER("revision", "REVISION"),
                           AS_NUMBER("version", "VERSION"), AS_TEXT("value", "VALUE")),
    },
    {
        .name = "kv list",
        .help = "List the keys under a prefix",
        .example = "aether kv list slices/ --limit 20",
        .http = "GET /api/v1/kv",
        .request = KIND_KV_LIST_REQUEST,
        .reply = KIND_KV_LIST_REPLY,
        .target = TO_STATE,
        .role = ROLE_OBSERVER,
        .arguments =
            ARGUMENTS({ .field = "prefix",
                        .help = "keys that begin so; default: all",
                        .positional = true,
                        .optional = true },
                      { .field = "limit", .help = "at most so many, and at most 1000", .metavar = "N" },
                      { .field = "start_after", .help = "the page after this key", .metavar = "KEY" }),
        .list = "records",
        .identity = "key",
        .omit_empty = FIELDS("lease"),
        .columns = COLUMNS(AS_TEXT("key", "KEY"), AS_NUMBER("revision", "REVISION"),
                           AS_NUMBER("version", "VERSION"), AS_TEXT("value", "VALUE")),
    },
    {
        .name = "kv put",
        .help = "Write one key",
        .details = "A value that is no JSON is stored as a JSON string; one that begins with @ and is no "
                   "file's name is "
                   "given in quotes: '\"@x\"'. Keys that the cluster manages itself are "
                   "refused unless forced.",
        .example = "aether kv put config/colour '\"red\"' --if-rev 0",
        .http = "PUT /api/v1/kv/{key}",
        .request = KIND_KV_PUT_REQUEST,
        .reply = KIND_KV_CHANGE_REPLY,
        .target = TO_PROPOSER,
        .role = ROLE_ADMIN,
        .flags = COMMAND_CHANGES | COMMAND_DESTROYS,
        .omit_empty = FIELDS("deleted"),
        .arguments = ARGUMENTS(
            { .field = "key", .help = "which key", .positional = true },
            { .field = "value",
              .help = "its value, JSON; @FILE, or - for standard input",
              .positional = true,
              .form = FORM_VALUE,
              .source = SOURCE_WORD_OR_FILE },
            { .field = "if_rev",
              .help = "only if its last change is revision N; 0: only if it is absent",
              .metavar = "N" },
            { .field = "lease", .help = "deleted when this lease ends", .metavar = "NAME" },
            { .field = "fence", .help = "only while the lease is held under fence N", .metavar = "N" },
            { .field = "force", .help = "also a key that the cluster manages itself" }),
    },
    {
        .name = "kv delete",
        .help = "Delete one key, or all keys under a prefix",
        .example = "aether kv delete config/colour",
        .http = "DELETE /api/v1/kv/{key}",
        .request = KIND_KV_DELETE_REQUEST,
        .reply = KIND_KV_CHANGE_REPLY,
        .target = TO_PROPOSER,
        .role = ROLE_ADMIN,
        .flags = COMMAND_CHANGES | COMMAND_DESTROYS,
        .arguments =
            ARGUMENTS({ .field = "key", .help = "which key", .positional = true },
                      { .field = "if_rev", .help = "only if its last change is revision N", .metavar = "N" },
                      { .field = "prefix", .help = "all keys that begin so" },
                      { .field = "force", .help = "also a key that the cluster manages itself" }),
    },
    {
        .name = "kv txn",
        .help = "Compare some keys, then change all of one list of keys, or of the other, in one revision",
        .details = "The document: {\"compare\": [...], \"success\": [...], \"failure\": [...]}. A compare: "
                   "{\"key\": K} with one of "
                   "\"value\", \"revision\", \"created\" (revisions; 0: absent), \"absent\": true. An "
                   "operation: {\"put\": K, "
                   "\"value\": V, \"lease\": NAME}, {\"delete\": K}, {\"delete-prefix\": P}, {\"grant\": "
                   "NAME, \"holder\": H, "
                   "\"ttl\": \"30s\"}, {\"renew\": NAME, \"holder\": H, \"fence\": N}, {\"revoke\": NAME, "
                   "\"holder\": H}. Without "
                   "\"failure\", compares that do not hold are a CONFLICT. A lease's fence is what "
                   "leases/NAME was \"created\" at.",
        .example =
            "aether kv txn "
            "'{\"compare\":[{\"key\":\"a\",\"absent\":true}],\"success\":[{\"put\":\"a\",\"value\":1}]}'",
        .http = "POST /api/v1/txn",
        .request = KIND_KV_TXN_REQUEST,
        .reply = KIND_KV_TXN_REPLY,
        .target = TO_PROPOSER,
        .role = ROLE_ADMIN,
        .flags = COMMAND_CHANGES | COMMAND_DESTROYS,
        .omit_empty = FIELDS("deleted", "fence", "left_ms"),
        .arguments = ARGUMENTS({ .field = "document",
                                 .help = "the transaction, YAML or JSON; @FILE, or - for standard input",
                                 .positional = true,
                                 .form = FORM_DOCUMENT,
                                 .source = SOURCE_WORD_OR_FILE },
                               { .field = "force", .help = "also keys that the cluster manages itself" }),
    },
    {
        .name = "kv watch",
        .help = "Follow the changes under a prefix",
        .details =
            "Prints one JSON object a line, each change once and in order, until interrupted or --limit "
            "is reached. To resume, pass the last revision plus one as --from.",
        .example = "aether kv watch slices/ --from 120",
        .http = "GET /api/v1/watch",
        .request = KIND_KV_WATCH_REQUEST,
        .reply = KIND_KV_WATCH_REPLY,
        .target = TO_STATE,
        .role = ROLE_OBSERVER,
        .flags = COMMAND_FOLLOWS,
        .arguments = ARGUMENTS(
            { .field = "prefix",
              .help = "keys that begin so; default: all",
              .positional = true,
              .optional = true },
            { .field = "from", .help = "from this revision on; default: from now", .metavar = "REVISION" },
            { .field = "limit", .help = "end after so many changes", .metavar = "N" },
            { .field = "wait_ms", .help = "how long one request waits for a change", .metavar = "MS" }),
        .list = "events",
        .omit_empty = FIELDS("lease"),
    },
    {
        .name = "lease grant",
        .help = "Take a lease, or keep one that the same holder has, and learn its fence",
        .details = "CONFLICT names the holder, and how long it has. Keys put with --lease go with it. What "
                   "leases there are: "
                   "aether kv list leases/.",
        .example = "aether lease grant backup --holder host-7 --ttl 30s",
        .http = "POST /api/v1/leases/{name}",
        .request = KIND_LEASE_GRANT_REQUEST,
        .reply = KIND_LEASE_REPLY,
        .target = TO_PROPOSER,
        .role = ROLE_OPERATOR,
        .flags = COMMAND_CHANGES,
        .identity = "name",
        .arguments =
            ARGUMENTS({ .field = "name", .help = "which lease", .positional = true },
                      { .field = "holder", .help = "who holds it", .metavar = "NAME", .needed = true },
                      { .field = "ttl",
                        .help = "for how long, unless it is renewed: 30s, 5m",
                        .metavar = "DUR",
                        .needed = true }),
    },
    {
        .name = "lease renew",
        .help = "Hold a lease for its full time again",
        .details = "CONFLICT: it ended meanwhile, or is another's. Whoever held it must stop then.",
        .example = "aether lease renew backup --holder host-7 --fence 1204",
        .http = "PUT /api/v1/leases/{name}",
        .request = KIND_LEASE_RENEW_REQUEST,
        .reply = KIND_LEASE_REPLY,
        .target = TO_PROPOSER,
        .role = ROLE_OPERATOR,
        .flags = COMMAND_CHANGES | COMMAND_IDEMPOTENT,
        .identity = "name",
        .arguments =
            ARGUMENTS({ .field = "name", .help = "which lease", .positional = true },
                      { .field = "holder", .help = "who holds it", .metavar = "NAME", .needed = true },
                      { .field = "fence", .help = "as lease grant told it", .metavar = "N", .needed = true }),
    },
    {
        .name = "lease revoke",
        .help = "End a lease, and delete the keys that were put with it",
        .example = "aether lease revoke backup --holder host-7",
        .http = "DELETE /api/v1/leases/{name}",
        .request = KIND_LEASE_REVOKE_REQUEST,
        .reply = KIND_KV_CHANGE_REPLY,
        .target = TO_PROPOSER,
        .role = ROLE_OPERATOR,
        .flags = COMMAND_CHANGES | COMMAND_DESTROYS,
        .omit_empty = FIELDS("deleted"),
        .arguments =
            ARGUMENTS({ .field = "name", .help = "which lease", .positional = true },
                      { .field = "holder", .help = "only if it holds the lease", .metavar = "NAME" }),
    },
    { 0 },
};
