/* station: see the header. */
#include "tests/support/station.h"

#include "runtime/base/text.h"
#include "runtime/os/clock.h"
#include "runtime/os/random.h"
#include "runtime/port/transport.h"
#include "tests/support/probe.h"
#include "wire/kinds.h"

#include <dirent.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_S = 10 };

/* --- tally ------------------------------------------------------------------------------------------------
 */

void tally_init(struct tally *tally)
{
    *tally = (struct tally){ .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };
}

void tally_add(struct tally *tally, uint32_t slot)
{
    pthread_mutex_lock(&tally->lock);
    tally->counts[slot]++;
    pthread_cond_broadcast(&tally->changed);
    pthread_mutex_unlock(&tally->lock);
}

uint32_t tally_count(struct tally *tally, uint32_t slot)
{
    pthread_mutex_lock(&tally->lock);
    uint32_t count = tally->counts[slot];
    pthread_mutex_unlock(&tally->lock);
    return count;
}

bool tally_await(struct tally *tally, uint32_t slot, uint32_t at_least)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    pthread_mutex_lock(&tally->lock);
    int failed = 0;
    while (failed == 0 && tally->counts[slot] < at_least)
        failed = pthread_cond_timedwait(&tally->changed, &tally->lock, &until);
    bool reached = tally->counts[slot] >= at_least;
    pthread_mutex_unlock(&tally->lock);
    return reached;
}

/* --- station ----------------------------------------------------------------------------------------------
 */

static void on_log(void *context, const struct log_record *record)
{
    struct station *station = context;
    if (getenv("AETHER_TEST_LOG") != NULL)
        (void)fprintf(stderr, "%s %s %s: %s\n", record->node, record->actor, record->event, record->text);
    if (strcmp(record->event, "transport.refused") == 0) tally_add(&station->tally, STATION_REFUSED_LOGS);
    if (strcmp(record->event, "wire.frames_dropped") == 0) tally_add(&station->tally, STATION_DROPPED_LOGS);
    if (strcmp(record->event, "transport.stream_up") == 0) tally_add(&station->tally, STATION_STREAMS_UP);
    if (strcmp(record->event, "transport.stream_lost") == 0) tally_add(&station->tally, STATION_STREAMS_LOST);
}

static void on_peer_change(struct actor *self, void *context, const struct message *message)
{
    (void)self;
    struct station *station = context;
    if (message->kind == KIND_PEER_UP) {
        const struct transport_peer_change *change = message->body;
        __atomic_store_n(&station->peer_replica, change->replica_id, __ATOMIC_RELAXED);
        tally_add(&station->tally, STATION_UP);
    }
    if (message->kind == KIND_PEER_DOWN) tally_add(&station->tally, STATION_DOWN);
}

static void start(struct station *station, const char *directory, const char *name)
{
    tally_init(&station->tally);
    bool whole = text_copy(station->name, sizeof station->name, name);
    CHECK(whole);
    (void)snprintf(station->client, sizeof station->client, "ipc://%s/%s.client", directory, name);
    station->pool = pool_create(
        &(struct pool_options){ .threads = { 1, 1, 1 }, .clock = &clock_os, .random = &random_os });
    station->runtime = runtime_create(&(struct runtime_options){
        .scheduler = station->pool, .node = name, .log = on_log, .log_context = station, .log_level = 1 });
    (void)stub_spawn(station->runtime, TO_LEADER, on_peer_change, station);
    struct node_socket_options options = { .node = name,
                                           .listen = station->address,
                                           .client_ipc = station->client };
    struct spawn_options spawn = { .options = &options, .name = TO_TRANSPORT };
    struct error error;
    enum status status =
        runtime_spawn(station->runtime, &node_socket_behavior, &spawn, &station->transport, &error);
    CHECK(status == STATUS_OK);
}

void station_start(struct station *station, const char *directory, const char *name)
{
    *station = (struct station){ 0 };
    (void)snprintf(station->address, sizeof station->address, "ipc://%s/%s.node", directory, name);
    start(station, directory, name);
}

/* Of a socket that is bound and closed again: nobody else is given it for a while. */
static uint16_t free_port(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    int failed = bind(fd, (struct sockaddr *)&address, sizeof address);
    CHECK(failed == 0);
    failed = getsockname(fd, (struct sockaddr *)&address, &size);
    CHECK(failed == 0);
    (void)close(fd);
    return ntohs(address.sin_port);
}

void station_start_tcp(struct station *station, const char *directory, const char *name)
{
    *station = (struct station){ 0 };
    (void)snprintf(station->address, sizeof station->address, "tcp://127.0.0.1:%u", free_port());
    start(station, directory, name);
}

void station_stop(struct station *station)
{
    bool stopped = runtime_stop(station->runtime, SECONDS(PATIENCE_S));
    CHECK(stopped);
    runtime_destroy(&station->runtime);
    scheduler_destroy(&station->pool);
}

static void tell_transport(struct station *station, struct message *message)
{
    enum status status = runtime_send(station->runtime, station->transport, &message);
    CHECK(status == STATUS_OK);
}

void station_identify(struct station *station, uint64_t cluster_id, uint64_t replica_id)
{
    struct message *message = message_create(KIND_TRANSPORT_IDENTITY, sizeof(struct transport_identity));
    *(struct transport_identity *)message->body = (struct transport_identity){ cluster_id, replica_id };
    tell_transport(station, message);
}

void station_connect(struct station *station, const char *node, const char *address)
{
    struct message *message = message_create(KIND_TRANSPORT_PEER, sizeof(struct transport_peer));
    struct transport_peer *peer = message->body;
    (void)text_copy(peer->node, sizeof peer->node, node);
    (void)text_copy(peer->address, sizeof peer->address, address);
    tell_transport(station, message);
}

void station_directory(char directory[STATION_PATH_MAX])
{
    (void)snprintf(directory, STATION_PATH_MAX, "/tmp/aether-test-XXXXXX");
    const char *made = mkdtemp(directory);
    CHECK(made != NULL);
}

void station_remove_directory(const char *directory)
{
    DIR *open_directory = opendir(directory);
    CHECK(open_directory != NULL);
    for (const struct dirent *entry; (entry = readdir(open_directory)) != NULL;) {
        char path[STATION_PATH_MAX + 300];
        (void)snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        if (entry->d_name[0] != '.') (void)unlink(path);
    }
    (void)closedir(open_directory);
    (void)rmdir(directory);
}
