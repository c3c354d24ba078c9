/* assembly: see the header. Order matters: a child may use the well-known names of those before it from its
 * first message on. The store's actors and the transport are never restarted in place (consensus.md C3). */
#include "nodes/assembly.h"

#include "actors/cluster/lease_keeper.h"
#include "actors/cluster/membership.h"
#include "actors/cluster/telemetry.h"
#include "actors/consensus/backup.h"
#include "actors/consensus/leader.h"
#include "actors/consensus/log_writer.h"
#include "actors/consensus/observer.h"
#include "actors/consensus/proposer.h"
#include "actors/consensus/snapshot_receiver.h"
#include "actors/consensus/snapshot_sender.h"
#include "actors/consensus/state.h"
#include "actors/consensus/stream_feed.h"
#include "actors/gateway/command_gateway.h"
#include "actors/gateway/mcp_server.h"
#include "actors/slice/artifact_keeper.h"
#include "actors/slice/cluster_deployment_manager.h"
#include "actors/slice/endpoint_registry.h"
#include "actors/slice/node_deployment_manager.h"
#include "actors/slice/slice_call.h"
#include "actors/slice/slice_carrier.h"
#include "actors/slice/slice_inspector.h"
#include "actors/slice/slice_log.h"
#include "actors/slice/slice_store.h"
#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "runtime/port/transport.h"
#include "store/schema/rules.h"
#include "wire/kinds.h"

enum { CHILDREN_MAX = 32, PEERS_MAX = 64 };

struct node {
    const char *peers[PEERS_MAX];
    struct leader_options leader;
    struct observer_options observer;
    struct state_options state;
    struct log_writer_options log_writer;
    struct proposer_options proposer;
    struct membership_options membership;
    int64_t presence_confirmed_ns; /* The membership actor's. */
    struct telemetry_options telemetry;
    struct voter_keeper_options voter_keeper;
    struct slice_call_options slice_call;
    struct slice_store_options slice_store;
    struct artifact_keeper_options artifact_keeper;
    struct slice_log_options slice_log;
    struct slice_carrier_options slice_carrier;
    struct slice_inspector_options slice_inspector;
    struct node_deployment_manager_options node_deployment_manager;
    struct child_spec slice_children[2];
    struct supervisor_options slice_supervisor;
    struct command_gateway_options command_gateway;
    struct child_spec children[CHILDREN_MAX];
    uint32_t child_count;
    struct supervisor_options supervisor;
};

static void add(struct node *node, struct child_spec child)
{
    if (child.behavior == NULL) return; /* This node has none. */
    CHECK(node->child_count < CHILDREN_MAX);
    node->children[node->child_count++] = child;
}

static void add_store(struct node *node, const struct node_options *options)
{
    node->log_writer =
        (struct log_writer_options){ .log = options->log, .keep_entries = options->log_keep_entries };
    node->state = (struct state_options){ .log = options->log,
                                          .rules = &schema_rules,
                                          .probe = options->probe,
                                          .snapshot_side_bytes = options->snapshot_side_bytes,
                                          .snapshot_chunk_bytes = options->snapshot_chunk_bytes };
    node->leader = (struct leader_options){ .node = options->node,
                                            .log = options->log,
                                            .address = options->address,
                                            .bootstrap = options->bootstrap,
                                            .bootstrap_count = options->bootstrap_count,
                                            .peers = node->peers,
                                            .peer_count = options->peer_count,
                                            .core = options->core,
                                            .probe = options->probe };
    node->proposer = (struct proposer_options){ .node = options->node };
    add(node,
        (struct child_spec){ &log_writer_behavior, &node->log_writer, NULL, TO_LOG_WRITER, CHILD_NEVER });
    add(node, (struct child_spec){ &state_behavior, &node->state, NULL, TO_STATE, CHILD_NEVER });
    node->observer = (struct observer_options){
        .node = options->node, .log = options->log, .peers = node->peers, .peer_count = options->peer_count
    };
    if (options->worker) {
        add(node, (struct child_spec){ &observer_behavior, &node->observer, NULL, TO_LEADER, CHILD_NEVER });
    } else {
        add(node, (struct child_spec){ &leader_behavior, &node->leader, NULL, TO_LEADER, CHILD_NEVER });
        add(node, (struct child_spec){ &stream_feed_behavior, NULL, NULL, TO_STREAM_FEED, CHILD_PERMANENT });
    }
    add(node, (struct child_spec){ &snapshot_sender_behavior, NULL, NULL, TO_SNAPSHOT_SENDER, CHILD_NEVER });
    add(node,
        (struct child_spec){ &snapshot_receiver_behavior, NULL, NULL, TO_SNAPSHOT_RECEIVER, CHILD_NEVER });
    add(node, (struct child_spec){ &proposer_behavior, &node->proposer, NULL, TO_PROPOSER, CHILD_NEVER });
    add(node, (struct child_spec){ &backup_behavior, NULL, NULL, TO_BACKUP, CHILD_PERMANENT });
}

