/* daemon: see the header. The main thread only starts, waits for a signal, and stops: all work is done by
 * actors. What can't go on ends the process at once, wherever it is noticed: nothing more may leave (F1), and
 * the log brings the node back. */
#include "nodes/daemon.h"

#include "actors/slice/artifact_store.h"
#include "actors/slice/doorbell.h"
#include "actors/slice/instance.h"
#include "nodes/assembly.h"
#include "nodes/failpoints.h"
#include "nodes/farewell.h"
#include "nodes/log_print.h"
#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "runtime/os/clock.h"
#include "runtime/os/confine.h"
#include "runtime/os/file.h"
#include "runtime/os/library.h"
#include "runtime/os/process.h"
#include "runtime/os/process_group.h"
#include "runtime/os/random.h"
#include "store/lmdb/lmdb_log.h"
#include "wire/fetch/fetcher.h"
#include "wire/json/value.h"
#include "wire/kinds.h"
#include "wire/zmq/node_socket.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STOP_TIMEOUT_S = 10, FAREWELL_TIMEOUT_S = 1 };

#if AETHER_FAILPOINTS /* So that a test's node comes to the end of one. */
static const size_t segment_bytes = (size_t)128 * 1024;
#else
static const size_t segment_bytes = LMDB_LOG_SEGMENT_BYTES;
#endif

/* Everything that one node as a process holds; what options point to lives here. */
struct daemon {
    const struct config *config;
    struct arena arena;
    struct log_print print;
    struct log *log;
    struct scheduler *scheduler;
    struct runtime *runtime;
    struct node *node;
    struct node_peer peers[CONFIG_LIST_MAX];
    struct node_socket_options socket;
    struct doorbell_options doorbell;
    struct slice_adapters adapters;
    struct fetcher_options fetcher;
    struct artifact_repository repositories[CONFIG_REPOSITORIES_MAX];
    struct artifact_store_options artifacts;
    struct signature_public_key artifact_keys[CONFIG_LIST_MAX];
    int exit_code; /* Of an ordered stop; set by any thread. */
};

static void say(const struct daemon *daemon, int level, const char *event, const char *text)
{
    const struct log_record record = { .level = level,
                                       .wall_ms = clock_os.wall_ms(clock_os.context),
                                       .node = daemon->config->node_id,
                                       .actor = "daemon",
                                       .event = event,
                                       .text = text };
    log_print((void *)(uintptr_t)&daemon->print, &record);
}

/* Any thread. */
static void on_runtime_failure(void *context, const struct error *error)
{
    say(context, 3, "daemon.failed", error->message);
    /* Removed from the cluster: a start would only end the same way. */
    _exit(error->status == STATUS_DENIED ? DAEMON_EXIT_OPERATOR : DAEMON_EXIT_RESTART);
}

/* Any thread: told by the cluster to end. The main thread waits for the signal that this sends. */
static void on_end(void *context, enum node_end how)
{
    struct daemon *daemon = context;
    static const int codes[] = { [NODE_END_STOP] = DAEMON_EXIT_OK,
                                 [NODE_END_RESTART] = DAEMON_EXIT_RESTART,
                                 [NODE_END_REMOVED] = DAEMON_EXIT_OPERATOR };
    __atomic_store_n(&daemon->exit_code, codes[how], __ATOMIC_RELEASE);
    (void)kill(getpid(), SIGTERM);
}

static void on_check_failure(const char *text)
{
    (void)text; /* check_failed has printed it. */
    _exit(DAEMON_EXIT_RESTART);
}

static enum status open_directory(const char *path, struct error *error)
{
    struct stat entry;
    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        enum status status = error_set(error, STATUS_IO, "node.data: mkdir %s: %s", path, strerror(errno));
        error_hint(error, "make its parent, or set node.data to a directory that this user may write");
        return status;
    }
    if (stat(path, &entry) != 0 || !S_ISDIR(entry.st_mode))
        return error_set(error, STATUS_IO, "node.data: %s is no directory", path);
    return STATUS_OK;
}

