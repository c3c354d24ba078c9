/* tcp_socket: see the header. What is unacknowledged for SILENCE_MS ends a connection. That is long: a reader
 * that is busy for a while must not lose its connections, and a host that is gone is noticed by others
 * (ZeroMQ's heartbeats beside a stream). */
#include "wire/tcp/tcp_socket.h"

#include "runtime/base/text.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 64, SILENCE_MS = 15000 };

static int open_at(const char *host, uint16_t port, int (*use)(int, const struct sockaddr *, socklen_t))
{
    char service[8];
    struct addrinfo *found = NULL;
    const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM };
    (void)snprintf(service, sizeof service, "%u", port);
    if (getaddrinfo(host, service, &hints, &found) != 0) return -1;
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && use(fd, found->ai_addr, found->ai_addrlen) != 0) {
        (void)close(fd);
        fd = -1;
    }
    freeaddrinfo(found);
    return fd;
}

/* Frames leave at once, several by one write. Failures only cost time. */
static void set_options(int fd)
{
    const int yes = 1;
    const int silence_ms = SILENCE_MS;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &silence_ms, sizeof silence_ms);
}

int tcp_socket_listen(const char *host, uint16_t *out_port)
{
    int fd = open_at(host, 0, bind);
    if (fd < 0) return -1;
    struct sockaddr_storage bound;
    socklen_t size = sizeof bound;
    char port[8];
    uint64_t number = 0;
    bool fine = listen(fd, BACKLOG) == 0 && getsockname(fd, (struct sockaddr *)&bound, &size) == 0;
    fine = fine && getnameinfo((struct sockaddr *)&bound, size, NULL, 0, port, sizeof port,
                               NI_NUMERICHOST | NI_NUMERICSERV) == 0;
    if (!fine || !text_to_u64(port, &number)) {
        (void)close(fd);
        return -1;
    }
    *out_port = (uint16_t)number;
    return fd;
}

static int begin_to_connect(int fd, const struct sockaddr *address, socklen_t size)
{
    set_options(fd);
    (void)connect(fd, address, size); /* In progress, or the first write fails. */
    return 0;
}

int tcp_socket_connect(const char *host, uint16_t port)
{
    return open_at(host, port, begin_to_connect);
}

int tcp_socket_accept(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) set_options(fd);
    return fd;
}

const char *tcp_socket_host(const char *endpoint, char host[TCP_HOST_MAX])
{
    if (!text_starts_with(endpoint, "tcp://")) return NULL;
    const char *begin = endpoint + strlen("tcp://");
    const char *colon = strrchr(begin, ':');
    if (colon == NULL || colon == begin) return NULL;
    size_t length = (size_t)(colon - begin);
    if (*begin == '[' && colon[-1] == ']') {
        begin++;
        length -= 2;
    }
    if (length >= TCP_HOST_MAX) return NULL;
    memcpy(host, begin, length);
    host[length] = '\0';
    return host;
}

uint16_t tcp_socket_port(const char *endpoint)
{
    const char *colon = strrchr(endpoint, ':');
    uint64_t port = 0;
    if (!text_starts_with(endpoint, "tcp://") || colon == NULL || !text_to_u64(colon + 1, &port)) return 0;
    return port <= UINT16_MAX ? (uint16_t)port : 0;
}
