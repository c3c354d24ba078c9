/* Goal: a repository's server that breaks off, lies, stalls, drips, redirects or never ends costs a download,
 * at most a repository, never the node; what it cut is continued and not fetched again; credentials stay with
 * their host. Method: the real store, fetcher and disk; a server that does each of it on purpose
 * (support/bad_server.py). */
#include "actors/slice/artifact_store.h"

#include "actors/slice/maven_layout.h"
#include "actors/slice/messages.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "runtime/os/file.h"
#include "runtime/os/library.h"
#include "runtime/port/fetch.h"
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

enum { OBJECT_SIZE = 300 * 1024, DOWNLOAD_MAX = 1024 * 1024 };

struct world {
    struct repository bad;
    struct repository good;
    char data[64];
    char url[128];
    uint32_t number; /* Of artifacts: each test has one of its own. */
    struct artifact_repository repositories[2];
    struct artifact_store_options options;
    struct fetcher_options fetcher;
    struct pool_probe *probe;
    uint8_t object[OBJECT_SIZE];
};

static int set_up(void **state)
{
    struct world *world = memory_zalloc(sizeof *world);
    repository_init(&world->bad);
    repository_init(&world->good);
    repository_serve_badly(&world->bad);
    snprintf(world->data, sizeof world->data, "/tmp/aether-hostile-XXXXXX");
    assert_non_null(mkdtemp(world->data));
    world->repositories[0] = (struct artifact_repository){ .id = "bad", .url = world->url };
    world->repositories[1] = (struct artifact_repository){ .id = "good", .url = world->good.file_url };
    world->options = (struct artifact_store_options){ .files = &file_os,
                                                      .directory = world->data,
                                                      .repositories = world->repositories,
                                                      .repository_count = 2,
                                                      .download_bytes_max = DOWNLOAD_MAX };
    world->fetcher = (struct fetcher_options){ .files = &file_os, .libraries = &library_os, .stall_s = 1 };
    world->probe = pool_probe_create("node-1");
    (void)pool_probe_spawn(world->probe, &fetcher_behavior, &world->fetcher, TO_FETCHER);
    (void)pool_probe_spawn(world->probe, &artifact_store_behavior, &world->options, TO_ARTIFACT_STORE);
    size_t size;
    uint8_t *self = repository_read("/proc/self/exe", &size); /* For its header: a PIE is ET_DYN, too. */
    for (size_t i = 0; i < OBJECT_SIZE; i++)
        world->object[i] = (uint8_t)(i * 13 + i / 251);
    memcpy(world->object, self, MAVEN_OBJECT_HEAD_SIZE);
    free(self);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    char command[128];
    pool_probe_destroy(&world->probe);
    snprintf(command, sizeof command, "rm -rf '%s'", world->data);
    assert_int_equal(system(command), 0);
    repository_fini(&world->bad);
    repository_fini(&world->good);
    memory_free(world);
    return 0;
}

/* A new artifact in the bad repository, whose server is in this mode from now on. */
static void begin(struct world *world, const char *mode, char artifact[64])
{
    snprintf(world->url, sizeof world->url, "%s/%s", world->bad.http_url, mode);
    world->object[4000] = (uint8_t)++world->number; /* Other content, another name in the cache. */
    snprintf(artifact, 64, "org.test:one:1.%u", world->number);
    repository_put(&world->bad, artifact, "", world->object, OBJECT_SIZE, "sha256");
}

static struct probe_result fetch(struct world *world, const char *artifact)
{
    struct message *message = message_create(KIND_ARTIFACT_FETCH, sizeof(struct artifact_fetch));
    struct artifact_fetch *wanted = message->body;
    wanted->artifact = arena_strdup(&message->arena, artifact);
    return pool_probe_ask_name(world->probe, TO_ARTIFACT_STORE, &message, SECONDS(20));
}

static void assert_taken(struct world *world, const char *mode)
{
    char artifact[64];
    begin(world, mode, artifact);
    struct probe_result result = fetch(world, artifact);
    if (result.status != STATUS_OK) fail_msg("%s: %s", mode, result.error.message);
    size_t size;
    void *data = repository_read(((const struct artifact_ready *)result.message->body)->path, &size);
    assert_int_equal(size, OBJECT_SIZE);
    assert_memory_equal(data, world->object, OBJECT_SIZE);
    free(data);
    message_destroy(&result.message);
}

static void assert_refused(struct world *world, const char *mode, enum status status, const char *words)
{
    char artifact[64];
    begin(world, mode, artifact);
    struct probe_result result = fetch(world, artifact);
    if (result.status != status)
        fail_msg("%s: %s %s", mode, status_name(result.status), result.error.message);
    if (strstr(result.error.message, words) == NULL)
        fail_msg("%s: \"%s\" doesn't say \"%s\"", mode, result.error.message, words);
    if (status == STATUS_DENIED && strstr(result.error.hint, "credentials") == NULL)
        fail_msg("%s: \"%s\" doesn't say what is missing", mode, result.error.hint);
}

