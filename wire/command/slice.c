/* slice: the rows of blueprint, slice, endpoint and call. */
#include "wire/command/command.h"

#define INSTANCE_COLUMNS                                                                                     \
    COLUMNS(AS_TEXT("artifact", "ARTIFACT"), AS_NUMBER("instance", "INSTANCE"), AS_TEXT("node", "NODE"),     \
            AS_TEXT("state", "STATE"), AS_NUMBER("attempt", "ATTEMPT"), AS_TIME("since", "SINCE"),           \
            AS_TEXT("reason", "REASON"), AS_TEXT("text", "TEXT"))

const struct command slice_commands[] = {
    {
        .name = "blueprint publish",
        .help = "Publish a blueprint and wait until every instance is ACTIVE",
        .details = "The document is YAML or JSON, at most 1 MiB. A document that can never be carried out is "
                   "refused before anything is written, naming the line. Publishing again under the same "
                   "name replaces what was published.",
        .example = "aether blueprint publish shop.yaml",
        .http = "POST /api/v1/blueprints",
        .request = KIND_BLUEPRINT_PUBLISH_REQUEST,
        .reply = KIND_BLUEPRINT_PUBLISH_REPLY,
        .target = TO_CLUSTER_DEPLOYMENT_MANAGER,
        .role = ROLE_OPERATOR,
        .flags = COMMAND_CHANGES | COMMAND_ON_LEADER | COMMAND_IDEMPOTENT | COMMAND_WAITS,
        .arguments = ARGUMENTS(
            { .field = "document",
              .help = "the blueprint; a file's name on the command line, - for standard input",
              .metavar = "FILE",
              .positional = true,
              .form = FORM_DOCUMENT,
              .source = SOURCE_FILE },
            { .field = "name",
              .help = "the name of a document that has none, as the seed's JSON; default: default" },
            { .field = "detach", .help = "return as soon as it is written" }),
        .list = "instances",
        .identity = "name",
        .columns = INSTANCE_COLUMNS,
    },
    {
        .name = "blueprint list",
        .help = "List the published blueprints",
        .example = "aether blueprint list",
        .http = "GET /api/v1/blueprints",
        .request = KIND_BLUEPRINT_LIST_REQUEST,
        .reply = KIND_BLUEPRINT_LIST_REPLY,
        .target = TO_CLUSTER_DEPLOYMENT_MANAGER,
        .role = ROLE_OBSERVER,
        .flags = COMMAND_ON_LEADER | COMMAND_FRESH,
        .list = "blueprints",
        .identity = "name",
        .columns = COLUMNS(AS_TEXT("name", "NAME"), AS_NUMBER("revision", "REVISION"),
                           AS_NUMBER("slices", "SLICES"), AS_NUMBER("instances_active", "ACTIVE"),
                           AS_NUMBER("instances_wanted", "WANTED"), AS_TIME("timestamp", "PUBLISHED")),
    },
    {
        .name = "blueprint get",
        .help = "Print a blueprint as it was published",
        .example = "aether blueprint get shop -o yaml",
        .http = "GET /api/v1/blueprints/{name}",
        .request = KIND_BLUEPRINT_GET_REQUEST,
        .reply = KIND_BLUEPRINT_GET_REPLY,
        .target = TO_CLUSTER_DEPLOYMENT_MANAGER,
        .role = ROLE_OBSERVER,
        .flags = COMMAND_ON_LEADER | COMMAND_FRESH,
        .arguments = ARGUMENTS({ .field = "name", .help = "which blueprint", .positional = true }),
        .identity = "name",
        .json_fields = FIELDS("document"),
    },
    {
        .name = "blueprint delete",
        .help = "Withdraw a blueprint and wait until nothing of it runs",
        .example = "aether blueprint delete shop",
        .http = "DELETE /api/v1/blueprints/{name}",
        .request = KIND_BLUEPRINT_DELETE_REQUEST,
        .reply = KIND_BLUEPRINT_DELETE_REPLY,
        .target = TO_CLUSTER_DEPLOYMENT_MANAGER,
        .role = ROLE_OPERATOR,
        .flags = COMMAND_CHANGES | COMMAND_DESTROYS | COMMAND_ON_LEADER | COMMAND_IDEMPOTENT | COMMAND_WAITS,
        .arguments = ARGUMENTS({ .field = "name", .help = "which blueprint", .positional = true },
                               { .field = "detach", .help = "return as soon as it is written" }),
        .identity = "name",
    },
    {
        .name = "slice list",
        .help = "List the instances: where they are and in which state",
        .example = "aether slice list --blueprint shop",
        .http = "GET /api/v1/slices",
        .request = KIND_SLICE_LIST_REQUEST,
        .reply = KIND_SLICE_LIST_REPLY,
        .target = TO_CLUSTER_DEPLOYMENT_MANAGER,
        .role = ROLE_OBSERVER,
        .flags = COMMAND_ON_LEADER | COMMAND_FRESH,
        .arguments =
            ARGUMENTS({ .field = "blueprint", .help = "only those of this blueprint", .metavar = "NAME" }),
        .list = "instances",
        .identity = "artifact",
        .columns = INSTANCE_COLUMNS,
    },
    {
        .name = "slice show",
        .help = "Show one slice, instance by instance, with what each node says of it now",
        .details =
            "What the cluster agreed on (state, since, reason, attempt, next retry, nodes that the planner "
            "avoids) and, from each node concerned, what only it knows: host process, restarts, calls, "
            "times, memory, last error, what holds its limits. HEARD says why a node's part is missing.",
        .example = "aether slice show org.example:pricing",
        .http = "GET /api/v1/slices/{artifact}",
        .request = KIND_SLICE_SHOW_REQUEST,
        .reply = KIND_SLICE_SHOW_REPLY,
        .target = TO_SLICE_INSPECTOR,
        .role = ROLE_OBSERVER,
        .flags = COMMAND_ON_LEADER | COMMAND_FRESH,
        .arguments = ARGUMENTS(
            { .field = "artifact", .help = "group:artifact, or group:artifact:version", .positional = true }),
        .list = "instances",
        .identity = "artifact",
        .columns = COLUMNS(
            AS_NUMBER("instance", "INSTANCE"), AS_TEXT("node", "NODE"), AS_TEXT("state", "STATE"),
            AS_TIME("since", "SINCE"), AS_TEXT("version", "VERSION"), AS_TEXT("isolation", "ISOLATION"),
            AS_NUMBER("pid", "PID"), AS_NUMBER("restarts", "RESTARTS"), AS_NUMBER("calls", "CALLS"),
            AS_NUMBER("p50_us", "P50-US"), AS_NUMBER("p99_us", "P99-US"), AS_NUMBER("memory_bytes", "MEMORY"),
            AS_TEXT("limits", "LIMITS"), AS_NUMBER("attempt", "ATTEMPT"), AS_TIME("next_retry", "NEXT-RETRY"),
            AS_TEXT("heard", "HEARD"), AS_TEXT("reason", "REASON"), AS_TEXT("text", "TEXT"),
            AS_TEXT("last_error", "LAST-ERROR")),
        .more_list = "exclusions",
        .more_columns =
            COLUMNS(AS_TEXT("node", "EXCLUDED"), AS_TIME("until", "UNTIL"), AS_TEXT("reason", "WHY")),
    },
    {
        .name = "slice explain",
        .help = "Explain why a slice is where it is, or why it is not",
        .details =
            "Runs the leader's own planner on what is there now: what it says of each instance, and of each "
            "node, those included that it avoids because the slice failed there.",
        .example = "aether slice explain org.example:pricing",
        .http = "GET /api/v1/slices/{artifact}/explanation",
        .request = KIND_SLICE_EXPLAIN_REQUEST,
        .reply = KIND_SLICE_EXPLAIN_REPLY,
        .target = TO_CLUSTER_DEPLOYMENT_MANAGER,
        .role = ROLE_OBSERVER,
        .flags = COMMAND_ON_LEADER | COMMAND_FRESH,
        .arguments = ARGUMENTS(
            { .field = "artifact", .help = "group:artifact, or group:artifact:version", .positional = true }),
        .list = "instances",
        .identity = "artifact",
        .columns = COLUMNS(AS_NUMBER("instance", "INSTANCE"), AS_TEXT("node", "NODE"),
                           AS_TEXT("state", "STATE"), AS_TEXT("reason", "WHY")),
        .more_list = "nodes",
        .more_columns =
            COLUMNS(AS_TEXT("node", "NODE"), AS_TEXT("state", "STATE"), AS_TEXT("presence", "PRESENCE"),
                    AS_NUMBER("here", "HERE"), AS_NUMBER("load", "LOAD"), AS_TEXT("takes", "TAKES"),
                    AS_TEXT("reason", "WHY")),
    },
    {
        .name = "slice restart",
        .help = "Restart instances of a slice in order, one after the other, and wait until they serve",
        .details =
            "Each is stopped as a drain would (calls in flight end, its state is carried over if the slice "
            "can), loaded anew and ACTIVE again before the next one goes; the first that does not come back "
            "ends the restart. Refused where min-available leaves none to restart.",
        .example = "aether slice restart org.example:pricing --instance 2",
        .http = "POST /api/v1/slices/{artifact}/restart",
        .request = KIND_SLICE_RESTART_REQUEST,
        .reply = KIND_SLICE_RESTART_REPLY,
        .target = TO_CLUSTER_DEPLOYMENT_MANAGER,
        .role = ROLE_OPERATOR,
        .flags = COMMAND_CHANGES | COMMAND_ON_LEADER | COMMAND_WAITS,
        .arguments = ARGUMENTS(
            { .field = "artifact", .help = "group:artifact, or group:artifact:version", .positional = true },
            { .field = "instance", .help = "only this one; default: all", .metavar = "N" },
            { .field = "node", .help = "only those on this node" },
            { .field = "detach", .help = "return as soon as it has begun" }),
        .list = "instances",
        .identity = "artifact",
        .columns = INSTANCE_COLUMNS,
    },
    {
        .name = "slice logs",
        .help = "Print what the instances of a slice printed and logged",
        .details = "Each node keeps the last lines of every instance that ran there, at most 2048 of them or "
                   "256 KiB, "
                   "beyond its end: standard output and error, what the slice logged, and (level node) what "
                   "its node "
                   "has to say about it. Lines of all nodes come by time. With --follow until interrupted.",
        .example = "aether slice logs org.example:pricing --instance 1 --tail 20",
        .http = "GET /api/v1/slices/{artifact}/logs",
        .request = KIND_SLICE_LOGS_REQUEST,
        .reply = KIND_SLICE_LOGS_REPLY,
        .target = TO_SLICE_INSPECTOR,
        .role = ROLE_OBSERVER,
        .arguments = ARGUMENTS(
            { .field = "artifact", .help = "group:artifact, or group:artifact:version", .positional = true },
            { .field = "instance", .help = "only of this one; default: of all", .metavar = "N" },
            { .field = "node", .help = "only what this node keeps" },
            { .field = "follow", .help = "go on with what comes" },
            { .field = "since", .help = "nothing older than this", .metavar = "DUR" },
            { .field = "tail", .help = "the last so many lines; default: all that is kept", .metavar = "N" },
            { .field = "cursor", .help = "go on after an earlier answer: its cursor" },
            { .field = "wait_ms", .help = "how long one request that follows waits", .metavar = "MS" }),
        .list = "lines",
        .columns =
            COLUMNS(AS_TIME("time", "TIME"), AS_TEXT("node", "NODE"), AS_NUMBER("instance", "INSTANCE"),
                    AS_TEXT("level", "LEVEL"), AS_TEXT("request_id", "REQUEST-ID"), AS_TEXT("text", "TEXT")),
    },
    {
        .name = "endpoint list",
        .help = "List the entry points that live instances serve",
        .example = "aether endpoint list org.example:pricing",
        .http = "GET /api/v1/endpoints",
        .request = KIND_ENDPOINT_LIST_REQUEST,
        .reply = KIND_ENDPOINT_LIST_REPLY,
        .target = TO_ENDPOINT_REGISTRY,
        .role = ROLE_OBSERVER,
        .flags = COMMAND_FRESH,
        .arguments = ARGUMENTS({ .field = "artifact",
                                 .help = "only those of group:artifact[:version]",
                                 .positional = true,
                                 .optional = true }),
        .list = "endpoints",
        .identity = "entry",
        .columns =
            COLUMNS(AS_TEXT("artifact", "ARTIFACT"), AS_TEXT("entry", "ENTRY"),
                    AS_NUMBER("instance", "INSTANCE"), AS_TEXT("node", "NODE"), AS_TEXT("state", "STATE")),
    },
    {
        .name = "call",
        .help = "Call an entry point of a slice",
        .details =
            "Prints what the slice answered. Each call ends with one outcome (docs/reference/outcomes.md); "
            "at "
            "most one instance handles it, unless its entry point is READONLY or IDEMPOTENT or the call has "
            "an "
            "idempotency key: then it is tried again where it may have failed. An interrupt withdraws it. "
            "With "
            "--explain it is told how the call went, its failure too: every attempt, and what to do next.",
        .example = "aether call org.example:pricing/quote '{\"sku\":\"A1\",\"quantity\":2}' --explain",
        .http = "POST /api/v1/call/{target}",
        .request = KIND_CALL_REQUEST,
        .reply = KIND_CALL_REPLY,
        .target = TO_SLICE_CALL,
        .role = ROLE_OPERATOR,
        .flags = COMMAND_CALLS,
        .arguments = ARGUMENTS(
            { .field = "target", .help = "group:artifact[:version]/entry", .positional = true },
            { .field = "payload",
              .help =
                  "what the entry point gets, JSON, at most 1 MiB; @FILE or - on the command line; default: "
                  "null",
              .metavar = "JSON",
              .positional = true,
              .optional = true,
              .form = FORM_JSON,
              .source = SOURCE_WORD_OR_FILE },
            { .field = "affinity", .help = "the same key goes to the same instance", .metavar = "KEY" },
            { .field = "idempotency_key",
              .help = "calls with the same key and payload run once, and hear one answer",
              .metavar = "KEY" },
            { .field = "explain", .help = "say how the call went: attempts, outcome, what to do next" },
            { .field = "request_id", .help = "32 hex digits, or a W3C traceparent", .metavar = "ID" },
            { .field = "traceparent",
              .help = "of W3C Trace Context: its trace id becomes the request id",
              .metavar = "TRACEPARENT" }),
        .plain = "payload",
        .identity = "request_id",
        .json_fields = FIELDS("payload"),
        .omit_empty = FIELDS("explanation"),
        .verdict = "explanation",
    },
    { 0 },
};