static const char *labels_json(struct daemon *daemon, const char **out_zone)
{
    struct value *labels = value_new_object();
    *out_zone = "";
    for (uint32_t i = 0; i < daemon->config->node_labels.count; i++) {
        const struct config_pair *pair = &daemon->config->node_labels.pairs[i];
        value_set_string(labels, pair->key, pair->value);
        if (strcmp(pair->key, "zone") == 0) *out_zone = pair->value;
    }
    char *text = value_dump(labels);
    const char *copy = arena_strdup(&daemon->arena, text);
    memory_free(text);
    value_free(&labels);
    return copy;
}

/* The slice host lies beside us. */
static const char *host_program(struct daemon *daemon)
{
    char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    if (length <= 0) return "aether-slice-host";
    path[length] = '\0';
    char *slash = strrchr(path, '/');
    if (slash != NULL) *slash = '\0';
    return arena_printf(&daemon->arena, "%s/aether-slice-host", path);
}

/* `env:NAME` or `file:PATH` (its first line): a secret stands in no configuration. NULL: it can't be had. */
static const char *credentials_of(struct daemon *daemon, const struct config_repository *repository,
                                  struct error *error)
{
    const char *reference = repository->credentials;
    char line[512];
    const char *secret = NULL;
    if (reference[0] == '\0') return "";
    if (text_starts_with(reference, "env:")) secret = getenv(reference + strlen("env:"));
    FILE *file = text_starts_with(reference, "file:") ? fopen(reference + strlen("file:"), "re") : NULL;
    if (file != NULL) {
        secret = fgets(line, sizeof line, file);
        (void)fclose(file);
    }
    if (secret != NULL) return arena_strndup(&daemon->arena, secret, strcspn(secret, "\r\n"));
    (void)error_set(error, STATUS_INVALID, "repositories: %s: there are no credentials at %s", repository->id,
                    reference);
    error_hint(error, "env:NAME of a variable that is set, or file:PATH of a file that this user may read");
    return NULL;
}

static enum status read_artifact_key(const char *path, struct signature_public_key *key, struct error *error)
{
    char content[SIGNATURE_FILE_MAX];
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        (void)error_set(error, STATUS_INVALID, "security.artifact-keys: %s can't be read", path);
        error_hint(error, "name files that this user may read");
        return STATUS_INVALID;
    }
    size_t size = fread(content, 1, sizeof content, file);
    (void)fclose(file);
    enum status status = signature_read_public(content, size, key, error);
    return status == STATUS_OK ? status : error_wrap(error, "security.artifact-keys: %s", path);
}

static enum status fill_artifact_keys(struct daemon *daemon, struct error *error)
{
    const struct config_list *files = &daemon->config->security_artifact_keys;
    enum status status = STATUS_OK;
    for (uint32_t i = 0; status == STATUS_OK && i < files->count; i++)
        status = read_artifact_key(files->items[i], &daemon->artifact_keys[i], error);
    daemon->artifacts.trust = (struct artifact_trust){ daemon->artifact_keys, files->count };
    return status;
}

static enum status fill_repositories(struct daemon *daemon, struct error *error)
{
    const struct config *config = daemon->config;
    for (uint32_t i = 0; i < config->repository_count; i++) {
        const struct config_repository *repository = &config->repositories[i];
        const char *credentials = credentials_of(daemon, repository, error);
        if (credentials == NULL) return STATUS_INVALID;
        daemon->repositories[i] = (struct artifact_repository){
            .id = repository->id,
            .url = repository->url,
            .credentials = credentials,
            .require_sha256 = strcmp(repository->require, "sha256") == 0,
        };
    }
    daemon->fetcher = (struct fetcher_options){ .files = &file_os, .libraries = &library_os };
    daemon->artifacts = (struct artifact_store_options){
        .files = &file_os,
        .directory = config->node_data,
        .repositories = daemon->repositories,
        .repository_count = config->repository_count,
        .download_bytes_max = (uint64_t)config->limits_artifact_bytes,
        .cache_bytes_max = (uint64_t)config->limits_artifact_cache_bytes,
    };
    return fill_artifact_keys(daemon, error);
}

