/* config_check: what must hold of a configuration as a whole, wherever its values came from. */
#include "nodes/config_check.h"

#include "runtime/base/check.h"
#include "runtime/base/text.h"

#include <string.h>

static bool is_loopback(const char *address)
{
    const char *host = strstr(address, "://");
    host = host != NULL ? host + 3 : address;
    return text_starts_with(host, "127.") || text_starts_with(host, "localhost:") ||
           text_starts_with(host, "[::1]:") || text_starts_with(address, "ipc://");
}

/* tcp://HOST:PORT, HOST:PORT, or ipc://PATH. */
static bool is_address(const char *address)
{
    uint64_t port;
    if (text_starts_with(address, "ipc://")) return address[strlen("ipc://")] != '\0';
    const char *host = text_starts_with(address, "tcp://") ? address + strlen("tcp://") : address;
    const char *colon = strrchr(host, ':');
    return colon != NULL && colon != host && text_to_u64(colon + 1, &port) && port >= 1 && port <= UINT16_MAX;
}

static bool is_node_name(const char *name)
{
    size_t length = strlen(name);
    if (length == 0 || length >= NODE_NAME_MAX) return false;
    return strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == length;
}

static const char *peer_address(const struct config *config, const char *node)
{
    for (uint32_t i = 0; i < config->cluster_peers.count; i++) {
        if (strcmp(config->cluster_peers.pairs[i].key, node) == 0)
            return config->cluster_peers.pairs[i].value;
    }
    return NULL;
}

static enum status no_address(const char *key, const char *text, struct error *error)
{
    enum status status = error_set(error, STATUS_INVALID, "%s: \"%s\" is no address", key, text);
    error_hint(error, "HOST:PORT, port 1 to 65535, such as tcp://127.0.0.1:7400");
    return status;
}

static enum status check_listeners(const struct config *config, struct error *error)
{
    const char *const listeners[][2] = { { "cluster.listen", config->cluster_listen },
                                         { "client.listen", config->client_listen },
                                         { "management.listen", config->management_listen } };
    for (size_t i = 0; i < ARRAY_COUNT(listeners); i++) {
        if (!is_address(listeners[i][1])) return no_address(listeners[i][0], listeners[i][1], error);
        if (is_loopback(listeners[i][1])) continue;
        enum status status =
            error_set(error, STATUS_INVALID, "%s: %s is not on loopback, and there are no keys",
                      listeners[i][0], listeners[i][1]);
        error_hint(error, "listen on 127.0.0.1: without keys anybody could join");
        return status;
    }
    return STATUS_OK;
}

/* A peer at no address would be silent for ever, and nobody would know why. */
static enum status check_peers(const struct config *config, struct error *error)
{
    for (uint32_t i = 0; i < config->cluster_peers.count; i++) {
        const char *name = config->cluster_peers.pairs[i].key;
        const char *address = config->cluster_peers.pairs[i].value;
        if (!is_node_name(name))
            return error_set(error, STATUS_INVALID, "cluster.peers: \"%s\" is no node name", name);
        if (!is_address(address)) return no_address("cluster.peers", address, error);
    }
    return is_address(config->cluster_advertise)
               ? STATUS_OK
               : no_address("cluster.advertise", config->cluster_advertise, error);
}

static enum status check_bootstrap(const struct config *config, struct error *error)
{
    const struct config_list *bootstrap = &config->cluster_bootstrap;
    if (bootstrap->count > 7 || (bootstrap->count > 0 && bootstrap->count % 2 == 0)) {
        enum status status =
            error_set(error, STATUS_INVALID, "cluster.bootstrap lists %u names", bootstrap->count);
        error_hint(error, "list 1, 3, 5 or 7 founding voters");
        return status;
    }
    for (uint32_t i = 0; i < bootstrap->count; i++) {
        const char *name = bootstrap->items[i];
        if (!is_node_name(name))
            return error_set(error, STATUS_INVALID, "cluster.bootstrap: \"%s\" is no node name", name);
        for (uint32_t j = 0; j < i; j++) {
            if (strcmp(bootstrap->items[j], name) == 0)
                return error_set(error, STATUS_INVALID, "cluster.bootstrap lists %s twice", name);
        }
        if (strcmp(name, config->node_id) != 0 && peer_address(config, name) == NULL) {
            enum status status =
                error_set(error, STATUS_INVALID, "cluster.peers has no address for %s", name);
            error_hint(error, "add %s: \"tcp://HOST:PORT\" to cluster.peers", name);
            return status;
        }
    }
    return STATUS_OK;
}

