/* kinds: every kind of message there is, in one list: number, name, body, receiver, flags. A kind with a
 * descriptor can cross a wire; a LOCAL one has a plain struct (named in the comment) or no body, and never
 * leaves its node. Numbers are part of the wire format: never reuse one. A range per domain; add at its end.
 */
#ifndef AETHER_WIRE_KINDS_H
#define AETHER_WIRE_KINDS_H

#include "runtime/message.h"

#include <protobuf-c/protobuf-c.h>

/* Well-known actors of a node: where a kind goes when it arrives from elsewhere. */
#define WIRE_NAMES(NAME)                                                                                     \
    NAME(1, LEADER, "leader")                                                                                \
    NAME(2, STATE, "state")                                                                                  \
    NAME(3, LOG_WRITER, "log_writer")                                                                        \
    NAME(4, PROPOSER, "proposer")                                                                            \
    NAME(5, TRANSPORT, "transport")                                                                          \
    NAME(6, MEMBERSHIP, "membership")                                                                        \
    NAME(7, LEASE_KEEPER, "lease_keeper")                                                                    \
    NAME(8, CLUSTER_DEPLOYMENT_MANAGER, "cluster_deployment_manager")                                        \
    NAME(9, NODE_DEPLOYMENT_MANAGER, "node_deployment_manager")                                              \
    NAME(10, SLICE_STORE, "slice_store")                                                                     \
    NAME(11, ARTIFACT_STORE, "artifact_store")                                                               \
    NAME(12, ENDPOINT_REGISTRY, "endpoint_registry")                                                         \
    NAME(13, SLICE_CALL, "slice_call")                                                                       \
    NAME(14, DOORBELL, "doorbell")                                                                           \
    NAME(15, COMMAND_GATEWAY, "command_gateway")                                                             \
    NAME(16, MCP_SERVER, "mcp_server")                                                                       \
    NAME(17, FETCHER, "fetcher")                                                                             \
    NAME(30, SNAPSHOT_SENDER, "snapshot_sender")                                                             \
    NAME(31, SNAPSHOT_RECEIVER, "snapshot_receiver")                                                         \
    NAME(32, BACKUP, "backup")                                                                               \
    NAME(33, STREAM_FEED, "stream_feed")                                                                     \
    NAME(34, STORE_GATEWAY, "store_gateway")                                                                 \
    NAME(35, SLICE_INSPECTOR, "slice_inspector")                                                             \
    NAME(36, SLICE_LOG, "slice_log")                                                                         \
    NAME(37, SLICE_CARRIER, "slice_carrier")                                                                 \
    NAME(18, VOTER_KEEPER, "voter_keeper")                                                                   \
    NAME(19, TELEMETRY, "telemetry")                                                                         \
    NAME(25, ARTIFACT_KEEPER, "artifact_keeper")

enum actor_address {
    TO_NOBODY = 0,
#define NAME_ENUM(number, name, text) TO_##name = (number),
    WIRE_NAMES(NAME_ENUM)
#undef NAME_ENUM
};

enum kind_flag {
    KIND_BEFORE_CLUSTER = 1, /* Accepted from a node whose cluster id is not ours or not made yet (I2). */
    KIND_FROM_CLIENT = 2,    /* Accepted on the client socket. Set on the request of every command. */
    KIND_PROTOCOL = 4,       /* Delivered in the system lane, before proposals (consensus.md R10). */
};