static enum status fill_adapters(struct daemon *daemon, struct error *error)
{
    const struct config *config = daemon->config;
    daemon->socket = (struct node_socket_options){
        .node = config->node_id,
        .listen = config->cluster_listen,
        .client_listen = config->client_listen,
        .client_ipc = arena_printf(&daemon->arena, "ipc://%s/client.sock", config->node_data),
    };
    daemon->doorbell = (struct doorbell_options){ .processes = &process_os };
    daemon->adapters = (struct slice_adapters){ .node = config->node_id,
                                                .host_program = host_program(daemon),
                                                .processes = &process_os,
                                                .libraries = &library_os };
    enum status status = confine_find_user(config->slices_user, &daemon->adapters.host_user,
                                           &daemon->adapters.host_group, error);
    if (status == STATUS_OK) return status;
    error->status = STATUS_INVALID;
    return error_wrap(error, "slices.user");
}

/* Unique among the starts of this node, whatever the clock does, and exact in a JSON number (below 2^53). */
static uint64_t new_incarnation(void)
{
    uint64_t now_ms = (uint64_t)clock_os.wall_ms(clock_os.context);
    return ((now_ms << 10) | (random_u64(&random_os) & 1023)) & ((UINT64_C(1) << 53) - 1);
}

static enum status start(struct daemon *daemon, struct error *error)
{
    const struct config *config = daemon->config;
    uint32_t peer_count = 0;
    for (uint32_t i = 0; i < config->cluster_peers.count; i++) {
        const struct config_pair *pair = &config->cluster_peers.pairs[i];
        if (strcmp(pair->key, config->node_id) == 0) continue;
        daemon->peers[peer_count++] = (struct node_peer){ pair->key, pair->value };
    }
    enum status status = fill_adapters(daemon, error);
    if (status == STATUS_OK) status = fill_repositories(daemon, error);
    if (status != STATUS_OK) return status;
    process_group_begin();
    struct pool_options pool = { .clock = &clock_os, .random = &random_os };
    pool.threads[POOL_GENERAL] = (uint32_t)config->limits_threads;
    daemon->scheduler = pool_create(&pool);
    daemon->runtime =
        runtime_create(&(struct runtime_options){ .scheduler = daemon->scheduler,
                                                  .node = config->node_id,
                                                  .log = log_print,
                                                  .log_context = &daemon->print,
                                                  .log_level = log_print_level(config->logging_level),
                                                  .on_failure = on_runtime_failure,
                                                  .failure_context = daemon,
                                                  .fingerprint = wire_fingerprint,
                                                  .kind_name = kind_name });
    const char *zone;
    const char *labels = labels_json(daemon, &zone);
    struct node_options options = {
        .node = config->node_id,
        .cluster_name = config->cluster_name,
        .address = config->cluster_advertise,
        .client_address = config->client_listen,
        .labels_json = labels,
        .zone = zone,
        .worker = strcmp(config->node_role, "worker") == 0,
        .bootstrap = config->cluster_bootstrap.items,
        .bootstrap_count = config->cluster_bootstrap.count,
        .peers = daemon->peers,
        .peer_count = peer_count,
        .lost_after_ns = config->limits_lost_after_ns,
        .slice_deadlines = { config->slices_loading_ns, config->slices_activating_ns,
                             config->slices_deactivating_ns, config->slices_unloading_ns },
        .log_keep_entries = (uint64_t)config->limits_log_entries,
        .incarnation = new_incarnation(),
        .log = daemon->log,
        .transport = { &node_socket_behavior, &daemon->socket, NULL, TO_TRANSPORT, CHILD_NEVER },
        .fetcher = { &fetcher_behavior, &daemon->fetcher, NULL, TO_FETCHER, CHILD_PERMANENT },
        .artifact_store = { &artifact_store_behavior, &daemon->artifacts, NULL, TO_ARTIFACT_STORE,
                            CHILD_PERMANENT },
        .doorbell = { &doorbell_behavior, &daemon->doorbell, NULL, TO_DOORBELL, CHILD_NEVER },
        .end = on_end,
        .end_context = daemon,
        .slice_adapters = &daemon->adapters,
    };
    return node_start(daemon->runtime, &options, &daemon->node, error);
}

