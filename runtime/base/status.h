/* status: how an operation ended. One list gives each outcome its number, its word (the `error.code` that
 * users see everywhere), its explanation, its HTTP code, its JSON-RPC code and its exit code.
 * Numbers are part of the wire format and never change. The JSON-RPC codes lie outside -32768..-32000, which
 * JSON-RPC and MCP (2026-07-28: -32020..-32099) keep for themselves; INVALID is JSON-RPC's own "invalid
 * params". */
#ifndef AETHER_RUNTIME_BASE_STATUS_H
#define AETHER_RUNTIME_BASE_STATUS_H

/*      number, word,             http, json-rpc, exit, text */
#define STATUS_LIST(X)                                                                                       \
    X(0, OK, 200, 0, 0, "done")                                                                              \
    X(1, APP_ERROR, 422, -31050, 1, "the slice answered with an error of its own")                           \
    X(2, INVALID, 400, -32602, 2, "the request is malformed")                                                \
    X(3, UNAUTHENTICATED, 401, -31051, 6, "the caller is unknown")                                           \
    X(4, DENIED, 403, -31052, 6, "the caller may not do this")                                               \
    X(5, NO_ENDPOINT, 404, -31053, 4, "no live instance serves this entry point")                            \
    X(6, NOT_READY, 503, -31054, 1, "not ready to serve yet")                                                \
    X(7, OVERLOADED, 429, -31055, 1, "a bounded queue is full")                                              \
    X(8, DEADLINE, 504, -31056, 7, "the deadline passed; the outcome is unknown")                            \
    X(9, CANCELLED, 499, -31057, 1, "the caller withdrew the request")                                       \
    X(10, NODE_LOST, 502, -31058, 7, "the node was lost; the outcome is unknown")                            \
    X(11, CRASHED, 502, -31059, 7, "the instance crashed; the outcome is unknown")                           \
    X(12, VERSION_MISMATCH, 409, -31060, 5, "the versions do not fit together")                              \
    X(13, NOT_FOUND, 404, -31061, 4, "there is no such thing")                                               \
    X(14, CONFLICT, 409, -31062, 5, "a precondition did not hold")                                           \
    X(15, NO_LEADER, 503, -31063, 3, "the cluster has no leader")                                            \
    X(16, NOT_LEADER, 503, -31064, 3, "this node does not lead")                                             \
    X(17, IO, 500, -31065, 1, "input or output failed")                                                      \
    X(18, CORRUPT, 500, -31066, 1, "stored or received data is damaged")                                     \
    X(19, UNKNOWN, 500, -31067, 7, "it may have happened, or not")

enum status {
#define STATUS_ENUM(number, word, http, rpc, exit, text) STATUS_##word = (number),
    STATUS_LIST(STATUS_ENUM)
#undef STATUS_ENUM
        STATUS_COUNT
};

#define MUST_CHECK __attribute__((warn_unused_result))

const char *status_name(enum status status); /* "NO_LEADER"; "UNKNOWN" for a number out of range. */
const char *status_text(enum status status);
int status_http(enum status status);
int status_json_rpc(enum status status);
int status_exit(enum status status);
enum status status_from_name(const char *name); /* STATUS_COUNT when no status has that name. */
enum status status_from_number(int number);     /* From the wire: out of range becomes STATUS_UNKNOWN. */

#endif