/*  PB(number, NAME, protobuf-c stem, receiver, flags) */
#define WIRE_KINDS(PB, LOCAL)                                                                                \
    /* 100-149 envelope */                                                                                   \
    PB(100, REFUSAL, refusal, NOBODY, 0)                                                                     \
    PB(101, HELLO, hello, TRANSPORT, KIND_BEFORE_CLUSTER)                                                    \
    /* 150-199 the store's interface */                                                                      \
    PB(150, PROPOSE_REQUEST, propose_request, PROPOSER, 0)                                                   \
    PB(151, PROPOSE_REPLY, propose_reply, NOBODY, 0)                                                         \
    PB(152, KV_READ_REQUEST, kv_read_request, STATE, 0)                                                      \
    PB(153, KV_READ_REPLY, kv_read_reply, NOBODY, 0)                                                         \
    PB(154, STATE_WATCH, state_watch, STATE, 0)                                                              \
    PB(155, STATE_UNWATCH, state_unwatch, STATE, 0)                                                          \
    PB(156, STATE_CHANGED, state_changed, NOBODY, 0)                                                         \
    /* 200-299 consensus, between replicas */                                                                \
    PB(200, FORWARD_REQUEST, forward_request, LEADER, 0)                                                     \
    PB(201, WHO, who, LEADER, KIND_BEFORE_CLUSTER)                                                           \
    PB(202, WHO_REPLY, who_reply, LEADER, KIND_BEFORE_CLUSTER)                                               \
    PB(203, FOUNDED, founded, LEADER, KIND_BEFORE_CLUSTER)                                                   \
    PB(204, FOUNDED_REPLY, founded_reply, LEADER, KIND_BEFORE_CLUSTER)                                       \
    PB(205, PRE_VOTE, pre_vote, LEADER, KIND_PROTOCOL)                                                       \
    PB(206, PRE_VOTE_REPLY, pre_vote_reply, LEADER, KIND_PROTOCOL)                                           \
    PB(207, VOTE, vote, LEADER, KIND_PROTOCOL)                                                               \
    PB(208, VOTE_REPLY, vote_reply, LEADER, KIND_PROTOCOL)                                                   \
    PB(209, APPEND, append, LEADER, KIND_PROTOCOL)                                                           \
    PB(210, APPEND_REPLY, append_reply, LEADER, KIND_PROTOCOL)                                               \
    PB(211, HEARTBEAT, heartbeat, LEADER, KIND_PROTOCOL)                                                     \
    PB(212, HEARTBEAT_REPLY, heartbeat_reply, LEADER, KIND_PROTOCOL)                                         \
    PB(213, READ_INDEX, read_index, LEADER, KIND_PROTOCOL)                                                   \
    PB(214, READ_INDEX_REPLY, read_index_reply, LEADER, KIND_PROTOCOL)                                       \
    PB(215, TIMEOUT_NOW, timeout_now, LEADER, KIND_PROTOCOL)                                                 \
    PB(216, REPLICA_HELLO, replica_hello, LEADER, KIND_PROTOCOL)                                             \
    PB(217, REPLICA_HELLO_REPLY, replica_hello_reply, LEADER, KIND_PROTOCOL)                                 \
    PB(230, SNAP_ASK, snap_ask, LEADER, 0)                                                                   \
    PB(231, SNAP_OFFER, snap_offer, SNAPSHOT_RECEIVER, 0)                                                    \
    PB(232, SNAP_CHUNK, snap_chunk, SNAPSHOT_RECEIVER, 0)                                                    \
    PB(233, SNAP_ACK, snap_ack, SNAPSHOT_SENDER, 0)                                                          \
    PB(234, STATE_HASH, state_hash, LEADER, 0)                                                               \
    PB(240, OBSERVE, observe, STREAM_FEED, 0)                                                                \
    PB(241, COMMITTED, committed, LEADER, 0)                                                                 \
    PB(242, OBSERVE_READ_REQUEST, observe_read_request, STREAM_FEED, 0)                                      \
    PB(243, OBSERVE_READ_REPLY, observe_read_reply, NOBODY, 0)                                               \
    PB(244, CLUSTER_BACKUP_REQUEST, cluster_backup_request, BACKUP, KIND_FROM_CLIENT)                        \
    PB(245, CLUSTER_BACKUP_REPLY, cluster_backup_reply, NOBODY, 0)                                           \
    /* 300-399 cluster */                                                                                    \
    PB(300, KV_GET_REQUEST, kv_get_request, STATE, KIND_FROM_CLIENT)                                         \
    PB(301, KV_GET_REPLY, kv_get_reply, NOBODY, 0)                                                           \
    PB(302, KV_LIST_REQUEST, kv_list_request, STATE, KIND_FROM_CLIENT)                                       \
    PB(303, KV_LIST_REPLY, kv_list_reply, NOBODY, 0)                                                         \
    PB(304, KV_PUT_REQUEST, kv_put_request, PROPOSER, KIND_FROM_CLIENT)                                      \
    PB(305, KV_DELETE_REQUEST, kv_delete_request, PROPOSER, KIND_FROM_CLIENT)                                \
    PB(306, KV_CHANGE_REPLY, kv_change_reply, NOBODY, 0)                                                     \
    PB(307, KV_WATCH_REQUEST, kv_watch_request, STATE, KIND_FROM_CLIENT)                                     \
    PB(308, KV_WATCH_REPLY, kv_watch_reply, NOBODY, 0)                                                       \
    PB(309, CLUSTER_STATUS_REQUEST, cluster_status_request, MEMBERSHIP, KIND_FROM_CLIENT)                    \
    PB(310, CLUSTER_STATUS_REPLY, cluster_status_reply, NOBODY, 0)                                           \
    PB(311, CLUSTER_MEMBERS_REQUEST, cluster_members_request, MEMBERSHIP, KIND_FROM_CLIENT)                  \
    PB(312, CLUSTER_MEMBERS_REPLY, cluster_members_reply, NOBODY, 0)                                         \
    PB(313, NODE_LIST_REQUEST, node_list_request, MEMBERSHIP, KIND_FROM_CLIENT)                              \
    PB(314, NODE_LIST_REPLY, node_list_reply, NOBODY, 0)                                                     \
    PB(315, NODE_SHOW_REQUEST, node_show_request, MEMBERSHIP, KIND_FROM_CLIENT)                              \
    PB(316, NODE_SHOW_REPLY, node_show_reply, NOBODY, 0)                                                     \
    PB(317, EVENT_LIST_REQUEST, event_list_request, MEMBERSHIP, KIND_FROM_CLIENT)                            \
    PB(318, EVENT_LIST_REPLY, event_list_reply, NOBODY, 0)                                                   \
    PB(319, AGENT_STATUS_REQUEST, agent_status_request, LEASE_KEEPER, KIND_FROM_CLIENT)                      \
    PB(320, AGENT_STATUS_REPLY, agent_status_reply, NOBODY, 0)                                               \
    PB(321, AGENT_RELEASE_REQUEST, agent_release_request, LEASE_KEEPER, KIND_FROM_CLIENT)                    \
    PB(322, AGENT_RELEASE_REPLY, agent_release_reply, NOBODY, 0)                                             \
    PB(323, PRESENCE_RENEW, presence_renew, MEMBERSHIP, 0)                                                   \
    PB(324, PRESENCE_RENEWED, presence_renewed, NOBODY, 0)                                                   \
    PB(325, NODE_INCARNATION_REQUEST, node_incarnation_request, MEMBERSHIP, 0)                               \
    PB(326, NODE_INCARNATION_REPLY, node_incarnation_reply, NOBODY, 0)                                       \
    PB(327, NODE_FENCED, node_fenced, NODE_DEPLOYMENT_MANAGER, 0)                                            \
    PB(328, METRIC_LIST_REQUEST, metric_list_request, TELEMETRY, KIND_FROM_CLIENT)                           \
    PB(329, METRIC_LIST_REPLY, metric_list_reply, NOBODY, 0)                                                 \
    PB(330, NODE_TREE_REQUEST, node_tree_request, TELEMETRY, 0)                                              \
    PB(331, NODE_TREE_REPLY, node_tree_reply, NOBODY, 0)                                                     \
    PB(336, NODE_PROMOTE_REQUEST, node_promote_request, VOTER_KEEPER, KIND_FROM_CLIENT)                      \
    PB(337, NODE_DEMOTE_REQUEST, node_demote_request, VOTER_KEEPER, KIND_FROM_CLIENT)                        \
    PB(338, NODE_REMOVE_REQUEST, node_remove_request, VOTER_KEEPER, KIND_FROM_CLIENT)                        \
    PB(339, NODE_DRAIN_REQUEST, node_drain_request, VOTER_KEEPER, KIND_FROM_CLIENT)                          \
    PB(340, NODE_RESUME_REQUEST, node_resume_request, VOTER_KEEPER, KIND_FROM_CLIENT)                        \
    PB(341, NODE_STOP_REQUEST, node_stop_request, VOTER_KEEPER, KIND_FROM_CLIENT)                            \
    PB(342, NODE_RESTART_REQUEST, node_restart_request, VOTER_KEEPER, KIND_FROM_CLIENT)                      \
    PB(343, NODE_LABEL_REQUEST, node_label_request, VOTER_KEEPER, KIND_FROM_CLIENT)                          \
    PB(344, NODE_CHANGE_REPLY, node_change_reply, NOBODY, 0)                                                 \
    PB(345, CLUSTER_TRANSFER_LEADERSHIP_REQUEST, cluster_transfer_leadership_request, VOTER_KEEPER,          \
       KIND_FROM_CLIENT)                                                                                     \
    PB(346, CLUSTER_TRANSFER_LEADERSHIP_REPLY, cluster_transfer_leadership_reply, NOBODY, 0)                 \
    PB(347, JOIN, join, VOTER_KEEPER, KIND_BEFORE_CLUSTER)                                                   \
    PB(348, JOIN_REPLY, join_reply, NOBODY, 0)                                                               \
    PB(349, NODE_HALT, node_halt, VOTER_KEEPER, 0)                                                           \
    PB(350, KV_TXN_REQUEST, kv_txn_request, PROPOSER, KIND_FROM_CLIENT)                                      \
    PB(351, KV_TXN_REPLY, kv_txn_reply, NOBODY, 0)                                                           \
    PB(352, LEASE_GRANT_REQUEST, lease_grant_request, PROPOSER, KIND_FROM_CLIENT)                            \
    PB(353, LEASE_RENEW_REQUEST, lease_renew_request, PROPOSER, KIND_FROM_CLIENT)                            \
    PB(354, LEASE_REVOKE_REQUEST, lease_revoke_request, PROPOSER, KIND_FROM_CLIENT)                          \
    PB(355, LEASE_REPLY, lease_reply, NOBODY, 0)                                                             \
    PB(356, SESSION_OPEN_REQUEST, session_open_request, PROPOSER, KIND_FROM_CLIENT)                          \
    PB(357, SESSION_OPEN_REPLY, session_open_reply, NOBODY, 0)                                               \
    PB(358, PING, ping, COMMAND_GATEWAY, KIND_FROM_CLIENT)                                                   \
    PB(359, PONG, pong, NOBODY, 0)                                                                           \
    /* 400-499 slice */                                                                                      \
    PB(400, BLUEPRINT_PUBLISH_REQUEST, blueprint_publish_request, CLUSTER_DEPLOYMENT_MANAGER,                \
       KIND_FROM_CLIENT)                                                                                     \
    PB(401, BLUEPRINT_PUBLISH_REPLY, blueprint_publish_reply, NOBODY, 0)                                     \
    PB(402, BLUEPRINT_LIST_REQUEST, blueprint_list_request, CLUSTER_DEPLOYMENT_MANAGER, KIND_FROM_CLIENT)    \
    PB(403, BLUEPRINT_LIST_REPLY, blueprint_list_reply, NOBODY, 0)                                           \
    PB(404, BLUEPRINT_GET_REQUEST, blueprint_get_request, CLUSTER_DEPLOYMENT_MANAGER, KIND_FROM_CLIENT)      \
    PB(405, BLUEPRINT_GET_REPLY, blueprint_get_reply, NOBODY, 0)                                             \
    PB(406, BLUEPRINT_DELETE_REQUEST, blueprint_delete_request, CLUSTER_DEPLOYMENT_MANAGER,                  \
       KIND_FROM_CLIENT)                                                                                     \
    PB(407, BLUEPRINT_DELETE_REPLY, blueprint_delete_reply, NOBODY, 0)                                       \
    PB(408, SLICE_LIST_REQUEST, slice_list_request, CLUSTER_DEPLOYMENT_MANAGER, KIND_FROM_CLIENT)            \
    PB(409, SLICE_LIST_REPLY, slice_list_reply, NOBODY, 0)                                                   \
    PB(410, SLICE_SHOW_REQUEST, slice_show_request, SLICE_INSPECTOR, KIND_FROM_CLIENT)                       \
    PB(411, SLICE_SHOW_REPLY, slice_show_reply, NOBODY, 0)                                                   \
    PB(412, ENDPOINT_LIST_REQUEST, endpoint_list_request, ENDPOINT_REGISTRY, KIND_FROM_CLIENT)               \
    PB(413, ENDPOINT_LIST_REPLY, endpoint_list_reply, NOBODY, 0)                                             \
    PB(414, CALL_REQUEST, call_request, SLICE_CALL, KIND_FROM_CLIENT)                                        \
    PB(415, CALL_REPLY, call_reply, NOBODY, 0)                                                               \
    PB(416, INVOKE_REQUEST, invoke_request, SLICE_CALL, 0)                                                   \
    PB(417, INVOKE_REPLY, invoke_reply, NOBODY, 0)                                                           \
    PB(430, ARTIFACT_PUSH_REQUEST, artifact_push_request, ARTIFACT_KEEPER, KIND_FROM_CLIENT)                 \
    PB(431, ARTIFACT_PUSH_REPLY, artifact_push_reply, NOBODY, 0)                                             \
    PB(432, ARTIFACT_LIST_REQUEST, artifact_list_request, ARTIFACT_KEEPER, KIND_FROM_CLIENT)                 \
    PB(433, ARTIFACT_LIST_REPLY, artifact_list_reply, NOBODY, 0)                                             \
    PB(434, ARTIFACT_SHOW_REQUEST, artifact_show_request, ARTIFACT_KEEPER, KIND_FROM_CLIENT)                 \
    PB(435, ARTIFACT_SHOW_REPLY, artifact_show_reply, NOBODY, 0)                                             \
    PB(436, ARTIFACT_DELETE_REQUEST, artifact_delete_request, ARTIFACT_KEEPER, KIND_FROM_CLIENT)             \
    PB(437, ARTIFACT_DELETE_REPLY, artifact_delete_reply, NOBODY, 0)                                         \
    PB(438, ARTIFACT_COPY_REQUEST, artifact_copy_request, ARTIFACT_STORE, 0)                                 \
    PB(439, ARTIFACT_COPY_REPLY, artifact_copy_reply, NOBODY, 0)                                             \
    PB(440, ARTIFACT_PIECE_REQUEST, artifact_piece_request, ARTIFACT_STORE, 0)                               \
    PB(441, ARTIFACT_PIECE_REPLY, artifact_piece_reply, NOBODY, 0)                                           \
    PB(450, CALL_WITHDRAW, call_withdraw, SLICE_CALL, KIND_FROM_CLIENT)                                      \
    PB(451, INVOKE_WITHDRAW, invoke_withdraw, SLICE_CALL, 0)                                                 \
    PB(452, CALL_STATS_REQUEST, call_stats_request, SLICE_CALL, 0)                                           \
    PB(453, CALL_STATS_REPLY, call_stats_reply, NOBODY, 0)                                                   \
    PB(454, BLUEPRINT_PLAN_REQUEST, blueprint_plan_request, CLUSTER_DEPLOYMENT_MANAGER, KIND_FROM_CLIENT)    \
    PB(455, BLUEPRINT_PLAN_REPLY, blueprint_plan_reply, NOBODY, 0)                                           \
    PB(460, SLICE_LOGS_REQUEST, slice_logs_request, SLICE_INSPECTOR, KIND_FROM_CLIENT)                       \
    PB(461, SLICE_LOGS_REPLY, slice_logs_reply, NOBODY, 0)                                                   \
    PB(462, SLICE_RESTART_REQUEST, slice_restart_request, CLUSTER_DEPLOYMENT_MANAGER, KIND_FROM_CLIENT)      \
    PB(463, SLICE_RESTART_REPLY, slice_restart_reply, NOBODY, 0)                                             \
    PB(464, SLICE_EXPLAIN_REQUEST, slice_explain_request, CLUSTER_DEPLOYMENT_MANAGER, KIND_FROM_CLIENT)      \
    PB(465, SLICE_EXPLAIN_REPLY, slice_explain_reply, NOBODY, 0)                                             \
    PB(466, SLICE_FACTS_REQUEST, slice_facts_request, SLICE_INSPECTOR, 0)                                    \
    PB(467, SLICE_FACTS_REPLY, slice_facts_reply, NOBODY, 0)                                                 \
    PB(468, SLICE_CARRY_REQUEST, slice_carry_request, SLICE_CARRIER, 0)                                      \
    PB(469, SLICE_CARRY_REPLY, slice_carry_reply, NOBODY, 0)                                                 \
    PB(470, BLUEPRINT_HISTORY_REQUEST, blueprint_history_request, CLUSTER_DEPLOYMENT_MANAGER,                \
       KIND_FROM_CLIENT)                                                                                     \
    PB(471, BLUEPRINT_HISTORY_REPLY, blueprint_history_reply, NOBODY, 0)                                     \
    PB(472, BLUEPRINT_ROLLBACK_REQUEST, blueprint_rollback_request, CLUSTER_DEPLOYMENT_MANAGER,              \
       KIND_FROM_CLIENT)                                                                                     \
    PB(473, BLUEPRINT_WAIT_REQUEST, blueprint_wait_request, CLUSTER_DEPLOYMENT_MANAGER, KIND_FROM_CLIENT)    \
    /* 500-599 gateway */                                                                                    \
    PB(500, GATEWAY_FORWARD, gateway_forward, COMMAND_GATEWAY, 0)                                            \
    /* 1100-1199 local: transport (runtime/port/transport.h) */                                              \
    LOCAL(1100, TRANSPORT_SEND)                                                                              \
    LOCAL(1101, TRANSPORT_ASK)                                                                               \
    LOCAL(1102, TRANSPORT_IDENTITY)                                                                          \
    LOCAL(1103, TRANSPORT_PEER)                                                                              \
    LOCAL(1104, PEER_UP)                                                                                     \
    LOCAL(1105, PEER_DOWN)                                                                                   \
    LOCAL(1106, TRANSPORT_TICK)                                                                              \
    /* 1150-1159 local: downloads (runtime/port/fetch.h) */                                                  \
    LOCAL(1150, FETCH)                                                                                       \
    LOCAL(1151, FETCHED)                                                                                     \
    LOCAL(1152, FETCH_PROGRESS)                                                                              \
    /* 1200-1299 local: consensus (wire/local.h, actors/consensus/messages.h) */                             \
    LOCAL(1200, ROLE_CHANGED)                                                                                \
    LOCAL(1201, ROLE_SUBSCRIBE)                                                                              \
    LOCAL(1202, READ_BARRIER)                                                                                \
    LOCAL(1203, READ_BARRIER_REPLY)                                                                          \
    LOCAL(1204, LOG_PERSIST)                                                                                 \
    LOCAL(1205, LOG_PERSISTED)                                                                               \
    LOCAL(1206, LOG_READ)                                                                                    \
    LOCAL(1207, LOG_ENTRIES)                                                                                 \
    LOCAL(1208, LOG_COPY)                                                                                    \
    LOCAL(1209, APPLY)                                                                                       \
    LOCAL(1210, APPLIED)                                                                                     \
    LOCAL(1211, READ_POINT)                                                                                  \
    LOCAL(1212, READ_POINT_REPLY)                                                                            \
    LOCAL(1213, CONSENSUS_STATUS)                                                                            \
    LOCAL(1214, CONSENSUS_STATUS_REPLY)                                                                      \
    LOCAL(1215, CONSENSUS_TICK)                                                                              \
    LOCAL(1216, LOG_IDLE)                                                                                    \
    LOCAL(1217, STATE_SWEEP)                                                                                 \
    LOCAL(1218, PROPOSER_SWEEP)                                                                              \
    LOCAL(1219, TRANSFER_LEADERSHIP)                                                                         \
    LOCAL(1220, SNAPSHOT_BEGIN)                                                                              \
    LOCAL(1221, SNAPSHOT_BEGUN)                                                                              \
    LOCAL(1222, SNAPSHOT_NEXT)                                                                               \
    LOCAL(1223, SNAPSHOT_PART)                                                                               \
    LOCAL(1224, SNAPSHOT_END)                                                                                \
    LOCAL(1225, SNAPSHOT_SEND)                                                                               \
    LOCAL(1226, SNAPSHOT_SENT)                                                                               \
    LOCAL(1227, SNAPSHOT_OFFERED)                                                                            \
    LOCAL(1228, SNAPSHOT_VERDICT)                                                                            \
    LOCAL(1229, SNAPSHOT_RECEIVED)                                                                           \
    LOCAL(1230, SNAPSHOT_CANCEL)                                                                             \
    LOCAL(1231, SNAPSHOT_INSTALLED)                                                                          \
    LOCAL(1232, SNAPSHOT_TICK)                                                                               \
    LOCAL(1233, STATE_RELOAD)                                                                                \
    LOCAL(1234, BACKUP_TICK)                                                                                 \
    LOCAL(1235, STREAM_FEED_TICK)                                                                            \
    LOCAL(1236, STREAM_COMMIT)                                                                               \
    LOCAL(1237, STREAM_WANTED)                                                                               \
    LOCAL(1238, OBSERVER_TICK)                                                                               \
    LOCAL(1239, STATE_COPY_DUE)                                                                              \
    LOCAL(1240, LOG_RECEIVE)                                                                                 \
    LOCAL(1241, LOG_RECEIVED)                                                                                \
    LOCAL(1242, LOG_COPY_READ)                                                                               \
    LOCAL(1243, LOG_COPY_PAGE)                                                                               \
    LOCAL(1244, LOG_COMPACT)                                                                                 \
    LOCAL(1245, LOG_COMPACTED)                                                                               \
    LOCAL(1246, LOG_MARK)                                                                                    \
    LOCAL(1247, LOG_MARKED)                                                                                  \
    LOCAL(1248, LOG_SPACE)                                                                                   \
    LOCAL(1249, LOG_STEP)                                                                                    \
    LOCAL(1250, LOG_LOOK)                                                                                    \
    /* 1300-1399 local: cluster */                                                                           \
    LOCAL(1300, MEMBERSHIP_TICK)                                                                             \
    LOCAL(1301, LEASE_TICK)                                                                                  \
    LOCAL(1302, PRESENCE_TICK)                                                                               \
    LOCAL(1303, MEMBERSHIP_FENCE)                                                                            \
    LOCAL(1310, VOTER_KEEPER_TICK)                                                                           \
    LOCAL(1311, NODE_END)                                                                                    \
    LOCAL(1312, CONFIGURE)                                                                                   \
    LOCAL(1313, MEMBER_NEWS)                                                                                 \
    /* 1400-1499 local: slice (actors/slice/messages.h) */                                                   \
    LOCAL(1400, INSTANCE_LOAD)                                                                               \
    LOCAL(1401, INSTANCE_ACTIVATE)                                                                           \
    LOCAL(1402, INSTANCE_DEACTIVATE)                                                                         \
    LOCAL(1403, INSTANCE_UNLOAD)                                                                             \
    LOCAL(1404, INSTANCE_DONE)                                                                               \
    LOCAL(1405, INSTANCE_DOWN)                                                                               \
    LOCAL(1406, ARTIFACT_FETCH)                                                                              \
    LOCAL(1407, ARTIFACT_READY)                                                                              \
    LOCAL(1408, ARTIFACT_RESOLVE)                                                                            \
    LOCAL(1409, ARTIFACT_RESOLVED)                                                                           \
    LOCAL(1410, SLICE_OUTBOUND)                                                                              \
    LOCAL(1411, INSTANCE_SERVING)                                                                            \
    LOCAL(1412, INSTANCE_GONE)                                                                               \
    LOCAL(1413, CLUSTER_DEPLOYMENT_TICK)                                                                     \
    LOCAL(1414, NODE_DEPLOYMENT_TIMER)                                                                       \
    LOCAL(1415, SLICE_CALL_TIMER)                                                                            \
    LOCAL(1416, INSTANCE_PROBE)                                                                              \
    /* 1420-1429: artifact_store and artifact_keeper (actors/slice/artifact_messages.h) */                   \
    LOCAL(1420, ARTIFACT_RECEIVE)                                                                            \
    LOCAL(1421, ARTIFACT_RECEIVED)                                                                           \
    LOCAL(1422, ARTIFACT_PINS)                                                                               \
    LOCAL(1423, ARTIFACT_PINNED)                                                                             \
    LOCAL(1424, ARTIFACT_LOCATE)                                                                             \
    LOCAL(1425, ARTIFACT_LOCATED)                                                                            \
    LOCAL(1426, ARTIFACT_DAMAGED)                                                                            \
    LOCAL(1428, ARTIFACT_KEEPER_TICK)                                                                        \
    LOCAL(1429, ARTIFACT_STORE_TICK)                                                                         \
    /* 1430-1439: calls (actors/slice/messages.h) */                                                         \
    LOCAL(1430, CALL_WITHDRAWN)                                                                              \
    LOCAL(1431, INVOKE_WITHDRAWN)                                                                            \
    /* 1432-1437: several instances in one process (actors/slice/shared_host.h) */                           \
    LOCAL(1432, SHARED_JOIN)                                                                                 \
    LOCAL(1433, SHARED_JOINED)                                                                               \
    LOCAL(1434, SHARED_FRAME)                                                                                \
    LOCAL(1435, SHARED_REFUSED)                                                                              \
    LOCAL(1436, SHARED_LINE)                                                                                 \
    LOCAL(1437, SHARED_LATE)                                                                                 \
    LOCAL(1438, INSTANCE_LATE)                                                                               \
    LOCAL(1442, INSTANCE_FACTS)                                                                              \
    LOCAL(1443, INSTANCE_FACTS_DONE)                                                                         \
    LOCAL(1444, SLICE_LINE)                                                                                  \
    LOCAL(1445, INSTANCE_CONFIGURE)                                                                          \
    LOCAL(1446, SLICE_STATE_KEEP)                                                                            \
    LOCAL(1447, SLICE_STATE_TAKE)                                                                            \
    LOCAL(1448, SLICE_STATE_TAKEN)                                                                           \
    LOCAL(1449, INSTANCE_PROGRESS)                                                                           \
    /* 1450-1479: between slice_store, an instance's actor and the doorbell (actors/slice/instance.h) */     \
    LOCAL(1450, SLICE_STEP)                                                                                  \
    LOCAL(1451, SLICE_STEP_DONE)                                                                             \
    LOCAL(1452, SLICE_SWEEP)                                                                                 \
    LOCAL(1453, SLICE_HEALTH)                                                                                \
    LOCAL(1454, SLICE_TIMER)                                                                                 \
    LOCAL(1455, DOORBELL_WATCH)                                                                              \
    LOCAL(1456, DOORBELL_RANG)                                                                               \
    LOCAL(1457, DOORBELL_OUTPUT)                                                                             \
    LOCAL(1458, DOORBELL_ENDED)                                                                              \
    LOCAL(1459, SLICE_ROUTE)                                                                                 \
    LOCAL(1460, SLICE_ROUTE_USED)                                                                            \
    /* 1500-1599 local: gateway (wire/local.h) */                                                            \
    LOCAL(1500, GATEWAY_TICK)                                                                                \
    LOCAL(1501, MCP_REQUEST)                                                                                 \
    LOCAL(1502, MCP_REPLY)                                                                                   \
    /* 1900-1999 local: the simulator (nodes/sim) */                                                         \
    LOCAL(1900, SIM_FRAME)                                                                                   \
    LOCAL(1901, SIM_PEER)                                                                                    \
    LOCAL(1902, SIM_CALL)

