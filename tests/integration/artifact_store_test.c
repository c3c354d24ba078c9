/* Goal: the artifact store takes from file:// and http:// repositories what has a right checksum, the
 * strongest there is, and nothing else; says clearly why not; keeps by content, read-only, and checks again
 * before use. Method: the real store, fetcher and disk on the real pool; repositories in temporary folders.
 */
#include "actors/slice/artifact_store.h"

#include "actors/slice/maven_layout.h"
#include "actors/slice/messages.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "runtime/os/file.h"
#include "runtime/os/library.h"
#include "tests/support/pool_probe.h"
#include "tests/support/repository.h"
#include "wire/fetch/fetcher.h"
#include "wire/kinds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OBJECT_SIZE = 300 * 1024, DOWNLOAD_MAX = 1024 * 1024 };

struct world {
    struct repository first;
    struct repository second;
    char data[64];
    struct artifact_repository repositories[2];
    struct artifact_store_options options;
    struct fetcher_options fetcher;
    struct pool_probe *probe;
    uint8_t object[OBJECT_SIZE]; /* An ELF header and noise. */
    char sha256[DIGEST_TEXT_MAX];
};

static void sha256_of(const void *data, size_t size, char text[DIGEST_TEXT_MAX])
{
    struct digest digest;
    digest_begin(&digest, DIGEST_SHA256);
    digest_add(&digest, data, size);
    digest_end(&digest, text);
}

static void make_object(struct world *world)
{
    size_t size;
    uint8_t *self = repository_read("/proc/self/exe", &size); /* For its header: a PIE is ET_DYN, too. */
    for (size_t i = 0; i < OBJECT_SIZE; i++)
        world->object[i] = (uint8_t)(i * 13 + i / 251);
    memcpy(world->object, self, MAVEN_OBJECT_HEAD_SIZE);
    free(self);
    sha256_of(world->object, OBJECT_SIZE, world->sha256);
}

static struct world *world_create(bool http)
{
    struct world *world = memory_zalloc(sizeof *world);
    repository_init(&world->first);
    repository_init(&world->second);
    if (http) repository_serve(&world->second);
    snprintf(world->data, sizeof world->data, "/tmp/aether-artifacts-XXXXXX");
    assert_non_null(mkdtemp(world->data));
    world->repositories[0] = (struct artifact_repository){ .id = "first", .url = world->first.file_url };
    world->repositories[1] = (struct artifact_repository){
        .id = "second", .url = http ? world->second.http_url : world->second.file_url, .require_sha256 = true
    };
    world->options = (struct artifact_store_options){ .files = &file_os,
                                                      .directory = world->data,
                                                      .repositories = world->repositories,
                                                      .repository_count = 2,
                                                      .download_bytes_max = DOWNLOAD_MAX };
    world->fetcher = (struct fetcher_options){ .files = &file_os, .libraries = &library_os };
    world->probe = pool_probe_create("node-1");
    (void)pool_probe_spawn(world->probe, &fetcher_behavior, &world->fetcher, TO_FETCHER);
    (void)pool_probe_spawn(world->probe, &artifact_store_behavior, &world->options, TO_ARTIFACT_STORE);
    make_object(world);
    return world;
}

static void world_destroy(struct world **world)
{
    char command[128];
    pool_probe_destroy(&(*world)->probe);
    snprintf(command, sizeof command, "rm -rf '%s'", (*world)->data);
    assert_int_equal(system(command), 0);
    repository_fini(&(*world)->first);
    repository_fini(&(*world)->second);
    memory_free(*world);
    *world = NULL;
}

static struct probe_result fetch(struct world *world, const char *artifact, const char *sha256)
{
    struct message *message = message_create(KIND_ARTIFACT_FETCH, sizeof(struct artifact_fetch));
    struct artifact_fetch *wanted = message->body;
    wanted->artifact = arena_strdup(&message->arena, artifact);
    (void)text_copy(wanted->sha256, sizeof wanted->sha256, sha256);
    return pool_probe_ask_name(world->probe, TO_ARTIFACT_STORE, &message, SECONDS(20));
}