/* What the server counted in this mode. */
static uint64_t counted(struct world *world, const char *mode, const char *name)
{
    char url[160], wanted[64];
    uint64_t number = 0;
    snprintf(url, sizeof url, "%s/%s/count", world->bad.http_url, mode);
    struct message *message = message_create(KIND_FETCH, sizeof(struct fetch));
    struct fetch *fetch = message->body;
    *fetch = (struct fetch){ .url = arena_strdup(&message->arena, url),
                             .size_bytes_max = 4096,
                             .credentials = "" };
    struct probe_result result = pool_probe_ask_name(world->probe, TO_FETCHER, &message, SECONDS(20));
    assert_int_equal(result.status, STATUS_OK);
    char *text = arena_strndup(&result.message->arena, (const char *)result.message->attachment->data,
                               result.message->attachment->size);
    snprintf(wanted, sizeof wanted, "%s=", name);
    const char *at = strstr(text, wanted);
    if (at != NULL) number = strtoull(at + strlen(wanted), NULL, 10);
    message_destroy(&result.message);
    return number;
}

static void what_breaks_off_is_continued(void **state)
{
    struct world *world = *state;
    assert_taken(world, "plain");
    assert_taken(world, "cut"); /* 300 KiB in five connections of 60 KiB. */
    assert_int_equal(counted(world, "cut", "bytes"), OBJECT_SIZE);
    assert_int_equal(counted(world, "cut", "status-206"), 4);
    assert_int_equal(counted(world, "cut", "if-range"), 4);
}

static void what_cannot_be_continued_is_begun_again(void **state)
{
    struct world *world = *state;
    assert_taken(world, "changed"); /* Another entity: the server says so by 200. */
    assert_taken(world, "no-ranges");
    assert_taken(world, "refused-ranges");
    assert_int_equal(counted(world, "refused-ranges", "status-416"), 1);
}

static void lies_are_found_out(void **state)
{
    struct world *world = *state;
    assert_refused(world, "short", STATUS_CORRUPT, "its sha256 is");
    assert_refused(world, "wrong", STATUS_CORRUPT, "its sha256 is");
    assert_int_equal(counted(world, "wrong", "objects"), 2); /* Once more, and no third time. */
    assert_refused(world, "longer", STATUS_IO, "repository bad");
    assert_refused(world, "huge", STATUS_INVALID, "larger than");
    assert_refused(world, "endless", STATUS_INVALID, "larger than");
    assert_true(counted(world, "huge", "objects") == 1);
}

static void nobody_is_waited_for_without_end(void **state)
{
    struct world *world = *state;
    assert_refused(world, "stall", STATUS_DEADLINE, "repository bad");
    assert_refused(world, "silent", STATUS_DEADLINE, "repository bad");
    assert_refused(world, "drip", STATUS_DEADLINE, "repository bad");
}

static void redirects_lead_to_servers_only(void **state)
{
    struct world *world = *state;
    assert_taken(world, "redirect");
    assert_refused(world, "loop", STATUS_IO, "repository bad");
    assert_int_equal(counted(world, "loop", "objects"), 6); /* Itself, and five redirects. */
    assert_refused(world, "to-file", STATUS_INVALID, "repository bad");
}

static void the_next_repository_is_asked(void **state)
{
    struct world *world = *state;
    static const char *const modes[] = { "500", "wrong", "stall" };
    for (size_t i = 0; i < ARRAY_COUNT(modes); i++) {
        char artifact[64];
        begin(world, modes[i], artifact);
        repository_put(&world->good, artifact, "", world->object, OBJECT_SIZE, "sha512");
        struct probe_result result = fetch(world, artifact);
        if (result.status != STATUS_OK) fail_msg("%s: %s", modes[i], result.error.message);
        message_destroy(&result.message);
    }
    assert_refused(world, "500", STATUS_IO, "500");
}

/* At least one tenth further each time, and not twice within a second: a download of three. */
static void progress_is_told_now_and_then(void **state)
{
    struct world *world = *state;
    pool_probe_stub(world->probe, TO_NODE_DEPLOYMENT_MANAGER, NULL, NULL);
    assert_taken(world, "slow");
    uint64_t before = 0;
    uint32_t count = 0;
    struct message *message;
    while ((message = pool_probe_await(world->probe, KIND_INSTANCE_PROGRESS, MILLISECONDS(100))) != NULL) {
        const struct instance_progress *progress = message->body;
        assert_string_equal(progress->artifact, "org.test:one:1.1");
        assert_int_equal(progress->total_bytes, OBJECT_SIZE);
        assert_true(progress->received_bytes > before && progress->received_bytes <= OBJECT_SIZE);
        before = progress->received_bytes;
        count++;
        message_destroy(&message);
    }
    assert_in_range(count, 1, 4);
}

static void credentials_stay_with_their_host(void **state)
{
    struct world *world = *state;
    assert_refused(world, "basic", STATUS_DENIED, "401");
    world->repositories[0].credentials = "user:secret";
    assert_taken(world, "basic");
    assert_refused(world, "bearer", STATUS_DENIED, "401");
    assert_taken(world, "away"); /* The other host answers 418 to whoever brings it any. */
    world->repositories[0].credentials = "bearer:token-7";
    assert_taken(world, "bearer");
    assert_taken(world, "away");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_breaks_off_is_continued, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_cannot_be_continued_is_begun_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lies_are_found_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nobody_is_waited_for_without_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(redirects_lead_to_servers_only, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_next_repository_is_asked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(progress_is_told_now_and_then, set_up, tear_down),
        cmocka_unit_test_setup_teardown(credentials_stay_with_their_host, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
