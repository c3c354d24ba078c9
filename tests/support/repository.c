/* repository: files written by hand, checksums by our own digests (which have their own test). */
#include "tests/support/repository.h"

#include "actors/slice/maven_layout.h"
#include "runtime/crypto/digest.h"
#include "runtime/os/file.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void fail_test(const char *what, const char *which)
{
    fprintf(stderr, "repository: %s %s\n", what, which);
    abort();
}

void repository_init(struct repository *repository)
{
    *repository = (struct repository){ 0 };
    snprintf(repository->folder, sizeof repository->folder, "/tmp/aether-repository-XXXXXX");
    if (mkdtemp(repository->folder) == NULL) fail_test("no folder", repository->folder);
    snprintf(repository->file_url, sizeof repository->file_url, "file://%s", repository->folder);
}

void repository_fini(struct repository *repository)
{
    char command[300];
    if (repository->server_pid > 0) {
        (void)kill(repository->server_pid, SIGTERM);
        (void)waitpid(repository->server_pid, NULL, 0);
        (void)fclose(repository->server_output);
    }
    snprintf(command, sizeof command, "rm -rf '%s'", repository->folder);
    if (system(command) != 0) fail_test("can't remove", repository->folder);
}

/* The server tells the port it took in its first line: "Serving HTTP on 127.0.0.1 port 43211 (...". */
static void serve(struct repository *repository, const char *const arguments[])
{
    int pair[2];
    if (pipe(pair) != 0) fail_test("no pipe for", "http.server");
    pid_t pid = fork();
    if (pid == 0) {
        (void)dup2(pair[1], STDOUT_FILENO);
        (void)close(pair[0]);
        (void)dup2(open("/dev/null", O_WRONLY), STDERR_FILENO); /* A line a request. */
        (void)execvp("python3", (char *const *)(uintptr_t)arguments);
        _exit(127);
    }
    (void)close(pair[1]);
    repository->server_pid = pid;
    FILE *output = fdopen(pair[0], "r");
    unsigned port = 0;
    if (output == NULL || fscanf(output, "Serving HTTP on 127.0.0.1 port %u", &port) != 1)
        fail_test("no port from", "python3 -m http.server");
    repository->server_output = output; /* Stays open: the server may write on, and must not die of it. */
    snprintf(repository->http_url, sizeof repository->http_url, "http://127.0.0.1:%u", port);
}

void repository_serve(struct repository *repository)
{
    const char *const arguments[] = { "python3", "-u",        "-m",          "http.server",      "0",
                                      "--bind",  "127.0.0.1", "--directory", repository->folder, NULL };
    serve(repository, arguments);
}

void repository_serve_badly(struct repository *repository)
{
    const char *const arguments[] = { "python3", "-u", "tests/support/bad_server.py", repository->folder,
                                      NULL };
    serve(repository, arguments);
}

static void write_file(const char *path, const void *data, size_t size)
{
    char folder[MAVEN_URL_MAX];
    struct file file;
    snprintf(folder, sizeof folder, "%s", path);
    *strrchr(folder, '/') = '\0';
    if (file_os.make_folder(NULL, folder, NULL) != STATUS_OK) fail_test("can't make", folder);
    (void)file_os.remove(NULL, path, NULL);
    if (file_os.open(NULL, path, FILE_CREATE, &file, NULL) != STATUS_OK) fail_test("can't write", path);
    if (file_os.write(NULL, &file, data, size, NULL) != STATUS_OK) fail_test("can't write", path);
    file_os.close(NULL, &file);
}

static void path_of(const struct repository *repository, const char *artifact, const char *classifier,
                    const char *suffix, char path[MAVEN_URL_MAX])
{
    struct coordinates coordinates;
    if (coordinates_parse(artifact, COORDINATES_EXACT, &coordinates, NULL) != STATUS_OK ||
        !maven_url(path, repository->folder, &coordinates, classifier, suffix))
        fail_test("not coordinates:", artifact);
}

void repository_put(const struct repository *repository, const char *artifact, const char *classifier,
                    const void *data, size_t size, const char *checksums)
{
    char path[MAVEN_URL_MAX];
    path_of(repository, artifact, classifier, "", path);
    write_file(path, data, size);
    for (enum digest_kind kind = 0; kind < DIGEST_KIND_COUNT; kind++) {
        if (strstr(checksums, digest_name(kind)) == NULL) continue;
        struct digest digest;
        char text[DIGEST_TEXT_MAX], suffix[16];
        digest_begin(&digest, kind);
        digest_add(&digest, data, size);
        digest_end(&digest, text);
        snprintf(suffix, sizeof suffix, ".%s", digest_name(kind));
        path_of(repository, artifact, classifier, suffix, path);
        write_file(path, text, strlen(text));
    }
}

void *repository_read(const char *path, size_t *out_size)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) fail_test("can't read", path);
    (void)fseek(file, 0, SEEK_END);
    *out_size = (size_t)ftell(file);
    rewind(file);
    void *data = malloc(*out_size + 1);
    if (data == NULL || fread(data, 1, *out_size, file) != *out_size) fail_test("can't read", path);
    (void)fclose(file);
    return data;
}

void repository_put_file(const struct repository *repository, const char *artifact, const char *path,
                         const char *checksums)
{
    size_t size;
    void *data = repository_read(path, &size);
    repository_put(repository, artifact, "", data, size, checksums);
    free(data);
}

void repository_put_beside(const struct repository *repository, const char *artifact, const char *suffix,
                           const char *text)
{
    char path[MAVEN_URL_MAX];
    path_of(repository, artifact, "", suffix, path);
    write_file(path, text, strlen(text));
}
