/* endpoints: see the header. */
#include "cli/endpoints.h"

#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { PROBE_MS = 1000 };

/* --- which endpoints ---------------------------------------------------------------------------------- */
static bool has_port(const char *host_port)
{
    uint64_t port;
    const char *colon = strrchr(host_port, ':');
    return colon != NULL && colon != host_port && text_to_u64(colon + 1, &port) && port >= 1 &&
           port <= UINT16_MAX;
}

/* "tcp://host:port", "ipc://path"; "/path" and "host:port" are taken for them. */
static enum status add_endpoint(struct endpoints *endpoints, const char *name, struct error *error)
{
    if (endpoints->count == ENDPOINTS_GIVEN_MAX)
        return error_set(error, STATUS_INVALID, "more than %d endpoints", ENDPOINTS_GIVEN_MAX);
    const char *scheme = "";
    bool named = text_starts_with(name, "tcp://") || text_starts_with(name, "ipc://");
    if (!named) scheme = name[0] == '/' ? "ipc://" : "tcp://";
    const char *rest = named ? name + strlen("tcp://") : name;
    bool formed = *rest != '\0' && (name[0] == '/' || text_starts_with(name, "ipc://") || has_port(rest));
    if (!formed || strlen(name) + strlen(scheme) >= ENDPOINTS_NAME_MAX ||
        (!named && strstr(name, "://") != NULL)) {
        error_set(error, STATUS_INVALID, "\"%.200s\" is no endpoint", name);
        error_hint(error, "--endpoint tcp://127.0.0.1:7401");
        return STATUS_INVALID;
    }
    struct text whole = { 0 };
    text_printf(&whole, "%s%s", scheme, name);
    (void)text_copy(endpoints->names[endpoints->count++], ENDPOINTS_NAME_MAX, text_string(&whole));
    text_fini(&whole);
    return STATUS_OK;
}

static enum status add_given(struct endpoints *endpoints, const char *given, struct error *error)
{
    char *copy = memory_strdup(given);
    enum status status = STATUS_OK;
    char *rest = copy;
    for (char *name; status == STATUS_OK && (name = strsep(&rest, ",")) != NULL;)
        status = add_endpoint(endpoints, name, error);
    memory_free(copy);
    return status;
}

static enum status add_usual(struct endpoints *endpoints, struct error *error)
{
    enum status status = add_endpoint(endpoints, "ipc:///var/lib/aether/client.sock", error);
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    if (status == STATUS_OK && runtime != NULL && *runtime == '/') {
        struct text path = { 0 };
        text_printf(&path, "%s/aether/client.sock", runtime);
        status = add_endpoint(endpoints, text_string(&path), error);
        text_fini(&path);
    }
    return status == STATUS_OK ? add_endpoint(endpoints, "tcp://127.0.0.1:7401", error) : status;
}

enum status endpoints_find(struct endpoints *endpoints, const char *given, struct error *error)
{
    endpoints->count = 0;
    const char *usual = getenv("AETHER_ENDPOINT"); /* Empty: as good as not set. */
    if (given == NULL && usual != NULL && *usual != '\0') given = usual;
    enum status status = given != NULL ? add_given(endpoints, given, error) : add_usual(endpoints, error);
    endpoints->given = endpoints->count;
    return status;
}

static bool is_near(const char *endpoint) /* On this machine. */
{
    static const char *const beginnings[] = { "ipc://", "tcp://127.", "tcp://localhost:", "tcp://[::1]:" };
    for (size_t i = 0; i < ARRAY_COUNT(beginnings); i++) {
        if (text_starts_with(endpoint, beginnings[i])) return true;
    }
    return false;
}

static bool is_known(const struct endpoints *endpoints, const char *name)
{
    for (size_t i = 0; i < endpoints->count; i++) {
        if (strcmp(endpoints->names[i], name) == 0) return true;
    }
    return false;
}

size_t endpoints_learn(struct endpoints *endpoints, size_t at, const char *const *told, size_t told_count)
{
    CHECK(at < endpoints->count);
    char used[ENDPOINTS_NAME_MAX];
    memcpy(used, endpoints->names[at], sizeof used);
    endpoints->count = endpoints->given;
    if (at >= endpoints->given) {
        at = endpoints->count++;
        memcpy(endpoints->names[at], used, sizeof used);
    }
    for (size_t i = 0; i < told_count && endpoints->count < endpoints->given + ENDPOINTS_LEARNED_MAX; i++) {
        bool formed = text_starts_with(told[i], "tcp://") && strrchr(told[i], ':') > told[i] + strlen("tcp:");
        if (!formed || strlen(told[i]) >= ENDPOINTS_NAME_MAX || is_known(endpoints, told[i])) continue;
        if (is_near(told[i]) && !is_near(used)) continue;
        (void)text_copy(endpoints->names[endpoints->count++], ENDPOINTS_NAME_MAX, told[i]);
    }
    return at;
}

/* --- who listens -------------------------------------------------------------------------------------- */
static bool connects(int family, const struct sockaddr *address, socklen_t size)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return false;
    int failure = connect(fd, address, size) == 0 ? 0 : errno;
    if (failure == EINPROGRESS) {
        struct pollfd wanted = { .fd = fd, .events = POLLOUT };
        socklen_t failure_size = sizeof failure;
        if (poll(&wanted, 1, PROBE_MS) != 1 ||
            getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &failure_size) != 0)
            failure = ETIMEDOUT;
    }
    (void)close(fd);
    return failure == 0;
}

static bool ipc_listens(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    return text_copy(address.sun_path, sizeof address.sun_path, path) &&
           connects(AF_UNIX, (const struct sockaddr *)&address, sizeof address);
}

static bool tcp_listens(const char *host_port)
{
    char host[ENDPOINTS_NAME_MAX];
    (void)text_copy(host, sizeof host, host_port);
    char *port = strrchr(host, ':');
    CHECK(port != NULL); /* add_endpoint saw it. */
    *port++ = '\0';
    size_t size = strlen(host);
    bool bracketed = size > 1 && host[0] == '[' && host[size - 1] == ']';
    if (bracketed) host[size - 1] = '\0';
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
    struct addrinfo *found = NULL;
    if (getaddrinfo(bracketed ? host + 1 : host, port, &hints, &found) != 0) return false;
    bool listens = false;
    for (struct addrinfo *one = found; one != NULL && !listens; one = one->ai_next)
        listens = connects(one->ai_family, one->ai_addr, one->ai_addrlen);
    freeaddrinfo(found);
    return listens;
}

bool endpoints_listens(const char *endpoint)
{
    const char *rest = endpoint + strlen("tcp://");
    return text_starts_with(endpoint, "ipc://") ? ipc_listens(rest) : tcp_listens(rest);
}