enum kind {
#define KIND_PB_ENUM(number, name, stem, receiver, flags) KIND_##name = (number),
#define KIND_LOCAL_ENUM(number, name)                     KIND_##name = (number),
    WIRE_KINDS(KIND_PB_ENUM, KIND_LOCAL_ENUM)
#undef KIND_PB_ENUM
#undef KIND_LOCAL_ENUM
};

struct kind_row {
    uint32_t kind;
    const char *name;                             /* "KV_GET_REQUEST" */
    const ProtobufCMessageDescriptor *descriptor; /* NULL: local. */
    enum actor_address receiver;
    uint32_t flags;
};

const struct kind_row *kind_find(uint32_t kind); /* NULL: unknown. */
const struct kind_row *kind_at(size_t position); /* In the list's order; NULL: past its end. */
const char *kind_name(uint32_t kind);            /* Runtime kinds too; "?" when unknown. */

/* What a message says, as a number (runtime_options.fingerprint): of its body as it would cross a wire and
 * its attachment; 0: a local kind. */
uint64_t wire_fingerprint(const struct message *message);

/* A message of a kind with a descriptor, its body initialised (all fields at their defaults). */
struct message *wire_message_create(uint32_t kind);
/* Sets a string field in the message's arena: request->name = wire_string(message, text). NULL becomes "".
 * What is no UTF-8 becomes U+FFFD: another node would refuse the whole message for it. */
char *wire_string(struct message *message, const char *text);

/* KIND_REFUSAL: the negative answer to any ask that crossed a wire. Never reads as OK. */
struct message *wire_refusal_create(const struct error *error);
void wire_refusal_read(const struct message *refusal, struct error *out_error);

#endif
