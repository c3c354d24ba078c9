/* core_names: the words for the core's types, as people and test scripts read them. */
#include "store/raft/core.h"

#include "runtime/base/check.h"

const char *core_message_type_name(enum core_message_type type)
{
    static const char *const names[] = {
        [CORE_PREVOTE] = "PREVOTE",
        [CORE_PREVOTE_REPLY] = "PREVOTE_REPLY",
        [CORE_VOTE] = "VOTE",
        [CORE_VOTE_REPLY] = "VOTE_REPLY",
        [CORE_APPEND] = "APPEND",
        [CORE_APPEND_REPLY] = "APPEND_REPLY",
        [CORE_HEARTBEAT] = "HEARTBEAT",
        [CORE_HEARTBEAT_REPLY] = "HEARTBEAT_REPLY",
        [CORE_READ_INDEX] = "READ_INDEX",
        [CORE_READ_INDEX_REPLY] = "READ_INDEX_REPLY",
        [CORE_TIMEOUT_NOW] = "TIMEOUT_NOW",
        [CORE_HELLO] = "HELLO",
        [CORE_HELLO_REPLY] = "HELLO_REPLY",
    };
    return type >= CORE_PREVOTE && (size_t)type < ARRAY_COUNT(names) ? names[type] : "?";
}

const char *core_role_name(enum core_role role)
{
    static const char *const names[] = {
        [CORE_FOLLOWER] = "follower",
        [CORE_PRE_CANDIDATE] = "pre-candidate",
        [CORE_CANDIDATE] = "candidate",
        [CORE_LEADER] = "leader",
    };
    return role >= CORE_FOLLOWER && (size_t)role < ARRAY_COUNT(names) ? names[role] : "?";
}

static const struct {
    const char *name;
    const char *text;
} stops[] = {
    [CORE_RUNNING] = { "RUNNING", "it runs" },
    [CORE_STOP_DISK] = { "DISK", "the disk failed: nothing of that batch may leave" },
    [CORE_STOP_TWO_LEADERS] = { "TWO_LEADERS", "two replicas lead in one term" },
    [CORE_STOP_CHAIN] = { "CHAIN", "an entry of equal index and term has another chain: a log is damaged" },
    [CORE_STOP_TRUNCATION] = { "TRUNCATION", "a leader's log contradicts what is committed here" },
    [CORE_STOP_OWN_LOG] = { "OWN_LOG", "a leader was to truncate its own log" },
    [CORE_STOP_BACKWARDS] = { "BACKWARDS", "term, vote, commit, applied or durable index would go back" },
    [CORE_STOP_APPLY] = { "APPLY", "the state applied what was not handed to it" },
    [CORE_STOP_ACKNOWLEDGE] = { "ACKNOWLEDGE", "an acknowledgement claimed what is not durable" },
    [CORE_STOP_CONFIGURATION] = { "CONFIGURATION", "the log holds a configuration that can't be" },
    [CORE_STOP_PROGRESS] = { "PROGRESS", "match < next <= last + 1 does not hold for a peer" },
    [CORE_STOP_LOG_READ] = { "LOG_READ", "the log does not give back what was put into it" },
    [CORE_STOP_DRIVER] = { "DRIVER", "the core was given an event that can't be" },
    [CORE_STOP_BOUND] = { "BOUND", "a queue of the core would grow beyond its bound" },
    [CORE_STOP_LOST] = { "LOST",
                         "others hold acknowledgements of this replica beyond its log: it lost entries" },
    [CORE_STOP_REMOVED] = { "REMOVED", "this replica id is retired: its node was removed from the cluster; "
                                       "to let it join again, empty node.data" },
};

const char *core_stop_name(enum core_stop stop)
{
    return (size_t)stop < ARRAY_COUNT(stops) ? stops[stop].name : "?";
}

const char *core_stop_text(enum core_stop stop)
{
    return (size_t)stop < ARRAY_COUNT(stops) ? stops[stop].text : "unknown";
}

const char *core_verdict_name(enum core_verdict verdict)
{
    static const char *const names[] = {
        [CORE_VERDICT_OK] = "OK",
        [CORE_VERDICT_REMOVED] = "REMOVED",
        [CORE_VERDICT_LOST] = "LOST",
        [CORE_VERDICT_VERSION] = "VERSION",
    };
    return verdict >= CORE_VERDICT_OK && (size_t)verdict < ARRAY_COUNT(names) ? names[verdict] : "?";
}
