/* fetch: downloads, as a port. The fetcher is a pinned actor (TO_FETCHER; wire/fetch in the daemon, a
 * stand-in in tests) that understands KIND_FETCH. It never follows a redirect to another kind of scheme,
 * keeps to the limits of the request, and writes only to the path it is given. */
#ifndef AETHER_RUNTIME_PORT_FETCH_H
#define AETHER_RUNTIME_PORT_FETCH_H

#include <stdbool.h>
#include <stdint.h>

enum { FETCH_MEMORY_MAX = 1024 * 1024 };

/* KIND_FETCH, an ask: answered KIND_FETCHED, or refused NOT_FOUND (404, 410, no such file), DENIED (401,
 * 403), INVALID (larger than the limit, a scheme we don't speak), DEADLINE, OVERLOADED (too many at a time),
 * IO (all else: the server's or the network's fault, worth a retry). Strings are in the message's arena. */
struct fetch {
    const char *url;         /* http:, https: or file: */
    const char *path;        /* Written here; what it holds already is continued. NULL: into memory. */
    uint64_t size_bytes_max; /* FETCH_MEMORY_MAX at most when path is NULL. */
    const char *credentials; /* "" = none; "user:password", or "bearer:TOKEN". Never logged. */
    bool tells_progress;     /* The asker is told KIND_FETCH_PROGRESS, at most once a second, */
    uint64_t tag;            /* with this. */
};
struct fetch_progress { /* KIND_FETCH_PROGRESS, a tell. One may arrive after the answer. */
    uint64_t tag;
    uint64_t done_bytes;
    uint64_t total_bytes; /* 0: the server doesn't say. */
};
struct fetched {         /* KIND_FETCHED; into memory: the attachment holds the bytes. */
    uint64_t size_bytes; /* All of the file, the continued part included. */
};

#endif