/* SIGTERM or SIGINT; blocked in every thread, so they can only be taken here. */
static void await_signal(const sigset_t *signals)
{
    int number;
    do {
        number = sigwaitinfo(signals, NULL);
    } while (number < 0 && errno == EINTR);
}

static int stop(struct daemon *daemon)
{
    say(daemon, 1, "daemon.stopping", "asked to stop");
    farewell_say(daemon->runtime, SECONDS(FAREWELL_TIMEOUT_S));
    if (!runtime_stop(daemon->runtime, SECONDS(STOP_TIMEOUT_S))) {
        say(daemon, 3, "daemon.stop_timeout", "an actor did not end in time; leaving it behind");
        _exit(DAEMON_EXIT_RESTART);
    }
    runtime_destroy(&daemon->runtime);
    process_group_end();
    scheduler_destroy(&daemon->scheduler);
    node_free(&daemon->node);
    daemon->log->ops->close(daemon->log);
    int code = __atomic_load_n(&daemon->exit_code, __ATOMIC_ACQUIRE);
    say(daemon, 1, "daemon.stopped",
        code == DAEMON_EXIT_OPERATOR
            ? "this node was removed from the cluster; to let it join again, empty node.data"
            : "everything is on disk");
    return code;
}

static int refuse(const struct daemon *daemon, const struct error *error)
{
    say(daemon, 3, "daemon.not_started", error->message);
    if (error->hint[0] != '\0') say(daemon, 3, "daemon.hint", error->hint);
    if (error->status == STATUS_NOT_READY) return DAEMON_EXIT_RESTART;
    return error->status == STATUS_INVALID ? DAEMON_EXIT_CONFIG : DAEMON_EXIT_OPERATOR;
}

/* T2, T6: what the start found and did not die of; a person should look at that disk. */
static void tell_of_damage(const struct daemon *daemon)
{
    const struct log_boot *boot = &daemon->log->boot;
    if (boot->warning[0] != '\0') say(daemon, 2, "daemon.store_damaged", boot->warning);
    if (boot->doubt_reason[0] == '\0' || boot->last.index > 0) return;
    char text[ERROR_MESSAGE_MAX];
    (void)snprintf(text, sizeof text, "the store of replica %016llx stands aside as store.doubt-%016llx: %s",
                   (unsigned long long)boot->retired_id, (unsigned long long)boot->retired_id,
                   boot->doubt_reason);
    say(daemon, 2, "daemon.store_doubted", text);
}

int daemon_run(const struct config *config)
{
    struct daemon daemon = { .config = config, .print.json = strcmp(config->logging_format, "json") == 0 };
    struct error error = { 0 };
    sigset_t signals;
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    (void)sigprocmask(SIG_BLOCK, &signals, NULL); /* Before any thread, which inherits it. */
    (void)signal(SIGPIPE, SIG_IGN);
    check_on_failure(on_check_failure);
    struct lmdb_log_options log = { .directory = config->node_data,
                                    .random = &random_os,
                                    .map_bytes = (size_t)config->limits_map_bytes,
                                    .reserve_bytes = LMDB_LOG_RESERVE_BYTES,
                                    .segment_bytes = segment_bytes };
    failpoints_arm();
    enum status status = open_directory(config->node_data, &error);
    if (status == STATUS_OK) status = lmdb_log_open(&log, &daemon.log, &error);
    if (status != STATUS_OK) return refuse(&daemon, &error);
    tell_of_damage(&daemon);
    say(&daemon, 1, "daemon.starting", "aether-node " AETHER_VERSION);
    status = start(&daemon, &error);
    if (status != STATUS_OK) {
        int code = refuse(&daemon, &error);
        _exit(code); /* Half a node is not worth an ordered stop: nothing of it was promised to anybody. */
    }
    await_signal(&signals);
    int code = stop(&daemon);
    arena_fini(&daemon.arena);
    return code;
}