static void add_cluster(struct node *node, const struct node_options *options)
{
    node->membership =
        (struct membership_options){ .node = options->node,
                                     .cluster_name = options->cluster_name,
                                     .address = options->address,
                                     .client_address = options->client_address,
                                     .labels_json = options->labels_json,
                                     .zone = options->zone,
                                     .role = options->worker ? "worker" : "voter",
                                     .worker_replica =
                                         options->worker ? options->log->boot.identity.replica_id : 0,
                                     .incarnation = options->incarnation,
                                     .lost_after_ns = options->lost_after_ns,
                                     .confirmed_ns = &node->presence_confirmed_ns };
    add(node,
        (struct child_spec){ &membership_behavior, &node->membership, NULL, TO_MEMBERSHIP, CHILD_PERMANENT });
    node->telemetry = (struct telemetry_options){ .node = options->node };
    add(node,
        (struct child_spec){ &telemetry_behavior, &node->telemetry, NULL, TO_TELEMETRY, CHILD_PERMANENT });
    node->voter_keeper = (struct voter_keeper_options){ .node = options->node,
                                                        .peers = node->peers,
                                                        .peer_count = options->peer_count,
                                                        .end = options->end,
                                                        .end_context = options->end_context };
    add(node, (struct child_spec){ &voter_keeper_behavior, &node->voter_keeper, NULL, TO_VOTER_KEEPER,
                                   CHILD_PERMANENT });
    add(node, (struct child_spec){ &lease_keeper_behavior, NULL, NULL, TO_LEASE_KEEPER, CHILD_PERMANENT });
}

static void add_slices(struct node *node, const struct node_options *options)
{
    node->slice_call = (struct slice_call_options){ .node = options->node };
    node->slice_store = (struct slice_store_options){ .adapters = options->slice_adapters,
                                                      .backend = options->slice_backend };
    node->node_deployment_manager =
        (struct node_deployment_manager_options){ .node = options->node,
                                                  .deadlines = options->slice_deadlines };
    node->slice_children[0] = (struct child_spec){ &slice_store_behavior, &node->slice_store, NULL,
                                                   TO_SLICE_STORE, CHILD_PERMANENT };
    node->slice_children[1] =
        (struct child_spec){ &node_deployment_manager_behavior, &node->node_deployment_manager, NULL,
                             TO_NODE_DEPLOYMENT_MANAGER, CHILD_PERMANENT };
    node->slice_supervisor =
        (struct supervisor_options){ .label = "slices",
                                     .strategy = ONE_FOR_ALL, /* One knows what the other runs. */
                                     .children = node->slice_children,
                                     .child_count = ARRAY_COUNT(node->slice_children) };
    add(node, options->fetcher);
    node->artifact_keeper =
        (struct artifact_keeper_options){ .node = options->node,
                                          .heal_after_ns = options->artifact_heal_after_ns };
    add(node, options->artifact_store);
    add(node, (struct child_spec){ &artifact_keeper_behavior, &node->artifact_keeper, NULL,
                                   TO_ARTIFACT_KEEPER, CHILD_PERMANENT });
    add(node, options->doorbell);
    add(node, (struct child_spec){ &endpoint_registry_behavior, NULL, NULL, TO_ENDPOINT_REGISTRY,
                                   CHILD_PERMANENT });
    add(node,
        (struct child_spec){ &slice_call_behavior, &node->slice_call, NULL, TO_SLICE_CALL, CHILD_PERMANENT });
    node->slice_log = (struct slice_log_options){ .node = options->node };
    node->slice_carrier = (struct slice_carrier_options){ .node = options->node };
    add(node,
        (struct child_spec){ &slice_log_behavior, &node->slice_log, NULL, TO_SLICE_LOG, CHILD_PERMANENT });
    add(node, (struct child_spec){ &slice_carrier_behavior, &node->slice_carrier, NULL, TO_SLICE_CARRIER,
                                   CHILD_PERMANENT });
    add(node,
        (struct child_spec){ &supervisor_behavior, &node->slice_supervisor, "slices", 0, CHILD_PERMANENT });
    add(node, (struct child_spec){ &cluster_deployment_manager_behavior, NULL, NULL,
                                   TO_CLUSTER_DEPLOYMENT_MANAGER, CHILD_PERMANENT });
    node->slice_inspector = (struct slice_inspector_options){ .node = options->node };
    add(node, (struct child_spec){ &slice_inspector_behavior, &node->slice_inspector, NULL,
                                   TO_SLICE_INSPECTOR, CHILD_PERMANENT });
}

