/* repository: a Maven repository in a temporary folder, for tests: put objects there with the checksums that
 * the test wants, serve it by file:// or by a small HTTP server of its own on a free loopback port. */
#ifndef AETHER_TESTS_SUPPORT_REPOSITORY_H
#define AETHER_TESTS_SUPPORT_REPOSITORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct repository {
    char folder[256];
    char file_url[300];
    char http_url[64]; /* "" until repository_serve. */
    int server_pid;
    FILE *server_output;
};

/* Calls that fail end the test program. */
void repository_init(struct repository *repository);
void repository_fini(struct repository *repository);  /* Ends the server, removes the folder. */
void repository_serve(struct repository *repository); /* python3 -m http.server */
/* tests/support/bad_server.py: the same files, below {http_url}/MODE, with what can go wrong on their way. */
void repository_serve_badly(struct repository *repository);
/* The object `data` as group:artifact:version; checksums: kinds apart by spaces ("sha256 sha1"), each right.
 */
void repository_put(const struct repository *repository, const char *artifact, const char *classifier,
                    const void *data, size_t size, const char *checksums);
void repository_put_file(const struct repository *repository, const char *artifact, const char *path,
                         const char *checksums);
/* Any file beside the object: suffix ".sha256" and so on. */
void repository_put_beside(const struct repository *repository, const char *artifact, const char *suffix,
                           const char *text);
/* The whole of a file; the caller frees it. */
void *repository_read(const char *path, size_t *out_size);

#endif