static enum status check_repository(const struct config_repository *repository, struct error *error)
{
    static const char *const schemes[] = { "https://", "http://", "file://" };
    bool known = false;
    for (size_t i = 0; i < ARRAY_COUNT(schemes); i++)
        known = known || text_starts_with(repository->url, schemes[i]);
    if (!known)
        return error_set(error, STATUS_INVALID,
                         "repositories: %s: \"%s\" begins with none of https://, http://, file://",
                         repository->id, repository->url);
    const char *credentials = repository->credentials;
    if (credentials[0] == '\0' || text_starts_with(credentials, "env:") ||
        text_starts_with(credentials, "file:"))
        return STATUS_OK;
    enum status status = /* They may be the secret itself: it isn't said again. */
        error_set(error, STATUS_INVALID, "repositories: %s: credentials say where they are", repository->id);
    error_hint(error, "env:NAME of a variable, or file:PATH of a file, that holds USER:PASSWORD or a token");
    return status;
}

static enum status check_repositories(const struct config *config, struct error *error)
{
    for (uint32_t i = 0; i < config->repository_count; i++) {
        enum status status = check_repository(&config->repositories[i], error);
        if (status != STATUS_OK) return status;
        for (uint32_t j = 0; j < i; j++) {
            if (strcmp(config->repositories[j].id, config->repositories[i].id) == 0)
                return error_set(error, STATUS_INVALID, "repositories lists %s twice",
                                 config->repositories[i].id);
        }
    }
    return STATUS_OK;
}

enum status config_check(struct config *config, struct error *error)
{
    if (config->node_id[0] == '\0') {
        enum status status = error_set(error, STATUS_INVALID, "node.id is missing: every node has a name");
        error_hint(error, "--node-id node-1, or node: {id: node-1} in the file of --config");
        return status;
    }
    if (!is_node_name(config->node_id)) {
        enum status status =
            error_set(error, STATUS_INVALID, "node.id: \"%s\" is no node name", config->node_id);
        error_hint(error, "1 to %d letters, digits, '-', '_' or '.'", NODE_NAME_MAX - 1);
        return status;
    }
    if (config->limits_lost_after_ns < SECONDS(2))
        return error_set(error, STATUS_INVALID, "limits.lost-after is at least 2s (consensus rule A8)");
    const int64_t deadlines[] = { config->slices_loading_ns, config->slices_activating_ns,
                                  config->slices_deactivating_ns, config->slices_unloading_ns };
    for (size_t i = 0; i < ARRAY_COUNT(deadlines); i++)
        if (deadlines[i] < SECONDS(1))
            return error_set(error, STATUS_INVALID, "slices.*-deadline: at least 1s each");
    if (config->limits_artifact_cache_bytes < config->limits_artifact_bytes) {
        (void)error_set(
            error, STATUS_INVALID,
            "limits.artifact-cache is smaller than limits.artifact-size: the largest artifact would "
            "not fit");
        error_hint(error, "raise limits.artifact-cache, or lower limits.artifact-size");
        return STATUS_INVALID;
    }
    if (config->security_keys[0] != '\0')
        return error_set(error, STATUS_INVALID, "security.keys: keys are not supported by this version");
    if (strcmp(config->node_role, "worker") == 0 && config->cluster_peers.count == 0) {
        (void)error_set(error, STATUS_INVALID, "node.role: a worker needs cluster.peers: whom it follows");
        error_hint(error, "cluster: {peers: {node-1: \"tcp://…\"}}");
        return STATUS_INVALID;
    }
    enum status status = check_listeners(config, error);
    if (config->cluster_advertise[0] == '\0') config->cluster_advertise = config->cluster_listen;
    if (status == STATUS_OK) status = check_peers(config, error);
    if (status == STATUS_OK) status = check_bootstrap(config, error);
    return status == STATUS_OK ? check_repositories(config, error) : status;
}