static void assert_ready(struct world *world, const char *artifact, const char *sha256, const char *content)
{
    struct probe_result result = fetch(world, artifact, sha256);
    if (result.status != STATUS_OK) print_error("%s\n", result.error.message);
    assert_int_equal(result.status, STATUS_OK);
    const struct artifact_ready *ready = result.message->body;
    assert_string_equal(ready->sha256, content);
    struct stat status;
    assert_int_equal(stat(ready->path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0444);
    size_t size;
    char hash[DIGEST_TEXT_MAX];
    void *data = repository_read(ready->path, &size);
    sha256_of(data, size, hash);
    assert_string_equal(hash, content);
    free(data);
    message_destroy(&result.message);
}

static void assert_refused(struct world *world, const char *artifact, const char *sha256, enum status status,
                           const char *words)
{
    struct probe_result result = fetch(world, artifact, sha256);
    assert_int_equal(result.status, status);
    if (strstr(result.error.message, words) == NULL)
        fail_msg("\"%s\" doesn't say \"%s\"", result.error.message, words);
}

static unsigned parts_left(const struct world *world)
{
    char command[128];
    snprintf(command, sizeof command, "ls %s/artifacts/tmp | wc -l", world->data);
    FILE *output = popen(command, "r");
    unsigned count = 99;
    assert_int_equal(fscanf(output, "%u", &count), 1);
    (void)pclose(output);
    return count;
}

static void file_and_http_repositories_in_order(void **unused)
{
    (void)unused;
    struct world *world = world_create(true);
    repository_put(&world->first, "org.test:one:1.0", "", world->object, OBJECT_SIZE, "sha256");
    repository_put(&world->second, "org.test:two:1.0", "", world->object, OBJECT_SIZE - 1, "sha512 sha1");
    char second[DIGEST_TEXT_MAX];
    sha256_of(world->object, OBJECT_SIZE - 1, second);
    assert_ready(world, "org.test:one:1.0", "", world->sha256);
    assert_ready(world, "org.test:two:1.0", second, second);
    assert_int_equal(parts_left(world), 0);
    world_destroy(&world);
}

static void the_platforms_classifier_comes_first(void **unused)
{
    (void)unused;
    struct world *world = world_create(false);
    repository_put(&world->first, "org.test:one:1.0", "", "\177ELF wrong", 10, "sha256");
    repository_put(&world->first, "org.test:one:1.0", maven_classifier(0), world->object, OBJECT_SIZE,
                   "sha256");
    assert_ready(world, "org.test:one:1.0", "", world->sha256);
    world_destroy(&world);
}

static void the_strongest_checksum_counts(void **unused)
{
    (void)unused;
    struct world *world = world_create(false);
    repository_put(&world->first, "org.test:one:1.0", "", world->object, OBJECT_SIZE, "sha1");
    assert_ready(world, "org.test:one:1.0", "", world->sha256); /* Maven's own plugin writes no other. */
    repository_put(&world->first, "org.test:two:1.0", "", world->object, OBJECT_SIZE, "sha1 sha256");
    char wrong[129];
    memset(wrong, 'a', 128);
    wrong[128] = '\0';
    repository_put_beside(&world->first, "org.test:two:1.0", ".sha512", wrong);
    assert_refused(world, "org.test:two:1.0", "", STATUS_CORRUPT, "sha512");
    assert_int_equal(parts_left(world), 0);
    repository_put(&world->second, "org.test:three:1.0", "", world->object, OBJECT_SIZE, "sha1");
    assert_refused(world, "org.test:three:1.0", "", STATUS_CORRUPT, "no checksum file beside it");
    world_destroy(&world);
}

static void what_is_wrong_is_said(void **unused)
{
    (void)unused;
    struct world *world = world_create(true);
    char other[DIGEST_TEXT_MAX];
    assert_refused(world, "org.test:absent:1.0", "", STATUS_NOT_FOUND,
                   "no repository has org.test:absent:1.0");
    repository_put(&world->first, "org.test:bare:1.0", "", world->object, OBJECT_SIZE, "");
    assert_refused(world, "org.test:bare:1.0", "", STATUS_CORRUPT, "no checksum file beside it");
    repository_put(&world->first, "org.test:cut:1.0", "", world->object, OBJECT_SIZE, "sha256");
    repository_put(&world->first, "org.test:cut:1.0", "", world->object, OBJECT_SIZE / 2, "");
    assert_refused(world, "org.test:cut:1.0", "", STATUS_CORRUPT, "sha256");
    repository_put(&world->second, "org.test:text:1.0", "", "#!/bin/sh\necho this is no object\n", 32,
                   "sha256");
    assert_refused(world, "org.test:text:1.0", "", STATUS_INVALID, "not a shared object");
    repository_put(&world->first, "org.test:other:1.0", "", world->object, OBJECT_SIZE, "sha256");
    sha256_of("other bytes", 11, other);
    assert_refused(world, "org.test:other:1.0", other, STATUS_CORRUPT, "other bytes");
    void *large = memory_zalloc(DOWNLOAD_MAX + 1);
    memcpy(large, world->object, MAVEN_OBJECT_HEAD_SIZE);
    repository_put(&world->second, "org.test:large:1.0", "", large, DOWNLOAD_MAX + 1, "sha256");
    memory_free(large);
    assert_refused(world, "org.test:large:1.0", "", STATUS_INVALID, "larger than");
    repository_put_beside(&world->first, "org.test:junk:1.0", ".sha512", "<html>a login page</html>");
    assert_refused(world, "org.test:junk:1.0", "", STATUS_CORRUPT, "holds no checksum");
    static const char *const bad[] = { "../../etc:passwd:1", "org.test:one", "org.test:one:LATEST", "" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_refused(world, bad[i], "", STATUS_INVALID, "");
    assert_refused(world, "org.test:bare:1.0", "../../x", STATUS_INVALID, "not a SHA-256");
    world_destroy(&world);
}

static void the_cache_serves_without_a_repository_and_heals(void **unused)
{
    (void)unused;
    struct world *world = world_create(false);
    char path[128];
    repository_put(&world->first, "org.test:one:1.0", "", world->object, OBJECT_SIZE, "sha256");
    assert_ready(world, "org.test:one:1.0", "", world->sha256);
    char hidden[300];
    snprintf(hidden, sizeof hidden, "%s-away", world->first.folder);
    assert_int_equal(rename(world->first.folder, hidden), 0);
    assert_ready(world, "org.test:one:1.0", world->sha256, world->sha256);
    /* A flipped bit in the cache: seen before the load, and fetched again once that is possible. */
    snprintf(path, sizeof path, "%s/artifacts/%s", world->data, world->sha256);
    assert_int_equal(chmod(path, 0600), 0);
    FILE *file = fopen(path, "r+b");
    assert_int_equal(fseek(file, 1000, SEEK_SET), 0);
    assert_int_equal(fputc('!', file), '!');
    (void)fclose(file);
    assert_refused(world, "org.test:one:1.0", world->sha256, STATUS_NOT_FOUND, "no repository has");
    assert_int_equal(rename(hidden, world->first.folder), 0);
    assert_ready(world, "org.test:one:1.0", world->sha256, world->sha256);
    world_destroy(&world);
}

static void a_cut_download_is_continued_or_begun_again(void **unused)
{
    (void)unused;
    struct world *world = world_create(true); /* http.server knows no ranges, file:// does. */
    char path[256];
    struct repository *repositories[] = { &world->first, &world->second };
    for (size_t i = 0; i < 2; i++) {
        char artifact[64];
        world->object[5000] = (uint8_t)i; /* Other content, other name in the cache. */
        sha256_of(world->object, OBJECT_SIZE, world->sha256);
        snprintf(artifact, sizeof artifact, "org.test:cut%zu:1.0", i);
        repository_put(repositories[i], artifact, "", world->object, OBJECT_SIZE, "sha256");
        snprintf(path, sizeof path, "%s/artifacts/tmp/%s.part", world->data, world->sha256);
        FILE *file = fopen(path, "wb");
        assert_int_equal(fwrite(world->object, 1, OBJECT_SIZE / 3, file), OBJECT_SIZE / 3);
        (void)fclose(file);
        assert_ready(world, artifact, "", world->sha256);
    }
    /* And a wrong beginning is thrown away. */
    world->object[5000] = 77;
    sha256_of(world->object, OBJECT_SIZE, world->sha256);
    repository_put(&world->first, "org.test:bad:1.0", "", world->object, OBJECT_SIZE, "sha256");
    snprintf(path, sizeof path, "%s/artifacts/tmp/%s.part", world->data, world->sha256);
    FILE *file = fopen(path, "wb");
    assert_int_equal(fwrite("rubbish", 1, 7, file), 7);
    (void)fclose(file);
    assert_ready(world, "org.test:bad:1.0", "", world->sha256);
    assert_int_equal(parts_left(world), 0);
    world_destroy(&world);
}

static struct probe_result resolve(struct world *world, const char *artifact)
{
    struct message *message = message_create(KIND_ARTIFACT_RESOLVE, sizeof(struct artifact_resolve));
    ((struct artifact_resolve *)message->body)->artifact = arena_strdup(&message->arena, artifact);
    return pool_probe_ask_name(world->probe, TO_ARTIFACT_STORE, &message, SECONDS(20));
}

static void assert_resolved(struct world *world, const char *artifact, const char *exact, uint64_t size)
{
    struct probe_result result = resolve(world, artifact);
    if (result.status != STATUS_OK) print_error("%s: %s\n", artifact, result.error.message);
    assert_int_equal(result.status, STATUS_OK);
    const struct artifact_resolved *resolved = result.message->body;
    assert_string_equal(resolved->artifact, exact);
    assert_int_equal(resolved->size_bytes, size);
    message_destroy(&result.message);
}

static void resolve_tells_hash_and_size(void **unused)
{
    (void)unused;
    struct world *world = world_create(false);
    repository_put(&world->first, "org.test:one:1.0", "", world->object, OBJECT_SIZE, "sha512");
    struct probe_result result = resolve(world, "org.test:one:1.0");
    assert_int_equal(result.status, STATUS_OK);
    const struct artifact_resolved *resolved = result.message->body;
    assert_string_equal(resolved->artifact, "org.test:one:1.0");
    assert_string_equal(resolved->sha256, world->sha256);
    assert_int_equal(resolved->size_bytes, OBJECT_SIZE);
    message_destroy(&result.message);
    world_destroy(&world);
}

static void put_metadata(const struct repository *repository, const char *folder, const char *versioning)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s/maven-metadata.xml", repository->folder, folder);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    (void)fprintf(file, "<metadata><versioning>%s</versioning></metadata>", versioning);
    (void)fclose(file);
}

static void open_versions_are_chosen_over_all_repositories(void **unused)
{
    (void)unused;
    struct world *world = world_create(true);
    repository_put(&world->first, "org.test:one:1.2", "", world->object, OBJECT_SIZE, "sha256");
    repository_put(&world->second, "org.test:one:1.10", "", world->object, OBJECT_SIZE - 1, "sha256");
    repository_put(&world->second, "org.test:one:2.0-SNAPSHOT", "", world->object, OBJECT_SIZE - 2, "sha256");
    put_metadata(&world->first, "org/test/one",
                 "<release>1.2</release><versions><version>1.2</version></versions>");
    put_metadata(&world->second, "org/test/one",
                 "<release>1.10</release><versions><version>1.10</version><version>2.0-SNAPSHOT</version>"
                 "<version>../../up</version><version>LATEST</version></versions>");
    assert_resolved(world, "org.test:one:RELEASE", "org.test:one:1.10", OBJECT_SIZE - 1);
    assert_resolved(world, "org.test:one:[1.0,2.0)", "org.test:one:1.10", OBJECT_SIZE - 1);
    assert_resolved(world, "org.test:one:[1.0,1.10)", "org.test:one:1.2", OBJECT_SIZE);
    assert_resolved(world, "org.test:one:LATEST", "org.test:one:2.0-SNAPSHOT", OBJECT_SIZE - 2);
    struct probe_result result = resolve(world, "org.test:one:[3.0,)");
    assert_int_equal(result.status, STATUS_NOT_FOUND);
    assert_non_null(strstr(result.error.message, "no repository lists a version of org.test:one:[3.0,)"));
    /* The repository that may have the highest version can't be read: nothing is chosen. */
    put_metadata(&world->second, "org/test/one", "<versions>");
    result = resolve(world, "org.test:one:RELEASE");
    assert_int_equal(result.status, STATUS_CORRUPT);
    assert_non_null(strstr(result.error.message, "repository second"));
    world_destroy(&world);
}

static void snapshots_are_dated(void **unused)
{
    (void)unused;
    struct world *world = world_create(false);
    char folder[256], from[300], to[300];
    repository_put(&world->second, "org.test:one:2.0-SNAPSHOT", "", world->object, OBJECT_SIZE, "sha256");
    /* A folder without metadata, as a build leaves it: the file of that very name. */
    assert_resolved(world, "org.test:one:2.0-SNAPSHOT", "org.test:one:2.0-SNAPSHOT", OBJECT_SIZE);
    snprintf(folder, sizeof folder, "%s/org/test/one/2.0-SNAPSHOT", world->second.folder);
    static const char *const suffixes[] = { "", ".sha256" };
    for (size_t i = 0; i < 2; i++) {
        snprintf(from, sizeof from, "%s/one-2.0-SNAPSHOT.so%s", folder, suffixes[i]);
        snprintf(to, sizeof to, "%s/one-2.0-20261121.160117-2.so%s", folder, suffixes[i]);
        assert_int_equal(rename(from, to), 0);
    }
    put_metadata(&world->second, "org/test/one/2.0-SNAPSHOT",
                 "<snapshotVersions><snapshotVersion><extension>pom</extension><value>2.0-1</value>"
                 "</snapshotVersion><snapshotVersion><extension>so</extension>"
                 "<value>2.0-20261121.160117-2</value></snapshotVersion></snapshotVersions>");
    assert_resolved(world, "org.test:one:2.0-SNAPSHOT", "org.test:one:2.0-20261121.160117-2", OBJECT_SIZE);
    assert_ready(world, "org.test:one:2.0-20261121.160117-2", world->sha256, world->sha256);
    /* As Maven 2 wrote it. */
    put_metadata(&world->second, "org/test/one/2.0-SNAPSHOT",
                 "<snapshot><timestamp>20261121.160117</timestamp><buildNumber>2</buildNumber></snapshot>");
    assert_resolved(world, "org.test:one:2.0-SNAPSHOT", "org.test:one:2.0-20261121.160117-2", OBJECT_SIZE);
    world_destroy(&world);
}

/* Of a key that only this test has. */
static void put_signature(struct world *world, const char *artifact,
                          const struct signature_secret_key *secret, size_t size)
{
    struct signature signature;
    char hex[2 * SIGNATURE_SIZE + 1];
    signature_make(secret, world->object, size, &signature);
    text_hex(hex, signature.bytes, SIGNATURE_SIZE);
    repository_put_beside(&world->first, artifact, ".sig", hex);
}

static void make_key(uint8_t seed, struct signature_secret_key *secret,
                     struct signature_public_key *public_key)
{
    uint8_t bytes[SIGNATURE_KEY_SIZE];
    char hex[2 * SIGNATURE_KEY_SIZE + 1];
    memset(bytes, seed, sizeof bytes);
    text_hex(hex, bytes, sizeof bytes);
    assert_int_equal(signature_read_secret(hex, strlen(hex), secret, NULL), STATUS_OK);
    signature_public_of(secret, public_key);
}

static void with_keys_only_signed_artifacts_are_taken(void **unused)
{
    (void)unused;
    struct world *world = world_create(false);
    struct signature_secret_key ours, other;
    struct signature_public_key keys[2], foreign;
    make_key(1, &ours, &keys[1]);
    make_key(2, &other, &foreign);
    make_key(3, &other, &keys[0]);
    make_key(2, &other, &foreign);
    /* Before there are keys anything is taken, and cached. */
    repository_put(&world->first, "org.test:one:1.0", "", world->object, OBJECT_SIZE, "sha256");
    assert_ready(world, "org.test:one:1.0", "", world->sha256);
    world->options.trust = (struct artifact_trust){ keys, 2 };
    assert_refused(world, "org.test:one:1.0", world->sha256, STATUS_CORRUPT, "has no .sig beside it");
    put_signature(world, "org.test:one:1.0", &other, OBJECT_SIZE);
    assert_refused(world, "org.test:one:1.0", "", STATUS_CORRUPT, "by none of the 2 trusted keys");
    put_signature(world, "org.test:one:1.0", &ours, OBJECT_SIZE - 1);
    assert_refused(world, "org.test:one:1.0", "", STATUS_CORRUPT, "by none of the 2 trusted keys");
    repository_put_beside(&world->first, "org.test:one:1.0", ".sig", "<html>");
    assert_refused(world, "org.test:one:1.0", "", STATUS_CORRUPT, "holds no Ed25519 signature");
    put_signature(world, "org.test:one:1.0", &ours, OBJECT_SIZE);
    assert_ready(world, "org.test:one:1.0", "", world->sha256);
    /* Once taken it is served without its repository, by the signature that was kept. */
    char hidden[300];
    snprintf(hidden, sizeof hidden, "%s-away", world->first.folder);
    assert_int_equal(rename(world->first.folder, hidden), 0);
    assert_ready(world, "org.test:one:1.0", world->sha256, world->sha256);
    world->options.trust = (struct artifact_trust){ keys, 1 };
    assert_refused(world, "org.test:one:1.0", world->sha256, STATUS_NOT_FOUND, "no repository has");
    assert_int_equal(rename(hidden, world->first.folder), 0);
    assert_int_equal(parts_left(world), 0);
    world_destroy(&world);
}

static void many_at_once_are_served_in_turn(void **unused)
{
    (void)unused;
    struct world *world = world_create(true);
    enum { COUNT = 40 };
    uint64_t numbers[COUNT];
    repository_put(&world->second, "org.test:one:1.0", "", world->object, OBJECT_SIZE, "sha256");
    for (int i = 0; i < COUNT; i++) {
        struct message *message = message_create(KIND_ARTIFACT_FETCH, sizeof(struct artifact_fetch));
        ((struct artifact_fetch *)message->body)->artifact = i % 4 ? "org.test:one:1.0" : "org.test:none:1.0";
        numbers[i] = pool_probe_begin_name(world->probe, TO_ARTIFACT_STORE, &message, SECONDS(30));
    }
    for (int i = 0; i < COUNT; i++) {
        struct probe_result result = pool_probe_end(world->probe, numbers[i]);
        assert_int_equal(result.status, i % 4 ? STATUS_OK : STATUS_NOT_FOUND);
        message_destroy(&result.message);
    }
    world_destroy(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(file_and_http_repositories_in_order),
        cmocka_unit_test(the_platforms_classifier_comes_first),
        cmocka_unit_test(the_strongest_checksum_counts),
        cmocka_unit_test(what_is_wrong_is_said),
        cmocka_unit_test(the_cache_serves_without_a_repository_and_heals),
        cmocka_unit_test(a_cut_download_is_continued_or_begun_again),
        cmocka_unit_test(resolve_tells_hash_and_size),
        cmocka_unit_test(open_versions_are_chosen_over_all_repositories),
        cmocka_unit_test(snapshots_are_dated),
        cmocka_unit_test(with_keys_only_signed_artifacts_are_taken),
        cmocka_unit_test(many_at_once_are_served_in_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