static void add_gateway(struct node *node, const struct node_options *options)
{
    node->command_gateway = (struct command_gateway_options){ .node = options->node };
    add(node, (struct child_spec){ &command_gateway_behavior, &node->command_gateway, NULL,
                                   TO_COMMAND_GATEWAY, CHILD_PERMANENT });
    add(node, (struct child_spec){ &store_gateway_behavior, &node->command_gateway, NULL, TO_STORE_GATEWAY,
                                   CHILD_PERMANENT });
    add(node, (struct child_spec){ &mcp_server_behavior, NULL, NULL, TO_MCP_SERVER, CHILD_PERMANENT });
}

/* Peers become known last: what a connection brings finds everybody in place. The tick makes the transport
 * look again whether it may serve clients. */
static enum status introduce_peers(struct runtime *runtime, const struct node_options *options,
                                   struct error *error)
{
    struct actor_id transport = runtime_find(runtime, TO_TRANSPORT);
    for (uint32_t i = 0; i < options->peer_count; i++) {
        struct message *message = message_create(KIND_TRANSPORT_PEER, sizeof(struct transport_peer));
        struct transport_peer *peer = message->body;
        bool fits = text_copy(peer->node, sizeof peer->node, options->peers[i].name);
        fits = text_copy(peer->address, sizeof peer->address, options->peers[i].address) && fits;
        enum status status = fits ? runtime_send(runtime, transport, &message) : STATUS_INVALID;
        if (status == STATUS_OK) continue;
        message_destroy(&message);
        return error_set(error, status, "peer %s at %s", options->peers[i].name, options->peers[i].address);
    }
    struct message *tick = message_create(KIND_TRANSPORT_TICK, 0);
    enum status status = runtime_send(runtime, transport, &tick);
    if (status != STATUS_OK) message_destroy(&tick); /* Overloaded already: so it is awake. */
    return STATUS_OK;
}

enum status node_start(struct runtime *runtime, const struct node_options *options, struct node **out_node,
                       struct error *error)
{
    CHECK(options->peer_count <= PEERS_MAX);
    struct node *node = memory_zalloc(sizeof *node);
    for (uint32_t i = 0; i < options->peer_count; i++) {
        node->peers[i] = options->peers[i].name;
    }
    add(node, options->transport);
    add_store(node, options);
    add_cluster(node, options);
    add_slices(node, options);
    add_gateway(node, options);
    node->supervisor = (struct supervisor_options){
        .label = "node", .strategy = ONE_FOR_ONE, .children = node->children, .child_count = node->child_count
    };
    struct spawn_options spawn = { .options = &node->supervisor, .label = "node" };
    struct actor_id supervisor;
    enum status status = runtime_spawn(runtime, &supervisor_behavior, &spawn, &supervisor, error);
    if (status == STATUS_OK) status = introduce_peers(runtime, options, error);
    /* On failure too the actors that did start may still read from it: the caller stops, then frees. */
    *out_node = node;
    return status;
}

void node_free(struct node **node)
{
    memory_free(*node);
    *node = NULL;
}
