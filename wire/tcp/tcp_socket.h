/* tcp_socket: TCP sockets that never block, of numeric addresses, so that no name is looked up either. A
 * descriptor is the caller's, to close. */
#ifndef AETHER_WIRE_TCP_TCP_SOCKET_H
#define AETHER_WIRE_TCP_TCP_SOCKET_H

#include <stdint.h>

enum { TCP_HOST_MAX = 64 };

/* Listens on a free port of `host` ("127.0.0.1", "::1", "0.0.0.0"). -1: it can't. */
int tcp_socket_listen(const char *host, uint16_t *out_port);
/* Begins to connect; the first write tells what came of it. -1: it can't. */
int tcp_socket_connect(const char *host, uint16_t port);
/* -1: nobody waits, or there are no descriptors left. */
int tcp_socket_accept(int listener);
/* The host of "tcp://HOST:PORT", without the brackets of IPv6, at most TCP_HOST_MAX - 1 bytes; NULL: this is
 * none. Writes into `host`. */
const char *tcp_socket_host(const char *endpoint, char host[TCP_HOST_MAX]);
uint16_t tcp_socket_port(const char *endpoint); /* Of the same; 0: there is none. */

#endif
